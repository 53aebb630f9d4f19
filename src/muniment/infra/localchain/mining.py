# SPDX-License-Identifier: Apache-2.0
"""When the local chain gets its next block. Pure but for the one step that asks the node and mines."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from muniment.infra.clock import Clock
from muniment.infra.evm.rpc import JsonRpc, RpcError

POLL_SECONDS = 0.05
BRISK_SECONDS = 15.0
IDLE_SECONDS = 300.0
BRISK_FOR_SECONDS = 120.0
STUCK_BLOCKS = 30


@dataclass(slots=True)
class Rhythm:
    """A block every `block_seconds` while transactions wait and until `confirmations` + 1 blocks lie on the last of them.

    Then the chain only keeps its clock moving: every 15 s for two minutes, later every 5 minutes. Each block costs the node a little time
    and memory for ever (and a line in the journal), so an idle chain must not tick like a busy one. A transaction that stays unmined for
    30 blocks (its fee is below the floor) no longer counts as work.
    """

    block_seconds: float
    confirmations: int
    _mined_at: float = float("-inf")
    _worked_at: float = float("-inf")
    _empty_blocks: int = 1_000_000
    _stuck_blocks: int = 0
    _pending: int = 0

    def is_due(self, *, now: float, pending: int) -> bool:
        """Whether a block is due at `now` (monotonic seconds) with `pending` transactions waiting."""
        if pending > self._pending:
            self._stuck_blocks = 0
        self._pending = pending
        if (pending and self._stuck_blocks < STUCK_BLOCKS) or self._empty_blocks <= self.confirmations:
            return now - self._mined_at >= self.block_seconds
        return now - self._mined_at >= (BRISK_SECONDS if now - self._worked_at < BRISK_FOR_SECONDS else IDLE_SECONDS)

    def mined(self, *, now: float, transactions: int) -> None:
        """Note a block and how many transactions it took."""
        self._mined_at = now
        if transactions:
            self._worked_at, self._empty_blocks, self._stuck_blocks = now, 0, 0
        else:
            self._empty_blocks += 1
            self._stuck_blocks += 1 if self._pending else 0
        self._pending = max(0, self._pending - transactions)


class Miner:
    """Mines on one node in a rhythm; block times never run backwards, whatever the machine's clock does."""

    def __init__(self, rpc: JsonRpc, *, rhythm: Rhythm, clock: Clock) -> None:
        self._rpc = rpc
        self._rhythm = rhythm
        self._clock = clock

    def step(self) -> bool:
        """Mine one block if one is due; say whether it was. Call it every `POLL_SECONDS`."""
        pending = int(self._rpc.call("txpool_status")["pending"], 16)
        if not self._rhythm.is_due(now=time.monotonic(), pending=pending):
            return False
        # Somebody else may have mined in between with a later time (a test that moves the clock): read it again.
        timestamp_seconds = max(int(self._latest()["timestamp"], 16), int(self._clock.now().timestamp()))
        try:
            self._rpc.call("evm_mine", [{"timestamp": timestamp_seconds}])
        except RpcError:
            # Only a block mined by somebody else in this instant can be later than ours; the next step sees it.
            return False
        self._rhythm.mined(now=time.monotonic(), transactions=len(self._latest()["transactions"]))
        return True

    def _latest(self) -> dict[str, Any]:
        block: dict[str, Any] = self._rpc.call("eth_getBlockByNumber", ["latest", False])
        return block
