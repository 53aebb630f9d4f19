# SPDX-License-Identifier: Apache-2.0
"""What a transfer agent orders about single wallets and transfers: freezes, lockups, categories, approvals. Signed at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from muniment.access.commands import require_approval
from muniment.access.model import Action, Actor, Pending, authorize
from muniment.compliance.commands.rules import suite_of, tokenised_only
from muniment.compliance.errors import FreezeInvalid, FurtherRulesMissing, OrderInvalid
from muniment.compliance.model.rules import CATEGORY_MAX, INSTANT_SECONDS_MAX, FurtherRule
from muniment.compliance.ports import ComplianceUnit, Freeze, FreezeAction
from muniment.infra.evm.sender import ChainTransaction
from muniment.instruments.model.securities import TokenisedSecurity
from muniment.parties.model import ZERO_ADDRESS
from muniment.register.model import Lockup
from muniment.units.errors import Place
from muniment.units.ids import Address, SecurityId, new_id, parse_id
from muniment.units.instants import unix_seconds
from muniment.units.shares import SHARES_MAX, show_shares

REASON_CHARACTERS_MAX = 500


TRANCHES_MAX = 16
"""Lockups of one wallet that the token keeps."""


@dataclass(frozen=True, slots=True)
class OrderFreeze:
    """A freeze, or its lifting, of a wallet (`shares` None) or of some of its shares (base units), with the reason for the file."""

    security_id: SecurityId
    address: Address
    reason: str
    shares: int | None = None


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
    security = tokenised_only(unit.securities.get(request.security_id))
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
    security = tokenised_only(unit.securities.get(request.security_id))
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
    tokenised_only(unit.securities.get(security_id))
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


def _order(actor: Actor, request: OrderFreeze, action: FreezeAction, shares_max: int, *, unit: ComplianceUnit) -> Freeze:
    authorize(actor, Action.COMPLIANCE_FREEZE, tenant_id=unit.tenant_id)
    security = tokenised_only(unit.securities.get(request.security_id))
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
    security = tokenised_only(unit.securities.get(security_id))
    applied = [rule_set for rule_set in unit.rule_sets.all(security_id) if rule_set.applied_at is not None]
    if not applied or not any(isinstance(rule, FurtherRule) for rule in applied[-1].enforced):
        raise FurtherRulesMissing(security_id=security_id)
    return security
