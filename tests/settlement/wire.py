# SPDX-License-Identifier: Apache-2.0
"""A client of some contexts' routes with a fixed actor and real units, without sessions: those are tests/app's. Tests nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.testing import TestClient

from muniment.access.model import Actor
from muniment.app.http.problems import problem_of_refusal
from muniment.units.errors import MunimentError
from tests.settlement.scene import Scene


def a_client(scene: Scene, actor: Actor, routes: Sequence[HTTPRouteHandler]) -> TestClient[Litestar]:
    def refuse(_: Request[Any, Any, Any], error: MunimentError) -> Response[Any]:
        problem = problem_of_refusal(error)
        return Response(problem, status_code=problem["status"])

    def provide_actor() -> Any:
        return actor

    def provide_begin() -> Any:
        return scene.scene_stage.begin

    app = Litestar(
        routes,
        dependencies={"actor": Provide(provide_actor, sync_to_thread=False), "begin": Provide(provide_begin, sync_to_thread=False)},
        exception_handlers={MunimentError: refuse},
    )
    return TestClient(app)
