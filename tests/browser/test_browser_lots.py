# SPDX-License-Identifier: Apache-2.0
"""Lots in the browser: shares issued on stated terms, seen with the day of their resale, annotated by keyboard, and in the log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from muniment.compliance.commands import ChooseLaw, choose_law
from tests.browser.conftest import SCREENSHOTS, Visit
from tests.browser.test_browser_flow import SETTLED_MILLISECONDS, choose
from tests.browser.test_browser_pages import fits, violations
from tests.browser.world import World

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOLDER = "Ada Moreau"


def shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"lots-{name}.png", full_page=True)


@pytest.fixture(scope="module", autouse=True)
def _packs(world: World) -> None:
    """The security is sold abroad under Regulation S, and to accredited Americans."""
    with world.units.begin(world.tenant_id) as unit:
        closed_on = unit.clock.now().date().isoformat()
        packs = ("us.regd.506c", "us.regs.category3")
        terms = {"price": "10.00", "closed_on": closed_on}
        choose_law(world.owner.actor, ChooseLaw(world.security_id, packs, terms, {}), unit=unit)


def test_shares_are_issued_on_terms_that_their_lot_shows_and_an_officer_mends(world: World, visit: Callable[..., Visit]) -> None:
    owner, second = visit(), visit()
    owner.sign_in(world.owner)
    second.sign_in(world.second)

    page = owner.go(f"/securities/{world.security_id}/lots")
    expect(page.get_by_role("heading", name="No lots yet")).to_be_visible()
    page = owner.go(f"/securities/{world.security_id}/issue")
    choose(page, "Holder", HOLDER)
    page.get_by_label("Shares", exact=True).fill("1200")
    expect(page.locator("#preview")).to_contain_text("us.regs, the one that holds")
    # An exemption that does not hold is refused as it is chosen.
    page.get_by_label("Sold under").select_option("us.regd.506c")
    expect(page.get_by_role("alert")).to_contain_text("under Rule 506(c) every purchaser is")
    shoot(page, "issue-refused")
    page.get_by_label("Sold under").select_option("us.regs")
    page.get_by_label("Paid in all").fill("11500.50")
    page.get_by_label("Buyer").select_option("qualified")
    expect(page.locator("#preview")).to_contain_text("11,500.50 USD")
    shoot(page, "issue")
    page.get_by_role("button", name=f"Issue 1,200 PTX93 to {HOLDER}").click()
    page.wait_for_url("**/approvals/*")
    other = second.go(page.url.removeprefix(owner.url))
    expect(other.get_by_text("1,200 shares, under us.regs, for 11,500.50 USD, buyer qualified")).to_be_visible()
    shoot(other, "approval")
    other.get_by_role("button", name="Approve: issue").click()
    other.wait_for_url("**/instructions/*")
    expect(other.locator(".state.good", has_text="settled")).to_be_visible(timeout=SETTLED_MILLISECONDS)
    expect(other.get_by_text("under us.regs, for 11,500.50 USD, buyer qualified")).to_be_visible()

    page = owner.go(f"/securities/{world.security_id}/lots")
    row = page.get_by_role("row", name="11,500.50 USD")
    expect(row).to_contain_text("us.regs")
    expect(row).to_contain_text("1,200")
    # A year by Rule 144, as the domestic issuer does not report; the flowback ends no later.
    free_on = dt.datetime.now(tz=dt.UTC).date()
    expect(row.locator(".state")).to_contain_text(f"{free_on.year + 1}")
    expect(page.locator(".group .state")).to_contain_text("1,200 locked until")
    shoot(page, "page")

    # By keyboard alone: to the button, into the form, and back.
    page.get_by_role("link", name=f"Annotate 1,200 of {HOLDER}").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/annotation")
    expect(page.get_by_label("Sold under")).to_have_value("us.regs")
    expect(page.get_by_label("Paid in all")).to_have_value("11500.50")
    shoot(page, "annotation")
    page.get_by_label("Held since").fill("2999-01-01")
    page.get_by_label("Held since").press("Enter")
    expect(page.locator("#holding_since-wrong")).to_contain_text("lies after the movement")
    expect(page.get_by_label("Paid in all")).to_have_value("11500.50")
    page.get_by_label("Held since").fill("2020-02-03")
    page.get_by_label("Held since").press("Enter")
    page.wait_for_url("**/lots?holder=*")
    row = page.get_by_role("row", name="11,500.50 USD")
    expect(row).to_contain_text("3 Feb 2020")
    expect(row.locator(".state.good", has_text="free")).to_be_visible()
    expect(page.get_by_label("Holder", exact=True)).not_to_have_value("")
    page = owner.go("/audit?action=register.annotate")
    expect(page.get_by_role("row", name="Olga Owner").first).to_be_visible()


def test_the_lots_fit_a_phone_in_the_dark_and_the_auditor_only_reads(world: World, visit: Callable[..., Visit]) -> None:
    window = visit(width=360, color_scheme="dark")
    window.sign_in(world.auditor)
    page = window.go(f"/securities/{world.security_id}/lots")
    # Whose the lots are is not the auditor's to see; what they are is.
    expect(page.get_by_text("11,500.50 USD")).to_be_visible()
    expect(page.get_by_role("link", name="Annotate")).to_have_count(0)
    assert fits(page, 360)
    assert violations(page) == []
    shoot(page, "phone-dark")
