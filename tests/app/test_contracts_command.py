# SPDX-License-Identifier: Apache-2.0
"""`muniment contracts build`: every contract with its interface and code, where somebody wants them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from muniment.app import cli
from muniment.infra.evm import contract_artifacts


@pytest.mark.slow
def test_every_contract_is_written_with_abi_and_bytecode_as_the_package_has_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.APP, ["contracts", "build", "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["contracts"] == sorted(contract_artifacts.names())
    for name in told["contracts"]:
        artifact = json.loads((tmp_path / "out" / f"{name}.json").read_bytes())
        assert artifact["abi"]
        assert artifact["bytecode"] == json.loads((contract_artifacts.FOLDER / f"{name}.json").read_bytes())["bytecode"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        cli.main(["contracts", "build", "--out", str(tmp_path / "file" / "out"), "--json"])
    assert end.value.code == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "app.cannot_write"
