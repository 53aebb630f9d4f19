# SPDX-License-Identifier: Apache-2.0
"""What forms share that show their effect first: show, preview, do exactly what was shown. Knows no use case; the pages name theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

from litestar import Response

from muniment.access.commands import approval_policy, idempotently
from muniment.access.model import Action, Actor, permits
from muniment.access.ports import Answer
from muniment.app.http.problems import status_of
from muniment.app.http.request import MunimentRequest
from muniment.app.web.forms import fingerprint, go_to, text_of
from muniment.app.web.reading import Begin
from muniment.app.web.render import wrong
from muniment.app.web.views import FormState, Preview
from muniment.servicing.ports import ServicingUnit
from muniment.units.decisions import Refused
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import parse_id

REQUEST_KEY: Final = "idempotency_key"
PACK_PREFIX: Final = "pack:"
"""What the name of a pack's box begins with."""
FIELDS: Final = (
    "wallet",
    "shares",
    "from_wallet",
    "to_wallet",
    "amount",
    "basis",
    "payment_token",
    "record_at",
    "payment_at",
    # The terms of a sale.
    "exemption",
    "paid",
    "paid_currency",
    "buyer_category",
    # Tokenising.
    "package",
    "package_sha256",
    "vin",
    "make",
    "model",
    "mileage_kilometres",
    "owner_name",
    "owner_document",
    "symbol",
    "shares_authorized",
    # Rules.
    "country_rule",
    "countries",
    "countries_citation",
    "maximum",
    "maximum_citation",
    "supply_cap",
    "supply_cap_citation",
    "holder_cap",
    "holder_cap_citation",
    "country_caps",
    "category_caps",
    "minimum",
    "holding_days",
    "volume",
    "whole",
    "approval",
    "venues",
    "hours",
    "windows",
    "further_citation",
    # The law.
    "law_price",
    "law_currency",
    "law_first_offered_on",
    "law_closed_on",
    "law_issuer_country",
    "law_issuer_reporting",
    "law_general_solicitation",
    "law_issued_locked",
    "law_total_assets_usd",
    "law_portal",
    # A security's way to its opening.
    "state",
    # Freezes and recoveries.
    "order",
    "reason",
    "lost_wallet",
    "new_wallet",
    # Explanations.
    "side",
)
"""The fields of every previewed form. What was previewed is bound by the hash of those that a form has."""

Values: TypeAlias = Mapping[str, str]
ShowForm: TypeAlias = Callable[..., Response[Any]]
Do: TypeAlias = Callable[..., str | Refused | None]
"""Does what was shown and returns the page to go to; None where what was shown is not so any more."""


class FieldMissing(MunimentError):
    """A field that the form cannot do without is empty."""

    code = "web.field_missing"
    message = "{what} is missing."
    cure = "Fill it in."


class _TakenBack(Exception):
    """Ends a transaction whose effects nobody wants."""


@contextmanager
def taken_back(begin: Begin, actor: Actor) -> Iterator[ServicingUnit]:
    """Open a transaction that leaves nothing behind: a preview runs the very command, so that it shows what the command will do."""
    try:
        with begin(actor.tenant_id) as unit:
            yield unit
            raise _TakenBack
    except _TakenBack:
        return


def fresh() -> dict[str, str]:
    """Return the key that makes sending a form twice do its work once."""
    return {REQUEST_KEY: str(uuid4())}


def shown(values: Values) -> dict[str, str]:
    """Return what a preview is made from."""
    return {name: text for name, text in values.items() if name in FIELDS or name.startswith(PACK_PREFIX)}


def run(request: MunimentRequest, actor: Actor, begin: Begin, subject: Any, values: Values, show: ShowForm) -> Response[Any]:
    """Show the form of a subject (a security's or investor's id) as far as it is filled in."""
    with begin(actor.tenant_id) as unit:
        return show(request, actor, subject, {**fresh(), **values}, unit=unit)


def execute(request: MunimentRequest, actor: Actor, begin: Begin, subject: Any, values: Values, show: ShowForm, do: Do) -> Response[Any]:
    """Do exactly what was shown; anything else is shown first. A refusal comes back on the form with everything that was typed."""
    values = {**fresh(), **values}
    if text_of(values, "previewed") != fingerprint(shown(values)):
        return run(request, actor, begin, subject, values, show)
    try:
        with begin(actor.tenant_id) as unit:
            outcome = do(actor, subject, values, unit=unit)
    except MunimentError as refusal:
        if status_of(refusal.code) in {401, 403, 404}:
            raise
        form = wrong(refusal, values, fields=FIELDS)
        with begin(actor.tenant_id) as unit:
            return show(request, actor, subject, values, unit=unit, form=form)
    if outcome is None or isinstance(outcome, Refused):
        return run(request, actor, begin, subject, values, show)
    return go_to(outcome)


def once(actor: Actor, values: Values, what: str, do: Callable[[], str], *, unit: ServicingUnit) -> str:
    """Return the page that `do` leads to; a form that is sent twice does its work once and leads to the same page."""
    bound = {"form": what, **shown(values)}
    answer = idempotently(actor, text_of(values, REQUEST_KEY), bound, lambda: Answer(status=303, body={"href": do()}), unit=unit)
    return str(answer.body["href"])


def previewed(
    values: Values, form: FormState | None, preview: Callable[[], Preview], *, needed: str = "shares"
) -> tuple[FormState, Preview | None]:
    """Return the form and, where enough is filled in, its preview; a defect of a field is tied to the field."""
    if form is not None:
        return form, None
    if not text_of(values, needed):
        return FormState(values=values), None
    try:
        return FormState(values=values), preview()
    except MunimentError as refusal:
        if status_of(refusal.code) in {401, 403, 404} and (refusal.place is None or refusal.place.field not in FIELDS):
            raise
        return wrong(refusal, values, fields=FIELDS), None


def status_after(form: FormState, preview: Preview | None) -> int:
    """Return the status of a form's page: 422 where something stands against it."""
    return 422 if form.wrong_sentence or (preview is not None and preview.reasons) else 200


def required(values: Values, name: str, what: str) -> str:
    """Return a field's text, or refuse with `web.field_missing`."""
    text = text_of(values, name)
    if not text:
        raise FieldMissing(what=what, place=Place(field=name))
    return text


def request_id(values: Values) -> UUID:
    """Return the form's key as the id of its request."""
    return parse_id(text_of(values, REQUEST_KEY), field=REQUEST_KEY)


def second_person(actor: Actor, action: Action, *, unit: ServicingUnit) -> list[str]:
    """Return the note that a second person must agree, where the policy asks for one."""
    if permits(actor, Action.ACCESS_VIEW_APPROVALS) and approval_policy(actor, unit=unit).get(action, False):
        return ["A second person must approve this before anything is signed."]
    return []
