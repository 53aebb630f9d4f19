# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Pays many holders in one transaction, each batch of a run once. Never holds money; who is owed what is decided elsewhere.
"""

RECIPIENTS_MAX: constant(uint256) = 200

event BatchPaid:
    payer: indexed(address)
    run_id: indexed(bytes32)
    batch_id: uint256
    payment_token: address
    total: uint256
    recipients: uint256

event Paid:
    run_id: indexed(bytes32)
    recipient: indexed(address)
    amount: uint256

is_paid: public(HashMap[address, HashMap[bytes32, HashMap[uint256, bool]]])


@external
def push(
    run_id: bytes32,
    batch_id: uint256,
    payment_token: address,
    recipients: DynArray[address, RECIPIENTS_MAX],
    amounts: DynArray[uint256, RECIPIENTS_MAX],
) -> uint256:
    """
    @notice Sends each recipient its amount from the caller, who has approved this contract for the sum.
    @dev All or nothing. The guard is per caller, so nobody can spoil another payer's run.
    @return The sum paid, in the payment token's smallest unit.
    """
    assert len(recipients) > 0, "payout: batch is empty"
    assert len(recipients) == len(amounts), "payout: recipients and amounts differ in number"
    assert payment_token.is_contract, "payout: payment token has no code"
    assert not self.is_paid[msg.sender][run_id][batch_id], "payout: batch already paid"
    # Set before any call leaves: a payment token that calls back finds the batch paid.
    self.is_paid[msg.sender][run_id][batch_id] = True

    total: uint256 = 0
    for position: uint256 in range(len(recipients), bound=RECIPIENTS_MAX):
        recipient: address = recipients[position]
        amount: uint256 = amounts[position]
        assert recipient != empty(address), "payout: recipient is the zero address"
        assert amount > 0, "payout: amount is zero"
        total += amount
        # The first payment is weighed: a payment token that keeps a fee would short every holder.
        is_weighed: bool = position == 0 and recipient != msg.sender
        balance_before: uint256 = 0
        if is_weighed:
            balance_before = self._balance(payment_token, recipient)
        self._pay(payment_token, msg.sender, recipient, amount)
        if is_weighed:
            received: uint256 = self._balance(payment_token, recipient)
            assert received >= balance_before and received - balance_before == amount, "payout: recipient did not get the amount"
        log Paid(run_id=run_id, recipient=recipient, amount=amount)
    log BatchPaid(
        payer=msg.sender, run_id=run_id, batch_id=batch_id, payment_token=payment_token, total=total, recipients=len(recipients)
    )
    return total


@internal
def _pay(payment_token: address, payer: address, recipient: address, amount: uint256):
    """@dev Takes a token that returns nothing for a yes, as some old and widely used ones do."""
    success: bool = False
    response: Bytes[32] = b""
    success, response = raw_call(
        payment_token,
        abi_encode(payer, recipient, amount, method_id=method_id("transferFrom(address,address,uint256)")),
        max_outsize=32,
        revert_on_failure=False,
    )
    assert success, "payout: payment refused"
    if len(response) > 0:
        assert len(response) == 32 and convert(response, uint256) == 1, "payout: payment refused"


@internal
@view
def _balance(payment_token: address, holder: address) -> uint256:
    success: bool = False
    response: Bytes[32] = b""
    success, response = raw_call(
        payment_token,
        abi_encode(holder, method_id=method_id("balanceOf(address)")),
        max_outsize=32,
        revert_on_failure=False,
        is_static_call=True,
    )
    assert success and len(response) == 32, "payout: payment token has no balances"
    return convert(response, uint256)
