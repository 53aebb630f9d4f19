# SPDX-License-Identifier: Apache-2.0
"""Fixtures of settlement and servicing: a stage whose units are whole, and one scene that a module's tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.postgres.database import Database
from tests.settlement.scene import Scene, SceneStage


@pytest.fixture(scope="module")
def scene_stage(make_database: Callable[[], str], chain_rpc: JsonRpc) -> Iterator[SceneStage]:
    """A node and a database of this module, with the platform's contracts deployed."""
    database = Database(make_database(), connections_max=8)
    made = SceneStage(database, chain_rpc)
    made.deploy_platform()
    yield made
    database.close()


@pytest.fixture(scope="module")
def scene(scene_stage: SceneStage) -> Scene:
    """One issuer with an open security; the module's tests share it and add holders of their own."""
    return Scene(scene_stage)
