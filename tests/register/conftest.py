# SPDX-License-Identifier: Apache-2.0
"""A database of the register's own, for its tests take blocks back, which concerns every token in one; and a scene on a real node."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from muniment.infra.postgres.database import Database
from tests.settlement.conftest import scene, scene_stage

__all__ = ["scene", "scene_stage"]


@pytest.fixture(scope="module")
def register_database(make_database: Callable[[], str]) -> Iterator[Database]:
    database = Database(make_database())
    yield database
    database.close()


@pytest.fixture
def empty_register(register_database: Database) -> Database:
    clear(register_database)
    return register_database


def clear(database: Database) -> None:
    with database.worker_transaction() as connection:
        for table in ("movement", "notice", "holding", "lot", "lot_taking", "lot_annotation"):
            connection.execute(sa.text(f"DELETE FROM register.{table}"))
