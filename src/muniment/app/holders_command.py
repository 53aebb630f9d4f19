# SPDX-License-Identifier: Apache-2.0
"""`muniment shares lots`, `annotate` and `holders`: the register as of a day, by lot and by holder, and what officers add to it."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from muniment.app.books import open_units
from muniment.app.cli import JsonOption
from muniment.app.shares_command import APP, SecurityArgument, counted, investor_of, parse_price, security_of
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.compliance import commands as compliance
from muniment.register import commands as register
from muniment.register import http as register_http
from muniment.register.model import Consideration, PickingRule
from muniment.register.model.holders import RegisterOfHolders
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import InvestorId, LotId, TransactionHash
from muniment.units.instants import parse_date, parse_instant
from muniment.units.money import Price
from muniment.units.shares import format_shares, show_shares

__all__ = ["APP"]

TABLE = "table"
FORMATS = (TABLE, *register_http.FORMATS)

AsOfOption = Annotated[
    str, typer.Option("--as-of", metavar="DATE", help="A day, of which the end counts (UTC), or an instant; now where it is left out.")
]


class NeedsOutput(MunimentError):
    """A file that no terminal can show."""

    code = "app.needs_output"
    message = "Parquet is no text."
    cure = "Name a file with --output."


class CannotWrite(MunimentError):
    """A file cannot be written."""

    code = "app.cannot_write_file"
    message = "{file} cannot be written: {problem}."
    cure = "Name a file in a folder where you may write."


def end_of(text: str) -> dt.datetime | None:
    """Return the instant that `--as-of` means: the last microsecond of a day in UTC, or the instant itself; None for no text."""
    if not text:
        return None
    if len(text) == len("2027-05-23"):
        day = parse_date(text, field="as_of")
        return dt.datetime.combine(day, dt.time.max, tzinfo=dt.UTC)
    return parse_instant(text, field="as_of")


def start_of(text: str) -> dt.datetime | None:
    """Return the instant at which `--since` begins: midnight of a day in UTC, or the instant itself; None for no text."""
    if len(text) == len("2027-05-23"):
        return dt.datetime.combine(parse_date(text, field="since"), dt.time(), tzinfo=dt.UTC)
    return parse_instant(text, field="since") if text else None


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only this user may read: it may hold personal data."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(content)
    except OSError as error:
        raise CannotWrite(file=file, problem=error.strerror or type(error).__name__, place=Place(file=str(file))) from None


@APP.command()
def lots(
    security: SecurityArgument,
    *,
    member: AsOption,
    investor: Annotated[str, typer.Option(metavar="REFERENCE", help="Only the lots of this investor.")] = "",
    as_of: AsOfOption = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which shares came when, from whom and on which terms; now, also from which day on the chosen packs let them be resold."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            decimals = unit.securities.get(security_id).terms.decimals
            wanted = investor_of(unit, investor).investor_id if investor else None
            days: Mapping[LotId, dt.date] = {}
            if as_of:
                found = register.view_lots(actor, security_id, investor_id=wanted, at=end_of(as_of), unit=unit).lots
            else:
                page = compliance.view_lot_standing(actor, security_id, investor_id=wanted, unit=unit)
                found = [standing.lot for standing in page.lots]
                days = {
                    each.lot.lot_id: each.resale_from for each in page.lots if each.resale_from is not None and each.resale_from > page.on
                }
            sides = {side for lot in found for side in (lot.holder, lot.acquired_from)}
            known = unit.investors.many([InvestorId(side) for side in sides if isinstance(side, UUID)])
    references = {str(investor_id): each.external_reference for investor_id, each in known.items()}
    bodies = [register_http.lot_body(lot, decimals=decimals) for lot in found]
    if as_json:
        rows = [
            {
                "reference": references.get(str(body.investor_id)),
                **msgspec.to_builtins(body),
                "locked_until": days[lot.lot_id].isoformat() if lot.lot_id in days else None,
            }
            for lot, body in zip(found, bodies, strict=True)
        ]
        typer.echo(json.dumps(rows))
        return
    typer.echo(f"{counted(len(bodies), 'lot')}, {show_shares(sum(lot.quantity for lot in found), decimals=decimals)} shares")
    for lot, body in zip(found, bodies, strict=True):
        holder = references.get(str(body.investor_id), body.wallet or "?")
        giver = references.get(str(body.acquired_from_investor_id), body.acquired_from_wallet or "the issuer")
        marks = [word for word, is_so in (("restricted", body.is_restricted), ("control", body.is_control)) if is_so]
        terms = ", ".join([body.consideration.replace("_", " "), body.exemption or "exemption unknown", *marks])
        resale = f", resale from {days[lot.lot_id]}" if lot.lot_id in days else ""
        typer.echo(f"  {holder:<12} {body.quantity:>15}  held since {body.holding_since:%Y-%m-%d}, from {giver}, {terms}{resale}")


@APP.command()
def history(
    security: SecurityArgument,
    *,
    member: AsOption,
    since: Annotated[str, typer.Option(metavar="DATE", help="From this day on (UTC), or from an instant on.")] = "",
    until: Annotated[str, typer.Option(metavar="DATE", help="Until the end of this day (UTC), or before an instant.")] = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who acquired what from whom, oldest first, with what officers said: transaction and position are what `annotate` takes."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            decimals = unit.securities.get(security_id).terms.decimals
            found = register.view_acquisitions(actor, security_id, since=start_of(since), until=end_of(until), unit=unit).acquisitions
            sides = {side for each in found for side in (each.seller, each.buyer)}
            known = unit.investors.many([InvestorId(side) for side in sides if isinstance(side, UUID)])
    references = {str(investor_id): each.external_reference for investor_id, each in known.items()}
    bodies = [register_http.acquisition_body(each, decimals=decimals) for each in found]
    if as_json:
        rows = [
            {
                "seller": references.get(str(body.seller_investor_id)),
                "buyer": references.get(str(body.buyer_investor_id)),
                **msgspec.to_builtins(body),
            }
            for body in bodies
        ]
        typer.echo(json.dumps(rows))
        return
    for body in bodies:
        giver = references.get(str(body.seller_investor_id), body.seller_wallet or "the issuer")
        taker = references.get(str(body.buyer_investor_id), body.buyer_wallet or "nobody")
        said = ", ".join(f"{name} {fact}" for name, fact in body.said.items()) or "nothing said"
        typer.echo(
            f"{body.occurred_at:%Y-%m-%d %H:%M} {body.transaction_hash} {body.position}: {body.shares} from {giver} to {taker}, {said}"
        )


@APP.command()
def annotate(
    security: SecurityArgument,
    transaction: Annotated[str, typer.Argument(help="The hash of the transaction that moved the shares.")],
    position: Annotated[
        int | None, typer.Argument(min=0, help="Which of the security's movements in it, counted from 0; each where it is left out.")
    ] = None,
    *,
    member: AsOption,
    exemption: Annotated[str, typer.Option(help="The rule they were sold under, such as us.regd.506c.")] = "",
    consideration: Annotated[str, typer.Option(help=f"What they were given for: {', '.join(each.value for each in Consideration)}.")] = "",
    category: Annotated[str, typer.Option(help="Who the buyer is to that rule, such as accredited or non_accredited.")] = "",
    paid: Annotated[str, typer.Option(metavar="AMOUNT", help="What was paid for all shares of the movement.")] = "",
    price: Annotated[str, typer.Option(metavar="AMOUNT", help="What was paid for one share, instead of --paid.")] = "",
    currency: Annotated[str, typer.Option(help="The currency of --paid or --price.")] = "USD",
    acquired_at: Annotated[str, typer.Option(metavar="INSTANT", help="When they were acquired, if before they had a token.")] = "",
    holding_since: Annotated[str, typer.Option(metavar="INSTANT", help="Since when the holding period runs, where it is tacked.")] = "",
    restricted: Annotated[bool | None, typer.Option("--restricted/--unrestricted", help="Whether they are restricted securities.")] = None,
    control: Annotated[bool | None, typer.Option("--control/--no-control", help="Whether the receiver is an affiliate.")] = None,
    picking: Annotated[str, typer.Option(help=f"Which lots go first: {', '.join(each.value for each in PickingRule)}.")] = "",
    lot: Annotated[list[str] | None, typer.Option(metavar="LOT", help="A lot that goes before all others; as often as you like.")] = None,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the chain does not know about a movement; what was said before is gone, and the lots are made again."""
    body = register_http.AnnotationBody(
        exemption=exemption or None,
        consideration=consideration or None,
        buyer_category=category or None,
        paid=register_http.PaidBody(amount=paid, currency=currency) if paid else None,
        acquired_at=acquired_at or None,
        holding_since=holding_since or None,
        is_restricted=restricted,
        is_control=control,
        picking=picking or None,
        lots=lot or [],
    )
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            decimals = unit.securities.get(security_id).terms.decimals
            request = register.Annotate(
                security_id,
                TransactionHash(transaction.lower()),
                position,
                register_http.annotation_of(body),
                price=Price(parse_price(price), currency) if price else None,
            )
            opened = register.annotate(actor, request, unit=unit)
    rows = [register_http.lot_body(each, decimals=decimals) for each in opened]
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(row) for row in rows]))
        return
    typer.echo(f"noted; the movement opens {counted(len(rows), 'lot')}")
    for row in rows:
        typer.echo(f"  {row.quantity:>15}  held since {row.holding_since:%Y-%m-%d}, {row.exemption or 'exemption unknown'}")


@APP.command()
def holders(
    security: SecurityArgument,
    *,
    member: AsOption,
    as_of: AsOfOption = "",
    block: Annotated[int | None, typer.Option(min=0, help="A final block, instead of a day.")] = None,
    written: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = TABLE,
    output: Annotated[Path | None, typer.Option(help="A file to write, readable by you alone.")] = None,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the register of holders: who held how much after a block and since when; names for roles that may see them, logged."""
    wanted = register_http.parse_term("json" if as_json else written, FORMATS, field="format")
    if wanted == "parquet" and output is None:
        raise NeedsOutput
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            found = register.view_holders(actor, security_of(unit, security), at=end_of(as_of), block_number=block, unit=unit)
    if wanted == TABLE and output is None:
        _show(found)
        return
    content = register_http.holders_bytes(found, "csv" if wanted == TABLE else wanted)
    if output is None:
        typer.echo(content.decode().rstrip("\r\n"))
        return
    write_private(output, content)
    typer.echo(f"{counted(len(found.lines), 'holder')} at block {found.block_number:,} in {output}", err=True)


def _show(found: RegisterOfHolders) -> None:
    when = "now, not final" if found.occurred_at is None else f"{found.occurred_at:%Y-%m-%d %H:%M:%S} UTC"
    total = show_shares(found.total_shares, decimals=found.decimals)
    typer.echo(f"{counted(len(found.lines), 'holder')}, {total} shares after block {found.block_number:,} ({when})")
    table = Table(box=None, pad_edge=False)
    for heading, justify in (
        ("reference", "left"),
        ("name", "left"),
        ("country", "left"),
        ("shares", "right"),
        ("%", "right"),
        ("since", "left"),
    ):
        table.add_column(heading, justify="right" if justify == "right" else "left")
    for line in found.lines:
        since = "" if line.since is None else f"{line.since:%Y-%m-%d}"
        shares = format_shares(line.shares, decimals=found.decimals)
        table.add_row(line.reference or line.wallets[0], line.name or "–", line.country or "–", shares, line.percentage, since)
    Console(soft_wrap=True, markup=False, highlight=False).print(table)
