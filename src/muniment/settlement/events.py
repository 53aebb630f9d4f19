# SPDX-License-Identifier: Apache-2.0
"""Facts that settlement records in the outbox. They carry ids and figures, never a person's data and never a request."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class InstructionRequested(msgspec.Struct, frozen=True, kw_only=True):
    """An instruction was accepted and waits for its transaction."""

    kind: ClassVar[str] = "settlement.instruction_requested"

    instruction_id: str
    security_id: str
    instruction_kind: str


class InstructionSettled(msgspec.Struct, frozen=True, kw_only=True):
    """An instruction's transaction is final and moved what it said."""

    kind: ClassVar[str] = "settlement.instruction_settled"

    instruction_id: str
    security_id: str
    instruction_kind: str
    transaction_hash: str
    block_number: int


class InstructionFailed(msgspec.Struct, frozen=True, kw_only=True):
    """An instruction will never settle; the chain or a check said why."""

    kind: ClassVar[str] = "settlement.instruction_failed"

    instruction_id: str
    security_id: str
    instruction_kind: str
    reason_code: str
