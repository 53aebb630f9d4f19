# SPDX-License-Identifier: Apache-2.0
"""Ids: UUIDv7 by RFC 9562, sorted by birth, read back only from their canonical text."""

from __future__ import annotations

import datetime as dt
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.units.ids import NotAnId, new_id, parse_id

INSTANTS = st.datetimes(min_value=dt.datetime(1970, 1, 1), max_value=dt.datetime(9999, 12, 31), timezones=st.just(dt.UTC))  # noqa: DTZ001  `timezones` makes them aware
UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@given(INSTANTS)
def test_an_id_is_a_uuid_of_version_seven_that_carries_its_millisecond(now: dt.datetime) -> None:
    made = new_id(now)
    assert made.version == 7
    assert made.variant == RFC_4122
    assert made.int >> 80 == (now - UNIX_EPOCH) // dt.timedelta(milliseconds=1)


@given(INSTANTS, INSTANTS)
def test_ids_sort_by_the_millisecond_of_their_birth(first: dt.datetime, second: dt.datetime) -> None:
    earlier, later = sorted((first, second))
    if later - earlier >= dt.timedelta(milliseconds=1):
        assert new_id(earlier) < new_id(later)
        assert str(new_id(earlier)) < str(new_id(later))


def test_two_ids_of_one_millisecond_differ() -> None:
    assert len({new_id(UNIX_EPOCH) for _ in range(10_000)}) == 10_000


@given(INSTANTS)
def test_an_id_reads_back_from_its_text_in_either_case(now: dt.datetime) -> None:
    made = new_id(now)
    assert parse_id(str(made)) == parse_id(str(made).upper()) == made


@given(
    st.one_of(
        st.text(), st.uuids().map(lambda made: made.hex), st.uuids().map(lambda made: made.urn), st.uuids().map(lambda made: f"{{{made}}}")
    )
)
def test_any_other_spelling_is_refused_at_its_field(text: str) -> None:
    with pytest.raises(NotAnId) as refused:
        parse_id(text, field="security_id")
    assert refused.value.as_json()["place"] == {"field": "security_id"}


def test_the_refusal_shows_hostile_text_cut() -> None:
    with pytest.raises(NotAnId) as refused:
        parse_id("x" * 10_000)
    assert len(refused.value.sentence) < 200
    assert len(refused.value.as_json()["facts"]["text"]) <= 120


def test_the_nil_id_is_an_id() -> None:
    assert parse_id(str(UUID(int=0))) == UUID(int=0)
