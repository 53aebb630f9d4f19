# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Takes money of a payment token in, and pays it out, to the exact amount or not at all. Knows nothing of what it is for.
@dev A payment token that returns nothing is taken for a yes, as with some old and widely used ones; whatever it answers, this
contract's balance must change by exactly the amount. Callers hold a lock: weighing alone does not stop a token that calls back.
"""


@internal
def _take(payment_token: address, payer: address, amount: uint256):
    """@dev Moves `amount` of the payment token from `payer`, who has approved this contract, to here."""
    before: uint256 = self._balance(payment_token, self)
    self._transfer_from(payment_token, payer, self, amount)
    after: uint256 = self._balance(payment_token, self)
    assert after >= before and after - before == amount, "money: not the amount arrived"


@internal
def _pay(payment_token: address, receiver: address, amount: uint256):
    """@dev Moves `amount` of the payment token from here to `receiver`."""
    before: uint256 = self._balance(payment_token, self)
    self._ask(payment_token, abi_encode(receiver, amount, method_id=method_id("transfer(address,uint256)")))
    after: uint256 = self._balance(payment_token, self)
    assert before >= after and before - after == amount, "money: not the amount left"


@internal
def _transfer_from(payment_token: address, payer: address, receiver: address, amount: uint256):
    """@dev Weighs nothing: for callers who weigh themselves."""
    self._ask(payment_token, abi_encode(payer, receiver, amount, method_id=method_id("transferFrom(address,address,uint256)")))


@internal
def _ask(payment_token: address, message: Bytes[100]):
    success: bool = False
    response: Bytes[32] = b""
    success, response = raw_call(payment_token, message, max_outsize=32, revert_on_failure=False)
    assert success, "money: payment refused"
    if len(response) > 0:
        assert len(response) == 32 and convert(response, uint256) == 1, "money: payment refused"


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
    assert success and len(response) == 32, "money: token has no balances"
    return convert(response, uint256)
