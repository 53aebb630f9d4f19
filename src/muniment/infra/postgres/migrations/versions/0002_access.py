# SPDX-License-Identifier: Apache-2.0
"""Organisations, users, memberships, sessions, approvals, the audit log and idempotency keys, with the rules of who sees which row."""

from alembic import op

from muniment.infra.postgres.database import APP_ROLE, WORKER_ROLE
from muniment.infra.postgres.row_security import APPEND_ONLY, grant, protect

revision = "0002"
down_revision = "0001"

# A row found by a secret (an e-mail's search token, a session's hash) becomes visible to the transaction that named the secret.
LOOKED_UP = """
CREATE FUNCTION access.looked_up() RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT decode(nullif(current_setting('muniment.looked_up', true), ''), 'hex') $$
"""

TABLES = (
    """
    CREATE TABLE access.organisation (
        tenant_id uuid PRIMARY KEY,
        name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
        country text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
        state text NOT NULL CHECK (state IN ('active', 'closed')),
        founded_at timestamptz NOT NULL
    )
    """,
    # E-mail and name are sealed under the user's own key; the token finds the row without showing the address.
    """
    CREATE TABLE access.user_account (
        user_id uuid PRIMARY KEY,
        email_token bytea NOT NULL UNIQUE CHECK (octet_length(email_token) = 32),
        wrapped_key bytea NOT NULL,
        sealed bytea NOT NULL,
        password_hash text,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE access.membership (
        tenant_id uuid NOT NULL REFERENCES access.organisation,
        user_id uuid NOT NULL REFERENCES access.user_account,
        roles text[] NOT NULL,
        joined_at timestamptz NOT NULL,
        removed_at timestamptz,
        PRIMARY KEY (tenant_id, user_id)
    )
    """,
    "CREATE INDEX ON access.membership (user_id)",
    """
    CREATE TABLE access.invitation (
        tenant_id uuid NOT NULL REFERENCES access.organisation,
        token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
        user_id uuid NOT NULL REFERENCES access.user_account,
        roles text[] NOT NULL CHECK (cardinality(roles) > 0),
        invited_by uuid NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        accepted_at timestamptz,
        PRIMARY KEY (tenant_id, token_hash)
    )
    """,
    """
    CREATE TABLE access.session (
        session_id uuid PRIMARY KEY,
        token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
        user_id uuid NOT NULL REFERENCES access.user_account,
        tenant_id uuid REFERENCES access.organisation,
        created_at timestamptz NOT NULL,
        last_used_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz
    )
    """,
    "CREATE INDEX ON access.session (user_id) WHERE revoked_at IS NULL",
    # Failed sign-ins by account and by source; both are keyed hashes, so that the table names nobody.
    """
    CREATE TABLE access.sign_in_attempt (
        kind text NOT NULL CHECK (kind IN ('account', 'source')),
        subject_token bytea NOT NULL CHECK (octet_length(subject_token) = 32),
        failures integer NOT NULL CHECK (failures >= 0),
        first_at timestamptz NOT NULL,
        blocked_until timestamptz,
        PRIMARY KEY (kind, subject_token)
    )
    """,
    """
    CREATE TABLE access.approval_policy (
        tenant_id uuid NOT NULL REFERENCES access.organisation,
        action text NOT NULL,
        required boolean NOT NULL,
        PRIMARY KEY (tenant_id, action)
    )
    """,
    """
    CREATE TABLE access.approval (
        approval_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL REFERENCES access.organisation,
        action text NOT NULL,
        request jsonb NOT NULL,
        request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
        requested_by uuid NOT NULL,
        requested_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        state text NOT NULL CHECK (state IN ('requested', 'approved', 'rejected', 'expired', 'executed')),
        decided_by uuid CHECK (decided_by <> requested_by),
        decided_at timestamptz,
        rejection text,
        executed_at timestamptz,
        CHECK (state NOT IN ('approved', 'rejected', 'executed') OR (decided_by IS NOT NULL AND decided_at IS NOT NULL)),
        CHECK ((state = 'rejected') = (rejection IS NOT NULL)),
        CHECK ((state = 'executed') = (executed_at IS NOT NULL))
    )
    """,
    "CREATE UNIQUE INDEX ON access.approval (tenant_id, action, request_hash) WHERE state IN ('requested', 'approved')",
    "CREATE INDEX ON access.approval (tenant_id, approval_id DESC)",
    """
    CREATE TABLE access.audit_entry (
        tenant_id uuid NOT NULL,
        sequence bigint NOT NULL CHECK (sequence > 0),
        recorded_at timestamptz NOT NULL,
        actor_id uuid NOT NULL,
        action text NOT NULL,
        resource text NOT NULL,
        facts jsonb NOT NULL,
        previous_hash bytea NOT NULL CHECK (octet_length(previous_hash) = 32),
        entry_hash bytea NOT NULL CHECK (octet_length(entry_hash) = 32),
        PRIMARY KEY (tenant_id, sequence)
    )
    """,
    """
    CREATE TABLE access.idempotency_key (
        tenant_id uuid NOT NULL,
        key text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
        request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
        response_status integer,
        response_body jsonb,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, key)
    )
    """,
    "CREATE INDEX ON access.idempotency_key (created_at)",
)

# The log only grows, whoever asks: even the owner of the table would have to remove a trigger first, and then the chain of hashes shows it.
AUDIT_GUARDS = (
    """
    CREATE FUNCTION access.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
    END
    $$
    """,
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON access.audit_entry
    FOR EACH ROW EXECUTE FUNCTION access.refuse_audit_change()
    """,
    """
    CREATE TRIGGER never_truncated BEFORE TRUNCATE ON access.audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION access.refuse_audit_change()
    """,
    """
    CREATE FUNCTION access.check_audit_link() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE last access.audit_entry;
    BEGIN
        SELECT * INTO last FROM access.audit_entry WHERE tenant_id = NEW.tenant_id ORDER BY sequence DESC LIMIT 1;
        IF NEW.sequence <> coalesce(last.sequence, 0) + 1
            OR (last.entry_hash IS NOT NULL AND NEW.previous_hash <> last.entry_hash) THEN
            RAISE EXCEPTION 'an audit entry must follow the last one' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END
    $$
    """,
    """
    CREATE TRIGGER linked BEFORE INSERT ON access.audit_entry
    FOR EACH ROW EXECUTE FUNCTION access.check_audit_link()
    """,
)

OWN_TENANT = "tenant_id = infra.tenant()"
OWN_MEMBERSHIP = f"{OWN_TENANT} OR user_id = infra.signed_in_user()"
# Row security applies inside the subquery too, so "some membership" means one of this tenant or of this user.
OF_A_MEMBER = "EXISTS (SELECT FROM access.membership m WHERE m.user_id = user_account.user_id)"
OF_AN_INVITED = "EXISTS (SELECT FROM access.invitation i WHERE i.user_id = user_account.user_id)"
OF_A_MEMBERS_TENANT = "EXISTS (SELECT FROM access.membership m WHERE m.tenant_id = organisation.tenant_id)"
OWN_SESSION = f"{OWN_MEMBERSHIP} OR token_hash = access.looked_up()"
NEVER_DELETED = ("SELECT", "INSERT", "UPDATE")


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA access")
    for statement in (LOOKED_UP, *TABLES, *AUDIT_GUARDS):
        op.execute(statement)
    secured = [
        *protect("access", "organisation", app_rights=NEVER_DELETED, visible=f"{OWN_TENANT} OR {OF_A_MEMBERS_TENANT}"),
        *protect(
            "access",
            "user_account",
            app_rights=NEVER_DELETED,
            visible=f"user_id = infra.signed_in_user() OR email_token = access.looked_up() OR {OF_A_MEMBER} OR {OF_AN_INVITED}",
            writable="true",
        ),
        *protect("access", "membership", app_rights=NEVER_DELETED, visible=OWN_MEMBERSHIP),
        *protect("access", "invitation", app_rights=NEVER_DELETED),
        *protect("access", "session", app_rights=NEVER_DELETED, visible=OWN_SESSION, writable=OWN_SESSION),
        *protect("access", "approval_policy", app_rights=NEVER_DELETED),
        *protect("access", "approval", app_rights=NEVER_DELETED),
        *protect("access", "audit_entry", app_rights=APPEND_ONLY, worker_rights=APPEND_ONLY),
        *protect("access", "idempotency_key", app_rights=NEVER_DELETED),
        *grant("access", "sign_in_attempt"),
    ]
    for statement in secured:
        op.execute(statement)
    for function in ("looked_up", "check_audit_link", "refuse_audit_change"):
        op.execute(f"GRANT EXECUTE ON FUNCTION access.{function}() TO {APP_ROLE}, {WORKER_ROLE}")
