# SPDX-License-Identifier: Apache-2.0
"""Cap tables made up at random, with an own book of who holds what on each day: every object type of the format. Holds no test."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any

from muniment.instruments.model.ocf import FILE_KINDS, MANIFEST_NAME, OcfObject, OcfPackage, write_package

FIRST_DAY = dt.date(2024, 1, 1)
USD = {"amount": "1.00", "currency": "USD"}
CLASSES = ("common", "preferred")
HOLDERS = ("ada", "ben", "cho", "dov")


@dataclass
class Security:
    """What the made-up book knows of an open security."""

    holder: str
    share_class: str
    shares: int
    acquired: dt.date
    issued: dt.date


@dataclass
class History:
    """A made-up company: its objects in order, its open securities, its book after each day."""

    random: Random
    objects: list[dict[str, Any]] = field(default_factory=list)
    open: dict[str, Security] = field(default_factory=dict)
    closed: int = 0
    authorized: dict[str, int] = field(default_factory=lambda: {"common": 1_000_000_000, "preferred": 1_000_000_000})
    conversion_ratio: int = 2
    books: dict[dt.date, dict[tuple[str, str], int]] = field(default_factory=dict)
    today: dt.date = FIRST_DAY
    _ids: int = 0

    def new_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}-{self._ids}"

    def transaction(self, object_type: str, **fields: Any) -> dict[str, Any]:
        body = {"object_type": object_type, "id": self.new_id("tx"), "date": self.today.isoformat(), **fields}
        self.objects.append(body)
        return body

    def issue(self, holder: str, share_class: str, shares: int, *, acquired: dt.date | None = None, issued: dt.date | None = None) -> str:
        security_id = self.new_id("sec")
        self.transaction(
            "TX_STOCK_ISSUANCE",
            security_id=security_id,
            custom_id=security_id.upper(),
            stakeholder_id=holder,
            stock_class_id=share_class,
            quantity=str(shares),
            share_price=USD,
            stock_legend_ids=["legend"],
            security_law_exemptions=[{"description": "Rule 506(c)", "jurisdiction": "US"}],
        )
        self.open[security_id] = Security(holder, share_class, shares, acquired or self.today, issued or self.today)
        return security_id

    def balance(self, source: Security, left: int) -> dict[str, str]:
        if not left:
            return {}
        return {"balance_security_id": self.issue(source.holder, source.share_class, left, acquired=source.acquired, issued=source.issued)}

    def close(self, security_id: str) -> Security:
        self.closed += 1
        return self.open.pop(security_id)

    def book(self) -> dict[tuple[str, str], int]:
        held: dict[tuple[str, str], int] = defaultdict(int)
        for security in self.open.values():
            held[security.share_class, security.holder] += security.shares
        return dict(held)

    def outstanding(self, share_class: str) -> int:
        return sum(security.shares for security in self.open.values() if security.share_class == share_class)


def a_history(random: Random, *, days: int = 12) -> History:
    """Return a company with a random life; each day has one event of its own kind, for the format orders nothing within a day."""
    history = History(random)
    history.objects += fixed_objects()
    for number in range(days):
        history.today = FIRST_DAY + dt.timedelta(days=number)
        random.choice(EVENTS if history.open else EVENTS[:1])(history)
        history.books[history.today] = history.book()
    return history


def package_of(history: History) -> OcfPackage:
    """Return a history as a package; the issuer stands first among its objects."""
    issuer, *others = [OcfObject(body["object_type"], body["id"], body) for body in history.objects]
    return OcfPackage(issuer, history.today, "2026-01-01T00:00:00Z", tuple(others))


def files_of(history: History) -> dict[str, bytes]:
    """Return a history as the files of a package."""
    return write_package(package_of(history))


def file_of(object_type: str) -> str:
    """Return the name of the file in which objects of a type stand."""
    if object_type == "ISSUER":
        return MANIFEST_NAME
    return next((kind.file_name for kind in FILE_KINDS if object_type in kind.object_types), "Transactions.ocf.json")


def _issues(history: History) -> None:
    history.issue(history.random.choice(HOLDERS), history.random.choice(CLASSES), history.random.randint(1, 5_000))


def _moves(history: History) -> None:
    security_id, part = _part(history)
    source = history.close(security_id)
    first = history.random.randint(1, part)
    results = [history.issue(history.random.choice(HOLDERS), source.share_class, first, issued=source.issued)]
    if part > first:
        results.append(history.issue(history.random.choice(HOLDERS), source.share_class, part - first, issued=source.issued))
    history.transaction(
        "TX_STOCK_TRANSFER",
        security_id=security_id,
        quantity=str(part),
        resulting_security_ids=results,
        **history.balance(source, source.shares - part),
    )


def _cancels(history: History) -> None:
    security_id, part = _part(history)
    source = history.close(security_id)
    balance = history.balance(source, source.shares - part)
    if history.random.random() < 0.5:
        history.transaction("TX_STOCK_CANCELLATION", security_id=security_id, quantity=str(part), reason_text="agreed", **balance)
    else:
        history.transaction("TX_STOCK_REPURCHASE", security_id=security_id, quantity=str(part), price=USD, **balance)


def _retracts(history: History) -> None:
    security_id, _ = _part(history)
    history.close(security_id)
    history.transaction("TX_STOCK_RETRACTION", security_id=security_id, reason_text="never accepted")


def _accepts(history: History) -> None:
    history.transaction("TX_STOCK_ACCEPTANCE", security_id=_part(history)[0])


def _reissues(history: History) -> None:
    security_id, _ = _part(history)
    source = history.close(security_id)
    result = history.issue(source.holder, source.share_class, source.shares, acquired=source.acquired, issued=source.issued)
    history.transaction("TX_STOCK_REISSUANCE", security_id=security_id, resulting_security_ids=[result], reason_text="new certificate")


def _splits(history: History) -> None:
    share_class, factor = history.random.choice(CLASSES), history.random.randint(2, 3)
    if history.outstanding(share_class) * factor > history.authorized[share_class]:
        return
    history.transaction("TX_STOCK_CLASS_SPLIT", stock_class_id=share_class, split_ratio={"numerator": str(factor), "denominator": "1"})
    for security in history.open.values():
        if security.share_class == share_class:
            security.shares *= factor


def _adjusts_authorized(history: History) -> None:
    share_class = history.random.choice(CLASSES)
    history.authorized[share_class] = history.outstanding(share_class) + history.random.randint(1_000_000_000, 2_000_000_000)
    history.transaction(
        "TX_STOCK_CLASS_AUTHORIZED_SHARES_ADJUSTMENT",
        stock_class_id=share_class,
        new_shares_authorized=str(history.authorized[share_class]),
        board_approval_date=history.today.isoformat(),
    )
    history.transaction("TX_ISSUER_AUTHORIZED_SHARES_ADJUSTMENT", issuer_id="issuer", new_shares_authorized="9000000000")


def _adjusts_ratio(history: History) -> None:
    history.conversion_ratio = history.random.randint(1, 4)
    history.transaction(
        "TX_STOCK_CLASS_CONVERSION_RATIO_ADJUSTMENT",
        stock_class_id="preferred",
        new_ratio_conversion_mechanism=_ratio_mechanism(history.conversion_ratio),
    )


def _converts(history: History) -> None:
    preferred = [security_id for security_id, security in history.open.items() if security.share_class == "preferred"]
    if not preferred:
        return
    security_id = history.random.choice(preferred)
    source = history.close(security_id)
    part = history.random.randint(1, source.shares)
    result = history.issue(source.holder, "common", part * history.conversion_ratio, acquired=source.acquired, issued=source.issued)
    history.transaction(
        "TX_STOCK_CONVERSION",
        security_id=security_id,
        quantity_converted=str(part),
        resulting_security_ids=[result],
        **history.balance(source, source.shares - part),
    )


def _uses_the_rest_of_the_format(history: History) -> None:
    """One of each kind of security that is no stock, with all that can happen to it."""
    issuance: dict[str, Any] = {
        "custom_id": "X-1",
        "stakeholder_id": history.random.choice(HOLDERS),
        "security_law_exemptions": [],
    }
    convertible, result, warrant, award = (history.new_id("sec") for _ in range(4))
    trigger = {
        "type": "ELECTIVE_AT_WILL",
        "trigger_id": "at-will",
        "conversion_right": {
            "type": "CONVERTIBLE_CONVERSION_RIGHT",
            "conversion_mechanism": {"type": "SAFE_CONVERSION", "conversion_mfn": False, "conversion_discount": "0.2"},
        },
    }
    for security_id in (convertible, result):
        history.transaction(
            "TX_CONVERTIBLE_ISSUANCE",
            security_id=security_id,
            investment_amount=USD,
            convertible_type="SAFE",
            conversion_triggers=[trigger],
            seniority=1,
            **issuance,
        )
    history.transaction("TX_CONVERTIBLE_ACCEPTANCE", security_id=convertible)
    history.transaction("TX_CONVERTIBLE_TRANSFER", security_id=convertible, amount=USD, resulting_security_ids=[result])
    history.transaction(
        "TX_CONVERTIBLE_CONVERSION",
        security_id=result,
        reason_text="a round",
        trigger_id="at-will",
        resulting_security_ids=[history.issue("ada", "common", 10)],
    )
    history.transaction("TX_WARRANT_ISSUANCE", security_id=warrant, purchase_price=USD, exercise_triggers=[], quantity="5", **issuance)
    history.transaction("TX_WARRANT_CANCELLATION", security_id=warrant, quantity="5", reason_text="expired")
    kind = history.random.choice(("EQUITY_COMPENSATION", "PLAN_SECURITY"))
    history.transaction(
        f"TX_{kind}_ISSUANCE",
        security_id=award,
        stock_plan_id="plan",
        stock_class_id="common",
        compensation_type="OPTION",
        exercise_price=USD,
        quantity="400",
        vesting_terms_id="vesting",
        expiration_date=None,
        termination_exercise_windows=[{"reason": "VOLUNTARY_OTHER", "period": 3, "period_type": "MONTHS"}],
        **issuance,
    )
    history.transaction("TX_VESTING_START", security_id=award, vesting_condition_id="start")
    history.transaction("TX_VESTING_EVENT", security_id=award, vesting_condition_id="start")
    history.transaction("TX_VESTING_ACCELERATION", security_id=award, quantity="10", reason_text="agreed")
    history.transaction(
        f"TX_{kind}_EXERCISE", security_id=award, quantity="100", resulting_security_ids=[history.issue("dov", "common", 100)]
    )
    history.transaction("TX_STOCK_PLAN_POOL_ADJUSTMENT", stock_plan_id="plan", shares_reserved="20000")
    history.transaction("TX_STOCK_PLAN_RETURN_TO_POOL", security_id=award, stock_plan_id="plan", quantity="1", reason_text="lapsed")


EVENTS = (
    _issues,
    _issues,
    _moves,
    _moves,
    _cancels,
    _retracts,
    _accepts,
    _reissues,
    _splits,
    _adjusts_authorized,
    _adjusts_ratio,
    _converts,
    _uses_the_rest_of_the_format,
)


def _part(history: History) -> tuple[str, int]:
    security_id = history.random.choice(sorted(history.open))
    return security_id, history.random.randint(1, history.open[security_id].shares)


def _ratio_mechanism(ratio: int) -> dict[str, Any]:
    return {
        "type": "RATIO_CONVERSION",
        "ratio": {"numerator": str(ratio), "denominator": "1"},
        "conversion_price": USD,
        "rounding_type": "FLOOR",
    }


def fixed_objects() -> list[dict[str, Any]]:
    """Return what does not change: the issuer, two classes, four holders, a legend, a plan, vesting terms, a valuation, papers."""
    return [
        {
            "object_type": "ISSUER",
            "id": "issuer",
            "legal_name": "Made Up Works, Inc.",
            "formation_date": "2023-05-01",
            "country_of_formation": "US",
        },
        *(
            {
                "object_type": "STAKEHOLDER",
                "id": holder,
                "name": {"legal_name": f"Invented {holder.title()}"},
                "stakeholder_type": "INDIVIDUAL",
            }
            for holder in HOLDERS
        ),
        {
            "object_type": "STOCK_CLASS",
            "id": "common",
            "name": "Common",
            "class_type": "COMMON",
            "default_id_prefix": "CS-",
            "initial_shares_authorized": "1000000000",
            "votes_per_share": "1",
            "seniority": "1",
        },
        {
            "object_type": "STOCK_CLASS",
            "id": "preferred",
            "name": "Preferred",
            "class_type": "PREFERRED",
            "default_id_prefix": "PS-",
            "initial_shares_authorized": "1000000000",
            "votes_per_share": "1",
            "seniority": "2",
            "conversion_rights": [
                {
                    "type": "STOCK_CLASS_CONVERSION_RIGHT",
                    "conversion_mechanism": _ratio_mechanism(2),
                    "converts_to_stock_class_id": "common",
                }
            ],
        },
        {"object_type": "STOCK_LEGEND_TEMPLATE", "id": "legend", "name": "Restricted", "text": "Not registered."},
        {
            "object_type": "STOCK_PLAN",
            "id": "plan",
            "plan_name": "Plan",
            "initial_shares_reserved": "10000",
            "stock_class_ids": ["common"],
        },
        {
            "object_type": "VALUATION",
            "id": "valuation",
            "price_per_share": USD,
            "effective_date": "2023-12-31",
            "stock_class_id": "common",
            "valuation_type": "409A",
        },
        {
            "object_type": "VESTING_TERMS",
            "id": "vesting",
            "name": "Four years",
            "description": "Monthly",
            "allocation_type": "CUMULATIVE_ROUNDING",
            "vesting_conditions": [
                {"id": "start", "quantity": "0", "trigger": {"type": "VESTING_START_DATE"}, "next_condition_ids": []},
            ],
        },
        {"object_type": "DOCUMENT", "id": "document", "path": "./charter.pdf", "md5": "0" * 32},
    ]


def as_fractions(book: dict[tuple[str, str], int]) -> dict[tuple[str, str], Fraction]:
    """Return a book as replays give it: by class and holder, without closed positions."""
    return {key: Fraction(shares) for key, shares in sorted(book.items()) if shares}
