# SPDX-License-Identifier: Apache-2.0
"""What one organisation made is not there for another: no row, no list, no id. Routes × roles are walked in tests/app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from muniment.access import commands as access
from muniment.access.errors import NotFound
from muniment.access.model import Actor
from muniment.access.ports import Page
from muniment.app.wiring import Unit
from muniment.instruments import commands as instruments
from muniment.parties import commands as parties
from muniment.register import commands as register
from muniment.servicing import commands as servicing
from muniment.settlement import commands as settlement
from muniment.units.errors import MunimentError
from tests.flows.canaries import PASSWORD
from tests.flows.stand import Desk, Filling, Running, copy_of, filled_home, running

pytestmark = [pytest.mark.slow]


@dataclass(frozen=True, slots=True)
class Two:
    """A running home with an organisation that has everything, and another one."""

    stand: Running
    filling: Filling

    @property
    def rich(self) -> Desk:
        return self.filling.desk

    @property
    def other(self) -> Desk:
        return self.filling.other


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    with copy_of(filled_home()) as home, running(home, components=("database", "chain", "api")) as stand:
        yield Two(stand, Filling.of(home))


def tables_of_tenants(owner_url: str) -> list[tuple[str, str]]:
    """Return every table that has a tenant's column and is not the platform's alone."""
    with psycopg.connect(owner_url) as connection:
        rows = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.columns"
            " JOIN information_schema.tables USING (table_schema, table_name)"
            " WHERE column_name = 'tenant_id' AND table_type = 'BASE TABLE' ORDER BY 1, 2"
        ).fetchall()
    return [(row[0], row[1]) for row in rows]


def test_no_table_shows_a_row_of_one_organisation_to_the_other(two: Two) -> None:
    filled = set()
    for schema, table in tables_of_tenants(two.stand.owner_url):
        name = sql.Identifier(schema, table)
        with psycopg.connect(two.stand.owner_url) as owner:
            row = owner.execute(sql.SQL("SELECT count(*) FROM {} WHERE tenant_id = %s").format(name), [two.rich.tenant_id]).fetchone()
            assert row is not None
            if row[0]:
                filled.add(f"{schema}.{table}")
        with two.stand.units.begin(two.other.tenant_id) as unit:
            foreign = unit.connection.scalar(
                sa.text(f'SELECT count(*) FROM "{schema}"."{table}" WHERE tenant_id = :rich'), {"rich": two.rich.tenant_id}
            )
        assert foreign == 0, f"{schema}.{table}"
    assert filled >= {
        "access.audit_entry",
        "compliance.rule_set",
        "infra.chain_transaction",
        "infra.signing_key",
        "instruments.security",
        "parties.investor",
        "register.holding",
        "servicing.payment",
        "settlement.leg",
    }, "the organisation has rows in every context, so that there is something not to see"


LISTS: dict[str, Callable[[Actor, Unit], object]] = {
    "investors": lambda actor, unit: parties.list_investors(actor, Page(limit=100), unit=unit),
    "securities": lambda actor, unit: instruments.view_securities(actor, unit=unit),
    "assets": lambda actor, unit: instruments.view_assets(actor, unit=unit),
    "dividends": lambda actor, unit: servicing.view_dividends(actor, unit=unit).dividends,
    "instructions": lambda actor, unit: settlement.view_instructions(actor, unit=unit).instructions,
    "approvals": lambda actor, unit: access.list_approvals(actor, Page(limit=100), unit=unit),
    "audit": lambda actor, unit: access.list_audit(actor, Page(limit=100), unit=unit),
}


@pytest.mark.parametrize("what", LISTS)
def test_no_list_of_one_organisation_names_anything_of_the_other(what: str, two: Two) -> None:
    with two.stand.units.begin(two.rich.tenant_id) as unit:
        mine = LISTS[what](two.rich.owner, unit)
        known = {str(value) for value in _ids(unit, two)}
    with two.stand.units.begin(two.other.tenant_id) as unit:
        theirs = LISTS[what](two.other.owner, unit)
    assert mine, f"there are {what} to be seen by whoever may"
    assert not [identifier for identifier in known if identifier in repr(theirs)]


def _ids(unit: Unit, two: Two) -> list[object]:
    tables = {
        "parties.investor": "investor_id",
        "instruments.security": "security_id",
        "instruments.asset_record": "asset_id",
        "servicing.dividend": "dividend_id",
        "settlement.instruction": "instruction_id",
        "access.approval": "approval_id",
    }
    own = {two.rich.tenant_id, two.rich.owner.user_id, two.rich.agent.user_id}
    return [
        *own,
        *(value for table, column in tables.items() for value in unit.connection.scalars(sa.text(f"SELECT {column} FROM {table}"))),
    ]


BY_ID: dict[str, Callable[[Actor, Filling, Unit], object]] = {
    "investor": lambda actor, filling, unit: parties.view_investor(actor, next(iter(filling.holders.values())), unit=unit),
    "verify investor": lambda actor, filling, unit: parties.verify_investor(actor, next(iter(filling.holders.values())), unit=unit),
    "erase investor": lambda actor, filling, unit: parties.erase_investor(actor, next(iter(filling.holders.values())), unit=unit),
    "security": lambda actor, filling, unit: instruments.view_security(actor, filling.security_id, unit=unit),
    "asset": lambda actor, filling, unit: instruments.find_asset(actor, filling.vehicle_asset_id, unit=unit),
    "cap table": lambda actor, filling, unit: register.view_cap_table(actor, filling.security_id, unit=unit),
    "movements": lambda actor, filling, unit: register.view_movements(actor, filling.security_id, unit=unit),
    "dividend": lambda actor, filling, unit: servicing.view_dividend(actor, filling.dividend_id, unit=unit),
    "payments": lambda actor, filling, unit: servicing.view_payments(actor, filling.dividend_id, unit=unit),
    "release": lambda actor, filling, unit: servicing.release_held(actor, filling.dividend_id, unit=unit),
}


ABSENT = {"instruments.asset_not_found", "instruments.security_not_found", "parties.investor_not_found", "servicing.unknown_dividend"}
"""The codes of things that are not there, as for an id that never was."""


@pytest.mark.parametrize("what", BY_ID)
def test_an_id_of_one_organisation_is_no_id_in_the_other(what: str, two: Two) -> None:
    with pytest.raises(MunimentError) as refusal, two.stand.units.begin(two.other.tenant_id) as unit:
        BY_ID[what](two.other.owner, two.filling, unit)
    assert refusal.value.code in ABSENT


@pytest.mark.parametrize("what", BY_ID)
def test_whoever_belongs_to_one_organisation_may_do_nothing_in_the_other(what: str, two: Two) -> None:
    with pytest.raises(NotFound), two.stand.units.begin(two.rich.tenant_id) as unit:
        BY_ID[what](two.other.owner, two.filling, unit)


def test_over_rest_a_foreign_id_is_answered_as_one_that_never_was(two: Two) -> None:
    email = "x@second.example"
    with httpx.Client(base_url=two.stand.api_url, trust_env=False, timeout=60) as client:
        token = client.post("/v1/sessions", json={"email": email, "password": PASSWORD}).json()["token"]
    foreign = {
        "investors": str(next(iter(two.filling.holders.values()))),
        "securities": str(two.filling.security_id),
        "assets": two.filling.vehicle_asset_id,
        "dividends": str(two.filling.dividend_id),
    }
    never = "00000000-0000-4000-8000-000000000000"
    with httpx.Client(base_url=two.stand.api_url, trust_env=False, timeout=60, headers={"Authorization": f"Bearer {token}"}) as client:
        for kind, identifier in foreign.items():
            absent = never if kind != "assets" else "0x" + "00" * 32
            answer, reference = client.get(f"/v1/{kind}/{identifier}"), client.get(f"/v1/{kind}/{absent}")
            assert (answer.status_code, answer.json()["code"]) == (404, reference.json()["code"]), kind
            assert identifier not in client.get(f"/v1/{kind}").text
