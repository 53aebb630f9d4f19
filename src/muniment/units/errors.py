# SPDX-License-Identifier: Apache-2.0
"""The shape of a refusal. Each context declares its own in its `errors.py`; bugs are asserts, outages belong to infra."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Place:
    """Where bad input stands, so that it can be found and mended. All parts optional; `line` counts from 1."""

    file: str | None = None
    line: int | None = None
    field: str | None = None
    object_id: str | None = None

    def __str__(self) -> str:
        """Return the place for people: `investors.csv, line 7, field country`."""
        parts = [
            self.file,
            None if self.line is None else f"line {self.line}",
            None if self.object_id is None else f"object {self.object_id}",
            None if self.field is None else f"field {self.field}",
        ]
        return ", ".join(part for part in parts if part)

    def as_json(self) -> dict[str, Any]:
        """Return the known parts only."""
        parts = {
            "file": self.file,
            "line": self.line,
            "object_id": self.object_id,
            "field": self.field,
        }
        return {name: value for name, value in parts.items() if value is not None}


class MunimentError(Exception):
    """A refusal: expected, with a stable `code`, a sentence, the facts compared, the place and what would cure it.

    A subclass sets `code` and `message` (a format string over the facts) and, where one is known, `cure`.
    """

    code: ClassVar[str] = "muniment.refused"
    message: ClassVar[str] = "Refused."
    cure: ClassVar[str | None] = None

    def __init__(self, *, place: Place | None = None, **facts: Any) -> None:
        self.facts: Mapping[str, Any] = facts
        self.place = place
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """The message with its facts filled in."""
        return self.message.format(**{name: show(fact) for name, fact in self.facts.items()})

    @property
    def cure_sentence(self) -> str | None:
        """What would make it pass, with the facts filled in; None where nothing is known to."""
        return None if self.cure is None else self.cure.format(**{name: show(fact) for name, fact in self.facts.items()})

    def as_json(self) -> dict[str, Any]:
        """Return what an edge may show: code, message, facts, place, cure. Never a stack or a secret."""
        body: dict[str, Any] = {
            "code": self.code,
            "message": self.sentence,
            "facts": {name: plain(fact) for name, fact in self.facts.items()},
        }
        if self.place is not None:
            body["place"] = self.place.as_json()
        if self.cure_sentence is not None:
            body["cure"] = self.cure_sentence
        return body


FACT_CHARACTERS_MAX = 120
"""A longer fact is cut in messages: refused input is hostile until shown otherwise."""

_COLLECTIONS: tuple[type, ...] = (list, tuple, set, frozenset)


def show(fact: Any) -> str:
    """Return a fact as people read it, cut to `FACT_CHARACTERS_MAX` characters."""
    text = instant_text(fact) if isinstance(fact, dt.datetime) else str(fact)
    return text if len(text) <= FACT_CHARACTERS_MAX else text[: FACT_CHARACTERS_MAX - 1] + "…"


def plain(fact: Any) -> Any:
    """Return a fact as JSON can carry it; amounts stay exact as strings."""
    if fact is None or isinstance(fact, bool | int):
        return fact
    if isinstance(fact, Decimal):
        return str(fact)
    if isinstance(fact, Mapping):
        return {str(key): plain(value) for key, value in fact.items()}
    if isinstance(fact, _COLLECTIONS):
        return [plain(item) for item in fact]
    return show(fact)


def instant_text(instant: dt.datetime) -> str:
    """Return an aware instant as RFC 3339 in UTC, `Z` at the end."""
    return instant.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
