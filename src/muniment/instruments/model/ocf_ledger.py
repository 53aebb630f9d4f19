# SPDX-License-Identifier: Apache-2.0
"""A share register told in the Open Cap Table Format: what moved on the chain as issuances, transfers and cancellations (OCF 1.2.0).

Where movements come from and who the holders are is given; nothing is read here.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from muniment.instruments.model.cap_table import Lot, lots
from muniment.instruments.model.ocf import OcfObject, OcfPackage
from muniment.instruments.model.ocf_check import last_day
from muniment.instruments.model.securities import SecurityTerms
from muniment.units.instants import instant_text
from muniment.units.shares import format_shares

DECIMALS = 10
"""As many as OCF's numbers may have."""

REPLACED = "Replaced by shares on the chain: from this day on the token's register is the record of this class."
PRICE_UNKNOWN = "The price is not recorded on the chain; 0 stands for it."


@dataclass(frozen=True, slots=True)
class RegisterHolder:
    """Somebody of the register, as a stakeholder is told."""

    holder_id: str
    name: str
    is_person: bool


@dataclass(frozen=True, slots=True)
class RegisterMovement:
    """Shares that moved on the chain; `giver` None for an issue, `receiver` None for a burn. `reference` is unique and for good."""

    reference: str
    occurred_at: dt.datetime
    giver: str | None
    receiver: str | None
    shares: int
    """Base units of the token."""


def with_register(
    package: OcfPackage, terms: SecurityTerms, holders: Sequence[RegisterHolder], movements: Sequence[RegisterMovement]
) -> OcfPackage:
    """Return the package with what the register shows of one class; the replay of any later day is the register of that day.

    On the day of the first movement the certificates of the class that are still open are cancelled, for the shares on the chain take
    their place. A transfer takes the giver's oldest shares first; what is left of a security goes on as its balance. Movements between
    wallets of one holder change nobody's shares and are not told. Days are UTC. `movements` stand in the chain's order.
    """
    package = _with_class(package, terms)
    if not movements:
        return package
    telling = _Telling(terms, stock_class_of(terms, package))
    # A company that was made from an export of this issuer has its holders among its stakeholders already.
    told = {each.object_id for each in package.objects}
    certificates = [lot for lot in lots(package, as_of=last_day(package)) if lot.stock_class_id == telling.stock_class_id]
    for lot in certificates:
        telling.cancel_certificate(lot, on=max(movements[0].occurred_at.date(), _born(package, lot.security_id)))
    for movement in movements:
        telling.tell(movement)
    stakeholders = [_stakeholder(holder) for holder in sorted(holders, key=lambda each: each.holder_id)]
    last = movements[-1].occurred_at
    return replace(
        package,
        as_of=max(package.as_of, last.date()),
        generated_at=max(package.generated_at, instant_text(last)),
        objects=(*package.objects, *(each for each in [*stakeholders, *telling.objects] if each.object_id not in told)),
    )


def package_of(record: Mapping[str, Any], *, asset_id: str, recorded_at: dt.datetime) -> OcfPackage:
    """Return an empty package of a company that was recorded without a cap table: its issuer, from the asset record's body."""
    body = {
        "object_type": "ISSUER",
        "id": asset_id,
        "legal_name": record["legal_name"],
        "formation_date": record["formation_date"],
        "country_of_formation": record["country_of_formation"],
    }
    subdivision = record.get("subdivision_of_formation")
    if subdivision is not None:
        body["country_subdivision_of_formation"] = subdivision
    return OcfPackage(OcfObject("ISSUER", asset_id, body), recorded_at.date(), instant_text(recorded_at), ())


def stock_class_of(terms: SecurityTerms, package: OcfPackage) -> str:
    """Return the id of the stock class that a security stands for: the imported one, else the security's own id."""
    known = {each.object_id for each in package.of_type("STOCK_CLASS")}
    return terms.share_class if terms.share_class in known and terms.share_class is not None else str(terms.security_id)


class _Telling:
    """The transactions told so far, and each holder's open securities, oldest first."""

    def __init__(self, terms: SecurityTerms, stock_class_id: str) -> None:
        self.terms = terms
        self.stock_class_id = stock_class_id
        self.objects: list[OcfObject] = []
        self._open: dict[str, deque[tuple[str, int]]] = {}
        self._certificates = 0

    def cancel_certificate(self, lot: Lot, *, on: dt.date) -> None:
        """Tell that a certificate ends because shares on the chain take its place."""
        quantity = lot.shares * 10**DECIMALS
        # Splits may leave what no decimal spells; then the certificate is voided as a whole.
        kind, more = (
            ("CANCELLATION", {"quantity": format_shares(int(quantity), decimals=DECIMALS)})
            if quantity.denominator == 1
            else ("RETRACTION", {})
        )
        self._add(f"TX_STOCK_{kind}", f"{lot.security_id}-on-chain", on, security_id=lot.security_id, reason_text=REPLACED, **more)

    def tell(self, movement: RegisterMovement) -> None:
        """Tell one movement."""
        if movement.giver == movement.receiver or movement.shares == 0:
            return
        day, reference = movement.occurred_at.date(), movement.reference
        if movement.giver is None:
            assert movement.receiver is not None, "no issue to nobody"
            self._issue(f"{reference}-to", day, movement.receiver, movement.shares)
            return
        left = movement.shares
        for number, (security_id, taken, balance) in enumerate(self._take(movement.giver, left), start=1):
            named = f"{reference}-{number}"
            more: dict[str, Any] = {"security_id": security_id, "quantity": self._text(taken)}
            if balance:
                more["balance_security_id"] = self._issue(f"{named}-left", day, movement.giver, balance, first=True)
            if movement.receiver is None:
                self._add("TX_STOCK_CANCELLATION", named, day, reason_text="Burned on the chain.", **more)
            else:
                more["resulting_security_ids"] = [self._issue(f"{named}-to", day, movement.receiver, taken)]
                self._add("TX_STOCK_TRANSFER", named, day, **more)
            left -= taken
        assert left == 0, "nobody gives what the register does not show"

    def _take(self, giver: str, shares: int) -> list[tuple[str, int, int]]:
        """Return which of the giver's securities go, how much of each and what is left of it: the oldest first (FIFO)."""
        taken: list[tuple[str, int, int]] = []
        held = self._open.get(giver, deque())
        while shares and held:
            security_id, has = held.popleft()
            part = min(has, shares)
            taken.append((security_id, part, has - part))
            shares -= part
        return taken

    def _issue(self, reference: str, day: dt.date, holder: str, shares: int, *, first: bool = False) -> str:
        self._certificates += 1
        self._add(
            "TX_STOCK_ISSUANCE",
            f"issued-{reference}",
            day,
            security_id=reference,
            custom_id=f"{self.terms.symbol}-{self._certificates}",
            stakeholder_id=holder,
            stock_class_id=self.stock_class_id,
            quantity=self._text(shares),
            share_price={"amount": "0", "currency": self.terms.currency or "USD"},
            stock_legend_ids=[],
            security_law_exemptions=[],
            comments=[PRICE_UNKNOWN],
        )
        held = self._open.setdefault(holder, deque())
        if first:
            held.appendleft((reference, shares))
        else:
            held.append((reference, shares))
        return reference

    def _add(self, object_type: str, object_id: str, day: dt.date, **fields: Any) -> None:
        self.objects.append(
            OcfObject(object_type, object_id, {"object_type": object_type, "id": object_id, "date": day.isoformat(), **fields})
        )

    def _text(self, shares: int) -> str:
        exact = Fraction(shares, 10**self.terms.decimals) * 10**DECIMALS
        # OCF has ten decimals; a token of more shows what is beyond them only on the chain.
        return format_shares(int(exact), decimals=DECIMALS)


def _with_class(package: OcfPackage, terms: SecurityTerms) -> OcfPackage:
    """Return the package with a stock class for the security, where none was imported for it."""
    class_id = stock_class_of(terms, package)
    if class_id != str(terms.security_id) or any(each.object_id == class_id for each in package.of_type("STOCK_CLASS")):
        return package
    body = {
        "object_type": "STOCK_CLASS",
        "id": class_id,
        "name": terms.name,
        "class_type": "COMMON",
        "default_id_prefix": f"{terms.symbol}-",
        "initial_shares_authorized": "UNLIMITED"
        if terms.shares_authorized is None
        else format_shares(terms.shares_authorized, decimals=terms.decimals),
        "votes_per_share": "1",
        "seniority": "1",
    }
    return replace(package, objects=(*package.objects, OcfObject("STOCK_CLASS", class_id, body)))


def _stakeholder(holder: RegisterHolder) -> OcfObject:
    body = {
        "object_type": "STAKEHOLDER",
        "id": holder.holder_id,
        "name": {"legal_name": holder.name},
        "stakeholder_type": "INDIVIDUAL" if holder.is_person else "INSTITUTION",
    }
    return OcfObject("STAKEHOLDER", holder.holder_id, body)


def _born(package: OcfPackage, security_id: str) -> dt.date:
    issued = next(each for each in package.of_type("TX_STOCK_ISSUANCE") if each.body["security_id"] == security_id)
    return dt.date.fromisoformat(issued.body["date"])
