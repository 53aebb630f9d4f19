# SPDX-License-Identifier: Apache-2.0
"""The register takes in lockups: how many shares of a wallet, and until when."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE register.notice ADD COLUMN unlocks_at_seconds bigint NOT NULL DEFAULT 0 CHECK (unlocks_at_seconds >= 0)")
    op.execute("ALTER TABLE register.notice DROP CONSTRAINT notice_kind_check")
    op.execute(
        "ALTER TABLE register.notice ADD CONSTRAINT notice_kind_check CHECK (kind IN"
        " ('shares_frozen', 'shares_unfrozen', 'wallet_frozen', 'wallet_unfrozen', 'recovered', 'paused', 'unpaused',"
        " 'shares_locked', 'shares_released'))"
    )
