# SPDX-License-Identifier: Apache-2.0
"""What a notice is, whom it is about, and the words of each mail. Reads no address and sends nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final
from uuid import UUID, uuid5

from muniment.access.model import Action
from muniment.notices.errors import UnknownSide
from muniment.units.decisions import Reason, Refused
from muniment.units.errors import Place
from muniment.units.ids import Address, InvestorId, NoticeId, SecurityId, UserId

GIVE_UP_AFTER: Final = dt.timedelta(days=4)
"""How long a server may be away, or put a letter off, before the notice is dropped (RFC 5321, 4.5.4.1: at least four to five days)."""
RETRY_SECONDS_MIN: Final = 60
RETRY_SECONDS_MAX: Final = 3600

_NAMESPACE: Final = UUID("5d2c8f0e-6b7a-4e57-9a5e-2d1f3c4b7a90")


class NoticeKind(Enum):
    """What a notice tells."""

    INSTRUCTION_FAILED = "instruction_failed"
    APPROVAL_WAITS = "approval_waits"
    APPROVAL_DECIDED = "approval_decided"
    INVESTOR_VERIFIED = "investor_verified"
    INVESTOR_REJECTED = "investor_rejected"
    INVESTOR_EXPIRED = "investor_expired"
    EXPLANATION = "explanation"


class Recipient(Enum):
    """Who gets it."""

    MEMBER = "member"
    INVESTOR = "investor"


class Side(Enum):
    """A side of a movement of shares; an issue has a receiver only."""

    SENDER = "sender"
    RECEIVER = "receiver"


def parse_side(text: str, *, field: str = "send_to") -> Side:
    """Return the side of that name."""
    try:
        return Side(text)
    except ValueError:
        raise UnknownSide(text=text, place=Place(field=field)) from None


class Outcome(Enum):
    """Why a notice was dropped unsent."""

    OUTDATED = "outdated"
    """What it would have told is not so any more."""
    NO_RECIPIENT = "no_recipient"
    """The member has left, or the investor is erased."""
    NO_SERVER = "no_server"
    """There is no mail server any more."""
    GAVE_UP = "gave_up"
    """The server was away, or put the letter off, for `GIVE_UP_AFTER`."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an explanation says: the reasons as they were shown to whoever sent it, and how many are not this investor's business."""

    side: Side
    is_issue: bool
    shares: str
    reasons: tuple[Reason, ...]
    withheld: int

    def as_json(self) -> dict[str, Any]:
        """Return what is stored: words and codes. The values compared are left out."""
        return {
            "side": self.side.value,
            "is_issue": self.is_issue,
            "shares": self.shares,
            "withheld": self.withheld,
            "reasons": [
                {"code": each.code, "sentence": each.sentence, "rule": each.rule, "citation": each.citation, "cure": each.cure}
                for each in self.reasons
            ],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Told:
        """Return what was stored."""
        return cls(
            side=Side(body["side"]),
            is_issue=body["is_issue"],
            shares=body["shares"],
            reasons=tuple(Reason(**each) for each in body["reasons"]),
            withheld=body["withheld"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to be told to one person, and what became of it. Ids only, but for the words of an explanation.

    `state` is waiting, sent, refused (by the recipient's server, for good) or dropped; `outcome` the server's code, or why it was dropped.
    """

    notice_id: NoticeId
    kind: NoticeKind
    subject_id: UUID
    recipient: Recipient
    recipient_id: UUID
    created_at: dt.datetime
    next_attempt_at: dt.datetime
    told: Told | None = None
    asked_by: UserId | None = None
    state: str = "waiting"
    outcome: str | None = None
    attempts: int = 0
    ended_at: dt.datetime | None = None


def notice_id_of(occasion: str, recipient_id: UUID) -> NoticeId:
    """Return the one id of what is told to one recipient at one occasion: an event's id, or the digest of an explanation."""
    return NoticeId(uuid5(_NAMESPACE, f"{occasion}:{recipient_id}"))


def new_notice(kind: NoticeKind, subject_id: UUID, recipient: Recipient, recipient_id: UUID, *, occasion: str, at: dt.datetime) -> Notice:
    """Return a notice that waits to be sent at once."""
    return Notice(
        notice_id=notice_id_of(occasion, recipient_id),
        kind=kind,
        subject_id=subject_id,
        recipient=recipient,
        recipient_id=recipient_id,
        created_at=at,
        next_attempt_at=at,
    )


def put_off(notice: Notice, *, at: dt.datetime) -> Notice:
    """Return a notice that the server put off: a minute later, then twice as long each time, up to an hour; in the end dropped."""
    attempts = notice.attempts + 1
    if is_overdue(notice, at=at):
        return replace(ended(notice, "dropped", Outcome.GAVE_UP.value, at=at), attempts=attempts)
    seconds = min(RETRY_SECONDS_MAX, RETRY_SECONDS_MIN * 2 ** min(attempts - 1, 12))
    return replace(notice, attempts=attempts, next_attempt_at=at + dt.timedelta(seconds=seconds))


def is_overdue(notice: Notice, *, at: dt.datetime) -> bool:
    """Return whether a notice has waited so long that the next failure is the last."""
    return at >= notice.created_at + GIVE_UP_AFTER


def ended(notice: Notice, state: str, outcome: str, *, at: dt.datetime) -> Notice:
    """Return the notice as it ended."""
    return replace(notice, state=state, outcome=outcome, ended_at=at)


# Whose business a reason is

OF_NOBODY: Final = frozenset(
    {
        "compliance.beneficial_owners",
        "compliance.category_holder_cap",
        "compliance.country_holder_cap",
        "compliance.directed_selling_efforts",
        "compliance.general_solicitation",
        "compliance.holder_cap",
        "compliance.holders_of_record",
        "compliance.no_current_information",
        "compliance.not_bound",
        "compliance.offerees_in_member_state",
        "compliance.pilot_full",
        "compliance.prospectus_needed",
        "compliance.public_offer",
        "compliance.raised_in_twelve_months",
        "compliance.refused",
        "compliance.rule_not_in_force",
        "compliance.secondary_issuance_too_large",
        "compliance.supply_cap",
        "compliance.too_large_for_pilot",
        "compliance.transfer_hours_closed",
        "compliance.transfer_not_approved",
        "compliance.transfer_window_closed",
        "compliance.venue_not_listed",
        "settlement.lien_active",
        "settlement.over_authorized",
        "settlement.paused",
        "settlement.receiver_is_zero",
        "settlement.supply_too_large",
        "settlement.title_frozen",
    }
)
"""Reasons that lie in the security, the issuer or the hour, and tell nothing of either side."""

OF_THE_SENDER: Final = frozenset(
    {
        "compliance.affiliate_volume",
        "compliance.holding_period",
        "compliance.insufficient_holding",
        "compliance.lockup_active",
        "compliance.resale_lock",
        "compliance.sender_below_minimum",
        "compliance.volume_limit",
        "compliance.whole_position_only",
        "settlement.insufficient_balance",
        "settlement.sender_frozen",
        "settlement.title_not_owned",
    }
)
"""Reasons that tell what the sender holds, since when, or what was ordered about it. Every other reason is the receiver's."""


def explained_to(side: Side, refused: Refused, *, is_issue: bool) -> tuple[Sequence[Reason], int]:
    """Return the reasons that are a side's business, in their order, and how many are the other's. At an issue all are the receiver's."""
    told = [
        reason
        for reason in refused.reasons
        if is_issue or reason.code in OF_NOBODY or (reason.code in OF_THE_SENDER) is (side is Side.SENDER)
    ]
    return told, len(refused.reasons) - len(told)


def explanation_occasion(security_id: SecurityId, from_wallet: Address | None, to_wallet: Address, told: Told, *, on: dt.date) -> str:
    """Return what makes two explanations one: the same question, answered alike, on one day (UTC)."""
    body = [str(security_id), from_wallet, to_wallet, told.as_json(), on.isoformat()]
    return f"explanation:{hashlib.sha256(json.dumps(body, separators=(',', ':')).encode()).hexdigest()}"


_SIDE_WORDS: Final = {Side.SENDER: "sender", Side.RECEIVER: "recipient"}
"""What the sentences of reasons call each side."""


# Words


@dataclass(frozen=True, slots=True)
class Words:
    """A mail's subject and its paragraphs, without greeting and signature."""

    subject: str
    paragraphs: tuple[str, ...]
    why: str
    """Why the reader gets it: ends the sentence "You get this mail because ..."."""


ASKED: Final[Mapping[Action, str]] = {
    Action.PARTIES_CLASSIFY: "a claim about an investor's class",
    Action.SETTLEMENT_ISSUE: "an issue of shares",
    Action.SETTLEMENT_FORCED_TRANSFER: "a transfer without the holder's consent",
    Action.SETTLEMENT_RECOVER: "the recovery of a lost wallet",
    Action.COMPLIANCE_RELEASE_LOCKUP: "an early release of locked shares",
    Action.SERVICING_DECLARE_DIVIDEND: "a dividend",
    Action.ACCESS_SET_APPROVAL_POLICY: "a change of what needs a second person",
}
"""What each action under four eyes is called in a mail."""

INSTRUCTIONS: Final[Mapping[str, str]] = {
    "issue": "issue",
    "transfer": "transfer",
    "forced_transfer": "forced transfer",
    "burn": "burning",
    "recover": "recovery",
}

NOT_BY_MAIL: Final = "We do not tell the reason by mail. Please ask us."
"""In place of a reason that names a suspicion: a sanctions list, a public office, an officer's own judgement."""

TOLD_BY_MAIL: Final[Mapping[str, str]] = {
    "parties.document_expired": "Send us an identity document that is still valid.",
    "parties.under_age": "Let your legal representative be onboarded.",
}
"""Codes of a failed verification that the person may read in a mail, each with what would help."""


def reason_text(reason: Reason) -> str:
    """Return a reason as a mail shows it: the sentence alone in its line, then rule, source and cure, as a page lists them."""
    lines = [reason.sentence]
    lines += [] if reason.rule is None else [f"Rule: {reason.rule}"]
    lines += [] if reason.citation is None else [f"Source: {reason.citation}"]
    lines += [] if reason.cure is None else [f"What would help: {reason.cure}"]
    return "\n".join(lines)


def instruction_failed(kind: str, *, security: str, reason: Reason, href: str) -> Words:
    """Return the words to the member who asked for an instruction that the chain has refused."""
    what = INSTRUCTIONS[kind]
    return Words(
        f"The {what} of {security} has failed",
        (
            f"The {what} of {security} that you asked for was sent to the chain and refused there. No shares have moved. The reason:",
            reason_text(reason),
            f"See it at {href}",
        ),
        "you asked for it",
    )


def approval_waits(action: Action, *, expires_at: dt.datetime, href: str) -> Words:
    """Return the words to a member who may decide. Who asked for it is on the page."""
    return Words(
        f"A second person is needed: {ASKED[action]}",
        (
            f"Another member has asked for {ASKED[action]}. It is done only when a second person agrees, until {instant(expires_at)}.",
            f"See what exactly is asked for, and agree or refuse, at {href}",
        ),
        "your roles let you decide it",
    )


def approval_decided(action: Action, *, is_approved: bool, href: str) -> Words:
    """Return the words to the member who asked. The reason of a refusal is on the page: it is free text and may name somebody."""
    return Words(
        f"{'Approved' if is_approved else 'Refused'}: {ASKED[action]}",
        (
            f"A second person has {'agreed to' if is_approved else 'refused'} {ASKED[action]} that you asked for.",
            f"See what became of it at {href}" if is_approved else f"See the reason at {href}",
        ),
        "you asked for it",
    )


def investor_verified(*, organisation: str, until: dt.datetime) -> Words:
    """Return the words to an investor who passed verification."""
    return Words(
        f"{organisation} has verified you",
        (
            f"You are verified as an investor of {organisation} until {day(until)}.",
            "You may receive its securities from now on, as far as the rules of each security allow.",
        ),
        f"you asked {organisation} to be an investor",
    )


def investor_rejected(codes: Sequence[str], *, organisation: str, sentences: Mapping[str, str]) -> Words:
    """Return the words to an investor who failed verification. `sentences` says what each code means, as the pages say it."""
    told = [
        reason_text(Reason(code, sentences[code], cure=TOLD_BY_MAIL[code])) for code in codes if code in TOLD_BY_MAIL and code in sentences
    ]
    hidden = len(told) < len(codes)
    return Words(
        f"{organisation} could not verify you",
        (
            f"You could not be verified as an investor of {organisation}, so you cannot receive its securities.",
            *told,
            *([NOT_BY_MAIL] if hidden else []),
        ),
        f"you asked {organisation} to be an investor",
    )


def investor_expired(*, organisation: str) -> Words:
    """Return the words to an investor whose verification has run out."""
    return Words(
        f"Your verification with {organisation} has run out",
        (
            f"Your verification as an investor of {organisation} has run out.",
            "What you hold stays yours. You can receive nothing more until you are verified again.",
            f"What would help: {organisation} verifies you again. Please get in touch.",
        ),
        f"you are an investor of {organisation}",
    )


def explanation(told: Told, *, organisation: str, security: str, href: str) -> Words:
    """Return the words that explain a refusal to the investor whose subscription or transfer it is."""
    if told.is_issue:
        what = f"{told.shares} of {security} cannot be issued to you"
    elif told.side is Side.SENDER:
        what = f"{told.shares} of {security} cannot be transferred from you as you wished"
    else:
        what = f"{told.shares} of {security} cannot be transferred to you"
    count = (
        f"{told.withheld} further {'reason is' if told.withheld == 1 else 'reasons are'} about the other side, which we do not tell you."
    )
    return Words(
        f"Why this was refused: {security}",
        (
            f"{what}. {'The reason' if len(told.reasons) == 1 else 'The reasons'}, in which you are the {_SIDE_WORDS[told.side]}:",
            *(reason_text(reason) for reason in told.reasons),
            *([count] if told.withheld else []),
            f"What the chain itself says about {security} can be seen by anybody at {href}",
        ),
        f"{organisation} has sent you this explanation",
    )


def full_text(words: Words, *, name: str, organisation: str, site_url: str) -> str:
    """Return the whole text of a mail."""
    return "\n\n".join(
        (
            f"Dear {name},",
            *words.paragraphs,
            organisation,
            f"-- \nYou get this mail because {words.why}. It was written by a program for {organisation}: {site_url}\n",
        )
    )


def instant(at: dt.datetime) -> str:
    """Return an instant as a mail says it: 4 July 2026, 12:00 UTC."""
    return f"{day(at)}, {at.astimezone(dt.UTC):%H:%M} UTC"


def day(at: dt.datetime) -> str:
    """Return a day as a mail says it: 4 July 2026."""
    utc = at.astimezone(dt.UTC)
    return f"{utc.day} {_MONTHS[utc.month - 1]} {utc.year}"


_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def investor_of(notice: Notice) -> InvestorId | None:
    """Return the investor who gets a notice; None where it is a member."""
    return InvestorId(notice.recipient_id) if notice.recipient is Recipient.INVESTOR else None
