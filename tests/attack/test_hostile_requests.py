# SPDX-License-Identifier: Apache-2.0
"""Requests that no client of ours would send: each is refused, none is a defect, none ends the process."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import uuid
import zipfile
from typing import Any

import pytest

from muniment.access.model import Role, SessionToken, csrf_token
from muniment.app.web.pages import actions
from muniment.servicing.model import PerShare
from muniment.units.ids import Address
from muniment.units.payment_tokens import PaymentToken
from tests.app.rig import PASSWORD, Rig, a_member, signed_in

JSON = {"Content-Type": "application/json"}
# As a program's imports may leave it: with this limit nothing stops the decoder before the stack ends.
DEEP_BODY_IN_A_PROCESS = """
import sys
from litestar import Litestar, post
from litestar.testing import TestClient
from muniment.app.http.bodies import GuardedRequest

@post("/", sync_to_thread=False)
def take(data: dict[str, object]) -> None:
    return None

sys.setrecursionlimit(100_000)
app = Litestar([take], request_class=GuardedRequest)
with TestClient(app) as client:
    answer = client.post("/", content=b'{"x":' + b"[" * 400_000 + b"]" * 400_000 + b"}", headers={"Content-Type": "application/json"})
print(answer.status_code)
"""


@pytest.fixture(scope="module")
def browser(rig: Rig) -> Any:
    return signed_in(rig)


def small_stack() -> None:
    resource.setrlimit(resource.RLIMIT_STACK, (8 * 1024 * 1024, resource.getrlimit(resource.RLIMIT_STACK)[1]))


def test_a_deeply_nested_body_does_not_end_the_process() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", DEEP_BODY_IN_A_PROCESS], capture_output=True, text=True, timeout=60, check=False, preexec_fn=small_stack
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "400"), ended.stderr[-500:]


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [65, 5_000, 150_000])
def test_a_body_that_nests_beyond_reason_is_refused_before_it_is_decoded(rig: Rig, opening: bytes, depth: int) -> None:
    answer = rig.client().post("/v1/sessions", content=b'{"email":' + opening * depth, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["detail"] == "The body nests deeper than 64 levels."


def test_brackets_inside_a_text_are_no_nesting(rig: Rig) -> None:
    answer = rig.client().post("/v1/sessions", json={"email": "[{" * 300 + '"\\', "password": "x"})
    assert answer.json()["code"] == "access.wrong_credentials"


def test_a_body_that_is_no_utf_8_is_refused(rig: Rig) -> None:
    answer = rig.client().post("/v1/sessions", content=b'{"email":"\xff","password":"x"}', headers=JSON)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        "/v1/audit?action=%00",
        "/v1/audit?resource=%00",
        "/v1/investors?search=%00",
        "/v1/approvals?state=%00requested",
        "/search?q=%00",
        "/audit?action=%00",
        "/investors?q=%00",
    ],
)
def test_a_null_character_in_an_address_is_refused(browser: Any, address: str) -> None:
    assert browser.get(address).status_code == 400


@pytest.mark.parametrize("cursor", ["9" * 26 + "-1", "1-" + "9" * 12, "²-1", "1-٣", "-", "1-", "%2D1-1"])
def test_a_cursor_of_movements_that_no_page_gave_is_refused(browser: Any, cursor: str) -> None:
    answer = browser.get(f"/v1/securities/{uuid.uuid4()}/movements?cursor={cursor}")
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("target", ["//[", "//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example", "javascript:1"])
def test_sign_in_leads_only_to_our_own_pages(browser: Any, target: str) -> None:
    answer = browser.get("/sign-in", params={"next": target}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/securities")


@pytest.mark.parametrize("origin", ["http://[", "http://evil.example", "http://muniment.test@evil.example", "null", ""])
def test_a_form_of_another_origin_is_refused(rig: Rig, origin: str) -> None:
    answer = rig.client().post("/v1/sessions", json={"email": "x@example.com", "password": "x"}, headers={"Origin": origin})
    assert answer.status_code == 403


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_archive_is_refused_whatever_packed_it(browser: Any, method: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("Manifest.ocf.json", bytes(range(256)) * 40)
    damaged = bytearray(packed.getvalue())
    damaged[70:90] = bytes(20)
    answer = browser.post(
        "/v1/assets/companies",
        files={"data": ("p.zip", bytes(damaged), "application/zip")},
        headers={"X-CSRF-Token": csrf_token(SessionToken(browser.cookies["muniment_session"]))},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "instruments.package_unreadable")


def test_an_archive_is_not_unpacked_for_somebody_who_may_not_tokenise(rig: Rig) -> None:
    a_member(rig, "investor@example.com", Role.INVESTOR)
    investor = signed_in(rig, "investor@example.com")
    answer = investor.post(
        "/v1/assets/companies",
        files={"data": ("p.zip", b"no archive", "application/zip")},
        headers={"X-CSRF-Token": csrf_token(SessionToken(investor.cookies["muniment_session"]))},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "access.not_permitted")


UPLOADS = ("/v1/assets/companies", "/v1/investors/import", f"/v1/assets/0x{'0' * 64}/documents")


@pytest.mark.parametrize("address", UPLOADS)
@pytest.mark.parametrize("part", [b"", b'; filename=""', b'; filename="x"; x="y.txt'])
def test_a_form_without_a_file_is_refused(rig: Rig, address: str, part: bytes) -> None:
    token = rig.client().post("/v1/sessions", json={"email": rig.email, "password": PASSWORD}).json()["token"]
    body = b'--x\r\nContent-Disposition: form-data; name="data"' + part + b"\r\n\r\nno file\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Authorization": f"Bearer {token}"}
    assert rig.client().post(address, content=body, headers=headers).status_code in {400, 404, 422}


@pytest.mark.parametrize("address", ["/invitation", "/theme"])
def test_a_null_character_in_a_form_is_refused(browser: Any, address: str) -> None:
    token = csrf_token(SessionToken(browser.cookies["muniment_session"]))
    answer = browser.post(address, data={"_csrf": token, "token": "a\0b", "back": "/", "password": "x"})
    assert answer.status_code == 400


@pytest.mark.parametrize("text", ["0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59", "2027-02-30T00:00", "never"])
def test_a_moment_beyond_every_calendar_is_refused(text: str) -> None:
    with pytest.raises(actions.BadMoment):
        actions._moment({"record_at": text}, "record_at", "The record date")


@pytest.mark.parametrize("text", ["12345678901.123456789012345678", "9" * 40, "0.000000000000000001"])
def test_a_price_typed_into_the_form_is_taken_to_the_last_digit(text: str) -> None:
    dollars = PaymentToken(chain_id=31337, address=Address("0x" + "1" * 40), currency="USD", decimals=6, symbol="tUSD")
    amount = actions._amount({"amount": text, "basis": "per_share"}, dollars)
    assert isinstance(amount, PerShare)
    assert format(amount.price.per_share, "f") == text
