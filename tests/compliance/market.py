# SPDX-License-Identifier: Apache-2.0
"""An issuer with a security on a real node, its investors, and what an agent may do. Holds no test."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from eth_account import Account

from muniment.access.model import Actor
from muniment.compliance.commands import SetRules, check_transfer, set_rules
from muniment.compliance.commands import open_security as order_opening
from muniment.compliance.model.rules import Rule
from muniment.compliance.process import open_security, register_investors, want_investor
from muniment.infra.evm import contract_artifacts
from muniment.instruments.commands import DraftSecurity, TokeniseAsset, draft_security, tokenise_asset
from muniment.instruments.model.securities import tokenised
from muniment.instruments.process import deploy_security
from muniment.parties.commands import onboard_investor, verify_investor
from muniment.units.decisions import Decision
from muniment.units.ids import Address, InvestorId, SecurityId, TenantId
from tests.infra.rig import a_private_key
from tests.instruments.stage import Stage


class Market:
    """One security of one issuer."""

    def __init__(self, stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
        self.stage = stage
        self.tenant_id, self.owner = issuer
        self.units = stage.units(self.tenant_id)
        with self.units() as unit:
            described = {"kind": "other", "title": f"Asset {secrets.token_hex(4)}"}
            asset = tokenise_asset(self.owner, TokeniseAsset(described), unit=unit)
            drafted = draft_security(self.owner, DraftSecurity(asset.asset_record_id, "Heron Common", "HERON"), unit=unit)
        self.security_id: SecurityId = drafted.terms.security_id
        stage.run(lambda: deploy_security(self.security_id, units=self.units, platform=stage.platform))
        with self.units() as unit:
            self.token = tokenised(unit.securities.get(self.security_id), step="a test").token_address
            suite = unit.suites.suite()
            assert suite is not None
            self.suite = suite

    def set_rules(self, *rules: Rule) -> None:
        with self.units() as unit:
            set_rules(self.owner, SetRules(self.security_id, rules), unit=unit)

    def open(self, *rules: Rule) -> None:
        self.set_rules(*rules)
        with self.units() as unit:
            order_opening(self.owner, self.security_id, unit=unit)
        self.stage.run(lambda: open_security(self.security_id, units=self.units))

    def an_investor(self, country: str = "GB", **fields: str) -> tuple[InvestorId, Address]:
        """Onboard and verify a fictitious investor with a wallet of its own."""
        reference = f"INV-{secrets.token_hex(4)}"
        row = {
            "external_reference": reference,
            "kind": "person",
            "name": f"Fictitious {reference}",
            "email": f"{reference.lower()}@example.com",
            "country": country,
            "date_of_birth": "1980-01-02",
            "document_number": f"D{secrets.token_hex(3).upper()}",
            "document_expires": "2031-01-01",
            "wallet_address": Account.from_key(a_private_key()).address,
            **fields,
        }
        with self.units() as unit:
            onboarded = onboard_investor(self.owner, row, unit=unit)
            verify_investor(self.owner, onboarded.investor.investor_id, unit=unit)
        return onboarded.investor.investor_id, onboarded.wallet.address

    def registered(self, *investor_ids: InvestorId) -> int:
        """Bring investors into the registry; return how often the process waited."""
        for investor_id in investor_ids:
            want_investor(investor_id, units=self.units)
        return self.stage.run(lambda: register_investors(units=self.units))

    def act(self, function: str, *arguments: object) -> None:
        """Let the issuer's agent do something with the token, and make it final."""
        with self.units() as unit:
            unit.transactions.submit(
                tenant_id=self.tenant_id,
                sender=self.suite.operator,
                to=self.token,
                data=contract_artifacts.load("security_token").encode_call(function, *arguments),
                purpose=f"test:{secrets.token_hex(8)}",
                gas_limit=500_000,
            )
        self.stage.step()

    def check(self, sender: Address | None, receiver: Address, shares: int) -> Decision:
        with self.units() as unit:
            return check_transfer(self.security_id, from_wallet=sender, to_wallet=receiver, shares=shares, unit=unit)

    def chain_code(self, sender: Address | None, receiver: Address, shares: int) -> str | None:
        with self.units() as unit:
            return unit.compliance_chain.check_transfer(token=self.token, sender=sender, receiver=receiver, shares=shares)[0]


def codes(decision: Decision) -> Sequence[str]:
    """Return the codes of a decision's reasons, none for a yes."""
    return [reason["code"] for reason in decision.as_json()["reasons"]]
