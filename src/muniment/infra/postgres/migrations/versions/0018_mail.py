# SPDX-License-Identifier: Apache-2.0
"""Notices: who is to be told what by mail, and what became of it; and why an instruction failed, with rule, citation and cure."""

from alembic import op

from muniment.infra.postgres.row_security import protect

revision = "0018"
down_revision = "0017"

STATEMENTS = (
    "CREATE SCHEMA notices",
    # Ids only: whose address it goes to is read when it is sent, and kept nowhere. Only an explanation keeps words, those of its reasons.
    """
    CREATE TABLE notices.notice (
        notice_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        kind text NOT NULL,
        subject_id uuid NOT NULL,
        recipient_kind text NOT NULL CHECK (recipient_kind IN ('member', 'investor')),
        recipient_id uuid NOT NULL,
        told jsonb,
        asked_by uuid,
        state text NOT NULL CHECK (state IN ('waiting', 'sent', 'refused', 'dropped')),
        outcome text,
        attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        created_at timestamptz NOT NULL,
        next_attempt_at timestamptz NOT NULL,
        ended_at timestamptz,
        CHECK ((state = 'waiting') = (ended_at IS NULL))
    )
    """,
    "CREATE INDEX ON notices.notice (tenant_id, created_at DESC, notice_id DESC)",
    "CREATE INDEX ON notices.notice (recipient_id)",
    "ALTER TABLE settlement.instruction ADD COLUMN reason_rule text",
    "ALTER TABLE settlement.instruction ADD COLUMN reason_citation text",
    "ALTER TABLE settlement.instruction ADD COLUMN reason_cure text",
)


def upgrade() -> None:
    """Apply."""
    for statement in STATEMENTS:
        op.execute(statement)
    for statement in protect("notices", "notice", app_rights=("SELECT", "INSERT", "UPDATE")):
        op.execute(statement)
