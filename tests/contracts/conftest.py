# SPDX-License-Identifier: Apache-2.0
"""Fixtures: contracts compiled from the present sources, and a world that each test gets back as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.infra.evm import compile as contracts_compile
from muniment.infra.evm import contract_artifacts
from tests.contracts.chain import Chain
from tests.contracts.mutants import ARTIFACTS_VARIABLE, SOURCES, SOURCES_VARIABLE
from tests.contracts.world import World, build_world


@pytest.fixture(scope="session")
def compiled() -> None:
    """The present sources, or those of a mutant whose fate is asked for."""
    sources = Path(os.environ.get(SOURCES_VARIABLE, SOURCES))
    contract_artifacts.FOLDER = Path(os.environ.get(ARTIFACTS_VARIABLE, contract_artifacts.FOLDER))
    contracts_compile.build(sources, contract_artifacts.FOLDER, progress=lambda _: None)


@pytest.fixture(scope="module")
def shared_chain(compiled: None) -> Chain:
    """A chain for one file: what is undone leaves traces in the engine, which grows slower with every test."""
    return Chain()


@pytest.fixture
def chain(shared_chain: Chain) -> Iterator[Chain]:
    with shared_chain.undone():
        yield shared_chain


@pytest.fixture(scope="module")
def shared_world(shared_chain: Chain) -> World:
    return build_world(shared_chain)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    with shared_world.chain.undone():
        yield shared_world
