# SPDX-License-Identifier: Apache-2.0
"""Refusals and decisions: a code, a sentence with its facts, the place, a cure; the same JSON at every edge."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.units.decisions import Allowed, Reason, Refused
from muniment.units.errors import FACT_CHARACTERS_MAX, MunimentError, Place, plain, show


class TooFewShares(MunimentError):
    """A refusal with everything that one can have."""

    code = "register.too_few_shares"
    message = "{holder} holds {held} shares, not {wanted}."
    cure = "Ask for at most {held}."


def test_a_refusal_tells_code_sentence_facts_place_and_cure() -> None:
    refusal = TooFewShares(holder="Ada", held=Decimal("1.50"), wanted=3, place=Place(file="orders.csv", line=7, field="shares"))
    assert refusal.as_json() == {
        "code": "register.too_few_shares",
        "message": "Ada holds 1.50 shares, not 3.",
        "facts": {"holder": "Ada", "held": "1.50", "wanted": 3},
        "place": {"file": "orders.csv", "line": 7, "field": "shares"},
        "cure": "Ask for at most 1.50.",
    }
    assert str(refusal) == "Ada holds 1.50 shares, not 3."


def test_a_refusal_without_place_and_cure_leaves_them_out() -> None:
    assert MunimentError().as_json() == {"code": "muniment.refused", "message": "Refused.", "facts": {}}


@given(st.text(), st.text())
def test_facts_from_outside_are_never_read_as_format_strings(holder: str, held: str) -> None:
    refusal = TooFewShares(holder="{0}{held!r}" + holder, held=held, wanted="{")
    assert refusal.sentence == f"{show('{0}{held!r}' + holder)} holds {show(held)} shares, not {{."


def test_a_place_reads_as_people_say_it() -> None:
    assert str(Place(file="investors.csv", line=7, field="country")) == "investors.csv, line 7, field country"
    assert str(Place(object_id="stakeholder-1")) == "object stakeholder-1"
    assert str(Place()) == ""


FACTS = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=300),
        st.binary(max_size=10),
        st.decimals(allow_nan=False),
        st.uuids(),
        st.dates(),
        st.datetimes(timezones=st.just(dt.UTC)),
    ),
    lambda facts: st.one_of(st.lists(facts, max_size=4), st.tuples(facts), st.dictionaries(st.text(max_size=5), facts, max_size=4)),
    max_leaves=10,
)


@given(FACTS)
def test_every_fact_has_a_json_shape_that_survives_the_wire(fact: object) -> None:
    shape = plain(fact)
    assert json.loads(json.dumps(shape)) == shape


@given(st.text())
def test_a_long_fact_is_cut_and_a_short_one_is_whole(fact: str) -> None:
    assert len(show(fact)) <= FACT_CHARACTERS_MAX
    assert show(fact) == fact or show(fact) == fact[: FACT_CHARACTERS_MAX - 1] + "…"


def test_instants_in_facts_are_told_in_utc() -> None:
    four_in_berlin = dt.datetime(2027, 5, 23, 18, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert plain(four_in_berlin) == show(four_in_berlin) == "2027-05-23T16:00:00Z"


def test_a_refused_decision_names_every_reason_in_its_order() -> None:
    reasons = (
        Reason(
            "compliance.country_blocked", "Investors of RU may not hold it.", rule="country", citation="Terms 3.1", facts={"country": "RU"}
        ),
        Reason("compliance.over_maximum", "It would be too much.", facts={"shares": Decimal(3)}, cure="Send fewer."),
    )
    shape = Refused(reasons).as_json()
    assert shape["allowed"] is False
    assert [reason["code"] for reason in shape["reasons"]] == ["compliance.country_blocked", "compliance.over_maximum"]
    assert shape["reasons"][1] == {
        "code": "compliance.over_maximum",
        "message": "It would be too much.",
        "rule": None,
        "citation": None,
        "facts": {"shares": "3"},
        "cure": "Send fewer.",
    }
    assert Allowed().as_json() == {"allowed": True, "reasons": []}


def test_a_refused_decision_without_a_reason_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Refused(())
