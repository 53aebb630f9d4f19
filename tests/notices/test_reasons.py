# SPDX-License-Identifier: Apache-2.0
"""Why something was refused, in the same words from the check, the API, the page, the command line and the mail; over a real chain."""

from __future__ import annotations

import html
import re
import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from muniment.access.commands import FoundOrganisation, found_organisation
from muniment.access.errors import NotFound
from muniment.access.model import Actor, Role
from muniment.app.api import context_routes, create_app
from muniment.app.shares_command import worded
from muniment.app.wiring import Backend, Units
from muniment.app.worker_tables import WorkerTables
from muniment.compliance.commands import ChooseLaw, choose_law
from muniment.compliance.model.rules import CountryBlocked, MaximumBalancePerInvestor
from muniment.infra.configuration import Configuration
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.jobs import RunningJob
from muniment.infra.mail import SmtpMailer
from muniment.infra.outbox import Dispatcher
from muniment.infra.postgres.database import Database
from muniment.notices.commands import SEND_JOB, ExplainRefusal, send_explanation
from muniment.parties.commands import erase_investor
from muniment.parties.model import PersonalData
from muniment.settlement.model import FailedInstruction, Instruction
from muniment.units.decisions import Refused
from muniment.units.ids import Address, InvestorId, TenantId
from tests.access.unit import an_actor
from tests.app.rig import form_token
from tests.infra.rig import CHAIN_ID
from tests.notices.office_rig import PASSWORD, SENDER, SITE, texts_to
from tests.notices.post_office import PostOffice, open_office
from tests.settlement.scene import Scene, SceneStage

RULES = (
    CountryBlocked("us.cuba", "31 CFR 515.201", ("CU",)),
    MaximumBalancePerInvestor("charter.maximum", "Articles, section 7", 1_000),
)


class FoundedStage(SceneStage):
    """A stage whose issuers are founded, so that their owner can sign in and has an address."""

    def __init__(self, database: Database, rpc: JsonRpc) -> None:
        self.emails: dict[TenantId, str] = {}
        super().__init__(database, rpc)

    def a_tenant(self) -> tuple[TenantId, Actor]:
        tenant_id = TenantId(uuid.uuid4())
        email = f"owner.{secrets.token_hex(4)}@example.com"
        with self.begin(tenant_id) as unit:
            founded = found_organisation(FoundOrganisation("Heron Motors Ltd", "GB", email, "Olga Owner", PASSWORD), unit=unit)
        self.emails[tenant_id] = email
        return tenant_id, founded.owner


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer with an open security, its application, its worker's tables and its mail server."""

    scene: Scene
    office: PostOffice
    tables: WorkerTables
    app: Litestar
    email: str
    seller: tuple[InvestorId, Address]
    cuban: tuple[InvestorId, Address]

    def deliver(self) -> None:
        """Hand out events and run the sending of mails."""
        Dispatcher(self.scene.stage.database, self.tables.event_handlers(), clock=self.scene.stage.clock).dispatch_once()
        statement = "DELETE FROM procrastinate.procrastinate_jobs WHERE task_name = :name RETURNING id, args"
        with self.scene.stage.database.worker_transaction() as connection:
            jobs = connection.execute(sa.text(statement), {"name": SEND_JOB}).all()
        for job in jobs:
            self.tables.job_table()[SEND_JOB](RunningJob(job.id, SEND_JOB, self.scene.tenant_id, job.args, 0))

    def email_of(self, investor_id: InvestorId) -> str:
        with self.scene.begin() as unit:
            person: PersonalData = unit.investors.persons([investor_id])[investor_id]
        return person.email

    def program(self) -> TestClient[Litestar]:
        client = TestClient(self.app, base_url="http://muniment.test", raise_server_exceptions=False)
        token = client.post("/v1/sessions", json={"email": self.email, "password": PASSWORD}).json()["token"]
        client.cookies.clear()
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    def browser(self) -> TestClient[Litestar]:
        client = TestClient(self.app, base_url="http://muniment.test", raise_server_exceptions=False)
        form = {"_csrf": form_token(client.get("/sign-in").text), "email": self.email, "password": PASSWORD}
        assert client.post("/sign-in", data=form, follow_redirects=False).status_code == 303
        return client


@pytest.fixture(scope="module")
def issuer(make_database: Callable[[], str], chain_rpc: JsonRpc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    home: Path = tmp_path_factory.mktemp("home")
    database = Database(make_database(), connections_max=8)
    stage = FoundedStage(database, chain_rpc)
    stage.deploy_platform()
    scene = Scene(stage, *RULES)
    with open_office() as office:
        backend = Backend(
            configuration=Configuration(home=home, public_url=SITE),
            database=database,
            evm=stage.evm,
            fees=stage.fees,
            sealer=stage.sealer,
            clock=stage.clock,
            chain_id=CHAIN_ID,
            development_keys_allowed=True,
            mailer=SmtpMailer(office.url, sender=SENDER),
        )
        units = Units(backend)
        app = create_app(units=units, database=database, network="a chain", readiness={}, context_routes=context_routes())
        seller = scene.an_investor(wallet_address="")
        cuban = scene.an_investor("CU")
        scene.registered(seller[0], cuban[0])
        scene.issue({seller[1]: 100})
        yield Issuer(scene, office, WorkerTables(backend), app, stage.emails[scene.tenant_id], seller, cuban)
    database.close()


def shown(page: str) -> str:
    """Return a page's words without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def parts(reason: dict[str, Any]) -> list[str]:
    """Return what of a reason every place must show: sentence, rule, source, cure."""
    return [reason[name] for name in ("message", "rule", "citation", "cure") if reason[name] is not None]


def test_a_failed_instruction_says_the_same_on_the_line_in_the_api_on_the_page_and_by_mail(issuer: Issuer) -> None:
    scene = issuer.scene
    decision = scene.check(issuer.seller[1], issuer.cuban[1], 10)
    assert isinstance(decision, Refused)
    (expected,) = decision.reasons
    outcome = scene.transfer(issuer.seller[1], issuer.cuban[1], 10, send_anyway=True)
    assert isinstance(outcome, Instruction)
    state = scene.settle(outcome.instruction_id)
    assert isinstance(state, FailedInstruction)
    told = state.reason
    assert (told.code, told.sentence, told.rule, told.citation, told.cure) == (
        expected.code, expected.sentence, expected.rule, expected.citation, expected.cure
    )  # fmt: skip
    assert (told.rule, told.citation) == ("us.cuba", "31 CFR 515.201")
    issuer.deliver()
    (mail,) = [text for text in texts_to(issuer.office, issuer.email) if text.startswith("The transfer of")]
    with issuer.program() as client:
        body = client.get(f"/v1/instructions/{outcome.instruction_id}").json()
    assert (body["reason_code"], body["reason"]) == (told.code, told.sentence)
    assert (body["reason_rule"], body["reason_citation"], body["reason_cure"]) == (told.rule, told.citation, told.cure)
    with issuer.browser() as browser:
        page = shown(browser.get(f"/instructions/{outcome.instruction_id}").text)
    for part in parts(told.as_json()):
        assert part in mail
        assert part in page
    line = worded(told)
    assert told.sentence in line and str(told.cure) in line and str(told.citation) in line
    assert f"{SITE}/instructions/{outcome.instruction_id}" in mail


def question(issuer: Issuer, shares: str, **more: str) -> dict[str, str]:
    return {"from": issuer.seller[1], "to": issuer.cuban[1], "shares": shares, **more}


def test_an_explanation_says_what_the_check_and_the_page_say(issuer: Issuer) -> None:
    where = f"/v1/securities/{issuer.scene.security_id}"
    with issuer.program() as client:
        checked = client.post(f"{where}/transfer-checks", json=question(issuer, "20")).json()
        problem = client.post(
            "/v1/instructions/transfer",
            json={
                "security_id": str(issuer.scene.security_id),
                "from_wallet": issuer.seller[1],
                "to_wallet": issuer.cuban[1],
                "shares": "20",
            },
        ).json()
        answers = [client.post(f"{where}/explanations", json=question(issuer, "20")) for _ in range(3)]
    assert problem["decision"] == checked
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.json()["notice_id"] for answer in answers}) == 1, "the same explanation goes out once a day"
    with issuer.browser() as browser:
        form = {
            "_csrf": form_token(browser.get(f"/securities/{issuer.scene.security_id}/explain").text),
            "from_wallet": issuer.seller[1],
            "to_wallet": issuer.cuban[1],
            "shares": "20",
            "side": "receiver",
        }
        page = shown(browser.post(f"/securities/{issuer.scene.security_id}/explain/preview", data=form).text)
    issuer.deliver()
    issuer.deliver()
    (mail,) = [text for text in texts_to(issuer.office, issuer.email_of(issuer.cuban[0])) if text.startswith("Why this was refused")]
    assert "20 shares of Heron Common (HERON) cannot be transferred to you. The reason, in which you are the recipient:" in mail
    for reason in checked["reasons"]:
        for part in parts(reason):
            assert part in mail
            assert part in page
    told = answers[0].json()["reasons"]
    assert [{**reason, "facts": None} for reason in checked["reasons"]] == [{**reason, "facts": None} for reason in told]
    assert f"{SITE}/verify?hash=0x" in mail


def test_the_page_sends_what_it_shows_once(issuer: Issuer) -> None:
    where = f"/securities/{issuer.scene.security_id}/explain"
    with issuer.browser() as browser:
        page = browser.get(where, params={"to_wallet": issuer.cuban[1], "shares": "31"}).text
        assert "us.cuba" in page
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        untouched = {"from_wallet": "", "exemption": "", "paid": "", "paid_currency": "USD", "side": "receiver"}
        form = {**hidden, **untouched, "to_wallet": issuer.cuban[1], "shares": "31"}
        changed = browser.post(where, data={**form, "shares": "32"}, follow_redirects=False)
        assert changed.status_code == 200, "anything else than what was shown is shown first"
        sent = [browser.post(where, data=form, follow_redirects=False) for _ in range(2)]
        assert {answer.status_code for answer in sent} == {303}
        (place,) = {answer.headers["location"] for answer in sent}
        assert "waiting" in shown(browser.get(place).text)
        issuer.deliver()
        assert "sent" in shown(browser.get(place).text)
        file = shown(browser.get(f"/investors/{issuer.cuban[0]}").text)
        assert "Why something was refused The recipient is of Cuba, where this security may not be held. sent" in file
    mails = [text for text in texts_to(issuer.office, issuer.email_of(issuer.cuban[0])) if "31 shares" in text]
    assert len(mails) == 1
    assert "31 shares of Heron Common (HERON) cannot be issued to you. The reason, in which you are the recipient:" in mails[0]


def test_each_side_is_told_only_what_is_its_own_business(issuer: Issuer) -> None:
    where = f"/v1/securities/{issuer.scene.security_id}/explanations"
    with issuer.program() as client:
        # The country is the receiver's business alone.
        refused = client.post(where, json=question(issuer, "21", send_to="sender"))
        assert (refused.status_code, refused.json()["code"]) == (422, "notices.not_theirs")
        assert client.post(where, json=question(issuer, "101", send_to="sender")).json()["withheld"] == 1
        assert client.post(where, json=question(issuer, "101")).json()["withheld"] == 1
    issuer.deliver()
    (to_seller,) = [text for text in texts_to(issuer.office, issuer.email_of(issuer.seller[0])) if "101 shares" in text]
    (to_cuban,) = [text for text in texts_to(issuer.office, issuer.email_of(issuer.cuban[0])) if "101 shares" in text]
    assert "The sender has 100 shares to give, not 101." in to_seller
    assert "Cuba" not in to_seller
    assert "Cuba" in to_cuban
    assert "100" not in to_cuban.replace("101", "")
    for text in (to_seller, to_cuban):
        assert "1 further reason is about the other side, which we do not tell you." in text


def test_what_is_allowed_or_nobodys_is_not_explained(issuer: Issuer) -> None:
    where = f"/v1/securities/{issuer.scene.security_id}/explanations"
    stranger = "0x71C7656EC7ab88b098defB751B7401B5f6d8976F"
    cases = {
        "notices.nothing_to_explain": {"to": issuer.seller[1], "shares": "1"},
        "notices.nobody_to_tell": {"to": stranger, "shares": "1"},
        "http.invalid_request": {"to": issuer.cuban[1], "shares": "1", "send_to": "everybody"},
    }
    with issuer.program() as client:
        for code, body in cases.items():
            answer = client.post(where, json=body)
            assert answer.json()["code"] == code
            assert answer.status_code in {400, 422}


def test_an_erased_investor_is_told_nothing_and_the_words_to_them_are_gone(issuer: Issuer) -> None:
    scene = issuer.scene
    investor_id, wallet = scene.an_investor("CU")
    scene.registered(investor_id)
    email = issuer.email_of(investor_id)
    where = f"/v1/securities/{scene.security_id}/explanations"
    with issuer.program() as client:
        notice = client.post(where, json={"to": wallet, "shares": "1"}).json()
        assert notice["reasons"]
        with scene.begin() as unit:
            erase_investor(scene.owner, investor_id, unit=unit)
        issuer.deliver()
        assert client.post(where, json={"to": wallet, "shares": "2"}).json()["code"] == "notices.nobody_to_tell"
        (found,) = [each for each in client.get("/v1/notices").json()["notices"] if each["notice_id"] == notice["notice_id"]]
    assert (found["state"], found["outcome"], found["reasons"]) == ("dropped", "no_recipient", None)
    assert not [text for text in texts_to(issuer.office, email) if "Why this was refused" in text]


def test_explaining_is_written_into_the_audit_log_by_ids_and_codes(issuer: Issuer) -> None:
    with issuer.program() as client:
        client.post(f"/v1/securities/{issuer.scene.security_id}/explanations", json=question(issuer, "22"))
        entries = client.get("/v1/audit", params={"action": "notices.explain"}).json()["entries"]
    assert entries[0]["facts"]["codes"] == ["compliance.country_blocked"]
    assert entries[0]["facts"]["investor_id"] == str(issuer.cuban[0])


def test_another_organisations_member_explains_nothing_here(issuer: Issuer) -> None:
    foreign = an_actor(TenantId(uuid.uuid4()), Role.OWNER)
    with issuer.tables._units.begin(issuer.scene.tenant_id) as unit, pytest.raises(NotFound):
        send_explanation(foreign, ExplainRefusal(issuer.scene.security_id, None, issuer.cuban[1], 1), unit=unit)


def test_an_issue_under_an_exemption_is_explained_as_it_was_refused(issuer: Issuer) -> None:
    scene = issuer.scene
    investor_id, wallet = issuer.seller
    asked = {"shares": "10", "wallet": wallet, "exemption": "us.regs", "paid": {"amount": "100.00", "currency": "USD"}}
    with scene.begin() as unit:
        choose_law(scene.owner, ChooseLaw(scene.security_id, ("us.regd.506c",), {"price": "10.00", "currency": "USD"}, {}), unit=unit)
    with issuer.program() as client:
        issue = {"security_id": str(scene.security_id), "allotments": [asked]}
        refused = client.post("/v1/instructions/issue/preview", json=issue).json()["refused"][0]["reasons"]
        body = {"to": wallet, "shares": "10", "exemption": "us.regs", "paid": asked["paid"]}
        told = client.post(f"/v1/securities/{scene.security_id}/explanations", json=body)
        otherwise = client.post(f"/v1/securities/{scene.security_id}/explanations", json={"to": wallet, "shares": "10"})
    assert told.status_code == 202
    assert [reason["message"] for reason in told.json()["reasons"]] == [reason["message"] for reason in refused]
    assert otherwise.json().get("reasons") != told.json()["reasons"], "another question has another answer"
    with issuer.browser() as browser:
        asked_of = {"to_wallet": wallet, "shares": "10", "exemption": "us.regs", "paid": "100.00", "paid_currency": "USD"}
        page = shown(browser.get(f"/securities/{scene.security_id}/explain", params=asked_of).text)
    issuer.deliver()
    (mail,) = [text for text in texts_to(issuer.office, issuer.email_of(investor_id)) if refused[0]["message"] in text]
    for reason in refused:
        for part in parts(reason):
            assert part in mail
            assert part in page
    with scene.begin() as unit:
        choose_law(scene.owner, ChooseLaw(scene.security_id, (), {}, {}), unit=unit)
