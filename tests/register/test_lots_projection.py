# SPDX-License-Identifier: Apache-2.0
"""Lots follow the chain there and back in PostgreSQL, and follow what officers say and whose wallets become."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.infra.evm.decoding import checksum
from muniment.infra.evm.follower import BlockLogs
from muniment.infra.postgres.database import Database
from muniment.register.chain import ARTIFACTS, SHARES, decode
from muniment.register.commands import keep_lots, make_lots_again, make_lots_again_from
from muniment.register.model import (
    Consideration,
    Lot,
    LotAnnotation,
    LotChanges,
    Movement,
    PickingRule,
    TokenReference,
    lot_line,
    lots_after,
    replay,
)
from muniment.register.process import LotFollower, RegisterFollower
from muniment.register.store import PostgresLotProjection, PostgresLots, PostgresProjection
from muniment.units.ids import Address, InvestorId, SecurityId, UserId
from muniment.units.money import Money
from tests.register.conftest import clear
from tests.register.histories import (
    OTHER_TENANT,
    TENANT,
    TOKEN,
    WALLETS,
    Branch,
    Ledger,
    a_block,
    a_mint,
    a_transfer,
    branches,
    expected,
    histories,
)

SECURITY = SecurityId(UUID(int=1))
ANNA, BELA = InvestorId(UUID(int=0xA)), InvestorId(UUID(int=0xB))
OWNERS = {WALLETS[0]: ANNA, WALLETS[1]: BELA, WALLETS[2]: ANNA}
OFFICER = UserId(UUID(int=0xC))
CONSUMERS = (
    RegisterFollower(decode=decode, artifacts=ARTIFACTS, store=PostgresProjection),
    LotFollower(artifact=SHARES, store=PostgresLotProjection),
)


class OneToken:
    """`ports.Tokens` of one security."""

    def token_of(self, security_id: SecurityId) -> TokenReference:
        assert security_id == SECURITY
        return TokenReference(TOKEN)


def give_wallet(database: Database, wallet: Address, investor_id: InvestorId) -> None:
    """Enter an investor, erased already so that no personal data is needed, and the wallet as theirs."""
    with database.worker_transaction() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO parties.investor (investor_id, tenant_id, external_reference, kind, country, status, status_at, created_at,"
                " erased_at) VALUES (:id, :tenant, :reference, 'person', 'US', 'draft', now(), now(), now()) ON CONFLICT DO NOTHING"
            ),
            {"id": investor_id, "tenant": TENANT, "reference": f"INV-{investor_id.int}"},
        )
        connection.execute(
            sa.text(
                "INSERT INTO parties.wallet SELECT gen_random_uuid(), :tenant, :id, 1 + (SELECT count(*) FROM parties.wallet"
                " WHERE investor_id = :id), :wallet, false, now()"
            ),
            {"id": investor_id, "tenant": TENANT, "wallet": wallet},
        )


@pytest.fixture
def owned(empty_register: Database) -> Iterator[Database]:
    for wallet, investor_id in OWNERS.items():
        give_wallet(empty_register, wallet, investor_id)
    yield empty_register
    with empty_register.worker_transaction() as connection:
        connection.execute(sa.text("DELETE FROM parties.wallet"))


def take(database: Database, *blocks: BlockLogs) -> None:
    with database.worker_transaction() as connection:
        for consumer in CONSUMERS:
            consumer.apply_blocks(connection, blocks)


def take_back(database: Database, to_block: int) -> None:
    with database.worker_transaction() as connection:
        for consumer in CONSUMERS:
            consumer.revert_to(connection, to_block)


def rows(database: Database) -> list[tuple[Any, ...]]:
    """Every row of the lots, byte for byte, in a fixed order."""
    with database.worker_transaction() as connection:
        return [
            tuple(row)
            for table in ("lot", "lot_taking")
            for row in connection.execute(sa.text(f"SELECT '{table}' AS kind, t::text AS line FROM register.{table} AS t ORDER BY 2"))
        ]


def lots(database: Database, **asked: Any) -> list[Lot]:
    with database.transaction(tenant_id=TENANT) as connection:
        return list(PostgresLots(connection, tenant_id=TENANT, tokens=OneToken()).of_security(SECURITY, **asked))


def pages(database: Database, *, limit: int, **asked: Any) -> list[Lot]:
    """Return all lots, a page at a time."""
    found: list[Lot] = []
    with database.transaction(tenant_id=TENANT) as connection:
        store = PostgresLots(connection, tenant_id=TENANT, tokens=OneToken())
        while page := store.page(SECURITY, after=found[-1].lot_id if found else None, limit=limit, **asked):
            found += page
    return found


def changes(database: Database) -> LotChanges:
    with database.transaction(tenant_id=TENANT) as connection:
        return PostgresLots(connection, tenant_id=TENANT, tokens=OneToken()).changes(TOKEN)


def say(database: Database, movement: Movement, annotation: LotAnnotation, *, position: int = 0) -> None:
    with database.transaction(tenant_id=TENANT) as connection:
        store = PostgresLots(connection, tenant_id=TENANT, tokens=OneToken())
        said = replace(annotation, annotated_by=OFFICER)
        store.annotate(TOKEN, (movement.transaction_hash, position), said, at=dt.datetime(2027, 5, 1, tzinfo=dt.UTC))
        make_lots_again_from(TOKEN, [movement], store=store)


def movements(*blocks: BlockLogs) -> list[Movement]:
    decoded = (decode(log, block_number=block.number, occurred_at=block.mined_at) for block, logs in blocks for log in logs)
    return [event for event in decoded if isinstance(event, Movement)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=histories())
def test_blocks_taken_back_leave_the_lots_as_if_they_had_never_been(owned: Database, steps: list[tuple[int | None, Branch]]) -> None:
    clear(owned)
    for back_to, branch in steps:
        if back_to is not None:
            take_back(owned, back_to)
        take(owned, *branch.blocks)
    after_reorganisations = rows(owned)
    blocks, _ = expected(steps)

    # One block at a time, all at once, and the pure replay are one.
    clear(owned)
    for block in blocks:
        take(owned, block)
    assert rows(owned) == after_reorganisations
    clear(owned)
    take(owned, *blocks)
    assert rows(owned) == after_reorganisations
    made = replay(movements(*blocks), owners=OWNERS, annotations={})
    assert [lot_line(lot) for lot in lots(owned)] == [lot_line(lot) for lot in lots_after(made)]
    assert pages(owned, limit=3) == lots(owned)
    assert pages(owned, limit=2, investor_id=ANNA) == lots(owned, investor_id=ANNA)
    for block, _ in blocks:
        assert lots(owned, block_number=block.number) == lots(owned, at=block.mined_at) == lots_after(made, block.number)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(branch=branches(start=1, ledger=Ledger({}, {}, set()), branch=0, length=6), data=st.data())
def test_lots_made_again_from_a_movement_on_are_those_of_a_whole_replay(owned: Database, branch: Branch, data: st.DataObject) -> None:
    clear(owned)
    take(owned, *branch.blocks)
    moved = movements(*branch.blocks)
    for _ in range(data.draw(st.integers(1, 3)) if moved else 0):
        movement = data.draw(st.sampled_from(moved))
        with owned.transaction(tenant_id=TENANT) as connection:
            earlier = PostgresLots(connection, tenant_id=TENANT, tokens=OneToken()).of_security(SECURITY)
        said = LotAnnotation(
            exemption=data.draw(st.sampled_from([None, "us.regs", "us.regd.506c"])),
            consideration=data.draw(st.sampled_from([None, *Consideration])),
            holding_since=data.draw(st.sampled_from([None, dt.datetime(2025, 1, 2, tzinfo=dt.UTC)])),
            is_control=data.draw(st.sampled_from([None, True])),
            picking=data.draw(st.sampled_from([None, *PickingRule])),
            lots=tuple(data.draw(st.lists(st.sampled_from([lot.lot_id for lot in earlier]), max_size=2)) if earlier else ()),
        )
        say(owned, movement, said)
        made_from_there = rows(owned)
        with owned.transaction(tenant_id=TENANT) as connection:
            make_lots_again(TOKEN, store=PostgresLots(connection, tenant_id=TENANT, tokens=OneToken()))
        assert made_from_there == rows(owned)


FIRST = BlockLogs(a_block(1), [a_mint(WALLETS[0], 100, block=1, index=1), a_mint(WALLETS[3], 50, block=1, index=2)])
SECOND = BlockLogs(a_block(2), [a_transfer(WALLETS[0], WALLETS[1], 30, block=2, index=1)])


def test_one_investors_lots_are_asked_for_over_all_wallets(owned: Database) -> None:
    take(owned, FIRST, SECOND)
    assert [(lot.holder, lot.quantity) for lot in lots(owned, investor_id=ANNA)] == [(ANNA, 70)]
    assert [(lot.holder, lot.quantity) for lot in lots(owned, investor_id=ANNA, block_number=1)] == [(ANNA, 100)]
    assert sum(lot.quantity for lot in lots(owned)) == 150


def test_what_an_officer_says_makes_the_lots_again_and_survives_a_reorganisation(owned: Database) -> None:
    take(owned, FIRST, SECOND)
    (bought,) = lots(owned, investor_id=BELA)
    assert bought.holding_since == a_block(2).mined_at
    gift = LotAnnotation(
        exemption="us.regd.506c",
        consideration=Consideration.GIFT,
        buyer_category="accredited",
        paid=Money(12_50, "USD"),
        acquired_at=dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        holding_since=dt.datetime(2025, 1, 2, tzinfo=dt.UTC),
        is_restricted=True,
        is_control=False,
        picking=PickingRule.LIFO,
        lots=(bought.lot_id,),
    )
    say(owned, movements(SECOND)[0], gift)
    (given,) = lots(owned, investor_id=BELA)
    assert (given.holding_since, given.acquired_at, given.exemption) == (gift.holding_since, gift.acquired_at, "us.regd.506c")
    with owned.transaction(tenant_id=TENANT) as connection:
        store = PostgresLots(connection, tenant_id=TENANT, tokens=OneToken())
        (_, _, sale) = store.acquisitions(SECURITY)
        assert sale.annotation == replace(gift, annotated_by=OFFICER)
        assert (sale.seller, sale.buyer) == (ANNA, BELA)
        assert store.acquisitions(SECURITY, since=a_block(2).mined_at, until=a_block(3).mined_at) == [sale]
        assert store.acquisitions(SECURITY, until=a_block(1).mined_at) == []

    # The same transaction in a later block and another place keeps what was said about it.
    take_back(owned, 1)
    moved = [log._replace(log_index=7) for log in SECOND.logs]
    take(owned, BlockLogs(a_block(2), []), BlockLogs(a_block(3), moved))
    (again,) = lots(owned, investor_id=BELA)
    assert (again.lot_id, again.holding_since, again.block_number) == (given.lot_id, gift.holding_since, 3)


def test_movements_of_one_transaction_are_told_apart_by_their_place_in_it(owned: Database) -> None:
    logs = [log._replace(transaction_hash=FIRST.logs[0].transaction_hash) for log in FIRST.logs]
    both = BlockLogs(a_block(1), logs)
    take(owned, both)
    say(owned, movements(both)[1], LotAnnotation(exemption="us.regs"), position=1)
    assert {lot.holder: lot.exemption for lot in lots(owned)} == {ANNA: None, WALLETS[3]: "us.regs"}


def test_what_a_holder_gave_before_anything_of_theirs_changed_stays_where_it_is(owned: Database) -> None:
    issue = a_mint(WALLETS[1], 5, block=2, index=2)
    second = BlockLogs(a_block(2), [a_transfer(WALLETS[3], WALLETS[4], 10, block=2, index=1), issue])
    take(owned, FIRST, second, BlockLogs(a_block(3), [a_transfer(WALLETS[1], WALLETS[3], 5, block=3, index=1)]))
    say(owned, movements(second)[1], LotAnnotation(exemption="us.regs"))
    assert {(lot.holder, lot.quantity): lot.exemption for lot in lots(owned)} == {
        (ANNA, 100): None,
        (WALLETS[3], 40): None,
        (WALLETS[3], 5): "us.regs",
        (WALLETS[4], 10): None,
    }


def test_a_wallet_that_becomes_an_investors_takes_its_lots_along(owned: Database) -> None:
    take(owned, FIRST)
    give_wallet(owned, WALLETS[3], BELA)
    # Whoever asks meanwhile is told the truth, and the next block of the token, or the worker, stores it.
    assert [lot.quantity for lot in lots(owned, investor_id=BELA)] == [50]
    assert pages(owned, limit=1) == lots(owned)
    with owned.transaction(tenant_id=TENANT) as connection:
        assert PostgresLots(connection, tenant_id=TENANT, tokens=OneToken()).stale_tokens() == [TOKEN]
    take(owned, BlockLogs(a_block(2), [a_transfer(WALLETS[3], WALLETS[0], 20, block=2, index=1)]))
    assert [(lot.holder, lot.quantity) for lot in lots(owned)] == [(ANNA, 100), (ANNA, 20), (BELA, 30)]
    with owned.transaction(tenant_id=TENANT) as connection:
        store = PostgresLots(connection, tenant_id=TENANT, tokens=OneToken())
        assert store.stale_tokens() == []
        before = rows(owned)
        keep_lots(TOKEN, store=store)
    assert rows(owned) == before


def test_a_block_that_comes_twice_and_lots_that_come_late_change_nothing(owned: Database) -> None:
    take(owned, FIRST, SECOND)
    before = rows(owned)
    take(owned, FIRST)
    take(owned, SECOND)
    assert rows(owned) == before
    # A database from before there were lots: the follower hands the history out to the new consumer, first to last.
    with owned.worker_transaction() as connection:
        CONSUMERS[1].revert_to(connection, -1)
        CONSUMERS[1].apply_blocks(connection, [FIRST])
        CONSUMERS[1].apply_blocks(connection, [SECOND])
    assert rows(owned) == before


def test_many_movements_at_once_give_the_rows_of_a_block_at_a_time(owned: Database) -> None:
    many = [checksum((0xE0000 + number).to_bytes(20, "big")) for number in range(700)]
    issues = BlockLogs(a_block(1), [a_mint(wallet, 10, block=1, index=index) for index, wallet in enumerate(many)])
    sales = BlockLogs(a_block(2), [a_transfer(many[n], many[n - 1], 7, block=2, index=n) for n in range(600)])
    take(owned, issues, sales)
    at_once = rows(owned)
    clear(owned)
    take(owned, issues)
    take(owned, sales)
    assert rows(owned) == at_once
    assert lots(owned) == lots_after(replay(movements(issues, sales), owners=OWNERS, annotations={}))


def test_deeds_and_other_contracts_have_no_lots(owned: Database) -> None:
    take(owned, BlockLogs(a_block(1), [log._replace(artifact="title_deed") for log in FIRST.logs[:1]]))
    assert rows(owned) == []


@pytest.mark.parametrize("table", ["lot", "lot_taking", "lot_annotation"])
def test_one_issuer_never_sees_the_lots_of_another(owned: Database, table: str) -> None:
    take(owned, FIRST, SECOND)
    say(owned, movements(SECOND)[0], LotAnnotation(exemption="us.regs"))
    for tenant_id, seen in ((OTHER_TENANT, False), (TENANT, True)):
        with owned.transaction(tenant_id=tenant_id) as connection:
            assert (connection.scalar(sa.text(f"SELECT count(*) FROM register.{table}")) > 0) is seen


def test_what_is_left_of_a_lot_and_what_was_taken_add_up(owned: Database) -> None:
    take(owned, FIRST, SECOND)
    stored = changes(owned)
    assert {lot.lot_id: lot.quantity for lot in stored.opened if lot.quantity} == {lot.lot_id: lot.quantity for lot in lots_after(stored)}
