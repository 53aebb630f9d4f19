# SPDX-License-Identifier: Apache-2.0
"""Compiling: what is written, what is left alone, what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from muniment.infra.evm import compile as contracts_compile
from muniment.infra.evm.compile import ContractsNotBuilt

SOURCES = Path(__file__).parents[2] / "contracts"
# Two contracts small enough to compile in a moment: one that imports a module, one that stands alone.
SMALL = {"importing": "kept/importing.vy", "alone": "alone.vy"}
TEXTS = {
    "modules/owned.vy": "# pragma version 0.4.3\nowner: public(address)\n",
    "kept/importing.vy": "# pragma version 0.4.3\nfrom modules import owned\ninitializes: owned\nexports: owned.owner\n",
    "alone.vy": "# pragma version 0.4.3\nevent Told:\n    pass\n\n@external\ndef tell(what: uint256):\n    log Told()\n",
}


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of contracts of which two are built."""
    monkeypatch.setattr(contracts_compile, "CONTRACTS", SMALL)
    folder = tmp_path / "contracts"
    for place, text in TEXTS.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8")
    shutil.copy(SOURCES / "reasons.json", folder)
    return folder


def built(sources: Path, out: Path) -> list[str]:
    told: list[str] = []
    contracts_compile.build(sources, out, progress=told.append)
    return sorted(line.split(":")[0] for line in told)


def test_each_contract_becomes_one_file_with_what_a_tool_needs(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert built(sources, out) == sorted(SMALL)
    assert sorted(path.name for path in out.iterdir()) == ["alone.json", "importing.json", "reasons.json"]
    artifact = json.loads((out / "alone.json").read_text(encoding="utf-8"))
    assert artifact["contract"] == "alone"
    assert {entry["name"] for entry in artifact["abi"]} == {"tell", "Told"}
    assert artifact["bytecode"].startswith("0x")
    assert artifact["deployed_bytecode"][2:] in artifact["bytecode"]
    compiler = artifact["compiler"]
    assert (compiler["name"], compiler["version"], compiler["evm_version"], compiler["optimize"]) == ("vyper", "0.4.3", "prague", "gas")
    assert (out / "reasons.json").read_bytes() == (sources / "reasons.json").read_bytes()


def test_only_what_changed_is_compiled_again_also_through_an_import(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(sources, out)
    assert built(sources, out) == []
    module = sources / "modules/owned.vy"
    module.write_text(module.read_text(encoding="utf-8") + "\n# another remark\n", encoding="utf-8")
    assert built(sources, out) == ["importing"]
    (out / "alone.json").write_text('{"cut short', encoding="utf-8")
    assert built(sources, out) == ["alone"]
    (out / "alone.json").unlink()
    assert built(sources, out) == ["alone"]


def test_what_is_no_contract_any_more_goes(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old_contract.json").write_text("{}", encoding="utf-8")
    built(sources, out)
    assert not (out / "old_contract.json").exists()


def test_a_source_that_does_not_compile_is_refused_in_the_compilers_words(sources: Path, tmp_path: Path) -> None:
    (sources / "alone.vy").write_text("# pragma version 0.4.3\nx: no_such_type\n", encoding="utf-8")
    with pytest.raises(ContractsNotBuilt, match="no_such_type"):
        built(sources, tmp_path / "out")
    assert not (tmp_path / "out" / "alone.json").exists()


def test_a_source_that_is_not_there_is_named(sources: Path, tmp_path: Path) -> None:
    (sources / "alone.vy").unlink()
    with pytest.raises(ContractsNotBuilt, match="alone"):
        built(sources, tmp_path / "out")


def test_another_compiler_is_refused(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts_compile, "VYPER_VERSION", "0.4.4")
    with pytest.raises(ContractsNotBuilt, match=r"Vyper 0\.4\.4 is needed"):
        built(sources, tmp_path / "out")


def test_code_too_large_for_a_chain_is_refused(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts_compile, "CODE_BYTES_MAX", 50)
    with pytest.raises(ContractsNotBuilt, match="EIP-170"):
        built(sources, tmp_path / "out")


def test_the_build_hook_can_load_it_by_path_without_the_package_or_the_compiler() -> None:
    program = (
        "import importlib.util, sys\n"
        "sys.modules['vyper'] = None\n"
        "spec = importlib.util.spec_from_file_location('contracts_compile', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "print(callable(module.build), 'muniment' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", program, contracts_compile.__file__], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.split() == ["True", "False"]
