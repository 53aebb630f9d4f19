# SPDX-License-Identifier: Apache-2.0
"""Our gas against bench/gas_snapshot.json: a rise of more than one part in a hundred fails. Peers are measured by bench/gas.py alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.scenarios import ours
from bench.scenarios.nodes import InProcessChain

SNAPSHOT = Path(__file__).parents[2] / "bench" / "gas_snapshot.json"
REFRESH = "write the new figures with: python bench/gas.py --snapshot"


@pytest.fixture(scope="module")
def measured(compiled: None) -> dict[str, int]:
    return ours.measure(InProcessChain())


@pytest.fixture(scope="module")
def kept() -> dict[str, int]:
    figures: dict[str, int] = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    return figures


def test_nothing_costs_more_than_one_hundredth_above_the_snapshot(measured: dict[str, int], kept: dict[str, int]) -> None:
    risen = {act: (kept[act], gas) for act, gas in measured.items() if act in kept and 100 * gas > 101 * kept[act]}
    assert risen == {}, "act: (snapshot, now)"


def test_the_snapshot_is_refreshed_when_something_costs_a_twentieth_less(measured: dict[str, int], kept: dict[str, int]) -> None:
    fallen = {act: (kept[act], gas) for act, gas in measured.items() if act in kept and 100 * gas < 95 * kept[act]}
    assert fallen == {}, REFRESH


def test_the_snapshot_has_every_act_that_is_measured_in_sorted_order(measured: dict[str, int], kept: dict[str, int]) -> None:
    assert list(kept) == sorted(measured), REFRESH
