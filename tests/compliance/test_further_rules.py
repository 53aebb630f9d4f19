# SPDX-License-Identifier: Apache-2.0
"""Further rules on a real node: created, sent step by step, read back, drifted from, lifted; what they refuse is told with its cure."""

from __future__ import annotations

import datetime as dt
from uuid import uuid4

import pytest

from muniment.access.commands import approve_request
from muniment.access.model import Actor, Organisation, Pending, Role
from muniment.compliance.commands import (
    ApproveTransfer,
    LockShares,
    ReleaseLockup,
    SetCategory,
    approve_transfer,
    find_rules_drift,
    lock_shares,
    release_lockup,
    set_category,
    view_lockups,
    view_rules,
)
from muniment.compliance.errors import FurtherRulesMissing, OrderInvalid
from muniment.compliance.model.rules import (
    CategoryHolderCap,
    CountryHolderCap,
    HolderCap,
    HoldingPeriod,
    MinimumHolding,
    Rule,
    TransferApproval,
    TransferHours,
    TransferWindow,
    TransferWindows,
    VenuesOnly,
    VolumeLimit,
    WholePosition,
)
from muniment.compliance.process import apply_rules
from muniment.infra.evm import contract_artifacts
from muniment.infra.jobs import Done
from muniment.register.model import Lockup
from muniment.register.process import rebuild
from muniment.units.decisions import Allowed, Refused
from muniment.units.ids import TenantId
from muniment.units.instants import instant_text, unix_seconds
from tests.access.unit import an_actor
from tests.compliance.market import Market, codes
from tests.instruments.stage import Stage

MINIMUM = MinimumHolding("charter.minimum", "Articles, section 9", 10)
PERIOD = HoldingPeriod("us.rule144.period", "17 CFR 230.144(d)(1)(i)", 180 * 86_400)
TWO_BRITONS = CountryHolderCap("charter.gb", "Articles, section 10", "GB", 2)


@pytest.fixture
def market(stage: Stage, issuer: tuple[TenantId, Actor]) -> Market:
    return Market(stage, issuer)


def every_further_rule(market: Market) -> tuple[Rule, ...]:
    now = market.stage.clock.now().replace(microsecond=0)
    window = TransferWindow(now - dt.timedelta(days=1), now + dt.timedelta(days=300))
    _, venue = market.an_investor()
    return (
        TWO_BRITONS,
        CountryHolderCap("charter.us", "Articles, section 10", "US", 0),
        CategoryHolderCap("us.506b", "17 CFR 230.506(b)(2)(i)", 1, 35),
        TransferWindows("charter.windows", "Articles, section 11", (window,)),
        TransferHours("charter.hours", "Articles, section 12", 9 * 3600, 17 * 3600 + 1800, ("mon", "fri")),
        VenuesOnly("charter.venues", "Articles, section 13", (venue,)),
        TransferApproval("charter.approval", "Articles, section 14"),
        WholePosition("charter.whole", "Articles, section 15", sends=True, receives=False),
        MINIMUM,
        PERIOD,
        VolumeLimit("us.rule144.volume", "17 CFR 230.144(e)", 1_000, 90 * 86_400),
        HolderCap("us.12g", "15 U.S.C. 78l(g)", 2_000),
    )


def apply(market: Market, *rules: Rule) -> None:
    market.set_rules(*rules)
    market.stage.run(lambda: apply_rules(market.security_id, units=market.units))


def sent(market: Market) -> int:
    return int(market.stage.rows("SELECT count(*) AS n FROM infra.chain_transaction WHERE tenant_id = :t", t=market.tenant_id)[0].n)


def test_every_rule_goes_to_the_chain_is_read_back_and_lifted(market: Market) -> None:
    market.open(*every_further_rule(market))
    with market.units() as unit:
        (version,) = view_rules(market.owner, market.security_id, unit=unit)
        assert version.applied_at is not None and len(version.rules) == 12
        assert find_rules_drift(market.security_id, unit=unit) is None
    before = sent(market)
    assert apply_rules(market.security_id, units=market.units) == Done()
    assert sent(market) == before
    apply(market, MINIMUM)
    apply(market)
    with market.units() as unit:
        assert [each.applied_at is not None for each in view_rules(market.owner, market.security_id, unit=unit)] == [True] * 3
        assert find_rules_drift(market.security_id, unit=unit) is None
    investor_id, wallet = market.an_investor("US")
    market.registered(investor_id)
    assert market.check(None, wallet, 1) == Allowed() and market.chain_code(None, wallet, 1) is None


def test_a_further_rule_changed_behind_our_back_is_found(market: Market) -> None:
    market.open(MINIMUM)
    with market.units() as unit:
        contract = unit.compliance_chain.further_contract()
        unit.transactions.submit(
            tenant_id=market.tenant_id,
            sender=market.suite.operator,
            to=contract,
            data=contract_artifacts.load("transfer_rules").encode_call("set_minimum_holding", market.token, 11),
            purpose="test:drift",
            gas_limit=300_000,
        )
    market.stage.step()
    with market.units() as unit:
        drift = find_rules_drift(market.security_id, unit=unit)
    assert drift is not None
    assert (drift.expected.further.minimum_holding, drift.found.further.minimum_holding) == (10, 11)
    assert drift.found.as_json()["further"]["minimum_holding"] == "11"


def test_holders_of_before_the_cap_are_counted(market: Market) -> None:
    market.open()
    investors = [market.an_investor("GB") for _ in range(3)]
    market.registered(*[investor_id for investor_id, _ in investors])
    for _, wallet in investors[:2]:
        market.act("mint", wallet, 50)
    apply(market, TWO_BRITONS)
    (_, first), (_, second), (_, third) = investors
    refused = market.check(None, third, 5)
    assert codes(refused) == ["compliance.country_holder_cap"] and market.chain_code(None, third, 5) == "compliance.country_holder_cap"
    assert isinstance(refused, Refused)
    assert refused.reasons[0].facts == {"country": "GB", "holders": 2, "holder_cap": 2}
    assert refused.reasons[0].cure is not None and refused.reasons[0].cure.startswith("0 of 2 places left")
    # Who parts with everything gives up the place.
    assert market.check(first, third, 50) == Allowed() and market.chain_code(first, third, 50) is None
    assert market.check(second, first, 5) == Allowed()


def test_what_was_just_acquired_stays_until_a_date_that_is_named(market: Market) -> None:
    market.open(PERIOD)
    investors = [market.an_investor() for _ in range(2)]
    market.registered(*[investor_id for investor_id, _ in investors])
    (_, seller), (_, buyer) = investors
    market.act("mint", seller, 100)
    refused = market.check(seller, buyer, 40)
    assert codes(refused) == ["compliance.holding_period"] and market.chain_code(seller, buyer, 40) == "compliance.holding_period"
    assert isinstance(refused, Refused)
    (reason,) = refused.reasons
    assert (reason.rule, reason.citation) == (PERIOD.rule_id, PERIOD.citation)
    assert reason.facts["held_back"] == "100" and reason.cure is not None and str(reason.facts["free_at"]) in reason.cure


def test_an_investor_counts_in_the_category_that_was_given(market: Market) -> None:
    market.open(CategoryHolderCap("us.506b", "17 CFR 230.506(b)(2)(i)", 1, 0))
    investor_id, wallet = market.an_investor("US")
    market.registered(investor_id)
    assert market.check(None, wallet, 5) == Allowed()
    with market.units() as unit:
        set_category(market.owner, SetCategory(market.security_id, wallet, 1), unit=unit)
    market.stage.step()
    assert codes(market.check(None, wallet, 5)) == ["compliance.category_holder_cap"]
    assert market.chain_code(None, wallet, 5) == "compliance.category_holder_cap"


def test_a_transfer_waits_for_its_approval_which_serves_once(market: Market) -> None:
    market.open(TransferApproval("charter.approval", "Articles, section 14"))
    investors = [market.an_investor() for _ in range(2)]
    market.registered(*[investor_id for investor_id, _ in investors])
    (_, seller), (_, buyer) = investors
    market.act("mint", seller, 100)
    assert codes(market.check(seller, buyer, 40)) == ["compliance.transfer_not_approved"]
    until = market.stage.clock.now() + dt.timedelta(days=1)
    with market.units() as unit:
        approve_transfer(market.owner, ApproveTransfer(market.security_id, seller, buyer, 40, until), unit=unit)
    market.stage.step()
    assert market.check(seller, buyer, 40) == Allowed() and market.chain_code(seller, buyer, 40) is None
    assert codes(market.check(seller, buyer, 41)) == ["compliance.transfer_not_approved"]
    with market.units() as unit:
        approve_transfer(market.owner, ApproveTransfer(market.security_id, seller, buyer, 40, None), unit=unit)
    market.stage.step()
    assert codes(market.check(seller, buyer, 40)) == ["compliance.transfer_not_approved"]


def test_locked_shares_stay_until_their_instant_and_the_register_knows(market: Market) -> None:
    market.open()
    investors = [market.an_investor() for _ in range(2)]
    market.registered(*[investor_id for investor_id, _ in investors])
    (_, seller), (_, buyer) = investors
    market.act("mint", seller, 100)
    unlocks_at = (market.stage.clock.now() + dt.timedelta(days=30)).replace(microsecond=0)
    with market.units() as unit:
        lock_shares(market.owner, LockShares(market.security_id, seller, 70, unlocks_at), unit=unit)
    market.stage.step()
    assert market.check(seller, buyer, 30) == Allowed() and market.chain_code(seller, buyer, 30) is None
    refused = market.check(seller, buyer, 31)
    assert codes(refused) == ["compliance.lockup_active"] and market.chain_code(seller, buyer, 31) == "compliance.lockup_active"
    assert isinstance(refused, Refused) and refused.reasons[0].facts["unlocks_at"] == instant_text(unlocks_at)
    with market.units() as unit:
        assert view_lockups(market.owner, market.security_id, unit=unit) == {seller: [Lockup(70, unix_seconds(unlocks_at))]}
        with pytest.raises(OrderInvalid, match="at most 30 shares"):
            lock_shares(market.owner, LockShares(market.security_id, seller, 31, unlocks_at), unit=unit)
    with market.units() as unit, pytest.raises(OrderInvalid, match="later than now"):
        lock_shares(market.owner, LockShares(market.security_id, seller, 1, market.stage.clock.now()), unit=unit)
    assert rebuild(market.security_id, begin=market.units).equal
    # By force locked shares go too, and the register hears of their release.
    market.act("forcedTransfer", seller, buyer, 60)
    with market.units() as unit:
        assert view_lockups(market.owner, market.security_id, unit=unit) == {seller: [Lockup(40, unix_seconds(unlocks_at))]}


def test_a_lockup_is_released_early_when_a_second_person_agrees(market: Market) -> None:
    market.open()
    investor_id, wallet = market.an_investor()
    market.registered(investor_id)
    market.act("mint", wallet, 100)
    unlocks_at = (market.stage.clock.now() + dt.timedelta(days=30)).replace(microsecond=0)
    with market.units() as unit:
        lock_shares(market.owner, LockShares(market.security_id, wallet, 70, unlocks_at), unit=unit)
    market.stage.step()
    with market.units() as unit:
        unit.organisations.add(Organisation(market.tenant_id, "Heron Motors Ltd (fictitious)", "GB", market.stage.clock.now()))
    request = ReleaseLockup(uuid4(), market.security_id, wallet, 60)
    assert ReleaseLockup.from_json(request.as_json()) == request
    with market.units() as unit:
        asked = release_lockup(market.owner, request, unit=unit)
    assert isinstance(asked, Pending)
    second = an_actor(market.tenant_id, Role.OWNER)
    with market.units() as unit:
        approve_request(second, asked.approval_id, unit=unit)
        done = release_lockup(second, request, unit=unit)
        assert release_lockup(second, request, unit=unit) == done
    market.stage.step()
    with market.units() as unit:
        assert view_lockups(market.owner, market.security_id, unit=unit) == {wallet: [Lockup(10, unix_seconds(unlocks_at))]}
        with pytest.raises(OrderInvalid, match="at most 10 locked shares"):
            release_lockup(market.owner, ReleaseLockup(uuid4(), market.security_id, wallet, 11), unit=unit)
    assert rebuild(market.security_id, begin=market.units).equal


def test_a_category_needs_a_rule_that_counts_it(market: Market) -> None:
    market.open()
    _, wallet = market.an_investor()
    with market.units() as unit, pytest.raises(FurtherRulesMissing):
        set_category(market.owner, SetCategory(market.security_id, wallet, 1), unit=unit)
