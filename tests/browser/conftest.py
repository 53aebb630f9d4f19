# SPDX-License-Identifier: Apache-2.0
"""Chromium and a running Muniment, one of each for a module. A page that breaks its own content security policy fails its test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.world import Person, World, running_world

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# How long a page may take on a busy machine before a test calls it wrong.
PATIENCE_MILLISECONDS = 60_000

expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture(scope="module")
def world(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A whole Muniment with an issuer, one open security and eight holders."""
    home = tmp_path_factory.mktemp("world")
    with running_world(make_database(), home) as made:
        yield made


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    program = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    assert program is not None, "Chromium is missing: install the package chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        yield running
        running.close()


class Visit:
    """One person's window. Everything that the browser complains about is kept."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.status = 0
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        # A refusal's status is the answer that the page shows; the browser calls each a failed resource.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def go(self, path: str) -> Page:
        """Open one of our pages."""
        answer = self.page.goto(self.url + path)
        assert answer is not None, "a navigation has an answer"
        self.status = answer.status
        return self.page

    def sign_in(self, person: Person) -> Page:
        """Sign in by the form."""
        self.go("/sign-in")
        self.page.get_by_label("E-mail").fill(person.email)
        self.page.get_by_label("Password").fill(person.password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{self.url}/securities")
        return self.page


@pytest.fixture
def visit(browser: Browser, world: World) -> Iterator[Callable[..., Visit]]:
    """Open windows, each with cookies of its own; at the end nobody may have complained."""
    visits: list[Visit] = []

    def open_window(*, width: int = 1280, color_scheme: str = "light", java_script_enabled: bool = True) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if color_scheme == "dark" else "light",
            java_script_enabled=java_script_enabled,
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        made = Visit(context.new_page(), world.url)
        visits.append(made)
        return made

    yield open_window
    complaints = [complaint for made in visits for complaint in made.complaints]
    for made in visits:
        made.page.context.close()
    assert complaints == []
