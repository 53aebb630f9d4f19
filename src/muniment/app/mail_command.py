# SPDX-License-Identifier: Apache-2.0
"""`muniment mail`: tries the mail server with one letter, and lists what was to be told to whom. Sends no notice itself."""

from __future__ import annotations

import json
from typing import Annotated

import msgspec
import typer

from muniment.access.model import normal_email
from muniment.app.books import open_units
from muniment.app.cli import EXIT_OUTAGE, EXIT_REFUSED, JsonOption
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.infra.clock import SystemClock
from muniment.infra.configuration import read_configuration
from muniment.infra.mail import Letter, PutOff, Refused, Taken, mailer_of, shown
from muniment.notices.commands import view_notices
from muniment.notices.errors import MailNotConfigured
from muniment.notices.http import notice_body
from muniment.notices.model import Notice
from muniment.units.ids import new_id

APP = typer.Typer(no_args_is_help=True, add_completion=False)

TEST_SUBJECT = "A test of Muniment's mail"
TEST_TEXT = "This letter was sent by `muniment mail test`. Whoever asked for it sees that mail arrives: é ß 漢.\n"


_DID = {Taken: "took it", Refused: "refused it", PutOff: "put it off"}


@APP.callback()
def mail() -> None:
    """Try the mail server, and see what was sent and whether it was taken."""


@APP.command("test")
def send_test(
    address: Annotated[str, typer.Argument(help="Where the letter goes.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Send one letter and print what the server answered; exit 2 when it refuses the letter, 3 when it puts it off or is away."""
    configuration = read_configuration()
    mailer = mailer_of(configuration)
    if mailer is None:
        raise MailNotConfigured
    now = SystemClock().now()
    letter = Letter(
        letter_id=str(new_id(now)),
        address=normal_email(address, field="address"),
        name="",
        sender_name="Muniment",
        subject=TEST_SUBJECT,
        text=TEST_TEXT,
        at=now,
    )
    outcome = mailer.send(letter)
    taken = isinstance(outcome, Taken)
    if as_json:
        typer.echo(json.dumps({"taken": taken, "server": f"{mailer.host}:{mailer.port}", "answer": shown(outcome)}))
    else:
        typer.secho(f"{mailer.host}:{mailer.port} {_DID[type(outcome)]}: {shown(outcome)}", fg="green" if taken else "red")
    if not taken:
        raise typer.Exit(EXIT_OUTAGE if isinstance(outcome, PutOff) else EXIT_REFUSED)


@APP.command("list")
def list_notices(
    *,
    member: AsOption,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List mails, newest first: what about, to whom (by id), and whether the server took it."""
    with open_units(components=("database", "chain")) as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            found = view_notices(actor, limit=limit, unit=unit).notices
            configured = unit.mailer is not None
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(notice_body(notice)) for notice in found]))
        return
    if not configured:
        typer.echo("no mail server is set: nothing is sent, and nothing waits to be")
    for notice in found:
        typer.echo(_line(notice))


def _line(notice: Notice) -> str:
    outcome = "" if notice.outcome is None else f" ({notice.outcome})"
    what = notice.kind.value.replace("_", " ")
    return f"{notice.created_at:%Y-%m-%dT%H:%M:%SZ}  {notice.state}{outcome}  {what}  to {notice.recipient.value} {notice.recipient_id}"
