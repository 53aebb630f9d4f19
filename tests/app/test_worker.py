# SPDX-License-Identifier: Apache-2.0
"""The worker carries a process from its start to its end, outlives database and chain, and is well or says what is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import psycopg
import pytest
import sqlalchemy as sa

from muniment.app.wiring import Backend
from muniment.app.worker import run
from muniment.infra.configuration import Configuration, ensure_secret
from muniment.infra.evm.follower import BlockConsumer
from muniment.infra.evm.identity import WrongChain
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.evm.sender import PostgresTransactions
from muniment.infra.jobs import Done, JobTable, PostgresJobs, ProcessOutcome, RunningJob, Waiting
from muniment.infra.localchain.anvil import Anvil
from muniment.infra.outages import Unreachable
from muniment.infra.outbox import EventHandlers, PostgresOutbox, RecordedEvent
from muniment.infra.postgres.database import Database
from muniment.infra.sealing import Sealer
from muniment.units.errors import MunimentError
from muniment.units.ids import Address, TenantId
from tests.infra.rig import TENANT, Rig, an_address

REPOSITORY = Path(__file__).parents[2]


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    kind: ClassVar[str] = "test.paid"
    payment: str


class PaymentWiring:
    """One context's worth of wiring: a process that pays on chain and waits for finality, and somebody who hears of it."""

    def __init__(self, parts: Backend) -> None:
        self._parts = parts
        self.heard: list[str] = []

    def consumers(self) -> Sequence[BlockConsumer]:
        return []

    def event_handlers(self) -> EventHandlers:
        return {Paid: [self._hear]}

    def job_table(self) -> JobTable:
        return {"test.pay": self._pay}

    def schedules(self) -> Mapping[str, str]:
        return {}

    def _pay(self, job: RunningJob) -> ProcessOutcome:
        purpose = f"pay:{job.args['payment']}"
        assert job.tenant_id is not None
        with self._parts.database.transaction(tenant_id=job.tenant_id) as connection:
            transactions = self._transactions(connection, job.tenant_id)
            transaction = transactions.find(purpose) or transactions.submit(
                tenant_id=job.tenant_id,
                sender=Address(job.args["sender"]),
                to=Address(job.args["receiver"]),
                data=b"",
                purpose=purpose,
                gas_limit=21_000,
                value=5,
            )
            if not transaction.is_closed:
                return Waiting("for finality", purpose=purpose)
            if not connection.execute(sa.text("SELECT 1 FROM infra.outbox_event WHERE kind = 'test.paid'")).first():
                PostgresOutbox(connection, tenant_id=job.tenant_id, clock=self._parts.clock).record(Paid(payment=job.args["payment"]))
        return Done()

    def _transactions(self, connection: sa.Connection, tenant_id: TenantId) -> PostgresTransactions:
        return PostgresTransactions(
            connection,
            tenant_id=tenant_id,
            signer=self._parts.key_store(connection),
            fees=self._parts.fees,
            chain_id=self._parts.chain_id,
            first_nonce=self._parts.evm.transaction_count,
            clock=self._parts.clock,
        )

    def _hear(self, recorded: RecordedEvent, /) -> None:
        self.heard.append(recorded.event.payment)


@pytest.fixture
def configuration(home: Path, fresh_postgres_url: str, manual_chain_rpc: JsonRpc) -> Configuration:
    return Configuration(home=home, database_url=fresh_postgres_url, chain_rpc_url=manual_chain_rpc.url, chain_is_local=True)


@pytest.fixture
def database(fresh_postgres_url: str) -> Iterator[Database]:
    database = Database(fresh_postgres_url)
    yield database
    database.close()


@pytest.fixture
def rig(database: Database, manual_chain_rpc: JsonRpc, configuration: Configuration) -> Rig:
    return Rig(database, manual_chain_rpc, master_key=bytes.fromhex(ensure_secret(configuration, "master_key")))


@contextmanager
def mining(rpc: JsonRpc, *, seconds: float = 0.2) -> Iterator[None]:
    """A node that makes a block now and then."""
    stopping = threading.Event()

    def mine() -> None:
        client = JsonRpc(rpc.url)
        while not stopping.wait(seconds):
            try:
                client.call("evm_mine")
            except Unreachable:
                continue
        client.close()

    thread = threading.Thread(target=mine)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@contextmanager
def working(configuration: Configuration, wiring: Callable[[Backend], Any] = PaymentWiring) -> Iterator[dict[str, Any]]:
    stopping = threading.Event()
    outcome: dict[str, Any] = {}

    def work() -> None:
        try:
            run(configuration, wiring=wiring, stopping=stopping)
        except (MunimentError, Unreachable) as error:
            outcome["error"] = error

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield outcome
    finally:
        stopping.set()
        thread.join(30)
        assert not thread.is_alive()


def defer_payment(rig: Rig, payment: str, receiver: Address) -> None:
    with rig.database.transaction(tenant_id=TENANT) as connection:
        PostgresJobs(connection, tenant_id=TENANT).defer("test.pay", {"payment": payment, "sender": rig.sender, "receiver": receiver})


def wait_until(condition: Callable[[], Any], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def health(configuration: Configuration) -> dict[str, Any]:
    path = configuration.run_folder / "worker.json"
    return json.loads(path.read_text()) if path.exists() else {}


def is_handled(rig: Rig) -> bool:
    return bool(rig.rows("SELECT 1 FROM infra.outbox_event WHERE kind = 'test.paid' AND handled_at IS NOT NULL"))


def test_a_process_goes_from_its_job_to_the_chain_and_its_event(configuration: Configuration, rig: Rig, manual_chain_rpc: JsonRpc) -> None:
    receiver = an_address(41)
    made: list[PaymentWiring] = []

    def wiring(parts: Backend) -> PaymentWiring:
        made.append(PaymentWiring(parts))
        return made[0]

    with mining(manual_chain_rpc), working(configuration, wiring):
        wait_until(lambda: health(configuration).get("well"))
        defer_payment(rig, "1", receiver)
        wait_until(lambda: is_handled(rig))
    assert made[0].heard == ["1"]
    assert rig.evm.balance(receiver) == 5
    assert not (configuration.run_folder / "worker.json").exists()


def test_health_and_metrics_are_served_on_loopback(configuration: Configuration, rig: Rig) -> None:
    with working(configuration):
        wait_until(lambda: health(configuration).get("well"))
        port = health(configuration)["port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            assert json.load(answer)["state"] == "working"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        for name in ("muniment_follower_lag_blocks", "muniment_sender_open", "muniment_outbox_open", "muniment_jobs_failed_kept"):
            assert name in text


def test_a_lost_database_and_a_lost_chain_only_pause_the_work(
    configuration: Configuration, rig: Rig, manual_chain_rpc: JsonRpc, fresh_postgres_url: str, chain_process: int
) -> None:
    receiver = an_address(42)
    with mining(manual_chain_rpc), working(configuration) as outcome:
        wait_until(lambda: health(configuration).get("well"))
        for _ in range(3):
            with psycopg.connect(fresh_postgres_url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )
            time.sleep(0.3)
        os.kill(chain_process, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(chain_process, signal.SIGCONT)
        rig.database.close()
        defer_payment(rig, "1", receiver)
        wait_until(lambda: is_handled(rig), seconds=60)
        assert not outcome
        wait_until(lambda: health(configuration).get("well"))
    assert rig.evm.balance(receiver) == 5


def test_a_worker_started_before_its_chain_waits_for_it(home: Path, fresh_postgres_url: str, anvil_binary: Path, tmp_path: Path) -> None:
    anvil = Anvil(anvil_binary, folder=tmp_path)
    anvil.start()
    url, port = anvil.url, anvil.port
    anvil.stop()
    configuration = Configuration(home=home, database_url=fresh_postgres_url, chain_rpc_url=url, chain_is_local=True)
    with working(configuration) as outcome:
        wait_until(lambda: health(configuration).get("state") == "starting")
        time.sleep(0.5)
        later = Anvil(anvil_binary, folder=tmp_path, port=port)
        later.start()
        wait_until(lambda: health(configuration).get("well"))
        assert not outcome
    later.stop()


def test_the_start_is_refused_on_another_chain_and_when_a_key_was_used_elsewhere(
    configuration: Configuration, rig: Rig, database: Database, manual_chain_rpc: JsonRpc
) -> None:
    rig.submit("pay:0")
    manual_chain_rpc.call("anvil_setNonce", [rig.sender, hex(9)])
    with working(configuration) as outcome:
        wait_until(lambda: outcome)
    assert isinstance(outcome["error"], Unreachable) and not outcome["error"].retry
    with database._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE infra.chain_identity SET genesis_hash = sha256('another')")
    with working(configuration) as outcome:
        wait_until(lambda: outcome)
    assert isinstance(outcome["error"], WrongChain)


CHILD = """
import sys
from pathlib import Path
from muniment.app.worker import run
from muniment.infra.configuration import Configuration
from tests.app.test_worker import PaymentWiring
run(
    Configuration(home=Path(sys.argv[1]), database_url=sys.argv[2], chain_rpc_url=sys.argv[3], chain_is_local=True),
    wiring=PaymentWiring,
)
"""


@pytest.mark.crash
@pytest.mark.slow
def test_a_worker_killed_at_any_moment_pays_once_and_a_terminated_one_ends_cleanly(
    configuration: Configuration, rig: Rig, manual_chain_rpc: JsonRpc, tmp_path: Path
) -> None:
    receiver = an_address(43)
    arguments = [sys.executable, "-c", CHILD, str(configuration.home), str(configuration.database_url), manual_chain_rpc.url]
    log = tmp_path / "log"
    with mining(manual_chain_rpc), log.open("w") as stream:
        defer_payment(rig, "1", receiver)
        for seconds in (0.0, 0.3, 0.6, 0.9):
            with subprocess.Popen(arguments, cwd=REPOSITORY, stdout=stream, stderr=stream) as child:
                wait_until(lambda: health(configuration).get("pid") == child.pid)
                time.sleep(seconds)
                child.kill()
        with subprocess.Popen(arguments, cwd=REPOSITORY, stdout=stream, stderr=stream) as child:
            wait_until(lambda: is_handled(rig), seconds=60)
            wait_until(lambda: health(configuration).get("pid") == child.pid and health(configuration).get("state") == "working")
            child.terminate()
            assert child.wait(30) == 0
    assert rig.evm.balance(receiver) == 5
    assert len(rig.rows("SELECT 1 FROM infra.chain_transaction")) == 1
    for line in log.read_text().splitlines():
        assert isinstance(json.loads(line), dict)
    assert "worker.stopped" in log.read_text()


@pytest.fixture
def chain_process(manual_chain_rpc: JsonRpc) -> int:
    """The pid of the node behind the fixture, by the port that it listens on."""
    port = int(manual_chain_rpc.url.rpartition(":")[2])
    inodes = {
        fields[9]
        for fields in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
    }
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(entry.readlink()) in {f"socket:[{inode}]" for inode in inodes} for entry in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:
            continue
    raise AssertionError("nobody listens on the node's port")


def test_the_master_key_of_the_home_opens_what_the_rig_sealed(configuration: Configuration, rig: Rig) -> None:
    sealer = Sealer(bytes.fromhex(ensure_secret(configuration, "master_key")))
    key = rig.sealer.new_key()
    assert sealer.open(key, rig.sealer.seal(key, b"x", context="test"), context="test") == b"x"
