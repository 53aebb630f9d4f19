# SPDX-License-Identifier: Apache-2.0
"""Asset records: canonical JSON, ids, commitments, and what a malformed record is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from muniment.instruments.commands import TokeniseVehicle, commit_to, read_vehicle_files
from muniment.instruments.errors import FieldTooLong, IdentifierInvalid, NotAVin, RecordInvalid
from muniment.instruments.model.assets import KINDS, AssetRecord, PersonalValue, commitment_of, parse_body, print_of
from muniment.units.errors import MunimentError
from muniment.units.instants import NotADate
from muniment.units.money import TooPrecise, UnknownCurrency
from tests.instruments.conftest import EXAMPLES

EURO = {"amount": "250000.00", "currency": "EUR"}
BODIES: dict[str, dict[str, Any]] = {
    "vehicle": {"vin": "1M8GDM9AXKP042788", "make": "Merganser", "model": "Coach", "mileage_kilometres": 5},
    "equity": {"legal_name": "Ternwick", "country_of_formation": "US", "formation_date": "2024-01-10", "lei": "5493001KJTIIGC8Y1R12"},
    "real_estate": {
        "parcel": "12/345",
        "land_register": "Nowhere",
        "country": "DE",
        "locality": "Nowhere",
        "appraisals": [{"appraiser": "Fictitious Valuers", "appraised_date": "2026-01-02", "value": EURO}],
    },
    "fund_unit": {"fund_name": "Kestrel", "domicile": "LU", "base_currency": "EUR"},
    "debt": {"issuer_name": "Ternwick", "principal": EURO, "issue_date": "2026-01-01", "maturity_date": "2031-01-01", "coupon": "0.0525"},
    "revenue_share": {"business_name": "Café Rook", "revenue_described": "till receipts", "share_bps": 250, "begins_date": "2026-01-01"},
    "artwork": {"title": "Untitled", "artist": "Fictitious Painter", "medium": "oil on canvas", "made": "1931"},
    "commodity": {"commodity": "coffee", "quantity": "19.2", "unit": "t", "grade": "NY 2/3", "stored_at": "Nowhere Port"},
    "other": {"title": "A thing", "properties": {"colour": "grey"}},
}


def a_record(kind: str, **changes: Any) -> AssetRecord:
    return AssetRecord(parse_body({"kind": kind, **BODIES[kind], **changes}), {}, ())


def test_there_is_an_example_of_every_kind() -> None:
    assert set(BODIES) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_an_asset_id_is_the_hash_of_the_records_canonical_json(kind: str) -> None:
    record = a_record(kind)
    canonical = record.canonical_json()
    assert rfc8785.dumps(json.loads(canonical)) == canonical
    assert record.asset_id == "0x" + keccak(canonical).hex()
    assert record.kind == kind and record.title


@given(st.permutations(sorted(BODIES["equity"].items())))
def test_the_order_of_fields_changes_no_id(items: list[tuple[str, Any]]) -> None:
    assert AssetRecord(parse_body({**dict(items), "kind": "equity"}), {}, ()).asset_id == a_record("equity").asset_id


def test_any_change_changes_the_id() -> None:
    assert a_record("vehicle", mileage_kilometres=6).asset_id != a_record("vehicle").asset_id


def test_absent_fields_do_not_enter_the_record_however_deep() -> None:
    lien = {"reference": "L", "holder": "Bank", "registered_date": "2024-05-01", "released_date": None}
    canonical = a_record("vehicle", liens=[lien], colour=None).canonical_json()
    assert b"null" not in canonical and b"colour" not in canonical


@pytest.mark.parametrize(
    ("kind", "changes", "refusal", "field"),
    [
        ("vehicle", {"vin": "1M8GDM9AXKP04278"}, NotAVin, "vin"),
        ("vehicle", {"make": 5}, RecordInvalid, "make"),
        ("vehicle", {"make": "x" * 501}, FieldTooLong, "make"),
        ("vehicle", {"make": "  "}, RecordInvalid, "make"),
        ("vehicle", {"make": "a\x07b"}, RecordInvalid, "make"),
        ("vehicle", {"mileage_kilometres": -1}, RecordInvalid, "mileage_kilometres"),
        ("vehicle", {"mileage_kilometres": 1.5}, RecordInvalid, "mileage_kilometres"),
        ("vehicle", {"wheels": 4}, RecordInvalid, None),
        ("vehicle", {"registration_country": "usa"}, RecordInvalid, "registration_country"),
        ("vehicle", {"first_registered_date": "2024-02-30"}, NotADate, "first_registered_date"),
        ("vehicle", {"liens": [{"reference": "L", "holder": "B", "registered_date": "soon"}]}, NotADate, "liens[0].registered_date"),
        ("equity", {"lei": "5493001KJTIIGC8Y1R13"}, IdentifierInvalid, "lei"),
        ("equity", {"isin": "US0378331004"}, IdentifierInvalid, "isin"),
        ("debt", {"principal": {"amount": "1.001", "currency": "EUR"}}, TooPrecise, "principal"),
        ("debt", {"principal": {"amount": "1", "currency": "XYZ"}}, UnknownCurrency, "principal"),
        ("debt", {"principal": {"amount": "-1", "currency": "EUR"}}, RecordInvalid, "principal"),
        ("revenue_share", {"share_bps": 10_001}, RecordInvalid, "share_bps"),
        ("commodity", {"quantity": "-3"}, RecordInvalid, "quantity"),
        ("other", {"properties": {"a": 1}}, RecordInvalid, None),
    ],
)
def test_a_malformed_record_is_refused_with_the_field(
    kind: str, changes: dict[str, Any], refusal: type[MunimentError], field: str | None
) -> None:
    with pytest.raises(refusal) as refused:
        a_record(kind, **changes)
    if field is not None:
        assert refused.value.place is not None
        assert str(refused.value.place.field).startswith(field) or refused.value.place.field in {"amount", "currency"}


@pytest.mark.parametrize("described", [{}, {"kind": "spaceship"}, {"kind": ["vehicle"]}, {"kind": "vehicle"}])
def test_a_record_of_no_kind_is_refused(described: dict[str, Any]) -> None:
    with pytest.raises(RecordInvalid):
        parse_body(described)


@given(st.text(max_size=80).filter(str.isprintable), st.binary(min_size=32, max_size=32))
def test_a_commitment_opens_with_its_salt_and_text_only(text: str, salt: bytes) -> None:
    commitment = commitment_of(text, salt)
    assert commitment == "0x" + keccak(salt + text.encode()).hex()
    assert (
        commitment_of(text + "x", salt) != commitment and commitment_of(text, bytes(32 - len(salt[:31])) + salt[:31]) != commitment
    ) or salt == bytes(32)


def test_the_same_person_commits_to_something_else_each_time() -> None:
    first, second = commit_to({"owner": {"legal_name": "A"}}), commit_to({"owner": {"legal_name": "A"}})
    assert [value.name for value in first] == ["owner.legal_name"]
    assert first[0].commitment != second[0].commitment


@pytest.mark.parametrize(
    "personal",
    [
        {"a": "x" * 501},
        {"a": "b\x00"},
        {"a": 1.5},
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"j": "deep"}}}}}}}}}},
        {str(number): "x" for number in range(51)},
    ],
)
def test_personal_values_have_limits(personal: dict[str, Any]) -> None:
    with pytest.raises(MunimentError) as refused:
        commit_to(personal)
    assert refused.value.place is not None


def test_a_personal_value_does_not_show_itself() -> None:
    shown = repr(PersonalValue("owner.legal_name", "Quill", b"\1" * 32))
    assert "Quill" not in shown and "\\x01" not in shown


def test_a_document_is_printed_by_both_hashes() -> None:
    printed = print_of("a.txt", "text/plain", b"abc")
    assert printed.size_bytes == 3
    assert printed.sha256 == "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert printed.keccak256 == "0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"


def test_the_example_vehicle_can_be_read() -> None:
    folder = EXAMPLES / "vehicle"
    request = read_vehicle_files((folder / "vehicle.json").read_bytes(), (folder / "owner.json").read_bytes())
    assert isinstance(request, TokeniseVehicle) and "fictitious" not in request.vehicle
    assert "Invented" in request.vehicle["comment"] and "Invented" in request.owner["comment"]


@pytest.mark.parametrize(("content", "line"), [(b"{\n\n nonsense", 3), (b"\xff", None), (b"[]", None), (b"[" * 100_000, None)])
def test_a_broken_vehicle_file_is_refused_with_file_and_line(content: bytes, line: int | None) -> None:
    with pytest.raises(RecordInvalid) as refused:
        read_vehicle_files(content, b"{}")
    assert refused.value.place is not None and (refused.value.place.file, refused.value.place.line) == ("vehicle.json", line)
