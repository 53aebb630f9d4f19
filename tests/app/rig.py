# SPDX-License-Identifier: Apache-2.0
"""The application over a real database and without a chain, for tests that ask for nothing on it. Holds no test."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from litestar import Litestar, get
from litestar.testing import TestClient

from muniment.access.commands import AcceptInvitation, FoundOrganisation, InviteMember, accept_invitation, found_organisation, invite_member
from muniment.access.model import Actor, Role
from muniment.app.api import context_routes, create_app, readiness_of
from muniment.app.http.session import PUBLIC
from muniment.app.wiring import Backend, Units
from muniment.infra.clock import SystemClock
from muniment.infra.configuration import Configuration
from muniment.infra.evm.client import Evm
from muniment.infra.evm.fees import FeeQuotes
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import Database
from muniment.infra.sealing import Sealer
from muniment.units.ids import TenantId

PASSWORD = "seven quiet herons"
SECRET_OF_A_BUG = "the row with the passport number"


@get("/v1/broken", opt={PUBLIC: True}, sync_to_thread=False)
def broken() -> None:
    """Fail as a bug does."""
    raise ValueError(SECRET_OF_A_BUG)


@get("/broken", opt={PUBLIC: True}, sync_to_thread=False, include_in_schema=False)
def broken_page() -> None:
    """Fail as a bug does, on a page."""
    raise ValueError(SECRET_OF_A_BUG)


@get("/v1/away", opt={PUBLIC: True}, sync_to_thread=False)
def away() -> None:
    """Fail as an outage does."""
    raise Unreachable("chain", detail="http://user:password@node.invalid", retry=True)


@dataclass(frozen=True, slots=True)
class Rig:
    """The application over a real database; its chain is out of reach, which no test here needs."""

    app: Litestar
    units: Units
    owner: Actor
    email: str

    def client(self, **cookies: str) -> TestClient[Litestar]:
        return TestClient(self.app, base_url="http://muniment.test", cookies=cookies, raise_server_exceptions=False)


@contextmanager
def a_rig(make_database: Callable[[], str], home: Path) -> Iterator[Rig]:
    """Make an application with one organisation and its owner."""
    database = Database(make_database(), connections_max=8)
    evm = Evm(JsonRpc("http://127.0.0.1:9", timeout_seconds=1))
    backend = Backend(
        configuration=Configuration(home=home),
        database=database,
        evm=evm,
        fees=FeeQuotes(evm),
        sealer=Sealer(secrets.token_bytes(32)),
        clock=SystemClock(),
        chain_id=31337,
        development_keys_allowed=False,
    )
    units = Units(backend)
    app = create_app(
        units=units,
        database=database,
        network="a chain",
        readiness=readiness_of(backend),
        context_routes=[*context_routes(), broken, broken_page, away],
    )
    email = "owner@example.com"
    tenant_id = TenantId(uuid.uuid4())
    with units.begin(tenant_id) as unit:
        request = FoundOrganisation("Test Ltd", "CH", email, "Olga Owner", PASSWORD)
        owner = found_organisation(request, unit=unit).owner
    yield Rig(app, units, owner, email)
    backend.close()


def a_member(rig: Rig, email: str, *roles: Role) -> Actor:
    """Invite somebody and let them accept."""
    with rig.units.begin(rig.owner.tenant_id) as unit:
        token = invite_member(rig.owner, InviteMember(email, f"Member {email.partition('@')[0]}", frozenset(roles)), unit=unit)
    with rig.units.begin(rig.owner.tenant_id) as unit:
        actor = accept_invitation(AcceptInvitation(token=token, password=PASSWORD, source="127.0.0.1"), unit=unit)
    assert isinstance(actor, Actor)
    return actor


def signed_in(rig: Rig, email: str | None = None) -> TestClient[Litestar]:
    """Return a client with a session's cookie, as a browser has it after the sign-in form."""
    client = rig.client()
    page = client.get("/sign-in")
    answer = client.post(
        "/sign-in", data={"_csrf": form_token(page.text), "email": email or rig.email, "password": PASSWORD}, follow_redirects=False
    )
    assert answer.status_code == 303, answer.text
    return client


def form_token(page: str) -> str:
    found = re.search(r'name="_csrf" value="([^"]+)"', page)
    assert found is not None, "the form carries no token"
    return found[1]
