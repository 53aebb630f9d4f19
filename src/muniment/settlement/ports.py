# SPDX-License-Identifier: Apache-2.0
"""What settlement needs: its instructions, the token's calls, the chain's answers. Implemented in `store.py` and `chain.py`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from muniment.compliance.ports import ComplianceUnit
from muniment.infra.evm.sender import ChainTransaction
from muniment.register.model import TokenReference
from muniment.settlement.model import Instruction, InstructionState
from muniment.units.ids import Address, ChainTransactionId, InstructionId, SecurityId, TransactionHash, UserId
from muniment.units.payment_tokens import PaymentToken


@dataclass(frozen=True, slots=True)
class InstructionPlace:
    """Where an instruction stands in the list, newest first; pages hang on it."""

    requested_at: dt.datetime
    instruction_id: InstructionId


@dataclass(frozen=True, slots=True)
class ExternalMint:
    """A mint that no instruction of ours made, and who said that it is known and why."""

    transaction_hash: TransactionHash
    marked_by: UserId | None
    marked_at: dt.datetime
    note: str


@dataclass(frozen=True, slots=True)
class SignedPurpose:
    """A signed transaction as the sender's book has it."""

    purpose: str
    sender: Address
    nonce: int
    hash: TransactionHash
    state: str
    succeeded: bool | None
    block_number: int | None
    forms: tuple[TransactionHash, ...]
    """Every hash under which it was signed: whichever is mined closes it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction to sign: the contract, the calldata, how much gas it may use, how much of the chain's coin it carries (wei)."""

    to: Address
    data: bytes
    gas_limit: int
    value: int = 0


@dataclass(frozen=True, slots=True)
class ChainRefusal:
    """Why the chain did not do it, as the code and the sentence that the check before sending uses."""

    code: str
    sentence: str


class Instructions(Protocol):
    """The instructions of one tenant."""

    def add(self, instruction: Instruction) -> bool:
        """Store a new instruction as requested; return False, and change nothing, where its id is there already."""
        ...

    def get(self, instruction_id: InstructionId) -> InstructionState:
        """Return one instruction; `settlement.unknown_instruction` where there is none."""
        ...

    def lock(self, instruction_id: InstructionId) -> InstructionState:
        """Return one instruction and keep others from changing it until the transaction ends."""
        ...

    def of_request(self, request_id: UUID) -> Sequence[InstructionState]:
        """Return the instructions of one request, in their order."""
        ...

    def open_issues(self, security_id: SecurityId, *, after_block: int) -> Sequence[InstructionState]:
        """Return the security's issues that may still come: requested, submitted, or settled in a block later than `after_block`."""
        ...

    def hold_issues(self, security_id: SecurityId) -> None:
        """Keep others from issuing the security until the transaction ends."""
        ...

    def save(self, state: InstructionState) -> None:
        """Write the state that an instruction has reached."""
        ...

    def page(
        self,
        *,
        security_id: SecurityId | None = None,
        state: str | None = None,
        before: InstructionPlace | None = None,
        limit: int = 100,
    ) -> Sequence[InstructionState]:
        """Return instructions from newest to oldest, of one security or state where given."""
        ...

    def everything(self) -> Sequence[InstructionState]:
        """Return every instruction, oldest first, for reconciliation."""
        ...

    def digests(self) -> Mapping[InstructionId, str]:
        """Return the digest stored with each instruction, as it was when it was asked for."""
        ...

    def external_mints(self) -> Sequence[ExternalMint]:
        """Return the transactions that were marked as known mints from outside."""
        ...

    def mark_external(self, mint: ExternalMint) -> None:
        """Record that a mint from outside is known, once."""
        ...


class ChainBook(Protocol):
    """The sender's book of one tenant, read only."""

    def signed(self) -> Sequence[SignedPurpose]:
        """Return every signed transaction of the tenant, by sender and nonce."""
        ...

    def page(self, *, before: ChainTransactionId | None = None, limit: int = 100) -> Sequence[ChainTransaction]:
        """Return transactions from newest to oldest, those signed before one where it is given (its id tells the time)."""
        ...

    def next_nonces(self) -> Mapping[Address, int]:
        """Return the next nonce of each of the tenant's senders."""
        ...


class TokenChain(Protocol):
    """The security token's calls and the chain's coin."""

    def call_of(self, instruction: Instruction, token: TokenReference, *, investor_identity: Address | None = None) -> Call:
        """Return the transaction that does what the instruction says; a recovery needs the investor's identity on the chain."""
        ...

    def gas_money(self, call: Call) -> int:
        """Return the wei that must be at hand to send the call, with room for a rise of the fee."""
        ...

    def coin_balance(self, wallet: Address) -> int:
        """Return a wallet's balance of the chain's coin in wei."""
        ...

    def gift(self, wallet: Address, wei: int) -> Call:
        """Return the transaction that sends the chain's coin to a wallet."""
        ...

    def refusal(
        self, instruction: Instruction, token: TokenReference, *, revert_reason: str | None, block_number: int | None
    ) -> ChainRefusal:
        """Return why the chain reverted the instruction, in our codes; the token is asked again where its text is too short."""
        ...

    def payment_token(self, address: Address, currency: str) -> PaymentToken | None:
        """Return the payment token as its contract describes itself; None where there is no such contract."""
        ...

    def any_mined(self, hashes: Sequence[TransactionHash]) -> bool:
        """Return whether the chain has a receipt for one of the transactions."""
        ...

    def nonce_of(self, address: Address) -> int:
        """Return how many transactions the chain has seen from an address, at the last final block."""
        ...


class PaymentTokens(Protocol):
    """The tokens in which this issuer pays and is paid."""

    def add(self, token: PaymentToken, *, at: dt.datetime) -> bool:
        """Record a payment token; return False, and change nothing, where its address is recorded already."""
        ...

    def find(self, address: Address) -> PaymentToken | None:
        """Return the payment token at an address, or None where the issuer has not accepted it."""
        ...

    def all(self) -> Sequence[PaymentToken]:
        """Return every payment token, by currency and symbol."""
        ...


class SettlementUnit(ComplianceUnit, Protocol):
    """One transaction of one issuer, with what settlement needs."""

    @property
    def instructions(self) -> Instructions:
        """Instructions."""
        ...

    @property
    def token_chain(self) -> TokenChain:
        """The token's calls."""
        ...

    @property
    def chain_book(self) -> ChainBook:
        """What was signed."""
        ...

    @property
    def payment_tokens(self) -> PaymentTokens:
        """Payment tokens."""
        ...
