# SPDX-License-Identifier: Apache-2.0
"""Form D: what the register says of an offering, and the notice as XML in EDGAR's element tree. Files nothing with anybody.

Order and names of the elements are those of the notices that EDGAR publishes as `primary_doc.xml` (schema X0708). Amounts are whole
dollars. What the issuer has to say itself comes from a file; what was sold, to how many and since when comes from the register.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias
from xml.etree import ElementTree as ET

import msgspec

from muniment.register.errors import BadFormDInput, IncompleteSales
from muniment.register.model.business_days import next_business_day
from muniment.register.model.lots import Acquisition, LotHolder
from muniment.units.money import Rounding, divide

SCHEMA_VERSION: Final = "X0708"
DUE_DAYS: Final = 15
"""17 CFR 230.503(a)(1): fifteen calendar days after the first sale; where that is no business day, the next one."""

RECENT_YEARS: Final = 5
RULES: Final = {"06b": "us.regd.506b", "06c": "us.regd.506c", "04": "us.regd.504"}
"""The exemption as Form D codes it, and as annotations name it."""

ACCREDITED: Final = frozenset({"accredited", "qib", "qualified_purchaser"})
NON_ACCREDITED: Final = "non_accredited"

Line: TypeAlias = Annotated[str, msgspec.Meta(max_length=150)]
Needed: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=150)]
Prose: TypeAlias = Annotated[str, msgspec.Meta(max_length=255)]
Dollars: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Country: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[A-Z0-9]{2}$")]
"""EDGAR's two characters for a state or a country, such as DE or X0."""

Range: TypeAlias = Literal[
    "No Revenues",
    "$1 - $1,000,000",
    "$1,000,001 - $5,000,000",
    "$5,000,001 - $25,000,000",
    "$25,000,001 - $100,000,000",
    "Over $100,000,000",
    "Decline to Disclose",
    "Not Applicable",
]
NetAssetRange: TypeAlias = Literal[
    "No Aggregate Net Asset Value",
    "$1 - $5,000,000",
    "$5,000,001 - $25,000,000",
    "$25,000,001 - $50,000,000",
    "$50,000,001 - $100,000,000",
    "Over $100,000,000",
    "Decline to Disclose",
    "Not Applicable",
]
EntityType: TypeAlias = Literal[
    "Corporation", "Limited Partnership", "Limited Liability Company", "General Partnership", "Business Trust", "Other"
]
SecurityType: TypeAlias = Literal[
    "equity",
    "debt",
    "option_to_acquire",
    "security_to_be_acquired",
    "pooled_investment_fund",
    "tenant_in_common",
    "mineral_property",
    "other",
]
SECURITY_ELEMENTS: Final[tuple[tuple[SecurityType, str], ...]] = (
    ("equity", "isEquityType"),
    ("debt", "isDebtType"),
    ("option_to_acquire", "isOptionToAcquireType"),
    ("security_to_be_acquired", "isSecurityToBeAcquiredType"),
    ("pooled_investment_fund", "isPooledInvestmentFundType"),
    ("tenant_in_common", "isTenantInCommonType"),
    ("mineral_property", "isMineralPropertyType"),
    ("other", "isOtherType"),
)


class _Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the file: no field that we do not know."""


class Place(_Input, frozen=True, kw_only=True):
    """An address."""

    street1: Needed
    street2: Line = ""
    city: Needed
    state_or_country: Country
    state_or_country_description: Line
    zip_code: Annotated[str, msgspec.Meta(max_length=20)]


class Issuer(_Input, frozen=True, kw_only=True):
    """An issuer. `year_of_incorporation` is null where it is yet to be formed."""

    cik: Annotated[str, msgspec.Meta(pattern="^[0-9]{10}$")]
    name: Needed
    address: Place
    phone: Needed
    jurisdiction: Needed
    previous_names: Annotated[list[Needed], msgspec.Meta(max_length=10)] = []
    edgar_previous_names: Annotated[list[Needed], msgspec.Meta(max_length=10)] = []
    entity_type: EntityType
    entity_type_other: Line = ""
    year_of_incorporation: Annotated[int, msgspec.Meta(ge=1600, le=9999)] | None


class RelatedPerson(_Input, frozen=True, kw_only=True):
    """An executive officer, director or promoter."""

    first_name: Needed
    middle_name: Line = ""
    last_name: Needed
    address: Place
    relationships: Annotated[list[Literal["Executive Officer", "Director", "Promoter"]], msgspec.Meta(min_length=1, max_length=3)]
    clarification: Prose = ""


class Recipient(_Input, frozen=True, kw_only=True):
    """Somebody who is paid for finding purchasers. `states` names states by EDGAR's two characters; empty: all states."""

    name: Needed
    crd_number: Line = "None"
    associated_dealer_name: Line = "None"
    associated_dealer_crd_number: Line = "None"
    address: Place
    states: Annotated[list[Country], msgspec.Meta(max_length=60)] = []
    foreign_solicitation: bool = False


class Offering(_Input, frozen=True, kw_only=True):
    """The offering, as far as the register does not know it. `total_offering_amount` is null where it is indefinite.

    `first_sale_date` is for a commitment earlier than the first issue on the chain (Form D, instruction to item 7).
    """

    industry_group: Needed
    revenue_range: Range | None = None
    net_asset_value_range: NetAssetRange | None = None
    exemptions: Annotated[list[Annotated[str, msgspec.Meta(pattern=r"^(04|06b|06c|4a5|3C(\.[0-9]{1,2})?)$")]], msgspec.Meta(min_length=1)]
    amendment_of: Annotated[str, msgspec.Meta(pattern="^[0-9]{10}-[0-9]{2}-[0-9]{6}$")] | None = None
    first_sale_date: dt.date | None = None
    more_than_one_year: bool
    security_types: Annotated[list[SecurityType], msgspec.Meta(min_length=1)]
    other_type: Prose = ""
    business_combination: bool = False
    business_combination_clarification: Prose = ""
    minimum_investment: Dollars = 0
    sales_compensation: Annotated[list[Recipient], msgspec.Meta(max_length=100)] = []
    total_offering_amount: Dollars | None
    amounts_clarification: Prose = ""
    sales_commissions: Dollars = 0
    sales_commissions_estimated: bool = False
    finders_fees: Dollars = 0
    finders_fees_estimated: bool = False
    fees_clarification: Prose = ""
    proceeds_to_related_persons: Dollars = 0
    proceeds_estimated: bool = False
    proceeds_clarification: Prose = ""


class Signature(_Input, frozen=True, kw_only=True):
    """Who signs for the issuer."""

    name: Needed
    signer: Needed
    title: Needed
    date: dt.date


class FormDInput(_Input, frozen=True, kw_only=True):
    """What an issuer says in Form D itself."""

    live: bool = False
    issuer: Issuer
    co_issuers: Annotated[list[Issuer], msgspec.Meta(max_length=20)] = []
    related_persons: Annotated[list[RelatedPerson], msgspec.Meta(min_length=1, max_length=100)]
    offering: Offering
    signature: Signature


_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse_form_d(content: bytes) -> FormDInput:
    """Return what the JSON says; refuses an unknown field, a missing one and a wrong value with its path, and text that XML cannot hold."""
    try:
        parsed = msgspec.json.decode(content, type=FormDInput)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadFormDInput(problem=str(error)) from None
    if any(_NOT_XML.search(text) for text in _texts(msgspec.to_builtins(parsed))):
        raise BadFormDInput(problem="a character stands in it that XML cannot hold")
    if (parsed.offering.revenue_range is None) == (parsed.offering.net_asset_value_range is None):
        raise BadFormDInput(problem="offering needs either revenue_range or net_asset_value_range")
    return parsed


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in JSON values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


@dataclass(frozen=True, slots=True)
class FormDFigures:
    """What the register says of the offering: whole dollars sold, buyers of each kind, the first sale, and when the notice is due.

    `sales_without_exemption` counts issues of which nobody said under which rule they were sold; they are not in the figures.
    """

    total_sold: int
    sales: int
    accredited_investors: int
    non_accredited_investors: int
    first_sale_date: dt.date | None
    due_date: dt.date | None
    sales_without_exemption: int

    @property
    def investors(self) -> int:
        """All who have invested already."""
        return self.accredited_investors + self.non_accredited_investors


def form_d_figures(sales: Iterable[Acquisition], offering: Offering) -> FormDFigures:
    """Return the figures of the issuer's own sales under the offering's exemptions.

    Cents are rounded over the whole sum, halves to even. Days are counted in UTC. Refuses with `register.incomplete_sales` where a price
    in dollars or the buyer's category is missing: a figure that leaves one out would be wrong. Shares bought back are not taken off.
    """
    rules = {RULES[code] for code in offering.exemptions if code in RULES}
    primary = [sale for sale in sales if sale.is_primary_sale]
    own = [sale for sale in primary if sale.annotation.exemption in rules]
    cents, unpriced, unclassified = 0, 0, 0
    categories: dict[LotHolder, str] = {}
    for sale in own:
        assert sale.buyer is not None, "a primary sale has a buyer"
        paid, category = sale.annotation.paid, sale.annotation.buyer_category
        if paid is None or paid.currency != "USD":
            unpriced += 1
        else:
            cents += paid.minor_units
        if category == NON_ACCREDITED or (category in ACCREDITED and categories.get(sale.buyer) != NON_ACCREDITED):
            categories[sale.buyer] = str(category)
        elif category not in ACCREDITED:
            unclassified += 1
    if unpriced or unclassified:
        raise IncompleteSales(unpriced=unpriced, unclassified=unclassified, sales=len(own))
    days = [(sale.annotation.acquired_at or sale.movement.occurred_at).astimezone(dt.UTC).date() for sale in own]
    first = min([*days, *([offering.first_sale_date] if offering.first_sale_date is not None else [])], default=None)
    non_accredited = sum(1 for category in categories.values() if category == NON_ACCREDITED)
    return FormDFigures(
        total_sold=divide(cents, 100, rounding=Rounding.HALF_EVEN),
        sales=len(own),
        accredited_investors=len(categories) - non_accredited,
        non_accredited_investors=non_accredited,
        first_sale_date=first,
        due_date=None if first is None else due_date(first),
        sales_without_exemption=sum(1 for sale in primary if sale.annotation.exemption is None),
    )


def due_date(first_sale_date: dt.date) -> dt.date:
    """Return the day until which the notice has to be filed (17 CFR 230.503(a)(1))."""
    return next_business_day(first_sale_date + dt.timedelta(days=DUE_DAYS))


def form_d_xml(given: FormDInput, figures: FormDFigures) -> bytes:
    """Return the notice as XML, in UTF-8, its elements in EDGAR's order."""
    root = ET.Element("edgarSubmission")
    _text(root, "schemaVersion", SCHEMA_VERSION)
    _text(root, "submissionType", "D" if given.offering.amendment_of is None else "D/A")
    _text(root, "testOrLive", "LIVE" if given.live else "TEST")
    year = given.signature.date.year
    _issuer(ET.SubElement(root, "primaryIssuer"), given.issuer, year=year)
    if given.co_issuers:
        listed = ET.SubElement(root, "issuerList")
        for issuer in given.co_issuers:
            _issuer(ET.SubElement(listed, "issuer"), issuer, year=year)
    persons = ET.SubElement(root, "relatedPersonsList")
    for person in given.related_persons:
        _related_person(ET.SubElement(persons, "relatedPersonInfo"), person)
    _offering(ET.SubElement(root, "offeringData"), given, figures)
    ET.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="UTF-8", xml_declaration=False) + b"\n"


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text


def _flag(parent: ET.Element, tag: str, *, is_so: bool) -> None:
    _text(parent, tag, "true" if is_so else "false")


def _optional(parent: ET.Element, tag: str, text: str) -> None:
    if text:
        _text(parent, tag, text)


def _address(parent: ET.Element, place: Place) -> None:
    _text(parent, "street1", place.street1)
    _optional(parent, "street2", place.street2)
    _text(parent, "city", place.city)
    _text(parent, "stateOrCountry", place.state_or_country)
    _text(parent, "stateOrCountryDescription", place.state_or_country_description)
    _text(parent, "zipCode", place.zip_code)


def _issuer(element: ET.Element, issuer: Issuer, *, year: int) -> None:
    _text(element, "cik", issuer.cik)
    _text(element, "entityName", issuer.name)
    _address(ET.SubElement(element, "issuerAddress"), issuer.address)
    _text(element, "issuerPhoneNumber", issuer.phone)
    _text(element, "jurisdictionOfInc", issuer.jurisdiction)
    _names(ET.SubElement(element, "issuerPreviousNameList"), issuer.previous_names)
    _names(ET.SubElement(element, "edgarPreviousNameList"), issuer.edgar_previous_names)
    _text(element, "entityType", issuer.entity_type)
    _optional(element, "entityTypeOtherDesc", issuer.entity_type_other)
    formed = ET.SubElement(element, "yearOfInc")
    if issuer.year_of_incorporation is None:
        _flag(formed, "yetToBeFormed", is_so=True)
    elif issuer.year_of_incorporation >= year - RECENT_YEARS:
        _flag(formed, "withinFiveYears", is_so=True)
        _text(formed, "value", str(issuer.year_of_incorporation))
    else:
        _flag(formed, "overFiveYears", is_so=True)


def _names(element: ET.Element, names: Sequence[str]) -> None:
    for name in names:
        _text(element, "previousName", name)
    if not names:
        _text(element, "value", "None")


def _related_person(element: ET.Element, person: RelatedPerson) -> None:
    name = ET.SubElement(element, "relatedPersonName")
    _text(name, "firstName", person.first_name)
    _optional(name, "middleName", person.middle_name)
    _text(name, "lastName", person.last_name)
    _address(ET.SubElement(element, "relatedPersonAddress"), person.address)
    relationships = ET.SubElement(element, "relatedPersonRelationshipList")
    for relationship in person.relationships:
        _text(relationships, "relationship", relationship)
    _text(element, "relationshipClarification", person.clarification)


def _offering(element: ET.Element, given: FormDInput, figures: FormDFigures) -> None:
    offering = given.offering
    _text(ET.SubElement(element, "industryGroup"), "industryGroupType", offering.industry_group)
    size = ET.SubElement(element, "issuerSize")
    _optional(size, "revenueRange", offering.revenue_range or "")
    _optional(size, "aggregateNetAssetValueRange", offering.net_asset_value_range or "")
    exemptions = ET.SubElement(element, "federalExemptionsExclusions")
    for code in offering.exemptions:
        _text(exemptions, "item", code)
    filing = ET.SubElement(element, "typeOfFiling")
    newness = ET.SubElement(filing, "newOrAmendment")
    _flag(newness, "isAmendment", is_so=offering.amendment_of is not None)
    _optional(newness, "previousAccessionNumber", offering.amendment_of or "")
    first = ET.SubElement(filing, "dateOfFirstSale")
    if figures.first_sale_date is None:
        _flag(first, "yetToOccur", is_so=True)
    else:
        _text(first, "value", figures.first_sale_date.isoformat())
    _flag(ET.SubElement(element, "durationOfOffering"), "moreThanOneYear", is_so=offering.more_than_one_year)
    types = ET.SubElement(element, "typesOfSecuritiesOffered")
    for kind, tag in SECURITY_ELEMENTS:
        if kind in offering.security_types:
            _flag(types, tag, is_so=True)
    _optional(types, "descriptionOfOtherType", offering.other_type)
    combination = ET.SubElement(element, "businessCombinationTransaction")
    _flag(combination, "isBusinessCombinationTransaction", is_so=offering.business_combination)
    _text(combination, "clarificationOfResponse", offering.business_combination_clarification)
    _text(element, "minimumInvestmentAccepted", str(offering.minimum_investment))
    recipients = ET.SubElement(element, "salesCompensationList")
    for recipient in offering.sales_compensation:
        _recipient(ET.SubElement(recipients, "recipient"), recipient)
    _amounts(ET.SubElement(element, "offeringSalesAmounts"), offering, figures)
    investors = ET.SubElement(element, "investors")
    _flag(investors, "hasNonAccreditedInvestors", is_so=figures.non_accredited_investors > 0)
    if figures.non_accredited_investors:
        _text(investors, "numberNonAccreditedInvestors", str(figures.non_accredited_investors))
    _text(investors, "totalNumberAlreadyInvested", str(figures.investors))
    fees = ET.SubElement(element, "salesCommissionsFindersFees")
    _dollars(ET.SubElement(fees, "salesCommissions"), offering.sales_commissions, estimated=offering.sales_commissions_estimated)
    _dollars(ET.SubElement(fees, "findersFees"), offering.finders_fees, estimated=offering.finders_fees_estimated)
    _text(fees, "clarificationOfResponse", offering.fees_clarification)
    proceeds = ET.SubElement(element, "useOfProceeds")
    _dollars(ET.SubElement(proceeds, "grossProceedsUsed"), offering.proceeds_to_related_persons, estimated=offering.proceeds_estimated)
    _text(proceeds, "clarificationOfResponse", offering.proceeds_clarification)
    _signatures(ET.SubElement(element, "signatureBlock"), given)


def _recipient(element: ET.Element, recipient: Recipient) -> None:
    _text(element, "recipientName", recipient.name)
    _text(element, "recipientCRDNumber", recipient.crd_number)
    _text(element, "associatedBDName", recipient.associated_dealer_name)
    _text(element, "associatedBDCRDNumber", recipient.associated_dealer_crd_number)
    _address(ET.SubElement(element, "recipientAddress"), recipient.address)
    states = ET.SubElement(element, "statesOfSolicitationList")
    for state in recipient.states:
        _text(states, "state", state)
    if not recipient.states:
        _text(states, "value", "All States")
    _flag(element, "foreignSolicitation", is_so=recipient.foreign_solicitation)


def _amounts(element: ET.Element, offering: Offering, figures: FormDFigures) -> None:
    offered = offering.total_offering_amount
    _text(element, "totalOfferingAmount", "Indefinite" if offered is None else str(offered))
    _text(element, "totalAmountSold", str(figures.total_sold))
    _text(element, "totalRemaining", "Indefinite" if offered is None else str(max(0, offered - figures.total_sold)))
    _text(element, "clarificationOfResponse", offering.amounts_clarification)


def _dollars(element: ET.Element, dollars: int, *, estimated: bool) -> None:
    _text(element, "dollarAmount", str(dollars))
    if estimated:
        _flag(element, "isEstimate", is_so=True)


def _signatures(element: ET.Element, given: FormDInput) -> None:
    _flag(element, "authorizedRepresentative", is_so=False)
    for issuer in (given.issuer, *given.co_issuers):
        signature = ET.SubElement(element, "signature")
        _text(signature, "issuerName", issuer.name)
        _text(signature, "signatureName", given.signature.name)
        _text(signature, "nameOfSigner", given.signature.signer)
        _text(signature, "signatureTitle", given.signature.title)
        _text(signature, "signatureDate", given.signature.date.isoformat())
