# SPDX-License-Identifier: Apache-2.0
"""What is known of wallets, investors and a security when somebody asks whether shares may move. What follows from it is in `decision`."""

from __future__ import annotations

from dataclasses import dataclass, field

from muniment.register.model import Lockup
from muniment.units.ids import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class InvestorFacts:
    """What the contract of further rules remembers of a wallet's investor, as of its newest block. Shares in base units."""

    category: int = 0
    country_place: int | None = None
    """The country (ISO 3166-1 numeric) where the investor is counted as a holder; None where it is not counted."""
    is_counted_by_category: bool = False
    """Whether the investor is counted as a holder in its category."""
    sent: int = 0
    """What was sent in the present volume period."""
    held_back: int = 0
    """What was acquired within the holding period."""
    free_at: int = 0
    """When the last of that will have been held long enough; Unix seconds, 0 when nothing is held back."""


@dataclass(frozen=True, slots=True)
class WalletFacts:
    """What is known of a wallet when the question is asked. Shares in base units; `verified_until` in Unix seconds, exclusive."""

    address: Address
    balance: int = 0
    frozen_shares: int = 0
    is_frozen: bool = False
    lockups: tuple[Lockup, ...] = ()
    identity: Address | None = None
    """Whose wallet the identity registry says it is; None for an unknown one."""
    is_registered: bool = False
    """False also for a lost wallet that was replaced, which still belongs to its identity."""
    country: int | None = None
    verified_until: int = 0
    elsewhere: int = 0
    """What the other wallets of the same identity hold."""
    remembered: InvestorFacts = field(default_factory=InvestorFacts)

    @property
    def free(self) -> int:
        """What is held and not frozen; more may be frozen than is held."""
        return max(0, self.balance - self.frozen_shares)

    @property
    def position(self) -> int:
        """What the wallet's investor holds over all wallets."""
        return self.balance + self.elsewhere

    def locked(self, at_seconds: int) -> int:
        """Return how many shares are locked at an instant, in Unix seconds."""
        return sum(lockup.shares for lockup in self.lockups if lockup.unlocks_at > at_seconds)


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What is known of the security when the question is asked."""

    is_paused: bool
    supply: int
    holders: int
    decimals: int
    is_bound: bool = True
    country_holders: int = 0
    """Investors counted as holders in the recipient's country."""
    category_holders: int = 0
    """Investors counted as holders in the recipient's category."""


@dataclass(frozen=True, slots=True)
class Move:
    """The question: `sender` None asks about an issue."""

    sender: WalletFacts | None
    receiver: WalletFacts
    shares: int
    approved_until: int = 0
    """Until when the transfer agent has approved this very transfer; Unix seconds, exclusive, 0 for never."""

    @property
    def is_own(self) -> bool:
        """Whether both wallets are one investor's, between which nothing changes that is counted."""
        if self.sender is None:
            return False
        same_identity = self.sender.identity is not None and self.sender.identity == self.receiver.identity
        return self.sender.address == self.receiver.address or same_identity

    @property
    def leaves(self) -> bool:
        """Whether the sender's investor holds nothing after the move."""
        return self.sender is not None and self.sender.balance == self.shares and self.sender.elsewhere == 0

    @property
    def joins(self) -> bool:
        """Whether the move makes the recipient's investor a holder."""
        return self.shares > 0 and not self.is_own and self.receiver.position == 0
