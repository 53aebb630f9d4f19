# SPDX-License-Identifier: Apache-2.0
"""Row security of access: one organisation's transaction meets no row of another, and one without an organisation meets none."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from muniment.access import commands
from muniment.access.commands import InviteMember, SignedIn, SignIn
from muniment.access.model import Action, Actor, Role
from muniment.units.ids import TenantId, new_id
from tests.access.unit import NOON, PASSWORD, Installation, an_actor, an_email

TENANT_TABLES = ("organisation", "membership", "invitation", "session", "approval_policy", "approval", "audit_entry", "idempotency_key")
CHANGEABLE = ("organisation", "membership", "invitation", "session", "approval_policy", "approval", "idempotency_key")


def filled(installation: Installation) -> Actor:
    """Found an organisation with at least one row in each table."""
    email = an_email()
    owner = installation.found(email=email).owner
    agent = an_actor(owner.tenant_id, Role.TRANSFER_AGENT)
    with installation.begin(owner.tenant_id) as unit:
        commands.invite_member(owner, InviteMember(email=an_email(), display_name="Ben", roles=frozenset({Role.AUDITOR})), unit=unit)
        commands.require_approval(agent, Action.SETTLEMENT_ISSUE, {"n": 1}, unit=unit)
        unit.idempotency_keys.claim("k", request_hash=bytes(32))
    with installation.begin_sign_in() as unit:
        outcome = commands.sign_in(SignIn(email=email, password=PASSWORD, source="203.0.113.7"), unit=unit)
    assert isinstance(outcome, SignedIn)
    return owner


def rows(connection: sa.Connection, table: str) -> set[TenantId]:
    return set(connection.execute(sa.text(f"SELECT tenant_id FROM access.{table}")).scalars())


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_a_transaction_sees_its_own_organisations_rows_only(installation: Installation, table: str) -> None:
    here, there = filled(installation).tenant_id, filled(installation).tenant_id
    with installation.begin(here) as unit:
        assert rows(unit.connection, table) == {here}
    with installation.begin(there) as unit:
        assert rows(unit.connection, table) == {there}


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_a_transaction_without_an_organisation_sees_nothing(installation: Installation, table: str) -> None:
    filled(installation)
    with installation.begin_sign_in() as unit:
        assert rows(unit.connection, table) == set()


@pytest.mark.parametrize("table", CHANGEABLE)
def test_a_foreign_row_can_be_neither_changed_nor_taken_over(installation: Installation, table: str) -> None:
    here, there = filled(installation).tenant_id, filled(installation).tenant_id
    with installation.begin(here) as unit:
        touched = unit.connection.execute(sa.text(f"UPDATE access.{table} SET tenant_id = tenant_id WHERE tenant_id = :t"), {"t": there})
        assert touched.rowcount == 0
    with pytest.raises(sa.exc.ProgrammingError, match=r"row-level security|permission denied"), installation.begin(here) as unit:
        unit.connection.execute(sa.text(f"UPDATE access.{table} SET tenant_id = :t WHERE tenant_id = :h"), {"t": there, "h": here})


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_no_row_can_be_deleted(installation: Installation, table: str) -> None:
    here = filled(installation).tenant_id
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), installation.begin(here) as unit:
        unit.connection.execute(sa.text(f"DELETE FROM access.{table}"))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO access.membership VALUES (:there, :user, '{owner}', now(), NULL)",
        "INSERT INTO access.approval_policy VALUES (:there, 'settlement.burn', false)",
        "INSERT INTO access.idempotency_key VALUES (:there, 'x', decode(repeat('00', 32), 'hex'), NULL, NULL, now())",
        "INSERT INTO access.session VALUES (:fresh, decode(repeat('01', 32), 'hex'), :user, :there, now(), now(), now(), NULL)",
        "INSERT INTO access.audit_entry VALUES (:there, 1, now(), :user, 'a', 'b', '{}', sha256('a'), sha256('b'))",
    ],
)
def test_no_row_can_be_written_into_another_organisation(installation: Installation, statement: str) -> None:
    here, there = filled(installation), filled(installation)
    facts = {"there": there.tenant_id, "user": here.user_id, "fresh": new_id(NOON)}
    with pytest.raises(sa.exc.ProgrammingError, match="row-level security"), installation.begin(here.tenant_id) as unit:
        unit.connection.execute(sa.text(statement), facts)


def test_users_of_other_organisations_are_invisible_unless_their_address_is_known(installation: Installation) -> None:
    email = an_email()
    foreign = installation.found(email=email).owner
    here = filled(installation)
    with installation.begin(here.tenant_id) as unit:
        everybody = set(unit.connection.execute(sa.text("SELECT user_id FROM access.user_account")).scalars())
        assert here.user_id in everybody
        assert foreign.user_id not in everybody
        by_email = unit.users.by_email(email)
        assert by_email is not None
        assert by_email.user_id == foreign.user_id


def test_a_session_is_invisible_to_whoever_does_not_hold_its_token(installation: Installation) -> None:
    owner = filled(installation)
    other = filled(installation)
    with installation.begin_sign_in() as unit:
        unit.users.act_for(other.user_id)
        seen = set(unit.connection.execute(sa.text("SELECT user_id FROM access.session")).scalars())
    assert seen == {other.user_id}
    assert owner.user_id not in seen


def test_a_user_sees_all_their_memberships_and_nobody_elses(installation: Installation) -> None:
    email = an_email()
    first, second = installation.found(email=email).owner, installation.found(email=email).owner
    installation.found()
    with installation.begin_sign_in() as unit:
        unit.users.act_for(first.user_id)
        assert rows(unit.connection, "membership") == {first.tenant_id, second.tenant_id}
        assert {organisation.tenant_id for organisation in unit.organisations.of_user(first.user_id)} == {
            first.tenant_id,
            second.tenant_id,
        }


def test_every_table_with_a_tenant_has_forced_row_security(installation: Installation) -> None:
    with installation.database.worker_transaction() as connection:
        unprotected = connection.execute(
            sa.text(
                "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
                " WHERE n.nspname IN ('access', 'parties') AND c.relkind = 'r' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"
            )
        ).scalars()
        assert list(unprotected) == []
