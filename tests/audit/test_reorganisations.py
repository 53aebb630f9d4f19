# SPDX-License-Identifier: Apache-2.0
"""The chain goes back by some blocks in the middle of everything: afterwards register, instructions, freezes and payments are right."""

from __future__ import annotations

import pytest

from muniment.compliance.commands import OrderFreeze, freeze
from muniment.compliance.ports import RegistrationState
from muniment.compliance.process import register_investors, settle_freeze, want_investor
from muniment.infra.evm.sender import TransactionFinal
from muniment.infra.outbox import Dispatcher, RecordedEvent
from muniment.servicing import process as servicing_process
from muniment.servicing.model import PaidDividend, Total, batch_of_purpose
from muniment.servicing.process import pay_dividend
from muniment.servicing.process import reconcile as reconcile_servicing
from muniment.settlement import process as settlement_process
from muniment.settlement.commands import RecoverWallet, recover
from muniment.settlement.model import Instruction, SettledInstruction, instruction_of_purpose
from muniment.settlement.process import reconcile, settle
from muniment.units.ids import new_id
from muniment.units.money import Money
from tests.servicing.test_flow import Payday
from tests.settlement.scene import Scene, SceneStage

FINALITY = 2
"""Blocks upon a block after which the stage takes it as final."""


def go_back(scene: Scene, blocks: int) -> None:
    """Let the chain lose its last blocks with all that was in them, and grow past where it was."""
    scene.stage.rpc.call("anvil_reorg", [blocks, []])
    # What the node forgot before we saw it in a block is sent again after a while.
    scene.pass_time(20)
    scene.stage.follower.catch_up()
    for _ in range(3):
        scene.stage.step()
    tell_what_is_final(scene)


def tell_what_is_final(scene: Scene) -> None:
    """Hand out the events as the worker does."""

    def look_again(recorded: RecordedEvent) -> None:
        event: TransactionFinal = recorded.event
        instruction_id, batch = instruction_of_purpose(event.purpose), batch_of_purpose(event.purpose)
        if event.tenant_id == scene.tenant_id and instruction_id is not None:
            settlement_process.look_again(instruction_id, begin=scene.begin)
        if event.tenant_id == scene.tenant_id and batch is not None:
            servicing_process.look_again(*batch, begin=scene.begin)

    dispatcher = Dispatcher(scene.stage.database, {TransactionFinal: [look_again]}, clock=scene.stage.clock)
    while dispatcher.dispatch_once():
        continue


def mined_not_final(scene: Scene) -> None:
    scene.stage.broadcaster.step()
    scene.stage.follower.catch_up()


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_an_issue_a_transfer_and_a_recovery_survive_a_reorganisation(scene: Scene, depth: int) -> None:
    ((investor_id, sender), (_, receiver)) = scene.holders(2, managed=True)
    issued = scene.issue({sender: 100})
    moved = scene.transfer(sender, receiver, 30)
    assert isinstance(moved, Instruction)
    scene.waits(lambda: settle(moved.instruction_id, begin=scene.begin))
    new_wallet = scene.another_wallet(investor_id)
    wish = RecoverWallet(new_id(scene.stage.clock.now()), investor_id, sender, new_wallet)
    (recovery,) = scene.approved(lambda actor, unit: recover(actor, wish, unit=unit))
    settle(recovery.instruction_id, begin=scene.begin)
    mined_not_final(scene)
    go_back(scene, depth)
    states = [scene.settle(instruction.instruction_id) for instruction in (*issued.instructions, moved, recovery)]
    if depth <= FINALITY:
        assert all(isinstance(state, SettledInstruction) for state in states)
        assert (scene.balance(sender), scene.balance(receiver), scene.balance(new_wallet)) == (0, 30, 70)
    # Deeper, the transactions of different wallets may come back in another order and end otherwise: the books then say so.
    assert scene.balance(sender) + scene.balance(receiver) + scene.balance(new_wallet) == 100
    assert reconcile(begin=scene.begin) == []


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_registration_and_a_freeze_survive_a_reorganisation(scene: Scene, depth: int) -> None:
    investor_id, wallet = scene.an_investor()
    ((_, frozen),) = scene.holders(1)
    want_investor(investor_id, units=scene.units)
    register_investors(units=scene.units)
    with scene.begin() as unit:
        order = freeze(scene.owner, OrderFreeze(scene.security_id, frozen, "Court order 7"), unit=unit)
    mined_not_final(scene)
    register_investors(units=scene.units)
    settle_freeze(order.freeze_id, units=scene.units)
    go_back(scene, depth)
    scene.stage.run(lambda: register_investors(units=scene.units))
    scene.stage.run(lambda: settle_freeze(order.freeze_id, units=scene.units))
    with scene.begin() as unit:
        assert unit.identities.of_investor(investor_id)[0].state is RegistrationState.REGISTERED
        assert unit.register.is_frozen(scene.security_id, frozen)
        assert unit.freezes.get(order.freeze_id).state == "done"
    assert scene.chain_code(None, wallet, 1) is None
    assert reconcile(begin=scene.begin) == []


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_a_dividend_survives_a_reorganisation_over_its_record_block_and_its_payments(scene_stage: SceneStage, depth: int) -> None:
    payday = Payday(scene_stage, [3, 2, 1])
    dividend_id = payday.declare(Total(Money.parse("6.00", "USD")))
    payday.scene.pass_time(20)
    for _ in range(20):
        pay_dividend(dividend_id, begin=payday.scene.begin)
        mined_not_final(payday.scene)
        go_back(payday.scene, depth)
        if isinstance(payday.dividend(dividend_id), PaidDividend):
            break
    assert isinstance(payday.dividend(dividend_id), PaidDividend)
    for _ in range(3):
        payday.scene.stage.step()
    assert payday.received() == ["3.00", "2.00", "1.00"]
    assert reconcile_servicing(begin=payday.scene.begin) == []
    assert reconcile(begin=payday.scene.begin) == []
