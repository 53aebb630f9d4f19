# SPDX-License-Identifier: Apache-2.0
"""The audit log as a chain of hashes: how an entry is linked, and how a break is found. Writing and anchoring happen elsewhere."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from muniment.access.model.canonical import canonical_json, canonical_value
from muniment.units.ids import TenantId, UserId

GENESIS_HASH: Final = bytes(32)
"""What the first entry of a log names as the hash before it."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that somebody did. `facts` are JSON values and never name a person other than by id."""

    tenant_id: TenantId
    sequence: int
    recorded_at: dt.datetime
    actor_id: UserId
    action: str
    resource: str
    facts: Mapping[str, Any]
    previous_hash: bytes
    entry_hash: bytes

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape, enough to compute the hash again."""
        return {**_hashed_part(self), "entry_hash": self.entry_hash.hex()}


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The last entry of a log, as anchored somewhere that the database cannot reach."""

    sequence: int
    entry_hash: bytes


EMPTY_HEAD: Final = AuditHead(sequence=0, entry_hash=GENESIS_HASH)
"""The head of a log without entries."""


@dataclass(frozen=True, slots=True)
class Intact:
    """Every entry is as it was written, none is missing."""

    head: AuditHead


@dataclass(frozen=True, slots=True)
class Broken:
    """The first sequence number where the log is not what was written, and how that shows."""

    at_sequence: int
    why: str


AuditVerdict: TypeAlias = Intact | Broken


def link(
    head: AuditHead,
    *,
    tenant_id: TenantId,
    recorded_at: dt.datetime,
    actor_id: UserId,
    action: str,
    resource: str,
    facts: Mapping[str, Any],
) -> AuditEntry:
    """Return the entry that follows `head`; its facts are cleaned to canonical JSON, so that they read back as they were hashed."""
    unhashed = AuditEntry(
        tenant_id=tenant_id,
        sequence=head.sequence + 1,
        recorded_at=recorded_at,
        actor_id=actor_id,
        action=action,
        resource=canonical_value(resource),
        facts=canonical_value(facts),
        previous_hash=head.entry_hash,
        entry_hash=GENESIS_HASH,
    )
    return AuditEntry(
        tenant_id=tenant_id,
        sequence=unhashed.sequence,
        recorded_at=recorded_at,
        actor_id=actor_id,
        action=action,
        resource=unhashed.resource,
        facts=unhashed.facts,
        previous_hash=unhashed.previous_hash,
        entry_hash=hash_of(unhashed),
    )


def hash_of(entry: AuditEntry) -> bytes:
    """Return the SHA-256 over the canonical JSON of everything in the entry but its own hash, the previous hash included."""
    return hashlib.sha256(canonical_json(_hashed_part(entry))).digest()


def verify_chain(entries: Iterable[AuditEntry], *, anchored: AuditHead | None = None) -> AuditVerdict:
    """Check a whole log from its first entry; with an `anchored` head, that it was not cut or rewritten up to there.

    An edit shows as a wrong hash, a removed or reordered entry as a gap or a wrong link, a cut tail as a missing anchored entry. A log that
    was rewritten from some entry on, with all hashes computed anew, shows only against an anchor.
    """
    head = EMPTY_HEAD
    anchor_met = anchored is None or anchored == EMPTY_HEAD
    for entry in entries:
        expected = head.sequence + 1
        if entry.sequence != expected:
            return Broken(at_sequence=expected, why=f"entry {expected} is missing; {entry.sequence} stands in its place")
        if not hmac.compare_digest(entry.previous_hash, head.entry_hash):
            return Broken(at_sequence=expected, why="the entry does not follow the one before it")
        if not hmac.compare_digest(entry.entry_hash, hash_of(entry)):
            return Broken(at_sequence=expected, why="the entry was changed after it was written")
        head = AuditHead(sequence=entry.sequence, entry_hash=entry.entry_hash)
        if anchored is not None and head.sequence == anchored.sequence:
            if not hmac.compare_digest(head.entry_hash, anchored.entry_hash):
                return Broken(at_sequence=head.sequence, why="the entry is not the one that was anchored")
            anchor_met = True
    if not anchor_met:
        return Broken(at_sequence=head.sequence + 1, why="the log ends before the entry that was anchored")
    return Intact(head=head)


def _hashed_part(entry: AuditEntry) -> dict[str, Any]:
    return {
        "tenant_id": str(entry.tenant_id),
        "sequence": entry.sequence,
        "recorded_at": entry.recorded_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "actor_id": str(entry.actor_id),
        "action": entry.action,
        "resource": entry.resource,
        "facts": dict(entry.facts),
        "previous_hash": entry.previous_hash.hex(),
    }
