# SPDX-License-Identifier: Apache-2.0
"""Open Cap Table packages (OCF 1.2.0) read and written: every defect told, nothing dropped. Who holds what is in `cap_table`."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from muniment.instruments.errors import PackageTooLarge, PackageUnreadable
from muniment.instruments.model.json_text import NESTING_MAX, NotJson, read_json
from muniment.instruments.model.ocf_checks import Flaw, date
from muniment.instruments.model.ocf_fields import flaws_of_object, is_known_type, is_only_a_warning
from muniment.units.errors import Place

OCF_VERSION = "1.2.0"
OBJECTS_MAX = 100_000

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
        return json.dumps(self.body, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


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

    A malformed object is refused with its file, id and fields; the others are taken. Objects of types that we only keep are
    checked for what all objects share.

    Raises:
        PackageUnreadable: there is no manifest, it is no JSON object, or its issuer is malformed: there is nothing to hold on to.
        PackageTooLarge: more than `OBJECTS_MAX` objects.

    """
    manifest_path = _manifest_path(files)
    reading = _Reading()
    manifest = reading.json_object(manifest_path, files[manifest_path])
    if manifest is None:
        first = reading.defects[0]
        raise PackageUnreadable(problem=first.problem, place=first.place)
    for flaw in _unstorable({name: value for name, value in manifest.items() if name != "issuer"}, ""):
        raise PackageUnreadable(problem=f"the manifest's {flaw.field}: {flaw.problem}", place=Place(file=manifest_path, field=flaw.field))
    issuer = _issuer(manifest, manifest_path, reading)
    as_of = _day(manifest, "as_of", manifest_path)
    if manifest.get("ocf_version") != OCF_VERSION:
        reading.warn("ocf.other_version", f"the package says another version than {OCF_VERSION}", file=manifest_path, field="ocf_version")
    objects: list[OcfObject] = []
    reading.ids.add((issuer.object_type, issuer.object_id))
    folder = posixpath.dirname(manifest_path)
    read = {manifest_path}
    for kind, path, md5 in _named_files(manifest, manifest_path, reading):
        full = posixpath.normpath(posixpath.join(folder, path))
        if full.startswith(("..", "/")) or full not in files:
            reading.refuse("ocf.file_missing", "the manifest names a file that is not in the package", file=path)
            continue
        if full in read:
            reading.refuse("ocf.file_repeated", "the manifest names a file twice", file=full)
            continue
        read.add(full)
        if md5 != hashlib.md5(files[full], usedforsecurity=False).hexdigest():
            reading.warn("ocf.md5_differs", "the manifest gives another MD5 digest for this file", file=full)
        objects += reading.objects_of(full, files[full], kind)
        if len(objects) > OBJECTS_MAX:
            raise PackageTooLarge(found=len(objects), unit="objects", allowed=OBJECTS_MAX, place=Place(file=full))
    for full in sorted(files.keys() - read):
        if full.endswith(".json"):
            reading.warn("ocf.file_not_named", "the manifest does not name this file, so it is not read", file=full)
    known = {"ocf_version", "file_type", "issuer", "as_of", "generated_at", "comments", *(kind.manifest_field for kind in FILE_KINDS)}
    extra = {name: value for name, value in manifest.items() if name not in known}
    for name in extra:
        reading.warn("ocf.unknown_field", "OCF 1.2.0 has no such field here; it is kept", file=manifest_path, field=name)
    return OcfPackage(
        issuer=issuer,
        as_of=as_of,
        generated_at=str(manifest.get("generated_at", "")),
        objects=tuple(objects),
        comments=tuple(str(comment) for comment in manifest.get("comments") or ()),
        manifest_extra=extra or None,
        defects=tuple(reading.defects),
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
        """Return one item if it is well-formed and new; note what is wrong with it otherwise."""
        here = f"items[{index}]"
        if not isinstance(body, dict):
            self.refuse("ocf.wrong_type", "an object is needed", file=path, field=here)
            return None
        named = body.get("id")
        object_id = named if isinstance(named, str) else None
        object_type = body.get("object_type")
        if not isinstance(object_type, str) or not is_known_type(object_type):
            self.refuse(
                "ocf.unknown_object_type", "OCF 1.2.0 has no such object type", file=path, object_id=object_id or here, field="object_type"
            )
            return None
        if _file_kind_of(object_type) is not kind:
            self.refuse(
                "ocf.wrong_file",
                f"a {object_type} does not belong into this file",
                file=path,
                object_id=object_id or here,
                field="object_type",
            )
            return None
        flaws = [*_unstorable(body, ""), *flaws_of_object(body)]
        for flaw in flaws:
            severity: Severity = "warning" if is_only_a_warning(flaw) else "refused"
            self.defects.append(Defect(flaw.code, flaw.problem, severity, path, object_id or here, flaw.field))
        if object_id is None or not all(is_only_a_warning(flaw) for flaw in flaws):
            return None
        if (object_type, object_id) in self.ids:
            self.refuse("ocf.repeated_id", f"another {object_type} has this id", file=path, object_id=object_id, field="id")
            return None
        self.ids.add((object_type, object_id))
        return OcfObject(object_type, object_id, body, path)


def _manifest_path(files: Mapping[str, bytes]) -> str:
    candidates = [path for path in files if posixpath.basename(path).lower() in {"manifest.ocf.json", "manifest.json"}]
    if not candidates:
        raise PackageUnreadable(problem=f"it has no {MANIFEST_NAME}")
    depth = min(path.count("/") for path in candidates)
    nearest = [path for path in candidates if path.count("/") == depth]
    if len(nearest) > 1:
        raise PackageUnreadable(problem="it has more than one manifest", place=Place(file=nearest[1]))
    return nearest[0]


def _issuer(manifest: Mapping[str, Any], path: str, reading: _Reading) -> OcfObject:
    body = manifest.get("issuer")
    if not isinstance(body, dict) or body.get("object_type") != "ISSUER":
        raise PackageUnreadable(problem="the manifest names no issuer", place=Place(file=path, field="issuer"))
    issuer_id = body.get("id")
    for flaw in [*_unstorable(body, ""), *flaws_of_object(body)]:
        if not is_only_a_warning(flaw):
            raise PackageUnreadable(
                problem=f"the issuer's {flaw.field}: {flaw.problem}",
                place=Place(file=path, field=f"issuer.{flaw.field}", object_id=issuer_id if isinstance(issuer_id, str) else None),
            )
        reading.warn(flaw.code, flaw.problem, file=path, object_id=str(issuer_id), field=f"issuer.{flaw.field}")
    return OcfObject("ISSUER", str(issuer_id), body, path)


def _day(manifest: Mapping[str, Any], field: str, path: str) -> dt.date:
    flaw = next(date(manifest.get(field), field), None)
    if flaw is not None:
        raise PackageUnreadable(problem=f"the manifest's {field}: {flaw.problem}", place=Place(file=path, field=field))
    return dt.date.fromisoformat(str(manifest[field]))


def _named_files(manifest: Mapping[str, Any], manifest_path: str, reading: _Reading) -> Iterator[tuple[FileKind, str, str]]:
    """Yield kind, path and MD5 digest of the files that the manifest names."""
    for kind in FILE_KINDS:
        if kind.manifest_field not in manifest:
            if kind.listed_always:
                reading.warn("ocf.missing_field", "the list is required, even when empty", file=manifest_path, field=kind.manifest_field)
            continue
        named = manifest[kind.manifest_field]
        if not isinstance(named, list):
            reading.refuse("ocf.wrong_type", "a list of files is needed", file=manifest_path, field=kind.manifest_field)
            continue
        for index, entry in enumerate(named):
            path = entry.get("filepath") if isinstance(entry, dict) else None
            if isinstance(path, str) and path:
                yield kind, path, str(entry.get("md5", "")).lower()
            else:
                reading.refuse(
                    "ocf.missing_field", "a file's path is required", file=manifest_path, field=f"{kind.manifest_field}[{index}].filepath"
                )


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
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
