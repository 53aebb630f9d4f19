# SPDX-License-Identifier: Apache-2.0
"""What the acts of an offering and of a fund may cost: a rise fails. Whole transactions, refunds not taken off, all rules on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.contracts.chain import Chain, Done
from tests.contracts.test_basket import Fund, a_fund
from tests.contracts.test_subscription import ENOUGH, Offering, an_offering, threshold
from tests.contracts.world import ALLOW_LISTED, FRANCE, GERMANY, World, build_world

BATCH = 50


@dataclass
class Busy:
    """Three offerings and a fund in a world in which nothing is undone: undoing would keep storage warm."""

    world: World
    sold: Offering
    cut_down: Offering
    failed: Offering
    fund: Fund

    def buyer(self, number: int) -> str:
        return self.world.person(f"buyer {number}")


def subscribe_all(busy: Busy, offering: Offering, shares: int) -> None:
    for number in range(BATCH):
        offering.subscribe(busy.buyer(number), shares)


@pytest.fixture(scope="module")
def busy(compiled: None) -> Busy:
    world = build_world(Chain())
    world.set_rules(maximum_balance=10_000, supply_cap=10**9, holder_cap=1_000)
    world.set_countries(ALLOW_LISTED, [GERMANY, FRANCE])
    busy = Busy(world, an_offering(world), an_offering(world), an_offering(world), a_fund(world))
    for number in range(BATCH + 1):
        wallet = world.register(f"buyer {number}", until=2**40)
        for offering in (busy.sold, busy.cut_down, busy.failed):
            offering.purse(wallet, 10_000)
        busy.fund.purse(wallet, busy.fund.money)
    busy.sold.offer(hard_cap=10_000)
    busy.cut_down.offer(hard_cap=100, minimum=0, is_pro_rata=True)
    busy.failed.offer(hard_cap=10_000, soft_cap=5_000)
    busy.sold.at_day(1)
    for offering in (busy.sold, busy.cut_down, busy.failed):
        subscribe_all(busy, offering, 10)
    busy.fund.create(10)
    busy.fund.request(busy.buyer(1), 1_000)
    busy.fund.cut_off_and_strike()
    busy.fund.basket.fn("mint", 90, busy.buyer(1), busy.buyer(1), sender=busy.buyer(1))
    return busy


def end(busy: Busy) -> Done:
    busy.sold.at_day(10)
    busy.world.chain.settle()
    busy.failed.close()
    busy.cut_down.close()
    busy.world.chain.settle()
    return busy.sold.contract.fn("close", sender=busy.world.agent)


def numbers() -> list[int]:
    return list(range(1, BATCH + 1))


def count_split(busy: Busy) -> Done:
    agent = busy.world.agent
    busy.cut_down.contract.fn("propose_split", *threshold([10] * BATCH, 100), sender=agent)
    busy.world.chain.settle()
    return busy.cut_down.contract.fn("count_split", BATCH, sender=agent)


def by_buyer(function: str, *arguments: int, buyer: int, named: int) -> Callable[[Busy], Done]:
    """Call the fund as a buyer, who is also named in the arguments after the amounts."""
    return lambda busy: busy.fund.basket.fn(function, *arguments, *[busy.buyer(buyer)] * named, sender=busy.buyer(buyer))


def strike(busy: Busy) -> Done:
    busy.fund.cut_off()
    busy.world.chain.settle()
    marks = [2 * 10**18, 2 * 10**18]
    return busy.fund.basket.fn("strike", busy.world.chain.now, marks, sender=busy.fund.valuer)


# In this order: some acts need what those before them left.
CEILINGS: list[tuple[str, Callable[[Busy], Done], int]] = [
    ("subscribe, first time", lambda busy: busy.sold.contract.fn("subscribe", 10, ENOUGH, sender=busy.buyer(BATCH)), 146_000),
    ("subscribe again", lambda busy: busy.sold.contract.fn("subscribe", 10, ENOUGH, sender=busy.buyer(BATCH)), 100_000),
    ("withdraw", lambda busy: busy.sold.contract.fn("withdraw", sender=busy.buyer(BATCH)), 65_000),
    ("close", end, 36_000),
    ("count the split of fifty", count_split, 193_000),
    ("allot to fifty new holders", lambda busy: busy.sold.contract.fn("allot", numbers(), sender=busy.world.agent), 2_012_000),
    ("refund", lambda busy: busy.failed.contract.fn("refund", busy.buyer(0), sender=busy.world.agent), 78_000),
    ("refund to forty-nine", lambda busy: busy.failed.contract.fn("refund_batch", numbers()[1:], sender=busy.world.agent), 856_000),
    ("collect", lambda busy: busy.sold.contract.fn("collect", busy.world.owner, sender=busy.world.owner), 89_000),
    ("create in kind, two constituents", lambda busy: busy.fund.basket.fn("create_in_kind", 1, sender=busy.fund.participant), 173_000),
    ("redeem in kind, two constituents", lambda busy: busy.fund.basket.fn("redeem_in_kind", 1, sender=busy.fund.participant), 160_000),
    ("request a deposit", by_buyer("requestDeposit", 1_000, buyer=0, named=2), 156_000),
    ("request a redemption", by_buyer("requestRedeem", 50, buyer=1, named=2), 125_000),
    ("strike for both sides", strike, 162_000),
    ("claim units", by_buyer("mint", 90, buyer=0, named=2), 113_000),
    ("claim money", by_buyer("redeem", 50, buyer=1, named=2), 92_000),
]


def test_each_act_stays_below_its_ceiling(busy: Busy) -> None:
    # One test, since the order counts. A ceiling far above the figure defends nothing.
    beside: list[str] = []
    for name, act, ceiling in CEILINGS:
        busy.world.chain.settle()
        used = act(busy).gas
        if not ceiling * 9 // 10 < used <= ceiling:
            beside.append(f"{name}: {used:,} of {ceiling:,}")
    assert beside == []
