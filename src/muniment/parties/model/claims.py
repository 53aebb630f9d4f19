# SPDX-License-Identifier: Apache-2.0
"""Claims about an investor by topic, with their evidence's hash and their end. What a rule asks of a claim is decided above."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from muniment.units.ids import InvestorId, TenantId


class ClaimTopic(IntEnum):
    """What is claimed; the number is the topic on chain (ERC-3643 claim topics)."""

    KYC = 1
    AML = 2
    ACCREDITATION = 3
    PROFESSIONAL_CLIENT = 4
    QUALIFIED_PURCHASER = 5
    QUALIFIED_INSTITUTIONAL_BUYER = 6
    RESIDENCE = 7
    TAX_FORM = 8


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody (`issuer`) says it of an investor, with evidence, from `issued_at` until `expires_at`."""

    claim_id: UUID
    tenant_id: TenantId
    investor_id: InvestorId
    topic: ClaimTopic
    issuer: str
    evidence_sha256: bytes
    issued_at: dt.datetime
    expires_at: dt.datetime
    revoked_at: dt.datetime | None = None

    def holds(self, at: dt.datetime) -> bool:
        """Return whether the claim counts at `at`."""
        return self.revoked_at is None and self.issued_at <= at < self.expires_at
