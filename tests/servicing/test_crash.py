# SPDX-License-Identifier: Apache-2.0
"""A worker that dies at any named line of a dividend, any number of times: the next run goes on, everybody is paid, nobody twice."""

from __future__ import annotations

import pytest

from muniment.infra.jobs import Done
from muniment.servicing import process
from muniment.servicing.model import BatchState, PaidDividend, Total
from muniment.servicing.process import pay_dividend, reconcile, verify_distribution
from muniment.settlement.process import reconcile as reconcile_settlement
from muniment.units.money import Money
from tests.servicing.test_flow import Payday
from tests.settlement.scene import SceneStage

LINES = ("dividend.after_entitle", "dividend.after_submit", "dividend.before_paid")


class Died(BaseException):
    """What kills a worker at a crash point: nothing in between catches it, as nothing catches SIGKILL."""


@pytest.mark.parametrize("line", [*LINES, "each"])
def test_a_worker_that_dies_at_a_named_line_leaves_nothing_undone_and_nothing_twice(
    scene_stage: SceneStage, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    payday = Payday(scene_stage, [1] * 120)
    dividend_id = payday.declare(Total(Money.parse("240.00", "USD")))
    payday.scene.pass_time(20)
    deaths: list[str] = []

    def die(name: str) -> None:
        if line in {"each", name} and deaths.count(name) < 2:
            deaths.append(name)
            raise Died

    monkeypatch.setattr(process, "crashpoint", die)
    for _ in range(60):
        try:
            outcome = pay_dividend(dividend_id, begin=payday.scene.begin)
        except Died:
            continue
        if isinstance(outcome, Done):
            break
        scene_stage.step()
    # Two batches are sent, each once: a worker can die after each.
    assert len(deaths) == (2 * len(LINES) if line == "each" else 2)
    assert payday.received() == ["2.00"] * 120
    with payday.scene.begin() as unit:
        assert isinstance(unit.dividends.get(dividend_id), PaidDividend)
        assert [batch.state for batch in unit.dividends.batches(dividend_id)] == [BatchState.PAID, BatchState.PAID]
        assert unit.events().count("servicing.dividend_paid") == 1
        assert unit.events().count("servicing.dividend_entitled") == 1
    assert verify_distribution(dividend_id, begin=payday.scene.begin).equal
    assert reconcile(begin=payday.scene.begin) == []
    assert reconcile_settlement(begin=payday.scene.begin) == []
