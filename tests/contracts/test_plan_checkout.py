# SPDX-License-Identifier: Apache-2.0
"""Invoices: paid once, exactly, in time, to whom the signer and the owner both let them be paid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts import hostile_money
from tests.contracts.chain import NO, YES, ZERO, Chain, refused
from tests.contracts.hostile_money import HostileMoney, Hostility
from tests.contracts.signing import ContractWallet, digest_of, kinds_of, sign, spoiled, unwilling_wallets

INVOICE = kinds_of(
    Invoice="bytes32 invoiceId,address payer,address paymentToken,uint256 amount,address receiver,uint256 deadline,bytes32 planId"
)
PERMIT = kinds_of(Permit="address owner,address spender,uint256 value,uint256 nonce,uint256 deadline")
NOT_OWNER = "Ownable: caller is not the owner"
NOT_SIGNED = "checkout: signature is not the signer's"
NOT_ALLOWED = "checkout: receiver is not allowed"
IS_PAID = "checkout: invoice is paid"
REFUSED = "money: payment refused"
SHORT = "checkout: receiver did not get the amount"


@dataclass(frozen=True)
class Invoice:
    invoice_id: bytes
    payer: str
    payment_token: str
    amount: int
    receiver: str
    deadline: int
    plan_id: bytes

    def values(self) -> tuple[Any, ...]:
        return self.invoice_id, self.payer, self.payment_token, self.amount, self.receiver, self.deadline, self.plan_id

    def message(self) -> dict[str, Any]:
        names = [field["name"] for field in INVOICE["Invoice"]]
        return dict(zip(names, self.values(), strict=True))


class Till:
    """A checkout with its owner, signer and one receiver, and a payer with 1,000 approved."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.owner, self.treasury, self.stranger = (chain.account(name) for name in ("owner", "treasury", "stranger"))
        self.signer, self.customer = chain.signer("seller"), chain.signer("customer")
        self.payer = self.customer.address
        self.checkout = chain.deploy("plan_checkout", sender=self.owner)
        self.checkout.fn("initialize", sender=self.owner)
        self.checkout.fn("set_signer", self.signer.address, sender=self.owner)
        self.checkout.fn("set_receiver", self.treasury, YES, sender=self.owner)
        self.money = chain.deploy("payment_token", sender=self.owner)
        self.money.fn("initialize", "Trial Euro", "EURT", 2, sender=self.owner)
        self.money.fn("mint", self.payer, 1_000, sender=self.owner)
        self.money.fn("approve", self.checkout.address, 1_000, sender=self.payer)
        self.invoice = Invoice(b"\1" * 32, ZERO, self.money.address, 400, self.treasury, chain.now + 900, b"\2" * 32)

    def signed(self, invoice: Invoice) -> bytes:
        return sign(self.signer, self.checkout, INVOICE, invoice.message())

    def pay(self, invoice: Invoice, signature: bytes | None = None, *, sender: str | None = None) -> Any:
        arguments = (invoice.values(), self.signed(invoice) if signature is None else signature)
        return self.checkout.fn("pay", *arguments, sender=sender or self.payer)

    def has(self, account: str) -> int:
        return self.money.view("balanceOf", account)


@pytest.fixture
def till(chain: Chain) -> Till:
    return Till(chain)


def test_the_contract_begins_once(till: Till) -> None:
    for caller in (till.owner, till.stranger):
        with refused("Initializable: contract is already initialized"):
            till.checkout.fn("initialize", sender=caller)
    assert till.checkout.view("owner") == till.owner


def test_an_invoice_is_paid_exactly_and_once(till: Till) -> None:
    done = till.pay(till.invoice)
    told = {"invoice_id": till.invoice.invoice_id, "payer": till.payer, "plan_id": till.invoice.plan_id}
    told |= {"payment_token": till.money.address, "amount": 400, "receiver": till.treasury}
    assert [log for log in done.logs if log.event != "Transfer"] == [DecodedLog("InvoicePaid", told)]
    assert (till.has(till.treasury), till.has(till.payer), till.has(till.checkout.address)) == (400, 600, 0)
    assert till.checkout.view("is_paid", till.invoice.invoice_id) is True
    for again in (till.invoice, replace(till.invoice, amount=100)):
        with refused(IS_PAID):
            till.pay(again)
    till.pay(replace(till.invoice, invoice_id=b"\3" * 32))


def test_an_invoice_is_paid_up_to_its_deadline(till: Till) -> None:
    till.chain.pass_time(900)
    till.pay(till.invoice)
    late = replace(till.invoice, invoice_id=b"\3" * 32)
    till.chain.pass_time(1)
    with refused("checkout: deadline has passed"):
        till.pay(late)


def test_an_invoice_may_name_its_payer(till: Till) -> None:
    invoice = replace(till.invoice, payer=till.payer)
    with refused("checkout: invoice is for another payer"):
        till.pay(invoice, sender=till.stranger)
    till.pay(invoice)


def test_only_receivers_that_the_owner_allows_are_paid(till: Till) -> None:
    thief = replace(till.invoice, receiver=till.stranger)
    with refused(NOT_ALLOWED):
        till.pay(thief)
    with refused(NOT_ALLOWED):
        till.pay(replace(till.invoice, receiver=ZERO))
    done = till.checkout.fn("set_receiver", till.treasury, NO, sender=till.owner)
    assert done.logs == [DecodedLog("ReceiverSet", {"receiver": till.treasury, "is_allowed": False})]
    with refused(NOT_ALLOWED):
        till.pay(till.invoice)
    with refused("checkout: receiver is the zero address"):
        till.checkout.fn("set_receiver", ZERO, YES, sender=till.owner)


def test_an_invoice_over_nothing_is_refused(till: Till) -> None:
    with refused("checkout: amount is zero"):
        till.pay(replace(till.invoice, amount=0))


def test_a_payer_cannot_pay_itself(till: Till) -> None:
    till.checkout.fn("set_receiver", till.payer, YES, sender=till.owner)
    with refused(SHORT):
        till.pay(replace(till.invoice, receiver=till.payer))


def test_what_the_signer_did_not_sign_is_refused(till: Till) -> None:
    signature = till.signed(till.invoice)
    till.checkout.fn("set_receiver", till.stranger, YES, sender=till.owner)
    for changed in (
        replace(till.invoice, invoice_id=b"\3" * 32),
        replace(till.invoice, payer=till.payer),
        replace(till.invoice, payment_token=till.checkout.address),
        replace(till.invoice, amount=399),
        replace(till.invoice, receiver=till.stranger),
        replace(till.invoice, deadline=till.invoice.deadline + 1),
        replace(till.invoice, plan_id=b"\3" * 32),
    ):
        with refused(NOT_SIGNED):
            till.pay(changed, signature)
    other = Till(till.chain)
    message = till.invoice.message()
    for wrong in (
        sign(till.customer, till.checkout, INVOICE, message),
        sign(till.signer, till.checkout, INVOICE, message, chain_id=till.chain.chain_id + 1),
        sign(till.signer, other.checkout, INVOICE, message),
        *spoiled(signature),
    ):
        with refused(NOT_SIGNED):
            till.pay(till.invoice, wrong)
    till.pay(till.invoice, signature)


def test_a_new_signer_ends_the_old_ones_invoices(till: Till) -> None:
    new = till.chain.signer("new seller")
    done = till.checkout.fn("set_signer", new.address, sender=till.owner)
    assert (done.logs, till.checkout.view("signer")) == ([DecodedLog("SignerSet", {"signer": new.address})], new.address)
    with refused(NOT_SIGNED):
        till.pay(till.invoice)
    till.pay(till.invoice, sign(new, till.checkout, INVOICE, till.invoice.message()))


def test_without_a_signer_nothing_is_paid(till: Till) -> None:
    till.checkout.fn("set_signer", ZERO, sender=till.owner)
    for signature in (till.signed(till.invoice), b"", bytes(65)):
        with refused(NOT_SIGNED):
            till.pay(till.invoice, signature)


def test_a_signer_may_be_a_contract(till: Till) -> None:
    wallet = ContractWallet(till.chain)
    till.checkout.fn("set_signer", wallet.address, sender=till.owner)
    with refused(NOT_SIGNED):
        till.pay(till.invoice, b"")
    digest = digest_of(till.checkout, INVOICE, till.invoice.message())
    assert till.checkout.view("invoice_digest", till.invoice.values()) == digest
    wallet.approve(digest)
    till.pay(till.invoice, b"")
    for unwilling in unwilling_wallets(till.chain):
        till.checkout.fn("set_signer", unwilling.address, sender=till.owner)
        with refused(NOT_SIGNED):
            till.pay(replace(till.invoice, invoice_id=b"\3" * 32), b"")


def test_a_stranger_may_not(till: Till) -> None:
    walked = {"initialize", "pay", "pay_with_permit"}
    for act, arguments in (("set_signer", [till.stranger]), ("set_receiver", [till.stranger, YES]), ("transferOwnership", [till.stranger])):
        walked.add(act)
        with refused(NOT_OWNER):
            till.checkout.fn(act, *arguments, sender=till.stranger)
    named = contract_artifacts.load("plan_checkout").functions.values()
    assert walked == {function.name for functions in named for function in functions if not function.is_view}


def test_the_signing_domain_is_published(till: Till) -> None:
    domain = (b"\x0f", "Muniment Plan Checkout", "1", till.chain.chain_id, till.checkout.address, b"\0" * 32, ())
    assert till.checkout.view("eip712Domain") == domain


# Permits


def permit(till: Till, *, amount: int) -> tuple[int, int, bytes, bytes]:
    deadline = till.chain.now + 900
    message = {"owner": till.payer, "spender": till.checkout.address, "value": amount, "nonce": 0, "deadline": deadline}
    signature = sign(till.customer, till.money, PERMIT, message)
    return deadline, signature[64], signature[:32], signature[32:64]


def test_a_permit_and_the_payment_are_one_transaction(till: Till) -> None:
    till.money.fn("approve", till.checkout.address, 0, sender=till.payer)
    arguments = (till.invoice.values(), till.signed(till.invoice), *permit(till, amount=400))
    till.checkout.fn("pay_with_permit", *arguments, sender=till.payer)
    assert (till.has(till.treasury), till.money.view("allowance", till.payer, till.checkout.address)) == (400, 0)


def test_a_permit_that_somebody_used_up_first_does_not_stop_the_payment(till: Till) -> None:
    till.money.fn("approve", till.checkout.address, 0, sender=till.payer)
    allowed = permit(till, amount=400)
    till.money.fn("permit", till.payer, till.checkout.address, 400, *allowed, sender=till.stranger)
    arguments = (till.invoice.values(), till.signed(till.invoice), *allowed)
    till.checkout.fn("pay_with_permit", *arguments, sender=till.payer)
    assert till.has(till.treasury) == 400


def test_a_permit_for_another_amount_pays_nothing(till: Till) -> None:
    till.money.fn("approve", till.checkout.address, 0, sender=till.payer)
    with refused(REFUSED):
        till.checkout.fn("pay_with_permit", till.invoice.values(), till.signed(till.invoice), *permit(till, amount=399), sender=till.payer)


def test_a_permit_does_not_open_what_is_closed(till: Till) -> None:
    till.pay(till.invoice)
    with refused(IS_PAID):
        till.checkout.fn("pay_with_permit", till.invoice.values(), till.signed(till.invoice), *permit(till, amount=400), sender=till.payer)


# Payment tokens that are up to something


def invoice_in(till: Till, token: HostileMoney) -> Invoice:
    token.mint(till.payer, 1_000)
    token.mint(till.treasury, 1_000)
    return replace(till.invoice, payment_token=token.address)


@pytest.mark.parametrize("kind", [hostile_money.HONEST, hostile_money.NO_ANSWER])
def test_a_token_that_answers_nothing_is_taken_for_a_yes(till: Till, kind: Hostility) -> None:
    token = HostileMoney(till.chain, kind)
    till.pay(invoice_in(till, token))
    assert (token.balance(till.treasury), token.balance(till.payer)) == (1_400, 600)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (hostile_money.REVERTS_SILENTLY, REFUSED),
        (hostile_money.ANSWERS_NO, REFUSED),
        (hostile_money.ANSWERS_NO_BUT_PAYS, REFUSED),
        (hostile_money.ANSWERS_TWO, REFUSED),
        (hostile_money.ANSWERS_SHORT, REFUSED),
        (hostile_money.TAKES_FEE, SHORT),
        (hostile_money.GIVES_MORE, SHORT),
        (hostile_money.MOVES_NOTHING, SHORT),
        (hostile_money.MOVES_BACK, SHORT),
    ],
)
def test_a_token_that_does_not_pay_exactly_is_refused(till: Till, kind: Hostility, reason: str) -> None:
    token = HostileMoney(till.chain, kind)
    invoice = invoice_in(till, token)
    with refused(reason):
        till.pay(invoice)
    assert till.checkout.view("is_paid", invoice.invoice_id) is False


def test_a_token_that_blocks_the_receiver_leaves_the_invoice_unpaid(till: Till) -> None:
    token = HostileMoney(till.chain, hostile_money.BLOCKS)
    invoice = invoice_in(till, token)
    token.block(till.treasury)
    with refused(REFUSED):
        till.pay(invoice)
    token.block(ZERO)
    till.pay(invoice)


def test_a_token_without_balances_is_refused(till: Till) -> None:
    for token in (till.stranger, till.checkout.address):
        with refused("money: token has no balances"):
            till.pay(replace(till.invoice, payment_token=token))


def test_a_token_that_calls_back_pays_nothing_twice(till: Till) -> None:
    token = HostileMoney(till.chain, hostile_money.REENTERS)
    invoice = invoice_in(till, token)
    token.mint(token.address, 1_000)
    for number, inner in enumerate((invoice, replace(invoice, invoice_id=b"\7" * 32))):
        outer = replace(invoice, invoice_id=bytes([10 + number]) * 32)
        for act, more in (("pay", ()), ("pay_with_permit", (0, 27, b"\0" * 32, b"\0" * 32))):
            call = till.checkout.artifact.encode_call(act, inner.values(), till.signed(inner), *more)
            token.arm(till.checkout.address, call)
            with till.chain.undone():
                till.pay(outer)
                assert not token.has_entered()
    assert token.balance(till.treasury) == 1_000


@settings(max_examples=15, deadline=None)
@given(invoices=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 400)), min_size=1, max_size=12))
def test_what_leaves_the_payer_is_the_sum_of_the_invoices_that_are_paid(shared_chain: Chain, invoices: list[tuple[int, int]]) -> None:
    with shared_chain.undone():
        till = Till(shared_chain)
        paid: dict[int, int] = {}
        for number, amount in invoices:
            invoice = replace(till.invoice, invoice_id=bytes([number]) * 32, amount=amount)
            if number in paid:
                with refused(IS_PAID):
                    till.pay(invoice)
            elif sum(paid.values()) + amount > 1_000:
                with refused(REFUSED):
                    till.pay(invoice)
            else:
                till.pay(invoice)
                paid[number] = amount
        assert (till.has(till.treasury), till.has(till.payer)) == (sum(paid.values()), 1_000 - sum(paid.values()))
