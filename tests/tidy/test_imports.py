# SPDX-License-Identifier: Apache-2.0
"""The dependency rule holds, names every context, and each of its contracts notices when it is broken."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy.rules import CONTEXTS
from tests.tidy.tree import MADE_BY_TOOLS, REPOSITORY

CONFIGURATION = ".importlinter"
OUTSIDE_CONTEXTS = {"app", "infra", "units"}

# The contract, the module that breaks it, the import that does.
BREAKS = {
    "contexts": ("parties/model", "import muniment.compliance.events"),
    "inside": ("parties/events", "import muniment.parties.ports"),
    "pure": ("settlement/model", "import sqlalchemy"),
    "cycles": ("units/money", "import muniment.units.payment_tokens"),
    "adapters": ("settlement/commands", "import muniment.register.store"),
}


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Check the tree at `root` by its own configuration, whatever is installed."""
    program = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--config", CONFIGURATION, "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def contracts() -> dict[str, str]:
    configuration = configparser.ConfigParser()
    configuration.read(REPOSITORY / CONFIGURATION)
    prefix = "importlinter:contract:"
    return {
        section.removeprefix(prefix): configuration[section]["name"] for section in configuration.sections() if section.startswith(prefix)
    }


def words(section: str, option: str) -> set[str]:
    configuration = configparser.ConfigParser()
    configuration.read(REPOSITORY / CONFIGURATION)
    return set(configuration[section][option].replace("|", " ").split())


def packages() -> set[str]:
    return {path.parent.name for path in (REPOSITORY / "src/muniment").glob("*/__init__.py")}


def test_imports_point_one_way() -> None:
    checked = lint_imports(REPOSITORY)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_package_has_its_layer_and_none_that_exists_is_optional() -> None:
    layers = words("importlinter:contract:contexts", "layers")
    assert packages() <= layers
    assert {layer for layer in layers if layer.startswith("(")}.isdisjoint({f"({name})" for name in packages()})


def test_every_context_is_checked_inside_and_its_model_is_pure() -> None:
    contexts = packages() - OUTSIDE_CONTEXTS
    assert contexts <= set(CONTEXTS)
    assert words("importlinter:contract:inside", "containers") == {f"muniment.{context}" for context in contexts}
    pure = words("importlinter:contract:pure", "source_modules")
    assert {f"muniment.{context}.model" for context in contexts} | {"muniment.units"} == pure


def test_each_contract_has_a_break_that_shows_it_red() -> None:
    assert set(BREAKS) == set(contracts())


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("imports")
    shutil.copy(REPOSITORY / CONFIGURATION, root)
    shutil.copytree(REPOSITORY / "src", root / "src", ignore=shutil.ignore_patterns(*MADE_BY_TOOLS, "artifacts", "static"))
    return root


@pytest.mark.parametrize("contract", BREAKS)
def test_a_broken_contract_turns_red(contract: str, copied: Path) -> None:
    module, offence = BREAKS[contract]
    path = copied / "src/muniment" / f"{module}.py"
    if not path.exists():
        path = copied / "src/muniment" / module / "__init__.py"
    whole = path.read_text(encoding="utf-8")
    path.write_text(f"{whole}\n{offence}\n", encoding="utf-8")
    try:
        checked = lint_imports(copied)
    finally:
        path.write_text(whole, encoding="utf-8")
    assert checked.returncode != 0
    assert f"{contracts()[contract]} BROKEN" in checked.stdout, checked.stdout + checked.stderr
