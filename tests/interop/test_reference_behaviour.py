# SPDX-License-Identifier: Apache-2.0
"""Ours against the reference, step by step: reasons, answers and events by name and arguments. Where we differ on purpose stands here.

Every difference that is not in the table is a bug of ours; every line of the table that is no difference any more is out of date.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import pytest

from tests.interop.conftest import StageOf
from tests.interop.scenarios import SCENARIOS, Scenario
from tests.interop.suites import Makers, Outcome

Pure = Callable[[Scenario], tuple[list[Outcome], list[Outcome]]]

OURS = Makers("ours", "ours", "ours")
THEIRS = Makers("theirs", "theirs", "theirs")


class Told(NamedTuple):
    """What ours does at a step where the reference does something else: a refusal, or an answer and the names of its events."""

    refused: str | None = None
    answer: Any = None
    events: tuple[str, ...] = ()


UNEQUAL = Told("token: lists differ in length")
NO_ALLOWANCE = Told("ERC20: insufficient allowance")
NOBODY_IS_NO_AGENT = Told(answer=False)
MOVED = Told(answer=True, events=("Transfer",))
ISSUED = Told(events=("Transfer",))

MODULE_ADDED = Told(events=("ModuleAdded", "ComplianceBound"))
MODULE_REMOVED = Told(events=("ModuleRemoved", "ComplianceUnbound"))

ZERO_AMOUNTS = "ERC-20 calls transfers of nothing normal; so are an issue and a burning of nothing"
PANICS = "the reference stops with an arithmetic or index panic; ours says what is wrong"
APPROVAL = "ERC-20 asks for Approval when somebody approves; the reference logs it at each use too"
NOBODY = "a view that is asked about nobody answers instead of reverting"
ORDER = "the owner is set before anything is wired, and its event comes first"
SELF = "a forced transfer to its own holder takes nothing, so it unfreezes nothing"
UNLIMITED = "an allowance of the largest number is not used up, as in later ERC-20 libraries"
MERGE = "a wallet that the investor has already can take the lost one's tokens"
OWN_IDENTITY = "the lost wallet has to belong to the identity that is named; the reference lets any identity take it"
NO_CODE = "an identity without code has no claims, which is an answer; the reference reverts"
FORGED = "a claim counts only if the trusted issuer that it is filed under vouches for it (ERC-3643 issue 101)"
OWN_WORD_FIRST = "what changes is written and logged before a module is called, which may call back"
UNWIRED = "a token without a registry would be stuck"

# Why -> scenario -> step -> what ours does.
DIFFERENCES: dict[str, dict[str, dict[str, Told]]] = {
    ZERO_AMOUNTS: {
        "tokens_are_minted": {"token.mint(@ann, 0) by agent": ISSUED},
        "nothing_is_minted_or_burned": {
            "token.mint(@ann, 0) by agent": ISSUED,
            "token.burn(@ann, 0) by agent": ISSUED,
            "token.forcedTransfer(@ann, @ann, 0) by agent": MOVED,
        },
        "nothing_is_transferred": {
            "token.transfer(@bob, 0) by ann": MOVED,
            "token.transferFrom(@ann, @bob, 0) by spender": MOVED,
        },
    },
    PANICS: {
        "tokens_are_transferred_by_allowance": {
            "token.transferFrom(@ann, @bob, 31) by spender": NO_ALLOWANCE,
            "token.transferFrom(@ann, @bob, 1) by agent": NO_ALLOWANCE,
            "token.decreaseAllowance(@spender, 99) by ann": NO_ALLOWANCE,
        },
        "an_amount_beyond_all_is_frozen": {
            f"token.freezePartialTokens(@ann, {2**256 - 1}) by agent": Told("Amount exceeds available balance"),
        },
        "batches_have_lists_of_unequal_length": {
            "token.batchTransfer(['@bob', '@bob'], [1]) by ann": UNEQUAL,
            "token.batchMint(['@ann', '@bob'], [1]) by agent": UNEQUAL,
            "token.batchMint(['@ann'], [1, 2]) by agent": UNEQUAL,
            "token.balanceOf(@ann)": Told(answer=100),
            "token.totalSupply()": Told(answer=150),
        },
        "token_is_rewired": {"token.setCompliance(0x0) by owner": Told("invalid argument - zero address")},
    },
    APPROVAL: {
        "tokens_are_transferred_by_allowance": {
            "token.transferFrom(@ann, @bob, 10) by spender": MOVED,
            "token.transferFrom(@ann, @bob, 1) by spender, time 2": MOVED,
        },
        "an_unlimited_allowance_is_used": {"token.transferFrom(@ann, @bob, 10) by spender": MOVED},
    },
    UNLIMITED: {"an_unlimited_allowance_is_used": {"token.allowance(@ann, @spender)": Told(answer=2**256 - 1)}},
    NOBODY: {
        "owners_and_agents_change": {
            "token.isAgent(0x0)": NOBODY_IS_NO_AGENT,
            "registry.isAgent(0x0)": NOBODY_IS_NO_AGENT,
            "storage.isAgent(0x0)": NOBODY_IS_NO_AGENT,
        }
    },
    ORDER: {
        "token_is_rewired": {
            "other registry.init(#issuers, #topics, #storage) by owner": Told(
                events=("OwnershipTransferred", "ClaimTopicsRegistrySet", "TrustedIssuersRegistrySet", "IdentityStorageSet")
            )
        },
        "registry_is_initialised": {
            "fresh registry.init(#issuers, #topics, #storage) by owner": Told(
                events=("OwnershipTransferred", "ClaimTopicsRegistrySet", "TrustedIssuersRegistrySet", "IdentityStorageSet")
            )
        },
    },
    SELF: {
        "tokens_are_forced_to_their_holder": {
            "token.forcedTransfer(@ann, @ann, 50) by agent": MOVED,
            "token.getFrozenTokens(@ann)": Told(answer=80),
        }
    },
    MERGE: {
        "a_wallet_is_recovered_into_one_that_is_registered": {
            "token.recoveryAddress(@ann, @new, #identity of ann) by agent": Told(
                answer=True, events=("Transfer", "IdentityUnstored", "IdentityRemoved", "RecoverySuccess")
            ),
            "token.balanceOf(@ann)": Told(answer=0),
            "token.balanceOf(@new)": Told(answer=100),
        }
    },
    OWN_IDENTITY: {
        "a_wallet_is_recovered_by_the_wrong_identity": {
            "token.recoveryAddress(@ann, @new, #identity of bob) by agent": Told("Recovery not possible"),
            "token.balanceOf(@ann)": Told(answer=100),
            "token.balanceOf(@new)": Told(answer=0),
        }
    },
    NO_CODE: {
        "an_identity_is_an_account": {
            "registry.isVerified(@ann), time 2": Told(answer=False),
            "token.mint(@ann, 1) by agent": Told("Identity is not verified."),
        }
    },
    FORGED: {
        "an_identity_names_another_issuer": {
            "registry.isVerified(@ann)": Told(answer=False),
            "token.mint(@ann, 1) by agent": Told("Identity is not verified."),
        }
    },
    OWN_WORD_FIRST: {
        "modules_rule": {
            "compliance.addModule(#CountryRestrictModule) by owner": MODULE_ADDED,
            "compliance.removeModule(#CountryRestrictModule) by owner": MODULE_REMOVED,
        },
        "a_module_keeps_count": {"compliance.addModule(#SupplyLimitModule) by owner": MODULE_ADDED},
        "a_module_counts_per_identity": {"compliance.addModule(#MaxBalanceModule) by owner": MODULE_ADDED},
        "at_most_twenty_five_modules_rule": {
            **{f"compliance.addModule(#module {number}) by owner": MODULE_ADDED for number in range(25)},
            "compliance.removeModule(#module 0) by owner": MODULE_REMOVED,
        },
    },
    UNWIRED: {
        "token_loses_its_registry": {
            "token.setIdentityRegistry(0x0) by owner": Told("invalid argument - zero address"),
            "token.identityRegistry()": Told(answer="registry"),
        }
    },
}

# Two differences at one step, each with a part of its own: the reference's token logs Approval, our compliance lets nothing pass.
MIXED_DIFFERENCES = {("nothing_is_transferred", "token.transferFrom(@ann, @bob, 0) by spender")}

MIXED = [
    Makers(token, registries, compliance)
    for token in ("ours", "theirs")
    for registries in ("ours", "theirs")
    for compliance in ("ours", "theirs")
    if len({token, registries, compliance}) > 1
]


def told(outcome: Outcome) -> Told:
    """Return a step's outcome in the table's words."""
    return Told(outcome.refused, outcome.answer, tuple(event for _, event, _ in outcome.events))


def outcomes(stage_of: StageOf, makers: Makers, scenario: Scenario) -> list[Outcome]:
    with stage_of(makers) as stage:
        scenario(stage)
        return stage.outcomes


@pytest.fixture(scope="module")
def pure(stage_of: StageOf) -> Pure:
    """Return what the reference and what ours does in a scenario, played once for all tests."""

    @cache
    def played(scenario: Scenario) -> tuple[list[Outcome], list[Outcome]]:
        return outcomes(stage_of, THEIRS, scenario), outcomes(stage_of, OURS, scenario)

    return played


def expected_of(scenario: Scenario) -> dict[str, Told]:
    """Return the steps at which we differ on purpose."""
    found: dict[str, Told] = {}
    for scenarios in DIFFERENCES.values():
        found |= scenarios.get(scenario.__name__, {})
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_ours_does_what_the_reference_does(pure: Pure, scenario: Scenario) -> None:
    theirs, ours = pure(scenario)
    differing = {mine.step: mine for reference, mine in zip(theirs, ours, strict=True) if reference != mine}
    expected = expected_of(scenario)
    surprises = [(reference, mine) for reference, mine in zip(theirs, ours, strict=True) if reference != mine and mine.step not in expected]
    assert surprises == [], "(the reference, ours)"
    assert {step: told(outcome) for step, outcome in differing.items()} == expected


@pytest.mark.long
@pytest.mark.parametrize("makers", MIXED, ids="-".join)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_mixed_suite_does_nothing_that_neither_pure_suite_does(stage_of: StageOf, pure: Pure, scenario: Scenario, makers: Makers) -> None:
    theirs, ours = pure(scenario)
    mixed = outcomes(stage_of, makers, scenario)
    odd = [
        (reference, mine, both)
        for reference, mine, both in zip(theirs, ours, mixed, strict=True)
        if both not in (reference, mine) and (scenario.__name__, both.step) not in MIXED_DIFFERENCES
    ]
    assert odd == [], "(the reference, ours, mixed)"


def test_every_difference_belongs_to_a_scenario() -> None:
    named = {scenario for scenarios in DIFFERENCES.values() for scenario in scenarios}
    assert named <= {scenario.__name__ for scenario in SCENARIOS}
