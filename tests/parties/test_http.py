# SPDX-License-Identifier: Apache-2.0
"""The REST routes of parties: onboarding by form and file, who sees personal data, idempotent posts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from muniment.access import commands
from muniment.access.commands import AcceptInvitation, InviteMember
from muniment.access.http import ROUTES as ACCESS_ROUTES
from muniment.access.model import Actor, Role
from muniment.parties.http import ROUTES
from tests.access.unit import PASSWORD, Installation, an_email
from tests.access.web import served, sign_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "investors.csv"
ADA = {"external_reference": "A-1", "name": "Ada Example", "email": "ada@example.com", "country": "CH"}
WALLET = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.fixture
def client(installation: Installation) -> Iterator[TestClient[Litestar]]:
    """The routes of access and parties over the installation."""
    with served(installation, [*ACCESS_ROUTES, *ROUTES]) as client:
        yield client


@pytest.fixture
def owner(installation: Installation, client: TestClient[Litestar]) -> tuple[Actor, dict[str, str]]:
    """An owner and the header of their session."""
    email = an_email()
    actor = installation.found(email=email).owner
    return actor, sign_in(client, email)


def a_member(installation: Installation, client: TestClient[Litestar], owner: Actor, role: Role) -> dict[str, str]:
    email = an_email()
    with installation.begin(owner.tenant_id) as unit:
        token = commands.invite_member(owner, InviteMember(email=email, display_name="Ben", roles=frozenset({role})), unit=unit)
    with installation.begin(owner.tenant_id) as unit:
        commands.accept_invitation(AcceptInvitation(token=token, password=PASSWORD, source="203.0.113.7"), unit=unit)
    return sign_in(client, email)


def test_an_investor_is_onboarded_verified_given_a_wallet_and_erased(
    client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]
) -> None:
    _, header = owner
    made = client.post("/v1/investors", json=ADA, headers=header)
    assert made.status_code == 201
    investor = made.json()
    assert (investor["status"], investor["country_name"], investor["name"]) == ("draft", "Switzerland", None)
    path = f"/v1/investors/{investor['investor_id']}"
    assert client.post(f"{path}/verify", headers=header).json()["status"] == "verified"
    wallet = client.post(f"{path}/wallets", json={"address": WALLET}, headers=header)
    assert (wallet.status_code, wallet.json()["position"], wallet.json()["managed"]) == (201, 2, False)
    detail = client.get(path, headers=header).json()
    assert detail["person"]["email"] == "ada@example.com"
    assert [claim["topic"] for claim in detail["claims"]] == ["kyc", "aml"]
    assert len(detail["investor"]["wallets"]) == 2
    assert client.post(f"{path}/erase", headers=header).json()["name"] == "erased"
    erased = client.get(path, headers=header).json()
    assert (erased["person"], erased["investor"]["name"]) == (None, "erased")


def test_a_repeated_post_with_its_key_makes_one_investor_and_one_wallet(
    client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]
) -> None:
    _, header = owner
    keyed = {**header, "Idempotency-Key": "k-1"}
    first, second = (client.post("/v1/investors", json=ADA, headers=keyed) for _ in range(2))
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    other = client.post("/v1/investors", json={**ADA, "external_reference": "A-2"}, headers=keyed)
    assert other.json()["code"] == "access.idempotency_conflict"
    path = f"/v1/investors/{first.json()['investor_id']}/wallets"
    keyed = {**header, "Idempotency-Key": "k-2"}
    wallets = [client.post(path, json={}, headers=keyed).json() for _ in range(2)]
    assert wallets[0] == wallets[1]
    assert wallets[0]["position"] == 2


def test_the_example_file_is_imported_once(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    reports = []
    for _ in range(2):
        answer = client.post("/v1/investors/import", files={"file": ("investors.csv", EXAMPLE.read_bytes(), "text/csv")}, headers=header)
        assert answer.status_code == 200, answer.text
        reports.append(answer.json())
    assert [(len(each["accepted"]), len(each["refused"]), len(each["unchanged"])) for each in reports] == [(50, 0, 0), (0, 0, 50)]
    export = client.get("/v1/investors/export", headers=header)
    assert export.headers["content-type"].startswith("text/csv")
    assert "attachment" in export.headers["content-disposition"]
    assert len(export.text.splitlines()) == 51


def test_a_refused_row_carries_file_line_and_field(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    raw = b"external_reference,name,email,country\nA-1,=1,ada@example.com,CH\nA-2,Ada,ada@example.com,CH\n"
    report = client.post("/v1/investors/import", files={"file": ("../x/people.csv", raw, "text/csv")}, headers=header).json()
    (refused,) = report["refused"]
    assert refused["reasons"][0]["code"] == "parties.formula"
    assert refused["reasons"][0]["place"] == {"file": "people.csv", "line": 2, "field": "name"}
    assert len(report["accepted"]) == 1
    whole = client.post("/v1/investors/import", files={"file": ("p.csv", b"iban\n", "text/csv")}, headers=header)
    assert whole.json()["code"] == "parties.unknown_column"


def test_an_auditor_sees_investors_without_personal_data(
    client: TestClient[Litestar], installation: Installation, owner: tuple[Actor, dict[str, str]]
) -> None:
    actor, header = owner
    investor = client.post("/v1/investors", json=ADA, headers=header).json()
    auditor = a_member(installation, client, actor, Role.AUDITOR)
    for path in ("/v1/investors", f"/v1/investors/{investor['investor_id']}"):
        text = client.get(path, headers=auditor).text
        assert "A-1" in text
        assert "Ada" not in text
        assert "ada@" not in text
    for refused in (
        client.get("/v1/investors?search=ada@example.com", headers=auditor),
        client.get("/v1/investors/export", headers=auditor),
        client.post(f"/v1/investors/{investor['investor_id']}/verify", headers=auditor),
        client.post(f"/v1/investors/{investor['investor_id']}/erase", headers=auditor),
        client.post("/v1/investors", json=ADA, headers=auditor),
    ):
        assert refused.json()["code"] == "access.not_permitted"


def test_a_list_is_searched_and_paged(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    for number in range(3):
        client.post("/v1/investors", json={**ADA, "external_reference": f"A-{number}", "email": f"a{number}@example.com"}, headers=header)
    found = client.get("/v1/investors", params={"search": "a1@example.com"}, headers=header).json()["investors"]
    assert [each["external_reference"] for each in found] == ["A-1"]
    first = client.get("/v1/investors?limit=2&status=draft", headers=header).json()
    second = client.get(f"/v1/investors?limit=2&cursor={first['next_cursor']}", headers=header).json()
    assert len({each["investor_id"] for each in first["investors"] + second["investors"]}) == 3
    assert client.get("/v1/investors?status=nonsense", headers=header).status_code == 400


def test_a_foreign_investor_is_not_found_by_any_route(
    client: TestClient[Litestar], installation: Installation, owner: tuple[Actor, dict[str, str]]
) -> None:
    _, header = owner
    path = f"/v1/investors/{client.post('/v1/investors', json=ADA, headers=header).json()['investor_id']}"
    email = an_email()
    installation.found(email=email)
    foreign = sign_in(client, email)
    answers = [
        client.get(path, headers=foreign),
        client.post(f"{path}/verify", headers=foreign),
        client.post(f"{path}/review", json={"accepted": True}, headers=foreign),
        client.post(f"{path}/wallets", json={}, headers=foreign),
        client.post(f"{path}/erase", headers=foreign),
    ]
    assert {answer.json()["code"] for answer in answers} == {"parties.investor_not_found"}
    assert client.get("/v1/investors", headers=foreign).json()["investors"] == []


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"country": "UK"}, "parties.unknown_country", "country"),
        ({"name": "N" * 10_000}, "parties.bad_name", "name"),
        ({"name": "=1"}, "parties.formula", "name"),
        ({"wallet_address": WALLET.lower()}, "parties.bad_checksum", "wallet_address"),
        ({"email": "x"}, "parties.bad_email", "email"),
    ],
)
def test_a_bad_form_is_refused_with_its_field(
    client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]], change: dict[str, str], code: str, field: str
) -> None:
    _, header = owner
    refused = client.post("/v1/investors", json={**ADA, **change}, headers=header).json()
    assert (refused["code"], refused["place"]) == (code, {"field": field})
