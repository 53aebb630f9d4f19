# SPDX-License-Identifier: Apache-2.0
"""What an approved request leads to: the one table from an action under four eyes to its command. The commands check everything again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from muniment.access import commands as access_commands
from muniment.access.model import Action, Actor, ApprovedApproval, parse_action
from muniment.compliance import commands as compliance_commands
from muniment.parties import commands as parties_commands
from muniment.parties.model import AddClaim
from muniment.servicing import commands as servicing_commands
from muniment.servicing.ports import ServicingUnit
from muniment.settlement import commands as settlement_commands

Execution: TypeAlias = Callable[[Actor, Mapping[str, Any], ServicingUnit], Any]


def _classify(actor: Actor, request: Mapping[str, Any], unit: ServicingUnit) -> Any:
    return parties_commands.add_claim(actor, AddClaim.from_json(request), unit=unit)


def _issue(actor: Actor, request: Mapping[str, Any], unit: ServicingUnit) -> Any:
    return settlement_commands.issue(actor, settlement_commands.IssueShares.from_json(request), unit=unit)


def _force_transfer(actor: Actor, request: Mapping[str, Any], unit: ServicingUnit) -> Any:
    return settlement_commands.forced_transfer(actor, settlement_commands.ForceTransfer.from_json(request), unit=unit)


def _recover(actor: Actor, request: Mapping[str, Any], unit: ServicingUnit) -> Any:
    return settlement_commands.recover(actor, settlement_commands.RecoverWallet.from_json(request), unit=unit)


def _release_lockup(actor: Actor, request: Mapping[str, Any], unit: ServicingUnit) -> Any:
    return compliance_commands.release_lockup(actor, compliance_commands.ReleaseLockup.from_json(request), unit=unit)


def _declare_dividend(actor: Actor, request: Mapping[str, Any], unit: ServicingUnit) -> Any:
    return servicing_commands.declare_dividend(actor, servicing_commands.DeclareDividend.from_json(request), unit=unit)


def _set_approval_policy(actor: Actor, request: Mapping[str, Any], unit: ServicingUnit) -> Any:
    return access_commands.set_approval_policy(actor, parse_action(request["action"]), required=bool(request["required"]), unit=unit)


EXECUTIONS: Mapping[Action, Execution] = {
    Action.PARTIES_CLASSIFY: _classify,
    Action.SETTLEMENT_ISSUE: _issue,
    Action.SETTLEMENT_FORCED_TRANSFER: _force_transfer,
    Action.SETTLEMENT_RECOVER: _recover,
    Action.COMPLIANCE_RELEASE_LOCKUP: _release_lockup,
    Action.SERVICING_DECLARE_DIVIDEND: _declare_dividend,
    Action.ACCESS_SET_APPROVAL_POLICY: _set_approval_policy,
}
"""Every action that can be under four eyes has a line (`tests/app/test_approvals.py` compares)."""


def execute_approved(actor: Actor, approved: ApprovedApproval, *, unit: ServicingUnit) -> Any:
    """Run the command that was approved, as the approver, in the unit in which it was approved; its outcome is returned."""
    return EXECUTIONS[approved.requested.action](actor, approved.requested.request, unit)
