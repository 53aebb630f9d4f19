# SPDX-License-Identifier: Apache-2.0
"""The REST face of compliance under /v1: rules, transfer checks, opening, freezes. Shapes and routes; commands decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post, put
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter, SkipValidation

from muniment.access.commands import idempotently
from muniment.access.model import Action, Actor, Pending, authorize
from muniment.access.ports import Answer
from muniment.compliance import commands
from muniment.compliance.model.law.book import rule_book
from muniment.compliance.model.law.choices import PACKS_MAX, LawChoice
from muniment.compliance.model.law.records import HoweyRecord
from muniment.compliance.model.rule_texts import rule_as_text, rule_from_text
from muniment.compliance.model.rules import RULES_MAX, RuleSet
from muniment.compliance.ports import ComplianceUnit, Freeze
from muniment.infra.evm.sender import ChainTransaction
from muniment.instruments.commands import view_security
from muniment.instruments.model.securities import Security
from muniment.parties.model import parse_address
from muniment.units.ids import AssetId, InvestorId, SecurityId, TenantId, new_id, parse_id
from muniment.units.instants import parse_date, parse_instant
from muniment.units.shares import format_shares, parse_shares

BREAKS_SHOWN_MAX: Final = 1000
LOTS_A_PAGE: Final = 50
LOTS_MAX: Final = 200

AsActor: TypeAlias = SkipValidation[NamedDependency[Actor]]
Begin: TypeAlias = SkipValidation[NamedDependency[Callable[[TenantId], AbstractContextManager[ComplianceUnit]]]]
Id: TypeAlias = FromPath[str]
IdempotencyKey: TypeAlias = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", description="The same key with the same request gives the same answer.")
]
ComplianceRequest: TypeAlias = Request[Any, Any, Any]
Cell: TypeAlias = Annotated[str, msgspec.Meta(max_length=1000)]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shape on the wire: no field that we do not know."""


class NewRulesBody(_Wire, frozen=True, kw_only=True):
    """All rules of a security, in place of the present ones; `effective_at` in RFC 3339, none for at once.

    A rule has `kind`, `rule_id`, `citation`, and the fields of its kind: country_allowed and country_blocked `countries`;
    maximum_balance, supply_cap and minimum_holding `shares` (a decimal text); holder_cap `holders`; country_holder_cap `country` and
    `holders`; category_holder_cap `category` and `holders`; transfer_windows `windows` of `opens_at` and `closes_at`; transfer_hours
    `opens`, `closes` (HH:MM in UTC) and `weekdays` (mon to sun); venues_only `venues`; transfer_approval none; whole_position `sends`
    and `receives`; holding_period `period_seconds`; volume_limit `shares` and `period_seconds`.
    """

    rules: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=RULES_MAX)]
    effective_at: Cell | None = None


class RuleSetBody(_Wire, frozen=True, kw_only=True):
    """One version of a security's rules; `applied_at` is when the chain was seen to enforce it.

    `rules` are the issuer's, `by_law` what packs of law add where they were brought to the chain, `enforced` both joined.
    """

    version: int
    effective_at: dt.datetime
    applied_at: dt.datetime | None
    rules: list[dict[str, Any]]
    by_law: list[dict[str, Any]]
    enforced: list[dict[str, Any]]


class RulesBody(_Wire, frozen=True, kw_only=True):
    """Every version of a security's rules, oldest first."""

    security_id: str
    versions: list[RuleSetBody]


class TransferQuestionBody(_Wire, frozen=True, kw_only=True):
    """A transfer that is thought of; without `from` an issue. `shares` as a decimal text."""

    to: Cell
    shares: Cell
    from_: Cell | None = msgspec.field(default=None, name="from")


class ReasonBody(_Wire, frozen=True, kw_only=True):
    """Why not: code, sentence, the rule and where it is written, the values compared, and what would cure it."""

    code: str
    message: str
    rule: str | None
    citation: str | None
    facts: dict[str, Any]
    cure: str | None


class DecisionBody(_Wire, frozen=True, kw_only=True):
    """The answer; every reason, the one that the chain would name first."""

    allowed: bool
    reasons: list[ReasonBody]


class OpeningBody(_Wire, frozen=True, kw_only=True):
    """A security that is being opened."""

    security_id: str
    state: str


class NewFreezeBody(_Wire, frozen=True, kw_only=True):
    """A freeze, or with `lift` its lifting, of a wallet or (with `shares`) of some of its shares; the reason goes to the file."""

    address: Cell
    reason: Cell
    shares: Cell | None = None
    lift: bool = False


class FreezeBody(_Wire, frozen=True, kw_only=True):
    """An order to freeze or unfreeze; `state` is sent, done or failed."""

    freeze_id: str
    address: str
    action: str
    shares: str | None
    reason: str
    state: str
    failure: str | None
    ordered_at: dt.datetime
    settled_at: dt.datetime | None


class NewLockupBody(_Wire, frozen=True, kw_only=True):
    """Shares of a wallet that are to stay until `unlocks_at` (RFC 3339, on the second)."""

    address: Cell
    shares: Cell
    unlocks_at: Cell


class LockupBody(_Wire, frozen=True, kw_only=True):
    """Shares of a wallet that are locked, and until when."""

    address: str
    shares: str
    unlocks_at: dt.datetime


class NewCategoryBody(_Wire, frozen=True, kw_only=True):
    """The category, 0 to 255, that the caps of a security count a wallet's investor in."""

    address: Cell
    category: int


class NewTransferApprovalBody(_Wire, frozen=True, kw_only=True):
    """One transfer of exactly so many shares that may be made before `until` (RFC 3339); without `until` the approval is withdrawn."""

    from_: Cell = msgspec.field(name="from")
    to: Cell
    shares: Cell
    until: Cell | None = None


class LockupReleaseBody(_Wire, frozen=True, kw_only=True):
    """Locked shares of a wallet that are to be free before their time, those that unlock last first."""

    address: Cell
    shares: Cell


class OrderBody(_Wire, frozen=True, kw_only=True):
    """A transaction that was signed, or (`state` pending) the approval that a second person must give first.

    The list of transactions tells how far a transaction has come.
    """

    state: str
    transaction_id: str | None = None
    transaction_hash: str | None = None
    approval_id: str | None = None


@get("/v1/securities/{security_id:str}/rules", sync_to_thread=True, tags=["Compliance"], summary="A security's rules")
def get_rules(actor: AsActor, security_id: Id, begin: Begin) -> RulesBody:
    """Return every version of a security's rules."""
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, _security_id(security_id), unit=unit)
        versions = commands.view_rules(actor, security.terms.security_id, unit=unit)
    return RulesBody(security_id=security_id, versions=[_rule_set(version, security) for version in versions])


@put("/v1/securities/{security_id:str}/rules", sync_to_thread=True, tags=["Compliance"], summary="Set a security's rules")
def put_rules(actor: AsActor, security_id: Id, data: JSONBody[NewRulesBody], begin: Begin) -> RuleSetBody:
    """Replace all rules by a new version; the chain follows when it takes effect."""
    effective_at = None if data.effective_at is None else parse_instant(data.effective_at, field="effective_at")
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, _security_id(security_id), unit=unit)
        rules = tuple(
            rule_from_text(body, decimals=security.terms.decimals, field=f"rules[{index}]") for index, body in enumerate(data.rules)
        )
        asked = commands.SetRules(security.terms.security_id, rules, effective_at)
        return _rule_set(commands.set_rules(actor, asked, unit=unit), security)


@post(
    "/v1/securities/{security_id:str}/transfer-checks",
    sync_to_thread=True,
    tags=["Compliance"],
    summary="Ask whether a transfer is allowed",
    status_code=200,
)
def post_transfer_check(actor: AsActor, security_id: Id, data: JSONBody[TransferQuestionBody], begin: Begin) -> DecisionBody:
    """Return the answer with every reason; nothing is sent."""
    sender = None if data.from_ is None else parse_address(data.from_, field="from")
    receiver = parse_address(data.to, field="to")
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, _security_id(security_id), unit=unit)
        shares = parse_shares(data.shares, decimals=security.terms.decimals)
        decision = commands.ask_transfer(
            actor, security.terms.security_id, from_wallet=sender, to_wallet=receiver, shares=shares, unit=unit
        )
    return msgspec.convert(decision.as_json(), DecisionBody)


@post("/v1/securities/{security_id:str}/opening", sync_to_thread=True, tags=["Compliance"], summary="Open a security", status_code=202)
def post_opening(actor: AsActor, security_id: Id, begin: Begin) -> OpeningBody:
    """Have a deployed security opened: its rules on the chain, its transfers running."""
    with begin(actor.tenant_id) as unit:
        security = commands.open_security(actor, _security_id(security_id), unit=unit)
    return OpeningBody(security_id=security_id, state=security.state)


@get("/v1/securities/{security_id:str}/freezes", sync_to_thread=True, tags=["Compliance"], summary="A security's freezes")
def get_freezes(actor: AsActor, security_id: Id, begin: Begin) -> list[FreezeBody]:
    """Return freezes and their liftings, newest first."""
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, _security_id(security_id), unit=unit)
        freezes = commands.view_freezes(actor, security.terms.security_id, unit=unit)
    return [_freeze(each, security) for each in freezes]


@post("/v1/securities/{security_id:str}/freezes", sync_to_thread=True, tags=["Compliance"], summary="Freeze or unfreeze", status_code=202)
def post_freeze(
    request: ComplianceRequest,
    actor: AsActor,
    security_id: Id,
    data: JSONBody[NewFreezeBody],
    begin: Begin,
    idempotency_key: IdempotencyKey = None,
) -> Response[FreezeBody]:
    """Order a freeze of a wallet or of some of its shares, or its lifting; look at the freezes to see when it is final."""
    address = parse_address(data.address)
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, _security_id(security_id), unit=unit)
        shares = None if data.shares is None else parse_shares(data.shares, decimals=security.terms.decimals)
        order = commands.OrderFreeze(security.terms.security_id, address, data.reason, shares)

        def run() -> Answer:
            done = commands.unfreeze(actor, order, unit=unit) if data.lift else commands.freeze(actor, order, unit=unit)
            return Answer(status=202, body=msgspec.to_builtins(_freeze(done, security)))

        asked = {"method": request.method, "path": request.url.path, "body": msgspec.to_builtins(data)}
        answer = idempotently(actor, idempotency_key, asked, run, unit=unit)
    return Response(msgspec.convert(answer.body, FreezeBody), status_code=answer.status)


class LawRuleBody(_Wire, frozen=True, kw_only=True):
    """A rule of law; `params` are what it compares, `source` where the figure was read."""

    id: str
    jurisdiction: str
    citation: str
    evaluated_on: str
    status: str
    effective_from: str | None
    params: dict[str, Any]
    test: str
    source: str
    note: str


class PackBody(_Wire, frozen=True, kw_only=True):
    """Rules that make up one exemption."""

    id: str
    name: str
    jurisdiction: str
    rules: list[str]
    terms: dict[str, Any]


class LawBookBody(_Wire, frozen=True, kw_only=True):
    """Every rule and pack of this release."""

    as_of: str
    rules: list[LawRuleBody]
    packs: list[PackBody]


class NewLawChoiceBody(_Wire, frozen=True, kw_only=True):
    """The packs of a security in place of the present ones; `terms` and `evidence` as in the schema of a case."""

    packs: Annotated[list[Cell], msgspec.Meta(max_length=PACKS_MAX)]
    terms: dict[str, Any] = {}
    evidence: dict[str, dict[str, Any]] = {}
    effective_at: Cell | None = None


class LawChoiceBody(_Wire, frozen=True, kw_only=True):
    """One version of a security's packs."""

    version: int
    effective_at: str
    packs: list[str]
    terms: dict[str, Any]
    evidence: dict[str, dict[str, Any]]


class LawBody(_Wire, frozen=True, kw_only=True):
    """Every version of a security's packs, oldest first."""

    security_id: str
    versions: list[LawChoiceBody]


class WhatIfQuestionBody(_Wire, frozen=True, kw_only=True):
    """Packs that are thought of (none: those chosen), and the day on which they would start (none: today)."""

    packs: Annotated[list[Cell], msgspec.Meta(max_length=PACKS_MAX)] | None = None
    on: Cell | None = None


class BreakBody(_Wire, frozen=True, kw_only=True):
    """A holder who would break a rule."""

    investor: str
    quantity: str
    reasons: list[ReasonBody]


class WhatIfBody(_Wire, frozen=True, kw_only=True):
    """What packs would do to a register; `breaks` at most the first thousand, the counts over all."""

    on: str
    holders: int
    breaking: int
    by_rule: dict[str, int]
    locked_holders: int
    locked: str
    register: list[ReasonBody]
    warnings: list[str]
    breaks: list[BreakBody]


class NewAssessmentBody(_Wire, frozen=True, kw_only=True):
    """Answers by prong letter or item (y, n, -), what each rests on, and the model that the token follows."""

    answers: dict[str, str]
    evidence: dict[str, str] = {}
    token_model: Cell


class AssessmentBody(_Wire, frozen=True, kw_only=True):
    """One version of an asset's Howey record with its outcome; `signed_by` none until a reviewer has signed."""

    asset_id: str
    version: int
    answers: dict[str, str]
    evidence: dict[str, str]
    token_model: str
    drafted_by: str
    drafted_at: str
    signed_by: str | None
    signed_at: str | None
    assessment: dict[str, Any]
    packs_offered: list[str]


@get("/v1/law", sync_to_thread=True, tags=["Compliance"], summary="Rules of law and packs")
def get_law_book(actor: AsActor, begin: Begin) -> LawBookBody:
    """Return every rule with its citation and parameters, and every pack."""
    with begin(actor.tenant_id) as unit:
        authorize(actor, Action.COMPLIANCE_VIEW, tenant_id=unit.tenant_id)
    book = rule_book()
    return LawBookBody(
        as_of=book.as_of.isoformat(),
        rules=[msgspec.convert(rule.as_json(), LawRuleBody) for rule in book.rules.values()],
        packs=[msgspec.convert(pack.as_json(), PackBody) for pack in book.packs.values()],
    )


@get("/v1/securities/{security_id:str}/law", sync_to_thread=True, tags=["Compliance"], summary="A security's packs")
def get_law(actor: AsActor, security_id: Id, begin: Begin) -> LawBody:
    """Return every version of the packs that were chosen for a security."""
    with begin(actor.tenant_id) as unit:
        versions = commands.view_law(actor, _security_id(security_id), unit=unit)
    return LawBody(security_id=security_id, versions=[_law_choice(version) for version in versions])


@put("/v1/securities/{security_id:str}/law", sync_to_thread=True, tags=["Compliance"], summary="Choose a security's packs")
def put_law(actor: AsActor, security_id: Id, data: JSONBody[NewLawChoiceBody], begin: Begin) -> LawChoiceBody:
    """Replace the packs by a new version; sales and transfers are judged by it from then on."""
    effective_at = None if data.effective_at is None else parse_instant(data.effective_at, field="effective_at")
    asked = commands.ChooseLaw(_security_id(security_id), tuple(data.packs), data.terms, data.evidence, effective_at)
    with begin(actor.tenant_id) as unit:
        return _law_choice(commands.choose_law(actor, asked, unit=unit))


@post(
    "/v1/securities/{security_id:str}/law/enforcement",
    sync_to_thread=True,
    tags=["Compliance"],
    summary="Bring to the chain what it can enforce of the packs",
    status_code=200,
)
def post_enforcement(actor: AsActor, security_id: Id, begin: Begin) -> RulesBody:
    """Set a new version of the rules that holds what the packs let the chain enforce; without one nothing is changed."""
    known = _security_id(security_id)
    with begin(actor.tenant_id) as unit:
        commands.bring_law_to_chain(actor, known, unit=unit)
        security = view_security(actor, known, unit=unit)
        versions = commands.view_rules(actor, known, unit=unit)
    return RulesBody(security_id=security_id, versions=[_rule_set(version, security) for version in versions])


@post(
    "/v1/securities/{security_id:str}/law/what-if",
    sync_to_thread=True,
    tags=["Compliance"],
    summary="Ask which holders packs would break",
    status_code=200,
)
def post_what_if(actor: AsActor, security_id: Id, data: JSONBody[WhatIfQuestionBody], begin: Begin) -> WhatIfBody:
    """Return who would break packs if they started on a day; nothing is changed."""
    on = None if data.on is None else parse_date(data.on, field="on")
    with begin(actor.tenant_id) as unit:
        outcome = commands.ask_what_if(
            actor, _security_id(security_id), packs=None if data.packs is None else tuple(data.packs), on=on, unit=unit
        )
    body = outcome.as_json()
    return msgspec.convert({**body, "breaks": body["breaks"][:BREAKS_SHOWN_MAX]}, WhatIfBody)


class LotStandingBody(_Wire, frozen=True, kw_only=True):
    """A lot as the law sees it: `exemption` is the register's, else the one that the packs leave.

    `resale_from` is the first day on which anybody may buy it, the day asked for where that is so already; `us_persons_from` is set where
    a U.S. person has to wait longer. Both are null while no packs are chosen.
    """

    lot_id: str
    investor_id: str | None
    wallet: str | None
    quantity: str
    held_since: dt.date
    exemption: str | None
    resale_from: dt.date | None
    us_persons_from: dt.date | None


class LotsStandingBody(_Wire, frozen=True, kw_only=True):
    """A page of lots, by holder, then by acquisition, as of a day (UTC)."""

    on: dt.date
    is_judged: bool
    lots: list[LotStandingBody]
    next_cursor: str | None


@get("/v1/securities/{security_id:str}/law/lots", sync_to_thread=True, tags=["Compliance"], summary="From when on lots may be resold")
def get_law_lots(
    actor: AsActor,
    security_id: Id,
    begin: Begin,
    investor_id: Annotated[str | None, QueryParameter(max_length=36, description="Only the lots of this investor.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=LOTS_MAX, description="How many rows at most.")] = LOTS_A_PAGE,
    cursor: Annotated[str | None, QueryParameter(max_length=100, description="next_cursor of the page before.")] = None,
) -> LotsStandingBody:
    """Return the open lots with the first day on which Rule 144, Regulation S and the locks of the chosen packs let each be resold."""
    wanted = None if investor_id is None else InvestorId(parse_id(investor_id, field="investor_id"))
    with begin(actor.tenant_id) as unit:
        found = commands.view_lot_standing(actor, _security_id(security_id), investor_id=wanted, cursor=cursor, limit=limit, unit=unit)
        decimals = unit.securities.get(_security_id(security_id)).terms.decimals
    return LotsStandingBody(
        on=found.on,
        is_judged=found.is_judged,
        lots=[lot_standing_body(standing, decimals=decimals) for standing in found.lots],
        next_cursor=found.next_cursor,
    )


def lot_standing_body(standing: commands.LotStanding, *, decimals: int) -> LotStandingBody:
    """Return a lot's standing as the wire shows it."""
    lot = standing.lot
    return LotStandingBody(
        lot_id=str(lot.lot_id),
        investor_id=str(lot.holder) if isinstance(lot.holder, UUID) else None,
        wallet=None if isinstance(lot.holder, UUID) else lot.holder,
        quantity=format_shares(lot.quantity, decimals=decimals),
        held_since=min(lot.issuer_acquired_at, lot.acquired_at).date(),
        exemption=standing.exemption,
        resale_from=standing.resale_from,
        us_persons_from=standing.americans_from,
    )


@get("/v1/assets/{asset_id:str}/assessments", sync_to_thread=True, tags=["Compliance"], summary="An asset's Howey record")
def get_assessments(actor: AsActor, asset_id: Id, begin: Begin) -> list[AssessmentBody]:
    """Return every version, oldest first."""
    with begin(actor.tenant_id) as unit:
        records = commands.view_assessments(actor, parse_asset_id(asset_id), unit=unit)
    return [_assessment(record) for record in records]


@post("/v1/assets/{asset_id:str}/assessments", sync_to_thread=True, tags=["Compliance"], summary="Assess an asset", status_code=201)
def post_assessment(
    request: ComplianceRequest,
    actor: AsActor,
    asset_id: Id,
    data: JSONBody[NewAssessmentBody],
    begin: Begin,
    idempotency_key: IdempotencyKey = None,
) -> Response[AssessmentBody]:
    """Keep a new version of the Howey record, for somebody else to sign."""
    asked = commands.AssessAsset(parse_asset_id(asset_id), data.answers, data.evidence, data.token_model)
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            record = commands.assess_asset(actor, asked, unit=unit)
            return Answer(status=201, body=msgspec.to_builtins(_assessment(record)))

        key = {"method": request.method, "path": request.url.path, "body": msgspec.to_builtins(data)}
        answer = idempotently(actor, idempotency_key, key, run, unit=unit)
    return Response(msgspec.convert(answer.body, AssessmentBody), status_code=answer.status)


@post(
    "/v1/assets/{asset_id:str}/assessments/{version:int}/signature",
    sync_to_thread=True,
    tags=["Compliance"],
    summary="Sign an assessment",
    status_code=200,
)
def post_signature(actor: AsActor, asset_id: Id, version: FromPath[int], begin: Begin) -> AssessmentBody:
    """Sign a version off as its reviewer; whoever drafted it cannot."""
    with begin(actor.tenant_id) as unit:
        return _assessment(commands.sign_assessment(actor, parse_asset_id(asset_id), version, unit=unit))


@get("/v1/securities/{security_id:str}/lockups", sync_to_thread=True, tags=["Compliance"], summary="A security's lockups")
def get_lockups(actor: AsActor, security_id: Id, begin: Begin) -> list[LockupBody]:
    """Return what is locked now, wallet by wallet, the tranche that unlocks first before others."""
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, _security_id(security_id), unit=unit)
        found = commands.view_lockups(actor, security.terms.security_id, unit=unit)
    return [
        LockupBody(
            address=wallet,
            shares=format_shares(each.shares, decimals=security.terms.decimals),
            unlocks_at=dt.datetime.fromtimestamp(each.unlocks_at, tz=dt.UTC),
        )
        for wallet, tranches in found.items()
        for each in tranches
    ]


@post("/v1/securities/{security_id:str}/lockups", sync_to_thread=True, tags=["Compliance"], summary="Lock shares", status_code=202)
def post_lockup(
    request: ComplianceRequest,
    actor: AsActor,
    security_id: Id,
    data: JSONBody[NewLockupBody],
    begin: Begin,
    idempotency_key: IdempotencyKey = None,
) -> Response[OrderBody]:
    """Lock shares that a wallet holds until an instant."""
    address, unlocks_at = parse_address(data.address), parse_instant(data.unlocks_at, field="unlocks_at")
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, _security_id(security_id), unit=unit)
        shares = parse_shares(data.shares, decimals=security.terms.decimals)
        order = commands.LockShares(security.terms.security_id, address, shares, unlocks_at)
        return _ordered(request, actor, data, idempotency_key, lambda: commands.lock_shares(actor, order, unit=unit), unit)


@post(
    "/v1/securities/{security_id:str}/lockups/release",
    sync_to_thread=True,
    tags=["Compliance"],
    summary="Release locked shares early",
    status_code=202,
)
def post_lockup_release(
    request: ComplianceRequest,
    actor: AsActor,
    security_id: Id,
    data: JSONBody[LockupReleaseBody],
    begin: Begin,
    idempotency_key: IdempotencyKey = None,
) -> Response[OrderBody]:
    """Free locked shares before their time; needs a second person unless the organisation's policy says otherwise."""
    address = parse_address(data.address)
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, _security_id(security_id), unit=unit)
        shares = parse_shares(data.shares, decimals=security.terms.decimals)
        order = commands.ReleaseLockup(new_id(unit.clock.now()), security.terms.security_id, address, shares)
        return _ordered(request, actor, data, idempotency_key, lambda: commands.release_lockup(actor, order, unit=unit), unit)


@post(
    "/v1/securities/{security_id:str}/categories",
    sync_to_thread=True,
    tags=["Compliance"],
    summary="Put an investor in a category",
    status_code=202,
)
def post_category(
    request: ComplianceRequest,
    actor: AsActor,
    security_id: Id,
    data: JSONBody[NewCategoryBody],
    begin: Begin,
    idempotency_key: IdempotencyKey = None,
) -> Response[OrderBody]:
    """Put the investor behind a registered wallet in the category that caps count."""
    with begin(actor.tenant_id) as unit:
        order = commands.SetCategory(_security_id(security_id), parse_address(data.address), data.category)
        return _ordered(request, actor, data, idempotency_key, lambda: commands.set_category(actor, order, unit=unit), unit)


@post(
    "/v1/securities/{security_id:str}/transfer-approvals",
    sync_to_thread=True,
    tags=["Compliance"],
    summary="Approve a transfer",
    status_code=202,
)
def post_transfer_approval(
    request: ComplianceRequest,
    actor: AsActor,
    security_id: Id,
    data: JSONBody[NewTransferApprovalBody],
    begin: Begin,
    idempotency_key: IdempotencyKey = None,
) -> Response[OrderBody]:
    """Approve one transfer where the rules ask for it, or withdraw the approval."""
    sender, receiver = parse_address(data.from_, field="from"), parse_address(data.to, field="to")
    until = None if data.until is None else parse_instant(data.until, field="until")
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, _security_id(security_id), unit=unit)
        shares = parse_shares(data.shares, decimals=security.terms.decimals)
        order = commands.ApproveTransfer(security.terms.security_id, sender, receiver, shares, until)
        return _ordered(request, actor, data, idempotency_key, lambda: commands.approve_transfer(actor, order, unit=unit), unit)


ROUTES: Sequence[HTTPRouteHandler] = [
    get_law_book,
    get_law,
    put_law,
    post_enforcement,
    post_what_if,
    get_law_lots,
    get_assessments,
    post_assessment,
    post_signature,
    get_rules,
    put_rules,
    post_transfer_check,
    post_opening,
    get_freezes,
    post_freeze,
    get_lockups,
    post_lockup,
    post_lockup_release,
    post_category,
    post_transfer_approval,
]


def parse_asset_id(text: str) -> AssetId:
    """Return the asset's id; one in another form belongs to no asset."""
    return AssetId(text.lower())


def _law_choice(choice: LawChoice) -> LawChoiceBody:
    return msgspec.convert(choice.as_json(), LawChoiceBody)


def _assessment(record: HoweyRecord) -> AssessmentBody:
    return msgspec.convert(record.as_json(), AssessmentBody)


def _ordered(
    request: ComplianceRequest,
    actor: Actor,
    data: msgspec.Struct,
    idempotency_key: str | None,
    order: Callable[[], ChainTransaction | Pending],
    unit: ComplianceUnit,
) -> Response[OrderBody]:
    def run() -> Answer:
        sent = order()
        if isinstance(sent, Pending):
            body = OrderBody(state="pending", approval_id=str(sent.approval_id))
        else:
            body = OrderBody(state=sent.state.value, transaction_id=str(sent.id), transaction_hash=sent.hash)
        return Answer(status=202, body=msgspec.to_builtins(body))

    asked = {"method": request.method, "path": request.url.path, "body": msgspec.to_builtins(data)}
    answer = idempotently(actor, idempotency_key, asked, run, unit=unit)
    return Response(msgspec.convert(answer.body, OrderBody), status_code=answer.status)


def _security_id(text: str) -> SecurityId:
    return SecurityId(parse_id(text, field="security_id"))


def _rule_set(rule_set: RuleSet, security: Security) -> RuleSetBody:
    decimals = security.terms.decimals
    rules, by_law, enforced = (
        [rule_as_text(rule, decimals=decimals) for rule in part] for part in (rule_set.rules, rule_set.by_law, rule_set.enforced)
    )
    return RuleSetBody(
        version=rule_set.version,
        effective_at=rule_set.effective_at,
        applied_at=rule_set.applied_at,
        rules=rules,
        by_law=by_law,
        enforced=enforced,
    )


def _freeze(freeze: Freeze, security: Security) -> FreezeBody:
    return FreezeBody(
        freeze_id=str(freeze.freeze_id),
        address=freeze.address,
        action=freeze.action.value,
        shares=None if freeze.shares is None else format_shares(freeze.shares, decimals=security.terms.decimals),
        reason=freeze.reason,
        state=freeze.state,
        failure=freeze.failure,
        ordered_at=freeze.ordered_at,
        settled_at=freeze.settled_at,
    )
