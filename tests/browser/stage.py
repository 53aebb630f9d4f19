# SPDX-License-Identifier: Apache-2.0
"""Fills a world with what the pages show: holders, movements, a dividend, a request that waits. Holds no test."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from muniment.access.commands import approve_request
from muniment.access.model import Pending
from muniment.access.ports import Page
from muniment.app.api_approvals import execute_approved
from muniment.compliance.commands import AssessAsset, assess_asset
from muniment.instruments.commands import DraftSecurity, draft_security
from muniment.servicing.commands import DeclareDividend, declare_dividend
from muniment.servicing.model import Total
from muniment.settlement.commands import IssueShares, TransferShares, issue, transfer
from muniment.settlement.model import Allotment, Instruction, SettledInstruction
from muniment.units.ids import Address, InstructionId
from muniment.units.money import Money
from tests.browser.world import World, wait_until

ISSUED = {"H-001": 120_000, "H-002": 60_000, "H-003": 31_415, "H-004": 200_000, "H-005": 9_001, "H-007": 250, "H-008": 7}


def set_the_stage(world: World) -> dict[str, str]:
    """Issue, transfer, declare, and leave one request open; return the ids that the pages' addresses need."""
    wallets = _wallets(world)
    request = IssueShares(
        uuid.uuid4(), world.security_id, tuple(Allotment(shares=shares, wallet=wallets[name]) for name, shares in ISSUED.items())
    )
    with world.units.begin(world.tenant_id) as unit:
        pending = issue(world.owner.actor, request, unit=unit)
    issued = _approve(world, pending)
    _settled(world, issued["instruction_ids"][0])
    with world.units.begin(world.tenant_id) as unit:
        moved = transfer(
            world.owner.actor,
            TransferShares(uuid.uuid4(), world.security_id, wallets["H-001"], wallets["H-002"], 1_250),
            unit=unit,
        )
    assert isinstance(moved, Instruction)
    _settled(world, str(moved.instruction_id))
    dividend = _approve(world, _declare(world, "12431.07"))
    waiting = _declare(world, "500.00")
    assert isinstance(waiting, Pending)
    with world.units.begin(world.tenant_id) as unit:
        transaction = unit.transactions.find(moved.purpose)
        investor = unit.wallets.by_address(wallets["H-002"])
    assert transaction is not None
    assert investor is not None
    return {
        "security_id": str(world.security_id),
        "asset_id": _assessed(world),
        "draft_id": _draft(world),
        "instruction_id": str(moved.instruction_id),
        "dividend_id": dividend["dividend_id"],
        "approval_id": str(waiting.approval_id),
        "transaction_hash": transaction.hash,
        "investor_id": str(investor.investor_id),
        "from_wallet": wallets["H-001"],
        "blocked_wallet": wallets["H-006"],
    }


def _assessed(world: World) -> str:
    """Draft an assessment of the security's asset; return the asset's id."""
    with world.units.begin(world.tenant_id) as unit:
        asset_id = unit.assets.get(unit.securities.get(world.security_id).terms.asset_record_id).asset_id
        answers = {"M": "y", "C": "y", "P": "y", "E": "y", "E3": "n"}
        evidence = {"P": "The offering memorandum promises a share of the sale's proceeds.", "E3": "Owners vote on each repair."}
        assess_asset(world.owner.actor, AssessAsset(asset_id, answers, evidence, "integrated_register"), unit=unit)
    return asset_id


def _draft(world: World) -> str:
    with world.units.begin(world.tenant_id) as unit:
        asset = unit.assets.page(limit=1)[0]
        return str(draft_security(world.owner.actor, DraftSecurity(asset.asset_record_id, "A draft", "DRAFT"), unit=unit).terms.security_id)


def _wallets(world: World) -> dict[str, Address]:
    with world.units.begin(world.tenant_id) as unit:
        investors = unit.investors.page(Page(limit=50))
        wallets = unit.wallets.of_investors([investor.investor_id for investor in investors])
        return {investor.external_reference: wallets[investor.investor_id][0].address for investor in investors}


def _declare(world: World, amount: str) -> object:
    record_at = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=3)
    with world.units.begin(world.tenant_id) as unit:
        token = unit.payment_tokens.all()[0]
        request = DeclareDividend(
            request_id=uuid.uuid4(),
            security_id=world.security_id,
            amount=Total(Money.parse(amount, "USD")),
            record_at=record_at,
            payment_at=record_at,
            payment_token=token.address,
        )
        return declare_dividend(world.owner.actor, request, unit=unit)


def _approve(world: World, pending: object) -> dict[str, Any]:
    assert isinstance(pending, Pending)
    with world.units.begin(world.tenant_id) as unit:
        approved = approve_request(world.second.actor, pending.approval_id, unit=unit)
        return execute_approved(world.second.actor, approved, unit=unit)


def _settled(world: World, instruction_id: str) -> None:
    def is_settled() -> bool:
        with world.units.begin(world.tenant_id) as unit:
            return isinstance(unit.instructions.get(InstructionId(uuid.UUID(instruction_id))), SettledInstruction)

    wait_until(is_settled, "the instruction to settle")
