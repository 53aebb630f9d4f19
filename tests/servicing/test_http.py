# SPDX-License-Identifier: Apache-2.0
"""Dividends over HTTP: shapes, statuses and refusals of the routes; what they do is tested in the flow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from muniment.access.commands import approve_request
from muniment.access.model import Role
from muniment.servicing import http
from muniment.servicing.commands import DeclareDividend, declare_dividend
from muniment.servicing.model import declaration_of
from muniment.servicing.process import pay_dividend
from muniment.units.ids import ApprovalId, DividendId, parse_id
from muniment.units.instants import instant_text
from muniment.units.money import Money
from tests.access.unit import an_actor
from tests.settlement.scene import Scene, SceneStage
from tests.settlement.wire import a_client


@pytest.fixture(scope="module")
def company(scene_stage: SceneStage) -> Scene:
    scene = Scene(scene_stage)
    scene.a_payment_token(funds=Money.parse("1000.00", "USD"))
    (_, first), (_, second) = scene.holders(2)
    scene.issue({first: 60, second: 40})
    scene.pass_time(1)
    return scene


@pytest.fixture
def client(company: Scene) -> Iterator[TestClient[Litestar]]:
    with a_client(company, company.owner, http.ROUTES) as client:
        yield client


def a_body(company: Scene, **changes: Any) -> dict[str, Any]:
    company.pass_time(1)
    record_at = instant_text(company.stage.clock.now() + dt.timedelta(seconds=10))
    with company.begin() as unit:
        (token,) = unit.payment_tokens.all()
    body = {
        "security_id": str(company.security_id),
        "currency": "USD",
        "total": "10.00",
        "record_at": record_at,
        "payment_at": record_at,
        "payment_token": token.address,
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def test_a_dividend_is_declared_by_two_and_followed_until_it_is_paid_and_proved(company: Scene, client: TestClient[Litestar]) -> None:
    answer = client.post("/v1/dividends", json=a_body(company))

    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    with company.begin() as unit:
        approved = approve_request(company.second, ApprovalId(parse_id(answer.json()["approval_id"])), unit=unit)
        declare_dividend(company.second, DeclareDividend.from_json(approved.requested.request), unit=unit)
    (dividend,) = client.get("/v1/dividends", params={"security_id": str(company.security_id)}).json()["dividends"]
    assert (dividend["state"], dividend["event"], dividend["total"]) == ("declared", "DVCA", {"amount": "10.00", "currency": "USD"})
    path = f"/v1/dividends/{dividend['dividend_id']}"
    assert client.get(f"{path}/payments").json() == {"payments": []}
    early = client.post(f"{path}/verify")
    assert (early.status_code, early.json()["code"]) == (422, "servicing.not_entitled_yet")
    company.pass_time(20)
    company.waits(lambda: pay_dividend(DividendId(parse_id(dividend["dividend_id"])), begin=company.begin))
    paid = client.get(path).json()
    assert (paid["state"], paid["paid"]["amount"], paid["held"]["amount"], paid["residue"]["amount"]) == ("paid", "10.00", "0.00", "0.00")
    payments = client.get(f"{path}/payments").json()["payments"]
    assert sorted(payment["amount"]["amount"] for payment in payments) == ["4.00", "6.00"]
    assert {payment["state"] for payment in payments} == {"paid"}
    verification = client.post(f"{path}/verify").json()
    assert (verification["equal"], verification["payments"]) == (True, 2)
    nothing = client.post(f"{path}/release")
    assert (nothing.status_code, nothing.json()["code"]) == (422, "servicing.nothing_held")


def test_a_preview_shows_the_amounts_and_declares_nothing(company: Scene, client: TestClient[Litestar]) -> None:
    before = len(client.get("/v1/dividends").json()["dividends"])
    answer = client.post("/v1/dividends/preview", json=a_body(company, total=None, per_share="0.05"))
    assert answer.status_code == 200
    assert answer.json()["pot"] == {"amount": "5.00", "currency": "USD"}
    assert sorted(entry["amount"]["amount"] for entry in answer.json()["entitlements"]) == ["2.00", "3.00"]
    assert len(client.get("/v1/dividends").json()["dividends"]) == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"total": "10.001"}, "money.too_precise"),
        ({"total": "0.00"}, "servicing.nothing_to_pay"),
        ({"total": None}, "servicing.bad_amount"),
        ({"per_share": "1"}, "servicing.bad_amount"),
        ({"total": None, "per_share": "-1"}, "servicing.nothing_to_pay"),
        ({"currency": "ZZZ"}, "money.unknown_currency"),
        ({"currency": "EUR"}, "money.currency_mismatch"),
        ({"record_at": "2020-01-01T00:00:00Z"}, "servicing.record_in_the_past"),
        ({"payment_at": "2020-01-01T00:00:00Z"}, "servicing.payment_before_record"),
        ({"record_at": "soon"}, "time.not_an_instant"),
        ({"payment_token": "0x" + "aB" * 20}, "parties.bad_checksum"),
        ({"excluded_wallets": ["0x12"]}, "parties.not_an_address"),
    ],
)
def test_a_bad_declaration_is_refused_and_stores_nothing(
    company: Scene, client: TestClient[Litestar], changes: dict[str, Any], code: str
) -> None:
    before = client.get("/v1/dividends").json()
    answer = client.post("/v1/dividends", json=a_body(company, **changes))
    assert (answer.status_code in {404, 422}, answer.json()["code"]) == (True, code)
    assert client.get("/v1/dividends").json() == before


def test_an_investor_may_not_declare_and_a_stranger_finds_nothing(company: Scene, scene_stage: SceneStage) -> None:
    with a_client(company, an_actor(company.tenant_id, Role.INVESTOR), http.ROUTES) as client:
        assert client.get("/v1/dividends").status_code == 403
        assert client.post("/v1/dividends", json=a_body(company)).status_code == 403
    with a_client(company, company.owner, http.ROUTES) as client:
        declared = client.post("/v1/dividends", json=a_body(company)).json()
    with company.begin() as unit:
        approved = approve_request(company.second, ApprovalId(parse_id(declared["approval_id"])), unit=unit)
        declare_dividend(company.second, DeclareDividend.from_json(approved.requested.request), unit=unit)
        known = unit.dividends.everything()
    assert known
    _, stranger = scene_stage.a_tenant()
    with a_client(company, stranger, http.ROUTES) as client:
        assert client.get("/v1/dividends").json()["dividends"] == []
        for dividend in known:
            assert client.get(f"/v1/dividends/{declaration_of(dividend).dividend_id}").status_code == 404
