# SPDX-License-Identifier: Apache-2.0
"""The law in the browser: a security's packs, what they would do to its register, an asset's Howey record, and the compliance desk."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter

from muniment.access.model import Action, Actor, authorize, permits
from muniment.app.documents import memo_pdf
from muniment.app.http.request import MunimentRequest
from muniment.app.web.forms import fingerprint, form_values, go_to, text_of
from muniment.app.web.pages.flows import rule_row
from muniment.app.web.pages.previewing import PACK_PREFIX, Values, execute, fresh, once, previewed, run, shown, status_after
from muniment.app.web.pages.securities import crumbs_of, head_of, security_id_of
from muniment.app.web.reading import AsActor, Begin, Id, shares_text
from muniment.app.web.render import page, wrong
from muniment.app.web.views import FormState, Mark, Option, Preview, RuleRow
from muniment.app.web.words import count, percent, permille
from muniment.compliance.commands import (
    AssessAsset,
    ChooseLaw,
    ask_what_if,
    assess_asset,
    bring_law_to_chain,
    check_law,
    choose_law,
    law_off_chain,
    sign_assessment,
    view_assessments,
    view_law,
)
from muniment.compliance.errors import AssessmentNotFound, RulesInvalid
from muniment.compliance.http import parse_asset_id
from muniment.compliance.model.law.book import LawRule, rule_book
from muniment.compliance.model.law.choices import LawChoice
from muniment.compliance.model.law.howey import DISCLAIMER, GATE, LETTERS, questionnaire
from muniment.compliance.model.law.records import TOKEN_MODELS, HoweyRecord, offered
from muniment.compliance.model.law.what_if import WhatIf
from muniment.instruments.commands import find_asset, view_security
from muniment.instruments.model.securities import Security, TokenisedSecurity
from muniment.parties.commands import names_of
from muniment.servicing.ports import ServicingUnit
from muniment.units.errors import MunimentError
from muniment.units.ids import InvestorId, SecurityId, UserId, parse_id
from muniment.units.instants import parse_date
from muniment.units.shares import show_shares

TERM_FIELDS: Final = (
    "law_price",
    "law_currency",
    "law_first_offered_on",
    "law_closed_on",
    "law_issuer_country",
    "law_issuer_reporting",
    "law_general_solicitation",
    "law_issued_locked",
    "law_total_assets_usd",
    "law_portal",
)
"""The form's fields of an offering's terms; without `law_` they are those of a case."""

YES_NO: Final = (Option("no", "No"), Option("yes", "Yes"))
ANSWERS: Final = (Option("-", "open"), Option("y", "yes"), Option("n", "no"))
BREAKS_SHOWN: Final = 50
OUTCOMES: Final = {
    "security": Mark("security", "yes", "good"),
    "investment_contract": Mark("investment contract", "yes", "good"),
    "not_investment_contract": Mark("not an investment contract", "no", "bad"),
    "undetermined": Mark("undetermined", "wait", "wait"),
}


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule of law in the list of a choice."""

    rule_id: str
    citation: str
    test: str
    asked_on: str
    in_force: bool


@dataclass(frozen=True, slots=True)
class BreakLine:
    """A holder who would break a rule, with the first reason."""

    name: str
    href: str
    shares: str
    sentence: str
    cure: str


@dataclass(frozen=True, slots=True)
class WhatIfBar:
    """How many holders one rule would stop; `width` in permille of all holders."""

    rule: str
    holders: str
    share: str
    width: str


# A security's packs


@get("/securities/{security_id:str}/law", sync_to_thread=True, include_in_schema=False)
def show_law(
    request: MunimentRequest,
    actor: AsActor,
    begin: Begin,
    security_id: Id,
    packs: Annotated[list[str] | None, QueryParameter(max_items=32)] = None,
    on: Annotated[str, QueryParameter(max_length=10)] = "",
) -> Response[Any]:
    """Show which packs were chosen, and with `packs` or `on` what they would do to the register."""
    known = security_id_of(security_id)
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, known, unit=unit)
        versions = view_law(actor, known, unit=unit)
        now = unit.clock.now()
        choice = unit.law_choices.in_effect(known, now)
        head = head_of(actor, security, tab="law", unit=unit)
        asset = unit.assets.get(security.terms.asset_record_id)
        assessments = unit.howey_records.all(asset.asset_id)
        off_chain = _off_chain(security, unit=unit)
        outcome = None
        breaks: Sequence[BreakLine] = ()
        if (packs or on) and isinstance(security, TokenisedSecurity):
            day = parse_date(on, field="on") if on else None
            outcome = ask_what_if(actor, known, packs=packs or None, on=day, unit=unit)
            breaks = _breaks(actor, outcome, security, unit=unit)
    return page(
        request,
        "security_law.html",
        title=security.terms.name,
        security=head,
        crumbs=crumbs_of(security, ("Law", "")),
        choice=choice,
        rules=_rule_lines(choice, now.date()),
        terms={} if choice is None else {name.replace("_", " "): _shown(value) for name, value in sorted(choice.terms.items())},
        versions=versions,
        packs=list(rule_book().packs.values()),
        chosen=set(packs or (() if choice is None else choice.packs)),
        on=on or now.date().isoformat(),
        off_chain=off_chain,
        may_set=permits(actor, Action.COMPLIANCE_SET_RULES),
        may_choose=permits(actor, Action.COMPLIANCE_CHOOSE_LAW),
        may_ask=permits(actor, Action.COMPLIANCE_CHECK) and isinstance(security, TokenisedSecurity),
        may_explain=permits(actor, Action.NOTICES_EXPLAIN) and isinstance(security, TokenisedSecurity),
        outcome=outcome,
        bars=[] if outcome is None else _bars(outcome),
        breaks=breaks,
        finding="" if outcome is None else _finding(outcome),
        assessment=assessments[-1] if assessments else None,
        assessment_mark=OUTCOMES[assessments[-1].assessment.outcome] if assessments else None,
        asset_id=asset.asset_id,
    )


@dataclass(frozen=True, slots=True)
class OffChain:
    """What the chain would enforce anew if the packs were brought to it, and what no longer; or why they cannot be brought."""

    wanted: Sequence[RuleRow] = ()
    unwanted: Sequence[RuleRow] = ()
    conflict: str = ""


def _off_chain(security: Security, *, unit: ServicingUnit) -> OffChain | None:
    """Return how the chain differs from the packs; None where it does not. With nothing wanted or unwanted it is the day of their end."""
    security_id = security.terms.security_id
    present = unit.rule_sets.in_effect(security_id, unit.clock.now())
    held = () if present is None else present.enforced
    try:
        together = law_off_chain(security_id, unit=unit)
    except RulesInvalid as error:
        return OffChain(conflict=str(error))
    if together is None:
        return None
    wanted = [rule_row(rule, security) for rule in together if rule not in held]
    return OffChain(wanted, [rule_row(rule, security) for rule in held if rule not in together])


def _shown(value: Any) -> str:
    return "yes" if value is True else "no" if value is False else str(value)


def _rule_lines(choice: LawChoice | None, on: dt.date) -> list[RuleLine]:
    return [] if choice is None else [_line(rule, on) for rule in rule_book().select(choice.packs).rules]


def _line(rule: LawRule, on: dt.date) -> RuleLine:
    return RuleLine(rule.rule_id, rule.citation, rule.test, rule.evaluated_on.value, rule.is_in_force(on))


def _finding(outcome: WhatIf) -> str:
    number, of = len(outcome.breaking), f"{count(outcome.holders)} {'holder' if outcome.holders == 1 else 'holders'}"
    breaks = f"{'None' if number == 0 else count(number)} of {of} would break a rule"
    if not outcome.locked_holders:
        return f"{breaks}; no shares are locked"
    locked = show_shares(outcome.locked_shares, decimals=outcome.decimals)
    return f"{breaks}; {locked} shares of {count(outcome.locked_holders)} may not be resold to just anybody on that day"


def _bars(outcome: WhatIf) -> list[WhatIfBar]:
    by_rule = outcome.as_json()["by_rule"]
    ordered = sorted(by_rule.items(), key=lambda each: (-each[1], each[0]))
    return [WhatIfBar(rule, count(number), percent(number, outcome.holders), permille(number, outcome.holders)) for rule, number in ordered]


def _breaks(actor: Actor, outcome: WhatIf, security: Security, *, unit: ServicingUnit) -> list[BreakLine]:
    found = outcome.breaking[:BREAKS_SHOWN]
    ids = [InvestorId(parse_id(each.investor_id)) for each in found if not each.investor_id.startswith("0x")]
    names = names_of(actor, ids, unit=unit)
    return [
        BreakLine(
            name=each.investor_id if each.investor_id.startswith("0x") else names.get(InvestorId(parse_id(each.investor_id)), "unknown"),
            href="" if each.investor_id.startswith("0x") else f"/investors/{each.investor_id}",
            shares=shares_text(each.quantity, security),
            sentence=each.reasons[0].sentence,
            cure=each.reasons[0].cure or "",
        )
        for each in found
    ]


@post("/securities/{security_id:str}/law/chain", include_in_schema=False)
async def do_bring_to_chain(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Set the rules that the chain can enforce of the packs."""
    await form_values(request)
    return await sync_to_thread(_bring, actor, begin, security_id_of(security_id))


def _bring(actor: Actor, begin: Begin, security_id: SecurityId) -> Response[Any]:
    with begin(actor.tenant_id) as unit:
        bring_law_to_chain(actor, security_id, unit=unit)
    return go_to(f"/securities/{security_id}/rules")


@get("/securities/{security_id:str}/law/edit", sync_to_thread=True, include_in_schema=False)
def show_law_form(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show the form that chooses packs, filled with the present ones."""
    known = security_id_of(security_id)
    with begin(actor.tenant_id) as unit:
        authorize(actor, Action.COMPLIANCE_CHOOSE_LAW, tenant_id=unit.tenant_id)
        view_security(actor, known, unit=unit)
        latest = unit.law_choices.latest(known)
        values = {**fresh(), **_as_values(latest)}
        return _law_page(request, actor, known, values, unit=unit, form=FormState(values=values))


@post("/securities/{security_id:str}/law/edit/preview", include_in_schema=False, status_code=200)
async def preview_law_form(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show which rules the packs compose, or what stands against them."""
    values = await form_values(request)
    return await sync_to_thread(run, request, actor, begin, security_id_of(security_id), values, _law_page)


@post("/securities/{security_id:str}/law/edit", include_in_schema=False)
async def do_choose_law(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Choose the packs that were previewed."""
    values = await form_values(request)
    return await sync_to_thread(execute, request, actor, begin, security_id_of(security_id), values, _law_page, _choose)


def _as_values(choice: LawChoice | None) -> dict[str, str]:
    values = {
        "law_currency": "USD",
        "law_issuer_country": "US",
        "law_issuer_reporting": "no",
        "law_general_solicitation": "no",
        "law_issued_locked": "no",
    }
    if choice is None:
        return values
    for name in choice.packs:
        values[f"{PACK_PREFIX}{name}"] = "yes"
    for name, value in choice.terms.items():
        field = f"law_{name}"
        if field in TERM_FIELDS:
            values[field] = {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    return values


def _asked(security_id: SecurityId, values: Values, *, unit: ServicingUnit) -> ChooseLaw:
    packs = tuple(pack_id for pack_id in rule_book().packs if values.get(f"{PACK_PREFIX}{pack_id}") == "yes")
    latest = unit.law_choices.latest(security_id)
    # What the form does not show stays as it was set through the API.
    terms: dict[str, Any] = (
        {} if latest is None else {name: value for name, value in latest.terms.items() if f"law_{name}" not in TERM_FIELDS}
    )
    for field in TERM_FIELDS:
        text = text_of(values, field)
        if text:
            terms[field.removeprefix("law_")] = {"yes": True, "no": False}.get(text, text) if field in _BOOLEANS else text
    return ChooseLaw(security_id, packs, terms, {} if latest is None else latest.evidence)


_BOOLEANS = frozenset({"law_issuer_reporting", "law_general_solicitation", "law_issued_locked"})


def _law_page(
    request: MunimentRequest, actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit, form: FormState | None = None
) -> Response[Any]:
    authorize(actor, Action.COMPLIANCE_CHOOSE_LAW, tenant_id=unit.tenant_id)
    security = view_security(actor, security_id, unit=unit)
    form, preview = previewed(values, form, lambda: _preview(actor, security, values, unit=unit), needed="law_currency")
    records = unit.howey_records.all(unit.assets.get(security.terms.asset_record_id).asset_id)
    signed = [record for record in records if record.is_signed]
    return page(
        request,
        "law_form.html",
        title=f"Choose the law of {security.terms.name}",
        status=status_after(form, preview),
        lead="Each pack is one exemption. A sale needs one that holds for the buyer; a transfer passes the rules of all of them.",
        crumbs=crumbs_of(security, ("Law", f"/securities/{security_id}/law"), ("Choose", "")),
        action=f"/securities/{security_id}/law/edit",
        check_words="Show which rules these are",
        security=head_of(actor, security, tab="", unit=unit),
        form=form,
        preview=preview,
        packs=offered(signed[-1] if signed else None),
        prefix=PACK_PREFIX,
        yes_no=YES_NO,
        countries=[Option(code, code) for code in ("US", "GB", "CH", "SG", "DE", "FR", "IE", "LU", "JP")],
    )


def _preview(actor: Actor, security: Security, values: Values, *, unit: ServicingUnit) -> Preview:
    asked = _asked(security.terms.security_id, values, unit=unit)
    with _at_the_forms_fields():
        check_law(actor, asked, unit=unit)
    rules = rule_book().select(asked.packs).rules
    return Preview(
        button="Choose no pack" if not asked.packs else f"Choose {count(len(asked.packs))} {'pack' if len(asked.packs) == 1 else 'packs'}",
        title="These rules will judge every sale and transfer",
        lines=[(rule.rule_id, f"{rule.citation}: {rule.test}") for rule in rules]
        or [("No rule", "Only the chain's own rules will be asked.")],
        notes=["Rules of law are enforced before anything is signed. None of this is legal advice."],
        fingerprint=fingerprint(shown(values)),
    )


@contextmanager
def _at_the_forms_fields() -> Iterator[None]:
    """Let a refusal of a term name the form's field."""
    try:
        yield
    except MunimentError as refusal:
        if refusal.place is not None and refusal.place.field is not None and refusal.place.field.startswith("terms."):
            refusal.place = replace(refusal.place, field=f"law_{refusal.place.field.removeprefix('terms.')}")
        raise


def _choose(actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit) -> str:
    def do() -> str:
        with _at_the_forms_fields():
            choose_law(actor, _asked(security_id, values, unit=unit), unit=unit)
        return f"/securities/{security_id}/law"

    return once(actor, values, f"law {security_id}", do, unit=unit)


# An asset's Howey record


@get("/assets/{asset_id:str}/assessment", sync_to_thread=True, include_in_schema=False)
def show_assessment(request: MunimentRequest, actor: AsActor, begin: Begin, asset_id: Id) -> Response[Any]:
    """Show the questionnaire, filled with the last version, and the versions with their signatures."""
    with begin(actor.tenant_id) as unit:
        records = view_assessments(actor, parse_asset_id(asset_id), unit=unit)
        values = _record_values(records[-1]) if records else {"token_model": "integrated_register"}
        return _assessment_page(request, actor, asset_id, FormState(values=values), unit=unit)


@post("/assets/{asset_id:str}/assessment", include_in_schema=False)
async def do_assess(request: MunimentRequest, actor: AsActor, begin: Begin, asset_id: Id) -> Response[Any]:
    """Keep the answers as a new version."""
    values = await form_values(request)
    return await sync_to_thread(_assess, request, actor, begin, asset_id, values)


def _assess(request: MunimentRequest, actor: Actor, begin: Begin, asset_id: str, values: Values) -> Response[Any]:
    answers = {name.removeprefix("answer:"): text for name, text in values.items() if name.startswith("answer:") and text != "-"}
    evidence = {name.removeprefix("evidence:"): text for name, text in values.items() if name.startswith("evidence:") and text}
    asked = AssessAsset(
        parse_asset_id(asset_id),
        answers,
        {name: text for name, text in evidence.items() if name in answers},
        text_of(values, "token_model"),
    )
    try:
        with begin(actor.tenant_id) as unit:
            assess_asset(actor, asked, unit=unit)
    except MunimentError as refusal:
        if not refusal.code.startswith("compliance."):
            raise
        with begin(actor.tenant_id) as unit:
            return _assessment_page(request, actor, asset_id, wrong(refusal, values, fields=()), unit=unit)
    return go_to(f"/assets/{asset_id}/assessment")


@post("/assets/{asset_id:str}/assessment/{version:int}/signature", include_in_schema=False)
async def do_sign(request: MunimentRequest, actor: AsActor, begin: Begin, asset_id: Id, version: FromPath[int]) -> Response[Any]:
    """Sign a version off."""
    return await sync_to_thread(_sign, request, actor, begin, asset_id, version)


def _sign(request: MunimentRequest, actor: Actor, begin: Begin, asset_id: str, version: int) -> Response[Any]:
    try:
        with begin(actor.tenant_id) as unit:
            sign_assessment(actor, parse_asset_id(asset_id), version, unit=unit)
    except MunimentError as refusal:
        if refusal.code not in {"compliance.own_assessment", "compliance.assessment_signed"}:
            raise
        with begin(actor.tenant_id) as unit:
            records = view_assessments(actor, parse_asset_id(asset_id), unit=unit)
            return _assessment_page(request, actor, asset_id, wrong(refusal, _record_values(records[-1]), fields=()), unit=unit)
    return go_to(f"/assets/{asset_id}/assessment")


def _record_values(record: HoweyRecord) -> dict[str, str]:
    return {
        "token_model": record.token_model,
        **{f"answer:{name}": answer for name, answer in record.answers.items()},
        **{f"evidence:{name}": text for name, text in record.evidence.items()},
    }


def _assessment_page(request: MunimentRequest, actor: Actor, asset_id: str, form: FormState, *, unit: ServicingUnit) -> Response[Any]:
    asset = find_asset(actor, parse_asset_id(asset_id), unit=unit)
    records = view_assessments(actor, asset.asset_id, unit=unit)
    names = _user_names({record.drafted_by for record in records} | {record.signed_by for record in records if record.signed_by}, unit=unit)
    questions = questionnaire()
    return page(
        request,
        "assessment.html",
        title="Is it an investment contract?",
        status=422 if form.wrong_sentence else 200,
        crumbs=[("Securities", "/securities"), (asset.title, ""), ("Assessment", "")],
        subject=asset,
        form=form,
        gate=(GATE, questions.gate),
        prongs=[(name, LETTERS[name], [item for item in questions.items.values() if item.prong == name]) for name in LETTERS],
        answers=ANSWERS,
        models=[Option(name, words) for name, words in TOKEN_MODELS.items()],
        records=[(record, OUTCOMES[record.assessment.outcome], names) for record in reversed(records)],
        me=actor.user_id,
        may_assess=permits(actor, Action.COMPLIANCE_ASSESS),
        may_sign=permits(actor, Action.COMPLIANCE_SIGN_ASSESSMENT),
        disclaimer=DISCLAIMER,
    )


def _user_names(user_ids: set[UserId], *, unit: ServicingUnit) -> dict[UserId, str]:
    members = unit.memberships.members(unit.tenant_id)
    return {member.membership.user_id: member.display_name for member in members if member.membership.user_id in user_ids}


@get("/assets/{asset_id:str}/assessment/{version:int}/memo", sync_to_thread=True, include_in_schema=False)
def show_memo(request: MunimentRequest, actor: AsActor, begin: Begin, asset_id: Id, version: FromPath[int]) -> Response[Any]:
    """Show one version as a memo to print."""
    with begin(actor.tenant_id) as unit:
        record, title, names = _memo(actor, asset_id, version, unit=unit)
    return page(
        request,
        "assessment_memo.html",
        title=f"Assessment {record.version}: {title}",
        crumbs=[("Securities", "/securities"), ("Assessment", f"/assets/{asset_id}/assessment"), (f"Memo {version}", "")],
        record=record,
        asset_title=title,
        names=names,
        mark=OUTCOMES[record.assessment.outcome],
        questions=[item for item in questionnaire().items.values() if item.item_id in record.answers or item.item_id in record.evidence],
        letters=[(name, letter) for name, letter in LETTERS.items() if letter in record.answers],
        model=TOKEN_MODELS[record.token_model],
        source=questionnaire().source,
        disclaimer=DISCLAIMER,
    )


@get("/assets/{asset_id:str}/assessment/{version:int}/memo.pdf", sync_to_thread=True, include_in_schema=False)
def give_memo(actor: AsActor, begin: Begin, asset_id: Id, version: FromPath[int]) -> Response[bytes]:
    """Give one version's memo as a PDF."""
    with begin(actor.tenant_id) as unit:
        record, title, names = _memo(actor, asset_id, version, unit=unit)
    headers = {"Content-Disposition": f'attachment; filename="assessment-{version}.pdf"', "Cache-Control": "no-store"}
    return Response(memo_pdf(record, title=title, names=names), media_type="application/pdf", headers=headers)


def _memo(actor: Actor, asset_id: str, version: int, *, unit: ServicingUnit) -> tuple[HoweyRecord, str, dict[UserId, str]]:
    asset = find_asset(actor, parse_asset_id(asset_id), unit=unit)
    found = [record for record in view_assessments(actor, asset.asset_id, unit=unit) if record.version == version]
    if not found:
        raise AssessmentNotFound(version=version)
    record = found[0]
    return record, asset.title, _user_names({record.drafted_by, *({record.signed_by} if record.signed_by else ())}, unit=unit)


ROUTES = [
    show_law,
    do_bring_to_chain,
    show_law_form,
    preview_law_form,
    do_choose_law,
    show_assessment,
    do_assess,
    do_sign,
    show_memo,
    give_memo,
]
