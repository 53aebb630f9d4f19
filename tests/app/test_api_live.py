# SPDX-License-Identifier: Apache-2.0
"""The stream of news: what changes is told to every window of the organisation, by every process, and to nobody else."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import sqlalchemy as sa

from muniment.access.model import Pending
from muniment.app.http.live import Live
from muniment.settlement.commands import IssueShares, issue
from muniment.settlement.model import Allotment
from tests.browser.world import Person, World, a_web_server, found, signed_in, wait_until
from tests.conftest import with_database
from tests.flows.tampering import Change, changed

pytestmark = pytest.mark.slow


@dataclass(slots=True)
class Listener:
    """The events of one stream, as they come."""

    events: list[str] = field(default_factory=list)
    ended: bool = False


@contextmanager
def listening(client: httpx.Client) -> Iterator[Listener]:
    listener = Listener()
    with client.stream("GET", "/events", timeout=60) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")

        def read() -> None:
            try:
                for line in answer.iter_lines():
                    if line.startswith("event: "):
                        listener.events.append(line.removeprefix("event: "))
                listener.ended = True
            except httpx.HTTPError:
                listener.ended = True

        thread = threading.Thread(target=read)
        thread.start()
        yield listener
        # The reader sits in recv(): only the socket's end wakes it.
        answer.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        thread.join()


def ask_for_an_issue(world: World) -> None:
    """Change something: a request that waits for a second person."""
    with world.units.begin(world.tenant_id) as unit:
        investor = unit.investors.by_reference("H-001")
        assert investor is not None
        wallet = unit.wallets.of_investor(investor.investor_id)[0]
        request = IssueShares(uuid.uuid4(), world.security_id, (Allotment(shares=1, wallet=wallet.address),))
        assert isinstance(issue(world.owner.actor, request, unit=unit), Pending)


def test_news_reaches_every_process_of_the_organisation_and_no_stranger(world: World) -> None:
    stranger: Person = found(world.units, "Elsewhere Ltd", "stranger@example.com")
    with a_web_server(world.units.backend) as second_url, signed_in(world, world.owner) as one, signed_in(world, stranger) as other:
        two = httpx.Client(base_url=second_url, headers=one.headers, trust_env=False)
        with listening(one) as first, listening(two) as second, listening(other) as foreign:
            wait_until(lambda: all("block" in each.events for each in (first, second, foreign)), "the first message", seconds=60)
            ask_for_an_issue(world)
            wait_until(lambda: "approvals" in first.events and "approvals" in second.events, "the news", seconds=60)
            time.sleep(1)
            assert "approvals" not in foreign.events
        two.close()


def test_an_instruction_that_settles_and_a_dividend_that_is_paid_are_news_after_their_transactions_are_final(
    world: World, things: dict[str, str], postgres_server_url: str
) -> None:
    with world.units.begin(world.tenant_id) as unit:
        owner_url = with_database(postgres_server_url, str(unit.connection.scalar(sa.text("SELECT current_database()"))))
    live = Live(world.units.backend.database, network="local")
    before = live.look(world.tenant_id).fingerprints
    back = "state = 'submitted', settled_at = NULL, block_number = NULL"
    with changed(owner_url, Change("settlement.instruction", back, "state = 'settled'")):
        instruction = live.look(world.tenant_id).fingerprints
    with changed(owner_url, Change("servicing.dividend", "state = 'entitled'", "true", "declared_at DESC")):
        dividend = live.look(world.tenant_id).fingerprints
    assert [kind for kind in before if instruction[kind] != before[kind]] == ["instructions"]
    assert [kind for kind in before if dividend[kind] != before[kind]] == ["dividends"]
    assert things["instruction_id"]


def test_the_stream_ends_with_the_session(world: World) -> None:
    with signed_in(world, world.auditor) as client, listening(client) as listener:
        wait_until(lambda: "block" in listener.events, "the first message", seconds=60)
        assert client.delete("/v1/sessions/current").status_code == 204
        wait_until(lambda: listener.ended, "the end of the stream", seconds=60)
        assert listener.events[-1] == "end"


def test_an_open_window_alone_does_not_use_the_session(world: World) -> None:
    def last_used() -> list[object]:
        with world.units.backend.database.worker_transaction() as connection:
            return list(connection.exec_driver_sql("SELECT session_id, last_used_at FROM access.session ORDER BY session_id").all())

    with signed_in(world, world.second) as client, listening(client) as listener:
        wait_until(lambda: "block" in listener.events, "the first message", seconds=60)
        before = last_used()
        time.sleep(5)
        assert last_used() == before


def test_without_a_session_there_is_no_stream(world: World) -> None:
    with httpx.Client(base_url=world.url, trust_env=False) as client:
        answer = client.get("/events")
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("application/problem+json")
