# SPDX-License-Identifier: Apache-2.0
"""`muniment reports`: what authorities are told of a security: Form D, turnaround, record differences. Files nothing with anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from muniment.access.model import Action, authorize
from muniment.app.books import open_units
from muniment.app.cli import JsonOption
from muniment.app.holders_command import write_private
from muniment.app.shares_command import SecurityArgument, counted, security_of
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.app.tokenise_command import FILE_BYTES_MAX, CannotRead
from muniment.register import commands as register
from muniment.register import http as register_http
from muniment.register import process as register_process
from muniment.register.model.form_d import parse_form_d
from muniment.settlement import commands as settlement
from muniment.settlement import http as settlement_http
from muniment.units.errors import Place
from muniment.units.money import group_thousands

APP = typer.Typer(no_args_is_help=True, add_completion=False)


@APP.callback()
def reports() -> None:
    """Write and show what authorities are told."""


@APP.command("form-d")
def form_d(
    security: SecurityArgument,
    *,
    member: AsOption,
    given: Annotated[Path, typer.Option("--input", help="JSON with what the issuer says itself; see the how-to page on reports.")],
    output: Annotated[Path, typer.Option(help="The XML file to write, readable by you alone.")],
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write Form D as XML in EDGAR's element tree, with the figures of the register, and say when it is due."""
    try:
        content = given.read_bytes()
    except OSError as error:
        raise CannotRead(file=given, problem=error.strerror or type(error).__name__, place=Place(file=str(given))) from None
    if len(content) > FILE_BYTES_MAX:
        raise CannotRead(file=given, problem=f"{len(content)} bytes", place=Place(file=str(given)))
    asked = parse_form_d(content)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            report = register.form_d(actor, security_of(unit, security), asked, unit=unit)
    write_private(output, report.xml)
    body = msgspec.to_builtins(register_http.form_d_body(report))
    del body["xml"]
    if as_json:
        typer.echo(json.dumps({"output": str(output), **body}))
        return
    figures = report.figures
    sold, buyers = group_thousands(str(figures.total_sold)), counted(figures.investors, "investor")
    typer.echo(f"sold {sold} USD in {counted(figures.sales, 'sale')} to {buyers}, {figures.non_accredited_investors} not accredited")
    if figures.due_date is None:
        typer.echo("first sale yet to occur; due fifteen days after it")
    else:
        typer.echo(f"first sale {figures.first_sale_date}; Form D is due by {figures.due_date} (17 CFR 230.503)")
    if figures.sales_without_exemption:
        missing = counted(figures.sales_without_exemption, "issue")
        typer.secho(f"not in the figures: {missing} without an exemption; see `muniment shares annotate`", fg="yellow")
    typer.echo(f"written to {output}")


@APP.command()
def turnaround(
    security: Annotated[str, typer.Argument(help="The security's symbol or id; all securities where it is left out.")] = "",
    *,
    member: AsOption,
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="The month.")],
    zone: Annotated[str, typer.Option(help="Where the transfer agent's day has its noon.")] = settlement_http.NEW_YORK,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report which part of the items received in a month was turned around in three business days; exit 1 below 90 % (17Ad-2)."""
    first, where = settlement_http.parse_month(month), settlement_http.parse_zone(zone)
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security) if security else None
            report = settlement.view_turnaround(actor, month=first, zone=where, security_id=security_id, unit=unit)
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(settlement_http.turnaround_body(report))))
    else:
        for name, counts in (("routine", report.routine), ("other", report.other)):
            rest = f"{counts.late} late, {counts.open_in_time} open with time left"
            typer.echo(f"{name} items: {counts.received} received, {counts.in_time} in time ({counts.percentage} %), {rest}")
        verdict = "at least 90 % of routine items" if report.is_met else "less than 90 % of routine items"
        typer.echo(f"{month}, {zone}: {verdict} in three business days{'' if report.is_final else '; figures may still change'}")
        if report.notice_due_date is not None:
            typer.secho(f"written notice to the regulator is due by {report.notice_due_date} (17 CFR 240.17Ad-2(c))", fg="yellow")
    if not report.is_met:
        raise typer.Exit(1)


@APP.command()
def differences(
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare chain, register, lots and cap table, and show each difference with its age; exit 1 when there is one (17Ad-10, 17Ad-11)."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        authorize(actor, Action.REGISTER_REBUILD, tenant_id=actor.tenant_id)
        standing = register_process.find_differences(begin=units.of(actor.tenant_id))
        now = units.backend.clock.now()
    body = register_http.record_differences_body(standing, now=now)
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(body)))
    elif not standing:
        typer.echo("chain, register, lots and cap table say the same")
    for each in body.differences if not as_json else []:
        facts = ", ".join(f"{name} {fact}" for name, fact in each.facts.items())
        age = f"{counted(each.age_days, 'day')}{', aged' if each.is_aged else ''}"
        typer.secho(f"{each.code}: {each.message} ({facts}; {age})", fg="red")
    if standing:
        raise typer.Exit(1)
