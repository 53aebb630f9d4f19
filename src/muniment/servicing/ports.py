# SPDX-License-Identifier: Apache-2.0
"""What servicing needs: its dividends, the payout contract. Implemented in `store.py` and `chain.py`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from muniment.servicing.model import (
    Batch,
    BatchState,
    ChainBatch,
    ChainPayment,
    DeclaredDividend,
    Dividend,
    EntitledDividend,
    HeldReason,
    PaidDividend,
    Payment,
)
from muniment.settlement.ports import Call, SettlementUnit
from muniment.units.ids import Address, BatchId, DividendId, PaymentId, SecurityId, TransactionHash
from muniment.units.payment_tokens import PaymentToken


@dataclass(frozen=True, slots=True)
class DividendPlace:
    """Where a dividend stands in the list, newest first; pages hang on it."""

    declared_at: dt.datetime
    dividend_id: DividendId


class Dividends(Protocol):
    """The dividends of one tenant; each method is one durable step."""

    def add(self, declared: DeclaredDividend) -> bool:
        """Store an announcement; return False, and change nothing, where its id is there already."""
        ...

    def get(self, dividend_id: DividendId) -> Dividend:
        """Return one dividend; `servicing.unknown_dividend` where there is none."""
        ...

    def find(self, dividend_id: DividendId) -> Dividend | None:
        """Return one dividend, or None."""
        ...

    def lock(self, dividend_id: DividendId) -> Dividend:
        """Return one dividend and keep other workers out of it until the transaction ends."""
        ...

    def page(self, *, security_id: SecurityId | None = None, before: DividendPlace | None = None, limit: int = 100) -> Sequence[Dividend]:
        """Return dividends from newest to oldest, of one security where given."""
        ...

    def save_entitled(self, entitled: EntitledDividend) -> None:
        """Store who is owed what, all of it or nothing."""
        ...

    def save_paid(self, paid: PaidDividend) -> None:
        """Close the run with what was paid and what is held."""
        ...

    def reopen(self, dividend_id: DividendId) -> None:
        """Let a paid dividend pay once more, because held payments were released."""
        ...

    def rounds(self, dividend_id: DividendId) -> int:
        """Return how many rounds of batches the run has had."""
        ...

    def add_round(self, dividend_id: DividendId, batches: Sequence[Batch]) -> None:
        """Store a round of open batches and mark their payments as sent in them."""
        ...

    def add_batches(self, batches: Sequence[Batch]) -> None:
        """Store open batches and mark their payments as sent in them."""
        ...

    def save_batch(self, batch: Batch) -> None:
        """Write what became of a batch and, when it is paid, of its payments."""
        ...

    def hold(self, payment_ids: Sequence[PaymentId], reason: HeldReason) -> None:
        """Mark payments as held: due, not sent, visible."""
        ...

    def release(self, payment_ids: Sequence[PaymentId], pay_to: Mapping[PaymentId, Address]) -> None:
        """Mark held payments as payable again, to the wallet given for each."""
        ...

    def batch_state(self, batch_id: BatchId) -> BatchState:
        """Return how far a stored batch has come."""
        ...

    def paid_in(self, batch_id: BatchId) -> tuple[TransactionHash, int] | None:
        """Return the transaction and block that paid a batch; None for one that is not paid."""
        ...

    def reopen_batch(self, batch_id: BatchId, transaction_hash: TransactionHash) -> None:
        """Take back that a batch and its payments are paid: they are sent, no more."""
        ...

    def batches(self, dividend_id: DividendId) -> Sequence[Batch]:
        """Return every batch of a dividend with its payees, in the order of their making."""
        ...

    def payments(self, dividend_id: DividendId) -> Sequence[Payment]:
        """Return every payment of a dividend, by wallet; none before it is entitled."""
        ...

    def unpaid(self) -> Sequence[DividendId]:
        """Return the dividends that are not paid yet, for a sweep."""
        ...

    def everything(self) -> Sequence[Dividend]:
        """Return every dividend, oldest first, for reconciliation."""
        ...

    def sums(self, dividend_id: DividendId) -> tuple[int, int, int]:
        """Return pot, residue and the sum of all payments in minor units, as the rows say, for reconciliation."""
        ...


class PayoutChain(Protocol):
    """The payout contract and the payment token's own answers."""

    def approve(self, token: PaymentToken, *, payout: Address, token_units: int) -> Call:
        """Return the transaction that lets the payout contract take `token_units` from the sender, in place of what it was let before."""
        ...

    def push(self, batch: Batch, token: PaymentToken, *, payout: Address) -> Call:
        """Return the transaction that pays a batch, all of it or nothing."""
        ...

    def balance(self, token: PaymentToken, holder: Address, *, block: int | None = None) -> int:
        """Return what a holder has of the payment token, in its units, after `block`, or the newest (also where that one is forgotten)."""
        ...

    def allowance(self, token: PaymentToken, *, owner: Address, spender: Address, block: int | None = None) -> int:
        """Return what the spender may still take from the owner, in units of the payment token, after `block`, or the newest likewise."""
        ...

    def paid(self, *, payout: Address, payer: Address, dividend_id: DividendId, from_block: int) -> Sequence[ChainPayment]:
        """Return the payments that the payout contract's logs show for a run of `payer`, up to the last final block."""
        ...

    def batches_paid(self, *, payout: Address, payer: Address) -> Sequence[ChainBatch]:
        """Return every batch that `payer` paid through the payout contract, up to the last final block."""
        ...


class ServicingUnit(SettlementUnit, Protocol):
    """One transaction of one issuer, with what servicing needs."""

    @property
    def dividends(self) -> Dividends:
        """Dividends."""
        ...

    @property
    def payout_chain(self) -> PayoutChain:
        """The payout contract."""
        ...
