# SPDX-License-Identifier: Apache-2.0
"""The Howey test as a questionnaire: a gate, four prongs, factors for and against; the answer is one of four outcomes, with its counts.

After the Supreme Court's test (SEC v. W.J. Howey Co., 328 U.S. 293) and the staff's framework of 3 April 2019. Not legal advice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from muniment.compliance.errors import AnswersInvalid
from muniment.units.errors import Place

PRONGS = ("money", "common", "profit", "efforts")
GATE = "gate"
USE = "use"
LETTERS = {"money": "M", "common": "C", "profit": "P", "efforts": "E", USE: "U"}
"""The letter that answers each prong whole, and use or consumption, which weighs against profit."""
YES, NO, OPEN = "y", "n", "-"
DISCLAIMER = "This is not legal advice: it records how answers weigh under a published framework, for counsel to judge."


@dataclass(frozen=True, slots=True)
class Item:
    """One question; `direction` 1 weighs for its prong, -1 against it."""

    item_id: str
    prong: str
    question: str
    direction: int


@dataclass(frozen=True, slots=True)
class DecidedCase:
    """A decided case with the answers as the court found them; `expected` None where it was decided on another test."""

    name: str
    asset: str
    outcome: str
    answers: Mapping[str, str]
    expected: str | None
    beyond: str


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """All questions, the outcomes in words and the decided cases."""

    source: str
    gate: str
    items: Mapping[str, Item]
    outcomes: Mapping[str, str]
    cases: tuple[DecidedCase, ...]


@dataclass(frozen=True, slots=True)
class Prong:
    """How a prong stands: its answer (y, n, -), how many answers point to it, away from it, and are open."""

    name: str
    answer: str
    points_to: int
    points_away: int
    open: int

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {"answer": self.answer, "for": self.points_to, "against": self.points_away, "open": self.open}


@dataclass(frozen=True, slots=True)
class Assessment:
    """The outcome, the prongs and the facts that weigh most against it."""

    outcome: str
    sentence: str
    prongs: Mapping[str, Prong]
    contrary: tuple[str, ...]
    open_items: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {
            "outcome": self.outcome,
            "sentence": self.sentence,
            "prongs": {name: prong.as_json() for name, prong in self.prongs.items()},
            "contrary": list(self.contrary),
            "open": list(self.open_items),
            "disclaimer": DISCLAIMER,
        }


@cache
def questionnaire() -> Questionnaire:
    """Return the questionnaire that ships with this release."""
    body = json.loads(resources.files("muniment.compliance.model.law").joinpath("howey.json").read_text(encoding="utf-8"))
    items = {
        each["id"]: Item(each["id"], prong, each["q"], each["dir"]) for prong, questions in body["prongs"].items() for each in questions
    }
    cases = tuple(
        DecidedCase(
            name=each["case"],
            asset=each["asset"],
            outcome=each["outcome"],
            answers=each.get("answers", {}),
            expected=each.get("expected"),
            beyond=each.get("beyond_howey", ""),
        )
        for each in body["cases"]
    )
    return Questionnaire(body["source"], body["gate"][0]["q"], items, body["outcomes"], cases)


def check_answers(answers: Mapping[str, Any]) -> dict[str, str]:
    """Return the answers where every key is a prong's letter, an item or the gate, and every value y, n or -; else refuse."""
    known = {GATE, *LETTERS.values(), *questionnaire().items}
    for name, answer in answers.items():
        if name not in known:
            raise AnswersInvalid(problem=f"there is no question “{name}”", place=Place(field=f"answers.{name}"))
        if not isinstance(answer, str) or answer not in {YES, NO, OPEN}:
            raise AnswersInvalid(problem=f"{name} is answered y, n or -", place=Place(field=f"answers.{name}"))
    return dict(answers)


def assess(answers: Mapping[str, Any]) -> Assessment:
    """Return the outcome of answers.

    A letter answers every item of its prong that has no answer of its own. A prong is yes where more of its answered items point to it
    than away, no where more point away, else open. Use or consumption (U) weighs against the expectation of profit.

    Raises:
        AnswersInvalid: a question that does not exist, or an answer other than y, n, -.

    """
    given = check_answers(answers)
    form = questionnaire()
    prongs = {name: _prong(name, given, form) for name in PRONGS}
    if given.get(GATE) == YES:
        outcome = "security"
    elif any(prong.answer == NO for prong in prongs.values()):
        outcome = "not_investment_contract"
    elif all(prong.answer == YES for prong in prongs.values()):
        outcome = "investment_contract"
    else:
        outcome = "undetermined"
    return Assessment(
        outcome=outcome,
        sentence=form.outcomes[outcome],
        prongs=prongs,
        contrary=_contrary(outcome, given, form),
        open_items=tuple(item.item_id for item in form.items.values() if answer_of(item, given) == OPEN),
    )


def _prong(name: str, given: Mapping[str, str], form: Questionnaire) -> Prong:
    weighed = [
        (item, answer_of(item, given)) for item in form.items.values() if item.prong == name or (name == "profit" and item.prong == USE)
    ]
    points_to = sum(_points(item, answer) > 0 for item, answer in weighed)
    points_away = sum(_points(item, answer) < 0 for item, answer in weighed)
    answer = YES if points_to > points_away else NO if points_away > points_to else OPEN
    return Prong(name, answer, points_to, points_away, open=sum(answer == OPEN for item, answer in weighed if item.prong == name))


def answer_of(item: Item, given: Mapping[str, str]) -> str:
    """Return an item's answer: its own, else that of its whole prong, else open."""
    return given.get(item.item_id, given.get(LETTERS[item.prong], OPEN))


def _points(item: Item, answer: str) -> int:
    return {YES: item.direction, NO: -item.direction}.get(answer, 0)


def _contrary(outcome: str, given: Mapping[str, str], form: Questionnaire) -> tuple[str, ...]:
    """Return the questions whose answers speak most plainly against the outcome."""
    sign = -1 if outcome in {"security", "investment_contract"} else 1
    weighed = ((item, answer_of(item, given)) for item in form.items.values())
    return tuple(f"{item.item_id}: {item.question} ({answer})" for item, answer in weighed if _points(item, answer) == sign)


def packs_offered(outcome: str) -> bool:
    """Return whether the packs of securities law are offered for an outcome: for all but “not an investment contract”."""
    return outcome != "not_investment_contract"
