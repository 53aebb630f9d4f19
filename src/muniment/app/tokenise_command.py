# SPDX-License-Identifier: Apache-2.0
"""`muniment tokenise`: an asset from its files to the chain, by a member of the organisation."""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path
from typing import Annotated, Any

import typer

from muniment.app.books import open_units, wait_for
from muniment.app.cli import JsonOption
from muniment.app.ocf_folder import files_of_package
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.compliance import commands as compliance
from muniment.instruments import commands as instruments
from muniment.instruments.errors import DocumentTooLarge
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
    described, personal = json_of(record), json_of(owner)
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


@APP.command()
def asset(
    record: Annotated[Path, typer.Argument(help="JSON file: kind and what else the record says of the asset.")],
    *,
    document: Annotated[list[Path] | None, typer.Option(help="A document that belongs to the record; as many as you like.")] = None,
    personal: Annotated[Path | None, typer.Option(help="JSON file with what identifies a person; it is only committed to.")] = None,
    title_owner: Annotated[str, typer.Option("--wallet", help="The owner's wallet, which gets the deed of a unique asset.")] = "",
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tokenise an asset of any kind: its id goes to the chain with its documents' digests, and a unique asset's deed to its owner.

    Kinds: artwork, commodity, debt, equity, fund_unit, other, real_estate, revenue_share, vehicle.
    """
    described = json_of(record)
    known = {} if personal is None else json_of(personal)
    uploads = tuple(upload_of(path) for path in document or [])
    wallet = parse_address(title_owner) if title_owner else None
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            request = instruments.TokeniseAsset(described, known, wallet, uploads)
            found = instruments.tokenise_asset(actor, request, unit=unit)

        def done() -> bool:
            with units.begin(actor.tenant_id) as unit:
                verification = instruments.view_verification(actor, found.asset_id, unit=unit)
                title = unit.suites.title(found.asset_record_id)
                minted = not found.mints_title or (title is not None and title.state == "minted")
                return verification.holds and verification.documents_anchored == len(uploads) and minted

        wait_for("the asset to be on the chain", done)
    body = {
        "asset_id": found.asset_id,
        "title": found.title,
        "documents": [instruments.print_of(each.name, each.media_type, each.content).as_json() for each in uploads],
        "owner": wallet if found.mints_title else None,
        "warnings": list(found.warnings),
    }
    if as_json:
        typer.echo(json.dumps(body))
        return
    typer.echo(f"{found.title}: asset {found.asset_id}")
    for warning in found.warnings:
        typer.secho(f"  {warning}", fg="yellow")


def upload_of(file: Path) -> instruments.DocumentUpload:
    """Return a document's bytes under its file's name, its media type guessed from the ending; refuse one that is too large."""
    if file.is_file() and file.stat().st_size > instruments.DOCUMENT_BYTES_MAX:
        raise DocumentTooLarge(
            name=file.name, size_bytes=file.stat().st_size, bytes_max=instruments.DOCUMENT_BYTES_MAX, place=Place(file=str(file))
        )
    return instruments.DocumentUpload(file.name, mimetypes.guess_type(file.name)[0] or "application/octet-stream", _bytes(file))


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CannotRead(file=file, problem=error.strerror or type(error).__name__, place=Place(file=str(file))) from None


def json_of(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file; refuse anything else."""
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
