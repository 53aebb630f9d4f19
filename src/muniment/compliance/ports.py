# SPDX-License-Identifier: Apache-2.0
"""What compliance needs, as Protocols: its rows, its contracts, and the unit of work. Holdings come from the register below."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from muniment.compliance.model.compiled import ChainRules
from muniment.compliance.model.facts import InvestorFacts, Move, TokenFacts
from muniment.compliance.model.identities import ChainIdentity
from muniment.compliance.model.law.choices import LawChoice
from muniment.compliance.model.law.records import HoweyRecord
from muniment.compliance.model.rules import RuleSet
from muniment.infra.evm.sender import ChainTransaction
from muniment.register.ports import RegisterUnit
from muniment.units.ids import Address, AssetId, InvestorId, SecurityId, UserId


class RegistrationState(StrEnum):
    """wanted → sent → registered → invalidating → invalid; verified again, an invalid one is wanted again."""

    WANTED = "wanted"
    SENT = "sent"
    REGISTERED = "registered"
    INVALIDATING = "invalidating"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Registration:
    """A wallet that the identity registry is to hold, or held. `country` is ISO 3166-1 numeric."""

    address: Address
    investor_id: InvestorId
    identity: Address
    country: int
    expires_at: dt.datetime | None
    state: RegistrationState
    purpose: str | None


class FreezeAction(StrEnum):
    """What is ordered of a wallet."""

    FREEZE_WALLET = "freeze_wallet"
    UNFREEZE_WALLET = "unfreeze_wallet"
    FREEZE_SHARES = "freeze_shares"
    UNFREEZE_SHARES = "unfreeze_shares"


@dataclass(frozen=True, slots=True)
class Freeze:
    """An order to freeze or unfreeze; `shares` in base units, None for the whole wallet."""

    freeze_id: UUID
    security_id: SecurityId
    address: Address
    action: FreezeAction
    shares: int | None
    reason: str
    state: str
    purpose: str
    failure: str | None
    ordered_at: dt.datetime
    settled_at: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherFacts:
    """What the contract of further rules says of a move, as of the newest block; `sender` None for an issue."""

    sender: InvestorFacts | None = None
    receiver: InvestorFacts = field(default_factory=InvestorFacts)
    approved_until: int = 0
    country_holders: int = 0
    category_holders: int = 0


class RuleSets(Protocol):
    """The versions of every security's rules."""

    def add(self, rule_set: RuleSet, *, set_by: UserId, at: dt.datetime) -> None:
        """Keep a new version."""
        ...

    def latest(self, security_id: SecurityId, *, lock: bool = False) -> RuleSet | None:
        """Return the newest version, in effect or not; with `lock`, nobody else adds one until commit."""
        ...

    def in_effect(self, security_id: SecurityId, at: dt.datetime) -> RuleSet | None:
        """Return the version that counts at an instant."""
        ...

    def all(self, security_id: SecurityId) -> Sequence[RuleSet]:
        """Return every version, oldest first."""
        ...

    def mark_applied(self, security_id: SecurityId, version: int, *, at: dt.datetime) -> None:
        """Note that the chain enforces a version."""
        ...


class Identities(Protocol):
    """Wallets wanted in the identity registry, and what the registry's events say."""

    def put(self, registration: Registration, *, at: dt.datetime) -> None:
        """Write a registration in place of an earlier one of the same wallet."""
        ...

    def find(self, address: Address, *, lock: bool = False) -> Registration | None:
        """Return a wallet's registration; with `lock`, nobody else changes it until commit."""
        ...

    def of_investor(self, investor_id: InvestorId, *, lock: bool = False) -> Sequence[Registration]:
        """Return an investor's registrations, by wallet; with `lock`, nobody else changes them until commit."""
        ...

    def in_state(self, state: RegistrationState, *, limit: int) -> Sequence[Registration]:
        """Return registrations in a state, oldest change first, locked until commit."""
        ...

    def count(self, state: RegistrationState, *, changed_since: dt.datetime | None = None) -> int:
        """Return how many registrations are in a state, and came into it since an instant where one is given."""
        ...

    def purposes_open(self) -> Sequence[str]:
        """Return the purposes of the transactions that carry registrations or invalidations under way."""
        ...

    def of_purpose(self, purpose: str) -> Sequence[Registration]:
        """Return the registrations that one transaction carries, locked until commit."""
        ...

    def on_chain(self, address: Address) -> ChainIdentity | None:
        """Return what the registry's events say of a wallet; None where they never named it."""
        ...

    def wallets_of_identity(self, identity: Address) -> Sequence[Address]:
        """Return the wallets that the registry counts as one investor's, lost ones that were replaced among them."""
        ...


class Freezes(Protocol):
    """Orders to freeze and unfreeze."""

    def add(self, freeze: Freeze, *, ordered_by: UserId) -> None:
        """Keep a new order."""
        ...

    def get(self, freeze_id: UUID, *, lock: bool = False) -> Freeze:
        """Return an order, or refuse with `compliance.freeze_not_found`."""
        ...

    def of_security(self, security_id: SecurityId, *, limit: int = 100) -> Sequence[Freeze]:
        """Return a security's orders, newest first."""
        ...

    def settle(self, freeze_id: UUID, *, failure: str | None, at: dt.datetime) -> None:
        """Write an order's end."""
        ...


class LawChoices(Protocol):
    """The versions of every security's packs, terms and evidence."""

    def add(self, choice: LawChoice, *, set_by: UserId, at: dt.datetime) -> None:
        """Keep a new version."""
        ...

    def latest(self, security_id: SecurityId, *, lock: bool = False) -> LawChoice | None:
        """Return the newest version, in effect or not; with `lock`, nobody else adds one until commit."""
        ...

    def in_effect(self, security_id: SecurityId, at: dt.datetime) -> LawChoice | None:
        """Return the version that counts at an instant."""
        ...

    def all(self, security_id: SecurityId) -> Sequence[LawChoice]:
        """Return every version, oldest first."""
        ...


class HoweyRecords(Protocol):
    """The versions of every asset's Howey record."""

    def add(self, record: HoweyRecord) -> None:
        """Keep a new version."""
        ...

    def all(self, asset_id: AssetId, *, lock: bool = False) -> Sequence[HoweyRecord]:
        """Return every version, oldest first; with `lock`, nobody else adds or signs one until commit."""
        ...

    def sign(self, asset_id: AssetId, version: int, *, by: UserId, at: dt.datetime) -> None:
        """Write the signature."""
        ...


class ComplianceChain(Protocol):
    """The contracts of compliance. What submits does so once per purpose; what asks reads the newest block."""

    def encode_rules(self, rules: ChainRules) -> bytes:
        """Return rules as the compliance contract takes them in one call."""
        ...

    def apply_rules(
        self,
        rules: ChainRules,
        *,
        compliance: Address,
        token: Address,
        operator: Address,
        purpose: str,
        candidates: Sequence[int],
        holders: Sequence[Address],
    ) -> Sequence[ChainTransaction]:
        """Submit a token's rules: one transaction under `purpose`, and one under `purpose:1` and so on for each step of further rules.

        `candidates` are the countries that may have caps now; `holders` the wallets to count where counting begins. What is submitted
        hangs on what the chain says now: submit it whole, in one database transaction, and only while nothing else of it is under way.
        """
        ...

    def rules_on_chain(self, *, compliance: Address, token: Address, candidates: Sequence[int]) -> ChainRules:
        """Return the rules that the chain enforces; of its countries those among `candidates`."""
        ...

    def further_contract(self) -> Address | None:
        """Return the issuer's contract of further rules, on the chain or on its way; None where none was wanted yet."""
        ...

    def create_further_contract(self, *, operator: Address) -> Sequence[ChainTransaction]:
        """Submit the creation of the issuer's contract of further rules, once; the operator owns it."""
        ...

    def further_facts(self, *, token: Address, sender: Address | None, receiver: Address, country: int | None, shares: int) -> FurtherFacts:
        """Return what the contract of further rules remembers of both investors and the places beside them; nothing before it is there."""
        ...

    def uncounted(self, *, token: Address, wallets: Sequence[Address]) -> Sequence[Address]:
        """Return the wallets whose investors are not counted as holders by everything that the token's holders are counted by."""
        ...

    def count_holders(self, wallets: Sequence[Address], *, token: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the counting of at most 50 wallets' investors as holders."""
        ...

    def lock(self, wallet: Address, shares: int, unlocks_at: int, *, token: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit a lockup of shares (base units) until an instant in Unix seconds."""
        ...

    def release(self, wallet: Address, shares: int, *, token: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the early release of locked shares (base units), those that unlock last first."""
        ...

    def set_category(self, wallet: Address, category: int, *, token: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the category of a registered wallet's investor."""
        ...

    def approve_transfer(
        self, *, token: Address, sender: Address, receiver: Address, shares: int, until: int, operator: Address, purpose: str
    ) -> ChainTransaction:
        """Submit the approval of one transfer before `until` (Unix seconds), which zero withdraws."""
        ...

    def unpause(self, *, token: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the opening of a token."""
        ...

    def is_paused(self, token: Address) -> bool:
        """Return whether a token is paused."""
        ...

    def register(self, registrations: Sequence[Registration], *, registry: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit at most 100 wallets to the identity registry."""
        ...

    def prolong(self, registrations: Sequence[Registration], *, registry: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit new ends of eligibility for at most 100 registered wallets."""
        ...

    def set_country(self, wallet: Address, country: int, *, registry: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the country of a wallet that is registered under another."""
        ...

    def invalidate(self, wallet: Address, *, registry: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the end of eligibility for a wallet and all others of its investor."""
        ...

    def freeze(
        self, action: FreezeAction, address: Address, shares: int | None, *, token: Address, operator: Address, purpose: str
    ) -> ChainTransaction:
        """Submit a freeze or its lifting."""
        ...

    def check_transfer(self, *, token: Address, sender: Address | None, receiver: Address, shares: int) -> tuple[str | None, int]:
        """Return the chain's own answer: None or the code of its first reason, and the fact behind it."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that a check looked at, for showing it beside the answer."""

    move: Move
    token: TokenFacts
    rule_set: RuleSet | None


class ComplianceUnit(RegisterUnit, Protocol):
    """One transaction of one issuer, with what compliance needs."""

    @property
    def rule_sets(self) -> RuleSets:
        """Rules."""
        ...

    @property
    def identities(self) -> Identities:
        """Wallets and the identity registry."""
        ...

    @property
    def freezes(self) -> Freezes:
        """Freezes."""
        ...

    @property
    def compliance_chain(self) -> ComplianceChain:
        """Contracts."""
        ...

    @property
    def law_choices(self) -> LawChoices:
        """Packs, terms and evidence."""
        ...

    @property
    def howey_records(self) -> HoweyRecords:
        """Howey records."""
        ...
