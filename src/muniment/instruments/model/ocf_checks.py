# SPDX-License-Identifier: Apache-2.0
"""Checks of single Open Cap Table values (OCF 1.2.0): texts, numbers, dates, lists, and the types that objects share.

Which object has which field is in `ocf_fields`. Written from the format's published documentation.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

TEXT_CHARACTERS_MAX = 10_000
ITEMS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong in one object: where, a stable code and a sentence that shows nothing of the value itself."""

    field: str
    code: str
    problem: str


Check: TypeAlias = Callable[[Any, str], Iterator[Flaw]]


@dataclass(frozen=True, slots=True)
class Field:
    """What a field may hold and whether it must be there."""

    check: Check
    required: bool = False


Fields: TypeAlias = Mapping[str, Field]


def flaws_of(body: Any, fields: Fields, path: str = "") -> Iterator[Flaw]:
    """Yield every flaw of a JSON object against its field table; a field outside the table is told too, and kept by the caller."""
    if not isinstance(body, dict):
        yield Flaw(path, "ocf.wrong_type", "an object is needed")
        return
    for name, field in fields.items():
        where = f"{path}.{name}" if path else name
        if name in body:
            yield from field.check(body[name], where)
        elif field.required:
            yield Flaw(where, "ocf.missing_field", "the field is required")
    for name in body:
        if name not in fields:
            yield Flaw(f"{path}.{name}" if path else str(name), "ocf.unknown_field", "OCF 1.2.0 has no such field here; it is kept")


def anything(value: Any, path: str) -> Iterator[Flaw]:
    """Accept anything: for what is checked apart."""
    del value, path
    yield from ()


def text(value: Any, path: str) -> Iterator[Flaw]:
    """Accept a text."""
    if not isinstance(value, str):
        yield Flaw(path, "ocf.wrong_type", "a text is needed")
    elif len(value) > TEXT_CHARACTERS_MAX:
        yield Flaw(path, "ocf.too_long", f"a text has at most {TEXT_CHARACTERS_MAX} characters")


def shaped(pattern: str, described: str) -> Check:
    """Return a check for a text of a certain shape."""
    compiled = re.compile(pattern)

    def check(value: Any, path: str) -> Iterator[Flaw]:
        if not isinstance(value, str):
            yield Flaw(path, "ocf.wrong_type", f"{described} is needed, as a text")
        elif not compiled.fullmatch(value):
            yield Flaw(path, "ocf.wrong_form", f"{described} is needed")

    return check


def date(value: Any, path: str) -> Iterator[Flaw]:
    """Accept an ISO 8601 calendar date."""
    if not isinstance(value, str):
        yield Flaw(path, "ocf.wrong_type", "a date is needed, as a text")
        return
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            raise ValueError
        dt.date.fromisoformat(value)
    except ValueError:
        yield Flaw(path, "ocf.wrong_form", "a date as year-month-day is needed")


def instant(value: Any, path: str) -> Iterator[Flaw]:
    """Accept a date with a time and an offset (RFC 3339)."""
    if not isinstance(value, str):
        yield Flaw(path, "ocf.wrong_type", "an instant is needed, as a text")
        return
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})", value):
            raise ValueError
        dt.datetime.fromisoformat(value[:19].upper())
    except ValueError:
        yield Flaw(path, "ocf.wrong_form", "an instant such as 2026-01-31T12:00:00Z is needed")


def one_of(*allowed: str) -> Check:
    """Return a check for a word from a list."""

    def check(value: Any, path: str) -> Iterator[Flaw]:
        if value not in allowed or not isinstance(value, str):
            yield Flaw(path, "ocf.unknown_word", f"one of {', '.join(allowed)} is needed")

    return check


def listed(item: Check, *, items_min: int = 0, unique: bool = False) -> Check:
    """Return a check for a list whose items pass `item`."""

    def check(value: Any, path: str) -> Iterator[Flaw]:
        if not isinstance(value, list):
            yield Flaw(path, "ocf.wrong_type", "a list is needed")
            return
        if len(value) < items_min:
            yield Flaw(path, "ocf.too_few", f"at least {items_min} are needed")
        if len(value) > ITEMS_MAX:
            yield Flaw(path, "ocf.too_long", f"at most {ITEMS_MAX} are read")
            return
        if unique and len({repr(part) for part in value}) != len(value):
            yield Flaw(path, "ocf.repeated", "each may stand once")
        for index, part in enumerate(value):
            yield from item(part, f"{path}[{index}]")

    return check


def either(first: Check, second: Check, described: str) -> Check:
    """Return a check that passes what one of two checks passes."""

    def check(value: Any, path: str) -> Iterator[Flaw]:
        if any(first(value, path)) and any(second(value, path)):
            yield Flaw(path, "ocf.wrong_form", f"{described} is needed")

    return check


def whole(least: int | None = None) -> Check:
    """Return a check for a whole number, written as a JSON number."""
    described = "a whole number is needed" if least is None else f"a whole number of at least {least} is needed"

    def check(value: Any, path: str) -> Iterator[Flaw]:
        # JSON Schema takes 1.0 for a whole number, and true for none.
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or (least is not None and value < least):
            yield Flaw(path, "ocf.wrong_type", described)

    return check


def truth(value: Any, path: str) -> Iterator[Flaw]:
    """Accept true and false."""
    if not isinstance(value, bool):
        yield Flaw(path, "ocf.wrong_type", "true or false is needed")


def nothing_or(inner: Check) -> Check:
    """Return a check that passes null too."""

    def check(value: Any, path: str) -> Iterator[Flaw]:
        if value is not None:
            yield from inner(value, path)

    return check


def filled(value: Any, path: str) -> Iterator[Flaw]:
    """Accept a text of at least one character."""
    yield from text(value, path)
    if value == "":
        yield Flaw(path, "ocf.wrong_form", "a text that is not empty is needed")


Rule: TypeAlias = Callable[[Mapping[str, Any], str], Iterator[Flaw]]
"""What ties several fields of one object together."""


def nested(fields: Fields, *rules: Rule) -> Check:
    """Return a check for an object inside an object: its fields, and what ties them together."""

    def check(value: Any, path: str) -> Iterator[Flaw]:
        yield from flaws_of(value, fields, path)
        if isinstance(value, dict):
            for rule in rules:
                yield from rule(value, path)

    return check


def inside(path: str, name: str) -> str:
    """Return the dotted path of a field of the object at `path`."""
    return f"{path}.{name}" if path else name


def at_least_one_of(*names: str) -> Rule:
    """Return the rule that one of several fields must be there."""

    def rule(body: Mapping[str, Any], path: str) -> Iterator[Flaw]:
        if not any(name in body for name in names):
            yield Flaw(path or names[0], "ocf.missing_field", f"one of {', '.join(names)} is required")

    return rule


def exactly_one_of(*names: str) -> Rule:
    """Return the rule that one of several fields must be there, and only one."""

    def rule(body: Mapping[str, Any], path: str) -> Iterator[Flaw]:
        present = [name for name in names if name in body]
        if not present:
            yield Flaw(inside(path, names[0]), "ocf.missing_field", f"one of {', '.join(names)} is required")
        elif len(present) > 1:
            yield Flaw(inside(path, present[1]), "ocf.too_many", f"only one of {', '.join(names)} may stand here")

    return rule


def required_where(deciding: str, required: Mapping[str, str]) -> Rule:
    """Return the rule that a word in one field calls for another field."""

    def rule(body: Mapping[str, Any], path: str) -> Iterator[Flaw]:
        word = body.get(deciding)
        needed = required.get(word) if isinstance(word, str) else None
        if needed is not None and needed not in body:
            yield Flaw(inside(path, needed), "ocf.missing_field", f"the field is required where {deciding} is {word}")

    return rule


def by_type(checks: Mapping[str, Check]) -> Check:
    """Return a check for an object whose `type` says what else it holds."""
    known = one_of(*checks)

    def check(value: Any, path: str) -> Iterator[Flaw]:
        if not isinstance(value, dict):
            yield Flaw(path, "ocf.wrong_type", "an object is needed")
            return
        if "type" not in value:
            yield Flaw(inside(path, "type"), "ocf.missing_field", "the field is required")
            return
        unknown = next(known(value["type"], inside(path, "type")), None)
        if unknown is not None:
            yield unknown
        else:
            yield from checks[value["type"]](value, path)

    return check


def by_type_if_told(checks: Mapping[str, Check]) -> Check:
    """Return a check for an object whose `type` may be left out where all but one of the possible ones are ruled out."""
    named = by_type(checks)

    def check(value: Any, path: str) -> Iterator[Flaw]:
        if not isinstance(value, dict) or "type" in value:
            yield from named(value, path)
            return
        found = {type_: list(possible(value, path)) for type_, possible in checks.items()}
        fitting = [type_ for type_, flaws in found.items() if not flaws]
        if len(fitting) > 1:
            yield Flaw(inside(path, "type"), "ocf.missing_field", f"the field is required, for it could be {' or '.join(fitting)}")
        elif not fitting:
            yield from min(found.values(), key=len)

    return check


NUMBER_FORM = r"[+-]?[0-9]+(\.[0-9]{1,10})?"
numeric = shaped(NUMBER_FORM, "a number with at most ten decimals")
country = shaped(r"[A-Z]{2}", "a country in two capital letters")
subdivision = shaped(r"[A-Z0-9]{1,3}", "a subdivision in up to three capital letters or digits")
currency = shaped(r"[A-Z]{3}", "a currency in three capital letters")
percentage = shaped(r"0?(\.[0-9]{1,10})?|1(\.0{1,10})?", "a part of one, such as 0.25,")
md5 = shaped(r"[0-9a-fA-F]{32}", "an MD5 digest")
telephone = shaped(
    r"\+[0-9]{1,3}\s[0-9]{2,3}\s[0-9]{2,3}\s[0-9]{4}(\s(ext.|extension)\s[0-9]+)?", "a telephone number such as +1 612 234 2345"
)
email_address = shaped(r"[^@]*@.*", "an e-mail address")

monetary = nested({"amount": Field(numeric, required=True), "currency": Field(currency, required=True)})
ratio = nested({"numerator": Field(numeric, required=True), "denominator": Field(numeric, required=True)})
name_of = nested({"legal_name": Field(text, required=True), "first_name": Field(text), "last_name": Field(text)})
tax_id = nested({"tax_id": Field(text, required=True), "country": Field(country, required=True)})
email = nested(
    {
        "email_type": Field(one_of("PERSONAL", "BUSINESS", "OTHER"), required=True),
        "email_address": Field(email_address, required=True),
    }
)
phone = nested(
    {
        "phone_type": Field(one_of("HOME", "MOBILE", "BUSINESS", "OTHER"), required=True),
        "phone_number": Field(telephone, required=True),
    }
)
address = nested(
    {
        "address_type": Field(one_of("LEGAL", "CONTACT", "OTHER"), required=True),
        "street_suite": Field(text),
        "city": Field(text),
        "country_subdivision": Field(subdivision),
        "country": Field(country, required=True),
        "postal_code": Field(text),
    }
)
_CONTACT: Fields = {"phone_numbers": Field(listed(phone)), "emails": Field(listed(email))}
contact_info = nested({"name": Field(name_of, required=True), **_CONTACT}, at_least_one_of("phone_numbers", "emails"))
contact_info_without_name = nested(_CONTACT, at_least_one_of("phone_numbers", "emails"))
exemption = nested({"description": Field(text, required=True), "jurisdiction": Field(text, required=True)})
share_numbers = nested({"starting_share_number": Field(numeric, required=True), "ending_share_number": Field(numeric, required=True)})
vesting = nested({"date": Field(date, required=True), "amount": Field(numeric, required=True)})
authorized = either(one_of("NOT APPLICABLE", "UNLIMITED"), numeric, "a number, UNLIMITED or NOT APPLICABLE")
