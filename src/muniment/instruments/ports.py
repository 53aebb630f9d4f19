# SPDX-License-Identifier: Apache-2.0
"""What instruments needs, as Protocols: its stores, its contracts on the chain, and the unit of work that its use cases take."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from muniment.infra.clock import Clock
from muniment.infra.evm.sender import ChainTransaction, Transactions
from muniment.instruments.model.assets import DocumentPrint, PersonalValue
from muniment.instruments.model.ocf import OcfPackage
from muniment.instruments.model.securities import Security, SecurityTerms
from muniment.instruments.model.titles import TitleEvent
from muniment.parties.ports import PartiesUnit
from muniment.units.ids import Address, AssetId, AssetRecordId, DocumentId, SecurityId, TenantId, UserId


@dataclass(frozen=True, slots=True)
class StoredAsset:
    """An asset record as it is kept: the canonical bytes are the record, the rest is read from them."""

    asset_record_id: AssetRecordId
    asset_id: AssetId
    kind: str
    title: str
    canonical_json: bytes
    recorded_at: dt.datetime


@dataclass(frozen=True, slots=True)
class StoredPersonalValue:
    """A commitment of a record with its plain text; `value` None once erased."""

    name: str
    commitment: str
    value: PersonalValue | None


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document of an asset. `in_record`: the asset's record names its hashes."""

    document_id: DocumentId
    asset_record_id: AssetRecordId
    print: DocumentPrint
    in_record: bool
    stored_at: dt.datetime


@dataclass(frozen=True, slots=True)
class SealedObject:
    """An object of a cap table with the salted commitment to it; `text` is its canonical JSON, None once erased."""

    position: int
    object_type: str
    commitment: str
    value: PersonalValue | None


@dataclass(frozen=True, slots=True)
class IssuerSuite:
    """The contracts that an issuer's tokens share, by artifact name, and the account that owns them and acts as their agent."""

    tenant_id: TenantId
    chain_id: int
    operator: Address
    contracts: Mapping[str, Address]
    state: Literal["deploying", "deployed"]

    def contract(self, name: str) -> Address:
        """Return the address of a contract of the suite."""
        return self.contracts[name]


@dataclass(frozen=True, slots=True)
class Title:
    """The deed of a unique asset: the token that stands for it and who was given it."""

    asset_record_id: AssetRecordId
    token_id: int
    owner: Address
    state: Literal["requested", "minted"]


@dataclass(frozen=True, slots=True)
class PublicAsset:
    """What the chain shows everybody of an asset. `token` is the one contract that stands for it, where there is one."""

    asset_id: AssetId
    registered_at: dt.datetime
    is_retired: bool
    token: Address | None
    documents: int


class Assets(Protocol):
    """Asset records of this transaction's issuer, their personal values and documents."""

    def add(self, asset: StoredAsset, personal_values: Sequence[PersonalValue], *, recorded_by: UserId) -> None:
        """Keep a record and seal its personal values, each under a key of its own; refuse an id that exists."""
        ...

    def get(self, asset_record_id: AssetRecordId) -> StoredAsset:
        """Return a record, or refuse with `instruments.asset_not_found`."""
        ...

    def find(self, asset_id: AssetId) -> StoredAsset | None:
        """Return the record with that content."""
        ...

    def page(self, *, limit: int, after: AssetRecordId | None = None) -> Sequence[StoredAsset]:
        """Return records, newest first."""
        ...

    def personal_values(self, asset_record_id: AssetRecordId) -> Sequence[StoredPersonalValue]:
        """Return a record's personal values, by name."""
        ...

    def erase_personal_value(self, asset_record_id: AssetRecordId, name: str, *, at: dt.datetime) -> bool:
        """Destroy the key of one personal value; return whether there was one."""
        ...

    def add_document(self, document: StoredDocument, content: bytes, *, stored_by: UserId) -> None:
        """Keep a document; refuse bytes that the asset has already."""
        ...

    def documents(self, asset_record_id: AssetRecordId) -> Sequence[StoredDocument]:
        """Return an asset's documents, oldest first."""
        ...

    def document(self, document_id: DocumentId) -> StoredDocument:
        """Return a document without its bytes, or refuse with `instruments.document_not_found`."""
        ...

    def document_content(self, document_id: DocumentId) -> bytes:
        """Return a document's bytes, or refuse with `instruments.document_not_found`."""
        ...


class CapTables(Protocol):
    """Imported cap tables, sealed object by object."""

    def add(self, asset_record_id: AssetRecordId, package: OcfPackage, objects: Sequence[PersonalValue], *, at: dt.datetime) -> None:
        """Keep a package. `objects` are its canonical texts with their salts: those of `package.parts`, in order."""
        ...

    def package(self, asset_record_id: AssetRecordId) -> OcfPackage | None:
        """Return the package with its defects; objects that were erased are missing from it. None where none was imported."""
        ...

    def sealed_objects(self, asset_record_id: AssetRecordId) -> Sequence[SealedObject]:
        """Return every object's commitment with its text where it is not erased, in the package's order."""
        ...

    def erase_object(self, asset_record_id: AssetRecordId, object_type: str, object_id: str, *, at: dt.datetime) -> bool:
        """Destroy the key of one object (a stakeholder who asks to be forgotten); return whether there was one."""
        ...


class Securities(Protocol):
    """Securities of this transaction's issuer."""

    def add(self, security: Security) -> None:
        """Keep a new draft; refuse a symbol that is taken."""
        ...

    def get(self, security_id: SecurityId, *, lock: bool = False) -> Security:
        """Return a security, or refuse with `instruments.security_not_found`; with `lock`, nobody else changes it until commit."""
        ...

    def find(self, symbol: str) -> Security | None:
        """Return the security with that symbol."""
        ...

    def by_token(self, token_address: Address) -> Security | None:
        """Return the security whose token that is."""
        ...

    def save(self, security: Security, *, at: dt.datetime) -> None:
        """Write the security's new state."""
        ...

    def all(self) -> Sequence[Security]:
        """Return every security, oldest first."""
        ...

    def of_asset(self, asset_record_id: AssetRecordId) -> Sequence[Security]:
        """Return the securities on one asset, oldest first."""
        ...


class Suites(Protocol):
    """The issuer's suite, the platform's contracts, and the deeds."""

    def suite(self, *, lock: bool = False) -> IssuerSuite | None:
        """Return the suite of this transaction's issuer; with `lock`, nobody else changes it, or begins it, until commit."""
        ...

    def begin(self, suite: IssuerSuite, *, at: dt.datetime) -> None:
        """Keep a suite whose deployment is signed."""
        ...

    def name_contracts(self, contracts: Mapping[str, Address]) -> None:
        """Write where the suite's contracts will stand."""
        ...

    def finish(self, *, deployed_block: int) -> None:
        """Mark the suite as deployed."""
        ...

    def platform(self, name: str) -> Address:
        """Return the address of a platform contract on this chain, or refuse with `instruments.platform_missing`."""
        ...

    def platform_contracts(self) -> Mapping[str, Address]:
        """Return every platform contract known on this chain."""
        ...

    def add_platform(self, name: str, address: Address, *, deployed_block: int, at: dt.datetime) -> None:
        """Keep a platform contract; one that is there stays as it is."""
        ...

    def watch(self, address: Address, artifact: str, *, deployed_block: int, shared: bool = False) -> None:
        """Put a contract on the follower's list, as this issuer's or (`shared`) as the platform's."""
        ...

    def add_anchor(self, digest: str, asset_id: AssetId, *, at: dt.datetime) -> None:
        """Keep, for everybody to find, that a document's digest is anchored under an asset; what is kept stays as it is."""
        ...

    def assets_anchoring(self, digest: str, *, limit: int) -> Sequence[AssetId]:
        """Return the assets of any issuer under which a digest was anchored, oldest first."""
        ...

    def title(self, asset_record_id: AssetRecordId) -> Title | None:
        """Return an asset's deed."""
        ...

    def save_title(self, title: Title, *, minted_block: int | None, at: dt.datetime) -> None:
        """Write an asset's deed."""
        ...


class InstrumentsChain(Protocol):
    """The contracts of instruments. What submits does so once per purpose, in the unit's transaction; what asks reads the newest block."""

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        ...

    def is_registered(self, asset_id: AssetId, *, registry: Address) -> bool:
        """Return whether the asset registry knows the id."""
        ...

    def balance(self, address: Address) -> int:
        """Return an account's balance in wei."""
        ...

    def create_platform(self, operator: Address) -> Mapping[str, Address]:
        """Submit the creation and wiring of every platform contract by the platform's operator; return where they will stand."""
        ...

    def platform_transactions(self) -> Sequence[ChainTransaction]:
        """Return what `create_platform` submitted."""
        ...

    def fund(self, account: Address, *, operator: Address, wei: int) -> ChainTransaction:
        """Submit a gift of gas money from the platform's operator to an issuer's."""
        ...

    def register_asset(self, asset_id: AssetId, *, registry: Address, controller: Address, operator: Address) -> ChainTransaction:
        """Submit the registration of an asset id by the platform's operator; `controller` is the issuer's operator."""
        ...

    def anchor_document(self, asset_id: AssetId, digest: bytes, *, registry: Address, operator: Address) -> ChainTransaction:
        """Submit a document's digest under its asset, by the asset's controller."""
        ...

    def document_anchored_at(self, asset_id: AssetId, digest: bytes, *, registry: Address) -> dt.datetime | None:
        """Return when a document's digest was anchored under its asset; None where it was not."""
        ...

    def title_events(self, token_id: int) -> Sequence[TitleEvent]:
        """Return what happened to a title of this issuer until the last final block; nothing where it has no register of titles."""
        ...

    def place_lien(self, asset_id: AssetId, lien_id: str, *, operator: Address) -> ChainTransaction:
        """Submit a lien upon a title; the operator answers for the lienholder."""
        ...

    def release_lien(self, asset_id: AssetId, lien_id: str, *, operator: Address) -> ChainTransaction:
        """Submit the release of a lien."""
        ...

    def public_asset(self, asset_id: AssetId, *, registry: Address) -> PublicAsset | None:
        """Return what the chain shows of an asset; None for an id that the registry does not know."""
        ...

    def set_token_document(self, token: Address, document_id: DocumentId, digest: bytes, *, operator: Address) -> ChainTransaction:
        """Submit a paper of a token (ERC-1643). Its name is its digest, for a file's name may name a person."""
        ...

    def anchor_audit(self, tenant_id: TenantId, digest: bytes, *, registry: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the hash of an issuer's last audit entry by the platform's operator."""
        ...

    def anchored_audit(self, tenant_id: TenantId, *, registry: Address) -> bytes | None:
        """Return the hash that was anchored last for an issuer's audit log; None before the first."""
        ...

    def suite_addresses(self, *, factory: Address, owner: Address, salt: bytes) -> Mapping[str, Address]:
        """Return where the factory will put an issuer's suite, by artifact name."""
        ...

    def deploy_suite(self, *, factory: Address, operator: Address, salt: bytes) -> ChainTransaction:
        """Submit the deployment of the issuer's suite; its operator becomes owner and agent."""
        ...

    def token_address(self, *, factory: Address, compliance: Address, salt: bytes) -> Address:
        """Return where the factory will put a token."""
        ...

    def deploy_token(
        self, terms: SecurityTerms, *, factory: Address, compliance: Address, operator: Address, salt: bytes, rules: bytes
    ) -> ChainTransaction:
        """Submit the deployment of a token, paused; `rules` are opaque here and may be empty."""
        ...

    def link_token(self, asset_id: AssetId, token: Address, *, registry: Address, operator: Address) -> ChainTransaction:
        """Submit the tie between an asset and the one token that stands for it, by the asset's controller."""
        ...

    def create_title_deed(self, *, operator: Address, name: str, symbol: str) -> tuple[Address, Sequence[ChainTransaction]]:
        """Submit the creation and wiring of the issuer's register of titles; return where it will stand."""
        ...

    def mint_title(
        self, asset_id: AssetId, *, deed: Address, owner: Address, liens: Sequence[bytes], operator: Address
    ) -> Sequence[ChainTransaction]:
        """Submit the one title to an asset, and the liens that hold it; the operator answers for the lienholders."""
        ...


class PlatformUnit(Protocol):
    """One transaction of the platform itself, without an organisation: its operator's account and its shared contracts."""

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def transactions(self) -> Transactions:
        """The platform's transactions."""
        ...

    @property
    def suites(self) -> Suites:
        """Platform contracts and the watch list."""
        ...

    @property
    def instruments_chain(self) -> InstrumentsChain:
        """Contracts; what it submits is the platform's."""
        ...


class PublicUnit(Protocol):
    """One transaction of nobody: what is public on the chain, and the index that finds it."""

    @property
    def suites(self) -> Suites:
        """Platform contracts and public anchors."""
        ...

    @property
    def instruments_chain(self) -> InstrumentsChain:
        """Contracts, only asked."""
        ...


class InstrumentsUnit(PartiesUnit, Protocol):
    """One transaction of one issuer, with what instruments needs."""

    @property
    def assets(self) -> Assets:
        """Asset records."""
        ...

    @property
    def cap_tables(self) -> CapTables:
        """Imported cap tables."""
        ...

    @property
    def securities(self) -> Securities:
        """Securities."""
        ...

    @property
    def suites(self) -> Suites:
        """Issuer suite, platform contracts, deeds, watch list."""
        ...

    @property
    def instruments_chain(self) -> InstrumentsChain:
        """Contracts."""
        ...
