# SPDX-License-Identifier: Apache-2.0
"""Every action that can be under four eyes leads to its command when it is approved, and the command checks everything again."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from muniment.access import commands as access
from muniment.access.errors import NotPermitted
from muniment.access.model import FOUR_EYES_ACTIONS, Action, Actor, Pending, RequestedApproval
from muniment.app.api_approvals import RefusedMeanwhile
from muniment.app.api_approvals import execute_approved as execute_and_tell
from muniment.app.approvals import EXECUTIONS, execute_approved
from muniment.parties import commands as parties
from muniment.servicing import commands as servicing
from muniment.servicing.model import DeclaredDividend, PerShare
from muniment.settlement import commands as settlement
from muniment.settlement.model import Allotment, Instruction
from muniment.units.money import Price
from tests.app.command_line import CommandLine, second_owner
from tests.flows.stand import wait_for

FIRST_HOLDER, OTHER_HOLDER, RECOVERED_HOLDER = 8, 9, 10
"""Holders of the filled home that no other test moves."""


def test_every_action_under_four_eyes_has_its_execution_and_no_other_has() -> None:
    assert set(EXECUTIONS) == set(FOUR_EYES_ACTIONS)


def approve(command_line: CommandLine, asked: object, *, by: Actor | None = None) -> Any:
    """Let the owner approve in one transaction what the agent asked for, and return what came of it."""
    assert isinstance(asked, Pending), "it is under four eyes"
    actor = by or command_line.filling.desk.owner
    with command_line.stand.begin(actor.tenant_id) as unit:
        return execute_approved(actor, access.approve_request(actor, asked.approval_id, unit=unit), unit=unit)


def holder(command_line: CommandLine, number: int) -> tuple[Any, Any]:
    """Return a holder's first wallet and id."""
    return list(command_line.filling.holders.items())[number]


@pytest.mark.slow
def test_an_approved_issue_is_instructed_and_told_with_where_to_look(command_line: CommandLine) -> None:
    filling = command_line.filling
    agent, (_, investor_id) = filling.desk.agent, holder(command_line, FIRST_HOLDER)
    with command_line.stand.begin(agent.tenant_id) as unit:
        asked = settlement.issue(
            agent, settlement.IssueShares(uuid4(), filling.security_id, (Allotment(3, investor_id=investor_id),)), unit=unit
        )
    assert isinstance(asked, Pending)
    with command_line.stand.begin(agent.tenant_id) as unit:
        approved = access.approve_request(filling.desk.owner, asked.approval_id, unit=unit)
        told = execute_and_tell(filling.desk.owner, approved, unit=unit)
    assert told["href"] == f"/instructions/{told['instruction_ids'][0]}"


@pytest.mark.slow
def test_an_approved_forced_transfer_moves_and_what_became_impossible_meanwhile_takes_its_approval_back(command_line: CommandLine) -> None:
    filling = command_line.filling
    agent, owner = filling.desk.agent, filling.desk.owner
    giving, receiving = holder(command_line, OTHER_HOLDER)[0], holder(command_line, FIRST_HOLDER)[0]

    def ask(shares: int) -> Pending:
        request = settlement.ForceTransfer(uuid4(), filling.security_id, giving, receiving, shares, "Order 4711 (fictitious)")
        with command_line.stand.begin(agent.tenant_id) as unit:
            asked = settlement.forced_transfer(agent, request, unit=unit)
        assert isinstance(asked, Pending), "it is under four eyes"
        return asked

    def held() -> int:
        with command_line.stand.begin(agent.tenant_id) as unit:
            return int(unit.register.balance_of(filling.security_id, giving))

    before = held()
    everything, one = ask(before), ask(1)
    assert isinstance(approve(command_line, one), Instruction)
    wait_for(lambda: held() == before - 1, "the forced transfer")
    with pytest.raises(RefusedMeanwhile) as refusal, command_line.stand.begin(agent.tenant_id) as unit:
        execute_and_tell(owner, access.approve_request(owner, everything.approval_id, unit=unit), unit=unit)
    assert refusal.value.facts["first_reason"]
    with command_line.stand.begin(agent.tenant_id) as unit:
        assert isinstance(access.view_approval(owner, everything.approval_id, unit=unit), RequestedApproval)
        access.reject_request(owner, everything.approval_id, "no longer possible", unit=unit)


@pytest.mark.slow
def test_an_approved_recovery_is_instructed(command_line: CommandLine) -> None:
    agent, (lost, investor_id) = command_line.filling.desk.agent, holder(command_line, RECOVERED_HOLDER)
    with command_line.stand.begin(agent.tenant_id) as unit:
        new = parties.add_wallet(agent, investor_id, None, unit=unit).address
        asked = settlement.recover(agent, settlement.RecoverWallet(uuid4(), investor_id, lost, new), unit=unit)
    instructions = approve(command_line, asked)
    assert [type(each) for each in instructions] == [Instruction]


@pytest.mark.slow
def test_an_approved_dividend_is_declared(command_line: CommandLine) -> None:
    filling = command_line.filling
    agent = filling.desk.agent
    record_at = command_line.stand.units.backend.clock.now() + dt.timedelta(days=40)
    price = PerShare(Price(Decimal("0.01"), "USD"))
    request = servicing.DeclareDividend(uuid4(), filling.security_id, price, record_at, record_at, filling.payment_token)
    with command_line.stand.begin(agent.tenant_id) as unit:
        asked = servicing.declare_dividend(agent, request, unit=unit)
    assert isinstance(approve(command_line, asked), DeclaredDividend)


@pytest.mark.slow
def test_an_approved_change_of_the_policy_holds_and_only_an_owner_can_approve_it(command_line: CommandLine) -> None:
    desk = command_line.filling.desk
    action = Action.SETTLEMENT_FORCED_TRANSFER
    with command_line.stand.begin(desk.tenant_id) as unit:
        asked = access.set_approval_policy(desk.owner, action, required=False, unit=unit)
    with pytest.raises(NotPermitted):
        approve(command_line, asked, by=desk.agent)
    with command_line.stand.begin(desk.tenant_id) as unit:
        assert access.approval_policy(desk.owner, unit=unit)[action] is True
        second = second_owner(desk, unit)
    approve(command_line, asked, by=second)
    with command_line.stand.begin(desk.tenant_id) as unit:
        assert access.approval_policy(desk.owner, unit=unit)[action] is False
        access.set_approval_policy(desk.owner, action, required=True, unit=unit)
        assert access.approval_policy(desk.owner, unit=unit)[action] is True
