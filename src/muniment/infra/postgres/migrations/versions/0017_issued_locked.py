# SPDX-License-Identifier: Apache-2.0
"""Until when the token locks the shares of an issue from their first block on."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE settlement.leg ADD COLUMN locked_until timestamptz")
