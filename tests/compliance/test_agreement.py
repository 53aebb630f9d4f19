# SPDX-License-Identifier: Apache-2.0
"""What compliance decides and what the contracts answer are one answer: for every question, its first reason too, under every rule."""

from __future__ import annotations

import os

import pytest

from muniment.infra.evm import contract_artifacts
from tests.compliance.random_market import run_markets
from tests.contracts.conftest import compiled

# Fixtures are found by their names in this module.
__all__ = ["compiled"]

QUESTIONS_A_MARKET = 250
MARKETS, NIGHTLY_MARKETS = 50, 4_000


@pytest.mark.slow
def test_ten_thousand_questions_have_the_same_first_reason_off_the_chain_and_on_it(compiled: None) -> None:
    asked, foretold, told = run_markets([f"{number}" for number in range(MARKETS)], questions=QUESTIONS_A_MARKET)
    assert asked >= MARKETS * QUESTIONS_A_MARKET
    assert foretold >= 200
    # A test that never meets a reason proves nothing about it.
    rare = {code: told[code] for code in (None, *(REASONS_TOLD - REASONS_NEVER_MET)) if told[code] < 5}
    assert not rare


@pytest.mark.long
def test_a_million_questions_have_the_same_first_reason_off_the_chain_and_on_it(compiled: None) -> None:
    start = os.environ.get("MUNIMENT_TEST_SEED") or os.urandom(6).hex()
    print(f"seed {start}: MUNIMENT_TEST_SEED={start} asks the same questions")  # noqa: T201 - whoever runs the target sees it
    asked, _, _ = run_markets([f"{start}-{number}" for number in range(NIGHTLY_MARKETS)], questions=QUESTIONS_A_MARKET)
    assert asked >= NIGHTLY_MARKETS * QUESTIONS_A_MARKET


def test_every_reason_that_the_chain_publishes_for_a_token_has_a_sentence_here() -> None:
    published = {reason.code for reason in contract_artifacts.reasons() if reason.contract == "security_token"}
    # A token of ours whose compliance is not ours answers this one; Muniment deploys no such pair.
    published.discard("compliance.refused")
    assert published == REASONS_TOLD


REASONS_TOLD = {
    "settlement.paused",
    "settlement.sender_frozen",
    "settlement.receiver_frozen",
    "settlement.insufficient_balance",
    "settlement.supply_too_large",
    "compliance.lockup_active",
    "compliance.receiver_not_verified",
    "compliance.not_bound",
    "compliance.country_not_allowed",
    "compliance.country_blocked",
    "compliance.maximum_balance",
    "compliance.supply_cap",
    "compliance.holder_cap",
    "compliance.country_holder_cap",
    "compliance.category_holder_cap",
    "compliance.transfer_window_closed",
    "compliance.transfer_hours_closed",
    "compliance.venue_not_listed",
    "compliance.transfer_not_approved",
    "compliance.whole_position_only",
    "compliance.sender_below_minimum",
    "compliance.holding_period",
    "compliance.volume_limit",
    "compliance.receiver_holds_already",
    "compliance.receiver_below_minimum",
}
REASONS_NEVER_MET = {"settlement.supply_too_large", "compliance.not_bound"}
"""A supply of 2**96 and a token without rules are no random market's; test_decision has them."""
