# SPDX-License-Identifier: Apache-2.0
"""Register and settlement over HTTP: shapes, statuses and refusals of the routes; what they do is tested elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from muniment.access.commands import approve_request
from muniment.access.model import Role
from muniment.register import http as register_http
from muniment.settlement import http as settlement_http
from muniment.settlement.commands import IssueShares, issue
from muniment.settlement.model import IssueReport
from muniment.units.ids import Address, ApprovalId, InstructionId, InvestorId, parse_id
from muniment.units.instants import instant_text
from tests.access.unit import an_actor
from tests.infra.rig import an_address
from tests.settlement.scene import Scene, SceneStage
from tests.settlement.wire import a_client

ROUTES = [*register_http.ROUTES, *settlement_http.ROUTES]


@pytest.fixture(scope="module")
def shop(scene_stage: SceneStage) -> Scene:
    return Scene(scene_stage)


@pytest.fixture
def client(shop: Scene) -> Iterator[TestClient[Litestar]]:
    with a_client(shop, shop.owner, ROUTES) as client:
        yield client


@pytest.fixture(scope="module")
def holders(shop: Scene) -> list[tuple[InvestorId, Address]]:
    made = [*shop.holders(1, managed=True), *shop.holders(1)]
    shop.issue({made[0][1]: 75, made[1][1]: 25})
    return made


def test_the_register_shows_holders_with_shares_and_percentages(
    shop: Scene, client: TestClient[Litestar], holders: list[tuple[InvestorId, Address]]
) -> None:
    answer = client.get(f"/v1/securities/{shop.security_id}/register")
    assert answer.status_code == 200
    body = answer.json()
    first = body["holders"][0]
    assert (first["investor_id"], first["shares"], first["percentage"]) == (str(holders[0][0]), "75", "75.0000")
    assert first["wallets"] == [{"wallet": holders[0][1], "shares": "75", "frozen_shares": "0", "wallet_frozen": False}]
    assert (body["total_shares"], body["holder_count"]) == ("100", 2)


def test_the_register_of_a_moment_to_come_is_refused(shop: Scene, client: TestClient[Litestar]) -> None:
    answer = client.get(f"/v1/securities/{shop.security_id}/register", params={"at": "2099-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["code"]) == (422, "register.not_final_yet")
    answer = client.get(f"/v1/securities/{shop.security_id}/register", params={"at": "yesterday"})
    assert (answer.status_code, answer.json()["code"]) == (422, "time.not_an_instant")


def test_the_register_of_a_past_instant_can_be_asked_for(
    shop: Scene, client: TestClient[Litestar], holders: list[tuple[InvestorId, Address]]
) -> None:
    shop.pass_time(5)
    shop.stage.step()
    with shop.begin() as unit:
        at = unit.register_chain.block(unit.register_chain.final_block().number - 3).occurred_at
    body = client.get(f"/v1/securities/{shop.security_id}/register", params={"at": instant_text(at)}).json()
    assert body["total_shares"] == "100"
    assert body["occurred_at"] is not None


def test_movements_name_no_wallet_for_an_issue(
    shop: Scene, client: TestClient[Litestar], holders: list[tuple[InvestorId, Address]]
) -> None:
    body = client.get(f"/v1/securities/{shop.security_id}/movements", params={"wallet": holders[1][1]}).json()
    (movement,) = body["movements"]
    assert (movement["from_wallet"], movement["to_wallet"], movement["shares"]) == (None, holders[1][1], "25")
    answer = client.get(f"/v1/securities/{shop.security_id}/movements", params={"cursor": "nonsense"})
    assert (answer.status_code, answer.json()["code"]) == (422, "register.bad_cursor")


def test_the_register_is_verified_on_demand(shop: Scene, client: TestClient[Litestar], holders: list[tuple[InvestorId, Address]]) -> None:
    body = client.post(f"/v1/securities/{shop.security_id}/register/verify").json()
    assert body["equal"] is True
    assert body["digest"] == body["rebuilt_digest"]


def test_an_issue_is_pending_until_approved_and_tells_of_each_allotment(shop: Scene, client: TestClient[Litestar]) -> None:
    ((investor_id, wallet),) = shop.holders(1)
    body = {
        "security_id": str(shop.security_id),
        "allotments": [{"shares": "5", "investor_id": str(investor_id)}, {"shares": "1", "wallet": an_address(0xBAD)}],
    }
    preview = client.post("/v1/instructions/issue/preview", json=body).json()
    assert [entry["wallet"] for entry in preview["accepted"]] == [wallet]
    assert preview["refused"][0]["reasons"][0]["code"] == "compliance.receiver_not_verified"
    answer = client.post("/v1/instructions/issue", json=body, headers={"Idempotency-Key": "issue-1"})
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    again = client.post("/v1/instructions/issue", json=body, headers={"Idempotency-Key": "issue-1"})
    assert again.json() == answer.json()
    with shop.begin() as unit:
        approval_id = ApprovalId(parse_id(answer.json()["approval_id"]))
        approved = approve_request(shop.second, approval_id, unit=unit)
        report = issue(shop.second, IssueShares.from_json(approved.requested.request), unit=unit)
    assert isinstance(report, IssueReport)
    for instruction in report.instructions:
        shop.settle(instruction.instruction_id)
    assert shop.balance(wallet) == 5


def test_the_terms_of_an_issue_go_in_and_come_out_as_they_were_given(shop: Scene, client: TestClient[Litestar]) -> None:
    ((investor_id, _),) = shop.holders(1)
    terms = {"exemption": "us.regs", "paid": {"amount": "47.50", "currency": "EUR"}, "buyer_category": "qualified"}
    bad = {"exemption": "Reg S"}
    body = {
        "security_id": str(shop.security_id),
        "allotments": [{"shares": "5", "investor_id": str(investor_id), **terms}, {"shares": "1", "wallet": an_address(0xBAD), **bad}],
    }
    preview = client.post("/v1/instructions/issue/preview", json=body).json()
    assert [{name: entry[name] for name in terms} for entry in preview["accepted"]] == [terms]
    assert [reason["code"] for reason in preview["refused"][0]["reasons"]] == ["register.not_a_code"]
    pending = client.post("/v1/instructions/issue", json=body).json()
    with shop.begin() as unit:
        approved = approve_request(shop.second, ApprovalId(parse_id(pending["approval_id"])), unit=unit)
        report = issue(shop.second, IssueShares.from_json(approved.requested.request), unit=unit)
    assert isinstance(report, IssueReport)
    (instruction,) = report.instructions
    (leg,) = client.get(f"/v1/instructions/{instruction.instruction_id}").json()["legs"]
    assert {name: leg[name] for name in terms} == terms
    shop.settle(instruction.instruction_id)
    found = client.get(f"/v1/securities/{shop.security_id}/acquisitions", params={"limit": 200}).json()["acquisitions"]
    assert [each["said"] for each in found if each["buyer_investor_id"] == str(investor_id)] == [terms]
    lots = client.get(f"/v1/securities/{shop.security_id}/lots", params={"investor_id": str(investor_id)}).json()["lots"]
    assert [(lot["exemption"], lot["buyer_category"]) for lot in lots] == [("us.regs", "qualified")]
    answer = client.get(f"/v1/securities/{shop.security_id}/lots", params={"cursor": "nonsense"})
    assert (answer.status_code, answer.json()["code"]) == (422, "register.bad_cursor")
    for amount, code in (("1,50", "money.not_an_amount"), ("1.505", "money.too_precise")):
        wrong = {"shares": "5", "investor_id": str(investor_id), "paid": {"amount": amount, "currency": "EUR"}}
        answer = client.post("/v1/instructions/issue/preview", json={**body, "allotments": [wrong]})
        assert (answer.json()["code"], answer.json()["place"]["field"]) == (code, "allotments.0.paid")


def test_a_transfer_is_requested_and_can_be_followed_to_its_end(
    shop: Scene, client: TestClient[Litestar], holders: list[tuple[InvestorId, Address]]
) -> None:
    body = {"security_id": str(shop.security_id), "from_wallet": holders[0][1], "to_wallet": holders[1][1], "shares": "5"}
    answer = client.post("/v1/instructions/transfer", json=body, headers={"Idempotency-Key": "transfer-1"})
    assert answer.status_code == 201
    (instruction,) = answer.json()["instructions"]
    assert (instruction["state"], instruction["kind"], instruction["legs"][0]["shares"]) == ("requested", "transfer", "5")
    assert client.post("/v1/instructions/transfer", json=body, headers={"Idempotency-Key": "transfer-1"}).json() == answer.json()
    shop.settle(InstructionId(parse_id(instruction["instruction_id"])))
    after = client.get(f"/v1/instructions/{instruction['instruction_id']}").json()
    assert (after["state"], after["block_number"] > 0) == ("settled", True)
    # Instructions of one instant stand in the order of their ids, so this one is not always the first.
    settled = {"security_id": str(shop.security_id), "state": "settled"}
    assert client.get("/v1/instructions", params={**settled, "limit": 1}).json()["next_cursor"] is not None
    listed = client.get("/v1/instructions", params=settled).json()
    assert instruction["instruction_id"] in [each["instruction_id"] for each in listed["instructions"]]
    hashes = [transaction["hash"] for transaction in client.get("/v1/transactions").json()["transactions"]]
    assert after["transaction_hash"] in hashes


def test_a_refused_transfer_answers_with_the_whole_decision(
    shop: Scene, client: TestClient[Litestar], holders: list[tuple[InvestorId, Address]]
) -> None:
    body = {"security_id": str(shop.security_id), "from_wallet": holders[0][1], "to_wallet": an_address(0xBAD), "shares": "1000"}
    answer = client.post("/v1/instructions/transfer", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "settlement.refused")
    codes = {reason["code"] for reason in answer.json()["decision"]["reasons"]}
    assert codes >= {"settlement.insufficient_balance", "compliance.receiver_not_verified"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"shares": "0.5"}, "money.too_precise"),
        ({"shares": "0"}, "shares.out_of_range"),
        ({"shares": "1e3"}, "money.not_an_amount"),
        ({"to_wallet": "0x00"}, "parties.not_an_address"),
        ({"to_wallet": "0x" + "aB" * 20}, "parties.bad_checksum"),
        ({"security_id": "not-an-id"}, "units.not_an_id"),
    ],
)
def test_bad_input_is_refused_with_its_place(
    shop: Scene, client: TestClient[Litestar], holders: list[tuple[InvestorId, Address]], change: dict[str, str], code: str
) -> None:
    body = {"security_id": str(shop.security_id), "from_wallet": holders[0][1], "to_wallet": holders[1][1], "shares": "1"}
    answer = client.post("/v1/instructions/transfer", json=body | change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["place"]["field"] in {"shares", "to_wallet", "security_id"}


def test_an_allotment_needs_exactly_one_receiver(shop: Scene, client: TestClient[Litestar]) -> None:
    body = {"security_id": str(shop.security_id), "allotments": [{"shares": "1"}]}
    answer = client.post("/v1/instructions/issue", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "settlement.bad_allotment")
    assert answer.json()["place"]["field"] == "allotments.0"


def test_a_payment_token_is_accepted_once_as_its_contract_describes_itself(shop: Scene, client: TestClient[Litestar]) -> None:
    with shop.begin() as unit:
        address = unit.suites.platform("payment_token")
    first = client.post("/v1/payment-tokens", json={"address": address, "currency": "USD"})
    assert (first.status_code, first.json()["decimals"]) == (201, 6)
    assert client.post("/v1/payment-tokens", json={"address": address, "currency": "USD"}).json() == first.json()
    assert client.get("/v1/payment-tokens").json()["payment_tokens"] == [first.json()]
    other = client.post("/v1/payment-tokens", json={"address": address, "currency": "EUR"})
    assert (other.status_code, other.json()["code"]) == (422, "settlement.not_a_payment_token")
    nobody = client.post("/v1/payment-tokens", json={"address": an_address(1), "currency": "USD"})
    assert (nobody.status_code, nobody.json()["code"]) == (422, "settlement.not_a_payment_token")


def test_an_investor_may_neither_read_the_register_nor_move_shares(shop: Scene, holders: list[tuple[InvestorId, Address]]) -> None:
    with a_client(shop, an_actor(shop.tenant_id, Role.INVESTOR), ROUTES) as client:
        for path in (f"/v1/securities/{shop.security_id}/register", "/v1/instructions", "/v1/transactions", "/v1/payment-tokens"):
            assert client.get(path).status_code == 403
        body = {"security_id": str(shop.security_id), "from_wallet": holders[0][1], "to_wallet": holders[1][1], "shares": "1"}
        assert client.post("/v1/instructions/transfer", json=body).status_code == 403
        assert client.post(f"/v1/securities/{shop.security_id}/register/verify").status_code == 403


def test_another_issuers_things_are_not_found(shop: Scene, scene_stage: SceneStage, holders: list[tuple[InvestorId, Address]]) -> None:
    _, stranger = scene_stage.a_tenant()
    with shop.begin() as unit:
        instruction_id = unit.instructions.everything()[0].instruction.instruction_id
    with a_client(shop, stranger, ROUTES) as client:
        for path in (f"/v1/securities/{shop.security_id}/register", f"/v1/instructions/{instruction_id}"):
            assert client.get(path).status_code == 404
        assert client.get("/v1/instructions").json()["instructions"] == []
