# SPDX-License-Identifier: Apache-2.0
"""The standing of an investor and the sandbox provider's documented markers."""

from __future__ import annotations

import datetime as dt

import pytest

from muniment.parties.errors import NotInStatus
from muniment.parties.model import (
    Claim,
    ClaimTopic,
    Cleared,
    Draft,
    Expired,
    Failed,
    InReview,
    Investor,
    InvestorKind,
    PersonalData,
    Referred,
    Rejected,
    SandboxIdentityProvider,
    Verdict,
    Verified,
)
from muniment.parties.model.investors import Standing, accept, expire, refuse, submit
from muniment.units.ids import InvestorId, TenantId, UserId, new_id

NOON = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)
SOMEBODY = UserId(new_id(NOON))
LATER = NOON + dt.timedelta(days=365)


def check(
    *,
    kind: InvestorKind = InvestorKind.PERSON,
    name: str = "Ada",
    born: str = "1984-05-23",
    expires: str = "2036-01-01",
    accredited: bool = False,
) -> Verdict:
    investor = Investor(InvestorId(new_id(NOON)), TenantId(new_id(NOON)), "A-1", kind, "CH", Draft(NOON), NOON)
    person = PersonalData(
        name=name,
        email="a@example.com",
        date_of_birth=dt.date.fromisoformat(born),
        document_expires=dt.date.fromisoformat(expires),
        is_accredited=accredited,
    )
    return SandboxIdentityProvider().verdict(investor, person, at=NOON)


def codes(verdict: Verdict) -> list[str]:
    assert isinstance(verdict, Failed | Referred)
    return [reason.code for reason in verdict.reasons]


def test_an_ordinary_record_is_cleared_for_a_year() -> None:
    verdict = check()
    assert isinstance(verdict, Cleared)
    assert verdict.topics == (ClaimTopic.KYC, ClaimTopic.AML)
    assert verdict.until == LATER


def test_a_verification_ends_with_the_document() -> None:
    verdict = check(expires="2026-09-30")
    assert isinstance(verdict, Cleared)
    assert verdict.until == dt.datetime(2026, 9, 30, tzinfo=dt.UTC)


def test_an_accredited_investor_gets_the_claim() -> None:
    verdict = check(accredited=True)
    assert isinstance(verdict, Cleared)
    assert ClaimTopic.ACCREDITATION in verdict.topics


@pytest.mark.parametrize("expires", ["2026-07-01", "2026-06-30", "1999-01-01"])
def test_an_expired_document_fails(expires: str) -> None:
    assert codes(check(expires=expires)) == ["parties.document_expired"]


@pytest.mark.parametrize("name", ["Igor Sanctionov", "igor  SANCTIONOV", "Blocked Holdings Ltd"])
def test_a_name_on_the_sandbox_sanctions_list_fails_however_it_is_spaced(name: str) -> None:
    assert codes(check(name=name)) == ["parties.sanctioned"]


def test_a_minor_fails_and_an_adult_of_today_passes() -> None:
    assert codes(check(born="2008-07-02")) == ["parties.under_age"]
    assert isinstance(check(born="2008-07-01"), Cleared)


def test_an_entity_has_no_age() -> None:
    assert isinstance(check(kind=InvestorKind.ENTITY, born="2020-01-01"), Cleared)


def test_all_objections_are_said_at_once() -> None:
    assert codes(check(name="Igor Sanctionov", expires="2020-01-01")) == ["parties.document_expired", "parties.sanctioned"]


def test_an_exposed_name_is_referred_to_a_person() -> None:
    assert codes(check(name="Petra Publicova")) == ["parties.politically_exposed"]


STANDINGS: list[Standing] = [
    Draft(NOON),
    InReview(NOON, SOMEBODY),
    Verified(NOON, LATER),
    Rejected(NOON, ("parties.sanctioned",)),
    Expired(NOON),
]


@pytest.mark.parametrize("standing", STANDINGS)
def test_a_review_begins_from_draft_rejected_or_expired_only(standing: Standing) -> None:
    if isinstance(standing, Draft | Rejected | Expired):
        assert submit(standing, by=SOMEBODY, at=NOON) == InReview(NOON, SOMEBODY)
    else:
        with pytest.raises(NotInStatus):
            submit(standing, by=SOMEBODY, at=NOON)


@pytest.mark.parametrize("standing", STANDINGS)
def test_only_a_review_ends_in_yes_or_no(standing: Standing) -> None:
    if isinstance(standing, InReview):
        assert accept(standing, at=NOON, until=LATER) == Verified(NOON, LATER)
        assert refuse(standing, at=NOON, codes=("x",)) == Rejected(NOON, ("x",))
        return
    with pytest.raises(NotInStatus):
        accept(standing, at=NOON, until=LATER)
    with pytest.raises(NotInStatus):
        refuse(standing, at=NOON, codes=("x",))


@pytest.mark.parametrize("standing", STANDINGS)
def test_only_a_verification_expires_and_only_when_its_time_has_come(standing: Standing) -> None:
    if isinstance(standing, Verified):
        assert expire(standing, at=LATER) == Expired(LATER)
    with pytest.raises(NotInStatus):
        expire(standing, at=LATER - dt.timedelta(seconds=1))


def test_a_claim_holds_from_its_issue_until_its_end_or_revocation() -> None:
    claim = Claim(new_id(NOON), TenantId(new_id(NOON)), InvestorId(new_id(NOON)), ClaimTopic.KYC, "sandbox", bytes(32), NOON, LATER)
    assert [claim.holds(at) for at in (NOON - dt.timedelta(seconds=1), NOON, LATER - dt.timedelta(seconds=1), LATER)] == [
        False,
        True,
        True,
        False,
    ]


def test_personal_data_shows_nothing_when_printed() -> None:
    person = PersonalData(name="Ada Canary", email="canary@example.com", tax_id="CANARY-1")
    assert "anary" not in f"{person} {person!r} {[person]}".lower()
