# SPDX-License-Identifier: Apache-2.0
"""Paying a dividend, from the record date to the last payment, and proving it. Reads top to bottom like its runbook.

Every step is one transaction and may be run again at any time: what was done is found done. Money moves only in batches that are
stored before they are signed, signed once under their own name, and paid once by the payout contract's own guard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TypeAlias

from eth_hash.auto import keccak

from muniment.access.model import canonical_json
from muniment.infra.crashpoints import crashpoint
from muniment.infra.jobs import Done, ProcessOutcome, Waiting
from muniment.instruments.model.securities import ClosedSecurity, DeployedSecurity, OpenSecurity
from muniment.register.commands import SecurityTokens, snapshot
from muniment.register.errors import Behind, NotFinalYet
from muniment.register.model import HolderSnapshot, Notice, add_up, recovery_paths, token_reference
from muniment.servicing.commands import PAY_JOB, holders_of, holders_of_wallets
from muniment.servicing.errors import NotEntitledYet
from muniment.servicing.events import DividendEntitled, DividendPaid
from muniment.servicing.model import (
    Batch,
    BatchState,
    DeclaredDividend,
    DistributionDifference,
    DistributionVerification,
    EntitledDividend,
    HeldReason,
    Holder,
    PaidDividend,
    Payee,
    Payment,
    allowance_purpose,
    announcement,
    batch_purpose,
    declaration_of,
    differences_of_payments,
    differences_of_split,
    entitle,
    first_batches,
    held_reason,
    mark_purpose,
    record_date_closes_at,
    repeat_batch,
    split_batch,
)
from muniment.servicing.ports import ServicingUnit
from muniment.settlement.model import Difference
from muniment.settlement.process import operator_of
from muniment.units.ids import Address, BatchId, DividendId, PaymentId
from muniment.units.money import Money
from muniment.units.shares import Shares

BeginServicing: TypeAlias = Callable[[], AbstractContextManager[ServicingUnit]]

PAYOUT = "payout"
"""The platform contract that pushes batches."""

MARK_GAS = 60_000


def pay_dividend(dividend_id: DividendId, *, begin: BeginServicing) -> ProcessOutcome:
    """Bring a dividend as far as it goes now; `Done` once every payment is paid or held, else what it waits for."""
    waiting = _fix_entitlements(dividend_id, begin=begin)
    if waiting is not None:
        return waiting
    crashpoint("dividend.after_entitle")
    waiting = _open_batches(dividend_id, begin=begin)
    if waiting is not None:
        return waiting
    waiting = _close_batches(dividend_id, begin=begin)
    if waiting is not None:
        return waiting
    waiting = _send_batches(dividend_id, begin=begin)
    if waiting is not None:
        return waiting
    crashpoint("dividend.before_paid")
    return _close_run(dividend_id, begin=begin)


def _fix_entitlements(dividend_id: DividendId, *, begin: BeginServicing) -> Waiting | None:
    """Once the record date has passed and cannot be undone, fix who is owed what, from the holdings then."""
    with begin() as unit:
        dividend = unit.dividends.lock(dividend_id)
        if not isinstance(dividend, DeclaredDividend):
            return None
        now = unit.clock.now()
        closes_at = record_date_closes_at(dividend.record_at)
        if now < closes_at:
            return Waiting("servicing.record_date_ahead", until=closes_at)
        try:
            holders = snapshot(dividend.security_id, at=dividend.record_at, unit=unit)
        except NotFinalYet:
            return _mark_record_date(dividend, unit=unit)
        except Behind:
            return Waiting("register.behind")
        entitled = entitle(dividend, holders, holders_of(holders, unit=unit), entitled_at=now)
        unit.dividends.save_entitled(entitled)
        unit.outbox.record(
            DividendEntitled(
                dividend_id=str(dividend_id),
                security_id=str(dividend.security_id),
                block_number=entitled.block_number,
                pot=entitled.pot.amount,
                currency=entitled.pot.currency,
                payments=len(entitled.entitlements),
            )
        )
        return None


def _mark_record_date(declared: DeclaredDividend, *, unit: ServicingUnit) -> Waiting:
    """Write the announcement's hash to the chain after the record date, from the issuer to itself.

    It proves what was announced, and on a chain that only makes blocks for transactions it brings the block that closes the date. Where
    the chain's clock is behind ours, so that the mark's block does not close it, another one follows.
    """
    number = 0
    while (mark := unit.transactions.find(mark_purpose(declared.dividend_id, number))) is not None and mark.is_closed:
        number += 1
    purpose = mark_purpose(declared.dividend_id, number)
    operator = operator_of(unit)
    digest = keccak(canonical_json(announcement(declared)))
    unit.transactions.submit(tenant_id=unit.tenant_id, sender=operator, to=operator, data=digest, purpose=purpose, gas_limit=MARK_GAS)
    return Waiting("servicing.record_block_not_final", purpose=purpose)


def _open_batches(dividend_id: DividendId, *, begin: BeginServicing) -> Waiting | None:
    """From the payment date on, put what can be paid into batches; what may not be sent now is held, with the reason."""
    with begin() as unit:
        dividend = unit.dividends.lock(dividend_id)
        if not isinstance(dividend, EntitledDividend):
            return None
        if unit.clock.now() < dividend.declared.payment_at:
            return Waiting("servicing.payment_date_ahead", until=dividend.declared.payment_at)
        payable = [payment for payment in unit.dividends.payments(dividend_id) if payment.state == "payable"]
        if not payable:
            return None
        wallets = [payment.entitlement.wallet for payment in payable]
        holders = holders_of_wallets(dividend.declared.security_id, wallets, unit=unit)
        free = _hold_back(payable, holders, unit=unit)
        payees = [
            Payee(
                payment.entitlement.payment_id,
                holders[payment.entitlement.wallet].pay_to,
                dividend.declared.payment_token.units_of(payment.entitlement.amount),
            )
            for payment in free
        ]
        round_number = unit.dividends.rounds(dividend_id)
        unit.dividends.add_round(dividend_id, first_batches(dividend_id, payees, round_number=round_number))
    return None


def _hold_back(payable: Sequence[Payment], holders: Mapping[Address, Holder], *, unit: ServicingUnit) -> list[Payment]:
    """Hold the payments that may not be sent as things stand now; return the others, readdressed where a wallet was recovered since."""
    blocked: defaultdict[HeldReason, list[PaymentId]] = defaultdict(list)
    free: list[Payment] = []
    moved: dict[PaymentId, Address] = {}
    for payment in payable:
        holder = holders[payment.entitlement.wallet]
        reason = held_reason(holder)
        if reason is not None:
            blocked[reason].append(payment.entitlement.payment_id)
            continue
        free.append(payment)
        if holder.pay_to != payment.entitlement.pay_to:
            moved[payment.entitlement.payment_id] = holder.pay_to
    for reason, payment_ids in blocked.items():
        unit.dividends.hold(payment_ids, reason)
    unit.dividends.release(list(moved), moved)
    return free


def _close_batches(dividend_id: DividendId, *, begin: BeginServicing) -> Waiting | None:
    """Write what became of the submitted batches; a reverted one is cut, so that it does not stand in the way of those who can be paid."""
    with begin() as unit:
        dividend = unit.dividends.lock(dividend_id)
        if not isinstance(dividend, EntitledDividend):
            return None
        waiting: Waiting | None = None
        for batch in unit.dividends.batches(dividend_id):
            if batch.state is not BatchState.SUBMITTED:
                continue
            transaction = unit.transactions.find(batch.purpose)
            assert transaction is not None, "a submitted batch has its transaction in the sender's book"
            if not transaction.is_closed or transaction.block_number is None:
                waiting = Waiting("servicing.batch_not_final", purpose=batch.purpose)
            elif transaction.succeeded:
                paid = replace(batch, state=BatchState.PAID, transaction_hash=transaction.hash, block_number=transaction.block_number)
                unit.dividends.save_batch(paid)
            else:
                failed = replace(batch, failure=transaction.revert_reason or "no reason given")
                _take_apart(failed, dividend, block_number=transaction.block_number, unit=unit)
        return waiting


def _take_apart(batch: Batch, dividend: EntitledDividend, *, block_number: int, unit: ServicingUnit) -> None:
    """Follow up a batch that paid nobody: again where the money was missing, in halves where there are several, else held."""
    if _was_short(batch.token_units, dividend, block_number=block_number, unit=unit):
        unit.dividends.save_batch(replace(batch, state=BatchState.SPLIT))
        unit.dividends.add_batches([repeat_batch(batch)])
    elif len(batch.payees) > 1:
        unit.dividends.save_batch(replace(batch, state=BatchState.SPLIT))
        unit.dividends.add_batches(split_batch(batch))
    else:
        unit.dividends.save_batch(replace(batch, state=BatchState.REFUSED))
        unit.dividends.hold([payee.payment_id for payee in batch.payees], HeldReason.RECEIVER_REFUSED)


def _was_short(token_units: int, dividend: EntitledDividend, *, block_number: int, unit: ServicingUnit) -> bool:
    """Return whether the money, or the leave to take it, was missing before or after the block in which a batch failed.

    What is there now proves nothing: it may have come since. Two dividends at once share one allowance and one balance.
    """
    token, operator, payout, chain = dividend.declared.payment_token, operator_of(unit), unit.suites.platform(PAYOUT), unit.payout_chain
    return any(
        min(chain.balance(token, operator, block=block), chain.allowance(token, owner=operator, spender=payout, block=block)) < token_units
        for block in (max(0, block_number - 1), block_number)
    )


def _send_batches(dividend_id: DividendId, *, begin: BeginServicing) -> Waiting | None:
    """See that the pot is there and may be taken, then sign one open batch after the other; None once none is left to wait for."""
    with begin() as unit:
        dividend = unit.dividends.lock(dividend_id)
        if not isinstance(dividend, EntitledDividend):
            return None
        open_batches = [batch for batch in unit.dividends.batches(dividend_id) if batch.state is BatchState.OPEN]
        if not open_batches:
            return None
        waiting = _fund(dividend, sum(batch.token_units for batch in open_batches), unit=unit)
        if waiting is not None:
            return waiting
    for batch in open_batches:
        _send(batch, begin=begin)
        crashpoint("dividend.after_submit")
    return Waiting("servicing.batch_not_final", purpose=open_batches[-1].purpose)


def _fund(dividend: EntitledDividend, needed: int, *, unit: ServicingUnit) -> Waiting | None:
    """Let the payout contract take what the open batches pay; wait while the issuer does not have it.

    The approval is signed before the batches by the same account, so the chain takes it first: nothing waits for it.
    """
    declared = dividend.declared
    token, operator, payout = declared.payment_token, operator_of(unit), unit.suites.platform(PAYOUT)
    if unit.payout_chain.balance(token, operator) < needed:
        return Waiting("servicing.pot_not_funded")
    if unit.payout_chain.allowance(token, owner=operator, spender=payout) >= needed:
        return None
    # An approval that is closed and does not suffice any more is followed by the next one.
    number = 0
    while (earlier := unit.transactions.find(allowance_purpose(declared.dividend_id, number))) is not None and earlier.is_closed:
        number += 1
    call = unit.payout_chain.approve(token, payout=payout, token_units=needed)
    unit.transactions.submit(
        tenant_id=unit.tenant_id,
        sender=operator,
        to=call.to,
        data=call.data,
        purpose=allowance_purpose(declared.dividend_id, number),
        gas_limit=call.gas_limit,
    )
    return None


def _send(batch: Batch, *, begin: BeginServicing) -> None:
    """Sign and store one batch's transaction, once; a worker that stood still finds that another has gone on with it."""
    with begin() as unit:
        dividend = unit.dividends.lock(batch.dividend_id)
        if unit.dividends.batch_state(batch.batch_id) is not BatchState.OPEN:
            return
        token = declaration_of(dividend).payment_token
        call = unit.payout_chain.push(batch, token, payout=unit.suites.platform(PAYOUT))
        transaction = unit.transactions.submit(
            tenant_id=unit.tenant_id,
            sender=operator_of(unit),
            to=call.to,
            data=call.data,
            purpose=batch.purpose,
            gas_limit=call.gas_limit,
        )
        unit.dividends.save_batch(replace(batch, state=BatchState.SUBMITTED, transaction_hash=transaction.hash))


def _close_run(dividend_id: DividendId, *, begin: BeginServicing) -> ProcessOutcome:
    """Write that the dividend is paid: every payment is final on the chain or held in sight."""
    with begin() as unit:
        dividend = unit.dividends.lock(dividend_id)
        if isinstance(dividend, PaidDividend):
            return Done()
        if isinstance(dividend, DeclaredDividend):
            return Waiting("servicing.record_date_ahead")
        payments = unit.dividends.payments(dividend_id)
        if any(payment.state not in {"paid", "held"} for payment in payments):
            return Waiting("servicing.batch_not_final")
        currency = dividend.pot.currency
        paid = [payment for payment in payments if payment.state == "paid"]
        held = [payment for payment in payments if payment.state == "held"]
        closed = PaidDividend(dividend, paid=_sum(paid, currency), held=_sum(held, currency), paid_at=unit.clock.now())
        unit.dividends.save_paid(closed)
        unit.outbox.record(
            DividendPaid(
                dividend_id=str(dividend_id),
                security_id=str(dividend.declared.security_id),
                paid=closed.paid.amount,
                held=closed.held.amount,
                currency=currency,
                payments_paid=len(paid),
                payments_held=len(held),
            )
        )
        return Done()


def look_again(dividend_id: DividendId, batch_id: BatchId, *, begin: BeginServicing) -> None:
    """Have a batch closed anew whose transaction has ended otherwise than was written: the chain undid what was final.

    To be asked at each `infra.transaction_final`; nothing happens the first time. Who is entitled stays as it was fixed.
    """
    with begin() as unit:
        dividend = unit.dividends.lock(dividend_id)
        transaction = unit.transactions.find(batch_purpose(dividend_id, batch_id))
        paid_in = unit.dividends.paid_in(batch_id)
        if transaction is None or not transaction.is_closed or paid_in is None:
            return
        if transaction.succeeded and paid_in == (transaction.hash, transaction.block_number):
            return
        unit.dividends.reopen_batch(batch_id, transaction.hash)
        if isinstance(dividend, PaidDividend):
            unit.dividends.reopen(dividend_id)
        unit.jobs.defer(PAY_JOB, {"dividend_id": str(dividend_id)}, lock=f"servicing:{dividend_id}")


def _sum(payments: Sequence[Payment], currency: str) -> Money:
    return Money(sum(payment.entitlement.amount.minor_units for payment in payments), currency)


# Proving it


def verify_distribution(dividend_id: DividendId, *, begin: BeginServicing) -> DistributionVerification:
    """Derive a distribution anew from the chain's logs alone and compare: the record block, each entitlement, each payment made.

    Holdings come from the token's own history, payments from the payout contract's logs of the issuer's account; of our database only
    the announcement is taken as given. Refuses with `servicing.not_entitled_yet` before the record date.
    """
    with begin() as unit:
        dividend = unit.dividends.get(dividend_id)
        if isinstance(dividend, DeclaredDividend):
            raise NotEntitledYet(dividend_id=str(dividend_id), record_at=dividend.record_at)
        entitled = dividend.entitled if isinstance(dividend, PaidDividend) else dividend
        payments = unit.dividends.payments(dividend_id)
        differences = [
            *_differences_of_record(entitled, unit=unit),
            *_differences_of_sums(dividend, payments),
            *differences_of_payments(
                payments,
                unit.dividends.batches(dividend_id),
                unit.payout_chain.paid(
                    payout=unit.suites.platform(PAYOUT),
                    payer=operator_of(unit),
                    dividend_id=dividend_id,
                    from_block=entitled.block_number,
                ),
                payment_token=entitled.declared.payment_token,
            ),
        ]
    currency = entitled.pot.currency
    return DistributionVerification(
        dividend_id=dividend_id,
        block_number=entitled.block_number,
        pot=entitled.pot,
        paid=_sum([payment for payment in payments if payment.state == "paid"], currency),
        held=_sum([payment for payment in payments if payment.state == "held"], currency),
        payments=len(payments),
        differences=tuple(differences),
    )


def _differences_of_record(entitled: EntitledDividend, *, unit: ServicingUnit) -> Iterator[DistributionDifference]:
    """Yield what is wrong with the record block, the split and the wallets that are paid, all seen from the chain's logs."""
    declared, chain = entitled.declared, unit.register_chain
    final = chain.final_block()
    block = chain.last_block_until(declared.record_at, final_block=final)
    if block is None or (block.number, block.hash) != (entitled.block_number, entitled.block_hash):
        yield DistributionDifference(
            "servicing.record_block_differs",
            "The holdings were taken after another block than the last one at the record date.",
            {"stored": entitled.block_number, "chain": None if block is None else block.number},
        )
    token = SecurityTokens(unit.securities).token_of(declared.security_id)
    events = chain.history(token, to_block=entitled.block_number)
    holdings = {holding.wallet: Shares(holding.shares) for holding in add_up(events).values() if holding.shares > 0}
    taken = HolderSnapshot(declared.security_id, entitled.block_number, entitled.block_hash, declared.record_at, holdings)
    nobody = {wallet: Holder(None, wallet, frozen=False) for wallet in holdings}
    if all(wallet in declared.excluded_wallets for wallet in holdings):
        yield DistributionDifference("servicing.nobody_entitled", "By the chain's logs nobody is entitled.", {})
        return
    fresh = entitle(declared, taken, nobody, entitled_at=entitled.entitled_at)
    if fresh.pot != entitled.pot:
        yield DistributionDifference(
            "servicing.pot_differs", "The stored pot is not the declared one.", {"stored": str(entitled.pot), "chain": str(fresh.pot)}
        )
    yield from differences_of_split(entitled, fresh.entitlements)
    moved = [entitlement for entitlement in entitled.entitlements if entitlement.pay_to != entitlement.wallet]
    paths = recovery_paths(_chain_notices(final.number, unit=unit)) if moved else {}
    for entitlement in moved:
        if entitlement.pay_to not in paths.get(entitlement.wallet, ()):
            yield DistributionDifference(
                "servicing.paid_elsewhere",
                "A payment goes to a wallet that no recovery leads to.",
                {"wallet": entitlement.wallet, "pay_to": entitlement.pay_to},
            )


def _chain_notices(to_block: int, *, unit: ServicingUnit) -> Iterator[Notice]:
    """Yield the notices of every token of the issuer from the chain's logs."""
    for security in unit.securities.all():
        if isinstance(security, DeployedSecurity | OpenSecurity | ClosedSecurity):
            for event in unit.register_chain.history(token_reference(security), to_block=to_block):
                if isinstance(event, Notice):
                    yield event


def _differences_of_sums(dividend: EntitledDividend | PaidDividend, payments: Sequence[Payment]) -> Iterator[DistributionDifference]:
    """Yield where the rows do not add up: payments and residue are the pot, and a closed run says what its payments say."""
    entitled = dividend.entitled if isinstance(dividend, PaidDividend) else dividend
    currency = entitled.pot.currency
    total = _sum(payments, currency)
    if total.minor_units + entitled.residue.minor_units != entitled.pot.minor_units:
        yield DistributionDifference(
            "servicing.sum_differs",
            "The payments and the residue do not add up to the pot.",
            {"payments": str(total), "residue": str(entitled.residue), "pot": str(entitled.pot)},
        )
    if isinstance(dividend, PaidDividend):
        paid = _sum([payment for payment in payments if payment.state == "paid"], currency)
        held = _sum([payment for payment in payments if payment.state == "held"], currency)
        if (paid, held) != (dividend.paid, dividend.held):
            yield DistributionDifference(
                "servicing.run_differs",
                "The run says another sum than its payments.",
                {"paid": str(dividend.paid), "payments_paid": str(paid), "held": str(dividend.held), "payments_held": str(held)},
            )


def reconcile(*, begin: BeginServicing) -> list[Difference]:
    """Return every difference that servicing can see: each distribution against the chain (I5), and money out against runs (I2)."""
    found: list[Difference] = []
    with begin() as unit:
        dividends = unit.dividends.everything()
    for dividend in dividends:
        if isinstance(dividend, DeclaredDividend):
            continue
        dividend_id = declaration_of(dividend).dividend_id
        for difference in verify_distribution(dividend_id, begin=begin).differences:
            facts = {"dividend_id": str(dividend_id), **difference.facts}
            found.append(Difference("I5", difference.code, difference.sentence, facts))
    return [*found, *_unrecorded_payments(begin=begin)]


def _unrecorded_payments(*, begin: BeginServicing) -> Iterator[Difference]:
    """Yield each batch that the issuer's account paid on the chain and that no stored run knows (I2)."""
    with begin() as unit:
        if unit.suites.suite() is None:
            return
        known = {
            (batch.batch_id.int, batch.token_units)
            for dividend in unit.dividends.everything()
            for batch in unit.dividends.batches(declaration_of(dividend).dividend_id)
            if batch.state is not BatchState.OPEN
        }
        made = unit.payout_chain.batches_paid(payout=unit.suites.platform(PAYOUT), payer=operator_of(unit))
    for batch in made:
        if (batch.batch_number, batch.token_units) not in known:
            yield Difference(
                "I2",
                "servicing.unrecorded_payment",
                "The issuer's account paid out money that no stored run knows.",
                {"transaction": batch.transaction_hash, "token_units": str(batch.token_units)},
            )
