# SPDX-License-Identifier: Apache-2.0
"""What to bid for a transaction: EIP-1559 fees under a cap, and the higher bid for one that is stuck. Signs and sends nothing."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Protocol

from muniment.infra.evm.client import Evm
from muniment.infra.evm.rpc import RpcError
from muniment.infra.outages import Unreachable

GWEI = 10**9


@dataclass(frozen=True, slots=True)
class Fees:
    """A bid in wei per gas: at most `max_fee` in all, of which at most `max_priority_fee` goes to the block's builder."""

    max_fee: int
    max_priority_fee: int

    def __post_init__(self) -> None:
        """Hold what EIP-1559 demands."""
        assert 0 <= self.max_priority_fee <= self.max_fee, "the tip is part of the fee"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeePolicy:
    """How we bid. Nothing here is ever exceeded, so a fee spike delays transactions and costs no fortune."""

    max_fee_cap: int = 500 * GWEI
    """The most that any bid offers per gas, in wei."""
    priority_fee_min: int = 1
    """The least tip, in wei per gas; nodes drop transactions without one."""
    base_fee_multiple: int = 2
    """A bid covers the base fee rising this much: six full blocks double it (EIP-1559: at most one eighth a block)."""
    first_bid: Fees = Fees(max_fee=20 * GWEI, max_priority_fee=GWEI)
    """The bid when the node never answered yet; too low a bid is raised later."""

    def bid(self, *, base_fee: int, priority_fee: int) -> Fees:
        """Return the bid for a new transaction."""
        tip = max(priority_fee, self.priority_fee_min)
        max_fee = min(self.max_fee_cap, base_fee * self.base_fee_multiple + tip)
        return Fees(max_fee=max_fee, max_priority_fee=min(tip, max_fee))

    def raised(self, old: Fees, *, now: Fees) -> Fees | None:
        """Return the bid that replaces `old`: at least one eighth higher in both parts, and no lower than a new bid; None above the cap.

        Nodes take a replacement only when both parts rise by a tenth (geth's `txpool.pricebump`); an eighth leaves room for rounding.
        """
        max_fee = max(_raise(old.max_fee), now.max_fee)
        tip = max(_raise(old.max_priority_fee), now.max_priority_fee)
        max_fee = max(max_fee, tip)
        return None if max_fee > self.max_fee_cap else Fees(max_fee=max_fee, max_priority_fee=tip)


class FeeSource(Protocol):
    """Says what a new transaction should bid now."""

    def bid(self) -> Fees:
        """Return the bid; never waits long and never fails: a signature must not depend on the node being up."""
        ...


class FeeQuotes:
    """Bids by the node's base fee and suggested tip, asked at most once per `fresh_seconds`; the last bid while the node is silent."""

    def __init__(self, evm: Evm, policy: FeePolicy | None = None, *, fresh_seconds: float = 2.0) -> None:
        self._evm = evm
        self.policy = policy or FeePolicy()
        self._fresh_seconds = fresh_seconds
        self._lock = threading.Lock()
        self._last = self.policy.first_bid
        self._asked_at: float | None = None

    def bid(self) -> Fees:
        """Return the present bid."""
        with self._lock:
            now = time.monotonic()
            if self._asked_at is not None and now - self._asked_at < self._fresh_seconds:
                return self._last
            # Also after a failure: a silent node is not asked again by every caller.
            self._asked_at = now
            try:
                base_fee = self._evm.latest_header().base_fee
                self._last = self.policy.bid(base_fee=base_fee, priority_fee=self._priority_fee())
            except (Unreachable, RpcError):
                return self._last
            return self._last

    def _priority_fee(self) -> int:
        try:
            return self._evm.priority_fee()
        except RpcError:
            # Not every node has eth_maxPriorityFeePerGas.
            return self.policy.priority_fee_min


def _raise(amount: int) -> int:
    return amount + max(1, -(-amount // 8))
