# SPDX-License-Identifier: Apache-2.0
"""The register follows the chain there and back: histories with re-organisations against an independent ledger, on real PostgreSQL."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from sqlalchemy.exc import IntegrityError

from muniment.infra.evm.decoding import checksum
from muniment.infra.evm.follower import BlockLogs
from muniment.infra.postgres.database import Database
from muniment.register.chain import ARTIFACTS, TOKENS_FROZEN, TOKENS_UNFROZEN, decode
from muniment.register.model import Movement, Notice, add_up, lockups
from muniment.register.process import RegisterFollower
from muniment.register.store import PostgresProjection
from tests.register.conftest import clear
from tests.register.histories import (
    OTHER_TENANT,
    TENANT,
    TOKEN,
    WALLETS,
    Branch,
    a_block,
    a_log,
    a_mint,
    a_transfer,
    expected,
    histories,
    number,
    topic,
)

FOLLOWER = RegisterFollower(decode=decode, artifacts=ARTIFACTS, store=PostgresProjection)


def take(database: Database, *blocks: BlockLogs) -> None:
    with database.worker_transaction() as connection:
        FOLLOWER.apply_blocks(connection, blocks)


def take_back(database: Database, to_block: int) -> None:
    with database.worker_transaction() as connection:
        FOLLOWER.revert_to(connection, to_block)


def stored(database: Database) -> list[tuple[object, ...]]:
    """Every row of the register, byte for byte, in a fixed order."""
    rows: list[tuple[object, ...]] = []
    with database.worker_transaction() as connection:
        for table in ("movement", "notice", "holding"):
            found = connection.execute(sa.text(f"SELECT '{table}' AS kind, t::text AS line FROM register.{table} AS t ORDER BY 2"))
            rows += [tuple(row) for row in found]
    return rows


def holdings(database: Database) -> dict[str, tuple[int, int, bool]]:
    with database.worker_transaction() as connection:
        rows = connection.execute(sa.text("SELECT wallet, shares, frozen_shares, wallet_frozen FROM register.holding"))
        return {row.wallet: (int(row.shares), int(row.frozen_shares), row.wallet_frozen) for row in rows}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=histories())
def test_blocks_taken_back_are_as_if_they_had_never_been(register_database: Database, steps: list[tuple[int | None, Branch]]) -> None:
    clear(register_database)
    for back_to, branch in steps:
        if back_to is not None:
            take_back(register_database, back_to)
        take(register_database, *branch.blocks)
    after_reorganisations = stored(register_database)
    blocks, ledger = expected(steps)
    assert holdings(register_database) == ledger.holdings()

    clear(register_database)
    take(register_database, *blocks)
    assert stored(register_database) == after_reorganisations


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=histories())
def test_one_block_at_a_time_gives_the_rows_of_all_at_once(register_database: Database, steps: list[tuple[int | None, Branch]]) -> None:
    blocks, _ = expected(steps)
    clear(register_database)
    take(register_database, *blocks)
    at_once = stored(register_database)
    clear(register_database)
    for block in blocks:
        take(register_database, block)
    assert stored(register_database) == at_once


@settings(max_examples=100, deadline=None)
@given(steps=histories())
def test_adding_up_agrees_with_an_independent_ledger(steps: list[tuple[int | None, Branch]]) -> None:
    blocks, ledger = expected(steps)
    events = [
        event
        for block, logs in blocks
        for event in (decode(log, block_number=block.number, occurred_at=block.mined_at) for log in logs)
        if event is not None
    ]
    summed = {holding.wallet: (holding.shares, holding.frozen_shares, holding.wallet_frozen) for holding in add_up(events).values()}
    assert summed == ledger.holdings()
    locked = lockups(event for event in events if isinstance(event, Notice))
    assert {(wallet, each.unlocks_at): each.shares for wallet, tranches in locked.items() for each in tranches} == ledger.lockups()
    # In two parts it is the same as in one.
    middle = len(events) // 2
    assert add_up(events[middle:], start=add_up(events[:middle])) == add_up(events)


def test_a_log_that_comes_twice_counts_once(empty_register: Database) -> None:
    block = BlockLogs(a_block(1), [a_mint(WALLETS[0], 100, block=1, index=0), a_transfer(WALLETS[0], WALLETS[1], 30, block=1, index=1)])
    take(empty_register, block)
    take(empty_register, block, BlockLogs(a_block(2), [a_transfer(WALLETS[0], WALLETS[1], 5, block=2, index=0)]))
    assert holdings(empty_register) == {WALLETS[0]: (65, 0, False), WALLETS[1]: (35, 0, False)}


def test_thousands_of_events_at_once_give_the_rows_of_one_at_a_time(empty_register: Database) -> None:
    many = [checksum((0xE0000 + number).to_bytes(20, "big")) for number in range(1200)]
    mints = BlockLogs(a_block(1), [a_mint(wallet, 10, block=1, index=index) for index, wallet in enumerate(many)])
    freezes = BlockLogs(
        a_block(2),
        [a_log((TOKENS_FROZEN, topic(wallet)), number(3), block=2, index=index) for index, wallet in enumerate(many[:700])],
    )
    moves = BlockLogs(a_block(3), [a_transfer(many[n], many[n - 1], 7, block=3, index=n) for n in range(600)])
    take(empty_register, mints, freezes, moves)
    at_once = stored(empty_register)
    take_back(empty_register, 1)
    for place in range(0, 700, 100):
        take(empty_register, BlockLogs(a_block(2), freezes.logs[place : place + 100]))
    for place in range(0, 600, 100):
        take(empty_register, BlockLogs(a_block(3), moves.logs[place : place + 100]))
    assert stored(empty_register) == at_once
    assert sum(shares for shares, _, _ in holdings(empty_register).values()) == 12_000


def test_going_back_before_the_first_block_leaves_nothing(empty_register: Database) -> None:
    take(empty_register, BlockLogs(a_block(1), [a_mint(WALLETS[0], 100, block=1, index=0)]))
    take_back(empty_register, -1)
    assert stored(empty_register) == []


def test_a_contract_of_no_issuer_has_no_register(empty_register: Database) -> None:
    take(empty_register, BlockLogs(a_block(1), [a_mint(WALLETS[0], 100, block=1, index=0, tenant=None)]))
    money = a_mint(WALLETS[0], 100, block=2, index=0)._replace(artifact="payment_token")
    take(empty_register, BlockLogs(a_block(2), [money]))
    assert stored(empty_register) == []


def test_more_shares_out_than_in_stop_the_follower_instead_of_entering_the_register(empty_register: Database) -> None:
    with pytest.raises(IntegrityError):
        take(empty_register, BlockLogs(a_block(1), [a_transfer(WALLETS[0], WALLETS[1], 1, block=1, index=0)]))
    assert stored(empty_register) == []


def test_more_may_be_frozen_than_is_held_but_never_less_than_nothing(empty_register: Database) -> None:
    holder = WALLETS[0]

    def freeze(kind: bytes, shares: int, *, block: int) -> BlockLogs:
        return BlockLogs(a_block(block), [a_log((kind, topic(holder)), number(shares), block=block, index=1)])

    take(empty_register, BlockLogs(a_block(1), [a_mint(holder, 10, block=1, index=0)]), freeze(TOKENS_FROZEN, 25, block=2))
    take(empty_register, BlockLogs(a_block(3), [a_mint(holder, 5, block=3, index=0)]))
    assert holdings(empty_register) == {holder: (15, 25, False)}
    with pytest.raises(IntegrityError):
        take(empty_register, freeze(TOKENS_UNFROZEN, 26, block=4))
    take(empty_register, freeze(TOKENS_UNFROZEN, 25, block=4))
    assert holdings(empty_register) == {holder: (15, 0, False)}


def test_a_title_deed_has_one_holder_at_a_time(empty_register: Database) -> None:
    mint = a_mint(WALLETS[0], 0, block=1, index=0)
    deed = (7).to_bytes(32, "big")
    given_first = mint._replace(artifact="title_deed", topics=(*mint.topics, deed), data=b"")
    sold = a_transfer(WALLETS[0], WALLETS[1], 0, block=2, index=0)
    given_next = sold._replace(artifact="title_deed", topics=(*sold.topics, deed), data=b"")
    take(empty_register, BlockLogs(a_block(1), [given_first]), BlockLogs(a_block(2), [given_next]))
    assert holdings(empty_register) == {WALLETS[1]: (1, 0, False)}
    with empty_register.worker_transaction() as connection:
        assert connection.scalar(sa.text("SELECT deed_id FROM register.holding")) == 7


def test_one_issuer_never_sees_the_register_of_another(empty_register: Database) -> None:
    take(empty_register, BlockLogs(a_block(1), [a_mint(WALLETS[0], 100, block=1, index=0)]))
    for table in ("movement", "notice", "holding"):
        with empty_register.transaction(tenant_id=OTHER_TENANT) as connection:
            assert connection.scalar(sa.text(f"SELECT count(*) FROM register.{table}")) == 0
    with empty_register.transaction(tenant_id=TENANT) as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM register.movement")) == 1


@pytest.mark.parametrize("table", ["movement", "notice", "holding"])
def test_a_request_cannot_change_the_register(empty_register: Database, table: str) -> None:
    for statement in (f"DELETE FROM register.{table}", f"UPDATE register.{table} SET shares = 1"):
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), empty_register.transaction(tenant_id=TENANT) as connection:
            connection.execute(sa.text(statement))


def test_a_movement_keeps_where_and_when_it_happened(empty_register: Database) -> None:
    log = a_mint(WALLETS[0], 2**104 - 1, block=9, index=4)
    take(empty_register, BlockLogs(a_block(9), [log]))
    with empty_register.worker_transaction() as connection:
        (event,) = PostgresProjection(connection).events_above(8)
    assert isinstance(event, Movement)
    assert (event.token, event.block_number, event.log_index, event.shares) == (TOKEN, 9, 4, 2**104 - 1)
    assert event.occurred_at == a_block(9).mined_at
    assert event.transaction_hash == log.transaction_hash
