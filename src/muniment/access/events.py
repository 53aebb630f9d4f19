# SPDX-License-Identifier: Apache-2.0
"""What happened in access, as facts for whoever listens. Ids only: an event never names a person."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import msgspec


class OrganisationFounded(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant exists, with its first owner."""

    kind: ClassVar[str] = "access.organisation_founded"
    tenant_id: UUID
    owner_id: UUID


class MemberJoined(msgspec.Struct, frozen=True, kw_only=True):
    """A user became a member."""

    kind: ClassVar[str] = "access.member_joined"
    tenant_id: UUID
    user_id: UUID
    roles: tuple[str, ...]


class MemberRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """A user is a member no more."""

    kind: ClassVar[str] = "access.member_removed"
    tenant_id: UUID
    user_id: UUID


class ApprovalRequested(msgspec.Struct, frozen=True, kw_only=True):
    """An action waits for a second person."""

    kind: ClassVar[str] = "access.approval_requested"
    tenant_id: UUID
    approval_id: UUID
    action: str


class ApprovalDecided(msgspec.Struct, frozen=True, kw_only=True):
    """A second person agreed (`state` approved) or did not (rejected)."""

    kind: ClassVar[str] = "access.approval_decided"
    tenant_id: UUID
    approval_id: UUID
    action: str
    state: str
