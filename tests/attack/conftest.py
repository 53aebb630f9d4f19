# SPDX-License-Identifier: Apache-2.0
"""What attacks need: the application with two organisations, and one open security on a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.postgres.database import Database
from tests.app.rig import Rig, a_rig
from tests.settlement.scene import Scene, SceneStage


@pytest.fixture(scope="module")
def rig(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The application over a real database, without a chain."""
    with a_rig(make_database, tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def scene(make_database: Callable[[], str], chain_rpc: JsonRpc) -> Iterator[Scene]:
    """One issuer with an open security."""
    database = Database(make_database(), connections_max=8)
    stage = SceneStage(database, chain_rpc)
    stage.deploy_platform()
    yield Scene(stage)
    database.close()
