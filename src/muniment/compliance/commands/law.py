# SPDX-License-Identifier: Apache-2.0
"""Which law a security stands under: its packs by version, what they would do to its register, and its books as a case of law."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from muniment.access.model import Action, Actor, authorize
from muniment.compliance.commands.rules import tokenised_only
from muniment.compliance.errors import PackNotOffered, RulesInThePast
from muniment.compliance.model.law.book import LawRule, rule_book
from muniment.compliance.model.law.case import Case
from muniment.compliance.model.law.choices import LawChoice, check_choice, selected
from muniment.compliance.model.law.facts import Terms
from muniment.compliance.model.law.offerings import SALE_RULES
from muniment.compliance.model.law.records import offered
from muniment.compliance.model.law.resales import Locked, ResaleLocks
from muniment.compliance.model.law.subjects import investor_facts, law_lot, law_lots, law_sales
from muniment.compliance.model.law.what_if import WhatIf, what_if
from muniment.compliance.ports import ComplianceUnit
from muniment.instruments.model.securities import TokenisedSecurity
from muniment.register.commands import view_lots
from muniment.register.model import Lot, LotHolder
from muniment.units.errors import Place
from muniment.units.ids import InvestorId, SecurityId


@dataclass(frozen=True, slots=True)
class ChooseLaw:
    """The packs of a security with terms and evidence, in place of the present ones, from `effective_at` on (None: at once)."""

    security_id: SecurityId
    packs: tuple[str, ...]
    terms: Mapping[str, Any]
    evidence: Mapping[str, Mapping[str, Any]]
    effective_at: dt.datetime | None = None


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
    security = tokenised_only(unit.securities.get(security_id))
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
    security = tokenised_only(unit.securities.get(security_id))
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
