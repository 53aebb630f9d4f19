# SPDX-License-Identifier: Apache-2.0
"""Roles, the chain's journal, the sender's book, the outbox, keys, and the job queue's own schema."""

from alembic import op
from procrastinate.schema import SchemaManager

from muniment.infra.postgres.database import APP_ROLE, WORKER_ROLE
from muniment.infra.postgres.row_security import grant, protect

revision = "0001"
down_revision = None

ROLES = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'muniment_app') THEN CREATE ROLE muniment_app NOLOGIN; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'muniment_worker') THEN CREATE ROLE muniment_worker NOLOGIN; END IF;
    EXECUTE format('GRANT muniment_app, muniment_worker TO %I', current_user);
END
$$
"""

TENANT_FUNCTIONS = (
    """
    CREATE FUNCTION infra.tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('muniment.tenant_id', true), '')::uuid $$
    """,
    """
    CREATE FUNCTION infra.signed_in_user() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('muniment.user_id', true), '')::uuid $$
    """,
)

TABLES = (
    # Which chain this database belongs to: written at the first start, compared at each later one.
    """
    CREATE TABLE infra.chain_identity (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        chain_id bigint NOT NULL,
        genesis_hash bytea NOT NULL CHECK (octet_length(genesis_hash) = 32),
        recorded_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # Every block in the order of the chain; `transactions` are the raw signed bytes, so that a local chain can be mined again.
    """
    CREATE TABLE infra.block (
        number bigint PRIMARY KEY CHECK (number >= 0),
        hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
        parent_hash bytea NOT NULL CHECK (octet_length(parent_hash) = 32),
        timestamp_seconds bigint NOT NULL,
        transactions bytea[] NOT NULL,
        journalled_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE infra.follower_cursor (
        consumer text PRIMARY KEY,
        block_number bigint NOT NULL,
        block_hash bytea NOT NULL
    )
    """,
    # The chain as the follower last saw it: what is final is decided once, there, and read by everyone from here.
    """
    CREATE TABLE infra.chain_head (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        head_number bigint NOT NULL,
        final_number bigint NOT NULL,
        observed_at timestamptz NOT NULL
    )
    """,
    # The contracts to follow. One without a tenant is the platform's own. `is_followed` says that the follower has handed out
    # all of its logs up to the cursor; a contract recorded later than its first block is filled in from `deployed_block`.
    """
    CREATE TABLE infra.contract (
        address text PRIMARY KEY CHECK (address ~ '^0x[0-9a-fA-F]{40}$'),
        tenant_id uuid,
        artifact text NOT NULL,
        deployed_block bigint NOT NULL DEFAULT 0,
        is_followed boolean NOT NULL DEFAULT false,
        recorded_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE infra.sender (
        address text PRIMARY KEY CHECK (address ~ '^0x[0-9a-fA-F]{40}$'),
        tenant_id uuid,
        next_nonce bigint NOT NULL CHECK (next_nonce >= 0)
    )
    """,
    """
    CREATE TABLE infra.chain_transaction (
        chain_transaction_id uuid PRIMARY KEY,
        tenant_id uuid,
        purpose text NOT NULL,
        sender text NOT NULL REFERENCES infra.sender (address),
        nonce bigint NOT NULL,
        to_address text,
        value_wei numeric(78, 0) NOT NULL CHECK (value_wei >= 0),
        data bytea NOT NULL,
        gas_limit bigint NOT NULL,
        hash text NOT NULL UNIQUE,
        raw bytea NOT NULL,
        state text NOT NULL CHECK (state IN ('signed', 'sent', 'mined', 'final', 'reverted')),
        block_number bigint,
        block_hash bytea,
        gas_used bigint,
        succeeded boolean,
        contract_address text,
        revert_reason text,
        node_refusal text,
        signed_at timestamptz NOT NULL,
        broadcast_at timestamptz,
        sent_at timestamptz,
        mined_at timestamptz,
        final_at timestamptz,
        UNIQUE (sender, nonce),
        UNIQUE NULLS NOT DISTINCT (tenant_id, purpose)
    )
    """,
    "CREATE INDEX ON infra.chain_transaction (state) WHERE state IN ('signed', 'sent', 'mined')",
    "CREATE INDEX ON infra.chain_transaction (tenant_id, signed_at DESC)",
    "CREATE INDEX ON infra.chain_transaction (block_number)",
    # Every hash that was ever broadcast for a nonce: whichever of them is mined closes it.
    """
    CREATE TABLE infra.chain_transaction_hash (
        hash text PRIMARY KEY,
        chain_transaction_id uuid NOT NULL REFERENCES infra.chain_transaction,
        tenant_id uuid,
        raw bytea NOT NULL,
        max_fee_wei numeric(78, 0) NOT NULL CHECK (max_fee_wei >= 0),
        max_priority_fee_wei numeric(78, 0) NOT NULL CHECK (max_priority_fee_wei >= 0),
        kind text NOT NULL CHECK (kind IN ('original', 'replacement', 'cancellation')),
        signed_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ON infra.chain_transaction_hash (chain_transaction_id)",
    """
    CREATE TABLE infra.outbox_event (
        event_id uuid PRIMARY KEY,
        position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        tenant_id uuid,
        kind text NOT NULL,
        payload jsonb NOT NULL,
        recorded_at timestamptz NOT NULL,
        handled_at timestamptz,
        attempts integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz,
        last_error text,
        dead_at timestamptz
    )
    """,
    "CREATE INDEX ON infra.outbox_event (position) WHERE handled_at IS NULL AND dead_at IS NULL",
    # Private keys, each sealed under the master key, which is never in the database.
    """
    CREATE TABLE infra.signing_key (
        address text PRIMARY KEY CHECK (address ~ '^0x[0-9a-fA-F]{40}$'),
        tenant_id uuid,
        sealed_key bytea NOT NULL,
        created_at timestamptz NOT NULL
    )
    """,
)

# The queue's functions name their tables bare: give each the schema to look in. The application role may put a job in and nothing else.
QUEUE_RIGHTS = """
DO $$
DECLARE queue_function regprocedure;
BEGIN
    FOR queue_function IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'procrastinate'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = procrastinate, pg_temp', queue_function);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', queue_function);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO muniment_worker', queue_function);
        IF queue_function::text LIKE '%procrastinate_defer_jobs_v1%' THEN
            EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER', queue_function);
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO muniment_app', queue_function);
        END IF;
    END LOOP;
END
$$
"""


def upgrade() -> None:
    """Apply."""
    op.execute(ROLES)
    op.execute("CREATE SCHEMA infra")
    op.execute(f"GRANT USAGE ON SCHEMA infra TO {APP_ROLE}, {WORKER_ROLE}")
    for statement in (*TENANT_FUNCTIONS, *TABLES):
        op.execute(statement)
    for table in ("chain_identity", "block", "follower_cursor", "chain_head"):
        for statement in grant("infra", table, app_rights=("SELECT",)):
            op.execute(statement)
    for table in ("sender", "chain_transaction", "chain_transaction_hash", "signing_key"):
        for statement in protect("infra", table, app_rights=("SELECT", "INSERT", "UPDATE")):
            op.execute(statement)
    for statement in protect(
        "infra", "contract", app_rights=("SELECT", "INSERT"), visible="tenant_id IS NULL OR tenant_id = infra.tenant()"
    ):
        op.execute(statement)
    for statement in protect("infra", "outbox_event", app_rights=("SELECT", "INSERT")):
        op.execute(statement)

    # The queue's schema is the library's own text for the pinned version; it lives apart from ours.
    op.execute("CREATE SCHEMA procrastinate")
    op.execute("SET LOCAL search_path TO procrastinate")
    op.get_bind().exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    op.execute("SET LOCAL search_path TO DEFAULT")
    op.execute(f"GRANT USAGE ON SCHEMA procrastinate TO {APP_ROLE}, {WORKER_ROLE}")
    op.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA procrastinate TO {WORKER_ROLE}")
    op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA procrastinate TO {WORKER_ROLE}")
    op.get_bind().exec_driver_sql(QUEUE_RIGHTS.replace("%", "%%"))
