# SPDX-License-Identifier: Apache-2.0
"""The command `muniment`: which commands there are, and how a refusal looks. Each command's work is imported when it is called."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from muniment.infra.outages import Unreachable
from muniment.units.errors import MunimentError

EXIT_REFUSED = 2
EXIT_OUTAGE = 3
EXIT_DEFECT = 70
LOGGED_COMMANDS = {"api", "worker"}
"""What these print goes to the log, where a traceback belongs."""

# Command -> where its Typer app lives, and its line in `muniment --help`. To add one: write `APP = typer.Typer(...)` there and a line here.
# An APP with one unnamed command is that command itself (`muniment demo`); one with several is a group (`muniment contracts build`).
COMMANDS = {
    "approvals": ("muniment.app.approvals_command", "See what waits for a second person, and decide it."),
    "compliance": ("muniment.app.compliance_command", "Ask the law about a sale, a transfer or a whole register, from a file."),
    "contracts": ("muniment.app.contracts_command", "Write, deploy and verify the compiled contracts."),
    "demo": ("muniment.app.demo", "Tokenise, onboard, issue, transfer and pay a dividend on a real chain."),
    "dividend": ("muniment.app.dividend_command", "Declare a dividend and watch it being paid."),
    "documents": ("muniment.app.documents_command", "Add documents to an asset, have them anchored, list them."),
    "howey": ("muniment.app.howey_command", "Weigh whether an asset is sold as an investment contract."),
    "identifiers": ("muniment.app.identifiers_command", "Check ISINs, LEIs, VINs and other public identifiers."),
    "investors": ("muniment.app.investors_command", "Onboard investors from a file, verify them, erase one."),
    "law": ("muniment.app.law_command", "Choose the packs of a security, ask them about a move, bring them to the chain."),
    "liens": ("muniment.app.liens_command", "Show an asset's title, file and release liens upon it."),
    "mail": ("muniment.app.mail_command", "Try the mail server, and see what was sent and whether it was taken."),
    "ocf": ("muniment.app.ocf_command", "Check, replay and export cap tables in the Open Cap Table Format."),
    "organisation": ("muniment.app.organisation_command", "Found an issuer's organisation, invite members, give it test money."),
    "reconcile": ("muniment.app.reconcile_command", "Compare the books with the chain; exit 1 when they differ."),
    "reports": ("muniment.app.reports_command", "Write Form D, and report turnaround and record differences."),
    "rules": ("muniment.app.rules_command", "See the rules of law, and see and set who may hold a security, and how much."),
    # Its module adds the commands that read the register as of a day to those of shares_command.
    "shares": ("muniment.app.holders_command", "Issue shares, transfer and recover them, see who holds them and since when."),
    "tokenise": ("muniment.app.tokenise_command", "Bring a company, a vehicle or any other asset to the chain."),
    "verify": ("muniment.app.verify_command", "Rebuild a register, or recompute an asset's id, and say whether it is equal."),
}


class _Later(TyperCommand):
    """Stands for a command until somebody runs it or asks for its help; then its module is imported and takes over."""

    def __init__(self, name: str, module_name: str, line: str) -> None:
        super().__init__(name=name, help=line, short_help=line)
        self._module_name = module_name

    # Typer carries its own copy of click under a private name, so the types of these methods are named by Any.
    def make_context(self, info_name: Any, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Return a context of the real command, which from here on is the one that runs."""
        # A thousand modules leave nothing to collect; looking for it all the while would be a tenth of their loading.
        gc.disable()
        command = typer.main.get_command(importlib.import_module(self._module_name).APP)
        gc.enable()
        command.name, command.short_help = self.name, self.short_help
        return command.make_context(info_name, args, parent=parent, **extra)


class _Root(TyperGroup):
    """Knows the commands above without importing them, so that `muniment --help` is instant."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, imported or not."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; one of the table above is not imported yet."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module_name, line = COMMANDS[cmd_name]
        return _Later(cmd_name, module_name, line)


APP = typer.Typer(
    cls=_Root,
    name="muniment",
    help="Open infrastructure for digital securities.",
    invoke_without_command=True,
    # Typer's own tracebacks would print local variables, and with them keys and personal data.
    pretty_exceptions_enable=False,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - Typer's way of calling back
    if wanted:
        typer.echo(f"muniment {version()}")
        raise typer.Exit


def version() -> str:
    """Return the installed version."""
    return importlib.metadata.version("muniment")


@APP.callback()
def root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program a refusal or an outage arose.")] = False,
) -> None:
    """Open infrastructure for digital securities: tokenise, onboard, issue, transfer and pay, with the register proved by the chain."""
    _ = version, debug  # the first is its callback's, the second main()'s, which must know it even when the rest cannot be parsed
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@APP.command()
def up(*, as_json: JsonOption = False) -> None:
    """Start database, chain, worker and web in the foreground; Ctrl-C stops them."""
    from muniment.app import supervisor
    from muniment.infra.configuration import read_configuration

    supervisor.up(read_configuration(), as_json=as_json)


@APP.command()
def doctor(*, as_json: JsonOption = False) -> None:
    """Say what is missing, and the command that mends it."""
    from muniment.app import doctor as examination
    from muniment.infra.configuration import read_configuration

    if not examination.run(read_configuration(), as_json=as_json):
        raise typer.Exit(1)


@APP.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The archive to write; it holds secrets, so keep it as you keep keys.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Write the database, the keys and the settings into one archive."""
    from muniment.app import backup as archive
    from muniment.infra.configuration import read_configuration

    archive.backup(read_configuration(), file, as_json=as_json)


@APP.command()
def restore(
    file: Annotated[Path, typer.Argument(help="An archive written by `muniment backup`.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Restore an archive into an empty home; its checksums are verified first."""
    from muniment.app import backup as archive
    from muniment.infra.configuration import read_configuration

    archive.restore(read_configuration(), file, as_json=as_json)


@APP.command()
def api() -> None:
    """Serve the pages and the API; `muniment up` does this for you."""
    from muniment.app.api import serve
    from muniment.infra.configuration import read_configuration

    serve(read_configuration())


@APP.command()
def worker() -> None:
    """Follow the chain, send transactions and run jobs; `muniment up` does this for you."""
    from muniment.app.worker import run
    from muniment.app.worker_tables import worker_tables
    from muniment.infra.configuration import read_configuration

    run(read_configuration(), wiring=worker_tables)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a finding, 2 refused, 3 an outage, 70 a defect of ours.

    A refusal is one line with its place and cure (JSON with --json). A traceback appears only with --debug, and in the log for the
    processes that `muniment up` runs.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        APP(args=arguments, prog_name="muniment")
    except (MunimentError, Unreachable) as error:
        if "--debug" in arguments:
            raise
        _show_failure(failure_document(error), place=getattr(error, "place", None), as_json="--json" in arguments)
        sys.exit(EXIT_REFUSED if isinstance(error, MunimentError) else EXIT_OUTAGE)
    except Exception as error:
        # The outermost loop: whatever arrives here is a defect, and a person wants a sentence before a traceback.
        if "--debug" in arguments or LOGGED_COMMANDS.intersection(arguments[:1]):
            raise
        cure = "Run it again as: muniment --debug ..., and report what it prints."
        document = {"code": "muniment.defect", "message": f"{type(error).__name__}: {error}", "cure": cure}
        _show_failure(document, place=None, as_json="--json" in arguments)
        sys.exit(EXIT_DEFECT)


def _show_failure(document: dict[str, Any], *, place: object, as_json: bool) -> None:
    """Print what was refused, where, and what to do: a line for people, or one JSON object on standard output."""
    if as_json:
        typer.echo(json.dumps({"error": document}))
        return
    where = f" ({place})" if place is not None else ""
    cure = f" → {document['cure']}" if document.get("cure") else ""
    typer.secho(f"{document['code']}: {document['message']}{where}{cure}", fg="red", err=True)


def failure_document(error: MunimentError | Unreachable) -> dict[str, Any]:
    """Return a refusal or an outage as JSON: code, message, and facts, place and cure where there are any."""
    if isinstance(error, MunimentError):
        return error.as_json()
    cure = "Try again; if it stays, run: muniment doctor" if error.retry else "Run: muniment doctor"
    return {"code": f"outage.{error.part}", "message": str(error), "retry": error.retry, "cure": cure}


if __name__ == "__main__":
    main()
