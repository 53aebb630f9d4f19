# SPDX-License-Identifier: Apache-2.0
"""How long does the law take over a register of 100,000 holders? Goals: one check with 20 rules in 1 ms (median), what-if in 5 seconds.

A made-up register, the same for each seed. The peers answer one transfer at a time in a contract and have no such question over a whole
register, so there is no ratio. `read_seconds` is what indexing the register costs once.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import random
import statistics
import time

from muniment.compliance.model.law.book import rule_book
from muniment.compliance.model.law.case import Case
from muniment.compliance.model.law.engine import judge
from muniment.compliance.model.law.facts import InvestorFacts, Lot, Method, PersonKind, Proposal, Sale, TaxFacts, Terms, Verification
from muniment.compliance.model.law.what_if import what_if

GOAL_CHECK_MILLISECONDS = 1.0
GOAL_WHAT_IF_SECONDS = 5.0
PACKS = (
    *("us.regd.506b", "us.regd.506c", "us.regd.504", "us.rega.tier2", "us.regcf", "us.regs.category3", "us.144a", "us.3c1", "us.3c7"),
    *("us.tax.withholding", "eu.prospectus.exempt_offer", "eu.prospectus.threshold", "eu.ecspr", "eu.dlt_pilot", "uk.poatr"),
    *("ch.finsa36", "sg.small_or_private"),
)
ON = dt.date(2026, 11, 2)
COUNTRIES = ("US", "US", "US", "DE", "FR", "GB", "CH", "SG", "JP", "BR")


def a_register(holders: int, *, seed: int) -> Case:
    """Return a case with so many holders of one to three lots each."""
    chance = random.Random(seed)
    investors: dict[str, InvestorFacts] = {}
    lots: dict[str, tuple[Lot, ...]] = {}
    sales: list[Sale] = []
    for number in range(holders):
        investor_id = f"i{number}"
        country = COUNTRIES[number % len(COUNTRIES)]
        accredited = chance.random() < 0.999
        investors[investor_id] = InvestorFacts(
            investor_id=investor_id,
            kind=PersonKind.PERSON if chance.random() < 0.8 else PersonKind.ENTITY,
            country=country,
            accredited=accredited,
            sophisticated=True,
            verification=Verification(Method.LETTER, ON - dt.timedelta(days=chance.randrange(200))),
            professional=chance.random() < 0.5,
            qualified_purchaser=chance.random() < 0.9,
            net_worth_usd=chance.randrange(10**9),
            annual_income_usd=chance.randrange(10**8),
            investments_usd=chance.randrange(10**9),
            tax=TaxFacts(form="W-8BEN", has_tin=True, treaty_rate_bps=1500),
        )
        days = sorted(chance.randrange(1, 900) for _ in range(chance.randrange(1, 4)))
        found = [Lot(investor_id, chance.randrange(1, 1000), ON - dt.timedelta(days=age)) for age in reversed(days)]
        lots[investor_id] = tuple(found)
        sales += [Sale(investor_id, lot.acquired_on, lot.quantity) for lot in found]
    terms = Terms(price_minor=1000, closed_on=ON - dt.timedelta(days=100), portal="a portal", rates={"EUR": 92_000_000, "GBP": 79_000_000})
    return Case(selection=rule_book().select(PACKS), terms=terms, investors=investors, lots=lots, sales=sales)


def measure(holders: int, checks: int, *, seed: int) -> dict[str, object]:
    """Time single checks of sales and transfers, and one what-if."""
    case = a_register(holders, seed=seed)
    chance = random.Random(seed + 1)
    proposals = []
    for _ in range(checks):
        sender, receiver = (f"i{chance.randrange(holders)}" for _ in range(2))
        kind = chance.choice(("sale", "transfer"))
        proposals.append(
            Proposal(kind, ON, sender=sender if kind == "transfer" else None, receiver=receiver, quantity=chance.randrange(1, 100))
        )
    began = time.perf_counter()
    judge(case, proposals[0])
    read_seconds = time.perf_counter() - began
    durations = []
    refused = 0
    for proposal in proposals:
        began = time.perf_counter_ns()
        judgement = judge(case, proposal)
        durations.append((time.perf_counter_ns() - began) / 1e6)
        refused += not judgement.as_json()["allowed"]
    began = time.perf_counter()
    outcome = what_if(a_register(holders, seed=seed), on=ON) if checks == 0 else what_if(case, on=ON)
    what_if_seconds = time.perf_counter() - began
    ordered = sorted(durations)
    return {
        "bench": "compliance",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "holders": holders,
        "rules": len(case.selection.rules),
        "check_milliseconds": {
            "median": round(statistics.median(durations), 4),
            "p99": round(ordered[len(ordered) * 99 // 100], 4),
            "goal": GOAL_CHECK_MILLISECONDS,
            "refused": refused,
            "checks": checks,
        },
        "read_seconds": round(read_seconds, 3),
        "what_if_seconds": {"measured": round(what_if_seconds, 3), "goal": GOAL_WHAT_IF_SECONDS, "breaking": len(outcome.breaking)},
    }


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    arguments.add_argument("--holders", type=int, default=100_000)
    arguments.add_argument("--checks", type=int, default=2_000)
    arguments.add_argument("--seed", type=int, default=7)
    given = arguments.parse_args()
    figures = measure(given.holders, given.checks, seed=given.seed)
    print(json.dumps(figures) if given.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
