# SPDX-License-Identifier: Apache-2.0
"""What parties needs, as Protocols. PostgreSQL's answers are in `store`; the keystore is infra's, the sandbox provider is in the model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from muniment.access.ports import AccessUnit, Page
from muniment.parties.model import (
    Answer,
    Claim,
    Investor,
    InvestorDraft,
    ListedName,
    ListEntry,
    PersonalData,
    ProofDomain,
    QueueItem,
    SanctionsHit,
    SanctionsList,
    Verdict,
    Wallet,
    WalletChallenge,
)
from muniment.units.ids import Address, InvestorId, TenantId, UserId, WalletId


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

    def save_person(self, investor: Investor, draft: InvestorDraft) -> None:
        """Write kind, country and personal data anew, sealed under the investor's own key."""
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

    def prove(self, wallet_id: WalletId, *, at: dt.datetime) -> None:
        """Write since when a wallet is proved."""
        ...


class Claims(Protocol):
    """Claims about the organisation's investors."""

    def add(self, claims: Sequence[Claim]) -> None:
        """Keep new claims."""
        ...

    def of_investor(self, investor_id: InvestorId) -> Sequence[Claim]:
        """Return an investor's claims, oldest first, those that ended included."""
        ...

    def of_investors(self, investor_ids: Sequence[InvestorId]) -> Mapping[InvestorId, Sequence[Claim]]:
        """Return the claims about several investors, oldest first."""
        ...

    def find(self, investor_id: InvestorId, claim_id: UUID) -> Claim | None:
        """Return one claim about an investor, locked until commit."""
        ...

    def revoke(self, claim_id: UUID, *, by: UserId, reason: str, at: dt.datetime) -> None:
        """End a claim, with the code of why."""
        ...

    def revoke_provided(self, investor_id: InvestorId, *, at: dt.datetime) -> None:
        """End every claim of a provider about an investor that still holds; what officers claimed stays."""
        ...


class Sanctions(Protocol):
    """The organisation's sanctions lists and what was found on them."""

    def import_list(self, imported: SanctionsList, entries: Sequence[ListEntry]) -> None:
        """Keep a list in place of the one of the same source."""
        ...

    def lists(self) -> Sequence[SanctionsList]:
        """Return the current list of each source, by source."""
        ...

    def mark_screened(self, *, at: dt.datetime) -> None:
        """Write that everybody was held, at `at`, against the current lists that were there by then."""
        ...

    def candidates(self, words: frozenset[str]) -> Sequence[ListedName]:
        """Return the listed names that hold all of these words or consist of some of them."""
        ...

    def hits_of(self, investor_id: InvestorId) -> Sequence[SanctionsHit]:
        """Return an investor's hits, oldest first, with the reasons of those that were cleared."""
        ...

    def open_hits(self, investor_id: InvestorId) -> int:
        """Return how many hits of an investor nobody has cleared."""
        ...

    def get(self, hit_id: UUID) -> SanctionsHit | None:
        """Return a hit, locked until commit."""
        ...

    def put(self, hit: SanctionsHit) -> None:
        """Write a hit; the listed name and a reason are sealed under the investor's key."""
        ...

    def forget(self, investor_id: InvestorId) -> None:
        """Take away an investor's hits: they would name an erased person."""
        ...


@dataclass(frozen=True, slots=True)
class IdentityCheck:
    """A question to a provider that answers later."""

    check_id: UUID
    investor_id: InvestorId
    provider: str
    asked_by: UserId
    asked_at: dt.datetime


class IdentityChecks(Protocol):
    """Questions that wait for a provider's webhook, the secrets that sign it, and the events that were received."""

    def ask(self, check: IdentityCheck) -> None:
        """Keep a question; an older one about the same investor is superseded."""
        ...

    def waiting(self, check_id: UUID) -> IdentityCheck | None:
        """Return a question that waits, locked until commit."""
        ...

    def waiting_of(self, investor_id: InvestorId) -> IdentityCheck | None:
        """Return the question about an investor that waits."""
        ...

    def close(self, check_id: UUID, *, answered: bool, at: dt.datetime) -> None:
        """Write that a question was answered, or that nobody waits for the answer any more."""
        ...

    def secret(self, provider: str) -> bytes | None:
        """Return the secret that signs a provider's messages."""
        ...

    def set_secret(self, provider: str, secret: bytes, *, at: dt.datetime) -> None:
        """Keep a new secret, sealed; the one before does not count any more."""
        ...

    def received_since(self, since: dt.datetime) -> int:
        """Return how many messages have come since then."""
        ...

    def receive(self, provider: str, event_id: str, *, at: dt.datetime) -> bool:
        """Keep the id of a message; False where it is known."""
        ...


class WalletChallenges(Protocol):
    """Nonces that wait for a wallet's signature."""

    def add(self, challenge: WalletChallenge) -> None:
        """Keep a challenge."""
        ...

    def find(self, nonce: str) -> WalletChallenge | None:
        """Return the challenge with that nonce, locked until commit."""
        ...

    def use(self, nonce: str, *, at: dt.datetime) -> None:
        """Use a nonce up."""
        ...


class WalletSignatures(Protocol):
    """Whether a wallet signed: by its key, or by the word of its contract."""

    @property
    def bound_to(self) -> ProofDomain:
        """To what messages are bound here."""
        ...

    def is_valid(self, address: Address, digest: bytes, signature: bytes) -> bool:
        """Return whether `address` signed the digest (EIP-191 recovery), or its contract says so (ERC-1271)."""
        ...


class Queue(Protocol):
    """What waits for a compliance officer, as far as the rows of parties know it."""

    def items(self, kind: str, *, due_before: dt.datetime, after: tuple[dt.datetime, str, str] | None, limit: int) -> Sequence[QueueItem]:
        """Return items of one kind in the queue's order, after that key."""
        ...


class IdentityProvider(Protocol):
    """Checks who somebody is, and whether sanctions forbid to deal with them."""

    @property
    def name(self) -> str:
        """The provider's name in claims and addresses."""
        ...

    def check(self, investor: Investor, person: PersonalData, *, at: dt.datetime) -> Answer:
        """Return the verdict, or that it comes later by the webhook."""
        ...

    def verdict(self, investor: Investor, person: PersonalData, *, at: dt.datetime) -> Verdict:
        """Return what is known about an investor now: for the last look before a yes."""
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

    @property
    def sanctions(self) -> Sanctions:
        """Sanctions lists and hits."""
        ...

    @property
    def identity_checks(self) -> IdentityChecks:
        """Questions to a provider, and its secrets."""
        ...

    @property
    def wallet_challenges(self) -> WalletChallenges:
        """Nonces for proofs of wallets."""
        ...

    @property
    def wallet_signatures(self) -> WalletSignatures:
        """Who checks a wallet's signature."""
        ...

    @property
    def queue(self) -> Queue:
        """What waits for an officer."""
        ...
