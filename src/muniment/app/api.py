# SPDX-License-Identifier: Apache-2.0
"""The web application: every context's routes, the pages, and what surrounds them, served in one process. Decides nothing; commands do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import sqlalchemy as sa
import uvicorn
from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import CacheControlHeader, State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from muniment.access import http as access_http
from muniment.app.api_approvals import execute_approved
from muniment.app.http import operations, problems
from muniment.app.http.bodies import GuardedRequest
from muniment.app.http.edge import Edge
from muniment.app.http.live import Live
from muniment.app.http.lookups import Lookups
from muniment.app.http.openapi import openapi_config
from muniment.app.http.operations import Check
from muniment.app.http.request import MunimentRequest
from muniment.app.http.session import PUBLIC, Authentication, actor_of, guard
from muniment.app.web import pages
from muniment.app.web.render import STATIC, manifest, problem_page
from muniment.app.wiring import Backend, Units
from muniment.compliance import http as compliance_http
from muniment.infra.configuration import Configuration
from muniment.infra.logging import configure_logging
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import Database
from muniment.infra.postgres.migrations import current_revision, head_revision
from muniment.instruments import http as instruments_http
from muniment.notices import http as notices_http
from muniment.parties import http as parties_http
from muniment.register import http as register_http
from muniment.servicing import http as servicing_http
from muniment.settlement import http as settlement_http
from muniment.units.errors import MunimentError

BODY_BYTES_MAX: Final = 1_000_000
"""What a request may bring; routes that take files say so themselves."""

STATIC_SECONDS: Final = 31_536_000
STOP_SECONDS_MAX: Final = 5
BLOCKS_BEHIND_MAX: Final = 20
NETWORKS: Final[Mapping[int, str]] = {1: "Ethereum", 137: "Polygon", 8453: "Base", 11155111: "Sepolia", 31337: "local chain"}


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
    lookups = Lookups(units.backend.clock)
    live = Live(database, network=network, is_stopping=is_stopping)
    app = Litestar(
        route_handlers=[
            # One router for all: Litestar 2.25 wraps a threaded handler twice when another of its path is registered on the app.
            Router("/", route_handlers=[*operations.ROUTES, *context_routes, *pages.ROUTES]),
            create_static_files_router(
                path="/static",
                directories=[STATIC],
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
            "begin_public": Provide(begin_public_of(units, lookups), sync_to_thread=False),
            "begin_sign_in": Provide(lambda: units.begin_sign_in, sync_to_thread=False),
            "execute_approved": Provide(lambda: execute_approved, sync_to_thread=False),
        },
        openapi_config=openapi_config(),
        compression_config=CompressionConfig(backend="gzip", minimum_size=1000, exclude=["^/events$"]),
        request_class=GuardedRequest,
        request_max_body_size=BODY_BYTES_MAX,
        state=State({"live": live, "units": units, "database": database, "readiness": readiness, "problem_page": problem_page}),
        debug=False,
        logging_config=None,
    )
    app.asgi_handler = Edge(app.asgi_handler)
    return app


def begin_public_of(units: Units, lookups: Lookups) -> Callable[..., Any]:
    """Return what opens transactions of nobody, so many a minute for each source."""

    def begin_public(request: MunimentRequest) -> Callable[[], AbstractContextManager[Any]]:
        client = request.scope["client"]
        lookups.count(client[0] if client is not None else "unknown")
        return units.begin_public

    return begin_public


def context_routes() -> list[ControllerRouterHandler]:
    """Return every context's routes under /v1."""
    return [
        *access_http.ROUTES,
        *parties_http.ROUTES,
        *instruments_http.ROUTES,
        *register_http.ROUTES,
        *compliance_http.ROUTES,
        *settlement_http.ROUTES,
        *servicing_http.ROUTES,
        *notices_http.ROUTES,
    ]


def readiness_of(backend: Backend) -> dict[str, Check]:
    """Return what /ready asks: the database, its schema, the chain, and how far the follower is behind it."""

    def database() -> str | None:
        with backend.database.user_transaction() as connection:
            connection.execute(sa.text("SELECT 1"))
        return None

    def migrations() -> str | None:
        with backend.database.user_transaction() as connection:
            found = current_revision(connection)
        wanted = head_revision()
        return None if found == wanted else f"the database is at revision {found}, this version needs {wanted}"

    def chain() -> str | None:
        found = backend.evm.chain_id()
        return None if found == backend.chain_id else f"the node answers for chain {found}, not {backend.chain_id}"

    def follower() -> str | None:
        with backend.database.user_transaction() as connection:
            read = connection.execute(sa.text("SELECT min(block_number) FROM infra.follower_cursor")).scalar()
        if read is None:
            return "the worker has not read a block yet"
        behind = backend.evm.block_number() - int(read)
        return None if behind <= BLOCKS_BEHIND_MAX else f"the worker is {behind} blocks behind the chain"

    return {"database": database, "migrations": migrations, "chain": chain, "follower": follower}


def network_name(chain_id: int) -> str:
    """Return the chain's name for people."""
    return NETWORKS.get(chain_id, f"chain {chain_id}")


def serve(configuration: Configuration) -> None:
    """Serve pages and API until SIGTERM or SIGINT; open requests are answered first, event streams are ended."""
    configure_logging(level=configuration.log_level)
    backend = Backend.open(configuration)
    stopping: list[uvicorn.Server] = []
    try:
        app = create_app(
            units=Units(backend),
            database=backend.database,
            network=network_name(backend.chain_id),
            readiness=readiness_of(backend),
            context_routes=context_routes(),
            is_stopping=lambda: any(server.should_exit for server in stopping),
        )
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=configuration.api_host,
                port=configuration.api_port,
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                lifespan="on",
                timeout_graceful_shutdown=STOP_SECONDS_MAX,
                # Only a proxy on this machine may say for whom it asks and over which scheme.
                forwarded_allow_ips="127.0.0.1",
            )
        )
        stopping.append(server)
        server.run()
    finally:
        backend.close()
