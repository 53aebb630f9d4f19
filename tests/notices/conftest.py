# SPDX-License-Identifier: Apache-2.0
"""Fixtures of notices: a mail server for each test, and an issuer that uses it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from muniment.infra.logging import configure_logging
from muniment.infra.postgres.database import Database
from tests.notices.office_rig import Desk
from tests.notices.post_office import PostOffice, open_office
from tests.settlement.conftest import scene_stage

__all__ = ["scene_stage"]


@pytest.fixture
def office() -> Iterator[PostOffice]:
    """A mail server on the loopback."""
    with open_office() as made:
        yield made


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """The database that the tests of this process share."""
    made = Database(postgres_url, connections_max=4)
    yield made
    made.close()


@pytest.fixture
def desk(database: Database, tmp_path: Path, office: PostOffice) -> Desk:
    """An issuer with a mail server."""
    return Desk(database, tmp_path, office)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log of this process, told whole."""
    root = logging.getLogger()
    handlers, level, config = list(root.handlers), root.level, structlog.get_config()
    stream = io.StringIO()
    configure_logging(level="debug", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)
