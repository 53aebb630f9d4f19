# SPDX-License-Identifier: Apache-2.0
"""`muniment identifiers`: check digits and forms of public identifiers, without a database and without asking any register."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from muniment.app.cli import EXIT_REFUSED, JsonOption
from muniment.instruments.model.identifiers import check_identifier, kind_from

APP = typer.Typer(no_args_is_help=True, add_completion=False)


@APP.callback()
def identifiers() -> None:
    """Check public identifiers of securities, entities and vehicles."""


@APP.command()
def check(
    kind: Annotated[str, typer.Argument(help="ISIN, CUSIP, SEDOL, FIGI, LEI, CFI, FISN, DTI or VIN.")],
    values: Annotated[list[str], typer.Argument(metavar="VALUE...", help="What to check.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Check each value's form and check digit; exit 2 when one of them is wrong."""
    known = kind_from(kind)
    found = [check_identifier(known, value) for value in values]
    if as_json:
        typer.echo(json.dumps([each.as_json() for each in found]))
    else:
        for each in found:
            verdict = "valid  " if each.valid else "INVALID"
            typer.secho(f"{verdict}  {each.kind}  {each.value}  {' '.join(each.warnings)}".rstrip(), fg=None if each.valid else "red")
    if not all(each.valid for each in found):
        raise typer.Exit(EXIT_REFUSED)
