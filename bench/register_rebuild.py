# SPDX-License-Identifier: Apache-2.0
"""How long does it take to build a register of a million transfers in PostgreSQL from raw logs? Goal: 30 seconds, indexes and all.

Made-up history: mints to 100,000 wallets, then transfers between them, 50 a block, as the follower hands them over in batches of blocks.
Measured: decoding, adding up, COPY, constraints, indexes, commit. Not measured: the node's own answer to eth_getLogs.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import tempfile
import time
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from muniment.infra.evm.decoding import TRANSFER_TOPIC, RawLog, checksum
from muniment.infra.evm.follower import BlockLogs, FollowedBlock
from muniment.infra.postgres.database import Database
from muniment.infra.postgres.embedded import EmbeddedPostgres
from muniment.infra.postgres.migrations import migrate
from muniment.register.chain import ARTIFACTS, decode
from muniment.register.process import RegisterFollower
from muniment.register.store import PostgresProjection
from muniment.units.ids import TenantId, TransactionHash

GOAL_SECONDS = 30.0
LOGS_A_BLOCK = 50
BLOCKS_A_BATCH = 5_000
TENANT = TenantId(UUID("01890000-0000-7000-8000-0000000000b1"))
TOKEN = checksum((0xB0).to_bytes(20, "big"))


def make_history(events: int, holders: int) -> list[BlockLogs]:
    """Return blocks of logs as the follower hands them over."""
    pick = random.Random(20_270_523)
    topics = [(0xC0FFEE0000 + number).to_bytes(32, "big") for number in range(holders)]
    zero = b"\0" * 32
    blocks: list[BlockLogs] = []
    for height in range(1, events // LOGS_A_BLOCK + 1):
        hash_ = TransactionHash("0x" + height.to_bytes(32, "big").hex())
        logs: list[RawLog] = []
        for index in range(LOGS_A_BLOCK):
            place = (height - 1) * LOGS_A_BLOCK + index
            if place < holders:
                sender, receiver, shares = zero, topics[place], 10**12
            else:
                sender, receiver, shares = topics[pick.randrange(holders)], topics[pick.randrange(holders)], pick.randrange(10**6)
            logs.append(
                RawLog(TOKEN, TENANT, "security_token", (TRANSFER_TOPIC, sender, receiver), shares.to_bytes(32, "big"), hash_, index)
            )
        blocks.append(BlockLogs(FollowedBlock(height, height.to_bytes(32, "big"), b"\0" * 32, 1_800_000_000 + height), logs))
    return blocks


def measure(events: int, holders: int) -> dict[str, object]:
    """Return the figures of one run on a fresh embedded database."""
    blocks = make_history(events, holders)
    follower = RegisterFollower(decode=decode, artifacts=ARTIFACTS, store=PostgresProjection)
    with tempfile.TemporaryDirectory(prefix="muniment-bench-", dir="/tmp") as folder, EmbeddedPostgres(Path(folder) / "home") as server:
        url = server.start()
        migrate(url)
        database = Database(url)
        started = time.perf_counter()
        for start in range(0, len(blocks), BLOCKS_A_BATCH):
            with database.worker_transaction() as connection:
                follower.apply_blocks(connection, blocks[start : start + BLOCKS_A_BATCH])
        seconds = time.perf_counter() - started
        with database.worker_transaction() as connection:
            total = connection.scalar(sa.text("SELECT sum(shares) FROM register.holding"))
            held = connection.scalar(sa.text("SELECT count(*) FROM register.holding"))
        started = time.perf_counter()
        with database.worker_transaction() as connection:
            follower.revert_to(connection, blocks[-1].block.number - 12)
        reorganisation_seconds = time.perf_counter() - started
        database.close()
    assert total == holders * 10**12, "no share was lost or made up"
    return {
        "bench": "register_rebuild",
        "events": events,
        "holders": held,
        "seconds": round(seconds, 2),
        "events_per_second": round(events / seconds),
        "goal_seconds": GOAL_SECONDS * events / 1_000_000,
        "met": seconds <= GOAL_SECONDS * events / 1_000_000,
        "reorganisation_of_12_blocks_seconds": round(reorganisation_seconds, 3),
        "durability": "fsync as the embedded server sets it; one transaction per 5,000 blocks",
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--holders", type=int, default=100_000)
    options = parser.parse_args()
    figures = measure(options.events, options.holders)
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:40} {figure}")


if __name__ == "__main__":
    main()
