# SPDX-License-Identifier: Apache-2.0
"""Sales by the issuer: may this investor buy under this exemption? Each rule yields every reason against it. Resales live elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from muniment.compliance.model.law import investors as classes
from muniment.compliance.model.law.book import LawRule
from muniment.compliance.model.law.calendar import add_months
from muniment.compliance.model.law.case import Case
from muniment.compliance.model.law.facts import EEA, InvestorFacts, Method, Proposal, Sale
from muniment.compliance.model.law.reasons import cents, exact, missing, reason
from muniment.units.decisions import Reason
from muniment.units.money import Rounding
from muniment.units.shares import show_shares

CENTS = classes.CENTS


@dataclass(frozen=True, slots=True)
class SaleQuestion:
    """A sale to one investor, with what it would bring in minor units of the terms' currency."""

    case: Case
    proposal: Proposal
    buyer: InvestorFacts
    amount_minor: int | None
    already_sold: bool = False
    """Whether it is among the case's sales already, so that sums must not count it again."""

    @property
    def on(self) -> dt.date:
        """The day of the sale."""
        return self.proposal.on

    def in_currency(self, currency: str) -> int | None:
        """Return the amount in cents of a currency, rounded up; None where amount or rate is unknown."""
        return None if self.amount_minor is None else self.case.in_currency(self.amount_minor, currency)

    def at_least(self, currency: str) -> int | None:
        """Return the amount in cents of a currency, rounded down: what is compared with a minimum."""
        return None if self.amount_minor is None else self.case.in_currency(self.amount_minor, currency, rounding=Rounding.DOWN)

    def added(self, currency: str) -> int | None:
        """Return what it adds to the sums of earlier sales, in cents of a currency; None also where an earlier amount is unknown."""
        if self.case.lacks_price:
            return None
        return 0 if self.already_sold else self.in_currency(currency)

    def unknown(self, currency: str) -> str:
        """Return the fact without which nothing can be said in a currency."""
        return "terms.price" if self.amount_minor is None or self.case.lacks_price else f"terms.rates.{currency}"


# --- United States ---------------------------------------------------------------------------------------------------------------------


def rule_506b(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """No general solicitation; at most 35 purchasers who are not accredited in any 90 calendar days, each of them sophisticated.

    Natural persons of one household count once (17 CFR 230.501(e)(1)(i)).
    """
    if ask.case.terms.general_solicitation:
        yield reason(
            rule,
            "general_solicitation",
            "The offering was advertised, which Rule 506(b) forbids.",
            cure="Sell under Rule 506(c), to verified accredited investors only.",
        )
    if classes.accredited(ask.buyer, ask.case.book):
        return
    limit, days = rule.params["non_accredited_max"], rule.params["non_accredited_window_days"]
    if rule.params["non_accredited_must_be_sophisticated"] and not ask.buyer.sophisticated:
        yield reason(
            rule,
            "not_sophisticated",
            "The investor is not accredited, and nobody has found the investor, alone or with a representative, able to judge the risk.",
            cure="Record that the investor or a purchaser representative is sophisticated, or show that the investor is accredited.",
            investor=ask.buyer.investor_id,
        )
    others, mine = _most_in_window(ask, days), sum(1 for _ in _counted_as(ask.buyer, ask.buyer.investor_id))
    if others + mine > limit:
        yield reason(
            rule,
            "non_accredited_purchasers",
            f"{others} investors who are not accredited bought within {days} days; {limit} may, and this one would be one more.",
            cure=f"Wait until fewer than {limit} of them bought within {days} days, or sell to an accredited investor.",
            non_accredited=others,
            non_accredited_max=limit,
            window_days=days,
        )


def _most_in_window(ask: SaleQuestion, days: int) -> int:
    """Return how many other purchasers who are not accredited bought in the fullest window of `days` that holds the day of the sale."""

    def names(sale: Sale) -> Iterator[str]:
        return _counted_as(ask.case.investors.get(sale.investor_id), sale.investor_id)

    mine = set(_counted_as(ask.buyer, ask.buyer.investor_id))
    windows = ask.case.purchasers_in_windows("us.regd.506b", ask.on, days, names)
    return max(len(window) - len(mine & window) for window in windows)


def _counted_as(investor: InvestorFacts | None, investor_id: str) -> Iterator[str]:
    """Yield as whom a purchaser counts (17 CFR 230.501(e)): a household once, an entity formed for the offering by each of its owners."""
    if investor is not None and not investor.kind.is_natural and investor.formed_for_offering:
        owners = investor.natural_owners or investor.beneficial_owners or 1
        yield from (f"{investor_id} owner {number}" for number in range(owners))
    else:
        yield _household(investor, investor_id)


def _household(investor: InvestorFacts | None, investor_id: str) -> str:
    if investor is not None and investor.kind.is_natural and investor.household:
        return f"household {investor.household}"
    return investor_id


def rule_506c(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """Only accredited investors, each verified by a method that is still good on the day."""
    standing = classes.accredited(ask.buyer, ask.case.book)
    if not standing:
        known = "is not accredited" if standing.is_so is False else "is not known to be accredited"
        yield reason(
            rule,
            "not_accredited",
            f"The investor {known}; under Rule 506(c) every purchaser is.",
            cure="Show that the investor is accredited (17 CFR 230.501(a)), or sell to one who is.",
            investor=ask.buyer.investor_id,
            accredited=standing.is_so,
            missing=list(standing.missing),
        )
    verification = ask.buyer.verification
    if verification is None:
        yield reason(
            rule,
            "accreditation_not_verified",
            "Nobody has verified that the investor is accredited; the investor's own word is not enough under Rule 506(c).",
            cure="Verify it by tax forms, statements or a letter of at most three months, or by the minimum investment.",
            investor=ask.buyer.investor_id,
        )
    elif verification.method is Method.MINIMUM_INVESTMENT:
        yield from _minimum_investment(rule, ask, represented=verification.represented)
    else:
        good_until = classes.verification_good_until(ask.buyer)
        assert good_until is not None, "every other method has a term"
        if ask.on > good_until or verification.verified_on > ask.on:
            yield reason(
                rule,
                "verification_too_old",
                f"The accreditation was verified on {verification.verified_on} by {verification.method.value.replace('_', ' ')},"
                f" which supports a sale until {good_until}.",
                cure="Verify the investor again.",
                investor=ask.buyer.investor_id,
                verified_on=verification.verified_on.isoformat(),
                good_until=good_until.isoformat(),
                method=verification.method.value,
            )
        elif verification.method is Method.PRIOR_VERIFICATION and not verification.represented:
            yield _not_represented(rule, ask)


def _minimum_investment(rule: LawRule, ask: SaleQuestion, *, represented: bool) -> Iterator[Reason]:
    buyer, params = ask.buyer, rule.params
    if buyer.kind.is_natural:
        least = params["min_investment_natural_usd"] * CENTS
    elif buyer.all_owners_accredited and buyer.natural_owners is not None and 0 < buyer.natural_owners < 5:
        least = params["min_investment_entity_per_owner_if_fewer_than_5_natural_owners_usd"] * buyer.natural_owners * CENTS
    else:
        least = params["min_investment_entity_usd"] * CENTS
    amount = ask.at_least("USD")
    if amount is None:
        yield missing(rule, ask.unknown("USD"))
    elif amount < least:
        yield reason(
            rule,
            "below_minimum_investment",
            f"The investment of {cents(amount, 'USD')} is below the {cents(least, 'USD')} that stand for a verification.",
            cure=f"Let the investor buy for at least {cents(least, 'USD')}, or verify by documents.",
            investor=buyer.investor_id,
            amount_usd=exact(amount, "USD"),
            least_usd=exact(least, "USD"),
        )
    if not represented:
        yield _not_represented(rule, ask)


def _not_represented(rule: LawRule, ask: SaleQuestion) -> Reason:
    return reason(
        rule,
        "representations_missing",
        "The investor has not confirmed in writing to be accredited and not to be financed by others for this purchase.",
        cure="Obtain the written representations.",
        investor=ask.buyer.investor_id,
    )


def rule_504(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """At most ten million dollars in twelve months."""
    yield from _twelve_months(rule, ask, "USD", rule.params["max_amount_12m_usd"], exemptions=("us.regd.504",))


def regulation_a(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """The tier's limit in twelve months; in tier 2, unlisted, a tenth of income or net worth for whoever is not accredited."""
    tier = ask.case.terms.rega_tier
    if tier not in {1, 2}:
        yield missing(rule, "terms.rega_tier")
        return
    yield from _twelve_months(rule, ask, "USD", rule.params[f"tier{tier}_max_12m_usd"], exemptions=("us.rega",))
    buyer = ask.buyer
    if tier == 1 or ask.case.terms.is_listed or classes.accredited(buyer, ask.case.book):
        return
    names = ("annual_income_usd", "net_worth_usd") if buyer.kind.is_natural else ("annual_revenue_usd", "net_assets_usd")
    figures = [figure for name in names if (figure := getattr(buyer, name)) is not None]
    if not figures:
        yield missing(rule, *names, of=buyer.investor_id)
        return
    limit = max(*figures, 0) * int(rule.params["tier2_non_accredited_pct"]) // 100
    bought = _bought_by(ask, "us.rega", "USD", since=None)
    yield from _investor_limit(
        rule, ask, limit, bought, f"{rule.params['tier2_non_accredited_pct']} % of the greater of {' and '.join(names)}"
    )


def regulation_crowdfunding(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """The issuer's and the investor's limit in twelve months; accredited investors have none (17 CFR 227.100(a))."""
    yield from _twelve_months(rule, ask, "USD", rule.params["issuer_max_12m_usd"], exemptions=("us.regcf",))
    if rule.params["portal_required"] and not ask.case.terms.portal:
        yield missing(rule, "terms.portal")
    buyer = ask.buyer
    if classes.accredited(buyer, ask.case.book):
        return
    names = ("annual_income_usd", "net_worth_usd") if buyer.kind.is_natural else ("annual_revenue_usd", "net_assets_usd")
    income, worth = getattr(buyer, names[0]), getattr(buyer, names[1])
    if income is None or worth is None:
        yield missing(rule, *(name for name in names if getattr(buyer, name) is None), of=buyer.investor_id)
        return
    bought = _bought_by(ask, "us.regcf", "USD", since=add_months(ask.on, -12))
    bought = None if bought is None else bought + buyer.crowdfunding_12m_usd
    yield from _investor_limit(
        rule, ask, crowdfunding_limit(income, worth, rule), bought, "what Regulation Crowdfunding lets the investor buy"
    )


def crowdfunding_limit(income_cents: int, worth_cents: int, rule: LawRule) -> int:
    """Return what somebody who is not accredited may buy in twelve months of all issuers together, in cents, rounded down."""
    params = rule.params
    base, threshold = max(income_cents, worth_cents, 0), params["threshold_usd"] * CENTS
    if min(income_cents, worth_cents) < threshold:
        limit = max(params["investor_floor_usd"] * CENTS, base * int(params["pct_if_either_below"]) // 100)
    else:
        limit = base * int(params["pct_if_both_at_or_above"]) // 100
    return min(limit, int(params["investor_cap_usd"]) * CENTS)


def regulation_s_sale(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """An offshore transaction without directed selling: no sale to a U.S. person (17 CFR 230.903(a))."""
    if ask.buyer.is_us_person:
        yield reason(
            rule,
            "us_person",
            "The investor is a U.S. person; Regulation S is for sales to others.",
            cure="Sell to a U.S. person under another exemption, such as Rule 506(c).",
            investor=ask.buyer.investor_id,
            country=ask.buyer.country,
        )
    if ask.case.terms.directed_selling_efforts:
        yield reason(
            rule,
            "directed_selling_efforts",
            "The offer was advertised in the United States, so that Regulation S does not cover it.",
            cure="Sell under another exemption.",
        )


# --- European Union ----------------------------------------------------------------------------------------------------------------------


def prospectus_exempt_offer(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """Any one branch: a qualified investor, fewer than 150 others in the Member State, a ticket or a denomination of 100,000 euros."""
    buyer, params = ask.buyer, rule.params
    if classes.qualified_eu(buyer, ask.case.book):
        return
    ticket, denomination = ask.at_least("EUR"), ask.case.terms.denomination_minor
    denomination_eur = None if denomination is None else ask.case.in_currency(denomination, "EUR", rounding=Rounding.DOWN)
    if ticket is not None and ticket >= params["min_ticket_eur"] * CENTS:
        return
    if denomination_eur is not None and denomination_eur >= params["min_denomination_eur"] * CENTS:
        return
    others = ask.case.unqualified_in(buyer.country, besides=buyer.investor_id)
    limit = params["persons_per_member_state_lt"]
    if others + 1 >= limit:
        yield reason(
            rule,
            "offerees_in_member_state",
            f"{others} investors of {buyer.country} who are not qualified were made an offer; with this one {others + 1},"
            f" and fewer than {limit} may be.",
            cure="Sell to a qualified investor, for at least 100,000 euros, or publish a prospectus.",
            country=buyer.country,
            offerees=others + 1,
            offerees_less_than=limit,
        )


def prospectus_threshold(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """Less than twelve million euros in the Union in twelve months; five where the Member State chose that."""
    own = ask.case.terms.member_state_thresholds_eur.get(ask.buyer.country)
    limit = rule.params["max_12m_eur_lt"] * CENTS if own is None else own
    before = ask.case.in_currency(_raised_elsewhere(ask) + ask.case.raised_in(EEA, on=ask.on), "EUR")
    amount = ask.added("EUR")
    if before is None or amount is None:
        yield missing(rule, ask.unknown("EUR"))
    elif before + amount >= limit:
        yield _over_twelve_months(rule, before, amount, limit, "EUR", strictly=True)


def prospectus_secondary(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """A further issue of what is admitted already: in twelve months less than thirty per cent of it."""
    admitted = ask.case.terms.admitted
    if admitted is None:
        yield missing(rule, "terms.admitted")
        return
    issued = ask.case.all_sales.quantity(add_months(ask.on, -12), ask.on)
    issued += 0 if ask.already_sold else ask.proposal.quantity
    percent = int(rule.params["pct_12m_lt"])
    if issued * 100 >= percent * admitted:
        yield reason(
            rule,
            "secondary_issuance_too_large",
            f"With this sale {show_shares(issued, decimals=ask.case.terms.decimals)} new shares would be issued in twelve months;"
            f" less than {percent} % of the {show_shares(admitted, decimals=ask.case.terms.decimals)} admitted ones may be.",
            cure="Issue less, or publish a prospectus.",
            issued=str(issued),
            admitted=str(admitted),
            percent_less_than=percent,
        )


def crowdfunding_eu(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """Five million euros in twelve months; above the line a non-sophisticated investor is warned and consents, and has four days."""
    yield from _twelve_months(rule, ask, "EUR", rule.params["max_12m_eur"], countries=EEA)
    buyer = ask.buyer
    if buyer.sophisticated or classes.professional(buyer, ask.case.book):
        return
    amount = ask.in_currency("EUR")
    if amount is None:
        yield missing(rule, ask.unknown("EUR"))
        return
    worth = max(buyer.net_worth_eur or 0, 0)
    line = max(
        rule.params["non_sophisticated_warning_eur"] * CENTS, worth * int(rule.params["non_sophisticated_warning_pct_net_worth"]) // 100
    )
    if amount > line and (buyer.consents.get(rule.rule_id) or dt.date.max) > ask.on:
        yield reason(
            rule,
            "warning_not_acknowledged",
            f"The investment of {cents(amount, 'EUR')} is above {cents(line, 'EUR')}; "
            " a non-sophisticated investor must be warned and consent.",
            cure="Show the risk warning and record the investor's explicit consent.",
            investor=buyer.investor_id,
            amount_eur=exact(amount, "EUR"),
            line_eur=exact(line, "EUR"),
        )
    offered_on = ask.proposal.offered_on
    if offered_on is None:
        yield missing(rule, "proposed.offered_on")
    elif ask.on < offered_on + dt.timedelta(days=rule.params["reflection_days"]):
        ends = offered_on + dt.timedelta(days=rule.params["reflection_days"])
        yield reason(
            rule,
            "reflection_period",
            f"The investor may think it over until {ends}.",
            cure=f"Conclude on {ends} or later.",
            offered_on=offered_on.isoformat(),
            ends_on=ends.isoformat(),
        )


# --- United Kingdom, Switzerland, Singapore ---------------------------------------------------------------------------------------------


def public_offer_uk(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """Any one branch of Schedule 1: qualified investors, fewer than 150 persons, listed or on an MTF, a platform, small, denomination."""
    terms, params, buyer = ask.case.terms, rule.params, ask.buyer
    if classes.qualified_eu(buyer, ask.case.book) or terms.is_listed or terms.traded_on_mtf or terms.public_offer_platform:
        return
    denomination = (
        None if terms.denomination_minor is None else ask.case.in_currency(terms.denomination_minor, "GBP", rounding=Rounding.DOWN)
    )
    if denomination is not None and denomination >= params["min_denomination_gbp"] * CENTS:
        return
    others = ask.case.unqualified_in("GB", besides=buyer.investor_id)
    if others + 1 < params["persons_lt"]:
        return
    raised = ask.case.in_currency(_raised_elsewhere(ask) + ask.case.raised_in(frozenset({"GB"}), on=ask.on), "GBP")
    amount = ask.added("GBP")
    if raised is not None and amount is not None and raised + amount <= params["small_offer_gbp"] * CENTS:
        return
    yield reason(
        rule,
        "public_offer",
        f"This would be a public offer in the United Kingdom: {others + 1} persons who are not qualified, and more than a small offer.",
        cure="Sell to a qualified investor, list the security, or use a public offer platform.",
        persons=others + 1,
        persons_less_than=params["persons_lt"],
        raised_gbp=None if raised is None else exact(raised, "GBP"),
    )


def prospectus_swiss(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """Any one branch: professional, fewer than 500 investors, a ticket or denomination of 100,000 francs, eight million in a year."""
    terms, params, buyer = ask.case.terms, rule.params, ask.buyer
    if classes.professional(buyer, ask.case.book):
        return
    others = ask.case.offered_in("CH", besides=buyer.investor_id)
    if others + 1 < params["investors_lt"]:
        return
    ticket = ask.at_least("CHF")
    denomination = (
        None if terms.denomination_minor is None else ask.case.in_currency(terms.denomination_minor, "CHF", rounding=Rounding.DOWN)
    )
    if ticket is not None and ticket >= params["min_ticket_chf"] * CENTS:
        return
    if denomination is not None and denomination >= params["min_denomination_chf"] * CENTS:
        return
    raised = ask.case.in_currency(_raised_elsewhere(ask) + ask.case.raised_in(frozenset({"CH"}), on=ask.on), "CHF")
    amount = ask.added("CHF")
    if raised is not None and amount is not None and raised + amount <= params["max_12m_chf"] * CENTS:
        return
    yield reason(
        rule,
        "prospectus_needed",
        f"With this one {others + 1} investors in Switzerland would be addressed; fewer than {params['investors_lt']} may be.",
        cure="Sell to a professional client, for at least 100,000 francs, or publish a prospectus.",
        investors=others + 1,
        investors_less_than=params["investors_lt"],
    )


def offer_singapore(rule: LawRule, ask: SaleQuestion) -> Iterator[Reason]:
    """Any one branch: institutional (274), accredited or a ticket of 200,000 (275), at most 50 persons (272B), five million (272A)."""
    params, buyer = rule.params, ask.buyer
    if buyer.institutional or classes.accredited_singapore(buyer, ask.case.book):
        return
    amount = ask.at_least("SGD")
    if amount is not None and amount >= params["min_consideration_275_1A_sgd"] * CENTS:
        return
    others = ask.case.offered_since("SG", add_months(ask.on, -12), besides=buyer.investor_id)
    if others + 1 <= params["private_placement_persons_le"]:
        return
    raised = ask.case.in_currency(_raised_elsewhere(ask) + ask.case.raised_in(frozenset({"SG"}), on=ask.on), "SGD")
    added = ask.added("SGD")
    if raised is not None and added is not None and raised + added <= params["small_offer_12m_sgd"] * CENTS:
        return
    yield reason(
        rule,
        "prospectus_needed",
        f"With this one {others + 1} persons in Singapore would be offered it; {params['private_placement_persons_le']} may be.",
        cure="Sell to an accredited or institutional investor, or for at least 200,000 Singapore dollars.",
        persons=others + 1,
        persons_max=params["private_placement_persons_le"],
    )


# --- shared ------------------------------------------------------------------------------------------------------------------------------


def _twelve_months(
    rule: LawRule,
    ask: SaleQuestion,
    currency: str,
    limit_units: int,
    *,
    exemptions: Sequence[str] = (),
    countries: frozenset[str] = frozenset(),
) -> Iterator[Reason]:
    since, limit = add_months(ask.on, -12), limit_units * CENTS
    if countries:
        sold = ask.case.raised_in(countries, on=ask.on)
    else:
        sold = sum(ask.case.sales_under(exemption).amount(since, ask.on) for exemption in exemptions)
    before = ask.case.in_currency(sold + _raised_elsewhere(ask), currency)
    amount = ask.added(currency)
    if before is None or amount is None:
        yield missing(rule, ask.unknown(currency))
    elif before + amount > limit:
        yield _over_twelve_months(rule, before, amount, limit, currency, strictly=False)


def _raised_elsewhere(ask: SaleQuestion) -> int:
    """Return what was raised outside these books, in minor units of the terms' currency."""
    terms = ask.case.terms
    return terms.raised_12m


def _over_twelve_months(rule: LawRule, before: int, amount: int, limit: int, currency: str, *, strictly: bool) -> Reason:
    room = max(0, limit - before - strictly)
    return reason(
        rule,
        "raised_in_twelve_months",
        f"With this sale {cents(before + amount, currency)} would be raised in twelve months;"
        f" {'less than' if strictly else 'at most'} {cents(limit, currency)} may be.",
        cure=f"Sell for at most {cents(room, currency)}." if room else "Wait until earlier sales are more than twelve months ago.",
        raised=exact(before, currency),
        amount=exact(amount, currency),
        limit=exact(limit, currency),
        currency=currency,
    )


def _bought_by(ask: SaleQuestion, exemption: str, currency: str, *, since: dt.date | None) -> int | None:
    """Return what the buyer bought before under an exemption, in cents of a currency; None without a rate."""
    if ask.case.lacks_price:
        return None
    bought = ask.case.bought_by(ask.buyer.investor_id, exemption, after=since, until=ask.on)
    return ask.case.in_currency(bought, currency)


def _investor_limit(rule: LawRule, ask: SaleQuestion, limit: int, bought: int | None, what: str) -> Iterator[Reason]:
    amount = ask.added("USD")
    if bought is None or amount is None:
        yield missing(rule, ask.unknown("USD"))
    elif bought + amount > limit:
        room = max(0, limit - bought)
        yield reason(
            rule,
            "investor_limit",
            f"The investor would have bought for {cents(bought + amount, 'USD')}; {what} is {cents(limit, 'USD')}.",
            cure=f"Sell for at most {cents(room, 'USD')}, or show that the investor is accredited."
            if room
            else "Show that the investor is accredited.",
            investor=ask.buyer.investor_id,
            bought_usd=exact(bought, "USD"),
            amount_usd=exact(amount, "USD"),
            limit_usd=exact(limit, "USD"),
        )


SaleRule = Callable[[LawRule, SaleQuestion], Iterator[Reason]]

SALE_RULES: Mapping[str, SaleRule] = {
    "us.regd.506b": rule_506b,
    "us.regd.506c": rule_506c,
    "us.regd.504": rule_504,
    "us.rega": regulation_a,
    "us.regcf": regulation_crowdfunding,
    "us.regs": regulation_s_sale,
    "eu.prospectus.exempt_offer": prospectus_exempt_offer,
    "eu.prospectus.threshold": prospectus_threshold,
    "eu.prospectus.secondary": prospectus_secondary,
    "eu.ecspr": crowdfunding_eu,
    "uk.poatr": public_offer_uk,
    "ch.finsa36": prospectus_swiss,
    "sg.sfa": offer_singapore,
}
"""Rules that are asked when the issuer sells, by id."""
