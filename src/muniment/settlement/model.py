# SPDX-License-Identifier: Apache-2.0
"""Instructions to move shares, in which state each may be, and what reconciliation calls a difference. Sends and stores nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid5

from muniment.units.decisions import Reason, Refused
from muniment.units.errors import plain
from muniment.units.ids import Address, InstructionId, InvestorId, SecurityId, TenantId, TransactionHash, UserId
from muniment.units.instants import instant_text, parse_instant
from muniment.units.money import Money

LEGS_MAX = 100
"""Receivers in one transaction: a hundred new holders stay well under EIP-7825's 16,777,216 gas."""


class InstructionKind(Enum):
    """What an instruction does to the shares."""

    ISSUE = "issue"
    TRANSFER = "transfer"
    FORCED_TRANSFER = "forced_transfer"
    BURN = "burn"
    RECOVER = "recover"


@dataclass(frozen=True, slots=True)
class SaleTerms:
    """On which terms the issuer sells shares to one receiver; None is not known. `exemption` a rule's id, `paid` for all the shares.

    `locked_until` is the instant until which the token keeps them from moving, on a whole second; None issues them free.
    """

    exemption: str | None = None
    paid: Money | None = None
    buyer_category: str | None = None
    locked_until: dt.datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the terms that are known."""
        found = {
            "exemption": self.exemption,
            "paid": None if self.paid is None else self.paid.as_json(),
            "buyer_category": self.buyer_category,
            "locked_until": None if self.locked_until is None else instant_text(self.locked_until),
        }
        return {name: term for name, term in found.items() if term is not None}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> SaleTerms:
        """Return the terms that `as_json` gave."""
        paid = body.get("paid")
        return cls(
            exemption=body.get("exemption"),
            paid=None if paid is None else Money.parse(paid["amount"], paid["currency"]),
            buyer_category=body.get("buyer_category"),
            locked_until=None if body.get("locked_until") is None else parse_instant(body["locked_until"], field="locked_until"),
        )

    def is_fulfilled_by(self, other: SaleTerms) -> bool:
        """Return whether terms as they were stored are these: what was left open may have been found since."""
        found = self.exemption in {None, other.exemption} and self.buyer_category in {None, other.buyer_category}
        later = self.locked_until is None or (other.locked_until is not None and self.locked_until <= other.locked_until)
        return found and later and self.paid == other.paid


UNSTATED: Final = SaleTerms()


@dataclass(frozen=True, slots=True)
class Leg:
    """Shares from one wallet to another; at issue there is no wallet they come from, at burning none they go to.

    `sale` is said of issues only.
    """

    from_wallet: Address | None
    to_wallet: Address | None
    shares: int
    sale: SaleTerms = UNSTATED


@dataclass(frozen=True, slots=True)
class Instruction:
    """What shall happen, whatever became of it: one instruction is one transaction. `request_id` binds those of one request."""

    instruction_id: InstructionId
    request_id: UUID
    security_id: SecurityId
    kind: InstructionKind
    legs: tuple[Leg, ...]
    requested_by: UserId | None
    requested_at: dt.datetime

    @property
    def purpose(self) -> str:
        """The name under which the sender knows the transaction: the same instruction is never signed twice."""
        return f"{PURPOSE_PREFIX}{self.instruction_id}"

    @property
    def gas_purpose(self) -> str:
        """The name of the transaction that gives a managed wallet the gas for this one."""
        return f"{PURPOSE_PREFIX}{self.instruction_id}:gas"

    @property
    def digest(self) -> str:
        """SHA-256 of what is to happen, so that a key used twice is seen to mean one thing or two."""
        legs = [
            [leg.from_wallet, leg.to_wallet, str(leg.shares), *([leg.sale.as_json()] if leg.sale != UNSTATED else [])] for leg in self.legs
        ]
        body = [str(self.security_id), self.kind.value, legs]
        return hashlib.sha256(json.dumps(body, separators=(",", ":")).encode()).hexdigest()


PURPOSE_PREFIX = "settlement:"


def instruction_of_purpose(purpose: str) -> InstructionId | None:
    """Return the instruction that a transaction was signed for; None for other contexts' transactions."""
    if not purpose.startswith(PURPOSE_PREFIX):
        return None
    return InstructionId(UUID(purpose.removeprefix(PURPOSE_PREFIX).partition(":")[0]))


@dataclass(frozen=True, slots=True)
class RequestedInstruction:
    """Accepted, no transaction signed yet."""

    instruction: Instruction


@dataclass(frozen=True, slots=True)
class SubmittedInstruction:
    """Its transaction is signed and stored; the sender broadcasts it until it is final."""

    instruction: Instruction
    transaction_hash: TransactionHash
    submitted_at: dt.datetime


@dataclass(frozen=True, slots=True)
class SettledInstruction:
    """Its transaction is final and did what it said."""

    instruction: Instruction
    transaction_hash: TransactionHash
    block_number: int
    settled_at: dt.datetime


@dataclass(frozen=True, slots=True)
class FailedInstruction:
    """It moved nothing and never will. `reason_code` is the code that the check before sending would have given."""

    instruction: Instruction
    transaction_hash: TransactionHash | None
    reason_code: str
    sentence: str
    failed_at: dt.datetime
    rule: str | None = None
    citation: str | None = None
    cure: str | None = None

    @property
    def reason(self) -> Reason:
        """Why it failed, in the words that the command line, the API, the pages and a mail all show."""
        return Reason(self.reason_code, self.sentence, rule=self.rule, citation=self.citation, cure=self.cure)


InstructionState: TypeAlias = RequestedInstruction | SubmittedInstruction | SettledInstruction | FailedInstruction


def state_name(state: InstructionState) -> str:
    """Return the state's name as tables and the wire spell it."""
    match state:
        case RequestedInstruction():
            return "requested"
        case SubmittedInstruction():
            return "submitted"
        case SettledInstruction():
            return "settled"
        case FailedInstruction():
            return "failed"


@dataclass(frozen=True, slots=True)
class Allotment:
    """Shares for one receiver: an investor (who gets them in the first wallet) or one named wallet."""

    shares: int
    investor_id: InvestorId | None = None
    wallet: Address | None = None
    sale: SaleTerms = UNSTATED

    def __post_init__(self) -> None:
        """Hold the one invariant: exactly one receiver."""
        assert (self.investor_id is None) != (self.wallet is None), "an allotment names an investor or a wallet"


@dataclass(frozen=True, slots=True)
class AcceptedAllotment:
    """An allotment that will be issued, with the wallet it goes to and the terms of the sale: as stated, with what the check found."""

    allotment: Allotment
    wallet: Address
    sale: SaleTerms = UNSTATED


@dataclass(frozen=True, slots=True)
class RefusedAllotment:
    """An allotment that will not be issued, with every reason."""

    allotment: Allotment
    wallet: Address | None
    decision: Refused


@dataclass(frozen=True, slots=True)
class IssueReport:
    """What became of a request to issue: the valid rest is not lost, the invalid is not half-stored."""

    request_id: UUID
    accepted: tuple[AcceptedAllotment, ...]
    refused: tuple[RefusedAllotment, ...]
    instructions: tuple[Instruction, ...]

    @property
    def shares(self) -> int:
        """All base units that will be issued."""
        return sum(accepted.allotment.shares for accepted in self.accepted)


def batches(accepted: Sequence[AcceptedAllotment]) -> Iterator[Sequence[AcceptedAllotment]]:
    """Yield the allotments in groups of at most `LEGS_MAX` that are locked until the same instant, or not at all; in their order else."""
    grouped: dict[dt.datetime | None, list[AcceptedAllotment]] = {}
    for entry in accepted:
        grouped.setdefault(entry.sale.locked_until, []).append(entry)
    for alike in grouped.values():
        for start in range(0, len(alike), LEGS_MAX):
            yield alike[start : start + LEGS_MAX]


def part_id(tenant_id: TenantId, request_id: UUID, part: int) -> InstructionId:
    """Return the id of a request's part: the same request gives the same ids, so a repeat finds what is there."""
    return InstructionId(uuid5(request_id, f"{tenant_id} part {part}"))


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that reconciliation found not to hold: the invariant, a stable code, one sentence, the values compared."""

    invariant: str
    code: str
    sentence: str
    facts: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {
            "invariant": self.invariant,
            "code": self.code,
            "message": self.sentence,
            "facts": {name: plain(fact) for name, fact in self.facts.items()},
        }


@dataclass(frozen=True, slots=True)
class ChainMove:
    """One movement as reconciliation compares it."""

    transaction_hash: str
    from_wallet: Address | None
    to_wallet: Address | None
    shares: int


def unmatched_legs(instruction: Instruction, moves: Iterable[ChainMove]) -> list[Leg]:
    """Return the legs that no movement of the transaction bears out; each movement serves one leg.

    A recovery moves whatever the lost wallet held, so its leg's shares are those at the time of asking and only the wallets must fit.
    """
    left = list(moves)
    missing: list[Leg] = []
    for leg in instruction.legs:
        for move in left:
            same_wallets = (move.from_wallet, move.to_wallet) == (leg.from_wallet, leg.to_wallet)
            if same_wallets and (move.shares == leg.shares or instruction.kind is InstructionKind.RECOVER):
                left.remove(move)
                break
        else:
            missing.append(leg)
    return missing
