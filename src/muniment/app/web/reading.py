# SPDX-License-Identifier: Apache-2.0
"""What several pages read alike: names of holders, shares with their security's decimals, states as marks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, SkipValidation

from muniment.access.model import Action, Actor, permits
from muniment.app.web.render import mark_of
from muniment.app.web.views import Mark, Step
from muniment.app.web.words import count, short, words_of
from muniment.instruments.model.securities import Security
from muniment.notices.ports import NoticesUnit
from muniment.parties.commands import names_of
from muniment.parties.model import ERASED_NAME, Wallet
from muniment.register.model import Lockup
from muniment.servicing.ports import ServicingUnit
from muniment.settlement.model import SaleTerms
from muniment.units.ids import Address, InvestorId, SecurityId, TenantId
from muniment.units.shares import show_shares

Begin: TypeAlias = SkipValidation[NamedDependency[Callable[[TenantId], AbstractContextManager[NoticesUnit]]]]
"""Opens one transaction of one organisation."""

Id: TypeAlias = FromPath[str]
Query: TypeAlias = Annotated[str, QueryParameter(max_length=1000)]
Cursor: TypeAlias = Annotated[str | None, QueryParameter(max_length=200)]

AsActor: TypeAlias = SkipValidation[NamedDependency[Actor]]
"""Who acts."""

SECURITY_GOOD = ("open",)
SECURITY_WARN = ("deployed", "deploying")
INVESTOR_GOOD = ("verified",)
INVESTOR_WARN = ("in_review",)
INVESTOR_BAD = ("rejected", "expired")

KINDS: Mapping[str, str] = {
    "vehicle": "vehicle shares",
    "equity": "company shares",
    "real_estate": "property shares",
    "fund_unit": "fund units",
    "debt": "notes",
    "revenue_share": "revenue shares",
    "artwork": "artwork shares",
    "commodity": "commodity shares",
}


@dataclass(frozen=True, slots=True)
class Holders:
    """Who the wallets on a page belong to, as far as the actor may see it."""

    wallets: Mapping[Address, Wallet]
    names: Mapping[InvestorId, str]

    def name(self, address: Address) -> str:
        """Return the holder's name, a shortened investor id where names are not the actor's to see, or the wallet of nobody known."""
        wallet = self.wallets.get(address)
        return f"Unknown wallet {short(address)}" if wallet is None else self.investor_name(wallet.investor_id)

    def investor_name(self, investor_id: InvestorId) -> str:
        """Return an investor's name, or a shortened id."""
        return self.names.get(investor_id, nameless(investor_id))

    def href(self, address: Address) -> str:
        """Return the holder's page, empty for a wallet of nobody known."""
        wallet = self.wallets.get(address)
        return "" if wallet is None else f"/investors/{wallet.investor_id}"


def nameless(investor_id: InvestorId) -> str:
    """Return what stands in a name's place for those who may not see it."""
    return f"Investor …{str(investor_id)[-6:]}"


def holders_of(actor: Actor, addresses: Collection[Address], *, unit: ServicingUnit) -> Holders:
    """Return whose the wallets are. Seeing names is written into the audit log, so this comes last in a transaction."""
    wallets = unit.wallets.by_addresses(sorted(set(addresses)))
    investor_ids = sorted({wallet.investor_id for wallet in wallets.values()}, key=str)
    return Holders(wallets, investor_names(actor, investor_ids, unit=unit))


def investor_names(actor: Actor, investor_ids: Sequence[InvestorId], *, unit: ServicingUnit) -> Mapping[InvestorId, str]:
    """Return the names that the actor may see, and none where names are not the actor's to see."""
    if not investor_ids or not permits(actor, Action.PARTIES_VIEW_PERSONAL_DATA):
        return {}
    return {
        investor_id: "Erased person" if name == ERASED_NAME else name
        for investor_id, name in names_of(actor, investor_ids, unit=unit).items()
    }


def shares_text(shares: int, security: Security) -> str:
    """Return base units as people read them."""
    return show_shares(shares, decimals=security.terms.decimals)


def security_mark(security: Security) -> Mark:
    """Return the security's state."""
    return mark_of(security.state, good=SECURITY_GOOD, warn=SECURITY_WARN)


def investor_mark(status: str) -> Mark:
    """Return the investor's status."""
    return mark_of(status, good=INVESTOR_GOOD, warn=INVESTOR_WARN, bad=INVESTOR_BAD)


def notice_mark(state: str) -> Mark:
    """Return the state of a mail."""
    return mark_of(state, good=("sent",), warn=("waiting",), bad=("refused", "dropped"))


def kind_text(kind: str) -> str:
    """Return a security's kind in words."""
    return KINDS.get(kind, kind.replace("_", " "))


STATIONS = ("signed", "sent", "mined", "final")


def pipeline(state: str, *, block_number: int | None, succeeded: bool | None = None) -> list[Step]:
    """Return the way of a transaction through the chain: what has passed, where it stands, what is still to come."""
    block = "" if block_number is None else f"block {count(block_number)}"
    if state == "reverted" or (state == "final" and succeeded is False):
        return [
            *(Step(word, tone="passed") for word in STATIONS[:2]),
            Step("mined", tone="passed", block=block),
            Step("reverted", tone="failed", icon="no", is_now=True),
        ]
    at = STATIONS.index(state)
    return [
        Step(
            word,
            tone="done" if word == state == "final" else "passed" if index < at else "now" if index == at else "",
            icon="" if index != at else "yes" if state == "final" else "wait",
            is_now=index == at,
            block=block if word == "mined" and index <= at else "",
        )
        for index, word in enumerate(STATIONS)
    ]


def tabs_path(security_id: SecurityId, tab: str) -> str:
    """Return the address of a security's tab; the register is the security's own address."""
    return f"/securities/{security_id}" if tab == "register" else f"/securities/{security_id}/{tab}"


def sale_text(sale: SaleTerms) -> str:
    """Return the terms of a sale in a few words, as far as they are known: `under us.regd.506c, for 120.00 USD, buyer accredited`."""
    parts = [
        f"under {sale.exemption}" if sale.exemption else "",
        f"for {sale.paid}" if sale.paid is not None else "",
        f"buyer {words_of(sale.buyer_category)}" if sale.buyer_category else "",
    ]
    return ", ".join(part for part in parts if part)


def locked_text(tranches: Sequence[Lockup], security: Security) -> str:
    """Return what is locked in a few words, with the day on which the last of it is free; empty where nothing is."""
    if not tranches:
        return ""
    last = dt.datetime.fromtimestamp(max(each.unlocks_at for each in tranches), tz=dt.UTC)
    return f"{shares_text(sum(each.shares for each in tranches), security)} locked until {last.day} {last:%b %Y}"
