# SPDX-License-Identifier: Apache-2.0
"""The REST face of settlement under /v1: issue, transfer, recover, instructions, transactions. Shapes and routes; commands decide."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Final, TypeAlias, assert_never
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter, SkipValidation

from muniment.access.commands import idempotently
from muniment.access.model import Actor, Pending
from muniment.access.ports import Answer
from muniment.infra.evm.sender import ChainTransaction
from muniment.parties.model import parse_address
from muniment.register.model.turnaround import ItemCounts, TurnaroundReport
from muniment.settlement import commands
from muniment.settlement.commands import BurnShares, ForceTransfer, IssueShares, RecoverWallet, TransferShares
from muniment.settlement.errors import BadAllotment, NotAMonth, TransferRefused, UnknownTimeZone
from muniment.settlement.model import (
    Allotment,
    FailedInstruction,
    Instruction,
    InstructionState,
    IssueReport,
    RequestedInstruction,
    SaleTerms,
    SettledInstruction,
    SubmittedInstruction,
    state_name,
)
from muniment.settlement.ports import SettlementUnit
from muniment.units.decisions import Refused
from muniment.units.errors import Place
from muniment.units.ids import Address, InstructionId, InvestorId, SecurityId, TenantId, new_id, parse_id
from muniment.units.instants import parse_instant
from muniment.units.money import Money
from muniment.units.payment_tokens import PaymentToken
from muniment.units.shares import format_shares, parse_shares

PAGE_ROWS: Final = 50
NEW_YORK: Final = "America/New_York"

_MONTH: Final = re.compile(r"[1-9][0-9]{3}-(0[1-9]|1[0-2])")
PAGE_ROWS_MAX: Final = 200

AsActor: TypeAlias = SkipValidation[NamedDependency[Actor]]
Begin: TypeAlias = SkipValidation[NamedDependency[Callable[[TenantId], AbstractContextManager[SettlementUnit]]]]
Id: TypeAlias = FromPath[str]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX, description="How many rows at most.")]
Cursor: TypeAlias = Annotated[str | None, QueryParameter(max_length=100, description="next_cursor of the page before.")]
IdempotencyKey: TypeAlias = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", description="The same key with the same request gives the same answer.")
]
SettlementRequest: TypeAlias = Request[Any, Any, Any]
Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=300)]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shape on the wire: no field that we do not know."""


class PaidBody(_Wire, frozen=True, kw_only=True):
    """What is paid for all shares of a receiver, as decimal text."""

    amount: Annotated[str, msgspec.Meta(max_length=100)]
    currency: Annotated[str, msgspec.Meta(min_length=3, max_length=3)]


class AllotmentBody(_Wire, frozen=True, kw_only=True):
    """Shares as decimal text for an investor (in the first wallet) or for one named wallet.

    `exemption` is the rule that they are sold under, such as us.regd.506c: in its jurisdiction no other is asked. Without it the one
    that the check finds is recorded. With `paid` and `buyer_category` it becomes what the register knows of the lot. `locked_until` (RFC
    3339) has the token lock the shares from their first block on; where the packs have shares issued locked, the later of both counts.
    """

    shares: Text
    investor_id: Text | None = None
    wallet: Text | None = None
    exemption: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    paid: PaidBody | None = None
    buyer_category: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    locked_until: Annotated[str, msgspec.Meta(max_length=40)] | None = None


class NewIssueBody(_Wire, frozen=True, kw_only=True):
    """Who shall be issued how much."""

    security_id: Text
    allotments: Annotated[list[AllotmentBody], msgspec.Meta(min_length=1, max_length=commands.ALLOTMENTS_MAX)]


class NewTransferBody(_Wire, frozen=True, kw_only=True):
    """A transfer from a managed wallet. `send_anyway` sends what the check refuses, for the chain to refuse it too."""

    security_id: Text
    from_wallet: Text
    to_wallet: Text
    shares: Text
    send_anyway: bool = False


class NewForcedTransferBody(_Wire, frozen=True, kw_only=True):
    """A transfer without the holder's consent; `ground` names the order or clause, and no person."""

    security_id: Text
    from_wallet: Text
    to_wallet: Text
    shares: Text
    ground: Text


class NewBurnBody(_Wire, frozen=True, kw_only=True):
    """Shares of one wallet to be destroyed."""

    security_id: Text
    wallet: Text
    shares: Text


class NewRecoveryBody(_Wire, frozen=True, kw_only=True):
    """An investor's lost wallet and the wallet that takes its place."""

    investor_id: Text
    lost_wallet: Text
    new_wallet: Text


class NewPaymentTokenBody(_Wire, frozen=True, kw_only=True):
    """An ERC-20 and the currency that it stands for."""

    address: Text
    currency: Text


class LegBody(_Wire, frozen=True, kw_only=True):
    """Shares from one wallet to another; of an issue, on which terms they are sold as far as known."""

    from_wallet: str | None
    to_wallet: str | None
    shares: str
    exemption: str | None = None
    paid: PaidBody | None = None
    buyer_category: str | None = None
    locked_until: dt.datetime | None = None


class InstructionBody(_Wire, frozen=True, kw_only=True):
    """An instruction and what became of it; a failed one says why in the code that the check before sending uses."""

    instruction_id: str
    request_id: str
    security_id: str
    kind: str
    state: str
    legs: list[LegBody]
    requested_at: dt.datetime
    transaction_hash: str | None = None
    block_number: int | None = None
    settled_at: dt.datetime | None = None
    failed_at: dt.datetime | None = None
    reason_code: str | None = None
    reason: str | None = None
    reason_rule: str | None = None
    reason_citation: str | None = None
    reason_cure: str | None = None


class InstructionsBody(_Wire, frozen=True, kw_only=True):
    """A page of instructions, newest first."""

    instructions: list[InstructionBody]
    next_cursor: str | None


class RefusedAllotmentBody(_Wire, frozen=True, kw_only=True):
    """An allotment that is not issued, with every reason."""

    shares: str
    investor_id: str | None
    wallet: str | None
    reasons: list[dict[str, Any]]


class AcceptedAllotmentBody(_Wire, frozen=True, kw_only=True):
    """An allotment that is issued, with the wallet it goes to and the terms that the register will know: stated, or found by the check."""

    shares: str
    investor_id: str | None
    wallet: str
    exemption: str | None = None
    paid: PaidBody | None = None
    buyer_category: str | None = None
    locked_until: dt.datetime | None = None


class IssueReportBody(_Wire, frozen=True, kw_only=True):
    """What became of each allotment."""

    request_id: str
    accepted: list[AcceptedAllotmentBody]
    refused: list[RefusedAllotmentBody]
    instructions: list[str]


class RequestOutcomeBody(_Wire, frozen=True, kw_only=True):
    """What a request led to: `requested` with its instructions, or `pending` with the approval that a second person must give."""

    state: str
    approval_id: str | None = None
    report: IssueReportBody | None = None
    instructions: list[InstructionBody] = []


class TransactionBody(_Wire, frozen=True, kw_only=True):
    """A transaction of the issuer on its way to the chain: signed, sent, mined, then final or reverted."""

    transaction_id: str
    purpose: str
    state: str
    hash: str
    sender: str
    nonce: int
    to: str | None
    block_number: int | None
    gas_used: int | None
    succeeded: bool | None
    revert_reason: str | None
    signed_at: dt.datetime
    final_at: dt.datetime | None


class TransactionsBody(_Wire, frozen=True, kw_only=True):
    """A page of transactions, newest first."""

    transactions: list[TransactionBody]
    next_cursor: str | None


class PaymentTokenBody(_Wire, frozen=True, kw_only=True):
    """A payment token that the issuer accepts."""

    address: str
    currency: str
    decimals: int
    symbol: str
    chain_id: int


class PaymentTokensBody(_Wire, frozen=True, kw_only=True):
    """The payment tokens that the issuer accepts."""

    payment_tokens: list[PaymentTokenBody]


@post("/v1/instructions/issue/preview", sync_to_thread=True, tags=["Settlement"], summary="What an issue would do", status_code=200)
def post_issue_preview(actor: AsActor, data: JSONBody[NewIssueBody], begin: Begin) -> IssueReportBody:
    """Return which allotments would be issued and which not, with every reason; stores nothing."""
    with begin(actor.tenant_id) as unit:
        request = _issue_request(data, unit)
        return _report(commands.preview_issue(actor, request, unit=unit), _decimals(request.security_id, unit))


@post("/v1/instructions/issue", sync_to_thread=True, tags=["Settlement"], summary="Issue shares")
def post_issue(
    request: SettlementRequest, actor: AsActor, data: JSONBody[NewIssueBody], begin: Begin, idempotency_key: IdempotencyKey = None
) -> Response[RequestOutcomeBody]:
    """Issue to every receiver whom the rules allow and report the rest; a second person approves first (202)."""
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            wish = _issue_request(data, unit)
            outcome = commands.issue(actor, wish, unit=unit)
            if isinstance(outcome, Pending):
                return _pending(outcome)
            decimals = _decimals(wish.security_id, unit)
            body = RequestOutcomeBody(
                state="requested",
                report=_report(outcome, decimals),
                instructions=[_requested(instruction, decimals) for instruction in outcome.instructions],
            )
            return Answer(status=201, body=msgspec.to_builtins(body))

        return _respond(idempotently(actor, idempotency_key, _bound(request, data), run, unit=unit))


@post("/v1/instructions/transfer", sync_to_thread=True, tags=["Settlement"], summary="Transfer shares")
def post_transfer(
    request: SettlementRequest, actor: AsActor, data: JSONBody[NewTransferBody], begin: Begin, idempotency_key: IdempotencyKey = None
) -> Response[RequestOutcomeBody]:
    """Transfer from a managed wallet; a refusal (422, `settlement.refused`) carries the decision with every reason."""
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            security_id = _security_id(data.security_id)
            decimals = _decimals(security_id, unit)
            wish = TransferShares(
                request_id=_new_request_id(unit),
                security_id=security_id,
                from_wallet=parse_address(data.from_wallet, field="from_wallet"),
                to_wallet=parse_address(data.to_wallet, field="to_wallet"),
                shares=parse_shares(data.shares, decimals=decimals),
                send_anyway=data.send_anyway,
            )
            return _one(commands.transfer(actor, wish, unit=unit), decimals)

        return _respond(idempotently(actor, idempotency_key, _bound(request, data), run, unit=unit))


@post("/v1/instructions/forced-transfer", sync_to_thread=True, tags=["Settlement"], summary="Transfer without the holder's consent")
def post_forced_transfer(
    request: SettlementRequest, actor: AsActor, data: JSONBody[NewForcedTransferBody], begin: Begin, idempotency_key: IdempotencyKey = None
) -> Response[RequestOutcomeBody]:
    """Move shares as a court or an agreement obliges; a second person approves first (202)."""
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            security_id = _security_id(data.security_id)
            decimals = _decimals(security_id, unit)
            wish = ForceTransfer(
                request_id=_new_request_id(unit),
                security_id=security_id,
                from_wallet=parse_address(data.from_wallet, field="from_wallet"),
                to_wallet=parse_address(data.to_wallet, field="to_wallet"),
                shares=parse_shares(data.shares, decimals=decimals),
                ground=data.ground,
            )
            return _one(commands.forced_transfer(actor, wish, unit=unit), decimals)

        return _respond(idempotently(actor, idempotency_key, _bound(request, data), run, unit=unit))


@post("/v1/instructions/burn", sync_to_thread=True, tags=["Settlement"], summary="Destroy shares")
def post_burn(
    request: SettlementRequest, actor: AsActor, data: JSONBody[NewBurnBody], begin: Begin, idempotency_key: IdempotencyKey = None
) -> Response[RequestOutcomeBody]:
    """Destroy shares of one wallet."""
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            security_id = _security_id(data.security_id)
            decimals = _decimals(security_id, unit)
            wish = BurnShares(
                request_id=_new_request_id(unit),
                security_id=security_id,
                wallet=parse_address(data.wallet, field="wallet"),
                shares=parse_shares(data.shares, decimals=decimals),
            )
            return _one(commands.burn(actor, wish, unit=unit), decimals)

        return _respond(idempotently(actor, idempotency_key, _bound(request, data), run, unit=unit))


@post("/v1/instructions/recover", sync_to_thread=True, tags=["Settlement"], summary="Recover a lost wallet")
def post_recover(
    request: SettlementRequest, actor: AsActor, data: JSONBody[NewRecoveryBody], begin: Begin, idempotency_key: IdempotencyKey = None
) -> Response[RequestOutcomeBody]:
    """Move all that a lost wallet holds to another wallet of the same investor; a second person approves first (202)."""
    with begin(actor.tenant_id) as unit:

        def run() -> Answer:
            wish = RecoverWallet(
                request_id=_new_request_id(unit),
                investor_id=InvestorId(parse_id(data.investor_id, field="investor_id")),
                lost_wallet=parse_address(data.lost_wallet, field="lost_wallet"),
                new_wallet=parse_address(data.new_wallet, field="new_wallet"),
            )
            outcome = commands.recover(actor, wish, unit=unit)
            if isinstance(outcome, Pending):
                return _pending(outcome)
            bodies = [_requested(instruction, _decimals(instruction.security_id, unit)) for instruction in outcome]
            return Answer(status=201, body=msgspec.to_builtins(RequestOutcomeBody(state="requested", instructions=bodies)))

        return _respond(idempotently(actor, idempotency_key, _bound(request, data), run, unit=unit))


@get("/v1/instructions", sync_to_thread=True, tags=["Settlement"], summary="Instructions")
def get_instructions(
    actor: AsActor,
    begin: Begin,
    security_id: Annotated[str | None, QueryParameter(max_length=40, description="Only this security's.")] = None,
    instruction_state: Annotated[str | None, QueryParameter(name="state", pattern="requested|submitted|settled|failed")] = None,
    limit: Limit = PAGE_ROWS,
    cursor: Cursor = None,
) -> InstructionsBody:
    """Return instructions, newest first."""
    wanted = None if security_id is None else _security_id(security_id)
    with begin(actor.tenant_id) as unit:
        page = commands.view_instructions(actor, security_id=wanted, state=instruction_state, cursor=cursor, limit=limit, unit=unit)
        bodies = [_instruction(state, _decimals(state.instruction.security_id, unit)) for state in page.instructions]
    return InstructionsBody(instructions=bodies, next_cursor=page.next_cursor)


@get("/v1/instructions/{instruction_id:str}", sync_to_thread=True, tags=["Settlement"], summary="An instruction")
def get_instruction(actor: AsActor, instruction_id: Id, begin: Begin) -> InstructionBody:
    """Return one instruction and what became of it."""
    wanted = InstructionId(parse_id(instruction_id, field="instruction_id"))
    with begin(actor.tenant_id) as unit:
        state = commands.view_instruction(actor, wanted, unit=unit)
        return _instruction(state, _decimals(state.instruction.security_id, unit))


@get("/v1/transactions", sync_to_thread=True, tags=["Settlement"], summary="Transactions with their state")
def get_transactions(actor: AsActor, begin: Begin, limit: Limit = PAGE_ROWS, cursor: Cursor = None) -> TransactionsBody:
    """Return the issuer's transactions, newest first."""
    with begin(actor.tenant_id) as unit:
        page = commands.view_transactions(actor, cursor=cursor, limit=limit, unit=unit)
    return TransactionsBody(transactions=[_transaction(transaction) for transaction in page.transactions], next_cursor=page.next_cursor)


@get("/v1/payment-tokens", sync_to_thread=True, tags=["Settlement"], summary="Payment tokens")
def get_payment_tokens(actor: AsActor, begin: Begin) -> PaymentTokensBody:
    """Return the tokens in which the issuer pays and is paid."""
    with begin(actor.tenant_id) as unit:
        tokens = commands.view_payment_tokens(actor, unit=unit)
    return PaymentTokensBody(payment_tokens=[_payment_token(token) for token in tokens])


@post("/v1/payment-tokens", sync_to_thread=True, tags=["Settlement"], summary="Accept a payment token")
def post_payment_token(actor: AsActor, data: JSONBody[NewPaymentTokenBody], begin: Begin) -> PaymentTokenBody:
    """Record an ERC-20 as money of this issuer, with the decimals and symbol that its contract gives."""
    address = parse_address(data.address)
    with begin(actor.tenant_id) as unit:
        return _payment_token(commands.accept_payment_token(actor, address, currency=data.currency, unit=unit))


class ItemCountsBody(_Wire, frozen=True, kw_only=True):
    """Items that count as received in the month; `percentage` of them was turned around in time, rounded down to two decimals."""

    received: int
    in_time: int
    late: int
    open_in_time: int
    percentage: str


class TurnaroundBody(_Wire, frozen=True, kw_only=True):
    """One month by 17 CFR 240.17Ad-2. `notice_due_date` is set where nine tenths were missed; until `is_final` the figures may change."""

    month: str
    zone: str
    routine: ItemCountsBody
    other: ItemCountsBody
    is_met: bool
    is_final: bool
    notice_due_date: dt.date | None


@get("/v1/reports/turnaround", sync_to_thread=True, tags=["Reports"], summary="Turnaround of a month")
def get_turnaround(
    actor: AsActor,
    begin: Begin,
    month: Annotated[str, QueryParameter(max_length=7, description="Year and month, such as 2026-11.")],
    security_id: Annotated[str | None, QueryParameter(max_length=36, description="Only this security.")] = None,
    zone: Annotated[str, QueryParameter(max_length=60, description="Where the transfer agent's day has its noon.")] = NEW_YORK,
) -> TurnaroundBody:
    """Return how many items were turned around within three business days of receipt, routine ones and others."""
    first, where = parse_month(month), parse_zone(zone)
    with begin(actor.tenant_id) as unit:
        report = commands.view_turnaround(
            actor, month=first, zone=where, security_id=None if security_id is None else _security_id(security_id), unit=unit
        )
    return turnaround_body(report)


ROUTES: Sequence[HTTPRouteHandler] = [
    get_turnaround,
    post_issue_preview,
    post_issue,
    post_transfer,
    post_forced_transfer,
    post_burn,
    post_recover,
    get_instructions,
    get_instruction,
    get_transactions,
    get_payment_tokens,
    post_payment_token,
]


def parse_month(text: str) -> dt.date:
    """Return the first day of the month that `YYYY-MM` means."""
    if not _MONTH.fullmatch(text):
        raise NotAMonth(text=text, place=Place(field="month"))
    return dt.date.fromisoformat(f"{text}-01")


def parse_zone(text: str) -> dt.tzinfo:
    """Return the time zone of that name."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownTimeZone(text=text, place=Place(field="zone")) from None


def turnaround_body(report: TurnaroundReport) -> TurnaroundBody:
    """Return the report as the wire shows it."""
    return TurnaroundBody(
        month=report.month.isoformat()[:7],
        zone=report.zone,
        routine=_counts(report.routine),
        other=_counts(report.other),
        is_met=report.is_met,
        is_final=report.is_final,
        notice_due_date=report.notice_due_date,
    )


def _counts(counts: ItemCounts) -> ItemCountsBody:
    return ItemCountsBody(
        received=counts.received,
        in_time=counts.in_time,
        late=counts.late,
        open_in_time=counts.open_in_time,
        percentage=counts.percentage,
    )


def _issue_request(data: NewIssueBody, unit: SettlementUnit) -> IssueShares:
    security_id = _security_id(data.security_id)
    decimals = _decimals(security_id, unit)
    allotments = tuple(_allotment(body, decimals, place) for place, body in enumerate(data.allotments))
    return IssueShares(request_id=_new_request_id(unit), security_id=security_id, allotments=allotments)


def _allotment(body: AllotmentBody, decimals: int, place: int) -> Allotment:
    field = f"allotments.{place}"
    if (body.investor_id is None) == (body.wallet is None):
        raise BadAllotment(place=Place(field=field))
    return Allotment(
        shares=parse_shares(body.shares, decimals=decimals, field=f"{field}.shares"),
        investor_id=None if body.investor_id is None else InvestorId(parse_id(body.investor_id, field=f"{field}.investor_id")),
        wallet=None if body.wallet is None else parse_address(body.wallet, field=f"{field}.wallet"),
        sale=SaleTerms(
            exemption=body.exemption,
            paid=None if body.paid is None else Money.parse(body.paid.amount, body.paid.currency, field=f"{field}.paid"),
            buyer_category=body.buyer_category,
            locked_until=None if body.locked_until is None else parse_instant(body.locked_until, field=f"{field}.locked_until"),
        ),
    )


def _one(outcome: Instruction | Refused | Pending, decimals: int) -> Answer:
    match outcome:
        case Refused():
            raise TransferRefused(outcome)
        case Pending():
            return _pending(outcome)
        case Instruction():
            body = RequestOutcomeBody(state="requested", instructions=[_requested(outcome, decimals)])
            return Answer(status=201, body=msgspec.to_builtins(body))
        case _:
            assert_never(outcome)


def _pending(pending: Pending) -> Answer:
    return Answer(status=202, body=msgspec.to_builtins(RequestOutcomeBody(state="pending", approval_id=str(pending.approval_id))))


def _respond(answer: Answer) -> Response[RequestOutcomeBody]:
    return Response(msgspec.convert(answer.body, RequestOutcomeBody), status_code=answer.status)


def _bound(request: SettlementRequest, data: Any) -> dict[str, Any]:
    return {"method": request.method, "path": request.url.path, "body": msgspec.to_builtins(data)}


def _requested(instruction: Instruction, decimals: int) -> InstructionBody:
    return _instruction(RequestedInstruction(instruction), decimals)


def _instruction(state: InstructionState, decimals: int) -> InstructionBody:
    instruction = state.instruction
    legs = [
        LegBody(
            from_wallet=leg.from_wallet,
            to_wallet=leg.to_wallet,
            shares=_shares(leg.shares, decimals),
            exemption=leg.sale.exemption,
            paid=_paid(leg.sale.paid),
            buyer_category=leg.sale.buyer_category,
            locked_until=leg.sale.locked_until,
        )
        for leg in instruction.legs
    ]
    body = InstructionBody(
        instruction_id=str(instruction.instruction_id),
        request_id=str(instruction.request_id),
        security_id=str(instruction.security_id),
        kind=instruction.kind.value,
        state=state_name(state),
        legs=legs,
        requested_at=instruction.requested_at,
    )
    match state:
        case RequestedInstruction():
            return body
        case SubmittedInstruction():
            return msgspec.structs.replace(body, transaction_hash=state.transaction_hash)
        case SettledInstruction():
            return msgspec.structs.replace(
                body, transaction_hash=state.transaction_hash, block_number=state.block_number, settled_at=state.settled_at
            )
        case FailedInstruction():
            return msgspec.structs.replace(
                body,
                transaction_hash=state.transaction_hash,
                failed_at=state.failed_at,
                reason_code=state.reason_code,
                reason=state.sentence,
                reason_rule=state.rule,
                reason_citation=state.citation,
                reason_cure=state.cure,
            )
        case _:
            assert_never(state)


def _report(report: IssueReport, decimals: int) -> IssueReportBody:
    return IssueReportBody(
        request_id=str(report.request_id),
        accepted=[
            AcceptedAllotmentBody(
                shares=_shares(entry.allotment.shares, decimals),
                investor_id=_text(entry.allotment.investor_id),
                wallet=entry.wallet,
                exemption=entry.sale.exemption,
                paid=_paid(entry.sale.paid),
                buyer_category=entry.sale.buyer_category,
                locked_until=entry.sale.locked_until,
            )
            for entry in report.accepted
        ],
        refused=[
            RefusedAllotmentBody(
                shares=_shares(entry.allotment.shares, decimals),
                investor_id=_text(entry.allotment.investor_id),
                wallet=entry.wallet,
                reasons=[reason.as_json() for reason in entry.decision.reasons],
            )
            for entry in report.refused
        ],
        instructions=[str(instruction.instruction_id) for instruction in report.instructions],
    )


def _paid(paid: Money | None) -> PaidBody | None:
    return None if paid is None else PaidBody(amount=paid.amount, currency=paid.currency)


def _transaction(transaction: ChainTransaction) -> TransactionBody:
    return TransactionBody(
        transaction_id=str(transaction.id),
        purpose=transaction.purpose,
        state=transaction.state.value,
        hash=transaction.hash,
        sender=transaction.sender,
        nonce=transaction.nonce,
        to=transaction.to,
        block_number=transaction.block_number,
        gas_used=transaction.gas_used,
        succeeded=transaction.succeeded,
        revert_reason=transaction.revert_reason,
        signed_at=transaction.signed_at,
        final_at=transaction.final_at,
    )


def _payment_token(token: PaymentToken) -> PaymentTokenBody:
    return PaymentTokenBody(
        address=token.address, currency=token.currency, decimals=token.decimals, symbol=token.symbol, chain_id=token.chain_id
    )


def _shares(shares: int, decimals: int) -> str:
    return format_shares(shares, decimals=decimals)


def _text(value: InvestorId | Address | None) -> str | None:
    return None if value is None else str(value)


def _decimals(security_id: SecurityId, unit: SettlementUnit) -> int:
    return unit.securities.get(security_id).terms.decimals


def _security_id(text: str) -> SecurityId:
    return SecurityId(parse_id(text, field="security_id"))


def _new_request_id(unit: SettlementUnit) -> UUID:
    return new_id(unit.clock.now())
