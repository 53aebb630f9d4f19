# SPDX-License-Identifier: Apache-2.0
"""`muniment ocf export`: what the register shows, as a package that replays to it and is equal after another import."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from muniment.app.ocf_folder import files_of_folder
from muniment.instruments.model.ocf import read_package, write_package
from tests.app.command_line import CommandLine

pytestmark = [pytest.mark.slow]


def test_an_export_replays_to_the_register_and_is_equal_after_import(command_line: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    ended = command_line.owner("ocf", "export", command_line.symbol, str(folder), "--json")
    assert ended.code == 0, ended
    files = files_of_folder(folder)
    assert ended.told["files"] == sorted(files)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    checked = command_line.run("ocf", "check", str(folder), "--json")
    assert checked.told["problems"] == [] and checked.told["hints"] == []
    (class_id,) = {each.body["stock_class_id"] for each in read_package(files).objects if each.object_id.startswith("issued-0x")}
    positions = command_line.run("ocf", "positions", str(folder), "--json").told
    holders = command_line.owner("shares", "show", command_line.symbol, "--json").told["holders"]
    assert sorted(row["quantity"] for row in positions if row["stock_class_id"] == class_id) == sorted(
        holder["shares"] for holder in holders
    )
    assert write_package(read_package(files)) == files
    again = tmp_path / "again"
    assert command_line.owner("ocf", "export", command_line.symbol, str(again), "--json").code == 0
    assert files_of_folder(again) == files


def test_an_unknown_security_is_refused(command_line: CommandLine, tmp_path: Path) -> None:
    ended = command_line.owner("ocf", "export", "NONE", str(tmp_path / "x"), "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "app.no_such_security_here")
    assert not (tmp_path / "x").exists()
