# SPDX-License-Identifier: Apache-2.0
"""The pure decisions of parties, gathered under one name: investors, wallets, claims, countries, onboarding, identity."""

from muniment.parties.model.claims import Claim, ClaimTopic
from muniment.parties.model.countries import COUNTRIES, country_name, country_of_number, numeric_country, parse_country
from muniment.parties.model.identity import Cleared, Failed, Referred, SandboxIdentityProvider, Verdict
from muniment.parties.model.investors import (
    ERASED_NAME,
    STATUSES,
    Draft,
    Expired,
    InReview,
    Investor,
    InvestorKind,
    PersonalData,
    Rejected,
    Standing,
    Verified,
    display_name,
)
from muniment.parties.model.onboarding import InvestorDraft, OnboardingReport, RefusedRow, StoredRow
from muniment.parties.model.wallets import ZERO_ADDRESS, Wallet, checksummed, parse_address

__all__ = [
    "COUNTRIES",
    "ERASED_NAME",
    "STATUSES",
    "ZERO_ADDRESS",
    "Claim",
    "ClaimTopic",
    "Cleared",
    "Draft",
    "Expired",
    "Failed",
    "InReview",
    "Investor",
    "InvestorDraft",
    "InvestorKind",
    "OnboardingReport",
    "PersonalData",
    "Referred",
    "RefusedRow",
    "Rejected",
    "SandboxIdentityProvider",
    "Standing",
    "StoredRow",
    "Verdict",
    "Verified",
    "Wallet",
    "checksummed",
    "country_name",
    "country_of_number",
    "display_name",
    "numeric_country",
    "parse_address",
    "parse_country",
]
