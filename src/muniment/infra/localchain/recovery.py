# SPDX-License-Identifier: Apache-2.0
"""Makes the journalled blocks again on a fresh anvil and proves it by their hashes. Unjournalled blocks are gone: that is a re-org."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from muniment.infra.evm.journal import JournalBlock
from muniment.infra.evm.rpc import JsonRpc, RpcError
from muniment.units.errors import MunimentError

REPORT_SECONDS = 2.0
EMPTY_RUN_BLOCKS_MAX = 200
"""Hashes are compared at the end of a run of empty blocks, since each hash covers its parent's; a longer run is cut."""

Progress = Callable[[str], None]


class ReplayDiffers(MunimentError):
    """The node made another block from the same journal: nothing that follows could be trusted."""

    code = "chain.replay_differs"
    message = "Block {number} came back as {found}, but the journal has {expected}."
    cure = "Start it with the anvil version and settings that made the journal, or restore a backup; the journal is unchanged."


class ReplayRefused(MunimentError):
    """The node refused a transaction that it once mined."""

    code = "chain.replay_refused"
    message = "Transaction {index} of journalled block {number} was refused: {reason}."
    cure = "Start it with the anvil version and settings that made the journal, or restore a backup; the journal is unchanged."


class JournalBroken(MunimentError):
    """The journal is not one chain: a block is missing or names another parent."""

    code = "chain.journal_broken"
    message = "The journal is not one chain: after block {previous} comes block {number} with another parent or a gap."
    cure = "Restore a backup (muniment restore); a database changed by hand is the usual cause."


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was made again."""

    blocks: int
    transactions: int
    seconds: float
    head_number: int
    head_hash: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        if self.blocks == 0:
            return "nothing to recover"
        return (
            f"{self.blocks:,} blocks with {self.transactions:,} transactions made again in {self.seconds:.1f} s, "
            f"head {self.head_number:,} has its journalled hash"
        )


def replay(rpc: JsonRpc, journal: Iterable[JournalBlock], *, progress: Progress) -> Recovery:
    """Mine every journalled block again, in order, and compare each hash; the node must stand at block 0."""
    began = time.monotonic()
    reported = began
    genesis = rpc.call("eth_getBlockByNumber", ["0x0", False])
    head_number, head_hash = 0, bytes.fromhex(genesis["hash"][2:])
    assert int(rpc.call("eth_blockNumber"), 16) == 0, "a replay starts at block 0"
    blocks = transactions = 0
    unchecked: list[JournalBlock] = []
    for block in journal:
        if block.number == 0:
            if block.hash != head_hash:
                raise ReplayDiffers(number=0, expected=_hex(block.hash), found=_hex(head_hash))
            continue
        if block.number != head_number + 1 or block.parent_hash != head_hash:
            raise JournalBroken(previous=head_number, number=block.number)
        _mine_again(rpc, block)
        unchecked.append(block)
        if block.transactions or len(unchecked) >= EMPTY_RUN_BLOCKS_MAX:
            _check(rpc, unchecked)
            unchecked = []
        head_number, head_hash = block.number, block.hash
        blocks, transactions = blocks + 1, transactions + len(block.transactions)
        if time.monotonic() > reported + REPORT_SECONDS:
            reported = time.monotonic()
            progress(f"chain: {blocks:,} blocks made again so far")
    _check(rpc, unchecked)
    return Recovery(
        blocks=blocks,
        transactions=transactions,
        seconds=time.monotonic() - began,
        head_number=head_number,
        head_hash=_hex(head_hash),
    )


def _mine_again(rpc: JsonRpc, block: JournalBlock) -> None:
    # One by one: a node may work on the calls of a batch side by side, and here the order is everything.
    for index, transaction in enumerate(block.transactions):
        try:
            rpc.call("eth_sendRawTransaction", [_hex(transaction)])
        except RpcError as error:
            raise ReplayRefused(number=block.number, index=index, reason=error.message) from error
    try:
        rpc.call("evm_mine", [{"timestamp": block.timestamp_seconds}])
    except RpcError as error:
        raise ReplayRefused(number=block.number, index=len(block.transactions), reason=error.message) from error


def _check(rpc: JsonRpc, blocks: list[JournalBlock]) -> None:
    """Compare the last block's hash; when it differs, name the first block that does."""
    if not blocks or _hash_at(rpc, blocks[-1].number) == blocks[-1].hash:
        return
    for block in blocks:
        found = _hash_at(rpc, block.number)
        if found != block.hash:
            raise ReplayDiffers(number=block.number, expected=_hex(block.hash), found=_hex(found))


def _hash_at(rpc: JsonRpc, number: int) -> bytes:
    block = rpc.call("eth_getBlockByNumber", [hex(number), False])
    return b"" if block is None else bytes.fromhex(block["hash"][2:])


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
