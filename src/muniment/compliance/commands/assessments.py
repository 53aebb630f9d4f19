# SPDX-License-Identifier: Apache-2.0
"""The Howey record of an asset: drafted by one, signed by another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from muniment.access.model import Action, Actor, authorize
from muniment.compliance.errors import AssessmentNotFound
from muniment.compliance.model.law.records import HoweyRecord, check_signature, draft
from muniment.compliance.ports import ComplianceUnit
from muniment.instruments.commands import find_asset
from muniment.units.ids import AssetId


@dataclass(frozen=True, slots=True)
class AssessAsset:
    """Answers to the Howey questionnaire with what each rests on, and the staff's model that the token follows."""

    asset_id: AssetId
    answers: Mapping[str, Any]
    evidence: Mapping[str, Any]
    token_model: str


def assess_asset(actor: Actor, request: AssessAsset, *, unit: ComplianceUnit) -> HoweyRecord:
    """Keep a new version of an asset's Howey record, for somebody else to sign.

    Raises:
        AnswersInvalid: as `records.draft` does.

    """
    authorize(actor, Action.COMPLIANCE_ASSESS, tenant_id=unit.tenant_id)
    find_asset(actor, request.asset_id, unit=unit)
    records = unit.howey_records.all(request.asset_id, lock=True)
    now = unit.clock.now()
    record = draft(
        request.asset_id,
        version=len(records) + 1,
        answers=request.answers,
        evidence=request.evidence,
        token_model=request.token_model,
        by=actor.user_id,
        at=now,
    )
    unit.howey_records.add(record)
    facts = {"version": record.version, "outcome": record.assessment.outcome, "token_model": record.token_model}
    unit.audit.record(actor, Action.COMPLIANCE_ASSESS, f"asset/{request.asset_id}", facts)
    return record


def sign_assessment(actor: Actor, asset_id: AssetId, version: int, *, unit: ComplianceUnit) -> HoweyRecord:
    """Sign a version off as its reviewer.

    Raises:
        AssessmentNotFound: there is no such version.
        AssessmentSigned: it is signed already.
        OwnAssessment: the reviewer drafted it.

    """
    authorize(actor, Action.COMPLIANCE_SIGN_ASSESSMENT, tenant_id=unit.tenant_id)
    find_asset(actor, asset_id, unit=unit)
    found = [record for record in unit.howey_records.all(asset_id, lock=True) if record.version == version]
    if not found:
        raise AssessmentNotFound(version=version)
    check_signature(found[0], by=actor.user_id)
    now = unit.clock.now()
    unit.howey_records.sign(asset_id, version, by=actor.user_id, at=now)
    facts = {"version": version, "outcome": found[0].assessment.outcome}
    unit.audit.record(actor, Action.COMPLIANCE_SIGN_ASSESSMENT, f"asset/{asset_id}", facts)
    return replace(found[0], signed_by=actor.user_id, signed_at=now)


def view_assessments(actor: Actor, asset_id: AssetId, *, unit: ComplianceUnit) -> Sequence[HoweyRecord]:
    """Return every version of an asset's Howey record, oldest first."""
    authorize(actor, Action.COMPLIANCE_VIEW, tenant_id=unit.tenant_id)
    find_asset(actor, asset_id, unit=unit)
    return unit.howey_records.all(asset_id)
