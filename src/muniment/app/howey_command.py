# SPDX-License-Identifier: Apache-2.0
"""`muniment howey`: weighs answers by the Howey test. The record with evidence and sign-off is in the pages and the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from muniment.app.cli import JsonOption
from muniment.app.files import read_file
from muniment.compliance.errors import AnswersInvalid
from muniment.compliance.model.law.howey import DISCLAIMER, GATE, assess, questionnaire
from muniment.units.errors import Place

APP = typer.Typer(no_args_is_help=True, add_completion=False)

ANSWERS_BYTES_MAX = 1024 * 1024


@APP.callback()
def howey() -> None:
    """Ask whether an asset is sold as an investment contract."""


@APP.command("assess")
def assess_file(
    file: Annotated[Path, typer.Argument(help='The answers as JSON: {"answers": {"M": "y", "E3": "n", ...}}; - reads from input.')],
    *,
    as_json: JsonOption = False,
) -> None:
    """Weigh answers: a letter answers a whole prong, an item's id that item; y, n or - for open."""
    try:
        body = json.loads(read_file(file, bytes_max=ANSWERS_BYTES_MAX))
    except (ValueError, RecursionError):
        raise AnswersInvalid(problem="the file is no JSON", place=Place(file=str(file))) from None
    answers = body.get("answers") if isinstance(body, dict) else None
    if not isinstance(answers, dict):
        raise AnswersInvalid(problem="an object “answers” is needed", place=Place(file=str(file), field="answers"))
    assessment = assess(answers)
    if as_json:
        typer.echo(json.dumps(assessment.as_json(), ensure_ascii=False))
        return
    typer.secho(f"{assessment.outcome}: {assessment.sentence}", bold=True)
    for name, prong in assessment.prongs.items():
        typer.echo(f"  {name:8} {prong.answer}   {prong.points_to} for, {prong.points_away} against, {prong.open} open")
    for line in assessment.contrary:
        typer.echo(f"  against: {line}")
    typer.echo(DISCLAIMER)


@APP.command()
def questions(*, as_json: JsonOption = False) -> None:
    """Show the questions by prong."""
    form = questionnaire()
    if as_json:
        items = [
            {"id": each.item_id, "prong": each.prong, "question": each.question, "direction": each.direction}
            for each in form.items.values()
        ]
        typer.echo(json.dumps({GATE: form.gate, "items": items}, ensure_ascii=False))
        return
    typer.echo(f"{GATE}: {form.gate}")
    for item in form.items.values():
        typer.echo(f"{item.item_id:4} {item.prong:8} {'+' if item.direction > 0 else '-'} {item.question}")


@APP.command()
def cases(*, as_json: JsonOption = False) -> None:
    """Show the decided cases, and how their answers weigh here."""
    form = questionnaire()
    found = [
        {
            "case": each.name,
            "asset": each.asset,
            "decided": each.outcome,
            "outcome": None if each.expected is None else assess(each.answers).outcome,
            "note": each.beyond,
        }
        for each in form.cases
    ]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for line in found:
        typer.echo(f"{line['case']} ({line['asset']}): {line['outcome'] or line['note']}")
