# SPDX-License-Identifier: Apache-2.0
"""Rows changed by hand, as somebody with the database's password would, and put back. Holds no test and knows no rule that finds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql


@dataclass(frozen=True, slots=True)
class Change:
    """One row of `table`, the first by `where` and `order`, updated by `assignment`; without one: deleted."""

    table: str
    assignment: LiteralString | None
    where: LiteralString = "true"
    order: LiteralString = "ctid"

    @property
    def title(self) -> str:
        """What a test's name shows."""
        return f"{self.table}: {self.assignment or 'deleted'}"


@contextmanager
def changed(owner_url: str, change: Change) -> Iterator[None]:
    """Change one row for the length of the block, past every trigger and foreign key, and put the old one back afterwards."""
    table = sql.Identifier(*change.table.split("."))
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # neither triggers nor foreign keys fire
        with connection.transaction():
            connection.execute(
                sql.SQL("CREATE TEMP TABLE kept AS SELECT ctid AS place, * FROM {} WHERE {} ORDER BY {} LIMIT 1").format(
                    table, sql.SQL(change.where), sql.SQL(change.order)
                )
            )
            assert _count(connection, "kept") == 1, f"{change.table} has no row where {change.where}"
            place = sql.SQL("ctid = (SELECT place FROM kept)")
            if change.assignment is None:
                connection.execute(sql.SQL("DELETE FROM {} WHERE {}").format(table, place))
                connection.execute("CREATE TEMP TABLE moved (place tid)")
            else:
                connection.execute(
                    sql.SQL(
                        "CREATE TEMP TABLE moved (place tid);"
                        "WITH done AS (UPDATE {table} SET {assignment} WHERE {place} RETURNING ctid)"
                        " INSERT INTO moved SELECT ctid FROM done"
                    ).format(table=table, assignment=sql.SQL(change.assignment), place=place)
                )
                assert _count(connection, "moved") == 1
            connection.execute("ALTER TABLE kept DROP COLUMN place")
        try:
            yield
        finally:
            with connection.transaction():
                connection.execute(sql.SQL("DELETE FROM {} WHERE ctid IN (SELECT place FROM moved)").format(table))
                connection.execute(sql.SQL("INSERT INTO {} SELECT * FROM kept").format(table))


def _count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None, "count always answers"
    return int(row[0])
