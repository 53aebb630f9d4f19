# SPDX-License-Identifier: Apache-2.0
"""A security's lots: what each holder has from when and on which terms, from which day it may be resold, and what officers say about it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter

from muniment.access.model import Action, Actor, permits
from muniment.app.http.problems import status_of
from muniment.app.http.request import MunimentRequest
from muniment.app.web.forms import form_values, go_to, text_of
from muniment.app.web.pages.actions import sale_of, sale_options
from muniment.app.web.pages.securities import crumbs_of, head_of, security_id_of
from muniment.app.web.reading import AsActor, Begin, Cursor, Holders, Id, holders_of, investor_names, nameless, shares_text, tabs_path
from muniment.app.web.render import page, wrong
from muniment.app.web.views import FormState, LotHolderRow, LotRow, Mark, Option
from muniment.app.web.words import count, short, words_of
from muniment.compliance.commands import HolderStanding, LotStanding, view_lot_standing
from muniment.instruments.commands import view_security
from muniment.instruments.model.securities import Security, TokenisedSecurity
from muniment.register.commands import Acquired, Annotate, LotOrigin, annotate, view_acquired, view_cap_table, view_origins
from muniment.register.http import parse_term
from muniment.register.model import ZERO_ADDRESS, Consideration, LotAnnotation, LotHolder, PickingRule
from muniment.servicing.ports import ServicingUnit
from muniment.units.errors import MunimentError
from muniment.units.ids import Address, InvestorId, LotId, SecurityId, TransactionHash, parse_id
from muniment.units.instants import parse_date

LOTS_A_PAGE: Final = 50
HOLDERS_IN_A_SELECT: Final = 300
CONSIDERATIONS: Final[Mapping[Consideration, str]] = {
    Consideration.SALE: "Sale: the holding period begins anew",
    Consideration.GIFT: "Gift: the giver's period goes on",
    Consideration.ESTATE: "Estate: the period goes on",
    Consideration.PLEDGE: "Pledge: the pledgor's period goes on",
    Consideration.SPLIT: "Split: as the shares that it was given on",
    Consideration.STOCK_DIVIDEND: "Stock dividend: as the shares that it was given on",
    Consideration.CONVERSION: "Conversion: the converted security's period goes on",
    Consideration.CASHLESS_EXERCISE: "Cashless exercise: the option's period goes on",
    Consideration.RECOVERY: "Recovery: the same owner",
}
PICKING: Final[Mapping[PickingRule, str]] = {
    PickingRule.FIFO: "First in, first out",
    PickingRule.LIFO: "Last in, first out",
    PickingRule.LONGEST_HELD: "Longest held first",
    PickingRule.SHORTEST_HELD: "Shortest held first",
}
RESTRICTED: Final = (Option("yes", "Restricted"), Option("no", "Not restricted"))
CONTROL: Final = (Option("yes", "An affiliate of the issuer"), Option("no", "No affiliate"))
FIELDS: Final = (
    "exemption",
    "paid",
    "buyer_category",
    "consideration",
    "acquired_at",
    "holding_since",
    "is_restricted",
    "is_control",
    "picking",
)


@get("/securities/{security_id:str}/lots", sync_to_thread=True, include_in_schema=False)
def show_lots(
    request: MunimentRequest,
    actor: AsActor,
    begin: Begin,
    security_id: Id,
    holder: Annotated[str, QueryParameter(max_length=64)] = "",
    cursor: Cursor = None,
) -> Response[Any]:
    """Show the open lots by holder, of one holder where one is given: an investor's id or reference."""
    known = security_id_of(security_id)
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, known, unit=unit)
        head = head_of(actor, security, tab="lots", unit=unit)
        groups: list[LotHolderRow] = []
        options: list[Option] | None = []
        next_cursor: str | None = None
        has_law = True
        wanted = None
        if isinstance(security, TokenisedSecurity):
            wanted = _investor(holder, unit=unit) if holder else None
            found = view_lot_standing(actor, known, investor_id=wanted, cursor=cursor, limit=LOTS_A_PAGE, unit=unit)
            origins = view_origins(actor, known, [each.lot for each in found.lots], unit=unit)
            has_law = found.is_judged
            next_cursor = found.next_cursor
            sides = {side for each in found.lots for side in (each.lot.holder, each.lot.acquired_from) if side is not None}
            investor_ids = _holders(actor, known, unit=unit)
            few = len(investor_ids) <= HOLDERS_IN_A_SELECT
            asked = {*(side for side in sides if isinstance(side, UUID)), *(investor_ids if few else ())}
            names = investor_names(actor, sorted(asked, key=str), unit=unit)
            options = sorted((_option(each, names) for each in investor_ids), key=lambda option: option.words) if few else None
            may_annotate = permits(actor, Action.REGISTER_ANNOTATE)
            groups = _groups(found.lots, found.holders, origins, names, security, on=found.on, may_annotate=may_annotate)
    here = tabs_path(known, "lots")
    filters = {"holder": holder} if holder else {}
    return page(
        request,
        "security_lots.html",
        title=security.terms.name,
        security=head,
        crumbs=crumbs_of(security, ("Lots", "")),
        groups=groups,
        has_law=has_law,
        holder="" if wanted is None else str(wanted),
        typed=holder,
        holders=options,
        next_href=f"{here}?{urlencode({**filters, 'cursor': next_cursor})}" if next_cursor else None,
        first_href=(f"{here}?{urlencode(filters)}" if filters else here) if cursor else None,
    )


def _investor(text: str, *, unit: ServicingUnit) -> InvestorId:
    found = unit.investors.by_reference(text)
    return InvestorId(parse_id(text, field="holder")) if found is None else found.investor_id


def _holders(actor: Actor, security_id: SecurityId, *, unit: ServicingUnit) -> list[InvestorId]:
    table = view_cap_table(actor, security_id, unit=unit)
    return [line.investor_id for line in table.lines if line.investor_id is not None and line.shares]


def _option(investor_id: InvestorId, names: Mapping[InvestorId, str]) -> Option:
    return Option(str(investor_id), names.get(investor_id, nameless(investor_id)))


def _groups(
    lots: Sequence[LotStanding],
    holders: Mapping[LotHolder, HolderStanding],
    origins: Mapping[LotId, LotOrigin],
    names: Mapping[InvestorId, str],
    security: Security,
    *,
    on: dt.date,
    may_annotate: bool,
) -> list[LotHolderRow]:
    """Return the lots under their holders, in the page's order."""
    rows: dict[LotHolder, list[LotRow]] = {}
    for each in lots:
        rows.setdefault(each.lot.holder, []).append(
            _row(each, origins.get(each.lot.lot_id), names, security, on=on, may_annotate=may_annotate)
        )
    return [
        LotHolderRow(
            name=_name(holder, names),
            href=f"/investors/{holder}" if isinstance(holder, UUID) else "",
            shares=shares_text(holders[holder].quantity, security),
            locked=_locked(holders[holder], security),
            lots=found,
        )
        for holder, found in rows.items()
    ]


def _name(holder: LotHolder | None, names: Mapping[InvestorId, str]) -> str:
    if holder is None:
        return "the issuer"
    return names.get(InvestorId(holder), nameless(InvestorId(holder))) if isinstance(holder, UUID) else f"Unknown wallet {short(holder)}"


def _locked(standing: HolderStanding, security: Security) -> str:
    locks = standing.locks
    if locks is None or not locks.quantity:
        return ""
    return f"{shares_text(locks.quantity, security)} locked until {_day(locks.until)}"


def _day(day: dt.date) -> str:
    return f"{day.day} {day:%b %Y}"


def _row(
    standing: LotStanding,
    origin: LotOrigin | None,
    names: Mapping[InvestorId, str],
    security: Security,
    *,
    on: dt.date,
    may_annotate: bool,
) -> LotRow:
    lot = standing.lot
    paid = paid_for = href = ""
    if origin is not None:
        if origin.said.paid is not None:
            paid = str(origin.said.paid)
            paid_for = "" if origin.movement.shares == lot.quantity else f"for {shares_text(origin.movement.shares, security)}"
        if may_annotate:
            href = annotation_path(security.terms.security_id, origin.movement.transaction_hash, origin.movement.position)
    return LotRow(
        shares=shares_text(lot.quantity, security),
        of="" if lot.quantity == lot.opened_quantity else f"of {shares_text(lot.opened_quantity, security)}",
        acquired_on=lot.acquired_at.date(),
        acquired_from=_name(lot.acquired_from, names),
        consideration=words_of(lot.consideration.value),
        held_since=min(lot.issuer_acquired_at, lot.acquired_at).date(),
        exemption=standing.exemption or "",
        is_stated=lot.exemption is not None,
        buyer_category=words_of(lot.buyer_category or ""),
        paid=paid,
        paid_for=paid_for,
        standing=_standing(standing, on),
        americans_from="" if standing.americans_from is None else _day(standing.americans_from),
        is_control=lot.is_control,
        annotate_href=href,
    )


def _standing(standing: LotStanding, on: dt.date) -> Mark:
    """Return whether the lot may be resold: by the law where packs are chosen, else what the register says of its kind."""
    if standing.resale_from is None:
        return Mark("restricted", "frozen", "warn") if standing.lot.is_restricted else Mark("not restricted", "yes", "good")
    if standing.resale_from > on:
        return Mark(f"until {_day(standing.resale_from)}", "frozen", "warn")
    return Mark("free", "yes", "good")


# Annotating


def annotation_path(security_id: SecurityId, transaction_hash: str, position: int) -> str:
    """Return the address of the form that says what the chain does not know about a movement."""
    return f"/securities/{security_id}/movements/{transaction_hash}/{position}/annotation"


@get(
    "/securities/{security_id:str}/movements/{transaction_hash:str}/{position:int}/annotation", sync_to_thread=True, include_in_schema=False
)
def show_annotation(
    request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id, transaction_hash: Id, position: FromPath[int]
) -> Response[Any]:
    """Show the form with what was said before."""
    with begin(actor.tenant_id) as unit:
        known = security_id_of(security_id)
        acquired = view_acquired(actor, known, _hash(transaction_hash), position, unit=unit)
        form = FormState(values=_values(acquired.said))
        return _annotation_page(request, actor, known, acquired, position, form, unit=unit)


@post("/securities/{security_id:str}/movements/{transaction_hash:str}/{position:int}/annotation", include_in_schema=False)
async def do_annotation(
    request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id, transaction_hash: Id, position: FromPath[int]
) -> Response[Any]:
    """Keep what is said about the movement, and go to its holder's lots."""
    values = await form_values(request)
    return await sync_to_thread(
        _annotate, request, actor, begin, security_id_of(security_id), _hash(transaction_hash), position=position, values=values
    )


def _annotate(
    request: MunimentRequest,
    actor: Actor,
    begin: Begin,
    security_id: SecurityId,
    transaction_hash: TransactionHash,
    *,
    position: int,
    values: Mapping[str, str],
) -> Response[Any]:
    try:
        with begin(actor.tenant_id) as unit:
            before = view_acquired(actor, security_id, transaction_hash, position, unit=unit)
            said = replace(_said(values), lots=before.said.lots)
            opened = annotate(actor, Annotate(security_id, transaction_hash, position, said), unit=unit)
            holders = {lot.holder for lot in opened}
    except MunimentError as refusal:
        if status_of(refusal.code) in {401, 403, 404}:
            raise
        form = wrong(refusal, values, fields=FIELDS)
        with begin(actor.tenant_id) as unit:
            acquired = view_acquired(actor, security_id, transaction_hash, position, unit=unit)
            return _annotation_page(request, actor, security_id, acquired, position, form, unit=unit)
    one = next(iter(holders)) if len(holders) == 1 else None
    return go_to(tabs_path(security_id, "lots") + (f"?holder={one}" if isinstance(one, UUID) else ""))


def _annotation_page(
    request: MunimentRequest,
    actor: Actor,
    security_id: SecurityId,
    acquired: Acquired,
    position: int,
    form: FormState,
    *,
    unit: ServicingUnit,
) -> Response[Any]:
    security = view_security(actor, security_id, unit=unit)
    movement = acquired.movement
    sale = sale_options(actor, security_id, form.values, unit=unit)
    holders = holders_of(actor, {movement.from_wallet, movement.to_wallet} - {ZERO_ADDRESS}, unit=unit)
    title = f"{shares_text(movement.shares, security)} {security.terms.symbol} of {_day(movement.occurred_at.date())}"
    return page(
        request,
        "lot_annotation.html",
        title=title,
        status=status_of(form.values["code"]) if form.wrong_sentence else 200,
        lead=f"From {_side(movement.from_wallet, holders)} to {_side(movement.to_wallet, holders)}. What is said here takes the place of"
        " what was said before, is written into the audit log, and decides holding periods.",
        crumbs=crumbs_of(security, ("Lots", tabs_path(security_id, "lots")), (title, "")),
        action=annotation_path(security_id, movement.transaction_hash, position),
        button="Keep what is said",
        form=form,
        sale=sale,
        facts_known={
            "Transaction": movement.transaction_hash,
            "Block": count(movement.block_number),
        },
        considerations=[Option(each.value, words) for each, words in CONSIDERATIONS.items()],
        pickings=[Option(each.value, words) for each, words in PICKING.items()],
        restricted=RESTRICTED,
        control=CONTROL,
        is_issue=movement.from_wallet == ZERO_ADDRESS,
        lots_named=len(acquired.said.lots),
    )


def _side(wallet: Address, holders: Holders) -> str:
    return "the issuer" if wallet == ZERO_ADDRESS else holders.name(wallet)


def _values(said: LotAnnotation) -> dict[str, str]:
    """Return what was said as the form's fields hold it."""
    flags = {None: "", True: "yes", False: "no"}
    return {
        "exemption": said.exemption or "",
        "paid": "" if said.paid is None else said.paid.amount,
        "paid_currency": "" if said.paid is None else said.paid.currency,
        "buyer_category": said.buyer_category or "",
        "consideration": "" if said.consideration is None else said.consideration.value,
        "acquired_at": "" if said.acquired_at is None else f"{said.acquired_at:%Y-%m-%d}",
        "holding_since": "" if said.holding_since is None else f"{said.holding_since:%Y-%m-%d}",
        "is_restricted": flags[said.is_restricted],
        "is_control": flags[said.is_control],
        "picking": "" if said.picking is None else said.picking.value,
    }


def _said(values: Mapping[str, str]) -> LotAnnotation:
    """Return what the form says; an empty field says nothing. Days begin at midnight UTC."""
    sale = sale_of(values)
    consideration, picking = text_of(values, "consideration"), text_of(values, "picking")
    considerations, pickings = tuple(each.value for each in Consideration), tuple(each.value for each in PickingRule)
    return LotAnnotation(
        exemption=sale.exemption,
        paid=sale.paid,
        buyer_category=sale.buyer_category,
        consideration=Consideration(parse_term(consideration, considerations, field="consideration")) if consideration else None,
        acquired_at=_midnight(values, "acquired_at"),
        holding_since=_midnight(values, "holding_since"),
        is_restricted=_flag(values, "is_restricted"),
        is_control=_flag(values, "is_control"),
        picking=PickingRule(parse_term(picking, pickings, field="picking")) if picking else None,
    )


def _midnight(values: Mapping[str, str], name: str) -> dt.datetime | None:
    text = text_of(values, name)
    return dt.datetime.combine(parse_date(text, field=name), dt.time(), tzinfo=dt.UTC) if text else None


def _flag(values: Mapping[str, str], name: str) -> bool | None:
    text = text_of(values, name)
    return parse_term(text, ("yes", "no"), field=name) == "yes" if text else None


def _hash(text: str) -> TransactionHash:
    return TransactionHash(text.lower())


ROUTES = [show_lots, show_annotation, do_annotation]
