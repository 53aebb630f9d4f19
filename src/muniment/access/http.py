# SPDX-License-Identifier: Apache-2.0
"""The REST face of access under /v1: sessions, the signed-in user, members, approvals, the log. Shapes and routes; commands decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Final, Protocol, TypeAlias
from uuid import UUID

import msgspec
from litestar import Request, delete, get, post, put
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation

from muniment.access import commands
from muniment.access.commands import AcceptInvitation, InviteMember, SignedIn, SignIn, SignInRefused
from muniment.access.errors import NotSignedIn
from muniment.access.model import (
    Actor,
    Approval,
    Approved,
    ApprovedApproval,
    AuditEntry,
    Broken,
    ExecutedApproval,
    Intact,
    Membership,
    Organisation,
    Pending,
    RejectedApproval,
    SessionToken,
    csrf_token,
    parse_action,
    parse_role,
    requested_part,
    state_of,
)
from muniment.access.ports import AccessUnit, Page, SignInUnit
from muniment.units.ids import ApprovalId, TenantId, UserId, parse_id

PAGE_ROWS: Final = 50
PAGE_ROWS_MAX: Final = 200
APPROVAL_STATES: Final = ("requested", "approved", "rejected", "expired", "executed")


class ExecuteApproved(Protocol):
    """Runs the command that an approval is for, in the unit in which it was approved; wired by the app, which knows every command."""

    def __call__(self, actor: Actor, approved: ApprovedApproval, *, unit: Any) -> Any:
        """Do what was approved, as `actor`, and return what to tell."""
        ...


class Credentials(Protocol):
    """What the authentication layer leaves on a request."""

    @property
    def token(self) -> SessionToken:
        """The session's secret."""
        ...


AccessRequest: TypeAlias = Request[Any, Any, Any]
AsActor: TypeAlias = SkipValidation[NamedDependency[Actor]]
Begin: TypeAlias = SkipValidation[NamedDependency[Callable[[TenantId], AbstractContextManager[AccessUnit]]]]
BeginSignIn: TypeAlias = SkipValidation[NamedDependency[Callable[[], AbstractContextManager[SignInUnit]]]]
Execute: TypeAlias = SkipValidation[NamedDependency[ExecuteApproved | None]]
Id: TypeAlias = FromPath[str]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX, description="How many rows at most.")]
Cursor: TypeAlias = Annotated[str | None, QueryParameter(max_length=100, description="next_cursor of the page before.")]

Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=1000)]
Password: TypeAlias = Annotated[str, msgspec.Meta(max_length=1000)]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shape on the wire: no field that we do not know."""


class NewSession(_Wire, frozen=True, kw_only=True):
    """E-mail, password, and the organisation to work for (none: the one joined first)."""

    email: Text
    password: Password
    organisation_id: UUID | None = None


class SessionBody(_Wire, frozen=True, kw_only=True):
    """A new session. The token is told once; send it as `Authorization: Bearer TOKEN`."""

    token: str
    csrf_token: str
    expires_at: dt.datetime
    organisation_id: UUID | None


class OrganisationChoice(_Wire, frozen=True, kw_only=True):
    """The organisation to work for."""

    organisation_id: UUID


class NewPassword(_Wire, frozen=True, kw_only=True):
    """The present password and the one to come."""

    old_password: Password
    new_password: Password


class OrganisationBody(_Wire, frozen=True, kw_only=True):
    """An organisation."""

    organisation_id: UUID
    name: str
    country: str
    founded_at: dt.datetime


class MeBody(_Wire, frozen=True, kw_only=True):
    """Who is signed in, where, and what they may do."""

    user_id: UUID
    email: str
    display_name: str
    organisation_id: UUID | None
    roles: list[str]
    actions: list[str]
    organisations: list[OrganisationBody]


class MemberBody(_Wire, frozen=True, kw_only=True):
    """A member."""

    user_id: UUID
    email: str
    display_name: str
    roles: list[str]
    joined_at: dt.datetime


class MembersBody(_Wire, frozen=True, kw_only=True):
    """All members."""

    members: list[MemberBody]


class NewInvitation(_Wire, frozen=True, kw_only=True):
    """Whom to invite, and with which roles."""

    email: Text
    display_name: Text
    roles: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=10)]


class InvitationBody(_Wire, frozen=True, kw_only=True):
    """The token of an invitation, told once; hand it to the invited person."""

    token: str


class Acceptance(_Wire, frozen=True, kw_only=True):
    """An invitation's token and the user's password: a new user sets one, a known user proves theirs."""

    token: Text
    password: Password


class Roles(_Wire, frozen=True, kw_only=True):
    """A member's roles."""

    roles: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=10)]


class MembershipBody(_Wire, frozen=True, kw_only=True):
    """What a user is in the organisation."""

    user_id: UUID
    organisation_id: UUID
    roles: list[str]


class ApprovalBody(_Wire, frozen=True, kw_only=True):
    """A request for a second person and what became of it. `result` is what the executed command told, where it was run at once."""

    approval_id: UUID
    action: str
    state: str
    request: dict[str, Any]
    request_sha256: str
    requested_by: UUID
    requested_at: dt.datetime
    expires_at: dt.datetime
    decided_by: UUID | None = None
    decided_at: dt.datetime | None = None
    rejection: str | None = None
    executed_at: dt.datetime | None = None
    result: Any = None


class ApprovalsBody(_Wire, frozen=True, kw_only=True):
    """A page of approvals, newest first."""

    approvals: list[ApprovalBody]
    next_cursor: str | None


class Rejection(_Wire, frozen=True, kw_only=True):
    """Why not."""

    reason: Text


class PolicyBody(_Wire, frozen=True, kw_only=True):
    """For each action that knows four eyes, whether the organisation asks for them."""

    four_eyes: dict[str, bool]


class PolicyChange(_Wire, frozen=True, kw_only=True):
    """Whether an action needs a second person."""

    required: bool


class PolicyChangeBody(_Wire, frozen=True, kw_only=True):
    """Done, or waiting for the approval that is named."""

    action: str
    done: bool
    approval_id: UUID | None


class AuditEntryBody(_Wire, frozen=True, kw_only=True):
    """One entry of the log; the hash is SHA-256 over the canonical JSON (RFC 8785) of the fields above it."""

    tenant_id: UUID
    sequence: int
    recorded_at: str
    actor_id: UUID
    action: str
    resource: str
    facts: dict[str, Any]
    previous_hash: str
    entry_hash: str


class AuditBody(_Wire, frozen=True, kw_only=True):
    """A page of the log, newest first."""

    entries: list[AuditEntryBody]
    next_cursor: str | None


class AuditVerificationBody(_Wire, frozen=True, kw_only=True):
    """Whether the log is as it was written; `entries` and `head` where it is, the first wrong entry where it is not."""

    intact: bool
    entries: int | None = None
    head: str | None = None
    broken_at: int | None = None
    why: str | None = None


# Sessions


@post("/v1/sessions", sync_to_thread=True, opt={"public": True}, tags=["Access"], summary="Sign in")
def post_session(request: AccessRequest, data: JSONBody[NewSession], begin_sign_in: BeginSignIn) -> SessionBody:
    """Open a session. A wrong password and an unknown user get the same answer; repeated failures get a pause."""
    organisation_id = None if data.organisation_id is None else TenantId(data.organisation_id)
    with begin_sign_in() as unit:
        wish = SignIn(email=data.email, password=data.password, source=_source(request), tenant_id=organisation_id)
        outcome = commands.sign_in(wish, unit=unit)
    return _session(outcome)


@delete(
    "/v1/sessions/current", sync_to_thread=True, opt={"without_organisation": True}, tags=["Access"], summary="Sign out", status_code=204
)
def delete_session(request: AccessRequest, begin_sign_in: BeginSignIn) -> None:
    """End the session."""
    with begin_sign_in() as unit:
        commands.sign_out(_token(request), unit=unit)


@put(
    "/v1/sessions/current/organisation",
    sync_to_thread=True,
    opt={"without_organisation": True},
    tags=["Access"],
    summary="Work for another organisation",
)
def put_organisation(request: AccessRequest, data: JSONBody[OrganisationChoice], begin_sign_in: BeginSignIn) -> SessionBody:
    """Move the session to another organisation of the user: the old token ends, a new one is told."""
    with begin_sign_in() as unit:
        outcome = commands.choose_organisation(_token(request), TenantId(data.organisation_id), unit=unit)
    return _session(outcome)


@get("/v1/me", sync_to_thread=True, opt={"without_organisation": True}, tags=["Access"], summary="Who is signed in")
def get_me(request: AccessRequest, begin_sign_in: BeginSignIn) -> MeBody:
    """Return the signed-in user with the organisations to choose from and everything that the present roles permit."""
    with begin_sign_in() as unit:
        authenticated = commands.authenticate(_token(request), unit=unit)
        user = unit.users.get(authenticated.session.user_id)
        organisations = unit.organisations.of_user(user.user_id)
    actor = authenticated.actor
    return MeBody(
        user_id=user.user_id,
        email=user.email,
        display_name=user.display_name,
        organisation_id=authenticated.session.tenant_id,
        roles=[] if actor is None else sorted(role.value for role in actor.roles),
        actions=[] if actor is None else sorted(action.value for action in actor.actions),
        organisations=[_organisation(organisation) for organisation in organisations],
    )


@put("/v1/me/password", sync_to_thread=True, opt={"without_organisation": True}, tags=["Access"], summary="Change the password")
def put_password(request: AccessRequest, data: JSONBody[NewPassword], begin_sign_in: BeginSignIn) -> SessionBody:
    """Replace the password; every session of the user ends, and a new one is told."""
    with begin_sign_in() as unit:
        outcome = commands.change_password(
            _token(request), old=data.old_password, new=data.new_password, source=_source(request), unit=unit
        )
    return _session(outcome)


# Organisation and members


@get("/v1/organisation", sync_to_thread=True, tags=["Access"], summary="The organisation")
def get_organisation(actor: AsActor, begin: Begin) -> OrganisationBody:
    """Return the organisation that the session works for."""
    with begin(actor.tenant_id) as unit:
        return _organisation(commands.view_organisation(actor, unit=unit))


@get("/v1/members", sync_to_thread=True, tags=["Access"], summary="Members")
def get_members(actor: AsActor, begin: Begin) -> MembersBody:
    """Return the organisation's members."""
    with begin(actor.tenant_id) as unit:
        members = commands.list_members(actor, unit=unit)
    return MembersBody(
        members=[
            MemberBody(
                user_id=member.membership.user_id,
                email=member.email,
                display_name=member.display_name,
                roles=_role_values(member.membership),
                joined_at=member.membership.joined_at,
            )
            for member in members
        ]
    )


@post("/v1/invitations", sync_to_thread=True, tags=["Access"], summary="Invite a member")
def post_invitation(actor: AsActor, data: JSONBody[NewInvitation], begin: Begin) -> InvitationBody:
    """Invite somebody; the token is valid for seven days and told only here."""
    invitation = InviteMember(email=data.email, display_name=data.display_name, roles=frozenset(parse_role(role) for role in data.roles))
    with begin(actor.tenant_id) as unit:
        return InvitationBody(token=commands.invite_member(actor, invitation, unit=unit))


@post("/v1/invitations/accept", sync_to_thread=True, opt={"public": True}, tags=["Access"], summary="Accept an invitation")
def post_acceptance(request: AccessRequest, data: JSONBody[Acceptance], begin: Begin) -> MembershipBody:
    """Become a member. A new user sets a password with it; a known user proves theirs."""
    with begin(commands.invitation_tenant(data.token)) as unit:
        acceptance = AcceptInvitation(token=data.token, password=data.password, source=_source(request))
        outcome = commands.accept_invitation(acceptance, unit=unit)
    if isinstance(outcome, SignInRefused):
        raise outcome.refusal
    return MembershipBody(user_id=outcome.user_id, organisation_id=outcome.tenant_id, roles=sorted(role.value for role in outcome.roles))


@put("/v1/members/{user_id:str}/roles", sync_to_thread=True, tags=["Access"], summary="Change a member's roles")
def put_roles(actor: AsActor, user_id: Id, data: JSONBody[Roles], begin: Begin) -> MembershipBody:
    """Give a member other roles; the organisation keeps an owner."""
    roles = frozenset(parse_role(role) for role in data.roles)
    with begin(actor.tenant_id) as unit:
        membership = commands.change_roles(actor, UserId(parse_id(user_id, field="user_id")), roles, unit=unit)
    return MembershipBody(user_id=membership.user_id, organisation_id=membership.tenant_id, roles=_role_values(membership))


@delete("/v1/members/{user_id:str}", sync_to_thread=True, tags=["Access"], summary="Remove a member", status_code=204)
def delete_member(actor: AsActor, user_id: Id, begin: Begin) -> None:
    """End a membership and the member's sessions here; the organisation keeps an owner."""
    with begin(actor.tenant_id) as unit:
        commands.remove_member(actor, UserId(parse_id(user_id, field="user_id")), unit=unit)


# Four eyes


@get("/v1/approvals", sync_to_thread=True, tags=["Approvals"], summary="Approvals")
def get_approvals(
    actor: AsActor,
    begin: Begin,
    approval_state: Annotated[str | None, QueryParameter(name="state", pattern="|".join(APPROVAL_STATES))] = None,
    limit: Limit = PAGE_ROWS,
    cursor: Cursor = None,
) -> ApprovalsBody:
    """Return requests for a second person, newest first."""
    with begin(actor.tenant_id) as unit:
        approvals = commands.list_approvals(actor, Page(limit=limit, cursor=cursor), unit=unit, state=approval_state)
    last = str(requested_part(approvals[-1]).approval_id) if len(approvals) == limit else None
    return ApprovalsBody(approvals=[_approval(approval) for approval in approvals], next_cursor=last)


@get("/v1/approvals/{approval_id:str}", sync_to_thread=True, tags=["Approvals"], summary="An approval")
def get_approval(actor: AsActor, approval_id: Id, begin: Begin) -> ApprovalBody:
    """Return one request for a second person."""
    with begin(actor.tenant_id) as unit:
        return _approval(commands.view_approval(actor, _approval_id(approval_id), unit=unit))


@post("/v1/approvals/{approval_id:str}/approve", sync_to_thread=True, tags=["Approvals"], summary="Approve", status_code=200)
def post_approve(actor: AsActor, approval_id: Id, begin: Begin, execute_approved: Execute = None) -> ApprovalBody:
    """Agree as the second person; what was asked for is done in the same transaction."""
    with begin(actor.tenant_id) as unit:
        approved = commands.approve_request(actor, _approval_id(approval_id), unit=unit)
        result = None if execute_approved is None else execute_approved(actor, approved, unit=unit)
        after = unit.approvals.get(approved.requested.approval_id)
    return msgspec.structs.replace(_approval(after), result=msgspec.to_builtins(result))


@post("/v1/approvals/{approval_id:str}/reject", sync_to_thread=True, tags=["Approvals"], summary="Reject", status_code=200)
def post_reject(actor: AsActor, approval_id: Id, data: JSONBody[Rejection], begin: Begin) -> ApprovalBody:
    """Refuse as the second person, with the reason."""
    with begin(actor.tenant_id) as unit:
        return _approval(commands.reject_request(actor, _approval_id(approval_id), data.reason, unit=unit))


@get("/v1/approval-policy", sync_to_thread=True, tags=["Approvals"], summary="What needs four eyes")
def get_policy(actor: AsActor, begin: Begin) -> PolicyBody:
    """Return which actions need a second person."""
    with begin(actor.tenant_id) as unit:
        policy = commands.approval_policy(actor, unit=unit)
    return PolicyBody(four_eyes={action.value: required for action, required in policy.items()})


@put("/v1/approval-policy/{action:str}", sync_to_thread=True, tags=["Approvals"], summary="Change what needs four eyes")
def put_policy(actor: AsActor, action: Id, data: JSONBody[PolicyChange], begin: Begin) -> PolicyChangeBody:
    """Put an action under four eyes at once; taking one out needs a second person itself."""
    known = parse_action(action)
    with begin(actor.tenant_id) as unit:
        clearance = commands.set_approval_policy(actor, known, required=data.required, unit=unit)
    match clearance:
        case Approved():
            return PolicyChangeBody(action=known.value, done=True, approval_id=clearance.approval_id)
        case Pending():
            return PolicyChangeBody(action=known.value, done=False, approval_id=clearance.approval_id)


# The log


@get("/v1/audit", sync_to_thread=True, tags=["Audit"], summary="The audit log")
def get_audit(
    actor: AsActor,
    begin: Begin,
    action: Annotated[str | None, QueryParameter(max_length=100)] = None,
    resource: Annotated[str | None, QueryParameter(max_length=200)] = None,
    limit: Limit = PAGE_ROWS,
    cursor: Cursor = None,
) -> AuditBody:
    """Return the log, newest first."""
    with begin(actor.tenant_id) as unit:
        entries = commands.list_audit(actor, Page(limit=limit, cursor=cursor), unit=unit, action=action, resource=resource)
    last = str(entries[-1].sequence) if len(entries) == limit else None
    return AuditBody(entries=[_audit_entry(entry) for entry in entries], next_cursor=last)


@get("/v1/audit/verification", sync_to_thread=True, tags=["Audit"], summary="Verify the audit log")
def get_audit_verification(actor: AsActor, begin: Begin) -> AuditVerificationBody:
    """Recompute every hash of the log and say whether it is as it was written."""
    with begin(actor.tenant_id) as unit:
        verdict = commands.verify_audit(actor, unit=unit)
    match verdict:
        case Intact():
            return AuditVerificationBody(intact=True, entries=verdict.head.sequence, head=verdict.head.entry_hash.hex())
        case Broken():
            return AuditVerificationBody(intact=False, broken_at=verdict.at_sequence, why=verdict.why)


ROUTES: Sequence[HTTPRouteHandler] = [
    post_session,
    delete_session,
    put_organisation,
    get_me,
    put_password,
    get_organisation,
    get_members,
    post_invitation,
    post_acceptance,
    put_roles,
    delete_member,
    get_approvals,
    get_approval,
    post_approve,
    post_reject,
    get_policy,
    put_policy,
    get_audit,
    get_audit_verification,
]


def _session(outcome: SignedIn | SignInRefused) -> SessionBody:
    # Raised here, after the transaction: the counted failure stays counted.
    if isinstance(outcome, SignInRefused):
        raise outcome.refusal
    return SessionBody(
        token=outcome.token,
        csrf_token=csrf_token(outcome.token),
        expires_at=outcome.session.expires_at,
        organisation_id=outcome.session.tenant_id,
    )


def _token(request: AccessRequest) -> SessionToken:
    credentials: Credentials | None = request.scope.get("auth")
    if credentials is None:
        raise NotSignedIn
    return credentials.token


def _source(request: AccessRequest) -> str:
    return request.client.host if request.client is not None else "unknown"


def _approval_id(text: str) -> ApprovalId:
    return ApprovalId(parse_id(text, field="approval_id"))


def _organisation(organisation: Organisation) -> OrganisationBody:
    return OrganisationBody(
        organisation_id=organisation.tenant_id,
        name=organisation.name,
        country=organisation.country,
        founded_at=organisation.founded_at,
    )


def _role_values(membership: Membership) -> list[str]:
    return sorted(role.value for role in membership.roles)


def _approval(approval: Approval) -> ApprovalBody:
    requested = requested_part(approval)
    body = ApprovalBody(
        approval_id=requested.approval_id,
        action=requested.action.value,
        state=state_of(approval),
        request=dict(requested.request),
        request_sha256=requested.request_hash.hex(),
        requested_by=requested.requested_by,
        requested_at=requested.requested_at,
        expires_at=requested.expires_at,
    )
    executed_at = approval.executed_at if isinstance(approval, ExecutedApproval) else None
    decided = approval.approved if isinstance(approval, ExecutedApproval) else approval
    if isinstance(decided, ApprovedApproval):
        return msgspec.structs.replace(body, decided_by=decided.approved_by, decided_at=decided.approved_at, executed_at=executed_at)
    if isinstance(decided, RejectedApproval):
        return msgspec.structs.replace(body, decided_by=decided.rejected_by, decided_at=decided.rejected_at, rejection=decided.rejection)
    return body


def _audit_entry(entry: AuditEntry) -> AuditEntryBody:
    return AuditEntryBody(**entry.as_json())
