# SPDX-License-Identifier: Apache-2.0
"""Lets halmos prove the theorems of `test/Proofs.t.sol` about the compiled contracts, for every number there is.

`python -m tests.forge.proofs` installs halmos under `halmos.lock` into a folder of its own below build/, the first time: it brings a
solver that nothing else needs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from muniment.infra.evm import compile as contracts_compile
from tests.forge import invariants

FOLDER = Path(__file__).parent
BUILD = FOLDER.parents[1] / "build"
VENV = BUILD / "halmos-venv"
HALMOS = VENV / "bin" / "halmos"
CODE = BUILD / "halmos"
ARTIFACTS = BUILD / "halmos-artifacts"
LOOPS_MAX = 16
SOLVER_MILLISECONDS_MAX = 120_000
ATTEMPTS = 2
"""The solver's first start after its installation can outlast halmos' patience, which it calls an error; that is no verdict."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_VERDICT = re.compile(r"^\[(PASS|FAIL|TIMEOUT|ERROR)\] (check_\w+)", re.MULTILINE)


def install() -> None:
    """Bring forge and halmos, once."""
    invariants.install()
    if not HALMOS.exists():
        subprocess.run([sys.executable, "-m", "uv", "venv", "--quiet", "--allow-existing", "--python", sys.executable, VENV], check=True)
        lock = str(FOLDER / "halmos.lock")
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--python", str(VENV / "bin" / "python")]
        subprocess.run([*command, "-r", lock], check=True)


def prove(sources: Path = invariants.SOURCES) -> dict[str, str]:
    """Return the verdict of each theorem about these sources: PASS, FAIL, TIMEOUT or ERROR."""
    install()
    contracts_compile.build(sources, ARTIFACTS, progress=lambda _: None)
    CODE.mkdir(parents=True, exist_ok=True)
    for name in contracts_compile.CONTRACTS:
        artifact = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
        # The shape in which halmos reads code.
        (CODE / f"{name}.json").write_text(json.dumps({"bytecode": {"object": artifact["bytecode"]}}), encoding="utf-8")
    command = [str(HALMOS), "--root", str(FOLDER), "--forge-build-out", "../../build/forge/out", "--contract", "Proofs"]
    command += ["--storage-layout", "generic", "--loop", str(LOOPS_MAX), "--solver-timeout-assertion", str(SOLVER_MILLISECONDS_MAX)]
    environment = {**os.environ, "PATH": f"{invariants.FORGE.parent}:{invariants.node_folder()}:{os.environ['PATH']}"}
    verdicts: dict[str, str] = {}
    for _ in range(ATTEMPTS):
        ended = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
        verdicts = {theorem: verdict for verdict, theorem in _VERDICT.findall(_COLOURS.sub("", ended.stdout))}
        if not verdicts:
            raise RuntimeError(f"halmos came to no verdict: {ended.stdout[-2000:]} {ended.stderr[-2000:]}")
        if "ERROR" not in verdicts.values():
            break
    return verdicts


def main() -> int:
    """Prove them all; exit 1 when one does not hold or could not be decided."""
    argparse.ArgumentParser(prog="python -m tests.forge.proofs", description=__doc__).parse_args()
    verdicts = prove()
    for theorem, verdict in sorted(verdicts.items()):
        sys.stdout.write(f"{verdict}  {theorem}\n")
    return 0 if set(verdicts.values()) == {"PASS"} else 1


if __name__ == "__main__":
    sys.exit(main())
