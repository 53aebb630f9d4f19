# SPDX-License-Identifier: Apache-2.0
"""The ONE follower of the chain: journals each block and hands its logs to all consumers, forward and back. Decodes no log."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import psycopg
import sqlalchemy as sa
import structlog

from muniment.infra import metrics
from muniment.infra.clock import Clock
from muniment.infra.crashpoints import crashpoint
from muniment.infra.evm import journal
from muniment.infra.evm.client import BlockHeader, Evm
from muniment.infra.evm.decoding import ChainLog, RawLog, address_bytes, bloom_may_contain
from muniment.infra.evm.journal import JournalBlock
from muniment.infra.evm.known_contracts import KnownContract, PostgresKnownContracts
from muniment.infra.evm.sender import reopen_above
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import Database
from muniment.units.ids import Address

CHANNEL = "muniment_block"
"""PostgreSQL notifies here, with the block's number, when the follower has moved, forward or back."""

CHAIN = "chain"
"""The cursor of the follower itself; each consumer has a row of its own beside it, so that a new one is noticed."""

BATCH_BLOCKS = 200
WALK_BACK_BLOCKS = 64
FILL_IN_BLOCKS = 2000

_log = structlog.get_logger("follower")


@dataclass(frozen=True, slots=True)
class FollowedBlock:
    """A block as consumers see it; it may still be reverted until it is final."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp_seconds: int

    @property
    def mined_at(self) -> dt.datetime:
        """The block's time as an aware instant in UTC."""
        return dt.datetime.fromtimestamp(self.timestamp_seconds, tz=dt.UTC)


class BlockLogs(NamedTuple):
    """A block and the logs of known contracts in it, by log index."""

    block: FollowedBlock
    logs: Sequence[RawLog]


class BlockConsumer(Protocol):
    """Keeps something that follows from the chain, such as the register.

    Blocks come in order, each once per branch. One exception: when a contract is recorded after its first block, the older blocks
    that hold its logs come again with the logs of this contract alone (each log still comes once).
    """

    @property
    def name(self) -> str:
        """A stable name. A new one, or one that was away, is first reverted to nothing and handed the whole history."""
        ...

    def apply(self, connection: sa.Connection, block: FollowedBlock, logs: Sequence[RawLog]) -> None:
        """Take one block in, in the follower's transaction (worker role). Blocks without logs come too."""
        ...

    def revert_to(self, connection: sa.Connection, block_number: int) -> None:
        """Forget everything that came from blocks above `block_number`."""
        ...


@runtime_checkable
class BulkBlockConsumer(Protocol):
    """A consumer that would rather take many blocks at once (COPY); `apply` is then never called."""

    def apply_blocks(self, connection: sa.Connection, blocks: Sequence[BlockLogs]) -> None:
        """Take several blocks in, in order, in one transaction."""
        ...


@dataclass(frozen=True, slots=True)
class FollowerProgress:
    """How far the follower is. `moved` says whether this step changed anything."""

    block_number: int
    head_number: int
    moved: bool

    @property
    def lag_blocks(self) -> int:
        """Blocks still to follow."""
        return max(0, self.head_number - self.block_number)


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The chain as far as it was followed: up to `block_number`, and final up to `final_number` (-1: nothing is)."""

    block_number: int
    final_number: int
    head_number: int
    observed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class _Cursor:
    number: int
    hash: bytes


class Follower:
    """Follows one chain for all consumers. Several may run against one database: whoever commits a block first wins, the others see it.

    Journal, cursor and every consumer move in ONE transaction, so that after any crash they agree with each other.
    """

    def __init__(
        self,
        database: Database,
        evm: Evm,
        consumers: Sequence[BlockConsumer],
        *,
        clock: Clock,
        journal_transactions: bool,
        start_block: int = 0,
        batch_blocks: int = BATCH_BLOCKS,
        on_progress: Callable[[FollowerProgress], None] | None = None,
    ) -> None:
        """`journal_transactions` keeps each block's signed transactions, so that a local chain can be made again; off for networks."""
        self._database = database
        self._evm = evm
        self._consumers = list(consumers)
        names = [consumer.name for consumer in self._consumers]
        assert len({*names, CHAIN}) == len(names) + 1, "each consumer has a name of its own"
        self._clock = clock
        self._journal_transactions = journal_transactions
        self._start_block = start_block
        self._batch_blocks = batch_blocks
        self._on_progress = on_progress

    def step(self) -> FollowerProgress:
        """Do the next thing there is: revert a re-organisation, fill in a new contract or consumer, or follow the next blocks."""
        head = self._evm.latest_header()
        cursor, contracts, new_consumers = self._state()
        if cursor.number >= self._start_block and not self._is_on_chain(cursor, head):
            cursor_after = self._revert(cursor, head)
            return self._report(cursor_after.number, head.number, moved=cursor_after != cursor)
        late = [contract for contract in contracts if not contract.is_followed and contract.deployed_block <= cursor.number]
        if new_consumers or late:
            moved = self._fill_in(cursor, new_consumers, contracts, late)
            return self._report(cursor.number, head.number, moved=moved)
        if head.number > cursor.number:
            followed = self._follow(cursor, head, contracts)
            return self._report(followed.number, head.number, moved=followed != cursor)
        self._save_head(cursor, head)
        return self._report(cursor.number, head.number, moved=False)

    def catch_up(self) -> FollowerProgress:
        """Step until the newest block is followed and nothing is left to fill in."""
        while True:
            progress = self.step()
            if not progress.moved and progress.lag_blocks == 0:
                return progress

    # Where we are.

    def _state(self) -> tuple[_Cursor, list[KnownContract], list[BlockConsumer]]:
        with self._database.worker_transaction() as connection:
            rows = connection.execute(sa.text("SELECT consumer, block_number, block_hash FROM infra.follower_cursor")).all()
            contracts = PostgresKnownContracts(connection).all()
        cursors = {row.consumer: _Cursor(row.block_number, bytes(row.block_hash)) for row in rows}
        if CHAIN not in cursors:
            return self._begin(), contracts, []
        # A consumer that was not wired for a while has missed blocks: its cursor stayed behind, and it begins again.
        return cursors[CHAIN], contracts, [consumer for consumer in self._consumers if cursors.get(consumer.name) != cursors[CHAIN]]

    def _begin(self) -> _Cursor:
        """Write the cursors of a new database: just before the first block to follow."""
        first = self._evm.header(self._start_block)
        cursor = _Cursor(first.number - 1, first.parent_hash)
        with self._database.worker_transaction() as connection:
            _set_cursors(connection, self._names(), cursor)
        return cursor

    def _names(self) -> list[str]:
        return [CHAIN, *(consumer.name for consumer in self._consumers)]

    def _is_on_chain(self, cursor: _Cursor, head: BlockHeader) -> bool:
        """Return whether the block at the cursor is still on the chain, as far as can be told.

        A head below the cursor proves nothing by itself: behind a load balancer, a node may lag. Only a differing hash does.
        """
        if head.number >= cursor.number:
            header = head if head.number == cursor.number else self._evm.headers([cursor.number])[0]
            if header is None:
                raise Unreachable("rpc", detail=f"the node has block {head.number} but not {cursor.number}", retry=True)
            return header.hash == cursor.hash
        with self._database.worker_transaction() as connection:
            known = _journalled_hashes(connection, head.number, head.number).get(head.number)
        return known is None or known == head.hash

    # Backwards.

    def _revert(self, cursor: _Cursor, head: BlockHeader) -> _Cursor:
        """Go back to the newest block that both the journal and the chain have; every consumer and the sender's book go along."""
        ancestor = self._common_ancestor(min(cursor.number, head.number))
        depth = cursor.number - ancestor.number
        with self._database.worker_transaction() as connection:
            if not _lock_cursor(connection, cursor):
                return cursor
            for consumer in self._consumers:
                consumer.revert_to(connection, ancestor.number)
            reopened = reopen_above(connection, ancestor.number)
            journal.truncate_from(_raw(connection), ancestor.number + 1)
            _set_cursors(connection, self._names(), ancestor)
            connection.execute(
                sa.text(
                    "UPDATE infra.chain_head SET head_number = :head, final_number = least(final_number, :ancestor), observed_at = :now"
                ),
                {"head": head.number, "ancestor": ancestor.number, "now": self._clock.now()},
            )
            _notify(connection, ancestor.number)
            crashpoint("follower.before_revert_commit")
        metrics.FOLLOWER_REORGS.inc()
        metrics.FOLLOWER_REORG_DEPTH.observe(depth)
        _log.warning("follower.reorg", depth_blocks=depth, ancestor=ancestor.number, reopened_transactions=reopened)
        return ancestor

    def _common_ancestor(self, highest: int) -> _Cursor:
        end = highest
        while end >= self._start_block:
            start = max(self._start_block, end - WALK_BACK_BLOCKS + 1)
            with self._database.worker_transaction() as connection:
                known = _journalled_hashes(connection, start, end)
            headers = self._evm.headers(range(start, end + 1))
            for header in reversed(headers):
                if header is not None and known.get(header.number) == header.hash:
                    return _Cursor(header.number, header.hash)
            end = start - 1
        # Another network behind the same address, or a chain that was started afresh: nothing here can be saved by trying again.
        raise Unreachable("chain", detail=f"no block of the journal down to block {self._start_block} is on this chain", retry=False)

    # Forwards.

    def _follow(self, cursor: _Cursor, head: BlockHeader, contracts: Sequence[KnownContract]) -> _Cursor:
        """Read the next blocks, check that they are one chain on top of the cursor, and take them in."""
        headers = self._next_headers(cursor, head)
        if not headers:
            return cursor
        by_address = {contract.address: contract for contract in contracts}
        logs = self._logs_of(headers, by_address)
        blocks = [BlockLogs(_followed(header), logs.get(header.number, ())) for header in headers]
        entries = [self._journal_block(header) for header in headers]
        newest = _Cursor(headers[-1].number, headers[-1].hash)
        with self._database.worker_transaction() as connection:
            if not _lock_cursor(connection, cursor):
                return cursor
            _apply(connection, self._consumers, blocks)
            for entry in entries:
                journal.save(_raw(connection), entry)
            PostgresKnownContracts(connection).mark_followed([contract.address for contract in contracts if not contract.is_followed])
            _set_cursors(connection, self._names(), newest)
            self._write_head(connection, newest, head)
            _notify(connection, newest.number)
            crashpoint("follower.before_commit")
        metrics.FOLLOWER_BLOCKS.inc(len(blocks))
        metrics.FOLLOWER_LOGS.inc(sum(len(block.logs) for block in blocks))
        return newest

    def _next_headers(self, cursor: _Cursor, head: BlockHeader) -> list[BlockHeader]:
        """Return the next blocks as far as they hang together; empty when the chain moved away below us, which the next step sees."""
        end = min(head.number, cursor.number + self._batch_blocks)
        chain: list[BlockHeader] = []
        parent = cursor.hash
        numbers = range(cursor.number + 1, end + 1)
        for number, header in zip(numbers, self._evm.headers(numbers), strict=True):
            if header is None or header.number != number or header.parent_hash != parent:
                break
            chain.append(header)
            parent = header.hash
        return chain

    def _logs_of(self, headers: Sequence[BlockHeader], contracts: Mapping[Address, KnownContract]) -> dict[int, list[RawLog]]:
        """Return the logs of known contracts by block. Each is checked against its block; a block that must have some is asked by hash."""
        addresses = list(contracts)
        if not addresses:
            return {}
        hashes = {header.number: header.hash for header in headers}
        found: dict[int, list[RawLog]] = defaultdict(list)
        for log in self._evm.logs(addresses, from_block=headers[0].number, to_block=headers[-1].number):
            _check_log(log, hashes)
            found[log.block_number].append(_raw_log(log, contracts))
        for header in headers:
            # A node that lags behind the one that gave the headers answers a range with nothing at all, and no error.
            if header.number not in found and any(header.logs_bloom) and _may_concern(header, addresses):
                logs = self._evm.logs_of_block(addresses, header.hash)
                if logs:
                    found[header.number] = [_raw_log(log, contracts) for log in logs]
        return found

    def _journal_block(self, header: BlockHeader) -> JournalBlock:
        if not self._journal_transactions or header.transaction_count == 0:
            return JournalBlock(
                number=header.number,
                hash=header.hash,
                parent_hash=header.parent_hash,
                timestamp_seconds=header.timestamp_seconds,
                transactions=(),
            )
        block = journal.read_block(self._evm.rpc, header.number)
        if block.hash != header.hash:
            raise Unreachable("rpc", detail=f"block {header.number} moved away while it was read", retry=True)
        return block

    # Filling in.

    def _fill_in(
        self, cursor: _Cursor, new_consumers: Sequence[BlockConsumer], contracts: Sequence[KnownContract], late: Sequence[KnownContract]
    ) -> bool:
        """Hand out what is behind the cursor already: late contracts to everyone, then the whole history to new consumers."""
        with self._database.worker_transaction() as connection:
            if not _lock_cursor(connection, cursor):
                return False
            old_consumers = [consumer for consumer in self._consumers if consumer not in new_consumers]
            if late:
                first = max(self._start_block, min(contract.deployed_block for contract in late))
                self._hand_out_again(connection, old_consumers, {contract.address: contract for contract in late}, first, cursor.number)
                PostgresKnownContracts(connection).mark_followed([contract.address for contract in late])
            if new_consumers:
                by_address = {contract.address: contract for contract in contracts}
                for consumer in new_consumers:
                    consumer.revert_to(connection, self._start_block - 1)
                self._hand_out_again(connection, new_consumers, by_address, self._start_block, cursor.number)
                _set_cursors(connection, [consumer.name for consumer in new_consumers], cursor)
            _notify(connection, cursor.number)
            crashpoint("follower.before_fill_in_commit")
        _log.info("follower.filled_in", contracts=len(late), consumers=[consumer.name for consumer in new_consumers])
        return True

    def _hand_out_again(
        self,
        connection: sa.Connection,
        consumers: Sequence[BlockConsumer],
        contracts: Mapping[Address, KnownContract],
        first: int,
        last: int,
    ) -> None:
        for start in range(first, last + 1, FILL_IN_BLOCKS):
            end = min(last, start + FILL_IN_BLOCKS - 1)
            blocks = _journalled_blocks(connection, start, end)
            hashes = {number: block.hash for number, block in blocks.items()}
            found: dict[int, list[RawLog]] = defaultdict(list)
            for log in self._evm.logs(list(contracts), from_block=start, to_block=end):
                _check_log(log, hashes)
                found[log.block_number].append(_raw_log(log, contracts))
            _apply(connection, consumers, [BlockLogs(blocks[number], found[number]) for number in sorted(found)])

    # Reporting.

    def _save_head(self, cursor: _Cursor, head: BlockHeader) -> None:
        with self._database.worker_transaction() as connection:
            self._write_head(connection, cursor, head)

    def _write_head(self, connection: sa.Connection, cursor: _Cursor, head: BlockHeader) -> None:
        # What is final for readers is final on the chain and followed.
        final_number = min(cursor.number, self._evm.final_block_number(head_number=max(head.number, cursor.number)))
        connection.execute(
            sa.text(
                "INSERT INTO infra.chain_head AS stored (head_number, final_number, observed_at) VALUES (:head, :final, :now)"
                " ON CONFLICT (only_row) DO UPDATE SET head_number = excluded.head_number, final_number = excluded.final_number,"
                " observed_at = excluded.observed_at"
                " WHERE (stored.head_number, stored.final_number) <> (excluded.head_number, excluded.final_number)"
            ),
            {"head": head.number, "final": final_number, "now": self._clock.now()},
        )

    def _report(self, block_number: int, head_number: int, *, moved: bool) -> FollowerProgress:
        progress = FollowerProgress(block_number=block_number, head_number=head_number, moved=moved)
        metrics.FOLLOWER_HEAD.set(head_number)
        metrics.FOLLOWER_BLOCK.set(block_number)
        metrics.FOLLOWER_LAG_BLOCKS.set(progress.lag_blocks)
        if moved and self._on_progress is not None:
            self._on_progress(progress)
        return progress


def read_chain_head(connection: sa.Connection) -> ChainHead | None:
    """Return how far the chain was followed and what of it is final; None before the first block. Any role may ask."""
    row = connection.execute(
        sa.text(
            "SELECT cursor.block_number, head.final_number, head.head_number, head.observed_at"
            " FROM infra.chain_head AS head, infra.follower_cursor AS cursor WHERE cursor.consumer = :chain"
        ),
        {"chain": CHAIN},
    ).one_or_none()
    return None if row is None else ChainHead(row.block_number, row.final_number, row.head_number, row.observed_at)


def _apply(connection: sa.Connection, consumers: Iterable[BlockConsumer], blocks: Sequence[BlockLogs]) -> None:
    for consumer in consumers:
        if isinstance(consumer, BulkBlockConsumer):
            consumer.apply_blocks(connection, blocks)
            continue
        for block, logs in blocks:
            consumer.apply(connection, block, logs)


def _check_log(log: ChainLog, hashes: Mapping[int, bytes]) -> None:
    if hashes.get(log.block_number) != log.block_hash:
        raise Unreachable("rpc", detail=f"block {log.block_number} moved away while its logs were read", retry=True)


def _may_concern(header: BlockHeader, addresses: Sequence[Address]) -> bool:
    return any(bloom_may_contain(header.logs_bloom, address_bytes(address)) for address in addresses)


def _raw_log(log: ChainLog, contracts: Mapping[Address, KnownContract]) -> RawLog:
    contract = contracts[log.address]
    return RawLog(
        address=log.address,
        tenant_id=contract.tenant_id,
        artifact=contract.artifact,
        topics=log.topics,
        data=log.data,
        transaction_hash=log.transaction_hash,
        log_index=log.log_index,
    )


def _followed(header: BlockHeader) -> FollowedBlock:
    return FollowedBlock(header.number, header.hash, header.parent_hash, header.timestamp_seconds)


def _journalled_hashes(connection: sa.Connection, first: int, last: int) -> dict[int, bytes]:
    return {number: block.hash for number, block in _journalled_blocks(connection, first, last).items()}


def _journalled_blocks(connection: sa.Connection, first: int, last: int) -> dict[int, FollowedBlock]:
    rows = connection.execute(
        sa.text("SELECT number, hash, parent_hash, timestamp_seconds FROM infra.block WHERE number BETWEEN :first AND :last"),
        {"first": first, "last": last},
    )
    return {row.number: FollowedBlock(row.number, bytes(row.hash), bytes(row.parent_hash), row.timestamp_seconds) for row in rows}


def _lock_cursor(connection: sa.Connection, expected: _Cursor) -> bool:
    """Lock the cursor and return whether it still stands where this step began; else another worker was faster."""
    row = connection.execute(
        sa.text("SELECT block_number, block_hash FROM infra.follower_cursor WHERE consumer = :chain FOR UPDATE"), {"chain": CHAIN}
    ).one_or_none()
    return row is not None and row.block_number == expected.number and bytes(row.block_hash) == expected.hash


def _set_cursors(connection: sa.Connection, names: Sequence[str], cursor: _Cursor) -> None:
    connection.execute(
        sa.text(
            "INSERT INTO infra.follower_cursor (consumer, block_number, block_hash) VALUES (:name, :number, :hash)"
            " ON CONFLICT (consumer) DO UPDATE SET block_number = excluded.block_number, block_hash = excluded.block_hash"
        ),
        [{"name": name, "number": cursor.number, "hash": cursor.hash} for name in names],
    )


def _notify(connection: sa.Connection, block_number: int) -> None:
    connection.execute(sa.text("SELECT pg_notify(:channel, :number)"), {"channel": CHANNEL, "number": str(block_number)})


def _raw(connection: sa.Connection) -> psycopg.Connection[Any]:
    """Return the psycopg connection beneath, which is in the same transaction."""
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, psycopg.Connection), "the engine's driver is psycopg 3"
    return driver_connection
