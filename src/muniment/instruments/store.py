# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL's answers to the ports of instruments. Personal texts are sealed here and nowhere stored in the clear."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from muniment.infra.evm.known_contracts import PostgresKnownContracts
from muniment.infra.postgres.database import METADATA
from muniment.infra.sealing import Sealer, WrappedKey
from muniment.instruments.errors import (
    AssetAlreadyRecorded,
    AssetNotFound,
    DocumentAlreadyStored,
    DocumentNotFound,
    PlatformMissing,
    SecurityNotFound,
    SymbolTaken,
)
from muniment.instruments.model.assets import SALT_BYTES, DocumentPrint, PersonalValue
from muniment.instruments.model.ocf import Defect, MalformedObject, OcfObject, OcfPackage
from muniment.instruments.model.securities import (
    ClosedSecurity,
    DeployedSecurity,
    DeployingSecurity,
    DraftedSecurity,
    OpenSecurity,
    Security,
    SecurityTerms,
)
from muniment.instruments.ports import IssuerSuite, SealedObject, StoredAsset, StoredDocument, StoredPersonalValue, Title
from muniment.units.ids import Address, AssetId, AssetRecordId, DocumentId, SecurityId, TenantId, UserId

_SHARES = sa.Numeric(78, 0)
_INSTANT = sa.DateTime(timezone=True)

ASSET_RECORD = sa.Table(
    "asset_record",
    METADATA,
    sa.Column("asset_record_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("asset_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("canonical_json", sa.LargeBinary, nullable=False),
    sa.Column("recorded_by", sa.Uuid),
    sa.Column("recorded_at", _INSTANT, nullable=False),
    schema="instruments",
)
PERSONAL_VALUE = sa.Table(
    "personal_value",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("asset_record_id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("commitment", sa.Text, nullable=False),
    sa.Column("wrapped_key", sa.LargeBinary),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("erased_at", _INSTANT),
    schema="instruments",
)
DOCUMENT = sa.Table(
    "document",
    METADATA,
    sa.Column("document_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("asset_record_id", sa.Uuid, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("keccak256", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("in_record", sa.Boolean, nullable=False),
    sa.Column("stored_by", sa.Uuid),
    sa.Column("stored_at", _INSTANT, nullable=False),
    schema="instruments",
)
OCF_PACKAGE = sa.Table(
    "ocf_package",
    METADATA,
    sa.Column("asset_record_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("object_count", sa.Integer, nullable=False),
    sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
    sa.Column("sealed_manifest", sa.LargeBinary, nullable=False),
    sa.Column("sealed_defects", sa.LargeBinary, nullable=False),
    sa.Column("imported_at", _INSTANT, nullable=False),
    schema="instruments",
)
OCF_OBJECT = sa.Table(
    "ocf_object",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("asset_record_id", sa.Uuid, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("object_type", sa.Text, nullable=False),
    sa.Column("object_token", sa.LargeBinary, nullable=False),
    sa.Column("commitment", sa.Text, nullable=False),
    sa.Column("wrapped_key", sa.LargeBinary),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("erased_at", _INSTANT),
    schema="instruments",
)
SECURITY = sa.Table(
    "security",
    METADATA,
    sa.Column("security_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("asset_record_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("decimals", sa.SmallInteger, nullable=False),
    sa.Column("currency", sa.Text),
    sa.Column("shares_authorized", _SHARES),
    sa.Column("share_class", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("token_address", sa.Text),
    sa.Column("deployed_block", sa.BigInteger),
    sa.Column("drafted_at", _INSTANT, nullable=False),
    sa.Column("changed_at", _INSTANT, nullable=False),
    schema="instruments",
)
ISSUER_SUITE = sa.Table(
    "issuer_suite",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("chain_id", sa.BigInteger, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("contracts", JSONB, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("deployed_block", sa.BigInteger),
    sa.Column("begun_at", _INSTANT, nullable=False),
    schema="instruments",
)
TITLE = sa.Table(
    "title",
    METADATA,
    sa.Column("asset_record_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("token_id", _SHARES, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("minted_block", sa.BigInteger),
    sa.Column("requested_at", _INSTANT, nullable=False),
    schema="instruments",
)
PLATFORM_CONTRACT = sa.Table(
    "platform_contract",
    METADATA,
    sa.Column("chain_id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("deployed_block", sa.BigInteger, nullable=False),
    sa.Column("recorded_at", _INSTANT, nullable=False),
    schema="instruments",
)

PUBLIC_ANCHOR = sa.Table(
    "public_anchor",
    METADATA,
    sa.Column("chain_id", sa.BigInteger, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("asset_id", sa.Text, primary_key=True),
    sa.Column("recorded_at", _INSTANT, nullable=False),
    schema="instruments",
)

_DOCUMENT_WITHOUT_CONTENT = [column for column in DOCUMENT.c if column.name != "content"]


class PostgresAssets:
    """`ports.Assets` in the caller's transaction."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId, sealer: Sealer) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._sealer = sealer

    def add(self, asset: StoredAsset, personal_values: Sequence[PersonalValue], *, recorded_by: UserId) -> None:
        """Keep a record and seal its personal values, each under a key of its own; refuse an id that exists."""
        added = self._connection.execute(
            upsert(ASSET_RECORD)
            .values(
                asset_record_id=asset.asset_record_id,
                tenant_id=self._tenant_id,
                asset_id=asset.asset_id,
                kind=asset.kind,
                title=asset.title,
                canonical_json=asset.canonical_json,
                recorded_by=recorded_by,
                recorded_at=asset.recorded_at,
            )
            .on_conflict_do_nothing(index_elements=["tenant_id", "asset_id"])
            .returning(ASSET_RECORD.c.asset_record_id)
        )
        if added.first() is None:
            raise AssetAlreadyRecorded(asset_id=asset.asset_id)
        for value in personal_values:
            wrapped = self._sealer.new_key()
            self._connection.execute(
                sa.insert(PERSONAL_VALUE).values(
                    tenant_id=self._tenant_id,
                    asset_record_id=asset.asset_record_id,
                    name=value.name,
                    commitment=value.commitment,
                    wrapped_key=wrapped,
                    sealed=_seal(self._sealer, wrapped, value, context=_value_context(asset.asset_record_id, value.name)),
                )
            )

    def get(self, asset_record_id: AssetRecordId) -> StoredAsset:
        """Return a record, or refuse with `instruments.asset_not_found`."""
        row = self._connection.execute(sa.select(ASSET_RECORD).where(ASSET_RECORD.c.asset_record_id == asset_record_id)).first()
        if row is None:
            raise AssetNotFound(asset_id=asset_record_id)
        return _asset(row)

    def find(self, asset_id: AssetId) -> StoredAsset | None:
        """Return the record with that content."""
        row = self._connection.execute(sa.select(ASSET_RECORD).where(ASSET_RECORD.c.asset_id == asset_id)).first()
        return None if row is None else _asset(row)

    def page(self, *, limit: int, after: AssetRecordId | None = None) -> Sequence[StoredAsset]:
        """Return records, newest first."""
        # UUIDv7 sorts by time of birth.
        query = sa.select(ASSET_RECORD).order_by(ASSET_RECORD.c.asset_record_id.desc()).limit(limit)
        if after is not None:
            query = query.where(ASSET_RECORD.c.asset_record_id < after)
        return [_asset(row) for row in self._connection.execute(query)]

    def personal_values(self, asset_record_id: AssetRecordId) -> Sequence[StoredPersonalValue]:
        """Return a record's personal values, by name."""
        rows = self._connection.execute(
            sa.select(PERSONAL_VALUE).where(PERSONAL_VALUE.c.asset_record_id == asset_record_id).order_by(PERSONAL_VALUE.c.name)
        )
        return [
            StoredPersonalValue(
                row.name,
                row.commitment,
                None
                if row.sealed is None
                else _open(self._sealer, row.wrapped_key, row.sealed, name=row.name, context=_value_context(asset_record_id, row.name)),
            )
            for row in rows
        ]

    def erase_personal_value(self, asset_record_id: AssetRecordId, name: str, *, at: dt.datetime) -> bool:
        """Destroy the key of one personal value; return whether there was one."""
        erased = self._connection.execute(
            sa.update(PERSONAL_VALUE)
            .where(PERSONAL_VALUE.c.asset_record_id == asset_record_id, PERSONAL_VALUE.c.name == name, PERSONAL_VALUE.c.erased_at.is_(None))
            .values(wrapped_key=None, sealed=None, erased_at=at)
        )
        return erased.rowcount == 1

    def add_document(self, document: StoredDocument, content: bytes, *, stored_by: UserId) -> None:
        """Keep a document; refuse bytes that the asset has already."""
        added = self._connection.execute(
            upsert(DOCUMENT)
            .values(
                document_id=document.document_id,
                tenant_id=self._tenant_id,
                asset_record_id=document.asset_record_id,
                name=document.print.name,
                media_type=document.print.media_type,
                size_bytes=document.print.size_bytes,
                sha256=document.print.sha256,
                keccak256=document.print.keccak256,
                content=content,
                in_record=document.in_record,
                stored_by=stored_by,
                stored_at=document.stored_at,
            )
            .on_conflict_do_nothing(index_elements=["asset_record_id", "keccak256"])
            .returning(DOCUMENT.c.document_id)
        )
        if added.first() is None:
            raise DocumentAlreadyStored(name=document.print.name)

    def documents(self, asset_record_id: AssetRecordId) -> Sequence[StoredDocument]:
        """Return an asset's documents, oldest first."""
        rows = self._connection.execute(
            sa.select(*_DOCUMENT_WITHOUT_CONTENT)
            .where(DOCUMENT.c.asset_record_id == asset_record_id)
            .order_by(DOCUMENT.c.stored_at, DOCUMENT.c.document_id)
        )
        return [_document(row) for row in rows]

    def document(self, document_id: DocumentId) -> StoredDocument:
        """Return a document without its bytes, or refuse with `instruments.document_not_found`."""
        row = self._connection.execute(sa.select(*_DOCUMENT_WITHOUT_CONTENT).where(DOCUMENT.c.document_id == document_id)).first()
        if row is None:
            raise DocumentNotFound(document_id=document_id)
        return _document(row)

    def document_content(self, document_id: DocumentId) -> bytes:
        """Return a document's bytes, or refuse with `instruments.document_not_found`."""
        content = self._connection.execute(sa.select(DOCUMENT.c.content).where(DOCUMENT.c.document_id == document_id)).scalar()
        if content is None:
            raise DocumentNotFound(document_id=document_id)
        return bytes(content)


class PostgresCapTables:
    """`ports.CapTables` in the caller's transaction. Every object has a key of its own, so that one person can be forgotten."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId, sealer: Sealer) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._sealer = sealer

    def add(self, asset_record_id: AssetRecordId, package: OcfPackage, objects: Sequence[PersonalValue], *, at: dt.datetime) -> None:
        """Keep a package. `objects` are its canonical texts with their salts: the issuer first, then `package.objects` in order."""
        held = package.parts
        assert len(objects) == len(held), "a text for each object"
        wrapped = self._sealer.new_key()
        manifest = {
            "generated_at": package.generated_at,
            "comments": list(package.comments),
            "extra": package.manifest_extra,
            "files": [each.file for each in held],
            "malformed": [each.file_type for each in package.malformed],
        }
        defects = [
            {"code": d.code, "problem": d.problem, "severity": d.severity, "file": d.file, "object_id": d.object_id, "field": d.field}
            for d in package.defects
        ]
        self._connection.execute(
            sa.insert(OCF_PACKAGE).values(
                asset_record_id=asset_record_id,
                tenant_id=self._tenant_id,
                as_of=package.as_of,
                object_count=len(held) - 1,
                wrapped_key=wrapped,
                sealed_manifest=self._sealer.seal(wrapped, _json(manifest), context=f"instruments.ocf.manifest:{asset_record_id}"),
                sealed_defects=self._sealer.seal(wrapped, _json(defects), context=f"instruments.ocf.defects:{asset_record_id}"),
                imported_at=at,
            )
        )
        rows = []
        for position, (each, value) in enumerate(zip(held, objects, strict=True)):
            object_key = self._sealer.new_key()
            rows.append(
                {
                    "tenant_id": self._tenant_id,
                    "asset_record_id": asset_record_id,
                    "position": position,
                    "object_type": each.object_type,
                    "object_token": self._token(each.object_type, each.object_id),
                    "commitment": value.commitment,
                    "wrapped_key": object_key,
                    "sealed": _seal(self._sealer, object_key, value, context=_object_context(asset_record_id, position)),
                }
            )
        self._connection.execute(sa.insert(OCF_OBJECT), rows)

    def package(self, asset_record_id: AssetRecordId) -> OcfPackage | None:
        """Return the package with its defects; objects that were erased are missing from it. None where none was imported."""
        row = self._connection.execute(sa.select(OCF_PACKAGE).where(OCF_PACKAGE.c.asset_record_id == asset_record_id)).first()
        if row is None:
            return None
        manifest = self._opened(row, row.sealed_manifest, f"instruments.ocf.manifest:{asset_record_id}")
        defects = self._opened(row, row.sealed_defects, f"instruments.ocf.defects:{asset_record_id}")
        objects: list[OcfObject] = []
        malformed: list[MalformedObject] = []
        file_types: list[str] = manifest.get("malformed", [])
        sound = row.object_count + 1 - len(file_types)
        for sealed in self.sealed_objects(asset_record_id):
            if sealed.value is None:
                continue
            body, file = json.loads(sealed.value.text), manifest["files"][sealed.position]
            if sealed.position < sound:
                objects.append(OcfObject(sealed.object_type, body["id"], body, file))
            else:
                named = body.get("id") if isinstance(body, dict) else None
                object_id = named if isinstance(named, str) else f"items[{sealed.position}]"
                malformed.append(MalformedObject(file_types[sealed.position - sound], sealed.object_type, object_id, body, file))
        issuer, *others = objects
        return OcfPackage(
            issuer=issuer,
            as_of=row.as_of,
            generated_at=manifest["generated_at"],
            objects=tuple(others),
            comments=tuple(manifest["comments"]),
            manifest_extra=manifest["extra"],
            defects=tuple(Defect(**defect) for defect in defects),
            malformed=tuple(malformed),
        )

    def sealed_objects(self, asset_record_id: AssetRecordId) -> Sequence[SealedObject]:
        """Return every object's commitment with its text where it is not erased, in the package's order."""
        rows = self._connection.execute(
            sa.select(OCF_OBJECT).where(OCF_OBJECT.c.asset_record_id == asset_record_id).order_by(OCF_OBJECT.c.position)
        )
        return [
            SealedObject(
                row.position,
                row.object_type,
                row.commitment,
                None
                if row.sealed is None
                else _open(
                    self._sealer,
                    row.wrapped_key,
                    row.sealed,
                    name=str(row.position),
                    context=_object_context(asset_record_id, row.position),
                ),
            )
            for row in rows
        ]

    def erase_object(self, asset_record_id: AssetRecordId, object_type: str, object_id: str, *, at: dt.datetime) -> bool:
        """Destroy the key of one object (a stakeholder who asks to be forgotten); return whether there was one."""
        assert object_type != "ISSUER", "a company is no person, and a package without its issuer is none"
        erased = self._connection.execute(
            sa.update(OCF_OBJECT)
            .where(
                OCF_OBJECT.c.asset_record_id == asset_record_id,
                OCF_OBJECT.c.object_token == self._token(object_type, object_id),
                OCF_OBJECT.c.erased_at.is_(None),
            )
            .values(wrapped_key=None, sealed=None, erased_at=at)
        )
        # A malformed object may claim the id of a sound one.
        return erased.rowcount >= 1

    def _token(self, object_type: str, object_id: str) -> bytes:
        # An id such as "jane-doe" names a person: only its keyed hash is stored in the clear.
        return self._sealer.search_token(f"instruments.ocf.{object_type}", object_id)

    def _opened(self, row: Any, sealed: bytes, context: str) -> Any:
        return json.loads(self._sealer.open(WrappedKey(bytes(row.wrapped_key)), bytes(sealed), context=context))


class PostgresSecurities:
    """`ports.Securities` in the caller's transaction."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def add(self, security: Security) -> None:
        """Keep a new draft; refuse a symbol that is taken."""
        terms = security.terms
        added = self._connection.execute(
            upsert(SECURITY)
            .values(
                security_id=terms.security_id,
                tenant_id=self._tenant_id,
                asset_record_id=terms.asset_record_id,
                kind=terms.kind,
                name=terms.name,
                symbol=terms.symbol,
                decimals=terms.decimals,
                currency=terms.currency,
                shares_authorized=terms.shares_authorized,
                share_class=terms.share_class,
                drafted_at=terms.drafted_at,
                changed_at=terms.drafted_at,
                **_state_columns(security),
            )
            .on_conflict_do_nothing(index_elements=["tenant_id", "symbol"])
            .returning(SECURITY.c.security_id)
        )
        if added.first() is None:
            raise SymbolTaken(symbol=terms.symbol)

    def get(self, security_id: SecurityId, *, lock: bool = False) -> Security:
        """Return a security, or refuse with `instruments.security_not_found`; with `lock`, nobody else changes it until commit."""
        query = sa.select(SECURITY).where(SECURITY.c.security_id == security_id)
        row = self._connection.execute(query.with_for_update() if lock else query).first()
        if row is None:
            raise SecurityNotFound(security_id=security_id)
        return _security(row)

    def find(self, symbol: str) -> Security | None:
        """Return the security with that symbol."""
        return self._first(SECURITY.c.symbol == symbol)

    def by_token(self, token_address: Address) -> Security | None:
        """Return the security whose token that is."""
        return self._first(SECURITY.c.token_address == token_address)

    def save(self, security: Security, *, at: dt.datetime) -> None:
        """Write the security's new state."""
        self._connection.execute(
            sa.update(SECURITY)
            .where(SECURITY.c.security_id == security.terms.security_id)
            .values(changed_at=at, **_state_columns(security))
        )

    def all(self) -> Sequence[Security]:
        """Return every security, oldest first."""
        return [_security(row) for row in self._connection.execute(sa.select(SECURITY).order_by(SECURITY.c.drafted_at, SECURITY.c.symbol))]

    def of_asset(self, asset_record_id: AssetRecordId) -> Sequence[Security]:
        """Return the securities on one asset, oldest first."""
        query = sa.select(SECURITY).where(SECURITY.c.asset_record_id == asset_record_id).order_by(SECURITY.c.drafted_at, SECURITY.c.symbol)
        return [_security(row) for row in self._connection.execute(query)]

    def _first(self, condition: sa.ColumnElement[bool]) -> Security | None:
        row = self._connection.execute(sa.select(SECURITY).where(condition)).first()
        return None if row is None else _security(row)


class PostgresSuites:
    """`ports.Suites` in the caller's transaction."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId | None, chain_id: int) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._chain_id = chain_id

    def suite(self, *, lock: bool = False) -> IssuerSuite | None:
        """Return the suite of this transaction's issuer; with `lock`, nobody else changes it, or begins it, until commit."""
        if lock:
            self._connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(hashtextextended('instruments.issuer_suite:' || :id, 0))"),
                {"id": str(self._tenant_id)},
            )
        query = sa.select(ISSUER_SUITE).where(ISSUER_SUITE.c.tenant_id == self._tenant_id)
        row = self._connection.execute(query.with_for_update() if lock else query).first()
        if row is None:
            return None
        contracts = {name: Address(address) for name, address in row.contracts.items()}
        return IssuerSuite(TenantId(row.tenant_id), row.chain_id, Address(row.operator), contracts, row.state)

    def begin(self, suite: IssuerSuite, *, at: dt.datetime) -> None:
        """Keep a suite whose deployment is signed."""
        self._connection.execute(
            sa.insert(ISSUER_SUITE).values(
                tenant_id=self._tenant_id,
                chain_id=suite.chain_id,
                operator=suite.operator,
                contracts=dict(suite.contracts),
                state="deploying",
                begun_at=at,
            )
        )

    def name_contracts(self, contracts: Mapping[str, Address]) -> None:
        """Write where the suite's contracts will stand."""
        self._connection.execute(
            sa.update(ISSUER_SUITE).where(ISSUER_SUITE.c.tenant_id == self._tenant_id).values(contracts=dict(contracts))
        )

    def finish(self, *, deployed_block: int) -> None:
        """Mark the suite as deployed."""
        self._connection.execute(
            sa.update(ISSUER_SUITE)
            .where(ISSUER_SUITE.c.tenant_id == self._tenant_id)
            .values(state="deployed", deployed_block=deployed_block)
        )

    def platform(self, name: str) -> Address:
        """Return the address of a platform contract on this chain, or refuse with `instruments.platform_missing`."""
        address = self.platform_contracts().get(name)
        if address is None:
            raise PlatformMissing(name=name, chain_id=self._chain_id)
        return address

    def platform_contracts(self) -> Mapping[str, Address]:
        """Return every platform contract known on this chain."""
        rows = self._connection.execute(sa.select(PLATFORM_CONTRACT).where(PLATFORM_CONTRACT.c.chain_id == self._chain_id))
        return {row.name: Address(row.address) for row in rows}

    def add_platform(self, name: str, address: Address, *, deployed_block: int, at: dt.datetime) -> None:
        """Keep a platform contract; one that is there stays as it is."""
        self._connection.execute(
            upsert(PLATFORM_CONTRACT)
            .values(chain_id=self._chain_id, name=name, address=address, deployed_block=deployed_block, recorded_at=at)
            .on_conflict_do_nothing()
        )

    def watch(self, address: Address, artifact: str, *, deployed_block: int, shared: bool = False) -> None:
        """Put a contract on the follower's list, as this issuer's or (`shared`) as the platform's."""
        tenant_id = None if shared else self._tenant_id
        PostgresKnownContracts(self._connection).add(address, tenant_id=tenant_id, artifact=artifact, deployed_block=deployed_block)

    def add_anchor(self, digest: str, asset_id: AssetId, *, at: dt.datetime) -> None:
        """Keep, for everybody to find, that a document's digest is anchored under an asset; what is kept stays as it is."""
        self._connection.execute(
            upsert(PUBLIC_ANCHOR).values(chain_id=self._chain_id, digest=digest, asset_id=asset_id, recorded_at=at).on_conflict_do_nothing()
        )

    def assets_anchoring(self, digest: str, *, limit: int) -> Sequence[AssetId]:
        """Return the assets of any issuer under which a digest was anchored, oldest first."""
        query = (
            sa.select(PUBLIC_ANCHOR.c.asset_id)
            .where(PUBLIC_ANCHOR.c.chain_id == self._chain_id, PUBLIC_ANCHOR.c.digest == digest)
            .order_by(PUBLIC_ANCHOR.c.recorded_at, PUBLIC_ANCHOR.c.asset_id)
            .limit(limit)
        )
        return [AssetId(asset_id) for asset_id in self._connection.scalars(query)]

    def title(self, asset_record_id: AssetRecordId) -> Title | None:
        """Return an asset's deed."""
        row = self._connection.execute(sa.select(TITLE).where(TITLE.c.asset_record_id == asset_record_id)).first()
        return None if row is None else Title(AssetRecordId(row.asset_record_id), int(row.token_id), Address(row.owner), row.state)

    def save_title(self, title: Title, *, minted_block: int | None, at: dt.datetime) -> None:
        """Write an asset's deed."""
        values = {"owner": title.owner, "state": title.state, "minted_block": minted_block}
        self._connection.execute(
            upsert(TITLE)
            .values(asset_record_id=title.asset_record_id, tenant_id=self._tenant_id, token_id=title.token_id, requested_at=at, **values)
            .on_conflict_do_update(index_elements=["asset_record_id"], set_=values)
        )


def _seal(sealer: Sealer, wrapped: WrappedKey, value: PersonalValue, *, context: str) -> bytes:
    """Return salt and text sealed as one: the salt alone would already let somebody test a guess against the commitment."""
    return sealer.seal(wrapped, value.salt + value.text.encode(), context=context)


def _open(sealer: Sealer, wrapped: bytes, sealed: bytes, *, name: str, context: str) -> PersonalValue:
    opened = sealer.open(WrappedKey(bytes(wrapped)), bytes(sealed), context=context)
    return PersonalValue(name, opened[SALT_BYTES:].decode(), opened[:SALT_BYTES])


def _value_context(asset_record_id: UUID, name: str) -> str:
    return f"instruments.personal_value:{asset_record_id}:{name}"


def _object_context(asset_record_id: UUID, position: int) -> str:
    return f"instruments.ocf_object:{asset_record_id}:{position}"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _asset(row: Any) -> StoredAsset:
    return StoredAsset(
        AssetRecordId(row.asset_record_id), AssetId(row.asset_id), row.kind, row.title, bytes(row.canonical_json), row.recorded_at
    )


def _document(row: Any) -> StoredDocument:
    document_print = DocumentPrint(row.name, row.media_type, row.size_bytes, row.sha256, row.keccak256)
    return StoredDocument(DocumentId(row.document_id), AssetRecordId(row.asset_record_id), document_print, row.in_record, row.stored_at)


def _state_columns(security: Security) -> dict[str, Any]:
    match security:
        case DraftedSecurity():
            return {"state": "drafted", "token_address": None, "deployed_block": None}
        case DeployingSecurity():
            return {"state": "deploying", "token_address": security.token_address, "deployed_block": None}
        case DeployedSecurity() | OpenSecurity() | ClosedSecurity():
            return {"state": security.state, "token_address": security.token_address, "deployed_block": security.deployed_block}


def _security(row: Any) -> Security:
    terms = SecurityTerms(
        security_id=SecurityId(row.security_id),
        asset_record_id=AssetRecordId(row.asset_record_id),
        kind=row.kind,
        name=row.name,
        symbol=row.symbol,
        decimals=row.decimals,
        currency=row.currency,
        shares_authorized=None if row.shares_authorized is None else int(row.shares_authorized),
        share_class=row.share_class,
        drafted_at=row.drafted_at,
    )
    match row.state:
        case "drafted":
            return DraftedSecurity(terms)
        case "deploying":
            return DeployingSecurity(terms, Address(row.token_address))
        case "deployed":
            return DeployedSecurity(terms, Address(row.token_address), row.deployed_block)
        case "open":
            return OpenSecurity(terms, Address(row.token_address), row.deployed_block)
        case _:
            return ClosedSecurity(terms, Address(row.token_address), row.deployed_block)
