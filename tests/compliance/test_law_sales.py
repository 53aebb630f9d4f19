# SPDX-License-Identifier: Apache-2.0
"""Sales by the issuer: each numeric rule at its boundary, each exemption's own conditions, and which law asks about whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.compliance.errors import ExemptionNotChosen, ProposalInvalid
from muniment.compliance.model.law.book import rule_book
from muniment.compliance.model.law.offerings import crowdfunding_limit
from muniment.units.errors import Place
from tests.compliance.law import ON, american, ask, codes, days_after, facts, sale, transfer, verified

EXAMPLES = "corporate_actions/examples.json"


def simple_buyers(count: int, *, at: str = ON, **more: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return so many Americans who are not accredited, and their sales of one share."""
    people = [american(f"n{index}", accredited=False, sophisticated=True, **more) for index in range(count)]
    return people, [{"investor": each["id"], "at": at, "quantity": "1"} for each in people]


@pytest.mark.parametrize(("bought", "allowed"), [(34, True), (35, False)])
def test_the_35th_who_is_not_accredited_may_buy_under_506b_and_the_36th_may_not(bought: int, *, allowed: bool) -> None:
    people, sales = simple_buyers(bought)
    judgement = ask(
        ["us.regd.506b"], investors=[*people, american("x", accredited=False, sophisticated=True)], sales=sales, proposed=sale("x", 1)
    )
    assert codes(judgement) == ([] if allowed else ["non_accredited_purchasers"])
    if not allowed:
        assert facts(judgement, "non_accredited_purchasers") == {"non_accredited": 35, "non_accredited_max": 35, "window_days": 90}


@pytest.mark.parametrize(("days", "allowed"), [(89, False), (90, True)])
def test_the_window_of_506b_is_90_calendar_days(days: int, *, allowed: bool) -> None:
    people, sales = simple_buyers(35)
    parts = {"investors": [*people, american("x", accredited=False, sophisticated=True)], "sales": sales}
    assert (not codes(ask(["us.regd.506b"], proposed=sale("x", at=days_after(ON, days)), **parts))) is allowed
    # A sale that is entered late counts in every window that holds its day.
    assert (not codes(ask(["us.regd.506b"], proposed=sale("x", at=days_after(ON, -days)), **parts))) is allowed


def test_a_window_is_counted_where_it_is_fullest() -> None:
    first, early = simple_buyers(20, at="2026-05-01")
    later = [american(f"m{index}", accredited=False, sophisticated=True) for index in range(20)]
    late = [{"investor": each["id"], "at": "2026-09-01", "quantity": "1"} for each in later]
    parts = {"investors": [*first, *later, american("x", accredited=False, sophisticated=True)], "sales": [*early, *late]}
    assert codes(ask(["us.regd.506b"], proposed=sale("x", at="2026-07-01"), **parts)) == []


def test_a_household_counts_once_and_who_bought_before_counts_once() -> None:
    people, sales = simple_buyers(35)
    people[0]["household"] = "h"
    relative = american("x", accredited=False, sophisticated=True, household="h")
    assert codes(ask(["us.regd.506b"], investors=[*people, relative], sales=sales, proposed=sale("x"))) == []
    assert codes(ask(["us.regd.506b"], investors=people, sales=sales, proposed=sale("n7"))) == []


def test_506b_wants_sophistication_and_no_advertising() -> None:
    judgement = ask(["us.regd.506b"], terms={"general_solicitation": True}, investors=[american("x", accredited=False)], proposed=sale("x"))
    assert codes(judgement) == ["general_solicitation", "not_sophisticated"]


def test_506c_sells_to_verified_accredited_investors_only() -> None:
    assert codes(ask(["us.regd.506c"], investors=[verified("x")], proposed=sale("x"))) == []
    assert codes(ask(["us.regd.506c"], investors=[american("x", accredited=True)], proposed=sale("x"))) == ["accreditation_not_verified"]
    assert codes(ask(["us.regd.506c"], investors=[american("x", accredited=False)], proposed=sale("x"))) == [
        "not_accredited",
        "accreditation_not_verified",
    ]
    # Who has only said nothing is not known to be accredited.
    assert facts(ask(["us.regd.506c"], investors=[american("x")], proposed=sale("x")), "not_accredited")["accredited"] is None


@pytest.mark.parametrize(
    ("method", "last"),
    [("letter", "2026-09-01"), ("statements", "2026-09-01"), ("tax_forms", "2027-06-01"), ("prior_verification", "2031-06-01")],
)
def test_a_verification_supports_sales_as_long_as_its_method_says(method: str, last: str) -> None:
    investor = american("x", accredited=True, verification={"method": method, "verified_on": "2026-06-01", "represented": True})
    assert codes(ask(["us.regd.506c"], investors=[investor], proposed=sale("x", at=last))) == []
    assert codes(ask(["us.regd.506c"], investors=[investor], proposed=sale("x", at=days_after(last, 1)))) == ["verification_too_old"]
    assert codes(ask(["us.regd.506c"], investors=[investor], proposed=sale("x", at="2026-05-31"))) == ["verification_too_old"]


@pytest.mark.parametrize(
    ("investor", "least"),
    [
        ({"kind": "person"}, 20_000),
        ({"kind": "entity"}, 100_000),
        ({"kind": "entity", "all_owners_accredited": True, "natural_owners": 3}, 60_000),
        ({"kind": "entity", "all_owners_accredited": True, "natural_owners": 5}, 100_000),
    ],
)
def test_a_large_investment_with_representations_stands_for_a_verification(investor: dict[str, Any], least: int) -> None:
    def buys(shares: int, *, represented: bool = True) -> list[str]:
        verification = {"method": "minimum_investment", "verified_on": ON, "represented": represented}
        person = american("x", accredited=True, verification=verification, **investor)
        return codes(ask(["us.regd.506c"], investors=[person], proposed=sale("x", shares)))

    assert buys(least) == []
    assert buys(least - 1) == ["below_minimum_investment"]
    assert buys(least, represented=False) == ["representations_missing"]


@pytest.mark.parametrize(
    ("pack", "terms", "limit"),
    [
        ("us.regd.504", {}, 10_000_000),
        ("us.rega.tier1", {}, 20_000_000),
        ("us.rega.tier2", {}, 75_000_000),
        ("us.regcf", {"portal": "a portal"}, 5_000_000),
    ],
)
def test_what_is_raised_in_twelve_months_ends_at_the_limit_and_not_a_cent_beyond(pack: str, terms: dict[str, Any], limit: int) -> None:
    def sells(amount: str, at: str = ON) -> list[str]:
        earlier = [{"investor": "y", "at": "2025-09-01", "quantity": "1", "amount": f"{limit - 1000}.00"}]
        people = [american("x", accredited=True), american("y", accredited=True)]
        return codes(ask([pack], terms=terms, investors=people, sales=earlier, proposed=sale("x", amount=amount, at=at)))

    assert sells("1000.00") == []
    assert sells("1000.01") == ["raised_in_twelve_months"]
    assert sells("1000.01", at="2026-08-31") == ["raised_in_twelve_months"]
    assert sells("1000.01", at="2026-09-01") == []  # the earlier sale is twelve months ago


def test_who_is_not_accredited_buys_a_tenth_in_tier_2_and_not_a_cent_more(test_data: Path) -> None:
    (example,) = [each for each in json.loads((test_data / EXAMPLES).read_text("utf-8")) if each["id"] == "rega-t2-limit"]
    for case in example["cases"]:
        natural = {"annual_income_usd": case.get("income"), "net_worth_usd": case.get("net_worth")}
        entity = {"kind": "entity", "annual_revenue_usd": case.get("entity_revenue"), "net_assets_usd": case.get("entity_net_assets")}
        person = american("x", accredited=False, **(natural if "income" in case else entity))
        assert codes(ask(["us.rega.tier2"], investors=[person], proposed=sale("x", amount=f"{case['limit']}.00"))) == []
        over = sale("x", amount=f"{case['limit']}.01")
        assert codes(ask(["us.rega.tier2"], investors=[person], proposed=over)) == ["investor_limit"]
        assert codes(ask(["us.rega.tier1"], investors=[person], proposed=over)) == []
        assert codes(ask(["us.rega.tier2"], terms={"is_listed": True}, investors=[person], proposed=over)) == []
        assert codes(ask(["us.rega.tier2"], investors=[{**person, "accredited": True}], proposed=over)) == []


def test_crowdfunding_limits_are_those_of_the_worked_cases(test_data: Path) -> None:
    rule = rule_book().rules["us.regcf"]
    (example,) = [each for each in json.loads((test_data / EXAMPLES).read_text("utf-8")) if each["id"] == "regcf-limits"]
    for case in example["cases"]:
        assert crowdfunding_limit(int(case["income"]) * 100, int(case["net_worth"]) * 100, rule) == int(case["limit"]) * 100
        person = american("x", accredited=False, annual_income_usd=case["income"], net_worth_usd=case["net_worth"])
        terms = {"portal": "a portal"}
        assert codes(ask(["us.regcf"], terms=terms, investors=[person], proposed=sale("x", amount=case["limit"]))) == []
        judgement = ask(["us.regcf"], terms=terms, investors=[person], proposed=sale("x", amount=f"{case['limit']}.01"))
        assert codes(judgement) == ["investor_limit"]
        # What the investor put into other issuers counts as well.
        assert codes(
            ask(["us.regcf"], terms=terms, investors=[{**person, "crowdfunding_12m_usd": "1"}], proposed=sale("x", amount=case["limit"]))
        ) == ["investor_limit"]


def test_regulation_s_is_for_others_than_us_persons() -> None:
    assert codes(ask(["us.regs"], investors=[{"id": "x", "country": "DE"}], proposed=sale("x"))) == []
    assert codes(ask(["us.regs"], investors=[american("x")], proposed=sale("x"))) == ["us_person"]
    assert codes(ask(["us.regs"], investors=[{"id": "x", "country": "PR"}], proposed=sale("x"))) == ["us_person"]
    assert codes(ask(["us.regs"], investors=[{"id": "x", "country": "DE", "us_person": True}], proposed=sale("x"))) == ["us_person"]


def test_beside_another_exemption_regulation_s_takes_the_others_and_leaves_the_americans() -> None:
    both = ["us.regd.506c", "us.regs"]
    assert codes(ask(both, investors=[{"id": "x", "country": "DE"}], proposed=sale("x"))) == []
    assert codes(ask(both, investors=[american("x", accredited=True)], proposed=sale("x"))) == ["accreditation_not_verified"]
    assert codes(ask(["us.regd.506c"], investors=[{"id": "x", "country": "DE", "accredited": True}], proposed=sale("x"))) == [
        "accreditation_not_verified"
    ]


@pytest.mark.parametrize(("others", "allowed"), [(148, True), (149, False)])
def test_in_a_member_state_149_others_are_offered_it_and_the_150th_is_one_too_many(others: int, *, allowed: bool) -> None:
    germans = [{"id": f"g{index}", "country": "DE"} for index in range(others)]
    french = [{"id": f"f{index}", "country": "FR"} for index in range(200)]
    professionals = [{"id": f"p{index}", "country": "DE", "professional": True} for index in range(200)]
    people = [*germans, *french, *professionals, {"id": "x", "country": "DE"}]
    judgement = ask(
        ["eu.prospectus.exempt_offer"],
        terms={"currency": "EUR"},
        investors=people,
        offerees=[each["id"] for each in people],
        proposed=sale("x"),
    )
    assert codes(judgement) == ([] if allowed else ["offerees_in_member_state"])


@pytest.mark.parametrize(
    ("investor", "terms", "amount", "allowed"),
    [
        ({}, {}, "99999.99", False),
        ({}, {}, "100000.00", True),
        ({"qualified": True}, {}, "10.00", True),
        ({"professional": True}, {}, "10.00", True),
        ({}, {"denomination": "100000"}, "10.00", True),
        ({}, {"denomination": "99999.99"}, "10.00", False),
    ],
)
def test_each_branch_of_the_exempt_offer_is_enough(investor: dict[str, Any], terms: dict[str, Any], amount: str, *, allowed: bool) -> None:
    many = [{"id": f"g{index}", "country": "DE"} for index in range(150)]
    judgement = ask(
        ["eu.prospectus.exempt_offer"],
        terms={"currency": "EUR", **terms},
        investors=[*many, {"id": "x", "country": "DE", **investor}],
        offerees=[each["id"] for each in many],
        proposed=sale("x", amount=amount),
    )
    assert (codes(judgement) == []) is allowed


def test_the_threshold_of_twelve_million_is_for_less_than_that_and_only_since_june_2026() -> None:
    def sells(amount: str, **more: Any) -> list[str]:
        terms = {"currency": "EUR", "raised_12m": "11000000", **more.pop("terms", {})}
        return codes(
            ask(
                ["eu.prospectus.threshold"],
                terms=terms,
                investors=[{"id": "x", "country": "IE"}],
                proposed=sale("x", amount=amount, **more),
            )
        )

    assert sells("999999.99") == []
    assert sells("1000000.00") == ["raised_in_twelve_months"]
    assert sells("10.00", at="2026-06-04") == ["rule_not_in_force"]
    assert sells("10.00", at="2026-06-05") == []
    assert sells("10.00", terms={"member_state_thresholds_eur": {"IE": "5000000"}}) == ["raised_in_twelve_months"]


def test_a_further_issue_stays_below_thirty_per_cent() -> None:
    def sells(quantity: int) -> list[str]:
        terms = {"currency": "EUR", "admitted": "1000"}
        return codes(ask(["eu.prospectus.secondary"], terms=terms, investors=[{"id": "x", "country": "FR"}], proposed=sale("x", quantity)))

    assert sells(299) == []
    assert sells(300) == ["secondary_issuance_too_large"]


def test_european_crowdfunding_warns_asks_for_consent_and_waits_four_days() -> None:
    def sells(amount: str, *, at: str = "2026-07-05", **investor: Any) -> list[str]:
        person = {"id": "x", "country": "ES", "net_worth_eur": "40000", **investor}
        return codes(
            ask(
                ["eu.ecspr"],
                terms={"currency": "EUR"},
                investors=[person],
                proposed=sale("x", amount=amount, at=at, offered_on="2026-07-01"),
            )
        )

    assert sells("2000.00") == []
    assert sells("2000.01") == ["warning_not_acknowledged"]
    assert sells("2000.01", consents={"eu.ecspr": "2026-07-01"}) == []
    assert sells("10.00", at="2026-07-04") == ["reflection_period"]
    assert sells("5000.00", at="2026-07-04", sophisticated=True) == []


@pytest.mark.parametrize(
    ("pack", "country", "currency", "persons", "small"),
    [
        ("uk.poatr", "GB", "GBP", 149, "5000000"),
        ("sg.small_or_private", "SG", "SGD", 50, "5000000"),
        ("ch.finsa36", "CH", "CHF", 499, "8000000"),
    ],
)
def test_in_britain_singapore_and_switzerland_any_branch_is_enough(
    pack: str, country: str, currency: str, persons: int, small: str
) -> None:
    def sells(others: int, *, raised: str = "0", **investor: Any) -> bool:
        people = [{"id": f"o{index}", "country": country} for index in range(others)]
        return not codes(
            ask(
                [pack],
                terms={"currency": currency, "raised_12m": raised},
                investors=[*people, {"id": "x", "country": country, **investor}],
                offerees=[each["id"] for each in people],
                proposed=sale("x", 1),
            )
        )

    assert sells(persons - 1, raised=small)
    assert not sells(persons, raised=small)
    assert sells(persons, raised=str(int(small) - 10))
    assert sells(persons, raised=small, institutional=True, professional=True)


def test_a_rule_is_asked_only_about_those_whom_its_law_protects() -> None:
    packs = ["us.regs", "eu.prospectus.exempt_offer"]
    japanese = ask(packs, investors=[{"id": "x", "country": "JP"}], proposed=sale("x"))
    assert codes(japanese) == []
    assert list(japanese.warnings) == []
    british = ask(packs, investors=[{"id": "x", "country": "GB"}], proposed=sale("x"))
    assert list(british.warnings) == ["The investor lives in GB, and no rule of UK is among the packs."]


def test_who_is_not_known_or_not_verified_does_not_buy() -> None:
    assert codes(ask(["us.regs"], proposed=sale("x"))) == ["investor_unknown"]
    person = {"id": "x", "country": "DE"}
    assert codes(ask(["us.regs"], investors=[{**person, "verified": False}], proposed=sale("x"))) == ["investor_not_verified"]
    assert codes(ask(["us.regs"], investors=[{**person, "verified_until": ON}], proposed=sale("x"))) == ["investor_not_verified"]
    assert codes(ask(["us.regs"], investors=[{**person, "verified_until": days_after(ON, 1)}], proposed=sale("x"))) == []


def test_the_first_sale_under_506b_tells_when_form_d_is_due() -> None:
    judgement = ask(["us.regd.506b"], investors=[american("x", accredited=True)], proposed=sale("x", at="2026-07-01"))
    assert judgement.warnings[0] == "This is the first sale: Form D is due by 2026-07-16 (17 CFR 230.503)."
    assert "bad actors" in judgement.warnings[1]
    checked = ask(["us.regd.506c"], terms={"bad_actor_checked_on": ON}, investors=[verified("x")], proposed=sale("x"))
    assert len(checked.warnings) == 1


@pytest.mark.parametrize("word", ["subscription", "issue"])
def test_a_subscription_is_a_sale_by_the_issuer(word: str) -> None:
    assert codes(ask(["us.regs"], investors=[american("x")], proposed={**sale("x"), "kind": word})) == ["us_person"]


@pytest.mark.parametrize(
    ("pack", "terms"), [("us.regcf", {"portal": "a portal"}), ("us.regd.504", {}), ("us.rega.tier2", {}), ("eu.ecspr", {"currency": "EUR"})]
)
def test_without_price_and_amount_no_limit_is_taken_to_hold(pack: str, terms: dict[str, Any]) -> None:
    person = {"id": "x", "country": "ES" if pack == "eu.ecspr" else "US", "annual_income_usd": "1", "net_worth_usd": "1"}
    judgement = ask([pack], terms={**terms, "price": None}, investors=[person], proposed=sale("x", 1_000_000))
    assert "fact_missing" in codes(judgement)
    assert facts_of_missing(judgement) == ["terms.price"]


def facts_of_missing(judgement: Any) -> list[str]:
    return sorted(
        {field for reason in judgement.decision.reasons if reason.code.endswith("fact_missing") for field in reason.facts["fields"]}
        & {"terms.price"}
    )


def test_an_entity_formed_for_the_offering_counts_by_its_owners() -> None:
    buyer = american("e", kind="entity", accredited=False, sophisticated=True, formed_for_offering=True, natural_owners=36)
    assert codes(ask(["us.regd.506b"], investors=[buyer], proposed=sale("e"))) == ["non_accredited_purchasers"]
    assert codes(ask(["us.regd.506b"], investors=[{**buyer, "natural_owners": 35}], proposed=sale("e"))) == []


def test_an_american_without_an_american_exemption_is_pointed_out() -> None:
    judgement = ask(["eu.prospectus.exempt_offer"], investors=[american("x")], proposed=sale("x"))
    assert any("15 USC 77e" in warning for warning in judgement.warnings)


def test_a_minimum_is_not_reached_by_rounding() -> None:
    many = [{"id": f"g{index}", "country": "DE"} for index in range(150)]
    judgement = ask(
        ["eu.prospectus.exempt_offer"],
        terms={"rates": {"EUR": "0.9"}},
        investors=[*many, {"id": "x", "country": "DE"}],
        offerees=[each["id"] for each in many],
        proposed=sale("x", amount="111111.11"),
    )
    assert codes(judgement) == ["offerees_in_member_state"]


def test_a_consent_of_tomorrow_does_not_count_today() -> None:
    person = {"id": "x", "country": "ES", "consents": {"eu.ecspr": "2099-01-01"}}
    proposed = sale("x", amount="5000.00", offered_on="2026-06-01")
    assert codes(ask(["eu.ecspr"], terms={"currency": "EUR"}, investors=[person], proposed=proposed)) == ["warning_not_acknowledged"]


# --- the exemption that a sale is made under -------------------------------------------------------------------------------------------

MANY = ["us.regd.506b", "us.regd.506c", "us.regs.category3", "eu.prospectus.exempt_offer", "sg.sfa"]
BUYERS = [
    verified("accredited"),
    american("simple", accredited=False, sophisticated=True),
    {"id": "german", "country": "DE"},
    {"id": "bank", "country": "DE", "qualified": True, "kind": "entity"},
    {"id": "singaporean", "country": "SG"},
]


def test_only_the_named_exemption_is_asked_in_its_jurisdiction() -> None:
    # Under Rule 506(b) the sale would hold; under the one that is named it does not.
    parts = {"investors": BUYERS, "terms": {"closed_on": ON}}
    assert codes(ask(MANY, proposed=sale("simple"), **parts)) == []
    refused = ask(MANY, proposed=sale("simple", exemption="us.regd.506c"), **parts)
    assert codes(refused) == ["not_accredited", "accreditation_not_verified"]
    assert codes(ask(MANY, proposed=sale("accredited", exemption="us.regs"), **parts)) == ["us_person"]
    # A foreigner may buy under a domestic exemption, and then has to be what it asks for.
    assert codes(ask(MANY, proposed=sale("bank", exemption="us.regd.506b"), **parts)) == ["not_sophisticated"]
    assert codes(ask(MANY, proposed=sale("bank", exemption="us.regs"), **parts)) == []


def test_other_jurisdictions_ask_as_ever_beside_a_named_exemption() -> None:
    parts = {"investors": BUYERS, "terms": {"closed_on": ON}}
    for exemption in (None, "us.regs", "eu.prospectus.exempt_offer"):
        named: dict[str, Any] = {} if exemption is None else {"exemption": exemption}
        assert (
            codes(ask(["us.regs", "eu.prospectus.threshold", "eu.prospectus.exempt_offer"], proposed=sale("bank", **named), **parts)) == []
        )
    american_only = ask(
        ["us.regd.506c", "eu.prospectus.exempt_offer"], proposed=sale("bank", exemption="eu.prospectus.exempt_offer"), **parts
    )
    assert codes(american_only) == ["not_accredited", "accreditation_not_verified"]


@pytest.mark.parametrize("exemption", ["us.regd.504", "us.rule144", "us.qib", "none such"])
def test_an_exemption_that_is_not_among_the_packs_is_refused_with_those_that_are(exemption: str) -> None:
    with pytest.raises(ExemptionNotChosen) as caught:
        ask(["us.regd.506c", "us.regs.category3"], investors=BUYERS, proposed=sale("accredited", exemption=exemption))
    assert caught.value.code == "compliance.exemption_not_chosen"
    assert caught.value.place == Place(field="proposed.exemption")
    assert "us.regd.506c, us.regs" in (caught.value.cure_sentence or "")


def test_only_a_sale_is_made_under_an_exemption() -> None:
    with pytest.raises(ProposalInvalid):
        ask(["us.regs"], investors=BUYERS, proposed={**transfer("german", "bank"), "exemption": "us.regs"})


@pytest.mark.parametrize(
    ("packs", "buyer", "exemption"),
    [
        (["us.regd.506c", "us.regs.category3"], "accredited", "us.regd.506c"),
        (["us.regd.506c", "us.regs.category3"], "german", "us.regs"),
        (["us.regd.506b", "us.regd.506c"], "simple", "us.regd.506b"),
        # Two hold, so neither tells itself.
        (["us.regd.506b", "us.regd.506c"], "accredited", None),
        # Two jurisdictions are asked: the American one decides over resales.
        (["us.regs.category3", "eu.prospectus.exempt_offer"], "bank", "us.regs"),
        (["eu.prospectus.exempt_offer"], "bank", "eu.prospectus.exempt_offer"),
        (["us.rule144"], "german", None),
    ],
)
def test_a_sale_that_holds_by_one_exemption_says_by_which(packs: list[str], buyer: str, exemption: str | None) -> None:
    judgement = ask(packs, investors=BUYERS, terms={"closed_on": ON}, proposed=sale(buyer))
    assert codes(judgement) == []
    assert judgement.as_json()["computed"] == ({} if exemption is None else {"exemption": exemption})


@given(
    packs=st.lists(st.sampled_from(sorted({*MANY, "us.regd.504", "us.rega.tier2", "us.regcf"})), min_size=1, unique=True),
    buyer=st.sampled_from([each["id"] for each in BUYERS]),
)
def test_to_name_the_exemption_that_was_found_changes_nothing(packs: list[str], buyer: str) -> None:
    parts: dict[str, Any] = {"investors": BUYERS, "terms": {"closed_on": ON}}
    found = ask(packs, proposed=sale(buyer), **parts)
    exemption = found.computed.get("exemption")
    assert exemption is None or not codes(found)
    if exemption is not None:
        assert ask(packs, proposed=sale(buyer, exemption=exemption), **parts) == found
