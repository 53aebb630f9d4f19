# SPDX-License-Identifier: Apache-2.0
"""The REST face of notices under /v1: explain a refusal by mail, and what was sent. Shapes and routes; commands decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter, SkipValidation

from muniment.access.commands import idempotently
from muniment.access.model import Action, Actor, authorize
from muniment.access.ports import Answer
from muniment.instruments.commands import view_security
from muniment.notices import commands
from muniment.notices.model import Notice, Side
from muniment.notices.ports import NoticesUnit
from muniment.parties.model import parse_address
from muniment.units.ids import SecurityId, TenantId, parse_id
from muniment.units.money import Money
from muniment.units.shares import parse_shares

PAGE_ROWS: Final = 50

AsActor: TypeAlias = SkipValidation[NamedDependency[Actor]]
Begin: TypeAlias = SkipValidation[NamedDependency[Callable[[TenantId], AbstractContextManager[NoticesUnit]]]]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=commands.PAGE_MAX, description="How many rows at most.")]
Cursor: TypeAlias = Annotated[str | None, QueryParameter(max_length=100, description="next_cursor of the page before.")]
IdempotencyKey: TypeAlias = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", description="The same key with the same request gives the same answer.")
]
NoticesRequest: TypeAlias = Request[Any, Any, Any]
Cell: TypeAlias = Annotated[str, msgspec.Meta(max_length=200)]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shape on the wire: no field that we do not know."""


class AmountBody(_Wire, frozen=True, kw_only=True):
    """An amount as decimal text."""

    amount: Cell
    currency: Cell


class NewExplanationBody(_Wire, frozen=True, kw_only=True):
    """A refused transfer, or without `from` a refused issue, of `shares` (a decimal text), and the side who is told why.

    An issue is asked about with the `exemption` and the amount `paid` with which it was refused, where it had any.
    """

    to: Cell
    shares: Cell
    from_: Cell | None = msgspec.field(default=None, name="from")
    send_to: Literal["receiver", "sender"] = "receiver"
    exemption: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    paid: AmountBody | None = None


class ToldReasonBody(_Wire, frozen=True, kw_only=True):
    """A reason as it was told: code, sentence, the rule and where it is written, and what would cure it."""

    code: str
    message: str
    rule: str | None
    citation: str | None
    cure: str | None


class NoticeBody(_Wire, frozen=True, kw_only=True):
    """One mail to one person: `state` is waiting, sent, refused or dropped; `outcome` the server's code, or why it was dropped.

    `recipient_kind` is member or investor. An explanation has its `reasons`, and how many were `withheld` as the other side's business.
    """

    notice_id: str
    kind: str
    subject_id: str
    recipient_kind: str
    recipient_id: str
    state: str
    outcome: str | None
    attempts: int
    created_at: dt.datetime
    next_attempt_at: dt.datetime | None
    ended_at: dt.datetime | None
    reasons: list[ToldReasonBody] | None = None
    withheld: int | None = None


class NoticesBody(_Wire, frozen=True, kw_only=True):
    """A page of notices, newest first."""

    notices: list[NoticeBody]
    next_cursor: str | None


@post(
    "/v1/securities/{security_id:str}/explanations",
    sync_to_thread=True,
    tags=["Notices"],
    summary="Explain a refusal to the investor by mail",
    status_code=202,
)
def post_explanation(
    request: NoticesRequest,
    actor: AsActor,
    security_id: FromPath[str],
    data: JSONBody[NewExplanationBody],
    begin: Begin,
    idempotency_key: IdempotencyKey = None,
) -> Response[NoticeBody]:
    """Send the reasons of a refusal to the investor whose it is. The same explanation goes out once a day."""
    sender = None if data.from_ is None else parse_address(data.from_, field="from")
    receiver = parse_address(data.to, field="to")
    with begin(actor.tenant_id) as unit:
        authorize(actor, Action.NOTICES_EXPLAIN, tenant_id=unit.tenant_id)
        security = view_security(actor, SecurityId(parse_id(security_id, field="security_id")), unit=unit)
        shares = parse_shares(data.shares, decimals=security.terms.decimals)
        paid = None if data.paid is None else Money.parse(data.paid.amount, data.paid.currency, field="paid")
        wish = commands.ExplainRefusal(security.terms.security_id, sender, receiver, shares, Side(data.send_to), data.exemption, paid)

        def run() -> Answer:
            return Answer(status=202, body=msgspec.to_builtins(notice_body(commands.send_explanation(actor, wish, unit=unit))))

        bound = {"method": request.method, "path": request.url.path, "body": msgspec.to_builtins(data)}
        answer = idempotently(actor, idempotency_key, bound, run, unit=unit)
    return Response(msgspec.convert(answer.body, NoticeBody), status_code=answer.status)


@get("/v1/notices", sync_to_thread=True, tags=["Notices"], summary="Mails and what became of them")
def get_notices(
    actor: AsActor,
    begin: Begin,
    recipient_id: Annotated[str | None, QueryParameter(max_length=36, description="Only those to this investor or member.")] = None,
    limit: Limit = PAGE_ROWS,
    cursor: Cursor = None,
) -> NoticesBody:
    """Return who was to be told what, newest first, and whether the mail was taken. Ids only: no name and no address."""
    wanted = None if recipient_id is None else parse_id(recipient_id, field="recipient_id")
    with begin(actor.tenant_id) as unit:
        page = commands.view_notices(actor, recipient_id=wanted, cursor=cursor, limit=limit, unit=unit)
    return NoticesBody(notices=[notice_body(notice) for notice in page.notices], next_cursor=page.next_cursor)


def notice_body(notice: Notice) -> NoticeBody:
    """Return a notice as the wire shows it."""
    told = notice.told
    return NoticeBody(
        notice_id=str(notice.notice_id),
        kind=notice.kind.value,
        subject_id=str(notice.subject_id),
        recipient_kind=notice.recipient.value,
        recipient_id=str(notice.recipient_id),
        state=notice.state,
        outcome=notice.outcome,
        attempts=notice.attempts,
        created_at=notice.created_at,
        next_attempt_at=notice.next_attempt_at if notice.state == "waiting" else None,
        ended_at=notice.ended_at,
        reasons=None
        if told is None
        else [
            ToldReasonBody(code=each.code, message=each.sentence, rule=each.rule, citation=each.citation, cure=each.cure)
            for each in told.reasons
        ],
        withheld=None if told is None else told.withheld,
    )


ROUTES: Sequence[HTTPRouteHandler] = [post_explanation, get_notices]
