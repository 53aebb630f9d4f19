# SPDX-License-Identifier: Apache-2.0
"""Rules as the contracts hold them: numbers, bits and addresses. What a rule says and where it is written is in `rules`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from muniment.compliance.model.rules import (
    VENUES_MAX,
    WEEKDAYS,
    CategoryHolderCap,
    CountryAllowed,
    CountryBlocked,
    CountryHolderCap,
    HolderCap,
    HoldingPeriod,
    MaximumBalancePerInvestor,
    MinimumHolding,
    Rule,
    SupplyCap,
    TransferApproval,
    TransferHours,
    TransferWindows,
    VenuesOnly,
    VolumeLimit,
    WholePosition,
)
from muniment.parties.model import numeric_country
from muniment.units.ids import Address
from muniment.units.instants import unix_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherRules:
    """What the contract of further rules holds of a token; zero, empty and False are no rule.

    Caps are pairs of country (ISO 3166-1 numeric) or category and holders; windows pairs of Unix seconds; hours are the opening and
    closing second of the day in UTC; bit 0 of `weekdays` is Monday; amounts are in base units.
    """

    country_caps: tuple[tuple[int, int], ...] = ()
    category_caps: tuple[tuple[int, int], ...] = ()
    windows: tuple[tuple[int, int], ...] = ()
    hours: tuple[int, int] = (0, 0)
    weekdays: int = 0
    venues_only: bool = False
    venues: tuple[Address, ...] = ()
    approval_needed: bool = False
    sends_whole: bool = False
    receives_whole: bool = False
    minimum_holding: int = 0
    holding_period_seconds: int = 0
    volume_max: int = 0
    volume_period_seconds: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether no rule is on."""
        return self == NO_FURTHER_RULES

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape; amounts as text."""
        return {
            "country_caps": {str(country): holders for country, holders in self.country_caps},
            "category_caps": {str(category): holders for category, holders in self.category_caps},
            "windows": [list(window) for window in self.windows],
            "hours": list(self.hours),
            "weekdays": self.weekdays,
            "venues_only": self.venues_only,
            "venues": list(self.venues),
            "approval_needed": self.approval_needed,
            "sends_whole": self.sends_whole,
            "receives_whole": self.receives_whole,
            "minimum_holding": str(self.minimum_holding),
            "holding_period_seconds": self.holding_period_seconds,
            "volume_max": str(self.volume_max),
            "volume_period_seconds": self.volume_period_seconds,
        }


NO_FURTHER_RULES = FurtherRules()


@dataclass(frozen=True, slots=True)
class ChainRules:
    """The rules as the contracts hold them; zero is no limit, mode 0 no country rule, 1 allow listed, 2 block listed."""

    maximum_balance: int = 0
    supply_cap: int = 0
    holder_cap: int = 0
    country_mode: int = 0
    countries: tuple[int, ...] = ()
    further: FurtherRules = field(default=NO_FURTHER_RULES)
    foreign_contract: Address | None = None
    """A contract of further rules that is asked and is not the issuer's own: what it enforces, nobody here knows."""

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape; amounts as text."""
        body: dict[str, Any] = {
            "maximum_balance": str(self.maximum_balance),
            "supply_cap": str(self.supply_cap),
            "holder_cap": self.holder_cap,
            "country_mode": self.country_mode,
            "countries": list(self.countries),
        }
        if not self.further.is_empty:
            body["further"] = self.further.as_json()
        if self.foreign_contract is not None:
            body["foreign_contract"] = self.foreign_contract
        return body


def compile_rules(rules: Iterable[Rule]) -> ChainRules:
    """Return the rules in the contracts' numbers; the rules are checked."""
    compiled: dict[str, Any] = {}
    further: dict[str, Any] = {}
    country_caps: dict[int, int] = {}
    category_caps: dict[int, int] = {}
    for rule in rules:
        match rule:
            case CountryAllowed():
                compiled |= {"country_mode": 1, "countries": _numbers(rule.countries)}
            case CountryBlocked():
                compiled |= {"country_mode": 2, "countries": _numbers(rule.countries)}
            case MaximumBalancePerInvestor():
                compiled["maximum_balance"] = rule.shares
            case SupplyCap():
                compiled["supply_cap"] = rule.shares
            case HolderCap():
                compiled["holder_cap"] = rule.holders
            case CountryHolderCap():
                country_caps[numeric_country(rule.country)] = rule.holders
            case CategoryHolderCap():
                category_caps[rule.category] = rule.holders
            case TransferWindows():
                further["windows"] = tuple((unix_seconds(each.opens_at), unix_seconds(each.closes_at)) for each in rule.windows)
            case TransferHours():
                weekdays = sum(1 << place for place, weekday in enumerate(WEEKDAYS) if weekday in rule.weekdays)
                further |= {"hours": (rule.opens_second, rule.closes_second), "weekdays": weekdays}
            case VenuesOnly():
                further |= {"venues_only": True, "venues": tuple(sorted(rule.venues))}
            case TransferApproval():
                further["approval_needed"] = True
            case WholePosition():
                further |= {"sends_whole": rule.sends, "receives_whole": rule.receives}
            case MinimumHolding():
                further["minimum_holding"] = rule.shares
            case HoldingPeriod():
                further["holding_period_seconds"] = rule.period_seconds
            case VolumeLimit():
                further |= {"volume_max": rule.shares, "volume_period_seconds": rule.period_seconds}
            case _:
                assert_never(rule)
    caps = {"country_caps": tuple(sorted(country_caps.items())), "category_caps": tuple(sorted(category_caps.items()))}
    return ChainRules(**compiled, further=FurtherRules(**caps, **further))


def _numbers(countries: Iterable[str]) -> tuple[int, ...]:
    return tuple(sorted(numeric_country(country) for country in countries))


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherState:
    """What the contract of further rules holds of a token beside its rules: what is on, and what an earlier rule left behind."""

    rules: FurtherRules = NO_FURTHER_RULES
    compliance: Address | None = None
    """Which contract tells it what has moved; None for none."""
    counts_by_country: bool = False
    counts_by_category: bool = False
    venues_listed: tuple[Address, ...] = ()
    """Whether or not only venues may transfer."""


@dataclass(frozen=True, slots=True)
class FurtherStep:
    """One call of the contract of further rules; the token comes before the arguments."""

    function: str
    arguments: tuple[object, ...]
    entries: int = 1
    """How many things it writes, for its gas."""


HOLDERS_AT_ONCE = 50


def further_steps(found: FurtherState, wanted: FurtherRules, *, is_attached: bool, holders: Sequence[Address]) -> list[FurtherStep]:
    """Return the calls that lead from what the contract holds to what is wanted; none where it is that already.

    Investors who hold already (`holders`, their wallets) are counted where counting begins. A contract that was not asked (`is_attached`
    False) has missed moves: what it counted is counted anew.
    """
    had = found.rules
    by_country = _cap_steps(
        "country", had.country_caps, wanted.country_caps, counts=found.counts_by_country and is_attached, was_on=found.counts_by_country
    )
    by_category = _cap_steps(
        "category",
        had.category_caps,
        wanted.category_caps,
        counts=found.counts_by_category and is_attached,
        was_on=found.counts_by_category,
    )
    steps = [*by_country, *by_category]
    if any(step.function.startswith("count_by") and step.arguments == (True,) for step in steps):
        for start in range(0, len(holders), HOLDERS_AT_ONCE):
            some = list(holders[start : start + HOLDERS_AT_ONCE])
            steps.append(FurtherStep("count_holders", (some,), len(some)))

    def step(function: str, *arguments: object, entries: int = 1) -> None:
        steps.append(FurtherStep(function, arguments, entries))

    if had.windows != wanted.windows:
        opens, closes = ([window[place] for window in wanted.windows] for place in (0, 1))
        step("set_transfer_windows", bool(wanted.windows), opens, closes, entries=1 + len(opens))
    if (had.hours, had.weekdays) != (wanted.hours, wanted.weekdays):
        step("set_transfer_hours", *wanted.hours, wanted.weekdays)
    if wanted.venues_only:
        for venues, is_listed in (
            (set(found.venues_listed) - set(wanted.venues), False),
            (set(wanted.venues) - set(found.venues_listed), True),
        ):
            for start in range(0, len(venues), VENUES_MAX):
                some = sorted(venues)[start : start + VENUES_MAX]
                step("list_venues", some, is_listed, entries=len(some))
    if had.venues_only != wanted.venues_only:
        step("set_venues_only", wanted.venues_only)
    if had.approval_needed != wanted.approval_needed:
        step("set_approval_needed", wanted.approval_needed)
    if (had.sends_whole, had.receives_whole) != (wanted.sends_whole, wanted.receives_whole):
        step("set_whole_position", wanted.sends_whole, wanted.receives_whole)
    if had.minimum_holding != wanted.minimum_holding:
        step("set_minimum_holding", wanted.minimum_holding)
    if had.holding_period_seconds != wanted.holding_period_seconds:
        step("set_holding_period", wanted.holding_period_seconds)
    if (had.volume_max, had.volume_period_seconds) != (wanted.volume_max, wanted.volume_period_seconds):
        step("set_volume_limit", wanted.volume_max, wanted.volume_period_seconds)
    return steps


def _cap_steps(
    kind: str, had: Sequence[tuple[int, int]], wanted: Sequence[tuple[int, int]], *, counts: bool, was_on: bool
) -> list[FurtherStep]:
    """Return the calls that bring the caps of a kind; counting is begun anew, from zero and without caps, where it does not count yet."""
    steps = []
    if was_on and (not wanted or not counts):
        steps.append(FurtherStep(f"count_by_{kind}", (False,)))
    if wanted and not counts:
        steps.append(FurtherStep(f"count_by_{kind}", (True,)))
    before, after = dict(had) if counts else dict[int, int](), dict(wanted)
    if wanted:
        changed = [group for group in sorted(before.keys() | after.keys()) if before.get(group) != after.get(group)]
        steps += [FurtherStep(f"set_{kind}_cap", (group, group in after, after.get(group, 0))) for group in changed]
    return steps
