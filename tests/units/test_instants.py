# SPDX-License-Identifier: Apache-2.0
"""Instants and days: RFC 3339 with a zone, ISO 8601 dates, UTC inside."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.units.instants import NotADate, NotAnInstant, instant_text, parse_date, parse_instant, unix_seconds

ZONES = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(
    lambda offset: dt.timezone(dt.timedelta(minutes=offset // dt.timedelta(minutes=1)))
)
INSTANTS = st.datetimes(min_value=dt.datetime(2, 1, 1), max_value=dt.datetime(9998, 12, 31), timezones=ZONES)  # noqa: DTZ001  `timezones` makes them aware


@given(INSTANTS)
def test_an_instant_reads_back_from_its_text_in_utc(instant: dt.datetime) -> None:
    text = instant_text(instant)
    assert text.endswith("Z")
    assert parse_instant(text) == instant
    assert parse_instant(text).tzinfo is dt.UTC


@given(INSTANTS)
def test_an_instant_with_an_offset_is_the_same_instant(instant: dt.datetime) -> None:
    assert parse_instant(instant.isoformat()) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2027-05-23",
        "2027-05-23T16:00:00",
        "2027-05-23T16:00Z",
        "20270523T160000Z",
        "2027-W20-7T16:00:00Z",
        "2027-02-30T16:00:00Z",
        "2027-05-23T25:00:00Z",
        "2027-05-23T16:00:00,5Z",
        "2027-05-23T16:00:00.1234567Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "tomorrow",
        "x" * 10_000,
    ],
)
def test_a_text_that_is_no_instant_with_a_zone_is_refused_at_its_field(text: str) -> None:
    with pytest.raises(NotAnInstant) as refused:
        parse_instant(text, field="paid_at")
    assert refused.value.as_json()["place"] == {"field": "paid_at"}


@given(st.dates())
def test_a_day_reads_back_from_its_text(day: dt.date) -> None:
    assert parse_date(day.isoformat()) == day


@pytest.mark.parametrize(
    "text",
    ["", "23.05.2027", "20270523", "2027-W20-7", "2027-02-30", "2027-5-23", "2027-05-23T16:00:00Z", "\N{ARABIC-INDIC DIGIT TWO}027-05-23"],
)
def test_a_text_that_is_no_calendar_date_is_refused_at_its_field(text: str) -> None:
    with pytest.raises(NotADate) as refused:
        parse_date(text, field="record_date")
    assert refused.value.as_json()["place"] == {"field": "record_date"}


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(NotAnInstant):
        assert parse_instant(text).tzinfo is dt.UTC
    with suppress(NotADate):
        assert parse_date(text).isoformat() == text


@given(INSTANTS)
def test_unix_seconds_are_the_second_in_which_the_instant_lies(instant: dt.datetime) -> None:
    began = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=unix_seconds(instant))
    assert dt.timedelta(0) <= instant - began < dt.timedelta(seconds=1)
