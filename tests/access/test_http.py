# SPDX-License-Identifier: Apache-2.0
"""The REST routes of access, from sign-in to the verified log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from muniment.access import commands
from muniment.access.http import ROUTES
from muniment.access.model import Action, Actor, Pending, Role
from muniment.units.ids import UserId, new_id
from tests.access.unit import NOON, PASSWORD, Installation, an_email
from tests.access.web import served, sign_in


@pytest.fixture
def client(installation: Installation) -> Iterator[TestClient[Litestar]]:
    """The routes of access over the installation."""
    with served(installation, ROUTES) as client:
        yield client


@pytest.fixture
def owner(installation: Installation, client: TestClient[Litestar]) -> tuple[Actor, dict[str, str]]:
    """An owner and the header of their session."""
    email = an_email()
    actor = installation.found(email=email).owner
    return actor, sign_in(client, email)


def test_me_says_who_where_and_what_may_be_done(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    actor, header = owner
    me = client.get("/v1/me", headers=header).json()
    assert (me["user_id"], me["organisation_id"], me["roles"]) == (str(actor.user_id), str(actor.tenant_id), ["owner"])
    assert "settlement.issue" in me["actions"]
    assert [organisation["name"] for organisation in me["organisations"]] == ["Heron Motors Ltd"]
    assert client.get("/v1/organisation", headers=header).json()["country"] == "GB"


def test_a_wrong_password_is_counted_though_it_is_refused(client: TestClient[Litestar], installation: Installation) -> None:
    email = an_email()
    installation.found(email=email)
    codes = [client.post("/v1/sessions", json={"email": email, "password": "wrong wrong"}).json()["code"] for _ in range(6)]
    assert codes == ["access.wrong_credentials"] * 5 + ["access.too_many_attempts"]


def test_signing_out_ends_the_session(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    assert client.delete("/v1/sessions/current", headers=header).status_code == 204
    assert client.get("/v1/me", headers=header).json()["code"] == "access.not_signed_in"


@pytest.mark.parametrize("path", ["/v1/me", "/v1/members", "/v1/approvals", "/v1/audit", "/v1/organisation"])
def test_nothing_is_told_without_a_session(client: TestClient[Litestar], path: str) -> None:
    assert client.get(path).json()["code"] == "access.not_signed_in"
    assert client.get(path, headers={"Authorization": "Bearer made-up"}).json()["code"] == "access.not_signed_in"


def test_an_unknown_field_is_refused(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    answer = client.post("/v1/sessions", json={"email": "a@example.com", "password": PASSWORD, "roles": ["owner"]})
    assert answer.status_code == 400
    body = {"email": an_email(), "display_name": "Ben", "roles": ["auditor"], "user_id": "1"}
    assert client.post("/v1/invitations", json=body, headers=header).status_code == 400


def test_members_come_by_invitation_change_roles_and_go(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    actor, header = owner
    email = an_email()
    invited = client.post("/v1/invitations", json={"email": email, "display_name": "Ben", "roles": ["auditor"]}, headers=header).json()
    accepted = client.post("/v1/invitations/accept", json={"token": invited["token"], "password": PASSWORD}).json()
    assert (accepted["organisation_id"], accepted["roles"]) == (str(actor.tenant_id), ["auditor"])
    member = sign_in(client, email)
    assert client.get("/v1/approval-policy", headers=member).status_code == 200
    path = f"/v1/members/{accepted['user_id']}"
    assert client.put(f"{path}/roles", json={"roles": ["investor"]}, headers=member).json()["code"] == "access.not_permitted"
    assert client.put(f"{path}/roles", json={"roles": ["emperor"]}, headers=header).json()["code"] == "access.unknown_role"
    assert client.put(f"{path}/roles", json={"roles": ["investor"]}, headers=header).json()["roles"] == ["investor"]
    assert {each["email"] for each in client.get("/v1/members", headers=header).json()["members"]} >= {email}
    assert client.delete(path, headers=header).status_code == 204
    assert client.get("/v1/me", headers=member).json()["code"] == "access.not_signed_in"
    assert client.post("/v1/invitations/accept", json={"token": "x", "password": PASSWORD}).json()["code"] == "access.invitation_invalid"


def test_a_session_moves_to_another_organisation_of_the_user(
    client: TestClient[Litestar], installation: Installation, owner: tuple[Actor, dict[str, str]]
) -> None:
    actor, header = owner
    second = installation.found(email=client.get("/v1/me", headers=header).json()["email"]).owner
    moved = client.put("/v1/sessions/current/organisation", json={"organisation_id": str(second.tenant_id)}, headers=header).json()
    assert moved["organisation_id"] == str(second.tenant_id) != str(actor.tenant_id)
    assert client.get("/v1/me", headers=header).json()["code"] == "access.not_signed_in"


def test_a_password_is_changed_with_the_old_one(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    wrong = client.put("/v1/me/password", json={"old_password": "wrong wrong", "new_password": "nine loud bitterns"}, headers=header)
    assert wrong.json()["code"] == "access.wrong_credentials"
    right = client.put("/v1/me/password", json={"old_password": PASSWORD, "new_password": "nine loud bitterns"}, headers=header).json()
    assert client.get("/v1/me", headers={"Authorization": f"Bearer {right['token']}"}).status_code == 200


def test_approvals_are_listed_decided_and_kept_apart(
    client: TestClient[Litestar], installation: Installation, owner: tuple[Actor, dict[str, str]]
) -> None:
    actor, header = owner
    colleague = Actor(user_id=new_colleague(), tenant_id=actor.tenant_id, roles=frozenset({Role.OWNER}), display_name="Ben")
    ids = []
    for number in range(2):
        with installation.begin(actor.tenant_id) as unit:
            pending = commands.require_approval(colleague, Action.SETTLEMENT_ISSUE, {"n": number}, unit=unit)
        assert isinstance(pending, Pending)
        ids.append(str(pending.approval_id))
    page = client.get("/v1/approvals?state=requested&limit=1", headers=header).json()
    rest = client.get(f"/v1/approvals?limit=5&cursor={page['next_cursor']}", headers=header).json()
    assert {each["approval_id"] for each in page["approvals"] + rest["approvals"]} == set(ids)
    approved = client.post(f"/v1/approvals/{ids[0]}/approve", headers=header).json()
    assert (approved["state"], approved["decided_by"], approved["request"]) == ("approved", str(actor.user_id), {"n": 0})
    rejected = client.post(f"/v1/approvals/{ids[1]}/reject", json={"reason": "no"}, headers=header).json()
    assert (rejected["state"], rejected["rejection"]) == ("rejected", "no")
    assert client.get(f"/v1/approvals/{ids[1]}", headers=header).json() == rejected
    assert client.post(f"/v1/approvals/{ids[1]}/approve", headers=header).json()["code"] == "access.approval_closed"
    assert client.get("/v1/approvals?state=unheard", headers=header).status_code == 400
    assert client.get("/v1/approvals/nonsense", headers=header).json()["code"] == "units.not_an_id"
    email = an_email()
    installation.found(email=email)
    foreign = sign_in(client, email)
    assert client.get(f"/v1/approvals/{ids[0]}", headers=foreign).json()["code"] == "access.not_found"
    assert client.post(f"/v1/approvals/{ids[0]}/approve", headers=foreign).json()["code"] == "access.not_found"


def test_the_policy_is_shown_and_loosening_it_waits(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    assert client.get("/v1/approval-policy", headers=header).json()["four_eyes"]["settlement.issue"] is True
    tightened = client.put("/v1/approval-policy/settlement.issue", json={"required": True}, headers=header).json()
    assert tightened == {"action": "settlement.issue", "done": True, "approval_id": None}
    loosened = client.put("/v1/approval-policy/settlement.issue", json={"required": False}, headers=header).json()
    assert loosened["done"] is False
    assert loosened["approval_id"] is not None
    refused = client.put("/v1/approval-policy/parties.view", json={"required": True}, headers=header).json()
    assert refused["code"] == "access.not_under_four_eyes"


def test_the_log_is_read_by_pages_and_verified(client: TestClient[Litestar], owner: tuple[Actor, dict[str, str]]) -> None:
    _, header = owner
    for _ in range(3):
        client.post("/v1/invitations", json={"email": an_email(), "display_name": "Ben", "roles": ["auditor"]}, headers=header)
    first = client.get("/v1/audit?limit=3", headers=header).json()
    second = client.get(f"/v1/audit?limit=3&cursor={first['next_cursor']}", headers=header).json()
    assert [each["sequence"] for each in first["entries"] + second["entries"]] == [4, 3, 2, 1]
    assert second["next_cursor"] is None
    assert len(client.get("/v1/audit?action=access.invite_member", headers=header).json()["entries"]) == 3
    verified = client.get("/v1/audit/verification", headers=header).json()
    assert (verified["intact"], verified["entries"], verified["head"]) == (True, 4, first["entries"][0]["entry_hash"])
    assert client.get("/v1/audit?cursor=x", headers=header).json()["code"] == "access.bad_cursor"
    assert client.get("/v1/audit?limit=201", headers=header).status_code == 400


def new_colleague() -> UserId:
    """Return the id of somebody else."""
    return UserId(new_id(NOON))
