# SPDX-License-Identifier: Apache-2.0
"""A whole Muniment beside a mail server: commands ask, the worker sends, and what the command line printed stands in the mail."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from muniment.app.cli import main
from muniment.infra.configuration import Configuration
from muniment.parties import commands as parties
from tests.app.command_line import CommandLine, Ended, enter
from tests.flows.canaries import INVESTORS
from tests.flows.stand import Filling, Running, copy_of, filled_home, running, wait_for
from tests.notices.office_rig import SENDER, texts_to
from tests.notices.post_office import TAKEN, PostOffice, open_office

pytestmark = [pytest.mark.slow]


@dataclass(frozen=True, slots=True)
class Mailing:
    """The running home, its mail server, and a terminal on it."""

    stand: Running
    office: PostOffice
    line: CommandLine


@pytest.fixture(scope="module")
def mailing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailing]:
    with copy_of(filled_home()) as home, open_office() as office, pytest.MonkeyPatch.context() as environment:
        enter(environment, home)
        environment.setenv("MUNIMENT_SMTP_URL", office.url)
        environment.setenv("MUNIMENT_MAIL_FROM", SENDER)
        with running(home) as stand:
            yield Mailing(stand, office, CommandLine(stand, Filling.of(home), tmp_path_factory.mktemp("terminal")))


def test_the_command_that_asks_prints_what_the_investor_reads(mailing: Mailing) -> None:
    person = INVESTORS[4]
    question = ("law", "ask", mailing.line.symbol, person.reference, "60000")
    asked = mailing.line.agent(*question, "--json")
    assert asked.code == 2
    assert "notice" not in asked.told
    sent = [mailing.line.agent(*question, "--tell", "receiver", "--json") for _ in range(2)]
    assert {ended.code for ended in sent} == {2}
    assert sent[0].told["notice"]["notice_id"] == sent[1].told["notice"]["notice_id"]
    assert sent[0].told["reasons"] == asked.told["reasons"]
    (mail,) = wait_for(lambda: list(texts_to(mailing.office, person.email.lower())), "the mail")
    for reason in asked.told["reasons"]:
        for name in ("message", "rule", "citation", "cure"):
            assert reason[name] in mail
    assert len(list(texts_to(mailing.office, person.email.lower()))) == 1
    listed = wait_for(lambda: ended_with(mailing, "sent"), "the list")
    assert listed["recipient_kind"] == "investor"
    spoken = mailing.line.agent(*question, "--tell", "receiver")
    assert asked.told["reasons"][0]["message"] in spoken.out
    assert "the receiver is told by mail" in spoken.out
    assert "explanation" in mailing.line.agent("mail", "list").out


def ended_with(mailing: Mailing, state: str) -> Any:
    rows = mailing.line.agent("mail", "list", "--json").told
    return next((row for row in rows if row["kind"] == "explanation" and row["state"] == state), None)


def test_a_side_that_is_none_is_refused(mailing: Mailing) -> None:
    question = ("law", "ask", mailing.line.symbol, INVESTORS[0].reference, "60000")
    assert mailing.line.agent(*question, "--tell", "everybody", "--json").refusal["code"] == "notices.unknown_side"


def test_the_worker_tells_an_investor_who_is_verified_anew(mailing: Mailing) -> None:
    desk = mailing.line.filling.desk
    with mailing.stand.begin(desk.tenant_id) as unit:
        investor = unit.investors.by_reference(INVESTORS[7].reference)
        parties.reverify_investor(desk.agent, investor.investor_id, {}, unit=unit)
    (text,) = wait_for(lambda: list(texts_to(mailing.office, INVESTORS[7].email.lower())), "the mail")
    assert f"Dear {INVESTORS[7].name}," in text
    assert "You are verified as an investor of Vogelhaus Instruments AG until" in text


def test_the_doctor_asks_the_server(mailing: Mailing) -> None:
    findings = {each["name"]: each for each in mailing.line.run("doctor", "--json").told["findings"]}
    assert findings["mail"]["is_well"]
    assert SENDER in findings["mail"]["detail"]


# The command that tries the server needs no home that runs.


def run(*arguments: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        main(list(arguments))
    return Ended(int(end.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Configuration:
    for name in ("MUNIMENT_SMTP_URL", "MUNIMENT_MAIL_FROM", "DATABASE_URL", "CHAIN_RPC_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MUNIMENT_HOME", str(tmp_path))
    return Configuration(home=tmp_path)


def test_a_test_mail_shows_what_the_server_answered(empty: Configuration, monkeypatch: pytest.MonkeyPatch, office: PostOffice) -> None:
    monkeypatch.setenv("MUNIMENT_SMTP_URL", office.url)
    monkeypatch.setenv("MUNIMENT_MAIL_FROM", SENDER)
    taken = run("mail", "test", "olga@example.com", "--json")
    assert (taken.code, taken.told) == (0, {"taken": True, "server": f"127.0.0.1:{office.port}", "answer": TAKEN})
    assert office.kept[0].recipients == ("olga@example.com",)
    office.answers_to_recipient.append("550 5.1.1 nobody of that name")
    refused = run("mail", "test", "nobody@example.com")
    assert refused.code == 2
    assert "550 5.1.1 nobody of that name" in refused.out
    office.answers_to_letter.append("451 4.3.0 no room")
    put_off = run("mail", "test", "olga@example.com", "--json")
    assert (put_off.code, put_off.told["answer"]) == (3, "451 4.3.0 no room")
    monkeypatch.setenv("MUNIMENT_SMTP_URL", "smtp://127.0.0.1:9")
    away = run("mail", "test", "olga@example.com", "--json")
    assert (away.code, away.refusal["code"]) == (3, "outage.mail")
    assert run("mail", "test", "not an address", "--json").refusal["code"] == "access.bad_email"


def test_without_a_server_the_test_says_how_to_set_one_and_the_doctor_that_nothing_is_sent(empty: Configuration) -> None:
    refused = run("mail", "test", "olga@example.com", "--json")
    assert (refused.code, refused.refusal["code"]) == (2, "notices.mail_not_configured")
    assert "MUNIMENT_SMTP_URL" in refused.refusal["cure"]
    finding = next(each for each in json.loads(run("doctor", "--json").out)["findings"] if each["name"] == "mail")
    assert finding["is_well"]
    assert "no mail is sent" in finding["detail"]


def test_the_doctor_sees_a_server_that_is_away_or_half_set(empty: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUNIMENT_SMTP_URL", "smtp://127.0.0.1:9")
    finding = next(each for each in json.loads(run("doctor", "--json").out)["findings"] if each["name"] == "mail")
    assert not finding["is_well"]
    assert "MUNIMENT_MAIL_FROM" in finding["cure"]
    monkeypatch.setenv("MUNIMENT_MAIL_FROM", SENDER)
    finding = next(each for each in json.loads(run("doctor", "--json").out)["findings"] if each["name"] == "mail")
    assert not finding["is_well"]
    assert "ConnectionRefusedError" in finding["detail"]
