# SPDX-License-Identifier: Apache-2.0
"""The audit chain: every edit, gap, reorder and cut is found; the database refuses what would break it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from muniment.access import commands
from muniment.access.errors import BadCursor, NotPermitted
from muniment.access.model import AuditEntry, AuditHead, Broken, Intact, Role, verify_chain
from muniment.access.model.audit import EMPTY_HEAD, hash_of, link
from muniment.access.ports import Page
from muniment.units.ids import TenantId, UserId, new_id
from tests.access.unit import NOON, Installation, TestUnit, an_actor

TENANT, SOMEBODY = TenantId(new_id(NOON)), UserId(new_id(NOON))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FACTS = st.dictionaries(st.text(max_size=10), JSON, max_size=4)
LOGS = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20), FACTS), min_size=1, max_size=8)


def chain(things: list[tuple[str, str, dict[str, Any]]]) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for second, (action, resource, facts) in enumerate(things):
        head = AuditHead(entries[-1].sequence, entries[-1].entry_hash) if entries else EMPTY_HEAD
        at = NOON + dt.timedelta(seconds=second)
        entries.append(
            link(head, tenant_id=TENANT, recorded_at=at, actor_id=SOMEBODY, action=f"x.{len(action)}", resource=resource, facts=facts)
        )
    return entries


@given(LOGS)
def test_an_untouched_log_is_intact_and_ends_at_its_head(things: list[tuple[str, str, dict[str, Any]]]) -> None:
    entries = chain(things)
    head = AuditHead(entries[-1].sequence, entries[-1].entry_hash)
    assert verify_chain(entries, anchored=head) == Intact(head=head)


@given(LOGS, st.data())
def test_an_edit_of_any_field_is_found_where_it_is(things: list[tuple[str, str, dict[str, Any]]], data: st.DataObject) -> None:
    entries = chain(things)
    at = data.draw(st.integers(0, len(entries) - 1))
    entry = entries[at]
    edited = data.draw(
        st.sampled_from(
            [
                dataclasses.replace(entry, recorded_at=entry.recorded_at + dt.timedelta(microseconds=1)),
                dataclasses.replace(entry, actor_id=UserId(new_id(NOON))),
                dataclasses.replace(entry, action=entry.action + "x"),
                dataclasses.replace(entry, resource=entry.resource + "x"),
                dataclasses.replace(entry, facts={**entry.facts, "added": 1}),
                dataclasses.replace(entry, tenant_id=TenantId(new_id(NOON))),
                dataclasses.replace(entry, previous_hash=bytes(31) + b"\x01"),
                dataclasses.replace(entry, entry_hash=bytes(31) + b"\x01"),
            ]
        )
    )
    verdict = verify_chain([*entries[:at], edited, *entries[at + 1 :]])
    assert isinstance(verdict, Broken)
    assert verdict.at_sequence == at + 1


@given(LOGS.filter(lambda things: len(things) > 1), st.data())
def test_a_removed_or_reordered_entry_is_found(things: list[tuple[str, str, dict[str, Any]]], data: st.DataObject) -> None:
    entries = chain(things)
    at = data.draw(st.integers(0, len(entries) - 2))
    without = verify_chain(entries[:at] + entries[at + 1 :])
    swapped = verify_chain([*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]])
    for verdict in (without, swapped):
        assert isinstance(verdict, Broken)
        assert verdict.at_sequence == at + 1


@given(LOGS, st.data())
def test_a_cut_tail_is_found_against_the_anchored_head(things: list[tuple[str, str, dict[str, Any]]], data: st.DataObject) -> None:
    entries = chain(things)
    head = AuditHead(entries[-1].sequence, entries[-1].entry_hash)
    kept = data.draw(st.integers(0, len(entries) - 1))
    assert isinstance(verify_chain(entries[:kept]), Intact), "a cut alone leaves a shorter, valid chain"
    assert verify_chain(entries[:kept], anchored=head) == Broken(kept + 1, "the log ends before the entry that was anchored")


@given(LOGS)
def test_a_log_rewritten_with_fresh_hashes_is_found_against_the_anchored_head(things: list[tuple[str, str, dict[str, Any]]]) -> None:
    entries = chain(things)
    head = AuditHead(entries[-1].sequence, entries[-1].entry_hash)
    rewritten = chain([(action, resource + "!", facts) for action, resource, facts in things])
    assert isinstance(verify_chain(rewritten), Intact)
    verdict = verify_chain(rewritten, anchored=head)
    assert verdict == Broken(head.sequence, "the entry is not the one that was anchored")


@given(LOGS)
def test_what_is_stored_and_read_back_has_the_same_hash(things: list[tuple[str, str, dict[str, Any]]]) -> None:
    for entry in chain(things):
        assert hash_of(entry) == entry.entry_hash


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"amount": 2**53, "large": 10**60, "small": -(2**53)},
        {"nul": "a\x00b", "half": "\ud800", "é": "NFC é", "e\u0301": "NFD"},
        {"nested": {"list": [1, "2", None, True, {"deep": [[]]}]}},
    ],
)
def test_hostile_facts_survive_the_database_with_their_hash(installation: Installation, facts: dict[str, Any]) -> None:
    owner = installation.found().owner
    with installation.begin(owner.tenant_id) as unit:
        unit.audit.record(owner, "test.happened", "thing:\x00\ud800", facts)
    with installation.begin(owner.tenant_id) as unit:
        assert isinstance(commands.verify_audit(owner, unit=unit), Intact)


def test_the_log_has_no_gap_when_many_write_at_once(installation: Installation) -> None:
    owner = installation.found().owner

    def write(number: int) -> None:
        with installation.begin(owner.tenant_id) as unit:
            unit.audit.record(owner, "test.happened", f"thing:{number}", {})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with installation.begin(owner.tenant_id) as unit:
        verdict = commands.verify_audit(owner, unit=unit)
    assert isinstance(verdict, Intact)
    assert verdict.head.sequence == 1 + 12


def test_a_rolled_back_transaction_leaves_no_gap(installation: Installation) -> None:
    owner = installation.found().owner
    installation.roll_back(owner.tenant_id, lambda unit: unit.audit.record(owner, "test.happened", "thing:1", {}))
    with installation.begin(owner.tenant_id) as unit:
        unit.audit.record(owner, "test.happened", "thing:2", {})
    with installation.begin(owner.tenant_id) as unit:
        entries = list(unit.audit.entries())
    assert [(entry.sequence, entry.resource) for entry in entries[1:]] == [(2, "thing:2")]


def test_writers_who_lock_other_things_before_and_after_recording_never_wait_in_a_circle(installation: Installation) -> None:
    owner = installation.found().owner
    barrier = threading.Barrier(2, timeout=30)

    def lock_row(unit: TestUnit) -> None:
        unit.connection.execute(sa.text("SELECT FROM access.organisation WHERE tenant_id = :t FOR UPDATE"), {"t": owner.tenant_id})

    def record_then_lock() -> None:
        with installation.begin(owner.tenant_id) as unit:
            unit.audit.record(owner, "test.happened", "thing:1", {})
            barrier.wait()
            lock_row(unit)

    def lock_then_record() -> None:
        with installation.begin(owner.tenant_id) as unit:
            lock_row(unit)
            barrier.wait()
            unit.audit.record(owner, "test.happened", "thing:2", {})

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(record_then_lock), threads.submit(lock_then_record)]:
            done.result(timeout=30)
    with installation.begin(owner.tenant_id) as unit:
        assert unit.audit.head().sequence == 3


def test_an_entry_keeps_its_facts_when_the_caller_goes_on_changing_them(installation: Installation) -> None:
    owner = installation.found().owner
    facts: dict[str, Any] = {"codes": ["a"]}
    with installation.begin(owner.tenant_id) as unit:
        unit.audit.record(owner, "test.happened", "thing:1", facts)
        facts["codes"].append("b")
    with installation.begin(owner.tenant_id) as unit:
        assert list(unit.audit.entries())[-1].facts == {"codes": ["a"]}


@pytest.mark.parametrize("statement", ["UPDATE access.audit_entry SET facts = '{}'", "DELETE FROM access.audit_entry"])
@pytest.mark.parametrize("role", ["app", "worker"])
def test_neither_application_nor_worker_can_change_the_log(installation: Installation, statement: str, role: str) -> None:
    owner = installation.found().owner
    database = installation.database
    transaction = database.transaction(tenant_id=owner.tenant_id) if role == "app" else database.worker_transaction()
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), transaction as connection:
        connection.execute(sa.text(statement))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE access.audit_entry SET facts = '{}'", "DELETE FROM access.audit_entry", "TRUNCATE access.audit_entry"],
)
def test_even_the_tables_owner_is_stopped_by_a_trigger(installation: Installation, postgres_url: str, statement: str) -> None:
    installation.found()
    engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with pytest.raises(sa.exc.ProgrammingError, match="append-only"), engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def test_the_database_refuses_an_entry_that_does_not_follow_the_last(installation: Installation) -> None:
    owner = installation.found().owner
    with pytest.raises(sa.exc.IntegrityError, match="must follow"), installation.begin(owner.tenant_id) as unit:
        unit.connection.execute(
            sa.text(
                "INSERT INTO access.audit_entry (tenant_id, sequence, recorded_at, actor_id, action, resource, facts, previous_hash,"
                " entry_hash) SELECT tenant_id, sequence + 2, recorded_at, actor_id, action, resource, facts, entry_hash, entry_hash"
                " FROM access.audit_entry"
            )
        )


def test_a_row_changed_by_hand_is_found(installation: Installation, postgres_url: str) -> None:
    owner = installation.found().owner
    with installation.begin(owner.tenant_id) as unit:
        unit.audit.record(owner, "test.paid", "dividend:1", {"amount": "12.34"})
    engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE access.audit_entry DISABLE TRIGGER append_only"))
        connection.execute(
            sa.text('UPDATE access.audit_entry SET facts = \'{"amount": "12.35"}\' WHERE tenant_id = :tenant AND sequence = 2'),
            {"tenant": owner.tenant_id},
        )
        connection.execute(sa.text("ALTER TABLE access.audit_entry ENABLE TRIGGER append_only"))
    engine.dispose()
    with installation.begin(owner.tenant_id) as unit:
        assert commands.verify_audit(owner, unit=unit) == Broken(2, "the entry was changed after it was written")


def test_pages_run_through_the_log_once_newest_first(installation: Installation) -> None:
    owner = installation.found().owner
    with installation.begin(owner.tenant_id) as unit:
        for number in range(7):
            unit.audit.record(owner, "test.happened" if number % 2 else "test.other", f"thing:{number}", {})
    seen: list[int] = []
    cursor = None
    with installation.begin(owner.tenant_id) as unit:
        while entries := commands.list_audit(owner, Page(limit=3, cursor=cursor), unit=unit):
            seen += [entry.sequence for entry in entries]
            cursor = str(entries[-1].sequence)
        assert seen == [8, 7, 6, 5, 4, 3, 2, 1]
        assert [entry.resource for entry in commands.list_audit(owner, Page(), unit=unit, action="test.happened")] == [
            "thing:5",
            "thing:3",
            "thing:1",
        ]
        assert [entry.sequence for entry in commands.list_audit(owner, Page(), unit=unit, resource="thing:6")] == [8]


@pytest.mark.parametrize("cursor", ["", "-1", "1; DROP TABLE", "٣", "1" * 40, "\x00"])
def test_a_made_up_cursor_is_refused(installation: Installation, cursor: str) -> None:
    owner = installation.found().owner
    with pytest.raises(BadCursor), installation.begin(owner.tenant_id) as unit:
        commands.list_audit(owner, Page(cursor=cursor), unit=unit)


def test_a_transfer_agent_does_not_read_the_log(installation: Installation) -> None:
    actor = an_actor(installation.found().owner.tenant_id, Role.TRANSFER_AGENT)
    with pytest.raises(NotPermitted), installation.begin(actor.tenant_id) as unit:
        commands.list_audit(actor, Page(), unit=unit)
