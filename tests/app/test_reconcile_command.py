# SPDX-License-Identifier: Apache-2.0
"""`muniment reconcile`: nothing found, something found, and a database that does not answer."""

from __future__ import annotations

import pytest

from muniment.infra.localchain.anvil import free_port
from tests.app.command_line import CommandLine
from tests.flows.tampering import Change, changed

pytestmark = [pytest.mark.slow]


def test_books_that_agree_end_with_0(command_line: CommandLine) -> None:
    ended = command_line.run("reconcile", "--json")
    assert ended.code == 0
    assert ended.told["differences"] == []
    told = command_line.run("reconcile").out
    assert told == f"{ended.told['organisations']} organisations: the books agree with the chain\n"


def test_a_difference_is_told_with_its_facts_and_ends_with_1(command_line: CommandLine) -> None:
    with changed(command_line.stand.owner_url, Change("register.holding", "shares = shares + 1", "shares > 0")):
        ended = command_line.run("reconcile", "--json")
        told = command_line.run("reconcile")
    assert (ended.code, told.code) == (1, 1)
    assert "I1" in {difference["invariant"] for difference in ended.told["differences"]}
    assert told.out.splitlines()[0].startswith("I1 ")
    assert "difference" in told.out.splitlines()[-1]


def test_a_database_that_does_not_answer_is_an_outage(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d")
    ended = command_line.run("reconcile", "--json")
    assert ended.code == 3
    assert ended.refusal["code"] == "outage.database"
    assert ended.refusal["cure"]
    assert "hunter2" not in ended.out + ended.err
