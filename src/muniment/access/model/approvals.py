# SPDX-License-Identifier: Apache-2.0
"""Four eyes: the states of an approval and the steps between them. Which actions need one is each organisation's policy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never

from muniment.access.errors import ApprovalClosed, NotFound, OwnApproval, RejectionWithoutReason
from muniment.access.model.canonical import canonical_value, request_hash
from muniment.access.model.roles import Action, Actor, authorize
from muniment.units.ids import ApprovalId, TenantId, UserId

APPROVAL_HOURS: Final = 72
"""How long a request waits for its second pair of eyes, and then for its execution."""

REJECTION_CHARACTERS_MAX: Final = 500

FOUR_EYES_ACTIONS: Final = frozenset(
    {
        Action.PARTIES_CLASSIFY,
        Action.SETTLEMENT_ISSUE,
        Action.SETTLEMENT_FORCED_TRANSFER,
        Action.SETTLEMENT_RECOVER,
        Action.COMPLIANCE_RELEASE_LOCKUP,
        Action.SERVICING_DECLARE_DIVIDEND,
        Action.ACCESS_SET_APPROVAL_POLICY,
    }
)
"""What needs a second person unless the organisation's policy says otherwise; switching one off is itself such an action.

The command of each of these calls `require_approval`; no other action can be put under four eyes by a policy alone.
"""


@dataclass(frozen=True, slots=True)
class RequestedApproval:
    """Somebody asked; nobody else has looked yet. `request` is canonical JSON and `request_hash` its SHA-256."""

    approval_id: ApprovalId
    tenant_id: TenantId
    action: Action
    request: Mapping[str, Any]
    request_hash: bytes
    requested_by: UserId
    requested_at: dt.datetime
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ApprovedApproval:
    """A second person agreed; it can be executed once until it expires."""

    requested: RequestedApproval
    approved_by: UserId
    approved_at: dt.datetime


@dataclass(frozen=True, slots=True)
class RejectedApproval:
    """A second person said no."""

    requested: RequestedApproval
    rejected_by: UserId
    rejected_at: dt.datetime
    rejection: str


@dataclass(frozen=True, slots=True)
class ExpiredApproval:
    """Its time ran out before it was decided or executed."""

    requested: RequestedApproval


@dataclass(frozen=True, slots=True)
class ExecutedApproval:
    """It was done, and cannot be done again."""

    approved: ApprovedApproval
    executed_at: dt.datetime


Approval: TypeAlias = RequestedApproval | ApprovedApproval | RejectedApproval | ExpiredApproval | ExecutedApproval


@dataclass(frozen=True, slots=True)
class Approved:
    """Go ahead: a second person agreed to exactly this request, or (`approval_id` None) the policy asks for none."""

    approval_id: ApprovalId | None


@dataclass(frozen=True, slots=True)
class Pending:
    """Wait: a second person must agree first."""

    approval_id: ApprovalId


Clearance: TypeAlias = Approved | Pending


def request_approval(
    actor: Actor, action: Action, request: Mapping[str, Any], *, approval_id: ApprovalId, at: dt.datetime
) -> RequestedApproval:
    """Return the request for a second person, bound to the canonical form of `request`."""
    return RequestedApproval(
        approval_id=approval_id,
        tenant_id=actor.tenant_id,
        action=action,
        request=canonical_value(request),
        request_hash=request_hash(request),
        requested_by=actor.user_id,
        requested_at=at,
        expires_at=at + dt.timedelta(hours=APPROVAL_HOURS),
    )


def approve(approval: Approval, *, by: Actor, at: dt.datetime) -> ApprovedApproval:
    """Return the approval as agreed to by a second person, who must be permitted to do the action themself."""
    requested = _open_for(approval, by, at)
    return ApprovedApproval(requested=requested, approved_by=by.user_id, approved_at=at)


def reject(approval: Approval, *, by: Actor, at: dt.datetime, rejection: str) -> RejectedApproval:
    """Return the approval as refused by a second person, with the reason."""
    requested = _open_for(approval, by, at)
    reason = canonical_value(rejection.strip())
    if not 0 < len(reason) <= REJECTION_CHARACTERS_MAX:
        raise RejectionWithoutReason(characters_max=REJECTION_CHARACTERS_MAX)
    return RejectedApproval(requested=requested, rejected_by=by.user_id, rejected_at=at, rejection=reason)


def execute(approval: ApprovedApproval, *, at: dt.datetime) -> ExecutedApproval:
    """Return the approval as used up."""
    if is_overdue(approval, at=at):
        raise ApprovalClosed(state="expired")
    return ExecutedApproval(approved=approval, executed_at=at)


def is_overdue(approval: Approval, *, at: dt.datetime) -> bool:
    """Return whether an open approval's time has run out."""
    match approval:
        case RequestedApproval() | ApprovedApproval():
            return at >= requested_part(approval).expires_at
        case RejectedApproval() | ExpiredApproval() | ExecutedApproval():
            return False
        case _:
            assert_never(approval)


def requested_part(approval: Approval) -> RequestedApproval:
    """Return what was asked for, whatever became of it."""
    match approval:
        case RequestedApproval():
            return approval
        case ApprovedApproval() | RejectedApproval() | ExpiredApproval():
            return approval.requested
        case ExecutedApproval():
            return approval.approved.requested
        case _:
            assert_never(approval)


def state_of(approval: Approval) -> str:
    """Return the state's name, the same in table, JSON and page."""
    match approval:
        case RequestedApproval():
            return "requested"
        case ApprovedApproval():
            return "approved"
        case RejectedApproval():
            return "rejected"
        case ExpiredApproval():
            return "expired"
        case ExecutedApproval():
            return "executed"
        case _:
            assert_never(approval)


def _open_for(approval: Approval, actor: Actor, at: dt.datetime) -> RequestedApproval:
    requested = requested_part(approval)
    if requested.tenant_id != actor.tenant_id:
        raise NotFound(what="approval")
    authorize(actor, Action.ACCESS_DECIDE_APPROVAL, tenant_id=requested.tenant_id)
    authorize(actor, requested.action, tenant_id=requested.tenant_id)
    if not isinstance(approval, RequestedApproval):
        raise ApprovalClosed(state=state_of(approval))
    if is_overdue(approval, at=at):
        raise ApprovalClosed(state="expired")
    if requested.requested_by == actor.user_id:
        raise OwnApproval(action=requested.action.value)
    return approval
