# SPDX-License-Identifier: Apache-2.0
"""`muniment ocf` and `muniment identifiers` without any service: what they print, and how they end."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import pytest

from muniment.app.cli import main
from tests.app.command_line import Ended
from tests.instruments.ocf_histories import a_history, files_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "ocf"


def run(*arguments: str) -> Ended:
    """Run a command to its end; one that ends well ends with 0."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        main(list(arguments))
    code = end.value.code
    assert code is None or isinstance(code, int)
    return Ended(code or 0, out.getvalue(), err.getvalue())


def written(folder: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return str(folder)


@pytest.fixture(scope="session")
def vectors() -> dict[str, list[dict[str, Any]]]:
    """The check-digit vectors of the public test data; without it, those few that anybody can look up."""
    folder = os.environ.get("MUNIMENT_TESTDATA")
    if folder is not None:
        found = json.loads((Path(folder) / "identifiers" / "check_digits.json").read_text(encoding="utf-8"))
        return {kind: values for kind, values in found.items() if isinstance(values, list)}
    return {
        "isin": [{"value": "US0378331005", "valid": True}, {"value": "US0378331006", "valid": False}],
        "vin": [{"value": "1M8GDM9AXKP042788", "valid": True}, {"value": "1M8GDM9AYKP042788", "valid": False}],
    }


def test_all_check_digit_vectors_come_out_right(vectors: dict[str, list[dict[str, Any]]]) -> None:
    for kind, cases in vectors.items():
        ended = run("identifiers", "check", kind, *(case["value"] for case in cases), "--json")
        assert [(each["kind"], each["value"], each["valid"]) for each in ended.told] == [
            (kind.upper(), case["value"], case["valid"]) for case in cases
        ]
        assert ended.code == (0 if all(case["valid"] for case in cases) else 2)


def test_a_vehicle_from_elsewhere_may_be_genuine_though_its_digit_fails() -> None:
    ended = run("identifiers", "check", "Vin", "WVWZZZ1JZXW000001", "--json")
    assert ended.code == 2
    (checked,) = ended.told
    assert set(checked) == {"kind", "value", "valid", "warnings"}
    assert checked["valid"] is False and "North American rule" in checked["warnings"][0] and "genuine" in checked["warnings"][0]
    (american,) = run("identifiers", "check", "VIN", "1M8GDM9AYKP042788", "--json").told
    assert american["valid"] is False and "genuine" not in american["warnings"][0]
    (unassigned,) = run("identifiers", "check", "VIN", "01111111111111111", "--json").told
    assert unassigned["valid"] is False and "ISO 3780" in unassigned["warnings"][0]


@pytest.mark.parametrize(
    ("kind", "value", "valid"),
    [
        ("CFI", "ESVUFR", True),
        ("CFI", "XSVUFR", False),
        ("FISN", "APPLE INC/SH", True),
        ("FISN", "A/" + "B" * 34, False),
        ("DTI", "X9J9K872S", True),
        ("DTI", "A9J9K872S", False),
    ],
)
def test_forms_without_a_check_digit_are_checked_as_forms(kind: str, value: str, valid: bool) -> None:  # noqa: FBT001 - a parameter of the test
    ended = run("identifiers", "check", kind, value, "--json")
    assert (ended.told[0]["valid"], ended.code) == (valid, 0 if valid else 2)


def test_identifiers_are_shown_as_a_table_and_an_unknown_kind_is_refused() -> None:
    ended = run("identifiers", "check", "isin", "US0378331005", "US0378331006")
    assert ended.code == 2 and "INVALID  ISIN  US0378331006" in ended.out
    refused = run("identifiers", "check", "isbn", "1", "--json")
    assert (refused.code, refused.refusal["code"]) == (2, "instruments.unknown_identifier_kind")


def test_a_sound_package_has_no_problems(tmp_path: Path) -> None:
    ended = run("ocf", "check", str(EXAMPLE), "--json")
    assert (ended.code, ended.told) == (0, {"objects": 27, "problems": [], "hints": []})
    made_up = a_history(Random(3))
    told = run("ocf", "check", written(tmp_path, files_of(made_up)), "--json").told
    assert (told["objects"], told["problems"]) == (len(made_up.objects) - 1, [])


def test_every_problem_is_told_with_file_id_and_field_and_the_command_fails(tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in EXAMPLE.glob("*.json")}
    transactions = json.loads(files["Transactions.ocf.json"])
    transactions["items"][0]["quantity"] = "many"
    transactions["items"][1]["stock_class_id"] = "no-such-class"
    transactions["items"][4]["share_price"] = {"amount": "1"}
    files["Transactions.ocf.json"] = json.dumps(transactions).encode()
    ended = run("ocf", "check", written(tmp_path, files), "--json")
    assert (ended.code, ended.told["objects"]) == (2, 27)
    file = "Transactions.ocf.json"
    places = {(problem["file"], problem["id"], problem["field"]) for problem in ended.told["problems"]}
    assert {
        (file, transactions["items"][0]["id"], "quantity"),
        (file, transactions["items"][1]["id"], "stock_class_id"),
        (file, transactions["items"][4]["id"], "share_price.currency"),
    } == places
    assert all(set(problem) == {"file", "id", "field", "message"} for problem in ended.told["problems"])
    assert [hint["file"] for hint in ended.told["hints"]] == [file]
    assert "no-such-class" not in run("ocf", "check", str(tmp_path)).out


@pytest.mark.parametrize("content", [b'{"file_type":', b"\xff\xfe", b'{"a": 1, "a": 2}', b"[" * 100_000])
def test_a_file_that_cannot_be_read_is_told_though_its_digest_differs_too(tmp_path: Path, content: bytes) -> None:
    files = {path.name: path.read_bytes() for path in EXAMPLE.glob("*.json")}
    files["Transactions.ocf.json"] = content
    package = written(tmp_path, files)
    ended = run("ocf", "check", package, "--json")
    assert ended.code == 2
    assert ("Transactions.ocf.json", None) in {(problem["file"], problem["id"]) for problem in ended.told["problems"]}
    held = run("ocf", "positions", package, "--json")
    assert held.told == []
    assert "could not be read" in held.err


@pytest.mark.parametrize("break_it", ["issuer", "manifest", "json"])
def test_a_package_that_cannot_be_held_on_to_is_still_told_whole(tmp_path: Path, break_it: str) -> None:
    files = {path.name: path.read_bytes() for path in EXAMPLE.glob("*.json")}
    stakeholders = json.loads(files["Stakeholders.ocf.json"])
    del stakeholders["items"][0]["stakeholder_type"]
    files["Stakeholders.ocf.json"] = json.dumps(stakeholders).encode()
    match break_it:
        case "issuer":
            manifest = json.loads(files["Manifest.ocf.json"])
            del manifest["issuer"]["legal_name"]
            files["Manifest.ocf.json"] = json.dumps(manifest).encode()
        case "manifest":
            del files["Manifest.ocf.json"]
        case _:
            files["Manifest.ocf.json"] = b"{"
    ended = run("ocf", "check", written(tmp_path, files), "--json")
    assert (ended.code, ended.told["objects"]) == (2, 27)
    places = {(problem["file"], problem["field"]) for problem in ended.told["problems"]}
    assert ("Stakeholders.ocf.json", "stakeholder_type") in places
    assert "Manifest.ocf.json" in {file for file, _ in places}


def test_positions_are_exact_sorted_and_without_closed_ones(tmp_path: Path) -> None:
    history = a_history(Random(11))
    folder = written(tmp_path, files_of(history))
    ended = None
    for day, book in history.books.items():
        ended = run("ocf", "positions", folder, "--as-of", day.isoformat(), "--json")
        assert (ended.code, ended.told) == (
            0,
            [
                {"stakeholder_id": holder, "stock_class_id": share_class, "quantity": str(shares)}
                for (share_class, holder), shares in sorted(book.items(), key=lambda each: (each[0][1], each[0][0]))
                if shares
            ],
        )
    assert ended is not None and run("ocf", "positions", folder, "--json").told == ended.told


def test_a_fraction_of_a_share_is_written_in_decimals(tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in EXAMPLE.glob("*.json")}
    changed = files["Transactions.ocf.json"].replace(b'"numerator": "2"', b'"numerator": "2.5"')
    assert changed != files["Transactions.ocf.json"]
    folder = written(tmp_path, {**files, "Transactions.ocf.json": changed})
    rows = run("ocf", "positions", folder, "--as-of", "2025-01-02", "--json").told
    assert {row["quantity"] for row in rows if row["stakeholder_id"] == "sh-founder-a"} == {"5000000"}


def test_a_zip_is_read_like_its_folder_and_what_is_none_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "company.ocf.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in EXAMPLE.glob("*.json"):
            archive.write(path, f"company/{path.name}")
    assert run("ocf", "positions", str(packed), "--json").told == run("ocf", "positions", str(EXAMPLE), "--json").told
    assert run("ocf", "check", str(packed), "--json").told["problems"] == []
    refused = run("ocf", "check", str(tmp_path / "none"), "--json")
    assert (refused.code, refused.refusal["code"]) == (2, "instruments.package_unreadable")
    assert run("ocf", "positions", str(EXAMPLE), "--as-of", "2025-02-30", "--json").refusal["code"] == "time.not_a_date"


def test_neither_command_loads_the_database_or_the_chain() -> None:
    code = "import sys, muniment.app.ocf_command, muniment.app.identifiers_command; print(sorted(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'muniment.instruments.model.ocf'" in told
    for heavy in ("sqlalchemy", "psycopg", "litestar", "httpx"):
        assert f"'{heavy}'" not in told
