# SPDX-License-Identifier: Apache-2.0
"""Settlement: instructions to move shares, their legs, mints that came from outside, and the payment tokens."""

from alembic import op

from muniment.infra.postgres.row_security import protect

revision = "0007"
down_revision = "0006"

TABLES = (
    """
    CREATE TABLE settlement.instruction (
        instruction_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        request_id uuid NOT NULL,
        security_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('issue', 'transfer', 'forced_transfer', 'burn', 'recover')),
        digest text NOT NULL,
        state text NOT NULL CHECK (state IN ('requested', 'submitted', 'settled', 'failed')),
        requested_by uuid,
        requested_at timestamptz NOT NULL,
        transaction_hash text,
        submitted_at timestamptz,
        block_number bigint,
        settled_at timestamptz,
        reason_code text,
        reason_sentence text,
        failed_at timestamptz,
        CHECK (state <> 'requested' OR (transaction_hash IS NULL AND submitted_at IS NULL)),
        CHECK (state <> 'submitted' OR (transaction_hash IS NOT NULL AND submitted_at IS NOT NULL)),
        CHECK ((state = 'settled') = (settled_at IS NOT NULL AND block_number IS NOT NULL)),
        CHECK ((state = 'failed') = (failed_at IS NOT NULL AND reason_code IS NOT NULL)),
        UNIQUE (tenant_id, transaction_hash)
    )
    """,
    "CREATE INDEX ON settlement.instruction (tenant_id, requested_at DESC)",
    "CREATE INDEX ON settlement.instruction (request_id)",
    "CREATE INDEX ON settlement.instruction (state) WHERE state IN ('requested', 'submitted')",
    """
    CREATE TABLE settlement.leg (
        tenant_id uuid NOT NULL,
        instruction_id uuid NOT NULL REFERENCES settlement.instruction,
        position integer NOT NULL CHECK (position >= 0),
        from_wallet text,
        to_wallet text,
        shares numeric(78, 0) NOT NULL CHECK (shares >= 0),
        PRIMARY KEY (instruction_id, position),
        CHECK (from_wallet IS NOT NULL OR to_wallet IS NOT NULL)
    )
    """,
    # A mint that no instruction asked for is a difference until somebody says that it is known and why.
    """
    CREATE TABLE settlement.external_mint (
        tenant_id uuid NOT NULL,
        transaction_hash text NOT NULL,
        marked_by uuid,
        marked_at timestamptz NOT NULL,
        note text NOT NULL,
        PRIMARY KEY (tenant_id, transaction_hash)
    )
    """,
    # The ERC-20s in which the issuer pays and is paid, as their contracts described themselves when they were accepted.
    """
    CREATE TABLE settlement.payment_token (
        tenant_id uuid NOT NULL,
        chain_id bigint NOT NULL,
        address text NOT NULL CHECK (address ~ '^0x[0-9a-fA-F]{40}$'),
        currency text NOT NULL,
        decimals integer NOT NULL CHECK (decimals BETWEEN 0 AND 36),
        symbol text NOT NULL,
        accepted_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, chain_id, address)
    )
    """,
)


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA settlement")
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("settlement", "instruction", app_rights=("SELECT", "INSERT", "UPDATE")):
        op.execute(statement)
    for table in ("leg", "external_mint", "payment_token"):
        for statement in protect("settlement", table, app_rights=("SELECT", "INSERT")):
            op.execute(statement)
