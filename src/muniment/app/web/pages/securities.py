# SPDX-License-Identifier: Apache-2.0
"""The securities and one security with its tabs: register, lots, transfers, rules, documents, dividends. Changes nothing."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import quote

from litestar import Response, get
from litestar.params import QueryParameter

from muniment.access.model import Action, Actor, permits
from muniment.app.http.request import MunimentRequest
from muniment.app.web.reading import (
    AsActor,
    Begin,
    Cursor,
    Holders,
    Id,
    holders_of,
    kind_text,
    locked_text,
    security_mark,
    shares_text,
    tabs_path,
)
from muniment.app.web.render import page
from muniment.app.web.views import (
    Bar,
    DocumentRow,
    HolderRow,
    MovementRow,
    OwnershipChart,
    SecurityHead,
    SecurityRow,
    Step,
    Tab,
)
from muniment.app.web.words import count, percent, permille
from muniment.compliance.commands import view_lockups
from muniment.instruments.commands import download_document, view_asset, view_documents, view_securities, view_security, view_title
from muniment.instruments.http import title_body
from muniment.instruments.model.assets import UNIQUE_KINDS
from muniment.instruments.model.securities import DeployingSecurity, DraftedSecurity, Security
from muniment.parties.model import country_name
from muniment.register.commands import view_cap_table, view_holders, view_movements
from muniment.register.http import FORMATS, MEDIA_TYPES, holders_bytes, parse_term
from muniment.register.model import ZERO_ADDRESS, CapTable, CapTableLine, Lockup, Movement
from muniment.servicing.ports import ServicingUnit
from muniment.units.ids import Address, DocumentId, InvestorId, SecurityId, parse_id
from muniment.units.instants import parse_date

TITLE_ACTS: Final[Mapping[str, str]] = {
    "minted": "Deed minted",
    "transferred": "Deed transferred",
    "burned": "Deed ended",
    "lien_placed": "Lien filed",
    "lien_assigned": "Lien assigned",
    "lien_released": "Lien released",
}
BARS_MAX: Final = 10
MOVEMENTS_A_PAGE: Final = 50
TABS: Final = (
    ("Register", "register"),
    ("Lots", "lots"),
    ("Transfers", "movements"),
    ("Rules", "rules"),
    ("Law", "law"),
    ("Documents", "documents"),
    ("Dividends", "dividends"),
)
ACTIONS_IN: Final[Mapping[str, tuple[tuple[str, Action], ...]]] = {
    "drafted": (("deploy", Action.INSTRUMENTS_DEPLOY), ("set_rules", Action.COMPLIANCE_SET_RULES)),
    "deployed": (("open", Action.COMPLIANCE_OPEN_SECURITY), ("set_rules", Action.COMPLIANCE_SET_RULES)),
    "open": (
        ("issue", Action.SETTLEMENT_ISSUE),
        ("transfer", Action.SETTLEMENT_TRANSFER),
        ("declare_dividend", Action.SERVICING_DECLARE_DIVIDEND),
    ),
}
"""What a security's head offers in each of its states."""

WAY: Final = ("drafted", "deploying", "deployed", "open")


@get("/securities", sync_to_thread=True, include_in_schema=False)
def show_securities(request: MunimentRequest, actor: AsActor, begin: Begin) -> Response[Any]:
    """List the organisation's securities."""
    with begin(actor.tenant_id) as unit:
        rows = [_row(actor, security, unit=unit) for security in view_securities(actor, unit=unit)]
    return page(request, "securities.html", title="Securities", rows=rows, may_tokenise=permits(actor, Action.INSTRUMENTS_TOKENISE))


def _row(actor: Actor, security: Security, *, unit: ServicingUnit) -> SecurityRow:
    shares, holders = "–", "–"
    if _is_on_chain(security) and permits(actor, Action.REGISTER_VIEW):
        security_id = security.terms.security_id
        shares = shares_text(unit.register.supply(security_id), security)
        holders = count(unit.register.holder_count(security_id))
    return SecurityRow(
        href=f"/securities/{security.terms.security_id}",
        name=security.terms.name,
        symbol=security.terms.symbol,
        kind=kind_text(security.terms.kind),
        state=security_mark(security),
        shares=shares,
        holders=holders,
    )


def _is_on_chain(security: Security) -> bool:
    return not isinstance(security, DraftedSecurity | DeployingSecurity)


def head_of(actor: Actor, security: Security, *, tab: str, unit: ServicingUnit) -> SecurityHead:
    """Return what stands above each tab of a security."""
    terms = security.terms
    on_chain = _is_on_chain(security)
    may_read = permits(actor, Action.REGISTER_VIEW)
    return SecurityHead(
        security_id=str(terms.security_id),
        name=terms.name,
        symbol=terms.symbol,
        kind=kind_text(terms.kind),
        state=security_mark(security),
        token_address="" if isinstance(security, DraftedSecurity) else security.token_address,
        asset_id=view_asset(actor, terms.asset_record_id, unit=unit).asset_id,
        shares=shares_text(unit.register.supply(terms.security_id), security) if on_chain and may_read else "0",
        holders=count(unit.register.holder_count(terms.security_id)) if on_chain and may_read else "0",
        authorized="" if terms.shares_authorized is None else shares_text(terms.shares_authorized, security),
        frozen="",
        block=count(unit.register.read_block()) if on_chain and may_read else "–",
        is_paused=security.state == "open" and may_read and unit.register.is_paused(terms.security_id),
        may=frozenset(name for name, action in ACTIONS_IN.get(security.state, ()) if permits(actor, action)),
        tabs=[Tab(name, tabs_path(terms.security_id, key), is_current=key == tab) for name, key in TABS],
        step=security.state,
        stations=_stations(security),
    )


def _stations(security: Security) -> list[Step]:
    """Return the way from draft to open, for a security that has not gone it all."""
    if security.state not in WAY[:-1]:
        return []
    at = WAY.index(security.state)
    return [
        Step(word, tone="passed" if index < at else "now" if index == at else "", icon="wait" if index == at else "", is_now=index == at)
        for index, word in enumerate(WAY)
    ]


def crumbs_of(security: Security, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the way to a security's page."""
    here = [("Securities", "/securities"), (security.terms.name, f"/securities/{security.terms.security_id}"), *more]
    return [*here[:-1], (here[-1][0], "")]


def security_id_of(text: str) -> SecurityId:
    """Return the id in an address."""
    return SecurityId(parse_id(text, field="security_id"))


@get("/securities/{security_id:str}", sync_to_thread=True, include_in_schema=False)
def show_register(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show who owns a security, with shares and percentages."""
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, security_id_of(security_id), unit=unit)
        head = head_of(actor, security, tab="register", unit=unit)
        rows: list[HolderRow] = []
        chart = None
        if _is_on_chain(security):
            table = view_cap_table(actor, security.terms.security_id, unit=unit)
            investors = unit.investors.many([line.investor_id for line in table.lines if line.investor_id is not None])
            countries = {investor_id: country_name(investor.country) for investor_id, investor in investors.items()}
            holders = holders_of(actor, [wallet.wallet for line in table.lines for wallet in line.wallets], unit=unit)
            lockups = view_lockups(actor, security.terms.security_id, unit=unit)
            rows = [
                replace(_holder_row(actor, line, table, security, holders, countries), locked=_locked(line, lockups, security))
                for line in table.lines
            ]
            chart = ownership(rows, table, security)
    return page(
        request,
        "security_register.html",
        title=security.terms.name,
        security=head,
        crumbs=crumbs_of(security),
        holders=rows,
        chart=chart,
        may_export=permits(actor, Action.REGISTER_EXPORT),
    )


def _locked(line: CapTableLine, lockups: Mapping[Address, Sequence[Lockup]], security: Security) -> str:
    return locked_text([each for wallet in line.wallets for each in lockups.get(wallet.wallet, ())], security)


def _holder_row(
    actor: Actor, line: CapTableLine, table: CapTable, security: Security, holders: Holders, countries: dict[InvestorId, str]
) -> HolderRow:
    first = line.wallets[0].wallet
    frozen = sum(wallet.frozen_shares for wallet in line.wallets)
    notice = "wallet frozen" if any(wallet.wallet_frozen for wallet in line.wallets) else ""
    return HolderRow(
        name=holders.name(first),
        href=holders.href(first),
        country="unknown" if line.investor_id is None else countries.get(line.investor_id, "unknown"),
        wallets=[wallet.wallet for wallet in line.wallets],
        shares=shares_text(line.shares, security),
        percent=percent(line.shares, table.total_shares),
        width=permille(line.shares, table.lines[0].shares),
        frozen=notice or (f"{shares_text(frozen, security)} frozen" if frozen else ""),
        freeze_href=f"{tabs_path(security.terms.security_id, 'freeze')}?wallet={first}" if permits(actor, Action.COMPLIANCE_FREEZE) else "",
    )


def ownership(rows: list[HolderRow], table: CapTable, security: Security) -> OwnershipChart | None:
    """Return the ownership chart: the largest holders, the rest as one bar, and the finding as its title."""
    held = [line for line in table.lines if line.shares > 0]
    if not held:
        return None
    top, rest = held[:BARS_MAX], held[BARS_MAX:]
    rest_shares = sum(line.shares for line in rest)
    longest = max(top[0].shares, rest_shares)
    bars = [Bar(row.name, row.href, row.percent, permille(line.shares, longest), row.shares) for line, row in zip(top, rows, strict=False)]
    if rest:
        name = f"{count(len(rest))} {'other' if len(rest) == 1 else 'others'}"
        text = percent(rest_shares, table.total_shares)
        bars.append(Bar(name, "", text, permille(rest_shares, longest), shares_text(rest_shares, security), is_rest=True))
    finding = f"{bars[0].name} owns {bars[0].percent}"
    if len(held) > 5:
        five = percent(sum(line.shares for line in held[:5]), table.total_shares)
        finding += f"; the five largest of {count(len(held))} own {five} together"
    return OwnershipChart(finding=finding, bars=bars, scale_end=percent(longest, table.total_shares))


@get("/securities/{security_id:str}/movements", sync_to_thread=True, include_in_schema=False)
def show_movements(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id, cursor: Cursor = None) -> Response[Any]:
    """Show what moved, newest first."""
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, security_id_of(security_id), unit=unit)
        head = head_of(actor, security, tab="movements", unit=unit)
        rows: list[MovementRow] = []
        next_cursor = None
        if _is_on_chain(security):
            found = view_movements(actor, security.terms.security_id, cursor=cursor, limit=MOVEMENTS_A_PAGE, unit=unit)
            final = unit.register_chain.final_block().number
            wallets = {movement.from_wallet for movement in found.movements} | {movement.to_wallet for movement in found.movements}
            holders = holders_of(actor, wallets - {ZERO_ADDRESS}, unit=unit)
            rows = [_movement_row(movement, security, holders, final=final) for movement in found.movements]
            next_cursor = found.next_cursor
    here = tabs_path(security.terms.security_id, "movements")
    return page(
        request,
        "security_movements.html",
        title=security.terms.name,
        security=head,
        crumbs=crumbs_of(security, ("Transfers", "")),
        movements=rows,
        next_href=f"{here}?cursor={quote(next_cursor)}" if next_cursor else None,
        first_href=here if cursor else None,
    )


def _movement_row(movement: Movement, security: Security, holders: Holders, *, final: int) -> MovementRow:
    def name(wallet: Address) -> str:
        return "–" if wallet == ZERO_ADDRESS else holders.name(wallet)

    kind = "issue" if movement.from_wallet == ZERO_ADDRESS else "burn" if movement.to_wallet == ZERO_ADDRESS else "transfer"
    return MovementRow(
        at=movement.occurred_at,
        kind=kind,
        from_name=name(movement.from_wallet),
        from_href=holders.href(movement.from_wallet),
        to_name=name(movement.to_wallet),
        to_href=holders.href(movement.to_wallet),
        shares=shares_text(movement.shares, security),
        block=count(movement.block_number),
        transaction_hash=movement.transaction_hash,
        is_final=movement.block_number <= final,
    )


@get("/securities/{security_id:str}/documents", sync_to_thread=True, include_in_schema=False)
def show_documents(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show the asset record and its documents with their hashes."""
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, security_id_of(security_id), unit=unit)
        head = head_of(actor, security, tab="documents", unit=unit)
        asset = view_asset(actor, security.terms.asset_record_id, unit=unit)
        documents = view_documents(actor, security.terms.asset_record_id, unit=unit)
        title = view_title(actor, security.terms.asset_record_id, unit=unit) if asset.kind in UNIQUE_KINDS else None
    rows = [
        DocumentRow(
            document_id=str(document.document_id),
            name=document.print.name,
            media_type=document.print.media_type,
            size=_size(document.print.size_bytes),
            sha256=document.print.sha256,
            stored_at=document.stored_at,
            in_record=document.in_record,
        )
        for document in documents
    ]
    return page(
        request,
        "security_documents.html",
        title=security.terms.name,
        security=head,
        crumbs=crumbs_of(security, ("Documents", "")),
        record={"title": asset.title, "kind": asset.kind.replace("_", " "), "asset_id": asset.asset_id, "recorded_at": asset.recorded_at},
        documents=rows,
        deed=None if title is None or not title.events else title_body(title),
        acts=TITLE_ACTS,
    )


@get("/documents/{document_id:str}", sync_to_thread=True, include_in_schema=False)
def give_document(actor: AsActor, begin: Begin, document_id: Id) -> Response[bytes]:
    """Give a document's bytes as a download; a browser never shows what somebody uploaded as a page of ours."""
    with begin(actor.tenant_id) as unit:
        document, content = download_document(actor, DocumentId(parse_id(document_id, field="document_id")), unit=unit)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", document.print.name)[:100] or "document"
    return Response(
        content,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(document.print.name)}"},
    )


@get("/securities/{security_id:str}/holders", sync_to_thread=True, include_in_schema=False)
def give_holders(
    actor: AsActor,
    begin: Begin,
    security_id: Id,
    as_of: Annotated[str, QueryParameter(max_length=10)] = "",
    format_: Annotated[str, QueryParameter(name="format", max_length=10)] = "csv",
) -> Response[bytes]:
    """Give the register of holders as a file: now, or as of the end of a day (UTC) that is final."""
    written = parse_term(format_, FORMATS, field="format")
    at = dt.datetime.combine(parse_date(as_of, field="as_of"), dt.time.max, tzinfo=dt.UTC) if as_of else None
    with begin(actor.tenant_id) as unit:
        holders = view_holders(actor, security_id_of(security_id), at=at, unit=unit)
    name = f"holders-{as_of or holders.block_number}.{written}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(holders_bytes(holders, written), media_type=MEDIA_TYPES[written], headers=headers)


def _size(size_bytes: int) -> str:
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    return f"{count(size_bytes // 1000)} kB"


ROUTES = [show_securities, show_register, show_movements, show_documents, give_document, give_holders]
