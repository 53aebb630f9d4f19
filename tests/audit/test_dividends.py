# SPDX-License-Identifier: Apache-2.0
"""Dividends that meet: several on one allowance, two workers on one, money that comes late, a follower left on a dead branch."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest

from muniment.access.commands import approve_request
from muniment.access.model import Pending
from muniment.infra.jobs import Done, Waiting
from muniment.servicing import process
from muniment.servicing.commands import declare_dividend
from muniment.servicing.errors import RequestIdReused
from muniment.servicing.model import BatchState, DividendAmount, PaidDividend, Total
from muniment.servicing.process import pay_dividend, reconcile
from muniment.settlement.process import reconcile as reconcile_settlement
from muniment.units.ids import DividendId
from muniment.units.money import Money
from tests.servicing.test_flow import Payday
from tests.settlement.scene import SceneStage

STEPS_MAX = 60


def dollars(text: str) -> Money:
    return Money.parse(text, "USD")


def declared(payday: Payday, *amounts: DividendAmount) -> list[DividendId]:
    """Declare several dividends for one record date, which then passes."""
    requests = [payday.request(amount) for amount in amounts]
    record_at = max(request.record_at for request in requests)
    requests = [replace(request, record_at=record_at, payment_at=record_at) for request in requests]
    made = [payday.scene.approved(lambda actor, unit, r=request: declare_dividend(actor, r, unit=unit)) for request in requests]
    payday.scene.pass_time(30)
    return [dividend.dividend_id for dividend in made]


def pay_all(payday: Payday, dividend_ids: list[DividendId]) -> None:
    """Let a worker each run them side by side until all are done."""
    for _ in range(STEPS_MAX):
        with ThreadPoolExecutor(len(dividend_ids)) as pool:
            outcomes = list(pool.map(partial(pay_dividend, begin=payday.scene.begin), dividend_ids))
        if all(isinstance(outcome, Done) for outcome in outcomes):
            return
        payday.scene.stage.step()
    raise AssertionError(outcomes)


def opened(payday: Payday, dividend_id: DividendId) -> None:
    """Bring a dividend to its open batches."""
    while process._fix_entitlements(dividend_id, begin=payday.scene.begin) is not None:
        payday.scene.stage.step()
    assert process._open_batches(dividend_id, begin=payday.scene.begin) is None


def test_three_dividends_at_once_share_one_allowance_and_everybody_is_paid(scene_stage: SceneStage) -> None:
    payday = Payday(scene_stage, [1] * 101)
    dividend_ids = declared(payday, Total(dollars("101.00")), Total(dollars("202.00")), Total(dollars("303.00")))
    pay_all(payday, dividend_ids)
    for dividend_id in dividend_ids:
        paid = payday.dividend(dividend_id)
        assert isinstance(paid, PaidDividend) and paid.held == dollars("0.00")
    assert payday.received() == ["6.00"] * 101
    assert reconcile(begin=payday.scene.begin) == []
    assert reconcile_settlement(begin=payday.scene.begin) == []


def test_one_receiver_is_not_blamed_where_the_money_came_after_the_batch_failed(scene_stage: SceneStage) -> None:
    payday = Payday(scene_stage, [1])
    (dividend_id,) = declared(payday, Total(dollars("10.00")))
    opened(payday, dividend_id)
    with payday.scene.begin() as unit:
        (batch,) = unit.dividends.batches(dividend_id)
        payout = unit.suites.platform("payout")
    # Sent before anything was approved; approved, as by another dividend, before anybody looks at what became of it.
    process._send(batch, begin=payday.scene.begin)
    payday.scene.stage.step()
    with payday.scene.begin() as unit:
        call = unit.payout_chain.approve(payday.token, payout=payout, token_units=batch.token_units)
        unit.transactions.submit(
            tenant_id=unit.tenant_id,
            sender=payday.scene.suite.operator,
            to=call.to,
            data=call.data,
            purpose=f"test:{dividend_id}",
            gas_limit=call.gas_limit,
        )
    payday.scene.stage.step()
    payday.scene.waits(lambda: pay_dividend(dividend_id, begin=payday.scene.begin))
    assert payday.received() == ["10.00"]


def test_a_worker_that_stood_still_does_not_undo_what_another_has_written_of_a_batch(scene_stage: SceneStage) -> None:
    payday = Payday(scene_stage, [1, 1])
    (dividend_id,) = declared(payday, Total(dollars("10.00")))
    opened(payday, dividend_id)
    with payday.scene.begin() as unit:
        (seen_by_the_slow,) = unit.dividends.batches(dividend_id)
    process._send(seen_by_the_slow, begin=payday.scene.begin)
    payday.scene.stage.step()
    # Nothing was approved, so it failed: the other worker goes on with another batch.
    assert process._close_batches(dividend_id, begin=payday.scene.begin) is None
    process._send(seen_by_the_slow, begin=payday.scene.begin)
    with payday.scene.begin() as unit:
        assert [batch.state for batch in unit.dividends.batches(dividend_id)] == [BatchState.SPLIT, BatchState.OPEN]
    payday.scene.waits(lambda: pay_dividend(dividend_id, begin=payday.scene.begin))
    assert payday.received() == ["5.00", "5.00"]
    assert reconcile(begin=payday.scene.begin) == []


def test_holdings_of_a_branch_that_the_chain_has_left_entitle_nobody(scene_stage: SceneStage) -> None:
    payday = Payday(scene_stage, [1, 1])
    scene = payday.scene
    (_, third) = scene.holders(1)[0]
    dividend_id = payday.declare(Total(dollars("9.00")))
    snapshot = scene.stage.rpc.call("evm_snapshot")
    scene.issue({third: 1})
    for _ in range(4):
        scene.stage.rpc.call("evm_mine")
    scene.stage.follower.catch_up()
    with scene.begin() as unit:
        read_block = unit.register.read_block()
    # The issue is on no chain any more; the follower, which is down, has not heard of it.
    scene.stage.rpc.call("evm_revert", [snapshot])
    for _ in range(3):
        scene.stage.rpc.call("evm_mine")
    scene.pass_time(20)
    while scene.stage.evm.block_number() < read_block + 4:
        scene.stage.rpc.call("evm_mine")
    try:
        outcome = pay_dividend(dividend_id, begin=scene.begin)
        assert outcome == Waiting("register.behind")
    finally:
        scene.stage.follower.catch_up()
    payday.scene.waits(lambda: pay_dividend(dividend_id, begin=payday.scene.begin))
    assert reconcile(begin=payday.scene.begin) == []
    assert sum(Decimal(amount) for amount in payday.received()) == Decimal("9.00")


def test_of_two_declarations_under_one_request_id_at_once_the_second_is_refused(scene_stage: SceneStage) -> None:
    payday = Payday(scene_stage, [1])
    request = payday.request(Total(dollars("9.00")))
    other = replace(request, amount=Total(dollars("8.00")), payment_at=request.payment_at + dt.timedelta(seconds=1))
    for wish in (request, other):
        with payday.scene.begin() as unit:
            pending = declare_dividend(payday.scene.owner, wish, unit=unit)
            assert isinstance(pending, Pending)
        with payday.scene.begin() as unit:
            approve_request(payday.scene.second, pending.approval_id, unit=unit)

    def declare_other() -> None:
        with payday.scene.begin() as unit, pytest.raises(RequestIdReused):
            declare_dividend(payday.scene.second, other, unit=unit)

    with ThreadPoolExecutor(1) as pool:
        with payday.scene.begin() as unit:
            first = declare_dividend(payday.scene.second, request, unit=unit)
            second = pool.submit(declare_other)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.7)
        second.result(timeout=30)
    assert not isinstance(first, Pending)
    jobs = payday.scene.stage.rows(
        "SELECT count(*) AS n FROM procrastinate.procrastinate_jobs WHERE args ->> 'dividend_id' = :id", id=str(first.dividend_id)
    )
    assert jobs[0].n == 1
