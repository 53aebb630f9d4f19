# SPDX-License-Identifier: Apache-2.0
"""Issue, transfer, forced transfer, burn and recovery on a real node: asked for, checked, sent, final, and what the register says then."""

from __future__ import annotations

import pytest

from muniment.access.model import Pending
from muniment.compliance.model.rules import MaximumBalancePerInvestor
from muniment.register.commands import snapshot, view_cap_table, view_movements
from muniment.register.process import rebuild
from muniment.settlement.commands import (
    BurnShares,
    ForceTransfer,
    IssueShares,
    RecoverWallet,
    TransferShares,
    burn,
    forced_transfer,
    issue,
    preview_issue,
    recover,
    transfer,
    view_instructions,
    view_transactions,
)
from muniment.settlement.errors import HolderSigns, KeyReused, NothingToIssue, NotTheInvestorsWallet, SameWallet
from muniment.settlement.model import Allotment, FailedInstruction, Instruction, RequestedInstruction, SettledInstruction
from muniment.settlement.process import settle
from muniment.units.decisions import Refused
from muniment.units.ids import Address, new_id
from tests.infra.rig import an_address
from tests.settlement.scene import Scene, SceneStage

STRANGER = an_address(0xDEAD)


def test_issued_shares_are_in_the_register_and_the_unverified_are_reported(scene: Scene) -> None:
    (_, first), (_, second) = scene.holders(2)
    _, unverified = scene.an_investor()
    report = scene.issue({first: 700, second: 300, unverified: 5, STRANGER: 1})
    assert [entry.wallet for entry in report.accepted] == [first, second]
    assert {entry.wallet: entry.decision.reasons[0].code for entry in report.refused} == {
        unverified: "compliance.receiver_not_verified",
        STRANGER: "compliance.receiver_not_verified",
    }
    assert (scene.balance(first), scene.balance(second), scene.balance(unverified)) == (700, 300, 0)
    with scene.begin() as unit:
        state = unit.instructions.get(report.instructions[0].instruction_id)
    assert isinstance(state, SettledInstruction)


def test_an_issue_waits_for_a_second_person_and_stores_nothing_before(scene: Scene) -> None:
    ((_, wallet),) = scene.holders(1)
    request = IssueShares(new_id(scene.stage.clock.now()), scene.security_id, (Allotment(10, wallet=wallet),))
    with scene.begin() as unit:
        assert isinstance(issue(scene.owner, request, unit=unit), Pending)
    with scene.begin() as unit:
        assert unit.instructions.of_request(request.request_id) == []


def test_an_issue_to_nobody_who_may_hold_is_refused_whole(scene: Scene) -> None:
    request = IssueShares(new_id(scene.stage.clock.now()), scene.security_id, (Allotment(10, wallet=STRANGER),))
    with scene.begin() as unit, pytest.raises(NothingToIssue):
        issue(scene.owner, request, unit=unit)
    with scene.begin() as unit:
        report = preview_issue(scene.owner, request, unit=unit)
    assert report.accepted == ()


def test_two_wallets_of_one_investor_count_together_within_one_issue(scene_stage: SceneStage) -> None:
    scene = Scene(scene_stage, MaximumBalancePerInvestor("charter.maximum", "Articles, section 7", 100))
    ((investor_id, first),) = scene.holders(1)
    second = scene.another_wallet(investor_id)
    scene.registered(investor_id)
    report = scene.issue({first: 80, second: 30})
    assert [entry.wallet for entry in report.accepted] == [first]
    assert report.refused[0].decision.reasons[0].code == "compliance.maximum_balance"
    assert scene.balance(first) == 80


def test_a_managed_wallet_sends_itself_and_is_given_gas_first(scene: Scene) -> None:
    ((_, sender),) = scene.holders(1, managed=True)
    ((_, receiver),) = scene.holders(1)
    scene.issue({sender: 100})
    outcome = scene.transfer(sender, receiver, 40)
    assert isinstance(outcome, Instruction)
    reasons = scene.waits(lambda: settle(outcome.instruction_id, begin=scene.begin))
    assert reasons[0] == "settlement.gas_on_its_way"
    assert (scene.balance(sender), scene.balance(receiver)) == (60, 40)
    # The gift was enough for more than one transfer.
    again = scene.transfer(sender, receiver, 1)
    assert isinstance(again, Instruction)
    assert "settlement.gas_on_its_way" not in scene.waits(lambda: settle(again.instruction_id, begin=scene.begin))


def test_settling_again_and_again_sends_once(scene: Scene) -> None:
    ((_, sender), (_, receiver)) = scene.holders(2, managed=True)
    scene.issue({sender: 100})
    outcome = scene.transfer(sender, receiver, 40)
    assert isinstance(outcome, Instruction)
    for _ in range(4):
        settle(outcome.instruction_id, begin=scene.begin)
    scene.settle(outcome.instruction_id)
    for _ in range(3):
        settle(outcome.instruction_id, begin=scene.begin)
        scene.stage.step()
    assert scene.balance(receiver) == 40
    with scene.begin() as unit:
        sent = [entry for entry in unit.chain_book.signed() if entry.purpose == outcome.purpose]
    assert len(sent) == 1


def test_the_same_request_id_is_one_instruction_and_another_request_under_it_is_refused(scene: Scene) -> None:
    ((_, sender), (_, receiver)) = scene.holders(2, managed=True)
    scene.issue({sender: 100})
    request = TransferShares(new_id(scene.stage.clock.now()), scene.security_id, sender, receiver, 10)
    with scene.begin() as unit:
        first = transfer(scene.owner, request, unit=unit)
    with scene.begin() as unit:
        assert transfer(scene.owner, request, unit=unit) == first
    other = TransferShares(request.request_id, scene.security_id, sender, receiver, 11)
    with scene.begin() as unit, pytest.raises(KeyReused):
        transfer(scene.owner, other, unit=unit)
    assert isinstance(first, Instruction)
    scene.settle(first.instruction_id)


def test_a_refused_transfer_names_every_reason_and_sends_nothing(scene: Scene) -> None:
    ((_, sender),) = scene.holders(1, managed=True)
    scene.issue({sender: 100})
    outcome = scene.transfer(sender, STRANGER, 101)
    assert isinstance(outcome, Refused)
    assert {reason.code for reason in outcome.reasons} >= {"settlement.insufficient_balance", "compliance.receiver_not_verified"}


@pytest.mark.parametrize("case", ["unverified", "too_much", "frozen"])
def test_a_refused_transfer_that_is_sent_anyway_fails_on_the_chain_for_the_same_reason(scene: Scene, case: str) -> None:
    ((_, sender),) = scene.holders(1, managed=True)
    ((_, receiver),) = scene.holders(1)
    scene.issue({sender: 100})
    shares, target = 50, receiver
    if case == "unverified":
        target = STRANGER
    if case == "too_much":
        shares = 101
    if case == "frozen":
        scene.freeze_wallet(receiver)
    refused = scene.transfer(sender, target, shares)
    assert isinstance(refused, Refused)
    outcome = scene.transfer(sender, target, shares, send_anyway=True)
    assert isinstance(outcome, Instruction)
    state = scene.settle(outcome.instruction_id)
    assert isinstance(state, FailedInstruction)
    assert state.reason_code == refused.reasons[0].code
    assert scene.balance(sender) == 100


def test_an_investors_own_wallet_is_left_to_the_investor(scene: Scene) -> None:
    ((_, own), (_, receiver)) = scene.holders(2)
    scene.issue({own: 10})
    with pytest.raises(HolderSigns):
        scene.transfer(own, receiver, 5)
    with pytest.raises(SameWallet):
        scene.transfer(own, own, 5)


def test_a_forced_transfer_moves_frozen_shares_but_only_to_the_verified(scene: Scene) -> None:
    ((_, holder), (_, receiver)) = scene.holders(2)
    scene.issue({holder: 100})
    scene.freeze_wallet(holder)
    wish = ForceTransfer(new_id(scene.stage.clock.now()), scene.security_id, holder, receiver, 60, "order 4711")
    instruction = scene.approved(lambda actor, unit: forced_transfer(actor, wish, unit=unit))
    assert isinstance(instruction, Instruction)
    assert isinstance(scene.settle(instruction.instruction_id), SettledInstruction)
    assert (scene.balance(holder), scene.balance(receiver)) == (40, 60)
    to_a_stranger = ForceTransfer(new_id(scene.stage.clock.now()), scene.security_id, holder, STRANGER, 1, "order 4711")
    with scene.begin() as unit:
        refused = forced_transfer(scene.owner, to_a_stranger, unit=unit)
    assert isinstance(refused, Refused)
    assert [reason.code for reason in refused.reasons] == ["compliance.receiver_not_verified"]


def test_burnt_shares_are_gone_from_register_and_supply(scene: Scene) -> None:
    ((_, holder),) = scene.holders(1)
    scene.issue({holder: 100})
    with scene.begin() as unit:
        before = int(unit.register.supply(scene.security_id))
        outcome = burn(scene.owner, BurnShares(new_id(scene.stage.clock.now()), scene.security_id, holder, 30), unit=unit)
    assert isinstance(outcome, Instruction)
    scene.settle(outcome.instruction_id)
    with scene.begin() as unit:
        assert int(unit.register.supply(scene.security_id)) == before - 30
        too_much = burn(scene.owner, BurnShares(new_id(scene.stage.clock.now()), scene.security_id, holder, 71), unit=unit)
    assert isinstance(too_much, Refused)


def test_a_recovered_wallet_gives_everything_to_the_investors_new_one(scene: Scene) -> None:
    ((investor_id, lost),) = scene.holders(1)
    ((_, other_wallet),) = scene.holders(1)
    scene.issue({lost: 100})
    scene.act("freezePartialTokens", lost, 25)
    new_wallet = scene.another_wallet(investor_id)
    foreign = RecoverWallet(new_id(scene.stage.clock.now()), investor_id, lost, other_wallet)
    with scene.begin() as unit, pytest.raises(NotTheInvestorsWallet):
        recover(scene.owner, foreign, unit=unit)
    wish = RecoverWallet(new_id(scene.stage.clock.now()), investor_id, lost, new_wallet)
    instructions = scene.approved(lambda actor, unit: recover(actor, wish, unit=unit))
    for instruction in instructions:
        assert isinstance(scene.settle(instruction.instruction_id), SettledInstruction)
    assert (scene.balance(lost), scene.balance(new_wallet)) == (0, 100)
    with scene.begin() as unit:
        assert unit.register.frozen_shares(scene.security_id, new_wallet) == 25
        assert [(notice.wallet, notice.new_wallet) for notice in unit.register.recoveries()] == [(lost, new_wallet)]


def test_the_rebuilt_register_equals_the_stored_one_and_the_token(scene: Scene) -> None:
    verification = rebuild(scene.security_id, begin=scene.begin)
    assert verification.equal, verification.differences
    assert verification.rows > 5
    assert verification.digest == verification.rebuilt_digest


def test_the_cap_table_adds_up_and_shows_an_unknown_wallet_as_such(scene: Scene) -> None:
    with scene.begin() as unit:
        table = view_cap_table(scene.owner, scene.security_id, unit=unit)
        assert sum(line.shares for line in table.lines) == table.total_shares == int(unit.register.supply(scene.security_id))
        assert sum(line.share_of_supply for line in table.lines) == 1
        assert all(line.investor_id is not None for line in table.lines)
        assert table.holder_count == unit.register.holder_count(scene.security_id)


def test_the_cap_table_of_an_instant_is_that_of_its_last_block(scene: Scene) -> None:
    ((_, holder),) = scene.holders(1)
    scene.issue({holder: 10})
    scene.stage.step()
    with scene.begin() as unit:
        before = unit.register_chain.final_block()
    scene.pass_time(5)
    scene.issue({holder: 5})
    with scene.begin() as unit:
        then = snapshot(scene.security_id, at=before.occurred_at, unit=unit)
        now = snapshot(scene.security_id, block_number=unit.register_chain.final_block().number, unit=unit)
    # Blocks may share a second: the last of them is taken.
    assert then.block_number >= before.number
    assert (then.holdings[holder], now.holdings[holder]) == (10, 15)


def test_lists_come_in_pages_that_leave_nothing_out(scene: Scene) -> None:
    with scene.begin() as unit:
        everything = {state.instruction.instruction_id for state in unit.instructions.everything()}
        seen: list[object] = []
        cursor: str | None = None
        while True:
            page = view_instructions(scene.owner, cursor=cursor, limit=3, unit=unit)
            seen += [state.instruction.instruction_id for state in page.instructions]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(seen) == len(everything) and set(seen) == everything
        movements = view_movements(scene.owner, scene.security_id, limit=2, unit=unit)
        rest = view_movements(scene.owner, scene.security_id, cursor=movements.next_cursor, limit=200, unit=unit)
        places = [(movement.block_number, movement.log_index) for movement in (*movements.movements, *rest.movements)]
        assert places == sorted(set(places), reverse=True)
        transactions = view_transactions(scene.owner, limit=5, unit=unit)
        assert len(transactions.transactions) == 5 and transactions.next_cursor is not None


def test_one_issuer_never_sees_the_instructions_of_another(scene: Scene, scene_stage: SceneStage) -> None:
    stranger_tenant, stranger = scene_stage.a_tenant()
    with scene_stage.begin(stranger_tenant) as unit:
        assert unit.instructions.everything() == []
        assert unit.payment_tokens.all() == []
        assert unit.chain_book.signed() == []
        assert view_instructions(stranger, unit=unit).instructions == []


def test_an_instruction_is_requested_until_it_is_sent(scene: Scene) -> None:
    ((_, sender), (_, receiver)) = scene.holders(2, managed=True)
    scene.issue({sender: 10})
    outcome = scene.transfer(sender, receiver, 1)
    assert isinstance(outcome, Instruction)
    with scene.begin() as unit:
        assert unit.instructions.get(outcome.instruction_id) == RequestedInstruction(outcome)
    scene.settle(outcome.instruction_id)


def test_addresses_of_legs_read_back_as_they_were_written(scene: Scene) -> None:
    with scene.begin() as unit:
        wallets: set[Address | None] = {leg.to_wallet for state in unit.instructions.everything() for leg in state.instruction.legs}
    assert len(wallets) > 3
