# SPDX-License-Identifier: Apache-2.0
"""A running Muniment for the tests that drive its pages: database, chain, worker and web server, an issuer with holders. No test."""

from __future__ import annotations

import dataclasses
import io
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from muniment.access.commands import AcceptInvitation, FoundOrganisation, InviteMember, accept_invitation, found_organisation, invite_member
from muniment.access.model import Actor, Role
from muniment.app.api import context_routes, create_app, network_name, readiness_of
from muniment.app.platform import give_test_money, open_platform
from muniment.app.wiring import Backend, Units
from muniment.app.worker import Worker
from muniment.app.worker_tables import WorkerTables
from muniment.compliance.commands import SetRules, open_security, set_rules
from muniment.compliance.model.rules import CountryBlocked, MaximumBalancePerInvestor
from muniment.infra.clock import SystemClock
from muniment.infra.configuration import Configuration
from muniment.infra.jobs import Done
from muniment.infra.localchain.local_chain import LocalChain
from muniment.instruments.commands import (
    DocumentUpload,
    DraftSecurity,
    TokeniseVehicle,
    deploy_security,
    draft_security,
    store_document,
    tokenise_vehicle,
)
from muniment.instruments.model.securities import OpenSecurity
from muniment.parties.commands import onboard_csv, verify_investor
from muniment.settlement.commands import accept_payment_token
from muniment.units.ids import SecurityId, TenantId
from muniment.units.money import Money

PASSWORD = "seven quiet herons"
WAIT_SECONDS_MAX = 120.0

# Invented people; the names are as awkward as real ones.
INVESTORS = """\
external_reference,kind,name,email,country,date_of_birth,wallet_address,note
H-001,person,Ada Moreau,ada.moreau@example.com,FR,1984-03-02,,
H-002,person,Bartholomew Featherstonehaugh-Cholmondeley,bart@example.com,GB,1971-11-30,,
H-003,person,Zoë Müller,zoe@example.com,DE,1990-07-14,,
H-004,entity,Alcazar Fund SICAV,office@alcazar.example.com,LU,,,
H-005,person,Grace Otieno,grace@example.com,KE,1988-01-09,,
H-006,person,Yadira Pérez,yadira@example.com,CU,1979-09-21,,
H-007,person,<script>alert(1)</script> & Söhne,hostile@example.com,CH,1969-04-04,,
H-008,person,Own Wallet,own@example.com,CH,1980-05-05,0x71C7656EC7ab88b098defB751B7401B5f6d8976F,
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in."""

    email: str
    password: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class World:
    """What runs, and who and what is in it."""

    url: str
    units: Units
    tenant_id: TenantId
    owner: Person
    second: Person
    auditor: Person
    security_id: SecurityId


@contextmanager
def running_world(database_url: str, home: Path, *, block_seconds: float = 0.5) -> Iterator[World]:
    """Bring everything up, make an issuer with one open security and eight holders, and take it down at the end."""
    configuration = Configuration(home=home, database_url=database_url, block_seconds=block_seconds, confirmations=1)
    with LocalChain(configuration, progress=lambda _message: None) as chain:
        configuration = dataclasses.replace(configuration, chain_rpc_url=chain.start(), chain_is_local=True)
        backend = Backend.open(configuration)
        try:
            with _worker(configuration), a_web_server(backend) as url:
                yield _populate(Units(backend), url)
        finally:
            backend.close()


@contextmanager
def _worker(configuration: Configuration) -> Iterator[None]:
    stopping = threading.Event()

    def tables(parts: Backend) -> WorkerTables:
        return WorkerTables(parts)

    worker = Worker(configuration, wiring=tables, stopping=stopping, clock=SystemClock())
    thread = threading.Thread(target=worker.run, name="worker of a test")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@contextmanager
def a_web_server(backend: Backend) -> Iterator[str]:
    """Run the application in a thread of this process; yield its address."""
    servers: list[uvicorn.Server] = []
    app = create_app(
        units=Units(backend),
        database=backend.database,
        network=network_name(backend.chain_id),
        readiness=readiness_of(backend),
        context_routes=context_routes(),
        is_stopping=lambda: any(server.should_exit for server in servers),
    )
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, server_header=False, ws="none", timeout_graceful_shutdown=3)
    )
    servers.append(server)
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), name="web of a test")
    thread.start()
    try:
        wait_until(lambda: server.started, "the web server")
        yield url
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _populate(units: Units, url: str) -> World:
    wait_until(lambda: isinstance(open_platform(units), Done), "the platform's contracts")
    tenant_id = TenantId(uuid.uuid4())
    owner = _found(units, tenant_id, "Harbour Vehicles SPV 12 Ltd", "owner@example.com")
    second = join(units, owner, "second@example.com", "Bo Lindqvist", {Role.TRANSFER_AGENT, Role.COMPLIANCE_OFFICER})
    auditor = join(units, owner, "auditor@example.com", "Carla Auditor", {Role.AUDITOR})
    security_id = _security(units, owner)
    _investors(units, owner)
    wait_until(lambda: _is_open(units, tenant_id, security_id), "the security to open")
    _money(units, owner)
    wait_until(lambda: _registered(units, tenant_id), "the investors' wallets on the chain")
    return World(url, units, tenant_id, owner, second, auditor, security_id)


def found(units: Units, name: str, email: str) -> Person:
    """Found one more organisation."""
    return _found(units, TenantId(uuid.uuid4()), name, email)


def _found(units: Units, tenant_id: TenantId, name: str, email: str) -> Person:
    with units.begin(tenant_id) as unit:
        request = FoundOrganisation(name=name, country="CH", owner_email=email, owner_name="Olga Owner", owner_password=PASSWORD)
        return Person(email, PASSWORD, found_organisation(request, unit=unit).owner)


def join(units: Units, owner: Person, email: str, name: str, roles: set[Role]) -> Person:
    """Invite somebody and let them accept."""
    with units.begin(owner.actor.tenant_id) as unit:
        token = invite_member(owner.actor, InviteMember(email, name, frozenset(roles)), unit=unit)
    with units.begin(owner.actor.tenant_id) as unit:
        actor = accept_invitation(AcceptInvitation(token=token, password=PASSWORD, source="127.0.0.1"), unit=unit)
    assert isinstance(actor, Actor)
    return Person(email, PASSWORD, actor)


def _security(units: Units, owner: Person) -> SecurityId:
    vehicle = {"vin": "WP0AB2966NS458669", "make": "Porsche", "model": "911 Turbo 3.6", "first_registered_date": "1993-06-01"}
    certificate = DocumentUpload("certificate of title.txt", "text/plain", b"This certificate is fictitious.")
    with units.begin(owner.actor.tenant_id) as unit:
        asset = tokenise_vehicle(owner.actor, TokeniseVehicle(vehicle, {"legal_name": "Olga Owner"}), unit=unit)
        terms = DraftSecurity(asset.asset_record_id, "Porsche 911 Turbo 3.6, 1993", "PTX93", shares_authorized=1_000_000)
        security_id = draft_security(owner.actor, terms, unit=unit).terms.security_id
        store_document(owner.actor, asset.asset_record_id, certificate, unit=unit)
        deploy_security(owner.actor, security_id, unit=unit)
        rules = (
            CountryBlocked("us.cuba", "31 CFR 515.201", ("CU", "KP")),
            MaximumBalancePerInvestor("issuer.maximum", "Issuer rule", 200_000),
        )
        set_rules(owner.actor, SetRules(security_id, rules), unit=unit)
        open_security(owner.actor, security_id, unit=unit)
    return security_id


def _investors(units: Units, owner: Person) -> None:
    with units.begin(owner.actor.tenant_id) as unit:
        report = onboard_csv(owner.actor, io.BytesIO(INVESTORS.encode()), file_name="investors.csv", unit=unit)
    assert not report.refused, report.refused
    for row in report.accepted:
        with units.begin(owner.actor.tenant_id) as unit:
            verify_investor(owner.actor, row.investor_id, unit=unit)


def _is_open(units: Units, tenant_id: TenantId, security_id: SecurityId) -> bool:
    with units.begin(tenant_id) as unit:
        return isinstance(unit.securities.get(security_id), OpenSecurity)


def _money(units: Units, owner: Person) -> None:
    gift = give_test_money(units, owner.actor.tenant_id, Money.parse("250000.00", "USD"), purpose=str(owner.actor.tenant_id))

    def arrived() -> bool:
        with units.begin_platform() as unit:
            return unit.transactions.get(gift.transaction.id).is_closed

    wait_until(arrived, "the test money")
    with units.begin(owner.actor.tenant_id) as unit:
        accept_payment_token(owner.actor, gift.payment_token, currency="USD", unit=unit)


def _registered(units: Units, tenant_id: TenantId) -> bool:
    from muniment.access.ports import Page

    with units.begin(tenant_id) as unit:
        investors = unit.investors.page(Page(limit=50))
        wallets = unit.wallets.of_investors([investor.investor_id for investor in investors])
        return all(unit.identities.on_chain(wallet.address) is not None for some in wallets.values() for wallet in some)


def wait_until(is_so: Callable[[], bool], what: str, *, seconds: float = WAIT_SECONDS_MAX) -> None:
    """Wait until something is so; fail with its name when it takes too long."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)


@contextmanager
def signed_in(world: World, person: Person) -> Iterator[httpx.Client]:
    """Open a client with a session, as a program has one."""
    with httpx.Client(base_url=world.url, trust_env=False, timeout=30) as client:
        answer = client.post("/v1/sessions", json={"email": person.email, "password": person.password})
        assert answer.status_code == 201, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        yield client
