# SPDX-License-Identifier: Apache-2.0
"""Rules about the register, persons, payments and evidence: counts at their limits, classes at their lines, tax, checklists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from muniment.compliance.errors import PacksContradict, RuleDisabled, RuleUnknown
from muniment.compliance.model.law.book import EvaluatedOn, rule_book
from muniment.compliance.model.law.case_file import read_case
from muniment.compliance.model.law.checklists import item_names
from muniment.compliance.model.law.what_if import what_if
from tests.compliance.law import ON, a_case, american, ask, codes, facts, sale, transfer

SNAPSHOT = {"kind": "snapshot", "at": ON}
EXAMPLES = "corporate_actions/examples.json"


def a_register(count: int, **investor: Any) -> dict[str, Any]:
    people = [american(f"h{index}", **investor) for index in range(count)]
    lots = [{"investor": each["id"], "quantity": "10", "acquired_at": "2024-01-01"} for each in people]
    return {"investors": people, "register": lots}


@pytest.mark.parametrize(
    ("count", "accredited", "expected"),
    [(1999, True, []), (2000, True, ["holders_of_record"]), (499, False, []), (500, False, ["holders_of_record"])],
)
def test_section_12g_begins_with_the_2000th_holder_or_the_500th_who_is_not_accredited(
    count: int, expected: list[str], *, accredited: bool
) -> None:
    assert codes(ask(["us.12g"], proposed=SNAPSHOT, **a_register(count, accredited=accredited))) == expected


def test_a_transfer_that_makes_the_2000th_holder_is_refused_and_one_that_does_not_is_allowed() -> None:
    parts = a_register(1999, accredited=True)
    parts["investors"] += [american("new", accredited=True)]
    assert codes(ask(["us.12g"], proposed=transfer("h0", "new", 5), **parts)) == ["holders_of_record"]
    # The whole position moves: one holder goes as another comes.
    assert codes(ask(["us.12g"], proposed=transfer("h0", "new", 10), **parts)) == []
    assert codes(ask(["us.12g"], proposed=transfer("h0", "h1", 5), **parts)) == []
    assert codes(ask(["us.12g"], proposed=sale("new"), **parts)) == ["holders_of_record"]


def test_a_register_over_the_limit_still_lets_present_holders_trade() -> None:
    parts = a_register(2001, accredited=True)
    assert codes(ask(["us.12g"], proposed=transfer("h0", "h1", 5), **parts)) == []
    assert codes(ask(["us.12g"], proposed=SNAPSHOT, **parts)) == ["holders_of_record"]


def test_section_12g_leaves_small_issuers_plans_and_crowdfunding_out() -> None:
    many = a_register(2000, accredited=True)
    assert codes(ask(["us.12g"], terms={"total_assets_usd": "10000000"}, proposed=SNAPSHOT, **many)) == []
    assert codes(ask(["us.12g"], terms={"total_assets_usd": "10000000.01"}, proposed=SNAPSHOT, **many)) == ["holders_of_record"]
    assert codes(ask(["us.12g"], proposed=SNAPSHOT, **a_register(2000, accredited=True, compensation_plan=True))) == []
    crowd = a_register(600, accredited=False)
    terms = {"total_assets_usd": "25000000", "transfer_agent_registered": True}
    assert codes(ask(["us.regcf"], terms=terms, proposed=SNAPSHOT, **crowd)) == []
    assert codes(ask(["us.regcf"], terms={**terms, "total_assets_usd": "25000000.01"}, proposed=SNAPSHOT, **crowd)) == ["holders_of_record"]
    assert codes(ask(["us.12g"], terms={"is_bank": True}, proposed=SNAPSHOT, **a_register(1999, accredited=False))) == []
    foreign = {"foreign_private_issuer": True}
    abroad = [{"id": f"d{index}", "country": "DE"} for index in range(500)]
    lots = [{"investor": each["id"], "quantity": "10", "acquired_at": "2024-01-01"} for each in abroad]
    for americans in (299, 300):
        there = a_register(americans)
        judgement = ask(
            ["us.12g"], terms=foreign, proposed=SNAPSHOT, investors=there["investors"] + abroad, register=there["register"] + lots
        )
        assert codes(judgement) == ([] if americans == 299 else ["holders_of_record"])


def test_section_12g_leaves_holders_of_a_small_tier_2_offering_out() -> None:
    crowd = a_register(600, accredited=False)

    def counted(**terms: Any) -> list[str]:
        asked = {"total_assets_usd": "90000000", "transfer_agent_registered": True, **terms}
        return codes(ask(["us.12g", "us.rega.tier2"], terms=asked, proposed=SNAPSHOT, **crowd))

    assert counted(public_float_usd="74999999.99") == []
    assert counted(public_float_usd="75000000") == ["holders_of_record"]
    assert counted(public_float_usd="0", annual_revenue_usd="49999999.99") == []
    assert counted(public_float_usd="0", annual_revenue_usd="50000000") == ["holders_of_record"]
    # What nobody has said does not leave anybody out.
    assert counted() == ["holders_of_record"]
    assert counted(public_float_usd="0") == ["holders_of_record"]
    assert counted(public_float_usd="1", current_public_information=False) == ["holders_of_record"]
    assert counted(public_float_usd="1", transfer_agent_registered=False) == ["holders_of_record"]
    tier_1 = {"public_float_usd": "1", "total_assets_usd": "90000000", "transfer_agent_registered": True}
    assert codes(ask(["us.12g", "us.rega.tier1"], terms=tier_1, proposed=SNAPSHOT, **crowd)) == ["holders_of_record"]
    # Who also holds shares of another offering counts.
    mixed = {**crowd, "register": [*crowd["register"], *({**each, "exemption": "us.regd.506b"} for each in crowd["register"][:500])]}
    small = {"public_float_usd": "1", "total_assets_usd": "90000000", "transfer_agent_registered": True}
    assert codes(ask(["us.12g", "us.rega.tier2"], terms=small, proposed=SNAPSHOT, **mixed)) == ["holders_of_record"]
    mixed["register"] = mixed["register"][:-1]
    assert codes(ask(["us.12g", "us.rega.tier2"], terms=small, proposed=SNAPSHOT, **mixed)) == []


def test_from_four_fifths_of_a_limit_on_there_is_a_warning() -> None:
    assert ask(["us.12g"], proposed=SNAPSHOT, **a_register(1599, accredited=True)).warnings == ()
    warned = ask(["us.12g"], proposed=SNAPSHOT, **a_register(1600, accredited=True)).warnings
    assert warned == ("us.12g: 1600 of 1999 holders; 399 places are left.",)


@pytest.mark.parametrize(("count", "allowed"), [(99, True), (100, False)])
def test_a_private_fund_takes_its_100th_owner_and_not_the_101st(count: int, *, allowed: bool) -> None:
    parts = a_register(count)
    parts["investors"] += [american("new")]
    assert (codes(ask(["us.3c1"], proposed=sale("new"), **parts)) == []) is allowed


def test_a_fund_that_holds_a_tenth_counts_as_its_own_owners() -> None:
    def owners(percent: int) -> list[str]:
        people = [
            american("fund", kind="entity", investment_company=True, beneficial_owners=60),
            *(american(f"p{index}") for index in range(50)),
        ]
        lots = [{"investor": "fund", "quantity": str(percent * 50), "acquired_at": ON}]
        lots += [{"investor": f"p{index}", "quantity": str(100 - percent), "acquired_at": ON} for index in range(50)]
        return codes(ask(["us.3c1"], investors=people, register=lots, proposed=SNAPSHOT))

    assert owners(9) == []
    assert owners(10) == ["beneficial_owners"]


def test_a_qualifying_venture_fund_has_250_places_and_employees_take_none() -> None:
    venture = {"is_qualifying_venture_fund": True, "fund_capital_usd": "12000000"}
    assert codes(ask(["us.3c1"], terms=venture, proposed=SNAPSHOT, **a_register(250))) == []
    assert codes(ask(["us.3c1"], terms=venture, proposed=SNAPSHOT, **a_register(251))) == ["beneficial_owners"]
    too_large = {**venture, "fund_capital_usd": "12000000.01"}
    assert codes(ask(["us.3c1"], terms=too_large, proposed=SNAPSHOT, **a_register(101))) == ["beneficial_owners"]
    assert codes(ask(["us.3c1"], proposed=SNAPSHOT, **a_register(150, knowledgeable_employee=True))) == []


def test_a_fund_of_qualified_purchasers_has_nobody_else_and_at_most_1999() -> None:
    assert codes(ask(["us.3c7"], proposed=SNAPSHOT, **a_register(3, investments_usd="5000000"))) == []
    assert codes(ask(["us.3c7"], proposed=SNAPSHOT, **a_register(2, investments_usd="4999999.99"))) == ["not_qualified_purchaser"] * 2
    entity = american("e", kind="entity", investments_usd="24999999.99")
    assert codes(ask(["us.3c7"], investors=[entity], proposed=sale("e"))) == ["not_qualified_purchaser"]
    assert codes(ask(["us.3c7"], investors=[{**entity, "investments_usd": "25000000"}], proposed=sale("e"))) == []
    assert codes(ask(["us.3c7"], proposed=SNAPSHOT, **a_register(2000, qualified_purchaser=True))) == ["holders_of_record"]


@pytest.mark.parametrize(
    ("terms", "allowed"),
    [
        ({"market_capitalisation_eur": "499999999.99"}, True),
        ({"market_capitalisation_eur": "500000000"}, False),
        ({"kind": "debt", "issue_size_eur": "999999999.99"}, True),
        ({"kind": "debt", "issue_size_eur": "1000000000"}, False),
        ({"market_capitalisation_eur": "1", "aggregate_admitted_eur": "6000000000"}, True),
        ({"market_capitalisation_eur": "1", "aggregate_admitted_eur": "6000000000.01"}, False),
        ({}, False),
    ],
)
def test_the_pilot_regime_has_its_sizes(terms: dict[str, Any], *, allowed: bool) -> None:
    assert (codes(ask(["eu.dlt_pilot"], terms=terms, proposed=SNAPSHOT)) == []) is allowed


@pytest.mark.parametrize(
    ("investor", "expected"),
    [
        ({"net_worth_usd": "1000000", "annual_income_usd": "1"}, False),
        ({"net_worth_usd": "1000000.01"}, True),
        ({"annual_income_usd": "200000.01", "prior_year_income_usd": "200000.01", "expects_same_income": True, "net_worth_usd": "1"}, True),
        ({"annual_income_usd": "200000.01", "prior_year_income_usd": "200000", "expects_same_income": True, "net_worth_usd": "1"}, False),
        ({"annual_income_usd": "200000.01", "prior_year_income_usd": "200000.01", "net_worth_usd": "1"}, False),
        ({"joint_income_usd": "300000.01", "prior_year_joint_income_usd": "300000.01", "expects_same_income": True}, True),
        ({"licences": ["Series 65"]}, True),
        ({"insider_roles": ["director"]}, True),
        ({"family_client": True}, True),
        ({}, None),
        ({"kind": "entity", "total_assets_usd": "5000000.01", "formed_for_offering": False}, True),
        ({"kind": "entity", "total_assets_usd": "5000000", "formed_for_offering": False}, False),
        ({"kind": "entity", "total_assets_usd": "5000000.01"}, None),
        ({"kind": "entity", "total_assets_usd": "9000000", "formed_for_offering": True}, False),
        ({"kind": "entity", "institution": "bank"}, True),
        ({"kind": "entity", "all_owners_accredited": True}, True),
        ({"kind": "trust", "family_office_aum_usd": "5000000.01", "formed_for_offering": False}, True),
        ({"net_worth_usd": "1000000.01", "accredited": False}, False),
    ],
)
def test_who_is_accredited(investor: dict[str, Any], *, expected: bool | None) -> None:
    judgement = ask(["us.regs"], investors=[american("x", **investor)], proposed={"kind": "classification", "to": "x", "at": ON})
    assert judgement.computed["classes"]["accredited"]["is_so"] is expected


def test_two_of_three_make_a_professional() -> None:
    def is_professional(**investor: Any) -> bool | None:
        person = {"id": "x", "country": "DE", **investor}
        judgement = ask(["eu.ecspr"], investors=[person], proposed={"kind": "classification", "to": "x", "at": ON})
        answer: bool | None = judgement.computed["classes"]["professional"]["is_so"]
        return answer

    assert is_professional(trades_per_quarter=10, portfolio_eur="500000.01")
    assert not is_professional(trades_per_quarter=10, portfolio_eur="500000")
    assert is_professional(trades_per_quarter=10, sector_years=1)
    assert not is_professional(trades_per_quarter=9, sector_years=1)
    assert is_professional(kind="entity", balance_sheet_eur="20000000", turnover_eur="40000000")
    assert not is_professional(kind="entity", balance_sheet_eur="19999999.99", turnover_eur="40000000")


def test_withholding_is_that_of_the_worked_examples(test_data: Path) -> None:
    forms: dict[str, dict[str, Any]] = {
        "wht-us-w9": american("x", tax={"form": "W-9", "has_tin": True}),
        "wht-backup": american("x"),
        "wht-nra": {"id": "x", "country": "BR"},
        "wht-treaty15": {"id": "x", "country": "DE", "tax": {"form": "W-8BEN", "has_tin": True, "treaty_rate_bps": 1500}},
        "wht-fatca": {"id": "x", "country": "PA", "kind": "entity", "tax": {"fatca_compliant": False}},
        "wht-rounding": {"id": "x", "country": "DE", "tax": {"form": "W-8BEN", "has_tin": True, "treaty_rate_bps": 1500}},
    }
    examples = [each for each in json.loads((test_data / EXAMPLES).read_text("utf-8")) if each["kind"] == "withholding"]
    assert {each["id"] for each in examples} == set(forms)
    for example in examples:
        proposed = {"kind": "payment", "to": "x", "amount": example["gross"], "at": ON}
        withheld = ask(["us.tax.withholding"], investors=[forms[example["id"]]], proposed=proposed).computed["withholding"]
        assert {"tax": withheld["tax"], "net": withheld["net"]} == example["expected"]


def test_a_form_that_ran_out_and_one_without_a_number_do_not_count() -> None:
    def rate(**tax: Any) -> int:
        person = {"id": "x", "country": "DE", "tax": {"form": "W-8BEN", "has_tin": True, "treaty_rate_bps": 1500, **tax}}
        proposed = {"kind": "payment", "to": "x", "amount": "100.00", "at": ON}
        return int(ask(["us.tax.withholding"], investors=[person], proposed=proposed).computed["withholding"]["rate_bps"])

    assert rate(form_valid_until=ON) == 1500
    assert rate(form_valid_until="2026-06-30") == 3000
    assert rate(has_tin=False) == 3000


CHECKLISTS = [rule.rule_id for rule in rule_book().rules.values() if rule.evaluated_on is EvaluatedOn.CHECKLIST]


@pytest.mark.parametrize("rule_id", CHECKLISTS)
def test_a_checklist_refuses_for_every_item_without_evidence(rule_id: str) -> None:
    names = item_names(rule_book().rules[rule_id])
    assert names
    investor = {"id": "x", "country": "GB"}
    judgement = ask([rule_id], investors=[investor], proposed=sale("x"))
    assert codes(judgement) == ["evidence_missing"] * len(names)
    good = {
        "category": "digital security",
        "model": "integrated_register",
        "scope": "Russell 1000",
        "statement_dated": ON,
    }
    evidence = {rule_id: {name: good.get(name, "yes") for name in names}}
    assert codes(ask([rule_id], investors=[investor], evidence=evidence, proposed=sale("x"))) == []
    for name in names:
        without = {rule_id: {other: value for other, value in evidence[rule_id].items() if other != name}}
        judgement = ask([rule_id], investors=[investor], evidence=without, proposed=SNAPSHOT)
        assert facts(judgement, "evidence_missing")["item"] == name


@pytest.mark.parametrize("denied", [False, "no", "No", [], 0])
def test_a_no_is_no_evidence(denied: Any) -> None:
    names = item_names(rule_book().rules["ch.co973d"])
    evidence = {"ch.co973d": {**dict.fromkeys(names, "the agreement, page 4"), names[1]: denied}}
    assert codes(ask(["ch.co973d"], evidence=evidence, proposed=SNAPSHOT)) == ["evidence_against"]


def test_a_promotion_in_the_united_kingdom_concerns_nobody_elsewhere() -> None:
    assert codes(ask(["uk.fpo", "us.regs"], investors=[{"id": "x", "country": "JP"}], proposed=sale("x"))) == []


def test_packs_that_settle_one_term_differently_contradict_each_other() -> None:
    with pytest.raises(PacksContradict):
        rule_book().select(["us.regs.category3", "us.regs.category1"])


def test_a_present_owner_is_asked_again_and_a_fund_that_grows_is_looked_through() -> None:
    owner = american("o", investments_usd="1")
    parts = {"investors": [owner], "register": [{"investor": "o", "quantity": "5", "acquired_at": ON}]}
    assert codes(ask(["us.3c7"], proposed=sale("o"), **parts)) == ["not_qualified_purchaser"]
    people = [american("fund", kind="entity", investment_company=True, beneficial_owners=100), american("a"), american("b")]
    lots = [{"investor": name, "quantity": str(shares), "acquired_at": ON} for name, shares in (("fund", 9), ("a", 50), ("b", 41))]
    assert codes(ask(["us.3c1"], investors=people, register=lots, proposed=transfer("a", "fund", 1))) == ["beneficial_owners"]
    # A new issue makes everybody's part smaller.
    assert codes(ask(["us.3c1"], investors=people, register=lots, proposed=sale("fund", 1))) == []
    del people[0]["beneficial_owners"]
    grown = [{"investor": "fund", "quantity": "50", "acquired_at": ON}, *lots[1:]]
    assert codes(ask(["us.3c1"], investors=people, register=grown, proposed=SNAPSHOT)) == ["fact_missing"]


def test_a_crowdfunding_buyer_does_not_count_towards_12g() -> None:
    people = [american(f"h{index}", accredited=False) for index in range(499)] + [
        american("new", accredited=False, net_worth_usd="1000000", annual_income_usd="1")
    ]
    lots = [{"investor": f"h{index}", "quantity": "1", "acquired_at": ON, "exemption": "us.regd.506b"} for index in range(499)]
    terms = {"total_assets_usd": "20000000", "transfer_agent_registered": True, "portal": "a portal"}
    parts: dict[str, Any] = {"investors": people, "register": lots, "sales": [], "proposed": sale("new", 1)}
    assert codes(ask(["us.regcf"], terms=terms, **parts)) == []
    assert codes(ask(["us.regcf"], terms={**terms, "transfer_agent_registered": False}, **parts)) == ["holders_of_record"]


def test_withholding_asks_for_the_right_form() -> None:
    def rate(**investor: Any) -> int:
        proposed = {"kind": "payment", "to": "x", "amount": "100.00", "at": ON}
        return int(ask(["us.tax.withholding"], investors=[{"id": "x", **investor}], proposed=proposed).computed["withholding"]["rate_bps"])

    form = {"form": "W-8BEN", "has_tin": True, "treaty_rate_bps": 1500}
    assert rate(country="DE", tax=form) == 1500
    assert rate(country="US", tax=form) == 2400
    assert rate(country="DE", kind="entity", tax=form) == 3000
    assert rate(country="DE", kind="entity", tax={**form, "form": "W-8BEN-E"}) == 1500


def test_evidence_against_a_rule_and_an_old_statement_refuse() -> None:
    evidence = {"eu.mica_boundary": {"criterion_1": "yes", "criterion_2": "no", "criterion_3": True}}
    assert codes(ask(["eu.mica_boundary"], evidence=evidence, proposed=SNAPSHOT)) == ["evidence_against"]
    old = {"uk.fpo": {"statement": "file 7", "statement_dated": "2025-06-30"}}
    assert codes(ask(["uk.fpo"], evidence=old, proposed=SNAPSHOT)) == ["statement_too_old"]


@pytest.mark.parametrize("rule_id", [rule.rule_id for rule in rule_book().rules.values() if rule.evaluated_on is EvaluatedOn.DISABLED])
def test_what_is_no_law_can_never_be_selected(rule_id: str) -> None:
    with pytest.raises(RuleDisabled):
        ask([rule_id], proposed=SNAPSHOT)
    assert not any(rule_id in pack.rules for pack in rule_book().packs.values())


def test_the_book_has_32_rules_each_asked_somewhere_and_packs_of_known_rules() -> None:
    from muniment.compliance.model.law.counts import SNAPSHOT_RULES
    from muniment.compliance.model.law.offerings import SALE_RULES
    from muniment.compliance.model.law.resales import TRANSFER_RULES

    book = rule_book()
    assert len(book.rules) == 32
    asked = {
        EvaluatedOn.SALE: set(SALE_RULES),
        EvaluatedOn.TRANSFER: set(TRANSFER_RULES),
        EvaluatedOn.SNAPSHOT: set(SNAPSHOT_RULES),
    }
    for rule in book.rules.values():
        if rule.evaluated_on in asked:
            assert rule.rule_id in asked[rule.evaluated_on]
    for pack in book.packs.values():
        assert set(pack.rules) <= set(book.rules)
        assert all(book.rules[rule_id].evaluated_on is not EvaluatedOn.DISABLED for rule_id in pack.rules)
    with pytest.raises(RuleUnknown):
        book.select(["us.nothing"])


def test_the_book_is_the_reference_data(test_data: Path) -> None:
    reference = json.loads((test_data / "rules" / "rules.json").read_text("utf-8"))
    for each in reference["rules"]:
        ours = rule_book().rules[each["id"]]
        assert (ours.citation, dict(ours.params), ours.evaluated_on.value, ours.status) == (
            each["citation"],
            each["params"],
            each["evaluated_on"],
            each["status"],
        )


def test_what_if_says_who_would_break_a_rule_from_a_day_on() -> None:
    people = [american("good", qualified_purchaser=True), american("poor", investments_usd="1"), {"id": "german", "country": "DE"}]
    lots = [{"investor": each["id"], "quantity": "10", "acquired_at": "2026-06-01"} for each in people]
    case, _ = read_case(a_case(["us.3c7", "us.regd.506c"], investors=people, register=lots))
    outcome = what_if(case, on=case.sales[0].on)
    assert [holder.investor_id for holder in outcome.breaking] == ["german", "good", "poor"]
    assert len(outcome.register_reasons) == 2
    assert (outcome.locked_holders, outcome.locked_shares) == (3, 30)
    body = outcome.as_json()
    assert (body["breaking"], body["by_rule"]) == (3, {"us.regd.506c": 3})


def test_what_if_counts_as_if_all_bought_on_that_day_and_asks_for_evidence() -> None:
    people = [american(f"n{index}", accredited=False, sophisticated=True) for index in range(100)]
    lots = [{"investor": each["id"], "quantity": "1", "acquired_at": "2024-01-01"} for each in people]
    case, _ = read_case(a_case(["us.regd.506b", "ch.co973d"], investors=people, register=[*lots, {**lots[0], "investor": "ghost"}]))
    outcome = what_if(case, on=case.sales[0].on)
    assert len(outcome.breaking) == 101
    assert {reason.code for reason in outcome.register_reasons} == {"compliance.evidence_missing"}
