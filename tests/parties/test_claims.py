# SPDX-License-Identifier: Apache-2.0
"""Claims that officers make: what may be claimed how, four eyes where it opens exemptions, revocation, and re-verification."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.access import commands as access
from muniment.access.errors import NotPermitted, OwnApproval
from muniment.access.model import Action, Pending, Role
from muniment.access.ports import Page
from muniment.parties import commands
from muniment.parties.errors import BadClaim, BadValue, ClaimNotFound, PersonErased, UnknownCountry
from muniment.parties.model import BASES, CLASSIFYING, AddClaim, Claim, ClaimTopic, Verified
from muniment.parties.model.claims import CLAIM_DAYS_MAX, VALUED, read_claim
from muniment.units.ids import InvestorId, new_id
from tests.access.unit import NOON, Installation, an_actor
from tests.parties.file import EVIDENCE, Desk

SOMEBODY = InvestorId(new_id(NOON))


@pytest.fixture
def desk(installation: Installation) -> Desk:
    """A new organisation."""
    return Desk.of(installation)


def test_an_officers_claim_holds_at_once_and_is_listed_with_basis_and_evidence(desk: Desk) -> None:
    investor_id = desk.onboard()
    added = desk.claim(investor_id)
    assert isinstance(added, Claim)
    with desk.begin() as unit:
        (listed,) = commands.view_investor(desk.officer, investor_id, unit=unit).claims
    assert (listed.topic, listed.basis, listed.evidence_sha256.hex()) == (ClaimTopic.TAX_FORM, "w8ben", EVIDENCE)
    assert listed.added_by == desk.officer.user_id and listed.holds(NOON)
    assert desk.events()[-1] == "parties.claim_added"


@pytest.mark.parametrize("topic", sorted(CLASSIFYING))
def test_a_claim_that_opens_exemptions_waits_for_a_second_person(desk: Desk, topic: ClaimTopic) -> None:
    investor_id = desk.onboard()
    asked = desk.claim(investor_id, topic=topic.name.lower(), basis=BASES[topic][0], issuer="A fictitious auditor")
    assert isinstance(asked, Pending)
    with desk.begin() as unit:
        assert unit.claims.of_investor(investor_id) == []
        with pytest.raises(OwnApproval):
            access.approve_request(desk.officer, asked.approval_id, unit=unit)
    added = desk.approve(asked)
    with desk.begin() as unit:
        assert [claim.claim_id for claim in unit.claims.of_investor(investor_id)] == [added.claim_id]
    assert added.topic is topic


def test_an_organisation_of_one_person_is_not_locked_out_by_an_action_that_came_later(installation: Installation) -> None:
    owner = installation.found(four_eyes=frozenset()).owner
    with installation.begin(owner.tenant_id) as unit:
        unit.approvals.set_required(Action.ACCESS_SET_APPROVAL_POLICY, required=False)
    with installation.database.worker_transaction() as connection:
        statement = "DELETE FROM access.approval_policy WHERE tenant_id = %s AND action = 'parties.classify'"
        connection.exec_driver_sql(statement, (owner.tenant_id,))
    desk = Desk(installation, owner, owner, owner)
    with installation.begin(owner.tenant_id) as unit:
        assert not access.approval_policy(owner, unit=unit)[Action.PARTIES_CLASSIFY]
    assert isinstance(desk.claim(desk.onboard(), topic="accreditation", basis="income_documents"), Claim)


def test_what_was_agreed_to_is_read_back_as_it_was_asked(desk: Desk) -> None:
    described = desk.describe(SOMEBODY, topic="residence", basis="document", value="LI")
    assert AddClaim.from_json(described.as_json()) == described


def test_a_claim_whose_time_ran_out_while_it_waited_is_refused(desk: Desk) -> None:
    investor_id = desk.onboard()
    asked = desk.claim(investor_id, topic="accreditation", basis="income_documents", expires_at=NOON + dt.timedelta(hours=1))
    desk.installation.clock.advance(dt.timedelta(hours=2))
    with pytest.raises(BadClaim) as refusal:
        desk.approve(asked)
    assert refusal.value.place is not None and refusal.value.place.field == "expires_at"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"topic": "kyc"}, "topic"),
        ({"topic": "height"}, "topic"),
        ({"basis": "hearsay"}, "basis"),
        ({"issuer": "  "}, "issuer"),
        ({"issuer": "x" * 201}, "issuer"),
        ({"evidence_sha256": "12"}, "evidence_sha256"),
        ({"evidence_sha256": EVIDENCE.upper()}, "evidence_sha256"),
        ({"issued_at": NOON + dt.timedelta(days=1)}, "issued_at"),
        ({"expires_at": NOON}, "expires_at"),
        ({"expires_at": NOON + dt.timedelta(days=CLAIM_DAYS_MAX, seconds=1)}, "expires_at"),
        ({"value": "CH"}, "value"),
        ({"topic": "us_person", "basis": "document", "value": "perhaps"}, "value"),
    ],
)
def test_a_claim_that_cannot_be_is_refused_with_its_field(desk: Desk, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadClaim) as refusal:
        desk.describe(SOMEBODY, **changes)
    assert refusal.value.place is not None and refusal.value.place.field == field


def test_a_residence_is_a_country(desk: Desk) -> None:
    with pytest.raises(UnknownCountry):
        desk.describe(SOMEBODY, topic="residence", basis="document", value="Switzerland")


@given(st.sampled_from(sorted(BASES)), st.data(), st.integers(1, CLAIM_DAYS_MAX))
def test_every_basis_of_every_topic_makes_a_claim_that_holds_until_its_end(topic: ClaimTopic, data: st.DataObject, days: int) -> None:
    until = NOON + dt.timedelta(days=days)
    read = read_claim(
        SOMEBODY,
        topic=topic.name.lower(),
        issuer="a notary",
        basis=data.draw(st.sampled_from(BASES[topic])),
        evidence_sha256=EVIDENCE,
        expires_at=until,
        issued_at=None,
        value={ClaimTopic.RESIDENCE: "CH"}.get(topic, "yes") if topic in VALUED else None,
        at=NOON,
    )
    assert AddClaim.from_json(read.as_json()) == read
    assert (read.topic, read.expires_at) == (topic, until)


def test_a_claim_is_revoked_once_with_a_reason_that_names_nobody(desk: Desk) -> None:
    investor_id = desk.onboard()
    added = desk.claim(investor_id)
    assert isinstance(added, Claim)
    with desk.begin() as unit, pytest.raises(BadClaim):
        commands.revoke_claim(desk.officer, investor_id, added.claim_id, reason="Ada moved", unit=unit)
    with desk.begin() as unit:
        commands.revoke_claim(desk.officer, investor_id, added.claim_id, reason="no_longer_true", unit=unit)
    with desk.begin() as unit:
        (claim,) = unit.claims.of_investor(investor_id)
        assert not claim.holds(NOON) and claim.revocation == "no_longer_true"
        with pytest.raises(ClaimNotFound):
            commands.revoke_claim(desk.officer, investor_id, added.claim_id, reason="wrong", unit=unit)


def test_a_claim_of_another_investor_is_not_found(desk: Desk) -> None:
    added = desk.claim(desk.onboard())
    other = desk.onboard("A-2")
    assert isinstance(added, Claim)
    with desk.begin() as unit, pytest.raises(ClaimNotFound):
        commands.revoke_claim(desk.officer, other, added.claim_id, reason="wrong", unit=unit)


def test_a_transfer_agent_and_an_auditor_claim_nothing(desk: Desk) -> None:
    investor_id = desk.onboard()
    described = desk.describe(investor_id)
    for role in (Role.TRANSFER_AGENT, Role.AUDITOR):
        with desk.begin() as unit, pytest.raises(NotPermitted):
            commands.add_claim(an_actor(desk.owner.tenant_id, role), described, unit=unit)


def test_nothing_is_claimed_of_an_erased_person(desk: Desk) -> None:
    investor_id = desk.onboard()
    with desk.begin() as unit:
        commands.erase_investor(desk.officer, investor_id, unit=unit)
    with pytest.raises(PersonErased):
        desk.claim(investor_id)


def test_officers_claims_outlive_a_re_verification_and_the_providers_are_made_anew(desk: Desk) -> None:
    investor_id = desk.verified()
    desk.claim(investor_id)
    desk.installation.clock.advance(dt.timedelta(days=300))
    with desk.begin() as unit:
        commands.reverify_investor(desk.officer, investor_id, {}, unit=unit)
    now = desk.installation.clock.now()
    with desk.begin() as unit:
        holding = sorted(claim.topic for claim in unit.claims.of_investor(investor_id) if claim.holds(now))
    assert holding == [ClaimTopic.KYC, ClaimTopic.AML, ClaimTopic.TAX_FORM]


# Re-verification


def test_a_re_verification_before_the_end_prolongs_and_takes_in_what_changed(desk: Desk) -> None:
    investor_id = desk.verified(tax_id="T-1")
    desk.installation.clock.advance(dt.timedelta(days=300))
    with desk.begin() as unit:
        investor, _ = commands.reverify_investor(desk.officer, investor_id, {"country": "LI", "email": "ada@example.org"}, unit=unit)
    assert isinstance(investor.standing, Verified)
    assert investor.standing.until == NOON + dt.timedelta(days=665)
    with desk.begin() as unit:
        view = commands.view_investor(desk.officer, investor_id, unit=unit)
        found = commands.list_investors(desk.officer, Page(), text="ada@example.org", unit=unit)
        gone = commands.list_investors(desk.officer, Page(), text="ada@example.com", unit=unit)
    assert view.person is not None
    assert (view.investor.country, view.person.email, view.person.tax_id) == ("LI", "ada@example.org", "T-1")
    assert (len(found), len(gone)) == (1, 0)
    assert desk.events()[-1] == "parties.investor_verified"


def test_an_expired_and_a_rejected_investor_can_be_verified_anew(desk: Desk) -> None:
    investor_id = desk.onboard(document_expires="2026-06-30")
    assert desk.verify(investor_id)[0].status == "rejected"
    with desk.begin() as unit:
        investor, _ = commands.reverify_investor(desk.officer, investor_id, {"document_expires": "2031-06-30"}, unit=unit)
    assert investor.status == "verified"


def test_a_re_verification_that_fails_ends_the_verification(desk: Desk) -> None:
    investor_id = desk.verified()
    with desk.begin() as unit:
        investor, _ = commands.reverify_investor(desk.officer, investor_id, {"document_expires": "2026-06-30"}, unit=unit)
    assert investor.status == "rejected"
    assert desk.events()[-1] == "parties.investor_rejected"


@pytest.mark.parametrize("field", ["external_reference", "kind", "wallet_address", "height"])
def test_a_re_verification_changes_no_more_than_it_may(desk: Desk, field: str) -> None:
    investor_id = desk.verified()
    with desk.begin() as unit, pytest.raises(BadValue):
        commands.reverify_investor(desk.officer, investor_id, {field: "entity"}, unit=unit)


def test_trusts_and_plans_are_investors(desk: Desk) -> None:
    kinds = [desk.investor(desk.verified(f"K-{kind}", kind=kind)).kind.value for kind in ("person", "entity", "trust", "plan")]
    assert kinds == ["person", "entity", "trust", "plan"]
