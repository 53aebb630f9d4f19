# SPDX-License-Identifier: Apache-2.0
"""Settling many trades at once: one that fails leaves the others alone, and netting changes the sums of nobody."""

from __future__ import annotations

from dataclasses import dataclass

import eth_abi
import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import YES, Chain, Done, Reverted, refused
from tests.contracts.venue import BUY, CANCEL_DELAY_SECONDS, SELL, Signed, Terms, Venue, batch, open_venue
from tests.contracts.world import World, build_world

Trades = list[tuple[Terms, int, int]]
NETTED, SINGLY = True, False


@pytest.fixture
def venue(world: World) -> Venue:
    return venue_with_makers(world)


@pytest.fixture(scope="module")
def shared_venue(compiled: None) -> Venue:
    """A venue of its own, for properties: each example undoes what it did."""
    venue = venue_with_makers(build_world(Chain()))
    for name in ("sam", "sue"):
        venue.money.fn("mint", wallet(venue, name), 2_000, sender=venue.world.owner)
    venue.maker("ann")
    venue.maker("abe")
    return venue


def venue_with_makers(world: World) -> Venue:
    """Sam and Sue hold 1,000 shares each, Bea and Ben 100,000 of money each."""
    venue = open_venue(world)
    for name in ("sam", "sue"):
        venue.maker(name, shares=1_000)
    for name in ("bea", "ben"):
        venue.maker(name, money=100_000)
    return venue


def crossed(venue: Venue) -> list[Signed]:
    """Return two purchases (0, 1) and two sales (2, 3) of 100 shares at 100 each, for which two trades each are in `CROSSED`."""
    return [venue.signed(name, is_sale, 100, 10_000) for name, is_sale in (("bea", BUY), ("ben", BUY), ("sam", SELL), ("sue", SELL))]


CROSSED: Trades = [
    (Terms(1, 40, 4_000, 10, 20), 0, 2),
    (Terms(2, 60, 6_000, 10, 20), 1, 2),
    (Terms(3, 60, 6_000, 10, 20), 0, 3),
    (Terms(4, 30, 3_000, 10, 20), 1, 3),
]


def wallet(venue: Venue, name: str) -> str:
    return venue.chain.signer(name).address


def holdings(venue: Venue) -> dict[str, tuple[int, int]]:
    names = {name: venue.holds(wallet(venue, name)) for name in ("sam", "sue", "bea", "ben")}
    return names | {"fees": venue.holds(venue.fee_receiver), "contract": venue.holds(venue.settlement.address)}


def failures(done: Done) -> list[tuple[int, int, int]]:
    """Return what failed: trade, code, fact."""
    return [tuple(log.values.values()) for log in done.logs if log.event == "TradeFailed"]


def settled(done: Done) -> list[int]:
    return [log.values["trade_id"] for log in done.logs if log.event == "TradeSettled"]


def movements(done: Done) -> int:
    return sum(log.event == "Transfer" for log in done.logs)


# The straight line


@pytest.mark.parametrize(("is_netted", "moved"), [(SINGLY, 12), (NETTED, 6)])
def test_many_trades_of_few_orders_settle_at_once(venue: Venue, *, is_netted: bool, moved: int) -> None:
    orders = crossed(venue)
    done = venue.settle_batch(orders, CROSSED, is_netted=is_netted)
    assert (done.answer, settled(done), failures(done), movements(done)) == (4, [1, 2, 3, 4], [], moved)
    assert holdings(venue) == {
        "bea": (100, 100_000 - 10_000 - 20),
        "ben": (90, 100_000 - 9_000 - 20),
        "sam": (900, 10_000 - 40),
        "sue": (910, 9_000 - 40),
        "fees": (0, 120),
        "contract": (0, 0),
    }
    # What was filled whole has its nonce to tell, what was filled in part its count.
    assert [venue.filled(each) for each in orders] == [0, 90, 0, 90]
    assert all(venue.settlement.view("is_nonce_used", each.order.maker, 0) for each in orders)
    first = next(log for log in done.logs if log.event == "TradeSettled")
    hashes = {"buy_order": venue.order_hash(orders[0]), "sell_order": venue.order_hash(orders[2])}
    assert first == DecodedLog("TradeSettled", CROSSED[0][0]._asdict() | hashes)


@pytest.mark.parametrize("is_netted", [SINGLY, NETTED])
def test_begun_orders_go_on_in_a_batch_without_signatures(venue: Venue, *, is_netted: bool) -> None:
    orders = crossed(venue)
    venue.settle_batch(orders, CROSSED, is_netted=is_netted)
    begun = [Signed(orders[1].order, b""), Signed(orders[3].order, b"")]
    done = venue.settle_batch(begun, [(Terms(5, 4, 400), 0, 1), (Terms(6, 6, 600), 0, 1)], is_netted=is_netted)
    assert (done.answer, venue.filled(orders[1]), venue.filled(orders[3])) == (2, 100, 100)
    done = venue.settle_batch(begun, [(Terms(7, 1, 100), 0, 1)], is_netted=is_netted)
    assert (done.answer, failures(done)) == (0, [(7, 68, 0)])


def test_an_empty_batch_settles_nothing(venue: Venue) -> None:
    for is_netted in (SINGLY, NETTED):
        done = venue.settle_batch([], [], is_netted=is_netted)
        assert (done.answer, done.logs) == (0, [])


# One that fails leaves the others alone


def freeze_sam(venue: Venue) -> None:
    venue.world.token.fn("setAddressFrozen", wallet(venue, "sam"), YES, sender=venue.world.agent)


def forget_ben(venue: Venue) -> None:
    venue.world.registry.fn("deleteIdentity", wallet(venue, "ben"), sender=venue.world.agent)


def take_bens_money(venue: Venue) -> None:
    venue.money.fn("transfer", wallet(venue, "sue"), 98_000, sender=wallet(venue, "ben"))


def leave_ben_without_a_fee(venue: Venue) -> None:
    venue.money.fn("approve", venue.settlement.address, 8_995, sender=wallet(venue, "ben"))


def take_back_beas_allowance(venue: Venue) -> None:
    venue.money.fn("approve", venue.settlement.address, 0, sender=wallet(venue, "bea"))


@pytest.mark.parametrize("is_netted", [SINGLY, NETTED])
@pytest.mark.parametrize(
    ("way", "failed"),
    [
        (freeze_sam, [(1, 72, 2), (2, 72, 2)]),
        (forget_ben, [(2, 72, 10), (4, 72, 10)]),
        (take_bens_money, [(2, 73, 0), (4, 73, 0)]),
        (leave_ben_without_a_fee, [(4, 75, 0)]),
        (take_back_beas_allowance, [(1, 73, 0), (3, 73, 0)]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_trade_that_is_refused_is_reported_and_the_others_settle(
    venue: Venue,
    way: object,
    failed: list[tuple[int, int, int]],
    *,
    is_netted: bool,
) -> None:
    orders = crossed(venue)
    assert callable(way)
    way(venue)
    before = holdings(venue)
    done = venue.settle_batch(orders, CROSSED, is_netted=is_netted)
    lost = {trade_id for trade_id, _, _ in failed}
    assert (failures(done), settled(done)) == (failed, [each for each in (1, 2, 3, 4) if each not in lost])
    expected = before
    for terms, buy, sell in CROSSED:
        if terms.trade_id not in lost:
            expected = after_trade(expected, ("bea", "ben")[buy], ("sam", "sue")[sell - 2], terms)
    assert holdings(venue) == expected


def after_trade(before: dict[str, tuple[int, int]], buyer: str, seller: str, terms: Terms) -> dict[str, tuple[int, int]]:
    (bought, paid), (sold, earned), (none, fees) = before[buyer], before[seller], before["fees"]
    return before | {
        buyer: (bought + terms.quantity, paid - terms.payment - terms.buyer_fee),
        seller: (sold - terms.quantity, earned + terms.payment - terms.seller_fee),
        "fees": (none, fees + terms.buyer_fee + terms.seller_fee),
    }


def test_every_refusal_by_what_was_signed_is_the_one_that_the_view_answers(venue: Venue) -> None:
    buy, sell = venue.signed("bea", BUY, 10, 1_000), venue.signed("sam", SELL, 10, 1_000, minimum_fill=5)
    unsigned = Signed(buy.order._replace(nonce=1), buy.signature)
    expired = venue.signed("bea", BUY, 10, 1_000, expires_at=venue.chain.now - 1, nonce=2)
    too_much = venue.signed("bea", BUY, 10, 1_000, fee_bps_max=1_001, nonce=3)
    own = venue.signed("sam", BUY, 10, 1_000, nonce=4)
    cancelled = venue.signed("bea", BUY, 10, 1_000, nonce=5)
    venue.settlement.fn("cancel_order", venue.market, cancelled.order, sender=cancelled.order.maker)
    venue.chain.pass_time(CANCEL_DELAY_SECONDS)
    expired_again = venue.signed("bea", BUY, 10, 1_000, expires_at=venue.chain.now - 1, nonce=2)
    orders = [buy, sell, unsigned, expired, too_much, own, cancelled, expired_again]
    trades = [
        (Terms(1, 5, 500), 2, 1),
        (Terms(2, 5, 500), 3, 1),
        (Terms(3, 5, 500), 4, 1),
        (Terms(4, 5, 500), 5, 1),
        (Terms(5, 5, 500), 6, 1),
        (Terms(6, 5, 500), 1, 0),
        (Terms(7, 5, 500), 0, 0),
        (Terms(8, 4, 400), 0, 1),
        (Terms(9, 11, 1_100), 0, 1),
        (Terms(10, 5, 501), 0, 1),
        (Terms(11, 5, 499), 0, 1),
        (Terms(12, 5, 500, 6, 0), 0, 1),
        (Terms(13, 5, 500, 0, 6), 0, 1),
        (Terms(14, 0, 0), 0, 1),
    ]
    answers = [(terms.trade_id, *venue.why_not(orders[buy], orders[sell], terms)) for terms, buy, sell in trades]
    assert [code for _, code, _ in answers] == [64, 62, 60, 66, 63, 61, 61, 69, 68, 70, 70, 71, 71, 69]
    for is_netted in (SINGLY, NETTED):
        done = venue.settle_batch(orders, [*trades, (Terms(15, 5, 500), 0, 1)], is_netted=is_netted)
        assert (failures(done), done.answer) == (answers, 1)
        venue.settlement.fn("pause", sender=venue.operator)
        venue.settlement.fn("unpause", sender=venue.operator)
        orders[0], orders[1] = Signed(buy.order, b""), Signed(sell.order, b"")


def test_within_a_batch_the_first_of_two_orders_with_one_nonce_takes_it(venue: Venue) -> None:
    first, second = venue.signed("bea", BUY, 10, 1_000), venue.signed("bea", BUY, 20, 2_000)
    sell, other = venue.signed("sam", SELL, 10, 1_000), venue.signed("sam", SELL, 20, 2_000)
    more = venue.signed("sue", SELL, 50, 5_000)
    trades = [
        (Terms(1, 10, 1_000), 0, 2),
        (Terms(2, 10, 1_000), 1, 4),
        (Terms(3, 20, 2_000), 5, 3),
        (Terms(4, 10, 1_000), 5, 4),
    ]
    orders = [first, second, sell, other, more, venue.signed("ben", BUY, 50, 5_000)]
    for is_netted in (SINGLY, NETTED):
        with venue.chain.undone():
            done = venue.settle_batch(orders, trades, is_netted=is_netted)
            assert (settled(done), failures(done)) == ([1, 4], [(2, 65, 0), (3, 65, 1)])


def test_an_order_is_not_filled_twice_by_listing_it_twice(venue: Venue) -> None:
    buy, sell = venue.signed("bea", BUY, 10, 1_000), venue.signed("sam", SELL, 100, 10_000)
    fresh = [(Terms(1, 10, 1_000), 0, 2), (Terms(2, 10, 1_000), 1, 2)]
    for is_netted in (SINGLY, NETTED):
        with venue.chain.undone():
            done = venue.settle_batch([buy, buy, sell], fresh, is_netted=is_netted)
            assert (settled(done), failures(done)) == ([1], [(2, 65, 0)])
    venue.settle(buy, sell, Terms(3, 2, 200))
    begun = [(Terms(4, 8, 800), 0, 2), (Terms(5, 8, 800), 1, 2)]
    for is_netted in (SINGLY, NETTED):
        with refused("settlement: order is listed twice"):
            venue.settle_batch([buy, buy, sell], begun, is_netted=is_netted)
        with refused("settlement: order is listed twice"):
            venue.settle_batch([sell, buy, sell], [(Terms(4, 1, 100), 1, 0), (Terms(5, 1, 100), 1, 2)], is_netted=is_netted)


def test_a_batch_that_does_not_fit_together_is_refused_whole(venue: Venue) -> None:
    buy, sell = venue.signed("bea", BUY, 10, 1_000), venue.signed("sam", SELL, 10, 1_000)
    terms = Terms(1, 10, 1_000)
    market, listed, signatures, _, _ = batch(venue.market, [buy, sell], [])
    for is_netted in (SINGLY, NETTED):
        for trade in ((terms, 0, 2), (terms, 2, 1)):
            with refused("settlement: trade names an order that is not listed"):
                venue.settle_batch([buy, sell], [trade], is_netted=is_netted)
        for lengths, given_bytes, reason in (
            ((65, 65), signatures[:-1], "signatures are cut short"),
            ((65, 66), signatures, "signatures are cut short"),
            ((65, 1_025), signatures + bytes(960), "signature is too long"),
            ((65, 2**256 - 65), signatures, "signature is too long"),
        ):
            wrong = [(order, length) for (order, _), length in zip(listed, lengths, strict=True)]
            with refused(f"settlement: {reason}"):
                venue.settlement.fn("settle_batch", market, wrong, given_bytes, [(terms, 0, 1)], is_netted, sender=venue.operator)
    # A signature of another order's place is not this order's.
    swapped = venue.settle_batch([Signed(buy.order, sell.signature), Signed(sell.order, buy.signature)], [(terms, 0, 1)])
    assert failures(swapped) == [(1, 64, 0)]


@pytest.mark.slow
def test_sixty_four_orders_and_a_hundred_and_twenty_eight_trades_fit_one_transaction(venue: Venue) -> None:
    orders = [venue.signed("bea", BUY, 10, 1_000, nonce=nonce) for nonce in range(32)]
    orders += [venue.signed("sam", SELL, 10, 1_000, nonce=nonce) for nonce in range(32)]
    trades = [(Terms(each, 2, 200), each % 32, 32 + each % 32) for each in range(128)]
    for is_netted in (SINGLY, NETTED):
        with venue.chain.undone():
            done = venue.settle_batch(orders, trades, is_netted=is_netted)
            # EIP-7825: no transaction may use more than 2**24.
            assert (done.answer, done.gas < 2**24) == (128, True)
            assert [venue.filled(each) for each in orders] == [8] * 64


# Netting


def test_a_maker_on_both_sides_is_netted_without_losing_a_unit(venue: Venue) -> None:
    sam, sue = wallet(venue, "sam"), wallet(venue, "sue")
    venue.money.fn("mint", sam, 5_000, sender=venue.world.owner)
    orders = [
        venue.signed("sam", BUY, 10, 1_100, nonce=1),
        venue.signed("bea", BUY, 30, 3_000),
        venue.signed("sam", SELL, 30, 2_700),
        venue.signed("sue", SELL, 10, 1_000),
    ]
    trades = [(Terms(1, 30, 2_900, 7, 9), 1, 2), (Terms(2, 10, 1_050, 3, 4), 0, 3)]
    done = venue.settle_batch(orders, trades, is_netted=NETTED)
    assert (done.answer, failures(done)) == (2, [])
    # Sam's sale stands before Sue's in the list, so part of it goes to Sam's own purchase, and Bea gets the rest from Sue.
    shares = [log for log in done.logs if "_value" in log.values]
    assert [(log.values["_from"], log.values["_value"]) for log in shares] == [(sam, 10), (sam, 20), (sue, 10)]
    assert (venue.holds(sam), venue.holds(sue)) == ((980, 5_000 + 2_891 - 1_053), (990, 1_046))
    assert venue.holds(wallet(venue, "bea")) == (30, 100_000 - 2_907)
    assert venue.holds(venue.fee_receiver) == (0, 23)


def test_a_net_that_is_refused_is_settled_trade_by_trade(venue: Venue) -> None:
    # Ben can pay only with what he gets by the first trade, and he pays before he gets where all is netted.
    ben, sue = wallet(venue, "ben"), wallet(venue, "sue")
    venue.world.token.fn("mint", ben, 10, sender=venue.world.agent)
    venue.money.fn("transfer", sue, 100_000, sender=ben)
    orders = [
        venue.signed("ben", BUY, 5, 600),
        venue.signed("bea", BUY, 10, 1_000),
        venue.signed("ben", SELL, 10, 1_000, nonce=1),
        venue.signed("sam", SELL, 5, 600),
    ]
    trades = [(Terms(1, 10, 1_000), 1, 2), (Terms(2, 5, 600), 0, 3)]
    done = venue.settle_batch(orders, trades, is_netted=NETTED)
    assert (done.answer, venue.holds(ben)) == (2, (5, 400))


@dataclass(frozen=True)
class Fill:
    buy: int
    sell: int
    quantity: int
    payment: int
    buyer_fee: int
    seller_fee: int


fills = st.builds(
    Fill, st.integers(0, 3), st.integers(4, 7), st.integers(0, 40), st.integers(0, 3_000), st.integers(0, 30), st.integers(0, 30)
)
terms_of_orders = st.tuples(st.integers(1, 60), st.integers(1, 5_000), st.integers(0, 10), st.integers(0, 300))


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    limits=st.lists(terms_of_orders, min_size=8, max_size=8),
    wanted=st.lists(fills, max_size=12),
    is_netted=st.booleans(),
    cut=st.integers(0, 12),
)
def test_nobody_pays_more_or_gets_less_than_signed(
    shared_venue: Venue,
    limits: list[tuple[int, int, int, int]],
    wanted: list[Fill],
    *,
    is_netted: bool,
    cut: int,
) -> None:
    venue = shared_venue
    with venue.chain.undone():
        # Each maker has one order on each side but the last two, who have two on one.
        names = ("bea", "ben", "sam", "bea", "sam", "sue", "sue", "sam")
        orders = []
        for place, (name, (quantity, payment, minimum_fill, fee_bps_max)) in enumerate(zip(names, limits, strict=True)):
            side = BUY if place < 4 else SELL
            signed = venue.signed(name, side, quantity, payment, minimum_fill=minimum_fill, fee_bps_max=fee_bps_max, nonce=place)
            orders.append(signed)
        before = holdings(venue)
        trades = [
            (Terms(place, each.quantity, each.payment, each.buyer_fee, each.seller_fee), each.buy, each.sell)
            for place, each in enumerate(wanted)
        ]
        expected, filled = before, [0] * 8
        for part in (trades[:cut], trades[cut:]):
            done = venue.settle_batch(orders, part, is_netted=is_netted)
            for trade_id in settled(done):
                terms, buy, sell = trades[trade_id]
                for place in (buy, sell):
                    quantity, payment, minimum_fill, fee_bps_max = limits[place]
                    fee = terms.buyer_fee if place == buy else terms.seller_fee
                    assert 0 < terms.quantity <= quantity - filled[place]
                    assert terms.quantity >= min(minimum_fill, quantity - filled[place])
                    assert fee * 10_000 <= terms.payment * fee_bps_max
                    worse = terms.payment * quantity - payment * terms.quantity
                    assert worse <= 0 if place == buy else worse >= 0
                    filled[place] += terms.quantity
                assert names[buy] != names[sell]
                expected = after_trade(expected, names[buy], names[sell], terms)
            # What is not settled is reported, and what is reported has moved nothing.
            told = {trade_id for trade_id, _, _ in failures(done)}
            assert told | set(settled(done)) == {terms.trade_id for terms, _, _ in part}
            assert holdings(venue) == expected
        counts = [venue.filled(each) for each in orders]
        assert all(
            count in (have, 0 if have == quantity else have) for count, have, (quantity, *_) in zip(counts, filled, limits, strict=True)
        )


@settings(max_examples=12, deadline=None)
@given(
    buy_limit=terms_of_orders, sell_limit=terms_of_orders, fill=fills, shares=st.integers(0, 60), money=st.integers(0, 3_000)
)  # fmt: skip
def test_the_view_agrees_with_the_act(
    shared_venue: Venue,
    buy_limit: tuple[int, int, int, int],
    sell_limit: tuple[int, int, int, int],
    fill: Fill,
    shares: int,
    money: int,
) -> None:
    venue = shared_venue
    with venue.chain.undone():
        venue.world.token.fn("mint", wallet(venue, "abe"), shares, sender=venue.world.agent)
        venue.money.fn("mint", wallet(venue, "ann"), money, sender=venue.world.owner)
        (bought, for_at_most, least, cap), (sold, for_at_least, least_sold, cap_sold) = buy_limit, sell_limit
        buy = venue.signed("ann", BUY, bought, for_at_most, minimum_fill=least, fee_bps_max=cap)
        sell = venue.signed("abe", SELL, sold, for_at_least, minimum_fill=least_sold, fee_bps_max=cap_sold)
        terms = Terms(1, fill.quantity, fill.payment, fill.buyer_fee, fill.seller_fee)
        code, fact = venue.why_not(buy, sell, terms)
        with venue.chain.undone():
            done = venue.settle_batch([buy, sell], [(terms, 0, 1)])
            assert [(code_told, fact if code in {73, 75} else fact_told) for _, code_told, fact_told in failures(done)] == (
                [(code, fact)] if code else []
            )
        try:
            venue.settle(buy, sell, terms)
        except Reverted:
            assert code != 0
        else:
            assert code == 0


# Gas that runs short

FORWARDER = """
# pragma version 0.4.3
@external
def forward(target: address, data: Bytes[8192], gas_given: uint256) -> Bytes[64]:
    success: bool = False
    answer: Bytes[64] = b""
    success, answer = raw_call(target, data, max_outsize=64, gas=gas_given, revert_on_failure=False)
    return answer if success else b""
"""


@pytest.mark.slow
def test_no_trade_is_marked_failed_for_want_of_gas_that_the_agent_saved(venue: Venue) -> None:
    chain: Chain = venue.chain
    forwarder = chain.deploy_vyper(FORWARDER, sender=venue.operator)
    venue.settlement.fn("addAgent", forwarder, sender=venue.world.owner)
    orders = [venue.signed("bea", BUY, 10, 1_000), venue.signed("sam", SELL, 10, 1_000)]
    trades = [(Terms(1, 4, 400), 0, 1), (Terms(2, 6, 600), 0, 1)]
    selector = keccak(b"forward(address,bytes,uint256)")[:4]
    answers: set[tuple[int, ...]] = set()
    for is_netted in (SINGLY, NETTED):
        data = venue.settlement.artifact.encode_call("settle_batch", *batch(venue.market, orders, trades, is_netted=is_netted))
        for gas in [*range(20_000, 900_000, 40_000), 2_000_000]:
            with chain.undone():
                call = selector + eth_abi.encode(["address", "bytes", "uint256"], [venue.settlement.address, data, gas])
                done = chain.send(forwarder, call, sender=venue.operator)
                assert failures(done) == []
                (answer,) = eth_abi.decode(["bytes"], done.answer)
                assert int.from_bytes(answer, "big") == len(settled(done)) in {0, 2}
                answers.add((is_netted, len(settled(done))))
    assert answers == {(SINGLY, 0), (SINGLY, 2), (NETTED, 0), (NETTED, 2)}
