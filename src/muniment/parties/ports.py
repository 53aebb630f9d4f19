# SPDX-License-Identifier: Apache-2.0
"""What parties needs, as Protocols. PostgreSQL's answers are in `store`; the keystore is infra's, the sandbox provider is in the model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from muniment.access.ports import AccessUnit, Page
from muniment.parties.model import Claim, Investor, InvestorDraft, PersonalData, Verdict, Wallet
from muniment.units.ids import Address, InvestorId, TenantId


@dataclass(frozen=True, slots=True)
class NewInvestor:
    """An investor to be stored, with the draft that the personal data comes from."""

    investor: Investor
    draft: InvestorDraft


@dataclass(frozen=True, slots=True)
class KnownReference:
    """An external reference that is in use; `same` says whether the draft that was asked about holds the same data."""

    investor_id: InvestorId
    same: bool
    erased: bool


class Investors(Protocol):
    """The organisation's investors; personal data is sealed in the store and plain here."""

    def lock_onboarding(self) -> None:
        """Let no other transaction of the organisation onboard until commit, so that two imports of one file make nobody twice."""
        ...

    def known(self, drafts: Sequence[InvestorDraft]) -> Mapping[str, KnownReference]:
        """Return which of the drafts' external references are in use."""
        ...

    def add(self, investors: Sequence[NewInvestor]) -> None:
        """Keep new investors, each with a fresh key for the personal data."""
        ...

    def get(self, investor_id: InvestorId, *, lock: bool = False) -> Investor:
        """Return the investor, or refuse with `parties.investor_not_found`; with `lock`, nobody else changes it until commit."""
        ...

    def many(self, investor_ids: Sequence[InvestorId]) -> Mapping[InvestorId, Investor]:
        """Return the investors with these ids, as far as they exist."""
        ...

    def by_reference(self, external_reference: str) -> Investor | None:
        """Return the investor with that external reference."""
        ...

    def persons(self, investor_ids: Sequence[InvestorId]) -> Mapping[InvestorId, PersonalData]:
        """Return the personal data of these investors; an erased one is left out. The caller has asked `authorize` and writes the log."""
        ...

    def page(self, page: Page, *, text: str | None = None, status: str | None = None) -> Sequence[Investor]:
        """Return investors, newest first; the cursor is an investor id.

        `text` finds the exact e-mail address, tax id, name, external reference or wallet address, small and capital letters alike.
        """
        ...

    def count(self) -> Mapping[str, int]:
        """Return how many investors have each status."""
        ...

    def save_standing(self, investor: Investor) -> None:
        """Write the investor's standing."""
        ...

    def overdue(self, at: dt.datetime, *, limit: int) -> Sequence[Investor]:
        """Return verified investors whose verification has run out, locked until commit."""
        ...

    def erase(self, investor_id: InvestorId, *, at: dt.datetime) -> None:
        """Destroy the investor's key, sealed data and search tokens."""
        ...


class Wallets(Protocol):
    """The wallets of the organisation's investors."""

    def add(self, wallets: Sequence[Wallet]) -> None:
        """Keep new wallets; refuse with `parties.duplicate_wallet` what is taken."""
        ...

    def taken(self, addresses: Sequence[Address]) -> frozenset[Address]:
        """Return which of the addresses belong to somebody."""
        ...

    def of_investor(self, investor_id: InvestorId) -> Sequence[Wallet]:
        """Return an investor's wallets by position; the first is the identity on chain."""
        ...

    def of_investors(self, investor_ids: Sequence[InvestorId]) -> Mapping[InvestorId, Sequence[Wallet]]:
        """Return the wallets of several investors, each by position."""
        ...

    def by_address(self, address: Address) -> Wallet | None:
        """Return the wallet with that address."""
        ...

    def by_addresses(self, addresses: Sequence[Address]) -> Mapping[Address, Wallet]:
        """Return the wallets with these addresses, as far as they are known."""
        ...


class Claims(Protocol):
    """Claims about the organisation's investors."""

    def add(self, claims: Sequence[Claim]) -> None:
        """Keep new claims."""
        ...

    def of_investor(self, investor_id: InvestorId) -> Sequence[Claim]:
        """Return an investor's claims, oldest first, those that ended included."""
        ...

    def revoke_all(self, investor_id: InvestorId, *, at: dt.datetime) -> None:
        """End every claim about an investor that still holds."""
        ...


class IdentityProvider(Protocol):
    """Checks who somebody is, and whether sanctions forbid to deal with them."""

    def check(self, investor: Investor, person: PersonalData, *, at: dt.datetime) -> Verdict:
        """Return the verdict."""
        ...


class WalletKeys(Protocol):
    """Makes keys for managed wallets."""

    def create(self, tenant_id: TenantId) -> Address:
        """Make a key that Muniment keeps for the tenant, and return its address."""
        ...


class PartiesUnit(AccessUnit, Protocol):
    """One transaction of one organisation, with its investors."""

    @property
    def investors(self) -> Investors:
        """Investors."""
        ...

    @property
    def wallets(self) -> Wallets:
        """Wallets."""
        ...

    @property
    def claims(self) -> Claims:
        """Claims."""
        ...

    @property
    def identity_provider(self) -> IdentityProvider:
        """Who checks identities."""
        ...

    @property
    def keys(self) -> WalletKeys:
        """Keys of managed wallets."""
        ...
