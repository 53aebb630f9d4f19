# SPDX-License-Identifier: Apache-2.0
"""Distributions: money in escrow, claimed against a Merkle root, and what nobody claims goes back to the payer."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts import hostile_money
from tests.contracts.chain import ZERO, Chain, refused
from tests.contracts.hostile_money import HostileMoney, Hostility
from tests.contracts.proofs import Tree

DIVIDENDS, COUPONS = b"dividends".ljust(32, b"\0"), b"coupons".ljust(32, b"\0")
RUN, NEXT_RUN = b"run".ljust(32, b"\0"), b"next run".ljust(32, b"\0")
NOTHING = b"\0" * 32
NO_PROOF: list[bytes] = []
DAY = 24 * 60 * 60
PUSHED = keccak(b"muniment.payout.pushed")

REFUSED = "money: payment refused"
TOO_LITTLE = "payout: escrow holds too little"
NOT_OPEN = "payout: distribution is not open"
WRONG_PROOF = "payout: proof does not lead to the root"
OTHER_AMOUNT = "money: not the amount left"


class Run:
    """What each account is due in all, as a tree."""

    def __init__(self, due: dict[str, int]) -> None:
        self.due = due
        self._tree = Tree(["address", "uint256"], list(due.items()))
        self.root = self._tree.root

    def claim(self, distribution: bytes, account: str) -> tuple[Any, ...]:
        return distribution, account, self.due[account], self._tree.proof((account, self.due[account]))


class Desk:
    """A payout contract, one payer who has opened a distribution in one payment token, and some holders."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.payer, self.ann, self.bob, self.dee = (chain.account(name) for name in ("payer", "ann", "bob", "dee"))
        self.payout = chain.deploy("payout", sender=self.payer)
        self.money = chain.deploy("payment_token", sender=self.payer)
        self.money.fn("initialize", "Trial Euro", "EURT", 2, sender=self.payer)
        self.expires_at = chain.now + 30 * DAY
        self.dividends = self.open(DIVIDENDS)

    def open(self, distribution_id: bytes, *, payer: str | None = None, token: str | None = None) -> bytes:
        arguments = (distribution_id, token or self.money.address, self.expires_at)
        return self.payout.fn("open_distribution", *arguments, sender=payer or self.payer).answer

    def fund(self, amount: int, *, distribution_id: bytes = DIVIDENDS, payer: str | None = None) -> None:
        sender = payer or self.payer
        self.money.fn("mint", sender, amount, sender=self.payer)
        self.money.fn("approve", self.payout.address, amount, sender=sender)
        self.payout.fn("fund", distribution_id, amount, sender=sender)

    def publish(self, due: dict[str, int], *, run: bytes = RUN, distribution_id: bytes = DIVIDENDS, payer: str | None = None) -> Run:
        published = Run(due)
        self.payout.fn("publish_run", distribution_id, run, published.root, self.expires_at, sender=payer or self.payer)
        return published

    def rest(self, distribution: bytes) -> int:
        return self.payout.view("escrow", distribution)[1]

    def has(self, account: str) -> int:
        return self.money.view("balanceOf", account)

    def expire(self) -> None:
        self.chain.pass_time(self.expires_at - self.chain.now)


@pytest.fixture
def desk(chain: Chain) -> Desk:
    return Desk(chain)


# The tree


def test_trees_are_those_of_the_libraries_that_holders_use() -> None:
    # Made with the npm package @openzeppelin/merkle-tree 1.0.8, StandardMerkleTree.of(rows, ["address", "uint256"]).
    rows = [(f"0x{str(each) * 40}", 100 * each) for each in range(1, 6)]
    tree = Tree(["address", "uint256"], rows)
    assert tree.root.hex() == "78551e127440fccb6d122dda5f59203362fcae68c07820ea869b84e1ae89b6b7"
    assert [node.hex() for node in tree.proof(rows[2])] == [
        "07923976fb03f4745b5593863a70eb553c8277c1b8633685b5f792ea7d597165",
        "fc0b9d0cc7c164a3e1e85418b826258293d9857a99b368c8913c3d6bac361b66",
        "8430988561889c63ce349b319bf74a4797d2e40cccb08f6d12ae9e7920f746e7",
    ]


@pytest.mark.parametrize("holders", [1, 2, 3, 4, 5, 8, 33])
def test_everybody_in_a_tree_of_any_size_can_claim(desk: Desk, holders: int) -> None:
    due = {desk.chain.account(f"holder {each}"): each + 1 for each in range(holders)}
    desk.fund(sum(due.values()))
    run = desk.publish(due)
    for account, amount in due.items():
        desk.payout.fn("claim", *run.claim(desk.dividends, account), sender=account)
        assert desk.has(account) == amount
    assert desk.rest(desk.dividends) == 0


# Claims


def test_a_claim_pays_the_account_whoever_asks(desk: Desk) -> None:
    desk.fund(100)
    run = desk.publish({desk.ann: 30, desk.bob: 70})
    done = desk.payout.fn("claim", *run.claim(desk.dividends, desk.ann), sender=desk.chain.account("anybody"))
    assert done.answer == 30
    assert [log for log in done.logs if log.event != "Transfer"] == [
        DecodedLog("Claimed", {"distribution": desk.dividends, "account": desk.ann, "amount": 30, "cumulative": 30})
    ]
    assert (desk.has(desk.ann), desk.rest(desk.dividends)) == (30, 70)
    assert desk.payout.view("claimed", desk.dividends, desk.ann) == 30


def test_a_later_run_pays_only_what_came_on_top(desk: Desk) -> None:
    desk.fund(1_000)
    first = desk.publish({desk.ann: 30, desk.bob: 70})
    desk.payout.fn("claim", *first.claim(desk.dividends, desk.ann), sender=desk.ann)
    second = desk.publish({desk.ann: 35, desk.bob: 170}, run=NEXT_RUN)
    assert desk.payout.fn("claim", *second.claim(desk.dividends, desk.ann), sender=desk.ann).answer == 5
    assert desk.payout.fn("claim", *second.claim(desk.dividends, desk.bob), sender=desk.bob).answer == 170
    assert (desk.has(desk.ann), desk.has(desk.bob), desk.rest(desk.dividends)) == (35, 170, 795)


def test_nothing_is_paid_twice(desk: Desk) -> None:
    desk.fund(1_000)
    first = desk.publish({desk.ann: 30, desk.bob: 70})
    desk.payout.fn("claim", *first.claim(desk.dividends, desk.ann), sender=desk.ann)
    with refused("payout: nothing to claim"):
        desk.payout.fn("claim", *first.claim(desk.dividends, desk.ann), sender=desk.ann)
    # A root that takes something back takes nothing back from who has had it.
    second = desk.publish({desk.ann: 29, desk.bob: 70}, run=NEXT_RUN)
    with refused("payout: nothing to claim"):
        desk.payout.fn("claim", *second.claim(desk.dividends, desk.ann), sender=desk.ann)
    with refused(WRONG_PROOF):
        desk.payout.fn("claim", *first.claim(desk.dividends, desk.bob), sender=desk.bob)


def test_only_what_the_root_says_is_paid(desk: Desk) -> None:
    desk.fund(1_000)
    coupons = desk.open(COUPONS)
    desk.fund(1_000, distribution_id=COUPONS)
    run = desk.publish({desk.ann: 30, desk.bob: 70, desk.dee: 5, desk.payer: 6})
    distribution, account, cumulative, proof = run.claim(desk.dividends, desk.ann)
    leaf = keccak(keccak(bytes(12) + bytes.fromhex(account[2:]) + cumulative.to_bytes(32, "big")))
    for wrong in (
        (distribution, desk.bob, cumulative, proof),
        (distribution, account, cumulative + 1, proof),
        (distribution, account, cumulative, proof[:-1]),
        (distribution, account, cumulative, [*proof, NOTHING]),
        (distribution, account, cumulative, proof[::-1]),
        (distribution, account, cumulative, [leaf]),
        (coupons, account, cumulative, proof),
        (NOTHING, account, cumulative, proof),
        (coupons, account, cumulative, NO_PROOF),
    ):
        with refused(WRONG_PROOF):
            desk.payout.fn("claim", *wrong, sender=desk.ann)
    with refused("no reason given"):
        desk.payout.fn("claim", distribution, account, cumulative, [NOTHING] * 33, sender=desk.ann)


def test_a_root_that_promises_too_much_stops_cleanly_and_touches_no_other_money(desk: Desk) -> None:
    other = desk.chain.account("other payer")
    desk.open(DIVIDENDS, payer=other)
    desk.fund(1_000, payer=other)
    desk.open(COUPONS)
    desk.fund(1_000, distribution_id=COUPONS)
    desk.fund(100)
    run = desk.publish({desk.ann: 60, desk.bob: 60})
    desk.payout.fn("claim", *run.claim(desk.dividends, desk.ann), sender=desk.ann)
    with refused(TOO_LITTLE):
        desk.payout.fn("claim", *run.claim(desk.dividends, desk.bob), sender=desk.bob)
    assert (desk.rest(desk.dividends), desk.has(desk.payout.address)) == (40, 2_040)
    desk.fund(20)
    desk.payout.fn("claim", *run.claim(desk.dividends, desk.bob), sender=desk.bob)
    assert (desk.rest(desk.dividends), desk.has(desk.payout.address)) == (0, 2_000)


def test_an_account_that_is_the_contract_itself_gets_nothing(desk: Desk) -> None:
    desk.fund(100)
    run = desk.publish({desk.payout.address: 60})
    with refused(OTHER_AMOUNT):
        desk.payout.fn("claim", *run.claim(desk.dividends, desk.payout.address), sender=desk.ann)


# Many claims


def test_many_claims_are_paid_and_a_bad_one_stops_none(desk: Desk) -> None:
    desk.fund(100)
    coupons = desk.open(COUPONS)
    desk.fund(7, distribution_id=COUPONS)
    dividends = desk.publish({desk.ann: 60, desk.bob: 40, desk.dee: 1})
    more = desk.publish({desk.ann: 7}, run=NEXT_RUN, distribution_id=COUPONS)
    claims = [
        dividends.claim(desk.dividends, desk.ann),
        dividends.claim(desk.dividends, desk.ann),
        (desk.dividends, desk.bob, 1_000, NO_PROOF),
        dividends.claim(desk.dividends, desk.bob),
        dividends.claim(desk.dividends, desk.dee),
        more.claim(coupons, desk.ann),
    ]
    done = desk.payout.fn("claim_many", claims, sender=desk.chain.account("anybody"))
    assert done.answer == 3
    failed = [(log.values["distribution"], log.values["account"]) for log in done.logs if log.event == "ClaimFailed"]
    assert failed == [(desk.dividends, desk.ann), (desk.dividends, desk.bob), (desk.dividends, desk.dee)]
    assert (desk.has(desk.ann), desk.has(desk.bob), desk.has(desk.dee)) == (67, 40, 0)
    with refused("no reason given"):
        desk.payout.fn("claim_many", [(NOTHING, ZERO, 0, [])] * 51, sender=desk.ann)


@pytest.mark.parametrize("kind", [hostile_money.BLOCKS, hostile_money.BURNS_GAS])
def test_a_token_that_fails_one_receiver_fails_no_other(desk: Desk, kind: Hostility) -> None:
    token = HostileMoney(desk.chain, kind)
    coupons = desk.open(COUPONS, token=token.address)
    token.mint(desk.payer, 1_000)
    desk.payout.fn("fund", COUPONS, 1_000, sender=desk.payer)
    run = desk.publish({desk.ann: 60, desk.bob: 40}, distribution_id=COUPONS)
    token.block(desk.ann)
    done = desk.payout.fn("claim_many", [run.claim(coupons, desk.ann), run.claim(coupons, desk.bob)], sender=desk.bob)
    assert done.answer == 1
    assert done.gas < 600_000
    assert (token.balance(desk.ann), token.balance(desk.bob), desk.rest(coupons)) == (0, 40, 960)
    token.block(ZERO)
    desk.payout.fn("claim", *run.claim(coupons, desk.ann), sender=desk.bob)
    assert token.balance(desk.ann) == 60


# The payer's acts


def test_a_distribution_is_opened_once_by_each_payer_for_itself(desk: Desk) -> None:
    other = desk.chain.account("other payer")
    key = desk.payout.view("distribution_key", other, DIVIDENDS)
    done = desk.payout.fn("open_distribution", DIVIDENDS, desk.money.address, desk.expires_at, sender=other)
    assert done.answer == key != desk.dividends
    opened = {"distribution": key, "payer": other, "distribution_id": DIVIDENDS}
    terms = {"payment_token": desk.money.address, "expires_at": desk.expires_at}
    assert done.logs == [DecodedLog("DistributionOpened", opened | terms)]
    assert desk.payout.view("escrow", key) == (desk.money.address, 0, NOTHING, desk.expires_at)
    assert desk.payout.view("escrow", NOTHING) == (ZERO, 0, NOTHING, 0)
    for arguments, reason in (
        ((DIVIDENDS, desk.money.address, desk.expires_at), "payout: distribution is already open"),
        ((COUPONS, desk.ann, desk.expires_at), "payout: payment token has no code"),
        ((COUPONS, desk.money.address, desk.chain.now), "payout: expiry lies in the past"),
    ):
        with refused(reason):
            desk.payout.fn("open_distribution", *arguments, sender=desk.payer)


def test_nobody_rules_anothers_distribution(desk: Desk) -> None:
    thief = desk.chain.account("thief")
    desk.fund(100)
    desk.expire()
    for act, arguments in (
        ("publish_run", (DIVIDENDS, RUN, b"\1" * 32, desk.chain.now + DAY)),
        ("fund", (DIVIDENDS, 1)),
        ("reclaim", (DIVIDENDS,)),
        ("reclaim", (desk.dividends,)),
    ):
        with refused(NOT_OPEN):
            desk.payout.fn(act, *arguments, sender=thief)


def test_money_is_counted_as_it_arrives(desk: Desk) -> None:
    desk.money.fn("mint", desk.payer, 30, sender=desk.payer)
    desk.money.fn("approve", desk.payout.address, 30, sender=desk.payer)
    done = desk.payout.fn("fund", DIVIDENDS, 10, sender=desk.payer)
    assert done.answer == 10
    assert done.logs[-1] == DecodedLog("Funded", {"distribution": desk.dividends, "received": 10, "rest": 10})
    done = desk.payout.fn("fund", DIVIDENDS, 20, sender=desk.payer)
    assert done.logs[-1] == DecodedLog("Funded", {"distribution": desk.dividends, "received": 20, "rest": 30})
    with refused(REFUSED):
        desk.payout.fn("fund", DIVIDENDS, 1, sender=desk.payer)
    with refused("payout: nothing arrived"):
        desk.payout.fn("fund", DIVIDENDS, 0, sender=desk.payer)


def test_an_escrow_holds_96_bits_and_no_more(desk: Desk) -> None:
    desk.fund(2**96 - 1)
    assert desk.payout.view("escrow", desk.dividends)[:2] == (desk.money.address, 2**96 - 1)
    for amount in (1, 2**96, 2**200):
        with refused("payout: escrow does not fit 96 bits"):
            desk.fund(amount)
    run = desk.publish({desk.ann: 2**96 - 1, desk.bob: 2**256 - 1})
    with refused(TOO_LITTLE):
        desk.payout.fn("claim", *run.claim(desk.dividends, desk.bob), sender=desk.bob)
    desk.payout.fn("claim", *run.claim(desk.dividends, desk.ann), sender=desk.ann)
    assert desk.payout.view("escrow", desk.dividends)[:2] == (desk.money.address, 0)


def test_a_run_is_published_with_a_root_and_an_expiry_that_never_comes_earlier(desk: Desk) -> None:
    root = b"\5" * 32
    later = desk.expires_at + DAY
    done = desk.payout.fn("publish_run", DIVIDENDS, RUN, root, later, sender=desk.payer)
    published = {"distribution": desk.dividends, "run_id": RUN, "root": root, "expires_at": later}
    assert done.logs == [DecodedLog("RunPublished", published)]
    assert desk.payout.view("escrow", desk.dividends) == (desk.money.address, 0, root, later)
    assert desk.payout.view("paid_by", desk.payer, RUN) == desk.dividends
    desk.payout.fn("publish_run", DIVIDENDS, RUN, b"\6" * 32, later, sender=desk.payer)
    for arguments, reason in (
        ((NOTHING, later), "payout: root is zero"),
        ((root, later - 1), "payout: expiry would come earlier"),
    ):
        with refused(reason):
            desk.payout.fn("publish_run", DIVIDENDS, NEXT_RUN, *arguments, sender=desk.payer)
    desk.chain.pass_time(later - desk.chain.now)
    with refused("payout: expiry lies in the past"):
        desk.payout.fn("publish_run", DIVIDENDS, NEXT_RUN, root, later, sender=desk.payer)


def test_what_nobody_claims_goes_back_after_the_expiry_and_not_before(desk: Desk) -> None:
    desk.fund(100)
    run = desk.publish({desk.ann: 60, desk.bob: 40})
    desk.payout.fn("claim", *run.claim(desk.dividends, desk.ann), sender=desk.ann)
    desk.chain.pass_time(desk.expires_at - desk.chain.now - 1)
    with refused("payout: distribution has not expired"):
        desk.payout.fn("reclaim", DIVIDENDS, sender=desk.payer)
    desk.chain.pass_time(1)
    done = desk.payout.fn("reclaim", DIVIDENDS, sender=desk.payer)
    assert done.answer == 40
    assert done.logs[0] == DecodedLog("Reclaimed", {"distribution": desk.dividends, "amount": 40})
    assert (desk.has(desk.payer), desk.rest(desk.dividends), desk.has(desk.payout.address)) == (40, 0, 0)
    with refused("payout: nothing to reclaim"):
        desk.payout.fn("reclaim", DIVIDENDS, sender=desk.payer)
    with refused(TOO_LITTLE):
        desk.payout.fn("claim", *run.claim(desk.dividends, desk.bob), sender=desk.bob)
    # The payer may still pay the latecomer, by funding again.
    desk.fund(40)
    desk.payout.fn("claim", *run.claim(desk.dividends, desk.bob), sender=desk.bob)
    assert desk.has(desk.bob) == 40


def test_a_claim_after_the_expiry_is_paid_until_the_rest_is_taken_back(desk: Desk) -> None:
    desk.fund(100)
    run = desk.publish({desk.ann: 60, desk.bob: 40})
    desk.expire()
    desk.payout.fn("claim", *run.claim(desk.dividends, desk.ann), sender=desk.ann)
    assert desk.payout.fn("reclaim", DIVIDENDS, sender=desk.payer).answer == 40


# Pushes and claims of one run


def test_a_run_that_is_pushed_cannot_be_claimed(desk: Desk) -> None:
    desk.fund(100)
    desk.money.fn("mint", desk.payer, 50, sender=desk.payer)
    desk.money.fn("approve", desk.payout.address, 50, sender=desk.payer)
    desk.payout.fn("push", RUN, 0, desk.money.address, [desk.ann], [5], sender=desk.payer)
    assert desk.payout.view("paid_by", desk.payer, RUN) == PUSHED
    with refused("payout: run is paid another way"):
        desk.publish({desk.ann: 5})
    desk.payout.fn("push", RUN, 1, desk.money.address, [desk.ann], [5], sender=desk.payer)


def test_a_run_that_is_claimed_cannot_be_pushed_nor_claimed_elsewhere(desk: Desk) -> None:
    desk.fund(100)
    desk.open(COUPONS)
    desk.publish({desk.ann: 5})
    desk.money.fn("mint", desk.payer, 50, sender=desk.payer)
    desk.money.fn("approve", desk.payout.address, 50, sender=desk.payer)
    with refused("payout: run is paid another way"):
        desk.payout.fn("push", RUN, 0, desk.money.address, [desk.ann], [5], sender=desk.payer)
    with refused("payout: run is paid another way"):
        desk.publish({desk.ann: 5}, distribution_id=COUPONS)
    desk.publish({desk.ann: 6})
    # Another payer's run of the same name is another run.
    other = desk.chain.account("other payer")
    desk.money.fn("mint", other, 50, sender=desk.payer)
    desk.money.fn("approve", desk.payout.address, 50, sender=other)
    desk.payout.fn("push", RUN, 0, desk.money.address, [desk.ann], [5], sender=other)


# Payment tokens that are up to something


def hostile(desk: Desk, kind: Hostility) -> tuple[HostileMoney, bytes, Run]:
    """Fund a distribution in such a token, with its money lying ready in other distributions' escrow too."""
    token = HostileMoney(desk.chain, kind)
    coupons = desk.open(COUPONS, token=token.address)
    token.mint(desk.payer, 1_000)
    token.mint(desk.payout.address, 5_000)
    desk.payout.fn("fund", COUPONS, 1_000, sender=desk.payer)
    return token, coupons, desk.publish({desk.ann: 600, desk.bob: 400}, distribution_id=COUPONS)


@pytest.mark.parametrize("kind", [hostile_money.HONEST, hostile_money.NO_ANSWER])
def test_a_token_that_answers_nothing_is_taken_for_a_yes(desk: Desk, kind: Hostility) -> None:
    token, coupons, run = hostile(desk, kind)
    desk.payout.fn("claim", *run.claim(coupons, desk.ann), sender=desk.ann)
    desk.expire()
    desk.payout.fn("reclaim", COUPONS, sender=desk.payer)
    assert (token.balance(desk.ann), token.balance(desk.payer), token.balance(desk.payout.address)) == (600, 400, 5_000)


def test_a_token_that_keeps_a_fee_is_weighed_on_its_way_in(desk: Desk) -> None:
    token, coupons, run = hostile(desk, hostile_money.TAKES_FEE)
    assert desk.rest(coupons) == 990
    desk.payout.fn("claim", *run.claim(coupons, desk.ann), sender=desk.ann)
    assert (desk.rest(coupons), token.balance(desk.ann), token.balance(desk.payout.address)) == (390, 594, 5_390)
    with refused(TOO_LITTLE):
        desk.payout.fn("claim", *run.claim(coupons, desk.bob), sender=desk.bob)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (hostile_money.REVERTS_SILENTLY, REFUSED),
        (hostile_money.ANSWERS_NO, REFUSED),
        (hostile_money.ANSWERS_NO_BUT_PAYS, REFUSED),
        (hostile_money.ANSWERS_TWO, REFUSED),
        (hostile_money.ANSWERS_SHORT, REFUSED),
        (hostile_money.MOVES_NOTHING, "payout: nothing arrived"),
        (hostile_money.MOVES_BACK, "payout: nothing arrived"),
    ],
)
def test_a_token_that_does_not_pay_in_funds_nothing(desk: Desk, kind: Hostility, reason: str) -> None:
    with refused(reason):
        hostile(desk, kind)


TURNS = """
# pragma version 0.4.3
balanceOf: public(HashMap[address, uint256])

@external
def mint(receiver: address, amount: uint256):
    self.balanceOf[receiver] += amount

@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    return True

@external
def transfer(receiver: address, amount: uint256) -> bool:
{turns}
"""
PAYS_BACK = "    self.balanceOf[msg.sender] += amount\n    return True"


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ("    return False", REFUSED),
        ('    raise "frozen"', REFUSED),
        ("    return True", OTHER_AMOUNT),
        (PAYS_BACK, OTHER_AMOUNT),
        ("    self.balanceOf[msg.sender] -= amount + 1\n    self.balanceOf[receiver] += amount\n    return True", OTHER_AMOUNT),
        ("    self.balanceOf[msg.sender] -= amount - 1\n    self.balanceOf[receiver] += amount - 1\n    return True", OTHER_AMOUNT),
    ],
)
def test_a_token_that_turns_once_it_is_inside_pays_out_nothing_and_takes_nobody_elses(desk: Desk, turns: str, reason: str) -> None:
    token = desk.chain.deploy_vyper(TURNS.format(turns=turns), sender=desk.payer)
    coupons = desk.open(COUPONS, token=token)
    for receiver in (desk.payer, desk.payout.address):
        call = keccak(b"mint(address,uint256)")[:4] + bytes(12) + bytes.fromhex(receiver[2:]) + (1_000).to_bytes(32, "big")
        desk.chain.send(token, call, sender=desk.payer)
    desk.payout.fn("fund", COUPONS, 1_000, sender=desk.payer)
    run = desk.publish({desk.ann: 600}, distribution_id=COUPONS)
    with refused(reason):
        desk.payout.fn("claim", *run.claim(coupons, desk.ann), sender=desk.ann)
    desk.expire()
    with refused(reason):
        desk.payout.fn("reclaim", COUPONS, sender=desk.payer)
    assert (desk.rest(coupons), desk.payout.view("claimed", coupons, desk.ann)) == (1_000, 0)


def test_a_token_without_balances_cannot_be_paid_in(desk: Desk) -> None:
    desk.open(COUPONS, token=desk.payout.address)
    with refused("money: token has no balances"):
        desk.payout.fn("fund", COUPONS, 1, sender=desk.payer)


def test_a_token_that_calls_back_finds_every_door_shut(desk: Desk) -> None:
    token, coupons, run = hostile(desk, hostile_money.REENTERS)
    claim = desk.payout.artifact.encode_call("claim", *run.claim(coupons, desk.ann))
    many = desk.payout.artifact.encode_call("claim_many", [run.claim(coupons, desk.ann)])
    # The token is a payer too, with a distribution of its own: a deposit inside a deposit would be counted twice.
    fund = desk.payout.artifact.encode_call("fund", DIVIDENDS, 100)
    token.mint(token.address, 1_000)
    for outside in (desk.payout.artifact.encode_call("open_distribution", DIVIDENDS, token.address, desk.expires_at), fund):
        token.arm(desk.payout.address, outside)
        token.pay_nothing()
        assert token.has_entered()
    own = desk.payout.view("distribution_key", token.address, DIVIDENDS)
    push = desk.payout.artifact.encode_call("push", RUN, 0, token.address, [desk.dee], [1])
    reclaim = desk.payout.artifact.encode_call("reclaim", DIVIDENDS)
    for inner in (fund, push, claim):
        token.mint(desk.payer, 20)
        token.arm(desk.payout.address, inner)
        desk.payout.fn("fund", COUPONS, 10, sender=desk.payer)
        assert not token.has_entered()
        token.arm(desk.payout.address, inner)
        desk.payout.fn("push", NEXT_RUN, len(inner), token.address, [desk.dee], [10], sender=desk.payer)
        assert not token.has_entered()
    assert (desk.rest(coupons), desk.rest(own)) == (1_030, 100)
    token.arm(desk.payout.address, fund)
    desk.payout.fn("claim", *run.claim(coupons, desk.ann), sender=desk.ann)
    assert not token.has_entered()
    token.arm(desk.payout.address, many)
    desk.payout.fn("claim", *run.claim(coupons, desk.bob), sender=desk.bob)
    # Its way in is open, but the claims inside are not.
    assert token.has_entered()
    assert (token.balance(desk.ann), token.balance(desk.bob), desk.rest(coupons)) == (600, 400, 30)
    desk.expire()
    token.arm(desk.payout.address, reclaim)
    desk.payout.fn("reclaim", COUPONS, sender=desk.payer)
    assert not token.has_entered()
    assert token.balance(desk.payout.address) == 5_100
