# SPDX-License-Identifier: Apache-2.0
"""The page on which anybody verifies an asset id or a document's hash against the chain, without signing in. Shows nothing else."""

from __future__ import annotations

from typing import Any

from litestar import Response, get

from muniment.app.http.problems import status_of
from muniment.app.http.request import MunimentRequest
from muniment.app.http.session import PUBLIC
from muniment.app.web.reading import Query
from muniment.app.web.render import page, wrong
from muniment.app.web.views import FormState
from muniment.instruments.commands import look_up
from muniment.instruments.errors import NotAHash
from muniment.instruments.http import BeginPublic, PublicFactsBody, public_facts_body

TITLE = "Verify"


@get("/verify", opt={PUBLIC: True}, sync_to_thread=True, include_in_schema=False)
def show_verify(request: MunimentRequest, begin_public: BeginPublic, hash: Query = "") -> Response[Any]:  # noqa: A002 - the word in the address
    """Show the form, and under it what the chain says of the hash that was asked for."""
    values = {"hash": hash}
    facts: PublicFactsBody | None = None
    if not hash.strip():
        return page(request, "verify.html", title=TITLE, form=FormState(values=values), facts=facts)
    try:
        with begin_public() as unit:
            facts = public_facts_body(look_up(hash, unit=unit))
    except NotAHash as refusal:
        form = wrong(refusal, values, fields=("hash",))
        return page(request, "verify.html", title=TITLE, status=status_of(refusal.code), form=form, facts=facts)
    return page(request, "verify.html", title=TITLE, form=FormState(values=values), facts=facts)


ROUTES = [show_verify]
