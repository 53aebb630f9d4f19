# SPDX-License-Identifier: Apache-2.0
"""An offering: who may subscribe for how much, who gets shares and who gets money back, and that the escrow always adds up."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from eth_hash.auto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import YES, ZERO, Contract, Reverted, refused
from tests.contracts.world import World

DAY = 24 * 60 * 60
PRICE_SCALE = 10**18
ENOUGH = 10**9
SHARES_MAX = 2**96 - 1
NOT_OPEN, NOT_ELIGIBLE = "subscription: not open", "subscription: investor may not hold the shares"
NOTHING_TO_REFUND, REFUSED = "subscription: nothing to refund", "money: payment refused"


@dataclass
class Offering:
    """An offering of the world's security at 2.50 a share, and the days of its life: opens 1, withdraw 5, closes 10, allot by 20."""

    world: World
    contract: Contract
    money: Contract
    begun_at: int

    def terms(self, **changes: Any) -> tuple[Any, ...]:
        terms = {
            "security": self.world.token.address,
            "payment_token": self.money.address,
            "treasury": ZERO,
            "price_scaled": 5 * PRICE_SCALE // 2,
            "soft_cap": 50,
            "hard_cap": 100,
            "minimum": 10,
            "maximum": 60,
            "opens_at": self.begun_at + 1 * DAY,
            "closes_at": self.begun_at + 10 * DAY,
            "withdraw_until": self.begun_at + 5 * DAY,
            "allot_by": self.begun_at + 20 * DAY,
            "is_pro_rata": False,
        }
        return tuple((terms | changes).values())

    def offer(self, **changes: Any) -> None:
        self.contract.fn("set_terms", self.terms(**changes), sender=self.world.owner)

    def open(self, **changes: Any) -> None:
        self.offer(**changes)
        self.at_day(1)

    def at_day(self, day: int, *, second: int = 0) -> None:
        self.world.chain.pass_time(self.begun_at + day * DAY + second - self.world.chain.now)

    def purse(self, wallet: str, amount: int) -> str:
        self.money.fn("mint", wallet, amount, sender=self.world.owner)
        self.money.fn("approve", self.contract.address, 2**256 - 1, sender=wallet)
        return wallet

    def investor(self, name: str, *, money: int = 10_000, identity: str = ZERO) -> str:
        return self.purse(self.world.register(name, identity=identity), money)

    def subscribe(self, wallet: str, shares: int, *, payment_max: int = ENOUGH) -> int:
        return self.contract.fn("subscribe", shares, payment_max, sender=wallet).answer

    def close(self) -> bool:
        return self.contract.fn("close", sender=self.world.person("anybody")).answer

    def allot(self, *wallets: str) -> list[DecodedLog]:
        numbers = [self.contract.view("subscription_of", wallet)[0] for wallet in wallets]
        return self.contract.fn("allot", numbers, sender=self.world.agent).logs

    def refund(self, wallet: str) -> int:
        return self.contract.fn("refund", wallet, sender=self.world.person("anybody")).answer

    def cash(self, wallet: str) -> int:
        return self.money.view("balanceOf", wallet)

    def escrow(self) -> int:
        return self.cash(self.contract.address)


def an_offering(world: World) -> Offering:
    contract = world.chain.deploy("subscription", sender=world.owner)
    contract.fn("initialize", sender=world.owner)
    contract.fn("addAgent", world.agent, sender=world.owner)
    world.token.fn("addAgent", contract.address, sender=world.owner)
    money = world.chain.deploy("payment_token", sender=world.owner)
    money.fn("initialize", "Trial Euro", "EURT", 2, sender=world.owner)
    return Offering(world, contract, money, world.chain.now)


@pytest.fixture
def offering(world: World) -> Offering:
    return an_offering(world)


def named(logs: list[DecodedLog], contract_events: str) -> list[DecodedLog]:
    return [log for log in logs if log.event in contract_events.split()]


# Terms


def test_the_caller_of_initialize_owns_the_offering_and_nobody_can_do_it_again(offering: Offering) -> None:
    assert offering.contract.view("owner") == offering.world.owner
    for sender in (offering.world.owner, offering.world.person("anybody")):
        with refused("Initializable: contract is already initialized"):
            offering.contract.fn("initialize", sender=sender)


def test_terms_are_published_as_they_were_set(offering: Offering) -> None:
    terms = offering.terms(treasury=offering.world.person("treasury"), is_pro_rata=True)
    done = offering.contract.fn("set_terms", terms, sender=offering.world.owner)
    assert offering.contract.view("terms") == terms
    assert offering.contract.view("is_per_investor") is True
    assert [log.event for log in done.logs] == ["TermsSet"]
    assert done.logs[0].values["is_per_investor"] is True


def test_only_the_owner_sets_terms_and_only_until_they_open(offering: Offering) -> None:
    with refused("Ownable: caller is not the owner"):
        offering.contract.fn("set_terms", offering.terms(), sender=offering.world.agent)
    offering.offer()
    offering.at_day(1, second=-1)
    offering.offer(price_scaled=1)
    assert offering.contract.view("terms")[3] == 1
    offering.at_day(1)
    with refused("subscription: terms are fixed"):
        offering.offer(opens_at=offering.begun_at + 2 * DAY)


def test_a_cancelled_offering_cannot_be_offered_again(offering: Offering) -> None:
    offering.offer()
    offering.contract.fn("cancel", sender=offering.world.owner)
    with refused("subscription: terms are fixed"):
        offering.offer()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price_scaled": 0}, "price is out of range"),
        ({"price_scaled": 2**128}, "price is out of range"),
        ({"hard_cap": 0, "soft_cap": 0, "minimum": 0}, "hard cap is out of range"),
        ({"hard_cap": 2**96}, "hard cap is out of range"),
        ({"soft_cap": 101}, "soft cap is above the hard cap"),
        ({"maximum": 2**96}, "maximum is out of range"),
        ({"minimum": 61}, "minimum is above the maximum"),
        ({"minimum": 101, "maximum": 0}, "minimum is above the maximum"),
        ({"opens_at": -1}, "times are out of order"),
        ({"opens_at": 10}, "times are out of order"),
        ({"closes_at": 20}, "times are out of order"),
        ({"withdraw_until": 20}, "times are out of order"),
        ({"allot_by": 377}, "allotment is too late"),
        ({"closes_at": 2**40 // DAY, "allot_by": 2**40 // DAY + 1}, "allotment is too late"),
    ],
)
def test_terms_without_sense_are_refused(offering: Offering, changes: dict[str, int], reason: str) -> None:
    instants = {"opens_at", "closes_at", "withdraw_until", "allot_by"}
    meant = {name: offering.begun_at + value * DAY if name in instants else value for name, value in changes.items()}
    with refused(f"subscription: {reason}"):
        offering.offer(**meant)


def test_the_tokens_of_the_terms_must_be_two_contracts(offering: Offering) -> None:
    nobody = offering.world.person("no contract")
    for changes in ({"security": nobody}, {"payment_token": nobody}):
        with refused("subscription: token has no code"):
            offering.offer(**changes)
    with refused("subscription: security and payment token are the same"):
        offering.offer(payment_token=offering.world.token.address)


# Subscribing


def test_a_subscription_moves_the_price_into_escrow_and_says_so(offering: Offering) -> None:
    ann = offering.investor("ann")
    offering.open()
    done = offering.contract.fn("subscribe", 11, 28, sender=ann)
    assert done.answer == 28  # 27.5, rounded up.
    expected = {"subscriber": ann, "investor": ann, "number": 1, "shares": 11, "payment": 28}
    assert named(done.logs, "Subscribed") == [DecodedLog("Subscribed", expected)]
    assert (offering.escrow(), offering.cash(ann)) == (28, 9_972)
    assert offering.contract.view("subscription_of", ann) == (1, ann, 11, 28, False, False, False)
    assert offering.contract.view("totals") == (11, 1, 28)
    assert offering.contract.view("subscriber", 1) == ann
    assert offering.contract.view("allotment", ann) == 11


@settings(max_examples=12, deadline=None)
@given(parts=st.lists(st.integers(1, 50), min_size=1, max_size=6), price=st.integers(1, 3 * PRICE_SCALE))
def test_many_subscriptions_cost_what_one_for_all_the_shares_costs(shared_world: World, parts: list[int], price: int) -> None:
    with shared_world.chain.undone():
        offering = an_offering(shared_world)
        ann = offering.investor("ann")
        offering.open(price_scaled=price, hard_cap=1_000, minimum=0, maximum=0)
        paid = sum(offering.subscribe(ann, part) for part in parts)
        exact = Fraction(sum(parts) * price, PRICE_SCALE)
        assert exact <= paid < exact + 1
        assert offering.escrow() == paid == offering.contract.view("totals")[2]


def test_nobody_pays_more_than_the_caller_says(offering: Offering) -> None:
    ann = offering.investor("ann")
    offering.open()
    with refused("subscription: payment is above the caller's limit"):
        offering.subscribe(ann, 11, payment_max=27)


def test_the_offering_is_open_from_its_first_second_to_its_last(offering: Offering) -> None:
    ann = offering.investor("ann")
    with refused(NOT_OPEN):
        offering.subscribe(ann, 10)
    offering.offer()
    offering.at_day(1, second=-1)
    with refused(NOT_OPEN):
        offering.subscribe(ann, 10)
    offering.at_day(1)
    offering.subscribe(ann, 10)
    offering.at_day(10, second=-1)
    offering.subscribe(ann, 10)
    offering.at_day(10)
    with refused(NOT_OPEN):
        offering.subscribe(ann, 10)


def test_a_cancelled_offering_takes_no_subscription(offering: Offering) -> None:
    ann = offering.investor("ann")
    offering.open()
    offering.contract.fn("cancel", sender=offering.world.agent)
    with refused(NOT_OPEN):
        offering.subscribe(ann, 10)


def test_first_come_ends_at_the_hard_cap(offering: Offering) -> None:
    ann, bob = offering.investor("ann"), offering.investor("bob")
    offering.open()
    offering.subscribe(ann, 60)
    with refused("subscription: hard cap is reached"):
        offering.subscribe(bob, 41)
    offering.subscribe(bob, 40)


def test_shares_that_do_not_fit_are_refused(offering: Offering) -> None:
    ann = offering.investor("ann", money=2**200)
    bob = offering.investor("bob", money=2**200)
    offering.open(minimum=0, maximum=0, is_pro_rata=True, price_scaled=1)
    for shares in (0, 2**96):
        with refused("subscription: shares are out of range"):
            offering.subscribe(ann, shares)
    offering.subscribe(ann, 2**95, payment_max=2**200)
    with refused("subscription: too many shares"):
        offering.subscribe(bob, 2**95, payment_max=2**200)


def test_money_that_does_not_fit_is_refused(offering: Offering) -> None:
    ann = offering.investor("ann", money=2**200)
    offering.open(minimum=0, maximum=0, is_pro_rata=True, price_scaled=2**128 - 1)
    with refused("subscription: too much money"):
        offering.subscribe(ann, 10**18 + 1, payment_max=2**200)
    offering.subscribe(ann, 10**18, payment_max=2**200)


def test_the_minimum_and_the_maximum_count_over_all_wallets_of_an_investor(offering: Offering) -> None:
    ann = offering.investor("ann")
    second = offering.investor("ann's second", identity=ann)
    offering.open()
    with refused("subscription: below the minimum of an investor"):
        offering.subscribe(ann, 9)
    offering.subscribe(ann, 10)
    offering.subscribe(second, 1)
    with refused("subscription: above the maximum of an investor"):
        offering.subscribe(second, 50)
    offering.subscribe(second, 49)
    assert offering.contract.view("investor_shares", ann) == 60
    assert offering.contract.view("subscription_of", second)[:3] == (2, ann, 50)
    offering.contract.fn("withdraw", sender=second)
    assert offering.contract.view("investor_shares", ann) == 10


def test_a_wallet_that_has_changed_its_investor_withdraws_before_it_subscribes_again(offering: Offering) -> None:
    ann, bob = offering.investor("ann"), offering.investor("bob")
    offering.open()
    offering.subscribe(ann, 10)
    offering.world.registry.fn("updateIdentity", ann, bob, sender=offering.world.agent)
    with refused("subscription: wallet has changed its investor"):
        offering.subscribe(ann, 10)
    offering.contract.fn("withdraw", sender=ann)
    assert offering.contract.view("investor_shares", ann) == 0
    offering.subscribe(ann, 20)
    assert offering.contract.view("investor_shares", bob) == 20
    assert offering.contract.view("subscription_of", ann)[:3] == (1, bob, 20)


def test_who_may_not_hold_the_shares_may_not_subscribe(offering: Offering) -> None:
    stranger = offering.purse(offering.world.person("stranger"), 10_000)
    ann = offering.investor("ann")
    offering.open()
    with refused(NOT_ELIGIBLE):
        offering.subscribe(stranger, 10)
    offering.world.set_rules(maximum_balance=30)
    with refused(NOT_ELIGIBLE):
        offering.subscribe(ann, 31)
    offering.subscribe(ann, 30)


def test_the_limits_of_an_investor_are_asked_over_what_all_wallets_subscribed(offering: Offering) -> None:
    ann = offering.investor("ann")
    second = offering.investor("ann's second", identity=ann)
    offering.open()
    offering.world.set_rules(maximum_balance=30)
    offering.subscribe(ann, 20)
    with refused(NOT_ELIGIBLE):
        offering.subscribe(second, 11)


PLAIN_SECURITY = """
# pragma version 0.4.3
balanceOf: public(HashMap[address, uint256])

@external
@view
def check_transfer(_from: address, _to: address, _amount: uint256) -> (uint256, uint256):
    return 0, 0

@external
def mint(receiver: address, amount: uint256):
    self.balanceOf[receiver] += amount
"""


def test_without_a_registry_the_limits_count_per_wallet(offering: Offering) -> None:
    security = offering.world.chain.deploy_vyper(PLAIN_SECURITY, sender=offering.world.owner)
    ann, second = (offering.purse(offering.world.person(name), 10_000) for name in ("ann", "ann's second"))
    offering.open(security=security)
    assert offering.contract.view("is_per_investor") is False
    offering.subscribe(ann, 60)
    offering.subscribe(second, 40)
    assert offering.contract.view("investor_shares", ann) == 60


# Withdrawing


def test_a_subscriber_withdraws_everything_until_the_last_second(offering: Offering) -> None:
    ann = offering.investor("ann")
    offering.open()
    offering.subscribe(ann, 11)
    offering.at_day(5, second=-1)
    done = offering.contract.fn("withdraw", sender=ann)
    assert done.answer == 28
    assert named(done.logs, "Withdrawn") == [DecodedLog("Withdrawn", {"subscriber": ann, "shares": 11, "payment": 28})]
    assert (offering.cash(ann), offering.escrow()) == (10_000, 0)
    assert offering.contract.view("totals") == (0, 1, 0)
    with refused("subscription: nothing to withdraw"):
        offering.contract.fn("withdraw", sender=ann)
    offering.subscribe(ann, 10)
    assert offering.contract.view("subscription_of", ann)[0] == 1
    offering.at_day(5)
    with refused("subscription: too late to withdraw"):
        offering.contract.fn("withdraw", sender=ann)


def test_after_the_end_money_comes_back_by_refund_only(offering: Offering) -> None:
    ann = offering.investor("ann")
    offering.open()
    offering.subscribe(ann, 10)
    offering.contract.fn("cancel", sender=offering.world.owner)
    with refused("subscription: already ended"):
        offering.contract.fn("withdraw", sender=ann)
    assert offering.refund(ann) == 25


# Ending


def test_anybody_closes_when_the_time_is_over_and_not_before(offering: Offering) -> None:
    with refused("subscription: nothing to close"):
        offering.close()
    ann = offering.investor("ann")
    offering.open()
    offering.subscribe(ann, 50)
    offering.at_day(10, second=-1)
    with refused("subscription: too early to close"):
        offering.close()
    offering.at_day(10)
    assert offering.close() is True
    assert (offering.contract.view("has_succeeded"), offering.contract.view("has_failed")) == (True, False)
    with refused("subscription: nothing to close"):
        offering.close()


def test_a_sold_out_offering_closes_early_but_not_while_somebody_may_withdraw(offering: Offering) -> None:
    ann, bob = offering.investor("ann"), offering.investor("bob")
    offering.open()
    offering.subscribe(ann, 60)
    offering.subscribe(bob, 40)
    offering.at_day(5, second=-1)
    with refused("subscription: too early to close"):
        offering.close()
    offering.at_day(5)
    assert offering.close() is True


def test_nothing_is_closed_while_somebody_may_withdraw_though_the_time_is_over(offering: Offering) -> None:
    offering.open(withdraw_until=offering.begun_at + 12 * DAY)
    offering.subscribe(offering.investor("ann"), 50)
    offering.at_day(12, second=-1)
    with refused("subscription: too early to close"):
        offering.close()
    offering.at_day(12)
    assert offering.close() is True


def test_an_offering_that_is_cut_down_in_proportion_does_not_close_early(offering: Offering) -> None:
    ann, bob = offering.investor("ann"), offering.investor("bob")
    offering.open(is_pro_rata=True)
    offering.subscribe(ann, 60)
    offering.subscribe(bob, 40)
    offering.at_day(6)
    with refused("subscription: too early to close"):
        offering.close()


def test_below_the_soft_cap_everybody_gets_everything_back_once(offering: Offering) -> None:
    ann, bob = offering.investor("ann"), offering.investor("bob")
    offering.open()
    offering.subscribe(ann, 20)
    offering.subscribe(bob, 29)
    with refused(NOTHING_TO_REFUND):
        offering.refund(ann)
    offering.at_day(10)
    assert offering.close() is False
    assert offering.contract.view("refundable", ann) == 50
    done = offering.contract.fn("refund", ann, sender=bob)
    assert named(done.logs, "Refunded") == [DecodedLog("Refunded", {"subscriber": ann, "payment": 50})]
    with refused(NOTHING_TO_REFUND):
        offering.refund(ann)
    assert offering.refund(bob) == 73
    assert (offering.cash(ann), offering.cash(bob), offering.escrow()) == (10_000, 10_000, 0)
    assert offering.contract.view("subscription_of", ann)[4:] == (False, False, True)


def test_an_offering_to_which_nobody_came_fails(offering: Offering) -> None:
    offering.open(soft_cap=0)
    offering.at_day(10)
    assert offering.close() is False


def test_owner_and_agents_cancel_an_offering_that_has_not_ended(offering: Offering) -> None:
    with refused("subscription: nothing to cancel"):
        offering.contract.fn("cancel", sender=offering.world.owner)
    ann = offering.investor("ann")
    offering.open()
    offering.subscribe(ann, 60)
    with refused("access: caller is neither owner nor agent"):
        offering.contract.fn("cancel", sender=ann)
    done = offering.contract.fn("cancel", sender=offering.world.agent)
    assert done.logs == [DecodedLog("Cancelled", {"canceller": offering.world.agent})]
    with refused("subscription: nothing to cancel"):
        offering.contract.fn("cancel", sender=offering.world.owner)
    with refused("subscription: nothing to close"):
        offering.close()
    assert offering.refund(ann) == 150


def test_after_success_nobody_cancels(offering: Offering) -> None:
    succeed(offering, {"ann": 50})
    with refused("subscription: nothing to cancel"):
        offering.contract.fn("cancel", sender=offering.world.owner)


# Allotting


def succeed(offering: Offering, shares: dict[str, int], **changes: Any) -> list[str]:
    """Let these subscribe, and close."""
    wallets = [offering.investor(name) for name in shares]
    offering.open(**changes)
    for wallet, amount in zip(wallets, shares.values(), strict=True):
        offering.subscribe(wallet, amount)
    offering.at_day(10)
    assert offering.close() is True
    return wallets


def test_subscribers_get_their_shares_once_and_the_issuer_the_money(offering: Offering) -> None:
    ann, bob = succeed(offering, {"ann": 60, "bob": 11})
    logs = offering.allot(ann, bob, ann)
    assert named(logs, "Allotted") == [
        DecodedLog("Allotted", {"subscriber": ann, "shares": 60, "payment": 150}),
        DecodedLog("Allotted", {"subscriber": bob, "shares": 11, "payment": 28}),
    ]
    assert offering.allot(ann, bob) == []
    assert (offering.world.balance(ann), offering.world.balance(bob)) == (60, 11)
    assert offering.contract.view("subscription_of", ann)[4:] == (True, False, False)
    receiver = offering.world.person("issuer's bank")
    done = offering.contract.fn("collect", receiver, sender=offering.world.owner)
    assert done.answer == 178
    assert named(done.logs, "ProceedsCollected") == [DecodedLog("ProceedsCollected", {"receiver": receiver, "payment": 178})]
    assert (offering.cash(receiver), offering.escrow()) == (178, 0)
    for wallet in (ann, bob):
        with refused(NOTHING_TO_REFUND):
            offering.refund(wallet)


def test_the_issuer_gets_money_for_allotted_shares_only(offering: Offering) -> None:
    ann, bob = succeed(offering, {"ann": 60, "bob": 20})
    with refused("subscription: nothing to collect"):
        offering.contract.fn("collect", offering.world.owner, sender=offering.world.owner)
    offering.allot(ann)
    with refused("Ownable: caller is not the owner"):
        offering.contract.fn("collect", offering.world.agent, sender=offering.world.agent)
    assert offering.contract.fn("collect", offering.world.owner, sender=offering.world.owner).answer == 150
    with refused("subscription: nothing to collect"):
        offering.contract.fn("collect", offering.world.owner, sender=offering.world.owner)
    offering.allot(bob)
    assert offering.contract.fn("collect", offering.world.owner, sender=offering.world.owner).answer == 50


def test_nothing_is_allotted_before_success_nor_after_failure(offering: Offering) -> None:
    ann = offering.investor("ann")
    offering.open()
    offering.subscribe(ann, 49)
    with refused("subscription: not closed with success"):
        offering.allot(ann)
    offering.at_day(10)
    assert offering.close() is False
    with refused("subscription: not closed with success"):
        offering.allot(ann)


def test_only_owner_and_agents_allot(offering: Offering) -> None:
    ann, bob = succeed(offering, {"ann": 60, "bob": 20})
    with refused("access: caller is neither owner nor agent"):
        offering.contract.fn("allot", [1], sender=ann)
    offering.contract.fn("allot", [2], sender=offering.world.owner)
    assert (offering.world.balance(ann), offering.world.balance(bob)) == (0, 20)


def test_numbers_of_nobody_are_passed_over(offering: Offering) -> None:
    (ann,) = succeed(offering, {"ann": 60})
    offering.contract.fn("allot", [0, 1, 2, 2**255], sender=offering.world.agent)
    assert offering.world.balance(ann) == 60


def test_who_may_not_hold_any_more_gets_the_money_back_and_the_others_their_shares(offering: Offering) -> None:
    ann, bob = succeed(offering, {"ann": 60, "bob": 20})
    offering.world.registry.fn("invalidate", ann, sender=offering.world.agent)
    logs = offering.allot(ann, bob)
    assert named(logs, "AllotmentRefused") == [DecodedLog("AllotmentRefused", {"subscriber": ann, "code": 10, "fact": 0})]
    assert offering.world.balance(bob) == 20
    assert offering.contract.view("subscription_of", ann)[4:] == (False, True, False)
    offering.world.registry.fn("set_verified_until", [ann], [2**40], sender=offering.world.agent)
    assert offering.allot(ann) == []
    assert offering.refund(ann) == 150
    with refused(NOTHING_TO_REFUND):
        offering.refund(ann)


def test_what_fails_for_the_issuers_reasons_is_postponed_and_tried_again(offering: Offering) -> None:
    ann, bob = succeed(offering, {"ann": 60, "bob": 20})
    offering.world.set_rules(supply_cap=50)
    logs = offering.allot(ann, bob)
    assert named(logs, "AllotmentPostponed") == [DecodedLog("AllotmentPostponed", {"subscriber": ann, "code": 16, "fact": 50})]
    assert offering.world.balance(bob) == 20
    with refused(NOTHING_TO_REFUND):
        offering.refund(ann)
    offering.world.set_rules(supply_cap=80)
    offering.world.token.fn("removeAgent", offering.contract.address, sender=offering.world.owner)
    logs = offering.allot(ann)
    assert named(logs, "AllotmentPostponed") == [DecodedLog("AllotmentPostponed", {"subscriber": ann, "code": 0, "fact": 0})]
    offering.world.token.fn("addAgent", offering.contract.address, sender=offering.world.owner)
    offering.allot(ann)
    assert offering.world.balance(ann) == 60


def test_a_closed_transfer_window_postpones_and_refunds_nobody(offering: Offering) -> None:
    world = offering.world
    rules = world.chain.deploy("transfer_rules", sender=world.owner)
    rules.fn("initialize", sender=world.owner)
    rules.fn("set_compliance", world.token.address, world.compliance.address, sender=world.owner)
    world.compliance.fn("set_transfer_rules", world.token.address, rules.address, sender=world.owner)
    treasury = world.holder("treasury", 70)
    world.token.fn("approve", offering.contract.address, 70, sender=treasury)
    (ann,) = succeed(offering, {"ann": 60}, treasury=treasury)
    opens_at = world.chain.now + DAY
    rules.fn("set_transfer_windows", world.token.address, YES, [opens_at], [opens_at + DAY], sender=world.owner)
    logs = offering.allot(ann)
    assert named(logs, "AllotmentPostponed") == [DecodedLog("AllotmentPostponed", {"subscriber": ann, "code": 42, "fact": opens_at})]
    with refused(NOTHING_TO_REFUND):
        offering.refund(ann)
    world.chain.pass_time(DAY)
    offering.allot(ann)
    assert world.balance(ann) == 60


def test_a_security_that_says_nothing_of_why_it_refuses_is_tried_again(offering: Offering) -> None:
    security = """
# pragma version 0.4.3
@external
@view
def check_transfer(_from: address, _to: address, _amount: uint256) -> (uint256, uint256):
    assert block.timestamp < OPEN_UNTIL, "closed"
    return 0, 0
""".replace("OPEN_UNTIL", str(offering.begun_at + 9 * DAY))
    ann = offering.purse(offering.world.person("ann"), 10_000)
    offering.open(security=offering.world.chain.deploy_vyper(security, sender=offering.world.owner))
    offering.subscribe(ann, 50)
    offering.at_day(10)
    offering.close()
    assert [log.event for log in offering.allot(ann)] == ["AllotmentPostponed"]
    offering.at_day(20)
    assert offering.refund(ann) == 125


def test_shares_come_from_the_treasury_where_the_terms_say_so(offering: Offering) -> None:
    treasury = offering.world.holder("treasury", 70)
    offering.world.token.fn("approve", offering.contract.address, 70, sender=treasury)
    ann, bob = succeed(offering, {"ann": 60, "bob": 20}, treasury=treasury)
    logs = offering.allot(ann, bob)
    assert (offering.world.balance(treasury), offering.world.balance(ann), offering.world.balance(bob)) == (10, 60, 0)
    assert named(logs, "AllotmentPostponed") == [DecodedLog("AllotmentPostponed", {"subscriber": bob, "code": 4, "fact": 10})]
    offering.world.token.fn("setAddressFrozen", bob, YES, sender=offering.world.agent)
    assert named(offering.allot(bob), "AllotmentRefused") == [
        DecodedLog("AllotmentRefused", {"subscriber": bob, "code": 3, "fact": 0}),
    ]
    assert offering.refund(bob) == 50


TREASURY_THAT = """
# pragma version 0.4.3
@external
@view
def check_transfer(_from: address, _to: address, _amount: uint256) -> (uint256, uint256):
    return 0, 0

@external
def transferFrom(sender: address, receiver: address, amount: uint256) {answers}
"""


@pytest.mark.parametrize("answers", ["-> bool:\n    return False", "-> uint256:\n    return 2", ":\n    pass"])
def test_a_delivery_without_a_yes_is_no_delivery(offering: Offering, answers: str) -> None:
    ann = offering.purse(offering.world.person("ann"), 10_000)
    security = offering.world.chain.deploy_vyper(TREASURY_THAT.format(answers=answers), sender=ann)
    offering.open(security=security, treasury=offering.world.person("treasury"))
    offering.subscribe(ann, 50)
    offering.at_day(10)
    offering.close()
    assert [log.event for log in offering.allot(ann)] == ["AllotmentPostponed"]


# The deadline


def test_after_the_deadline_whoever_has_no_shares_gets_the_money_back_whatever_the_issuer_does(offering: Offering) -> None:
    ann, bob = succeed(offering, {"ann": 60, "bob": 20})
    offering.allot(ann)
    offering.at_day(20, second=-1)
    with refused(NOTHING_TO_REFUND):
        offering.refund(bob)
    offering.at_day(20)
    with refused("subscription: too late to allot"):
        offering.allot(bob)
    assert offering.refund(bob) == 50
    with refused(NOTHING_TO_REFUND):
        offering.refund(ann)
    assert offering.contract.fn("collect", offering.world.owner, sender=offering.world.owner).answer == 150
    assert offering.escrow() == 0


def test_an_offering_that_nobody_closed_in_time_has_failed(offering: Offering) -> None:
    ann, bob = offering.investor("ann"), offering.investor("bob")
    offering.open()
    offering.subscribe(ann, 60)
    offering.subscribe(bob, 20)
    offering.at_day(20)
    assert offering.refund(ann) == 150
    assert offering.close() is False
    assert offering.refund(bob) == 50


# Cutting down in proportion


def largest_remainders(shares: list[int], hard_cap: int) -> list[int]:
    """Split by largest remainder, ties by number: the model that the contract is held to."""
    total = sum(shares)
    if total <= hard_cap:
        return shares
    parts = [each * hard_cap // total for each in shares]
    by_remainder = sorted(range(len(shares)), key=lambda place: (-(shares[place] * hard_cap % total), place))
    for place in by_remainder[: hard_cap - sum(parts)]:
        parts[place] += 1
    return parts


def threshold(shares: list[int], hard_cap: int) -> tuple[int, int]:
    """Return the remainder and the last number that `propose_split` wants."""
    total = sum(shares)
    left = hard_cap - sum(each * hard_cap // total for each in shares)
    ranked = sorted((-(each * hard_cap % total), number) for number, each in enumerate(shares, start=1))
    return (-ranked[left - 1][0], ranked[left - 1][1]) if left else (SHARES_MAX, 0)


def split(offering: Offering, shares: list[int], *, step: int = 100) -> None:
    agent = offering.world.agent
    offering.contract.fn("propose_split", *threshold(shares, 100), sender=agent)
    while not offering.contract.view("is_split_settled"):
        offering.contract.fn("count_split", step, sender=agent)


@settings(max_examples=10, deadline=None)
@given(shares=st.lists(st.integers(1, 60), min_size=2, max_size=8).filter(lambda shares: sum(shares) > 100), step=st.integers(1, 9))
def test_an_oversubscribed_offering_is_split_by_the_largest_remainder(shared_world: World, shares: list[int], step: int) -> None:
    with shared_world.chain.undone():
        offering = an_offering(shared_world)
        wallets = succeed(
            offering, {f"investor {place}": each for place, each in enumerate(shares)}, is_pro_rata=True, minimum=0, maximum=0
        )
        split(offering, shares, step=step)
        parts = largest_remainders(shares, 100)
        assert [offering.contract.view("allotment", wallet) for wallet in wallets] == parts
        offering.allot(*reversed(wallets))
        assert [offering.world.balance(wallet) for wallet in wallets] == parts
        offering.contract.fn("refund_batch", list(range(1, len(shares) + 1)), sender=wallets[0])
        price = Fraction(5, 2)
        for wallet, part in zip(wallets, parts, strict=True):
            assert offering.cash(wallet) == 10_000 - -(-part * price // 1)
        if any(parts):
            offering.contract.fn("collect", offering.world.owner, sender=offering.world.owner)
        assert offering.escrow() == 0


def test_ties_go_to_those_who_subscribed_first(offering: Offering) -> None:
    wallets = succeed(offering, {"ann": 50, "bob": 50, "cem": 50}, is_pro_rata=True)
    split(offering, [50, 50, 50])
    assert [offering.contract.view("allotment", wallet) for wallet in wallets] == [34, 33, 33]


@pytest.mark.parametrize("wrong", [(99, 3), (100, 0), (100, 2), (101, 3), (SHARES_MAX, 0), (1, 3)])
def test_a_wrong_split_is_refused_and_a_right_one_can_follow(offering: Offering, wrong: tuple[int, int]) -> None:
    succeed(offering, {"ann": 50, "bob": 50, "cem": 50}, is_pro_rata=True)
    agent = offering.world.agent
    offering.contract.fn("propose_split", *wrong, sender=agent)
    with refused("subscription: split does not add up"):
        offering.contract.fn("count_split", 100, sender=agent)
    split(offering, [50, 50, 50], step=2)


def test_a_split_says_what_it_does(offering: Offering) -> None:
    succeed(offering, {"ann": 50, "bob": 50, "cem": 50}, is_pro_rata=True)
    agent, terms = offering.world.agent, {"remainder": 50, "last_number": 1}
    terms["remainder"], terms["last_number"] = threshold([50, 50, 50], 100)
    done = offering.contract.fn("propose_split", *terms.values(), sender=agent)
    assert done.logs == [DecodedLog("SplitProposed", terms)]
    assert offering.contract.fn("count_split", 2, sender=agent).logs == []
    assert offering.contract.view("is_split_settled") is False
    assert offering.contract.fn("count_split", 2**256 - 1, sender=agent).logs == [DecodedLog("SplitSettled", terms)]


def test_nothing_is_allotted_before_the_split_is_settled(offering: Offering) -> None:
    ann, *_ = succeed(offering, {"ann": 50, "bob": 50, "cem": 50}, is_pro_rata=True)
    offering.contract.fn("propose_split", 99, 3, sender=offering.world.agent)
    assert offering.contract.view("allotment", ann) == 50
    with refused("subscription: split is not settled"):
        offering.allot(ann)


def test_a_split_is_proposed_and_counted_by_owner_and_agents_where_one_is_needed_and_once(offering: Offering) -> None:
    ann, *_ = succeed(offering, {"ann": 50, "bob": 50, "cem": 50}, is_pro_rata=True)
    agent = offering.world.agent
    with refused("access: caller is neither owner nor agent"):
        offering.contract.fn("propose_split", 100, 1, sender=ann)
    with refused("access: caller is neither owner nor agent"):
        offering.contract.fn("count_split", 1, sender=ann)
    with refused("subscription: no split is proposed"):
        offering.contract.fn("count_split", 1, sender=agent)
    for remainder in (0, 2**96):
        with refused("subscription: remainder is out of range"):
            offering.contract.fn("propose_split", remainder, 1, sender=agent)
    with refused("subscription: number is out of range"):
        offering.contract.fn("propose_split", 1, 2**32, sender=agent)
    split(offering, [50, 50, 50])
    with refused("subscription: no split is needed"):
        offering.contract.fn("propose_split", 100, 1, sender=agent)
    with refused("subscription: no split is proposed"):
        offering.contract.fn("count_split", 1, sender=agent)


def test_an_offering_within_its_hard_cap_needs_no_split(offering: Offering) -> None:
    ann, bob = succeed(offering, {"ann": 50, "bob": 50}, is_pro_rata=True)
    with refused("subscription: no split is needed"):
        offering.contract.fn("propose_split", 1, 1, sender=offering.world.agent)
    offering.allot(ann, bob)
    assert (offering.world.balance(ann), offering.world.balance(bob)) == (50, 50)


def test_who_is_cut_down_to_nothing_gets_everything_back(offering: Offering) -> None:
    shares = {f"investor {each}": 60 for each in range(10)} | {"ann": 1}
    *_, ann = succeed(offering, shares, is_pro_rata=True, minimum=0)
    split(offering, list(shares.values()))
    assert offering.contract.view("allotment", ann) == 0
    assert named(offering.allot(ann), "Allotted") == [DecodedLog("Allotted", {"subscriber": ann, "shares": 0, "payment": 0})]
    assert offering.refund(ann) == 3


# Payment tokens that are up to something


def token_that(does: str, *, answers: str = "-> bool", takes: str = "", more: str = "") -> str:
    """Write a payment token: `takes` says what it does when it is taken, `does` when it is paid out."""
    takes = takes or "    self._move(sender, receiver, amount)\n    return True"
    return f"""
# pragma version 0.4.3
balanceOf: public(HashMap[address, uint256])
target: address
{more}

@internal
def _move(sender: address, receiver: address, amount: uint256):
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount

@external
def set_balance(holder: address, amount: uint256):
    self.balanceOf[holder] = amount

@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
{takes}

@external
def transfer(receiver: address, amount: uint256) {answers}:
{does}
"""


MOVES = "    self._move(msg.sender, receiver, amount)\n"
NOT_LEFT, NOT_ARRIVED = "money: not the amount left", "money: not the amount arrived"


class HostileMoney:
    def __init__(self, offering: Offering, source: str) -> None:
        self.offering = offering
        self.address = offering.world.chain.deploy_vyper(source, sender=offering.world.owner)

    def call(self, function: str, *arguments: str | int, sender: str | None = None) -> int:
        types = ",".join("address" if isinstance(each, str) else "uint256" for each in arguments)
        words = [bytes.fromhex(each[2:]).rjust(32, b"\0") if isinstance(each, str) else each.to_bytes(32, "big") for each in arguments]
        data = keccak(f"{function}({types})".encode())[:4] + b"".join(words)
        done = self.offering.world.chain.send(self.address, data, sender=sender or self.offering.world.owner)
        return int.from_bytes(done.answer, "big")

    def balance(self, holder: str) -> int:
        return self.call("balanceOf", holder)


def hostile(offering: Offering, source: str) -> tuple[HostileMoney, str, str]:
    """Let ann and bob subscribe 20 each in this money."""
    money = HostileMoney(offering, source)
    ann, bob = offering.world.register("ann"), offering.world.register("bob")
    for wallet in (ann, bob):
        money.call("set_balance", wallet, 1_000)
    offering.open(payment_token=money.address)
    for wallet in (ann, bob):
        offering.subscribe(wallet, 20)
    return money, ann, bob


@pytest.mark.parametrize(
    ("takes", "reason"),
    [
        ("    return False", REFUSED),
        ("    self._move(sender, receiver, amount)\n    return False", REFUSED),
        ('    raise "no"', REFUSED),
        ("    raise", REFUSED),
        ("    return True", NOT_ARRIVED),
        ("    self._move(sender, receiver, amount - 1)\n    return True", NOT_ARRIVED),
        ("    self._move(sender, receiver, amount + 1)\n    return True", NOT_ARRIVED),
    ],
)
def test_a_payment_token_that_does_not_bring_the_exact_amount_is_refused(offering: Offering, takes: str, reason: str) -> None:
    with refused(reason):
        hostile(offering, token_that(MOVES + "    return True", takes=takes))


def test_a_payment_token_must_know_balances(offering: Offering) -> None:
    source = "# pragma version 0.4.3\n@external\ndef transferFrom(a: address, b: address, c: uint256) -> bool:\n    return True\n"
    ann = offering.world.register("ann")
    offering.open(payment_token=offering.world.chain.deploy_vyper(source, sender=ann))
    with refused("money: token has no balances"):
        offering.subscribe(ann, 20)


def test_a_balance_that_grows_less_than_it_had_is_not_an_arrival(offering: Offering) -> None:
    source = token_that(MOVES + "    return True", takes="    self.balanceOf[receiver] = 1\n    return True")
    money = HostileMoney(offering, source)
    ann = offering.world.register("ann")
    money.call("set_balance", offering.contract.address, 1_000)
    offering.open(payment_token=money.address)
    with refused(NOT_ARRIVED):
        offering.subscribe(ann, 20)


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("    return False", REFUSED),
        (MOVES + "    return False", REFUSED),
        ('    raise "no"', REFUSED),
        ("    raise", REFUSED),
        ("    return True", NOT_LEFT),
        ("    self._move(msg.sender, receiver, amount - 1)\n    return True", NOT_LEFT),
        (MOVES + "    self.balanceOf[msg.sender] -= 1\n    return True", NOT_LEFT),
        ("    self.balanceOf[msg.sender] += 1\n    return True", NOT_LEFT),
    ],
)
def test_a_refund_that_does_not_move_the_exact_amount_stays_due(offering: Offering, does: str, reason: str) -> None:
    money, ann, bob = hostile(offering, token_that(does))
    with refused(reason):
        offering.contract.fn("withdraw", sender=ann)
    offering.contract.fn("cancel", sender=offering.world.owner)
    with refused(reason):
        offering.refund(ann)
    logs = offering.contract.fn("refund_batch", [1, 2], sender=bob).logs
    assert logs == [DecodedLog("RefundPostponed", {"subscriber": ann}), DecodedLog("RefundPostponed", {"subscriber": bob})]
    assert offering.contract.view("refundable", ann) == offering.contract.view("refundable", bob) == 50
    assert money.balance(offering.contract.address) == 100


def test_a_payment_token_that_answers_nothing_is_taken_for_a_yes(offering: Offering) -> None:
    money, ann, _ = hostile(offering, token_that(MOVES, answers=""))
    offering.contract.fn("withdraw", sender=ann)
    assert money.balance(ann) == 1_000


@pytest.mark.parametrize(
    "does", ['    assert receiver != self.target, "blocked"\n', "    if receiver == self.target:\n        return False\n"]
)
def test_a_payment_token_that_blocks_one_receiver_does_not_stop_the_others(offering: Offering, does: str) -> None:
    block = "@external\ndef block(target: address):\n    self.target = target\n"
    money, ann, bob = hostile(offering, token_that(does + MOVES + "    return True", more=block))
    money.call("block", ann)
    offering.contract.fn("cancel", sender=offering.world.owner)
    logs = offering.contract.fn("refund_batch", [1, 7, 2, 2], sender=bob).logs
    assert [log.event for log in logs] == ["RefundPostponed", "RefundPostponed", "Refunded", "RefundPostponed"]
    assert (money.balance(ann), money.balance(bob)) == (950, 1_000)
    money.call("block", bob)
    assert offering.refund(ann) == 50


def test_a_payment_token_that_burns_all_gas_for_one_receiver_does_not_stop_the_others(offering: Offering) -> None:
    burn = "    if receiver == self.target:\n        for step: uint256 in range(2**60):\n            self.target = receiver\n"
    block = "@external\ndef block(target: address):\n    self.target = target\n"
    money, ann, bob = hostile(offering, token_that(burn + MOVES + "    return True", more=block))
    money.call("block", ann)
    offering.contract.fn("cancel", sender=offering.world.owner)
    done = offering.contract.fn("refund_batch", [1, 2], sender=bob)
    assert (money.balance(ann), money.balance(bob)) == (950, 1_000)
    assert done.gas < 700_000


AIM = "@external\ndef aim(target: address):\n    self.target = target\n"


def calling_back(offering: Offering, function: str, *arguments: Any) -> str:
    call = offering.contract.artifact.encode_call(function, *arguments).hex()
    return f"""    success: bool = raw_call(self.target, x"{call}", revert_on_failure=False)
    assert not success, "let in"
"""


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("subscribe", (10, ENOUGH)),
        ("withdraw", ()),
        ("close", ()),
        ("refund", ("bob",)),
        ("collect", ("bob",)),
        ("refund_alone", (2,)),
        ("refund_batch", ([2],)),
    ],
)
def test_a_payment_token_that_calls_back_is_not_let_in(offering: Offering, function: str, arguments: tuple[Any, ...]) -> None:
    meant = [offering.world.person("bob") if each == "bob" else each for each in arguments]
    source = token_that(calling_back(offering, function, *meant) + MOVES + "    return True", more=AIM)
    money, ann, bob = hostile(offering, source)
    money.call("aim", offering.contract.address)
    offering.contract.fn("cancel", sender=offering.world.owner)
    assert offering.refund(ann) == 50
    offering.contract.fn("refund_batch", [2], sender=bob)
    assert (money.balance(ann), money.balance(bob), money.balance(offering.contract.address)) == (1_000, 1_000, 0)


def test_a_subscription_cannot_be_entered_again_while_it_is_paid(offering: Offering) -> None:
    takes = calling_back(offering, "subscribe", 10, ENOUGH) + "    self._move(sender, receiver, amount)\n    return True"
    money = HostileMoney(offering, token_that(MOVES + "    return True", takes=takes, more=AIM))
    # The payment token itself is an investor, so that nothing but the lock stands against it.
    offering.world.registry.fn("register_investor", money.address, ZERO, 276, 2**40, sender=offering.world.agent)
    ann = offering.world.register("ann")
    money.call("set_balance", ann, 1_000)
    money.call("aim", offering.contract.address)
    offering.open(payment_token=money.address)
    assert offering.subscribe(ann, 20) == 50


def test_one_refund_of_a_batch_is_the_contracts_own_act(offering: Offering) -> None:
    ann = offering.investor("ann")
    offering.open()
    offering.subscribe(ann, 20)
    offering.contract.fn("cancel", sender=offering.world.owner)
    for sender in (ann, offering.world.owner):
        with refused("subscription: caller is not the contract itself"):
            offering.contract.fn("refund_alone", 1, sender=sender)


# In any order of acts

NAMES = ("ann", "bob", "cem", "dee", "ann's second")
names = st.sampled_from(NAMES)


class OfferingInAnyOrder(RuleBasedStateMachine):
    """Acts at random; the model keeps who paid and got what, and the escrow must always be what is left of it."""

    world: World  # Set by the test, which owns the chain.

    def __init__(self) -> None:
        super().__init__()
        self._undo = contextlib.ExitStack()
        self._undo.enter_context(self.world.chain.undone())
        self.offering = an_offering(self.world)
        self.wallets = {name: self.offering.investor(name) for name in NAMES[:-1]}
        self.wallets[NAMES[-1]] = self.offering.investor(NAMES[-1], identity=self.wallets["ann"])
        self.shares = dict.fromkeys(NAMES, 0)
        self.order: list[str] = []
        self.allotted: dict[str, int] = {}
        self.collected = 0

    def teardown(self) -> None:
        self._undo.close()

    def attempt(self, act: str, *arguments: Any, sender: str) -> list[DecodedLog] | None:
        reason = None
        logs = None
        try:
            logs = self.offering.contract.fn(act, *arguments, sender=sender).logs
        except Reverted as refusal:
            reason = refusal.reason
        assert reason != "no reason given", f"{act}{arguments} fails without a reason"
        return logs

    @initialize(is_pro_rata=st.booleans(), soft_cap=st.integers(0, 100), price=st.integers(1, 4 * PRICE_SCALE))
    def begin(self, *, is_pro_rata: bool, soft_cap: int, price: int) -> None:
        self.price = price
        self.offering.open(is_pro_rata=is_pro_rata, soft_cap=soft_cap, price_scaled=price, minimum=0, maximum=90)

    def payment(self, shares: int) -> int:
        return -(-shares * self.price // PRICE_SCALE)

    @rule(name=names, shares=st.integers(0, 70))
    def subscribe(self, name: str, shares: int) -> None:
        if self.attempt("subscribe", shares, ENOUGH, sender=self.wallets[name]) is not None:
            self.shares[name] += shares
            if name not in self.order:
                self.order.append(name)

    @rule(name=names)
    def withdraw(self, name: str) -> None:
        if self.attempt("withdraw", sender=self.wallets[name]) is not None:
            self.shares[name] = 0

    @rule(days=st.integers(1, 6))
    def wait(self, days: int) -> None:
        self.world.chain.pass_time(days * DAY)

    @rule()
    def close(self) -> None:
        self.attempt("close", sender=self.wallets["ann"])

    @rule(chance=st.integers(0, 9))
    def cancel(self, chance: int) -> None:
        if chance == 0:
            self.attempt("cancel", sender=self.world.owner)

    @rule(step=st.integers(0, 5), right=st.booleans())
    def split(self, step: int, *, right: bool) -> None:
        shares = [self.shares[name] for name in self.order]
        if sum(shares) > 100:
            remainder, last = threshold(shares, 100)
            self.attempt("propose_split", remainder, last if right else last + 1, sender=self.world.agent)
            self.attempt("count_split", step, sender=self.world.agent)

    @rule(numbers=st.lists(st.integers(0, 6), max_size=6))
    def allot(self, numbers: list[int]) -> None:
        by_wallet = {wallet: name for name, wallet in self.wallets.items()}
        for log in named(self.attempt("allot", numbers, sender=self.world.agent) or [], "Allotted"):
            name = by_wallet[log.values["subscriber"]]
            assert name not in self.allotted
            self.allotted[name] = log.values["shares"]

    @rule(name=names)
    def invalidate(self, name: str) -> None:
        self.world.registry.fn("set_verified_until", [self.wallets[name]], [0], sender=self.world.agent)

    @rule(name=names)
    def refund(self, name: str) -> None:
        self.attempt("refund", self.wallets[name], sender=self.wallets["bob"])

    @rule(numbers=st.lists(st.integers(0, 6), max_size=6))
    def refund_many(self, numbers: list[int]) -> None:
        self.attempt("refund_batch", numbers, sender=self.wallets["bob"])

    @rule()
    def collect(self) -> None:
        before = self.offering.cash(self.world.owner)
        self.attempt("collect", self.world.owner, sender=self.world.owner)
        self.collected += self.offering.cash(self.world.owner) - before

    @invariant()
    def no_money_appears_or_is_lost(self) -> None:
        spent = sum(10_000 - self.offering.cash(wallet) for wallet in self.wallets.values())
        assert self.offering.escrow() == spent - self.collected

    @invariant()
    def nobody_pays_for_more_than_subscribed_or_less_than_got(self) -> None:
        for name, wallet in self.wallets.items():
            spent = 10_000 - self.offering.cash(wallet)
            assert self.payment(self.allotted.get(name, 0)) <= spent <= self.payment(self.shares[name])
            assert self.world.balance(wallet) == self.allotted.get(name, 0) <= self.shares[name]

    @invariant()
    def the_issuer_has_money_for_allotted_shares_only(self) -> None:
        assert self.collected <= sum(self.payment(shares) for shares in self.allotted.values())
        assert sum(self.allotted.values()) <= 100

    @invariant()
    def escrow_covers_what_is_due(self) -> None:
        due = sum(self.offering.contract.view("refundable", wallet) for wallet in self.wallets.values())
        proceeds = sum(self.payment(shares) for shares in self.allotted.values()) - self.collected
        assert self.offering.escrow() >= due + proceeds


@pytest.mark.slow
def test_an_offering_keeps_its_promises_in_any_order_of_acts(shared_world: World) -> None:
    machine = type("OfferingOfThisWorld", (OfferingInAnyOrder,), {"world": shared_world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
