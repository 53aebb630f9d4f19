# SPDX-License-Identifier: Apache-2.0
"""Fixtures of instruments: a stage with the platform on the chain, an issuer of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from muniment.access.model import Actor
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.postgres.database import Database
from muniment.units.ids import TenantId
from tests.instruments.stage import Stage

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
