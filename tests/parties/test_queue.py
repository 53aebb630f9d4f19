# SPDX-License-Identifier: Apache-2.0
"""The review queue: everything that waits stands in it once, oldest first, page by page, and leaves it when it is done."""

from __future__ import annotations

import datetime as dt

import pytest

from muniment.access.errors import BadCursor, NotPermitted
from muniment.access.model import Role
from muniment.access.ports import Page
from muniment.parties import commands
from muniment.parties.errors import BadQueueFilter
from muniment.parties.model import QUEUE_KINDS, Claim, QueueItem
from muniment.parties.process import screen_investors
from tests.access.unit import NOON, Installation, an_actor
from tests.parties.file import LIST, Desk


@pytest.fixture
def desk(installation: Installation) -> Desk:
    """A new organisation."""
    return Desk.of(installation)


def fill(desk: Desk) -> None:
    """Let one of each kind wait, and several of one."""
    soon = NOON + dt.timedelta(days=20)
    for number in range(3):
        desk.verify(desk.onboard(f"R-{number}", name="Petra Publicova"))
    desk.verify(desk.onboard("W-1", name="Wanda Waiting"))
    desk.verified("E-1", document_expires="2026-07-10")
    holder = desk.verified("C-1")
    desk.claim(holder, expires_at=soon)
    desk.claim(holder, topic="accreditation", basis="income_documents")
    desk.verified("S-1", name="Igor Invented")
    with desk.begin() as unit:
        raw = f"{LIST}7,Igor Invented,,,,TEST\n".encode()
        commands.import_sanctions(desk.officer, raw, source="own", file_name="list.csv", unit=unit)
    screen_investors(units=desk.begin)


def test_everything_that_waits_stands_in_the_queue_once_oldest_first(desk: Desk) -> None:
    fill(desk)
    items = desk.queue()
    kinds = sorted(item.kind for item in items)
    assert kinds == sorted(["review"] * 5 + ["reverification", "claim_expiring", "approval", "sanctions"])
    assert [item.key for item in items] == sorted(item.key for item in items)
    details = {item.kind: item.detail for item in items if item.kind != "review"}
    assert details == {"reverification": "verified", "claim_expiring": "tax_form", "approval": "accreditation", "sanctions": "own"}
    assert sorted(item.detail for item in items if item.kind == "review") == ["officer"] * 4 + ["provider"]


def test_the_pages_together_are_the_whole_queue_and_each_kind_is_asked_for_alone(desk: Desk) -> None:
    fill(desk)
    whole = desk.queue()
    for limit in (1, 2, 3, 100):
        found: list[QueueItem] = []
        cursor = None
        while page := desk.queue(limit=limit, cursor=cursor):
            assert len(page) <= limit
            found += page
            cursor = page[-1].cursor
        assert found == whole
    for kind in QUEUE_KINDS:
        assert desk.queue(kind) == [item for item in whole if item.kind == kind] != []


def test_how_far_ahead_is_looked_is_the_askers_choice(desk: Desk) -> None:
    desk.verified("E-1", document_expires="2026-07-10")
    desk.verified("E-2")
    assert [item.kind for item in desk.queue("reverification", within_days=8)] == []
    assert [item.kind for item in desk.queue("reverification", within_days=10)] == ["reverification"]
    assert len(desk.queue("reverification", within_days=365)) == 1, "a year ahead is where the others end, not before"
    desk.installation.clock.advance(dt.timedelta(days=1))
    assert len(desk.queue("reverification", within_days=365)) == 2


def test_what_is_done_leaves_the_queue(desk: Desk) -> None:
    holder = desk.verified()
    asked = desk.claim(holder, topic="accreditation", basis="income_documents")
    tax_form = desk.claim(holder, expires_at=NOON + dt.timedelta(days=5))
    assert isinstance(tax_form, Claim)
    assert {item.kind for item in desk.queue()} == {"approval", "claim_expiring"}
    desk.approve(asked)
    with desk.begin() as unit:
        commands.revoke_claim(desk.officer, holder, tax_form.claim_id, reason="superseded", unit=unit)
    assert desk.queue() == []


def test_a_request_that_lapsed_waits_for_nobody(desk: Desk) -> None:
    desk.claim(desk.verified(), topic="accreditation", basis="income_documents")
    desk.installation.clock.advance(dt.timedelta(hours=72))
    assert desk.queue("approval") == []


def test_filters_and_cursors_that_are_none_are_refused(desk: Desk) -> None:
    for kind, days in (("other", 30), (None, -1), (None, 366)):
        with pytest.raises(BadQueueFilter):
            desk.queue(kind, within_days=days)
    for cursor in ("", "a~b~c", "2026-07-01T12:00:00Z~review"):
        with pytest.raises(BadCursor):
            desk.queue(cursor=cursor)


def test_another_organisation_has_another_queue_and_an_investor_none(desk: Desk) -> None:
    desk.claim(desk.verified(), topic="accreditation", basis="income_documents")
    assert Desk.of(desk.installation).queue() == []
    with desk.begin() as unit, pytest.raises(NotPermitted):
        commands.review_queue(an_actor(desk.owner.tenant_id, Role.INVESTOR), Page(), unit=unit)
