# SPDX-License-Identifier: Apache-2.0
"""The command line in this process, over a filled home whose services run, as its members use it. Holds no test."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from muniment.access import commands as access
from muniment.access.model import Action, Actor, Pending, Role
from muniment.app.approvals import execute_approved
from muniment.app.cli import main
from tests.flows.canaries import AGENT, OWNER, PASSWORD
from tests.flows.stand import Desk, Filling, Running, anvil

OWNER_EMAIL, AGENT_EMAIL = OWNER[0], AGENT[0]
ORGANISATION = "Vogelhaus Instruments AG"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """What it printed with --json."""
        return json.loads(self.out)

    @property
    def refusal(self) -> Any:
        """The refusal or outage that it printed with --json."""
        return self.told["error"]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A terminal on the home: commands run in this process and attach to its services."""

    stand: Running
    filling: Filling
    folder: Path

    def run(self, *arguments: str) -> Ended:
        """Run a command to its end."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
            main(list(arguments))
        return Ended(int(end.value.code or 0), out.getvalue(), err.getvalue())

    def owner(self, *arguments: str) -> Ended:
        """Run a command as the owner."""
        return self.run(*arguments, "--as", OWNER_EMAIL, "--password-file", str(self.password_file()))

    def agent(self, *arguments: str) -> Ended:
        """Run a command as the agent, the second person."""
        return self.run(*arguments, "--as", AGENT_EMAIL, "--password-file", str(self.password_file()))

    def password_file(self, password: str = PASSWORD) -> Path:
        """Return a private file with a password."""
        return self.private_file(f"password-{len(password)}", password)

    def private_file(self, name: str, text: str) -> Path:
        """Return a file of mode 600 with that text."""
        file = self.folder / name
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
            opened.write(text)
        return file

    @property
    def symbol(self) -> str:
        """The symbol of the security."""
        return self.filling.symbol

    @contextlib.contextmanager
    def without_four_eyes(self, action: Action) -> Iterator[None]:
        """Take an action out of the policy for the length of the block, as two owners do."""
        desk = self.filling.desk
        with self.stand.begin(desk.tenant_id) as unit:
            asked = access.set_approval_policy(desk.owner, action, required=False, unit=unit)
            assert isinstance(asked, Pending), "it is itself under four eyes"
            second = second_owner(desk, unit)
            execute_approved(second, access.approve_request(second, asked.approval_id, unit=unit), unit=unit)
        try:
            yield
        finally:
            with self.stand.begin(desk.tenant_id) as unit:
                access.set_approval_policy(desk.owner, action, required=True, unit=unit)


def second_owner(desk: Desk, unit: Any) -> Actor:
    """Let one more owner join, for a moment's need."""
    email = f"{uuid4()}@vogelhaus-owner.example"
    token = access.invite_member(desk.owner, access.InviteMember(email, "Second Owner", frozenset({Role.OWNER})), unit=unit)
    joined = access.accept_invitation(access.AcceptInvitation(token, PASSWORD, "127.0.0.1"), unit=unit)
    assert isinstance(joined, Actor), "a new user sets a password"
    return joined


def enter(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Let commands of this process work on the home."""
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "CHAIN_RPC_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MUNIMENT_HOME", str(home))
    monkeypatch.setenv("MUNIMENT_ANVIL", str(anvil()))
