# SPDX-License-Identifier: Apache-2.0
"""Reports over a real token: Form D from annotated issues, record differences that age and end, turnaround of instructions."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import sqlalchemy as sa

from muniment.access.errors import NotPermitted
from muniment.access.model import Role
from muniment.register import commands
from muniment.register.http import ROUTES
from muniment.register.model import CapTable, DifferenceKind, LotAnnotation
from muniment.register.model.record_differences import RecordDifference, compare_records
from muniment.register.process import find_differences
from muniment.settlement.commands import view_turnaround
from muniment.settlement.http import ROUTES as SETTLEMENT_ROUTES
from muniment.units.ids import Address
from muniment.units.money import Money
from tests.access.unit import an_actor
from tests.settlement.scene import Scene
from tests.settlement.wire import a_client

pytestmark = pytest.mark.slow

EXAMPLE = json.loads((Path(__file__).parents[2] / "examples" / "reports" / "form_d.json").read_text(encoding="utf-8"))


def test_form_d_counts_what_officers_said_of_the_issues(scene: Scene) -> None:
    holders = scene.holders(2, managed=True)
    with scene.begin() as unit:
        before = unit.register.movements(scene.security_id, limit=1)
    scene.issue({wallet: 100 for _, wallet in holders})
    with scene.begin() as unit:
        issues = [each for each in unit.register.movements(scene.security_id, limit=2) if each not in before]
    home = f"/v1/securities/{scene.security_id}/reports/form-d"
    with a_client(scene, scene.owner, ROUTES) as client:
        unsaid = client.post(home, json=EXAMPLE).json()
        assert (unsaid["sales"], unsaid["due_date"]) == (0, None)
        assert unsaid["sales_without_exemption"] >= 2
        for position, category in enumerate(["accredited", "non_accredited"]):
            annotation = LotAnnotation(exemption="us.regd.506c", paid=Money(250_00, "USD"), buyer_category=category)
            request = commands.Annotate(scene.security_id, issues[0].transaction_hash, position, annotation)
            with scene.begin() as unit:
                commands.annotate(scene.owner, request, unit=unit)
        scene.pass_time(5)
        scene.pass_time(5)
        said = client.post(home, json=EXAMPLE).json()
        assert (said["total_sold"], said["accredited_investors"], said["non_accredited_investors"]) == (500, 1, 1)
        root = ET.fromstring(said["xml"])  # noqa: S314 - our own text
        assert root.findtext("offeringData/typeOfFiling/dateOfFirstSale/value") == said["first_sale_date"]
        assert dt.date.fromisoformat(said["due_date"]) >= dt.date.fromisoformat(said["first_sale_date"]) + dt.timedelta(days=15)
        wrong = client.post(home, json={**EXAMPLE, "offering": {**EXAMPLE["offering"], "revenue_range": None}})
        assert wrong.json()["code"] == "register.bad_form_d_input"
    with a_client(scene, an_actor(scene.tenant_id, Role.SERVICE), ROUTES) as client:
        assert client.post(home, json=EXAMPLE).json()["code"] == "access.not_permitted"


@pytest.fixture
def one_lot_short(scene: Scene) -> Iterator[Scene]:
    """A scene in which somebody took a share out of a lot by hand."""
    ((_, wallet),) = scene.holders(1, managed=True)
    scene.issue({wallet: 10})
    with scene.begin() as unit:
        newest = "(SELECT lot_id FROM register.lot ORDER BY block_number DESC, log_index DESC LIMIT 1)"
        unit.connection.execute(sa.text(f"UPDATE register.lot SET quantity = 9, opened_quantity = 9 WHERE lot_id = {newest}"))
    yield scene
    with scene.begin() as unit:
        token = unit.register.movements(scene.security_id, limit=1)[0].token
        commands.make_lots_again(token, store=unit.lots)


def ages(scene: Scene, standing: Any) -> dict[str, tuple[int, bool]]:
    now = scene.stage.clock.now()
    return {each.code: (each.age_days(now), each.is_aged(now)) for each in standing}


def test_a_record_difference_ages_from_when_it_was_first_found_and_ends_when_it_is_mended(one_lot_short: Scene) -> None:
    scene = one_lot_short
    kinds = {DifferenceKind.MISSING_LOT.value, DifferenceKind.EXTRA_LOT.value, DifferenceKind.LOTS.value}
    assert ages(scene, find_differences(begin=scene.begin)) == dict.fromkeys(kinds, (0, False))
    scene.stage.clock.advance(dt.timedelta(days=30))
    assert ages(scene, find_differences(begin=scene.begin)) == dict.fromkeys(kinds, (30, False))
    scene.stage.clock.advance(dt.timedelta(seconds=1))
    with a_client(scene, scene.owner, ROUTES) as client:
        told = client.post("/v1/reports/differences").json()["differences"]
    assert {(each["code"], each["age_days"], each["is_aged"]) for each in told} == {(kind, 30, True) for kind in kinds}
    with scene.begin() as unit:
        commands.make_lots_again(unit.register.movements(scene.security_id, limit=1)[0].token, store=unit.lots)
    assert find_differences(begin=scene.begin) == []
    # Broken again, it is a new difference.
    with scene.begin() as unit:
        unit.connection.execute(sa.text("UPDATE register.lot SET is_control = true WHERE quantity > 0"))
    assert set(ages(scene, find_differences(begin=scene.begin)).values()) == {(0, False)}


def test_only_those_who_may_prove_the_register_may_compare_the_records(scene: Scene) -> None:
    with a_client(scene, an_actor(scene.tenant_id, Role.COMPLIANCE_OFFICER), ROUTES) as client:
        assert client.post("/v1/reports/differences").json()["code"] == "access.not_permitted"


def test_more_than_authorised_and_a_supply_that_no_table_bears_out_are_differences(scene: Scene) -> None:
    table = CapTable(scene.security_id, 7, None, 100, ())
    kinds = [difference.kind for difference in compare_records(table, [], chain_supply=101, shares_authorized=100)]
    assert kinds == [DifferenceKind.CAP_TABLE, DifferenceKind.OVERISSUED]
    assert compare_records(table, [], chain_supply=100, shares_authorized=100) == []


def test_a_difference_is_aged_after_more_than_thirty_days() -> None:
    at = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    difference = RecordDifference(Address("0x" + "A" * 40), "", "x", "", {}, at, at)
    assert not difference.is_aged(at + dt.timedelta(days=30))
    assert difference.is_aged(at + dt.timedelta(days=30, seconds=1))


def test_turnaround_counts_transfers_as_routine_and_recoveries_as_other(scene: Scene) -> None:
    ((_, annas), (_, belas)) = scene.holders(2, managed=True)
    scene.issue({annas: 40})
    instruction: Any = scene.transfer(annas, belas, 15)
    month = instruction.requested_at.date().isoformat()[:7]
    asked = {"month": month, "security_id": str(scene.security_id), "zone": "UTC"}
    with a_client(scene, scene.owner, SETTLEMENT_ROUTES) as client:
        before = client.get("/v1/reports/turnaround", params=asked)
        assert before.status_code == 200, before.text
        scene.settle(instruction.instruction_id)
        after = client.get("/v1/reports/turnaround", params=asked).json()
        assert client.get("/v1/reports/turnaround", params={**asked, "month": "2026-13"}).json()["code"] == "settlement.not_a_month"
        assert (
            client.get("/v1/reports/turnaround", params={**asked, "zone": "Mars/Olympus"}).json()["code"] == "settlement.unknown_time_zone"
        )
        assert client.get("/v1/reports/turnaround", params={**asked, "zone": "../etc"}).json()["code"] == "settlement.unknown_time_zone"
    received = before.json()["routine"]["received"] + before.json()["other"]["received"]
    assert after["routine"]["received"] + after["other"]["received"] == received
    assert after["other"]["received"] == 0
    assert after["zone"] == "UTC"
    with pytest.raises(NotPermitted), scene.begin() as unit:
        view_turnaround(an_actor(scene.tenant_id, Role.SERVICE), month=dt.date(2026, 11, 1), zone=dt.UTC, unit=unit)
