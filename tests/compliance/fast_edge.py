# SPDX-License-Identifier: Apache-2.0
"""The node and the sender as `compliance.chain` knows them, over an EVM in this process: what is submitted happens at once. No test."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, cast

from muniment.compliance.chain import VENUE_LISTED, EvmCompliance
from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.addresses import created_address
from muniment.infra.evm.client import Evm
from muniment.infra.evm.decoding import ChainLog, address_bytes
from muniment.infra.evm.sender import ChainTransaction, TransactionState
from muniment.units.ids import Address, ChainTransactionId, TenantId, TransactionHash
from tests.contracts.chain import Chain, Done

TENANT = TenantId(uuid.UUID(int=1))
NONCES_MAX = 100_000


class FastNode:
    """Answers what `EvmCompliance` asks a node."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._venue_logs: list[ChainLog] = []

    def call(self, to: Address, data: bytes) -> bytes:
        return self._chain.ask(to, data, sender=None)

    def call_many(self, calls: Sequence[tuple[Address, bytes]]) -> list[bytes]:
        return [self.call(to, data) for to, data in calls]

    def block_number(self) -> int:
        return len(self._venue_logs)

    def logs(self, addresses: Sequence[Address], *, topics: Sequence[bytes | None], **_: object) -> list[ChainLog]:
        return [log for log in self._venue_logs if log.address in addresses and log.topics[1] == topics[1]]

    def hear(self, contract: Address, done: Done) -> None:
        """Keep what a transaction logged about venues, as a node keeps it."""
        for decoded in done.logs:
            if decoded.event == "VenueListed":
                token, venue = (address_bytes(decoded.values[name]).rjust(32, b"\0") for name in ("token", "venue"))
                data = int(decoded.values["is_listed"]).to_bytes(32, "big")
                place = len(self._venue_logs)
                topics = (VENUE_LISTED, token, venue)
                self._venue_logs.append(ChainLog(contract, topics, data, place, b"", TransactionHash(f"0x{place}"), 0, place))


class FastTransactions:
    """Does what is submitted at once, once per purpose; a refusal is the caller's `Reverted`."""

    def __init__(self, chain: Chain, node: FastNode) -> None:
        self._chain = chain
        self._node = node
        self._sent: dict[str, ChainTransaction] = {}
        self.done: list[Done] = []
        """What the transactions since it was last cleared answered and logged."""

    def find(self, purpose: str) -> ChainTransaction | None:
        return self._sent.get(purpose)

    def submit(self, *, sender: Address, to: Address | None, data: bytes, purpose: str, **_: object) -> ChainTransaction:
        if purpose in self._sent:
            return self._sent[purpose]
        nonce = 0
        if to is None:
            created = self._chain.create(data, sender=sender)
            nonce = next(number for number in range(NONCES_MAX) if created_address(sender, number) == created)
            self._chain.attach(contract_artifacts.load("transfer_rules"), created)
        else:
            done = self._chain.send(to, data, sender=sender)
            self._node.hear(to, done)
            self.done.append(done)
        now = dt.datetime.fromtimestamp(self._chain.now, tz=dt.UTC)
        self._sent[purpose] = ChainTransaction(
            id=ChainTransactionId(uuid.uuid4()),
            tenant_id=TENANT,
            purpose=purpose,
            state=TransactionState.FINAL,
            hash=TransactionHash("0x"),
            sender=sender,
            nonce=nonce,
            to=to,
            block_number=0,
            gas_used=0,
            succeeded=True,
            contract_address=None,
            revert_reason=None,
            signed_at=now,
            final_at=now,
        )
        return self._sent[purpose]


def fast_edge(chain: Chain) -> tuple[EvmCompliance, FastTransactions]:
    """Return the product's edge to the contracts over such a chain, and what it submits through."""
    node = FastNode(chain)
    transactions = FastTransactions(chain, node)
    return EvmCompliance(cast("Evm", node), cast("Any", transactions), tenant_id=TENANT), transactions
