# SPDX-License-Identifier: Apache-2.0
"""`muniment reconcile`: every organisation's books against the chain; exit 1 when they differ."""

from __future__ import annotations

import json

import typer

from muniment.app.books import open_units
from muniment.app.cli import JsonOption
from muniment.app.reconciliation import reconcile, tenants
from muniment.app.shares_command import counted

APP = typer.Typer(add_completion=False)


@APP.command()
def run(*, as_json: JsonOption = False) -> None:
    """Compare the books with the chain; exit 1 when they differ. Changes nothing."""
    with open_units() as units:
        found = reconcile(units)
        organisations = len(tenants(units))
    if as_json:
        typer.echo(json.dumps({"organisations": organisations, "differences": [difference.as_json() for difference in found]}))
    elif not found:
        typer.echo(f"{counted(organisations, 'organisation')}: the books agree with the chain")
    else:
        for each in found:
            body = each.as_json()
            facts = ", ".join(f"{name} {fact}" for name, fact in body["facts"].items())
            whose = f"organisation {body['tenant_id']}" if body["tenant_id"] else "the platform"
            typer.secho(f"{body['invariant']} {body['code']}: {body['message']} ({facts}; {whose})", fg="red")
        typer.echo(f"{counted(len(found), 'difference')} in {counted(organisations, 'organisation')}")
    if found:
        raise typer.Exit(1)
