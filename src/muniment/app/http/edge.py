# SPDX-License-Identifier: Apache-2.0
"""The outermost layer: request ids, security headers, the access log and request metrics. It reads no body and knows no route's meaning."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

import structlog
from litestar.datastructures import MutableScopeHeaders
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from muniment.app.http.request import is_page
from muniment.infra.metrics import REGISTRY

LOG = structlog.get_logger("muniment.http")

REQUESTS = Counter("muniment_http_requests", "Requests answered.", ["method", "route", "status"], registry=REGISTRY)
SECONDS = Histogram("muniment_http_request_seconds", "From a request's arrival to the end of its answer.", ["route"], registry=REGISTRY)

REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing inline and nothing from another host; `data:` only for pictures, which Swagger UI's own style sheet holds."""

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Frame-Options": "DENY",
}
STRICT_TRANSPORT = "max-age=63072000; includeSubDomains"


def request_id_of(scope: Scope) -> str:
    """Return the id under which this request is logged and answered."""
    return str(scope["state"]["request_id"])


class Edge:
    """Wraps the whole application, so that an answer without a route carries the same headers as any other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given_request_id(scope) or secrets.token_hex(12)
        scope["state"]["request_id"] = request_id
        started = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _set_headers(MutableScopeHeaders.from_message(message), scope=scope, request_id=request_id)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_headers)
            finally:
                _observe(scope, status=status, seconds=time.perf_counter() - started)


def _given_request_id(scope: Scope) -> str | None:
    for name, content in scope["headers"]:
        if name == b"x-request-id":
            text = content.decode("latin-1")
            return text if _REQUEST_ID.fullmatch(text) else None
    return None


def _set_headers(headers: MutableScopeHeaders, *, scope: Scope, request_id: str) -> None:
    headers[REQUEST_ID_HEADER] = request_id
    for name, content in SECURITY_HEADERS.items():
        # A route may be stricter than all others, as the one that hands out uploaded documents is.
        if name.lower() not in headers:
            headers[name] = content
    if scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    # What a person or a program reads of the registry is theirs alone; only the hashed files under /static may be kept.
    if "cache-control" not in headers:
        headers["Cache-Control"] = "no-store" if is_page(scope["path"]) or scope["path"].startswith("/v1") else "no-cache"


def _observe(scope: HTTPScope, *, status: int, seconds: float) -> None:
    # The template (`/v1/investors/{investor_id}`) and never the path: what people type into addresses may name a person.
    template: Any = scope.get("path_template")
    route = template if isinstance(template, str) and template else "(none)"
    REQUESTS.labels(method=scope["method"], route=route, status=str(status)).inc()
    SECONDS.labels(route=route).observe(seconds)
    if not route.startswith(("/static", "/health", "/ready", "/metrics")):
        LOG.info("request", method=scope["method"], route=route, status=status, milliseconds=round(seconds * 1000, 1))
