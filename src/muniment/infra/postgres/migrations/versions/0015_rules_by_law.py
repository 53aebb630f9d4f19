# SPDX-License-Identifier: Apache-2.0
"""What packs of law add to the issuer's rules is kept apart from them in each version, and beside both what the chain enforces."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE compliance.rule_set ADD COLUMN by_law jsonb NOT NULL DEFAULT '[]', ADD COLUMN enforced jsonb")
    # Versions of before tell the two apart by nothing: what they have counts as the issuer's.
    op.execute("UPDATE compliance.rule_set SET enforced = rules")
    op.execute("ALTER TABLE compliance.rule_set ALTER COLUMN enforced SET NOT NULL, ALTER COLUMN by_law DROP DEFAULT")
