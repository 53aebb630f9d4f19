# SPDX-License-Identifier: Apache-2.0
"""Builders for the tests of the investor's file: an organisation with its officers, investors, and claims. Holds no test."""

from __future__ import annotations

import datetime as dt
import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from muniment.access import commands as access
from muniment.access.model import Actor, Pending, Role
from muniment.access.ports import Page
from muniment.parties import commands
from muniment.parties.model import AddClaim, Answer, Claim, Investor, QueueItem
from muniment.units.ids import InvestorId
from tests.access.unit import NOON, Installation, TestUnit, an_actor

LIST = "entry_id,name,aliases,date_of_birth,country,programme\n"
EVIDENCE = hashlib.sha256(b"a letter (fictitious)").hexdigest()
NEXT_YEAR = NOON + dt.timedelta(days=365)


@dataclass(frozen=True)
class Desk:
    """An organisation, two compliance officers and an owner."""

    installation: Installation
    owner: Actor
    officer: Actor
    second: Actor

    @classmethod
    def of(cls, installation: Installation) -> Desk:
        """Found an organisation."""
        owner = installation.found().owner
        officers = [an_actor(owner.tenant_id, Role.COMPLIANCE_OFFICER) for _ in range(2)]
        return cls(installation, owner, *officers)

    def begin(self) -> AbstractContextManager[TestUnit]:
        """Open one transaction."""
        return self.installation.begin(self.owner.tenant_id)

    def onboard(self, reference: str = "A-1", **fields: str) -> InvestorId:
        """Onboard a fictitious person."""
        texts = {"external_reference": reference, "name": "Ada Example", "email": "ada@example.com", "country": "CH"} | fields
        with self.begin() as unit:
            return commands.onboard_investor(self.officer, texts, unit=unit).investor.investor_id

    def verify(self, investor_id: InvestorId, *, by: Actor | None = None) -> tuple[Investor, Answer]:
        """Have the provider check somebody."""
        with self.begin() as unit:
            return commands.verify_investor(by or self.officer, investor_id, unit=unit)

    def verified(self, reference: str = "A-1", **fields: str) -> InvestorId:
        """Onboard and verify a fictitious person."""
        investor_id = self.onboard(reference, **fields)
        assert self.verify(investor_id)[0].status == "verified"
        return investor_id

    def investor(self, investor_id: InvestorId) -> Investor:
        """Read an investor."""
        with self.begin() as unit:
            return unit.investors.get(investor_id)

    def claim(self, investor_id: InvestorId, **changes: Any) -> Claim | Pending:
        """Add a claim as the first officer."""
        with self.begin() as unit:
            return commands.add_claim(self.officer, self.describe(investor_id, **changes), unit=unit)

    def describe(self, investor_id: InvestorId, **changes: Any) -> AddClaim:
        """Read a claim: a tax form, unless said otherwise."""
        texts: dict[str, Any] = {
            "topic": "tax_form",
            "issuer": "the investor",
            "basis": "w8ben",
            "evidence_sha256": EVIDENCE,
            "expires_at": NEXT_YEAR,
        }
        with self.begin() as unit:
            return commands.describe_claim(self.officer, investor_id, unit=unit, **(texts | changes))

    def approve(self, pending: Claim | Pending) -> Claim:
        """Let the second officer agree, as the approvals page does."""
        assert isinstance(pending, Pending), "it waits for a second person"
        with self.begin() as unit:
            approved = access.approve_request(self.second, pending.approval_id, unit=unit)
            done = commands.add_claim(self.second, AddClaim.from_json(approved.requested.request), unit=unit)
        assert isinstance(done, Claim)
        return done

    def queue(self, kind: str | None = None, *, limit: int = 100, cursor: str | None = None, within_days: int = 30) -> list[QueueItem]:
        """Read the queue."""
        with self.begin() as unit:
            page = Page(limit=limit, cursor=cursor)
            return list(commands.review_queue(self.officer, page, kind=kind, within_days=within_days, unit=unit))

    def events(self) -> list[str]:
        """Return the kinds of what was recorded."""
        with self.begin() as unit:
            return unit.events()
