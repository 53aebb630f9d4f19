# SPDX-License-Identifier: Apache-2.0
"""Who holds how much of which class, by replaying an Open Cap Table package's stock transactions. Tokens are not known here."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any

from muniment.instruments.model.ocf import (
    Defect,
    OcfObject,
    OcfPackage,
    StockClass,
    StockClassAuthorizedSharesAdjustment,
    StockClassSplit,
    StockClosing,
    StockIssuance,
    typed,
)

CLOSINGS: Mapping[str, str] = {
    "TX_STOCK_TRANSFER": "transfer",
    "TX_STOCK_CANCELLATION": "cancellation",
    "TX_STOCK_RETRACTION": "retraction",
    "TX_STOCK_REPURCHASE": "repurchase",
    "TX_STOCK_REISSUANCE": "reissuance",
    "TX_STOCK_CONVERSION": "conversion",
}
_TACKING = frozenset({"balance", "reissuance", "conversion"})
# A chain of securities longer than this is cut; each link is a transaction, and recursion has its end.
_ORIGINS_DEEP = 500
NO_LIMIT = frozenset({"UNLIMITED", "NOT APPLICABLE"})


@dataclass(frozen=True, slots=True)
class Position:
    """What one stakeholder holds of one class: exact, in shares."""

    stock_class_id: str
    stakeholder_id: str
    shares: Fraction


@dataclass(frozen=True, slots=True)
class Lot:
    """Shares that one holder acquired at one time: one open security."""

    security_id: str
    stock_class_id: str
    stakeholder_id: str
    shares: Fraction
    acquired_date: dt.date
    """From when the holder's holding period counts."""
    origin_security_id: str
    origin_date: dt.date
    """The issuance by the company that the shares came of, and its day."""


@dataclass(frozen=True, slots=True)
class CapTable:
    """The holdings at the end of a day, per class and stakeholder, and what the replay could not use."""

    as_of: dt.date
    positions: tuple[Position, ...]
    outstanding: Mapping[str, Fraction]
    authorized: Mapping[str, Fraction | None]
    defects: tuple[Defect, ...]

    def shares_of(self, stock_class_id: str, stakeholder_id: str) -> Fraction:
        """Return what a stakeholder holds of a class; zero where nothing."""
        wanted = (stock_class_id, stakeholder_id)
        return next((each.shares for each in self.positions if (each.stock_class_id, each.stakeholder_id) == wanted), Fraction(0))


def replay(package: OcfPackage, *, as_of: dt.date | None = None) -> CapTable:
    """Return the cap table at the end of `as_of` (the package's own day by default).

    Transactions count in the order of their dates and, within a day, of the package; but what comes to be on a day is there
    for what closes on that day, whichever of the two is listed first: a transfer and the issuances that result from it share
    a date. A transaction that contradicts the others is not applied and told as a defect; the rest stands.
    """
    day = as_of or package.as_of
    return _replayed(package, day).cap_table(day)


def _replayed(package: OcfPackage, day: dt.date) -> _Ledger:
    ledger = _Ledger(package)
    dated = [each for each in package.objects if each.object_type in _APPLIED and each.body["date"] <= day.isoformat()]
    for _, of_day in groupby(sorted(dated, key=lambda each: each.body["date"]), key=lambda each: each.body["date"]):
        # Births and splits before deaths; the sort is stable, so the package's order holds within each.
        today = sorted(of_day, key=lambda each: each.object_type in CLOSINGS)
        for each in today:
            ledger.apply(each)
        ledger.check_authorized(today)
    return ledger


def lots(package: OcfPackage, *, as_of: dt.date | None = None) -> tuple[Lot, ...]:
    """Return the lots that make up the positions at the end of `as_of` (the package's own day by default), by class, holder and age.

    A transfer begins a new lot on its day, and remembers when the shares were first issued. What is left of a security, and what a
    split, a reissuance or a conversion makes of it, goes on from the day on which the holder acquired it: 17 CFR 230.144(d)(3)(i) and
    (ii) tack the holding periods of securities that came of others by a split, a recapitalisation or a conversion. Of several sources
    the latest day counts, which favours nobody's claim to have held for longer.
    """
    ledger = _replayed(package, as_of or package.as_of)
    found = [ledger.lot(security_id) for security_id in ledger.open]
    return tuple(sorted(found, key=lambda lot: (lot.stock_class_id, lot.stakeholder_id, lot.acquired_date, lot.security_id)))


@dataclass(frozen=True, slots=True)
class _Birth:
    """To whom and when a security was issued."""

    stakeholder_id: str
    date: dt.date


@dataclass(frozen=True, slots=True)
class _Mechanism:
    """How many shares of another class (None: of any) one share becomes, and how a fraction is rounded."""

    to_class: str | None
    ratio: Fraction
    rounding: str


_ROUNDED: Mapping[str, Callable[[Fraction], int]] = {
    "CEILING": math.ceil,
    "FLOOR": math.floor,
    "NORMAL": lambda exact: math.floor(exact + Fraction(1, 2)),
}


def _ratio(told: Mapping[str, str]) -> Fraction | None:
    numerator, denominator = Fraction(told["numerator"]), Fraction(told["denominator"])
    return Fraction(numerator, denominator) if numerator > 0 and denominator > 0 else None


def _mechanism(to_class: str | None, told: Mapping[str, Any]) -> _Mechanism:
    return _Mechanism(to_class, _ratio(told["ratio"]) or Fraction(1), told["rounding_type"])


def _mechanisms(rights: Iterable[Mapping[str, Any]]) -> list[_Mechanism]:
    readable = [right for right in rights if _ratio(right["conversion_mechanism"]["ratio"]) is not None]
    return [_mechanism(right.get("converts_to_stock_class_id"), right["conversion_mechanism"]) for right in readable]


@dataclass(slots=True)
class _Open:
    """A stock security that is open."""

    stakeholder_id: str
    stock_class_id: str
    shares: Fraction


_APPLIED = frozenset(
    {
        *CLOSINGS,
        "TX_STOCK_ISSUANCE",
        "TX_STOCK_CLASS_SPLIT",
        "TX_STOCK_CLASS_AUTHORIZED_SHARES_ADJUSTMENT",
        "TX_STOCK_CLASS_CONVERSION_RATIO_ADJUSTMENT",
    }
)


class _Ledger:
    """The state of a replay."""

    def __init__(self, package: OcfPackage) -> None:
        self.open: dict[str, _Open] = {}
        self.closed: set[str] = set()
        self.defects: list[Defect] = []
        self.stakeholders = {each.object_id for each in package.of_type("STAKEHOLDER")}
        classes = [typed(each, StockClass) for each in package.of_type("STOCK_CLASS")]
        self.authorized: dict[str, Fraction | None] = {each.id: _limit(each.initial_shares_authorized) for each in classes}
        for each in package.of_type("STOCK_CLASS"):
            limit = self.authorized[each.object_id]
            if limit is not None and limit < 0:
                self._note(each, "cap_table.no_quantity", "less than zero cannot be authorised", "initial_shares_authorized")
                self.authorized[each.object_id] = Fraction(0)
        self.conversions = {each.object_id: _mechanisms(each.body.get("conversion_rights", ())) for each in package.of_type("STOCK_CLASS")}
        self.births: dict[str, _Birth] = {}
        self.origins: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.descents: dict[str, tuple[dt.date, str, dt.date]] = {}
        # Stock born of a split's reissuance is counted after the split already.
        self.born_split = {
            resulting
            for each in package.of_type("TX_STOCK_REISSUANCE")
            if "split_transaction_id" in each.body
            for resulting in typed(each, StockClosing).resulting_security_ids
        }

    def apply(self, each: OcfObject) -> None:
        """Apply one transaction, or note why it cannot be."""
        match each.object_type:
            case "TX_STOCK_ISSUANCE":
                self._issue(each, typed(each, StockIssuance))
            case "TX_STOCK_CLASS_SPLIT":
                self._split(each, typed(each, StockClassSplit))
            case "TX_STOCK_CLASS_AUTHORIZED_SHARES_ADJUSTMENT":
                self._adjust(each, typed(each, StockClassAuthorizedSharesAdjustment))
            case "TX_STOCK_CLASS_CONVERSION_RATIO_ADJUSTMENT":
                self._adjust_ratio(each)
            case _:
                self._close(each, typed(each, StockClosing))

    def check_authorized(self, today: Iterable[OcfObject]) -> None:
        """Note the classes of which more is outstanding than authorised at the end of a day on which something changed."""
        changed = {each.body["stock_class_id"]: each for each in today if "stock_class_id" in each.body}
        outstanding = self._outstanding()
        for stock_class_id, each in changed.items():
            limit = self.authorized.get(stock_class_id)
            if limit is not None and outstanding.get(stock_class_id, Fraction(0)) > limit:
                self._note(each, "cap_table.over_authorized", "more of the class is outstanding than authorised", "quantity", applied=True)

    def cap_table(self, day: dt.date) -> CapTable:
        """Return the result."""
        held: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for security in self.open.values():
            held[security.stock_class_id, security.stakeholder_id] += security.shares
        positions = tuple(Position(class_id, holder_id, shares) for (class_id, holder_id), shares in sorted(held.items()) if shares)
        return CapTable(day, positions, self._outstanding(), dict(self.authorized), tuple(self.defects))

    def lot(self, security_id: str) -> Lot:
        """Return the lot that an open security is."""
        security = self.open[security_id]
        descent = self._descent(security_id, 0)
        return Lot(security_id, security.stock_class_id, security.stakeholder_id, security.shares, *descent)

    def _descent(self, security_id: str, depth: int) -> tuple[dt.date, str, dt.date]:
        """Return since when its holder has held it, and the issuance that it came of (of several the latest) with its day."""
        known = self.descents.get(security_id)
        if known is not None:
            return known
        birth = self.births[security_id]
        sources = self.origins[security_id] if depth < _ORIGINS_DEEP else []
        if not sources:
            return birth.date, security_id, birth.date
        descents = [self._descent(source, depth + 1) for source, _ in sources]
        tacks = all(how in _TACKING and self.births[source].stakeholder_id == birth.stakeholder_id for source, how in sources)
        _, origin, origin_date = max(descents, key=lambda descent: descent[2])
        acquired = max(descent[0] for descent in descents) if tacks else birth.date
        found = self.descents[security_id] = (acquired, origin, origin_date)
        return found

    def _issue(self, each: OcfObject, issuance: StockIssuance) -> None:
        quantity = Fraction(issuance.quantity)
        if issuance.stock_class_id not in self.authorized:
            self._note(each, "cap_table.unknown_stock_class", "the package has no such stock class", "stock_class_id")
        elif issuance.stakeholder_id not in self.stakeholders:
            self._note(each, "cap_table.unknown_stakeholder", "the package has no such stakeholder", "stakeholder_id")
        elif issuance.security_id in self.open or issuance.security_id in self.closed:
            self._note(each, "cap_table.issued_twice", "a security of this id was issued before", "security_id")
        elif quantity <= 0:
            self._note(each, "cap_table.no_quantity", "more than zero shares are needed", "quantity")
        else:
            self.open[issuance.security_id] = _Open(issuance.stakeholder_id, issuance.stock_class_id, quantity)
            self.births[issuance.security_id] = _Birth(issuance.stakeholder_id, dt.date.fromisoformat(issuance.date))

    def _split(self, each: OcfObject, split: StockClassSplit) -> None:
        numerator, denominator = Fraction(split.split_ratio.numerator), Fraction(split.split_ratio.denominator)
        if split.stock_class_id not in self.authorized:
            self._note(each, "cap_table.unknown_stock_class", "the package has no such stock class", "stock_class_id")
        elif numerator <= 0 or denominator <= 0:
            self._note(each, "cap_table.no_ratio", "both sides of a ratio are more than zero", "split_ratio")
        else:
            for security_id, security in self.open.items():
                if security.stock_class_id == split.stock_class_id and security_id not in self.born_split:
                    security.shares *= Fraction(numerator, denominator)

    def _adjust(self, each: OcfObject, adjustment: StockClassAuthorizedSharesAdjustment) -> None:
        if adjustment.stock_class_id not in self.authorized:
            self._note(each, "cap_table.unknown_stock_class", "the package has no such stock class", "stock_class_id")
        else:
            self.authorized[adjustment.stock_class_id] = Fraction(adjustment.new_shares_authorized)

    def _close(self, each: OcfObject, closing: StockClosing) -> None:
        source = self.open.get(closing.security_id)
        if source is None:
            problem = "the security is closed already" if closing.security_id in self.closed else "no such security is open on this date"
            self._note(each, "cap_table.not_open", problem, "security_id")
            return
        stated = closing.quantity or closing.quantity_converted
        # A stated quantity is in the shares of that day; a whole reissuance or retraction states none.
        moved = source.shares if stated is None else Fraction(stated)
        if not 0 < moved <= source.shares:
            self._note(each, "cap_table.more_than_held", "the security does not have that many shares", "quantity")
            return
        if not self._adds_up(each, closing, source, moved):
            return
        del self.open[closing.security_id]
        self.closed.add(closing.security_id)
        if closing.balance_security_id:
            self.origins[closing.balance_security_id].append((closing.security_id, "balance"))
        for security_id in closing.resulting_security_ids:
            self.origins[security_id].append((closing.security_id, CLOSINGS[each.object_type]))

    def _adds_up(self, each: OcfObject, closing: StockClosing, source: _Open, moved: Fraction) -> bool:
        """Hold the one law of the format: what goes out of a security comes in elsewhere, share by share."""
        for field, security_ids in (
            ("balance_security_id", [closing.balance_security_id] if closing.balance_security_id else []),
            ("resulting_security_ids", list(closing.resulting_security_ids)),
        ):
            if any(security_id not in self.open for security_id in security_ids):
                self._note(each, "cap_table.unknown_security", "a security that it names is not issued by this date", field)
                return False
        balance = self.open[closing.balance_security_id].shares if closing.balance_security_id else Fraction(0)
        if balance != source.shares - moved:
            self._note(
                each, "cap_table.balance_differs", "the balance security does not have the shares that are left", "balance_security_id"
            )
            return False
        results_count = each.object_type in {"TX_STOCK_TRANSFER", "TX_STOCK_REISSUANCE"}
        if results_count and sum(self.open[security_id].shares for security_id in closing.resulting_security_ids) != moved:
            self._note(
                each, "cap_table.does_not_add_up", "the resulting securities do not add up to what was moved", "resulting_security_ids"
            )
            return False
        if each.object_type == "TX_STOCK_CONVERSION" and not self._converts(closing, source, moved):
            self._note(
                each,
                "cap_table.ratio_differs",
                "the resulting securities are not what the conversion ratio makes",
                "resulting_security_ids",
            )
            return False
        return True

    def _converts(self, closing: StockClosing, source: _Open, moved: Fraction) -> bool:
        """Return whether a conversion yields what the class's ratio says, whole or rounded as it says; true where it says nothing."""
        results = [self.open[security_id] for security_id in closing.resulting_security_ids]
        mechanism = next(
            (
                each
                for each in self.conversions.get(source.stock_class_id, ())
                if each.to_class is None or all(result.stock_class_id == each.to_class for result in results)
            ),
            None,
        )
        if mechanism is None or not results:
            return True
        exact = moved * mechanism.ratio
        return sum(result.shares for result in results) in {exact, Fraction(_ROUNDED[mechanism.rounding](exact))}

    def _adjust_ratio(self, each: OcfObject) -> None:
        stock_class_id, told = each.body["stock_class_id"], each.body["new_ratio_conversion_mechanism"]
        if stock_class_id not in self.authorized:
            self._note(each, "cap_table.unknown_stock_class", "the package has no such stock class", "stock_class_id")
        elif _ratio(told["ratio"]) is None:
            self._note(each, "cap_table.no_ratio", "both sides of a ratio are more than zero", "new_ratio_conversion_mechanism.ratio")
        else:
            rights = self.conversions.get(stock_class_id) or [_Mechanism(None, Fraction(1), "NORMAL")]
            self.conversions[stock_class_id] = [_mechanism(each_right.to_class, told) for each_right in rights]

    def _outstanding(self) -> dict[str, Fraction]:
        outstanding: dict[str, Fraction] = dict.fromkeys(self.authorized, Fraction(0))
        for security in self.open.values():
            outstanding[security.stock_class_id] += security.shares
        return outstanding

    def _note(self, each: OcfObject, code: str, problem: str, field: str, *, applied: bool = False) -> None:
        self.defects.append(Defect(code, problem, "warning" if applied else "not_applied", each.file, each.object_id, field))


def _limit(text: str) -> Fraction | None:
    return None if text in NO_LIMIT else Fraction(text)
