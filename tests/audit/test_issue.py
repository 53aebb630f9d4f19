# SPDX-License-Identifier: Apache-2.0
"""Issues that meet: together they stay within what is authorised, and a repeated request is answered as the first time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from muniment.access.commands import approve_request
from muniment.access.model import Pending
from muniment.settlement.commands import IssueShares, issue, preview_issue
from muniment.settlement.errors import KeyReused, NothingToIssue
from muniment.settlement.model import Allotment, IssueReport
from muniment.settlement.process import reconcile
from muniment.units.ids import Address, new_id
from tests.settlement.scene import Scene, SceneStage

AUTHORIZED = 1_000


@pytest.fixture
def limited(scene_stage: SceneStage) -> Scene:
    """A security of which no more than a thousand shares are authorised."""
    scene = Scene(scene_stage)
    scene.vandalise(
        "UPDATE instruments.security SET shares_authorized = :shares WHERE security_id = :id", shares=AUTHORIZED, id=scene.security_id
    )
    return scene


def request_of(scene: Scene, *allotments: tuple[Address, int]) -> IssueShares:
    return IssueShares(
        new_id(scene.stage.clock.now()), scene.security_id, tuple(Allotment(shares, wallet=wallet) for wallet, shares in allotments)
    )


def asked_and_approved(scene: Scene, request: IssueShares) -> None:
    with scene.begin() as unit:
        pending = issue(scene.owner, request, unit=unit)
        assert isinstance(pending, Pending)
    with scene.begin() as unit:
        approve_request(scene.second, pending.approval_id, unit=unit)


def test_an_issue_counts_what_is_on_its_way_to_the_chain(limited: Scene) -> None:
    ((_, first), (_, second)) = limited.holders(2)
    limited.approved(lambda actor, unit: issue(actor, request_of(limited, (first, 700)), unit=unit)) if False else None
    one = request_of(limited, (first, 700))
    report = limited.approved(lambda actor, unit: issue(actor, one, unit=unit))
    other = request_of(limited, (second, 400))
    with limited.begin() as unit:
        preview = preview_issue(limited.owner, other, unit=unit)
        assert [entry.decision.reasons[0].code for entry in preview.refused] == ["settlement.over_authorized"]
        with pytest.raises(NothingToIssue):
            issue(limited.owner, other, unit=unit)
    limited.settle(report.instructions[0].instruction_id)
    with limited.begin() as unit:
        # What has arrived counts once.
        assert preview_issue(limited.owner, request_of(limited, (second, 300)), unit=unit).refused == ()


def test_what_the_register_shows_already_is_not_counted_again_while_it_is_not_final(limited: Scene) -> None:
    ((_, first), (_, second)) = limited.holders(2)
    one = request_of(limited, (first, 700))
    report = limited.approved(lambda actor, unit: issue(actor, one, unit=unit))
    from muniment.settlement.process import settle

    settle(report.instructions[0].instruction_id, begin=limited.begin)
    deadline = time.monotonic() + 60
    while limited.balance(first) != 700:
        # On a busy machine the node may answer a step too late; the next one finds the transaction as it was stored.
        assert time.monotonic() < deadline, "the issue never reached the register"
        limited.stage.broadcaster.step()
        limited.stage.follower.catch_up()
    with limited.begin() as unit:
        assert preview_issue(limited.owner, request_of(limited, (second, 300)), unit=unit).refused == ()


def test_two_issues_at_the_same_moment_do_not_exceed_what_is_authorised(limited: Scene) -> None:
    holders = [wallet for _, wallet in limited.holders(2)]
    requests = [request_of(limited, (wallet, 700)) for wallet in holders]
    for request in requests:
        asked_and_approved(limited, request)
    barrier = Barrier(2, timeout=20)

    def do(request: IssueShares) -> IssueReport | None:
        with limited.begin() as unit:
            barrier.wait()
            try:
                report = issue(limited.second, request, unit=unit)
            except NothingToIssue:
                return None
            assert isinstance(report, IssueReport)
            return report

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(do, requests))
    assert sum(report is not None for report in reports) == 1
    for report in reports:
        for instruction in () if report is None else report.instructions:
            limited.settle(instruction.instruction_id)
    assert sum(limited.balance(wallet) for wallet in holders) == 700
    assert reconcile(begin=limited.begin) == []


def test_a_repeated_issue_is_answered_as_the_first_time_though_nothing_is_left_to_issue(limited: Scene) -> None:
    ((_, first), (_, second)) = limited.holders(2)
    request = request_of(limited, (first, AUTHORIZED), (second, 1))
    report = limited.approved(lambda actor, unit: issue(actor, request, unit=unit))
    limited.settle(report.instructions[0].instruction_id)
    with limited.begin() as unit:
        again = issue(limited.owner, request, unit=unit)
    assert isinstance(again, IssueReport)
    assert (again.instructions, again.accepted) == (report.instructions, report.accepted)
    assert [entry.wallet for entry in again.refused] == [second]


def test_another_issue_under_a_used_request_id_is_refused(limited: Scene) -> None:
    ((_, first), (_, second)) = limited.holders(2)
    request = request_of(limited, (first, 10))
    limited.approved(lambda actor, unit: issue(actor, request, unit=unit))
    for allotments in ((Allotment(11, wallet=first),), (Allotment(10, wallet=second),)):
        with limited.begin() as unit, pytest.raises(KeyReused):
            issue(limited.owner, IssueShares(request.request_id, limited.security_id, allotments), unit=unit)
