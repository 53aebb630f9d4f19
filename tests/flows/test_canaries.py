# SPDX-License-Identifier: Apache-2.0
"""Personal data planted as canaries is in no log, calldata, event or row, in whatever form; and the search finds what is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from eth_account import Account

from muniment.app.platform import DEVELOPMENT_PHRASE
from muniment.infra.evm.rpc import JsonRpc
from muniment.parties import commands as parties
from tests.flows.canaries import AGENT, INVESTORS, OWNER, PASSWORD, VEHICLE_OWNER, Person, a_person, investors_csv, planted
from tests.flows.haystacks import chain_of, database_files, dump_of, files_of, forms_of, found_in
from tests.flows.stand import ALL, Filling, Running, copy_of, filled_home, running, wait_for
from tests.notices.post_office import Kept, PostOffice, open_office

pytestmark = [pytest.mark.slow]

NEWCOMER = a_person(20, prefix="N")
IMPORTED = a_person(21, prefix="N")
UNBORN = a_person(22, prefix="N")
REFUSED = a_person(23, prefix="N")
INVITED = ("geladene.kanarie@vogelhaus-gast.example", "Geladene Kanarienfrau")
STRANGER = ("fremder.kanari@vogelhaus-nirgends.example", "nirgendwo-zuhause-4711")
SECOND_OWNER = {**VEHICLE_OWNER, "legal_name": "Kanaldine Zweitbesitzerin", "email": "kanaldine@vogelhaus-zwei.example"}


@dataclass(frozen=True, slots=True)
class Aviary:
    """The stopped remains of a Muniment through which the canaries went, and what was read while it ran."""

    home: Path
    canaries: Mapping[str, str]
    secrets: Mapping[str, str]
    dump: bytes
    chain: Mapping[str, bytes]
    mails: tuple[Kept, ...]


@pytest.fixture(scope="module")
def aviary() -> Iterator[Aviary]:
    """Fill a Muniment with canaries by commands, by REST and by the pages, most of all by requests that are refused."""
    with copy_of(filled_home()) as home, open_office() as office, pytest.MonkeyPatch.context() as environment:
        environment.setenv("MUNIMENT_SMTP_URL", office.url)
        environment.setenv("MUNIMENT_MAIL_FROM", "shares@vogelhaus-post.example")
        with running(home, components=ALL) as stand:
            tokens = stir(stand)
            mail(stand, office)
            dump = dump_of(stand.owner_url)
            chain = chain_of(stand.units.backend.evm.rpc)
        secrets = {f"secret {path.name}": path.read_text(encoding="ascii").strip() for path in (home / "secrets").iterdir()}
        assert secrets, "a home has a master key"
        yield Aviary(home, all_canaries(), tokens | secrets, dump, chain, tuple(office.kept))


def all_canaries() -> dict[str, str]:
    """Return everything that was planted, by what it is."""
    found = planted()
    for person in (NEWCOMER, IMPORTED, UNBORN, REFUSED):
        found |= {f"{person.reference} {number}": value for number, value in enumerate(person.values)}
    found |= {"invited email": INVITED[0], "invited name": INVITED[1], "stranger email": STRANGER[0], "stranger password": STRANGER[1]}
    return found | {"second owner name": SECOND_OWNER["legal_name"], "second owner email": SECOND_OWNER["email"]}


def as_json(person: Person) -> dict[str, str]:
    return {
        "external_reference": person.reference,
        "kind": "person",
        "name": person.name,
        "email": person.email,
        "country": person.country,
        "date_of_birth": person.date_of_birth,
        "tax_id": person.tax_id,
        "document_number": person.document_number,
        "document_expires": person.document_expires,
        "note": person.note,
    }


def stir(stand: Running) -> dict[str, str]:
    """Send personal data through everything that takes some; return the tokens that were told on the way."""
    with httpx.Client(base_url=stand.api_url, trust_env=False, timeout=60) as client:
        for email, password in ((OWNER[0], STRANGER[1]), STRANGER, (AGENT[0], "wrong " + PASSWORD)):
            assert client.post("/v1/sessions", json={"email": email, "password": password}).status_code == 401
    with httpx.Client(base_url=stand.api_url, trust_env=False, timeout=60) as browser:
        form = re.search(r'name="_csrf" value="([^"]+)"', browser.get("/sign-in").text)
        assert form is not None, "the form carries its token"
        answer = browser.post("/sign-in", data={"_csrf": form[1], "email": AGENT[0], "password": STRANGER[1]})
        assert answer.status_code == 401, answer.text
    with httpx.Client(base_url=stand.api_url, trust_env=False, timeout=60) as client:
        signed_in = client.post("/v1/sessions", json={"email": AGENT[0], "password": PASSWORD})
        assert signed_in.status_code == 201, signed_in.text
        token = signed_in.json()["token"]
    with httpx.Client(base_url=stand.api_url, trust_env=False, timeout=60, headers={"Authorization": f"Bearer {token}"}) as client:
        _onboard(client)
        _look(client)
    with httpx.Client(base_url=stand.api_url, trust_env=False, timeout=60) as client:
        owner = client.post("/v1/sessions", json={"email": OWNER[0], "password": PASSWORD}).json()["token"]
        client.headers["Authorization"] = f"Bearer {owner}"
        _tokenise(client)
        invited = client.post("/v1/invitations", json={"email": INVITED[0], "display_name": INVITED[1], "roles": ["auditor"]})
        assert invited.status_code == 201, invited.text
    return {"agent's session": token, "owner's session": owner, "invitation": invited.json()["token"]}


def _onboard(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "onboard-newcomer"}
    for _ in range(2):
        made = client.post("/v1/investors", json=as_json(NEWCOMER), headers=key)
        assert made.status_code == 201, made.text
    # The same key with another request, the same reference again, a date that is none, an unknown field.
    assert client.post("/v1/investors", json=as_json(UNBORN), headers=key).is_client_error
    assert client.post("/v1/investors", json=as_json(NEWCOMER)).is_client_error
    assert client.post("/v1/investors", json=as_json(REFUSED) | {"date_of_birth": REFUSED.tax_id}).is_client_error
    assert client.post("/v1/investors", json=as_json(REFUSED) | {REFUSED.name: REFUSED.email}).is_client_error
    assert client.post(
        "/v1/investors", content=json.dumps(as_json(REFUSED))[:-9], headers={"Content-Type": "application/json"}
    ).is_client_error
    lines = investors_csv((IMPORTED, UNBORN, REFUSED)).decode().splitlines()
    lines[2] = lines[2].replace(f",{UNBORN.country},", ",XX,")
    lines[3] = lines[3].replace(REFUSED.name, f"={REFUSED.name}")
    report = client.post("/v1/investors/import", files={"file": (f"{REFUSED.name}.csv", "\n".join(lines).encode(), "text/csv")})
    assert report.status_code == 200, report.text
    assert (len(report.json()["accepted"]), len(report.json()["refused"])) == (1, 2)


def _look(client: httpx.Client) -> None:
    for person in (INVESTORS[0], NEWCOMER, REFUSED):
        for value in person.values:
            assert client.get("/v1/investors", params={"search": value}).status_code == 200
    found = client.get("/v1/investors", params={"search": INVESTORS[0].email}).json()["investors"]
    assert [investor["name"] for investor in found] == [INVESTORS[0].name]
    assert client.get(f"/v1/investors/{found[0]['investor_id']}").json()["person"]["tax_id"] == INVESTORS[0].tax_id
    assert INVESTORS[3].name in client.get("/v1/investors/export").text
    # An address may carry anything: a person's name as an id, as a cursor, as a page that is not there.
    for place in (f"/v1/investors/{REFUSED.name}", f"/v1/securities/{REFUSED.email}", f"/investors/{REFUSED.tax_id}", f"/{REFUSED.name}"):
        assert client.get(place).is_client_error
    assert client.get("/v1/investors", params={"cursor": REFUSED.name}).is_client_error
    assert client.get("/v1/members").status_code == 200


def _tokenise(client: httpx.Client) -> None:
    vehicle = {"vin": "WP0AB2966NS458669", "make": "Porsche", "model": "911 Turbo 3.6", "first_registered_date": "1993-06-01"}
    key = {"Idempotency-Key": "second-vehicle"}
    for _ in range(2):
        made = client.post("/v1/assets/vehicles", json={"vehicle": vehicle, "owner": SECOND_OWNER}, headers=key)
        assert made.status_code == 201, made.text
    wrong = vehicle | {"vin": "WP0AB2966NS45866I"}
    assert client.post("/v1/assets/vehicles", json={"vehicle": wrong, "owner": SECOND_OWNER}).is_client_error
    assert client.post("/v1/assets/vehicles", json={"vehicle": vehicle, "owner": {"legal_name": [SECOND_OWNER["email"]]}}).status_code < 500


def mail(stand: Running, office: PostOffice) -> None:
    """Have mails sent to canaries: one that is taken, one that the server refuses and one that it puts off, each naming the person."""
    office.answers_to_recipient += [f"550 5.1.1 <{NEWCOMER.email}> {NEWCOMER.name} is unknown", f"450 4.2.1 <{IMPORTED.email}> is busy"]
    desk = Filling.of(stand.home).desk
    for person in (NEWCOMER, IMPORTED, INVESTORS[0]):
        with stand.begin(desk.tenant_id) as unit:
            investor = unit.investors.by_reference(person.reference)
            parties.reverify_investor(desk.agent, investor.investor_id, {}, unit=unit)

        def answered(reference: str = person.reference) -> bool:
            with stand.begin(desk.tenant_id) as unit:
                investor_id = unit.investors.by_reference(reference).investor_id
                found = [each for each in unit.notices.page() if each.recipient_id == investor_id]
            return bool(found) and all(each.attempts or each.state != "waiting" for each in found)

        wait_for(answered, f"the mail to {person.reference}")


# The search


def hits_in(haystacks: Iterable[tuple[str, bytes]], aviary: Aviary) -> dict[str, list[str]]:
    """Return which canary and which secret is where, where there is any."""
    found = {name: [*found_in(content, aviary.canaries), *found_in(content, aviary.secrets, hashes=False)] for name, content in haystacks}
    return {name: hits for name, hits in found.items() if hits}


def test_no_log_and_no_file_left_lying_about_holds_a_canary(aviary: Aviary) -> None:
    seen = dict(files_of(aviary.home))
    log = seen["log/muniment.log"]
    for part in (b'"worker.started"', b" chain [", b'"/v1/investors/{investor_id}"', b" postgres "):
        assert part in log, f"the log tells nothing of {part!r}"
    assert hits_in(seen.items(), aviary) == {}


def test_each_request_is_one_line_of_json_in_the_log_with_its_route_and_never_its_address(aviary: Aviary) -> None:
    lines = (aviary.home / "log" / "muniment.log").read_text(encoding="utf-8").splitlines()
    requests = [json.loads(line) for line in lines if '"event": "request"' in line]
    assert len(requests) > 50
    assert {request["level"] for request in requests} == {"info"}
    assert not [line for line in lines if "request" in line and not line.startswith("{") and " postgres " not in line]
    assert not [request for request in requests if "?" in request["route"]]


def test_mail_to_the_canaries_was_sent_and_nothing_of_it_was_kept(aviary: Aviary) -> None:
    assert [kept.recipients for kept in aviary.mails] == [(INVESTORS[0].email.lower(),)]
    assert INVESTORS[0].name in aviary.mails[0].text
    assert b"COPY notices.notice" in aviary.dump
    log = (aviary.home / "log" / "muniment.log").read_text(encoding="utf-8")
    assert "notices.put_off" in log


def test_no_calldata_and_no_event_holds_a_canary_nor_its_unsalted_hash(aviary: Aviary) -> None:
    assert len(aviary.chain["calldata"]) > 50_000
    assert len(aviary.chain["events"]) > 10_000
    assert hits_in(aviary.chain.items(), aviary) == {}


def test_no_row_of_the_database_holds_a_canary_in_plain_text_nor_its_unsalted_hash(aviary: Aviary) -> None:
    assert b"COPY parties.investor" in aviary.dump
    assert NEWCOMER.reference.encode() in aviary.dump, "the reference is no personal data and shows that the row is there"
    assert hits_in([("dump", aviary.dump)], aviary) == {}


def test_no_file_of_the_database_holds_a_canary_not_even_in_dead_rows_or_the_write_ahead_log(aviary: Aviary) -> None:
    needles = {name: value.encode() for name, value in {**aviary.canaries, **aviary.secrets}.items()}
    found = {
        file: hits for file, content in database_files(aviary.home) if (hits := [name for name, text in needles.items() if text in content])
    }
    assert found == {}


# That the search would find what is there


def test_the_search_finds_each_form_of_a_value() -> None:
    value = "Kontrolla Fundstückova"
    for form, written in forms_of(value).items():
        assert any(form in hit for hit in found_in(b"before " + written + b" after", {"control": value})), form


def test_the_search_finds_what_is_planted_in_a_log_a_row_and_a_transaction(aviary: Aviary) -> None:
    control = {"control": "kontrolla.fundstueck@vogelhaus-kontrolle.example"}
    text = control["control"]
    with copy_of(aviary.home) as home, running(home, components=("database", "chain")) as stand:
        with (home / "log" / "muniment.log").open("a", encoding="utf-8") as log:
            log.write(f"somebody signed in as {text}\n")
        with psycopg.connect(stand.owner_url) as connection:
            connection.execute("UPDATE access.approval SET request = request || jsonb_build_object('note', %s::text)", [text])
            connection.execute("UPDATE parties.investor SET sealed = %s WHERE external_reference = %s", [text.encode(), NEWCOMER.reference])
        rpc = stand.units.backend.evm.rpc
        _send(rpc, text.encode())
        assert "control (plain)" in found_in(dict(files_of(home))["log/muniment.log"], control)
        hits = found_in(dump_of(stand.owner_url), control)
        assert {"control (plain)", "control (hexadecimal)"} <= set(hits)
        assert "control (plain)" in found_in(chain_of(rpc)["calldata"], control)
        filling = Filling.of(home)
        assert filling.holders, "the copy is the filled home"


def _send(rpc: JsonRpc, data: bytes) -> None:
    """Put bytes on the chain, as anybody can."""
    Account.enable_unaudited_hdwallet_features()
    account = Account.from_mnemonic(DEVELOPMENT_PHRASE, account_path="m/44'/60'/0'/0/7")
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": 31337,
        "nonce": 0,
        "value": 0,
        "data": data,
        "gas": 200_000,
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 1,
        "to": account.address,
    }
    sent = rpc.call("eth_sendRawTransaction", ["0x" + bytes(account.sign_transaction(fields).raw_transaction).hex()])
    wait_for(lambda: rpc.call("eth_getTransactionReceipt", [sent]), "the planted transaction")
