# SPDX-License-Identifier: Apache-2.0
"""The REST face of parties under /v1: investors, their wallets, verification, CSV in and out. Shapes and routes; commands decide."""

from __future__ import annotations

import datetime as dt
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
from muniment.access.model import Actor
from muniment.access.ports import Answer, Page
from muniment.parties import commands
from muniment.parties.commands import InvestorView
from muniment.parties.model import Claim, Cleared, Investor, PersonalData, Rejected, Verdict, Verified, Wallet, country_name, parse_address
from muniment.parties.model.onboarding import FILE_BYTES_MAX
from muniment.parties.ports import PartiesUnit
from muniment.units.ids import InvestorId, TenantId, parse_id

PAGE_ROWS: Final = 50
PAGE_ROWS_MAX: Final = 200
UPLOAD_BYTES_MAX: Final = FILE_BYTES_MAX + 100_000
"""The file and the envelope of the form around it."""

FILE_NAME_CHARACTERS_MAX: Final = 100

AsActor: TypeAlias = SkipValidation[NamedDependency[Actor]]
Begin: TypeAlias = SkipValidation[NamedDependency[Callable[[TenantId], AbstractContextManager[PartiesUnit]]]]
Id: TypeAlias = FromPath[str]
IdempotencyKey: TypeAlias = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", description="The same key with the same request gives the same answer.")
]
PartiesRequest: TypeAlias = Request[Any, Any, Any]
Cell: TypeAlias = Annotated[str, msgspec.Meta(max_length=20_000)]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shape on the wire: no field that we do not know."""


class NewInvestorBody(_Wire, frozen=True, kw_only=True):
    """An investor as text, field by field the columns of the CSV; without `wallet_address` Muniment manages the wallet."""

    external_reference: Cell
    name: Cell
    email: Cell
    country: Cell
    kind: Cell = "person"
    date_of_birth: Cell = ""
    tax_id: Cell = ""
    document_number: Cell = ""
    document_expires: Cell = ""
    accredited: Cell = ""
    wallet_address: Cell = ""
    note: Cell = ""


class NewWalletBody(_Wire, frozen=True, kw_only=True):
    """An address with its EIP-55 checksum, or none for a wallet that Muniment manages."""

    address: Cell | None = None


class ReviewBody(_Wire, frozen=True, kw_only=True):
    """The second person's decision."""

    accepted: bool


class WalletBody(_Wire, frozen=True, kw_only=True):
    """A wallet; position 1 is the investor's identity on chain."""

    wallet_id: str
    address: str
    position: int
    managed: bool
    added_at: dt.datetime


class ClaimBody(_Wire, frozen=True, kw_only=True):
    """What somebody says of the investor."""

    topic: str
    issuer: str
    evidence_sha256: str
    issued_at: dt.datetime
    expires_at: dt.datetime
    revoked_at: dt.datetime | None


class PersonBody(_Wire, frozen=True, kw_only=True):
    """Personal data, for those who may see it."""

    name: str
    email: str
    date_of_birth: dt.date | None
    tax_id: str | None
    document_number: str | None
    document_expires: dt.date | None
    accredited: bool
    note: str | None


class InvestorBody(_Wire, frozen=True, kw_only=True):
    """An investor. `name` is null for those who may not see personal data, and `erased` after erasure."""

    investor_id: str
    external_reference: str
    kind: str
    country: str
    country_name: str
    status: str
    status_since: dt.datetime
    verified_until: dt.datetime | None
    refusal_codes: list[str]
    created_at: dt.datetime
    erased_at: dt.datetime | None
    name: str | None
    wallets: list[WalletBody]


class InvestorDetailBody(_Wire, frozen=True, kw_only=True):
    """An investor with claims and, for those who may see it, the personal data."""

    investor: InvestorBody
    claims: list[ClaimBody]
    person: PersonBody | None


class InvestorsBody(_Wire, frozen=True, kw_only=True):
    """A page of investors, newest first."""

    investors: list[InvestorBody]
    next_cursor: str | None


class ReasonBody(_Wire, frozen=True, kw_only=True):
    """Why the provider did not clear the investor."""

    code: str
    message: str
    rule: str | None
    citation: str | None
    cure: str | None


class VerdictBody(_Wire, frozen=True, kw_only=True):
    """What the identity provider said, and the investor's status after it."""

    investor_id: str
    status: str
    provider: str
    reasons: list[ReasonBody]


class StoredRowBody(_Wire, frozen=True, kw_only=True):
    """A line of the file whose investor exists."""

    line: int
    external_reference: str
    investor_id: str


class RefusalBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong with a line: code, place, and how to mend it."""

    code: str
    message: str
    facts: dict[str, Any]
    place: dict[str, Any] | None = None
    cure: str | None = None


class RefusedRowBody(_Wire, frozen=True, kw_only=True):
    """A line of the file that was not taken."""

    line: int
    reasons: list[RefusalBody]


class OnboardingReportBody(_Wire, frozen=True, kw_only=True):
    """What became of each line of the file."""

    accepted: list[StoredRowBody]
    refused: list[RefusedRowBody]
    unchanged: list[StoredRowBody]


@get("/v1/investors", sync_to_thread=True, tags=["Investors"], summary="Investors")
def get_investors(
    actor: AsActor,
    begin: Begin,
    search: Annotated[
        str | None, QueryParameter(max_length=300, description="An exact name, e-mail address, tax id, reference or wallet address.")
    ] = None,
    investor_status: Annotated[str | None, QueryParameter(name="status", pattern="draft|in_review|verified|rejected|expired")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX, description="How many rows at most.")] = PAGE_ROWS,
    cursor: Annotated[str | None, QueryParameter(max_length=100, description="next_cursor of the page before.")] = None,
) -> InvestorsBody:
    """Return investors, newest first; with names for those who may see them, which is written into the audit log."""
    with begin(actor.tenant_id) as unit:
        views = commands.list_investors(actor, Page(limit=limit, cursor=cursor), unit=unit, text=search, status=investor_status)
    last = str(views[-1].investor.investor_id) if len(views) == limit else None
    return InvestorsBody(investors=[_investor(view) for view in views], next_cursor=last)


@get("/v1/investors/{investor_id:str}", sync_to_thread=True, tags=["Investors"], summary="An investor")
def get_investor(actor: AsActor, investor_id: Id, begin: Begin) -> InvestorDetailBody:
    """Return an investor with wallets and claims; seeing the personal data is written into the audit log."""
    with begin(actor.tenant_id) as unit:
        view = commands.view_investor(actor, _id(investor_id), unit=unit)
    return InvestorDetailBody(
        investor=_investor(view),
        claims=[_claim(claim) for claim in view.claims],
        person=None if view.person is None else _person(view.person),
    )


@post("/v1/investors", sync_to_thread=True, tags=["Investors"], summary="Onboard an investor")
def post_investor(
    request: PartiesRequest, actor: AsActor, data: JSONBody[NewInvestorBody], begin: Begin, idempotency_key: IdempotencyKey = None
) -> Response[InvestorBody]:
    """Onboard one investor, as a draft to be verified."""
    fields: dict[str, str] = msgspec.to_builtins(data)
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            onboarded = commands.onboard_investor(actor, fields, unit=unit)
            view = InvestorView(investor=onboarded.investor, name=None, person=None, wallets=(onboarded.wallet,))
            # The name is left out: answers are kept under their key, and whoever sent it knows it.
            return Answer(status=201, body=msgspec.to_builtins(_investor(view)))

        answer = idempotently(actor, idempotency_key, _request_of(request, fields), run, unit=unit)
    return Response(msgspec.convert(answer.body, InvestorBody), status_code=answer.status)


@post(
    "/v1/investors/import",
    sync_to_thread=True,
    tags=["Investors"],
    summary="Onboard investors from a CSV file",
    status_code=200,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
def post_import(
    actor: AsActor,
    data: Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART, description="The CSV file, as the part `file`.")],
    begin: Begin,
) -> OnboardingReportBody:
    """Onboard every valid row and say of each other one what is wrong with it; the same file again makes nobody twice."""
    file_name = _file_name(data.filename)
    with begin(actor.tenant_id) as unit:
        report = commands.onboard_csv(actor, data.file, file_name=file_name, unit=unit)
    return msgspec.convert(report.as_json(), OnboardingReportBody)


@get("/v1/investors/export", sync_to_thread=True, tags=["Investors"], summary="All investors as CSV", media_type="text/csv")
def get_export(actor: AsActor, begin: Begin) -> Response[str]:
    """Return all investors with their personal data as a CSV file that no spreadsheet runs; written into the audit log."""
    with begin(actor.tenant_id) as unit:
        text = "".join(commands.export_csv(actor, unit=unit))
    headers = {"Content-Disposition": 'attachment; filename="investors.csv"', "Cache-Control": "no-store"}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@post("/v1/investors/{investor_id:str}/verify", sync_to_thread=True, tags=["Investors"], summary="Verify an investor", status_code=200)
def post_verify(actor: AsActor, investor_id: Id, begin: Begin) -> VerdictBody:
    """Have the identity provider check an investor."""
    with begin(actor.tenant_id) as unit:
        investor, verdict = commands.verify_investor(actor, _id(investor_id), unit=unit)
    return _verdict(investor, verdict)


@post("/v1/investors/{investor_id:str}/review", sync_to_thread=True, tags=["Investors"], summary="Decide a referred case", status_code=200)
def post_review(actor: AsActor, investor_id: Id, data: JSONBody[ReviewBody], begin: Begin) -> InvestorBody:
    """Decide, as a second person, about an investor whom the provider referred."""
    with begin(actor.tenant_id) as unit:
        investor = commands.decide_review(actor, _id(investor_id), accepted=data.accepted, unit=unit)
        wallets = tuple(unit.wallets.of_investor(investor.investor_id))
    return _investor(InvestorView(investor=investor, name=None, person=None, wallets=wallets))


@post("/v1/investors/{investor_id:str}/wallets", sync_to_thread=True, tags=["Investors"], summary="Add a wallet")
def post_wallet(
    request: PartiesRequest,
    actor: AsActor,
    investor_id: Id,
    data: JSONBody[NewWalletBody],
    begin: Begin,
    idempotency_key: IdempotencyKey = None,
) -> Response[WalletBody]:
    """Give an investor one more wallet, their own or a managed one."""
    address = None if data.address is None else parse_address(data.address)
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            wallet = commands.add_wallet(actor, _id(investor_id), address, unit=unit)
            return Answer(status=201, body=msgspec.to_builtins(_wallet(wallet)))

        answer = idempotently(actor, idempotency_key, _request_of(request, {"address": address}), run, unit=unit)
    return Response(msgspec.convert(answer.body, WalletBody), status_code=answer.status)


@post("/v1/investors/{investor_id:str}/erase", sync_to_thread=True, tags=["Investors"], summary="Erase personal data", status_code=200)
def post_erase(actor: AsActor, investor_id: Id, begin: Begin) -> InvestorBody:
    """Destroy an investor's personal data for good; wallets and ledger remain."""
    with begin(actor.tenant_id) as unit:
        investor = commands.erase_investor(actor, _id(investor_id), unit=unit)
        wallets = tuple(unit.wallets.of_investor(investor.investor_id))
    return _investor(InvestorView(investor=investor, name="erased", person=None, wallets=wallets))


ROUTES: Sequence[HTTPRouteHandler] = [
    get_investors,
    get_investor,
    post_investor,
    post_import,
    get_export,
    post_verify,
    post_review,
    post_wallet,
    post_erase,
]


def _id(text: str) -> InvestorId:
    return InvestorId(parse_id(text, field="investor_id"))


def _request_of(request: PartiesRequest, body: Any) -> dict[str, Any]:
    return {"method": request.method, "path": request.url.path, "body": body}


def _file_name(name: str) -> str:
    # Only for the report's places: no folder, nothing unprintable, not endless.
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[:FILE_NAME_CHARACTERS_MAX] or "upload.csv"


def _investor(view: InvestorView) -> InvestorBody:
    investor = view.investor
    standing = investor.standing
    return InvestorBody(
        investor_id=str(investor.investor_id),
        external_reference=investor.external_reference,
        kind=investor.kind.value,
        country=investor.country,
        country_name=country_name(investor.country),
        status=investor.status,
        status_since=standing.since,
        verified_until=standing.until if isinstance(standing, Verified) else None,
        refusal_codes=list(standing.codes) if isinstance(standing, Rejected) else [],
        created_at=investor.created_at,
        erased_at=investor.erased_at,
        name=view.name,
        wallets=[_wallet(wallet) for wallet in view.wallets],
    )


def _wallet(wallet: Wallet) -> WalletBody:
    return WalletBody(
        wallet_id=str(wallet.wallet_id),
        address=wallet.address,
        position=wallet.position,
        managed=wallet.managed,
        added_at=wallet.added_at,
    )


def _claim(claim: Claim) -> ClaimBody:
    return ClaimBody(
        topic=claim.topic.name.lower(),
        issuer=claim.issuer,
        evidence_sha256=claim.evidence_sha256.hex(),
        issued_at=claim.issued_at,
        expires_at=claim.expires_at,
        revoked_at=claim.revoked_at,
    )


def _person(person: PersonalData) -> PersonBody:
    return PersonBody(
        name=person.name,
        email=person.email,
        date_of_birth=person.date_of_birth,
        tax_id=person.tax_id,
        document_number=person.document_number,
        document_expires=person.document_expires,
        accredited=person.is_accredited,
        note=person.note,
    )


def _verdict(investor: Investor, verdict: Verdict) -> VerdictBody:
    reasons = () if isinstance(verdict, Cleared) else verdict.reasons
    return VerdictBody(
        investor_id=str(investor.investor_id),
        status=investor.status,
        provider=verdict.provider,
        reasons=[
            ReasonBody(code=reason.code, message=reason.sentence, rule=reason.rule, citation=reason.citation, cure=reason.cure)
            for reason in reasons
        ],
    )
