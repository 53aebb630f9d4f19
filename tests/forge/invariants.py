# SPDX-License-Identifier: Apache-2.0
"""Lets forge call a whole security at random, half a million times, and see that its promises hold. What they are stands in `test/`.

`python -m tests.forge.invariants` installs forge and the compiler from npm under the lock beside this file, the first time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from muniment.infra.evm import compile as contracts_compile
from muniment.infra.evm import contract_artifacts
from muniment.infra.localchain.install import platform_name
from muniment.infra.node import find_node

FOLDER = Path(__file__).parent
SOURCES = FOLDER.parents[1] / "contracts"
FORGE = FOLDER / "node_modules" / "@foundry-rs" / f"forge-{platform_name()}" / "bin" / "forge"


def install() -> None:
    """Bring forge and the compiler, once."""
    tools = find_node(purpose="forge")
    if not FORGE.exists():
        subprocess.run([*tools.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FOLDER, check=True)


def node_folder() -> Path:
    """Return where the node is that the compiler's script asks for; the wheel's is on nobody's path."""
    return Path(find_node(purpose="forge").node[0]).parent


def run(*, runs: int | None = None, seed: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the invariants, `runs` histories of 500 calls each (by default as many as foundry.toml says), and return how it ended."""
    contracts_compile.build(SOURCES, contract_artifacts.FOLDER, progress=lambda _: None)
    install()
    environment = {**os.environ, "PATH": f"{node_folder()}:{os.environ['PATH']}"}
    if runs is not None:
        environment["FOUNDRY_INVARIANT_RUNS"] = str(runs)
    command = [str(FORGE), "test", "--root", str(FOLDER)]
    if seed is not None:
        command += ["--fuzz-seed", seed]
    return subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)


def main() -> int:
    """Run them and show what forge says."""
    parser = argparse.ArgumentParser(prog="python -m tests.forge.invariants", description=__doc__)
    parser.add_argument("--runs", type=int, help="how many histories of 500 calls")
    parser.add_argument("--seed", help="repeat the histories of this seed")
    arguments = parser.parse_args()
    ended = run(runs=arguments.runs, seed=arguments.seed)
    sys.stdout.write(ended.stdout)
    sys.stderr.write(ended.stderr)
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
