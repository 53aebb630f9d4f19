# SPDX-License-Identifier: Apache-2.0
"""What the migrations say to the database, read by running them against a recorder. Which statements are right is in the tests."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from tests.tidy.tree import REPOSITORY

VERSIONS = REPOSITORY / "src/muniment/infra/postgres/migrations/versions"


@dataclass
class Recorder:
    """Stands where Alembic's `op` stands and keeps every statement."""

    statements: list[str] = field(default_factory=list)

    def execute(self, statement: object) -> None:
        """Keep a statement."""
        self.statements.append(str(statement))

    def get_bind(self) -> Recorder:
        """Return itself as the connection."""
        return self

    def exec_driver_sql(self, statement: str) -> None:
        """Keep a statement that is sent past SQLAlchemy."""
        self.statements.append(statement)


@dataclass(frozen=True)
class Column:
    """One column of a table that a migration makes."""

    table: str
    name: str
    definition: str
    table_text: str


@dataclass(frozen=True)
class Revision:
    """One migration: its place in the chain and the statements of its upgrade."""

    file: str
    revision: str
    down_revision: str | None
    statements: tuple[str, ...]

    def columns(self) -> Iterator[Column]:
        """Yield every column of every table of ours; the job queue's schema is the library's own."""
        for statement in self.statements:
            text = re.sub(r"--[^\n]*", "", statement)
            created = re.match(
                r"\s*CREATE TABLE\s+(?:IF NOT EXISTS\s+)?([a-z_]+\.[a-z_]+)\s*\((.*)\)", text, flags=re.DOTALL | re.IGNORECASE
            )
            if created:
                for part in _parts(created[2]):
                    name, _, definition = part.partition(" ")
                    if name.islower():
                        yield Column(created[1], name, " ".join(definition.split()), text)
            for added in re.finditer(r"ALTER TABLE\s+([a-z_]+\.[a-z_]+)\s+ADD COLUMN\s+([a-z_]+)\s+([^;]*)", text, flags=re.IGNORECASE):
                yield Column(added[1], added[2], " ".join(added[3].split()), text)


def read(path: Path) -> Revision:
    """Return one migration."""
    spec = importlib.util.spec_from_file_location(f"migration_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    recorder = Recorder()
    module.__dict__["op"] = recorder
    module.__dict__["upgrade"]()
    return Revision(path.name, module.__dict__["revision"], module.__dict__["down_revision"], tuple(recorder.statements))


def read_all(folder: Path = VERSIONS) -> tuple[Revision, ...]:
    """Return every migration in the order of its number."""
    return tuple(read(path) for path in sorted(folder.glob("[0-9]*.py")))


def _parts(body: str) -> Iterator[str]:
    depth, part = 0, ""
    for character in body:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            yield part.strip()
            part = ""
        else:
            part += character
    yield part.strip()
