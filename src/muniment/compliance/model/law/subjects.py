# SPDX-License-Identifier: Apache-2.0
"""What the books say of an investor and of lots, as the law's facts: claims become standing, acquisitions become sales. Reads nothing."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from muniment.compliance.model.law.facts import InvestorFacts, Lot, Method, PersonKind, Sale, TaxFacts, Verification
from muniment.parties.model import Claim, ClaimTopic, Investor, InvestorKind, Verified
from muniment.register.model import Acquisition
from muniment.register.model import Lot as RegisterLot

METHODS: Mapping[str, Method] = {
    "income_documents": Method.TAX_FORMS,
    "net_worth_documents": Method.STATEMENTS,
    "professional_letter": Method.LETTER,
    "previous_verification": Method.PRIOR_VERIFICATION,
    "minimum_investment": Method.MINIMUM_INVESTMENT,
    # Reasonable steps of another kind, by a provider or from a public register: as good, and as old, as a letter.
    "professional_certification": Method.LETTER,
    "knowledgeable_employee": Method.LETTER,
    "entity_assets": Method.STATEMENTS,
    "institution": Method.LETTER,
    "provider": Method.LETTER,
}
"""How a claim's basis verifies accreditation. The investor's own word (`self_certified`) makes one accredited and verifies nothing."""

REPRESENTED = frozenset({Method.PRIOR_VERIFICATION, Method.MINIMUM_INVESTMENT})
"""Methods whose claim is entered only with the written representations in hand: they are its evidence."""

_KINDS = {
    InvestorKind.PERSON: PersonKind.PERSON,
    InvestorKind.ENTITY: PersonKind.ENTITY,
    InvestorKind.TRUST: PersonKind.TRUST,
    InvestorKind.PLAN: PersonKind.PLAN,
}
_FORMS = {"w9": "W-9", "w8ben": "W-8BEN", "w8ben_e": "W-8BEN-E"}


def investor_facts(investor: Investor, claims: Sequence[Claim], *, at: dt.datetime) -> InvestorFacts:
    """Return what the claims that hold at an instant make of an investor; the id is the investor's, as text."""
    held: dict[ClaimTopic, Claim] = {}
    for claim in claims:
        # Of several on one topic the latest counts.
        if claim.holds(at) and (claim.topic not in held or held[claim.topic].issued_at <= claim.issued_at):
            held[claim.topic] = claim
    affiliate = held.get(ClaimTopic.AFFILIATE)
    us_person = held.get(ClaimTopic.US_PERSON)
    residence = held.get(ClaimTopic.RESIDENCE)
    country = residence.value if residence is not None and residence.value else investor.country
    return InvestorFacts(
        investor_id=str(investor.investor_id),
        kind=_KINDS[investor.kind],
        country=country,
        us_person=None if us_person is None else us_person.value == "yes",
        verified=investor.is_verified(at),
        verified_until=_day_after(investor.standing.until) if isinstance(investor.standing, Verified) else None,
        accredited=True if ClaimTopic.ACCREDITATION in held else None,
        verification=_verification(held.get(ClaimTopic.ACCREDITATION)),
        qualified_purchaser=True if ClaimTopic.QUALIFIED_PURCHASER in held else None,
        qualified_institutional_buyer=True if ClaimTopic.QUALIFIED_INSTITUTIONAL_BUYER in held else None,
        professional=True if ClaimTopic.PROFESSIONAL_CLIENT in held else None,
        affiliate=affiliate is not None and affiliate.value == "yes",
        affiliate_until=_ended(claims, ClaimTopic.AFFILIATE, at=at) if affiliate is None else None,
        tax=_tax(held.get(ClaimTopic.TAX_FORM)),
    )


def _verification(claim: Claim | None) -> Verification | None:
    if claim is None or claim.basis not in METHODS:
        return None
    method = METHODS[claim.basis]
    return Verification(method, claim.issued_at.date(), represented=method in REPRESENTED)


def _tax(claim: Claim | None) -> TaxFacts | None:
    if claim is None or claim.basis not in _FORMS:
        return None
    return TaxFacts(form=_FORMS[claim.basis], form_valid_until=claim.expires_at.date(), has_tin=True)


def _day_after(until: dt.datetime) -> dt.date:
    # A verification ends at an instant; the law asks by the day, and the day on which it ends is still good until then.
    return until.date() + dt.timedelta(days=1)


def _ended(claims: Sequence[Claim], topic: ClaimTopic, *, at: dt.datetime) -> dt.date | None:
    ends = [
        min(claim.expires_at, claim.revoked_at or claim.expires_at) for claim in claims if claim.topic is topic and claim.value == "yes"
    ]
    past = [end for end in ends if end <= at]
    return max(past).date() if past else None


def law_lots(lots: Iterable[RegisterLot]) -> dict[str, tuple[Lot, ...]]:
    """Return the register's lots by holder, in the order in which a transfer takes them (first in, first out).

    The holding period counts from when the shares last left the issuer or an affiliate: a sale between others does not begin it anew
    (17 CFR 230.144(d)(1), “the account of either the acquiror or any subsequent holder”).
    """
    grouped: defaultdict[str, list[RegisterLot]] = defaultdict(list)
    for lot in lots:
        grouped[str(lot.holder)].append(lot)
    return {
        holder: tuple(law_lot(lot) for lot in sorted(held, key=lambda each: (each.acquired_at, each.place)))
        for holder, held in grouped.items()
    }


def law_lot(lot: RegisterLot) -> Lot:
    """Return one lot of the register as `law_lots` does."""
    held_since = min(lot.issuer_acquired_at, lot.acquired_at).date()
    return Lot(str(lot.holder), lot.quantity, lot.acquired_at.date(), held_since, lot.exemption)


def law_sales(acquisitions: Iterable[Acquisition], *, currency: str) -> tuple[list[Sale], list[Sale]]:
    """Return the issuer's sales and the holders' resales, oldest first; what was paid in another currency counts by price."""
    primary: list[Sale] = []
    secondary: list[Sale] = []
    for each in acquisitions:
        if each.buyer is None:
            continue
        said, paid = each.annotation, each.annotation.paid
        sale = Sale(
            investor_id=str(each.buyer),
            on=each.movement.occurred_at.date(),
            quantity=each.movement.shares,
            amount_minor=paid.minor_units if paid is not None and paid.currency == currency else None,
            exemption=said.exemption,
            seller_id=None if each.seller is None else str(each.seller),
        )
        if each.is_primary_sale:
            primary.append(sale)
        elif each.seller is not None and (said.consideration is None or said.consideration.value == "sale"):
            secondary.append(sale)
    return primary, secondary
