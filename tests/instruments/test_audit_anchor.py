# SPDX-License-Identifier: Apache-2.0
"""The audit log's head on the chain: anchored once per head, and a log that was cut or rewritten no longer holds it."""

from __future__ import annotations

import psycopg

from muniment.access.model import Actor
from muniment.instruments.process import anchor_audit
from muniment.settlement.process import check_audit
from muniment.units.ids import TenantId
from tests.instruments.stage import Stage


def anchored(stage: Stage, tenant_id: TenantId) -> bytes | None:
    stage.step()
    with stage.begin(tenant_id) as unit:
        return unit.instruments_chain.anchored_audit(tenant_id, registry=unit.suites.platform("asset_registry"))


def write_entries(stage: Stage, tenant_id: TenantId, owner: Actor, count: int) -> None:
    for number in range(count):
        with stage.begin(tenant_id) as unit:
            unit.audit.record(owner, "test.entry", f"thing:{number}", {"number": number})


def test_the_head_of_the_log_is_anchored_once(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    write_entries(stage, tenant_id, owner, 3)
    with stage.begin(tenant_id) as unit:
        head = unit.audit.head()
    for _ in range(2):
        anchor_audit(tenant_id, units=stage.units(tenant_id), platform=stage.platform)
    assert anchored(stage, tenant_id) == head.entry_hash
    sent = stage.rows("SELECT count(*) AS n FROM infra.chain_transaction WHERE purpose LIKE :p", p=f"%anchor_audit:{tenant_id}%")
    assert sent[0].n == 1
    assert list(check_audit(begin=stage.units(tenant_id))) == []


def test_a_log_cut_after_it_was_anchored_is_found(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    write_entries(stage, tenant_id, owner, 3)
    anchor_audit(tenant_id, units=stage.units(tenant_id), platform=stage.platform)
    assert anchored(stage, tenant_id) is not None
    with psycopg.connect(stage.database.url) as vandal:
        vandal.execute("SET session_replication_role = replica")  # no trigger fires
        last = "(SELECT max(sequence) FROM access.audit_entry WHERE tenant_id = %(tenant)s)"
        vandal.execute(f"DELETE FROM access.audit_entry WHERE tenant_id = %(tenant)s AND sequence = {last}", {"tenant": tenant_id})  # type: ignore[arg-type]  the text is the test's own
    (difference,) = check_audit(begin=stage.units(tenant_id))
    assert difference.code == "access.audit_broken"
