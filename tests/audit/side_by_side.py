# SPDX-License-Identifier: Apache-2.0
"""Runs a second worker beside a transaction that is still open. Holds no test."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from tests.settlement.scene import Scene, SceneUnit

BLOCKED_SECONDS = 0.7


def side_by_side(scene: Scene, act: Callable[[SceneUnit], object], other: Callable[[], object]) -> None:
    """Let `act` work in a transaction, start `other` meanwhile, commit once `other` has ended or waits, and see `other` through."""
    with ThreadPoolExecutor(1) as pool:
        with scene.begin() as unit:
            act(unit)
            second = pool.submit(other)
            # What waits for a lock of this transaction goes on after the commit.
            wait([second], timeout=BLOCKED_SECONDS)
        second.result(timeout=30)
