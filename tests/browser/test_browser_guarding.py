# SPDX-License-Identifier: Apache-2.0
"""A draft goes to the chain and opens, a holding is frozen and freed, a lost wallet recovered with four eyes: all by the pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import expect

from muniment.access.model import Pending
from muniment.compliance.commands import LockShares, ReleaseLockup, lock_shares, release_lockup
from muniment.units.ids import InvestorId
from tests.browser.conftest import Visit
from tests.browser.stage import set_the_stage
from tests.browser.world import World, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SETTLED_MILLISECONDS = 60_000


@pytest.fixture(scope="module")
def things(world: World) -> dict[str, str]:
    return set_the_stage(world)


def test_a_draft_is_put_on_the_chain_and_opened_and_its_page_follows(
    world: World, things: dict[str, str], visit: Callable[..., Visit]
) -> None:
    owner = visit()
    owner.sign_in(world.owner)
    page = owner.go(f"/securities/{things['draft_id']}/rules/edit")
    page.get_by_label("Holder cap", exact=True).fill("99")
    page.get_by_role("button", name="Set 1 rule for DRAFT").click()
    page.wait_for_url("**/rules")
    page.get_by_role("link", name="Put it on the chain").click()
    page.get_by_role("button", name="Put DRAFT on the chain").click()
    opening = page.get_by_role("link", name="Open for transfers")
    expect(opening).to_be_visible(timeout=SETTLED_MILLISECONDS)
    opening.click()
    page.get_by_role("button", name="Open DRAFT for transfers").click()
    expect(page.get_by_role("link", name="Issue shares").first).to_be_visible(timeout=SETTLED_MILLISECONDS)


def test_some_shares_are_frozen_and_freed_again(world: World, things: dict[str, str], visit: Callable[..., Visit]) -> None:
    owner = visit()
    owner.sign_in(world.owner)
    page = owner.go(f"/securities/{world.security_id}")
    page.get_by_role("link", name="Freeze Ada Moreau").click()
    page.get_by_label("Order").select_option("freeze_shares")
    page.get_by_label("Shares", exact=True).fill("999999")
    page.get_by_label("Reason").fill("order of a court")
    expect(page.get_by_role("alert")).to_contain_text("shares of Ada Moreau are free")
    page.get_by_label("Shares", exact=True).fill("500")
    page.get_by_role("button", name="Freeze 500 PTX93 of Ada Moreau").click()
    page.wait_for_url("**/transactions/*")
    expect(page.locator(".pipeline .done", has_text="final")).to_be_visible(timeout=SETTLED_MILLISECONDS)
    row = page.get_by_role("row").filter(has_text="Ada Moreau").filter(has_text="500 frozen")

    def is_frozen() -> bool:
        # The register reads the block a moment after the sender's book has it.
        owner.go(f"/securities/{world.security_id}")
        return row.count() > 0

    wait_until(is_frozen, "the register to show the freeze")
    page.get_by_role("link", name="Unfreeze Ada Moreau").click()
    page.get_by_label("Order").select_option("unfreeze_shares")
    page.get_by_label("Shares", exact=True).fill("500")
    page.get_by_label("Reason").fill("the order was lifted")
    page.get_by_role("button", name="Unfreeze 500 PTX93 of Ada Moreau").click()
    page.wait_for_url("**/transactions/*")


def test_what_is_locked_stands_in_the_register_and_with_its_holder(
    world: World, things: dict[str, str], visit: Callable[..., Visit]
) -> None:
    investor_id = InvestorId(UUID(things["investor_id"]))
    with world.units.begin(world.tenant_id) as unit:
        wallets = [wallet.address for wallet in unit.wallets.of_investor(investor_id)]
        address = max(wallets, key=lambda each: unit.register.balance_of(world.security_id, each))
        until = dt.datetime(2030, 5, 23, tzinfo=dt.UTC)
        lock_shares(world.owner.actor, LockShares(world.security_id, address, 7, until), unit=unit)
    owner = visit()
    owner.sign_in(world.owner)
    row = owner.page.get_by_role("row").filter(has_text="7 locked until 23 May 2030")

    def is_shown() -> bool:
        owner.go(f"/securities/{world.security_id}")
        return row.count() > 0

    wait_until(is_shown, "the register to show the lockup")
    page = owner.go(f"/investors/{things['investor_id']}")
    expect(page.get_by_role("row").filter(has_text="7 locked until 23 May 2030")).to_be_visible()
    with world.units.begin(world.tenant_id) as unit:
        asked = release_lockup(world.owner.actor, ReleaseLockup(uuid4(), world.security_id, address, 7), unit=unit)
        assert isinstance(asked, Pending)
    second = visit()
    second.sign_in(world.second)
    approval = second.go(f"/approvals/{asked.approval_id}")
    approval.get_by_role("button", name="Approve: release locked shares early").click()
    approval.wait_for_url("**/transactions/*")

    def is_gone() -> bool:
        owner.go(f"/securities/{world.security_id}")
        return row.count() == 0

    wait_until(is_gone, "the register to show the release")


def test_a_lost_wallet_is_recovered_to_a_new_one_with_four_eyes(world: World, things: dict[str, str], visit: Callable[..., Visit]) -> None:
    owner, second = visit(), visit()
    owner.sign_in(world.owner)
    second.sign_in(world.second)
    page = owner.go(f"/investors/{things['investor_id']}")
    page.get_by_role("link", name="Recover 0x").first.click()
    page.get_by_role("button", name="Make a new wallet").click()
    expect(page.get_by_label("New wallet").locator("option")).to_have_count(2)
    page.get_by_label("New wallet").select_option(index=1)
    expect(page.get_by_text("A second person must approve this")).to_be_visible()
    page.get_by_role("button", name="Move 1 holding to").click()
    page.wait_for_url("**/approvals/*")
    other = second.go(page.url.removeprefix(owner.url))
    other.get_by_role("button", name="Approve: recover a lost wallet").click()
    other.wait_for_url("**/instructions/*")
    expect(other.locator(".state.good", has_text="settled")).to_be_visible(timeout=SETTLED_MILLISECONDS)
