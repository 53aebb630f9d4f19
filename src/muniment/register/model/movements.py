# SPDX-License-Identifier: Apache-2.0
"""Movements of shares, what they add up to, and how two registers are compared. Where they are kept and read from is not known here."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any, TypeAlias, assert_never

from muniment.instruments.model.securities import (
    ClosedSecurity,
    DeployedSecurity,
    DeployingSecurity,
    DraftedSecurity,
    OpenSecurity,
    Security,
)
from muniment.register.errors import NotOnChain
from muniment.units.ids import Address, InvestorId, SecurityId, TransactionHash
from muniment.units.instants import instant_text
from muniment.units.money import Rounding, divide, format_decimal
from muniment.units.shares import Shares

ZERO_ADDRESS = Address("0x" + "0" * 40)
"""Where shares come from at issue and go to at burning."""

FUNGIBLE = 0
"""The deed id of a token that has no deeds: each share is like any other."""


@dataclass(frozen=True, slots=True)
class TokenReference:
    """What on the chain has a register: a token contract, one deed of a contract of deeds, or (`deed_id` None) all of its deeds."""

    address: Address
    deed_id: int | None = FUNGIBLE
    deployed_block: int = 0


def token_reference(security: Security) -> TokenReference:
    """Return the token that a security is; `register.not_on_chain` where it is not deployed yet."""
    match security:
        case DeployedSecurity() | OpenSecurity() | ClosedSecurity():
            return TokenReference(security.token_address, deployed_block=security.deployed_block)
        case DraftedSecurity() | DeployingSecurity():
            raise NotOnChain(security_id=str(security.terms.security_id))
        case _:
            assert_never(security)


@dataclass(frozen=True, slots=True)
class Movement:
    """One `Transfer` of the chain: at issue `from_wallet` is the zero address, at burning `to_wallet` is."""

    token: Address
    deed_id: int
    block_number: int
    log_index: int
    from_wallet: Address
    to_wallet: Address
    shares: int
    transaction_hash: TransactionHash
    occurred_at: dt.datetime


class NoticeKind(Enum):
    """What else the token says that changes how its shares may be held."""

    SHARES_FROZEN = "shares_frozen"
    SHARES_UNFROZEN = "shares_unfrozen"
    WALLET_FROZEN = "wallet_frozen"
    WALLET_UNFROZEN = "wallet_unfrozen"
    RECOVERED = "recovered"
    PAUSED = "paused"
    UNPAUSED = "unpaused"
    SHARES_LOCKED = "shares_locked"
    SHARES_RELEASED = "shares_released"


@dataclass(frozen=True, slots=True)
class Notice:
    """One event of a token that moves no share. `wallet` is the zero address where it concerns the whole token.

    `shares` is how many were frozen or unfrozen, locked or released, 0 for other kinds; `new_wallet` is where a recovery led, else the
    zero address; `unlocks_at` is until when shares were locked (Unix seconds), 0 for other kinds.
    """

    token: Address
    deed_id: int
    block_number: int
    log_index: int
    kind: NoticeKind
    wallet: Address
    new_wallet: Address
    shares: int
    transaction_hash: TransactionHash
    occurred_at: dt.datetime
    unlocks_at: int = 0


@dataclass(frozen=True, slots=True)
class Lockup:
    """Shares of a wallet that are locked until `unlocks_at`, in Unix seconds, exclusive."""

    shares: int
    unlocks_at: int


TokenEvent: TypeAlias = Movement | Notice
HoldingKey: TypeAlias = tuple[Address, int, Address]
"""Token, deed id, wallet."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What one wallet holds of one token after the event at (`last_block_number`, `last_log_index`).

    A wallet without shares and without a freeze has no holding.
    """

    token: Address
    deed_id: int
    wallet: Address
    shares: int
    frozen_shares: int
    wallet_frozen: bool
    last_block_number: int
    last_log_index: int

    @property
    def key(self) -> HoldingKey:
        """What tells this holding from all others."""
        return (self.token, self.deed_id, self.wallet)


class _Tally:
    """A holding while it is being added up."""

    __slots__ = ("block", "frozen", "index", "shares", "wallet_frozen")

    def __init__(self) -> None:
        self.shares = 0
        self.frozen = 0
        self.wallet_frozen = False
        self.block = -1
        self.index = -1


def touched(events: Iterable[TokenEvent]) -> set[HoldingKey]:
    """Return the holdings that the events change."""
    keys: set[HoldingKey] = set()
    for event in events:
        if isinstance(event, Movement):
            if event.from_wallet != ZERO_ADDRESS:
                keys.add((event.token, event.deed_id, event.from_wallet))
            if event.to_wallet != ZERO_ADDRESS:
                keys.add((event.token, event.deed_id, event.to_wallet))
        elif event.kind in _HOLDING_NOTICES:
            keys.add((event.token, event.deed_id, event.wallet))
    return keys


_HOLDING_NOTICES = frozenset({NoticeKind.SHARES_FROZEN, NoticeKind.SHARES_UNFROZEN, NoticeKind.WALLET_FROZEN, NoticeKind.WALLET_UNFROZEN})


def add_up(events: Iterable[TokenEvent], *, start: Mapping[HoldingKey, Holding] | None = None) -> dict[HoldingKey, Holding]:
    """Return the holdings after `events` in the chain's order, from `start` on (nothing where none is given).

    Only holdings of `start` that an event touches come back changed; one that ends empty is not in the answer.
    """
    tallies: defaultdict[HoldingKey, _Tally] = defaultdict(_Tally)
    for key, holding in (start or {}).items():
        tally = tallies[key]
        tally.shares, tally.frozen, tally.wallet_frozen = holding.shares, holding.frozen_shares, holding.wallet_frozen
        tally.block, tally.index = holding.last_block_number, holding.last_log_index
    for event in events:
        if isinstance(event, Movement):
            token, deed_id, block, index, shares = event.token, event.deed_id, event.block_number, event.log_index, event.shares
            if event.from_wallet != ZERO_ADDRESS:
                tally = tallies[token, deed_id, event.from_wallet]
                tally.shares -= shares
                tally.block, tally.index = block, index
            if event.to_wallet != ZERO_ADDRESS:
                tally = tallies[token, deed_id, event.to_wallet]
                tally.shares += shares
                tally.block, tally.index = block, index
        elif event.kind in _HOLDING_NOTICES:
            _note(tallies[event.token, event.deed_id, event.wallet], event)
    return {
        key: Holding(*key, tally.shares, tally.frozen, tally.wallet_frozen, tally.block, tally.index)
        for key, tally in tallies.items()
        if tally.shares or tally.frozen or tally.wallet_frozen
    }


def _note(tally: _Tally, notice: Notice) -> None:
    match notice.kind:
        case NoticeKind.SHARES_FROZEN:
            tally.frozen += notice.shares
        case NoticeKind.SHARES_UNFROZEN:
            tally.frozen -= notice.shares
        case NoticeKind.WALLET_FROZEN:
            tally.wallet_frozen = True
        case NoticeKind.WALLET_UNFROZEN:
            tally.wallet_frozen = False
        case NoticeKind.RECOVERED | NoticeKind.PAUSED | NoticeKind.UNPAUSED | NoticeKind.SHARES_LOCKED | NoticeKind.SHARES_RELEASED:
            return
    tally.block, tally.index = notice.block_number, notice.log_index


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the chain by number, hash (lower-case hex) and time."""

    number: int
    hash: str
    occurred_at: dt.datetime


@dataclass(frozen=True, slots=True)
class HolderSnapshot:
    """Who held what after one final block; only wallets with shares, in the order of their addresses."""

    security_id: SecurityId
    block_number: int
    block_hash: str
    occurred_at: dt.datetime
    holdings: Mapping[Address, Shares]

    @property
    def total(self) -> int:
        """All shares that were held."""
        return sum(self.holdings.values())


@dataclass(frozen=True, slots=True)
class WalletLine:
    """One wallet of a holder."""

    wallet: Address
    shares: int
    frozen_shares: int
    wallet_frozen: bool


@dataclass(frozen=True, slots=True)
class CapTableLine:
    """One holder: an investor with all wallets, or one wallet that belongs to nobody we know (`investor_id` None)."""

    investor_id: InvestorId | None
    shares: int
    wallets: tuple[WalletLine, ...]
    share_of_supply: Fraction

    @property
    def percentage(self) -> str:
        """The exact share of the supply as per cent with four decimals, halves to even: `12.5000`."""
        exact = self.share_of_supply
        return format_decimal(divide(exact.numerator * 1_000_000, exact.denominator, rounding=Rounding.HALF_EVEN), decimals=4)


@dataclass(frozen=True, slots=True)
class CapTable:
    """Who owns the security after a block: the largest holder first, equal ones by investor id, then by wallet."""

    security_id: SecurityId
    block_number: int
    occurred_at: dt.datetime | None
    total_shares: int
    lines: tuple[CapTableLine, ...]

    @property
    def holder_count(self) -> int:
        """Holders with at least one base unit."""
        return sum(1 for line in self.lines if line.shares)


def cap_table(
    security_id: SecurityId,
    holdings: Iterable[Holding],
    owners: Mapping[Address, InvestorId],
    *,
    block_number: int,
    occurred_at: dt.datetime | None,
) -> CapTable:
    """Group the wallets by the investor who owns them; a wallet of nobody known stands alone. Shares are exact fractions of the sum."""
    held = [holding for holding in holdings if holding.shares or holding.frozen_shares or holding.wallet_frozen]
    total = sum(holding.shares for holding in held)
    groups: defaultdict[tuple[str, str], list[Holding]] = defaultdict(list)
    for holding in held:
        owner = owners.get(holding.wallet)
        groups["" if owner is None else str(owner), holding.wallet if owner is None else ""].append(holding)
    lines = [
        CapTableLine(
            investor_id=owners.get(wallets[0].wallet),
            shares=sum(holding.shares for holding in wallets),
            wallets=tuple(
                WalletLine(holding.wallet, holding.shares, holding.frozen_shares, holding.wallet_frozen)
                for holding in sorted(wallets, key=lambda holding: (-holding.shares, holding.wallet))
            ),
            share_of_supply=Fraction(sum(holding.shares for holding in wallets), total) if total else Fraction(0),
        )
        for wallets in groups.values()
    ]
    lines.sort(key=lambda line: (-line.shares, str(line.investor_id or "~"), line.wallets[0].wallet))
    return CapTable(security_id, block_number, occurred_at, total, tuple(lines))


def lockups(notices: Iterable[Notice]) -> dict[Address, tuple[Lockup, ...]]:
    """Return what is locked of each wallet, the tranche that unlocks first before others; one that has ended stays until it is released.

    A recovery releases the lost wallet's tranches and locks as many of the new one's shares, so the sums are all there is to it.
    """
    sums: defaultdict[tuple[Address, int], int] = defaultdict(int)
    for notice in notices:
        if notice.kind is NoticeKind.SHARES_LOCKED:
            sums[notice.wallet, notice.unlocks_at] += notice.shares
        elif notice.kind is NoticeKind.SHARES_RELEASED:
            sums[notice.wallet, notice.unlocks_at] -= notice.shares
    locked: defaultdict[Address, list[Lockup]] = defaultdict(list)
    for (wallet, unlocks_at), shares in sorted(sums.items(), key=lambda each: each[0][1]):
        if shares:
            locked[wallet].append(Lockup(shares, unlocks_at))
    return {wallet: tuple(tranches) for wallet, tranches in locked.items()}


def current_wallets(notices: Iterable[Notice]) -> dict[Address, Address]:
    """Return where each recovered wallet's rights stand now, following recovery after recovery in the order given (the chain's).

    One lost wallet is recovered on each token by itself: the same step seen again on another token changes nothing.
    """
    moved: dict[Address, Address] = {}
    seen: set[tuple[Address, Address]] = set()
    for notice in notices:
        step = (notice.wallet, notice.new_wallet)
        if notice.kind is not NoticeKind.RECOVERED or step in seen:
            continue
        seen.add(step)
        seen.discard((notice.new_wallet, notice.wallet))
        for origin, target in moved.items():
            if target == notice.wallet:
                moved[origin] = notice.new_wallet
        moved[notice.wallet] = notice.new_wallet
    return {origin: target for origin, target in moved.items() if origin != target}


def recovery_paths(notices: Iterable[Notice]) -> dict[Address, frozenset[Address]]:
    """Return every wallet to which a lost wallet's rights have ever led, over all its recoveries."""
    steps: defaultdict[Address, set[Address]] = defaultdict(set)
    for notice in notices:
        if notice.kind is NoticeKind.RECOVERED:
            steps[notice.wallet].add(notice.new_wallet)
    paths: dict[Address, frozenset[Address]] = {}
    for origin in list(steps):
        reached: set[Address] = set()
        ahead = [origin]
        while ahead:
            for wallet in steps.get(ahead.pop(), ()):
                if wallet not in reached:
                    reached.add(wallet)
                    ahead.append(wallet)
        paths[origin] = frozenset(reached)
    return paths


def movement_line(movement: Movement) -> str:
    """Return one movement in the canonical form that the digest is taken over."""
    return (
        f"movement|{movement.block_number}|{movement.log_index}|{movement.deed_id:x}|{movement.from_wallet}|{movement.to_wallet}"
        f"|{movement.shares}|{movement.transaction_hash}|{instant_text(movement.occurred_at)}\n"
    )


def notice_line(notice: Notice) -> str:
    """Return one notice in the canonical form that the digest is taken over; of a lockup also until when."""
    until = f"|{notice.unlocks_at}" if notice.unlocks_at else ""
    return (
        f"notice|{notice.block_number}|{notice.log_index}|{notice.deed_id:x}|{notice.kind.value}|{notice.wallet}|{notice.new_wallet}"
        f"|{notice.shares}|{notice.transaction_hash}|{instant_text(notice.occurred_at)}{until}\n"
    )


def holding_line(holding: Holding) -> str:
    """Return one holding in the canonical form that the digest is taken over."""
    return (
        f"holding|{holding.wallet}|{holding.deed_id:x}|{holding.shares}|{holding.frozen_shares}|{int(holding.wallet_frozen)}"
        f"|{holding.last_block_number}|{holding.last_log_index}\n"
    )


@dataclass(frozen=True, slots=True)
class RegisterContent:
    """A whole register of one token after one block: every movement, every notice, every holding."""

    movements: Sequence[Movement]
    notices: Sequence[Notice]
    holdings: Sequence[Holding]

    @classmethod
    def of(cls, events: Iterable[TokenEvent], *, holdings: Sequence[Holding]) -> RegisterContent:
        """Return the content with the events told apart."""
        listed = list(events)
        return cls(
            movements=[event for event in listed if isinstance(event, Movement)],
            notices=[event for event in listed if isinstance(event, Notice)],
            holdings=holdings,
        )

    @property
    def rows(self) -> int:
        """Rows of all three kinds."""
        return len(self.movements) + len(self.notices) + len(self.holdings)

    def lines(self) -> Iterator[str]:
        """Yield the canonical lines: movements and notices in the chain's order, holdings by wallet."""
        for movement in sorted(self.movements, key=lambda movement: (movement.block_number, movement.log_index)):
            yield movement_line(movement)
        for notice in sorted(self.notices, key=lambda notice: (notice.block_number, notice.log_index)):
            yield notice_line(notice)
        for holding in sorted(self.holdings, key=lambda holding: (holding.wallet, holding.deed_id)):
            yield holding_line(holding)

    def digest(self) -> str:
        """Return the SHA-256 of the canonical lines: equal digests mean equal registers, byte for byte."""
        digest = hashlib.sha256()
        for line in self.lines():
            digest.update(line.encode())
        return digest.hexdigest()


class DifferenceKind(Enum):
    """How two registers differ."""

    MISSING_ROW = "register.missing_row"
    EXTRA_ROW = "register.extra_row"
    BALANCE = "register.balance_differs"
    SUPPLY = "register.supply_differs"
    MISSING_LOT = "register.missing_lot"
    EXTRA_LOT = "register.extra_lot"
    LOTS = "register.lots_differ"
    CAP_TABLE = "register.cap_table_differs"
    OVERISSUED = "register.overissued"


@dataclass(frozen=True, slots=True)
class RegisterDifference:
    """One difference: which kind, in one sentence, with the values compared."""

    kind: DifferenceKind
    sentence: str
    facts: Mapping[str, Any]

    @property
    def code(self) -> str:
        """The stable code."""
        return self.kind.value


@dataclass(frozen=True, slots=True)
class RegisterVerification:
    """The stored register against the chain: one rebuilt from the first block, and the token's own answers at one final block."""

    token: TokenReference
    block_number: int
    block_hash: str
    rows: int
    digest: str
    rebuilt_digest: str
    differences: tuple[RegisterDifference, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs at all."""
        return self.digest == self.rebuilt_digest and not self.differences


DIFFERENCES_SHOWN_MAX = 100


def compare(stored: RegisterContent, rebuilt: RegisterContent) -> tuple[RegisterDifference, ...]:
    """Return each row that only one of the two registers has, at most `DIFFERENCES_SHOWN_MAX` a side."""
    stored_lines, rebuilt_lines = set(stored.lines()), set(rebuilt.lines())
    missing = [
        RegisterDifference(DifferenceKind.MISSING_ROW, "The chain has a row that the register lacks.", {"row": line.strip()})
        for line in sorted(rebuilt_lines - stored_lines)[:DIFFERENCES_SHOWN_MAX]
    ]
    extra = [
        RegisterDifference(DifferenceKind.EXTRA_ROW, "The register has a row that the chain does not bear out.", {"row": line.strip()})
        for line in sorted(stored_lines - rebuilt_lines)[:DIFFERENCES_SHOWN_MAX]
    ]
    return (*missing, *extra)


def compare_balances(
    holdings: Iterable[Holding], *, chain_balances: Mapping[Address, int], chain_supply: int
) -> tuple[RegisterDifference, ...]:
    """Return where the register and the token's own `balanceOf` and `totalSupply` disagree at one block (invariant I1)."""
    register_balances = {holding.wallet: holding.shares for holding in holdings}
    differences = [
        RegisterDifference(
            DifferenceKind.BALANCE,
            "The register and balanceOf disagree.",
            {"wallet": wallet, "register": register_balances.get(wallet, 0), "chain": chain_balances.get(wallet, 0)},
        )
        for wallet in sorted(register_balances.keys() | chain_balances.keys())
        if register_balances.get(wallet, 0) != chain_balances.get(wallet, 0)
    ]
    register_sum, chain_sum = sum(register_balances.values()), sum(chain_balances.values())
    if not register_sum == chain_sum == chain_supply:
        differences.append(
            RegisterDifference(
                DifferenceKind.SUPPLY,
                "The sum of the register, the sum of balanceOf and totalSupply are not one number.",
                {"register": register_sum, "balances": chain_sum, "total_supply": chain_supply},
            )
        )
    return tuple(differences)
