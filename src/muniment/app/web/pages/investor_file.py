# SPDX-License-Identifier: Apache-2.0
"""What is done with an investor's file: claims, re-verification, clearing hits, proving a wallet, and the review queue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import QueryParameter

from muniment.access.model import Action, Actor, Pending, authorize
from muniment.access.ports import Page
from muniment.app.http.problems import status_of
from muniment.app.http.request import MunimentRequest
from muniment.app.web.forms import form_values, go_to, text_of
from muniment.app.web.pages.investors import CLAIMS, investor_page
from muniment.app.web.reading import AsActor, Begin, Cursor, Id, Query, investor_names, nameless
from muniment.app.web.render import mark_of, page, wrong
from muniment.app.web.views import FormState, Mark, Option
from muniment.app.web.words import words_of
from muniment.parties import commands as parties
from muniment.parties.errors import BadDate
from muniment.parties.model import BASES, COUNTRIES, QUEUE_KINDS, ClaimTopic, QueueItem, country_name, parse_address
from muniment.parties.model.queue import DUE_DAYS, DUE_DAYS_MAX
from muniment.servicing.ports import ServicingUnit
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import InvestorId, parse_id
from muniment.units.instants import NotADate, parse_date

ROWS_A_PAGE: Final = 50
KINDS: Final[Mapping[str, str]] = {
    "review": "to decide",
    "sanctions": "sanctions hit",
    "approval": "claim to approve",
    "reverification": "verification ends",
    "claim_expiring": "claim ends",
}
ANCHORS: Final[Mapping[str, str]] = {"sanctions": "#sanctions", "claim_expiring": "#claims"}
CHANGED: Final = ("name", "email", "country", "document_number", "document_expires")


@dataclass(frozen=True, slots=True)
class QueueLine:
    """Something that waits."""

    href: str
    name: str
    mark: Mark
    detail: str
    at: dt.datetime


# The queue


@get("/investors/queue", sync_to_thread=True, include_in_schema=False)
def show_queue(
    request: MunimentRequest,
    actor: AsActor,
    begin: Begin,
    kind: Query = "",
    within_days: Annotated[int, QueryParameter(ge=0, le=DUE_DAYS_MAX)] = DUE_DAYS,
    cursor: Cursor = None,
) -> Response[Any]:
    """List what waits for a compliance officer, oldest first."""
    wanted = kind if kind in QUEUE_KINDS else None
    with begin(actor.tenant_id) as unit:
        asked = Page(limit=ROWS_A_PAGE + 1, cursor=cursor)
        items = parties.review_queue(actor, asked, kind=wanted, within_days=within_days, unit=unit)
        shown = items[:ROWS_A_PAGE]
        names = investor_names(actor, sorted({item.investor_id for item in shown}, key=str), unit=unit)
    filters = {"kind": wanted or "", "within_days": str(within_days)}
    next_href = None
    if len(items) > ROWS_A_PAGE:
        next_href = "/investors/queue?" + urlencode({**filters, "cursor": shown[-1].cursor})
    return page(
        request,
        "review_queue.html",
        title="Review queue",
        crumbs=[("Investors", "/investors"), ("Review queue", "")],
        rows=[_line(item, names.get(item.investor_id, nameless(item.investor_id))) for item in shown],
        kinds=[Option("", "Everything"), *(Option(key, words) for key, words in KINDS.items())],
        wanted_kind=wanted or "",
        within_days=within_days,
        next_href=next_href,
        first_href=f"/investors/queue?{urlencode(filters)}" if cursor else None,
    )


def _line(item: QueueItem, name: str) -> QueueLine:
    href = f"/approvals/{item.subject_id}" if item.kind == "approval" else f"/investors/{item.investor_id}{ANCHORS.get(item.kind, '')}"
    mark = mark_of(KINDS[item.kind], warn=("to decide", "claim to approve"), bad=("sanctions hit",))
    return QueueLine(href=href, name=name, mark=mark, detail=words_of(item.detail), at=item.at)


# Claims


@get("/investors/{investor_id:str}/claims/new", sync_to_thread=True, include_in_schema=False)
def show_claim(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Show the form that claims something of an investor."""
    with begin(actor.tenant_id) as unit:
        return _claim_page(request, actor, _id(investor_id), FormState(), unit=unit)


@post("/investors/{investor_id:str}/claims", include_in_schema=False)
async def do_claim(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Keep the claim, or ask the second person that it needs."""
    values = await form_values(request)

    def do(unit: ServicingUnit) -> str:
        described = parties.describe_claim(
            actor,
            _id(investor_id),
            topic=text_of(values, "topic"),
            issuer=text_of(values, "issuer"),
            basis=text_of(values, "basis"),
            evidence_sha256=text_of(values, "evidence_sha256"),
            expires_at=_end_of(text_of(values, "expires_on")),
            value=text_of(values, "value"),
            unit=unit,
        )
        added = parties.add_claim(actor, described, unit=unit)
        return f"/approvals/{added.approval_id}" if isinstance(added, Pending) else f"/investors/{investor_id}#claims"

    def again(form: FormState, unit: ServicingUnit) -> Response[Any]:
        return _claim_page(request, actor, _id(investor_id), form, unit=unit)

    fields = ("topic", "basis", "value", "issuer", "evidence_sha256", "expires_on")
    return await sync_to_thread(_submit, actor, begin, values, do, again, fields=fields, renamed={"expires_at": "expires_on"})


@post("/investors/{investor_id:str}/claims/{claim_id:str}/revoke", include_in_schema=False)
async def do_revoke(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id, claim_id: Id) -> Response[Any]:
    """End a claim before its time."""
    reason = text_of(await form_values(request), "reason")

    def do(unit: ServicingUnit) -> None:
        parties.revoke_claim(actor, _id(investor_id), parse_id(claim_id, field="claim_id"), reason=reason, unit=unit)

    return await sync_to_thread(_on_file, request, actor, begin, investor_id, do, "#claims")


def _claim_page(request: MunimentRequest, actor: Actor, investor_id: InvestorId, form: FormState, *, unit: ServicingUnit) -> Response[Any]:
    authorize(actor, Action.PARTIES_ADD_CLAIM, tenant_id=unit.tenant_id)
    name = _name(actor, investor_id, unit=unit)
    bases = sorted({basis for known in BASES.values() for basis in known})
    return page(
        request,
        "investor_claim.html",
        title=f"Claim something of {name}",
        status=status_of(form.values["code"]) if form.wrong_sentence else 200,
        lead="A claim that opens exemptions (accredited, professional, qualified) waits for a second person.",
        crumbs=[("Investors", "/investors"), (name, f"/investors/{investor_id}"), ("Add a claim", "")],
        action=f"/investors/{investor_id}/claims",
        button="Add this claim",
        form=form,
        topics=[Option(topic.name.lower(), _topic_words(topic)) for topic in BASES],
        bases=[Option(basis, words_of(basis)) for basis in bases],
    )


def _topic_words(topic: ClaimTopic) -> str:
    return CLAIMS.get(topic, words_of(topic.name.lower()))


def _end_of(text: str) -> dt.datetime:
    try:
        return dt.datetime.combine(parse_date(text), dt.time.min, tzinfo=dt.UTC)
    except NotADate:
        raise BadDate(date=text, why="it is no date", place=Place(field="expires_on")) from None


# Re-verification


@get("/investors/{investor_id:str}/reverify", sync_to_thread=True, include_in_schema=False)
def show_reverify(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Show what is known, to be corrected before the check."""
    with begin(actor.tenant_id) as unit:
        authorize(actor, Action.PARTIES_VERIFY, tenant_id=unit.tenant_id)
        view = parties.view_investor(actor, _id(investor_id), unit=unit)
        values = {"country": view.investor.country}
        if view.person is not None:
            expires = view.person.document_expires
            values |= {
                "name": view.person.name,
                "email": view.person.email,
                "document_number": view.person.document_number or "",
                "document_expires": "" if expires is None else expires.isoformat(),
            }
        return _reverify_page(request, actor, _id(investor_id), FormState(values=values), unit=unit)


@post("/investors/{investor_id:str}/reverify", include_in_schema=False)
async def do_reverify(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Have the identity provider check the investor anew."""
    values = await form_values(request)

    def do(unit: ServicingUnit) -> str:
        changes = {field: values[field] for field in CHANGED if field in values}
        parties.reverify_investor(actor, _id(investor_id), changes, unit=unit)
        return f"/investors/{investor_id}"

    def again(form: FormState, unit: ServicingUnit) -> Response[Any]:
        return _reverify_page(request, actor, _id(investor_id), form, unit=unit)

    return await sync_to_thread(_submit, actor, begin, values, do, again, fields=CHANGED)


def _reverify_page(
    request: MunimentRequest, actor: Actor, investor_id: InvestorId, form: FormState, *, unit: ServicingUnit
) -> Response[Any]:
    authorize(actor, Action.PARTIES_VERIFY, tenant_id=unit.tenant_id)
    name = _name(actor, investor_id, unit=unit)
    countries = sorted((Option(code, country_name(code)) for code in COUNTRIES), key=lambda option: option.words)
    return page(
        request,
        "investor_reverify.html",
        title=f"Verify {name} anew",
        status=status_of(form.values["code"]) if form.wrong_sentence else 200,
        lead="Correct what has changed; the identity provider then checks everything. A new country is brought to the chain.",
        crumbs=[("Investors", "/investors"), (name, f"/investors/{investor_id}"), ("Verify anew", "")],
        action=f"/investors/{investor_id}/reverify",
        button="Verify anew",
        form=form,
        countries=countries,
    )


# Sanctions


@post("/investors/{investor_id:str}/sanctions-hits/{hit_id:str}/clear", include_in_schema=False)
async def do_clear(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id, hit_id: Id) -> Response[Any]:
    """Say that the investor is not the listed one."""
    reason = text_of(await form_values(request), "reason")

    def do(unit: ServicingUnit) -> None:
        parties.clear_hit(actor, parse_id(hit_id, field="hit_id"), reason, unit=unit)

    return await sync_to_thread(_on_file, request, actor, begin, investor_id, do, "#sanctions")


# Proofs of wallets


@get("/investors/{investor_id:str}/wallet-proof", sync_to_thread=True, include_in_schema=False)
def show_proof(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Ask which wallet is to be proved."""
    with begin(actor.tenant_id) as unit:
        return _proof_page(request, actor, _id(investor_id), FormState(), unit=unit)


@post("/investors/{investor_id:str}/wallet-proof", include_in_schema=False, status_code=200)
async def do_proof(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Show the message for a wallet, or take the signed message as its proof."""
    values = await form_values(request)
    # A browser sends the lines of a text area with CRLF; the wallet signed LF.
    message = text_of(values, "message").replace("\r\n", "\n")

    def do(unit: ServicingUnit) -> str:
        parties.prove_wallet(actor, _id(investor_id), message, text_of(values, "signature"), unit=unit)
        return f"/investors/{investor_id}#wallets"

    def again(form: FormState, unit: ServicingUnit) -> Response[Any]:
        return _proof_page(request, actor, _id(investor_id), form, message=message, unit=unit)

    def begin_proof() -> Response[Any]:
        try:
            with begin(actor.tenant_id) as unit:
                address = parse_address(text_of(values, "address"))
                text = parties.begin_wallet_proof(actor, _id(investor_id), address, unit=unit)
                return _proof_page(request, actor, _id(investor_id), FormState(), message=text, unit=unit)
        except MunimentError as refusal:
            if status_of(refusal.code) in {403, 404}:
                raise
            with begin(actor.tenant_id) as unit:
                return _proof_page(request, actor, _id(investor_id), wrong(refusal, values, fields=("address",)), unit=unit)

    if not message:
        return await sync_to_thread(begin_proof)
    return await sync_to_thread(_submit, actor, begin, values, do, again, fields=("message", "signature"))


def _proof_page(
    request: MunimentRequest, actor: Actor, investor_id: InvestorId, form: FormState, *, unit: ServicingUnit, message: str = ""
) -> Response[Any]:
    authorize(actor, Action.PARTIES_ADD_WALLET, tenant_id=unit.tenant_id)
    name = _name(actor, investor_id, unit=unit)
    return page(
        request,
        "investor_proof.html",
        title=f"Prove a wallet of {name}",
        status=status_of(form.values["code"]) if form.wrong_sentence else 200,
        lead="The holder signs a message with the wallet (Sign-In with Ethereum). A contract wallet answers for itself.",
        crumbs=[("Investors", "/investors"), (name, f"/investors/{investor_id}"), ("Prove a wallet", "")],
        action=f"/investors/{investor_id}/wallet-proof",
        button="Take this as the proof" if message else "Make the message",
        form=form,
        message=message,
    )


# Shared by the forms


def _submit(
    actor: Actor,
    begin: Begin,
    values: Mapping[str, str],
    do: Callable[[ServicingUnit], str],
    again: Callable[[FormState, ServicingUnit], Response[Any]],
    *,
    fields: tuple[str, ...],
    renamed: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Do what the form asks and go where it leads, or draw the form again with what is wrong at its field."""
    try:
        with begin(actor.tenant_id) as unit:
            target = do(unit)
    except MunimentError as refusal:
        if status_of(refusal.code) in {403, 404}:
            raise
        if refusal.place is not None and refusal.place.field in (renamed or {}):
            refusal.place = Place(field=(renamed or {})[refusal.place.field])
        with begin(actor.tenant_id) as unit:
            return again(wrong(refusal, values, fields=fields), unit)
    return go_to(target)


def _on_file(
    request: MunimentRequest, actor: Actor, begin: Begin, investor_id: str, do: Callable[[ServicingUnit], None], anchor: str
) -> Response[Any]:
    """Do something that a button on the file asks, and show the file again, with the refusal where there is one."""
    try:
        with begin(actor.tenant_id) as unit:
            do(unit)
    except MunimentError as refusal:
        return investor_page(request, actor, begin, investor_id, refusal=refusal)
    return go_to(f"/investors/{investor_id}{anchor}")


def _name(actor: Actor, investor_id: InvestorId, *, unit: ServicingUnit) -> str:
    unit.investors.get(investor_id)
    return investor_names(actor, [investor_id], unit=unit).get(investor_id, nameless(investor_id))


def _id(text: str) -> InvestorId:
    return InvestorId(parse_id(text, field="investor_id"))


ROUTES = [show_queue, show_claim, do_claim, do_revoke, show_reverify, do_reverify, do_clear, show_proof, do_proof]
