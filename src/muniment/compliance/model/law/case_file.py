# SPDX-License-Identifier: Apache-2.0
"""A question of law as JSON: its published form, read into typed facts, with the place of whatever is wrong. Judging is elsewhere."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from muniment.compliance.errors import CaseInvalid, CaseTooLarge
from muniment.compliance.model.law.book import rule_book
from muniment.compliance.model.law.case import RATE_SCALE, Case
from muniment.compliance.model.law.facts import (
    EEA,
    INSTITUTIONS,
    INSTRUMENT_KINDS,
    InvestorFacts,
    Lot,
    Method,
    PersonKind,
    Proposal,
    Sale,
    TaxFacts,
    Terms,
    Verification,
)
from muniment.compliance.model.law.offerings import SALE_RULES
from muniment.parties.model import parse_country
from muniment.units.errors import MunimentError, Place
from muniment.units.instants import parse_date, parse_instant
from muniment.units.money import Money, parse_decimal
from muniment.units.shares import parse_shares

INVESTORS_MAX = 1_000_000
TEXT_MAX = 500

Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
Amount = Annotated[str, msgspec.Meta(max_length=60, description="a decimal text, such as 250000.50")] | int
Quantity = Annotated[str, msgspec.Meta(max_length=60, description="a decimal text of shares, such as 1000")] | int
Day = Annotated[str, msgspec.Meta(max_length=40, description="a day (2026-05-23) or an instant (2026-05-23T12:00:00Z), counted in UTC")]


class VerificationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How accreditation was verified: tax_forms, statements, letter, prior_verification or minimum_investment."""

    method: Text
    verified_on: Day
    represented: bool = False


class TaxBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tax form on file: W-9, W-8BEN or W-8BEN-E; `treaty_rate_bps` in ten-thousandths."""

    form: Text | None = None
    form_valid_until: Day | None = None
    has_tin: bool = False
    fatca_compliant: bool = True
    treaty_rate_bps: Annotated[int, msgspec.Meta(ge=0, le=3_000)] | None = None


class InvestorBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An investor; what nobody has decided is derived from the figures. `country` is ISO 3166-1 alpha-2, of residence."""

    id: Text
    country: Text
    kind: Text = "person"
    us_person: bool | None = None
    verified: bool | None = None
    verified_until: Day | None = None
    accredited: bool | None = None
    verification: VerificationBody | None = None
    sophisticated: bool = False
    household: Text | None = None
    sells_with: Text | None = None
    qualified_institutional_buyer: bool | None = None
    qualified_purchaser: bool | None = None
    knowledgeable_employee: bool = False
    professional: bool | None = None
    qualified: bool | None = None
    institutional: bool = False
    affiliate: bool = False
    affiliate_until: Day | None = None
    compensation_plan: bool = False
    investment_company: bool = False
    beneficial_owners: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    net_worth_usd: Amount | None = None
    annual_income_usd: Amount | None = None
    prior_year_income_usd: Amount | None = None
    joint_income_usd: Amount | None = None
    prior_year_joint_income_usd: Amount | None = None
    expects_same_income: bool = False
    licences: tuple[Text, ...] = ()
    insider_roles: tuple[Text, ...] = ()
    family_client: bool = False
    annual_revenue_usd: Amount | None = None
    net_assets_usd: Amount | None = None
    total_assets_usd: Amount | None = None
    investments_usd: Amount | None = None
    formed_for_offering: bool | None = None
    all_owners_accredited: bool = False
    natural_owners: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    institution: Text | None = None
    family_office_aum_usd: Amount | None = None
    discretionary_securities_usd: Amount | None = None
    bank_net_worth_usd: Amount | None = None
    crowdfunding_12m_usd: Amount | None = None
    net_worth_eur: Amount | None = None
    balance_sheet_eur: Amount | None = None
    turnover_eur: Amount | None = None
    own_funds_eur: Amount | None = None
    trades_per_quarter: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    portfolio_eur: Amount | None = None
    sector_years: Annotated[int, msgspec.Meta(ge=0, le=200)] | None = None
    net_personal_assets_sgd: Amount | None = None
    net_financial_assets_sgd: Amount | None = None
    annual_income_sgd: Amount | None = None
    corporate_net_assets_sgd: Amount | None = None
    consents: Mapping[Text, Day] = {}
    tax: TaxBody | None = None


class TermsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The security, its issuer and its offering. `kind`: equity, debt, fund_unit, revenue_share or other."""

    kind: Text = "equity"
    decimals: Annotated[int, msgspec.Meta(ge=0, le=18)] = 0
    currency: Text = "USD"
    price: Amount | None = None
    denomination: Amount | None = None
    rates: Mapping[Text, Amount] = {}
    issuer_country: Text = "US"
    issuer_reporting: bool = False
    reporting_since: Day | None = None
    current_public_information: bool | None = None
    shell_form10_filed_on: Day | None = None
    foreign_private_issuer: bool = False
    is_bank: bool = False
    transfer_agent_registered: bool = False
    is_listed: bool = False
    listed_since: Day | None = None
    general_solicitation: bool = False
    directed_selling_efforts: bool = False
    regs_category: Annotated[int, msgspec.Meta(ge=1, le=3)] | None = None
    substantial_us_market_interest: bool | None = None
    first_offered_on: Day | None = None
    closed_on: Day | None = None
    rega_tier: Annotated[int, msgspec.Meta(ge=1, le=2)] | None = None
    bad_actor_checked_on: Day | None = None
    portal: Text | None = None
    outstanding: Quantity | None = None
    admitted: Quantity | None = None
    average_weekly_volume: Quantity | None = None
    total_assets_usd: Amount | None = None
    public_float_usd: Amount | None = None
    annual_revenue_usd: Amount | None = None
    information_right_144a: bool | None = None
    is_qualifying_venture_fund: bool = False
    fund_capital_usd: Amount | None = None
    market_capitalisation_eur: Amount | None = None
    issue_size_eur: Amount | None = None
    assets_under_management_eur: Amount | None = None
    aggregate_admitted_eur: Amount | None = None
    member_state_thresholds_eur: Mapping[Text, Amount] = {}
    public_offer_platform: bool = False
    traded_on_mtf: bool = False
    issued_locked: bool = False
    raised_12m: Amount | None = None


class SecurityBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The packs or rules that are chosen, the terms, and the evidence for checklists: rule id to item to where it is."""

    packs: tuple[Text, ...] = ()
    terms: TermsBody = TermsBody()
    evidence: Mapping[Text, Mapping[Text, Any]] = {}


class LotBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of one acquisition; `holding_since` where an earlier holder's time is tacked on (17 CFR 230.144(d)(3))."""

    investor: Text
    quantity: Quantity
    acquired_at: Day
    holding_since: Day | None = None
    exemption: Text | None = None


class SaleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A past sale by the issuer, or (with `seller`) a resale. `amount` in the terms' currency; else quantity times price."""

    investor: Text
    at: Day
    quantity: Quantity
    amount: Amount | None = None
    exemption: Text | None = None
    seller: Text | None = None


class ProposedBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sender": "from", "receiver": "to"}):
    """What is proposed. `kind`: sale, transfer, match, payment, classification or snapshot. `to` “issuer”: back to the issuer.

    `how`: sale, gift, estate, pledge or family. A sale by the issuer has no `from`. `offered_on` is where a reflection period begins.
    `exemption` is the one that a sale is made under, such as us.regd.506c: in its jurisdiction no other is asked.
    """

    kind: Text
    at: Day
    sender: Text | None = None
    receiver: Text | None = None
    quantity: Quantity | None = None
    amount: Amount | None = None
    currency: Text | None = None
    how: Text = "sale"
    offered_on: Day | None = None
    exemption: Text | None = None


HOWS = ("sale", "gift", "estate", "pledge", "family")


class CaseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question of law. Without `sales` every lot of the register counts as a sale by the issuer on its day."""

    security: SecurityBody
    investors: tuple[InvestorBody, ...] = ()
    register: tuple[LotBody, ...] = ()
    sales: tuple[SaleBody, ...] | None = None
    resales: tuple[SaleBody, ...] = ()
    offerees: tuple[Text, ...] = ()
    proposed: ProposedBody | None = None


def case_schema() -> dict[str, Any]:
    """Return the JSON Schema of a case."""
    return msgspec.json.schema(CaseBody)


def read_case(content: bytes) -> tuple[Case, Proposal | None]:
    """Return the case and the proposal that JSON describes.

    Raises:
        CaseInvalid: a field is missing, unknown or in the wrong form; the place names it.
        CaseTooLarge: more than `INVESTORS_MAX` investors, lots or sales.
        RuleUnknown, RuleDisabled: a pack that does not exist, or that is no law.

    """
    try:
        body = msgspec.json.decode(content, type=CaseBody)
    except msgspec.ValidationError as error:
        problem, place = place_of(error)
        raise CaseInvalid(problem=problem, place=place) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CaseInvalid(problem="it is no JSON") from None
    return read_body(body)


def place_of(error: msgspec.ValidationError) -> tuple[str, Place]:
    """Return what is wrong with JSON of another form, and where."""
    problem, _, path = str(error).partition(" - at `$")
    named = re.search(r"field `(\w+)`", problem)
    parts = (path.rstrip("`").strip("."), named.group(1) if named else "")
    return problem, Place(field=".".join(part for part in parts if part) or None)


def read_body(body: CaseBody) -> tuple[Case, Proposal | None]:
    """Return the case and the proposal of a body in form; raises as `read_case` does."""
    for what, found in (("investors", body.investors), ("lots", body.register), ("sales", body.sales or ())):
        if len(found) > INVESTORS_MAX:
            raise CaseTooLarge(found=len(found), what=what, allowed=INVESTORS_MAX)
    selection = rule_book().select(body.security.packs, field="security.packs")
    terms = read_terms(body.security.terms, selection.terms, field="security.terms")
    investors: dict[str, InvestorFacts] = {}
    for index, each in enumerate(body.investors):
        if each.id in investors:
            raise CaseInvalid(problem=f"the investor {each.id} stands twice", place=Place(field=f"investors[{index}].id"))
        investors[each.id] = _investor(each, f"investors[{index}]")
    lots: defaultdict[str, list[Lot]] = defaultdict(list)
    for index, lot in enumerate(body.register):
        lots[lot.investor].append(_lot(lot, terms, f"register[{index}]"))
    ordered = {investor_id: tuple(sorted(found, key=lambda lot: lot.acquired_on)) for investor_id, found in lots.items()}
    if body.sales is None:
        sales: Sequence[Sale] = [
            Sale(lot.investor_id, lot.acquired_on, lot.quantity, exemption=lot.exemption) for found in ordered.values() for lot in found
        ]
    else:
        sales = [_sale(sale, terms, f"sales[{index}]") for index, sale in enumerate(body.sales)]
    resales = [_sale(sale, terms, f"resales[{index}]") for index, sale in enumerate(body.resales)]
    for where, named in (("sales", [sale.investor for sale in body.sales or ()]), ("offerees", body.offerees)):
        for index, investor_id in enumerate(named):
            if investor_id not in investors:
                place = Place(field=f"{where}[{index}]" + (".investor" if where == "sales" else ""))
                raise CaseInvalid(problem=f"nobody among the investors is {investor_id}", place=place)
    case = Case(
        selection=selection,
        terms=terms,
        investors=investors,
        lots=ordered,
        sales=[sale for sale in sales if sale.seller_id is None],
        resales=[*resales, *(sale for sale in sales if sale.seller_id is not None)],
        offerees=frozenset(body.offerees),
        evidence=body.security.evidence,
    )
    return case, None if body.proposed is None else _proposal(body.proposed, terms)


def read_terms(body: TermsBody, settled: Mapping[str, Any], *, field: str) -> Terms:
    """Return the terms with what the packs settle; refuse an amount, a day or a currency in the wrong form."""
    currency = body.currency
    Money.parse("0", currency, field=f"{field}.currency")
    values: dict[str, Any] = {}
    for name in TermsBody.__struct_fields__:
        value = getattr(body, name)
        if value is None or name in {"price", "denomination", "rates", "member_state_thresholds_eur", "raised_12m"}:
            continue
        if name in {"outstanding", "admitted", "average_weekly_volume"}:
            values[name] = parse_decimal(str(value), decimals_max=body.decimals, unit="the security", field=f"{field}.{name}")
            if values[name] < 0:
                raise CaseInvalid(problem="a quantity is zero or more", place=Place(field=f"{field}.{name}"))
        else:
            values[name] = _fact(name, value, f"{field}.{name}")
    price = None if body.price is None else _money(str(body.price), currency, field=f"{field}.price")
    denomination = None if body.denomination is None else _money(str(body.denomination), currency, field=f"{field}.denomination")
    raised = 0 if body.raised_12m is None else _money(str(body.raised_12m), currency, field=f"{field}.raised_12m")
    rates = {}
    for other, rate in body.rates.items():
        Money.parse("0", other, field=f"{field}.rates.{other}")
        rates[other] = parse_decimal(str(rate), decimals_max=8, unit="a rate", field=f"{field}.rates.{other}")
        if rates[other] <= 0:
            raise CaseInvalid(problem="a rate is more than zero", place=Place(field=f"{field}.rates.{other}"))
    assert RATE_SCALE == 10**8, "as many decimals as are read"
    thresholds = {
        country: _money(str(amount), "EUR", field=f"{field}.member_state_thresholds_eur.{country}")
        for country, amount in body.member_state_thresholds_eur.items()
    }
    _country(body.issuer_country, f"{field}.issuer_country")
    if body.kind not in INSTRUMENT_KINDS:
        raise CaseInvalid(problem=f"kind is one of {', '.join(INSTRUMENT_KINDS)}", place=Place(field=f"{field}.kind"))
    for country, limit in thresholds.items():
        place = Place(field=f"{field}.member_state_thresholds_eur.{country}")
        if country not in EEA:
            raise CaseInvalid(problem=f"“{country}” is no Member State", place=place)
        if limit > rule_book().rules["eu.prospectus.threshold"].params["max_12m_eur_lt"] * 100:
            raise CaseInvalid(problem="a Member State's threshold is 12 million euros at most", place=place)
    for name, value in settled.items():
        if getattr(body, name) not in {None, value}:
            raise CaseInvalid(problem=f"a pack says {name} {value}", place=Place(field=f"{field}.{name}"))
    return Terms(
        **{**values, **{name: value for name, value in settled.items() if getattr(body, name) is None}},
        price_minor=price,
        denomination_minor=denomination,
        rates=rates,
        raised_12m=raised,
        member_state_thresholds_eur=thresholds,
    )


def _investor(body: InvestorBody, field: str) -> InvestorFacts:
    values: dict[str, Any] = {}
    for name in InvestorBody.__struct_fields__:
        value = getattr(body, name)
        if value is None or name in {"id", "country", "kind", "verification", "tax", "consents"}:
            continue
        values[name] = _fact(name, value, f"{field}.{name}")
    kind = {"natural": "person", "natural_person": "person"}.get(body.kind, body.kind)
    if kind not in {each.value for each in PersonKind}:
        raise CaseInvalid(problem="kind is one of person, entity, trust, plan", place=Place(field=f"{field}.kind"))
    if body.institution is not None and body.institution not in INSTITUTIONS:
        raise CaseInvalid(problem=f"institution is one of {', '.join(INSTITUTIONS)}", place=Place(field=f"{field}.institution"))
    natural = rule_book().rules["us.accredited.natural"].params
    for name, known in (("licences", natural["licences"]), ("insider_roles", natural["insider"])):
        for index, text in enumerate(getattr(body, name)):
            if text not in known:
                raise CaseInvalid(problem=f"one of {', '.join(known)} is needed", place=Place(field=f"{field}.{name}[{index}]"))
    return InvestorFacts(
        investor_id=body.id,
        kind=PersonKind(kind),
        country=_country(body.country, f"{field}.country"),
        verification=None if body.verification is None else _verification(body.verification, f"{field}.verification"),
        tax=None if body.tax is None else _tax(body.tax, f"{field}.tax"),
        consents={rule: _day(day, f"{field}.consents.{rule}") for rule, day in body.consents.items()},
        **values,
    )


def _country(text: str, field: str) -> str:
    try:
        return parse_country(text, field=field)
    except MunimentError:
        raise CaseInvalid(problem=f"“{text}” is no country (ISO 3166-1 alpha-2)", place=Place(field=field)) from None


def _verification(body: VerificationBody, field: str) -> Verification:
    if body.method not in {each.value for each in Method}:
        raise CaseInvalid(problem=f"method is one of {', '.join(each.value for each in Method)}", place=Place(field=f"{field}.method"))
    return Verification(Method(body.method), _day(body.verified_on, f"{field}.verified_on"), body.represented)


def _tax(body: TaxBody, field: str) -> TaxFacts:
    if body.form not in {None, "W-9", "W-8BEN", "W-8BEN-E"}:
        raise CaseInvalid(problem="form is one of W-9, W-8BEN, W-8BEN-E", place=Place(field=f"{field}.form"))
    until = None if body.form_valid_until is None else _day(body.form_valid_until, f"{field}.form_valid_until")
    return TaxFacts(body.form, until, body.has_tin, body.fatca_compliant, body.treaty_rate_bps)


def _lot(body: LotBody, terms: Terms, field: str) -> Lot:
    acquired_on = _day(body.acquired_at, f"{field}.acquired_at")
    since = None if body.holding_since is None else _day(body.holding_since, f"{field}.holding_since")
    if since is not None and since > acquired_on:
        raise CaseInvalid(
            problem="a holding period begins on the day of the acquisition or earlier", place=Place(field=f"{field}.holding_since")
        )
    quantity = parse_shares(str(body.quantity), decimals=terms.decimals, field=f"{field}.quantity")
    return Lot(body.investor, quantity, acquired_on, since, _exemption(body.exemption, f"{field}.exemption"))


def _sale(body: SaleBody, terms: Terms, field: str) -> Sale:
    return Sale(
        investor_id=body.investor,
        on=_day(body.at, f"{field}.at"),
        quantity=parse_shares(str(body.quantity), decimals=terms.decimals, field=f"{field}.quantity"),
        amount_minor=None if body.amount is None else _money(str(body.amount), terms.currency, field=f"{field}.amount"),
        exemption=_exemption(body.exemption, f"{field}.exemption"),
        seller_id=body.seller,
    )


def _exemption(text: str | None, field: str) -> str | None:
    if text is not None and text not in SALE_RULES:
        raise CaseInvalid(problem=f"“{text}” is no rule that shares are sold under", place=Place(field=field))
    return text


def _money(text: str, currency: str, *, field: str) -> int:
    """Return an amount in minor units; refuse one below zero."""
    minor = Money.parse(text, currency, field=field).minor_units
    if minor < 0:
        raise CaseInvalid(problem="an amount is zero or more", place=Place(field=field))
    return minor


_SYNONYMS = {"subscription": "sale", "issue": "sale", "resale": "transfer"}
"""Words that people also use for a sale by the issuer and for a transfer."""


def _proposal(body: ProposedBody, terms: Terms) -> Proposal:
    field = "proposed"
    if body.how not in HOWS:
        raise CaseInvalid(problem=f"how is one of {', '.join(HOWS)}", place=Place(field=f"{field}.how"))
    currency = body.currency or terms.currency
    if currency != terms.currency and body.kind != "payment":
        raise CaseInvalid(
            problem=f"a sale or transfer is told in {terms.currency}, the terms' currency", place=Place(field=f"{field}.currency")
        )
    to_issuer = body.receiver == "issuer"
    return Proposal(
        kind=_SYNONYMS.get(body.kind, body.kind),
        on=_day(body.at, f"{field}.at"),
        sender=body.sender,
        receiver=None if to_issuer else body.receiver,
        quantity=0 if body.quantity is None else parse_shares(str(body.quantity), decimals=terms.decimals, field=f"{field}.quantity"),
        amount_minor=None if body.amount is None else _money(str(body.amount), currency, field=f"{field}.amount"),
        currency=body.currency,
        how=body.how,
        offered_on=None if body.offered_on is None else _day(body.offered_on, f"{field}.offered_on"),
        to_issuer=to_issuer,
        exemption=body.exemption,
    )


_CURRENCY_SUFFIX = {"usd": "USD", "eur": "EUR", "sgd": "SGD"}
_DAY_FIELDS = frozenset(
    {
        "verified_until",
        "affiliate_until",
        "reporting_since",
        "shell_form10_filed_on",
        "listed_since",
        "first_offered_on",
        "closed_on",
        "bad_actor_checked_on",
    }
)


def _fact(name: str, value: Any, field: str) -> Any:
    """Return a fact as the model holds it: amounts in cents, days as days, everything else as it is."""
    if name in _DAY_FIELDS:
        return _day(value, field)
    currency = _CURRENCY_SUFFIX.get(name.rpartition("_")[2])
    if currency is not None:
        if name.startswith("net_"):
            # What somebody is worth can be less than nothing.
            return Money.parse(str(value), currency, field=field).minor_units
        return _money(str(value), currency, field=field)
    return value


YEARS = range(1900, 2200)


def _day(text: str, field: str) -> dt.date:
    day = parse_instant(text, field=field).date() if "T" in text.upper() else parse_date(text, field=field)
    if day.year not in YEARS:
        raise CaseInvalid(problem=f"a year from {YEARS.start} to {YEARS.stop - 1} is needed", place=Place(field=field))
    return day
