# SPDX-License-Identifier: Apache-2.0
"""How Alembic reaches the database: by the connection that `migrate` hands over, and in no other way."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
