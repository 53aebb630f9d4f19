# SPDX-License-Identifier: Apache-2.0
"""Money and payment tokens: exact in both directions, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.units.ids import Address
from muniment.units.money import MINOR_DIGITS, CurrencyMismatch, Money, UnknownCurrency
from muniment.units.payment_tokens import NotConvertible, PaymentToken

CURRENCIES = st.sampled_from(sorted(MINOR_DIGITS))
AMOUNTS = st.integers(0, 10**40)


def a_token(*, currency: str = "USD", decimals: int = 6) -> PaymentToken:
    return PaymentToken(chain_id=31337, address=Address("0x" + "0" * 40), currency=currency, decimals=decimals, symbol="TEST")


@given(AMOUNTS, CURRENCIES, st.integers(0, 18))
def test_money_comes_back_from_the_token_as_it_went_or_is_refused(minor_units: int, currency: str, decimals: int) -> None:
    token, money = a_token(currency=currency, decimals=decimals), Money(minor_units, currency)
    if decimals >= MINOR_DIGITS[currency] or minor_units % 10 ** (MINOR_DIGITS[currency] - decimals) == 0:
        assert token.money_of(token.units_of(money)) == money
    else:
        with pytest.raises(NotConvertible):
            token.units_of(money)


@given(AMOUNTS, CURRENCIES, st.integers(0, 18))
def test_units_come_back_from_money_as_they_went_or_are_refused(units: int, currency: str, decimals: int) -> None:
    token = a_token(currency=currency, decimals=decimals)
    if decimals <= MINOR_DIGITS[currency] or units % 10 ** (decimals - MINOR_DIGITS[currency]) == 0:
        assert token.units_of(token.money_of(units)) == units
    else:
        with pytest.raises(NotConvertible):
            token.money_of(units)


def test_a_cent_is_ten_thousand_units_of_a_token_with_six_decimals() -> None:
    assert a_token().units_of(Money(1, "USD")) == 10_000
    assert a_token().money_of(1_230_000) == Money(123, "USD")


def test_another_currency_is_refused() -> None:
    with pytest.raises(CurrencyMismatch):
        a_token(currency="USD").units_of(Money(1, "EUR"))
    with pytest.raises(UnknownCurrency):
        a_token(currency="ZZZ")
