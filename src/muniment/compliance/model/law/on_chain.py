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
    if _is_offshore_only(selection, terms):
        rule = rule_book().rules["us.regs"]
        ends = distribution_period_ends(terms, rule)
        if ends is None or on < ends:
            found.append(CountryBlocked(rule.rule_id, _cited(rule), tuple(sorted(UNITED_STATES))))
    return tuple(found)


def chain_rules_end(selection: Selection, terms: Terms, *, after: dt.date) -> dt.date | None:
    """Return the first day after `after` on which `chain_rules` are others than the day before; None where they stay as they are."""
    ends = distribution_period_ends(terms, rule_book().rules["us.regs"]) if _is_offshore_only(selection, terms) else None
    return ends if ends is not None and ends > after else None


def _is_offshore_only(selection: Selection, terms: Terms) -> bool:
    return selection.has("us.regs") and not any(selection.has(rule_id) for rule_id in US_SALE_EXEMPTIONS) and regs_category(terms) != 1


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


def joined(own: Sequence[Rule], by_law: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return what the chain enforces of the issuer's rules and the law's together: of two limits of one kind the stricter counts."""
    rules: list[Rule] = list(own)
    for rule in by_law:
        match rule:
            case HolderCap():
                caps = [each for each in rules if isinstance(each, HolderCap)]
                rules = [*(each for each in rules if not isinstance(each, HolderCap)), min([*caps, rule], key=lambda each: each.holders)]
            case CountryBlocked():
                rules = _without_countries(rules, rule)
            case _:
                assert not any(each.kind == rule.kind for each in rules), "the law's other rules have a kind to themselves"
                rules.append(rule)
    return tuple(rules)


def _without_countries(rules: Sequence[Rule], blocked: CountryBlocked) -> list[Rule]:
    kept: list[Rule] = []
    is_there = False
    for rule in rules:
        match rule:
            case CountryBlocked():
                countries = tuple(sorted({*rule.countries, *blocked.countries}))
                kept.append(CountryBlocked(rule.rule_id, _both_cited(rule, blocked), countries))
                is_there = True
            case CountryAllowed():
                countries = tuple(country for country in rule.countries if country not in blocked.countries)
                citation = rule.citation if countries == rule.countries else _both_cited(rule, blocked)
                kept.append(CountryAllowed(rule.rule_id, citation, countries))
                is_there = True
            case _:
                kept.append(rule)
    return kept if is_there else [*kept, blocked]


def _both_cited(own: Rule, by_law: Rule) -> str:
    return f"{own.citation}; {by_law.citation}"[:CITATION_CHARACTERS_MAX]


def _cited(rule: LawRule) -> str:
    return rule.citation[:CITATION_CHARACTERS_MAX]
