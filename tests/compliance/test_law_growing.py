# SPDX-License-Identifier: Apache-2.0
"""A case to which sales are added answers as one that had them from the beginning, whatever was asked of it before."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from muniment.compliance.model.law.book import rule_book
from muniment.compliance.model.law.case import Case, GrowingCase
from muniment.compliance.model.law.engine import judge
from muniment.compliance.model.law.facts import InvestorFacts, Lot, Method, PersonKind, Proposal, Sale, Terms, Verification

ON = dt.date(2026, 11, 2)
COUNTRIES = ("US", "US", "DE", "FR", "GB", "CH", "SG", "BR")
PACKS = (
    ("us.regd.506b",),
    ("us.regd.506c", "us.regs.category3"),
    ("us.regd.504", "us.12g"),
    ("us.rega.tier2", "us.12g"),
    ("us.regcf", "us.12g"),
    ("us.3c1", "us.regd.506b"),
    ("us.3c7", "us.144a"),
    ("eu.prospectus.exempt_offer", "eu.prospectus.threshold", "eu.ecspr", "uk.poatr", "ch.finsa36", "sg.small_or_private"),
)
EXEMPTIONS = (None, None, "us.regd.506b", "us.regs", "us.rega", "us.regcf")


def an_investor(chance: random.Random, name: str) -> InvestorFacts:
    return InvestorFacts(
        investor_id=name,
        kind=chance.choice((PersonKind.PERSON, PersonKind.PERSON, PersonKind.ENTITY)),
        country=chance.choice(COUNTRIES),
        accredited=chance.choice((True, False)),
        sophisticated=chance.random() < 0.7,
        verification=Verification(Method.LETTER, ON - dt.timedelta(days=chance.randrange(120))),
        household=chance.choice((None, None, "h1", "h2")),
        professional=chance.choice((True, False)),
        qualified_purchaser=chance.choice((True, True, False)),
        compensation_plan=chance.random() < 0.1,
        investment_company=chance.random() < 0.3,
        beneficial_owners=chance.choice((None, 3, 40)),
        institutional=chance.random() < 0.1,
        net_worth_usd=chance.randrange(10**8),
        annual_income_usd=chance.randrange(10**8),
    )


def a_case(chance: random.Random) -> Case:
    investors = {name: an_investor(chance, name) for name in (f"i{number}" for number in range(60))}
    lots: dict[str, tuple[Lot, ...]] = {}
    sales: list[Sale] = []
    amount = chance.choice((None, 700_00))
    for name in list(investors)[: chance.randrange(0, 50)]:
        bought = sorted(chance.randrange(1, 500) for _ in range(chance.randrange(1, 3)))
        found = [
            Lot(name, chance.randrange(0, 5000), ON - dt.timedelta(days=age), exemption=chance.choice(EXEMPTIONS)) for age in bought[::-1]
        ]
        lots[name] = tuple(found)
        sales += [Sale(name, lot.acquired_on, lot.quantity, amount, lot.exemption) for lot in found]
    terms = Terms(
        price_minor=chance.choice((None, None, 1000, 100_000)),
        rates=chance.choice(({}, {"EUR": 92_000_000, "GBP": 79_000_000, "CHF": 88_000_000, "SGD": 135_000_000})),
        closed_on=chance.choice((None, ON - dt.timedelta(days=30))),
        rega_tier=2,
        portal="a portal",
        transfer_agent_registered=chance.random() < 0.5,
        total_assets_usd=chance.choice((None, 20_000_000_00)),
        public_float_usd=chance.choice((None, 1_00)),
        foreign_private_issuer=chance.random() < 0.2,
        outstanding=chance.choice((None, 100_000)),
    )
    return Case(
        selection=rule_book().select(chance.choice(PACKS)),
        terms=terms,
        investors=investors,
        lots=lots,
        sales=sales,
        offerees=frozenset(chance.sample(sorted(investors), 5)),
    )


def a_proposal(chance: random.Random, case: Case) -> Proposal:
    sender, receiver = (f"i{chance.randrange(60)}" for _ in range(2))
    kind = chance.choice(("sale", "sale", "transfer", "snapshot"))
    return Proposal(
        kind,
        ON,
        sender=sender if kind == "transfer" else None,
        receiver=receiver,
        quantity=chance.randrange(1, max(2, case.position(sender) + 1)) if kind == "transfer" else chance.randrange(1, 20_000),
        offered_on=dt.date.min,
    )


SINCE = ON - dt.timedelta(days=200)
ANSWERS: dict[str, Callable[[Case], object]] = {
    "holders": lambda case: set(case.holders),
    "counted": lambda case: set(case.counted_holders),
    "not accredited": lambda case: case.non_accredited_holders,
    "American": lambda case: case.us_holders,
    "owners": lambda case: case.beneficial_owners,
    "unknown owners": lambda case: case.funds_of_unknown_owners,
    "without a price": lambda case: case.lacks_price,
    "total": lambda case: case.total,
    "only under": lambda case: [case.holders_only_under(frozenset(each)) for each in ({"us.rega"}, {"us.regcf", "us.rega"})],
    "under": lambda case: [(each, case.sales_under(each).total(), case.sales_under(each).quantity(SINCE, ON)) for each in EXEMPTIONS[2:]],
    "others under": lambda case: [case.non_accredited_sales_under(each).amount(SINCE, ON) for each in EXEMPTIONS[2:]],
    "all": lambda case: (case.all_sales.amount(SINCE, ON), case.all_sales.quantity(ON, ON), case.all_sales.total()),
    "raised": lambda case: [case.raised_in(frozenset({each}), on=ON) for each in COUNTRIES],
    "offered since": lambda case: [case.offered_since(each, SINCE, besides="i1") for each in COUNTRIES],
    "offered": lambda case: [case.offered_in(each, besides="i1") for each in COUNTRIES],
    "unqualified": lambda case: [case.unqualified_in(each, besides="i1") for each in COUNTRIES],
    "windows": lambda case: {
        frozenset(each) for each in case.purchasers_in_windows("us.regd.506b", ON, 90, lambda sale: [sale.investor_id])
    },
    "bought": lambda case: [case.bought_by(f"i{number}", "us.rega", after=SINCE, until=ON) for number in range(60)],
}
"""Everything that a case knows of its sales and holders."""


@pytest.mark.parametrize("seed", range(150))
def test_a_case_that_grew_answers_as_one_that_was_whole(seed: int) -> None:
    chance = random.Random(seed)
    before = a_case(chance)
    growing, sales = GrowingCase.of(before), list(before.sales)
    lots, terms = dict(before.lots), before.terms
    held = {name: before.position(name) for name in before.investors}
    for _ in range(12):
        # What was asked so far decides which indexes exist.
        for _ in range(chance.randrange(3)):
            judge(growing, a_proposal(chance, growing))
            ANSWERS[chance.choice(list(ANSWERS))](growing)
        on = ON - dt.timedelta(days=chance.choice((0, 0, 3)))
        sale = Sale(f"i{chance.randrange(60)}", on, chance.randrange(1, 3000), chance.choice((None, 5_000_00)), chance.choice(EXEMPTIONS))
        growing.add(sale)
        sales.append(sale)
        lots[sale.investor_id] = (*lots.get(sale.investor_id, ()), Lot(sale.investor_id, sale.quantity, on, exemption=sale.exemption))
        if terms.outstanding is not None:
            terms = replace(terms, outstanding=terms.outstanding + sale.quantity)
        whole = Case(before.selection, terms, before.investors, lots, sales, offerees=before.offerees)
        for name in chance.sample(list(ANSWERS), 6):
            assert ANSWERS[name](growing) == ANSWERS[name](whole), (seed, name)
        for _ in range(2):
            proposal = a_proposal(chance, whole)
            assert judge(growing, proposal) == judge(whole, proposal), (seed, proposal)
    # The case that it was made of stays as it was.
    assert {name: before.position(name) for name in before.investors} == held
