# SPDX-License-Identifier: Apache-2.0
"""Merkle trees as OpenZeppelin's merkle-tree library makes them ("standard"), in as few lines as a test can trust."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import eth_abi
from eth_hash.auto import keccak


def pair(one: bytes, other: bytes) -> bytes:
    return keccak(min(one, other) + max(one, other))


class Tree:
    """A tree over statements of these types; `tree.proof(statement)` leads from one of them to `tree.root`."""

    def __init__(self, types: Sequence[str], statements: Sequence[tuple[Any, ...]]) -> None:
        self._types = types
        leaves = sorted(self.leaf(statement) for statement in statements)
        # A heap: the children of node n are 2n + 1 and 2n + 2, and the leaves stand at its end, the smallest last.
        self._nodes = [b""] * (len(leaves) - 1) + leaves[::-1]
        for place in range(len(leaves) - 2, -1, -1):
            self._nodes[place] = pair(self._nodes[2 * place + 1], self._nodes[2 * place + 2])

    @property
    def root(self) -> bytes:
        return self._nodes[0]

    def leaf(self, statement: tuple[Any, ...]) -> bytes:
        return keccak(keccak(eth_abi.encode(self._types, statement)))

    def proof(self, statement: tuple[Any, ...]) -> list[bytes]:
        place = self._nodes.index(self.leaf(statement))
        siblings: list[bytes] = []
        while place > 0:
            siblings.append(self._nodes[place + 1 if place % 2 else place - 1])
            place = (place - 1) // 2
        return siblings


def deep_proof(leaf: bytes, levels: int) -> tuple[bytes, list[bytes]]:
    """Return the root and the proof of one leaf in a tree of 2**levels, of which nobody needs to know the rest."""
    node = leaf
    siblings = [keccak(f"sibling {level}".encode()) for level in range(levels)]
    for sibling in siblings:
        node = pair(node, sibling)
    return node, siblings
