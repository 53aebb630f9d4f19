# SPDX-License-Identifier: Apache-2.0
"""The outbox: facts recorded in the transaction that made them true, handed to their handlers at least once. Knows no fact."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import msgspec
import sqlalchemy as sa
import structlog

from muniment.infra import metrics
from muniment.infra.clock import Clock
from muniment.infra.crashpoints import crashpoint
from muniment.infra.logging import safe_text
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import Database
from muniment.units.errors import MunimentError
from muniment.units.ids import EventId, TenantId, new_id

CHANNEL = "muniment_outbox"
"""PostgreSQL notifies here at the commit of a transaction that recorded something."""

ATTEMPTS_MAX = 8
"""Failed attempts after which an event is set aside as a dead letter and its successors go on. Outages do not count."""

RETRY_SECONDS_MAX = 60
EVENTS_A_LANE_MAX = 500
ERROR_CHARACTERS_MAX = 500

_log = structlog.get_logger("outbox")


class Event(Protocol):
    """A fact in the past tense: a frozen msgspec.Struct or dataclass whose class carries its stable name, `context.what_happened`."""

    kind: ClassVar[str]


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event as a handler gets it. `event` is an instance of the class that the handler was registered under."""

    event_id: EventId
    tenant_id: TenantId | None
    recorded_at: dt.datetime
    event: Any


class Handler(Protocol):
    """Reacts to an event in a transaction of its own. Must be idempotent: a crash before the tick-off hands the event out again."""

    def __call__(self, recorded: RecordedEvent, /) -> None:
        """React; an exception leaves the event open and it is tried again."""
        ...


EventHandlers = Mapping[type[Event], Sequence[Handler]]
"""The table of wiring: event class to handlers, called in order."""


class Outbox(Protocol):
    """Records facts in the caller's transaction."""

    def record(self, event: Event) -> EventId:
        """Store `event`; it is dispatched after the commit, in the order of recording within the tenant."""
        ...


class PostgresOutbox:
    """The outbox of one tenant (None: the platform) in the caller's transaction."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId | None, clock: Clock) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._clock = clock

    def record(self, event: Event) -> EventId:
        """Store `event` and wake the dispatcher at the commit."""
        now = self._clock.now()
        event_id = EventId(new_id(now))
        self._connection.execute(
            sa.text(
                "INSERT INTO infra.outbox_event (event_id, tenant_id, kind, payload, recorded_at)"
                " VALUES (:event_id, :tenant_id, :kind, CAST(:payload AS jsonb), :now)"
            ),
            {"event_id": event_id, "tenant_id": self._tenant_id, "kind": event.kind, "payload": encode(event), "now": now},
        )
        self._connection.execute(sa.text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
        metrics.OUTBOX_RECORDED.labels(kind=event.kind).inc()
        return event_id


def encode(event: Event) -> str:
    """Return the event's JSON; integers of any size stay exact."""
    return json.dumps(msgspec.to_builtins(event), separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that no try could handle; somebody has to look."""

    event_id: EventId
    tenant_id: TenantId | None
    kind: str
    recorded_at: dt.datetime
    dead_at: dt.datetime
    attempts: int
    last_error: str


class Dispatcher:
    """Hands recorded events to their handlers: each tenant's in order, tenants independently, any number of dispatchers at once."""

    def __init__(self, database: Database, handlers: EventHandlers, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._handlers: dict[str, tuple[type[Event], Sequence[Handler]]] = {}
        for event_class, its_handlers in handlers.items():
            assert event_class.kind not in self._handlers, f"two event classes are called {event_class.kind}"
            self._handlers[event_class.kind] = (event_class, its_handlers)

    def dispatch_once(self) -> int:
        """Go once through every tenant with open events; return how many were handled."""
        with self._database.worker_transaction() as connection:
            rows = connection.execute(
                sa.text("SELECT DISTINCT tenant_id FROM infra.outbox_event WHERE handled_at IS NULL AND dead_at IS NULL")
            ).all()
            self._measure(connection)
        return sum(self._drain(None if row.tenant_id is None else TenantId(row.tenant_id)) for row in rows)

    def _drain(self, tenant_id: TenantId | None) -> int:
        """Handle one tenant's events until none is due; leave the tenant to another dispatcher that is at it."""
        handled = 0
        while handled < EVENTS_A_LANE_MAX and self._handle_next(tenant_id):
            handled += 1
        return handled

    def _handle_next(self, tenant_id: TenantId | None) -> bool:
        with self._database.worker_transaction() as connection:
            if not connection.execute(
                sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:lane, 0))"), {"lane": f"muniment.outbox:{tenant_id}"}
            ).scalar():
                return False
            row = connection.execute(
                sa.text(
                    "SELECT event_id, tenant_id, kind, payload, recorded_at, attempts, next_attempt_at FROM infra.outbox_event"
                    " WHERE handled_at IS NULL AND dead_at IS NULL AND tenant_id IS NOT DISTINCT FROM :tenant_id"
                    " ORDER BY position LIMIT 1"
                ),
                {"tenant_id": tenant_id},
            ).one_or_none()
            now = self._clock.now()
            # The oldest open event holds up its successors: order within a tenant is part of the promise.
            if row is None or (row.next_attempt_at is not None and row.next_attempt_at > now):
                return False
            error = self._try(row)
            if error is not None:
                self._put_off(connection, row, error)
                return False
            crashpoint("outbox.after_handlers")
            connection.execute(
                sa.text("UPDATE infra.outbox_event SET handled_at = :now WHERE event_id = :event_id"),
                {"now": self._clock.now(), "event_id": row.event_id},
            )
            metrics.OUTBOX_HANDLED.labels(kind=row.kind).inc()
            metrics.OUTBOX_DELAY_SECONDS.observe(max(0.0, (self._clock.now() - row.recorded_at).total_seconds()))
            return True

    def _try(self, row: Any) -> Exception | None:
        registered = self._handlers.get(row.kind)
        if registered is None:
            return None
        event_class, handlers = registered
        try:
            recorded = RecordedEvent(
                event_id=EventId(row.event_id),
                tenant_id=None if row.tenant_id is None else TenantId(row.tenant_id),
                recorded_at=row.recorded_at,
                event=msgspec.convert(row.payload, event_class),
            )
            for handler in handlers:
                handler(recorded)
        except Exception as error:  # noqa: BLE001 - a handler's failure of any kind must leave the event open, not stop the lane
            return error
        return None

    def _put_off(self, connection: sa.Connection, row: Any, error: Exception) -> None:
        """Write down the failure, when to try again, and after too many failures that nobody should."""
        is_outage = isinstance(error, Unreachable) and error.retry
        attempts = row.attempts + (0 if is_outage else 1)
        now = self._clock.now()
        is_dead = attempts >= ATTEMPTS_MAX
        delay_seconds = 2 if is_outage else min(RETRY_SECONDS_MAX, 2 ** (attempts - 1))
        connection.execute(
            sa.text(
                "UPDATE infra.outbox_event SET attempts = :attempts, next_attempt_at = :next_attempt_at, last_error = :error,"
                " dead_at = :dead_at WHERE event_id = :event_id"
            ),
            {
                "attempts": attempts,
                "next_attempt_at": now + dt.timedelta(seconds=delay_seconds),
                "error": error_text(error),
                "dead_at": now if is_dead else None,
                "event_id": row.event_id,
            },
        )
        metrics.OUTBOX_FAILED.labels(kind=row.kind).inc()
        if is_dead:
            metrics.OUTBOX_DEAD.labels(kind=row.kind).inc()
        _log.log(
            40 if is_dead else 30,
            "outbox.dead_letter" if is_dead else "outbox.handler_failed",
            event_id=str(row.event_id),
            event_kind=row.kind,
            attempts=attempts,
            error=error_text(error),
            exc_info=None if is_outage else error,
        )

    def _measure(self, connection: sa.Connection) -> None:
        row = connection.execute(
            sa.text(
                "SELECT count(*) FILTER (WHERE dead_at IS NULL) AS open, count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead"
                " FROM infra.outbox_event WHERE handled_at IS NULL"
            )
        ).one()
        metrics.OUTBOX_OPEN.set(row.open)
        metrics.OUTBOX_DEAD_LETTERS.set(row.dead)


def dead_letters(connection: sa.Connection) -> list[DeadLetter]:
    """Return the events that were given up, oldest first."""
    rows = connection.execute(
        sa.text(
            "SELECT event_id, tenant_id, kind, recorded_at, dead_at, attempts, last_error FROM infra.outbox_event"
            " WHERE dead_at IS NOT NULL AND handled_at IS NULL ORDER BY position"
        )
    )
    return [
        DeadLetter(
            event_id=EventId(row.event_id),
            tenant_id=None if row.tenant_id is None else TenantId(row.tenant_id),
            kind=row.kind,
            recorded_at=row.recorded_at,
            dead_at=row.dead_at,
            attempts=row.attempts,
            last_error=row.last_error,
        )
        for row in rows
    ]


def revive(connection: sa.Connection, event_id: EventId) -> bool:
    """Let a dead letter be tried again from the start; return False where there is none of that id."""
    result = connection.execute(
        sa.text(
            "UPDATE infra.outbox_event SET dead_at = NULL, attempts = 0, next_attempt_at = NULL"
            " WHERE event_id = :event_id AND dead_at IS NOT NULL"
        ),
        {"event_id": event_id},
    )
    connection.execute(sa.text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
    return result.rowcount == 1


def error_text(error: BaseException) -> str:
    """Return a failure in one line without personal data: a refusal's code, else the type and the redacted message."""
    if isinstance(error, MunimentError):
        return error.code
    return f"{type(error).__name__}: {safe_text(str(error))}"[:ERROR_CHARACTERS_MAX]
