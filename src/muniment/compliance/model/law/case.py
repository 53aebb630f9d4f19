# SPDX-License-Identifier: Apache-2.0
"""Everything that a question of law looks at, indexed once, so that each question costs what its own investors cost."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain

from muniment.compliance.model.law import investors as classes
from muniment.compliance.model.law.book import RuleBook, Selection, rule_book
from muniment.compliance.model.law.calendar import add_months
from muniment.compliance.model.law.facts import Evidence, InvestorFacts, Lot, Sale, Terms
from muniment.units.money import MINOR_DIGITS, Rounding, divide

RATE_SCALE = 10**8
LOCAL_EXEMPTIONS = {"sg.sfa": "SG", "ch.finsa36": "CH", "uk.poatr": "GB"}
"""Exemptions of one state, and whose residents buy under them where no American exemption is chosen."""
US_SALE_EXEMPTIONS = ("us.regd.506b", "us.regd.506c", "us.regd.504", "us.rega", "us.regcf")


@dataclass(frozen=True)
class Case:
    """A security, its investors, its lots and its sales, on one side of a question. Frozen; the indexes are made when first asked."""

    selection: Selection
    terms: Terms
    investors: Mapping[str, InvestorFacts]
    lots: Mapping[str, Sequence[Lot]]
    """By investor, in the order in which a transfer takes them."""
    sales: Sequence[Sale] = ()
    resales: Sequence[Sale] = ()
    offerees: frozenset[str] = frozenset()
    """Investors to whom an offer was addressed and who have not bought."""
    evidence: Evidence = field(default_factory=dict)
    book: RuleBook = field(default_factory=rule_book)

    def position(self, investor_id: str) -> int:
        """Return what an investor holds, in base units."""
        known = self._positions
        if investor_id not in known:
            known[investor_id] = sum(lot.quantity for lot in self.lots.get(investor_id, ()))
        return known[investor_id]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {}

    def exemption_of(self, investor_id: str, stated: str | None) -> str | None:
        """Return under which exemption an investor bought: as stated, else as the packs leave no other.

        With Regulation S beside another exemption a U.S. person bought under the other, anybody else under Regulation S. None where
        no pack is one that the investor can have bought under.
        """
        if stated is not None:
            return stated
        known = self._exemptions_left
        if investor_id not in known:
            known[investor_id] = self._exemption_left(investor_id)
        return known[investor_id]

    @cached_property
    def _exemptions_left(self) -> dict[str, str | None]:
        return {}

    def _exemption_left(self, investor_id: str) -> str | None:
        investor = self.investors.get(investor_id)
        if self.selection.has("us.regs") and (self._us_exemption is None or (investor is not None and not investor.is_us_person)):
            return "us.regs"
        if self._us_exemption is None and investor is not None:
            return next(
                (rule_id for rule_id, country in LOCAL_EXEMPTIONS.items() if self.selection.has(rule_id) and investor.country == country),
                None,
            )
        return self._us_exemption

    @cached_property
    def _us_exemption(self) -> str | None:
        return next((rule.rule_id for rule in self.selection.rules if rule.rule_id in US_SALE_EXEMPTIONS), None)

    @cached_property
    def total(self) -> int:
        """What is outstanding: as the terms say, else all lots together."""
        if self.terms.outstanding is not None:
            return self.terms.outstanding
        return sum(lot.quantity for lots in self.lots.values() for lot in lots)

    @cached_property
    def holders(self) -> KeysView[str]:
        """Who holds anything, in the order of the lots: as their facts lie in memory, which is quicker to go through."""
        return self._holding.keys()

    @cached_property
    def _holding(self) -> dict[str, None]:
        return dict.fromkeys(each for each in self.lots if self.position(each))

    @cached_property
    def _accredited(self) -> dict[str, bool]:
        return {}

    def is_accredited(self, investor_id: str) -> bool:
        """Return whether an investor is known to be accredited."""
        known = self._accredited
        if investor_id not in known:
            investor = self.investors.get(investor_id)
            known[investor_id] = investor is not None and bool(classes.accredited(investor, self.book))
        return known[investor_id]

    @cached_property
    def counted_holders(self) -> KeysView[str]:
        """Holders of record that section 12(g) counts: all but those from a compensation plan."""
        return self._counted.keys()

    @cached_property
    def _counted(self) -> dict[str, None]:
        return dict.fromkeys(each for each in self.holders if (found := self.investors.get(each)) is None or not found.compensation_plan)

    @cached_property
    def non_accredited_holders(self) -> int:
        """Counted holders who are not accredited."""
        return sum(not self.is_accredited(each) for each in self.counted_holders)

    @cached_property
    def us_holders(self) -> int:
        """Holders resident in the United States."""
        return sum((investor := self.investors.get(each)) is not None and investor.is_us_person for each in self.holders)

    @cached_property
    def _holders_only_under(self) -> dict[frozenset[str], tuple[set[str], int]]:
        return {}

    def holders_only_under(self, exemptions: frozenset[str]) -> tuple[AbstractSet[str], int]:
        """Return the counted holders all of whose shares were sold under some of these exemptions, and how many are not accredited."""
        known = self._holders_only_under
        if exemptions not in known:
            found = {
                each
                for each in self.counted_holders
                if all(self.exemption_of(each, lot.exemption) in exemptions for lot in self.lots[each])
            }
            known[exemptions] = found, sum(not self.is_accredited(each) for each in found)
        return known[exemptions]

    @cached_property
    def beneficial_owners(self) -> int:
        """Owners as section 3(c)(1) counts them, looked through where a fund holds a tenth."""
        return sum(self.owners_of(each, self.position(each), self.total) for each in self.holders)

    def owners_of(self, investor_id: str, quantity: int, total: int) -> int:
        """Return as how many owners an investor with a quantity counts (15 USC 80a-3(c)(1)(A)); knowledgeable employees as none."""
        investor = self.investors.get(investor_id)
        if quantity == 0 or (investor is not None and investor.knowledgeable_employee):
            return 0
        percent = int(self.book.rules["us.3c1"].params["look_through_pct"])
        if investor is not None and investor.investment_company and quantity * 100 >= percent * total:
            return 1 if investor.beneficial_owners is None else investor.beneficial_owners
        return 1

    @cached_property
    def funds_of_unknown_owners(self) -> tuple[str, ...]:
        """Return the funds that hold a tenth and of which nobody has said how many owners they have."""
        percent = int(self.book.rules["us.3c1"].params["look_through_pct"])
        return tuple(
            sorted(
                each
                for each in self.holders
                if (found := self.investors.get(each)) is not None
                and found.investment_company
                and found.beneficial_owners is None
                and self.position(each) * 100 >= percent * self.total
            )
        )

    @cached_property
    def _windows(self) -> dict[tuple[str, dt.date, int], tuple[frozenset[str], ...]]:
        return {}

    def purchasers_in_windows(
        self, exemption: str, on: dt.date, days: int, name_of: Callable[[Sale], Iterable[str]]
    ) -> tuple[frozenset[str], ...]:
        """Return who bought without being accredited, as `name_of` counts them, in each window of `days` that holds a day."""
        key = (exemption, on, days)
        if key not in self._windows:
            reach = dt.timedelta(days=days - 1)
            near = [(sale.on, tuple(name_of(sale))) for sale in self.non_accredited_sales_under(exemption).within(on - reach, on + reach)]
            begins = {on - reach, on, *(day for day, _ in near if day <= on)}
            self._windows[key] = tuple(
                frozenset(name for day, names in near if begin <= day <= begin + reach for name in names) for begin in sorted(begins)
            )
        return self._windows[key]

    # --- sales ---------------------------------------------------------------------------------------------------------------------

    @cached_property
    def _by_exemption(self) -> dict[str | None, _Series]:
        grouped: defaultdict[str | None, list[Sale]] = defaultdict(list)
        for sale in self.sales:
            grouped[self.exemption_of(sale.investor_id, sale.exemption)].append(sale)
        return {exemption: _Series(sales, self.amount_of) for exemption, sales in grouped.items()}

    def sales_under(self, exemption: str) -> _Series:
        """Return the issuer's sales under one exemption."""
        return self._by_exemption.get(exemption) or _Series((), self.amount_of)

    @cached_property
    def _non_accredited(self) -> dict[str, _Series]:
        return {}

    def non_accredited_sales_under(self, exemption: str) -> _Series:
        """Return the issuer's sales under one exemption to those who are not accredited."""
        known = self._non_accredited
        if exemption not in known:
            sales = self.sales_under(exemption).sales
            known[exemption] = _Series((sale for sale in sales if not self.is_accredited(sale.investor_id)), self.amount_of)
        return known[exemption]

    @cached_property
    def all_sales(self) -> _Series:
        """All sales by the issuer, under whichever exemption."""
        return _Series(self.sales, self.amount_of)

    @cached_property
    def _by_buyer(self) -> dict[str, list[Sale]]:
        grouped: defaultdict[str, list[Sale]] = defaultdict(list)
        for sale in self.sales:
            grouped[sale.investor_id].append(sale)
        return grouped

    def bought_by(self, investor_id: str, exemption: str, *, after: dt.date | None, until: dt.date) -> int:
        """Return what an investor paid the issuer under an exemption after a day (None: ever) and up to another, in minor units."""
        return sum(
            self.amount_of(sale)
            for sale in self._by_buyer.get(investor_id, ())
            if self.exemption_of(investor_id, sale.exemption) == exemption and sale.on <= until and (after is None or sale.on > after)
        )

    @cached_property
    def _by_region(self) -> dict[str, _Series]:
        grouped: defaultdict[str, list[Sale]] = defaultdict(list)
        for sale in self.sales:
            investor = self.investors.get(sale.investor_id)
            if investor is not None:
                grouped[investor.country].append(sale)
        return {country: _Series(sales, self.amount_of) for country, sales in grouped.items()}

    @cached_property
    def _raised_in(self) -> dict[tuple[frozenset[str], dt.date], int]:
        return {}

    def raised_in(self, countries: frozenset[str], *, on: dt.date) -> int:
        """Return what sales to investors of these countries brought in the twelve months up to a day, in minor units of the terms."""
        known, found = self._raised_in, self._by_region
        if (countries, on) not in known:
            since = add_months(on, -12)
            known[countries, on] = sum(series.amount(since, on) for country, series in found.items() if country in countries)
        return known[countries, on]

    @cached_property
    def _offered_since(self) -> dict[tuple[str, dt.date], frozenset[str]]:
        return {}

    def offered_since(self, country: str, since: dt.date, *, besides: str) -> int:
        """Return how many of a country, besides one, bought after a day or were made an offer, institutions left out."""
        known, key = self._offered_since, (country, since)
        if key not in known:
            series = self._by_region.get(country)
            recent = {sale.investor_id for sale in series.sales if sale.on > since} if series is not None else set()
            addressed = {each for each in self.offerees if (found := self.investors.get(each)) is not None and found.country == country}
            known[key] = frozenset(each for each in recent | addressed if not self.investors[each].institutional)
        return len(known[key]) - (besides in known[key])

    @cached_property
    def _offered_in(self) -> dict[str, set[str]]:
        grouped: defaultdict[str, set[str]] = defaultdict(set)
        for investor_id in dict.fromkeys(chain((sale.investor_id for sale in self.sales), self.offerees)):
            investor = self.investors.get(investor_id)
            if investor is not None:
                grouped[investor.country].add(investor_id)
        return dict(grouped)

    def offered_in(self, country: str, *, besides: str) -> int:
        """Return how many of a country, besides one, bought or were made an offer."""
        found = self._offered_in.get(country, set())
        return len(found) - (besides in found)

    @cached_property
    def _unqualified_in(self) -> dict[str, set[str]]:
        return {}

    def unqualified_in(self, country: str, *, besides: str) -> int:
        """Return how many of a country, besides one, bought or were made an offer and are no qualified investors."""
        known = self._unqualified_in
        if country not in known:
            known[country] = {
                each for each in self._offered_in.get(country, set()) if not classes.qualified_eu(self.investors[each], self.book)
            }
        return len(known[country]) - (besides in known[country])

    @cached_property
    def _resales_by_seller(self) -> dict[str, _Series]:
        grouped: defaultdict[str, list[Sale]] = defaultdict(list)
        for sale in self.resales:
            if sale.seller_id is not None:
                grouped[sale.seller_id].append(sale)
        return {seller: _Series(sales, self.amount_of) for seller, sales in grouped.items()}

    def sold_by(self, investor_id: str, *, after: dt.date, until: dt.date) -> int:
        """Return how much a holder, and whoever counts as one with it, resold after a day and up to another, in base units."""
        found = self._resales_by_seller
        sellers = self.sellers_with(investor_id)
        return sum(found[each].quantity(after, until) for each in sellers if each in found)

    def sellers_with(self, investor_id: str) -> frozenset[str]:
        """Return who resells as one with an investor, itself among them (17 CFR 230.144(a)(2))."""
        alone = frozenset({investor_id})
        return alone.union(*(self._sellers.get(group, alone) for group in _sells_as(self.investors.get(investor_id))))

    @cached_property
    def _sellers(self) -> dict[str, frozenset[str]]:
        grouped: defaultdict[str, set[str]] = defaultdict(set)
        for investor_id, investor in self.investors.items():
            for group in _sells_as(investor):
                grouped[group].add(investor_id)
        return {group: frozenset(members) for group, members in grouped.items()}

    # --- money ---------------------------------------------------------------------------------------------------------------------

    def amount_of(self, sale: Sale) -> int:
        """Return what a sale brought, in minor units of the terms' currency; by the terms' price where nobody said."""
        return self.worth(sale.quantity) if sale.amount_minor is None else sale.amount_minor

    @cached_property
    def lacks_price(self) -> bool:
        """Whether some sale's amount is unknown: nobody stated it, and the terms have no price."""
        return self.terms.price_minor is None and any(sale.amount_minor is None for sale in self.sales)

    def worth(self, quantity: int) -> int:
        """Return what a quantity costs at the terms' price, rounded up to a minor unit; 0 without a price (see `lacks_price`)."""
        if self.terms.price_minor is None:
            return 0
        return divide(quantity * self.terms.price_minor, 10**self.terms.decimals, rounding=Rounding.UP)

    def in_currency(self, minor: int, currency: str, *, rounding: Rounding = Rounding.UP) -> int | None:
        """Return an amount of the terms' currency in cents of another, rounded up against limits; None without a rate."""
        if currency == self.terms.currency:
            return minor
        rate = self.terms.rates.get(currency)
        if rate is None:
            return None
        digits = MINOR_DIGITS[currency] - MINOR_DIGITS[self.terms.currency]
        scaled = minor * rate * 10 ** max(digits, 0)
        return divide(scaled, RATE_SCALE * 10 ** max(-digits, 0), rounding=rounding)


@dataclass(frozen=True)
class GrowingCase(Case):
    """A case to which sales can be added, each at about the cost of its own buyer: the indexes that exist are carried on, not made anew."""

    lots: dict[str, Sequence[Lot]]
    sales: list[Sale]

    @classmethod
    def of(cls, case: Case) -> GrowingCase:
        """Return a case like another, which stays as it is."""
        return cls(
            selection=case.selection,
            terms=case.terms,
            investors=case.investors,
            lots=dict(case.lots),
            sales=list(case.sales),
            resales=case.resales,
            offerees=case.offerees,
            evidence=case.evidence,
            book=case.book,
        )

    def add(self, sale: Sale) -> None:
        """Count a sale by the issuer as made: a lot more, and perhaps a holder more."""
        buyer, total, before = sale.investor_id, self.total, self.position(sale.investor_id)
        assert sale.quantity > 0, "a sale has shares"
        self.sales.append(sale)
        self.lots[buyer] = (*self.lots.get(buyer, ()), Lot(buyer, sale.quantity, sale.on, exemption=sale.exemption))
        made = self.__dict__
        made["total"] = total + sale.quantity
        self._positions[buyer] = before + sale.quantity
        for name in _MADE_ANEW:
            made.pop(name, None)
        if "lacks_price" in made:
            made["lacks_price"] = made["lacks_price"] or (self.terms.price_minor is None and sale.amount_minor is None)
        self._add_to_series(sale)
        self._add_to_offers(sale)
        if before == 0:
            self._add_holder(buyer)
        for exemptions, (found, others) in self._holders_only_under.items():
            self._holders_only_under[exemptions] = self._recounted(buyer, exemptions, found, others)

    def _add_to_series(self, sale: Sale) -> None:
        made, exemption = self.__dict__, self.exemption_of(sale.investor_id, sale.exemption)
        if "_by_exemption" in made:
            self._by_exemption.setdefault(exemption, _Series((), self.amount_of)).add(sale, self.amount_of(sale))
        if exemption is not None and exemption in self._non_accredited and not self.is_accredited(sale.investor_id):
            self._non_accredited[exemption].add(sale, self.amount_of(sale))
        if "all_sales" in made:
            self.all_sales.add(sale, self.amount_of(sale))
        if "_by_buyer" in made:
            self._by_buyer.setdefault(sale.investor_id, []).append(sale)
        investor = self.investors.get(sale.investor_id)
        if "_by_region" in made and investor is not None:
            self._by_region.setdefault(investor.country, _Series((), self.amount_of)).add(sale, self.amount_of(sale))

    def _add_to_offers(self, sale: Sale) -> None:
        investor = self.investors.get(sale.investor_id)
        if investor is None:
            return
        if "_offered_in" in self.__dict__:
            self._offered_in.setdefault(investor.country, set()).add(sale.investor_id)
        if investor.country in self._unqualified_in and not classes.qualified_eu(investor, self.book):
            self._unqualified_in[investor.country].add(sale.investor_id)

    def _add_holder(self, investor_id: str) -> None:
        made, investor = self.__dict__, self.investors.get(investor_id)
        is_counted = investor is None or not investor.compensation_plan
        if "_holding" in made:
            self._holding[investor_id] = None
        if "us_holders" in made:
            made["us_holders"] += investor is not None and investor.is_us_person
        if is_counted and "_counted" in made:
            self._counted[investor_id] = None
        if is_counted and "non_accredited_holders" in made:
            made["non_accredited_holders"] += not self.is_accredited(investor_id)

    def _recounted(self, buyer: str, exemptions: frozenset[str], found: set[str], others: int) -> tuple[set[str], int]:
        belongs = buyer in self._counted and all(self.exemption_of(buyer, lot.exemption) in exemptions for lot in self.lots[buyer])
        if belongs == (buyer in found):
            return found, others
        found.symmetric_difference_update({buyer})
        return found, others + (0 if self.is_accredited(buyer) else 1 if belongs else -1)


_MADE_ANEW = ("_windows", "_raised_in", "_offered_since", "beneficial_owners", "funds_of_unknown_owners")
"""Indexes that a sale changes in more than one place; they are small, or quick to make."""


def _sells_as(investor: InvestorFacts | None) -> Iterator[str]:
    if investor is not None and investor.household and investor.kind.is_natural:
        yield f"household {investor.household}"
    if investor is not None and investor.sells_with:
        yield f"group {investor.sells_with}"


class _Series:
    """Sales in the order of their days, with running sums."""

    __slots__ = ("_amounts", "_days", "_quantities", "sales")

    def __init__(self, sales: Iterable[Sale], amount_of: Callable[[Sale], int]) -> None:
        self.sales = sorted(sales, key=lambda sale: sale.on)
        self._days = [sale.on for sale in self.sales]
        self._quantities = [0, *accumulate(sale.quantity for sale in self.sales)]
        self._amounts = [0, *accumulate(amount_of(sale) for sale in self.sales)]

    def _between(self, after: dt.date, until: dt.date) -> tuple[int, int]:
        return bisect_right(self._days, after), bisect_right(self._days, until)

    def quantity(self, after: dt.date, until: dt.date) -> int:
        """Return what was sold after a day and up to another, both days of the calendar."""
        first, last = self._between(after, until)
        return self._quantities[last] - self._quantities[first]

    def amount(self, after: dt.date, until: dt.date) -> int:
        """Return what was paid for it."""
        first, last = self._between(after, until)
        return self._amounts[last] - self._amounts[first]

    def within(self, first: dt.date, last: dt.date) -> Sequence[Sale]:
        """Return the sales from one day to another, both included."""
        return self.sales[bisect_left(self._days, first) : bisect_right(self._days, last)]

    def add(self, sale: Sale, amount: int) -> None:
        """Put one more sale in its place; quick where none is later."""
        place = bisect_right(self._days, sale.on)
        self._days.insert(place, sale.on)
        self.sales.insert(place, sale)
        for sums, figure in ((self._quantities, sale.quantity), (self._amounts, amount)):
            sums.insert(place + 1, sums[place] + figure)
            for later in range(place + 2, len(sums)):
                sums[later] += figure

    def total(self) -> int:
        """Return what all of it brought."""
        return self._amounts[-1]
