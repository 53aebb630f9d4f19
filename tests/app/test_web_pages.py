# SPDX-License-Identifier: Apache-2.0
"""Forms that need no chain: onboarding from a file, verifying, reviewing, accepting an invitation, searching, colours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from muniment.access.commands import InviteMember, invite_member
from muniment.access.model import Role
from tests.app.rig import PASSWORD, Rig, a_member, a_rig, form_token, signed_in

HEADER = "external_reference,kind,name,email,country,date_of_birth\n"


@pytest.fixture(scope="module")
def rig(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with a_rig(make_database, tmp_path_factory.mktemp("home")) as made:
        a_member(made, "second@example.com", Role.COMPLIANCE_OFFICER)
        a_member(made, "auditor@example.com", Role.AUDITOR)
        yield made


def upload(client: Any, content: bytes) -> Any:
    token = form_token(client.get("/investors/import").text)
    return client.post("/investors/import", data={"_csrf": token}, files={"file": ("people.csv", content, "text/csv")})


def press(client: Any, page: str, path: str, **fields: str) -> Any:
    """Send a form of a page, as its button does."""
    return client.post(path, data={"_csrf": form_token(client.get(page).text), **fields}, follow_redirects=False)


def page_of(client: Any, name: str) -> str:
    found = re.search(rf'href="(/investors/[0-9a-f-]{{36}})">{re.escape(name)}<', client.get("/investors").text)
    assert found is not None, f"{name} is not in the list"
    return found[1]


def test_a_files_valid_rows_are_kept_and_its_wrong_ones_listed_with_line_and_field(rig: Rig) -> None:
    rows = "F-1,person,Fine Person,fine@example.com,FR,1980-01-01\nF-2,person,=HYPERLINK(1),bad@example.com,XX,\n"
    with signed_in(rig) as client:
        answer = upload(client, (HEADER + rows).encode())
        assert answer.status_code == 200
        assert "1 row onboarded, 1 refused" in answer.text
        assert "Line 3" in answer.text
        assert "=HYPERLINK" not in client.get("/investors").text
        assert "Fine Person" in client.get("/investors").text
        # The same file again makes nobody twice.
        assert "1 were known already" in upload(client, (HEADER + rows).encode()).text


@pytest.mark.parametrize("content", [b"", b"name\nx\n", b"\xff\xfe\x00", b"external_reference,name,email,country,surprise\n"])
def test_a_file_that_cannot_be_read_is_refused_whole_with_its_place(rig: Rig, content: bytes) -> None:
    with signed_in(rig) as client:
        answer = upload(client, content)
        assert answer.status_code == 422
        assert "The file cannot be read" in answer.text
        assert "What would help:" in answer.text


def test_no_file_is_said_beside_the_field(rig: Rig) -> None:
    with signed_in(rig) as client:
        answer = client.post("/investors/import", data={"_csrf": form_token(client.get("/investors/import").text)})
        assert answer.status_code == 422
        assert 'id="file-wrong"' in answer.text


def test_verifying_by_the_button_shows_what_came_of_it(rig: Rig) -> None:
    with signed_in(rig) as client:
        upload(client, (HEADER + "V-1,person,Vera Verified,vera@example.com,FR,1980-01-01\n").encode())
        upload(client, (HEADER + "V-2,person,Igor Sanctionov,igor@example.com,FR,1980-01-01\n").encode())
        for name, status in (("Vera Verified", "verified"), ("Igor Sanctionov", "rejected")):
            page = page_of(client, name)
            assert press(client, page, f"{page}/verify").headers["location"] == page
            assert f"</svg>{status}</span>" in client.get(page).text


def test_a_referred_case_is_decided_by_a_second_person(rig: Rig) -> None:
    with signed_in(rig) as client:
        upload(client, (HEADER + "R-1,person,Petra Publicova,petra@example.com,FR,1980-01-01\n").encode())
        page = page_of(client, "Petra Publicova")
        press(client, page, f"{page}/verify")
        assert "Accept after review" not in client.get(page).text
        own = press(client, page, f"{page}/review", decision="accept")
        assert own.status_code in {403, 422}
    with signed_in(rig, "second@example.com") as other:
        assert "Accept after review" in other.get(page).text
        press(other, page, f"{page}/review", decision="accept")
        assert "</svg>verified</span>" in other.get(page).text


def test_who_may_not_see_personal_data_sees_none(rig: Rig) -> None:
    with signed_in(rig) as client:
        upload(client, (HEADER + "P-1,person,Paula Private,paula@example.com,FR,1980-01-01\n").encode())
        page = page_of(client, "Paula Private")
    with signed_in(rig, "auditor@example.com") as auditor:
        for path in ("/investors", page, "/audit"):
            text = auditor.get(path).text
            assert "Paula" not in text
            assert "paula@" not in text
        assert auditor.get("/investors?q=paula%40example.com").status_code == 403


def test_seeing_personal_data_is_in_the_log(rig: Rig) -> None:
    with signed_in(rig) as client:
        upload(client, (HEADER + "L-1,person,Lia Logged,lia@example.com,FR,1980-01-01\n").encode())
        page = page_of(client, "Lia Logged")
        client.get(page)
        log = client.get("/audit?action=parties.view_personal_data").text
        assert page in log
        assert "Lia" not in log


def test_search_finds_an_investor_by_e_mail_and_leads_there(rig: Rig) -> None:
    with signed_in(rig) as client:
        upload(client, (HEADER + "S-1,person,Sam Searched,sam@example.com,FR,1980-01-01\n").encode())
        answer = client.get("/search?q=sam%40example.com", follow_redirects=False)
        assert answer.headers["location"] == page_of(client, "Sam Searched")
        assert "Nothing found" in client.get("/search?q=nobody%40example.com").text


def test_an_invited_person_joins_by_the_page(rig: Rig) -> None:
    with rig.units.begin(rig.owner.tenant_id) as unit:
        invitation = InviteMember("invited@example.com", "Ina Invited", frozenset({Role.AUDITOR}))
        token = invite_member(rig.owner, invitation, unit=unit)
    with rig.client() as client:
        page = f"/invitation?token={token}"
        weak = press(client, page, "/invitation", token=token, password="short")
        assert weak.status_code == 422
        assert 'id="password-wrong"' in weak.text
        assert press(client, page, "/invitation", token="made-up", password=PASSWORD).status_code == 422
        assert press(client, page, "/invitation", token=token, password=PASSWORD).headers["location"] == "/sign-in"
    with signed_in(rig, "invited@example.com") as client:
        assert "Ina Invited" in client.get("/securities").text


def test_chosen_colours_stay(rig: Rig) -> None:
    with signed_in(rig) as client:
        assert press(client, "/securities", "/theme", theme="dark", back="/audit").headers["location"] == "/audit"
        assert 'data-theme="dark"' in client.get("/securities").text
        press(client, "/securities", "/theme", theme="<script>", back="/audit")
        assert "data-theme" not in client.get("/securities").text


def test_an_organisation_without_anything_says_what_to_do(rig: Rig) -> None:
    with signed_in(rig) as client:
        assert "No securities yet" in client.get("/securities").text
        assert "No transactions yet" in client.get("/transactions").text
        assert "Nothing waits" in client.get("/approvals").text
