# SPDX-License-Identifier: Apache-2.0
"""A security under Rule 506(c) and Regulation S in the browser: onboard, verify with four eyes, be refused, see why, cure it, succeed."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, Visit
from tests.browser.test_browser_flow import SETTLED_MILLISECONDS, choose
from tests.browser.world import World

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# The sandbox provider refers this invented name to a person.
INVESTOR = "Petra Publicova"
ROW = f"""\
external_reference,kind,name,email,country,date_of_birth
L-001,person,{INVESTOR},petra@example.com,US,1980-02-03
"""


def shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"law-{name}.png", full_page=True)


def onboard(owner: Visit, second: Visit) -> str:
    """Import the investor, have the check made by one and decided by the other; return the investor's page."""
    page = owner.go("/investors/import")
    page.locator("input[type=file]").set_input_files({"name": "investors.csv", "mimeType": "text/csv", "buffer": ROW.encode()})
    page.get_by_role("button", name="Check and onboard the rows").click()

    page = owner.go("/investors?q=L-001")
    page.get_by_role("link", name=INVESTOR).first.click()
    page.wait_for_url("**/investors/*")
    path = page.url.removeprefix(owner.url)
    page.get_by_role("button", name="Verify this investor").click()
    expect(page.locator(".head .state", has_text="in review")).to_be_visible()
    # Whoever submitted does not decide.
    expect(page.get_by_role("button", name="Accept after review")).to_have_count(0)
    other = second.go(path)
    other.get_by_role("button", name="Accept after review").click()
    expect(other.locator(".head .state", has_text="verified")).to_be_visible()
    expect(other.locator("#wallets").locator("xpath=../..").locator(".state", has_text="registered")).to_be_visible(
        timeout=SETTLED_MILLISECONDS
    )
    return path


def test_a_refusal_by_law_is_explained_cured_and_passed(world: World, visit: Callable[..., Visit]) -> None:
    owner, second = visit(), visit()
    owner.sign_in(world.owner)
    second.sign_in(world.second)
    investor = onboard(owner, second)

    # Is it a security at all? One drafts, the other signs.
    page = owner.go(f"/securities/{world.security_id}/law")
    page.get_by_role("link", name="Assess the asset").click()
    page.wait_for_url("**/assessment")
    for label in ("As a whole (M)", "As a whole (C)", "As a whole (E)", "As a whole (P)"):
        group = page.locator("details", has=page.get_by_label(label, exact=True))
        if group.get_attribute("open") is None:
            group.locator("summary").click()
        page.get_by_label(label, exact=True).select_option("y")
    page.get_by_role("button", name="Keep this version").click()
    expect(page.locator(".state", has_text="investment contract")).to_be_visible()
    shoot(page, "assessment")
    other = second.go(page.url.removeprefix(owner.url))
    other.get_by_role("button", name="Sign version 1").click()
    expect(other.get_by_role("cell", name="Bo Lindqvist")).to_be_visible()
    other.get_by_role("link", name="Memo").click()
    expect(other.get_by_role("heading", name="Assessment 1")).to_be_visible()
    shoot(other, "memo")
    with other.expect_download() as downloading:
        other.get_by_role("link", name="PDF").click()
    assert downloading.value.path().read_bytes().startswith(b"%PDF-")

    # The packs.
    page = owner.go(f"/securities/{world.security_id}/law/edit")
    page.get_by_label("Rule 506(c): advertised offer to verified accredited investors").check()
    page.get_by_label("Regulation S, category 3").check()
    page.get_by_label("Price of a share").fill("10.00")
    page.get_by_label("Offering closed on").fill(f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}")
    button = page.get_by_role("button", name="Choose 2 packs")
    expect(button).to_be_visible()
    expect(page.locator("#preview")).to_contain_text("17 CFR 230.506(c)")
    shoot(page, "form")
    button.click()
    page.wait_for_url("**/law")
    expect(page.get_by_role("heading", name="us.regd.506c")).to_be_visible()

    # Refused, with the rule, its source and the cure.
    page = owner.go(f"/securities/{world.security_id}/issue")
    choose(page, "Holder", INVESTOR)
    page.get_by_label("Shares").fill("1000")
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text("under Rule 506(c) every purchaser is")
    expect(refusal).to_contain_text("17 CFR 230.506(c)")
    expect(refusal).to_contain_text("Verify it by tax forms, statements or a letter")
    shoot(page, "refused")

    # The cure: a claim with evidence, which a second person agrees to.
    page = owner.go(f"{investor}/claims/new")
    page.get_by_label("What is claimed").select_option("accreditation")
    page.get_by_label("How it is known").select_option("professional_letter")
    page.get_by_label("Who says so").fill("A law firm")
    page.get_by_label("SHA-256 of the evidence").fill(hashlib.sha256(b"a letter").hexdigest())
    page.get_by_label("Holds until").fill(f"{dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=80):%Y-%m-%d}")
    page.get_by_role("button", name="Add this claim").click()
    page.wait_for_url("**/approvals/*")
    other = second.go(page.url.removeprefix(owner.url))
    other.get_by_role("button", name="Approve").click()
    other = second.go(investor)
    expect(other.get_by_role("row", name="accreditation")).to_be_visible()

    # And it passes.
    page = owner.go(f"/securities/{world.security_id}/issue")
    choose(page, "Holder", INVESTOR)
    page.get_by_label("Shares").fill("1000")
    page.get_by_role("button", name=f"Issue 1,000 PTX93 to {INVESTOR}").click()
    page.wait_for_url("**/approvals/*")
    other = second.go(page.url.removeprefix(owner.url))
    other.get_by_role("button", name="Approve: issue").click()
    other.wait_for_url("**/instructions/*")
    expect(other.locator(".state.good", has_text="settled")).to_be_visible(timeout=SETTLED_MILLISECONDS)

    # What if: everybody else abroad, and the shares are locked.
    page = owner.go(f"/securities/{world.security_id}/law?packs=us.regd.506c")
    expect(page.get_by_role("heading", name="would break a rule")).to_be_visible()
    shoot(page, "what-if")
