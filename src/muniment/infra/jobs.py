# SPDX-License-Identifier: Apache-2.0
"""Jobs over procrastinate: deferred in the caller's transaction, run by name, resumable, visible when they fail. Knows no job."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast
from uuid import UUID

import procrastinate
import psycopg
import sqlalchemy as sa
import structlog
from procrastinate import jobs as procrastinate_jobs
from procrastinate import retry as procrastinate_retry
from procrastinate.worker import Worker

from muniment.infra import metrics
from muniment.infra.clock import Clock
from muniment.infra.crashpoints import crashpoint
from muniment.infra.logging import log_context
from muniment.infra.outages import Unreachable
from muniment.infra.outbox import error_text
from muniment.infra.postgres.database import WORKER_ROLE, Database
from muniment.infra.telemetry import span
from muniment.units.ids import TenantId

CHANNEL = "procrastinate_any_queue_v1"
"""Where procrastinate's workers listen for new jobs."""

HEARTBEAT_SECONDS = 1.0
DEAD_AFTER_SECONDS = 2.5
"""A worker whose heartbeat is older, and whose connection no longer holds its lock, is dead: its jobs start again."""

WAIT_SECONDS_MIN = 0.5
WAIT_SECONDS_MAX = 30.0
OUTAGE_SECONDS = 2.0

_LOCK_SPACE = 0x6D756E69
"""First half of the advisory locks that say "worker N lives" ("muni"); the second half is procrastinate's worker id."""

# Keys of a job's arguments that belong to the runner, not to the job.
_TENANT = "tenant_id"
_WAITING = "_waiting"
_WOKEN = "_woken"
_FAILURE = "_failure"

_log = structlog.get_logger("jobs")


@dataclass(frozen=True, slots=True)
class Done:
    """The process has nothing left to do; who waits for the purpose `wakes` may go on."""

    wakes: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The process cannot go on yet: run it again later, or as soon as a transaction of its tenant is final.

    `purpose` narrows the waking to transactions whose purpose starts with it; empty means any. `until` is for what a clock decides:
    it is looked at again then, and not at growing intervals. Without it, a process that waits for another's result names a purpose that
    the other one's `Done` wakes: a final transaction wakes both at once, and the result may not be stored yet.
    """

    reason: str
    purpose: str = ""
    until: dt.datetime | None = None


ProcessOutcome: TypeAlias = Done | Waiting


@dataclass(frozen=True, slots=True)
class RunningJob:
    """What a job function gets: its arguments, whose job it is, and how often it was tried before."""

    job_id: int
    name: str
    tenant_id: TenantId | None
    args: Mapping[str, Any]
    attempts: int


JobFunction: TypeAlias = Callable[[RunningJob], ProcessOutcome]
JobTable: TypeAlias = Mapping[str, JobFunction]
"""The table of wiring: job name to function. A function must be able to run again from its start at any time."""


class Jobs(Protocol):
    """Defers jobs in the caller's transaction: no commit, no job."""

    def defer(
        self, name: str, args: Mapping[str, Any], *, lock: str | None = None, schedule_at: dt.datetime | None = None, priority: int = 0
    ) -> int:
        """Queue the job `name`; jobs of one `lock` run one after the other, in the order of their deferral.

        Of the jobs that are due, those of the higher `priority` run first.
        """
        ...


class PostgresJobs:
    """Defers jobs of one tenant (None: the platform) in the caller's transaction."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId | None) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def defer(
        self, name: str, args: Mapping[str, Any], *, lock: str | None = None, schedule_at: dt.datetime | None = None, priority: int = 0
    ) -> int:
        """Queue the job and return its id. Arguments are JSON: ids as text, amounts as text, nothing personal."""
        assert not any(key.startswith("_") or key == _TENANT for key in args), "these names belong to the runner"
        body = dict(args)
        if self._tenant_id is not None:
            body[_TENANT] = str(self._tenant_id)
        job_ids = self._connection.execute(
            sa.text(
                "SELECT procrastinate.procrastinate_defer_jobs_v1(ARRAY[ROW('default', :name, :priority, :lock, NULL, CAST(:args AS jsonb),"
                " CAST(:schedule_at AS timestamptz))]::procrastinate.procrastinate_job_to_defer_v1[])"
            ),
            {"name": name, "lock": lock, "args": json.dumps(body), "schedule_at": schedule_at, "priority": priority},
        ).scalar_one()
        return int(job_ids[0])


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that failed and was kept; `error` holds no personal data."""

    job_id: int
    name: str
    tenant_id: TenantId | None
    args: Mapping[str, Any]
    attempts: int
    error: str


def failed_jobs(connection: sa.Connection) -> list[FailedJob]:
    """Return the failed jobs, oldest first; needs the worker's rights."""
    rows = connection.execute(
        sa.text("SELECT id, task_name, args, attempts FROM procrastinate.procrastinate_jobs WHERE status = 'failed' ORDER BY id")
    )
    return [
        FailedJob(row.id, row.task_name, _tenant_of(row.args), _own_args(row.args), row.attempts, str(row.args.get(_FAILURE, "")))
        for row in rows
    ]


def retry_job(connection: sa.Connection, job_id: int) -> bool:
    """Put a failed job back into the queue; return False where there is no failed job of that id."""
    found = connection.execute(
        sa.text(
            "UPDATE procrastinate.procrastinate_jobs SET status = 'todo', scheduled_at = now(), args = args - :failure"
            " WHERE id = :job_id AND status = 'failed'"
        ),
        {"job_id": job_id, "failure": _FAILURE},
    ).rowcount
    _notify(connection, job_id)
    return found == 1


def wake(connection: sa.Connection, *, tenant_id: TenantId | None, purpose: str) -> int:
    """Let the tenant's waiting processes run at once whose awaited purpose is a prefix of `purpose`; return how many.

    A transaction of the platform (no tenant) wakes whoever waits for it by name, since it may be done for any tenant. A process that
    is just about to wait is marked too, so that it does not sleep through the event it waits for.
    """
    rows = connection.execute(
        sa.text(
            # Locked in one order, because a sender and a dispatcher may wake the same processes at once.
            "WITH due AS (SELECT id FROM procrastinate.procrastinate_jobs"
            " WHERE (args ->> 'tenant_id' IS NOT DISTINCT FROM CAST(:tenant_id AS text)"
            "        OR (CAST(:tenant_id AS text) IS NULL AND coalesce(args #>> '{_waiting,purpose}', '-') <> ''))"
            "   AND (status = 'doing' OR (status = 'todo' AND args ? '_waiting' AND scheduled_at > now()"
            "        AND starts_with(:purpose, args #>> '{_waiting,purpose}')))"
            " ORDER BY id FOR UPDATE)"
            " UPDATE procrastinate.procrastinate_jobs AS job"
            " SET scheduled_at = CASE job.status WHEN 'todo' THEN now() ELSE job.scheduled_at END,"
            "     args = CASE job.status WHEN 'doing' THEN job.args || CAST(:woken AS jsonb) ELSE job.args END"
            " FROM due WHERE job.id = due.id RETURNING job.id, job.status"
        ),
        {"woken": json.dumps({_WOKEN: True}), "tenant_id": None if tenant_id is None else str(tenant_id), "purpose": purpose},
    ).all()
    woken = [row.id for row in rows if row.status == "todo"]
    if woken:
        _notify(connection, woken[0])
    return len(woken)


def sweep(connection: sa.Connection) -> int:
    """Let every waiting process whose time is more than a moment away run at once; return how many. For after an outage."""
    rows = connection.execute(
        sa.text(
            "UPDATE procrastinate.procrastinate_jobs SET scheduled_at = now()"
            " WHERE status = 'todo' AND args ? '_waiting' AND scheduled_at > now() RETURNING id"
        )
    ).all()
    if rows:
        _notify(connection, rows[0].id)
    return len(rows)


class _RunAgain(Exception):
    """Puts the running job back into the queue."""

    def __init__(self, *, after_seconds: float) -> None:
        super().__init__(f"run again after {after_seconds} s")
        self.after_seconds = after_seconds


class _PutBack(procrastinate_retry.BaseRetryStrategy):
    """Only what the runner itself asks for goes back; every other exception leaves the job failed and kept."""

    def get_retry_decision(
        self,
        *,
        exception: BaseException,
        job: procrastinate_jobs.Job,  # noqa: ARG002 - the library's signature
    ) -> procrastinate.RetryDecision | None:
        if not isinstance(exception, _RunAgain):
            return None
        return procrastinate.RetryDecision(retry_in={"milliseconds": int(exception.after_seconds * 1000)})


class JobRunner:
    """Runs the jobs of a table, several at once, in one thread's event loop and a pool of threads for the functions."""

    def __init__(
        self,
        database: Database,
        table: JobTable,
        *,
        clock: Clock,
        schedules: Mapping[str, str] | None = None,
        concurrency: int = 4,
    ) -> None:
        """`schedules` maps names of the table to cron lines (UTC): each is deferred once per instant, however many workers run."""
        self._database = database
        self._table = table
        self._clock = clock
        self._schedules = dict(schedules or {})
        self._concurrency = concurrency
        self._stopping = threading.Event()
        self._worker: Worker | None = None

    def run(self, on_running: Callable[[], None] = lambda: None) -> None:
        """Run jobs until `stop`; running jobs end first. Raises `Unreachable` when the database goes away: call again."""
        try:
            asyncio.run(self._run(on_running))
        except (psycopg.Error, procrastinate.exceptions.ConnectorException) as error:
            raise Unreachable("database", detail=type(error).__name__, retry=True) from error

    def stop(self) -> None:
        """Ask `run` to end after the jobs that run now; from any thread."""
        self._stopping.set()
        worker = self._worker
        if worker is not None:
            worker.stop()

    async def _run(self, on_running: Callable[[], None]) -> None:
        if self._stopping.is_set():
            return
        connector = procrastinate.PsycopgConnector(
            conninfo=self._database.url,
            kwargs={"options": f"-c search_path=procrastinate -c role={WORKER_ROLE} -c timezone=UTC", "application_name": "muniment jobs"},
            min_size=1,
            max_size=self._concurrency + 3,
            timeout=10.0,
            reconnect_timeout=5.0,
        )
        app = procrastinate.App(connector=connector)
        for name in self._table:
            self._register(app, name)
        async with app.open_async():
            worker = Worker(
                app=app,
                name="muniment",
                concurrency=self._concurrency,
                install_signal_handlers=False,
                fetch_job_polling_interval=0.5,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                # Old rows of dead workers go away by themselves; deciding who is dead is `_rescue`'s business.
                stalled_worker_timeout=3600.0,
                delete_jobs="successful",
            )
            self._worker = worker
            guard = asyncio.create_task(self._guard(worker, on_running))
            running = asyncio.create_task(worker.run())
            if self._stopping.is_set():
                # `stop` may have come before there was a worker to stop.
                await asyncio.sleep(0)
                worker.stop()
            try:
                await asyncio.wait({guard, running}, return_when=asyncio.FIRST_COMPLETED)
                if guard.done() and not running.done():
                    worker.stop()
                await running
                if guard.done() and guard.exception() is not None:
                    await guard
                if not self._stopping.is_set():
                    raise Unreachable("database", detail="the job worker stopped", retry=True)
            finally:
                self._worker = None
                guard.cancel()
                with contextlib.suppress(asyncio.CancelledError, psycopg.Error):
                    await guard

    async def _guard(self, worker: Worker, on_running: Callable[[], None]) -> None:
        """Hold the lock that says this worker lives, and take over the jobs of workers that do not."""
        async with await psycopg.AsyncConnection.connect(
            self._database.url,
            autocommit=True,
            options=f"-c search_path=procrastinate -c role={WORKER_ROLE}",
            application_name="muniment jobs guard",
        ) as connection:
            while worker.worker_id is None:  # noqa: ASYNC110 - the library tells nobody when it has registered
                await asyncio.sleep(0.01)
            await connection.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCK_SPACE, _half(worker.worker_id)))
            on_running()
            while True:
                await _rescue(connection, own_id=worker.worker_id)
                # Woken in the instant between deciding to wait and being put back.
                await connection.execute(
                    "UPDATE procrastinate_jobs SET scheduled_at = now(), args = args - '_woken'"
                    " WHERE status = 'todo' AND args ? '_woken' AND scheduled_at > now()"
                )
                await asyncio.sleep(HEARTBEAT_SECONDS / 2)

    def _register(self, app: procrastinate.App, name: str) -> None:
        def run_job(context: procrastinate.JobContext, *_: Any, **_args: Any) -> None:
            self._run_job(context.job)

        task = app.task(name=name, pass_context=True, retry=_PutBack())(run_job)
        cron = self._schedules.get(name)
        if cron is not None:
            # The library's type for periodic tasks wants the timestamp first; it calls with it by name.
            app.periodic(cron=cron)(cast("Any", task))

    def _run_job(self, job: procrastinate_jobs.Job) -> None:
        assert job.id is not None, "a fetched job has an id"
        tenant_id = _tenant_of(job.task_kwargs)
        running = RunningJob(job.id, job.task_name, tenant_id, _own_args(job.task_kwargs), job.attempts)
        started = time.monotonic()
        outcome = "failed"
        with log_context(job_id=job.id, job_name=job.task_name, tenant_id=None if tenant_id is None else str(tenant_id)):
            try:
                with span(f"job {job.task_name}"):
                    result = self._table[job.task_name](running)
                crashpoint("jobs.after_function")
                if isinstance(result, Waiting):
                    outcome = "waiting"
                    raise _RunAgain(after_seconds=self._note_waiting(job, result))
                outcome = "done"
                if result.wakes:
                    self._wake(tenant_id, result.wakes)
            except _RunAgain:
                raise
            except Exception as error:
                if isinstance(error, Unreachable) and error.retry:
                    outcome = "outage"
                    _log.warning("jobs.outage", part=error.part, detail=error.detail, attempts=job.attempts)
                    raise _RunAgain(after_seconds=self._note_outage(job, error)) from error
                _log.exception("jobs.failed", error=error_text(error))
                self._note_failure(job.id, error)
                raise
            finally:
                metrics.JOBS_FINISHED.labels(job=job.task_name, outcome=outcome).inc()
                metrics.JOBS_SECONDS.labels(job=job.task_name).observe(time.monotonic() - started)

    def _wake(self, tenant_id: TenantId | None, purpose: str) -> None:
        with self._database.worker_transaction() as connection:
            wake(connection, tenant_id=tenant_id, purpose=purpose)

    def _note_waiting(self, job: procrastinate_jobs.Job, waiting: Waiting) -> float:
        """Write down what the job waits for; return the seconds until it is run again unasked."""
        before = cast("dict[str, Any]", job.task_kwargs.get(_WAITING) or {})
        # A process that has come further waits for something else: it looks again soon.
        times = int(before["times"]) if before.get("reason") == waiting.reason else 0
        note = {_WAITING: {"reason": waiting.reason, "purpose": waiting.purpose, "times": times + 1}}
        with self._database.worker_transaction() as connection:
            was_woken = connection.execute(
                sa.text(
                    "WITH before AS (SELECT id, args ? '_woken' AS woken FROM procrastinate.procrastinate_jobs WHERE id = :id FOR UPDATE)"
                    " UPDATE procrastinate.procrastinate_jobs AS job SET args = (args - '_woken') || CAST(:note AS jsonb)"
                    " FROM before WHERE job.id = before.id RETURNING before.woken"
                ),
                {"id": job.id, "note": json.dumps(note)},
            ).scalar()
        if was_woken:
            return 0.0
        if waiting.until is not None:
            return min(WAIT_SECONDS_MAX, max(0.0, (waiting.until - self._clock.now()).total_seconds()))
        return min(WAIT_SECONDS_MAX, WAIT_SECONDS_MIN * 2 ** min(times, 10))

    def _note_outage(self, job: procrastinate_jobs.Job, error: Unreachable) -> float:
        """Treat an outage as something to wait for; without a database there is nowhere to write that, and the queue rests anyway."""
        try:
            return self._note_waiting(job, Waiting(f"{error.part} is unreachable"))
        except Unreachable:
            return OUTAGE_SECONDS

    def _note_failure(self, job_id: int, error: Exception) -> None:
        with contextlib.suppress(Unreachable, sa.exc.SQLAlchemyError), self._database.worker_transaction() as connection:
            # The log has the failure already: if the database is gone, the job's own row cannot say more.
            connection.execute(
                sa.text("UPDATE procrastinate.procrastinate_jobs SET args = args || CAST(:note AS jsonb) WHERE id = :id"),
                {"id": job_id, "note": json.dumps({_FAILURE: error_text(error)})},
            )


async def _rescue(connection: psycopg.AsyncConnection[Any], *, own_id: int) -> None:
    """Put the running jobs of dead workers back into the queue and forget those workers.

    PostgreSQL frees a killed process's locks at once, so a lock that can be taken tells at once that its holder is gone;
    the heartbeat protects a worker that has registered and not yet taken its lock.
    """
    cursor = await connection.execute(
        "SELECT id FROM procrastinate_workers WHERE id <> %s AND last_heartbeat < now() - make_interval(secs => %s)",
        (own_id, DEAD_AFTER_SECONDS),
    )
    for (worker_id,) in await cursor.fetchall():
        async with connection.transaction():
            cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", (_LOCK_SPACE, _half(worker_id)))
            row = await cursor.fetchone()
            if row is None or not row[0]:
                continue
            await connection.execute("DELETE FROM procrastinate_workers WHERE id = %s", (worker_id,))
    # Deleting a worker sets its jobs' worker to NULL.
    cursor = await connection.execute(
        "UPDATE procrastinate_jobs SET status = 'todo', scheduled_at = now(), attempts = attempts + 1, abort_requested = false"
        " WHERE status = 'doing' AND worker_id IS NULL RETURNING id, task_name"
    )
    rescued = await cursor.fetchall()
    for job_id, name in rescued:
        metrics.JOBS_RESCUED.inc()
        _log.warning("jobs.rescued", job_id=job_id, job_name=name)
    if rescued:
        await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, _payload(rescued[0][0])))


def measure(connection: sa.Connection) -> None:
    """Set the gauge of failed jobs."""
    count = connection.execute(sa.text("SELECT count(*) FROM procrastinate.procrastinate_jobs WHERE status = 'failed'")).scalar_one()
    metrics.JOBS_FAILED_KEPT.set(count)


def _notify(connection: sa.Connection, job_id: int) -> None:
    connection.execute(sa.text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": _payload(job_id)})


def _payload(job_id: int) -> str:
    return json.dumps({"type": "job_inserted", "job_id": job_id})


def _half(worker_id: int) -> int:
    """Return a worker's id as the signed 32-bit half of an advisory lock."""
    return (worker_id & 0xFFFFFFFF) - (1 << 32) * ((worker_id >> 31) & 1)


def _tenant_of(args: Mapping[str, Any]) -> TenantId | None:
    text = args.get(_TENANT)
    return None if text is None else TenantId(UUID(str(text)))


def _own_args(args: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in args.items() if not key.startswith("_") and key != _TENANT}
