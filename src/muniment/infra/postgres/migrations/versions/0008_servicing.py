# SPDX-License-Identifier: Apache-2.0
"""Servicing: dividends, and the money's way in explicit states: run, payment, batch, chain transaction."""

from alembic import op

from muniment.infra.postgres.row_security import protect

revision = "0008"
down_revision = "0007"

TABLES = (
    """
    CREATE TABLE servicing.dividend (
        dividend_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        security_id uuid NOT NULL,
        share_decimals integer NOT NULL CHECK (share_decimals BETWEEN 0 AND 18),
        state text NOT NULL CHECK (state IN ('declared', 'entitled', 'paid')),
        currency text NOT NULL,
        total_minor_units numeric(78, 0) CHECK (total_minor_units > 0),
        price_per_share numeric CHECK (price_per_share > 0),
        payment_token_chain_id bigint NOT NULL,
        payment_token_address text NOT NULL,
        payment_token_decimals integer NOT NULL,
        payment_token_symbol text NOT NULL,
        record_at timestamptz NOT NULL,
        payment_at timestamptz NOT NULL,
        excluded_wallets text[] NOT NULL,
        declared_by uuid,
        declared_at timestamptz NOT NULL,
        CHECK ((total_minor_units IS NULL) <> (price_per_share IS NULL)),
        CHECK (payment_at >= record_at)
    )
    """,
    "CREATE INDEX ON servicing.dividend (tenant_id, declared_at DESC)",
    "CREATE INDEX ON servicing.dividend (state) WHERE state <> 'paid'",
    # One run a dividend: the holdings it stands on and the sums it must add up to.
    """
    CREATE TABLE servicing.run (
        dividend_id uuid PRIMARY KEY REFERENCES servicing.dividend,
        tenant_id uuid NOT NULL,
        block_number bigint NOT NULL,
        block_hash text NOT NULL,
        pot_minor_units numeric(78, 0) NOT NULL CHECK (pot_minor_units > 0),
        residue_minor_units numeric(78, 0) NOT NULL CHECK (residue_minor_units >= 0 AND residue_minor_units <= pot_minor_units),
        entitled_at timestamptz NOT NULL,
        rounds integer NOT NULL DEFAULT 0 CHECK (rounds >= 0),
        paid_minor_units numeric(78, 0) CHECK (paid_minor_units >= 0),
        held_minor_units numeric(78, 0) CHECK (held_minor_units >= 0),
        paid_at timestamptz,
        CHECK (paid_at IS NULL OR paid_minor_units + held_minor_units + residue_minor_units = pot_minor_units)
    )
    """,
    """
    CREATE TABLE servicing.batch (
        batch_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        dividend_id uuid NOT NULL REFERENCES servicing.run,
        parent_id uuid REFERENCES servicing.batch,
        position integer NOT NULL,
        state text NOT NULL CHECK (state IN ('open', 'submitted', 'paid', 'split', 'refused')),
        transaction_hash text,
        block_number bigint,
        failure text,
        CHECK (state <> 'submitted' OR transaction_hash IS NOT NULL),
        CHECK ((state = 'paid') = (block_number IS NOT NULL))
    )
    """,
    "CREATE INDEX ON servicing.batch (dividend_id, position)",
    """
    CREATE TABLE servicing.payment (
        payment_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        dividend_id uuid NOT NULL REFERENCES servicing.run,
        wallet text NOT NULL,
        pay_to text NOT NULL,
        investor_id uuid,
        shares numeric(78, 0) NOT NULL CHECK (shares > 0),
        amount_minor_units numeric(78, 0) NOT NULL CHECK (amount_minor_units > 0),
        state text NOT NULL CHECK (state IN ('payable', 'sent', 'paid', 'held')),
        held_reason text,
        batch_id uuid REFERENCES servicing.batch,
        transaction_hash text,
        block_number bigint,
        UNIQUE (dividend_id, wallet),
        CHECK ((state = 'held') = (held_reason IS NOT NULL)),
        CHECK (state NOT IN ('sent', 'paid') OR batch_id IS NOT NULL),
        CHECK ((state = 'paid') = (transaction_hash IS NOT NULL AND block_number IS NOT NULL))
    )
    """,
    "CREATE INDEX ON servicing.payment (tenant_id, investor_id)",
    """
    CREATE TABLE servicing.payee (
        batch_id uuid NOT NULL REFERENCES servicing.batch,
        tenant_id uuid NOT NULL,
        position integer NOT NULL,
        payment_id uuid NOT NULL REFERENCES servicing.payment,
        pay_to text NOT NULL,
        token_units numeric(78, 0) NOT NULL CHECK (token_units > 0),
        PRIMARY KEY (batch_id, position),
        UNIQUE (batch_id, payment_id)
    )
    """,
)


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA servicing")
    for statement in TABLES:
        op.execute(statement)
    for table in ("dividend", "run", "batch", "payment"):
        for statement in protect("servicing", table, app_rights=("SELECT", "INSERT", "UPDATE")):
            op.execute(statement)
    for statement in protect("servicing", "payee", app_rights=("SELECT", "INSERT")):
        op.execute(statement)
