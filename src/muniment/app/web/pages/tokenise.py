# SPDX-License-Identifier: Apache-2.0
"""Tokenising: a company from its Open Cap Table package, a vehicle from its VIN. What it will make is shown before it is made."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Final

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.datastructures import UploadFile

from muniment.access.model import Action, Actor, authorize
from muniment.app.http.problems import status_of
from muniment.app.http.request import MunimentRequest
from muniment.app.web.forms import fingerprint, form_values, go_to, text_of
from muniment.app.web.pages.actions import eligible, holder_name
from muniment.app.web.pages.previewing import (
    REQUEST_KEY,
    FieldMissing,
    Values,
    execute,
    fresh,
    once,
    previewed,
    required,
    run,
    shown,
    status_after,
    taken_back,
)
from muniment.app.web.reading import AsActor, Begin, shares_text
from muniment.app.web.render import page, wrong
from muniment.app.web.views import FormState, Preview
from muniment.app.web.words import count
from muniment.instruments.commands import (
    DraftSecurity,
    TokeniseCompany,
    TokenisedCompany,
    TokeniseVehicle,
    draft_security,
    files_of_zip,
    tokenise_company,
    tokenise_vehicle,
)
from muniment.instruments.errors import PackageTooLarge
from muniment.instruments.model.ocf import Issuer, OcfPackage, Stakeholder, read_package, typed
from muniment.instruments.model.securities import Security
from muniment.instruments.model.vehicles import parse_vin
from muniment.parties.model import parse_address
from muniment.servicing.ports import ServicingUnit
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address
from muniment.units.money import group_thousands, parse_decimal
from muniment.units.shares import parse_shares

PACKAGE_BYTES_MAX: Final = 2_000_000
"""A larger package goes through the command or the API: the page carries it between preview and doing."""

FORM_BYTES_MAX: Final = 2 * PACKAGE_BYTES_MAX
POSITIONS_SHOWN: Final = 200
DEFECTS_SHOWN: Final = 500
CRUMBS: Final = [("Securities", "/securities"), ("Tokenise", "")]
VEHICLE_NEEDS: Final = ("vin", "make", "model", "owner_name", "owner_document", "symbol")
VEHICLE_PLACES: Final = {"owner.legal_name": "owner_name", "owner.title_document_number": "owner_document", "name": "model"}
"""Where a refusal's place stands in the form."""


@dataclass(frozen=True, slots=True)
class ClassLine:
    """A class of stock and the security that would be drafted for it."""

    name: str
    symbol: str
    authorized: str
    outstanding: str


@dataclass(frozen=True, slots=True)
class PositionLine:
    """Who holds how much of which class by the package."""

    holder: str
    share_class: str
    shares: str


@dataclass(frozen=True, slots=True)
class DefectLine:
    """One thing wrong in the package, with its place."""

    where: str
    object_id: str
    field: str
    sentence: str
    severity: str
    code: str


@dataclass(frozen=True, slots=True)
class CompanyView:
    """What a package would make."""

    button: str
    facts: Mapping[str, str]
    classes: tuple[ClassLine, ...]
    positions: tuple[PositionLine, ...]
    positions_more: str
    defects: tuple[DefectLine, ...]
    defects_title: str
    package: str
    package_sha256: str
    fingerprint: str


# A company


@get("/securities/tokenise", sync_to_thread=True, include_in_schema=False)
def show_tokenise(request: MunimentRequest, actor: AsActor) -> Response[Any]:
    """Show the form that takes a company's Open Cap Table package."""
    authorize(actor, Action.INSTRUMENTS_TOKENISE, tenant_id=actor.tenant_id)
    return _company_page(request, fresh())


@post("/securities/tokenise/preview", include_in_schema=False, status_code=200, request_max_body_size=FORM_BYTES_MAX)
async def preview_company_form(request: MunimentRequest, actor: AsActor, begin: Begin) -> Response[Any]:
    """Show company, classes, positions and every defect of a package; nothing is kept."""
    authorize(actor, Action.INSTRUMENTS_TOKENISE, tenant_id=actor.tenant_id)
    values, content = await _company_form(request)
    return await sync_to_thread(_preview_company, request, actor, begin, values, content)


@post("/securities/tokenise", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def do_tokenise(request: MunimentRequest, actor: AsActor, begin: Begin) -> Response[Any]:
    """Tokenise the company that was previewed: its record, and a drafted security for each class."""
    authorize(actor, Action.INSTRUMENTS_TOKENISE, tenant_id=actor.tenant_id)
    values, content = await _company_form(request)
    return await sync_to_thread(_tokenise_company, request, actor, begin, values, content)


async def _company_form(request: MunimentRequest) -> tuple[dict[str, str], bytes]:
    """Return the form's key and what was previewed, and the package: a chosen file before the one that the page carries."""
    content = b""
    values = fresh()
    for name, value in (await request.form()).multi_items():
        if isinstance(value, UploadFile):
            content = await value.read() if name == "package" and value.filename else content
        elif name in {REQUEST_KEY, "previewed"} and value:
            values[name] = value[:100]
        elif name == "package_zip" and not content:
            content = _decoded(value)
    return values | {"package_sha256": hashlib.sha256(content).hexdigest()}, content


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # Nothing that our page wrote; it reads as no file, which the form then says.
        return b""


def _request_of(content: bytes) -> TokeniseCompany:
    if not content:
        raise FieldMissing(what="The package", place=Place(field="package"))
    if len(content) > PACKAGE_BYTES_MAX:
        raise PackageTooLarge(found=len(content), unit="bytes", allowed=PACKAGE_BYTES_MAX, place=Place(field="package"))
    return TokeniseCompany(files_of_zip(content))


def _preview_company(request: MunimentRequest, actor: Actor, begin: Begin, values: Values, content: bytes) -> Response[Any]:
    try:
        view = _company_view(actor, begin, values, content)
    except MunimentError as refusal:
        return _company_page(request, values, form=wrong(refusal, values, fields=("package",)), status=status_of(refusal.code))
    return _company_page(request, values, view=view)


def _tokenise_company(request: MunimentRequest, actor: Actor, begin: Begin, values: Values, content: bytes) -> Response[Any]:
    if text_of(values, "previewed") != fingerprint(shown(values)):
        return _preview_company(request, actor, begin, values, content)
    try:
        wish = _request_of(content)
        with begin(actor.tenant_id) as unit:

            def do() -> str:
                tokenise_company(actor, wish, unit=unit)
                return "/securities"

            return go_to(once(actor, values, "tokenise", do, unit=unit))
    except MunimentError as refusal:
        return _company_page(request, values, form=wrong(refusal, values, fields=("package",)), status=status_of(refusal.code))


def _company_view(actor: Actor, begin: Begin, values: Values, content: bytes) -> CompanyView:
    wish = _request_of(content)
    with taken_back(begin, actor) as unit:
        found = tokenise_company(actor, wish, unit=unit)
        securities = {class_id: unit.securities.get(security_id) for class_id, security_id in found.securities.items()}
    return _view_of(found, securities, read_package(wish.files), values, content)


def _view_of(
    found: TokenisedCompany, securities: Mapping[str, Security], package: OcfPackage, values: Values, content: bytes
) -> CompanyView:
    issuer = typed(package.issuer, Issuer)
    people = {each.object_id: typed(each, Stakeholder).name.legal_name for each in package.of_type("STAKEHOLDER")}
    positions = [
        PositionLine(
            holder=people.get(each.stakeholder_id, each.stakeholder_id),
            share_class=securities[each.stock_class_id].terms.symbol if each.stock_class_id in securities else each.stock_class_id,
            shares=_fraction(each.shares),
        )
        for each in found.cap_table.positions
    ]
    number, flaws = len(securities), len(found.defects)
    return CompanyView(
        button=f"Tokenise {found.title} with {count(number)} {'class' if number == 1 else 'classes'}",
        facts={
            "company": issuer.legal_name,
            "formed": f"{issuer.formation_date}, {issuer.country_of_formation}",
            "as of": found.cap_table.as_of.isoformat(),
            "objects read": count(len(package.objects)),
            "positions": count(len(positions)),
        },
        classes=tuple(
            ClassLine(
                name=security.terms.name,
                symbol=security.terms.symbol,
                authorized="no limit"
                if security.terms.shares_authorized is None
                else shares_text(security.terms.shares_authorized, security),
                outstanding=_fraction(found.cap_table.outstanding.get(class_id, Fraction(0))),
            )
            for class_id, security in securities.items()
        ),
        positions=tuple(positions[:POSITIONS_SHOWN]),
        positions_more=f"The first {POSITIONS_SHOWN} of {count(len(positions))} are shown." if len(positions) > POSITIONS_SHOWN else "",
        defects=tuple(
            DefectLine(
                where=defect.file or "the package",
                object_id=defect.object_id or "",
                field=defect.field or "",
                sentence=defect.problem,
                severity=defect.severity,
                code=defect.code,
            )
            for defect in found.defects[:DEFECTS_SHOWN]
        ),
        defects_title=f"{count(flaws)} {'defect' if flaws == 1 else 'defects'} in the package; what is malformed is left out",
        package=base64.b64encode(content).decode(),
        package_sha256=text_of(values, "package_sha256"),
        fingerprint=fingerprint(shown(values)),
    )


def _fraction(shares: Fraction) -> str:
    """Return an exact number of shares: grouped, what is no whole share as a fraction."""
    whole, rest = divmod(shares.numerator, shares.denominator)
    return group_thousands(str(whole)) + (f" {rest}/{shares.denominator}" if rest else "")


def _company_page(
    request: MunimentRequest, values: Values, *, form: FormState | None = None, view: CompanyView | None = None, status: int = 200
) -> Response[Any]:
    return page(
        request,
        "tokenise.html",
        title="Tokenise a company",
        status=status,
        crumbs=CRUMBS,
        form=form or FormState(values=values),
        company=view,
        size_max=f"{PACKAGE_BYTES_MAX // 1_000_000} MB",
    )


# A vehicle


@get("/securities/tokenise/vehicle", sync_to_thread=True, include_in_schema=False)
def show_vehicle(request: MunimentRequest, actor: AsActor, begin: Begin) -> Response[Any]:
    """Show the form that takes a vehicle and its owner."""
    with begin(actor.tenant_id) as unit:
        return _vehicle_page(begin, request, actor, None, fresh(), unit=unit)


@post("/securities/tokenise/vehicle/preview", include_in_schema=False, status_code=200)
async def preview_vehicle_form(request: MunimentRequest, actor: AsActor, begin: Begin) -> Response[Any]:
    """Show what tokenising the vehicle would make, or what is wrong with its VIN."""
    values = await form_values(request)
    return await sync_to_thread(run, request, actor, begin, None, values, partial(_vehicle_page, begin))


@post("/securities/tokenise/vehicle", include_in_schema=False)
async def do_vehicle(request: MunimentRequest, actor: AsActor, begin: Begin) -> Response[Any]:
    """Tokenise the vehicle that was previewed: its record, its deed to the owner's wallet, and a drafted security."""
    values = await form_values(request)
    return await sync_to_thread(execute, request, actor, begin, None, values, partial(_vehicle_page, begin), _tokenise_vehicle)


def _vehicle_page(
    begin: Begin,
    request: MunimentRequest,
    actor: Actor,
    subject: None,
    values: Values,
    *,
    unit: ServicingUnit,
    form: FormState | None = None,
) -> Response[Any]:
    del subject  # There is none yet.
    authorize(actor, Action.INSTRUMENTS_TOKENISE, tenant_id=unit.tenant_id)
    # First, in a transaction of its own: the names that are read below hold the audit log until this page is done.
    if form is None and "hx-request" in request.headers and not all(text_of(values, name) for name in VEHICLE_NEEDS):
        form = _half_filled(values)
    form, preview = previewed(values, form, lambda: _preview_vehicle(begin, actor, values), needed="vin")
    return page(
        request,
        "tokenise_vehicle.html",
        title="Tokenise a vehicle",
        status=status_after(form, preview),
        lead="The record goes to the chain as a hash. The owner's name and document are kept encrypted; the record holds only commitments.",
        crumbs=CRUMBS,
        action="/securities/tokenise/vehicle",
        check_words="Check this vehicle",
        form=form,
        preview=preview,
        holders=eligible(actor, unit=unit, verified_only=False),
    )


def _half_filled(values: Values) -> FormState:
    """Return the form while somebody is still typing: a wrong VIN is told at once, what is missing only when they press the button."""
    try:
        if text_of(values, "vin"):
            parse_vin(text_of(values, "vin"))
    except MunimentError as refusal:
        return wrong(refusal, values, fields=("vin",))
    return FormState(values=values)


def _make_vehicle(actor: Actor, values: Values, wallet: Address | None, *, unit: ServicingUnit) -> tuple[Security, str, tuple[str, ...]]:
    make, model = required(values, "make", "The make"), required(values, "model", "The model")
    mileage = text_of(values, "mileage_kilometres")
    described: dict[str, Any] = {"vin": required(values, "vin", "The VIN"), "make": make, "model": model}
    if mileage:
        described["mileage_kilometres"] = parse_decimal(mileage, decimals_max=0, unit="a mileage", field="mileage_kilometres")
    owner = {
        "legal_name": required(values, "owner_name", "The owner's name"),
        "title_document_number": required(values, "owner_document", "The document's number"),
    }
    symbol = required(values, "symbol", "The symbol")
    limit = text_of(values, "shares_authorized")
    authorized = int(parse_shares(limit, decimals=0, field="shares_authorized")) if limit else None
    try:
        asset = tokenise_vehicle(actor, TokeniseVehicle(described, owner, wallet), unit=unit)
        draft = DraftSecurity(asset.asset_record_id, f"{make} {model}", symbol, shares_authorized=authorized)
        return draft_security(actor, draft, unit=unit), asset.title, asset.warnings
    except MunimentError as refusal:
        if refusal.place is not None and refusal.place.field in VEHICLE_PLACES:
            refusal.place = Place(field=VEHICLE_PLACES[refusal.place.field])
        raise


def _deed_to(values: Values) -> Address | None:
    text = text_of(values, "wallet")
    return parse_address(text, field="wallet") if text else None


def _preview_vehicle(begin: Begin, actor: Actor, values: Values) -> Preview:
    wallet = _deed_to(values)
    with taken_back(begin, actor) as unit:
        security, title, warnings = _make_vehicle(actor, values, wallet, unit=unit)
        deed = "nobody; it can be recorded without one" if wallet is None else holder_name(actor, wallet, unit=unit)
    limit = security.terms.shares_authorized
    return Preview(
        button=f"Tokenise {security.terms.name} as {security.terms.symbol}",
        title="This vehicle can be tokenised",
        lines=[
            ("Asset record", title),
            ("Deed to", deed),
            ("Security", f"{security.terms.name} ({security.terms.symbol}), drafted"),
            ("Authorised shares", "no limit" if limit is None else shares_text(limit, security)),
        ],
        notes=[*warnings, "The security stays a draft until you put it on the chain."],
        fingerprint=fingerprint(shown(values)),
    )


def _tokenise_vehicle(actor: Actor, subject: None, values: Values, *, unit: ServicingUnit) -> str:
    del subject  # There is none yet.

    def do() -> str:
        security, _title, _warnings = _make_vehicle(actor, values, _deed_to(values), unit=unit)
        return f"/securities/{security.terms.security_id}"

    return once(actor, values, "tokenise-vehicle", do, unit=unit)


ROUTES = [show_tokenise, preview_company_form, do_tokenise, show_vehicle, preview_vehicle_form, do_vehicle]
