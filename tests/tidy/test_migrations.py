# SPDX-License-Identifier: Apache-2.0
"""Migrations: one chain, whole numbers for money and shares, forced row security for every row of an issuer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.tidy.migrations import Revision, read_all

Rule: TypeAlias = Callable[[Sequence[Revision]], Iterator[str]]

OURS = read_all()

# Names that hold money, shares or wei; `_units` covers the smallest units of any token.
_MONEY_NAME = re.compile(
    r"(.*_)?(shares|amount|balance|supply|pot|residue|units|wei|withheld|paid|gross|net)(_(max|min|authorized|total|wei|units))?"
)
# Where a row may have no tenant, and why.
TENANT_MAY_BE_NULL = {
    "access.session": "a session is a user's until an organisation is chosen",
    "infra.contract": "the platform's own contracts serve every tenant",
    "infra.sender": "the platform's operator sends for every tenant",
    "infra.chain_transaction": "the platform's own deployments belong to no tenant",
    "infra.chain_transaction_hash": "as the transaction it replaces",
    "infra.outbox_event": "an event of the platform",
    "infra.signing_key": "the platform's operator",
}
# A price is an exact decimal of any length; a scale would round it.
_PRICE_NAME = re.compile(r"(.*_)?(price|rate)(_.*)?")
_INEXACT = re.compile(r"\b(real|double precision|float[0-9]*|money)\b", flags=re.IGNORECASE)


def one_chain(revisions: Sequence[Revision]) -> Iterator[str]:
    """Each migration stands on the one before, and its file's number is its revision."""
    before = None
    for revision in revisions:
        if revision.revision != revision.file[:4]:
            yield f"{revision.file}: revision {revision.revision}"
        if revision.down_revision != before:
            yield f"{revision.file}: stands on {revision.down_revision}, not on {before}"
        before = revision.revision


def whole_numbers(revisions: Sequence[Revision]) -> Iterator[str]:
    """Money and shares are NUMERIC(78, 0), which holds a uint256, prices NUMERIC; none is negative and no column is inexact."""
    for revision in revisions:
        for column in revision.columns():
            place = f"{revision.file}: {column.table}.{column.name}"
            kind = column.definition.lower()
            if _INEXACT.match(kind):
                yield f"{place} is inexact"
            scale = r"(?!\s*\()" if _PRICE_NAME.fullmatch(column.name) else r"\s*\(78, ?0\)"
            if kind.startswith("numeric") and not re.match(rf"numeric{scale}", kind):
                yield f"{place} is {column.definition}, not numeric(78, 0)"
            if _MONEY_NAME.fullmatch(column.name) and not kind.startswith(("numeric", "boolean")):
                yield f"{place} is {column.definition}, not numeric(78, 0)"
            if kind.startswith("numeric") and not re.search(rf"CHECK \([^,]*\b{column.name}\b\s*(>|>=|BETWEEN|=)", column.table_text):
                yield f"{place} may be negative"


def row_security(revisions: Sequence[Revision]) -> Iterator[str]:
    """A table with a `tenant_id` has forced row security and a policy for either role; only named tables take rows without a tenant."""
    statements = [" ".join(statement.split()) for revision in revisions for statement in revision.statements]
    for revision in revisions:
        for column in revision.columns():
            if column.name != "tenant_id":
                continue
            table = re.escape(column.table)
            for wanted in (
                rf"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
                rf"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
                rf"CREATE POLICY \w+ ON {table} .*TO muniment_app .*(infra\.tenant\(\)|infra\.signed_in_user\(\))",
                rf"CREATE POLICY \w+ ON {table} .*TO muniment_worker ",
            ):
                if not any(re.match(wanted, statement) for statement in statements):
                    yield f"{revision.file}: {column.table} without {wanted}"
            if not re.search("NOT NULL|PRIMARY KEY", column.definition.upper()) and column.table not in TENANT_MAY_BE_NULL:
                yield f"{revision.file}: {column.table}.tenant_id may be null"
    for statement in statements:
        if re.search(r"(DISABLE|NO FORCE) ROW LEVEL SECURITY|BYPASSRLS", statement, flags=re.IGNORECASE):
            yield f"row security is taken off: {statement[:100]}"


RULES: tuple[Rule, ...] = (one_chain, whole_numbers, row_security)

HEAD = 'from alembic import op\nrevision = "0001"\ndown_revision = None\n'
PROTECTED = "".join(
    f'    op.execute("{statement}")\n'
    for statement in (
        "ALTER TABLE a.b ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE a.b FORCE ROW LEVEL SECURITY",
        "CREATE POLICY tenant ON a.b TO muniment_app USING (tenant_id = infra.tenant())",
        "CREATE POLICY worker ON a.b TO muniment_worker USING (true)",
    )
)


def migration(columns: str, *, protected: str = PROTECTED, head: str = HEAD) -> str:
    return f'{head}def upgrade():\n    op.execute("CREATE TABLE a.b ({columns})")\n{protected}'


GOOD = migration("tenant_id uuid NOT NULL, shares numeric(78, 0) NOT NULL CHECK (shares >= 0), PRIMARY KEY (tenant_id)")
OFFENCES: tuple[tuple[Rule, str], ...] = (
    (one_chain, migration("a text", head=HEAD.replace("0001", "0002"))),
    (one_chain, migration("a text", head=HEAD.replace("None", '"0009"'))),
    (whole_numbers, migration("shares bigint CHECK (shares >= 0)")),
    (whole_numbers, migration("price_rate double precision")),
    (whole_numbers, migration("shares numeric CHECK (shares >= 0)")),
    (whole_numbers, migration("rate numeric(20, 2) CHECK (rate >= 0)")),
    (whole_numbers, migration("shares numeric(78, 0)")),
    (row_security, migration("tenant_id uuid")),
    (row_security, migration("tenant_id uuid NOT NULL", protected=PROTECTED.replace("FORCE", "NO FORCE"))),
    (row_security, migration("tenant_id uuid NOT NULL", protected=PROTECTED.replace("infra.tenant()", "tenant_id"))),
    *(
        (row_security, migration("tenant_id uuid NOT NULL", protected=PROTECTED.replace(line + "\n", "")))
        for line in PROTECTED.splitlines()
    ),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_migrations_keep_the_rule(rule: Rule) -> None:
    broken = list(rule(OURS))
    assert not broken, f"{rule.__doc__}\n" + "\n".join(broken)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_migration_passes(rule: Rule, tmp_path: Path) -> None:
    (tmp_path / "0001_a.py").write_text(GOOD, encoding="utf-8")
    assert list(rule(read_all(tmp_path))) == []


@pytest.mark.parametrize(("rule", "text"), OFFENCES, ids=[f"{rule.__name__}-{number}" for number, (rule, _) in enumerate(OFFENCES)])
def test_a_migration_that_breaks_the_rule_is_found(rule: Rule, text: str, tmp_path: Path) -> None:
    (tmp_path / "0001_a.py").write_text(text, encoding="utf-8")
    assert list(rule(read_all(tmp_path)))


def test_every_column_of_the_migrations_is_read() -> None:
    columns = {(column.table, column.name) for revision in OURS for column in revision.columns()}
    assert {("infra.chain_transaction", "value_wei"), ("infra.chain_transaction", "tenant_id"), ("infra.block", "transactions")} <= columns
