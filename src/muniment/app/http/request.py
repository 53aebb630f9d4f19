# SPDX-License-Identifier: Apache-2.0
"""The one typed request of the application, and which addresses are pages for people. What it carries is `session`'s business."""

from __future__ import annotations

from typing import Any, TypeAlias

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State

MunimentRequest: TypeAlias = Request[Any, Any, State]
"""`session.actor_of` and `session.signed_in_of` give its user and its session their types."""

MunimentConnection: TypeAlias = ASGIConnection[Any, Any, Any, State]

API_PREFIXES = ("/v1", "/health", "/ready", "/metrics", "/events", "/static")


def is_page(path: str) -> bool:
    """Return whether a path belongs to the pages that people read; everything else answers in JSON."""
    return not any(path == prefix or path.startswith(prefix + "/") for prefix in API_PREFIXES)
