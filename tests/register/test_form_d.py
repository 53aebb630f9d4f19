# SPDX-License-Identifier: Apache-2.0
"""Form D from the register: its figures, its elements in EDGAR's order, its due date; and the business days that deadlines need."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.register.errors import BadFormDInput, IncompleteSales
from muniment.register.model import ZERO_ADDRESS, Acquisition, Consideration, LotAnnotation, Movement
from muniment.register.model.business_days import add_business_days, federal_holidays, is_business_day, next_business_day
from muniment.register.model.form_d import FormDFigures, FormDInput, Offering, due_date, form_d_figures, form_d_xml, parse_form_d
from muniment.units.ids import Address, InvestorId, TransactionHash
from muniment.units.money import Money

EXAMPLE = Path(__file__).parents[2] / "examples" / "reports" / "form_d.json"
TOKEN = Address("0x" + "A" * 40)
FIRST_AT = dt.datetime(2026, 11, 28, 23, 30, tzinfo=dt.UTC)

# As in the notices that EDGAR publishes (primary_doc.xml, schema X0708).
TREE = """
edgarSubmission
  schemaVersion
  submissionType
  testOrLive
  primaryIssuer
    cik
    entityName
    issuerAddress
      street1
      city
      stateOrCountry
      stateOrCountryDescription
      zipCode
    issuerPhoneNumber
    jurisdictionOfInc
    issuerPreviousNameList
      value
    edgarPreviousNameList
      value
    entityType
    yearOfInc
      withinFiveYears
      value
  relatedPersonsList
    relatedPersonInfo
      relatedPersonName
        firstName
        lastName
      relatedPersonAddress
        street1
        city
        stateOrCountry
        stateOrCountryDescription
        zipCode
      relatedPersonRelationshipList
        relationship
        relationship
      relationshipClarification
  offeringData
    industryGroup
      industryGroupType
    issuerSize
      revenueRange
    federalExemptionsExclusions
      item
    typeOfFiling
      newOrAmendment
        isAmendment
      dateOfFirstSale
        value
    durationOfOffering
      moreThanOneYear
    typesOfSecuritiesOffered
      isEquityType
    businessCombinationTransaction
      isBusinessCombinationTransaction
      clarificationOfResponse
    minimumInvestmentAccepted
    salesCompensationList
    offeringSalesAmounts
      totalOfferingAmount
      totalAmountSold
      totalRemaining
      clarificationOfResponse
    investors
      hasNonAccreditedInvestors
      numberNonAccreditedInvestors
      totalNumberAlreadyInvested
    salesCommissionsFindersFees
      salesCommissions
        dollarAmount
      findersFees
        dollarAmount
      clarificationOfResponse
    useOfProceeds
      grossProceedsUsed
        dollarAmount
      clarificationOfResponse
    signatureBlock
      authorizedRepresentative
      signature
        issuerName
        signatureName
        nameOfSigner
        signatureTitle
        signatureDate
"""


def example(**changes: Any) -> FormDInput:
    body = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    for path, value in changes.items():
        at = body
        *parents, last = path.split("__")
        for parent in parents:
            at = at[parent]
        at[last] = value
    return parse_form_d(json.dumps(body).encode())


def a_sale(buyer: int, dollars: str | None, category: str | None = "accredited", **said: Any) -> Acquisition:
    paid = None if dollars is None else Money.parse(dollars, "USD")
    movement = Movement(TOKEN, 0, 1, 0, ZERO_ADDRESS, TOKEN, 5, TransactionHash("0x1"), FIRST_AT)
    annotation = replace(LotAnnotation(exemption="us.regd.506c", paid=paid, buyer_category=category), **said)
    return Acquisition(movement, 0, None, InvestorId(UUID(int=buyer)), annotation)


FIGURES = FormDFigures(1_000, 2, 1, 1, dt.date(2026, 11, 28), dt.date(2026, 12, 14), 0)


def outline(element: ET.Element, depth: int = 0) -> str:
    return "  " * depth + element.tag + "\n" + "".join(outline(child, depth + 1) for child in element)


def test_the_elements_are_edgars_in_edgars_order() -> None:
    root = ET.fromstring(form_d_xml(example(), FIGURES))  # noqa: S314 - our own text
    assert outline(root) == TREE.lstrip()
    told = {path: root.findtext(path) for path in ("submissionType", "testOrLive", "primaryIssuer/entityName")}
    assert told == {"submissionType": "D", "testOrLive": "TEST", "primaryIssuer/entityName": "Example Ltd"}
    amounts = root.find("offeringData/offeringSalesAmounts")
    assert amounts is not None
    assert [child.text for child in amounts] == ["5000000", "1000", "4999000", None]


def test_what_an_offering_may_have_besides_stands_where_edgar_wants_it() -> None:
    place = json.loads(EXAMPLE.read_text(encoding="utf-8"))["issuer"]["address"]
    given_more = example(
        live=True,
        issuer__year_of_incorporation=1990,
        issuer__previous_names=["Example <Old> & Co"],
        co_issuers=[{**json.loads(EXAMPLE.read_text(encoding="utf-8"))["issuer"], "name": "Second Ltd", "year_of_incorporation": None}],
        offering__amendment_of="0001234567-26-000001",
        offering__total_offering_amount=None,
        offering__security_types=["other", "equity"],
        offering__other_type="Tokens",
        offering__sales_commissions=500,
        offering__sales_commissions_estimated=True,
        offering__sales_compensation=[
            {"name": "A Finder", "address": place, "states": ["CA", "NY"]},
            {"name": "B Finder", "address": place},
        ],
    )
    figures = replace(FIGURES, first_sale_date=None, non_accredited_investors=0)
    root = ET.fromstring(form_d_xml(given_more, figures))  # noqa: S314 - our own text
    assert [child.tag for child in root] == [
        "schemaVersion", "submissionType", "testOrLive", "primaryIssuer", "issuerList", "relatedPersonsList", "offeringData",
    ]  # fmt: skip
    assert (root.findtext("submissionType"), root.findtext("testOrLive")) == ("D/A", "LIVE")
    assert root.findtext("primaryIssuer/issuerPreviousNameList/previousName") == "Example <Old> & Co"
    assert root.findtext("primaryIssuer/yearOfInc/overFiveYears") == "true"
    assert root.findtext("issuerList/issuer/yearOfInc/yetToBeFormed") == "true"
    data = root.find("offeringData")
    assert data is not None
    assert data.findtext("typeOfFiling/newOrAmendment/previousAccessionNumber") == "0001234567-26-000001"
    assert data.findtext("typeOfFiling/dateOfFirstSale/yetToOccur") == "true"
    types = data.find("typesOfSecuritiesOffered")
    assert types is not None
    assert [child.tag for child in types] == ["isEquityType", "isOtherType", "descriptionOfOtherType"]
    assert data.findtext("offeringSalesAmounts/totalRemaining") == "Indefinite"
    assert [each.text for each in data.findall("salesCompensationList/recipient/statesOfSolicitationList/*")] == ["CA", "NY", "All States"]
    assert data.find("investors/numberNonAccreditedInvestors") is None
    assert data.findtext("salesCommissionsFindersFees/salesCommissions/isEstimate") == "true"
    assert len(data.findall("signatureBlock/signature")) == 2


def test_the_figures_are_the_issuers_own_sales_under_the_offerings_exemption() -> None:
    sales = [
        a_sale(1, "1000.40"),
        a_sale(1, "500.20"),
        a_sale(2, "250.10", "non_accredited"),
        a_sale(2, "1.00"),
        a_sale(3, "9000.00", exemption="us.regs"),
        a_sale(4, "9000.00", exemption=None),
        a_sale(5, "9000.00", consideration=Consideration.SPLIT),
        replace(a_sale(6, "9000.00"), seller=InvestorId(UUID(int=1))),
    ]
    figures = form_d_figures(sales, example().offering)
    assert figures == FormDFigures(1752, 4, 1, 1, dt.date(2026, 11, 28), dt.date(2026, 12, 14), 1)
    assert figures.investors == 2


def test_a_commitment_before_the_first_issue_is_the_first_sale_and_no_sale_has_no_due_date() -> None:
    early = example(offering__first_sale_date="2026-11-02").offering
    assert form_d_figures([a_sale(1, "1.00")], early).first_sale_date == dt.date(2026, 11, 2)
    assert form_d_figures([a_sale(1, "1.00", acquired_at=FIRST_AT - dt.timedelta(days=40))], early).first_sale_date == dt.date(2026, 10, 19)
    none = form_d_figures([], example().offering)
    assert (none.first_sale_date, none.due_date, none.total_sold) == (None, None, 0)


@pytest.mark.parametrize(
    ("sale", "facts"),
    [
        (a_sale(1, None), {"unpriced": 1, "unclassified": 0}),
        (a_sale(1, "1.00", None), {"unpriced": 0, "unclassified": 1}),
        (a_sale(1, "1.00", "friend"), {"unpriced": 0, "unclassified": 1}),
        (a_sale(1, None, None, paid=Money(1, "EUR")), {"unpriced": 1, "unclassified": 1}),
    ],
)
def test_a_sale_without_price_or_category_is_no_figure(sale: Acquisition, facts: dict[str, int]) -> None:
    with pytest.raises(IncompleteSales) as refusal:
        form_d_figures([sale, a_sale(2, "5.00")], example().offering)
    assert refusal.value.facts == {**facts, "sales": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer__cik": "12"},
        {"issuer__entity_type": "Company"},
        {"offering__exemptions": []},
        {"offering__exemptions": ["506c"]},
        {"offering__net_asset_value_range": "Not Applicable"},
        {"offering__revenue_range": None},
        {"offering__minimum_investment": -1},
        {"related_persons": []},
        {"issuer__name": "Bell\u0007"},
        {"issuer__name": "x" * 151},
        {"surprise": 1},
    ],
)
def test_what_edgar_would_not_take_is_refused_before(changes: dict[str, Any]) -> None:
    with pytest.raises(BadFormDInput):
        example(**changes)


@given(st.text(max_size=150, min_size=1))
def test_any_text_is_either_refused_or_well_formed_and_the_same_when_read(text: str) -> None:
    body = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    body["issuer"]["name"] = text
    try:
        parsed = parse_form_d(json.dumps(body).encode())
    except BadFormDInput:
        return
    root = ET.fromstring(form_d_xml(parsed, FIGURES))  # noqa: S314 - our own text
    # XML reads every line end as a line feed.
    assert root.findtext("primaryIssuer/entityName") == text.replace("\r\n", "\n").replace("\r", "\n")


@given(st.integers(0, 10**9), st.lists(st.tuples(st.integers(1, 5), st.integers(0, 10**9), st.booleans()), max_size=12))
def test_what_is_sold_and_what_remains_add_up_to_the_offering(offered: int, made: list[tuple[int, int, bool]]) -> None:
    offering = msgspec.structs.replace(example().offering, total_offering_amount=offered)
    sales = [a_sale(buyer, str(dollars), "accredited" if is_accredited else "non_accredited") for buyer, dollars, is_accredited in made]
    figures = form_d_figures(sales, offering)
    assert isinstance(offering, Offering)
    assert figures.total_sold == sum(dollars for _, dollars, _ in made)
    assert figures.non_accredited_investors == len({buyer for buyer, _, is_accredited in made if not is_accredited})
    assert figures.investors == len({buyer for buyer, _, _ in made})


@pytest.mark.parametrize(
    ("first_sale", "due"),
    [
        (dt.date(2026, 11, 2), dt.date(2026, 11, 17)),
        # The fifteenth day is a Sunday; a Saturday before a holiday on Monday.
        (dt.date(2026, 11, 28), dt.date(2026, 12, 14)),
        (dt.date(2027, 1, 1), dt.date(2027, 1, 19)),
    ],
)
def test_the_notice_is_due_fifteen_days_after_the_first_sale_or_on_the_next_business_day(first_sale: dt.date, due: dt.date) -> None:
    assert due_date(first_sale) == due


def test_the_federal_holidays_are_those_of_the_law_on_the_days_on_which_they_are_kept() -> None:
    assert federal_holidays(2026) == {
        dt.date(2026, 1, 1), dt.date(2026, 1, 19), dt.date(2026, 2, 16), dt.date(2026, 5, 25), dt.date(2026, 6, 19), dt.date(2026, 7, 3),
        dt.date(2026, 9, 7), dt.date(2026, 10, 12), dt.date(2026, 11, 11), dt.date(2026, 11, 26), dt.date(2026, 12, 25),
    }  # fmt: skip
    # New Year's Day of 2028 is a Saturday, kept on the last day of 2027; Christmas of 2027 is one too.
    assert {dt.date(2027, 12, 31), dt.date(2027, 12, 24)} <= federal_holidays(2027)
    assert dt.date(2028, 1, 1) not in federal_holidays(2028)
    assert dt.date(2020, 6, 19) not in federal_holidays(2020)
    assert not is_business_day(dt.date(2026, 11, 28))


@given(st.dates(dt.date(2020, 1, 1), dt.date(2040, 1, 1)), st.integers(0, 20))
def test_business_days_are_counted_one_by_one(day: dt.date, count: int) -> None:
    there = add_business_days(day, count)
    between = [day + dt.timedelta(days=each) for each in range(1, (there - day).days + 1)]
    assert sum(map(is_business_day, between)) == count
    assert is_business_day(next_business_day(day))
    assert 10 <= len(federal_holidays(day.year)) <= 12
