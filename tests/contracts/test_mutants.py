# SPDX-License-Identifier: Apache-2.0
"""The tool that takes promises out finds each of them, takes out nothing else, and tells of each that nobody missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts import mutants
from tests.contracts.chain import Chain
from tests.contracts.mutants import SOURCES_VARIABLE, Fate, Mutant, files_that_test, mutants_of, report
from tests.contracts.sources import deploy_source

SOURCE = '''# pragma version 0.4.3
"""
@notice assert is a word of this text too.
"""

@external
def pay(amount: uint256):
    assert amount > 0, "shop: amount is zero"
    # assert in a comment
    assert (
        amount < 10
        or msg.sender == self
    ), "shop: amount is too large"
    if amount == 5:
        refusals._refuse("shop: amount is five")
    if amount == 6:
        raise "shop: amount is six"
    self.paid = amount
'''


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mutants, "SOURCES", tmp_path)
    file = tmp_path / "shop.vy"
    file.write_text(SOURCE, encoding="utf-8")
    return file


def test_each_statement_is_found_once_and_texts_and_comments_are_not(source: Path) -> None:
    assert [(each.first, each.last) for each in mutants_of(source)] == [(8, 8), (10, 13), (15, 15), (17, 17)]


def test_a_mutant_differs_by_its_statement_only(source: Path) -> None:
    _, second, *_ = mutants_of(source)
    mutated = second.applied(SOURCE)
    assert mutated.splitlines()[9] == "    pass"
    assert "too large" not in mutated
    assert len(mutated.splitlines()) == len(SOURCE.splitlines())
    assert mutated.replace("    pass\n\n\n\n", "") == "".join(
        line for number, line in enumerate(SOURCE.splitlines(keepends=True), start=1) if not 10 <= number <= 13
    )


def test_every_refusal_of_the_contracts_is_found() -> None:
    found = [mutant for file in mutants.SOURCES.rglob("*.vy") for mutant in mutants_of(file)]
    lines = sum(
        line.strip().startswith(("assert ", "raise ", "refusals._refuse("))
        for file in mutants.SOURCES.rglob("*.vy")
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    assert len(found) == lines > 100


def test_the_tests_of_a_contract_come_first() -> None:
    assert files_that_test("distribution/payout.vy")[0].startswith("tests/contracts/test_payout")


def test_the_page_names_what_nobody_missed() -> None:
    kept, lost = Mutant("a/b.vy", 3, 3, 'assert x > 0, "b: no"'), Mutant("a/b.vy", 9, 9, 'assert y > 0, "b: never"')
    page = report([Fate(kept, "killed", "test_b.py::test_x"), Fate(lost, "survived", "")])
    assert "| `a/b.vy` | 2 | 1 | 1 | 0 |" in page
    assert page.count("b: never") == 1
    assert "b: no" not in page


def test_a_contract_that_only_a_test_has_is_made_of_the_mutant_too(chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prices.vy").write_text("@internal\n@pure\ndef _of_tea() -> uint256:\n    return 7\n", encoding="utf-8")
    monkeypatch.setenv(SOURCES_VARIABLE, str(tmp_path))
    shop = deploy_source(chain, "shop", SHOP_OF_A_TEST, sender=chain.account("grocer"))
    assert shop.view("tea") == 7


SHOP_OF_A_TEST = """
import prices

@external
@view
def tea() -> uint256:
    return prices._of_tea()
"""
