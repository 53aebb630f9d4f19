# SPDX-License-Identifier: Apache-2.0
"""`muniment organisation`: founding, inviting, joining, test money, and who is let in at all."""

from __future__ import annotations

import json
import stat
from uuid import uuid4

import pytest

from tests.app.command_line import ORGANISATION, OWNER_EMAIL, CommandLine

pytestmark = [pytest.mark.slow]

PASSWORD = "seven quiet herons"


def found(command_line: CommandLine, *options: str, email: str | None = None, password: str = PASSWORD) -> tuple[str, dict[str, object]]:
    email = email or f"{uuid4()}@example.com"
    ended = command_line.run(
        "organisation", "found", "Reihergasse Ltd", "--country", "CH", "--owner", email, "--owner-name", "Rhea",
        "--password-file", str(command_line.private_file("founder", password)), "--json", *options,
    )  # fmt: skip
    return email, ended.told | {"code": ended.code}


def test_an_organisation_is_founded_with_four_eyes_and_its_owner_can_act(command_line: CommandLine) -> None:
    email, told = found(command_line)
    assert told["code"] == 0
    assert told["four_eyes"] is True
    acting = ("approvals", "list", "--as", email, "--password-file", str(command_line.folder / "founder"), "--json")
    ended = command_line.run(*acting)
    assert (ended.code, ended.told) == (0, [])
    listed = command_line.run("organisation", "list", "--json").told
    assert {"tenant_id": told["tenant_id"], "name": "Reihergasse Ltd"} in listed


def test_people_are_told_in_sentences_and_how_to_get_a_second_person(command_line: CommandLine) -> None:
    ended = command_line.run(
        "organisation", "found", "Plain Ltd", "--country", "CH", "--owner", f"{uuid4()}@example.com", "--owner-name", "Rhea",
        "--password-file", str(command_line.private_file("founder", PASSWORD)),
    )  # fmt: skip
    first, second = ended.out.splitlines()
    assert first.startswith("Plain Ltd founded: organisation ")
    assert "muniment organisation invite" in second
    assert "Plain Ltd" in command_line.run("organisation", "list").out


def test_one_person_alone_can_leave_four_eyes_off(command_line: CommandLine) -> None:
    assert found(command_line, "--one-person")[1]["four_eyes"] is False


@pytest.mark.parametrize(
    ("country", "password", "code"),
    [("Switzerland", PASSWORD, "country"), ("CH", "short", "password")],
)
def test_a_founding_with_a_bad_country_or_password_is_refused_and_leaves_nothing(
    country: str, password: str, code: str, command_line: CommandLine
) -> None:
    before = command_line.run("organisation", "list", "--json").told
    ended = command_line.run(
        "organisation", "found", "Nowhere Ltd", "--country", country, "--owner", f"{uuid4()}@example.com", "--owner-name", "Rhea",
        "--password-file", str(command_line.private_file("founder", password)), "--json",
    )  # fmt: skip
    assert ended.code == 2
    assert code in ended.refusal["code"]
    assert command_line.run("organisation", "list", "--json").told == before


def test_a_wrong_password_is_refused_as_on_the_sign_in_page(command_line: CommandLine) -> None:
    wrong = command_line.private_file("wrong", "not the password at all")
    ended = command_line.run("approvals", "list", "--as", f"{uuid4()}@example.com", "--password-file", str(wrong), "--json")
    assert ended.code == 2
    assert ended.refusal["code"] == "access.wrong_credentials"


def test_a_member_of_another_organisation_is_not_let_in(command_line: CommandLine) -> None:
    email, _ = found(command_line)
    ended = command_line.run(
        "rules", "show", command_line.symbol, "--as", email, "--organisation", ORGANISATION,
        "--password-file", str(command_line.folder / "founder"), "--json",
    )  # fmt: skip
    assert ended.code == 2
    assert ended.refusal["code"] == "access.not_a_member"
    own = command_line.run(
        "rules", "show", command_line.symbol, "--as", email, "--password-file", str(command_line.folder / "founder"), "--json"
    )
    assert own.code == 2
    assert own.refusal["code"] == "app.no_such_security_here"


def test_a_password_file_that_others_can_read_is_refused(command_line: CommandLine) -> None:
    exposed = command_line.private_file("exposed", PASSWORD)
    exposed.chmod(0o644)
    ended = command_line.run("approvals", "list", "--as", OWNER_EMAIL, "--password-file", str(exposed), "--json")
    assert ended.code == 2
    assert ended.refusal["code"] == "configuration.secret_exposed"
    assert "chmod 600" in ended.refusal["cure"]


def test_an_invited_person_joins_with_the_roles_and_a_password_of_their_own(command_line: CommandLine) -> None:
    email, invitation = f"{uuid4()}@example.com", command_line.folder / "invitation"
    roles = ("--role", "transfer_agent", "--role", "auditor")
    invited = command_line.owner("organisation", "invite", email, "--name", "Ada", *roles, "--out", str(invitation), "--json")
    assert invited.code == 0
    assert invited.told["roles"] == ["transfer_agent", "auditor"]
    assert stat.S_IMODE(invitation.stat().st_mode) == 0o600
    own = command_line.private_file("own", "a passphrase of Ada")
    joined = command_line.run("organisation", "join", str(invitation), "--password-file", str(own))
    assert joined.out.strip() == f"Ada joined {ORGANISATION} as auditor, transfer_agent"
    assert command_line.run("approvals", "list", "--as", email, "--password-file", str(own), "--json").code == 0
    again = command_line.run("organisation", "join", str(invitation), "--password-file", str(own), "--json")
    assert (again.code, again.refusal["code"]) == (2, "access.invitation_invalid")


def test_an_invitation_never_replaces_a_file_and_is_none_where_it_cannot_be_written(command_line: CommandLine) -> None:
    taken = command_line.private_file("taken", "precious")
    ended = command_line.owner(
        "organisation", "invite", f"{uuid4()}@example.com", "--name", "Ada", "--role", "auditor", "--out", str(taken), "--json"
    )
    assert (ended.code, ended.refusal["code"]) == (2, "app.cannot_write_invitation")
    assert ended.refusal["place"] == {"file": str(taken)}
    assert taken.read_text(encoding="utf-8") == "precious"


def test_only_an_owner_invites_and_only_known_roles(command_line: CommandLine) -> None:
    arguments = ("organisation", "invite", f"{uuid4()}@example.com", "--name", "Ada", "--out", str(command_line.folder / "none"), "--json")
    ended = command_line.agent(*arguments, "--role", "auditor")
    assert (ended.code, ended.refusal["code"]) == (2, "access.not_permitted")
    ended = command_line.owner(*arguments, "--role", "emperor")
    assert (ended.code, ended.refusal["code"]) == (2, "access.unknown_role")
    assert not (command_line.folder / "none").exists()


def test_test_money_arrives_and_its_token_is_accepted(command_line: CommandLine) -> None:
    ended = command_line.owner("organisation", "test-money", "12.34", "--json")
    assert ended.code == 0
    assert ended.told["amount"] == {"amount": "12.34", "currency": "USD"}
    assert ended.told["payment_token"] == command_line.filling.payment_token
    told = command_line.owner("organisation", "test-money", "1.00").out
    assert told.startswith("1.00 USD for 0x")
    assert "in block" in told


@pytest.mark.parametrize(("amount", "currency"), [("12.345", "USD"), ("twelve", "USD"), ("12", "ZZZ")])
def test_an_amount_that_is_no_money_is_refused_before_anything_is_sent(amount: str, currency: str, command_line: CommandLine) -> None:
    ended = command_line.owner("organisation", "test-money", amount, "--currency", currency, "--json")
    assert ended.code == 2
    assert ended.refusal["code"].startswith("money.")
    assert json.dumps(ended.refusal)
