# SPDX-License-Identifier: Apache-2.0
"""What an investor is in each law: accredited, qualified purchaser, institutional buyer, professional. Answers name the branch.

Each answer is `Standing(is_so, branch, missing)`: True with the branch that made it so; False where every branch is known and fails;
None where a fact is missing that could make it so.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from muniment.compliance.model.law.book import RuleBook, rule_book
from muniment.compliance.model.law.calendar import add_months
from muniment.compliance.model.law.facts import InvestorFacts, Method, PersonKind

CENTS = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether it is so, by which branch, or what is missing to know."""

    is_so: bool | None
    branch: str = ""
    missing: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return True only where it is known to be so."""
        return self.is_so is True


def accredited(investor: InvestorFacts, book: RuleBook | None = None) -> Standing:
    """Return whether an investor is accredited (17 CFR 230.501(a)); a decision on file goes before the figures.

    Net worth leaves out the primary residence; income must have been above the line in both years before and be expected again.
    """
    if investor.accredited is not None:
        return Standing(is_so=investor.accredited, branch="on file")
    book = book or rule_book()
    if investor.kind.is_natural:
        return _accredited_person(investor, book)
    return _accredited_entity(investor, book)


def _accredited_person(investor: InvestorFacts, book: RuleBook) -> Standing:
    params = book.rules["us.accredited.natural"].params
    if investor.net_worth_usd is not None and investor.net_worth_usd > params["net_worth_usd_gt"] * CENTS:
        return Standing(is_so=True, branch="net worth (a)(5)")
    if _two_years(investor.annual_income_usd, investor.prior_year_income_usd, params["income_usd_gt"], investor):
        return Standing(is_so=True, branch="income (a)(6)")
    if _two_years(investor.joint_income_usd, investor.prior_year_joint_income_usd, params["joint_income_usd_gt"], investor):
        return Standing(is_so=True, branch="joint income (a)(6)")
    if set(investor.licences) & set(params["licences"]):
        return Standing(is_so=True, branch="licence (a)(10)")
    if set(investor.insider_roles) & set(params["insider"]):
        return Standing(is_so=True, branch="insider (a)(4)")
    if investor.knowledgeable_employee:
        return Standing(is_so=True, branch="knowledgeable employee (a)(11)")
    if investor.family_client:
        return Standing(is_so=True, branch="family client (a)(13)")
    missing = tuple(name for name in ("net_worth_usd", "annual_income_usd") if getattr(investor, name) is None)
    return Standing(is_so=None if missing else False, missing=missing)


def _two_years(latest: int | None, prior: int | None, above: int, investor: InvestorFacts) -> bool:
    return latest is not None and prior is not None and min(latest, prior) > above * CENTS and investor.expects_same_income


def _accredited_entity(investor: InvestorFacts, book: RuleBook) -> Standing:
    params = book.rules["us.accredited.entity"].params
    if investor.institution in params["registered_institutions"]:
        return Standing(is_so=True, branch="institution (a)(1)-(2)")
    formed_for_it = investor.formed_for_offering
    if formed_for_it is False:
        if investor.total_assets_usd is not None and investor.total_assets_usd > params["total_assets_usd_gt"] * CENTS:
            return Standing(is_so=True, branch="total assets (a)(3), (7)")
        if investor.investments_usd is not None and investor.investments_usd > params["investments_usd_gt_501a9"] * CENTS:
            return Standing(is_so=True, branch="investments (a)(9)")
        if investor.family_office_aum_usd is not None and investor.family_office_aum_usd > params["family_office_aum_usd_gt"] * CENTS:
            return Standing(is_so=True, branch="family office (a)(12)")
    if investor.all_owners_accredited:
        return Standing(is_so=True, branch="all owners accredited (a)(8)")
    missing = tuple(name for name in ("total_assets_usd", "formed_for_offering") if getattr(investor, name) is None)
    return Standing(is_so=None if missing and formed_for_it is not True else False, missing=missing)


METHOD_MONTHS = {
    # Tax forms speak of the two most recent years, so they are good until the next year's are due: a year, as our convention.
    Method.TAX_FORMS: 12,
    Method.STATEMENTS: 3,
    Method.LETTER: 3,
    Method.PRIOR_VERIFICATION: 60,
}
"""How long a verification by each method supports a sale, in months (17 CFR 230.506(c)(2)(ii))."""


def verification_good_until(investor: InvestorFacts) -> dt.date | None:
    """Return the last day on which the verification on file supports a sale; None without one, or by the size of each investment."""
    verification = investor.verification
    if verification is None or verification.method is Method.MINIMUM_INVESTMENT:
        return None
    return add_months(verification.verified_on, METHOD_MONTHS[verification.method])


def qualified_institutional_buyer(investor: InvestorFacts, book: RuleBook | None = None) -> Standing:
    """Return whether an investor is a qualified institutional buyer (17 CFR 230.144A(a)(1))."""
    if investor.qualified_institutional_buyer is not None:
        return Standing(is_so=investor.qualified_institutional_buyer, branch="on file")
    if investor.kind.is_natural:
        return Standing(is_so=False)
    params = (book or rule_book()).rules["us.qib"].params
    owned = investor.discretionary_securities_usd
    if owned is None:
        return Standing(is_so=None, missing=("discretionary_securities_usd",))
    if investor.institution == "BD":
        return Standing(is_so=owned >= params["dealer_usd_ge"] * CENTS, branch="dealer (a)(1)(ii)")
    enough = owned >= params["discretionary_securities_usd_ge"] * CENTS
    if investor.institution == "bank":
        worth = investor.bank_net_worth_usd
        if worth is None:
            return Standing(is_so=None if enough else False, missing=("bank_net_worth_usd",))
        return Standing(enough and worth >= params["bank_net_worth_usd_ge"] * CENTS, "bank (a)(1)(vi)")
    return Standing(is_so=enough, branch="securities (a)(1)(i)")


def qualified_purchaser(investor: InvestorFacts, book: RuleBook | None = None) -> Standing:
    """Return whether an investor is a qualified purchaser (15 USC 80a-2(a)(51))."""
    if investor.qualified_purchaser is not None:
        return Standing(is_so=investor.qualified_purchaser, branch="on file")
    params = (book or rule_book()).rules["us.3c7"].params
    name = "qualified_purchaser_natural_investments_usd_ge" if investor.kind.is_natural else "qualified_purchaser_entity_usd_ge"
    if investor.investments_usd is None:
        return Standing(is_so=None, missing=("investments_usd",))
    return Standing(investor.investments_usd >= params[name] * CENTS, "investments (a)(51)(A)")


def professional(investor: InvestorFacts, book: RuleBook | None = None) -> Standing:
    """Return whether an investor is a professional client, large by two of three or elective by two of three (MiFID II Annex II)."""
    if investor.professional is not None:
        return Standing(is_so=investor.professional, branch="on file")
    params = (book or rule_book()).rules["eu.mifid.clients"].params
    if investor.institutional or investor.institution is not None:
        return Standing(is_so=True, branch="regulated institution (I.1)")
    large = params["per_se_large_2_of_3"]
    sizes = (
        (investor.balance_sheet_eur, "balance_sheet_eur"),
        (investor.turnover_eur, "turnover_eur"),
        (investor.own_funds_eur, "own_funds_eur"),
    )
    if not investor.kind.is_natural and sum(size is not None and size >= large[name] * CENTS for size, name in sizes) >= 2:
        return Standing(is_so=True, branch="large undertaking (I.2)")
    elective = params["elective_2_of_3"]
    tests = (
        investor.trades_per_quarter is not None and investor.trades_per_quarter >= elective["avg_trades_per_quarter"],
        investor.portfolio_eur is not None and investor.portfolio_eur > elective["portfolio_eur_gt"] * CENTS,
        investor.sector_years is not None and investor.sector_years >= elective["sector_years_ge"],
    )
    if sum(tests) >= 2:
        return Standing(is_so=True, branch="elective (II.1)")
    return Standing(is_so=False)


def qualified_eu(investor: InvestorFacts, book: RuleBook | None = None) -> Standing:
    """Return whether an investor is a qualified investor of the Prospectus Regulation, Art 2(e): a professional client, unless on file."""
    return professional(investor, book) if investor.qualified is None else Standing(is_so=investor.qualified, branch="on file")


def accredited_singapore(investor: InvestorFacts, book: RuleBook | None = None) -> Standing:
    """Return whether an investor is accredited in Singapore (SFA 2001 s 4A); of a residence at most a part of the assets counts."""
    params = (book or rule_book()).rules["sg.sfa"].params
    if investor.kind.is_natural:
        tests = (
            (investor.net_personal_assets_sgd, params["accredited_net_personal_assets_sgd_gt"] * CENTS + 1, "net personal assets"),
            (investor.net_financial_assets_sgd, params["accredited_net_financial_assets_sgd_gt"] * CENTS + 1, "net financial assets"),
            (investor.annual_income_sgd, params["accredited_income_sgd_ge"] * CENTS, "income"),
        )
    else:
        tests = ((investor.corporate_net_assets_sgd, params["corporate_net_assets_sgd_gt"] * CENTS + 1, "net assets"),)
    for figure, least, branch in tests:
        if figure is not None and figure >= least:
            return Standing(is_so=True, branch=branch)
    return Standing(is_so=None if any(figure is None for figure, _, _ in tests) else False)


def is_entity(investor: InvestorFacts) -> bool:
    """Return whether the rules for entities count."""
    return investor.kind is not PersonKind.PERSON
