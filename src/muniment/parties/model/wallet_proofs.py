# SPDX-License-Identifier: Apache-2.0
"""Sign-In with Ethereum (EIP-4361): the message that proves a wallet, read and held against the challenge. Signatures: see `chain`."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak

from muniment.parties.errors import BadChecksum, BadWalletProof, NotAnAddress
from muniment.parties.model.wallets import parse_address
from muniment.units.errors import Place, instant_text
from muniment.units.ids import Address, InvestorId, UserId
from muniment.units.instants import NotAnInstant, parse_instant

CHALLENGE_SECONDS: Final = 600
"""How long a nonce waits for its signature."""

MESSAGE_CHARACTERS_MAX: Final = 5_000
SIGNATURE_BYTES_MAX: Final = 4_096
"""A contract wallet's signature may carry many owners'."""

RESOURCES_MAX: Final = 20
STATEMENT: Final = "I control this wallet and use it for the securities that I hold here."

_HEAD = " wants you to sign in with your Ethereum account:"
# RFC 3986 authority without user information, as EIP-4361 shows it: a host, perhaps with its port.
_DOMAIN = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=\[\]:-]{1,255}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_NONCE = re.compile(r"[A-Za-z0-9]{8,128}")
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,19})")
_STATEMENT = re.compile(r"[A-Za-z0-9 \-._~:/?#\[\]@!$&'()*+,;=]+")
_REQUEST_ID = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@%]*")
_REQUIRED: Final = ("URI", "Version", "Chain ID", "Nonce", "Issued At")
_OPTIONAL: Final = ("Expiration Time", "Not Before", "Request ID")


@dataclass(frozen=True, slots=True)
class SignInMessage:
    """What an EIP-4361 message says. `request_id` None means absent, "" present and empty."""

    domain: str
    address: Address
    uri: str
    chain_id: int
    nonce: str
    issued_at: dt.datetime
    statement: str | None = None
    scheme: str | None = None
    expires_at: dt.datetime | None = None
    not_before: dt.datetime | None = None
    request_id: str | None = None
    resources: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the message as it is signed."""
        lines = [
            f"{'' if self.scheme is None else f'{self.scheme}://'}{self.domain}{_HEAD}",
            self.address,
            "",
            *(() if self.statement is None else (self.statement,)),
            "",
            f"URI: {self.uri}",
            "Version: 1",
            f"Chain ID: {self.chain_id}",
            f"Nonce: {self.nonce}",
            f"Issued At: {instant_text(self.issued_at)}",
        ]
        if self.expires_at is not None:
            lines.append(f"Expiration Time: {instant_text(self.expires_at)}")
        if self.not_before is not None:
            lines.append(f"Not Before: {instant_text(self.not_before)}")
        if self.request_id is not None:
            lines.append(f"Request ID: {self.request_id}")
        if self.resources:
            lines += ["Resources:", *(f"- {resource}" for resource in self.resources)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class WalletChallenge:
    """A nonce that waits for one signature of one address, for one investor."""

    nonce: str
    investor_id: InvestorId
    address: Address
    issued_by: UserId
    issued_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class ProofDomain:
    """To what a message is bound: the host of this installation, its address, and the chain."""

    domain: str
    uri: str
    chain_id: int


def message_of(challenge: WalletChallenge, bound_to: ProofDomain) -> SignInMessage:
    """Return the message that answers a challenge."""
    return SignInMessage(
        domain=bound_to.domain,
        address=challenge.address,
        uri=bound_to.uri,
        chain_id=bound_to.chain_id,
        nonce=challenge.nonce,
        issued_at=challenge.issued_at,
        statement=STATEMENT,
        expires_at=challenge.expires_at,
        request_id=str(challenge.investor_id),
    )


def read_message(text: str) -> SignInMessage:
    """Return what a message says, or refuse: every line in its place and order, nothing beside them (the ABNF of EIP-4361).

    Raises:
        BadWalletProof: the message is not in that form; the fact says which line.

    """
    if len(text) > MESSAGE_CHARACTERS_MAX:
        raise _bad("the message is too long")
    lines = _Lines(text.split("\n"))
    scheme, domain = _head(lines.take())
    address = _address(lines.take())
    if lines.take() != "":
        raise _bad("an empty line is missing after the address")
    statement = None
    line = lines.take()
    if line != "":
        if not _STATEMENT.fullmatch(line):
            raise _bad("the statement holds characters that it may not")
        statement = line
        if lines.take() != "":
            raise _bad("an empty line is missing after the statement")
    fields = {name: lines.field(name) for name in _REQUIRED}
    optional = {name: lines.optional(name) for name in _OPTIONAL}
    resources = _resources(lines)
    if lines.rest():
        raise _bad("something stands after the last line")
    if fields["Version"] != "1":
        raise _bad("the version is not 1")
    if not _URI.fullmatch(fields["URI"]):
        raise _bad("the URI is none")
    if not _NUMBER.fullmatch(fields["Chain ID"]):
        raise _bad("the chain id is no number")
    if not _NONCE.fullmatch(fields["Nonce"]):
        raise _bad("the nonce is not at least eight letters and digits")
    request_id = optional["Request ID"]
    if request_id is not None and not _REQUEST_ID.fullmatch(request_id):
        raise _bad("the request id holds characters that it may not")
    issued_at = _instant(fields["Issued At"], "Issued At")
    return SignInMessage(
        domain=domain,
        address=address,
        uri=fields["URI"],
        chain_id=int(fields["Chain ID"]),
        nonce=fields["Nonce"],
        issued_at=issued_at,
        statement=statement,
        scheme=scheme,
        expires_at=None if optional["Expiration Time"] is None else _instant(optional["Expiration Time"], "Expiration Time"),
        not_before=None if optional["Not Before"] is None else _instant(optional["Not Before"], "Not Before"),
        request_id=request_id,
        resources=resources,
    )


def check_message(message: SignInMessage, challenge: WalletChallenge, bound_to: ProofDomain, *, at: dt.datetime) -> None:
    """Let a message pass that answers this challenge here and now, or refuse with what differs."""
    if challenge.used_at is not None:
        raise _bad("the nonce was used already")
    if at >= challenge.expires_at:
        raise _bad("the nonce has expired")
    if message.domain.lower() != bound_to.domain.lower():
        raise _bad("the domain is another")
    if message.uri != bound_to.uri:
        raise _bad("the URI is another")
    if message.chain_id != bound_to.chain_id:
        raise _bad("the chain is another")
    if message.address != challenge.address:
        raise _bad("the address is another than was asked for")
    if message.statement != STATEMENT:
        raise _bad("the statement is another")
    if message.request_id != str(challenge.investor_id):
        raise _bad("it is about another investor")
    if message.issued_at > at or message.issued_at < challenge.issued_at.replace(microsecond=0):
        raise _bad("it was not issued in the time of the nonce")
    if message.expires_at is not None and at >= message.expires_at:
        raise _bad("the message has expired")
    if message.not_before is not None and at < message.not_before:
        raise _bad("the message does not count yet")


def personal_digest(text: str) -> bytes:
    """Return what a wallet signs for a text (EIP-191, version 0x45 “E”): keccak256 of the prefix, the number of bytes and the bytes."""
    raw = text.encode()
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(raw)).encode() + raw)


def parse_signature(text: str) -> bytes:
    """Return the bytes of a signature given as 0x and hexadecimal digits."""
    digits = text.strip().removeprefix("0x")
    if not digits or len(digits) > 2 * SIGNATURE_BYTES_MAX or len(digits) % 2 or not re.fullmatch(r"[0-9a-fA-F]+", digits):
        raise _bad("the signature is no row of hexadecimal digits")
    return bytes.fromhex(digits)


class _Lines:
    """The lines of a message, taken one after the other."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._next = 0

    def take(self) -> str:
        """Return the next line; there must be one."""
        if self._next >= len(self._lines):
            raise _bad("it ends too early")
        self._next += 1
        return self._lines[self._next - 1]

    def field(self, name: str) -> str:
        """Return the value of the next line, which must be this field's."""
        found = self.optional(name)
        if found is None:
            raise _bad(f"the line “{name}” is missing or not in its place")
        return found

    def optional(self, name: str) -> str | None:
        """Return the value of the next line where it is this field's."""
        prefix = f"{name}: "
        if self._next < len(self._lines) and self._lines[self._next].startswith(prefix):
            return self.take().removeprefix(prefix)
        return None

    def rest(self) -> bool:
        """Return whether a line is left."""
        return self._next < len(self._lines)

    def peek(self) -> str | None:
        """Return the next line without taking it."""
        return self._lines[self._next] if self.rest() else None


def _head(line: str) -> tuple[str | None, str]:
    before = line.removesuffix(_HEAD)
    if before == line:
        raise _bad("the first line is another")
    scheme, separator, domain = before.rpartition("://")
    if (separator and not _SCHEME.fullmatch(scheme)) or not _DOMAIN.fullmatch(domain):
        raise _bad("the domain is none")
    return scheme if separator else None, domain


def _address(line: str) -> Address:
    try:
        return parse_address(line)
    except (NotAnAddress, BadChecksum):
        raise _bad("the address is none, or lacks its checksum") from None


def _instant(text: str, name: str) -> dt.datetime:
    try:
        return parse_instant(text)
    except NotAnInstant:
        raise _bad(f"“{name}” is no instant") from None


def _resources(lines: _Lines) -> tuple[str, ...]:
    if lines.peek() != "Resources:":
        return ()
    lines.take()
    found = []
    while (line := lines.peek()) is not None and line.startswith("- "):
        resource = lines.take().removeprefix("- ")
        if not _URI.fullmatch(resource) or len(found) == RESOURCES_MAX:
            raise _bad("a resource is no URI, or there are too many")
        found.append(resource)
    return tuple(found)


def _bad(why: str) -> BadWalletProof:
    return BadWalletProof(why=why, place=Place(field="message"))
