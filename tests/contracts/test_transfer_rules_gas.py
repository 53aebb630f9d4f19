# SPDX-License-Identifier: Apache-2.0
"""What the further rules add to a transfer: nothing but the question where none is on, and a rise fails.

Measured as transactions of their own, against the same transfer by a compliance contract that does not ask.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.chain import NO, YES, ZERO, Chain
from tests.contracts.further import DAY, Further, build_further
from tests.contracts.world import FRANCE, GERMANY, build_world

EVERY_DAY = 0b1111111
WINDOWS = [1, 2**40 - 1]
# Each rule on, and off.
ON: dict[str, tuple[tuple[str, tuple[Any, ...]], ...]] = {
    "country caps": (("count_by_country", (YES,)), ("set_country_cap", (GERMANY, YES, 100)), ("set_country_cap", (FRANCE, YES, 100))),
    "category caps": (("count_by_category", (YES,)), ("set_category_cap", (0, YES, 100))),
    "windows": (("set_transfer_windows", (YES, WINDOWS[:1], WINDOWS[1:])),),
    "hours": (("set_transfer_hours", (0, DAY, EVERY_DAY)),),
    "venues": (("set_venues_only", (YES,)),),
    "approval": (("set_approval_needed", (YES,)),),
    "minimum": (("set_minimum_holding", (5,)),),
    "holding period": (("set_holding_period", (60,)),),
    "volume": (("set_volume_limit", (10**9, DAY)),),
}
OFF: dict[str, tuple[str, tuple[Any, ...]]] = {
    "country caps": ("count_by_country", (NO,)),
    "category caps": ("count_by_category", (NO,)),
    "windows": ("set_transfer_windows", (NO, [], [])),
    "hours": ("set_transfer_hours", (0, 0, 0)),
    "venues": ("set_venues_only", (NO,)),
    "approval": ("set_approval_needed", (NO,)),
    "minimum": ("set_minimum_holding", (0,)),
    "holding period": ("set_holding_period", (0,)),
    "volume": ("set_volume_limit", (0, 0)),
}
# Rules that are on -> what they add at most to a transfer between holders, and to one that makes a holder.
CEILINGS: dict[tuple[str, ...], tuple[int, int]] = {
    (): (7_300, 7_300),
    ("country caps",): (8_400, 52_000),
    ("category caps",): (8_400, 50_000),
    ("windows",): (12_900, 12_900),
    ("hours",): (11_100, 11_100),
    ("venues",): (11_600, 11_600),
    ("approval",): (14_200, 14_200),
    ("minimum",): (11_000, 11_000),
    ("holding period",): (29_000, 67_000),
    ("volume",): (27_200, 30_300),
    tuple(ON): (50_500, 110_000),
}


@pytest.fixture(scope="module")
def busy(compiled: None) -> Further:
    """A world of its own in which nothing is undone: undoing would keep storage warm."""
    world = build_world(Chain())
    further = build_further(world)
    for name in ("ann", "bob"):
        world.holder(name, 100_000)
    further.set("list_venues", [world.person("ann")], YES)
    return further


def cost(further: Further, receiver: str, *, asks: bool) -> int:
    """Return the gas of a transfer from Ann, who comes out of it with lots that have been held long enough."""
    world = further.world
    rules = further.rules.address if asks else ZERO
    further.compliance.fn("wire", world.registry.address, rules, sender=world.owner)
    ann = world.person("ann")
    further.set("approve_transfer", ann, receiver, 10, 2**40)
    world.chain.pass_time(120)
    world.chain.settle()
    return world.token.fn("transfer", receiver, 10, sender=ann).gas


@pytest.mark.parametrize("names", CEILINGS, ids=lambda names: " + ".join(names) if len(names) < 2 else "all")
def test_further_rules_add_no_more_than_their_ceilings(busy: Further, names: tuple[str, ...]) -> None:
    world = busy.world
    for name in names:
        for rule, arguments in ON[name]:
            busy.set(rule, *arguments)
    bob = world.person("bob")
    # Once without measuring: what is kept of both is there then.
    cost(busy, bob, asks=True)
    added = cost(busy, bob, asks=True) - cost(busy, bob, asks=False)
    fresh = [world.register(f"{names} {each}") for each in range(3)]
    cost(busy, fresh[0], asks=True)
    joined = cost(busy, fresh[1], asks=True) - cost(busy, fresh[2], asks=False)
    for name in names:
        busy.set(OFF[name][0], *OFF[name][1])
    for used, ceiling in zip((added, joined), CEILINGS[names], strict=True):
        # A ceiling far above the figure defends nothing.
        assert ceiling * 9 // 10 < used <= ceiling
