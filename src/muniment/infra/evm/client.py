# SPDX-License-Identifier: Apache-2.0
"""What we ask an EVM node, typed: calls, blocks, logs, receipts, fees. Sends transactions but keeps no book of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, assert_never

from muniment.infra.evm.decoding import ChainLog, checksum, parse_log
from muniment.infra.evm.finality import Confirmations, Finality, FinalizedTag
from muniment.infra.evm.rpc import JsonRpc, RpcError
from muniment.infra.outages import Unreachable
from muniment.units.ids import Address, TransactionHash

BlockTag: TypeAlias = Literal["latest", "pending", "safe", "finalized", "earliest"]

LOG_BLOCKS_MAX = 2000
"""Blocks in one eth_getLogs; public nodes refuse more. Halved when a node says that the answer is too large."""

LOG_ADDRESSES_MAX = 500


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """A block without its transactions. `timestamp_seconds` is Unix time; `base_fee` in wei (0 before EIP-1559)."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp_seconds: int
    base_fee: int
    gas_limit: int
    logs_bloom: bytes
    transaction_count: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a mined transaction."""

    transaction_hash: TransactionHash
    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int
    effective_gas_price: int
    contract_address: Address | None


class Evm:
    """Typed questions to one node. Raises `Unreachable` where there is no usable answer and `RpcError` where the node refuses."""

    def __init__(self, rpc: JsonRpc, *, finality: Finality | None = None) -> None:
        self.rpc = rpc
        self.finality: Finality = finality or Confirmations()
        self._log_blocks = LOG_BLOCKS_MAX

    def chain_id(self) -> int:
        """Return the chain's id (EIP-155)."""
        return _number(self.rpc.call("eth_chainId"))

    def genesis_hash(self) -> bytes:
        """Return the hash of block 0."""
        return self.header(0).hash

    def block_number(self) -> int:
        """Return the number of the newest block that the node knows."""
        return _number(self.rpc.call("eth_blockNumber"))

    def final_block_number(self, *, head_number: int | None = None) -> int:
        """Return the newest final block by this chain's rule; -1 while there is none."""
        match self.finality:
            case Confirmations() as confirmations:
                return confirmations.final_number(self.block_number() if head_number is None else head_number)
            case FinalizedTag():
                block = self.rpc.call("eth_getBlockByNumber", ["finalized", False])
                return -1 if block is None else _number(block["number"])
            case _:
                assert_never(self.finality)

    def header(self, number: int) -> BlockHeader:
        """Return one block; a block that the node does not have is an outage: it said before that it does, or soon will."""
        found = self.headers([number])[0]
        if found is None:
            raise Unreachable("rpc", detail=f"no block {number}", retry=True)
        return found

    def headers(self, numbers: Sequence[int]) -> list[BlockHeader | None]:
        """Return several blocks in one request; None for those that the node does not have."""
        blocks = self.rpc.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
        return [None if block is None else _header(block) for block in blocks]

    def latest_header(self) -> BlockHeader:
        """Return the newest block."""
        block = self.rpc.call("eth_getBlockByNumber", ["latest", False])
        if block is None:
            raise Unreachable("rpc", detail="no newest block", retry=True)
        return _header(block)

    def call(self, to: Address, data: bytes, *, block: BlockTag | int = "latest", sender: Address | None = None) -> bytes:
        """Return what a read of contract `to` gives at `block`; a revert raises `RpcError` with the revert data."""
        return _bytes(self.rpc.call("eth_call", [_call(to, data, sender), _block(block)]))

    def call_many(self, calls: Sequence[tuple[Address, bytes]], *, block: BlockTag | int = "latest") -> list[bytes]:
        """Return the results of many reads in one request; give a block number where they must agree with each other."""
        results = self.rpc.batch([("eth_call", [_call(to, data, None), _block(block)]) for to, data in calls])
        return [_bytes(result) for result in results]

    def estimate_gas(self, *, sender: Address, to: Address | None, data: bytes, value: int = 0) -> int:
        """Return the node's estimate of the gas; a call that would revert raises `RpcError`."""
        return _number(self.rpc.call("eth_estimateGas", [_call(to, data, sender) | {"value": hex(value)}]))

    def code_at(self, address: Address, *, block: BlockTag | int = "latest") -> bytes:
        """Return the contract's code; empty where there is none."""
        return _bytes(self.rpc.call("eth_getCode", [address, _block(block)]))

    def balance(self, address: Address, *, block: BlockTag | int = "latest") -> int:
        """Return the balance in wei."""
        return _number(self.rpc.call("eth_getBalance", [address, _block(block)]))

    def transaction_count(self, address: Address, *, block: BlockTag | int = "latest") -> int:
        """Return the number of transactions that `address` has sent by `block`: its next nonce on chain."""
        return _number(self.rpc.call("eth_getTransactionCount", [address, _block(block)]))

    def priority_fee(self) -> int:
        """Return the tip, in wei per gas, that the node suggests."""
        return _number(self.rpc.call("eth_maxPriorityFeePerGas"))

    def receipt(self, transaction_hash: TransactionHash) -> Receipt | None:
        """Return the receipt of a mined transaction, else None."""
        return self.receipts([transaction_hash])[0]

    def receipts(self, hashes: Sequence[TransactionHash]) -> list[Receipt | None]:
        """Return many receipts in one request."""
        answers = self.rpc.batch([("eth_getTransactionReceipt", [hash_]) for hash_ in hashes])
        return [None if answer is None else _receipt(answer) for answer in answers]

    def send_raw(self, raw: bytes) -> TransactionHash:
        """Hand signed bytes to the node; its refusal raises `RpcError`."""
        return TransactionHash(self.rpc.call("eth_sendRawTransaction", ["0x" + raw.hex()]))

    def logs(
        self,
        addresses: Sequence[Address],
        *,
        from_block: int,
        to_block: int,
        topics: Sequence[bytes | None] = (),
        progress: Callable[[int], None] | None = None,
    ) -> list[ChainLog]:
        """Return the logs of some contracts in a range of blocks, in the order of the chain; none at all for no addresses.

        Asks in ranges that the node can answer. `topics` filters by position, None being any. `progress` hears the last block read.
        """
        found: list[ChainLog] = []
        start = from_block
        while addresses and start <= to_block:
            end = min(to_block, start + self._log_blocks - 1)
            try:
                part = self._logs_of_range(addresses, start, end, topics)
            except RpcError as error:
                if start == end or not _is_too_large(error):
                    raise
                self._log_blocks = max(1, (end - start + 1) // 2)
                continue
            # Several address chunks come one after the other: put the chain's order back.
            part.sort(key=lambda log: (log.block_number, log.log_index))
            found += part
            if progress is not None:
                progress(end)
            start = end + 1
        return found

    def logs_of_block(self, addresses: Sequence[Address], block_hash: bytes) -> list[ChainLog]:
        """Return the logs of one block by its hash: a node that lacks the block must say so instead of giving an empty list."""
        found: list[ChainLog] = []
        for chunk in _chunks(addresses, LOG_ADDRESSES_MAX):
            found += map(parse_log, self.rpc.call("eth_getLogs", [{"address": list(chunk), "blockHash": "0x" + block_hash.hex()}]))
        return sorted(found, key=lambda log: log.log_index)

    def _logs_of_range(self, addresses: Sequence[Address], start: int, end: int, topics: Sequence[bytes | None]) -> list[ChainLog]:
        found: list[ChainLog] = []
        for chunk in _chunks(addresses, LOG_ADDRESSES_MAX):
            question: dict[str, Any] = {"address": list(chunk), "fromBlock": hex(start), "toBlock": hex(end)}
            if topics:
                question["topics"] = [None if topic is None else "0x" + topic.hex() for topic in topics]
            found += map(parse_log, self.rpc.call("eth_getLogs", [question]))
        return found


def _header(block: Mapping[str, Any]) -> BlockHeader:
    return BlockHeader(
        number=_number(block["number"]),
        hash=_bytes(block["hash"]),
        parent_hash=_bytes(block["parentHash"]),
        timestamp_seconds=_number(block["timestamp"]),
        base_fee=_number(block.get("baseFeePerGas") or "0x0"),
        gas_limit=_number(block["gasLimit"]),
        logs_bloom=_bytes(block["logsBloom"]),
        transaction_count=len(block["transactions"]),
    )


def _receipt(answer: Mapping[str, Any]) -> Receipt:
    created = answer.get("contractAddress")
    return Receipt(
        transaction_hash=TransactionHash(answer["transactionHash"]),
        block_number=_number(answer["blockNumber"]),
        block_hash=_bytes(answer["blockHash"]),
        succeeded=_number(answer["status"]) == 1,
        gas_used=_number(answer["gasUsed"]),
        effective_gas_price=_number(answer.get("effectiveGasPrice") or "0x0"),
        contract_address=None if created is None else checksum(_bytes(created)),
    )


def _call(to: Address | None, data: bytes, sender: Address | None) -> dict[str, Any]:
    body: dict[str, Any] = {"data": "0x" + data.hex()}
    if to is not None:
        body["to"] = to
    if sender is not None:
        body["from"] = sender
    return body


def _block(block: BlockTag | int) -> str:
    return hex(block) if isinstance(block, int) else block


def _number(text: str) -> int:
    return int(text, 16)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _chunks(items: Sequence[Address], size: int) -> list[Sequence[Address]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _is_too_large(error: RpcError) -> bool:
    # There is no standard code: -32005 is "limit exceeded" (EIP-1474); others only say so in words.
    words = error.message.lower()
    return error.rpc_code == -32005 or any(part in words for part in ("too many", "too large", "limit", "range", "more than"))
