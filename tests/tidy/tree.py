# SPDX-License-Identifier: Apache-2.0
"""The files of a source tree as the tidy rules read them. Which rules there are stands in the files beside this one."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

# Made by tools and never committed; `.gitignore` names the same folders.
MADE_BY_TOOLS = frozenset(
    {
        ".git",
        ".venv",
        ".uv-bootstrap",
        "__pycache__",
        ".pytest_cache",
        ".ruff_cache",
        ".hypothesis",
        ".pyrefly_cache",
        ".import_linter_cache",
        "node_modules",
        "build",
        "dist",
    }
)
MADE_BY_BUILD = ("src/muniment/infra/evm/artifacts", "src/muniment/app/web/static")

TEXT_SUFFIXES = frozenset(
    [
        ".py",
        ".pyi",
        ".vy",
        ".vyi",
        ".ts",
        ".mjs",
        ".js",
        ".css",
        ".html",
        ".sh",
        ".md",
        ".toml",
        ".lock",
        ".json",
        ".csv",
        ".txt",
        ".cfg",
        ".ini",
        ".yml",
        ".yaml",
        ".mako",
        ".sql",
        ".svg",
    ]
)


@dataclass(frozen=True)
class SourceFile:
    """One text file of the tree, by its path from the root."""

    root: Path
    path: str

    @property
    def suffix(self) -> str:
        """The suffix, with its dot."""
        return Path(self.path).suffix

    @property
    def stem(self) -> str:
        """The file's name without suffix."""
        return Path(self.path).stem

    @cached_property
    def text(self) -> str:
        """The whole text."""
        return (self.root / self.path).read_text(encoding="utf-8")

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return self.text.splitlines()

    @cached_property
    def syntax(self) -> ast.Module:
        """The syntax tree of a Python file."""
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the syntax tree, walked once for all rules."""
        return tuple(ast.walk(self.syntax))


class Tree:
    """A source tree. Each file is read and parsed at most once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> tuple[SourceFile, ...]:
        """Every text file that people wrote, sorted by path."""
        return tuple(SourceFile(self.root, path) for path in sorted(self._paths()))

    def under(self, *folders: str, suffixes: frozenset[str]) -> Iterator[SourceFile]:
        """Yield the files below any of `folders` ("" is the root) with one of the suffixes."""
        for file in self.files:
            if file.suffix in suffixes and any(not folder or file.path.startswith(folder + "/") for folder in folders):
                yield file

    def python(self, *folders: str) -> Iterator[SourceFile]:
        """Yield the Python files below any of `folders`; all of them without one."""
        return self.under(*(folders or ("",)), suffixes=frozenset({".py"}))

    def has(self, path: str) -> bool:
        """Return whether the path, file or folder, exists in the tree."""
        return (self.root / path).exists()

    def _paths(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self.root):
            here = Path(folder).relative_to(self.root)
            folders[:] = [name for name in folders if name not in MADE_BY_TOOLS and (here / name).as_posix() not in MADE_BY_BUILD]
            for name in names:
                path = Path(folder, name)
                if path.suffix in TEXT_SUFFIXES or name in {"Makefile", ".importlinter"} or (not path.suffix and _is_script(path)):
                    yield (here / name).as_posix()


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"
