# SPDX-License-Identifier: Apache-2.0
"""Takes each refusal out of the contracts in turn and runs the tests: one that no test misses is a promise that nothing defends.

A refusal is an `assert`, a `raise`, or the token's `refusals._refuse(...)`.

`python -m tests.contracts.mutants` takes all, names of files under contracts/ take theirs; `--report FILE` writes the page in the
reference. A mutant is compiled into a folder of its own, so that the tree stays as it is.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from muniment.infra.evm import compile as contracts_compile
from muniment.infra.evm import contract_artifacts

REPOSITORY = Path(__file__).parents[2]
SOURCES = REPOSITORY / "contracts"
TESTS = REPOSITORY / "tests" / "contracts"
SECONDS_MAX = 900
PROCESSES = 2
SOURCES_VARIABLE = "MUNIMENT_TEST_CONTRACT_SOURCES"
ARTIFACTS_VARIABLE = "MUNIMENT_TEST_CONTRACT_ARTIFACTS"

FIGURES_ONLY = frozenset({"test_compile.py", "test_contract_artifacts.py", "test_reasons.py"})
"""Tests of the text of the sources and of the compiler: they would see the missing line, not the missing promise."""


REFUSAL = re.compile(r"(assert|raise)\b|refusals\._refuse\(")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One refusal: the file under contracts/, its first and last line (from 1), and its text."""

    file: str
    first: int
    last: int
    text: str

    def applied(self, source: str) -> str:
        """Return the source without it."""
        lines = source.splitlines()
        indent = lines[self.first - 1][: len(lines[self.first - 1]) - len(lines[self.first - 1].lstrip())]
        lines[self.first - 1 : self.last] = [f"{indent}pass"] + [""] * (self.last - self.first)
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant: `killed` by a test, or `survived`, or `broken` (it does not compile, so nobody can deploy it)."""

    mutant: Mutant
    kind: str
    by: str


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Yield each refusing statement of a source, one that spans lines as one."""
    source = file.read_text(encoding="utf-8")
    lines = source.splitlines()
    first: int | None = None
    # Vyper's lines, brackets and texts are Python's, so Python's tokens find where a statement ends.
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        row, column = token.start
        if token.type == tokenize.NAME and not lines[row - 1][:column].strip() and REFUSAL.match(lines[row - 1], column):
            first = row
        elif token.type == tokenize.NEWLINE and first is not None:
            text = " ".join(line.strip() for line in lines[first - 1 : token.start[0]])
            yield Mutant(file.relative_to(SOURCES).as_posix(), first, token.start[0], text)
            first = None


def files_that_test(file: str) -> list[str]:
    """Return the test files, those first whose name or text speaks of the source."""
    stem = Path(file).stem
    found = [path for path in sorted(TESTS.glob("test_*.py")) if path.name not in FIGURES_ONLY]

    def rank(path: Path) -> tuple[int, int, str]:
        named = 0 if stem in path.stem else 1
        spoken = path.read_text(encoding="utf-8").count(stem)
        return named, -spoken, path.name

    return [str(path.relative_to(REPOSITORY)) for path in sorted(found, key=rank)]


def try_one(mutant: Mutant) -> Fate:
    """Compile the contracts without the line and run the tests until one fails."""
    with tempfile.TemporaryDirectory(prefix="muniment-mutant-") as folder:
        sources, artifacts = Path(folder) / "contracts", Path(folder) / "artifacts"
        shutil.copytree(SOURCES, sources)
        shutil.copytree(contract_artifacts.FOLDER, artifacts)
        changed = sources / mutant.file
        changed.write_text(mutant.applied(changed.read_text(encoding="utf-8")), encoding="utf-8")
        try:
            contracts_compile.build(sources, artifacts, progress=lambda _: None)
        except contracts_compile.ContractsNotBuilt as error:
            return Fate(mutant, "broken", str(error).splitlines()[0])
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "--no-header",
            "--tb=no",
            "-p",
            "no:cacheprovider",
            *files_that_test(mutant.file),
        ]
        environment = {**os.environ, SOURCES_VARIABLE: str(sources), ARTIFACTS_VARIABLE: str(artifacts)}
        try:
            ran = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
        except subprocess.TimeoutExpired:
            return Fate(mutant, "killed", f"the tests do not end within {SECONDS_MAX} s")
    if ran.returncode == 0:
        return Fate(mutant, "survived", "")
    red = [line for line in ran.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if not red:
        raise RuntimeError(f"pytest ended with {ran.returncode} and names no test: {ran.stdout[-2000:]} {ran.stderr[-2000:]}")
    return Fate(mutant, "killed", red[0].split(" - ")[0].split("::", 1)[-1])


def report(fates: Sequence[Fate]) -> str:
    """Return the page of the reference: how many of each contract's refusals a test defends, and which it does not."""
    lines = [
        "# Mutants of the contracts",
        "",
        "Each refusal of the contracts (`assert`, `raise`) was taken out in turn, the contracts were compiled without it, and the tests",
        "were run. A mutant is killed when a test turns red. `make mutants` does it again and writes this page.",
        "",
        "| source | refusals | killed | survived | does not compile |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for file in sorted({fate.mutant.file for fate in fates}):
        kinds = [fate.kind for fate in fates if fate.mutant.file == file]
        counts = [str(kinds.count(kind)) for kind in ("killed", "survived", "broken")]
        lines.append(f"| `{file}` | {len(kinds)} | {' | '.join(counts)} |")
    everything = [fate.kind for fate in fates]
    totals = " | ".join(str(everything.count(kind)) for kind in ("killed", "survived", "broken"))
    lines += [f"| together | {len(fates)} | {totals} |", ""]
    survivors = [fate.mutant for fate in fates if fate.kind == "survived"]
    if survivors:
        lines += ["## Survivors", "", *(f"- `{each.file}`: `{each.text}`" for each in survivors), ""]
    return "\n".join(lines)


def main() -> int:
    """Try every mutant; exit 1 when one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.contracts.mutants", description=__doc__)
    parser.add_argument("files", nargs="*", help="sources under contracts/, all where none is named")
    parser.add_argument("--report", type=Path, help="write the page of the reference")
    arguments = parser.parse_args()
    contracts_compile.build(SOURCES, contract_artifacts.FOLDER, progress=lambda _: None)
    files = [SOURCES / name for name in arguments.files] or sorted(SOURCES.rglob("*.vy"))
    mutants = [mutant for file in files for mutant in mutants_of(file)]
    console = Console(stderr=True)
    fates: list[Fate] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(PROCESSES) as pool:
        task = progress.add_task("mutants", total=len(mutants))
        for fate in pool.map(try_one, mutants):
            fates.append(fate)
            progress.advance(task)
            if fate.kind == "survived":
                progress.console.print(f"survived: {fate.mutant.file}:{fate.mutant.first}: {fate.mutant.text}")
    if arguments.report is not None:
        arguments.report.write_text(report(fates), encoding="utf-8")
    survived = sum(1 for fate in fates if fate.kind == "survived")
    console.print(f"{len(fates)} mutants, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
