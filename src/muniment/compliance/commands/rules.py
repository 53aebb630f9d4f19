# SPDX-License-Identifier: Apache-2.0
"""The rules of a security by version, the issuer's beside the law's, and what of them the chain has. Sending them is in `process`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from muniment.access.model import Action, Actor, authorize
from muniment.compliance.errors import NotOnChain, RulesInThePast, RulesInvalid, RulesNotSet, SuiteMissing
from muniment.compliance.events import RulesSet
from muniment.compliance.model.compiled import ChainRules, compile_rules
from muniment.compliance.model.law.choices import selected
from muniment.compliance.model.law.on_chain import chain_rules, chain_rules_end, joined
from muniment.compliance.model.rules import CountryAllowed, Rule, RuleSet, check_rules, standing
from muniment.compliance.ports import ComplianceUnit
from muniment.instruments.model.securities import DeployedSecurity, OpenSecurity, Security, TokenisedSecurity
from muniment.instruments.ports import IssuerSuite
from muniment.parties.model import COUNTRIES
from muniment.units.errors import Place
from muniment.units.ids import SecurityId

COUNTRY_NUMBERS: Sequence[int] = [number for number, *_ in COUNTRIES.values()]
"""Every country by its ISO 3166-1 number: what is asked of the chain about its lists and caps."""


@dataclass(frozen=True, slots=True)
class SetRules:
    """All rules of a security, in place of the present ones, from `effective_at` on (None: at once)."""

    security_id: SecurityId
    rules: tuple[Rule, ...]
    effective_at: dt.datetime | None = None


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


def law_off_chain(security_id: SecurityId, *, unit: ComplianceUnit) -> tuple[Rule, ...] | None:
    """Return what the chain would enforce with the chosen packs as they are now; None where it holds them, until the day they say.

    Raises:
        RulesInvalid: the packs leave no country in which the issuer's own rules would let anybody receive.

    """
    now = unit.clock.now()
    present, waiting = standing(unit.rule_sets.all(security_id), at=now)
    own, held = ((), ()) if present is None else (present.rules, present.by_law)
    held_until = next((version.effective_at for version in waiting if set(version.by_law) != set(held)), None)
    wanted, wanted_until = _law_on_chain(security_id, now, unit=unit)
    return None if (set(wanted), wanted_until) == (set(held), held_until) else _together(own, wanted)


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


def tokenised_only(security: Security) -> TokenisedSecurity:
    """Return a security that has its token, or refuse with `compliance.not_on_chain`."""
    if not isinstance(security, TokenisedSecurity):
        raise NotOnChain(security_id=security.terms.security_id)
    return security
