# SPDX-License-Identifier: Apache-2.0
"""Where the time comes from. Nothing else in Muniment asks the machine for it."""

from __future__ import annotations

import datetime as dt
from typing import Protocol


class Clock(Protocol):
    """Gives the present instant, aware and in UTC."""

    def now(self) -> dt.datetime:
        """Return the present instant in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> dt.datetime:
        """Return the machine's present instant in UTC."""
        return dt.datetime.now(tz=dt.UTC)


class FixedClock:
    """A clock that stands until it is moved; for tests and replays."""

    def __init__(self, now: dt.datetime) -> None:
        assert now.tzinfo is not None, "an instant has a zone"
        self._now = now.astimezone(dt.UTC)

    def now(self) -> dt.datetime:
        """Return the instant it stands at."""
        return self._now

    def advance(self, by: dt.timedelta) -> None:
        """Move the clock forward by `by`."""
        assert by >= dt.timedelta(0), "time does not run backwards"
        self._now += by
