# SPDX-License-Identifier: Apache-2.0
"""`muniment compliance`: asks the law about a case in a file. Needs no database and signs nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from muniment.app.cli import EXIT_REFUSED, JsonOption
from muniment.app.files import read_file
from muniment.compliance.errors import CaseInvalid
from muniment.compliance.model.law.case_file import case_schema, read_case
from muniment.compliance.model.law.engine import judge
from muniment.compliance.model.law.what_if import WhatIf, what_if
from muniment.infra.clock import SystemClock
from muniment.units.errors import Place
from muniment.units.instants import parse_date

APP = typer.Typer(no_args_is_help=True, add_completion=False)

CASE_BYTES_MAX = 512 * 1024 * 1024

CaseArgument = Annotated[
    Path, typer.Argument(help="The case as JSON (docs/reference/compliance-check.schema.json); - reads it from input.")
]


@APP.callback()
def compliance() -> None:
    """Ask the law about a sale, a transfer, a payment or a whole register."""


@APP.command()
def check(file: CaseArgument, *, as_json: JsonOption = False) -> None:
    """Say whether the law allows what a case proposes, or every reason why not; exit 2 when it is refused."""
    case, proposal = read_case(read_file(file, bytes_max=CASE_BYTES_MAX))
    if proposal is None:
        raise CaseInvalid(problem="it proposes nothing", place=Place(field="proposed"))
    body = judge(case, proposal).as_json()
    if as_json:
        typer.echo(json.dumps(body, ensure_ascii=False))
    else:
        tell_judgement(body)
    if not body["allowed"]:
        raise typer.Exit(EXIT_REFUSED)


@APP.command("what-if")
def ask_what_if(
    file: CaseArgument,
    *,
    on: Annotated[str, typer.Option(help="The day on which the case's rules would start; its own proposal's day, else today.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Say which holders would break the case's rules if they started on a day; exit 1 when somebody would."""
    case, proposal = read_case(read_file(file, bytes_max=CASE_BYTES_MAX))
    day = parse_date(on, field="on") if on else SystemClock().now().date() if proposal is None else proposal.on
    outcome = what_if(case, on=day)
    if as_json:
        typer.echo(json.dumps(outcome.as_json(), ensure_ascii=False))
    else:
        tell_what_if(outcome)
    if outcome.breaking or outcome.register_reasons:
        raise typer.Exit(1)


@APP.command()
def schema() -> None:
    """Print the JSON Schema of a case."""
    typer.echo(json.dumps(case_schema(), indent=1, sort_keys=True))


def tell_judgement(body: Mapping[str, Any]) -> None:
    """Print an answer of the law, or of law and chain together, with every reason and its cure."""
    typer.secho("allowed" if body["allowed"] else "refused", fg="green" if body["allowed"] else "red", bold=True)
    for reason in body["reasons"]:
        where = f" ({', '.join(part for part in (reason['rule'], reason['citation']) if part)})" if reason["rule"] else ""
        cure = f"\n    → {reason['cure']}" if reason["cure"] else ""
        typer.echo(f"  {reason['message']}{where}{cure}")
    for warning in body.get("warnings", ()):
        typer.secho(f"  note: {warning}", fg="yellow")
    for name, value in body.get("computed", {}).items():
        typer.echo(f"  {name}: {json.dumps(value, ensure_ascii=False)}")


def tell_what_if(outcome: WhatIf) -> None:
    """Print who would break which rule."""
    body = outcome.as_json()
    typer.echo(
        f"{body['holders']} holders on {body['on']}: {body['breaking']} would break a rule, {body['locked_holders']} hold locked shares"
    )
    for rule, count in body["by_rule"].items():
        typer.echo(f"  {rule}: {count}")
    for holder in outcome.breaking[:20]:
        typer.echo(f"  {holder.investor_id}: {holder.reasons[0].sentence}")
    if len(outcome.breaking) > 20:
        typer.echo(f"  and {len(outcome.breaking) - 20} more; --json tells all")
    for reason in outcome.register_reasons:
        typer.secho(f"  {reason.sentence}", fg="red")
    for warning in outcome.warnings:
        typer.secho(f"  note: {warning}", fg="yellow")
