# SPDX-License-Identifier: Apache-2.0
"""Makes what the package needs and git does not hold: compiled contracts and bundled pages. `python hatch_build.py` does only that.

Both are skipped when they were made from the same sources, so an editable install and `make` cost nothing the second time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
ARTIFACTS = ROOT / "src/muniment/infra/evm/artifacts"
STATIC = ROOT / "src/muniment/app/web/static"
WEB = ROOT / "web"
STAMP = ".made-from"


class MunimentBuildHook(BuildHookInterface[Any]):
    """Runs before the wheel, the source distribution's wheel and the editable install are put together."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make contracts and pages; hatchling packs them by `[tool.hatch.build] artifacts`."""
        _ = version, build_data
        # A source distribution carries the sources; whoever builds a wheel from it makes the rest there.
        if self.target_name == "wheel":
            make(self.app.display_info)


def make(progress: Callable[[str], None]) -> None:
    """Compile the contracts and bundle the pages where their sources changed."""
    make_contracts(progress)
    make_pages(progress)


def make_contracts(progress: Callable[[str], None]) -> None:
    """Compile contracts/ into the package."""
    compiler = ROOT / "src/muniment/infra/evm/compile.py"
    sources = digest_of([*files_in(ROOT / "contracts"), compiler])
    if is_made(ARTIFACTS, sources):
        return
    # The package is not installed yet: the compiler's module is loaded by its path and imports nothing of ours.
    load("muniment_contract_compiler", compiler).build(ROOT / "contracts", ARTIFACTS, progress=progress)
    note_made(ARTIFACTS, sources)


def make_pages(progress: Callable[[str], None]) -> None:
    """Bundle web/ into the package: `npm ci` under its lock file, then its `build` script."""
    sources = digest_of(path for path in files_in(WEB) if "node_modules" not in path.relative_to(WEB).parts)
    if is_made(STATIC, sources):
        return
    sys.path.insert(0, str(ROOT / "src"))
    try:
        from muniment.infra.node import find_node
    finally:
        sys.path.remove(str(ROOT / "src"))
    tools = find_node(purpose="the pages")
    # npm's scripts call `node` by name: it must be the one that was found.
    environment = os.environ | {
        "PATH": f"{Path(tools.node[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "MUNIMENT_STATIC": str(STATIC),
    }
    lock = digest_of([WEB / "package-lock.json"])
    if not is_made(WEB / "node_modules", lock):
        progress("pages: npm ci")
        run([*tools.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], environment)
        note_made(WEB / "node_modules", lock)
    progress("pages: bundling")
    run([*tools.npm, "run", "build", "--silent"], environment)
    note_made(STATIC, sources)


def run(command: list[str], environment: dict[str, str]) -> None:
    """Run a command in web/; end with its own words when it fails."""
    done = subprocess.run(command, cwd=WEB, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed in {WEB}:\n{done.stdout}{done.stderr}")


def load(name: str, path: Path) -> ModuleType:
    """Import a file by its path."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder in a fixed order, without caches."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def digest_of(paths: Iterator[Path] | list[Path]) -> str:
    """Return one hash over names and contents."""
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def is_made(folder: Path, sources: str) -> bool:
    """Whether a folder was made from these sources."""
    stamp = folder / STAMP
    return stamp.exists() and stamp.read_text(encoding="utf-8") == sources


def note_made(folder: Path, sources: str) -> None:
    """Note what a folder was made from."""
    (folder / STAMP).write_text(sources, encoding="utf-8")


if __name__ == "__main__":
    make(lambda message: print(message, file=sys.stderr))  # noqa: T201 - a build script talks on its terminal
