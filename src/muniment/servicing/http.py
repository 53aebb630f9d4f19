# SPDX-License-Identifier: Apache-2.0
"""The REST face of servicing under /v1: dividends, what each holder would get, payments, proof. Shapes and routes; commands decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias, assert_never

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter, SkipValidation

from muniment.access.commands import idempotently
from muniment.access.model import Action, Actor, Pending, authorize
from muniment.access.ports import Answer
from muniment.parties.model import parse_address
from muniment.servicing import commands, process
from muniment.servicing.commands import DeclareDividend
from muniment.servicing.errors import BadDividendAmount
from muniment.servicing.model import (
    CAEV,
    DeclaredDividend,
    DistributionVerification,
    Dividend,
    DividendAmount,
    EntitledDividend,
    Entitlement,
    PaidDividend,
    Payment,
    PerShare,
    Total,
    declaration_of,
    price_text,
    state_name,
)
from muniment.servicing.ports import ServicingUnit
from muniment.units.errors import Place, plain
from muniment.units.ids import DividendId, SecurityId, TenantId, new_id, parse_id
from muniment.units.instants import parse_instant
from muniment.units.money import Money, Price, format_decimal, parse_decimal
from muniment.units.shares import format_shares

PAGE_ROWS: Final = 50
PAGE_ROWS_MAX: Final = 200
PRICE_DECIMALS_MAX: Final = 18
"""Decimals in a price per share: finer than any payment token."""

EXCLUDED_WALLETS_MAX: Final = 1000

AsActor: TypeAlias = SkipValidation[NamedDependency[Actor]]
Begin: TypeAlias = SkipValidation[NamedDependency[Callable[[TenantId], AbstractContextManager[ServicingUnit]]]]
Id: TypeAlias = FromPath[str]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX, description="How many rows at most.")]
Cursor: TypeAlias = Annotated[str | None, QueryParameter(max_length=100, description="next_cursor of the page before.")]
IdempotencyKey: TypeAlias = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", description="The same key with the same request gives the same answer.")
]
ServicingRequest: TypeAlias = Request[Any, Any, Any]
Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=300)]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shape on the wire: no field that we do not know."""


class MoneyBody(_Wire, frozen=True, kw_only=True):
    """An amount as decimal text with all the currency's decimals."""

    amount: str
    currency: str


class NewDividendBody(_Wire, frozen=True, kw_only=True):
    """A cash dividend: either `total` for all holders together or `per_share` for one whole share, as decimal text."""

    security_id: Text
    currency: Text
    record_at: Text
    payment_at: Text
    payment_token: Text
    total: Text | None = None
    per_share: Text | None = None
    excluded_wallets: Annotated[list[Text], msgspec.Meta(max_length=EXCLUDED_WALLETS_MAX)] = []


class DividendBody(_Wire, frozen=True, kw_only=True):
    """A dividend and how far it is: declared, entitled, paid. `event` is the ISO 20022 corporate action code."""

    dividend_id: str
    security_id: str
    event: str
    state: str
    total: MoneyBody | None
    per_share: str | None
    currency: str
    payment_token: str
    record_at: dt.datetime
    payment_at: dt.datetime
    declared_at: dt.datetime
    excluded_wallets: list[str]
    record_block: int | None = None
    pot: MoneyBody | None = None
    residue: MoneyBody | None = None
    entitled_at: dt.datetime | None = None
    paid: MoneyBody | None = None
    held: MoneyBody | None = None
    paid_at: dt.datetime | None = None


class DividendsBody(_Wire, frozen=True, kw_only=True):
    """A page of dividends, newest first."""

    dividends: list[DividendBody]
    next_cursor: str | None


class DividendOutcomeBody(_Wire, frozen=True, kw_only=True):
    """What a declaration led to: `declared`, or `pending` with the approval that a second person must give."""

    state: str
    approval_id: str | None = None
    dividend: DividendBody | None = None


class EntitlementBody(_Wire, frozen=True, kw_only=True):
    """What one wallet is owed; `held` says why it is not sent."""

    wallet: str
    pay_to: str
    investor_id: str | None
    shares: str
    amount: MoneyBody
    held: str | None


class DividendPreviewBody(_Wire, frozen=True, kw_only=True):
    """What each holder would get if now were the record date."""

    pot: MoneyBody
    block_number: int
    entitlements: list[EntitlementBody]


class PaymentBody(_Wire, frozen=True, kw_only=True):
    """An entitlement and what became of it: payable, sent, paid or held."""

    payment_id: str
    wallet: str
    pay_to: str
    investor_id: str | None
    shares: str
    amount: MoneyBody
    state: str
    held: str | None
    transaction_hash: str | None
    block_number: int | None


class PaymentsBody(_Wire, frozen=True, kw_only=True):
    """Every payment of a dividend, by wallet."""

    payments: list[PaymentBody]


class DistributionDifferenceBody(_Wire, frozen=True, kw_only=True):
    """One difference between the stored distribution and the chain."""

    code: str
    message: str
    facts: dict[str, Any]


class DistributionVerificationBody(_Wire, frozen=True, kw_only=True):
    """A distribution derived anew from the chain's logs."""

    dividend_id: str
    equal: bool
    block_number: int
    pot: MoneyBody
    paid: MoneyBody
    held: MoneyBody
    payments: int
    differences: list[DistributionDifferenceBody]


@post("/v1/dividends", sync_to_thread=True, tags=["Dividends"], summary="Declare a cash dividend")
def post_dividend(
    request: ServicingRequest, actor: AsActor, data: JSONBody[NewDividendBody], begin: Begin, idempotency_key: IdempotencyKey = None
) -> Response[DividendOutcomeBody]:
    """Announce a dividend; a second person approves first (202). It is paid by itself when its dates come."""
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            outcome = commands.declare_dividend(actor, _declaration(data, unit), unit=unit)
            if isinstance(outcome, Pending):
                body = DividendOutcomeBody(state="pending", approval_id=str(outcome.approval_id))
                return Answer(status=202, body=msgspec.to_builtins(body))
            body = DividendOutcomeBody(state="declared", dividend=dividend_body(outcome))
            return Answer(status=201, body=msgspec.to_builtins(body))

        bound = {"method": request.method, "path": request.url.path, "body": msgspec.to_builtins(data)}
        answer = idempotently(actor, idempotency_key, bound, run, unit=unit)
    return Response(msgspec.convert(answer.body, DividendOutcomeBody), status_code=answer.status)


@post("/v1/dividends/preview", sync_to_thread=True, tags=["Dividends"], summary="What each holder would get now", status_code=200)
def post_dividend_preview(actor: AsActor, data: JSONBody[NewDividendBody], begin: Begin) -> DividendPreviewBody:
    """Return the entitlements as if now were the record date; stores nothing."""
    with begin(actor.tenant_id) as unit:
        entitled = commands.preview_dividend(actor, _declaration(data, unit), unit=unit)
    return DividendPreviewBody(
        pot=_money(entitled.pot),
        block_number=entitled.block_number,
        entitlements=[_entitlement(entitlement, entitled.declared.share_decimals) for entitlement in entitled.entitlements],
    )


@get("/v1/dividends", sync_to_thread=True, tags=["Dividends"], summary="Dividends")
def get_dividends(
    actor: AsActor,
    begin: Begin,
    security_id: Annotated[str | None, QueryParameter(max_length=40, description="Only this security's.")] = None,
    limit: Limit = PAGE_ROWS,
    cursor: Cursor = None,
) -> DividendsBody:
    """Return dividends, newest first."""
    wanted = None if security_id is None else SecurityId(parse_id(security_id, field="security_id"))
    with begin(actor.tenant_id) as unit:
        page = commands.view_dividends(actor, security_id=wanted, cursor=cursor, limit=limit, unit=unit)
    return DividendsBody(dividends=[dividend_body(dividend) for dividend in page.dividends], next_cursor=page.next_cursor)


@get("/v1/dividends/{dividend_id:str}", sync_to_thread=True, tags=["Dividends"], summary="A dividend")
def get_dividend(actor: AsActor, dividend_id: Id, begin: Begin) -> DividendBody:
    """Return one dividend and how far it is."""
    with begin(actor.tenant_id) as unit:
        return dividend_body(commands.view_dividend(actor, _id(dividend_id), unit=unit))


@get("/v1/dividends/{dividend_id:str}/payments", sync_to_thread=True, tags=["Dividends"], summary="Payments of a dividend")
def get_payments(actor: AsActor, dividend_id: Id, begin: Begin) -> PaymentsBody:
    """Return every payment of a dividend; none before its record date has passed."""
    with begin(actor.tenant_id) as unit:
        dividend = commands.view_dividend(actor, _id(dividend_id), unit=unit)
        payments = commands.view_payments(actor, _id(dividend_id), unit=unit)
    decimals = declaration_of(dividend).share_decimals
    return PaymentsBody(payments=[_payment(payment, decimals) for payment in payments])


@post("/v1/dividends/{dividend_id:str}/release", sync_to_thread=True, tags=["Dividends"], summary="Pay what was held", status_code=200)
def post_release(actor: AsActor, dividend_id: Id, begin: Begin) -> PaymentsBody:
    """Let go of the held payments whose reason has fallen away; they are paid in a new round."""
    with begin(actor.tenant_id) as unit:
        released = commands.release_held(actor, _id(dividend_id), unit=unit)
        decimals = declaration_of(unit.dividends.get(_id(dividend_id))).share_decimals
    return PaymentsBody(payments=[_payment(payment, decimals) for payment in released])


@post("/v1/dividends/{dividend_id:str}/verify", sync_to_thread=True, tags=["Dividends"], summary="Verify a distribution", status_code=200)
def post_verify_distribution(actor: AsActor, dividend_id: Id, begin: Begin) -> DistributionVerificationBody:
    """Derive every amount and every payment anew from the chain's logs and compare."""
    authorize(actor, Action.SERVICING_VIEW, tenant_id=actor.tenant_id)
    return verification_body(process.verify_distribution(_id(dividend_id), begin=lambda: begin(actor.tenant_id)))


# With the POST of a path before its GET, Litestar 2.25 wraps the POST's function twice and answers 500: the GET stands first.
ROUTES: Sequence[HTTPRouteHandler] = [
    get_dividends,
    post_dividend,
    post_dividend_preview,
    get_dividend,
    get_payments,
    post_release,
    post_verify_distribution,
]


def dividend_body(dividend: Dividend) -> DividendBody:
    """Return a dividend as the wire shows it."""
    declared = declaration_of(dividend)
    amount = declared.amount
    body = DividendBody(
        dividend_id=str(declared.dividend_id),
        security_id=str(declared.security_id),
        event=CAEV,
        state=state_name(dividend),
        total=_money(amount.money) if isinstance(amount, Total) else None,
        per_share=price_text(amount.price) if isinstance(amount, PerShare) else None,
        currency=declared.payment_token.currency,
        payment_token=declared.payment_token.address,
        record_at=declared.record_at,
        payment_at=declared.payment_at,
        declared_at=declared.declared_at,
        excluded_wallets=sorted(declared.excluded_wallets),
    )
    match dividend:
        case DeclaredDividend():
            return body
        case EntitledDividend():
            return _with_entitled(body, dividend)
        case PaidDividend():
            return msgspec.structs.replace(
                _with_entitled(body, dividend.entitled),
                paid=_money(dividend.paid),
                held=_money(dividend.held),
                paid_at=dividend.paid_at,
            )
        case _:
            assert_never(dividend)


def verification_body(verification: DistributionVerification) -> DistributionVerificationBody:
    """Return a verification as the wire shows it."""
    return DistributionVerificationBody(
        dividend_id=str(verification.dividend_id),
        equal=verification.equal,
        block_number=verification.block_number,
        pot=_money(verification.pot),
        paid=_money(verification.paid),
        held=_money(verification.held),
        payments=verification.payments,
        differences=[
            DistributionDifferenceBody(
                code=difference.code,
                message=difference.sentence,
                facts={name: plain(fact) for name, fact in difference.facts.items()},
            )
            for difference in verification.differences
        ],
    )


def parse_amount(*, total: str | None, per_share: str | None, currency: str) -> DividendAmount:
    """Return the amount of a declaration from its text; exactly one of `total` and `per_share` is given."""
    if (total is None) == (per_share is None):
        raise BadDividendAmount(place=Place(field="total"))
    if total is not None:
        return Total(Money.parse(total, currency, field="total"))
    assert per_share is not None, "one of the two is given"
    units = parse_decimal(per_share, decimals_max=PRICE_DECIMALS_MAX, unit="a price per share", field="per_share")
    # Money knows the currencies: a price in none of them is refused there.
    Money(0, currency)
    return PerShare(Price(Decimal(format_decimal(units, decimals=PRICE_DECIMALS_MAX)), currency))


def _with_entitled(body: DividendBody, entitled: EntitledDividend) -> DividendBody:
    return msgspec.structs.replace(
        body,
        record_block=entitled.block_number,
        pot=_money(entitled.pot),
        residue=_money(entitled.residue),
        entitled_at=entitled.entitled_at,
    )


def _declaration(data: NewDividendBody, unit: ServicingUnit) -> DeclareDividend:
    return DeclareDividend(
        request_id=new_id(unit.clock.now()),
        security_id=SecurityId(parse_id(data.security_id, field="security_id")),
        amount=parse_amount(total=data.total, per_share=data.per_share, currency=data.currency),
        record_at=parse_instant(data.record_at, field="record_at"),
        payment_at=parse_instant(data.payment_at, field="payment_at"),
        payment_token=parse_address(data.payment_token, field="payment_token"),
        excluded_wallets=frozenset(
            parse_address(wallet, field=f"excluded_wallets.{place}") for place, wallet in enumerate(data.excluded_wallets)
        ),
    )


def _entitlement(entitlement: Entitlement, decimals: int) -> EntitlementBody:
    return EntitlementBody(
        wallet=entitlement.wallet,
        pay_to=entitlement.pay_to,
        investor_id=None if entitlement.investor_id is None else str(entitlement.investor_id),
        shares=format_shares(entitlement.shares, decimals=decimals),
        amount=_money(entitlement.amount),
        held=None if entitlement.held is None else entitlement.held.value,
    )


def _payment(payment: Payment, decimals: int) -> PaymentBody:
    entitlement = payment.entitlement
    return PaymentBody(
        payment_id=str(entitlement.payment_id),
        wallet=entitlement.wallet,
        pay_to=entitlement.pay_to,
        investor_id=None if entitlement.investor_id is None else str(entitlement.investor_id),
        shares=format_shares(entitlement.shares, decimals=decimals),
        amount=_money(entitlement.amount),
        state=payment.state,
        held=None if payment.held is None else payment.held.value,
        transaction_hash=payment.transaction_hash,
        block_number=payment.block_number,
    )


def _money(money: Money) -> MoneyBody:
    return MoneyBody(amount=money.amount, currency=money.currency)


def _id(text: str) -> DividendId:
    return DividendId(parse_id(text, field="dividend_id"))
