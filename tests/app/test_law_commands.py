# SPDX-License-Identifier: Apache-2.0
"""The commands that ask the law from a file: what they print, and how they refuse what they cannot read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from muniment.app import cli
from muniment.app.examples import folder
from muniment.app.files import FileUnreadable
from muniment.compliance.errors import AnswersInvalid, CaseInvalid, ProposalInvalid, RuleDisabled, RuleUnknown
from muniment.compliance.model.law.case_file import case_schema
from muniment.units.errors import MunimentError

CASE = folder() / "law" / "resale.json"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.APP, list(arguments))


def the_case(**changes: Any) -> dict[str, Any]:
    return {**json.loads(CASE.read_text("utf-8")), **changes}


def check(tmp_path: Path, body: Any) -> Result:
    file = tmp_path / "case.json"
    file.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    return run("compliance", "check", str(file), "--json")


def test_a_refusal_names_rule_citation_facts_and_cure_and_ends_with_2() -> None:
    done = run("compliance", "check", str(CASE), "--json")
    assert done.exit_code == cli.EXIT_REFUSED
    body = json.loads(done.stdout)
    assert body["allowed"] is False
    assert [(reason["code"], reason["rule"]) for reason in body["reasons"]] == [
        ("compliance.holding_period", "us.rule144"),
        ("compliance.flowback", "us.regs"),
    ]
    for reason in body["reasons"]:
        assert reason["citation"].startswith("17 CFR 230.")
        assert reason["facts"]
        assert reason["cure"]
        assert reason["message"] in run("compliance", "check", str(CASE)).stdout


def test_what_is_allowed_ends_with_0(tmp_path: Path) -> None:
    proposed = {"kind": "transfer", "from": "INV-0002", "to": "INV-0003", "quantity": "100", "at": "2027-06-02T00:00:00Z"}
    done = check(tmp_path, the_case(proposed=proposed))
    assert (done.exit_code, json.loads(done.stdout)["allowed"], json.loads(done.stdout)["reasons"]) == (0, True, [])


def test_the_example_follows_the_published_schema() -> None:
    published = Path(__file__).parents[2] / "docs" / "reference" / "compliance-check.schema.json"
    jsonschema.validate(the_case(), json.loads(published.read_text("utf-8")))
    assert json.loads(run("compliance", "schema").stdout) == json.loads(json.dumps(case_schema()))


@pytest.mark.parametrize(
    ("changes", "refusal", "field"),
    [
        ({"proposed": None}, CaseInvalid, "proposed"),
        ({"proposed": {"kind": "gamble", "at": "2026-01-01"}}, ProposalInvalid, "proposed.kind"),
        ({"proposed": {"kind": "sale", "at": "2026-01-01", "quantity": "1"}}, ProposalInvalid, "proposed.to"),
        ({"proposed": {"kind": "sale", "to": "INV-0001", "at": "yesterday", "quantity": "1"}}, None, "proposed.at"),
        ({"proposed": {"kind": "sale", "to": "INV-0001", "at": "2026-01-01", "quantity": "1.5"}}, None, "proposed.quantity"),
        ({"security": {"packs": ["us.clarity"]}}, RuleDisabled, "security.packs[0]"),
        ({"security": {"packs": ["us.regs", "us.none"]}}, RuleUnknown, "security.packs[1]"),
        ({"security": {"packs": [], "terms": {"colour": "red"}}}, CaseInvalid, "security.terms.colour"),
        ({"security": {"packs": [], "terms": {"currency": "QQQ"}}}, None, "security.terms.currency"),
        ({"investors": [{"id": "a", "country": "Germany"}]}, CaseInvalid, "investors[0].country"),
        ({"investors": [{"id": "a", "country": "DE"}, {"id": "a", "country": "DE"}]}, CaseInvalid, "investors[1].id"),
        ({"investors": [{"id": "a", "country": "DE", "net_worth_usd": "1,000"}]}, None, "investors[0].net_worth_usd"),
        ({"investors": [{"country": "DE"}]}, CaseInvalid, "investors[0].id"),
        (
            {"proposed": {"kind": "transfer", "from": "INV-0002", "to": "INV-0003", "at": "2026-01-01"}},
            ProposalInvalid,
            "proposed.quantity",
        ),
        ({"proposed": {"kind": "sale", "to": "INV-0001", "at": "2026-01-01", "amount": "-5"}}, CaseInvalid, "proposed.amount"),
        (
            {"proposed": {"kind": "sale", "to": "INV-0001", "at": "2026-01-01", "amount": "5", "currency": "JPY"}},
            CaseInvalid,
            "proposed.currency",
        ),
        ({"proposed": {"kind": "sale", "to": "INV-0001", "at": "9999-12-31", "quantity": "1"}}, CaseInvalid, "proposed.at"),
        ({"security": {"packs": [], "terms": {"kind": "Equity"}}}, CaseInvalid, "security.terms.kind"),
        ({"security": {"packs": ["us.regs.category3"], "terms": {"regs_category": 1}}}, CaseInvalid, "security.terms.regs_category"),
        (
            {"security": {"packs": [], "terms": {"member_state_thresholds_eur": {"de": "1"}}}},
            CaseInvalid,
            "security.terms.member_state_thresholds_eur.de",
        ),
        ({"sales": [{"investor": "ghost", "at": "2026-01-01", "quantity": "1"}]}, CaseInvalid, "sales[0].investor"),
        ({"offerees": ["ghost"]}, CaseInvalid, "offerees[0]"),
        ({"investors": [{"id": "a", "country": "DE", "institution": "bakery"}]}, CaseInvalid, "investors[0].institution"),
        ({"investors": [{"id": "a", "country": "DE", "insider_roles": ["Director"]}]}, CaseInvalid, "investors[0].insider_roles[0]"),
        (
            {"register": [{"investor": "a", "quantity": "1", "acquired_at": "2026-01-01", "exemption": "us.innovation_exemption"}]},
            CaseInvalid,
            "register[0].exemption",
        ),
        ({"register": [{"investor": "a", "quantity": "0", "acquired_at": "2026-01-01"}]}, None, "register[0].quantity"),
    ],
)
def test_bad_input_is_refused_with_its_place(tmp_path: Path, changes: dict[str, Any], refusal: type[Exception] | None, field: str) -> None:
    done = check(tmp_path, the_case(**changes))
    assert isinstance(done.exception, MunimentError)
    assert done.exception.place is not None
    assert refusal is None or isinstance(done.exception, refusal)
    assert done.exception.place.field == field


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"x"', "[" * 100_000, "\x00"])
def test_what_is_no_case_is_refused(tmp_path: Path, text: str) -> None:
    assert isinstance(check(tmp_path, text).exception, CaseInvalid)


def test_a_file_that_is_not_there_is_named() -> None:
    assert isinstance(run("compliance", "check", "nowhere.json", "--json").exception, FileUnreadable)


def test_what_if_ends_with_1_where_somebody_would_break_a_rule() -> None:
    done = run("compliance", "what-if", str(CASE), "--on", "2026-11-02", "--json")
    assert done.exit_code == 1
    body = json.loads(done.stdout)
    assert (body["holders"], body["breaking"], body["by_rule"]) == (2, 1, {"us.regd.506c": 1})
    assert run("compliance", "what-if", str(CASE), "--on", "2026-08-20").exit_code == 0


def test_rules_and_packs_are_listed() -> None:
    rules = json.loads(run("rules", "list", "--json").stdout)
    assert len(rules) == 32
    assert {"id", "jurisdiction", "citation", "evaluated_on", "status", "params"} <= set(rules[0])
    packs = json.loads(run("rules", "packs", "--json").stdout)
    assert {rule for pack in packs for rule in pack["rules"]} <= {rule["id"] for rule in rules}


def test_howey_answers_are_weighed_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text(json.dumps({"answers": {"M": "y", "E3": "n"}}), encoding="utf-8")
    body = json.loads(run("howey", "assess", str(file), "--json").stdout)
    assert body["outcome"] == "not_investment_contract"
    assert {name: body["prongs"]["money"][name] for name in ("for", "against", "open")} == {"for": 1, "against": 0, "open": 0}
    for bad in ('{"answers": {"M": "maybe"}}', '{"answers": {"M": ["y"]}}', '{"answers": {"Z1": "y"}}', '{"answers": []}', "{}", "[]", "{"):
        file.write_text(bad, encoding="utf-8")
        assert isinstance(run("howey", "assess", str(file), "--json").exception, AnswersInvalid)


def test_questions_and_decided_cases_are_shown() -> None:
    assert "E3" in run("howey", "questions").stdout
    assert len(json.loads(run("howey", "questions", "--json").stdout)["items"]) == 30
    cases = json.loads(run("howey", "cases", "--json").stdout)
    assert [case["outcome"] for case in cases].count(None) == 2
    assert "Howey" in run("howey", "cases").stdout
