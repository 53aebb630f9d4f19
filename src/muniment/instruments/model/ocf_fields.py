# SPDX-License-Identifier: Apache-2.0
"""Which fields an Open Cap Table object (OCF 1.2.0) has and what each may hold; finds every flaw in one. Packages live in `ocf`.

Written from the format's published documentation; tests hold these tables against the published schemas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from muniment.instruments.model import ocf_conversions as conversions
from muniment.instruments.model.ocf_checks import (
    Field,
    Fields,
    Flaw,
    Rule,
    address,
    authorized,
    contact_info,
    contact_info_without_name,
    country,
    date,
    email,
    exactly_one_of,
    exemption,
    flaws_of,
    listed,
    md5,
    monetary,
    name_of,
    nested,
    nothing_or,
    numeric,
    one_of,
    phone,
    ratio,
    required_where,
    share_numbers,
    subdivision,
    tax_id,
    text,
    truth,
    vesting,
    whole,
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
_OF_PLAN: Fields = {**_TRANSACTION, "stock_plan_id": Field(text, required=True)}
_BALANCE: Fields = {"balance_security_id": Field(text)}
_RESULTING = listed(text)
_QUANTITY: Fields = {"quantity": Field(numeric, required=True)}
_AMOUNT: Fields = {"amount": Field(monetary, required=True)}
_MOVED: Fields = {
    **_OF_SECURITY,
    **_BALANCE,
    "consideration_text": Field(text),
    "resulting_security_ids": Field(listed(text, items_min=1, unique=True), required=True),
}
_CANCELLED: Fields = {**_OF_SECURITY, **_BALANCE, "reason_text": Field(text, required=True)}
_RETRACTED: Fields = {**_OF_SECURITY, "reason_text": Field(text, required=True)}
_EXERCISED: Fields = {**_OF_SECURITY, "consideration_text": Field(text), "resulting_security_ids": Field(_RESULTING, required=True)}
_ISSUANCE: Fields = {
    **_OF_SECURITY,
    **_APPROVED,
    "custom_id": Field(text, required=True),
    "stakeholder_id": Field(text, required=True),
    "consideration_text": Field(text),
    "security_law_exemptions": Field(listed(exemption), required=True),
}
_VESTINGS = listed(vesting, items_min=1)
_VESTED: Fields = {"vesting_terms_id": Field(text), "vestings": Field(_VESTINGS)}
_TERMINATION = nested(
    {
        "reason": Field(
            one_of(
                "VOLUNTARY_OTHER",
                "VOLUNTARY_GOOD_CAUSE",
                "VOLUNTARY_RETIREMENT",
                "INVOLUNTARY_OTHER",
                "INVOLUNTARY_DEATH",
                "INVOLUNTARY_DISABILITY",
                "INVOLUNTARY_WITH_CAUSE",
            ),
            required=True,
        ),
        "period": Field(whole(), required=True),
        "period_type": Field(one_of("DAYS", "MONTHS", "YEARS"), required=True),
    }
)
# Awards under a plan; OCF calls them plan securities as well, with the same fields.
_AWARD_STEPS: Mapping[str, Fields] = {
    "ISSUANCE": {
        **_ISSUANCE,
        **_QUANTITY,
        **_VESTED,
        "stock_plan_id": Field(text),
        "stock_class_id": Field(text),
        "compensation_type": Field(one_of("OPTION_NSO", "OPTION_ISO", "OPTION", "RSU", "CSAR", "SSAR"), required=True),
        "option_grant_type": Field(one_of("NSO", "ISO", "INTL")),
        "exercise_price": Field(monetary),
        "base_price": Field(monetary),
        "early_exercisable": Field(truth),
        "expiration_date": Field(nothing_or(date), required=True),
        "termination_exercise_windows": Field(listed(_TERMINATION), required=True),
    },
    "ACCEPTANCE": _OF_SECURITY,
    "TRANSFER": {**_MOVED, **_QUANTITY},
    "CANCELLATION": {**_CANCELLED, **_QUANTITY},
    "RETRACTION": _RETRACTED,
    "EXERCISE": {**_EXERCISED, **_QUANTITY},
    "RELEASE": {
        **_EXERCISED,
        **_QUANTITY,
        "settlement_date": Field(date, required=True),
        "release_price": Field(monetary, required=True),
    },
}

TYPED: dict[str, Fields] = {
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
        "conversion_rights": Field(listed(conversions.stock_class_right)),
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
        **_ISSUANCE,
        "stock_class_id": Field(text, required=True),
        "stock_plan_id": Field(text),
        "share_numbers_issued": Field(listed(share_numbers)),
        "share_price": Field(monetary, required=True),
        "quantity": Field(numeric, required=True),
        "vesting_terms_id": Field(text),
        "vestings": Field(_VESTINGS),
        "cost_basis": Field(monetary),
        "stock_legend_ids": Field(listed(text), required=True),
        "issuance_type": Field(one_of("RSA", "FOUNDERS_STOCK")),
    },
    "TX_STOCK_TRANSFER": {**_MOVED, **_QUANTITY},
    "TX_STOCK_CANCELLATION": {**_CANCELLED, **_QUANTITY},
    "TX_STOCK_RETRACTION": _RETRACTED,
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
    "TX_STOCK_CLASS_CONVERSION_RATIO_ADJUSTMENT": {
        **_OF_CLASS,
        "new_ratio_conversion_mechanism": Field(conversions.by_ratio, required=True),
    },
    "TX_ISSUER_AUTHORIZED_SHARES_ADJUSTMENT": {
        **_TRANSACTION,
        **_APPROVED,
        "issuer_id": Field(text, required=True),
        "new_shares_authorized": Field(numeric, required=True),
    },
    "STOCK_PLAN": {
        **_OBJECT,
        **_APPROVED,
        "plan_name": Field(text, required=True),
        "initial_shares_reserved": Field(numeric, required=True),
        "default_cancellation_behavior": Field(one_of("RETIRE", "RETURN_TO_POOL", "HOLD_AS_CAPITAL_STOCK", "DEFINED_PER_PLAN_SECURITY")),
        "stock_class_id": Field(text),
        "stock_class_ids": Field(listed(text, items_min=1)),
    },
    "VESTING_TERMS": {
        **_OBJECT,
        "name": Field(text, required=True),
        "description": Field(text, required=True),
        "allocation_type": Field(
            one_of(
                "CUMULATIVE_ROUNDING",
                "CUMULATIVE_ROUND_DOWN",
                "FRONT_LOADED",
                "BACK_LOADED",
                "FRONT_LOADED_TO_SINGLE_TRANCHE",
                "BACK_LOADED_TO_SINGLE_TRANCHE",
                "FRACTIONAL",
            ),
            required=True,
        ),
        "vesting_conditions": Field(listed(conversions.vesting_condition, items_min=1), required=True),
    },
    "FINANCING": {
        **_OBJECT,
        "name": Field(text, required=True),
        "issuance_ids": Field(listed(text, items_min=1), required=True),
        "date": Field(date, required=True),
    },
    "TX_CONVERTIBLE_ISSUANCE": {
        **_ISSUANCE,
        "investment_amount": Field(monetary, required=True),
        "convertible_type": Field(one_of("NOTE", "SAFE", "CONVERTIBLE_SECURITY"), required=True),
        "conversion_triggers": Field(listed(conversions.trigger, items_min=1), required=True),
        "pro_rata": Field(numeric),
        "seniority": Field(whole(), required=True),
    },
    "TX_CONVERTIBLE_ACCEPTANCE": _OF_SECURITY,
    "TX_CONVERTIBLE_TRANSFER": {**_MOVED, **_AMOUNT},
    "TX_CONVERTIBLE_CANCELLATION": {**_CANCELLED, **_AMOUNT},
    "TX_CONVERTIBLE_RETRACTION": _RETRACTED,
    "TX_CONVERTIBLE_CONVERSION": {
        **_OF_SECURITY,
        **_BALANCE,
        "reason_text": Field(text, required=True),
        "trigger_id": Field(text, required=True),
        "quantity_converted": Field(numeric),
        "capitalization_definition": Field(conversions.capitalization),
        "resulting_security_ids": Field(_RESULTING, required=True),
    },
    "TX_WARRANT_ISSUANCE": {
        **_ISSUANCE,
        **_VESTED,
        "quantity": Field(numeric),
        "exercise_price": Field(monetary),
        "purchase_price": Field(monetary, required=True),
        "exercise_triggers": Field(listed(conversions.trigger), required=True),
        "warrant_expiration_date": Field(date),
        "quantity_source": Field(
            one_of("HUMAN_ESTIMATED", "MACHINE_ESTIMATED", "UNSPECIFIED", "INSTRUMENT_FIXED", "INSTRUMENT_MAX", "INSTRUMENT_MIN")
        ),
    },
    "TX_WARRANT_ACCEPTANCE": _OF_SECURITY,
    "TX_WARRANT_TRANSFER": {**_MOVED, **_QUANTITY},
    "TX_WARRANT_CANCELLATION": {**_CANCELLED, **_QUANTITY},
    "TX_WARRANT_RETRACTION": _RETRACTED,
    "TX_WARRANT_EXERCISE": {**_EXERCISED, "trigger_id": Field(text, required=True)},
    **{f"TX_{name}_{step}": fields for name in ("EQUITY_COMPENSATION", "PLAN_SECURITY") for step, fields in _AWARD_STEPS.items()},
    "TX_VESTING_START": {**_OF_SECURITY, "vesting_condition_id": Field(text, required=True)},
    "TX_VESTING_EVENT": {**_OF_SECURITY, "vesting_condition_id": Field(text, required=True)},
    "TX_VESTING_ACCELERATION": {**_OF_SECURITY, **_QUANTITY, "reason_text": Field(text, required=True)},
    "TX_STOCK_PLAN_POOL_ADJUSTMENT": {**_OF_PLAN, **_APPROVED, "shares_reserved": Field(numeric, required=True)},
    "TX_STOCK_PLAN_RETURN_TO_POOL": {**_OF_SECURITY, **_OF_PLAN, **_QUANTITY, "reason_text": Field(text, required=True)},
}
"""The fields of each object type."""

TYPED["DOCUMENT"] = {
    **_OBJECT,
    "path": Field(text),
    "uri": Field(text),
    "md5": Field(md5, required=True),
    "related_objects": Field(
        listed(nested({"object_type": Field(one_of(*TYPED, "DOCUMENT"), required=True), "object_id": Field(text, required=True)}))
    ),
}

_AWARD_PRICE = required_where(
    "compensation_type",
    {
        "OPTION": "exercise_price",
        "OPTION_NSO": "exercise_price",
        "OPTION_ISO": "exercise_price",
        "CSAR": "base_price",
        "SSAR": "base_price",
    },
)
TIED: Mapping[str, Rule] = {
    "STOCK_PLAN": exactly_one_of("stock_class_id", "stock_class_ids"),
    "DOCUMENT": exactly_one_of("path", "uri"),
    "TX_EQUITY_COMPENSATION_ISSUANCE": _AWARD_PRICE,
    "TX_PLAN_SECURITY_ISSUANCE": _AWARD_PRICE,
}
"""What ties fields of one object together."""


def flaws_of_object(body: Mapping[str, Any]) -> list[Flaw]:
    """Return every flaw of an object of a known type; the caller has made sure of `object_type`."""
    return list(_flaws_of(str(body["object_type"]), body))


def _flaws_of(object_type: str, body: Mapping[str, Any]) -> Iterator[Flaw]:
    yield from flaws_of(dict(body), TYPED[object_type])
    if object_type in TIED:
        yield from TIED[object_type](body, "")


def is_known_type(object_type: object) -> bool:
    """Return whether OCF 1.2.0 has such an object type."""
    return isinstance(object_type, str) and object_type in TYPED


def is_only_a_warning(flaw: Flaw) -> bool:
    """Return whether an object with this flaw is still taken: an unknown field is kept, so nothing is lost by it."""
    return flaw.code == "ocf.unknown_field"
