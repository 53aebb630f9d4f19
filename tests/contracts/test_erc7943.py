# SPDX-License-Identifier: Apache-2.0
"""The security as ERC-7943 (fungible) sees it: what is frozen in all, what may be, and what is done by force."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import NO, YES, ZERO, Reverted, refused
from tests.contracts.test_security_token import forced_logs, frozen_logs, transfer_log
from tests.contracts.world import BLOCK_LISTED, FRANCE, World

AMOUNT_MAX = 2**104 - 1


def may(world: World, sender: str, receiver: str, amount: int) -> bool:
    return world.token.view("canTransfer", sender, receiver, amount)


# The frozen amount


def test_the_frozen_amount_is_set_whole_and_told_by_both_standards(world: World) -> None:
    ann = world.holder("ann", 100)
    done = world.token.fn("setFrozenTokens", ann, 60, sender=world.agent)
    assert done.answer is True
    assert done.logs == frozen_logs(ann, more=60, total=60)
    assert world.token.fn("setFrozenTokens", ann, 60, sender=world.agent).logs == frozen_logs(ann, more=0, total=60)
    assert world.token.fn("setFrozenTokens", ann, 20, sender=world.agent).logs == frozen_logs(ann, more=-40, total=20)
    assert world.token.view("getFrozenTokens", ann) == 20


def test_more_may_be_frozen_than_is_held_and_then_what_comes_in_is_frozen_too(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    world.token.fn("setFrozenTokens", ann, 150, sender=world.agent)
    assert (world.token.view("getFrozenTokens", ann), world.token.view("free_balance", ann)) == (150, 0)
    assert (world.why_not(ann, bob, 0), world.why_not(ann, bob, 1)) == (0, 4)
    world.token.fn("transfer", bob, 0, sender=ann)
    with refused("Insufficient Balance"):
        world.token.fn("transfer", bob, 1, sender=ann)
    world.token.fn("mint", ann, 60, sender=world.agent)
    assert world.token.view("free_balance", ann) == 10
    world.token.fn("transfer", bob, 10, sender=ann)
    with refused("Insufficient Balance"):
        world.token.fn("transfer", bob, 1, sender=ann)


def test_an_amount_beyond_every_supply_is_kept_as_the_greatest_that_fits(world: World) -> None:
    ann = world.holder("ann", 100)
    for amount in (AMOUNT_MAX, AMOUNT_MAX + 1, 2**256 - 1):
        world.token.fn("setFrozenTokens", ann, amount, sender=world.agent)
        assert world.token.view("getFrozenTokens", ann) == AMOUNT_MAX
        assert (world.balance(ann), world.token.view("isFrozen", ann)) == (100, False)
    world.token.fn("setFrozenTokens", ann, 0, sender=world.agent)
    assert world.token.view("free_balance", ann) == 100


def test_erc3643_adds_to_the_same_amount_up_to_the_balance(world: World) -> None:
    ann = world.holder("ann", 100)
    world.token.fn("setFrozenTokens", ann, 40, sender=world.agent)
    world.token.fn("freezePartialTokens", ann, 60, sender=world.agent)
    assert world.token.view("getFrozenTokens", ann) == 100
    world.token.fn("setFrozenTokens", ann, 150, sender=world.agent)
    with refused("Amount exceeds available balance"):
        world.token.fn("freezePartialTokens", ann, 1, sender=world.agent)
    world.token.fn("unfreezePartialTokens", ann, 70, sender=world.agent)
    assert (world.token.view("getFrozenTokens", ann), world.token.view("free_balance", ann)) == (80, 20)


# By force


def test_a_forced_transfer_unfreezes_first_and_says_so_before_the_transfer(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    world.token.fn("setFrozenTokens", ann, 70, sender=world.agent)
    assert world.token.fn("forcedTransfer", ann, bob, 30, sender=world.agent).logs == forced_logs(ann, bob, 30)
    done = world.token.fn("forcedTransfer", ann, bob, 50, sender=world.agent)
    assert done.logs == [*frozen_logs(ann, more=-50, total=20), *forced_logs(ann, bob, 50)]


def test_force_keeps_what_is_frozen_beyond_the_balance(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    world.token.fn("setFrozenTokens", ann, 150, sender=world.agent)
    done = world.token.fn("forcedTransfer", ann, bob, 40, sender=world.agent)
    assert done.logs == [*frozen_logs(ann, more=-40, total=110), *forced_logs(ann, bob, 40)]
    done = world.token.fn("burn", ann, 60, sender=world.agent)
    assert done.logs == [*frozen_logs(ann, more=-60, total=50), transfer_log(ann, ZERO, 60)]
    assert (world.balance(ann), world.token.view("getFrozenTokens", ann)) == (0, 50)


def test_recovery_freezes_at_the_new_wallet_all_that_was_frozen_at_the_lost_one(world: World) -> None:
    ann, new = world.holder("ann", 100), world.person("new")
    world.token.fn("setFrozenTokens", ann, 150, sender=world.agent)
    world.token.fn("recoveryAddress", ann, new, ann, sender=world.agent)
    assert (world.token.view("getFrozenTokens", ann), world.token.view("getFrozenTokens", new)) == (50, 150)
    assert world.token.view("free_balance", new) == 0


def test_recovery_of_two_amounts_beyond_every_supply_stays_beyond_every_supply(world: World) -> None:
    ann = world.holder("ann", 100)
    second = world.holder("ann's second", 10, identity=ann)
    world.token.fn("setFrozenTokens", ann, 2**256 - 1, sender=world.agent)
    world.token.fn("setFrozenTokens", second, AMOUNT_MAX - 5, sender=world.agent)
    world.token.fn("recoveryAddress", ann, second, ann, sender=world.agent)
    assert (world.balance(second), world.token.view("getFrozenTokens", second)) == (110, AMOUNT_MAX)


# What may be


def test_can_send_and_can_receive_answer_for_the_wallet_alone(world: World) -> None:
    ann, stranger = world.holder("ann", 100), world.person("stranger")

    def both(wallet: str) -> tuple[bool, bool]:
        return world.token.view("canSend", wallet), world.token.view("canReceive", wallet)

    assert both(ann) == (True, True)
    assert both(stranger) == both(ZERO) == (True, False)
    world.token.fn("setFrozenTokens", ann, 1_000, sender=world.agent)
    world.token.fn("lock", ann, 100, world.chain.now + 10, sender=world.agent)
    world.token.fn("pause", sender=world.agent)
    assert both(ann) == (True, True)
    world.token.fn("setAddressFrozen", ann, YES, sender=world.agent)
    assert both(ann) == (False, False)
    world.token.fn("setAddressFrozen", ann, NO, sender=world.agent)
    world.registry.fn("invalidate", ann, sender=world.agent)
    assert both(ann) == (True, False)


def test_can_transfer_names_no_reason_but_knows_them_all(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob", country=FRANCE)
    agent = world.agent
    assert may(world, ann, bob, 100)
    assert may(world, ZERO, bob, 1)
    assert not may(world, ann, bob, 101)
    assert not may(world, ann, world.person("stranger"), 1)
    assert not may(world, ZERO, world.person("stranger"), 1)
    world.token.fn("setFrozenTokens", ann, 50, sender=agent)
    assert (may(world, ann, bob, 50), may(world, ann, bob, 51)) == (True, False)
    world.token.fn("lock", ann, 30, world.chain.now + 10, sender=agent)
    assert (may(world, ann, bob, 20), may(world, ann, bob, 21)) == (True, False)
    world.set_rules(maximum_balance=10)
    assert (may(world, ann, bob, 10), may(world, ann, bob, 11)) == (True, False)
    world.set_countries(BLOCK_LISTED, [FRANCE])
    assert not may(world, ann, bob, 1)
    world.set_countries(0, [])
    for wallet in (ann, bob):
        world.token.fn("setAddressFrozen", wallet, YES, sender=agent)
        assert not may(world, ann, bob, 1)
        world.token.fn("setAddressFrozen", wallet, NO, sender=agent)
    assert may(world, ann, bob, 1)
    world.token.fn("pause", sender=agent)
    assert not may(world, ann, bob, 1)


BROKEN = """
# pragma version 0.4.3
is_broken: bool

@external
def break_down():
    self.is_broken = True

@external
def bindToken(_token: address):
    pass

@external
@view
def isVerified(_userAddress: address) -> uint256:
    assert not self.is_broken
    return 2

@external
@view
def canTransfer(_from: address, _to: address, _amount: uint256) -> bool:
    assert not self.is_broken
    return True
"""


@pytest.mark.parametrize("breaks", [True, False])
def test_a_registry_that_fails_or_talks_nonsense_is_a_no_and_no_revert(world: World, *, breaks: bool) -> None:
    broken = world.chain.deploy_vyper(BROKEN, sender=world.owner)
    token = world.chain.deploy("security_token", sender=world.owner)
    token.fn("initialize", broken, broken, "A", "A", 0, ZERO, sender=world.owner)
    token.fn("addAgent", world.agent, sender=world.owner)
    token.fn("unpause", sender=world.agent)
    if breaks:
        world.chain.send(broken, keccak(b"break_down()")[:4], sender=world.owner)
    ann, bob = world.person("ann"), world.person("bob")
    assert token.view("canReceive", bob) is False
    assert token.view("canSend", bob) is True
    assert token.view("canTransfer", ann, bob, 0) is False
    with pytest.raises(Reverted):
        token.fn("transfer", bob, 0, sender=ann)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    held=st.integers(0, 20),
    frozen=st.integers(0, 25),
    locked=st.integers(0, 20),
    amount=st.integers(0, 25),
    maximum=st.integers(0, 20),
    passes=st.booleans(),
    frozen_wallet=st.sampled_from(["nobody", "nobody", "nobody", "ann", "bob"]),
)
def test_can_transfer_is_true_exactly_when_the_transfer_succeeds(
    shared_world: World, *, held: int, frozen: int, locked: int, amount: int, maximum: int, passes: bool, frozen_wallet: str
) -> None:
    with shared_world.chain.undone():
        world = shared_world
        ann, bob = world.holder("ann", held), world.register("bob")
        world.token.fn("setFrozenTokens", ann, frozen, sender=world.agent)
        if 0 < locked <= held:
            world.token.fn("lock", ann, locked, world.chain.now + 10, sender=world.agent)
        if passes:
            world.chain.pass_time(10)
        world.set_rules(maximum_balance=maximum)
        world.token.fn("setAddressFrozen", world.person(frozen_wallet), YES, sender=world.agent)
        foretold = may(world, ann, bob, amount)
        try:
            world.token.fn("transfer", bob, amount, sender=ann)
            succeeds = True
        except Reverted:
            succeeds = False
        assert foretold is succeeds


def test_the_frozen_amount_of_the_zero_address_is_its_own(world: World) -> None:
    assert world.token.fn("setFrozenTokens", ZERO, 5, sender=world.agent).logs == [
        DecodedLog("TokensFrozen", {"_userAddress": ZERO, "_amount": 5}),
        DecodedLog("Frozen", {"account": ZERO, "amount": 5}),
    ]
