# SPDX-License-Identifier: Apache-2.0
"""`muniment rules`: who may hold a security and how much of it, on the command line. What a rule means is compliance's business."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from muniment.access.model import Actor
from muniment.app.books import Units, open_units, wait_for
from muniment.app.cli import JsonOption
from muniment.app.shares_command import SecurityArgument, security_of, tell_order, wallet_of
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.compliance import commands as compliance
from muniment.compliance.errors import RulesInvalid
from muniment.compliance.model.law.book import rule_book
from muniment.compliance.model.rule_texts import further_sentence, rule_as_text, rule_from_text
from muniment.compliance.model.rules import (
    DAY_SECONDS,
    CountryAllowed,
    CountryBlocked,
    CountryHolderCap,
    HolderCap,
    HoldingPeriod,
    MaximumBalancePerInvestor,
    MinimumHolding,
    Rule,
    RuleSet,
    SupplyCap,
    standing,
)
from muniment.instruments.model.securities import DraftedSecurity
from muniment.units.errors import Place
from muniment.units.instants import parse_instant
from muniment.units.shares import parse_shares, show_shares

APP = typer.Typer(no_args_is_help=True, add_completion=False)

CITATION = "Issuer rule"
RULES_FILE_BYTES_MAX = 1_000_000


@APP.callback()
def rules() -> None:
    """See the rules of law, and see and set the rules of a security."""


@APP.command("list")
def list_rules(
    *,
    jurisdiction: Annotated[str, typer.Option(help="Only those of US, EU, UK, CH or SG.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List every rule of law with its citation, when it is asked, and whether it is in force."""
    wanted = [rule for rule in rule_book().rules.values() if jurisdiction in {"", rule.jurisdiction}]
    if as_json:
        typer.echo(json.dumps([rule.as_json() for rule in wanted], ensure_ascii=False))
        return
    for rule in wanted:
        since = "" if rule.effective_from is None else f", from {rule.effective_from}"
        typer.echo(f"{rule.rule_id:28} {rule.evaluated_on.value:15} {rule.citation} ({rule.status.replace('_', ' ')}{since})")


@APP.command()
def packs(*, as_json: JsonOption = False) -> None:
    """List the packs: rules that make up one exemption, under one name."""
    found = list(rule_book().packs.values())
    if as_json:
        typer.echo(json.dumps([pack.as_json() for pack in found], ensure_ascii=False))
        return
    for pack in found:
        typer.echo(f"{pack.pack_id:32} {pack.name}: {', '.join(pack.rules)}")


@APP.command()
def show(
    security: SecurityArgument,
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the rules of a security in effect, those that wait for their day, and since when the chain enforces them."""
    with open_units(components=("database", "chain")) as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            decimals = unit.securities.get(security_id).terms.decimals
            versions = compliance.view_rules(actor, security_id, unit=unit)
            now = unit.clock.now()
    present, waiting = standing(versions, at=now)
    tell_rules(present, decimals=decimals, as_json=as_json, waiting=waiting)


@APP.command("set")
def set_rules(
    security: SecurityArgument,
    *,
    member: AsOption,
    blocked: Annotated[
        list[str] | None, typer.Option("--block", metavar="COUNTRY", help="Nobody of this country may receive; repeat it for more.")
    ] = None,
    allowed: Annotated[
        list[str] | None, typer.Option("--allow", metavar="COUNTRY", help="Only investors of these countries may receive; repeat it.")
    ] = None,
    maximum_balance: Annotated[str, typer.Option(metavar="SHARES", help="What one investor may hold at most.")] = "",
    supply_cap: Annotated[str, typer.Option(metavar="SHARES", help="How many shares there may be at most.")] = "",
    holder_cap: Annotated[int, typer.Option(metavar="HOLDERS", help="How many investors may hold it at most.")] = 0,
    country_caps: Annotated[
        list[str] | None,
        typer.Option("--country-cap", metavar="COUNTRY=HOLDERS", help="How many investors of a country may hold it; repeat it for more."),
    ] = None,
    minimum_holding: Annotated[str, typer.Option(metavar="SHARES", help="What an investor holds at least, or nothing.")] = "",
    holding_days: Annotated[int, typer.Option(metavar="DAYS", help="How long an investor keeps what was acquired.")] = 0,
    rules_file: Annotated[
        Path | None,
        typer.Option("--rules", metavar="FILE", help="Rules of any kind as JSON, as `rules show --json` tells them, beside the options."),
    ] = None,
    citation: Annotated[str, typer.Option(help="Where the rules are written; a refusal quotes it.")] = CITATION,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace all rules of a security by these, and wait until the chain enforces them."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            found = unit.securities.get(security_id)
            decimals = found.terms.decimals
            wanted: list[Rule] = []
            if allowed:
                wanted.append(CountryAllowed("issuer.countries_allowed", citation, tuple(allowed)))
            if blocked:
                wanted.append(CountryBlocked("issuer.countries_blocked", citation, tuple(blocked)))
            if maximum_balance:
                shares = parse_shares(maximum_balance, decimals=decimals)
                wanted.append(MaximumBalancePerInvestor("issuer.maximum_balance", citation, shares))
            if supply_cap:
                wanted.append(SupplyCap("issuer.supply_cap", citation, parse_shares(supply_cap, decimals=decimals)))
            if holder_cap:
                wanted.append(HolderCap("issuer.holder_cap", citation, holder_cap))
            wanted += [_country_cap(text, citation) for text in country_caps or []]
            if minimum_holding:
                shares = parse_shares(minimum_holding, decimals=decimals)
                wanted.append(MinimumHolding("issuer.minimum_holding", citation, shares))
            if holding_days:
                wanted.append(HoldingPeriod("issuer.holding_period", citation, holding_days * DAY_SECONDS))
            wanted += _rules_of_file(rules_file, decimals=decimals)
            rule_set = compliance.set_rules(actor, compliance.SetRules(security_id, tuple(wanted)), unit=unit)

        if not isinstance(found, DraftedSecurity):
            rule_set = wait_until_enforced(units, actor, rule_set)
    tell_rules(rule_set, decimals=decimals, as_json=as_json)


@APP.command()
def category(
    security: SecurityArgument,
    investor: Annotated[str, typer.Argument(help="External reference of the investor, or a wallet's address.")],
    number: Annotated[int, typer.Argument(metavar="CATEGORY", help="0 to 255; 0 takes the investor out of every other.")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put an investor in the category that caps on holders count."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            address = wallet_of(unit, investor, security_id)
            signed = compliance.set_category(actor, compliance.SetCategory(security_id, address, number), unit=unit)
        tell_order(units, actor, signed, f"the investor of {address} is in category {number}", as_json=as_json)


@APP.command()
def approve(
    security: SecurityArgument,
    sender: Annotated[str, typer.Argument(help="External reference of the holder, or a wallet's address.")],
    receiver: Annotated[str, typer.Argument(help="External reference of the recipient, or a wallet's address.")],
    amount: Annotated[str, typer.Argument(metavar="SHARES", help="Exactly how many shares.")],
    *,
    member: AsOption,
    until: Annotated[str, typer.Option(metavar="INSTANT", help="Until when it may be made; left out, the approval is withdrawn.")] = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve one transfer where the rules ask for it, or withdraw the approval."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            shares = parse_shares(amount, decimals=unit.securities.get(security_id).terms.decimals)
            order = compliance.ApproveTransfer(
                security_id,
                wallet_of(unit, sender, security_id),
                wallet_of(unit, receiver, security_id),
                shares,
                parse_instant(until, field="until") if until else None,
            )
            signed = compliance.approve_transfer(actor, order, unit=unit)
        done = f"a transfer of {amount} shares is approved until {until}" if until else f"no transfer of {amount} shares is approved"
        tell_order(units, actor, signed, done, as_json=as_json)


def wait_until_enforced(units: Units, actor: Actor, rule_set: RuleSet) -> RuleSet:
    """Return the version, or what replaced it meanwhile, once the chain enforces it."""

    def applied() -> RuleSet | None:
        with units.begin(actor.tenant_id) as unit:
            present = unit.rule_sets.in_effect(rule_set.security_id, unit.clock.now())
        return present if present is not None and present.applied_at is not None else None

    return wait_for("the chain to enforce the rules", applied)


def _country_cap(text: str, citation: str) -> CountryHolderCap:
    country, sign, holders = text.partition("=")
    if not sign or not re.fullmatch(r"[0-9]{1,10}", holders):
        raise RulesInvalid(problem="a cap of a country is COUNTRY=HOLDERS, such as US=35", place=Place(field="country_cap"))
    return CountryHolderCap(f"issuer.country_holder_cap.{country.lower()}", citation, country, int(holders))


def _rules_of_file(path: Path | None, *, decimals: int) -> list[Rule]:
    """Return the rules of a JSON file: a list, or an object with `rules`, as the API takes it."""
    if path is None:
        return []
    try:
        body = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= RULES_FILE_BYTES_MAX else None
    except (OSError, ValueError):
        body = None
    listed = body.get("rules") if isinstance(body, dict) else body
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        problem = f"{path.name} is no JSON list of rules of at most {RULES_FILE_BYTES_MAX:,} bytes"
        raise RulesInvalid(problem=problem, place=Place(field="rules"))
    return [rule_from_text(each, decimals=decimals, field=f"rules[{index}]") for index, each in enumerate(listed)]


def tell_rules(rule_set: RuleSet | None, *, decimals: int, as_json: bool, waiting: Sequence[RuleSet] = ()) -> None:
    """Print a version of a security's rules, and those that wait for their day."""
    if as_json:
        later = [{**_body(each, decimals=decimals), "effective_at": f"{each.effective_at:%Y-%m-%dT%H:%M:%SZ}"} for each in waiting]
        typer.echo(json.dumps({**_body(rule_set, decimals=decimals), "waiting": later}))
        return
    if rule_set is None:
        typer.echo("no rules were ever set")
        return
    since = f"enforced by the chain since {rule_set.applied_at:%Y-%m-%d %H:%M:%S} UTC" if rule_set.applied_at else "not on the chain yet"
    typer.echo(f"version {rule_set.version}, {since}")
    _tell_sentences(rule_set, decimals=decimals)
    for each in waiting:
        typer.echo(f"version {each.version}, from {each.effective_at:%Y-%m-%d %H:%M:%S} UTC on")
        _tell_sentences(each, decimals=decimals)


def _tell_sentences(rule_set: RuleSet, *, decimals: int) -> None:
    for sentence in _sentences(rule_set.enforced, decimals=decimals) or ["no rules: every verified investor may hold it"]:
        typer.echo(f"  {sentence}")
    if rule_set.by_law:
        typer.echo(f"  of these by law: {', '.join(rule.rule_id for rule in rule_set.by_law)}")


def _sentences(rules: Sequence[Rule], *, decimals: int) -> list[str]:
    sentences = []
    for rule in rules:
        match rule:
            case CountryAllowed():
                what = f"only investors of {', '.join(rule.countries)} may receive"
            case CountryBlocked():
                what = f"nobody of {', '.join(rule.countries)} may receive"
            case MaximumBalancePerInvestor():
                what = f"one investor holds at most {show_shares(rule.shares, decimals=decimals)} shares"
            case SupplyCap():
                what = f"there are at most {show_shares(rule.shares, decimals=decimals)} shares"
            case HolderCap():
                what = f"at most {rule.holders:,} investors hold it"
            case _:
                sentence = further_sentence(rule, decimals=decimals)
                what = f"{sentence[:1].lower()}{sentence[1:]}"
        sentences.append(f"{what} ({rule.citation})")
    return sentences


def _body(rule_set: RuleSet | None, *, decimals: int) -> dict[str, Any]:
    if rule_set is None:
        return {"version": 0, "applied_at": None, "rules": [], "by_law": [], "enforced": []}
    rules, by_law, enforced = (
        [rule_as_text(rule, decimals=decimals) for rule in part] for part in (rule_set.rules, rule_set.by_law, rule_set.enforced)
    )
    applied_at = None if rule_set.applied_at is None else f"{rule_set.applied_at:%Y-%m-%dT%H:%M:%SZ}"
    return {"version": rule_set.version, "applied_at": applied_at, "rules": rules, "by_law": by_law, "enforced": enforced}
