# SPDX-License-Identifier: Apache-2.0
"""The migrated database: forced row security on every row of an issuer, roles that own nothing, tables as the stores declare them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
import sqlalchemy as sa

from muniment.infra.postgres.database import APP_ROLE, METADATA, WORKER_ROLE, Database, sqlalchemy_url
from muniment.units.ids import TenantId
from tests.tidy.tree import REPOSITORY, Tree

OUR_SCHEMAS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'procrastinate')"

TABLES = f"""
    SELECT n.nspname || '.' || c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
           coalesce((SELECT array_agg(DISTINCT r.rolname::text)
                     FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles) WHERE p.polrelid = c.oid), '{{}}') AS policy_roles
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND {OUR_SCHEMAS}
      AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
"""

POLICIES = """
    SELECT p.polrelid::regclass::text || '.' || p.polname AS name, coalesce(pg_get_expr(p.polqual, p.polrelid), '') AS condition
    FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles) WHERE r.rolname = :app
"""

FORGOTTEN = f"""
    SELECT n.nspname || '.' || c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm', 'f') AND {OUR_SCHEMAS}
"""


@pytest.fixture(scope="module")
def owner(postgres_url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(sqlalchemy_url(postgres_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def unprotected(connection: sa.Connection) -> list[str]:
    """Return each table with a tenant whose rows row security does not guard."""
    broken: list[str] = []
    for table in connection.execute(sa.text(TABLES)):
        if not table.enabled or not table.forced:
            broken.append(f"{table.name}: row security is not forced")
        if set(table.policy_roles) != {APP_ROLE, WORKER_ROLE}:
            broken.append(f"{table.name}: policies for {sorted(table.policy_roles)}")
    return broken


def test_every_table_with_a_tenant_is_under_forced_row_security(owner: sa.Connection) -> None:
    assert unprotected(owner) == []
    assert len(owner.execute(sa.text(TABLES)).all()) > 10


def test_a_table_without_row_security_is_noticed(fresh_postgres_url: str) -> None:
    engine = sa.create_engine(sqlalchemy_url(fresh_postgres_url), poolclass=sa.NullPool)
    with engine.connect() as connection, connection.begin() as transaction:
        connection.exec_driver_sql("CREATE TABLE infra.forgotten (tenant_id uuid)")
        assert unprotected(connection) == ["infra.forgotten: row security is not forced", "infra.forgotten: policies for []"]
        connection.exec_driver_sql("DROP TABLE infra.forgotten")
        connection.exec_driver_sql("ALTER TABLE infra.outbox_event NO FORCE ROW LEVEL SECURITY")
        assert unprotected(connection) == ["infra.outbox_event: row security is not forced"]
        transaction.rollback()


def test_no_view_stands_beside_row_security(owner: sa.Connection) -> None:
    assert owner.scalars(sa.text(FORGOTTEN)).all() == [], "a view reads with its owner's rights"


def test_the_roles_that_serve_own_nothing_and_bypass_nothing(owner: sa.Connection) -> None:
    owned = owner.scalars(
        sa.text("SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname IN (:app, :worker)"),
        {"app": APP_ROLE, "worker": WORKER_ROLE},
    )
    assert owned.all() == []
    roles = owner.execute(
        sa.text(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles WHERE rolname IN (:app, :worker)"
        ),
        {"app": APP_ROLE, "worker": WORKER_ROLE},
    )
    assert {(role.rolname, any(role[1:])) for role in roles} == {(APP_ROLE, False), (WORKER_ROLE, False)}


def test_a_function_that_acts_as_its_owner_belongs_to_the_job_queue(owner: sa.Connection) -> None:
    definers = owner.scalars(
        sa.text(
            f"SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prosecdef"
            f" AND {OUR_SCHEMAS}"
        )
    )
    assert definers.all() == []


def test_every_policy_of_the_app_role_asks_for_the_tenant_or_the_user(owner: sa.Connection) -> None:
    policies = owner.execute(sa.text(POLICIES), {"app": APP_ROLE}).all()
    assert [policy.name for policy in policies if not re.search(r"infra\.(tenant|signed_in_user)\(\)", policy.condition or "")] == []
    assert len(policies) > 10


RECORD = sa.text(
    "INSERT INTO infra.outbox_event (event_id, tenant_id, kind, payload, recorded_at) VALUES (:id, :tenant, 'test', '{}', now())"
)
COUNT = sa.text("SELECT count(*) FROM infra.outbox_event")


def test_a_tenant_sees_its_own_rows_and_a_transaction_without_one_sees_none(fresh_postgres_url: str) -> None:
    database, ours, theirs = Database(fresh_postgres_url), TenantId(uuid4()), TenantId(uuid4())
    try:
        with database.transaction(tenant_id=ours) as connection:
            connection.execute(RECORD, {"id": uuid4(), "tenant": ours})
            assert connection.scalar(COUNT) == 1
        with database.transaction(tenant_id=theirs) as connection:
            assert connection.scalar(COUNT) == 0
        with database.user_transaction() as connection:
            assert connection.scalar(COUNT) == 0
        with database.worker_transaction() as connection:
            assert connection.scalar(COUNT) == 1
        with pytest.raises(sa.exc.ProgrammingError, match="row-level security"), database.transaction(tenant_id=theirs) as connection:
            connection.execute(RECORD, {"id": uuid4(), "tenant": ours})
    finally:
        database.close()


def test_the_stores_declare_the_tables_that_the_database_has(owner: sa.Connection) -> None:
    for file in Tree(REPOSITORY).python("src"):
        if "METADATA" in file.text and "/migrations/" not in file.path:
            importlib.import_module(file.path.removeprefix("src/").removesuffix(".py").replace("/", "."))
    inspector = sa.inspect(owner)
    assert len(METADATA.tables) > 10
    broken: list[str] = []
    for name, table in METADATA.tables.items():
        if not inspector.has_table(table.name, schema=table.schema):
            broken.append(f"{name}: not in the database")
            continue
        stored = {column["name"]: column for column in inspector.get_columns(table.name, schema=table.schema)}
        if set(stored) != set(table.columns.keys()):
            broken.append(f"{name}: {sorted(set(stored) ^ set(table.columns.keys()))} stand on one side only")
        broken += [
            f"{name}.{column.name}: declared {column.type!r}, stored {stored[column.name]['type']!r}"
            for column in table.columns
            if column.name in stored and _kind(stored[column.name]["type"]) != _kind(column.type)
        ]
    assert not broken, "\n".join(broken)


def _kind(of: sa.types.TypeEngine[object]) -> str:
    if isinstance(of, sa.ARRAY):
        return f"{_kind(of.item_type)}[]"
    if isinstance(of, sa.Numeric) and not isinstance(of, sa.Float):
        return "numeric"
    if isinstance(of, sa.DateTime):
        return f"datetime, zone {of.timezone}"
    for kind in (sa.Uuid, sa.LargeBinary, sa.Boolean, sa.Integer, sa.JSON, sa.Date, sa.String):
        if isinstance(of, kind):
            return kind.__name__
    return repr(of)
