# SPDX-License-Identifier: Apache-2.0
"""Rules, registrations, checks and freezes on a real node: what the database says and what the chain enforces are the same."""

from __future__ import annotations

import datetime as dt

import pytest

from muniment.access.errors import NotFound, NotPermitted
from muniment.access.model import Actor, Role
from muniment.compliance.commands import (
    OrderFreeze,
    SetRules,
    ask_transfer,
    find_rules_drift,
    freeze,
    set_rules,
    unfreeze,
    view_rules,
)
from muniment.compliance.commands import (
    open_security as order_opening,
)
from muniment.compliance.errors import FreezeInvalid, RulesInThePast, RulesInvalid, RulesNotSet
from muniment.compliance.model.rules import CountryAllowed, CountryBlocked, HolderCap, MaximumBalancePerInvestor, Rule, SupplyCap
from muniment.compliance.ports import Freeze, RegistrationState
from muniment.compliance.process import (
    apply_rules,
    end_investor,
    invalidate_investor,
    register_investors,
    settle_freeze,
    want_investor,
)
from muniment.infra.evm import contract_artifacts
from muniment.infra.jobs import Done
from muniment.instruments.model.securities import OpenSecurity
from muniment.parties.commands import add_wallet, clear_hit, decide_review, import_sanctions, reverify_investor
from muniment.parties.model import Verified
from muniment.parties.process import screen_investors
from muniment.units.decisions import Allowed, Refused
from muniment.units.ids import Address, TenantId
from tests.access.unit import an_actor
from tests.compliance.market import Market, codes
from tests.infra.rig import an_address
from tests.instruments.stage import Stage

MAXIMUM = MaximumBalancePerInvestor("charter.maximum", "Articles, section 7", 1_000)
NOT_THE_US = CountryBlocked("charter.us", "Regulation S, 17 CFR 230.903", ("US",))


@pytest.fixture
def market(stage: Stage, issuer: tuple[TenantId, Actor]) -> Market:
    return Market(stage, issuer)


def test_a_security_opens_with_its_rules_on_the_chain(market: Market) -> None:
    market.open(
        MAXIMUM, NOT_THE_US, SupplyCap("charter.supply", "Articles, section 3", 10_000), HolderCap("law.holders", "Section 12(g)", 2_000)
    )
    with market.units() as unit:
        assert isinstance(unit.securities.get(market.security_id), OpenSecurity)
        assert not unit.compliance_chain.is_paused(market.token)
        assert find_rules_drift(market.security_id, unit=unit) is None
        (rule_set,) = view_rules(market.owner, market.security_id, unit=unit)
        assert rule_set.applied_at is not None
        assert "compliance.security_opened" in unit.events()


def test_rules_set_behind_our_back_are_found(market: Market) -> None:
    market.open(MAXIMUM, NOT_THE_US)
    with market.units() as unit:
        unit.transactions.submit(
            tenant_id=market.tenant_id,
            sender=market.suite.operator,
            to=market.suite.contract("joint_compliance"),
            data=contract_artifacts.load("joint_compliance").encode_call("set_rules", market.token, 999, 0, 0),
            purpose="test:drift",
            gas_limit=300_000,
        )
    market.stage.step()
    with market.units() as unit:
        drift = find_rules_drift(market.security_id, unit=unit)
    assert drift is not None and drift.found.maximum_balance == 999 and drift.expected.maximum_balance == 1_000
    assert drift.found.countries == drift.expected.countries == (840,)


def test_a_new_version_replaces_the_rules_whole(market: Market) -> None:
    market.open(MAXIMUM, NOT_THE_US)
    market.set_rules(CountryAllowed("charter.gb", "Articles, section 8", ("GB", "FR")))
    market.stage.run(lambda: apply_rules(market.security_id, units=market.units))
    with market.units() as unit:
        first, second = view_rules(market.owner, market.security_id, unit=unit)
        assert (first.version, second.version) == (1, 2) and second.applied_at is not None
        assert find_rules_drift(market.security_id, unit=unit) is None


def test_rules_of_tomorrow_do_not_count_today(market: Market) -> None:
    market.open()
    investor_id, wallet = market.an_investor("US")
    market.registered(investor_id)
    tomorrow = market.stage.clock.now() + dt.timedelta(days=1)
    with market.units() as unit:
        set_rules(market.owner, SetRules(market.security_id, (NOT_THE_US,), tomorrow), unit=unit)
    assert market.check(None, wallet, 5) == Allowed()
    with market.units() as unit:
        later = unit.rule_sets.in_effect(market.security_id, tomorrow)
    assert later is not None and later.rules == (NOT_THE_US,)


def test_a_security_without_rules_does_not_open(market: Market) -> None:
    with market.units() as unit, pytest.raises(RulesNotSet):
        order_opening(market.owner, market.security_id, unit=unit)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ((NOT_THE_US, CountryAllowed("a", "b", ("GB",))), "rules"),
        ((MAXIMUM, MAXIMUM), "rules[1].kind"),
        ((CountryBlocked("a", "b", ("XX",)),), "rules[0].countries[0]"),
        ((MaximumBalancePerInvestor("a", "b", 0),), "rules[0].shares"),
        ((SupplyCap("a", "b", 2**96),), "rules[0].shares"),
        ((HolderCap("A rule", "b", 5),), "rules[0].rule_id"),
        ((HolderCap("a", "", 5),), "rules[0].citation"),
        ((MaximumBalancePerInvestor("a", "b", 2**96),), "rules[0].shares"),
    ],
)
def test_rules_that_cannot_be_are_refused_with_their_place(market_without_chain: Market, rules: tuple[Rule, ...], field: str) -> None:
    market = market_without_chain
    with market.units() as unit, pytest.raises(RulesInvalid) as refused:
        set_rules(market.owner, SetRules(market.security_id, rules), unit=unit)
    assert refused.value.place is not None and refused.value.place.field == field
    with market.units() as unit:
        assert unit.rule_sets.all(market.security_id) == []


@pytest.fixture(scope="module")
def market_without_chain(stage: Stage) -> Market:
    """A market that these tests only read from."""
    return Market(stage, stage.a_tenant())


def test_rules_do_not_take_effect_in_the_past(market_without_chain: Market) -> None:
    market = market_without_chain
    yesterday = market.stage.clock.now() - dt.timedelta(days=1)
    with market.units() as unit, pytest.raises(RulesInThePast):
        set_rules(market.owner, SetRules(market.security_id, (), yesterday), unit=unit)


def test_verified_investors_are_registered_in_one_transaction(market: Market) -> None:
    investors = [market.an_investor() for _ in range(7)]
    market.registered(*[investor_id for investor_id, _ in investors])
    with market.units() as unit:
        states = {unit.identities.of_investor(investor_id)[0].state for investor_id, _ in investors}
        chain = [unit.identities.on_chain(wallet) for _, wallet in investors]
    assert states == {RegistrationState.REGISTERED}
    assert all(each is not None and each.is_registered and each.country == 826 for each in chain)
    sent = "SELECT count(*) AS n FROM infra.chain_transaction WHERE tenant_id = :t AND purpose LIKE 'compliance.register:%'"
    assert market.stage.rows(sent, t=market.tenant_id)[0].n == 1


def test_registering_again_sends_nothing(market: Market) -> None:
    investor_id, _ = market.an_investor()
    market.registered(investor_id)
    want_investor(investor_id, units=market.units)
    assert register_investors(units=market.units) == Done()


def test_a_second_wallet_counts_for_the_same_investor(market: Market) -> None:
    market.open(MAXIMUM)
    investor_id, first = market.an_investor()
    second = an_address(int.from_bytes(investor_id.bytes[:8], "big"))
    with market.units() as unit:
        add_wallet(market.owner, investor_id, second, unit=unit)
    market.registered(investor_id)
    market.act("mint", first, 900)
    assert market.check(None, second, 100) == Allowed() and market.chain_code(None, second, 100) is None
    refused = market.check(None, second, 101)
    assert codes(refused) == ["compliance.maximum_balance"] and market.chain_code(None, second, 101) == "compliance.maximum_balance"
    assert (
        isinstance(refused, Refused)
        and refused.reasons[0].facts["balance"] == "900"
        and refused.reasons[0].citation == "Articles, section 7"
    )
    assert market.check(first, second, 900) == Allowed() and market.chain_code(first, second, 900) is None


def test_a_country_that_changed_at_a_re_verification_reaches_the_registry(market: Market) -> None:
    market.open(NOT_THE_US)
    investor_id, wallet = market.an_investor("GB")
    market.registered(investor_id)
    assert market.chain_code(None, wallet, 1) is None
    with market.units() as unit:
        reverify_investor(market.owner, investor_id, {"country": "US"}, unit=unit)
    market.registered(investor_id)
    with market.units() as unit:
        known, registration = unit.identities.on_chain(wallet), unit.identities.of_investor(investor_id)[0]
        standing = unit.investors.get(investor_id).standing
    assert isinstance(standing, Verified) and known is not None
    assert (known.country, known.is_registered, known.verified_until) == (840, True, int(standing.until.timestamp()))
    assert (registration.country, registration.state) == (840, RegistrationState.REGISTERED)
    assert codes(market.check(None, wallet, 1)) == ["compliance.country_blocked"]
    assert market.chain_code(None, wallet, 1) == "compliance.country_blocked"
    want_investor(investor_id, units=market.units)
    assert register_investors(units=market.units) == Done(), "once it is there nothing more is sent"


def test_a_suspended_investor_receives_nothing_until_the_decision_and_then_again(market: Market) -> None:
    market.open()
    investor_id, wallet = market.an_investor(name="Igor Invented")
    market.registered(investor_id)
    with market.units() as unit:
        raw = b"entry_id,name\n7,Igor Invented\n"
        import_sanctions(market.owner, raw, source="own", file_name="list.csv", unit=unit)
    screen_investors(units=market.units)
    end_investor(investor_id, units=market.units)
    market.stage.run(lambda: invalidate_investor(investor_id, units=market.units))
    assert market.chain_code(None, wallet, 1) == "compliance.receiver_not_verified"
    officers = [an_actor(market.tenant_id, Role.COMPLIANCE_OFFICER) for _ in range(2)]
    with market.units() as unit:
        (hit,) = unit.sanctions.hits_of(investor_id)
        clear_hit(officers[0], hit.hit_id, "somebody else", unit=unit)
        decide_review(officers[1], investor_id, accepted=True, unit=unit)
    market.registered(investor_id)
    assert market.check(None, wallet, 1) == Allowed() and market.chain_code(None, wallet, 1) is None


def test_an_investor_whose_verification_ended_receives_nothing_more(market: Market) -> None:
    market.open()
    investor_id, wallet = market.an_investor()
    market.registered(investor_id)
    assert market.check(None, wallet, 1) == Allowed()
    market.stage.clock.advance(dt.timedelta(days=4_000))
    try:
        end_investor(investor_id, units=market.units)
        market.stage.run(lambda: invalidate_investor(investor_id, units=market.units))
    finally:
        market.stage.clock = type(market.stage.clock)(market.stage.clock.now() - dt.timedelta(days=4_000))
    assert codes(market.check(None, wallet, 1)) == ["compliance.receiver_not_verified"]
    assert market.chain_code(None, wallet, 1) == "compliance.receiver_not_verified"
    with market.units() as unit:
        assert unit.identities.of_investor(investor_id)[0].state is RegistrationState.INVALID


def test_every_reason_is_told_the_chains_first(market: Market) -> None:
    market.set_rules(MAXIMUM, NOT_THE_US)
    market.stage.run(lambda: apply_rules(market.security_id, units=market.units))
    (seller_id, seller), (american_id, american) = market.an_investor(), market.an_investor("US")
    market.registered(seller_id, american_id)
    market.act("mint", seller, 1_000)
    market.act("freezePartialTokens", seller, 300)
    answer = market.check(seller, american, 1_500)
    assert codes(answer) == [
        "settlement.paused",
        "settlement.insufficient_balance",
        "compliance.country_blocked",
        "compliance.maximum_balance",
    ]
    assert market.chain_code(seller, american, 1_500) == "settlement.paused"
    assert isinstance(answer, Refused)
    assert answer.reasons[1].facts == {"shares": "1500", "balance": "1000", "frozen": "300", "free": "700"}
    assert answer.reasons[2].rule == "charter.us" and answer.reasons[2].citation == "Regulation S, 17 CFR 230.903"
    assert all(reason.cure for reason in answer.reasons)


def test_a_freeze_binds_on_the_chain_and_is_lifted_again(market: Market) -> None:
    market.open()
    (holder_id, holder), (other_id, other) = market.an_investor(), market.an_investor()
    market.registered(holder_id, other_id)
    market.act("mint", holder, 50)

    def settle(order: Freeze) -> None:
        market.stage.run(lambda: settle_freeze(order.freeze_id, units=market.units))

    with market.units() as unit:
        order = freeze(market.owner, OrderFreeze(market.security_id, holder, "Court order 1 of 2026"), unit=unit)
    settle(order)
    assert codes(market.check(holder, other, 5)) == ["settlement.sender_frozen"]
    assert codes(market.check(other, holder, 0)) == ["settlement.receiver_frozen"]
    assert market.chain_code(holder, other, 5) == "settlement.sender_frozen"
    with market.units() as unit:
        order = unfreeze(market.owner, OrderFreeze(market.security_id, holder, "Order lifted"), unit=unit)
    settle(order)
    assert market.check(holder, other, 5) == Allowed() and market.chain_code(holder, other, 5) is None

    with market.units() as unit:
        order = freeze(market.owner, OrderFreeze(market.security_id, holder, "Pledged", 40), unit=unit)
    settle(order)
    assert codes(market.check(holder, other, 11)) == ["settlement.insufficient_balance"]
    assert market.chain_code(holder, other, 11) == "settlement.insufficient_balance" and market.chain_code(holder, other, 10) is None
    with market.units() as unit:
        with pytest.raises(FreezeInvalid) as refused:
            freeze(market.owner, OrderFreeze(market.security_id, holder, "More than is free", 11), unit=unit)
        assert refused.value.place is not None and refused.value.place.field == "shares"
        assert [each.state for each in unit.freezes.of_security(market.security_id)] == ["done", "done", "done"]


def test_a_lost_wallet_stays_its_investors_until_it_is_forgotten(market: Market) -> None:
    market.open(MAXIMUM)
    investor_id, lost = market.an_investor()
    market.registered(investor_id)
    market.act("mint", lost, 800)
    replacement = an_address(int.from_bytes(investor_id.bytes[8:], "big"))
    market.act("recoveryAddress", lost, replacement, lost)
    with market.units() as unit:
        was, now = unit.identities.on_chain(lost), unit.identities.on_chain(replacement)
        assert was is not None and not was.is_registered and was.identity == lost
        assert now is not None and now.is_registered and now.identity == lost and now.country == 826
    assert codes(market.check(None, lost, 1)) == ["compliance.receiver_not_verified"]
    assert market.chain_code(None, lost, 1) == "compliance.receiver_not_verified"
    assert codes(market.check(None, replacement, 201)) == ["compliance.maximum_balance"]
    assert market.chain_code(None, replacement, 201) == "compliance.maximum_balance" and market.check(None, replacement, 200) == Allowed()


def test_another_issuers_security_does_not_exist(market_without_chain: Market) -> None:
    market = market_without_chain
    foreign, stranger = market.stage.a_tenant()
    with market.stage.begin(foreign) as unit:
        with pytest.raises(NotFound):
            set_rules(market.owner, SetRules(market.security_id, ()), unit=unit)
        with pytest.raises(Exception, match="no security"):
            view_rules(stranger, market.security_id, unit=unit)
        assert unit.rule_sets.all(market.security_id) == []


def test_an_investor_asks_nothing_and_an_auditor_freezes_nothing(market_without_chain: Market) -> None:
    market = market_without_chain
    with market.units() as unit:
        with pytest.raises(NotPermitted):
            ask_transfer(
                an_actor(market.tenant_id, Role.INVESTOR),
                market.security_id,
                from_wallet=None,
                to_wallet=an_address(9),
                shares=1,
                unit=unit,
            )
        with pytest.raises(NotPermitted):
            freeze(an_actor(market.tenant_id, Role.AUDITOR), OrderFreeze(market.security_id, an_address(9), "why"), unit=unit)


def test_a_re_organisation_takes_registrations_back(market: Market) -> None:
    investor_id, wallet = market.an_investor()
    snapshot = market.stage.rpc.call("evm_snapshot")
    before = market.stage.evm.block_number()
    market.registered(investor_id)
    with market.units() as unit:
        assert unit.identities.on_chain(wallet) is not None
    market.stage.rpc.call("evm_revert", [snapshot])
    while market.stage.evm.block_number() < before + 20:
        market.stage.rpc.call("evm_mine")
    market.stage.follower.catch_up()
    with market.units() as unit:
        assert unit.identities.on_chain(wallet) is None
    assert Address(wallet)
