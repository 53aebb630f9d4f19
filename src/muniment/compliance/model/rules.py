# SPDX-License-Identifier: Apache-2.0
"""The rules of a security, each with its id and where it is written, and their compiled form. Judging a transfer lives in `decision`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from muniment.compliance.errors import RulesInvalid
from muniment.parties.model import numeric_country, parse_country
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import SecurityId

ISSUER_RULE = "Issuer rule"
"""The citation of a rule that no law but the issuer's own charter makes."""

CITATION_CHARACTERS_MAX = 300
RULES_MAX = 5
COUNTRIES_MAX = 249
SHARES_LIMIT_MAX = 2**104 - 1
SUPPLY_LIMIT_MAX = 2**96 - 1
HOLDERS_LIMIT_MAX = 2**32 - 1

_RULE_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


@dataclass(frozen=True, slots=True)
class CountryAllowed:
    """Only investors of these countries (ISO 3166-1 alpha-2) may receive."""

    kind: ClassVar[str] = "country_allowed"
    rule_id: str
    citation: str
    countries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CountryBlocked:
    """Investors of these countries (ISO 3166-1 alpha-2) may not receive."""

    kind: ClassVar[str] = "country_blocked"
    rule_id: str
    citation: str
    countries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MaximumBalancePerInvestor:
    """An investor holds at most this, over all wallets; base units."""

    kind: ClassVar[str] = "maximum_balance"
    rule_id: str
    citation: str
    shares: int


@dataclass(frozen=True, slots=True)
class SupplyCap:
    """At most this is ever outstanding; base units."""

    kind: ClassVar[str] = "supply_cap"
    rule_id: str
    citation: str
    shares: int


@dataclass(frozen=True, slots=True)
class HolderCap:
    """At most so many investors hold the security."""

    kind: ClassVar[str] = "holder_cap"
    rule_id: str
    citation: str
    holders: int


Rule: TypeAlias = CountryAllowed | CountryBlocked | MaximumBalancePerInvestor | SupplyCap | HolderCap


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One version of a security's rules; a later version replaces it whole from its own instant on."""

    security_id: SecurityId
    version: int
    effective_at: dt.datetime
    rules: tuple[Rule, ...]
    applied_at: dt.datetime | None = None
    """When the chain was seen to enforce it."""


@dataclass(frozen=True, slots=True)
class ChainRules:
    """The rules as the compliance contract holds them; zero is no limit, mode 0 no country rule, 1 allow listed, 2 block listed."""

    maximum_balance: int = 0
    supply_cap: int = 0
    holder_cap: int = 0
    country_mode: int = 0
    countries: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape; amounts as text."""
        return {
            "maximum_balance": str(self.maximum_balance),
            "supply_cap": str(self.supply_cap),
            "holder_cap": self.holder_cap,
            "country_mode": self.country_mode,
            "countries": list(self.countries),
        }


def check_rules(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules with their countries in order; refuse a contradiction, a repeated kind, or a limit that no contract holds."""
    if len(rules) > RULES_MAX:
        raise RulesInvalid(problem=f"at most {RULES_MAX} rules", place=Place(field="rules"))
    checked = tuple(_check_rule(rule, f"rules[{index}]") for index, rule in enumerate(rules))
    kinds = [rule.kind for rule in checked]
    for index, kind in enumerate(kinds):
        if kind in kinds[:index]:
            raise RulesInvalid(problem=f"{kind} stands twice", place=Place(field=f"rules[{index}].kind"))
    if CountryAllowed.kind in kinds and CountryBlocked.kind in kinds:
        raise RulesInvalid(problem="countries are either allowed or blocked, not both", place=Place(field="rules"))
    return checked


def compile_rules(rules: Iterable[Rule]) -> ChainRules:
    """Return the rules in the contract's numbers; the rules are checked."""
    compiled: dict[str, Any] = {}
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
    return ChainRules(**compiled)


def rule_as_json(rule: Rule) -> dict[str, Any]:
    """Return a rule as plain JSON; amounts as text, so that no reader rounds them."""
    body: dict[str, Any] = {"kind": rule.kind, "rule_id": rule.rule_id, "citation": rule.citation}
    match rule:
        case CountryAllowed() | CountryBlocked():
            body["countries"] = list(rule.countries)
        case MaximumBalancePerInvestor() | SupplyCap():
            body["shares"] = str(rule.shares)
        case HolderCap():
            body["holders"] = rule.holders
    return body


def rule_from_json(body: Mapping[str, Any], *, field: str = "rules") -> Rule:
    """Return the rule that plain JSON describes, not yet checked against its neighbours; refuse an unknown kind or a wrong type."""
    kind = body.get("kind")
    rule_id, citation = str(body.get("rule_id") or f"issuer.{kind}"), str(body.get("citation") or ISSUER_RULE)
    known = {"kind", "rule_id", "citation", _FIELD_OF.get(str(kind), "")}
    unknown = sorted(set(body) - known)
    if kind in _FIELD_OF and unknown:
        raise RulesInvalid(problem=f"{kind} has no field {unknown[0]}", place=Place(field=f"{field}.{unknown[0]}"))
    match kind:
        case "country_allowed" | "country_blocked":
            countries = body.get("countries")
            if not isinstance(countries, (list, tuple)) or not all(isinstance(country, str) for country in countries):
                raise RulesInvalid(problem="a list of countries is needed", place=Place(field=f"{field}.countries"))
            made = CountryAllowed if kind == CountryAllowed.kind else CountryBlocked
            return made(rule_id, citation, tuple(countries))
        case "maximum_balance":
            return MaximumBalancePerInvestor(rule_id, citation, _whole(body.get("shares"), f"{field}.shares"))
        case "supply_cap":
            return SupplyCap(rule_id, citation, _whole(body.get("shares"), f"{field}.shares"))
        case "holder_cap":
            return HolderCap(rule_id, citation, _whole(body.get("holders"), f"{field}.holders"))
        case _:
            raise RulesInvalid(problem=f"kind is one of {', '.join(sorted(_FIELD_OF))}", place=Place(field=f"{field}.kind"))


_FIELD_OF: Mapping[str, str] = {
    CountryAllowed.kind: "countries",
    CountryBlocked.kind: "countries",
    MaximumBalancePerInvestor.kind: "shares",
    SupplyCap.kind: "shares",
    HolderCap.kind: "holders",
}


def _check_rule(rule: Rule, field: str) -> Rule:
    if not _RULE_ID.fullmatch(rule.rule_id):
        raise RulesInvalid(
            problem="a rule's id has up to 80 small letters, digits, points and dashes", place=Place(field=f"{field}.rule_id")
        )
    if not 1 <= len(rule.citation) <= CITATION_CHARACTERS_MAX or not rule.citation.isprintable():
        raise RulesInvalid(
            problem=f"a citation has 1 to {CITATION_CHARACTERS_MAX} printable characters", place=Place(field=f"{field}.citation")
        )
    match rule:
        case CountryAllowed() | CountryBlocked():
            if not 1 <= len(rule.countries) <= COUNTRIES_MAX:
                raise RulesInvalid(problem="at least one country is needed", place=Place(field=f"{field}.countries"))
            countries = sorted({_country(country, f"{field}.countries[{index}]") for index, country in enumerate(rule.countries)})
            return type(rule)(rule.rule_id, rule.citation, tuple(countries))
        case MaximumBalancePerInvestor():
            _within(rule.shares, SHARES_LIMIT_MAX, f"{field}.shares")
        case SupplyCap():
            _within(rule.shares, SUPPLY_LIMIT_MAX, f"{field}.shares")
        case HolderCap():
            _within(rule.holders, HOLDERS_LIMIT_MAX, f"{field}.holders")
    return rule


def _country(text: str, field: str) -> str:
    try:
        return parse_country(text, field=field)
    except MunimentError as refusal:
        raise RulesInvalid(problem=f"“{text}” is no country", place=Place(field=field)) from refusal


def _within(number: int, limit: int, field: str) -> None:
    if not 0 < number <= limit:
        raise RulesInvalid(problem=f"a limit is more than zero and at most {limit}", place=Place(field=field))


def _whole(value: Any, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise RulesInvalid(problem="a whole number is needed", place=Place(field=field))
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,40}", value):
        raise RulesInvalid(problem="a whole number is needed", place=Place(field=field))
    return int(value)


def _numbers(countries: Iterable[str]) -> tuple[int, ...]:
    return tuple(sorted(numeric_country(country) for country in countries))
