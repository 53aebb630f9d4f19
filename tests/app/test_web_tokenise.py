# SPDX-License-Identifier: Apache-2.0
"""Tokenising by the pages as far as it needs no chain: a package, a vehicle, rules, the step to the chain."""

from __future__ import annotations

import html
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment.access.model import Role
from tests.app.rig import Rig, a_member, a_rig, form_token, signed_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "ocf"
VEHICLE = {
    "vin": "WP0AB2966NS458669",
    "make": "Porsche",
    "model": "911 Turbo 3.6",
    "mileage_kilometres": "54000",
    "owner_name": "Olga Owner",
    "owner_document": "ZB-1",
    "symbol": "PTX93",
    "shares_authorized": "1000",
}


@pytest.fixture(scope="module")
def rig(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with a_rig(make_database, tmp_path_factory.mktemp("home")) as made:
        a_member(made, "agent@example.com", Role.TRANSFER_AGENT)
        yield made


def package(*, broken: bool = False) -> bytes:
    """The example's package as a zip; broken, one transaction names a class that there is not."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in EXAMPLE.glob("*.json"):
            text = file.read_text(encoding="utf-8")
            if broken and file.name.startswith("Transactions"):
                body = json.loads(text)
                body["items"][0]["quantity"] = "many"
                text = json.dumps(body)
            archive.writestr(file.name, text)
    return content.getvalue()


def hidden(page: str) -> dict[str, str]:
    """The fields that a previewed form carries."""
    found = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page)
    return {name: html.unescape(value) for name, value in found if name != "_csrf"}


def upload(client: Any, content: bytes) -> Any:
    token = form_token(client.get("/securities/tokenise").text)
    return client.post("/securities/tokenise/preview", data={"_csrf": token}, files={"package": ("company.zip", content)})


def send(client: Any, path: str, fields: dict[str, str]) -> Any:
    token = form_token(client.get("/securities").text)
    return client.post(path, data={"_csrf": token, **fields}, follow_redirects=False)


def security_named(client: Any, name: str) -> str:
    found = re.search(rf'href="(/securities/[0-9a-f-]{{36}})">{re.escape(name)}<', client.get("/securities").text)
    assert found is not None, f"{name} is not in the list"
    return found[1]


def a_vehicle(client: Any, **changed: str) -> Any:
    """Preview a vehicle and send what was previewed."""
    values = {**VEHICLE, **changed}
    shown = send(client, "/securities/tokenise/vehicle/preview", values)
    assert shown.status_code == 200, shown.text
    return send(client, "/securities/tokenise/vehicle", {**values, **hidden(shown.text)})


def test_an_empty_list_leads_to_tokenising(rig: Rig) -> None:
    with signed_in(rig) as client:
        assert 'href="/securities/tokenise"' in client.get("/securities").text
    with signed_in(rig, "agent@example.com") as client:
        assert 'href="/securities/tokenise"' not in client.get("/securities").text


def test_a_package_is_shown_whole_kept_by_nobody_and_then_tokenised_once(rig: Rig) -> None:
    with signed_in(rig) as client:
        before = client.get("/securities").text
        shown = upload(client, package())
        assert shown.status_code == 200
        button = re.search(r'<button class="button primary">(Tokenise [^<]+ with \d+ class(?:es)?)</button>', shown.text)
        assert button is not None
        assert "Positions" in shown.text
        assert "drafted" not in client.get("/securities").text
        assert client.get("/securities").text.count("<tr>") == before.count("<tr>")
        fields = hidden(shown.text)
        assert send(client, "/securities/tokenise", fields).headers["location"] == "/securities"
        drafts = client.get("/securities").text.count("drafted")
        assert drafts >= 1
        # The same form again makes nothing twice.
        assert send(client, "/securities/tokenise", fields).status_code == 303
        assert client.get("/securities").text.count("drafted") == drafts


def test_what_was_not_previewed_is_shown_and_not_made(rig: Rig) -> None:
    with signed_in(rig) as client:
        drafts = client.get("/securities").text.count("drafted")
        fields = hidden(upload(client, package()).text) | {"previewed": "0" * 64}
        answer = send(client, "/securities/tokenise", fields)
        assert "Tokenise " in answer.text
        assert client.get("/securities").text.count("drafted") == drafts


def test_each_defect_is_shown_with_file_object_and_field(rig: Rig) -> None:
    with signed_in(rig) as client:
        shown = upload(client, package(broken=True))
        assert shown.status_code == 200
        assert "in the package; what is malformed is left out" in shown.text
        assert "Transactions.ocf.json" in shown.text
        assert "<code>quantity</code>" in shown.text


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04broken"])
def test_what_is_no_package_is_refused_at_its_field_or_whole(rig: Rig, content: bytes) -> None:
    with signed_in(rig) as client:
        answer = upload(client, content)
        assert answer.status_code in {413, 422}
        assert "package-wrong" in answer.text or 'role="alert"' in answer.text


def test_a_package_too_large_for_a_page_is_refused_with_the_limit(rig: Rig) -> None:
    with signed_in(rig) as client:
        answer = upload(client, b"x" * 2_000_001)
        assert answer.status_code in {413, 422}
        assert "2,000,000" in answer.text or "2000000" in answer.text


def test_a_vehicle_becomes_a_draft_with_a_button_to_the_chain(rig: Rig) -> None:
    with signed_in(rig) as client:
        answer = a_vehicle(client)
        assert answer.status_code == 303
        page = client.get(answer.headers["location"]).text
        assert "drafted" in page
        assert "Put it on the chain" in page
        assert "Open for transfers" not in page
        # The owner's name and document stand nowhere on the record's pages.
        documents = client.get(answer.headers["location"] + "/documents").text
        assert "ZB-1" not in documents


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"vin": "WP0AB2966NS45866"}, "vin"),
        ({"vin": "1T9FB5A21RT264001"}, "vin"),
        ({"vin": "WP0AB2966NS45866I"}, "vin"),
        ({"mileage_kilometres": "far"}, "mileage_kilometres"),
        ({"mileage_kilometres": "99999999"}, "mileage_kilometres"),
        ({"owner_name": ""}, "owner_name"),
        ({"symbol": "no symbol"}, "symbol"),
        ({"shares_authorized": "-1"}, "shares_authorized"),
        ({"wallet": "0x12"}, "wallet"),
    ],
)
def test_a_wrong_vehicle_is_refused_at_its_field(rig: Rig, changed: dict[str, str], field: str) -> None:
    with signed_in(rig) as client:
        answer = send(client, "/securities/tokenise/vehicle/preview", {**VEHICLE, "symbol": "OTHER", **changed})
        assert answer.status_code == 422
        assert f'id="{field}-wrong"' in answer.text


def test_putting_a_draft_on_the_chain_is_shown_first_and_asked_once(rig: Rig) -> None:
    with signed_in(rig) as client:
        security = a_vehicle(client, symbol="DEPLOY").headers["location"]
        shown = client.get(f"{security}/deployment").text
        assert "Put DEPLOY on the chain" in shown
        fields = hidden(shown)
        answer = send(client, f"{security}/deployment", fields)
        assert answer.headers["location"] == f"{security}?asked=drafted"
        assert "This page follows by itself" in client.get(answer.headers["location"]).text
        assert send(client, f"{security}/deployment", fields).headers["location"] == f"{security}?asked=drafted"
        assert "is not on the chain yet" in client.get(f"{security}/opening").text
        assert send(client, f"{security}/opening", {}).status_code == 200


def test_rules_are_shown_in_words_and_then_stand_on_the_rules_tab(rig: Rig) -> None:
    with signed_in(rig) as client:
        security = a_vehicle(client, symbol="RULES").headers["location"]
        values = {
            "country_rule": "blocked",
            "countries": "CU, North Korea",
            "countries_citation": "31 CFR 515.201",
            "maximum": "200",
            "holder_cap": "99",
            "holder_cap_citation": "Section 3(c)(1)",
        }
        shown = send(client, f"{security}/rules/edit/preview", values)
        assert shown.status_code == 200
        assert "Residents of Cuba and North Korea may not receive" in shown.text
        assert "Set 3 rules for RULES" in shown.text
        answer = send(client, f"{security}/rules/edit", {**values, **hidden(shown.text)})
        assert answer.headers["location"] == f"{security}/rules"
        page = client.get(f"{security}/rules").text
        assert "Section 3(c)(1)" in page
        assert "Issuer rule" in page
        form = client.get(f"{security}/rules/edit").text
        assert 'value="CU, KP"' in form
        assert 'value="200"' in form


def test_further_rules_are_set_by_the_form_and_come_back_in_it_with_their_sources(rig: Rig) -> None:
    with signed_in(rig) as client:
        security = a_vehicle(client, symbol="FURTHER").headers["location"]
        further = {
            "country_caps": "US 35, DE 100",
            "category_caps": "1 35",
            "minimum": "10",
            "holding_days": "180",
            "volume": "1000 in 90 days",
            "whole": "sends",
            "approval": "needed",
            "venues": "0x00000000219ab540356cBB839Cbe05303d7705Fa",
            "hours": "mon, fri 09:00-17:30",
            "windows": "2027-03-01T00:00:00Z/2027-03-15T00:00:00Z",
        }
        values = {"country_rule": "none", **further, "further_citation": "Rule 144"}
        shown = send(client, f"{security}/rules/edit/preview", values)
        assert shown.status_code == 200
        assert "Set 11 rules for FURTHER" in shown.text
        assert "An investor holds none or at least 10 shares. Source: Rule 144." in shown.text
        assert send(client, f"{security}/rules/edit", {**values, **hidden(shown.text)}).headers["location"] == f"{security}/rules"
        page = client.get(f"{security}/rules").text
        for sentence in ("stays for 180 days", "from 09:00 to 17:30 UTC on mon, fri", "At most 35 investors of US hold it"):
            assert sentence in page
        form = client.get(f"{security}/rules/edit").text
        for text in (further["minimum"], further["volume"], further["hours"], further["windows"], further["country_caps"]):
            assert f'value="{text}"' in form
        # Sent back as it came, without a source: the rules and their sources stay.
        shown = send(client, f"{security}/rules/edit/preview", {"country_rule": "none", **further})
        assert shown.text.count("Source: Rule 144.") == 11


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"country_rule": "none", "country_caps": "US many"}, "country_caps"),
        ({"country_rule": "none", "category_caps": "300 5"}, "category_caps"),
        ({"country_rule": "none", "volume": "1000"}, "volume"),
        ({"country_rule": "none", "hours": "mon 17:00-09:00"}, "hours"),
        ({"country_rule": "none", "windows": "tomorrow"}, "windows"),
        ({"country_rule": "none", "venues": "0x00000000219ab540356cBB839Cbe05303d7705FA"}, "venues"),
        ({"country_rule": "none", "minimum": "10", "maximum": "9"}, "maximum"),
        ({"country_rule": "blocked", "countries": ""}, "countries"),
        ({"country_rule": "allowed", "countries": "Atlantis"}, "countries"),
        ({"country_rule": "none", "maximum": "0"}, "maximum"),
        ({"country_rule": "none", "supply_cap": "1.5"}, "supply_cap"),
        ({"country_rule": "none", "holder_cap": "0"}, "holder_cap"),
        ({"country_rule": "none", "holder_cap": "9", "holder_cap_citation": "x" * 301}, "holder_cap_citation"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_at_its_field(rig: Rig, values: dict[str, str], field: str) -> None:
    with signed_in(rig) as client:
        security = a_vehicle(client, symbol=f"R{zlib.crc32(str(values).encode()) % 10**8}").headers["location"]
        answer = send(client, f"{security}/rules/edit/preview", values)
        assert answer.status_code == 422
        assert f'id="{field}-wrong"' in answer.text
