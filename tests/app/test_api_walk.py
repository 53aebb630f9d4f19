# SPDX-License-Identifier: Apache-2.0
"""Every route × every role × a foreign organisation: what the table of permissions says is what a client meets."""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute

from muniment.access.commands import SignedIn, SignIn, sign_in
from muniment.access.model import PERMITTED, Action, Role, csrf_token
from muniment.app.api import context_routes, create_app
from muniment.app.http.request import is_page
from muniment.units.ids import TenantId
from tests.app.routes import ROUTES, Line, Open
from tests.browser.world import Person, World, found, join

pytestmark = pytest.mark.slow

NOT_A_ROLE = {"OPTIONS", "HEAD"}
NO_ZIP = io.BytesIO()
with zipfile.ZipFile(NO_ZIP, "w") as _archive:
    _archive.writestr("readme.txt", "no package")


def registered_routes(world: World) -> set[tuple[str, str]]:
    app = create_app(units=world.units, database=world.units.backend.database, network="", readiness={}, context_routes=context_routes())
    return {
        (method, re.sub(r":[a-z]+}", "}", route.path))
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method not in NOT_A_ROLE
    }


def test_every_route_has_a_line_in_the_table(world: World) -> None:
    registered = registered_routes(world)
    assert registered - set(ROUTES) == set(), "a new route says in tests/app/routes.py what it asks for"
    assert set(ROUTES) - registered == set(), "the table names routes that are gone"


class Walker:
    """Somebody with a session, as a program and as a browser has it."""

    def __init__(self, world: World, person: Person) -> None:
        with world.units.begin_sign_in() as unit:
            request = SignIn(email=person.email, password=person.password, source="127.0.0.1", tenant_id=person.actor.tenant_id)
            opened = sign_in(request, unit=unit)
        assert isinstance(opened, SignedIn)
        self.client = httpx.Client(base_url=world.url, trust_env=False, timeout=60)
        self._bearer = {"Authorization": f"Bearer {opened.token}"}
        self._cookies = {"Cookie": f"muniment_session={opened.token}"}
        self._form_token = csrf_token(opened.token)

    def ask(self, method: str, path: str, line: Line, things: Mapping[str, str]) -> int:
        """Send what fits the route with `things` filled in; return the status."""
        headers = dict(self._cookies if is_page(path) else self._bearer)
        request = build(self.client, method, path, line, things, headers=headers, form_token=self._form_token)
        answer = self.client.send(request, stream=line.streams)
        answer.close()
        return answer.status_code


def build(
    client: httpx.Client, method: str, path: str, line: Line, things: Mapping[str, str], *, headers: dict[str, str], form_token: str
) -> httpx.Request:
    arguments: dict[str, Any] = {"params": dict(line.query), "headers": headers}
    if line.upload:
        content = NO_ZIP.getvalue() if line.upload == "{zip}" else line.upload.encode()
        arguments["files"] = {"file": ("upload.csv", content, "text/csv")}
        if is_page(path):
            arguments["data"] = {"_csrf": form_token}
    elif line.form is not None:
        arguments["data"] = {**line.form, "_csrf": form_token}
    elif line.json is not None:
        arguments["json"] = fill(line.json, things)
    elif is_page(path) and method != "GET":
        arguments["data"] = {"_csrf": form_token}
    return client.build_request(method, fill(path, things), **arguments)


def fill(value: Any, things: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\{([a-z_]+)\}", lambda found: things.get(found[1], found[0]), value)
    if isinstance(value, Mapping):
        return {name: fill(inner, things) for name, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, things) for inner in value]
    return value


@pytest.fixture(scope="module")
def walkers(world: World) -> Iterator[dict[Role, Walker]]:
    """Somebody in each role of the issuer."""
    made = {}
    for role in Role:
        person = (
            world.owner if role is Role.OWNER else join(world.units, world.owner, f"{role.value}@example.com", f"A {role.value}", {role})
        )
        made[role] = Walker(world, person)
    yield made
    for walker in made.values():
        walker.client.close()


@pytest.fixture(scope="module")
def all_things(world: World, things: dict[str, str]) -> dict[str, str]:
    """The ids of the issuer's own things."""
    with world.units.begin(world.tenant_id) as unit:
        asset = unit.assets.page(limit=1)[0]
        documents = unit.assets.documents(asset.asset_record_id)
    return {
        **things,
        "asset_id": asset.asset_id,
        "document_id": str(documents[0].document_id),
        "user_id": str(world.auditor.actor.user_id),
        "claim_id": str(uuid.UUID(int=8)),
        "hit_id": str(uuid.UUID(int=9)),
        "organisation_id": str(world.tenant_id),
        "provider": "sandbox",
        "action": "settlement.issue",
        "code": "access.not_permitted",
        "file_path": "icon.svg",
        "version": "1",
        "position": "0",
        "digest": "0x" + "7" * 64,
        "lien_id": "0x" + "8" * 64,
    }


@pytest.fixture(scope="module")
def no_things(all_things: dict[str, str]) -> dict[str, str]:
    """Ids of the right shape that nothing has."""
    shapes = {"asset_id": "0x" + "5" * 64, "transaction_hash": "0x" + "6" * 64}
    kept = ("action", "code", "digest", "file_path", "lien_id", "position", "version", "from_wallet", "blocked_wallet", "provider")
    return {name: shapes.get(name, text if name in kept else str(uuid.uuid4())) for name, text in all_things.items()}


def test_without_a_session_nothing_is_told(world: World, all_things: dict[str, str]) -> None:
    wrong = []
    with httpx.Client(base_url=world.url, trust_env=False, timeout=30) as client:
        for (method, path), line in ROUTES.items():
            answer = client.send(build(client, method, path, line, all_things, headers={}, form_token=""))
            if line.needs is Open.PUBLIC:
                expected = answer.status_code != 404
            elif is_page(path) and method == "GET":
                expected = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
            else:
                expected = answer.status_code == 401
            if not expected:
                wrong.append(f"{method} {path}: {answer.status_code}")
    assert wrong == []


def test_an_expired_or_made_up_session_is_none(world: World, all_things: dict[str, str]) -> None:
    with httpx.Client(base_url=world.url, trust_env=False, headers={"Authorization": "Bearer made-up"}) as client:
        answers = {
            path: client.get(fill(path, all_things)).status_code for method, path in ROUTES if method == "GET" and path.startswith("/v1/")
        }
    assert {path: status for path, status in answers.items() if status != 401} == {
        "/v1/openapi.json": 200,
        "/v1/verification/{digest}": 200,
    }


def test_roles_meet_what_the_table_of_permissions_says(
    walkers: dict[Role, Walker], all_things: dict[str, str], no_things: dict[str, str]
) -> None:
    wrong = []
    for (method, path), line in ROUTES.items():
        if not isinstance(line.needs, Action):
            continue
        for role, walker in walkers.items():
            if role in PERMITTED[line.needs]:
                # Ids that nothing has: the walk must not change what it walks over.
                status = walker.ask(method, path, line, no_things)
                if status in {401, 403} or status >= 500:
                    wrong.append(f"{method} {path} as {role.value}: {status} though permitted")
            else:
                status = walker.ask(method, path, line, all_things)
                if status != 403:
                    wrong.append(f"{method} {path} as {role.value}: {status} though {line.needs.value} is not permitted")
    assert wrong == []


@pytest.mark.parametrize("role", [Role.OWNER, Role.AUDITOR])
def test_every_page_of_what_exists_is_drawn(walkers: dict[Role, Walker], all_things: dict[str, str], role: Role) -> None:
    # The auditor's pages differ: names are not the auditor's to see.
    statuses = {
        path: walkers[role].ask(method, path, line, all_things)
        for (method, path), line in ROUTES.items()
        if method == "GET" and is_page(path) and isinstance(line.needs, Action) and role in PERMITTED[line.needs]
    }
    # A search with one hit leads straight to it.
    assert {path: status for path, status in statuses.items() if status != 200} == {"/search": 303}


def test_routes_for_everybody_are_open_to_every_role(walkers: dict[Role, Walker], all_things: dict[str, str]) -> None:
    wrong = []
    for (method, path), line in ROUTES.items():
        if isinstance(line.needs, Action) or line.ends_the_session:
            continue
        for role, walker in walkers.items():
            status = walker.ask(method, path, line, all_things)
            is_refused_sign_in = path in {"/v1/sessions", "/sign-in"} and status in {401, 429}
            if (status in {401, 403} or status >= 500) and not is_refused_sign_in:
                wrong.append(f"{method} {path} as {role.value}: {status}")
    assert wrong == []


def test_another_organisation_meets_nothing(world: World, all_things: dict[str, str]) -> None:
    stranger = Walker(world, found(world.units, "Elsewhere Ltd", "stranger@example.com"))
    wrong = []
    for (method, path), line in ROUTES.items():
        if not isinstance(line.needs, Action) or not line.names_a_thing:
            continue
        status = stranger.ask(method, path, line, all_things)
        if status != 404:
            wrong.append(f"{method} {path}: {status}")
    stranger.client.close()
    assert wrong == []


def test_another_organisations_lists_hold_nothing_of_ours(world: World, all_things: dict[str, str]) -> None:
    stranger = found(world.units, "Elsewhere Too Ltd", "stranger2@example.com")
    ours = [text for name, text in all_things.items() if name.endswith("_id") or name == "transaction_hash"]
    told: list[str] = []
    with world.units.begin_sign_in() as unit:
        opened = sign_in(SignIn(stranger.email, stranger.password, "127.0.0.1", TenantId(stranger.actor.tenant_id)), unit=unit)
    assert isinstance(opened, SignedIn)
    headers = {"Authorization": f"Bearer {opened.token}", "Cookie": f"muniment_session={opened.token}"}
    with httpx.Client(base_url=world.url, trust_env=False, headers=headers, timeout=30) as client:
        for (method, path), line in ROUTES.items():
            if method == "GET" and isinstance(line.needs, Action) and not line.names_a_thing and "{" not in path:
                body = client.get(path, params=dict(line.query)).text
                told += [f"{path} tells {thing}" for thing in ours if thing in body]
    assert told == []
