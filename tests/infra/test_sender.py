# SPDX-License-Identifier: Apache-2.0
"""Each booked transaction reaches the chain exactly once, whatever fails on the way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import eth_abi
import pytest
import sqlalchemy as sa

from muniment.infra.clock import FixedClock
from muniment.infra.evm.broadcaster import Broadcaster, classify
from muniment.infra.evm.fees import GWEI, FeePolicy, Fees
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.evm.sender import ForeignSender, TransactionState, UnknownTransaction, reopen_above
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import Database
from muniment.units.ids import ChainTransactionId
from tests.infra.rig import EMITTER, NOW, OTHER_TENANT, REVERTER, RICH, TENANT, Rig


@pytest.fixture
def database(fresh_postgres_url: str) -> Iterator[Database]:
    database = Database(fresh_postgres_url)
    yield database
    database.close()


@pytest.fixture
def rig(database: Database, manual_chain_rpc: JsonRpc) -> Rig:
    return Rig(database, manual_chain_rpc, clock=FixedClock(NOW))


def test_a_submission_is_broadcast_mined_and_final_after_the_confirmations(rig: Rig) -> None:
    rig.submit("pay:1", value=7)
    broadcaster = rig.broadcaster()
    assert rig.find("pay:1").state is TransactionState.SIGNED
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.SENT
    rig.mine()
    broadcaster.step()
    mined = rig.find("pay:1")
    assert mined.state is TransactionState.MINED and mined.succeeded and mined.gas_used == 21_000
    rig.mine()
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.MINED
    rig.mine()
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.FINAL
    events = rig.rows("SELECT kind, payload, tenant_id FROM infra.outbox_event")
    assert [event.kind for event in events] == ["infra.transaction_final"]
    assert events[0].payload["purpose"] == "pay:1" and events[0].payload["succeeded"] is True and events[0].tenant_id == TENANT


def test_one_purpose_is_one_transaction(rig: Rig) -> None:
    first, second = rig.submit("pay:1", value=1), rig.submit("pay:1", value=1)
    assert first == second
    assert rig.rows("SELECT next_nonce FROM infra.sender")[0].next_nonce == 1


def test_a_rolled_back_submission_uses_no_nonce_and_is_never_sent(rig: Rig) -> None:
    def fail_after_submitting() -> None:
        with rig.book() as book:
            book.submit(tenant_id=TENANT, sender=rig.sender, to=RICH, data=b"", purpose="lost", gas_limit=21_000)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_submitting()
    assert rig.find("lost") is None
    assert rig.submit("kept").nonce == 0


def test_submissions_at_once_get_contiguous_nonces_and_one_per_purpose(rig: Rig) -> None:
    purposes = [f"pay:{number % 20}" for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(partial(rig.submit, value=1), purposes))
    assert sorted({transaction.nonce for transaction in found}) == list(range(20))
    assert len({transaction.id for transaction in found}) == 20
    broadcaster = rig.broadcaster()
    before = rig.evm.balance(RICH)
    broadcaster.step()
    rig.mine(3)
    broadcaster.step()
    assert {rig.find(purpose).state for purpose in purposes} == {TransactionState.FINAL}
    fees_of_rich = 0
    assert rig.evm.balance(RICH) == before + 20 - fees_of_rich


def test_broadcasters_at_once_send_each_transaction_once(rig: Rig) -> None:
    for number in range(10):
        rig.submit(f"pay:{number}", value=1)
    broadcasters = [rig.broadcaster() for _ in range(4)]
    before = rig.evm.balance(RICH)
    for _ in range(4):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(Broadcaster.step, broadcasters))
        rig.mine()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Broadcaster.step, broadcasters))
    assert rig.evm.balance(RICH) == before + 10
    assert len(rig.rows("SELECT 1 FROM infra.outbox_event")) == 10


def test_bytes_that_the_node_has_already_are_marked_as_sent(rig: Rig) -> None:
    rig.submit("pay:1", value=1)
    raw = rig.rows("SELECT raw FROM infra.chain_transaction")[0].raw
    rig.evm.send_raw(bytes(raw))
    rig.broadcaster().step()
    assert rig.find("pay:1").state is TransactionState.SENT


def test_bytes_that_were_mined_before_we_noted_sending_them_become_mined(rig: Rig) -> None:
    rig.submit("pay:1", value=1)
    raw = rig.rows("SELECT raw FROM infra.chain_transaction")[0].raw
    rig.evm.send_raw(bytes(raw))
    rig.mine()
    rig.broadcaster().step()
    assert rig.find("pay:1").state is TransactionState.MINED


def test_a_stuck_transaction_is_replaced_at_its_nonce_and_either_form_closes_it(rig: Rig) -> None:
    clock = rig.clock
    assert isinstance(clock, FixedClock)
    first = rig.submit("pay:1", value=1)
    # A floor that the first bid does not reach: the node keeps it in the pool and does not mine it.
    broadcaster = rig.broadcaster(stuck_after_seconds=30)
    broadcaster.step()
    rig.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(50 * GWEI)])
    rig.mine()
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.SENT
    clock.advance(dt.timedelta(seconds=60))
    for _ in range(3):
        rig.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(50 * GWEI)])
        rig.mine()
        broadcaster.step()
        broadcaster.step()
        clock.advance(dt.timedelta(seconds=60))
    forms = rig.rows("SELECT hash, kind FROM infra.chain_transaction_hash ORDER BY max_fee_wei")
    assert [form.kind for form in forms][:2] == ["original", "replacement"]
    assert forms[0].hash == first.hash
    rig.mine(4)
    broadcaster.step()
    closed = rig.find("pay:1")
    assert closed.state is TransactionState.FINAL and closed.hash in {form.hash for form in forms} and closed.nonce == 0


def test_the_original_closes_the_transaction_when_it_is_mined_after_its_replacement_was_signed(rig: Rig) -> None:
    clock = rig.clock
    assert isinstance(clock, FixedClock)
    first = rig.submit("pay:1", value=1)
    raw = bytes(rig.rows("SELECT raw FROM infra.chain_transaction")[0].raw)
    broadcaster = rig.broadcaster(stuck_after_seconds=30)
    broadcaster.step()
    rig.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(50 * GWEI)])
    rig.mine()
    clock.advance(dt.timedelta(seconds=60))
    broadcaster.step()
    assert len(rig.rows("SELECT 1 FROM infra.chain_transaction_hash")) == 2
    # Some node of the network still had the first form.
    rig.rpc.call("anvil_dropAllTransactions")
    rig.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(GWEI)])
    rig.evm.send_raw(raw)
    rig.mine(3)
    broadcaster.step()
    closed = rig.find("pay:1")
    assert (closed.state, closed.hash) == (TransactionState.FINAL, first.hash)


def test_a_replacement_never_bids_above_the_cap(rig: Rig) -> None:
    clock = rig.clock
    assert isinstance(clock, FixedClock)
    rig.submit("pay:1", value=1)
    broadcaster = rig.broadcaster(stuck_after_seconds=30, policy=FeePolicy(max_fee_cap=GWEI))
    broadcaster.step()
    rig.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(50 * GWEI)])
    rig.mine()
    clock.advance(dt.timedelta(seconds=60))
    broadcaster.step()
    assert len(rig.rows("SELECT 1 FROM infra.chain_transaction_hash")) == 1


def test_a_reverted_transaction_keeps_its_reason(rig: Rig) -> None:
    reverter = rig.deploy(REVERTER)
    error = bytes.fromhex("08c379a0") + eth_abi.encode(["string"], ["compliance: not verified"])
    rig.submit("pay:1", to=reverter, data=error)
    rig.submit("pay:2", to=reverter, data=bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big"))
    rig.submit("pay:3", to=reverter, data=b"")
    custom = bytes.fromhex("deadbeef") + eth_abi.encode(["uint256"], [5])
    rig.submit("pay:4", to=reverter, data=custom)
    emitter = rig.deploy(EMITTER)
    rig.submit("pay:5", to=emitter, data=b"\0" * 96, gas_limit=22_500)
    broadcaster = rig.broadcaster(custom_errors={bytes.fromhex("deadbeef"): ("TooMany", ["uint256"])})
    broadcaster.step()
    rig.mine(3)
    broadcaster.step()
    found = [rig.find(f"pay:{number}") for number in range(1, 6)]
    assert [transaction.revert_reason for transaction in found] == [
        "compliance: not verified",
        "panic 0x11: arithmetic overflow",
        "no reason given",
        "TooMany(5)",
        "out of gas",
    ]
    assert {transaction.state for transaction in found} == {TransactionState.REVERTED}
    assert [event.payload["succeeded"] for event in rig.rows("SELECT payload FROM infra.outbox_event")] == [False] * 5


def test_a_deployment_tells_the_contracts_address(rig: Rig) -> None:
    rig.submit("deploy", to=None, data=EMITTER, gas_limit=1_000_000)
    broadcaster = rig.broadcaster()
    broadcaster.step()
    rig.mine(3)
    broadcaster.step()
    address = rig.find("deploy").contract_address
    assert address is not None and rig.evm.code_at(address)
    assert rig.rows("SELECT payload FROM infra.outbox_event")[0].payload["contract_address"] == address


def test_a_reorganisation_puts_a_mined_transaction_back_and_it_is_mined_again_once(rig: Rig) -> None:
    rig.submit("pay:1", value=1)
    broadcaster = rig.broadcaster()
    broadcaster.step()
    rig.mine()
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.MINED
    rig.rpc.call("anvil_reorg", [1, []])
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.SENT
    before = rig.evm.balance(RICH)
    broadcaster.step()
    rig.mine(4)
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.FINAL
    assert rig.evm.balance(RICH) <= before + 1
    assert len(rig.rows("SELECT 1 FROM infra.outbox_event")) == 1


def test_a_reorganisation_deeper_than_finality_reopens_what_was_final(rig: Rig) -> None:
    rig.submit("pay:1", value=1)
    broadcaster = rig.broadcaster()
    broadcaster.step()
    rig.mine(6)
    broadcaster.step()
    final = rig.find("pay:1")
    assert final.state is TransactionState.FINAL
    rig.rpc.call("anvil_reorg", [6, []])
    with rig.database.worker_transaction() as connection:
        assert reopen_above(connection, final.block_number - 1) == 1
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.SENT
    rig.mine(4)
    broadcaster.step()
    again = rig.find("pay:1")
    assert again.state is TransactionState.FINAL and again.hash == final.hash and again.block_number != final.block_number


def test_a_chain_that_knows_more_nonces_than_we_stops_the_start(rig: Rig) -> None:
    rig.submit("pay:1")
    broadcaster = rig.broadcaster()
    broadcaster.guard_nonces()
    rig.rpc.call("anvil_setNonce", [rig.sender, hex(5)])
    with pytest.raises(Unreachable, match="another program uses its key") as stopped:
        broadcaster.guard_nonces()
    assert not stopped.value.retry


def test_a_new_sender_starts_at_the_chains_nonce(rig: Rig) -> None:
    rig.rpc.call("anvil_setNonce", [rig.sender, hex(7)])
    assert rig.submit("pay:1").nonce == 7


def test_a_transaction_that_no_node_takes_is_cancelled_and_does_not_hold_up_the_next(rig: Rig) -> None:
    rig.submit("impossible", gas_limit=100)
    rig.submit("fine", value=1)
    broadcaster = rig.broadcaster()
    for _ in range(4):
        broadcaster.step()
    rig.mine(3)
    broadcaster.step()
    impossible, fine = rig.find("impossible"), rig.find("fine")
    assert impossible.state is TransactionState.REVERTED and "never ran" in impossible.revert_reason
    assert fine.state is TransactionState.FINAL


def test_a_sender_without_money_waits_until_it_has_some(rig: Rig) -> None:
    clock = rig.clock
    assert isinstance(clock, FixedClock)
    rig.rpc.call("anvil_setBalance", [rig.sender, "0x0"])
    rig.submit("pay:1")
    broadcaster = rig.broadcaster()
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.SIGNED
    rig.fund(rig.sender)
    clock.advance(dt.timedelta(seconds=20))
    broadcaster.step()
    rig.mine(3)
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.FINAL


def test_a_node_that_forgot_a_transaction_is_given_it_again_without_a_new_block(rig: Rig) -> None:
    clock = rig.clock
    assert isinstance(clock, FixedClock)
    rig.submit("pay:1")
    broadcaster = rig.broadcaster()
    broadcaster.step()
    rig.rpc.call("anvil_dropAllTransactions")
    clock.advance(dt.timedelta(seconds=20))
    broadcaster.step()
    rig.mine(3)
    broadcaster.step()
    assert rig.find("pay:1").state is TransactionState.FINAL


def test_tenants_see_only_their_own_transactions_and_senders(rig: Rig) -> None:
    mine = rig.submit("pay:1")
    with rig.book(OTHER_TENANT) as book:
        assert book.find("pay:1") is None
        with pytest.raises(UnknownTransaction):
            book.get(ChainTransactionId(mine.id))
        with pytest.raises(ForeignSender):
            book.submit(tenant_id=OTHER_TENANT, sender=rig.sender, to=RICH, data=b"", purpose="theft", gas_limit=21_000)


def test_a_submission_needs_no_node(rig: Rig) -> None:
    rig.submit("pay:1")
    rig.evm.rpc.url = "http://127.0.0.1:1"
    assert rig.submit("pay:2").nonce == 1


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ("already known", "known"),
        ("transaction already imported", "known"),
        ("nonce too low: next nonce 5, tx nonce 4", "nonce_used"),
        ("replacement transaction underpriced", "known"),
        ("transaction underpriced", "underpriced"),
        ("max fee per gas less than block base fee", "underpriced"),
        ("Insufficient funds for gas * price + value", "unfunded"),
        ("intrinsic gas too low", "impossible"),
        ("exceeds block gas limit", "impossible"),
        ("something new", "refused"),
    ],
)
def test_a_nodes_refusal_is_understood(message: str, meaning: str) -> None:
    assert classify(message) == meaning


def test_a_raised_bid_is_an_eighth_higher_in_both_parts_or_none_at_all() -> None:
    policy = FeePolicy(max_fee_cap=100)
    assert policy.raised(Fees(max_fee=80, max_priority_fee=8), now=Fees(max_fee=1, max_priority_fee=1)) == Fees(
        max_fee=90, max_priority_fee=9
    )
    assert policy.raised(Fees(max_fee=99, max_priority_fee=8), now=Fees(max_fee=1, max_priority_fee=1)) is None


def test_every_nonce_has_one_transaction_and_every_form_is_kept(rig: Rig) -> None:
    for number in range(5):
        rig.submit(f"pay:{number}")
    with rig.database.worker_transaction() as connection:
        nonces = connection.execute(sa.text("SELECT nonce FROM infra.chain_transaction ORDER BY nonce")).scalars().all()
        orphans = connection.execute(
            sa.text(
                "SELECT count(*) FROM infra.chain_transaction t LEFT JOIN infra.chain_transaction_hash h USING (hash) WHERE h.hash IS NULL"
            )
        ).scalar_one()
    assert nonces == list(range(5)) and orphans == 0
