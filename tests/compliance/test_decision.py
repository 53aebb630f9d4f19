# SPDX-License-Identifier: Apache-2.0
"""The decision by itself: reasons that no random market meets, and what a refusal tells beside its code."""

from __future__ import annotations

import datetime as dt

import pytest

from muniment.compliance.model.compiled import FurtherRules, FurtherState, further_steps
from muniment.compliance.model.decision import decide
from muniment.compliance.model.facts import InvestorFacts, Move, TokenFacts, WalletFacts
from muniment.compliance.model.rules import (
    CategoryHolderCap,
    CountryHolderCap,
    HoldingPeriod,
    Rule,
    TransferHours,
    TransferWindow,
    TransferWindows,
    VolumeLimit,
)
from muniment.units.decisions import Allowed, Decision, Reason, Refused
from muniment.units.ids import Address
from tests.infra.rig import an_address

NOON = dt.datetime(2027, 3, 3, 12, tzinfo=dt.UTC)
"""A Wednesday."""
NAMED = ("charter.rule", "Articles, section 9")


def a_wallet(number: int, *, balance: int = 0, remembered: InvestorFacts | None = None) -> WalletFacts:
    address = Address(an_address(number))
    return WalletFacts(
        address,
        balance,
        identity=address,
        is_registered=True,
        country=840,
        verified_until=2**40 - 1,
        remembered=remembered or InvestorFacts(),
    )


def ask(
    *rules: Rule,
    shares: int = 10,
    seller: InvestorFacts | None = None,
    buyer: InvestorFacts | None = None,
    at: dt.datetime = NOON,
    country_holders: int = 0,
    category_holders: int = 0,
) -> Decision:
    move = Move(a_wallet(1, balance=100, remembered=seller), a_wallet(2, remembered=buyer), shares)
    return decide(
        move,
        TokenFacts(is_paused=False, supply=100, holders=1, decimals=0, country_holders=country_holders, category_holders=category_holders),
        rules,
        at=at,
    )


def the_reason(decision: Decision) -> Reason:
    assert isinstance(decision, Refused)
    (reason,) = decision.reasons
    return reason


def test_an_issue_beyond_what_the_token_counts_is_refused() -> None:
    move = Move(None, a_wallet(2), 2**96 - 100)
    decision = decide(move, TokenFacts(is_paused=False, supply=100, holders=1, decimals=0), (), at=NOON)
    assert the_reason(decision).code == "settlement.supply_too_large"


def test_a_token_without_its_rules_refuses_everything_that_asks_them() -> None:
    move = Move(None, a_wallet(2), 1)
    decision = decide(move, TokenFacts(is_paused=False, supply=0, holders=0, decimals=0, is_bound=False), (), at=NOON)
    assert the_reason(decision).code == "compliance.not_bound"


@pytest.mark.parametrize(("holders", "allowed"), [(34, True), (35, False), (36, False)])
def test_the_thirty_fifth_of_a_category_comes_in_and_the_thirty_sixth_does_not(holders: int, *, allowed: bool) -> None:
    cap = CategoryHolderCap("us.506b", "17 CFR 230.506(b)(2)(i)", 1, 35)
    decision = ask(cap, buyer=InvestorFacts(category=1), category_holders=holders)
    assert (decision == Allowed()) == allowed
    if not allowed:
        reason = the_reason(decision)
        assert (reason.code, reason.rule, reason.citation) == ("compliance.category_holder_cap", cap.rule_id, cap.citation)
        assert reason.facts == {"category": 1, "holders": holders, "holder_cap": 35}
        assert reason.cure is not None and reason.cure.startswith("0 of 35 places left")
    # In another category, or counted already, nobody asks for a place.
    assert ask(cap, category_holders=holders) == Allowed()
    assert ask(cap, buyer=InvestorFacts(category=1, is_counted_by_category=True), category_holders=holders) == Allowed()


def test_whoever_leaves_the_country_list_makes_room_for_one_and_not_for_two() -> None:
    cap = CountryHolderCap(*NAMED, "US", 5)
    leaving = InvestorFacts(country_place=840)
    assert ask(cap, shares=100, seller=leaving, country_holders=5) == Allowed()
    assert the_reason(ask(cap, shares=100, seller=leaving, country_holders=6)).code == "compliance.country_holder_cap"
    assert the_reason(ask(cap, shares=99, seller=leaving, country_holders=5)).code == "compliance.country_holder_cap"


def test_a_holding_period_ends_on_its_second() -> None:
    period = HoldingPeriod(*NAMED, 3_600)
    held = InvestorFacts(held_back=95, free_at=int(NOON.timestamp()) + 1)
    assert ask(period, shares=5, seller=held) == Allowed()
    reason = the_reason(ask(period, shares=6, seller=held))
    assert (reason.code, reason.facts["free_at"]) == ("compliance.holding_period", "2027-03-03T12:00:01Z")
    assert reason.cure == "Transfer at most 5 shares, or wait until 2027-03-03T12:00:01Z."
    assert ask(period, shares=6, seller=held, at=NOON + dt.timedelta(seconds=1)) == Allowed()


def test_a_volume_limit_says_what_is_left_and_when_it_begins_anew() -> None:
    limit = VolumeLimit(*NAMED, 50, 86_400)
    assert ask(limit, shares=20, seller=InvestorFacts(sent=30)) == Allowed()
    reason = the_reason(ask(limit, shares=21, seller=InvestorFacts(sent=30)))
    assert reason.cure == "Transfer at most 20 shares, or wait until 2027-03-04T00:00:00Z."


def test_a_window_is_open_from_its_first_second_to_before_its_last() -> None:
    windows = TransferWindows(*NAMED, (TransferWindow(NOON, NOON + dt.timedelta(hours=1)),))
    assert the_reason(ask(windows, at=NOON - dt.timedelta(seconds=1))).facts["opens_at"] == "2027-03-03T12:00:00Z"
    assert ask(windows) == Allowed()
    assert the_reason(ask(windows, at=NOON + dt.timedelta(hours=1))).facts["opens_at"] is None


def test_hours_closed_name_the_next_opening_over_a_weekend() -> None:
    hours = TransferHours(*NAMED, 9 * 3_600, 17 * 3_600, ("mon", "wed"))
    assert ask(hours) == Allowed()
    assert the_reason(ask(hours, at=NOON + dt.timedelta(hours=5))).facts["opens_at"] == "2027-03-08T09:00:00Z"
    only_now = TransferHours(*NAMED, 9 * 3_600, 10 * 3_600, ("wed",))
    assert the_reason(ask(only_now)).facts["opens_at"] == "2027-03-10T09:00:00Z"


def test_what_is_on_the_chain_already_takes_no_step() -> None:
    wanted = FurtherRules(country_caps=((276, 5),), minimum_holding=10, venues_only=True, venues=(Address(an_address(9)),))
    found = FurtherState(rules=wanted, counts_by_country=True, venues_listed=wanted.venues)
    assert further_steps(found, wanted, is_attached=True, holders=[Address(an_address(1))]) == []


def test_a_count_that_missed_moves_is_begun_anew_with_its_caps_and_holders() -> None:
    wanted = FurtherRules(country_caps=((276, 5),))
    found = FurtherState(rules=wanted, counts_by_country=True)
    holders = [Address(an_address(number)) for number in range(1, 121)]
    steps = further_steps(found, wanted, is_attached=False, holders=holders)
    assert [step.function for step in steps] == [
        "count_by_country",
        "count_by_country",
        "set_country_cap",
        "count_holders",
        "count_holders",
        "count_holders",
    ]
    assert [step.arguments for step in steps[:3]] == [(False,), (True,), (276, True, 5)]
    assert [step.entries for step in steps[3:]] == [50, 50, 20]
