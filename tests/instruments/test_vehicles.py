# SPDX-License-Identifier: Apache-2.0
"""Vehicle identification numbers and public identifiers: forms, check digits, and where a failing one is only a warning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.instruments.errors import IdentifierInvalid, NotAVin, VinCheckDigitWrong
from muniment.instruments.model.identifiers import Scheme, parse_identifier
from muniment.instruments.model.vehicles import CHECK_DIGIT_POSITION, VALUES, check_digit_of, parse_vin

VIN = "1M8GDM9AXKP042788"
VIN_LETTERS = sorted(VALUES)


def with_check_digit(vin: str) -> str:
    return vin[: CHECK_DIGIT_POSITION - 1] + check_digit_of(vin) + vin[CHECK_DIGIT_POSITION:]


def test_a_north_american_number_is_read_with_region_and_year() -> None:
    vin = parse_vin(f" {VIN.lower()} ")
    assert (vin.text, vin.region, vin.manufacturer, vin.model_year, vin.warnings) == (VIN, "North America", "1M8", 1989, ())


def test_the_seventh_character_tells_the_cycle_of_the_year() -> None:
    assert parse_vin(with_check_digit("1T9FB5A20RT264001")).model_year == 2024
    assert parse_vin(with_check_digit("1T9FB5220RT264001")).model_year == 1994


def test_a_european_number_whose_check_digit_fails_is_warned_about_and_taken() -> None:
    vin = parse_vin("WBA3A5C53CF256556")
    assert not vin.check_digit_holds and vin.model_year is None and "Europe" in vin.warnings[0]


def test_a_north_american_number_whose_check_digit_fails_is_refused_with_the_digit_that_fits() -> None:
    with pytest.raises(VinCheckDigitWrong) as refused:
        parse_vin("1M8GDM9A1KP042788")
    assert refused.value.facts == {"vin": "1M8GDM9A1KP042788", "found": "1", "expected": "X"}
    assert refused.value.place is not None and refused.value.place.field == "vin"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "0 characters"),
        (VIN[:-1], "16 characters"),
        (VIN + "1", "18 characters"),
        ("IM8GDM9AXKP042788", "“I” at position 1"),
        ("1M8GDM9AXKP0427O8", "“O” at position 16"),
        ("1M8GDM9AXKQ042788", "“Q” at position 11"),
        ("1M8GDM9AXKP0427 8", "“ ” at position 16"),
        ("0M8GDM9AXKP042788", "no region"),
        ("１M8GDM9AXKP042788", "at position 1"),  # noqa: RUF001  a full-width one
    ],
)
def test_what_cannot_be_a_number_is_refused_with_the_position(text: str, problem: str) -> None:
    with pytest.raises(NotAVin, match=problem):
        parse_vin(text)


@given(st.text(VIN_LETTERS, min_size=16, max_size=16), st.sampled_from("12345"))
def test_a_computed_check_digit_holds(rest: str, region: str) -> None:
    assert parse_vin(with_check_digit(region + rest)).check_digit_holds


@given(st.text(VIN_LETTERS, min_size=16, max_size=16), st.integers(0, 16), st.sampled_from(VIN_LETTERS))
def test_a_mistyped_digit_is_caught(rest: str, position: int, other: str) -> None:
    vin = with_check_digit("1" + rest)
    if position == CHECK_DIGIT_POSITION - 1 or VALUES[vin[position]] == VALUES[other]:
        return
    mistyped = vin[:position] + other + vin[position + 1 :]
    # Weights are coprime to 11 but for the letters that share a value, so one changed value always changes the remainder.
    assert check_digit_of(mistyped) != mistyped[CHECK_DIGIT_POSITION - 1]


def test_identifiers_and_numbers_agree_with_the_vectors(test_data: Path) -> None:
    vectors = json.loads((test_data / "identifiers" / "check_digits.json").read_text(encoding="utf-8"))
    seen = 0
    for scheme, cases in vectors.items():
        for case in cases:
            assert holds(scheme, case["value"]) == case["valid"], (scheme, case)
            seen += 1
    assert seen == 90


def holds(scheme: str, text: str) -> bool:
    if scheme == "vin":
        return check_digit_of(text) == text[CHECK_DIGIT_POSITION - 1]
    try:
        return parse_identifier(text, Scheme(scheme)) == text
    except IdentifierInvalid:
        return False


@pytest.mark.parametrize(
    ("scheme", "good", "bad"),
    [
        (Scheme.CFI, "ESVUFR", "XSVUFR"),
        (Scheme.FISN, "TERNWICK/SH COM", "TERNWICK SH COM"),
        (Scheme.DTI, "4H95J0R2X", "0H95J0R2X"),
        (Scheme.LEI, "5493001KJTIIGC8Y1R12", "5493001KJTIIGC8Y1R13"),
    ],
)
def test_schemes_without_vectors_are_checked_by_their_form(scheme: Scheme, good: str, bad: str) -> None:
    assert parse_identifier(f" {good.lower()} ", scheme) == good
    with pytest.raises(IdentifierInvalid) as refused:
        parse_identifier(bad, scheme)
    assert refused.value.place is not None and refused.value.place.field == scheme.value
