# SPDX-License-Identifier: Apache-2.0
"""What the security itself costs in each of its acts, with a compliance contract that asks nothing: a rise fails.

What the whole suite costs, with every rule on, is in test_gas.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contracts.chain import YES, ZERO, Chain, Contract, Done

ASKS_NOTHING = """
# pragma version 0.4.3
@external
def bindToken(_token: address):
    pass

@external
@view
def is_combined_with(identity_registry: address) -> bool:
    return True

@external
def book_transfer(s: address, r: address, amount: uint256, sb: uint256, rb: uint256) -> uint256:
    return 0

@external
def book_forced_transfer(s: address, r: address, amount: uint256, sb: uint256, rb: uint256) -> uint256:
    return 0

@external
def book_mint(r: address, amount: uint256, rb: uint256, supply: uint256) -> uint256:
    return 0

@external
def book_burn(s: address, amount: uint256, sb: uint256):
    pass

@external
def recover_wallet(lost: address, new: address, identity: address) -> bool:
    return True
"""


@pytest.fixture(scope="module")
def token(compiled: None) -> Contract:
    """A security of its own chain, in which nothing is undone: undoing would keep storage warm."""
    chain = Chain()
    owner, agent = chain.account("owner"), chain.account("agent")
    asks_nothing = chain.deploy_vyper(ASKS_NOTHING, sender=owner)
    made = chain.deploy("security_token", sender=owner)
    made.fn("initialize", asks_nothing, asks_nothing, "Gas", "GAS", 0, ZERO, sender=owner)
    made.fn("addAgent", agent, sender=owner)
    made.fn("unpause", sender=agent)
    for name in ("ann", "bob", "dee", "eve"):
        made.fn("mint", chain.account(name), 1_000, sender=agent)
    return made


Act = Callable[[Contract, Callable[[str], str], int], Done]
FIFTY = [f"one of fifty {each}" for each in range(50)]

# In this order: some acts need what those before them left. The last number is the ceiling.
ACTS: list[tuple[str, Act, int]] = [
    ("mint to fifty new holders", lambda t, who, _: t.fn("batchMint", [who(n) for n in FIFTY], [1] * 50, sender=who("agent")), 1_345_000),
    ("transfer", lambda t, who, _: t.fn("transfer", who("bob"), 1, sender=who("ann")), 39_900),
    ("transfer to fifty", lambda t, who, _: t.fn("batchTransfer", [who(n) for n in FIFTY], [1] * 50, sender=who("bob")), 486_000),
    ("approve", lambda t, who, _: t.fn("approve", who("broker"), 5, sender=who("ann")), 46_400),
    ("transfer by approval", lambda t, who, _: t.fn("transferFrom", who("ann"), who("bob"), 1, sender=who("broker")), 45_900),
    ("mint", lambda t, who, _: t.fn("mint", who("ann"), 1, sender=who("agent")), 41_800),
    ("mint to a new holder", lambda t, who, _: t.fn("mint", who("new"), 1, sender=who("agent")), 59_100),
    ("burn", lambda t, who, _: t.fn("burn", who("ann"), 1, sender=who("agent")), 41_800),
    ("forced transfer", lambda t, who, _: t.fn("forcedTransfer", who("ann"), who("bob"), 1, sender=who("agent")), 44_300),
    ("freeze shares", lambda t, who, _: t.fn("freezePartialTokens", who("dee"), 1_000, sender=who("agent")), 32_900),
    ("forced transfer that unfreezes", lambda t, who, _: t.fn("forcedTransfer", who("dee"), who("bob"), 1, sender=who("agent")), 47_900),
    ("set the frozen amount", lambda t, who, _: t.fn("setFrozenTokens", who("dee"), 0, sender=who("agent")), 32_800),
    ("freeze a wallet", lambda t, who, _: t.fn("setAddressFrozen", who("dee"), YES, sender=who("agent")), 31_600),
    ("lock", lambda t, who, now: t.fn("lock", who("eve"), 500, now + 100, sender=who("agent")), 54_700),
    ("transfer beside a live lockup", lambda t, who, _: t.fn("transfer", who("bob"), 1, sender=who("eve")), 43_000),
    ("lock another tranche", lambda t, who, now: t.fn("lock", who("eve"), 10, now + 50, sender=who("agent")), 58_600),
    ("recovery", lambda t, who, _: t.fn("recoveryAddress", who("bob"), who("bob's new"), who("bob"), sender=who("agent")), 65_000),
    ("recovery with lockups", lambda t, who, _: t.fn("recoveryAddress", who("eve"), who("eve's new"), ZERO, sender=who("agent")), 123_500),
]


def test_each_act_of_the_security_stays_below_its_ceiling(token: Contract) -> None:
    # One test, since the order counts. A ceiling far above the figure defends nothing.
    chain, beside = token.chain, list[str]()
    for name, act, ceiling in ACTS:
        chain.settle()
        used = act(token, chain.account, chain.now).gas
        if not ceiling * 97 // 100 < used <= ceiling:
            beside.append(f"{name}: {used:,} of {ceiling:,}")
    assert beside == []
