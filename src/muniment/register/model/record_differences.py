# SPDX-License-Identifier: Apache-2.0
"""Record differences with their age: where chain, register, lots and cap table do not say the same (17 CFR 240.17Ad-10, 17Ad-11)."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from muniment.register.model.lots import Lot
from muniment.register.model.movements import CapTable, DifferenceKind, RegisterDifference
from muniment.units.ids import Address

AGED_DAYS: Final = 30
"""17Ad-11(a)(2): a record difference is aged once it has existed for more than thirty calendar days."""

SUBJECT_CHARACTERS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class FoundDifference:
    """A difference as one comparison found it. `subject` tells it from others of its kind and stays while its values change."""

    token: Address
    subject: str
    difference: RegisterDifference


@dataclass(frozen=True, slots=True)
class RecordDifference:
    """A difference that stands, since when it has been found without a break, and what was compared last."""

    token: Address
    subject: str
    code: str
    sentence: str
    facts: Mapping[str, Any]
    first_seen_at: dt.datetime
    last_seen_at: dt.datetime

    def age_days(self, now: dt.datetime) -> int:
        """Return for how many whole days it has stood."""
        return (now - self.first_seen_at).days

    def is_aged(self, now: dt.datetime) -> bool:
        """Return whether it has stood for more than thirty days."""
        return now - self.first_seen_at > dt.timedelta(days=AGED_DAYS)


def found_differences(token: Address, differences: Iterable[RegisterDifference]) -> list[FoundDifference]:
    """Return the differences with what each is about: a wallet, a holder, a row, or the whole token."""
    found = []
    for difference in differences:
        subject = next((str(difference.facts[name]) for name in ("wallet", "holder", "row", "lot") if name in difference.facts), "")
        found.append(FoundDifference(token, subject[:SUBJECT_CHARACTERS_MAX], difference))
    return found


def compare_records(table: CapTable, lots: Sequence[Lot], *, chain_supply: int, shares_authorized: int | None) -> list[RegisterDifference]:
    """Return where the cap table, the lots and the chain's supply differ after one block, and whether more is issued than authorised."""
    differences: list[RegisterDifference] = []
    held: defaultdict[str, int] = defaultdict(int)
    for lot in lots:
        held[str(lot.holder)] += lot.quantity
    owned = {str(line.investor_id or line.wallets[0].wallet): line.shares for line in table.lines if line.shares}
    for holder in sorted(owned.keys() | held.keys()):
        if owned.get(holder, 0) != held[holder]:
            facts = {"holder": holder, "cap_table": owned.get(holder, 0), "lots": held[holder]}
            sentence = "A holder's lots are not what the cap table shows."
            differences.append(RegisterDifference(DifferenceKind.LOTS, sentence, facts))
    if table.total_shares != chain_supply:
        facts = {"cap_table": table.total_shares, "total_supply": chain_supply}
        differences.append(RegisterDifference(DifferenceKind.CAP_TABLE, "The cap table does not add up to totalSupply.", facts))
    if shares_authorized is not None and chain_supply > shares_authorized:
        # 17Ad-10(g) calls this an overissuance, whoever caused it.
        facts = {"total_supply": chain_supply, "authorized": shares_authorized}
        differences.append(RegisterDifference(DifferenceKind.OVERISSUED, "More shares exist than are authorised.", facts))
    return differences
