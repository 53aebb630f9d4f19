# SPDX-License-Identifier: Apache-2.0
"""Investors: list and search, one investor, onboarding from a CSV file with a report of each row."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.datastructures import UploadFile

from muniment.access.commands import list_audit
from muniment.access.model import Action, Actor, authorize, permits
from muniment.access.ports import Page
from muniment.app.http.problems import status_of
from muniment.app.http.request import MunimentRequest
from muniment.app.web.forms import form_values, go_to, text_of
from muniment.app.web.pages.control import user_name
from muniment.app.web.reading import AsActor, Begin, Cursor, Id, Query, investor_mark, locked_text, nameless, notice_mark, shares_text
from muniment.app.web.render import mark_of, page, reason_of_error, wrong
from muniment.app.web.views import FormState, InvestorRow, Mark, Option
from muniment.app.web.words import count, percent, short
from muniment.compliance.commands import view_lockups
from muniment.compliance.ports import Registration, RegistrationState
from muniment.notices.commands import view_notices
from muniment.notices.model import NoticeKind
from muniment.notices.ports import NoticesUnit
from muniment.parties.commands import InvestorView, decide_review, list_hits, list_investors, onboard_csv, verify_investor, view_investor
from muniment.parties.model import (
    STATUSES,
    Claim,
    ClaimTopic,
    InReview,
    OnboardingReport,
    PersonalData,
    SanctionsHit,
    Standing,
    Verified,
    Wallet,
    country_name,
)
from muniment.parties.model.claims import PROVIDED, REVOCATIONS
from muniment.parties.model.onboarding import COLUMNS, FILE_BYTES_MAX
from muniment.servicing.ports import ServicingUnit
from muniment.units.errors import MunimentError, Place, instant_text
from muniment.units.ids import Address, InvestorId, parse_id

ROWS_A_PAGE: Final = 50
REFUSED_SHOWN: Final = 500
VERIFIABLE: Final = frozenset({"draft", "rejected", "expired"})
CLAIMS: Final = {ClaimTopic.KYC: "identity (KYC)", ClaimTopic.AML: "sanctions (AML)", ClaimTopic.ACCREDITATION: "accreditation"}
HISTORY_ROWS: Final = 30
SEEN: Final = frozenset({"parties.view_personal_data"})
"""Actions that would fill an investor's history with nothing but looks at it; the audit log has them."""

REVERIFIABLE: Final = frozenset({"verified", "rejected", "expired"})
REGISTRATIONS: Final = {
    RegistrationState.WANTED: "being registered",
    RegistrationState.SENT: "being registered",
    RegistrationState.REGISTERED: "registered",
    RegistrationState.INVALIDATING: "being withdrawn",
    RegistrationState.INVALID: "withdrawn",
}


MAILS_SHOWN: Final = 10
MAIL_WORDS: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.INVESTOR_VERIFIED: "Verified",
    NoticeKind.INVESTOR_REJECTED: "Not verified, and why",
    NoticeKind.INVESTOR_EXPIRED: "Verification run out",
    NoticeKind.EXPLANATION: "Why something was refused",
}
"""What each mail to an investor tells."""


@dataclass(frozen=True, slots=True)
class MailRow:
    """One mail to the investor, and what became of it."""

    what: str
    at: dt.datetime
    mark: Mark
    outcome: str
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class HoldingLine:
    """What an investor holds of one security."""

    name: str
    href: str
    shares: str
    percent: str
    locked: str = ""


@dataclass(frozen=True, slots=True)
class WalletLine:
    """A wallet of an investor."""

    address: str
    kept: str
    registration: Mark


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """A claim about an investor."""

    claim_id: str
    what: str
    by: str
    until: dt.datetime
    evidence: str
    mark: Mark
    is_open: bool


@dataclass(frozen=True, slots=True)
class HitLine:
    """An entry of a sanctions list that an investor may be."""

    hit_id: str
    name: str
    list: str
    match: str
    found_at: dt.datetime
    mark: Mark
    reason: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """Something that was done about an investor."""

    at: dt.datetime
    who: str
    action: str
    facts: str


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A reason why a row of the file was not taken."""

    line: int
    field: str
    sentence: str
    cure: str
    code: str


@dataclass(frozen=True, slots=True)
class ReportView:
    """What became of a file."""

    title: str
    sentence: str
    refused: tuple[RefusedLine, ...]


class NoFile(MunimentError):
    """The form came without a file."""

    code = "web.no_file"
    message = "No file was chosen."
    cure = "Choose a CSV file."


@get("/investors", sync_to_thread=True, include_in_schema=False)
def show_investors(
    request: MunimentRequest, actor: AsActor, begin: Begin, q: Query = "", status: Query = "", cursor: Cursor = None
) -> Response[Any]:
    """List investors, newest first, of one status or with one e-mail, name, wallet or reference where asked."""
    wanted = status if status in STATUSES else None
    with begin(actor.tenant_id) as unit:
        found = list_investors(actor, Page(limit=ROWS_A_PAGE + 1, cursor=cursor), text=q.strip()[:200] or None, status=wanted, unit=unit)
    shown = found[:ROWS_A_PAGE]
    filters = {name: text for name, text in (("q", q), ("status", wanted or "")) if text}
    next_href = None
    if len(found) > ROWS_A_PAGE:
        next_href = "/investors?" + urlencode({**filters, "cursor": str(shown[-1].investor.investor_id)})
    return page(
        request,
        "investors.html",
        title="Investors",
        rows=[_row(view) for view in shown],
        q=q,
        wanted_status=wanted or "",
        statuses=[Option("", "Any status"), *(Option(one, one.replace("_", " ")) for one in STATUSES)],
        may_onboard=permits(actor, Action.PARTIES_ONBOARD),
        next_href=next_href,
        first_href=f"/investors?{urlencode(filters)}" if cursor else None,
    )


def _row(view: InvestorView) -> InvestorRow:
    investor = view.investor
    return InvestorRow(
        href=f"/investors/{investor.investor_id}",
        investor_id=str(investor.investor_id),
        name=_name(view),
        kind=investor.kind.value,
        country=country_name(investor.country),
        status=investor_mark(investor.status),
        wallets=count(len(view.wallets)),
        since=investor.created_at,
    )


def _name(view: InvestorView) -> str:
    if view.investor.is_erased:
        return "Erased person"
    return view.name or nameless(view.investor.investor_id)


@get("/investors/{investor_id:str}", sync_to_thread=True, include_in_schema=False)
def show_investor(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Show one investor's file: holdings, wallets, claims, hits, history, and personal data to those who may see it."""
    return investor_page(request, actor, begin, investor_id)


@post("/investors/{investor_id:str}/verify", sync_to_thread=True, include_in_schema=False)
def do_verify(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Have the identity provider check the investor, and show what it said."""
    try:
        with begin(actor.tenant_id) as unit:
            verify_investor(actor, InvestorId(parse_id(investor_id, field="investor_id")), unit=unit)
    except MunimentError as refusal:
        return investor_page(request, actor, begin, investor_id, refusal=refusal)
    return go_to(f"/investors/{investor_id}")


@post("/investors/{investor_id:str}/review", include_in_schema=False)
async def do_review(request: MunimentRequest, actor: AsActor, begin: Begin, investor_id: Id) -> Response[Any]:
    """Decide a referred case as the second person."""
    accepted = text_of(await form_values(request), "decision") == "accept"

    def run() -> Response[Any]:
        try:
            with begin(actor.tenant_id) as unit:
                decide_review(actor, InvestorId(parse_id(investor_id, field="investor_id")), accepted=accepted, unit=unit)
        except MunimentError as refusal:
            return investor_page(request, actor, begin, investor_id, refusal=refusal)
        return go_to(f"/investors/{investor_id}")

    return await sync_to_thread(run)


def _is_anothers(standing: Standing, actor: Actor) -> bool:
    """Return whether a review waits that somebody else submitted: whoever submits does not decide."""
    return isinstance(standing, InReview) and standing.submitted_by != actor.user_id


def _mails(actor: Actor, investor_id: InvestorId, *, unit: NoticesUnit) -> list[MailRow]:
    if not permits(actor, Action.NOTICES_VIEW):
        return []
    found = view_notices(actor, recipient_id=investor_id, limit=MAILS_SHOWN, unit=unit).notices
    return [
        MailRow(
            what=MAIL_WORDS[notice.kind],
            at=notice.created_at,
            mark=notice_mark(notice.state),
            outcome="" if notice.outcome is None or notice.state == "sent" else notice.outcome.replace("_", " "),
            reasons=[] if notice.told is None else [reason.sentence for reason in notice.told.reasons],
        )
        for notice in found
    ]


def investor_page(
    request: MunimentRequest, actor: Actor, begin: Begin, investor_id: str, *, refusal: MunimentError | None = None
) -> Response[Any]:
    """Draw an investor's file, with what was refused where something was."""
    if refusal is not None and status_of(refusal.code) in {403, 404}:
        raise refusal
    with begin(actor.tenant_id) as unit:
        known_id = InvestorId(parse_id(investor_id, field="investor_id"))
        authorize(actor, Action.PARTIES_VIEW, tenant_id=unit.tenant_id)
        unit.investors.get(known_id)
        holdings = _holdings(actor, unit.wallets.of_investor(known_id), unit=unit)
        registrations = {registration.address: registration for registration in unit.identities.of_investor(known_id)}
        history = _history(actor, known_id, unit=unit)
        mails = _mails(actor, known_id, unit=unit)
        now = unit.clock.now()
        # Last, for seeing personal data writes into the audit log.
        hits = list_hits(actor, known_id, unit=unit) if permits(actor, Action.PARTIES_VIEW_PERSONAL_DATA) else ()
        view = view_investor(actor, known_id, unit=unit)
    name = _name(view)
    is_open = not view.investor.is_erased
    return page(
        request,
        "investor.html",
        title=name,
        status=200 if refusal is None else status_of(refusal.code),
        told=None if refusal is None else reason_of_error(refusal),
        investor_href=f"/investors/{known_id}",
        may_verify=permits(actor, Action.PARTIES_VERIFY) and is_open and view.investor.status in VERIFIABLE,
        may_reverify=permits(actor, Action.PARTIES_VERIFY) and is_open and view.investor.status in REVERIFIABLE,
        may_claim=permits(actor, Action.PARTIES_ADD_CLAIM) and is_open,
        may_revoke=permits(actor, Action.PARTIES_REVOKE_CLAIM),
        may_screen=permits(actor, Action.PARTIES_SCREEN),
        may_prove=permits(actor, Action.PARTIES_ADD_WALLET) and is_open,
        claims=[_claim_line(claim, at=now) for claim in reversed(view.claims)],
        revocations=[Option(code, code.replace("_", " ")) for code in REVOCATIONS],
        hits=[_hit_line(hit) for hit in hits],
        history=history,
        mails=mails,
        may_recover=permits(actor, Action.SETTLEMENT_RECOVER),
        may_review=permits(actor, Action.PARTIES_VERIFY) and _is_anothers(view.investor.standing, actor),
        crumbs=[("Investors", "/investors"), (name, "")],
        investor={
            "name": name,
            "kind": view.investor.kind.value,
            "country": country_name(view.investor.country),
            "status": investor_mark(view.investor.status),
        },
        holdings=holdings,
        wallets=[_wallet_line(wallet, registrations.get(wallet.address)) for wallet in view.wallets],
        personal=_personal(view.person),
        personal_note=(
            "The key to this person's data was destroyed. Wallets and holdings remain."
            if view.investor.is_erased
            else "Your roles do not show personal data."
        ),
        verification=_verification(view),
    )


def _holdings(actor: Actor, wallets: Any, *, unit: ServicingUnit) -> list[HoldingLine]:
    if not permits(actor, Action.REGISTER_VIEW):
        return []
    shares: dict[Address, int] = {}
    for wallet in wallets:
        for token in unit.register.securities_held(wallet.address):
            shares.setdefault(token, 0)
    lines = []
    for token in shares:
        security = unit.securities.by_token(token)
        if security is None:
            continue
        security_id = security.terms.security_id
        held = sum(unit.register.balance_of(security_id, wallet.address) for wallet in wallets)
        supply = unit.register.supply(security_id)
        href = f"/securities/{security_id}"
        shown = f"{shares_text(held, security)} {security.terms.symbol}"
        lockups = view_lockups(actor, security_id, unit=unit)
        locked = locked_text([each for wallet in wallets for each in lockups.get(wallet.address, ())], security)
        lines.append(HoldingLine(security.terms.name, href, shown, percent(held, supply), locked))
    return sorted(lines, key=lambda line: line.name)


def _history(actor: Actor, investor_id: InvestorId, *, unit: ServicingUnit) -> list[HistoryLine]:
    if not permits(actor, Action.ACCESS_VIEW_AUDIT):
        return []
    entries = list_audit(actor, Page(limit=HISTORY_ROWS * 4), resource=f"investor:{investor_id}", unit=unit)
    shown = [entry for entry in entries if entry.action not in SEEN][:HISTORY_ROWS]
    names = {user_id: user_name(user_id, unit=unit) for user_id in {entry.actor_id for entry in shown}}
    return [
        HistoryLine(
            at=entry.recorded_at,
            who=names[entry.actor_id],
            action=entry.action,
            facts=", ".join(f"{name.replace('_', ' ')}: {_fact(fact)}" for name, fact in entry.facts.items()),
        )
        for entry in shown
    ]


def _fact(fact: Any) -> str:
    text = ", ".join(str(part) for part in fact) if isinstance(fact, list) else str(fact)
    return short(text, head=60)


def _claim_line(claim: Claim, *, at: dt.datetime) -> ClaimLine:
    topic = CLAIMS.get(claim.topic, claim.topic.name.lower().replace("_", " "))
    basis = "" if claim.basis == PROVIDED else f", {claim.basis.replace('_', ' ')}"
    is_open = claim.revoked_at is None and at < claim.expires_at
    ended = "expired" if claim.revoked_at is None else (claim.revocation or "replaced").replace("_", " ")
    return ClaimLine(
        claim_id=str(claim.claim_id),
        what=topic if claim.value is None else f"{topic}: {claim.value}",
        by=f"{claim.issuer}{basis}",
        until=claim.expires_at,
        evidence=claim.evidence_sha256.hex(),
        mark=mark_of("holds" if is_open else ended, good=("holds",), warn=("expired", "replaced"), bad=("wrong",)),
        is_open=is_open,
    )


def _hit_line(hit: SanctionsHit) -> HitLine:
    return HitLine(
        hit_id=str(hit.hit_id),
        name=hit.listed_name,
        list=", ".join(part for part in (hit.source, hit.reference, hit.programme) if part),
        match="the same words" if hit.strength.value == "same" else "one name within the other",
        found_at=hit.found_at,
        mark=mark_of(hit.state, good=("cleared",), warn=("withdrawn",), bad=("open",)),
        reason=hit.reason or "",
        is_open=hit.state == "open",
    )


def _wallet_line(wallet: Wallet, registration: Registration | None) -> WalletLine:
    proved = "not proved" if wallet.proved_at is None else f"proved {instant_text(wallet.proved_at)[:10]}"
    kept = "key kept here" if wallet.managed else f"key kept by the holder, {proved}"
    state = "not registered" if registration is None else REGISTRATIONS[registration.state]
    mark = mark_of(state, good=("registered",), warn=("not registered", "being registered", "being withdrawn"), bad=("withdrawn",))
    return WalletLine(wallet.address, f"{kept}; identity on the chain" if wallet.position == 1 else kept, mark)


def _personal(person: PersonalData | None) -> Mapping[str, str]:
    if person is None:
        return {}
    found = {
        "name": person.name,
        "e-mail": person.email,
        "date of birth": "" if person.date_of_birth is None else person.date_of_birth.isoformat(),
        "tax id": person.tax_id or "",
        "document": person.document_number or "",
        "document expires": "" if person.document_expires is None else person.document_expires.isoformat(),
        "accredited": "yes" if person.is_accredited else "no",
        "note": person.note or "",
    }
    return {name: text for name, text in found.items() if text}


def _verification(view: InvestorView) -> Mapping[str, Any]:
    found: dict[str, Any] = {"reference": view.investor.external_reference, "status": view.investor.status.replace("_", " ")}
    standing = view.investor.standing
    if isinstance(standing, Verified):
        found["good until"] = instant_text(standing.until)[:10]
    codes = getattr(standing, "codes", ())
    if codes:
        found["why"] = ", ".join(codes)
    return found


@get("/investors/import", sync_to_thread=True, include_in_schema=False)
def show_import(request: MunimentRequest, actor: AsActor) -> Response[Any]:
    """Show the onboarding form."""
    authorize(actor, Action.PARTIES_ONBOARD, tenant_id=actor.tenant_id)
    return _import_page(request)


@post("/investors/import", include_in_schema=False, request_max_body_size=FILE_BYTES_MAX + 100_000)
async def do_import(request: MunimentRequest, actor: AsActor, begin: Begin) -> Response[Any]:
    """Onboard what is valid in the file and report the rest, line by line."""
    authorize(actor, Action.PARTIES_ONBOARD, tenant_id=actor.tenant_id)
    upload = (await request.form()).get("file")
    if not isinstance(upload, UploadFile) or not upload.filename:
        form = wrong(NoFile(place=Place(field="file")), {}, fields=("file",))
        return await sync_to_thread(_import_page, request, form=form, status=422)
    content = await upload.read()
    file_name = upload.filename.rpartition("/")[2][:100]

    def run() -> Response[Any]:
        try:
            with begin(actor.tenant_id) as unit:
                report = onboard_csv(actor, io.BytesIO(content), file_name=file_name, unit=unit)
        except MunimentError as refusal:
            return _import_page(request, form=wrong(refusal, {}), status=status_of(refusal.code))
        return _import_page(request, report=_report_view(report))

    return await sync_to_thread(run)


def _report_view(report: OnboardingReport) -> ReportView:
    accepted, refused, unchanged = len(report.accepted), len(report.refused), len(report.unchanged)
    known = f" {count(unchanged)} were known already." if unchanged else ""
    lines = [
        RefusedLine(
            line=row.line,
            field="" if reason.place is None or reason.place.field is None else reason.place.field,
            sentence=reason.sentence,
            cure=reason.cure_sentence or "",
            code=reason.code,
        )
        for row in report.refused
        for reason in row.reasons
    ]
    rest = f" The first {count(REFUSED_SHOWN)} reasons are shown." if len(lines) > REFUSED_SHOWN else ""
    return ReportView(
        title=f"{count(accepted)} {'row' if accepted == 1 else 'rows'} onboarded, {count(refused)} refused",
        sentence=f"Each new investor waits for verification.{known}{rest}",
        refused=tuple(lines[:REFUSED_SHOWN]),
    )


def _import_page(
    request: MunimentRequest, *, form: FormState | None = None, report: ReportView | None = None, status: int = 200
) -> Response[Any]:
    return page(
        request,
        "investors_import.html",
        title="Onboard investors",
        status=status,
        crumbs=[("Investors", "/investors"), ("Onboard from a CSV file", "")],
        form=form or FormState(),
        report=report,
        columns=", ".join(COLUMNS),
        size_max=f"{FILE_BYTES_MAX // 1_000_000} MB and 10,000 rows",
    )


ROUTES = [show_investors, show_import, do_import, show_investor, do_verify, do_review]
