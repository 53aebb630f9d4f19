# SPDX-License-Identifier: Apache-2.0
"""Investors with sealed personal data, their wallets and claims."""

from alembic import op

from muniment.infra.postgres.row_security import protect

revision = "0003"
down_revision = "0002"

TABLES = (
    # `sealed` holds whatever identifies the person; erasure drops the key, the sealed bytes and the tokens; the row stays for the ledger.
    """
    CREATE TABLE parties.investor (
        investor_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        external_reference text NOT NULL CHECK (external_reference ~ '^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$'),
        kind text NOT NULL CHECK (kind IN ('person', 'entity')),
        country text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
        status text NOT NULL CHECK (status IN ('draft', 'in_review', 'verified', 'rejected', 'expired')),
        status_at timestamptz NOT NULL,
        submitted_by uuid,
        verified_until timestamptz,
        refusals text[] NOT NULL DEFAULT '{}',
        wrapped_key bytea,
        sealed bytea,
        email_token bytea CHECK (octet_length(email_token) = 32),
        tax_id_token bytea CHECK (octet_length(tax_id_token) = 32),
        name_token bytea CHECK (octet_length(name_token) = 32),
        record_token bytea CHECK (octet_length(record_token) = 32),
        created_at timestamptz NOT NULL,
        erased_at timestamptz,
        UNIQUE (tenant_id, external_reference),
        UNIQUE (tenant_id, investor_id),
        CHECK ((status = 'in_review') = (submitted_by IS NOT NULL)),
        CHECK ((status = 'verified') = (verified_until IS NOT NULL)),
        CHECK ((status = 'rejected') = (cardinality(refusals) > 0)),
        CHECK ((erased_at IS NULL) = (wrapped_key IS NOT NULL)),
        CHECK (erased_at IS NULL OR num_nonnulls(wrapped_key, sealed, email_token, tax_id_token, name_token, record_token) = 0),
        CHECK (erased_at IS NOT NULL OR num_nonnulls(sealed, email_token, name_token, record_token) = 4)
    )
    """,
    "CREATE INDEX ON parties.investor (tenant_id, email_token)",
    "CREATE INDEX ON parties.investor (tenant_id, tax_id_token)",
    "CREATE INDEX ON parties.investor (tenant_id, name_token)",
    "CREATE INDEX ON parties.investor (tenant_id, verified_until) WHERE status = 'verified'",
    # The composite key keeps a wallet and its investor in one tenant. `position` 1 is the investor's identity on chain.
    """
    CREATE TABLE parties.wallet (
        wallet_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        investor_id uuid NOT NULL,
        position integer NOT NULL CHECK (position > 0),
        address text NOT NULL CHECK (address ~ '^0x[0-9a-fA-F]{40}$'),
        managed boolean NOT NULL,
        added_at timestamptz NOT NULL,
        UNIQUE (tenant_id, address),
        UNIQUE (tenant_id, investor_id, position),
        FOREIGN KEY (tenant_id, investor_id) REFERENCES parties.investor (tenant_id, investor_id)
    )
    """,
    """
    CREATE TABLE parties.claim (
        claim_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        investor_id uuid NOT NULL,
        topic integer NOT NULL CHECK (topic > 0),
        issuer text NOT NULL,
        evidence_sha256 bytea NOT NULL CHECK (octet_length(evidence_sha256) = 32),
        issued_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL CHECK (expires_at > issued_at),
        revoked_at timestamptz,
        FOREIGN KEY (tenant_id, investor_id) REFERENCES parties.investor (tenant_id, investor_id)
    )
    """,
    "CREATE INDEX ON parties.claim (tenant_id, investor_id, topic)",
)


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA parties")
    for statement in TABLES:
        op.execute(statement)
    for table in ("investor", "wallet", "claim"):
        # Rows about an investor are closed, never deleted: the ledger refers to them.
        for statement in protect("parties", table, app_rights=("SELECT", "INSERT", "UPDATE")):
            op.execute(statement)
