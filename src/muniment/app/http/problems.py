# SPDX-License-Identifier: Apache-2.0
"""Every "no" as RFC 9457 problem+json, or as a page for people: refusals, the framework's own errors, outages and bugs."""

from __future__ import annotations

import datetime as dt
import math
import traceback
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Response
from litestar.exceptions import ClientException, HTTPException, InternalServerException, ValidationException

from muniment.app.http.edge import request_id_of
from muniment.app.http.request import MunimentRequest, is_page
from muniment.infra.clock import SystemClock
from muniment.infra.outages import Unreachable
from muniment.units.errors import MunimentError, Place

LOG = structlog.get_logger("muniment.http")

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "/developers/problems/"
DISCONNECTED = "client disconnected prematurely"
"""The framework's words for a client that went away while it was sending."""
CLIENT_CLOSED_REQUEST = 499
RETRY_SECONDS = 60
"""How long to wait where a refusal for too many does not say until when."""

STATUS_OF_CODE: Mapping[str, int] = {
    "access.not_permitted": 403,
    "access.csrf_mismatch": 403,
    "access.own_approval": 403,
    "access.not_a_member": 403,
    "access.not_signed_in": 401,
    "access.wrong_credentials": 401,
    "access.too_many_attempts": 429,
    "app.too_many_lookups": 429,
    "access.idempotency_conflict": 409,
    "access.approval_closed": 409,
    "infra.unknown_transaction": 404,
    "instruments.wrong_state": 409,
    "parties.not_in_status": 409,
    "parties.own_submission": 403,
    "parties.own_clearance": 403,
    "parties.hits_open": 409,
    "parties.provider_not_answered": 409,
    "parties.too_many_webhooks": 429,
    "parties.webhook_signature": 400,
    "servicing.unknown_dividend": 404,
    "settlement.unknown_instruction": 404,
    "settlement.issue_too_large": 422,
    "http.choose_organisation": 403,
}
"""Codes whose status is not the general one; the rest follow from the last word of the code, or are 422."""

STATUS_OF_WORD: Mapping[str, int] = {
    "not_found": 404,
    "already": 409,
    "conflict": 409,
    "reused": 409,
    "taken": 409,
    "too_large": 413,
}
"""What a word in the middle or at the end of a code means."""


class ChooseOrganisation(MunimentError):
    """The session works for no organisation yet."""

    code = "http.choose_organisation"
    message = "This session works for no organisation yet."
    cure = "Choose an organisation first."


class NoSuchPage(MunimentError):
    """Nothing stands at the address."""

    code = "http.not_found"
    message = "Nothing stands at this address."
    cure = "Check the address, or search for what you need."


ProblemPage = Callable[[MunimentRequest, int, Mapping[str, Any]], Response[Any]]
"""Draws a problem for people; the pages give it."""


def status_of(code: str) -> int:
    """Return the HTTP status that a refusal's code means: by its own line, by its words, else 422."""
    if code in STATUS_OF_CODE:
        return STATUS_OF_CODE[code]
    name = code.partition(".")[2]
    for word, status in STATUS_OF_WORD.items():
        if f"_{word}_" in f"_{name}_":
            return status
    return HTTPStatus.UNPROCESSABLE_ENTITY


def refusal_classes() -> Iterator[type[MunimentError]]:
    """Yield every declared refusal, for the page that documents the codes."""
    waiting: list[type[MunimentError]] = [MunimentError]
    while waiting:
        refusal = waiting.pop()
        children = refusal.__subclasses__()
        waiting.extend(children)
        if "code" in vars(refusal) and refusal is not MunimentError:
            yield refusal


def title_of(error: MunimentError) -> str:
    """Return what kind of problem it is, equal at every occurrence (RFC 9457, 3.1.3)."""
    return (type(error).__doc__ or error.code).partition("\n")[0].strip()


def problem_of_refusal(error: MunimentError) -> dict[str, Any]:
    """Return a refusal's members, without those of the request."""
    body = error.as_json()
    problem: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code,
        "title": title_of(error),
        "status": int(status_of(error.code)),
        "detail": body["message"],
        "code": error.code,
        "facts": body["facts"],
    }
    for name in ("place", "cure"):
        if name in body:
            problem[name] = body[name]
    decision = getattr(error, "decision", None)
    if decision is not None:
        problem["decision"] = decision.as_json()
    return problem


def answer(request: MunimentRequest, problem: dict[str, Any], *, headers: Mapping[str, str] | None = None) -> Response[Any]:
    """Return the problem as JSON for programs and as a page for people."""
    status = int(problem["status"])
    problem["instance"] = request.url.path
    problem["request_id"] = request_id_of(request.scope)
    if is_page(request.url.path):
        draw: ProblemPage | None = getattr(request.app.state, "problem_page", None)
        if draw is not None:
            page = draw(request, status, problem)
            page.headers.update(headers or {})
            return page
    return Response(problem, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def on_refusal(request: MunimentRequest, error: MunimentError) -> Response[Any]:
    """Answer a refusal with its code, facts, place and cure."""
    problem = problem_of_refusal(error)
    headers: dict[str, str] = {}
    if problem["status"] == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if problem["status"] == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = str(_seconds_until(error.facts.get("blocked_until")))
    return answer(request, problem, headers=headers)


def on_framework_error(request: MunimentRequest, error: HTTPException) -> Response[Any]:
    """Answer what the framework refuses itself: no route, wrong method, a body that does not fit its shape."""
    status = int(error.status_code)
    if isinstance(error, InternalServerException) and error.detail == DISCONNECTED:
        # A preview that a newer one took the place of: nobody waits for this answer, and nothing is wrong.
        return Response(None, status_code=CLIENT_CLOSED_REQUEST)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return on_bug(request, error)
    phrase = HTTPStatus(status).phrase
    code = "http." + phrase.lower().replace(" ", "_").replace("-", "_").replace("'", "")
    problem: dict[str, Any] = {
        "type": TYPE_PREFIX + code,
        "title": phrase,
        "status": status,
        "detail": _detail(error, status=status),
        "code": code,
    }
    if status == HTTPStatus.BAD_REQUEST:
        problem["code"] = "http.invalid_request"
        problem["type"] = TYPE_PREFIX + "http.invalid_request"
        problem["cure"] = "Compare the request with the OpenAPI document at /v1/openapi.json."
        errors = list(_field_errors(error))
        if errors:
            problem["errors"] = errors
            problem["place"] = Place(field=str(errors[0]["field"])).as_json()
    return answer(request, problem, headers=error.headers)


def on_outage(request: MunimentRequest, error: Unreachable) -> Response[Any]:
    """Answer that a part we depend on is away, and whether trying again can help."""
    LOG.warning("outage", part=error.part, retry=error.retry)
    code = f"outage.{error.part}"
    problem = {
        "type": TYPE_PREFIX + code,
        "title": "A part that Muniment depends on does not answer",
        "status": int(HTTPStatus.SERVICE_UNAVAILABLE),
        "detail": f"The {error.part} does not answer. Nothing has been changed.",
        "code": code,
        "retry": error.retry,
        "cure": "Try again in a few seconds." if error.retry else "Tell whoever runs this installation.",
    }
    return answer(request, problem, headers={"Retry-After": "5"} if error.retry else None)


def on_bug(request: MunimentRequest, error: Exception) -> Response[Any]:
    """Answer a bug: nothing of its inside leaves, only the request id by which it is found in the log."""
    if _is_upload_without_one_file(error):
        return on_framework_error(request, ClientException("The form must hold one file and nothing else of that name."))
    LOG.error("bug", error=type(error).__name__, frames=_frames(error))
    problem = {
        "type": TYPE_PREFIX + "http.internal_error",
        "title": "Muniment has a defect here",
        "status": int(HTTPStatus.INTERNAL_SERVER_ERROR),
        "detail": "Something went wrong on our side. What was not confirmed has not been done.",
        "code": "http.internal_error",
        "cure": f"Report it with the request id {request_id_of(request.scope)}.",
    }
    return answer(request, problem)


def _is_upload_without_one_file(error: Exception) -> bool:
    # Litestar 2.25 takes the form's first file with a bare `next`: a form without one ends in a StopIteration inside a coroutine.
    cause = error.__cause__
    return isinstance(cause, StopIteration) and any(
        frame.name == "_extract_multipart" for frame in traceback.extract_tb(cause.__traceback__)
    )


def _seconds_until(instant: Any) -> int:
    if not isinstance(instant, dt.datetime):
        return RETRY_SECONDS
    return max(1, math.ceil((instant - SystemClock().now()).total_seconds()))


def _frames(error: Exception) -> list[str]:
    # Where it happened, without the exception's words: those may quote a row or a request, and so a person.
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def _detail(error: HTTPException, *, status: int) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return NoSuchPage.message
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return "This address does not take that method."
    if isinstance(error, ValidationException):
        return "The request does not have the shape that this address takes."
    return error.detail


def _field_errors(error: HTTPException) -> Iterator[dict[str, Any]]:
    extra = error.extra
    if isinstance(extra, list):
        for item in extra:
            if isinstance(item, Mapping):
                message = str(item.get("message", ""))[:200]
                yield {
                    "field": str(item.get("key", "body")),
                    "message": message,
                    "source": str(getattr(item.get("source"), "value", "body")),
                }
