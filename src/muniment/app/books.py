# SPDX-License-Identifier: Apache-2.0
"""How a command reaches the books: attached to what `muniment up` runs, or with database and chain brought up for its own time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

from muniment.app.services import Component, services
from muniment.app.wiring import Backend, Units
from muniment.infra.configuration import read_configuration
from muniment.infra.outages import Unreachable

AnswerT = TypeVar("AnswerT")

STEP_SECONDS_MAX = 120.0
LOOK_SECONDS = 0.1

BOOKS: tuple[Component, ...] = ("database", "chain", "worker")
"""What reading the books against the chain needs; the worker brings the register up to the last block."""


@contextmanager
def open_units(*, progress: Callable[[str], None] | None = None, components: Sequence[Component] = BOOKS) -> Iterator[Units]:
    """Yield units of work over running services; what had to be started for them is stopped again."""
    with services(read_configuration(), progress=progress or _say, components=components) as running:
        backend = Backend.open(running.configuration)
        try:
            yield Units(backend)
        finally:
            backend.close()


def wait_for(what: str, answer: Callable[[], AnswerT | None]) -> AnswerT:
    """Return the first answer that is not false; the worker goes on with the work even when the waiting ends."""
    until = time.monotonic() + STEP_SECONDS_MAX
    # On a terminal only: elsewhere the status says nothing.
    with Console(stderr=True).status(f"waiting for {escape(what)} …", spinner="dots"):
        while not (found := answer()):
            if time.monotonic() > until:
                detail = f"waiting for {what} took longer than {STEP_SECONDS_MAX:.0f} seconds; it goes on as soon as `muniment up` runs"
                raise Unreachable("chain", detail=detail, retry=True)
            time.sleep(LOOK_SECONDS)
    return found


def _say(text: str) -> None:
    Console(stderr=True).print(f"[dim]{escape(text)}[/dim]", highlight=False, soft_wrap=True)
