# SPDX-License-Identifier: Apache-2.0
"""The use cases of access, one transaction each: signing in, organisations and members, four eyes, the log, idempotency."""

from __future__ import annotations

import datetime as dt
import math
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from muniment.access.errors import (
    BadIdempotencyKey,
    IdempotencyConflict,
    InvitationInvalid,
    NotAMember,
    NotFound,
    NotSignedIn,
    NotUnderFourEyes,
    TooManyAttempts,
    UnknownRole,
    WrongCredentials,
)
from muniment.access.events import ApprovalDecided, ApprovalRequested, MemberJoined, MemberRemoved, OrganisationFounded
from muniment.access.model import (
    FOUR_EYES_ACTIONS,
    Action,
    Actor,
    Approval,
    Approved,
    ApprovedApproval,
    AuditEntry,
    AuditHead,
    AuditVerdict,
    Clearance,
    ExpiredApproval,
    Invitation,
    Member,
    Membership,
    Organisation,
    Pending,
    RejectedApproval,
    Role,
    Session,
    SessionToken,
    User,
    authorize,
    normal_email,
    normal_name,
    request_hash,
    role_names,
    verify_chain,
)
from muniment.access.model.approvals import approve, execute, is_overdue, reject, request_approval
from muniment.access.model.organisations import check_owner_remains
from muniment.access.model.roles import PERMITTED
from muniment.access.model.sign_in import (
    INVITATION_LIFETIME,
    NO_PASSWORD,
    TOKEN_BYTES,
    AttemptKind,
    PasswordHash,
    check_password,
    count_failure,
    hash_password,
    hash_token,
    open_session,
    verify_password,
)
from muniment.access.ports import AccessUnit, Answer, Page, SignInUnit
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import ApprovalId, SessionId, TenantId, UserId, new_id

IDEMPOTENCY_KEY_CHARACTERS_MAX: Final = 200
PAGE_ROWS_MAX: Final = 200


# Signing in


@dataclass(frozen=True, slots=True)
class SignIn:
    """E-mail, password, where the request came from (an IP address), and the organisation to work for (None: the first)."""

    email: str
    password: str = field(repr=False)
    source: str
    tenant_id: TenantId | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session. `token` is told this once and never stored."""

    session: Session
    token: SessionToken = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """No session. A value, so that the transaction commits and the failure counts; raise `refusal` after the commit."""

    refusal: MunimentError


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A live session and who acts through it; `actor` is None while the session has no organisation."""

    session: Session
    actor: Actor | None


def sign_in(request: SignIn, *, unit: SignInUnit) -> SignedIn | SignInRefused:
    """Open a session for the right password; the answer to an unknown user is the same, and takes as long, as to a wrong password.

    After five failures for an account or thirty from a source each further one doubles a pause, up to fifteen minutes.
    """
    at = unit.clock.now()
    user = _check_credentials(request.email, request.password, source=request.source, at=at, unit=unit)
    if isinstance(user, SignInRefused):
        return user
    unit.users.act_for(user.user_id)
    tenant_ids = [membership.tenant_id for membership in unit.memberships.of_user(user.user_id)]
    if request.tenant_id is not None and request.tenant_id not in tenant_ids:
        return SignInRefused(NotAMember())
    chosen = request.tenant_id or next(iter(tenant_ids), None)
    return _open_session(user.user_id, chosen, at=at, unit=unit)


def authenticate(token: str, *, unit: SignInUnit) -> Authenticated:
    """Return whose session a token is, or refuse with `access.not_signed_in`; roles are read anew each time, so a removal works at once."""
    at = unit.clock.now()
    session = unit.sessions.by_token(hash_token(token))
    if session is None or not session.is_live(at):
        raise NotSignedIn
    if session.wants_touch(at):
        unit.sessions.touch(session.session_id, at=at)
    if session.tenant_id is None:
        return Authenticated(session=session, actor=None)
    membership = unit.memberships.find(session.tenant_id, session.user_id)
    if membership is None or not membership.is_active or not unit.organisations.get(session.tenant_id).is_open:
        raise NotSignedIn
    user = unit.users.get(session.user_id)
    actor = Actor(user_id=user.user_id, tenant_id=session.tenant_id, roles=membership.roles, display_name=user.display_name)
    return Authenticated(session=session, actor=actor)


def choose_organisation(token: str, tenant_id: TenantId, *, unit: SignInUnit) -> SignedIn:
    """Move to another organisation of the same user: a new session with a new token; the old one ends."""
    at = unit.clock.now()
    old = authenticate(token, unit=unit).session
    membership = unit.memberships.find(tenant_id, old.user_id)
    if membership is None or not membership.is_active:
        raise NotAMember
    unit.sessions.revoke(old.session_id, at=at)
    return _open_session(old.user_id, tenant_id, at=at, unit=unit)


def sign_out(token: str, *, unit: SignInUnit) -> None:
    """End the session; a token that is none is no error, for the wish is fulfilled."""
    session = unit.sessions.by_token(hash_token(token))
    if session is not None and session.revoked_at is None:
        unit.sessions.revoke(session.session_id, at=unit.clock.now())


def change_password(token: str, *, old: str, new: str, source: str, unit: SignInUnit) -> SignedIn | SignInRefused:
    """Replace the password of the signed-in user, who proves to know the old one; every session ends and a new one begins."""
    session = authenticate(token, unit=unit).session
    check_password(new, field="new_password")
    at = unit.clock.now()
    user = _check_credentials(unit.users.get(session.user_id).email, old, source=source, at=at, unit=unit)
    if isinstance(user, SignInRefused):
        return user
    unit.users.act_for(user.user_id)
    unit.users.set_password(user.user_id, _new_hash(new))
    unit.sessions.revoke_all(user.user_id, at=at)
    return _open_session(user.user_id, session.tenant_id, at=at, unit=unit)


def _check_credentials(email: str, password: str, *, source: str, at: dt.datetime, unit: SignInUnit) -> User | SignInRefused:
    account = email.strip().lower()
    held = {kind: unit.sign_in_attempts.hold(kind, subject, at=at) for kind, subject in _subjects(account, source)}
    pauses = [attempts.blocked_until for attempts in held.values() if attempts.blocked_until is not None and attempts.is_blocked(at)]
    if pauses:
        blocked_until = max(pauses)
        seconds = math.ceil((blocked_until - at).total_seconds())
        return SignInRefused(TooManyAttempts(blocked_until=blocked_until, retry_after_seconds=seconds))
    user = unit.users.by_email(account)
    known = user.password_hash if user is not None else None
    # The hash is computed in every case: the time tells nothing about whether the user exists.
    matches = verify_password(password, known or NO_PASSWORD)
    if user is None or known is None or not matches:
        for kind, subject in _subjects(account, source):
            unit.sign_in_attempts.put(kind, subject, count_failure(held[kind], kind, at=at))
        return SignInRefused(WrongCredentials())
    # Only the account is cleared: a source must not buy itself new guesses with one account of its own.
    unit.sign_in_attempts.clear(AttemptKind.ACCOUNT, account)
    return user


def _subjects(account: str, source: str) -> tuple[tuple[AttemptKind, str], ...]:
    # Always in this order, so that two sign-ins never wait for each other in a circle.
    return (AttemptKind.ACCOUNT, account), (AttemptKind.SOURCE, source)


def _open_session(user_id: UserId, tenant_id: TenantId | None, *, at: dt.datetime, unit: SignInUnit) -> SignedIn:
    token = SessionToken(secrets.token_urlsafe(TOKEN_BYTES))
    session = open_session(session_id=SessionId(new_id(at)), user_id=user_id, tenant_id=tenant_id, at=at)
    unit.sessions.add(session, token_hash=hash_token(token))
    return SignedIn(session=session, token=token)


def _new_hash(password: str) -> PasswordHash:
    return hash_password(password, salt=secrets.token_bytes(16))


# Organisations and members


@dataclass(frozen=True, slots=True)
class FoundOrganisation:
    """A new tenant's name and country (ISO 3166-1 alpha-2), its first owner, and what its policy puts under four eyes.

    An organisation of one person can be founded with fewer `four_eyes`; afterwards only two people can take an action out.
    """

    name: str
    country: str
    owner_email: str
    owner_name: str
    owner_password: str = field(repr=False)
    four_eyes: frozenset[Action] = FOUR_EYES_ACTIONS


@dataclass(frozen=True, slots=True)
class FoundedOrganisation:
    """The organisation and its owner, ready to act."""

    organisation: Organisation
    owner: Actor


@dataclass(frozen=True, slots=True)
class InviteMember:
    """Whom to invite, and with which roles."""

    email: str
    display_name: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class AcceptInvitation:
    """The token of an invitation and the user's password: a new one for a new user, the present one for a known user."""

    token: str = field(repr=False)
    password: str = field(repr=False)
    source: str


def found_organisation(request: FoundOrganisation, *, unit: AccessUnit) -> FoundedOrganisation:
    """Found the organisation `unit.tenant_id` with its first owner. For the operator: no route reaches it.

    A known user becomes the owner only with the password that they have already.
    """
    at = unit.clock.now()
    name = normal_name(request.name)
    display_name = normal_name(request.owner_name, field="owner_name")
    email = normal_email(request.owner_email, field="owner_email")
    user = unit.users.by_email(email, lock=True)
    if user is None:
        check_password(request.owner_password, field="owner_password")
        user = User(UserId(new_id(at)), email, display_name, _new_hash(request.owner_password), at)
        unit.users.add(user)
    elif user.password_hash is None or not verify_password(request.owner_password, user.password_hash):
        raise WrongCredentials(place=Place(field="owner_password"))
    organisation = Organisation(tenant_id=unit.tenant_id, name=name, country=request.country, founded_at=at)
    unit.organisations.add(organisation)
    membership = Membership(unit.tenant_id, user.user_id, frozenset({Role.OWNER}), at)
    unit.memberships.put(membership)
    owner = Actor(user_id=user.user_id, tenant_id=unit.tenant_id, roles=membership.roles, display_name=user.display_name)
    unit.outbox.record(OrganisationFounded(tenant_id=unit.tenant_id, owner_id=user.user_id))
    for action in FOUR_EYES_ACTIONS:
        unit.approvals.set_required(action, required=action in request.four_eyes)
    facts = {"country": request.country, "four_eyes": sorted(action.value for action in request.four_eyes)}
    unit.audit.record(owner, "access.found_organisation", f"organisation:{unit.tenant_id}", facts)
    return FoundedOrganisation(organisation=organisation, owner=owner)


def view_organisation(actor: Actor, *, unit: AccessUnit) -> Organisation:
    """Return the actor's organisation."""
    authorize(actor, Action.ACCESS_VIEW_ORGANISATION, tenant_id=unit.tenant_id)
    return unit.organisations.get(unit.tenant_id)


def list_members(actor: Actor, *, unit: AccessUnit) -> Sequence[Member]:
    """Return the organisation's members with names and addresses."""
    authorize(actor, Action.ACCESS_VIEW_MEMBERS, tenant_id=unit.tenant_id)
    return unit.memberships.members(unit.tenant_id)


def invite_member(actor: Actor, request: InviteMember, *, unit: AccessUnit) -> str:
    """Return the token of an invitation, to be handed to the invited person; it is valid for seven days and told only this once.

    Whether the person has an account already is not told.
    """
    authorize(actor, Action.ACCESS_INVITE_MEMBER, tenant_id=unit.tenant_id)
    at = unit.clock.now()
    email, display_name = normal_email(request.email), normal_name(request.display_name, field="display_name")
    _check_roles(request.roles)
    user = unit.users.by_email(email, lock=True)
    if user is None:
        user = User(UserId(new_id(at)), email, display_name, None, at)
        unit.users.add(user)
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    unit.invitations.add(
        Invitation(
            tenant_id=unit.tenant_id,
            token_hash=hash_token(secret),
            user_id=user.user_id,
            roles=request.roles,
            invited_by=actor.user_id,
            created_at=at,
            expires_at=at + INVITATION_LIFETIME,
        )
    )
    # Not the user: an id that is older than the invitation would tell that the person has an account.
    unit.audit.record(actor, Action.ACCESS_INVITE_MEMBER, _invitation_name(secret), {"roles": role_names(request.roles)})
    return f"{unit.tenant_id}.{secret}"


def invitation_tenant(token: str) -> TenantId:
    """Return the organisation that a token says it is for, so that the caller can open its transaction; the secret proves it there."""
    tenant, _, _ = token.partition(".")
    try:
        return TenantId(UUID(tenant))
    except ValueError:
        raise InvitationInvalid from None


def accept_invitation(request: AcceptInvitation, *, unit: AccessUnit) -> Actor | SignInRefused:
    """Make the invited user a member. A new user sets a password; a known one proves theirs, with the throttle of a sign-in."""
    at = unit.clock.now()
    _, _, secret = request.token.partition(".")
    invitation = unit.invitations.take(hash_token(secret))
    if invitation is None or not invitation.is_open(at):
        raise InvitationInvalid
    user = unit.users.get(invitation.user_id, lock=True)
    if user.password_hash is None:
        check_password(request.password)
        unit.users.set_password(user.user_id, _new_hash(request.password))
    else:
        known = _check_credentials(user.email, request.password, source=request.source, at=at, unit=unit)
        if isinstance(known, SignInRefused):
            return known
    unit.invitations.close(invitation.token_hash, at=at)
    earlier = unit.memberships.find(unit.tenant_id, user.user_id)
    # An invitation adds roles to a present member and starts anew for one who had left.
    roles = invitation.roles | earlier.roles if earlier is not None and earlier.is_active else invitation.roles
    unit.memberships.put(Membership(unit.tenant_id, user.user_id, roles, at))
    actor = Actor(user_id=user.user_id, tenant_id=unit.tenant_id, roles=roles, display_name=user.display_name)
    unit.outbox.record(MemberJoined(tenant_id=unit.tenant_id, user_id=user.user_id, roles=_sorted_names(roles)))
    facts = {"roles": role_names(roles), "invitation": _invitation_name(secret)}
    unit.audit.record(actor, "access.accept_invitation", f"user:{user.user_id}", facts)
    return actor


def change_roles(actor: Actor, user_id: UserId, roles: frozenset[Role], *, unit: AccessUnit) -> Membership:
    """Give a member other roles; the last owner stays an owner."""
    authorize(actor, Action.ACCESS_CHANGE_ROLES, tenant_id=unit.tenant_id)
    _check_roles(roles)
    memberships = unit.memberships.of_tenant(unit.tenant_id, lock=True)
    changed = replace(_of_user(memberships, user_id), roles=roles)
    check_owner_remains(memberships, changed=changed)
    # An older invitation would give the roles back; those that the member made stand while the member may invite.
    may_invite = not roles.isdisjoint(PERMITTED[Action.ACCESS_INVITE_MEMBER])
    unit.invitations.withdraw(user_id, with_made=not may_invite, at=unit.clock.now())
    unit.memberships.put(changed)
    unit.audit.record(actor, Action.ACCESS_CHANGE_ROLES, f"user:{user_id}", {"roles": role_names(roles)})
    return changed


def remove_member(actor: Actor, user_id: UserId, *, unit: AccessUnit) -> None:
    """End a membership, the member's sessions here and the invitations of and by the member; the last owner cannot be removed."""
    authorize(actor, Action.ACCESS_REMOVE_MEMBER, tenant_id=unit.tenant_id)
    at = unit.clock.now()
    memberships = unit.memberships.of_tenant(unit.tenant_id, lock=True)
    removed = replace(_of_user(memberships, user_id), removed_at=at)
    check_owner_remains(memberships, changed=removed)
    # Before the membership, so that somebody who is just accepting one is removed after all.
    withdrawn = unit.invitations.withdraw(user_id, with_made=True, at=at)
    unit.memberships.put(removed)
    sessions_ended = unit.sessions.revoke_all(user_id, at=at)
    unit.outbox.record(MemberRemoved(tenant_id=unit.tenant_id, user_id=user_id))
    facts = {"sessions_ended": sessions_ended, "invitations_withdrawn": withdrawn}
    unit.audit.record(actor, Action.ACCESS_REMOVE_MEMBER, f"user:{user_id}", facts)


def _invitation_name(secret: str) -> str:
    return f"invitation:{hash_token(secret).hex()[:16]}"


def _check_roles(roles: frozenset[Role]) -> None:
    if not roles:
        raise UnknownRole(role="", roles=role_names(frozenset(Role)), place=Place(field="roles"))


def _of_user(memberships: Sequence[Membership], user_id: UserId) -> Membership:
    for membership in memberships:
        if membership.user_id == user_id:
            return membership
    raise NotFound(what="member")


def _sorted_names(roles: frozenset[Role]) -> tuple[str, ...]:
    return tuple(sorted(role.value for role in roles))


# Four eyes


def require_approval(actor: Actor, action: Action, request: Mapping[str, Any], *, unit: AccessUnit) -> Clearance:
    """Return `Approved` if the actor may go on with exactly this request now, else `Pending` with the approval that waits.

    Call it in the command, after its own checks and before its effects. `request` is what will be done, as JSON; the approval is bound to
    the SHA-256 of its canonical form (RFC 8785). An approval that was given is used up by this call, in the same transaction as the effect.
    """
    authorize(actor, action, tenant_id=unit.tenant_id)
    at = unit.clock.now()
    if not _is_required(action, unit):
        return Approved(approval_id=None)
    approval = unit.approvals.open_for(action, request_hash(request))
    if approval is not None and is_overdue(approval, at=at):
        unit.approvals.save(ExpiredApproval(requested=approval if not isinstance(approval, ApprovedApproval) else approval.requested))
        approval = None
    if approval is None:
        approval = request_approval(actor, action, request, approval_id=ApprovalId(new_id(at)), at=at)
        unit.approvals.add(approval)
        unit.outbox.record(ApprovalRequested(tenant_id=unit.tenant_id, approval_id=approval.approval_id, action=action.value))
        facts = {"action": action.value, "request_sha256": approval.request_hash.hex()}
        unit.audit.record(actor, "access.request_approval", f"approval:{approval.approval_id}", facts)
        return Pending(approval_id=approval.approval_id)
    if not isinstance(approval, ApprovedApproval):
        return Pending(approval_id=approval.approval_id)
    unit.approvals.save(execute(approval, at=at))
    approval_id = approval.requested.approval_id
    unit.audit.record(actor, "access.execute_approval", f"approval:{approval_id}", {"action": action.value})
    return Approved(approval_id=approval_id)


def approve_request(actor: Actor, approval_id: ApprovalId, *, unit: AccessUnit) -> ApprovedApproval:
    """Agree to a request as its second person. The caller then runs the command of `approval.requested.action` with the request."""
    authorize(actor, Action.ACCESS_DECIDE_APPROVAL, tenant_id=unit.tenant_id)
    approved = approve(unit.approvals.get(approval_id), by=actor, at=unit.clock.now())
    unit.approvals.save(approved)
    _record_decision(actor, approved, "approved", unit=unit)
    return approved


def reject_request(actor: Actor, approval_id: ApprovalId, rejection: str, *, unit: AccessUnit) -> RejectedApproval:
    """Refuse a request as its second person, with the reason."""
    authorize(actor, Action.ACCESS_DECIDE_APPROVAL, tenant_id=unit.tenant_id)
    rejected = reject(unit.approvals.get(approval_id), by=actor, at=unit.clock.now(), rejection=rejection)
    unit.approvals.save(rejected)
    _record_decision(actor, rejected, "rejected", unit=unit)
    return rejected


def list_approvals(actor: Actor, page: Page, *, unit: AccessUnit, state: str | None = None) -> Sequence[Approval]:
    """Return the organisation's approvals, newest first."""
    authorize(actor, Action.ACCESS_VIEW_APPROVALS, tenant_id=unit.tenant_id)
    return unit.approvals.page(page, state=state)


def view_approval(actor: Actor, approval_id: ApprovalId, *, unit: AccessUnit) -> Approval:
    """Return one approval of the organisation."""
    authorize(actor, Action.ACCESS_VIEW_APPROVALS, tenant_id=unit.tenant_id)
    return unit.approvals.get(approval_id)


def approval_policy(actor: Actor, *, unit: AccessUnit) -> Mapping[Action, bool]:
    """Return for each action that knows four eyes whether the organisation asks for them."""
    authorize(actor, Action.ACCESS_VIEW_APPROVALS, tenant_id=unit.tenant_id)
    decided = unit.approvals.policy()
    otherwise = decided.get(Action.ACCESS_SET_APPROVAL_POLICY, True)
    return {action: decided.get(action, otherwise) for action in sorted(FOUR_EYES_ACTIONS, key=lambda action: action.value)}


def set_approval_policy(actor: Actor, action: Action, *, required: bool, unit: AccessUnit) -> Clearance:
    """Put an action under four eyes, or (itself under four eyes) take it out."""
    authorize(actor, Action.ACCESS_SET_APPROVAL_POLICY, tenant_id=unit.tenant_id)
    if action not in FOUR_EYES_ACTIONS:
        raise NotUnderFourEyes(action=action.value, actions=", ".join(sorted(known.value for known in FOUR_EYES_ACTIONS)))
    clearance: Clearance = Approved(approval_id=None)
    if not required:
        clearance = require_approval(actor, Action.ACCESS_SET_APPROVAL_POLICY, {"action": action.value, "required": required}, unit=unit)
    if isinstance(clearance, Approved):
        unit.approvals.set_required(action, required=required)
        facts = {"action": action.value, "required": required}
        unit.audit.record(actor, Action.ACCESS_SET_APPROVAL_POLICY, f"organisation:{unit.tenant_id}", facts)
    return clearance


def _is_required(action: Action, unit: AccessUnit) -> bool:
    decided = unit.approvals.required(action)
    if decided is None and action in FOUR_EYES_ACTIONS:
        # An action that is younger than the organisation: where one person may change the policy, a second one may not exist.
        decided = unit.approvals.required(Action.ACCESS_SET_APPROVAL_POLICY)
    return action in FOUR_EYES_ACTIONS if decided is None else decided


def _record_decision(actor: Actor, approval: ApprovedApproval | RejectedApproval, state: str, *, unit: AccessUnit) -> None:
    requested = approval.requested
    unit.outbox.record(
        ApprovalDecided(tenant_id=unit.tenant_id, approval_id=requested.approval_id, action=requested.action.value, state=state)
    )
    facts = {"action": requested.action.value, "state": state, "requested_by": str(requested.requested_by)}
    unit.audit.record(actor, Action.ACCESS_DECIDE_APPROVAL, f"approval:{requested.approval_id}", facts)


# The log


def list_audit(
    actor: Actor, page: Page, *, unit: AccessUnit, action: str | None = None, resource: str | None = None
) -> Sequence[AuditEntry]:
    """Return the organisation's log, newest first, of one action or resource where asked."""
    authorize(actor, Action.ACCESS_VIEW_AUDIT, tenant_id=unit.tenant_id)
    return unit.audit.page(page, action=action, resource=resource)


def verify_audit(actor: Actor, *, unit: AccessUnit, anchored: AuditHead | None = None) -> AuditVerdict:
    """Recompute the organisation's whole log; with an anchored head, also find a cut or rewritten tail."""
    authorize(actor, Action.ACCESS_VIEW_AUDIT, tenant_id=unit.tenant_id)
    return verify_chain(unit.audit.entries(), anchored=anchored)


# Idempotency


def idempotently(actor: Actor, key: str | None, request: Mapping[str, Any], run: Callable[[], Answer], *, unit: AccessUnit) -> Answer:
    """Return the answer to a request, run at most once for its key.

    The same key with the same request (method, path, body and user: put them all into `request`) gives the answer of the first time; with
    another request it is refused. A refusal inside `run` rolls the key back with everything else, so it can be tried again. A request
    without a key is simply run.
    """
    if key is None:
        return run()
    if not re.fullmatch(rf"[!-~]{{1,{IDEMPOTENCY_KEY_CHARACTERS_MAX}}}", key):
        raise BadIdempotencyKey(characters_max=IDEMPOTENCY_KEY_CHARACTERS_MAX, place=Place(field="Idempotency-Key"))
    bound = request_hash({"user_id": str(actor.user_id), "request": request})
    kept = unit.idempotency_keys.claim(key, request_hash=bound)
    if kept is not None:
        if kept.request_hash != bound:
            raise IdempotencyConflict(place=Place(field="Idempotency-Key"))
        assert kept.answer is not None, "a claimed key is committed with its answer or not at all"
        return kept.answer
    answer = run()
    unit.idempotency_keys.keep(key, answer)
    return answer
