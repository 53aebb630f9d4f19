# SPDX-License-Identifier: Apache-2.0
"""How the law's reasons are written: one shape for every rule, so that the CLI, the API, a page and a mail say the same sentence."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from muniment.compliance.model.law.book import LawRule
from muniment.units.decisions import Reason
from muniment.units.money import Money, group_thousands


def reason(rule: LawRule, code: str, sentence: str, *, cure: str, **facts: Any) -> Reason:
    """Return a reason of a rule, with its id and citation."""
    return Reason(f"compliance.{code}", sentence, rule=rule.rule_id, citation=rule.citation, facts=facts, cure=cure)


def missing(rule: LawRule, *fields: str, of: str = "") -> Reason:
    """Return the reason that a fact which the rule compares is not known."""
    names = " and ".join(fields)
    return reason(
        rule,
        "fact_missing",
        f"Nobody has said {names}{f' of {of}' if of else ''}, which this rule compares.",
        cure=f"Give {names}.",
        fields=list(fields),
        **({"investor": of} if of else {}),
    )


@lru_cache(maxsize=1024)
def cents(minor: int, currency: str) -> str:
    """Return cents of a currency for people, without decimals where there are none: `10,000,000 USD`."""
    amount = Money(minor, currency).amount
    return f"{group_thousands(amount.removesuffix('.00'))} {currency}"


@lru_cache(maxsize=1024)
def exact(minor: int, currency: str) -> str:
    """Return cents of a currency as a fact: `10000000.00`."""
    return Money(minor, currency).amount
