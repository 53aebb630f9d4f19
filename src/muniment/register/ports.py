# SPDX-License-Identifier: Apache-2.0
"""What the register needs: its own rows and the chain. Implemented in `store.py` and `chain.py`; whose a wallet is, parties says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from muniment.instruments.ports import InstrumentsUnit
from muniment.register.model import (
    Acquisition,
    Block,
    Holding,
    HoldingKey,
    Lockup,
    Lot,
    LotAnnotation,
    LotChanges,
    LotHolder,
    Movement,
    MovementKey,
    Notice,
    RegisterContent,
    TokenEvent,
    TokenReference,
)
from muniment.register.model.record_differences import FoundDifference, RecordDifference
from muniment.units.ids import Address, InvestorId, LotId, SecurityId, TenantId, TransactionHash
from muniment.units.shares import Shares


@dataclass(frozen=True, slots=True)
class MovementPlace:
    """Where a movement stands in the chain's order; pages go from newest to oldest and hang on it."""

    block_number: int
    log_index: int


@dataclass(frozen=True, slots=True)
class Origin:
    """A movement as what is said about it is known by, with how many base units it moved."""

    transaction_hash: TransactionHash
    position: int
    shares: int

    @property
    def key(self) -> MovementKey:
        """The movement's key."""
        return (self.transaction_hash, self.position)


class Tokens(Protocol):
    """Says which token on the chain a security is."""

    def token_of(self, security_id: SecurityId) -> TokenReference:
        """Return the token; `register.not_on_chain` where it is not deployed yet."""
        ...


class Register(Protocol):
    """Reads the projection, one tenant's rows. Every figure is after the last block that was read, unless it says otherwise."""

    def balance_of(self, security_id: SecurityId, wallet: Address) -> Shares:
        """Return what a wallet holds; 0 for one that holds nothing."""
        ...

    def balances_of(self, security_id: SecurityId, wallets: Sequence[Address]) -> Mapping[Address, Shares]:
        """Return what each wallet holds, 0 included."""
        ...

    def investor_balance(self, security_id: SecurityId, investor_id: InvestorId) -> Shares:
        """Return the sum over all wallets of the investor."""
        ...

    def is_frozen(self, security_id: SecurityId, wallet: Address) -> bool:
        """Return whether the whole wallet is frozen."""
        ...

    def frozen_wallets(self, security_id: SecurityId) -> frozenset[Address]:
        """Return the wallets that are frozen as a whole."""
        ...

    def frozen_shares(self, security_id: SecurityId, wallet: Address) -> Shares:
        """Return how many of a wallet's shares are frozen."""
        ...

    def lockups(self, security_id: SecurityId, wallets: Sequence[Address] | None = None) -> Mapping[Address, Sequence[Lockup]]:
        """Return what is locked of each wallet, or of some, with tranches that have ended and were never released."""
        ...

    def is_paused(self, security_id: SecurityId) -> bool:
        """Return whether the token is paused; tokens start paused."""
        ...

    def supply(self, security_id: SecurityId) -> Shares:
        """Return the sum of all holdings."""
        ...

    def holder_count(self, security_id: SecurityId) -> int:
        """Return how many investors (and wallets of nobody known) hold at least one base unit."""
        ...

    def holding(self, security_id: SecurityId, wallet: Address) -> Holding | None:
        """Return a wallet's holding, or None where it holds nothing and is not frozen."""
        ...

    def holdings(self, security_id: SecurityId) -> Sequence[Holding]:
        """Return every holding, by wallet."""
        ...

    def holdings_after(self, security_id: SecurityId, block_number: int, *, block_hash: str | None = None) -> Sequence[Holding]:
        """Return every holding as it was after a block, by wallet; `register.behind` where that block is not read yet.

        With `block_hash` (lower-case hex), also where another block of that number was read, on a branch that the chain has left.
        """
        ...

    def securities_held(self, wallet: Address) -> Sequence[Address]:
        """Return the token contracts in which the wallet has a holding."""
        ...

    def movements(
        self, security_id: SecurityId, *, wallet: Address | None = None, before: MovementPlace | None = None, limit: int = 100
    ) -> Sequence[Movement]:
        """Return movements from newest to oldest, those before a place where one is given, of one wallet where one is given."""
        ...

    def movements_in(self, token: Address, transaction_hash: str) -> Sequence[Movement]:
        """Return the movements that one transaction made, in their order."""
        ...

    def mints_and_burns(self, security_id: SecurityId) -> Sequence[Movement]:
        """Return the movements that created or destroyed shares, in the chain's order."""
        ...

    def notices(self, security_id: SecurityId) -> Sequence[Notice]:
        """Return every notice in the chain's order."""
        ...

    def recoveries(self) -> Sequence[Notice]:
        """Return every recovery of a wallet, of any of the issuer's tokens, in the chain's order."""
        ...

    def deed_contracts(self) -> Sequence[TokenReference]:
        """Return the issuer's contracts of title deeds, each with all its deeds, by address."""
        ...

    def content_after(self, token: TokenReference, block_number: int) -> RegisterContent:
        """Return the whole register of a token after a block, held still against the follower while it is read."""
        ...

    def read_block(self) -> int:
        """Return the number of the last block that the follower has given to the register; -1 before the first."""
        ...


class RegisterChain(Protocol):
    """Reads a token's history and its present answers from the node, past the projection."""

    def final_block(self) -> Block:
        """Return the last final block."""
        ...

    def block(self, number: int) -> Block:
        """Return one block by number."""
        ...

    def last_block_until(self, instant: dt.datetime, *, final_block: Block) -> Block | None:
        """Return the last block with a time of `instant` or before, searched up to `final_block`; None before the chain's first."""
        ...

    def history(self, token: TokenReference, *, to_block: int) -> Sequence[TokenEvent]:
        """Return every movement and notice of a token from its first block to `to_block`, in the chain's order."""
        ...

    def balances(self, token: TokenReference, wallets: Sequence[Address], *, block_number: int) -> Mapping[Address, int]:
        """Return `balanceOf` (of one deed: its owner's 1) for each wallet after a block."""
        ...

    def supply(self, token: TokenReference, *, block_number: int) -> int:
        """Return `totalSupply` (of one deed: 1 while it exists) after a block."""
        ...


class ProjectionStore(Protocol):
    """Writes the projection, inside the follower's transaction."""

    def holdings_at(self, keys: Iterable[HoldingKey]) -> Sequence[Holding]:
        """Return the stored holdings among `keys`, locked until the transaction ends."""
        ...

    def append(self, tenants: Mapping[Address, TenantId], events: Iterable[TokenEvent]) -> None:
        """Store events that are not stored yet."""
        ...

    def put(self, tenants: Mapping[Address, TenantId], keys: Iterable[HoldingKey], holdings: Iterable[Holding]) -> None:
        """Set the holdings of `keys` to `holdings`; a key without one loses its row."""
        ...

    def events_above(self, block_number: int) -> Sequence[TokenEvent]:
        """Return the stored events of later blocks."""
        ...

    def remove_above(self, block_number: int) -> None:
        """Forget the events of later blocks."""
        ...

    def remove_everything(self) -> None:
        """Forget all events and holdings."""
        ...

    def events_of(self, keys: Iterable[HoldingKey]) -> Sequence[TokenEvent]:
        """Return the stored events that touch any of `keys`, in the chain's order."""
        ...

    def known_places(self, tokens: Sequence[Address], *, from_block: int, to_block: int) -> set[tuple[Address, int, int]]:
        """Return token, block and log index of each stored event of the tokens between two blocks, both included."""
        ...

    def tenants_of(self, tokens: Iterable[Address]) -> Mapping[Address, TenantId]:
        """Return the tenant of each token that has stored events."""
        ...

    def hold_still(self) -> None:
        """Keep verifiers out until the transaction ends."""
        ...


class LotStore(Protocol):
    """Writes the lots of tokens: inside the follower's transaction of all issuers, or inside a command's of one."""

    def hold_still(self) -> None:
        """Keep the follower and verifiers out until the transaction ends."""
        ...

    def is_stale(self, token: Address) -> bool:
        """Return whether a wallet that has lots of its own belongs to an investor by now: then they have to be made again."""
        ...

    def last_block(self, token: Address) -> int:
        """Return the block of the last movement that opened a lot or took of one; -1 before the first."""
        ...

    def events_after(self, token: Address, block_number: int) -> Sequence[TokenEvent]:
        """Return the token's stored events of later blocks, in the chain's order."""
        ...

    def open_lots(self, token: Address, holders: Iterable[LotHolder] | None = None) -> Sequence[Lot]:
        """Return the lots of a token of which something is left, of some holders where given."""
        ...

    def opened_at(self, token: Address, places: Collection[tuple[int, int]]) -> Sequence[Lot]:
        """Return the lots that movements at these places (block, log index) opened, in the chain's order."""
        ...

    def owners(self, token: Address, wallets: Iterable[Address]) -> Mapping[Address, InvestorId]:
        """Return whose the wallets are, as far as the token's issuer knows."""
        ...

    def annotations(self, token: Address, transactions: Iterable[TransactionHash] | None = None) -> Mapping[MovementKey, LotAnnotation]:
        """Return what was said about the token's movements, of some transactions where given."""
        ...

    def apply(self, token: Address, changes: LotChanges) -> None:
        """Store new lots and takings, and take the takings off their lots."""
        ...

    def remove(self, token: Address) -> None:
        """Forget every lot of a token."""
        ...

    def take_out(self, token: Address, holders: Collection[LotHolder], *, from_block: int) -> tuple[Sequence[Lot], Sequence[Lot]]:
        """Undo what movements from a block on did to the lots of some holders; return those open before, and those opened since.

        Of the latter, which are forgotten, nothing is taken yet. What the same movements did to other holders stays.
        """
        ...

    def remove_above(self, block_number: int) -> None:
        """Forget the lots of later blocks, and give back what later blocks took."""
        ...


class Lots(LotStore, Protocol):
    """Reads one issuer's lots, and keeps what officers say about movements."""

    def of_security(
        self,
        security_id: SecurityId,
        *,
        investor_id: InvestorId | None = None,
        at: dt.datetime | None = None,
        block_number: int | None = None,
    ) -> Sequence[Lot]:
        """Return the lots that are open, or were after the blocks until an instant or a block, of one investor where one is given.

        By holder, then by acquisition. Right even where a wallet has changed hands since they were stored.
        """
        ...

    def page(
        self, security_id: SecurityId, *, investor_id: InvestorId | None = None, after: LotId | None = None, limit: int
    ) -> Sequence[Lot] | None:
        """Return at most `limit` of the open lots, by holder, then by acquisition: those after one of them where it is given.

        None where `after` is no open lot among them.
        """
        ...

    def of_holders(self, security_id: SecurityId, holders: Collection[LotHolder]) -> Sequence[Lot]:
        """Return the open lots of some holders, by holder, then by acquisition."""
        ...

    def acquisitions(
        self, security_id: SecurityId, *, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> Sequence[Acquisition]:
        """Return the security's movements with both sides and what was said, from `since` on and before `until`, oldest first."""
        ...

    def stale_tokens(self) -> Sequence[Address]:
        """Return the tokens whose lots have to be made again."""
        ...

    def changes(self, token: Address, *, block_number: int | None = None) -> LotChanges:
        """Return the stored lots and takings of a token, up to a block where one is given."""
        ...

    def origins(self, token: Address, places: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], Origin]:
        """Return which movements stand at these places (block, log index)."""
        ...

    def annotate(self, token: Address, key: MovementKey, annotation: LotAnnotation, *, at: dt.datetime) -> None:
        """Keep what was said about a movement; what was said before is gone."""
        ...


class RecordDifferences(Protocol):
    """What comparisons of one issuer's records have found."""

    def put(self, found: Sequence[FoundDifference], *, compared: Sequence[Address], at: dt.datetime) -> None:
        """Keep what a comparison of some tokens found: the new, the still there with its values of now; end what is no longer found."""
        ...

    def standing(self) -> Sequence[RecordDifference]:
        """Return the differences that stand, the oldest first."""
        ...


class RegisterUnit(InstrumentsUnit, Protocol):
    """One transaction of one issuer, with what reading the register needs."""

    @property
    def register(self) -> Register:
        """The projection."""
        ...

    @property
    def register_chain(self) -> RegisterChain:
        """The node, asked past the projection."""
        ...

    @property
    def lots(self) -> Lots:
        """Lots."""
        ...

    @property
    def record_differences(self) -> RecordDifferences:
        """Record differences."""
        ...
