# SPDX-License-Identifier: Apache-2.0
"""The pure decisions of parties, gathered under one name: investors, wallets, claims, sanctions, identity and proofs."""

from muniment.parties.model.claims import BASES, CLASSIFYING, AddClaim, Claim, ClaimTopic
from muniment.parties.model.countries import COUNTRIES, country_name, country_of_number, numeric_country, parse_country
from muniment.parties.model.identity import Answer, Asked, Cleared, Failed, Referred, SandboxIdentityProvider, Verdict
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
from muniment.parties.model.queue import QUEUE_KINDS, QueueItem
from muniment.parties.model.sanctions import ListedName, ListEntry, SanctionsHit, SanctionsList, Strength
from muniment.parties.model.wallet_proofs import ProofDomain, SignInMessage, WalletChallenge
from muniment.parties.model.wallets import ZERO_ADDRESS, Wallet, checksummed, parse_address

__all__ = [
    "BASES",
    "CLASSIFYING",
    "COUNTRIES",
    "ERASED_NAME",
    "QUEUE_KINDS",
    "STATUSES",
    "ZERO_ADDRESS",
    "AddClaim",
    "Answer",
    "Asked",
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
    "ListEntry",
    "ListedName",
    "OnboardingReport",
    "PersonalData",
    "ProofDomain",
    "QueueItem",
    "Referred",
    "RefusedRow",
    "Rejected",
    "SanctionsHit",
    "SanctionsList",
    "SandboxIdentityProvider",
    "SignInMessage",
    "Standing",
    "StoredRow",
    "Strength",
    "Verdict",
    "Verified",
    "Wallet",
    "WalletChallenge",
    "checksummed",
    "country_name",
    "country_of_number",
    "display_name",
    "numeric_country",
    "parse_address",
    "parse_country",
]
