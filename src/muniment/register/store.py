# SPDX-License-Identifier: Apache-2.0
"""The register's rows in PostgreSQL: the follower's writing side and the readers' side. What rows mean is decided in `model`."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from muniment.infra.postgres.database import METADATA
from muniment.parties.ports import Wallets
from muniment.register.errors import Behind
from muniment.register.model import (
    FUNGIBLE,
    ZERO_ADDRESS,
    Acquisition,
    Consideration,
    Holding,
    HoldingKey,
    Lockup,
    Lot,
    LotAnnotation,
    LotChanges,
    LotHolder,
    Movement,
    MovementKey,
    Notice,
    NoticeKind,
    PickingRule,
    RegisterContent,
    Taking,
    TokenEvent,
    TokenReference,
    acquisitions,
    add_up,
    lockups,
    lots_after,
    replay,
    touched,
)
from muniment.register.model.record_differences import FoundDifference, RecordDifference
from muniment.register.ports import MovementPlace, Origin, Tokens
from muniment.units.errors import plain
from muniment.units.ids import Address, InvestorId, LotId, SecurityId, TenantId, TransactionHash, UserId
from muniment.units.money import Money
from muniment.units.shares import Shares

WHOLE = sa.Numeric(78, 0)

MOVEMENT = sa.Table(
    "movement",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("token_address", sa.Text, primary_key=True),
    sa.Column("deed_id", WHOLE, nullable=False),
    sa.Column("block_number", sa.BigInteger, primary_key=True),
    sa.Column("log_index", sa.Integer, primary_key=True),
    sa.Column("from_wallet", sa.Text, nullable=False),
    sa.Column("to_wallet", sa.Text, nullable=False),
    sa.Column("shares", WHOLE, nullable=False),
    sa.Column("transaction_hash", sa.Text, nullable=False),
    sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
    schema="register",
)
NOTICE = sa.Table(
    "notice",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("token_address", sa.Text, primary_key=True),
    sa.Column("deed_id", WHOLE, nullable=False),
    sa.Column("block_number", sa.BigInteger, primary_key=True),
    sa.Column("log_index", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("wallet", sa.Text, nullable=False),
    sa.Column("new_wallet", sa.Text, nullable=False),
    sa.Column("shares", WHOLE, nullable=False),
    sa.Column("transaction_hash", sa.Text, nullable=False),
    sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("unlocks_at_seconds", sa.BigInteger, nullable=False),
    schema="register",
)
HOLDING = sa.Table(
    "holding",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("token_address", sa.Text, primary_key=True),
    sa.Column("deed_id", WHOLE, primary_key=True),
    sa.Column("wallet", sa.Text, primary_key=True),
    sa.Column("shares", WHOLE, nullable=False),
    sa.Column("frozen_shares", WHOLE, nullable=False),
    sa.Column("wallet_frozen", sa.Boolean, nullable=False),
    sa.Column("last_block_number", sa.BigInteger, nullable=False),
    sa.Column("last_log_index", sa.Integer, nullable=False),
    schema="register",
)

LOT = sa.Table(
    "lot",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("lot_id", sa.Uuid, primary_key=True),
    sa.Column("token_address", sa.Text, nullable=False),
    sa.Column("investor_id", sa.Uuid),
    sa.Column("wallet", sa.Text),
    sa.Column("quantity", WHOLE, nullable=False),
    sa.Column("opened_quantity", WHOLE, nullable=False),
    sa.Column("acquired_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("from_investor_id", sa.Uuid),
    sa.Column("from_wallet", sa.Text),
    sa.Column("origin_lot_id", sa.Uuid),
    sa.Column("holding_since", sa.DateTime(timezone=True), nullable=False),
    sa.Column("issuer_acquired_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("is_restricted", sa.Boolean, nullable=False),
    sa.Column("is_control", sa.Boolean, nullable=False),
    sa.Column("exemption", sa.Text),
    sa.Column("buyer_category", sa.Text),
    sa.Column("consideration", sa.Text, nullable=False),
    sa.Column("block_number", sa.BigInteger, nullable=False),
    sa.Column("log_index", sa.Integer, nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
    schema="register",
)
LOT_TAKING = sa.Table(
    "lot_taking",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("lot_id", sa.Uuid, primary_key=True),
    sa.Column("token_address", sa.Text, nullable=False),
    sa.Column("block_number", sa.BigInteger, primary_key=True),
    sa.Column("log_index", sa.Integer, primary_key=True),
    sa.Column("quantity", WHOLE, nullable=False),
    sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
    schema="register",
)
LOT_ANNOTATION = sa.Table(
    "lot_annotation",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("token_address", sa.Text, primary_key=True),
    sa.Column("transaction_hash", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("exemption", sa.Text),
    sa.Column("consideration", sa.Text),
    sa.Column("buyer_category", sa.Text),
    sa.Column("paid_minor_units", WHOLE),
    sa.Column("paid_currency", sa.Text),
    sa.Column("acquired_at", sa.DateTime(timezone=True)),
    sa.Column("holding_since", sa.DateTime(timezone=True)),
    sa.Column("is_restricted", sa.Boolean),
    sa.Column("is_control", sa.Boolean),
    sa.Column("picking", sa.Text),
    sa.Column("lots", sa.ARRAY(sa.Uuid), nullable=False),
    sa.Column("annotated_by", sa.Uuid, nullable=False),
    sa.Column("annotated_at", sa.DateTime(timezone=True), nullable=False),
    schema="register",
)

RECORD_DIFFERENCE = sa.Table(
    "record_difference",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("token_address", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("facts", postgresql.JSONB, nullable=False),
    sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("gone_at", sa.DateTime(timezone=True)),
    schema="register",
)

CONSUMER = "register"
"""The name under which the follower keeps the register's place in the chain."""

STILLNESS = 7_305_211
"""Advisory lock: the follower takes it alone when it writes, verifiers share it while they read."""

COPY_LINES = 5_000
"""Lines handed to one COPY write: a few hundred kilobytes."""

COPY_ROWS_MIN = 500
"""Fewer rows than this are inserted one statement each: a temporary table a block would swell the catalogue."""

_SQL_TYPES: Mapping[type[Any], str] = {
    sa.Uuid: "uuid",
    sa.Text: "text",
    sa.Numeric: "numeric",
    sa.BigInteger: "bigint",
    sa.Integer: "integer",
    sa.Boolean: "boolean",
    sa.DateTime: "timestamptz",
}


_HOLDER_ORDER = (sa.func.coalesce(sa.cast(LOT.c.investor_id, sa.Text), LOT.c.wallet).collate("C"),)
"""Holders as text, as the model orders them."""


class PostgresProjection:
    """Writes the projection over all tenants, on the follower's connection and in its transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def hold_still(self) -> None:
        """Keep verifiers out until the transaction ends."""
        self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock(STILLNESS)))

    def known_places(self, tokens: Sequence[Address], *, from_block: int, to_block: int) -> set[tuple[Address, int, int]]:
        """Return token, block and log index of each stored event of the tokens between two blocks, both included."""
        known: set[tuple[Address, int, int]] = set()
        for table in (MOVEMENT, NOTICE):
            rows = self._connection.execute(
                sa.select(table.c.token_address, table.c.block_number, table.c.log_index).where(
                    table.c.token_address == sa.any_(sa.literal(list(tokens), sa.ARRAY(sa.Text))),
                    table.c.block_number.between(from_block, to_block),
                )
            )
            known.update((Address(row.token_address), row.block_number, row.log_index) for row in rows)
        return known

    def append(self, tenants: Mapping[Address, TenantId], events: Iterable[TokenEvent]) -> None:
        """Store events that are not stored yet; many go by COPY through a temporary table, since COPY does not enter a protected one."""
        movements: list[Movement] = []
        notices: list[Notice] = []
        for event in events:
            if isinstance(event, Movement):
                movements.append(event)
            else:
                notices.append(event)
        owners = {token: str(tenant_id) for token, tenant_id in tenants.items()}
        self._insert(
            MOVEMENT,
            (
                f"{owners[m.token]}\t{m.token}\t{m.deed_id}\t{m.block_number}\t{m.log_index}\t{m.from_wallet}\t{m.to_wallet}"
                f"\t{m.shares}\t{m.transaction_hash}\t{m.occurred_at.isoformat()}\n"
                for m in movements
            ),
            count=len(movements),
        )
        self._insert(
            NOTICE,
            (
                f"{owners[n.token]}\t{n.token}\t{n.deed_id}\t{n.block_number}\t{n.log_index}\t{n.kind.value}\t{n.wallet}"
                f"\t{n.new_wallet}\t{n.shares}\t{n.transaction_hash}\t{n.occurred_at.isoformat()}\t{n.unlocks_at}\n"
                for n in notices
            ),
            count=len(notices),
        )

    def holdings_at(self, keys: Iterable[HoldingKey]) -> Sequence[Holding]:
        """Return the stored holdings among `keys`. Nobody else writes them while the follower holds still."""
        with self._wanted(keys) as wanted:
            rows = self._connection.execute(
                sa.text(f"SELECT holding.* FROM register.holding JOIN {wanted} USING (token_address, deed_id, wallet)")  # noqa: S608  own name
            ).all()
        return [_holding(row) for row in rows]

    def put(self, tenants: Mapping[Address, TenantId], keys: Iterable[HoldingKey], holdings: Iterable[Holding]) -> None:
        """Set the holdings of `keys` to `holdings`; a key without one loses its row."""
        kept = list(holdings)
        owners = {token: str(tenant_id) for token, tenant_id in tenants.items()}
        gone = set(keys).difference(holding.key for holding in kept)
        if gone:
            with self._wanted(gone) as wanted:
                self._connection.execute(
                    sa.text(
                        f"DELETE FROM register.holding USING {wanted} WHERE holding.token_address = wanted.token_address"  # noqa: S608  own name
                        " AND holding.deed_id = wanted.deed_id AND holding.wallet = wanted.wallet"
                    )
                )
        self._insert(
            HOLDING,
            (
                f"{owners[h.token]}\t{h.token}\t{h.deed_id}\t{h.wallet}\t{h.shares}\t{h.frozen_shares}\t{'t' if h.wallet_frozen else 'f'}"
                f"\t{h.last_block_number}\t{h.last_log_index}\n"
                for h in kept
            ),
            count=len(kept),
            conflict=(
                " ON CONFLICT (token_address, deed_id, wallet) DO UPDATE SET shares = excluded.shares,"
                " frozen_shares = excluded.frozen_shares, wallet_frozen = excluded.wallet_frozen,"
                " last_block_number = excluded.last_block_number, last_log_index = excluded.last_log_index"
            ),
        )

    def events_above(self, block_number: int) -> Sequence[TokenEvent]:
        """Return the stored events of later blocks."""
        return _events(
            self._connection.execute(sa.select(MOVEMENT).where(MOVEMENT.c.block_number > block_number)),
            self._connection.execute(sa.select(NOTICE).where(NOTICE.c.block_number > block_number)),
        )

    def remove_above(self, block_number: int) -> None:
        """Forget the events of later blocks."""
        self._connection.execute(sa.delete(MOVEMENT).where(MOVEMENT.c.block_number > block_number))
        self._connection.execute(sa.delete(NOTICE).where(NOTICE.c.block_number > block_number))

    def remove_everything(self) -> None:
        """Forget all events and holdings."""
        for table in (MOVEMENT, NOTICE, HOLDING):
            self._connection.execute(sa.delete(table))

    def events_of(self, keys: Iterable[HoldingKey]) -> Sequence[TokenEvent]:
        """Return the stored events that touch any of `keys`, in the chain's order."""
        same = "movement.token_address = wanted.token_address AND movement.deed_id = wanted.deed_id"
        with self._wanted(keys) as wanted:
            movements = self._connection.execute(
                sa.text(
                    f"SELECT movement.* FROM register.movement JOIN {wanted} ON {same} AND movement.from_wallet = wanted.wallet"  # noqa: S608  own
                    f" UNION SELECT movement.* FROM register.movement JOIN {wanted} ON {same} AND movement.to_wallet = wanted.wallet"
                )
            ).all()
            notices = self._connection.execute(
                sa.text(
                    f"SELECT notice.* FROM register.notice JOIN {wanted} ON notice.token_address = wanted.token_address"  # noqa: S608  own name
                    " AND notice.deed_id = wanted.deed_id AND notice.wallet = wanted.wallet"
                )
            ).all()
        return _events(movements, notices)

    def tenants_of(self, tokens: Iterable[Address]) -> Mapping[Address, TenantId]:
        """Return the tenant of each token that has stored events."""
        found: dict[Address, TenantId] = {}
        for token in set(tokens):
            for table in (MOVEMENT, NOTICE):
                tenant_id = self._connection.scalar(sa.select(table.c.tenant_id).where(table.c.token_address == token).limit(1))
                if tenant_id is not None:
                    found[token] = TenantId(tenant_id)
        return found

    @contextmanager
    def _wanted(self, keys: Iterable[HoldingKey]) -> Iterator[str]:
        """Put the keys where SQL can join them, under the alias `wanted`; gone again afterwards."""
        self._connection.exec_driver_sql(
            'CREATE TEMPORARY TABLE wanted_key (token_address text COLLATE "C", deed_id numeric, wallet text COLLATE "C") ON COMMIT DROP'
        )
        self._copy("wanted_key", (f"{token}\t{deed_id}\t{wallet}\n" for token, deed_id, wallet in keys))
        # Without figures the planner would loop over a table that it takes for tiny.
        self._connection.exec_driver_sql("ANALYZE wanted_key")
        yield "wanted_key AS wanted"
        self._connection.exec_driver_sql("DROP TABLE wanted_key")

    def _insert(self, table: sa.Table, lines: Iterable[str], *, count: int, conflict: str = "") -> None:
        """Insert rows given as COPY's text lines (tab between columns; no value needs an escape)."""
        if count == 0:
            return
        if count < COPY_ROWS_MIN:
            rows = [dict(zip(table.c.keys(), line.rstrip("\n").split("\t"), strict=True)) for line in lines]
            columns = ", ".join(table.c.keys())
            values = ", ".join(f"CAST(:{column.name} AS {_SQL_TYPES[type(column.type)]})" for column in table.c)
            self._connection.execute(sa.text(f"INSERT INTO {table.fullname} ({columns}) VALUES ({values}){conflict}"), rows)  # noqa: S608  own
            return
        staged = f"staged_{table.name}"
        self._connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {staged} (LIKE {table.fullname}) ON COMMIT DROP")
        self._copy(staged, lines)
        self._connection.exec_driver_sql(f"INSERT INTO {table.fullname} SELECT * FROM {staged}{conflict}")  # noqa: S608  own names
        self._connection.exec_driver_sql(f"DROP TABLE {staged}")

    def _copy(self, table: str, lines: Iterable[str]) -> None:
        raw = cast("psycopg.Connection[Any]", self._connection.connection.driver_connection)
        chunk: list[str] = []
        with raw.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
            for line in lines:
                chunk.append(line)
                if len(chunk) >= COPY_LINES:
                    copy.write("".join(chunk))
                    chunk.clear()
            if chunk:
                copy.write("".join(chunk))


class PostgresRegister:
    """Reads one tenant's register. `tokens` says which token a security is; `wallets` whose a wallet is."""

    def __init__(self, connection: sa.Connection, *, tokens: Tokens, wallets: Wallets) -> None:
        self._connection = connection
        self._tokens = tokens
        self._wallets = wallets

    def balance_of(self, security_id: SecurityId, wallet: Address) -> Shares:
        """Return what a wallet holds; 0 for one that holds nothing."""
        return self.balances_of(security_id, [wallet])[wallet]

    def balances_of(self, security_id: SecurityId, wallets: Sequence[Address]) -> Mapping[Address, Shares]:
        """Return what each wallet holds, 0 included."""
        rows = self._connection.execute(
            sa.select(HOLDING.c.wallet, HOLDING.c.shares).where(
                *self._of(HOLDING, security_id), HOLDING.c.wallet == sa.any_(sa.literal(list(wallets), sa.ARRAY(sa.Text)))
            )
        )
        held = {row.wallet: int(row.shares) for row in rows}
        return {wallet: Shares(held.get(wallet, 0)) for wallet in wallets}

    def investor_balance(self, security_id: SecurityId, investor_id: InvestorId) -> Shares:
        """Return the sum over all wallets of the investor."""
        return Shares(sum(self.balances_of(security_id, [wallet.address for wallet in self._wallets.of_investor(investor_id)]).values()))

    def is_frozen(self, security_id: SecurityId, wallet: Address) -> bool:
        """Return whether the whole wallet is frozen."""
        holding = self.holding(security_id, wallet)
        return holding is not None and holding.wallet_frozen

    def frozen_wallets(self, security_id: SecurityId) -> frozenset[Address]:
        """Return the wallets that are frozen as a whole."""
        rows = self._connection.scalars(sa.select(HOLDING.c.wallet).where(*self._of(HOLDING, security_id), HOLDING.c.wallet_frozen))
        return frozenset(Address(wallet) for wallet in rows)

    def frozen_shares(self, security_id: SecurityId, wallet: Address) -> Shares:
        """Return how many of a wallet's shares are frozen."""
        holding = self.holding(security_id, wallet)
        return Shares(0 if holding is None else holding.frozen_shares)

    def lockups(self, security_id: SecurityId, wallets: Sequence[Address] | None = None) -> Mapping[Address, Sequence[Lockup]]:
        """Return what is locked of each wallet, or of some, with tranches that have ended and were never released."""
        query = sa.select(NOTICE).where(
            *self._of(NOTICE, security_id), NOTICE.c.kind.in_([NoticeKind.SHARES_LOCKED.value, NoticeKind.SHARES_RELEASED.value])
        )
        if wallets is not None:
            query = query.where(NOTICE.c.wallet == sa.any_(sa.literal(list(wallets), sa.ARRAY(sa.Text))))
        return lockups(_notice(row) for row in self._connection.execute(query))

    def is_paused(self, security_id: SecurityId) -> bool:
        """Return whether the token is paused; tokens start paused."""
        kind = self._connection.scalar(
            sa.select(NOTICE.c.kind)
            .where(*self._of(NOTICE, security_id), NOTICE.c.kind.in_([NoticeKind.PAUSED.value, NoticeKind.UNPAUSED.value]))
            .order_by(NOTICE.c.block_number.desc(), NOTICE.c.log_index.desc())
            .limit(1)
        )
        return kind != NoticeKind.UNPAUSED.value

    def supply(self, security_id: SecurityId) -> Shares:
        """Return the sum of all holdings."""
        total = self._connection.scalar(
            sa.select(sa.func.coalesce(sa.func.sum(HOLDING.c.shares), 0)).where(*self._of(HOLDING, security_id))
        )
        return Shares(int(total or 0))

    def holder_count(self, security_id: SecurityId) -> int:
        """Return how many investors (and wallets of nobody known) hold at least one base unit."""
        wallets = [
            Address(wallet)
            for wallet in self._connection.scalars(sa.select(HOLDING.c.wallet).where(*self._of(HOLDING, security_id), HOLDING.c.shares > 0))
        ]
        known = self._wallets.by_addresses(wallets)
        return len({known[wallet].investor_id if wallet in known else wallet for wallet in wallets})

    def holding(self, security_id: SecurityId, wallet: Address) -> Holding | None:
        """Return a wallet's holding, or None where it holds nothing and is not frozen."""
        row = self._connection.execute(sa.select(HOLDING).where(*self._of(HOLDING, security_id), HOLDING.c.wallet == wallet)).one_or_none()
        return None if row is None else _holding(row)

    def holdings(self, security_id: SecurityId) -> Sequence[Holding]:
        """Return every holding, by wallet."""
        return self._holdings(self._token(security_id))

    def _holdings(self, token: TokenReference) -> Sequence[Holding]:
        rows = self._connection.execute(sa.select(HOLDING).where(*_rows_of(HOLDING, token)).order_by(HOLDING.c.wallet))
        return [_holding(row) for row in rows]

    def holdings_after(self, security_id: SecurityId, block_number: int, *, block_hash: str | None = None) -> Sequence[Holding]:
        """Return every holding as it was after a block, by wallet; `register.behind` where that block is not read yet.

        With `block_hash` (lower-case hex), also where another block of that number was read, on a branch that the chain has left.
        """
        return self._holdings_after(self._token(security_id), block_number, block_hash=block_hash)

    def _holdings_after(self, token: TokenReference, block_number: int, *, block_hash: str | None = None) -> Sequence[Holding]:
        self._hold_still()
        read_block = self.read_block() if self._is_followed(token) else -1
        if block_number > read_block or block_hash not in {None, self._read_hash(block_number)}:
            raise Behind(read_block=read_block, asked_block=block_number)
        later = self._events(token, MOVEMENT.c.block_number > block_number, NOTICE.c.block_number > block_number)
        stored = self._holdings(token)
        if not later:
            return stored
        moved = touched(later)
        wallets = sorted({key[2] for key in moved})
        among = sa.any_(sa.literal(wallets, sa.ARRAY(sa.Text)))
        earlier = self._events(
            token,
            (MOVEMENT.c.block_number <= block_number) & ((MOVEMENT.c.from_wallet == among) | (MOVEMENT.c.to_wallet == among)),
            (NOTICE.c.block_number <= block_number) & (NOTICE.c.wallet == among),
        )
        # Only holdings that moved since are added up again: of a stored row that did not, the row itself is what is asked for.
        rewound = {key: holding for key, holding in add_up(earlier).items() if key in moved}
        return sorted([*(holding for holding in stored if holding.key not in moved), *rewound.values()], key=lambda holding: holding.wallet)

    def securities_held(self, wallet: Address) -> Sequence[Address]:
        """Return the token contracts in which the wallet has a holding."""
        return [
            Address(token)
            for token in self._connection.scalars(
                sa.select(HOLDING.c.token_address).where(HOLDING.c.wallet == wallet, HOLDING.c.shares > 0).distinct()
            )
        ]

    def movements(
        self, security_id: SecurityId, *, wallet: Address | None = None, before: MovementPlace | None = None, limit: int = 100
    ) -> Sequence[Movement]:
        """Return movements from newest to oldest, those before a place where one is given, of one wallet where one is given."""
        query = sa.select(MOVEMENT).where(*self._of(MOVEMENT, security_id))
        if wallet is not None:
            query = query.where((MOVEMENT.c.from_wallet == wallet) | (MOVEMENT.c.to_wallet == wallet))
        if before is not None:
            query = query.where(sa.tuple_(MOVEMENT.c.block_number, MOVEMENT.c.log_index) < sa.tuple_(before.block_number, before.log_index))
        rows = self._connection.execute(query.order_by(MOVEMENT.c.block_number.desc(), MOVEMENT.c.log_index.desc()).limit(limit))
        return [_movement(row) for row in rows]

    def movements_in(self, token: Address, transaction_hash: str) -> Sequence[Movement]:
        """Return the movements that one transaction made, in their order."""
        rows = self._connection.execute(
            sa.select(MOVEMENT)
            .where(MOVEMENT.c.token_address == token, MOVEMENT.c.transaction_hash == transaction_hash)
            .order_by(MOVEMENT.c.log_index)
        )
        return [_movement(row) for row in rows]

    def mints_and_burns(self, security_id: SecurityId) -> Sequence[Movement]:
        """Return the movements that created or destroyed shares, in the chain's order."""
        rows = self._connection.execute(
            sa.select(MOVEMENT)
            .where(*self._of(MOVEMENT, security_id), (MOVEMENT.c.from_wallet == ZERO_ADDRESS) | (MOVEMENT.c.to_wallet == ZERO_ADDRESS))
            .order_by(MOVEMENT.c.block_number, MOVEMENT.c.log_index)
        )
        return [_movement(row) for row in rows]

    def notices(self, security_id: SecurityId) -> Sequence[Notice]:
        """Return every notice in the chain's order."""
        rows = self._connection.execute(
            sa.select(NOTICE).where(*self._of(NOTICE, security_id)).order_by(NOTICE.c.block_number, NOTICE.c.log_index)
        )
        return [_notice(row) for row in rows]

    def recoveries(self) -> Sequence[Notice]:
        """Return every recovery of a wallet, of any of the issuer's tokens, in the chain's order."""
        rows = self._connection.execute(
            sa.select(NOTICE)
            .where(NOTICE.c.kind == NoticeKind.RECOVERED.value)
            .order_by(NOTICE.c.block_number, NOTICE.c.log_index, NOTICE.c.token_address)
        )
        return [_notice(row) for row in rows]

    def deed_contracts(self) -> Sequence[TokenReference]:
        """Return the issuer's contracts of title deeds, each with all its deeds, by address."""
        rows = self._connection.execute(
            sa.text("SELECT address, deployed_block FROM infra.contract WHERE tenant_id IS NOT NULL AND artifact = 'title_deed' ORDER BY 1")
        )
        return [TokenReference(Address(row.address), deed_id=None, deployed_block=row.deployed_block) for row in rows]

    def content_after(self, token: TokenReference, block_number: int) -> RegisterContent:
        """Return the whole register of a token after a block, held still against the follower while it is read."""
        holdings = self._holdings_after(token, block_number)
        events = self._events(token, MOVEMENT.c.block_number <= block_number, NOTICE.c.block_number <= block_number)
        return RegisterContent.of(events, holdings=holdings)

    def read_block(self) -> int:
        """Return the number of the last block that the follower has given to the register; -1 before the first."""
        number = self._connection.scalar(
            sa.text("SELECT block_number FROM infra.follower_cursor WHERE consumer = :consumer"), {"consumer": CONSUMER}
        )
        return -1 if number is None else int(number)

    def _read_hash(self, block_number: int) -> str:
        """Return the hash of the block of that number as the follower read it; empty where it read none."""
        found = self._connection.scalar(sa.text("SELECT hash FROM infra.block WHERE number = :number"), {"number": block_number})
        return "" if found is None else bytes(found).hex()

    def _is_followed(self, token: TokenReference) -> bool:
        """Return whether every log of the token up to the follower's place has been handed out."""
        followed = self._connection.scalar(
            sa.text("SELECT is_followed FROM infra.contract WHERE address = :address"), {"address": token.address}
        )
        return bool(followed)

    def _hold_still(self) -> None:
        self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(STILLNESS)))

    def _token(self, security_id: SecurityId) -> TokenReference:
        return self._tokens.token_of(security_id)

    def _of(self, table: sa.Table, security_id: SecurityId) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return _rows_of(table, self._token(security_id))

    def _events(self, token: TokenReference, movements: sa.ColumnElement[bool], notices: sa.ColumnElement[bool]) -> Sequence[TokenEvent]:
        return _events(
            self._connection.execute(sa.select(MOVEMENT).where(*_rows_of(MOVEMENT, token), movements)),
            self._connection.execute(sa.select(NOTICE).where(*_rows_of(NOTICE, token), notices)),
        )


class PostgresLotProjection:
    """Writes lots, of all issuers on the follower's connection or of one in a command's transaction: row security tells which."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def hold_still(self) -> None:
        """Keep the follower and verifiers out until the transaction ends."""
        self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock(STILLNESS)))

    def is_stale(self, token: Address) -> bool:
        """Return whether a wallet that has lots of its own belongs to an investor by now: then they have to be made again."""
        return bool(
            self._connection.scalar(
                sa.text(
                    "SELECT EXISTS (SELECT FROM register.lot JOIN parties.wallet"
                    " ON wallet.tenant_id = lot.tenant_id AND wallet.address = lot.wallet WHERE lot.token_address = :token)"
                ),
                {"token": token},
            )
        )

    def last_block(self, token: Address) -> int:
        """Return the block of the last movement that opened a lot or took of one; -1 before the first."""
        numbers = [
            self._connection.scalar(sa.select(sa.func.max(table.c.block_number)).where(table.c.token_address == token))
            for table in (LOT, LOT_TAKING)
        ]
        return max((int(number) for number in numbers if number is not None), default=-1)

    def events_after(self, token: Address, block_number: int) -> Sequence[TokenEvent]:
        """Return the token's stored movements and recoveries of later blocks, in the chain's order."""
        return self._events_between(token, block_number + 1, None)

    def _events_between(self, token: Address, first: int, last: int | None) -> Sequence[TokenEvent]:
        def among(table: sa.Table) -> list[sa.ColumnElement[bool]]:
            until = [] if last is None else [table.c.block_number <= last]
            return [table.c.token_address == token, table.c.deed_id == FUNGIBLE, table.c.block_number >= first, *until]

        return _events(
            self._connection.execute(sa.select(MOVEMENT).where(*among(MOVEMENT))),
            self._connection.execute(sa.select(NOTICE).where(*among(NOTICE), NOTICE.c.kind == NoticeKind.RECOVERED.value)),
        )

    def open_lots(self, token: Address, holders: Iterable[LotHolder] | None = None) -> Sequence[Lot]:
        """Return the lots of a token of which something is left, of some holders where given."""
        query = sa.select(LOT).where(LOT.c.token_address == token, LOT.c.quantity > 0)
        if holders is not None:
            query = query.where(_held_by(holders))
        return [_lot(row) for row in self._connection.execute(query)]

    def opened_at(self, token: Address, places: Collection[tuple[int, int]]) -> Sequence[Lot]:
        """Return the lots that movements at these places (block, log index) opened, in the chain's order."""
        query = sa.select(LOT).where(LOT.c.token_address == token, sa.tuple_(LOT.c.block_number, LOT.c.log_index).in_(list(places)))
        return [_lot(row) for row in self._connection.execute(query.order_by(LOT.c.block_number, LOT.c.log_index, LOT.c.part))]

    def owners(self, token: Address, wallets: Iterable[Address]) -> Mapping[Address, InvestorId]:
        """Return whose the wallets are, as far as the token's issuer knows."""
        rows = self._connection.execute(
            sa.text(
                "SELECT address, investor_id FROM parties.wallet WHERE address = ANY(:wallets)"
                " AND tenant_id = (SELECT tenant_id FROM register.movement WHERE token_address = :token LIMIT 1)"
            ),
            {"token": token, "wallets": list(set(wallets))},
        )
        return {Address(row.address): InvestorId(row.investor_id) for row in rows}

    def annotations(self, token: Address, transactions: Iterable[TransactionHash] | None = None) -> Mapping[MovementKey, LotAnnotation]:
        """Return what was said about the token's movements, of some transactions where given."""
        query = sa.select(LOT_ANNOTATION).where(LOT_ANNOTATION.c.token_address == token)
        if transactions is not None:
            wanted = sa.literal(list(set(transactions)), sa.ARRAY(sa.Text))
            query = query.where(LOT_ANNOTATION.c.transaction_hash == sa.any_(wanted))
        return {(TransactionHash(row.transaction_hash), row.position): _annotation(row) for row in self._connection.execute(query)}

    def apply(self, token: Address, changes: LotChanges) -> None:
        """Store new lots and takings, and take the takings off their lots."""
        tenant_id = self._tenant_of(token)
        self._add(LOT, [{"tenant_id": tenant_id, **_lot_row(lot)} for lot in changes.opened])
        self._add(
            LOT_TAKING,
            [
                {
                    "tenant_id": tenant_id,
                    "lot_id": taking.lot_id,
                    "token_address": token,
                    "block_number": taking.block_number,
                    "log_index": taking.log_index,
                    "quantity": taking.quantity,
                    "occurred_at": taking.occurred_at,
                }
                for taking in changes.takings
            ],
        )
        taken: Counter[LotId] = Counter()
        for taking in changes.takings:
            taken[taking.lot_id] += taking.quantity
        if taken:
            self._connection.execute(
                sa.text(
                    "UPDATE register.lot SET quantity = lot.quantity - taken.quantity FROM unnest(CAST(:lots AS uuid[]),"
                    " CAST(:quantities AS numeric[])) AS taken (lot_id, quantity) WHERE lot.lot_id = taken.lot_id"
                ),
                {"lots": list(taken.keys()), "quantities": [Decimal(quantity) for quantity in taken.values()]},
            )

    def _add(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows; many go by COPY through a temporary table, since COPY does not enter a protected one."""
        if not rows:
            return
        if len(rows) < COPY_ROWS_MIN:
            self._connection.execute(sa.insert(table), list(rows))
            return
        staged = f"staged_{table.name}"
        columns = ", ".join(rows[0])
        self._connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {staged} (LIKE {table.fullname}) ON COMMIT DROP")
        raw = cast("psycopg.Connection[Any]", self._connection.connection.driver_connection)
        with raw.cursor() as cursor, cursor.copy(f"COPY {staged} ({columns}) FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(list(row.values()))
        self._connection.exec_driver_sql(f"INSERT INTO {table.fullname} ({columns}) SELECT {columns} FROM {staged}")  # noqa: S608  own names
        self._connection.exec_driver_sql(f"DROP TABLE {staged}")

    def remove(self, token: Address) -> None:
        """Forget every lot of a token."""
        for table in (LOT_TAKING, LOT):
            self._connection.execute(sa.delete(table).where(table.c.token_address == token))

    def take_out(self, token: Address, holders: Collection[LotHolder], *, from_block: int) -> tuple[Sequence[Lot], Sequence[Lot]]:
        """Undo what movements from a block on did to the lots of some holders; return those open before, and those opened since.

        Of the latter, which are forgotten, nothing is taken yet. What the same movements did to other holders stays.
        """
        theirs = sa.and_(LOT.c.token_address == token, _held_by(holders))
        since = sa.and_(
            LOT_TAKING.c.token_address == token,
            LOT_TAKING.c.block_number >= from_block,
            LOT_TAKING.c.lot_id.in_(sa.select(LOT.c.lot_id).where(theirs)),
        )
        taken = (
            sa.select(LOT_TAKING.c.lot_id, sa.func.sum(LOT_TAKING.c.quantity).label("quantity"))
            .where(since)
            .group_by(LOT_TAKING.c.lot_id)
            .subquery()
        )
        self._connection.execute(sa.update(LOT).where(LOT.c.lot_id == taken.c.lot_id).values(quantity=LOT.c.quantity + taken.c.quantity))
        self._connection.execute(sa.delete(LOT_TAKING).where(since))
        before = self._connection.execute(sa.select(LOT).where(theirs, LOT.c.block_number < from_block, LOT.c.quantity > 0)).all()
        gone = self._connection.execute(sa.delete(LOT).where(theirs, LOT.c.block_number >= from_block).returning(*LOT.c)).all()
        return [_lot(row) for row in before], [_lot(row) for row in gone]

    def remove_above(self, block_number: int) -> None:
        """Forget the lots of later blocks, and give back what later blocks took."""
        self._connection.execute(sa.delete(LOT).where(LOT.c.block_number > block_number))
        self._connection.execute(
            sa.text(
                "UPDATE register.lot SET quantity = lot.quantity + taken.quantity FROM (SELECT lot_id, sum(quantity) AS quantity"
                " FROM register.lot_taking WHERE block_number > :number GROUP BY lot_id) AS taken WHERE taken.lot_id = lot.lot_id"
            ),
            {"number": block_number},
        )
        self._connection.execute(sa.delete(LOT_TAKING).where(LOT_TAKING.c.block_number > block_number))

    def _tenant_of(self, token: Address) -> TenantId:
        tenant_id = self._connection.scalar(sa.select(MOVEMENT.c.tenant_id).where(MOVEMENT.c.token_address == token).limit(1))
        assert tenant_id is not None, "lots come from movements"
        return TenantId(tenant_id)


class PostgresLots(PostgresLotProjection):
    """Reads one issuer's lots, and keeps what officers say about movements. `tokens` says which token a security is."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId, tokens: Tokens) -> None:
        super().__init__(connection)
        self._tenant_id = tenant_id
        self._tokens = tokens

    def of_security(
        self,
        security_id: SecurityId,
        *,
        investor_id: InvestorId | None = None,
        at: dt.datetime | None = None,
        block_number: int | None = None,
    ) -> Sequence[Lot]:
        """Return the lots that are open, or were after the blocks until an instant or a block, of one investor where one is given.

        By holder, then by acquisition. Right even where a wallet has changed hands since they were stored.
        """
        token = self._tokens.token_of(security_id).address
        if self.is_stale(token):
            return self._replayed(token, investor_id=investor_id, at=at, block_number=block_number)
        query = sa.select(LOT).where(LOT.c.token_address == token)
        if investor_id is not None:
            query = query.where(LOT.c.investor_id == investor_id)
        if at is None and block_number is None:
            return _by_holder(_lot(row) for row in self._connection.execute(query.where(LOT.c.quantity > 0)))
        lots = [_lot(row) for row in self._connection.execute(query.where(*_until(LOT, at=at, block_number=block_number)))]
        takings = sa.select(LOT_TAKING).where(LOT_TAKING.c.token_address == token, *_until(LOT_TAKING, at=at, block_number=block_number))
        if investor_id is not None:
            own = sa.select(LOT.c.lot_id).where(LOT.c.token_address == token, LOT.c.investor_id == investor_id)
            takings = takings.where(LOT_TAKING.c.lot_id.in_(own))
        return lots_after(LotChanges(tuple(lots), tuple(_taking(row) for row in self._connection.execute(takings))))

    def page(
        self, security_id: SecurityId, *, investor_id: InvestorId | None = None, after: LotId | None = None, limit: int
    ) -> Sequence[Lot] | None:
        """Return at most `limit` of the open lots, by holder, then by acquisition: those after one of them where it is given.

        None where `after` is no open lot among them.
        """
        token = self._tokens.token_of(security_id).address
        if self.is_stale(token):
            lots = self._replayed(token, investor_id=investor_id, at=None, block_number=None)
            places = {lot.lot_id: index for index, lot in enumerate(lots)}
            start = -1 if after is None else places.get(after)
            return None if start is None else lots[start + 1 : start + 1 + limit]
        order = (*_HOLDER_ORDER, LOT.c.acquired_at, LOT.c.block_number, LOT.c.log_index, LOT.c.part)
        query = sa.select(LOT).where(LOT.c.token_address == token, LOT.c.quantity > 0)
        if investor_id is not None:
            query = query.where(LOT.c.investor_id == investor_id)
        if after is not None:
            place = self._connection.execute(query.where(LOT.c.lot_id == after).with_only_columns(*order)).first()
            if place is None:
                return None
            query = query.where(
                sa.tuple_(*order) > sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(place, order, strict=True)))
            )
        return [_lot(row) for row in self._connection.execute(query.order_by(*order).limit(limit))]

    def of_holders(self, security_id: SecurityId, holders: Collection[LotHolder]) -> Sequence[Lot]:
        """Return the open lots of some holders, by holder, then by acquisition."""
        token = self._tokens.token_of(security_id).address
        if self.is_stale(token):
            wanted = set(holders)
            return [lot for lot in self._replayed(token, investor_id=None, at=None, block_number=None) if lot.holder in wanted]
        return _by_holder(self.open_lots(token, holders))

    def _replayed(
        self, token: Address, *, investor_id: InvestorId | None, at: dt.datetime | None, block_number: int | None
    ) -> Sequence[Lot]:
        events = [event for event in self._events_between(token, 0, block_number) if at is None or event.occurred_at <= at]
        wallets = [wallet for event in events if isinstance(event, Movement) for wallet in (event.from_wallet, event.to_wallet)]
        changes = replay(events, owners=self.owners(token, wallets), annotations=self.annotations(token))
        return [lot for lot in lots_after(changes) if investor_id is None or lot.holder == investor_id]

    def acquisitions(
        self, security_id: SecurityId, *, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> Sequence[Acquisition]:
        """Return the security's movements with both sides and what was said, from `since` on and before `until`, oldest first."""
        token = self._tokens.token_of(security_id)
        query = sa.select(MOVEMENT).where(*_rows_of(MOVEMENT, token))
        if since is not None:
            query = query.where(MOVEMENT.c.occurred_at >= since)
        if until is not None:
            query = query.where(MOVEMENT.c.occurred_at < until)
        rows = self._connection.execute(query.order_by(MOVEMENT.c.block_number, MOVEMENT.c.log_index))
        found = [_movement(row) for row in rows]
        owners = self.owners(token.address, [wallet for movement in found for wallet in (movement.from_wallet, movement.to_wallet)])
        return acquisitions(found, owners=owners, annotations=self.annotations(token.address))

    def stale_tokens(self) -> Sequence[Address]:
        """Return the tokens whose lots have to be made again."""
        tokens = self._connection.scalars(
            sa.select(LOT.c.token_address).where(LOT.c.wallet.is_not(None)).distinct().order_by(LOT.c.token_address)
        )
        return [token for token in map(Address, tokens) if self.is_stale(token)]

    def changes(self, token: Address, *, block_number: int | None = None) -> LotChanges:
        """Return the stored lots and takings of a token, up to a block where one is given."""
        lots = self._connection.execute(
            sa.select(LOT).where(LOT.c.token_address == token, *_until(LOT, at=None, block_number=block_number))
        )
        takings = self._connection.execute(
            sa.select(LOT_TAKING).where(LOT_TAKING.c.token_address == token, *_until(LOT_TAKING, at=None, block_number=block_number))
        )
        return LotChanges(tuple(_lot(row) for row in lots), tuple(_taking(row) for row in takings))

    def origins(self, token: Address, places: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], Origin]:
        """Return which movements stand at these places (block, log index)."""
        of_token = [MOVEMENT.c.token_address == token, MOVEMENT.c.deed_id == FUNGIBLE]
        hashes = sa.select(MOVEMENT.c.transaction_hash).where(
            *of_token, sa.tuple_(MOVEMENT.c.block_number, MOVEMENT.c.log_index).in_(list(places))
        )
        # Whole transactions: the position counts what stands before in the same one.
        rows = self._connection.execute(
            sa.select(MOVEMENT)
            .where(*of_token, MOVEMENT.c.transaction_hash.in_(hashes))
            .order_by(MOVEMENT.c.block_number, MOVEMENT.c.log_index)
        )
        seen: Counter[str] = Counter()
        found: dict[tuple[int, int], Origin] = {}
        for row in rows:
            found[row.block_number, row.log_index] = Origin(
                TransactionHash(row.transaction_hash), seen[row.transaction_hash], int(row.shares)
            )
            seen[row.transaction_hash] += 1
        return {place: found[place] for place in places if place in found}

    def annotate(self, token: Address, key: MovementKey, annotation: LotAnnotation, *, at: dt.datetime) -> None:
        """Keep what was said about a movement; what was said before is gone."""
        transaction_hash, position = key
        place = {"tenant_id": self._tenant_id, "token_address": token, "transaction_hash": transaction_hash, "position": position}
        said = {
            "exemption": annotation.exemption,
            "consideration": None if annotation.consideration is None else annotation.consideration.value,
            "buyer_category": annotation.buyer_category,
            "paid_minor_units": None if annotation.paid is None else annotation.paid.minor_units,
            "paid_currency": None if annotation.paid is None else annotation.paid.currency,
            "acquired_at": annotation.acquired_at,
            "holding_since": annotation.holding_since,
            "is_restricted": annotation.is_restricted,
            "is_control": annotation.is_control,
            "picking": None if annotation.picking is None else annotation.picking.value,
            "lots": list(annotation.lots),
            "annotated_by": annotation.annotated_by,
            "annotated_at": at,
        }
        insert = postgresql.insert(LOT_ANNOTATION).values({**place, **said})
        self._connection.execute(insert.on_conflict_do_update(index_elements=list(place), set_=said))


class PostgresRecordDifferences:
    """What comparisons of one issuer's records have found."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def put(self, found: Sequence[FoundDifference], *, compared: Sequence[Address], at: dt.datetime) -> None:
        """Keep what a comparison of some tokens found: the new, the still there with its values of now; end what is no longer found."""
        for each in found:
            seen = {
                "sentence": each.difference.sentence,
                "facts": {name: plain(fact) for name, fact in each.difference.facts.items()},
                "last_seen_at": at,
            }
            insert = postgresql.insert(RECORD_DIFFERENCE).values(
                tenant_id=self._tenant_id,
                token_address=each.token,
                subject=each.subject,
                code=each.difference.code,
                first_seen_at=at,
                **seen,
            )
            # One that had gone begins anew: its age is that of the present break between the records.
            first = sa.case((RECORD_DIFFERENCE.c.gone_at.is_(None), RECORD_DIFFERENCE.c.first_seen_at), else_=insert.excluded.first_seen_at)
            self._connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["tenant_id", "token_address", "code", "subject"],
                    set_={**seen, "facts": insert.excluded.facts, "first_seen_at": first, "gone_at": None},
                )
            )
        still = {(each.token, each.difference.code, each.subject) for each in found}
        for each in self.standing():
            if each.token in compared and (each.token, each.code, each.subject) not in still:
                same = [RECORD_DIFFERENCE.c[name] == value for name, value in (("token_address", each.token), ("code", each.code))]
                ended = sa.update(RECORD_DIFFERENCE).where(*same, RECORD_DIFFERENCE.c.subject == each.subject)
                self._connection.execute(ended.values(gone_at=at))

    def standing(self) -> Sequence[RecordDifference]:
        """Return the differences that stand, the oldest first."""
        order = (
            RECORD_DIFFERENCE.c.first_seen_at,
            RECORD_DIFFERENCE.c.token_address,
            RECORD_DIFFERENCE.c.code,
            RECORD_DIFFERENCE.c.subject,
        )
        rows = self._connection.execute(sa.select(RECORD_DIFFERENCE).where(RECORD_DIFFERENCE.c.gone_at.is_(None)).order_by(*order))
        return [
            RecordDifference(
                token=Address(row.token_address),
                subject=row.subject,
                code=row.code,
                sentence=row.sentence,
                facts=row.facts,
                first_seen_at=row.first_seen_at,
                last_seen_at=row.last_seen_at,
            )
            for row in rows
        ]


def _until(table: sa.Table, *, at: dt.datetime | None, block_number: int | None) -> list[sa.ColumnElement[bool]]:
    instant = [] if at is None else [table.c.occurred_at <= at]
    return instant if block_number is None else [*instant, table.c.block_number <= block_number]


def _held_by(holders: Iterable[LotHolder]) -> sa.ColumnElement[bool]:
    listed = set(holders)
    investors = sa.literal([holder for holder in listed if isinstance(holder, UUID)], sa.ARRAY(sa.Uuid))
    wallets = sa.literal([holder for holder in listed if isinstance(holder, str)], sa.ARRAY(sa.Text))
    return (LOT.c.investor_id == sa.any_(investors)) | (LOT.c.wallet == sa.any_(wallets))


def _by_holder(lots: Iterable[Lot]) -> list[Lot]:
    return sorted(lots, key=lambda lot: (str(lot.holder), lot.acquired_at, lot.place))


def _lot_row(lot: Lot) -> dict[str, Any]:
    return {
        "lot_id": lot.lot_id,
        "token_address": lot.token,
        "investor_id": _investor(lot.holder),
        "wallet": _wallet(lot.holder),
        "quantity": lot.quantity,
        "opened_quantity": lot.opened_quantity,
        "acquired_at": lot.acquired_at,
        "from_investor_id": _investor(lot.acquired_from),
        "from_wallet": _wallet(lot.acquired_from),
        "origin_lot_id": lot.origin_lot_id,
        "holding_since": lot.holding_since,
        "issuer_acquired_at": lot.issuer_acquired_at,
        "is_restricted": lot.is_restricted,
        "is_control": lot.is_control,
        "exemption": lot.exemption,
        "buyer_category": lot.buyer_category,
        "consideration": lot.consideration.value,
        "block_number": lot.block_number,
        "log_index": lot.log_index,
        "part": lot.part,
        "occurred_at": lot.occurred_at,
    }


def _investor(holder: LotHolder | None) -> UUID | None:
    return holder if isinstance(holder, UUID) else None


def _wallet(holder: LotHolder | None) -> str | None:
    return holder if isinstance(holder, str) else None


def _holder(investor_id: UUID | None, wallet: str | None) -> LotHolder | None:
    if investor_id is not None:
        return InvestorId(investor_id)
    return None if wallet is None else Address(wallet)


def _lot(row: Any) -> Lot:
    holder = _holder(row.investor_id, row.wallet)
    assert holder is not None, "the table's check: a lot is an investor's or a wallet's"
    return Lot(
        lot_id=LotId(row.lot_id),
        token=Address(row.token_address),
        holder=holder,
        quantity=int(row.quantity),
        opened_quantity=int(row.opened_quantity),
        acquired_at=row.acquired_at,
        acquired_from=_holder(row.from_investor_id, row.from_wallet),
        origin_lot_id=None if row.origin_lot_id is None else LotId(row.origin_lot_id),
        holding_since=row.holding_since,
        issuer_acquired_at=row.issuer_acquired_at,
        is_restricted=row.is_restricted,
        is_control=row.is_control,
        exemption=row.exemption,
        buyer_category=row.buyer_category,
        consideration=Consideration(row.consideration),
        block_number=row.block_number,
        log_index=row.log_index,
        part=row.part,
        occurred_at=row.occurred_at,
    )


def _taking(row: Any) -> Taking:
    return Taking(LotId(row.lot_id), row.block_number, row.log_index, int(row.quantity), row.occurred_at)


def _annotation(row: Any) -> LotAnnotation:
    return LotAnnotation(
        exemption=row.exemption,
        consideration=None if row.consideration is None else Consideration(row.consideration),
        buyer_category=row.buyer_category,
        paid=None if row.paid_minor_units is None else Money(int(row.paid_minor_units), row.paid_currency),
        acquired_at=row.acquired_at,
        holding_since=row.holding_since,
        is_restricted=row.is_restricted,
        is_control=row.is_control,
        picking=None if row.picking is None else PickingRule(row.picking),
        lots=tuple(LotId(lot_id) for lot_id in row.lots),
        annotated_by=UserId(row.annotated_by),
    )


def _movement(row: Any) -> Movement:
    return Movement(
        token=Address(row.token_address),
        deed_id=int(row.deed_id),
        block_number=row.block_number,
        log_index=row.log_index,
        from_wallet=Address(row.from_wallet),
        to_wallet=Address(row.to_wallet),
        shares=int(row.shares),
        transaction_hash=TransactionHash(row.transaction_hash),
        occurred_at=row.occurred_at,
    )


def _notice(row: Any) -> Notice:
    return Notice(
        token=Address(row.token_address),
        deed_id=int(row.deed_id),
        block_number=row.block_number,
        log_index=row.log_index,
        kind=NoticeKind(row.kind),
        wallet=Address(row.wallet),
        new_wallet=Address(row.new_wallet),
        shares=int(row.shares),
        transaction_hash=TransactionHash(row.transaction_hash),
        occurred_at=row.occurred_at,
        unlocks_at=row.unlocks_at_seconds,
    )


def _holding(row: Any) -> Holding:
    return Holding(
        token=Address(row.token_address),
        deed_id=int(row.deed_id),
        wallet=Address(row.wallet),
        shares=int(row.shares),
        frozen_shares=int(row.frozen_shares),
        wallet_frozen=row.wallet_frozen,
        last_block_number=row.last_block_number,
        last_log_index=row.last_log_index,
    )


def _rows_of(table: sa.Table, token: TokenReference) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    one_deed = sa.true() if token.deed_id is None else table.c.deed_id == token.deed_id
    return table.c.token_address == token.address, one_deed


def _events(movements: Iterable[Any], notices: Iterable[Any]) -> list[TokenEvent]:
    events: list[TokenEvent] = [*(_movement(row) for row in movements), *(_notice(row) for row in notices)]
    return sorted(events, key=lambda event: (event.block_number, event.log_index))
