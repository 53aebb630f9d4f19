# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Money for trials: an ERC-20 with permits that its owner mints at will. Not for real money; no compliance lives here.
"""

from access import ownership
from token import allowances
from token import texts

initializes: ownership
initializes: texts
initializes: allowances[texts := texts]

exports: (ownership.owner, ownership.transferOwnership)
exports: (texts.name, texts.symbol)
exports: (
    allowances.allowance,
    allowances.nonces,
    allowances.approve,
    allowances.permit,
    allowances.DOMAIN_SEPARATOR,
    allowances.eip712Domain,
)

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256

balanceOf: public(HashMap[address, uint256])
totalSupply: public(uint256)
decimals: public(uint8)


@deploy
def __init__():
    ownership._set_owner(msg.sender)


@external
def initialize(name: String[64], symbol: String[32], decimals: uint8):
    """@notice Gives the token its name, ticker and number of decimals, once. Owner only."""
    ownership._check_owner()
    assert texts._words[texts.SYMBOL] == 0, "Initializable: contract is already initialized"
    assert len(name) > 0 and len(symbol) > 0, "invalid argument - empty string"
    assert decimals <= 18, "decimals between 0 and 18"
    allowances._set_name(name)
    texts._set_text(texts.SYMBOL, symbol)
    self.decimals = decimals


@external
def mint(receiver: address, amount: uint256):
    """@notice Creates `amount` for `receiver`. Owner only."""
    ownership._check_owner()
    assert receiver != empty(address), "ERC20: mint to the zero address"
    self.totalSupply += amount
    self.balanceOf[receiver] += amount
    log Transfer(sender=empty(address), receiver=receiver, amount=amount)


@external
def burn(amount: uint256):
    """@notice Destroys `amount` of the caller's own tokens."""
    assert self.balanceOf[msg.sender] >= amount, "ERC20: burn amount exceeds balance"
    self.balanceOf[msg.sender] = unsafe_sub(self.balanceOf[msg.sender], amount)  # Just compared.
    self.totalSupply -= amount
    log Transfer(sender=msg.sender, receiver=empty(address), amount=amount)


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._transfer(msg.sender, receiver, amount)
    return True


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    allowances._spend(sender, msg.sender, amount)
    self._transfer(sender, receiver, amount)
    return True


@internal
def _transfer(sender: address, receiver: address, amount: uint256):
    assert receiver != empty(address), "ERC20: transfer to the zero address"
    balance: uint256 = self.balanceOf[sender]
    assert balance >= amount, "ERC20: transfer amount exceeds balance"
    self.balanceOf[sender] = unsafe_sub(balance, amount)  # Just compared.
    self.balanceOf[receiver] = unsafe_add(self.balanceOf[receiver], amount)  # No balance exceeds the supply, which is checked.
    log Transfer(sender=sender, receiver=receiver, amount=amount)
