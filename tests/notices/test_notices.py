# SPDX-License-Identifier: Apache-2.0
"""Who gets which mail when something happened, once; what a server's no means; and that nobody is told of what is not so any more."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from muniment.access.commands import approve_request, reject_request, remove_member, require_approval
from muniment.access.model import FOUR_EYES_ACTIONS, Action, Pending, Role
from muniment.app.web.reason_codes import REASONS
from muniment.app.wiring import Unit
from muniment.app.worker_tables import WorkerTables
from muniment.infra.jobs import Done, RunningJob
from muniment.infra.mail import SmtpMailer
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import Database
from muniment.notices.commands import SEND_JOB, view_notice, view_notices
from muniment.notices.errors import BadCursor, NoticeNotFound
from muniment.notices.model import ASKED, GIVE_UP_AFTER, NOT_BY_MAIL, OF_NOBODY, OF_THE_SENDER, Notice, NoticeKind
from muniment.notices.process import send
from muniment.parties.commands import decide_review, erase_investor, expire_verifications, verify_investor
from tests.notices.office_rig import SENDER, SITE, Desk, texts_to
from tests.notices.post_office import PostOffice

HOUR = dt.timedelta(hours=1)


def asked(desk: Desk, *, by: object = None) -> Pending:
    with desk.begin() as unit:
        pending = require_approval(desk.owner, Action.SETTLEMENT_ISSUE, {"n": str(uuid.uuid4())}, unit=unit)
    assert isinstance(pending, Pending)
    return pending


# Approvals


def test_whoever_may_decide_is_told_that_an_approval_waits_and_nobody_else(desk: Desk, office: PostOffice) -> None:
    _, agent = desk.a_member(Role.TRANSFER_AGENT, name="Änne Agent")
    _, officer = desk.a_member(Role.COMPLIANCE_OFFICER)
    _, auditor = desk.a_member(Role.AUDITOR)
    pending = asked(desk)
    desk.deliver()
    (text,) = texts_to(office, agent)
    assert text == (
        "A second person is needed: an issue of shares\n\n"
        "Dear Änne Agent,\n\n"
        "Another member has asked for an issue of shares. It is done only when a second person agrees, until 4 July 2026, 12:00 UTC.\n\n"
        f"See what exactly is asked for, and agree or refuse, at {SITE}/approvals/{pending.approval_id}\n\n"
        "Heron Motors Ltd\n\n"
        "-- \nYou get this mail because your roles let you decide it. It was written by a program for Heron Motors Ltd: "
        f"{SITE}\n"
    )
    assert [kept.recipients for kept in office.kept] == [(agent,)], (officer, auditor, desk.owner_email)
    assert office.kept[0].sender == SENDER
    assert str(office.kept[0].message["From"]) == f"Heron Motors Ltd <{SENDER}>"


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_whoever_asked_is_told_how_it_was_decided(desk: Desk, office: PostOffice, decision: str) -> None:
    agent, _ = desk.a_member(Role.TRANSFER_AGENT)
    pending = asked(desk)
    desk.deliver()
    with desk.begin() as unit:
        if decision == "approved":
            approve_request(agent, pending.approval_id, unit=unit)
        else:
            reject_request(agent, pending.approval_id, "Ada Moreau asked us not to", unit=unit)
    desk.deliver()
    (text,) = texts_to(office, desk.owner_email)
    assert text.startswith("Approved: an issue" if decision == "approved" else "Refused: an issue")
    assert f"{SITE}/approvals/{pending.approval_id}" in text
    assert "Moreau" not in text, "a reason is free text and stays on the page"


def test_nobody_is_asked_to_decide_what_is_decided(desk: Desk, office: PostOffice) -> None:
    agent, _ = desk.a_member(Role.TRANSFER_AGENT)
    _, other = desk.a_member(Role.OWNER)
    pending = asked(desk)
    desk.dispatch()
    with desk.begin() as unit:
        approve_request(agent, pending.approval_id, unit=unit)
    desk.deliver()
    assert list(texts_to(office, other)) == []
    waits = [notice for notice in desk.notices() if notice.kind is NoticeKind.APPROVAL_WAITS]
    assert {(notice.state, notice.outcome) for notice in waits} == {("dropped", "outdated")}


def test_a_member_who_has_left_gets_nothing(desk: Desk, office: PostOffice) -> None:
    agent, email = desk.a_member(Role.TRANSFER_AGENT)
    asked(desk)
    desk.dispatch()
    with desk.begin() as unit:
        remove_member(desk.owner, agent.user_id, unit=unit)
    desk.run_jobs()
    assert list(texts_to(office, email)) == []
    assert [(notice.state, notice.outcome) for notice in desk.notices()] == [("dropped", "no_recipient")]


def test_every_action_under_four_eyes_has_a_name_in_a_mail() -> None:
    assert set(ASKED) == FOUR_EYES_ACTIONS


# Investors


def test_an_investor_is_told_of_verification_and_its_end(desk: Desk, office: PostOffice) -> None:
    investor_id, email = desk.an_investor()
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    desk.deliver()
    (verified,) = texts_to(office, email)
    assert "Dear Zoë Müller," in verified
    assert "You are verified as an investor of Heron Motors Ltd until 1 July 2027." in verified
    desk.clock.advance(dt.timedelta(days=366))
    with desk.begin() as unit:
        expire_verifications(desk.owner, unit=unit)
    desk.deliver()
    _, expired = texts_to(office, email)
    assert expired.startswith("Your verification with Heron Motors Ltd has run out")


def test_a_rejection_says_why_and_what_would_help(desk: Desk, office: PostOffice) -> None:
    investor_id, email = desk.an_investor(document_expires="2026-01-01")
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    desk.deliver()
    (text,) = texts_to(office, email)
    assert f"{REASONS['parties.document_expired']}\nWhat would help: Send us an identity document that is still valid." in text
    assert NOT_BY_MAIL not in text


@pytest.mark.parametrize("name", ["Igor Sanctionov", "Petra Publicova"])
def test_a_suspicion_stays_with_the_officer(desk: Desk, office: PostOffice, name: str) -> None:
    investor_id, email = desk.an_investor(name=name)
    officer, _ = desk.a_member(Role.COMPLIANCE_OFFICER)
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    if name == "Petra Publicova":
        with desk.begin() as unit:
            decide_review(officer, investor_id, accepted=False, unit=unit)
    desk.deliver()
    (text,) = texts_to(office, email)
    assert NOT_BY_MAIL in text
    for word in ("sanction", "office", "politic", "declin", "list"):
        assert word not in text.lower().replace("sanctionov", "")


def test_an_erased_investor_gets_none(desk: Desk, office: PostOffice) -> None:
    investor_id, _ = desk.an_investor()
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    desk.dispatch()
    with desk.begin() as unit:
        erase_investor(desk.owner, investor_id, unit=unit)
    desk.deliver()
    assert office.kept == []
    assert [(notice.state, notice.outcome) for notice in desk.notices()] == [("dropped", "no_recipient")]


# Once, again, never


def test_events_and_jobs_that_run_twice_send_once(desk: Desk, office: PostOffice) -> None:
    investor_id, _ = desk.an_investor()
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    desk.dispatch()
    with desk.backend.database.worker_transaction() as connection:
        # As if the worker had died between the handlers and the tick.
        again = sa.text("UPDATE infra.outbox_event SET handled_at = NULL WHERE tenant_id = :tenant AND kind = 'parties.investor_verified'")
        assert connection.execute(again, {"tenant": desk.tenant_id}).rowcount == 1
    desk.dispatch()
    assert len(desk.jobs()) == 1
    desk.run_jobs()
    (notice,) = desk.notices()
    for _ in range(3):
        desk.send_again(notice.notice_id)
    assert len(office.kept) == 1
    assert (notice.state, notice.outcome) == ("sent", "250")
    assert str(office.kept[0].message["Message-ID"]) == f"<{notice.notice_id}@heron.example>"


def test_a_crash_between_the_servers_yes_and_the_commit_is_the_one_way_to_a_second_copy(desk: Desk, office: PostOffice) -> None:
    investor_id, _ = desk.an_investor()
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    desk.dispatch()
    (notice,) = desk.notices()

    @contextlib.contextmanager
    def dying() -> Iterator[Unit]:
        with desk.begin() as unit:
            yield unit
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(notice.notice_id, begin=dying)
    assert [each.state for each in desk.notices()] == ["waiting"]
    desk.run_jobs()
    desk.send_again(notice.notice_id)
    assert [str(kept.message["Message-ID"]) for kept in office.kept] == [f"<{notice.notice_id}@heron.example>"] * 2


def test_a_4yz_is_tried_again_later_and_later_until_the_server_takes_it(desk: Desk, office: PostOffice) -> None:
    investor_id, email = desk.an_investor()
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    office.answers_to_recipient += [f"450 4.2.1 <{email}> is busy"] * 3
    waits = []
    desk.deliver()
    while not office.kept:
        (notice,) = desk.notices()
        (job,) = desk.jobs()
        assert job["scheduled_at"] == notice.next_attempt_at
        assert str(notice.notice_id) in job["lock"], "it holds up no other"
        waits.append((notice.next_attempt_at - desk.clock.now()).total_seconds())
        desk.run_jobs()
        assert office.connections == len(waits), "before its time nobody asks the server"
        desk.clock.advance(notice.next_attempt_at - desk.clock.now())
        desk.run_jobs()
    assert waits == [60, 120, 240]
    (notice,) = desk.notices()
    assert (notice.state, notice.attempts) == ("sent", 3)
    assert desk.jobs() == []


def test_a_server_that_is_away_is_the_jobs_outage_and_the_mails_behind_it_wait(desk: Desk, office: PostOffice) -> None:
    for _ in range(2):
        investor_id, _ = desk.an_investor()
        with desk.begin() as unit:
            verify_investor(desk.owner, investor_id, unit=unit)
    desk.dispatch()
    first, second = desk.jobs()
    assert (first["lock"], first["priority"]) == (second["lock"], -1)
    away = dataclasses.replace(desk.backend, mailer=SmtpMailer("smtp://127.0.0.1:9", sender=SENDER))
    tables = WorkerTables(away).job_table()
    job = RunningJob(first["id"], SEND_JOB, desk.tenant_id, first["args"], 0)
    with pytest.raises(Unreachable) as outage:
        tables[SEND_JOB](job)
    assert outage.value.retry
    assert {(notice.state, notice.attempts) for notice in desk.notices()} == {("waiting", 0)}
    desk.clock.advance(GIVE_UP_AFTER)
    assert isinstance(tables[SEND_JOB](job), Done)
    assert sorted((notice.state, notice.outcome) for notice in desk.notices()) == [("dropped", "gave_up"), ("waiting", None)]
    desk.run_jobs()
    assert len(office.kept) == 1


def test_a_letter_that_is_always_put_off_is_given_up_after_days(desk: Desk, office: PostOffice) -> None:
    investor_id, _ = desk.an_investor()
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    office.answers_to_letter += ["451 4.3.0 no room"] * 200
    desk.deliver()
    tries = 1
    while (notice := desk.notices()[0]).state == "waiting":
        assert notice.next_attempt_at - desk.clock.now() <= HOUR
        desk.clock.advance(notice.next_attempt_at - desk.clock.now())
        desk.run_jobs()
        tries += 1
    assert (notice.state, notice.outcome, notice.attempts) == ("dropped", "gave_up", tries)
    assert notice.ended_at is not None
    assert notice.ended_at - notice.created_at >= GIVE_UP_AFTER
    assert desk.jobs() == []


def test_a_5yz_is_kept_as_refused_and_never_tried_again(desk: Desk, office: PostOffice) -> None:
    investor_id, email = desk.an_investor()
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    office.answers_to_recipient.append(f"550 5.1.1 <{email}> is unknown here")
    desk.deliver()
    (notice,) = desk.notices()
    assert (notice.state, notice.outcome) == ("refused", "550 5.1.1")
    assert desk.jobs() == []
    desk.clock.advance(GIVE_UP_AFTER)
    desk.send_again(notice.notice_id)
    assert (office.kept, office.connections) == ([], 1)


def test_without_a_server_nothing_is_sent_and_nothing_piles_up(database: Database, tmp_path: Path) -> None:
    desk = Desk(database, tmp_path, None)
    desk.a_member(Role.TRANSFER_AGENT)
    investor_id, _ = desk.an_investor()
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    asked(desk)
    desk.deliver()
    assert (desk.notices(), desk.jobs()) == ([], [])


def test_a_server_that_was_taken_away_leaves_nothing_waiting(desk: Desk, database: Database, tmp_path: Path) -> None:
    investor_id, _ = desk.an_investor()
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    desk.dispatch()
    without = Desk(database, tmp_path, None)
    without.tenant_id = desk.tenant_id
    without.run_jobs()
    assert [(notice.state, notice.outcome) for notice in desk.notices()] == [("dropped", "no_server")]
    assert desk.jobs() == []


# What is kept, and for whom


def test_no_address_and_no_name_is_in_a_row_a_job_the_audit_log_or_the_log(desk: Desk, office: PostOffice, log: io.StringIO) -> None:
    investor_id, email = desk.an_investor(name="Kanarina Zwitscher")
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    office.answers_to_recipient += [f"450 4.2.1 <{email}> Kanarina is busy", f"550 5.1.1 <{email}> Kanarina is unknown"]
    desk.dispatch()
    jobs = [job["args"] for job in desk.jobs()]
    desk.run_jobs()
    desk.clock.advance(HOUR)
    desk.run_jobs()
    with desk.backend.database.worker_transaction() as connection:
        rows = connection.execute(sa.text("SELECT to_jsonb(n)::text FROM notices.notice n")).scalars().all()
        entries = connection.execute(
            sa.text("SELECT to_jsonb(a)::text FROM access.audit_entry a WHERE tenant_id = :tenant"), {"tenant": desk.tenant_id}
        )
        kept = [*rows, *entries.scalars().all()]
    (notice,) = desk.notices()
    assert notice.state == "refused"
    # The mail server of the test is in this process, and tells its own log whom it got mail for.
    told = "".join(line for line in log.getvalue().splitlines() if '"logger": "mail.log"' not in line)
    assert "notices.put_off" in told
    assert str(notice.notice_id) in "".join(kept)
    for haystack in (*kept, json.dumps(jobs), told):
        assert "Kanarina" not in haystack
        assert email not in haystack
    assert all(set(job) == {"notice_id", "tenant_id"} for job in jobs)


def test_an_organisation_sees_its_own_notices_and_no_other(desk: Desk, database: Database, tmp_path: Path, office: PostOffice) -> None:
    other = Desk(database, tmp_path, office)
    investor_id, _ = desk.an_investor()
    with desk.begin() as unit:
        verify_investor(desk.owner, investor_id, unit=unit)
    desk.dispatch()
    (notice,) = desk.notices()
    assert other.notices() == []
    with other.begin() as unit, pytest.raises(NoticeNotFound):
        view_notice(other.owner, notice.notice_id, unit=unit)
    with other.begin() as unit:
        assert unit.notices.forget(investor_id) == 0
        unit.connection.execute(sa.text("UPDATE notices.notice SET state = 'dropped', ended_at = now()"))
    assert desk.notices() == [notice]


def test_notices_come_in_pages_newest_first(desk: Desk) -> None:
    investor_id = None
    for _ in range(5):
        investor_id, _ = desk.an_investor()
        with desk.begin() as unit:
            verify_investor(desk.owner, investor_id, unit=unit)
    desk.dispatch()
    seen: list[Notice] = []
    cursor: str | None = None
    while True:
        with desk.begin() as unit:
            page = view_notices(desk.owner, cursor=cursor, limit=2, unit=unit)
        seen += page.notices
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == desk.notices()[::-1]
    with desk.begin() as unit:
        theirs = view_notices(desk.owner, recipient_id=investor_id, unit=unit).notices
    assert list(theirs) == [notice for notice in seen if notice.recipient_id == investor_id]
    assert len(theirs) == 1
    assert len(seen) == 5
    with desk.begin() as unit, pytest.raises(BadCursor):
        view_notices(desk.owner, cursor="nonsense", unit=unit)


def test_each_code_of_a_transfer_is_somebodys_business() -> None:
    known = {code for code in REASONS if not code.startswith("parties.")}
    assert known >= OF_NOBODY | OF_THE_SENDER
    assert not OF_NOBODY & OF_THE_SENDER
