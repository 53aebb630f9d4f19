# SPDX-License-Identifier: Apache-2.0
"""What the local chain's process tells others, in `run/chain.json`. Holds no decision."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from muniment.infra.processes import ProcessName

FILE_NAME = "chain.json"
LOCK_NAME = "chain.lock"
LOCK_TAKEN = 4
"""Exit code of a process that found another one in charge of this home."""
MESSAGES_MAX = 50


@dataclass(slots=True)
class ChainState:
    """The state of one local chain process; `state` is starting, recovering, ready, stopping or failed."""

    pid: int
    started: str
    state: str
    supervisor_pid: int
    supervisor_started: str
    """Who started it, and with whose end it ends."""
    port: int = 0
    node_pid: int | None = None
    node_started: str | None = None
    recovered: str = ""
    error: dict[str, Any] | None = None
    messages: list[str] = field(default_factory=list)
    messages_told: int = 0
    """How many messages there ever were; the list keeps the last ones."""

    @property
    def name(self) -> ProcessName:
        """The process."""
        return ProcessName(self.pid, self.started)

    @property
    def supervisor(self) -> ProcessName:
        """The process that started it."""
        return ProcessName(self.supervisor_pid, self.supervisor_started)

    @property
    def node(self) -> ProcessName | None:
        """The anvil process; None before there was one."""
        return None if self.node_pid is None or self.node_started is None else ProcessName(self.node_pid, self.node_started)

    @property
    def url(self) -> str:
        """The address of its JSON-RPC."""
        return f"http://127.0.0.1:{self.port}"

    def tell(self, message: str, *, state: str | None) -> None:
        """Add a message and perhaps pass to another state."""
        self.state = state or self.state
        self.messages = [*self.messages, message][-MESSAGES_MAX:]
        self.messages_told += 1

    def messages_after(self, told: int) -> list[str]:
        """Return the messages after the first `told` ones, as far as they are kept."""
        return self.messages[max(0, len(self.messages) - (self.messages_told - told)) :] if told < self.messages_told else []


def read_state(folder: Path) -> ChainState | None:
    """Return what the last process told; None when none ever did."""
    try:
        return ChainState(**json.loads((folder / FILE_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # absent, or of another release: either way there is nothing to attach to


def write_state(folder: Path, state: ChainState) -> None:
    """Replace the file whole, so that a reader never meets half of it."""
    draft = folder / f".{FILE_NAME}.{os.getpid()}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(state), file)
    draft.replace(folder / FILE_NAME)
