# SPDX-License-Identifier: Apache-2.0
"""Claims about an investor by topic, with evidence, basis and end. What a rule asks of a claim is decided above."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from muniment.parties.errors import BadClaim
from muniment.parties.model.countries import parse_country
from muniment.units.errors import Place, instant_text
from muniment.units.ids import InvestorId, TenantId, UserId, parse_id
from muniment.units.instants import parse_instant


class ClaimTopic(IntEnum):
    """What is claimed; the number is the topic on chain (ERC-3643 claim topics)."""

    KYC = 1
    AML = 2
    ACCREDITATION = 3
    PROFESSIONAL_CLIENT = 4
    QUALIFIED_PURCHASER = 5
    QUALIFIED_INSTITUTIONAL_BUYER = 6
    RESIDENCE = 7
    TAX_FORM = 8
    US_PERSON = 9
    AFFILIATE = 10


CLASSIFYING: Final = frozenset(
    {
        ClaimTopic.ACCREDITATION,
        ClaimTopic.PROFESSIONAL_CLIENT,
        ClaimTopic.QUALIFIED_PURCHASER,
        ClaimTopic.QUALIFIED_INSTITUTIONAL_BUYER,
    }
)
"""Topics that open exemptions; an officer's claim of one needs a second pair of eyes."""

BASES: Final[Mapping[ClaimTopic, tuple[str, ...]]] = {
    # 17 CFR 230.501(a) says who is accredited, 230.506(c)(2)(ii) how it is verified.
    ClaimTopic.ACCREDITATION: (
        "income_documents",
        "net_worth_documents",
        "professional_letter",
        "previous_verification",
        "professional_certification",
        "knowledgeable_employee",
        "minimum_investment",
        "entity_assets",
        "institution",
        "self_certified",
    ),
    # Directive 2014/65/EU, annex II: clients that are professional by themselves, and those on request.
    ClaimTopic.PROFESSIONAL_CLIENT: ("per_se", "on_request", "eligible_counterparty"),
    # 15 USC 80a-2(a)(51).
    ClaimTopic.QUALIFIED_PURCHASER: ("natural_person", "family_company", "trust", "discretionary_investor"),
    # 17 CFR 230.144A(a)(1).
    ClaimTopic.QUALIFIED_INSTITUTIONAL_BUYER: ("institution", "dealer", "bank", "registered_investment_company", "owned_by_buyers"),
    ClaimTopic.RESIDENCE: ("document", "utility_bill", "register_extract", "self_certified"),
    # Forms of the US Internal Revenue Service, and the OECD's common reporting standard.
    ClaimTopic.TAX_FORM: ("w9", "w8ben", "w8ben_e", "w8imy", "w8eci", "w8exp", "crs_self_certification"),
    # 17 CFR 230.902(k).
    ClaimTopic.US_PERSON: ("document", "self_certified", "entity_organisation"),
    # 17 CFR 230.144(a)(1) and 230.405: who controls, is controlled, or is under common control.
    ClaimTopic.AFFILIATE: ("director", "officer", "ten_percent_holder", "control", "common_control", "none"),
}
"""How an officer may know each topic. KYC and AML come from an identity provider alone."""

VALUED: Final[Mapping[ClaimTopic, str]] = {
    ClaimTopic.RESIDENCE: "the country (ISO 3166-1 alpha-2)",
    ClaimTopic.US_PERSON: "yes or no",
    ClaimTopic.AFFILIATE: "yes or no",
}
"""Topics that say something beyond that they hold, and what."""

REVOCATIONS: Final = ("superseded", "wrong", "evidence_withdrawn", "no_longer_true")
"""Why a claim is revoked: a code, for a sentence could name the person."""

PROVIDED: Final = "provider"
"""The basis of what an identity provider claims."""

CLAIM_DAYS_MAX: Final = 1827
"""Five years, the longest that 17 CFR 230.506(c)(2)(ii)(E) lets a verification stand."""

ISSUER_CHARACTERS_MAX: Final = 200
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody (`issuer`) says it of an investor, with evidence, from `issued_at` until `expires_at`.

    `basis` says how it is known, `value` what, where the topic has one; `added_by` is the officer, None for a provider's claim.
    """

    claim_id: UUID
    tenant_id: TenantId
    investor_id: InvestorId
    topic: ClaimTopic
    issuer: str
    evidence_sha256: bytes
    issued_at: dt.datetime
    expires_at: dt.datetime
    revoked_at: dt.datetime | None = None
    basis: str = PROVIDED
    value: str | None = None
    added_by: UserId | None = None
    revocation: str | None = None

    def holds(self, at: dt.datetime) -> bool:
        """Return whether the claim counts at `at`."""
        return self.revoked_at is None and self.issued_at <= at < self.expires_at


@dataclass(frozen=True, slots=True)
class AddClaim:
    """An officer's claim, read and found good. `evidence_sha256` is the document's, 32 bytes; the document stays where it is."""

    investor_id: InvestorId
    topic: ClaimTopic
    issuer: str
    basis: str
    value: str | None
    evidence_sha256: bytes
    issued_at: dt.datetime
    expires_at: dt.datetime

    def as_json(self) -> dict[str, Any]:
        """Return what a second person agrees to."""
        return {
            "investor_id": str(self.investor_id),
            "topic": self.topic.name.lower(),
            "issuer": self.issuer,
            "basis": self.basis,
            "value": self.value,
            "evidence_sha256": self.evidence_sha256.hex(),
            "issued_at": instant_text(self.issued_at),
            "expires_at": instant_text(self.expires_at),
        }

    @classmethod
    def from_json(cls, request: Mapping[str, Any]) -> AddClaim:
        """Return the claim that `as_json` gave."""
        return cls(
            investor_id=InvestorId(parse_id(request["investor_id"], field="investor_id")),
            topic=parse_topic(request["topic"]),
            issuer=request["issuer"],
            basis=request["basis"],
            value=request["value"],
            evidence_sha256=bytes.fromhex(request["evidence_sha256"]),
            issued_at=parse_instant(request["issued_at"], field="issued_at"),
            expires_at=parse_instant(request["expires_at"], field="expires_at"),
        )


def parse_topic(text: str, *, field: str = "topic") -> ClaimTopic:
    """Return the topic of that name; those that only a provider can claim are not among an officer's."""
    try:
        return ClaimTopic[text.strip().upper()]
    except KeyError:
        raise BadClaim(
            why=f"“{text}” is no topic", expected=", ".join(topic.name.lower() for topic in BASES), place=Place(field=field)
        ) from None


def read_claim(
    investor_id: InvestorId,
    *,
    topic: str,
    issuer: str,
    basis: str,
    evidence_sha256: str,
    expires_at: dt.datetime,
    issued_at: dt.datetime | None,
    value: str | None,
    at: dt.datetime,
) -> AddClaim:
    """Return the claim that these texts make at `at`, or refuse with the field that is wrong.

    Raises:
        BadClaim: a topic that officers do not claim, a basis or value that the topic does not have, no SHA-256, an end that has
            passed, lies before the beginning or more than five years after it.

    """
    read = parse_topic(topic)
    if read not in BASES:
        raise _bad("topic", f"{read.name.lower()} comes from the identity provider", ", ".join(known.name.lower() for known in BASES))
    if basis not in BASES[read]:
        raise _bad("basis", f"“{basis}” is no basis of {read.name.lower()}", ", ".join(BASES[read]))
    named = " ".join(issuer.split())
    if not 0 < len(named) <= ISSUER_CHARACTERS_MAX or not named.isprintable():
        raise _bad("issuer", "it does not say who claims it", f"1 to {ISSUER_CHARACTERS_MAX} printable characters")
    if not _SHA256.fullmatch(evidence_sha256):
        raise _bad("evidence_sha256", "it is no SHA-256", "the 64 small hexadecimal digits of the evidence's SHA-256")
    begins = (at if issued_at is None else issued_at).replace(microsecond=0)
    if begins > at:
        raise _bad("issued_at", "it lies in the future", "an instant that has passed")
    if expires_at <= at or expires_at - begins > dt.timedelta(days=CLAIM_DAYS_MAX):
        raise _bad("expires_at", "it would never hold, or for too long", "an instant to come, five years after the beginning at most")
    return AddClaim(investor_id, read, named, basis, _value(read, value), bytes.fromhex(evidence_sha256), begins, expires_at)


def check_revocation(text: str) -> str:
    """Return the code of why a claim is revoked, or refuse."""
    if text not in REVOCATIONS:
        raise _bad("reason", f"“{text}” is no reason", ", ".join(REVOCATIONS))
    return text


def _value(topic: ClaimTopic, value: str | None) -> str | None:
    if topic not in VALUED:
        if value:
            raise _bad("value", f"{topic.name.lower()} has no value", "nothing")
        return None
    if topic is ClaimTopic.RESIDENCE:
        return parse_country(value or "", field="value")
    if value not in {"yes", "no"}:
        raise _bad("value", f"“{value or ''}” is no value of {topic.name.lower()}", VALUED[topic])
    return value


def _bad(field: str, why: str, expected: str) -> BadClaim:
    return BadClaim(why=why, expected=expected, place=Place(field=field))
