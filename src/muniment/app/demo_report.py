# SPDX-License-Identifier: Apache-2.0
"""How the demonstration is shown: for people as it happens, or as one JSON object at the end. Knows none of its steps."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

_NUMBER = re.compile(r"-[0-9]+$")
_ID = re.compile(r"[0-9a-f-]{32,}|0x[0-9a-fA-F]{40,}|[0-9]+")


class Step(Protocol):
    """One step as it goes."""

    @property
    def checks_passed(self) -> bool:
        """Whether every check of the step came out equal."""
        ...

    def say(self, sentence: str, **facts: Any) -> None:
        """Tell one thing that happened; `facts` are for readers of the JSON."""
        ...

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, shown_max: int) -> None:
        """Show rows; people see the first `shown_max`."""
        ...

    def check(self, what: str, passed: bool, detail: str) -> None:  # noqa: FBT001  a verdict reads best in the middle of its sentence
        """Tell the outcome of a check."""
        ...

    def transactions(self, transactions: Sequence[Mapping[str, Any]]) -> None:
        """Tell what happened on the chain: purpose, hash, block, gas."""
        ...


class Report(Protocol):
    """Takes the demonstration's steps."""

    def step(self, title: str) -> AbstractContextManager[Step]:
        """Begin a step; it ends with the block."""
        ...

    def waiting(self, text: str) -> None:
        """Tell what the services do before the first step."""
        ...

    def finish(self, *, passed: bool) -> None:
        """Close the report."""
        ...


class _ConsoleStep:
    def __init__(self, console: Console) -> None:
        self._console = console
        self.checks_passed = True

    def say(self, sentence: str, **_facts: Any) -> None:
        self._console.print(f"   {escape(sentence)}", highlight=False)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, shown_max: int) -> None:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number == 0 else "right", style=None if number else "bold")
        for row in rows[:shown_max]:
            table.add_row(*row)
        if len(rows) > shown_max:
            table.add_row(f"… and {len(rows) - shown_max} more", *([""] * (len(columns) - 1)))
        self._console.print(table)

    def check(self, what: str, passed: bool, detail: str) -> None:  # noqa: FBT001  see the Protocol
        self.checks_passed = self.checks_passed and passed
        verdict = "[green]equal[/green]" if passed else "[red]DIFFERENT[/red]"
        self._console.print(f"   {verdict}  {escape(what)}: {escape(detail)}", highlight=False)

    def transactions(self, transactions: Sequence[Mapping[str, Any]]) -> None:
        for transaction in transactions:
            outcome = "" if transaction["succeeded"] else "  reverted"
            self._console.print(
                f"   [dim]{transaction['hash'][:10]}…{transaction['hash'][-4:]}  block {transaction['block_number']:>5}  "
                f"gas {transaction['gas_used']:>10,}{outcome}  {escape(_purpose(transaction['purpose']))}[/dim]",
                highlight=False,
            )


class ConsoleReport:
    """For people: each step as it happens, with a spinner while it runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._number = 0
        self._status: Status | None = None

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Begin a step."""
        self._stop()
        self._number += 1
        started = time.monotonic()
        self._console.print(f"[bold]{self._number:>2} {escape(title)}[/bold]", highlight=False)
        with self._console.status("   on the chain …", spinner="dots"):
            yield _ConsoleStep(self._console)
        self._console.print(f"   [dim]{time.monotonic() - started:.1f} s[/dim]", highlight=False)

    def waiting(self, text: str) -> None:
        """Tell what the services do."""
        if self._status is None:
            self._status = self._console.status("", spinner="dots")
            self._status.start()
        self._status.update(escape(text))

    def finish(self, *, passed: bool) -> None:
        """Close the report."""
        self._stop()
        if passed:
            self._console.print("[green]Everything on the books is on the chain.[/green] `muniment up` shows it in the browser.")
        else:
            self._console.print("[red]The books and the chain differ.[/red] `muniment reconcile` lists where.")

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


class _JsonStep:
    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self.checks_passed = True

    def say(self, sentence: str, **facts: Any) -> None:
        self._body["lines"].append(sentence)
        self._body["facts"] |= facts

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, shown_max: int) -> None:
        assert shown_max > 0, "JSON carries every row; people see the first ones"
        self._body["table"] = [dict(zip(columns, row, strict=True)) for row in rows]

    def check(self, what: str, passed: bool, detail: str) -> None:  # noqa: FBT001  see the Protocol
        self.checks_passed = self.checks_passed and passed
        self._body["checks"].append({"what": what, "passed": passed, "detail": detail})

    def transactions(self, transactions: Sequence[Mapping[str, Any]]) -> None:
        self._body["transactions"] = [
            {
                "purpose": transaction["purpose"],
                "hash": transaction["hash"],
                "block": transaction["block_number"],
                "gas": transaction["gas_used"],
                "succeeded": transaction["succeeded"],
            }
            for transaction in transactions
        ]


class JsonReport:
    """For programs: progress on standard error, one JSON object on standard output at the end."""

    def __init__(self) -> None:
        self._steps: list[dict[str, Any]] = []
        self._started = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Begin a step."""
        body: dict[str, Any] = {"step": len(self._steps) + 1, "title": title, "lines": [], "facts": {}, "checks": [], "transactions": []}
        started = time.monotonic()
        sys.stderr.write(f"{body['step']:>2} {title}\n")
        yield _JsonStep(body)
        body["seconds"] = round(time.monotonic() - started, 2)
        self._steps.append(body)

    def waiting(self, text: str) -> None:
        """Tell what the services do."""
        sys.stderr.write(f"   {text}\n")

    def finish(self, *, passed: bool) -> None:
        """Print the object."""
        body = {"passed": passed, "seconds": round(time.monotonic() - self._started, 2), "steps": self._steps}
        sys.stdout.write(json.dumps(body, indent=2, ensure_ascii=False) + "\n")


def console_report() -> ConsoleReport:
    """Return a report for the terminal."""
    return ConsoleReport(Console(soft_wrap=True))


def _purpose(purpose: str) -> str:
    """Return a purpose for people: without the ids in it, and with blanks for underscores."""
    words = [_NUMBER.sub("", part) for part in purpose.split(":") if not _ID.fullmatch(part)]
    return ": ".join(words).replace("_", " ").replace(".", ": ", 1).replace(".", " ")
