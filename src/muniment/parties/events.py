# SPDX-License-Identifier: Apache-2.0
"""What happened to investors, as facts for whoever listens. Ids, codes and instants only: an event never names a person."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import msgspec


class InvestorOnboarded(msgspec.Struct, frozen=True, kw_only=True):
    """An investor exists."""

    kind: ClassVar[str] = "parties.investor_onboarded"
    tenant_id: UUID
    investor_id: UUID


class InvestorVerified(msgspec.Struct, frozen=True, kw_only=True):
    """An investor passed verification; compliance writes it to the identity registry on chain."""

    kind: ClassVar[str] = "parties.investor_verified"
    tenant_id: UUID
    investor_id: UUID
    country: str
    verified_until: str


class InvestorRejected(msgspec.Struct, frozen=True, kw_only=True):
    """An investor failed verification; `codes` say why."""

    kind: ClassVar[str] = "parties.investor_rejected"
    tenant_id: UUID
    investor_id: UUID
    codes: tuple[str, ...]


class InvestorExpired(msgspec.Struct, frozen=True, kw_only=True):
    """An investor's verification ran out; compliance takes them off the identity registry."""

    kind: ClassVar[str] = "parties.investor_expired"
    tenant_id: UUID
    investor_id: UUID


class WalletAdded(msgspec.Struct, frozen=True, kw_only=True):
    """An investor has one more wallet."""

    kind: ClassVar[str] = "parties.wallet_added"
    tenant_id: UUID
    investor_id: UUID
    wallet_id: UUID


class InvestorErased(msgspec.Struct, frozen=True, kw_only=True):
    """An investor's personal data is gone; the row, the wallets and the ledger remain."""

    kind: ClassVar[str] = "parties.investor_erased"
    tenant_id: UUID
    investor_id: UUID


class InvestorSuspended(msgspec.Struct, frozen=True, kw_only=True):
    """A verified investor went back into review; until it is decided compliance takes them off the identity registry."""

    kind: ClassVar[str] = "parties.investor_suspended"
    tenant_id: UUID
    investor_id: UUID
    codes: tuple[str, ...]


class ClaimAdded(msgspec.Struct, frozen=True, kw_only=True):
    """An officer's claim holds from now on."""

    kind: ClassVar[str] = "parties.claim_added"
    tenant_id: UUID
    investor_id: UUID
    claim_id: UUID
    topic: int


class ClaimRevoked(msgspec.Struct, frozen=True, kw_only=True):
    """A claim was ended before its time."""

    kind: ClassVar[str] = "parties.claim_revoked"
    tenant_id: UUID
    investor_id: UUID
    claim_id: UUID
    topic: int


class WalletProved(msgspec.Struct, frozen=True, kw_only=True):
    """An investor proved to hold the key of a wallet of their own."""

    kind: ClassVar[str] = "parties.wallet_proved"
    tenant_id: UUID
    investor_id: UUID
    wallet_id: UUID


class SanctionsListImported(msgspec.Struct, frozen=True, kw_only=True):
    """A sanctions list came in; every investor is screened against it."""

    kind: ClassVar[str] = "parties.sanctions_list_imported"
    tenant_id: UUID
    list_id: UUID
    source: str
