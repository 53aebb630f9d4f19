# SPDX-License-Identifier: Apache-2.0
"""`muniment law`: the packs of a security are chosen, asked and brought to the chain on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.app.cli import EXIT_REFUSED
from tests.app.command_line import CommandLine

pytestmark = [pytest.mark.slow]


@pytest.fixture
def under_law(command_line: CommandLine) -> Iterator[CommandLine]:
    """The command line, whose security stands under no packs afterwards."""
    yield command_line
    assert command_line.owner("law", "choose", command_line.symbol).code == 0
    assert command_line.owner("law", "enforce", command_line.symbol).code == 0


def test_packs_are_chosen_asked_and_enforced_on_the_command_line(under_law: CommandLine, tmp_path: Path) -> None:
    symbol = under_law.symbol
    before = under_law.owner("rules", "show", symbol, "--json").told
    (tmp_path / "terms.json").write_text(json.dumps({"price": "10.00", "closed_on": "2020-01-31"}))
    chosen = under_law.owner("law", "choose", symbol, "--pack", "us.3c1", "--terms", str(tmp_path / "terms.json"), "--json")
    assert (chosen.code, chosen.told["packs"]) == (0, ["us.3c1"])
    assert under_law.owner("law", "show", symbol, "--json").told["versions"][-1] == chosen.told
    shown = under_law.owner("law", "show", symbol).out
    assert "us.3c1" in shown
    assert '"10.00"' in shown

    enforced = under_law.owner("law", "enforce", symbol, "--json")
    assert enforced.code == 0
    assert enforced.told["rules"] == before["rules"]
    assert [(rule["kind"], rule["holders"]) for rule in enforced.told["by_law"]] == [("holder_cap", 100)]
    assert enforced.told["applied_at"] is not None
    assert under_law.owner("law", "enforce", symbol, "--json").told == enforced.told
    assert "of these by law: us.3c1" in under_law.owner("rules", "show", symbol).out

    # Terms that are left out stay.
    again = under_law.owner("law", "choose", symbol, "--pack", "us.regd.506c", "--json")
    assert again.told["terms"] == chosen.told["terms"]
    asked = under_law.owner("law", "ask", symbol, "K-002", "10", "--json")
    said = under_law.owner("law", "ask", symbol, "K-002", "10")
    assert (asked.code, said.code) == (EXIT_REFUSED, EXIT_REFUSED)
    assert [reason["rule"] for reason in asked.told["reasons"] if reason["rule"].startswith("us.regd")]
    assert all(reason["message"] in said.out for reason in asked.told["reasons"])
    broken = under_law.owner("law", "what-if", symbol, "--on", "2026-11-02", "--json")
    assert (broken.code, broken.told["breaking"] > 0) == (1, True)
    harmless = under_law.owner("law", "what-if", symbol, "--pack", "us.qib", "--on", "2026-11-02")
    assert harmless.code == 0


def test_a_choice_that_cannot_be_is_refused_with_its_place(under_law: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "terms.json").write_text("[1]")
    for arguments, code in (
        (("--pack", "us.no_such"), "compliance.rule_unknown"),
        (("--terms", str(tmp_path / "terms.json")), "compliance.case_invalid"),
        (("--terms", str(tmp_path / "absent.json")), "app.file_unreadable"),
    ):
        ended = under_law.owner("law", "choose", under_law.symbol, *arguments, "--json")
        assert (ended.code, ended.refusal["code"]) == (EXIT_REFUSED, code)
    nobody = under_law.owner("law", "ask", under_law.symbol, "NOBODY", "1", "--json")
    assert (nobody.code, nobody.refusal["code"]) == (EXIT_REFUSED, "app.no_such_investor")
