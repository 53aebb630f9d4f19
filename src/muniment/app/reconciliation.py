# SPDX-License-Identifier: Apache-2.0
"""One reconciliation over everything: what settlement and servicing see of an organisation, and the sender's whole book. Mends nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from muniment.access.store import ORGANISATION
from muniment.app.wiring import Units
from muniment.servicing import process as servicing_process
from muniment.settlement import process as settlement_process
from muniment.settlement.model import Difference
from muniment.units.ids import TenantId, TransactionHash

RECEIPTS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class TenantDifference:
    """A difference and whose books it is in; without an organisation: the platform's own."""

    tenant_id: TenantId | None
    difference: Difference

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {"tenant_id": None if self.tenant_id is None else str(self.tenant_id), **self.difference.as_json()}


def tenants(units: Units) -> Sequence[TenantId]:
    """Return every organisation, oldest first."""
    with units.begin_platform() as unit:
        return [TenantId(each) for each in unit.connection.scalars(sa.select(ORGANISATION.c.tenant_id).order_by(ORGANISATION.c.tenant_id))]


def reconcile(units: Units) -> list[TenantDifference]:
    """Return every difference between the books of all organisations, the platform's among them, and the chain; empty when they agree."""
    found = [
        TenantDifference(tenant_id, difference)
        for tenant_id in tenants(units)
        for difference in (
            *settlement_process.reconcile(begin=units.of(tenant_id)),
            *servicing_process.reconcile(begin=units.of(tenant_id)),
        )
    ]
    return [*found, *_check_book(units), *_check_platform_nonces(units)]


def _check_book(units: Units) -> Iterator[TenantDifference]:
    """I8: every closed entry of the sender's book is what became of that transaction on the chain."""
    with units.begin_platform() as unit:
        entries = unit.connection.execute(
            sa.text(
                "SELECT tenant_id, purpose, hash, block_number, succeeded FROM infra.chain_transaction"
                " WHERE state IN ('final', 'reverted') ORDER BY sender, nonce"
            )
        ).all()
    for start in range(0, len(entries), RECEIPTS_AT_ONCE):
        some = entries[start : start + RECEIPTS_AT_ONCE]
        receipts = units.backend.evm.receipts([TransactionHash(entry.hash) for entry in some])
        for entry, receipt in zip(some, receipts, strict=True):
            on_chain = None if receipt is None else (receipt.block_number, receipt.succeeded)
            if on_chain != (entry.block_number, entry.succeeded):
                difference = Difference(
                    "I8",
                    "app.transaction_differs",
                    "The sender's book tells another end of a transaction than the chain.",
                    {
                        "purpose": entry.purpose,
                        "transaction": entry.hash,
                        "stored": (entry.block_number, entry.succeeded),
                        "chain": on_chain,
                    },
                )
                yield TenantDifference(None if entry.tenant_id is None else TenantId(entry.tenant_id), difference)


def _check_platform_nonces(units: Units) -> Iterator[TenantDifference]:
    """I8: the nonces of the platform's own accounts have no gap; settlement sees only an organisation's."""
    with units.begin_platform() as unit:
        # One statement, so that what is signed meanwhile is either in both columns or in neither.
        senders = unit.connection.execute(
            sa.text(
                "SELECT sender.address, sender.next_nonce, array_agg(signed.nonce ORDER BY signed.nonce) AS nonces"
                " FROM infra.sender JOIN infra.chain_transaction signed ON signed.sender = sender.address"
                " WHERE sender.tenant_id IS NULL GROUP BY sender.address ORDER BY sender.address"
            )
        ).all()
    for sender in senders:
        if sender.nonces != list(range(sender.nonces[0], sender.next_nonce)):
            facts = {"sender": sender.address, "next_nonce": sender.next_nonce, "signed": len(sender.nonces)}
            yield TenantDifference(None, Difference("I8", "app.nonce_gap", "A sender's nonces are not contiguous.", facts))
