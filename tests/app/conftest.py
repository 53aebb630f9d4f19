# SPDX-License-Identifier: Apache-2.0
"""A running Muniment for the tests of the API, with somebody in every role and a second organisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.browser.stage import set_the_stage
from tests.browser.world import World, running_world


@pytest.fixture(scope="module")
def world(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A whole Muniment with an issuer, one open security and eight holders."""
    with running_world(make_database(), tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def things(world: World) -> dict[str, str]:
    """Ids of what exists in the world: holders, an instruction, a dividend, a request that waits."""
    return set_the_stage(world)
