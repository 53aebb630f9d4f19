# SPDX-License-Identifier: Apache-2.0
"""The block journal: every block of the local chain with its signed transactions, enough to make it again. Neither follows nor replays.

One table, made by the first migration:
`infra.block(number bigint primary key, hash bytea unique not null, parent_hash bytea not null, timestamp_seconds bigint not null,
transactions bytea[] not null, journalled_at timestamptz not null default now())`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from eth_hash.auto import keccak
from psycopg.rows import tuple_row

from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.outages import Unreachable

PAGE_BLOCKS = 500


@dataclass(frozen=True, slots=True)
class JournalBlock:
    """A block as it can be mined again: `transactions` are the raw signed bytes in block order, whoever sent them."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp_seconds: int
    transactions: tuple[bytes, ...]


def read_block(rpc: JsonRpc, number: int) -> JournalBlock:
    """Return block `number` of the node's present branch, whole; raise `Unreachable` when it is not there or moves away meanwhile."""
    header = rpc.call("eth_getBlockByNumber", [hex(number), False])
    if header is None:
        raise Unreachable("rpc", detail=f"block {number} is not there", retry=True)
    hashes = header["transactions"]
    # eth_getRawTransactionByHash is geth's, reth's, Besu's and anvil's name for it; it answers with the EIP-2718 envelope.
    raw_transactions = rpc.batch([("eth_getRawTransactionByHash", [hash_]) for hash_ in hashes]) if hashes else []
    transactions: list[bytes] = []
    for hash_, raw in zip(hashes, raw_transactions, strict=True):
        if raw is None:
            raise Unreachable("rpc", detail=f"block {number} moved away while it was read", retry=True)
        transaction = bytes.fromhex(raw[2:])
        if keccak(transaction) != bytes.fromhex(hash_[2:]):
            raise Unreachable("rpc", detail=f"the node gave other bytes for transaction {hash_}", retry=False)
        transactions.append(transaction)
    return JournalBlock(
        number=int(header["number"], 16),
        hash=bytes.fromhex(header["hash"][2:]),
        parent_hash=bytes.fromhex(header["parentHash"][2:]),
        timestamp_seconds=int(header["timestamp"], 16),
        transactions=tuple(transactions),
    )


def save(connection: psycopg.Connection[Any], block: JournalBlock) -> None:
    """Journal a block in the caller's transaction. The same block twice is one; another block of that number must be truncated first."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "INSERT INTO infra.block (number, hash, parent_hash, timestamp_seconds, transactions) VALUES (%s, %s, %s, %s, %s::bytea[])"
            " ON CONFLICT (number) DO NOTHING",
            [block.number, block.hash, block.parent_hash, block.timestamp_seconds, list(block.transactions)],
        )
        if cursor.rowcount == 0:
            found = cursor.execute("SELECT hash FROM infra.block WHERE number = %s", [block.number]).fetchone()
            assert found is not None, "a conflicting row cannot vanish inside its transaction"
            assert bytes(found[0]) == block.hash, f"block {block.number} is journalled with another hash; truncate_from() comes first"


def truncate_from(connection: psycopg.Connection[Any], number: int) -> int:
    """Forget block `number` and all above it (a re-org), in the caller's transaction; return how many there were."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM infra.block WHERE number >= %s", [number])
        return cursor.rowcount


def blocks_from(connection: psycopg.Connection[Any], number: int) -> Iterator[JournalBlock]:
    """Yield the journalled blocks from `number` up, in order, a page at a time."""
    following = number
    while True:
        with connection.cursor(row_factory=tuple_row) as cursor:
            rows = cursor.execute(
                "SELECT number, hash, parent_hash, timestamp_seconds, transactions FROM infra.block"
                " WHERE number >= %s ORDER BY number LIMIT %s",
                [following, PAGE_BLOCKS],
            ).fetchall()
        for found_number, hash_, parent_hash, timestamp_seconds, transactions in rows:
            yield JournalBlock(
                number=found_number,
                hash=bytes(hash_),
                parent_hash=bytes(parent_hash),
                timestamp_seconds=timestamp_seconds,
                transactions=tuple(bytes(transaction) for transaction in transactions),
            )
        if len(rows) < PAGE_BLOCKS:
            return
        following = rows[-1][0] + 1
