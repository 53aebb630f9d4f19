# SPDX-License-Identifier: Apache-2.0
"""On which terms shares are sold to each receiver of an issue: exemption, what was paid, what the buyer was to the exemption."""

from alembic import op

revision = "0016"
down_revision = "0015"

COLUMNS = (
    # As stated, else as the check before the issue found it; becomes the annotation of the movement once it is final.
    "exemption text CHECK (length(exemption) BETWEEN 1 AND 80)",
    "buyer_category text CHECK (length(buyer_category) BETWEEN 1 AND 80)",
    "paid_minor_units numeric(78, 0) CHECK (paid_minor_units >= 0)",
    "paid_currency text CHECK ((paid_currency IS NULL) = (paid_minor_units IS NULL))",
)


def upgrade() -> None:
    """Apply."""
    for column in COLUMNS:
        op.execute(f"ALTER TABLE settlement.leg ADD COLUMN {column}")
