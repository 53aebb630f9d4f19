# SPDX-License-Identifier: Apache-2.0
"""What operators and load balancers ask: is the process alive, can it serve, what has it measured. Shows no issuer's data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from litestar import Response, get
from litestar.exceptions import NotFoundException

from muniment.app.http.request import MunimentRequest
from muniment.app.http.session import PUBLIC
from muniment.infra import metrics

LOG = structlog.get_logger("muniment.http")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost", "testclient"})

Check = Callable[[], str | None]
"""Returns None where all is well, else what is wrong in one sentence without secrets."""


@get("/health", opt={PUBLIC: True}, sync_to_thread=False, include_in_schema=False)
def health() -> dict[str, str]:
    """Say that the process is alive; asks nobody else."""
    return {"status": "alive"}


@get("/ready", opt={PUBLIC: True}, sync_to_thread=True, include_in_schema=False)
def ready(request: MunimentRequest) -> Response[dict[str, Any]]:
    """Say whether database, migrations, chain and follower let this process serve; 503 with the parts that do not."""
    checks: Mapping[str, Check] = request.app.state.readiness
    wrong: dict[str, str] = {}
    for part, check in checks.items():
        finding = _run(part, check)
        if finding is not None:
            wrong[part] = finding
    parts = {part: wrong.get(part, "ready") for part in checks}
    return Response({"status": "not ready" if wrong else "ready", "parts": parts}, status_code=503 if wrong else 200)


def _run(part: str, check: Check) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - whatever stops a check is an answer to the question, and is logged
        LOG.warning("not ready", part=part, error=type(error).__name__)
        return f"cannot be asked: {type(error).__name__}"


@get("/metrics", opt={PUBLIC: True}, sync_to_thread=False, include_in_schema=False)
def show_metrics(request: MunimentRequest) -> Response[bytes]:
    """Return the measurements in Prometheus's format to this machine; to everybody else there is nothing here."""
    client = request.scope["client"]
    if client is None or client[0] not in LOOPBACK or "x-forwarded-for" in request.headers:
        raise NotFoundException
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)


ROUTES = [health, ready, show_metrics]
