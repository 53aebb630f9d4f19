# SPDX-License-Identifier: Apache-2.0
"""The REST face of compliance: rules in decimal shares, checks with reasons, freezes; other issuers see nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from muniment.access.model import Role
from muniment.compliance import http
from muniment.compliance.model.law.calendar import add_months, first_day_after_months
from muniment.infra.postgres.database import METADATA
from tests.access.unit import an_actor
from tests.compliance.market import Market
from tests.infra.rig import an_address
from tests.instruments.api import a_client
from tests.instruments.stage import Stage

TABLES = [table for table in METADATA.sorted_tables if table.schema == "compliance"]


@pytest.fixture(scope="module")
def market(stage: Stage) -> Market:
    """One open security that these tests share."""
    made = Market(stage, stage.a_tenant())
    made.open()
    return made


@pytest.fixture
def api(market: Market) -> Any:
    return a_client(market.stage, market.owner, http.ROUTES)


def path(market: Market, rest: str) -> str:
    return f"/v1/securities/{market.security_id}/{rest}"


def test_rules_are_put_and_read_with_their_citations(market: Market, api: Any) -> None:
    rules = [
        {"kind": "country_blocked", "rule_id": "charter.us", "citation": "17 CFR 230.903", "countries": ["US", "CA"]},
        {"kind": "maximum_balance", "shares": "2500"},
        {"kind": "holder_cap", "rule_id": "law.12g", "citation": "15 U.S.C. 78l(g)", "holders": 2000},
    ]
    put = api.put(path(market, "rules"), json={"rules": rules})
    assert put.status_code == 200, put.text
    assert put.json()["rules"] == [
        {"kind": "country_blocked", "rule_id": "charter.us", "citation": "17 CFR 230.903", "countries": ["CA", "US"]},
        {"kind": "maximum_balance", "rule_id": "issuer.maximum_balance", "citation": "Issuer rule", "shares": "2500"},
        {"kind": "holder_cap", "rule_id": "law.12g", "citation": "15 U.S.C. 78l(g)", "holders": 2000},
    ]
    versions = api.get(path(market, "rules")).json()["versions"]
    assert [version["version"] for version in versions] == [1, 2] and versions[1]["rules"] == put.json()["rules"]


def test_rules_of_every_further_kind_are_put_and_read(market: Market, api: Any) -> None:
    named = {"rule_id": "charter.rule", "citation": "Articles, section 9"}
    rules: list[dict[str, Any]] = [
        {"kind": "country_holder_cap", **named, "country": "US", "holders": 35},
        {"kind": "category_holder_cap", **named, "category": 1, "holders": 0},
        {"kind": "transfer_windows", **named, "windows": [{"opens_at": "2027-03-01T00:00:00Z", "closes_at": "2027-03-15T00:00:00Z"}]},
        {"kind": "transfer_hours", **named, "opens": "09:00", "closes": "24:00", "weekdays": ["mon", "sun"]},
        {"kind": "venues_only", **named, "venues": [an_address(0xF5)]},
        {"kind": "transfer_approval", **named},
        {"kind": "whole_position", **named, "sends": True, "receives": False},
        {"kind": "minimum_holding", **named, "shares": "10"},
        {"kind": "holding_period", **named, "period_seconds": 15552000},
        {"kind": "volume_limit", **named, "shares": "2500", "period_seconds": 7776000},
    ]
    # Of tomorrow, so that the tests that share the market meet none of them.
    tomorrow = f"{market.stage.clock.now() + dt.timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    put = api.put(path(market, "rules"), json={"rules": rules, "effective_at": tomorrow})
    assert put.status_code == 200, put.text
    assert put.json()["rules"] == rules
    assert api.get(path(market, "rules")).json()["versions"][-1]["rules"] == rules


def test_shares_are_locked_once_per_key_and_listed(market: Market, api: Any) -> None:
    investor_id, wallet = market.an_investor()
    market.registered(investor_id)
    market.act("mint", wallet, 50)
    body = {"address": wallet, "shares": "20", "unlocks_at": "2099-01-01T00:00:00Z"}
    first, second = (api.post(path(market, "lockups"), json=body, headers={"Idempotency-Key": "lock-1"}) for _ in range(2))
    assert first.status_code == second.status_code == 202 and first.json() == second.json()
    market.stage.step()
    assert [each for each in api.get(path(market, "lockups")).json() if each["address"] == wallet] == [body]
    refused = api.post(path(market, "lockups"), json={**body, "shares": "31"})
    assert (refused.status_code, refused.json()["code"], refused.json()["place"]["field"]) == (422, "compliance.order_invalid", "shares")


def test_without_a_rule_that_asks_there_is_nothing_to_categorise_or_approve(market: Market, api: Any) -> None:
    wallets = {"from": an_address(0xF6), "to": an_address(0xF7)}
    for rest, body in (("categories", {"address": wallets["to"], "category": 1}), ("transfer-approvals", {**wallets, "shares": "5"})):
        assert api.post(path(market, rest), json=body).json()["code"] == "compliance.further_rules_missing"


@pytest.mark.parametrize(
    ("rule", "code", "field"),
    [
        ({"kind": "speed_limit"}, "compliance.rules_invalid", "rules[0].kind"),
        ({"kind": "maximum_balance", "shares": 5}, "compliance.rules_invalid", "rules[0].shares"),
        ({"kind": "maximum_balance", "shares": "-5"}, "compliance.rules_invalid", "rules[0].shares"),
        ({"kind": "maximum_balance", "shares": "1.5"}, "money.too_precise", "rules[0].shares"),
        ({"kind": "supply_cap", "shares": "many"}, "money.not_an_amount", "rules[0].shares"),
        ({"kind": "holder_cap", "holders": "5.5"}, "compliance.rules_invalid", "rules[0].holders"),
        ({"kind": "holder_cap", "holders": True}, "compliance.rules_invalid", "rules[0].holders"),
        ({"kind": "country_allowed", "countries": ["Narnia"]}, "compliance.rules_invalid", "rules[0].countries[0]"),
        ({"kind": "country_allowed", "countries": []}, "compliance.rules_invalid", "rules[0].countries"),
        ({"kind": "country_allowed", "countries": "GB"}, "compliance.rules_invalid", "rules[0].countries"),
        ({"kind": "holder_cap", "holders": 5, "shares": "5"}, "compliance.rules_invalid", "rules[0].shares"),
        ({"kind": "country_holder_cap", "country": "Narnia", "holders": 5}, "compliance.rules_invalid", "rules[0].country"),
        ({"kind": "category_holder_cap", "category": 256, "holders": 5}, "compliance.rules_invalid", "rules[0].category"),
        ({"kind": "transfer_windows", "windows": [{"opens_at": "soon"}]}, "compliance.rules_invalid", "rules[0].windows[0]"),
        (
            {"kind": "transfer_windows", "windows": [{"opens_at": "2027-03-02T00:00:00Z", "closes_at": "2027-03-01T00:00:00Z"}]},
            "compliance.rules_invalid",
            "rules[0].windows[0]",
        ),
        ({"kind": "transfer_hours", "opens": "9", "closes": "17:00", "weekdays": ["mon"]}, "compliance.rules_invalid", "rules[0].opens"),
        (
            {"kind": "transfer_hours", "opens": "09:00", "closes": "24:01", "weekdays": ["mon"]},
            "compliance.rules_invalid",
            "rules[0].closes",
        ),
        (
            {"kind": "transfer_hours", "opens": "09:00", "closes": "17:00", "weekdays": ["moonday"]},
            "compliance.rules_invalid",
            "rules[0].weekdays[0]",
        ),
        ({"kind": "venues_only", "venues": ["nowhere"]}, "compliance.rules_invalid", "rules[0].venues[0]"),
        ({"kind": "whole_position"}, "compliance.rules_invalid", "rules[0].sends"),
        ({"kind": "whole_position", "sends": "yes"}, "compliance.rules_invalid", "rules[0].sends"),
        ({"kind": "holding_period", "period_seconds": 2**32}, "compliance.rules_invalid", "rules[0].period_seconds"),
        ({"kind": "volume_limit", "shares": "5", "period_seconds": 0}, "compliance.rules_invalid", "rules[0].period_seconds"),
    ],
)
def test_a_malformed_rule_is_refused_with_its_place_and_sets_nothing(
    market: Market, api: Any, rule: dict[str, Any], code: str, field: str
) -> None:
    before = len(api.get(path(market, "rules")).json()["versions"])
    refused = api.put(path(market, "rules"), json={"rules": [rule]})
    assert refused.status_code == 422 and (refused.json()["code"], refused.json()["place"]["field"]) == (code, field)
    assert len(api.get(path(market, "rules")).json()["versions"]) == before


def test_rules_of_yesterday_are_refused(market: Market, api: Any) -> None:
    refused = api.put(path(market, "rules"), json={"rules": [], "effective_at": "2020-01-01T00:00:00Z"})
    assert refused.json()["code"] == "compliance.rules_in_the_past" and refused.json()["place"] == {"field": "effective_at"}


def test_a_check_tells_every_reason_with_rule_facts_and_cure(market: Market, api: Any) -> None:
    investor_id, wallet = market.an_investor("CA")
    market.registered(investor_id)
    api.put(
        path(market, "rules"),
        json={
            "rules": [
                {"kind": "country_blocked", "rule_id": "charter.ca", "citation": "Articles, section 8", "countries": ["CA"]},
                {"kind": "maximum_balance", "rule_id": "charter.maximum", "citation": "Articles, section 7", "shares": "100"},
            ]
        },
    )
    answer = api.post(path(market, "transfer-checks"), json={"to": wallet, "shares": "101"}).json()
    assert answer["allowed"] is False
    assert [reason["code"] for reason in answer["reasons"]] == ["compliance.country_blocked", "compliance.maximum_balance"]
    assert answer["reasons"][0]["rule"] == "charter.ca" and answer["reasons"][0]["facts"]["country"] == 124
    assert answer["reasons"][1]["facts"] == {"balance": "0", "shares": "101", "maximum": "100"}
    assert answer["reasons"][1]["cure"] == "Transfer at most 100 shares."


@pytest.mark.parametrize(
    ("question", "code", "field"),
    [
        ({"to": "0x12", "shares": "1"}, "parties.not_an_address", "to"),
        ({"to": an_address(5), "shares": "1", "from": "0x" + "Ab" * 20}, "parties.bad_checksum", "from"),
        ({"to": an_address(5), "shares": "1.5"}, "money.too_precise", "shares"),
        ({"to": an_address(5), "shares": "0"}, "shares.out_of_range", "shares"),
    ],
)
def test_a_malformed_question_is_refused_with_its_place(market: Market, api: Any, question: Any, code: str, field: str) -> None:
    refused = api.post(path(market, "transfer-checks"), json=question)
    assert refused.status_code == 422 and (refused.json()["code"], refused.json()["place"]["field"]) == (code, field)


def test_a_freeze_is_ordered_once_under_one_key_and_listed(market: Market, api: Any) -> None:
    body = {"address": an_address(0xF1), "reason": "Court order 7 of 2026"}
    first, second = (api.post(path(market, "freezes"), json=body, headers={"Idempotency-Key": "freeze-1"}) for _ in range(2))
    assert first.status_code == 202 and first.json() == second.json()
    assert (first.json()["action"], first.json()["state"]) == ("freeze_wallet", "sent")
    market.stage.clock.advance(dt.timedelta(seconds=1))
    lifted = api.post(path(market, "freezes"), json={**body, "lift": True})
    assert lifted.json()["action"] == "unfreeze_wallet"
    listed = api.get(path(market, "freezes")).json()
    assert [each["action"] for each in listed] == ["unfreeze_wallet", "freeze_wallet"]


@pytest.mark.parametrize(
    ("changes", "field"), [({"reason": "  "}, "reason"), ({"reason": "x" * 501}, "reason"), ({"shares": "1"}, "shares")]
)
def test_a_freeze_that_cannot_be_is_refused(market: Market, api: Any, changes: dict[str, str], field: str) -> None:
    refused = api.post(path(market, "freezes"), json={"address": an_address(0xF2), "reason": "Why", **changes})
    assert (refused.json()["code"], refused.json()["place"]["field"]) == ("compliance.freeze_invalid", field)


def test_roles_and_other_issuers(market: Market, api: Any) -> None:
    auditor = a_client(market.stage, an_actor(market.tenant_id, Role.AUDITOR), http.ROUTES)
    assert auditor.get(path(market, "rules")).status_code == 200
    assert auditor.put(path(market, "rules"), json={"rules": []}).json()["code"] == "access.not_permitted"
    assert auditor.post(path(market, "opening")).json()["code"] == "access.not_permitted"
    investor = a_client(market.stage, an_actor(market.tenant_id, Role.INVESTOR), http.ROUTES)
    question = {"to": an_address(5), "shares": "1"}
    assert investor.post(path(market, "transfer-checks"), json=question).json()["code"] == "access.not_permitted"
    stranger = a_client(market.stage, market.stage.a_tenant()[1], http.ROUTES)
    for answer in (
        stranger.get(path(market, "rules")),
        stranger.put(path(market, "rules"), json={"rules": []}),
        stranger.post(path(market, "transfer-checks"), json=question),
        stranger.post(path(market, "opening")),
        stranger.get(path(market, "freezes")),
        stranger.post(path(market, "freezes"), json={"address": an_address(5), "reason": "Why"}),
    ):
        assert answer.json()["code"] == "instruments.security_not_found"


def test_no_table_shows_another_issuers_row(market: Market, api: Any) -> None:
    market.registered(market.an_investor()[0])
    api.post(path(market, "freezes"), json={"address": an_address(0xF3), "reason": "Why"})
    api.put(path(market, "law"), json={"packs": []})
    with market.units() as unit:
        asset_id = unit.assets.get(unit.securities.get(market.security_id).terms.asset_record_id).asset_id
    api.post(f"/v1/assets/{asset_id}/assessments", json={"answers": {"M": "y"}, "token_model": "integrated_register"})
    foreign, _ = market.stage.a_tenant()
    for table in TABLES:
        assert market.stage.rows(f"SELECT count(*) AS n FROM {table} WHERE tenant_id = :t", t=market.tenant_id)[0].n > 0, table.name
        with market.stage.database.transaction(tenant_id=foreign) as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0, table.name


def test_packs_are_chosen_asked_about_and_seen(market: Market, api: Any) -> None:
    before = len(api.get(path(market, "law")).json()["versions"])
    chosen = api.put(path(market, "law"), json={"packs": ["us.regd.506c"], "terms": {"price": "10.00"}})
    assert (chosen.status_code, chosen.json()["version"], chosen.json()["packs"]) == (200, before + 1, ["us.regd.506c"])
    refused = api.put(path(market, "law"), json={"packs": ["us.clarity"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "compliance.rule_disabled")
    bad = api.put(path(market, "law"), json={"packs": [], "terms": {"price": "1,0"}})
    assert bad.status_code == 422
    book = api.get("/v1/law").json()
    assert len(book["rules"]) == 32
    _, american = market.an_investor("US")
    answer = api.post(path(market, "transfer-checks"), json={"to": american, "shares": "1"}).json()
    assert "us.regd.506c" in [reason["rule"] for reason in answer["reasons"]]
    outcome = api.post(path(market, "law/what-if"), json={"packs": ["us.regs"], "on": "2027-01-04"}).json()
    assert (outcome["on"], outcome["breaking"]) == ("2027-01-04", len(outcome["breaks"]))


def test_lots_say_from_when_on_they_may_be_resold(market: Market, api: Any) -> None:
    investor_id, wallet = market.an_investor("DE")
    market.registered(investor_id)
    market.act("mint", wallet, 70)
    market.act("mint", wallet, 30)
    api.put(path(market, "law"), json={"packs": []})
    today = dt.date.fromisoformat(api.get(path(market, "law/lots")).json()["on"])
    closed_on = today - dt.timedelta(days=1)
    terms = {"price": "10.00", "closed_on": closed_on.isoformat()}
    api.put(path(market, "law"), json={"packs": ["us.regs.category3"], "terms": terms})
    first = api.get(path(market, "law/lots"), params={"investor_id": str(investor_id), "limit": 1}).json()
    rest = api.get(path(market, "law/lots"), params={"investor_id": str(investor_id), "cursor": first["next_cursor"]}).json()
    assert (rest["next_cursor"], rest["is_judged"]) == (None, True)
    lots = [*first["lots"], *rest["lots"]]
    assert [(lot["quantity"], lot["exemption"], lot["held_since"]) for lot in lots] == [
        ("70", "us.regs", today.isoformat()),
        ("30", "us.regs", today.isoformat()),
    ]
    # Abroad at once; to Americans when the distribution compliance period of a year is over.
    over = first_day_after_months(closed_on, 12)
    assert {(lot["resale_from"], lot["us_persons_from"]) for lot in lots} == {(today.isoformat(), over.isoformat())}
    # With Rule 144 among the packs it is a year from the issue for everybody, which ends no earlier.
    api.put(path(market, "law"), json={"packs": ["us.regd.506c", "us.regs.category3"], "terms": terms})
    lots = api.get(path(market, "law/lots"), params={"investor_id": str(investor_id)}).json()["lots"]
    assert {(lot["resale_from"], lot["us_persons_from"]) for lot in lots} == {(add_months(today, 12).isoformat(), None)}
    assert api.get(path(market, "law/lots"), params={"cursor": "nonsense"}).json()["code"] == "register.bad_cursor"


def test_an_assessment_is_kept_once_under_one_key(market: Market, api: Any) -> None:
    with market.units() as unit:
        asset_id = unit.assets.get(unit.securities.get(market.security_id).terms.asset_record_id).asset_id
    where = f"/v1/assets/{asset_id}/assessments"
    body = {"answers": {"M": "y", "C": "y", "E": "y", "P": "y"}, "evidence": {"M": "The price"}, "token_model": "custodial"}
    made = [api.post(where, json=body, headers={"Idempotency-Key": "once"}).json() for _ in range(2)]
    assert made[0] == made[1]
    assert [each["version"] for each in api.get(where).json()][-1] == made[0]["version"]
    assert made[0]["assessment"]["outcome"] == "investment_contract"
    own = api.post(f"{where}/{made[0]['version']}/signature")
    assert (own.status_code, own.json()["code"]) == (422, "compliance.own_assessment")
    assert api.get(f"/v1/assets/0x{'7' * 64}/assessments").json()["code"] == "instruments.asset_not_found"
