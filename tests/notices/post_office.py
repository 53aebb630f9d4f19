# SPDX-License-Identifier: Apache-2.0
"""A mail server on the loopback, in this process: aiosmtpd keeps what it takes and answers what a test tells it to. Holds no test."""

from __future__ import annotations

import asyncio
import datetime as dt
import email
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TAKEN = "250 2.0.0 Ok: kept as 4711"
USER, PASSWORD = "muniment", "seven quiet pigeons"


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter as the server got it."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    raw: bytes
    was_encrypted: bool

    @property
    def text(self) -> str:
        """The body, decoded."""
        return str(self.message.get_content())


@dataclass
class PostOffice:
    """What was taken, and what is answered next to a recipient or at the end of a letter; empty: yes."""

    port: int = 0
    kept: list[Kept] = field(default_factory=list)
    answers_to_recipient: list[str] = field(default_factory=list)
    answers_to_letter: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        """The setting's value."""
        return f"smtp://127.0.0.1:{self.port}"

    # aiosmtpd's hooks.

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.answers_to_recipient.pop(0) if self.answers_to_recipient else "250 2.1.5 Ok"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        answer = self.answers_to_letter.pop(0) if self.answers_to_letter else TAKEN
        if answer.startswith("250"):
            raw = envelope.original_content or b""
            message = email.message_from_bytes(raw, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.kept.append(Kept(envelope.mail_from or "", tuple(envelope.rcpt_tos), message, raw, session.ssl is not None))
        return answer


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    # Not handled: the library itself answers 535.
    return AuthResult(success=right, handled=False)


@contextmanager
def open_office(*, certificate: Certificate | None = None, wrapped: bool = False, login: bool = False) -> Iterator[PostOffice]:
    """Run a server; with a certificate it wants STARTTLS, and `login` after it, or (`wrapped`) it speaks TLS at once."""
    office = PostOffice()
    started, stopping = threading.Event(), threading.Event()
    context = None if certificate is None else certificate.server_context()

    def protocol() -> SMTP:
        return SMTP(
            office,
            decode_data=False,
            tls_context=None if wrapped else context,
            require_starttls=context is not None and not wrapped,
            authenticator=_authenticate if login else None,
            auth_required=login,
            loop=asyncio.get_running_loop(),
        )

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if wrapped else None)
        office.port = server.sockets[0].getsockname()[1]
        started.set()
        await loop.run_in_executor(None, stopping.wait)
        server.close()
        # A connection that a client has just closed is cleaned up by its own task.
        await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="post office of a test")
    thread.start()
    assert started.wait(60)
    try:
        yield office
    finally:
        stopping.set()
        thread.join(60)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of 127.0.0.1 that nobody but this test trusts."""

    file: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return context

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.file))


def a_certificate(folder: Path) -> Certificate:
    """Make one, valid for a day."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(tz=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "post_office.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return Certificate(file)
