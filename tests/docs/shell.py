# SPDX-License-Identifier: Apache-2.0
"""A reader at a terminal: one bash that keeps its variables and folder, and `muniment up` in a second window. Knows no page."""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from muniment.infra.localchain.anvil import free_port
from tests.flows.stand import BLOCK_SECONDS, anvil

REPOSITORY = Path(__file__).parents[2]
COMMAND_SECONDS_MAX = 150.0
STOP_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.05
CLONE = "muniment"
SECOND_WINDOW = "muniment up"
PORT = "8470"
"""The port of the pages on paper; a run takes a free one."""
CHAIN_ADDRESS = "http://127.0.0.1:8545"
"""Where the local chain answers on paper; in a run wherever it came up."""


def settle_in(home: Path) -> None:
    """Make a person's home with a clone of the repository, as far as the pages use it."""
    clone = home / CLONE
    clone.mkdir()
    (clone / ".venv").symlink_to(sys.prefix)
    (clone / "examples").symlink_to(REPOSITORY / "examples")
    for name in (".muniment", "restored"):
        # The folders that hold a database have to let its unprivileged server through, where the tests run as root.
        (home / name).mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)


class Terminal:
    """Runs what is typed, in order, in a home that `settle_in` made; `replaced` is what this run has in place of names on paper."""

    def __init__(self, home: Path, replaced: Mapping[str, str] | None = None) -> None:
        self._port = str(free_port())
        self._replaced = {PORT: self._port, **(replaced or {})}
        self._clone = home / CLONE
        self._state = home / ".muniment" / "run" / "state.json"
        inherited = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith("MUNIMENT_") and name not in {"DATABASE_URL", "DATABASE_OWNER_URL", "CHAIN_RPC_URL"}
        }
        self._environment = {
            **inherited,
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "COLUMNS": "300",
            "MUNIMENT_ANVIL": str(anvil()),
            "MUNIMENT_API_PORT": self._port,
            "MUNIMENT_BLOCK_SECONDS": str(BLOCK_SECONDS),
        }
        self._mark = secrets.token_hex(8)
        script, self._keyboard = os.pipe()
        # The script comes by a pipe of its own, so that no command can take the next one for its input.
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc", f"/dev/fd/{script}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._clone,
            env=self._environment,
            pass_fds=(script,),
        )
        os.close(script)
        self._second: subprocess.Popen[bytes] | None = None
        self._shown_second = home / "second-window.txt"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._second is not None:
            self._second.send_signal(signal.SIGINT)
            self._second.wait(STOP_SECONDS_MAX)
        os.close(self._keyboard)
        if error is not None:
            # It may still be in the middle of a command.
            self._shell.kill()
        self._shell.wait(STOP_SECONDS_MAX)
        assert self._shell.stdout is not None
        self._shell.stdout.close()

    def type(self, command: str) -> tuple[int, list[str]]:
        """Run a command to its end; return its exit code and what it printed."""
        for on_paper, here in self._replaced.items():
            command = command.replace(on_paper, here)
        if CHAIN_ADDRESS in command:
            command = command.replace(CHAIN_ADDRESS, json.loads(self._state.read_bytes())["chain_rpc_url"])
        if command.strip() == SECOND_WINDOW:
            return self._open_second_window()
        return self._run(command)

    def _run(self, command: str) -> tuple[int, list[str]]:
        ending = f'__code=$?; printf "\\n%s %s\\n" {self._mark} "$__code"; (exit "$__code")'
        os.write(self._keyboard, f"{command}\n{ending}\n".encode())
        assert self._shell.stdout is not None
        terminal = self._shell.stdout.fileno()
        deadline = time.monotonic() + COMMAND_SECONDS_MAX
        text = b""
        while f"\n{self._mark} ".encode() not in text or not text.endswith(b"\n"):
            left = deadline - time.monotonic()
            assert left > 0, f"still running after {COMMAND_SECONDS_MAX:.0f} s: {command}\n{text.decode(errors='replace')}"
            if select.select([terminal], [], [], left)[0]:
                more = os.read(terminal, 65536)
                assert more, f"the shell ended at: {command}\n{text.decode(errors='replace')}"
                text += more
        printed, _, code = text.decode(errors="replace").rpartition(f"\n{self._mark} ")
        return int(code), printed.splitlines()

    def _open_second_window(self) -> tuple[int, list[str]]:
        """Start `muniment up` with the shell's present variables, and return what it printed once it is up."""
        if self._second is None:
            variables = self._clone.parent / "variables"
            self._run(f"env -0 > {variables}")
            pairs = (pair.partition("=") for pair in variables.read_text(encoding="utf-8").split("\0") if pair)
            with self._shown_second.open("wb") as screen:
                self._second = subprocess.Popen(
                    SECOND_WINDOW.split(),
                    cwd=self._clone,
                    env={name: text for name, _, text in pairs},
                    stdin=subprocess.DEVNULL,
                    stdout=screen,
                    stderr=subprocess.STDOUT,
                )
        deadline = time.monotonic() + COMMAND_SECONDS_MAX
        while True:
            shown = self._shown_second.read_text(encoding="utf-8", errors="replace").splitlines()
            if any(" up at http" in line for line in shown):
                return 0, shown
            assert self._second.poll() is None, f"`{SECOND_WINDOW}` ended: {shown}"
            assert time.monotonic() < deadline, f"`{SECOND_WINDOW}` is not up: {shown}"
            time.sleep(LOOK_SECONDS)
