# SPDX-License-Identifier: Apache-2.0
"""What the node says arrives typed and unchanged, and decoding by hand agrees with the ABI machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

import eth_abi
import pytest
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from muniment.infra.evm import client as client_module
from muniment.infra.evm.client import Evm, Receipt
from muniment.infra.evm.decoding import (
    TRANSFER_TOPIC,
    ChainLog,
    address_bytes,
    bloom_may_contain,
    checksum,
    decode_transfers,
    revert_reason,
    to_address,
    word,
)
from muniment.infra.evm.finality import Confirmations, FinalizedTag
from muniment.infra.evm.rpc import JsonRpc, RpcError
from muniment.infra.outages import Unreachable
from muniment.units.ids import Address, TransactionHash
from tests.infra.rig import EMITTER, REVERTER, RICH, an_address, transfer_data

ADDRESSES = st.binary(min_size=20, max_size=20)


def a_log(topics: tuple[bytes, ...], data: bytes) -> ChainLog:
    return ChainLog(an_address(1), topics, data, 1, bytes(32), TransactionHash("0x" + "00" * 32), 0, 0)


@given(address=ADDRESSES)
def test_checksums_are_those_of_eip_55(address: bytes) -> None:
    assert checksum(address) == to_checksum_address(address) == to_address(address) == to_address(address.rjust(32, b"\0"))
    assert address_bytes(checksum(address)) == address


@given(sender=ADDRESSES, receiver=ADDRESSES, amount=st.integers(0, 2**256 - 1))
def test_a_transfer_decoded_by_hand_is_what_the_abi_says(sender: bytes, receiver: bytes, amount: int) -> None:
    log = a_log((TRANSFER_TOPIC, sender.rjust(32, b"\0"), receiver.rjust(32, b"\0")), amount.to_bytes(32, "big"))
    (found,) = decode_transfers([log])
    by_abi = (
        eth_abi.decode(["address"], log.topics[1])[0],
        eth_abi.decode(["address"], log.topics[2])[0],
        eth_abi.decode(["uint256"], log.data)[0],
    )
    assert found == (to_checksum_address(by_abi[0]), to_checksum_address(by_abi[1]), by_abi[2])


def test_other_events_and_deeds_are_left_out() -> None:
    word_one = bytes(32)
    logs = [
        a_log((keccak(b"Approval(address,address,uint256)"), word_one, word_one), bytes(32)),
        a_log((TRANSFER_TOPIC, word_one, word_one, word_one), b""),
        a_log((TRANSFER_TOPIC, word_one, word_one), bytes(31)),
        a_log((), b""),
    ]
    assert decode_transfers(logs) == []


def test_a_word_beyond_the_data_is_refused() -> None:
    assert word(bytes(31) + b"\x07", 0) == 7
    with pytest.raises(ValueError, match="no word 1"):
        word(bytes(63), 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no reason given"),
        (bytes.fromhex("08c379a0") + eth_abi.encode(["string"], ["no money"]), "no money"),
        (bytes.fromhex("08c379a0") + eth_abi.encode(["string"], ["a\x00\x1b[31mb"]), "a��[31mb"),
        (bytes.fromhex("08c379a0") + b"\xff" * 64, "0x08c379a0" + "ff" * 64),
        (bytes.fromhex("4e487b71") + (0x12).to_bytes(32, "big"), "panic 0x12: division by zero"),
        (bytes.fromhex("4e487b71") + (0x99).to_bytes(32, "big"), "panic 0x99: unknown"),
        (b"\x01\x02\x03\x04", "0x01020304"),
    ],
)
def test_a_revert_says_why(data: bytes, reason: str) -> None:
    assert revert_reason(data) == reason


@given(data=st.binary(max_size=300))
def test_no_revert_data_breaks_the_decoder(data: bytes) -> None:
    assert len(revert_reason(bytes.fromhex("08c379a0") + data)) <= 500


@pytest.fixture(scope="module")
def evm(chain_rpc: JsonRpc) -> Evm:
    return Evm(chain_rpc)


@pytest.fixture(scope="module")
def token(evm: Evm) -> Address:
    return deploy(evm, EMITTER)


def deploy(evm: Evm, code: bytes) -> Address:
    receipt = send(evm, {"data": "0x" + code.hex(), "gas": hex(500_000)})
    assert receipt.contract_address is not None and receipt.succeeded
    return receipt.contract_address


def send(evm: Evm, transaction: dict[str, str]) -> Receipt:
    """Send from an unlocked account and wait for the block, which the node makes a moment after its answer."""
    hash_ = evm.rpc.call("eth_sendTransaction", [{"from": RICH} | transaction])
    for _ in range(500):
        receipt = evm.receipt(hash_)
        if receipt is not None:
            return receipt
        time.sleep(0.01)
    raise AssertionError("not mined")


def emit(evm: Evm, token: Address, amount: int) -> None:
    data = "0x" + transfer_data(an_address(1), an_address(2), amount).hex()
    send(evm, {"to": token, "data": data, "gas": hex(100_000)})


def test_logs_come_in_the_chains_order_whatever_the_chunks(evm: Evm, token: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    other = deploy(evm, EMITTER)
    first = evm.block_number() + 1
    for amount in range(6):
        emit(evm, token if amount % 2 else other, amount)
    monkeypatch.setattr(client_module, "LOG_ADDRESSES_MAX", 1)
    small = Evm(evm.rpc)
    small._log_blocks = 2
    logs = small.logs([token, other], from_block=first, to_block=evm.block_number())
    assert [amount for _, _, amount in decode_transfers(logs)] == list(range(6))
    assert small.logs([], from_block=0, to_block=10) == []
    assert small.logs_of_block([token, other], evm.header(first).hash) == logs[:1]


def test_a_range_that_is_too_large_is_halved(evm: Evm, token: Address) -> None:
    class Strict:
        """A public node: at most three blocks a question."""

        def __init__(self) -> None:
            self.url = evm.rpc.url
            self.asked: list[int] = []

        def call(self, method: str, params: Sequence[Any] = ()) -> Any:
            if method == "eth_getLogs":
                blocks = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
                self.asked.append(blocks)
                if blocks > 3:
                    raise RpcError(method=method, rpc_code=-32005, message="query returned more than 10000 results")
            return evm.rpc.call(method, params)

    for amount in range(8):
        emit(evm, token, amount)
    head = evm.block_number()
    strict = Strict()
    found = Evm(cast("JsonRpc", strict)).logs([token], from_block=0, to_block=head)
    assert found == evm.logs([token], from_block=0, to_block=head) and max(strict.asked) > 3 and strict.asked[-1] <= 3


def test_the_bloom_of_a_block_never_denies_a_log_that_is_there(evm: Evm, token: Address) -> None:
    emit(evm, token, 1)
    with_log = evm.latest_header()
    assert bloom_may_contain(with_log.logs_bloom, address_bytes(token)) and bloom_may_contain(with_log.logs_bloom, TRANSFER_TOPIC)
    assert not bloom_may_contain(with_log.logs_bloom, address_bytes(an_address(123456)))
    assert not bloom_may_contain(bytes(256), address_bytes(token))


def test_many_reads_go_in_one_request_and_a_revert_carries_its_data(evm: Evm) -> None:
    # Returns its call data: CALLDATASIZE PUSH0 PUSH0 CALLDATACOPY CALLDATASIZE PUSH0 RETURN.
    echo = deploy(evm, bytes.fromhex("60078060095f395ff3365f5f37365ff3"))
    assert evm.call_many([(echo, bytes([number])) for number in range(5)], block=evm.block_number()) == [bytes([n]) for n in range(5)]
    reverter = deploy(evm, REVERTER)
    with pytest.raises(RpcError) as refused:
        evm.call(reverter, b"\x01\x02\x03\x04\x05")
    assert refused.value.data == "0x0102030405"


def test_the_nodes_facts_are_typed(evm: Evm, token: Address) -> None:
    assert evm.chain_id() == 31337
    assert evm.genesis_hash() == evm.header(0).hash and len(evm.genesis_hash()) == 32
    assert evm.code_at(token) and evm.code_at(an_address(9)) == b""
    assert evm.balance(RICH) > 0 and evm.transaction_count(RICH) > 0
    assert evm.receipt(TransactionHash("0x" + "11" * 32)) is None
    assert evm.headers([0, 10**9])[1] is None
    with pytest.raises(Unreachable, match="no block"):
        evm.header(10**9)
    assert evm.estimate_gas(sender=RICH, to=an_address(5), data=b"", value=1) == 21_000


def test_finality_is_by_confirmations_or_by_the_nodes_tag(evm: Evm) -> None:
    assert Confirmations(2).final_number(10) == 8 and Confirmations(2).final_number(1) == -1
    assert Evm(evm.rpc, finality=Confirmations(5)).final_block_number(head_number=100) == 95
    tagged = Evm(evm.rpc, finality=FinalizedTag()).final_block_number()
    assert tagged == int(evm.rpc.call("eth_getBlockByNumber", ["finalized", False])["number"], 16)


def test_a_node_that_is_not_there_is_an_outage_without_its_address() -> None:
    with pytest.raises(Unreachable) as lost:
        Evm(JsonRpc("http://user:canary@127.0.0.1:1/v3/canary")).block_number()
    assert lost.value.retry and "canary" not in str(lost.value)
