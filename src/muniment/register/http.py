# SPDX-License-Identifier: Apache-2.0
"""The REST face of the register under /v1: cap table, movements, verification. Shapes and routes; commands decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Final, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from litestar import Response, get, post, put
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation

from muniment.access.model import Action, Actor, authorize
from muniment.infra.parquet import NoParquet, parquet_bytes
from muniment.instruments.model.ocf_archive import pack
from muniment.parties.model import parse_address
from muniment.register import commands, process
from muniment.register.errors import ParquetNotInstalled, UnknownTerm
from muniment.register.model import (
    ZERO_ADDRESS,
    Acquisition,
    CapTable,
    Consideration,
    Lot,
    LotAnnotation,
    LotHolder,
    Movement,
    PickingRule,
    RegisterVerification,
)
from muniment.register.model.form_d import FormDInput, parse_form_d
from muniment.register.model.holders import RegisterOfHolders, columns, csv_lines
from muniment.register.model.record_differences import RecordDifference
from muniment.register.ports import RegisterUnit
from muniment.units.errors import Place, plain
from muniment.units.ids import InvestorId, LotId, SecurityId, TenantId, TransactionHash, parse_id
from muniment.units.instants import parse_instant
from muniment.units.money import Money
from muniment.units.shares import format_shares

PAGE_ROWS: Final = 50
PAGE_ROWS_MAX: Final = 200

AsActor: TypeAlias = SkipValidation[NamedDependency[Actor]]
Begin: TypeAlias = SkipValidation[NamedDependency[Callable[[TenantId], AbstractContextManager[RegisterUnit]]]]
Id: TypeAlias = FromPath[str]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX, description="How many rows at most.")]
Cursor: TypeAlias = Annotated[str | None, QueryParameter(max_length=100, description="next_cursor of the page before.")]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shape on the wire: no field that we do not know."""


class WalletLineBody(_Wire, frozen=True, kw_only=True):
    """One wallet of a holder; shares as decimal text."""

    wallet: str
    shares: str
    frozen_shares: str
    wallet_frozen: bool


class HolderBody(_Wire, frozen=True, kw_only=True):
    """One holder. `investor_id` is null for a wallet that belongs to nobody we know; `percentage` has four decimals."""

    investor_id: str | None
    shares: str
    percentage: str
    wallets: list[WalletLineBody]


class RegisterBody(_Wire, frozen=True, kw_only=True):
    """Who owns the security after a block. `occurred_at` is that block's time; null for the newest state, which is not final."""

    security_id: str
    block_number: int
    occurred_at: dt.datetime | None
    total_shares: str
    holder_count: int
    holders: list[HolderBody]


class MovementBody(_Wire, frozen=True, kw_only=True):
    """Shares from one wallet to another; at issue there is no `from_wallet`, at burning no `to_wallet`."""

    block_number: int
    log_index: int
    transaction_hash: str
    occurred_at: dt.datetime
    from_wallet: str | None
    to_wallet: str | None
    shares: str


class MovementsBody(_Wire, frozen=True, kw_only=True):
    """A page of movements, newest first."""

    movements: list[MovementBody]
    next_cursor: str | None


class RegisterDifferenceBody(_Wire, frozen=True, kw_only=True):
    """One difference between the stored register and the chain."""

    code: str
    message: str
    facts: dict[str, Any]


class RegisterVerificationBody(_Wire, frozen=True, kw_only=True):
    """The stored register against one rebuilt from the chain's logs; both digests are SHA-256 over every row."""

    security_id: str
    equal: bool
    block_number: int
    block_hash: str
    rows: int
    digest: str
    rebuilt_digest: str
    differences: list[RegisterDifferenceBody]


@get("/v1/securities/{security_id:str}/register", sync_to_thread=True, tags=["Register"], summary="Who owns a security")
def get_register(
    actor: AsActor,
    security_id: Id,
    begin: Begin,
    at: Annotated[
        str | None, QueryParameter(max_length=40, description="An instant (RFC 3339): holdings after the last final block then.")
    ] = None,
) -> RegisterBody:
    """Return the cap table, now or at an instant that is final."""
    instant = None if at is None else parse_instant(at, field="at")
    with begin(actor.tenant_id) as unit:
        table = commands.view_cap_table(actor, _id(security_id), at=instant, unit=unit)
        decimals = unit.securities.get(_id(security_id)).terms.decimals
    return cap_table_body(table, decimals=decimals)


@get("/v1/securities/{security_id:str}/movements", sync_to_thread=True, tags=["Register"], summary="Movements of a security")
def get_movements(
    actor: AsActor,
    security_id: Id,
    begin: Begin,
    wallet: Annotated[str | None, QueryParameter(max_length=100, description="Only movements from or to this wallet.")] = None,
    limit: Limit = PAGE_ROWS,
    cursor: Cursor = None,
) -> MovementsBody:
    """Return movements, newest first, unfinal blocks included."""
    address = None if wallet is None else parse_address(wallet, field="wallet")
    with begin(actor.tenant_id) as unit:
        page = commands.view_movements(actor, _id(security_id), wallet=address, cursor=cursor, limit=limit, unit=unit)
        decimals = unit.securities.get(_id(security_id)).terms.decimals
    return MovementsBody(movements=[_movement(movement, decimals) for movement in page.movements], next_cursor=page.next_cursor)


@post(
    "/v1/securities/{security_id:str}/register/verify",
    sync_to_thread=True,
    tags=["Register"],
    summary="Verify the register",
    status_code=200,
)
def post_verify_register(actor: AsActor, security_id: Id, begin: Begin) -> RegisterVerificationBody:
    """Rebuild the register from the chain's logs and compare it with the stored one, byte for byte, and with balanceOf."""
    authorize(actor, Action.REGISTER_REBUILD, tenant_id=actor.tenant_id)
    return verification_body(_id(security_id), process.rebuild(_id(security_id), begin=lambda: begin(actor.tenant_id)))


class LotBody(_Wire, frozen=True, kw_only=True):
    """Shares of one holder that came in one movement: an investor's, over all wallets, or those of a wallet of nobody known.

    `acquired_from_issuer` tells an issue. `holding_since` has what may be tacked (17 CFR 230.144(d)(3)); `issuer_acquired_at` is when the
    shares last left the issuer or an affiliate ((d)(1)). `exemption` is null where nobody said under which rule they were sold.
    """

    lot_id: str
    investor_id: str | None
    wallet: str | None
    quantity: str
    acquired_at: dt.datetime
    acquired_from_issuer: bool
    acquired_from_investor_id: str | None
    acquired_from_wallet: str | None
    origin_lot_id: str | None
    holding_since: dt.datetime
    issuer_acquired_at: dt.datetime
    is_restricted: bool
    is_control: bool
    exemption: str | None
    buyer_category: str | None
    consideration: str
    block_number: int
    log_index: int


class LotsBody(_Wire, frozen=True, kw_only=True):
    """A page of lots, by holder, then by acquisition."""

    lots: list[LotBody]
    next_cursor: str | None


class PaidBody(_Wire, frozen=True, kw_only=True):
    """What was paid for a whole movement."""

    amount: Annotated[str, msgspec.Meta(max_length=100)]
    currency: Annotated[str, msgspec.Meta(min_length=3, max_length=3)]


class AnnotationBody(_Wire, frozen=True, kw_only=True):
    """What is said about a movement; what is left out stays at its default, and what was said before is gone."""

    exemption: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    consideration: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    buyer_category: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    paid: PaidBody | None = None
    acquired_at: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    holding_since: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    is_restricted: bool | None = None
    is_control: bool | None = None
    picking: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    lots: Annotated[list[Annotated[str, msgspec.Meta(max_length=36)]], msgspec.Meta(max_length=commands.LOTS_NAMED_MAX)] = []


class AnnotatedBody(_Wire, frozen=True, kw_only=True):
    """The lots that the movement opens now."""

    lots: list[LotBody]


class HolderRowBody(_Wire, frozen=True, kw_only=True):
    """One holder with at least one base unit. `name` is null for roles that may not see personal data."""

    investor_id: str | None
    reference: str | None
    name: str | None
    country: str | None
    shares: str
    percentage: str
    since: dt.datetime | None
    wallets: list[str]


class HoldersBody(_Wire, frozen=True, kw_only=True):
    """The register of holders after a block, the largest first; `occurred_at` is that block's time, null for the newest state."""

    security_id: str
    block_number: int
    occurred_at: dt.datetime | None
    total_shares: str
    holders: list[HolderRowBody]


FORMATS: Final = ("json", "csv", "parquet")
MEDIA_TYPES: Final = {"json": "application/json", "csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


@get("/v1/securities/{security_id:str}/lots", sync_to_thread=True, tags=["Register"], summary="Lots of a security")
def get_lots(
    actor: AsActor,
    security_id: Id,
    begin: Begin,
    investor_id: Annotated[str | None, QueryParameter(max_length=36, description="Only the lots of this investor.")] = None,
    at: Annotated[str | None, QueryParameter(max_length=40, description="An instant (RFC 3339): lots after the blocks until then.")] = None,
    limit: Limit = PAGE_ROWS,
    cursor: Cursor = None,
) -> LotsBody:
    """Return the open lots, now or at an instant, with what decides holding periods."""
    with begin(actor.tenant_id) as unit:
        found = commands.view_lots(
            actor,
            _id(security_id),
            investor_id=None if investor_id is None else InvestorId(parse_id(investor_id, field="investor_id")),
            at=None if at is None else parse_instant(at, field="at"),
            cursor=cursor,
            limit=limit,
            unit=unit,
        )
        decimals = unit.securities.get(_id(security_id)).terms.decimals
    return LotsBody(lots=[lot_body(lot, decimals=decimals) for lot in found.lots], next_cursor=found.next_cursor)


class AcquisitionBody(_Wire, frozen=True, kw_only=True):
    """One movement with both sides and what was said about it. No seller: an issue; no buyer: a burn."""

    transaction_hash: str
    position: int
    block_number: int
    occurred_at: dt.datetime
    seller_investor_id: str | None
    seller_wallet: str | None
    buyer_investor_id: str | None
    buyer_wallet: str | None
    shares: str
    said: dict[str, Any]


class AcquisitionsBody(_Wire, frozen=True, kw_only=True):
    """A page of movements between holders, oldest first."""

    acquisitions: list[AcquisitionBody]
    next_cursor: str | None


@get(
    "/v1/securities/{security_id:str}/acquisitions",
    sync_to_thread=True,
    tags=["Register"],
    summary="Who acquired what from whom",
)
def get_acquisitions(
    actor: AsActor,
    security_id: Id,
    begin: Begin,
    since: Annotated[str | None, QueryParameter(max_length=40, description="An instant (RFC 3339): from then on.")] = None,
    until: Annotated[str | None, QueryParameter(max_length=40, description="An instant (RFC 3339): before then.")] = None,
    limit: Limit = PAGE_ROWS,
    cursor: Cursor = None,
) -> AcquisitionsBody:
    """Return issues, transfers between holders and burns with what officers said about them, oldest first."""
    with begin(actor.tenant_id) as unit:
        page = commands.view_acquisitions(
            actor,
            _id(security_id),
            since=None if since is None else parse_instant(since, field="since"),
            until=None if until is None else parse_instant(until, field="until"),
            cursor=cursor,
            limit=limit,
            unit=unit,
        )
        decimals = unit.securities.get(_id(security_id)).terms.decimals
    return AcquisitionsBody(
        acquisitions=[acquisition_body(each, decimals=decimals) for each in page.acquisitions], next_cursor=page.next_cursor
    )


@put(
    "/v1/securities/{security_id:str}/movements/{transaction_hash:str}/{position:int}/annotation",
    sync_to_thread=True,
    tags=["Register"],
    summary="Say what the chain does not know about a movement",
)
def put_annotation(
    actor: AsActor,
    security_id: Id,
    transaction_hash: Id,
    position: FromPath[int],
    data: JSONBody[AnnotationBody],
    begin: Begin,
) -> AnnotatedBody:
    """Keep exemption, consideration, price or dates of a movement in place of what was said before, and make the lots again."""
    with begin(actor.tenant_id) as unit:
        request = commands.Annotate(_id(security_id), TransactionHash(transaction_hash.lower()), position, annotation_of(data))
        opened = commands.annotate(actor, request, unit=unit)
        decimals = unit.securities.get(_id(security_id)).terms.decimals
    return AnnotatedBody(lots=[lot_body(lot, decimals=decimals) for lot in opened])


@get(
    "/v1/securities/{security_id:str}/holders",
    sync_to_thread=True,
    tags=["Register"],
    summary="The register of holders as of an instant or a block",
    media_type="application/json",
)
def get_holders(
    actor: AsActor,
    security_id: Id,
    begin: Begin,
    at: Annotated[str | None, QueryParameter(max_length=40, description="An instant (RFC 3339) that is final.")] = None,
    block: Annotated[int | None, QueryParameter(ge=0, le=2**53, description="A final block, instead of an instant.")] = None,
    format_: Annotated[str, QueryParameter(name="format", max_length=10, description="json, csv or parquet.")] = "json",
) -> Response[bytes]:
    """Return every holder with shares, percentage and since when; names only for roles that may see them, written into the audit log."""
    written = parse_term(format_, FORMATS, field="format")
    with begin(actor.tenant_id) as unit:
        holders = commands.view_holders(
            actor, _id(security_id), at=None if at is None else parse_instant(at, field="at"), block_number=block, unit=unit
        )
    headers = {"Cache-Control": "no-store"}
    if written != "json":
        headers["Content-Disposition"] = f'attachment; filename="holders-{holders.block_number}.{written}"'
    return Response(holders_bytes(holders, written), media_type=MEDIA_TYPES[written], headers=headers)


class FormDBody(_Wire, frozen=True, kw_only=True):
    """The notice and the register's figures in it: whole dollars; `due_date` is fifteen days after the first sale (17 CFR 230.503).

    `sales_without_exemption` counts issues that are not in the figures, because nobody said under which rule they were sold.
    """

    total_sold: int
    sales: int
    accredited_investors: int
    non_accredited_investors: int
    first_sale_date: dt.date | None
    due_date: dt.date | None
    sales_without_exemption: int
    xml: str


@post(
    "/v1/securities/{security_id:str}/reports/form-d",
    sync_to_thread=True,
    tags=["Reports"],
    summary="Form D as XML in EDGAR's element tree",
    status_code=200,
)
def post_form_d(actor: AsActor, security_id: Id, data: JSONBody[FormDInput], begin: Begin) -> FormDBody:
    """Return the notice from what is given and what the register knows of the offering; stores and files nothing."""
    given = parse_form_d(msgspec.json.encode(data))
    with begin(actor.tenant_id) as unit:
        report = commands.form_d(actor, _id(security_id), given, unit=unit)
    return form_d_body(report)


class RecordDifferenceBody(_Wire, frozen=True, kw_only=True):
    """One difference between records that stands, with its age; aged after more than thirty days (17 CFR 240.17Ad-11(a)(2))."""

    token_address: str
    subject: str
    code: str
    message: str
    facts: dict[str, Any]
    first_seen_at: dt.datetime
    last_seen_at: dt.datetime
    age_days: int
    is_aged: bool


class RecordDifferencesBody(_Wire, frozen=True, kw_only=True):
    """What stands between chain, register, lots and cap table, the oldest first."""

    compared_at: dt.datetime
    differences: list[RecordDifferenceBody]


@post(
    "/v1/reports/differences",
    sync_to_thread=True,
    tags=["Reports"],
    summary="Record differences with their age",
    status_code=200,
)
def post_differences(actor: AsActor, begin: Begin) -> RecordDifferencesBody:
    """Compare all records of the organisation now, remember what differs, and return what stands."""
    authorize(actor, Action.REGISTER_REBUILD, tenant_id=actor.tenant_id)
    standing = process.find_differences(begin=lambda: begin(actor.tenant_id))
    with begin(actor.tenant_id) as unit:
        now = unit.clock.now()
    return record_differences_body(standing, now=now)


def record_differences_body(standing: Sequence[RecordDifference], *, now: dt.datetime) -> RecordDifferencesBody:
    """Return the differences as the wire shows them, with their age now."""
    return RecordDifferencesBody(
        compared_at=now,
        differences=[
            RecordDifferenceBody(
                token_address=each.token,
                subject=each.subject,
                code=each.code,
                message=each.sentence,
                facts=dict(each.facts),
                first_seen_at=each.first_seen_at,
                last_seen_at=each.last_seen_at,
                age_days=each.age_days(now),
                is_aged=each.is_aged(now),
            )
            for each in standing
        ],
    )


def form_d_body(report: commands.FormD) -> FormDBody:
    """Return the report as the wire shows it."""
    figures = report.figures
    return FormDBody(
        total_sold=figures.total_sold,
        sales=figures.sales,
        accredited_investors=figures.accredited_investors,
        non_accredited_investors=figures.non_accredited_investors,
        first_sale_date=figures.first_sale_date,
        due_date=figures.due_date,
        sales_without_exemption=figures.sales_without_exemption,
        xml=report.xml.decode(),
    )


def holders_bytes(holders: RegisterOfHolders, written: str) -> bytes:
    """Return the register of holders as a file of one of `FORMATS`."""
    if written == "csv":
        return "".join(csv_lines(holders)).encode()
    if written == "parquet":
        try:
            return parquet_bytes(columns(holders))
        except NoParquet:
            raise ParquetNotInstalled from None
    return msgspec.json.encode(holders_body(holders))


def holders_body(holders: RegisterOfHolders) -> HoldersBody:
    """Return the register of holders as the wire shows it."""
    return HoldersBody(
        security_id=str(holders.security_id),
        block_number=holders.block_number,
        occurred_at=holders.occurred_at,
        total_shares=format_shares(holders.total_shares, decimals=holders.decimals),
        holders=[
            HolderRowBody(
                investor_id=None if line.investor_id is None else str(line.investor_id),
                reference=line.reference,
                name=line.name,
                country=line.country,
                shares=format_shares(line.shares, decimals=holders.decimals),
                percentage=line.percentage,
                since=line.since,
                wallets=list(line.wallets),
            )
            for line in holders.lines
        ],
    )


def lot_body(lot: Lot, *, decimals: int) -> LotBody:
    """Return a lot as the wire shows it."""
    investor_id, wallet = _sides(lot.holder)
    from_investor_id, from_wallet = _sides(lot.acquired_from)
    return LotBody(
        lot_id=str(lot.lot_id),
        investor_id=investor_id,
        wallet=wallet,
        quantity=format_shares(lot.quantity, decimals=decimals),
        acquired_at=lot.acquired_at,
        acquired_from_issuer=lot.acquired_from is None,
        acquired_from_investor_id=from_investor_id,
        acquired_from_wallet=from_wallet,
        origin_lot_id=None if lot.origin_lot_id is None else str(lot.origin_lot_id),
        holding_since=lot.holding_since,
        issuer_acquired_at=lot.issuer_acquired_at,
        is_restricted=lot.is_restricted,
        is_control=lot.is_control,
        exemption=lot.exemption,
        buyer_category=lot.buyer_category,
        consideration=lot.consideration.value,
        block_number=lot.block_number,
        log_index=lot.log_index,
    )


def acquisition_body(each: Acquisition, *, decimals: int) -> AcquisitionBody:
    """Return a movement between holders as the wire shows it."""
    seller_investor_id, seller_wallet = _sides(each.seller)
    buyer_investor_id, buyer_wallet = _sides(each.buyer)
    return AcquisitionBody(
        transaction_hash=each.movement.transaction_hash,
        position=each.position,
        block_number=each.movement.block_number,
        occurred_at=each.movement.occurred_at,
        seller_investor_id=seller_investor_id,
        seller_wallet=seller_wallet,
        buyer_investor_id=buyer_investor_id,
        buyer_wallet=buyer_wallet,
        shares=format_shares(each.movement.shares, decimals=decimals),
        said=commands.annotation_facts(each.annotation),
    )


def _sides(holder: LotHolder | None) -> tuple[str | None, str | None]:
    """Return investor id and wallet, of which one is None at least."""
    return (str(holder), None) if isinstance(holder, UUID) else (None, holder)


def annotation_of(body: AnnotationBody) -> LotAnnotation:
    """Return what the wire says about a movement; refuses words, amounts and instants that are none."""
    return LotAnnotation(
        exemption=body.exemption,
        consideration=None if body.consideration is None else Consideration(_word(body.consideration, Consideration, "consideration")),
        buyer_category=body.buyer_category,
        paid=None if body.paid is None else Money.parse(body.paid.amount, body.paid.currency, field="paid"),
        acquired_at=None if body.acquired_at is None else parse_instant(body.acquired_at, field="acquired_at"),
        holding_since=None if body.holding_since is None else parse_instant(body.holding_since, field="holding_since"),
        is_restricted=body.is_restricted,
        is_control=body.is_control,
        picking=None if body.picking is None else PickingRule(_word(body.picking, PickingRule, "picking")),
        lots=tuple(LotId(parse_id(lot_id, field="lots")) for lot_id in body.lots),
    )


WordT = TypeVar("WordT", Consideration, PickingRule)


def _word(text: str, words: type[WordT], field: str) -> str:
    return parse_term(text, [word.value for word in words], field=field)


def parse_term(text: str, known: Sequence[str], *, field: str) -> str:
    """Return the word if it is one of those that the field knows."""
    if text not in known:
        raise UnknownTerm(text=text, field=field, known=", ".join(known), place=Place(field=field))
    return text


@get("/v1/securities/{security_id:str}/ocf", sync_to_thread=True, tags=["Register"], summary="The register as an OCF package")
def get_security_ocf(actor: AsActor, security_id: Id, begin: Begin) -> Response[bytes]:
    """Return the company's OCF 1.2.0 package with what the register shows of one class, zipped; contains personal data, audited."""
    with begin(actor.tenant_id) as unit:
        files = commands.export_ocf(actor, SecurityId(parse_id(security_id, field="security_id")), unit=unit)
    headers = {"Content-Disposition": 'attachment; filename="register.ocf.zip"', "Cache-Control": "no-store"}
    return Response(pack(files), media_type="application/zip", headers=headers)


ROUTES: Sequence[HTTPRouteHandler] = [
    get_register,
    get_movements,
    post_verify_register,
    get_lots,
    get_acquisitions,
    put_annotation,
    get_holders,
    get_security_ocf,
    post_form_d,
    post_differences,
]


def cap_table_body(table: CapTable, *, decimals: int) -> RegisterBody:
    """Return the cap table as the wire shows it."""
    return RegisterBody(
        security_id=str(table.security_id),
        block_number=table.block_number,
        occurred_at=table.occurred_at,
        total_shares=format_shares(table.total_shares, decimals=decimals),
        holder_count=table.holder_count,
        holders=[
            HolderBody(
                investor_id=None if line.investor_id is None else str(line.investor_id),
                shares=format_shares(line.shares, decimals=decimals),
                percentage=line.percentage,
                wallets=[
                    WalletLineBody(
                        wallet=wallet.wallet,
                        shares=format_shares(wallet.shares, decimals=decimals),
                        frozen_shares=format_shares(wallet.frozen_shares, decimals=decimals),
                        wallet_frozen=wallet.wallet_frozen,
                    )
                    for wallet in line.wallets
                ],
            )
            for line in table.lines
        ],
    )


def verification_body(security_id: SecurityId, verification: RegisterVerification) -> RegisterVerificationBody:
    """Return a verification as the wire shows it."""
    return RegisterVerificationBody(
        security_id=str(security_id),
        equal=verification.equal,
        block_number=verification.block_number,
        block_hash="0x" + verification.block_hash,
        rows=verification.rows,
        digest=verification.digest,
        rebuilt_digest=verification.rebuilt_digest,
        differences=[
            RegisterDifferenceBody(
                code=difference.code,
                message=difference.sentence,
                facts={name: plain(fact) for name, fact in difference.facts.items()},
            )
            for difference in verification.differences
        ],
    )


def _movement(movement: Movement, decimals: int) -> MovementBody:
    return MovementBody(
        block_number=movement.block_number,
        log_index=movement.log_index,
        transaction_hash=movement.transaction_hash,
        occurred_at=movement.occurred_at,
        from_wallet=None if movement.from_wallet == ZERO_ADDRESS else movement.from_wallet,
        to_wallet=None if movement.to_wallet == ZERO_ADDRESS else movement.to_wallet,
        shares=format_shares(movement.shares, decimals=decimals),
    )


def _id(text: str) -> SecurityId:
    return SecurityId(parse_id(text, field="security_id"))
