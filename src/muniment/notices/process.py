# SPDX-License-Identifier: Apache-2.0
"""Who is told what when something happened, and the sending of each notice. Each step may be run again and tells nobody twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeAlias, assert_never
from uuid import UUID

import structlog

from muniment.access.events import ApprovalDecided, ApprovalRequested
from muniment.access.model import (
    PERMITTED,
    Action,
    ApprovedApproval,
    ExecutedApproval,
    Member,
    RejectedApproval,
    RequestedApproval,
    requested_part,
    system_actor,
)
from muniment.infra.jobs import Done, ProcessOutcome, Waiting
from muniment.infra.mail import Letter, PutOff, Taken
from muniment.infra.mail import Refused as MailRefused
from muniment.infra.outages import Unreachable
from muniment.infra.outbox import RecordedEvent
from muniment.notices import model
from muniment.notices.commands import SEND_JOB, SEND_PRIORITY, explanation_words, keep
from muniment.notices.model import Notice, NoticeKind, Outcome, Recipient, Words, ended, full_text, is_overdue, new_notice, put_off
from muniment.notices.ports import NoticesUnit
from muniment.parties.events import InvestorExpired, InvestorRejected, InvestorVerified
from muniment.parties.model import Expired, Rejected, Verified
from muniment.settlement.events import InstructionFailed
from muniment.settlement.model import FailedInstruction
from muniment.units.ids import ApprovalId, InstructionId, InvestorId, NoticeId, SecurityId, UserId, parse_id

BeginNotices: TypeAlias = Callable[[], AbstractContextManager[NoticesUnit]]

TOLD_OF = (InstructionFailed, ApprovalRequested, ApprovalDecided, InvestorVerified, InvestorRejected, InvestorExpired)
"""The facts that somebody is told of."""

_log = structlog.get_logger("notices")


def tell(recorded: RecordedEvent, *, begin: BeginNotices) -> None:
    """Keep a notice for each person whom a fact concerns; without a mail server for nobody, so that nothing piles up."""
    with begin() as unit:
        if unit.mailer is None:
            return
        for kind, subject_id, recipient, recipient_id in _concerned(recorded.event, unit=unit):
            occasion = f"event:{recorded.event_id}"
            keep(new_notice(kind, subject_id, recipient, recipient_id, occasion=occasion, at=unit.clock.now()), unit=unit)


def _concerned(event: Any, *, unit: NoticesUnit) -> Iterator[tuple[NoticeKind, UUID, Recipient, UUID]]:
    match event:
        case InstructionFailed(instruction_id=text):
            instruction = unit.instructions.get(InstructionId(parse_id(text))).instruction
            if instruction.requested_by is not None:
                yield NoticeKind.INSTRUCTION_FAILED, instruction.instruction_id, Recipient.MEMBER, instruction.requested_by
        case ApprovalRequested(approval_id=approval_id):
            requested = requested_part(unit.approvals.get(ApprovalId(approval_id)))
            for member in unit.memberships.members(unit.tenant_id):
                if _may_decide(member, requested):
                    yield NoticeKind.APPROVAL_WAITS, approval_id, Recipient.MEMBER, member.membership.user_id
        case ApprovalDecided(approval_id=approval_id):
            requested = requested_part(unit.approvals.get(ApprovalId(approval_id)))
            yield NoticeKind.APPROVAL_DECIDED, approval_id, Recipient.MEMBER, requested.requested_by
        case InvestorVerified(investor_id=investor_id):
            yield NoticeKind.INVESTOR_VERIFIED, investor_id, Recipient.INVESTOR, investor_id
        case InvestorRejected(investor_id=investor_id):
            yield NoticeKind.INVESTOR_REJECTED, investor_id, Recipient.INVESTOR, investor_id
        case InvestorExpired(investor_id=investor_id):
            yield NoticeKind.INVESTOR_EXPIRED, investor_id, Recipient.INVESTOR, investor_id
        case _:
            raise AssertionError(f"{type(event).__name__} is none of TOLD_OF")


def _may_decide(member: Member, requested: RequestedApproval) -> bool:
    roles = member.membership.roles
    may = all(not roles.isdisjoint(PERMITTED[action]) for action in (Action.ACCESS_DECIDE_APPROVAL, requested.action))
    return may and member.membership.user_id != requested.requested_by


def forget(investor_id: InvestorId, *, begin: BeginNotices) -> None:
    """Destroy the words of explanations to an investor who is erased."""
    with begin() as unit:
        unit.notices.forget(investor_id)


def send(notice_id: NoticeId, *, begin: BeginNotices) -> ProcessOutcome:
    """Send a notice once, or say why not. Its row is held meanwhile, so that no two workers send it.

    A crash between the server's yes and the commit is the one way to a second copy: SMTP knows no other. It has the same Message-ID.
    """
    with begin() as unit:
        notice = unit.notices.lock(notice_id)
        now = unit.clock.now()
        if notice.state != "waiting":
            return Done()
        if notice.next_attempt_at > now:
            return Waiting("notices.not_due", until=notice.next_attempt_at)
        after = _sent(notice, unit=unit)
        unit.notices.save(after)
        if after.state == "waiting":
            # Under a lock of its own: a letter that is put off holds up no other.
            lock, later = f"notices:{notice_id}", after.next_attempt_at
            unit.jobs.defer(SEND_JOB, {"notice_id": str(notice_id)}, lock=lock, schedule_at=later, priority=SEND_PRIORITY)
            return Done()
        facts = {"kind": after.kind.value, "recipient_id": str(after.recipient_id), "state": after.state, "outcome": after.outcome}
        unit.audit.record(system_actor(unit.tenant_id), SEND_JOB, f"notice:{notice_id}", facts)
    return Done()


def _sent(notice: Notice, *, unit: NoticesUnit) -> Notice:
    """Return the notice after one try."""
    now = unit.clock.now()
    if unit.mailer is None:
        return ended(notice, "dropped", Outcome.NO_SERVER.value, at=now)
    found = _recipient(notice, unit=unit)
    if found is None:
        return ended(notice, "dropped", Outcome.NO_RECIPIENT.value, at=now)
    words = _words(notice, unit=unit)
    if words is None:
        return ended(notice, "dropped", Outcome.OUTDATED.value, at=now)
    name, address = found
    organisation = unit.organisations.get(unit.tenant_id).name
    letter = Letter(
        letter_id=str(notice.notice_id),
        address=address,
        name=name,
        sender_name=organisation,
        subject=words.subject,
        text=full_text(words, name=name, organisation=organisation, site_url=unit.site_url),
        at=notice.created_at,
    )
    try:
        outcome = unit.mailer.send(letter)
    except Unreachable:
        if not is_overdue(notice, at=now):
            # The job's own outage: the same job tries again soon, and those behind it wait.
            raise
        return ended(notice, "dropped", Outcome.GAVE_UP.value, at=now)
    match outcome:
        case Taken():
            return ended(notice, "sent", "250", at=now)
        case MailRefused(code, status):
            return ended(notice, "refused", f"{code} {status}".strip(), at=now)
        case PutOff(code, status):
            after = put_off(notice, at=now)
            _log.warning("notices.put_off", notice_id=str(notice.notice_id), attempts=after.attempts, code=code, status=status)
            return after
        case _:
            assert_never(outcome)


def _recipient(notice: Notice, *, unit: NoticesUnit) -> tuple[str, str] | None:
    """Return name and address of who gets it, read now and kept nowhere; None where there is nobody any more."""
    match notice.recipient:
        case Recipient.MEMBER:
            for member in unit.memberships.members(unit.tenant_id):
                if member.membership.user_id == notice.recipient_id:
                    return member.display_name, member.email
            return None
        case Recipient.INVESTOR:
            investor_id = InvestorId(notice.recipient_id)
            person = unit.investors.persons([investor_id]).get(investor_id)
            return None if person is None else (person.name, person.email)
        case _:
            assert_never(notice.recipient)


def _words(notice: Notice, *, unit: NoticesUnit) -> Words | None:
    """Return what a notice says; None where what it would say is not so any more."""
    match notice.kind:
        case NoticeKind.INSTRUCTION_FAILED:
            return _failed_words(InstructionId(notice.subject_id), unit=unit)
        case NoticeKind.APPROVAL_WAITS | NoticeKind.APPROVAL_DECIDED:
            return _approval_words(notice, unit=unit)
        case NoticeKind.EXPLANATION:
            return None if notice.told is None else explanation_words(notice.told, SecurityId(notice.subject_id), unit=unit)
        case NoticeKind.INVESTOR_VERIFIED | NoticeKind.INVESTOR_REJECTED | NoticeKind.INVESTOR_EXPIRED:
            return _standing_words(notice, unit=unit)
        case _:
            assert_never(notice.kind)


def _failed_words(instruction_id: InstructionId, *, unit: NoticesUnit) -> Words | None:
    state = unit.instructions.get(instruction_id)
    if not isinstance(state, FailedInstruction):
        return None
    terms = unit.securities.get(state.instruction.security_id).terms
    return model.instruction_failed(
        state.instruction.kind.value,
        security=f"{terms.name} ({terms.symbol})",
        reason=state.reason,
        href=f"{unit.site_url}/instructions/{instruction_id}",
    )


def _approval_words(notice: Notice, *, unit: NoticesUnit) -> Words | None:
    approval = unit.approvals.get(ApprovalId(notice.subject_id))
    requested = requested_part(approval)
    href = f"{unit.site_url}/approvals/{notice.subject_id}"
    if notice.kind is NoticeKind.APPROVAL_WAITS:
        is_open = isinstance(approval, RequestedApproval) and unit.clock.now() < requested.expires_at
        if not is_open or not any(_may_decide(member, requested) for member in _member(notice, unit=unit)):
            return None
        return model.approval_waits(requested.action, expires_at=requested.expires_at, href=href)
    if isinstance(approval, ApprovedApproval | ExecutedApproval):
        return model.approval_decided(requested.action, is_approved=True, href=href)
    return model.approval_decided(requested.action, is_approved=False, href=href) if isinstance(approval, RejectedApproval) else None


def _member(notice: Notice, *, unit: NoticesUnit) -> list[Member]:
    return [member for member in unit.memberships.members(unit.tenant_id) if member.membership.user_id == UserId(notice.recipient_id)]


def _standing_words(notice: Notice, *, unit: NoticesUnit) -> Words | None:
    organisation = unit.organisations.get(unit.tenant_id).name
    standing = unit.investors.get(InvestorId(notice.subject_id)).standing
    match notice.kind, standing:
        case NoticeKind.INVESTOR_VERIFIED, Verified(until=until):
            return model.investor_verified(organisation=organisation, until=until)
        case NoticeKind.INVESTOR_REJECTED, Rejected(codes=codes):
            return model.investor_rejected(codes, organisation=organisation, sentences=unit.code_sentences)
        case NoticeKind.INVESTOR_EXPIRED, Expired():
            return model.investor_expired(organisation=organisation)
        case _:
            return None
