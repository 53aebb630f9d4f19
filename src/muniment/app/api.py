# SPDX-License-Identifier: Apache-2.0
"""The web application: every context's routes, the pages, and what surrounds them. Decides nothing; commands do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import CacheControlHeader, State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from muniment.access.ports import SignInUnit
from muniment.app.http import operations, problems
from muniment.app.http.edge import Edge
from muniment.app.http.live import Live
from muniment.app.http.openapi import openapi_config
from muniment.app.http.operations import Check
from muniment.app.http.session import PUBLIC, Authentication, actor_of, guard
from muniment.app.web import pages
from muniment.app.web.render import STATIC, manifest, problem_page
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import Database
from muniment.units.errors import MunimentError
from muniment.units.ids import TenantId

BODY_BYTES_MAX: Final = 1_000_000
"""What a request may bring; routes that take files say so themselves."""

STATIC_SECONDS: Final = 31_536_000


class Units(Protocol):
    """Opens units of work: `app.wiring` has them."""

    def begin(self, tenant_id: TenantId) -> AbstractContextManager[Any]:
        """Open one transaction of one organisation."""
        ...

    def begin_sign_in(self) -> AbstractContextManager[SignInUnit]:
        """Open one transaction of nobody's, for signing in."""
        ...


def create_app(
    *,
    units: Units,
    database: Database,
    network: str,
    readiness: Mapping[str, Check],
    context_routes: Sequence[ControllerRouterHandler],
    is_stopping: Callable[[], bool] = lambda: False,
) -> Litestar:
    """Return the application over open units; refuses to start without the built styles and scripts.

    `network` names the chain for people, `readiness` holds what /ready asks, `context_routes` are every context's routes under /v1.
    """
    manifest()
    live = Live(database, network=network, is_stopping=is_stopping)
    app = Litestar(
        route_handlers=[
            # One router for all: Litestar 2.25 wraps a threaded handler twice when another of its path is registered on the app.
            Router("/", route_handlers=[*operations.ROUTES, *context_routes, *pages.ROUTES]),
            create_static_files_router(
                path="/static",
                directories=[Path(STATIC)],
                opt={PUBLIC: True},
                include_in_schema=False,
                cache_control=CacheControlHeader(max_age=STATIC_SECONDS, public=True, immutable=True),
            ),
        ],
        guards=[guard],
        middleware=[DefineMiddleware(Authentication, begin_sign_in=units.begin_sign_in)],
        exception_handlers={
            MunimentError: problems.on_refusal,
            HTTPException: problems.on_framework_error,
            Unreachable: problems.on_outage,
            Exception: problems.on_bug,
        },
        dependencies={
            "actor": Provide(actor_of, sync_to_thread=False),
            "begin": Provide(lambda: units.begin, sync_to_thread=False),
            "begin_sign_in": Provide(lambda: units.begin_sign_in, sync_to_thread=False),
        },
        openapi_config=openapi_config(),
        compression_config=CompressionConfig(backend="gzip", minimum_size=1000, exclude=["^/events$"]),
        request_max_body_size=BODY_BYTES_MAX,
        state=State({"live": live, "units": units, "database": database, "readiness": readiness, "problem_page": problem_page}),
        debug=False,
        logging_config=None,
    )
    app.asgi_handler = Edge(app.asgi_handler)
    return app
