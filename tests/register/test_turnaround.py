# SPDX-License-Identifier: Apache-2.0
"""Turnaround by 17 CFR 240.17Ad-2: when an item counts as received, until when it is in time, and what a month adds up to."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.register.model.business_days import is_business_day
from muniment.register.model.turnaround import ItemCounts, TurnaroundItem, deadline, deemed_received, turnaround

NEW_YORK = ZoneInfo("America/New_York")
NOVEMBER = dt.date(2026, 11, 1)
LATER = dt.datetime(2027, 3, 1, tzinfo=dt.UTC)


def at(text: str) -> dt.datetime:
    """Return an instant of New York's clock."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("received", "counts", "until"),
    [
        ("2026-11-02T12:00:00", "2026-11-02", "2026-11-05T12:00:00"),
        ("2026-11-02T12:00:01", "2026-11-03", "2026-11-06T12:00:00"),
        # A Friday after noon, a Saturday and a Sunday count from Monday; Wednesday is Veterans Day.
        ("2026-11-06T15:00:00", "2026-11-09", "2026-11-13T12:00:00"),
        ("2026-11-07T09:00:00", "2026-11-09", "2026-11-13T12:00:00"),
        ("2026-11-11T09:00:00", "2026-11-12", "2026-11-17T12:00:00"),
    ],
)
def test_an_item_counts_from_noon_and_has_three_business_days(received: str, counts: str, until: str) -> None:
    assert deemed_received(at(received), NEW_YORK) == dt.date.fromisoformat(counts)
    assert deadline(at(received), NEW_YORK) == at(until)


def items(in_time: int, late: int, *, routine: bool = True) -> list[TurnaroundItem]:
    received = at("2026-11-02T09:00:00")
    return [
        *[TurnaroundItem(received, at("2026-11-05T12:00:00"), routine)] * in_time,
        *[TurnaroundItem(received, at("2026-11-05T12:00:01"), routine)] * late,
    ]


def test_nine_of_ten_are_enough_and_one_less_is_not() -> None:
    met = turnaround(items(9, 1), month=NOVEMBER, zone=NEW_YORK, now=LATER)
    assert (met.is_met, met.routine, met.routine.percentage, met.notice_due_date) == (True, ItemCounts(10, 9, 1, 0), "90.00", None)
    missed = turnaround(items(8999, 1001), month=NOVEMBER, zone=NEW_YORK, now=LATER)
    assert (missed.is_met, missed.routine.percentage) == (False, "89.99")
    # Ten business days after the month: 1 to 14 December, without a holiday among them.
    assert missed.notice_due_date == dt.date(2026, 12, 14)


def test_items_that_are_not_routine_are_counted_apart_and_do_not_break_the_month() -> None:
    report = turnaround([*items(1, 0), *items(0, 5, routine=False)], month=NOVEMBER, zone=NEW_YORK, now=LATER)
    assert (report.is_met, report.routine.received, report.other.late) == (True, 1, 5)


def test_an_open_item_is_late_only_once_its_time_has_passed() -> None:
    item = TurnaroundItem(at("2026-11-02T09:00:00"), None, is_routine=True)
    before = turnaround([item], month=NOVEMBER, zone=NEW_YORK, now=at("2026-11-05T12:00:00"))
    after = turnaround([item], month=NOVEMBER, zone=NEW_YORK, now=at("2026-11-05T12:00:01"))
    assert (before.routine, before.is_final) == (ItemCounts(1, 0, 0, 1), False)
    assert (after.routine, after.is_met, after.is_final, after.notice_due_date) == (ItemCounts(1, 0, 1, 0), False, False, None)
    # The month itself has to be over as well before anything is due.
    assert turnaround([item], month=NOVEMBER, zone=NEW_YORK, now=at("2026-12-01T00:00:00")).notice_due_date == dt.date(2026, 12, 14)


def test_an_item_belongs_to_the_month_in_which_it_counts_as_received() -> None:
    late_october = TurnaroundItem(at("2026-10-30T13:00:00"), LATER, is_routine=True)
    late_november = TurnaroundItem(at("2026-11-30T13:00:00"), LATER, is_routine=True)
    report = turnaround([late_october, late_november], month=NOVEMBER, zone=NEW_YORK, now=LATER)
    assert report.routine.received == 1
    nothing = turnaround([], month=dt.date(2026, 12, 1), zone=NEW_YORK, now=LATER)
    assert (nothing.is_met, nothing.routine.percentage, nothing.is_final) == (True, "100.00", True)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 50 * 86_400),
            st.none() | st.integers(0, 20 * 86_400),
            st.booleans(),
        ),
        max_size=30,
    ),
    st.integers(0, 90 * 86_400),
)
def test_every_item_is_counted_once_and_in_one_way(made: list[tuple[int, int | None, bool]], now: int) -> None:
    all_items = []
    for received, seconds, routine in made:
        received_at = at("2026-10-20T00:00:00") + dt.timedelta(seconds=received)
        all_items.append(TurnaroundItem(received_at, None if seconds is None else received_at + dt.timedelta(seconds=seconds), routine))
    months = [dt.date(2026, 10, 1), NOVEMBER, dt.date(2026, 12, 1)]
    instant = at("2026-11-01T00:00:00") + dt.timedelta(seconds=now)
    reports = [turnaround(all_items, month=month, zone=NEW_YORK, now=instant) for month in months]
    assert sum(report.routine.received + report.other.received for report in reports) == len(all_items)
    for report in reports:
        for counts in (report.routine, report.other):
            assert counts.received == counts.in_time + counts.late + counts.open_in_time
            assert min(counts.in_time, counts.late, counts.open_in_time) >= 0
    assert all(is_business_day(deemed_received(item.received_at, NEW_YORK)) for item in all_items)
