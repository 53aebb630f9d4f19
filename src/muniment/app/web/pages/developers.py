# SPDX-License-Identifier: Apache-2.0
"""Pages for people who write programs: the API to try, and what each error code means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from muniment.app.http.problems import NoSuchPage, refusal_classes, status_of
from muniment.app.http.request import MunimentRequest
from muniment.app.http.session import PUBLIC
from muniment.app.web.reason_codes import EDGE, REASONS
from muniment.app.web.render import page


@dataclass(frozen=True, slots=True)
class Entry:
    """A code with what it says."""

    code: str
    title: str
    status: int
    message: str
    cure: str


def entries() -> list[Entry]:
    """Return every declared refusal and every other code that an answer can carry, by code."""
    found = {
        refusal.code: Entry(
            code=refusal.code,
            title=(refusal.__doc__ or refusal.code).partition("\n")[0].strip(),
            status=status_of(refusal.code),
            message=refusal.message,
            cure=refusal.cure or "",
        )
        for refusal in refusal_classes()
    }
    for code, sentence in REASONS.items():
        found.setdefault(code, Entry(code=code, title=sentence, status=status_of("settlement.refused"), message=sentence, cure=""))
    for code, (status, sentence) in EDGE.items():
        found.setdefault(code, Entry(code=code, title=sentence, status=status, message=sentence, cure=""))
    return [found[code] for code in sorted(found)]


@get("/developers", sync_to_thread=True, include_in_schema=False)
def show_developers(request: MunimentRequest) -> Response[Any]:
    """Say where programs begin."""
    return page(request, "developers.html", title="Developers", crumbs=[("Developers", "")])


@get("/developers/api", sync_to_thread=True, include_in_schema=False)
def show_try_it(request: MunimentRequest) -> Response[Any]:
    """Show the API to try."""
    return page(request, "try_it.html", title="Try the API", crumbs=[("Developers", "/developers"), ("API", "")])


@get("/developers/problems", opt={PUBLIC: True}, sync_to_thread=True, include_in_schema=False)
def show_problems(request: MunimentRequest) -> Response[Any]:
    """List every code."""
    return page(request, "problems.html", title="Error codes", entries=entries(), one=False)


@get("/developers/problems/{code:str}", opt={PUBLIC: True}, sync_to_thread=True, include_in_schema=False)
def show_problem(request: MunimentRequest, code: FromPath[str]) -> Response[Any]:
    """Say what one code means."""
    found = [entry for entry in entries() if entry.code == code]
    if not found:
        raise NoSuchPage
    return page(request, "problems.html", title=code, entries=found, one=True)


ROUTES = [show_developers, show_try_it, show_problems, show_problem]
