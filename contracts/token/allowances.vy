# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Who may spend whose tokens: approvals and signed permits (ERC-20, ERC-2612, ERC-5267). Holds the token's name, which the
signing domain is bound to. Knows nothing of balances.
"""

from crypto import signatures

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256

event EIP712DomainChanged:
    pass

DOMAIN_TYPE: constant(bytes32) = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
PERMIT_TYPE: constant(bytes32) = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
DOMAIN_VERSION: constant(String[1]) = "1"

name: public(String[64])
allowance: public(HashMap[address, HashMap[address, uint256]])
nonces: public(HashMap[address, uint256])


@external
def approve(spender: address, amount: uint256) -> bool:
    """@notice Lets `spender` take up to `amount` from the caller; the greatest number is never used up."""
    self._approve(msg.sender, spender, amount)
    return True


@external
def increaseAllowance(spender: address, added: uint256) -> bool:
    """@notice Lets `spender` take that much more from the caller."""
    allowed: uint256 = self.allowance[msg.sender][spender]
    assert added <= max_value(uint256) - allowed, "ERC20: increased allowance does not fit"
    self._approve(msg.sender, spender, unsafe_add(allowed, added))  # Just compared.
    return True


@external
def decreaseAllowance(spender: address, subtracted: uint256) -> bool:
    """@notice Lets `spender` take that much less from the caller."""
    allowed: uint256 = self.allowance[msg.sender][spender]
    assert subtracted <= allowed, "ERC20: decreased allowance below zero"
    self._approve(msg.sender, spender, unsafe_sub(allowed, subtracted))  # Just compared.
    return True


@external
def permit(owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    """@notice Approves by the owner's signature (ERC-2612), up to and including `deadline` in Unix seconds."""
    assert block.timestamp <= deadline, "permit: deadline has passed"
    nonce: uint256 = self.nonces[owner]
    terms: bytes32 = keccak256(abi_encode(PERMIT_TYPE, owner, spender, amount, nonce, deadline))
    digest: bytes32 = keccak256(concat(x"1901", self._domain_separator(), terms))
    signer: address = signatures._recover(digest, convert(v, uint256), convert(r, uint256), convert(s, uint256))
    assert signer != empty(address) and signer == owner, "permit: signature is not the owner's"
    self.nonces[owner] = nonce + 1
    self._approve(owner, spender, amount)


@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    return self._domain_separator()


@external
@view
def eip712Domain() -> (bytes1, String[64], String[1], uint256, address, bytes32, DynArray[uint256, 1]):
    """@notice The signing domain (ERC-5267): name, version, chain and this contract."""
    return (0x0f, self.name, DOMAIN_VERSION, chain.id, self, empty(bytes32), [])


@internal
def _set_name(name: String[64]):
    self.name = name
    log EIP712DomainChanged()


@internal
def _approve(owner: address, spender: address, amount: uint256):
    assert spender != empty(address), "ERC20: approve to the zero address"
    self.allowance[owner][spender] = amount
    log Approval(owner=owner, spender=spender, value=amount)


@internal
def _spend(owner: address, spender: address, amount: uint256):
    """@dev Uses up `amount` of what `spender` may take from `owner`."""
    allowed: uint256 = self.allowance[owner][spender]
    if allowed == max_value(uint256):
        return
    assert allowed >= amount, "ERC20: insufficient allowance"
    self.allowance[owner][spender] = unsafe_sub(allowed, amount)  # Just compared: cannot fall below zero.


@internal
@view
def _domain_separator() -> bytes32:
    # Computed at each use: a clone and a fork of the chain each get their own domain.
    return keccak256(abi_encode(DOMAIN_TYPE, keccak256(self.name), keccak256(DOMAIN_VERSION), chain.id, self))
