# SPDX-License-Identifier: Apache-2.0
"""What is wrong in an Open Cap Table package as a whole: each object by itself, what refers to nothing, what does not add up.

The fields of one object are judged in `ocf_fields`, the stock transactions in `cap_table`; nothing is read from disk here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from muniment.instruments.model.cap_table import replay
from muniment.instruments.model.ocf import Defect, MalformedObject, OcfObject, OcfPackage, items_of, read_leniently

HINTS = frozenset({"ocf.md5_differs", "ocf.file_not_named"})
"""What a person should look at though every object is as the format asks: no problem of the package's content."""

# Field -> the type of object whose id it names.
_TARGETS: Mapping[str, str] = {
    "stakeholder_id": "STAKEHOLDER",
    "stock_class_id": "STOCK_CLASS",
    "stock_class_ids": "STOCK_CLASS",
    "converts_to_stock_class_id": "STOCK_CLASS",
    "include_stock_class_ids": "STOCK_CLASS",
    "stock_plan_id": "STOCK_PLAN",
    "include_stock_plans_ids": "STOCK_PLAN",
    "vesting_terms_id": "VESTING_TERMS",
    "stock_legend_ids": "STOCK_LEGEND_TEMPLATE",
    "issuer_id": "ISSUER",
    "split_transaction_id": "TX_STOCK_CLASS_SPLIT",
}
# Fields that name securities, which come to be by an issuance.
_SECURITIES = frozenset({"security_id", "balance_security_id", "resulting_security_ids", "include_security_ids", "exclude_security_ids"})
_FAMILIES = ("CONVERTIBLE", "EQUITY_COMPENSATION", "PLAN_SECURITY", "WARRANT", "STOCK")
# An award may be exercised and released in parts, and so may a warrant: these do not close it.
_CLOSING_STEPS = frozenset({"TRANSFER", "CANCELLATION", "RETRACTION", "CONVERSION"})


@dataclass(frozen=True, slots=True)
class CheckedPackage:
    """How many objects a package's files list (the issuer apart), what is wrong, and what is only worth a look."""

    objects: int
    problems: tuple[Defect, ...]
    hints: tuple[Defect, ...]


def check_package(files: Mapping[str, bytes]) -> CheckedPackage:
    """Return everything that is wrong with a package, each with its file, object and field; a place is told once.

    What hangs on a malformed object is not blamed: a transfer of a security whose issuance is malformed is no second problem.

    Raises:
        PackageTooLarge: more objects than are read.

    """
    package, defects = read_leniently(files)
    found = list(defects)
    if package is not None:
        found += dangling(package)
        found += _contradictions(package)
    told: set[tuple[str | None, str | None, str | None]] = set()
    kept: list[Defect] = []
    for defect in found:
        place = (defect.file, defect.object_id, defect.field)
        if place not in told or defect.code in HINTS:
            kept.append(defect)
        if defect.code not in HINTS:
            # A hint about a file, such as another digest, must not hide that the file cannot be read.
            told.add(place)
    return CheckedPackage(
        items_of(files),
        tuple(defect for defect in kept if defect.code not in HINTS),
        tuple(defect for defect in kept if defect.code in HINTS),
    )


def dangling(package: OcfPackage) -> Iterator[Defect]:
    """Yield the references of a package's objects that lead to nothing, and the securities that are issued or closed twice."""
    known = {(each.object_type, each.object_id) for each in package.parts}
    issued: dict[str, set[str]] = {}
    closed: set[tuple[str, str]] = set()
    for each in package.parts:
        family, step = _family_and_step(each.object_type)
        if step == "ISSUANCE":
            issued.setdefault(str(_body(each).get("security_id")), set()).add(family)
    issuances = {each.object_id for each in package.parts if each.object_type.endswith("_ISSUANCE")}
    for each in package.parts:
        yield from _dangling_of(each, known, issued, issuances)
        family, step = _family_and_step(each.object_type)
        security_id = str(_body(each).get("security_id"))
        if step in _CLOSING_STEPS and family != "STOCK":
            if (family, security_id) in closed:
                yield _defect(each, "ocf.closed_twice", "the security is closed already", "security_id")
            closed.add((family, security_id))


def _dangling_of(
    each: OcfObject | MalformedObject, known: set[tuple[str, str]], issued: Mapping[str, set[str]], issuances: set[str]
) -> Iterator[Defect]:
    family, step = _family_and_step(each.object_type)
    for field, value in _references(_body(each), ""):
        name = field.rpartition(".")[2].partition("[")[0]
        if name in _TARGETS and (_TARGETS[name], value) not in known:
            words = _TARGETS[name].removeprefix("TX_").replace("_", " ").lower()
            yield _defect(each, "ocf.unknown_reference", f"the package has no such {words}", field)
        elif name in _SECURITIES and value not in issued:
            yield _defect(each, "ocf.unknown_reference", "the package issues no such security", field)
        elif name == "security_id" and step != "ISSUANCE" and family and not _same_family(family, issued[value]):
            yield _defect(each, "ocf.wrong_reference", "the security is of another kind than the transaction", field)
        elif name == "issuance_ids" and value not in issuances:
            yield _defect(each, "ocf.unknown_reference", "the package has no such issuance", field)
    related = _body(each).get("related_objects")
    for index, reference in enumerate(related if isinstance(related, list) else ()):
        if isinstance(reference, dict) and (reference.get("object_type"), reference.get("object_id")) not in known:
            yield _defect(each, "ocf.unknown_reference", "the package has no such object", f"related_objects[{index}].object_id")


def _references(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of every field that names another object, at any depth."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _references(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _references(part, f"{path}[{index}]")
    elif isinstance(value, str):
        name = path.rpartition(".")[2].partition("[")[0]
        if name in _TARGETS or name in _SECURITIES or name == "issuance_ids":
            yield path, value


def _contradictions(package: OcfPackage) -> Iterator[Defect]:
    suspects = {str(_body(each).get("security_id")) for each in package.malformed if each.object_type.endswith("_ISSUANCE")}
    closing = {each.object_id: set(_securities(each)) for each in package.objects}
    for each in package.malformed:
        # What a malformed transaction should have closed is still open, and what came of it is there: neither is blamed on others.
        suspects |= set(_securities(each))
    issued = {each.object_id: str(_body(each)["security_id"]) for each in package.of_type("TX_STOCK_ISSUANCE")}
    for defect in replay(package, as_of=last_day(package)).defects:
        if not closing.get(defect.object_id or "", set()) & suspects:
            yield defect
            if defect.severity == "not_applied" and defect.object_id in issued:
                suspects.add(issued[defect.object_id])


def last_day(package: OcfPackage) -> dt.date:
    """Return the manifest's day, or the day of the last transaction where that is later."""
    days = [dt.date.fromisoformat(each.body["date"]) for each in package.objects if each.object_type.startswith("TX_")]
    return max([package.as_of, *days])


def _securities(each: OcfObject | MalformedObject) -> Iterator[str]:
    for field, value in _references(_body(each), ""):
        if field.partition("[")[0] in {"security_id", "balance_security_id", "resulting_security_ids"}:
            yield value


def _body(each: OcfObject | MalformedObject) -> Mapping[str, Any]:
    return each.body if isinstance(each.body, dict) else {}


def _family_and_step(object_type: str) -> tuple[str, str]:
    """Return of which kind of security a transaction is, and what it does to it; twice nothing for anything else."""
    for family in _FAMILIES:
        step = object_type.removeprefix(f"TX_{family}_")
        if step != object_type and step in {"ACCEPTANCE", "EXERCISE", "ISSUANCE", "REISSUANCE", "RELEASE", "REPURCHASE", *_CLOSING_STEPS}:
            return family, step
    return "", ""


def _same_family(family: str, issued: set[str]) -> bool:
    # Plan securities are the older name of awards under a plan.
    awards = {"EQUITY_COMPENSATION", "PLAN_SECURITY"}
    return family in issued or (family in awards and bool(issued & awards))


def _defect(each: OcfObject | MalformedObject, code: str, problem: str, field: str) -> Defect:
    where = f"issuer.{field}" if each.object_type == "ISSUER" else field
    return Defect(code, problem, "warning", each.file, each.object_id, where)
