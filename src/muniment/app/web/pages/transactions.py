# SPDX-License-Identifier: Apache-2.0
"""The organisation's transactions with their state, the stream of news, and the search over everything that has a page."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import sqlalchemy as sa
from litestar import Response, get
from litestar.response import ServerSentEvent, ServerSentEventMessage

from muniment.access.model import Action, Actor, authorize, permits
from muniment.access.model.sign_in import hash_token
from muniment.access.ports import Page
from muniment.app.http.live import Live
from muniment.app.http.problems import NoSuchPage
from muniment.app.http.request import MunimentRequest
from muniment.app.http.session import BeginSignIn, signed_in_of
from muniment.app.web.forms import go_to
from muniment.app.web.pages.flows import instruction_title
from muniment.app.web.reading import AsActor, Begin, Cursor, Id, Query, pipeline
from muniment.app.web.render import page
from muniment.app.web.views import TransactionRow
from muniment.app.web.words import count, when
from muniment.infra.clock import SystemClock
from muniment.instruments.commands import view_securities
from muniment.parties.commands import list_investors
from muniment.servicing.model import dividend_of_purpose
from muniment.servicing.ports import ServicingUnit
from muniment.settlement.model import instruction_of_purpose
from muniment.units.errors import MunimentError
from muniment.units.ids import TenantId

ROWS_A_PAGE: Final = 50
UUID_TEXT: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-fA-F]{40,64}")
HASH: Final = re.compile(r"0x[0-9a-f]{64}")

PURPOSES: Final = {
    "instruments.fund": "Gas money for the organisation's account",
    "instruments.deploy_suite": "Deploy the organisation's registry and rules",
    "instruments.deploy_token": "Deploy a security's token",
    "instruments.register_asset": "Register an asset",
    "instruments.link_token": "Tie a token to its asset",
    "instruments.mint_title": "Mint the deed of an asset",
    "compliance.register": "Register investors' wallets",
    "compliance.invalidate": "End an investor's eligibility",
    "compliance.apply_rules": "Apply a security's rules",
    "compliance.unpause": "Open a security",
    "compliance.freeze": "Freeze or unfreeze",
}
"""The start of a purpose, up to its first colon, in words."""

DIVIDEND_STEPS: Final = {"allowance": "allowance to the payout contract", "record": "mark of the record date"}

COLUMNS: Final = """
    chain_transaction_id, purpose, sender, to_address, nonce, hash, state, block_number, gas_used, gas_limit, succeeded, revert_reason,
    signed_at, sent_at, mined_at, final_at
"""
OF_TENANT: Final = f"""
    SELECT {COLUMNS} FROM infra.chain_transaction
    WHERE tenant_id = infra.tenant() AND (CAST(:before AS timestamptz) IS NULL OR (signed_at, chain_transaction_id) < (:before, :before_id))
    ORDER BY signed_at DESC, chain_transaction_id DESC LIMIT :limit
"""  # noqa: S608 - the columns are ours
BY_HASH: Final = f"""
    SELECT {COLUMNS} FROM infra.chain_transaction WHERE tenant_id = infra.tenant() AND chain_transaction_id IN
        (SELECT chain_transaction_id FROM infra.chain_transaction_hash WHERE hash = :hash
         UNION SELECT chain_transaction_id FROM infra.chain_transaction WHERE hash = :hash)
"""  # noqa: S608 - the columns are ours


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that a search found."""

    name: str
    kind: str
    href: str


@get("/transactions", sync_to_thread=True, include_in_schema=False)
def show_transactions(request: MunimentRequest, actor: AsActor, begin: Begin, cursor: Cursor = None) -> Response[Any]:
    """List the organisation's transactions, newest first, each with its way through the chain."""
    authorize(actor, Action.SETTLEMENT_VIEW, tenant_id=actor.tenant_id)
    before, before_id = _place(cursor)
    arguments = {"before": before, "before_id": before_id, "limit": ROWS_A_PAGE + 1}
    found = _rows(request, actor.tenant_id, OF_TENANT, arguments)
    shown = found[:ROWS_A_PAGE]
    with begin(actor.tenant_id) as unit:
        rows = [_row(row, unit=unit) for row in shown]
    next_href = None
    if len(found) > ROWS_A_PAGE:
        next_href = f"/transactions?cursor={quote(f'{shown[-1].signed_at.isoformat()}~{shown[-1].chain_transaction_id}')}"
    return page(
        request, "transactions.html", title="Transactions", rows=rows, next_href=next_href, first_href="/transactions" if cursor else None
    )


@get("/transactions/{transaction_hash:str}", sync_to_thread=True, include_in_schema=False)
def show_transaction(request: MunimentRequest, actor: AsActor, begin: Begin, transaction_hash: Id) -> Response[Any]:
    """Show one transaction: what it is for, where it stands, what it cost."""
    authorize(actor, Action.SETTLEMENT_VIEW, tenant_id=actor.tenant_id)
    if not HASH.fullmatch(transaction_hash):
        raise NoSuchPage
    found = _rows(request, actor.tenant_id, BY_HASH, {"hash": transaction_hash})
    if not found:
        raise NoSuchPage
    with begin(actor.tenant_id) as unit:
        row = _row(found[0], unit=unit)
        href = _about(found[0].purpose, unit=unit)[1]
    stored = found[0]
    lines: list[tuple[str, Any]] = [
        ("From", stored.sender),
        ("To", stored.to_address or "a new contract"),
        ("Nonce", count(stored.nonce)),
        ("Gas", f"{row.gas} of at most {count(stored.gas_limit)}"),
        ("Signed", when(stored.signed_at)),
        ("Sent", when(stored.sent_at)),
        ("Mined", when(stored.mined_at)),
        ("Final", when(stored.final_at)),
        ("Purpose", stored.purpose),
    ]
    return page(
        request,
        "transaction.html",
        title=row.purpose,
        crumbs=[("Transactions", "/transactions"), (row.purpose, "")],
        row=row,
        lines=lines,
        about_href=href,
    )


def _rows(request: MunimentRequest, tenant_id: TenantId, query: str, arguments: dict[str, Any]) -> Sequence[Any]:
    with request.app.state.database.transaction(tenant_id=tenant_id) as connection:
        return list(connection.execute(sa.text(query), arguments))


def _place(cursor: str | None) -> tuple[dt.datetime | None, UUID | None]:
    if not cursor:
        return None, None
    instant, _, transaction_id = cursor.partition("~")
    try:
        return dt.datetime.fromisoformat(instant), UUID(transaction_id)
    except ValueError:
        raise NoSuchPage from None


def _row(stored: Any, *, unit: ServicingUnit) -> TransactionRow:
    purpose, _ = _about(stored.purpose, unit=unit)
    return TransactionRow(
        href=f"/transactions/{stored.hash}",
        purpose=purpose,
        hash=stored.hash,
        signed_at=stored.signed_at,
        block="" if stored.block_number is None else count(stored.block_number),
        gas="–" if stored.gas_used is None else count(stored.gas_used),
        steps=pipeline(stored.state, block_number=stored.block_number, succeeded=stored.succeeded),
        failure=f"The chain said: {stored.revert_reason}" if stored.revert_reason else "",
    )


def _about(purpose: str, *, unit: ServicingUnit) -> tuple[str, str]:
    """Return what a transaction is for in words, and the page of the thing."""
    instruction_id = instruction_of_purpose(purpose)
    if instruction_id is not None:
        instruction = unit.instructions.get(instruction_id).instruction
        words = instruction_title(instruction, unit.securities.get(instruction.security_id))
        return f"Gas money for: {words}" if ":gas" in purpose else words, f"/instructions/{instruction_id}"
    dividend_id = dividend_of_purpose(purpose)
    if dividend_id is not None:
        # A batch's id stands in the place of these words.
        step = DIVIDEND_STEPS.get(purpose.rpartition(":")[2].partition("-")[0], "payment of a batch")
        return f"Dividend: {step}", f"/dividends/{dividend_id}"
    known = PURPOSES.get(purpose.partition(":")[0])
    if known is not None:
        return known, ""
    plain = " ".join(UUID_TEXT.sub(" ", purpose).replace(":", " ").replace("_", " ").replace(".", ", ", 1).split()).strip(" ,")
    return plain[:1].upper() + plain[1:], ""


# News


@get("/events", include_in_schema=False)
async def stream_news(request: MunimentRequest, actor: AsActor, begin_sign_in: BeginSignIn) -> ServerSentEvent:
    """Tell this organisation's windows what has changed, until the session ends."""
    live: Live = request.app.state.live
    signed_in = signed_in_of(request)
    assert signed_in is not None, "the guard asks for a session"
    token_hash = hash_token(signed_in.token)
    clock = SystemClock()

    def is_signed_in() -> bool:
        # Looks without using the session: an open window alone must not keep it alive.
        with begin_sign_in() as unit:
            session = unit.sessions.by_token(token_hash)
        return session is not None and session.is_live(clock.now()) and session.tenant_id == actor.tenant_id

    async def messages() -> AsyncIterator[ServerSentEventMessage]:
        async for message in live.news(actor.tenant_id, is_signed_in=is_signed_in):
            yield message

    return ServerSentEvent(messages(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


# Search


@get("/search", sync_to_thread=True, include_in_schema=False)
def search(request: MunimentRequest, actor: AsActor, begin: Begin, q: Query = "") -> Response[Any]:
    """Find a security, an investor or a transaction; a single hit is shown at once."""
    text = q.strip()[:200]
    with begin(actor.tenant_id) as unit:
        hits = _hits(request, actor, text, unit=unit) if text else []
    if len(hits) == 1:
        return go_to(hits[0].href)
    return page(request, "search.html", title="Search", search=text, hits=hits, crumbs=())


def _hits(request: MunimentRequest, actor: Actor, text: str, *, unit: ServicingUnit) -> list[Hit]:
    wanted = text.casefold()
    hits = [
        Hit(security.terms.name, f"security {security.terms.symbol}", f"/securities/{security.terms.security_id}")
        for security in view_securities(actor, unit=unit)
        if wanted in security.terms.name.casefold()
        or wanted in {security.terms.symbol.casefold(), str(security.terms.security_id), getattr(security, "token_address", "").casefold()}
    ]
    if HASH.fullmatch(wanted) and permits(actor, Action.SETTLEMENT_VIEW) and _rows(request, actor.tenant_id, BY_HASH, {"hash": wanted}):
        hits.append(Hit(text, "transaction", f"/transactions/{wanted}"))
    hits.extend(_investor_hits(actor, text, unit=unit))
    return hits


def _investor_hits(actor: Actor, text: str, *, unit: ServicingUnit) -> list[Hit]:
    if not (permits(actor, Action.PARTIES_VIEW) and permits(actor, Action.PARTIES_VIEW_PERSONAL_DATA)):
        return []
    try:
        found = list_investors(actor, Page(limit=20), text=text, unit=unit)
    except MunimentError:
        # What is no address, e-mail or name that could exist finds nobody.
        return []
    return [
        Hit(
            view.name or str(view.investor.investor_id),
            f"investor, {view.investor.status.replace('_', ' ')}",
            f"/investors/{view.investor.investor_id}",
        )
        for view in found
    ]


ROUTES = [show_transactions, show_transaction, stream_news, search]
