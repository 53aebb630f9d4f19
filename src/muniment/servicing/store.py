# SPDX-License-Identifier: Apache-2.0
"""Dividends, runs, payments and batches in PostgreSQL. Each method is one durable step; what follows what is decided in `process`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from muniment.infra.postgres.database import METADATA
from muniment.servicing.errors import UnknownDividend
from muniment.servicing.model import (
    Batch,
    BatchState,
    DeclaredDividend,
    Dividend,
    DividendAmount,
    EntitledDividend,
    Entitlement,
    HeldReason,
    PaidDividend,
    Payee,
    Payment,
    PerShare,
    Total,
)
from muniment.servicing.ports import DividendPlace
from muniment.units.ids import Address, BatchId, DividendId, InvestorId, PaymentId, SecurityId, TenantId, TransactionHash, UserId
from muniment.units.money import Money, Price
from muniment.units.payment_tokens import PaymentToken

WHOLE = sa.Numeric(78, 0)

DIVIDEND = sa.Table(
    "dividend",
    METADATA,
    sa.Column("dividend_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("security_id", sa.Uuid, nullable=False),
    sa.Column("share_decimals", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("total_minor_units", WHOLE),
    sa.Column("price_per_share", sa.Numeric),
    sa.Column("payment_token_chain_id", sa.BigInteger, nullable=False),
    sa.Column("payment_token_address", sa.Text, nullable=False),
    sa.Column("payment_token_decimals", sa.Integer, nullable=False),
    sa.Column("payment_token_symbol", sa.Text, nullable=False),
    sa.Column("record_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("payment_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("excluded_wallets", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("declared_by", sa.Uuid),
    sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
    schema="servicing",
)
RUN = sa.Table(
    "run",
    METADATA,
    sa.Column("dividend_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("block_number", sa.BigInteger, nullable=False),
    sa.Column("block_hash", sa.Text, nullable=False),
    sa.Column("pot_minor_units", WHOLE, nullable=False),
    sa.Column("residue_minor_units", WHOLE, nullable=False),
    sa.Column("entitled_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("rounds", sa.Integer, nullable=False, server_default="0"),
    sa.Column("paid_minor_units", WHOLE),
    sa.Column("held_minor_units", WHOLE),
    sa.Column("paid_at", sa.DateTime(timezone=True)),
    schema="servicing",
)
BATCH = sa.Table(
    "batch",
    METADATA,
    sa.Column("batch_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("dividend_id", sa.Uuid, nullable=False),
    sa.Column("parent_id", sa.Uuid),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("transaction_hash", sa.Text),
    sa.Column("block_number", sa.BigInteger),
    sa.Column("failure", sa.Text),
    schema="servicing",
)
PAYMENT = sa.Table(
    "payment",
    METADATA,
    sa.Column("payment_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("dividend_id", sa.Uuid, nullable=False),
    sa.Column("wallet", sa.Text, nullable=False),
    sa.Column("pay_to", sa.Text, nullable=False),
    sa.Column("investor_id", sa.Uuid),
    sa.Column("shares", WHOLE, nullable=False),
    sa.Column("amount_minor_units", WHOLE, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("held_reason", sa.Text),
    sa.Column("batch_id", sa.Uuid),
    sa.Column("transaction_hash", sa.Text),
    sa.Column("block_number", sa.BigInteger),
    schema="servicing",
)
PAYEE = sa.Table(
    "payee",
    METADATA,
    sa.Column("batch_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("payment_id", sa.Uuid, nullable=False),
    sa.Column("pay_to", sa.Text, nullable=False),
    sa.Column("token_units", WHOLE, nullable=False),
    schema="servicing",
)


class PostgresDividends:
    """The dividends of one tenant."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def add(self, declared: DeclaredDividend) -> bool:
        """Store an announcement; return False, and change nothing, where its id is there already."""
        inserted = self._connection.execute(
            postgresql.insert(DIVIDEND)
            .values(
                dividend_id=declared.dividend_id,
                tenant_id=self._tenant_id,
                security_id=declared.security_id,
                share_decimals=declared.share_decimals,
                state="declared",
                payment_token_chain_id=declared.payment_token.chain_id,
                payment_token_address=declared.payment_token.address,
                payment_token_decimals=declared.payment_token.decimals,
                payment_token_symbol=declared.payment_token.symbol,
                record_at=declared.record_at,
                payment_at=declared.payment_at,
                excluded_wallets=sorted(declared.excluded_wallets),
                declared_by=declared.declared_by,
                declared_at=declared.declared_at,
                **_amount_columns(declared.amount),
            )
            .on_conflict_do_nothing(index_elements=[DIVIDEND.c.dividend_id])
            .returning(DIVIDEND.c.dividend_id)
        ).first()
        return inserted is not None

    def get(self, dividend_id: DividendId) -> Dividend:
        """Return one dividend; `servicing.unknown_dividend` where there is none."""
        found = self.find(dividend_id)
        if found is None:
            raise UnknownDividend(dividend_id=str(dividend_id))
        return found

    def find(self, dividend_id: DividendId) -> Dividend | None:
        """Return one dividend, or None."""
        found = self._many(sa.select(DIVIDEND).where(DIVIDEND.c.dividend_id == dividend_id))
        return found[0] if found else None

    def lock(self, dividend_id: DividendId) -> Dividend:
        """Return one dividend and keep other workers out of it until the transaction ends."""
        self._connection.execute(sa.select(DIVIDEND.c.dividend_id).where(DIVIDEND.c.dividend_id == dividend_id).with_for_update())
        return self.get(dividend_id)

    def page(self, *, security_id: SecurityId | None = None, before: DividendPlace | None = None, limit: int = 100) -> Sequence[Dividend]:
        """Return dividends from newest to oldest, of one security where given."""
        query = sa.select(DIVIDEND)
        if security_id is not None:
            query = query.where(DIVIDEND.c.security_id == security_id)
        if before is not None:
            query = query.where(
                sa.tuple_(DIVIDEND.c.declared_at, DIVIDEND.c.dividend_id) < sa.tuple_(before.declared_at, before.dividend_id)
            )
        return self._many(query.order_by(DIVIDEND.c.declared_at.desc(), DIVIDEND.c.dividend_id.desc()).limit(limit))

    def save_entitled(self, entitled: EntitledDividend) -> None:
        """Store who is owed what, all of it or nothing."""
        dividend_id = entitled.declared.dividend_id
        self._connection.execute(
            sa.insert(RUN).values(
                dividend_id=dividend_id,
                tenant_id=self._tenant_id,
                block_number=entitled.block_number,
                block_hash=entitled.block_hash,
                pot_minor_units=entitled.pot.minor_units,
                residue_minor_units=entitled.residue.minor_units,
                entitled_at=entitled.entitled_at,
            )
        )
        self._connection.execute(
            sa.insert(PAYMENT),
            [
                {
                    "payment_id": entitlement.payment_id,
                    "tenant_id": self._tenant_id,
                    "dividend_id": dividend_id,
                    "wallet": entitlement.wallet,
                    "pay_to": entitlement.pay_to,
                    "investor_id": entitlement.investor_id,
                    "shares": entitlement.shares,
                    "amount_minor_units": entitlement.amount.minor_units,
                    "state": "payable" if entitlement.held is None else "held",
                    "held_reason": None if entitlement.held is None else entitlement.held.value,
                }
                for entitlement in entitled.entitlements
            ],
        )
        self._connection.execute(sa.update(DIVIDEND).where(DIVIDEND.c.dividend_id == dividend_id).values(state="entitled"))

    def save_paid(self, paid: PaidDividend) -> None:
        """Close the run with what was paid and what is held."""
        dividend_id = paid.entitled.declared.dividend_id
        self._connection.execute(
            sa.update(RUN)
            .where(RUN.c.dividend_id == dividend_id)
            .values(paid_minor_units=paid.paid.minor_units, held_minor_units=paid.held.minor_units, paid_at=paid.paid_at)
        )
        self._connection.execute(sa.update(DIVIDEND).where(DIVIDEND.c.dividend_id == dividend_id).values(state="paid"))

    def reopen(self, dividend_id: DividendId) -> None:
        """Let a paid dividend pay once more, because held payments were released."""
        self._connection.execute(
            sa.update(RUN).where(RUN.c.dividend_id == dividend_id).values(paid_minor_units=None, held_minor_units=None, paid_at=None)
        )
        self._connection.execute(sa.update(DIVIDEND).where(DIVIDEND.c.dividend_id == dividend_id).values(state="entitled"))

    def rounds(self, dividend_id: DividendId) -> int:
        """Return how many rounds of batches the run has had."""
        return int(self._connection.scalar(sa.select(RUN.c.rounds).where(RUN.c.dividend_id == dividend_id)) or 0)

    def add_round(self, dividend_id: DividendId, batches: Sequence[Batch]) -> None:
        """Store a round of open batches and mark their payments as sent in them."""
        self._connection.execute(sa.update(RUN).where(RUN.c.dividend_id == dividend_id).values(rounds=RUN.c.rounds + 1))
        self.add_batches(batches)

    def add_batches(self, batches: Sequence[Batch]) -> None:
        """Store open batches and mark their payments as sent in them."""
        for batch in batches:
            position = self._connection.scalar(
                sa.select(sa.func.count()).select_from(BATCH).where(BATCH.c.dividend_id == batch.dividend_id)
            )
            self._connection.execute(
                sa.insert(BATCH).values(
                    batch_id=batch.batch_id,
                    tenant_id=self._tenant_id,
                    dividend_id=batch.dividend_id,
                    parent_id=batch.parent_id,
                    position=position,
                    state=batch.state.value,
                )
            )
            self._connection.execute(
                sa.insert(PAYEE),
                [
                    {
                        "batch_id": batch.batch_id,
                        "tenant_id": self._tenant_id,
                        "position": place,
                        "payment_id": payee.payment_id,
                        "pay_to": payee.pay_to,
                        "token_units": payee.token_units,
                    }
                    for place, payee in enumerate(batch.payees)
                ],
            )
            self._connection.execute(
                sa.update(PAYMENT)
                .where(PAYMENT.c.payment_id.in_([payee.payment_id for payee in batch.payees]))
                .values(state="sent", batch_id=batch.batch_id)
            )

    def save_batch(self, batch: Batch) -> None:
        """Write what became of a batch and, when it is paid, of its payments."""
        self._connection.execute(
            sa.update(BATCH)
            .where(BATCH.c.batch_id == batch.batch_id)
            .values(
                state=batch.state.value,
                transaction_hash=batch.transaction_hash,
                block_number=batch.block_number,
                failure=batch.failure,
            )
        )
        if batch.state is BatchState.PAID:
            self._connection.execute(
                sa.update(PAYMENT)
                .where(PAYMENT.c.batch_id == batch.batch_id)
                .values(state="paid", transaction_hash=batch.transaction_hash, block_number=batch.block_number)
            )

    def hold(self, payment_ids: Sequence[PaymentId], reason: HeldReason) -> None:
        """Mark payments as held: due, not sent, visible."""
        self._connection.execute(
            sa.update(PAYMENT).where(PAYMENT.c.payment_id.in_(payment_ids)).values(state="held", held_reason=reason.value, batch_id=None)
        )

    def release(self, payment_ids: Sequence[PaymentId], pay_to: Mapping[PaymentId, Address]) -> None:
        """Mark held payments as payable again, to the wallet given for each."""
        for payment_id in payment_ids:
            self._connection.execute(
                sa.update(PAYMENT)
                .where(PAYMENT.c.payment_id == payment_id, PAYMENT.c.state == "held")
                .values(state="payable", held_reason=None, pay_to=pay_to[payment_id])
            )

    def batch_state(self, batch_id: BatchId) -> BatchState:
        """Return how far a stored batch has come."""
        return BatchState(self._connection.execute(sa.select(BATCH.c.state).where(BATCH.c.batch_id == batch_id)).scalar_one())

    def paid_in(self, batch_id: BatchId) -> tuple[TransactionHash, int] | None:
        """Return the transaction and block that paid a batch; None for one that is not paid."""
        query = sa.select(BATCH.c.transaction_hash, BATCH.c.block_number)
        row = self._connection.execute(query.where(BATCH.c.batch_id == batch_id, BATCH.c.state == BatchState.PAID.value)).one_or_none()
        return None if row is None else (TransactionHash(row.transaction_hash), row.block_number)

    def reopen_batch(self, batch_id: BatchId, transaction_hash: TransactionHash) -> None:
        """Take back that a batch and its payments are paid: they are sent, no more."""
        self._connection.execute(
            sa.update(BATCH)
            .where(BATCH.c.batch_id == batch_id)
            .values(state=BatchState.SUBMITTED.value, transaction_hash=transaction_hash, block_number=None)
        )
        self._connection.execute(
            sa.update(PAYMENT).where(PAYMENT.c.batch_id == batch_id).values(state="sent", transaction_hash=None, block_number=None)
        )

    def batches(self, dividend_id: DividendId) -> Sequence[Batch]:
        """Return every batch of a dividend with its payees, in the order of their making."""
        payees: dict[UUID, list[Payee]] = {}
        for row in self._connection.execute(
            sa.select(PAYEE)
            .join(BATCH, BATCH.c.batch_id == PAYEE.c.batch_id)
            .where(BATCH.c.dividend_id == dividend_id)
            .order_by(PAYEE.c.batch_id, PAYEE.c.position)
        ):
            payees.setdefault(row.batch_id, []).append(Payee(PaymentId(row.payment_id), Address(row.pay_to), int(row.token_units)))
        return [
            Batch(
                batch_id=BatchId(row.batch_id),
                dividend_id=DividendId(row.dividend_id),
                parent_id=None if row.parent_id is None else BatchId(row.parent_id),
                state=BatchState(row.state),
                payees=tuple(payees.get(row.batch_id, ())),
                transaction_hash=None if row.transaction_hash is None else TransactionHash(row.transaction_hash),
                block_number=row.block_number,
                failure=row.failure,
            )
            for row in self._connection.execute(sa.select(BATCH).where(BATCH.c.dividend_id == dividend_id).order_by(BATCH.c.position))
        ]

    def payments(self, dividend_id: DividendId) -> Sequence[Payment]:
        """Return every payment of a dividend, by wallet; none before it is entitled."""
        rows = self._connection.execute(
            sa.select(PAYMENT, DIVIDEND.c.currency)
            .join(DIVIDEND, DIVIDEND.c.dividend_id == PAYMENT.c.dividend_id)
            .where(PAYMENT.c.dividend_id == dividend_id)
            .order_by(sa.func.lower(PAYMENT.c.wallet))
        )
        return [_payment(row) for row in rows]

    def unpaid(self) -> Sequence[DividendId]:
        """Return the dividends that are not paid yet, for a sweep."""
        return [
            DividendId(dividend_id)
            for dividend_id in self._connection.scalars(
                sa.select(DIVIDEND.c.dividend_id).where(DIVIDEND.c.state != "paid").order_by(DIVIDEND.c.declared_at)
            )
        ]

    def everything(self) -> Sequence[Dividend]:
        """Return every dividend, oldest first, for reconciliation."""
        return self._many(sa.select(DIVIDEND).order_by(DIVIDEND.c.declared_at, DIVIDEND.c.dividend_id))

    def sums(self, dividend_id: DividendId) -> tuple[int, int, int]:
        """Return pot, residue and the sum of all payments in minor units, as the rows say, for reconciliation."""
        row = self._connection.execute(
            sa.select(RUN.c.pot_minor_units, RUN.c.residue_minor_units).where(RUN.c.dividend_id == dividend_id)
        ).one()
        total = self._connection.scalar(sa.select(sa.func.sum(PAYMENT.c.amount_minor_units)).where(PAYMENT.c.dividend_id == dividend_id))
        return int(row.pot_minor_units), int(row.residue_minor_units), int(total or 0)

    def _many(self, query: sa.Select[Any]) -> list[Dividend]:
        return [self._dividend(row) for row in self._connection.execute(query).all()]

    def _dividend(self, row: Any) -> Dividend:
        declared = _declared(row)
        if row.state == "declared":
            return declared
        run = self._connection.execute(sa.select(RUN).where(RUN.c.dividend_id == row.dividend_id)).one()
        entitled = EntitledDividend(
            declared=declared,
            block_number=run.block_number,
            block_hash=run.block_hash,
            pot=Money(int(run.pot_minor_units), row.currency),
            residue=Money(int(run.residue_minor_units), row.currency),
            entitlements=tuple(payment.entitlement for payment in self.payments(declared.dividend_id)),
            entitled_at=run.entitled_at,
        )
        if row.state == "entitled":
            return entitled
        return PaidDividend(
            entitled,
            paid=Money(int(run.paid_minor_units), row.currency),
            held=Money(int(run.held_minor_units), row.currency),
            paid_at=run.paid_at,
        )


def _amount_columns(amount: DividendAmount) -> dict[str, Any]:
    match amount:
        case Total(money):
            return {"currency": money.currency, "total_minor_units": money.minor_units, "price_per_share": None}
        case PerShare(price):
            return {"currency": price.currency, "total_minor_units": None, "price_per_share": price.per_share}


def _declared(row: Any) -> DeclaredDividend:
    amount: DividendAmount
    if row.total_minor_units is None:
        amount = PerShare(Price(Decimal(row.price_per_share), row.currency))
    else:
        amount = Total(Money(int(row.total_minor_units), row.currency))
    return DeclaredDividend(
        dividend_id=DividendId(row.dividend_id),
        security_id=SecurityId(row.security_id),
        share_decimals=row.share_decimals,
        amount=amount,
        payment_token=PaymentToken(
            chain_id=row.payment_token_chain_id,
            address=Address(row.payment_token_address),
            currency=row.currency,
            decimals=row.payment_token_decimals,
            symbol=row.payment_token_symbol,
        ),
        record_at=row.record_at,
        payment_at=row.payment_at,
        excluded_wallets=frozenset(Address(wallet) for wallet in row.excluded_wallets),
        declared_by=None if row.declared_by is None else UserId(row.declared_by),
        declared_at=row.declared_at,
    )


def _payment(row: Any) -> Payment:
    held = None if row.held_reason is None else HeldReason(row.held_reason)
    return Payment(
        entitlement=Entitlement(
            payment_id=PaymentId(row.payment_id),
            wallet=Address(row.wallet),
            pay_to=Address(row.pay_to),
            investor_id=None if row.investor_id is None else InvestorId(row.investor_id),
            shares=int(row.shares),
            amount=Money(int(row.amount_minor_units), row.currency),
            held=held,
        ),
        state=row.state,
        batch_id=None if row.batch_id is None else BatchId(row.batch_id),
        transaction_hash=None if row.transaction_hash is None else TransactionHash(row.transaction_hash),
        block_number=row.block_number,
        held=held,
    )
