# SPDX-License-Identifier: Apache-2.0
"""Whether an asset is what its id says: everything recomputed from what is stored, every difference a finding. Reads nothing itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785

from muniment.instruments.model.assets import DocumentPrint, PersonalValue, asset_id_of, commitments_root, print_of
from muniment.units.ids import AssetId


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. Hashes only: a finding may be shown to anybody."""

    field: str
    code: str
    problem: str
    expected: str | None = None
    found: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        shown = {"field": self.field, "code": self.code, "message": self.problem, "expected": self.expected, "found": self.found}
        return {name: value for name, value in shown.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Held:
    """A stored document: what its row says and its bytes."""

    print: DocumentPrint
    content: bytes
    in_record: bool


@dataclass(frozen=True, slots=True)
class AssetVerification:
    """The result: how much was checked and what did not hold."""

    asset_id: AssetId
    findings: tuple[Finding, ...]
    commitments_opened: int
    commitments_erased: int
    documents_checked: int
    documents_anchored: int
    """How many of them the chain knows under the asset; one that was added just now is not there yet, which is no finding."""

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {
            "asset_id": self.asset_id,
            "holds": self.holds,
            "findings": [finding.as_json() for finding in self.findings],
            "commitments_opened": self.commitments_opened,
            "commitments_erased": self.commitments_erased,
            "documents_checked": self.documents_checked,
            "documents_anchored": self.documents_anchored,
        }


def verify(
    *,
    asset_id: AssetId,
    canonical_json: bytes,
    personal_values: Sequence[tuple[str, str, PersonalValue | None]],
    documents: Sequence[Held],
    cap_table_objects: Sequence[tuple[str, PersonalValue | None]],
    documents_anchored: int,
    is_on_chain: bool,
) -> AssetVerification:
    """Return what does not hold of a stored asset.

    `personal_values` are (name, commitment, text or None once erased); `cap_table_objects` (commitment, text or None).
    """
    findings: list[Finding] = []
    record = _record(asset_id, canonical_json, findings)
    if not is_on_chain:
        findings.append(Finding("asset_id", "instruments.not_on_chain", "the asset registry does not know this id", expected=asset_id))
    named = record.get("commitments", {})
    _compare_names("commitments", set(named), {name for name, _, _ in personal_values}, findings)
    for name, commitment, value in personal_values:
        field = f"commitments.{name}"
        if name in named and named[name] != commitment:
            findings.append(Finding(field, "instruments.commitment_differs", "the record names another", named[name], commitment))
        if value is not None and value.commitment != commitment:
            findings.append(
                Finding(field, "instruments.commitment_does_not_open", "text and salt give another hash", commitment, value.commitment)
            )
    _check_documents(record.get("documents", []), documents, findings)
    _check_cap_table(record, cap_table_objects, findings)
    opened = [value for _, _, value in personal_values] + [value for _, value in cap_table_objects]
    return AssetVerification(
        asset_id=asset_id,
        findings=tuple(findings),
        commitments_opened=sum(value is not None for value in opened),
        commitments_erased=sum(value is None for value in opened),
        documents_checked=len(documents),
        documents_anchored=documents_anchored,
    )


def _record(asset_id: AssetId, canonical_json: bytes, findings: list[Finding]) -> dict[str, Any]:
    found = asset_id_of(canonical_json)
    if found != asset_id:
        findings.append(Finding("canonical_json", "instruments.asset_id_differs", "the record hashes to another id", asset_id, found))
    try:
        record = json.loads(canonical_json)
        is_canonical = rfc8785.dumps(record) == canonical_json
    except (ValueError, RecursionError):
        record, is_canonical = None, False
    if not is_canonical:
        findings.append(Finding("canonical_json", "instruments.not_canonical", "the record is not in canonical form (RFC 8785)"))
    return record if isinstance(record, dict) else {}


def _check_documents(named: Sequence[Any], documents: Sequence[Held], findings: list[Finding]) -> None:
    prints = {entry["keccak256"]: entry for entry in named}
    _compare_names("documents", set(prints), {held.print.keccak256 for held in documents if held.in_record}, findings)
    for held in documents:
        recomputed = print_of(held.print.name, held.print.media_type, held.content)
        for part in ("size_bytes", "sha256", "keccak256"):
            expected, found = getattr(held.print, part), getattr(recomputed, part)
            if expected != found:
                field = f"documents.{held.print.name}.{part}"
                findings.append(
                    Finding(field, "instruments.document_differs", "the bytes are not those recorded", str(expected), str(found))
                )
        entry = prints.get(held.print.keccak256)
        if held.in_record and entry is not None and entry != held.print.as_json():
            field = f"documents.{held.print.name}"
            findings.append(Finding(field, "instruments.document_differs", "the record describes the document otherwise"))


def _check_cap_table(record: dict[str, Any], objects: Sequence[tuple[str, PersonalValue | None]], findings: list[Finding]) -> None:
    cap_table = record.get("asset", {}).get("cap_table")
    for position, (commitment, value) in enumerate(objects):
        if value is not None and value.commitment != commitment:
            findings.append(
                Finding(
                    f"cap_table[{position}]",
                    "instruments.commitment_does_not_open",
                    "the object and its salt give another hash",
                    commitment,
                    value.commitment,
                )
            )
    expected = None if cap_table is None else cap_table["commitments_root"]
    found = commitments_root([commitment for commitment, _ in objects]) if objects else None
    if expected != found:
        findings.append(
            Finding("asset.cap_table.commitments_root", "instruments.cap_table_differs", "the objects give another root", expected, found)
        )


def _compare_names(field: str, expected: set[str], found: set[str], findings: list[Finding]) -> None:
    findings.extend(
        Finding(f"{field}.{name}", "instruments.part_missing", "the record names it, but it is not stored")
        for name in sorted(expected - found)
    )
    findings.extend(
        Finding(f"{field}.{name}", "instruments.part_unknown", "it is stored, but the record does not name it")
        for name in sorted(found - expected)
    )
