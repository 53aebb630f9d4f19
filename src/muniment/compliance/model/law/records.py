# SPDX-License-Identifier: Apache-2.0
"""The Howey record of an asset: answers with evidence, by version, signed off by somebody else than whoever drafted it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from muniment.compliance.errors import AnswersInvalid, AssessmentSigned, OwnAssessment
from muniment.compliance.model.law.book import Pack, rule_book
from muniment.compliance.model.law.howey import Assessment, assess, check_answers, packs_offered
from muniment.units.errors import Place
from muniment.units.ids import AssetId, UserId

EVIDENCE_CHARACTERS_MAX = 2000
TOKEN_MODELS: Mapping[str, str] = {
    "integrated_register": "issuer-sponsored: the token is the security, its register is on the chain",
    "notifying_token": "issuer-sponsored: the token notifies a register off the chain",
    "custodial": "third-party custodial: a security entitlement",
    "synthetic": "third-party synthetic: a linked security or security-based swap",
}
"""The models of the joint staff statement of 28 January 2026."""


@dataclass(frozen=True, slots=True)
class HoweyRecord:
    """One version; `signed_by` None until a reviewer has signed it. `evidence` says, per answer, what it rests on."""

    asset_id: AssetId
    version: int
    answers: Mapping[str, str]
    evidence: Mapping[str, str]
    token_model: str
    drafted_by: UserId
    drafted_at: dt.datetime
    signed_by: UserId | None = None
    signed_at: dt.datetime | None = None

    @property
    def assessment(self) -> Assessment:
        """The outcome of the answers."""
        return assess(self.answers)

    @property
    def is_signed(self) -> bool:
        """Whether a reviewer has signed it."""
        return self.signed_at is not None

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {
            "asset_id": self.asset_id,
            "version": self.version,
            "answers": dict(self.answers),
            "evidence": dict(self.evidence),
            "token_model": self.token_model,
            "drafted_by": str(self.drafted_by),
            "drafted_at": self.drafted_at.isoformat(),
            "signed_by": None if self.signed_by is None else str(self.signed_by),
            "signed_at": None if self.signed_at is None else self.signed_at.isoformat(),
            "assessment": self.assessment.as_json(),
            "packs_offered": [pack.pack_id for pack in offered(self)],
        }


def draft(
    asset_id: AssetId,
    *,
    version: int,
    answers: Mapping[str, Any],
    evidence: Mapping[str, Any],
    token_model: str,
    by: UserId,
    at: dt.datetime,
) -> HoweyRecord:
    """Return a new version, not signed yet.

    Raises:
        AnswersInvalid: an unknown question, an answer other than y, n, -, evidence that is no text, or a model that does not exist.

    """
    given = check_answers(answers)
    if not given:
        raise AnswersInvalid(problem="nothing is answered", place=Place(field="answers"))
    for name, text in evidence.items():
        if name not in given:
            raise AnswersInvalid(problem=f"{name} is not answered", place=Place(field=f"evidence.{name}"))
        if not isinstance(text, str) or not 1 <= len(text.strip()) <= EVIDENCE_CHARACTERS_MAX:
            raise AnswersInvalid(problem=f"evidence has 1 to {EVIDENCE_CHARACTERS_MAX} characters", place=Place(field=f"evidence.{name}"))
    if token_model not in TOKEN_MODELS:
        raise AnswersInvalid(problem=f"the model is one of {', '.join(TOKEN_MODELS)}", place=Place(field="token_model"))
    return HoweyRecord(asset_id, version, given, dict(evidence), token_model, by, at)


def check_signature(record: HoweyRecord, *, by: UserId) -> None:
    """Refuse a second signature, and that of whoever drafted it."""
    if record.is_signed:
        raise AssessmentSigned(version=record.version)
    if record.drafted_by == by:
        raise OwnAssessment


def offered(record: HoweyRecord | None) -> tuple[Pack, ...]:
    """Return the packs that the answer offers: all of securities law, none where it says “not an investment contract”.

    Without a signed record all are offered, since nobody has said that the law does not count.
    """
    if record is not None and record.is_signed and not packs_offered(record.assessment.outcome):
        return ()
    return tuple(rule_book().packs.values())
