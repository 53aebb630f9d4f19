# SPDX-License-Identifier: Apache-2.0
"""A security's way from draft to open: put it on the chain, set its rules, open it for transfers. Each shown before it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread

from muniment.access.model import Action, Actor, authorize
from muniment.app.http.request import MunimentRequest
from muniment.app.web import further_rules
from muniment.app.web.forms import fingerprint, form_values, text_of
from muniment.app.web.pages.flows import identity_rule, rule_row
from muniment.app.web.pages.previewing import (
    FieldMissing,
    Values,
    execute,
    fresh,
    once,
    previewed,
    run,
    shown,
    status_after,
)
from muniment.app.web.pages.securities import crumbs_of, head_of, security_id_of
from muniment.app.web.reading import AsActor, Begin, Id, shares_text
from muniment.app.web.render import page, reason_of_error
from muniment.app.web.views import FormState, Option, Preview
from muniment.app.web.words import count
from muniment.compliance.commands import SetRules, open_security, set_rules
from muniment.compliance.errors import RulesInvalid, RulesNotSet
from muniment.compliance.model.rules import (
    ISSUER_RULE,
    CountryAllowed,
    CountryBlocked,
    FurtherRule,
    HolderCap,
    MaximumBalancePerInvestor,
    Rule,
    SupplyCap,
    check_rules,
)
from muniment.instruments.commands import deploy_security, view_security
from muniment.instruments.errors import WrongState
from muniment.instruments.model.securities import DeployedSecurity, DraftedSecurity, OpenSecurity, Security
from muniment.parties.model import COUNTRIES
from muniment.servicing.ports import ServicingUnit
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import SecurityId
from muniment.units.money import parse_decimal
from muniment.units.shares import format_shares, parse_shares

COUNTRY_RULES: Final = (
    Option("none", "No rule about countries"),
    Option("blocked", "Residents of these may not receive"),
    Option("allowed", "Only residents of these may receive"),
)
FIELD_OF: Final[Mapping[str, str]] = {
    CountryAllowed.kind: "countries",
    CountryBlocked.kind: "countries",
    MaximumBalancePerInvestor.kind: "maximum",
    SupplyCap.kind: "supply_cap",
    HolderCap.kind: "holder_cap",
    **further_rules.FIELD_OF,
}
"""The form's field of each kind of rule; its citation stands in `<field>_citation`, that of all further rules in one field."""

_CODE_OF_NAME: Final = {name.casefold(): code for code, (_number, name) in COUNTRIES.items()}
_RULE_PLACE: Final = re.compile(r"rules\[(\d+)\](?:\.(\w+))?.*")


# On the chain


@get("/securities/{security_id:str}/deployment", sync_to_thread=True, include_in_schema=False)
def show_deployment(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show what putting a drafted security on the chain means."""
    with begin(actor.tenant_id) as unit:
        return _deployment_page(request, actor, security_id_of(security_id), fresh(), unit=unit)


@post("/securities/{security_id:str}/deployment", include_in_schema=False)
async def do_deploy(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Have the security's token put on the chain."""
    values = await form_values(request)
    return await sync_to_thread(execute, request, actor, begin, security_id_of(security_id), values, _deployment_page, _deploy)


def _deployment_page(
    request: MunimentRequest, actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit, form: FormState | None = None
) -> Response[Any]:
    authorize(actor, Action.INSTRUMENTS_DEPLOY, tenant_id=unit.tenant_id)
    security = view_security(actor, security_id, unit=unit)
    terms = security.terms
    if isinstance(security, DraftedSecurity):
        preview = Preview(
            button=f"Put {terms.symbol} on the chain",
            title="Nothing stands against it",
            lines=[
                ("Name", terms.name),
                ("Symbol", terms.symbol),
                ("Decimals", count(terms.decimals)),
                ("Authorised shares", "no limit" if terms.shares_authorized is None else shares_text(terms.shares_authorized, security)),
            ],
            notes=["Name, symbol and decimals cannot change afterwards. The token starts paused: nothing moves until you open it."],
        )
    else:
        refusal = WrongState(state=security.state, step="deployment", needed="drafted")
        preview = Preview(title=f"{terms.symbol} is on the chain or on its way there", reasons=[reason_of_error(refusal)])
    return _step_page(request, actor, security, values, preview, form=form, action="deployment", title="Put it on the chain", unit=unit)


def _deploy(actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit) -> str:
    def do() -> str:
        deploy_security(actor, security_id, unit=unit)
        return f"/securities/{security_id}?asked=drafted"

    return once(actor, values, f"deploy {security_id}", do, unit=unit)


# Open


@get("/securities/{security_id:str}/opening", sync_to_thread=True, include_in_schema=False)
def show_opening(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show under which rules the security would open."""
    with begin(actor.tenant_id) as unit:
        return _opening_page(request, actor, security_id_of(security_id), fresh(), unit=unit)


@post("/securities/{security_id:str}/opening", include_in_schema=False)
async def do_open(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Have the rules brought to the chain and the token's pause lifted."""
    values = await form_values(request)
    return await sync_to_thread(execute, request, actor, begin, security_id_of(security_id), values, _opening_page, _open)


def _opening_page(
    request: MunimentRequest, actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit, form: FormState | None = None
) -> Response[Any]:
    authorize(actor, Action.COMPLIANCE_OPEN_SECURITY, tenant_id=unit.tenant_id)
    security = view_security(actor, security_id, unit=unit)
    rule_set = unit.rule_sets.in_effect(security_id, unit.clock.now())
    symbol, version = security.terms.symbol, ""
    if not isinstance(security, DeployedSecurity):
        refusal: MunimentError = WrongState(state=security.state, step="opening", needed="deployed")
        title = f"{symbol} is open already" if isinstance(security, OpenSecurity) else f"{symbol} is not on the chain yet"
        preview = Preview(title=title, reasons=[reason_of_error(refusal)])
    elif rule_set is None:
        preview = Preview(title="Nobody has set its rules", reasons=[reason_of_error(RulesNotSet(security_id=security_id))])
    else:
        version = str(rule_set.version)
        rows = [identity_rule(), *(rule_row(rule, security) for rule in rule_set.enforced)]
        preview = Preview(
            button=f"Open {symbol} for transfers",
            title=f"It opens under version {version} of its rules",
            lines=[(row.name, row.sentence) for row in rows],
            notes=["The rules go to the chain first; then the token's pause is lifted and shares can be issued."],
        )
    return _step_page(
        request, actor, security, values, preview, form=form, action="opening", title="Open for transfers", unit=unit, version=version
    )


def _open(actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit) -> str | None:
    rule_set = unit.rule_sets.in_effect(security_id, unit.clock.now())
    version = "" if rule_set is None else str(rule_set.version)
    if text_of(values, "state") != _bound("opening", view_security(actor, security_id, unit=unit), version):
        return None

    def do() -> str:
        open_security(actor, security_id, unit=unit)
        return f"/securities/{security_id}?asked=deployed"

    return once(actor, values, f"open {security_id}", do, unit=unit)


def _bound(action: str, security: Security, version: str) -> str:
    return f"{action} {security.state} {version}".strip()


def _step_page(
    request: MunimentRequest,
    actor: Actor,
    security: Security,
    values: Values,
    preview: Preview,
    *,
    form: FormState | None,
    action: str,
    title: str,
    unit: ServicingUnit,
    version: str = "",
) -> Response[Any]:
    # What is shown is bound: the step, the security's state and the version of its rules.
    bound = _bound(action, security, version)
    values = {**values, "state": bound}
    return page(
        request,
        "security_step.html",
        title=f"{title}: {security.terms.name}",
        status=422 if form is not None else 200,
        crumbs=crumbs_of(security, (title, "")),
        action=f"/securities/{security.terms.security_id}/{action}",
        security=head_of(actor, security, tab="", unit=unit),
        form=form or FormState(values=values),
        preview=preview,
        bound=bound,
        previewed=fingerprint(shown({"state": bound})),
    )


# Rules


@get("/securities/{security_id:str}/rules/edit", sync_to_thread=True, include_in_schema=False)
def show_rules_form(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show the form that replaces a security's rules, filled with the present ones."""
    known_id = security_id_of(security_id)
    with begin(actor.tenant_id) as unit:
        authorize(actor, Action.COMPLIANCE_SET_RULES, tenant_id=unit.tenant_id)
        security = view_security(actor, known_id, unit=unit)
        values = {**fresh(), **_as_values(_present(known_id, unit=unit), security)}
        return _rules_page(request, actor, known_id, values, unit=unit, form=FormState(values=values))


@post("/securities/{security_id:str}/rules/edit/preview", include_in_schema=False, status_code=200)
async def preview_rules_form(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show the rules in words, or which of them cannot be."""
    values = await form_values(request)
    return await sync_to_thread(run, request, actor, begin, security_id_of(security_id), values, _rules_page)


@post("/securities/{security_id:str}/rules/edit", include_in_schema=False)
async def do_set_rules(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Set the rules that were previewed, in place of all present ones."""
    values = await form_values(request)
    return await sync_to_thread(execute, request, actor, begin, security_id_of(security_id), values, _rules_page, _set_rules)


def _rules_page(
    request: MunimentRequest, actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit, form: FormState | None = None
) -> Response[Any]:
    authorize(actor, Action.COMPLIANCE_SET_RULES, tenant_id=unit.tenant_id)
    security = view_security(actor, security_id, unit=unit)
    form, preview = previewed(values, form, lambda: _preview_rules(security, values, unit=unit), needed="country_rule")
    return page(
        request,
        "rules_form.html",
        title=f"Set the rules of {security.terms.name}",
        status=status_after(form, preview),
        lead="These replace all present rules. Whoever receives must also be verified; that rule always stands.",
        crumbs=crumbs_of(security, ("Rules", f"/securities/{security_id}/rules"), ("Set", "")),
        action=f"/securities/{security_id}/rules/edit",
        check_words="Show these rules in words",
        security=head_of(actor, security, tab="", unit=unit),
        form=form,
        preview=preview,
        country_rules=COUNTRY_RULES,
        whole_positions=further_rules.WHOLE_POSITIONS,
        approvals=further_rules.APPROVALS,
    )


def _present(security_id: SecurityId, *, unit: ServicingUnit) -> Sequence[Rule]:
    latest = unit.rule_sets.latest(security_id)
    return () if latest is None else latest.rules


def _as_values(rules: Sequence[Rule], security: Security) -> dict[str, str]:
    decimals = security.terms.decimals
    values = {"country_rule": "none", **further_rules.as_values(rules, decimals=decimals)}
    for rule in rules:
        if isinstance(rule, FurtherRule):
            continue
        field = FIELD_OF[rule.kind]
        values[f"{field}_citation"] = rule.citation
        match rule:
            case CountryAllowed() | CountryBlocked():
                values["country_rule"] = "allowed" if isinstance(rule, CountryAllowed) else "blocked"
                values[field] = ", ".join(rule.countries)
            case MaximumBalancePerInvestor() | SupplyCap():
                values[field] = format_shares(rule.shares, decimals=decimals)
            case HolderCap():
                values[field] = str(rule.holders)
    return values


def _rules_of(security: Security, values: Values, *, unit: ServicingUnit) -> tuple[Rule, ...]:
    """Return the checked rules that the form means; a rule that stays keeps its id. A defect's place is the form's field."""
    ids = {rule.kind: rule.rule_id for rule in _present(security.terms.security_id, unit=unit)}
    decimals = security.terms.decimals

    def named(kind: str) -> tuple[str, str]:
        return ids.get(kind, f"issuer.{kind}"), text_of(values, f"{FIELD_OF[kind]}_citation") or ISSUER_RULE

    rules: list[Rule] = []
    wanted = text_of(values, "country_rule")
    if wanted in {"allowed", "blocked"}:
        made = CountryAllowed if wanted == "allowed" else CountryBlocked
        rules.append(made(*named(made.kind), _countries(text_of(values, "countries"))))
    maximum, supply, holders = (text_of(values, name) for name in ("maximum", "supply_cap", "holder_cap"))
    if maximum:
        shares = int(parse_shares(maximum, decimals=decimals, field="maximum"))
        rules.append(MaximumBalancePerInvestor(*named(MaximumBalancePerInvestor.kind), shares))
    if supply:
        rules.append(SupplyCap(*named(SupplyCap.kind), int(parse_shares(supply, decimals=decimals, field="supply_cap"))))
    if holders:
        people = parse_decimal(holders, decimals_max=0, unit="a number of holders", field="holder_cap")
        rules.append(HolderCap(*named(HolderCap.kind), people))
    rules += further_rules.rules_of(values, _present(security.terms.security_id, unit=unit), decimals=decimals)
    try:
        return check_rules(rules)
    except RulesInvalid as refusal:
        refusal.place = _place(refusal, rules)
        raise


def _countries(text: str) -> tuple[str, ...]:
    """Return the countries of a list with commas; codes and English names are both understood, and what is neither stays as it is."""
    if not text:
        raise FieldMissing(what="A country", place=Place(field="countries"))
    parts = [part.strip() for part in re.split(r"[,;\n]+", text) if part.strip()]
    return tuple(_CODE_OF_NAME.get(part.casefold(), part.upper() if len(part) == 2 else part) for part in parts)


def _place(refusal: RulesInvalid, rules: Sequence[Rule]) -> Place | None:
    found = None if refusal.place is None or refusal.place.field is None else _RULE_PLACE.fullmatch(refusal.place.field)
    if found is None or int(found[1]) >= len(rules):
        return refusal.place
    rule = rules[int(found[1])]
    field = FIELD_OF[rule.kind]
    citation = "further_citation" if isinstance(rule, FurtherRule) else f"{field}_citation"
    return Place(field=citation if found[2] == "citation" else field)


def _preview_rules(security: Security, values: Values, *, unit: ServicingUnit) -> Preview:
    rules = _rules_of(security, values, unit=unit)
    number, symbol = len(rules), security.terms.symbol
    rows = [identity_rule(), *(rule_row(rule, security) for rule in rules)]
    on_chain = isinstance(security, DeployedSecurity | OpenSecurity)
    note = "The chain follows at once; transfers that are on their way meet the new rules." if on_chain else "The chain takes them later."
    return Preview(
        button=f"Set {'no rules' if number == 0 else '1 rule' if number == 1 else f'{number} rules'} for {symbol}",
        title="These rules can stand together",
        lines=[(row.name, f"{row.sentence} Source: {row.citation}.") for row in rows],
        notes=[note],
        fingerprint=fingerprint(shown(values)),
    )


def _set_rules(actor: Actor, security_id: SecurityId, values: Values, *, unit: ServicingUnit) -> str:
    security = view_security(actor, security_id, unit=unit)

    def do() -> str:
        set_rules(actor, SetRules(security_id, _rules_of(security, values, unit=unit)), unit=unit)
        return f"/securities/{security_id}/rules"

    return once(actor, values, f"rules {security_id}", do, unit=unit)


ROUTES = [
    show_deployment,
    do_deploy,
    show_opening,
    do_open,
    show_rules_form,
    preview_rules_form,
    do_set_rules,
]
