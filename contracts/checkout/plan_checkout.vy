# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Pays an invoice that the seller has signed: once, its exact amount, before its deadline, straight from payer to receiver. Never
holds money. What a plan is, and what it costs, is the seller's business.
"""

from access import ownership
from crypto import account_signatures
from crypto import signing_domain
from token import money

initializes: ownership

exports: (ownership.owner, ownership.transferOwnership)

NAME: constant(String[64]) = "Muniment Plan Checkout"
INVOICE_TYPE: constant(bytes32) = keccak256(
    "Invoice(bytes32 invoiceId,address payer,address paymentToken,uint256 amount,address receiver,uint256 deadline,bytes32 planId)"
)

event SignerSet:
    signer: indexed(address)

event ReceiverSet:
    receiver: indexed(address)
    is_allowed: bool

event InvoicePaid:
    invoice_id: indexed(bytes32)
    payer: indexed(address)
    plan_id: indexed(bytes32)
    payment_token: address
    amount: uint256
    receiver: address

struct Invoice:
    invoice_id: bytes32
    # Zero: whoever comes.
    payer: address
    payment_token: address
    # In the payment token's smallest unit.
    amount: uint256
    receiver: address
    # The last second in which it can be paid.
    deadline: uint256
    plan_id: bytes32

# Whose signature makes an invoice; zero: nobody's, and nothing can be paid.
signer: public(address)
is_receiver: public(HashMap[address, bool])
is_paid: public(HashMap[bytes32, bool])


@external
def initialize():
    """@notice Makes the caller the owner, once."""
    ownership._begin()


@external
def set_signer(signer: address):
    """@notice Lets only `signer`, a key or a contract (ERC-1271), make invoices; the zero address: nobody. Old invoices end. Owner only."""
    ownership._check_owner()
    self.signer = signer
    log SignerSet(signer=signer)


@external
def set_receiver(receiver: address, is_allowed: bool):
    """@notice Says whether invoices may pay `receiver`: a stolen signer's key cannot send the money elsewhere. Owner only."""
    ownership._check_owner()
    assert receiver != empty(address), "checkout: receiver is the zero address"
    self.is_receiver[receiver] = is_allowed
    log ReceiverSet(receiver=receiver, is_allowed=is_allowed)


@external
@nonreentrant
def pay(invoice: Invoice, signature: Bytes[512]):
    """@notice Pays the invoice from the caller, who has approved this contract for its amount."""
    self._accept(invoice, signature)
    self._move(invoice)


@external
@nonreentrant
def pay_with_permit(invoice: Invoice, signature: Bytes[512], permit_deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    """
    @notice Pays the invoice from the caller, who permits its amount by signature (ERC-2612) in the same transaction.
    @dev The permit may fail: somebody may have used it up already, which leaves the approval that it gives.
    """
    self._accept(invoice, signature)
    success: bool = raw_call(
        invoice.payment_token,
        abi_encode(
            msg.sender,
            self,
            invoice.amount,
            permit_deadline,
            v,
            r,
            s,
            method_id=method_id("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"),
        ),
        revert_on_failure=False,
    )
    self._move(invoice)


@external
@view
def invoice_digest(invoice: Invoice) -> bytes32:
    """@notice What the signer signs (EIP-712)."""
    return self._invoice_digest(invoice)


@external
@view
def eip712Domain() -> (bytes1, String[64], String[1], uint256, address, bytes32, DynArray[uint256, 1]):
    """@notice The signing domain (ERC-5267): name, version, chain and this contract."""
    return signing_domain._description(NAME)


@internal
def _accept(invoice: Invoice, signature: Bytes[512]):
    """@dev Marks the invoice paid before any call that changes something leaves: a token that calls back finds it so."""
    assert block.timestamp <= invoice.deadline, "checkout: deadline has passed"
    assert not self.is_paid[invoice.invoice_id], "checkout: invoice is paid"
    assert invoice.payer == empty(address) or invoice.payer == msg.sender, "checkout: invoice is for another payer"
    assert invoice.amount > 0, "checkout: amount is zero"
    assert self.is_receiver[invoice.receiver], "checkout: receiver is not allowed"
    digest: bytes32 = self._invoice_digest(invoice)
    assert account_signatures._is_signed_by(self.signer, digest, signature), "checkout: signature is not the signer's"
    self.is_paid[invoice.invoice_id] = True
    log InvoicePaid(
        invoice_id=invoice.invoice_id,
        payer=msg.sender,
        plan_id=invoice.plan_id,
        payment_token=invoice.payment_token,
        amount=invoice.amount,
        receiver=invoice.receiver,
    )


@internal
def _move(invoice: Invoice):
    balance_before: uint256 = money._balance(invoice.payment_token, invoice.receiver)
    money._transfer_from(invoice.payment_token, msg.sender, invoice.receiver, invoice.amount)
    balance: uint256 = money._balance(invoice.payment_token, invoice.receiver)
    assert balance >= balance_before and balance - balance_before == invoice.amount, "checkout: receiver did not get the amount"


@internal
@view
def _invoice_digest(invoice: Invoice) -> bytes32:
    # A struct of seven words encodes to these words, as EIP-712 wants them.
    return signing_domain._digest(NAME, keccak256(abi_encode(INVOICE_TYPE, invoice)))
