# SPDX-License-Identifier: Apache-2.0
"""Answers of an identity provider that come later: the signed body, read and checked. Keys, rows and what follows are not here.

The header is `Muniment-Signature: t=<Unix seconds>,v1=<hex>`; what is signed is HMAC-SHA256 over `<t>.<body>`.
"""

from __future__ import annotations

import datetime as dt
import hmac
import json
import re
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from muniment.parties.errors import BadWebhook, WebhookSignature
from muniment.parties.model.claims import ClaimTopic
from muniment.parties.model.identity import Cleared, Failed, Referred, Verdict
from muniment.units.decisions import Reason
from muniment.units.errors import MunimentError, Place, instant_text
from muniment.units.ids import parse_id
from muniment.units.instants import parse_instant, unix_seconds

SIGNATURE_HEADER: Final = "Muniment-Signature"
BODY_BYTES_MAX: Final = 65_536
TOLERANCE_SECONDS: Final = 300
SECRET_BYTES: Final = 32
EVENTS_PER_MINUTE_MAX: Final = 300
REASONS_MAX: Final = 20

_HEADER = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
_EVENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_CODE = re.compile(r"[a-z0-9_.]{1,80}")
_PROVIDER_TOPICS: Final = frozenset({ClaimTopic.KYC, ClaimTopic.AML, ClaimTopic.ACCREDITATION})


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """A provider's verdict about one check; `event_id` is used once."""

    event_id: str
    check_id: UUID
    verdict: Verdict


def sign_body(secret: bytes, body: bytes, *, at: dt.datetime) -> str:
    """Return the header that signs `body` at `at`."""
    seconds = unix_seconds(at)
    return f"t={seconds},v1={_digest(secret, seconds, body)}"


def check_signature(secret: bytes | None, body: bytes, header: str, *, at: dt.datetime) -> None:
    """Let a body pass that was signed with the secret within the last five minutes, or refuse without saying what is wrong.

    Without a secret (no such organisation or provider) the same work is done and the same refusal given.
    """
    found = _HEADER.fullmatch(header.strip())
    seconds = int(found[1]) if found is not None else 0
    presented = found[2] if found is not None else ""
    expected = _digest(secret or bytes(SECRET_BYTES), seconds, body)
    is_same = hmac.compare_digest(expected, presented)
    if secret is None or not is_same or abs(unix_seconds(at) - seconds) > TOLERANCE_SECONDS:
        raise WebhookSignature


def body_of(event_id: str, check_id: UUID, verdict: Verdict) -> bytes:
    """Return the body by which a provider tells a verdict."""
    told: dict[str, Any] = {"event_id": event_id, "check_id": str(check_id), "provider_reasons": []}
    if isinstance(verdict, Failed | Referred):
        told["provider_reasons"] = [{"code": reason.code, "message": reason.sentence} for reason in verdict.reasons]
    cleared = verdict if isinstance(verdict, Cleared) else verdict.cleared if isinstance(verdict, Referred) else None
    told["verdict"] = {Cleared: "cleared", Failed: "failed", Referred: "referred"}[type(verdict)]
    if cleared is not None:
        told |= {
            "topics": [topic.name.lower() for topic in cleared.topics],
            "valid_until": instant_text(cleared.until),
            "evidence_sha256": cleared.evidence_sha256.hex(),
        }
    return json.dumps(told).encode()


def read_body(body: bytes, *, provider: str, at: dt.datetime) -> WebhookAnswer:
    """Return the answer that a signed body tells, or refuse with the field that is wrong.

    Raises:
        BadWebhook: no JSON object with event_id, check_id and verdict; a clearance also tells topics, valid_until, evidence_sha256.

    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise _bad("body", "it is no JSON") from None
    if not isinstance(told, dict):
        raise _bad("body", "it is no object")
    event_id = _text(told, "event_id")
    if not _EVENT_ID.fullmatch(event_id):
        raise _bad("event_id", "it is not 1 to 100 letters, digits or . _ : -")
    try:
        check_id = parse_id(_text(told, "check_id"), field="check_id")
    except MunimentError:
        raise _bad("check_id", "it is no id") from None
    match _text(told, "verdict"):
        case "cleared":
            verdict: Verdict = _cleared(told, provider, at=at)
        case "failed":
            verdict = Failed(provider=provider, reasons=_reasons(told))
        case "referred":
            verdict = Referred(provider=provider, reasons=_reasons(told), cleared=_cleared(told, provider, at=at))
        case _:
            raise _bad("verdict", "it is none of cleared, failed, referred")
    return WebhookAnswer(event_id=event_id, check_id=check_id, verdict=verdict)


def _cleared(told: dict[str, Any], provider: str, *, at: dt.datetime) -> Cleared:
    names = told.get("topics")
    known = {topic.name.lower(): topic for topic in _PROVIDER_TOPICS}
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name in known for name in names):
        raise _bad("topics", f"it is no list of {', '.join(sorted(known))}")
    try:
        until = parse_instant(_text(told, "valid_until"), field="valid_until")
    except MunimentError:
        raise _bad("valid_until", "it is no instant") from None
    if until <= at:
        raise _bad("valid_until", "it has passed")
    evidence = _text(told, "evidence_sha256")
    if not re.fullmatch(r"[0-9a-f]{64}", evidence):
        raise _bad("evidence_sha256", "it is no SHA-256")
    return Cleared(
        provider=provider, topics=tuple(sorted({known[name] for name in names})), until=until, evidence_sha256=bytes.fromhex(evidence)
    )


def _reasons(told: dict[str, Any]) -> tuple[Reason, ...]:
    given = told.get("provider_reasons")
    if not isinstance(given, list) or not 0 < len(given) <= REASONS_MAX:
        raise _bad("provider_reasons", f"it is no list of 1 to {REASONS_MAX} reasons")
    reasons = []
    for reason in given:
        if not isinstance(reason, dict) or not _CODE.fullmatch(_text(reason, "code")):
            raise _bad("provider_reasons", "a reason has no code of small letters, digits, dots and underscores")
        reasons.append(Reason(code=_text(reason, "code"), sentence=_text(reason, "message")[:500]))
    return tuple(reasons)


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str):
        raise _bad(name, "it is missing or no text")
    return value


def _digest(secret: bytes, seconds: int, body: bytes) -> str:
    return hmac.digest(secret, f"{seconds}.".encode() + body, "sha256").hex()


def _bad(field: str, why: str) -> BadWebhook:
    return BadWebhook(why=why, place=Place(field=field))
