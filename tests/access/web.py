# SPDX-License-Identifier: Apache-2.0
"""The smallest web application around a context's routes, for the tests of their wire shapes. Holds no test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult, DefineMiddleware
from litestar.testing import TestClient

from muniment.access import commands
from muniment.access.errors import NotSignedIn
from muniment.access.model import Actor, SessionToken
from muniment.units.errors import MunimentError
from tests.access.unit import PASSWORD, Installation


@dataclass(frozen=True)
class Credentials:
    """A session's secret on a request."""

    token: SessionToken


class Bearer(AbstractAuthenticationMiddleware):
    """Finds the session of a bearer token."""

    def __init__(self, app: Any, installation: Installation) -> None:
        super().__init__(app)
        self._installation = installation

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Return who acts and with which secret."""
        token = connection.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            return AuthenticationResult(user=None, auth=None)
        with self._installation.begin_sign_in() as unit:
            actor = commands.authenticate(token, unit=unit).actor
        return AuthenticationResult(user=actor, auth=Credentials(SessionToken(token)))


def actor_of(request: Request[Any, Any, Any]) -> Actor:
    """Return who acts, or refuse."""
    actor: Actor | None = request.scope.get("user")
    if actor is None:
        raise NotSignedIn
    return actor


@contextmanager
def served(installation: Installation, routes: Sequence[HTTPRouteHandler]) -> Iterator[TestClient[Litestar]]:
    """Serve the routes over the installation; a refusal is answered with 400 and its JSON."""
    app = Litestar(
        list(routes),
        middleware=[DefineMiddleware(Bearer, installation=installation)],
        dependencies={
            "actor": Provide(actor_of, sync_to_thread=False),
            "begin": Provide(lambda: installation.begin, sync_to_thread=False),
            "begin_sign_in": Provide(lambda: installation.begin_sign_in, sync_to_thread=False),
        },
        exception_handlers={MunimentError: lambda _request, error: Response(error.as_json(), status_code=400)},
        logging_config=None,
    )
    with TestClient(app, raise_server_exceptions=True) as client:
        yield client


def sign_in(client: TestClient[Litestar], email: str, password: str = PASSWORD) -> dict[str, str]:
    """Sign in over REST and return the header of the session."""
    answer = client.post("/v1/sessions", json={"email": email, "password": password})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}
