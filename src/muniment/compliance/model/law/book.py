# SPDX-License-Identifier: Apache-2.0
"""The rule book: every rule with its citation, parameters and effective date, and the packs that compose them. Judging is elsewhere."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from importlib import resources
from typing import Any

from muniment.compliance.errors import PacksContradict, RuleDisabled, RuleUnknown
from muniment.units.errors import Place


class EvaluatedOn(Enum):
    """When a rule is asked."""

    SALE = "sale"
    TRANSFER = "transfer"
    SNAPSHOT = "snapshot"
    PAYMENT = "payment"
    CLASSIFICATION = "classification"
    CHECKLIST = "checklist"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class LawRule:
    """One rule of law: where it is written, its parameters, since when it counts, and whether the text was read again (`source`)."""

    rule_id: str
    jurisdiction: str
    citation: str
    params: Mapping[str, Any]
    evaluated_on: EvaluatedOn
    status: str
    effective_from: dt.date | None
    test: str
    source: str
    note: str

    def is_in_force(self, on: dt.date) -> bool:
        """Return whether the rule counts on a day; one without a date always does, a disabled one never."""
        return self.evaluated_on is not EvaluatedOn.DISABLED and (self.effective_from is None or self.effective_from <= on)

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {
            "id": self.rule_id,
            "jurisdiction": self.jurisdiction,
            "citation": self.citation,
            "evaluated_on": self.evaluated_on.value,
            "status": self.status,
            "effective_from": None if self.effective_from is None else self.effective_from.isoformat(),
            "params": dict(self.params),
            "test": self.test,
            "source": self.source,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Pack:
    """Rules that make up one exemption, under one name; `terms` are the terms that choosing it settles."""

    pack_id: str
    name: str
    jurisdiction: str
    rules: tuple[str, ...]
    terms: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {
            "id": self.pack_id,
            "name": self.name,
            "jurisdiction": self.jurisdiction,
            "rules": list(self.rules),
            "terms": dict(self.terms),
        }


@dataclass(frozen=True)
class Selection:
    """The rules that packs compose, each once and in the book's order, and the terms that the packs settle."""

    packs: tuple[str, ...]
    rules: tuple[LawRule, ...]
    terms: Mapping[str, Any]

    def has(self, rule_id: str) -> bool:
        """Return whether a rule is among them."""
        return rule_id in self._ids

    @cached_property
    def rule_ids(self) -> tuple[str, ...]:
        """The ids of the rules, in their order."""
        return tuple(rule.rule_id for rule in self.rules)

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(rule.rule_id for rule in self.rules)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules and packs, as of a day."""

    as_of: dt.date
    rules: Mapping[str, LawRule]
    packs: Mapping[str, Pack]

    def select(self, names: Sequence[str], *, field: str = "packs") -> Selection:
        """Return what packs compose; a rule's own id selects that rule, with its pack's companions where a pack has the same name.

        Raises:
            RuleUnknown: no pack and no rule has that name.
            PacksContradict: two packs settle one term differently.
            RuleDisabled: it is no law: announced, proposed, or a pending bill. It can never be selected.

        """
        wanted: set[str] = set()
        terms: dict[str, Any] = {}
        for index, name in enumerate(names):
            place = Place(field=f"{field}[{index}]")
            pack = self.packs.get(name)
            rule = self.rules.get(name)
            if pack is not None:
                wanted.update(pack.rules)
                for term, value in pack.terms.items():
                    if terms.setdefault(term, value) != value:
                        raise PacksContradict(name=name, term=term, value=value, other=terms[term], place=place)
            elif rule is None:
                raise RuleUnknown(name=name, place=place)
            elif rule.evaluated_on is EvaluatedOn.DISABLED:
                raise RuleDisabled(rule=name, status=rule.status.replace("_", " "), citation=rule.citation, place=place)
            else:
                wanted.add(name)
        return Selection(tuple(names), tuple(rule for rule_id, rule in self.rules.items() if rule_id in wanted), terms)


@cache
def rule_book() -> RuleBook:
    """Return the rule book that ships with this release."""
    body = _read("rules.json")
    rules = [
        LawRule(
            rule_id=each["id"],
            jurisdiction=each["jurisdiction"],
            citation=each["citation"],
            params=each["params"],
            evaluated_on=EvaluatedOn(each["evaluated_on"]),
            status=each["status"],
            effective_from=None if each["effective_from"] is None else dt.date.fromisoformat(each["effective_from"]),
            test=each["test"],
            source=each["source"],
            note=each["note"],
        )
        for each in body["rules"]
    ]
    packs = [
        Pack(each["id"], each["name"], each["jurisdiction"], tuple(each["rules"]), each["terms"]) for each in _read("packs.json")["packs"]
    ]
    return RuleBook(
        as_of=dt.date.fromisoformat(body["as_of"]),
        rules={rule.rule_id: rule for rule in rules},
        packs={pack.pack_id: pack for pack in packs},
    )


def _read(name: str) -> Any:
    return json.loads(resources.files("muniment.compliance.model.law").joinpath(name).read_text(encoding="utf-8"))
