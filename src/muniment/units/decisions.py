# SPDX-License-Identifier: Apache-2.0
"""A decision that a person should see whole is a value: `Allowed` or `Refused` with every reason. Exceptions live in `errors`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from muniment.units.errors import plain


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not: a stable code, one sentence, the rule behind it, the values compared and what would cure it."""

    code: str
    sentence: str
    rule: str | None = None
    citation: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    cure: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape, the same in CLI, API and web."""
        return {
            "code": self.code,
            "message": self.sentence,
            "rule": self.rule,
            "citation": self.citation,
            "facts": {name: plain(fact) for name, fact in self.facts.items()},
            "cure": self.cure,
        }


@dataclass(frozen=True, slots=True)
class Allowed:
    """Nothing stands against it."""

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {"allowed": True, "reasons": []}


@dataclass(frozen=True, slots=True)
class Refused:
    """At least one rule stands against it; `reasons` in the order in which the chain would name them."""

    reasons: tuple[Reason, ...]

    def __post_init__(self) -> None:
        """Hold the one invariant: a refusal says why."""
        assert self.reasons, "a refusal without a reason"

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {
            "allowed": False,
            "reasons": [reason.as_json() for reason in self.reasons],
        }


Decision: TypeAlias = Allowed | Refused
