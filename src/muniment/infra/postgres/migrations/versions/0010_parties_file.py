# SPDX-License-Identifier: Apache-2.0
"""The investor's file: officers' claims, sanctions lists and hits, checks that a provider answers by webhook, proofs of wallets."""

from alembic import op

from muniment.infra.postgres.row_security import READ_WRITE, protect

revision = "0010"
down_revision = "0009"

CHANGES = (
    "ALTER TABLE parties.investor DROP CONSTRAINT investor_kind_check",
    "ALTER TABLE parties.investor ADD CONSTRAINT investor_kind_check CHECK (kind IN ('person', 'entity', 'trust', 'plan'))",
    # `added_by` is an officer's; a provider's claim has none and ends with the provider's next answer.
    """
    ALTER TABLE parties.claim
        ADD COLUMN basis text NOT NULL DEFAULT 'provider' CHECK (basis ~ '^[a-z0-9_]{1,40}$'),
        ADD COLUMN value text CHECK (value ~ '^[A-Za-z0-9_-]{1,20}$'),
        ADD COLUMN added_by uuid,
        ADD COLUMN revoked_by uuid,
        ADD COLUMN revocation text CHECK (revocation ~ '^[a-z_]{1,40}$')
    """,
    "CREATE INDEX ON parties.claim (tenant_id, expires_at) WHERE revoked_at IS NULL",
    "ALTER TABLE parties.wallet ADD COLUMN proved_at timestamptz",
)

TABLES = (
    # One row for each import; the names of the current one of each source are kept.
    """
    CREATE TABLE parties.sanctions_list (
        list_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        source text NOT NULL CHECK (source ~ '^[a-z0-9_]{1,40}$'),
        file_sha256 bytea NOT NULL CHECK (octet_length(file_sha256) = 32),
        entry_count integer NOT NULL CHECK (entry_count > 0),
        imported_by uuid NOT NULL,
        imported_at timestamptz NOT NULL,
        is_current boolean NOT NULL,
        screened_at timestamptz,
        UNIQUE (tenant_id, list_id)
    )
    """,
    "CREATE UNIQUE INDEX ON parties.sanctions_list (tenant_id, source) WHERE is_current",
    """
    CREATE TABLE parties.sanctions_name (
        tenant_id uuid NOT NULL,
        list_id uuid NOT NULL,
        entry_reference text NOT NULL,
        position integer NOT NULL CHECK (position > 0),
        listed_name text NOT NULL,
        tokens text[] NOT NULL CHECK (cardinality(tokens) > 0),
        birth_dates text[] NOT NULL,
        countries text[] NOT NULL,
        programme text NOT NULL,
        entry_sha256 bytea NOT NULL CHECK (octet_length(entry_sha256) = 32),
        PRIMARY KEY (tenant_id, list_id, entry_reference, position),
        FOREIGN KEY (tenant_id, list_id) REFERENCES parties.sanctions_list (tenant_id, list_id)
    )
    """,
    "CREATE INDEX ON parties.sanctions_name USING gin (tokens)",
    # `sealed` holds the listed name and why a hit was cleared, under the investor's key; the row goes when the person is erased.
    """
    CREATE TABLE parties.sanctions_hit (
        hit_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        investor_id uuid NOT NULL,
        source text NOT NULL,
        entry_reference text NOT NULL,
        entry_sha256 bytea NOT NULL CHECK (octet_length(entry_sha256) = 32),
        strength text NOT NULL CHECK (strength IN ('same', 'contained')),
        state text NOT NULL CHECK (state IN ('open', 'cleared', 'withdrawn')),
        found_at timestamptz NOT NULL,
        decided_by uuid,
        decided_at timestamptz,
        sealed bytea NOT NULL,
        UNIQUE (tenant_id, investor_id, source, entry_reference),
        CHECK ((state = 'cleared') = (num_nonnulls(decided_by, decided_at) = 2)),
        FOREIGN KEY (tenant_id, investor_id) REFERENCES parties.investor (tenant_id, investor_id)
    )
    """,
    "CREATE INDEX ON parties.sanctions_hit (tenant_id, found_at, hit_id) WHERE state = 'open'",
    """
    CREATE TABLE parties.identity_check (
        check_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        investor_id uuid NOT NULL,
        provider text NOT NULL,
        state text NOT NULL CHECK (state IN ('waiting', 'answered', 'superseded')),
        asked_by uuid NOT NULL,
        asked_at timestamptz NOT NULL,
        answered_at timestamptz,
        FOREIGN KEY (tenant_id, investor_id) REFERENCES parties.investor (tenant_id, investor_id)
    )
    """,
    "CREATE UNIQUE INDEX ON parties.identity_check (tenant_id, investor_id) WHERE state = 'waiting'",
    """
    CREATE TABLE parties.webhook_secret (
        tenant_id uuid NOT NULL,
        provider text NOT NULL,
        wrapped_key bytea NOT NULL,
        sealed bytea NOT NULL,
        made_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, provider)
    )
    """,
    """
    CREATE TABLE parties.webhook_event (
        tenant_id uuid NOT NULL,
        provider text NOT NULL,
        event_id text NOT NULL CHECK (length(event_id) BETWEEN 1 AND 100),
        received_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, provider, event_id)
    )
    """,
    "CREATE INDEX ON parties.webhook_event (tenant_id, received_at)",
    """
    CREATE TABLE parties.wallet_challenge (
        nonce text NOT NULL CHECK (nonce ~ '^[A-Za-z0-9]{16,64}$'),
        tenant_id uuid NOT NULL,
        investor_id uuid NOT NULL,
        address text NOT NULL CHECK (address ~ '^0x[0-9a-fA-F]{40}$'),
        issued_by uuid NOT NULL,
        issued_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL CHECK (expires_at > issued_at),
        used_at timestamptz,
        PRIMARY KEY (tenant_id, nonce),
        FOREIGN KEY (tenant_id, investor_id) REFERENCES parties.investor (tenant_id, investor_id)
    )
    """,
)

RIGHTS = {
    "sanctions_list": ("SELECT", "INSERT", "UPDATE"),
    "sanctions_name": ("SELECT", "INSERT", "DELETE"),
    "sanctions_hit": READ_WRITE,
    "identity_check": ("SELECT", "INSERT", "UPDATE"),
    "webhook_secret": ("SELECT", "INSERT", "UPDATE"),
    "webhook_event": ("SELECT", "INSERT"),
    "wallet_challenge": ("SELECT", "INSERT", "UPDATE"),
}


def upgrade() -> None:
    """Apply."""
    for statement in (*CHANGES, *TABLES):
        op.execute(statement)
    for table, rights in RIGHTS.items():
        for statement in protect("parties", table, app_rights=rights):
            op.execute(statement)
