# SPDX-License-Identifier: Apache-2.0
"""`muniment approvals`: the second person's part on the command line. What an approval leads to is the table in `approvals`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from muniment.access import commands as access
from muniment.access.model import Approval, ApprovedApproval, ExecutedApproval, ExpiredApproval, RejectedApproval, RequestedApproval
from muniment.access.ports import Page
from muniment.app.api_approvals import execute_approved
from muniment.app.books import open_units
from muniment.app.cli import EXIT_REFUSED, JsonOption
from muniment.app.shares_command import settled
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.settlement.model import FailedInstruction
from muniment.units.ids import ApprovalId, InstructionId, parse_id

APP = typer.Typer(no_args_is_help=True, add_completion=False)

ROWS_MAX = 200
STATES = {
    RequestedApproval: "requested",
    ApprovedApproval: "approved",
    RejectedApproval: "rejected",
    ExpiredApproval: "expired",
    ExecutedApproval: "executed",
}

ApprovalArgument = Annotated[str, typer.Argument(metavar="APPROVAL", help="The approval's id, as `muniment approvals list` shows it.")]


@APP.callback()
def approvals() -> None:
    """See what waits for a second person, and decide it."""


@APP.command("list")
def list_approvals(
    *,
    member: AsOption,
    every: Annotated[bool, typer.Option("--all", help="Also what was decided or has expired.")] = False,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what waits for a second person, newest first."""
    with open_units(components=("database", "chain")) as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            found = access.list_approvals(actor, Page(limit=ROWS_MAX), unit=unit, state=None if every else "requested")
            rows = [_row(approval, asked_by=unit.users.get(_requested(approval).requested_by).display_name) for approval in found]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    if not rows:
        typer.echo("nothing waits for a second person")
    for row in rows:
        typer.echo(f"{row['approval_id']}  {row['action']}  {row['state']}  asked by {row['requested_by']} at {row['requested_at']}")


@APP.command()
def approve(
    approval: ApprovalArgument,
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Agree as the second person; what was asked for is then done, with every check made again."""
    approval_id = ApprovalId(parse_id(approval, field="approval_id"))
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            approved = access.approve_request(actor, approval_id, unit=unit)
            outcome = execute_approved(actor, approved, unit=unit)
        states = [settled(units, actor, InstructionId(parse_id(text))) for text in outcome.get("instruction_ids", [])]
    action = approved.requested.action.value
    failures = [state.reason_code for state in states if isinstance(state, FailedInstruction)]
    if as_json:
        told = {name: fact for name, fact in outcome.items() if name != "href"}
        typer.echo(json.dumps({"action": action, **told, "failures": failures}))
    else:
        blocks = ", ".join(str(state.block_number) for state in states if not isinstance(state, FailedInstruction))
        where = f" in block {blocks}" if blocks else ""
        dividend = f": dividend {outcome['dividend_id']} pays itself after its record date" if "dividend_id" in outcome else ""
        typer.echo(f"approved and done{where}: {action}{dividend}")
        for code in failures:
            typer.secho(f"the chain refused it: {code}", fg="red", err=True)
    if failures:
        raise typer.Exit(EXIT_REFUSED)


@APP.command()
def reject(
    approval: ApprovalArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why not; whoever asked reads it.")],
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say no as the second person, with the reason."""
    approval_id = ApprovalId(parse_id(approval, field="approval_id"))
    with open_units(components=("database", "chain")) as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            rejected = access.reject_request(actor, approval_id, reason, unit=unit)
    body = {"approval_id": str(approval_id), "state": "rejected", "reason": rejected.rejection}
    typer.echo(json.dumps(body) if as_json else f"rejected: {rejected.requested.action.value}")


def _requested(approval: Approval) -> RequestedApproval:
    """Return what was asked, whatever became of it."""
    match approval:
        case RequestedApproval():
            return approval
        case ExecutedApproval():
            return approval.approved.requested
        case _:
            return approval.requested


def _row(approval: Approval, *, asked_by: str) -> dict[str, Any]:
    requested = _requested(approval)
    return {
        "approval_id": str(requested.approval_id),
        "action": requested.action.value,
        "state": STATES[type(approval)],
        "requested_by": asked_by,
        "requested_at": f"{requested.requested_at:%Y-%m-%dT%H:%M:%SZ}",
        "request": dict(requested.request),
    }
