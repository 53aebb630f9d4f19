# SPDX-License-Identifier: Apache-2.0
"""Money: text and whole minor units are one to one, nothing is lost in a split, each rounding is the one that was named."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.units.money import (
    AMOUNT_CHARACTERS_MAX,
    MINOR_DIGITS,
    CurrencyMismatch,
    Money,
    NotAnAmount,
    Price,
    Rounding,
    TooPrecise,
    UnknownCurrency,
    divide,
    format_decimal,
    group_thousands,
    parse_decimal,
    split_pro_rata,
)

CURRENCIES = st.sampled_from(sorted(MINOR_DIGITS))
MINOR_UNITS = st.integers(-(10**40), 10**40)


@given(MINOR_UNITS, CURRENCIES)
def test_an_amount_reads_back_as_the_money_it_was_written_from(minor_units: int, currency: str) -> None:
    money = Money(minor_units, currency)
    assert Money.parse(money.amount, currency) == money


@given(MINOR_UNITS, st.integers(0, 18))
def test_a_decimal_text_has_all_its_decimals_and_reads_back(units: int, decimals: int) -> None:
    text = format_decimal(units, decimals=decimals)
    assert Fraction(text) == Fraction(units, 10**decimals)
    assert len(text.partition(".")[2]) == decimals
    assert parse_decimal(text, decimals_max=decimals, unit="the token") == units


@given(MINOR_UNITS, st.integers(0, 6))
def test_thousands_are_grouped_without_changing_the_number(units: int, decimals: int) -> None:
    text = group_thousands(format_decimal(units, decimals=decimals))
    assert Fraction(text.replace(",", "")) == Fraction(units, 10**decimals)
    assert all(len(group) == 3 for group in text.partition(".")[0].split(",")[1:])


def test_money_is_shown_with_its_sign_its_thousands_and_its_currency() -> None:
    assert str(Money(-123456789, "USD")) == "-1,234,567.89 USD"
    assert str(Money(-50, "USD")) == "-0.50 USD"
    assert str(Money(1234567, "JPY")) == "1,234,567 JPY"
    assert Money(1230, "KWD").as_json() == {"amount": "1.230", "currency": "KWD"}


@given(CURRENCIES, st.integers(1, 20))
def test_an_amount_with_more_decimals_than_the_currency_is_refused(currency: str, excess: int) -> None:
    text = "1." + "0" * (MINOR_DIGITS[currency] + excess)
    with pytest.raises(TooPrecise) as refused:
        Money.parse(text, currency, field="price")
    assert refused.value.as_json()["facts"]["decimals_max"] == MINOR_DIGITS[currency]
    assert refused.value.as_json()["place"] == {"field": "price"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1,000.00",
        "1.",
        ".5",
        "1e3",
        "+1",
        "--1",
        "01",
        "00",
        "1 ",
        " 1",
        "$1",
        "1.0.0",
        "NaN",
        "Infinity",
        "٣",
        "½",
        "1_000",
        "1\n",
        "9" * 61,
    ],
)
def test_a_text_that_is_no_plain_decimal_is_refused_at_its_field(text: str) -> None:
    with pytest.raises(NotAnAmount) as refused:
        Money.parse(text, "USD", field="amount")
    assert refused.value.place is not None and refused.value.place.field == "amount"


@given(st.text(max_size=AMOUNT_CHARACTERS_MAX + 5))
def test_any_text_is_read_exactly_or_refused(text: str) -> None:
    try:
        money = Money.parse(text, "EUR")
    except (NotAnAmount, TooPrecise):
        return
    assert Fraction(text) == Fraction(money.minor_units, 100)


def test_an_unknown_currency_is_refused_wherever_it_enters() -> None:
    with pytest.raises(UnknownCurrency):
        Money(1, "usd")
    with pytest.raises(UnknownCurrency):
        Money.parse("1", "ZZZ")
    with pytest.raises(UnknownCurrency):
        Price(Decimal(1), "ZZZ")


@given(MINOR_UNITS, MINOR_UNITS)
def test_sums_and_comparisons_are_those_of_the_minor_units(left: int, right: int) -> None:
    one, two = Money(left, "USD"), Money(right, "USD")
    assert one + two - two == one
    assert (one < two) == (left < right)
    assert (one <= two) == (left <= right)


def test_two_currencies_are_neither_added_nor_compared() -> None:
    dollars, euros = Money(1, "USD"), Money(1, "EUR")
    for refused in (lambda: dollars + euros, lambda: dollars - euros, lambda: dollars < euros, lambda: dollars <= euros):
        with pytest.raises(CurrencyMismatch):
            refused()


def rounded(exact: Fraction, rounding: Rounding) -> int:
    """The oracle: the fraction, rounded by the library's own rules."""
    match rounding:
        case Rounding.DOWN:
            return math.trunc(exact)
        case Rounding.UP:
            return math.ceil(exact) if exact > 0 else math.floor(exact)
        case Rounding.HALF_EVEN:
            return round(exact)


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**18), st.sampled_from(Rounding))
def test_a_division_rounds_as_its_fraction_does(numerator: int, denominator: int, rounding: Rounding) -> None:
    assert divide(numerator, denominator, rounding=rounding) == rounded(Fraction(numerator, denominator), rounding)


@given(st.integers(-1000, 1000), st.sampled_from((2, 4, 6, 10)), st.sampled_from(Rounding))
def test_exact_halves_round_as_their_fraction_does(numerator: int, denominator: int, rounding: Rounding) -> None:
    assert divide(numerator, denominator, rounding=rounding) == rounded(Fraction(numerator, denominator), rounding)


@given(MINOR_UNITS, st.integers(0, 10_000), st.sampled_from(Rounding))
def test_basis_points_are_ten_thousandths_rounded_as_named(minor_units: int, bps: int, rounding: Rounding) -> None:
    assert Money(minor_units, "USD").share_bps(bps, rounding=rounding).minor_units == rounded(Fraction(minor_units * bps, 10_000), rounding)


PRICES = st.decimals(min_value=0, max_value=10**12, allow_nan=False, allow_infinity=False, places=8)


@given(PRICES, st.integers(0, 10**24), st.integers(0, 18), CURRENCIES, st.sampled_from(Rounding))
def test_a_price_times_shares_is_the_exact_product_rounded_once(
    per_share: Decimal, shares: int, share_decimals: int, currency: str, rounding: Rounding
) -> None:
    money = Price(per_share, currency).times(shares, share_decimals=share_decimals, rounding=rounding)
    exact = Fraction(per_share) * Fraction(shares, 10**share_decimals) * 10 ** MINOR_DIGITS[currency]
    assert money == Money(rounded(exact, rounding), currency)


WEIGHTS = st.dictionaries(st.text(max_size=5), st.integers(0, 10**30), min_size=1, max_size=40).filter(
    lambda weights: sum(weights.values()) > 0
)


@given(st.integers(0, 10**30), WEIGHTS)
def test_a_split_adds_up_and_gives_each_within_one_unit_of_its_exact_part(total: int, weights: dict[str, int]) -> None:
    parts = split_pro_rata(total, weights)
    assert sum(parts.values()) == total
    assert parts.keys() == weights.keys()
    for key, weight in weights.items():
        exact = Fraction(total * weight, sum(weights.values()))
        assert exact - 1 < parts[key] < exact + 1
        assert weight or not parts[key]


@given(st.integers(0, 10**6), WEIGHTS, st.randoms(use_true_random=False))
def test_a_split_does_not_depend_on_the_order_in_which_holders_come(total: int, weights: dict[str, int], shuffler: random.Random) -> None:
    keys = list(weights)
    shuffler.shuffle(keys)
    assert split_pro_rata(total, {key: weights[key] for key in keys}) == split_pro_rata(total, weights)


@given(st.integers(0, 10**12), WEIGHTS)
def test_who_weighs_more_never_gets_less(total: int, weights: dict[str, int]) -> None:
    parts = split_pro_rata(total, weights)
    by_weight = sorted(weights, key=lambda key: weights[key])
    for lighter, heavier in pairwise(by_weight):
        assert weights[lighter] == weights[heavier] or parts[lighter] <= parts[heavier]


def test_odd_units_go_to_the_largest_remainders_and_ties_by_key() -> None:
    assert split_pro_rata(10, {"a": 1, "b": 1, "c": 1}) == {"a": 4, "b": 3, "c": 3}
    assert split_pro_rata(10, {"c": 1, "b": 1, "a": 1}) == {"a": 4, "b": 3, "c": 3}
    assert split_pro_rata(100, {"a": 1, "b": 2}) == {"a": 33, "b": 67}
    assert split_pro_rata(0, {"a": 1}) == {"a": 0}


def test_a_split_over_nobody_is_a_bug() -> None:
    nobody: dict[str, int] = {}
    for total, weights in ((1, nobody), (1, {"a": 0}), (-1, {"a": 1}), (1, {"a": -1, "b": 2})):
        with pytest.raises(AssertionError):
            split_pro_rata(total, weights)
