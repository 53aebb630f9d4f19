# SPDX-License-Identifier: Apache-2.0
"""The REST face of instruments under /v1: assets, their documents and cap tables, securities. Shapes and routes; commands decide."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body, FromPath, HeaderParameter, JSONBody, QueryParameter, SkipValidation

from muniment.access.commands import idempotently
from muniment.access.model import Action, Actor, authorize
from muniment.access.ports import Answer
from muniment.instruments import commands
from muniment.instruments.commands import DOCUMENT_BYTES_MAX, DocumentUpload, DraftSecurity, TokenisedAsset
from muniment.instruments.errors import AssetNotFound
from muniment.instruments.model.ocf_archive import ARCHIVE_BYTES_MAX, pack
from muniment.instruments.model.securities import DraftedSecurity, Security
from muniment.instruments.model.titles import TitleHistory
from muniment.instruments.ports import InstrumentsUnit, PublicUnit, StoredAsset, StoredDocument
from muniment.parties.model import parse_address
from muniment.units.errors import Place
from muniment.units.ids import AssetId, AssetRecordId, DocumentId, SecurityId, TenantId, parse_id
from muniment.units.shares import format_shares, parse_shares

PAGE_ROWS: Final = 50
PAGE_ROWS_MAX: Final = 200
ENVELOPE_BYTES: Final = 100_000
"""Room for the form around an uploaded file."""
RECORD_BYTES_MAX: Final = 1_000_000

_ASSET_ID: Final = re.compile(r"0x[0-9a-f]{64}")

AsActor: TypeAlias = SkipValidation[NamedDependency[Actor]]
Begin: TypeAlias = SkipValidation[NamedDependency[Callable[[TenantId], AbstractContextManager[InstrumentsUnit]]]]
BeginPublic: TypeAlias = SkipValidation[NamedDependency[Callable[[], AbstractContextManager[PublicUnit]]]]
Id: TypeAlias = FromPath[str]
IdempotencyKey: TypeAlias = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", description="The same key with the same request gives the same answer.")
]
Upload: TypeAlias = Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART, description="The file, as the part `file`.")]
InstrumentsRequest: TypeAlias = Request[Any, Any, Any]
Cell: TypeAlias = Annotated[str, msgspec.Meta(max_length=1000)]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shape on the wire: no field that we do not know."""


class NewVehicleBody(_Wire, frozen=True, kw_only=True):
    """A vehicle's record, its owner's personal data (kept apart, only committed to), and the wallet that gets the deed."""

    vehicle: dict[str, Any]
    owner: dict[str, Any]
    title_owner: Cell | None = None


class NewAssetBody(_Wire, frozen=True, kw_only=True):
    """An asset of any kind: the record with its `kind`, personal data apart from it, and the wallet that gets a unique asset's deed."""

    asset: dict[str, Any]
    personal: dict[str, Any] = {}
    title_owner: Cell | None = None


class NewSecurityBody(_Wire, frozen=True, kw_only=True):
    """A security on a recorded asset; `shares_authorized` as a decimal text, none for no limit."""

    asset_id: Cell
    name: Cell
    symbol: Cell
    decimals: int = 0
    currency: Cell | None = "USD"
    shares_authorized: Cell | None = None


class AssetBody(_Wire, frozen=True, kw_only=True):
    """An asset in a list."""

    asset_id: str
    kind: str
    title: str
    recorded_at: dt.datetime


class AssetDetailBody(_Wire, frozen=True, kw_only=True):
    """An asset with its record. `record` is for reading; the bytes that hash to the id are under /record."""

    asset: AssetBody
    record: dict[str, Any]
    securities: list[str]


class AssetsBody(_Wire, frozen=True, kw_only=True):
    """A page of assets, newest first."""

    assets: list[AssetBody]
    next_cursor: str | None


class TokenisedAssetBody(_Wire, frozen=True, kw_only=True):
    """What came of a tokenisation; `warnings` are for a person to look at."""

    asset_id: str
    title: str
    warnings: list[str]


class NewLienBody(_Wire, frozen=True, kw_only=True):
    """A lien: reference, holder, registered_date, and the amount where there is one."""

    lien: dict[str, Any]


class LienIdBody(_Wire, frozen=True, kw_only=True):
    """The id of a lien: keccak256 of its canonical JSON (RFC 8785)."""

    lien_id: str


class OpenLienBody(_Wire, frozen=True, kw_only=True):
    """A lien that holds the deed; its text is null where it was not filed here."""

    lien_id: str
    lien: dict[str, Any] | None


class TitleEventBody(_Wire, frozen=True, kw_only=True):
    """One thing that happened to a title: minted, transferred, burned, lien_placed, lien_assigned or lien_released."""

    act: str
    occurred_at: dt.datetime
    block_number: int
    transaction_hash: str
    giver: str | None
    receiver: str | None
    lien_id: str | None
    lienholder: str | None


class TitleBody(_Wire, frozen=True, kw_only=True):
    """A title as the chain's events leave it; the owner is null where there is no deed."""

    owner: str | None
    open_liens: list[OpenLienBody]
    events: list[TitleEventBody]


class PublicAssetBody(_Wire, frozen=True, kw_only=True):
    """What the chain shows of an asset; `documents` is how many digests are anchored under it."""

    asset_id: str
    registered_at: dt.datetime
    is_retired: bool
    token_address: str | None
    documents: int


class PublicAnchorBody(_Wire, frozen=True, kw_only=True):
    """An asset under which a document's digest is anchored, and since when."""

    asset_id: str
    anchored_at: dt.datetime


class PublicFactsBody(_Wire, frozen=True, kw_only=True):
    """What anybody may know of a hash: the asset whose id it is (null where it is none), and where it is anchored as a document."""

    hash: str
    is_known: bool
    asset: PublicAssetBody | None
    anchors: list[PublicAnchorBody]


class DefectBody(_Wire, frozen=True, kw_only=True):
    """One thing wrong in a package. `severity`: refused, warning, or not_applied by the replay."""

    code: str
    message: str
    severity: str
    place: dict[str, Any]


class PositionBody(_Wire, frozen=True, kw_only=True):
    """What a stakeholder holds of a class, as a decimal or an exact fraction."""

    stock_class_id: str
    stakeholder_id: str
    shares: str


class TokenisedCompanyBody(_Wire, frozen=True, kw_only=True):
    """A company's asset, the securities drafted for its classes by class id, and every defect of the package."""

    asset_id: str
    title: str
    securities: dict[str, str]
    defects: list[DefectBody]


class CapTableBody(_Wire, frozen=True, kw_only=True):
    """The imported cap table, replayed."""

    as_of: dt.date
    positions: list[PositionBody]
    outstanding: dict[str, str]


class FindingBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing about an asset that does not hold."""

    field: str
    code: str
    message: str
    expected: str | None = None
    found: str | None = None


class VerificationBody(_Wire, frozen=True, kw_only=True):
    """Everything about an asset recomputed; `holds` where nothing was found."""

    asset_id: str
    holds: bool
    findings: list[FindingBody]
    commitments_opened: int
    commitments_erased: int
    documents_checked: int
    documents_anchored: int


class DocumentBody(_Wire, frozen=True, kw_only=True):
    """A document's print. `in_record`: the asset's id covers it."""

    document_id: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    keccak256: str
    in_record: bool
    stored_at: dt.datetime


class SecurityBody(_Wire, frozen=True, kw_only=True):
    """A security; `state` is drafted, deploying, deployed (paused), open or closed."""

    security_id: str
    asset_id: str
    kind: str
    name: str
    symbol: str
    decimals: int
    currency: str | None
    shares_authorized: str | None
    state: str
    token_address: str | None
    drafted_at: dt.datetime


@get("/v1/assets", sync_to_thread=True, tags=["Assets"], summary="Assets")
def get_assets(
    actor: AsActor,
    begin: Begin,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX, description="How many rows at most.")] = PAGE_ROWS,
    cursor: Annotated[str | None, QueryParameter(max_length=100, description="next_cursor of the page before.")] = None,
) -> AssetsBody:
    """Return assets, newest first."""
    after = None if cursor is None else AssetRecordId(parse_id(cursor, field="cursor"))
    with begin(actor.tenant_id) as unit:
        assets = commands.view_assets(actor, unit=unit, limit=limit, after=after)
    last = str(assets[-1].asset_record_id) if len(assets) == limit else None
    return AssetsBody(assets=[_asset(asset) for asset in assets], next_cursor=last)


@get("/v1/assets/{asset_id:str}", sync_to_thread=True, tags=["Assets"], summary="An asset")
def get_asset(actor: AsActor, asset_id: Id, begin: Begin) -> AssetDetailBody:
    """Return an asset with its record and the securities on it."""
    with begin(actor.tenant_id) as unit:
        asset = commands.find_asset(actor, asset_id_from(asset_id), unit=unit)
        securities = unit.securities.of_asset(asset.asset_record_id)
    return AssetDetailBody(
        asset=_asset(asset),
        record=json.loads(asset.canonical_json),
        securities=[str(security.terms.security_id) for security in securities],
    )


@get("/v1/assets/{asset_id:str}/record", sync_to_thread=True, tags=["Assets"], summary="The canonical record")
def get_record(actor: AsActor, asset_id: Id, begin: Begin) -> Response[bytes]:
    """Return the record's canonical JSON (RFC 8785), byte for byte what keccak256 makes the asset id of."""
    with begin(actor.tenant_id) as unit:
        asset = commands.find_asset(actor, asset_id_from(asset_id), unit=unit)
    return Response(asset.canonical_json, media_type="application/json")


@get("/v1/assets/{asset_id:str}/verification", sync_to_thread=True, tags=["Assets"], summary="Verify an asset")
def get_verification(actor: AsActor, asset_id: Id, begin: Begin) -> VerificationBody:
    """Recompute the asset's id, commitments and documents, and ask the chain."""
    with begin(actor.tenant_id) as unit:
        verification = commands.view_verification(actor, asset_id_from(asset_id), unit=unit)
    return msgspec.convert(verification.as_json(), VerificationBody)


@post("/v1/assets", sync_to_thread=True, tags=["Assets"], summary="Tokenise an asset", request_max_body_size=RECORD_BYTES_MAX)
def post_asset(
    request: InstrumentsRequest, actor: AsActor, data: JSONBody[NewAssetBody], begin: Begin, idempotency_key: IdempotencyKey = None
) -> Response[TokenisedAssetBody]:
    """Record an asset of any kind; its id goes to the chain, and a unique asset's deed to its owner's wallet."""
    owner = None if data.title_owner is None else parse_address(data.title_owner, field="title_owner")
    asked = commands.TokeniseAsset(data.asset, data.personal, owner)
    with begin(actor.tenant_id) as unit:
        answer = idempotently(
            actor,
            idempotency_key,
            _request_of(request, msgspec.to_builtins(data)),
            lambda: _created(_tokenised(commands.tokenise_asset(actor, asked, unit=unit))),
            unit=unit,
        )
    return Response(msgspec.convert(answer.body, TokenisedAssetBody), status_code=answer.status)


@post("/v1/assets/vehicles", sync_to_thread=True, tags=["Assets"], summary="Tokenise a vehicle", request_max_body_size=RECORD_BYTES_MAX)
def post_vehicle(
    request: InstrumentsRequest, actor: AsActor, data: JSONBody[NewVehicleBody], begin: Begin, idempotency_key: IdempotencyKey = None
) -> Response[TokenisedAssetBody]:
    """Record a vehicle by its VIN; the owner's data is sealed and only committed to."""
    owner = None if data.title_owner is None else parse_address(data.title_owner, field="title_owner")
    asked = commands.TokeniseVehicle(data.vehicle, data.owner, owner)
    with begin(actor.tenant_id) as unit:
        answer = idempotently(
            actor,
            idempotency_key,
            _request_of(request, msgspec.to_builtins(data)),
            lambda: _created(_tokenised(commands.tokenise_vehicle(actor, asked, unit=unit))),
            unit=unit,
        )
    return Response(msgspec.convert(answer.body, TokenisedAssetBody), status_code=answer.status)


@post(
    "/v1/assets/companies",
    sync_to_thread=True,
    tags=["Assets"],
    summary="Tokenise a company from its cap table",
    request_max_body_size=ARCHIVE_BYTES_MAX + ENVELOPE_BYTES,
)
def post_company(actor: AsActor, data: Upload, begin: Begin) -> TokenisedCompanyBody:
    """Record a company from a zipped Open Cap Table package (OCF 1.2.0); malformed objects are told and left out, the rest stands."""
    # Before the archive is unpacked, which costs most of the work.
    authorize(actor, Action.INSTRUMENTS_TOKENISE, tenant_id=actor.tenant_id)
    files = commands.files_of_zip(data.file.read())
    with begin(actor.tenant_id) as unit:
        company = commands.tokenise_company(actor, commands.TokeniseCompany(files), unit=unit)
    return TokenisedCompanyBody(
        asset_id=company.asset_id,
        title=company.title,
        securities={class_id: str(security_id) for class_id, security_id in company.securities.items()},
        defects=[msgspec.convert(defect.as_json(), DefectBody) for defect in company.defects],
    )


@get("/v1/assets/{asset_id:str}/cap-table", sync_to_thread=True, tags=["Assets"], summary="The imported cap table")
def get_cap_table(actor: AsActor, asset_id: Id, begin: Begin) -> CapTableBody:
    """Return who holds how much of which class in the imported package, replayed."""
    with begin(actor.tenant_id) as unit:
        asset = commands.find_asset(actor, asset_id_from(asset_id), unit=unit)
        cap_table = commands.view_cap_table(actor, asset.asset_record_id, unit=unit)
    return CapTableBody(
        as_of=cap_table.as_of,
        positions=[
            PositionBody(stock_class_id=each.stock_class_id, stakeholder_id=each.stakeholder_id, shares=str(each.shares))
            for each in cap_table.positions
        ],
        outstanding={class_id: str(shares) for class_id, shares in cap_table.outstanding.items()},
    )


@get("/v1/assets/{asset_id:str}/ocf", sync_to_thread=True, tags=["Assets"], summary="The cap table as an OCF package")
def get_ocf(actor: AsActor, asset_id: Id, begin: Begin) -> Response[bytes]:
    """Return a company's cap table as a zipped OCF 1.2.0 package; contains personal data and is written into the audit log."""
    with begin(actor.tenant_id) as unit:
        asset = commands.find_asset(actor, asset_id_from(asset_id), unit=unit)
        files = commands.export_company(actor, asset.asset_record_id, unit=unit)
    headers = {"Content-Disposition": 'attachment; filename="cap-table.ocf.zip"', "Cache-Control": "no-store"}
    return Response(pack(files), media_type="application/zip", headers=headers)


@get("/v1/assets/{asset_id:str}/title", sync_to_thread=True, tags=["Assets"], summary="The history of a title")
def get_title(actor: AsActor, asset_id: Id, begin: Begin) -> TitleBody:
    """Return who held the deed of a unique asset, and which liens were placed on it and released, from the chain's events."""
    with begin(actor.tenant_id) as unit:
        asset = commands.find_asset(actor, asset_id_from(asset_id), unit=unit)
        return title_body(commands.view_title(actor, asset.asset_record_id, unit=unit))


@post("/v1/assets/{asset_id:str}/liens", sync_to_thread=True, tags=["Assets"], summary="File a lien", status_code=202)
def post_lien(
    request: InstrumentsRequest,
    actor: AsActor,
    asset_id: Id,
    data: JSONBody[NewLienBody],
    begin: Begin,
    idempotency_key: IdempotencyKey = None,
) -> Response[LienIdBody]:
    """Have a lien placed upon an asset's deed; while it is open the deed does not move. `holder` is an institution, never a person."""
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            asset = commands.find_asset(actor, asset_id_from(asset_id), unit=unit)
            lien_id = commands.file_lien(actor, asset.asset_record_id, data.lien, unit=unit)
            return Answer(status=202, body=msgspec.to_builtins(LienIdBody(lien_id=lien_id)))

        answer = idempotently(actor, idempotency_key, _request_of(request, msgspec.to_builtins(data)), run, unit=unit)
    return Response(msgspec.convert(answer.body, LienIdBody), status_code=answer.status)


@post(
    "/v1/assets/{asset_id:str}/liens/{lien_id:str}/release",
    sync_to_thread=True,
    tags=["Assets"],
    summary="Release a lien",
    status_code=202,
)
def post_lien_release(
    request: InstrumentsRequest, actor: AsActor, asset_id: Id, lien_id: Id, begin: Begin, idempotency_key: IdempotencyKey = None
) -> Response[LienIdBody]:
    """Have an open lien upon an asset's deed released."""
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            asset = commands.find_asset(actor, asset_id_from(asset_id), unit=unit)
            commands.release_lien(actor, asset.asset_record_id, lien_id, unit=unit)
            return Answer(status=202, body=msgspec.to_builtins(LienIdBody(lien_id=commands.parse_hash(lien_id))))

        answer = idempotently(actor, idempotency_key, _request_of(request, {}), run, unit=unit)
    return Response(msgspec.convert(answer.body, LienIdBody), status_code=answer.status)


@get("/v1/assets/{asset_id:str}/documents", sync_to_thread=True, tags=["Documents"], summary="An asset's documents")
def get_asset_documents(actor: AsActor, asset_id: Id, begin: Begin) -> list[DocumentBody]:
    """Return the documents of an asset, oldest first, without their bytes."""
    with begin(actor.tenant_id) as unit:
        asset = commands.find_asset(actor, asset_id_from(asset_id), unit=unit)
        documents = commands.view_documents(actor, asset.asset_record_id, unit=unit)
    return [_document(document) for document in documents]


@post(
    "/v1/assets/{asset_id:str}/documents",
    sync_to_thread=True,
    tags=["Documents"],
    summary="Add a document to an asset",
    request_max_body_size=DOCUMENT_BYTES_MAX + ENVELOPE_BYTES,
)
def post_asset_document(actor: AsActor, asset_id: Id, data: Upload, begin: Begin) -> DocumentBody:
    """Keep a document beside an asset's record; its hashes are computed here."""
    upload = _uploaded(data)
    with begin(actor.tenant_id) as unit:
        asset = commands.find_asset(actor, asset_id_from(asset_id), unit=unit)
        document = commands.store_document(actor, asset.asset_record_id, upload, unit=unit)
    return _document(document)


@get("/v1/documents/{document_id:str}", sync_to_thread=True, tags=["Documents"], summary="A document's bytes")
def get_document(actor: AsActor, document_id: Id, begin: Begin) -> Response[bytes]:
    """Return a document as a download; never shown in place, whatever it says it is."""
    with begin(actor.tenant_id) as unit:
        document, content = commands.download_document(actor, DocumentId(parse_id(document_id, field="document_id")), unit=unit)
    # RFC 6266: the plain name is for old clients; it is the id, since names may hold any letter.
    headers = {
        "Content-Disposition": f"attachment; filename=\"{document.document_id}\"; filename*=UTF-8''{_quoted(document.print.name)}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(content, media_type=document.print.media_type, headers=headers)


@get("/v1/verification/{digest:str}", opt={"public": True}, sync_to_thread=True, tags=["Public"], summary="What the chain says of a hash")
def get_public_verification(digest: Id, begin_public: BeginPublic) -> PublicFactsBody:
    """Say, to anybody, whether a hash is an asset's id or a document's keccak256 digest, and since when the chain knows it."""
    with begin_public() as unit:
        return public_facts_body(commands.look_up(digest, unit=unit))


@get("/v1/securities", sync_to_thread=True, tags=["Securities"], summary="Securities")
def get_securities(actor: AsActor, begin: Begin) -> list[SecurityBody]:
    """Return the organisation's securities, oldest first."""
    with begin(actor.tenant_id) as unit:
        return [_security(security, unit=unit) for security in commands.view_securities(actor, unit=unit)]


@get("/v1/securities/{security_id:str}", sync_to_thread=True, tags=["Securities"], summary="A security")
def get_security(actor: AsActor, security_id: Id, begin: Begin) -> SecurityBody:
    """Return a security."""
    with begin(actor.tenant_id) as unit:
        return _security(commands.view_security(actor, _security_id(security_id), unit=unit), unit=unit)


@post("/v1/securities", sync_to_thread=True, tags=["Securities"], summary="Draft a security")
def post_security(
    request: InstrumentsRequest, actor: AsActor, data: JSONBody[NewSecurityBody], begin: Begin, idempotency_key: IdempotencyKey = None
) -> Response[SecurityBody]:
    """Draft a security on a recorded asset; nothing goes to the chain yet."""
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            asset = commands.find_asset(actor, asset_id_from(data.asset_id), unit=unit)
            draft = DraftSecurity(asset.asset_record_id, data.name, data.symbol, data.decimals, data.currency, _authorized(data))
            return _created(_security(commands.draft_security(actor, draft, unit=unit), unit=unit))

        answer = idempotently(actor, idempotency_key, _request_of(request, msgspec.to_builtins(data)), run, unit=unit)
    return Response(msgspec.convert(answer.body, SecurityBody), status_code=answer.status)


@post(
    "/v1/securities/{security_id:str}/deployment",
    sync_to_thread=True,
    tags=["Securities"],
    summary="Put a security on the chain",
    status_code=202,
)
def post_deployment(actor: AsActor, security_id: Id, begin: Begin) -> SecurityBody:
    """Have a drafted security's token deployed, paused; look at the security to see when it is there."""
    with begin(actor.tenant_id) as unit:
        return _security(commands.deploy_security(actor, _security_id(security_id), unit=unit), unit=unit)


@get("/v1/securities/{security_id:str}/documents", sync_to_thread=True, tags=["Documents"], summary="A security's documents")
def get_security_documents(actor: AsActor, security_id: Id, begin: Begin) -> list[DocumentBody]:
    """Return the documents of the asset that a security stands on."""
    with begin(actor.tenant_id) as unit:
        security = commands.view_security(actor, _security_id(security_id), unit=unit)
        documents = commands.view_documents(actor, security.terms.asset_record_id, unit=unit)
    return [_document(document) for document in documents]


@post(
    "/v1/securities/{security_id:str}/documents",
    sync_to_thread=True,
    tags=["Documents"],
    summary="Add a document to a security",
    request_max_body_size=DOCUMENT_BYTES_MAX + ENVELOPE_BYTES,
)
def post_security_document(actor: AsActor, security_id: Id, data: Upload, begin: Begin) -> DocumentBody:
    """Keep a document beside the record of the asset that a security stands on."""
    upload = _uploaded(data)
    with begin(actor.tenant_id) as unit:
        security = commands.view_security(actor, _security_id(security_id), unit=unit)
        document = commands.store_document(actor, security.terms.asset_record_id, upload, unit=unit)
    return _document(document)


ROUTES: Sequence[HTTPRouteHandler] = [
    get_assets,
    get_asset,
    get_record,
    get_verification,
    get_title,
    post_lien,
    post_lien_release,
    get_public_verification,
    post_asset,
    post_vehicle,
    post_company,
    get_cap_table,
    get_ocf,
    get_asset_documents,
    post_asset_document,
    get_document,
    get_securities,
    get_security,
    post_security,
    post_deployment,
    get_security_documents,
    post_security_document,
]


def title_body(history: TitleHistory) -> TitleBody:
    """Return the wire shape."""
    return TitleBody(
        owner=history.owner,
        open_liens=[
            OpenLienBody(lien_id=lien_id, lien=msgspec.to_builtins(history.texts[lien_id]) if lien_id in history.texts else None)
            for lien_id in history.open_liens
        ],
        events=[
            TitleEventBody(
                act=event.act,
                occurred_at=event.occurred_at,
                block_number=event.block_number,
                transaction_hash=event.transaction_hash,
                giver=event.giver,
                receiver=event.receiver,
                lien_id=event.lien_id,
                lienholder=event.lienholder,
            )
            for event in history.events
        ],
    )


def public_facts_body(facts: commands.PublicFacts) -> PublicFactsBody:
    """Return the wire shape."""
    asset = facts.asset
    return PublicFactsBody(
        hash=facts.digest,
        is_known=facts.is_known,
        asset=None
        if asset is None
        else PublicAssetBody(
            asset_id=asset.asset_id,
            registered_at=asset.registered_at,
            is_retired=asset.is_retired,
            token_address=asset.token,
            documents=asset.documents,
        ),
        anchors=[PublicAnchorBody(asset_id=each.asset_id, anchored_at=each.anchored_at) for each in facts.anchors],
    )


def asset_id_from(text: str) -> AssetId:
    """Return the id that a text spells, in small letters; one that no asset can have is not found."""
    if not _ASSET_ID.fullmatch(text.lower()):
        raise AssetNotFound(asset_id=text, place=Place(field="asset_id"))
    return AssetId(text.lower())


def _security_id(text: str) -> SecurityId:
    return SecurityId(parse_id(text, field="security_id"))


def _authorized(data: NewSecurityBody) -> int | None:
    if data.shares_authorized is None:
        return None
    return parse_shares(data.shares_authorized, decimals=max(0, min(data.decimals, 18)), field="shares_authorized")


def _request_of(request: InstrumentsRequest, body: Any) -> dict[str, Any]:
    return {"method": request.method, "path": request.url.path, "body": body}


def _created(body: msgspec.Struct) -> Answer:
    return Answer(status=201, body=msgspec.to_builtins(body))


def _uploaded(data: UploadFile) -> DocumentUpload:
    name = data.filename.replace("\\", "/").rpartition("/")[2]
    return DocumentUpload(name, data.content_type, data.file.read(DOCUMENT_BYTES_MAX + 1))


def _asset(asset: StoredAsset) -> AssetBody:
    return AssetBody(asset_id=asset.asset_id, kind=asset.kind, title=asset.title, recorded_at=asset.recorded_at)


def _tokenised(asset: TokenisedAsset) -> TokenisedAssetBody:
    return TokenisedAssetBody(asset_id=asset.asset_id, title=asset.title, warnings=list(asset.warnings))


def _document(document: StoredDocument) -> DocumentBody:
    return DocumentBody(
        document_id=str(document.document_id),
        name=document.print.name,
        media_type=document.print.media_type,
        size_bytes=document.print.size_bytes,
        sha256=document.print.sha256,
        keccak256=document.print.keccak256,
        in_record=document.in_record,
        stored_at=document.stored_at,
    )


def _security(security: Security, *, unit: InstrumentsUnit) -> SecurityBody:
    terms = security.terms
    authorized = terms.shares_authorized
    return SecurityBody(
        security_id=str(terms.security_id),
        asset_id=unit.assets.get(terms.asset_record_id).asset_id,
        kind=terms.kind,
        name=terms.name,
        symbol=terms.symbol,
        decimals=terms.decimals,
        currency=terms.currency,
        shares_authorized=None if authorized is None else format_shares(authorized, decimals=terms.decimals),
        state=security.state,
        token_address=None if isinstance(security, DraftedSecurity) else security.token_address,
        drafted_at=terms.drafted_at,
    )


def _quoted(name: str) -> str:
    # RFC 8187: everything but unreserved characters in percent form.
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in name.encode())
