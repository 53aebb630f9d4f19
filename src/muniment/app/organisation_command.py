# SPDX-License-Identifier: Apache-2.0
"""`muniment organisation`: what the operator of an installation does for issuers: found them, list them, give them test money."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from muniment.access import commands as access
from muniment.access.model import Role, parse_role
from muniment.app.books import open_units, wait_for
from muniment.app.cli import JsonOption
from muniment.app.platform import give_test_money
from muniment.app.reconciliation import tenants
from muniment.app.signed_in import COMMAND_LINE, AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.infra.configuration import read_secret_file
from muniment.infra.evm.sender import ChainTransaction
from muniment.parties.model import parse_country
from muniment.settlement import commands as settlement
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import TenantId, new_id
from muniment.units.money import Money

APP = typer.Typer(no_args_is_help=True, add_completion=False)


class CannotWriteInvitation(MunimentError):
    """The file for an invitation is there already, or cannot be made."""

    code = "app.cannot_write_invitation"
    message = "The invitation cannot be written to {file}: {problem}."
    cure = "Name a file that does not exist, in a folder that you may write to."


@APP.callback()
def organisation() -> None:
    """Found organisations, invite members, give test money."""


@APP.command()
def found(
    name: Annotated[str, typer.Argument(help="The organisation's name.")],
    country: Annotated[str, typer.Option(help="Where it is established: ISO 3166-1 alpha-2, such as US.")],
    owner: Annotated[str, typer.Option(help="E-mail address of its first owner.")],
    owner_name: Annotated[str, typer.Option(help="The owner's name.")],
    *,
    password_file: PasswordFileOption = None,
    one_person: Annotated[bool, typer.Option("--one-person", help="Nobody else is there to approve: leave four eyes off.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Found an organisation with its first owner; the password is asked for."""
    established_in = parse_country(country, field="country")
    password = password_from(password_file, confirm=True)
    with open_units(components=("database", "chain")) as units:
        tenant_id = TenantId(new_id(units.backend.clock.now()))
        request = access.FoundOrganisation(name, established_in, owner, owner_name, password)
        if one_person:
            request = access.FoundOrganisation(name, established_in, owner, owner_name, password, four_eyes=frozenset())
        with units.begin(tenant_id) as unit:
            access.found_organisation(request, unit=unit)
    if as_json:
        typer.echo(json.dumps({"tenant_id": str(tenant_id), "name": name, "four_eyes": not one_person}))
        return
    typer.echo(f"{name} founded: organisation {tenant_id}")
    if not one_person:
        typer.echo("issues, recoveries and dividends need a second person: muniment organisation invite")


@APP.command("list")
def list_organisations(*, as_json: JsonOption = False) -> None:
    """List the organisations of this installation."""
    with open_units(components=("database", "chain")) as units:
        rows = []
        for tenant_id in tenants(units):
            with units.begin(tenant_id) as unit:
                rows.append({"tenant_id": str(tenant_id), "name": unit.organisations.get(tenant_id).name})
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['tenant_id']}  {row['name']}")


@APP.command()
def invite(
    email: Annotated[str, typer.Argument(help="E-mail address of the person.")],
    *,
    name: Annotated[str, typer.Option(help="The person's name.")],
    roles: Annotated[list[str], typer.Option("--role", help=f"One of {', '.join(role.value for role in Role)}; repeat it for more.")],
    out: Annotated[Path, typer.Option("--out", help="File for the invitation, made with mode 600; hand it to the person.")],
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Invite somebody; the invitation is good for seven days and is written to a file, since it is as good as a password."""
    asked = access.InviteMember(email, name, frozenset(parse_role(role, field="role") for role in roles))
    with open_units(components=("database", "chain")) as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            # Inside the transaction: an invitation that cannot be handed over is none.
            _write_private(out, access.invite_member(actor, asked, unit=unit) + "\n")
    typer.echo(json.dumps({"email": email, "roles": roles, "invitation": str(out)}) if as_json else f"{email} invited: {out}")


@APP.command()
def join(
    invitation: Annotated[Path, typer.Argument(help="The file that `muniment organisation invite` wrote.")],
    *,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept an invitation: who is new sets a password, who has one proves it."""
    token = read_secret_file(invitation)
    password = password_from(password_file, confirm=True)
    with open_units(components=("database", "chain")) as units:
        with units.begin(access.invitation_tenant(token)) as unit:
            joined = access.accept_invitation(access.AcceptInvitation(token, password, COMMAND_LINE), unit=unit)
            name = unit.organisations.get(unit.tenant_id).name
        if isinstance(joined, access.SignInRefused):
            raise joined.refusal
    roles = sorted(role.value for role in joined.roles)
    body = {"tenant_id": str(joined.tenant_id), "organisation": name, "roles": roles}
    typer.echo(json.dumps(body) if as_json else f"{joined.display_name} joined {name} as {', '.join(roles)}")


@APP.command("test-money")
def give_money(
    amount: Annotated[str, typer.Argument(help="How much, such as 10000.00.")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code that the test token stands for.")] = "USD",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an organisation's account test money, and accept the test token as its payment token; on a local chain only."""
    money = Money.parse(amount, currency)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        gift = give_test_money(units, actor.tenant_id, money, purpose=str(uuid4()))

        def mined() -> ChainTransaction | None:
            with units.begin_platform() as platform:
                transaction = platform.transactions.get(gift.transaction.id)
            return transaction if transaction.is_closed else None

        transaction = wait_for("the test money on the chain", mined)
        with units.begin(actor.tenant_id) as unit:
            settlement.accept_payment_token(actor, gift.payment_token, currency=currency, unit=unit)
    body = {"amount": money.as_json(), "payment_token": gift.payment_token, "receiver": gift.receiver, "transaction": transaction.hash}
    typer.echo(json.dumps(body) if as_json else f"{money} for {gift.receiver} in block {transaction.block_number}")


def _write_private(file: Path, text: str) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CannotWriteInvitation(file=file, problem=error.strerror or type(error).__name__, place=Place(file=str(file))) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
