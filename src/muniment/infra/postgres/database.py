# SPDX-License-Identifier: Apache-2.0
"""Connections to PostgreSQL and the three kinds of transaction: one tenant's, one user's, the worker's. Holds no table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from muniment.infra.outages import Unreachable
from muniment.units.ids import TenantId, UserId

METADATA = sa.MetaData()
"""Where each context's `store.py` declares its tables, each in the context's own PostgreSQL schema."""

APP_ROLE = "muniment_app"
WORKER_ROLE = "muniment_worker"


class Database:
    """One pool of connections. Every transaction takes off the login's rights first: the roles below it own no table.

    Row security is forced on each table with a `tenant_id`; the policies read the settings that the methods here make
    for the length of one transaction. A transaction without a tenant therefore sees no issuer's row.
    """

    def __init__(self, url: str, *, connections_max: int = 20) -> None:
        self._url = url
        self._engine = sa.create_engine(
            sqlalchemy_url(url),
            pool_size=connections_max,
            max_overflow=0,
            pool_pre_ping=True,
            pool_timeout=30,
            connect_args={"application_name": "muniment", "connect_timeout": 10, "options": "-c timezone=UTC"},
        )

    @property
    def url(self) -> str:
        """The libpq URL, for a listener or a COPY tool that needs a connection of its own. May hold a password: never log it."""
        return self._url

    @contextmanager
    def transaction(self, *, tenant_id: TenantId) -> Iterator[sa.Connection]:
        """Open one transaction that sees the rows of one tenant and no other."""
        with self._transaction(APP_ROLE, {"muniment.tenant_id": str(tenant_id)}) as connection:
            yield connection

    @contextmanager
    def user_transaction(self, *, user_id: UserId | None = None) -> Iterator[sa.Connection]:
        """Open one transaction for signing in: it sees no tenant's rows but the user's own memberships."""
        settings = {} if user_id is None else {"muniment.user_id": str(user_id)}
        with self._transaction(APP_ROLE, settings) as connection:
            yield connection

    @contextmanager
    def worker_transaction(self) -> Iterator[sa.Connection]:
        """Open one transaction over all tenants, for the follower, the sender and the dispatcher; no request may reach it."""
        with self._transaction(WORKER_ROLE, {}) as connection:
            yield connection

    def close(self) -> None:
        """Close the pooled connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, role: str, settings: dict[str, str]) -> Iterator[sa.Connection]:
        try:
            connection = self._engine.connect()
        except (sa.exc.OperationalError, sa.exc.TimeoutError) as error:
            raise Unreachable("database", detail=type(error).__name__, retry=True) from error
        try:
            with connection, connection.begin():
                connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
                for name, setting in settings.items():
                    connection.execute(sa.text("SELECT set_config(:name, :setting, true)"), {"name": name, "setting": setting})
                yield connection
        except (sa.exc.DBAPIError, psycopg.OperationalError) as error:
            # PostgreSQL's "operational" errors are lost connections, shutdowns, full disks, deadlocks: the same transaction, done again,
            # may well pass. Everything else is a refusal of the database and somebody's bug.
            if isinstance(error, sa.exc.DBAPIError) and not (isinstance(error, sa.exc.OperationalError) or error.connection_invalidated):
                raise
            raise Unreachable("database", detail=type(error).__name__, retry=True) from error


def sqlalchemy_url(url: str) -> sa.URL:
    """Return a libpq URL as SQLAlchemy's, with the psycopg 3 driver."""
    return sa.make_url(url).set(drivername="postgresql+psycopg")
