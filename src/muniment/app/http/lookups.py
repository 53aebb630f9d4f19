# SPDX-License-Identifier: Apache-2.0
"""How often one source may ask what is public, counted in this process. Sign-in attempts are counted in `access`, in the database."""

from __future__ import annotations

import datetime as dt
from threading import Lock
from typing import Final

from muniment.infra.clock import Clock
from muniment.units.errors import MunimentError

LOOKUPS_MAX: Final = 60
WINDOW: Final = dt.timedelta(minutes=1)
SOURCES_MAX: Final = 10_000


class TooManyLookups(MunimentError):
    """One source asks more often than a person could."""

    code = "app.too_many_lookups"
    message = "More than {allowed} look-ups came from your address within a minute."
    cure = "Wait a minute. To verify many assets, read the chain yourself: the contracts answer anybody."


class Lookups:
    """Counts look-ups by source in windows of a minute; as many sources as memory should hold, the oldest forgotten first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._windows: dict[str, tuple[dt.datetime, int]] = {}

    def count(self, source: str) -> None:
        """Count one look-up; refuse one too many."""
        now = self._clock.now()
        with self._lock:
            begun, made = self._windows.pop(source, (now, 0))
            if now - begun >= WINDOW:
                begun, made = now, 0
            self._windows[source] = (begun, made + 1)
            if len(self._windows) > SOURCES_MAX:
                del self._windows[next(iter(self._windows))]
        if made >= LOOKUPS_MAX:
            raise TooManyLookups(allowed=LOOKUPS_MAX)
