# SPDX-License-Identifier: Apache-2.0
"""What of chosen packs the token's own contract can enforce, as rules of a rule set. The rest is judged before anything is signed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from muniment.compliance.model.law.book import LawRule, Selection, rule_book
from muniment.compliance.model.law.case import US_SALE_EXEMPTIONS
from muniment.compliance.model.law.facts import UNITED_STATES, Terms
from muniment.compliance.model.law.investors import CENTS
from muniment.compliance.model.law.resales import distribution_period_ends, regs_category
from muniment.compliance.model.rules import CITATION_CHARACTERS_MAX, CountryAllowed, CountryBlocked, HolderCap, Rule


def chain_rules(selection: Selection, terms: Terms, *, on: dt.date) -> tuple[Rule, ...]:
    """Return the rules that follow from packs on a day: a cap on holders, and no American receivers while Regulation S alone covers them.

    A cap counts every holder, so it can stop one whom the law leaves out of its count (an employee's plan, a knowledgeable employee);
    it never lets in one too many.
    """
    found: list[Rule] = []
    caps = [(limit, rule) for rule in selection.rules if (limit := _holders_max(rule, terms)) is not None]
    if caps:
        limit, rule = min(caps, key=lambda cap: cap[0])
        found.append(HolderCap(rule.rule_id, _cited(rule), limit))
    offshore_only = selection.has("us.regs") and not any(selection.has(rule_id) for rule_id in US_SALE_EXEMPTIONS)
    if offshore_only and regs_category(terms) != 1:
        rule = rule_book().rules["us.regs"]
        ends = distribution_period_ends(terms, rule)
        if ends is None or on < ends:
            found.append(CountryBlocked(rule.rule_id, _cited(rule), tuple(sorted(UNITED_STATES))))
    return tuple(found)


def _holders_max(rule: LawRule, terms: Terms) -> int | None:
    params = rule.params
    match rule.rule_id:
        case "us.12g":
            small = terms.total_assets_usd is not None and terms.total_assets_usd <= params["total_assets_usd_gt"] * CENTS
            return None if small else int(params["holders_of_record_ge"]) - 1
        case "us.3c1":
            small = terms.fund_capital_usd is not None and terms.fund_capital_usd <= params["qvcf_capital_usd_max"] * CENTS
            return int(params["qvcf_owners_max"] if terms.is_qualifying_venture_fund and small else params["beneficial_owners_max"])
        case "us.3c7":
            return int(params["practical_holder_cap"])
        case _:
            return None


def merged(present: Sequence[Rule], wanted: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the issuer's rules with what the law wants beside them; of two limits of one kind the stricter counts.

    What an earlier choice of packs brought and the present one no longer wants goes.
    """
    own: list[Rule] = [rule for rule in present if rule.rule_id not in rule_book().rules]
    for rule in wanted:
        match rule:
            case HolderCap():
                others = [each for each in own if isinstance(each, HolderCap)]
                own = [each for each in own if not isinstance(each, HolderCap)]
                strictest: HolderCap = min([*others, rule], key=lambda each: each.holders)
                own = [*own, strictest]
            case CountryBlocked():
                own = _without_countries(own, rule)
            case _:
                own.append(rule)
    return tuple(own)


def _without_countries(own: Sequence[Rule], blocked: CountryBlocked) -> list[Rule]:
    kept: list[Rule] = []
    is_there = False
    for rule in own:
        match rule:
            case CountryBlocked():
                citation = f"{rule.citation}; {blocked.citation}"[:CITATION_CHARACTERS_MAX]
                kept.append(CountryBlocked(rule.rule_id, citation, tuple(sorted({*rule.countries, *blocked.countries}))))
                is_there = True
            case CountryAllowed():
                kept.append(CountryAllowed(rule.rule_id, rule.citation, tuple(c for c in rule.countries if c not in blocked.countries)))
                is_there = True
            case _:
                kept.append(rule)
    return kept if is_there else [*kept, blocked]


def _cited(rule: LawRule) -> str:
    return rule.citation[:CITATION_CHARACTERS_MAX]
