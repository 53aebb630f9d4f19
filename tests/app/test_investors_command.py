# SPDX-License-Identifier: Apache-2.0
"""`muniment investors`: valid rows are kept, invalid ones named by line, field and code; erasing is for good."""

from __future__ import annotations

import pytest

from tests.app.command_line import CommandLine

pytestmark = [pytest.mark.slow]

HEAD = "external_reference,kind,name,email,country,document_number,document_expires\n"
GOOD = "{0}-1,person,Fictitious Fanny,{0}.fanny@example.com,CH,TEST1,2041-01-01\n"
BAD_COUNTRY = "{0}-2,person,Fictitious Frank,{0}.frank@example.com,ZZ,TEST2,2041-01-01\n"


def write(command_line: CommandLine, prefix: str, *rows: str) -> str:
    file = command_line.folder / "people.csv"
    file.write_text(HEAD + "".join(row.format(prefix) for row in rows), encoding="utf-8")
    return str(file)


def test_rows_become_investors_and_are_verified_and_a_second_import_changes_nothing(command_line: CommandLine) -> None:
    file = write(command_line, "A", GOOD)
    ended = command_line.agent("investors", "import", file, "--verify", "--json")
    assert ended.code == 0
    assert ended.told["verification"] == {"verified": 1}
    assert len(ended.told["accepted"]) == 1
    again = command_line.agent("investors", "import", file)
    assert again.code == 0
    assert again.out == "0 accepted, 1 unchanged, 0 refused\n"


def test_a_bad_row_is_named_with_its_place_and_the_good_one_is_kept(command_line: CommandLine) -> None:
    file = write(command_line, "B", BAD_COUNTRY, GOOD)
    ended = command_line.agent("investors", "import", file, "--json")
    assert ended.code == 1, "a finding, not a refusal: the good row is stored"
    assert len(ended.told["accepted"]) == 1
    (refused,) = ended.told["refused"]
    assert refused["line"] == 2
    assert any("country" in str(reason) for reason in refused["reasons"])
    told = command_line.agent("investors", "import", file)
    assert told.code == 1
    assert "line 2" in told.out
    assert "country" in told.out


def test_a_file_that_is_not_there_is_refused(command_line: CommandLine) -> None:
    ended = command_line.agent("investors", "import", str(command_line.folder / "absent.csv"), "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "app.cannot_read_file")


def test_an_erased_person_is_gone_for_good_and_the_ledger_still_adds_up(command_line: CommandLine) -> None:
    file = write(command_line, "C", GOOD)
    command_line.agent("investors", "import", file, "--json")
    ended = command_line.owner("investors", "erase", "C-1", "--yes", "--json")
    assert ended.told["erased"] is True
    again = command_line.owner("investors", "erase", "C-1", "--yes", "--json")
    assert (again.code, again.refusal["code"]) == (2, "parties.erased")
    assert command_line.run("reconcile").code == 0


def test_an_unknown_reference_is_refused(command_line: CommandLine) -> None:
    ended = command_line.owner("investors", "erase", "NOBODY", "--yes", "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "app.no_such_investor")
