# SPDX-License-Identifier: Apache-2.0
"""Encryption of personal data and keys: a data key per subject under one master key, search tokens, commitments. Stores nothing."""

from __future__ import annotations

import hmac
import os
import unicodedata
from typing import NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_hash.auto import keccak

from muniment.units.errors import MunimentError

WrappedKey = NewType("WrappedKey", bytes)
"""A subject's data key, encrypted under the master key. Destroying every copy of it erases all that was sealed with it."""

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
SALT_BYTES_MIN = 16
_VERSION = b"\x01"
_WRAPPED_BYTES = len(_VERSION) + NONCE_BYTES + KEY_BYTES + TAG_BYTES


class CannotOpen(MunimentError):
    """The sealed bytes were changed, belong to another context, or were sealed under another key."""

    code = "infra.cannot_open_sealed"
    message = "Sealed data ({context}) cannot be opened: wrong key, or the data was changed."
    cure = "Check that the master key is the one this database was filled with; else restore the row from a backup."


class KeyErased(MunimentError):
    """The subject's data key was destroyed: what it sealed is gone for good."""

    code = "infra.key_erased"
    message = "The personal data ({context}) was erased."


class BadMasterKey(MunimentError):
    """The master key has not the length of an AES-256 key."""

    code = "infra.bad_master_key"
    message = "The master key has {length} bytes instead of 32."
    cure = "Give 64 hexadecimal digits."


class Sealer:
    """AES-256-GCM (NIST SP 800-38D) under keys per subject, which a master key wraps.

    `context` names what is sealed ("parties.investor.email:<id>"); it is bound as associated data, so that a value moved to
    another column or row does not open. Nonces are random: 2^32 values under one key are the limit, far above a subject's fields.
    """

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise BadMasterKey(length=len(master_key))
        self._wrapping = AESGCM(_derive(master_key, b"muniment wrap v1"))
        self._search_key = _derive(master_key, b"muniment search v1")

    def __repr__(self) -> str:
        """Show no key."""
        return "Sealer(…)"

    def new_key(self) -> WrappedKey:
        """Return a fresh data key for one subject, wrapped."""
        return self._wrap(os.urandom(KEY_BYTES))

    def seal(self, wrapped: WrappedKey, plaintext: bytes, *, context: str) -> bytes:
        """Return `plaintext` encrypted under the subject's key and bound to `context`."""
        nonce = os.urandom(NONCE_BYTES)
        return _VERSION + nonce + AESGCM(self._unwrap(wrapped)).encrypt(nonce, plaintext, _associated(context))

    def open(self, wrapped: WrappedKey | None, sealed: bytes, *, context: str) -> bytes:
        """Return the plaintext; raise `KeyErased` where the key is None and `CannotOpen` where key, bytes or context do not fit."""
        if wrapped is None:
            raise KeyErased(context=context)
        if sealed[:1] != _VERSION:
            raise CannotOpen(context=context)
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return AESGCM(self._unwrap(wrapped)).decrypt(nonce, ciphertext, _associated(context))
        except (InvalidTag, ValueError):
            raise CannotOpen(context=context) from None

    def rewrap(self, wrapped: WrappedKey, *, old: Sealer) -> WrappedKey:
        """Return the same data key under this master key; what it sealed stays as it is. For changing the master key."""
        return self._wrap(old._unwrap(wrapped))

    def search_token(self, kind: str, text: str) -> bytes:
        """Return 32 bytes that are equal for equal texts (after `normalise`) of one kind, and tell nothing without the key.

        HMAC-SHA256; the kind is part of it, so an e-mail and a tax id that read the same do not meet.
        """
        message = kind.encode() + b"\0" + normalise(text).encode()
        return hmac.digest(self._search_key, message, "sha256")

    def commitment(self, text: str, salt: bytes) -> bytes:
        """Return the salted keccak256 that may stand on a chain for `text`; without the salt nobody can confirm a guess."""
        return commitment(text, salt)

    def _wrap(self, key: bytes) -> WrappedKey:
        nonce = os.urandom(NONCE_BYTES)
        return WrappedKey(_VERSION + nonce + self._wrapping.encrypt(nonce, key, b"muniment data key"))

    def _unwrap(self, wrapped: WrappedKey) -> bytes:
        if len(wrapped) != _WRAPPED_BYTES or wrapped[:1] != _VERSION:
            raise CannotOpen(context="data key")
        try:
            return self._wrapping.decrypt(wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :], b"muniment data key")
        except InvalidTag:
            raise CannotOpen(context="data key") from None


def commitment(text: str, salt: bytes) -> bytes:
    """Return keccak256(salt ‖ UTF-8 of `text`). The salt has at least 16 random bytes and is kept like the text itself."""
    assert len(salt) >= SALT_BYTES_MIN, "a short salt can be guessed"
    return keccak(salt + text.encode())


def new_salt() -> bytes:
    """Return 32 random bytes for one commitment."""
    return os.urandom(32)


def normalise(text: str) -> str:
    """Return the form in which texts are compared: NFKC, case folded, runs of white space as one blank, none at the ends."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def same_secret(left: bytes, right: bytes) -> bool:
    """Return whether two secrets are equal, in a time that tells nothing about where they differ."""
    return hmac.compare_digest(left, right)


def _associated(context: str) -> bytes:
    return b"muniment\0" + context.encode()


def _derive(master_key: bytes, purpose: bytes) -> bytes:
    # RFC 5869; no salt, because the master key is uniformly random already.
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(master_key)
