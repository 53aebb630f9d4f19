# SPDX-License-Identifier: Apache-2.0
"""Rules that ask for evidence which people gather: each item is there and, where only some answers count, one of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muniment.compliance.model.law.book import LawRule
from muniment.compliance.model.law.calendar import add_months
from muniment.compliance.model.law.reasons import reason
from muniment.units.decisions import Reason
from muniment.units.instants import parse_date


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to show; `answers` empty where any document or statement will do."""

    name: str
    what: str
    answers: tuple[str, ...] = ()


STATEMENT_DATED = "statement_dated"
_FINANCIAL_PROMOTION = (
    Item("statement", "the investor's own statement as high net worth or self-certified sophisticated"),
    Item(STATEMENT_DATED, "the statement's date, at most twelve months ago"),
)


def items_of(rule: LawRule) -> tuple[Item, ...]:
    """Return what a checklist asks for, from the rule's parameters."""
    params = rule.params
    match rule.rule_id:
        case "us.taxonomy.2026":
            return (Item("category", "the category of the asset", tuple(params["categories"])),)
        case "us.tokenized.staff2026":
            return (
                Item(
                    "model",
                    "which of the staff's models the token follows",
                    ("integrated_register", "notifying_token", "custodial", "synthetic"),
                ),
            )
        case "us.nasdaq_dtc_pilot":
            return (
                Item("scope", "which part of the pilot's scope the security is in", tuple(params["scope"])),
                Item("same_cusip", "that the token keeps the CUSIP", ("yes",)),
                Item("same_rights", "that the token gives the same rights and priority", ("yes",)),
            )
        case "eu.mica_boundary":
            return tuple(
                Item(f"criterion_{index}", text, ("yes",)) for index, text in enumerate(params["transferable_security_cumulative"], 1)
            )
        case "uk.fpo":
            return _FINANCIAL_PROMOTION
        case "ch.co973d":
            requirements = tuple(Item(f"ledger_{index}", text) for index, text in enumerate(params["ledger_requirements"], 1))
            return (Item("registration_agreement", "the registration agreement of the parties"), *requirements)
        case _:
            return ()


def checklist(rule: LawRule, evidence: Mapping[str, Mapping[str, Any]], *, on: dt.date) -> Iterator[Reason]:
    """Yield a reason for every item without evidence, every answer that does not count and every statement that is too old."""
    given = evidence.get(rule.rule_id, {})
    for item in items_of(rule):
        found = given.get(item.name)
        if found is None or str(found).strip() == "":
            yield reason(
                rule,
                "evidence_missing",
                f"There is no evidence of {item.what}.",
                cure=f"Record {item.name}" + (f": one of {', '.join(item.answers)}." if item.answers else "."),
                item=item.name,
            )
        elif (item.answers and _answer(found) not in item.answers) or _is_denied(found):
            yield reason(
                rule,
                "evidence_against",
                f"The evidence of {item.what} is “{found}”, which does not meet the rule.",
                cure=f"It must be one of {', '.join(item.answers)}." if item.answers else "Record what shows it.",
                item=item.name,
                found=str(found),
            )
        elif item.name == STATEMENT_DATED:
            yield from _too_old(rule, str(found), on=on)


def _too_old(rule: LawRule, text: str, *, on: dt.date) -> Iterator[Reason]:
    dated = parse_date(text, field=f"evidence.{rule.rule_id}.{STATEMENT_DATED}")
    good_until = add_months(dated, int(rule.params["statement_months"]))
    if not dated <= on <= good_until:
        yield reason(
            rule,
            "statement_too_old",
            f"The investor's statement of {dated} counts until {good_until}.",
            cure="Obtain a new statement.",
            dated=dated.isoformat(),
            good_until=good_until.isoformat(),
        )


def _is_denied(found: Any) -> bool:
    return found in (False, 0, [], {}) or str(found).strip().lower() in {"no", "n", "false", "none"}


def _answer(found: Any) -> str:
    return "yes" if found is True else "no" if found is False else str(found)


def item_names(rule: LawRule) -> Sequence[str]:
    """Return the names of a checklist's items."""
    return [item.name for item in items_of(rule)]
