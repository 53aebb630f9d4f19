# SPDX-License-Identifier: Apache-2.0
"""Resales between holders: Rule 144 with holding periods and volume, Regulation S with its distribution compliance period, and locks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from muniment.compliance.model.law import investors as classes
from muniment.compliance.model.law.book import LawRule
from muniment.compliance.model.law.calendar import add_months, first_day_after_days, first_day_after_months
from muniment.compliance.model.law.case import Case
from muniment.compliance.model.law.facts import EQUITY, UNITED_STATES, InvestorFacts, Lot, Proposal, Terms
from muniment.compliance.model.law.reasons import cents, missing, reason
from muniment.units.decisions import Reason
from muniment.units.shares import format_shares, show_shares

FREE_EXEMPTIONS = frozenset({"us.rega", "us.regcf"})
"""Sales after which shares are not restricted securities (17 CFR 230.144(a)(3)); Regulation Crowdfunding has a lock of its own."""


@dataclass(frozen=True, slots=True)
class TransferQuestion:
    """A resale of lots that were picked for it; `receiver` is None where shares go back to the issuer."""

    case: Case
    proposal: Proposal
    sender: InvestorFacts
    receiver: InvestorFacts | None
    lots: tuple[Lot, ...]

    @property
    def on(self) -> dt.date:
        """The day of the transfer."""
        return self.proposal.on


def pick_lots(lots: Sequence[Lot], quantity: int) -> tuple[Lot, ...]:
    """Return the lots, the last one perhaps in part, that a transfer of `quantity` takes: first in, first out, as they stand."""
    picked: list[Lot] = []
    left = quantity
    for lot in lots:
        if left == 0:
            break
        taken = min(left, lot.quantity)
        if taken:
            picked.append(lot if taken == lot.quantity else _part(lot, taken))
            left -= taken
    return tuple(picked)


def _part(lot: Lot, quantity: int) -> Lot:
    return Lot(lot.investor_id, quantity, lot.acquired_on, lot.holding_since, lot.exemption, lot.from_affiliate_on)


# --- Rule 144 ----------------------------------------------------------------------------------------------------------------------------


def is_reporting(terms: Terms, rule: LawRule, on: dt.date) -> bool:
    """Return whether the issuer reports and has for 90 days; one without a date is taken to have long enough."""
    if not terms.issuer_reporting:
        return False
    return terms.reporting_since is None or terms.reporting_since + dt.timedelta(days=rule.params["reporting_for_days_ge"]) <= on


def holding_months(terms: Terms, rule: LawRule, on: dt.date) -> int:
    """Return how long restricted securities are held before a resale: six months where the issuer reports, else twelve."""
    return int(rule.params["hold_months_reporting" if is_reporting(terms, rule, on) else "hold_months_non_reporting"])


def earliest_resale(lot: Lot, terms: Terms, rule: LawRule, on: dt.date) -> dt.date:
    """Return the first day on which Rule 144(d) lets a lot be resold: the day itself, `holding_months` after the acquisition."""
    free = add_months(lot.held_since, holding_months(terms, rule, on))
    if terms.issuer_reporting and terms.reporting_since is not None and not is_reporting(terms, rule, on):
        # It will have reported for long enough before the longer period is over.
        reports_on = terms.reporting_since + dt.timedelta(days=rule.params["reporting_for_days_ge"])
        free = min(free, max(reports_on, add_months(lot.held_since, int(rule.params["hold_months_reporting"]))))
    if terms.shell_form10_filed_on is not None:
        free = max(free, add_months(terms.shell_form10_filed_on, int(rule.params["shell_months_after_form10"])))
    return free


def is_affiliate(investor: InvestorFacts, rule: LawRule, on: dt.date) -> bool:
    """Return whether an investor is an affiliate of the issuer or was within the three months before."""
    if investor.affiliate:
        return True
    until = investor.affiliate_until
    return until is not None and on < add_months(until, int(rule.params["non_affiliate_lookback_months"]))


def is_restricted(exemption: str | None, terms: Terms) -> bool:
    """Return whether shares sold under an exemption are restricted: privately placed, or domestic equity of Regulation S (Rule 905).

    Where nobody knows under what they were sold (None), they count as restricted.
    """
    if exemption == "us.regs":
        return terms.kind in EQUITY and terms.issuer_country in UNITED_STATES
    return exemption is None or (exemption.startswith("us.") and exemption not in FREE_EXEMPTIONS)


def volume_limit(case: Case, rule: LawRule) -> int:
    """Return how much an affiliate may sell in three months: one per cent outstanding or the average week's volume, the greater.

    For debt it is ten per cent of the tranche (17 CFR 230.144(e)). Base units, rounded down.
    """
    if case.terms.kind == "debt":
        return case.total * int(rule.params["debt_volume_pct_of_tranche"]) // 100
    return max(case.total * int(rule.params["affiliate_volume_pct"]) // 100, case.terms.average_weekly_volume or 0)


def rule_144(rule: LawRule, ask: TransferQuestion) -> Iterator[Reason]:
    """Restricted lots are held long enough; an affiliate sells within the volume; current information where the rule wants it.

    A resale to a qualified institutional buyer goes by Rule 144A where that is among the packs; an offshore resale by Rule 904 where
    Regulation S is.
    """
    if _is_exempt_receiver(ask):
        return
    terms = ask.case.terms
    affiliate = is_affiliate(ask.sender, rule, ask.on)
    restricted = [lot for lot in ask.lots if is_restricted(ask.case.exemption_of(lot.investor_id, lot.exemption), terms)]
    held = [lot for lot in restricted if ask.on < earliest_resale(lot, terms, rule, ask.on)]
    if held:
        yield _holding_period(rule, ask, held)
    informed = is_reporting(terms, rule, ask.on) if terms.current_public_information is None else terms.current_public_information
    young = [lot for lot in restricted if ask.on < add_months(lot.held_since, int(rule.params["non_affiliate_free_after_months"]))]
    if not informed and (affiliate or (young and is_reporting(terms, rule, ask.on))):
        yield reason(
            rule,
            "no_current_information",
            "Current public information about the issuer is not available, which this resale needs.",
            cure="Wait until the issuer has filed what it owes, or for a non-affiliate until the shares are held for a year.",
            affiliate=affiliate,
        )
    if affiliate:
        yield from _volume(rule, ask)


def _is_exempt_receiver(ask: TransferQuestion) -> bool:
    if ask.receiver is None:
        return True
    if _is_144a(ask):
        # A security of a listed class is fungible with it (17 CFR 230.144A(d)(3)), and without the right to information there is no 144A.
        return not ask.case.terms.is_listed and has_information_right(ask.case.terms) is not False
    return ask.case.selection.has("us.regs") and not ask.receiver.is_us_person


def _is_144a(ask: TransferQuestion) -> bool:
    is_qib = ask.receiver is not None and bool(classes.qualified_institutional_buyer(ask.receiver, ask.case.book))
    return is_qib and ask.case.selection.has("us.qib")


def has_information_right(terms: Terms) -> bool | None:
    """Return whether holder and buyer can inform themselves, as 17 CFR 230.144A(d)(4) asks: True of an issuer that reports."""
    return True if terms.issuer_reporting else terms.information_right_144a


def information_right_needed(ask: TransferQuestion) -> str | None:
    """Return the warning that nobody has said whether the right to information is there, on which a resale to a QIB rests."""
    terms = ask.case.terms
    if not _is_144a(ask) or terms.is_listed or has_information_right(terms) is not None:
        return None
    if not any(is_restricted(ask.case.exemption_of(lot.investor_id, lot.exemption), terms) for lot in ask.lots):
        return None
    return (
        "Rule 144A needs holder and buyer to have the right to ask an issuer that does not report for information"
        " (17 CFR 230.144A(d)(4)); nobody has recorded that they have."
    )


def _holding_period(rule: LawRule, ask: TransferQuestion, held: Sequence[Lot]) -> Reason:
    terms = ask.case.terms
    days = {lot: earliest_resale(lot, terms, rule, ask.on) for lot in held}
    free_on = max(days.values())
    locked = sum(lot.quantity for lot in held)
    months = holding_months(terms, rule, ask.on)
    free_now = 0
    for lot in ask.case.lots.get(ask.sender.investor_id, ()):
        # First in, first out: what lies behind a locked lot cannot be reached without it.
        exemption = ask.case.exemption_of(lot.investor_id, lot.exemption)
        if is_restricted(exemption, terms) and ask.on < earliest_resale(lot, terms, rule, ask.on):
            break
        free_now += lot.quantity
    shown = show_shares(locked, decimals=terms.decimals)
    return reason(
        rule,
        "holding_period",
        f"{shown} of the shares are restricted securities, held since {min(lot.held_since for lot in held)};"
        f" they may be resold from {free_on}, {_why(terms, months)}.",
        cure=f"Wait until {free_on}"
        + (f", or transfer at most {show_shares(free_now, decimals=terms.decimals)} shares now." if free_now else "."),
        acquired_on=min(lot.acquired_on for lot in held).isoformat(),
        held_since=min(lot.held_since for lot in held).isoformat(),
        earliest_resale=free_on.isoformat(),
        holding_months=months,
        locked=format_shares(locked, decimals=terms.decimals),
        free=format_shares(free_now, decimals=terms.decimals),
        on=ask.on.isoformat(),
    )


def _why(terms: Terms, months: int) -> str:
    if terms.shell_form10_filed_on is not None:
        return "because the issuer was a shell company"
    return f"after {months} months, as the issuer {'reports' if months == 6 else 'does not report or has not for long'}"


def _volume(rule: LawRule, ask: TransferQuestion) -> Iterator[Reason]:
    limit = volume_limit(ask.case, rule)
    since = add_months(ask.on, -int(rule.params["volume_window_months"]))
    sold = ask.case.sold_by(ask.sender.investor_id, after=since, until=ask.on)
    if sold + ask.proposal.quantity > limit:
        decimals = ask.case.terms.decimals
        room = max(0, limit - sold)
        together = ", together with those whose sales count as its own" if len(ask.case.sellers_with(ask.sender.investor_id)) > 1 else ""
        yield reason(
            rule,
            "affiliate_volume",
            f"An affiliate may sell {show_shares(limit, decimals=decimals)} in three months{together};"
            f" with this resale it would be {show_shares(sold + ask.proposal.quantity, decimals=decimals)}.",
            cure=f"Sell at most {show_shares(room, decimals=decimals)}." if room else "Wait until earlier sales are three months ago.",
            limit=format_shares(limit, decimals=decimals),
            sold_3m=format_shares(sold, decimals=decimals),
            quantity=format_shares(ask.proposal.quantity, decimals=decimals),
            outstanding=format_shares(ask.case.total, decimals=decimals),
        )


def form_144_needed(rule: LawRule, ask: TransferQuestion) -> str | None:
    """Return the warning that an affiliate files Form 144; None where the sales of three months stay below both lines."""
    if not is_affiliate(ask.sender, rule, ask.on):
        return None
    since = add_months(ask.on, -int(rule.params["volume_window_months"]))
    quantity = ask.case.sold_by(ask.sender.investor_id, after=since, until=ask.on) + ask.proposal.quantity
    worth = ask.case.in_currency(ask.case.worth(quantity), "USD") or 0
    if (
        quantity <= rule.params["form144_shares_gt"] * 10**ask.case.terms.decimals
        and worth <= rule.params["form144_usd_gt"] * classes.CENTS
    ):
        return None
    shown = show_shares(quantity, decimals=ask.case.terms.decimals)
    return f"The affiliate files Form 144 ({rule.citation}): {shown} shares, {cents(worth, 'USD')} in three months."


# --- Regulation S ------------------------------------------------------------------------------------------------------------------------


def regs_category(terms: Terms) -> int:
    """Return the category of 17 CFR 230.903(b): as the terms say, else by issuer and instrument; the strictest where facts are missing."""
    if terms.regs_category is not None:
        return terms.regs_category
    foreign = terms.issuer_country not in UNITED_STATES
    if foreign and terms.substantial_us_market_interest is False:
        return 1
    if terms.issuer_reporting and (foreign or terms.kind == "debt"):
        return 2
    return 2 if foreign and terms.kind == "debt" else 3


def distribution_period_ends(terms: Terms, rule: LawRule) -> dt.date | None:
    """Return the first day after the distribution compliance period; None where the closing is not known, so that it may not be over.

    It begins with the later of first offer and closing. Days and months count as `calendar` says: day 40 is in, day 41 is out.
    """
    if terms.closed_on is None:
        return None
    begin, params = max(terms.closed_on, terms.first_offered_on or terms.closed_on), rule.params
    match regs_category(terms):
        case 1:
            return first_day_after_days(begin, params["cat1_days"])
        case 2:
            return first_day_after_days(begin, params["cat2_days"])
        case _ if terms.kind == "debt":
            return first_day_after_days(begin, params["cat3_debt_days"])
        case _:
            name = "cat3_equity_months_reporting" if terms.issuer_reporting else "cat3_equity_months_non_reporting"
            return first_day_after_months(begin, params[name])


def regulation_s(rule: LawRule, ask: TransferQuestion) -> Iterator[Reason]:
    """No resale of Regulation S shares to a U.S. person before the distribution compliance period is over: no flowback."""
    if ask.receiver is None or not ask.receiver.is_us_person:
        return
    lots = [lot for lot in ask.lots if ask.case.exemption_of(lot.investor_id, lot.exemption) == "us.regs"]
    category = regs_category(ask.case.terms)
    if not lots or category == 1:
        return
    ends = distribution_period_ends(ask.case.terms, rule)
    if ends is None:
        yield missing(rule, "terms.closed_on")
    elif ask.on < ends:
        last = ends - dt.timedelta(days=1)
        yield reason(
            rule,
            "flowback",
            f"The recipient is a U.S. person, and the distribution compliance period of category {category} lasts until {last}.",
            cure=f"Wait until {ends}, or transfer to somebody who is not a U.S. person.",
            investor=ask.receiver.investor_id,
            category=category,
            period_ends_on=last.isoformat(),
            allowed_from=ends.isoformat(),
            on=ask.on.isoformat(),
        )


# --- other locks -------------------------------------------------------------------------------------------------------------------------


def crowdfunding_lock(rule: LawRule, ask: TransferQuestion) -> Iterator[Reason]:
    """A year's lock on crowdfunded shares, but to the issuer, to an accredited investor, or in the family (17 CFR 227.501)."""
    if ask.receiver is None or ask.proposal.how in {"estate", "family"} or classes.accredited(ask.receiver, ask.case.book):
        return
    yield from _lock(rule, ask, "us.regcf", int(rule.params["resale_lock_months"]), "to the issuer or an accredited investor")


def small_offer_lock(rule: LawRule, ask: TransferQuestion) -> Iterator[Reason]:
    """Six months' lock on shares of a Singapore small offer, but to an accredited or institutional investor (SFA 2001 s 272A, 276)."""
    if ask.receiver is None or ask.receiver.institutional or classes.accredited_singapore(ask.receiver, ask.case.book):
        return
    yield from _lock(rule, ask, "sg.sfa", int(rule.params["small_offer_resale_months"]), "to an accredited or institutional investor")


def _lock(rule: LawRule, ask: TransferQuestion, exemption: str, months: int, but: str) -> Iterator[Reason]:
    lots = [lot for lot in ask.lots if ask.case.exemption_of(lot.investor_id, lot.exemption) == exemption]
    # The year begins when the shares were issued; a later holder does not begin it anew.
    locked = [lot for lot in lots if ask.on < add_months(lot.held_since, months)]
    if locked:
        free_on = max(add_months(lot.held_since, months) for lot in locked)
        quantity = sum(lot.quantity for lot in locked)
        decimals = ask.case.terms.decimals
        yield reason(
            rule,
            "resale_lock",
            f"{show_shares(quantity, decimals=decimals)} of the shares were issued within {months} months"
            f" and may be resold from {free_on}.",
            cure=f"Wait until {free_on}, or transfer {but}.",
            locked=format_shares(quantity, decimals=decimals),
            allowed_from=free_on.isoformat(),
            on=ask.on.isoformat(),
        )


SALES_ONLY = frozenset({"us.rule144", "us.regs"})
"""Rules that restrict sales; a gift is none. The other locks hold against gifts as well."""

TransferRule = Callable[[LawRule, TransferQuestion], Iterator[Reason]]

TRANSFER_RULES: Mapping[str, TransferRule] = {
    "us.rule144": rule_144,
    "us.regs": regulation_s,
    "us.regcf": crowdfunding_lock,
    "sg.sfa": small_offer_lock,
}
"""Rules that are asked when a holder resells, by id."""


@dataclass(frozen=True, slots=True)
class Locked:
    """How much of a holding nobody may buy yet, in base units, and the first day on which all of it is free again."""

    quantity: int
    until: dt.date


class ResaleLocks:
    """Until when Rule 144 and the locks keep lots from a resale to anybody, as of a day; each date is found once per acquisition day."""

    def __init__(self, case: Case, on: dt.date) -> None:
        self._case, self._on = case, on
        self._rule_144 = case.book.rules["us.rule144"]
        self._restricts = case.selection.has(self._rule_144.rule_id)
        self._months = {
            exemption: int(case.book.rules[exemption].params[name])
            for exemption, name in (("us.regcf", "resale_lock_months"), ("sg.sfa", "small_offer_resale_months"))
            if case.selection.has(exemption)
        }
        self._free_on: dict[tuple[dt.date, str | None], dt.date] = {}
        regulation_s = case.selection.has("us.regs") and regs_category(case.terms) != 1
        self._flowback_ends = distribution_period_ends(case.terms, case.book.rules["us.regs"]) if regulation_s else None

    def of(self, investor_id: str) -> Locked:
        """Return what of a holding is locked."""
        locked, until = 0, self._on
        if self._restricts or self._months:
            unless_stated = self._case.exemption_of(investor_id, None)
            for lot in self._case.lots.get(investor_id, ()):
                exemption = unless_stated if lot.exemption is None else lot.exemption
                free_on = self._free_on.get((lot.held_since, exemption)) or self._first_day_of_resale(lot, exemption)
                if free_on > self._on:
                    locked += lot.quantity
                    until = max(until, free_on)
        return Locked(locked, until)

    def first_day(self, lot: Lot) -> dt.date:
        """Return the first day on which a lot may be resold to anybody; the day that was asked about where it may be already."""
        return max(self._on, self._first_day_of_resale(lot, self._case.exemption_of(lot.investor_id, lot.exemption)))

    def first_day_of_sale(self, investor_id: str, exemption: str | None) -> dt.date:
        """Return the same of shares that the issuer sells on the day that is asked about, under an exemption or as the packs leave none."""
        return self.first_day(Lot(investor_id, 0, self._on, exemption=exemption))

    def first_day_to_americans(self, lot: Lot) -> dt.date | None:
        """Return the first day on which a lot may come to a U.S. person, if that is later; None where it is not, or not known.

        It is not known while the terms do not say when the offering closed.
        """
        if self._case.exemption_of(lot.investor_id, lot.exemption) != "us.regs" or self._flowback_ends is None:
            return None
        return self._flowback_ends if self._flowback_ends > self.first_day(lot) else None

    def _first_day_of_resale(self, lot: Lot, exemption: str | None) -> dt.date:
        free_on = self._on
        if self._restricts and is_restricted(exemption, self._case.terms):
            free_on = earliest_resale(lot, self._case.terms, self._rule_144, self._on)
        months = self._months.get(exemption or "")
        if months is not None:
            free_on = max(free_on, add_months(lot.held_since, months))
        self._free_on[lot.held_since, exemption] = free_on
        return free_on
