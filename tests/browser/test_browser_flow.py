# SPDX-License-Identifier: Apache-2.0
"""The main job through the pages: issue with a second person, a refused and an allowed transfer, a dividend declared and paid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.world import World

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SETTLED_MILLISECONDS = 60_000
PAID_MILLISECONDS = 120_000
RECORD_IN_SECONDS = 12


def issue(owner: Visit, second: Visit, world: World, *, holder: str, shares: str) -> None:
    """Issue by the owner's form and the second person's approval, and wait until the chain has it."""
    page = owner.go(f"/securities/{world.security_id}/issue")
    choose(page, "Holder", holder)
    page.get_by_label("Shares").fill(shares)
    expect(page.get_by_text("A second person must approve this")).to_be_visible()
    page.get_by_role("button", name=f"Issue {int(shares):,} PTX93 to {holder}").click()
    page.wait_for_url("**/approvals/*")
    expect(page.get_by_text("You asked for this yourself")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)

    other = second.go(page.url.removeprefix(owner.url))
    other.get_by_role("button", name="Approve: issue").click()
    other.wait_for_url("**/instructions/*")
    expect(other.locator(".state.good", has_text="settled")).to_be_visible(timeout=SETTLED_MILLISECONDS)


def choose(page: Page, label: str, text: str) -> None:
    """Choose the option of a select that begins with a text."""
    select = page.get_by_label(label, exact=True)
    key = select.locator("option", has_text=text).first.get_attribute("value")
    assert key, f"{label} offers no {text}"
    select.select_option(key)


def test_issue_refused_transfer_allowed_transfer_dividend_and_history(world: World, visit: Callable[..., Visit]) -> None:
    owner, second = visit(), visit()
    page = owner.sign_in(world.owner)
    second.sign_in(world.second)
    expect(page.get_by_role("link", name="Porsche 911 Turbo 3.6, 1993")).to_be_visible()

    issue(owner, second, world, holder="Ada Moreau", shares="120000")

    # Refused: the recipient's country, with the rule, its source, the values and the cure, before anything is sent.
    page = owner.go(f"/securities/{world.security_id}/transfer")
    choose(page, "From", "Ada Moreau")
    choose(page, "To", "Yadira Pérez")
    page.get_by_label("Shares").fill("1000")
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text("This transfer is refused")
    expect(refusal).to_contain_text("Cuba")
    expect(refusal).to_contain_text("31 CFR 515.201")
    expect(refusal).to_contain_text("What would help:")
    expect(refusal.get_by_role("link", name="compliance.country_blocked")).to_be_visible()
    expect(page.get_by_role("button", name="Transfer 1,000")).to_have_count(0)

    # Allowed.
    choose(page, "To", "Zoë Müller")
    page.get_by_role("button", name="Transfer 1,000 PTX93 to Zoë Müller").click()
    page.wait_for_url("**/instructions/*")
    expect(page.locator(".state.good", has_text="settled")).to_be_visible(timeout=SETTLED_MILLISECONDS)

    page = owner.go(f"/securities/{world.security_id}")
    expect(page.get_by_role("heading", name="Ada Moreau owns 99.16 %")).to_be_visible()
    expect(page.get_by_role("row", name="Zoë Müller").first).to_contain_text("1,000")

    # Declared, approved, paid.
    page = owner.go(f"/securities/{world.security_id}/dividends/declare")
    record_at = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=RECORD_IN_SECONDS)
    page.get_by_label("Amount").fill("12431.07")
    page.get_by_label("Record date and time (UTC)").fill(f"{record_at:%Y-%m-%dT%H:%M:%S}")
    page.get_by_label("Payment date and time (UTC)").fill(f"{record_at:%Y-%m-%dT%H:%M:%S}")
    page.get_by_role("button", name="Pay 12,431.07 USD to 2 holders").click()
    page.wait_for_url("**/approvals/*")
    other = second.go(page.url.removeprefix(owner.url))
    other.get_by_role("button", name="Approve: declare a dividend of 12,431.07 USD").click()
    other.wait_for_url("**/dividends/*")
    expect(other.locator(".head .state", has_text="paid")).to_be_visible(timeout=PAID_MILLISECONDS)
    expect(other.get_by_role("row", name="Zoë Müller")).to_contain_text("103.59 USD")

    # History.
    page = owner.go(f"/securities/{world.security_id}/dividends")
    row = page.get_by_role("row").nth(1)
    expect(row).to_contain_text("12,431.07 USD")
    expect(row).to_contain_text("paid")
    page = owner.go(f"/securities/{world.security_id}/movements")
    expect(page.get_by_role("row")).to_have_count(3)
    page = owner.go("/transactions")
    expect(page.get_by_role("link", name="Dividend: payment of a batch")).to_be_visible()


def test_a_rule_of_the_issuer_refuses_with_the_values_compared(world: World, visit: Callable[..., Visit]) -> None:
    owner = visit()
    owner.sign_in(world.owner)
    page = owner.go(f"/securities/{world.security_id}/issue")
    choose(page, "Holder", "Alcazar Fund SICAV")
    page.get_by_label("Shares").fill("200001")
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text("an investor may hold at most 200,000")
    expect(refusal).to_contain_text("Issuer rule")


def test_a_defect_is_tied_to_its_field(world: World, visit: Callable[..., Visit]) -> None:
    owner = visit()
    owner.sign_in(world.owner)
    page = owner.go(f"/securities/{world.security_id}/issue")
    choose(page, "Holder", "Alcazar Fund SICAV")
    shares = page.get_by_label("Shares")
    shares.fill("10.5")
    expect(shares).to_have_attribute("aria-invalid", "true")
    described_by = shares.get_attribute("aria-describedby") or ""
    assert "shares-wrong" in described_by.split()
    expect(page.locator("#shares-wrong")).to_contain_text("decimals")
    # What was typed stays.
    expect(shares).to_have_value("10.5")


def test_everything_works_without_scripts(world: World, visit: Callable[..., Visit]) -> None:
    plain = visit(java_script_enabled=False)
    plain.sign_in(world.owner)
    page = plain.go(f"/securities/{world.security_id}/issue")
    choose(page, "Holder", "Grace Otieno")
    page.get_by_label("Shares").fill("10")
    page.get_by_role("button", name="Check this issue").click()
    page.get_by_role("button", name="Issue 10 PTX93 to Grace Otieno").click()
    page.wait_for_url("**/approvals/*")
    expect(page.get_by_role("heading", name="Issue 10 PTX93 to 1 holder")).to_be_visible()


def test_nothing_else_is_done_than_what_was_shown(world: World, visit: Callable[..., Visit]) -> None:
    plain = visit(java_script_enabled=False)
    plain.sign_in(world.owner)
    page = plain.go(f"/securities/{world.security_id}/issue")
    choose(page, "Holder", "Grace Otieno")
    page.get_by_label("Shares").fill("20")
    page.get_by_role("button", name="Check this issue").click()
    page.get_by_label("Shares").fill("2000")
    page.get_by_role("button", name="Issue 20 PTX93").click()
    # The number was changed after it was shown: it is shown again instead of done.
    expect(page.get_by_role("button", name="Issue 2,000 PTX93 to Grace Otieno")).to_be_visible()


def test_signing_in_and_transferring_by_keyboard_alone(world: World, visit: Callable[..., Visit]) -> None:
    window = visit()
    page = window.go("/sign-in")
    # The page takes the focus there by itself, a moment after it has loaded.
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type(world.owner.email)
    page.keyboard.press("Tab")
    page.keyboard.type(world.owner.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/securities")
    # The first stop on every page leads past the frame.
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    page.keyboard.type("PTX93")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/securities/{world.security_id}")
    tab_to(page, "Transfer shares")
    page.keyboard.press("Enter")
    page.wait_for_url("**/transfer")
    tab_to(page, "from_wallet")
    page.keyboard.type("Ada")
    page.keyboard.press("Tab")
    page.keyboard.type("Grace")
    page.keyboard.press("Tab")
    page.keyboard.type("5")
    expect(page.get_by_role("button", name="Transfer 5 PTX93 to Grace Otieno")).to_be_visible()
    tab_to(page, "Transfer 5 PTX93 to Grace Otieno")
    page.keyboard.press("Enter")
    page.wait_for_url("**/instructions/*")
    expect(page.locator(".state.good", has_text="settled")).to_be_visible(timeout=SETTLED_MILLISECONDS)


def tab_to(page: Page, what: str) -> None:
    """Press Tab until the focus is on the element with that text or name, and see that it is visibly focused."""
    for _ in range(60):
        page.keyboard.press("Tab")
        here = page.evaluate("document.activeElement.name || document.activeElement.textContent.trim()")
        if here == what:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"{what} shows no focus"
            return
    raise AssertionError(f"no way to {what} by keyboard")


def test_signing_out_ends_the_other_windows_stream(world: World, visit: Callable[..., Visit]) -> None:
    window = visit()
    page = window.sign_in(world.auditor)
    expect(page.locator("#network[data-state=live]")).to_be_visible()
    other = page.context.new_page()
    other.goto(f"{world.url}/audit")
    other.get_by_label("Carla Auditor, menu").click()
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/sign-in")
    page.wait_for_url("**/sign-in", timeout=60_000)


def test_a_page_catches_up_on_what_happened_before_its_stream_began(world: World, visit: Callable[..., Visit]) -> None:
    window = visit()
    page = window.sign_in(world.owner)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.resource_type == "fetch" else None)
    # The stream's first message only: from here on it would tell news, and what came before it told to nobody.
    first = 'event: block\ndata: {"number": 7, "final": 5}\n\n'
    page.route("**/events", lambda route: route.fulfill(status=200, content_type="text/event-stream", body=first))
    window.go("/transactions")
    expect(page.locator("#block-height")).to_have_text("7")
    page.wait_for_timeout(500)
    assert [url for url in asked if url.endswith("/transactions")]
