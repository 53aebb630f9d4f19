# SPDX-License-Identifier: Apache-2.0
"""The worker process: follower, sender, outbox and jobs, each in a thread of its own. Decides nothing; what is done comes by wiring."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
import structlog

from muniment.app.wiring import Backend
from muniment.infra import jobs, metrics
from muniment.infra.clock import Clock, SystemClock
from muniment.infra.configuration import Configuration, ensure_secret
from muniment.infra.evm import follower as follower_module
from muniment.infra.evm import known_contracts, sender
from muniment.infra.evm.broadcaster import Broadcaster
from muniment.infra.evm.client import Evm
from muniment.infra.evm.fees import FeeQuotes
from muniment.infra.evm.finality import Confirmations
from muniment.infra.evm.follower import BlockConsumer, Follower
from muniment.infra.evm.identity import check_chain_identity
from muniment.infra.evm.rpc import JsonRpc, RpcError
from muniment.infra.evm.sender import TransactionFinal
from muniment.infra.jobs import JobRunner, JobTable
from muniment.infra.logging import configure_logging
from muniment.infra.mail import mailer_of
from muniment.infra.outages import Unreachable
from muniment.infra.outbox import CHANNEL as OUTBOX_CHANNEL
from muniment.infra.outbox import Dispatcher, Event, EventHandlers, Handler, RecordedEvent, error_text
from muniment.infra.postgres.database import Database
from muniment.infra.sealing import Sealer
from muniment.infra.signing import development_keys_allowed
from muniment.infra.wakeups import Wakeups

HEALTH_FILE = "worker.json"
"""In the run folder: pid, port of /health and /metrics, and how each loop does. Written every second and removed at a clean end."""

STOP_SECONDS_MAX = 20.0
BACKOFF_SECONDS_MIN = 0.2
BACKOFF_SECONDS_MAX = 5.0
LOCAL_POLL_SECONDS = 0.2
NETWORK_POLL_SECONDS = 1.0
SWEEP_SECONDS = 10.0
FAILING_AFTER_SECONDS = 30.0

_log = structlog.get_logger("worker")


class Wiring(Protocol):
    """The tables that the composition root fills in."""

    def consumers(self) -> Sequence[BlockConsumer]:
        """Return what follows from the chain."""
        ...

    def event_handlers(self) -> EventHandlers:
        """Return who reacts to which event."""
        ...

    def job_table(self) -> JobTable:
        """Return the jobs by name."""
        ...

    def schedules(self) -> Mapping[str, str]:
        """Return the jobs that start by the clock: name to cron line (UTC)."""
        ...


def run(
    configuration: Configuration,
    *,
    wiring: Callable[[Backend], Wiring],
    stopping: threading.Event | None = None,
    clock: Clock | None = None,
) -> None:
    """Work until SIGTERM, SIGINT or `stopping`.

    A database or chain that goes away only pauses the work. Raises a refusal where starting would do harm: the chain is not
    this database's (`infra.wrong_chain`), or somebody else has used a sender's key.
    """
    configure_logging(level=configuration.log_level)
    stopping = stopping or threading.Event()
    _stop_by_signal(stopping)
    Worker(configuration, wiring=wiring, stopping=stopping, clock=clock or SystemClock()).run()


class Loop:
    """A thread that does one step after the other; it waits when there is nothing to do and survives whatever a step raises."""

    def __init__(
        self, name: str, step: Callable[[], bool], *, stopping: threading.Event, idle_seconds: float, wake: threading.Event | None = None
    ) -> None:
        """`step` says whether there is more to do at once."""
        self.name = name
        self.wake = wake or threading.Event()
        self.failures = 0
        self.recoveries = 0
        self.detail = ""
        self.good_at = time.monotonic()
        self._step = step
        self._stopping = stopping
        self._idle_seconds = idle_seconds
        self._thread = threading.Thread(target=self._run, name=f"muniment {name}", daemon=True)

    @property
    def is_failing(self) -> bool:
        """Whether it has not had a good step for a while."""
        return self.failures > 0 and time.monotonic() - self.good_at > FAILING_AFTER_SECONDS

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def mark_good(self) -> None:
        """Note that it works; for a step that goes on for ever once it has begun well, else done after each step."""
        if self.failures:
            self.recoveries += 1
            _log.info("worker.recovered", loop=self.name, failures=self.failures)
        self.failures, self.detail, self.good_at = 0, "", time.monotonic()
        metrics.LOOP_LAST_SUCCESS.labels(loop=self.name).set_to_current_time()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.wake.clear()
            try:
                has_more = self._step()
            except Exception as error:  # noqa: BLE001 - the outermost loop: what a step raises is logged and the step done again
                self._fail(error)
                continue
            self.mark_good()
            if not has_more and not self._stopping.is_set():
                self.wake.wait(self._idle_seconds)

    def _fail(self, error: Exception) -> None:
        self.failures += 1
        self.detail = error_text(error)
        metrics.LOOP_FAILURES.labels(loop=self.name).inc()
        is_outage = isinstance(error, (Unreachable, sa.exc.OperationalError, RpcError))
        # An outage is told once when it begins and then every now and then; a bug is told whole each time.
        if not is_outage:
            _log.error("worker.loop_failed", loop=self.name, failures=self.failures, error=self.detail, exc_info=error)
        elif self.failures == 1 or self.failures % 20 == 0:
            _log.warning("worker.outage", loop=self.name, failures=self.failures, error=self.detail)
        self._stopping.wait(min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_MIN * 2 ** min(self.failures - 1, 10)))


class Worker:
    """The process's parts and their threads."""

    def __init__(
        self, configuration: Configuration, *, wiring: Callable[[Backend], Wiring], stopping: threading.Event, clock: Clock
    ) -> None:
        assert configuration.database_url is not None, "the supervisor or the environment names the database"
        assert configuration.chain_rpc_url is not None, "the supervisor or the environment names the chain"
        self._configuration = configuration
        self._make_wiring = wiring
        self._stopping = stopping
        self._clock = clock
        self._database_url = configuration.database_url
        self._rpc_url = configuration.chain_rpc_url
        self._database = Database(self._database_url)
        self._rpc = JsonRpc(self._rpc_url)
        self._evm = Evm(self._rpc, finality=Confirmations(configuration.confirmations))
        self._loops: list[Loop] = []
        self._runner: JobRunner | None = None
        self._state = "starting"

    def run(self) -> None:
        """Start, work, and stop when told to."""
        server = _serve_health(self._health)
        try:
            parts = self._wait_for_services(server)
            if parts is None:
                return
            self._start_loops(parts)
            self._state = "working"
            _log.info("worker.started", chain_id=parts.chain_id, loops=[loop.name for loop in self._loops])
            while not self._stopping.is_set():
                self._write_health(server)
                self._stopping.wait(1.0)
            self._state = "stopping"
            self._write_health(server)
            self._stop_loops()
            _log.info("worker.stopped")
        finally:
            self._stopping.set()
            server.shutdown()
            server.server_close()
            self._rpc.close()
            self._database.close()
            self._health_path.unlink(missing_ok=True)

    # Starting and stopping.

    def _wait_for_services(self, server: ThreadingHTTPServer) -> Backend | None:
        """Return the parts as soon as database and chain answer and belong together; None when told to stop before."""
        failures = 0
        while not self._stopping.is_set():
            self._write_health(server)
            try:
                return self._make_parts()
            except (Unreachable, sa.exc.SQLAlchemyError, RpcError) as error:
                if isinstance(error, Unreachable) and not error.retry:
                    raise
                failures += 1
                if failures == 1 or failures % 20 == 0:
                    _log.warning("worker.waiting_for_services", failures=failures, error=error_text(error))
                self._stopping.wait(min(2.0, BACKOFF_SECONDS_MIN * failures))
        return None

    def _make_parts(self) -> Backend:
        chain_id = check_chain_identity(self._database, self._evm)
        parts = Backend(
            configuration=self._configuration,
            database=self._database,
            evm=self._evm,
            fees=FeeQuotes(self._evm),
            sealer=Sealer(bytes.fromhex(ensure_secret(self._configuration, "master_key"))),
            clock=self._clock,
            chain_id=chain_id,
            development_keys_allowed=development_keys_allowed(chain_id=chain_id, rpc_url=self._rpc_url),
            mailer=mailer_of(self._configuration),
        )
        self._broadcaster(parts).guard_nonces()
        return parts

    def _broadcaster(self, parts: Backend) -> Broadcaster:
        return Broadcaster(
            self._database,
            self._evm,
            chain_id=parts.chain_id,
            signer=parts.key_store,
            fees=parts.fees,
            policy=parts.fees.policy,
            clock=self._clock,
            # A local node that was killed has forgotten what waited for a block; a network's nodes tell each other.
            broadcast_again_after_seconds=3.0 if self._configuration.chain_is_local else 15.0,
        )

    def _start_loops(self, parts: Backend) -> None:
        wiring = self._make_wiring(parts)
        poll_seconds = LOCAL_POLL_SECONDS if self._configuration.chain_is_local else NETWORK_POLL_SECONDS
        follower = Follower(
            self._database,
            self._evm,
            wiring.consumers(),
            clock=self._clock,
            journal_transactions=self._configuration.chain_is_local,
        )
        broadcaster = self._broadcaster(parts)
        dispatcher = Dispatcher(self._database, self._with_wake(wiring.event_handlers()), clock=self._clock)
        self._runner = JobRunner(self._database, wiring.job_table(), clock=self._clock, schedules=wiring.schedules())

        following = self._loop("follower", lambda: follower.step().moved, idle_seconds=poll_seconds)
        sending = self._loop("sender", lambda: broadcaster.step() > 0, idle_seconds=poll_seconds)
        dispatching = self._loop("outbox", lambda: dispatcher.dispatch_once() > 0, idle_seconds=1.0)
        self._forever("jobs", self._runner.run)
        self._loop("sweep", self._sweep, idle_seconds=SWEEP_SECONDS)
        wakeups = Wakeups(
            self._database_url,
            {
                sender.CHANNEL: (sending.wake,),
                OUTBOX_CHANNEL: (dispatching.wake,),
                # A new block may have mined what was sent.
                follower_module.CHANNEL: (sending.wake,),
                known_contracts.CHANNEL: (following.wake,),
            },
        )
        self._forever("wakeups", lambda on_good: wakeups.run(self._stopping, on_listening=on_good))
        for loop in self._loops:
            loop.start()

    def _loop(self, name: str, step: Callable[[], bool], *, idle_seconds: float) -> Loop:
        loop = Loop(name, step, stopping=self._stopping, idle_seconds=idle_seconds)
        self._loops.append(loop)
        return loop

    def _forever(self, name: str, run: Callable[[Callable[[], None]], None]) -> None:
        """Add a loop of one endless step that calls back once it works."""
        loop: Loop

        def step() -> bool:
            run(loop.mark_good)
            return False

        loop = self._loop(name, step, idle_seconds=0.0)

    def _stop_loops(self) -> None:
        assert self._runner is not None, "stopped only after it was started"
        self._runner.stop()
        for loop in self._loops:
            loop.wake.set()
        deadline = time.monotonic() + STOP_SECONDS_MAX
        late = [loop.name for loop in self._loops if not loop.join(max(0.1, deadline - time.monotonic()))]
        if late:
            # Nothing is lost: every step can be done again, and dead workers' jobs are taken over.
            _log.warning("worker.stopped_in_the_middle", loops=late)

    # Steps.

    def _sweep(self) -> bool:
        """After an outage let waiting processes look at once instead of at their next turn."""
        recovered = sum(loop.recoveries for loop in self._loops if loop.name != "sweep")
        for loop in self._loops:
            loop.recoveries = 0
        with self._database.worker_transaction() as connection:
            if recovered:
                jobs.sweep(connection)
            jobs.measure(connection)
        return False

    def _with_wake(self, handlers: EventHandlers) -> EventHandlers:
        """Add the reaction that every worker has: a final transaction wakes the processes that wait for it, after everyone else reacted."""
        merged: dict[type[Event], Sequence[Handler]] = dict(handlers)
        merged[TransactionFinal] = [*merged.get(TransactionFinal, ()), self._wake_waiting]
        return merged

    def _wake_waiting(self, recorded: RecordedEvent, /) -> None:
        event: TransactionFinal = recorded.event
        with self._database.worker_transaction() as connection:
            jobs.wake(connection, tenant_id=event.tenant_id, purpose=event.purpose)

    # Health.

    @property
    def _health_path(self) -> Path:
        return self._configuration.run_folder / HEALTH_FILE

    def _health(self) -> tuple[bool, dict[str, Any]]:
        loops = {
            loop.name: {
                "failing": loop.is_failing,
                "failures": loop.failures,
                "detail": loop.detail,
                "idle_seconds": round(time.monotonic() - loop.good_at, 1),
            }
            for loop in self._loops
        }
        is_well = self._state == "working" and not any(loop.is_failing for loop in self._loops)
        return is_well, {"state": self._state, "well": is_well, "pid": os.getpid(), "loops": loops}

    def _write_health(self, server: ThreadingHTTPServer) -> None:
        _, body = self._health()
        body |= {"port": server.server_address[1], "at": self._clock.now().isoformat()}
        self._configuration.run_folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        draft = self._health_path.with_suffix(".tmp")
        draft.write_text(json.dumps(body), encoding="utf-8")
        draft.replace(self._health_path)


def _stop_by_signal(stopping: threading.Event) -> None:
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may set handlers; whoever runs us elsewhere has `stopping`.
        return

    def stop(_signal_number: int, _frame: Any) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _serve_health(health: Callable[[], tuple[bool, dict[str, Any]]]) -> ThreadingHTTPServer:
    """Serve /health (503 while something fails) and /metrics on a free loopback port."""

    class HealthHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, metrics.CONTENT_TYPE, metrics.render())
            elif self.path == "/health":
                is_well, body = health()
                self._answer(200 if is_well else 503, "application/json", json.dumps(body).encode())
            else:
                self._answer(404, "text/plain", b"not found")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing: probes come every second."""

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), HealthHandler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="muniment health", daemon=True).start()
    return server
