# SPDX-License-Identifier: Apache-2.0
"""The contracts and a model in plain Python go through the same random histories and never differ, in no answer, reason or number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.infra.evm import contract_artifacts
from tests.agreement.histories import run_histories
from tests.agreement.planted import PLANTED, Planted

CALLS_A_HISTORY = 2_500
HISTORIES, NIGHTLY_HISTORIES = 40, 400


@pytest.mark.slow
def test_a_hundred_thousand_calls_without_a_difference(compiled: None) -> None:
    made, done = run_histories([f"{number}" for number in range(HISTORIES)], calls=CALLS_A_HISTORY)
    assert made >= HISTORIES * CALLS_A_HISTORY
    # A history of refusals would prove little.
    assert done > 0.35


@pytest.mark.long
def test_a_million_calls_without_a_difference(compiled: None) -> None:
    start = os.environ.get("MUNIMENT_TEST_SEED") or os.urandom(6).hex()
    print(f"seed {start}: MUNIMENT_TEST_SEED={start} runs the same histories")  # noqa: T201 - whoever runs the target sees it
    made, _ = run_histories([f"{start}-{number}" for number in range(NIGHTLY_HISTORIES)], calls=CALLS_A_HISTORY)
    assert made >= NIGHTLY_HISTORIES * CALLS_A_HISTORY


@pytest.fixture
def artifacts_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let a test read other artifacts, and read ours again afterwards."""
    contract_artifacts.load.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    contract_artifacts.load.cache_clear()


@pytest.mark.long
@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.title)
def test_a_planted_mistake_is_found(planted: Planted, compiled: None, artifacts_elsewhere: pytest.MonkeyPatch, tmp_path: Path) -> None:
    artifacts_elsewhere.setattr(contract_artifacts, "FOLDER", planted.build(tmp_path))
    with pytest.raises(AssertionError, match="model"):
        run_histories([f"{number}" for number in range(HISTORIES)], calls=CALLS_A_HISTORY)
