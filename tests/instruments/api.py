# SPDX-License-Identifier: Apache-2.0
"""The routes of instruments and compliance over a stage, for whoever the test says is signed in. Holds no test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.testing import TestClient

from muniment.access.model import Actor
from muniment.units.errors import MunimentError
from tests.instruments.stage import Stage


def a_client(stage: Stage, actor: Actor, routes: Sequence[HTTPRouteHandler]) -> TestClient[Litestar]:
    """Return a client whose every request is the actor's; refusals come as 422 with their JSON."""
    app = Litestar(
        route_handlers=[Router("/", route_handlers=list(routes))],
        dependencies={
            "actor": Provide(lambda: actor, sync_to_thread=False),
            "begin": Provide(lambda: stage.begin, sync_to_thread=False),
            "begin_public": Provide(lambda: stage.platform, sync_to_thread=False),
        },
        exception_handlers={MunimentError: _refused},
        logging_config=None,
        request_max_body_size=1_000_000,
    )
    return TestClient(app)


def _refused(_: Request[Any, Any, Any], refusal: MunimentError) -> Response[dict[str, object]]:
    return Response(refusal.as_json(), status_code=422)
