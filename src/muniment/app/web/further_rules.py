# SPDX-License-Identifier: Apache-2.0
"""The fields of the rules form for what the contract of further rules enforces, read and filled. Which rules can be, compliance says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from muniment.app.web.forms import text_of
from muniment.app.web.views import Option
from muniment.compliance.errors import RulesInvalid
from muniment.compliance.model.rules import (
    DAY_SECONDS,
    ISSUER_RULE,
    CategoryHolderCap,
    CountryHolderCap,
    FurtherRule,
    HoldingPeriod,
    MinimumHolding,
    Rule,
    TransferApproval,
    TransferHours,
    TransferWindow,
    TransferWindows,
    VenuesOnly,
    VolumeLimit,
    WholePosition,
    clock_text,
    rule_from_json,
)
from muniment.units.errors import Place
from muniment.units.ids import Address
from muniment.units.instants import instant_text, parse_instant
from muniment.units.money import parse_decimal
from muniment.units.shares import format_shares, parse_shares

WHOLE_POSITIONS: Final = (
    Option("none", "Any number of shares moves"),
    Option("sends", "An investor parts with all or none"),
    Option("receives", "Only who holds none receives from a holder"),
    Option("both", "Both"),
)
APPROVALS: Final = (Option("none", "Transfers need no approval"), Option("needed", "The transfer agent approves each transfer"))

FIELD_OF: Final[Mapping[str, str]] = {
    CountryHolderCap.kind: "country_caps",
    CategoryHolderCap.kind: "category_caps",
    TransferWindows.kind: "windows",
    TransferHours.kind: "hours",
    VenuesOnly.kind: "venues",
    TransferApproval.kind: "approval",
    WholePosition.kind: "whole",
    MinimumHolding.kind: "minimum",
    HoldingPeriod.kind: "holding_days",
    VolumeLimit.kind: "volume",
}
"""The form's field of each kind."""

_CAP: Final = re.compile(r"\s*(\w{1,3})\s*[=: ]\s*([0-9]{1,10})\s*")
_VOLUME: Final = re.compile(r"\s*([0-9.]+)\s+in\s+([0-9]{1,5})\s+days?\s*")
_HOURS: Final = re.compile(r"\s*([a-z, ]+?)\s+([0-9:]{5,8})-([0-9:]{5,8})\s*", re.IGNORECASE)


def as_values(rules: Sequence[Rule], *, decimals: int) -> dict[str, str]:
    """Return the form's fields as rules fill them."""
    values = {"whole": "none", "approval": "none"}
    caps: dict[str, list[str]] = {}
    for rule in rules:
        match rule:
            case CountryHolderCap():
                caps.setdefault("country_caps", []).append(f"{rule.country} {rule.holders}")
            case CategoryHolderCap():
                caps.setdefault("category_caps", []).append(f"{rule.category} {rule.holders}")
            case TransferWindows():
                values["windows"] = ", ".join(f"{instant_text(each.opens_at)}/{instant_text(each.closes_at)}" for each in rule.windows)
            case TransferHours():
                values["hours"] = f"{', '.join(rule.weekdays)} {clock_text(rule.opens_second)}-{clock_text(rule.closes_second)}"
            case VenuesOnly():
                values["venues"] = ", ".join(rule.venues)
            case TransferApproval():
                values["approval"] = "needed"
            case WholePosition():
                values["whole"] = "both" if rule.sends and rule.receives else "sends" if rule.sends else "receives"
            case MinimumHolding():
                values["minimum"] = format_shares(rule.shares, decimals=decimals)
            case HoldingPeriod():
                # Rounded up: a form that is sent back as it came never shortens a period.
                values["holding_days"] = str(-(-rule.period_seconds // DAY_SECONDS))
            case VolumeLimit():
                days = -(-rule.period_seconds // DAY_SECONDS)
                values["volume"] = f"{format_shares(rule.shares, decimals=decimals)} in {days} days"
            case _:
                pass
    return values | {name: ", ".join(listed) for name, listed in caps.items()}


def rules_of(values: Mapping[str, Any], present: Sequence[Rule], *, decimals: int) -> list[FurtherRule]:
    """Return the further rules that the form means, not yet checked; one that stays keeps its id, and its source where none is named."""
    asked = text_of(values, "further_citation")
    known = {_subject(rule): rule for rule in present}

    def named(kind: str, subject: str | int = "") -> tuple[str, str]:
        before = known.get((kind, subject))
        rule_id = f"issuer.{kind}.{subject}".lower().rstrip(".") if before is None else before.rule_id
        return rule_id, asked or (ISSUER_RULE if before is None else before.citation)

    rules: list[FurtherRule] = []
    for country, holders in _caps(values, "country_caps"):
        rules.append(CountryHolderCap(*named(CountryHolderCap.kind, country.upper()), country.upper(), holders))
    for category, holders in _caps(values, "category_caps"):
        if not category.isdecimal():
            raise _not_understood("category_caps", "a category is a number")
        rules.append(CategoryHolderCap(*named(CategoryHolderCap.kind, int(category)), int(category), holders))
    if minimum := text_of(values, "minimum"):
        rules.append(MinimumHolding(*named(MinimumHolding.kind), int(parse_shares(minimum, decimals=decimals, field="minimum"))))
    if days := text_of(values, "holding_days"):
        number = parse_decimal(days, decimals_max=0, unit="a number of days", field="holding_days")
        rules.append(HoldingPeriod(*named(HoldingPeriod.kind), number * DAY_SECONDS))
    if volume := text_of(values, "volume"):
        found = _VOLUME.fullmatch(volume)
        if found is None:
            raise _not_understood("volume", "write it as “1000 in 90 days”")
        shares = int(parse_shares(found[1], decimals=decimals, field="volume"))
        rules.append(VolumeLimit(*named(VolumeLimit.kind), shares, int(found[2]) * DAY_SECONDS))
    whole = text_of(values, "whole")
    if whole in {"sends", "receives", "both"}:
        rules.append(WholePosition(*named(WholePosition.kind), sends=whole != "receives", receives=whole != "sends"))
    if text_of(values, "approval") == "needed":
        rules.append(TransferApproval(*named(TransferApproval.kind)))
    if venues := _listed(values, "venues"):
        rules.append(VenuesOnly(*named(VenuesOnly.kind), tuple(Address(venue) for venue in venues)))
    return [*rules, *_times(values, named(TransferHours.kind), named(TransferWindows.kind))]


def _times(values: Mapping[str, Any], hours_named: tuple[str, str], windows_named: tuple[str, str]) -> list[FurtherRule]:
    rules: list[FurtherRule] = []
    if hours := text_of(values, "hours"):
        found = _HOURS.fullmatch(hours)
        if found is None:
            raise _not_understood("hours", "write them as “mon, tue 09:00-17:30”")
        weekdays = re.split(r"[, ]+", found[1].strip().lower())
        rule_id, citation = hours_named
        body = {"kind": "transfer_hours", "rule_id": rule_id, "citation": citation, "weekdays": weekdays, "opens": found[2]}
        rule = rule_from_json({**body, "closes": found[3]})
        assert isinstance(rule, TransferHours), "the kind says so"
        rules.append(rule)
    windows = []
    for text in _listed(values, "windows"):
        opens_at, sign, closes_at = text.partition("/")
        if not sign:
            raise _not_understood("windows", "write each as “2027-03-01T00:00:00Z/2027-03-15T00:00:00Z”")
        windows.append(TransferWindow(parse_instant(opens_at, field="windows"), parse_instant(closes_at, field="windows")))
    if windows:
        rules.append(TransferWindows(*windows_named, tuple(windows)))
    return rules


def _subject(rule: Rule) -> tuple[str, str | int]:
    match rule:
        case CountryHolderCap():
            return rule.kind, rule.country
        case CategoryHolderCap():
            return rule.kind, rule.category
        case _:
            return rule.kind, ""


def _listed(values: Mapping[str, Any], name: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,;\n]+", text_of(values, name)) if part.strip()]


def _caps(values: Mapping[str, Any], name: str) -> list[tuple[str, int]]:
    caps = []
    for text in _listed(values, name):
        found = _CAP.fullmatch(text)
        if found is None:
            raise _not_understood(name, "write each as “US 35”" if name == "country_caps" else "write each as “1 35”")
        caps.append((found[1], int(found[2])))
    return caps


def _not_understood(name: str, problem: str) -> RulesInvalid:
    return RulesInvalid(problem=problem, place=Place(field=name))
