# SPDX-License-Identifier: Apache-2.0
"""The REST routes of parties: onboarding by form and file, who sees personal data, idempotent posts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from litestar import Litestar
from litestar.testing import TestClient

from muniment.access import commands
from muniment.access.commands import AcceptInvitation, InviteMember
from muniment.access.http import ROUTES as ACCESS_ROUTES
from muniment.access.model import Actor, Role
from muniment.parties.http import ROUTES
from muniment.parties.model import ClaimTopic, Cleared
from muniment.parties.model.webhooks import BODY_BYTES_MAX, SIGNATURE_HEADER, body_of, sign_body
from muniment.units.ids import InvestorId
from tests.access.unit import NOON, PASSWORD, Installation, an_email
from tests.access.web import served, sign_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "investors.csv"
ADA = {"external_reference": "A-1", "name": "Ada Example", "email": "ada@example.com", "country": "CH"}
TAX_FORM = {
    "topic": "tax_form",
    "basis": "w9",
    "issuer": "the investor",
    "evidence_sha256": "5" * 64,
    "expires_at": "2027-01-01T00:00:00Z",
}
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


# The file


def onboarded(client: TestClient[Litestar], header: dict[str, str], **fields: str) -> str:
    return str(client.post("/v1/investors", json={**ADA, **fields}, headers=header).json()["investor_id"])


def test_a_claim_is_added_once_under_its_key_listed_and_revoked(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    path = f"/v1/investors/{onboarded(client, header)}"
    keyed = {**header, "Idempotency-Key": "c-1"}
    first, second = (client.post(f"{path}/claims", json=TAX_FORM, headers=keyed) for _ in range(2))
    assert (first.status_code, first.json()) == (201, second.json())
    (claim,) = client.get(path, headers=header).json()["claims"]
    assert (claim["topic"], claim["basis"], claim["by_officer"], claim["revoked_at"]) == ("tax_form", "w9", True, None)
    revoked = client.post(f"{path}/claims/{claim['claim_id']}/revoke", json={"reason": "wrong"}, headers=header)
    assert (revoked.status_code, revoked.json()["revocation"]) == (200, "wrong")
    naive = client.post(f"{path}/claims", json={**TAX_FORM, "expires_at": "2027-01-01T00:00:00"}, headers=header)
    assert naive.json()["code"] == "time.not_an_instant"


def test_an_accreditation_is_answered_with_the_approval_that_it_waits_for(
    client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]
) -> None:
    _, header = owner
    path = f"/v1/investors/{onboarded(client, header)}"
    asked = client.post(f"{path}/claims", json={**TAX_FORM, "topic": "accreditation", "basis": "income_documents"}, headers=header)
    assert (asked.status_code, asked.json()["claim"]) == (202, None)
    (item,) = client.get("/v1/review-queue?kind=approval", headers=header).json()["items"]
    assert item["subject_id"] == asked.json()["approval_id"]


def test_a_re_verification_takes_in_what_changed(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    path = f"/v1/investors/{onboarded(client, header)}"
    assert client.post(f"{path}/reverify", json={"changes": {"country": "LI"}}, headers=header).json()["status"] == "verified"
    assert client.get(path, headers=header).json()["investor"]["country"] == "LI"
    assert client.post(f"{path}/reverify", json={"changes": {"kind": "plan"}}, headers=header).json()["code"] == "parties.bad_value"


def test_a_list_is_uploaded_and_its_hit_cleared(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    uploaded = client.post("/v1/sanctions-lists?source=own", files={"file": ("own.csv", b"entry_id,name\n7,Example Ada\n")}, headers=header)
    assert (uploaded.status_code, uploaded.json()["entries"]) == (201, 1)
    assert [found["source"] for found in client.get("/v1/sanctions-lists", headers=header).json()["lists"]] == ["own"]
    path = f"/v1/investors/{onboarded(client, header)}"
    verdict = client.post(f"{path}/verify", headers=header).json()
    assert (verdict["status"], verdict["reasons"][0]["code"]) == ("in_review", "parties.sanctions_hit")
    (hit,) = client.get(f"{path}/sanctions-hits", headers=header).json()["hits"]
    (item,) = client.get("/v1/review-queue?kind=sanctions", headers=header).json()["items"]
    assert item["subject_id"] == hit["hit_id"]
    cleared = client.post(f"/v1/sanctions-hits/{hit['hit_id']}/clear", json={"reason": "born elsewhere"}, headers=header)
    assert (cleared.json()["state"], cleared.json()["reason"]) == ("cleared", "born elsewhere")
    assert client.post("/v1/sanctions-lists/screening", headers=header).status_code == 202


def test_the_queue_is_read_page_by_page(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    for number in range(3):
        client.post(
            f"/v1/investors/{onboarded(client, header, external_reference=f'Q-{number}', name='Petra Publicova')}/verify", headers=header
        )
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        page = client.get(f"/v1/review-queue?limit=1{cursor}", headers=header).json()
        seen += [item["investor_id"] for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert len(set(seen)) == 3
    assert client.get(f"/v1/review-queue?limit=1{cursor}", headers=header).json() == {"items": [], "next_cursor": None}


def test_a_wallet_is_proved_with_the_message_that_was_given(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    path = f"/v1/investors/{onboarded(client, header)}/wallet-proofs"
    key = Account.create()
    message = client.post(path, json={"address": key.address}, headers=header).json()["message"]
    signature = "0x" + key.sign_message(encode_defunct(text=message)).signature.hex().removeprefix("0x")
    proved = client.post(f"{path}/answer", json={"message": message, "signature": signature}, headers=header)
    assert (proved.json()["address"], proved.json()["managed"], proved.json()["proved_at"] is not None) == (key.address, False, True)


def test_a_providers_message_needs_no_session_but_its_signature(
    installation: Installation, client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]
) -> None:
    actor, header = owner
    secret = bytes.fromhex(client.put("/v1/identity-providers/sandbox/secret", headers=header).json()["secret"])
    investor_id = InvestorId(UUID(onboarded(client, header, name="Wanda Waiting")))
    assert client.post(f"/v1/investors/{investor_id}/verify", headers=header).json()["status"] == "in_review"
    with installation.begin(actor.tenant_id) as unit:
        check = unit.identity_checks.waiting_of(investor_id)
    assert check is not None
    body = body_of("event-1", check.check_id, Cleared("sandbox", (ClaimTopic.KYC,), NOON + dt.timedelta(days=9), b"\5" * 32))
    path = f"/v1/identity-webhooks/{actor.tenant_id}/sandbox"
    unsigned = client.post(path, content=body)
    assert unsigned.json()["code"] == "parties.webhook_signature"
    signed = {SIGNATURE_HEADER: sign_body(secret, body, at=NOON)}
    assert client.post(path, content=body, headers=signed).json() == {"received": True}
    assert client.post(path, content=body, headers=signed).json()["code"] == "parties.webhook_reused"
    assert client.get(f"/v1/investors/{investor_id}", headers=header).json()["investor"]["status"] == "verified"
    elsewhere = client.post(f"/v1/identity-webhooks/{UUID(int=5)}/sandbox", content=body, headers=signed)
    assert elsewhere.json()["code"] == "parties.webhook_signature"
    too_large = client.post(path, content=b" " * (BODY_BYTES_MAX + 1), headers=signed)
    assert too_large.status_code == 413
