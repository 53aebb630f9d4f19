# SPDX-License-Identifier: Apache-2.0
"""`muniment documents`: papers that come after an asset was recorded, such as a new appraisal, anchored under its id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from muniment.app.books import open_units, wait_for
from muniment.app.cli import JsonOption
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.app.tokenise_command import upload_of
from muniment.instruments import commands as instruments
from muniment.instruments.http import asset_id_from

APP = typer.Typer(no_args_is_help=True, add_completion=False)

AssetArgument = Annotated[str, typer.Argument(help="The asset's id: 0x and 64 hexadecimal digits.")]


@APP.callback()
def documents() -> None:
    """Add documents to an asset, have them anchored, list them."""


@APP.command()
def add(
    asset_id: AssetArgument,
    file: Annotated[Path, typer.Argument(help="The document, of at most 10 MB.")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a document beside an asset's record and anchor its digest on the chain; the asset's id stays what it is."""
    upload, wanted = upload_of(file), asset_id_from(asset_id)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            asset = instruments.find_asset(actor, wanted, unit=unit)
            document = instruments.store_document(actor, asset.asset_record_id, upload, unit=unit)

        def anchored() -> bool:
            with units.begin(actor.tenant_id) as unit:
                return document.document_id in instruments.view_anchors(actor, asset.asset_record_id, unit=unit)

        wait_for("the document's anchor", anchored)
        with units.begin(actor.tenant_id) as unit:
            at = instruments.view_anchors(actor, asset.asset_record_id, unit=unit)[document.document_id]
    body = {"document_id": str(document.document_id), "asset_id": wanted, **document.print.as_json(), "anchored_at": at.isoformat()}
    typer.echo(json.dumps(body) if as_json else f"{file.name}: {document.print.keccak256}, anchored at {at.isoformat()}")


@APP.command(name="list")
def list_documents(
    asset_id: AssetArgument,
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List an asset's documents and since when the chain knows each of them."""
    wanted = asset_id_from(asset_id)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            asset = instruments.find_asset(actor, wanted, unit=unit)
            held = instruments.view_documents(actor, asset.asset_record_id, unit=unit)
            anchors = instruments.view_anchors(actor, asset.asset_record_id, unit=unit)
    rows = [
        {
            "document_id": str(each.document_id),
            **each.print.as_json(),
            "in_record": each.in_record,
            "anchored_at": anchors[each.document_id].isoformat() if each.document_id in anchors else None,
        }
        for each in held
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['name']}  {row['keccak256']}  {row['anchored_at'] or 'not anchored yet'}")
