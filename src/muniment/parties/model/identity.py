# SPDX-License-Identifier: Apache-2.0
"""What an identity provider answers, and the sandbox provider, which decides from markers in the record. A real provider is an adapter.

The sandbox's markers are documented in the README of this context and are nobody's real name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Final, TypeAlias

import rfc8785

from muniment.parties.model.claims import ClaimTopic
from muniment.parties.model.investors import Investor, InvestorKind, PersonalData
from muniment.units.decisions import Reason

VERIFICATION_DAYS: Final = 365
"""A verification lasts a year, or until the document runs out."""

ADULT_YEARS: Final = 18

SANDBOX_SANCTIONED: Final = frozenset({"igor sanctionov", "blocked holdings ltd"})
"""Invented names that the sandbox takes for sanctioned, in lower case."""

SANDBOX_EXPOSED: Final = frozenset({"petra publicova"})
"""Invented names that the sandbox takes for politically exposed: a person must decide."""

SANDBOX_SLOW: Final = frozenset({"wanda waiting"})
"""Invented names about which the sandbox answers later, by its webhook."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """Identity and sanctions checks passed; `topics` are the claims that the provider makes until `until`."""

    provider: str
    topics: tuple[ClaimTopic, ...]
    until: dt.datetime
    evidence_sha256: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """At least one check did not pass."""

    provider: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Referred:
    """The provider does not decide: a compliance officer must. `cleared` is what a yes would grant."""

    provider: str
    reasons: tuple[Reason, ...]
    cleared: Cleared


@dataclass(frozen=True, slots=True)
class Asked:
    """The provider works on it and answers later, by its webhook."""

    provider: str


Verdict: TypeAlias = Cleared | Failed | Referred
Answer: TypeAlias = Verdict | Asked


class SandboxIdentityProvider:
    """Decides always alike: an expired document, a minor or a sandbox-sanctioned name fails, an exposed name is referred.

    It decides at once, except about a slow name: there the answer comes by the webhook.
    """

    name: Final = "sandbox"

    def check(self, investor: Investor, person: PersonalData, *, at: dt.datetime) -> Answer:
        """Return the verdict about an investor at `at`, or that it comes later."""
        return Asked(provider=self.name) if _listed(person.name) in SANDBOX_SLOW else self.verdict(investor, person, at=at)

    def verdict(self, investor: Investor, person: PersonalData, *, at: dt.datetime) -> Verdict:
        """Return the verdict about an investor at `at`."""
        reasons = tuple(_objections(investor, person, today=at.date()))
        if reasons:
            return Failed(provider=self.name, reasons=reasons)
        cleared = Cleared(
            provider=self.name,
            topics=(ClaimTopic.KYC, ClaimTopic.AML, *((ClaimTopic.ACCREDITATION,) if person.is_accredited else ())),
            until=_until(person, at),
            evidence_sha256=_evidence(investor, at),
        )
        if _listed(person.name) in SANDBOX_EXPOSED:
            reason = Reason(
                code="parties.politically_exposed",
                sentence="The name is on the sandbox list of politically exposed persons.",
                rule="enhanced due diligence",
                citation="FATF Recommendation 12",
                cure="A compliance officer decides.",
            )
            return Referred(provider=self.name, reasons=(reason,), cleared=cleared)
        return cleared


def _objections(investor: Investor, person: PersonalData, *, today: dt.date) -> list[Reason]:
    reasons = []
    if person.document_expires is not None and person.document_expires <= today:
        reasons.append(
            Reason(
                code="parties.document_expired",
                sentence=f"The identity document ran out on {person.document_expires}.",
                rule="valid identity document",
                citation="FATF Recommendation 10",
                facts={"document_expires": person.document_expires, "today": today},
                cure="Give a document that is still valid.",
            )
        )
    if investor.kind is InvestorKind.PERSON and person.date_of_birth is not None and _age(person.date_of_birth, today) < ADULT_YEARS:
        reasons.append(
            Reason(
                code="parties.under_age",
                sentence=f"The person is younger than {ADULT_YEARS}.",
                rule="legal capacity",
                facts={"years_min": ADULT_YEARS},
                cure="Onboard the legal representative.",
            )
        )
    if _listed(person.name) in SANDBOX_SANCTIONED:
        reasons.append(
            Reason(
                code="parties.sanctioned",
                sentence="The name is on the sandbox sanctions list.",
                rule="targeted financial sanctions",
                citation="FATF Recommendation 6",
                cure="None, unless the list is wrong.",
            )
        )
    return reasons


def _until(person: PersonalData, at: dt.datetime) -> dt.datetime:
    year = at + dt.timedelta(days=VERIFICATION_DAYS)
    if person.document_expires is None:
        return year
    return min(year, dt.datetime.combine(person.document_expires, dt.time.min, tzinfo=dt.UTC))


def _evidence(investor: Investor, at: dt.datetime) -> bytes:
    # Names the check, not the person: a hash over guessable data would itself be personal data.
    record = {"provider": SandboxIdentityProvider.name, "investor_id": str(investor.investor_id), "checked_at": at.isoformat()}
    return hashlib.sha256(rfc8785.dumps(record)).digest()


def _age(born: dt.date, today: dt.date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _listed(name: str) -> str:
    return " ".join(name.casefold().split())
