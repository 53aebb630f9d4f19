# SPDX-License-Identifier: Apache-2.0
"""Asset records: typed by kind, written as canonical JSON, identified by its hash. Where they are kept is not known here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

import msgspec
import rfc8785
from eth_hash.auto import keccak

from muniment.instruments.errors import FieldTooLong, RecordInvalid
from muniment.instruments.model.identifiers import Scheme, parse_identifier
from muniment.instruments.model.vehicles import parse_vin
from muniment.units.errors import Place
from muniment.units.ids import AssetId
from muniment.units.instants import parse_date
from muniment.units.money import Money, parse_decimal

SCHEMA = "muniment.asset/1"
"""Names the shape of the record inside the record, so that a later shape hashes differently."""

TEXT_CHARACTERS_MAX = 500
SALT_BYTES = 32


class Amount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money as records carry it: a decimal text and an ISO 4217 code."""

    amount: str
    currency: str


class Lien(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A claim of somebody else on the asset; while it is open, the deed does not move. `holder` is an institution, never a person."""

    reference: str
    holder: str
    registered_date: str
    amount: Amount | None = None
    released_date: str | None = None


class Appraisal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody qualified said the asset is worth, and when."""

    appraiser: str
    appraised_date: str
    value: Amount


class ShareClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class of a company's stock; `shares_authorized` None where there is no limit."""

    class_id: str
    name: str
    class_type: str
    shares_authorized: str | None = None
    par_value: Amount | None = None


class CapTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The imported cap table: its day, how many objects it has, and the hash over their salted commitments in order."""

    format: str
    version: str
    as_of: str
    objects: int
    commitments_root: str


class Vehicle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="vehicle"):
    """A motor vehicle, by its VIN (ISO 3779)."""

    vin: str
    make: str
    model: str
    first_registered_date: str | None = None
    mileage_kilometres: int | None = None
    colour: str | None = None
    registration_country: str | None = None
    liens: tuple[Lien, ...] = ()


class Equity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="equity"):
    """A company and its classes of stock."""

    legal_name: str
    country_of_formation: str
    formation_date: str
    subdivision_of_formation: str | None = None
    lei: str | None = None
    isin: str | None = None
    share_classes: tuple[ShareClass, ...] = ()
    cap_table: CapTable | None = None


class RealEstate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="real_estate"):
    """Land and what stands on it, by its parcel in the land register."""

    parcel: str
    land_register: str
    country: str
    locality: str
    use: str | None = None
    area_square_metres: str | None = None
    appraisals: tuple[Appraisal, ...] = ()
    liens: tuple[Lien, ...] = ()


class FundUnit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="fund_unit"):
    """A unit of a fund."""

    fund_name: str
    domicile: str
    base_currency: str
    unit_class: str | None = None
    lei: str | None = None
    isin: str | None = None


class Debt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="debt"):
    """A note or bond. `coupon` is a yearly rate as a decimal text: 0.0525 is 5.25 percent."""

    issuer_name: str
    principal: Amount
    issue_date: str
    maturity_date: str
    coupon: str
    day_count: str | None = None
    isin: str | None = None
    lei: str | None = None


class RevenueShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="revenue_share"):
    """A right to a part of a business's revenue, in ten-thousandths."""

    business_name: str
    revenue_described: str
    share_bps: int
    begins_date: str
    ends_date: str | None = None
    cap: Amount | None = None


class Artwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="artwork"):
    """A work of art."""

    title: str
    artist: str
    medium: str
    made: str
    dimensions: str | None = None
    provenance: tuple[str, ...] = ()
    appraisals: tuple[Appraisal, ...] = ()


class Commodity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="commodity"):
    """A stored quantity of a commodity; `quantity` a decimal text in `unit`."""

    commodity: str
    quantity: str
    unit: str
    grade: str
    stored_at: str
    warehouse_receipt: str | None = None


class Other(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="other"):
    """Anything else, described by named texts."""

    title: str
    properties: Mapping[str, str] = {}


AssetBody: TypeAlias = Vehicle | Equity | RealEstate | FundUnit | Debt | RevenueShare | Artwork | Commodity | Other

KINDS: Mapping[str, type[AssetBody]] = {str(body.__struct_config__.tag): body for body in get_args(AssetBody)}

UNIQUE_KINDS = frozenset({"vehicle", "real_estate", "artwork"})
"""Kinds of which there is one: their title is a deed, not a number of shares."""


@dataclass(frozen=True, slots=True)
class PersonalValue:
    """A text that identifies a person, with the salt of its commitment. It never enters the record; only the commitment does."""

    name: str
    text: str
    salt: bytes

    def __repr__(self) -> str:
        """Hide text and salt: a value in a traceback or log must not give the person away."""
        return f"PersonalValue(name={self.name!r})"

    @property
    def commitment(self) -> str:
        """keccak256(salt ‖ text as UTF-8), as `0x` and 64 hex digits."""
        return commitment_of(self.text, self.salt)


@dataclass(frozen=True, slots=True)
class DocumentPrint:
    """What a record says of a document: its name, size, media type and two hashes of its bytes."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    keccak256: str

    def as_json(self) -> dict[str, Any]:
        """Return the canonical shape."""
        return {
            "name": self.name,
            "media_type": self.media_type,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "keccak256": self.keccak256,
        }


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """What is tokenised: the body by kind, the commitments to personal values by name, the documents that belong to it."""

    body: AssetBody
    commitments: Mapping[str, str]
    documents: tuple[DocumentPrint, ...]

    @property
    def kind(self) -> str:
        """The kind's name as the record carries it."""
        return str(self.body.__struct_config__.tag)

    @property
    def title(self) -> str:
        """One line for lists."""
        return title_of(self.body)

    def as_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values; absent fields are left out, so that a field added later changes no old id."""
        return {
            "schema": SCHEMA,
            "asset": _without_absent(msgspec.to_builtins(self.body)),
            "commitments": dict(self.commitments),
            "documents": [document.as_json() for document in self.documents],
        }

    def canonical_json(self) -> bytes:
        """Return the record in the JSON Canonicalization Scheme (RFC 8785): one spelling for one content."""
        return rfc8785.dumps(self.as_json())

    @property
    def asset_id(self) -> AssetId:
        """keccak256 of the canonical JSON: the sequence that stands for the asset on the chain."""
        return asset_id_of(self.canonical_json())


def asset_id_of(canonical_json: bytes) -> AssetId:
    """Return the id of a record from its canonical bytes."""
    return AssetId("0x" + keccak(canonical_json).hex())


def commitment_of(text: str, salt: bytes) -> str:
    """Return the salted commitment to a text: keccak256(salt ‖ text as UTF-8). 32 random bytes of salt make guessing hopeless."""
    assert len(salt) == SALT_BYTES, "a salt as long as the hash"
    return "0x" + keccak(salt + text.encode()).hex()


def commitments_root(commitments: Sequence[str]) -> str:
    """Return the hash over commitments in their order: keccak256 of their concatenated bytes."""
    return "0x" + keccak(b"".join(bytes.fromhex(commitment.removeprefix("0x")) for commitment in commitments)).hex()


def print_of(name: str, media_type: str, content: bytes) -> DocumentPrint:
    """Return a document's print: what a record and the chain say of its bytes."""
    return DocumentPrint(name, media_type, len(content), "0x" + hashlib.sha256(content).hexdigest(), "0x" + keccak(content).hex())


def parse_body(described: Mapping[str, Any]) -> AssetBody:
    """Return the typed body that plain JSON describes; `kind` says which.

    Raises:
        RecordInvalid: a field is missing, unknown, or of the wrong kind; the place names it.
        FieldTooLong: a text beyond `TEXT_CHARACTERS_MAX` characters.
        NotAVin, IdentifierInvalid, NotADate, NotAnAmount, UnknownCurrency: a value in the wrong form.

    """
    kind = described.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise RecordInvalid(problem=f"kind must be one of {', '.join(sorted(KINDS))}", place=Place(field="kind"))
    try:
        body = msgspec.convert(dict(described), type=KINDS[kind])
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        missing = re.search(r"field `(\w+)`", problem)
        field = ".".join(part for part in (path.rstrip("`").strip("."), missing.group(1) if missing else "") if part)
        raise RecordInvalid(problem=problem, place=Place(field=field or None)) from None
    return check_body(body)


def check_body(body: AssetBody) -> AssetBody:
    """Return the body with its identifiers in capitals, after every value in it has been checked; raises as `parse_body` does."""
    _check_texts(msgspec.to_builtins(body), "")
    changes: dict[str, Any] = {}
    if isinstance(body, Vehicle):
        changes["vin"] = parse_vin(body.vin).text
        if body.mileage_kilometres is not None and not 0 <= body.mileage_kilometres < 10_000_000:
            raise RecordInvalid(problem="a mileage between 0 and 9,999,999 kilometres", place=Place(field="mileage_kilometres"))
    if isinstance(body, RevenueShare) and not 0 < body.share_bps <= 10_000:
        raise RecordInvalid(problem="a share between 1 and 10,000 ten-thousandths", place=Place(field="share_bps"))
    for scheme in (Scheme.ISIN, Scheme.LEI):
        text = getattr(body, scheme.value, None)
        if text is not None:
            changes[scheme.value] = parse_identifier(text, scheme)
    return msgspec.structs.replace(body, **changes)


def check_part(part: msgspec.Struct) -> None:
    """Refuse a part of a record whose texts, dates or amounts have the wrong form; raises as `parse_body` does."""
    _check_texts(msgspec.to_builtins(part), "")


def title_of(body: AssetBody) -> str:
    """Return one line that tells an asset from its neighbours."""
    match body:
        case Vehicle():
            return f"{body.make} {body.model}, VIN {body.vin}"
        case Equity():
            return body.legal_name
        case RealEstate():
            return f"Parcel {body.parcel}, {body.locality}"
        case FundUnit():
            return body.fund_name
        case Debt():
            return f"{body.issuer_name} {body.coupon} due {body.maturity_date}"
        case RevenueShare():
            return f"{body.business_name}: {body.revenue_described}"
        case Artwork():
            return f"{body.artist}: {body.title}"
        case Commodity():
            return f"{body.quantity} {body.unit} of {body.commodity}"
        case Other():
            return body.title


def _check_texts(value: Any, path: str) -> None:
    """Refuse a text that is too long, dates and amounts in the wrong form, wherever they stand in the record."""
    field = path.rpartition(".")[2]
    if isinstance(value, Mapping):
        if set(value) == {"amount", "currency"}:
            _not_negative(Money.parse(str(value["amount"]), str(value["currency"]), field=path).minor_units, path)
            return
        for name, part in value.items():
            _check_texts(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            _check_texts(part, f"{path}[{index}]")
    elif isinstance(value, str):
        _check_text(value, path, field)


def _check_text(text: str, path: str, field: str) -> None:
    if len(text) > TEXT_CHARACTERS_MAX:
        raise FieldTooLong(characters=len(text), characters_max=TEXT_CHARACTERS_MAX, place=Place(field=path))
    if not text.strip() or any(ord(character) < 32 or 0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise RecordInvalid(problem="a text that is not empty and has no control characters", place=Place(field=path))
    if field.endswith("_date") or field == "as_of":
        parse_date(text, field=path)
    if field in {"country", "domicile", "country_of_formation", "registration_country"} and not re.fullmatch(r"[A-Z]{2}", text):
        raise RecordInvalid(problem="a country is two capital letters (ISO 3166-1 alpha-2)", place=Place(field=path))
    if field in {"coupon", "quantity", "area_square_metres", "shares_authorized"}:
        _not_negative(parse_decimal(text, decimals_max=10, unit=field, field=path), path)


def _not_negative(number: int, path: str) -> None:
    if number < 0:
        raise RecordInvalid(problem="zero or more is needed", place=Place(field=path))


def _without_absent(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_absent(part) for name, part in value.items() if part is not None}
    if isinstance(value, (list, tuple)):
        return [_without_absent(part) for part in value]
    return value
