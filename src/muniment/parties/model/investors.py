# SPDX-License-Identifier: Apache-2.0
"""An investor, the personal data that can be erased, and the steps from draft to verified. What may be held or traded is decided above."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias, assert_never

from muniment.parties.errors import NotInStatus
from muniment.units.ids import InvestorId, TenantId, UserId

ERASED_NAME: Final = "erased"
"""What stands in place of an erased person's name, everywhere."""


class InvestorKind(Enum):
    """What an investor is in law."""

    PERSON = "person"
    ENTITY = "entity"
    TRUST = "trust"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Whatever identifies the person or is nobody else's business. Sealed under the person's own key; erased with that key."""

    name: str
    email: str
    date_of_birth: dt.date | None = None
    tax_id: str | None = None
    document_number: str | None = None
    document_expires: dt.date | None = None
    is_accredited: bool = False
    note: str | None = None

    def __repr__(self) -> str:
        """Show nothing: a log line or a traceback is no place for personal data."""
        return "PersonalData(…)"


@dataclass(frozen=True, slots=True)
class Draft:
    """Onboarded, nobody has checked yet."""

    since: dt.datetime


@dataclass(frozen=True, slots=True)
class InReview:
    """With the identity provider, or referred to a person."""

    since: dt.datetime
    submitted_by: UserId


@dataclass(frozen=True, slots=True)
class Verified:
    """Checked and found good until `until`."""

    since: dt.datetime
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class Rejected:
    """Checked and refused; `codes` say why."""

    since: dt.datetime
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expired:
    """Was verified; the check is too old."""

    since: dt.datetime


Standing: TypeAlias = Draft | InReview | Verified | Rejected | Expired

STATUSES: Final = ("draft", "in_review", "verified", "rejected", "expired")


@dataclass(frozen=True, slots=True)
class Investor:
    """One investor of one issuer, without anything personal; `country` is the country of residence (ISO 3166-1 alpha-2)."""

    investor_id: InvestorId
    tenant_id: TenantId
    external_reference: str
    kind: InvestorKind
    country: str
    standing: Standing
    created_at: dt.datetime
    erased_at: dt.datetime | None = None

    @property
    def status(self) -> str:
        """The standing's name, the same in table, JSON and page."""
        return status_of(self.standing)

    @property
    def is_erased(self) -> bool:
        """Whether the personal data is gone."""
        return self.erased_at is not None

    def is_verified(self, at: dt.datetime) -> bool:
        """Return whether the investor may receive shares at `at`: verified, and the check not yet too old."""
        return isinstance(self.standing, Verified) and at < self.standing.until


def display_name(person: PersonalData | None) -> str:
    """Return the name, or `erased`."""
    return ERASED_NAME if person is None else person.name


def status_of(standing: Standing) -> str:
    """Return the standing's name."""
    match standing:
        case Draft():
            return "draft"
        case InReview():
            return "in_review"
        case Verified():
            return "verified"
        case Rejected():
            return "rejected"
        case Expired():
            return "expired"
        case _:
            assert_never(standing)


def submit(standing: Standing, *, by: UserId, at: dt.datetime) -> InReview:
    """Begin a check: of a new investor, of one who was refused and has mended it, or of one whose check grew old."""
    if isinstance(standing, InReview | Verified):
        raise NotInStatus(status=status_of(standing), needed="draft, rejected or expired")
    return InReview(since=at, submitted_by=by)


def resubmit(standing: Standing, *, by: UserId, at: dt.datetime) -> InReview:
    """Begin a check anew, of anybody but one who is being checked: at a re-verification, or when a doubt has come up."""
    if isinstance(standing, InReview):
        raise NotInStatus(status=status_of(standing), needed="draft, verified, rejected or expired")
    return InReview(since=at, submitted_by=by)


def accept(standing: Standing, *, at: dt.datetime, until: dt.datetime) -> Verified:
    """End a review well."""
    _require_review(standing)
    assert until > at, "a verification lasts"
    return Verified(since=at, until=until)


def refuse(standing: Standing, *, at: dt.datetime, codes: tuple[str, ...]) -> Rejected:
    """End a review badly, with at least one code that says why."""
    _require_review(standing)
    assert codes, "a rejection says why"
    return Rejected(since=at, codes=codes)


def expire(standing: Standing, *, at: dt.datetime) -> Expired:
    """Let a verification end by age."""
    if not isinstance(standing, Verified) or at < standing.until:
        raise NotInStatus(status=status_of(standing), needed="a verification that has run out")
    return Expired(since=at)


def _require_review(standing: Standing) -> None:
    if not isinstance(standing, InReview):
        raise NotInStatus(status=status_of(standing), needed="in_review")
