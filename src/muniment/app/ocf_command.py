# SPDX-License-Identifier: Apache-2.0
"""`muniment ocf`: Open Cap Table packages (OCF 1.2.0) checked, replayed and written. Only the export needs the books."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from muniment.app.cli import EXIT_REFUSED, JsonOption
from muniment.app.member_options import AsOption, OrganisationOption, PasswordFileOption
from muniment.app.ocf_folder import files_of_package, write_folder
from muniment.instruments.model.cap_table import replay
from muniment.instruments.model.ocf import Defect, read_package
from muniment.instruments.model.ocf_check import check_package, last_day
from muniment.units.instants import parse_date
from muniment.units.shares import format_shares

APP = typer.Typer(no_args_is_help=True, add_completion=False)

DECIMALS = 10
"""As many as OCF's numbers may have; what splits make beyond them is shown as a fraction."""

PackageArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder or zip of an Open Cap Table package (OCF 1.2.0).")]


@APP.callback()
def ocf() -> None:
    """Check, replay and export cap tables in the Open Cap Table Format."""


@APP.command()
def check(package: PackageArgument, *, as_json: JsonOption = False) -> None:
    """Say everything that is wrong with a package, with file, object and field; exit 2 when anything is.

    Objects are the items of all files of the package; the issuer, who stands in the manifest, is not counted. What is only worth a
    look, such as a wrong MD5 digest in the manifest, is told apart and fails nothing.
    """
    checked = check_package(files_of_package(package))
    if as_json:
        body = {
            "objects": checked.objects,
            "problems": [_as_json(problem) for problem in checked.problems],
            "hints": [_as_json(hint) for hint in checked.hints],
        }
        typer.echo(json.dumps(body))
    else:
        for problem in checked.problems:
            typer.secho(f"{problem.place}: {problem.problem}", fg="red")
        for hint in checked.hints:
            typer.secho(f"{hint.place}: {hint.problem}", fg="yellow")
        typer.echo(f"{checked.objects} objects, {len(checked.problems)} problems")
    if checked.problems:
        raise typer.Exit(EXIT_REFUSED)


@APP.command()
def positions(
    package: PackageArgument,
    *,
    as_of: Annotated[str, typer.Option(help="The day, at whose end; the last one of the package where it is left out.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Say who holds how much of which class, by replaying the package's stock transactions.

    What contradicts itself is left out of the replay; `muniment ocf check` tells it.
    """
    day = parse_date(as_of, field="as_of") if as_of else None
    read = read_package(files_of_package(package))
    held = sorted(replay(read, as_of=day or last_day(read)).positions, key=lambda each: (each.stakeholder_id, each.stock_class_id))
    rows = [
        {"stakeholder_id": each.stakeholder_id, "stock_class_id": each.stock_class_id, "quantity": _text_of(each.shares)} for each in held
    ]
    lost = [defect for defect in read.defects if defect.severity == "refused"]
    if lost:
        typer.secho(f"{len(lost)} objects or files could not be read; muniment ocf check tells which", fg="yellow", err=True)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['stakeholder_id']}  {row['stock_class_id']}  {row['quantity']}")


@APP.command()
def export(
    security: Annotated[str, typer.Argument(help="The security's symbol or id.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write; made where it is missing.")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a company's package (OCF 1.2.0) with what the register shows of the security: issues and transfers on the chain.

    The files hold the holders' names, so only you may read them; they replace those of an earlier export in the folder.
    """
    # The books are not needed to check a package, and loading them takes longer than checking one.
    from muniment.app.books import open_units
    from muniment.app.shares_command import security_of
    from muniment.app.signed_in import actor_of, password_from
    from muniment.register import commands as register

    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            files = register.export_ocf(actor, security_of(unit, security), unit=unit)
    write_folder(folder, files)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "files": sorted(files)}))
    else:
        typer.echo(f"{len(files)} files written to {folder}")


def _as_json(defect: Defect) -> dict[str, str | None]:
    return {"file": defect.file, "id": defect.object_id, "field": defect.field, "message": defect.problem}


def _text_of(shares: Fraction) -> str:
    """Return a number of shares exactly: in decimals where it has at most ten, else as a fraction."""
    scaled = shares * 10**DECIMALS
    return format_shares(int(scaled), decimals=DECIMALS) if scaled.denominator == 1 else str(shares)
