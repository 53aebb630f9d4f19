# SPDX-License-Identifier: Apache-2.0
"""A cash dividend from declared to paid, and who gets what to the last cent. Reads no register and sends no money."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from muniment.register.model import HolderSnapshot
from muniment.servicing.errors import NobodyEntitled, NothingToPay, PaymentBeforeRecord, PotTooSmall, RecordInThePast
from muniment.units.ids import Address, BatchId, DividendId, InvestorId, PaymentId, SecurityId, TransactionHash, UserId
from muniment.units.instants import instant_text
from muniment.units.money import Money, Price, Rounding, split_pro_rata
from muniment.units.payment_tokens import PaymentToken

CAEV = "DVCA"
"""ISO 20022 corporate action event code: cash dividend."""

BATCH_PAYMENTS_MAX = 100
"""Receivers in one transaction: at about 30,000 gas each far under EIP-7825's 16,777,216."""


@dataclass(frozen=True, slots=True)
class Total:
    """The dividend as one sum for all holders together."""

    money: Money


@dataclass(frozen=True, slots=True)
class PerShare:
    """The dividend as money for one whole share, exact to any number of decimals."""

    price: Price


DividendAmount: TypeAlias = Total | PerShare


@dataclass(frozen=True, slots=True)
class DeclaredDividend:
    """Announced: the amount and the dates stand, the holders are not known before `record_at`.

    `excluded_wallets` are the issuer's own (treasury shares): they take no part.
    """

    dividend_id: DividendId
    security_id: SecurityId
    share_decimals: int
    amount: DividendAmount
    payment_token: PaymentToken
    record_at: dt.datetime
    payment_at: dt.datetime
    excluded_wallets: frozenset[Address]
    declared_by: UserId | None
    declared_at: dt.datetime


class HeldReason(Enum):
    """Why money that is due is not sent. It stays due and visible until the reason falls away."""

    WALLET_FROZEN = "servicing.wallet_frozen"
    UNKNOWN_HOLDER = "servicing.unknown_holder"
    RECEIVER_REFUSED = "servicing.receiver_refused_by_token"


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What one wallet is owed for its shares at the record date. `pay_to` differs from `wallet` only after a recovery."""

    payment_id: PaymentId
    wallet: Address
    pay_to: Address
    investor_id: InvestorId | None
    shares: int
    amount: Money
    held: HeldReason | None


@dataclass(frozen=True, slots=True)
class EntitledDividend:
    """Who is owed what is fixed, from the holdings after one final block. Σ amounts + residue = pot."""

    declared: DeclaredDividend
    block_number: int
    block_hash: str
    pot: Money
    residue: Money
    entitlements: tuple[Entitlement, ...]
    entitled_at: dt.datetime

    @property
    def due(self) -> Money:
        """What is owed to all holders together."""
        return self.pot - self.residue


@dataclass(frozen=True, slots=True)
class PaidDividend:
    """Every payment that could be made is final; what is held stays with the issuer, due and visible."""

    entitled: EntitledDividend
    paid: Money
    held: Money
    paid_at: dt.datetime


Dividend: TypeAlias = DeclaredDividend | EntitledDividend | PaidDividend


def declaration_of(dividend: Dividend) -> DeclaredDividend:
    """Return what was declared, whatever became of it."""
    match dividend:
        case DeclaredDividend():
            return dividend
        case EntitledDividend():
            return dividend.declared
        case PaidDividend():
            return dividend.entitled.declared


def state_name(dividend: Dividend) -> str:
    """Return the state's name as tables and the wire spell it."""
    match dividend:
        case DeclaredDividend():
            return "declared"
        case EntitledDividend():
            return "entitled"
        case PaidDividend():
            return "paid"


def declare(
    *,
    dividend_id: DividendId,
    security_id: SecurityId,
    share_decimals: int,
    amount: DividendAmount,
    payment_token: PaymentToken,
    record_at: dt.datetime,
    payment_at: dt.datetime,
    excluded_wallets: Collection[Address],
    declared_by: UserId | None,
    now: dt.datetime,
) -> DeclaredDividend:
    """Return the announcement; refuse an amount that pays nobody, a record date that has passed, payment before the record date."""
    match amount:
        case Total(money):
            if money.minor_units <= 0:
                raise NothingToPay(amount=str(money))
            payment_token.units_of(money)
        case PerShare(price):
            if price.per_share <= 0:
                raise NothingToPay(amount=f"{price.per_share} {price.currency} per share")
            payment_token.units_of(Money(1, price.currency))
    if record_at < now:
        raise RecordInThePast(record_at=record_at, now_at=now)
    if payment_at < record_at:
        raise PaymentBeforeRecord(payment_at=payment_at, record_at=record_at)
    return DeclaredDividend(
        dividend_id=dividend_id,
        security_id=security_id,
        share_decimals=share_decimals,
        amount=amount,
        payment_token=payment_token,
        record_at=record_at,
        payment_at=payment_at,
        excluded_wallets=frozenset(excluded_wallets),
        declared_by=declared_by,
        declared_at=now,
    )


def pot_of(amount: DividendAmount, *, shares: int, share_decimals: int) -> Money:
    """Return the whole sum to divide: the total as declared, or the price times the shares, rounded down to a minor unit."""
    match amount:
        case Total(money):
            return money
        case PerShare(price):
            return price.times(shares, share_decimals=share_decimals, rounding=Rounding.DOWN)


@dataclass(frozen=True, slots=True)
class Holder:
    """What paying needs to know about a wallet besides its shares: whose it is, where its rights stand now, whether it is frozen."""

    investor_id: InvestorId | None
    pay_to: Address
    frozen: bool


def held_reason(holder: Holder) -> HeldReason | None:
    """Return why money for the holder must wait: a frozen wallet before an unknown one; None where it can be sent."""
    if holder.frozen:
        return HeldReason.WALLET_FROZEN
    if holder.investor_id is None:
        return HeldReason.UNKNOWN_HOLDER
    return None


def entitle(
    declared: DeclaredDividend, snapshot: HolderSnapshot, holders: Mapping[Address, Holder], *, entitled_at: dt.datetime
) -> EntitledDividend:
    """Fix who is owed what, from the holdings at the record date.

    The pot is split in minor units of the currency by largest remainder; of equal remainders the lower wallet address goes first,
    since the wallet is the holder's id on the chain and anyone can recompute the split from public logs. Wallets whose part rounds
    to nothing get no entitlement. Being frozen or unknown changes no amount: the money is due, and held.
    """
    weights = {
        wallet: int(shares)
        for wallet, shares in sorted(snapshot.holdings.items(), key=lambda item: item[0].lower())
        if shares > 0 and wallet not in declared.excluded_wallets
    }
    if not weights:
        raise NobodyEntitled(security_id=str(declared.security_id), block_number=snapshot.block_number)
    shares_sum = sum(weights.values())
    pot = pot_of(declared.amount, shares=shares_sum, share_decimals=declared.share_decimals)
    if pot.minor_units == 0:
        raise PotTooSmall(currency=pot.currency, shares=shares_sum)
    # Addresses are numbers: their order is that of their digits, not of the checksum's capitals.
    parts = split_pro_rata(pot.minor_units, {wallet.lower(): weight for wallet, weight in weights.items()})
    entitlements = tuple(
        Entitlement(
            payment_id=payment_id(declared.dividend_id, wallet),
            wallet=wallet,
            pay_to=holders[wallet].pay_to,
            investor_id=holders[wallet].investor_id,
            shares=weights[wallet],
            amount=Money(parts[wallet.lower()], pot.currency),
            held=held_reason(holders[wallet]),
        )
        for wallet in weights
        if parts[wallet.lower()] > 0
    )
    # Invariant I5: nothing lost, nothing made up. Wallets whose part is nothing are left out, so the sum is taken over what is kept.
    assert sum(entitlement.amount.minor_units for entitlement in entitlements) == pot.minor_units, "entitlements add up to the pot"
    return EntitledDividend(
        declared=declared,
        block_number=snapshot.block_number,
        block_hash=snapshot.block_hash,
        pot=pot,
        residue=Money(0, pot.currency),
        entitlements=entitlements,
        entitled_at=entitled_at,
    )


def payment_id(dividend_id: DividendId, wallet: Address) -> PaymentId:
    """Return the payment's id: one wallet has one payment in a dividend, whoever computes it."""
    return PaymentId(uuid5(dividend_id, f"payment {wallet.lower()}"))


@dataclass(frozen=True, slots=True)
class Payee:
    """One line of a batch: where to, and how many units of the payment token."""

    payment_id: PaymentId
    pay_to: Address
    token_units: int


class BatchState(Enum):
    """What became of a batch. A split batch paid nobody; its halves carry its payees."""

    OPEN = "open"
    SUBMITTED = "submitted"
    PAID = "paid"
    SPLIT = "split"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Batch:
    """Payees that one transaction pays, all or none. The contract pays each (payer, run, batch) once."""

    batch_id: BatchId
    dividend_id: DividendId
    parent_id: BatchId | None
    state: BatchState
    payees: tuple[Payee, ...]
    transaction_hash: TransactionHash | None = None
    block_number: int | None = None
    failure: str | None = None

    @property
    def purpose(self) -> str:
        """The name under which the sender knows the batch's transaction: the same batch is never signed twice."""
        return batch_purpose(self.dividend_id, self.batch_id)

    @property
    def token_units(self) -> int:
        """What the batch pays out."""
        return sum(payee.token_units for payee in self.payees)


PURPOSE_PREFIX = "servicing:"


def allowance_purpose(dividend_id: DividendId, round_number: int) -> str:
    """Return the name of the transaction that lets the payout contract take the money; one a round of batches."""
    return f"{PURPOSE_PREFIX}{dividend_id}:allowance-{round_number}"


def mark_purpose(dividend_id: DividendId, number: int = 0) -> str:
    """Return the name of a transaction that writes the announcement's hash to the chain after the record date; mostly one is enough."""
    return f"{PURPOSE_PREFIX}{dividend_id}:record-mark" + (f"-{number}" if number else "")


def record_date_closes_at(record_at: dt.datetime) -> dt.datetime:
    """Return the first time at which a block made then bears a later time than the record date: blocks count whole seconds."""
    return record_at.replace(microsecond=0) + dt.timedelta(seconds=1)


def dividend_of_purpose(purpose: str) -> DividendId | None:
    """Return the dividend that a transaction was signed for; None for other contexts' transactions."""
    if not purpose.startswith(PURPOSE_PREFIX):
        return None
    return DividendId(UUID(purpose.removeprefix(PURPOSE_PREFIX).partition(":")[0]))


def batch_purpose(dividend_id: DividendId, batch_id: BatchId) -> str:
    """Return the name of the transaction that pays a batch."""
    return f"{PURPOSE_PREFIX}{dividend_id}:{batch_id}"


def batch_of_purpose(purpose: str) -> tuple[DividendId, BatchId] | None:
    """Return the batch that a transaction was signed for, with its dividend; None for every other transaction."""
    if not purpose.startswith(PURPOSE_PREFIX):
        return None
    dividend_id, _, name = purpose.removeprefix(PURPOSE_PREFIX).partition(":")
    try:
        return DividendId(UUID(dividend_id)), BatchId(UUID(name))
    except ValueError:
        return None  # a record mark or an allowance


def run_number(dividend_id: DividendId) -> int:
    """Return the run's number on the chain: the dividend's id as 128 bits."""
    return dividend_id.int


def batch_number(batch_id: BatchId) -> int:
    """Return the batch's number on the chain: its id as 128 bits."""
    return batch_id.int


def first_batches(dividend_id: DividendId, payees: Sequence[Payee], *, round_number: int = 0) -> tuple[Batch, ...]:
    """Cut the payees into open batches of at most `BATCH_PAYMENTS_MAX`, in their order; the ids depend on nothing else."""
    return tuple(
        Batch(
            batch_id=BatchId(uuid5(dividend_id, f"round {round_number} batch {start // BATCH_PAYMENTS_MAX}")),
            dividend_id=dividend_id,
            parent_id=None,
            state=BatchState.OPEN,
            payees=tuple(payees[start : start + BATCH_PAYMENTS_MAX]),
        )
        for start in range(0, len(payees), BATCH_PAYMENTS_MAX)
    )


def repeat_batch(batch: Batch) -> Batch:
    """Return the same payees under a new id, for a batch that failed for want of money and not for a receiver's sake."""
    return Batch(
        batch_id=BatchId(uuid5(batch.batch_id, "again")),
        dividend_id=batch.dividend_id,
        parent_id=batch.batch_id,
        state=BatchState.OPEN,
        payees=batch.payees,
    )


def split_batch(batch: Batch) -> tuple[Batch, Batch]:
    """Cut a batch that was reverted into two halves, so that one receiver who cannot be paid does not stand in the way of the rest."""
    assert len(batch.payees) > 1, "a batch of one cannot be cut"
    middle = len(batch.payees) // 2
    first, second = (
        Batch(
            batch_id=BatchId(uuid5(batch.batch_id, half)),
            dividend_id=batch.dividend_id,
            parent_id=batch.batch_id,
            state=BatchState.OPEN,
            payees=payees,
        )
        for half, payees in (("first half", batch.payees[:middle]), ("second half", batch.payees[middle:]))
    )
    return first, second


@dataclass(frozen=True, slots=True)
class Payment:
    """An entitlement and what became of it: payable, sent (with its batch), paid (with its transaction) or held (with the reason)."""

    entitlement: Entitlement
    state: str
    batch_id: BatchId | None
    transaction_hash: TransactionHash | None
    block_number: int | None
    held: HeldReason | None


@dataclass(frozen=True, slots=True)
class DistributionDifference:
    """Something in which the stored distribution and the chain's logs disagree."""

    code: str
    sentence: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DistributionVerification:
    """A distribution re-derived from the chain's logs: the holdings at the record block, the split, and each payment that was made."""

    dividend_id: DividendId
    block_number: int
    pot: Money
    paid: Money
    held: Money
    payments: int
    differences: tuple[DistributionDifference, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class ChainPayment:
    """One payment as the payout contract's logs tell it."""

    batch_number: int
    pay_to: Address
    token_units: int
    transaction_hash: TransactionHash
    block_number: int


@dataclass(frozen=True, slots=True)
class ChainBatch:
    """One paid batch as the payout contract's logs tell it."""

    run_number: int
    batch_number: int
    token_units: int
    transaction_hash: TransactionHash
    block_number: int


def differences_of_split(entitled: EntitledDividend, rederived: Iterable[Entitlement]) -> Iterator[DistributionDifference]:
    """Yield where the stored entitlements differ from those that the chain's logs give."""
    stored = {entitlement.wallet: entitlement for entitlement in entitled.entitlements}
    fresh = {entitlement.wallet: entitlement for entitlement in rederived}
    for wallet in sorted(stored.keys() | fresh.keys()):
        here, there = stored.get(wallet), fresh.get(wallet)
        here_values = None if here is None else (here.shares, here.amount.amount)
        there_values = None if there is None else (there.shares, there.amount.amount)
        if here_values != there_values:
            yield DistributionDifference(
                "servicing.entitlement_differs",
                "The stored entitlement is not what the chain's logs give.",
                {"wallet": wallet, "stored": here_values, "chain": there_values},
            )


def differences_of_payments(
    payments: Sequence[Payment], batches: Sequence[Batch], chain_payments: Sequence[ChainPayment], *, payment_token: PaymentToken
) -> Iterator[DistributionDifference]:
    """Yield where the stored payments and the payout contract's logs differ: each (distribution, holder) paid once, as stored.

    Two payments of one batch may go to one wallet (after a recovery), so lines are compared as they lie together there.
    """
    owed = {payment.entitlement.payment_id: payment_token.units_of(payment.entitlement.amount) for payment in payments}
    stored_lines: defaultdict[tuple[int, Address], list[Payee]] = defaultdict(list)
    for batch in batches:
        if batch.state in {BatchState.SPLIT, BatchState.REFUSED}:
            continue
        for payee in batch.payees:
            stored_lines[batch_number(batch.batch_id), payee.pay_to].append(payee)
            if owed.get(payee.payment_id) != payee.token_units:
                yield DistributionDifference(
                    "servicing.batch_amount_differs",
                    "A batch carries another amount than its payment.",
                    {"pay_to": payee.pay_to, "batch": str(payee.token_units), "owed": str(owed.get(payee.payment_id))},
                )
    chain_lines: defaultdict[tuple[int, Address], list[ChainPayment]] = defaultdict(list)
    for chain_payment in chain_payments:
        chain_lines[chain_payment.batch_number, chain_payment.pay_to].append(chain_payment)
    times_paid: defaultdict[PaymentId, int] = defaultdict(int)
    places: defaultdict[PaymentId, set[tuple[TransactionHash | None, int | None]]] = defaultdict(set)
    for line, made in chain_lines.items():
        payees = stored_lines.get(line, [])
        paid_units, stored_units = sorted(entry.token_units for entry in made), sorted(payee.token_units for payee in payees)
        if paid_units != stored_units:
            yield DistributionDifference(
                "servicing.chain_paid_otherwise",
                "The chain paid a wallet something else than the stored batch says.",
                {"pay_to": line[1], "stored": stored_units, "chain": paid_units, "transaction": made[0].transaction_hash},
            )
        for payee in payees:
            times_paid[payee.payment_id] += 1
            places[payee.payment_id].update((each.transaction_hash, each.block_number) for each in made)
    for payment in payments:
        expected = 1 if payment.state == "paid" else 0
        times = times_paid[payment.entitlement.payment_id]
        if payment.state != "sent" and times != expected:
            yield DistributionDifference(
                "servicing.paid_times",
                "A payment is on the chain another number of times than stored.",
                {"wallet": payment.entitlement.wallet, "state": payment.state, "stored_times": expected, "chain_times": times},
            )
        elif payment.state == "paid" and (payment.transaction_hash, payment.block_number) not in places[payment.entitlement.payment_id]:
            yield DistributionDifference(
                "servicing.paid_elsewhere_on_chain",
                "A payment names another transaction than the one that made it.",
                {"wallet": payment.entitlement.wallet, "stored": payment.transaction_hash, "block_number": payment.block_number},
            )


def price_text(price: Price) -> str:
    """Return a price as plain decimal text without trailing zeros, the same for every way in which the number was written."""
    return f"{price.per_share.normalize():f}"


def announcement(declared: DeclaredDividend) -> dict[str, Any]:
    """Return the announcement as data: the event's code, its dates and the amount, for audit, wire and proof alike."""
    match declared.amount:
        case Total(money):
            amount: dict[str, Any] = {"total": money.as_json()}
        case PerShare(price):
            amount = {"per_share": price_text(price), "currency": price.currency}
    return {
        "event": CAEV,
        "participation": "mandatory",
        "dividend_id": str(declared.dividend_id),
        "security_id": str(declared.security_id),
        **amount,
        "record_at": instant_text(declared.record_at),
        "payment_at": instant_text(declared.payment_at),
        "payment_token": declared.payment_token.address,
        "excluded_wallets": sorted(declared.excluded_wallets),
    }
