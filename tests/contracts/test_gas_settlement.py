# SPDX-License-Identifier: Apache-2.0
"""What settlement may cost, with every rule of the security on: a rise fails. Whole transactions, refunds not taken off."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contracts.chain import Chain, Done
from tests.contracts.venue import BUY, SELL, UNLIMITED, Signed, Terms, Venue, open_venue
from tests.contracts.world import ALLOW_LISTED, FRANCE, GERMANY, build_world

# EIP-7825.
TRANSACTION_GAS_MAX = 2**24
NETTED, SINGLY = True, False


@pytest.fixture(scope="module")
def busy(compiled: None) -> Venue:
    """A venue of its own with all rules on, in which nothing is undone: undoing would keep storage warm."""
    world = build_world(Chain())
    world.set_rules(maximum_balance=10**6, supply_cap=10**9, holder_cap=1_000)
    world.set_countries(ALLOW_LISTED, [GERMANY, FRANCE])
    venue = open_venue(world)
    venue.money.fn("mint", venue.fee_receiver, 1, sender=world.owner)
    for name in ("bea", "sam"):
        venue.maker(name, shares=1_000, money=10**6)
    for each in range(10):
        venue.maker(f"buyer {each}", shares=1, money=10**6)
        venue.maker(f"seller {each}", shares=10_000, money=1)
    world.token.fn("approve", venue.operator, UNLIMITED, sender=venue.chain.signer("sam").address)
    venue.money.fn("approve", venue.operator, UNLIMITED, sender=venue.chain.signer("bea").address)
    return venue


def deliver_alone(venue: Venue) -> Done:
    sam, bea = (venue.chain.signer(name).address for name in ("sam", "bea"))
    return venue.world.token.fn("transferFrom", sam, bea, 1, sender=venue.operator)


def pay_alone(venue: Venue) -> Done:
    sam, bea = (venue.chain.signer(name).address for name in ("sam", "bea"))
    return venue.money.fn("transferFrom", bea, sam, 1, sender=venue.operator)


def trade(nonce: int, quantity: int, *, fee: int, is_begun: bool = False) -> Callable[[Venue], Done]:
    def act(venue: Venue) -> Done:
        # Signed for a day that does not depend on when the act comes: a begun order must be the same again.
        orders = [
            venue.signed(name, is_sale, 10, 1_000, nonce=nonce, expires_at=2**40 - 1) for name, is_sale in (("bea", BUY), ("sam", SELL))
        ]
        buy, sell = (Signed(each.order, b"") for each in orders) if is_begun else orders
        return venue.settle(buy, sell, Terms(nonce, quantity, 100 * quantity, fee, fee))

    return act


def cross(nonce: int, *, fee: int, is_netted: bool) -> Callable[[Venue], Done]:
    """Ten purchases and ten sales of twenty makers, each purchase filled by each sale."""

    def act(venue: Venue) -> Done:
        orders = [venue.signed(f"buyer {each}", BUY, 100, 10_000, nonce=nonce) for each in range(10)]
        orders += [venue.signed(f"seller {each}", SELL, 100, 10_000, nonce=nonce) for each in range(10)]
        trades = [(Terms(each, 10, 1_000, fee, fee), each // 10, 10 + each % 10) for each in range(100)]
        done = venue.settle_batch(orders, trades, is_netted=is_netted)
        assert done.answer == 100
        return done

    return act


# In this order: some acts need what those before them left. "First" takes a fresh word of nonces of both makers.
CEILINGS: list[tuple[str, Callable[[Venue], Done], int]] = [
    ("the security's leg alone", deliver_alone, 49_500),
    ("the payment's leg alone", pay_alone, 38_000),
    ("first trade", trade(0, 10, fee=0), 156_000),
    ("later whole trade", trade(1, 10, fee=0), 121_500),
    ("first partial trade", trade(2, 4, fee=0), 167_000),
    ("later partial trade", trade(2, 4, fee=0, is_begun=True), 102_000),
    ("first trade with fees", trade(128, 10, fee=1), 164_500),
    ("later whole trade with fees", trade(129, 10, fee=1), 130_000),
    ("a hundred fills of twenty orders, first", cross(0, fee=0, is_netted=SINGLY), 100 * 32_000),
    ("a hundred fills of twenty orders, later", cross(1, fee=0, is_netted=SINGLY), 100 * 26_600),
    ("a hundred fills of twenty orders, netted, first", cross(128, fee=0, is_netted=NETTED), 100 * 19_400),
    ("a hundred fills of twenty orders, netted, later", cross(129, fee=0, is_netted=NETTED), 100 * 16_000),
    ("a hundred fills of twenty orders, netted, first, with fees", cross(256, fee=1, is_netted=NETTED), 100 * 20_000),
]


def test_each_act_stays_below_its_ceiling(busy: Venue) -> None:
    # One test, since the order counts. A ceiling far above the figure defends nothing.
    beside: list[str] = []
    for name, act, ceiling in CEILINGS:
        busy.chain.settle()
        used = act(busy).gas
        if not ceiling * 9 // 10 < used <= ceiling:
            beside.append(f"{name}: {used:,} of {ceiling:,}")
        assert used < TRANSACTION_GAS_MAX
    assert beside == []
