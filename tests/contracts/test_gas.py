# SPDX-License-Identifier: Apache-2.0
"""What the common acts may cost, with every rule on: a rise fails. Measured as transactions of their own, refunds not taken off."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contracts.chain import ZERO, Chain, Done
from tests.contracts.world import ALLOW_LISTED, FRANCE, GERMANY, YEAR, World, build_world, encode_rules

# EIP-7825.
TRANSACTION_GAS_MAX = 2**24


@pytest.fixture(scope="module")
def busy(compiled: None) -> World:
    """A world of its own with all rules on, in which nothing is undone: undoing would keep storage warm."""
    world = build_world(Chain())
    world.set_rules(maximum_balance=10_000, supply_cap=10**9, holder_cap=1_000)
    world.set_countries(ALLOW_LISTED, [GERMANY, FRANCE])
    for name in ("ann", "bob", "dee"):
        world.holder(name, 1_000)
    world.register("ann's second", identity=world.person("ann"))
    for name in ("new holder", "newer holder", "newest holder"):
        world.register(name)
    return world


def many(world: World, name: str) -> list[str]:
    return [world.person(f"{name} {each}") for each in range(50)]


def to(receiver: str, *, sender: str) -> Callable[[World], Done]:
    return lambda world: world.token.fn("transfer", world.person(receiver), 1, sender=world.person(sender))


def mint(world: World) -> Done:
    return world.token.fn("mint", world.person("newer holder"), 1, sender=world.agent)


def force(world: World) -> Done:
    return world.token.fn("forcedTransfer", world.person("bob"), world.person("dee"), 1, sender=world.agent)


def recover(world: World) -> Done:
    dee = world.person("dee")
    return world.token.fn("recoveryAddress", dee, world.person("dee's new"), dee, sender=world.agent)


def register(world: World) -> Done:
    return world.registry.fn("register_investor", world.person("once"), ZERO, GERMANY, world.chain.now + YEAR, sender=world.agent)


def register_many(world: World) -> Done:
    untils = [world.chain.now + YEAR] * 50
    return world.registry.fn("register_investor_batch", many(world, "each"), [ZERO] * 50, [GERMANY] * 50, untils, sender=world.agent)


def mint_many(world: World) -> Done:
    return world.token.fn("batchMint", many(world, "each"), [1] * 50, sender=world.agent)


def transfer_many(world: World) -> Done:
    return world.token.fn("batchTransfer", many(world, "each"), [1] * 50, sender=world.person("bob"))


def deploy_suite(world: World) -> Done:
    return world.factory.fn("deploy_suite", b"g" * 32, [world.agent], sender=world.owner)


def deploy_security(world: World) -> Done:
    rules = encode_rules(maximum_balance=1, holder_cap=1, country_mode=ALLOW_LISTED, countries=(GERMANY,))
    opens = True
    terms = ("Gas", "GAS", 0, ZERO)
    return world.factory.fn("deploy_security", world.compliance.address, b"g" * 32, terms, rules, [world.agent], opens, sender=world.owner)


# In this order: some acts need what those before them left.
CEILINGS: list[tuple[str, Callable[[World], Done], int]] = [
    ("transfer, both hold", to("bob", sender="ann"), 56_000),
    ("transfer to a new holder", to("new holder", sender="bob"), 75_000),
    ("transfer to an investor with two wallets", to("ann", sender="bob"), 65_000),
    ("mint to a new holder", mint, 80_000),
    ("forced transfer", force, 56_000),
    ("recovery", recover, 180_000),
    ("register one investor", register, 57_000),
    ("register fifty investors", register_many, 50 * 31_000),
    ("mint to fifty new holders", mint_many, 50 * 34_000),
    ("transfer to fifty holders", transfer_many, 50 * 16_500),
    ("deploy a suite", deploy_suite, 9_200_000),
    ("deploy one more security", deploy_security, 4_700_000),
]


@pytest.mark.parametrize(("act", "ceiling"), [(act, ceiling) for _, act, ceiling in CEILINGS], ids=[name for name, _, _ in CEILINGS])
def test_an_act_stays_below_its_ceiling(busy: World, act: Callable[[World], Done], ceiling: int) -> None:
    busy.chain.settle()
    used = act(busy).gas
    assert used <= ceiling
    # A ceiling far above the figure defends nothing.
    assert used > ceiling * 9 // 10
    assert used < TRANSACTION_GAS_MAX
