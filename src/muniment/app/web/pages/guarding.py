# SPDX-License-Identifier: Apache-2.0
"""What protects a holding: freezing and unfreezing, and recovering a lost wallet. Each shows before and after; recovery needs four eyes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread

from muniment.access.model import Action, Actor, Pending, authorize, permits
from muniment.app.http.request import MunimentRequest
from muniment.app.web.forms import fingerprint, form_values, go_to, text_of
from muniment.app.web.pages.previewing import (
    FieldMissing,
    Values,
    execute,
    fresh,
    once,
    previewed,
    request_id,
    required,
    run,
    second_person,
    shown,
    status_after,
)
from muniment.app.web.pages.securities import crumbs_of, head_of, security_id_of
from muniment.app.web.reading import AsActor, Begin, Id, Query, holders_of, investor_names, nameless, shares_text
from muniment.app.web.render import page
from muniment.app.web.views import FormState, Option, Preview, ReasonView
from muniment.app.web.words import count, short
from muniment.compliance.commands import OrderFreeze, freeze, unfreeze, view_lockups
from muniment.instruments.commands import view_security
from muniment.instruments.model.securities import Security
from muniment.parties.commands import add_wallet
from muniment.parties.model import parse_address
from muniment.servicing.ports import ServicingUnit
from muniment.settlement.commands import RecoverWallet, recover
from muniment.units.errors import Place
from muniment.units.ids import Address, InvestorId, SecurityId, parse_id
from muniment.units.shares import parse_shares

ORDERS: Final = (
    Option("freeze_wallet", "Freeze the whole wallet"),
    Option("freeze_shares", "Freeze some of its shares"),
    Option("unfreeze_wallet", "Unfreeze the whole wallet"),
    Option("unfreeze_shares", "Unfreeze some of its shares"),
)


# Freezes


@get("/securities/{security_id:str}/freeze", sync_to_thread=True, include_in_schema=False)
def show_freeze(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id, wallet: Query = "") -> Response[Any]:
    """Show the form that freezes or unfreezes a holder's wallet or some of its shares."""
    with begin(actor.tenant_id) as unit:
        return _freeze_page(request, actor, security_id_of(security_id), {**fresh(), "wallet": wallet}, unit=unit)


@post("/securities/{security_id:str}/freeze/preview", include_in_schema=False, status_code=200)
async def preview_freeze_form(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show what the holder can move before and after."""
    values = await form_values(request)
    return await sync_to_thread(run, request, actor, begin, security_id_of(security_id), values, _freeze_page)


@post("/securities/{security_id:str}/freeze", include_in_schema=False)
async def do_freeze(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Sign the freeze or its lifting that was previewed."""
    values = await form_values(request)
    return await sync_to_thread(execute, request, actor, begin, security_id_of(security_id), values, _freeze_page, _freeze)


def _freeze_page(
    request: MunimentRequest, actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit, form: FormState | None = None
) -> Response[Any]:
    authorize(actor, Action.COMPLIANCE_FREEZE, tenant_id=unit.tenant_id)
    security = view_security(actor, security_id, unit=unit)
    form, preview = previewed(values, form, lambda: _preview_freeze(actor, security, values, unit=unit), needed="reason")
    return page(
        request,
        "freeze.html",
        title=f"Freeze or unfreeze shares of {security.terms.name}",
        status=status_after(form, preview),
        lead="A frozen wallet neither gives nor receives, and its dividends are held back. Frozen shares stay where they are.",
        crumbs=crumbs_of(security, ("Freeze or unfreeze", "")),
        action=f"/securities/{security_id}/freeze",
        check_words="Check this order",
        security=head_of(actor, security, tab="", unit=unit),
        form=form,
        preview=preview,
        orders=ORDERS,
        holders=_holders(actor, security, unit=unit),
    )


def _holders(actor: Actor, security: Security, *, unit: ServicingUnit) -> Sequence[Option]:
    security_id = security.terms.security_id
    held = {holding.wallet: holding.shares for holding in unit.register.holdings(security_id) if holding.shares > 0}
    for wallet in unit.register.frozen_wallets(security_id):
        held.setdefault(wallet, unit.register.balance_of(security_id, wallet))
    holders = holders_of(actor, list(held), unit=unit)
    options = [
        Option(address, f"{holders.name(address)}, {shares_text(shares, security)} {security.terms.symbol}, {short(address)}")
        for address, shares in held.items()
    ]
    return sorted(options, key=lambda option: option.words)


def _order_of(security: Security, values: Values) -> tuple[str, OrderFreeze]:
    address = parse_address(required(values, "wallet", "The wallet"), field="wallet")
    order = text_of(values, "order")
    if order not in {option.key for option in ORDERS}:
        raise FieldMissing(what="The order", place=Place(field="order"))
    shares = None
    if order.endswith("_shares"):
        shares = int(parse_shares(required(values, "shares", "The number of shares"), decimals=security.terms.decimals))
    return order, OrderFreeze(security.terms.security_id, address, required(values, "reason", "The reason"), shares)


def _preview_freeze(actor: Actor, security: Security, values: Values, *, unit: ServicingUnit) -> Preview:
    order, wish = _order_of(security, values)
    is_frozen = unit.register.is_frozen(wish.security_id, wish.address)
    held = unit.register.balance_of(wish.security_id, wish.address)
    frozen = unit.register.frozen_shares(wish.security_id, wish.address)
    name, symbol = holders_of(actor, [wish.address], unit=unit).name(wish.address), security.terms.symbol
    verb = "Freeze" if order.startswith("freeze") else "Unfreeze"
    room = held - frozen if verb == "Freeze" else frozen
    if wish.shares is None and is_frozen == (verb == "Freeze"):
        sentence = f"The wallet of {name} is {'frozen already' if is_frozen else 'not frozen as a whole'}."
        return Preview(title="There is nothing to do", reasons=[ReasonView(code="", sentence=sentence)])
    if wish.shares is not None and wish.shares > room:
        sentence = f"Only {shares_text(room, security)} shares of {name} are {'free' if verb == 'Freeze' else 'frozen'}."
        return Preview(title="That is more than there is", reasons=[ReasonView(code="", sentence=sentence, cure="Give a smaller number.")])
    after = is_frozen if wish.shares is not None else verb == "Freeze"
    frozen_after = frozen + ((wish.shares or 0) if verb == "Freeze" else -(wish.shares or 0))
    # Frozen and locked shares do not overlap: what is left after both moves.
    locked = sum(each.shares for each in view_lockups(actor, wish.security_id, unit=unit).get(wish.address, ()))
    free = 0 if is_frozen else max(0, held - frozen - locked)
    free_after = 0 if after else max(0, held - frozen_after - locked)
    what = "the wallet" if wish.shares is None else f"{shares_text(wish.shares, security)} {symbol}"
    return Preview(
        button=f"{verb} {what} of {name}",
        title="Nothing stands against this order",
        lines=[
            ("Holder", f"{name}, {short(wish.address)}"),
            ("Wallet", f"{_word(is_frozen=is_frozen)} → {_word(is_frozen=after)}"),
            ("Frozen shares", f"{shares_text(frozen, security)} → {shares_text(frozen_after, security)}"),
            ("Shares free to move", f"{shares_text(free, security)} → {shares_text(free_after, security)}"),
        ],
        notes=["It is signed at once. The reason is kept with the order and does not go to the chain."],
        fingerprint=fingerprint(shown(values)),
    )


def _word(*, is_frozen: bool) -> str:
    return "frozen" if is_frozen else "free"


def _freeze(actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit) -> str:
    order, wish = _order_of(view_security(actor, security_id, unit=unit), values)

    def do() -> str:
        ordered = freeze(actor, wish, unit=unit) if order.startswith("freeze") else unfreeze(actor, wish, unit=unit)
        transaction = unit.transactions.find(ordered.purpose)
        return f"/securities/{security_id}" if transaction is None else f"/transactions/{transaction.hash}"

    return once(actor, values, f"freeze {security_id}", do, unit=unit)


# Recovery


@get("/investors/{investor_id:str}/recover", sync_to_thread=True, include_in_schema=False)
def show_recover(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id, wallet: Query = "") -> Response[Any]:
    """Show the form that moves all that a lost wallet holds to another wallet of the same investor."""
    with begin(actor.tenant_id) as unit:
        return _recover_page(request, actor, _investor_id(investor_id), {**fresh(), "lost_wallet": wallet}, unit=unit)


@post("/investors/{investor_id:str}/recover/preview", include_in_schema=False, status_code=200)
async def preview_recover_form(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Show everything that would move."""
    values = await form_values(request)
    return await sync_to_thread(run, request, actor, begin, _investor_id(investor_id), values, _recover_page)


@post("/investors/{investor_id:str}/recover", include_in_schema=False)
async def do_recover(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Recover what was previewed, or ask a second person."""
    values = await form_values(request)
    return await sync_to_thread(execute, request, actor, begin, _investor_id(investor_id), values, _recover_page, _recover)


@post("/investors/{investor_id:str}/wallets", include_in_schema=False)
async def do_add_wallet(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Make the investor a new wallet whose key is kept here, and go back to the recovery with it chosen."""
    lost = text_of(await form_values(request), "lost_wallet")

    def add() -> str:
        with begin(actor.tenant_id) as unit:
            add_wallet(actor, _investor_id(investor_id), None, unit=unit)
        return f"/investors/{investor_id}/recover" + (f"?wallet={parse_address(lost)}" if lost else "")

    return go_to(await sync_to_thread(add))


def _investor_id(text: str) -> InvestorId:
    return InvestorId(parse_id(text, field="investor_id"))


def _recover_page(
    request: MunimentRequest, actor: Actor, investor_id: InvestorId, values: Values, *, unit: ServicingUnit, form: FormState | None = None
) -> Response[Any]:
    authorize(actor, Action.SETTLEMENT_RECOVER, tenant_id=unit.tenant_id)
    unit.investors.get(investor_id)
    wallets = unit.wallets.of_investor(investor_id)
    form, preview = previewed(values, form, lambda: _preview_recover(actor, investor_id, values, unit=unit), needed="new_wallet")
    name = investor_names(actor, [investor_id], unit=unit).get(investor_id, nameless(investor_id))
    options = [
        Option(wallet.address, f"Wallet {wallet.position}, {short(wallet.address)}, {'key kept here' if wallet.managed else 'own key'}")
        for wallet in wallets
    ]
    return page(
        request,
        "recover.html",
        title=f"Recover a wallet of {name}",
        status=status_after(form, preview),
        lead="All that the lost wallet holds moves to another wallet of the same investor, freezes included. The lost one is shut out.",
        crumbs=[("Investors", "/investors"), (name, f"/investors/{investor_id}"), ("Recover a wallet", "")],
        action=f"/investors/{investor_id}/recover",
        check_words="Check this recovery",
        form=form,
        preview=preview,
        lost=options,
        others=[option for option in options if option.key != text_of(values, "lost_wallet")],
        wallets_action=f"/investors/{investor_id}/wallets",
        may_add=permits(actor, Action.PARTIES_ADD_WALLET),
    )


def _recovery_of(investor_id: InvestorId, values: Values) -> RecoverWallet:
    lost = parse_address(required(values, "lost_wallet", "The lost wallet"), field="lost_wallet")
    new = parse_address(required(values, "new_wallet", "The new wallet"), field="new_wallet")
    return RecoverWallet(request_id(values), investor_id, lost, new)


def _preview_recover(actor: Actor, investor_id: InvestorId, values: Values, *, unit: ServicingUnit) -> Preview:
    wish = _recovery_of(investor_id, values)
    if wish.lost_wallet == wish.new_wallet:
        reason = ReasonView(code="", sentence="The lost wallet and the new one are the same.", cure="Choose or make another wallet.")
        return Preview(title="This recovery is refused", reasons=[reason])
    if {wish.lost_wallet, wish.new_wallet} - {wallet.address for wallet in unit.wallets.of_investor(investor_id)}:
        reason = ReasonView(code="", sentence="One of the two wallets is not this investor's.", cure="Choose both from the lists.")
        return Preview(title="This recovery is refused", reasons=[reason])
    held = _held(wish.lost_wallet, unit=unit)
    if not held:
        reason = ReasonView(code="", sentence="The lost wallet holds nothing.", cure="Choose the wallet that holds the shares.")
        return Preview(title="There is nothing to recover", reasons=[reason])
    number = len(held)
    return Preview(
        button=f"Move {count(number)} {'holding' if number == 1 else 'holdings'} to {short(wish.new_wallet)}",
        title="Nothing stands against this recovery",
        lines=[
            (security.terms.name, f"{shares_text(shares, security)} {security.terms.symbol} to {short(wish.new_wallet)}")
            for security, shares in held
        ],
        notes=second_person(actor, Action.SETTLEMENT_RECOVER, unit=unit),
        fingerprint=fingerprint(shown(values)),
    )


def _held(wallet: Address, *, unit: ServicingUnit) -> list[tuple[Security, int]]:
    securities = [unit.securities.by_token(token) for token in unit.register.securities_held(wallet)]
    known = [(security, unit.register.balance_of(security.terms.security_id, wallet)) for security in securities if security is not None]
    return sorted(((security, shares) for security, shares in known if shares > 0), key=lambda each: each[0].terms.symbol)


def _recover(actor: Actor, investor_id: InvestorId, values: Values, *, unit: ServicingUnit) -> str:
    outcome = recover(actor, _recovery_of(investor_id, values), unit=unit)
    return f"/approvals/{outcome.approval_id}" if isinstance(outcome, Pending) else f"/instructions/{outcome[0].instruction_id}"


ROUTES = [
    show_freeze,
    preview_freeze_form,
    do_freeze,
    show_recover,
    preview_recover_form,
    do_recover,
    do_add_wallet,
]
