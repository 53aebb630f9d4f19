# SPDX-License-Identifier: Apache-2.0
"""Every page at 360 and 1280 pixels, light and dark: no sideways scrolling, axe-core clean, nothing blocked; screenshots to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak
from playwright.sync_api import Page, expect

from muniment.app.books import wait_for
from muniment.app.http.edge import CONTENT_SECURITY_POLICY
from muniment.instruments.commands import (
    DocumentUpload,
    DraftSecurity,
    TokeniseAsset,
    draft_security,
    look_up,
    tokenise_asset,
    view_title,
)
from muniment.parties.model import parse_address
from tests.browser.conftest import SCREENSHOTS, Visit
from tests.browser.stage import set_the_stage
from tests.browser.world import World

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"

# Every page of an organisation; {…} are filled in with what the stage made.
PAGES = {
    "securities": "/securities",
    "tokenise": "/securities/tokenise",
    "tokenise_vehicle": "/securities/tokenise/vehicle",
    "register": "/securities/{security_id}",
    "lots": "/securities/{security_id}/lots",
    "annotation": "/securities/{security_id}/movements/{transaction_hash}/0/annotation",
    "movements": "/securities/{security_id}/movements",
    "rules": "/securities/{security_id}/rules",
    "rules_form": "/securities/{security_id}/rules/edit",
    "compliance": "/compliance",
    "law": "/securities/{security_id}/law?packs=us.regd.506c&packs=us.regs.category3",
    "law_form": "/securities/{security_id}/law/edit",
    "assessment": "/assets/{asset_id}/assessment",
    "memo": "/assets/{asset_id}/assessment/1/memo",
    "draft": "/securities/{draft_id}",
    "deployment": "/securities/{draft_id}/deployment",
    "opening": "/securities/{security_id}/opening",
    "documents": "/securities/{security_id}/documents",
    "dividends": "/securities/{security_id}/dividends",
    "dividend": "/dividends/{dividend_id}",
    "issue": "/securities/{security_id}/issue",
    "transfer": "/securities/{security_id}/transfer",
    "declare": "/securities/{security_id}/dividends/declare",
    "freeze": "/securities/{security_id}/freeze?wallet={from_wallet}",
    "recover": "/investors/{investor_id}/recover",
    "instruction": "/instructions/{instruction_id}",
    "investors": "/investors",
    "investor": "/investors/{investor_id}",
    "import": "/investors/import",
    "queue": "/investors/queue?within_days=365",
    "claim": "/investors/{investor_id}/claims/new",
    "reverify": "/investors/{investor_id}/reverify",
    "wallet_proof": "/investors/{investor_id}/wallet-proof",
    "transactions": "/transactions",
    "transaction": "/transactions/{transaction_hash}",
    "approvals": "/approvals",
    "approval": "/approvals/{approval_id}",
    "audit": "/audit",
    "developers": "/developers",
    "api": "/developers/api",
    "problems": "/developers/problems",
    "problem": "/developers/problems/compliance.country_blocked",
    "search": "/search?q=nothing+like+this",
    "not_found": "/nothing/like/this",
}
# Swagger UI brings a main element of its own into ours; a rule about the whole document cannot leave its island out.
SWAGGERS_OWN = ("landmark-no-duplicate-main", "landmark-main-is-top-level")
# Both widths and both colours, in two walks instead of four.
ACCESSIBILITY = {(360, "light"), (1280, "dark")}
WINDOWS = [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")]


@pytest.fixture(scope="module")
def things(world: World) -> dict[str, str]:
    """What the pages show: holders, movements, a paid dividend, something that waits."""
    return set_the_stage(world)


def shoot(page: Page, name: str, width: int, scheme: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=name not in {"problems", "api"})


def fits(page: Page, width: int) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth") <= width)


def violations(page: Page, *, without: tuple[str, ...] = ()) -> list[str]:
    """Return what axe-core finds, by rule and element. Injected past the policy, which would rightly stop it."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    options: dict[str, Any] = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    options["rules"] = {rule: {"enabled": False} for rule in without}
    # Swagger UI is not ours: its island is left out, the page round it is not.
    found = page.evaluate("options => axe.run({ exclude: [['#try-it']] }, options)", options)
    return [f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found["violations"] for node in rule["nodes"]]


@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_each_page_fits_is_accessible_and_breaks_no_policy(
    world: World, things: dict[str, str], visit: Callable[..., Visit], width: int, scheme: str
) -> None:
    window = visit(width=width, color_scheme=scheme)
    window.sign_in(world.owner)
    wrong: list[str] = []
    for name, path in PAGES.items():
        page = window.go(path.format(**things))
        if window.status != (404 if name == "not_found" else 200):
            wrong.append(f"{name}: {window.status}")
        if name == "api":
            expect(page.locator("#try-it .opblock").first).to_be_visible()
        elif name != "not_found" and "problem" not in name:
            expect(page.locator("#network")).to_have_attribute("data-state", "live")
        if not fits(page, width):
            wrong.append(f"{name} scrolls sideways at {width}")
        shoot(page, name, width, scheme)
        if (width, scheme) in ACCESSIBILITY:
            wrong.extend(f"{name}: {finding}" for finding in violations(page, without=SWAGGERS_OWN if name == "api" else ()))
    assert wrong == []


@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_the_sign_in_page_fits_and_says_what_is_wrong(visit: Callable[..., Visit], width: int, scheme: str) -> None:
    window = visit(width=width, color_scheme=scheme)
    page = window.go("/sign-in")
    shoot(page, "sign_in", width, scheme)
    assert violations(page) == []
    page.get_by_label("E-mail").fill("nobody@example.com")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    expect(page.get_by_label("E-mail")).to_have_value("nobody@example.com")
    assert fits(page, width)
    shoot(page, "sign_in_refused", width, scheme)
    assert violations(page) == []


@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_a_refused_transfer_fits_and_is_accessible(
    world: World, things: dict[str, str], visit: Callable[..., Visit], width: int, scheme: str
) -> None:
    window = visit(width=width, color_scheme=scheme)
    window.sign_in(world.owner)
    page = window.go(f"/securities/{world.security_id}/transfer")
    page.get_by_label("From", exact=True).select_option(things["from_wallet"])
    page.get_by_label("To", exact=True).select_option(things["blocked_wallet"])
    page.get_by_label("Shares").fill("999999")
    expect(page.get_by_role("alert")).to_contain_text("What would help:")
    assert fits(page, width)
    shoot(page, "transfer_refused", width, scheme)
    assert violations(page) == []


@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_a_previewed_dividend_fits_and_is_accessible(
    world: World, things: dict[str, str], visit: Callable[..., Visit], width: int, scheme: str
) -> None:
    window = visit(width=width, color_scheme=scheme)
    window.sign_in(world.owner)
    page = window.go(f"/securities/{world.security_id}/dividends/declare")
    page.get_by_label("Amount").fill("1000")
    expect(page.get_by_role("button", name="Pay 1,000.00 USD to")).to_be_visible()
    assert fits(page, width)
    shoot(page, "declare_previewed", width, scheme)
    assert violations(page) == []


def test_dark_mode_follows_the_switch_over_the_system(world: World, visit: Callable[..., Visit]) -> None:
    window = visit(color_scheme="light")
    page = window.sign_in(world.owner)
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.get_by_label("Olga Owner, menu").click()
    page.get_by_role("button", name="Dark").click()
    page.wait_for_load_state()
    assert page.evaluate(background) != light
    page.get_by_label("Olga Owner, menu").click()
    page.get_by_role("button", name="System").click()
    page.wait_for_load_state()
    assert page.evaluate(background) == light


def test_hostile_text_is_shown_and_never_run(world: World, visit: Callable[..., Visit]) -> None:
    window = visit()
    window.sign_in(world.owner)
    page = window.go("/investors")
    expect(page.get_by_role("link", name="<script>alert(1)</script> & Söhne")).to_be_visible()
    page = window.go("/search?q=%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    expect(page.get_by_role("heading", name='Nothing found for “"><img src=x onerror=alert(1)>”')).to_be_visible()


def test_the_policy_stops_what_is_inline_or_from_elsewhere(world: World, visit: Callable[..., Visit]) -> None:
    window = visit()
    page = window.sign_in(world.owner)
    blocked = page.evaluate(
        """() => new Promise((resolve) => {
            const blocked = [];
            document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
            const inline = document.createElement("script");
            inline.textContent = "document.title = 'run'";
            document.body.append(inline);
            const style = document.createElement("style");
            style.textContent = "body { display: none }";
            document.body.append(style);
            const foreign = document.createElement("img");
            foreign.src = "https://elsewhere.invalid/x.png";
            document.body.append(foreign);
            setTimeout(() => resolve(blocked), 500);
        })"""
    )
    assert sorted(blocked) == ["img-src", "script-src-elem", "style-src-elem"]
    assert page.title() != "run"
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    # The browser's complaints about these three are what this test is for.
    window.complaints.clear()


def test_ids_are_copied_in_full(world: World, things: dict[str, str], visit: Callable[..., Visit]) -> None:
    window = visit()
    window.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    window.sign_in(world.owner)
    page = window.go(f"/transactions/{things['transaction_hash']}")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.locator("#announcements")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == things["transaction_hash"]


def test_the_first_page_is_light(world: World, visit: Callable[..., Visit]) -> None:
    window = visit()
    sizes: list[int] = []
    window.page.on("response", lambda response: sizes.append(response.request.sizes()["responseBodySize"]))
    window.sign_in(world.owner)
    window.page.wait_for_load_state("load")
    assert 0 < sum(sizes) <= 150_000, f"{sum(sizes)} bytes came over the wire"


PAPER = b"An invented certificate, dropped on the page."
DIGEST = "0x" + keccak(PAPER).hex()


@pytest.fixture(scope="module")
def public_asset(world: World) -> str:
    """Record an asset with one document and wait until the chain knows both; return its id."""
    described = {"kind": "other", "title": "A thing that anybody may verify"}
    request = TokeniseAsset(described, documents=(DocumentUpload("paper.txt", "text/plain", PAPER),))
    with world.units.begin(world.tenant_id) as unit:
        asset = tokenise_asset(world.owner.actor, request, unit=unit)

    def known() -> bool:
        with world.units.begin_public() as unit:
            return bool(look_up(DIGEST, unit=unit).anchors)

    wait_for("the anchor", known)
    return asset.asset_id


@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_anybody_verifies_a_hash_by_keyboard_and_a_file_without_sending_it(
    world: World, public_asset: str, visit: Callable[..., Visit], width: int, scheme: str
) -> None:
    window = visit(width=width, color_scheme=scheme)
    page = window.go("/verify")
    expect(page.get_by_label("Asset id or keccak-256 hash")).to_be_focused()
    assert fits(page, width) and violations(page) == []
    page.keyboard.type(public_asset)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The chain knows this hash")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("It is the id of an asset")
    assert fits(page, width) and violations(page) == []
    shoot(page, "verify", width, scheme)
    sent: list[str | None] = []
    page.on("request", lambda request: sent.append(request.post_data))
    page.get_by_label("Or choose the document, or drop it here").set_input_files(
        {"name": "renamed.bin", "mimeType": "application/octet-stream", "buffer": PAPER}
    )
    page.wait_for_url(f"**/verify?hash={DIGEST}")
    expect(page.locator("#facts")).to_contain_text("It is the hash of a document that existed by")
    assert set(sent) == {None}
    page.get_by_role("link", name=public_asset[:8]).click()
    expect(page.locator("#facts")).to_contain_text("It is the id of an asset")
    for secret in (str(world.tenant_id), "paper.txt", "anybody may verify"):
        assert secret not in page.content()
    page.get_by_label("Asset id or keccak-256 hash").fill("0x12")
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("#hash-wrong")).to_contain_text("neither an asset id nor a document's hash")


def test_the_verification_page_works_without_javascript(world: World, visit: Callable[..., Visit]) -> None:
    window = visit(java_script_enabled=False)
    page = window.go("/verify?hash=0x" + "ab" * 32)
    expect(page.get_by_role("heading", name="The chain does not know this hash")).to_be_visible()
    expect(page.get_by_label("Or choose the document, or drop it here")).to_be_hidden()


def test_a_vehicles_page_tells_the_history_of_its_title(world: World, visit: Callable[..., Visit]) -> None:
    lien = {"reference": "L-9", "holder": "Invented Bank", "registered_date": "2026-02-01"}
    described = {"kind": "vehicle", "vin": "1M8GDM9AXKP042788", "make": "Merganser", "model": "Coach 45", "liens": [lien]}
    wallet = parse_address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
    with world.units.begin(world.tenant_id) as unit:
        asset = tokenise_asset(world.owner.actor, TokeniseAsset(described, title_owner=wallet), unit=unit)
        request = DraftSecurity(asset.asset_record_id, "Merganser Coach", "COACH")
        drafted = draft_security(world.owner.actor, request, unit=unit)

    def is_held() -> bool:
        with world.units.begin(world.tenant_id) as unit:
            return len(view_title(world.owner.actor, asset.asset_record_id, unit=unit).events) == 2

    wait_for("the deed and its lien", is_held)
    for width, scheme in ACCESSIBILITY:
        window = visit(width=width, color_scheme=scheme)
        window.sign_in(world.owner)
        page = window.go(f"/securities/{drafted.terms.security_id}/documents")
        expect(page.get_by_role("rowheader", name="Deed minted")).to_be_visible()
        expect(page.get_by_role("rowheader", name="Lien filed")).to_be_visible()
        expect(page.get_by_text("Invented Bank, L-9")).to_be_visible()
        assert fits(page, width) and violations(page) == []
        shoot(page, "title", width, scheme)
