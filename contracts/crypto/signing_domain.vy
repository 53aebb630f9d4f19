# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice What a signature over typed data is bound to (EIP-712): the contract's name, version 1, this chain and this contract.
"""

DOMAIN_TYPE: constant(bytes32) = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
DOMAIN_VERSION: constant(String[1]) = "1"


@internal
@view
def _digest(name: String[64], terms: bytes32) -> bytes32:
    """@dev What is signed for `terms`, the hash of the typed data. Computed at each use: a fork of the chain gets its own domain."""
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, keccak256(name), keccak256(DOMAIN_VERSION), chain.id, self))
    return keccak256(concat(x"1901", domain, terms))


@internal
@view
def _description(name: String[64]) -> (bytes1, String[64], String[1], uint256, address, bytes32, DynArray[uint256, 1]):
    """@dev The domain as ERC-5267 describes it: name, version, chain and contract, neither salt nor extensions."""
    return (0x0f, name, DOMAIN_VERSION, chain.id, self, empty(bytes32), [])
