# SPDX-License-Identifier: Apache-2.0
"""The stream of what changed, per organisation: one poll a process, however many windows are open. Sends news, not data."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from litestar.concurrency import sync_to_thread
from litestar.response import ServerSentEventMessage

from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import Database
from muniment.units.ids import TenantId

POLL_SECONDS: Final = 0.5
SESSION_CHECK_SECONDS: Final = 2.0
KEEP_ALIVE_SECONDS: Final = 15.0

# What each kind of news is read from. Bounded by an index each, so that a long history costs nothing.
FINGERPRINTS: Final[Mapping[str, str]] = {
    "transactions": """
        SELECT md5(coalesce(string_agg(hash || state || coalesce(block_number::text, ''), ',' ORDER BY signed_at, hash), ''))
        FROM (SELECT hash, state, block_number, signed_at FROM infra.chain_transaction
              WHERE tenant_id = infra.tenant() ORDER BY signed_at DESC LIMIT 200) AS latest
    """,
    # An instruction settles after its transaction is final, in a transaction of the database of its own.
    "instructions": """
        SELECT md5(coalesce(string_agg(instruction_id::text || state, ',' ORDER BY requested_at, instruction_id), ''))
        FROM (SELECT instruction_id, state, requested_at FROM settlement.instruction
              WHERE tenant_id = infra.tenant() ORDER BY requested_at DESC LIMIT 200) AS latest
    """,
    "dividends": """
        SELECT md5(coalesce(string_agg(dividend_id::text || state || coalesce(batches, ''), ',' ORDER BY declared_at, dividend_id), ''))
        FROM (SELECT dividend_id, state, declared_at,
                     (SELECT string_agg(batch_id::text || batch.state, ',' ORDER BY batch_id) FROM servicing.batch
                      WHERE batch.dividend_id = dividend.dividend_id) AS batches
              FROM servicing.dividend WHERE tenant_id = infra.tenant() ORDER BY declared_at DESC LIMIT 20) AS latest
    """,
    "register": """
        SELECT coalesce(string_agg(block_number || ':' || log_index, ','), '')
        FROM (SELECT block_number, log_index FROM register.movement
              WHERE tenant_id = infra.tenant() ORDER BY block_number DESC, log_index DESC LIMIT 1) AS latest
    """,
    "approvals": """
        SELECT md5(coalesce(string_agg(approval_id::text || state, ',' ORDER BY approval_id), ''))
        FROM (SELECT approval_id, state FROM access.approval
              WHERE tenant_id = infra.tenant() ORDER BY approval_id DESC LIMIT 200) AS latest
    """,
}
WAITING: Final = "SELECT count(*) FROM access.approval WHERE tenant_id = infra.tenant() AND state = 'requested' AND expires_at > now()"
HEIGHT: Final = "SELECT number FROM infra.block ORDER BY number DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Heights:
    """The chain as last seen: its name, the newest block that the follower journalled, and whether that is fresh."""

    network: str
    number: int
    state: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one poll saw of one organisation."""

    height: int
    fingerprints: Mapping[str, str]


@dataclass(slots=True)
class _Watch:
    latest: Snapshot | None = None
    listeners: int = 0
    task: asyncio.Task[None] | None = None


class Live:
    """Knows the newest state of each organisation that somebody is looking at, and tells them when it changes."""

    def __init__(self, database: Database, *, network: str, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self._database = database
        self._network = network
        self._watches: dict[TenantId, _Watch] = {}
        self._heights = Heights(network, -1, "stale")
        self._heights_read = 0.0
        self.is_stopping = is_stopping

    def heights(self) -> Heights:
        """Return the chain's height, read at most twice a second."""
        now = time.monotonic()
        if now - self._heights_read >= POLL_SECONDS:
            with self._database.user_transaction() as connection:
                row = connection.execute(sa.text(HEIGHT)).first()
            self._heights_read = now
            # An idle local chain mines nothing, so only a follower that has never read a block counts as away.
            self._heights = Heights(self._network, -1, "stale") if row is None else Heights(self._network, int(row[0]), "live")
        return self._heights

    def approvals_waiting(self, tenant_id: TenantId) -> int:
        """Return how many requests wait for a second person."""
        with self._database.transaction(tenant_id=tenant_id) as connection:
            return int(connection.execute(sa.text(WAITING)).scalar_one())

    def look(self, tenant_id: TenantId) -> Snapshot:
        """Read one organisation's newest state."""
        with self._database.transaction(tenant_id=tenant_id) as connection:
            row = connection.execute(sa.text(HEIGHT)).first()
            fingerprints = {kind: str(connection.execute(sa.text(query)).scalar_one()) for kind, query in FINGERPRINTS.items()}
        return Snapshot(height=-1 if row is None else int(row[0]), fingerprints=fingerprints)

    async def news(self, tenant_id: TenantId, *, is_signed_in: Callable[[], bool]) -> AsyncIterator[ServerSentEventMessage]:
        """Yield what changes until the session ends or the process stops. The first message is the present height."""
        watch = self._watches.setdefault(tenant_id, _Watch())
        watch.listeners += 1
        if watch.task is None or watch.task.done():
            watch.task = asyncio.create_task(self._poll(tenant_id, watch))
        try:
            seen: Snapshot | None = None
            last_check = last_sent = time.monotonic()
            while not self.is_stopping():
                present = watch.latest
                if present is not None and present != seen:
                    for message in _messages(seen, present):
                        yield message
                    seen, last_sent = present, time.monotonic()
                now = time.monotonic()
                if now - last_check >= SESSION_CHECK_SECONDS:
                    last_check = now
                    if not await sync_to_thread(is_signed_in):
                        yield ServerSentEventMessage(event="end", data="signed out")
                        return
                if now - last_sent >= KEEP_ALIVE_SECONDS:
                    last_sent = now
                    yield ServerSentEventMessage(comment="still here", data=None)
                await asyncio.sleep(POLL_SECONDS / 2)
        finally:
            watch.listeners -= 1

    async def _poll(self, tenant_id: TenantId, watch: _Watch) -> None:
        while watch.listeners > 0 and not self.is_stopping():
            try:
                watch.latest = await sync_to_thread(self.look, tenant_id)
            except (Unreachable, sa.exc.OperationalError):
                # The database comes back or the process is stopped; the page shows its height as not live meanwhile.
                await asyncio.sleep(2.0)
            await asyncio.sleep(POLL_SECONDS)
        self._watches.pop(tenant_id, None)


def _messages(seen: Snapshot | None, present: Snapshot) -> list[ServerSentEventMessage]:
    messages: list[ServerSentEventMessage] = []
    if seen is None or present.height != seen.height:
        messages.append(_message("block", {"number": present.height}))
    if seen is not None:
        messages.extend(_message(kind, {}) for kind, print_ in present.fingerprints.items() if print_ != seen.fingerprints[kind])
    return messages


def _message(event: str, data: Mapping[str, Any]) -> ServerSentEventMessage:
    return ServerSentEventMessage(event=event, data=json.dumps(data))
