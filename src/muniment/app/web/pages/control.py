# SPDX-License-Identifier: Apache-2.0
"""Four eyes and the audit log: what waits for a second person, deciding it, and who did what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread

from muniment.access.commands import approve_request, list_approvals, list_audit, reject_request, verify_audit, view_approval
from muniment.access.model import (
    SYSTEM_USER_ID,
    Action,
    Actor,
    Approval,
    Broken,
    Intact,
    RejectedApproval,
    RequestedApproval,
    permits,
    requested_part,
    state_of,
)
from muniment.access.ports import Page
from muniment.app.api_approvals import RefusedMeanwhile, execute_approved
from muniment.app.http.problems import status_of
from muniment.app.http.request import MunimentRequest
from muniment.app.web.forms import form_values, go_to, text_of
from muniment.app.web.reading import AsActor, Begin, Cursor, Id, Query, holders_of, investor_names, nameless, sale_text, shares_text
from muniment.app.web.render import mark_of, page, reason_of_error, reasons_of, wrong
from muniment.app.web.views import ApprovalRow, AuditRow, FormState, Preview
from muniment.app.web.words import count, headed, short, when, words_of
from muniment.parties.model import AddClaim
from muniment.servicing.commands import DeclareDividend
from muniment.servicing.model import Total
from muniment.servicing.ports import ServicingUnit
from muniment.settlement.commands import IssueShares
from muniment.units.errors import MunimentError, show
from muniment.units.ids import ApprovalId, UserId, parse_id

ROWS_A_PAGE: Final = 50
RECEIVERS_SHOWN: Final = 20
WORDS: Final[Mapping[Action, str]] = {
    Action.PARTIES_CLASSIFY: "Claim that an investor is of a class",
    Action.SETTLEMENT_FORCED_TRANSFER: "Move shares without the holder's consent",
    Action.SETTLEMENT_RECOVER: "Recover a lost wallet",
    Action.COMPLIANCE_RELEASE_LOCKUP: "Release locked shares early",
    Action.ACCESS_SET_APPROVAL_POLICY: "Change what needs a second person",
}


@get("/approvals", sync_to_thread=True, include_in_schema=False)
def show_approvals(request: MunimentRequest, actor: AsActor, begin: Begin, cursor: Cursor = None) -> Response[Any]:
    """List what waits for a second person and what was decided, newest first."""
    with begin(actor.tenant_id) as unit:
        found = list_approvals(actor, Page(limit=ROWS_A_PAGE + 1, cursor=cursor), unit=unit)
        rows = [_row(actor, approval, unit=unit) for approval in found[:ROWS_A_PAGE]]
    next_href = f"/approvals?cursor={rows[-1].approval_id}" if len(found) > ROWS_A_PAGE else None
    return page(request, "approvals.html", title="Approvals", rows=rows, next_href=next_href, first_href="/approvals" if cursor else None)


@get("/approvals/{approval_id:str}", sync_to_thread=True, include_in_schema=False)
def show_approval(request: MunimentRequest, actor: AsActor, begin: Begin, approval_id: Id) -> Response[Any]:
    """Show one request, and to somebody else than who asked the buttons to decide it."""
    with begin(actor.tenant_id) as unit:
        return _approval_page(request, actor, _approval_id(approval_id), unit=unit)


@post("/approvals/{approval_id:str}/approve", sync_to_thread=True, include_in_schema=False)
def do_approve(request: MunimentRequest, actor: AsActor, begin: Begin, approval_id: Id) -> Response[Any]:
    """Agree as the second person; what was asked for is done in the same transaction."""
    try:
        with begin(actor.tenant_id) as unit:
            outcome = execute_approved(actor, approve_request(actor, _approval_id(approval_id), unit=unit), unit=unit)
    except RefusedMeanwhile as refusal:
        preview = Preview(title="What was asked for is refused by now", reasons=reasons_of(refusal.decision, decimals=0))
        with begin(actor.tenant_id) as unit:
            return _approval_page(request, actor, _approval_id(approval_id), preview=preview, status=422, unit=unit)
    except MunimentError as refusal:
        if status_of(refusal.code) == 404:
            raise
        preview = Preview(title="This cannot be done now", reasons=[reason_of_error(refusal)])
        with begin(actor.tenant_id) as unit:
            return _approval_page(request, actor, _approval_id(approval_id), preview=preview, status=status_of(refusal.code), unit=unit)
    return go_to(str(outcome["href"]))


@post("/approvals/{approval_id:str}/reject", include_in_schema=False)
async def do_reject(request: MunimentRequest, actor: AsActor, begin: Begin, approval_id: Id) -> Response[Any]:
    """Refuse as the second person, with the reason."""
    values = await form_values(request)

    def run() -> Response[Any]:
        try:
            with begin(actor.tenant_id) as unit:
                reject_request(actor, _approval_id(approval_id), text_of(values, "rejection"), unit=unit)
        except MunimentError as refusal:
            if status_of(refusal.code) == 404:
                raise
            form = wrong(refusal, values)
            with begin(actor.tenant_id) as unit:
                return _approval_page(request, actor, _approval_id(approval_id), form=form, status=status_of(refusal.code), unit=unit)
        return go_to(f"/approvals/{approval_id}")

    return await sync_to_thread(run)


def _approval_page(
    request: MunimentRequest,
    actor: Actor,
    approval_id: ApprovalId,
    *,
    unit: ServicingUnit,
    form: FormState | None = None,
    preview: Preview | None = None,
    status: int = 200,
) -> Response[Any]:
    approval = view_approval(actor, approval_id, unit=unit)
    requested = requested_part(approval)
    row = _row(actor, approval, unit=unit)
    bound = [(headed(name), show(_shown(value))) for name, value in requested.request.items()]
    lines = _lines(actor, requested, unit=unit)
    if isinstance(approval, RejectedApproval):
        lines.append(("Refused because", approval.rejection))
    return page(
        request,
        "approval.html",
        title=row.summary,
        status=status,
        crumbs=[("Approvals", "/approvals"), (row.summary, "")],
        row=row,
        lines=lines,
        bound=bound,
        request_hash=requested.request_hash.hex(),
        approve_words=f"Approve: {row.summary[:1].lower()}{row.summary[1:]}",
        form=form or FormState(),
        preview=preview,
    )


def _row(actor: Actor, approval: Approval, *, unit: ServicingUnit) -> ApprovalRow:
    requested = requested_part(approval)
    is_open = isinstance(approval, RequestedApproval) and requested.expires_at > unit.clock.now()
    why_not = ""
    if is_open and requested.requested_by == actor.user_id:
        why_not = "You asked for this yourself. Another person must decide it."
    elif is_open and not (permits(actor, Action.ACCESS_DECIDE_APPROVAL) and permits(actor, requested.action)):
        why_not = "Your roles do not permit you to decide this."
    return ApprovalRow(
        href=f"/approvals/{requested.approval_id}",
        approval_id=str(requested.approval_id),
        action=requested.action.value,
        summary=_summary(requested, unit=unit),
        requested_by=user_name(requested.requested_by, unit=unit),
        requested_at=requested.requested_at,
        expires_at=requested.expires_at,
        state=mark_of(
            "waiting" if is_open else state_of(approval), good=("approved", "executed"), warn=("waiting",), bad=("rejected", "expired")
        ),
        can_decide=is_open and not why_not,
        why_not=why_not,
    )


def _summary(requested: RequestedApproval, *, unit: ServicingUnit) -> str:
    match requested.action:
        case Action.SETTLEMENT_ISSUE:
            wish = IssueShares.from_json(requested.request)
            security = unit.securities.get(wish.security_id)
            shares = shares_text(sum(allotment.shares for allotment in wish.allotments), security)
            people = len(wish.allotments)
            return f"Issue {shares} {security.terms.symbol} to {count(people)} {'holder' if people == 1 else 'holders'}"
        case Action.PARTIES_CLASSIFY:
            return f"Claim {words_of(AddClaim.from_json(requested.request).topic.name.lower())} of an investor"
        case Action.SERVICING_DECLARE_DIVIDEND:
            dividend = DeclareDividend.from_json(requested.request)
            security = unit.securities.get(dividend.security_id)
            return f"Declare a dividend of {_dividend_amount(dividend)} on {security.terms.symbol}"
        case _:
            return WORDS.get(requested.action, requested.action.value)


def _lines(actor: Actor, requested: RequestedApproval, *, unit: ServicingUnit) -> list[tuple[str, Any]]:
    """Return what was asked for, in the words of its form."""
    match requested.action:
        case Action.SETTLEMENT_ISSUE:
            wish = IssueShares.from_json(requested.request)
            security = unit.securities.get(wish.security_id)
            shown = wish.allotments[:RECEIVERS_SHOWN]
            holders = holders_of(actor, [allotment.wallet for allotment in shown if allotment.wallet is not None], unit=unit)
            lines: list[tuple[str, Any]] = [("Security", f"{security.terms.name} ({security.terms.symbol})")]
            lines += [
                (
                    holders.name(allotment.wallet) if allotment.wallet is not None else f"Investor {allotment.investor_id}",
                    ", ".join(filter(None, [f"{shares_text(allotment.shares, security)} shares", sale_text(allotment.sale)])),
                )
                for allotment in shown
            ]
            if len(wish.allotments) > len(shown):
                lines.append(("More", f"{count(len(wish.allotments) - len(shown))} further receivers"))
            return lines
        case Action.PARTIES_CLASSIFY:
            claim = AddClaim.from_json(requested.request)
            names = investor_names(actor, [claim.investor_id], unit=unit)
            return [
                ("Investor", names.get(claim.investor_id, nameless(claim.investor_id))),
                ("Claim", words_of(claim.topic.name.lower())),
                ("Known by", words_of(claim.basis)),
                ("Who says so", claim.issuer),
                ("Holds until", when(claim.expires_at)),
                ("SHA-256 of the evidence", claim.evidence_sha256.hex()),
            ]
        case Action.SERVICING_DECLARE_DIVIDEND:
            dividend = DeclareDividend.from_json(requested.request)
            security = unit.securities.get(dividend.security_id)
            token = unit.payment_tokens.find(dividend.payment_token)
            return [
                ("Security", f"{security.terms.name} ({security.terms.symbol})"),
                ("Amount", _dividend_amount(dividend)),
                ("Paid in", dividend.payment_token if token is None else f"{token.currency} ({token.symbol})"),
                ("Record date", when(dividend.record_at)),
                ("Payment date", when(dividend.payment_at)),
            ]
        case _:
            return [(headed(name), show(_shown(value))) for name, value in requested.request.items()]


def _dividend_amount(dividend: DeclareDividend) -> str:
    amount = dividend.amount
    return str(amount.money) if isinstance(amount, Total) else f"{amount.price.per_share} {amount.price.currency} per share"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} entries" if len(value) > 3 else "; ".join(_shown(entry) for entry in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_shown(entry)}" for name, entry in value.items() if entry is not None)
    return str(value)


def user_name(user_id: UserId, *, unit: ServicingUnit) -> str:
    if user_id == SYSTEM_USER_ID:
        return "Muniment"
    try:
        return unit.users.get(user_id).display_name
    except MunimentError:
        # Somebody who has left the organisation is not visible to it any more.
        return f"a former member (…{str(user_id)[-6:]})"


def _approval_id(text: str) -> ApprovalId:
    return ApprovalId(parse_id(text, field="approval_id"))


# The audit log


@get("/audit", sync_to_thread=True, include_in_schema=False)
def show_audit(request: MunimentRequest, actor: AsActor, begin: Begin, action: Query = "", cursor: Cursor = None) -> Response[Any]:
    """Show who did what, newest first, and whether the chain of hashes is whole."""
    wanted = action.strip()[:100]
    with begin(actor.tenant_id) as unit:
        found = list_audit(actor, Page(limit=ROWS_A_PAGE + 1, cursor=cursor), action=wanted or None, unit=unit)
        shown = found[:ROWS_A_PAGE]
        verdict = verify_audit(actor, unit=unit)
        names = {user_id: user_name(user_id, unit=unit) for user_id in {entry.actor_id for entry in shown}}
    rows = [
        AuditRow(
            sequence=count(entry.sequence),
            at=entry.recorded_at,
            who=names[entry.actor_id],
            action=entry.action,
            resource=_resource(entry.resource),
            resource_href=_resource_href(entry.resource),
            facts={name: show(_shown(fact)) for name, fact in entry.facts.items()},
            entry_hash=entry.entry_hash.hex(),
        )
        for entry in shown
    ]
    filters = {"action": wanted} if wanted else {}
    next_href = None
    if len(found) > ROWS_A_PAGE:
        next_href = "/audit?" + urlencode({**filters, "cursor": str(shown[-1].sequence)})
    return page(
        request,
        "audit.html",
        title="Audit log",
        rows=rows,
        filter_action=wanted,
        verdict=_verdict_view(verdict),
        next_href=next_href,
        first_href=f"/audit?{urlencode(filters)}" if cursor else None,
    )


_RESOURCE: Final = re.compile(r"([a-z_]+)[:/](.+)")
_RESOURCE_PAGES: Final = {
    "security": "securities",
    "investor": "investors",
    "approval": "approvals",
    "dividend": "dividends",
    "transaction": "transactions",
}


def _resource(text: str) -> str:
    found = _RESOURCE.fullmatch(text)
    return words_of(text) if found is None else f"{words_of(found[1])} {short(found[2])}"


def _resource_href(text: str) -> str:
    found = _RESOURCE.fullmatch(text)
    return "" if found is None or found[1] not in _RESOURCE_PAGES else f"/{_RESOURCE_PAGES[found[1]]}/{found[2]}"


def _verdict_view(verdict: Intact | Broken) -> dict[str, str]:
    match verdict:
        case Intact():
            entries = count(verdict.head.sequence)
            head = verdict.head.entry_hash.hex()
            return {
                "tone": "good",
                "icon": "yes",
                "title": f"The log is whole: {entries} {'entry' if verdict.head.sequence == 1 else 'entries'}, each hash recomputed",
                "sentence": f"Its head is {head[:16]}…{head[-8:]}.",
            }
        case Broken():
            return {
                "tone": "bad",
                "icon": "no",
                "title": f"The log is broken at entry {count(verdict.at_sequence)}",
                "sentence": f"{verdict.why[:1].upper()}{verdict.why[1:]}. Tell whoever runs this installation.",
            }


__all__ = ["ROUTES"]
ROUTES = [show_approvals, show_approval, do_approve, do_reject, show_audit]
