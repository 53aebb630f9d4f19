# SPDX-License-Identifier: Apache-2.0
"""Resales: Rule 144's holding periods and volumes, Regulation S's distribution period, and the locks of other exemptions."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.compliance.model.law.book import rule_book
from muniment.compliance.model.law.calendar import add_months
from muniment.compliance.model.law.case import Case
from muniment.compliance.model.law.case_file import read_case
from muniment.compliance.model.law.engine import Judgement
from muniment.compliance.model.law.facts import Lot, Terms
from muniment.compliance.model.law.resales import ResaleLocks, distribution_period_ends, earliest_resale, pick_lots, volume_limit
from tests.compliance.law import a_case, american, ask, codes, days_after, facts, transfer

EXAMPLES = "corporate_actions/examples.json"
SELLER, BUYER = american("seller", accredited=True), american("buyer")


def example(test_data: Path, example_id: str) -> dict[str, Any]:
    (found,) = [each for each in json.loads((test_data / EXAMPLES).read_text("utf-8")) if each["id"] == example_id]
    return dict(found)


def lot(quantity: int = 100, *, on: str = "2026-01-15", investor: str = "seller", **more: Any) -> dict[str, Any]:
    return {"investor": investor, "quantity": str(quantity), "acquired_at": on, **more}


def resells(at: str, *, packs: tuple[str, ...] = ("us.regd.506c",), seller: dict[str, Any] | None = None, **parts: Any) -> list[str]:
    parts = {"register": [lot()], "investors": [seller or SELLER, BUYER], **parts}
    return codes(ask(packs, proposed=transfer("seller", "buyer", parts.pop("quantity", 100), at=at), **parts))


def test_holding_periods_are_those_of_the_worked_cases(test_data: Path) -> None:
    rule = rule_book().rules["us.rule144"]
    for case in example(test_data, "r144-dates")["cases"]:
        acquired, free = case["acquired"], case["earliest_resale"]
        terms = Terms(issuer_reporting=case["issuer_reporting"])
        assert earliest_resale(Lot("seller", 1, dt.date.fromisoformat(acquired)), terms, rule, dt.date(2026, 12, 1)).isoformat() == free
        parts: dict[str, Any] = {
            "register": [lot(on=acquired)],
            "seller": {**SELLER, "affiliate": case["affiliate"]},
            "terms": {"issuer_reporting": case["issuer_reporting"], "outstanding": "1000000"},
        }
        assert resells(days_after(free, -1), **parts) == ["holding_period"]
        assert resells(free, **parts) == []
        if "free_of_current_info" in case:
            uninformed: dict[str, Any] = {**parts, "terms": {**parts["terms"], "current_public_information": False}}
            assert resells(days_after(case["free_of_current_info"], -1), **uninformed) == ["no_current_information"]
            assert resells(case["free_of_current_info"], **uninformed) == []


def test_volumes_are_those_of_the_worked_cases(test_data: Path) -> None:
    rule = rule_book().rules["us.rule144"]
    for case in example(test_data, "r144-volume")["cases"]:
        limit, sold = int(case["limit"]), int(case["sold_3m"])
        terms = {"issuer_reporting": True, "outstanding": case["outstanding"], "average_weekly_volume": case["awtv"]}
        read, _ = read_case(a_case(["us.regd.506c"], terms=terms))
        assert volume_limit(read, rule) - sold == limit
        parts: dict[str, Any] = {
            "register": [lot(10_000_000, on="2025-01-15")],
            "seller": {**SELLER, "affiliate": True},
            "terms": terms,
            "resales": [{"investor": "y", "seller": "seller", "at": "2026-05-01", "quantity": str(sold)}] if sold else [],
        }
        assert resells("2026-07-01", quantity=limit, **parts) == []
        assert resells("2026-07-01", quantity=limit + 1, **parts) == ["affiliate_volume"]
        # Three months later the earlier sale no longer counts.
        assert resells("2026-08-01", quantity=limit + sold, **parts) == []


def test_an_affiliate_of_yesterday_is_one_for_three_months() -> None:
    parts = {"register": [lot(on="2025-01-01", quantity=1000)], "terms": {"outstanding": "1000", "issuer_reporting": True}}
    seller = {**SELLER, "affiliate_until": "2026-04-15"}
    assert resells("2026-07-14", seller=seller, quantity=11, **parts) == ["affiliate_volume"]
    assert resells("2026-07-15", seller=seller, quantity=11, **parts) == []


def test_an_issuer_that_reports_for_less_than_90_days_does_not_count_as_reporting() -> None:
    parts = {"terms": {"issuer_reporting": True, "reporting_since": "2026-05-01"}}
    assert resells("2026-07-29", **parts) == ["holding_period"]
    assert resells("2026-07-30", **parts) == []


def test_a_former_shell_waits_a_year_after_its_form_10() -> None:
    parts = {"terms": {"issuer_reporting": True, "shell_form10_filed_on": "2026-03-01"}}
    assert resells("2027-02-28", **parts) == ["holding_period"]
    assert resells("2027-03-01", **parts) == []


def test_debt_is_sold_by_a_tenth_of_its_tranche() -> None:
    parts = {"terms": {"kind": "debt", "outstanding": "1000", "issuer_reporting": True}, "register": [lot(1000, on="2025-01-01")]}
    seller = {**SELLER, "affiliate": True}
    assert resells("2026-07-01", seller=seller, quantity=100, **parts) == []
    assert resells("2026-07-01", seller=seller, quantity=101, **parts) == ["affiliate_volume"]


def test_the_oldest_lots_go_first_and_a_refusal_says_how_many_are_free() -> None:
    lots = [lot(60, on="2026-03-01"), lot(40, on="2025-01-01")]
    assert resells("2026-07-01", register=lots, quantity=40) == []
    judgement = ask(["us.regd.506c"], register=lots, investors=[SELLER, BUYER], proposed=transfer("seller", "buyer", 41, at="2026-07-01"))
    assert codes(judgement) == ["holding_period"]
    found = facts(judgement, "holding_period")
    assert (found["free"], found["locked"], found["earliest_resale"]) == ("40", "1", "2027-03-01")


def test_the_time_of_an_earlier_holder_is_tacked_on_and_a_gift_is_no_sale() -> None:
    assert resells("2026-07-01", register=[lot(on="2026-06-01", holding_since="2025-06-01")]) == []
    proposed = transfer("seller", "buyer", at="2026-02-01", how="gift")
    assert codes(ask(["us.regd.506c"], register=[lot()], investors=[SELLER, BUYER], proposed=proposed)) == []
    back = transfer("seller", "issuer", at="2026-02-01")
    assert codes(ask(["us.regd.506c"], register=[lot()], investors=[SELLER], proposed=back)) == []


def test_a_qualified_institutional_buyer_takes_restricted_shares_at_once_under_144a() -> None:
    buyer = american("buyer", kind="entity", discretionary_securities_usd="100000000")
    parts: dict[str, Any] = {"register": [lot()], "proposed": transfer("seller", "buyer", at="2026-02-01")}
    packs = ["us.regd.506c", "us.144a"]
    assert codes(ask(packs, investors=[SELLER, buyer], **parts)) == []
    smaller = {**buyer, "discretionary_securities_usd": "99999999.99"}
    assert codes(ask(packs, investors=[SELLER, smaller], **parts)) == ["holding_period"]
    # Not where the same class is listed.
    assert codes(ask(packs, investors=[SELLER, buyer], terms={"is_listed": True}, **parts)) == ["holding_period"]


@pytest.mark.parametrize(
    ("terms", "last"),
    [
        ({"regs_category": 2}, "2026-03-13"),
        ({"regs_category": 3, "kind": "debt"}, "2026-03-13"),
        ({"regs_category": 3, "issuer_reporting": True}, "2026-08-01"),
        ({"regs_category": 3}, "2027-02-01"),
    ],
)
def test_regulation_s_shares_stay_abroad_through_the_last_day_of_the_period(terms: dict[str, Any], last: str) -> None:
    # It begins with the later of first offer and closing: day 40 after it is refused, day 41 allowed.
    parts: dict[str, Any] = {
        "packs": ("us.regs",),
        "terms": {**terms, "issuer_country": "FR", "first_offered_on": "2026-01-01", "closed_on": "2026-02-01"},
        "register": [lot(on="2026-02-01")],
        "seller": {"id": "seller", "country": "FR"},
    }
    assert resells(last, **parts) == ["flowback"]
    assert resells(days_after(last, 1), **parts) == []
    abroad: dict[str, Any] = {**parts, "investors": [{"id": "seller", "country": "FR"}, {"id": "buyer", "country": "JP"}]}
    assert resells("2026-02-02", **abroad) == []


def test_distribution_periods_are_those_of_the_worked_cases(test_data: Path) -> None:
    rule, closed = rule_book().rules["us.regs"], dt.date(2026, 2, 1)
    for case in example(test_data, "regs-lockup")["cases"]:
        terms = Terms(
            kind=case.get("instrument", "equity"),
            issuer_reporting=case.get("issuer_reporting", False),
            regs_category=case["category"],
            closed_on=closed,
        )
        last = add_months(closed, case["months"]) if "months" in case else closed + dt.timedelta(days=case["days"])
        expected = closed if case.get("days") == 0 else last + dt.timedelta(days=1)
        assert distribution_period_ends(terms, rule) == expected


def test_without_a_closing_nobody_knows_when_the_period_ends() -> None:
    parts: dict[str, Any] = {"packs": ("us.regs",), "terms": {"regs_category": 2}, "seller": {"id": "seller", "country": "FR"}}
    assert resells("2030-01-01", **parts) == ["fact_missing"]


@pytest.mark.parametrize(
    ("terms", "category"),
    [
        ({"issuer_country": "FR", "substantial_us_market_interest": False}, 1),
        ({"issuer_country": "FR", "issuer_reporting": True}, 2),
        ({"issuer_country": "FR", "kind": "debt"}, 2),
        ({"issuer_country": "US", "kind": "debt", "issuer_reporting": True}, 2),
        ({"issuer_country": "US"}, 3),
        ({"issuer_country": "US", "kind": "debt"}, 3),
        ({"issuer_country": "FR"}, 3),
    ],
)
def test_the_category_follows_from_issuer_and_instrument(terms: dict[str, Any], category: int) -> None:
    proposed = transfer("seller", "buyer", at="2026-02-02")
    judgement = ask(
        ["us.regs"],
        terms={"closed_on": "2026-02-01", **terms},
        investors=[{"id": "seller", "country": "FR"}, BUYER],
        register=[lot()],
        proposed=proposed,
    )
    assert (codes(judgement) == []) is (category == 1)
    if category != 1:
        assert facts(judgement, "flowback")["category"] == category


def test_domestic_equity_sold_abroad_stays_restricted_when_it_comes_home() -> None:
    parts: dict[str, Any] = {
        "packs": ("us.regd.506c", "us.regs"),
        "terms": {"closed_on": "2026-01-15", "issuer_reporting": True, "regs_category": 2},
        "seller": {"id": "seller", "country": "FR"},
    }
    assert resells("2026-03-01", **parts) == ["holding_period"]
    assert resells("2026-07-15", **parts) == []


def test_crowdfunded_shares_are_locked_for_a_year_but_for_accredited_buyers() -> None:
    parts: dict[str, Any] = {"packs": ("us.regcf",), "terms": {"portal": "a portal"}, "seller": american("seller", accredited=False)}
    assert resells("2027-01-14", **parts) == ["resale_lock"]
    assert resells("2027-01-15", **parts) == []
    assert resells("2026-02-01", investors=[parts["seller"], american("buyer", accredited=True)], **parts) == []


def test_shares_of_a_small_offer_in_singapore_are_locked_for_six_months() -> None:
    parts: dict[str, Any] = {
        "packs": ("sg.sfa",),
        "register": [lot(exemption="sg.sfa")],
        "investors": [{"id": "seller", "country": "SG"}, {"id": "buyer", "country": "SG"}],
    }
    assert resells("2026-07-14", **parts) == ["resale_lock"]
    assert resells("2026-07-15", **parts) == []
    rich = {"id": "buyer", "country": "SG", "net_personal_assets_sgd": "2000000.01"}
    to_rich: dict[str, Any] = {**parts, "investors": [parts["investors"][0], rich]}
    assert resells("2026-02-01", **to_rich) == []


def test_a_large_resale_of_an_affiliate_warns_of_form_144() -> None:
    def warnings(quantity: int) -> tuple[str, ...]:
        return ask(
            ["us.regd.506c"],
            terms={"issuer_reporting": True, "outstanding": "10000000", "price": "1.00"},
            investors=[{**SELLER, "affiliate": True}, BUYER],
            register=[lot(10_000, on="2025-01-01"), lot(1, on="2025-01-01", investor="buyer")],
            proposed=transfer("seller", "buyer", quantity, at="2026-07-01"),
        ).warnings

    assert warnings(5000) == ()
    assert any("Form 144" in warning for warning in warnings(5001))


def test_nobody_transfers_what_is_not_held() -> None:
    assert resells("2027-01-15", quantity=101) == ["insufficient_holding"]
    assert codes(ask(["us.regd.506c"], investors=[SELLER], proposed=transfer("seller", "nobody"))) == ["investor_unknown"]


LOTS = st.lists(st.tuples(st.integers(1, 1000), st.dates(dt.date(2020, 1, 1), dt.date(2026, 1, 1))), max_size=8)


@given(LOTS, st.integers(0, 5000))
def test_picked_lots_add_up_and_keep_their_days(lots: list[tuple[int, dt.date]], quantity: int) -> None:
    held = [Lot("x", shares, day) for shares, day in sorted(lots, key=lambda each: each[1])]
    picked = pick_lots(held, quantity)
    assert sum(each.quantity for each in picked) == min(quantity, sum(each.quantity for each in held))
    assert [each.acquired_on for each in picked] == [each.acquired_on for each in held[: len(picked)]]
    assert all(before.quantity == whole.quantity for before, whole in zip(picked[:-1], held, strict=False))


@given(st.dates(dt.date(1990, 1, 1), dt.date(2080, 1, 1)), st.integers(-60, 60))
def test_months_are_added_on_the_calendar(day: dt.date, months: int) -> None:
    then = add_months(day, months)
    assert (then.year * 12 + then.month) - (day.year * 12 + day.month) == months
    assert then.day == day.day or (then.day < day.day and (then + dt.timedelta(days=1)).day == 1)


def test_a_case_of_facts_needs_no_file() -> None:
    selection = rule_book().select(["us.regs"])
    case = Case(selection=selection, terms=Terms(), investors={}, lots={"x": (Lot("x", 5, dt.date(2026, 1, 1)),)})
    assert (case.position("x"), case.total, case.holders) == (5, 5, frozenset({"x"}))


def test_shares_of_unknown_origin_count_as_restricted() -> None:
    assert resells("2026-07-01", packs=("us.rule144",)) == ["holding_period"]
    assert resells("2026-07-01", packs=("us.144a",)) == ["holding_period"]
    retail = [{"id": "seller", "country": "SG"}, {"id": "buyer", "country": "SG"}]
    assert resells("2026-07-01", packs=("sg.small_or_private",), investors=retail) == ["resale_lock"]


def test_what_may_be_transferred_now_is_what_lies_before_the_first_locked_lot() -> None:
    lots = [lot(100, on="2026-05-01"), lot(50, on="2026-06-01", holding_since="2024-01-01")]
    judgement = ask(["us.regd.506c"], register=lots, investors=[SELLER, BUYER], proposed=transfer("seller", "buyer", 50, at="2026-07-01"))
    assert facts(judgement, "holding_period")["free"] == "0"


def test_an_issuer_that_will_have_reported_long_enough_frees_the_shares_sooner() -> None:
    terms = {"issuer_reporting": True, "reporting_since": "2026-06-01"}
    judgement = ask(
        ["us.regd.506c"],
        terms=terms,
        register=[lot(on="2026-01-01")],
        investors=[SELLER, BUYER],
        proposed=transfer("seller", "buyer", at="2026-07-05"),
    )
    assert facts(judgement, "holding_period")["earliest_resale"] == "2026-08-30"
    assert resells("2026-08-30", terms=terms, register=[lot(on="2026-01-01")]) == []


def test_an_offer_that_has_not_closed_has_no_period_that_is_over() -> None:
    parts: dict[str, Any] = {
        "packs": ("us.regs.category2",),
        "terms": {"issuer_country": "FR", "first_offered_on": "2026-01-01"},
        "seller": {"id": "seller", "country": "FR"},
    }
    assert resells("2026-12-01", **parts) == ["fact_missing"]


def test_a_crowdfunded_share_is_not_given_to_a_stranger_but_to_family_and_its_year_is_the_issues() -> None:
    parts: dict[str, Any] = {"investors": [american("seller"), american("buyer")], "terms": {"portal": "a portal"}}
    for how in ("gift", "family", "estate"):
        proposed = transfer("seller", "buyer", at="2026-02-01", how=how)
        assert codes(ask(["us.regcf"], register=[lot()], proposed=proposed, **parts)) == (["resale_lock"] if how == "gift" else [])
    passed_on = lot(on="2026-06-01", holding_since="2025-01-01")
    assert codes(ask(["us.regcf"], register=[passed_on], proposed=transfer("seller", "buyer"), **parts)) == []


def test_a_resale_among_the_sales_counts_against_the_affiliate() -> None:
    sold = [{"investor": "buyer", "seller": "seller", "at": "2026-06-15", "quantity": "100"}]
    terms = {"issuer_reporting": True, "outstanding": "10000"}
    parts: dict[str, Any] = {"terms": terms, "register": [lot(1000, on="2025-01-01")], "seller": {**SELLER, "affiliate": True}}
    assert resells("2026-07-01", sales=sold, quantity=60, **parts) == ["affiliate_volume"]
    assert resells("2026-07-01", sales=[], quantity=60, **parts) == []


def test_relatives_of_one_home_and_those_who_sell_together_have_one_volume() -> None:
    terms = {"issuer_reporting": True, "outstanding": "10000"}
    seller = {**SELLER, "affiliate": True, "household": "h"}
    others = [
        american("spouse", household="h"),
        american("trust", kind="trust", sells_with="family"),
        american("lodger"),
        american("company", kind="entity", household="h"),
    ]

    def sells(who: str, before: int, quantity: int, **more: Any) -> list[str]:
        sold = [{"investor": "buyer", "seller": who, "at": "2026-06-15", "quantity": str(before)}]
        proposed = transfer("seller", "buyer", quantity, at="2026-07-01")
        parts: dict[str, Any] = {"terms": terms, "register": [lot(1000, on="2025-01-01")], "resales": sold, "proposed": proposed}
        return codes(ask(["us.regd.506c"], investors=[{**seller, **more}, *others, BUYER], **parts))

    assert sells("spouse", 60, 40) == []
    assert sells("spouse", 60, 41) == ["affiliate_volume"]
    assert sells("trust", 60, 41) == []
    assert sells("trust", 60, 41, sells_with="family") == ["affiliate_volume"]
    assert sells("lodger", 60, 41) == []
    # A home is natural persons'; a company there counts where somebody says that it sells with them.
    assert sells("company", 60, 41) == []


def test_rule_144a_wants_the_right_to_information_of_an_issuer_that_does_not_report() -> None:
    buyer = american("buyer", kind="entity", discretionary_securities_usd="100000000")

    def resold(**terms: Any) -> Judgement:
        proposed = transfer("seller", "buyer", at="2026-02-01")
        return ask(["us.regd.506c", "us.144a"], investors=[SELLER, buyer], register=[lot()], terms=terms, proposed=proposed)

    unsaid = resold()
    assert codes(unsaid) == []
    assert [warning for warning in unsaid.warnings if "144A(d)(4)" in warning]
    for terms in ({"information_right_144a": True}, {"issuer_reporting": True}):
        judgement = resold(**terms)
        assert (codes(judgement), [warning for warning in judgement.warnings if "144A" in warning]) == ([], [])
    assert codes(resold(information_right_144a=False)) == ["holding_period"]


# --- the day that is shown beside a lot ------------------------------------------------------------------------------------------------

LOCKED = {"holding_period", "resale_lock"}
SOLD_UNDER = st.sampled_from([None, "us.regd.506c", "us.regcf", "us.regs", "sg.sfa"])


@given(
    packs=st.lists(st.sampled_from(["us.regd.506c", "us.regcf", "us.regs.category3", "sg.sfa"]), min_size=1, unique=True),
    exemption=SOLD_UNDER,
    held_since=st.dates(dt.date(2025, 1, 1), dt.date(2026, 12, 31)),
    on=st.dates(dt.date(2026, 1, 1), dt.date(2027, 6, 30)),
    reports=st.booleans(),
)
def test_the_first_day_of_resale_is_the_first_on_which_the_law_lets_a_stranger_buy(
    packs: list[str], exemption: str | None, held_since: dt.date, on: dt.date, *, reports: bool
) -> None:
    parts: dict[str, Any] = {
        "terms": {"issuer_reporting": reports, "closed_on": "2026-02-01"},
        "investors": [{"id": "seller", "country": "DE"}, BUYER],
        "register": [lot(on=held_since.isoformat(), exemption=exemption)],
    }
    case, _ = read_case(a_case(packs, **parts))
    locks = ResaleLocks(case, on)
    (held,) = case.lots["seller"]
    first, to_americans = locks.first_day(held), locks.first_day_to_americans(held)

    def against(day: dt.date) -> set[str]:
        return set(codes(ask(packs, proposed=transfer("seller", "buyer", at=day.isoformat()), **parts)))

    assert first >= on
    assert not against(first) & LOCKED
    assert first == on or against(first - dt.timedelta(days=1)) & LOCKED
    assert locks.of("seller").quantity == (held.quantity if first > on else 0)
    # The buyer is an American: the flowback ends on its own day, which is shown where it is the later one.
    assert "flowback" not in against(to_americans or first)
    assert to_americans is None or "flowback" in against(to_americans - dt.timedelta(days=1))
