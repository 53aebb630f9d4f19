# SPDX-License-Identifier: Apache-2.0
"""Open Cap Table packages (OCF 1.2.0) read and written: every defect told, nothing dropped. Who holds what is in `cap_table`."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from muniment.instruments.errors import PackageTooLarge, PackageUnreadable
from muniment.instruments.model.json_text import NESTING_MAX, NotJson, read_json
from muniment.instruments.model.ocf_checks import (
    Field,
    Fields,
    Flaw,
    anything,
    date,
    flaws_of,
    instant,
    listed,
    md5,
    nested,
    one_of,
    text,
)
from muniment.instruments.model.ocf_fields import flaws_of_object, is_known_type, is_only_a_warning
from muniment.units.errors import Place

OCF_VERSION = "1.2.0"
OBJECTS_MAX = 100_000
_SURROGATE = re.compile("[\ud800-\udfff]")

Severity: TypeAlias = Literal["refused", "warning", "not_applied"]
"""refused: the object is not taken. warning: taken as it is. not_applied: taken, but the replay could not use it."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing wrong in a package: the file, the object, the field, a stable code and a sentence."""

    code: str
    problem: str
    severity: Severity
    file: str | None = None
    object_id: str | None = None
    field: str | None = None

    @property
    def place(self) -> Place:
        """Where it stands, as refusals say it."""
        return Place(file=self.file, object_id=self.object_id, field=self.field)

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {"code": self.code, "message": self.problem, "severity": self.severity, "place": self.place.as_json()}


@dataclass(frozen=True, slots=True)
class FileKind:
    """One kind of OCF file: its `file_type`, the manifest's list of such files, the name ours has, and what may stand in it."""

    file_type: str
    manifest_field: str
    file_name: str
    object_types: frozenset[str]
    listed_always: bool = True
    """Whether the manifest must have the list even when it is empty."""


# The order is that of an export: what is referred to comes before what refers.
FILE_KINDS: tuple[FileKind, ...] = (
    FileKind("OCF_STAKEHOLDERS_FILE", "stakeholders_files", "Stakeholders.ocf.json", frozenset({"STAKEHOLDER"})),
    FileKind("OCF_STOCK_CLASSES_FILE", "stock_classes_files", "StockClasses.ocf.json", frozenset({"STOCK_CLASS"})),
    FileKind(
        "OCF_STOCK_LEGEND_TEMPLATES_FILE", "stock_legend_templates_files", "StockLegends.ocf.json", frozenset({"STOCK_LEGEND_TEMPLATE"})
    ),
    FileKind("OCF_STOCK_PLANS_FILE", "stock_plans_files", "StockPlans.ocf.json", frozenset({"STOCK_PLAN"})),
    FileKind("OCF_VALUATIONS_FILE", "valuations_files", "Valuations.ocf.json", frozenset({"VALUATION"})),
    FileKind("OCF_VESTING_TERMS_FILE", "vesting_terms_files", "VestingTerms.ocf.json", frozenset({"VESTING_TERMS"})),
    FileKind("OCF_FINANCINGS_FILE", "financings_files", "Financings.ocf.json", frozenset({"FINANCING"}), listed_always=False),
    FileKind("OCF_DOCUMENTS_FILE", "documents_files", "Documents.ocf.json", frozenset({"DOCUMENT"}), listed_always=False),
    # Every TX_ type; `_file_kind_of` knows.
    FileKind("OCF_TRANSACTIONS_FILE", "transactions_files", "Transactions.ocf.json", frozenset()),
)
_FILE = nested({"filepath": Field(text, required=True), "md5": Field(md5, required=True)})
MANIFEST_FIELDS: Fields = {
    "ocf_version": Field(one_of(OCF_VERSION), required=True),
    "file_type": Field(one_of("OCF_MANIFEST_FILE"), required=True),
    "issuer": Field(anything, required=True),
    "as_of": Field(anything, required=True),
    "generated_at": Field(instant, required=True),
    "comments": Field(listed(text)),
    **{kind.manifest_field: Field(listed(_FILE), required=kind.listed_always) for kind in FILE_KINDS},
}
"""What the manifest holds; issuer and day are read apart, for without them there is no package."""
MANIFEST_NAME = "Manifest.ocf.json"
MANIFEST_FILE_TYPE = "OCF_MANIFEST_FILE"


@dataclass(frozen=True, slots=True)
class OcfObject:
    """One well-formed object, whole: fields that we do not know stay in `body`."""

    object_type: str
    object_id: str
    body: Mapping[str, Any]
    file: str | None = None

    def canonical(self) -> str:
        """Return the object in one spelling: keys sorted, no blanks. What its commitment hashes."""
        return _canonical(self.body)


@dataclass(frozen=True, slots=True)
class MalformedObject:
    """One item of a file that is not taken, kept as it came so that nothing is lost by an import; `defects` of the package say why.

    Type and id are those that it claims, where it claims any that make sense.
    """

    file_type: str
    object_type: str
    object_id: str
    body: Any
    file: str

    def canonical(self) -> str:
        """Return the item in one spelling, as a well-formed object's."""
        return _canonical(self.body)


@dataclass(frozen=True, slots=True)
class OcfPackage:
    """What could be taken of a package, and every defect. `objects` do not include the issuer, who stands in the manifest."""

    issuer: OcfObject
    as_of: dt.date
    generated_at: str
    objects: tuple[OcfObject, ...]
    comments: tuple[str, ...] = ()
    manifest_extra: Mapping[str, Any] | None = None
    """Fields of the manifest that OCF 1.2.0 does not have, kept for the export."""
    defects: tuple[Defect, ...] = ()
    malformed: tuple[MalformedObject, ...] = ()
    """What is not taken: exported again as it came, after the sound objects of its file, and never replayed."""

    @property
    def parts(self) -> tuple[OcfObject | MalformedObject, ...]:
        """Everything in the package, the issuer first."""
        return (self.issuer, *self.objects, *self.malformed)

    def of_type(self, object_type: str) -> tuple[OcfObject, ...]:
        """Return the objects of one type in the package's order."""
        return tuple(each for each in self.objects if each.object_type == object_type)


class OcfMoney(msgspec.Struct, frozen=True):
    """OCF's Monetary: any number of decimals up to ten, so it is not our `Money`."""

    amount: str
    currency: str


class OcfRatio(msgspec.Struct, frozen=True):
    """OCF's Ratio of two decimal texts."""

    numerator: str
    denominator: str


class OcfName(msgspec.Struct, frozen=True):
    """A stakeholder's name."""

    legal_name: str
    first_name: str | None = None
    last_name: str | None = None


class Issuer(msgspec.Struct, frozen=True):
    """ISSUER: the company."""

    id: str
    legal_name: str
    formation_date: str
    country_of_formation: str
    country_subdivision_of_formation: str | None = None
    dba: str | None = None
    initial_shares_authorized: str | None = None


class Stakeholder(msgspec.Struct, frozen=True):
    """STAKEHOLDER: a person or institution with a stake. Personal data."""

    id: str
    name: OcfName
    stakeholder_type: str
    current_relationship: str | None = None


class StockClass(msgspec.Struct, frozen=True):
    """STOCK_CLASS."""

    id: str
    name: str
    class_type: str
    default_id_prefix: str
    initial_shares_authorized: str
    votes_per_share: str
    seniority: str
    par_value: OcfMoney | None = None
    price_per_share: OcfMoney | None = None


class StockLegendTemplate(msgspec.Struct, frozen=True):
    """STOCK_LEGEND_TEMPLATE: the text printed on a certificate."""

    id: str
    name: str
    text: str


class Valuation(msgspec.Struct, frozen=True):
    """VALUATION of a class under Internal Revenue Code section 409A."""

    id: str
    price_per_share: OcfMoney
    effective_date: str
    stock_class_id: str


class StockIssuance(msgspec.Struct, frozen=True):
    """TX_STOCK_ISSUANCE: a security comes to be."""

    id: str
    date: str
    security_id: str
    custom_id: str
    stakeholder_id: str
    stock_class_id: str
    quantity: str
    share_price: OcfMoney
    stock_legend_ids: tuple[str, ...]


class StockClosing(msgspec.Struct, frozen=True):
    """A transaction that closes a stock security: transfer, cancellation, retraction, repurchase, reissuance or conversion.

    `quantity` None means all of it; `resulting_security_ids` are the securities that take its place.
    """

    id: str
    date: str
    security_id: str
    quantity: str | None = None
    quantity_converted: str | None = None
    balance_security_id: str | None = None
    resulting_security_ids: tuple[str, ...] = ()
    split_transaction_id: str | None = None


class StockAcceptance(msgspec.Struct, frozen=True):
    """TX_STOCK_ACCEPTANCE: the holder accepts."""

    id: str
    date: str
    security_id: str


class StockClassSplit(msgspec.Struct, frozen=True):
    """TX_STOCK_CLASS_SPLIT: each share becomes numerator/denominator shares."""

    id: str
    date: str
    stock_class_id: str
    split_ratio: OcfRatio


class StockClassAuthorizedSharesAdjustment(msgspec.Struct, frozen=True):
    """TX_STOCK_CLASS_AUTHORIZED_SHARES_ADJUSTMENT."""

    id: str
    date: str
    stock_class_id: str
    new_shares_authorized: str


class IssuerAuthorizedSharesAdjustment(msgspec.Struct, frozen=True):
    """TX_ISSUER_AUTHORIZED_SHARES_ADJUSTMENT."""

    id: str
    date: str
    issuer_id: str
    new_shares_authorized: str


TypedT = TypeVar("TypedT", bound=msgspec.Struct)


def typed(each: OcfObject, type_: type[TypedT]) -> TypedT:
    """Return an object as its typed model; the object was found well-formed, so this cannot fail."""
    return msgspec.convert(dict(each.body), type=type_)


def read_package(files: Mapping[str, bytes]) -> OcfPackage:
    """Return what a package's files say, with every defect; the keys are paths inside the package, with forward slashes.

    A malformed object is told with its file, id and fields and kept apart; the others are taken. A file that the manifest does not
    name is read by what it says of itself, and told.

    Raises:
        PackageUnreadable: there is no manifest, it is no JSON object, or its issuer is malformed: there is nothing to hold on to.
        PackageTooLarge: more than `OBJECTS_MAX` objects.

    """
    reading = _Reading()
    package = _read(files, reading)
    if reading.unreadable or package is None:
        raise reading.unreadable[0]
    return package


def read_leniently(files: Mapping[str, bytes]) -> tuple[OcfPackage | None, tuple[Defect, ...]]:
    """Return the package and every defect, also of one that `read_package` refuses whole; then there is no package.

    Raises:
        PackageTooLarge: more than `OBJECTS_MAX` objects.

    """
    reading = _Reading()
    package = _read(files, reading)
    return package, tuple(reading.defects)


def items_of(files: Mapping[str, bytes]) -> int:
    """Return how many objects the package's files list, sound or not; the issuer, who stands in the manifest, is not among them."""
    count = 0
    for path, content in files.items():
        try:
            value = read_json(content) if path.endswith(".json") else None
        except NotJson:
            continue
        items = value.get("items") if isinstance(value, dict) else None
        count += len(items) if isinstance(items, list) else 0
    return count


def _read(files: Mapping[str, bytes], reading: _Reading) -> OcfPackage | None:
    """Return the package, or None where there is no sound manifest to hold on to; `reading` says why."""
    manifest_path = _manifest_path(files, reading)
    manifest = reading.manifest(manifest_path, files.get(manifest_path))
    issuer = _issuer(manifest, manifest_path, reading)
    as_of = _day(manifest, "as_of", manifest_path, reading)
    if issuer is not None:
        reading.ids.add((issuer.object_type, issuer.object_id))
    objects: list[OcfObject] = []
    read = {manifest_path}
    for kind, full in [*_named_files(manifest, manifest_path, files, reading), *_unnamed_files(files, manifest, manifest_path, reading)]:
        if full in read:
            reading.refuse("ocf.file_repeated", "the manifest names a file twice", file=full)
            continue
        read.add(full)
        objects += reading.objects_of(full, files[full], kind)
        found = len(objects) + len(reading.malformed)
        if found > OBJECTS_MAX:
            raise PackageTooLarge(found=found, unit="objects", allowed=OBJECTS_MAX, place=Place(file=full))
    for flaw in flaws_of(manifest, MANIFEST_FIELDS):
        told = {each.field for each in reading.defects if each.file == manifest_path}
        if flaw.field not in told and flaw.field.partition("[")[0] not in told:
            reading.warn(flaw.code, flaw.problem, file=manifest_path, field=flaw.field)
    if issuer is None or as_of is None or reading.unreadable:
        return None
    comments = manifest.get("comments")
    return OcfPackage(
        issuer=issuer,
        as_of=as_of,
        generated_at=str(manifest.get("generated_at", "")),
        objects=tuple(objects),
        comments=tuple(str(comment) for comment in comments) if isinstance(comments, list) else (),
        manifest_extra={name: value for name, value in manifest.items() if name not in MANIFEST_FIELDS} or None,
        defects=tuple(reading.defects),
        malformed=tuple(reading.malformed),
    )


def write_package(package: OcfPackage) -> dict[str, bytes]:
    """Return the files of a package: one per kind and the manifest with their MD5 digests; the same package gives the same bytes.

    Objects keep their order within their file; keys are sorted, so that a package read back and written again is equal.
    """
    files: dict[str, bytes] = {}
    manifest: dict[str, Any] = {
        **(package.manifest_extra or {}),
        "ocf_version": OCF_VERSION,
        "file_type": MANIFEST_FILE_TYPE,
        "issuer": package.issuer.body,
        "as_of": package.as_of.isoformat(),
        "generated_at": package.generated_at,
    }
    if package.comments:
        manifest["comments"] = list(package.comments)
    for kind in FILE_KINDS:
        items = [each.body for each in package.objects if _file_kind_of(each.object_type) is kind]
        items += [each.body for each in package.malformed if each.file_type == kind.file_type]
        if items:
            content = _spelled({"file_type": kind.file_type, "items": items})
            files[kind.file_name] = content
            # MD5 is the format's own choice for its manifest; nothing of ours trusts it.
            digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
            manifest[kind.manifest_field] = [{"filepath": f"./{kind.file_name}", "md5": digest}]
        elif kind.listed_always:
            manifest[kind.manifest_field] = []
    files[MANIFEST_NAME] = _spelled(manifest)
    return files


class _Reading:
    """The defects found so far and the ids seen, while one package is read."""

    def __init__(self) -> None:
        self.defects: list[Defect] = []
        self.ids: set[tuple[str, str]] = set()
        self.malformed: list[MalformedObject] = []
        self.unreadable: list[PackageUnreadable] = []

    def give_up(self, problem: str, place: Place) -> None:
        """Note what leaves no package to hold on to."""
        self.unreadable.append(PackageUnreadable(problem=problem, place=place))
        self.defects.append(Defect("ocf.unreadable", problem, "refused", place.file, place.object_id, place.field))

    def manifest(self, path: str, content: bytes | None) -> dict[str, Any]:
        """Return the manifest's JSON object; an empty one, with the reason noted, where there is none."""
        if content is None:
            return {}
        before = len(self.defects)
        manifest = self.json_object(path, content)
        if manifest is None:
            first = self.defects.pop(before)
            self.give_up(first.problem, first.place)
            return {}
        for flaw in _unstorable({name: value for name, value in manifest.items() if name != "issuer"}, ""):
            self.give_up(f"the manifest's {flaw.field}: {flaw.problem}", Place(file=path, field=flaw.field))
        return manifest

    def refuse(self, code: str, problem: str, *, file: str, object_id: str | None = None, field: str | None = None) -> None:
        """Note what is not taken."""
        self.defects.append(Defect(code, problem, "refused", file, object_id, field))

    def warn(self, code: str, problem: str, *, file: str, object_id: str | None = None, field: str | None = None) -> None:
        """Note what is taken although it is not right."""
        self.defects.append(Defect(code, problem, "warning", file, object_id, field))

    def json_object(self, path: str, content: bytes) -> dict[str, Any] | None:
        """Return the JSON object in a file; None, with the defect noted, where there is none."""
        try:
            value = read_json(content)
        except NotJson as flaw:
            where = "" if flaw.line is None else f" at line {flaw.line}"
            self.refuse(f"ocf.{flaw.code}", f"{flaw.problem}{where}", file=path)
            return None
        if isinstance(value, dict):
            return value
        self.refuse("ocf.wrong_type", "the file must hold one JSON object", file=path)
        return None

    def objects_of(self, path: str, content: bytes, kind: FileKind) -> Iterator[OcfObject]:
        """Yield the well-formed objects of a file and note every defect of the others."""
        listed = self.json_object(path, content)
        if listed is None:
            return
        if listed.get("file_type") != kind.file_type:
            self.refuse("ocf.wrong_file_type", f"the manifest calls this file a {kind.file_type}", file=path, field="file_type")
            return
        items = listed.get("items")
        if not isinstance(items, list):
            self.refuse("ocf.wrong_type", "a list of objects is needed", file=path, field="items")
            return
        for name in listed:
            if name not in {"file_type", "items"}:
                self.warn("ocf.unknown_field", "OCF 1.2.0 has no such field here", file=path, field=name)
        for index, body in enumerate(items):
            taken = self.object_of(path, body, kind, index)
            if taken is not None:
                yield taken

    def object_of(self, path: str, body: Any, kind: FileKind, index: int) -> OcfObject | None:
        """Return one item if it is well-formed and new; keep it apart and note what is wrong with it otherwise."""
        here = f"items[{index}]"
        named = body.get("id") if isinstance(body, dict) else None
        object_id = named if isinstance(named, str) and not any(_unstorable(named, "id")) else None
        claimed = body.get("object_type") if isinstance(body, dict) else None
        object_type = claimed if isinstance(claimed, str) and is_known_type(claimed) else None
        if self._is_sound(path, body, kind, object_type, object_id, here):
            assert object_type is not None, "a sound object says what it is"
            assert object_id is not None, "a sound object has an id"
            self.ids.add((object_type, object_id))
            return OcfObject(object_type, object_id, body, path)
        self.malformed.append(MalformedObject(kind.file_type, object_type or "UNKNOWN", object_id or here, body, path))
        return None

    def _is_sound(self, path: str, body: Any, kind: FileKind, object_type: str | None, object_id: str | None, here: str) -> bool:
        if not isinstance(body, dict):
            self.refuse("ocf.wrong_type", "an object is needed", file=path, object_id=here, field=here)
            return False
        shown = object_id or here
        if object_type is None:
            self.refuse("ocf.unknown_object_type", "OCF 1.2.0 has no such object type", file=path, object_id=shown, field="object_type")
            return False
        if _file_kind_of(object_type) is not kind:
            problem = f"a {object_type} does not belong into this file"
            self.refuse("ocf.wrong_file", problem, file=path, object_id=shown, field="object_type")
            return False
        flaws = [*_unstorable(body, ""), *flaws_of_object(body)]
        for flaw in flaws:
            severity: Severity = "warning" if is_only_a_warning(flaw) else "refused"
            self.defects.append(Defect(flaw.code, flaw.problem, severity, path, shown, flaw.field))
        if object_id is None or not all(is_only_a_warning(flaw) for flaw in flaws):
            return False
        if (object_type, object_id) in self.ids:
            self.refuse("ocf.repeated_id", f"another {object_type} has this id", file=path, object_id=object_id, field="id")
            return False
        return True


def _manifest_path(files: Mapping[str, bytes], reading: _Reading) -> str:
    candidates = [path for path in files if posixpath.basename(path).lower() in {"manifest.ocf.json", "manifest.json"}]
    if not candidates:
        reading.give_up(f"it has no {MANIFEST_NAME}", Place(file=MANIFEST_NAME))
        return MANIFEST_NAME
    depth = min(path.count("/") for path in candidates)
    nearest = [path for path in candidates if path.count("/") == depth]
    if len(nearest) > 1:
        reading.give_up("it has more than one manifest", Place(file=nearest[1]))
    return nearest[0]


def _issuer(manifest: Mapping[str, Any], path: str, reading: _Reading) -> OcfObject | None:
    if reading.unreadable and not manifest:
        return None
    body = manifest.get("issuer")
    if not isinstance(body, dict) or body.get("object_type") != "ISSUER":
        reading.give_up("the manifest names no issuer", Place(file=path, field="issuer"))
        return None
    named = body.get("id")
    issuer_id = named if isinstance(named, str) else None
    is_sound = True
    for flaw in [*_unstorable(body, ""), *flaws_of_object(body)]:
        if is_only_a_warning(flaw):
            reading.warn(flaw.code, flaw.problem, file=path, object_id=str(issuer_id), field=f"issuer.{flaw.field}")
        else:
            is_sound = False
            place = Place(file=path, field=f"issuer.{flaw.field}", object_id=issuer_id)
            reading.give_up(f"the issuer's {flaw.field}: {flaw.problem}", place)
    return OcfObject("ISSUER", str(issuer_id), body, path) if is_sound else None


def _day(manifest: Mapping[str, Any], field: str, path: str, reading: _Reading) -> dt.date | None:
    if reading.unreadable and not manifest:
        return None
    flaw = next(date(manifest.get(field), field), None)
    if flaw is not None:
        reading.give_up(f"the manifest's {field}: {flaw.problem}", Place(file=path, field=field))
        return None
    return dt.date.fromisoformat(str(manifest[field]))


def _named_files(
    manifest: Mapping[str, Any], manifest_path: str, files: Mapping[str, bytes], reading: _Reading
) -> Iterator[tuple[FileKind, str]]:
    """Yield kind and path of the files that the manifest names and the package has."""
    folder = posixpath.dirname(manifest_path)
    for kind in FILE_KINDS:
        named = manifest.get(kind.manifest_field, [])
        if not isinstance(named, list):
            reading.refuse("ocf.wrong_type", "a list of files is needed", file=manifest_path, field=kind.manifest_field)
            continue
        for index, entry in enumerate(named):
            path = entry.get("filepath") if isinstance(entry, dict) else None
            if not isinstance(path, str) or not path:
                field = f"{kind.manifest_field}[{index}].filepath"
                reading.refuse("ocf.missing_field", "a file's path is required", file=manifest_path, field=field)
                continue
            full = posixpath.normpath(posixpath.join(folder, path))
            if full.startswith(("..", "/")) or full not in files:
                reading.refuse("ocf.file_missing", "the manifest names a file that is not in the package", file=path)
                continue
            if str(entry.get("md5", "")).lower() != hashlib.md5(files[full], usedforsecurity=False).hexdigest():
                reading.warn("ocf.md5_differs", "the manifest gives another MD5 digest for this file", file=full)
            yield kind, full


def _unnamed_files(
    files: Mapping[str, bytes], manifest: Mapping[str, Any], manifest_path: str, reading: _Reading
) -> Iterator[tuple[FileKind, str]]:
    """Yield kind and path of the files that the manifest does not name, where they say themselves what they are."""
    folder = posixpath.dirname(manifest_path)
    named: set[str] = set()
    for kind in FILE_KINDS:
        listed_here = manifest.get(kind.manifest_field)
        for entry in listed_here if isinstance(listed_here, list) else ():
            if isinstance(entry, dict):
                named.add(posixpath.normpath(posixpath.join(folder, str(entry.get("filepath")))))
    for full in sorted(files.keys() - named - {manifest_path}):
        if not full.endswith(".json"):
            continue
        told = reading.json_object(full, files[full])
        if told is None:
            continue
        kind = next((each for each in FILE_KINDS if each.file_type == told.get("file_type")), None)
        if kind is None:
            reading.warn("ocf.file_not_named", "the manifest does not name this file and it is none of the format's; not read", file=full)
        else:
            reading.warn("ocf.file_not_named", "the manifest does not name this file; it is read for what it says it is", file=full)
            yield kind, full


def _file_kind_of(object_type: str) -> FileKind | None:
    if object_type.startswith("TX_"):
        return FILE_KINDS[-1]
    return next((kind for kind in FILE_KINDS if object_type in kind.object_types), None)


def _unstorable(value: Any, path: str, depth: int = 0) -> Iterator[Flaw]:
    """Yield the texts that no UTF-8 database can hold, and nesting beyond reason."""
    if depth > NESTING_MAX:
        yield Flaw(path, "ocf.too_deep", "it nests too deeply")
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _unstorable(name, path or "name", depth + 1)
            yield from _unstorable(part, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _unstorable(part, f"{path}[{index}]", depth + 1)
    elif isinstance(value, str) and any(character == "\0" or 0xD800 <= ord(character) <= 0xDFFF for character in value):
        yield Flaw(path, "ocf.not_text", "a text without NUL and lone surrogates is needed")


def _spelled(value: Any) -> bytes:
    return (_encodable(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)) + "\n").encode()


def _canonical(value: Any) -> str:
    return _encodable(json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False))


def _encodable(spelled: str) -> str:
    """Return JSON with lone surrogates, which malformed objects may hold and UTF-8 may not, in their escaped form."""
    return _SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", spelled)
