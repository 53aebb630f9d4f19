# SPDX-License-Identifier: Apache-2.0
"""`muniment dividend`: declare a cash dividend on the command line and watch it being paid."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from muniment.access.model import Pending
from muniment.app.books import open_units, wait_for
from muniment.app.cli import JsonOption
from muniment.app.shares_command import SecurityArgument, counted, security_of, tell_pending
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.servicing import commands as servicing
from muniment.servicing.model import PaidDividend, PerShare
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import new_id
from muniment.units.instants import parse_instant
from muniment.units.money import NotAnAmount, Price

APP = typer.Typer(no_args_is_help=True, add_completion=False)

AT_ONCE = dt.timedelta(seconds=2)
"""How far ahead "now" is: a record date has to lie in the future when it is announced."""


class NoPaymentToken(MunimentError):
    """The organisation accepts no payment token of that currency."""

    code = "app.no_payment_token"
    message = "This organisation pays in no token of {currency}."
    cure = "On a local chain: muniment organisation test-money; else accept a payment token first."


@APP.callback()
def dividend() -> None:
    """Declare and pay dividends."""


@APP.command()
def declare(
    security: SecurityArgument,
    *,
    per_share: Annotated[str, typer.Option(help="Money for one share, such as 0.25.")],
    member: AsOption,
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    record_at: Annotated[str, typer.Option(help="The record date as an instant (RFC 3339); at once where it is left out.")] = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Declare a cash dividend; with a record date at once, wait until every holder is paid."""
    try:
        price = Price(Decimal(per_share), currency)
    except InvalidOperation:
        raise NotAnAmount(text=per_share, place=Place(field="per_share")) from None
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            tokens = [token for token in unit.payment_tokens.all() if token.currency == currency]
            if not tokens:
                raise NoPaymentToken(currency=currency, place=Place(field="currency"))
            now = unit.clock.now()
            date = parse_instant(record_at, field="record_at") if record_at else now + AT_ONCE
            request = servicing.DeclareDividend(new_id(now), security_of(unit, security), PerShare(price), date, date, tokens[0].address)
            declared = servicing.declare_dividend(actor, request, unit=unit)
        if isinstance(declared, Pending):
            tell_pending(declared, as_json=as_json)
            return
        if record_at:
            _tell_announced(declared, as_json=as_json)
            return

        def paid() -> PaidDividend | None:
            with units.begin(actor.tenant_id) as unit:
                found = unit.dividends.get(declared.dividend_id)
            return found if isinstance(found, PaidDividend) else None

        outcome = wait_for("every holder to be paid", paid)
    entitled = outcome.entitled
    body = {
        "dividend_id": str(declared.dividend_id),
        "pot": entitled.pot.as_json(),
        "paid": outcome.paid.as_json(),
        "held": outcome.held.as_json(),
        "residue": entitled.residue.as_json(),
        "holders": len(entitled.entitlements),
        "record_block": entitled.block_number,
    }
    if as_json:
        typer.echo(json.dumps(body))
        return
    holders = counted(len(entitled.entitlements), "holder")
    typer.echo(
        f"{outcome.paid} paid to {holders} as of block {entitled.block_number}; held back {outcome.held}; residue {entitled.residue}"
    )
    typer.echo(f"prove it: muniment verify distribution {declared.dividend_id}")


def _tell_announced(declared: servicing.DeclaredDividend, *, as_json: bool) -> None:
    body = {"dividend_id": str(declared.dividend_id), "state": "declared", "record_at": f"{declared.record_at:%Y-%m-%dT%H:%M:%SZ}"}
    line = f"dividend {declared.dividend_id} declared; it pays itself after {declared.record_at:%Y-%m-%d %H:%M} UTC while Muniment runs"
    typer.echo(json.dumps(body) if as_json else line)
