# SPDX-License-Identifier: Apache-2.0
"""`muniment law`: chooses the packs of a security in the books, asks them about a move, and brings them to the chain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from muniment.app.books import open_units
from muniment.app.cli import EXIT_REFUSED, JsonOption
from muniment.app.compliance_command import tell_judgement, tell_what_if
from muniment.app.files import read_file
from muniment.app.rules_command import tell_rules, wait_until_enforced
from muniment.app.shares_command import SecurityArgument, receiving_wallet_of, security_of, wallet_of
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.compliance import commands as compliance
from muniment.compliance.errors import CaseInvalid
from muniment.compliance.model.law.choices import LawChoice
from muniment.instruments.model.securities import DraftedSecurity
from muniment.notices.commands import ExplainRefusal, send_explanation
from muniment.notices.http import notice_body
from muniment.notices.model import Side, parse_side
from muniment.units.decisions import Refused
from muniment.units.errors import Place
from muniment.units.instants import instant_text, parse_date, parse_instant
from muniment.units.shares import parse_shares

APP = typer.Typer(no_args_is_help=True, add_completion=False)

CHOICE_BYTES_MAX = 1_000_000

PacksOption = Annotated[list[str] | None, typer.Option("--pack", metavar="PACK", help="A pack, or one rule's id; repeat it for more.")]


@APP.callback()
def law() -> None:
    """Choose which law a security stands under, ask it, and have the chain enforce what it can of it."""


@APP.command()
def show(
    security: SecurityArgument,
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every version of a security's packs with its terms, the newest last."""
    with open_units(components=("database", "chain")) as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            versions = compliance.view_law(actor, security_of(unit, security), unit=unit)
    if as_json:
        typer.echo(json.dumps({"versions": [version.as_json() for version in versions]}, ensure_ascii=False))
    for version in () if as_json else versions:
        _tell_choice(version)
    if not as_json and not versions:
        typer.echo("no packs were ever chosen: only the security's own rules are asked")


@APP.command()
def choose(
    security: SecurityArgument,
    *,
    member: AsOption,
    packs: PacksOption = None,
    terms: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The terms as JSON, as a case's `security.terms` (`compliance schema`).")
    ] = None,
    evidence: Annotated[Path | None, typer.Option(metavar="FILE", help="What was gathered for checklists, as JSON.")] = None,
    since: Annotated[str, typer.Option("--from", metavar="INSTANT", help="From when on they count; at once when left out.")] = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace a security's packs, terms and evidence by a new version; what is left out of terms and evidence stays as it was."""
    with open_units(components=("database", "chain")) as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            latest = next(reversed(compliance.view_law(actor, security_id, unit=unit)), None)
            asked = compliance.ChooseLaw(
                security_id,
                tuple(packs or ()),
                _object(terms, "terms") if terms is not None else {} if latest is None else latest.terms,
                _object(evidence, "evidence") if evidence is not None else {} if latest is None else latest.evidence,
                parse_instant(since, field="from") if since else None,
            )
            choice = compliance.choose_law(actor, asked, unit=unit)
    if as_json:
        typer.echo(json.dumps(choice.as_json(), ensure_ascii=False))
    else:
        _tell_choice(choice)


@APP.command()
def ask(
    security: SecurityArgument,
    receiver: Annotated[str, typer.Argument(metavar="TO", help="External reference of the recipient, or a wallet's address.")],
    amount: Annotated[str, typer.Argument(metavar="SHARES", help="How many shares.")],
    *,
    member: AsOption,
    sender: Annotated[str, typer.Option("--from", metavar="HOLDER", help="Who gives them; left out, the issuer issues them.")] = "",
    tell: Annotated[str, typer.Option(metavar="SIDE", help="Tell this side by mail why it is refused: receiver or sender.")] = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether an issue or a transfer would be allowed now, or every reason why not; exit 2 when it is refused.

    With --tell the investor of that side gets the same reasons by mail, as far as they are that side's business; once a day.
    """
    side = parse_side(tell, field="tell") if tell else None
    with open_units(components=("database", "chain")) as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            question = ExplainRefusal(
                security_id,
                wallet_of(unit, sender, security_id) if sender else None,
                receiving_wallet_of(unit, receiver),
                parse_shares(amount, decimals=unit.securities.get(security_id).terms.decimals),
                side or Side.RECEIVER,
            )
            decision = compliance.ask_transfer(
                actor,
                security_id,
                from_wallet=question.from_wallet,
                to_wallet=question.to_wallet,
                shares=question.shares,
                unit=unit,
            )
            is_told = side is not None and isinstance(decision, Refused)
            notice = send_explanation(actor, question, unit=unit) if is_told else None
    body: dict[str, Any] = decision.as_json()
    if notice is not None:
        body["notice"] = msgspec.to_builtins(notice_body(notice))
    if as_json:
        typer.echo(json.dumps(body, ensure_ascii=False))
    else:
        tell_judgement(body)
        if notice is not None:
            typer.echo(f"the {tell} is told by mail: {notice.state}, notice {notice.notice_id}")
    if isinstance(decision, Refused):
        raise typer.Exit(EXIT_REFUSED)


@APP.command("what-if")
def ask_what_if(
    security: SecurityArgument,
    *,
    member: AsOption,
    packs: PacksOption = None,
    on: Annotated[str, typer.Option(metavar="DAY", help="The day on which they would start; today when left out.")] = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which holders would break packs if they started on a day (without packs: those chosen); exit 1 when somebody would."""
    with open_units(components=("database", "chain")) as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            day = parse_date(on, field="on") if on else None
            outcome = compliance.ask_what_if(actor, security_of(unit, security), packs=packs or None, on=day, unit=unit)
    if as_json:
        typer.echo(json.dumps(outcome.as_json(), ensure_ascii=False))
    else:
        tell_what_if(outcome)
    if outcome.breaking or outcome.register_reasons:
        raise typer.Exit(1)


@APP.command()
def enforce(
    security: SecurityArgument,
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring to the chain what it can enforce of a security's packs, beside the issuer's rules, and wait until it does."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            found = unit.securities.get(security_id)
            rule_set = compliance.bring_law_to_chain(actor, security_id, unit=unit)
            if rule_set is None:
                # The chain holds it already, or is about to.
                rule_set = unit.rule_sets.in_effect(security_id, unit.clock.now())
        if rule_set is not None and not isinstance(found, DraftedSecurity):
            rule_set = wait_until_enforced(units, actor, rule_set)
    tell_rules(rule_set, decimals=found.terms.decimals, as_json=as_json)


def _object(file: Path, field: str) -> Mapping[str, Any]:
    try:
        body = json.loads(read_file(file, bytes_max=CHOICE_BYTES_MAX))
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise CaseInvalid(problem="it is no JSON object", place=Place(field=field))
    return body


def _tell_choice(choice: LawChoice) -> None:
    typer.echo(f"version {choice.version}, from {instant_text(choice.effective_at)} on: {', '.join(choice.packs) or 'no packs'}")
    _tell_pairs(sorted(choice.terms.items()))
    for rule_id, items in sorted(choice.evidence.items()):
        typer.echo(f"  evidence for {rule_id}: {', '.join(sorted(items))}")


def _tell_pairs(pairs: Sequence[tuple[str, Any]]) -> None:
    for name, value in pairs:
        typer.echo(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
