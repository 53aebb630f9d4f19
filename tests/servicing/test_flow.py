# SPDX-License-Identifier: Apache-2.0
"""A cash dividend on a real node from declared to paid: once, to everybody, provably, also where one receiver cannot be paid."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal

import pytest

from muniment.access.model import Pending
from muniment.infra.jobs import Waiting
from muniment.servicing import process
from muniment.servicing.commands import (
    DeclareDividend,
    declare_dividend,
    preview_dividend,
    release_held,
    view_dividends,
    view_payments,
)
from muniment.servicing.errors import NotEntitledYet, NothingHeld, PaymentTokenNotAccepted, RecordInThePast
from muniment.servicing.model import (
    BatchState,
    DeclaredDividend,
    Dividend,
    DividendAmount,
    EntitledDividend,
    HeldReason,
    PaidDividend,
    PerShare,
    Total,
    mark_purpose,
)
from muniment.servicing.process import pay_dividend, reconcile, verify_distribution
from muniment.settlement.commands import RecoverWallet, recover
from muniment.settlement.process import reconcile as reconcile_settlement
from muniment.units.ids import Address, DividendId, new_id
from muniment.units.money import Money, Price
from tests.infra.rig import an_address
from tests.settlement.scene import Scene, SceneStage

FUNDS = Money.parse("1000000.00", "USD")


def dollars(text: str) -> Money:
    return Money.parse(text, "USD")


class Payday:
    """An issuer with holders, funds, and dividends to declare."""

    def __init__(self, stage: SceneStage, shares: list[int]) -> None:
        self.scene = Scene(stage)
        self.token = self.scene.a_payment_token(funds=FUNDS)
        self.investors = self.scene.holders(len(shares))
        self.wallets = [wallet for _, wallet in self.investors]
        self.scene.issue(dict(zip(self.wallets, shares, strict=True)))
        self.scene.pass_time(1)

    def request(self, amount: DividendAmount) -> DeclareDividend:
        # The node's clock runs on while ours stands: they are put side by side first.
        self.scene.pass_time(1)
        record_at = self.scene.stage.clock.now() + dt.timedelta(seconds=10)
        return DeclareDividend(
            request_id=new_id(self.scene.stage.clock.now()),
            security_id=self.scene.security_id,
            amount=amount,
            record_at=record_at,
            payment_at=record_at,
            payment_token=self.token.address,
        )

    def declare(self, amount: DividendAmount, *, pays_later_by: dt.timedelta = dt.timedelta(0)) -> DividendId:
        request = self.request(amount)
        request = replace(request, payment_at=request.record_at + pays_later_by)
        return self.scene.approved(lambda actor, unit: declare_dividend(actor, request, unit=unit)).dividend_id

    def pay(self, dividend_id: DividendId) -> list[str]:
        self.scene.pass_time(20)
        return self.scene.waits(lambda: pay_dividend(dividend_id, begin=self.scene.begin))

    def reason(self, dividend_id: DividendId) -> str:
        """Run once and return what the dividend waits for."""
        outcome = pay_dividend(dividend_id, begin=self.scene.begin)
        assert isinstance(outcome, Waiting)
        return outcome.reason

    def dividend(self, dividend_id: DividendId) -> Dividend:
        with self.scene.begin() as unit:
            return unit.dividends.get(dividend_id)

    def received(self) -> list[str]:
        return [self.scene.money_of(self.token, wallet).amount for wallet in self.wallets]

    def states(self, dividend_id: DividendId) -> dict[Address, str]:
        with self.scene.begin() as unit:
            return {payment.entitlement.wallet: payment.state for payment in view_payments(self.scene.owner, dividend_id, unit=unit)}


@pytest.fixture
def payday(scene_stage: SceneStage) -> Payday:
    return Payday(scene_stage, [600, 300, 100])


def test_a_total_reaches_every_holder_in_proportion_and_the_chain_proves_it(payday: Payday) -> None:
    dividend_id = payday.declare(Total(dollars("1000.01")))
    assert isinstance(payday.dividend(dividend_id), DeclaredDividend)
    waited_for = payday.pay(dividend_id)
    assert waited_for[-1] == "servicing.batch_not_final"
    paid = payday.dividend(dividend_id)
    assert isinstance(paid, PaidDividend)
    assert (paid.paid, paid.held) == (dollars("1000.01"), dollars("0.00"))
    assert payday.received() == ["600.01", "300.00", "100.00"]
    verification = verify_distribution(dividend_id, begin=payday.scene.begin)
    assert verification.equal, verification.differences
    assert reconcile(begin=payday.scene.begin) == []
    assert reconcile_settlement(begin=payday.scene.begin) == []


def test_a_price_per_share_pays_exactly_that(payday: Payday) -> None:
    dividend_id = payday.declare(PerShare(Price(Decimal("0.25"), "USD")))
    payday.pay(dividend_id)
    assert payday.received() == ["150.00", "75.00", "25.00"]


def test_running_again_at_any_moment_pays_nobody_twice(payday: Payday) -> None:
    dividend_id = payday.declare(Total(dollars("10.00")))
    payday.scene.pass_time(20)
    for _ in range(12):
        pay_dividend(dividend_id, begin=payday.scene.begin)
        pay_dividend(dividend_id, begin=payday.scene.begin)
        payday.scene.stage.step()
    assert payday.received() == ["6.00", "3.00", "1.00"]
    with payday.scene.begin() as unit:
        assert [batch.state for batch in unit.dividends.batches(dividend_id)] == [BatchState.PAID]


def test_nothing_happens_before_the_dates(payday: Payday) -> None:
    dividend_id = payday.declare(Total(dollars("10.00")), pays_later_by=dt.timedelta(hours=1))
    assert payday.reason(dividend_id) == "servicing.record_date_ahead"
    with pytest.raises(NotEntitledYet):
        verify_distribution(dividend_id, begin=payday.scene.begin)
    payday.scene.pass_time(20)
    waited_for: list[str] = []
    for _ in range(6):
        waited_for.append(payday.reason(dividend_id))
        payday.scene.stage.step()
    assert waited_for[-1] == "servicing.payment_date_ahead"
    assert isinstance(payday.dividend(dividend_id), EntitledDividend)
    assert payday.received() == ["0.00", "0.00", "0.00"]
    payday.scene.pass_time(3700)
    payday.scene.waits(lambda: pay_dividend(dividend_id, begin=payday.scene.begin))
    assert payday.received() == ["6.00", "3.00", "1.00"]


def test_a_chain_whose_clock_is_behind_is_marked_until_a_block_closes_the_record_date(payday: Payday) -> None:
    dividend_id = payday.declare(Total(dollars("10.00")))
    payday.scene.stage.clock.advance(dt.timedelta(seconds=20))
    seen: list[str] = []
    for _ in range(3):
        seen.append(payday.reason(dividend_id))
        payday.scene.stage.step()
    assert seen == ["servicing.record_block_not_final"] * 3
    assert isinstance(payday.dividend(dividend_id), DeclaredDividend)
    with payday.scene.begin() as unit:
        marks = [unit.transactions.find(mark_purpose(dividend_id, number)) for number in range(4)]
    assert [mark is not None and mark.is_closed for mark in marks] == [True, True, True, False]
    payday.scene.stage.rpc.call("evm_increaseTime", [20])
    payday.scene.waits(lambda: pay_dividend(dividend_id, begin=payday.scene.begin))
    assert payday.received() == ["6.00", "3.00", "1.00"]


def test_who_held_at_the_record_date_is_paid_whatever_was_traded_since(payday: Payday) -> None:
    dividend_id = payday.declare(Total(dollars("10.00")), pays_later_by=dt.timedelta(seconds=120))
    payday.scene.pass_time(20)
    ((_, newcomer),) = payday.scene.holders(1)
    payday.scene.issue({newcomer: 9000})
    payday.scene.pass_time(150)
    payday.scene.waits(lambda: pay_dividend(dividend_id, begin=payday.scene.begin))
    assert payday.received() == ["6.00", "3.00", "1.00"]
    assert payday.scene.money_of(payday.token, newcomer) == dollars("0.00")


def test_a_pot_that_is_not_there_is_waited_for(scene_stage: SceneStage) -> None:
    payday = Payday(scene_stage, [1, 1])
    dividend_id = payday.declare(Total(dollars("2000000.00")))
    payday.scene.pass_time(20)
    reasons: list[str] = []
    for _ in range(4):
        reasons.append(payday.reason(dividend_id))
        payday.scene.stage.step()
    assert reasons[-1] == "servicing.pot_not_funded"
    payday.scene.fund_pot(payday.token, dollars("1000000.00"))
    payday.scene.waits(lambda: pay_dividend(dividend_id, begin=payday.scene.begin))
    assert payday.received() == ["1000000.00", "1000000.00"]


def test_money_of_a_frozen_wallet_is_held_in_sight_and_paid_when_it_is_free(payday: Payday) -> None:
    frozen = payday.wallets[1]
    payday.scene.freeze_wallet(frozen)
    dividend_id = payday.declare(Total(dollars("10.00")))
    payday.pay(dividend_id)
    paid = payday.dividend(dividend_id)
    assert isinstance(paid, PaidDividend)
    assert (paid.paid, paid.held) == (dollars("7.00"), dollars("3.00"))
    assert payday.states(dividend_id)[frozen] == "held"
    assert verify_distribution(dividend_id, begin=payday.scene.begin).equal
    with payday.scene.begin() as unit, pytest.raises(NothingHeld):
        release_held(payday.scene.owner, dividend_id, unit=unit)
    payday.scene.freeze_wallet(frozen, frozen=False)
    with payday.scene.begin() as unit:
        released = release_held(payday.scene.owner, dividend_id, unit=unit)
    assert [payment.entitlement.wallet for payment in released] == [frozen]
    payday.scene.waits(lambda: pay_dividend(dividend_id, begin=payday.scene.begin))
    assert payday.received() == ["6.00", "3.00", "1.00"]
    assert verify_distribution(dividend_id, begin=payday.scene.begin).equal


def test_a_wallet_lost_after_the_record_date_is_paid_at_its_successor(payday: Payday) -> None:
    investor_id, lost = payday.investors[0]
    dividend_id = payday.declare(Total(dollars("10.00")), pays_later_by=dt.timedelta(seconds=120))
    payday.scene.pass_time(20)
    new_wallet = payday.scene.another_wallet(investor_id)
    wish = RecoverWallet(new_id(payday.scene.stage.clock.now()), investor_id, lost, new_wallet)
    for instruction in payday.scene.approved(lambda actor, unit: recover(actor, wish, unit=unit)):
        payday.scene.settle(instruction.instruction_id)
    payday.scene.pass_time(150)
    payday.scene.waits(lambda: pay_dividend(dividend_id, begin=payday.scene.begin))
    assert payday.scene.money_of(payday.token, lost) == dollars("0.00")
    assert payday.scene.money_of(payday.token, new_wallet) == dollars("6.00")
    verification = verify_distribution(dividend_id, begin=payday.scene.begin)
    assert verification.equal, verification.differences


def test_one_receiver_who_cannot_be_paid_does_not_stand_in_the_way_of_the_others(scene_stage: SceneStage) -> None:
    payday = Payday(scene_stage, [10, 10, 10, 10, 10])
    dividend_id = payday.declare(Total(dollars("5.00")))
    payday.scene.pass_time(20)
    while process._fix_entitlements(dividend_id, begin=payday.scene.begin) is not None:
        payday.scene.stage.step()
    process._open_batches(dividend_id, begin=payday.scene.begin)
    # A payment to the zero address reverts, as one does to whomever a payment token has blocked.
    with payday.scene.begin() as unit:
        (batch,) = unit.dividends.batches(dividend_id)
    blocked = batch.payees[3]
    zero = "0x" + "0" * 40
    payday.scene.vandalise("UPDATE servicing.payee SET pay_to = :zero WHERE payment_id = :id", zero=zero, id=blocked.payment_id)
    payday.scene.waits(lambda: pay_dividend(dividend_id, begin=payday.scene.begin))
    assert sorted(payday.received()) == ["0.00", "1.00", "1.00", "1.00", "1.00"]
    with payday.scene.begin() as unit:
        payments = unit.dividends.payments(dividend_id)
        batches = unit.dividends.batches(dividend_id)
    assert [payment.held for payment in payments if payment.state == "held"] == [HeldReason.RECEIVER_REFUSED]
    assert sorted(payment.state for payment in payments) == ["held", "paid", "paid", "paid", "paid"]
    states = [batch.state for batch in batches]
    assert states.count(BatchState.REFUSED) == 1
    assert BatchState.SPLIT in states
    paid = payday.dividend(dividend_id)
    assert isinstance(paid, PaidDividend)
    assert (paid.paid, paid.held) == (dollars("4.00"), dollars("1.00"))
    assert verify_distribution(dividend_id, begin=payday.scene.begin).equal


def test_a_batch_that_failed_for_want_of_money_is_sent_again_and_nobody_is_blamed(payday: Payday) -> None:
    dividend_id = payday.declare(Total(dollars("10.00")))
    payday.scene.pass_time(20)
    while process._fix_entitlements(dividend_id, begin=payday.scene.begin) is not None:
        payday.scene.stage.step()
    process._open_batches(dividend_id, begin=payday.scene.begin)
    # The batch is sent before anything was approved.
    with payday.scene.begin() as unit:
        (batch,) = unit.dividends.batches(dividend_id)
    process._send(batch, begin=payday.scene.begin)
    payday.scene.waits(lambda: pay_dividend(dividend_id, begin=payday.scene.begin))
    assert payday.received() == ["6.00", "3.00", "1.00"]
    with payday.scene.begin() as unit:
        assert [batch.state for batch in unit.dividends.batches(dividend_id)] == [BatchState.SPLIT, BatchState.PAID]
    assert verify_distribution(dividend_id, begin=payday.scene.begin).equal


def test_a_declaration_waits_for_a_second_person_and_the_same_one_is_declared_once(payday: Payday) -> None:
    request = payday.request(Total(dollars("10.00")))
    with payday.scene.begin() as unit:
        assert isinstance(declare_dividend(payday.scene.owner, request, unit=unit), Pending)
        assert view_dividends(payday.scene.owner, unit=unit).dividends == []
    declared = payday.scene.approved(lambda actor, unit: declare_dividend(actor, request, unit=unit))
    with payday.scene.begin() as unit:
        assert declare_dividend(payday.scene.owner, request, unit=unit) == declared
        assert len(view_dividends(payday.scene.owner, security_id=payday.scene.security_id, unit=unit).dividends) == 1
        other_id = new_id(payday.scene.stage.clock.now())
        with pytest.raises(PaymentTokenNotAccepted):
            declare_dividend(payday.scene.owner, replace(request, request_id=other_id, payment_token=an_address(5)), unit=unit)
        past = payday.scene.stage.clock.now() - dt.timedelta(seconds=1)
        with pytest.raises(RecordInThePast):
            declare_dividend(payday.scene.owner, replace(request, request_id=other_id, record_at=past), unit=unit)


def test_a_preview_says_what_each_holder_would_get_now(payday: Payday) -> None:
    with payday.scene.begin() as unit:
        preview = preview_dividend(payday.scene.owner, payday.request(Total(dollars("10.00"))), unit=unit)
        assert view_dividends(payday.scene.owner, unit=unit).dividends == []
    amounts = {entitlement.wallet: entitlement.amount.amount for entitlement in preview.entitlements}
    assert amounts == dict(zip(payday.wallets, ["6.00", "3.00", "1.00"], strict=True))


def test_more_than_a_batch_of_holders_are_all_paid(scene_stage: SceneStage) -> None:
    payday = Payday(scene_stage, [1] * 103)
    dividend_id = payday.declare(Total(dollars("103.00")))
    payday.pay(dividend_id)
    assert payday.received() == ["1.00"] * 103
    with payday.scene.begin() as unit:
        assert [len(batch.payees) for batch in unit.dividends.batches(dividend_id)] == [100, 3]


VANDALISM = [
    ("UPDATE servicing.payment SET amount_minor_units = amount_minor_units + 1", "servicing.entitlement_differs"),
    ("UPDATE servicing.payment SET amount_minor_units = amount_minor_units + 1", "servicing.sum_differs"),
    ("UPDATE servicing.payment SET shares = shares + 1", "servicing.entitlement_differs"),
    ("UPDATE servicing.payment SET pay_to = '0x000000000000000000000000000000000000dEaD'", "servicing.paid_elsewhere"),
    ("UPDATE servicing.payee SET token_units = token_units + 1", "servicing.chain_paid_otherwise"),
    (
        (
            "UPDATE servicing.payment SET state = 'held', held_reason = 'servicing.wallet_frozen', transaction_hash = NULL,"
            " block_number = NULL"
        ),
        "servicing.paid_times",
    ),
    ("UPDATE servicing.run SET pot_minor_units = pot_minor_units + 1, paid_minor_units = paid_minor_units + 1", "servicing.pot_differs"),
    ("UPDATE servicing.run SET block_number = block_number - 1", "servicing.record_block_differs"),
    ("UPDATE servicing.batch SET batch_id = batch_id, state = 'split', block_number = NULL", "servicing.paid_times"),
]


@pytest.fixture(scope="module")
def paid_out(scene_stage: SceneStage) -> tuple[Payday, DividendId]:
    payday = Payday(scene_stage, [600, 300, 100])
    dividend_id = payday.declare(Total(dollars("10.00")))
    payday.pay(dividend_id)
    return payday, dividend_id


@pytest.mark.parametrize(("change", "code"), VANDALISM, ids=[f"{place}-{code}" for place, (_, code) in enumerate(VANDALISM)])
def test_a_row_changed_by_hand_is_found(paid_out: tuple[Payday, DividendId], change: str, code: str) -> None:
    payday, dividend_id = paid_out
    tables = ("dividend", "run", "batch", "payment", "payee")
    before = {table: payday.scene.stage.rows(f"SELECT to_jsonb(t) AS row FROM servicing.{table} AS t") for table in tables}
    assert reconcile(begin=payday.scene.begin) == []
    table = change.split()[1]
    payday.scene.vandalise(f"{change} WHERE tenant_id = :t", t=payday.scene.tenant_id)
    assert code in {difference.code for difference in reconcile(begin=payday.scene.begin)}
    assert not verify_distribution(dividend_id, begin=payday.scene.begin).equal
    _restore(payday, table, [row.row for row in before[table.partition(".")[2]]])
    assert reconcile(begin=payday.scene.begin) == []


def _restore(payday: Payday, table: str, rows: list[dict[str, object]]) -> None:
    with payday.scene.stage.database.worker_transaction() as connection:
        connection.exec_driver_sql("RESET ROLE")
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(f"DELETE FROM {table}")
        connection.exec_driver_sql(
            f"INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, %(rows)s::jsonb)", {"rows": json.dumps(rows)}
        )
