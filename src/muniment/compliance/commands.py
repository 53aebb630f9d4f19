# SPDX-License-Identifier: Apache-2.0
"""The use cases of compliance, one transaction each: set rules, ask about a transfer, freeze, open. The chain follows in `process`."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from uuid import UUID

from muniment.access.commands import require_approval
from muniment.access.model import Action, Actor, Pending, authorize
from muniment.compliance.errors import (
    AssessmentNotFound,
    ExemptionNotChosen,
    FreezeInvalid,
    FurtherRulesMissing,
    NotOnChain,
    OrderInvalid,
    PackNotOffered,
    RulesInThePast,
    RulesInvalid,
    RulesNotSet,
    SuiteMissing,
)
from muniment.compliance.events import RulesSet
from muniment.compliance.model.compiled import ChainRules, compile_rules
from muniment.compliance.model.decision import decide
from muniment.compliance.model.facts import InvestorFacts, Move, TokenFacts, WalletFacts
from muniment.compliance.model.law.book import LawRule, rule_book
from muniment.compliance.model.law.case import Case, GrowingCase
from muniment.compliance.model.law.choices import LawChoice, check_choice, selected
from muniment.compliance.model.law.engine import REGULATION_D, Judgement, judge
from muniment.compliance.model.law.facts import Proposal, Sale, Terms
from muniment.compliance.model.law.investors import accredited
from muniment.compliance.model.law.offerings import SALE_RULES
from muniment.compliance.model.law.on_chain import chain_rules, chain_rules_end, joined
from muniment.compliance.model.law.records import HoweyRecord, check_signature, draft, offered
from muniment.compliance.model.law.resales import Locked, ResaleLocks
from muniment.compliance.model.law.subjects import investor_facts, law_lot, law_lots, law_sales
from muniment.compliance.model.law.what_if import WhatIf, what_if
from muniment.compliance.model.rules import (
    CATEGORY_MAX,
    INSTANT_SECONDS_MAX,
    CountryAllowed,
    FurtherRule,
    Rule,
    RuleSet,
    check_rules,
    standing,
)
from muniment.compliance.ports import ComplianceUnit, Freeze, FreezeAction, FurtherFacts
from muniment.infra.evm.sender import ChainTransaction
from muniment.instruments.commands import find_asset
from muniment.instruments.model.securities import DeployedSecurity, OpenSecurity, Security, TokenisedSecurity
from muniment.instruments.ports import IssuerSuite
from muniment.parties.model import COUNTRIES, ZERO_ADDRESS
from muniment.register.commands import view_lots
from muniment.register.model import Lockup, Lot, LotHolder
from muniment.units.decisions import Allowed, Decision, Reason, Refused
from muniment.units.errors import Place
from muniment.units.ids import Address, AssetId, InvestorId, SecurityId, new_id, parse_id
from muniment.units.instants import unix_seconds
from muniment.units.money import Money
from muniment.units.shares import SHARES_MAX, show_shares

REASON_CHARACTERS_MAX = 500
TRANCHES_MAX = 16
"""Lockups of one wallet that the token keeps."""
COUNTRY_NUMBERS: Sequence[int] = [number for number, *_ in COUNTRIES.values()]
"""Every country by its ISO 3166-1 number: what is asked of the chain about its lists and caps."""


@dataclass(frozen=True, slots=True)
class SetRules:
    """All rules of a security, in place of the present ones, from `effective_at` on (None: at once)."""

    security_id: SecurityId
    rules: tuple[Rule, ...]
    effective_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderFreeze:
    """A freeze, or its lifting, of a wallet (`shares` None) or of some of its shares (base units), with the reason for the file."""

    security_id: SecurityId
    address: Address
    reason: str
    shares: int | None = None


@dataclass(frozen=True, slots=True)
class ChooseLaw:
    """The packs of a security with terms and evidence, in place of the present ones, from `effective_at` on (None: at once)."""

    security_id: SecurityId
    packs: tuple[str, ...]
    terms: Mapping[str, Any]
    evidence: Mapping[str, Mapping[str, Any]]
    effective_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class AssessAsset:
    """Answers to the Howey questionnaire with what each rests on, and the staff's model that the token follows."""

    asset_id: AssetId
    answers: Mapping[str, Any]
    evidence: Mapping[str, Any]
    token_model: str


@dataclass(frozen=True, slots=True)
class LockShares:
    """Shares (base units) of a wallet that are to stay until an instant, on the second."""

    security_id: SecurityId
    address: Address
    shares: int
    unlocks_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ReleaseLockup:
    """Locked shares (base units) of a wallet that are to be free before their time, those that unlock last first."""

    request_id: UUID
    security_id: SecurityId
    address: Address
    shares: int

    def as_json(self) -> dict[str, Any]:
        """Return the request as an approval binds it."""
        return {
            "request_id": str(self.request_id),
            "security_id": str(self.security_id),
            "address": self.address,
            "shares": str(self.shares),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ReleaseLockup:
        """Return the request that an approval was bound to."""
        return cls(
            request_id=parse_id(body["request_id"]),
            security_id=SecurityId(parse_id(body["security_id"])),
            address=Address(body["address"]),
            shares=int(body["shares"]),
        )


@dataclass(frozen=True, slots=True)
class SetCategory:
    """The category, 0 to 255, that the caps of a security count a wallet's investor in; 0 is whoever is in no other."""

    security_id: SecurityId
    address: Address
    category: int


@dataclass(frozen=True, slots=True)
class ApproveTransfer:
    """One transfer of exactly so many shares (base units) that may be made before an instant; None withdraws the approval."""

    security_id: SecurityId
    sender: Address
    receiver: Address
    shares: int
    until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class RulesDrift:
    """The chain enforces other rules than the database says."""

    security_id: SecurityId
    version: int
    expected: ChainRules
    found: ChainRules


def set_rules(actor: Actor, request: SetRules, *, unit: ComplianceUnit) -> RuleSet:
    """Keep a new version of a security's rules; where its token is on the chain, the chain follows when they take effect.

    Raises:
        RulesInvalid: a rule contradicts another, or its limit fits no contract; the place names it.
        RulesInThePast: they would take effect before now.

    """
    authorize(actor, Action.COMPLIANCE_SET_RULES, tenant_id=unit.tenant_id)
    now = unit.clock.now()
    effective_at = request.effective_at or now
    if effective_at < now:
        raise RulesInThePast(effective_at=effective_at, now=now, place=Place(field="effective_at"))
    unit.rule_sets.latest(request.security_id, lock=True)
    replaced = unit.rule_sets.in_effect(request.security_id, effective_at)
    with_law = replaced is not None and bool(replaced.by_law)
    return _keep_rules(actor, request.security_id, check_rules(request.rules), effective_at, with_law=with_law, unit=unit)


def _keep_rules(
    actor: Actor, security_id: SecurityId, own: tuple[Rule, ...], effective_at: dt.datetime, *, with_law: bool, unit: ComplianceUnit
) -> RuleSet:
    """Keep the issuer's rules from an instant on, `with_law` as the packs then say; the day on which these end is a version of its own.

    Returns the version that begins at `effective_at`.
    """
    by_law, ends_at = _law_on_chain(security_id, effective_at, unit=unit) if with_law else ((), None)
    first = _keep_version(actor, security_id, own, by_law, effective_at, unit=unit)
    while ends_at is not None:
        begins_at = ends_at
        by_law, ends_at = _law_on_chain(security_id, begins_at, unit=unit)
        _keep_version(actor, security_id, own, by_law, begins_at, unit=unit)
    return first


def _law_on_chain(security_id: SecurityId, at: dt.datetime, *, unit: ComplianceUnit) -> tuple[tuple[Rule, ...], dt.datetime | None]:
    """Return what the packs in effect at an instant let the chain enforce, and from when on it is something else."""
    choice = unit.law_choices.in_effect(security_id, at)
    if choice is None:
        return (), None
    decimals = unit.securities.get(security_id).terms.decimals
    selection, terms = selected(choice.packs, choice.terms, choice.evidence, decimals=decimals, outstanding=0)
    ends_on = chain_rules_end(selection, terms, after=at.date())
    ends_at = None if ends_on is None else dt.datetime.combine(ends_on, dt.time(), tzinfo=dt.UTC)
    return check_rules(chain_rules(selection, terms, on=at.date())), ends_at


def _together(own: tuple[Rule, ...], by_law: tuple[Rule, ...]) -> tuple[Rule, ...]:
    together = joined(own, by_law)
    if any(isinstance(rule, CountryAllowed) and not rule.countries for rule in together):
        raise RulesInvalid(problem="the packs leave none of the countries in which the issuer allows it", place=Place(field="rules"))
    return check_rules(together)


def _keep_version(
    actor: Actor,
    security_id: SecurityId,
    own: tuple[Rule, ...],
    by_law: tuple[Rule, ...],
    effective_at: dt.datetime,
    *,
    unit: ComplianceUnit,
) -> RuleSet:
    security, now = unit.securities.get(security_id), unit.clock.now()
    enforced = _together(own, by_law)
    latest = unit.rule_sets.latest(security_id, lock=True)
    rule_set = RuleSet(security_id, 1 if latest is None else latest.version + 1, effective_at, own, by_law, enforced)
    unit.rule_sets.add(rule_set, set_by=actor.user_id, at=now)
    if isinstance(security, DeployedSecurity | OpenSecurity):
        lock = f"compliance.rules:{security_id}"
        unit.jobs.defer(
            "compliance.apply_rules",
            {"security_id": str(security_id)},
            # A job that waits for its day holds up every later one of its lock: rules of that day must not hold up those of today.
            lock=lock if effective_at == now else f"{lock}:{rule_set.version}",
            schedule_at=None if effective_at == now else effective_at,
        )
    unit.outbox.record(RulesSet(tenant_id=unit.tenant_id, security_id=security_id, version=rule_set.version))
    unit.audit.record(
        actor,
        Action.COMPLIANCE_SET_RULES,
        f"security/{security_id}",
        {
            "version": rule_set.version,
            "kinds": [rule.kind for rule in own],
            "by_law": [rule.rule_id for rule in by_law],
            "effective_at": effective_at.isoformat(),
        },
    )
    return rule_set


def view_rules(actor: Actor, security_id: SecurityId, *, unit: ComplianceUnit) -> Sequence[RuleSet]:
    """Return every version of a security's rules, oldest first."""
    authorize(actor, Action.COMPLIANCE_VIEW, tenant_id=unit.tenant_id)
    unit.securities.get(security_id)
    return unit.rule_sets.all(security_id)


def ask_transfer(
    actor: Actor, security_id: SecurityId, *, from_wallet: Address | None, to_wallet: Address, shares: int, unit: ComplianceUnit
) -> Decision:
    """Return the answer of `check_transfer` to somebody who may ask."""
    authorize(actor, Action.COMPLIANCE_CHECK, tenant_id=unit.tenant_id)
    return check_transfer(security_id, from_wallet=from_wallet, to_wallet=to_wallet, shares=shares, unit=unit)


def check_transfer(
    security_id: SecurityId, *, from_wallet: Address | None, to_wallet: Address, shares: int, unit: ComplianceUnit
) -> Decision:
    """Return whether shares may move now, or every reason why not, the chain's first; `from_wallet` None asks about an issue.

    Answers from the register and the rules in effect; the node is asked only where a further rule is among these. `shares` in base
    units.

    Raises:
        NotOnChain: the security has no token yet.

    """
    wallets = [to_wallet] if from_wallet is None else [from_wallet, to_wallet]
    return MoveChecks(security_id, wallets, unit=unit).ask(from_wallet=from_wallet, to_wallet=to_wallet, shares=shares).decision


@dataclass(frozen=True, slots=True)
class IssueAnswer:
    """The answer about an issue, with what it found: the exemption that it stands under, and what the buyer is to it.

    Either is None where the issue is refused, or where it does not tell itself. `locked_until` is an instant where the packs have
    shares issued locked: until then the law lets nobody buy them from the holder, but by the exceptions that it makes.
    """

    decision: Decision
    exemption: str | None = None
    buyer_category: str | None = None
    locked_until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class _SaleTerms:
    exemption: str | None = None
    paid: Money | None = None


_NOTHING_STATED = _SaleTerms()


@dataclass(slots=True)
class _Taken:
    """What issues that count as made add to the register: shares by identity, and holders in all, by country and by category."""

    shares: defaultdict[Address | None, int] = field(default_factory=lambda: defaultdict(int))
    holders: int = 0
    country_holders: Counter[int | None] = field(default_factory=Counter)
    category_holders: Counter[int] = field(default_factory=Counter)


class MoveChecks:
    """Questions about moves of one security in one transaction. Rules, packs and register are read once, however many are asked.

    An issue that was allowed can be taken as made: what is asked after it counts it, as chain and law will.

    Raises:
        NotOnChain: the security has no token yet.

    """

    def __init__(self, security_id: SecurityId, wallets: Sequence[Address], *, unit: ComplianceUnit) -> None:
        """`wallets` are all that will be asked about."""
        self._unit = unit
        self._security = _tokenised(unit.securities.get(security_id))
        self._security_id = security_id
        self._at = unit.clock.now()
        rule_set = unit.rule_sets.in_effect(security_id, self._at)
        self._rules = () if rule_set is None else rule_set.enforced
        self._choice = unit.law_choices.in_effect(security_id, self._at)
        self._wallets = wallets
        self._taken = _Taken()

    def issue(self, to_wallet: Address, shares: int, *, exemption: str | None = None, paid: Money | None = None) -> IssueAnswer:
        """Return whether an issue under an exemption, for an amount, may be made; None leaves either to the packs.

        An exemption that is not among the packs is a reason of its own. Without packs the law is not asked, and what is named stands. An
        amount in another currency than the terms' counts by the terms' price, as it does once it is a past sale.
        """
        found = self.ask(from_wallet=None, to_wallet=to_wallet, shares=shares, sale=_SaleTerms(exemption, paid))
        if isinstance(found.decision, Refused):
            return IssueAnswer(found.decision)
        standing_under = found.computed.get("exemption", exemption)
        locked_until = self._locked_until(to_wallet, standing_under)
        return IssueAnswer(found.decision, standing_under, found.computed.get("buyer_category"), locked_until)

    def take_issue(self, to_wallet: Address, shares: int, *, exemption: str | None = None, paid: Money | None = None) -> None:
        """Count an issue that was allowed as made."""
        receiver, further = self._receiver(None, to_wallet, shares)
        taken = self._taken
        if receiver.position == 0:
            taken.holders += 1
        if receiver.remembered.country_place is None:
            taken.country_holders[receiver.country] += 1
        if not receiver.remembered.is_counted_by_category:
            taken.category_holders[further.receiver.category] += 1
        taken.shares[receiver.identity] += shares
        case = self._case
        if case is not None:
            amount = paid.minor_units if paid is not None and paid.currency == case.terms.currency else None
            case.add(Sale(self._investor_of(to_wallet), self._at.date(), shares, amount, exemption))

    def ask(self, *, from_wallet: Address | None, to_wallet: Address, shares: int, sale: _SaleTerms = _NOTHING_STATED) -> Judgement:
        """Return the answer of chain and law together, with what the law computed on the way."""
        unit, security_id, taken = self._unit, self._security_id, self._taken
        shares = min(shares, SHARES_MAX)
        receiver, further = self._receiver(from_wallet, to_wallet, shares)
        sender = None if from_wallet is None else _facts(security_id, from_wallet, unit=unit)
        move = Move(
            sender=None if sender is None else replace(sender, remembered=further.sender or InvestorFacts()),
            receiver=receiver,
            shares=shares,
            approved_until=further.approved_until,
        )
        supply, holders, is_paused = self._counts
        token = TokenFacts(
            is_paused=is_paused,
            supply=supply + sum(taken.shares.values()),
            holders=holders + taken.holders,
            decimals=self._security.terms.decimals,
            country_holders=further.country_holders + taken.country_holders[receiver.country],
            category_holders=further.category_holders + taken.category_holders[further.receiver.category],
        )
        decision = decide(move, token, self._rules, at=self._at)
        if self._case is None:
            return Judgement(decision)
        lawful = self._lawful(self._case, from_wallet=from_wallet, to_wallet=to_wallet, shares=shares, sale=sale)
        return Judgement(_both(decision, lawful.decision), computed=lawful.computed)

    def _locked_until(self, to_wallet: Address, exemption: str | None) -> dt.datetime | None:
        if self._case is None or not self._case.terms.issued_locked:
            return None
        today = self._at.date()
        first_day = ResaleLocks(self._case, today).first_day_of_sale(self._investor_of(to_wallet), exemption)
        return None if first_day <= today else dt.datetime.combine(first_day, dt.time(), tzinfo=dt.UTC)

    @cached_property
    def _counts(self) -> tuple[int, int, bool]:
        register = self._unit.register
        return register.supply(self._security_id), register.holder_count(self._security_id), register.is_paused(self._security_id)

    @cached_property
    def _investors(self) -> Mapping[Address, InvestorId]:
        return {address: wallet.investor_id for address, wallet in self._unit.wallets.by_addresses(list(self._wallets)).items()}

    @cached_property
    def _case(self) -> GrowingCase | None:
        if self._choice is None:
            return None
        besides = [*dict.fromkeys(self._investors.values())]
        return GrowingCase.of(law_case(self._choice, security=self._security, unit=self._unit, besides=besides))

    def _receiver(self, from_wallet: Address | None, to_wallet: Address, shares: int) -> tuple[WalletFacts, FurtherFacts]:
        """Return what is known of a recipient, issues that count as made included, and what the contract of further rules remembers."""
        receiver = _facts(self._security_id, to_wallet, unit=self._unit)
        further = FurtherFacts()
        if any(isinstance(rule, FurtherRule) for rule in self._rules):
            # What their contract remembers (places, lots, volume, approvals) no event tells: the node is asked.
            further = self._unit.compliance_chain.further_facts(
                token=self._security.token_address, sender=from_wallet, receiver=to_wallet, country=receiver.country, shares=shares
            )
        given = self._taken.shares.get(receiver.identity, 0) if receiver.identity is not None else 0
        remembered = further.receiver
        if given:
            place = receiver.country if remembered.country_place is None else remembered.country_place
            remembered = replace(remembered, country_place=place, is_counted_by_category=True)
        return replace(receiver, elsewhere=receiver.elsewhere + given, remembered=remembered), further

    def _investor_of(self, wallet: Address) -> str:
        """Return the investor that a wallet belongs to, as the law's cases name it; the wallet's address where nobody's."""
        return str(self._investors.get(wallet, wallet))

    def _lawful(self, case: Case, *, from_wallet: Address | None, to_wallet: Address, shares: int, sale: _SaleTerms) -> Judgement:
        """Return what the law says of an issue (from nobody, so a sale by the issuer) or of a transfer between two wallets' investors."""
        receiver, on = self._investor_of(to_wallet), self._at.date()
        if from_wallet is None:
            amount = sale.paid.minor_units if sale.paid is not None and sale.paid.currency == case.terms.currency else None
            asked = Proposal(
                "sale", on, receiver=receiver, quantity=shares, amount_minor=amount, offered_on=dt.date.min, exemption=sale.exemption
            )
            try:
                found = judge(case, asked)
            except ExemptionNotChosen as error:
                # To whoever issues to many this is a reason against one of them, not against the request.
                return Judgement(Refused((Reason(error.code, error.sentence, facts=error.facts, cure=error.cure_sentence),)))
            return replace(found, computed={**found.computed, **_category(case, receiver, found.computed.get("exemption"))})
        sender = self._investor_of(from_wallet)
        if sender == receiver:
            # Between two wallets of one investor nobody sells and nobody buys.
            return Judgement(Allowed())
        return judge(case, Proposal("transfer", on, sender=sender, receiver=receiver, quantity=shares))


def _both(decision: Decision, lawful: Decision) -> Decision:
    """Return the two answers as one: what the chain would name first, then what only the law says."""
    said = {reason.code for reason in decision.reasons} if isinstance(decision, Refused) else set()
    extra = [reason for reason in lawful.reasons if _TOLD_BY_THE_CHAIN.get(reason.code) not in said] if isinstance(lawful, Refused) else []
    reasons = (*(decision.reasons if isinstance(decision, Refused) else ()), *extra)
    return Refused(reasons) if reasons else Allowed()


_TOLD_BY_THE_CHAIN = {
    "compliance.insufficient_holding": "settlement.insufficient_balance",
    "compliance.investor_unknown": "compliance.receiver_not_verified",
    "compliance.investor_not_verified": "compliance.receiver_not_verified",
}
"""Reasons of the law that repeat one of the chain's."""


def open_security(actor: Actor, security_id: SecurityId, *, unit: ComplianceUnit) -> Security:
    """Have a deployed security opened: its rules on the chain, its transfers running. Waits for the deployment where it is under way.

    Raises:
        RulesNotSet: nobody has set its rules; a security without rules is opened by setting an empty list.

    """
    authorize(actor, Action.COMPLIANCE_OPEN_SECURITY, tenant_id=unit.tenant_id)
    security = unit.securities.get(security_id)
    if isinstance(security, OpenSecurity):
        return security
    if unit.rule_sets.in_effect(security_id, unit.clock.now()) is None:
        raise RulesNotSet(security_id=security_id)
    unit.jobs.defer("compliance.open_security", {"security_id": str(security_id)}, lock=f"compliance.rules:{security_id}")
    unit.audit.record(actor, Action.COMPLIANCE_OPEN_SECURITY, f"security/{security_id}", {"symbol": security.terms.symbol})
    return security


def freeze(actor: Actor, request: OrderFreeze, *, unit: ComplianceUnit) -> Freeze:
    """Stop a wallet from sending and receiving a security, or freeze some of its shares; signed at once, final after some blocks.

    Raises:
        FreezeInvalid: no reason given, or fewer shares are free than are to be frozen.

    """
    action = FreezeAction.FREEZE_WALLET if request.shares is None else FreezeAction.FREEZE_SHARES
    held = unit.register.balance_of(request.security_id, request.address)
    # More may be frozen than is held.
    free = max(0, held - unit.register.frozen_shares(request.security_id, request.address))
    return _order(actor, request, action, free, unit=unit)


def unfreeze(actor: Actor, request: OrderFreeze, *, unit: ComplianceUnit) -> Freeze:
    """Lift a freeze of a wallet or of some of its shares.

    Raises:
        FreezeInvalid: no reason given, or fewer shares are frozen than are to be freed.

    """
    action = FreezeAction.UNFREEZE_WALLET if request.shares is None else FreezeAction.UNFREEZE_SHARES
    return _order(actor, request, action, unit.register.frozen_shares(request.security_id, request.address), unit=unit)


def lock_shares(actor: Actor, request: LockShares, *, unit: ComplianceUnit) -> ChainTransaction:
    """Lock shares that a wallet holds; signed at once. Taking it back before its time needs a second person (`release_lockup`).

    Raises:
        OrderInvalid: fewer shares are held and not locked, the instant is not in the future, or the wallet has 16 tranches already.

    """
    authorize(actor, Action.COMPLIANCE_LOCK, tenant_id=unit.tenant_id)
    security = _tokenised(unit.securities.get(request.security_id))
    now = unit.clock.now()
    unlocks_at = unix_seconds(request.unlocks_at)
    if request.unlocks_at.microsecond or not unix_seconds(now) < unlocks_at <= INSTANT_SECONDS_MAX:
        raise OrderInvalid(problem="a lockup ends later than now, on a whole second", place=Place(field="unlocks_at"))
    found = unit.register.lockups(request.security_id, [request.address]).get(request.address, ())
    tranches = [each for each in found if each.unlocks_at > unix_seconds(now)]
    room = max(0, unit.register.balance_of(request.security_id, request.address) - sum(each.shares for each in tranches))
    if not 0 < request.shares <= room:
        shown = show_shares(room, decimals=security.terms.decimals)
        raise OrderInvalid(problem=f"more than zero and at most {shown} shares", place=Place(field="shares"))
    if len(tranches) >= TRANCHES_MAX and unlocks_at not in {each.unlocks_at for each in tranches}:
        raise OrderInvalid(problem=f"a wallet has at most {TRANCHES_MAX} lockups", place=Place(field="unlocks_at"))
    transaction = unit.compliance_chain.lock(
        request.address,
        request.shares,
        unlocks_at,
        token=security.token_address,
        operator=suite_of(unit).operator,
        purpose=f"compliance.lock:{new_id(now)}",
    )
    facts = {"address": request.address, "shares": str(request.shares), "unlocks_at": request.unlocks_at.isoformat()}
    unit.audit.record(actor, Action.COMPLIANCE_LOCK, f"security/{request.security_id}", {**facts, "transaction": transaction.hash})
    return transaction


def release_lockup(actor: Actor, request: ReleaseLockup, *, unit: ComplianceUnit) -> ChainTransaction | Pending:
    """Free locked shares before their time, those that unlock last first; four eyes.

    Raises:
        OrderInvalid: fewer shares are locked.

    """
    authorize(actor, Action.COMPLIANCE_RELEASE_LOCKUP, tenant_id=unit.tenant_id)
    security = _tokenised(unit.securities.get(request.security_id))
    purpose = f"compliance.release:{request.request_id}"
    repeated = unit.transactions.find(purpose)
    if repeated is not None:
        return repeated
    now = unix_seconds(unit.clock.now())
    found = unit.register.lockups(request.security_id, [request.address]).get(request.address, ())
    locked = sum(each.shares for each in found if each.unlocks_at > now)
    if not 0 < request.shares <= locked:
        shown = show_shares(locked, decimals=security.terms.decimals)
        raise OrderInvalid(problem=f"more than zero and at most {shown} locked shares", place=Place(field="shares"))
    clearance = require_approval(actor, Action.COMPLIANCE_RELEASE_LOCKUP, request.as_json(), unit=unit)
    if isinstance(clearance, Pending):
        return clearance
    transaction = unit.compliance_chain.release(
        request.address, request.shares, token=security.token_address, operator=suite_of(unit).operator, purpose=purpose
    )
    facts = {"address": request.address, "shares": str(request.shares), "transaction": transaction.hash}
    unit.audit.record(actor, Action.COMPLIANCE_RELEASE_LOCKUP, f"security/{request.security_id}", facts)
    return transaction


def view_lockups(actor: Actor, security_id: SecurityId, *, unit: ComplianceUnit) -> Mapping[Address, Sequence[Lockup]]:
    """Return what is locked now of each wallet, the tranche that unlocks first before others."""
    authorize(actor, Action.COMPLIANCE_VIEW, tenant_id=unit.tenant_id)
    _tokenised(unit.securities.get(security_id))
    now = unix_seconds(unit.clock.now())
    found = unit.register.lockups(security_id)
    kept = {wallet: [each for each in tranches if each.unlocks_at > now] for wallet, tranches in found.items()}
    return {wallet: tranches for wallet, tranches in sorted(kept.items()) if tranches}


def set_category(actor: Actor, request: SetCategory, *, unit: ComplianceUnit) -> ChainTransaction:
    """Put the investor behind a registered wallet in a category; a holder is counted there at once.

    Raises:
        FurtherRulesMissing: the chain enforces no rule that could ask for it.
        OrderInvalid: no such category, or the identity registry does not know the wallet.

    """
    authorize(actor, Action.COMPLIANCE_SET_CATEGORY, tenant_id=unit.tenant_id)
    security = _with_further_rules(request.security_id, unit=unit)
    if not 0 <= request.category <= CATEGORY_MAX:
        raise OrderInvalid(problem=f"a category is a number from 0 to {CATEGORY_MAX}", place=Place(field="category"))
    known = unit.identities.on_chain(request.address)
    if known is None or not known.is_registered:
        raise OrderInvalid(problem="the identity registry does not know this wallet", place=Place(field="address"))
    transaction = unit.compliance_chain.set_category(
        request.address,
        request.category,
        token=security.token_address,
        operator=suite_of(unit).operator,
        purpose=f"compliance.category:{new_id(unit.clock.now())}",
    )
    facts = {"address": request.address, "category": request.category, "transaction": transaction.hash}
    unit.audit.record(actor, Action.COMPLIANCE_SET_CATEGORY, f"security/{request.security_id}", facts)
    return transaction


def approve_transfer(actor: Actor, request: ApproveTransfer, *, unit: ComplianceUnit) -> ChainTransaction:
    """Approve one transfer of exactly this amount, or withdraw the approval; it is used up by the first such transfer.

    Raises:
        FurtherRulesMissing: the chain enforces no rule that could ask for it.
        OrderInvalid: no shares, or an end that is not in the future.

    """
    authorize(actor, Action.COMPLIANCE_APPROVE_TRANSFER, tenant_id=unit.tenant_id)
    security = _with_further_rules(request.security_id, unit=unit)
    now = unit.clock.now()
    if not 0 < request.shares <= SHARES_MAX:
        raise OrderInvalid(problem="more than zero shares", place=Place(field="shares"))
    if request.until is not None and request.until <= now:
        raise OrderInvalid(problem="an approval ends later than now", place=Place(field="until"))
    transaction = unit.compliance_chain.approve_transfer(
        token=security.token_address,
        sender=request.sender,
        receiver=request.receiver,
        shares=request.shares,
        until=0 if request.until is None else unix_seconds(request.until),
        operator=suite_of(unit).operator,
        purpose=f"compliance.approve_transfer:{new_id(now)}",
    )
    facts = {
        "from": request.sender,
        "to": request.receiver,
        "shares": str(request.shares),
        "until": None if request.until is None else request.until.isoformat(),
        "transaction": transaction.hash,
    }
    unit.audit.record(actor, Action.COMPLIANCE_APPROVE_TRANSFER, f"security/{request.security_id}", facts)
    return transaction


def view_freezes(actor: Actor, security_id: SecurityId, *, unit: ComplianceUnit) -> Sequence[Freeze]:
    """Return a security's freezes and their liftings, newest first."""
    authorize(actor, Action.COMPLIANCE_VIEW, tenant_id=unit.tenant_id)
    unit.securities.get(security_id)
    return unit.freezes.of_security(security_id)


def check_law(actor: Actor, request: ChooseLaw, *, unit: ComplianceUnit) -> None:
    """Refuse what `choose_law` would refuse of packs, terms and evidence; change nothing."""
    authorize(actor, Action.COMPLIANCE_CHOOSE_LAW, tenant_id=unit.tenant_id)
    security = unit.securities.get(request.security_id)
    check_choice(request.packs, request.terms, request.evidence)
    signed = [record for record in unit.howey_records.all(unit.assets.get(security.terms.asset_record_id).asset_id) if record.is_signed]
    if request.packs and signed and not offered(signed[-1]):
        raise PackNotOffered(outcome=signed[-1].assessment.outcome, place=Place(field="packs"))


def choose_law(actor: Actor, request: ChooseLaw, *, unit: ComplianceUnit) -> LawChoice:
    """Keep a new version of a security's packs, terms and evidence; every sale and transfer is judged by it from its instant on.

    Raises:
        RuleUnknown, RuleDisabled, CaseInvalid: a pack that does not exist or is no law, or terms in the wrong form.
        PackNotOffered: the signed assessment of the asset says that it is no security.
        RulesInThePast: it would take effect before now.

    """
    check_law(actor, request, unit=unit)
    now = unit.clock.now()
    effective_at = request.effective_at or now
    if effective_at < now:
        raise RulesInThePast(effective_at=effective_at, now=now, place=Place(field="effective_at"))
    latest = unit.law_choices.latest(request.security_id, lock=True)
    choice = LawChoice(
        request.security_id, 1 if latest is None else latest.version + 1, effective_at, request.packs, request.terms, request.evidence
    )
    unit.law_choices.add(choice, set_by=actor.user_id, at=now)
    facts = {"version": choice.version, "packs": list(choice.packs), "effective_at": effective_at.isoformat()}
    unit.audit.record(actor, Action.COMPLIANCE_CHOOSE_LAW, f"security/{request.security_id}", facts)
    return choice


def law_off_chain(security_id: SecurityId, *, unit: ComplianceUnit) -> tuple[Rule, ...] | None:
    """Return what the chain would enforce with the chosen packs as they are now; None where it holds them already.

    Raises:
        RulesInvalid: the packs leave no country in which the issuer's own rules would let anybody receive.

    """
    now = unit.clock.now()
    present = unit.rule_sets.in_effect(security_id, now)
    own, held = ((), ()) if present is None else (present.rules, present.by_law)
    wanted, _ = _law_on_chain(security_id, now, unit=unit)
    return None if set(wanted) == set(held) else _together(own, wanted)


def bring_law_to_chain(actor: Actor, security_id: SecurityId, *, unit: ComplianceUnit) -> RuleSet | None:
    """Set the security's rules anew together with what its packs let the chain enforce; None where it is there already.

    Rules of the issuer that wait for their day are set anew as well, for that day; so is the day on which the law's own end.

    Raises:
        RulesInvalid: the packs leave no country in which the issuer's own rules would let anybody receive.

    """
    authorize(actor, Action.COMPLIANCE_SET_RULES, tenant_id=unit.tenant_id)
    unit.securities.get(security_id)
    unit.rule_sets.latest(security_id, lock=True)
    if law_off_chain(security_id, unit=unit) is None:
        return None
    now = unit.clock.now()
    present, waiting = standing(unit.rule_sets.all(security_id), at=now)
    first = _keep_rules(actor, security_id, () if present is None else present.rules, now, with_law=True, unit=unit)
    own = first.rules
    for each in waiting:
        if each.rules != own:
            own = each.rules
            _keep_rules(actor, security_id, own, each.effective_at, with_law=True, unit=unit)
    return first


DEFAULT_CURRENCY = Terms().currency
"""In which amounts are told where the terms of no law say otherwise."""


@dataclass(frozen=True, slots=True)
class Exemptions:
    """The exemptions that a sale of a security may name, and the currency that the terms count in."""

    rules: Sequence[LawRule]
    currency: str


def view_exemptions(actor: Actor, security_id: SecurityId, *, unit: ComplianceUnit) -> Exemptions:
    """Return the exemptions among the chosen packs; where none are chosen, all that the rule book has."""
    authorize(actor, Action.COMPLIANCE_VIEW, tenant_id=unit.tenant_id)
    security = unit.securities.get(security_id)
    choice = unit.law_choices.in_effect(security_id, unit.clock.now())
    book = rule_book()
    if choice is None:
        return Exemptions([book.rules[rule_id] for rule_id in SALE_RULES], DEFAULT_CURRENCY)
    selection, terms = selected(choice.packs, choice.terms, choice.evidence, decimals=security.terms.decimals, outstanding=0)
    return Exemptions([rule for rule in selection.rules if rule.rule_id in SALE_RULES], terms.currency)


def view_law(actor: Actor, security_id: SecurityId, *, unit: ComplianceUnit) -> Sequence[LawChoice]:
    """Return every version of a security's packs, oldest first."""
    authorize(actor, Action.COMPLIANCE_VIEW, tenant_id=unit.tenant_id)
    unit.securities.get(security_id)
    return unit.law_choices.all(security_id)


def ask_what_if(actor: Actor, security_id: SecurityId, *, packs: Sequence[str] | None, on: dt.date | None, unit: ComplianceUnit) -> WhatIf:
    """Return which holders would break packs (None: those chosen) if they started on a day (None: today).

    Raises:
        NotOnChain: the security has no register yet.
        RuleUnknown, RuleDisabled: a pack that does not exist or is no law.

    """
    authorize(actor, Action.COMPLIANCE_CHECK, tenant_id=unit.tenant_id)
    security = _tokenised(unit.securities.get(security_id))
    now = unit.clock.now()
    choice = unit.law_choices.in_effect(security_id, now) or LawChoice(security_id, 0, now, (), {}, {})
    case = law_case(replace(choice, packs=choice.packs if packs is None else tuple(packs)), security=security, unit=unit)
    return what_if(case, on=on or now.date())


@dataclass(frozen=True, slots=True)
class LotStanding:
    """A lot as the law sees it: under which exemption it counts, and from which day on it may be resold, to anybody and to Americans.

    `exemption` is the register's, else the one that the packs leave (`Case.exemption_of`). The days are None without chosen packs;
    `americans_from` also where it is no later than the other.
    """

    lot: Lot
    exemption: str | None
    resale_from: dt.date | None
    americans_from: dt.date | None


@dataclass(frozen=True, slots=True)
class HolderStanding:
    """What a holder has in all lots together (base units), and how much of it the law locks; None without chosen packs."""

    quantity: int
    locks: Locked | None


@dataclass(frozen=True, slots=True)
class StandingPage:
    """A page of lots by holder, then by acquisition, with their holders; `on` is the day that it was asked for.

    `is_judged` tells whether packs are chosen, by which the days are found.
    """

    lots: Sequence[LotStanding]
    holders: Mapping[LotHolder, HolderStanding]
    on: dt.date
    is_judged: bool
    next_cursor: str | None


def view_lot_standing(
    actor: Actor,
    security_id: SecurityId,
    *,
    investor_id: InvestorId | None = None,
    cursor: str | None = None,
    limit: int | None = None,
    unit: ComplianceUnit,
) -> StandingPage:
    """Return the open lots of a security with the first day on which Rule 144, Regulation S and the locks let each be resold."""
    authorize(actor, Action.COMPLIANCE_VIEW, tenant_id=unit.tenant_id)
    page = view_lots(actor, security_id, investor_id=investor_id, cursor=cursor, limit=limit, unit=unit)
    now = unit.clock.now()
    on = now.date()
    holders = {lot.holder for lot in page.lots}
    # What a holder has may go on over the page's end.
    held: defaultdict[LotHolder, list[Lot]] = defaultdict(list)
    for lot in unit.lots.of_holders(security_id, holders):
        held[lot.holder].append(lot)
    quantities = {holder: sum(lot.quantity for lot in lots) for holder, lots in held.items()}
    choice = unit.law_choices.in_effect(security_id, now)
    if choice is None:
        standing = [LotStanding(lot, lot.exemption, None, None) for lot in page.lots]
        unlocked = {holder: HolderStanding(each, None) for holder, each in quantities.items()}
        return StandingPage(standing, unlocked, on, is_judged=False, next_cursor=page.next_cursor)
    security = _tokenised(unit.securities.get(security_id))
    selection, terms = selected(
        choice.packs, choice.terms, choice.evidence, decimals=security.terms.decimals, outstanding=unit.register.supply(security_id)
    )
    ids = [holder for holder in holders if isinstance(holder, UUID)]
    claims = unit.claims.of_investors(ids)
    investors = {str(each): investor_facts(found, claims.get(each, ()), at=now) for each, found in unit.investors.many(ids).items()}
    lots = law_lots(lot for each in held.values() for lot in each)
    case = Case(selection=selection, terms=terms, investors=investors, lots=lots, evidence=choice.evidence)
    locks = ResaleLocks(case, on)
    standing = [
        LotStanding(
            lot,
            case.exemption_of(str(lot.holder), lot.exemption),
            locks.first_day(law_lot(lot)),
            locks.first_day_to_americans(law_lot(lot)),
        )
        for lot in page.lots
    ]
    locked = {holder: HolderStanding(each, locks.of(str(holder))) for holder, each in quantities.items()}
    return StandingPage(standing, locked, on, is_judged=True, next_cursor=page.next_cursor)


def law_case(choice: LawChoice, *, security: TokenisedSecurity, unit: ComplianceUnit, besides: Sequence[InvestorId] = ()) -> Case:
    """Return everything that the law looks at: the register's lots and sales, and its holders with what their claims make of them."""
    now = unit.clock.now()
    security_id = security.terms.security_id
    lots = law_lots(unit.lots.of_security(security_id))
    selection, terms = selected(
        choice.packs, choice.terms, choice.evidence, decimals=security.terms.decimals, outstanding=unit.register.supply(security_id)
    )
    sales, resales = law_sales(unit.lots.acquisitions(security_id), currency=terms.currency)
    wanted = {*lots, *(sale.investor_id for sale in sales), *(str(investor_id) for investor_id in besides)}
    ids = [InvestorId(UUID(each)) for each in sorted(wanted) if not each.startswith("0x")]
    claims = unit.claims.of_investors(ids)
    investors = {
        str(investor_id): investor_facts(investor, claims.get(investor_id, ()), at=now)
        for investor_id, investor in unit.investors.many(ids).items()
    }
    return Case(selection=selection, terms=terms, investors=investors, lots=lots, sales=sales, resales=resales, evidence=choice.evidence)


def _category(case: Case, investor_id: str, exemption: str | None) -> dict[str, str]:
    """Return whether a buyer under Regulation D is accredited, which Form D counts; nothing where nobody knows it."""
    if exemption not in REGULATION_D:
        return {}
    known = accredited(case.investors[investor_id], case.book)
    if known.is_so is None:
        return {}
    return {"buyer_category": "accredited" if known.is_so else "non_accredited"}


def assess_asset(actor: Actor, request: AssessAsset, *, unit: ComplianceUnit) -> HoweyRecord:
    """Keep a new version of an asset's Howey record, for somebody else to sign.

    Raises:
        AnswersInvalid: as `records.draft` does.

    """
    authorize(actor, Action.COMPLIANCE_ASSESS, tenant_id=unit.tenant_id)
    find_asset(actor, request.asset_id, unit=unit)
    records = unit.howey_records.all(request.asset_id, lock=True)
    now = unit.clock.now()
    record = draft(
        request.asset_id,
        version=len(records) + 1,
        answers=request.answers,
        evidence=request.evidence,
        token_model=request.token_model,
        by=actor.user_id,
        at=now,
    )
    unit.howey_records.add(record)
    facts = {"version": record.version, "outcome": record.assessment.outcome, "token_model": record.token_model}
    unit.audit.record(actor, Action.COMPLIANCE_ASSESS, f"asset/{request.asset_id}", facts)
    return record


def sign_assessment(actor: Actor, asset_id: AssetId, version: int, *, unit: ComplianceUnit) -> HoweyRecord:
    """Sign a version off as its reviewer.

    Raises:
        AssessmentNotFound: there is no such version.
        AssessmentSigned: it is signed already.
        OwnAssessment: the reviewer drafted it.

    """
    authorize(actor, Action.COMPLIANCE_SIGN_ASSESSMENT, tenant_id=unit.tenant_id)
    find_asset(actor, asset_id, unit=unit)
    found = [record for record in unit.howey_records.all(asset_id, lock=True) if record.version == version]
    if not found:
        raise AssessmentNotFound(version=version)
    check_signature(found[0], by=actor.user_id)
    now = unit.clock.now()
    unit.howey_records.sign(asset_id, version, by=actor.user_id, at=now)
    facts = {"version": version, "outcome": found[0].assessment.outcome}
    unit.audit.record(actor, Action.COMPLIANCE_SIGN_ASSESSMENT, f"asset/{asset_id}", facts)
    return replace(found[0], signed_by=actor.user_id, signed_at=now)


def view_assessments(actor: Actor, asset_id: AssetId, *, unit: ComplianceUnit) -> Sequence[HoweyRecord]:
    """Return every version of an asset's Howey record, oldest first."""
    authorize(actor, Action.COMPLIANCE_VIEW, tenant_id=unit.tenant_id)
    find_asset(actor, asset_id, unit=unit)
    return unit.howey_records.all(asset_id)


def find_rules_drift(security_id: SecurityId, *, unit: ComplianceUnit) -> RulesDrift | None:
    """Return how the chain's rules differ from the version that was applied last; None where they do not, or none was applied yet."""
    security = unit.securities.get(security_id)
    applied = [rule_set for rule_set in unit.rule_sets.all(security_id) if rule_set.applied_at is not None]
    if not applied or not isinstance(security, DeployedSecurity | OpenSecurity):
        return None
    expected, found = compile_rules(applied[-1].enforced), rules_on_chain(security, unit=unit)
    return None if expected == found else RulesDrift(security_id, applied[-1].version, expected, found)


def rules_on_chain(security: TokenisedSecurity, *, unit: ComplianceUnit) -> ChainRules:
    """Return what the chain enforces for a security now."""
    return unit.compliance_chain.rules_on_chain(
        compliance=suite_of(unit).contract("joint_compliance"),
        token=security.token_address,
        candidates=COUNTRY_NUMBERS,
    )


def suite_of(unit: ComplianceUnit) -> IssuerSuite:
    """Return the issuer's contracts, or refuse with `compliance.suite_missing` where they are not there yet."""
    suite = unit.suites.suite()
    if suite is None or not suite.contracts:
        raise SuiteMissing
    return suite


def _facts(security_id: SecurityId, address: Address, *, unit: ComplianceUnit) -> WalletFacts:
    known = unit.identities.on_chain(address)
    identity = None if known is None else known.identity
    group = () if identity is None else unit.identities.wallets_of_identity(identity)
    others = [wallet for wallet in group if wallet != address]
    return WalletFacts(
        address=address,
        balance=unit.register.balance_of(security_id, address),
        frozen_shares=unit.register.frozen_shares(security_id, address),
        is_frozen=unit.register.is_frozen(security_id, address),
        lockups=tuple(unit.register.lockups(security_id, [address]).get(address, ())),
        identity=identity,
        is_registered=known is not None and known.is_registered,
        country=None if known is None else known.country,
        verified_until=0 if known is None else known.verified_until,
        elsewhere=sum(unit.register.balances_of(security_id, others).values()) if others else 0,
    )


def _order(actor: Actor, request: OrderFreeze, action: FreezeAction, shares_max: int, *, unit: ComplianceUnit) -> Freeze:
    authorize(actor, Action.COMPLIANCE_FREEZE, tenant_id=unit.tenant_id)
    security = _tokenised(unit.securities.get(request.security_id))
    reason = request.reason.strip()
    if not 1 <= len(reason) <= REASON_CHARACTERS_MAX:
        raise FreezeInvalid(problem=f"a reason has 1 to {REASON_CHARACTERS_MAX} characters", place=Place(field="reason"))
    if request.address == ZERO_ADDRESS:
        raise FreezeInvalid(problem="nobody owns the zero address", place=Place(field="address"))
    if request.shares is not None and not 0 < request.shares <= shares_max:
        shown = show_shares(shares_max, decimals=security.terms.decimals)
        raise FreezeInvalid(problem=f"more than zero and at most {shown} shares", place=Place(field="shares"))
    now = unit.clock.now()
    freeze_id: UUID = new_id(now)
    order = Freeze(
        freeze_id=freeze_id,
        security_id=request.security_id,
        address=request.address,
        action=action,
        shares=request.shares,
        reason=reason,
        state="sent",
        purpose=f"compliance.freeze:{freeze_id}",
        failure=None,
        ordered_at=now,
        settled_at=None,
    )
    unit.freezes.add(order, ordered_by=actor.user_id)
    transaction = unit.compliance_chain.freeze(
        action,
        request.address,
        request.shares,
        token=security.token_address,
        operator=suite_of(unit).operator,
        purpose=order.purpose,
    )
    unit.jobs.defer("compliance.settle_freeze", {"freeze_id": str(freeze_id)})
    # The reason stays in the order: it may name a person, and the log's facts may not.
    facts = {"action": action.value, "address": request.address, "shares": str(request.shares), "transaction": transaction.hash}
    unit.audit.record(actor, Action.COMPLIANCE_FREEZE, f"security/{request.security_id}", facts)
    return order


def _with_further_rules(security_id: SecurityId, *, unit: ComplianceUnit) -> TokenisedSecurity:
    """Return a security of which the chain enforces further rules, or refuse with `compliance.further_rules_missing`."""
    security = _tokenised(unit.securities.get(security_id))
    applied = [rule_set for rule_set in unit.rule_sets.all(security_id) if rule_set.applied_at is not None]
    if not applied or not any(isinstance(rule, FurtherRule) for rule in applied[-1].enforced):
        raise FurtherRulesMissing(security_id=security_id)
    return security


def _tokenised(security: Security) -> TokenisedSecurity:
    if not isinstance(security, TokenisedSecurity):
        raise NotOnChain(security_id=security.terms.security_id)
    return security
