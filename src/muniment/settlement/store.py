# SPDX-License-Identifier: Apache-2.0
"""Instructions in PostgreSQL, one row each with its legs. What the columns of each state mean is decided in `model`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, assert_never
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from muniment.infra.evm.sender import ChainTransaction, TransactionState
from muniment.infra.postgres.database import METADATA
from muniment.settlement.errors import UnknownInstruction
from muniment.settlement.model import (
    FailedInstruction,
    Instruction,
    InstructionKind,
    InstructionState,
    Leg,
    RequestedInstruction,
    SaleTerms,
    SettledInstruction,
    SubmittedInstruction,
    state_name,
)
from muniment.settlement.ports import ExternalMint, InstructionPlace, SignedPurpose
from muniment.units.ids import Address, ChainTransactionId, InstructionId, SecurityId, TenantId, TransactionHash, UserId
from muniment.units.money import Money
from muniment.units.payment_tokens import PaymentToken

INSTRUCTION = sa.Table(
    "instruction",
    METADATA,
    sa.Column("instruction_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("request_id", sa.Uuid, nullable=False),
    sa.Column("security_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("requested_by", sa.Uuid),
    sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("transaction_hash", sa.Text),
    sa.Column("submitted_at", sa.DateTime(timezone=True)),
    sa.Column("block_number", sa.BigInteger),
    sa.Column("settled_at", sa.DateTime(timezone=True)),
    sa.Column("reason_code", sa.Text),
    sa.Column("reason_sentence", sa.Text),
    sa.Column("reason_rule", sa.Text),
    sa.Column("reason_citation", sa.Text),
    sa.Column("reason_cure", sa.Text),
    sa.Column("failed_at", sa.DateTime(timezone=True)),
    schema="settlement",
)
_REASON = ("reason_code", "reason_sentence", "reason_rule", "reason_citation", "reason_cure")

LEG = sa.Table(
    "leg",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("instruction_id", sa.Uuid, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("from_wallet", sa.Text),
    sa.Column("to_wallet", sa.Text),
    sa.Column("shares", sa.Numeric(78, 0), nullable=False),
    sa.Column("exemption", sa.Text),
    sa.Column("buyer_category", sa.Text),
    sa.Column("paid_minor_units", sa.Numeric(78, 0)),
    sa.Column("paid_currency", sa.Text),
    sa.Column("locked_until", sa.DateTime(timezone=True)),
    schema="settlement",
)
EXTERNAL_MINT = sa.Table(
    "external_mint",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("transaction_hash", sa.Text, primary_key=True),
    sa.Column("marked_by", sa.Uuid),
    sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    schema="settlement",
)

PAYMENT_TOKEN = sa.Table(
    "payment_token",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("chain_id", sa.BigInteger, primary_key=True),
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("decimals", sa.Integer, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
    schema="settlement",
)


class PostgresInstructions:
    """The instructions of one tenant."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def add(self, instruction: Instruction) -> bool:
        """Store a new instruction as requested; return False, and change nothing, where its id is there already."""
        inserted = self._connection.execute(
            postgresql.insert(INSTRUCTION)
            .values(
                instruction_id=instruction.instruction_id,
                tenant_id=self._tenant_id,
                request_id=instruction.request_id,
                security_id=instruction.security_id,
                kind=instruction.kind.value,
                digest=instruction.digest,
                state="requested",
                requested_by=instruction.requested_by,
                requested_at=instruction.requested_at,
            )
            .on_conflict_do_nothing(index_elements=[INSTRUCTION.c.instruction_id])
            .returning(INSTRUCTION.c.instruction_id)
        ).first()
        if inserted is None:
            return False
        self._connection.execute(
            sa.insert(LEG),
            [
                {
                    "tenant_id": self._tenant_id,
                    "instruction_id": instruction.instruction_id,
                    "position": position,
                    "from_wallet": leg.from_wallet,
                    "to_wallet": leg.to_wallet,
                    "shares": leg.shares,
                    "exemption": leg.sale.exemption,
                    "buyer_category": leg.sale.buyer_category,
                    "paid_minor_units": None if leg.sale.paid is None else leg.sale.paid.minor_units,
                    "paid_currency": None if leg.sale.paid is None else leg.sale.paid.currency,
                    "locked_until": leg.sale.locked_until,
                }
                for position, leg in enumerate(instruction.legs)
            ],
        )
        return True

    def get(self, instruction_id: InstructionId) -> InstructionState:
        """Return one instruction; `settlement.unknown_instruction` where there is none."""
        return self._one(instruction_id, sa.select(INSTRUCTION).where(INSTRUCTION.c.instruction_id == instruction_id))

    def lock(self, instruction_id: InstructionId) -> InstructionState:
        """Return one instruction and keep others from changing it until the transaction ends."""
        return self._one(instruction_id, sa.select(INSTRUCTION).where(INSTRUCTION.c.instruction_id == instruction_id).with_for_update())

    def of_request(self, request_id: UUID) -> Sequence[InstructionState]:
        """Return the instructions of one request, in their order."""
        return self._many(sa.select(INSTRUCTION).where(INSTRUCTION.c.request_id == request_id).order_by(INSTRUCTION.c.instruction_id))

    def open_issues(self, security_id: SecurityId, *, after_block: int) -> Sequence[InstructionState]:
        """Return the security's issues that may still come: requested, submitted, or settled in a block later than `after_block`."""
        is_open = INSTRUCTION.c.state.in_(["requested", "submitted"])
        is_ahead = sa.and_(INSTRUCTION.c.state == "settled", INSTRUCTION.c.block_number > after_block)
        is_issue = sa.and_(INSTRUCTION.c.security_id == security_id, INSTRUCTION.c.kind == InstructionKind.ISSUE.value)
        return self._many(sa.select(INSTRUCTION).where(is_issue, sa.or_(is_open, is_ahead)).order_by(INSTRUCTION.c.instruction_id))

    def hold_issues(self, security_id: SecurityId) -> None:
        """Keep others from issuing the security until the transaction ends."""
        lock = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
        self._connection.execute(lock, {"name": f"settlement.issue:{security_id}"})

    def save(self, state: InstructionState) -> None:
        """Write the state that an instruction has reached."""
        values: dict[str, Any]
        match state:
            case RequestedInstruction():
                values = {}
            case SubmittedInstruction(_, transaction_hash, submitted_at):
                # One that was settled or failed comes back here when the chain undid what was final.
                undone = dict.fromkeys(("block_number", "settled_at", "failed_at", *_REASON))
                values = {"transaction_hash": transaction_hash, "submitted_at": submitted_at, **undone}
            case SettledInstruction(_, transaction_hash, block_number, settled_at):
                values = {"transaction_hash": transaction_hash, "block_number": block_number, "settled_at": settled_at}
            case FailedInstruction(_, transaction_hash, reason_code, sentence, failed_at, rule, citation, cure):
                told = dict(zip(_REASON, (reason_code, sentence, rule, citation, cure), strict=True))
                values = {"transaction_hash": transaction_hash, "failed_at": failed_at, **told}
            case _:
                assert_never(state)
        updated = self._connection.execute(
            sa.update(INSTRUCTION)
            .where(INSTRUCTION.c.instruction_id == state.instruction.instruction_id)
            .values(state=state_name(state), **values)
        )
        assert updated.rowcount == 1, "an instruction is stored before its state changes"

    def page(
        self,
        *,
        security_id: SecurityId | None = None,
        state: str | None = None,
        before: InstructionPlace | None = None,
        limit: int = 100,
    ) -> Sequence[InstructionState]:
        """Return instructions from newest to oldest, of one security or state where given."""
        query = sa.select(INSTRUCTION)
        if security_id is not None:
            query = query.where(INSTRUCTION.c.security_id == security_id)
        if state is not None:
            query = query.where(INSTRUCTION.c.state == state)
        if before is not None:
            query = query.where(
                sa.tuple_(INSTRUCTION.c.requested_at, INSTRUCTION.c.instruction_id) < sa.tuple_(before.requested_at, before.instruction_id)
            )
        return self._many(query.order_by(INSTRUCTION.c.requested_at.desc(), INSTRUCTION.c.instruction_id.desc()).limit(limit))

    def everything(self) -> Sequence[InstructionState]:
        """Return every instruction, oldest first, for reconciliation."""
        return self._many(sa.select(INSTRUCTION).order_by(INSTRUCTION.c.requested_at, INSTRUCTION.c.instruction_id))

    def external_mints(self) -> Sequence[ExternalMint]:
        """Return the transactions that were marked as known mints from outside."""
        rows = self._connection.execute(sa.select(EXTERNAL_MINT).order_by(EXTERNAL_MINT.c.marked_at))
        return [ExternalMint(TransactionHash(row.transaction_hash), row.marked_by, row.marked_at, row.note) for row in rows]

    def mark_external(self, mint: ExternalMint) -> None:
        """Record that a mint from outside is known, once."""
        self._connection.execute(
            postgresql.insert(EXTERNAL_MINT)
            .values(
                tenant_id=self._tenant_id,
                transaction_hash=mint.transaction_hash,
                marked_by=mint.marked_by,
                marked_at=mint.marked_at,
                note=mint.note,
            )
            .on_conflict_do_nothing()
        )

    def digests(self) -> Mapping[InstructionId, str]:
        """Return the digest stored with each instruction, as it was when it was asked for."""
        rows = self._connection.execute(sa.select(INSTRUCTION.c.instruction_id, INSTRUCTION.c.digest))
        return {InstructionId(row.instruction_id): row.digest for row in rows}

    def _one(self, instruction_id: InstructionId, query: sa.Select[Any]) -> InstructionState:
        found = self._many(query)
        if not found:
            raise UnknownInstruction(instruction_id=str(instruction_id))
        return found[0]

    def _many(self, query: sa.Select[Any]) -> list[InstructionState]:
        rows = self._connection.execute(query).all()
        ids = [row.instruction_id for row in rows]
        legs: dict[UUID, list[Leg]] = {}
        for leg in self._connection.execute(
            sa.select(LEG).where(LEG.c.instruction_id.in_(ids)).order_by(LEG.c.instruction_id, LEG.c.position)
        ):
            legs.setdefault(leg.instruction_id, []).append(
                Leg(
                    None if leg.from_wallet is None else Address(leg.from_wallet),
                    None if leg.to_wallet is None else Address(leg.to_wallet),
                    int(leg.shares),
                    SaleTerms(
                        exemption=leg.exemption,
                        paid=None if leg.paid_minor_units is None else Money(int(leg.paid_minor_units), leg.paid_currency),
                        buyer_category=leg.buyer_category,
                        locked_until=leg.locked_until,
                    ),
                )
            )
        return [_state(row, tuple(legs.get(row.instruction_id, ()))) for row in rows]


class PostgresPaymentTokens:
    """The payment tokens of one tenant on one chain."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId, chain_id: int) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._chain_id = chain_id

    def add(self, token: PaymentToken, *, at: dt.datetime) -> bool:
        """Record a payment token; return False, and change nothing, where its address is recorded already."""
        inserted = self._connection.execute(
            postgresql.insert(PAYMENT_TOKEN)
            .values(
                tenant_id=self._tenant_id,
                chain_id=token.chain_id,
                address=token.address,
                currency=token.currency,
                decimals=token.decimals,
                symbol=token.symbol,
                accepted_at=at,
            )
            .on_conflict_do_nothing()
            .returning(PAYMENT_TOKEN.c.address)
        ).first()
        return inserted is not None

    def find(self, address: Address) -> PaymentToken | None:
        """Return the payment token at an address, or None where the issuer has not accepted it."""
        return next((token for token in self.all() if token.address == address), None)

    def all(self) -> Sequence[PaymentToken]:
        """Return every payment token, by currency and symbol."""
        rows = self._connection.execute(
            sa.select(PAYMENT_TOKEN)
            .where(PAYMENT_TOKEN.c.chain_id == self._chain_id)
            .order_by(PAYMENT_TOKEN.c.currency, PAYMENT_TOKEN.c.symbol, PAYMENT_TOKEN.c.address)
        )
        return [PaymentToken(row.chain_id, Address(row.address), row.currency, row.decimals, row.symbol) for row in rows]


class PostgresChainBook:
    """Reads the sender's book of one tenant for reconciliation; the sender alone writes it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def signed(self) -> Sequence[SignedPurpose]:
        """Return every signed transaction of the tenant, by sender and nonce."""
        rows = self._connection.execute(
            sa.text(
                "SELECT purpose, sender, nonce, hash, state, succeeded, block_number,"
                " ARRAY(SELECT form.hash FROM infra.chain_transaction_hash AS form"
                " WHERE form.chain_transaction_id = chain_transaction.chain_transaction_id) AS forms FROM infra.chain_transaction"
                " WHERE tenant_id = infra.tenant() ORDER BY sender, nonce"
            )
        )
        return [
            SignedPurpose(
                purpose=row.purpose,
                sender=Address(row.sender),
                nonce=row.nonce,
                hash=TransactionHash(row.hash),
                state=row.state,
                succeeded=row.succeeded,
                block_number=row.block_number,
                forms=tuple(TransactionHash(form) for form in row.forms),
            )
            for row in rows
        ]

    def page(self, *, before: ChainTransactionId | None = None, limit: int = 100) -> Sequence[ChainTransaction]:
        """Return transactions from newest to oldest, those signed before one where it is given (its id tells the time)."""
        rows = self._connection.execute(
            sa.text(
                "SELECT * FROM infra.chain_transaction WHERE tenant_id = infra.tenant()"
                " AND (CAST(:before AS uuid) IS NULL OR chain_transaction_id < CAST(:before AS uuid))"
                " ORDER BY chain_transaction_id DESC LIMIT :limit"
            ),
            {"before": before, "limit": limit},
        )
        return [
            ChainTransaction(
                id=ChainTransactionId(row.chain_transaction_id),
                tenant_id=TenantId(row.tenant_id),
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
            for row in rows
        ]

    def next_nonces(self) -> Mapping[Address, int]:
        """Return the next nonce of each of the tenant's senders."""
        rows = self._connection.execute(sa.text("SELECT address, next_nonce FROM infra.sender WHERE tenant_id = infra.tenant()"))
        return {Address(row.address): row.next_nonce for row in rows}


def _state(row: Any, legs: tuple[Leg, ...]) -> InstructionState:
    instruction = Instruction(
        instruction_id=InstructionId(row.instruction_id),
        request_id=row.request_id,
        security_id=SecurityId(row.security_id),
        kind=InstructionKind(row.kind),
        legs=legs,
        requested_by=None if row.requested_by is None else UserId(row.requested_by),
        requested_at=row.requested_at,
    )
    transaction_hash = None if row.transaction_hash is None else TransactionHash(row.transaction_hash)
    match row.state:
        case "requested":
            return RequestedInstruction(instruction)
        case "submitted":
            assert transaction_hash is not None, "the table's checks hold"
            return SubmittedInstruction(instruction, transaction_hash, row.submitted_at)
        case "settled":
            return SettledInstruction(instruction, transaction_hash or TransactionHash(""), row.block_number, row.settled_at)
        case _:
            return FailedInstruction(
                instruction,
                transaction_hash,
                row.reason_code,
                row.reason_sentence or "",
                row.failed_at,
                row.reason_rule,
                row.reason_citation,
                row.reason_cure,
            )
