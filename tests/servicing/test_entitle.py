# SPDX-License-Identifier: Apache-2.0
"""Who gets what: entitlements add up whatever is held, in whatever order, and nobody's fate changes anybody's amount."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.infra.evm.decoding import checksum
from muniment.register.model import HolderSnapshot
from muniment.servicing.errors import NobodyEntitled, NothingToPay, PaymentBeforeRecord, PotTooSmall, RecordInThePast
from muniment.servicing.model import (
    BATCH_PAYMENTS_MAX,
    BatchState,
    DeclaredDividend,
    DividendAmount,
    EntitledDividend,
    HeldReason,
    Holder,
    Payee,
    PerShare,
    Total,
    announcement,
    declare,
    dividend_of_purpose,
    entitle,
    first_batches,
    mark_purpose,
    payment_id,
    record_date_closes_at,
    split_batch,
)
from muniment.units.ids import Address, DividendId, InvestorId, SecurityId
from muniment.units.money import CurrencyMismatch, Money, Price
from muniment.units.payment_tokens import PaymentToken
from muniment.units.shares import Shares

NOW = dt.datetime(2027, 5, 23, 16, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=1)
DIVIDEND = DividendId(UUID("01890000-0000-7000-8000-00000000d117"))
SECURITY = SecurityId(UUID("01890000-0000-7000-8000-000000005ec0"))
INVESTOR = InvestorId(UUID("01890000-0000-7000-8000-000000001111"))
TOKEN = PaymentToken(31337, checksum((0xCC).to_bytes(20, "big")), "USD", 6, "TUSD")


def a_wallet(number: int) -> Address:
    return checksum((0xD000 + number).to_bytes(20, "big"))


def a_declaration(amount: DividendAmount, *, share_decimals: int = 0, excluded: frozenset[Address] = frozenset()) -> DeclaredDividend:
    return declare(
        dividend_id=DIVIDEND,
        security_id=SECURITY,
        share_decimals=share_decimals,
        amount=amount,
        payment_token=TOKEN,
        record_at=LATER,
        payment_at=LATER,
        excluded_wallets=excluded,
        declared_by=None,
        now=NOW,
    )


def a_snapshot(holdings: dict[Address, int]) -> HolderSnapshot:
    return HolderSnapshot(SECURITY, 7, "ab" * 32, LATER, {wallet: Shares(shares) for wallet, shares in holdings.items()})


def known(holdings: dict[Address, int]) -> dict[Address, Holder]:
    return {wallet: Holder(INVESTOR, wallet, frozen=False) for wallet in holdings}


def entitled(amount: DividendAmount, holdings: dict[Address, int], *, share_decimals: int = 0) -> EntitledDividend:
    declared = a_declaration(amount, share_decimals=share_decimals)
    return entitle(declared, a_snapshot(holdings), known(holdings), entitled_at=LATER)


holdings_of_many = st.dictionaries(st.integers(0, 60).map(a_wallet), st.integers(1, 2**104), min_size=1, max_size=40)
totals = st.integers(1, 10**15).map(lambda cents: Total(Money(cents, "USD")))


@settings(deadline=None)
@given(amount=totals, holdings=holdings_of_many)
def test_entitlements_add_up_to_the_declared_total(amount: Total, holdings: dict[Address, int]) -> None:
    result = entitled(amount, holdings)
    assert sum(entitlement.amount.minor_units for entitlement in result.entitlements) == amount.money.minor_units == result.due.minor_units


@settings(deadline=None)
@given(amount=totals, holdings=holdings_of_many)
def test_nobody_is_a_whole_minor_unit_away_from_the_exact_share(amount: Total, holdings: dict[Address, int]) -> None:
    result = entitled(amount, holdings)
    shares = sum(holdings.values())
    paid = {entitlement.wallet: entitlement.amount.minor_units for entitlement in result.entitlements}
    for wallet, held in holdings.items():
        assert abs(paid.get(wallet, 0) * shares - amount.money.minor_units * held) < shares


@settings(deadline=None)
@given(amount=totals, holdings=holdings_of_many, data=st.data())
def test_the_order_of_the_holders_changes_nothing(amount: Total, holdings: dict[Address, int], data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(list(holdings.items()))))
    assert entitled(amount, shuffled) == entitled(amount, holdings)


@settings(deadline=None)
@given(holdings=holdings_of_many, price=st.decimals("0.000001", "1000", places=6), share_decimals=st.integers(0, 6))
def test_a_price_per_share_pays_each_within_a_minor_unit_and_the_pot_whole(
    holdings: dict[Address, int], price: Decimal, share_decimals: int
) -> None:
    amount = PerShare(Price(price, "USD"))
    shares = sum(holdings.values())
    exact = price * 100 * shares / 10**share_decimals
    if exact < 1:
        with pytest.raises(PotTooSmall):
            entitled(amount, holdings, share_decimals=share_decimals)
        return
    result = entitled(amount, holdings, share_decimals=share_decimals)
    numerator, denominator = price.as_integer_ratio()
    assert result.pot.minor_units == numerator * 100 * shares // (denominator * 10**share_decimals)
    assert sum(entitlement.amount.minor_units for entitlement in result.entitlements) == result.pot.minor_units


@settings(deadline=None)
@given(amount=totals, holdings=holdings_of_many, data=st.data())
def test_being_frozen_unknown_or_recovered_changes_nobodys_amount(amount: Total, holdings: dict[Address, int], data: st.DataObject) -> None:
    holders = {
        wallet: Holder(
            data.draw(st.sampled_from([None, INVESTOR])), data.draw(st.sampled_from([wallet, a_wallet(999)])), data.draw(st.booleans())
        )
        for wallet in holdings
    }
    result = entitle(a_declaration(amount), a_snapshot(holdings), holders, entitled_at=LATER)
    assert [(e.wallet, e.amount) for e in result.entitlements] == [(e.wallet, e.amount) for e in entitled(amount, holdings).entitlements]
    for entitlement in result.entitlements:
        holder = holders[entitlement.wallet]
        assert entitlement.pay_to == holder.pay_to
        expected = HeldReason.WALLET_FROZEN if holder.frozen else HeldReason.UNKNOWN_HOLDER if holder.investor_id is None else None
        assert entitlement.held is expected


def test_of_equal_remainders_the_lower_wallet_gets_the_odd_cent() -> None:
    wallets = sorted((a_wallet(number) for number in range(3)), key=str.lower)
    result = entitled(Total(Money(100, "USD")), dict.fromkeys(wallets, 1))
    assert [(e.wallet, e.amount.minor_units) for e in result.entitlements] == [(wallets[0], 34), (wallets[1], 33), (wallets[2], 33)]


def test_the_larger_remainder_gets_the_odd_cent() -> None:
    small, large = a_wallet(1), a_wallet(2)
    result = entitled(Total(Money(10, "USD")), {small: 1, large: 2})
    assert {e.wallet: e.amount.minor_units for e in result.entitlements} == {small: 3, large: 7}


def test_the_issuers_own_wallets_take_no_part() -> None:
    treasury, holder = a_wallet(1), a_wallet(2)
    declared = a_declaration(Total(Money(100, "USD")), excluded=frozenset({treasury}))
    holdings = {treasury: 900, holder: 100}
    result = entitle(declared, a_snapshot(holdings), known(holdings), entitled_at=LATER)
    assert [(e.wallet, e.amount.minor_units) for e in result.entitlements] == [(holder, 100)]
    with pytest.raises(NobodyEntitled):
        entitle(declared, a_snapshot({treasury: 900}), known({treasury: 900}), entitled_at=LATER)


def test_a_declaration_that_pays_nobody_or_in_the_wrong_order_is_refused() -> None:
    with pytest.raises(NothingToPay):
        a_declaration(Total(Money(0, "USD")))
    with pytest.raises(NothingToPay):
        a_declaration(PerShare(Price(Decimal(0), "USD")))
    with pytest.raises(CurrencyMismatch):
        a_declaration(Total(Money(1, "EUR")))
    terms = {"dividend_id": DIVIDEND, "security_id": SECURITY, "share_decimals": 0, "payment_token": TOKEN, "excluded_wallets": ()}
    for refusal, record_at, payment_at in (
        (RecordInThePast, NOW - dt.timedelta(seconds=1), LATER),
        (PaymentBeforeRecord, LATER, NOW),
    ):
        with pytest.raises(refusal):
            declare(**terms, amount=Total(Money(1, "USD")), record_at=record_at, payment_at=payment_at, declared_by=None, now=NOW)


@settings(deadline=None)
@given(count=st.integers(0, 350))
def test_batches_are_small_enough_and_leave_nobody_out(count: int) -> None:
    payees = [Payee(payment_id(DIVIDEND, a_wallet(number)), a_wallet(number), number + 1) for number in range(count)]
    batches = first_batches(DIVIDEND, payees)
    assert [payee for batch in batches for payee in batch.payees] == payees
    assert all(0 < len(batch.payees) <= BATCH_PAYMENTS_MAX for batch in batches)
    assert len({batch.batch_id for batch in batches}) == len(batches)
    assert first_batches(DIVIDEND, payees) == batches
    assert not {batch.batch_id for batch in first_batches(DIVIDEND, payees, round_number=1)} & {batch.batch_id for batch in batches}


@settings(deadline=None)
@given(count=st.integers(2, 100))
def test_halves_of_a_batch_carry_its_payees_under_new_names(count: int) -> None:
    payees = [Payee(payment_id(DIVIDEND, a_wallet(number)), a_wallet(number), 1) for number in range(count)]
    (batch,) = first_batches(DIVIDEND, payees)
    first, second = split_batch(batch)
    assert first.payees + second.payees == batch.payees
    assert first.payees and second.payees
    assert len({batch.purpose, first.purpose, second.purpose}) == 3
    assert {first.parent_id, second.parent_id} == {batch.batch_id}
    assert first.state is second.state is BatchState.OPEN
    assert dividend_of_purpose(first.purpose) == dividend_of_purpose(mark_purpose(DIVIDEND)) == DIVIDEND


def test_an_announcement_says_the_same_however_the_price_was_written() -> None:
    plain = a_declaration(PerShare(Price(Decimal(100), "USD")))
    scientific = a_declaration(PerShare(Price(Decimal("1E+2"), "USD")))
    assert announcement(plain) == announcement(scientific)
    assert announcement(plain)["per_share"] == "100"


@pytest.mark.parametrize(("microsecond", "closes_after"), [(0, 1_000_000), (1, 999_999), (999_999, 1)])
def test_a_record_date_is_closed_by_the_next_whole_second(microsecond: int, closes_after: int) -> None:
    record_at = dt.datetime(2027, 5, 23, 12, 0, 59, microsecond, tzinfo=dt.UTC)
    assert record_date_closes_at(record_at) - record_at == dt.timedelta(microseconds=closes_after)
