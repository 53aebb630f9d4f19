# SPDX-License-Identifier: Apache-2.0
"""When a block counts as final: a number of confirmations, or the chain's own finalized tag. Asks no node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Confirmations:
    """A block is final with `blocks` blocks on top of it. 2 is for a local chain; choose by the chain's record."""

    blocks: int = 2

    def __post_init__(self) -> None:
        """Hold the one invariant."""
        assert self.blocks >= 0, "confirmations are not negative"

    def final_number(self, head_number: int) -> int:
        """Return the newest final block; -1 while there is none."""
        return max(-1, head_number - self.blocks)


@dataclass(frozen=True, slots=True)
class FinalizedTag:
    """A block is final when the node's `finalized` tag has reached it (proof-of-stake chains)."""


Finality: TypeAlias = Confirmations | FinalizedTag
