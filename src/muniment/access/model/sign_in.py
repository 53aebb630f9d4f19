# SPDX-License-Identifier: Apache-2.0
"""Passwords, sessions, and how many failed sign-ins are too many: pure decisions. Randomness and time come in as arguments."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass
from enum import Enum
from typing import Final, NewType

from argon2 import low_level
from argon2.exceptions import InvalidHashError, VerificationError

from muniment.access.errors import BadEmail, BadName, CsrfMismatch, WeakPassword
from muniment.units.errors import Place
from muniment.units.ids import SessionId, TenantId, UserId

SESSION_ABSOLUTE: Final = dt.timedelta(hours=12)
SESSION_IDLE: Final = dt.timedelta(minutes=30)
SESSION_TOUCH: Final = dt.timedelta(minutes=1)
"""A session's last use is written at most this often, so that reading a page does not write a row each time."""

TOKEN_BYTES: Final = 32
INVITATION_LIFETIME: Final = dt.timedelta(days=7)
PASSWORD_CHARACTERS_MIN: Final = 12
PASSWORD_CHARACTERS_MAX: Final = 128
NAME_CHARACTERS_MAX: Final = 200
EMAIL_CHARACTERS_MAX: Final = 254

SessionToken = NewType("SessionToken", str)
"""The secret that a client holds: 256 random bits in URL-safe base64. We keep only its SHA-256."""

PasswordHash = NewType("PasswordHash", str)
"""An argon2id hash in PHC form, salt and parameters inside."""


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """What one guess costs: memory and passes of argon2id."""

    memory_kib: int
    passes: int
    lanes: int


PASSWORD_COST: Final = PasswordCost(memory_kib=47_104, passes=1, lanes=1)
"""OWASP Password Storage Cheat Sheet's first choice for argon2id: 46 MiB, one pass, one lane."""

# The most used passwords that are long enough to pass the length rule; whatever repeats one character or walks the keyboard fails by rule.
COMMON_PASSWORDS: Final = frozenset(
    {
        "password1234",
        "password12345",
        "passwordpassword",
        "administrator",
        "letmeinletmein",
        "iloveyou1234",
        "welcome12345",
        "welcome123456",
        "changemechangeme",
        "correcthorsebatterystaple",
        "qwertyqwerty",
        "trustno1trustno1",
    }
)
_WALKS: Final = ("0123456789012345678901234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "1q2w3e4r5t6y7u8i9o0p")

_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
)


def check_password(password: str, *, field: str = "password") -> None:
    """Refuse a password that is too short, too long, one character over and over, a walk over the keyboard, or among the most common."""
    why = None
    lowered = password.casefold()
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        why = f"it has {len(password)} characters"
    elif len(set(lowered)) < 5:
        why = "it uses too few different characters"
    elif lowered in COMMON_PASSWORDS or any(lowered in walk for walk in _WALKS):
        why = "it is one of the first that anybody tries"
    if why is not None:
        raise WeakPassword(
            why=why, characters_min=PASSWORD_CHARACTERS_MIN, characters_max=PASSWORD_CHARACTERS_MAX, place=Place(field=field)
        )


def hash_password(password: str, *, salt: bytes, cost: PasswordCost = PASSWORD_COST) -> PasswordHash:
    """Return the argon2id hash (RFC 9106) of a password under a random 16-byte salt."""
    assert len(salt) == 16, "a salt of 128 bits"
    hashed = low_level.hash_secret(
        _normalised(password),
        salt,
        time_cost=cost.passes,
        memory_cost=cost.memory_kib,
        parallelism=cost.lanes,
        hash_len=32,
        type=low_level.Type.ID,
    )
    return PasswordHash(hashed.decode("ascii"))


NO_PASSWORD: Final = PasswordHash("$argon2id$v=19$m=47104,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$Vl6Yh2MdLHIxG68f/tmGo/ksI7xR6floQgHAGRxyUZg")
"""What an unknown user's password is checked against, so that the answer takes as long as for a known one."""


def verify_password(password: str, hashed: PasswordHash) -> bool:
    """Return whether the password made the hash, in time that does not depend on where they differ."""
    try:
        return low_level.verify_secret(hashed.encode("ascii"), _normalised(password), low_level.Type.ID)
    except (VerificationError, InvalidHashError):
        return False


def _normalised(password: str) -> bytes:
    # Two keyboards may compose an umlaut differently; NIST SP 800-63B 3.1.1.2 asks for one normal form before hashing.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def hash_token(token: str) -> bytes:
    """Return what is stored of a secret token; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def csrf_token(token: SessionToken) -> str:
    """Return the session's CSRF token: derived from the secret, so nothing of it is stored and no other session's fits."""
    return hmac.new(token.encode("utf-8", "surrogatepass"), b"muniment csrf", hashlib.sha256).hexdigest()


def check_csrf(token: SessionToken, presented: str) -> None:
    """Refuse a form whose CSRF token is not the session's."""
    if not hmac.compare_digest(csrf_token(token).encode(), presented.encode("utf-8", "surrogatepass")):
        raise CsrfMismatch


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in client of one user, for one organisation at a time (`tenant_id` None: none chosen yet)."""

    session_id: SessionId
    user_id: UserId
    tenant_id: TenantId | None
    created_at: dt.datetime
    last_used_at: dt.datetime
    expires_at: dt.datetime
    revoked_at: dt.datetime | None

    def is_live(self, at: dt.datetime) -> bool:
        """Return whether the session still counts: not revoked, under twelve hours old, used within the last thirty minutes."""
        return self.revoked_at is None and at < self.expires_at and at - self.last_used_at < SESSION_IDLE

    def wants_touch(self, at: dt.datetime) -> bool:
        """Return whether its last use is old enough to be written anew."""
        return at - self.last_used_at >= SESSION_TOUCH


def open_session(*, session_id: SessionId, user_id: UserId, tenant_id: TenantId | None, at: dt.datetime) -> Session:
    """Return a fresh session."""
    return Session(
        session_id=session_id,
        user_id=user_id,
        tenant_id=tenant_id,
        created_at=at,
        last_used_at=at,
        expires_at=at + SESSION_ABSOLUTE,
        revoked_at=None,
    )


class AttemptKind(Enum):
    """What failed sign-ins are counted by."""

    ACCOUNT = "account"
    SOURCE = "source"


ATTEMPTS_FREE: Final = {AttemptKind.ACCOUNT: 5, AttemptKind.SOURCE: 30}
"""Failures without a pause. A source may be an office behind one address."""

ATTEMPT_WINDOW: Final = dt.timedelta(minutes=15)
FIRST_PAUSE: Final = dt.timedelta(seconds=30)
LONGEST_PAUSE: Final = dt.timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failed sign-ins of one account or source since `first_at`."""

    failures: int
    first_at: dt.datetime
    blocked_until: dt.datetime | None

    def is_blocked(self, at: dt.datetime) -> bool:
        """Return whether the next attempt has to wait."""
        return self.blocked_until is not None and at < self.blocked_until


def count_failure(attempts: Attempts, kind: AttemptKind, *, at: dt.datetime) -> Attempts:
    """Return the count after one more failure; past the free ones each failure doubles the pause, up to fifteen minutes.

    A quarter of an hour without a failure starts the count anew.
    """
    if attempts.failures == 0 or at - max(attempts.first_at, attempts.blocked_until or attempts.first_at) >= ATTEMPT_WINDOW:
        return Attempts(failures=1, first_at=at, blocked_until=None)
    failures = attempts.failures + 1
    beyond = failures - ATTEMPTS_FREE[kind]
    blocked_until = None if beyond < 0 else at + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(beyond, 10))
    return Attempts(failures=failures, first_at=attempts.first_at, blocked_until=blocked_until)


def normal_email(text: str, *, field: str = "email") -> str:
    """Return an e-mail address in the one form that we search by: trimmed and in lower case; refuse what is none."""
    email = text.strip()
    if len(email) > EMAIL_CHARACTERS_MAX or not _EMAIL.fullmatch(email):
        raise BadEmail(email=email, place=Place(field=field))
    return email.lower()


def normal_name(text: str, *, field: str = "name", characters_max: int = NAME_CHARACTERS_MAX) -> str:
    """Return a name trimmed and in NFC; refuse an empty one, one that is too long, or one with control or unassigned characters."""
    name = unicodedata.normalize("NFC", text.strip())
    why = None
    if not name:
        why = "it is empty"
    elif len(name) > characters_max:
        why = f"it has {len(name)} characters"
    elif any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for character in name):
        why = "it has characters that cannot be shown"
    if why is not None:
        raise BadName(why=why, characters_max=characters_max, place=Place(field=field))
    return name
