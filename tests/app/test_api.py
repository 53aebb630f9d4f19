# SPDX-License-Identifier: Apache-2.0
"""What every request meets: problems, headers, sessions, form tokens, limits, the OpenAPI document, the operators' addresses."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator
from litestar.testing import TestClient

import muniment
from muniment.access.errors import IdempotencyConflict, NotFound, NotPermitted, TooManyAttempts
from muniment.access.model import FOUR_EYES_ACTIONS
from muniment.app import approvals
from muniment.app.http.lookups import LOOKUPS_MAX, Lookups, TooManyLookups
from muniment.app.http.problems import refusal_classes, status_of
from muniment.app.web.pages.developers import entries
from muniment.infra.clock import FixedClock
from muniment.infra.evm import contract_artifacts
from tests.app.rig import PASSWORD, SECRET_OF_A_BUG, Rig, a_rig, form_token, signed_in

SOURCES = Path(muniment.__file__).parent


@pytest.fixture(scope="module")
def rig(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with a_rig(make_database, tmp_path_factory.mktemp("home")) as made:
        yield made


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Return the problem that an answer is, with everything that each must have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    body: dict[str, Any] = answer.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["type"] == f"/developers/problems/{code}"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert {"title", "detail", "instance"} <= set(body)
    return body


# Problems


def test_what_is_nowhere_is_a_problem(rig: Rig) -> None:
    with rig.client() as client:
        problem(client.get("/v1/nothing"), 404, "http.not_found")
        problem(client.get("/static/nothing.js"), 404, "http.not_found")


def test_a_wrong_method_is_a_problem(rig: Rig) -> None:
    with rig.client() as client:
        problem(client.delete("/v1/securities"), 405, "http.method_not_allowed")


def test_no_session_is_a_problem_that_says_how_to_get_one(rig: Rig) -> None:
    with rig.client() as client:
        answer = client.get("/v1/securities")
        assert "cure" in problem(answer, 401, "access.not_signed_in")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"email": 7, "password": "x"}', '{"email": "a", "password": "x", "more": 1}'])
def test_a_body_of_the_wrong_shape_is_a_problem_with_its_place(rig: Rig, body: str) -> None:
    with rig.client() as client:
        answer = client.post("/v1/sessions", content=body, headers={"content-type": "application/json"})
        assert "cure" in problem(answer, 400, "http.invalid_request")


def test_a_query_of_the_wrong_shape_names_its_field(rig: Rig) -> None:
    with signed_in(rig) as client:
        body = problem(client.get("/v1/approvals?limit=none"), 400, "http.invalid_request")
        assert body["place"]["field"] == "limit"
        assert body["errors"][0]["field"] == "limit"


def test_a_refusal_carries_code_facts_place_and_cure(rig: Rig) -> None:
    with signed_in(rig) as client:
        body = problem(client.get("/v1/securities/no-id"), 422, "units.not_an_id")
        assert body["facts"] == {"text": "no-id"}
        assert body["place"] == {"field": "security_id"}
        assert body["cure"]


def test_a_body_that_is_too_large_is_a_problem(rig: Rig) -> None:
    with rig.client() as client:
        answer = client.post(
            "/v1/sessions", content=b'{"email": "' + b"x" * 1_100_000 + b'"}', headers={"content-type": "application/json"}
        )
        problem(answer, 413, "http.request_entity_too_large")


def test_a_bug_tells_nothing_of_its_inside(rig: Rig) -> None:
    with rig.client() as client:
        answer = client.get("/v1/broken")
        problem(answer, 500, "http.internal_error")
        assert SECRET_OF_A_BUG not in answer.text
        assert "Traceback" not in answer.text
        page = client.get("/broken")
        assert page.status_code == 500
        assert SECRET_OF_A_BUG not in page.text


def test_an_outage_says_whether_trying_again_helps(rig: Rig) -> None:
    with rig.client() as client:
        answer = client.get("/v1/away")
        assert problem(answer, 503, "outage.chain")["retry"] is True
        assert answer.headers["retry-after"] == "5"
        assert "password" not in answer.text


def test_every_refusal_has_a_status_and_a_page(rig: Rig) -> None:
    codes = {refusal.code for refusal in refusal_classes()}
    assert len(codes) > 50
    assert {code: status_of(code) for code in codes if not 400 <= status_of(code) < 500} == {}
    with rig.client() as client:
        listed = client.get("/developers/problems").text
        assert [code for code in codes if f'id="{code}"' not in listed] == []
        assert client.get("/developers/problems/access.not_permitted").status_code == 200
        assert client.get("/developers/problems/no.such_code").status_code == 404


def test_every_reason_that_a_decision_can_give_has_a_page(rig: Rig) -> None:
    # Decisions are values: their codes stand in the source and, for those that the chain gives too, in the contracts' table.
    named = set()
    for source in SOURCES.rglob("*.py"):
        text = source.read_text(encoding="utf-8")
        named |= set(re.findall(r'Reason\(\s*(?:code=)?"([a-z]+\.[a-z_]+)"', text))
        named |= {f"compliance.{code}" for code in re.findall(r'reason\(\s*rule,\s*"([a-z_0-9]+)"', text)}
    named |= {reason.code for reason in contract_artifacts.reasons()}
    assert len(named) > 15
    listed = {entry.code for entry in entries()}
    assert named - listed == set()
    with rig.client() as client:
        assert client.get("/developers/problems/compliance.country_blocked").status_code == 200


def test_the_statuses_of_the_best_known_refusals() -> None:
    assert [status_of(refusal.code) for refusal in (NotPermitted, NotFound, TooManyAttempts, IdempotencyConflict)] == [403, 404, 429, 409]


def test_people_get_a_page_and_programs_a_problem(rig: Rig) -> None:
    with signed_in(rig) as client:
        page = client.get(f"/securities/{uuid.uuid4()}")
        assert page.status_code == 404
        assert page.headers["content-type"].startswith("text/html")
        assert "Nothing stands here" in page.text
        problem(client.get(f"/v1/securities/{uuid.uuid4()}"), 404, "instruments.security_not_found")


# Headers


@pytest.mark.parametrize("path", ["/sign-in", "/v1/nothing", "/health", "/static/icon.svg", "/nowhere", "/v1/broken", "/v1/openapi.json"])
def test_every_answer_carries_the_security_headers(rig: Rig, path: str) -> None:
    with rig.client() as client:
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "strict-transport-security" not in headers
        assert re.fullmatch(r"[0-9a-f]{24}", headers["x-request-id"])


def test_a_given_request_id_is_kept_when_it_is_harmless(rig: Rig) -> None:
    with rig.client() as client:
        assert client.get("/health", headers={"x-request-id": "abcd-1234"}).headers["x-request-id"] == "abcd-1234"
        assert client.get("/health", headers={"x-request-id": "<script>"}).headers["x-request-id"] != "<script>"


def test_hashed_files_are_kept_for_ever_and_pages_never(rig: Rig) -> None:
    with rig.client() as client:
        page = client.get("/sign-in")
        style = re.search(r'href="(/static/app-[^"]+\.css)"', page.text)
        assert style is not None
        assert "immutable" in client.get(style[1]).headers["cache-control"]
        assert page.headers["cache-control"] == "no-store"


def test_pages_name_no_other_host_and_hold_no_inline_script_or_style(rig: Rig) -> None:
    with signed_in(rig) as client:
        for path in ("/sign-in", "/securities", "/investors", "/approvals", "/audit", "/developers", "/developers/api", "/nowhere"):
            text = client.get(path).text
            assert re.findall(r'(?:src|href|action)="(?:https?:)?//[^"]*"', text) == [], path
            assert re.findall(r"<script(?![^>]*\ssrc=)[^>]*>", text) == [], path
            assert "<style" not in text, path
            assert re.findall(r'\sstyle="', text) == [], path
            assert re.findall(r'\son[a-z]+="', text) == [], path


# Sessions and form tokens


def test_the_session_cookie_is_strict_and_unreadable_for_scripts(rig: Rig) -> None:
    with rig.client() as client:
        token = form_token(client.get("/sign-in").text)
        answer = client.post("/sign-in", data={"_csrf": token, "email": rig.email, "password": PASSWORD}, follow_redirects=False)
        cookie = next(
            value for name, value in answer.headers.multi_items() if name == "set-cookie" and value.startswith("muniment_session=")
        )
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert "Path=/" in cookie
        assert "Secure" not in cookie


def test_over_https_cookies_are_secure_and_transport_is_strict(rig: Rig) -> None:
    with TestClient(rig.app, base_url="https://muniment.test", raise_server_exceptions=False) as client:
        page = client.get("/sign-in")
        assert page.headers["strict-transport-security"].startswith("max-age=63072000")
        answer = client.post(
            "/sign-in", data={"_csrf": form_token(page.text), "email": rig.email, "password": PASSWORD}, follow_redirects=False
        )
        cookies = [value for name, value in answer.headers.multi_items() if name == "set-cookie"]
        assert any(cookie.startswith("__Host-muniment=") and "Secure" in cookie for cookie in cookies)
        assert client.get("/securities").status_code == 200


def test_signing_in_without_the_forms_token_is_refused(rig: Rig) -> None:
    with rig.client() as client:
        client.get("/sign-in")
        answer = client.post("/sign-in", data={"email": rig.email, "password": PASSWORD}, follow_redirects=False)
        assert answer.status_code == 403
        assert "muniment_session" not in client.cookies


@pytest.mark.parametrize("token", ["", "made-up", "0" * 64])
def test_a_form_by_cookie_needs_the_sessions_own_token(rig: Rig, token: str) -> None:
    with signed_in(rig) as client:
        assert client.post("/theme", data={"theme": "dark", "_csrf": token}, follow_redirects=False).status_code == 403
        problem(client.post("/v1/invitations", json={}, headers={"x-csrf-token": token}), 403, "access.csrf_mismatch")


def test_a_form_of_another_session_does_not_fit(rig: Rig) -> None:
    with signed_in(rig) as other:
        theirs = form_token(other.get("/securities").text)
    with signed_in(rig) as mine:
        assert mine.post("/theme", data={"theme": "dark", "_csrf": theirs}, follow_redirects=False).status_code == 403


def test_another_sites_request_is_refused_even_with_the_right_token(rig: Rig) -> None:
    with signed_in(rig) as client:
        token = form_token(client.get("/securities").text)
        for headers in ({"origin": "https://evil.invalid"}, {"sec-fetch-site": "cross-site"}):
            answer = client.post("/theme", data={"theme": "dark", "_csrf": token}, headers=headers, follow_redirects=False)
            assert answer.status_code == 403
        own = client.post(
            "/theme", data={"theme": "dark", "_csrf": token}, headers={"origin": "http://muniment.test"}, follow_redirects=False
        )
        assert own.status_code == 303


def test_a_link_from_elsewhere_finds_the_session_after_one_reload(rig: Rig) -> None:
    with rig.client() as client:
        # A strict cookie does not come along from another site: our own page loads the address once more.
        answer = client.get("/audit?action=x", headers={"sec-fetch-site": "cross-site"}, follow_redirects=False)
        assert answer.status_code == 200
        assert 'content="0;url=/audit?action=x&amp;again=1"' in answer.text
        again = client.get("/audit?action=x&again=1", headers={"sec-fetch-site": "cross-site"}, follow_redirects=False)
        assert again.status_code == 303


@pytest.mark.parametrize(
    "target", ["https://evil.invalid/", "//evil.invalid/", "/\\evil.invalid", "javascript:alert(1)", "/ok\nSet-Cookie: x"]
)
def test_signing_in_never_leads_to_another_host(rig: Rig, target: str) -> None:
    with rig.client() as client:
        token = form_token(client.get("/sign-in").text)
        form = {"_csrf": token, "email": rig.email, "password": PASSWORD, "next": target}
        answer = client.post("/sign-in", data=form, follow_redirects=False)
        assert answer.headers["location"] == "/securities"


def test_signing_out_ends_the_session_at_once(rig: Rig) -> None:
    with signed_in(rig) as client:
        session = client.cookies["muniment_session"]
        token = form_token(client.get("/securities").text)
        client.post("/sign-out", data={"_csrf": token}, follow_redirects=False)
        answer = client.get("/v1/me", headers={"authorization": f"Bearer {session}"})
        problem(answer, 401, "access.not_signed_in")


def test_a_person_without_an_organisation_is_led_to_choose_one(rig: Rig) -> None:
    with rig.units.begin_sign_in() as unit:
        unit.users.act_for(rig.owner.user_id)
    with signed_in(rig) as client:
        session = client.cookies["muniment_session"]
        with rig.units.backend.database.worker_transaction() as connection:
            connection.execute(sa.text("UPDATE access.session SET tenant_id = NULL WHERE revoked_at IS NULL"))
        page = client.get("/securities", follow_redirects=False)
        assert (page.status_code, page.headers["location"]) == (303, "/organisations")
        assert "Test Ltd" in client.get("/organisations").text
        problem(client.get("/v1/securities", headers={"authorization": f"Bearer {session}"}), 403, "http.choose_organisation")
        chosen = client.post(
            "/organisations",
            data={"_csrf": form_token(client.get("/organisations").text), "tenant_id": str(rig.owner.tenant_id)},
            follow_redirects=False,
        )
        assert chosen.headers["location"] == "/securities"
        assert client.get("/securities").status_code == 200


def test_failed_sign_ins_are_slowed_down(rig: Rig) -> None:
    with rig.client() as client:
        answers = [client.post("/v1/sessions", json={"email": "slow@example.com", "password": "wrong"}) for _ in range(7)]
        assert [answer.status_code for answer in answers[:5]] == [401] * 5
        problem(answers[-1], 429, "access.too_many_attempts")
        assert int(answers[-1].headers["retry-after"]) > 0


# Idempotency


def test_the_same_key_and_request_are_answered_alike_and_done_once(rig: Rig) -> None:
    with signed_in(rig) as client:
        headers = {"x-csrf-token": form_token(client.get("/securities").text), "idempotency-key": str(uuid.uuid4())}
        body = {"external_reference": f"K-{uuid.uuid4().hex[:8]}", "name": "Key Person", "email": "key@example.com", "country": "CH"}
        first = client.post("/v1/investors", json=body, headers=headers)
        second = client.post("/v1/investors", json=body, headers=headers)
        assert first.status_code == second.status_code == 201
        assert first.json() == second.json()
        other = client.post("/v1/investors", json={**body, "name": "Another"}, headers=headers)
        problem(other, 409, "access.idempotency_conflict")


# What operators ask


def test_alive_says_nothing_of_others_and_ready_names_what_is_away(rig: Rig) -> None:
    with rig.client() as client:
        assert client.get("/health").json() == {"status": "alive"}
        answer = client.get("/ready")
        assert answer.status_code == 503
        parts = answer.json()["parts"]
        assert parts["database"] == parts["migrations"] == "ready"
        assert parts["chain"] != "ready"


def test_metrics_are_for_this_machine_only(rig: Rig) -> None:
    with rig.client() as client:
        client.get("/health")
        answer = client.get("/metrics")
        assert answer.status_code == 200
        assert 'muniment_http_requests_total{method="GET",route="/health",status="200"}' in answer.text
        problem(client.get("/metrics", headers={"x-forwarded-for": "203.0.113.7"}), 404, "http.not_found")


def test_the_access_log_names_the_route_and_never_what_was_asked(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    with signed_in(rig) as client:
        capsys.readouterr()
        client.get("/search?q=canary%40example.com")
        client.get("/v1/canary-of-a-path")
    logged = capsys.readouterr().out
    assert "/search" in logged
    assert "canary" not in logged


# The document


def test_the_document_is_openapi_3_1_and_complete(rig: Rig) -> None:
    with rig.client() as client:
        answer = client.get("/v1/openapi.json")
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    assert all(path.startswith("/v1/") for path in document["paths"])
    operations = [operation for item in document["paths"].values() for operation in item.values() if isinstance(operation, dict)]
    assert len(operations) > 50
    for operation in operations:
        assert operation["summary"]
        for status in ("400", "401", "403", "404", "409", "422", "429", "500", "503"):
            assert operation["responses"][status]["$ref"].startswith("#/components/responses/")
    assert {response["content"].popitem()[0] for response in document["components"]["responses"].values()} == {"application/problem+json"}
    assert document["components"]["securitySchemes"].keys() == {"bearer", "cookie"}
    assert "status_code" not in json.dumps(document["components"]["schemas"]["Problem"])
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_the_documents_references_all_lead_somewhere(rig: Rig) -> None:
    with rig.client() as client:
        document = client.get("/v1/openapi.json").json()
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        target: Any = document
        for part in reference.split("/"):
            target = target[part]


def test_problems_are_what_the_document_says(rig: Rig) -> None:
    with signed_in(rig) as client:
        schema = client.get("/v1/openapi.json").json()["components"]["schemas"]["Problem"]
        validator = Draft202012Validator(schema)
        for path in ("/v1/nothing", "/v1/securities/no-id", "/v1/approvals?limit=x", "/v1/broken", "/v1/away"):
            body = client.get(path).json()
            validator.validate(body)
            assert client.get(body["type"]).status_code == 200, f"{body['type']} explains nothing"


# Approvals


def test_every_action_under_four_eyes_can_be_carried_out() -> None:
    assert set(approvals.EXECUTIONS) == set(FOUR_EYES_ACTIONS)


def test_times_carry_utc_for_those_without_scripts(rig: Rig) -> None:
    with signed_in(rig) as client:
        text = client.get("/audit").text
        found = re.search(r'<time datetime="([^"]+)" title="([^"]+ UTC)" data-instant>[^<]+ UTC</time>', text)
        assert found is not None
        assert dt.datetime.fromisoformat(found[1]).tzinfo is not None


# What anybody may ask


def test_look_ups_are_counted_by_source_and_forgotten_after_a_minute() -> None:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    clock = FixedClock(now)
    lookups = Lookups(clock)
    for _ in range(LOOKUPS_MAX):
        lookups.count("192.0.2.1")
    with pytest.raises(TooManyLookups):
        lookups.count("192.0.2.1")
    lookups.count("192.0.2.2")
    clock.advance(dt.timedelta(minutes=1))
    lookups.count("192.0.2.1")


def test_a_hash_that_is_none_is_a_problem_for_anybody(rig: Rig) -> None:
    with rig.client() as client:
        problem(client.get("/v1/verification/0x12"), 422, "instruments.not_a_hash")
        assert client.get("/verify").status_code == 200
        assert client.get("/verify?hash=0x12").status_code == 422
