# SPDX-License-Identifier: Apache-2.0
"""A running Muniment for the tests of the API, with somebody in every role and a second organisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app.command_line import CommandLine, enter
from tests.browser.stage import set_the_stage
from tests.browser.world import World, running_world
from tests.flows.stand import Filling, Running, copy_of, filled_home, running


@pytest.fixture(scope="module")
def world(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A whole Muniment with an issuer, one open security and eight holders."""
    with running_world(make_database(), tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def things(world: World) -> dict[str, str]:
    """Ids of what exists in the world: holders, an instruction, a dividend, a request that waits."""
    return set_the_stage(world)


@pytest.fixture(scope="session")
def filled_and_running() -> Iterator[Running]:
    """A filled home whose services run as long as the tests of this process; its tests change only what no other one looks at."""
    with copy_of(filled_home()) as home, running(home) as stand:
        yield stand


@pytest.fixture
def command_line(filled_and_running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The commands, in this process, on the filled home."""
    enter(monkeypatch, filled_and_running.home)
    return CommandLine(filled_and_running, Filling.of(filled_and_running.home), tmp_path)
