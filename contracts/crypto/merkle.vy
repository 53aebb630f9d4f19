# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Whether a statement stands in a list of which only the root is known. A leaf is the statement, ABI-encoded and hashed twice, so
that no inner node passes for one; pairs are sorted, so that a proof needs no sides: the "standard" tree of OpenZeppelin's merkle-tree
library, which any tool that speaks it makes and checks. Knows nothing of what a statement says.
"""

# A list of four thousand million statements.
PROOF_MAX: constant(uint256) = 32


@internal
@pure
def _root(leaf: bytes32, proof: DynArray[bytes32, PROOF_MAX]) -> bytes32:
    """@dev The root of the only list in which `proof` places `leaf`."""
    node: bytes32 = leaf
    for sibling: bytes32 in proof:
        if convert(node, uint256) < convert(sibling, uint256):
            node = keccak256(abi_encode(node, sibling))
        else:
            node = keccak256(abi_encode(sibling, node))
    return node
