# SPDX-License-Identifier: Apache-2.0
"""`muniment shares lots`, `history`, `annotate`, `holders` and `muniment reports`: on the command line, over a filled home."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from tests.app.command_line import CommandLine

pytestmark = [pytest.mark.slow]

FORM_D = Path(__file__).parents[2] / "examples" / "reports" / "form_d.json"


def test_lots_say_since_when_and_annotating_a_movement_changes_them(command_line: CommandLine) -> None:
    symbol = command_line.symbol
    history = command_line.agent("shares", "history", symbol, "--json").told
    issue = next(each for each in history if each["seller_investor_id"] is None and each["buyer"] == "K-000")
    place = [issue["transaction_hash"], str(issue["position"])]
    before = command_line.agent("shares", "lots", symbol, "--investor", "K-000", "--json").told
    assert {lot["reference"] for lot in before} == {"K-000"}
    said = command_line.agent(
        "shares", "annotate", symbol, *place, "--exemption", "us.regd.506c", "--acquired-at", "2020-02-03T00:00:00Z", "--json"
    )
    assert said.code == 0, said
    assert [lot["holding_since"] for lot in said.told] == ["2020-02-03T00:00:00Z"]
    told = command_line.agent("shares", "lots", symbol, "--investor", "K-000").out
    assert "held since 2020-02-03, from the issuer, sale, us.regd.506c, restricted" in told
    assert "exemption us.regd.506c" in command_line.agent("shares", "history", symbol).out
    wrong = command_line.agent("shares", "annotate", symbol, *place, "--consideration", "barter", "--json")
    assert (wrong.code, wrong.refusal["code"]) == (2, "register.unknown_term")
    assert command_line.run("verify", "register", symbol, "--json").told["equal"]


def test_the_register_of_holders_comes_in_every_format(command_line: CommandLine, tmp_path: Path) -> None:
    symbol = command_line.symbol
    listed = command_line.agent("shares", "holders", symbol, "--json").told
    rows = list(csv.DictReader(io.StringIO(command_line.agent("shares", "holders", symbol, "--format", "csv").out)))
    assert [row["reference"] for row in rows] == [holder["reference"] or "" for holder in listed["holders"]]
    table = command_line.agent("shares", "holders", symbol).out
    assert "now, not final" in table
    assert all(holder["reference"] in table for holder in listed["holders"] if holder["reference"])
    file = tmp_path / "holders.parquet"
    written = command_line.agent("shares", "holders", symbol, "--format", "parquet", "--output", str(file))
    assert written.code == 0, written
    assert pl.read_parquet(file)["reference"].to_list() == [row["reference"] for row in rows]
    assert file.stat().st_mode & 0o777 == 0o600
    assert command_line.agent("shares", "holders", symbol, "--block", "0", "--json").told["holders"] == []
    for arguments, code in [
        (["--format", "parquet"], "app.needs_output"),
        (["--format", "xls"], "register.unknown_term"),
        (["--as-of", "2199-01-01"], "register.not_final_yet"),
        (["--as-of", "1999-01-01"], "register.before_first_block"),
        (["--format", "csv", "--output", str(tmp_path / "none" / "x.csv")], "app.cannot_write_file"),
    ]:
        ended = command_line.agent("shares", "holders", symbol, *arguments)
        assert (ended.code, ended.err.partition(":")[0]) == (2, code)


def test_form_d_is_written_with_the_day_on_which_it_is_due(command_line: CommandLine, tmp_path: Path) -> None:
    symbol = command_line.symbol
    history = command_line.agent("shares", "history", symbol, "--json").told
    issue = next(each for each in history if each["seller_investor_id"] is None and each["buyer"] == "K-001")
    place = [issue["transaction_hash"], str(issue["position"])]
    offered = json.loads(FORM_D.read_text(encoding="utf-8"))
    offered["offering"]["exemptions"] = ["06b"]
    (tmp_path / "form_d.json").write_text(json.dumps(offered), encoding="utf-8")
    asked = ["reports", "form-d", symbol, "--input", str(tmp_path / "form_d.json"), "--output", str(tmp_path / "form_d.xml")]
    command_line.agent("shares", "annotate", symbol, *place, "--exemption", "us.regd.506b")
    short = command_line.agent(*asked, "--json")
    assert (short.code, short.refusal["code"]) == (2, "register.incomplete_sales")
    command_line.agent(
        "shares", "annotate", symbol, *place, "--exemption", "us.regd.506b", "--price", "2.50", "--category", "non_accredited"
    )
    ended = command_line.agent(*asked, "--json")
    assert ended.code == 0, ended
    assert ended.told["total_sold"] == round(float(issue["shares"]) * 2.5)
    assert ended.told["non_accredited_investors"] == 1
    root = ET.parse(tmp_path / "form_d.xml").getroot()  # noqa: S314 - our own file
    assert root.findtext("offeringData/investors/numberNonAccreditedInvestors") == "1"
    assert f"Form D is due by {ended.told['due_date']}" in command_line.agent(*asked).out
    missing = command_line.agent(*asked[:3], "--input", str(tmp_path / "none.json"), "--output", str(tmp_path / "x"), "--json")
    assert (missing.code, missing.refusal["code"]) == (2, "app.cannot_read_file")


def test_turnaround_and_differences_are_reported(command_line: CommandLine) -> None:
    ended = command_line.agent("reports", "turnaround", command_line.symbol, "--month", "2019-01", "--json")
    assert (ended.code, ended.told["is_met"], ended.told["is_final"], ended.told["routine"]["received"]) == (0, True, True, 0)
    assert "routine items: 0 received" in command_line.agent("reports", "turnaround", "--month", "2019-01").out
    same = command_line.agent("reports", "differences", "--json")
    assert (same.code, same.told["differences"]) == (0, [])
    assert command_line.agent("reports", "differences").out == "chain, register, lots and cap table say the same\n"
