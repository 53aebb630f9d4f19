# SPDX-License-Identifier: Apache-2.0
"""The register of holders as of a block, as a list that people and authorities are given. Whose names may be in it, commands decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from muniment.parties.model.investors import Investor
from muniment.parties.model.onboarding import csv_line
from muniment.register.model.lots import Lot
from muniment.register.model.movements import CapTable
from muniment.units.ids import InvestorId, SecurityId
from muniment.units.instants import instant_text
from muniment.units.shares import format_shares

COLUMNS: Final = ("reference", "name", "country", "shares", "percentage", "since", "wallets", "investor_id")
"""The columns of the list, in every format."""


@dataclass(frozen=True, slots=True)
class HolderLine:
    """One holder with at least one base unit. `name` is None where it may not be shown; reference and country where nobody is known.

    `since` is the acquisition of the oldest lot that is still there, None where the lots are not known.
    """

    investor_id: InvestorId | None
    reference: str | None
    name: str | None
    country: str | None
    shares: int
    percentage: str
    since: dt.datetime | None
    wallets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegisterOfHolders:
    """Who held the security after a block, the largest holder first. `occurred_at` is that block's time, None for the newest state."""

    security_id: SecurityId
    decimals: int
    block_number: int
    occurred_at: dt.datetime | None
    total_shares: int
    lines: tuple[HolderLine, ...]


def register_of_holders(
    table: CapTable,
    lots: Iterable[Lot],
    *,
    investors: Mapping[InvestorId, Investor],
    names: Mapping[InvestorId, str],
    decimals: int,
) -> RegisterOfHolders:
    """Return the list from the cap table, the lots at the same block, and who the investors are; who holds nothing is not in it."""
    since: dict[object, dt.datetime] = {}
    for lot in lots:
        since[lot.holder] = min(since.get(lot.holder, lot.acquired_at), lot.acquired_at)
    lines = []
    for line in table.lines:
        if not line.shares:
            continue
        investor = None if line.investor_id is None else investors.get(line.investor_id)
        wallets = tuple(sorted(wallet.wallet for wallet in line.wallets if wallet.shares))
        lines.append(
            HolderLine(
                investor_id=line.investor_id,
                reference=None if investor is None else investor.external_reference,
                name=None if line.investor_id is None else names.get(line.investor_id),
                country=None if investor is None else investor.country,
                shares=line.shares,
                percentage=line.percentage,
                since=since.get(line.investor_id or wallets[0]),
                wallets=wallets,
            )
        )
    return RegisterOfHolders(table.security_id, decimals, table.block_number, table.occurred_at, table.total_shares, tuple(lines))


def cells(line: HolderLine, *, decimals: int) -> tuple[str, ...]:
    """Return a holder's cells in the order of `COLUMNS`, as text; what is not known is empty."""
    return (
        line.reference or "",
        line.name or "",
        line.country or "",
        format_shares(line.shares, decimals=decimals),
        line.percentage,
        "" if line.since is None else instant_text(line.since),
        " ".join(line.wallets),
        "" if line.investor_id is None else str(line.investor_id),
    )


def csv_lines(holders: RegisterOfHolders) -> Iterator[str]:
    """Yield the lines of a CSV file that no spreadsheet runs."""
    yield csv_line(COLUMNS)
    for line in holders.lines:
        yield csv_line(cells(line, decimals=holders.decimals))


def columns(holders: RegisterOfHolders) -> dict[str, list[str]]:
    """Return the list by column, all text, so that no reader rounds a share: what Parquet is made of."""
    rows = [cells(line, decimals=holders.decimals) for line in holders.lines]
    return {name: [row[index] for row in rows] for index, name in enumerate(COLUMNS)}
