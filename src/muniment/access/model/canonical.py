# SPDX-License-Identifier: Apache-2.0
"""One spelling for a JSON value (RFC 8785) and its SHA-256, for approvals, the audit log and idempotency keys. Asset ids have their own."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import rfc8785

from muniment.units.errors import instant_text

SAFE_INTEGER_MAX = 2**53 - 1
"""RFC 8785 rests on IEEE 754 numbers: a larger integer has no canonical form and is written as a string."""


def canonical_value(value: Any) -> Any:
    """Return `value` as canonical JSON and PostgreSQL carry it: whole texts, large integers as strings, no NUL or lone surrogate."""
    return _clean(value)


def canonical_json(value: Any) -> bytes:
    """Return the canonical bytes of a value (RFC 8785, JSON Canonicalization Scheme)."""
    return rfc8785.dumps(canonical_value(value))


def request_hash(value: Any) -> bytes:
    """Return the SHA-256 of the canonical bytes: two requests are the same if and only if these are."""
    return hashlib.sha256(canonical_json(value)).digest()


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= SAFE_INTEGER_MAX else str(value)
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_clean(str(name)): _clean(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    if isinstance(value, dt.datetime):
        return instant_text(value)
    assert isinstance(value, (UUID, Decimal, dt.date)), f"{type(value).__name__} has no canonical form; a float never has"
    return str(value)
