# SPDX-License-Identifier: Apache-2.0
"""`muniment organisation`: what the operator of an installation does for issuers: found them, list them, give them test money."""

from __future__ import annotations

import json
from typing import Annotated
from uuid import uuid4

import typer

from muniment.access import commands as access
from muniment.app.books import open_units, wait_for
from muniment.app.cli import JsonOption
from muniment.app.platform import give_test_money
from muniment.app.reconciliation import tenants
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.infra.evm.sender import ChainTransaction
from muniment.settlement import commands as settlement
from muniment.units.ids import TenantId, new_id
from muniment.units.money import Money

APP = typer.Typer(no_args_is_help=True)


@APP.callback()
def organisation() -> None:
    """Found organisations and list them."""


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
    password = password_from(password_file, confirm=True)
    with open_units(components=("database", "chain")) as units:
        tenant_id = TenantId(new_id(units.backend.clock.now()))
        request = access.FoundOrganisation(name, country, owner, owner_name, password)
        if one_person:
            request = access.FoundOrganisation(name, country, owner, owner_name, password, four_eyes=frozenset())
        with units.begin(tenant_id) as unit:
            access.found_organisation(request, unit=unit)
    typer.echo(json.dumps({"tenant_id": str(tenant_id)}) if as_json else f"{name} founded: organisation {tenant_id}")


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

        transaction = wait_for("the test money", mined)
        with units.begin(actor.tenant_id) as unit:
            settlement.accept_payment_token(actor, gift.payment_token, currency=currency, unit=unit)
    body = {"amount": money.as_json(), "payment_token": gift.payment_token, "receiver": gift.receiver, "transaction": transaction.hash}
    typer.echo(json.dumps(body) if as_json else f"{money} for {gift.receiver} in block {transaction.block_number}")
