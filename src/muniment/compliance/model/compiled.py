# SPDX-License-Identifier: Apache-2.0
"""Rules as the contracts hold them: numbers, bits and addresses. What a rule says and where it is written is in `rules`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, assert_never

from muniment.compliance.model.rules import (
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
