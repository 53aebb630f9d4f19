# SPDX-License-Identifier: Apache-2.0
"""Business days in the United States: no weekend, no federal holiday (5 USC 6103). Which deadline needs them is not known here."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Final

MONDAY, THURSDAY, SATURDAY, SUNDAY = 0, 3, 5, 6

JUNETEENTH_SINCE: Final = 2021
DAY: Final = dt.timedelta(days=1)


def is_business_day(day: dt.date) -> bool:
    """Return whether a day is neither on a weekend nor a federal holiday, kept on the day on which it is observed."""
    return day.weekday() < SATURDAY and day not in federal_holidays(day.year)


def next_business_day(day: dt.date) -> dt.date:
    """Return the day itself if it is a business day, else the first one after it."""
    while not is_business_day(day):
        day += DAY
    return day


def add_business_days(day: dt.date, count: int) -> dt.date:
    """Return the business day that is `count` business days after `day`."""
    for _ in range(count):
        day = next_business_day(day + DAY)
    return day


@cache
def federal_holidays(year: int) -> frozenset[dt.date]:
    """Return the days of a year on which a federal holiday is observed.

    One on a Saturday is observed the Friday before, one on a Sunday the Monday after (5 USC 6103(b), Executive Order 11582): New Year's
    Day of the following year may therefore be observed on 31 December.
    """
    fixed = [(1, 1), (7, 4), (11, 11), (12, 25), *([(6, 19)] if year >= JUNETEENTH_SINCE else [])]
    days = [_observed(dt.date(year, month, day)) for month, day in fixed]
    days.append(_observed(dt.date(year + 1, 1, 1)))
    days += [
        _nth(year, 1, MONDAY, 3),
        _nth(year, 2, MONDAY, 3),
        _last(year, 5, MONDAY),
        _nth(year, 9, MONDAY, 1),
        _nth(year, 10, MONDAY, 2),
        _nth(year, 11, THURSDAY, 4),
    ]
    return frozenset(day for day in days if day.year == year)


def _observed(day: dt.date) -> dt.date:
    if day.weekday() == SATURDAY:
        return day - DAY
    return day + DAY if day.weekday() == SUNDAY else day


def _nth(year: int, month: int, weekday: int, count: int) -> dt.date:
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (count - 1))


def _last(year: int, month: int, weekday: int) -> dt.date:
    last = dt.date(year, month + 1, 1) - DAY
    return last - dt.timedelta(days=(last.weekday() - weekday) % 7)
