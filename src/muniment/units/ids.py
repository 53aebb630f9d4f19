# SPDX-License-Identifier: Apache-2.0
"""Typed ids: a UUIDv7 under a name of its own, so that the type checker refuses a swap. Addresses and hashes too."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import NewType
from uuid import UUID

from muniment.units.errors import MunimentError, Place

TenantId = NewType("TenantId", UUID)
UserId = NewType("UserId", UUID)
SessionId = NewType("SessionId", UUID)
ApprovalId = NewType("ApprovalId", UUID)
InvestorId = NewType("InvestorId", UUID)
WalletId = NewType("WalletId", UUID)
AssetRecordId = NewType("AssetRecordId", UUID)
SecurityId = NewType("SecurityId", UUID)
DocumentId = NewType("DocumentId", UUID)
LotId = NewType("LotId", UUID)
InstructionId = NewType("InstructionId", UUID)
DividendId = NewType("DividendId", UUID)
PaymentId = NewType("PaymentId", UUID)
BatchId = NewType("BatchId", UUID)
ChainTransactionId = NewType("ChainTransactionId", UUID)
EventId = NewType("EventId", UUID)
NoticeId = NewType("NoticeId", UUID)

Address = NewType("Address", str)
"""A wallet or contract on the chain: `0x` and 40 hex digits with the EIP-55 checksum."""

AssetId = NewType("AssetId", str)
"""keccak256 of an asset record's canonical JSON: `0x` and 64 lower-case hex digits."""

TransactionHash = NewType("TransactionHash", str)
"""`0x` and 64 lower-case hex digits."""


_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class NotAnId(MunimentError):
    """The text is no UUID."""

    code = "units.not_an_id"
    message = "“{text}” is not an id."
    cure = "Give the id as it was shown: 36 characters with four dashes."


def new_id(now: dt.datetime) -> UUID:
    """Return a new UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then 74 random bits; ids sort by time of birth."""
    milliseconds = (now - _UNIX_EPOCH) // dt.timedelta(milliseconds=1)
    random_bits = secrets.randbits(74)
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= (random_bits >> 62) << 64
    value |= 0b10 << 62
    value |= random_bits & ((1 << 62) - 1)
    return UUID(int=value)


def parse_id(text: str, *, field: str = "id") -> UUID:
    """Return the id that `text` spells in the canonical form; refuse anything else."""
    try:
        parsed = UUID(text)
    except ValueError:
        raise NotAnId(text=text, place=Place(field=field)) from None
    if str(parsed) != text.lower():
        raise NotAnId(text=text, place=Place(field=field))
    return parsed
