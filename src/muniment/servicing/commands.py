# SPDX-License-Identifier: Apache-2.0
"""Declaring a dividend, looking at it, and letting held money go. Paying is long work and stands in `process`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from muniment.access.commands import require_approval
from muniment.access.model import Action, Actor, Pending, authorize
from muniment.instruments.model.securities import tokenised
from muniment.register.model import HolderSnapshot, current_wallets
from muniment.servicing.errors import BadCursor, NothingHeld, PaymentTokenNotAccepted, RequestIdReused
from muniment.servicing.events import DividendDeclared
from muniment.servicing.model import (
    DeclaredDividend,
    Dividend,
    DividendAmount,
    EntitledDividend,
    Holder,
    PaidDividend,
    Payment,
    PerShare,
    Total,
    announcement,
    declaration_of,
    declare,
    entitle,
    held_reason,
    price_text,
)
from muniment.servicing.ports import DividendPlace, ServicingUnit
from muniment.units.ids import Address, DividendId, SecurityId, parse_id
from muniment.units.instants import instant_text, parse_instant
from muniment.units.money import Money, Price
from muniment.units.shares import Shares

PAGE_MAX = 500

PAY_JOB = "servicing.pay_dividend"
"""The job that pays a dividend; its argument is `dividend_id`."""


@dataclass(frozen=True, slots=True)
class DeclareDividend:
    """A request to declare a cash dividend. `request_id` makes a repeat harmless; `excluded_wallets` are the issuer's own."""

    request_id: UUID
    security_id: SecurityId
    amount: DividendAmount
    record_at: dt.datetime
    payment_at: dt.datetime
    payment_token: Address
    excluded_wallets: frozenset[Address] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """Return the request as an approval binds it."""
        match self.amount:
            case Total(money):
                amount = {"total": money.amount, "currency": money.currency}
            case PerShare(price):
                amount = {"per_share": price_text(price), "currency": price.currency}
        return {
            "request_id": str(self.request_id),
            "security_id": str(self.security_id),
            **amount,
            "record_at": instant_text(self.record_at),
            "payment_at": instant_text(self.payment_at),
            "payment_token": self.payment_token,
            "excluded_wallets": sorted(self.excluded_wallets),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> DeclareDividend:
        """Return the request that an approval was bound to."""
        amount: DividendAmount
        if "total" in body:
            amount = Total(Money.parse(body["total"], body["currency"], field="total"))
        else:
            amount = PerShare(Price(Decimal(body["per_share"]), body["currency"]))
        return cls(
            request_id=parse_id(body["request_id"]),
            security_id=SecurityId(parse_id(body["security_id"])),
            amount=amount,
            record_at=parse_instant(body["record_at"], field="record_at"),
            payment_at=parse_instant(body["payment_at"], field="payment_at"),
            payment_token=Address(body["payment_token"]),
            excluded_wallets=frozenset(Address(wallet) for wallet in body["excluded_wallets"]),
        )


def declare_dividend(actor: Actor, request: DeclareDividend, *, unit: ServicingUnit) -> DeclaredDividend | Pending:
    """Announce a cash dividend (CAEV DVCA, mandatory) and start its paying, which waits for the dates by itself; four eyes.

    The same request id with the same terms gives the dividend that is there. A record date that passes while the second person is
    asked is refused then: holders must have been able to know it.
    """
    authorize(actor, Action.SERVICING_DECLARE_DIVIDEND, tenant_id=unit.tenant_id)
    security = tokenised(unit.securities.get(request.security_id), step="a dividend")
    token = unit.payment_tokens.find(request.payment_token)
    if token is None:
        raise PaymentTokenNotAccepted(address=request.payment_token)
    dividend_id = DividendId(uuid5(request.request_id, f"{unit.tenant_id} dividend"))
    stored = unit.dividends.find(dividend_id)
    declared = declare(
        dividend_id=dividend_id,
        security_id=request.security_id,
        share_decimals=security.terms.decimals,
        amount=request.amount,
        payment_token=token,
        record_at=request.record_at,
        payment_at=request.payment_at,
        excluded_wallets=request.excluded_wallets,
        declared_by=actor.user_id,
        now=unit.clock.now() if stored is None else declaration_of(stored).declared_at,
    )
    if stored is not None:
        return _declared_before(request, declaration_of(stored), declared)
    clearance = require_approval(actor, Action.SERVICING_DECLARE_DIVIDEND, request.as_json(), unit=unit)
    if isinstance(clearance, Pending):
        return clearance
    if not unit.dividends.add(declared):
        # Another request under this id was faster.
        return _declared_before(request, declaration_of(unit.dividends.get(dividend_id)), declared)
    unit.outbox.record(
        DividendDeclared(
            dividend_id=str(dividend_id),
            security_id=str(request.security_id),
            record_at=instant_text(request.record_at),
            payment_at=instant_text(request.payment_at),
            currency=token.currency,
        )
    )
    unit.jobs.defer(PAY_JOB, {"dividend_id": str(dividend_id)}, lock=f"servicing:{dividend_id}", schedule_at=request.record_at)
    unit.audit.record(actor, Action.SERVICING_DECLARE_DIVIDEND, f"security:{request.security_id}", announcement(declared))
    return declared


def _declared_before(request: DeclareDividend, stored: DeclaredDividend, declared: DeclaredDividend) -> DeclaredDividend:
    if announcement(stored) != announcement(declared):
        raise RequestIdReused(request_id=str(request.request_id))
    return stored


def preview_dividend(actor: Actor, request: DeclareDividend, *, unit: ServicingUnit) -> EntitledDividend:
    """Return what each holder would get if now were the record date (unfinal blocks included); stores nothing."""
    authorize(actor, Action.SERVICING_DECLARE_DIVIDEND, tenant_id=unit.tenant_id)
    security = tokenised(unit.securities.get(request.security_id), step="a dividend")
    token = unit.payment_tokens.find(request.payment_token)
    if token is None:
        raise PaymentTokenNotAccepted(address=request.payment_token)
    now = unit.clock.now()
    declared = declare(
        dividend_id=DividendId(request.request_id),
        security_id=request.security_id,
        share_decimals=security.terms.decimals,
        amount=request.amount,
        payment_token=token,
        record_at=request.record_at,
        payment_at=request.payment_at,
        excluded_wallets=request.excluded_wallets,
        declared_by=actor.user_id,
        now=now,
    )
    holdings = unit.register.holdings(request.security_id)
    snapshot = HolderSnapshot(
        security_id=request.security_id,
        block_number=unit.register.read_block(),
        block_hash="",
        occurred_at=now,
        holdings={holding.wallet: Shares(holding.shares) for holding in holdings if holding.shares > 0},
    )
    return entitle(declared, snapshot, holders_of(snapshot, unit=unit), entitled_at=now)


def release_held(actor: Actor, dividend_id: DividendId, *, unit: ServicingUnit) -> Sequence[Payment]:
    """Let go of the held payments whose reason has fallen away, and pay them in a new round; refuse where there are none.

    A payment that the payment token refused is tried again too: only the chain knows whether it takes it now.
    """
    authorize(actor, Action.SERVICING_DECLARE_DIVIDEND, tenant_id=unit.tenant_id)
    dividend = unit.dividends.lock(dividend_id)
    if not isinstance(dividend, PaidDividend):
        raise NothingHeld(dividend_id=str(dividend_id))
    entitled = dividend.entitled
    held = [payment for payment in unit.dividends.payments(dividend_id) if payment.state == "held"]
    holders = holders_of_wallets(entitled.declared.security_id, [payment.entitlement.wallet for payment in held], unit=unit)
    free = [payment for payment in held if held_reason(holders[payment.entitlement.wallet]) is None]
    if not free:
        raise NothingHeld(dividend_id=str(dividend_id))
    pay_to = {payment.entitlement.payment_id: holders[payment.entitlement.wallet].pay_to for payment in free}
    unit.dividends.release(list(pay_to), pay_to)
    unit.dividends.reopen(dividend_id)
    unit.jobs.defer(PAY_JOB, {"dividend_id": str(dividend_id)}, lock=f"servicing:{dividend_id}")
    unit.audit.record(actor, "servicing.release_held", f"dividend:{dividend_id}", {"payments": len(free)})
    return free


@dataclass(frozen=True, slots=True)
class DividendsPage:
    """Dividends from newest to oldest; `next_cursor` leads on, None at the end."""

    dividends: Sequence[Dividend]
    next_cursor: str | None


def view_dividend(actor: Actor, dividend_id: DividendId, *, unit: ServicingUnit) -> Dividend:
    """Return one dividend."""
    authorize(actor, Action.SERVICING_VIEW, tenant_id=unit.tenant_id)
    return unit.dividends.get(dividend_id)


def view_dividends(
    actor: Actor, *, security_id: SecurityId | None = None, cursor: str | None = None, limit: int = 100, unit: ServicingUnit
) -> DividendsPage:
    """Return a page of dividends, newest first, of one security where given."""
    authorize(actor, Action.SERVICING_VIEW, tenant_id=unit.tenant_id)
    limit = max(1, min(limit, PAGE_MAX))
    before = None if cursor is None else _place(cursor)
    found = unit.dividends.page(security_id=security_id, before=before, limit=limit + 1)
    shown = found[:limit]
    if len(found) <= limit:
        return DividendsPage(shown, None)
    last = declaration_of(shown[-1])
    return DividendsPage(shown, f"{instant_text(last.declared_at)}~{last.dividend_id}")


def view_payments(actor: Actor, dividend_id: DividendId, *, unit: ServicingUnit) -> Sequence[Payment]:
    """Return every payment of a dividend, by wallet; none before its record date has passed."""
    authorize(actor, Action.SERVICING_VIEW, tenant_id=unit.tenant_id)
    unit.dividends.get(dividend_id)
    return unit.dividends.payments(dividend_id)


def holders_of(snapshot: HolderSnapshot, *, unit: ServicingUnit) -> Mapping[Address, Holder]:
    """Return what paying needs to know about the wallets of a snapshot, as things stand now."""
    return holders_of_wallets(snapshot.security_id, list(snapshot.holdings), unit=unit)


def holders_of_wallets(security_id: SecurityId, wallets: Sequence[Address], *, unit: ServicingUnit) -> Mapping[Address, Holder]:
    """Return whose each wallet is, where its rights stand after recoveries, and whether that place is frozen now."""
    # A wallet that was lost is lost for every security: a recovery of any of the issuer's tokens moves the right to be paid.
    moved = current_wallets(unit.register.recoveries())
    pay_to = {wallet: moved.get(wallet, wallet) for wallet in wallets}
    known = unit.wallets.by_addresses(sorted({*wallets, *pay_to.values()}))
    frozen = unit.register.frozen_wallets(security_id)
    return {
        wallet: Holder(
            investor_id=known[wallet].investor_id if wallet in known else None,
            pay_to=target,
            frozen=target in frozen,
        )
        for wallet, target in pay_to.items()
    }


def _place(cursor: str) -> DividendPlace:
    instant, tilde, dividend_id = cursor.partition("~")
    if not tilde:
        raise BadCursor(cursor=cursor)
    return DividendPlace(parse_instant(instant, field="cursor"), DividendId(parse_id(dividend_id, field="cursor")))
