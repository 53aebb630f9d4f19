# SPDX-License-Identifier: Apache-2.0
"""`muniment tokenise`: files become assets on the chain; a bad file is refused with its place and leaves nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from muniment.app import examples
from tests.app.command_line import CommandLine

pytestmark = [pytest.mark.slow]

WALLET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.fixture
def vehicle() -> dict[str, Any]:
    body: dict[str, Any] = json.loads((examples.folder() / "vehicle" / "vehicle.json").read_bytes())
    return body


@pytest.fixture
def tokenise(command_line: CommandLine) -> Callable[..., Any]:
    """Tokenise a vehicle with the example's owner file."""

    def run(record: object, *, wallet: str = WALLET) -> Any:
        file = command_line.folder / "record.json"
        file.write_text(record if isinstance(record, str) else json.dumps(record), encoding="utf-8")
        owner = str(examples.folder() / "vehicle" / "owner.json")
        return command_line.owner("tokenise", "vehicle", str(file), owner, "--wallet", wallet, "--json")

    return run


def test_a_vehicle_gets_an_id_that_can_be_recomputed_and_a_deed(
    tokenise: Callable[..., Any], vehicle: dict[str, Any], command_line: CommandLine
) -> None:
    ended = tokenise(vehicle)
    assert ended.code == 0, ended
    assert ended.told["owner"] == WALLET
    proof = command_line.run("verify", "asset", ended.told["asset_id"], "--json")
    assert (proof.code, proof.told["equal"]) == (0, True)


def test_a_company_gets_an_open_security_for_each_class(command_line: CommandLine) -> None:
    package = command_line.folder / "package.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for file in sorted((examples.folder() / "ocf").glob("*.json")):
            archive.write(file, file.name)
    ended = command_line.owner("tokenise", "company", str(package), "--json")
    assert ended.code == 0, ended
    assert len(ended.told["securities"]) == 2
    assert all(security["token_address"].startswith("0x") for security in ended.told["securities"])
    shown = command_line.owner("shares", "show", ended.told["securities"][0]["security_id"], "--json").told
    assert (shown["state"], shown["shares"]) == ("open", "0")


def test_a_malformed_vin_a_bad_wallet_and_no_json_are_refused(tokenise: Callable[..., Any], vehicle: dict[str, Any]) -> None:
    ended = tokenise(vehicle | {"vin": "1T9FB5A25RT26400I"})
    assert ended.code == 2
    assert ended.refusal["code"].startswith("instruments.")
    assert "vin" in ended.refusal["place"]["field"]
    ended = tokenise(vehicle, wallet=WALLET.lower().replace("70997970c", "70997970C"))
    assert (ended.code, ended.refusal["code"]) == (2, "parties.bad_checksum")
    for text in ("{", "[]"):
        ended = tokenise(text)
        assert (ended.code, ended.refusal["code"]) == (2, "app.cannot_read_file")
        assert ended.refusal["place"]["file"].endswith("record.json")


def test_a_package_that_is_none_is_refused(command_line: CommandLine, tmp_path: Path) -> None:
    absent = command_line.owner("tokenise", "company", str(tmp_path / "absent.zip"), "--json")
    assert absent.refusal["code"] == "instruments.package_unreadable"
    empty = tmp_path / "empty"
    empty.mkdir()
    ended = command_line.owner("tokenise", "company", str(empty), "--json")
    assert ended.code == 2
    assert ended.refusal["code"].startswith("instruments.")
    nonsense = tmp_path / "nonsense.zip"
    nonsense.write_bytes(b"no zip")
    ended = command_line.owner("tokenise", "company", str(nonsense), "--json")
    assert ended.code == 2
    assert ended.refusal["code"].startswith("instruments.")


def test_only_an_owner_tokenises(command_line: CommandLine) -> None:
    ended = command_line.agent("tokenise", "company", str(examples.folder() / "ocf"), "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "access.not_permitted")


MONEY = {"amount": "350000", "currency": "EUR"}
KINDS: dict[str, dict[str, Any]] = {
    "artwork": {"title": "Untitled (invented)", "artist": "Nobody", "medium": "oil", "made": "1961"},
    "commodity": {"commodity": "copper", "quantity": "25", "unit": "t", "grade": "A", "stored_at": "Rotterdam"},
    "debt": {
        "issuer_name": "Invented Bricks AG",
        "principal": MONEY,
        "issue_date": "2026-01-01",
        "maturity_date": "2031-01-01",
        "coupon": "0.0525",
    },
    "equity": {"legal_name": "Invented Works, Inc.", "country_of_formation": "US", "formation_date": "2024-01-01"},
    "fund_unit": {"fund_name": "Invented Fund", "domicile": "LU", "base_currency": "EUR"},
    "other": {"title": "A bottle", "properties": {"year": "1961"}},
    "real_estate": {
        "parcel": "114/7",
        "land_register": "Amtsgericht Musterstadt",
        "country": "DE",
        "locality": "Musterstadt",
        "appraisals": [{"appraiser": "Invented Appraisals GmbH", "appraised_date": "2026-01-15", "value": MONEY}],
    },
    "revenue_share": {"business_name": "Invented Bakery", "revenue_described": "net sales", "share_bps": 250, "begins_date": "2026-01-01"},
    "vehicle": {"vin": "WVWZZZ1JZXW000001", "make": "Volkswagen", "model": "Golf"},
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_asset_of_any_kind_is_tokenised_with_its_documents_anchored(command_line: CommandLine, kind: str) -> None:
    record, paper = command_line.folder / "record.json", command_line.folder / "paper.txt"
    record.write_text(json.dumps({"kind": kind, **KINDS[kind]}), encoding="utf-8")
    paper.write_text(f"A paper of the {kind}.", encoding="utf-8")
    ended = command_line.owner("tokenise", "asset", str(record), "--document", str(paper), "--json")
    assert ended.code == 0, ended
    assert (ended.told["documents"][0]["media_type"], ended.told["owner"]) == ("text/plain", None)
    # A vehicle from Europe whose check digit fails is tokenised, with a warning.
    assert ["North American rule" in warning for warning in ended.told["warnings"]] == ([True] if kind == "vehicle" else [])
    proof = command_line.run("verify", "asset", ended.told["asset_id"], "--json").told
    assert (proof["equal"], proof["documents_checked"], proof["documents_anchored"]) == (True, 1, 1)


def test_a_new_appraisal_is_anchored_and_the_asset_id_stays(command_line: CommandLine) -> None:
    record, appraisal = command_line.folder / "record.json", command_line.folder / "appraisal-2027.pdf"
    record.write_text(json.dumps({"kind": "real_estate", **KINDS["real_estate"], "parcel": "114/8"}), encoding="utf-8")
    appraisal.write_bytes(b"%PDF- an invented appraisal")
    asset_id = command_line.owner("tokenise", "asset", str(record), "--wallet", WALLET, "--json").told["asset_id"]
    added = command_line.owner("documents", "add", asset_id, str(appraisal), "--json")
    assert added.code == 0, added
    (listed,) = command_line.owner("documents", "list", asset_id, "--json").told
    assert (listed["keccak256"], listed["in_record"]) == (added.told["keccak256"], False)
    assert listed["anchored_at"] == added.told["anchored_at"]
    proof = command_line.run("verify", "asset", asset_id, "--json").told
    assert (proof["equal"], proof["asset_id"], proof["documents_anchored"]) == (True, asset_id, 1)
    for _ in range(10):
        # The follower reads the anchor's block a moment after the command has seen it final.
        found = command_line.run("verify", "document", str(appraisal), "--json")
        if found.code == 0:
            break
    assert (found.code, found.told["is_known"], found.told["asset"]) == (0, True, None)
    assert [each["asset_id"] for each in found.told["anchors"]] == [asset_id]
    appraisal.write_bytes(b"%PDF- an invented appraisal, forged")
    forged = command_line.run("verify", "document", str(appraisal), "--json")
    assert (forged.code, forged.told["is_known"]) == (1, False)
    assert command_line.run("verify", "document", str(command_line.folder / "none")).code == 2
    appraisal.write_bytes(b"%PDF- an invented appraisal")
    again = command_line.owner("documents", "add", asset_id, str(appraisal), "--json")
    assert (again.code, again.refusal["code"]) == (2, "instruments.document_already_stored")
    assert added.told["keccak256"] in command_line.owner("documents", "list", asset_id).out


def test_an_american_vin_with_a_wrong_digit_is_refused_and_a_kind_that_is_none_too(command_line: CommandLine) -> None:
    record = command_line.folder / "record.json"
    record.write_text(json.dumps({"kind": "vehicle", "vin": "1M8GDM9AYKP042788", "make": "MCI", "model": "Bus"}), encoding="utf-8")
    ended = command_line.owner("tokenise", "asset", str(record), "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "instruments.vin_check_digit_wrong")
    record.write_text(json.dumps({"kind": "ship"}), encoding="utf-8")
    ended = command_line.owner("tokenise", "asset", str(record), "--json")
    assert (ended.code, ended.refusal["code"], ended.refusal["place"]["field"]) == (2, "instruments.record_invalid", "kind")


def test_a_lien_is_filed_shown_and_released(tokenise: Callable[..., Any], vehicle: dict[str, Any], command_line: CommandLine) -> None:
    asset_id = tokenise(vehicle).told["asset_id"]
    before = command_line.owner("liens", "show", asset_id, "--json").told
    assert (before["owner"], [event["act"] for event in before["events"]]) == (
        WALLET,
        ["minted", *["lien_placed"] * len(before["open_liens"])],
    )
    lien = command_line.folder / "lien.json"
    lien.write_text(json.dumps({"reference": "L-1", "holder": "Invented Bank", "registered_date": "2026-02-01"}), encoding="utf-8")
    filed = command_line.owner("liens", "file", asset_id, str(lien), "--json")
    assert filed.code == 0, filed
    shown = command_line.owner("liens", "show", asset_id, "--json").told
    assert shown["open_liens"][-1]["lien"]["holder"] == "Invented Bank"
    assert filed.told["lien_id"] in command_line.owner("liens", "show", asset_id).out
    released = command_line.owner("liens", "release", asset_id, filed.told["lien_id"], "--json")
    assert (released.code, released.told["state"]) == (0, "released")
    after = command_line.owner("liens", "show", asset_id, "--json").told
    assert (after["open_liens"], after["events"][-1]["act"]) == (before["open_liens"], "lien_released")
    again = command_line.owner("liens", "release", asset_id, filed.told["lien_id"], "--json")
    assert (again.code, again.refusal["code"]) == (2, "instruments.lien_not_found")
