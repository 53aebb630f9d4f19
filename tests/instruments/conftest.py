# SPDX-License-Identifier: Apache-2.0
"""Fixtures of instruments: a stage with the platform on the chain, an issuer of its own for each test, the shared test data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from muniment.access.model import Actor
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.postgres.database import Database
from muniment.units.ids import TenantId
from tests.instruments.stage import Stage

TEST_DATA_VARIABLE = "MUNIMENT_TESTDATA"
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def stage(make_database: Callable[[], str], chain_rpc: JsonRpc) -> Iterator[Stage]:
    """A node and a database of this module, with the platform's contracts deployed."""
    database = Database(make_database(), connections_max=8)
    made = Stage(database, chain_rpc)
    made.deploy_platform()
    yield made
    database.close()


@pytest.fixture
def issuer(stage: Stage) -> tuple[TenantId, Actor]:
    """A new organisation and its owner."""
    return stage.a_tenant()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what needs the public test data where nobody has said where it is."""
    if TEST_DATA_VARIABLE in os.environ:
        return
    needing = [item for item in items if "test_data" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if item not in needing]
    if needing:
        config.hook.pytest_deselected(items=needing)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of public test data that MUNIMENT_TESTDATA names."""
    folder = Path(os.environ[TEST_DATA_VARIABLE])
    assert folder.is_dir(), f"{TEST_DATA_VARIABLE} names a folder that does not exist"
    return folder
