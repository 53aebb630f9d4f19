# SPDX-License-Identifier: Apache-2.0
"""Country codes against an independent table, and EIP-55 addresses against the cases of the standard."""

from __future__ import annotations

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from muniment.parties.errors import BadChecksum, NotAnAddress, UnknownCountry
from muniment.parties.model import COUNTRIES, checksummed, country_name, country_of_number, numeric_country, parse_address, parse_country

# The test cases of EIP-55, "all caps" and "all lower" left out: they carry no checksum.
EIP55 = (
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
)


def test_there_are_249_countries_with_two_letters_and_a_number_of_their_own() -> None:
    assert len(COUNTRIES) == 249
    assert len({number for number, _ in COUNTRIES.values()}) == 249
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in COUNTRIES)
    assert all(0 < number < 1000 for number, _ in COUNTRIES.values())


@pytest.mark.parametrize(
    ("alpha2", "number"),
    [("AF", 4), ("CH", 756), ("DE", 276), ("GB", 826), ("SG", 702), ("US", 840), ("ZW", 716), ("AX", 248), ("SS", 728)],
)
def test_known_countries_have_their_iso_numbers(alpha2: str, number: int) -> None:
    assert numeric_country(alpha2) == number
    assert country_of_number(number) == alpha2


def test_the_codes_are_those_that_the_unicode_consortium_lists_as_countries() -> None:
    # CLDR also lists regions that ISO 3166-1 does not assign: groupings by number, and these exceptional reservations and private codes.
    others = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"}
    territories = {code for code in Locale("en").territories if len(code) == 2} - others
    assert set(COUNTRIES) == territories


@pytest.mark.parametrize("text", ["", "ch", "CHE", "UK", "EU", "XK", "ZZ", "C", "756", "\u0421\u041d", "CH ", "\x00\x00"])
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(UnknownCountry):
        parse_country(text)


def test_a_number_of_no_country_is_refused() -> None:
    with pytest.raises(UnknownCountry):
        country_of_number(0)


def test_a_country_has_a_name() -> None:
    assert country_name("CI") == "Côte d’Ivoire"


@pytest.mark.parametrize("text", EIP55)
def test_an_address_with_its_checksum_is_read_as_it_stands(text: str) -> None:
    assert parse_address(text) == text


@given(st.sampled_from(EIP55), st.integers(2, 41))
def test_one_letter_in_the_wrong_case_is_refused(text: str, at: int) -> None:
    flipped = text[:at] + text[at].swapcase() + text[at + 1 :]
    if flipped != text:
        with pytest.raises(BadChecksum):
            parse_address(flipped)


@given(st.sampled_from(EIP55), st.integers(2, 41), st.sampled_from("0123456789abcdefABCDEF"))
def test_one_mistyped_digit_is_refused(text: str, at: int, digit: str) -> None:
    mistyped = text[:at] + digit + text[at + 1 :]
    if mistyped != text:
        with pytest.raises(BadChecksum):
            parse_address(mistyped)


@pytest.mark.parametrize("text", [EIP55[0].lower(), "0x" + EIP55[0][2:].upper()])
def test_an_address_without_a_checksum_is_refused(text: str) -> None:
    with pytest.raises(BadChecksum):
        parse_address(text)


@pytest.mark.parametrize(
    "text", ["", "0x", EIP55[0][2:], EIP55[0] + "0", "0x" + "0" * 40, "0X" + EIP55[0][2:], " " + EIP55[0], "0x" + "g" * 40]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(NotAnAddress):
        parse_address(text)


@given(st.binary(min_size=20, max_size=20).filter(any))
def test_bytes_become_the_address_that_reads_back(raw: bytes) -> None:
    address = checksummed(raw)
    assert parse_address(address) == address
    assert bytes.fromhex(address[2:]) == raw
