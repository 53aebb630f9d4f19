# SPDX-License-Identifier: Apache-2.0
"""The permission that every route asks for, and a request that fits its shape. A route that is missing here fails the walk. No test."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from muniment.access.model import Action


class Open(Enum):
    """Routes that ask for no role."""

    PUBLIC = "public"
    """Nobody needs to be signed in."""
    SESSION = "session"
    """Any session will do."""
    ORGANISATION = "organisation"
    """Any session that works for an organisation."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a route asks for, and what to send it."""

    needs: Action | Open
    json: Mapping[str, Any] | None = None
    form: Mapping[str, str] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    upload: str = ""
    names_a_thing: bool = True
    """Whether the address holds the id of something of one organisation."""
    ends_the_session: bool = False
    streams: bool = False


WALLET = "0x71C7656EC7ab88b098defB751B7401B5f6d8976F"
OTHER_WALLET = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
PASSWORD = "seven quiet herons"
NOWHERE = str(uuid.UUID(int=7))
LATER = (dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=1)).isoformat()
ISSUE = {"security_id": "{security_id}", "allotments": [{"shares": "1", "wallet": WALLET}]}
DIVIDEND = {
    "security_id": "{security_id}",
    "currency": "USD",
    "record_at": LATER,
    "payment_at": LATER,
    "payment_token": OTHER_WALLET,
    "total": "10.00",
}
FORM_D = json.loads((Path(__file__).parents[2] / "examples" / "reports" / "form_d.json").read_text(encoding="utf-8"))
MOVE = {"security_id": "{security_id}", "from_wallet": WALLET, "to_wallet": OTHER_WALLET, "shares": "1"}

CLAIM = {"topic": "tax_form", "basis": "w9", "issuer": "the investor", "evidence_sha256": "5" * 64, "expires_at": LATER}

CLAIM_FORM = {"topic": "tax_form", "basis": "w9", "issuer": "the investor", "evidence_sha256": "5" * 64, "expires_on": LATER[:10]}


def _listing(action: Action | Open) -> Line:
    return Line(action, names_a_thing=False)


ROUTES: Mapping[tuple[str, str], Line] = {
    # Operations
    ("GET", "/health"): _listing(Open.PUBLIC),
    ("GET", "/ready"): _listing(Open.PUBLIC),
    ("GET", "/metrics"): _listing(Open.PUBLIC),
    ("GET", "/static/{file_path}"): _listing(Open.PUBLIC),
    ("GET", "/v1/openapi.json"): _listing(Open.PUBLIC),
    ("GET", "/events"): Line(Open.ORGANISATION, names_a_thing=False, streams=True),
    # Access
    ("POST", "/v1/sessions"): Line(Open.PUBLIC, json={"email": "nobody@example.com", "password": "not it"}, names_a_thing=False),
    ("DELETE", "/v1/sessions/current"): Line(Open.SESSION, names_a_thing=False, ends_the_session=True),
    ("PUT", "/v1/sessions/current/organisation"): Line(
        Open.SESSION, json={"organisation_id": NOWHERE}, names_a_thing=False, ends_the_session=True
    ),
    ("GET", "/v1/me"): _listing(Open.SESSION),
    ("PUT", "/v1/me/password"): Line(
        Open.SESSION, json={"old_password": "not it", "new_password": "nor this one"}, names_a_thing=False, ends_the_session=True
    ),
    ("GET", "/v1/organisation"): _listing(Action.ACCESS_VIEW_ORGANISATION),
    ("GET", "/v1/members"): _listing(Action.ACCESS_VIEW_MEMBERS),
    ("POST", "/v1/invitations"): Line(
        Action.ACCESS_INVITE_MEMBER,
        json={"email": "new@example.com", "display_name": "New Member", "roles": ["auditor"]},
        names_a_thing=False,
    ),
    ("POST", "/v1/invitations/accept"): Line(Open.PUBLIC, json={"token": f"{NOWHERE}.none", "password": PASSWORD}, names_a_thing=False),
    ("PUT", "/v1/members/{user_id}/roles"): Line(Action.ACCESS_CHANGE_ROLES, json={"roles": ["auditor"]}),
    ("DELETE", "/v1/members/{user_id}"): Line(Action.ACCESS_REMOVE_MEMBER),
    ("GET", "/v1/approvals"): _listing(Action.ACCESS_VIEW_APPROVALS),
    ("GET", "/v1/approvals/{approval_id}"): Line(Action.ACCESS_VIEW_APPROVALS),
    ("POST", "/v1/approvals/{approval_id}/approve"): Line(Action.ACCESS_DECIDE_APPROVAL),
    ("POST", "/v1/approvals/{approval_id}/reject"): Line(Action.ACCESS_DECIDE_APPROVAL, json={"reason": "no"}),
    ("GET", "/v1/approval-policy"): _listing(Action.ACCESS_VIEW_APPROVALS),
    ("PUT", "/v1/approval-policy/{action}"): Line(Action.ACCESS_SET_APPROVAL_POLICY, json={"required": True}, names_a_thing=False),
    ("GET", "/v1/audit"): _listing(Action.ACCESS_VIEW_AUDIT),
    ("GET", "/v1/audit/verification"): _listing(Action.ACCESS_VIEW_AUDIT),
    # Parties
    ("GET", "/v1/investors"): _listing(Action.PARTIES_VIEW),
    ("POST", "/v1/investors"): Line(
        Action.PARTIES_ONBOARD,
        json={"external_reference": "W-1", "name": "Walked Person", "email": "walked@example.com", "country": "CH"},
        names_a_thing=False,
    ),
    ("POST", "/v1/investors/import"): Line(Action.PARTIES_ONBOARD, upload="external_reference,name,email,country\n", names_a_thing=False),
    ("GET", "/v1/investors/export"): _listing(Action.PARTIES_EXPORT),
    ("GET", "/v1/investors/{investor_id}"): Line(Action.PARTIES_VIEW),
    ("POST", "/v1/investors/{investor_id}/verify"): Line(Action.PARTIES_VERIFY),
    ("POST", "/v1/investors/{investor_id}/review"): Line(Action.PARTIES_VERIFY, json={"accepted": False}),
    ("POST", "/v1/investors/{investor_id}/wallets"): Line(Action.PARTIES_ADD_WALLET, json={}),
    ("POST", "/v1/investors/{investor_id}/erase"): Line(Action.PARTIES_ERASE),
    ("POST", "/v1/investors/{investor_id}/reverify"): Line(Action.PARTIES_VERIFY, json={"changes": {"country": "LI"}}),
    ("POST", "/v1/investors/{investor_id}/claims"): Line(Action.PARTIES_ADD_CLAIM, json=CLAIM),
    ("POST", "/v1/investors/{investor_id}/claims/{claim_id}/revoke"): Line(Action.PARTIES_REVOKE_CLAIM, json={"reason": "wrong"}),
    ("POST", "/v1/investors/{investor_id}/wallet-proofs"): Line(Action.PARTIES_ADD_WALLET, json={"address": OTHER_WALLET}),
    ("POST", "/v1/investors/{investor_id}/wallet-proofs/answer"): Line(
        Action.PARTIES_ADD_WALLET, json={"message": "none", "signature": "0x00"}
    ),
    ("GET", "/v1/investors/{investor_id}/sanctions-hits"): Line(Action.PARTIES_VIEW_PERSONAL_DATA),
    ("POST", "/v1/sanctions-hits/{hit_id}/clear"): Line(Action.PARTIES_SCREEN, json={"reason": "born elsewhere"}),
    ("GET", "/v1/sanctions-lists"): _listing(Action.PARTIES_VIEW),
    ("POST", "/v1/sanctions-lists"): Line(Action.PARTIES_SCREEN, upload="entry_id,name\n", query={"source": "walked"}, names_a_thing=False),
    ("POST", "/v1/sanctions-lists/screening"): _listing(Action.PARTIES_SCREEN),
    ("GET", "/v1/review-queue"): _listing(Action.PARTIES_VIEW),
    ("PUT", "/v1/identity-providers/{provider}/secret"): Line(Action.PARTIES_SET_PROVIDER, names_a_thing=False),
    ("POST", "/v1/identity-webhooks/{organisation_id}/{provider}"): Line(Open.PUBLIC, json={}, names_a_thing=False),
    # Instruments
    ("GET", "/v1/assets"): _listing(Action.INSTRUMENTS_VIEW),
    ("POST", "/v1/assets"): Line(Action.INSTRUMENTS_TOKENISE, json={"asset": {"kind": "other"}}, names_a_thing=False),
    ("POST", "/v1/assets/vehicles"): Line(
        Action.INSTRUMENTS_TOKENISE, json={"vehicle": {"vin": "none"}, "owner": {"name": "x"}}, names_a_thing=False
    ),
    ("POST", "/v1/assets/companies"): Line(Action.INSTRUMENTS_TOKENISE, upload="{zip}", names_a_thing=False),
    ("GET", "/v1/assets/{asset_id}"): Line(Action.INSTRUMENTS_VIEW),
    ("GET", "/v1/assets/{asset_id}/record"): Line(Action.INSTRUMENTS_VIEW),
    ("GET", "/v1/assets/{asset_id}/verification"): Line(Action.INSTRUMENTS_VIEW),
    ("GET", "/v1/assets/{asset_id}/title"): Line(Action.INSTRUMENTS_VIEW),
    ("POST", "/v1/assets/{asset_id}/liens"): Line(Action.INSTRUMENTS_TOKENISE, json={"lien": {"reference": "L-1"}}),
    ("POST", "/v1/assets/{asset_id}/liens/{lien_id}/release"): Line(Action.INSTRUMENTS_TOKENISE),
    ("GET", "/v1/verification/{digest}"): _listing(Open.PUBLIC),
    ("GET", "/v1/assets/{asset_id}/cap-table"): Line(Action.PARTIES_VIEW_PERSONAL_DATA),
    ("GET", "/v1/assets/{asset_id}/ocf"): Line(Action.PARTIES_VIEW_PERSONAL_DATA),
    ("GET", "/v1/assets/{asset_id}/documents"): Line(Action.INSTRUMENTS_VIEW),
    ("POST", "/v1/assets/{asset_id}/documents"): Line(Action.INSTRUMENTS_UPLOAD_DOCUMENT, upload="a document"),
    ("GET", "/v1/documents/{document_id}"): Line(Action.INSTRUMENTS_VIEW),
    ("GET", "/v1/securities"): _listing(Action.INSTRUMENTS_VIEW),
    ("POST", "/v1/securities"): Line(
        Action.INSTRUMENTS_TOKENISE, json={"asset_id": "{asset_id}", "name": "Walked", "symbol": "WALK"}, names_a_thing=False
    ),
    ("GET", "/v1/securities/{security_id}"): Line(Action.INSTRUMENTS_VIEW),
    ("POST", "/v1/securities/{security_id}/deployment"): Line(Action.INSTRUMENTS_DEPLOY),
    ("GET", "/v1/securities/{security_id}/documents"): Line(Action.INSTRUMENTS_VIEW),
    ("POST", "/v1/securities/{security_id}/documents"): Line(Action.INSTRUMENTS_UPLOAD_DOCUMENT, upload="another document"),
    # Register
    ("GET", "/v1/securities/{security_id}/register"): Line(Action.REGISTER_VIEW),
    ("GET", "/v1/securities/{security_id}/movements"): Line(Action.REGISTER_VIEW),
    ("GET", "/v1/securities/{security_id}/ocf"): Line(Action.PARTIES_EXPORT),
    ("POST", "/v1/securities/{security_id}/register/verify"): Line(Action.REGISTER_REBUILD),
    ("GET", "/v1/securities/{security_id}/lots"): Line(Action.REGISTER_VIEW),
    ("GET", "/v1/securities/{security_id}/acquisitions"): Line(Action.REGISTER_VIEW),
    ("PUT", "/v1/securities/{security_id}/movements/{transaction_hash}/{position}/annotation"): Line(
        Action.REGISTER_ANNOTATE, json={"exemption": "us.regs"}
    ),
    ("GET", "/v1/securities/{security_id}/holders"): Line(Action.REGISTER_EXPORT),
    ("POST", "/v1/securities/{security_id}/reports/form-d"): Line(Action.REGISTER_EXPORT, json=FORM_D),
    ("POST", "/v1/reports/differences"): _listing(Action.REGISTER_REBUILD),
    ("GET", "/v1/reports/turnaround"): Line(Action.SETTLEMENT_RECONCILE, query={"month": "2026-11"}, names_a_thing=False),
    # Notices
    ("GET", "/v1/notices"): _listing(Action.NOTICES_VIEW),
    ("POST", "/v1/securities/{security_id}/explanations"): Line(Action.NOTICES_EXPLAIN, json={"to": WALLET, "shares": "1"}),
    ("GET", "/securities/{security_id}/explain"): Line(Action.NOTICES_EXPLAIN),
    ("POST", "/securities/{security_id}/explain"): Line(Action.NOTICES_EXPLAIN, form={"to_wallet": WALLET, "shares": "1"}),
    ("POST", "/securities/{security_id}/explain/preview"): Line(Action.NOTICES_EXPLAIN, form={"to_wallet": WALLET, "shares": "1"}),
    # Compliance
    ("GET", "/v1/securities/{security_id}/rules"): Line(Action.COMPLIANCE_VIEW),
    ("PUT", "/v1/securities/{security_id}/rules"): Line(Action.COMPLIANCE_SET_RULES, json={"rules": []}),
    ("POST", "/v1/securities/{security_id}/transfer-checks"): Line(Action.COMPLIANCE_CHECK, json={"to": WALLET, "shares": "1"}),
    ("POST", "/v1/securities/{security_id}/opening"): Line(Action.COMPLIANCE_OPEN_SECURITY),
    ("GET", "/v1/securities/{security_id}/freezes"): Line(Action.COMPLIANCE_VIEW),
    ("POST", "/v1/securities/{security_id}/freezes"): Line(Action.COMPLIANCE_FREEZE, json={"address": WALLET, "reason": "a test"}),
    ("GET", "/v1/law"): _listing(Action.COMPLIANCE_VIEW),
    ("GET", "/v1/securities/{security_id}/law"): Line(Action.COMPLIANCE_VIEW),
    ("PUT", "/v1/securities/{security_id}/law"): Line(Action.COMPLIANCE_CHOOSE_LAW, json={"packs": []}),
    ("POST", "/v1/securities/{security_id}/law/enforcement"): Line(Action.COMPLIANCE_SET_RULES),
    ("GET", "/v1/securities/{security_id}/law/lots"): Line(Action.COMPLIANCE_VIEW),
    ("POST", "/v1/securities/{security_id}/law/what-if"): Line(Action.COMPLIANCE_CHECK, json={}),
    ("GET", "/v1/assets/{asset_id}/assessments"): Line(Action.COMPLIANCE_VIEW),
    ("POST", "/v1/assets/{asset_id}/assessments"): Line(
        Action.COMPLIANCE_ASSESS, json={"answers": {"M": "y"}, "token_model": "integrated_register"}
    ),
    ("POST", "/v1/assets/{asset_id}/assessments/{version}/signature"): Line(Action.COMPLIANCE_SIGN_ASSESSMENT),
    ("GET", "/v1/securities/{security_id}/lockups"): Line(Action.COMPLIANCE_VIEW),
    ("POST", "/v1/securities/{security_id}/lockups"): Line(
        Action.COMPLIANCE_LOCK, json={"address": WALLET, "shares": "1", "unlocks_at": "2099-01-01T00:00:00Z"}
    ),
    ("POST", "/v1/securities/{security_id}/lockups/release"): Line(
        Action.COMPLIANCE_RELEASE_LOCKUP, json={"address": WALLET, "shares": "1"}
    ),
    ("POST", "/v1/securities/{security_id}/categories"): Line(Action.COMPLIANCE_SET_CATEGORY, json={"address": WALLET, "category": 1}),
    ("POST", "/v1/securities/{security_id}/transfer-approvals"): Line(
        Action.COMPLIANCE_APPROVE_TRANSFER, json={"from": WALLET, "to": OTHER_WALLET, "shares": "1", "until": "2099-01-01T00:00:00Z"}
    ),
    # Settlement
    ("GET", "/v1/instructions"): _listing(Action.SETTLEMENT_VIEW),
    ("GET", "/v1/instructions/{instruction_id}"): Line(Action.SETTLEMENT_VIEW),
    ("GET", "/v1/transactions"): _listing(Action.SETTLEMENT_VIEW),
    ("POST", "/v1/instructions/issue"): Line(Action.SETTLEMENT_ISSUE, json=ISSUE),
    ("POST", "/v1/instructions/issue/preview"): Line(Action.SETTLEMENT_ISSUE, json=ISSUE),
    ("POST", "/v1/instructions/transfer"): Line(Action.SETTLEMENT_TRANSFER, json=MOVE),
    ("POST", "/v1/instructions/forced-transfer"): Line(Action.SETTLEMENT_FORCED_TRANSFER, json={**MOVE, "ground": "a court"}),
    ("POST", "/v1/instructions/burn"): Line(Action.SETTLEMENT_BURN, json={"security_id": "{security_id}", "wallet": WALLET, "shares": "1"}),
    ("POST", "/v1/instructions/recover"): Line(
        Action.SETTLEMENT_RECOVER,
        json={"investor_id": "{investor_id}", "lost_wallet": WALLET, "new_wallet": OTHER_WALLET},
        names_a_thing=False,
    ),
    ("GET", "/v1/payment-tokens"): _listing(Action.SETTLEMENT_VIEW),
    ("POST", "/v1/payment-tokens"): Line(
        Action.SETTLEMENT_SET_PAYMENT_TOKEN, json={"address": OTHER_WALLET, "currency": "USD"}, names_a_thing=False
    ),
    # Servicing
    ("GET", "/v1/dividends"): _listing(Action.SERVICING_VIEW),
    ("POST", "/v1/dividends"): Line(Action.SERVICING_DECLARE_DIVIDEND, json=DIVIDEND),
    ("POST", "/v1/dividends/preview"): Line(Action.SERVICING_DECLARE_DIVIDEND, json=DIVIDEND),
    ("GET", "/v1/dividends/{dividend_id}"): Line(Action.SERVICING_VIEW),
    ("GET", "/v1/dividends/{dividend_id}/payments"): Line(Action.SERVICING_VIEW),
    ("POST", "/v1/dividends/{dividend_id}/release"): Line(Action.SERVICING_DECLARE_DIVIDEND),
    ("POST", "/v1/dividends/{dividend_id}/verify"): Line(Action.SERVICING_VIEW),
    # Pages
    ("GET", "/"): _listing(Open.SESSION),
    ("GET", "/verify"): _listing(Open.PUBLIC),
    ("GET", "/sign-in"): _listing(Open.PUBLIC),
    ("POST", "/sign-in"): Line(Open.PUBLIC, form={"email": "nobody@example.com", "password": "not it"}, names_a_thing=False),
    ("GET", "/invitation"): _listing(Open.PUBLIC),
    ("POST", "/invitation"): Line(Open.PUBLIC, form={"token": f"{NOWHERE}.none", "password": PASSWORD}, names_a_thing=False),
    ("POST", "/sign-out"): Line(Open.SESSION, form={}, names_a_thing=False, ends_the_session=True),
    ("GET", "/organisations"): _listing(Open.SESSION),
    ("POST", "/organisations"): Line(Open.SESSION, form={"tenant_id": NOWHERE}, names_a_thing=False, ends_the_session=True),
    ("POST", "/theme"): Line(Open.SESSION, form={"theme": "dark", "back": "/"}, names_a_thing=False),
    ("GET", "/developers"): _listing(Open.ORGANISATION),
    ("GET", "/developers/api"): _listing(Open.ORGANISATION),
    ("GET", "/developers/problems"): _listing(Open.PUBLIC),
    ("GET", "/developers/problems/{code}"): _listing(Open.PUBLIC),
    ("GET", "/search"): Line(Action.INSTRUMENTS_VIEW, query={"q": "PTX93"}, names_a_thing=False),
    ("GET", "/securities"): _listing(Action.INSTRUMENTS_VIEW),
    ("GET", "/securities/tokenise"): _listing(Action.INSTRUMENTS_TOKENISE),
    ("POST", "/securities/tokenise"): Line(Action.INSTRUMENTS_TOKENISE, upload="{zip}", names_a_thing=False),
    ("POST", "/securities/tokenise/preview"): Line(Action.INSTRUMENTS_TOKENISE, upload="{zip}", names_a_thing=False),
    ("GET", "/securities/tokenise/vehicle"): _listing(Action.INSTRUMENTS_TOKENISE),
    ("POST", "/securities/tokenise/vehicle"): Line(Action.INSTRUMENTS_TOKENISE, form={"vin": "none"}, names_a_thing=False),
    ("POST", "/securities/tokenise/vehicle/preview"): Line(Action.INSTRUMENTS_TOKENISE, form={"vin": "none"}, names_a_thing=False),
    ("GET", "/securities/{security_id}/deployment"): Line(Action.INSTRUMENTS_DEPLOY),
    ("POST", "/securities/{security_id}/deployment"): Line(Action.INSTRUMENTS_DEPLOY, form={}),
    ("GET", "/securities/{security_id}/opening"): Line(Action.COMPLIANCE_OPEN_SECURITY),
    ("POST", "/securities/{security_id}/opening"): Line(Action.COMPLIANCE_OPEN_SECURITY, form={}),
    ("GET", "/compliance"): _listing(Action.COMPLIANCE_VIEW),
    ("GET", "/securities/{security_id}/law"): Line(Action.COMPLIANCE_VIEW),
    ("POST", "/securities/{security_id}/law/chain"): Line(Action.COMPLIANCE_SET_RULES),
    ("GET", "/securities/{security_id}/law/edit"): Line(Action.COMPLIANCE_CHOOSE_LAW),
    ("POST", "/securities/{security_id}/law/edit"): Line(Action.COMPLIANCE_CHOOSE_LAW, form={"law_currency": "USD"}),
    ("POST", "/securities/{security_id}/law/edit/preview"): Line(Action.COMPLIANCE_CHOOSE_LAW, form={"law_currency": "USD"}),
    ("GET", "/assets/{asset_id}/assessment"): Line(Action.COMPLIANCE_VIEW),
    ("POST", "/assets/{asset_id}/assessment"): Line(Action.COMPLIANCE_ASSESS, form={"answer:M": "y", "token_model": "integrated_register"}),
    ("POST", "/assets/{asset_id}/assessment/{version}/signature"): Line(Action.COMPLIANCE_SIGN_ASSESSMENT),
    ("GET", "/assets/{asset_id}/assessment/{version}/memo"): Line(Action.COMPLIANCE_VIEW),
    ("GET", "/assets/{asset_id}/assessment/{version}/memo.pdf"): Line(Action.COMPLIANCE_VIEW),
    ("GET", "/securities/{security_id}/rules/edit"): Line(Action.COMPLIANCE_SET_RULES),
    ("POST", "/securities/{security_id}/rules/edit"): Line(Action.COMPLIANCE_SET_RULES, form={"country_rule": "none"}),
    ("POST", "/securities/{security_id}/rules/edit/preview"): Line(Action.COMPLIANCE_SET_RULES, form={"country_rule": "none"}),
    ("GET", "/securities/{security_id}"): Line(Action.REGISTER_VIEW),
    ("GET", "/securities/{security_id}/movements"): Line(Action.REGISTER_VIEW),
    ("GET", "/securities/{security_id}/lots"): Line(Action.REGISTER_VIEW),
    ("GET", "/securities/{security_id}/movements/{transaction_hash}/{position}/annotation"): Line(Action.REGISTER_ANNOTATE),
    ("POST", "/securities/{security_id}/movements/{transaction_hash}/{position}/annotation"): Line(
        Action.REGISTER_ANNOTATE, form={"exemption": "us.regs"}
    ),
    ("GET", "/securities/{security_id}/holders"): Line(Action.REGISTER_EXPORT),
    ("GET", "/securities/{security_id}/rules"): Line(Action.COMPLIANCE_VIEW),
    ("GET", "/securities/{security_id}/documents"): Line(Action.INSTRUMENTS_VIEW),
    ("GET", "/securities/{security_id}/dividends"): Line(Action.SERVICING_VIEW),
    ("GET", "/securities/{security_id}/issue"): Line(Action.SETTLEMENT_ISSUE),
    ("POST", "/securities/{security_id}/issue"): Line(Action.SETTLEMENT_ISSUE, form={"wallet": WALLET, "shares": "1"}),
    ("POST", "/securities/{security_id}/issue/preview"): Line(Action.SETTLEMENT_ISSUE, form={"wallet": WALLET, "shares": "1"}),
    ("GET", "/securities/{security_id}/transfer"): Line(Action.SETTLEMENT_TRANSFER),
    ("POST", "/securities/{security_id}/transfer"): Line(Action.SETTLEMENT_TRANSFER, form={"shares": "1"}),
    ("POST", "/securities/{security_id}/transfer/preview"): Line(Action.SETTLEMENT_TRANSFER, form={"shares": "1"}),
    ("GET", "/securities/{security_id}/dividends/declare"): Line(Action.SERVICING_DECLARE_DIVIDEND),
    ("POST", "/securities/{security_id}/dividends/declare"): Line(Action.SERVICING_DECLARE_DIVIDEND, form={"amount": "1"}),
    ("POST", "/securities/{security_id}/dividends/declare/preview"): Line(Action.SERVICING_DECLARE_DIVIDEND, form={"amount": "1"}),
    ("GET", "/securities/{security_id}/freeze"): Line(Action.COMPLIANCE_FREEZE),
    ("POST", "/securities/{security_id}/freeze"): Line(Action.COMPLIANCE_FREEZE, form={"wallet": WALLET, "reason": "a test"}),
    ("POST", "/securities/{security_id}/freeze/preview"): Line(Action.COMPLIANCE_FREEZE, form={"wallet": WALLET, "reason": "a test"}),
    ("GET", "/investors/{investor_id}/recover"): Line(Action.SETTLEMENT_RECOVER),
    ("POST", "/investors/{investor_id}/recover"): Line(Action.SETTLEMENT_RECOVER, form={"lost_wallet": WALLET}),
    ("POST", "/investors/{investor_id}/recover/preview"): Line(Action.SETTLEMENT_RECOVER, form={"lost_wallet": WALLET}),
    ("POST", "/investors/{investor_id}/wallets"): Line(Action.PARTIES_ADD_WALLET, form={}),
    ("GET", "/documents/{document_id}"): Line(Action.INSTRUMENTS_VIEW),
    ("GET", "/instructions/{instruction_id}"): Line(Action.SETTLEMENT_VIEW),
    ("GET", "/dividends/{dividend_id}"): Line(Action.SERVICING_VIEW),
    ("GET", "/investors"): _listing(Action.PARTIES_VIEW),
    ("GET", "/investors/import"): _listing(Action.PARTIES_ONBOARD),
    ("POST", "/investors/import"): Line(Action.PARTIES_ONBOARD, upload="external_reference,name,email,country\n", names_a_thing=False),
    ("GET", "/investors/{investor_id}"): Line(Action.PARTIES_VIEW),
    ("POST", "/investors/{investor_id}/verify"): Line(Action.PARTIES_VERIFY, form={}),
    ("GET", "/investors/queue"): _listing(Action.PARTIES_VIEW),
    ("GET", "/investors/{investor_id}/claims/new"): Line(Action.PARTIES_ADD_CLAIM),
    ("POST", "/investors/{investor_id}/claims"): Line(Action.PARTIES_ADD_CLAIM, form=CLAIM_FORM),
    ("POST", "/investors/{investor_id}/claims/{claim_id}/revoke"): Line(Action.PARTIES_REVOKE_CLAIM, form={"reason": "wrong"}),
    ("GET", "/investors/{investor_id}/reverify"): Line(Action.PARTIES_VERIFY),
    ("POST", "/investors/{investor_id}/reverify"): Line(Action.PARTIES_VERIFY, form={"country": "LI"}),
    ("POST", "/investors/{investor_id}/sanctions-hits/{hit_id}/clear"): Line(Action.PARTIES_SCREEN, form={"reason": "born elsewhere"}),
    ("GET", "/investors/{investor_id}/wallet-proof"): Line(Action.PARTIES_ADD_WALLET),
    ("POST", "/investors/{investor_id}/wallet-proof"): Line(Action.PARTIES_ADD_WALLET, form={"address": OTHER_WALLET}),
    ("POST", "/investors/{investor_id}/review"): Line(Action.PARTIES_VERIFY, form={"decision": "decline"}),
    ("GET", "/transactions"): _listing(Action.SETTLEMENT_VIEW),
    ("GET", "/transactions/{transaction_hash}"): Line(Action.SETTLEMENT_VIEW),
    ("GET", "/approvals"): _listing(Action.ACCESS_VIEW_APPROVALS),
    ("GET", "/approvals/{approval_id}"): Line(Action.ACCESS_VIEW_APPROVALS),
    ("POST", "/approvals/{approval_id}/approve"): Line(Action.ACCESS_DECIDE_APPROVAL, form={}),
    ("POST", "/approvals/{approval_id}/reject"): Line(Action.ACCESS_DECIDE_APPROVAL, form={"rejection": "no"}),
    ("GET", "/audit"): _listing(Action.ACCESS_VIEW_AUDIT),
}
