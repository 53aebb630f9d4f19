# SPDX-License-Identifier: Apache-2.0
"""What consumers keep equals the chain, whatever the chain and the node do: re-organisations, lags, late contracts, crashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.infra.clock import SystemClock
from muniment.infra.evm.client import Evm
from muniment.infra.evm.decoding import RawLog, decode_transfers
from muniment.infra.evm.follower import BlockLogs, FollowedBlock, Follower, read_chain_head
from muniment.infra.evm.identity import WrongChain, check_chain_identity
from muniment.infra.evm.known_contracts import PostgresKnownContracts
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.evm.sender import TransactionState
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import Database
from muniment.units.ids import Address
from tests.infra.rig import EMITTER, OTHER_TENANT, RICH, TENANT, Rig, an_address

NOBODY = an_address(0)


class Balances:
    """A small register: one row per transfer, and the blocks it was told of, in the database."""

    name = "balances"

    def __init__(self) -> None:
        self.blocks: list[int] = []

    def apply(self, connection: sa.Connection, block: FollowedBlock, logs: Sequence[RawLog]) -> None:
        self.blocks.append(block.number)
        for log, (sender, receiver, amount) in zip(logs, decode_transfers(logs), strict=True):
            connection.execute(
                sa.text("INSERT INTO public.moved VALUES (:consumer, :block, :index, :contract, :tenant, :sender, :receiver, :amount)"),
                {
                    "consumer": self.name,
                    "block": block.number,
                    "index": log.log_index,
                    "contract": log.address,
                    "tenant": log.tenant_id,
                    "sender": sender,
                    "receiver": receiver,
                    "amount": amount,
                },
            )

    def revert_to(self, connection: sa.Connection, block_number: int) -> None:
        connection.execute(
            sa.text("DELETE FROM public.moved WHERE block > :block AND consumer = :consumer"),
            {"block": block_number, "consumer": self.name},
        )


class BulkBalances(Balances):
    name = "bulk"

    def apply_blocks(self, connection: sa.Connection, blocks: Sequence[BlockLogs]) -> None:
        for block, logs in blocks:
            super().apply(connection, block, logs)

    def apply(self, connection: sa.Connection, block: FollowedBlock, logs: Sequence[RawLog]) -> None:  # noqa: ARG002 - the Protocol's names
        raise AssertionError("a bulk consumer takes many blocks at once")


class Stage:
    """A rig with an emitter, a follower and the small register."""

    def __init__(self, database: Database, rpc: JsonRpc) -> None:
        self.rig = Rig(database, rpc)
        with database._engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS public.moved")
            connection.exec_driver_sql(
                "CREATE TABLE public.moved (consumer text, block bigint, log_index int, contract text, tenant uuid, sender text,"
                " receiver text, amount numeric, PRIMARY KEY (consumer, block, log_index))"
            )
            connection.exec_driver_sql("GRANT ALL ON public.moved TO muniment_worker")
            for table in ("block", "follower_cursor", "chain_head", "contract"):
                connection.exec_driver_sql(f"TRUNCATE infra.{table}")
        self.token = self.rig.deploy(EMITTER)
        self.watch(self.token)
        self.balances = Balances()
        self.follower = self.make_follower(self.balances)

    def make_follower(self, *consumers: Any, evm: Evm | None = None, **options: Any) -> Follower:
        return Follower(self.rig.database, evm or self.rig.evm, consumers, clock=SystemClock(), journal_transactions=True, **options)

    def watch(self, contract: Address, *, deployed_block: int = 0, tenant_id: Any = TENANT) -> None:
        with self.rig.database.worker_transaction() as connection:
            PostgresKnownContracts(connection).add(contract, tenant_id=tenant_id, artifact="token", deployed_block=deployed_block)

    def transfer(self, amount: int, *, contract: Address | None = None) -> None:
        self.rig.emit(contract or self.token, NOBODY, an_address(7), amount)

    def stored(self, consumer: str = "balances") -> list[tuple[int, int, str, int]]:
        rows = self.rig.rows(
            "SELECT block, log_index, contract, amount FROM public.moved WHERE consumer = :c ORDER BY block, log_index", c=consumer
        )
        return [(row.block, row.log_index, row.contract, int(row.amount)) for row in rows]

    def on_chain(self, *contracts: Address) -> list[tuple[int, int, str, int]]:
        logs = self.rig.evm.logs(contracts or (self.token,), from_block=0, to_block=self.rig.evm.block_number())
        return [(log.block_number, log.log_index, log.address, int.from_bytes(log.data, "big")) for log in logs]

    def assert_equal(self) -> None:
        """The stored register, journal and cursor are the chain's."""
        head = self.rig.evm.block_number()
        assert self.stored() == self.on_chain()
        journal = self.rig.rows("SELECT number, hash, transactions FROM infra.block ORDER BY number")
        assert [row.number for row in journal] == list(range(head + 1))
        headers = self.rig.evm.headers(range(head + 1))
        assert [bytes(row.hash) for row in journal] == [header.hash for header in headers if header is not None]
        assert [len(row.transactions) for row in journal] == [header.transaction_count for header in headers if header is not None]


@pytest.fixture(scope="module")
def database(make_database: Any) -> Iterator[Database]:
    database = Database(make_database())
    yield database
    database.close()


@pytest.fixture
def stage(database: Database, manual_chain_rpc: JsonRpc) -> Stage:
    return Stage(database, manual_chain_rpc)


def test_every_block_is_journalled_and_every_log_handed_out_once(stage: Stage) -> None:
    for amount in range(5):
        stage.transfer(amount)
        stage.transfer(amount + 100)
        stage.rig.mine()
    progress = stage.follower.catch_up()
    assert progress.lag_blocks == 0
    stage.assert_equal()
    assert stage.balances.blocks == list(range(stage.rig.evm.block_number() + 1))
    with stage.rig.database.worker_transaction() as connection:
        head = read_chain_head(connection)
    assert head is not None and (head.block_number, head.final_number) == (stage.rig.evm.block_number(), stage.rig.evm.block_number() - 2)


def test_an_empty_step_changes_nothing(stage: Stage) -> None:
    stage.follower.catch_up()
    before = stage.rig.rows("SELECT * FROM infra.chain_head")
    assert not stage.follower.step().moved
    assert stage.rig.rows("SELECT * FROM infra.chain_head") == before


@pytest.mark.parametrize("depth", [1, 3, 12, 64, 70])
def test_a_reorganisation_of_any_depth_leaves_what_the_chain_says(stage: Stage, depth: int) -> None:
    for amount in range(depth + 5):
        stage.transfer(amount)
        stage.rig.mine()
    stage.follower.catch_up()
    stage.rig.rpc.call("anvil_reorg", [depth, []])
    stage.transfer(999)
    stage.rig.mine()
    stage.follower.catch_up()
    stage.assert_equal()


def test_a_reorganisation_to_a_shorter_chain_is_noticed_as_soon_as_the_hashes_differ(stage: Stage) -> None:
    for amount in range(6):
        stage.transfer(amount)
        stage.rig.mine()
    stage.follower.catch_up()
    snapshot_block = stage.rig.evm.block_number()
    stage.rig.rpc.call("anvil_rollback", [4])
    # Only older now: a lagging node looks the same, so nothing is reverted yet.
    assert not stage.follower.step().moved
    assert len(stage.stored()) == 6
    stage.transfer(77)
    stage.rig.mine()
    assert stage.rig.evm.block_number() < snapshot_block
    stage.follower.catch_up()
    stage.assert_equal()


class LaggingRpc:
    """A node behind a load balancer: now and then it answers as of some blocks ago."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc
        self.url = rpc.url
        self.lag = 0
        self.hides_logs = False
        self.fails = 0
        self.before_headers: Callable[[], object] = lambda: None

    def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        self._maybe_fail()
        if method == "eth_getBlockByNumber" and params[0] == "latest" and self.lag:
            return self._rpc.call(method, [hex(int(self._rpc.call("eth_blockNumber"), 16) - self.lag), params[1]])
        if method == "eth_getLogs" and self.hides_logs and "fromBlock" in params[0]:
            none: list[Any] = []
            return none
        return self._rpc.call(method, params)

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        self._maybe_fail()
        self.before_headers()
        return self._rpc.batch(calls)

    def _maybe_fail(self) -> None:
        if self.fails:
            self.fails -= 1
            raise Unreachable("rpc", detail="planted", retry=True)


def test_a_node_that_lags_causes_no_revert(stage: Stage) -> None:
    rpc = LaggingRpc(stage.rig.rpc)
    follower = stage.make_follower(stage.balances, evm=Evm(cast("JsonRpc", rpc)))
    for amount in range(5):
        stage.transfer(amount)
        stage.rig.mine()
    follower.catch_up()
    seen = list(stage.balances.blocks)
    for rpc.lag in (1, 3, 2):
        assert not follower.step().moved
    assert stage.balances.blocks == seen
    stage.assert_equal()


def test_logs_that_a_lagging_node_leaves_out_are_asked_for_by_block(stage: Stage) -> None:
    rpc = LaggingRpc(stage.rig.rpc)
    rpc.hides_logs = True
    follower = stage.make_follower(stage.balances, evm=Evm(cast("JsonRpc", rpc)))
    for amount in range(5):
        stage.transfer(amount)
        stage.rig.mine()
    follower.catch_up()
    stage.assert_equal()


def test_an_outage_at_any_call_loses_nothing(stage: Stage) -> None:
    rpc = LaggingRpc(stage.rig.rpc)
    follower = stage.make_follower(stage.balances, evm=Evm(cast("JsonRpc", rpc)))
    for amount in range(12):
        stage.transfer(amount)
        stage.rig.mine()
        rpc.fails = 1
        with pytest.raises(Unreachable):
            follower.step()
    follower.catch_up()
    stage.assert_equal()


def test_a_contract_recorded_after_its_blocks_were_followed_is_filled_in(stage: Stage) -> None:
    late = stage.rig.deploy(EMITTER)
    deployed = stage.rig.evm.block_number()
    for amount in range(4):
        stage.transfer(amount)
        stage.transfer(amount + 50, contract=late)
        stage.rig.mine()
    stage.follower.catch_up()
    assert stage.stored() == stage.on_chain(stage.token)
    stage.watch(late, deployed_block=deployed, tenant_id=OTHER_TENANT)
    stage.transfer(500, contract=late)
    stage.rig.mine()
    stage.follower.catch_up()
    assert stage.stored() == stage.on_chain(stage.token, late)
    tenants = {row.contract: row.tenant for row in stage.rig.rows("SELECT DISTINCT contract, tenant FROM public.moved")}
    assert tenants == {stage.token: TENANT, late: OTHER_TENANT}


def test_a_new_consumer_is_handed_the_whole_history_and_the_old_one_nothing_twice(stage: Stage) -> None:
    for amount in range(4):
        stage.transfer(amount)
        stage.rig.mine()
    stage.follower.catch_up()
    before = list(stage.balances.blocks)
    both = stage.make_follower(stage.balances, BulkBalances())
    both.catch_up()
    assert stage.stored("bulk") == stage.stored("balances") == stage.on_chain()
    assert stage.balances.blocks == before


def test_a_consumer_that_was_away_begins_again(stage: Stage) -> None:
    bulk = BulkBalances()
    stage.make_follower(stage.balances, bulk).catch_up()
    stage.transfer(1)
    stage.rig.mine()
    stage.follower.catch_up()
    assert stage.stored("bulk") == []
    stage.make_follower(stage.balances, bulk).catch_up()
    assert stage.stored("bulk") == stage.on_chain()


def test_two_followers_hand_out_each_block_once(stage: Stage) -> None:
    other = stage.make_follower(stage.balances, batch_blocks=1)
    for amount in range(6):
        stage.transfer(amount)
        stage.rig.mine()
        other.step()
        stage.follower.step()
    stage.follower.catch_up()
    assert Counter(stage.balances.blocks).most_common(1)[0][1] == 1
    stage.assert_equal()


def test_a_follower_that_was_overtaken_hands_out_nothing(stage: Stage) -> None:
    rpc = LaggingRpc(stage.rig.rpc)
    slow = stage.make_follower(stage.balances, evm=Evm(cast("JsonRpc", rpc)))
    slow.catch_up()
    for amount in range(3):
        stage.transfer(amount)
        stage.rig.mine()
    # Between its look at the cursor and its transaction, another worker takes the same blocks.
    rpc.before_headers = stage.follower.catch_up
    assert not slow.step().moved
    assert Counter(stage.balances.blocks).most_common(1)[0][1] == 1
    stage.assert_equal()


def test_a_consumer_that_fails_leaves_no_trace_and_is_asked_again(stage: Stage) -> None:
    class Fragile(Balances):
        broken = True

        def apply(self, connection: sa.Connection, block: FollowedBlock, logs: Sequence[RawLog]) -> None:
            super().apply(connection, block, logs)
            if logs and self.broken:
                raise RuntimeError("planted")

    fragile = Fragile()
    follower = stage.make_follower(fragile)
    stage.transfer(1)
    stage.rig.mine()
    with pytest.raises(RuntimeError):
        follower.catch_up()
    assert stage.stored() == []
    fragile.broken = False
    follower.catch_up()
    stage.assert_equal()


def test_a_deep_reorganisation_sends_final_transactions_again(stage: Stage) -> None:
    rig = stage.rig
    rig.submit("pay:1", value=1)
    broadcaster = rig.broadcaster()
    broadcaster.step()
    rig.mine(8)
    broadcaster.step()
    stage.follower.catch_up()
    assert rig.find("pay:1").state is TransactionState.FINAL
    rig.rpc.call("anvil_reorg", [8, []])
    rig.mine()
    stage.follower.catch_up()
    assert rig.find("pay:1").state is TransactionState.SENT
    before = rig.evm.balance(RICH)
    broadcaster.step()
    rig.mine(3)
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.FINAL
    assert rig.evm.balance(RICH) - before in (0, 1)


def test_another_chain_is_an_outage_that_no_retry_mends(stage: Stage, chain_rpc: JsonRpc) -> None:
    stage.follower.catch_up()
    with stage.rig.database._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE infra.block SET hash = sha256(hash)")
        connection.exec_driver_sql("UPDATE infra.follower_cursor SET block_hash = sha256(block_hash)")
    with pytest.raises(Unreachable, match="no block of the journal") as stopped:
        stage.follower.step()
    assert not stopped.value.retry


def test_the_first_start_binds_the_database_to_its_chain(fresh_postgres_url: str, manual_chain_rpc: JsonRpc) -> None:
    database = Database(fresh_postgres_url)
    evm = Evm(manual_chain_rpc)
    assert check_chain_identity(database, evm) == 31337
    assert check_chain_identity(database, evm) == 31337
    with database._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE infra.chain_identity SET chain_id = 1")
    with pytest.raises(WrongChain) as refused:
        check_chain_identity(database, evm)
    assert refused.value.code == "infra.wrong_chain" and refused.value.facts["chain_id"] == 31337
    database.close()


Action = tuple[str, int]
ACTIONS: st.SearchStrategy[list[Action]] = st.lists(
    st.one_of(
        st.tuples(st.just("transfer"), st.integers(0, 1000)),
        st.tuples(st.just("mine"), st.integers(1, 3)),
        st.tuples(st.just("reorg"), st.integers(1, 6)),
        st.tuples(st.just("rollback"), st.integers(1, 4)),
        st.tuples(st.just("step"), st.integers(1, 3)),
        st.tuples(st.just("watch"), st.just(0)),
        st.tuples(st.just("restart"), st.integers(1, 5)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_after_any_history_the_register_is_what_the_chain_says(
    database: Database, manual_chain_rpc: JsonRpc, actions: list[Action]
) -> None:
    stage = Stage(database, manual_chain_rpc)
    late = stage.rig.deploy(EMITTER)
    deployed = stage.rig.evm.block_number()
    contracts = [stage.token]
    for action, number in actions:
        match action:
            case "transfer":
                stage.transfer(number)
                stage.transfer(number + 1, contract=late)
            case "mine":
                stage.rig.mine(number)
            case "reorg":
                # Not below the contracts: a token that was never deployed is another test.
                depth = min(number, stage.rig.evm.block_number() - deployed - 1)
                if depth > 0:
                    stage.rig.rpc.call("anvil_reorg", [depth, []])
            case "rollback":
                depth = min(number, stage.rig.evm.block_number() - deployed - 1)
                if depth > 0:
                    stage.rig.rpc.call("anvil_rollback", [depth])
            case "step":
                for _ in range(number):
                    stage.follower.step()
            case "watch":
                stage.watch(late, deployed_block=deployed)
                contracts = [stage.token, late]
            case "restart":
                stage.follower = stage.make_follower(stage.balances, batch_blocks=number)
            case _:
                raise AssertionError(action)
    # A chain that only lost its newest blocks looks like a lagging node until it grows again.
    stage.rig.mine(8)
    stage.follower.catch_up()
    assert stage.stored() == stage.on_chain(*contracts)
    head = stage.rig.evm.block_number()
    assert [bytes(row.hash) for row in stage.rig.rows("SELECT hash FROM infra.block ORDER BY number")] == [
        header.hash for header in stage.rig.evm.headers(range(head + 1)) if header is not None
    ]
