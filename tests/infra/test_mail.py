# SPDX-License-Identifier: Apache-2.0
"""One letter to a real mail server on the loopback: what it looks like, what is an outage, what is final, what TLS it wants."""

from __future__ import annotations

import datetime as dt
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.infra.configuration import Configuration, SecretMissing
from muniment.infra.mail import Letter, MailSenderMissing, PutOff, Refused, SmtpMailer, Taken, mailer_of, written
from muniment.infra.outages import Unreachable
from tests.notices.post_office import PASSWORD, TAKEN, USER, Certificate, PostOffice, a_certificate, open_office

SENDER = "shares@heron.example"
NOON = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)
LETTER = Letter(
    letter_id="0f8fad5b-d9cb-469f-a165-70867728950e",
    address="zoe@example.com",
    name="Zoë Müller",
    sender_name="Heron Motors Ltd",
    subject="Why this was refused: Heron Común",
    text="Dear Zoë Müller,\n\nThe recipient is of Cuba, where this security may not be held. ≤ 1’000 漢\n.\nA line with one dot.\n",
    at=NOON,
)


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with open_office() as made:
        yield made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return a_certificate(tmp_path_factory.mktemp("certificate"))


def test_a_letter_arrives_whole_with_names_beyond_ascii(office: PostOffice) -> None:
    assert SmtpMailer(office.url, sender=SENDER).send(LETTER) == Taken(TAKEN)
    (kept,) = office.kept
    assert (kept.sender, kept.recipients) == (SENDER, ("zoe@example.com",))
    assert kept.text.replace("\r\n", "\n") == LETTER.text
    assert kept.message["Subject"] == LETTER.subject
    (to,), (sender,) = kept.message["To"].addresses, kept.message["From"].addresses
    assert (to.display_name, to.addr_spec) == ("Zoë Müller", "zoe@example.com")
    assert (sender.display_name, sender.addr_spec) == ("Heron Motors Ltd", SENDER)
    assert kept.message["Date"].datetime == NOON
    assert kept.message["Auto-Submitted"] == "auto-generated"
    assert kept.message.get_content_type() == "text/plain"
    assert kept.message.get_content_charset() == "utf-8"
    assert kept.raw.isascii(), "a server that knows ASCII only takes it too"


def test_the_same_letter_has_the_same_message_id_and_another_one_another(office: PostOffice) -> None:
    mailer = SmtpMailer(office.url, sender=SENDER)
    for letter in (LETTER, replace(LETTER, subject="Another subject"), replace(LETTER, letter_id="another")):
        mailer.send(letter)
    assert [kept.message["Message-ID"] for kept in office.kept] == [
        f"<{LETTER.letter_id}@heron.example>",
        f"<{LETTER.letter_id}@heron.example>",
        "<another@heron.example>",
    ]


@pytest.mark.parametrize("field", ["name", "sender_name", "subject"])
def test_nobody_adds_a_header_by_being_called_so(office: PostOffice, field: str) -> None:
    hostile = "Eve\r\nBcc: all@example.com\r\n\r\nAnother body \x00\u2028\u202e\x1b[2J" + "x" * 500
    changed: dict[str, Any] = {field: hostile}
    SmtpMailer(office.url, sender=SENDER).send(replace(LETTER, **changed))
    (kept,) = office.kept
    assert kept.recipients == ("zoe@example.com",)
    assert set(kept.message.keys()) == {
        "To", "From", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"
    }  # fmt: skip
    assert kept.text.replace("\r\n", "\n") == LETTER.text


@pytest.mark.parametrize(
    "address",
    [
        "eve@example.com\r\nRCPT TO:<all@example.com>",
        "eve@example.com> <all@example.com",
        "no address",
        "zoë@example.com",
        "a@b@c",
        "",
        "\x00@x.y",
    ],
)
def test_what_is_no_address_is_refused_for_good_and_nobody_else_gets_it(office: PostOffice, address: str) -> None:
    outcome = SmtpMailer(office.url, sender=SENDER).send(replace(LETTER, address=address))
    assert isinstance(outcome, Refused)
    assert outcome.code == 553
    assert office.kept == []


@given(name=st.text(max_size=300), subject=st.text(max_size=300), organisation=st.text(max_size=300))
def test_whatever_people_are_called_a_letter_has_its_headers_once(name: str, subject: str, organisation: str) -> None:
    message = written(replace(LETTER, name=name, subject=subject, sender_name=organisation), sender=SENDER)
    assert message is not None
    head = message.as_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\n") if not line.startswith((b" ", b"\t"))]
    assert sorted(names) == sorted(
        [
            b"To",
            b"From",
            b"Subject",
            b"Date",
            b"Message-ID",
            b"Auto-Submitted",
            b"Content-Type",
            b"Content-Transfer-Encoding",
            b"MIME-Version",
        ]
    )


@pytest.mark.parametrize("place", ["recipient", "letter"])
def test_a_5yz_is_final_and_a_4yz_is_not(office: PostOffice, place: str) -> None:
    mailer = SmtpMailer(office.url, sender=SENDER)
    answers = office.answers_to_recipient if place == "recipient" else office.answers_to_letter
    answers += ["550 5.1.1 <zoe@example.com>: unknown", "451 4.7.1 <zoe@example.com>: try again later"]
    outcome = mailer.send(LETTER)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.status) == (550, "5.1.1")
    assert "zoe" not in repr(outcome)
    put_off = mailer.send(LETTER)
    assert isinstance(put_off, PutOff)
    assert (put_off.code, put_off.status) == (451, "4.7.1")
    assert "zoe" not in repr(put_off)
    assert mailer.send(LETTER) == Taken(TAKEN)
    assert len(office.kept) == 1


def test_a_server_that_is_away_or_says_nothing_is_an_outage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(Unreachable) as outage:
            SmtpMailer(f"smtp://127.0.0.1:{port}", sender=SENDER, seconds_max=0.2).send(LETTER)
    assert outage.value.retry
    with pytest.raises(Unreachable):
        SmtpMailer(f"smtp://127.0.0.1:{port}", sender=SENDER).send(LETTER)


def test_a_server_that_hangs_up_in_the_middle_is_an_outage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def answer() -> None:
            caller, _ = rude.accept()
            caller.sendall(b"220 hello\r\n")
            caller.recv(1000)
            caller.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Unreachable):
            SmtpMailer(f"smtp://127.0.0.1:{rude.getsockname()[1]}", sender=SENDER).send(LETTER)
        thread.join()


def test_mail_goes_over_starttls_where_it_is_offered_with_the_login(certificate: Certificate) -> None:
    with open_office(certificate=certificate, login=True) as office:
        url = office.url.replace("smtp://", f"smtp://{USER}@")
        SmtpMailer(url, sender=SENDER, password=PASSWORD, tls=certificate.trust()).send(LETTER)
        assert office.kept[0].was_encrypted
        with pytest.raises(Unreachable, match="login is refused"):
            SmtpMailer(url, sender=SENDER, password="wrong", tls=certificate.trust()).send(LETTER)
        assert len(office.kept) == 1


def test_mail_goes_over_tls_from_the_first_byte_with_smtps(certificate: Certificate) -> None:
    with open_office(certificate=certificate, wrapped=True) as office:
        mailer = SmtpMailer(f"smtps://127.0.0.1:{office.port}", sender=SENDER, tls=certificate.trust())
        assert mailer.check().startswith("250")
        assert isinstance(mailer.send(LETTER), Taken)


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_certificate_that_nobody_vouches_for_gets_no_letter(certificate: Certificate, *, wrapped: bool) -> None:
    with open_office(certificate=certificate, wrapped=wrapped) as office:
        url = office.url.replace("smtp:", "smtps:" if wrapped else "smtp:")
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            SmtpMailer(url, sender=SENDER).send(LETTER)
        assert office.kept == []


def test_the_mailer_of_the_configuration(tmp_path: Path) -> None:
    nothing = Configuration(home=tmp_path)
    assert mailer_of(nothing) is None
    with pytest.raises(MailSenderMissing):
        mailer_of(replace(nothing, smtp_url="smtp://mail.example.com"))
    plain = mailer_of(replace(nothing, smtp_url="smtp://mail.example.com", mail_from=SENDER))
    assert plain is not None
    assert (plain.host, plain.port) == ("mail.example.com", 587)
    wrapped = mailer_of(replace(nothing, smtp_url="smtps://mail.example.com", mail_from=SENDER))
    assert wrapped is not None
    assert wrapped.port == 465
    with pytest.raises(SecretMissing):
        mailer_of(replace(nothing, smtp_url="smtp://user@mail.example.com", mail_from=SENDER))
