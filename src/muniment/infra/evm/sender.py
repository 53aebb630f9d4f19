# SPDX-License-Identifier: Apache-2.0
"""The book of transactions: each gets its nonce, signature and row in the caller's database transaction. `broadcaster` sends them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import msgspec
import sqlalchemy as sa

from muniment.infra import metrics
from muniment.infra.clock import Clock
from muniment.infra.crashpoints import crashpoint
from muniment.infra.evm.fees import Fees, FeeSource
from muniment.infra.signing import SignedTransaction, Signer, TransactionFields
from muniment.units.errors import MunimentError
from muniment.units.ids import Address, ChainTransactionId, TenantId, TransactionHash, new_id

CHANNEL = "muniment_sender"
"""PostgreSQL notifies here at the commit of a transaction that submitted something."""


class UnknownTransaction(MunimentError):
    """No such transaction, or it is another tenant's."""

    code = "infra.unknown_transaction"
    message = "There is no transaction {transaction_id}."


class ForeignSender(MunimentError):
    """The address sends for another tenant, whose nonces must not be touched."""

    code = "infra.foreign_sender"
    message = "{address} sends for another organisation."
    cure = "Use an address of this organisation's keystore."


class TransactionState(StrEnum):
    """signed → sent → mined → final or reverted; a re-organisation leads from mined (and, a deep one, from the last two) back to sent."""

    SIGNED = "signed"
    SENT = "sent"
    MINED = "mined"
    FINAL = "final"
    REVERTED = "reverted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainTransaction:
    """One transaction and how far it has come. `hash` is the mined one of its hashes, else the newest."""

    id: ChainTransactionId
    tenant_id: TenantId | None
    purpose: str
    state: TransactionState
    hash: TransactionHash
    sender: Address
    nonce: int
    to: Address | None
    block_number: int | None
    gas_used: int | None
    succeeded: bool | None
    contract_address: Address | None
    revert_reason: str | None
    signed_at: dt.datetime
    final_at: dt.datetime | None

    @property
    def is_closed(self) -> bool:
        """Whether its fate is final."""
        return self.state in (TransactionState.FINAL, TransactionState.REVERTED)


class TransactionFinal(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction's fate is final. Dispatched again when a re-organisation deeper than the finality undid the first time."""

    kind: ClassVar[str] = "infra.transaction_final"

    transaction_id: ChainTransactionId
    tenant_id: TenantId | None
    purpose: str
    succeeded: bool
    hash: TransactionHash
    block_number: int
    gas_used: int
    contract_address: Address | None
    revert_reason: str | None


class Transactions(Protocol):
    """Submits transactions to the chain, exactly once per purpose."""

    def submit(
        self,
        *,
        tenant_id: TenantId | None,
        sender: Address,
        to: Address | None,
        data: bytes,
        purpose: str,
        gas_limit: int,
        value: int = 0,
    ) -> ChainTransaction:
        """Sign and store in the caller's transaction; it is broadcast after the commit. The same purpose again returns the stored one."""
        ...

    def find(self, purpose: str) -> ChainTransaction | None:
        """Return the tenant's transaction for `purpose`, if it was submitted."""
        ...

    def get(self, transaction_id: ChainTransactionId) -> ChainTransaction:
        """Return a transaction of the tenant, else refuse."""
        ...


class PostgresTransactions:
    """The book in the caller's transaction. Everything is local: no node is asked, but for the first nonce of a new sender.

    One sender's submissions wait for each other (row lock on its nonce), so keep what follows a submission short.
    """

    def __init__(
        self,
        connection: sa.Connection,
        *,
        tenant_id: TenantId | None,
        signer: Signer,
        fees: FeeSource,
        chain_id: int,
        first_nonce: Callable[[Address], int],
        clock: Clock,
    ) -> None:
        """`tenant_id` is whose purposes `find` looks through; `first_nonce` is `Evm.transaction_count`."""
        self._connection = connection
        self._tenant_id = tenant_id
        self._signer = signer
        self._fees = fees
        self._chain_id = chain_id
        self._first_nonce = first_nonce
        self._clock = clock

    def submit(
        self,
        *,
        tenant_id: TenantId | None,
        sender: Address,
        to: Address | None,
        data: bytes,
        purpose: str,
        gas_limit: int,
        value: int = 0,
    ) -> ChainTransaction:
        """Take the nonce, sign, store, in this order and in the caller's transaction; what is rolled back was never sent."""
        stored = self._find(tenant_id, purpose)
        if stored is not None:
            return stored
        nonce = self._lock_nonce(tenant_id, sender)
        # Another process may have submitted the same purpose while we waited for the lock.
        stored = self._find(tenant_id, purpose)
        if stored is not None:
            return stored
        fees = self._fees.bid()
        fields = TransactionFields(
            chain_id=self._chain_id,
            nonce=nonce,
            to=to,
            value=value,
            data=data,
            gas_limit=gas_limit,
            max_fee=fees.max_fee,
            max_priority_fee=fees.max_priority_fee,
        )
        signed = self._signer.sign_transaction(sender, fields)
        transaction_id = self._store(tenant_id, sender, purpose, fields, signed)
        self._connection.execute(
            sa.text("UPDATE infra.sender SET next_nonce = :next WHERE address = :sender"), {"next": nonce + 1, "sender": sender}
        )
        self._connection.execute(sa.text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
        metrics.SENDER_TRANSACTIONS.labels(state=TransactionState.SIGNED).inc()
        crashpoint("sender.after_sign")
        return self.get(transaction_id)

    def find(self, purpose: str) -> ChainTransaction | None:
        """Return this tenant's transaction for `purpose`, if it was submitted."""
        return self._find(self._tenant_id, purpose)

    def get(self, transaction_id: ChainTransactionId) -> ChainTransaction:
        """Return a transaction that row security lets this tenant see, else refuse."""
        row = self._connection.execute(sa.text(f"{_SELECT} WHERE chain_transaction_id = :id"), {"id": transaction_id}).one_or_none()
        if row is None:
            raise UnknownTransaction(transaction_id=transaction_id)
        return _transaction(row)

    def _find(self, tenant_id: TenantId | None, purpose: str) -> ChainTransaction | None:
        row = self._connection.execute(
            sa.text(f"{_SELECT} WHERE tenant_id IS NOT DISTINCT FROM :tenant_id AND purpose = :purpose"),
            {"tenant_id": tenant_id, "purpose": purpose},
        ).one_or_none()
        return None if row is None else _transaction(row)

    def _lock_nonce(self, tenant_id: TenantId | None, sender: Address) -> int:
        nonce = self._locked_nonce(sender)
        if nonce is not None:
            return nonce
        self._connection.execute(
            sa.text(
                "INSERT INTO infra.sender (address, tenant_id, next_nonce) VALUES (:address, :tenant_id, :nonce) ON CONFLICT DO NOTHING"
            ),
            {"address": sender, "tenant_id": tenant_id, "nonce": self._first_nonce(sender)},
        )
        nonce = self._locked_nonce(sender)
        if nonce is None:
            raise ForeignSender(address=sender)
        return nonce

    def _locked_nonce(self, sender: Address) -> int | None:
        return self._connection.execute(
            sa.text("SELECT next_nonce FROM infra.sender WHERE address = :sender FOR UPDATE"), {"sender": sender}
        ).scalar()

    def _store(
        self, tenant_id: TenantId | None, sender: Address, purpose: str, fields: TransactionFields, signed: SignedTransaction
    ) -> ChainTransactionId:
        now = self._clock.now()
        transaction_id = ChainTransactionId(new_id(now))
        self._connection.execute(
            sa.text(
                "INSERT INTO infra.chain_transaction (chain_transaction_id, tenant_id, purpose, sender, nonce, to_address, value_wei,"
                " data, gas_limit, hash, raw, state, signed_at) VALUES (:id, :tenant_id, :purpose, :sender, :nonce, :to, :value,"
                " :data, :gas_limit, :hash, :raw, 'signed', :now)"
            ),
            {
                "id": transaction_id,
                "tenant_id": tenant_id,
                "purpose": purpose,
                "sender": sender,
                "nonce": fields.nonce,
                "to": fields.to,
                "value": fields.value,
                "data": fields.data,
                "gas_limit": fields.gas_limit,
                "hash": signed.hash,
                "raw": signed.raw,
                "now": now,
            },
        )
        fees = Fees(max_fee=fields.max_fee, max_priority_fee=fields.max_priority_fee)
        store_hash(self._connection, transaction_id, tenant_id, signed, fees, kind="original", signed_at=now)
        return transaction_id


def store_hash(
    connection: sa.Connection,
    transaction_id: ChainTransactionId,
    tenant_id: TenantId | None,
    signed: SignedTransaction,
    fees: Fees,
    *,
    kind: str,
    signed_at: dt.datetime,
) -> None:
    """Remember one signed form of a transaction; every form is remembered for ever, because any of them may be the one that is mined."""
    connection.execute(
        sa.text(
            "INSERT INTO infra.chain_transaction_hash"
            " (hash, chain_transaction_id, tenant_id, raw, max_fee_wei, max_priority_fee_wei, kind, signed_at)"
            " VALUES (:hash, :id, :tenant_id, :raw, :max_fee, :max_priority_fee, :kind, :signed_at)"
        ),
        {
            "hash": signed.hash,
            "id": transaction_id,
            "tenant_id": tenant_id,
            "raw": signed.raw,
            "max_fee": fees.max_fee,
            "max_priority_fee": fees.max_priority_fee,
            "kind": kind,
            "signed_at": signed_at,
        },
    )


def reopen_above(connection: sa.Connection, block_number: int) -> int:
    """Put the transactions of all blocks above `block_number` back to `sent`, due to be broadcast again; return how many.

    The follower calls it in the transaction in which it forgets those blocks.
    """
    return connection.execute(
        sa.text(
            "UPDATE infra.chain_transaction SET state = 'sent', block_number = NULL, block_hash = NULL, gas_used = NULL, succeeded = NULL,"
            " contract_address = NULL, revert_reason = NULL, mined_at = NULL, final_at = NULL, broadcast_at = NULL, sent_at = NULL"
            " WHERE block_number > :block_number"
        ),
        {"block_number": block_number},
    ).rowcount


_SELECT = (
    "SELECT chain_transaction_id, tenant_id, purpose, state, hash, sender, nonce, to_address, block_number, gas_used, succeeded,"
    " contract_address, revert_reason, signed_at, final_at FROM infra.chain_transaction"
)


def _transaction(row: Any) -> ChainTransaction:
    return ChainTransaction(
        id=ChainTransactionId(row.chain_transaction_id),
        tenant_id=None if row.tenant_id is None else TenantId(row.tenant_id),
        purpose=row.purpose,
        state=TransactionState(row.state),
        hash=TransactionHash(row.hash),
        sender=Address(row.sender),
        nonce=row.nonce,
        to=None if row.to_address is None else Address(row.to_address),
        block_number=row.block_number,
        gas_used=row.gas_used,
        succeeded=row.succeeded,
        contract_address=None if row.contract_address is None else Address(row.contract_address),
        revert_reason=row.revert_reason,
        signed_at=row.signed_at,
        final_at=row.final_at,
    )
