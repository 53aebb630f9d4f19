# SPDX-License-Identifier: Apache-2.0
"""What an edge tells of an approved request: the outcome as JSON with the page that shows it. The command is run by `approvals`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from muniment.access.model import Actor, ApprovedApproval, Pending
from muniment.app import approvals
from muniment.infra.evm.sender import ChainTransaction
from muniment.parties.model import Claim
from muniment.servicing.model import DeclaredDividend
from muniment.settlement.model import Instruction, IssueReport
from muniment.units.decisions import Refused
from muniment.units.errors import MunimentError


class RefusedMeanwhile(MunimentError):
    """What was asked for is refused by now."""

    code = "http.refused_meanwhile"
    message = "What was asked for cannot be done any more: {first_reason}"
    cure = "Refuse the request, cure the reasons and ask again."

    def __init__(self, decision: Refused) -> None:
        self.decision = decision
        super().__init__(first_reason=decision.reasons[0].sentence)


def execute_approved(actor: Actor, approved: ApprovedApproval, *, unit: Any) -> dict[str, Any]:
    """Do what was approved, in the transaction of the approval, and return its outcome; a refusal takes the approval back with it."""
    outcome = approvals.execute_approved(actor, approved, unit=unit)
    assert not isinstance(outcome, Pending), "the approval was given in this transaction"
    match outcome:
        case Refused():
            raise RefusedMeanwhile(outcome)
        case IssueReport():
            return _instructions(outcome.instructions)
        case Instruction():
            return _instructions([outcome])
        case DeclaredDividend():
            return {"dividend_id": str(outcome.dividend_id), "href": f"/dividends/{outcome.dividend_id}"}
        case Claim():
            return {"claim_id": str(outcome.claim_id), "href": f"/investors/{outcome.investor_id}"}
        case list():
            return _instructions(outcome)
        case ChainTransaction():
            return {"transaction": outcome.hash, "href": f"/transactions/{outcome.hash}"}
        case _:
            return {"action": approved.requested.action.value, "href": "/approvals"}


def _instructions(instructions: Sequence[Instruction]) -> dict[str, Any]:
    ids = [str(instruction.instruction_id) for instruction in instructions]
    return {"instruction_ids": ids, "href": f"/instructions/{ids[0]}" if ids else "/transactions"}
