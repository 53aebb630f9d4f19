# SPDX-License-Identifier: Apache-2.0
"""How fast a transfer agent turned items around in a month, by 17 CFR 240.17Ad-2. Which instructions are items, settlement says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from muniment.register.model.business_days import add_business_days, is_business_day, next_business_day
from muniment.units.money import Rounding, divide, format_decimal

BUSINESS_DAYS: Final = 3
ROUTINE_PERCENT_MIN: Final = 90
NOTICE_BUSINESS_DAYS: Final = 10
"""17Ad-2(c): a transfer agent that missed the ninety per cent tells the regulator within ten business days after the month."""

NOON: Final = dt.time(12)


@dataclass(frozen=True, slots=True)
class TurnaroundItem:
    """One item that was presented: when it came, and when it was transferred or rejected (None: it is still open)."""

    received_at: dt.datetime
    ended_at: dt.datetime | None
    is_routine: bool


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """Items that count as received in the month: ended in time, ended or left too late, and open with time left."""

    received: int
    in_time: int
    late: int
    open_in_time: int

    @property
    def percentage(self) -> str:
        """What was turned around in time, as per cent of all received with two decimals, rounded down; 100.00 where nothing came."""
        if not self.received:
            return "100.00"
        return format_decimal(divide(self.in_time * 10_000, self.received, rounding=Rounding.DOWN), decimals=2)


@dataclass(frozen=True, slots=True)
class TurnaroundReport:
    """One month. `is_met` says whether nine of ten routine items were turned around in time; `notice_due_date` is set where they were not.

    `is_final` says that nothing in it can change any more: the month has passed and no item is open with time left.
    """

    month: dt.date
    zone: str
    routine: ItemCounts
    other: ItemCounts
    is_met: bool
    is_final: bool
    notice_due_date: dt.date | None


def deemed_received(received_at: dt.datetime, zone: dt.tzinfo) -> dt.date:
    """Return the business day at whose noon an item counts as received: that day until noon, else the next business day (17Ad-2(a))."""
    local = received_at.astimezone(zone)
    day = local.date()
    if is_business_day(day) and local.time() <= NOON:
        return day
    return next_business_day(day + dt.timedelta(days=1))


def deadline(received_at: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Return the noon, three business days after the item counts as received, until which it is turned around in time."""
    return dt.datetime.combine(add_business_days(deemed_received(received_at, zone), BUSINESS_DAYS), NOON, tzinfo=zone)


def turnaround(items: Iterable[TurnaroundItem], *, month: dt.date, zone: dt.tzinfo, now: dt.datetime) -> TurnaroundReport:
    """Return the month's report (`month` is its first day) over the items that count as received in it, as of `now`."""
    following = (month.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
    own = [item for item in items if month <= deemed_received(item.received_at, zone) < following]
    routine = _count([item for item in own if item.is_routine], zone=zone, now=now)
    other = _count([item for item in own if not item.is_routine], zone=zone, now=now)
    is_met = routine.in_time * 100 >= routine.received * ROUTINE_PERCENT_MIN
    is_final = now >= dt.datetime.combine(following, dt.time(), tzinfo=zone) and not (routine.open_in_time or other.open_in_time)
    notice = None if is_met or not is_final else add_business_days(following - dt.timedelta(days=1), NOTICE_BUSINESS_DAYS)
    return TurnaroundReport(month, str(zone), routine, other, is_met, is_final, notice)


def _count(items: list[TurnaroundItem], *, zone: dt.tzinfo, now: dt.datetime) -> ItemCounts:
    in_time = sum(1 for item in items if item.ended_at is not None and item.ended_at <= deadline(item.received_at, zone))
    open_in_time = sum(1 for item in items if item.ended_at is None and now <= deadline(item.received_at, zone))
    return ItemCounts(len(items), in_time, len(items) - in_time - open_in_time, open_in_time)
