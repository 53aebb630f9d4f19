# SPDX-License-Identifier: Apache-2.0
"""`muniment shares`: issue and transfer on the command line, with the rules' answer before anything is sent."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from muniment.access.model import Actor, Pending
from muniment.access.ports import Page
from muniment.app.books import open_units, wait_for
from muniment.app.cli import EXIT_REFUSED, JsonOption
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.app.wiring import Unit, Units
from muniment.parties.model import Investor
from muniment.settlement import commands as settlement
from muniment.settlement.model import Allotment, FailedInstruction, Instruction, SettledInstruction, state_name
from muniment.units.decisions import Refused
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address, SecurityId, new_id
from muniment.units.shares import parse_shares, show_shares

APP = typer.Typer(no_args_is_help=True)

PAGE_ROWS = 200

SecurityArgument = Annotated[str, typer.Argument(help="The security's symbol or id.")]


class NoSuchInvestor(MunimentError):
    """No investor of the organisation has that reference."""

    code = "app.no_such_investor"
    message = "No investor here has the reference “{reference}”."
    cure = "Give the external reference, as in the file that was imported."


class NotAnAllotment(MunimentError):
    """Not of the form REFERENCE=SHARES."""

    code = "app.not_an_allotment"
    message = "“{text}” is no allotment."
    cure = "Write REFERENCE=SHARES, such as INV-0001=250."


class NoSecurity(MunimentError):
    """The organisation has no such security."""

    code = "app.no_such_security_here"
    message = "This organisation has no security “{name}”."
    cure = "Give the symbol or the id; `muniment tokenise company` prints both with --json."


@APP.callback()
def shares() -> None:
    """Issue and transfer shares."""


@APP.command()
def issue(
    security: SecurityArgument,
    allotments: Annotated[list[str] | None, typer.Argument(help="REFERENCE=SHARES, as many as you like.")] = None,
    *,
    member: AsOption,
    each: Annotated[str, typer.Option(help="Give every verified investor so many shares, instead of naming them.")] = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Issue shares to every receiver whom the rules allow, and say of the others why not."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            decimals = unit.securities.get(security_id).terms.decimals
            wanted = _each(unit, parse_shares(each, decimals=decimals)) if each else _named(unit, allotments or [], decimals=decimals)
            request = settlement.IssueShares(new_id(unit.clock.now()), security_id, wanted)
            report = settlement.issue(actor, request, unit=unit)
        if isinstance(report, Pending):
            _tell_pending(report, as_json=as_json)
            return
        settled = [_settled(units, actor, instruction) for instruction in report.instructions]
    if as_json:
        body = {
            "shares": str(report.shares),
            "accepted": len(report.accepted),
            "refused": [refused.decision.as_json() for refused in report.refused],
            "instructions": [str(state.instruction.instruction_id) for state in settled],
        }
        typer.echo(json.dumps(body))
        return
    typer.echo(f"{show_shares(report.shares, decimals=decimals)} shares issued to {len(report.accepted)} holders")
    for refused in report.refused:
        typer.secho(f"  refused: {refused.decision.reasons[0].code}: {refused.decision.reasons[0].sentence}", fg="yellow")


@APP.command()
def transfer(
    security: SecurityArgument,
    sender: Annotated[str, typer.Argument(help="External reference of the holder.")],
    receiver: Annotated[str, typer.Argument(help="External reference of the receiver.")],
    amount: Annotated[str, typer.Argument(metavar="SHARES", help="How many shares.")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Transfer from a managed wallet; a refusal names every rule, the values compared and what would cure it (exit 2)."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            decimals = unit.securities.get(security_id).terms.decimals
            request = settlement.TransferShares(
                new_id(unit.clock.now()),
                security_id,
                _wallet(unit, sender),
                _wallet(unit, receiver),
                parse_shares(amount, decimals=decimals),
            )
            answer = settlement.transfer(actor, request, unit=unit)
        if isinstance(answer, Refused):
            _tell_refused(answer, as_json=as_json)
            raise typer.Exit(EXIT_REFUSED)
        state = _settled(units, actor, answer)
    if as_json:
        typer.echo(json.dumps({"instruction_id": str(answer.instruction_id), "state": state_name(state)}))
    elif isinstance(state, FailedInstruction):
        typer.secho(f"the chain refused it: {state.reason_code}", fg="red")
    else:
        typer.echo(f"{amount} shares moved in block {state.block_number}, transaction {state.transaction_hash}")


def security_of(unit: Unit, name: str) -> SecurityId:
    """Return the organisation's security of that symbol or id."""
    for security in unit.securities.all():
        if name in {security.terms.symbol, str(security.terms.security_id)}:
            return security.terms.security_id
    raise NoSecurity(name=name, place=Place(field="security"))


def _named(unit: Unit, texts: list[str], *, decimals: int) -> tuple[Allotment, ...]:
    allotments = []
    for text in texts:
        reference, equals, amount = text.partition("=")
        if not equals:
            raise NotAnAllotment(text=text)
        allotments.append(Allotment(parse_shares(amount, decimals=decimals), investor_id=_investor(unit, reference).investor_id))
    return tuple(allotments)


def _each(unit: Unit, amount: int) -> tuple[Allotment, ...]:
    allotments: list[Allotment] = []
    cursor: str | None = None
    while True:
        page = unit.investors.page(Page(limit=PAGE_ROWS, cursor=cursor), status="verified")
        allotments += [Allotment(amount, investor_id=investor.investor_id) for investor in page]
        if len(page) < PAGE_ROWS:
            return tuple(reversed(allotments))
        cursor = str(page[-1].investor_id)


def _investor(unit: Unit, reference: str) -> Investor:
    investor = unit.investors.by_reference(reference)
    if investor is None:
        raise NoSuchInvestor(reference=reference)
    return investor


def _wallet(unit: Unit, reference: str) -> Address:
    return unit.wallets.of_investor(_investor(unit, reference).investor_id)[0].address


def _settled(units: Units, actor: Actor, instruction: Instruction) -> SettledInstruction | FailedInstruction:
    def ended() -> SettledInstruction | FailedInstruction | None:
        with units.begin(actor.tenant_id) as unit:
            state = unit.instructions.get(instruction.instruction_id)
        return state if isinstance(state, (SettledInstruction, FailedInstruction)) else None

    return wait_for(f"the {instruction.kind.value}", ended)


def _tell_pending(pending: Pending, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"approval_id": str(pending.approval_id), "state": "requested"}))
    else:
        typer.echo(f"asked for; a second person has to approve it: approval {pending.approval_id}")


def _tell_refused(answer: Refused, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer.as_json()))
        return
    for reason in answer.reasons:
        cure = f" → {reason.cure}" if reason.cure else ""
        typer.secho(f"{reason.code}: {reason.sentence} ({reason.citation}){cure}", fg="red", err=True)
