# SPDX-License-Identifier: Apache-2.0
"""The database's schema, step by step; each context adds its own revision under `versions`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from muniment.infra.postgres.database import APP_ROLE, WORKER_ROLE, sqlalchemy_url

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic is loaded where it is used: most commands never ask for the schema's revision, and its loading would be a tenth of their time.


def migrate(owner_url: str, *, revision: str = "head") -> str:
    """Bring the database at `owner_url` (a login that may create roles and schemas) to `revision`; return the revision reached.

    Safe to call from several processes at once: an advisory lock lets one work while the others wait.
    """
    from alembic import command

    engine = sa.create_engine(sqlalchemy_url(owner_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7203771)")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        # /ready and the doctor compare the schema's revision with their release's; the roles they work as own no table.
        connection.exec_driver_sql(f"GRANT SELECT ON alembic_version TO {APP_ROLE}, {WORKER_ROLE}")
        return current_revision(connection) or "nothing"


def current_revision(connection: sa.Connection) -> str | None:
    """Return the revision that the database is at, None before the first."""
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str:
    """Return the revision that this version of Muniment needs."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None, "there is a first revision"
    return head


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config
