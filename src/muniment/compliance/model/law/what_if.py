# SPDX-License-Identifier: Apache-2.0
"""What a rule would do to a register before it starts: who could no longer hold what they hold, who is locked, which counts break."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from muniment.compliance.model.law.book import EvaluatedOn, LawRule
from muniment.compliance.model.law.case import Case
from muniment.compliance.model.law.counts import SNAPSHOT_RULES, SnapshotQuestion, warnings_of
from muniment.compliance.model.law.engine import checklist_reasons, exemptions_for, reason_unknown, reasons_least, reasons_unverified
from muniment.compliance.model.law.facts import Proposal, Sale
from muniment.compliance.model.law.offerings import SaleQuestion
from muniment.compliance.model.law.resales import locked_shares
from muniment.units.decisions import Reason
from muniment.units.shares import format_shares


@dataclass(frozen=True, slots=True)
class HolderOutcome:
    """One holder who breaks a rule, or whose shares are locked by one."""

    investor_id: str
    quantity: int
    reasons: tuple[Reason, ...]
    locked: int
    locked_until: dt.date | None


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The outcome for a whole register on a day."""

    on: dt.date
    holders: int
    breaking: tuple[HolderOutcome, ...]
    locked_holders: int
    locked_shares: int
    register_reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]
    decimals: int

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        rules: Counter[str] = Counter()
        for holder in self.breaking:
            rules.update({reason.rule or reason.code for reason in holder.reasons})
        return {
            "on": self.on.isoformat(),
            "holders": self.holders,
            "breaking": len(self.breaking),
            "by_rule": dict(sorted(rules.items())),
            "locked_holders": self.locked_holders,
            "locked": format_shares(self.locked_shares, decimals=self.decimals),
            "register": [reason.as_json() for reason in self.register_reasons],
            "warnings": list(self.warnings),
            "breaks": [
                {
                    "investor": holder.investor_id,
                    "quantity": format_shares(holder.quantity, decimals=self.decimals),
                    "reasons": [reason.as_json() for reason in holder.reasons],
                }
                for holder in self.breaking
            ],
        }


def what_if(case: Case, *, on: dt.date) -> WhatIf:
    """Return who would break the case's rules if they started on a day: as if all holders bought what they hold on that day."""
    case = replace(case, sales=[Sale(each, on, case.position(each)) for each in sorted(case.holders)], resales=(), offerees=frozenset())
    breaking: list[HolderOutcome] = []
    locked_holders = locked_total = 0
    for investor_id in sorted(case.holders):
        quantity = case.position(investor_id)
        lock = locked_shares(case, investor_id, on)
        if lock["locked"]:
            locked_holders += 1
            locked_total += lock["locked"]
        reasons = tuple(_reasons(case, investor_id, quantity, on))
        if reasons:
            breaking.append(HolderOutcome(investor_id, quantity, reasons, lock["locked"], lock["until"] if lock["locked"] else None))
    ask = SnapshotQuestion(case, on)
    counted = [rule for rule in case.selection.rules if rule.rule_id in SNAPSHOT_RULES and _counts(rule, on)]
    return WhatIf(
        on=on,
        holders=len(case.holders),
        breaking=tuple(breaking),
        locked_holders=locked_holders,
        locked_shares=locked_total,
        register_reasons=(
            *checklist_reasons(case, on, None),
            *(reason for rule in counted for reason in SNAPSHOT_RULES[rule.rule_id](rule, ask)),
        ),
        warnings=tuple(warning for rule in counted for warning in warnings_of(rule, ask)),
        decimals=case.terms.decimals,
    )


def _counts(rule: LawRule, on: dt.date) -> bool:
    return rule.evaluated_on is EvaluatedOn.SNAPSHOT and rule.is_in_force(on)


def _reasons(case: Case, investor_id: str, quantity: int, on: dt.date) -> Iterator[Reason]:
    investor = case.investors.get(investor_id)
    if investor is None:
        if case.selection.rules:
            yield reason_unknown(investor_id)
        return
    yield from reasons_unverified(investor, on)
    proposal = Proposal("sale", on, receiver=investor_id, quantity=quantity, offered_on=dt.date.min)
    ask = SaleQuestion(case, proposal, investor, None if case.terms.price_minor is None else case.worth(quantity), already_sold=True)
    for rules in exemptions_for(case, investor):
        yield from reasons_least(ask, rules)
