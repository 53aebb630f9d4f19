# SPDX-License-Identifier: Apache-2.0
"""Facts leave the transaction that made them, in order, at least once, and what nobody can handle is set aside visibly."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import msgspec
import pytest
import sqlalchemy as sa

from muniment.infra.clock import FixedClock
from muniment.infra.outages import Unreachable
from muniment.infra.outbox import ATTEMPTS_MAX, Dispatcher, PostgresOutbox, RecordedEvent, dead_letters, revive
from muniment.infra.postgres.database import Database
from muniment.units.ids import TenantId
from tests.infra.rig import NOW, OTHER_TENANT, TENANT


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    kind: ClassVar[str] = "test.counted"
    number: int
    tenant_id: TenantId


@pytest.fixture
def database(fresh_postgres_url: str) -> Iterator[Database]:
    database = Database(fresh_postgres_url)
    yield database
    database.close()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


def record(database: Database, clock: FixedClock, *numbers: int, tenant_id: TenantId = TENANT) -> None:
    for number in numbers:
        with database.transaction(tenant_id=tenant_id) as connection:
            PostgresOutbox(connection, tenant_id=tenant_id, clock=clock).record(Counted(number=number, tenant_id=tenant_id))


class Listener:
    """Notes what it hears; fails while it has failures left."""

    def __init__(self, *failures: Exception) -> None:
        self.heard: list[tuple[TenantId | None, int]] = []
        self.failures = list(failures)

    def __call__(self, recorded: RecordedEvent, /) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.heard.append((recorded.tenant_id, recorded.event.number))

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.heard]


def test_events_are_handled_in_the_order_of_recording(database: Database, clock: FixedClock) -> None:
    listener = Listener()
    record(database, clock, *range(10))
    dispatcher = Dispatcher(database, {Counted: [listener]}, clock=clock)
    assert dispatcher.dispatch_once() == 10
    assert listener.numbers == list(range(10))
    assert dispatcher.dispatch_once() == 0


def test_integers_of_any_size_survive(database: Database, clock: FixedClock) -> None:
    listener = Listener()
    record(database, clock, 2**255)
    Dispatcher(database, {Counted: [listener]}, clock=clock).dispatch_once()
    assert listener.numbers == [2**255]


def test_a_rolled_back_transaction_tells_nobody(database: Database, clock: FixedClock) -> None:
    def fail() -> None:
        with database.transaction(tenant_id=TENANT) as connection:
            PostgresOutbox(connection, tenant_id=TENANT, clock=clock).record(Counted(number=1, tenant_id=TENANT))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    listener = Listener()
    assert Dispatcher(database, {Counted: [listener]}, clock=clock).dispatch_once() == 0


def test_a_failed_event_holds_up_its_tenant_and_no_other_and_is_tried_again(database: Database, clock: FixedClock) -> None:
    listener = Listener(RuntimeError("planted"))
    record(database, clock, 1, 2)
    record(database, clock, 3, tenant_id=OTHER_TENANT)
    dispatcher = Dispatcher(database, {Counted: [listener]}, clock=clock)
    dispatcher.dispatch_once()
    assert sorted(listener.numbers) in ([3], [1, 2])
    dispatcher.dispatch_once()
    clock.advance(dt.timedelta(seconds=2))
    dispatcher.dispatch_once()
    assert sorted(listener.numbers) == [1, 2, 3]
    assert [number for tenant_id, number in listener.heard if tenant_id == TENANT] == [1, 2]


def test_after_too_many_failures_an_event_is_set_aside_and_can_be_revived(database: Database, clock: FixedClock) -> None:
    listener = Listener(*[RuntimeError("mail jane@example.org refused")] * ATTEMPTS_MAX)
    record(database, clock, 1, 2)
    dispatcher = Dispatcher(database, {Counted: [listener]}, clock=clock)
    for _ in range(ATTEMPTS_MAX + 1):
        dispatcher.dispatch_once()
        clock.advance(dt.timedelta(minutes=2))
    assert listener.numbers == [2]
    with database.worker_transaction() as connection:
        letters = dead_letters(connection)
        assert [(letter.kind, letter.tenant_id, letter.attempts) for letter in letters] == [("test.counted", TENANT, ATTEMPTS_MAX)]
        assert "jane" not in letters[0].last_error and "RuntimeError" in letters[0].last_error
        assert revive(connection, letters[0].event_id)
        assert not revive(connection, letters[0].event_id)
    dispatcher.dispatch_once()
    assert listener.numbers == [2, 1]


def test_an_outage_never_makes_a_dead_letter(database: Database, clock: FixedClock) -> None:
    listener = Listener(*[Unreachable("rpc", retry=True)] * (ATTEMPTS_MAX * 2))
    record(database, clock, 1)
    dispatcher = Dispatcher(database, {Counted: [listener]}, clock=clock)
    for _ in range(ATTEMPTS_MAX * 2 + 1):
        dispatcher.dispatch_once()
        clock.advance(dt.timedelta(seconds=2))
    assert listener.numbers == [1]


def test_an_event_that_nobody_listens_to_is_ticked_off(database: Database, clock: FixedClock) -> None:
    record(database, clock, 1)
    assert Dispatcher(database, {}, clock=clock).dispatch_once() == 1


def test_dispatchers_at_once_handle_each_event_once_and_in_order(database: Database, clock: FixedClock) -> None:
    listener = Listener()
    record(database, clock, *range(30))
    record(database, clock, *range(30), tenant_id=OTHER_TENANT)
    dispatchers = [Dispatcher(database, {Counted: [listener]}, clock=clock) for _ in range(4)]
    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(Dispatcher.dispatch_once, dispatchers))
    for tenant_id in (TENANT, OTHER_TENANT):
        assert [number for heard_tenant, number in listener.heard if heard_tenant == tenant_id] == list(range(30))


def test_the_commit_notifies_the_dispatcher(database: Database, clock: FixedClock) -> None:
    import psycopg

    with psycopg.connect(database.url, autocommit=True) as listening:
        listening.execute("LISTEN muniment_outbox")
        record(database, clock, 1)
        assert [notification.channel for notification in listening.notifies(timeout=5, stop_after=1)] == ["muniment_outbox"]


def test_a_tenant_sees_only_its_own_events(database: Database, clock: FixedClock) -> None:
    record(database, clock, 1)
    with database.transaction(tenant_id=OTHER_TENANT) as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM infra.outbox_event")).scalar_one() == 0
