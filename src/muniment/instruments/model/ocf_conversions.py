# SPDX-License-Identifier: Apache-2.0
"""Checks of how an Open Cap Table security converts and vests: mechanisms, rights, triggers, conditions (OCF 1.2.0).

What a number or a date is, `ocf_checks` says. Nothing is computed here: what a conversion yields stands in its resulting securities.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from muniment.instruments.model.ocf_checks import (
    Check,
    Field,
    Fields,
    Flaw,
    by_type,
    by_type_if_told,
    date,
    exactly_one_of,
    filled,
    inside,
    listed,
    monetary,
    nested,
    numeric,
    one_of,
    percentage,
    ratio,
    required_where,
    text,
    truth,
    whole,
)

_RULES = nested(
    {
        name: Field(truth, required=True)
        for name in (
            "include_outstanding_shares",
            "include_outstanding_options",
            "include_outstanding_unissued_options",
            "include_this_security",
            "include_other_converting_securities",
            "include_option_pool_topup_for_promised_options",
            "include_additional_option_pool_topup",
            "include_new_money",
        )
    }
)
_CAPITALIZATION: Fields = {"capitalization_definition": Field(text), "capitalization_definition_rules": Field(_RULES)}
capitalization = nested(
    {
        name: Field(listed(text), required=True)
        for name in ("include_stock_class_ids", "include_stock_plans_ids", "include_security_ids", "exclude_security_ids")
    }
)
_INTEREST = nested(
    {"rate": Field(percentage, required=True), "accrual_start_date": Field(date, required=True), "accrual_end_date": Field(date)}
)
_OF_TYPE: Fields = {"type": Field(text, required=True)}


def _discount(body: Mapping[str, Any], path: str) -> Iterator[Flaw]:
    """A discount is a percentage or an amount, and neither where there is none; without `discount` it must follow from these."""
    told, has_percentage, has_amount = body.get("discount"), "discount_percentage" in body, "discount_amount" in body
    fits = (
        (told is not False and has_percentage and not has_amount)
        + (told is not False and has_amount and not has_percentage)
        + (told is not True and not (has_percentage and has_amount))
    )
    if fits != 1:
        problem = "true needs a percentage or an amount, false both or neither of them left out"
        yield Flaw(inside(path, "discount"), "ocf.contradiction", f"discount does not fit the others: {problem}")


by_custom = nested({**_OF_TYPE, "custom_conversion_description": Field(text, required=True)})
by_fixed_amount = nested({**_OF_TYPE, "converts_to_quantity": Field(numeric, required=True)})
by_percentage = nested({**_OF_TYPE, **_CAPITALIZATION, "converts_to_percent": Field(percentage, required=True)})
by_ratio = nested(
    {
        "type": Field(one_of("RATIO_CONVERSION"), required=True),
        "conversion_price": Field(monetary, required=True),
        "ratio": Field(ratio, required=True),
        "rounding_type": Field(one_of("CEILING", "FLOOR", "NORMAL"), required=True),
    }
)
by_note = nested(
    {
        **_OF_TYPE,
        **_CAPITALIZATION,
        "interest_rates": Field(listed(_INTEREST), required=True),
        "day_count_convention": Field(one_of("ACTUAL_365", "30_360"), required=True),
        "interest_payout": Field(one_of("DEFERRED", "CASH"), required=True),
        "interest_accrual_period": Field(one_of("DAILY", "MONTHLY", "QUARTERLY", "SEMI_ANNUAL", "ANNUAL"), required=True),
        "compounding_type": Field(one_of("COMPOUNDING", "SIMPLE"), required=True),
        "conversion_discount": Field(percentage),
        "conversion_valuation_cap": Field(monetary),
        "exit_multiple": Field(ratio),
        "conversion_mfn": Field(truth),
    }
)
by_safe = nested(
    {
        **_OF_TYPE,
        **_CAPITALIZATION,
        "conversion_discount": Field(percentage),
        "conversion_valuation_cap": Field(monetary),
        "exit_multiple": Field(ratio),
        "conversion_mfn": Field(truth, required=True),
        "conversion_timing": Field(one_of("PRE_MONEY", "POST_MONEY")),
    }
)
by_share_price = nested(
    {
        **_OF_TYPE,
        "description": Field(text, required=True),
        "discount": Field(truth),
        "discount_percentage": Field(percentage),
        "discount_amount": Field(monetary),
    },
    _discount,
)
by_valuation = nested(
    {
        **_OF_TYPE,
        **_CAPITALIZATION,
        "valuation_type": Field(one_of("FIXED", "ACTUAL", "CAP"), required=True),
        "valuation_amount": Field(monetary),
    },
    required_where("valuation_type", {"CAP": "valuation_amount", "FIXED": "valuation_amount"}),
)


def _right(type_: str, mechanisms: Mapping[str, Check]) -> Check:
    return nested(
        {
            "type": Field(one_of(type_)),
            "conversion_mechanism": Field(by_type(mechanisms), required=True),
            "converts_to_future_round": Field(truth),
            "converts_to_stock_class_id": Field(text),
        }
    )


stock_class_right = _right("STOCK_CLASS_CONVERSION_RIGHT", {"RATIO_CONVERSION": by_ratio})
_RIGHT = by_type_if_told(
    {
        "CONVERTIBLE_CONVERSION_RIGHT": _right(
            "CONVERTIBLE_CONVERSION_RIGHT",
            {
                "SAFE_CONVERSION": by_safe,
                "CONVERTIBLE_NOTE_CONVERSION": by_note,
                "CUSTOM_CONVERSION": by_custom,
                "FIXED_PERCENT_OF_CAPITALIZATION_CONVERSION": by_percentage,
                "FIXED_AMOUNT_CONVERSION": by_fixed_amount,
            },
        ),
        "WARRANT_CONVERSION_RIGHT": _right(
            "WARRANT_CONVERSION_RIGHT",
            {
                "CUSTOM_CONVERSION": by_custom,
                "FIXED_PERCENT_OF_CAPITALIZATION_CONVERSION": by_percentage,
                "FIXED_AMOUNT_CONVERSION": by_fixed_amount,
                "VALUATION_BASED_CONVERSION": by_valuation,
                "PPS_BASED_CONVERSION": by_share_price,
            },
        ),
        "STOCK_CLASS_CONVERSION_RIGHT": stock_class_right,
    }
)
_TRIGGER: Fields = {
    **_OF_TYPE,
    "trigger_id": Field(text, required=True),
    "nickname": Field(text),
    "trigger_description": Field(text),
    "conversion_right": Field(_RIGHT, required=True),
}
trigger = by_type(
    {
        "AUTOMATIC_ON_CONDITION": nested({**_TRIGGER, "trigger_condition": Field(text, required=True)}),
        "AUTOMATIC_ON_DATE": nested({**_TRIGGER, "trigger_date": Field(date, required=True)}),
        "ELECTIVE_AT_WILL": nested(_TRIGGER),
        "ELECTIVE_IN_RANGE": nested({**_TRIGGER, "start_date": Field(date, required=True), "end_date": Field(date, required=True)}),
        "ELECTIVE_ON_CONDITION": nested({**_TRIGGER, "trigger_condition": Field(text, required=True)}),
        "UNSPECIFIED": nested(_TRIGGER),
    }
)

_DAYS_OF_MONTH = (
    *(f"{day:02}" for day in range(1, 29)),
    *(f"{day}_OR_LAST_DAY_OF_MONTH" for day in (29, 30, 31)),
    "VESTING_START_DAY_OR_LAST_DAY_OF_MONTH",
)
_PERIOD: Fields = {**_OF_TYPE, "length": Field(whole(0), required=True), "occurrences": Field(whole(1), required=True)}
_VESTING_TRIGGER = by_type(
    {
        "VESTING_START_DATE": nested(_OF_TYPE),
        "VESTING_EVENT": nested(_OF_TYPE),
        "VESTING_SCHEDULE_ABSOLUTE": nested({**_OF_TYPE, "date": Field(date, required=True)}),
        "VESTING_SCHEDULE_RELATIVE": nested(
            {
                **_OF_TYPE,
                "period": Field(
                    by_type(
                        {
                            "DAYS": nested(_PERIOD),
                            "MONTHS": nested({**_PERIOD, "day_of_month": Field(one_of(*_DAYS_OF_MONTH), required=True)}),
                        }
                    ),
                    required=True,
                ),
                "relative_to_condition_id": Field(text, required=True),
            }
        ),
    }
)
vesting_condition = nested(
    {
        "id": Field(filled, required=True),
        "description": Field(text),
        "portion": Field(
            nested({"numerator": Field(numeric, required=True), "denominator": Field(numeric, required=True), "remainder": Field(truth)})
        ),
        "quantity": Field(numeric),
        "trigger": Field(_VESTING_TRIGGER, required=True),
        "next_condition_ids": Field(listed(text, unique=True), required=True),
    },
    exactly_one_of("portion", "quantity"),
)
