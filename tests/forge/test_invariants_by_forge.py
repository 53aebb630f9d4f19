# SPDX-License-Identifier: Apache-2.0
"""A short campaign of forge, so that the long one can be trusted to run; `make invariants` runs that."""

from __future__ import annotations

import re

import pytest

from tests.forge.invariants import run

RUNS = 10


@pytest.mark.slow
def test_a_security_keeps_its_promises_for_five_thousand_calls_by_forge() -> None:
    ended = run(runs=RUNS)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    assert "1 passed; 0 failed" in ended.stdout
    assert re.search(rf"runs: {RUNS}, calls: {RUNS * 500}, reverts: 0", ended.stdout), ended.stdout[:2000]
