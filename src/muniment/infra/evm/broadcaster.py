# SPDX-License-Identifier: Apache-2.0
"""Brings booked transactions to the chain: broadcast, replace when stuck, watch until final. Takes no nonce and books nothing new."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog

from muniment.infra import jobs, metrics
from muniment.infra.clock import Clock
from muniment.infra.crashpoints import crashpoint
from muniment.infra.evm.client import BlockHeader, Evm, Receipt
from muniment.infra.evm.decoding import revert_reason
from muniment.infra.evm.fees import FeePolicy, Fees, FeeSource
from muniment.infra.evm.rpc import RpcError
from muniment.infra.evm.sender import TransactionFinal, TransactionState, store_hash
from muniment.infra.outages import Unreachable
from muniment.infra.outbox import PostgresOutbox
from muniment.infra.postgres.database import Database
from muniment.infra.signing import Signer, TransactionFields
from muniment.units.ids import Address, ChainTransactionId, TenantId, TransactionHash

OPEN_MAX = 1000
"""Open transactions of one sender looked at in one pass, by nonce."""

TRANSFER_GAS = 21_000
FOREIGN_SIGHTINGS = 3
"""Passes in a row that must miss our receipt at a used nonce before we say that somebody else used it: nodes lag."""

_log = structlog.get_logger("sender")

CustomErrors = Mapping[bytes, tuple[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class SignedForm:
    """One of a transaction's signed forms."""

    hash: TransactionHash
    raw: bytes
    fees: Fees
    kind: str


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A booked transaction whose fate is open, with its signed forms from oldest to newest."""

    id: ChainTransactionId
    tenant_id: TenantId | None
    purpose: str
    sender: Address
    nonce: int
    to: Address | None
    value: int
    data: bytes
    gas_limit: int
    state: TransactionState
    block_hash: bytes | None
    node_refusal: str | None
    signed_at: dt.datetime
    broadcast_at: dt.datetime | None
    sent_at: dt.datetime | None
    forms: tuple[SignedForm, ...]
    newest_signed_at: dt.datetime


class Broadcaster:
    """Works through the book, one sender after the other; several may run at once, each sender being one's at a time.

    Every step may be lost and done again: the same bytes sent twice are one transaction, and a state is only written from the
    chain's own answer. So a crash at any line costs time and nothing else.
    """

    def __init__(
        self,
        database: Database,
        evm: Evm,
        *,
        chain_id: int,
        signer: Callable[[sa.Connection], Signer],
        fees: FeeSource,
        policy: FeePolicy | None = None,
        clock: Clock,
        custom_errors: CustomErrors | None = None,
        stuck_after_seconds: float = 45.0,
        broadcast_again_after_seconds: float = 10.0,
    ) -> None:
        """`signer` makes a signer for a transaction with the worker's rights: replacements are signed here."""
        self._database = database
        self._evm = evm
        self._chain_id = chain_id
        self._signer = signer
        self._fees = fees
        self._policy = policy or FeePolicy()
        self._clock = clock
        self._custom_errors = custom_errors
        self._stuck_after = dt.timedelta(seconds=stuck_after_seconds)
        self._broadcast_again_after = dt.timedelta(seconds=broadcast_again_after_seconds)
        self._seen_head: dict[Address, bytes] = {}
        self._foreign_sightings: dict[ChainTransactionId, int] = defaultdict(int)
        self._blocked: set[Address] = set()
        self._signed_again: set[ChainTransactionId] = set()

    def guard_nonces(self) -> None:
        """Refuse to go on when the chain has seen a nonce that our book has not given out: somebody else uses the key.

        That also is how a database looks that was restored from before the last transactions.
        """
        with self._database.worker_transaction() as connection:
            rows = connection.execute(sa.text("SELECT address, next_nonce FROM infra.sender ORDER BY address")).all()
        for row in rows:
            on_chain = self._evm.transaction_count(Address(row.address))
            if on_chain > row.next_nonce:
                raise Unreachable(
                    "sender",
                    detail=f"{row.address} has sent {on_chain} transactions on chain, but this database knows {row.next_nonce}: "
                    "another program uses its key, or the database is older than the chain. "
                    "Stop the other program or restore the newest backup",
                    retry=False,
                )

    def step(self) -> int:
        """Bring every sender's open transactions one step on; return how many changed their state."""
        with self._database.worker_transaction() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT sender, count(*) AS open, bool_or(state = 'signed' OR broadcast_at IS NULL"
                    " OR (state = 'sent' AND broadcast_at <= :due)) AS has_due"
                    " FROM infra.chain_transaction WHERE state IN ('signed', 'sent', 'mined') GROUP BY sender ORDER BY sender"
                ),
                {"due": self._clock.now() - self._broadcast_again_after},
            ).all()
        metrics.SENDER_OPEN.set(sum(row.open for row in rows))
        if not rows:
            return 0
        head = self._evm.latest_header()
        changed = 0
        for row in rows:
            # Between blocks nothing happens to a transaction that was sent, unless the node was restarted and forgot it.
            if row.has_due or self._seen_head.get(row.sender) != head.hash:
                changed += self._advance(Address(row.sender), head)
        metrics.SENDER_BLOCKED.set(len(self._blocked))
        return changed

    def _advance(self, sender: Address, head: BlockHeader) -> int:
        with self._database.worker_transaction() as connection:
            if not connection.execute(
                sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"muniment.sender:{sender}"}
            ).scalar():
                return 0
            self._signed_again.clear()
            transactions = _open_transactions(connection, sender)
            changed = self._broadcast_due(connection, transactions)
            # What was signed a moment ago cannot be in a block that was read before.
            if self._seen_head.get(sender) != head.hash:
                changed += self._watch(connection, sender, transactions, head)
        self._seen_head[sender] = head.hash
        return changed

    # Broadcasting.

    def _broadcast_due(self, connection: sa.Connection, transactions: Sequence[OpenTransaction]) -> int:
        changed = 0
        now = self._clock.now()
        for transaction in transactions:
            if transaction.state is TransactionState.MINED:
                continue
            if transaction.broadcast_at is not None and now - transaction.broadcast_at < self._broadcast_again_after:
                continue
            if not self._broadcast(connection, transaction):
                # Later nonces cannot be mined before this one.
                self._blocked.add(transaction.sender)
                break
            self._blocked.discard(transaction.sender)
            changed += transaction.state is TransactionState.SIGNED
        return changed

    def _broadcast(self, connection: sa.Connection, transaction: OpenTransaction) -> bool:
        """Send the newest form; return whether the node has it or knows better."""
        form = transaction.forms[-1]
        crashpoint("sender.before_broadcast")
        try:
            self._evm.send_raw(form.raw)
            answer = "accepted"
        except RpcError as error:
            answer = classify(error.message)
            if answer not in ("known", "nonce_used"):
                _log.warning("sender.refused", transaction_id=str(transaction.id), answer=answer, reason=error.message)
        else:
            crashpoint("sender.after_broadcast")
        metrics.SENDER_BROADCASTS.labels(answer=answer).inc()
        return self._mark_broadcast(connection, transaction, answer)

    def _mark_broadcast(self, connection: sa.Connection, transaction: OpenTransaction, answer: str) -> bool:
        now = self._clock.now()
        is_sent = answer in ("accepted", "known", "nonce_used")
        connection.execute(
            sa.text(
                "UPDATE infra.chain_transaction SET broadcast_at = :now,"
                " state = CASE WHEN :is_sent THEN 'sent' ELSE state END,"
                " sent_at = CASE WHEN :is_sent THEN coalesce(sent_at, :now) ELSE sent_at END,"
                " node_refusal = coalesce(:refusal, CASE WHEN :is_sent THEN NULL ELSE node_refusal END)"
                " WHERE chain_transaction_id = :id AND state IN ('signed', 'sent')"
            ),
            {
                "now": now,
                "is_sent": is_sent,
                # A cancellation keeps the words that made it necessary.
                "refusal": transaction.node_refusal
                if is_sent and transaction.forms[-1].kind == "cancellation"
                else (None if is_sent else answer),
                "id": transaction.id,
            },
        )
        if is_sent:
            metrics.SENDER_TRANSACTIONS.labels(state=TransactionState.SENT).inc()
        crashpoint("sender.after_mark")
        match answer:
            case "underpriced":
                self._replace(connection, transaction)
            case "impossible":
                self._cancel(connection, transaction)
            case _:
                pass
        return is_sent

    def _replace(self, connection: sa.Connection, transaction: OpenTransaction) -> None:
        """Sign the transaction again with a higher fee at the same nonce; it is broadcast after this commit, like a new one."""
        newest = transaction.forms[-1]
        fees = self._policy.raised(newest.fees, now=self._fees.bid())
        if fees is None:
            _log.error("sender.fee_cap_reached", transaction_id=str(transaction.id), cap=self._policy.max_fee_cap)
            return
        is_cancellation = newest.kind == "cancellation"
        self._sign_again(connection, transaction, fees, kind="cancellation" if is_cancellation else "replacement")
        metrics.SENDER_REPLACED.inc()

    def _cancel(self, connection: sa.Connection, transaction: OpenTransaction) -> None:
        """Fill the nonce of a transaction that no node will ever take with an empty transfer to the sender itself."""
        if transaction.forms[-1].kind == "cancellation":
            return
        fees = self._policy.raised(transaction.forms[-1].fees, now=self._fees.bid())
        if fees is None:
            _log.error("sender.fee_cap_reached", transaction_id=str(transaction.id), cap=self._policy.max_fee_cap)
            return
        self._sign_again(connection, transaction, fees, kind="cancellation")

    def _sign_again(self, connection: sa.Connection, transaction: OpenTransaction, fees: Fees, *, kind: str) -> None:
        is_cancellation = kind == "cancellation"
        fields = TransactionFields(
            chain_id=self._chain_id,
            nonce=transaction.nonce,
            to=transaction.sender if is_cancellation else transaction.to,
            value=0 if is_cancellation else transaction.value,
            data=b"" if is_cancellation else transaction.data,
            gas_limit=TRANSFER_GAS if is_cancellation else transaction.gas_limit,
            max_fee=fees.max_fee,
            max_priority_fee=fees.max_priority_fee,
        )
        signed = self._signer(connection).sign_transaction(transaction.sender, fields)
        store_hash(connection, transaction.id, transaction.tenant_id, signed, fees, kind=kind, signed_at=self._clock.now())
        connection.execute(
            sa.text("UPDATE infra.chain_transaction SET hash = :hash, raw = :raw, broadcast_at = NULL WHERE chain_transaction_id = :id"),
            {"hash": signed.hash, "raw": signed.raw, "id": transaction.id},
        )
        self._signed_again.add(transaction.id)
        _log.info("sender.signed_again", transaction_id=str(transaction.id), form=kind, max_fee_wei=fees.max_fee)

    # Watching.

    def _watch(self, connection: sa.Connection, sender: Address, transactions: Sequence[OpenTransaction], head: BlockHeader) -> int:
        """Compare the book with the chain as of `head`."""
        if not transactions:
            return 0
        final_number = self._evm.final_block_number(head_number=head.number)
        # Before the receipts: a nonce used by then whose receipt is missing afterwards was used by somebody else.
        used_nonces = self._evm.transaction_count(sender, block=max(final_number, 0))
        receipts = self._receipts(transactions)
        canonical = self._canonical_hashes({receipt.block_number for receipt in receipts.values()})
        changed = 0
        lowest_open: OpenTransaction | None = None
        for transaction in transactions:
            receipt = receipts.get(transaction.id)
            if receipt is not None and canonical.get(receipt.block_number) == receipt.block_hash:
                self._foreign_sightings.pop(transaction.id, None)
                changed += self._mark_mined(connection, transaction, receipt, is_final=receipt.block_number <= final_number)
                continue
            if transaction.state is TransactionState.MINED:
                self._mark_unmined(connection, transaction)
                changed += 1
            elif transaction.nonce < used_nonces:
                self._note_foreign(transaction)
            lowest_open = lowest_open or transaction
        if lowest_open is not None:
            self._replace_if_stuck(connection, lowest_open)
        return changed

    def _receipts(self, transactions: Sequence[OpenTransaction]) -> dict[ChainTransactionId, Receipt]:
        """Return the receipt of each transaction that has one, under whichever of its hashes."""
        hashes = [(transaction.id, form.hash) for transaction in transactions for form in transaction.forms]
        found = self._evm.receipts([hash_ for _, hash_ in hashes])
        return {id_: receipt for (id_, _), receipt in zip(hashes, found, strict=True) if receipt is not None}

    def _canonical_hashes(self, numbers: set[int]) -> dict[int, bytes]:
        """Return the present hashes of blocks: a node may still tell of a receipt in a block that it has left."""
        ordered = sorted(numbers)
        headers = self._evm.headers(ordered) if ordered else []
        return {number: header.hash for number, header in zip(ordered, headers, strict=True) if header is not None}

    def _mark_mined(self, connection: sa.Connection, transaction: OpenTransaction, receipt: Receipt, *, is_final: bool) -> bool:
        if not is_final and transaction.state is TransactionState.MINED and transaction.block_hash == receipt.block_hash:
            return False
        form = next(form for form in transaction.forms if form.hash == receipt.transaction_hash)
        succeeded = receipt.succeeded and form.kind != "cancellation"
        reason = None if succeeded else self._reason(transaction, receipt, form)
        state = TransactionState.MINED
        if is_final:
            state = TransactionState.FINAL if succeeded else TransactionState.REVERTED
        now = self._clock.now()
        crashpoint("sender.before_final" if is_final else "sender.before_mined")
        updated = connection.execute(
            sa.text(
                "UPDATE infra.chain_transaction SET state = :state, hash = :hash, raw = :raw, block_number = :block_number,"
                " block_hash = :block_hash, gas_used = :gas_used, succeeded = :succeeded, contract_address = :contract_address,"
                " revert_reason = :reason, mined_at = coalesce(mined_at, :now), final_at = :final_at,"
                " sent_at = coalesce(sent_at, :now), broadcast_at = coalesce(broadcast_at, :now)"
                " WHERE chain_transaction_id = :id AND state IN ('signed', 'sent', 'mined')"
            ),
            {
                "state": state,
                "hash": form.hash,
                "raw": form.raw,
                "block_number": receipt.block_number,
                "block_hash": receipt.block_hash,
                "gas_used": receipt.gas_used,
                "succeeded": succeeded,
                "contract_address": receipt.contract_address if succeeded else None,
                "reason": reason,
                "now": now,
                "final_at": now if is_final else None,
                "id": transaction.id,
            },
        ).rowcount
        if not updated:
            return False
        metrics.SENDER_TRANSACTIONS.labels(state=state).inc()
        # Some steps go on as soon as a transaction is in a block; the final ones are woken by the event below, after everyone else reacted.
        jobs.wake(connection, tenant_id=transaction.tenant_id, purpose=transaction.purpose)
        if is_final:
            metrics.SENDER_FINAL_SECONDS.observe(max(0.0, (now - transaction.signed_at).total_seconds()))
            PostgresOutbox(connection, tenant_id=transaction.tenant_id, clock=self._clock).record(
                TransactionFinal(
                    transaction_id=transaction.id,
                    tenant_id=transaction.tenant_id,
                    purpose=transaction.purpose,
                    succeeded=succeeded,
                    hash=form.hash,
                    block_number=receipt.block_number,
                    gas_used=receipt.gas_used,
                    contract_address=receipt.contract_address if succeeded else None,
                    revert_reason=reason,
                )
            )
        return True

    def _mark_unmined(self, connection: sa.Connection, transaction: OpenTransaction) -> None:
        _log.warning("sender.unmined", transaction_id=str(transaction.id))
        connection.execute(
            sa.text(
                "UPDATE infra.chain_transaction SET state = 'sent', block_number = NULL, block_hash = NULL, gas_used = NULL,"
                " succeeded = NULL, contract_address = NULL, revert_reason = NULL, mined_at = NULL, broadcast_at = NULL, sent_at = NULL"
                " WHERE chain_transaction_id = :id AND state = 'mined'"
            ),
            {"id": transaction.id},
        )

    def _note_foreign(self, transaction: OpenTransaction) -> None:
        self._foreign_sightings[transaction.id] += 1
        if self._foreign_sightings[transaction.id] == FOREIGN_SIGHTINGS:
            self._blocked.add(transaction.sender)
            _log.error(
                "sender.nonce_taken",
                transaction_id=str(transaction.id),
                sender=transaction.sender,
                nonce=transaction.nonce,
                cure="Another program used this key. Stop it; this transaction can never be mined and needs a person.",
            )

    def _replace_if_stuck(self, connection: sa.Connection, transaction: OpenTransaction) -> None:
        if transaction.state is not TransactionState.SENT or transaction.broadcast_at is None:
            return
        if transaction.id in self._signed_again or self._foreign_sightings.get(transaction.id, 0):
            return
        if self._clock.now() - max(transaction.newest_signed_at, transaction.sent_at or transaction.newest_signed_at) > self._stuck_after:
            self._replace(connection, transaction)

    def _reason(self, transaction: OpenTransaction, receipt: Receipt, form: SignedForm) -> str:
        """Return why it failed: by running it again on the state before its block, then on the state after."""
        if form.kind == "cancellation":
            return f"never ran: the node refused it ({transaction.node_refusal or 'impossible'})"
        call: dict[str, Any] = {
            "from": transaction.sender,
            "data": "0x" + transaction.data.hex(),
            "value": hex(transaction.value),
            "gas": hex(transaction.gas_limit),
        }
        if transaction.to is not None:
            call["to"] = transaction.to
        for number in (receipt.block_number - 1, receipt.block_number):
            try:
                self._evm.rpc.call("eth_call", [call, hex(max(number, 0))])
            except RpcError as error:
                if error.data is not None and len(error.data) > 2:
                    return revert_reason(bytes.fromhex(error.data[2:]), custom_errors=self._custom_errors)
                if receipt.gas_used >= transaction.gas_limit:
                    return "out of gas"
                if "revert" in error.message.lower():
                    return "no reason given"
        return "out of gas" if receipt.gas_used >= transaction.gas_limit else "unknown: it succeeds when run again"


def classify(message: str) -> str:
    """Return what a node's refusal of a raw transaction means for us; nodes share no error codes, only habits of speech."""
    words = message.lower()
    if any(part in words for part in ("already known", "already imported", "known transaction", "already exists", "alreadyknown")):
        return "known"
    if "nonce too low" in words or "nonce is too low" in words or "old nonce" in words:
        return "nonce_used"
    if "replacement transaction underpriced" in words:
        # Another form of ours is in the pool with a higher fee: that one will do.
        return "known"
    if any(part in words for part in ("underpriced", "less than block base fee", "fee too low", "below base fee", "feetoolow")):
        return "underpriced"
    if "insufficient funds" in words or "insufficient balance" in words:
        return "unfunded"
    impossible = (
        "intrinsic gas",
        "exceeds block gas limit",
        "gas limit too high",
        "gas limit is greater",
        "oversized data",
        "initcode size",
    )
    if any(part in words for part in (*impossible, "exceeds transaction gas cap", "gas limit exceeds", "gas required exceeds")):
        return "impossible"
    return "refused"


def _open_transactions(connection: sa.Connection, sender: Address) -> list[OpenTransaction]:
    rows = connection.execute(
        sa.text(
            "SELECT chain_transaction_id, tenant_id, purpose, sender, nonce, to_address, value_wei, data, gas_limit, state, block_hash,"
            " node_refusal, signed_at, broadcast_at, sent_at FROM infra.chain_transaction"
            " WHERE sender = :sender AND state IN ('signed', 'sent', 'mined') ORDER BY nonce LIMIT :limit"
        ),
        {"sender": sender, "limit": OPEN_MAX},
    ).all()
    forms: dict[ChainTransactionId, list[Any]] = defaultdict(list)
    for form in connection.execute(
        sa.text(
            "SELECT chain_transaction_id, hash, raw, max_fee_wei, max_priority_fee_wei, kind, signed_at FROM infra.chain_transaction_hash"
            " WHERE chain_transaction_id = ANY(:ids) ORDER BY max_fee_wei, signed_at"
        ),
        {"ids": [row.chain_transaction_id for row in rows]},
    ):
        forms[form.chain_transaction_id].append(form)
    return [_open_transaction(row, forms[row.chain_transaction_id]) for row in rows]


def _open_transaction(row: Any, forms: Sequence[Any]) -> OpenTransaction:
    return OpenTransaction(
        id=ChainTransactionId(row.chain_transaction_id),
        tenant_id=None if row.tenant_id is None else TenantId(row.tenant_id),
        purpose=row.purpose,
        sender=Address(row.sender),
        nonce=row.nonce,
        to=None if row.to_address is None else Address(row.to_address),
        value=int(row.value_wei),
        data=bytes(row.data),
        gas_limit=row.gas_limit,
        state=TransactionState(row.state),
        block_hash=None if row.block_hash is None else bytes(row.block_hash),
        node_refusal=row.node_refusal,
        signed_at=row.signed_at,
        broadcast_at=row.broadcast_at,
        sent_at=row.sent_at,
        forms=tuple(
            SignedForm(
                hash=TransactionHash(form.hash),
                raw=bytes(form.raw),
                fees=Fees(max_fee=int(form.max_fee_wei), max_priority_fee=int(form.max_priority_fee_wei)),
                kind=form.kind,
            )
            for form in forms
        ),
        newest_signed_at=max(form.signed_at for form in forms),
    )
