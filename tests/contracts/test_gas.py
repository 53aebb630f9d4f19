# SPDX-License-Identifier: Apache-2.0
"""What the common acts may cost, with every rule on: a rise fails. Measured as transactions of their own, refunds not taken off."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contracts.chain import NO, ZERO, Chain, Done
from tests.contracts.test_identity_registry import KYC, claim
from tests.contracts.test_separate_layout import Suite, build_suite
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
    world.holder("fay", 1_000)
    world.register("fay's second", identity=world.person("fay"))
    world.token.fn("approve", world.person("broker"), 2**256 - 1, sender=world.person("bob"))
    for name in ("new holder", "newer holder", "newest holder"):
        world.register(name)
    return world


def many(world: World, name: str) -> list[str]:
    return [world.person(f"{name} {each}") for each in range(50)]


def to(receiver: str, *, sender: str) -> Callable[[World], Done]:
    return lambda world: world.token.fn("transfer", world.person(receiver), 1, sender=world.person(sender))


def through_broker(world: World) -> Done:
    return world.token.fn("transferFrom", world.person("bob"), world.person("dee"), 1, sender=world.person("broker"))


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


def signed_claims(world: World, wallets: list[str]) -> list[tuple[int, str, bytes, bytes]]:
    return [claim(world.chain, wallet) for wallet in wallets]


def register_claimed(world: World) -> Done:
    wallet, agent = world.person("once claimed"), world.agent
    signed = signed_claims(world, [wallet])[0]
    return world.verifier.fn("register_investor", world.registry.address, wallet, ZERO, GERMANY, *signed, sender=agent)


def register_many_claimed(world: World) -> Done:
    wallets = many(world, "each claimed")
    topics, issuers, data, signatures = zip(*signed_claims(world, wallets), strict=True)
    lists = (wallets, [ZERO] * 50, [GERMANY] * 50, topics[0], issuers[0], data, signatures)
    return world.verifier.fn("register_investor_batch", world.registry.address, *lists, sender=world.agent)


def deploy_suite(world: World) -> Done:
    return world.factory.fn("deploy_suite", b"g" * 32, [world.agent], sender=world.owner)


def deploy_security(world: World) -> Done:
    rules = encode_rules(maximum_balance=1, holder_cap=1, country_mode=ALLOW_LISTED, countries=(GERMANY,))
    opens = True
    terms = ("Gas", "GAS", 0, ZERO)
    return world.factory.fn("deploy_security", world.compliance.address, b"g" * 32, terms, rules, [world.agent], opens, sender=world.owner)


def deploy_clone(world: World) -> Done:
    rules = encode_rules(maximum_balance=1, holder_cap=1, country_mode=ALLOW_LISTED, countries=(GERMANY,))
    terms = ("Gas", "GAS", 0, ZERO)
    lists = (terms, rules, [world.agent], NO)
    return world.factory.fn("deploy_security_clone", world.compliance.address, b"c" * 32, *lists, sender=world.owner)


def ask_a_claim(world: World) -> Done:
    world.issuers.fn("addTrustedIssuer", world.chain.signer("issuer").address, [KYC], sender=world.owner)
    return world.topics.fn("addClaimTopic", KYC, sender=world.owner)


# In this order: some acts need what those before them left.
CEILINGS: list[tuple[str, Callable[[World], Done], int]] = [
    ("transfer, both hold", to("bob", sender="ann"), 45_500),
    ("transfer to a new holder", to("new holder", sender="bob"), 67_500),
    ("transfer to an investor with two wallets", to("ann", sender="bob"), 54_500),
    ("transfer between two investors with two wallets", to("fay", sender="ann"), 55_000),
    ("transfer by an allowance", through_broker, 50_000),
    ("mint to a new holder", mint, 71_000),
    ("forced transfer", force, 50_000),
    ("recovery", recover, 106_000),
    ("register one investor", register, 50_500),
    ("register fifty investors", register_many, 50 * 28_000),
    ("mint to fifty new holders", mint_many, 50 * 32_500),
    ("transfer to fifty holders", transfer_many, 50 * 13_500),
    ("deploy a suite", deploy_suite, 6_800_000),
    ("deploy one more security", deploy_security, 4_600_000),
    ("deploy one more security as a clone", deploy_clone, 345_000),
    ("ask a claim of every investor", ask_a_claim, 170_000),
    ("register one investor with a claim", register_claimed, 85_000),
    ("register fifty investors with a claim each", register_many_claimed, 50 * 41_000),
]


def test_each_act_stays_below_its_ceiling(busy: World) -> None:
    # One test, since the order counts. A ceiling far above the figure defends nothing.
    beside: list[str] = []
    for name, act, ceiling in CEILINGS:
        busy.chain.settle()
        used = act(busy).gas
        if not ceiling * 9 // 10 < used <= ceiling:
            beside.append(f"{name}: {used:,} of {ceiling:,}")
        assert used < TRANSACTION_GAS_MAX
    assert beside == []


@pytest.fixture(scope="module")
def separate(compiled: None) -> Suite:
    """Registry and compliance as contracts of their own, with the same rules on, and eligibility kept in the registry."""
    suite = build_suite(Chain())
    suite.keep_records_in_the_registry()
    suite.registry.fn("set_live", NO, sender=suite.owner)
    suite.compliance.fn("set_rules", suite.token.address, 10_000, 10**9, 1_000, sender=suite.owner)
    suite.compliance.fn("set_countries", suite.token.address, ALLOW_LISTED, [GERMANY, FRANCE], sender=suite.owner)
    for name in ("ann", "bob"):
        suite.holder(name, 1_000)
    return suite


def test_a_transfer_by_the_standards_calls_alone_stays_below_its_ceiling(separate: Suite) -> None:
    separate.chain.settle()
    used = separate.token.fn("transfer", separate.person("bob"), 1, sender=separate.person("ann")).gas
    assert 61_000 * 9 // 10 < used <= 61_000
