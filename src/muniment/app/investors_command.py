# SPDX-License-Identifier: Apache-2.0
"""`muniment investors`: onboarding from a file and verification, by a member of the organisation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from muniment.access.model import Actor
from muniment.app.books import open_units, wait_for
from muniment.app.cli import JsonOption
from muniment.app.shares_command import investor_of
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.app.tokenise_command import CannotRead
from muniment.app.wiring import Units
from muniment.compliance.ports import RegistrationState
from muniment.parties import commands as parties
from muniment.units.errors import Place

APP = typer.Typer(no_args_is_help=True, add_completion=False)


@APP.callback()
def investors() -> None:
    """Onboard and verify investors, and erase what identifies one."""


@APP.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV with at least external_reference, name, email and country.")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    verify: Annotated[bool, typer.Option("--verify", help="Have the identity provider check each of them at once.")] = False,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Onboard every valid row and say of each other one what is wrong and where; exit 1 when a row was refused."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        try:
            with file.open("rb") as source, units.begin(actor.tenant_id) as unit:
                report = parties.onboard_csv(actor, source, file_name=file.name, unit=unit)
        except OSError as error:
            raise CannotRead(file=file, problem=error.strerror or type(error).__name__, place=Place(file=str(file))) from None
        statuses: dict[str, int] = {}
        if verify:
            for row in track(report.accepted, "verifying", console=Console(stderr=True), disable=as_json):
                with units.begin(actor.tenant_id) as unit:
                    investor, _ = parties.verify_investor(actor, row.investor_id, unit=unit)
                statuses[investor.status] = statuses.get(investor.status, 0) + 1
            _wait_for_registry(units, actor)
    if as_json:
        typer.echo(json.dumps({**report.as_json(), "verification": statuses}))
    else:
        typer.echo(f"{len(report.accepted)} accepted, {len(report.unchanged)} unchanged, {len(report.refused)} refused")
        for refused in report.refused:
            for reason in refused.reasons:
                typer.secho(f"  {reason.place}: {reason.code}: {reason.sentence}", fg="red")
        for status, count in sorted(statuses.items()):
            typer.echo(f"  {count} {status}")
    if report.refused:
        raise typer.Exit(1)


@APP.command()
def erase(
    reference: Annotated[str, typer.Argument(metavar="INVESTOR", help="External reference of the investor.")],
    *,
    member: AsOption,
    confirmed: Annotated[bool, typer.Option("--yes", help="Do not ask; there is no way back.")] = False,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Destroy the key of an investor's personal data; wallets, holdings and payments stay, the person can no longer be read."""
    password = password_from(password_file)
    if not confirmed:
        typer.confirm(f"Erase everything that identifies {reference}, for good?", abort=True, err=True)
    with open_units(components=("database", "chain")) as units:
        actor = actor_of(units, email=member, password=password, organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            erased = parties.erase_investor(actor, investor_of(unit, reference).investor_id, unit=unit)
    body = {"external_reference": reference, "investor_id": str(erased.investor_id), "erased": erased.is_erased}
    typer.echo(json.dumps(body) if as_json else f"{reference}: the key of the personal data is destroyed")


def _wait_for_registry(units: Units, actor: Actor) -> None:
    """Wait until the verified wallets are on the chain, where the organisation has an identity registry yet."""

    def registered() -> bool:
        with units.begin(actor.tenant_id) as unit:
            suite = unit.suites.suite()
            is_there = suite is not None and suite.state == "deployed"
            return not is_there or not (unit.identities.count(RegistrationState.WANTED) or unit.identities.count(RegistrationState.SENT))

    # The events of the verifications are handled first; they want the wallets in the registry.
    wait_for("the verdicts to be taken up", lambda: units.is_quiet(actor.tenant_id))
    wait_for("the identity registry on the chain", registered)
