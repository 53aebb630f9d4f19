# SPDX-License-Identifier: Apache-2.0
"""The use cases of notices: explain a refusal to the investor whose it is, see what was sent. Sending is in `process`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from muniment.access.model import Action, Actor, authorize
from muniment.compliance.commands import MoveChecks, ask_transfer
from muniment.notices.errors import BadCursor, MailNotConfigured, NobodyToTell, NothingToExplain, NoticeNotFound, NotTheirs
from muniment.notices.model import (
    Notice,
    NoticeKind,
    Recipient,
    Side,
    Told,
    Words,
    explained_to,
    explanation,
    explanation_occasion,
    new_notice,
)
from muniment.notices.ports import NoticePlace, NoticesUnit
from muniment.units.decisions import Decision, Refused
from muniment.units.errors import Place
from muniment.units.ids import Address, InvestorId, NoticeId, SecurityId, parse_id
from muniment.units.instants import instant_text, parse_instant
from muniment.units.money import Money
from muniment.units.shares import show_shares

PAGE_MAX: Final = 200

SEND_JOB: Final = "notices.send"
"""The job that sends a notice; its argument is `notice_id`."""
SEND_PRIORITY: Final = -1
"""Shares and money move before anybody is told."""


@dataclass(frozen=True, slots=True)
class ExplainRefusal:
    """A refused issue (`from_wallet` None) or transfer of shares (base units), and the side to whom it is explained.

    An issue may have been asked for under an exemption, for an amount; the law is asked with them.
    """

    security_id: SecurityId
    from_wallet: Address | None
    to_wallet: Address
    shares: int
    side: Side = Side.RECEIVER
    exemption: str | None = None
    paid: Money | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """An explanation that can be sent: to whom, what it says, and its words."""

    investor_id: InvestorId
    told: Told
    words: Words


@dataclass(frozen=True, slots=True)
class NoticesPage:
    """A page of notices, newest first."""

    notices: Sequence[Notice]
    next_cursor: str | None


def explain(actor: Actor, request: ExplainRefusal, *, unit: NoticesUnit) -> Explanation:
    """Return what would be sent; nothing is.

    Raises:
        NothingToExplain: it is allowed.
        NobodyToTell: the side's wallet belongs to no investor, or to one who is erased.
        NotTheirs: each reason is about the other side.

    """
    authorize(actor, Action.NOTICES_EXPLAIN, tenant_id=unit.tenant_id)
    decision = _decision(actor, request, unit=unit)
    if not isinstance(decision, Refused):
        raise NothingToExplain
    side = request.side.value
    address = request.to_wallet if request.side is Side.RECEIVER else request.from_wallet
    wallet = None if address is None else unit.wallets.by_address(address)
    if wallet is None or unit.investors.get(wallet.investor_id).is_erased:
        raise NobodyToTell(side=side, place=Place(field="to" if request.side is Side.RECEIVER else "from"))
    is_issue = request.from_wallet is None
    reasons, withheld = explained_to(request.side, decision, is_issue=is_issue)
    if not reasons:
        raise NotTheirs(reasons=withheld, side=side, place=Place(field="send_to"))
    terms = unit.securities.get(request.security_id).terms
    told = Told(
        side=request.side,
        is_issue=is_issue,
        shares=f"{show_shares(request.shares, decimals=terms.decimals)} {'share' if request.shares == 10**terms.decimals else 'shares'}",
        reasons=tuple(reasons),
        withheld=withheld,
    )
    return Explanation(wallet.investor_id, told, explanation_words(told, request.security_id, unit=unit))


def _decision(actor: Actor, request: ExplainRefusal, *, unit: NoticesUnit) -> Decision:
    security_id, sender, receiver = request.security_id, request.from_wallet, request.to_wallet
    if sender is not None:
        return ask_transfer(actor, security_id, from_wallet=sender, to_wallet=receiver, shares=request.shares, unit=unit)
    authorize(actor, Action.COMPLIANCE_CHECK, tenant_id=unit.tenant_id)
    checks = MoveChecks(security_id, [receiver], unit=unit)
    return checks.issue(receiver, request.shares, exemption=request.exemption, paid=request.paid).decision


def explanation_words(told: Told, security_id: SecurityId, *, unit: NoticesUnit) -> Words:
    """Return the words of an explanation, as the mail and the page before it show them."""
    security = unit.securities.get(security_id)
    asset = unit.assets.get(security.terms.asset_record_id)
    return explanation(
        told,
        organisation=unit.organisations.get(unit.tenant_id).name,
        security=f"{security.terms.name} ({security.terms.symbol})",
        href=f"{unit.site_url}/verify?hash={asset.asset_id}",
    )


def send_explanation(actor: Actor, request: ExplainRefusal, *, unit: NoticesUnit) -> Notice:
    """Have an explanation sent. The same explanation of the same refusal goes out once a day, however often it is asked for.

    Raises:
        MailNotConfigured: there is no mail server.
        NothingToExplain, NobodyToTell, NotTheirs: as `explain` does.

    """
    explained = explain(actor, request, unit=unit)
    if unit.mailer is None:
        raise MailNotConfigured
    now = unit.clock.now()
    occasion = explanation_occasion(request.security_id, request.from_wallet, request.to_wallet, explained.told, on=now.date())
    notice = replace(
        new_notice(NoticeKind.EXPLANATION, request.security_id, Recipient.INVESTOR, explained.investor_id, occasion=occasion, at=now),
        told=explained.told,
        asked_by=actor.user_id,
    )
    if not keep(notice, unit=unit):
        stored = unit.notices.find(notice.notice_id)
        assert stored is not None, "it is there, or it would have been kept"
        return stored
    facts = {
        "notice_id": str(notice.notice_id),
        "investor_id": str(explained.investor_id),
        "side": request.side.value,
        "codes": [reason.code for reason in explained.told.reasons],
    }
    unit.audit.record(actor, Action.NOTICES_EXPLAIN, f"security/{request.security_id}", facts)
    return notice


def keep(notice: Notice, *, unit: NoticesUnit) -> bool:
    """Keep a notice and defer its sending; False, and nothing is done, where it is there already."""
    if not unit.notices.add(notice):
        return False
    # One after the other: a server that is away holds up the mails behind, and not the worker's other jobs.
    unit.jobs.defer(SEND_JOB, {"notice_id": str(notice.notice_id)}, lock=f"notices:{unit.tenant_id}", priority=SEND_PRIORITY)
    return True


def view_notice(actor: Actor, notice_id: NoticeId, *, unit: NoticesUnit) -> Notice:
    """Return one notice.

    Raises:
        NoticeNotFound: there is none of that id here.

    """
    authorize(actor, Action.NOTICES_VIEW, tenant_id=unit.tenant_id)
    found = unit.notices.find(notice_id)
    if found is None:
        raise NoticeNotFound(notice_id=str(notice_id))
    return found


def view_notices(
    actor: Actor, *, recipient_id: UUID | None = None, cursor: str | None = None, limit: int = 50, unit: NoticesUnit
) -> NoticesPage:
    """Return what was to be told to whom (to one recipient where given) and what became of it, newest first.

    Ids, states and the servers' codes; no address.
    """
    authorize(actor, Action.NOTICES_VIEW, tenant_id=unit.tenant_id)
    limit = min(limit, PAGE_MAX)
    found = unit.notices.page(recipient_id=recipient_id, before=None if cursor is None else _place(cursor), limit=limit + 1)
    shown = found[:limit]
    more = len(found) > limit
    return NoticesPage(shown, f"{instant_text(shown[-1].created_at)}~{shown[-1].notice_id}" if more else None)


def _place(cursor: str) -> NoticePlace:
    at, tilde, notice_id = cursor.partition("~")
    if not tilde:
        raise BadCursor(cursor=cursor)
    return NoticePlace(parse_instant(at, field="cursor"), NoticeId(parse_id(notice_id, field="cursor")))
