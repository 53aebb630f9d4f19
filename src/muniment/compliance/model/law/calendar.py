# SPDX-License-Identifier: Apache-2.0
"""How the law counts days and months."""

from __future__ import annotations

import calendar
import datetime as dt
from functools import lru_cache


@lru_cache(maxsize=16_384)
def add_months(day: dt.date, months: int) -> dt.date:
    """Return the same day `months` later (earlier where negative); where that month is shorter, its last day.

    The roll to the month's end is a convention, not law: 31 August plus six months is 28 February (counsel may prefer 1 March).
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def first_day_after_days(begins_on: dt.date, days: int) -> dt.date:
    """Return the first day after a period of `days`; the day it begins on is not counted, its last day is (day 40 is in, 41 out)."""
    return begins_on if days == 0 else begins_on + dt.timedelta(days=days + 1)


def first_day_after_months(begins_on: dt.date, months: int) -> dt.date:
    """Return the first day after a period of `months`; its last day, the same of the month as the first, is still in it."""
    return begins_on if months == 0 else add_months(begins_on, months) + dt.timedelta(days=1)
