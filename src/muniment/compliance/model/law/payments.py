# SPDX-License-Identifier: Apache-2.0
"""What is withheld from a payment to a holder for the tax of the United States. The law of other states is not known here."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from muniment.compliance.model.law.book import LawRule
from muniment.compliance.model.law.facts import InvestorFacts, TaxFacts
from muniment.compliance.model.law.reasons import exact
from muniment.units.money import Rounding, divide


@dataclass(frozen=True, slots=True)
class Withholding:
    """Gross, tax and net in minor units, the rate in ten-thousandths, and why."""

    gross_minor: int
    rate_bps: int
    basis: str
    citation: str
    report: str

    @property
    def tax_minor(self) -> int:
        """The tax, a half of a minor unit to the even one."""
        return divide(self.gross_minor * self.rate_bps, 10_000, rounding=Rounding.HALF_EVEN)

    @property
    def net_minor(self) -> int:
        """What is paid out; gross is always tax and net together."""
        return self.gross_minor - self.tax_minor

    def as_json(self, currency: str) -> dict[str, Any]:
        """Return the wire shape."""
        return {
            "gross": exact(self.gross_minor, currency),
            "tax": exact(self.tax_minor, currency),
            "net": exact(self.net_minor, currency),
            "currency": currency,
            "rate_bps": self.rate_bps,
            "basis": self.basis,
            "citation": self.citation,
            "report": self.report,
        }


def withholding(rule: LawRule, investor: InvestorFacts, gross_minor: int, *, on: dt.date) -> Withholding:
    """Return what is withheld from income of a United States issuer: FATCA first, then the documented rate, else the statutory one."""
    tax = investor.tax or TaxFacts()
    params = rule.params
    form = tax.form if tax.form is not None and (tax.form_valid_until is None or on <= tax.form_valid_until) else None
    if form == "W-9" or investor.is_us_person:
        if form == "W-9" and tax.has_tin:
            return Withholding(gross_minor, 0, "U.S. person with Form W-9", "26 USC 3406", "1099-DIV")
        return Withholding(gross_minor, int(params["backup_pct"]) * 100, "backup withholding: no valid TIN", "26 USC 3406", "1099-DIV")
    if not investor.kind.is_natural and not tax.fatca_compliant:
        return Withholding(gross_minor, int(params["fatca_pct"]) * 100, "non-participating foreign institution", "26 USC 1471", "1042-S")
    if form == ("W-8BEN" if investor.kind.is_natural else "W-8BEN-E") and tax.treaty_rate_bps is not None and tax.has_tin:
        return Withholding(gross_minor, tax.treaty_rate_bps, f"treaty rate by Form {form}", "26 USC 1441, 1442", "1042-S")
    return Withholding(gross_minor, int(params["nra_pct"]) * 100, "statutory rate", "26 USC 871(a), 881, 1441, 1442", "1042-S")
