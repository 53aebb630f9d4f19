# SPDX-License-Identifier: Apache-2.0
"""Instants and days as text: RFC 3339 with a zone, ISO 8601 dates. Where the time comes from is infra's business."""

from __future__ import annotations

import datetime as dt
import re

from muniment.units.errors import MunimentError, Place, instant_text

__all__ = ["NotADate", "NotAnInstant", "instant_text", "parse_date", "parse_instant", "unix_seconds"]

# RFC 3339, 5.6, to the microsecond that PostgreSQL keeps. `fromisoformat` also takes week dates, compact forms and commas.
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class NotAnInstant(MunimentError):
    """No RFC 3339 text with a zone."""

    code = "time.not_an_instant"
    message = "“{text}” is not an instant."
    cure = "Give date, time and zone, such as 2027-05-23T16:00:00Z."


class NotADate(MunimentError):
    """No ISO 8601 calendar date."""

    code = "time.not_a_date"
    message = "“{text}” is not a date."
    cure = "Give year, month and day, such as 2027-05-23."


def parse_instant(text: str, *, field: str = "at") -> dt.datetime:
    """Return the aware UTC instant that an RFC 3339 text means; a text without a zone is refused."""
    if not _INSTANT.fullmatch(text):
        raise NotAnInstant(text=text, place=Place(field=field))
    try:
        return dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        # A day or an hour that no calendar has, or an instant whose UTC lies outside the years 1 to 9999.
        raise NotAnInstant(text=text, place=Place(field=field)) from None


def parse_date(text: str, *, field: str = "date") -> dt.date:
    """Return the day that an ISO 8601 text (YYYY-MM-DD) means."""
    if not _DATE.fullmatch(text):
        raise NotADate(text=text, place=Place(field=field))
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise NotADate(text=text, place=Place(field=field)) from None


def unix_seconds(instant: dt.datetime) -> int:
    """Return the whole seconds since 1970 as the chain counts them; a fraction goes to the second before, never through a float."""
    return (instant - _UNIX_EPOCH) // dt.timedelta(seconds=1)
