# SPDX-License-Identifier: Apache-2.0
"""The law asked by the product: packs chosen for a security, investors by their claims, lots by the register, the Howey record."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from muniment.access.errors import NotPermitted
from muniment.access.model import Actor, Role
from muniment.compliance.commands import (
    AssessAsset,
    ChooseLaw,
    SetRules,
    ask_what_if,
    assess_asset,
    bring_law_to_chain,
    choose_law,
    law_off_chain,
    set_rules,
    sign_assessment,
    view_assessments,
    view_law,
)
from muniment.compliance.errors import (
    AnswersInvalid,
    AssessmentNotFound,
    AssessmentSigned,
    CaseInvalid,
    OwnAssessment,
    PackNotOffered,
    RuleDisabled,
    RulesInThePast,
    RulesInvalid,
)
from muniment.compliance.model.decision import decide
from muniment.compliance.model.facts import Move, TokenFacts, WalletFacts
from muniment.compliance.model.law.choices import LawChoice
from muniment.compliance.model.law.on_chain import joined
from muniment.compliance.model.rules import CountryAllowed, CountryBlocked, HolderCap, MaximumBalancePerInvestor, Rule, RuleSet
from muniment.parties.model import Claim, ClaimTopic, numeric_country
from muniment.units.decisions import Allowed, Decision, Refused
from muniment.units.errors import MunimentError
from muniment.units.ids import Address, AssetId, InvestorId, TenantId, new_id
from tests.access.unit import an_actor
from tests.compliance.market import Market, codes
from tests.instruments.stage import Stage

BOTH = ("us.regd.506c", "us.regs.category3")


@pytest.fixture
def market(stage: Stage, issuer: tuple[TenantId, Actor]) -> Market:
    made = Market(stage, issuer)
    made.open()
    return made


def choose(market: Market, *packs: str, **terms: object) -> LawChoice:
    with market.units() as unit:
        asked = ChooseLaw(market.security_id, packs, {"price": "10.00", **terms}, {})
        return choose_law(market.owner, asked, unit=unit)


def claim(
    market: Market, investor_id: InvestorId, topic: ClaimTopic, *, basis: str = "professional_letter", value: str | None = None
) -> None:
    """Keep a claim as if two officers had agreed on it."""
    with market.units() as unit:
        now = unit.clock.now()
        unit.claims.add(
            [
                Claim(
                    claim_id=new_id(now),
                    tenant_id=market.tenant_id,
                    investor_id=investor_id,
                    topic=topic,
                    issuer="A law firm",
                    evidence_sha256=bytes(32),
                    issued_at=now,
                    expires_at=now + dt.timedelta(days=90),
                    basis=basis,
                    value=value,
                )
            ]
        )


def rules_of(decision: Decision) -> list[str | None]:
    return [reason.rule for reason in decision.reasons] if isinstance(decision, Refused) else []


def test_without_packs_only_the_chain_is_asked(market: Market) -> None:
    investor_id, wallet = market.an_investor("US")
    market.registered(investor_id)
    assert codes(market.check(None, wallet, 100)) == []


def test_an_unverified_american_is_refused_with_the_law_and_after_the_cure_buys(market: Market) -> None:
    investor_id, wallet = market.an_investor("US")
    market.registered(investor_id)
    choose(market, *BOTH)
    refused = market.check(None, wallet, 100)
    assert codes(refused) == ["compliance.not_accredited", "compliance.accreditation_not_verified"]
    assert rules_of(refused) == ["us.regd.506c"] * 2
    claim(market, investor_id, ClaimTopic.ACCREDITATION, basis="self_certified")
    assert codes(market.check(None, wallet, 100)) == ["compliance.accreditation_not_verified"]
    claim(market, investor_id, ClaimTopic.ACCREDITATION)
    assert codes(market.check(None, wallet, 100)) == []


def test_a_foreigner_buys_under_regulation_s_unless_claimed_to_be_a_us_person(market: Market) -> None:
    investor_id, wallet = market.an_investor("DE")
    market.registered(investor_id)
    choose(market, *BOTH)
    assert codes(market.check(None, wallet, 100)) == []
    claim(market, investor_id, ClaimTopic.US_PERSON, basis="document", value="yes")
    assert "compliance.not_accredited" in codes(market.check(None, wallet, 100))


def test_shares_issued_today_are_held_for_a_year_and_do_not_flow_back(market: Market) -> None:
    german_id, german = market.an_investor("DE")
    american_id, american = market.an_investor("US")
    market.registered(german_id, american_id)
    market.act("mint", german, 500)
    with market.units() as unit:
        today = unit.clock.now().date()
    choose(market, *BOTH, closed_on=today.isoformat())
    refused = market.check(german, american, 100)
    assert codes(refused) == ["compliance.holding_period", "compliance.flowback"]
    assert isinstance(refused, Refused)
    assert refused.reasons[0].facts["held_since"] == today.isoformat()
    # Nothing moves between strangers abroad but the lot.
    french_id, french = market.an_investor("FR")
    market.registered(french_id)
    assert codes(market.check(german, french, 100)) == []


def test_what_the_chain_says_already_is_not_said_twice(market: Market) -> None:
    german_id, german = market.an_investor("DE")
    _, stranger = market.an_investor("DE")
    market.registered(german_id)
    choose(market, "us.regs.category1")
    assert codes(market.check(german, stranger, 100)) == ["settlement.insufficient_balance", "compliance.receiver_not_verified"]


def test_packs_are_kept_by_version_and_bad_ones_change_nothing(market: Market) -> None:
    first = choose(market, *BOTH)
    bad: list[tuple[type[MunimentError], ChooseLaw]] = [
        (RuleDisabled, ChooseLaw(market.security_id, ("us.clarity",), {}, {})),
        (CaseInvalid, ChooseLaw(market.security_id, (), {"colour": "red"}, {})),
        (CaseInvalid, ChooseLaw(market.security_id, (), {"outstanding": "7"}, {})),
        (CaseInvalid, ChooseLaw(market.security_id, (), {}, {"us.none": {"x": "y"}})),
        (RulesInThePast, ChooseLaw(market.security_id, (), {}, {}, dt.datetime(2020, 1, 1, tzinfo=dt.UTC))),
    ]
    for refusal, request in bad:
        with pytest.raises(refusal), market.units() as unit:
            choose_law(market.owner, request, unit=unit)
    second = choose(market, "us.regs.category2")
    with market.units() as unit:
        assert view_law(market.owner, market.security_id, unit=unit) == [first, second]
        later = unit.clock.now() + dt.timedelta(days=3)
        choose_law(market.owner, ChooseLaw(market.security_id, (), {}, {}, later), unit=unit)
    with market.units() as unit:
        assert unit.law_choices.in_effect(market.security_id, unit.clock.now()) == second
        assert unit.law_choices.in_effect(market.security_id, later) != second


def test_what_if_tells_who_would_break_packs_that_are_only_thought_of(market: Market) -> None:
    american_id, american = market.an_investor("US")
    german_id, german = market.an_investor("DE")
    market.registered(american_id, german_id)
    market.act("mint", american, 100)
    market.act("mint", german, 100)
    with market.units() as unit:
        outcome = ask_what_if(market.owner, market.security_id, packs=["us.regd.506c", "us.regs"], on=None, unit=unit)
        assert [holder.investor_id for holder in outcome.breaking] == [str(american_id)]
        assert outcome.holders == 2
        nothing = ask_what_if(market.owner, market.security_id, packs=None, on=None, unit=unit)
        assert (nothing.breaking, nothing.register_reasons) == ((), ())


def asset_of(market: Market) -> AssetId:
    with market.units() as unit:
        return unit.assets.get(unit.securities.get(market.security_id).terms.asset_record_id).asset_id


def assess(market: Market, actor: Actor, **answers: str) -> int:
    with market.units() as unit:
        asked = AssessAsset(asset_of(market), answers, dict.fromkeys(answers, "the prospectus, page 3"), "integrated_register")
        return assess_asset(actor, asked, unit=unit).version


def test_an_assessment_is_signed_by_somebody_else_once_and_decides_which_packs_are_offered(market: Market) -> None:
    asset_id = asset_of(market)
    reviewer = an_actor(market.tenant_id, Role.COMPLIANCE_OFFICER)
    assert assess(market, market.owner, M="y", C="y", P="n", E="n") == 1
    choose(market, *BOTH)  # a draft decides nothing
    with pytest.raises(OwnAssessment), market.units() as unit:
        sign_assessment(market.owner, asset_id, 1, unit=unit)
    with pytest.raises(AssessmentNotFound), market.units() as unit:
        sign_assessment(reviewer, asset_id, 2, unit=unit)
    with market.units() as unit:
        signed = sign_assessment(reviewer, asset_id, 1, unit=unit)
    assert (signed.assessment.outcome, signed.signed_by) == ("not_investment_contract", reviewer.user_id)
    with pytest.raises(AssessmentSigned), market.units() as unit:
        sign_assessment(reviewer, asset_id, 1, unit=unit)
    with pytest.raises(PackNotOffered):
        choose(market, *BOTH)
    assert assess(market, market.owner, M="y", C="y", P="y", E="y") == 2
    with market.units() as unit:
        sign_assessment(reviewer, asset_id, 2, unit=unit)
    choose(market, *BOTH)
    with market.units() as unit:
        assert [record.is_signed for record in view_assessments(market.owner, asset_id, unit=unit)] == [True, True]


def test_a_signed_record_does_not_change(market: Market) -> None:
    reviewer = an_actor(market.tenant_id, Role.COMPLIANCE_OFFICER)
    assess(market, market.owner, M="y")
    with market.units() as unit:
        sign_assessment(reviewer, asset_of(market), 1, unit=unit)
        unit.howey_records.sign(asset_of(market), 1, by=market.owner.user_id, at=unit.clock.now())
    with market.units() as unit:
        assert unit.howey_records.all(asset_of(market))[0].signed_by == reviewer.user_id
    with pytest.raises(sa.exc.IntegrityError), market.units() as unit:
        unit.connection.execute(sa.text("UPDATE compliance.howey_record SET signed_by = drafted_by"))


@pytest.mark.parametrize(
    ("answers", "evidence", "model"),
    [
        ({}, {}, "integrated_register"),
        ({"M": "y"}, {"C": "x"}, "integrated_register"),
        ({"M": "y"}, {"M": ""}, "integrated_register"),
        ({"M": "y"}, {"M": "x" * 2001}, "integrated_register"),
        ({"M": "y"}, {}, "a model"),
        ({"M": "perhaps"}, {}, "integrated_register"),
    ],
)
def test_a_bad_assessment_is_refused(market: Market, answers: dict[str, str], evidence: dict[str, str], model: str) -> None:
    with pytest.raises(AnswersInvalid), market.units() as unit:
        assess_asset(market.owner, AssessAsset(asset_of(market), answers, evidence, model), unit=unit)


def test_only_officers_choose_and_sign(market: Market) -> None:
    agent = an_actor(market.tenant_id, Role.TRANSFER_AGENT)
    assert assess(market, agent, M="y") == 1
    with pytest.raises(NotPermitted), market.units() as unit:
        sign_assessment(agent, asset_of(market), 1, unit=unit)
    with pytest.raises(NotPermitted), market.units() as unit:
        choose_law(agent, ChooseLaw(market.security_id, (), {}, {}), unit=unit)


def cap_of(rule_set: RuleSet) -> list[tuple[int, str]]:
    return [(rule.holders, rule.rule_id) for rule in rule_set.enforced if isinstance(rule, HolderCap)]


def test_what_the_chain_can_enforce_of_the_packs_is_brought_to_it(market: Market) -> None:
    with market.units() as unit:
        assert law_off_chain(market.security_id, unit=unit) is None
    cap, maximum = HolderCap("issuer.holder_cap", "Articles", 5_000), MaximumBalancePerInvestor("issuer.maximum_balance", "Articles", 900)
    market.set_rules(cap, maximum)
    choose(market, "us.3c1", "us.12g", "us.regs.category3")
    with market.units() as unit:
        brought = bring_law_to_chain(market.owner, market.security_id, unit=unit)
        assert brought is not None
        assert (brought.rules, cap_of(brought)) == ((cap, maximum), [(100, "us.3c1")])
        blocked = [rule for rule in brought.enforced if isinstance(rule, CountryBlocked)]
        assert {"US", "PR"} <= set(blocked[0].countries)
        assert maximum in brought.enforced
        assert bring_law_to_chain(market.owner, market.security_id, unit=unit) is None
    # Other packs take back what they no longer want.
    choose(market, "us.regd.506c", "us.regs.category3")
    with market.units() as unit:
        back = bring_law_to_chain(market.owner, market.security_id, unit=unit)
        assert back is not None
        assert (cap_of(back), [rule for rule in back.enforced if isinstance(rule, CountryBlocked)]) == ([(1999, "us.12g")], [])
    # Without any the issuer's own looser cap counts again.
    choose(market)
    with market.units() as unit:
        alone = bring_law_to_chain(market.owner, market.security_id, unit=unit)
        assert alone is not None
        assert (alone.enforced, alone.by_law) == ((cap, maximum), ())


def test_rules_that_the_issuer_sets_later_stand_beside_the_laws(market: Market) -> None:
    choose(market, "us.3c1")
    with market.units() as unit:
        bring_law_to_chain(market.owner, market.security_id, unit=unit)
    for holders, expected in ((40, (40, "issuer.holder_cap")), (400, (100, "us.3c1"))):
        market.set_rules(HolderCap("issuer.holder_cap", "Articles", holders))
        with market.units() as unit:
            found = unit.rule_sets.in_effect(market.security_id, unit.clock.now())
            assert found is not None
            assert cap_of(found) == [expected]
            assert law_off_chain(market.security_id, unit=unit) is None


def test_the_law_leaves_the_chain_on_the_day_on_which_it_ends(market: Market) -> None:
    cap, later = HolderCap("issuer.holder_cap", "Articles", 50), HolderCap("issuer.holder_cap", "Articles", 60)
    market.set_rules(cap)
    with market.units() as unit:
        now = unit.clock.now()
        soon = now + dt.timedelta(days=10)
        set_rules(market.owner, SetRules(market.security_id, (later,), soon), unit=unit)
    closed_on = now.date()
    choose(market, "us.regs.category2", closed_on=closed_on.isoformat())
    ends_at = dt.datetime.combine(closed_on + dt.timedelta(days=41), dt.time(), tzinfo=dt.UTC)
    with market.units() as unit:
        bring_law_to_chain(market.owner, market.security_id, unit=unit)
        for at, holders, is_blocked in (
            (now, 50, True),
            (soon - dt.timedelta(seconds=1), 50, True),
            (soon, 60, True),
            (ends_at - dt.timedelta(seconds=1), 60, True),
            (ends_at, 60, False),
        ):
            found = unit.rule_sets.in_effect(market.security_id, at)
            assert found is not None
            assert [number for number, _ in cap_of(found)] == [holders], at
            assert any(isinstance(rule, CountryBlocked) for rule in found.enforced) is is_blocked, at
    # New rules of the issuer, set meanwhile, do not carry the block beyond its end.
    market.set_rules(cap)
    with market.units() as unit:
        for at, is_blocked in ((now + dt.timedelta(days=1), True), (ends_at, False)):
            found = unit.rule_sets.in_effect(market.security_id, at)
            assert found is not None
            assert ([number for number, _ in cap_of(found)], bool(found.by_law)) == ([50], is_blocked), at


def test_a_closing_that_is_put_off_is_brought_to_the_chain_again(market: Market) -> None:
    with market.units() as unit:
        today = unit.clock.now().date()
    for closed_on in (today, today + dt.timedelta(days=9)):
        choose(market, "us.regs.category2", closed_on=closed_on.isoformat())
        ends_at = dt.datetime.combine(closed_on + dt.timedelta(days=41), dt.time(), tzinfo=dt.UTC)
        with market.units() as unit:
            assert law_off_chain(market.security_id, unit=unit) is not None
            bring_law_to_chain(market.owner, market.security_id, unit=unit)
            assert law_off_chain(market.security_id, unit=unit) is None
            for at, is_blocked in ((ends_at - dt.timedelta(seconds=1), True), (ends_at, False)):
                found = unit.rule_sets.in_effect(market.security_id, at)
                assert found is not None
                assert bool(found.by_law) is is_blocked, at


def test_packs_that_leave_no_country_are_not_brought_to_the_chain(market: Market) -> None:
    market.set_rules(CountryAllowed("issuer.countries_allowed", "Articles", ("US", "PR")))
    choose(market, "us.regs.category3")
    with pytest.raises(RulesInvalid) as refusal, market.units() as unit:
        bring_law_to_chain(market.owner, market.security_id, unit=unit)
    assert "none of the countries" in str(refusal.value)


@pytest.mark.parametrize(
    ("own", "by_law", "expected"),
    [
        ((HolderCap("issuer.cap", "x", 50),), (HolderCap("us.3c1", "y", 100),), (HolderCap("issuer.cap", "x", 50),)),
        ((HolderCap("issuer.cap", "x", 150),), (HolderCap("us.3c1", "y", 100),), (HolderCap("us.3c1", "y", 100),)),
        ((CountryAllowed("a", "x", ("DE", "US")),), (CountryBlocked("us.regs", "y", ("US",)),), (CountryAllowed("a", "x; y", ("DE",)),)),
        ((CountryAllowed("a", "x", ("DE",)),), (CountryBlocked("us.regs", "y", ("US",)),), (CountryAllowed("a", "x", ("DE",)),)),
        ((CountryBlocked("a", "x", ("CU",)),), (CountryBlocked("us.regs", "y", ("US",)),), (CountryBlocked("a", "x; y", ("CU", "US")),)),
        ((HolderCap("us.12g", "y", 1999),), (), (HolderCap("us.12g", "y", 1999),)),
    ],
)
def test_of_two_limits_the_stricter_counts(own: tuple[Rule, ...], by_law: tuple[Rule, ...], expected: tuple[Rule, ...]) -> None:
    assert joined(own, by_law) == expected


COUNTRIES = ("US", "PR", "DE", "FR")
some_countries = st.lists(st.sampled_from(COUNTRIES), min_size=1, unique=True).map(tuple)
own_rules = st.tuples(
    st.one_of(
        st.just(()),
        some_countries.map(lambda found: (CountryAllowed("issuer.allowed", "x", found),)),
        some_countries.map(lambda found: (CountryBlocked("issuer.blocked", "x", found),)),
    ),
    st.one_of(st.just(()), st.integers(1, 6).map(lambda holders: (HolderCap("issuer.cap", "x", holders),))),
).map(lambda parts: (*parts[0], *parts[1]))
laws_rules = st.tuples(
    st.one_of(st.just(()), some_countries.map(lambda found: (CountryBlocked("us.regs", "y", found),))),
    st.one_of(st.just(()), st.integers(1, 6).map(lambda holders: (HolderCap("us.3c1", "y", holders),))),
).map(lambda parts: (*parts[0], *parts[1]))


@given(own=own_rules, by_law=laws_rules, country=st.sampled_from(COUNTRIES), holders=st.integers(0, 7), held=st.integers(0, 1))
def test_joined_rules_refuse_what_either_refuses_and_nothing_else(
    own: tuple[Rule, ...], by_law: tuple[Rule, ...], country: str, holders: int, held: int
) -> None:
    receiver = WalletFacts(
        Address("0x" + "1" * 40),
        balance=held,
        identity=Address("0x" + "2" * 40),
        is_registered=True,
        country=numeric_country(country),
        verified_until=2**40 - 1,
    )
    move, token = Move(None, receiver, 1), TokenFacts(is_paused=False, supply=10, holders=holders, decimals=0)

    def allows(rules: tuple[Rule, ...]) -> bool:
        return isinstance(decide(move, token, rules, at=dt.datetime(2026, 11, 2, tzinfo=dt.UTC)), Allowed)

    assert allows(joined(own, by_law)) == (allows(own) and allows(by_law))
