# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI 3.1 document of /v1: what the handlers declare, plus what every address has in common: errors, sessions, request ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.router import Router
from litestar.types import ControllerRouterHandler

from muniment.app.http.problems import MEDIA_TYPE
from muniment.app.http.request import MunimentRequest
from muniment.app.http.session import PUBLIC

DOCUMENT_PATH: Final = "/v1/openapi.json"
API_VERSION: Final = "1.0.0-alpha"
"""The version of /v1, which changes with its shapes and not with the package."""

PROBLEM_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "A refusal, an outage or a defect (RFC 9457). Compare `code`, never the words.",
    "required": ["type", "title", "status", "detail", "code", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "A page that explains the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "examples": ["compliance.lockup_active"]},
        "instance": {"type": "string", "format": "uri-reference"},
        "request_id": {"type": "string"},
        "cure": {"type": "string", "description": "What would make it pass."},
        "facts": {"type": "object", "additionalProperties": True, "description": "The values that were compared."},
        "place": {
            "type": "object",
            "description": "Where the bad input stands.",
            "properties": {
                "file": {"type": "string"},
                "line": {"type": "integer", "minimum": 1},
                "object_id": {"type": "string"},
                "field": {"type": "string"},
            },
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message", "source"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}, "source": {"type": "string"}},
            },
        },
        "decision": {"type": "object", "additionalProperties": True, "description": "Every reason against it, in the chain's order."},
        "retry": {"type": "boolean", "description": "Whether trying again can help."},
    },
}

PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "400": ("InvalidRequest", "The request does not have the shape that the address takes."),
    "401": ("NotSignedIn", "There is no living session."),
    "403": ("NotPermitted", "The roles, or the missing form token, do not permit it."),
    "404": ("NotFound", "It does not exist, or it belongs to another organisation."),
    "405": ("MethodNotAllowed", "The address does not take that method."),
    "409": ("Conflict", "It contradicts what has happened already."),
    "413": ("TooLarge", "The body is larger than the address takes."),
    "422": ("Refused", "A rule stands against it; `code`, `facts` and `cure` say which, why and what would help."),
    "429": ("TooMany", "Too many attempts; see Retry-After."),
    "500": ("Defect", "A defect of ours; report the request id."),
    "503": ("Outage", "A part that we depend on does not answer; see Retry-After."),
}


class _OnlyTheDocument(Router):
    """The framework would add pages of its own beside the document; their errors are not ours, so they stay out."""

    def register(self, value: ControllerRouterHandler) -> Any:
        """Register the handler of the document alone."""
        paths = getattr(value, "paths", set())
        return super().register(value) if set(paths) == {"/"} else []


class _Document(JsonRenderPlugin):
    def render(self, request: MunimentRequest, openapi_schema: dict[str, Any]) -> bytes:
        """Return the whole document, the same for every request."""
        del request
        return _encoded(json.dumps(openapi_schema, sort_keys=True))


def openapi_config() -> OpenAPIConfig:
    """Return the framework's configuration: one document and no page from another host."""
    return OpenAPIConfig(
        title="Muniment",
        version=API_VERSION,
        description=(
            "Open infrastructure for digital securities. "
            "Amounts and shares are decimal strings, ids are UUIDs, instants are RFC 3339 in UTC. "
            "Sign in with POST /v1/sessions and send the token as `Authorization: Bearer …`. "
            "Send an `Idempotency-Key` with a POST: the same key and request are answered alike and done once."
        ),
        render_plugins=[_Document(path="/")],
        openapi_router=_OnlyTheDocument(DOCUMENT_PATH, route_handlers=[], opt={PUBLIC: True}, include_in_schema=False),
        use_handler_docstrings=True,
    )


@cache
def _encoded(document: str) -> bytes:
    return json.dumps(complete(json.loads(document)), ensure_ascii=False).encode()


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with its sessions and with every error that an operation can answer, as problem+json."""
    document["openapi"] = "3.1.0"
    document["paths"] = {path: item for path, item in document["paths"].items() if path.startswith("/v1/")}
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = dict(PROBLEM_SCHEMA)
    components["responses"] = {
        name: {
            "description": description,
            "headers": {"X-Request-Id": {"schema": {"type": "string"}, "description": "Under which the request is logged."}},
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for name, description in PROBLEMS.values()
    }
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A session token from POST /v1/sessions."},
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": "muniment_session",
            "description": "The pages' session; unsafe methods also need X-CSRF-Token.",
        },
    }
    no_scopes: list[str] = []
    document["security"] = [{"bearer": no_scopes}, {"cookie": no_scopes}]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and "responses" in operation:
                _add_problems(operation, is_open=path == "/v1/sessions" and method == "post")
    return document


def _add_problems(operation: dict[str, Any], *, is_open: bool) -> None:
    kept = {status: answer for status, answer in operation["responses"].items() if status.startswith(("1", "2", "3"))}
    problems = {status: {"$ref": f"#/components/responses/{name}"} for status, (name, _) in PROBLEMS.items()}
    operation["responses"] = {**kept, **problems}
    if is_open:
        operation["security"] = list[dict[str, list[str]]]()
