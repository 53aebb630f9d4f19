# SPDX-License-Identifier: Apache-2.0
"""Open Cap Table packages: our field tables against the published schemas, every defect told, export equal to import."""

from __future__ import annotations

import copy
import datetime as dt
import io
import json
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from muniment.app.ocf_folder import files_of_folder
from muniment.instruments.errors import PackageTooLarge, PackageUnreadable, PackageUnsafe
from muniment.instruments.model.cap_table import replay
from muniment.instruments.model.ocf import OcfPackage, items_of, read_package, write_package
from muniment.instruments.model.ocf_archive import unpack
from muniment.instruments.model.ocf_fields import TYPED, flaws_of_object
from tests.instruments.conftest import EXAMPLES

PACKAGES = ("samples", "ocf-tools-testPackage", "tutorials/quickstart", "tutorials/options")
JUNK_VALUES: list[Any] = [
    *(None, True, 0, 1.5, "", "x", "-1", "1.5", "2024-02-30", "2024-02-29", "US", "usa"),
    *([], ["a", "a"], [1], {}, {"amount": "1"}),
]
JUNK = st.sampled_from(JUNK_VALUES)

FORMATS = FormatChecker(formats=())

Change: TypeAlias = Callable[[dict[str, Any]], object]


@FORMATS.checks("date")
def is_date(value: object) -> bool:
    # RFC 3339 full-date, which draft 7 means by "date".
    if not isinstance(value, str):
        return True
    try:
        return bool(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)) and bool(dt.date.fromisoformat(value))
    except ValueError:
        return False


@FORMATS.checks("email")
def is_email(value: object) -> bool:
    return not isinstance(value, str) or "@" in value


def object_types_of(schema: dict[str, Any]) -> list[str]:
    told = schema["properties"].get("object_type", {})
    return [told["const"]] if "const" in told else list(told.get("enum", []))


class Schemas:
    """The published schemas by object type."""

    def __init__(self, folder: Path) -> None:
        loaded = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.schema.json"))]
        self._registry: Any = Registry().with_resources(
            [(schema["$id"], Resource.from_contents(schema, default_specification=DRAFT7)) for schema in loaded]
        )
        self.by_type = {
            object_type: schema
            for schema in loaded
            if "/objects/" in schema["$id"] and "primitives" not in schema["$id"]
            for object_type in object_types_of(schema)
        }
        self.by_id = {schema["$id"]: schema for schema in loaded}
        self.validators = {object_type: self.validator(schema) for object_type, schema in self.by_type.items()}
        self.manifest = self.validator(next(schema for schema in loaded if schema["$id"].endswith("OCFManifestFile.schema.json")))
        self.object_types = set(next(schema for schema in loaded if schema["$id"].endswith("enums/ObjectType.schema.json"))["enum"])
        self.files = {
            schema["properties"]["file_type"]["const"]: self.validator(schema)
            for schema in loaded
            if "/files/" in schema["$id"] and "const" in schema.get("properties", {}).get("file_type", {})
        }

    def properties_of(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the properties of a schema with those of the schemas that it builds on."""
        found: dict[str, Any] = {}
        for based in [*schema.get("allOf", []), *([schema] if "$ref" in schema else [])]:
            found |= self.properties_of(self.by_id[based["$ref"]])
        return found | {name: told for name, told in schema.get("properties", {}).items() if told or name not in found}

    def fields_of(self, schema: dict[str, Any]) -> tuple[set[str], set[str]]:
        """Return the names of all and of the required properties of an object's schema."""
        required = set(schema.get("required", []))
        for based in schema.get("allOf", []):
            required |= self.fields_of(self.by_id[based["$ref"]])[1]
        return set(self.properties_of(schema)), required

    def validator(self, schema: dict[str, Any]) -> Draft7Validator:
        return Draft7Validator(schema, registry=self._registry, format_checker=FORMATS)


@pytest.fixture(scope="session")
def schemas(test_data: Path) -> Schemas:
    return Schemas(test_data / "ocf" / "schema")


def files_below(folder: Path) -> dict[str, bytes]:
    return files_of_folder(folder)


def example() -> dict[str, bytes]:
    return files_below(EXAMPLES / "ocf")


def changed(file: str, change: Change) -> dict[str, bytes]:
    """Return the example package with one file's JSON changed."""
    files = example()
    content = json.loads(files[file])
    change(content)
    files[file] = json.dumps(content).encode()
    return files


def refusals(package: OcfPackage) -> list[tuple[str, str | None, str | None, str | None]]:
    return [(each.code, each.file, each.object_id, each.field) for each in package.defects if each.severity == "refused"]


def test_our_object_types_are_those_of_the_format(schemas: Schemas) -> None:
    assert set(TYPED) == schemas.object_types == set(schemas.by_type)


def test_every_field_of_every_object_type_is_in_our_tables(schemas: Schemas) -> None:
    for object_type, schema in schemas.by_type.items():
        properties, required = schemas.fields_of(schema)
        assert set(TYPED[object_type]) == properties, object_type
        assert {name for name, field in TYPED[object_type].items() if field.required} == required, object_type


def test_every_word_list_of_the_format_is_ours_too(schemas: Schemas) -> None:
    for object_type, schema in schemas.by_type.items():
        for name, told in schemas.properties_of(schema).items():
            listed = schemas.by_id.get(told.get("$ref", ""), {}).get("enum")
            if listed is not None:
                refused = [word for word in [*listed, "NOT_IN_THE_LIST"] if any(TYPED[object_type][name].check(word, name))]
                assert refused == ["NOT_IN_THE_LIST"], (object_type, name)


def typed_objects(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        yield from [*content.get("items", []), *([content["issuer"]] if "issuer" in content else [])]


def test_published_samples_are_judged_as_the_schemas_judge_them(test_data: Path, schemas: Schemas) -> None:
    seen = 0
    for folder in PACKAGES:
        for body in typed_objects(test_data / "ocf" / folder):
            assert (not flaws_of_object(body)) == schemas.validators[body["object_type"]].is_valid(body), body["id"]
            seen += 1
    assert seen >= 100


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_objects_are_judged_as_the_schemas_judge_them(test_data: Path, schemas: Schemas, data: st.DataObject) -> None:
    bodies = _bodies(test_data)
    body = copy.deepcopy(data.draw(st.sampled_from(bodies)))
    for _ in range(data.draw(st.integers(1, 2))):
        damage(body, data)
    body["object_type"] = data.draw(st.just(body["object_type"]))
    assert (not flaws_of_object(body)) == schemas.validators[body["object_type"]].is_valid(body)


_BODIES: list[dict[str, Any]] = []


def _bodies(test_data: Path) -> list[dict[str, Any]]:
    if not _BODIES:
        _BODIES.extend([*typed_objects(test_data / "ocf" / "samples"), *typed_objects(EXAMPLES / "ocf")])
    return _BODIES


def objects_inside(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object inside a JSON value, at any depth."""
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(part, dict):
            yield part
        yield from objects_inside(part)


def damage(body: dict[str, Any], data: st.DataObject) -> None:
    """Remove, add or replace one field, somewhere in the object but its type."""
    holder = data.draw(st.sampled_from([body, *objects_inside(body)]))
    names = [name for name in sorted(holder) if name != "object_type"]
    match data.draw(st.sampled_from(["remove", "replace", "add"])):
        case "remove" if names:
            del holder[data.draw(st.sampled_from(names))]
        case "replace" if names:
            holder[data.draw(st.sampled_from(names))] = copy.deepcopy(data.draw(JUNK))
        case _:
            holder["not_in_the_format"] = copy.deepcopy(data.draw(JUNK))


@pytest.mark.parametrize("folder", PACKAGES)
def test_published_packages_come_out_as_they_went_in(test_data: Path, folder: str) -> None:
    package = read_package(files_below(test_data / "ocf" / folder))
    written = write_package(package)
    again = read_package(written)
    assert write_package(again) == written
    assert [each.body for each in again.objects] == sorted_by_file(package)
    assert not [each for each in again.defects if each.severity == "refused"]


def sorted_by_file(package: OcfPackage) -> list[Any]:
    """The objects in the order of an export: by file, then as they came."""
    return [each.body for each in read_package(write_package(package)).objects if each.body in [own.body for own in package.objects]]


@pytest.mark.parametrize("folder", PACKAGES)
def test_nothing_of_a_published_package_is_dropped_and_each_defect_is_told(test_data: Path, schemas: Schemas, folder: str) -> None:
    files = files_below(test_data / "ocf" / folder)
    package = read_package(files)
    bodies = [item for content in files.values() for item in json.loads(content).get("items", [])]
    kept = [*(each.body for each in package.objects), *(each.body for each in package.malformed)]
    assert sorted(map(str, kept)) == sorted(map(str, bodies))
    failing = {body["id"] for body in bodies if not schemas.validators[body["object_type"]].is_valid(body)}
    assert failing <= {each.object_id for each in package.defects}
    written = write_package(package)
    assert sum(len(json.loads(content).get("items", [])) for content in written.values()) == len(bodies)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_package_comes_out_as_it_went_in_and_names_each_damaged_object(
    test_data: Path, schemas: Schemas, data: st.DataObject
) -> None:
    files = dict(files_below(test_data / "ocf" / "samples"))
    path = data.draw(st.sampled_from(sorted(name for name in files if name != "Manifest.ocf.json")))
    content = json.loads(files[path])
    for index in data.draw(st.sets(st.integers(0, len(content["items"]) - 1), max_size=4)):
        damage(content["items"][index], data)
    files[path] = json.dumps(content).encode()
    package = read_package(files)
    told = {(each.file, each.object_id) for each in package.defects}
    for index, body in enumerate(content["items"]):
        if not schemas.validators[body["object_type"]].is_valid(body):
            assert {(path, str(body.get("id"))), (path, f"items[{index}]")} & told, body
    written = write_package(package)
    assert sum(len(json.loads(each).get("items", [])) for each in written.values()) == items_of(files)
    assert write_package(read_package(written)) == written


def test_the_example_is_valid_under_the_published_schemas(schemas: Schemas) -> None:
    for name, content in example().items():
        body = json.loads(content)
        assert [error.message for error in schemas.files[body["file_type"]].iter_errors(body)] == [], name


def test_the_example_is_written_as_it_was_read_and_marked_as_invented() -> None:
    package = read_package(example())
    assert package.defects == () and write_package(package) == example()
    assert "Fictitious" in package.comments[0] and "fictitious" in str(package.issuer.body["legal_name"])


def test_our_export_is_valid_under_the_published_schemas(test_data: Path, schemas: Schemas) -> None:
    package = read_package(files_below(test_data / "ocf" / "ocf-tools-testPackage"))
    written = write_package(package)
    assert [error.message for error in schemas.manifest.iter_errors(json.loads(written["Manifest.ocf.json"]))] == []


def test_every_flaw_of_a_broken_object_is_told_and_the_rest_is_taken() -> None:
    def breaks(content: dict[str, Any]) -> None:
        content["items"][0]["quantity"] = "many"
        content["items"][0]["share_price"] = {"amount": "1"}
        del content["items"][0]["custom_id"]

    whole = len(read_package(example()).objects)
    package = read_package(changed("Transactions.ocf.json", breaks))
    place = ("Transactions.ocf.json", "tx-issue-sec-cs-1")
    assert sorted(refusals(package), key=str) == [
        ("ocf.missing_field", *place, "custom_id"),
        ("ocf.missing_field", *place, "share_price.currency"),
        ("ocf.wrong_form", *place, "quantity"),
    ]
    assert len(package.objects) == whole - 1


DEFECTS: list[tuple[str, Change, str, str | None]] = [
    (
        "Transactions.ocf.json",
        lambda content: content["items"][11].update(resulting_security_ids=["sec-cs-5", "sec-cs-5"]),
        "ocf.repeated",
        "resulting_security_ids",
    ),
    (
        "Transactions.ocf.json",
        lambda content: content["items"][11].update(resulting_security_ids=[]),
        "ocf.too_few",
        "resulting_security_ids",
    ),
    ("Stakeholders.ocf.json", lambda content: content.update(file_type="OCF_TRANSACTIONS_FILE"), "ocf.wrong_file_type", "file_type"),
    ("Stakeholders.ocf.json", lambda content: content.update(items={}), "ocf.wrong_type", "items"),
    ("Stakeholders.ocf.json", lambda content: content["items"].append("x"), "ocf.wrong_type", "items[5]"),
    ("Stakeholders.ocf.json", lambda content: content["items"].append(content["items"][0]), "ocf.repeated_id", "id"),
    ("Stakeholders.ocf.json", lambda content: content["items"][0].update(object_type="SHIP"), "ocf.unknown_object_type", "object_type"),
    ("Stakeholders.ocf.json", lambda content: content["items"][0].update(object_type="STOCK_CLASS"), "ocf.wrong_file", "object_type"),
    ("Stakeholders.ocf.json", lambda content: content["items"][0].update(id=7), "ocf.wrong_type", "id"),
    ("Stakeholders.ocf.json", lambda content: content["items"][0].update(comments=["a\x00"]), "ocf.not_text", "comments[0]"),
    ("Stakeholders.ocf.json", lambda content: content["items"][0].update(comments=["\ud800"]), "ocf.not_text", "comments[0]"),
    ("Stakeholders.ocf.json", lambda content: content["items"][0].update(comments=["x" * 10_001]), "ocf.too_long", "comments[0]"),
    (
        "Manifest.ocf.json",
        lambda content: content["stakeholders_files"].append({"filepath": "../../etc/passwd"}),
        "ocf.file_missing",
        None,
    ),
    (
        "Manifest.ocf.json",
        lambda content: content["stakeholders_files"].append({}),
        "ocf.missing_field",
        "stakeholders_files[1].filepath",
    ),
    ("Manifest.ocf.json", lambda content: content.update(stakeholders_files="x"), "ocf.wrong_type", "stakeholders_files"),
]


@pytest.mark.parametrize(
    ("file", "change", "code", "field"),
    DEFECTS,
)
def test_a_defect_is_told_with_its_place(file: str, change: Change, code: str, field: str | None) -> None:
    found = refusals(read_package(changed(file, change)))
    assert [(each[0], each[3]) for each in found] == [(code, field)]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "ocf.not_json"),
        (b"[]", "ocf.wrong_type"),
        (b"\xff\xfe", "ocf.not_utf8"),
        (b'{"file_type": 1, "file_type": 2}', "ocf.not_json"),
        (b'{"file_type": NaN}', "ocf.not_json"),
        (b'{"file_type": 1e999}', "ocf.not_json"),
        (b'{"a":' * 50_000, "ocf.too_deep"),
    ],
)
def test_a_file_that_is_no_json_costs_only_itself(content: bytes, code: str) -> None:
    package = read_package({**example(), "Valuations.ocf.json": content})
    assert [(each.code, each.file) for each in package.defects if each.severity == "refused"] == [(code, "Valuations.ocf.json")]
    assert package.of_type("STAKEHOLDER") and not package.of_type("VALUATION")


def test_unknown_fields_are_told_and_kept() -> None:
    def adds(content: dict[str, Any]) -> None:
        content["items"][0]["shoe_size"] = {"eu": 43}

    package = read_package(changed("Stakeholders.ocf.json", adds))
    warnings = [(each.code, each.severity, each.field) for each in package.defects if each.code == "ocf.unknown_field"]
    assert warnings == [("ocf.unknown_field", "warning", "shoe_size")]
    assert b'"shoe_size": {\n        "eu": 43' in write_package(package)["Stakeholders.ocf.json"]


UNSOUND: list[tuple[Change, str]] = [
    (lambda content: content.pop("issuer"), "issuer"),
    (lambda content: content["issuer"].pop("legal_name"), "issuer.legal_name"),
    (lambda content: content["issuer"].update(formation_date="10/01/2024"), "issuer.formation_date"),
    (lambda content: content.update(as_of="yesterday"), "as_of"),
    (lambda content: content.update(comments=["\x00"]), "comments[0]"),
]


@pytest.mark.parametrize(
    ("change", "field"),
    UNSOUND,
)
def test_a_package_without_a_sound_issuer_is_refused_whole(change: Change, field: str) -> None:
    with pytest.raises(PackageUnreadable) as refused:
        read_package(changed("Manifest.ocf.json", change))
    assert refused.value.place is not None and (refused.value.place.file, refused.value.place.field) == ("Manifest.ocf.json", field)


@pytest.mark.parametrize(
    "files", [{}, {"a.json": b"{}"}, {"Manifest.ocf.json": b"{"}, {"a/Manifest.ocf.json": b"{}", "b/Manifest.ocf.json": b"{}"}]
)
def test_a_package_without_one_manifest_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(PackageUnreadable):
        read_package(files)


# The cap table


def test_the_examples_cap_table_is_what_its_transactions_make() -> None:
    table = replay(read_package(example()))
    assert table.defects == ()
    assert table.shares_of("cls-common", "sh-founder-a") == 4_000_000  # 2,000,000 split two for one
    assert table.shares_of("cls-common", "sh-founder-b") == 2_500_000  # 3,000,000 less a sale of 500,000
    assert table.shares_of("cls-common", "sh-employee") == 50_000  # 80,000 less a repurchase of 30,000; the retracted grant is void
    assert table.shares_of("cls-seed", "sh-angel") == 100_000
    assert dict(table.outstanding) == {"cls-common": Fraction(7_050_000), "cls-seed": Fraction(1_100_000)}
    assert table.authorized["cls-common"] == 12_000_000


@pytest.mark.parametrize(
    ("day", "founder"), [("2024-01-31", 0), ("2024-02-01", 2_000_000), ("2025-01-01", 2_000_000), ("2025-01-02", 4_000_000)]
)
def test_a_cap_table_can_be_asked_for_any_day(day: str, founder: int) -> None:
    table = replay(read_package(example()), as_of=dt.date.fromisoformat(day))
    assert table.shares_of("cls-common", "sh-founder-a") == founder


def at(index: int, **changes: Any) -> Change:
    """Return what changes fields of one transaction of the example."""

    def change(content: dict[str, Any]) -> None:
        content["items"][index].update(changes)

    return change


CONTRADICTIONS: list[tuple[Change, str, str]] = [
    (at(0, stakeholder_id="nobody"), "cap_table.unknown_stakeholder", "tx-issue-sec-cs-1"),
    (at(0, stock_class_id="none"), "cap_table.unknown_stock_class", "tx-issue-sec-cs-1"),
    (at(1, security_id="sec-cs-1"), "cap_table.issued_twice", "tx-issue-sec-cs-2"),
    (at(0, quantity="0"), "cap_table.no_quantity", "tx-issue-sec-cs-1"),
    (at(11, quantity="3000001"), "cap_table.more_than_held", "tx-transfer-cs-2"),
    (at(11, quantity="400000"), "cap_table.balance_differs", "tx-transfer-cs-2"),
    (at(12, quantity="499999"), "cap_table.does_not_add_up", "tx-transfer-cs-2"),
    (at(11, resulting_security_ids=["sec-none"]), "cap_table.unknown_security", "tx-transfer-cs-2"),
    (at(14, security_id="sec-cs-2"), "cap_table.not_open", "tx-repurchase-cs-4"),
    (at(7, split_ratio={"numerator": "2", "denominator": "0"}), "cap_table.no_ratio", "tx-split-common"),
    (at(8, new_shares_authorized="7000000"), "cap_table.over_authorized", "tx-split-common"),
]


@pytest.mark.parametrize(
    ("change", "code", "object_id"),
    CONTRADICTIONS,
)
def test_a_transaction_that_contradicts_the_others_is_told_and_the_rest_stands(change: Change, code: str, object_id: str) -> None:
    table = replay(read_package(changed("Transactions.ocf.json", change)))
    found = [(each.code, each.object_id) for each in table.defects]
    assert (code, object_id) in found or code in {each[0] for each in found}
    assert table.positions


def test_a_security_closes_at_most_once() -> None:
    def twice(content: dict[str, Any]) -> None:
        content["items"].append({**content["items"][5], "id": "tx-retract-again"})

    table = replay(read_package(changed("Transactions.ocf.json", twice)))
    assert [(each.code, each.object_id, each.severity) for each in table.defects] == [
        ("cap_table.not_open", "tx-retract-again", "not_applied")
    ]


def test_a_split_by_reissuance_is_counted_once() -> None:
    def reissues(content: dict[str, Any]) -> None:
        # Listed before the split of the same day: still counted after it.
        content["items"].insert(
            7, {**content["items"][0], "id": "tx-new", "security_id": "sec-new", "date": "2025-01-02", "quantity": "4000000"}
        )
        content["items"].insert(
            9,
            {
                "object_type": "TX_STOCK_REISSUANCE",
                "id": "tx-reissue",
                "date": "2025-01-02",
                "security_id": "sec-cs-1",
                "resulting_security_ids": ["sec-new"],
                "split_transaction_id": "tx-split-common",
            },
        )

    table = replay(read_package(changed("Transactions.ocf.json", reissues)))
    assert table.defects == () and table.shares_of("cls-common", "sh-founder-a") == 4_000_000


@given(st.randoms(use_true_random=False))
def test_the_order_of_files_items_of_different_days_changes_no_position(random: Any) -> None:
    def shuffles(content: dict[str, Any]) -> None:
        days = sorted({item["date"] for item in content["items"]})
        random.shuffle(days)
        content["items"] = [item for day in days for item in content["items"] if item["date"] == day]

    assert replay(read_package(changed("Transactions.ocf.json", shuffles))).positions == replay(read_package(example())).positions


# Archives


def zipped(files: dict[str, bytes], *, attributes: int = 0) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = attributes
            archive.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def test_a_zipped_package_is_the_same_package() -> None:
    inside = {f"ternwick/{name}": content for name, content in example().items()}
    assert write_package(read_package(unpack(zipped(inside)))) == example()


@pytest.mark.parametrize("name", ["../evil.json", "/etc/passwd", "a/../../b.json", "C:\\x.json", "a\\b.json", "a\n.json"])
def test_a_path_that_leads_outside_is_refused(name: str) -> None:
    with pytest.raises(PackageUnsafe):
        unpack(zipped({name: b"{}"}))


def test_links_bombs_and_repeated_names_are_refused() -> None:
    with pytest.raises(PackageUnsafe, match="link"):
        unpack(zipped({"Manifest.ocf.json": b"/etc/passwd"}, attributes=(stat.S_IFLNK | 0o777) << 16))
    with pytest.raises(PackageUnsafe, match="beyond reason"):
        unpack(zipped({"Manifest.ocf.json": bytes(5_000_000)}))
    with pytest.raises(PackageTooLarge):
        unpack(zipped({"Manifest.ocf.json": bytes(20_000_001)}))
    with pytest.raises(PackageTooLarge, match="501 files"):
        unpack(zipped({f"{number}.json": b"" for number in range(501)}))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.json", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.json", b"2")
    with pytest.raises(PackageUnsafe, match="one name"):
        unpack(packed.getvalue())


def test_an_archive_that_lies_about_a_files_size_is_refused() -> None:
    packed = bytearray(zipped({"Manifest.ocf.json": b"x" * 2_000}))
    size = (2_000).to_bytes(4, "little")
    assert packed.count(size) == 2
    lied = bytes(packed).replace(size, (10).to_bytes(4, "little"))
    with pytest.raises((PackageUnreadable, PackageTooLarge)):
        unpack(lied)


@given(st.binary(max_size=400))
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(PackageUnreadable):
        unpack(content)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_archive_is_read_or_refused(position: int, byte: int) -> None:
    packed = bytearray(zipped(example()))
    packed[position % len(packed)] = byte
    try:
        read_package(unpack(bytes(packed)))
    except (PackageUnreadable, PackageUnsafe, PackageTooLarge):
        return
