# SPDX-License-Identifier: Apache-2.0
"""The register takes a frozen amount that is greater than the holding: ERC-7943 lets an agent freeze what is still to come in."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply."""
    # Named by PostgreSQL: the first check of the table that reads more than one column.
    op.execute("ALTER TABLE register.holding DROP CONSTRAINT holding_check")
    op.execute("ALTER TABLE register.holding ADD CONSTRAINT holding_frozen_shares_check CHECK (frozen_shares >= 0)")
