# SPDX-License-Identifier: Apache-2.0
"""Facts that compliance tells through the outbox. Ids, addresses and codes only: no personal data."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import msgspec


class RulesSet(msgspec.Struct, frozen=True, kw_only=True):
    """A security has a new version of its rules; the chain follows."""

    kind: ClassVar[str] = "compliance.rules_set"
    tenant_id: UUID
    security_id: UUID
    version: int


class SecurityOpened(msgspec.Struct, frozen=True, kw_only=True):
    """A security's rules are on the chain and its transfers run; final."""

    kind: ClassVar[str] = "compliance.security_opened"
    tenant_id: UUID
    security_id: UUID
    block_number: int


class InvestorRegistered(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet of a verified investor is in the identity registry; final."""

    kind: ClassVar[str] = "compliance.investor_registered"
    tenant_id: UUID
    investor_id: UUID
    address: str


class InvestorInvalidated(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet's eligibility was ended in the identity registry; final."""

    kind: ClassVar[str] = "compliance.investor_invalidated"
    tenant_id: UUID
    investor_id: UUID
    address: str


class FreezeSettled(msgspec.Struct, frozen=True, kw_only=True):
    """A freeze or its lifting is final on the chain."""

    kind: ClassVar[str] = "compliance.freeze_settled"
    tenant_id: UUID
    freeze_id: UUID
    security_id: UUID
    address: str
    action: str
    succeeded: bool
