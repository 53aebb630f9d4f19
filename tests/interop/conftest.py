# SPDX-License-Identifier: Apache-2.0
"""One node for all tests of this folder, and suites on it that each test gets back as they were."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from bench.scenarios.nodes import AnvilChain, anvil_chain
from muniment.infra.evm import compile as contracts_compile
from muniment.infra.evm import contract_artifacts
from tests.interop.suites import Makers, Stage, build

ROOT = Path(__file__).parents[2]

StageOf = Callable[[Makers], AbstractContextManager[Stage]]


@pytest.fixture(scope="session")
def node() -> Iterator[AnvilChain]:
    contracts_compile.build(ROOT / "contracts", contract_artifacts.FOLDER, progress=lambda _: None)
    # The node that all tests use, installed once.
    with anvil_chain(ROOT / ".pytest_cache" / "d" / "muniment") as chain:
        yield chain


@pytest.fixture(scope="session")
def stage_of(node: AnvilChain) -> StageOf:
    """Return suites by their makers, built once; what happens to one while it is used is undone."""
    kept: dict[Makers, Stage] = {}

    @contextmanager
    def use(makers: Makers) -> Generator[Stage]:
        if makers not in kept:
            kept[makers] = build(node, makers)
        stage = kept[makers]
        with node.undone():
            yield dataclasses.replace(stage, contracts=dict(stage.contracts), names=dict(stage.names), outcomes=[])

    return use
