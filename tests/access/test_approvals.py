# SPDX-License-Identifier: Apache-2.0
"""Four eyes: bound to one request, never one's own, executed once, in time; and the policy that cannot be loosened alone."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest

from muniment.access import commands
from muniment.access.errors import ApprovalClosed, NotFound, NotPermitted, NotUnderFourEyes, OwnApproval, RejectionWithoutReason
from muniment.access.model import (
    FOUR_EYES_ACTIONS,
    Action,
    Actor,
    Approved,
    Clearance,
    Pending,
    RejectedApproval,
    Role,
    requested_part,
    state_of,
)
from muniment.access.ports import Page
from muniment.units.ids import ApprovalId
from tests.access.unit import Installation, an_actor

ISSUE = Action.SETTLEMENT_ISSUE
REQUEST: dict[str, Any] = {"security_id": "s", "shares": "100", "to": "0x1"}


def ask(installation: Installation, actor: Actor, request: dict[str, Any] = REQUEST, action: Action = ISSUE) -> Clearance:
    with installation.begin(actor.tenant_id) as unit:
        return commands.require_approval(actor, action, request, unit=unit)


def pending(installation: Installation, actor: Actor, request: dict[str, Any] = REQUEST) -> ApprovalId:
    clearance = ask(installation, actor, request)
    assert isinstance(clearance, Pending)
    return clearance.approval_id


def approve(installation: Installation, actor: Actor, approval_id: ApprovalId) -> None:
    with installation.begin(actor.tenant_id) as unit:
        commands.approve_request(actor, approval_id, unit=unit)


def two(installation: Installation) -> tuple[Actor, Actor]:
    tenant_id = installation.found().owner.tenant_id
    return an_actor(tenant_id, Role.TRANSFER_AGENT), an_actor(tenant_id, Role.TRANSFER_AGENT)


def test_a_request_waits_until_a_second_person_agrees_and_then_goes_through_once(installation: Installation) -> None:
    first, second = two(installation)
    approval_id = pending(installation, first)
    assert ask(installation, first) == Pending(approval_id)
    approve(installation, second, approval_id)
    assert ask(installation, second) == Approved(approval_id)
    again = ask(installation, first)
    assert isinstance(again, Pending)
    assert again.approval_id != approval_id


def test_nobody_agrees_with_themself(installation: Installation) -> None:
    first, _ = two(installation)
    approval_id = pending(installation, first)
    with pytest.raises(OwnApproval):
        approve(installation, first, approval_id)
    with pytest.raises(OwnApproval), installation.begin(first.tenant_id) as unit:
        commands.reject_request(first, approval_id, "changed my mind", unit=unit)


def test_an_approval_fits_exactly_one_request_however_its_json_is_written(installation: Installation) -> None:
    first, second = two(installation)
    approve(installation, second, pending(installation, first))
    assert isinstance(ask(installation, first, {**REQUEST, "shares": "1000"}), Pending)
    assert isinstance(ask(installation, first, dict(reversed(REQUEST.items()))), Approved)


def test_two_requests_that_differ_only_far_into_a_long_text_are_two(installation: Installation) -> None:
    first, second = two(installation)
    approve(installation, second, pending(installation, first, {"memo": "m" * 5000 + "1"}))
    assert isinstance(ask(installation, first, {"memo": "m" * 5000 + "2"}), Pending)


def test_who_may_not_do_it_may_not_agree_to_it(installation: Installation) -> None:
    first, _ = two(installation)
    approval_id = pending(installation, first)
    for roles in ((Role.COMPLIANCE_OFFICER,), (Role.AUDITOR,), ()):
        with pytest.raises(NotPermitted):
            approve(installation, an_actor(first.tenant_id, *roles), approval_id)


def test_an_approval_of_another_organisation_does_not_exist(installation: Installation) -> None:
    first, _ = two(installation)
    approval_id = pending(installation, first)
    foreign = installation.found().owner
    with pytest.raises(NotFound):
        approve(installation, foreign, approval_id)


def test_a_rejection_needs_a_reason_and_ends_it(installation: Installation) -> None:
    first, second = two(installation)
    approval_id = pending(installation, first)
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(RejectionWithoutReason), installation.begin(second.tenant_id) as unit:
            commands.reject_request(second, approval_id, reason, unit=unit)
    with installation.begin(second.tenant_id) as unit:
        commands.reject_request(second, approval_id, "the board did not decide this", unit=unit)
    with installation.begin(second.tenant_id) as unit:
        rejected = unit.approvals.get(approval_id)
    assert isinstance(rejected, RejectedApproval)
    assert rejected.rejection == "the board did not decide this"
    with pytest.raises(ApprovalClosed):
        approve(installation, second, approval_id)
    assert pending(installation, first) != approval_id


def test_time_runs_out_before_the_decision_and_before_the_execution(installation: Installation) -> None:
    first, second = two(installation)
    undecided = pending(installation, first)
    unexecuted = pending(installation, first, {"n": 2})
    approve(installation, second, unexecuted)
    installation.clock.advance(dt.timedelta(hours=72))
    with pytest.raises(ApprovalClosed):
        approve(installation, second, undecided)
    assert pending(installation, first) != undecided
    assert pending(installation, first, {"n": 2}) != unexecuted
    with installation.begin(first.tenant_id) as unit:
        assert {state_of(unit.approvals.get(approval_id)) for approval_id in (undecided, unexecuted)} == {"expired"}


def test_a_rolled_back_execution_can_be_tried_again(installation: Installation) -> None:
    first, second = two(installation)
    approval_id = pending(installation, first)
    approve(installation, second, approval_id)
    installation.roll_back(first.tenant_id, lambda unit: commands.require_approval(first, ISSUE, REQUEST, unit=unit))
    assert ask(installation, first) == Approved(approval_id)


def test_two_executions_at_once_make_one(installation: Installation) -> None:
    first, second = two(installation)
    approve(installation, second, pending(installation, first))
    outcomes: list[Clearance] = []
    barrier = threading.Barrier(4)

    def execute() -> None:
        barrier.wait()
        outcomes.append(ask(installation, first))

    threads = [threading.Thread(target=execute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, Approved) for outcome in outcomes) == 1
    assert len({outcome.approval_id for outcome in outcomes if isinstance(outcome, Pending)}) == 1


def test_an_action_without_four_eyes_goes_through_at_once(installation: Installation) -> None:
    first, _ = two(installation)
    assert ask(installation, first, action=Action.SETTLEMENT_TRANSFER) == Approved(None)


def test_require_approval_itself_asks_for_the_permission(installation: Installation) -> None:
    first, _ = two(installation)
    with pytest.raises(NotPermitted):
        ask(installation, an_actor(first.tenant_id, Role.AUDITOR))


def test_the_policy_is_tightened_alone_and_loosened_by_two(installation: Installation) -> None:
    founded = installation.found(four_eyes=FOUR_EYES_ACTIONS - {ISSUE})
    first, second = founded.owner, an_actor(founded.owner.tenant_id, Role.OWNER)
    assert ask(installation, first) == Approved(None)

    def set_policy(actor: Actor, *, required: bool) -> Clearance:
        with installation.begin(actor.tenant_id) as unit:
            return commands.set_approval_policy(actor, ISSUE, required=required, unit=unit)

    assert set_policy(first, required=True) == Approved(None)
    loosened = set_policy(first, required=False)
    assert isinstance(loosened, Pending)
    assert isinstance(ask(installation, first), Pending)
    approve(installation, second, loosened.approval_id)
    assert isinstance(set_policy(second, required=False), Approved)
    assert ask(installation, first) == Approved(None)
    with installation.begin(first.tenant_id) as unit:
        policy = commands.approval_policy(first, unit=unit)
    assert policy == {action: action is not ISSUE for action in FOUR_EYES_ACTIONS}


def test_only_actions_that_know_four_eyes_can_be_put_under_them(installation: Installation) -> None:
    owner = installation.found().owner
    with pytest.raises(NotUnderFourEyes), installation.begin(owner.tenant_id) as unit:
        commands.set_approval_policy(owner, Action.PARTIES_VIEW, required=True, unit=unit)


def test_approvals_are_listed_newest_first_by_pages_and_state(installation: Installation) -> None:
    first, second = two(installation)
    ids = [pending(installation, first, {"n": number}) for number in range(3)]
    approve(installation, second, ids[1])
    with installation.begin(first.tenant_id) as unit:
        everything = commands.list_approvals(first, Page(limit=2), unit=unit)
        rest = commands.list_approvals(first, Page(cursor=str(requested_part(everything[-1]).approval_id)), unit=unit)
        waiting = commands.list_approvals(first, Page(), unit=unit, state="requested")
    listed = [requested_part(approval).approval_id for approval in [*everything, *rest]]
    assert listed == sorted(ids, reverse=True)
    assert {requested_part(approval).approval_id for approval in waiting} == {ids[0], ids[2]}


def test_each_step_stands_in_the_log(installation: Installation) -> None:
    first, second = two(installation)
    approve(installation, second, pending(installation, first))
    ask(installation, first)
    with installation.begin(first.tenant_id) as unit:
        actions = [(entry.action, entry.actor_id) for entry in unit.audit.entries()][1:]
    assert actions == [
        ("access.request_approval", first.user_id),
        ("access.decide_approval", second.user_id),
        ("access.execute_approval", first.user_id),
    ]
