# SPDX-License-Identifier: Apache-2.0
"""The register: every movement and notice of a token's shares, and what they add up to."""

from alembic import op

from muniment.infra.postgres.row_security import protect

revision = "0005"
down_revision = "0004"

TABLES = (
    # Addresses compare byte by byte (collation "C"): it is their order everywhere else, and the fast one.
    # The key is the chain's own: a log has one place. Tokens are told apart by address, so a log never waits for a security's row.
    """
    CREATE TABLE register.movement (
        tenant_id uuid NOT NULL,
        token_address text COLLATE "C" NOT NULL CHECK (length(token_address) = 42),
        deed_id numeric(78, 0) NOT NULL CHECK (deed_id >= 0),
        block_number bigint NOT NULL CHECK (block_number >= 0),
        log_index integer NOT NULL CHECK (log_index >= 0),
        from_wallet text COLLATE "C" NOT NULL,
        to_wallet text COLLATE "C" NOT NULL,
        shares numeric(78, 0) NOT NULL CHECK (shares >= 0),
        transaction_hash text NOT NULL,
        occurred_at timestamptz NOT NULL,
        PRIMARY KEY (token_address, block_number, log_index)
    )
    """,
    "CREATE INDEX movement_from ON register.movement (from_wallet)",
    "CREATE INDEX movement_to ON register.movement (to_wallet)",
    "CREATE INDEX movement_block ON register.movement (block_number)",
    """
    CREATE TABLE register.notice (
        tenant_id uuid NOT NULL,
        token_address text COLLATE "C" NOT NULL CHECK (length(token_address) = 42),
        deed_id numeric(78, 0) NOT NULL CHECK (deed_id >= 0),
        block_number bigint NOT NULL CHECK (block_number >= 0),
        log_index integer NOT NULL CHECK (log_index >= 0),
        kind text NOT NULL CHECK (kind IN
            ('shares_frozen', 'shares_unfrozen', 'wallet_frozen', 'wallet_unfrozen', 'recovered', 'paused', 'unpaused')),
        wallet text COLLATE "C" NOT NULL,
        new_wallet text COLLATE "C" NOT NULL,
        shares numeric(78, 0) NOT NULL CHECK (shares >= 0),
        transaction_hash text NOT NULL,
        occurred_at timestamptz NOT NULL,
        PRIMARY KEY (token_address, block_number, log_index)
    )
    """,
    "CREATE INDEX notice_wallet ON register.notice (wallet)",
    "CREATE INDEX notice_block ON register.notice (block_number)",
    """
    CREATE TABLE register.holding (
        tenant_id uuid NOT NULL,
        token_address text COLLATE "C" NOT NULL,
        deed_id numeric(78, 0) NOT NULL CHECK (deed_id >= 0),
        wallet text COLLATE "C" NOT NULL CHECK (length(wallet) = 42),
        shares numeric(78, 0) NOT NULL CHECK (shares >= 0),
        frozen_shares numeric(78, 0) NOT NULL CHECK (frozen_shares >= 0 AND frozen_shares <= shares),
        wallet_frozen boolean NOT NULL,
        last_block_number bigint NOT NULL,
        last_log_index integer NOT NULL,
        PRIMARY KEY (token_address, deed_id, wallet),
        CHECK (shares > 0 OR frozen_shares > 0 OR wallet_frozen)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX holding_wallet ON register.holding (wallet)",
)


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA register")
    for statement in TABLES:
        op.execute(statement)
    for table in ("movement", "notice", "holding"):
        # Only the follower writes: a request can read the register and never change it.
        for statement in protect("register", table, app_rights=("SELECT",)):
            op.execute(statement)
