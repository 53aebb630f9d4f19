# SPDX-License-Identifier: Apache-2.0
"""Which packs an issuer chose for a security, on which terms and evidence, by version. What they compose is in `book`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from muniment.compliance.errors import CaseInvalid
from muniment.compliance.model.law.book import Selection, rule_book
from muniment.compliance.model.law.case_file import SecurityBody, place_of, read_terms
from muniment.compliance.model.law.facts import Terms
from muniment.units.errors import Place
from muniment.units.ids import SecurityId

PACKS_MAX = 32
SETTLED_BY_THE_SECURITY = frozenset({"decimals", "outstanding"})
"""Terms that the security itself tells."""


@dataclass(frozen=True, slots=True)
class LawChoice:
    """One version of a security's law; a later version replaces it whole from its own instant on. `terms` as in a case's JSON."""

    security_id: SecurityId
    version: int
    effective_at: dt.datetime
    packs: tuple[str, ...]
    terms: Mapping[str, Any]
    evidence: Mapping[str, Mapping[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {
            "version": self.version,
            "effective_at": self.effective_at.isoformat(),
            "packs": list(self.packs),
            "terms": dict(self.terms),
            "evidence": {rule_id: dict(items) for rule_id, items in self.evidence.items()},
        }


def check_choice(packs: Sequence[str], terms: Mapping[str, Any], evidence: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse packs that do not exist or are no law, terms in the wrong form, and evidence of unknown rules; the place names the field.

    Raises:
        RuleUnknown, RuleDisabled, CaseInvalid: as `case_file.read_case` does.

    """
    if len(packs) > PACKS_MAX:
        raise CaseInvalid(problem=f"at most {PACKS_MAX} packs", place=Place(field="packs"))
    for name in sorted(set(terms) & SETTLED_BY_THE_SECURITY):
        raise CaseInvalid(problem=f"{name} is the security's own", place=Place(field=f"terms.{name}"))
    book = rule_book()
    for rule_id in evidence:
        if rule_id not in book.rules:
            raise CaseInvalid(problem=f"there is no rule “{rule_id}”", place=Place(field=f"evidence.{rule_id}"))
    selected(packs, terms, evidence, decimals=0, outstanding=0)


def selected(
    packs: Sequence[str], terms: Mapping[str, Any], evidence: Mapping[str, Mapping[str, Any]], *, decimals: int, outstanding: int
) -> tuple[Selection, Terms]:
    """Return the rules and the terms of a choice, with what the security itself tells: decimals, and base units outstanding."""
    try:
        body = msgspec.convert({"packs": list(packs), "terms": dict(terms), "evidence": dict(evidence)}, type=SecurityBody)
    except msgspec.ValidationError as error:
        problem, place = place_of(error)
        raise CaseInvalid(problem=problem, place=place) from None
    selection = rule_book().select(body.packs)
    found = read_terms(msgspec.structs.replace(body.terms, decimals=decimals), selection.terms, field="terms")
    return selection, replace(found, outstanding=outstanding)
