# SPDX-License-Identifier: Apache-2.0
"""`muniment liens`: the title of a unique asset as the chain tells it, and liens filed and released upon it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from muniment.access.model import Actor
from muniment.app.books import open_units, wait_for
from muniment.app.cli import JsonOption
from muniment.app.documents_command import AssetArgument
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.app.tokenise_command import json_of
from muniment.app.wiring import Units
from muniment.instruments import commands as instruments
from muniment.instruments.http import asset_id_from, title_body
from muniment.instruments.model.titles import TitleHistory
from muniment.units.ids import AssetId

APP = typer.Typer(no_args_is_help=True, add_completion=False)


@APP.callback()
def liens() -> None:
    """Show an asset's title, file and release liens upon it."""


@APP.command()
def show(
    asset_id: AssetArgument,
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who holds the deed, which liens are open, and everything that happened to the title."""
    wanted = asset_id_from(asset_id)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        history = _history(units, actor, wanted)
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(title_body(history))))
        return
    typer.echo(f"deed in {history.owner or 'no wallet'}, {len(history.open_liens)} liens open")
    for event in history.events:
        who = event.lien_id or f"{event.giver or 'nobody'} to {event.receiver or 'nobody'}"
        typer.echo(f"  {event.occurred_at.isoformat()}  block {event.block_number}  {event.act}  {who}")


@APP.command()
def file(
    asset_id: AssetArgument,
    lien: Annotated[Path, typer.Argument(help="JSON file: reference, holder (an institution), registered_date, amount.")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """File a lien: while it is open, the deed cannot be transferred by its holder."""
    described, wanted = json_of(lien), asset_id_from(asset_id)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            asset = instruments.find_asset(actor, wanted, unit=unit)
            lien_id = instruments.file_lien(actor, asset.asset_record_id, described, unit=unit)
        wait_for("the lien to be placed", lambda: lien_id in _history(units, actor, wanted).open_liens)
    typer.echo(json.dumps({"asset_id": wanted, "lien_id": lien_id, "state": "open"}) if as_json else f"lien {lien_id} holds the deed")


@APP.command()
def release(
    asset_id: AssetArgument,
    lien_id: Annotated[str, typer.Argument(help="The lien's id, as `muniment liens show` tells it.")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release a lien; with the last one the deed can be transferred again."""
    wanted, lien = asset_id_from(asset_id), instruments.parse_hash(lien_id)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            asset = instruments.find_asset(actor, wanted, unit=unit)
            instruments.release_lien(actor, asset.asset_record_id, lien, unit=unit)
        wait_for("the lien to be released", lambda: lien not in _history(units, actor, wanted).open_liens)
    typer.echo(json.dumps({"asset_id": wanted, "lien_id": lien, "state": "released"}) if as_json else f"lien {lien} is released")


def _history(units: Units, actor: Actor, asset_id: AssetId) -> TitleHistory:
    with units.begin(actor.tenant_id) as unit:
        asset = instruments.find_asset(actor, asset_id, unit=unit)
        return instruments.view_title(actor, asset.asset_record_id, unit=unit)
