# SPDX-License-Identifier: Apache-2.0
"""Signing in and out, choosing an organisation, accepting an invitation, choosing colours. Passwords pass through and stay nowhere."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.datastructures import Cookie

from muniment.access.commands import (
    AcceptInvitation,
    SignIn,
    SignInRefused,
    accept_invitation,
    choose_organisation,
    invitation_tenant,
    sign_in,
    sign_out,
)
from muniment.access.commands import SignedIn as OpenedSession
from muniment.access.model.sign_in import SESSION_ABSOLUTE
from muniment.app.http.problems import status_of
from muniment.app.http.request import MunimentRequest
from muniment.app.http.session import (
    PUBLIC,
    THEME_COOKIE,
    WITHOUT_ORGANISATION,
    BeginSignIn,
    end_session,
    set_session,
    signed_in_of,
)
from muniment.app.web.forms import form_values, go_to, own_path, text_of
from muniment.app.web.reading import Begin, Query
from muniment.app.web.render import THEMES, page, wrong
from muniment.app.web.views import FormState, OrganisationChoice
from muniment.units.errors import MunimentError
from muniment.units.ids import TenantId, parse_id

SESSION_SECONDS: Final = int(SESSION_ABSOLUTE.total_seconds())
THEME_SECONDS: Final = 31_536_000
SIGN_IN_FIELDS: Final = ("email", "password")


@get("/", opt={WITHOUT_ORGANISATION: True}, sync_to_thread=False, include_in_schema=False)
def home() -> Response[str]:
    """Lead to the securities."""
    return go_to("/securities")


@get("/sign-in", opt={PUBLIC: True}, sync_to_thread=True, include_in_schema=False)
def show_sign_in(request: MunimentRequest) -> Response[Any]:
    """Show the sign-in form, or go on where somebody is signed in."""
    target = own_path(request.query_params.get("next", ""))
    if signed_in_of(request) is not None:
        return go_to(target)
    return page(request, "sign_in.html", title="Sign in", form=FormState(values={"next": request.query_params.get("next", "")}))


@post("/sign-in", opt={PUBLIC: True}, include_in_schema=False)
async def do_sign_in(request: MunimentRequest, begin_sign_in: BeginSignIn) -> Response[Any]:
    """Open a session for the right password and go where the person wanted to go."""
    values = await form_values(request)
    client = request.scope["client"]
    asked = SignIn(
        email=text_of(values, "email"), password=text_of(values, "password"), source=client[0] if client is not None else "unknown"
    )

    def run() -> OpenedSession | SignInRefused:
        with begin_sign_in() as unit:
            return sign_in(asked, unit=unit)

    outcome = await sync_to_thread(run)
    if isinstance(outcome, SignInRefused):
        return await sync_to_thread(_sign_in_again, request, outcome.refusal, {**values, "password": ""})
    target = own_path(text_of(values, "next")) if outcome.session.tenant_id is not None else "/organisations"
    response = go_to(target)
    set_session(response, request.scope, outcome.token, seconds=SESSION_SECONDS)
    return response


def _sign_in_again(request: MunimentRequest, refusal: MunimentError, values: dict[str, str]) -> Response[Any]:
    form = wrong(refusal, values, fields=SIGN_IN_FIELDS)
    return page(request, "sign_in.html", title="Sign in", status=status_of(refusal.code), form=form)


@get("/invitation", opt={PUBLIC: True}, sync_to_thread=True, include_in_schema=False)
def show_invitation(request: MunimentRequest, token: Query = "") -> Response[Any]:
    """Show the form that accepts an invitation."""
    return page(request, "invitation.html", title="Accept an invitation", form=FormState(values={"token": token}))


@post("/invitation", opt={PUBLIC: True}, include_in_schema=False)
async def do_accept_invitation(request: MunimentRequest, begin: Begin) -> Response[Any]:
    """Make the invited person a member; they sign in next."""
    values = await form_values(request)
    client = request.scope["client"]
    source = client[0] if client is not None else "unknown"

    def run() -> Response[Any]:
        try:
            with begin(invitation_tenant(text_of(values, "token"))) as unit:
                acceptance = AcceptInvitation(token=text_of(values, "token"), password=text_of(values, "password"), source=source)
                outcome = accept_invitation(acceptance, unit=unit)
        except MunimentError as refusal:
            return _invitation_again(request, refusal, values)
        # After the transaction, so that a counted failure stays counted.
        return _invitation_again(request, outcome.refusal, values) if isinstance(outcome, SignInRefused) else go_to("/sign-in")

    return await sync_to_thread(run)


def _invitation_again(request: MunimentRequest, refusal: MunimentError, values: dict[str, str]) -> Response[Any]:
    form = wrong(refusal, {**values, "password": ""}, fields=("token", "password"))
    return page(request, "invitation.html", title="Accept an invitation", status=status_of(refusal.code), form=form)


@post("/sign-out", opt={WITHOUT_ORGANISATION: True}, sync_to_thread=True, include_in_schema=False)
def do_sign_out(request: MunimentRequest, begin_sign_in: BeginSignIn) -> Response[Any]:
    """End the session."""
    signed_in = signed_in_of(request)
    if signed_in is not None:
        with begin_sign_in() as unit:
            sign_out(signed_in.token, unit=unit)
    response = go_to("/sign-in")
    end_session(response, request.scope)
    return response


@get("/organisations", opt={WITHOUT_ORGANISATION: True}, sync_to_thread=True, include_in_schema=False)
def show_organisations(request: MunimentRequest) -> Response[Any]:
    """Show the organisations that the person may work for."""
    signed_in = signed_in_of(request)
    mine = () if signed_in is None else signed_in.organisations
    choices = [OrganisationChoice(str(one.tenant_id), one.name, one.country) for one in mine]
    return page(request, "organisations.html", title="Choose an organisation", organisations=choices)


@post("/organisations", opt={WITHOUT_ORGANISATION: True}, include_in_schema=False)
async def do_choose_organisation(request: MunimentRequest, begin_sign_in: BeginSignIn) -> Response[Any]:
    """Move the session to another organisation of the same person, under a new token."""
    tenant_id = TenantId(parse_id(text_of(await form_values(request), "tenant_id"), field="tenant_id"))
    signed_in = signed_in_of(request)
    assert signed_in is not None, "the guard asks for a session"

    def run() -> OpenedSession:
        with begin_sign_in() as unit:
            return choose_organisation(signed_in.token, tenant_id, unit=unit)

    opened = await sync_to_thread(run)
    response = go_to("/securities")
    set_session(response, request.scope, opened.token, seconds=SESSION_SECONDS)
    return response


@post("/theme", opt={WITHOUT_ORGANISATION: True}, include_in_schema=False)
async def do_choose_theme(request: MunimentRequest) -> Response[Any]:
    """Keep the chosen colours in a cookie and go back."""
    values = await form_values(request)
    response = go_to(own_path(text_of(values, "back")))
    chosen = text_of(values, "theme")
    response.set_cookie(
        Cookie(
            key=THEME_COOKIE,
            value=chosen if chosen in THEMES else "system",
            path="/",
            max_age=THEME_SECONDS,
            httponly=True,
            secure=request.scope["scheme"] == "https",
            samesite="lax",
        )
    )
    return response


ROUTES = [
    home,
    show_sign_in,
    do_sign_in,
    show_invitation,
    do_accept_invitation,
    do_sign_out,
    show_organisations,
    do_choose_organisation,
    do_choose_theme,
]
