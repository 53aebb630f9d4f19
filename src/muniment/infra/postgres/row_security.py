# SPDX-License-Identifier: Apache-2.0
"""The statements that put a table under row security. Used by migrations; the rest of the code only meets the result."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.infra.postgres.database import APP_ROLE, WORKER_ROLE

READ_WRITE: tuple[str, ...] = ("SELECT", "INSERT", "UPDATE", "DELETE")
OWN_ROWS = "tenant_id = infra.tenant()"
APPEND_ONLY: tuple[str, ...] = ("SELECT", "INSERT")


def protect(
    schema: str,
    table: str,
    *,
    app_rights: Sequence[str] = READ_WRITE,
    worker_rights: Sequence[str] = READ_WRITE,
    visible: str = OWN_ROWS,
    writable: str = OWN_ROWS,
) -> list[str]:
    """Return the statements that force row security on a table with a tenant: the app role sees its tenant's rows, the worker all.

    `visible` and `writable` are the conditions for the app role, where they are wider or narrower than its own tenant's rows.
    """
    name = f"{schema}.{table}"
    return [
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {name} TO {APP_ROLE} USING ({visible}) WITH CHECK ({writable})",
        f"CREATE POLICY worker ON {name} TO {WORKER_ROLE} USING (true) WITH CHECK (true)",
        *grant(schema, table, app_rights=app_rights, worker_rights=worker_rights),
    ]


def grant(schema: str, table: str, *, app_rights: Sequence[str] = READ_WRITE, worker_rights: Sequence[str] = READ_WRITE) -> list[str]:
    """Return the grants on a table that belongs to no tenant."""
    statements = [f"GRANT USAGE ON SCHEMA {schema} TO {APP_ROLE}, {WORKER_ROLE}"]
    if app_rights:
        statements.append(f"GRANT {', '.join(app_rights)} ON {schema}.{table} TO {APP_ROLE}")
    if worker_rights:
        statements.append(f"GRANT {', '.join(worker_rights)} ON {schema}.{table} TO {WORKER_ROLE}")
    return statements
