# SPDX-License-Identifier: Apache-2.0
"""Every command in the README and under docs is run in the order in which a reader meets it, and prints what the page shows.

README and first steps go on in one home, which the how-to pages then take over as a copy, with `muniment up` in a second window.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.infra.evm.rpc import JsonRpc
from tests.docs.shell import REPOSITORY, SECOND_WINDOW, Terminal, settle_in
from tests.docs.transcript import Typed, commands_of, difference, with_known_ids
from tests.flows.stand import copy_of, empty_home, made_once
from tests.notices.post_office import open_office

pytestmark = [pytest.mark.slow]

FIRST_PAGES = ("README.md", "docs/start/README.md")
OWN_SERVICES_PAGE = "docs/how-to/use-your-own-postgresql-and-chain.md"
ALONE = {OWN_SERVICES_PAGE}
"""Pages that begin from nothing instead of where the first steps end."""
HAND_OVER = "docs/how-to/README.md"
"""What the how-to pages take over from the first steps stands here once."""

MAIL_SERVER = "smtp://mail.example.com:587"
"""The mail server on paper; in a run one of the test's own."""

DEMONSTRATION = {"make demo", "muniment demo"}
"""One run of it is enough: `make demo` installs, then runs `muniment demo`."""
NOT_RUN = {
    "make test": "it runs these tests",
    "make install": "`make test` has done it before these tests run",
    "pip install '.[local]'": "the test of the wheel installs by pip alone, in an environment of its own",
}
ECHO_CODE = "echo $?"


def pages() -> list[str]:
    """Return every page with commands, by path."""
    found = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    return [path.relative_to(REPOSITORY).as_posix() for path in found if commands_of(path.read_text(encoding="utf-8"))]


def typed_on(page: str) -> list[Typed]:
    return commands_of((REPOSITORY / page).read_text(encoding="utf-8"))


HOW_TO = [page for page in pages() if page not in {*FIRST_PAGES, HAND_OVER}]


def follow(page: str, terminal: Terminal, *, demonstration: Path | None = None) -> list[str]:
    """Do what the page says; return every place at which something else happened."""
    known: dict[str, str] = {}
    differences: list[str] = []
    commands = typed_on(page)
    for typed, following in zip(commands, [*commands[1:], None], strict=True):
        if typed.command in NOT_RUN:
            continue
        if typed.command in DEMONSTRATION:
            assert demonstration is not None, f"{page}: the demonstration runs on the first pages only"
            if not demonstration.exists():
                code, printed = terminal.type("muniment demo")
                demonstration.write_text("\n".join(printed), encoding="utf-8")
                assert code == 0, printed
            code, printed = 0, demonstration.read_text(encoding="utf-8").splitlines()
        else:
            code, printed = terminal.type(with_known_ids(typed.command, known))
        where = f"{page}:{typed.line}: {typed.command}"
        if code != 0 and (following is None or following.command != ECHO_CODE):
            differences.append(f"{where}\nended with {code}: {printed[-5:]}")
        found = difference(typed.shown, printed, known)
        if found is not None:
            differences.append(f"{where}\n{found}")
    return differences


@pytest.fixture(scope="module")
def first_steps() -> Path:
    """The home in which somebody followed the first pages, with what did not go as they say."""

    def make(home: Path) -> None:
        settle_in(home)
        differences = {page: ["it was not come to"] for page in FIRST_PAGES}
        with Terminal(home) as terminal:
            for page in FIRST_PAGES:
                # Kept for the test of the page: the pages after it would otherwise all make this home again, and fail again.
                try:
                    differences[page] = follow(page, terminal, demonstration=home / "demonstration.txt")
                except AssertionError as error:
                    differences[page] = [str(error)]
                    break
        (home / "differences.json").write_text(json.dumps(differences), encoding="utf-8")

    return made_once("reader", make)


@pytest.mark.parametrize("page", FIRST_PAGES)
def test_the_first_pages_lead_from_nothing_to_a_paid_dividend(page: str, first_steps: Path) -> None:
    differences = json.loads((first_steps / "differences.json").read_text(encoding="utf-8"))[page]
    assert not differences, "\n\n".join(differences)


@pytest.fixture(scope="module")
def terminal(first_steps: Path) -> Iterator[Terminal]:
    """A terminal where the first steps end, with Muniment up and the short names made; a reader of one page may have read others."""
    with copy_of(first_steps) as home, open_office() as office, Terminal(home, {MAIL_SERVER: office.url}) as made:
        made.type(SECOND_WINDOW)
        assert follow(HAND_OVER, made) == []
        yield made


@pytest.mark.parametrize("page", [page for page in HOW_TO if page not in ALONE])
def test_a_page_does_what_it_says(page: str, terminal: Terminal) -> None:
    differences = follow(page, terminal)
    assert not differences, "\n\n".join(differences)


@pytest.fixture
def mining_rpc(manual_chain_rpc: JsonRpc) -> Iterator[JsonRpc]:
    """Somebody else's chain: a node that makes a block four times a second, whoever asks."""
    over = threading.Event()
    rpc = JsonRpc(manual_chain_rpc.url)

    def mine() -> None:
        while not over.wait(0.25):
            rpc.call("evm_mine")

    miner = threading.Thread(target=mine)
    miner.start()
    yield manual_chain_rpc
    over.set()
    miner.join()
    rpc.close()


def test_the_page_on_ones_own_database_and_chain_does_what_it_says(empty_postgres_url: str, mining_rpc: JsonRpc) -> None:
    replaced = {
        "postgresql://muniment@db.example.com/muniment": empty_postgres_url,
        "https://chain.example.com": mining_rpc.url,
    }
    with empty_home() as home:
        settle_in(home)
        with Terminal(home, replaced) as terminal:
            differences = follow(OWN_SERVICES_PAGE, terminal)
        assert not (home / "restored" / "postgres").exists(), "no embedded database was made"
    assert not differences, "\n\n".join(differences)


def test_every_command_is_in_a_block_that_is_run() -> None:
    """A line that looks typed, in a block of another kind, would never be tested."""
    for path in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
        language = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if line.startswith("```"):
                language = "" if language else line.removeprefix("```") or "none"
            elif language and language != "console":
                assert not line.startswith(("$ ", "muniment ", ".venv/bin/", "curl ")), f"{path}:{number}: {line}"


def test_every_command_is_whole() -> None:
    """Half a command would leave the shell waiting for the rest."""
    for page in pages():
        for typed in typed_on(page):
            done = subprocess.run(["bash", "-n", "-c", typed.command], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{page}:{typed.line}: {typed.command}: {done.stderr}"


def test_what_is_not_run_is_still_on_a_page() -> None:
    typed = {each.command for page in pages() for each in typed_on(page)}
    assert set(NOT_RUN) <= typed


def test_the_tools_of_the_pages_are_there() -> None:
    for tool in ("bash", "curl", "python3"):
        assert shutil.which(tool), f"{tool} is missing"


def test_the_labels_that_a_page_sets_in_bold_are_on_the_pages_of_the_program() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in (REPOSITORY / "src/muniment/app/web").rglob("*")
        if path.suffix in {".html", ".py"} and "static" not in path.parts
    )
    page = (REPOSITORY / "docs/start/browser.md").read_text(encoding="utf-8")
    labels = {" ".join(label.split()) for label in re.findall(r"\*\*(.+?)\*\*", page, re.DOTALL)} - {
        "Ternwick Instruments, Inc. (fictitious)"
    }
    assert labels
    assert {label for label in labels if label not in sources} == set()
