# SPDX-License-Identifier: Apache-2.0
"""Shares: text and base units are one to one, within what the token can hold."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.units.money import NotAnAmount, TooPrecise
from muniment.units.shares import SHARES_MAX, SharesOutOfRange, format_shares, parse_shares, show_shares

DECIMALS = st.integers(0, 18)


@given(st.integers(1, SHARES_MAX), DECIMALS)
def test_shares_read_back_from_their_text(base_units: int, decimals: int) -> None:
    text = format_shares(base_units, decimals=decimals)
    assert parse_shares(text, decimals=decimals) == base_units
    assert not ("." in text and text.endswith(("0", ".")))


@given(st.integers(0, SHARES_MAX), DECIMALS)
def test_shares_for_people_are_the_same_number_with_commas(base_units: int, decimals: int) -> None:
    assert Fraction(show_shares(base_units, decimals=decimals).replace(",", "")) == Fraction(base_units, 10**decimals)


@pytest.mark.parametrize("text", ["0", "0.00", "-1", "-0", str(SHARES_MAX + 1)])
def test_nothing_a_negative_and_too_much_are_refused(text: str) -> None:
    with pytest.raises(SharesOutOfRange) as refused:
        parse_shares(text, decimals=2)
    assert refused.value.place is not None and refused.value.place.field == "shares"


def test_the_most_that_a_wallet_can_hold_is_accepted() -> None:
    assert parse_shares(str(SHARES_MAX), decimals=0) == SHARES_MAX


def test_more_decimals_than_the_security_has_are_refused() -> None:
    with pytest.raises(TooPrecise):
        parse_shares("1.5", decimals=0)
    with pytest.raises(NotAnAmount):
        parse_shares("one", decimals=0)
