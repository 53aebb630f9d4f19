# SPDX-License-Identifier: Apache-2.0
"""Which documents were anchored under which assets: what the chain shows everybody, findable by a document's digest alone."""

from alembic import op

from muniment.infra.postgres.row_security import grant

revision = "0011"
down_revision = "0010"

HASH = "~ '^0x[0-9a-f]{64}$'"


def upgrade() -> None:
    """Apply."""
    # The chain's events say the same to anybody who reads them, so it belongs to no tenant and names none. An index, no proof: whoever
    # answers from it asks the chain.
    op.execute(
        f"""
        CREATE TABLE instruments.public_anchor (
            chain_id bigint NOT NULL,
            digest text NOT NULL CHECK (digest {HASH}),
            asset_id text NOT NULL CHECK (asset_id {HASH}),
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (chain_id, digest, asset_id)
        )
        """
    )
    for statement in grant("instruments", "public_anchor", app_rights=("SELECT", "INSERT"), worker_rights=("SELECT", "INSERT")):
        op.execute(statement)
