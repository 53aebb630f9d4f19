# SPDX-License-Identifier: Apache-2.0
"""Rules by version, investors' wallets sent to the identity registry, what the registry's events say, and freezes."""

from alembic import op

from muniment.infra.postgres.row_security import protect

revision = "0006"
down_revision = "0005"

ADDRESS = "~ '^0x[0-9a-fA-F]{40}$'"

TABLES = (
    "CREATE SCHEMA compliance",
    # A version is never changed. `applied_at` is when the chain was seen to enforce it.
    """
    CREATE TABLE compliance.rule_set (
        tenant_id uuid NOT NULL,
        security_id uuid NOT NULL REFERENCES instruments.security,
        version integer NOT NULL CHECK (version > 0),
        effective_at timestamptz NOT NULL,
        rules jsonb NOT NULL,
        set_by uuid,
        set_at timestamptz NOT NULL,
        applied_at timestamptz,
        PRIMARY KEY (security_id, version)
    )
    """,
    # What we asked the identity registry to hold. `purpose` names the transaction that carries it.
    f"""
    CREATE TABLE compliance.registration (
        tenant_id uuid NOT NULL,
        address text NOT NULL CHECK (address {ADDRESS}),
        investor_id uuid NOT NULL,
        identity text NOT NULL CHECK (identity {ADDRESS}),
        country smallint NOT NULL CHECK (country BETWEEN 1 AND 999),
        expires_at timestamptz,
        state text NOT NULL CHECK (state IN ('wanted', 'sent', 'registered', 'invalidating', 'invalid')),
        purpose text,
        changed_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, address)
    )
    """,
    "CREATE INDEX ON compliance.registration (tenant_id, investor_id)",
    # What the registry's events said, in the order of the chain: the latest row of a wallet is its state. A re-org deletes from the end.
    f"""
    CREATE TABLE compliance.identity_event (
        tenant_id uuid NOT NULL,
        block_number bigint NOT NULL,
        log_index integer NOT NULL,
        registry text NOT NULL CHECK (registry {ADDRESS}),
        wallet text NOT NULL CHECK (wallet {ADDRESS}),
        kind text NOT NULL,
        identity text CHECK (identity {ADDRESS}),
        country integer,
        expires_at_seconds bigint,
        transaction_hash text NOT NULL,
        PRIMARY KEY (block_number, log_index)
    )
    """,
    "CREATE INDEX ON compliance.identity_event (tenant_id, wallet, block_number DESC, log_index DESC)",
    f"""
    CREATE TABLE compliance.freeze (
        freeze_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        security_id uuid NOT NULL REFERENCES instruments.security,
        address text NOT NULL CHECK (address {ADDRESS}),
        action text NOT NULL CHECK (action IN ('freeze_wallet', 'unfreeze_wallet', 'freeze_shares', 'unfreeze_shares')),
        shares numeric(78, 0) CHECK (shares > 0),
        reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 500),
        state text NOT NULL CHECK (state IN ('sent', 'done', 'failed')),
        purpose text NOT NULL,
        failure text,
        ordered_by uuid,
        ordered_at timestamptz NOT NULL,
        settled_at timestamptz,
        CHECK ((action IN ('freeze_shares', 'unfreeze_shares')) = (shares IS NOT NULL))
    )
    """,
    "CREATE INDEX ON compliance.freeze (tenant_id, security_id, ordered_at DESC)",
)

PROTECTED = {
    "rule_set": ("SELECT", "INSERT", "UPDATE"),
    "registration": ("SELECT", "INSERT", "UPDATE"),
    "identity_event": ("SELECT",),
    "freeze": ("SELECT", "INSERT", "UPDATE"),
}


def upgrade() -> None:
    """Apply."""
    for statement in TABLES:
        op.execute(statement)
    for table, rights in PROTECTED.items():
        for statement in protect("compliance", table, app_rights=rights):
            op.execute(statement)
