# SPDX-License-Identifier: Apache-2.0
"""Which fields an Open Cap Table object (OCF 1.2.0) has and what each may hold; finds every flaw in one. Packages live in `ocf`.

Written from the format's published documentation; tests hold these tables against the published schemas.
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


def any_value(value: Any, path: str) -> Iterator[Flaw]:
    """Accept anything: for parts that this version keeps without reading."""
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


def nested(fields: Fields, *, needs_one_of: tuple[str, ...] = ()) -> Check:
    """Return a check for an object inside an object."""

    def check(value: Any, path: str) -> Iterator[Flaw]:
        yield from flaws_of(value, fields, path)
        if isinstance(value, dict) and needs_one_of and not any(name in value for name in needs_one_of):
            yield Flaw(path, "ocf.missing_field", f"one of {', '.join(needs_one_of)} is required")

    return check


NUMBER_FORM = r"[+-]?[0-9]+(\.[0-9]{1,10})?"
numeric = shaped(NUMBER_FORM, "a number with at most ten decimals")
country = shaped(r"[A-Z]{2}", "a country in two capital letters")
subdivision = shaped(r"[A-Z0-9]{1,3}", "a subdivision in up to three capital letters or digits")
currency = shaped(r"[A-Z]{3}", "a currency in three capital letters")
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
contact_info = nested({"name": Field(name_of, required=True), **_CONTACT}, needs_one_of=("phone_numbers", "emails"))
contact_info_without_name = nested(_CONTACT, needs_one_of=("phone_numbers", "emails"))
exemption = nested({"description": Field(text, required=True), "jurisdiction": Field(text, required=True)})
share_numbers = nested({"starting_share_number": Field(numeric, required=True), "ending_share_number": Field(numeric, required=True)})
vesting = nested({"date": Field(date, required=True), "amount": Field(numeric, required=True)})
authorized = either(one_of("NOT APPLICABLE", "UNLIMITED"), numeric, "a number, UNLIMITED or NOT APPLICABLE")
ratio_conversion = nested(
    {
        "type": Field(one_of("RATIO_CONVERSION"), required=True),
        "conversion_price": Field(monetary, required=True),
        "ratio": Field(ratio, required=True),
        "rounding_type": Field(one_of("CEILING", "FLOOR", "NORMAL"), required=True),
    }
)

_OBJECT: Fields = {
    "id": Field(text, required=True),
    "object_type": Field(text, required=True),
    "comments": Field(listed(text)),
}
_APPROVED: Fields = {"board_approval_date": Field(date), "stockholder_approval_date": Field(date)}
_TRANSACTION: Fields = {**_OBJECT, "date": Field(date, required=True)}
_OF_SECURITY: Fields = {**_TRANSACTION, "security_id": Field(text, required=True)}
_OF_CLASS: Fields = {**_TRANSACTION, "stock_class_id": Field(text, required=True)}
_BALANCE: Fields = {"balance_security_id": Field(text)}
_RESULTING = listed(text)

TYPED: Mapping[str, Fields] = {
    "ISSUER": {
        **_OBJECT,
        "legal_name": Field(text, required=True),
        "dba": Field(text),
        "formation_date": Field(date, required=True),
        "country_of_formation": Field(country, required=True),
        "country_subdivision_of_formation": Field(subdivision),
        "tax_ids": Field(listed(tax_id)),
        "email": Field(email),
        "phone": Field(phone),
        "address": Field(address),
        "initial_shares_authorized": Field(authorized),
    },
    "STAKEHOLDER": {
        **_OBJECT,
        "name": Field(name_of, required=True),
        "stakeholder_type": Field(one_of("INDIVIDUAL", "INSTITUTION"), required=True),
        "issuer_assigned_id": Field(text),
        "current_relationship": Field(
            one_of(
                "ADVISOR",
                "BOARD_MEMBER",
                "CONSULTANT",
                "EMPLOYEE",
                "EX_ADVISOR",
                "EX_CONSULTANT",
                "EX_EMPLOYEE",
                "EXECUTIVE",
                "FOUNDER",
                "INVESTOR",
                "NON_US_EMPLOYEE",
                "OFFICER",
                "OTHER",
            )
        ),
        "primary_contact": Field(contact_info),
        "contact_info": Field(contact_info_without_name),
        "addresses": Field(listed(address)),
        "tax_ids": Field(listed(tax_id)),
    },
    "STOCK_CLASS": {
        **_OBJECT,
        **_APPROVED,
        "name": Field(text, required=True),
        "class_type": Field(one_of("COMMON", "PREFERRED"), required=True),
        "default_id_prefix": Field(text, required=True),
        "initial_shares_authorized": Field(authorized, required=True),
        "votes_per_share": Field(numeric, required=True),
        "par_value": Field(monetary),
        "price_per_share": Field(monetary),
        "seniority": Field(numeric, required=True),
        # Conversion rights are kept, not read: conversion is beyond the first step.
        "conversion_rights": Field(listed(any_value)),
        "liquidation_preference_multiple": Field(numeric),
        "participation_cap_multiple": Field(numeric),
    },
    "STOCK_LEGEND_TEMPLATE": {**_OBJECT, "name": Field(text, required=True), "text": Field(text, required=True)},
    "VALUATION": {
        **_OBJECT,
        **_APPROVED,
        "provider": Field(text),
        "price_per_share": Field(monetary, required=True),
        "effective_date": Field(date, required=True),
        "stock_class_id": Field(text, required=True),
        "valuation_type": Field(one_of("409A"), required=True),
    },
    "TX_STOCK_ISSUANCE": {
        **_OF_SECURITY,
        **_APPROVED,
        "custom_id": Field(text, required=True),
        "stakeholder_id": Field(text, required=True),
        "consideration_text": Field(text),
        "security_law_exemptions": Field(listed(exemption), required=True),
        "stock_class_id": Field(text, required=True),
        "stock_plan_id": Field(text),
        "share_numbers_issued": Field(listed(share_numbers)),
        "share_price": Field(monetary, required=True),
        "quantity": Field(numeric, required=True),
        "vesting_terms_id": Field(text),
        "vestings": Field(listed(vesting)),
        "cost_basis": Field(monetary),
        "stock_legend_ids": Field(listed(text), required=True),
        "issuance_type": Field(one_of("RSA", "FOUNDERS_STOCK")),
    },
    "TX_STOCK_TRANSFER": {
        **_OF_SECURITY,
        **_BALANCE,
        "consideration_text": Field(text),
        "quantity": Field(numeric, required=True),
        "resulting_security_ids": Field(listed(text, items_min=1, unique=True), required=True),
    },
    "TX_STOCK_CANCELLATION": {
        **_OF_SECURITY,
        **_BALANCE,
        "quantity": Field(numeric, required=True),
        "reason_text": Field(text, required=True),
    },
    "TX_STOCK_RETRACTION": {**_OF_SECURITY, "reason_text": Field(text, required=True)},
    "TX_STOCK_REPURCHASE": {
        **_OF_SECURITY,
        **_BALANCE,
        "price": Field(monetary, required=True),
        "quantity": Field(numeric, required=True),
        "consideration_text": Field(text),
    },
    "TX_STOCK_REISSUANCE": {
        **_OF_SECURITY,
        "resulting_security_ids": Field(_RESULTING, required=True),
        "split_transaction_id": Field(text),
        "reason_text": Field(text),
    },
    "TX_STOCK_CONVERSION": {
        **_OF_SECURITY,
        **_BALANCE,
        "quantity_converted": Field(numeric, required=True),
        "resulting_security_ids": Field(_RESULTING, required=True),
    },
    "TX_STOCK_ACCEPTANCE": {**_OF_SECURITY},
    "TX_STOCK_CLASS_SPLIT": {**_OF_CLASS, "split_ratio": Field(ratio, required=True)},
    "TX_STOCK_CLASS_AUTHORIZED_SHARES_ADJUSTMENT": {**_OF_CLASS, **_APPROVED, "new_shares_authorized": Field(numeric, required=True)},
    "TX_STOCK_CLASS_CONVERSION_RATIO_ADJUSTMENT": {**_OF_CLASS, "new_ratio_conversion_mechanism": Field(ratio_conversion, required=True)},
    "TX_ISSUER_AUTHORIZED_SHARES_ADJUSTMENT": {
        **_TRANSACTION,
        **_APPROVED,
        "issuer_id": Field(text, required=True),
        "new_shares_authorized": Field(numeric, required=True),
    },
}
"""The object types that are read field by field."""

_UNREAD_SECURITY_KINDS = {
    "CONVERTIBLE": ("ACCEPTANCE", "CANCELLATION", "CONVERSION", "ISSUANCE", "RETRACTION", "TRANSFER"),
    "EQUITY_COMPENSATION": ("ACCEPTANCE", "CANCELLATION", "EXERCISE", "ISSUANCE", "RELEASE", "RETRACTION", "TRANSFER"),
    "PLAN_SECURITY": ("ACCEPTANCE", "CANCELLATION", "EXERCISE", "ISSUANCE", "RELEASE", "RETRACTION", "TRANSFER"),
    "WARRANT": ("ACCEPTANCE", "CANCELLATION", "EXERCISE", "ISSUANCE", "RETRACTION", "TRANSFER"),
    "VESTING": ("ACCELERATION", "EVENT", "START"),
}

OPAQUE: Mapping[str, Fields] = {
    **dict.fromkeys(("STOCK_PLAN", "VESTING_TERMS", "FINANCING", "DOCUMENT"), _OBJECT),
    **{f"TX_{kind}_{step}": _OF_SECURITY for kind, steps in _UNREAD_SECURITY_KINDS.items() for step in steps},
    "TX_STOCK_PLAN_POOL_ADJUSTMENT": _TRANSACTION,
    "TX_STOCK_PLAN_RETURN_TO_POOL": _OF_SECURITY,
}
"""The object types that are kept whole; only the fields that every object of their family has are checked."""


def flaws_of_object(body: Mapping[str, Any]) -> list[Flaw]:
    """Return every flaw of an object of a known type; the caller has made sure of `object_type`."""
    object_type = str(body["object_type"])
    if object_type in TYPED:
        return list(flaws_of(dict(body), TYPED[object_type]))
    known = OPAQUE[object_type]
    return list(flaws_of({name: value for name, value in body.items() if name in known}, known))


def is_known_type(object_type: object) -> bool:
    """Return whether OCF 1.2.0 has such an object type."""
    return isinstance(object_type, str) and (object_type in TYPED or object_type in OPAQUE)


def is_only_a_warning(flaw: Flaw) -> bool:
    """Return whether an object with this flaw is still taken: an unknown field is kept, so nothing is lost by it."""
    return flaw.code == "ocf.unknown_field"
