# SPDX-License-Identifier: Apache-2.0
"""The REST face of instruments: shapes, places of refusals, files in and out."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from eth_hash.auto import keccak

from muniment.access.model import Actor, Role
from muniment.instruments import http
from muniment.units.ids import TenantId
from tests.access.unit import an_actor
from tests.instruments.api import a_client
from tests.instruments.conftest import EXAMPLES
from tests.instruments.stage import Stage

VEHICLE = {"vin": "1M8GDM9AXKP042788", "make": "Merganser", "model": "Coach 45"}
OWNER = {"legal_name": "Fictitious Quill"}


def an_archive(**changes: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted((EXAMPLES / "ocf").glob("*.json")):
            archive.writestr(path.name, changes.get(path.name.split(".", maxsplit=1)[0], path.read_bytes()))
    return packed.getvalue()


@pytest.fixture
def api(stage: Stage, issuer: tuple[TenantId, Actor]) -> Any:
    return a_client(stage, issuer[1], http.ROUTES)


def test_a_vehicle_is_tokenised_listed_and_read(api: Any) -> None:
    created = api.post("/v1/assets/vehicles", json={"vehicle": VEHICLE, "owner": OWNER})
    assert created.status_code == 201, created.text
    asset_id = created.json()["asset_id"]
    assert [asset["asset_id"] for asset in api.get("/v1/assets").json()["assets"]] == [asset_id]
    detail = api.get(f"/v1/assets/{asset_id}").json()
    assert detail["asset"]["title"] == "Merganser Coach 45, VIN 1M8GDM9AXKP042788"
    assert set(detail["record"]["commitments"]) == {"owner.legal_name"} and "Quill" not in json.dumps(detail)
    record = api.get(f"/v1/assets/{asset_id}/record")
    assert "0x" + keccak(record.content).hex() == asset_id
    verification = api.get(f"/v1/assets/{asset_id}/verification").json()
    assert [finding["code"] for finding in verification["findings"]] == ["instruments.not_on_chain"]


def test_the_same_request_under_one_key_makes_one_asset(api: Any) -> None:
    first, second = (
        api.post("/v1/assets/vehicles", json={"vehicle": VEHICLE, "owner": OWNER}, headers={"Idempotency-Key": "one"}) for _ in range(2)
    )
    assert first.json() == second.json() and len(api.get("/v1/assets").json()["assets"]) == 1


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"vehicle": {**VEHICLE, "vin": "1M8GDM9A1KP042788"}, "owner": OWNER}, "instruments.vin_check_digit_wrong", "vin"),
        ({"vehicle": {**VEHICLE, "vin": "short"}, "owner": OWNER}, "instruments.not_a_vin", "vin"),
        ({"vehicle": {"vin": VEHICLE["vin"]}, "owner": OWNER}, "instruments.record_invalid", "make"),
        ({"vehicle": VEHICLE, "owner": {"legal_name": "x" * 10_000}}, "instruments.text_too_long", "owner.legal_name"),
        ({"vehicle": VEHICLE, "owner": OWNER, "title_owner": "0x" + "ab" * 20}, "parties.bad_checksum", "title_owner"),
    ],
)
def test_a_malformed_vehicle_is_refused_with_its_place_and_nothing_is_stored(api: Any, body: Any, code: str, field: str) -> None:
    refused = api.post("/v1/assets/vehicles", json=body)
    assert refused.status_code == 422 and refused.json()["code"] == code and refused.json()["place"]["field"] == field
    assert api.get("/v1/assets").json()["assets"] == []


def test_a_company_comes_in_as_a_zip_and_goes_out_as_one(api: Any) -> None:
    created = api.post("/v1/assets/companies", files={"file": ("ternwick.zip", an_archive(), "application/zip")})
    assert created.status_code == 201, created.text
    body = created.json()
    assert body["defects"] == [] and set(body["securities"]) == {"cls-common", "cls-seed"}
    symbols = {security["symbol"]: security for security in api.get("/v1/securities").json()}
    assert set(symbols) == {"CS", "SS"} and symbols["CS"]["shares_authorized"] == "12000000"
    table = api.get(f"/v1/assets/{body['asset_id']}/cap-table").json()
    assert {"stock_class_id": "cls-common", "stakeholder_id": "sh-founder-a", "shares": "4000000"} in table["positions"]
    exported = api.get(f"/v1/assets/{body['asset_id']}/ocf")
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        out = {name: archive.read(name) for name in archive.namelist()}
    assert out == {path.name: path.read_bytes() for path in (EXAMPLES / "ocf").glob("*.json")}


def test_a_broken_object_is_told_with_its_place_and_the_rest_is_kept(api: Any) -> None:
    stakeholders = json.loads((EXAMPLES / "ocf" / "Stakeholders.ocf.json").read_bytes())
    stakeholders["items"][2]["stakeholder_type"] = "ROBOT"
    archive = an_archive(Stakeholders=json.dumps(stakeholders).encode())
    body = api.post("/v1/assets/companies", files={"file": ("a.zip", archive, "application/zip")}).json()
    refused = [defect for defect in body["defects"] if defect["severity"] == "refused"]
    assert [(each["code"], each["place"]) for each in refused] == [
        ("ocf.unknown_word", {"file": "Stakeholders.ocf.json", "object_id": "sh-angel", "field": "stakeholder_type"})
    ]
    # What named the refused stakeholder is kept, but cannot be counted.
    assert {each["code"] for each in body["defects"] if each["severity"] == "not_applied"} >= {"cap_table.unknown_stakeholder"}
    positions = api.get(f"/v1/assets/{body['asset_id']}/cap-table").json()["positions"]
    assert {"stock_class_id": "cls-seed", "stakeholder_id": "sh-fund", "shares": "1000000"} in positions


@pytest.mark.parametrize(("content", "code"), [(b"no zip", "instruments.package_unreadable"), (b"", "instruments.package_unreadable")])
def test_what_is_no_package_is_refused(api: Any, content: bytes, code: str) -> None:
    refused = api.post("/v1/assets/companies", files={"file": ("a.zip", content, "application/zip")})
    assert refused.status_code == 422 and refused.json()["code"] == code


def test_a_document_comes_back_as_a_download_whatever_it_says_it_is(api: Any) -> None:
    asset_id = api.post("/v1/assets/vehicles", json={"vehicle": VEHICLE, "owner": OWNER}).json()["asset_id"]
    content = b"<script>alert(1)</script>"
    stored = api.post(f"/v1/assets/{asset_id}/documents", files={"file": ("..\\evil/Prüfbericht 1.html", content, "text/html")})
    assert stored.status_code == 201, stored.text
    document = stored.json()
    assert document["name"] == "Prüfbericht 1.html" and document["keccak256"] == "0x" + keccak(content).hex()
    download = api.get(f"/v1/documents/{document['document_id']}")
    assert download.content == content and download.headers["x-content-type-options"] == "nosniff"
    assert (
        download.headers["content-disposition"].startswith("attachment;")
        and "Pr%C3%BCfbericht%201" in download.headers["content-disposition"]
    )
    assert [each["document_id"] for each in api.get(f"/v1/assets/{asset_id}/documents").json()] == [document["document_id"]]


def test_a_security_is_drafted_and_asked_onto_the_chain(api: Any) -> None:
    asset_id = api.post("/v1/assets", json={"asset": {"kind": "other", "title": "A thing"}}).json()["asset_id"]
    drafted = api.post(
        "/v1/securities", json={"asset_id": asset_id, "name": "Thing", "symbol": "THING", "decimals": 2, "shares_authorized": "10.50"}
    )
    assert drafted.status_code == 201, drafted.text
    security = drafted.json()
    assert (security["state"], security["shares_authorized"], security["asset_id"]) == ("drafted", "10.5", asset_id)
    assert api.post(f"/v1/securities/{security['security_id']}/deployment").status_code == 202
    assert api.get(f"/v1/securities/{security['security_id']}/documents").json() == []


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"symbol": "low er"}, "instruments.symbol_invalid", "symbol"),
        ({"name": "x" * 65}, "instruments.terms_invalid", "name"),
        ({"name": "a\nb"}, "instruments.terms_invalid", "name"),
        ({"decimals": 19}, "instruments.terms_invalid", "decimals"),
        ({"currency": "QQQ"}, "money.unknown_currency", "currency"),
        ({"shares_authorized": "1.5"}, "money.too_precise", "shares_authorized"),
        ({"shares_authorized": "0"}, "shares.out_of_range", "shares_authorized"),
        ({"shares_authorized": str(2**96)}, "instruments.terms_invalid", "shares_authorized"),
        ({"asset_id": "0x12"}, "instruments.asset_not_found", "asset_id"),
    ],
)
def test_terms_that_no_token_can_have_are_refused(api: Any, changes: Any, code: str, field: str) -> None:
    asset_id = api.post("/v1/assets", json={"asset": {"kind": "other", "title": "A thing"}}).json()["asset_id"]
    refused = api.post("/v1/securities", json={"asset_id": asset_id, "name": "Thing", "symbol": "THING", **changes})
    assert refused.status_code == 422, refused.text
    assert (refused.json()["code"], refused.json()["place"]["field"]) == (code, field)


def test_an_investor_reads_but_neither_tokenises_nor_sees_cap_tables(stage: Stage, issuer: tuple[TenantId, Actor], api: Any) -> None:
    asset_id = api.post("/v1/assets/companies", files={"file": ("a.zip", an_archive(), "application/zip")}).json()["asset_id"]
    investor = a_client(stage, an_actor(issuer[0], Role.INVESTOR), http.ROUTES)
    assert investor.get(f"/v1/assets/{asset_id}").status_code == 200
    for answer in (
        investor.get(f"/v1/assets/{asset_id}/cap-table"),
        investor.get(f"/v1/assets/{asset_id}/ocf"),
        investor.post("/v1/assets", json={"asset": {"kind": "other", "title": "Mine"}}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "access.not_permitted")


def test_another_issuers_things_do_not_exist(stage: Stage, api: Any) -> None:
    asset_id = api.post("/v1/assets/companies", files={"file": ("a.zip", an_archive(), "application/zip")}).json()["asset_id"]
    security_id = api.get("/v1/securities").json()[0]["security_id"]
    stranger = a_client(stage, stage.a_tenant()[1], http.ROUTES)
    assert stranger.get("/v1/assets").json()["assets"] == [] and stranger.get("/v1/securities").json() == []
    for path in ("", "/record", "/verification", "/documents", "/cap-table", "/ocf"):
        assert stranger.get(f"/v1/assets/{asset_id}{path}").json()["code"] == "instruments.asset_not_found"
    assert stranger.get(f"/v1/securities/{security_id}").json()["code"] == "instruments.security_not_found"
    assert stranger.post(f"/v1/securities/{security_id}/deployment").json()["code"] == "instruments.security_not_found"
