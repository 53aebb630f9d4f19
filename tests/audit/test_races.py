# SPDX-License-Identifier: Apache-2.0
"""Two workers or requests at once: what one of them decides is held against what the other has just done, and nothing is lost."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Barrier

from muniment.compliance import process as compliance_process
from muniment.compliance.commands import SetRules, find_rules_drift, set_rules
from muniment.compliance.model.rules import HolderCap
from muniment.compliance.ports import RegistrationState
from muniment.compliance.process import apply_rules, end_investor, invalidate_investor, register_investors, want_investor
from muniment.instruments.commands import DraftSecurity, TokeniseAsset, draft_security, tokenise_asset
from muniment.instruments.model.securities import DeployedSecurity
from muniment.instruments.process import deploy_security
from muniment.units.ids import SecurityId
from tests.audit.side_by_side import side_by_side
from tests.settlement.scene import Scene, SceneStage, SceneUnit


def test_an_investor_who_ends_while_the_batch_is_signed_does_not_stay_eligible(scene: Scene) -> None:
    investor_id, wallet = scene.an_investor()
    want_investor(investor_id, units=scene.units)
    registry, operator = scene.suite.contract("joint_compliance"), scene.suite.operator
    scene.stage.clock.advance(dt.timedelta(days=4_000))
    try:
        side_by_side(
            scene,
            lambda unit: compliance_process._send_batch(unit, registry, operator),
            lambda: end_investor(investor_id, units=scene.units),
        )
        with scene.begin() as unit:
            assert unit.identities.of_investor(investor_id)[0].state is RegistrationState.SENT
        jobs = scene.stage.rows(
            "SELECT count(*) AS n FROM procrastinate.procrastinate_jobs"
            " WHERE task_name = 'compliance.invalidate_investor' AND args ->> 'investor_id' = :id",
            id=str(investor_id),
        )
        assert jobs[0].n == 1
        scene.stage.run(lambda: register_investors(units=scene.units))
        scene.stage.run(lambda: invalidate_investor(investor_id, units=scene.units))
    finally:
        scene.stage.clock = type(scene.stage.clock)(scene.stage.clock.now() - dt.timedelta(days=4_000))
    assert scene.chain_code(None, wallet, 1) == "compliance.receiver_not_verified"


def test_a_longer_verification_is_not_lost_to_the_settling_of_the_first(scene: Scene) -> None:
    investor_id, wallet = scene.an_investor()
    want_investor(investor_id, units=scene.units)
    register_investors(units=scene.units)
    scene.stage.step()
    with scene.begin() as unit:
        (sent,) = unit.identities.of_investor(investor_id)
        assert sent.state is RegistrationState.SENT and sent.purpose is not None and sent.expires_at is not None
    later = sent.expires_at + dt.timedelta(days=300)

    def prolong(unit: SceneUnit) -> None:
        known = unit.identities.find(wallet, lock=True)
        assert known is not None
        unit.identities.put(replace(known, expires_at=later), at=scene.stage.clock.now())

    side_by_side(scene, prolong, lambda: register_investors(units=scene.units))
    scene.stage.run(lambda: register_investors(units=scene.units))
    with scene.begin() as unit:
        on_chain = unit.identities.on_chain(wallet)
    assert on_chain is not None and on_chain.verified_until == int(later.timestamp())


def test_two_securities_of_a_new_issuer_are_deployed_at_once(scene_stage: SceneStage) -> None:
    tenant_id, owner = scene_stage.a_tenant()
    units = scene_stage.units(tenant_id)
    security_ids: list[SecurityId] = []
    with units() as unit:
        for symbol in ("ONE", "TWO"):
            asset = tokenise_asset(owner, TokeniseAsset({"kind": "other", "title": symbol}), unit=unit)
            drafted = draft_security(owner, DraftSecurity(asset.asset_record_id, f"Class {symbol}", symbol), unit=unit)
            security_ids.append(drafted.terms.security_id)
    barrier = Barrier(2, timeout=20)

    def deploy(security_id: SecurityId) -> object:
        barrier.wait()
        return deploy_security(security_id, units=units, platform=scene_stage.platform)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(deploy, security_ids))
    for security_id in security_ids:
        scene_stage.run(partial(deploy_security, security_id, units=units, platform=scene_stage.platform))
    with units() as unit:
        assert all(isinstance(unit.securities.get(security_id), DeployedSecurity) for security_id in security_ids)
        assert len(unit.keys.addresses(tenant_id=tenant_id)) == 1


def test_rules_set_for_later_hold_up_no_rules_set_for_now(scene: Scene) -> None:
    with scene.begin() as unit:
        set_rules(scene.owner, SetRules(scene.security_id, (), scene.stage.clock.now() + dt.timedelta(days=30)), unit=unit)
        set_rules(scene.owner, SetRules(scene.security_id, ()), unit=unit)
    locks = scene.stage.rows(
        "SELECT lock, scheduled_at FROM procrastinate.procrastinate_jobs"
        " WHERE task_name = 'compliance.apply_rules' AND args ->> 'security_id' = :id ORDER BY id DESC LIMIT 2",
        id=str(scene.security_id),
    )
    # A queue gives out no job while an earlier one of the same lock waits, however far away its time is.
    assert locks[0].lock != locks[1].lock


def test_rules_taken_back_before_the_chain_has_them_are_taken_back_there_too(scene_stage: SceneStage) -> None:
    first = HolderCap("law.holders", "Section 12(g)", 2_000)
    scene = Scene(scene_stage, first)
    scene.set_rules(HolderCap("law.holders", "Section 12(g)", 5))
    apply_rules(scene.security_id, units=scene.units)
    # Signed, not mined: the chain still has the first rules when they are wanted again.
    scene.set_rules(first)
    scene.stage.run(lambda: apply_rules(scene.security_id, units=scene.units))
    scene.stage.step()
    with scene.begin() as unit:
        assert find_rules_drift(scene.security_id, unit=unit) is None
        assert unit.rule_sets.all(scene.security_id)[-1].applied_at is not None
