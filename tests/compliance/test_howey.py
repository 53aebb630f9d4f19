# SPDX-License-Identifier: Apache-2.0
"""The Howey test: the decided cases come out as decided, counts are shown, and no answer gets lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.compliance.errors import AnswersInvalid
from muniment.compliance.model.law.howey import GATE, LETTERS, DecidedCase, assess, questionnaire

FORM = questionnaire()
DECIDED = [case for case in FORM.cases if case.expected is not None]


@pytest.mark.parametrize("case", DECIDED, ids=lambda case: case.name)
def test_the_decided_cases_come_out_as_decided(case: DecidedCase) -> None:
    assert assess(case.answers).outcome == case.expected


def test_thirteen_cases_are_fixtures_and_two_are_reading() -> None:
    assert len(DECIDED) == 13
    assert [case.beyond != "" for case in FORM.cases if case.expected is None] == [True, True]


def test_counts_are_shown_by_prong() -> None:
    body = assess({"M": "y", "E3": "n", "E1": "y", "E2": "y", "P": "y", "U1": "y"}).as_json()
    assert body["prongs"]["money"] == {"answer": "y", "for": 1, "against": 0, "open": 0}
    assert body["prongs"]["efforts"] == {"answer": "y", "for": 2, "against": 1, "open": 4}
    assert body["prongs"]["profit"] == {"answer": "y", "for": 11, "against": 1, "open": 0}
    assert body["prongs"]["common"] == {"answer": "-", "for": 0, "against": 0, "open": 1}
    assert body["outcome"] == "undetermined"


def test_the_answers_that_weigh_against_the_outcome_are_named() -> None:
    found = assess({"M": "y", "C": "y", "E": "y", "P": "y", "E3": "n", "U2": "y"})
    assert found.outcome == "investment_contract"
    assert [line.split(":")[0] for line in found.contrary] == ["E3", "U2"]


def test_an_item_of_its_own_goes_before_its_prongs_letter() -> None:
    assert assess({"E": "y", "E3": "n"}).prongs["efforts"].as_json() == {"answer": "y", "for": 6, "against": 1, "open": 0}


def test_an_enumerated_instrument_is_a_security_whatever_else_is_answered() -> None:
    assert assess({GATE: "y", "M": "n"}).outcome == "security"


@pytest.mark.parametrize("answers", [{"X": "y"}, {"M": "yes"}, {"M": True}, {"E99": "n"}])
def test_what_the_questionnaire_does_not_know_is_refused(answers: dict[str, Any]) -> None:
    with pytest.raises(AnswersInvalid) as refusal:
        assess(answers)
    assert refusal.value.place is not None


ANSWERS = st.dictionaries(st.sampled_from([GATE, *LETTERS.values(), *FORM.items]), st.sampled_from("yn-"))


@given(ANSWERS)
def test_every_answer_is_counted_and_one_no_decides(answers: dict[str, str]) -> None:
    outcome = assess(answers)
    by_prong = outcome.prongs
    own = {name: sum(item.prong == name for item in FORM.items.values()) for name in by_prong}
    for name, prong in by_prong.items():
        assert prong.open <= own[name] <= prong.points_to + prong.points_away + prong.open + (0 if name != "profit" else 10)
    if answers.get(GATE) == "y":
        assert outcome.outcome == "security"
    elif any(prong.answer == "n" for prong in by_prong.values()):
        assert outcome.outcome == "not_investment_contract"
    else:
        assert outcome.outcome == ("investment_contract" if all(prong.answer == "y" for prong in by_prong.values()) else "undetermined")
