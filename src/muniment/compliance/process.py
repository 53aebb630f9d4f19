# SPDX-License-Identifier: Apache-2.0
"""The long use cases of compliance, top to bottom: investors into the registry and out of it, rules to the chain, opening, freezes.

What a step submits is unique by its purpose and stored with the state that names it, so running again sends nothing twice.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa

from muniment.access.model import system_actor
from muniment.compliance.commands import COUNTRY_NUMBERS, rules_on_chain, suite_of
from muniment.compliance.errors import RulesNotSet
from muniment.compliance.events import FreezeSettled, InvestorInvalidated, InvestorRegistered, SecurityOpened
from muniment.compliance.model.compiled import HOLDERS_AT_ONCE, compile_rules
from muniment.compliance.model.decision import NO_EXPIRY
from muniment.compliance.model.identities import IdentityEvent, IdentityEventKind
from muniment.compliance.ports import ComplianceUnit, Registration, RegistrationState
from muniment.infra.crashpoints import crashpoint
from muniment.infra.evm.decoding import RawLog
from muniment.infra.evm.follower import FollowedBlock
from muniment.infra.evm.sender import ChainTransaction, TransactionState
from muniment.infra.jobs import Done, ProcessOutcome, Waiting
from muniment.instruments.model.securities import DeployedSecurity, OpenSecurity, token_purpose
from muniment.instruments.model.securities import open_security as opened
from muniment.parties.model import Verified, numeric_country
from muniment.units.ids import Address, InvestorId, SecurityId, TenantId, new_id

Units = Callable[[], AbstractContextManager[ComplianceUnit]]

BATCH_MAX = 100
"""Wallets that the identity registry takes at once."""
GATHER_SECONDS = 0.5
"""How long the first registration waits for others, so that a list of investors goes in few transactions."""

_WANTED_OR_THERE = frozenset({RegistrationState.WANTED, RegistrationState.REGISTERED})
PATIENCE_SECONDS = 60
"""How long a registration may be wanted before the next one starts the work anew."""

_UNDER_WAY = frozenset({RegistrationState.SENT, RegistrationState.REGISTERED})


# Investors


def want_investor(investor_id: InvestorId, *, units: Units) -> None:
    """Want every wallet of a verified investor in the identity registry until the verification ends; twice is once."""
    with units() as unit:
        investor = unit.investors.get(investor_id)
        now = unit.clock.now()
        if not isinstance(investor.standing, Verified) or not investor.is_verified(now):
            return
        # Somebody who has waited for longer was forgotten by a job that failed: start another.
        lately = now - dt.timedelta(seconds=PATIENCE_SECONDS)
        nobody_waits = unit.identities.count(RegistrationState.WANTED, changed_since=lately) == 0
        wanted = 0
        wallets = sorted(unit.wallets.of_investor(investor_id), key=lambda wallet: wallet.position)
        for wallet in wallets:
            # Held against the sender of batches: a wallet that it has just taken must not be wanted a second time.
            known = unit.identities.find(wallet.address, lock=True)
            registration = Registration(
                wallet.address,
                investor_id,
                # Without an identity contract the first wallet is the identity.
                wallets[0].address,
                numeric_country(investor.country),
                investor.standing.until,
                RegistrationState.WANTED,
                None,
            )
            if known is not None and known.state is RegistrationState.SENT:
                # On its way: what is wanted now is compared with the chain's once that is final.
                wanted_now = replace(known, expires_at=registration.expires_at, country=registration.country)
                unit.identities.put(wanted_now, at=now)
            elif (
                known is None
                or known.state not in _WANTED_OR_THERE
                or (known.expires_at, known.country) != (registration.expires_at, registration.country)
            ):
                unit.identities.put(registration, at=now)
                wanted += 1
        if wanted and nobody_waits:
            _defer_registration(unit)


def register_waiting(*, units: Units) -> None:
    """Start the registration of whoever waits for it, as after the issuer's registry came to be."""
    with units() as unit:
        if unit.identities.count(RegistrationState.WANTED):
            _defer_registration(unit)


def register_investors(*, units: Units) -> ProcessOutcome:
    """Put wanted wallets into the identity registry, at most 100 in a transaction, and see the transactions through."""
    with units() as unit:
        suite = unit.suites.suite()
        if suite is None or suite.state != "deployed":
            # `instruments.security_deployed` starts this again.
            return Done()
        sent = _send_batch(unit, suite.contract("joint_compliance"), suite.operator)
    crashpoint("compliance.after_registration_signed")
    with units() as unit:
        under_way = [purpose for purpose in unit.identities.purposes_open() if not _settle_registrations(purpose, unit)]
        if sent or under_way or unit.identities.count(RegistrationState.WANTED):
            return Waiting("the identity registry", "compliance.register")
    return Done()


def end_investor(investor_id: InvestorId, *, units: Units) -> None:
    """End the eligibility of an investor whose verification ended or was withdrawn."""
    with units() as unit:
        now = unit.clock.now()
        # Held against the sender of batches: what it takes at this moment is on its way, and has to be taken back on the chain.
        registrations = unit.identities.of_investor(investor_id, lock=True)
        for registration in registrations:
            if registration.state is RegistrationState.WANTED and unit.identities.on_chain(registration.address) is None:
                unit.identities.put(replace(registration, state=RegistrationState.INVALID, purpose=None), at=now)
        if any(unit.identities.on_chain(each.address) is not None or each.state in _UNDER_WAY for each in registrations):
            unit.jobs.defer("compliance.invalidate_investor", {"investor_id": str(investor_id)}, lock=f"compliance.investor:{investor_id}")


def invalidate_investor(investor_id: InvestorId, *, units: Units) -> ProcessOutcome:
    """Tell the identity registry that an investor is no longer eligible: one transaction for all wallets."""
    with units() as unit:
        now = unit.clock.now()
        if unit.investors.get(investor_id).is_verified(now):
            return Done()
        registrations = unit.identities.of_investor(investor_id, lock=True)
        if any(each.state is RegistrationState.SENT for each in registrations):
            return Waiting("the registration under way", "compliance.register")
        live = [each for each in registrations if each.state in {RegistrationState.REGISTERED, RegistrationState.WANTED}]
        if live:
            purpose = f"compliance.invalidate:{new_id(now)}"
            suite = suite_of(unit)
            unit.compliance_chain.invalidate(
                live[0].address, registry=suite.contract("joint_compliance"), operator=suite.operator, purpose=purpose
            )
            for each in live:
                unit.identities.put(replace(each, state=RegistrationState.INVALIDATING, purpose=purpose), at=now)
    with units() as unit:
        open_ones = {each.purpose for each in unit.identities.of_investor(investor_id) if each.state is RegistrationState.INVALIDATING}
        if not all(_settle_registrations(purpose, unit) for purpose in open_ones if purpose is not None):
            return Waiting("the identity registry", "compliance.invalidate")
    return Done()


# Rules


def apply_rules(security_id: SecurityId, *, units: Units) -> ProcessOutcome:
    """Bring the rules in effect to the chain and see that it enforces them."""
    with units() as unit:
        security = unit.securities.get(security_id)
        if not isinstance(security, DeployedSecurity | OpenSecurity):
            return Done()
        sent = _submit_rules(security, unit)
    crashpoint("compliance.after_rules_signed")
    if isinstance(sent, Waiting):
        return sent
    if not all(_is_final(transaction) for transaction in sent):
        return Waiting("the rules", _rules_purpose(security_id))
    with units() as unit:
        if not _are_holders_counted(security, unit):
            return Waiting("the count of holders", _rules_purpose(security_id))
        _confirm_rules(security, unit)
    return Done()


def open_security(security_id: SecurityId, *, units: Units) -> ProcessOutcome:
    """Bring the rules to the chain and let holders transfer; the rules go first, in the order of the operator's nonces."""
    purpose = f"compliance.unpause:{security_id}"
    with units() as unit:
        security = unit.securities.get(security_id)
        if isinstance(security, OpenSecurity):
            return Done()
        if not isinstance(security, DeployedSecurity):
            return Waiting("the security's deployment", token_purpose(security_id))
        rules = _submit_rules(security, unit)
        if isinstance(rules, Waiting):
            return rules
        unpaused = unit.compliance_chain.unpause(token=security.token_address, operator=suite_of(unit).operator, purpose=purpose)
    crashpoint("compliance.after_open_signed")
    if not all(_is_final(transaction) for transaction in (*rules, unpaused)):
        return Waiting("the opening", purpose)
    with units() as unit:
        _confirm_rules(security, unit)
        unit.securities.save(opened(unit.securities.get(security_id, lock=True)), at=unit.clock.now())
        block = _block(unpaused)
        unit.outbox.record(SecurityOpened(tenant_id=unit.tenant_id, security_id=security_id, block_number=block))
        unit.audit.record(
            system_actor(unit.tenant_id),
            "compliance.open_security",
            f"security/{security_id}",
            {"block": block, "transaction": unpaused.hash},
        )
    return Done()


# Freezes


def settle_freeze(freeze_id: UUID, *, units: Units) -> ProcessOutcome:
    """See a freeze, or its lifting, through to its end on the chain."""
    with units() as unit:
        order = unit.freezes.get(freeze_id, lock=True)
        if order.state != "sent":
            return Done()
        transaction = unit.transactions.find(order.purpose)
        if transaction is None or not transaction.is_closed:
            return Waiting("the freeze", order.purpose)
        failure = None if transaction.state is TransactionState.FINAL else transaction.revert_reason or "no reason given"
        unit.freezes.settle(freeze_id, failure=failure, at=unit.clock.now())
        unit.outbox.record(
            FreezeSettled(
                tenant_id=unit.tenant_id,
                freeze_id=freeze_id,
                security_id=order.security_id,
                address=order.address,
                action=order.action.value,
                succeeded=failure is None,
            )
        )
    return Done()


# Following the identity registries


class IdentityEventStore(Protocol):
    """Writes what the registries say, inside the follower's transaction."""

    def append(self, events: Iterable[tuple[TenantId, IdentityEvent]]) -> None:
        """Store events that are not stored yet."""
        ...

    def registered_countries(self, tenant_id: TenantId, wallets: Sequence[Address]) -> Mapping[Address, int]:
        """Return the countries that we sent for some wallets."""
        ...

    def remove_above(self, block_number: int) -> None:
        """Forget the events of later blocks."""
        ...


class Decode(Protocol):
    """The shape of `chain.decode`, which the composition root hands in."""

    def __call__(self, log: RawLog, /, *, block_number: int) -> IdentityEvent | None:
        """Return what a log says of a wallet's identity, or None."""
        ...


class IdentityFollower:
    """Compliance's place at the one block follower: the identity registries' events, forward and back."""

    name = "compliance"

    def __init__(
        self,
        *,
        decode: Decode,
        countries: Callable[[Address, Sequence[Address]], Mapping[Address, int]],
        store: Callable[[sa.Connection], IdentityEventStore],
    ) -> None:
        """`countries` asks a registry (`chain.countries_reader`): its events do not carry the country."""
        self._decode = decode
        self._countries = countries
        self._store = store

    def apply(self, connection: sa.Connection, block: FollowedBlock, logs: Sequence[RawLog]) -> None:
        """Take one block in."""
        found: list[tuple[TenantId, IdentityEvent]] = []
        for log in logs:
            if log.tenant_id is None:
                continue
            event = self._decode(log, block_number=block.number)
            if event is not None:
                found.append((TenantId(log.tenant_id), event))
        if found:
            store = self._store(connection)
            store.append(self._with_countries(found, store))

    def revert_to(self, connection: sa.Connection, block_number: int) -> None:
        """Forget everything above a block."""
        self._store(connection).remove_above(block_number)

    def _with_countries(
        self, found: Sequence[tuple[TenantId, IdentityEvent]], store: IdentityEventStore
    ) -> list[tuple[TenantId, IdentityEvent]]:
        registered: defaultdict[tuple[TenantId, Address], list[Address]] = defaultdict(list)
        for tenant_id, event in found:
            if event.kind is IdentityEventKind.REGISTERED:
                registered[tenant_id, event.contract].append(event.wallet)
        countries: dict[tuple[Address, Address], int] = {}
        for (tenant_id, registry), wallets in registered.items():
            # What we sent, for a wallet that the registry has forgotten since; the registry's own word otherwise.
            known = {**store.registered_countries(tenant_id, wallets), **self._countries(registry, wallets)}
            countries |= {(registry, wallet): country for wallet, country in known.items()}
        return [
            (tenant_id, replace(event, country=countries.get((event.contract, event.wallet))))
            if event.kind is IdentityEventKind.REGISTERED
            else (tenant_id, event)
            for tenant_id, event in found
        ]


# Steps


def _defer_registration(unit: ComplianceUnit) -> None:
    unit.jobs.defer(
        "compliance.register_investors",
        {},
        lock=f"compliance.register:{unit.tenant_id}",
        schedule_at=unit.clock.now() + dt.timedelta(seconds=GATHER_SECONDS),
    )


def _send_batch(unit: ComplianceUnit, registry: Address, operator: Address) -> bool:
    """Send the next wanted wallets; those that the registry knows already are corrected and prolonged, not registered anew.

    A wallet under another country gets its country first, in a transaction of its own; its end follows when that is final.
    """
    now = unit.clock.now()
    wanted = unit.identities.in_state(RegistrationState.WANTED, limit=BATCH_MAX)
    if not wanted:
        return False
    known = {each.address: unit.identities.on_chain(each.address) for each in wanted}
    old = [each for each in wanted if (state := known[each.address]) is not None and state.is_registered]
    new = [each for each in wanted if each not in old]
    moved = [each for each in old if (state := known[each.address]) is not None and state.country != each.country]
    old = [each for each in old if each not in moved]
    for each in moved:
        purpose = f"compliance.country:{new_id(now)}"
        unit.compliance_chain.set_country(each.address, each.country, registry=registry, operator=operator, purpose=purpose)
        unit.identities.put(replace(each, state=RegistrationState.SENT, purpose=purpose), at=now)
    for batch, submit in ((new, unit.compliance_chain.register), (old, unit.compliance_chain.prolong)):
        if not batch:
            continue
        # The first wallets of investors go first: the further ones name them.
        batch.sort(key=lambda each: (each.address != each.identity, each.address))
        purpose = f"compliance.register:{new_id(now)}"
        submit(batch, registry=registry, operator=operator, purpose=purpose)
        for each in batch:
            unit.identities.put(replace(each, state=RegistrationState.SENT, purpose=purpose), at=now)
    return True


def _settle_registrations(purpose: str, unit: ComplianceUnit) -> bool:
    """Write the end of one transaction into the registrations that it carries; return whether it has ended."""
    transaction = unit.transactions.find(purpose)
    if transaction is None or not transaction.is_closed:
        return False
    now = unit.clock.now()
    registrations = [
        each for each in unit.identities.of_purpose(purpose) if each.state in {RegistrationState.SENT, RegistrationState.INVALIDATING}
    ]
    if transaction.state is TransactionState.REVERTED:
        return _settle_refused(registrations, transaction, unit)
    if any(each.state is RegistrationState.SENT and unit.identities.on_chain(each.address) is None for each in registrations):
        # Final, but the follower has not told us yet.
        return False
    for each in registrations:
        if each.state is RegistrationState.INVALIDATING:
            unit.identities.put(replace(each, state=RegistrationState.INVALID, purpose=None), at=now)
            unit.outbox.record(InvestorInvalidated(tenant_id=unit.tenant_id, investor_id=each.investor_id, address=each.address))
            continue
        known = unit.identities.on_chain(each.address)
        is_as_wanted = known is not None and (known.verified_until, known.country) == (_seconds(each), each.country)
        state = RegistrationState.REGISTERED if is_as_wanted else RegistrationState.WANTED
        unit.identities.put(replace(each, state=state, purpose=None), at=now)
        unit.outbox.record(InvestorRegistered(tenant_id=unit.tenant_id, investor_id=each.investor_id, address=each.address))
    if registrations:
        unit.audit.record(
            system_actor(unit.tenant_id),
            "compliance.register_investors",
            "identity_registry",
            {"wallets": len(registrations), "transaction": transaction.hash, "block": transaction.block_number},
        )
    return True


def _settle_refused(registrations: Sequence[Registration], transaction: ChainTransaction, unit: ComplianceUnit) -> bool:
    """After the registry refused a transaction: send its wallets one by one, so that one bad wallet holds up no other."""
    now = unit.clock.now()
    suite = suite_of(unit)
    for each in registrations:
        known = unit.identities.on_chain(each.address)
        if each.state is RegistrationState.SENT and known is not None and known.is_registered:
            # Somebody else was quicker, as a recovery into a new wallet is: its end is set like that of any wallet there.
            unit.identities.put(replace(each, state=RegistrationState.WANTED, purpose=None), at=now)
            continue
        if len(registrations) == 1 or each.state is RegistrationState.INVALIDATING:
            unit.identities.put(replace(each, state=RegistrationState.INVALID, purpose=None), at=now)
            continue
        purpose = f"compliance.register:{new_id(now)}"
        unit.compliance_chain.register([each], registry=suite.contract("joint_compliance"), operator=suite.operator, purpose=purpose)
        unit.identities.put(replace(each, purpose=purpose), at=now)
    unit.audit.record(
        system_actor(unit.tenant_id),
        "compliance.registration_refused",
        "identity_registry",
        {"wallets": len(registrations), "transaction": transaction.hash, "reason": transaction.revert_reason},
    )
    return len(registrations) == 1


def _submit_rules(security: DeployedSecurity | OpenSecurity, unit: ComplianceUnit) -> Sequence[ChainTransaction] | Waiting:
    """Send the rules in effect where the chain has others; nothing where it has them already."""
    security_id = security.terms.security_id
    rule_set = unit.rule_sets.in_effect(security_id, unit.clock.now())
    if rule_set is None:
        raise RulesNotSet(security_id=security_id)
    purpose = _rules_purpose(security_id, rule_set.version)
    known = _sent_rules(purpose, unit)
    if known:
        return known
    rules, found = compile_rules(rule_set.enforced), rules_on_chain(security, unit=unit)
    under_way = _rules_under_way(security_id, unit)
    # What was sent before and is not final yet may still change what the chain says now.
    if found == rules and not under_way:
        return ()
    versions = [compile_rules(version.enforced) for version in unit.rule_sets.all(security_id)]
    suite = suite_of(unit)
    if any(not each.further.is_empty for each in (found, *versions)):
        # Further rules are sent as the steps from what the chain has, so that must be what it will have.
        if under_way:
            return Waiting("the rules before these", _rules_purpose(security_id))
        created = unit.compliance_chain.create_further_contract(operator=suite.operator)
        if not all(_is_final(transaction) for transaction in created):
            return Waiting("the contract of further rules", created[-1].purpose)
        contract = unit.compliance_chain.further_contract()
        assert contract is not None, "just created"
        unit.suites.watch(contract, "transfer_rules", deployed_block=_block(created[0]))
    return unit.compliance_chain.apply_rules(
        rules,
        compliance=suite.contract("joint_compliance"),
        token=security.token_address,
        operator=suite.operator,
        purpose=purpose,
        candidates=COUNTRY_NUMBERS,
        holders=_holding_wallets(security_id, unit),
    )


def _are_holders_counted(security: DeployedSecurity | OpenSecurity, unit: ComplianceUnit) -> bool:
    """Count who became a holder between our reading of the register and the beginning of the chain's count; return whether all are.

    Once a version: whom the chain does not count then, its identity registry does not know.
    """
    security_id = security.terms.security_id
    rule_set = unit.rule_sets.in_effect(security_id, unit.clock.now())
    if rule_set is None:
        return True
    further = compile_rules(rule_set.enforced).further
    if not further.country_caps and not further.category_caps:
        return True
    purpose = f"{_rules_purpose(security_id, rule_set.version)}:rest"
    counting = unit.transactions.find(purpose)
    if counting is None:
        wallets = [wallet for wallet in _holding_wallets(security_id, unit) if unit.identities.on_chain(wallet) is not None]
        missing = unit.compliance_chain.uncounted(token=security.token_address, wallets=wallets)
        if not missing:
            return True
        counting = unit.compliance_chain.count_holders(
            missing[:HOLDERS_AT_ONCE], token=security.token_address, operator=suite_of(unit).operator, purpose=purpose
        )
    return _is_final(counting)


def _holding_wallets(security_id: SecurityId, unit: ComplianceUnit) -> Sequence[Address]:
    return [holding.wallet for holding in unit.register.holdings(security_id) if holding.shares]


def _sent_rules(purpose: str, unit: ComplianceUnit) -> Sequence[ChainTransaction]:
    """Return the transactions of one version, which were signed all at once; none where they were not."""
    sent: list[ChainTransaction] = []
    place: str = purpose
    while (transaction := unit.transactions.find(place)) is not None:
        sent.append(transaction)
        place = f"{purpose}:{len(sent)}"
    return sent


def _rules_under_way(security_id: SecurityId, unit: ComplianceUnit) -> bool:
    """Return whether rules of any version are signed and not yet final on the chain."""
    versions = unit.rule_sets.all(security_id)
    sent = [transaction for each in versions for transaction in _sent_rules(_rules_purpose(security_id, each.version), unit)]
    return any(not transaction.is_closed for transaction in sent)


def _rules_purpose(security_id: SecurityId, version: int | None = None) -> str:
    """Return the purpose of a version's first transaction, or with what those of all versions begin."""
    return f"compliance.apply_rules:{security_id}:{'' if version is None else version}"


def _confirm_rules(security: DeployedSecurity | OpenSecurity, unit: ComplianceUnit) -> None:
    security_id = security.terms.security_id
    rule_set = unit.rule_sets.in_effect(security_id, unit.clock.now())
    if rule_set is not None and rule_set.applied_at is None and rules_on_chain(security, unit=unit) == compile_rules(rule_set.enforced):
        unit.rule_sets.mark_applied(security_id, rule_set.version, at=unit.clock.now())


def _is_final(transaction: ChainTransaction) -> bool:
    """Return whether it is final and good; a refusal by the chain stops the process for somebody to look at."""
    assert transaction.state is not TransactionState.REVERTED, f"{transaction.purpose}: {transaction.revert_reason}"
    return transaction.state is TransactionState.FINAL


def _block(transaction: ChainTransaction) -> int:
    assert transaction.block_number is not None, "a final transaction is in a block"
    return transaction.block_number


def _seconds(registration: Registration) -> int:
    return NO_EXPIRY if registration.expires_at is None else int(registration.expires_at.timestamp())
