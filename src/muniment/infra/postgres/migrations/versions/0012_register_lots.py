# SPDX-License-Identifier: Apache-2.0
"""Lots with what was taken of them and what officers said about movements; differences between records, with their age."""

from alembic import op

from muniment.infra.postgres.row_security import protect

revision = "0012"
down_revision = "0011"

TABLES = (
    # Made from the movements, the annotations and whose the wallets are; may be thrown away and made again at any time.
    """
    CREATE TABLE register.lot (
        tenant_id uuid NOT NULL,
        lot_id uuid PRIMARY KEY,
        token_address text COLLATE "C" NOT NULL CHECK (length(token_address) = 42),
        investor_id uuid,
        wallet text COLLATE "C",
        quantity numeric(78, 0) NOT NULL CHECK (quantity >= 0),
        opened_quantity numeric(78, 0) NOT NULL CHECK (opened_quantity > 0),
        acquired_at timestamptz NOT NULL,
        from_investor_id uuid,
        from_wallet text COLLATE "C",
        origin_lot_id uuid,
        holding_since timestamptz NOT NULL,
        issuer_acquired_at timestamptz NOT NULL,
        is_restricted boolean NOT NULL,
        is_control boolean NOT NULL,
        exemption text,
        buyer_category text,
        consideration text NOT NULL CHECK (consideration IN
            ('sale', 'gift', 'estate', 'pledge', 'split', 'stock_dividend', 'conversion', 'cashless_exercise', 'recovery')),
        block_number bigint NOT NULL CHECK (block_number >= 0),
        log_index integer NOT NULL CHECK (log_index >= 0),
        part integer NOT NULL CHECK (part >= 0),
        occurred_at timestamptz NOT NULL,
        CHECK ((investor_id IS NULL) <> (wallet IS NULL)),
        CHECK (from_investor_id IS NULL OR from_wallet IS NULL),
        CHECK (quantity <= opened_quantity),
        UNIQUE (token_address, block_number, log_index, part)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX lot_investor ON register.lot (token_address, investor_id)",
    # What the follower asks for with each block: the open lots of those who moved something.
    "CREATE INDEX lot_open ON register.lot (token_address, investor_id) WHERE quantity > 0",
    "CREATE INDEX lot_wallet ON register.lot (wallet) WHERE wallet IS NOT NULL",
    "CREATE INDEX lot_block ON register.lot (block_number)",
    # Without a foreign key, which would ask about each of a million rows: takings come and go with their lots in one statement each.
    """
    CREATE TABLE register.lot_taking (
        tenant_id uuid NOT NULL,
        lot_id uuid NOT NULL,
        token_address text COLLATE "C" NOT NULL,
        block_number bigint NOT NULL CHECK (block_number >= 0),
        log_index integer NOT NULL CHECK (log_index >= 0),
        quantity numeric(78, 0) NOT NULL CHECK (quantity > 0),
        occurred_at timestamptz NOT NULL,
        PRIMARY KEY (lot_id, block_number, log_index)
    )
    """,
    "CREATE INDEX lot_taking_block ON register.lot_taking (block_number)",
    "CREATE INDEX lot_taking_token ON register.lot_taking (token_address, block_number)",
    # By transaction and place in it, which a re-org leaves as they are, unlike block and log index.
    """
    CREATE TABLE register.lot_annotation (
        tenant_id uuid NOT NULL,
        token_address text COLLATE "C" NOT NULL CHECK (length(token_address) = 42),
        transaction_hash text NOT NULL CHECK (length(transaction_hash) = 66),
        position integer NOT NULL CHECK (position >= 0),
        exemption text CHECK (length(exemption) BETWEEN 1 AND 80),
        consideration text,
        buyer_category text CHECK (length(buyer_category) BETWEEN 1 AND 80),
        paid_minor_units numeric(78, 0) CHECK (paid_minor_units >= 0),
        paid_currency text,
        acquired_at timestamptz,
        holding_since timestamptz,
        is_restricted boolean,
        is_control boolean,
        picking text CHECK (picking IN ('fifo', 'lifo', 'longest_held', 'shortest_held')),
        lots uuid[] NOT NULL,
        annotated_by uuid NOT NULL,
        annotated_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, token_address, transaction_hash, position),
        CHECK ((paid_minor_units IS NULL) = (paid_currency IS NULL))
    )
    """,
    # What a comparison of the records found, with how long it has been there: a difference that has gone keeps its row.
    """
    CREATE TABLE register.record_difference (
        tenant_id uuid NOT NULL,
        token_address text COLLATE "C" NOT NULL CHECK (length(token_address) = 42),
        subject text NOT NULL CHECK (length(subject) <= 1000),
        code text NOT NULL,
        sentence text NOT NULL,
        facts jsonb NOT NULL,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        gone_at timestamptz,
        PRIMARY KEY (tenant_id, token_address, code, subject)
    )
    """,
)


def upgrade() -> None:
    """Apply."""
    for statement in TABLES:
        op.execute(statement)
    # Unlike movements and holdings, lots follow from what officers say as well: the command that says it makes them again at once.
    for table in ("lot", "lot_taking", "lot_annotation", "record_difference"):
        for statement in protect("register", table):
            op.execute(statement)
