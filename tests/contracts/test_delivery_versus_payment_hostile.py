# SPDX-License-Identifier: Apache-2.0
"""Settlement against tokens and wallets that are up to something: the seller gets exactly the amount or nothing moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import eth_abi
import pytest
from eth_hash.auto import keccak

from tests.contracts.chain import Chain, Done, Reverted, refused
from tests.contracts.test_delivery_versus_payment_batch import FORWARDER
from tests.contracts.venue import BUY, SELL, Market, Signed, Terms, Venue, batch, open_venue
from tests.contracts.world import World

NETTED, SINGLY = True, False
MOVES = "    self.balanceOf[sender] -= amount\n    self.balanceOf[receiver] += amount\n"
BURNS = "    assert sender == empty(address), UNREACHABLE\n"
TRADE = Terms(1, 10, 1_000, buyer_fee=10, seller_fee=10)


def token_that(does: str, *, answers: str = "-> bool", balance: str = "balanceOf: public(HashMap[address, uint256])") -> str:
    return f"""
# pragma version 0.4.3
{balance}
blocked: address
settlement: address
question: Bytes[16384]
was_let_in: public(bool)
spent: HashMap[uint256, uint256]
calls: public(uint256)

@external
def credit(holder: address, amount: uint256):
    self.balanceOf[holder] = amount

@external
def block(holder: address):
    self.blocked = holder

@external
def arm(settlement: address, question: Bytes[16384]):
    self.settlement = settlement
    self.question = question

@internal
def enter():
    if len(self.question) > 0:
        self.was_let_in = raw_call(self.settlement, self.question, revert_on_failure=False)

@external
@view
def allowance(owner: address, spender: address) -> uint256:
    return max_value(uint256)

@external
def transferFrom(sender: address, receiver: address, amount: uint256) {answers}:
    self.calls += 1
{does}
"""


HIDDEN = "balanceOf: HashMap[address, uint256]"


def call(function: str, *arguments: Any) -> bytes:
    kinds = function[function.index("(") + 1 : -1].split(",")
    return keccak(function.encode())[:4] + eth_abi.encode(kinds, list(arguments))


def number(chain: Chain, token: str, function: str, *arguments: Any) -> int:
    data = call(function, *arguments) if arguments else keccak(function.encode())[:4]
    return int.from_bytes(chain.ask(token, data, sender=None), "big")


def wallet(venue: Venue, name: str) -> str:
    return venue.chain.signer(name).address


@pytest.fixture
def venue(world: World) -> Venue:
    """Sam and Sue hold 100 shares each."""
    venue = open_venue(world)
    for name in ("sam", "sue"):
        venue.maker(name, shares=100)
    venue.maker("bea")
    return venue


def paying_by(venue: Venue, source: str) -> Venue:
    """Return the venue with a market in another money, of which Bea has 100,000."""
    money = venue.chain.deploy_vyper(source, sender=venue.operator)
    venue.chain.send(money, call("credit(address,uint256)", wallet(venue, "bea"), 100_000), sender=venue.operator)
    return replace(venue, market=Market(venue.world.token.address, money))


def pair(venue: Venue) -> tuple[Signed, Signed]:
    return venue.signed("bea", BUY, 10, 1_000), venue.signed("sam", SELL, 10, 1_000)


def money_of(venue: Venue, holder: str) -> int:
    return number(venue.chain, venue.market.payment_token, "balanceOf(address)", holder)


def failures(done: Done) -> list[tuple[int, int, int]]:
    return [tuple(log.values.values()) for log in done.logs if log.event == "TradeFailed"]


# Payment tokens


@pytest.mark.parametrize("is_netted", [SINGLY, NETTED])
def test_a_token_that_answers_nothing_is_taken_for_a_yes(venue: Venue, *, is_netted: bool) -> None:
    venue = paying_by(venue, token_that(MOVES, answers=""))
    assert venue.settle_batch([*pair(venue)], [(TRADE, 0, 1)], is_netted=is_netted).answer == 1
    assert [money_of(venue, holder) for holder in (wallet(venue, "sam"), wallet(venue, "bea"), venue.fee_receiver)] == [990, 98_990, 20]


HOSTILE = [
    ("says no", token_that("    return False"), 73, "payment was refused"),
    ("moves and says no", token_that(MOVES + "    return False"), 73, "payment was refused"),
    ("reverts", token_that('    raise "frozen"'), 73, "payment was refused"),
    ("answers two", token_that(MOVES + "    return 2", answers="-> uint256"), 73, "payment was refused"),
    ("answers a byte", token_that(MOVES + '    raw_revert(b"\\x01")'), 73, "payment was refused"),
    ("burns all gas", token_that(BURNS + "    return True"), 73, "payment was refused"),
    ("moves nothing", token_that("    return True"), 74, "seller did not get the amount"),
    ("keeps a fee", token_that(MOVES + "    self.balanceOf[receiver] -= 1\n    return True"), 74, "seller did not get the amount"),
    ("gives too much", token_that(MOVES + "    self.balanceOf[receiver] += 1\n    return True"), 74, "seller did not get the amount"),
    ("takes what was there", token_that("    self.balanceOf[receiver] = 0\n    return True"), 74, "seller did not get the amount"),
    ("has no balances", token_that(MOVES + "    return True", balance=HIDDEN), 74, "seller did not get the amount"),
    ("refuses the fee", token_that("    assert self.calls == 1\n" + MOVES + "    return True"), 75, "fee was refused"),
    ("says no to the fee", token_that(MOVES + "    return self.calls == 1"), 75, "fee was refused"),
]


@pytest.mark.parametrize(("source", "code", "reason"), [each[1:] for each in HOSTILE], ids=[each[0] for each in HOSTILE])
def test_a_token_that_does_not_pay_what_it_should_fails_the_trade_whole(venue: Venue, source: str, code: int, reason: str) -> None:
    venue = paying_by(venue, source)
    buy, sell = pair(venue)
    # No token can know in advance what a call in a view will do, so the view is not asked.
    with refused(f"settlement: {reason}"):
        venue.settle(buy, sell, TRADE)
    for is_netted in (SINGLY, NETTED):
        done = venue.settle_batch([buy, sell], [(TRADE, 0, 1)], is_netted=is_netted)
        assert (done.answer, failures(done)) == (0, [(1, code, 0)])
    assert venue.world.balance(wallet(venue, "sam")) == 100
    assert venue.settlement.view("is_nonce_used", wallet(venue, "sam"), 0) is False


def test_a_token_without_code_pays_nothing(venue: Venue) -> None:
    venue = replace(venue, market=Market(venue.world.token.address, venue.world.person("no token")))
    buy, sell = pair(venue)
    assert venue.why_not(buy, sell, TRADE) == (73, 0)
    with refused("settlement: payment was refused"):
        venue.settle(buy, sell, TRADE)


@pytest.mark.parametrize("does", ['    assert sender != self.blocked and receiver != self.blocked, "blocked"\n', BURNS])
@pytest.mark.parametrize("is_netted", [SINGLY, NETTED])
def test_a_token_that_blocks_one_receiver_stops_nobody_else(venue: Venue, *, is_netted: bool, does: str) -> None:
    burns = "    if receiver == self.blocked:\n" + does.replace("    ", "        ") if does is BURNS else does
    venue = paying_by(venue, token_that(burns + MOVES + "    return True"))
    sam, sue = wallet(venue, "sam"), wallet(venue, "sue")
    venue.chain.send(venue.market.payment_token, call("block(address)", sam), sender=venue.operator)
    orders = [venue.signed("bea", BUY, 20, 2_000), venue.signed("sam", SELL, 10, 1_000), venue.signed("sue", SELL, 10, 1_000)]
    done = venue.settle_batch(orders, [(TRADE, 0, 1), (TRADE._replace(trade_id=2), 0, 2)], is_netted=is_netted)
    assert (done.answer, failures(done)) == (1, [(1, 73, 0)])
    assert [money_of(venue, each) for each in (sam, sue)] == [0, 990]
    assert [venue.world.balance(each) for each in (sam, sue)] == [100, 90]
    assert venue.filled(orders[0]) == 10


def test_a_token_that_blocks_the_fee_receiver_fails_the_trade_whole(venue: Venue) -> None:
    venue = paying_by(venue, token_that("    assert receiver != self.blocked\n" + MOVES + "    return True"))
    venue.chain.send(venue.market.payment_token, call("block(address)", venue.fee_receiver), sender=venue.operator)
    done = venue.settle_batch([*pair(venue)], [(TRADE, 0, 1)])
    assert failures(done) == [(1, 75, 0)]
    assert (money_of(venue, wallet(venue, "bea")), venue.world.balance(wallet(venue, "sam"))) == (100_000, 100)


def test_a_slow_token_is_not_taken_to_refuse_for_want_of_gas_that_the_agent_saved(venue: Venue) -> None:
    # Needs about 500,000 to move.
    slow = "    for i: uint256 in range(22):\n        self.spent[i] = 1\n"
    venue = paying_by(venue, token_that(slow + MOVES + "    return True"))
    forwarder = venue.chain.deploy_vyper(FORWARDER, sender=venue.operator)
    venue.settlement.fn("addAgent", forwarder, sender=venue.world.owner)
    trades = [(Terms(1, 10, 1_000), 0, 1)]
    data = venue.settlement.artifact.encode_call("settle_batch", *batch(venue.market, [*pair(venue)], trades))
    settled: set[int] = set()
    for gas in range(400_000, 900_000, 20_000):
        with venue.chain.undone():
            asked = call("forward(address,bytes,uint256)", venue.settlement.address, data, gas)
            done = venue.chain.send(forwarder, asked, sender=venue.operator)
            assert failures(done) == []
            settled.add(sum(log.event == "TradeSettled" for log in done.logs))
    assert settled == {0, 1}


def entering(venue: Venue) -> Venue:
    """Return the venue with a money that calls the contract back, for which the owner has even made it an agent."""
    venue = paying_by(venue, token_that("    self.enter()\n" + MOVES + "    return True"))
    venue.settlement.fn("addAgent", venue.market.payment_token, sender=venue.world.owner)
    return venue


def arm(venue: Venue, function: str, *arguments: Any) -> None:
    question = venue.settlement.artifact.encode_call(function, *arguments)
    data = call("arm(address,bytes)", venue.settlement.address, question)
    venue.chain.send(venue.market.payment_token, data, sender=venue.operator)


@pytest.mark.parametrize(
    "again", ["settle", "settle_batch", "cancel_order", "cancel_nonces", "cancel_nonce_words", "deliver", "deliver_net"]
)
@pytest.mark.parametrize("way", ["settle", "settle_batch", "settle_batch, netted"])
def test_a_token_that_calls_back_is_not_let_in(venue: Venue, again: str, way: str) -> None:
    venue = entering(venue)
    buy, sell = venue.signed("bea", BUY, 20, 2_000), venue.signed("sam", SELL, 20, 2_000)
    market, token = venue.market, venue.market.payment_token
    orders, trades = [(buy.order, 65), (sell.order, 65)], [(TRADE, 0, 1)]
    standings = [(venue.order_hash(each), 0, 0, 0) for each in (buy, sell)] + [(bytes(32), 0, 0, 0)] * 62
    own = buy.order._replace(maker=token)
    arguments: dict[str, tuple[Any, ...]] = {
        "settle": (market, buy.order, sell.order, TRADE, buy.signature, sell.signature),
        "settle_batch": (market, orders, buy.signature + sell.signature, trades, SINGLY),
        "cancel_order": (market, own),
        "cancel_nonces": (0, 1),
        "cancel_nonce_words": (0, 0),
        "deliver": (market, buy.order.maker, sell.order.maker, TRADE, token),
        "deliver_net": (market, orders, standings, trades, token),
    }
    arm(venue, again, *arguments[again])
    if way == "settle":
        venue.settle(buy, sell, TRADE)
    else:
        assert venue.settle_batch([buy, sell], trades, is_netted="netted" in way).answer == 1
    assert number(venue.chain, token, "was_let_in()") == 0
    assert (venue.filled(buy), venue.world.balance(wallet(venue, "sam"))) == (10, 90)
    if again not in {"deliver", "deliver_net"}:
        # On its own, the same call is nothing special.
        venue.settlement.fn(again, *arguments[again], sender=token)


# Securities


def delivering(venue: Venue, source: str) -> Venue:
    """Return the venue with a market in another security, of which Sam has 100; Bea has money."""
    security = venue.chain.deploy_vyper(source, sender=venue.operator)
    venue.chain.send(security, call("credit(address,uint256)", wallet(venue, "sam"), 100), sender=venue.operator)
    venue.money.fn("mint", wallet(venue, "bea"), 100_000, sender=venue.world.owner)
    return replace(venue, market=Market(security, venue.money.address))


def test_a_plain_security_without_a_reason_to_ask_for_is_delivered(venue: Venue) -> None:
    venue = delivering(venue, token_that(MOVES + "    return True"))
    buy, sell = venue.signed("bea", BUY, 101, 1_010), venue.signed("sam", SELL, 101, 1_010)
    assert venue.why_not(buy, sell, Terms(1, 101, 1_010)) == (72, 0)
    with refused("settlement: security was refused"):
        venue.settle(buy, sell, Terms(1, 101, 1_010))
    assert venue.why_not(buy, sell, Terms(1, 100, 1_000)) == (0, 0)
    venue.settle(buy, sell, Terms(1, 100, 1_000))
    assert number(venue.chain, venue.market.security, "balanceOf(address)", wallet(venue, "bea")) == 100


@pytest.mark.parametrize(
    ("does", "answers"),
    [
        ("    return False", "-> bool"),
        (MOVES + "    return False", "-> bool"),
        (MOVES + "    return 2", "-> uint256"),
        ('    raise "no"', "-> bool"),
        (BURNS + "    return True", "-> bool"),
    ],
    ids=["says no", "moves and says no", "answers two", "reverts", "burns all gas"],
)
def test_a_security_that_is_not_delivered_is_not_paid(venue: Venue, does: str, answers: str) -> None:
    venue = delivering(venue, token_that(does, answers=answers))
    buy, sell = pair(venue)
    with refused("settlement: security was refused"):
        venue.settle(buy, sell, TRADE)
    for is_netted in (SINGLY, NETTED):
        assert failures(venue.settle_batch([buy, sell], [(TRADE, 0, 1)], is_netted=is_netted)) == [(1, 72, 0)]
    assert venue.money.view("balanceOf", wallet(venue, "bea")) == 100_000


def test_a_security_without_code_is_not_paid(venue: Venue) -> None:
    venue.money.fn("mint", wallet(venue, "bea"), 100_000, sender=venue.world.owner)
    venue = replace(venue, market=Market(venue.world.person("no token"), venue.money.address))
    buy, sell = pair(venue)
    assert venue.why_not(buy, sell, TRADE) == (72, 0)
    with refused("settlement: security was refused"):
        venue.settle(buy, sell, TRADE)


def test_a_security_that_leaves_no_gas_for_the_payment_fails_its_trade_only(venue: Venue) -> None:
    leaves_little = """
    if sender == self.blocked:
        for i: uint256 in range(1000):
            if msg.gas < 30_000:
                break
            self.spent[i] = 1
        for i: uint256 in range(1000):
            if msg.gas < 2_000:
                break
"""
    greedy = delivering(venue, token_that(MOVES + leaves_little + "    return True"))
    sam, sue = wallet(greedy, "sam"), wallet(greedy, "sue")
    security = greedy.market.security
    greedy.chain.send(security, call("credit(address,uint256)", sue, 100), sender=greedy.operator)
    greedy.chain.send(security, call("block(address)", sam), sender=greedy.operator)
    orders = [greedy.signed("bea", BUY, 20, 2_000), greedy.signed("sam", SELL, 10, 1_000), greedy.signed("sue", SELL, 10, 1_000)]
    done = greedy.settle_batch(orders, [(TRADE, 0, 1), (TRADE._replace(trade_id=2), 0, 2)])
    assert (done.answer, failures(done)) == (1, [(1, 76, 0)])
    assert greedy.money.view("balanceOf", sue) == 990


# Wallets

WALLET = """
# pragma version 0.4.3
@external
@view
def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> bytes32:
{does}    return 0x1626ba7e00000000000000000000000000000000000000000000000000000000
"""


@pytest.mark.parametrize(
    "does",
    ["    assert digest == empty(bytes32), UNREACHABLE\n", '    assert digest == empty(bytes32), "no"\n'],
    ids=["burns all gas", "reverts"],
)
def test_a_wallet_that_does_not_sign_stops_only_its_own_trades(venue: Venue, does: str) -> None:
    venue.money.fn("mint", wallet(venue, "bea"), 100_000, sender=venue.world.owner)
    hostile, good = (venue.chain.deploy_vyper(WALLET.format(does=each), sender=venue.operator) for each in (does, ""))
    for maker in (hostile, good):
        venue.admit(maker, shares=100)
    orders = [venue.signed("bea", BUY, 20, 2_000), *(Signed(venue.order(each, SELL, 10, 1_000), b"word") for each in (hostile, good))]
    done = venue.settle_batch(orders, [(TRADE, 0, 1), (TRADE._replace(trade_id=2), 0, 2)])
    assert (done.answer, failures(done)) == (1, [(1, 64, 1)])
    assert venue.holds(good) == (90, 990)


@pytest.mark.parametrize(
    "does",
    [
        # About 150,000 to make up its mind.
        "    for i: uint256 in range(600):\n        assert keccak256(abi_encode(i)) != empty(bytes32)\n",
        "    assert msg.gas > 190_000\n",
    ],
    ids=["uses what it needs", "says no at once where it gets too little"],
)
def test_a_wallet_is_not_taken_to_refuse_for_want_of_gas_that_the_agent_saved(venue: Venue, does: str) -> None:
    venue.money.fn("mint", wallet(venue, "bea"), 100_000, sender=venue.world.owner)
    maker = venue.chain.deploy_vyper(WALLET.format(does=does), sender=venue.operator)
    venue.admit(maker, shares=100)
    buy, sell = venue.signed("bea", BUY, 10, 1_000), Signed(venue.order(maker, SELL, 10, 1_000), b"word")
    question = venue.settlement.artifact.encode_call(
        "check_trade", venue.market, buy.order, sell.order, Terms(1, 10, 1_000), buy.signature, sell.signature
    )
    asker = venue.chain.deploy_vyper(ASKER, sender=venue.operator)
    answers: set[int | None] = set()
    for gas in range(20_000, 600_000, 20_000):
        try:
            data = call("ask(address,bytes,uint256)", venue.settlement.address, question, gas)
            answers.add(int.from_bytes(venue.chain.ask(asker, data, sender=None)[64:96], "big"))
        except Reverted:
            answers.add(None)
    assert answers == {None, 0}


ASKER = """
# pragma version 0.4.3
@external
@view
def ask(target: address, question: Bytes[16384], gas_given: uint256) -> Bytes[64]:
    return raw_call(target, question, max_outsize=64, gas=gas_given, is_static_call=True)
"""
