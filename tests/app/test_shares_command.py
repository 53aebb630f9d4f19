# SPDX-License-Identifier: Apache-2.0
"""`muniment shares` and `muniment approvals`: asked for by one person, approved by another; transfers, refusals, recovery."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from muniment.access.model import Action
from tests.app.command_line import CommandLine
from tests.flows.stand import wait_for

pytestmark = [pytest.mark.slow]


def ask(command_line: CommandLine, *allotments: str) -> str:
    ended = command_line.agent("shares", "issue", command_line.symbol, *allotments, "--json")
    assert ended.code == 0, ended
    assert ended.told["state"] == "requested"
    return str(ended.told["approval_id"])


def held(command_line: CommandLine, reference: str) -> int:
    holders = command_line.agent("shares", "show", command_line.symbol, "--json").told["holders"]
    return sum(int(holder["shares"]) for holder in holders if holder["reference"] == reference)


def test_an_issue_waits_for_the_second_person_and_is_then_on_the_chain(command_line: CommandLine) -> None:
    before = held(command_line, "K-000")
    approval = ask(command_line, "K-000=10")
    assert held(command_line, "K-000") == before
    waiting = command_line.owner("approvals", "list", "--json").told
    assert [row["action"] for row in waiting if row["approval_id"] == approval] == ["settlement.issue"]
    approved = command_line.owner("approvals", "approve", approval, "--json")
    assert approved.code == 0
    assert approved.told["failures"] == []
    assert len(approved.told["instruction_ids"]) == 1
    assert held(command_line, "K-000") == before + 10
    decided = command_line.owner("approvals", "list", "--all", "--json").told
    assert [row["state"] for row in decided if row["approval_id"] == approval] == ["executed"]


def test_people_are_told_what_the_second_person_does(command_line: CommandLine) -> None:
    ended = command_line.agent("shares", "issue", command_line.symbol, "K-001=5")
    approval = ended.out.splitlines()[0].rpartition(" ")[2]
    assert f"muniment approvals approve {approval}" in ended.out
    assert approval in command_line.owner("approvals", "list").out
    assert command_line.owner("approvals", "approve", approval).out.startswith("approved and done in block ")


def test_nobody_approves_what_they_asked_for(command_line: CommandLine) -> None:
    approval = ask(command_line, "K-001=6")
    ended = command_line.agent("approvals", "approve", approval, "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "access.own_approval")


def test_a_rejected_request_is_closed_with_its_reason(command_line: CommandLine) -> None:
    approval = ask(command_line, "K-001=7")
    rejected = command_line.owner("approvals", "reject", approval, "--reason", "the number is wrong", "--json")
    assert rejected.told == {"approval_id": approval, "state": "rejected", "reason": "the number is wrong"}
    late = command_line.owner("approvals", "approve", approval, "--json")
    assert (late.code, late.refusal["code"]) == (2, "access.approval_closed")


def test_an_approval_that_does_not_exist_is_refused(command_line: CommandLine) -> None:
    ended = command_line.owner("approvals", "approve", "00000000-0000-4000-8000-000000000000", "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "access.not_found")
    ended = command_line.owner("approvals", "approve", "4711", "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "units.not_an_id")


def test_without_four_eyes_an_issue_is_done_at_once_and_the_valid_rest_is_not_lost(command_line: CommandLine) -> None:
    before = held(command_line, "K-002")
    with command_line.without_four_eyes(Action.SETTLEMENT_ISSUE):
        ended = command_line.agent("shares", "issue", command_line.symbol, "K-002=25", "K-003=60000", "--json")
    assert ended.code == 0
    assert (ended.told["shares"], ended.told["accepted"], ended.told["failures"]) == ("25", 1, [])
    (refused,) = ended.told["refused"]
    assert refused["reference"] == "K-003"
    assert refused["reasons"][0]["code"] == "compliance.maximum_balance"
    assert held(command_line, "K-002") == before + 25


def test_an_issue_tells_people_whom_it_left_out(command_line: CommandLine) -> None:
    with command_line.without_four_eyes(Action.SETTLEMENT_ISSUE):
        ended = command_line.agent("shares", "issue", command_line.symbol, "K-002=1", "K-003=60000")
    first, second = ended.out.splitlines()
    assert first.startswith("1 shares issued to 1 holder in block ")
    assert second.startswith("  not to K-003: compliance.maximum_balance: ")


def test_each_gives_every_verified_investor_the_same(command_line: CommandLine) -> None:
    ended = command_line.agent("shares", "issue", command_line.symbol, "--each", "3", "--json")
    approval = ended.told["approval_id"]
    (request,) = [row["request"] for row in command_line.owner("approvals", "list", "--json").told if row["approval_id"] == approval]
    assert {str(investor_id) for investor_id in command_line.filling.holders.values()} <= {
        each["investor_id"] for each in request["allotments"]
    }
    assert {each["shares"] for each in request["allotments"]} == {"3"}
    command_line.owner("approvals", "reject", approval, "--reason", "only a test")


def test_the_terms_of_an_issue_are_approved_and_then_known_of_the_lot(command_line: CommandLine) -> None:
    terms = ("--exemption", "us.regd.506c", "--price", "10.005", "--category", "accredited")
    approval = command_line.agent("shares", "issue", command_line.symbol, "K-002=3", *terms, "--json").told["approval_id"]
    (request,) = [row["request"] for row in command_line.owner("approvals", "list", "--json").told if row["approval_id"] == approval]
    # 3 × 10.005 = 30.015, half to even.
    said = {"exemption": "us.regd.506c", "paid": {"amount": "30.02", "currency": "USD"}, "buyer_category": "accredited"}
    assert [{name: each[name] for name in said} for each in request["allotments"]] == [said]
    assert command_line.owner("approvals", "approve", approval).code == 0
    newest = command_line.agent("shares", "history", command_line.symbol, "--json").told[-1]
    assert (newest["buyer"], newest["said"]) == ("K-002", said)
    lots = command_line.agent("shares", "lots", command_line.symbol, "--investor", "K-002", "--json").told
    assert ("3", "us.regd.506c", "accredited") in {(lot["quantity"], lot["exemption"], lot["buyer_category"]) for lot in lots}


def test_a_file_of_an_issue_is_issued_but_for_the_lines_that_may_not(command_line: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "issue.csv"
    file.write_text(
        "external_reference,shares,exemption,paid,currency\n"
        "K-000,2,us.regd.506c,20.00,\n"
        "\n"
        "K-001,2,Rule 506,20.00,\n"
        "K-002,2,us.regs,18.50,EUR\n",
        encoding="utf-8",
    )
    asked = command_line.agent("shares", "issue", command_line.symbol, "--file", str(file), "--json").told
    assert [(each["reference"], each["line"], each["reasons"][0]["code"]) for each in asked["refused"]] == [
        ("K-001", 4, "register.not_a_code")
    ]
    command_line.owner("approvals", "reject", asked["approval_id"], "--reason", "only a test")
    assert (
        "not to K-001 (line 4): register.not_a_code" in command_line.agent("shares", "issue", command_line.symbol, "--file", str(file)).out
    )
    with command_line.without_four_eyes(Action.SETTLEMENT_ISSUE):
        done = command_line.agent("shares", "issue", command_line.symbol, "--file", str(file), "--json").told
    assert (done["accepted"], [each["line"] for each in done["refused"]]) == (2, [4])
    newest = command_line.agent("shares", "history", command_line.symbol, "--json").told[-2:]
    assert {each["buyer"]: each["said"] for each in newest} == {
        "K-000": {"exemption": "us.regd.506c", "paid": {"amount": "20.00", "currency": "USD"}},
        "K-002": {"exemption": "us.regs", "paid": {"amount": "18.50", "currency": "EUR"}},
    }


HEAD = "external_reference,shares,exemption,paid\n"


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"", "app.bad_issue_file", {"line": 1}),
        (b"\xff", "app.bad_issue_file", {"line": 1}),
        (b"external_reference\nK-000\n", "app.bad_issue_file", {"line": 1}),
        (b"external_reference,shares,colour\n", "app.bad_issue_file", {"line": 1}),
        (b"external_reference,shares,shares\n", "app.bad_issue_file", {"line": 1}),
        (f"{HEAD}K-000,1,,\nK-001,1\n".encode(), "app.bad_issue_file", {"line": 3}),
        (f"{HEAD}K-000,1,,\nK-000,2,,\n".encode(), "app.bad_issue_file", {"line": 3, "field": "external_reference"}),
        (f'{HEAD}"K-000,1\n'.encode(), "app.bad_issue_file", {"line": 2}),
        (f"{HEAD}K-999,1,,\n".encode(), "app.no_such_investor", {"line": 2, "field": "external_reference"}),
        (f"{HEAD}K-000,1.5,,\n".encode(), "money.too_precise", {"line": 2, "field": "shares"}),
        (f"{HEAD}K-000,1,,dear\n".encode(), "money.not_an_amount", {"line": 2, "field": "paid"}),
        (HEAD.encode(), "settlement.nothing_to_issue", None),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(
    content: bytes, code: str, place: dict[str, Any] | None, command_line: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "issue.csv"
    file.write_bytes(content)
    ended = command_line.agent("shares", "issue", command_line.symbol, "--file", str(file), "--json")
    assert (ended.code, ended.refusal["code"]) == (2, code)
    assert ended.refusal.get("place") == (None if place is None else {"file": str(file), **place})


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["K-000=1", "K-001=1", "--paid", "10"], "app.paid_for_many"),
        (["K-000=1", "--paid", "10", "--price", "10"], "app.paid_for_many"),
        (["K-000=1", "--file", "x.csv"], "app.file_or_names"),
        (["K-000=1", "--paid", "10", "--currency", "QQQ"], "money.unknown_currency"),
        (["K-000=1", "--paid", "-1"], "settlement.nothing_to_issue"),
    ],
)
def test_terms_that_contradict_are_refused(arguments: list[str], code: str, command_line: CommandLine) -> None:
    ended = command_line.agent("shares", "issue", command_line.symbol, *arguments, "--json")
    assert (ended.code, ended.refusal["code"]) == (2, code)


@pytest.mark.parametrize(
    ("allotments", "code"),
    [
        (["K-000"], "app.not_an_allotment"),
        (["K-999=1"], "app.no_such_investor"),
        (["K-000=1.5"], "money.too_precise"),
        (["K-000=many"], "money.not_an_amount"),
        (["K-000=0"], "shares."),
        ([], "settlement.nothing_to_issue"),
        (["K-003=60000"], "settlement.nothing_to_issue"),
    ],
)
def test_a_bad_allotment_is_refused_and_nothing_is_asked_for(allotments: list[str], code: str, command_line: CommandLine) -> None:
    before = command_line.owner("approvals", "list", "--json").told
    ended = command_line.agent("shares", "issue", command_line.symbol, *allotments, "--json")
    assert ended.code == 2
    assert ended.refusal["code"].startswith(code), ended.refusal
    assert command_line.owner("approvals", "list", "--json").told == before


def test_a_transfer_moves_shares_between_holders(command_line: CommandLine) -> None:
    giving, receiving = held(command_line, "K-004"), held(command_line, "K-005")
    ended = command_line.agent("shares", "transfer", command_line.symbol, "K-004", "K-005", "12", "--json")
    assert ended.code == 0
    assert ended.told["state"] == "settled"
    assert ended.told["transaction"].startswith("0x")
    assert (held(command_line, "K-004"), held(command_line, "K-005")) == (giving - 12, receiving + 12)
    assert command_line.agent("shares", "transfer", command_line.symbol, "K-005", "K-004", "12").out.startswith("12 shares moved in block ")


def test_a_transfer_against_a_rule_is_refused_with_every_reason_and_moves_nothing(command_line: CommandLine) -> None:
    before = held(command_line, "K-004")
    # More than K-004 has, and more than K-005 may hold.
    ended = command_line.agent("shares", "transfer", command_line.symbol, "K-004", "K-005", "60000", "--json")
    assert ended.code == 2
    assert ended.told["allowed"] is False
    codes = {reason["code"] for reason in ended.told["reasons"]}
    assert "compliance.maximum_balance" in codes
    assert len(codes) > 1
    told = command_line.agent("shares", "transfer", command_line.symbol, "K-004", "K-005", "60000")
    assert told.code == 2
    assert told.out == ""
    assert "Articles, section 4" in told.err
    assert " → " in told.err
    assert held(command_line, "K-004") == before


@pytest.mark.parametrize(
    ("security", "sender", "receiver", "amount", "code"),
    [
        ("NOSUCH", "K-004", "K-005", "1", "app.no_such_security_here"),
        (None, "K-999", "K-005", "1", "app.no_such_investor"),
        (None, "K-004", "K-999", "1", "app.no_such_investor"),
        (None, "K-004", "K-004", "1", "settlement.same_wallet"),
        (None, "K-004", "K-005", "0.5", "money.too_precise"),
    ],
)
def test_a_transfer_that_names_something_wrong_is_refused(
    security: str | None, sender: str, receiver: str, amount: str, code: str, command_line: CommandLine
) -> None:
    ended = command_line.agent("shares", "transfer", security or command_line.symbol, sender, receiver, amount, "--json")
    assert ended.code == 2
    assert ended.refusal["code"].startswith(code), ended.refusal


def test_what_a_lost_wallet_held_is_in_another_wallet_of_the_investor(command_line: CommandLine) -> None:
    before = held(command_line, "K-006")
    with command_line.without_four_eyes(Action.SETTLEMENT_RECOVER):
        ended = command_line.agent("shares", "recover", "K-006", "--json")
    assert ended.code == 0
    assert [row["state"] for row in ended.told["instructions"]] == ["settled"]
    assert ended.told["lost"] != ended.told["new"]
    assert held(command_line, "K-006") == before
    # From then on the investor gives from the new wallet.
    assert command_line.agent("shares", "transfer", command_line.symbol, "K-006", "K-005", "1", "--json").told["state"] == "settled"


def test_a_recovery_waits_for_the_second_person_and_names_bad_wallets(command_line: CommandLine) -> None:
    pending = command_line.agent("shares", "recover", "K-007", "--json")
    assert (pending.code, pending.told["state"]) == (0, "requested")
    command_line.owner("approvals", "reject", pending.told["approval_id"], "--reason", "only a test")
    ended = command_line.agent("shares", "recover", "K-007", "--lost", "0x1234", "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "parties.not_an_address")
    assert ended.refusal["place"]["field"] == "lost"
    somebody = next(iter(command_line.filling.holders))
    ended = command_line.agent("shares", "recover", "K-007", "--new", somebody, "--json")
    assert ended.code == 2
    assert ended.refusal["code"].startswith("parties.")


def test_the_holders_are_shown_to_people_largest_first(command_line: CommandLine) -> None:
    lines = command_line.owner("shares", "show", command_line.symbol).out.splitlines()
    assert "shares, 12 holders" in lines[0]
    assert lines[1] == f"token {command_line.filling.token_address}"
    shares = [int(line.split()[1].replace(",", "")) for line in lines[2:]]
    assert shares == sorted(shares, reverse=True)


def test_locked_shares_are_shown_with_their_holder_and_do_not_move(command_line: CommandLine) -> None:
    holder = first_holder(command_line)
    until = f"{dt.datetime.now(tz=dt.UTC) + dt.timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    locked = command_line.agent("shares", "lock", command_line.symbol, holder["reference"], "3", "--until", until, "--json")
    assert (locked.code, locked.told["state"]) == (0, "final")
    wait_for(lambda: first_holder(command_line)["locked"] == [{"shares": "3", "unlocks_at": until}], "the register to hear of the lockup")
    assert f"locked until {until}" in command_line.owner("shares", "show", command_line.symbol).out
    more = command_line.agent("shares", "lock", command_line.symbol, holder["reference"], holder["shares"], "--until", until, "--json")
    assert (more.code, more.refusal["code"]) == (2, "compliance.order_invalid")
    asked = command_line.agent("shares", "release", command_line.symbol, holder["reference"], "2", "--json")
    assert (asked.code, asked.told["state"]) == (0, "requested")
    approved = command_line.owner("approvals", "approve", asked.told["approval_id"], "--json")
    assert (approved.code, approved.told["action"]) == (0, "compliance.release_lockup")
    with command_line.without_four_eyes(Action.COMPLIANCE_RELEASE_LOCKUP):
        rest = command_line.agent("shares", "release", command_line.symbol, holder["reference"], "1", "--json")
    assert (rest.code, rest.told["state"]) == (0, "final")
    wait_for(lambda: first_holder(command_line)["locked"] == [], "the register to hear of the release")


def first_holder(command_line: CommandLine) -> Any:
    return command_line.owner("shares", "show", command_line.symbol, "--json").told["holders"][0]
