# SPDX-License-Identifier: Apache-2.0
"""What the law asks about: investors, terms, lots, sales and a proposal, as typed facts. Where they come from is not known here.

Amounts whose name ends in a currency (`net_worth_usd`) are whole cents of it. Quantities are base units of the security. Days are
calendar days in UTC. None means that nobody has said: a rule that needs the fact then refuses and names it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

EEA: frozenset[str] = frozenset(
    {
        *("AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU", "MT", "NL"),
        *("PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO"),
    }
)
"""The Member States of the European Union and the other states of the European Economic Area, where the Prospectus Regulation counts."""

UNITED_STATES: frozenset[str] = frozenset({"US", "PR", "GU", "VI", "AS", "MP", "UM"})
"""The United States with its territories and possessions, as 17 CFR 230.902(l) draws them."""


INSTRUMENT_KINDS = ("equity", "debt", "fund_unit", "revenue_share", "other")
EQUITY = frozenset({"equity", "fund_unit", "revenue_share", "other"})
"""Everything but debt counts as equity where Regulation S tells the two apart."""
INSTITUTIONS = ("bank", "BD", "RIA", "ERA", "insurance", "RIC", "BDC", "SBIC", "RBIC")


class PersonKind(Enum):
    """What an investor is in law."""

    PERSON = "person"
    ENTITY = "entity"
    TRUST = "trust"
    PLAN = "plan"

    @property
    def is_natural(self) -> bool:
        """Whether the rules for natural persons count."""
        return self is PersonKind.PERSON


class Method(Enum):
    """How an investor's accreditation was verified, as 17 CFR 230.506(c)(2)(ii) and the staff's letter of 12 March 2025 name them."""

    TAX_FORMS = "tax_forms"
    STATEMENTS = "statements"
    LETTER = "letter"
    PRIOR_VERIFICATION = "prior_verification"
    MINIMUM_INVESTMENT = "minimum_investment"


@dataclass(frozen=True, slots=True)
class Verification:
    """A verification of accreditation: by which method and when; `represented` for the written representations that two methods need."""

    method: Method
    verified_on: dt.date
    represented: bool = False


@dataclass(frozen=True, slots=True)
class InvestorFacts:
    """One investor. The booleans that may be None are derived from the figures where nobody has decided them."""

    investor_id: str
    kind: PersonKind
    country: str
    us_person: bool | None = None
    verified: bool | None = None
    verified_until: dt.date | None = None
    accredited: bool | None = None
    verification: Verification | None = None
    sophisticated: bool = False
    household: str | None = None
    """Natural persons who live together: they buy as one (17 CFR 230.501(e)) and resell as one (230.144(a)(2)(i))."""
    sells_with: str | None = None
    """Trusts, entities and others whose resales count together with somebody's (17 CFR 230.144(a)(2), (e)(3)): one text for all of them."""
    qualified_institutional_buyer: bool | None = None
    qualified_purchaser: bool | None = None
    knowledgeable_employee: bool = False
    professional: bool | None = None
    qualified: bool | None = None
    institutional: bool = False
    affiliate: bool = False
    affiliate_until: dt.date | None = None
    compensation_plan: bool = False
    investment_company: bool = False
    beneficial_owners: int | None = None
    net_worth_usd: int | None = None
    annual_income_usd: int | None = None
    prior_year_income_usd: int | None = None
    joint_income_usd: int | None = None
    prior_year_joint_income_usd: int | None = None
    expects_same_income: bool = False
    licences: tuple[str, ...] = ()
    insider_roles: tuple[str, ...] = ()
    family_client: bool = False
    annual_revenue_usd: int | None = None
    net_assets_usd: int | None = None
    total_assets_usd: int | None = None
    investments_usd: int | None = None
    formed_for_offering: bool | None = None
    all_owners_accredited: bool = False
    natural_owners: int | None = None
    institution: str | None = None
    family_office_aum_usd: int | None = None
    discretionary_securities_usd: int | None = None
    bank_net_worth_usd: int | None = None
    crowdfunding_12m_usd: int = 0
    net_worth_eur: int | None = None
    balance_sheet_eur: int | None = None
    turnover_eur: int | None = None
    own_funds_eur: int | None = None
    trades_per_quarter: int | None = None
    portfolio_eur: int | None = None
    sector_years: int | None = None
    net_personal_assets_sgd: int | None = None
    net_financial_assets_sgd: int | None = None
    annual_income_sgd: int | None = None
    corporate_net_assets_sgd: int | None = None
    consents: Mapping[str, dt.date] = field(default_factory=dict)
    tax: TaxFacts | None = None

    @property
    def is_us_person(self) -> bool:
        """Whether the investor counts as a U.S. person (17 CFR 230.902(k)); by residence where nobody has decided it."""
        return self.country in UNITED_STATES if self.us_person is None else self.us_person


@dataclass(frozen=True, slots=True)
class TaxFacts:
    """What the forms on file say (W-9, W-8BEN or W-8BEN-E). `treaty_rate_bps` in ten-thousandths."""

    form: str | None = None
    form_valid_until: dt.date | None = None
    has_tin: bool = False
    fatca_compliant: bool = True
    treaty_rate_bps: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """The security, its issuer and its offering."""

    kind: str = "equity"
    decimals: int = 0
    currency: str = "USD"
    price_minor: int | None = None
    """The price of one whole share in minor units of `currency`."""
    denomination_minor: int | None = None
    rates: Mapping[str, int] = field(default_factory=dict)
    """What one unit of `currency` is in another, times 10**8."""
    issuer_country: str = "US"
    issuer_reporting: bool = False
    reporting_since: dt.date | None = None
    current_public_information: bool | None = None
    shell_form10_filed_on: dt.date | None = None
    foreign_private_issuer: bool = False
    is_bank: bool = False
    transfer_agent_registered: bool = False
    is_listed: bool = False
    listed_since: dt.date | None = None
    general_solicitation: bool = False
    directed_selling_efforts: bool = False
    regs_category: int | None = None
    substantial_us_market_interest: bool | None = None
    first_offered_on: dt.date | None = None
    closed_on: dt.date | None = None
    rega_tier: int | None = None
    bad_actor_checked_on: dt.date | None = None
    portal: str | None = None
    outstanding: int | None = None
    admitted: int | None = None
    average_weekly_volume: int | None = None
    total_assets_usd: int | None = None
    public_float_usd: int | None = None
    annual_revenue_usd: int | None = None
    information_right_144a: bool | None = None
    """Whether holder and buyer may ask the issuer for what 17 CFR 230.144A(d)(4) names."""
    is_qualifying_venture_fund: bool = False
    fund_capital_usd: int | None = None
    market_capitalisation_eur: int | None = None
    issue_size_eur: int | None = None
    assets_under_management_eur: int | None = None
    aggregate_admitted_eur: int | None = None
    member_state_thresholds_eur: Mapping[str, int] = field(default_factory=dict)
    public_offer_platform: bool = False
    traded_on_mtf: bool = False
    issued_locked: bool = False
    """Whether shares are locked on the chain when they are issued, until the law lets them be resold to anybody."""
    raised_12m: int = 0
    """What the issuer raised outside these books in the twelve months before, in minor units; `sales` are added to it."""


@dataclass(frozen=True, slots=True)
class Lot:
    """Shares of one acquisition. `holding_since` is earlier than `acquired_on` where the time of an earlier holder is tacked on."""

    investor_id: str
    quantity: int
    acquired_on: dt.date
    holding_since: dt.date | None = None
    exemption: str | None = None
    from_affiliate_on: dt.date | None = None

    @property
    def held_since(self) -> dt.date:
        """The day from which Rule 144 counts the holding period."""
        return self.acquired_on if self.holding_since is None else self.holding_since


@dataclass(frozen=True, slots=True)
class Sale:
    """A past sale by the issuer (`seller` None) or by a holder. `amount_minor` in minor units of the terms' currency."""

    investor_id: str
    on: dt.date
    quantity: int
    amount_minor: int | None = None
    exemption: str | None = None
    seller_id: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody wants to do: a sale by the issuer, a transfer or match between holders, a payment, or to look at the register."""

    kind: str
    on: dt.date
    sender: str | None = None
    receiver: str | None = None
    quantity: int = 0
    amount_minor: int | None = None
    currency: str | None = None
    how: str = "sale"
    """sale, gift, estate, pledge or family: Rule 144 and Regulation S restrict sales only, other locks gifts to strangers too."""
    offered_on: dt.date | None = None
    to_issuer: bool = False
    exemption: str | None = None
    """The exemption that the issuer sells under, a rule's id; None leaves it to whichever holds."""


Evidence = Mapping[str, Mapping[str, Any]]
"""What people gathered for each checklist: rule id to item to where it is."""
