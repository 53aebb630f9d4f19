# SPDX-License-Identifier: Apache-2.0
"""The rules of a security, each with its id and where it is written. How the chain holds them is in `compiled`, judging in `decision`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias, assert_never

from muniment.compliance.errors import RulesInvalid
from muniment.parties.model import parse_address, parse_country
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address, SecurityId
from muniment.units.instants import instant_text, parse_instant, unix_seconds

ISSUER_RULE = "Issuer rule"
"""The citation of a rule that no law but the issuer's own charter makes."""

CITATION_CHARACTERS_MAX = 300
RULES_MAX = 64
COUNTRIES_MAX = 249
SHARES_LIMIT_MAX = 2**96 - 1
"""What the contract keeps of a maximum, and of the supply; base units."""
HOLDERS_LIMIT_MAX = 2**32 - 1
CATEGORY_MAX = 255
WINDOWS_MAX = 16
VENUES_MAX = 100
SECONDS_LIMIT_MAX = 2**32 - 1
DAY_SECONDS = 86_400
INSTANT_SECONDS_MAX = 253402300799
"""The end of the year 9999, which every calendar can show; Unix seconds."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_RULE_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_CLOCK = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9]))?")


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


@dataclass(frozen=True, slots=True)
class CountryHolderCap:
    """At most so many investors of one country (ISO 3166-1 alpha-2) hold the security; zero lets nobody of it become a holder."""

    kind: ClassVar[str] = "country_holder_cap"
    rule_id: str
    citation: str
    country: str
    holders: int


@dataclass(frozen=True, slots=True)
class CategoryHolderCap:
    """At most so many investors of one category hold the security; category 0 is whoever was put in no other."""

    kind: ClassVar[str] = "category_holder_cap"
    rule_id: str
    citation: str
    category: int
    holders: int


@dataclass(frozen=True, slots=True)
class TransferWindow:
    """A time in which holders may transfer: `opens_at` included, `closes_at` not; whole seconds."""

    opens_at: dt.datetime
    closes_at: dt.datetime


@dataclass(frozen=True, slots=True)
class TransferWindows:
    """Holders may transfer only within one of these windows, which are in order and do not overlap."""

    kind: ClassVar[str] = "transfer_windows"
    rule_id: str
    citation: str
    windows: tuple[TransferWindow, ...]


@dataclass(frozen=True, slots=True)
class TransferHours:
    """Holders may transfer only on these weekdays, from one second of the day (UTC) to before another."""

    kind: ClassVar[str] = "transfer_hours"
    rule_id: str
    citation: str
    opens_second: int
    closes_second: int
    weekdays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VenuesOnly:
    """Holders may transfer only through these venues: one of them sends, receives, or announced the transfer in its transaction."""

    kind: ClassVar[str] = "venues_only"
    rule_id: str
    citation: str
    venues: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class TransferApproval:
    """Holders may transfer only what the transfer agent has approved: this sender, this recipient, this many shares."""

    kind: ClassVar[str] = "transfer_approval"
    rule_id: str
    citation: str


@dataclass(frozen=True, slots=True)
class WholePosition:
    """`sends`: an investor parts with all that is held or nothing. `receives`: only who holds nothing may receive from a holder."""

    kind: ClassVar[str] = "whole_position"
    rule_id: str
    citation: str
    sends: bool
    receives: bool


@dataclass(frozen=True, slots=True)
class MinimumHolding:
    """An investor holds nothing or at least this, over all wallets; base units."""

    kind: ClassVar[str] = "minimum_holding"
    rule_id: str
    citation: str
    shares: int


@dataclass(frozen=True, slots=True)
class HoldingPeriod:
    """What an investor acquired stays for so many seconds, lot by lot, first in, first out; counted from when the rule is enforced."""

    kind: ClassVar[str] = "holding_period"
    rule_id: str
    citation: str
    period_seconds: int


@dataclass(frozen=True, slots=True)
class VolumeLimit:
    """An investor sends at most this (base units) in each period; periods follow each other from 1970-01-01 on."""

    kind: ClassVar[str] = "volume_limit"
    rule_id: str
    citation: str
    shares: int
    period_seconds: int


FurtherRule: TypeAlias = (
    CountryHolderCap
    | CategoryHolderCap
    | TransferWindows
    | TransferHours
    | VenuesOnly
    | TransferApproval
    | WholePosition
    | MinimumHolding
    | HoldingPeriod
    | VolumeLimit
)
"""What the contract of further rules enforces (contracts/compliance/transfer_rules.vy)."""

Rule: TypeAlias = CountryAllowed | CountryBlocked | MaximumBalancePerInvestor | SupplyCap | HolderCap | FurtherRule

SHARE_LIMITS = frozenset({MaximumBalancePerInvestor.kind, SupplyCap.kind, MinimumHolding.kind, VolumeLimit.kind})
"""The kinds whose limit is a number of shares: base units inside, a decimal text outside."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One version of a security's rules; a later version replaces it whole from its own instant on.

    The issuer's rules and what packs of law add are kept apart, so that neither is lost when the other changes.
    """

    security_id: SecurityId
    version: int
    effective_at: dt.datetime
    rules: tuple[Rule, ...]
    """What the issuer set."""
    by_law: tuple[Rule, ...]
    """What the packs let the chain enforce; empty where they were not brought to it."""
    enforced: tuple[Rule, ...]
    """Both together, as the chain holds them."""
    applied_at: dt.datetime | None = None
    """When the chain was seen to enforce it."""


def standing(versions: Sequence[RuleSet], *, at: dt.datetime) -> tuple[RuleSet | None, tuple[RuleSet, ...]]:
    """Return the version that counts at an instant, and those that will, by their day; of versions that have begun the newest counts."""
    begun = [version for version in versions if version.effective_at <= at]
    waiting = [
        version
        for version in versions
        if version.effective_at > at
        and not any(other.version > version.version and other.effective_at <= version.effective_at for other in versions)
    ]
    present = max(begun, key=lambda version: version.version, default=None)
    return present, tuple(sorted(waiting, key=lambda version: version.effective_at))


def check_rules(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules with their lists in order; refuse a contradiction, a repeated kind, or a limit that no contract holds."""
    if len(rules) > RULES_MAX:
        raise RulesInvalid(problem=f"at most {RULES_MAX} rules", place=Place(field="rules"))
    checked = tuple(_check_rule(rule, f"rules[{index}]") for index, rule in enumerate(rules))
    seen: set[object] = set()
    for index, rule in enumerate(checked):
        # A country or a category has a cap of its own, everything else one rule of its kind.
        subject = rule.country if isinstance(rule, CountryHolderCap) else rule.category if isinstance(rule, CategoryHolderCap) else None
        if (rule.kind, subject) in seen:
            named = rule.kind if subject is None else f"{rule.kind} of {subject}"
            raise RulesInvalid(problem=f"{named} stands twice", place=Place(field=f"rules[{index}].kind"))
        seen.add((rule.kind, subject))
    _check_together(checked)
    return checked


def rule_as_json(rule: Rule) -> dict[str, Any]:
    """Return a rule as plain JSON; amounts as text, so that no reader rounds them."""
    body: dict[str, Any] = {"kind": rule.kind, "rule_id": rule.rule_id, "citation": rule.citation}
    match rule:
        case CountryAllowed() | CountryBlocked():
            body["countries"] = list(rule.countries)
        case MaximumBalancePerInvestor() | SupplyCap() | MinimumHolding():
            body["shares"] = str(rule.shares)
        case HolderCap():
            body["holders"] = rule.holders
        case CountryHolderCap():
            body |= {"country": rule.country, "holders": rule.holders}
        case CategoryHolderCap():
            body |= {"category": rule.category, "holders": rule.holders}
        case TransferWindows():
            body["windows"] = [
                {"opens_at": instant_text(window.opens_at), "closes_at": instant_text(window.closes_at)} for window in rule.windows
            ]
        case TransferHours():
            body |= {
                "opens": clock_text(rule.opens_second),
                "closes": clock_text(rule.closes_second),
                "weekdays": list(rule.weekdays),
            }
        case VenuesOnly():
            body["venues"] = list(rule.venues)
        case WholePosition():
            body |= {"sends": rule.sends, "receives": rule.receives}
        case HoldingPeriod():
            body["period_seconds"] = rule.period_seconds
        case VolumeLimit():
            body |= {"shares": str(rule.shares), "period_seconds": rule.period_seconds}
        case TransferApproval():
            pass
        case _:
            assert_never(rule)
    return body


def rule_from_json(body: Mapping[str, Any], *, field: str = "rules") -> Rule:
    """Return the rule that plain JSON describes, not yet checked against its neighbours; refuse an unknown kind or a wrong type."""
    kind = body.get("kind")
    if not isinstance(kind, str) or kind not in _FIELDS_OF:
        raise RulesInvalid(problem=f"kind is one of {', '.join(sorted(_FIELDS_OF))}", place=Place(field=f"{field}.kind"))
    unknown = sorted(set(body) - {"kind", "rule_id", "citation", *_FIELDS_OF[kind]})
    if unknown:
        raise RulesInvalid(problem=f"{kind} has no field {unknown[0]}", place=Place(field=f"{field}.{unknown[0]}"))
    named = (str(body.get("rule_id") or f"issuer.{kind}"), str(body.get("citation") or ISSUER_RULE))

    def whole(name: str) -> int:
        return _whole(body.get(name), f"{field}.{name}")

    match kind:
        case "country_allowed":
            return CountryAllowed(*named, _texts(body, "countries", field))
        case "country_blocked":
            return CountryBlocked(*named, _texts(body, "countries", field))
        case "maximum_balance":
            return MaximumBalancePerInvestor(*named, whole("shares"))
        case "supply_cap":
            return SupplyCap(*named, whole("shares"))
        case "holder_cap":
            return HolderCap(*named, whole("holders"))
        case "country_holder_cap":
            return CountryHolderCap(*named, _text(body, "country", field), whole("holders"))
        case "category_holder_cap":
            return CategoryHolderCap(*named, whole("category"), whole("holders"))
        case "transfer_windows":
            return TransferWindows(*named, _windows(body.get("windows"), f"{field}.windows"))
        case "transfer_hours":
            opens, closes = (_clock(_text(body, name, field), f"{field}.{name}") for name in ("opens", "closes"))
            return TransferHours(*named, opens, closes, _texts(body, "weekdays", field))
        case "venues_only":
            return VenuesOnly(*named, tuple(Address(venue) for venue in _texts(body, "venues", field)))
        case "transfer_approval":
            return TransferApproval(*named)
        case "whole_position":
            return WholePosition(*named, _flag(body, "sends", field), _flag(body, "receives", field))
        case "minimum_holding":
            return MinimumHolding(*named, whole("shares"))
        case "holding_period":
            return HoldingPeriod(*named, whole("period_seconds"))
        case _:
            assert kind == VolumeLimit.kind, "every kind has its fields above"
            return VolumeLimit(*named, whole("shares"), whole("period_seconds"))


def clock_text(second: int) -> str:
    """Return a second of the day as HH:MM, with seconds where there are any; the end of the day is 24:00."""
    text = f"{second // 3600:02}:{second // 60 % 60:02}"
    return f"{text}:{second % 60:02}" if second % 60 else text


_FIELDS_OF: Mapping[str, tuple[str, ...]] = {
    CountryAllowed.kind: ("countries",),
    CountryBlocked.kind: ("countries",),
    MaximumBalancePerInvestor.kind: ("shares",),
    SupplyCap.kind: ("shares",),
    HolderCap.kind: ("holders",),
    CountryHolderCap.kind: ("country", "holders"),
    CategoryHolderCap.kind: ("category", "holders"),
    TransferWindows.kind: ("windows",),
    TransferHours.kind: ("opens", "closes", "weekdays"),
    VenuesOnly.kind: ("venues",),
    TransferApproval.kind: (),
    WholePosition.kind: ("sends", "receives"),
    MinimumHolding.kind: ("shares",),
    HoldingPeriod.kind: ("period_seconds",),
    VolumeLimit.kind: ("shares", "period_seconds"),
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
            return replace(rule, countries=tuple(countries))
        case MaximumBalancePerInvestor() | SupplyCap() | MinimumHolding():
            _within(rule.shares, SHARES_LIMIT_MAX, f"{field}.shares")
        case HolderCap():
            _within(rule.holders, HOLDERS_LIMIT_MAX, f"{field}.holders")
        case CountryHolderCap():
            _at_most(rule.holders, HOLDERS_LIMIT_MAX, f"{field}.holders")
            return replace(rule, country=_country(rule.country, f"{field}.country"))
        case CategoryHolderCap():
            _at_most(rule.category, CATEGORY_MAX, f"{field}.category")
            _at_most(rule.holders, HOLDERS_LIMIT_MAX, f"{field}.holders")
        case TransferWindows():
            _check_windows(rule.windows, f"{field}.windows")
        case TransferHours():
            return _check_hours(rule, field)
        case VenuesOnly():
            if not 1 <= len(rule.venues) <= VENUES_MAX:
                raise RulesInvalid(problem=f"1 to {VENUES_MAX} venues are needed", place=Place(field=f"{field}.venues"))
            venues = sorted({_address(venue, f"{field}.venues[{index}]") for index, venue in enumerate(rule.venues)})
            return replace(rule, venues=tuple(venues))
        case WholePosition():
            if not rule.sends and not rule.receives:
                raise RulesInvalid(problem="a whole position binds who sends, who receives, or both", place=Place(field=f"{field}.sends"))
        case HoldingPeriod():
            _within(rule.period_seconds, SECONDS_LIMIT_MAX, f"{field}.period_seconds")
        case VolumeLimit():
            _within(rule.shares, SHARES_LIMIT_MAX, f"{field}.shares")
            _within(rule.period_seconds, SECONDS_LIMIT_MAX, f"{field}.period_seconds")
        case TransferApproval():
            pass
        case _:
            assert_never(rule)
    return rule


def _check_together(rules: Sequence[Rule]) -> None:
    """Refuse rules of which one makes the other senseless."""
    kinds = {rule.kind: rule for rule in rules}
    allowed, blocked = kinds.get(CountryAllowed.kind), kinds.get(CountryBlocked.kind)
    if allowed is not None and blocked is not None:
        raise RulesInvalid(problem="countries are either allowed or blocked, not both", place=Place(field="rules"))
    minimum = kinds.get(MinimumHolding.kind)
    for index, rule in enumerate(rules):
        if isinstance(minimum, MinimumHolding) and isinstance(rule, MaximumBalancePerInvestor | SupplyCap) and rule.shares < minimum.shares:
            raise RulesInvalid(problem="nobody could hold the minimum under this limit", place=Place(field=f"rules[{index}].shares"))
        if isinstance(rule, CountryHolderCap):
            is_out = isinstance(allowed, CountryAllowed) and rule.country not in allowed.countries
            is_out = is_out or (isinstance(blocked, CountryBlocked) and rule.country in blocked.countries)
            if is_out:
                problem = f"nobody of {rule.country} may receive at all, so a cap on its holders has no meaning"
                raise RulesInvalid(problem=problem, place=Place(field=f"rules[{index}].country"))


def _check_windows(windows: Sequence[TransferWindow], field: str) -> None:
    if not 1 <= len(windows) <= WINDOWS_MAX:
        raise RulesInvalid(problem=f"1 to {WINDOWS_MAX} windows are needed", place=Place(field=field))
    previous = 0
    for index, window in enumerate(windows):
        place = Place(field=f"{field}[{index}]")
        if window.opens_at.microsecond or window.closes_at.microsecond:
            raise RulesInvalid(problem="the chain counts whole seconds", place=place)
        opens, closes = unix_seconds(window.opens_at), unix_seconds(window.closes_at)
        if not previous <= opens < closes <= INSTANT_SECONDS_MAX:
            raise RulesInvalid(problem="windows are in order, and each closes after it opens", place=place)
        previous = closes


def _check_hours(rule: TransferHours, field: str) -> TransferHours:
    if not 0 <= rule.opens_second < rule.closes_second <= DAY_SECONDS:
        raise RulesInvalid(problem="hours close after they open, by 24:00 at the latest", place=Place(field=f"{field}.closes"))
    for index, weekday in enumerate(rule.weekdays):
        if weekday not in WEEKDAYS:
            raise RulesInvalid(problem=f"a weekday is one of {', '.join(WEEKDAYS)}", place=Place(field=f"{field}.weekdays[{index}]"))
    if not rule.weekdays:
        raise RulesInvalid(problem="at least one weekday is needed", place=Place(field=f"{field}.weekdays"))
    return replace(rule, weekdays=tuple(weekday for weekday in WEEKDAYS if weekday in rule.weekdays))


def _country(text: str, field: str) -> str:
    try:
        return parse_country(text, field=field)
    except MunimentError as refusal:
        raise RulesInvalid(problem=f"“{text}” is no country", place=Place(field=field)) from refusal


def _address(text: str, field: str) -> Address:
    try:
        return parse_address(text, field=field)
    except MunimentError as refusal:
        raise RulesInvalid(problem=f"“{text[:60]}” is no address with its checksum", place=Place(field=field)) from refusal


def _at_most(number: int, limit: int, field: str) -> None:
    if not 0 <= number <= limit:
        raise RulesInvalid(problem=f"a number from 0 to {limit} is needed", place=Place(field=field))


def _within(number: int, limit: int, field: str) -> None:
    if not 0 < number <= limit:
        raise RulesInvalid(problem=f"a limit is more than zero and at most {limit}", place=Place(field=field))


def _whole(value: Any, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise RulesInvalid(problem="a whole number is needed", place=Place(field=field))
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,40}", value):
        raise RulesInvalid(problem="a whole number is needed", place=Place(field=field))
    return int(value)


def _text(body: Mapping[str, Any], name: str, field: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise RulesInvalid(problem="a text is needed", place=Place(field=f"{field}.{name}"))
    return value


def _texts(body: Mapping[str, Any], name: str, field: str) -> tuple[str, ...]:
    values = body.get(name)
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
        raise RulesInvalid(problem=f"a list of {name} is needed", place=Place(field=f"{field}.{name}"))
    return tuple(values)


def _flag(body: Mapping[str, Any], name: str, field: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise RulesInvalid(problem="true or false is needed", place=Place(field=f"{field}.{name}"))
    return value


def _windows(value: Any, field: str) -> tuple[TransferWindow, ...]:
    if not isinstance(value, (list, tuple)):
        raise RulesInvalid(problem="a list of windows is needed", place=Place(field=field))
    windows = []
    for index, each in enumerate(value):
        place = f"{field}[{index}]"
        if not isinstance(each, Mapping) or set(each) != {"opens_at", "closes_at"}:
            raise RulesInvalid(problem="a window has opens_at and closes_at", place=Place(field=place))
        opens_at, closes_at = (_instant(_text(each, name, place), f"{place}.{name}") for name in ("opens_at", "closes_at"))
        windows.append(TransferWindow(opens_at, closes_at))
    return tuple(windows)


def _instant(text: str, field: str) -> dt.datetime:
    try:
        return parse_instant(text, field=field)
    except MunimentError as refusal:
        raise RulesInvalid(problem="an instant has date, time and zone", place=Place(field=field)) from refusal


def _clock(text: str, field: str) -> int:
    found = _CLOCK.fullmatch(text)
    if not found:
        raise RulesInvalid(problem="a time of the day is HH:MM or HH:MM:SS in UTC", place=Place(field=field))
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
