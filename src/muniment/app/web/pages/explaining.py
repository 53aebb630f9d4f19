# SPDX-License-Identifier: Apache-2.0
"""Explaining a refusal to the investor whose it is: what the check says, which of it the mail tells, and sending it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final, TypeAlias

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import QueryParameter

from muniment.access.model import Action, Actor, authorize
from muniment.app.http.request import MunimentRequest
from muniment.app.web.forms import fingerprint, form_values, text_of
from muniment.app.web.pages.actions import eligible, sale_of, sale_options, wallet_in
from muniment.app.web.pages.previewing import Values, execute, fresh, once, previewed, required, run, shown, status_after
from muniment.app.web.pages.securities import crumbs_of, head_of, security_id_of
from muniment.app.web.reading import AsActor, Begin, Id, investor_names, nameless, notice_mark
from muniment.app.web.render import page, reason_view
from muniment.app.web.views import FormState, Option, Preview, ReasonView
from muniment.instruments.commands import view_security
from muniment.instruments.model.securities import Security
from muniment.notices.commands import ExplainRefusal, explain, send_explanation, view_notice
from muniment.notices.model import Notice, Told, parse_side
from muniment.notices.ports import NoticesUnit
from muniment.settlement.model import UNSTATED
from muniment.units.ids import NoticeId, SecurityId, parse_id
from muniment.units.shares import parse_shares

Field: TypeAlias = Annotated[str, QueryParameter(max_length=100)]

SIDES: Final = (Option("receiver", "Whoever would receive"), Option("sender", "Whoever would give"))
NO_SERVER: Final = "It is refused, but no mail server is set that could tell it"


@get("/securities/{security_id:str}/explain", sync_to_thread=True, include_in_schema=False)
def show_explain(
    request: MunimentRequest,
    actor: AsActor,
    begin: Begin,
    security_id: Id,
    from_wallet: Field = "",
    to_wallet: Field = "",
    shares: Field = "",
    side: Field = "receiver",
    exemption: Field = "",
    paid: Field = "",
    paid_currency: Field = "",
    notice: Field = "",
) -> Response[Any]:
    """Show the form, filled with what was refused elsewhere, and what became of the mail that was just sent."""
    known = security_id_of(security_id)
    asked = {"from_wallet": from_wallet, "to_wallet": to_wallet, "shares": shares, "side": side, "exemption": exemption, "paid": paid}
    with begin(actor.tenant_id) as unit:
        # What a browser will send of an untouched field, so that what is shown at once can be sent at once.
        currency = paid_currency or sale_options(actor, known, {}, unit=unit).currencies[0].key
        sent = view_notice(actor, NoticeId(parse_id(notice, field="notice")), unit=unit) if notice else None
        return _explain_page(request, actor, known, {**fresh(), **asked, "paid_currency": currency}, unit=unit, sent=sent)


@post("/securities/{security_id:str}/explain/preview", include_in_schema=False, status_code=200)
async def preview_explain_form(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show what the mail would say, or why there is none to send."""
    values = await form_values(request)
    return await sync_to_thread(run, request, actor, begin, security_id_of(security_id), values, _explain_page)


@post("/securities/{security_id:str}/explain", include_in_schema=False)
async def do_explain(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Send the mail that was previewed."""
    values = await form_values(request)
    return await sync_to_thread(execute, request, actor, begin, security_id_of(security_id), values, _explain_page, _send)


def _explain_page(
    request: MunimentRequest,
    actor: Actor,
    security_id: SecurityId,
    values: Values,
    *,
    unit: NoticesUnit,
    form: FormState | None = None,
    sent: Notice | None = None,
) -> Response[Any]:
    authorize(actor, Action.NOTICES_EXPLAIN, tenant_id=unit.tenant_id)
    security = view_security(actor, security_id, unit=unit)
    said: list[Told] = []
    form, preview = previewed(values, form, lambda: _preview(actor, security, values, said, unit=unit))
    holders = eligible(actor, unit=unit, verified_only=False)
    return page(
        request,
        "explain.html",
        title=f"Explain a refusal of {security.terms.name}",
        status=status_after(form, preview),
        lead="The rules are asked once more. What they say goes to the investor in the same words.",
        crumbs=crumbs_of(security, ("Law", f"/securities/{security_id}/law"), ("Explain", "")),
        action=f"/securities/{security_id}/explain",
        check_words="Show what the mail says",
        security=head_of(actor, security, tab="", unit=unit),
        form=form,
        preview=preview,
        told=[_told_view(told) for told in said[:1]],
        withheld=said[0].withheld if said else 0,
        holders=holders,
        sides=SIDES,
        sale=sale_options(actor, security_id, values, unit=unit),
        sent=sent,
        sent_mark=None if sent is None else notice_mark(sent.state),
    )


def _told_view(told: Told) -> list[ReasonView]:
    return [reason_view(replace(reason, facts={}), decimals=0) for reason in told.reasons]


def _request(security: Security, values: Values, *, unit: NoticesUnit) -> ExplainRefusal:
    sender = wallet_in(values, "from_wallet", "Who gives", unit=unit) if text_of(values, "from_wallet") else None
    receiver = wallet_in(values, "to_wallet", "Who receives", unit=unit)
    shares = parse_shares(required(values, "shares", "The number of shares"), decimals=security.terms.decimals)
    side = parse_side(text_of(values, "side") or "receiver", field="side")
    sale = sale_of(values) if sender is None else UNSTATED
    return ExplainRefusal(security.terms.security_id, sender, receiver, shares, side, sale.exemption, sale.paid)


def _preview(actor: Actor, security: Security, values: Values, said: list[Told], *, unit: NoticesUnit) -> Preview:
    explained = explain(actor, _request(security, values, unit=unit), unit=unit)
    said.append(explained.told)
    if unit.mailer is None:
        return Preview(title=NO_SERVER, reasons=_told_view(explained.told))
    names = investor_names(actor, [explained.investor_id], unit=unit)
    name = names.get(explained.investor_id, nameless(explained.investor_id))
    return Preview(
        button=f"Send this to {name}",
        title="It is refused, and the mail says why",
        lines=[("To", name), ("Subject", explained.words.subject)],
        fingerprint=fingerprint(shown(values)),
    )


def _send(actor: Actor, security_id: SecurityId, values: Values, *, unit: NoticesUnit) -> str:
    security = view_security(actor, security_id, unit=unit)

    def do() -> str:
        notice = send_explanation(actor, _request(security, values, unit=unit), unit=unit)
        return f"/securities/{security_id}/explain?notice={notice.notice_id}"

    return once(actor, values, f"explain {security_id}", do, unit=unit)


ROUTES = [show_explain, preview_explain_form, do_explain]
