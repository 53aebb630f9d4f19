# SPDX-License-Identifier: Apache-2.0
"""Access in PostgreSQL: the ports over one connection, e-mail and name sealed. Decides nothing; row security is in the migration."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as pg_insert

from muniment.access.errors import BadCursor, NotFound
from muniment.access.model import (
    EMPTY_HEAD,
    Action,
    Actor,
    Approval,
    ApprovedApproval,
    AuditEntry,
    AuditHead,
    ExecutedApproval,
    ExpiredApproval,
    Invitation,
    Member,
    Membership,
    Organisation,
    RejectedApproval,
    RequestedApproval,
    Role,
    Session,
    User,
    canonical_value,
    requested_part,
    state_of,
)
from muniment.access.model.audit import link
from muniment.access.model.sign_in import AttemptKind, Attempts, PasswordHash
from muniment.access.ports import Answer, KeptAnswer, Page
from muniment.infra.clock import Clock
from muniment.infra.postgres.database import METADATA
from muniment.infra.sealing import Sealer, WrappedKey
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import ApprovalId, SessionId, TenantId, UserId, parse_id

_INSTANT = sa.DateTime(timezone=True)

ORGANISATION = sa.Table(
    "organisation",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("country", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("founded_at", _INSTANT, nullable=False),
    schema="access",
)
USER_ACCOUNT = sa.Table(
    "user_account",
    METADATA,
    sa.Column("user_id", sa.Uuid, primary_key=True),
    sa.Column("email_token", sa.LargeBinary, nullable=False),
    sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("password_hash", sa.Text),
    sa.Column("created_at", _INSTANT, nullable=False),
    schema="access",
)
MEMBERSHIP = sa.Table(
    "membership",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, primary_key=True),
    sa.Column("roles", ARRAY(sa.Text), nullable=False),
    sa.Column("joined_at", _INSTANT, nullable=False),
    sa.Column("removed_at", _INSTANT),
    schema="access",
)
INVITATION = sa.Table(
    "invitation",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column("user_id", sa.Uuid, nullable=False),
    sa.Column("roles", ARRAY(sa.Text), nullable=False),
    sa.Column("invited_by", sa.Uuid, nullable=False),
    sa.Column("created_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("accepted_at", _INSTANT),
    schema="access",
)
SESSION = sa.Table(
    "session",
    METADATA,
    sa.Column("session_id", sa.Uuid, primary_key=True),
    sa.Column("token_hash", sa.LargeBinary, nullable=False),
    sa.Column("user_id", sa.Uuid, nullable=False),
    sa.Column("tenant_id", sa.Uuid),
    sa.Column("created_at", _INSTANT, nullable=False),
    sa.Column("last_used_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("revoked_at", _INSTANT),
    schema="access",
)
SIGN_IN_ATTEMPT = sa.Table(
    "sign_in_attempt",
    METADATA,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("subject_token", sa.LargeBinary, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("first_at", _INSTANT, nullable=False),
    sa.Column("blocked_until", _INSTANT),
    schema="access",
)
APPROVAL_POLICY = sa.Table(
    "approval_policy",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("action", sa.Text, primary_key=True),
    sa.Column("required", sa.Boolean, nullable=False),
    schema="access",
)
APPROVAL = sa.Table(
    "approval",
    METADATA,
    sa.Column("approval_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("request", JSONB, nullable=False),
    sa.Column("request_hash", sa.LargeBinary, nullable=False),
    sa.Column("requested_by", sa.Uuid, nullable=False),
    sa.Column("requested_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Uuid),
    sa.Column("decided_at", _INSTANT),
    sa.Column("rejection", sa.Text),
    sa.Column("executed_at", _INSTANT),
    schema="access",
)
AUDIT_ENTRY = sa.Table(
    "audit_entry",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("recorded_at", _INSTANT, nullable=False),
    sa.Column("actor_id", sa.Uuid, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("facts", JSONB, nullable=False),
    sa.Column("previous_hash", sa.LargeBinary, nullable=False),
    sa.Column("entry_hash", sa.LargeBinary, nullable=False),
    schema="access",
)
IDEMPOTENCY_KEY = sa.Table(
    "idempotency_key",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_hash", sa.LargeBinary, nullable=False),
    sa.Column("response_status", sa.Integer),
    sa.Column("response_body", JSONB),
    sa.Column("created_at", _INSTANT, nullable=False),
    schema="access",
)


def lock_until_commit(connection: sa.Connection, name: str) -> None:
    """Wait for the lock of that name and hold it until the transaction ends."""
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


class PostgresOrganisations:
    """Organisations."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, organisation: Organisation) -> None:
        """Keep a new organisation."""
        state = "active" if organisation.is_open else "closed"
        row = {"tenant_id": organisation.tenant_id, "name": organisation.name, "country": organisation.country}
        self._connection.execute(sa.insert(ORGANISATION).values(**row, state=state, founded_at=organisation.founded_at))

    def get(self, tenant_id: TenantId) -> Organisation:
        """Return the organisation, or refuse."""
        row = self._connection.execute(sa.select(ORGANISATION).where(ORGANISATION.c.tenant_id == tenant_id)).one_or_none()
        if row is None:
            raise NotFound(what="organisation")
        return _organisation(row)

    def of_user(self, user_id: UserId) -> Sequence[Organisation]:
        """Return the open organisations in which the signed-in user is an active member, by name."""
        query = (
            sa.select(ORGANISATION)
            .join(MEMBERSHIP, MEMBERSHIP.c.tenant_id == ORGANISATION.c.tenant_id)
            .where(MEMBERSHIP.c.user_id == user_id, MEMBERSHIP.c.removed_at.is_(None), ORGANISATION.c.state == "active")
            .order_by(ORGANISATION.c.name, ORGANISATION.c.tenant_id)
        )
        return [_organisation(row) for row in self._connection.execute(query)]


class PostgresUsers:
    """Users; address and name sealed under the user's own key, the address found by its token."""

    def __init__(self, connection: sa.Connection, *, sealer: Sealer) -> None:
        self._connection = connection
        self._sealer = sealer

    def add(self, user: User) -> None:
        """Keep a new user."""
        wrapped = self._sealer.new_key()
        row = {
            "user_id": user.user_id,
            "email_token": self._email_token(user.email),
            "wrapped_key": wrapped,
            "sealed": self._seal(wrapped, user.user_id, user.email, user.display_name),
            "password_hash": user.password_hash,
            "created_at": user.created_at,
        }
        self._connection.execute(sa.insert(USER_ACCOUNT).values(**row).inline())

    def act_for(self, user_id: UserId) -> None:
        """Let the transaction see what belongs to the user."""
        set_local(self._connection, "muniment.user_id", str(user_id))

    def get(self, user_id: UserId, *, lock: bool = False) -> User:
        """Return the user, or refuse; with `lock`, nobody else changes the account until commit."""
        query = sa.select(USER_ACCOUNT).where(USER_ACCOUNT.c.user_id == user_id)
        row = self._connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
        if row is None:
            raise NotFound(what="user")
        return self._user(row)

    def by_email(self, email: str, *, lock: bool = False) -> User | None:
        """Return the user with that address; with `lock`, nobody else who asks so adds one until commit."""
        token = self._email_token(email)
        if lock:
            lock_until_commit(self._connection, f"access.user_account:{token.hex()}")
        # Row security shows the row to whoever can name the address.
        set_local(self._connection, "muniment.looked_up", token.hex())
        row = self._connection.execute(sa.select(USER_ACCOUNT).where(USER_ACCOUNT.c.email_token == token)).one_or_none()
        return None if row is None else self._user(row)

    def set_password(self, user_id: UserId, password_hash: PasswordHash) -> None:
        """Replace the password."""
        self._connection.execute(sa.update(USER_ACCOUNT).where(USER_ACCOUNT.c.user_id == user_id).values(password_hash=password_hash))

    def members_of(self, memberships: Sequence[Membership]) -> list[Member]:
        """Return the memberships with their users' names and addresses."""
        user_ids = [membership.user_id for membership in memberships]
        rows = self._connection.execute(sa.select(USER_ACCOUNT).where(USER_ACCOUNT.c.user_id.in_(user_ids)))
        users = {row.user_id: self._user(row) for row in rows}
        return [
            Member(membership=membership, email=users[membership.user_id].email, display_name=users[membership.user_id].display_name)
            for membership in memberships
        ]

    def _email_token(self, email: str) -> bytes:
        return self._sealer.search_token("access.user_account.email", email)

    def _seal(self, wrapped: WrappedKey, user_id: UserId, email: str, display_name: str) -> bytes:
        plain = json.dumps({"email": email, "display_name": display_name}).encode()
        return self._sealer.seal(wrapped, plain, context=f"access.user_account:{user_id}")

    def _user(self, row: Any) -> User:
        opened = self._sealer.open(WrappedKey(bytes(row.wrapped_key)), bytes(row.sealed), context=f"access.user_account:{row.user_id}")
        plain = json.loads(opened)
        return User(
            user_id=UserId(row.user_id),
            email=plain["email"],
            display_name=plain["display_name"],
            password_hash=None if row.password_hash is None else PasswordHash(row.password_hash),
            created_at=row.created_at,
        )


class PostgresMemberships:
    """Memberships."""

    def __init__(self, connection: sa.Connection, *, users: PostgresUsers) -> None:
        self._connection = connection
        self._users = users

    def put(self, membership: Membership) -> None:
        """Keep the membership, in place of an earlier one."""
        row = {
            "tenant_id": membership.tenant_id,
            "user_id": membership.user_id,
            "roles": sorted(role.value for role in membership.roles),
            "joined_at": membership.joined_at,
            "removed_at": membership.removed_at,
        }
        statement = pg_insert(MEMBERSHIP).values(**row)
        changed = {name: statement.excluded[name] for name in ("roles", "joined_at", "removed_at")}
        self._connection.execute(statement.on_conflict_do_update(index_elements=["tenant_id", "user_id"], set_=changed))

    def find(self, tenant_id: TenantId, user_id: UserId) -> Membership | None:
        """Return the membership, removed or not."""
        query = sa.select(MEMBERSHIP).where(MEMBERSHIP.c.tenant_id == tenant_id, MEMBERSHIP.c.user_id == user_id)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _membership(row)

    def of_user(self, user_id: UserId) -> Sequence[Membership]:
        """Return the user's active memberships, oldest first."""
        query = (
            sa.select(MEMBERSHIP)
            .where(MEMBERSHIP.c.user_id == user_id, MEMBERSHIP.c.removed_at.is_(None))
            .order_by(MEMBERSHIP.c.joined_at, MEMBERSHIP.c.tenant_id)
        )
        return [_membership(row) for row in self._connection.execute(query)]

    def of_tenant(self, tenant_id: TenantId, *, lock: bool = False) -> Sequence[Membership]:
        """Return the organisation's active memberships, oldest first."""
        query = (
            sa.select(MEMBERSHIP)
            .where(MEMBERSHIP.c.tenant_id == tenant_id, MEMBERSHIP.c.removed_at.is_(None))
            .order_by(MEMBERSHIP.c.joined_at, MEMBERSHIP.c.user_id)
        )
        if lock:
            # The rows alone are not enough: two owners who leave at once would each see the other stay.
            lock_until_commit(self._connection, f"access.membership:{tenant_id}")
        return [_membership(row) for row in self._connection.execute(query)]

    def members(self, tenant_id: TenantId) -> Sequence[Member]:
        """Return the active members with name and address."""
        return self._users.members_of(self.of_tenant(tenant_id))


class PostgresInvitations:
    """Invitations of one organisation."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, invitation: Invitation) -> None:
        """Keep a new invitation."""
        row = {
            "tenant_id": invitation.tenant_id,
            "token_hash": invitation.token_hash,
            "user_id": invitation.user_id,
            "roles": sorted(role.value for role in invitation.roles),
            "invited_by": invitation.invited_by,
            "created_at": invitation.created_at,
            "expires_at": invitation.expires_at,
            "accepted_at": invitation.accepted_at,
        }
        self._connection.execute(sa.insert(INVITATION).values(**row))

    def take(self, token_hash: bytes) -> Invitation | None:
        """Return the invitation with that token, locked until commit."""
        query = sa.select(INVITATION).where(INVITATION.c.token_hash == token_hash).with_for_update()
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return Invitation(
            tenant_id=TenantId(row.tenant_id),
            token_hash=bytes(row.token_hash),
            user_id=UserId(row.user_id),
            roles=frozenset(Role(name) for name in row.roles),
            invited_by=UserId(row.invited_by),
            created_at=row.created_at,
            expires_at=row.expires_at,
            accepted_at=row.accepted_at,
        )

    def withdraw(self, user_id: UserId, *, with_made: bool, at: dt.datetime) -> int:
        """End the user's open invitations, and with `with_made` those that the user made; return how many."""
        of_user = INVITATION.c.user_id == user_id
        wanted = sa.or_(of_user, INVITATION.c.invited_by == user_id) if with_made else of_user
        is_open = sa.and_(INVITATION.c.accepted_at.is_(None), INVITATION.c.expires_at > at)
        return self._connection.execute(sa.update(INVITATION).where(wanted, is_open).values(expires_at=at)).rowcount

    def close(self, token_hash: bytes, *, at: dt.datetime) -> None:
        """Mark the invitation as accepted."""
        self._connection.execute(sa.update(INVITATION).where(INVITATION.c.token_hash == token_hash).values(accepted_at=at))


class PostgresSessions:
    """Sessions by the hash of their token."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, session: Session, *, token_hash: bytes) -> None:
        """Keep a new session."""
        row = {
            "session_id": session.session_id,
            "token_hash": token_hash,
            "user_id": session.user_id,
            "tenant_id": session.tenant_id,
            "created_at": session.created_at,
            "last_used_at": session.last_used_at,
            "expires_at": session.expires_at,
            "revoked_at": session.revoked_at,
        }
        self._connection.execute(sa.insert(SESSION).values(**row))

    def by_token(self, token_hash: bytes) -> Session | None:
        """Return the session with that token; the transaction then acts for its user."""
        set_local(self._connection, "muniment.looked_up", token_hash.hex())
        row = self._connection.execute(sa.select(SESSION).where(SESSION.c.token_hash == token_hash)).one_or_none()
        if row is None:
            return None
        set_local(self._connection, "muniment.user_id", str(row.user_id))
        return Session(
            session_id=SessionId(row.session_id),
            user_id=UserId(row.user_id),
            tenant_id=None if row.tenant_id is None else TenantId(row.tenant_id),
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )

    def touch(self, session_id: SessionId, *, at: dt.datetime) -> None:
        """Write the session's last use."""
        self._connection.execute(sa.update(SESSION).where(SESSION.c.session_id == session_id).values(last_used_at=at))

    def revoke(self, session_id: SessionId, *, at: dt.datetime) -> None:
        """End the session."""
        self._connection.execute(sa.update(SESSION).where(SESSION.c.session_id == session_id).values(revoked_at=at))

    def revoke_all(self, user_id: UserId, *, at: dt.datetime) -> int:
        """End every session of the user that this transaction may see."""
        statement = sa.update(SESSION).where(SESSION.c.user_id == user_id, SESSION.c.revoked_at.is_(None)).values(revoked_at=at)
        return self._connection.execute(statement).rowcount


class PostgresSignInAttempts:
    """Failed sign-ins; accounts and sources are stored as keyed hashes only."""

    def __init__(self, connection: sa.Connection, *, sealer: Sealer) -> None:
        self._connection = connection
        self._sealer = sealer

    def hold(self, kind: AttemptKind, subject: str, *, at: dt.datetime) -> Attempts:
        """Return the failures so far and hold the row until commit."""
        statement = pg_insert(SIGN_IN_ATTEMPT).values(kind=kind.value, subject_token=self._token(kind, subject), failures=0, first_at=at)
        held = statement.on_conflict_do_update(
            index_elements=["kind", "subject_token"], set_={"failures": SIGN_IN_ATTEMPT.c.failures}
        ).returning(SIGN_IN_ATTEMPT.c.failures, SIGN_IN_ATTEMPT.c.first_at, SIGN_IN_ATTEMPT.c.blocked_until)
        row = self._connection.execute(held).one()
        return Attempts(failures=row.failures, first_at=row.first_at, blocked_until=row.blocked_until)

    def put(self, kind: AttemptKind, subject: str, attempts: Attempts) -> None:
        """Keep the count."""
        changed = {"failures": attempts.failures, "first_at": attempts.first_at, "blocked_until": attempts.blocked_until}
        self._connection.execute(sa.update(SIGN_IN_ATTEMPT).where(*self._row(kind, subject)).values(**changed))

    def clear(self, kind: AttemptKind, subject: str) -> None:
        """Forget the failures."""
        self._connection.execute(sa.delete(SIGN_IN_ATTEMPT).where(*self._row(kind, subject)))

    def _row(self, kind: AttemptKind, subject: str) -> tuple[sa.ColumnElement[bool], ...]:
        return SIGN_IN_ATTEMPT.c.kind == kind.value, SIGN_IN_ATTEMPT.c.subject_token == self._token(kind, subject)

    def _token(self, kind: AttemptKind, subject: str) -> bytes:
        return self._sealer.search_token(f"access.sign_in_attempt.{kind.value}", subject)


class PostgresApprovals:
    """Approvals and the policy of one organisation."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def required(self, action: Action) -> bool | None:
        """Return what the organisation decided about this action."""
        query = sa.select(APPROVAL_POLICY.c.required).where(*self._policy_row(action))
        return self._connection.execute(query).scalar_one_or_none()

    def set_required(self, action: Action, *, required: bool) -> None:
        """Write the organisation's decision."""
        statement = pg_insert(APPROVAL_POLICY).values(tenant_id=self._tenant_id, action=action.value, required=required)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", "action"], set_={"required": statement.excluded.required})
        )

    def policy(self) -> Mapping[Action, bool]:
        """Return every decision of the organisation."""
        rows = self._connection.execute(sa.select(APPROVAL_POLICY).where(APPROVAL_POLICY.c.tenant_id == self._tenant_id))
        return {Action(row.action): row.required for row in rows}

    def add(self, approval: RequestedApproval) -> None:
        """Keep a new request."""
        row = {
            "approval_id": approval.approval_id,
            "tenant_id": approval.tenant_id,
            "action": approval.action.value,
            "request": dict(approval.request),
            "request_hash": approval.request_hash,
            "requested_by": approval.requested_by,
            "requested_at": approval.requested_at,
            "expires_at": approval.expires_at,
            "state": "requested",
        }
        self._connection.execute(sa.insert(APPROVAL).values(**row))

    def get(self, approval_id: ApprovalId) -> Approval:
        """Return the approval, locked until commit, or refuse."""
        query = sa.select(APPROVAL).where(*self._own(), APPROVAL.c.approval_id == approval_id).with_for_update()
        row = self._connection.execute(query).one_or_none()
        if row is None:
            raise NotFound(what="approval")
        return _approval(row)

    def open_for(self, action: Action, request_hash: bytes) -> RequestedApproval | ApprovedApproval | None:
        """Return the open approval for exactly this request; two that ask at once come one after the other."""
        lock_until_commit(self._connection, f"access.approval:{self._tenant_id}:{action.value}:{request_hash.hex()}")
        query = (
            sa.select(APPROVAL)
            .where(
                *self._own(),
                APPROVAL.c.action == action.value,
                APPROVAL.c.request_hash == request_hash,
                APPROVAL.c.state.in_(["requested", "approved"]),
            )
            .with_for_update()
        )
        row = self._connection.execute(query).one_or_none()
        approval = None if row is None else _approval(row)
        assert approval is None or isinstance(approval, RequestedApproval | ApprovedApproval), "the query asks for open ones"
        return approval

    def save(self, approval: ApprovedApproval | RejectedApproval | ExpiredApproval | ExecutedApproval) -> None:
        """Write the approval's new state."""
        changed: dict[str, Any] = {"state": state_of(approval)}
        match approval:
            case ApprovedApproval():
                changed |= {"decided_by": approval.approved_by, "decided_at": approval.approved_at}
            case RejectedApproval():
                changed |= {"decided_by": approval.rejected_by, "decided_at": approval.rejected_at, "rejection": approval.rejection}
            case ExecutedApproval():
                changed |= {"executed_at": approval.executed_at}
            case ExpiredApproval():
                pass
        approval_id = requested_part(approval).approval_id
        self._connection.execute(sa.update(APPROVAL).where(*self._own(), APPROVAL.c.approval_id == approval_id).values(**changed))

    def page(self, page: Page, *, state: str | None = None) -> Sequence[Approval]:
        """Return approvals, newest first."""
        query = sa.select(APPROVAL).where(*self._own()).order_by(APPROVAL.c.approval_id.desc()).limit(page.limit)
        if page.cursor is not None:
            query = query.where(APPROVAL.c.approval_id < cursor_id(page.cursor))
        if state is not None:
            query = query.where(APPROVAL.c.state == state)
        return [_approval(row) for row in self._connection.execute(query)]

    def _own(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (APPROVAL.c.tenant_id == self._tenant_id,)

    def _policy_row(self, action: Action) -> tuple[sa.ColumnElement[bool], ...]:
        return APPROVAL_POLICY.c.tenant_id == self._tenant_id, APPROVAL_POLICY.c.action == action.value


class PostgresAudit:
    """The log of one organisation. The database itself refuses an entry that does not follow the last one, and any change.

    Entries are written as the last thing before the commit: the log is then locked for a moment only, and always after every other lock, so
    that two transactions never wait for each other in a circle.
    """

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId, clock: Clock) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._clock = clock
        self._waiting: list[_WaitingEntry] = []
        event.listen(connection, "commit", self._write_waiting)

    def record(self, actor: Actor, action: Action | str, resource: str, facts: Mapping[str, Any]) -> None:
        """Append an entry at the commit of this transaction."""
        assert actor.tenant_id == self._tenant_id, "each organisation has its own log"
        name = action.value if isinstance(action, Action) else action
        # What the caller changes afterwards in its facts is not what happened.
        entry = _WaitingEntry(self._clock.now(), actor.user_id, name, resource, canonical_value(facts))
        self._waiting.append(entry)

    def head(self) -> AuditHead:
        """Return the last entry's number and hash."""
        self._write_waiting()
        return self._head()

    def entries(self) -> Iterator[AuditEntry]:
        """Return the whole log, oldest first, a thousand rows at a time."""
        self._write_waiting()
        after = 0
        query = sa.select(AUDIT_ENTRY).where(AUDIT_ENTRY.c.tenant_id == self._tenant_id).order_by(AUDIT_ENTRY.c.sequence).limit(1000)
        while rows := self._connection.execute(query.where(AUDIT_ENTRY.c.sequence > after)).all():
            yield from (_audit_entry(row) for row in rows)
            after = rows[-1].sequence

    def page(self, page: Page, *, action: str | None = None, resource: str | None = None) -> Sequence[AuditEntry]:
        """Return entries, newest first."""
        self._write_waiting()
        query = (
            sa.select(AUDIT_ENTRY)
            .where(AUDIT_ENTRY.c.tenant_id == self._tenant_id)
            .order_by(AUDIT_ENTRY.c.sequence.desc())
            .limit(page.limit)
        )
        if page.cursor is not None:
            query = query.where(AUDIT_ENTRY.c.sequence < _cursor_number(page.cursor))
        if action is not None:
            query = query.where(AUDIT_ENTRY.c.action == action)
        if resource is not None:
            query = query.where(AUDIT_ENTRY.c.resource == resource)
        return [_audit_entry(row) for row in self._connection.execute(query)]

    def _head(self) -> AuditHead:
        query = (
            sa.select(AUDIT_ENTRY.c.sequence, AUDIT_ENTRY.c.entry_hash)
            .where(AUDIT_ENTRY.c.tenant_id == self._tenant_id)
            .order_by(AUDIT_ENTRY.c.sequence.desc())
            .limit(1)
        )
        row = self._connection.execute(query).one_or_none()
        return EMPTY_HEAD if row is None else AuditHead(sequence=row.sequence, entry_hash=bytes(row.entry_hash))

    def _write_waiting(self, _connection: sa.Connection | None = None) -> None:
        if not self._waiting:
            return
        lock_until_commit(self._connection, f"access.audit:{self._tenant_id}")
        head = self._head()
        rows = []
        for waiting in self._waiting:
            entry = link(
                head,
                tenant_id=self._tenant_id,
                recorded_at=waiting.recorded_at,
                actor_id=waiting.actor_id,
                action=waiting.action,
                resource=waiting.resource,
                facts=waiting.facts,
            )
            head = AuditHead(sequence=entry.sequence, entry_hash=entry.entry_hash)
            rows.append(dataclasses.asdict(entry))
        self._waiting.clear()
        self._connection.execute(sa.insert(AUDIT_ENTRY), rows)


@dataclass(frozen=True, slots=True)
class _WaitingEntry:
    recorded_at: dt.datetime
    actor_id: UserId
    action: str
    resource: str
    facts: Mapping[str, Any]


class PostgresIdempotencyKeys:
    """Answers of one organisation by idempotency key."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId, clock: Clock) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._clock = clock

    def claim(self, key: str, *, request_hash: bytes) -> KeptAnswer | None:
        """Claim a new key and return None, or return what it was used for."""
        row = {"tenant_id": self._tenant_id, "key": key, "request_hash": request_hash, "created_at": self._clock.now()}
        # A concurrent claim waits here for the other's commit; after its rollback this one gets the key.
        claim = pg_insert(IDEMPOTENCY_KEY).values(**row).on_conflict_do_nothing().returning(IDEMPOTENCY_KEY.c.key)
        if self._connection.execute(claim).one_or_none() is not None:
            return None
        kept = self._connection.execute(sa.select(IDEMPOTENCY_KEY).where(*self._row(key))).one()
        answer = None if kept.response_status is None else Answer(status=kept.response_status, body=kept.response_body)
        return KeptAnswer(request_hash=bytes(kept.request_hash), answer=answer)

    def keep(self, key: str, answer: Answer) -> None:
        """Keep the answer for a claimed key."""
        changed = {"response_status": answer.status, "response_body": answer.body}
        self._connection.execute(sa.update(IDEMPOTENCY_KEY).where(*self._row(key)).values(**changed))

    def _row(self, key: str) -> tuple[sa.ColumnElement[bool], ...]:
        return IDEMPOTENCY_KEY.c.tenant_id == self._tenant_id, IDEMPOTENCY_KEY.c.key == key


def set_local(connection: sa.Connection, name: str, setting: str) -> None:
    """Make a setting for the rest of the transaction; the policies of row security read it."""
    connection.execute(sa.text("SELECT set_config(:name, :setting, true)"), {"name": name, "setting": setting})


def cursor_id(cursor: str) -> UUID:
    """Return the id that a cursor is."""
    try:
        return parse_id(cursor)
    except MunimentError:
        raise BadCursor(cursor=cursor, place=Place(field="cursor")) from None


def _cursor_number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise BadCursor(cursor=cursor, place=Place(field="cursor"))
    return int(cursor)


def _organisation(row: Any) -> Organisation:
    return Organisation(
        tenant_id=TenantId(row.tenant_id), name=row.name, country=row.country, founded_at=row.founded_at, is_open=row.state == "active"
    )


def _membership(row: Any) -> Membership:
    return Membership(
        tenant_id=TenantId(row.tenant_id),
        user_id=UserId(row.user_id),
        roles=frozenset(Role(name) for name in row.roles),
        joined_at=row.joined_at,
        removed_at=row.removed_at,
    )


def _approval(row: Any) -> Approval:
    requested = RequestedApproval(
        approval_id=ApprovalId(row.approval_id),
        tenant_id=TenantId(row.tenant_id),
        action=Action(row.action),
        request=row.request,
        request_hash=bytes(row.request_hash),
        requested_by=UserId(row.requested_by),
        requested_at=row.requested_at,
        expires_at=row.expires_at,
    )
    match row.state:
        case "requested":
            return requested
        case "approved":
            return ApprovedApproval(requested=requested, approved_by=UserId(row.decided_by), approved_at=row.decided_at)
        case "rejected":
            return RejectedApproval(
                requested=requested, rejected_by=UserId(row.decided_by), rejected_at=row.decided_at, rejection=row.rejection
            )
        case "expired":
            return ExpiredApproval(requested=requested)
        case "executed":
            approved = ApprovedApproval(requested=requested, approved_by=UserId(row.decided_by), approved_at=row.decided_at)
            return ExecutedApproval(approved=approved, executed_at=row.executed_at)
        case state:
            raise AssertionError(f"the table's CHECK does not know the state {state}")


def _audit_entry(row: Any) -> AuditEntry:
    return AuditEntry(
        tenant_id=TenantId(row.tenant_id),
        sequence=row.sequence,
        recorded_at=row.recorded_at,
        actor_id=UserId(row.actor_id),
        action=row.action,
        resource=row.resource,
        facts=row.facts,
        previous_hash=bytes(row.previous_hash),
        entry_hash=bytes(row.entry_hash),
    )
