# SPDX-License-Identifier: Apache-2.0
"""Paying many at once, each batch once, whatever the payment token is up to."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import ZERO, Chain, Contract, refused

RUN, OTHER_RUN = b"run".ljust(32, b"\0"), b"other run".ljust(32, b"\0")
REFUSED = "money: payment refused"


@pytest.fixture
def payer(chain: Chain) -> str:
    return chain.account("payer")


@pytest.fixture
def payout(chain: Chain, payer: str) -> Contract:
    return chain.deploy("payout", sender=payer)


@pytest.fixture
def money(chain: Chain, payout: Contract, payer: str) -> Contract:
    token = chain.deploy("payment_token", sender=payer)
    token.fn("initialize", "Trial Euro", "EURT", 2, sender=payer)
    token.fn("mint", payer, 10_000, sender=payer)
    token.fn("approve", payout.address, 10_000, sender=payer)
    return token


def test_a_batch_pays_each_recipient_and_says_so(chain: Chain, payout: Contract, money: Contract, payer: str) -> None:
    ann, bob = chain.account("ann"), chain.account("bob")
    done = payout.fn("push", RUN, 3, money.address, [ann, bob, ann], [10, 20, 5], sender=payer)
    assert done.answer == 35
    assert [log for log in done.logs if log.event != "Transfer"] == [
        DecodedLog("Paid", {"run_id": RUN, "recipient": ann, "amount": 10}),
        DecodedLog("Paid", {"run_id": RUN, "recipient": bob, "amount": 20}),
        DecodedLog("Paid", {"run_id": RUN, "recipient": ann, "amount": 5}),
        DecodedLog(
            "BatchPaid",
            {"payer": payer, "run_id": RUN, "batch_id": 3, "payment_token": money.address, "total": 35, "recipients": 3},
        ),
    ]
    assert (money.view("balanceOf", ann), money.view("balanceOf", bob), money.view("balanceOf", payout.address)) == (15, 20, 0)
    assert payout.view("is_paid", payer, RUN, 3) is True


def test_a_batch_is_paid_once_per_payer_run_and_number(chain: Chain, payout: Contract, money: Contract, payer: str) -> None:
    ann, other = chain.account("ann"), chain.account("other payer")
    payout.fn("push", RUN, 0, money.address, [ann], [10], sender=payer)
    for recipients, amounts in (([ann], [10]), ([chain.account("bob")], [1])):
        with refused("payout: batch already paid"):
            payout.fn("push", RUN, 0, money.address, recipients, amounts, sender=payer)
    payout.fn("push", RUN, 1, money.address, [ann], [10], sender=payer)
    payout.fn("push", OTHER_RUN, 0, money.address, [ann], [10], sender=payer)
    money.fn("mint", other, 10, sender=payer)
    money.fn("approve", payout.address, 10, sender=other)
    payout.fn("push", RUN, 0, money.address, [ann], [10], sender=other)
    assert money.view("balanceOf", ann) == 40


def test_a_batch_that_fails_is_not_paid_and_can_be_paid_later(chain: Chain, payout: Contract, money: Contract, payer: str) -> None:
    ann, bob = chain.account("ann"), chain.account("bob")
    with refused(REFUSED):
        payout.fn("push", RUN, 0, money.address, [ann, bob], [9_999, 2], sender=payer)
    assert (payout.view("is_paid", payer, RUN, 0), money.view("balanceOf", ann)) == (False, 0)
    payout.fn("push", RUN, 0, money.address, [ann, bob], [9_999, 1], sender=payer)


def test_nobody_else_can_spend_what_a_payer_approved(chain: Chain, payout: Contract, money: Contract) -> None:
    thief = chain.account("thief")
    with refused(REFUSED):
        payout.fn("push", RUN, 0, money.address, [thief], [1], sender=thief)


def test_a_payer_may_be_among_the_paid(payout: Contract, money: Contract, payer: str) -> None:
    payout.fn("push", RUN, 0, money.address, [payer], [5], sender=payer)
    assert money.view("balanceOf", payer) == 10_000


def test_batches_without_sense_are_refused(chain: Chain, payout: Contract, money: Contract, payer: str) -> None:
    ann = chain.account("ann")
    cases: list[tuple[str, list[str], list[int], str]] = [
        (money.address, [], [], "payout: batch is empty"),
        (money.address, [ann], [], "payout: recipients and amounts differ in number"),
        (money.address, [ann], [1, 2], "payout: recipients and amounts differ in number"),
        (money.address, [ZERO], [1], "payout: recipient is the zero address"),
        (money.address, [ann], [0], "payout: amount is zero"),
        (chain.account("no token"), [ann], [1], "payout: payment token has no code"),
        (payout.address, [ann], [1], "money: token has no balances"),
    ]
    for token, recipients, amounts, reason in cases:
        with refused(reason):
            payout.fn("push", RUN, 0, token, recipients, amounts, sender=payer)
    with refused("no reason given"):
        payout.fn("push", RUN, 0, money.address, [ann] * 201, [1] * 201, sender=payer)


def test_two_hundred_are_paid_at_once_within_the_gas_of_one_transaction(
    chain: Chain, payout: Contract, money: Contract, payer: str
) -> None:
    recipients = [chain.account(f"holder {each}") for each in range(200)]
    done = payout.fn("push", RUN, 0, money.address, recipients, [1] * 200, sender=payer)
    # EIP-7825: no transaction may use more than 2**24.
    assert done.gas < 2**24
    assert all(money.view("balanceOf", each) == 1 for each in recipients)


@settings(max_examples=20, deadline=None)
@given(amounts=st.lists(st.integers(1, 2_000), min_size=1, max_size=12))
def test_what_leaves_the_payer_reaches_the_recipients(shared_chain: Chain, amounts: list[int]) -> None:
    chain, payer = shared_chain, shared_chain.account("payer")
    with chain.undone():
        payout = chain.deploy("payout", sender=payer)
        token = chain.deploy("payment_token", sender=payer)
        token.fn("mint", payer, 100_000, sender=payer)
        token.fn("approve", payout.address, sum(amounts), sender=payer)
        recipients = [chain.account(f"holder {place % 5}") for place in range(len(amounts))]
        assert payout.fn("push", RUN, 0, token.address, recipients, amounts, sender=payer).answer == sum(amounts)
        assert token.view("balanceOf", payer) == 100_000 - sum(amounts)
        assert sum(token.view("balanceOf", each) for each in set(recipients)) == sum(amounts)
        assert token.view("allowance", payer, payout.address) == 0


# Payment tokens that are up to something


def token_that(does: str, *, answers: str = "-> bool") -> str:
    return f"""
# pragma version 0.4.3
balanceOf: public(HashMap[address, uint256])
calls: public(uint256)

@external
def transferFrom(sender: address, receiver: address, amount: uint256) {answers}:
    self.calls += 1
{does}
"""


CREDITS = "    self.balanceOf[receiver] += amount\n"


def push(chain: Chain, payout: Contract, payer: str, source: str) -> str:
    token = chain.deploy_vyper(source, sender=payer)
    payout.fn("push", RUN, 0, token, [chain.account("ann"), chain.account("bob")], [100, 100], sender=payer)
    return token


def balance(chain: Chain, token: str, holder: str) -> int:
    call = keccak(b"balanceOf(address)")[:4] + bytes(12) + bytes.fromhex(holder[2:])
    return int.from_bytes(chain.ask(token, call, sender=None), "big")


def test_a_token_that_answers_nothing_is_taken_for_a_yes(chain: Chain, payout: Contract, payer: str) -> None:
    token = push(chain, payout, payer, token_that(CREDITS, answers=""))
    assert balance(chain, token, chain.account("bob")) == 100


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (token_that("    return False"), REFUSED),
        (token_that(CREDITS + "    return False"), REFUSED),
        (token_that('    raise "frozen"'), REFUSED),
        (token_that(CREDITS + "    return self.calls == 1"), REFUSED),
        (token_that("    assert self.calls == 1\n" + CREDITS + "    return True"), REFUSED),
        (token_that(CREDITS + "    return 2", answers="-> uint256"), REFUSED),
        (token_that("    return True"), "payout: recipient did not get the amount"),
        (token_that("    self.balanceOf[receiver] += amount - 1\n    return True"), "payout: recipient did not get the amount"),
        (token_that("    self.balanceOf[receiver] += amount + 1\n    return True"), "payout: recipient did not get the amount"),
        (token_that("    self.balanceOf[receiver] = 0\n    return True"), "payout: recipient did not get the amount"),
    ],
)
def test_a_token_that_does_not_pay_what_it_should_is_refused(chain: Chain, payout: Contract, payer: str, source: str, reason: str) -> None:
    with refused(reason):
        push(chain, payout, payer, source)
    assert payout.view("is_paid", payer, RUN, 0) is False


def test_a_token_that_calls_back_pays_nothing_twice(chain: Chain, payout: Contract, payer: str) -> None:
    source = token_that(
        f"""    self.balanceOf[receiver] += amount
    if self.calls == 1:
        success: bool = False
        answer: Bytes[32] = b""
        success, answer = raw_call(
            {payout.address},
            abi_encode({"0x" + RUN.hex()}, empty(uint256), self, empty(DynArray[address, 200]), empty(DynArray[uint256, 200]),
                method_id=method_id("push(bytes32,uint256,address,address[],uint256[])")),
            max_outsize=32, revert_on_failure=False)
        assert not success, "paid twice"
    return True"""
    )
    token = push(chain, payout, payer, source)
    assert balance(chain, token, chain.account("ann")) == 100


REENTERING_PAYER = """
# pragma version 0.4.3
interface Payout:
    def push(
        run_id: bytes32, batch_id: uint256, token: address, recipients: DynArray[address, 200], amounts: DynArray[uint256, 200]
    ) -> uint256: nonpayable

# Payer and payment token in one: the guard is per payer, so only the payer itself can try the same batch again.
payout: Payout
balanceOf: public(HashMap[address, uint256])
is_again: bool

@external
def begin(payout: address):
    self.payout = Payout(payout)
    extcall self.payout.push(empty(bytes32), 0, self, [self.payout.address], [1])

@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    if not self.is_again:
        self.is_again = True
        extcall self.payout.push(empty(bytes32), 0, self, [self.payout.address], [1])
    self.balanceOf[receiver] += amount
    return True
"""


def test_a_payer_that_enters_again_finds_the_batch_paid(chain: Chain, payout: Contract, payer: str) -> None:
    hostile = chain.deploy_vyper(REENTERING_PAYER, sender=payer)
    with refused(REFUSED):
        chain.send(hostile, keccak(b"begin(address)")[:4] + bytes(12) + bytes.fromhex(payout.address[2:]), sender=payer)
    assert balance(chain, hostile, payout.address) == 0
