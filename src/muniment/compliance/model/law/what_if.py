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
from muniment.compliance.model.law.resales import ResaleLocks
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
    has_price = case.terms.price_minor is not None
    # In the order in which the register has them: it is the order in which they lie in memory.
    bought = [Sale(each, on, held, case.worth(held) if has_price else None) for each in case.lots if (held := case.position(each))]
    case = replace(case, sales=bought, resales=(), offerees=frozenset())
    locks = ResaleLocks(case, on)
    breaking: list[HolderOutcome] = []
    locked_holders = locked_total = 0
    for sale in bought:
        lock = locks.of(sale.investor_id)
        if lock.quantity:
            locked_holders += 1
            locked_total += lock.quantity
        reasons = tuple(_reasons(case, sale, on))
        if reasons:
            until = lock.until if lock.quantity else None
            breaking.append(HolderOutcome(sale.investor_id, sale.quantity, reasons, lock.quantity, until))
    breaking.sort(key=lambda holder: holder.investor_id)
    ask = SnapshotQuestion(case, on)
    counted = [rule for rule in case.selection.rules if rule.rule_id in SNAPSHOT_RULES and _counts(rule, on)]
    return WhatIf(
        on=on,
        holders=len(bought),
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


def _reasons(case: Case, sale: Sale, on: dt.date) -> Iterator[Reason]:
    investor = case.investors.get(sale.investor_id)
    if investor is None:
        if case.selection.rules:
            yield reason_unknown(sale.investor_id)
        return
    yield from reasons_unverified(investor, on)
    proposal = Proposal("sale", on, receiver=sale.investor_id, quantity=sale.quantity, offered_on=dt.date.min)
    ask = SaleQuestion(case, proposal, investor, sale.amount_minor, already_sold=True)
    for rules in exemptions_for(case, investor):
        yield from reasons_least(ask, rules)
