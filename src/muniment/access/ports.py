# SPDX-License-Identifier: Apache-2.0
"""What access needs, as Protocols, and the root of every context's unit of work. PostgreSQL's answers are in `store`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from muniment.access.model import (
    Action,
    Actor,
    Approval,
    AuditEntry,
    AuditHead,
    Invitation,
    Member,
    Membership,
    Organisation,
    Session,
    User,
)
from muniment.access.model.approvals import ApprovedApproval, ExecutedApproval, ExpiredApproval, RejectedApproval, RequestedApproval
from muniment.access.model.sign_in import AttemptKind, Attempts, PasswordHash
from muniment.infra.clock import Clock
from muniment.infra.evm.sender import Transactions
from muniment.infra.jobs import Jobs
from muniment.infra.outbox import Outbox
from muniment.units.ids import ApprovalId, SessionId, TenantId, UserId


class Organisations(Protocol):
    """The organisations that this transaction may see."""

    def add(self, organisation: Organisation) -> None:
        """Keep a new organisation."""
        ...

    def get(self, tenant_id: TenantId) -> Organisation:
        """Return the organisation, or refuse with `access.not_found`."""
        ...

    def of_user(self, user_id: UserId) -> Sequence[Organisation]:
        """Return the open organisations in which the signed-in user is an active member, by name."""
        ...


class Users(Protocol):
    """Users; e-mail address and name are sealed in the store and plain here."""

    def add(self, user: User) -> None:
        """Keep a new user."""
        ...

    def act_for(self, user_id: UserId) -> None:
        """From here on this transaction also sees what belongs to the user: account, sessions, memberships everywhere."""
        ...

    def get(self, user_id: UserId, *, lock: bool = False) -> User:
        """Return the user, or refuse with `access.not_found`; with `lock`, nobody else changes the account until commit."""
        ...

    def by_email(self, email: str, *, lock: bool = False) -> User | None:
        """Return the user with that (normal) address, from any organisation; with `lock`, nobody else who asks so adds one until commit."""
        ...

    def set_password(self, user_id: UserId, password_hash: PasswordHash) -> None:
        """Replace the password."""
        ...


class Memberships(Protocol):
    """Who is a member of what."""

    def put(self, membership: Membership) -> None:
        """Keep the membership, in place of an earlier one of the same user and organisation."""
        ...

    def find(self, tenant_id: TenantId, user_id: UserId) -> Membership | None:
        """Return the membership, removed or not."""
        ...

    def of_user(self, user_id: UserId) -> Sequence[Membership]:
        """Return the signed-in user's active memberships, oldest first."""
        ...

    def of_tenant(self, tenant_id: TenantId, *, lock: bool = False) -> Sequence[Membership]:
        """Return the active memberships of an organisation, oldest first; with `lock`, nobody else changes them until commit."""
        ...

    def members(self, tenant_id: TenantId) -> Sequence[Member]:
        """Return the active members with name and address, oldest first."""
        ...


class Invitations(Protocol):
    """Open offers of membership in this transaction's organisation."""

    def add(self, invitation: Invitation) -> None:
        """Keep a new invitation."""
        ...

    def take(self, token_hash: bytes) -> Invitation | None:
        """Return the invitation with that token, locked until commit."""
        ...

    def withdraw(self, user_id: UserId, *, with_made: bool, at: dt.datetime) -> int:
        """End the user's open invitations, and with `with_made` those that the user made; return how many."""
        ...

    def close(self, token_hash: bytes, *, at: dt.datetime) -> None:
        """Mark the invitation as accepted."""
        ...


class Sessions(Protocol):
    """Sessions, found by the hash of their token."""

    def add(self, session: Session, *, token_hash: bytes) -> None:
        """Keep a new session."""
        ...

    def by_token(self, token_hash: bytes) -> Session | None:
        """Return the session with that token, live or not; from here on the transaction acts for its user."""
        ...

    def touch(self, session_id: SessionId, *, at: dt.datetime) -> None:
        """Write the session's last use."""
        ...

    def revoke(self, session_id: SessionId, *, at: dt.datetime) -> None:
        """End the session."""
        ...

    def revoke_all(self, user_id: UserId, *, at: dt.datetime) -> int:
        """End every session of the user that this transaction may see; return how many."""
        ...


class SignInAttempts(Protocol):
    """Failed sign-ins by account and by source."""

    def hold(self, kind: AttemptKind, subject: str, *, at: dt.datetime) -> Attempts:
        """Return the failures so far, held until commit, so that a burst of guesses queues up and each sees the count of the one before."""
        ...

    def put(self, kind: AttemptKind, subject: str, attempts: Attempts) -> None:
        """Keep the count."""
        ...

    def clear(self, kind: AttemptKind, subject: str) -> None:
        """Forget the failures after a success."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """A slice of a list: at most `limit` rows after (for newest-first lists: before) the row named by `cursor`."""

    limit: int = 50
    cursor: str | None = None


class Approvals(Protocol):
    """Approvals and each organisation's policy."""

    def required(self, action: Action) -> bool | None:
        """Return what the organisation decided about this action; None where it decided nothing."""
        ...

    def set_required(self, action: Action, *, required: bool) -> None:
        """Write the organisation's decision about this action."""
        ...

    def policy(self) -> Mapping[Action, bool]:
        """Return every decision of the organisation."""
        ...

    def add(self, approval: RequestedApproval) -> None:
        """Keep a new request."""
        ...

    def get(self, approval_id: ApprovalId) -> Approval:
        """Return the approval, locked until commit, or refuse with `access.not_found`."""
        ...

    def open_for(self, action: Action, request_hash: bytes) -> RequestedApproval | ApprovedApproval | None:
        """Return the requested or approved approval for exactly this request, locked until commit."""
        ...

    def save(self, approval: ApprovedApproval | RejectedApproval | ExpiredApproval | ExecutedApproval) -> None:
        """Write the approval's new state."""
        ...

    def page(self, page: Page, *, state: str | None = None) -> Sequence[Approval]:
        """Return approvals, newest first; the cursor is an approval id."""
        ...


class Audit(Protocol):
    """The organisation's log: it only grows."""

    def record(self, actor: Actor, action: Action | str, resource: str, facts: Mapping[str, Any]) -> None:
        """Append an entry, linked to the last one, at the commit of this transaction; a rollback leaves no entry and no gap.

        `facts` hold ids, amounts and codes, never a name, an address of a person or any other personal data.
        """
        ...

    def head(self) -> AuditHead:
        """Return the last entry's number and hash."""
        ...

    def entries(self) -> Iterator[AuditEntry]:
        """Return the whole log, oldest first, without holding all of it in memory."""
        ...

    def page(self, page: Page, *, action: str | None = None, resource: str | None = None) -> Sequence[AuditEntry]:
        """Return entries, newest first; the cursor is a sequence number."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered: an HTTP status and a JSON body without personal data or secrets."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An idempotency key's request, and its answer once there is one."""

    request_hash: bytes
    answer: Answer | None


class IdempotencyKeys(Protocol):
    """Answers by idempotency key."""

    def claim(self, key: str, *, request_hash: bytes) -> KeptAnswer | None:
        """Claim a new key and return None, or return what it was used for; a concurrent claim of the same key waits until commit."""
        ...

    def keep(self, key: str, answer: Answer) -> None:
        """Keep the answer for a claimed key."""
        ...


class SignInUnit(Protocol):
    """One transaction without an organisation, for whoever is not signed in yet or is choosing."""

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def organisations(self) -> Organisations:
        """Organisations of the signed-in user."""
        ...

    @property
    def users(self) -> Users:
        """Users."""
        ...

    @property
    def memberships(self) -> Memberships:
        """Memberships of the signed-in user."""
        ...

    @property
    def sessions(self) -> Sessions:
        """Sessions."""
        ...

    @property
    def sign_in_attempts(self) -> SignInAttempts:
        """Failed sign-ins."""
        ...


class AccessUnit(SignInUnit, Protocol):
    """One transaction of one organisation: the root of every context's unit."""

    @property
    def tenant_id(self) -> TenantId:
        """The organisation."""
        ...

    @property
    def invitations(self) -> Invitations:
        """Open offers of membership."""
        ...

    @property
    def approvals(self) -> Approvals:
        """Four eyes."""
        ...

    @property
    def audit(self) -> Audit:
        """The log."""
        ...

    @property
    def idempotency_keys(self) -> IdempotencyKeys:
        """Answers by idempotency key."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Events, recorded in the same transaction."""
        ...

    @property
    def jobs(self) -> Jobs:
        """Long work, deferred in the same transaction."""
        ...

    @property
    def transactions(self) -> Transactions:
        """Transactions for the chain, signed and stored in the same transaction."""
        ...
