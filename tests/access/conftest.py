# SPDX-License-Identifier: Apache-2.0
"""Fixtures of access: an installation over the run's PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from muniment.infra.postgres.database import Database
from tests.access.unit import Installation


@pytest.fixture
def installation(postgres_url: str) -> Iterator[Installation]:
    """A database that other tests share, under a clock and master key of this test."""
    database = Database(postgres_url, connections_max=8)
    yield Installation(database)
    database.close()
