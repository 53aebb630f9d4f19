# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Who may spend whose tokens: approvals and signed permits (ERC-20, ERC-2612, ERC-5267), in a signing domain that is bound to the
token's name. Knows nothing of balances.
"""

from access import refusals
from crypto import signatures
from token import texts

uses: texts

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256

event EIP712DomainChanged:
    pass

DOMAIN_TYPE: constant(bytes32) = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
PERMIT_TYPE: constant(bytes32) = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
DOMAIN_VERSION: constant(String[1]) = "1"
DOMAIN_VERSION_HASH: constant(bytes32) = keccak256("1")

allowance: public(HashMap[address, HashMap[address, uint256]])
nonces: public(HashMap[address, uint256])


@external
def approve(spender: address, amount: uint256) -> bool:
    """@notice Lets `spender` take up to `amount` from the caller; the greatest number is never used up."""
    self._approve(msg.sender, spender, amount)
    return True


@external
def increaseAllowance(spender: address, added: uint256) -> bool:
    """@notice Lets `spender` take that much more from the caller. Reverts where no number holds the sum."""
    self._approve(msg.sender, spender, self.allowance[msg.sender][spender] + added)
    return True


@external
def decreaseAllowance(spender: address, subtracted: uint256) -> bool:
    """@notice Lets `spender` take that much less from the caller."""
    self._approve(msg.sender, spender, self._remaining(self.allowance[msg.sender][spender], subtracted))
    return True


@external
def permit(owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    """@notice Approves by the owner's signature (ERC-2612), up to and including `deadline` in Unix seconds."""
    if block.timestamp > deadline:
        refusals._refuse("permit: deadline has passed")
    nonce: uint256 = self.nonces[owner]
    terms: bytes32 = keccak256(abi_encode(PERMIT_TYPE, owner, spender, amount, nonce, deadline))
    digest: bytes32 = keccak256(concat(x"1901", self._domain_separator(), terms))
    signer: address = signatures._recover(digest, convert(v, uint256), convert(r, uint256), convert(s, uint256))
    if signer == empty(address) or signer != owner:
        refusals._refuse("permit: signer is not the owner")
    self.nonces[owner] = unsafe_add(nonce, 1)  # Nobody signs 2**256 permits.
    self._approve(owner, spender, amount)


@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    return self._domain_separator()


@external
@view
def eip712Domain() -> (bytes1, String[64], String[1], uint256, address, bytes32, DynArray[uint256, 1]):
    """@notice The signing domain (ERC-5267): name, version, chain and this contract."""
    return (0x0f, texts._text(texts.NAME), DOMAIN_VERSION, chain.id, self, empty(bytes32), [])


@internal
def _set_name(name: String[64]):
    texts._set_text(texts.NAME, name)
    log EIP712DomainChanged()


@internal
def _approve(owner: address, spender: address, amount: uint256):
    if spender == empty(address):
        refusals._refuse("ERC20: approve to the zero address")
    self.allowance[owner][spender] = amount
    log Approval(owner=owner, spender=spender, value=amount)


@internal
def _spend(owner: address, spender: address, amount: uint256):
    """@dev Uses up `amount` of what `spender` may take from `owner`."""
    allowed: uint256 = self.allowance[owner][spender]
    if allowed != max_value(uint256):
        self.allowance[owner][spender] = self._remaining(allowed, amount)


@internal
@pure
def _remaining(allowed: uint256, amount: uint256) -> uint256:
    if amount > allowed:
        refusals._refuse("ERC20: insufficient allowance")
    return unsafe_sub(allowed, amount)  # Just compared.


@internal
@view
def _domain_separator() -> bytes32:
    # Computed at each use: a clone and a fork of the chain each get their own domain.
    return keccak256(abi_encode(DOMAIN_TYPE, keccak256(texts._text(texts.NAME)), DOMAIN_VERSION_HASH, chain.id, self))
