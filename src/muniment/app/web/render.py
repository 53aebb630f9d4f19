# SPDX-License-Identifier: Apache-2.0
"""Draws a template inside its frame. What stands in it comes from `read`; what may be in it is escaped by Jinja, always."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response
from litestar.datastructures import Cookie

from muniment.access.model import Action, Actor, permits, role_names
from muniment.app.http.request import MunimentRequest
from muniment.app.http.session import (
    THEME_COOKIE,
    VISITOR_COOKIE,
    actor_or_none,
    session_cookie_name,
    signed_in_of,
    visitor_cookie,
    visitor_token,
)
from muniment.app.web import words
from muniment.app.web.views import Area, FormState, Mark, Network, OrganisationChoice, ReasonView, Shell
from muniment.units.decisions import Reason, Refused
from muniment.units.errors import MunimentError, show
from muniment.units.shares import show_shares

TEMPLATES: Final = Path(__file__).with_name("templates")
STATIC: Final = Path(__file__).with_name("static")
THEMES: Final = ("system", "light", "dark")

HTMX_CONFIG: Final = json.dumps({"includeIndicatorCSS": False, "history": False, "mode": "same-origin", "defaultTimeout": 30000})
"""htmx fetches and swaps parts of our own pages, and nothing else: no style of its own, no other host, no history of its own."""

AREAS: Final = (
    ("Securities", "/securities", "securities", Action.INSTRUMENTS_VIEW),
    ("Investors", "/investors", "investors", Action.PARTIES_VIEW),
    ("Compliance", "/compliance", "compliance", Action.COMPLIANCE_VIEW),
    ("Transactions", "/transactions", "transactions", Action.SETTLEMENT_VIEW),
    ("Approvals", "/approvals", "approvals", Action.ACCESS_VIEW_APPROVALS),
    ("Audit log", "/audit", "audit", Action.ACCESS_VIEW_AUDIT),
    ("Developers", "/developers", "developers", Action.ACCESS_VIEW_ORGANISATION),
)


class StaticFilesMissing(MunimentError):
    """The bundle of styles and scripts was not built."""

    code = "web.static_files_missing"
    message = "The pages' styles and scripts are missing from {folder}."
    cure = "Run `make install`, or `npm ci && npm run build` in the folder web."


@cache
def manifest() -> Mapping[str, str]:
    """Return the built file of each named one; refuse where nothing was built."""
    try:
        names: Mapping[str, str] = json.loads((STATIC / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StaticFilesMissing(folder=STATIC) from None
    return names


def asset(name: str) -> str:
    """Return the address of a built file; its name changes with its content, so browsers may keep it for ever."""
    return f"/static/{manifest()[name]}"


@cache
def environment() -> Environment:
    """Return the one template environment: everything escaped, an unknown name is a defect."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    shared: dict[str, Any] = {"asset": asset, "htmx_config": HTMX_CONFIG, "reason": ReasonView}
    jinja.globals.update(shared)
    jinja.filters.update(short=words.short, when=words.when, day=words.day, words=words.words_of, headed=words.headed)
    return jinja


def theme_of(request: MunimentRequest) -> str:
    """Return the colours that the person chose; `system` where they chose none."""
    chosen = request.cookies.get(THEME_COOKIE, "system")
    return chosen if chosen in THEMES else "system"


def shell_of(request: MunimentRequest, *, search: str = "") -> Shell:
    """Return the frame for this request's person and organisation."""
    signed_in = signed_in_of(request)
    if signed_in is None:
        return Shell(theme=theme_of(request), csrf_token=visitor_token(request), path=request.url.path)
    actor = actor_or_none(request)
    if actor is None:
        return Shell(theme=theme_of(request), csrf_token=signed_in.form_token, path=request.url.path)
    live = request.app.state.live
    heights = live.heights()
    return Shell(
        theme=theme_of(request),
        csrf_token=signed_in.form_token,
        path=_path_with_query(request),
        search=search,
        person_name=actor.display_name,
        role_names=role_names(actor.roles).replace("_", " "),
        organisation_name=next((one.name for one in signed_in.organisations if one.tenant_id == actor.tenant_id), ""),
        organisations=[
            OrganisationChoice(str(one.tenant_id), one.name, "", is_current=one.tenant_id == actor.tenant_id)
            for one in signed_in.organisations
        ],
        areas=_areas(request, actor),
        network=Network(name=heights.network, height=words.count(heights.number) if heights.number >= 0 else "–", state=heights.state),
    )


def page(
    request: MunimentRequest, template: str, *, title: str, status: int = HTTPStatus.OK, search: str = "", **context: Any
) -> Response[str]:
    """Return a drawn page. A visitor's page also carries the cookie that its form is compared with."""
    shell = shell_of(request, search=search)
    text = (
        environment()
        .get_template(template)
        .render(shell=shell, title=title, crumbs=context.pop("crumbs", ()), form=context.pop("form", FormState()), **context)
    )
    cookies: list[Cookie] = []
    if signed_in_of(request) is None and VISITOR_COOKIE not in request.cookies:
        cookies.append(visitor_cookie(request.scope, shell.csrf_token))
    return Response(text, media_type=MediaType.HTML, status_code=int(status), cookies=cookies)


def wrong(error: MunimentError, values: Mapping[str, str], *, fields: Sequence[str] = ()) -> FormState:
    """Return the form as it was typed, with the refusal tied to its field where the refusal names one."""
    field = error.place.field if error.place is not None and error.place.field is not None else ""
    return FormState(
        values={**values, "code": error.code},
        wrong_field=field if field in fields else "",
        wrong_sentence=error.sentence,
        wrong_cure=error.cure_sentence or "",
    )


SHARE_FACTS: Final = frozenset({"shares", "balance", "frozen", "free", "maximum", "supply", "supply_cap", "supply_max"})
"""Facts of a decision that count base units of the security."""


def reasons_of(refused: Refused, *, decimals: int) -> list[ReasonView]:
    """Return every reason of a decision, in its order; `decimals` are the security's."""
    return [reason_view(reason, decimals=decimals) for reason in refused.reasons]


def reason_view(reason: Reason, *, decimals: int) -> ReasonView:
    """Return a reason in words, its shares as people read them."""
    facts = {
        name: show_shares(int(fact), decimals=decimals) if name in SHARE_FACTS and str(fact).isdigit() else fact_text(fact)
        for name, fact in reason.facts.items()
    }
    return ReasonView(
        code=reason.code,
        sentence=reason.sentence,
        rule=reason.rule or "",
        citation=reason.citation or "",
        facts=facts,
        cure=reason.cure or "",
    )


def fact_text(fact: Any) -> str:
    """Return a fact as people read it: lists with commas, yes and no, nothing as a dash."""
    if fact is None:
        return "–"
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, (list, tuple, set, frozenset)):
        return show(", ".join(str(item) for item in fact))
    return show(fact)


def reason_of_error(error: MunimentError) -> ReasonView:
    """Return a refusal as a reason, for pages that show one beside decisions."""
    facts = {name: fact_text(fact) for name, fact in error.facts.items()}
    if error.place is not None and str(error.place):
        facts["where"] = str(error.place)
    return ReasonView(code=error.code, sentence=error.sentence, facts=facts, cure=error.cure_sentence or "")


def problem_page(request: MunimentRequest, status: int, problem: Mapping[str, Any]) -> Response[Any]:
    """Draw a problem for people; somebody without a session is led to the sign-in and back."""
    if status == HTTPStatus.UNAUTHORIZED and request.method in {"GET", "HEAD"}:
        return _to_sign_in(request)
    if problem["code"] == "http.choose_organisation":
        return Response("", status_code=int(HTTPStatus.SEE_OTHER), headers={"Location": "/organisations"}, media_type=MediaType.HTML)
    headings = {
        403: "This is not yours to do",
        404: "Nothing stands here",
        429: "Too many at once",
        500: "A defect of ours",
        503: "Something is away",
    }
    # An address that nothing stands at is never asked for its session; the cookie alone says where to lead.
    has_session = session_cookie_name(request.scope) in request.cookies
    way_out = {"href": "/securities", "words": "Back to the securities"} if has_session else {"href": "/sign-in", "words": "Sign in"}
    return page(
        request,
        "problem.html",
        title=headings.get(status, "This cannot be done"),
        status=status,
        heading=headings.get(status, "This cannot be done"),
        problem={"place": None, "cure": None, **problem},
        way_out=way_out,
    )


def _to_sign_in(request: MunimentRequest) -> Response[Any]:
    if request.headers.get("sec-fetch-site") == "cross-site" and not request.query_params.get("again"):
        # A link from elsewhere does not carry the session's strict cookie; a reload from our own page does.
        return _again(request)
    target = "/sign-in" if request.url.path == "/" else f"/sign-in?next={quote(_path_with_query(request), safe='/')}"
    return Response("", status_code=int(HTTPStatus.SEE_OTHER), headers={"Location": target}, media_type=MediaType.HTML)


def _again(request: MunimentRequest) -> Response[Any]:
    address = _path_with_query(request)
    target = f"{address}{'&' if '?' in address else '?'}again=1"
    return page(request, "again.html", title="One moment", target=target)


def _path_with_query(request: MunimentRequest) -> str:
    query = request.scope["query_string"].decode("ascii", "ignore")
    return f"{request.url.path}?{query}" if query else request.url.path


def _areas(request: MunimentRequest, actor: Actor) -> list[Area]:
    path = request.url.path
    waiting = request.app.state.live.approvals_waiting(actor.tenant_id) if permits(actor, Action.ACCESS_VIEW_APPROVALS) else 0
    return [
        Area(name, href, icon, is_current=path == href or path.startswith(href + "/"), count=waiting if href == "/approvals" else 0)
        for name, href, icon, action in AREAS
        if permits(actor, action)
    ]


def mark_of(word: str, *, good: Sequence[str] = (), warn: Sequence[str] = (), bad: Sequence[str] = ()) -> Mark:
    """Return a state's mark: its word, and the tone of the list that it stands in."""
    words_shown = word.replace("_", " ")
    if word in good:
        return Mark(words_shown, "yes", "good")
    if word in bad:
        return Mark(words_shown, "no", "bad")
    if word in warn:
        return Mark(words_shown, "wait", "warn")
    return Mark(words_shown, "wait", "")
