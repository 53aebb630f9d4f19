# SPDX-License-Identifier: Apache-2.0
"""Rules as people write and read them: shares as decimal text, further rules in one sentence. What a rule means is in `rules`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from muniment.compliance.errors import RulesInvalid
from muniment.compliance.model.rules import (
    DAY_SECONDS,
    SHARE_LIMITS,
    CategoryHolderCap,
    CountryHolderCap,
    FurtherRule,
    HoldingPeriod,
    MinimumHolding,
    Rule,
    TransferApproval,
    TransferHours,
    TransferWindows,
    VenuesOnly,
    VolumeLimit,
    WholePosition,
    clock_text,
    rule_as_json,
    rule_from_json,
)
from muniment.units.errors import Place
from muniment.units.instants import instant_text
from muniment.units.money import parse_decimal
from muniment.units.shares import format_shares, show_shares


def rule_from_text(body: Mapping[str, Any], *, decimals: int, field: str = "rules") -> Rule:
    """Return the rule of a JSON form whose shares are a decimal text, not yet checked against its neighbours."""
    if body.get("kind") in SHARE_LIMITS:
        shares = body.get("shares")
        if not isinstance(shares, str):
            raise RulesInvalid(problem="shares are a decimal text", place=Place(field=f"{field}.shares"))
        units = parse_decimal(shares, decimals_max=decimals, unit="the security", field=f"{field}.shares")
        if units <= 0:
            raise RulesInvalid(problem="a limit is more than zero", place=Place(field=f"{field}.shares"))
        body = {**body, "shares": units}
    return rule_from_json(body, field=field)


def rule_as_text(rule: Rule, *, decimals: int) -> dict[str, Any]:
    """Return a rule's JSON form with its shares as a decimal text."""
    body = rule_as_json(rule)
    if rule.kind in SHARE_LIMITS:
        body["shares"] = format_shares(int(body["shares"]), decimals=decimals)
    return body


def further_sentence(rule: FurtherRule, *, decimals: int) -> str:
    """Return what a further rule says, as a sentence without its full stop."""
    match rule:
        case CountryHolderCap():
            return f"At most {rule.holders:,} investors of {rule.country} hold it"
        case CategoryHolderCap():
            return f"At most {rule.holders:,} investors of category {rule.category} hold it"
        case TransferWindows():
            windows = ", ".join(f"from {instant_text(each.opens_at)} to {instant_text(each.closes_at)}" for each in rule.windows)
            return f"Holders transfer only {windows}"
        case TransferHours():
            hours = f"from {clock_text(rule.opens_second)} to {clock_text(rule.closes_second)} UTC"
            return f"Holders transfer only {hours} on {', '.join(rule.weekdays)}"
        case VenuesOnly():
            return f"Holders transfer only through {len(rule.venues)} listed venue{'' if len(rule.venues) == 1 else 's'}"
        case TransferApproval():
            return "Holders transfer only what the transfer agent has approved"
        case WholePosition():
            return {
                (True, False): "An investor parts with all shares or none",
                (False, True): "Only who holds none receives from a holder",
                (True, True): "An investor parts with all shares or none, and only who holds none receives from a holder",
            }[rule.sends, rule.receives]
        case MinimumHolding():
            return f"An investor holds none or at least {show_shares(rule.shares, decimals=decimals)} shares"
        case HoldingPeriod():
            return f"What an investor acquired stays for {period_text(rule.period_seconds)}"
        case VolumeLimit():
            shown = show_shares(rule.shares, decimals=decimals)
            return f"An investor sends at most {shown} shares in {period_text(rule.period_seconds)}"
        case _:
            assert_never(rule)


def period_text(seconds: int) -> str:
    """Return a period in days where it is whole days, else in seconds."""
    days, rest = divmod(seconds, DAY_SECONDS)
    return f"{seconds:,} seconds" if rest else f"{days:,} day{'' if days == 1 else 's'}"
