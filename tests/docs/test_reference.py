# SPDX-License-Identifier: Apache-2.0
"""The reference pages of commands, settings and contracts are what the source says today."""

from __future__ import annotations

import pytest

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.compile import CONTRACTS
from tests.docs import contract_pages, reference
from tests.docs.contract_source import SOURCES, Notes, source


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_the_reference_page_is_what_the_source_says(name: str) -> None:
    written = (reference.FOLDER / name).read_text(encoding="utf-8")
    assert written == reference.PAGES[name](), "run: python -m tests.docs.reference"


def test_each_contract_has_its_page_and_no_page_is_left_over() -> None:
    written = {path.relative_to(reference.FOLDER).as_posix() for path in (reference.FOLDER / "contracts").glob("*.md")}
    assert written == {name for name in reference.PAGES if name.startswith("contracts/")}


@pytest.mark.parametrize("name", contract_artifacts.names())
def test_each_contract_says_what_it_is_for_and_whom_one_trusts(name: str) -> None:
    page = contract_pages.contract_page(name)
    assert "\n\n\n" not in page
    assert "## Trust and upgrade\n\n##" not in page


def test_who_may_call_is_read_from_the_checks_wherever_they_stand() -> None:
    deed = source(SOURCES / CONTRACTS["title_deed"])
    callers = {act: deed.callers_of(act) for act in ("initialize", "mint", "set_name", "set_document", "setApprovalForAll", "addAgent")}
    assert callers == {
        "initialize": "anybody, once: the caller becomes the owner",
        "mint": "agent",
        "set_name": "owner",
        "set_document": "owner or agent",
        "setApprovalForAll": "anybody",
        "addAgent": "owner",
    }
    assert deed.callers_of("release_lien") == "“title: caller is neither lienholder nor agent”"


def test_refusals_are_found_through_internal_functions_and_modules() -> None:
    deed = source(SOURCES / CONTRACTS["title_deed"])
    assert [refusal.text for refusal in deed.refusals_of("place_lien")] == [
        "AgentRole: caller does not have the Agent role",
        "title: no such title",
        "title: lienholder is the zero address",
        "title: lien is already placed",
        "title: too many liens",
    ]
    assert [refusal.text for refusal in deed.refusals_of("forcedTransfer") if refusal.is_error] == ["ERC7943CannotReceive(address)"]
    assert deed.limits() == {"LIENS_MAX": "16", "DOCUMENTS_MAX": "32"}
    assert deed.interface_ids()[-1] == "0xbf1ef5fe"


def test_notes_are_read_by_their_tags() -> None:
    notes = Notes.of("@notice Does\n  this. @ is no tag here.\n@param amount How\n   much.\n@return What is left.\n@dev Why.")
    assert notes == Notes("Does this. @ is no tag here.", "Why.", (("amount", "How much."),), "What is left.")
    assert Notes.of("Untagged.") == Notes("Untagged.")
