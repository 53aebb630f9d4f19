# SPDX-License-Identifier: Apache-2.0
"""The use cases of instruments, one transaction each: tokenise, draft, deploy, keep documents, forget. What is long is in `process`."""

from __future__ import annotations

import datetime as dt
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from muniment.access.model import Action, Actor, authorize
from muniment.instruments.errors import (
    AssetNotFound,
    DocumentNameInvalid,
    DocumentTooLarge,
    FieldTooLong,
    LienNotFound,
    NoCapTable,
    NotAHash,
    NoTitle,
    RecordInvalid,
    WrongState,
)
from muniment.instruments.events import AssetRecorded, PersonalValueErased, SecurityDrafted
from muniment.instruments.model import cap_table
from muniment.instruments.model.assets import (
    SALT_BYTES,
    TEXT_CHARACTERS_MAX,
    UNIQUE_KINDS,
    AssetBody,
    AssetRecord,
    CapTable,
    DocumentPrint,
    Equity,
    PersonalValue,
    ShareClass,
    Vehicle,
    check_body,
    commitments_root,
    parse_body,
    print_of,
)
from muniment.instruments.model.json_text import NotJson, read_json
from muniment.instruments.model.ocf import OCF_VERSION, Defect, Issuer, OcfPackage, StockClass, read_package, typed, write_package
from muniment.instruments.model.ocf_archive import FILE_BYTES_MAX, unpack
from muniment.instruments.model.ocf_ledger import package_of
from muniment.instruments.model.securities import (
    SUPPLY_MAX,
    DeployingSecurity,
    DraftedSecurity,
    Security,
    SecurityTerms,
    check_terms,
    symbol_from,
)
from muniment.instruments.model.titles import LIEN_MEDIA_TYPE, TitleHistory, history_of, lien_id_of, lien_text, parse_lien
from muniment.instruments.model.vehicles import parse_vin
from muniment.instruments.model.verification import AssetVerification, Held, verify
from muniment.instruments.ports import InstrumentsUnit, PublicAsset, PublicUnit, StoredAsset, StoredDocument
from muniment.units.errors import Place
from muniment.units.ids import Address, AssetId, AssetRecordId, DocumentId, SecurityId, new_id
from muniment.units.shares import format_shares

ANCHOR_DOCUMENTS_JOB = "instruments.anchor_documents"
"""The job that puts the digests of an asset's documents on the chain."""

LIEN_JOB = "instruments.settle_lien"
"""The job that places a lien or lets it go."""

DOCUMENT_BYTES_MAX = 10_000_000
ANCHORS_SHOWN_MAX = 20
PERSONAL_FIELDS_MAX = 50
PAGE_MAX = 200
OCF_DECIMALS = 10

# RFC 6838, 4.2.
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")


@dataclass(frozen=True, slots=True)
class DocumentUpload:
    """A document's bytes under the name and media type that its sender gave."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokeniseAsset:
    """An asset of any kind but a company's cap table: its record without personal data, and apart from it what identifies a person.

    `described` is plain JSON with a `kind`. `personal` may nest; it enters the record only as salted commitments, by the path of
    each text (`owner.legal_name`). `title_owner` is the wallet that gets the deed of a unique asset; None mints none.
    """

    described: Mapping[str, Any]
    personal: Mapping[str, Any] = field(default_factory=dict, repr=False)
    title_owner: Address | None = None
    documents: tuple[DocumentUpload, ...] = ()


@dataclass(frozen=True, slots=True)
class TokeniseVehicle:
    """A vehicle from its VIN record and its owner file, both plain JSON; `title_owner` is the owner's wallet for the deed.

    A `comment` at the top of either is for who reads the file and enters nothing.
    """

    vehicle: Mapping[str, Any]
    owner: Mapping[str, Any] = field(repr=False)
    title_owner: Address | None = None
    documents: tuple[DocumentUpload, ...] = ()


@dataclass(frozen=True, slots=True)
class TokeniseCompany:
    """A company from an Open Cap Table package: its files by path, as `files_of_zip` or the command line gives them.

    `symbols` may name the symbol of a class by its id; else it is made of the class's certificate prefix. `decimals` and
    `currency` are those of the securities that are drafted, one per stock class.
    """

    files: Mapping[str, bytes] = field(repr=False)
    symbols: Mapping[str, str] = field(default_factory=dict)
    decimals: int = 0
    currency: str | None = "USD"


@dataclass(frozen=True, slots=True)
class DraftSecurity:
    """A security on an asset that is recorded. `shares_authorized` in base units; None for no limit."""

    asset_record_id: AssetRecordId
    name: str
    symbol: str
    decimals: int = 0
    currency: str | None = "USD"
    shares_authorized: int | None = None
    share_class: str | None = None


@dataclass(frozen=True, slots=True)
class TokenisedAsset:
    """What came of a tokenisation. `warnings` are for a person to look at; nothing was refused."""

    asset_record_id: AssetRecordId
    asset_id: AssetId
    title: str
    warnings: tuple[str, ...]
    mints_title: bool = False
    """Whether a deed will be minted: only a unique asset has one, and only where its owner's wallet is named."""


@dataclass(frozen=True, slots=True)
class TokenisedCompany:
    """A company's record, the drafts of its classes by class id, the positions of its cap table, and every defect of the package."""

    asset_record_id: AssetRecordId
    asset_id: AssetId
    title: str
    securities: Mapping[str, SecurityId]
    cap_table: cap_table.CapTable
    defects: tuple[Defect, ...]


def tokenise_vehicle(actor: Actor, request: TokeniseVehicle, *, unit: InstrumentsUnit) -> TokenisedAsset:
    """Record a vehicle and its owner, and have its deed minted to the owner's wallet.

    Raises:
        NotAVin, VinCheckDigitWrong, RecordInvalid, FieldTooLong, NotADate, NotAnAmount: the place names the field.
        AssetAlreadyRecorded: cannot happen for a vehicle with an owner, whose salts make each record unlike any other.

    """
    described = {**_without_comment(request.vehicle), "kind": "vehicle"}
    personal = {"owner": _without_comment(request.owner)}
    return tokenise_asset(actor, TokeniseAsset(described, personal, request.title_owner, request.documents), unit=unit)


def tokenise_asset(actor: Actor, request: TokeniseAsset, *, unit: InstrumentsUnit) -> TokenisedAsset:
    """Record an asset; put its id on the chain and, for a unique asset with an owner's wallet, mint its deed."""
    authorize(actor, Action.INSTRUMENTS_TOKENISE, tenant_id=unit.tenant_id)
    body = parse_body(_without_comment(request.described))
    personal_values = commit_to(request.personal)
    asset = _record(actor, body, personal_values, request.documents, unit=unit)
    owner = request.title_owner if asset.kind in UNIQUE_KINDS else None
    unit.jobs.defer(
        "instruments.register_asset",
        {"asset_record_id": str(asset.asset_record_id), "title_owner": owner},
        lock=f"instruments:{unit.tenant_id}",
    )
    warnings = parse_vin(body.vin).warnings if isinstance(body, Vehicle) else ()
    unit.audit.record(
        actor, Action.INSTRUMENTS_TOKENISE, f"asset/{asset.asset_id}", {"kind": asset.kind, "title_owner": owner, "warnings": len(warnings)}
    )
    return TokenisedAsset(asset.asset_record_id, asset.asset_id, asset.title, warnings, mints_title=owner is not None)


def tokenise_company(actor: Actor, request: TokeniseCompany, *, unit: InstrumentsUnit) -> TokenisedCompany:
    """Record a company from its Open Cap Table package and draft a security for each of its stock classes.

    Malformed objects are told in `defects` and left out; the rest stands. Positions are replayed per class and stakeholder.

    Raises:
        PackageUnreadable, PackageTooLarge: nothing of the package can be used.
        SymbolTaken, SymbolInvalid: for a symbol that was asked for; a made one gets a number instead.

    """
    authorize(actor, Action.INSTRUMENTS_TOKENISE, tenant_id=unit.tenant_id)
    now = unit.clock.now()
    package = read_package(request.files)
    replayed = cap_table.replay(package)
    package = replace(package, defects=(*package.defects, *replayed.defects))
    sealed = [_salted(f"ocf[{index}]", each.canonical()) for index, each in enumerate(package.parts)]
    body = _equity(package, _authorized_at_first(package), [value.commitment for value in sealed])
    asset = _record(actor, body, (), (), unit=unit)
    unit.cap_tables.add(asset.asset_record_id, package, sealed, at=now)
    securities: dict[str, SecurityId] = {}
    for each in package.of_type("STOCK_CLASS"):
        stock_class = typed(each, StockClass)
        limit = replayed.authorized[stock_class.id]
        draft = DraftSecurity(
            asset.asset_record_id,
            _short_name(body.legal_name, one_line(stock_class.name)),
            request.symbols.get(stock_class.id) or _free_symbol(stock_class, unit=unit),
            request.decimals,
            request.currency,
            None if limit is None or not 0 < int(limit * 10**request.decimals) <= SUPPLY_MAX else int(limit * 10**request.decimals),
            stock_class.id,
        )
        securities[stock_class.id] = _draft(actor, draft, kind="equity", unit=unit).terms.security_id
    unit.jobs.defer(
        "instruments.register_asset",
        {"asset_record_id": str(asset.asset_record_id), "title_owner": None},
        lock=f"instruments:{unit.tenant_id}",
    )
    unit.audit.record(
        actor,
        Action.INSTRUMENTS_TOKENISE,
        f"asset/{asset.asset_id}",
        {"kind": "equity", "objects": len(package.parts) - 1, "defects": len(package.defects), "classes": len(securities)},
    )
    return TokenisedCompany(asset.asset_record_id, asset.asset_id, asset.title, securities, replayed, package.defects)


def draft_security(actor: Actor, request: DraftSecurity, *, unit: InstrumentsUnit) -> DraftedSecurity:
    """Draft a security on a recorded asset; nothing goes to the chain yet."""
    authorize(actor, Action.INSTRUMENTS_TOKENISE, tenant_id=unit.tenant_id)
    asset = unit.assets.get(request.asset_record_id)
    drafted = _draft(actor, request, kind=asset.kind, unit=unit)
    unit.audit.record(
        actor, Action.INSTRUMENTS_TOKENISE, f"security/{drafted.terms.security_id}", {"symbol": request.symbol, "asset_id": asset.asset_id}
    )
    return drafted


def deploy_security(actor: Actor, security_id: SecurityId, *, unit: InstrumentsUnit) -> Security:
    """Have a drafted security's token put on the chain, paused; asking again while it is under way changes nothing."""
    authorize(actor, Action.INSTRUMENTS_DEPLOY, tenant_id=unit.tenant_id)
    security = unit.securities.get(security_id, lock=True)
    if not isinstance(security, DraftedSecurity | DeployingSecurity):
        raise WrongState(state=security.state, step="deployment", needed="drafted")
    unit.jobs.defer("instruments.deploy_security", {"security_id": str(security_id)}, lock=f"instruments:{unit.tenant_id}")
    unit.audit.record(actor, Action.INSTRUMENTS_DEPLOY, f"security/{security_id}", {"symbol": security.terms.symbol})
    return security


def store_document(actor: Actor, asset_record_id: AssetRecordId, upload: DocumentUpload, *, unit: InstrumentsUnit) -> StoredDocument:
    """Keep a document of an asset beside its record (a new appraisal, a report) and have its digest anchored on the chain.

    The record and with it the asset id stay as they are. Hashes are computed here, never taken from the sender.
    """
    authorize(actor, Action.INSTRUMENTS_UPLOAD_DOCUMENT, tenant_id=unit.tenant_id)
    unit.assets.get(asset_record_id)
    document = _store(actor, asset_record_id, upload, in_record=False, unit=unit)
    unit.jobs.defer(ANCHOR_DOCUMENTS_JOB, {"asset_record_id": str(asset_record_id)}, lock=f"instruments:{unit.tenant_id}")
    unit.audit.record(
        actor,
        Action.INSTRUMENTS_UPLOAD_DOCUMENT,
        f"document/{document.document_id}",
        {"asset_record_id": str(asset_record_id), "keccak256": document.print.keccak256, "size_bytes": document.print.size_bytes},
    )
    return document


def erase_personal_value(actor: Actor, asset_record_id: AssetRecordId, name: str, *, unit: InstrumentsUnit) -> None:
    """Destroy the key of one personal value of a record; the commitment stays and the asset id still verifies.

    Raises:
        AssetNotFound: no such record, or no such value that is not erased yet.

    """
    authorize(actor, Action.PARTIES_ERASE, tenant_id=unit.tenant_id)
    asset = unit.assets.get(asset_record_id)
    if not unit.assets.erase_personal_value(asset_record_id, name, at=unit.clock.now()):
        raise AssetNotFound(asset_id=asset_record_id, place=Place(field=name))
    unit.outbox.record(PersonalValueErased(asset_record_id=str(asset_record_id), name=name))
    unit.audit.record(actor, Action.PARTIES_ERASE, f"asset/{asset.asset_id}", {"name": name})


def view_asset(actor: Actor, asset_record_id: AssetRecordId, *, unit: InstrumentsUnit) -> StoredAsset:
    """Return a record for reading."""
    authorize(actor, Action.INSTRUMENTS_VIEW, tenant_id=unit.tenant_id)
    return unit.assets.get(asset_record_id)


def find_asset(actor: Actor, asset_id: AssetId, *, unit: InstrumentsUnit) -> StoredAsset:
    """Return the record with that content for reading, or refuse with `instruments.asset_not_found`."""
    authorize(actor, Action.INSTRUMENTS_VIEW, tenant_id=unit.tenant_id)
    found = unit.assets.find(asset_id)
    if found is None:
        raise AssetNotFound(asset_id=asset_id)
    return found


def view_verification(actor: Actor, asset_id: AssetId, *, unit: InstrumentsUnit) -> AssetVerification:
    """Return what `verify_asset` finds to somebody who may read the asset."""
    authorize(actor, Action.INSTRUMENTS_VIEW, tenant_id=unit.tenant_id)
    return verify_asset(asset_id, unit=unit)


def view_title(actor: Actor, asset_record_id: AssetRecordId, *, unit: InstrumentsUnit) -> TitleHistory:
    """Return the history of an asset's title from the chain, until the last final block; empty where it has no deed."""
    authorize(actor, Action.INSTRUMENTS_VIEW, tenant_id=unit.tenant_id)
    asset = unit.assets.get(asset_record_id)
    if unit.suites.title(asset_record_id) is None:
        return history_of([], {})
    told = [
        lien_text(parse_lien(lien)) for lien in json.loads(asset.canonical_json)["asset"].get("liens", []) if "released_date" not in lien
    ]
    told += [
        unit.assets.document_content(document.document_id)
        for document in unit.assets.documents(asset_record_id)
        if document.print.media_type == LIEN_MEDIA_TYPE
    ]
    texts = {lien_id_of(text): parse_lien(json.loads(text)) for text in told}
    return history_of(unit.instruments_chain.title_events(int(asset.asset_id, 16)), texts)


def file_lien(actor: Actor, asset_record_id: AssetRecordId, described: Mapping[str, Any], *, unit: InstrumentsUnit) -> str:
    """Have a lien placed upon an asset's deed, which then does not move; return the lien's id. Its text is kept as a document.

    Raises:
        RecordInvalid, FieldTooLong, NotADate, NotAnAmount: the place names the field.
        NoTitle: the asset has no deed in somebody's wallet.
        DocumentAlreadyStored: the same lien was filed before.

    """
    authorize(actor, Action.INSTRUMENTS_TOKENISE, tenant_id=unit.tenant_id)
    text = lien_text(parse_lien(described))
    lien_id = lien_id_of(text)
    asset = _titled(asset_record_id, unit=unit)
    upload = DocumentUpload(f"lien-{lien_id[2:18]}.json", LIEN_MEDIA_TYPE, text)
    _store(actor, asset_record_id, upload, in_record=False, unit=unit)
    _defer_lien(asset_record_id, lien_id, is_released=False, unit=unit)
    unit.audit.record(actor, Action.INSTRUMENTS_TOKENISE, f"asset/{asset.asset_id}", {"lien_filed": lien_id})
    return lien_id


def release_lien(actor: Actor, asset_record_id: AssetRecordId, lien_id: str, *, unit: InstrumentsUnit) -> None:
    """Have a lien upon an asset's deed released; refuse one that is not open."""
    authorize(actor, Action.INSTRUMENTS_TOKENISE, tenant_id=unit.tenant_id)
    asset, wanted = _titled(asset_record_id, unit=unit), parse_hash(lien_id)
    if wanted not in view_title(actor, asset_record_id, unit=unit).open_liens:
        raise LienNotFound(lien_id=wanted)
    _defer_lien(asset_record_id, wanted, is_released=True, unit=unit)
    unit.audit.record(actor, Action.INSTRUMENTS_TOKENISE, f"asset/{asset.asset_id}", {"lien_released": wanted})


def _titled(asset_record_id: AssetRecordId, *, unit: InstrumentsUnit) -> StoredAsset:
    asset, title = unit.assets.get(asset_record_id), unit.suites.title(asset_record_id)
    if title is None or title.state != "minted":
        raise NoTitle(title=asset.title)
    return asset


def _defer_lien(asset_record_id: AssetRecordId, lien_id: str, *, is_released: bool, unit: InstrumentsUnit) -> None:
    arguments = {"asset_record_id": str(asset_record_id), "lien_id": lien_id, "is_released": is_released}
    unit.jobs.defer(LIEN_JOB, arguments, lock=f"instruments:{unit.tenant_id}")


def view_assets(actor: Actor, *, unit: InstrumentsUnit, limit: int = 50, after: AssetRecordId | None = None) -> Sequence[StoredAsset]:
    """Return records for reading, newest first, at most `PAGE_MAX`."""
    authorize(actor, Action.INSTRUMENTS_VIEW, tenant_id=unit.tenant_id)
    return unit.assets.page(limit=max(1, min(limit, PAGE_MAX)), after=after)


def view_security(actor: Actor, security_id: SecurityId, *, unit: InstrumentsUnit) -> Security:
    """Return a security for reading."""
    authorize(actor, Action.INSTRUMENTS_VIEW, tenant_id=unit.tenant_id)
    return unit.securities.get(security_id)


def view_securities(actor: Actor, *, unit: InstrumentsUnit) -> Sequence[Security]:
    """Return the issuer's securities for reading, oldest first."""
    authorize(actor, Action.INSTRUMENTS_VIEW, tenant_id=unit.tenant_id)
    return unit.securities.all()


def view_documents(actor: Actor, asset_record_id: AssetRecordId, *, unit: InstrumentsUnit) -> Sequence[StoredDocument]:
    """Return an asset's documents, without their bytes."""
    authorize(actor, Action.INSTRUMENTS_VIEW, tenant_id=unit.tenant_id)
    unit.assets.get(asset_record_id)
    return unit.assets.documents(asset_record_id)


def view_anchors(actor: Actor, asset_record_id: AssetRecordId, *, unit: InstrumentsUnit) -> Mapping[DocumentId, dt.datetime]:
    """Return since when the chain knows each of an asset's documents; those that it does not know (yet) are missing."""
    authorize(actor, Action.INSTRUMENTS_VIEW, tenant_id=unit.tenant_id)
    asset, registry = unit.assets.get(asset_record_id), unit.suites.platform("asset_registry")
    anchors = {
        each.document_id: unit.instruments_chain.document_anchored_at(asset.asset_id, _digest_of(each.print), registry=registry)
        for each in unit.assets.documents(asset_record_id)
    }
    return {document_id: at for document_id, at in anchors.items() if at is not None}


def download_document(actor: Actor, document_id: DocumentId, *, unit: InstrumentsUnit) -> tuple[StoredDocument, bytes]:
    """Return a document with its bytes."""
    authorize(actor, Action.INSTRUMENTS_VIEW, tenant_id=unit.tenant_id)
    return unit.assets.document(document_id), unit.assets.document_content(document_id)


def view_cap_table(actor: Actor, asset_record_id: AssetRecordId, *, unit: InstrumentsUnit) -> cap_table.CapTable:
    """Return the imported cap table, replayed. Stakeholders appear by the ids that the package gave them."""
    authorize(actor, Action.PARTIES_VIEW_PERSONAL_DATA, tenant_id=unit.tenant_id)
    return cap_table.replay(_package(asset_record_id, unit=unit))


def export_company(actor: Actor, asset_record_id: AssetRecordId, *, unit: InstrumentsUnit) -> dict[str, bytes]:
    """Return a company's cap table as an OCF 1.2.0 package: file name to bytes. Contains personal data."""
    authorize(actor, Action.PARTIES_EXPORT, tenant_id=unit.tenant_id)
    files = write_package(_package(asset_record_id, unit=unit))
    unit.audit.record(actor, Action.PARTIES_EXPORT, f"asset_record/{asset_record_id}", {"files": len(files)})
    return files


def company_package(asset_record_id: AssetRecordId, *, unit: InstrumentsUnit) -> OcfPackage:
    """Return a company's imported package, or an empty one of a company that was recorded without; refuse any other asset.

    Asks for no right: the caller has authorised.
    """
    package = unit.cap_tables.package(asset_record_id)
    if package is not None:
        return package
    asset = unit.assets.get(asset_record_id)
    if asset.kind != "equity":
        raise NoCapTable(title=asset.title, kind=asset.kind)
    return package_of(json.loads(asset.canonical_json)["asset"], asset_id=asset.asset_id, recorded_at=asset.recorded_at)


@dataclass(frozen=True, slots=True)
class PublicAnchor:
    """Since when the chain knows a document under an asset."""

    asset_id: AssetId
    anchored_at: dt.datetime


@dataclass(frozen=True, slots=True)
class PublicFacts:
    """What anybody may know of a hash: the asset whose id it is, and the assets to which the document of that hash belongs."""

    digest: str
    asset: PublicAsset | None
    anchors: tuple[PublicAnchor, ...]

    @property
    def is_known(self) -> bool:
        """Whether the chain knows it as anything."""
        return self.asset is not None or bool(self.anchors)


def look_up(text: str, *, unit: PublicUnit) -> PublicFacts:
    """Return what the chain says of an asset id or of a document's keccak256 hash. Needs no right: anybody can read it there.

    Names no issuer and no person, and asks the chain for everything that it says; of many assets with one document, the first
    `ANCHORS_SHOWN_MAX`.

    Raises:
        NotAHash: no 32 bytes in hexadecimal.

    """
    digest = parse_hash(text)
    registry = unit.suites.platform("asset_registry")
    anchors = []
    for asset_id in unit.suites.assets_anchoring(digest, limit=ANCHORS_SHOWN_MAX):
        at = unit.instruments_chain.document_anchored_at(asset_id, bytes.fromhex(digest[2:]), registry=registry)
        if at is not None:
            anchors.append(PublicAnchor(asset_id, at))
    return PublicFacts(digest, unit.instruments_chain.public_asset(AssetId(digest), registry=registry), tuple(anchors))


def parse_hash(text: str) -> str:
    """Return 32 bytes as `0x` and 64 small hexadecimal digits; blanks around them, capitals and a missing `0x` are forgiven."""
    spelled = text.strip().lower().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-f]{64}", spelled):
        raise NotAHash(place=Place(field="hash"))
    return "0x" + spelled


def verify_asset(asset_id: AssetId, *, unit: InstrumentsUnit) -> AssetVerification:
    """Recompute an asset from what is stored and compare with its id and with the chain; every difference is a finding.

    Checks: canonical JSON is canonical and hashes to the id; the chain knows the id; commitments open where their texts are not
    erased, and the record names exactly those; documents hash to what the record says; the cap table's commitments give its root.
    """
    stored = unit.assets.find(asset_id)
    if stored is None:
        raise AssetNotFound(asset_id=asset_id)
    documents = [
        Held(document.print, unit.assets.document_content(document.document_id), in_record=document.in_record)
        for document in unit.assets.documents(stored.asset_record_id)
    ]
    return verify(
        asset_id=stored.asset_id,
        canonical_json=stored.canonical_json,
        personal_values=[(value.name, value.commitment, value.value) for value in unit.assets.personal_values(stored.asset_record_id)],
        documents=documents,
        cap_table_objects=[(each.commitment, each.value) for each in unit.cap_tables.sealed_objects(stored.asset_record_id)],
        documents_anchored=_documents_anchored(stored.asset_id, documents, unit=unit),
        is_on_chain=unit.instruments_chain.is_registered(stored.asset_id, registry=unit.suites.platform("asset_registry")),
    )


def read_vehicle_files(
    vehicle: bytes, owner: bytes, *, title_owner: Address | None = None, documents: tuple[DocumentUpload, ...] = ()
) -> TokeniseVehicle:
    """Return the request that a VIN record and an owner file make; refuse what is no JSON object, with file and line."""
    return TokeniseVehicle(json_object(vehicle, file="vehicle.json"), json_object(owner, file="owner.json"), title_owner, documents)


def _documents_anchored(asset_id: AssetId, documents: Sequence[Held], *, unit: InstrumentsUnit) -> int:
    registry = unit.suites.platform("asset_registry")
    digests = [_digest_of(held.print) for held in documents]
    return sum(unit.instruments_chain.document_anchored_at(asset_id, digest, registry=registry) is not None for digest in digests)


def _digest_of(document: DocumentPrint) -> bytes:
    return bytes.fromhex(document.keccak256.removeprefix("0x"))


def json_object(content: bytes, *, file: str) -> dict[str, Any]:
    """Return the one JSON object in a file; refuse anything else, with file and line."""
    if len(content) > FILE_BYTES_MAX:
        raise RecordInvalid(problem=f"at most {FILE_BYTES_MAX} bytes", place=Place(file=file))
    try:
        value = read_json(content)
    except NotJson as flaw:
        raise RecordInvalid(problem=flaw.problem, place=Place(file=file, line=flaw.line)) from None
    if not isinstance(value, dict):
        raise RecordInvalid(problem="one JSON object is needed", place=Place(file=file))
    return value


def files_of_zip(archive: bytes) -> dict[str, bytes]:
    """Return the files of a package's zip archive by their path; raises as `ocf_archive.unpack` does."""
    return unpack(archive)


def commit_to(personal: Mapping[str, Any]) -> tuple[PersonalValue, ...]:
    """Return the personal values in nested JSON, each with a fresh salt, named by their path; empty texts are left out."""
    values: list[PersonalValue] = []
    _flatten(personal, "", values)
    return tuple(sorted(values, key=lambda value: value.name))


def _without_comment(described: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if name != "comment"}


def _flatten(value: Any, path: str, found: list[PersonalValue]) -> None:
    if len(path) > 200 or path.count(".") > 8:
        raise RecordInvalid(problem="personal values nest too deeply", place=Place(field=path[:80]))
    if isinstance(value, Mapping):
        for name, part in value.items():
            _flatten(part, f"{path}.{name}" if path else str(name), found)
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            _flatten(part, f"{path}[{index}]", found)
    elif value is None or value == "":
        return
    elif isinstance(value, str | int):
        text = str(value)
        if len(text) > TEXT_CHARACTERS_MAX:
            raise FieldTooLong(characters=len(text), characters_max=TEXT_CHARACTERS_MAX, place=Place(field=path))
        if any(ord(character) < 32 or 0xD800 <= ord(character) <= 0xDFFF for character in text):
            raise RecordInvalid(problem="a text without control characters is needed", place=Place(field=path))
        if len(found) == PERSONAL_FIELDS_MAX:
            raise RecordInvalid(problem=f"at most {PERSONAL_FIELDS_MAX} personal values", place=Place(field=path))
        found.append(_salted(path, text))
    else:
        raise RecordInvalid(problem="texts, whole numbers, lists and objects only", place=Place(field=path))


def _salted(name: str, text: str) -> PersonalValue:
    return PersonalValue(name, text, secrets.token_bytes(SALT_BYTES))


def _record(
    actor: Actor,
    body: AssetBody,
    personal_values: Sequence[PersonalValue],
    uploads: Sequence[DocumentUpload],
    *,
    unit: InstrumentsUnit,
) -> StoredAsset:
    prints = tuple(_print(upload) for upload in uploads)
    record = AssetRecord(body, {value.name: value.commitment for value in personal_values}, prints)
    now = unit.clock.now()
    canonical = record.canonical_json()
    asset = StoredAsset(AssetRecordId(new_id(now)), record.asset_id, record.kind, record.title, canonical, now)
    unit.assets.add(asset, personal_values, recorded_by=actor.user_id)
    for upload in uploads:
        _store(actor, asset.asset_record_id, upload, in_record=True, unit=unit)
    unit.outbox.record(AssetRecorded(asset_record_id=str(asset.asset_record_id), asset_id=asset.asset_id, asset_kind=asset.kind))
    return asset


def _print(upload: DocumentUpload) -> DocumentPrint:
    name = upload.name
    if not 1 <= len(name) <= 200 or not name.isprintable() or "/" in name or "\\" in name or name.strip(". ") == "":
        raise DocumentNameInvalid(name=name, place=Place(field="name"))
    if len(upload.content) > DOCUMENT_BYTES_MAX:
        raise DocumentTooLarge(name=name, size_bytes=len(upload.content), bytes_max=DOCUMENT_BYTES_MAX, place=Place(file=name))
    media_type = upload.media_type.split(";")[0].strip().lower()
    return print_of(name, media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream", upload.content)


def _store(
    actor: Actor, asset_record_id: AssetRecordId, upload: DocumentUpload, *, in_record: bool, unit: InstrumentsUnit
) -> StoredDocument:
    now = unit.clock.now()
    document = StoredDocument(DocumentId(new_id(now)), asset_record_id, _print(upload), in_record, now)
    unit.assets.add_document(document, upload.content, stored_by=actor.user_id)
    return document


def _draft(actor: Actor, request: DraftSecurity, *, kind: str, unit: InstrumentsUnit) -> DraftedSecurity:
    del actor  # The callers have authorised and write the audit line.
    now = unit.clock.now()
    drafted = DraftedSecurity(
        check_terms(
            SecurityTerms(
                security_id=SecurityId(new_id(now)),
                asset_record_id=request.asset_record_id,
                kind=kind,
                name=request.name,
                symbol=request.symbol,
                decimals=request.decimals,
                currency=request.currency,
                shares_authorized=request.shares_authorized,
                share_class=request.share_class,
                drafted_at=now,
            )
        )
    )
    unit.securities.add(drafted)
    unit.outbox.record(
        SecurityDrafted(security_id=str(drafted.terms.security_id), asset_record_id=str(request.asset_record_id), symbol=request.symbol)
    )
    return drafted


def _equity(package: OcfPackage, authorized: Mapping[str, Fraction | None], commitments: Sequence[str]) -> Equity:
    issuer = typed(package.issuer, Issuer)
    classes = [typed(each, StockClass) for each in package.of_type("STOCK_CLASS")]
    body = Equity(
        legal_name=one_line(issuer.legal_name),
        country_of_formation=issuer.country_of_formation,
        formation_date=issuer.formation_date,
        subdivision_of_formation=issuer.country_subdivision_of_formation,
        share_classes=tuple(
            ShareClass(each.id, one_line(each.name), each.class_type, _decimal_text(authorized[each.id])) for each in classes
        ),
        cap_table=CapTable("OCF", OCF_VERSION, package.as_of.isoformat(), len(package.parts) - 1, commitments_root(commitments)),
    )
    checked = check_body(body)
    assert isinstance(checked, Equity), "a check changes no kind"
    return checked


def _authorized_at_first(package: OcfPackage) -> Mapping[str, Fraction | None]:
    """Return what each class was authorised with when it was made; adjustments are transactions and stay in the cap table."""
    limits = {each.object_id: typed(each, StockClass).initial_shares_authorized for each in package.of_type("STOCK_CLASS")}
    return {class_id: None if text in cap_table.NO_LIMIT else max(Fraction(text), Fraction(0)) for class_id, text in limits.items()}


def _decimal_text(number: Fraction | None) -> str | None:
    """Return a number of at most ten decimals, as OCF's are, in the one spelling that records use."""
    if number is None:
        return None
    scaled = number * 10**OCF_DECIMALS
    assert scaled.denominator == 1, "OCF's numbers have at most ten decimals"
    return format_shares(int(scaled), decimals=OCF_DECIMALS)


def one_line(text: str) -> str:
    """Return a text as records and tokens can carry it: one line, cut to the record's length."""
    kept = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(kept.split())[:TEXT_CHARACTERS_MAX] or "Unnamed"


def _short_name(company: str, share_class: str) -> str:
    """Return a name that fits the token: company and class, the company's cut where both are too long."""
    wanted = f"{company} {share_class}"
    if len(wanted.encode()) <= 64:
        return wanted
    room = max(0, 64 - len(share_class.encode()) - 1)
    cut = company.encode()[:room].decode(errors="ignore").rstrip()
    return f"{cut} {share_class}".strip().encode()[:64].decode(errors="ignore")


def _free_symbol(stock_class: StockClass, *, unit: InstrumentsUnit) -> str:
    wanted = symbol_from(stock_class.default_id_prefix or stock_class.name)
    if unit.securities.find(wanted) is None:
        return wanted
    numbered = (f"{wanted[: 11 - len(str(number)) - 1]}-{number}" for number in range(2, 1000))
    return next(symbol for symbol in numbered if unit.securities.find(symbol) is None)


def _package(asset_record_id: AssetRecordId, *, unit: InstrumentsUnit) -> OcfPackage:
    package = unit.cap_tables.package(asset_record_id)
    if package is None:
        raise AssetNotFound(asset_id=asset_record_id, place=Place(field="cap_table"))
    return package
