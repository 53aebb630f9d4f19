# SPDX-License-Identifier: Apache-2.0
"""Turns PostgreSQL's notifications into events that threads wait on. A notification saves waiting; correctness never hangs on one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import psycopg
from psycopg import sql

from muniment.infra.outages import Unreachable

CHECK_SECONDS = 0.5


class Wakeups:
    """Listens on channels with one connection of its own and sets the events that belong to each."""

    def __init__(self, database_url: str, channels: Mapping[str, Sequence[threading.Event]]) -> None:
        self._url = database_url
        self._channels = channels

    def run(self, stopping: threading.Event, *, on_listening: Callable[[], None] = lambda: None) -> None:
        """Listen until `stopping`; raises `Unreachable` when the connection is lost: call again."""
        try:
            with psycopg.connect(self._url, autocommit=True, application_name="muniment wakeups", connect_timeout=10) as connection:
                for channel in self._channels:
                    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                # What was notified before we listened is lost: let everybody look once.
                for channel in self._channels:
                    self._wake(channel)
                on_listening()
                while not stopping.is_set():
                    for notification in connection.notifies(timeout=CHECK_SECONDS):
                        self._wake(notification.channel)
                        if stopping.is_set():
                            return
        except psycopg.Error as error:
            raise Unreachable("database", detail=type(error).__name__, retry=True) from error

    def _wake(self, channel: str) -> None:
        for event in self._channels.get(channel, ()):
            event.set()
