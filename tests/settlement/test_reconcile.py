# SPDX-License-Identifier: Apache-2.0
"""Reconciliation is empty after honest work and finds each row that was changed by hand."""

from __future__ import annotations

import pytest

from muniment.register.process import rebuild
from muniment.settlement.commands import mark_external_mint
from muniment.settlement.model import Instruction
from muniment.settlement.process import reconcile
from muniment.units.ids import TransactionHash
from tests.settlement.scene import Scene, SceneStage


@pytest.fixture(scope="module")
def settled(scene_stage: SceneStage) -> Scene:
    """An issuer with an issue, a transfer that settled and one that failed on the chain."""
    scene = Scene(scene_stage)
    ((_, sender),) = scene.holders(1, managed=True)
    ((_, receiver),) = scene.holders(1)
    scene.issue({sender: 100, receiver: 50})
    good = scene.transfer(sender, receiver, 40)
    bad = scene.transfer(sender, receiver, 1000, send_anyway=True)
    for outcome in (good, bad):
        assert isinstance(outcome, Instruction)
        scene.settle(outcome.instruction_id)
    scene.act("freezePartialTokens", receiver, 5)
    return scene


def test_nothing_differs_after_honest_work(settled: Scene) -> None:
    assert reconcile(begin=settled.begin) == []


OURS = "tenant_id = :tenant_id"
VANDALISM = [
    ("register.holding SET shares = shares + 1", "register.holding SET shares = shares - 1", "register.extra_row"),
    ("register.holding SET shares = shares + 1", "register.holding SET shares = shares - 1", "register.balance_differs"),
    ("register.movement SET shares = shares + 1", "register.movement SET shares = shares - 1", "register.missing_row"),
    (
        "register.movement SET occurred_at = occurred_at + interval '1 second'",
        "register.movement SET occurred_at = occurred_at - interval '1 second'",
        "register.extra_row",
    ),
    ("register.notice SET shares = shares + 1", "register.notice SET shares = shares - 1", "register.extra_row"),
    ("settlement.leg SET shares = shares + 1", "settlement.leg SET shares = shares - 1", "settlement.instruction_changed"),
    ("settlement.leg SET shares = shares + 1", "settlement.leg SET shares = shares - 1", "settlement.movement_missing"),
    ("settlement.leg SET exemption = 'us.rega'", "settlement.leg SET exemption = NULL", "settlement.instruction_changed"),
    (
        "settlement.instruction SET block_number = block_number + 1",
        "settlement.instruction SET block_number = block_number - 1",
        "settlement.not_settled_on_chain",
    ),
    ("infra.sender SET next_nonce = next_nonce + 1", "infra.sender SET next_nonce = next_nonce - 1", "settlement.nonce_gap"),
]


@pytest.mark.parametrize(("change", "undo", "code"), VANDALISM, ids=[f"{code} by {change.split()[0]}" for change, _, code in VANDALISM])
def test_a_row_changed_by_hand_is_found(settled: Scene, change: str, undo: str, code: str) -> None:
    settled.vandalise(f"UPDATE {change} WHERE {OURS}", tenant_id=settled.tenant_id)
    try:
        found = reconcile(begin=settled.begin)
        assert code in {difference.code for difference in found}
        assert all(difference.sentence and difference.as_json()["invariant"] for difference in found)
    finally:
        settled.vandalise(f"UPDATE {undo} WHERE {OURS}", tenant_id=settled.tenant_id)
    assert reconcile(begin=settled.begin) == []


def test_a_failed_instruction_called_settled_is_found(settled: Scene) -> None:
    rows = settled.stage.rows(
        "SELECT instruction_id, reason_code, failed_at FROM settlement.instruction WHERE state = 'failed' AND tenant_id = :t",
        t=settled.tenant_id,
    )
    settled.vandalise(
        "UPDATE settlement.instruction SET state = 'settled', settled_at = failed_at, block_number = 1,"
        " failed_at = NULL, reason_code = NULL WHERE instruction_id = :id",
        id=rows[0].instruction_id,
    )
    codes = {difference.code for difference in reconcile(begin=settled.begin)}
    assert {"settlement.not_settled_on_chain", "settlement.movement_missing"} <= codes
    settled.vandalise(
        "UPDATE settlement.instruction SET state = 'failed', settled_at = NULL, block_number = NULL, failed_at = :at, reason_code = :code"
        " WHERE instruction_id = :id",
        id=rows[0].instruction_id,
        at=rows[0].failed_at,
        code=rows[0].reason_code,
    )
    assert reconcile(begin=settled.begin) == []


def test_a_holding_removed_or_made_up_is_found_by_rebuilding_the_register(settled: Scene) -> None:
    (row,) = settled.stage.rows("SELECT * FROM register.holding WHERE tenant_id = :t ORDER BY wallet LIMIT 1", t=settled.tenant_id)
    settled.vandalise("DELETE FROM register.holding WHERE wallet = :wallet AND tenant_id = :t", wallet=row.wallet, t=settled.tenant_id)
    verification = rebuild(settled.security_id, begin=settled.begin)
    assert not verification.equal
    assert verification.digest != verification.rebuilt_digest
    settled.vandalise(
        "INSERT INTO register.holding VALUES (:t, :token, 0, :wallet, :shares, :frozen, :is_frozen, :block, :index)",
        t=settled.tenant_id,
        token=row.token_address,
        wallet=row.wallet,
        shares=row.shares,
        frozen=row.frozen_shares,
        is_frozen=row.wallet_frozen,
        block=row.last_block_number,
        index=row.last_log_index,
    )
    assert rebuild(settled.security_id, begin=settled.begin).equal


def test_shares_issued_past_us_are_reported_until_somebody_says_what_they_are(settled: Scene) -> None:
    ((_, wallet),) = settled.holders(1)
    settled.act("mint", wallet, 7)
    (difference,) = reconcile(begin=settled.begin)
    assert (difference.code, difference.facts["shares"]) == ("settlement.unexplained_issue", "7")
    with settled.begin() as unit:
        mark_external_mint(settled.owner, TransactionHash(difference.facts["transaction"]), "founding shares", unit=unit)
    assert reconcile(begin=settled.begin) == []


def test_a_key_that_somebody_else_uses_is_found(scene_stage: SceneStage) -> None:
    scene = Scene(scene_stage)
    assert reconcile(begin=scene.begin) == []
    operator = scene.suite.operator
    scene.stage.rpc.call("anvil_impersonateAccount", [operator])
    scene.stage.rpc.call("eth_sendTransaction", [{"from": operator, "to": operator, "value": "0x1"}])
    scene.stage.rpc.call("anvil_stopImpersonatingAccount", [operator])
    for _ in range(3):
        scene.stage.rpc.call("evm_mine")
    (difference,) = reconcile(begin=scene.begin)
    assert (difference.invariant, difference.code) == ("I8", "settlement.foreign_nonce")


def test_a_signed_transaction_whose_nonce_another_has_used_is_found(settled: Scene) -> None:
    settled.vandalise(
        "UPDATE infra.chain_transaction SET state = 'sent', block_number = NULL WHERE chain_transaction_id ="
        " (SELECT chain_transaction_id FROM infra.chain_transaction WHERE tenant_id = :t AND purpose LIKE 'test:%' LIMIT 1)",
        t=settled.tenant_id,
    )
    # The chain has it after all: a sender that is behind is no difference.
    assert reconcile(begin=settled.begin) == []
    settled.vandalise(
        "UPDATE infra.chain_transaction_hash SET hash = '0x' || repeat('ab', 32) WHERE chain_transaction_id ="
        " (SELECT chain_transaction_id FROM infra.chain_transaction WHERE tenant_id = :t AND state = 'sent')",
        t=settled.tenant_id,
    )
    (difference,) = reconcile(begin=settled.begin)
    assert (difference.invariant, difference.code) == ("I8", "settlement.nonce_taken")
    settled.vandalise("UPDATE infra.chain_transaction SET state = 'mined' WHERE tenant_id = :t AND state = 'sent'", t=settled.tenant_id)
    assert reconcile(begin=settled.begin) == []


def test_a_transaction_signed_for_no_instruction_is_found(settled: Scene) -> None:
    settled.vandalise(
        "UPDATE infra.chain_transaction SET purpose = 'settlement:01890000-0000-7000-8000-00000000dead'"
        " WHERE chain_transaction_id = (SELECT chain_transaction_id FROM infra.chain_transaction"
        " WHERE tenant_id = :t AND purpose ~ '^settlement.[0-9a-f-]{36}$' ORDER BY signed_at LIMIT 1)",
        t=settled.tenant_id,
    )
    codes = {difference.code for difference in reconcile(begin=settled.begin)}
    assert "settlement.orphan_transaction" in codes
    # The instruction that it was signed for misses it: a settled one is no longer borne out, a failed one has lost its transaction.
    assert codes & {"settlement.not_settled_on_chain", "settlement.transaction_missing"}
