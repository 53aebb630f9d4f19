# SPDX-License-Identifier: Apache-2.0
"""Who is asking: the session by cookie or bearer token, the form token, and the guard. Rights are access' work."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from litestar import Request, Response
from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.params import SkipValidation
from litestar.types import ASGIApp, Scope

from muniment.access.commands import Authenticated, authenticate
from muniment.access.errors import CsrfMismatch, NotSignedIn
from muniment.access.model import Actor, Organisation, Session, SessionToken, csrf_token
from muniment.access.ports import SignInUnit
from muniment.app.http.problems import ChooseOrganisation
from muniment.app.http.request import MunimentConnection, MunimentRequest, is_page
from muniment.units.ids import TenantId

PUBLIC: Final = "public"
"""Option of a route that answers without a session."""

WITHOUT_ORGANISATION: Final = "without_organisation"
"""Option of a route that needs a session but no organisation."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TOKEN_FIELD: Final = "_csrf"  # noqa: S105 - the name of a field
FORM_TOKEN_HEADER: Final = "X-CSRF-Token"  # noqa: S105 - the name of a header
VISITOR_COOKIE: Final = "muniment_visitor"
THEME_COOKIE: Final = "muniment_theme"

BeginSignIn: TypeAlias = SkipValidation[NamedDependency[Callable[[], AbstractContextManager[SignInUnit]]]]
"""Opens one transaction of nobody's, for signing in."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A living session as its request carries it. The token stays out of every log and repr."""

    session: Session
    token: SessionToken = field(repr=False)
    by_cookie: bool
    organisations: Sequence[Organisation] = ()

    @property
    def tenant_id(self) -> TenantId | None:
        """The organisation that the session works for; None until one is chosen."""
        return self.session.tenant_id

    @property
    def form_token(self) -> str:
        """What each form of this session carries."""
        return csrf_token(self.token)


def session_cookie_name(scope: Scope) -> str:
    """Return the cookie's name: over https it carries the prefix that forbids a domain and a path of its own (RFC 6265bis, 4.1.3)."""
    return "__Host-muniment" if scope["scheme"] == "https" else "muniment_session"


def session_cookie(scope: Scope, token: str, *, seconds: int) -> Cookie:
    """Return the session's cookie: unreadable for scripts, never sent from another site's page, and only over TLS where there is any."""
    return Cookie(
        key=session_cookie_name(scope),
        value=token,
        path="/",
        max_age=seconds,
        httponly=True,
        secure=scope["scheme"] == "https",
        samesite="strict",
    )


def set_session(response: Response[Any], scope: Scope, token: str, *, seconds: int) -> None:
    """Give the client its session."""
    response.set_cookie(session_cookie(scope, token, seconds=seconds))


def end_session(response: Response[Any], scope: Scope) -> None:
    """Take the session's cookie back."""
    response.set_cookie(session_cookie(scope, "", seconds=0))


def visitor_token(request: MunimentRequest) -> str:
    """Return the form token of somebody without a session: what their visitor cookie holds, or a new one for it."""
    return request.cookies.get(VISITOR_COOKIE) or secrets.token_urlsafe(24)


def visitor_cookie(scope: Scope, token: str) -> Cookie:
    """Return the visitor's cookie, compared with the hidden field of the sign-in form."""
    return Cookie(key=VISITOR_COOKIE, value=token, path="/", httponly=True, secure=scope["scheme"] == "https", samesite="strict")


class Authentication(AbstractAuthenticationMiddleware):
    """Finds the session behind a request. A wrong or expired token is the same as none: the guard then refuses."""

    def __init__(self, app: ASGIApp, begin_sign_in: Callable[[], AbstractContextManager[SignInUnit]]) -> None:
        super().__init__(app, exclude=["^/static/", "^/health$", "^/ready$", "^/metrics$"])
        self._begin_sign_in = begin_sign_in

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Return the actor and session of a request, or nothing of both."""
        token, by_cookie = _token_of(connection)
        if not token:
            return AuthenticationResult(user=None, auth=None)
        try:
            authenticated, organisations = await sync_to_thread(self._authenticate, token, for_page=is_page(connection.scope["path"]))
        except NotSignedIn:
            return AuthenticationResult(user=None, auth=None)
        signed_in = SignedIn(authenticated.session, SessionToken(token), by_cookie=by_cookie, organisations=organisations)
        return AuthenticationResult(user=authenticated.actor, auth=signed_in)

    def _authenticate(self, token: str, *, for_page: bool) -> tuple[Authenticated, Sequence[Organisation]]:
        with self._begin_sign_in() as unit:
            authenticated = authenticate(token, unit=unit)
            # The pages' top bar switches between them; a program names its organisation when it signs in.
            organisations = unit.organisations.of_user(authenticated.session.user_id) if for_page else ()
            return authenticated, organisations


def _token_of(connection: ASGIConnection[Any, Any, Any, Any]) -> tuple[str, bool]:
    header = connection.headers.get("authorization", "")
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip(), False
    return connection.cookies.get(session_cookie_name(connection.scope), ""), True


async def guard(connection: MunimentConnection, handler: BaseRouteHandler) -> None:
    """Refuse whoever has no session or organisation where the route asks for one, and every unsafe request without its form token.

    Deny by default: a route is open only where its own options say so. What a role may do is decided in the command.
    """
    if b"%00" in connection.scope["query_string"]:
        # No address means one, and PostgreSQL keeps none in a text.
        raise ClientException("The address holds a null character.")
    options = handler.opt
    signed_in = signed_in_of(connection)
    if not options.get(PUBLIC):
        if signed_in is None:
            raise NotSignedIn
        if actor_or_none(connection) is None and not options.get(WITHOUT_ORGANISATION):
            raise ChooseOrganisation
    if _method_of(connection) not in SAFE_METHODS and (signed_in is None or signed_in.by_cookie) and not options.get("bearer_only"):
        await _check_form_token(connection, signed_in, is_public=bool(options.get(PUBLIC)))


def _method_of(connection: MunimentConnection) -> str:
    return connection.scope["method"] if connection.scope["type"] == "http" else "GET"


async def _check_form_token(connection: MunimentConnection, signed_in: SignedIn | None, *, is_public: bool) -> None:
    if signed_in is None and is_public and not connection.cookies and "origin" not in connection.headers:
        # A program without cookies cannot be tricked into using somebody's session.
        return
    _check_origin(connection)
    expected = signed_in.form_token if signed_in is not None else connection.cookies.get(VISITOR_COOKIE, "")
    presented = connection.headers.get(FORM_TOKEN_HEADER) or await _form_token_in_body(connection)
    if not expected or not presented or not hmac.compare_digest(expected.encode(), presented.encode("utf-8", "surrogatepass")):
        raise CsrfMismatch


def _check_origin(connection: MunimentConnection) -> None:
    # Browsers state where an unsafe request comes from (Fetch, 3.2); another origin is refused before the token is even compared.
    origin = connection.headers.get("origin")
    if origin is not None and origin != "null" and _host_of(origin) != connection.headers.get("host", ""):
        raise CsrfMismatch
    if connection.headers.get("sec-fetch-site") == "cross-site":
        raise CsrfMismatch


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


async def _form_token_in_body(connection: MunimentConnection) -> str:
    if not isinstance(connection, Request):
        return ""
    encoding, _ = connection.content_type
    if encoding not in {RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART}:
        return ""
    presented = (await connection.form()).get(FORM_TOKEN_FIELD, "")
    return presented if isinstance(presented, str) else ""


def actor_of(request: MunimentRequest) -> Actor:
    """Return who acts; the guard has seen to it that somebody does."""
    actor = actor_or_none(request)
    assert actor is not None, "the guard lets nobody pass without an organisation"
    return actor


def actor_or_none(connection: MunimentConnection) -> Actor | None:
    """Return who acts, or None without a session or organisation."""
    actor: Actor | None = connection.scope.get("user")
    return actor


def signed_in_of(connection: MunimentConnection) -> SignedIn | None:
    """Return the session of a request, or None. Addresses that never ask for one are not even looked at."""
    signed_in: SignedIn | None = connection.scope.get("auth")
    return signed_in
