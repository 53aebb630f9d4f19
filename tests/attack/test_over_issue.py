# SPDX-License-Identifier: Apache-2.0
"""Attacks on the number of authorised shares, which no contract keeps: issues approved at once, or before the one ahead is mined."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from muniment.access.commands import approve_request
from muniment.access.model import Pending
from muniment.settlement.commands import IssueShares, issue
from muniment.settlement.errors import KeyReused, NothingToIssue
from muniment.settlement.model import Allotment, IssueReport
from muniment.units.ids import Address, ApprovalId, new_id
from tests.settlement.scene import Scene

AUTHORIZED = 100


@pytest.fixture(autouse=True)
def limit(scene: Scene) -> None:
    """Authorise a hundred shares more than there are."""
    with scene.begin() as unit:
        supply = int(unit.register.supply(scene.security_id))
    scene.vandalise(
        "UPDATE instruments.security SET shares_authorized = :shares WHERE security_id = :security_id",
        shares=supply + AUTHORIZED,
        security_id=scene.security_id,
    )


def asked(scene: Scene, wallet: Address, shares: int) -> tuple[IssueShares, ApprovalId]:
    request = IssueShares(new_id(scene.stage.clock.now()), scene.security_id, (Allotment(shares, wallet=wallet),))
    with scene.begin() as unit:
        pending = issue(scene.owner, request, unit=unit)
    assert isinstance(pending, Pending)
    return request, pending.approval_id


def approved(scene: Scene, request: IssueShares, approval_id: ApprovalId) -> IssueReport | None:
    """Approve and issue; None where nothing can be issued any more."""
    try:
        with scene.begin() as unit:
            approve_request(scene.second, approval_id, unit=unit)
            report = issue(scene.second, request, unit=unit)
    except NothingToIssue:
        return None
    assert isinstance(report, IssueReport)
    return report


def test_issues_approved_at_once_together_stay_within_the_authorised_shares(scene: Scene) -> None:
    requests = [asked(scene, wallet, AUTHORIZED) for _, wallet in scene.holders(4)]
    with ThreadPoolExecutor(4) as pool:
        reports = [future.result(timeout=60) for future in [pool.submit(approved, scene, *request) for request in requests]]
    assert sum(report.shares for report in reports if report is not None) == AUTHORIZED
    for report in reports:
        for instruction in () if report is None else report.instructions:
            scene.settle(instruction.instruction_id)


def test_an_issue_on_its_way_to_the_chain_takes_its_room(scene: Scene) -> None:
    first, second, third = (asked(scene, wallet, 60) for _, wallet in scene.holders(3))
    report = approved(scene, *first)
    assert report is not None
    assert approved(scene, *second) is None
    scene.settle(report.instructions[0].instruction_id)
    assert approved(scene, *third) is None


def test_a_settled_issue_is_not_counted_twice(scene: Scene) -> None:
    first, second = (asked(scene, wallet, 50) for _, wallet in scene.holders(2))
    for request in (first, second):
        report = approved(scene, *request)
        assert report is not None
        scene.settle(report.instructions[0].instruction_id)


def test_another_issue_under_the_same_request_id_is_refused_and_a_repeat_is_answered_alike(scene: Scene) -> None:
    ((_, wallet),) = scene.holders(1)
    request, approval_id = asked(scene, wallet, AUTHORIZED)
    report = approved(scene, request, approval_id)
    assert report is not None
    with scene.begin() as unit:
        repeated = issue(scene.owner, request, unit=unit)
    assert isinstance(repeated, IssueReport)
    assert (repeated.accepted, repeated.refused, repeated.instructions) == (report.accepted, (), report.instructions)
    with scene.begin() as unit, pytest.raises(KeyReused):
        issue(scene.owner, replace(request, allotments=(Allotment(AUTHORIZED + 1, wallet=wallet),)), unit=unit)
    scene.settle(report.instructions[0].instruction_id)
