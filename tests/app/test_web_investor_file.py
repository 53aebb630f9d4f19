# SPDX-License-Identifier: Apache-2.0
"""The investor's file in the pages: claims, hits, re-verification, proofs of wallets, history, and the review queue."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from muniment.access.model import Role
from muniment.parties import commands as parties
from muniment.parties.process import screen_investors
from tests.app.rig import Rig, a_member, a_rig, signed_in
from tests.app.test_web_pages import HEADER, page_of, press, upload

SOON = (dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=20)).date().isoformat()
CLAIM = {"topic": "tax_form", "basis": "w9", "issuer": "the investor", "evidence_sha256": "5" * 64, "expires_on": SOON}


@pytest.fixture(scope="module")
def rig(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with a_rig(make_database, tmp_path_factory.mktemp("home")) as made:
        a_member(made, "second@example.com", Role.COMPLIANCE_OFFICER)
        a_member(made, "auditor@example.com", Role.AUDITOR)
        yield made


def onboarded(client: Any, reference: str, name: str, *, verified: bool = True) -> str:
    upload(client, (HEADER + f"{reference},person,{name},{reference.lower()}@example.com,FR,1980-01-01\n").encode())
    page = page_of(client, name)
    if verified:
        press(client, page, f"{page}/verify")
    return page


def test_a_claim_is_added_shown_queued_and_revoked(rig: Rig) -> None:
    with signed_in(rig) as client:
        page = onboarded(client, "C-1", "Carla Claimed")
        assert press(client, f"{page}/claims/new", f"{page}/claims", **CLAIM).headers["location"] == f"{page}#claims"
        shown = client.get(page).text
        assert "the investor, w9" in shown
        assert "</svg>holds</span>" in shown
        queue = client.get("/investors/queue?kind=claim_expiring").text
        assert "Carla Claimed" in queue and "claim ends" in queue
        claim_path = re.search(rf'action="({page}/claims/[0-9a-f-]+/revoke)"', shown)
        assert claim_path is not None
        press(client, page, claim_path[1], reason="superseded")
        assert "</svg>superseded</span>" in client.get(page).text
        assert "parties.revoke_claim" in client.get(page).text, "the history tells it"


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"basis": "hearsay"}, "basis"), ({"evidence_sha256": "12"}, "evidence_sha256"), ({"expires_on": "soon"}, "expires_on")],
)
def test_a_claim_that_cannot_be_is_explained_at_its_field(rig: Rig, changes: dict[str, str], field: str) -> None:
    with signed_in(rig) as client:
        page = onboarded(client, f"B-{field}", f"Berta {field}", verified=False)
        answer = press(client, f"{page}/claims/new", f"{page}/claims", **(CLAIM | changes))
        assert answer.status_code == 422
        assert f'id="{field}-wrong"' in answer.text
    with signed_in(rig) as client:
        past = press(client, f"{page}/claims/new", f"{page}/claims", **(CLAIM | {"expires_on": "2020-01-01"}))
        assert 'id="expires_on-wrong"' in past.text


def test_an_accreditation_goes_to_the_approvals_and_the_second_person_agrees_there(rig: Rig) -> None:
    with signed_in(rig) as client:
        page = onboarded(client, "A-1", "Anna Accredited")
        asked = CLAIM | {"topic": "accreditation", "basis": "income_documents", "issuer": "An auditor (fictitious)"}
        approval = press(client, f"{page}/claims/new", f"{page}/claims", **asked).headers["location"]
        assert approval.startswith("/approvals/")
        assert "Another person must decide it." in client.get(approval).text
        assert approval in client.get("/investors/queue?kind=approval").text
    with signed_in(rig, "second@example.com") as other:
        shown = other.get(approval).text
        assert "Anna Accredited" in shown and "income documents" in shown
        press(other, approval, f"{approval}/approve")
        assert "An auditor (fictitious), income documents" in other.get(page).text


def test_a_hit_is_cleared_with_a_reason_and_somebody_else_accepts(rig: Rig) -> None:
    with signed_in(rig) as client:
        page = onboarded(client, "S-1", "Frieda Falsepositive")
        with rig.units.begin(rig.owner.tenant_id) as unit:
            raw = b"entry_id,name\n7,Falsepositive Frieda\n"
            parties.import_sanctions(rig.owner, raw, source="own", file_name="list.csv", unit=unit)
        screen_investors(units=rig.units.of(rig.owner.tenant_id))
        shown = client.get(page).text
        assert "Falsepositive Frieda" in shown and "Accept after review" in shown
        assert "sanctions hit" in client.get("/investors/queue").text
        path = re.search(rf'action="({page}/sanctions-hits/[0-9a-f-]+/clear)"', shown)
        assert path is not None
        assert press(client, page, path[1], reason=" ").status_code == 422
        assert press(client, page, path[1], reason="born elsewhere").status_code == 303
        assert "born elsewhere" in client.get(page).text
    with signed_in(rig, "second@example.com") as other:
        press(other, page, f"{page}/review", decision="accept")
        assert "</svg>verified</span>" in other.get(page).text
    with signed_in(rig, "auditor@example.com") as auditor:
        seen = auditor.get(page).text
        assert "Frieda" not in seen and "born elsewhere" not in seen


def test_a_re_verification_corrects_what_changed(rig: Rig) -> None:
    with signed_in(rig) as client:
        page = onboarded(client, "R-1", "Rita Removed")
        form = client.get(f"{page}/reverify").text
        assert 'value="r-1@example.com"' in form and '<option value="FR" selected>' in form
        answer = press(client, f"{page}/reverify", f"{page}/reverify", name="Rita Removed", email="rita@example.com", country="LI")
        assert answer.headers["location"] == page
        shown = client.get(page).text
        assert "Liechtenstein" in shown and "rita@example.com" in shown
        wrong = press(client, f"{page}/reverify", f"{page}/reverify", name="", email="rita@example.com", country="LI")
        assert wrong.status_code == 422 and 'id="name-wrong"' in wrong.text


def test_a_wallet_is_proved_by_the_message_of_the_page(rig: Rig) -> None:
    key = Account.create()
    with signed_in(rig) as client:
        page = onboarded(client, "W-1", "Wilma Wallet")
        bad = press(client, f"{page}/wallet-proof", f"{page}/wallet-proof", address="0x12")
        assert bad.status_code == 422 and 'id="address-wrong"' in bad.text
        told = press(client, f"{page}/wallet-proof", f"{page}/wallet-proof", address=key.address).text
        found = re.search(r"<textarea[^>]*>(.*?)</textarea>", told, flags=re.DOTALL)
        assert found is not None
        message = html.unescape(found[1])
        signature = "0x" + key.sign_message(encode_defunct(text=message)).signature.hex().removeprefix("0x")
        sent = message.replace("\n", "\r\n")
        answer = press(client, f"{page}/wallet-proof", f"{page}/wallet-proof", message=sent, signature=signature)
        assert answer.headers["location"] == f"{page}#wallets"
        assert "key kept by the holder, proved" in client.get(page).text


def test_an_empty_queue_says_so(rig: Rig) -> None:
    with signed_in(rig) as client:
        assert "Nothing waits" in client.get("/investors/queue?kind=reverification&within_days=0").text
