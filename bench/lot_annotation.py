# SPDX-License-Identifier: Apache-2.0
"""How long does an annotation take in a register of 40,000 movements? Goal: a second for one that was just made.

Made-up history: mints to holders, then transfers between them. Measured, in one database transaction each: the annotation of the last
movement, of one in the middle and of the first issue, and for comparison all lots made again from the first movement on.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from muniment.infra.evm.decoding import TRANSFER_TOPIC, RawLog, checksum
from muniment.infra.evm.follower import BlockLogs, FollowedBlock
from muniment.infra.postgres.database import Database
from muniment.infra.postgres.embedded import EmbeddedPostgres
from muniment.infra.postgres.migrations import migrate
from muniment.register.chain import ARTIFACTS, SHARES, decode
from muniment.register.commands import make_lots_again, make_lots_again_from
from muniment.register.model import LotAnnotation, Movement, TokenReference
from muniment.register.process import LotFollower, RegisterFollower
from muniment.register.store import PostgresLotProjection, PostgresLots, PostgresProjection
from muniment.units.ids import SecurityId, TenantId, TransactionHash, UserId, new_id

GOAL_SECONDS = 1.0
LOGS_A_BLOCK = 50
TENANT = TenantId(UUID("01890000-0000-7000-8000-0000000000b2"))
TOKEN = checksum((0xB2).to_bytes(20, "big"))


def make_history(events: int, holders: int) -> list[BlockLogs]:
    """Return blocks of one transaction each: first each holder is issued shares, then they transfer some to each other."""
    pick = random.Random(20_270_523)
    topics = [(0xC0FFEE0000 + number).to_bytes(32, "big") for number in range(holders)]
    blocks: list[BlockLogs] = []
    for height in range(1, events // LOGS_A_BLOCK + 1):
        hash_ = TransactionHash("0x" + height.to_bytes(32, "big").hex())
        logs: list[RawLog] = []
        for index in range(LOGS_A_BLOCK):
            place = (height - 1) * LOGS_A_BLOCK + index
            is_issue = place < holders
            sender = b"\0" * 32 if is_issue else topics[pick.randrange(holders)]
            receiver = topics[place if is_issue else pick.randrange(holders)]
            shares = (10**12 if is_issue else pick.randrange(10**6)).to_bytes(32, "big")
            logs.append(RawLog(TOKEN, TENANT, "security_token", (TRANSFER_TOPIC, sender, receiver), shares, hash_, index))
        blocks.append(BlockLogs(FollowedBlock(height, height.to_bytes(32, "big"), b"\0" * 32, 1_800_000_000 + height), logs))
    return blocks


def measure(events: int, holders: int) -> dict[str, object]:
    """Return the figures of one run on a fresh embedded database."""
    blocks = make_history(events, holders)
    consumers = (
        RegisterFollower(decode=decode, artifacts=ARTIFACTS, store=PostgresProjection),
        LotFollower(artifact=SHARES, store=PostgresLotProjection),
    )
    with tempfile.TemporaryDirectory(prefix="muniment-bench-", dir="/tmp") as folder, EmbeddedPostgres(Path(folder) / "home") as server:
        url = server.start()
        migrate(url)
        database = Database(url)
        with database.worker_transaction() as connection:
            for consumer in consumers:
                consumer.apply_blocks(connection, blocks)
        decoded = (decode(log, block_number=block.number, occurred_at=block.mined_at) for block, logs in blocks for log in logs)
        movements = [event for event in decoded if isinstance(event, Movement)]

        def seconds_of(work: Callable[[PostgresLots], None]) -> float:
            started = time.perf_counter()
            with database.worker_transaction() as connection:
                work(PostgresLots(connection, tenant_id=TENANT, tokens=_NoTokens()))
            return round(time.perf_counter() - started, 2)

        def annotate(place: int) -> Callable[[PostgresLots], None]:
            def work(store: PostgresLots) -> None:
                movement = movements[place]
                now = dt.datetime.now(tz=dt.UTC)
                position = sum(1 for each in movements[:place] if each.transaction_hash == movement.transaction_hash)
                said = LotAnnotation(exemption="us.regd.506c", annotated_by=UserId(new_id(now)))
                store.annotate(TOKEN, (movement.transaction_hash, position), said, at=now)
                make_lots_again_from(TOKEN, [movement], store=store)

            return work

        figures = {
            "last_movement_seconds": seconds_of(annotate(-1)),
            "middle_movement_seconds": seconds_of(annotate(len(movements) // 2)),
            "first_issue_seconds": seconds_of(annotate(0)),
            "all_lots_seconds": seconds_of(lambda store: make_lots_again(TOKEN, store=store)),
        }
        database.close()
    return {
        "bench": "lot_annotation",
        "movements": len(movements),
        "holders": holders,
        **figures,
        "goal_seconds": GOAL_SECONDS,
        "met": figures["last_movement_seconds"] <= GOAL_SECONDS,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }


class _NoTokens:
    """Nobody asks here which token a security is."""

    def token_of(self, security_id: SecurityId) -> TokenReference:
        """Never answer."""
        raise AssertionError(security_id)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--holders", type=int, default=5_000)
    options = parser.parse_args()
    figures = measure(options.events, options.holders)
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:40} {figure}")


if __name__ == "__main__":
    main()
