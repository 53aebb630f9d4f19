# SPDX-License-Identifier: Apache-2.0
"""The compliance desk: what waits, and how each security stands with its packs, its rules on the chain and its freezes. Changes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from litestar import Response, get

from muniment.access.model import Action, Actor, authorize, permits
from muniment.access.ports import Page
from muniment.app.http.request import MunimentRequest
from muniment.app.web.pages.investor_file import KINDS
from muniment.app.web.reading import AsActor, Begin, security_mark
from muniment.app.web.render import page
from muniment.app.web.views import Mark
from muniment.app.web.words import count
from muniment.compliance.model.law.book import rule_book
from muniment.compliance.ports import FreezeAction
from muniment.instruments.commands import view_securities
from muniment.instruments.model.securities import DeployedSecurity, OpenSecurity, Security
from muniment.parties import commands as parties
from muniment.servicing.ports import ServicingUnit

QUEUE_LOOKED_AT: Final = 500
"""How much of the queue is counted; beyond it the desk says “500 or more”."""


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How many things of one kind wait."""

    words: str
    href: str
    number: str


@dataclass(frozen=True, slots=True)
class SecurityDesk:
    """A security in the desk's list."""

    href: str
    name: str
    symbol: str
    state: Mark
    packs: str
    law_href: str
    rules: Mark
    rules_href: str
    frozen: str


@get("/compliance", sync_to_thread=True, include_in_schema=False)
def show_desk(request: MunimentRequest, actor: AsActor, begin: Begin) -> Response[Any]:
    """Show what a compliance officer begins the day with."""
    with begin(actor.tenant_id) as unit:
        authorize(actor, Action.COMPLIANCE_VIEW, tenant_id=unit.tenant_id)
        queues = _queues(actor, unit=unit) if permits(actor, Action.PARTIES_VIEW) else []
        rows = [_row(security, unit=unit) for security in view_securities(actor, unit=unit)]
    return page(
        request,
        "compliance.html",
        title="Compliance desk",
        queues=queues,
        rows=rows,
        rules=count(len(rule_book().rules)),
        as_of=rule_book().as_of,
    )


def _queues(actor: Actor, *, unit: ServicingUnit) -> list[QueueCount]:
    items = parties.review_queue(actor, Page(limit=QUEUE_LOOKED_AT), unit=unit)
    by_kind = Counter(item.kind for item in items)
    more = " or more" if len(items) == QUEUE_LOOKED_AT else ""
    return [QueueCount(words, f"/investors/queue?kind={kind}", f"{count(by_kind[kind])}{more}") for kind, words in KINDS.items()]


def _row(security: Security, *, unit: ServicingUnit) -> SecurityDesk:
    security_id = security.terms.security_id
    here = f"/securities/{security_id}"
    now = unit.clock.now()
    choice = unit.law_choices.in_effect(security_id, now)
    return SecurityDesk(
        href=here,
        name=security.terms.name,
        symbol=security.terms.symbol,
        state=security_mark(security),
        packs="none" if choice is None or not choice.packs else ", ".join(choice.packs),
        law_href=f"{here}/law",
        rules=_rules(security, unit=unit),
        rules_href=f"{here}/rules",
        frozen=_frozen(security, unit=unit),
    )


def _rules(security: Security, *, unit: ServicingUnit) -> Mark:
    rule_set = unit.rule_sets.in_effect(security.terms.security_id, unit.clock.now())
    if rule_set is None:
        return Mark("not set", "note", "")
    if not isinstance(security, DeployedSecurity | OpenSecurity):
        return Mark("set, not on the chain", "note", "")
    if rule_set.applied_at is None:
        return Mark("on their way", "wait", "wait")
    return Mark("on the chain", "yes", "good")


def _frozen(security: Security, *, unit: ServicingUnit) -> str:
    wallets: set[str] = set()
    for freeze in reversed(unit.freezes.of_security(security.terms.security_id, limit=QUEUE_LOOKED_AT)):
        if freeze.state == "failed":
            continue
        if freeze.action is FreezeAction.FREEZE_WALLET:
            wallets.add(freeze.address)
        elif freeze.action is FreezeAction.UNFREEZE_WALLET:
            wallets.discard(freeze.address)
    number = len(wallets)
    return "none" if not number else f"{count(number)} {'wallet' if number == 1 else 'wallets'}"


ROUTES = [show_desk]
