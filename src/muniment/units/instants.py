# SPDX-License-Identifier: Apache-2.0
"""Instants and days as text: RFC 3339 with a zone, ISO 8601 dates. Where the time comes from is infra's business."""

from __future__ import annotations

import datetime as dt

from muniment.units.errors import MunimentError, Place, instant_text

__all__ = ["NotADate", "NotAnInstant", "instant_text", "parse_date", "parse_instant"]


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
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        raise NotAnInstant(text=text, place=Place(field=field)) from None
    if instant.tzinfo is None:
        raise NotAnInstant(text=text, place=Place(field=field))
    return instant.astimezone(dt.UTC)


def parse_date(text: str, *, field: str = "date") -> dt.date:
    """Return the day that an ISO 8601 text (YYYY-MM-DD) means."""
    try:
        if len(text) != len("2027-05-23"):
            raise ValueError  # noqa: TRY301  one way out for the compact and week forms that fromisoformat also takes
        return dt.date.fromisoformat(text)
    except ValueError:
        raise NotADate(text=text, place=Place(field=field)) from None
