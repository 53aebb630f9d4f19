# SPDX-License-Identifier: Apache-2.0
"""A basket: creation and redemption in kind and for money, prices struck after the request, the fee, and exchanges within bounds."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest
from eth_hash.auto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import NO, YES, ZERO, Contract, Reverted, refused
from tests.contracts.world import ALLOW_LISTED, FRANCE, GERMANY, YEAR, World

DAY = 24 * 60 * 60
SCALE = 10**18
AMOUNT_MAX = 2**128 - 1
PLENTY = 10**9
NOT_OWNER, NOT_AGENT = "Ownable: caller is not the owner", "AgentRole: caller does not have the Agent role"
NOT_OPERATOR, NOT_VALUER, NOT_MANAGER = "basket: caller is no operator", "basket: not the valuer", "basket: not the manager"
NOT_FREE, TOO_MUCH = "basket: units are not free", "dealing: more than is claimable"


@dataclass
class Fund:
    """A basket of gold and silver whose units are the world's security: 100 units take 200 gold, 300 silver, and cost 10 each."""

    world: World
    basket: Contract
    money: Contract
    gold: Contract
    silver: Contract

    @property
    def participant(self) -> str:
        return self.world.person("participant")

    @property
    def valuer(self) -> str:
        return self.world.person("valuer")

    @property
    def manager(self) -> str:
        return self.world.person("manager")

    def token(self, name: str) -> Contract:
        token = self.world.chain.deploy("payment_token", sender=self.world.owner)
        token.fn("initialize", name, name[:4], 0, sender=self.world.owner)
        return token

    def purse(self, wallet: str, *tokens: Contract, amount: int = PLENTY) -> str:
        for token in tokens:
            token.fn("mint", wallet, amount, sender=self.world.owner)
            token.fn("approve", self.basket.address, 2**256 - 1, sender=wallet)
        return wallet

    def investor(self, name: str) -> str:
        return self.purse(self.world.register(name), self.money)

    def owner_sets(self, function: str, *arguments: Any) -> list[DecodedLog]:
        return self.basket.fn(function, *arguments, sender=self.world.owner).logs

    def create(self, creation_units: int = 1) -> list[DecodedLog]:
        return self.basket.fn("create_in_kind", creation_units, sender=self.participant).logs

    def redeem_in_kind(self, creation_units: int = 1) -> list[DecodedLog]:
        return self.basket.fn("redeem_in_kind", creation_units, sender=self.participant).logs

    def request(self, wallet: str, assets: int) -> list[DecodedLog]:
        return self.basket.fn("requestDeposit", assets, wallet, wallet, sender=wallet).logs

    def request_redemption(self, wallet: str, units: int) -> list[DecodedLog]:
        return self.basket.fn("requestRedeem", units, wallet, wallet, sender=wallet).logs

    def cut_off(self) -> None:
        self.basket.fn("cut_off", sender=self.valuer)
        self.world.chain.pass_time(60)

    def strike(self, gold: int = 2, silver: int = 2) -> list[DecodedLog]:
        marks = [gold * SCALE, silver * SCALE]
        return self.basket.fn("strike", self.world.chain.now, marks, sender=self.valuer).logs

    def cut_off_and_strike(self, gold: int = 2, silver: int = 2) -> list[DecodedLog]:
        self.cut_off()
        return self.strike(gold, silver)

    def pending(self, wallet: str) -> tuple[int, int]:
        return self.basket.view("pendingDepositRequest", 0, wallet), self.basket.view("pendingRedeemRequest", 0, wallet)

    def claimable(self, wallet: str) -> tuple[int, int, int, int]:
        deposits = self.basket.view("maxDeposit", wallet), self.basket.view("maxMint", wallet)
        redemptions = self.basket.view("maxRedeem", wallet), self.basket.view("maxWithdraw", wallet)
        return (*deposits, *redemptions)

    def held(self) -> tuple[int, int, int]:
        return (
            self.basket.view("holding", self.gold.address),
            self.basket.view("holding", self.silver.address),
            self.basket.view("cash"),
        )

    def spent(self, wallet: str, token: Contract) -> int:
        return PLENTY - token.view("balanceOf", wallet)


BOUNDS = (DAY, 10 * DAY, 100, 2_000)


def an_empty_basket(world: World) -> Contract:
    basket = world.chain.deploy("basket", sender=world.owner)
    basket.fn("initialize", sender=world.owner)
    world.token.fn("addAgent", basket.address, sender=world.owner)
    return basket


def a_fund(world: World, money: str | None = None) -> Fund:
    fund = Fund(world, an_empty_basket(world), world.token, world.token, world.token)
    fund.money, fund.gold, fund.silver = fund.token("Money"), fund.token("Gold"), fund.token("Silver")
    fund.owner_sets("set_fund", world.token.address, money or fund.money.address, 100, 10 * SCALE)
    fund.owner_sets("set_roles", fund.valuer, fund.manager)
    fund.owner_sets("set_bounds", BOUNDS)
    fund.owner_sets("add_constituent", fund.gold.address, 200)
    fund.owner_sets("add_constituent", fund.silver.address, 300)
    fund.owner_sets("addAgent", fund.participant)
    fund.purse(world.register("participant", until=2**40), fund.money, fund.gold, fund.silver)
    return fund


@pytest.fixture
def fund(world: World) -> Fund:
    return a_fund(world)


def named(logs: list[DecodedLog], events: str) -> list[DecodedLog]:
    return [log for log in logs if log.event in events.split()]


# Setting up


def test_the_caller_of_initialize_owns_the_basket_and_nobody_can_do_it_again(fund: Fund) -> None:
    assert fund.basket.view("owner") == fund.world.owner
    with refused("Initializable: contract is already initialized"):
        fund.basket.fn("initialize", sender=fund.manager)


def test_only_the_owner_sets_up(fund: Fund) -> None:
    person = fund.manager
    acts: list[tuple[str, tuple[Any, ...]]] = [
        ("set_fund", (person, person, 1, 1)),
        ("set_roles", (person, person)),
        ("set_fee", (person, 1)),
        ("set_bounds", (BOUNDS,)),
        ("set_counterparty", (person, YES)),
        ("add_constituent", (fund.money.address, 1)),
        ("remove_constituent", (fund.gold.address,)),
    ]
    for function, arguments in acts:
        with refused(NOT_OWNER):
            fund.basket.fn(function, *arguments, sender=person)


def test_settings_are_published(fund: Fund) -> None:
    world, receiver = fund.world, fund.world.person("receiver")
    view = fund.basket.view
    assert (view("share"), view("asset")) == (world.token.address, fund.money.address)
    assert (view("creation_unit"), view("initial_price_scaled")) == (100, 10 * SCALE)
    assert (view("valuer"), view("manager"), view("bounds")) == (fund.valuer, fund.manager, BOUNDS)
    assert fund.owner_sets("set_fee", receiver, 100) == [DecodedLog("FeeSet", {"fee_receiver": receiver, "fee_bps": 100})]
    assert (view("fee_receiver"), view("fee_bps")) == (receiver, 100)
    listed = {"counterparty": receiver, "is_listed": True}
    assert fund.owner_sets("set_counterparty", receiver, YES) == [DecodedLog("CounterpartySet", listed)]
    assert view("is_counterparty", receiver) is True
    assert fund.owner_sets("set_roles", receiver, receiver) == [DecodedLog("RolesSet", {"valuer": receiver, "manager": receiver})]
    assert [log.event for log in fund.owner_sets("set_bounds", BOUNDS)] == ["BoundsSet"]


def test_the_fund_is_set_once_and_with_sense(world: World) -> None:
    basket = an_empty_basket(world)
    unit, money = world.token.address, world.registry.address
    for arguments, reason in (
        ((world.person("x"), money, 1, 1), "basket: not two contracts"),
        ((unit, world.person("x"), 1, 1), "basket: not two contracts"),
        ((unit, unit, 1, 1), "basket: not two contracts"),
        ((unit, money, 0, 1), "basket: invalid creation unit"),
        ((unit, money, 2**96, 1), "basket: invalid creation unit"),
        ((unit, money, 1, 0), "basket: invalid initial price"),
        ((unit, money, 1, 2**128), "basket: invalid initial price"),
    ):
        with refused(reason):
            basket.fn("set_fund", *arguments, sender=world.owner)
    for function, second in (("add_constituent", 1), ("set_fee", 1)):
        with refused("basket: fund is not set"):
            basket.fn(function, world.registry.address, second, sender=world.owner)
    logs = basket.fn("set_fund", unit, money, 1, 1, sender=world.owner).logs
    assert logs == [DecodedLog("FundSet", {"unit": unit, "asset": money, "creation_unit": 1, "initial_price_scaled": 1})]
    with refused("basket: fund is already set"):
        basket.fn("set_fund", unit, money, 1, 1, sender=world.owner)


def test_bounds_and_fee_have_bounds_themselves(fund: Fund) -> None:
    for bounds, reason in (
        ((DAY, 10 * DAY, 10_000, 0), "basket: bound is above the whole"),
        ((DAY, 10 * DAY, 0, 10_001), "basket: bound is above the whole"),
        ((DAY, DAY - 1, 0, 0), "basket: patience out of range"),
        ((DAY, 90 * DAY + 1, 0, 0), "basket: patience out of range"),
    ):
        with refused(reason):
            fund.owner_sets("set_bounds", bounds)
    with refused("basket: fee is too high"):
        fund.owner_sets("set_fee", fund.manager, 1_001)
    with refused("basket: no fee receiver"):
        fund.owner_sets("set_fee", ZERO, 1)


def test_constituents_are_other_contracts_each_once_and_at_most_sixteen(fund: Fund) -> None:
    with refused("basket: constituent has no code"):
        fund.owner_sets("add_constituent", fund.manager, 1)
    for known in (fund.gold, fund.money, fund.world.token):
        with refused("basket: constituent is not new"):
            fund.owner_sets("add_constituent", known.address, 1)
    copper = fund.token("Copper").address
    with refused("basket: invalid quantity"):
        fund.owner_sets("add_constituent", copper, 2**96)
    added = {"constituent": copper, "initial_quantity": 7}
    assert fund.owner_sets("add_constituent", copper, 7) == [DecodedLog("ConstituentAdded", added)]
    assert (fund.basket.view("constituents", 2), fund.basket.view("initial_quantity", copper)) == (copper, 7)
    for each in range(13):
        fund.owner_sets("add_constituent", fund.token(f"Token {each}").address, 1)
    with refused("basket: too many constituents"):
        fund.owner_sets("add_constituent", fund.token("Last").address, 1)


def test_a_constituent_is_removed_when_nothing_of_it_is_held(fund: Fund) -> None:
    fund.create()
    with refused("basket: constituent still held"):
        fund.owner_sets("remove_constituent", fund.gold.address)
    fund.redeem_in_kind()
    removed = [DecodedLog("ConstituentRemoved", {"constituent": fund.gold.address})]
    assert fund.owner_sets("remove_constituent", fund.gold.address) == removed
    assert fund.basket.view("constituents", 0) == fund.silver.address
    with refused("basket: not a constituent"):
        fund.owner_sets("remove_constituent", fund.gold.address)
    fund.create()
    assert fund.spent(fund.participant, fund.gold) == 0
    fund.owner_sets("add_constituent", fund.gold.address, 1)


def test_the_interfaces_are_those_of_the_standards(fund: Fund) -> None:
    # ERC-165, ERC-173, ERC-7575's vault, and the three of ERC-7540.
    for interface in ("01ffc9a7", "7f5828d0", "2f0a18c5", "e3bc4e65", "ce3bbe50", "620ee8e4"):
        assert fund.basket.view("supportsInterface", bytes.fromhex(interface)) is True
    assert fund.basket.view("supportsInterface", b"\xff" * 4) is False


# In kind


def test_the_first_units_take_the_initial_quantities(fund: Fund) -> None:
    assert fund.basket.view("creation_basket", 2) == ((400, 600), 0)
    logs = fund.create(2)
    assert named(logs, "CreatedInKind") == [DecodedLog("CreatedInKind", {"participant": fund.participant, "units": 200, "cash": 0})]
    assert (fund.world.balance(fund.participant), fund.held()) == (200, (400, 600, 0))
    assert (fund.spent(fund.participant, fund.gold), fund.spent(fund.participant, fund.silver)) == (400, 600)
    assert fund.basket.view("outstanding") == 200


def test_further_units_take_their_part_rounded_up_and_redemption_brings_it_rounded_down(fund: Fund) -> None:
    fund.create(3)
    fund.gold.fn("mint", fund.basket.address, 1, sender=fund.world.owner)
    fund.money.fn("mint", fund.basket.address, 10, sender=fund.world.owner)
    for token in (fund.gold, fund.money):
        fund.basket.fn("book_surplus", token.address, sender=fund.manager)
    assert fund.held() == (601, 900, 10)
    assert fund.basket.view("creation_basket", 1) == ((201, 300), 4)
    fund.create()
    assert fund.held() == (802, 1_200, 14)
    assert fund.basket.view("redemption_basket", 1) == ((200, 300), 3)
    logs = fund.redeem_in_kind()
    assert named(logs, "RedeemedInKind") == [DecodedLog("RedeemedInKind", {"participant": fund.participant, "units": 100, "cash": 3})]
    assert (fund.held(), fund.world.balance(fund.participant)) == ((602, 900, 11), 300)
    assert fund.spent(fund.participant, fund.money) == 1


def test_more_units_than_there_are_can_be_created(fund: Fund) -> None:
    fund.create()
    fund.create(2)
    assert (fund.held(), fund.world.balance(fund.participant)) == ((600, 900, 0), 300)


def test_the_last_units_take_everything_along(fund: Fund) -> None:
    fund.create(3)
    fund.redeem_in_kind(3)
    assert (fund.held(), fund.basket.view("outstanding")) == ((0, 0, 0), 0)
    assert fund.spent(fund.participant, fund.gold) == 0


def test_only_participants_create_and_redeem_in_kind(fund: Fund) -> None:
    for function in ("create_in_kind", "redeem_in_kind"):
        with refused(NOT_AGENT):
            fund.basket.fn(function, 1, sender=fund.manager)


def test_creation_units_are_whole_and_there(fund: Fund) -> None:
    for creation_units in (0, 2**96):
        with refused("basket: invalid creation units"):
            fund.create(creation_units)
    fund.create()
    with refused("basket: more than is outstanding"):
        fund.redeem_in_kind(2)
    with refused("basket: more than is outstanding"):
        fund.basket.view("redemption_basket", 2)


def test_units_are_not_created_from_nothing(world: World) -> None:
    fund = a_fund(world)
    fund.owner_sets("remove_constituent", fund.gold.address)
    fund.owner_sets("remove_constituent", fund.silver.address)
    with refused("basket: nothing to create from"):
        fund.create()


def test_frozen_and_paused_units_are_not_redeemed(fund: Fund) -> None:
    fund.create(2)
    agent, participant = fund.world.agent, fund.participant
    fund.world.token.fn("freezePartialTokens", participant, 150, sender=agent)
    with refused(NOT_FREE):
        fund.redeem_in_kind()
    with refused(NOT_FREE):
        fund.request_redemption(participant, 51)
    fund.world.token.fn("unfreezePartialTokens", participant, 150, sender=agent)
    fund.world.token.fn("pause", sender=agent)
    with refused(NOT_FREE):
        fund.redeem_in_kind()
    with refused(NOT_FREE):
        fund.request_redemption(participant, 1)


def test_who_may_not_hold_units_any_more_may_still_give_them_back(fund: Fund) -> None:
    fund.create()
    fund.world.set_countries(ALLOW_LISTED, [FRANCE])
    fund.request_redemption(fund.participant, 10)
    fund.world.registry.fn("invalidate", fund.participant, sender=fund.world.agent)
    fund.request_redemption(fund.participant, 10)
    assert fund.pending(fund.participant) == (0, 20)


def test_a_constituent_that_refuses_a_participant_stops_that_redemption_alone(fund: Fund) -> None:
    world = fund.world
    terms = ("Regulated", "REG", 0, ZERO)
    arguments = (world.compliance.address, b"\3" * 32, terms, b"", [world.agent], YES)
    regulated = world.chain.at("security_token", world.factory.fn("deploy_security", *arguments, sender=world.owner).answer)
    world.registry.fn("register_investor", fund.basket.address, ZERO, GERMANY, 2**40, sender=world.agent)
    fund.owner_sets("add_constituent", regulated.address, 50)
    other = fund.purse(world.register("other participant"), fund.gold, fund.silver)
    fund.owner_sets("addAgent", other)
    for wallet in (fund.participant, other):
        regulated.fn("mint", wallet, 50, sender=world.agent)
        regulated.fn("approve", fund.basket.address, 50, sender=wallet)
        fund.basket.fn("create_in_kind", 1, sender=wallet)
    regulated.fn("setAddressFrozen", other, YES, sender=world.agent)
    with refused("money: payment refused"):
        fund.basket.fn("redeem_in_kind", 1, sender=other)
    assert world.balance(other) == 100
    fund.redeem_in_kind()
    assert regulated.view("balanceOf", fund.participant) == 50


def test_what_was_taken_from_the_basket_is_not_promised_to_anybody(fund: Fund) -> None:
    source = """
# pragma version 0.4.3
balanceOf: public(HashMap[address, uint256])

@external
def set_balance(holder: address, amount: uint256):
    self.balanceOf[holder] = amount

@external
def transferFrom(sender: address, receiver: address, amount: uint256):
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount

@external
def transfer(receiver: address, amount: uint256):
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[receiver] += amount
"""
    token = Plain(fund, source)
    fund.owner_sets("add_constituent", token.address, 60)
    token.call("set_balance", fund.participant, 1_000)
    fund.create(2)
    token.call("set_balance", fund.basket.address, 41)
    assert fund.basket.view("holding", token.address) == 41
    logs = fund.redeem_in_kind()
    assert named(logs, "LossBooked") == [DecodedLog("LossBooked", {"constituent": token.address, "quantity": 79})]
    assert token.balance(fund.basket.address) == 21
    token.call("set_balance", fund.basket.address, 2**128)
    with refused("basket: holding does not fit"):
        fund.basket.fn("book_surplus", token.address, sender=fund.manager)


class Plain:
    """A contract that only a test has, called by its functions' names."""

    def __init__(self, fund: Fund, source: str) -> None:
        self.chain = fund.world.chain
        self.owner = fund.world.owner
        self.address = self.chain.deploy_vyper(source, sender=self.owner)

    def call(self, function: str, *arguments: str | int) -> int:
        types = ",".join("address" if isinstance(each, str) else "uint256" for each in arguments)
        words = [bytes.fromhex(each[2:]).rjust(32, b"\0") if isinstance(each, str) else each.to_bytes(32, "big") for each in arguments]
        done = self.chain.send(self.address, keccak(f"{function}({types})".encode())[:4] + b"".join(words), sender=self.owner)
        return int.from_bytes(done.answer, "big")

    def balance(self, holder: str) -> int:
        return self.call("balanceOf", holder)


# For money


def test_a_deposit_waits_for_its_price_and_is_claimed_in_units(fund: Fund) -> None:
    ann = fund.investor("ann")
    logs = fund.request(ann, 1_234)
    expected = {"controller": ann, "owner": ann, "requestId": 0, "sender": ann, "assets": 1_234}
    assert named(logs, "DepositRequest") == [DecodedLog("DepositRequest", expected)]
    assert (fund.pending(ann), fund.claimable(ann), fund.held()) == ((1_234, 0), (0, 0, 0, 0), (0, 0, 0))
    assert fund.basket.view("cash_of_requests") == 1_234
    with refused(TOO_MUCH):
        fund.basket.fn("deposit", 1, ann, ann, sender=ann)
    logs = fund.cut_off_and_strike()
    # Nothing is outstanding: the initial price of 10 counts, and 123.4 units are rounded down.
    struck = {"net_asset_value": 0, "units": 0, "deposited": 1_234, "created": 123, "redeemed": 0, "paid": 0}
    assert named(logs, "Struck") == [DecodedLog("Struck", {"valued_at": fund.world.chain.now} | struck)]
    assert (fund.pending(ann), fund.claimable(ann), fund.held()) == ((0, 0), (1_234, 123, 0, 0), (0, 0, 1_234))
    assert (fund.basket.view("outstanding"), fund.basket.view("owed_units")) == (123, 123)
    assert fund.basket.view("claimableDepositRequest", 0, ann) == 1_234
    done = fund.basket.fn("deposit", 1_234, ann, sender=ann)
    assert done.answer == 123
    claimed = {"sender": ann, "owner": ann, "assets": 1_234, "shares": 123}
    assert named(done.logs, "Deposit") == [DecodedLog("Deposit", claimed)]
    assert (fund.world.balance(ann), fund.basket.view("owed_units")) == (123, 0)
    with refused(TOO_MUCH):
        fund.basket.fn("deposit", 1, ann, ann, sender=ann)


def test_a_redemption_waits_for_its_price_and_is_claimed_in_money(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.request(ann, 2_000)
    fund.create(2)
    fund.cut_off_and_strike()
    fund.basket.fn("mint", 200, ann, ann, sender=ann)
    logs = fund.request_redemption(ann, 100)
    expected = {"controller": ann, "owner": ann, "requestId": 0, "sender": ann, "shares": 100}
    assert named(logs, "RedeemRequest") == [DecodedLog("RedeemRequest", expected)]
    assert (fund.world.balance(ann), fund.pending(ann)) == (100, (0, 100))
    # 400 gold at 5, 600 silver at 2 and 2000 of money, over 400 units: 13 each.
    logs = fund.cut_off_and_strike(gold=5)
    assert named(logs, "Struck")[0].values["paid"] == 1_300
    assert (fund.claimable(ann), fund.held()[2], fund.basket.view("cash_of_requests")) == ((0, 0, 100, 1_300), 700, 1_300)
    assert fund.basket.view("claimableRedeemRequest", 0, ann) == 100
    done = fund.basket.fn("redeem", 40, ann, ann, sender=ann)
    assert done.answer == 520
    paid = {"sender": ann, "receiver": ann, "owner": ann, "assets": 520, "shares": 40}
    assert named(done.logs, "Withdraw") == [DecodedLog("Withdraw", paid)]
    assert fund.basket.fn("withdraw", 780, ann, ann, sender=ann).answer == 60
    assert (fund.spent(ann, fund.money), fund.basket.view("cash_of_requests")) == (700, 0)
    for function in ("redeem", "withdraw"):
        with refused(TOO_MUCH):
            fund.basket.fn(function, 1, ann, ann, sender=ann)


def test_requests_of_another_id_do_not_exist(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.create()
    fund.request(ann, 1_000)
    fund.cut_off_and_strike()
    fund.basket.fn("mint", 50, ann, ann, sender=ann)
    fund.request(ann, 1_000)
    fund.request_redemption(ann, 10)
    for function in ("pendingDepositRequest", "claimableDepositRequest", "pendingRedeemRequest", "claimableRedeemRequest"):
        assert fund.basket.view(function, 1, ann) == 0


def test_the_price_comes_from_marks_after_the_cut_off(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.request(ann, 1_000)
    now, valuer = fund.world.chain.now, fund.valuer
    fund.basket.fn("cut_off", sender=valuer)
    with refused("basket: valued before cut-off"):
        fund.basket.fn("strike", now, [SCALE, SCALE], sender=valuer)
    fund.request(ann, 500)
    fund.world.chain.pass_time(60)
    fund.strike()
    assert (fund.claimable(ann)[0], fund.pending(ann)) == (1_000, (500, 0))
    fund.cut_off()
    fund.strike()
    assert (fund.claimable(ann)[0], fund.pending(ann)) == (1_500, (0, 0))


def test_a_redemption_too_is_priced_after_its_cut_off(fund: Fund) -> None:
    fund.create()
    fund.request_redemption(fund.participant, 10)
    now = fund.world.chain.now
    fund.basket.fn("cut_off", sender=fund.valuer)
    with refused("basket: valued before cut-off"):
        fund.basket.fn("strike", now, [SCALE, SCALE], sender=fund.valuer)


def test_only_the_valuer_cuts_off_and_strikes_with_marks_that_are_new_and_fresh(fund: Fund) -> None:
    now, valuer = fund.world.chain.now, fund.valuer
    with refused(NOT_VALUER):
        fund.basket.fn("cut_off", sender=fund.world.owner)
    with refused(NOT_VALUER):
        fund.basket.fn("strike", now, [1, 1], sender=fund.world.owner)
    with refused("basket: nothing to cut off"):
        fund.basket.fn("cut_off", sender=valuer)
    for valued_at, marks, reason in (
        (now + 1, [1, 1], "basket: valued in the future"),
        (now - DAY - 1, [1, 1], "basket: valuation is stale"),
        (now, [1], "basket: marks differ in number"),
        (now, [1, 2**128], "basket: mark is out of range"),
    ):
        with refused(reason):
            fund.basket.fn("strike", valued_at, marks, sender=valuer)
    fund.basket.fn("strike", now, [1, 1], sender=valuer)
    with refused("basket: valuation is not newer"):
        fund.basket.fn("strike", now, [1, 1], sender=valuer)


def test_a_value_that_does_not_fit_is_refused(fund: Fund) -> None:
    fund.create()
    mark = AMOUNT_MAX // 500 * SCALE
    assert mark > AMOUNT_MAX
    fund.gold.fn("mint", fund.participant, 2**100, sender=fund.world.owner)
    fund.gold.fn("mint", fund.basket.address, 2**100, sender=fund.world.owner)
    fund.basket.fn("book_surplus", fund.gold.address, sender=fund.manager)
    with refused("basket: value does not fit"):
        fund.basket.fn("strike", fund.world.chain.now, [AMOUNT_MAX, 0], sender=fund.valuer)


def test_one_round_waits_at_a_time_and_an_emptied_one_does_not_block_the_next(fund: Fund) -> None:
    ann, bob = fund.investor("ann"), fund.investor("bob")
    fund.request(ann, 1_000)
    fund.cut_off()
    fund.request(bob, 500)
    with refused("basket: nothing to cut off"):
        fund.cut_off()
    fund.world.chain.pass_time(10 * DAY)
    fund.basket.fn("take_back_deposit", ann, sender=ann)
    fund.cut_off_and_strike()
    assert fund.claimable(bob)[:2] == (500, 50)


def test_all_requests_of_a_round_have_the_same_price_and_the_parts_add_up(fund: Fund) -> None:
    wallets = [fund.investor(name) for name in ("ann", "bob", "cem")]
    fund.create()
    for wallet, assets in zip(wallets, (1_000, 333, 334), strict=True):
        fund.request(wallet, assets)
    # 200 gold at 3 and 300 silver at 2 over 100 units: 12 each; 1667 money buys 138 units.
    fund.cut_off_and_strike(gold=3)
    assert fund.basket.view("owed_units") == 138
    claimed = [fund.basket.fn("deposit", fund.claimable(wallet)[0], wallet, wallet, sender=wallet).answer for wallet in wallets]
    assert claimed == [82, 27, 29]
    assert fund.basket.view("owed_units") == 0


@settings(max_examples=6, deadline=None)
@given(
    assets=st.lists(st.integers(1, 5_000), min_size=1, max_size=4),
    gold=st.integers(0, 20),
    pieces=st.lists(st.integers(1, 3_000), max_size=4),
    by_units=st.booleans(),
)
def test_nobody_loses_or_gains_by_claiming_in_pieces(
    shared_world: World, assets: list[int], gold: int, pieces: list[int], *, by_units: bool
) -> None:
    with shared_world.chain.undone():
        fund = a_fund(shared_world)
        fund.create()
        wallets = [fund.investor(f"investor {place}") for place in range(len(assets))]
        for wallet, amount in zip(wallets, assets, strict=True):
            fund.request(wallet, amount)
        fund.cut_off_and_strike(gold=gold)
        created = fund.basket.view("owed_units")
        value, units = 200 * gold + 600, 100
        assert created == sum(assets) * units // value
        for wallet in wallets:
            for piece in pieces:
                function, limit = ("mint", "maxMint") if by_units else ("deposit", "maxDeposit")
                with contextlib.suppress(Reverted):
                    fund.basket.fn(function, min(piece, fund.basket.view(limit, wallet)), wallet, wallet, sender=wallet)
            deposits, units_left, *_ = fund.claimable(wallet)
            if deposits:
                fund.basket.fn("deposit", deposits, wallet, wallet, sender=wallet)
            elif units_left:
                fund.basket.fn("mint", units_left, wallet, wallet, sender=wallet)
        assert fund.basket.view("owed_units") == 0
        assert sum(fund.world.balance(wallet) for wallet in wallets) == created
        for wallet, amount in zip(wallets, assets, strict=True):
            # Each part is rounded down; what that leaves goes to whoever comes later.
            assert -2 <= fund.world.balance(wallet) - amount * units // value <= len(assets)


def test_redemptions_that_the_cash_does_not_cover_wait_and_stop_no_deposit(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.create(2)
    fund.request_redemption(fund.participant, 100)
    fund.request(ann, 999)
    logs = fund.cut_off_and_strike()
    assert named(logs, "Struck")[0].values["redeemed"] == 0
    assert (fund.claimable(ann)[:2], fund.pending(fund.participant)) == ((999, 99), (0, 100))
    fund.request(ann, 20)
    fund.cut_off_and_strike()
    # The deposit of 999 has made each unit worth a little more: 2999 over 299 units.
    assert fund.claimable(fund.participant)[2:] == (100, 1_003)
    assert fund.held()[2] == 16


def test_a_deposit_below_the_price_of_a_unit_is_the_funds_and_does_not_block_the_next(fund: Fund) -> None:
    ann, bob = fund.investor("ann"), fund.investor("bob")
    fund.create()
    fund.request(ann, 9)
    fund.cut_off_and_strike()
    assert fund.claimable(ann)[:2] == (9, 0)
    fund.request(bob, 1_009)
    fund.cut_off_and_strike()
    assert fund.claimable(bob)[:2] == (1_009, 100)
    fund.basket.fn("deposit", 9, ann, ann, sender=ann)
    assert fund.world.balance(ann) == 0


def test_deposits_wait_while_units_are_worth_nothing(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.create()
    fund.request(ann, 1_000)
    fund.request_redemption(fund.participant, 10)
    fund.cut_off_and_strike(gold=0, silver=0)
    assert (fund.pending(ann), fund.claimable(fund.participant)[2:]) == ((1_000, 0), (10, 0))
    assert fund.basket.view("convertToShares", 1_000) == 0
    fund.basket.fn("redeem", 10, fund.participant, fund.participant, sender=fund.participant)
    fund.world.chain.pass_time(1)
    fund.strike()
    assert fund.claimable(ann)[:2] == (1_000, 90)


def test_deposits_whose_units_would_not_fit_wait(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.money.fn("mint", ann, 2**100, sender=fund.world.owner)
    fund.create()
    fund.gold.fn("mint", fund.participant, 1, sender=fund.world.owner)
    fund.request(ann, 2**100)
    fund.cut_off()
    fund.basket.fn("strike", fund.world.chain.now, [SCALE // 200, 0], sender=fund.valuer)
    assert fund.pending(ann) == (2**100, 0)


def test_prices_are_told_from_the_last_strike_and_never_beforehand(fund: Fund) -> None:
    view = fund.basket.view
    assert (view("totalAssets"), view("convertToShares", 105), view("convertToAssets", 11)) == (0, 10, 110)
    fund.create()
    fund.strike(gold=3)
    assert (view("totalAssets"), view("convertToShares", 25), view("convertToAssets", 3)) == (1_200, 2, 36)
    for function in ("previewDeposit", "previewMint", "previewRedeem", "previewWithdraw"):
        with refused("basket: priced after the request"):
            view(function, 1)


def test_a_request_is_the_owners_or_its_operators(fund: Fund) -> None:
    ann, bob = fund.investor("ann"), fund.investor("bob")
    fund.create()
    with refused(NOT_OPERATOR):
        fund.basket.fn("requestDeposit", 100, bob, ann, sender=bob)
    with refused(NOT_OPERATOR):
        fund.basket.fn("requestRedeem", 10, bob, fund.participant, sender=bob)
    approved = {"controller": ann, "operator": bob, "approved": True}
    done = fund.basket.fn("setOperator", bob, YES, sender=ann)
    assert (done.answer, done.logs) == (True, [DecodedLog("OperatorSet", approved)])
    assert fund.basket.view("isOperator", ann, bob) is True
    fund.basket.fn("requestDeposit", 100, ann, ann, sender=bob)
    assert fund.pending(ann) == (100, 0)
    fund.basket.fn("setOperator", bob, NO, sender=ann)
    with refused(NOT_OPERATOR):
        fund.basket.fn("requestDeposit", 100, ann, ann, sender=bob)


def test_only_the_controller_or_its_operator_claims_or_takes_back(fund: Fund) -> None:
    ann, bob = fund.investor("ann"), fund.investor("bob")
    fund.request(ann, 100)
    fund.cut_off_and_strike()
    fund.request(ann, 100)
    for function in ("deposit", "mint", "redeem", "withdraw"):
        with refused(NOT_OPERATOR):
            fund.basket.fn(function, 1, bob, ann, sender=bob)
    for function in ("take_back_deposit", "take_back_redemption", "redeem_unclaimed"):
        with refused(NOT_OPERATOR):
            fund.basket.fn(function, ann, sender=bob)
    fund.basket.fn("setOperator", bob, YES, sender=ann)
    assert fund.basket.fn("deposit", 100, bob, ann, sender=bob).answer == 10
    assert fund.world.balance(bob) == 10


def test_whoever_gives_money_for_a_controller_gives_it_away(fund: Fund) -> None:
    ann, bob = fund.investor("ann"), fund.investor("bob")
    fund.basket.fn("requestDeposit", 100, bob, ann, sender=ann)
    assert (fund.pending(ann), fund.pending(bob)) == ((0, 0), (100, 0))


def test_a_controller_must_be_eligible_to_ask_for_units(fund: Fund) -> None:
    ann, stranger = fund.investor("ann"), fund.world.person("stranger")
    with refused("basket: controller not eligible"):
        fund.basket.fn("requestDeposit", 100, stranger, ann, sender=ann)
    fund.create()
    with refused("basket: no controller"):
        fund.basket.fn("requestRedeem", 10, ZERO, fund.participant, sender=fund.participant)


def test_requests_of_nothing_are_refused(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.create()
    with refused("dealing: amount is zero"):
        fund.request(ann, 0)
    with refused("dealing: amount is zero"):
        fund.request_redemption(fund.participant, 0)


def test_claims_of_nothing_are_refused(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.request(ann, 1_000)
    fund.cut_off_and_strike()
    for function in ("deposit", "mint"):
        with refused(TOO_MUCH):
            fund.basket.fn(function, 0, ann, ann, sender=ann)
    fund.basket.fn("mint", 100, ann, ann, sender=ann)
    fund.request_redemption(ann, 50)
    fund.cut_off_and_strike()
    for function in ("redeem", "withdraw"):
        with refused(TOO_MUCH):
            fund.basket.fn(function, 0, ann, ann, sender=ann)


def test_amounts_that_do_not_fit_are_refused(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.money.fn("mint", ann, 2**130, sender=fund.world.owner)
    fund.request(ann, 2**127)
    with refused("dealing: amount does not fit"):
        fund.request(ann, 2**127)


def test_a_claim_that_does_not_fit_another_waits_for_it(world: World) -> None:
    fund = Fund(world, an_empty_basket(world), world.token, world.token, world.token)
    fund.money = fund.token("Money")
    fund.owner_sets("set_fund", world.token.address, fund.money.address, 100, AMOUNT_MAX)
    fund.owner_sets("set_roles", fund.valuer, fund.manager)
    ann = fund.purse(world.register("ann"), fund.money, amount=2**131)

    for _ in range(2):
        fund.request(ann, 2**127)
        fund.cut_off()
        fund.basket.fn("strike", world.chain.now, [], sender=fund.valuer)
    assert fund.claimable(ann)[0] == 2**128
    fund.request(ann, 1)
    fund.cut_off()
    with refused("dealing: claim what is due first"):
        fund.request(ann, 1)
    with refused(TOO_MUCH):
        fund.basket.fn("deposit", 2**127 + 1, ann, ann, sender=ann)
    fund.world.chain.pass_time(30 * DAY)
    assert fund.basket.fn("take_back_deposit", ann, sender=ann).answer == 1
    for _ in range(2):
        fund.basket.fn("deposit", 2**127, ann, ann, sender=ann)
    assert (fund.claimable(ann), fund.basket.view("owed_units")) == ((0, 0, 0, 0), 0)


def test_before_the_cut_off_a_request_can_be_taken_back(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.create()
    fund.request(ann, 100)
    done = fund.basket.fn("take_back_deposit", ann, sender=ann)
    assert named(done.logs, "DepositTakenBack") == [DecodedLog("DepositTakenBack", {"controller": ann, "assets": 100})]
    assert (done.answer, fund.spent(ann, fund.money), fund.basket.view("cash_of_requests")) == (100, 0, 0)
    participant = fund.participant
    fund.request_redemption(participant, 30)
    done = fund.basket.fn("take_back_redemption", participant, sender=participant)
    assert named(done.logs, "RedemptionTakenBack") == [DecodedLog("RedemptionTakenBack", {"controller": participant, "units": 30})]
    assert (done.answer, fund.world.balance(participant), fund.basket.view("owed_units")) == (30, 100, 0)
    for function, wallet in (("take_back_deposit", ann), ("take_back_redemption", participant)):
        with refused("dealing: nothing to take back"):
            fund.basket.fn(function, wallet, sender=wallet)


def test_after_the_cut_off_a_request_is_bound_until_patience_is_over(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.request(ann, 100)
    fund.basket.fn("cut_off", sender=fund.valuer)
    fund.world.chain.pass_time(10 * DAY - 1)
    with refused("dealing: nothing to take back"):
        fund.basket.fn("take_back_deposit", ann, sender=ann)
    fund.request(ann, 11)
    fund.world.chain.pass_time(1)
    assert fund.basket.fn("take_back_deposit", ann, sender=ann).answer == 111


def test_what_is_priced_is_not_taken_back(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.request(ann, 100)
    fund.cut_off_and_strike()
    fund.world.chain.pass_time(100 * DAY)
    with refused("dealing: nothing to take back"):
        fund.basket.fn("take_back_deposit", ann, sender=ann)


def test_without_bounds_set_a_request_is_bound_for_thirty_days(world: World) -> None:
    assert an_empty_basket(world).view("bounds") == (0, 30 * DAY, 0, 0)


def test_who_cannot_receive_units_claims_for_another_or_gives_them_for_redemption(fund: Fund) -> None:
    ann, bob = fund.investor("ann"), fund.investor("bob")
    fund.request(ann, 1_000)
    fund.cut_off_and_strike()
    fund.world.registry.fn("invalidate", ann, sender=fund.world.agent)
    with refused("Identity is not verified."):
        fund.basket.fn("deposit", 500, ann, ann, sender=ann)
    fund.basket.fn("deposit", 500, bob, ann, sender=ann)
    done = fund.basket.fn("redeem_unclaimed", ann, sender=ann)
    assert done.answer == 50
    expected = {"controller": ann, "owner": ann, "requestId": 0, "sender": ann, "shares": 50}
    assert named(done.logs, "RedeemRequest") == [DecodedLog("RedeemRequest", expected)]
    with refused(TOO_MUCH):
        fund.basket.fn("redeem_unclaimed", ann, sender=ann)
    fund.cut_off_and_strike()
    assert fund.basket.fn("redeem", 50, ann, ann, sender=ann).answer == 500
    assert fund.spent(ann, fund.money) == 500


# The fee


def test_the_fee_grows_with_time_in_units_and_is_rounded_against_its_receiver(fund: Fund) -> None:
    receiver = fund.world.register("receiver", until=2**40)
    fund.create(10)
    fund.owner_sets("set_fee", receiver, 100)
    fund.world.chain.pass_time(YEAR - 1)
    done = fund.basket.fn("collect_fee", sender=receiver)
    assert (done.answer, fund.world.balance(receiver)) == (9, 9)
    assert named(done.logs, "FeeAccrued FeeCollected") == [
        DecodedLog("FeeAccrued", {"units": 9}),
        DecodedLog("FeeCollected", {"fee_receiver": receiver, "units": 9}),
    ]
    with refused("basket: no fee to collect"):
        fund.basket.fn("collect_fee", sender=receiver)
    fund.world.chain.pass_time(1)
    assert fund.basket.fn("collect_fee", sender=receiver).answer == 1


@settings(max_examples=5, deadline=None)
@given(steps=st.lists(st.integers(1, YEAR // 3), min_size=1, max_size=6), fee_bps=st.integers(1, 1_000))
def test_accruing_often_earns_what_accruing_once_earns(shared_world: World, steps: list[int], fee_bps: int) -> None:
    with shared_world.chain.undone():
        fund = a_fund(shared_world)
        fund.create(10)
        fund.owner_sets("set_fee", fund.manager, fee_bps)
        earned, remainder = 0, 0
        for seconds in steps:
            fund.world.chain.pass_time(seconds)
            fund.owner_sets("set_fee", fund.manager, fee_bps)
            units, remainder = divmod((1_000 + earned) * fee_bps * seconds + remainder, 10_000 * YEAR)
            earned += units
        assert fund.basket.view("fee_units") == earned
        assert fund.basket.view("outstanding") == 1_000 + earned


def test_a_fee_counts_from_when_it_is_set(fund: Fund) -> None:
    receiver = fund.world.register("receiver", until=2**40)
    fund.create(10)
    fund.world.chain.pass_time(YEAR)
    fund.owner_sets("set_fee", receiver, 100)
    with refused("basket: no fee to collect"):
        fund.basket.fn("collect_fee", sender=receiver)
    fund.world.chain.pass_time(YEAR)
    fund.owner_sets("set_fee", receiver, 0)
    fund.world.chain.pass_time(YEAR)
    assert fund.basket.fn("collect_fee", sender=receiver).answer == 10


def test_a_fee_receiver_who_may_not_hold_units_stops_nobody(fund: Fund) -> None:
    fund.create(10)
    fund.owner_sets("set_fee", fund.world.person("stranger"), 100)
    fund.world.chain.pass_time(YEAR)
    with refused("Identity is not verified."):
        fund.basket.fn("collect_fee", sender=fund.participant)
    fund.create()
    fund.redeem_in_kind()
    assert fund.basket.view("fee_units") == 10


def test_the_fee_takes_its_part_of_what_is_redeemed_in_kind(fund: Fund) -> None:
    fund.create(10)
    fund.owner_sets("set_fee", fund.manager, 1_000)
    fund.world.chain.pass_time(YEAR)
    fund.redeem_in_kind()
    # A tenth more units are outstanding, so a creation unit is 2000 * 100 // 1100 of gold.
    assert fund.held()[:2] == (2_000 - 181, 3_000 - 272)


# Exchanges


def proposal(fund: Fund, **changes: Any) -> tuple[Any, ...]:
    exchange = {
        "counterparty": fund.world.person("counterparty"),
        "given": fund.gold.address,
        "given_quantity": 100,
        "taken": fund.silver.address,
        "taken_quantity": 100,
        "expires_at": fund.world.chain.now + DAY,
        "salt": 0,
    }
    return tuple((exchange | changes).values())


@pytest.fixture
def managed(fund: Fund) -> Fund:
    """A fund of 1000 units worth 10 each, just valued, and a listed counterparty."""
    fund.create(10)
    fund.purse(fund.world.person("counterparty"), fund.money, fund.gold, fund.silver)
    fund.owner_sets("set_counterparty", fund.world.person("counterparty"), YES)
    fund.strike()
    return fund


def exchange(fund: Fund, terms: tuple[Any, ...]) -> list[DecodedLog]:
    fund.basket.fn("propose_exchange", terms, sender=fund.manager)
    return fund.basket.fn("accept_exchange", terms, sender=terms[0]).logs


def test_an_exchange_moves_both_ways_at_once_as_both_agreed(managed: Fund) -> None:
    terms = proposal(managed)
    done = managed.basket.fn("propose_exchange", terms, sender=managed.manager)
    assert named(done.logs, "ExchangeProposed")[0].values["exchange_id"] == done.answer
    assert managed.basket.view("is_proposed", done.answer) is True
    logs = managed.basket.fn("accept_exchange", terms, sender=terms[0]).logs
    exchanged = {"exchange_id": done.answer, "value_given": 200, "value_taken": 200}
    assert named(logs, "Exchanged") == [DecodedLog("Exchanged", exchanged)]
    assert managed.held() == (1_900, 3_100, 0)
    assert (managed.spent(terms[0], managed.silver), managed.spent(terms[0], managed.gold)) == (100, -100)
    with refused("basket: exchange is not proposed"):
        managed.basket.fn("accept_exchange", terms, sender=terms[0])


def test_money_is_exchanged_like_a_constituent(managed: Fund) -> None:
    exchange(managed, proposal(managed, taken=managed.money.address, taken_quantity=200))
    assert managed.held() == (1_900, 3_000, 200)
    exchange(managed, proposal(managed, given=managed.money.address, taken=managed.gold.address, taken_quantity=50))
    assert managed.held() == (1_950, 3_000, 100)
    with refused("basket: more than is held"):
        exchange(managed, proposal(managed, given=managed.money.address, given_quantity=101, taken_quantity=51))


def test_money_of_requests_is_not_exchanged(managed: Fund) -> None:
    managed.request(managed.investor("ann"), 500)
    with refused("basket: more than is held"):
        exchange(managed, proposal(managed, given=managed.money.address, given_quantity=1, taken_quantity=1))


def test_an_exchange_needs_manager_and_counterparty_and_the_owners_list(managed: Fund) -> None:
    terms = proposal(managed)
    with refused(NOT_MANAGER):
        managed.basket.fn("propose_exchange", terms, sender=managed.world.owner)
    with refused("basket: exchange is not proposed"):
        managed.basket.fn("accept_exchange", terms, sender=terms[0])
    managed.basket.fn("propose_exchange", terms, sender=managed.manager)
    with refused("basket: not the counterparty"):
        managed.basket.fn("accept_exchange", terms, sender=managed.participant)
    managed.owner_sets("set_counterparty", terms[0], NO)
    with refused("basket: counterparty not listed"):
        managed.basket.fn("accept_exchange", terms, sender=terms[0])


def test_the_manager_takes_a_proposal_back(managed: Fund) -> None:
    terms = proposal(managed)
    exchange_id = managed.basket.fn("propose_exchange", terms, sender=managed.manager).answer
    with refused(NOT_MANAGER):
        managed.basket.fn("withdraw_exchange", exchange_id, sender=managed.world.owner)
    done = managed.basket.fn("withdraw_exchange", exchange_id, sender=managed.manager)
    assert done.logs == [DecodedLog("ExchangeWithdrawn", {"exchange_id": exchange_id})]
    with refused("basket: exchange is not proposed"):
        managed.basket.fn("withdraw_exchange", exchange_id, sender=managed.manager)
    with refused("basket: exchange is not proposed"):
        managed.basket.fn("accept_exchange", terms, sender=terms[0])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"taken_quantity": 98}, "basket: brings too little"),
        ({"given_quantity": 1_001, "taken_quantity": 1_001}, "basket: turns over too much"),
        ({"given_quantity": 2_001, "taken_quantity": 2_001}, "basket: more than is held"),
        ({"expires_at": 0}, "basket: exchange has expired"),
        ({"given": ZERO}, "basket: not a constituent"),
        ({"taken": ZERO}, "basket: not a constituent"),
    ],
)
def test_an_exchange_outside_the_bounds_is_refused(managed: Fund, changes: dict[str, Any], reason: str) -> None:
    with refused(reason):
        exchange(managed, proposal(managed, **changes))


def test_slippage_and_turnover_are_allowed_up_to_their_bounds(managed: Fund) -> None:
    exchange(managed, proposal(managed, taken_quantity=99))
    exchange(managed, proposal(managed, given_quantity=900, taken_quantity=900))
    with refused("basket: turns over too much"):
        exchange(managed, proposal(managed, given_quantity=1, taken_quantity=1))
    managed.world.chain.pass_time(1)
    managed.strike()
    exchange(managed, proposal(managed, given_quantity=1, taken_quantity=1))


def test_an_exchange_needs_a_fresh_valuation_that_knows_what_is_given(managed: Fund) -> None:
    copper = managed.token("Copper")
    managed.owner_sets("add_constituent", copper.address, 0)
    copper.fn("mint", managed.basket.address, 10, sender=managed.world.owner)
    managed.basket.fn("book_surplus", copper.address, sender=managed.manager)
    with refused("basket: given has no mark"):
        exchange(managed, proposal(managed, given=copper.address, given_quantity=10))
    managed.world.chain.pass_time(DAY + 1)
    with refused("basket: valuation is stale"):
        exchange(managed, proposal(managed))


def test_a_mark_does_not_outlive_its_constituent(managed: Fund) -> None:
    managed.redeem_in_kind(10)
    managed.owner_sets("remove_constituent", managed.gold.address)
    managed.owner_sets("add_constituent", managed.gold.address, 1)
    managed.gold.fn("mint", managed.basket.address, 100, sender=managed.world.owner)
    managed.basket.fn("book_surplus", managed.gold.address, sender=managed.manager)
    with refused("basket: given has no mark"):
        exchange(managed, proposal(managed))


# Gifts


def test_gifts_count_when_the_manager_books_them(fund: Fund) -> None:
    fund.create()
    for token, position in ((fund.gold, 0), (fund.money, 2)):
        token.fn("mint", fund.basket.address, 7, sender=fund.world.owner)
        before = fund.held()[position]
        with refused(NOT_MANAGER):
            fund.basket.fn("book_surplus", token.address, sender=fund.world.owner)
        done = fund.basket.fn("book_surplus", token.address, sender=fund.manager)
        assert named(done.logs, "SurplusBooked") == [DecodedLog("SurplusBooked", {"token": token.address, "quantity": 7})]
        assert (done.answer, fund.held()[position]) == (7, before + 7)
        with refused("basket: nothing arrived"):
            fund.basket.fn("book_surplus", token.address, sender=fund.manager)
    with refused("basket: not a constituent"):
        fund.basket.fn("book_surplus", fund.world.token.address, sender=fund.manager)


def test_a_gift_moves_no_price(fund: Fund) -> None:
    ann = fund.investor("ann")
    fund.create()
    fund.request(ann, 1_000)
    for token in (fund.gold, fund.silver, fund.money):
        token.fn("mint", fund.basket.address, 10**6, sender=fund.world.owner)
    fund.cut_off_and_strike()
    assert fund.claimable(ann)[:2] == (1_000, 100)


# Money that is up to something


def money_that(*, takes: str = "", pays: str = "", more: str = "") -> str:
    moves = "    self._move({}, receiver, amount)\n    return True"
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
{takes or moves.format("sender")}

@external
def transfer(receiver: address, amount: uint256) -> bool:
{pays or moves.format("msg.sender")}
"""


REFUSED, NOT_ARRIVED, NOT_LEFT = "money: payment refused", "money: not the amount arrived", "money: not the amount left"
MOVES = "    self._move(msg.sender, receiver, amount)\n"


def hostile(world: World, source: str) -> tuple[Fund, Plain, str]:
    """A fund in this money, and ann, who has some."""
    fund = a_fund(world)
    money = Plain(fund, source)
    fund = a_fund_in(world, money.address)
    ann = world.register("ann")
    money.call("set_balance", ann, 1_000)
    return fund, money, ann


def a_fund_in(world: World, money: str) -> Fund:
    fund = Fund(world, an_empty_basket(world), world.token, world.token, world.token)
    fund.owner_sets("set_fund", world.token.address, money, 100, 10 * SCALE)
    fund.owner_sets("set_roles", fund.valuer, fund.manager)
    fund.owner_sets("set_bounds", BOUNDS)
    return fund


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
def test_money_that_does_not_bring_the_exact_amount_is_refused(world: World, takes: str, reason: str) -> None:
    fund, _, ann = hostile(world, money_that(takes=takes))
    with refused(reason):
        fund.request(ann, 500)


@pytest.mark.parametrize(
    ("pays", "reason"),
    [
        ("    return False", REFUSED),
        (MOVES + "    return False", REFUSED),
        ('    raise "no"', REFUSED),
        ("    raise", REFUSED),
        ("    return True", NOT_LEFT),
        ("    self._move(msg.sender, receiver, amount - 1)\n    return True", NOT_LEFT),
        (MOVES + "    self.balanceOf[msg.sender] -= 1\n    return True", NOT_LEFT),
    ],
)
def test_money_that_does_not_leave_exactly_stays_the_controllers(world: World, pays: str, reason: str) -> None:
    fund, money, ann = hostile(world, money_that(pays=pays))
    fund.request(ann, 500)
    money.call("set_balance", fund.basket.address, 700)
    with refused(reason):
        fund.basket.fn("take_back_deposit", ann, sender=ann)
    assert fund.pending(ann) == (500, 0)


def test_money_that_calls_back_is_not_let_in(world: World) -> None:
    fund, _, ann = hostile(world, money_that())
    call = fund.basket.artifact.encode_call("take_back_deposit", ann).hex()
    back = f"""    if self.target != empty(address):
        success: bool = raw_call(self.target, x"{call}", revert_on_failure=False)
        assert not success, "let in"
"""
    aim = "@external\ndef aim(target: address):\n    self.target = target\n"
    fund, money, ann = hostile_again(world, money_that(pays=back + MOVES + "    return True", more=aim))
    fund.request(ann, 500)
    # The money itself may act for ann, so that nothing but the lock stands against it.
    fund.basket.fn("setOperator", money.address, YES, sender=ann)
    money.call("set_balance", fund.basket.address, 1_000)
    money.call("aim", fund.basket.address)
    fund.basket.fn("take_back_deposit", ann, sender=ann)
    assert money.balance(ann) == 1_000


def hostile_again(world: World, source: str) -> tuple[Fund, Plain, str]:
    fund = a_fund_in(world, world.registry.address)
    money = Plain(fund, source)
    ann = world.person("ann")
    money.call("set_balance", ann, 1_000)
    return a_fund_in(world, money.address), money, ann


# In any order of acts

NAMES = ("ann", "bob", "cem")
names = st.sampled_from(NAMES)


class FundInAnyOrder(RuleBasedStateMachine):
    """Acts at random; what is here must always cover what is owed, and no act of one takes from the others."""

    world: World  # Set by the test, which owns the chain.

    def __init__(self) -> None:
        super().__init__()
        self._undo = contextlib.ExitStack()
        self._undo.enter_context(self.world.chain.undone())
        self.fund = a_fund(self.world)
        self.wallets = {name: self.fund.investor(name) for name in NAMES}

    def teardown(self) -> None:
        self._undo.close()

    def attempt(self, act: str, *arguments: Any, sender: str) -> bool:
        reason = None
        try:
            self.fund.basket.fn(act, *arguments, sender=sender)
        except Reverted as refusal:
            reason = refusal.reason
        assert reason != "no reason given", f"{act}{arguments} fails without a reason"
        assert "panic" not in (reason or "")
        return reason is None

    def per_unit(self) -> tuple[int, ...]:
        """Return what each unit has of each thing, in a common denominator far below a unit."""
        outstanding = self.fund.basket.view("outstanding")
        return tuple(each * 10**30 // outstanding for each in self.fund.held()) if outstanding else (0, 0, 0)

    @initialize(fee_bps=st.sampled_from([0, 200, 1_000]), creation_units=st.integers(0, 3))
    def begin(self, fee_bps: int, creation_units: int) -> None:
        self.fund.owner_sets("set_fee", self.world.register("receiver"), fee_bps)
        if creation_units:
            self.fund.create(creation_units)

    @rule(name=names, assets=st.integers(0, 3_000))
    def request(self, name: str, assets: int) -> None:
        wallet = self.wallets[name]
        self.attempt("requestDeposit", assets, wallet, wallet, sender=wallet)

    @rule(name=names, units=st.integers(0, 300))
    def request_redemption(self, name: str, units: int) -> None:
        wallet = self.wallets[name]
        self.attempt("requestRedeem", units, wallet, wallet, sender=wallet)

    @rule(name=names, act=st.sampled_from(["take_back_deposit", "take_back_redemption", "redeem_unclaimed"]))
    def take_back(self, name: str, act: str) -> None:
        self.attempt(act, self.wallets[name], sender=self.wallets[name])

    @rule(name=names, act=st.sampled_from(["deposit", "mint", "redeem", "withdraw"]), amount=st.integers(0, 3_000))
    def claim(self, name: str, act: str, amount: int) -> None:
        wallet = self.wallets[name]
        limit = self.fund.basket.view(f"max{act.capitalize()}", wallet)
        claimed = self.attempt(act, amount, wallet, wallet, sender=wallet)
        assert claimed is (0 < amount <= limit)

    @rule(act=st.sampled_from(["create_in_kind", "redeem_in_kind"]), creation_units=st.integers(0, 3))
    def in_kind(self, act: str, creation_units: int) -> None:
        # The fee alone may take from a unit: let it happen before.
        self.fund.owner_sets("set_fee", self.world.person("receiver"), self.fund.basket.view("fee_bps"))
        before = self.per_unit()
        if self.attempt(act, creation_units, sender=self.fund.participant) and self.fund.basket.view("outstanding"):
            assert all(after >= each for after, each in zip(self.per_unit(), before, strict=True))

    @rule()
    def cut_off(self) -> None:
        self.attempt("cut_off", sender=self.fund.valuer)

    @rule(gold=st.integers(0, 4), silver=st.integers(0, 4), delay=st.integers(1, 3 * DAY))
    def strike(self, gold: int, silver: int, delay: int) -> None:
        self.world.chain.pass_time(delay)
        view = self.fund.basket.view
        self.fund.owner_sets("set_fee", self.world.person("receiver"), view("fee_bps"))
        before = self.worth(gold, silver)
        units = view("outstanding")
        if self.attempt("strike", self.world.chain.now, [gold * SCALE, silver * SCALE], sender=self.fund.valuer) and units:
            # The price of a unit never falls by what the strike hands out.
            assert self.worth(gold, silver) * units >= before * view("outstanding")

    def worth(self, gold: int, silver: int) -> int:
        held = self.fund.held()
        return held[0] * gold + held[1] * silver + held[2]

    @rule()
    def collect(self) -> None:
        self.attempt("collect_fee", sender=self.wallets["ann"])

    @invariant()
    def what_is_here_is_what_is_counted(self) -> None:
        fund = self.fund
        cash, of_requests = fund.basket.view("cash"), fund.basket.view("cash_of_requests")
        assert fund.money.view("balanceOf", fund.basket.address) == cash + of_requests
        assert fund.gold.view("balanceOf", fund.basket.address) == fund.held()[0]
        assert fund.silver.view("balanceOf", fund.basket.address) == fund.held()[1]

    @invariant()
    def what_is_owed_is_covered(self) -> None:
        fund = self.fund
        wallets = self.wallets.values()
        owed = sum(fund.pending(wallet)[0] + fund.claimable(wallet)[3] for wallet in wallets)
        assert 0 <= fund.basket.view("cash_of_requests") - owed <= len(NAMES)
        units = sum(fund.pending(wallet)[1] + fund.claimable(wallet)[1] for wallet in wallets) + fund.basket.view("fee_units")
        assert 0 <= fund.basket.view("owed_units") - units <= len(NAMES)

    @invariant()
    def all_units_could_be_redeemed_in_kind(self) -> None:
        fund = self.fund
        outstanding = fund.basket.view("outstanding")
        whole = outstanding // 100
        if whole:
            quantities, cash = fund.basket.view("redemption_basket", whole)
            assert all(need <= held for need, held in zip((*quantities, cash), fund.held(), strict=True))


@pytest.mark.slow
def test_a_fund_keeps_its_promises_in_any_order_of_acts(shared_world: World) -> None:
    machine = type("FundOfThisWorld", (FundInAnyOrder,), {"world": shared_world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=6,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
