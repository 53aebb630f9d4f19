# SPDX-License-Identifier: Apache-2.0
"""`muniment rules`: what is set is what the chain enforces, and what is shown."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.command_line import CommandLine

pytestmark = [pytest.mark.slow]

AS_FILLED = ("--block", "KP", "--maximum-balance", "50000")


@pytest.fixture
def own_rules(command_line: CommandLine) -> Iterator[CommandLine]:
    """The command line, with the rules put back afterwards that other tests count on."""
    yield command_line
    assert command_line.owner("rules", "set", command_line.symbol, *AS_FILLED, "--citation", "Articles, section 4").code == 0


def test_rules_are_replaced_whole_and_the_chain_has_them_when_the_command_returns(own_rules: CommandLine) -> None:
    limits = ("--allow", "CH", "--allow", "DE", "--maximum-balance", "70000", "--supply-cap", "1000000", "--holder-cap", "99")
    ended = own_rules.owner("rules", "set", own_rules.symbol, *limits, "--citation", "Articles, section 9", "--json")
    assert ended.code == 0
    assert ended.told["applied_at"] is not None
    assert {rule["kind"]: rule.get("shares", rule.get("holders", rule.get("countries"))) for rule in ended.told["rules"]} == {
        "country_allowed": ["CH", "DE"],
        "maximum_balance": "70000",
        "supply_cap": "1000000",
        "holder_cap": 99,
    }
    assert {rule["citation"] for rule in ended.told["rules"]} == {"Articles, section 9"}
    shown = own_rules.agent("rules", "show", own_rules.symbol, "--json")
    assert shown.told == ended.told
    sentences = own_rules.agent("rules", "show", own_rules.symbol).out
    for sentence in ("only investors of CH, DE may receive", "at most 70,000 shares", "at most 1,000,000 shares", "at most 99 investors"):
        assert sentence in sentences


def test_further_rules_come_from_options_and_from_a_file_as_show_tells_them(own_rules: CommandLine, tmp_path: Path) -> None:
    listed = [
        {
            "kind": "volume_limit",
            "rule_id": "us.rule144.volume",
            "citation": "17 CFR 230.144(e)",
            "shares": "900",
            "period_seconds": 7776000,
        },
        {"kind": "whole_position", "sends": False, "receives": True},
    ]
    (tmp_path / "rules.json").write_text(json.dumps({"rules": listed}))
    options = ("--country-cap", "US=35", "--minimum-holding", "10", "--holding-days", "180", "--rules", str(tmp_path / "rules.json"))
    ended = own_rules.owner("rules", "set", own_rules.symbol, *options, "--json")
    assert ended.code == 0
    assert ended.told["applied_at"] is not None
    assert [rule["kind"] for rule in ended.told["rules"]] == [
        "country_holder_cap",
        "minimum_holding",
        "holding_period",
        "volume_limit",
        "whole_position",
    ]
    assert ended.told["rules"][3] == listed[0]
    sentences = own_rules.agent("rules", "show", own_rules.symbol).out
    for sentence in ("at most 35 investors of US hold it", "at least 10 shares", "stays for 180 days", "at most 900 shares in 90 days"):
        assert sentence in sentences
    (tmp_path / "again.json").write_text(json.dumps(ended.told["rules"]))
    again = own_rules.owner("rules", "set", own_rules.symbol, "--rules", str(tmp_path / "again.json"), "--json")
    assert again.told["rules"] == ended.told["rules"]


def test_what_rules_ask_of_the_agent_is_given_on_the_command_line(own_rules: CommandLine, tmp_path: Path) -> None:
    listed = [{"kind": "transfer_approval"}, {"kind": "category_holder_cap", "category": 7, "holders": 100}]
    (tmp_path / "rules.json").write_text(json.dumps(listed))
    assert own_rules.owner("rules", "set", own_rules.symbol, "--rules", str(tmp_path / "rules.json")).code == 0
    # Other tests of this process may have taken a holder's verification away or frozen one: any pair that only lacks the approval will do.
    references = [
        each["reference"] for each in own_rules.agent("shares", "show", own_rules.symbol, "--json").told["holders"] if each["reference"]
    ]
    for first, second in itertools.permutations(references[:5], 2):
        move = (own_rules.symbol, first, second, "5")
        refused = own_rules.agent("shares", "transfer", *move, "--json")
        assert refused.code == 2
        if [reason["code"] for reason in refused.told["reasons"]] == ["compliance.transfer_not_approved"]:
            break
    else:
        pytest.fail("no two holders lack the approval alone")
    until = f"{dt.datetime.now(tz=dt.UTC) + dt.timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    approved = own_rules.agent("rules", "approve", *move, "--until", until, "--json")
    assert (approved.code, approved.told["state"]) == (0, "final")
    assert own_rules.agent("shares", "transfer", *move, "--json").code == 0
    # It served once.
    assert own_rules.agent("shares", "transfer", *move, "--json").code == 2
    put = own_rules.owner("rules", "category", own_rules.symbol, first, "7")
    assert put.code == 0
    assert "is in category 7" in put.out


def test_no_rules_at_all_is_said_in_words(own_rules: CommandLine) -> None:
    assert "every verified investor may hold it" in own_rules.owner("rules", "set", own_rules.symbol).out


@pytest.mark.parametrize(
    "options",
    [
        ("--allow", "CH", "--block", "DE"),
        ("--block", "Atlantis"),
        ("--maximum-balance", "0"),
        ("--maximum-balance", "1.5"),
        ("--holder-cap", "-1"),
        ("--country-cap", "US"),
        ("--country-cap", "US=5", "--block", "US"),
        ("--minimum-holding", "10", "--maximum-balance", "9"),
        ("--rules", "no-such-file.json"),
    ],
)
def test_rules_that_contradict_or_fit_no_contract_are_refused_and_the_old_ones_stay(
    options: tuple[str, ...], command_line: CommandLine
) -> None:
    before = command_line.owner("rules", "show", command_line.symbol, "--json").told
    ended = command_line.owner("rules", "set", command_line.symbol, *options, "--json")
    assert ended.code == 2
    assert ended.refusal["place"]
    assert command_line.owner("rules", "show", command_line.symbol, "--json").told == before


def test_a_security_that_does_not_exist_is_refused(command_line: CommandLine) -> None:
    ended = command_line.owner("rules", "show", "NOSUCH", "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "app.no_such_security_here")
