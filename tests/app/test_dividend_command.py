# SPDX-License-Identifier: Apache-2.0
"""`muniment dividend`: paid at once, announced for later, or waiting for a second person; and what is refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from muniment.access.model import Action
from tests.app.command_line import CommandLine

pytestmark = [pytest.mark.slow]


def test_a_dividend_at_once_is_paid_to_every_holder_to_the_cent(command_line: CommandLine) -> None:
    shares = int(command_line.agent("shares", "show", command_line.symbol, "--json").told["shares"])
    with command_line.without_four_eyes(Action.SERVICING_DECLARE_DIVIDEND):
        ended = command_line.agent("dividend", "declare", command_line.symbol, "--per-share", "0.05", "--json")
    assert ended.code == 0, ended
    pot, paid, held, residue = (Decimal(ended.told[name]["amount"]) for name in ("pot", "paid", "held", "residue"))
    assert pot == shares * Decimal("0.05")
    assert paid + held + residue == pot
    assert ended.told["holders"] == 12
    proof = command_line.run("verify", "distribution", ended.told["dividend_id"], "--json")
    assert (proof.code, proof.told["equal"]) == (0, True)


def test_a_dividend_for_later_is_announced(command_line: CommandLine) -> None:
    later = dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=30)
    arguments = ("dividend", "declare", command_line.symbol, "--per-share", "0.05", "--record-at", f"{later:%Y-%m-%dT%H:%M:%SZ}")
    with command_line.without_four_eyes(Action.SERVICING_DECLARE_DIVIDEND):
        ended = command_line.agent(*arguments, "--json")
        told = command_line.agent(*arguments)
    assert ended.told["state"] == "declared"
    assert ended.told["record_at"] == f"{later:%Y-%m-%dT%H:%M:%SZ}"
    assert f"it pays itself after {later:%Y-%m-%d %H:%M} UTC" in told.out


def test_a_dividend_waits_for_the_second_person(command_line: CommandLine) -> None:
    later = dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=31)
    ended = command_line.agent(
        "dividend", "declare", command_line.symbol, "--per-share", "0.06", "--record-at", f"{later:%Y-%m-%dT%H:%M:%SZ}", "--json"
    )
    assert ended.told["state"] == "requested"
    approved = command_line.owner("approvals", "approve", ended.told["approval_id"])
    assert "dividend" in approved.out
    assert "pays itself after its record date" in approved.out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--per-share", "a bit"), "money.not_an_amount"),
        (("--per-share", "-0.05"), ""),
        (("--per-share", "0.05", "--currency", "EUR"), "app.no_payment_token"),
        (("--per-share", "0.05", "--record-at", "yesterday"), "time."),
        (("--per-share", "0.05", "--record-at", "2020-01-01T00:00:00Z"), "servicing."),
    ],
)
def test_a_dividend_that_cannot_be_is_refused(options: tuple[str, ...], code: str, command_line: CommandLine) -> None:
    ended = command_line.agent("dividend", "declare", command_line.symbol, *options, "--json")
    assert ended.code == 2, ended
    assert ended.refusal["code"].startswith(code), ended.refusal
