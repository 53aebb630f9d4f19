# SPDX-License-Identifier: Apache-2.0
"""The packs that an issuer chose for a security, by version, and the Howey records of assets."""

from alembic import op

from muniment.infra.postgres.row_security import protect

revision = "0014"
down_revision = "0013"

TABLES = (
    # A version is never changed.
    """
    CREATE TABLE compliance.law_choice (
        tenant_id uuid NOT NULL,
        security_id uuid NOT NULL REFERENCES instruments.security,
        version integer NOT NULL CHECK (version > 0),
        effective_at timestamptz NOT NULL,
        packs jsonb NOT NULL,
        terms jsonb NOT NULL,
        evidence jsonb NOT NULL,
        set_by uuid,
        set_at timestamptz NOT NULL,
        PRIMARY KEY (security_id, version)
    )
    """,
    # Only the signature is ever added to a version, once.
    """
    CREATE TABLE compliance.howey_record (
        tenant_id uuid NOT NULL,
        asset_id text NOT NULL CHECK (asset_id ~ '^0x[0-9a-f]{64}$'),
        version integer NOT NULL CHECK (version > 0),
        answers jsonb NOT NULL,
        evidence jsonb NOT NULL,
        token_model text NOT NULL,
        drafted_by uuid NOT NULL,
        drafted_at timestamptz NOT NULL,
        signed_by uuid,
        signed_at timestamptz,
        PRIMARY KEY (tenant_id, asset_id, version),
        CHECK ((signed_by IS NULL) = (signed_at IS NULL)),
        CHECK (signed_by IS DISTINCT FROM drafted_by)
    )
    """,
)

PROTECTED = {
    "law_choice": ("SELECT", "INSERT"),
    "howey_record": ("SELECT", "INSERT", "UPDATE"),
}


def upgrade() -> None:
    """Apply."""
    for statement in TABLES:
        op.execute(statement)
    for table, rights in PROTECTED.items():
        for statement in protect("compliance", table, app_rights=rights):
            op.execute(statement)
