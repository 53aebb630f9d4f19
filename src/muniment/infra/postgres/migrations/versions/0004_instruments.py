# SPDX-License-Identifier: Apache-2.0
"""Asset records, their personal values and documents, imported cap tables, securities, issuer suites and the platform's contracts."""

from alembic import op

from muniment.infra.postgres.row_security import grant, protect

revision = "0004"
down_revision = "0003"

ADDRESS = "~ '^0x[0-9a-fA-F]{40}$'"
HASH = "~ '^0x[0-9a-f]{64}$'"

TABLES = (
    "CREATE SCHEMA instruments",
    # `canonical_json` is what was hashed, byte for byte: jsonb would lose the order and the spelling that the id depends on.
    f"""
    CREATE TABLE instruments.asset_record (
        asset_record_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        asset_id text NOT NULL CHECK (asset_id {HASH}),
        kind text NOT NULL,
        title text NOT NULL,
        canonical_json bytea NOT NULL,
        recorded_by uuid,
        recorded_at timestamptz NOT NULL,
        UNIQUE (tenant_id, asset_id)
    )
    """,
    # The plain text and its salt, sealed together under a key of their own. Erasing sets key and text to NULL; the commitment stays.
    f"""
    CREATE TABLE instruments.personal_value (
        tenant_id uuid NOT NULL,
        asset_record_id uuid NOT NULL REFERENCES instruments.asset_record,
        name text NOT NULL,
        commitment text NOT NULL CHECK (commitment {HASH}),
        wrapped_key bytea,
        sealed bytea,
        erased_at timestamptz,
        PRIMARY KEY (asset_record_id, name),
        CHECK ((wrapped_key IS NULL) = (sealed IS NULL) AND (sealed IS NULL) = (erased_at IS NOT NULL))
    )
    """,
    # `in_record`: the asset record names this document's hashes, so its content is part of what the asset id proves.
    f"""
    CREATE TABLE instruments.document (
        document_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        asset_record_id uuid NOT NULL REFERENCES instruments.asset_record,
        name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
        media_type text NOT NULL,
        size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
        sha256 text NOT NULL CHECK (sha256 {HASH}),
        keccak256 text NOT NULL CHECK (keccak256 {HASH}),
        content bytea NOT NULL,
        in_record boolean NOT NULL,
        stored_by uuid,
        stored_at timestamptz NOT NULL,
        UNIQUE (asset_record_id, keccak256)
    )
    """,
    # A cap table package: the manifest and the list of defects may name people, so both are sealed.
    """
    CREATE TABLE instruments.ocf_package (
        asset_record_id uuid PRIMARY KEY REFERENCES instruments.asset_record,
        tenant_id uuid NOT NULL,
        as_of date NOT NULL,
        object_count integer NOT NULL CHECK (object_count >= 0),
        wrapped_key bytea NOT NULL,
        sealed_manifest bytea NOT NULL,
        sealed_defects bytea NOT NULL,
        imported_at timestamptz NOT NULL
    )
    """,
    f"""
    CREATE TABLE instruments.ocf_object (
        tenant_id uuid NOT NULL,
        asset_record_id uuid NOT NULL REFERENCES instruments.ocf_package,
        position integer NOT NULL CHECK (position >= 0),
        object_type text NOT NULL,
        object_token bytea NOT NULL,
        commitment text NOT NULL CHECK (commitment {HASH}),
        wrapped_key bytea,
        sealed bytea,
        erased_at timestamptz,
        PRIMARY KEY (asset_record_id, position),
        CHECK ((wrapped_key IS NULL) = (sealed IS NULL) AND (sealed IS NULL) = (erased_at IS NOT NULL))
    )
    """,
    "CREATE INDEX ON instruments.ocf_object (tenant_id, object_token)",
    f"""
    CREATE TABLE instruments.security (
        security_id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL,
        asset_record_id uuid NOT NULL REFERENCES instruments.asset_record,
        kind text NOT NULL,
        name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 64),
        symbol text NOT NULL CHECK (symbol ~ '^[A-Z0-9][A-Z0-9.-]{{0,10}}$'),
        decimals smallint NOT NULL CHECK (decimals BETWEEN 0 AND 18),
        currency text CHECK (currency ~ '^[A-Z]{{3}}$'),
        shares_authorized numeric(78, 0) CHECK (shares_authorized >= 0),
        share_class text,
        state text NOT NULL CHECK (state IN ('drafted', 'deploying', 'deployed', 'open', 'closed')),
        token_address text CHECK (token_address {ADDRESS}),
        deployed_block bigint,
        drafted_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        UNIQUE (tenant_id, symbol),
        CHECK ((state = 'drafted') = (token_address IS NULL)),
        CHECK ((state IN ('drafted', 'deploying')) = (deployed_block IS NULL))
    )
    """,
    "CREATE UNIQUE INDEX ON instruments.security (token_address)",
    # One row per issuer: the registries and rules its tokens share, and the account that acts for it on the chain.
    f"""
    CREATE TABLE instruments.issuer_suite (
        tenant_id uuid PRIMARY KEY,
        chain_id bigint NOT NULL,
        operator text NOT NULL CHECK (operator {ADDRESS}),
        contracts jsonb NOT NULL,
        state text NOT NULL CHECK (state IN ('deploying', 'deployed')),
        deployed_block bigint,
        begun_at timestamptz NOT NULL,
        CHECK ((state = 'deployed') = (deployed_block IS NOT NULL))
    )
    """,
    # The deed of a unique asset: whoever holds the token holds the asset.
    f"""
    CREATE TABLE instruments.title (
        asset_record_id uuid PRIMARY KEY REFERENCES instruments.asset_record,
        tenant_id uuid NOT NULL,
        token_id numeric(78, 0) NOT NULL CHECK (token_id >= 0),
        owner text NOT NULL CHECK (owner {ADDRESS}),
        state text NOT NULL CHECK (state IN ('requested', 'minted')),
        minted_block bigint,
        requested_at timestamptz NOT NULL,
        CHECK ((state = 'minted') = (minted_block IS NOT NULL))
    )
    """,
    f"""
    CREATE TABLE instruments.platform_contract (
        chain_id bigint NOT NULL,
        name text NOT NULL,
        address text NOT NULL CHECK (address {ADDRESS}),
        deployed_block bigint NOT NULL,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (chain_id, name)
    )
    """,
)

# What was recorded under an asset id never changes; only personal plain text may go, and only by erasing its key.
PROTECTED = {
    "asset_record": ("SELECT", "INSERT"),
    "personal_value": ("SELECT", "INSERT", "UPDATE"),
    "document": ("SELECT", "INSERT"),
    "ocf_package": ("SELECT", "INSERT"),
    "ocf_object": ("SELECT", "INSERT", "UPDATE"),
    "security": ("SELECT", "INSERT", "UPDATE"),
    "issuer_suite": ("SELECT", "INSERT", "UPDATE"),
    "title": ("SELECT", "INSERT", "UPDATE"),
}


def upgrade() -> None:
    """Apply."""
    for statement in TABLES:
        op.execute(statement)
    for table, rights in PROTECTED.items():
        for statement in protect("instruments", table, app_rights=rights):
            op.execute(statement)
    # Deployed by the platform's operator through any tenant's process; the same for all tenants, so it has no tenant.
    for statement in grant("instruments", "platform_contract", app_rights=("SELECT", "INSERT"), worker_rights=("SELECT", "INSERT")):
        op.execute(statement)
