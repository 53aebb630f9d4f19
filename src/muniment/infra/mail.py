# SPDX-License-Identifier: Apache-2.0
"""Handing one letter to a mail server (SMTP, RFC 5321). Knows no recipient beyond it, keeps nothing, and logs no address."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Protocol, TypeAlias, assert_never
from urllib.parse import unquote, urlsplit

from muniment.infra.configuration import MAIL_ADDRESS, Configuration, read_secret
from muniment.infra.outages import Unreachable
from muniment.units.errors import MunimentError, Place

SECONDS_MAX = 20.0
"""How long a server may take for each of its answers."""
PORTS = {"smtp": 587, "smtps": 465}
"""Where a server listens that the address gives no port for: submission (RFC 6409), submission over TLS (RFC 8314)."""
NAME_CHARACTERS_MAX = 120
SUBJECT_CHARACTERS_MAX = 200


class MailSenderMissing(MunimentError):
    """A mail server is set, and no address for mail to come from."""

    code = "configuration.mail_sender_missing"
    message = "A mail server is set, but no address that mail comes from."
    cure = "Set MUNIMENT_MAIL_FROM, such as shares@example.com."


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One plain text to one person. `letter_id` makes the Message-ID: the same letter sent again is seen to be the same."""

    letter_id: str
    address: str = field(repr=False)
    name: str = field(repr=False)
    sender_name: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """The server has taken the letter. `answer` is its last line."""

    answer: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server will never take this letter (RFC 5321, 4.2.1: 5yz). `status` is the enhanced code (RFC 3463), where it gave one.

    The server's words are left out of what is kept: they repeat the address. `answer` holds them for whoever sends a test.
    """

    code: int
    status: str
    answer: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PutOff:
    """The server does not take this letter now and may later (4yz): a full box, a stranger who has to knock twice."""

    code: int
    status: str
    answer: str = field(repr=False)


Outcome: TypeAlias = Taken | Refused | PutOff


class Mailer(Protocol):
    """Sends letters."""

    def send(self, letter: Letter) -> Outcome:
        """Hand a letter over. Raises `Unreachable("mail")` where no letter gets through: no answer, no TLS, a login that is refused."""
        ...


class SmtpMailer:
    """A mail server: over TLS at once (smtps), or after STARTTLS (smtp), which only a server on this very machine may lack."""

    def __init__(
        self,
        url: str,
        *,
        sender: str,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """`url` as the setting has it; `tls` says whom to trust, the system's authorities where it is left out."""
        parts = urlsplit(url)
        assert parts.hostname is not None, "the configuration has read it"
        self.host = parts.hostname
        self.port = parts.port or PORTS[parts.scheme]
        self.sender = sender
        self._is_wrapped = parts.scheme == "smtps"
        self._user = None if parts.username is None else unquote(parts.username)
        self._password = password
        self._tls = tls
        self._seconds_max = seconds_max

    def __repr__(self) -> str:
        """Show no user and no password."""
        return f"SmtpMailer({self.host}:{self.port})"

    def check(self) -> str:
        """Return the server's answer to a connection with greeting, TLS and login; nothing is sent."""
        with self._open() as server:
            return _line(server.noop())

    def send(self, letter: Letter) -> Outcome:
        """Hand a letter over; the envelope's sender is the address that mail comes from."""
        message = written(letter, sender=self.sender)
        if message is None:
            return Refused(553, "5.1.3", "553 5.1.3 the address is none that mail can be sent to")
        with self._open() as server:
            try:
                return self._hand_over(server, letter.address, message.as_bytes())
            except smtplib.SMTPRecipientsRefused as error:
                return _said_no(next(iter(error.recipients.values())))
            except smtplib.SMTPDataError as error:
                return _said_no((error.smtp_code, error.smtp_error))

    def _hand_over(self, server: smtplib.SMTP, address: str, message: bytes) -> Taken:
        # What `SMTP.sendmail` does, step by step: it would not tell what the server answered at the end.
        code, words = server.mail(self.sender)
        if code != 250:
            # Not the recipient's fault: another server, or the same one mended, may take it.
            raise Unreachable("mail", detail=f"it does not take the sender ({code})", retry=True)
        code, words = server.rcpt(address)
        if code not in {250, 251}:
            server.rset()
            raise smtplib.SMTPRecipientsRefused({address: (code, words)})
        code, words = server.data(message)
        if code != 250:
            raise smtplib.SMTPDataError(code, words)
        return Taken(_line((code, words)))

    @contextmanager
    def _open(self) -> Iterator[smtplib.SMTP]:
        """Yield a connection that is ready for mail. Whatever goes wrong on it is an outage."""
        try:
            with self._connected() as server:
                self._prepare(server)
                yield server
        except smtplib.SMTPAuthenticationError as error:
            raise Unreachable("mail", detail=f"the login is refused ({error.smtp_code})", retry=True) from None
        except smtplib.SMTPResponseException as error:
            raise Unreachable("mail", detail=f"it answers {error.smtp_code}", retry=True) from None
        except (smtplib.SMTPException, OSError) as error:
            # Their words may repeat an address; the type and the errno's name are enough to know what is wrong.
            raise Unreachable("mail", detail=_kind_of(error), retry=True) from None

    def _connected(self) -> smtplib.SMTP:
        if self._is_wrapped:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self._seconds_max, context=self._trust())
        return smtplib.SMTP(self.host, self.port, timeout=self._seconds_max)

    def _prepare(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if not self._is_wrapped:
            if server.has_extn("starttls"):
                server.starttls(context=self._trust())
                server.ehlo()
            elif not is_loopback(self.host):
                raise Unreachable("mail", detail="it offers no STARTTLS, and mail is not sent in the clear", retry=True)
        if self._user is not None:
            server.login(self._user, self._password or "")

    def _trust(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()


def written(letter: Letter, *, sender: str) -> EmailMessage | None:
    """Return the letter as RFC 5322 has it: plain text in UTF-8, one recipient; None where the address is none in ASCII.

    A name or a subject of several lines, or with control characters, becomes one line: nobody adds a header by being called so.
    """
    domain = sender.rpartition("@")[2]
    message = EmailMessage(policy=SMTP)
    if not MAIL_ADDRESS.fullmatch(letter.address):
        return None
    local, _, host = letter.address.rpartition("@")
    message["To"] = Address(one_line(letter.name, NAME_CHARACTERS_MAX), local, host)
    message["From"] = Address(display_name=one_line(letter.sender_name, NAME_CHARACTERS_MAX), addr_spec=sender)
    message["Subject"] = one_line(letter.subject, SUBJECT_CHARACTERS_MAX)
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.letter_id}@{domain}>"
    # RFC 3834: written by a program, so that no holiday notice answers it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text, charset="utf-8", cte="quoted-printable")
    return message


def one_line(text: str, characters_max: int) -> str:
    """Return a text in one line without characters that cannot be shown, cut to `characters_max`."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())[:characters_max]


def mailer_of(configuration: Configuration, *, seconds_max: float = SECONDS_MAX) -> SmtpMailer | None:
    """Return the mail server of the configuration; None where none is set, and then nothing is ever sent.

    Raises:
        MailSenderMissing: a server is set, and no address that mail comes from.
        SecretMissing: the server's address names a user, and there is no password.

    """
    if configuration.smtp_url is None:
        return None
    if configuration.mail_from is None:
        raise MailSenderMissing(place=Place(field="mail_from"))
    has_user = urlsplit(configuration.smtp_url).username is not None
    password = read_secret(configuration, "smtp_password") if has_user else None
    return SmtpMailer(configuration.smtp_url, sender=configuration.mail_from, password=password, seconds_max=seconds_max)


def is_loopback(host: str) -> bool:
    """Return whether a host is this very machine, by its name or number."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown(outcome: Outcome) -> str:
    """Return the server's own answer."""
    match outcome:
        case Taken(answer) | Refused(_, _, answer) | PutOff(_, _, answer):
            return answer
        case _:
            assert_never(outcome)


_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")


def _said_no(answer: tuple[int, bytes | str]) -> Refused | PutOff:
    line = _line(answer)
    found = _STATUS.search(line)
    kind = Refused if 500 <= answer[0] <= 599 else PutOff
    return kind(answer[0], "" if found is None else found[1], line)


def _line(answer: tuple[int, bytes | str]) -> str:
    code, words = answer
    return one_line(f"{code} {words if isinstance(words, str) else words.decode('utf-8', 'replace')}", 300)


def _kind_of(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    return type(error).__name__
