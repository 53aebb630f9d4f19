# SPDX-License-Identifier: Apache-2.0
"""`muniment tokenise`: an asset from its files to the chain, by a member of the organisation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from muniment.app.books import open_units, wait_for
from muniment.app.cli import JsonOption
from muniment.app.ocf_folder import files_of_package
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.compliance import commands as compliance
from muniment.instruments import commands as instruments
from muniment.instruments.model.securities import OpenSecurity
from muniment.parties.model import parse_address
from muniment.units.errors import MunimentError, Place

APP = typer.Typer(no_args_is_help=True, add_completion=False)

FILE_BYTES_MAX = 1_000_000


class CannotRead(MunimentError):
    """A file is missing or is not JSON."""

    code = "app.cannot_read_file"
    message = "{file} cannot be read: {problem}."
    cure = "Name a JSON file of at most 1 MB."


@APP.callback()
def tokenise() -> None:
    """Bring an asset to the chain."""


@APP.command()
def company(
    package: Annotated[Path, typer.Argument(help="Folder or zip of an Open Cap Table package (OCF 1.2.0).")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tokenise a company: one security per stock class, deployed and opened without rules; set rules before you issue."""
    files = files_of_package(package)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            found = instruments.tokenise_company(actor, instruments.TokeniseCompany(files), unit=unit)
            for security_id in found.securities.values():
                compliance.set_rules(actor, compliance.SetRules(security_id, ()), unit=unit)
                instruments.deploy_security(actor, security_id, unit=unit)
                compliance.open_security(actor, security_id, unit=unit)

        def opened() -> bool:
            with units.begin(actor.tenant_id) as unit:
                return all(isinstance(unit.securities.get(security_id), OpenSecurity) for security_id in found.securities.values())

        wait_for("the securities to be open on the chain", opened)
        with units.begin(actor.tenant_id) as unit:
            securities = [unit.securities.get(security_id) for security_id in found.securities.values()]
    body: dict[str, Any] = {
        "asset_id": found.asset_id,
        "securities": [
            {
                "security_id": str(security.terms.security_id),
                "symbol": security.terms.symbol,
                "name": security.terms.name,
                "token_address": getattr(security, "token_address", None),
            }
            for security in securities
        ],
        "defects": [defect.as_json() for defect in found.defects],
    }
    if as_json:
        typer.echo(json.dumps(body))
        return
    typer.echo(f"{found.title}: asset {found.asset_id}")
    for row in body["securities"]:
        typer.echo(f"  {row['symbol']}  {row['name']}, open at {row['token_address']}")
    for defect in body["defects"]:
        typer.secho(f"  {json.dumps(defect)}", fg="yellow")


@APP.command()
def vehicle(
    record: Annotated[Path, typer.Argument(help="JSON file: vin, make, model and what else the record says.")],
    owner: Annotated[Path, typer.Argument(help="JSON file with what identifies the owner; it reaches the chain only as commitments.")],
    *,
    title_owner: Annotated[str, typer.Option("--wallet", help="The owner's wallet, which gets the deed.")],
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tokenise a vehicle and mint its deed to the owner's wallet."""
    described, personal = _json(record), _json(owner)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            wallet = parse_address(title_owner)
            found = instruments.tokenise_vehicle(actor, instruments.TokeniseVehicle(described, personal, wallet), unit=unit)

        def minted() -> bool:
            with units.begin(actor.tenant_id) as unit:
                title = unit.suites.title(found.asset_record_id)
                return title is not None and title.state == "minted"

        wait_for("the deed to be minted", minted)
    body = {"asset_id": found.asset_id, "title": found.title, "owner": wallet, "warnings": list(found.warnings)}
    typer.echo(json.dumps(body) if as_json else f"{found.title}: asset {found.asset_id}, deed in {wallet}")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CannotRead(file=file, problem=error.strerror or type(error).__name__, place=Place(file=str(file))) from None


def _json(file: Path) -> dict[str, Any]:
    content = _bytes(file)
    try:
        if len(content) > FILE_BYTES_MAX:
            raise CannotRead(file=file, problem=f"{len(content)} bytes", place=Place(file=str(file)))
        body = json.loads(content)
    except ValueError:
        raise CannotRead(file=file, problem="it is not JSON", place=Place(file=str(file))) from None
    if not isinstance(body, dict):
        raise CannotRead(file=file, problem="it is no JSON object", place=Place(file=str(file)))
    return body
