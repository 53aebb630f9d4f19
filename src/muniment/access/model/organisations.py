# SPDX-License-Identifier: Apache-2.0
"""Organisations, users and memberships as values, and the rule that an organisation keeps an owner."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from muniment.access.errors import LastOwner
from muniment.access.model.roles import Role
from muniment.access.model.sign_in import PasswordHash
from muniment.units.ids import TenantId, UserId


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant: an issuer with its own investors, securities and log."""

    tenant_id: TenantId
    name: str
    country: str
    founded_at: dt.datetime
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class User:
    """A person or program that can sign in; known to the whole installation, a member of some organisations."""

    user_id: UserId
    email: str
    display_name: str
    password_hash: PasswordHash | None
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """What a user may be in one organisation."""

    tenant_id: TenantId
    user_id: UserId
    roles: frozenset[Role]
    joined_at: dt.datetime
    removed_at: dt.datetime | None = None

    @property
    def is_active(self) -> bool:
        """Whether the user is a member now."""
        return self.removed_at is None


@dataclass(frozen=True, slots=True)
class Member:
    """A membership with the user's name and address, for the people who administer it."""

    membership: Membership
    email: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """An open offer of membership; whoever holds its token and proves to be the user can take it."""

    tenant_id: TenantId
    token_hash: bytes
    user_id: UserId
    roles: frozenset[Role]
    invited_by: UserId
    created_at: dt.datetime
    expires_at: dt.datetime
    accepted_at: dt.datetime | None = None

    def is_open(self, at: dt.datetime) -> bool:
        """Return whether it can still be taken."""
        return self.accepted_at is None and at < self.expires_at


def check_owner_remains(memberships: Iterable[Membership], *, changed: Membership) -> None:
    """Refuse a change after which no active member would be an owner."""
    after = [changed if membership.user_id == changed.user_id else membership for membership in memberships]
    if not any(membership.is_active and Role.OWNER in membership.roles for membership in after):
        raise LastOwner
