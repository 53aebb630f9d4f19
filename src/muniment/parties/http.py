# SPDX-License-Identifier: Apache-2.0
"""The REST face of parties under /v1: investors, their file, lists, queue, webhook. Shapes and routes; commands decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from litestar import Request, Response, get, post, put
from litestar.concurrency import sync_to_thread
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body, FromPath, HeaderParameter, JSONBody, QueryParameter, SkipValidation

from muniment.access.commands import idempotently
from muniment.access.model import Actor, Pending
from muniment.access.ports import Answer, Page
from muniment.parties import commands
from muniment.parties.commands import InvestorView
from muniment.parties.model import (
    QUEUE_KINDS,
    Asked,
    Claim,
    Cleared,
    Investor,
    PersonalData,
    Rejected,
    SanctionsHit,
    SanctionsList,
    Verified,
    Wallet,
    country_name,
    parse_address,
)
from muniment.parties.model import Answer as ProviderAnswer
from muniment.parties.model.onboarding import FILE_BYTES_MAX
from muniment.parties.model.queue import DUE_DAYS, DUE_DAYS_MAX
from muniment.parties.model.sanctions import LIST_BYTES_MAX
from muniment.parties.model.webhooks import BODY_BYTES_MAX, SIGNATURE_HEADER
from muniment.parties.ports import PartiesUnit
from muniment.units.errors import Place
from muniment.units.ids import InvestorId, TenantId, parse_id
from muniment.units.instants import NotAnInstant

PAGE_ROWS: Final = 50
PAGE_ROWS_MAX: Final = 200
UPLOAD_BYTES_MAX: Final = FILE_BYTES_MAX + 100_000
"""The file and the envelope of the form around it."""

LIST_UPLOAD_BYTES_MAX: Final = LIST_BYTES_MAX + 100_000
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
    proved_at: dt.datetime | None


class ClaimBody(_Wire, frozen=True, kw_only=True):
    """What somebody says of the investor. `by_officer` tells an officer's claim from a provider's; `revocation` is the code of why."""

    claim_id: str
    topic: str
    basis: str
    value: str | None
    by_officer: bool
    issuer: str
    evidence_sha256: str
    issued_at: dt.datetime
    expires_at: dt.datetime
    revoked_at: dt.datetime | None
    revocation: str | None


class NewClaimBody(_Wire, frozen=True, kw_only=True):
    """An officer's claim; `evidence_sha256` is the document's, and `issued_at` defaults to now."""

    topic: Cell
    issuer: Cell
    basis: Cell
    evidence_sha256: Cell
    expires_at: dt.datetime
    issued_at: dt.datetime | None = None
    value: Cell | None = None


class ClaimAnswerBody(_Wire, frozen=True, kw_only=True):
    """The claim, or the approval that it waits for."""

    claim: ClaimBody | None
    approval_id: str | None


class RevocationBody(_Wire, frozen=True, kw_only=True):
    """Why a claim is revoked: superseded, wrong, evidence_withdrawn or no_longer_true."""

    reason: Cell


class ReverificationBody(_Wire, frozen=True, kw_only=True):
    """What has changed since the last check, field by field the columns of the CSV."""

    changes: dict[Annotated[str, msgspec.Meta(max_length=40)], Cell] = {}


class HitBody(_Wire, frozen=True, kw_only=True):
    """An entry of a sanctions list that the investor may be."""

    hit_id: str
    investor_id: str
    source: str
    entry: str
    listed_name: str
    programme: str
    strength: str
    state: str
    found_at: dt.datetime
    decided_at: dt.datetime | None
    reason: str | None


class HitsBody(_Wire, frozen=True, kw_only=True):
    """An investor's hits, oldest first."""

    hits: list[HitBody]


class HitReasonBody(_Wire, frozen=True, kw_only=True):
    """What tells the investor and the listed person apart; sealed with the investor's data."""

    reason: Cell


class SanctionsListBody(_Wire, frozen=True, kw_only=True):
    """The current list of one source; `screened_at` says when everybody was held against the lists for the last time."""

    list_id: str
    source: str
    entries: int
    file_sha256: str
    imported_at: dt.datetime
    screened_at: dt.datetime | None


class SanctionsListsBody(_Wire, frozen=True, kw_only=True):
    """The current lists."""

    lists: list[SanctionsListBody]


class ScreeningBody(_Wire, frozen=True, kw_only=True):
    """When the screening of everybody was ordered; the lists tell when it was done."""

    ordered_at: dt.datetime


class QueueItemBody(_Wire, frozen=True, kw_only=True):
    """One thing that waits for a compliance officer."""

    kind: str
    at: dt.datetime
    investor_id: str
    subject_id: str
    detail: str


class QueueBody(_Wire, frozen=True, kw_only=True):
    """A page of the queue, oldest first."""

    items: list[QueueItemBody]
    next_cursor: str | None


class SecretBody(_Wire, frozen=True, kw_only=True):
    """The secret that signs a provider's messages, shown this once: 32 bytes as hexadecimal digits."""

    provider: str
    secret: str


class ReceivedBody(_Wire, frozen=True, kw_only=True):
    """The message was taken in; nothing more is told to whoever sent it."""

    received: bool


class NewProofBody(_Wire, frozen=True, kw_only=True):
    """The address that is to be proved, with its EIP-55 checksum."""

    address: Cell


class ProofMessageBody(_Wire, frozen=True, kw_only=True):
    """The message that the wallet signs (EIP-4361 by personal_sign)."""

    message: str


class ProofBody(_Wire, frozen=True, kw_only=True):
    """The message as it was signed, and the signature as 0x and hexadecimal digits."""

    message: Cell
    signature: Cell


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


# The file


@post(
    "/v1/investors/{investor_id:str}/reverify", sync_to_thread=True, tags=["Investors"], summary="Verify an investor anew", status_code=200
)
def post_reverify(actor: AsActor, investor_id: Id, data: JSONBody[ReverificationBody], begin: Begin) -> VerdictBody:
    """Have the identity provider check an investor again, with what has changed; a new country goes to the chain's registry."""
    with begin(actor.tenant_id) as unit:
        investor, verdict = commands.reverify_investor(actor, _id(investor_id), data.changes, unit=unit)
    return _verdict(investor, verdict)


@post("/v1/investors/{investor_id:str}/claims", sync_to_thread=True, tags=["Investors"], summary="Add a claim")
def post_claim(
    request: PartiesRequest,
    actor: AsActor,
    investor_id: Id,
    data: JSONBody[NewClaimBody],
    begin: Begin,
    idempotency_key: IdempotencyKey = None,
) -> Response[ClaimAnswerBody]:
    """Claim something of an investor; what opens exemptions waits for a second person (202)."""
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            described = commands.describe_claim(
                actor,
                _id(investor_id),
                topic=data.topic,
                issuer=data.issuer,
                basis=data.basis,
                evidence_sha256=data.evidence_sha256,
                expires_at=_aware(data.expires_at, "expires_at"),
                issued_at=None if data.issued_at is None else _aware(data.issued_at, "issued_at"),
                value=data.value,
                unit=unit,
            )
            added = commands.add_claim(actor, described, unit=unit)
            if isinstance(added, Pending):
                body = ClaimAnswerBody(claim=None, approval_id=str(added.approval_id))
                return Answer(status=202, body=msgspec.to_builtins(body))
            return Answer(status=201, body=msgspec.to_builtins(ClaimAnswerBody(claim=_claim(added), approval_id=None)))

        answer = idempotently(actor, idempotency_key, _request_of(request, msgspec.to_builtins(data)), run, unit=unit)
    return Response(msgspec.convert(answer.body, ClaimAnswerBody), status_code=answer.status)


@post(
    "/v1/investors/{investor_id:str}/claims/{claim_id:str}/revoke",
    sync_to_thread=True,
    tags=["Investors"],
    summary="Revoke a claim",
    status_code=200,
)
def post_claim_revocation(actor: AsActor, investor_id: Id, claim_id: Id, data: JSONBody[RevocationBody], begin: Begin) -> ClaimBody:
    """End a claim before its time."""
    with begin(actor.tenant_id) as unit:
        revoked = commands.revoke_claim(actor, _id(investor_id), parse_id(claim_id, field="claim_id"), reason=data.reason, unit=unit)
    return _claim(revoked)


@post("/v1/investors/{investor_id:str}/wallet-proofs", sync_to_thread=True, tags=["Investors"], summary="Begin to prove a wallet")
def post_wallet_proof(actor: AsActor, investor_id: Id, data: JSONBody[NewProofBody], begin: Begin) -> ProofMessageBody:
    """Return the message that the wallet has to sign within ten minutes (Sign-In with Ethereum, EIP-4361)."""
    address = parse_address(data.address)
    with begin(actor.tenant_id) as unit:
        return ProofMessageBody(message=commands.begin_wallet_proof(actor, _id(investor_id), address, unit=unit))


@post(
    "/v1/investors/{investor_id:str}/wallet-proofs/answer",
    sync_to_thread=True,
    tags=["Investors"],
    summary="Prove a wallet",
    status_code=200,
)
def post_wallet_proof_answer(actor: AsActor, investor_id: Id, data: JSONBody[ProofBody], begin: Begin) -> WalletBody:
    """Take the signed message as the proof; the wallet is added where it was not the investor's yet."""
    with begin(actor.tenant_id) as unit:
        return _wallet(commands.prove_wallet(actor, _id(investor_id), data.message, data.signature, unit=unit))


@get("/v1/investors/{investor_id:str}/sanctions-hits", sync_to_thread=True, tags=["Investors"], summary="An investor's sanctions hits")
def get_hits(actor: AsActor, investor_id: Id, begin: Begin) -> HitsBody:
    """Return the entries of sanctions lists that the investor may be; seeing them is written into the audit log."""
    with begin(actor.tenant_id) as unit:
        return HitsBody(hits=[_hit(hit) for hit in commands.list_hits(actor, _id(investor_id), unit=unit)])


# Lists and queue


@post("/v1/sanctions-hits/{hit_id:str}/clear", sync_to_thread=True, tags=["Sanctions"], summary="Clear a false positive", status_code=200)
def post_hit_clearance(actor: AsActor, hit_id: Id, data: JSONBody[HitReasonBody], begin: Begin) -> HitBody:
    """Say that the investor is not the listed one; remembered for this entry as it stands."""
    with begin(actor.tenant_id) as unit:
        return _hit(commands.clear_hit(actor, parse_id(hit_id, field="hit_id"), data.reason, unit=unit))


@get("/v1/sanctions-lists", sync_to_thread=True, tags=["Sanctions"], summary="Sanctions lists")
def get_sanctions_lists(actor: AsActor, begin: Begin) -> SanctionsListsBody:
    """Return the current list of each source."""
    with begin(actor.tenant_id) as unit:
        return SanctionsListsBody(lists=[_list(found) for found in commands.list_sanctions_lists(actor, unit=unit)])


@post(
    "/v1/sanctions-lists",
    sync_to_thread=True,
    tags=["Sanctions"],
    summary="Import a sanctions list",
    request_max_body_size=LIST_UPLOAD_BYTES_MAX,
)
def post_sanctions_list(
    actor: AsActor,
    data: Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART, description="The list, as the part `file`.")],
    begin: Begin,
    source: Annotated[str, QueryParameter(max_length=40, description="The list's short name, such as ofac_sdn.")],
) -> SanctionsListBody:
    """Keep a list in place of the one of the same source, and have every investor held against it."""
    raw = data.file.read(LIST_BYTES_MAX + 1)
    with begin(actor.tenant_id) as unit:
        return _list(commands.import_sanctions(actor, raw, source=source, file_name=_file_name(data.filename), unit=unit))


@post("/v1/sanctions-lists/screening", sync_to_thread=True, tags=["Sanctions"], summary="Screen every investor", status_code=202)
def post_screening(actor: AsActor, begin: Begin) -> ScreeningBody:
    """Have every investor held against the current lists."""
    with begin(actor.tenant_id) as unit:
        return ScreeningBody(ordered_at=commands.order_screening(actor, unit=unit))


@get("/v1/review-queue", sync_to_thread=True, tags=["Investors"], summary="The review queue")
def get_review_queue(
    actor: AsActor,
    begin: Begin,
    kind: Annotated[str | None, QueryParameter(max_length=40, description=f"One of {', '.join(QUEUE_KINDS)}.")] = None,
    within_days: Annotated[int, QueryParameter(ge=0, le=DUE_DAYS_MAX, description="How soon something ends to be due.")] = DUE_DAYS,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX, description="How many rows at most.")] = PAGE_ROWS,
    cursor: Annotated[str | None, QueryParameter(max_length=120, description="next_cursor of the page before.")] = None,
) -> QueueBody:
    """Return what waits for a compliance officer, oldest first."""
    with begin(actor.tenant_id) as unit:
        items = commands.review_queue(actor, Page(limit=limit, cursor=cursor), kind=kind, within_days=within_days, unit=unit)
    return QueueBody(
        items=[
            QueueItemBody(kind=item.kind, at=item.at, investor_id=str(item.investor_id), subject_id=item.subject_id, detail=item.detail)
            for item in items
        ],
        next_cursor=items[-1].cursor if len(items) == limit else None,
    )


# The identity provider


@put("/v1/identity-providers/{provider:str}/secret", sync_to_thread=True, tags=["Identity provider"], summary="Make a provider's secret")
def put_provider_secret(actor: AsActor, provider: Id, begin: Begin) -> SecretBody:
    """Make the secret that signs the provider's messages; it is shown this once, and the one before is void."""
    with begin(actor.tenant_id) as unit:
        secret = commands.set_webhook_secret(actor, provider, unit=unit)
    return SecretBody(provider=provider, secret=secret.hex())


@post(
    "/v1/identity-webhooks/{organisation_id:str}/{provider:str}",
    opt={"public": True, "bearer_only": True},
    tags=["Identity provider"],
    summary="A provider's signed answer",
    status_code=200,
    request_max_body_size=BODY_BYTES_MAX,
)
async def post_identity_webhook(request: PartiesRequest, organisation_id: Id, provider: Id, begin: Begin) -> ReceivedBody:
    """Take a provider's verdict in. No session: the header Muniment-Signature counts, `t=<Unix seconds>,v1=<HMAC-SHA256 of t.body>`.

    The body is a JSON object: event_id, check_id, verdict (cleared, failed, referred), provider_reasons (code, message), and for a
    clearance topics, valid_until and evidence_sha256. Each event counts once.
    """
    tenant_id = TenantId(parse_id(organisation_id, field="organisation_id"))
    body = await request.body()
    signature = request.headers.get(SIGNATURE_HEADER, "")[:200]

    def receive() -> None:
        with begin(tenant_id) as unit:
            commands.receive_webhook(provider, body, signature, unit=unit)

    await sync_to_thread(receive)
    return ReceivedBody(received=True)


ROUTES: Sequence[HTTPRouteHandler] = [
    get_investors,
    get_investor,
    post_investor,
    post_import,
    get_export,
    post_verify,
    post_reverify,
    post_review,
    post_claim,
    post_claim_revocation,
    post_wallet,
    post_wallet_proof,
    post_wallet_proof_answer,
    post_erase,
    get_hits,
    post_hit_clearance,
    get_sanctions_lists,
    post_sanctions_list,
    post_screening,
    get_review_queue,
    put_provider_secret,
    post_identity_webhook,
]


def _id(text: str) -> InvestorId:
    return InvestorId(parse_id(text, field="investor_id"))


def _aware(instant: dt.datetime, field: str) -> dt.datetime:
    """Return an instant of the body in UTC; one without a zone is refused."""
    if instant.tzinfo is None:
        raise NotAnInstant(text=instant.isoformat(), place=Place(field=field))
    return instant.astimezone(dt.UTC)


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
        proved_at=wallet.proved_at,
    )


def _claim(claim: Claim) -> ClaimBody:
    return ClaimBody(
        claim_id=str(claim.claim_id),
        topic=claim.topic.name.lower(),
        basis=claim.basis,
        value=claim.value,
        by_officer=claim.added_by is not None,
        issuer=claim.issuer,
        evidence_sha256=claim.evidence_sha256.hex(),
        issued_at=claim.issued_at,
        expires_at=claim.expires_at,
        revoked_at=claim.revoked_at,
        revocation=claim.revocation,
    )


def _hit(hit: SanctionsHit) -> HitBody:
    return HitBody(
        hit_id=str(hit.hit_id),
        investor_id=str(hit.investor_id),
        source=hit.source,
        entry=hit.reference,
        listed_name=hit.listed_name,
        programme=hit.programme,
        strength=hit.strength.value,
        state=hit.state,
        found_at=hit.found_at,
        decided_at=hit.decided_at,
        reason=hit.reason,
    )


def _list(found: SanctionsList) -> SanctionsListBody:
    return SanctionsListBody(
        list_id=str(found.list_id),
        source=found.source,
        entries=found.entry_count,
        file_sha256=found.file_sha256.hex(),
        imported_at=found.imported_at,
        screened_at=found.screened_at,
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


def _verdict(investor: Investor, verdict: ProviderAnswer) -> VerdictBody:
    reasons = () if isinstance(verdict, Cleared | Asked) else verdict.reasons
    return VerdictBody(
        investor_id=str(investor.investor_id),
        status=investor.status,
        provider=verdict.provider,
        reasons=[
            ReasonBody(code=reason.code, message=reason.sentence, rule=reason.rule, citation=reason.citation, cure=reason.cure)
            for reason in reasons
        ],
    )
