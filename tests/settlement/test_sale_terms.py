# SPDX-License-Identifier: Apache-2.0
"""On which terms shares are sold: asked of the law, stored with the instruction, known of the lot once it is final, and only once."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.access.model import Pending
from muniment.compliance.commands import ChooseLaw, SetRules, choose_law, set_rules
from muniment.compliance.model.law.calendar import add_months
from muniment.compliance.model.rules import HolderCap, SupplyCap
from muniment.instruments.model.securities import TokenisedSecurity
from muniment.parties.model import Claim, ClaimTopic
from muniment.register.commands import Annotate, annotate, view_acquisitions, view_lots
from muniment.register.model import LotAnnotation
from muniment.register.process import rebuild
from muniment.settlement.commands import IssueShares, issue, preview_issue
from muniment.settlement.errors import KeyReused
from muniment.settlement.model import UNSTATED, Allotment, IssueReport, Leg, SaleTerms, SettledInstruction, SubmittedInstruction
from muniment.settlement.process import settle
from muniment.units.ids import Address, InvestorId, SecurityId, TransactionHash, new_id
from muniment.units.money import Money
from tests.settlement.scene import Scene, SceneStage

CODES = st.none() | st.sampled_from(["us.regd.506c", "us.regs", "us.rega", "eu.prospectus.exempt_offer"])
TERMS = st.builds(
    SaleTerms,
    exemption=CODES,
    paid=st.none() | st.builds(Money, st.integers(0, 10**15), st.sampled_from(["USD", "EUR", "JPY"])),
    buyer_category=st.none() | st.sampled_from(["accredited", "non_accredited"]),
)


@pytest.fixture(scope="module")
def wallets(scene: Scene) -> list[Address]:
    return [wallet for _, wallet in scene.holders(3)]


@pytest.fixture(scope="module")
def lawful(scene_stage: SceneStage) -> Scene:
    """A security that is sold to verified accredited Americans under Rule 506(c), to others under Regulation S."""
    scene = Scene(scene_stage)
    with scene.begin() as unit:
        choose_law(scene.owner, ChooseLaw(scene.security_id, ("us.regd.506c", "us.regs.category3"), {"price": "10.00"}, {}), unit=unit)
    return scene


def request_of(scene: Scene, *allotments: Allotment) -> IssueShares:
    return IssueShares(new_id(scene.stage.clock.now()), scene.security_id, allotments)


def issued(scene: Scene, request: IssueShares) -> IssueReport:
    """Issue under four eyes and carry it through."""
    report = scene.approved(lambda actor, unit: issue(actor, request, unit=unit))
    for instruction in report.instructions:
        scene.settle(instruction.instruction_id)
    return report


def said_of(scene: Scene, report: IssueReport) -> dict[Address, LotAnnotation]:
    """Return what the register knows of each receiver's movement."""
    with scene.begin() as unit:
        states = [unit.instructions.get(each.instruction_id) for each in report.instructions]
        hashes = {state.transaction_hash for state in states if isinstance(state, SettledInstruction)}
        found = view_acquisitions(scene.owner, scene.security_id, unit=unit).acquisitions
    return {each.movement.to_wallet: each.annotation for each in found if each.movement.transaction_hash in hashes}


def an_american(scene: Scene, *, accredited: bool) -> tuple[InvestorId, Address]:
    investor_id, wallet = scene.an_investor("US")
    scene.registered(investor_id)
    if accredited:
        with scene.begin() as unit:
            now = unit.clock.now()
            claim = Claim(
                claim_id=new_id(now),
                tenant_id=scene.tenant_id,
                investor_id=investor_id,
                topic=ClaimTopic.ACCREDITATION,
                issuer="A law firm",
                evidence_sha256=bytes(32),
                issued_at=now,
                expires_at=now + dt.timedelta(days=90),
                basis="professional_letter",
                value=None,
            )
            unit.claims.add([claim])
    return investor_id, wallet


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(terms=st.lists(TERMS, min_size=3, max_size=3))
def test_what_was_stated_at_issue_is_what_the_register_knows_of_every_receiver(
    scene: Scene, wallets: list[Address], terms: list[SaleTerms]
) -> None:
    allotments = [Allotment(5 + place, wallet=wallet, sale=said) for place, (wallet, said) in enumerate(zip(wallets, terms, strict=True))]
    report = issued(scene, request_of(scene, *allotments))
    known = said_of(scene, report)
    assert {wallet: SaleTerms(each.exemption, each.paid, each.buyer_category) for wallet, each in known.items()} == dict(
        zip(wallets, terms, strict=True)
    )
    with scene.begin() as unit:
        lots = view_lots(scene.owner, scene.security_id, unit=unit).lots
        newest = max(lot.block_number for lot in lots)
    assert sorted((lot.quantity, lot.exemption, lot.buyer_category) for lot in lots if lot.block_number == newest) == [
        (5 + place, said.exemption, said.buyer_category) for place, said in enumerate(terms)
    ]
    # The lots are those that a whole replay gives, byte for byte.
    assert rebuild(scene.security_id, begin=scene.begin).differences == ()


def test_the_one_exemption_that_holds_is_recorded_where_none_was_named(lawful: Scene) -> None:
    _, american = an_american(lawful, accredited=True)
    ((_, briton),) = lawful.holders(1)
    report = issued(lawful, request_of(lawful, Allotment(10, wallet=american), Allotment(20, wallet=briton)))
    assert {wallet: (said.exemption, said.buyer_category) for wallet, said in said_of(lawful, report).items()} == {
        american: ("us.regd.506c", "accredited"),
        briton: ("us.regs", None),
    }


def test_a_bad_exemption_refuses_its_own_allotment_and_no_other(lawful: Scene) -> None:
    _, american = an_american(lawful, accredited=True)
    ((_, briton), (_, other)) = lawful.holders(2)
    request = request_of(
        lawful,
        Allotment(10, wallet=american, sale=SaleTerms("us.regs")),
        Allotment(11, wallet=briton, sale=SaleTerms("us.regd.506b")),
        Allotment(12, wallet=other, sale=SaleTerms("us.regs", Money(120_00, "USD"))),
    )
    report = issued(lawful, request)
    assert {entry.wallet: [reason.code for reason in entry.decision.reasons] for entry in report.refused} == {
        american: ["compliance.us_person"],
        briton: ["compliance.exemption_not_chosen"],
    }
    assert [(entry.wallet, entry.sale) for entry in report.accepted] == [(other, SaleTerms("us.regs", Money(120_00, "USD")))]
    assert "us.regd.506c, us.regs" in str(report.refused[1].decision.reasons[0].cure)


def test_a_foreigner_buys_under_rule_506c_where_it_is_named_and_is_asked_what_it_asks(lawful: Scene) -> None:
    ((_, briton),) = lawful.holders(1)
    with lawful.begin() as unit:
        report = preview_issue(lawful.owner, request_of(lawful, Allotment(1, wallet=briton, sale=SaleTerms("us.regd.506c"))), unit=unit)
    (refused,) = report.refused
    assert [reason.code for reason in refused.decision.reasons] == ["compliance.not_accredited", "compliance.accreditation_not_verified"]


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (SaleTerms("Rule 506(c)"), "register.not_a_code"),
        (SaleTerms(buyer_category="Mrs A"), "register.not_a_code"),
        (SaleTerms(paid=Money(-1, "USD")), "register.negative_price"),
    ],
)
def test_terms_that_no_register_holds_refuse_the_allotment(scene: Scene, wallets: list[Address], terms: SaleTerms, code: str) -> None:
    with scene.begin() as unit:
        report = preview_issue(scene.owner, request_of(scene, Allotment(1, wallet=wallets[0], sale=terms)), unit=unit)
    assert [reason.code for entry in report.refused for reason in entry.decision.reasons] == [code]


def test_settling_again_records_once_and_never_over_an_officers_word(scene: Scene, wallets: list[Address]) -> None:
    request = request_of(
        scene,
        Allotment(3, wallet=wallets[0], sale=SaleTerms("us.regd.506c")),
        Allotment(4, wallet=wallets[1], sale=SaleTerms("us.regs")),
    )
    report = scene.approved(lambda actor, unit: issue(actor, request, unit=unit))
    (instruction,) = report.instructions
    settle(instruction.instruction_id, begin=scene.begin)
    with scene.begin() as unit:
        state = unit.instructions.get(instruction.instruction_id)
        assert isinstance(state, SubmittedInstruction)
    # Mined and read, not settled: an officer is faster.
    for _ in range(10):
        scene.stage.step()
    word = LotAnnotation(exemption="us.rega")
    with scene.begin() as unit:
        annotate(scene.owner, Annotate(scene.security_id, state.transaction_hash, 0, word), unit=unit)
    for _ in range(3):
        scene.settle(instruction.instruction_id)
    assert {wallet: said.exemption for wallet, said in said_of(scene, report).items()} == {wallets[0]: "us.rega", wallets[1]: "us.regs"}
    assert len(entries_of(scene, state.transaction_hash)) == 2
    # A chain that undoes what was final has it settled anew: what is known stays as it is.
    with scene.begin() as unit:
        unit.instructions.save(state)
    scene.settle(instruction.instruction_id)
    assert len(entries_of(scene, state.transaction_hash)) == 2


def entries_of(scene: Scene, transaction_hash: TransactionHash) -> list[dict[str, Any]]:
    """Return the audit log's annotations of a transaction."""
    with scene.stage.database.worker_transaction() as connection:
        rows = connection.execute(sa.text("SELECT facts FROM access.audit_entry WHERE action = 'register.annotate'"))
        return [row.facts for row in rows if row.facts["transaction"] == transaction_hash]


def test_a_repeat_finds_what_was_issued_and_other_terms_under_its_id_are_refused(lawful: Scene) -> None:
    ((_, briton),) = lawful.holders(1)
    request = request_of(lawful, Allotment(7, wallet=briton))
    first = issued(lawful, request)
    with lawful.begin() as unit:
        again = issue(lawful.owner, request, unit=unit)
        assert not isinstance(again, Pending)
        assert (again.instructions, again.accepted) == (first.instructions, first.accepted)
        for sale in (SaleTerms("us.regd.506c"), SaleTerms(paid=Money(1, "USD"))):
            other = IssueShares(request.request_id, request.security_id, (Allotment(7, wallet=briton, sale=sale),))
            with pytest.raises(KeyReused):
                issue(lawful.owner, other, unit=unit)
        named = IssueShares(request.request_id, request.security_id, (Allotment(7, wallet=briton, sale=SaleTerms("us.regs")),))
        assert not isinstance(issue(lawful.owner, named, unit=unit), Pending)


@given(terms=st.lists(TERMS, min_size=1, max_size=4))
def test_what_a_second_person_approves_holds_the_terms(terms: list[SaleTerms]) -> None:
    allotments = tuple(Allotment(1, wallet=Address(f"0x{place:040x}"), sale=said) for place, said in enumerate(terms))
    request = IssueShares(UUID(int=1), SecurityId(UUID(int=2)), allotments)
    assert IssueShares.from_json(request.as_json()) == request


def test_an_instruction_without_terms_keeps_the_digest_that_it_had(scene: Scene, wallets: list[Address]) -> None:
    plain = Leg(None, wallets[0], 5)
    assert (plain.sale, Leg(None, wallets[0], 5, UNSTATED)) == (UNSTATED, plain)


@pytest.fixture(scope="module")
def small_offering(scene_stage: SceneStage) -> Scene:
    """A security that is sold under Rule 504, which lets an issuer raise ten million dollars in a year."""
    scene = Scene(scene_stage)
    with scene.begin() as unit:
        choose_law(scene.owner, ChooseLaw(scene.security_id, ("us.regd.504",), {"price": "10.00"}, {}), unit=unit)
    return scene


def test_receivers_of_one_issue_share_what_the_law_leaves(small_offering: Scene) -> None:
    scene = small_offering
    receivers = [an_american(scene, accredited=False)[1] for _ in range(5)]
    # Four, four, three, two and one million dollars: the third does not fit beside the first two, the fourth does, the last does not.
    allotments = [Allotment(millions * 100_000, wallet=wallet) for millions, wallet in zip((4, 4, 3, 2, 1), receivers, strict=True)]
    with scene.begin() as unit:
        report = preview_issue(scene.owner, request_of(scene, *allotments), unit=unit)
    assert [entry.wallet for entry in report.accepted] == [receivers[0], receivers[1], receivers[3]]
    assert [(entry.wallet, [reason.code for reason in entry.decision.reasons]) for entry in report.refused] == [
        (receivers[2], ["compliance.raised_in_twelve_months"]),
        (receivers[4], ["compliance.raised_in_twelve_months"]),
    ]


def test_receivers_of_one_issue_share_the_places_that_the_chain_leaves(scene_stage: SceneStage) -> None:
    scene = Scene(scene_stage)
    one, two, three = (wallet for _, wallet in scene.holders(3))
    with scene.begin() as unit:
        holders = unit.register.holder_count(scene.security_id)
        supply = unit.register.supply(scene.security_id)
        rules = (HolderCap("issuer.cap", "Articles", holders + 2), SupplyCap("issuer.supply", "Articles", supply + 100))
        set_rules(scene.owner, SetRules(scene.security_id, rules), unit=unit)
    with scene.begin() as unit:
        report = preview_issue(scene.owner, request_of(scene, *(Allotment(30, wallet=each) for each in (one, two, three))), unit=unit)
    assert [entry.wallet for entry in report.accepted] == [one, two]
    assert [[reason.code for reason in entry.decision.reasons] for entry in report.refused] == [["compliance.holder_cap"]]
    with scene.begin() as unit:
        report = preview_issue(scene.owner, request_of(scene, *(Allotment(60, wallet=each) for each in (one, two))), unit=unit)
    assert [entry.wallet for entry in report.accepted] == [one]
    assert [[reason.code for reason in entry.decision.reasons] for entry in report.refused] == [["compliance.supply_cap"]]


def test_shares_are_issued_locked_until_the_law_lets_them_be_resold(scene_stage: SceneStage) -> None:
    scene = Scene(scene_stage)
    packs = ("us.regd.506c", "us.regs.category3")
    with scene.begin() as unit:
        today = unit.clock.now().date()
        terms = {"price": "10.00", "issued_locked": True, "issuer_reporting": True, "issuer_country": "DE"}
        choose_law(scene.owner, ChooseLaw(scene.security_id, packs, terms, {}), unit=unit)
    _, american = an_american(scene, accredited=True)
    ((_, german),) = scene.holders(1)
    agreed = dt.datetime(today.year + 2, 1, 1, tzinfo=dt.UTC)
    by_contract = an_american(scene, accredited=True)[1]
    report = issued(
        scene,
        request_of(
            scene,
            Allotment(100, wallet=american),
            Allotment(70, wallet=german),
            Allotment(50, wallet=by_contract, sale=SaleTerms(locked_until=agreed)),
        ),
    )
    free_on = dt.datetime.combine(add_months(today, 6), dt.time(), tzinfo=dt.UTC)
    # Rule 144 keeps restricted shares for six months; those of a foreign issuer that were sold abroad are none.
    assert {entry.wallet: entry.sale.locked_until for entry in report.accepted} == {american: free_on, german: None, by_contract: agreed}
    assert len(report.instructions) == 3
    with scene.begin() as unit:
        lockups = unit.register.lockups(scene.security_id)
        assert {wallet: [(each.shares, each.unlocks_at) for each in found] for wallet, found in lockups.items()} == {
            american: [(100, int(free_on.timestamp()))],
            by_contract: [(50, int(agreed.timestamp()))],
        }
        token = unit.securities.get(scene.security_id)
        assert isinstance(token, TokenisedSecurity)
        # The token itself says no, whoever asks it.
        for wallet, shares, code in ((american, 1, "compliance.lockup_active"), (german, 70, None)):
            said, _ = unit.compliance_chain.check_transfer(token=token.token_address, sender=wallet, receiver=german, shares=shares)
            assert said == code
    with scene.begin() as unit:
        again = [unit.instructions.get(each.instruction_id).instruction.legs[0].sale.locked_until for each in report.instructions]
    assert sorted(filter(None, again)) == sorted([free_on, agreed])


def test_a_lockup_that_cannot_be_refuses_its_own_allotment(scene: Scene, wallets: list[Address]) -> None:
    with scene.begin() as unit:
        now = unit.clock.now()
        over, broken = (
            SaleTerms(locked_until=each) for each in (now - dt.timedelta(days=1), now.replace(microsecond=5) + dt.timedelta(days=1))
        )
        allotments = [Allotment(1, wallet=wallet, sale=sale) for wallet, sale in zip(wallets, (over, broken, UNSTATED), strict=True)]
        report = preview_issue(scene.owner, request_of(scene, *allotments), unit=unit)
    assert [[reason.code for reason in entry.decision.reasons] for entry in report.refused] == [["settlement.lockup_over"]] * 2
    assert [entry.wallet for entry in report.accepted] == wallets[2:]


def test_a_seventeenth_lockup_of_a_wallet_is_refused_before_anything_is_signed(scene_stage: SceneStage) -> None:
    scene = Scene(scene_stage)
    ((_, wallet),) = scene.holders(1)
    with scene.begin() as unit:
        first = unit.clock.now().replace(microsecond=0) + dt.timedelta(days=30)
    for day in range(16):
        issued(scene, request_of(scene, Allotment(1, wallet=wallet, sale=SaleTerms(locked_until=first + dt.timedelta(days=day)))))
    with scene.begin() as unit:
        one_more = request_of(scene, Allotment(1, wallet=wallet, sale=SaleTerms(locked_until=first + dt.timedelta(days=40))))
        assert [entry.decision.reasons[0].code for entry in preview_issue(scene.owner, one_more, unit=unit).refused] == [
            "settlement.too_many_lockups"
        ]
    issued(scene, request_of(scene, Allotment(1, wallet=wallet, sale=SaleTerms(locked_until=first))))
