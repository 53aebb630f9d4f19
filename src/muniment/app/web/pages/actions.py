# SPDX-License-Identifier: Apache-2.0
"""Forms that move shares or money: issue, transfer, declare a dividend. Each shows what will happen before anything is signed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread

from muniment.access.model import Action, Actor, Pending, authorize, permits
from muniment.access.ports import Page
from muniment.app.http.request import MunimentRequest
from muniment.app.web.forms import fingerprint, form_values, text_of
from muniment.app.web.pages.previewing import (
    FieldMissing,
    Values,
    execute,
    fresh,
    previewed,
    request_id,
    required,
    run,
    second_person,
    shown,
    status_after,
)
from muniment.app.web.pages.securities import crumbs_of, head_of, security_id_of
from muniment.app.web.reading import AsActor, Begin, Id, holders_of, investor_names, nameless, shares_text
from muniment.app.web.render import page, reason_of_error, reasons_of
from muniment.app.web.views import FormState, Option, Preview
from muniment.app.web.words import count, percent, when, words_of
from muniment.compliance.commands import DEFAULT_CURRENCY, ask_transfer, view_exemptions
from muniment.instruments.commands import view_security
from muniment.instruments.model.securities import Security
from muniment.parties.errors import InvestorNotFound
from muniment.parties.model import country_name, parse_address
from muniment.servicing.commands import DeclareDividend, declare_dividend, preview_dividend
from muniment.servicing.model import DividendAmount, PerShare, Total
from muniment.servicing.ports import ServicingUnit
from muniment.settlement.commands import IssueShares, TransferShares, issue, preview_issue, transfer
from muniment.settlement.errors import HolderSigns
from muniment.settlement.model import Allotment, SaleTerms
from muniment.units.decisions import Refused
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address, InvestorId, SecurityId, parse_id
from muniment.units.money import MINOR_DIGITS, Money, Price, parse_decimal
from muniment.units.payment_tokens import PaymentToken
from muniment.units.shares import parse_shares

HOLDERS_IN_A_SELECT: Final = 300
PRICE_DECIMALS_MAX: Final = 18


class BadMoment(MunimentError):
    """No date and time."""

    code = "web.bad_moment"
    message = "“{text}” is no date and time."
    cure = "Give date and time in UTC, such as 2027-05-23T16:00."


# Issue


@get("/securities/{security_id:str}/issue", sync_to_thread=True, include_in_schema=False)
def show_issue(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show the form to issue shares."""
    with begin(actor.tenant_id) as unit:
        return _issue_page(request, actor, security_id_of(security_id), fresh(), unit=unit)


@post("/securities/{security_id:str}/issue/preview", include_in_schema=False, status_code=200)
async def preview_issue_form(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show what issuing would do, or why it cannot be done."""
    values = await form_values(request)
    return await sync_to_thread(run, request, actor, begin, security_id_of(security_id), values, _issue_page)


@post("/securities/{security_id:str}/issue", include_in_schema=False)
async def do_issue(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Issue what was previewed, or ask a second person."""
    values = await form_values(request)
    return await sync_to_thread(execute, request, actor, begin, security_id_of(security_id), values, _issue_page, _issue)


def _issue_page(
    request: MunimentRequest, actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit, form: FormState | None = None
) -> Response[Any]:
    authorize(actor, Action.SETTLEMENT_ISSUE, tenant_id=unit.tenant_id)
    security = view_security(actor, security_id, unit=unit)
    form, preview = previewed(values, form, lambda: _preview_issue(actor, security, values, unit=unit))
    authorized = security.terms.shares_authorized
    hint = None
    if authorized is not None:
        room = max(0, authorized - unit.register.supply(security_id))
        hint = f"{shares_text(room, security)} of {shares_text(authorized, security)} authorised shares can still be issued."
    return page(
        request,
        "issue.html",
        title=f"Issue shares of {security.terms.name}",
        status=status_after(form, preview),
        lead="New shares for a verified holder. The rules are asked now, and by the token again when it happens.",
        crumbs=crumbs_of(security, ("Issue shares", "")),
        action=f"/securities/{security_id}/issue",
        check_words="Check this issue",
        security=head_of(actor, security, tab="", unit=unit),
        form=form,
        preview=preview,
        shares_hint=hint,
        holders=eligible(actor, unit=unit),
        may_explain=permits(actor, Action.NOTICES_EXPLAIN),
        sale=sale_options(actor, security_id, values, unit=unit),
    )


CATEGORIES: Final = ("accredited", "non_accredited", "qualified_purchaser", "qualified", "professional", "retail")
"""What a buyer is to an exemption, in the codes that a form offers; the API takes any."""


@dataclass(frozen=True, slots=True)
class SaleOptions:
    """What the fields of a sale's terms offer."""

    exemptions: Sequence[Option]
    currencies: Sequence[Option]
    categories: Sequence[Option]


def sale_options(actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit) -> SaleOptions:
    """Return what the fields of a sale's terms offer; what somebody has typed elsewhere stays to be chosen."""
    exemptions = view_exemptions(actor, security_id, unit=unit)
    codes = [Option(rule.rule_id, f"{rule.rule_id} ({rule.citation})") for rule in exemptions.rules]
    currencies = [exemptions.currency, *(currency for currency in MINOR_DIGITS if currency != exemptions.currency)]
    return SaleOptions(
        exemptions=with_option(codes, text_of(values, "exemption")),
        currencies=[Option(currency, currency) for currency in currencies],
        categories=with_option([Option(code, words_of(code)) for code in CATEGORIES], text_of(values, "buyer_category")),
    )


def with_option(options: list[Option], key: str) -> list[Option]:
    """Return the options with one more where the key is none of theirs."""
    return options if not key or any(option.key == key for option in options) else [*options, Option(key, key)]


def sale_of(values: Values) -> SaleTerms:
    """Return the terms of a sale that a form states; an empty field states nothing."""
    paid = text_of(values, "paid")
    return SaleTerms(
        exemption=text_of(values, "exemption") or None,
        paid=Money.parse(paid, text_of(values, "paid_currency") or DEFAULT_CURRENCY, field="paid") if paid else None,
        buyer_category=text_of(values, "buyer_category") or None,
    )


def _issue_request(security: Security, values: Values, *, unit: ServicingUnit) -> IssueShares:
    wallet = wallet_in(values, "wallet", "The holder", unit=unit)
    shares = parse_shares(required(values, "shares", "The number of shares"), decimals=security.terms.decimals)
    return IssueShares(
        request_id(values), security.terms.security_id, (Allotment(shares=int(shares), wallet=wallet, sale=sale_of(values)),)
    )


def _preview_issue(actor: Actor, security: Security, values: Values, *, unit: ServicingUnit) -> Preview:
    request = _issue_request(security, values, unit=unit)
    report = preview_issue(actor, request, unit=unit)
    if report.refused:
        return Preview(title="This issue is refused", reasons=reasons_of(report.refused[0].decision, decimals=security.terms.decimals))
    wallet, shares = report.accepted[0].wallet, report.shares
    supply = unit.register.supply(request.security_id)
    held = unit.register.balance_of(request.security_id, wallet)
    name = holder_name(actor, wallet, unit=unit)
    lines = [
        ("Shares in issue", f"{shares_text(supply, security)} → {shares_text(supply + shares, security)}"),
        (name, f"{part_text(held, supply, security)} → {part_text(held + shares, supply + shares, security)}"),
        *_sale_lines(report.accepted[0].sale, is_stated=text_of(values, "exemption") != ""),
    ]
    return Preview(
        button=f"Issue {shares_text(shares, security)} {security.terms.symbol} to {name}",
        title="Nothing stands against this issue",
        lines=lines,
        notes=second_person(actor, Action.SETTLEMENT_ISSUE, unit=unit),
        fingerprint=fingerprint(shown(values)),
    )


def _sale_lines(sale: SaleTerms, *, is_stated: bool) -> list[tuple[str, Any]]:
    """Return the terms that the register will know."""
    lines: list[tuple[str, Any]] = []
    if sale.exemption is not None:
        lines.append(("Sold under", sale.exemption if is_stated else f"{sale.exemption}, the one that holds"))
    if sale.paid is not None:
        lines.append(("Paid", str(sale.paid)))
    if sale.buyer_category is not None:
        lines.append(("Buyer", words_of(sale.buyer_category)))
    if sale.locked_until is not None:
        lines.append(("Locked by the token until", when(sale.locked_until)))
    return lines


def _issue(actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit) -> str | Refused:
    security = view_security(actor, security_id, unit=unit)
    request = _issue_request(security, values, unit=unit)
    # A single receiver: what stands against it is shown whole, and nothing is stored.
    report = preview_issue(actor, request, unit=unit)
    if report.refused:
        return report.refused[0].decision
    outcome = issue(actor, request, unit=unit)
    if isinstance(outcome, Pending):
        return f"/approvals/{outcome.approval_id}"
    return f"/instructions/{outcome.instructions[0].instruction_id}"


# Transfer


@get("/securities/{security_id:str}/transfer", sync_to_thread=True, include_in_schema=False)
def show_transfer(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show the form to transfer shares."""
    with begin(actor.tenant_id) as unit:
        return _transfer_page(request, actor, security_id_of(security_id), fresh(), unit=unit)


@post("/securities/{security_id:str}/transfer/preview", include_in_schema=False, status_code=200)
async def preview_transfer_form(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show what the transfer would do, or every reason against it."""
    values = await form_values(request)
    return await sync_to_thread(run, request, actor, begin, security_id_of(security_id), values, _transfer_page)


@post("/securities/{security_id:str}/transfer", include_in_schema=False)
async def do_transfer(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Transfer what was previewed."""
    values = await form_values(request)
    return await sync_to_thread(execute, request, actor, begin, security_id_of(security_id), values, _transfer_page, _transfer)


def _transfer_page(
    request: MunimentRequest, actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit, form: FormState | None = None
) -> Response[Any]:
    authorize(actor, Action.SETTLEMENT_TRANSFER, tenant_id=unit.tenant_id)
    security = view_security(actor, security_id, unit=unit)
    form, preview = previewed(values, form, lambda: _preview_transfer(actor, security, values, unit=unit))
    return page(
        request,
        "transfer.html",
        title=f"Transfer shares of {security.terms.name}",
        status=status_after(form, preview),
        lead="Both sides must pass every rule: they are asked now, and by the token again when it happens.",
        crumbs=crumbs_of(security, ("Transfer shares", "")),
        action=f"/securities/{security_id}/transfer",
        check_words="Check this transfer",
        security=head_of(actor, security, tab="", unit=unit),
        form=form,
        preview=preview,
        senders=_senders(actor, security, unit=unit),
        holders=eligible(actor, unit=unit, verified_only=False),
        may_explain=permits(actor, Action.NOTICES_EXPLAIN),
    )


def _transfer_request(security: Security, values: Values, *, unit: ServicingUnit) -> TransferShares:
    from_wallet = wallet_in(values, "from_wallet", "Who gives", unit=unit)
    to_wallet = wallet_in(values, "to_wallet", "Who receives", unit=unit)
    shares = parse_shares(required(values, "shares", "The number of shares"), decimals=security.terms.decimals)
    return TransferShares(request_id(values), security.terms.security_id, from_wallet, to_wallet, int(shares))


def _preview_transfer(actor: Actor, security: Security, values: Values, *, unit: ServicingUnit) -> Preview:
    request = _transfer_request(security, values, unit=unit)
    decision = ask_transfer(
        actor, request.security_id, from_wallet=request.from_wallet, to_wallet=request.to_wallet, shares=request.shares, unit=unit
    )
    if isinstance(decision, Refused):
        return Preview(title="This transfer is refused", reasons=reasons_of(decision, decimals=security.terms.decimals))
    sender = unit.wallets.by_address(request.from_wallet)
    if sender is None or not sender.managed:
        return Preview(title="This transfer is the holder's to sign", reasons=[reason_of_error(HolderSigns(wallet=request.from_wallet))])
    supply = unit.register.supply(request.security_id)
    names = holders_of(actor, [request.from_wallet, request.to_wallet], unit=unit)
    balances = unit.register.balances_of(request.security_id, [request.from_wallet, request.to_wallet])
    before_from, before_to = balances[request.from_wallet], balances[request.to_wallet]
    from_name, to_name = names.name(request.from_wallet), names.name(request.to_wallet)
    return Preview(
        button=f"Transfer {shares_text(request.shares, security)} {security.terms.symbol} to {to_name}",
        title="Nothing stands against this transfer",
        lines=[
            (from_name, f"{part_text(before_from, supply, security)} → {part_text(before_from - request.shares, supply, security)}"),
            (to_name, f"{part_text(before_to, supply, security)} → {part_text(before_to + request.shares, supply, security)}"),
        ],
        fingerprint=fingerprint(shown(values)),
    )


def _transfer(actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit) -> str | Refused:
    security = view_security(actor, security_id, unit=unit)
    outcome = transfer(actor, _transfer_request(security, values, unit=unit), unit=unit)
    return outcome if isinstance(outcome, Refused) else f"/instructions/{outcome.instruction_id}"


# Dividend


@get("/securities/{security_id:str}/dividends/declare", sync_to_thread=True, include_in_schema=False)
def show_declare(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show the form to declare a dividend."""
    with begin(actor.tenant_id) as unit:
        end_of_day = unit.clock.now().replace(hour=23, minute=59, second=0, microsecond=0)
        dates = {"record_at": f"{end_of_day:%Y-%m-%dT%H:%M}", "payment_at": f"{end_of_day + dt.timedelta(days=7):%Y-%m-%dT%H:%M}"}
        return _dividend_page(request, actor, security_id_of(security_id), {**fresh(), **dates, "basis": "total"}, unit=unit)


@post("/securities/{security_id:str}/dividends/declare/preview", include_in_schema=False, status_code=200)
async def preview_declare_form(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show whom the dividend would pay how much if now were the record date."""
    values = await form_values(request)
    return await sync_to_thread(run, request, actor, begin, security_id_of(security_id), values, _dividend_page)


@post("/securities/{security_id:str}/dividends/declare", include_in_schema=False)
async def do_declare(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Declare what was previewed, or ask a second person."""
    values = await form_values(request)
    return await sync_to_thread(execute, request, actor, begin, security_id_of(security_id), values, _dividend_page, _declare)


def _dividend_page(
    request: MunimentRequest, actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit, form: FormState | None = None
) -> Response[Any]:
    authorize(actor, Action.SERVICING_DECLARE_DIVIDEND, tenant_id=unit.tenant_id)
    security = view_security(actor, security_id, unit=unit)
    form, preview = previewed(values, form, lambda: _preview_dividend(actor, security, values, unit=unit), needed="amount")
    tokens = unit.payment_tokens.all()
    return page(
        request,
        "dividend_declare.html",
        title=f"Declare a dividend on {security.terms.name}",
        status=status_after(form, preview),
        lead="Whoever holds shares at the record date is paid. Times are UTC.",
        crumbs=crumbs_of(security, ("Dividends", f"/securities/{security_id}/dividends"), ("Declare", "")),
        action=f"/securities/{security_id}/dividends/declare",
        check_words="Show who would be paid",
        security=head_of(actor, security, tab="", unit=unit),
        form=form,
        preview=preview,
        bases=[Option("total", "in total, for all holders"), Option("per_share", "for one share")],
        currencies=[Option(token.address, f"{token.currency} ({token.symbol})") for token in tokens],
    )


def _dividend_request(security: Security, values: Values, *, unit: ServicingUnit) -> DeclareDividend:
    token = _payment_token(values, unit=unit)
    return DeclareDividend(
        request_id=request_id(values),
        security_id=security.terms.security_id,
        amount=_amount(values, token),
        record_at=_moment(values, "record_at", "The record date"),
        payment_at=_moment(values, "payment_at", "The payment date"),
        payment_token=token.address,
    )


def _amount(values: Values, token: PaymentToken) -> DividendAmount:
    text = required(values, "amount", "The amount")
    if text_of(values, "basis") != "per_share":
        return Total(Money.parse(text, token.currency, field="amount"))
    parse_decimal(text, decimals_max=PRICE_DECIMALS_MAX, unit="a price", field="amount")
    # From the text, which is exact; arithmetic with a Decimal would round to 28 digits.
    return PerShare(Price(Decimal(text), token.currency))


def _payment_token(values: Values, *, unit: ServicingUnit) -> PaymentToken:
    tokens = unit.payment_tokens.all()
    address = text_of(values, "payment_token")
    found = [token for token in tokens if token.address == address]
    if not found:
        raise FieldMissing(what="The payment token", place=Place(field="payment_token"))
    return found[0]


def _preview_dividend(actor: Actor, security: Security, values: Values, *, unit: ServicingUnit) -> Preview:
    request = _dividend_request(security, values, unit=unit)
    entitled = preview_dividend(actor, request, unit=unit)
    people = len(entitled.entitlements)
    held = [one for one in entitled.entitlements if one.held is not None]
    lines = [
        ("To be paid", str(entitled.due)),
        ("Holders now", f"{count(people)}, as of block {count(entitled.block_number)}"),
    ]
    if held:
        lines.append(("Held back", f"{count(len(held))} frozen or unknown wallets; their part stays due"))
    notes = ["The holders are fixed at the record date; who trades before then changes who is paid, not how much."]
    shortage = _shortage(request, entitled.due, unit=unit)
    if shortage:
        notes.append(shortage)
    return Preview(
        button=f"Pay {entitled.due} to {count(people)} {'holder' if people == 1 else 'holders'}",
        title="Nothing stands against this dividend",
        lines=lines,
        notes=[*notes, *second_person(actor, Action.SERVICING_DECLARE_DIVIDEND, unit=unit)],
        fingerprint=fingerprint(shown(values)),
    )


def _shortage(request: DeclareDividend, due: Money, *, unit: ServicingUnit) -> str:
    token, suite = unit.payment_tokens.find(request.payment_token), unit.suites.suite()
    if token is None or suite is None:
        return ""
    balance = unit.payout_chain.balance(token, suite.operator)
    if balance >= token.units_of(due):
        return ""
    return f"The paying account holds too little: {count(balance)} units of {token.symbol}. Payment waits until it is filled."


def _declare(actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit) -> str | Refused:
    security = view_security(actor, security_id, unit=unit)
    outcome = declare_dividend(actor, _dividend_request(security, values, unit=unit), unit=unit)
    return f"/approvals/{outcome.approval_id}" if isinstance(outcome, Pending) else f"/dividends/{outcome.dividend_id}"


# What the forms read alike


def _moment(values: Values, name: str, what: str) -> dt.datetime:
    text = required(values, name, what)
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise BadMoment(text=text, place=Place(field=name)) from None


def wallet_in(values: Values, name: str, what: str, *, unit: ServicingUnit) -> Address:
    """Return the wallet that a field means: an address, or the first wallet of an investor's id or reference."""
    text = required(values, name, what)
    if text[:2].lower() == "0x":
        return parse_address(text, field=name)
    investor = unit.investors.by_reference(text)
    investor_id = investor.investor_id if investor is not None else InvestorId(parse_id(text, field=name))
    wallets = unit.wallets.of_investor(investor_id)
    if not wallets:
        raise InvestorNotFound(place=Place(field=name))
    return wallets[0].address


def eligible(actor: Actor, *, unit: ServicingUnit, verified_only: bool = True) -> Sequence[Option]:
    """Return the wallets to choose from: those of the newest investors, by name."""
    authorize(actor, Action.PARTIES_VIEW, tenant_id=unit.tenant_id)
    status = "verified" if verified_only else None
    investors = unit.investors.page(Page(limit=HOLDERS_IN_A_SELECT), status=status)
    by_id = {investor.investor_id: investor for investor in investors}
    wallets = unit.wallets.of_investors(list(by_id))
    names = investor_names(actor, list(by_id), unit=unit)
    options = []
    for investor_id, investor in by_id.items():
        for wallet in wallets.get(investor_id, ()):
            more = f", wallet {wallet.position}" if wallet.position > 1 else ""
            state = "" if investor.status == "verified" else f", {investor.status.replace('_', ' ')}"
            words = f"{names.get(investor_id, nameless(investor_id))}, {country_name(investor.country)}{more}{state}"
            options.append(Option(wallet.address, words))
    return sorted(options, key=lambda option: option.words)


def _senders(actor: Actor, security: Security, *, unit: ServicingUnit) -> Sequence[Option]:
    """Return the wallets that hold shares and whose key is kept here."""
    holdings = {holding.wallet: holding.shares for holding in unit.register.holdings(security.terms.security_id) if holding.shares > 0}
    wallets = {address: wallet for address, wallet in unit.wallets.by_addresses(sorted(holdings)).items() if wallet.managed}
    names = holders_of(actor, list(wallets), unit=unit)
    options = [
        Option(address, f"{names.name(address)}, {shares_text(holdings[address], security)} {security.terms.symbol}") for address in wallets
    ]
    return sorted(options, key=lambda option: option.words)


def holder_name(actor: Actor, wallet: Address, *, unit: ServicingUnit) -> str:
    """Return the name of a wallet's holder, as far as the actor may see it."""
    return holders_of(actor, [wallet], unit=unit).name(wallet)


def part_text(shares: int, supply: int, security: Security) -> str:
    """Return shares with their part of all."""
    return f"{shares_text(shares, security)} ({percent(shares, supply)})"


ROUTES = [
    show_issue,
    preview_issue_form,
    do_issue,
    show_transfer,
    preview_transfer_form,
    do_transfer,
    show_declare,
    preview_declare_form,
    do_declare,
]
