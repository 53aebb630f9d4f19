# SPDX-License-Identifier: Apache-2.0
"""The pages of the law without a browser: packs shown before they are chosen, the Howey record drafted, signed and printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from muniment.access.model import Role
from tests.app.rig import Rig, a_member, a_rig, signed_in
from tests.app.test_web_tokenise import a_vehicle, hidden, send

CHOICE = {
    "pack:us.regd.506c": "yes",
    "pack:us.regs.category3": "yes",
    "law_price": "10.00",
    "law_currency": "USD",
    "law_closed_on": "2026-06-01",
    "law_issuer_country": "US",
    "law_issuer_reporting": "no",
    "law_general_solicitation": "yes",
}


@pytest.fixture(scope="module")
def rig(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with a_rig(make_database, tmp_path_factory.mktemp("home")) as made:
        a_member(made, "agent@example.com", Role.TRANSFER_AGENT)
        a_member(made, "officer@example.com", Role.COMPLIANCE_OFFICER)
        yield made


def test_packs_are_shown_as_rules_and_then_stand_on_the_law_tab(rig: Rig) -> None:
    with signed_in(rig) as client:
        security = a_vehicle(client, symbol="LAW").headers["location"]
        assert "No pack is chosen" in client.get(f"{security}/law").text
        shown = send(client, f"{security}/law/edit/preview", CHOICE)
        assert shown.status_code == 200
        assert "17 CFR 230.506(c)" in shown.text
        assert "Choose 2 packs" in shown.text
        # Other boxes than those that were shown are shown again, and nothing is chosen.
        other = {**CHOICE, "pack:us.3c1": "yes", **hidden(shown.text)}
        assert send(client, f"{security}/law/edit", other).status_code == 200
        assert "No pack is chosen" in client.get(f"{security}/law").text
        answer = send(client, f"{security}/law/edit", {**CHOICE, **hidden(shown.text)})
        assert answer.headers["location"] == f"{security}/law"
        page = client.get(f"{security}/law").text
        assert "us.regd.506c" in page
        assert "17 CFR 230.901-905" in page
        form = client.get(f"{security}/law/edit").text
        assert re.search(r'name="pack:us.regd.506c" value="yes" checked', form)
        assert 'value="2026-06-01"' in form


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"law_currency": "XYZ"}, "not a currency"), ({"law_price": "1,000"}, "not an amount"), ({"law_closed_on": "soon"}, "not a date")],
)
def test_a_wrong_term_is_refused_at_its_field(rig: Rig, changed: dict[str, str], words: str) -> None:
    with signed_in(rig) as client:
        security = a_vehicle(client, symbol=f"W{abs(hash(words)) % 9999}").headers["location"]
        answer = send(client, f"{security}/law/edit/preview", {**CHOICE, **changed})
        assert answer.status_code == 422
        assert words in answer.text
        assert f'id="{next(iter(changed))}-wrong"' in answer.text


def test_an_assessment_is_drafted_by_one_signed_by_another_and_printed(rig: Rig) -> None:
    answers = {"answer:M": "y", "answer:C": "y", "answer:P": "n", "answer:E3": "n", "evidence:P": "Nobody expects a profit; “use” only."}
    with signed_in(rig) as client:
        security = a_vehicle(client, symbol="HOWEY").headers["location"]
        found = re.search(r'href="(/assets/0x[0-9a-f]{64}/assessment)"', client.get(f"{security}/law").text)
        assert found is not None
        assessment = found[1]
        assert send(client, assessment, {"token_model": "integrated_register"}).status_code == 422
        answer = send(client, assessment, {**answers, "token_model": "integrated_register"})
        assert answer.headers["location"] == assessment
        page = client.get(assessment).text
        assert "not an investment contract" in page
        assert "waits for another owner or compliance officer" in page
        assert "Nobody expects a profit" in page
        own = send(client, f"{assessment}/1/signature", {})
        assert own.status_code == 422
        assert "Whoever drafted an assessment does not sign it" in own.text
        assert "Not signed" in client.get(f"{assessment}/1/memo").text or "not yet" in client.get(f"{assessment}/1/memo").text
    with signed_in(rig, "officer@example.com") as officer:
        assert "Sign version 1" in officer.get(assessment).text
        assert send(officer, f"{assessment}/1/signature", {}).headers["location"] == assessment
        memo = officer.get(f"{assessment}/1/memo").text
        assert "Nobody expects a profit" in memo
        assert "This is not legal advice" in memo
        printed = officer.get(f"{assessment}/1/memo.pdf")
        assert printed.headers["content-type"] == "application/pdf"
        assert printed.content.startswith(b"%PDF-")
        assert officer.get(f"{assessment}/2/memo").status_code == 404
    with signed_in(rig) as client:
        form = client.get(f"{security}/law/edit").text
        assert "no pack is offered" in form
        answer = send(client, f"{security}/law/edit/preview", CHOICE)
        assert answer.status_code == 422
        assert "compliance.pack_not_offered" in answer.text


def test_an_agent_sees_the_law_and_drafts_but_neither_chooses_nor_signs(rig: Rig) -> None:
    with signed_in(rig) as client:
        security = a_vehicle(client, symbol="AGENT").headers["location"]
    with signed_in(rig, "agent@example.com") as agent:
        page = agent.get(f"{security}/law").text
        assert "Choose packs" not in page
        assert agent.get(f"{security}/law/edit").status_code == 403


def test_the_desk_shows_what_waits_and_how_each_security_stands(rig: Rig) -> None:
    with signed_in(rig) as client:
        security = a_vehicle(client, symbol="DESK").headers["location"]
        shown = send(client, f"{security}/law/edit/preview", CHOICE)
        send(client, f"{security}/law/edit", {**CHOICE, **hidden(shown.text)})
    with signed_in(rig, "officer@example.com") as officer:
        page = officer.get("/compliance").text
        assert "us.regd.506c, us.regs.category3" in page
        assert f'href="{security}/rules"' in page
        assert 'href="/investors/queue?kind=sanctions"' in page
        assert "32 rules of law" in page
