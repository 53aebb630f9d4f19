# SPDX-License-Identifier: Apache-2.0
"""Jobs start only with their transaction, wait, wake, fail visibly, and outlive the worker that ran them."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from muniment.infra import jobs
from muniment.infra.clock import SystemClock
from muniment.infra.jobs import Done, JobRunner, JobTable, PostgresJobs, RunningJob, Waiting, failed_jobs, retry_job, wake
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import Database
from muniment.units.errors import MunimentError
from tests.infra.rig import OTHER_TENANT, TENANT


class Planted(MunimentError):
    code = "test.planted"


@pytest.fixture
def database(fresh_postgres_url: str) -> Iterator[Database]:
    database = Database(fresh_postgres_url)
    yield database
    database.close()


@contextmanager
def running(database: Database, table: JobTable, **options: Any) -> Iterator[JobRunner]:
    runner = JobRunner(database, table, clock=SystemClock(), **options)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield runner
    finally:
        runner.stop()
        thread.join(20)
        assert not thread.is_alive()


def wait_until(condition: Callable[[], Any], *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def defer(database: Database, name: str, **args: Any) -> int:
    with database.transaction(tenant_id=TENANT) as connection:
        return PostgresJobs(connection, tenant_id=TENANT).defer(name, args)


def count(database: Database) -> int:
    with database.worker_transaction() as connection:
        return connection.execute(sa.text("SELECT count(*) FROM procrastinate.procrastinate_jobs")).scalar_one()


def test_a_job_runs_with_its_arguments_and_its_tenant_after_the_commit(database: Database) -> None:
    seen: list[RunningJob] = []

    def note(job: RunningJob) -> Done:
        seen.append(job)
        return Done()

    with running(database, {"test.note": note}):
        defer(database, "test.note", thing_id="7")
        wait_until(lambda: seen)
        wait_until(lambda: count(database) == 0)
    assert (seen[0].tenant_id, dict(seen[0].args), seen[0].attempts) == (TENANT, {"thing_id": "7"}, 0)


def test_a_rolled_back_transaction_starts_no_job(database: Database) -> None:
    def fail() -> None:
        with database.transaction(tenant_id=TENANT) as connection:
            PostgresJobs(connection, tenant_id=TENANT).defer("test.note", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert count(database) == 0


def test_a_tenant_can_put_a_job_in_and_read_none(database: Database) -> None:
    defer(database, "test.note")
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), database.transaction(tenant_id=TENANT) as connection:
        connection.execute(sa.text("SELECT * FROM procrastinate.procrastinate_jobs"))


def test_a_waiting_job_runs_again_by_itself(database: Database) -> None:
    runs: list[int] = []

    def wait_twice(job: RunningJob) -> Done | Waiting:
        runs.append(job.attempts)
        return Waiting("not yet") if len(runs) < 3 else Done()

    defer(database, "test.wait")
    with running(database, {"test.wait": wait_twice}):
        wait_until(lambda: count(database) == 0)
    assert len(runs) == 3


def test_a_process_that_has_come_further_looks_again_soon(database: Database) -> None:
    put_back: list[dt.timedelta] = []

    def wait(job: RunningJob) -> Done | Waiting:
        with database.worker_transaction() as connection:
            put_back.append(
                connection.execute(
                    sa.text(
                        "SELECT max(scheduled.at) - max(started.at) FROM"
                        " (SELECT scheduled_at AS at FROM procrastinate.procrastinate_jobs WHERE id = :id) AS scheduled,"
                        " (SELECT at FROM procrastinate.procrastinate_events WHERE job_id = :id AND type = 'deferred_for_retry') AS started"
                    ),
                    {"id": job.job_id},
                ).scalar()
                or dt.timedelta(0)
            )
        return Waiting(f"for step {len(put_back)}") if len(put_back) < 6 else Done()

    defer(database, "test.wait")
    with running(database, {"test.wait": wait}):
        wait_until(lambda: len(put_back) == 6)
    # With one reason for all of them the waits would be 0.5, 1, 2, 4 and 8 s.
    assert max(put_back) < dt.timedelta(seconds=1)


def test_what_a_clock_decides_is_looked_at_again_at_its_time(database: Database) -> None:
    looked: list[dt.datetime] = []
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=3)

    def wait(job: RunningJob) -> Done | Waiting:
        looked.append(dt.datetime.now(dt.UTC))
        return Waiting("for the date", until=until) if looked[-1] < until else Done()

    defer(database, "test.wait")
    with running(database, {"test.wait": wait}):
        wait_until(lambda: count(database) == 0)
    # Growing intervals would have looked at 0.5 and 1.5 s too; the timer may be early by a moment.
    assert len([at for at in looked if at < until - dt.timedelta(seconds=0.5)]) <= 1


@pytest.fixture
def long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process that waits be run again after an hour, so that whoever runs sooner was woken."""
    monkeypatch.setattr(jobs, "WAIT_SECONDS_MIN", 3600.0)
    monkeypatch.setattr(jobs, "WAIT_SECONDS_MAX", 3600.0)


@pytest.mark.usefixtures("long_waits")
def test_a_final_transaction_wakes_the_processes_of_its_tenant_that_wait_for_its_purpose(database: Database) -> None:
    runs: list[str] = []

    def wait(job: RunningJob) -> Waiting:
        runs.append(job.args["which"])
        return Waiting("for money", purpose=job.args["purpose"])

    defer(database, "test.wait", which="mine", purpose="pay:1")
    defer(database, "test.wait", which="other purpose", purpose="pay:2")
    with running(database, {"test.wait": wait}):
        wait_until(lambda: sleeping(database) == 2)
        with database.worker_transaction() as connection:
            assert wake(connection, tenant_id=OTHER_TENANT, purpose="pay:1:batch:0") == 0
            assert wake(connection, tenant_id=TENANT, purpose="pay:1:batch:0") == 1
        wait_until(lambda: len(runs) == 3)
    assert runs[2] == "mine"


@pytest.mark.usefixtures("long_waits")
def test_a_process_that_is_done_wakes_who_waits_for_its_result(database: Database) -> None:
    results: list[str] = []
    looked: list[bool] = []

    def use(job: RunningJob) -> Done | Waiting:
        looked.append(bool(results))
        return Done() if results else Waiting("for the result", purpose="test.result:7")

    def make(job: RunningJob) -> Done:
        results.append("made")
        return Done(wakes="test.result:7")

    defer(database, "test.use")
    with running(database, {"test.use": use, "test.make": make}):
        wait_until(lambda: sleeping(database) == 1)
        defer(database, "test.make")
        wait_until(lambda: count(database) == 0)
    assert looked == [False, True]


def sleeping(database: Database) -> int:
    with database.worker_transaction() as connection:
        return connection.execute(
            sa.text("SELECT count(*) FROM procrastinate.procrastinate_jobs WHERE status = 'todo' AND args ? '_waiting'")
        ).scalar_one()


@pytest.mark.usefixtures("long_waits")
def test_a_platform_transaction_wakes_whoever_waits_for_its_purpose(database: Database) -> None:
    runs: list[RunningJob] = []

    def wait(job: RunningJob) -> Waiting:
        runs.append(job)
        return Waiting("for the registry", purpose="platform:registry")

    defer(database, "test.wait")
    with running(database, {"test.wait": wait}):
        wait_until(lambda: sleeping(database) == 1)
        with database.worker_transaction() as connection:
            assert wake(connection, tenant_id=None, purpose="platform:other") == 0
            assert wake(connection, tenant_id=None, purpose="platform:registry:1") == 1
        wait_until(lambda: len(runs) == 2)


@pytest.mark.usefixtures("long_waits")
def test_a_process_woken_while_it_decides_to_wait_does_not_sleep_through_it(database: Database) -> None:
    runs: list[RunningJob] = []

    def decide(job: RunningJob) -> Waiting | Done:
        runs.append(job)
        if len(runs) == 1:
            with database.worker_transaction() as connection:
                wake(connection, tenant_id=TENANT, purpose="anything")
        return Waiting("not yet") if len(runs) == 1 else Done()

    defer(database, "test.decide")
    with running(database, {"test.decide": decide}):
        wait_until(lambda: len(runs) == 2)


def test_an_outage_is_retried_and_any_other_exception_keeps_the_job_as_failed(database: Database) -> None:
    tries: list[str] = []

    def outage(job: RunningJob) -> Done:
        tries.append("outage")
        if tries.count("outage") < 3:
            raise Unreachable("rpc", retry=True)
        return Done()

    def refuse(job: RunningJob) -> Done:
        tries.append("refuse")
        raise Planted

    def bug(job: RunningJob) -> Done:
        tries.append("bug")
        raise RuntimeError("jane@example.org broke it")

    for name in ("outage", "refuse", "bug"):
        defer(database, f"test.{name}", thing="x")
    with running(database, {"test.outage": outage, "test.refuse": refuse, "test.bug": bug}):
        wait_until(lambda: tries.count("outage") == 3)
        wait_until(lambda: count(database) == 2)
        with database.worker_transaction() as connection:
            failed = {job.name: job for job in failed_jobs(connection)}
        assert set(failed) == {"test.refuse", "test.bug"}
        assert failed["test.refuse"].error == "test.planted"
        assert "jane" not in failed["test.bug"].error and failed["test.bug"].args == {"thing": "x"}
        assert tries.count("refuse") == tries.count("bug") == 1
        with database.worker_transaction() as connection:
            assert retry_job(connection, failed["test.bug"].job_id)
        wait_until(lambda: tries.count("bug") == 2)


def test_a_job_that_loses_its_database_connection_runs_again(database: Database) -> None:
    tries: list[int] = []

    def lose(job: RunningJob) -> Done:
        tries.append(job.attempts)
        with database.worker_transaction() as connection:
            if len(tries) == 1:
                own = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
                with psycopg.connect(database.url, autocommit=True) as other:
                    other.execute("SELECT pg_terminate_backend(%s)", [own])
            connection.execute(sa.text("SELECT 1"))
        return Done()

    defer(database, "test.lose")
    with running(database, {"test.lose": lose}):
        wait_until(lambda: count(database) == 0)
    assert len(tries) == 2


def test_jobs_of_one_lock_run_one_after_the_other_in_order(database: Database) -> None:
    inside: list[int] = []
    order: list[int] = []

    def work(job: RunningJob) -> Done:
        inside.append(1)
        assert len(inside) == 1
        time.sleep(0.05)
        inside.pop()
        order.append(job.args["number"])
        return Done()

    with database.transaction(tenant_id=TENANT) as connection:
        for number in range(6):
            PostgresJobs(connection, tenant_id=TENANT).defer("test.work", {"number": number}, lock="one")
    with running(database, {"test.work": work}):
        wait_until(lambda: len(order) == 6)
    assert order == list(range(6))


def test_stopping_lets_the_running_job_end(database: Database) -> None:
    started, ended = threading.Event(), threading.Event()

    def slow(job: RunningJob) -> Done:
        started.set()
        time.sleep(1)
        ended.set()
        return Done()

    defer(database, "test.slow")
    with running(database, {"test.slow": slow}):
        assert started.wait(10)
    assert ended.is_set() and count(database) == 0


CHILD = """
import sys, time
from muniment.infra import jobs
from muniment.infra.clock import SystemClock
from muniment.infra.jobs import Done, JobRunner
from muniment.infra.postgres.database import Database

def slow(job):
    print("started", flush=True)
    time.sleep(600)
    return Done()

JobRunner(Database(sys.argv[1]), {"test.slow": slow}, clock=SystemClock()).run()
"""


@pytest.mark.crash
def test_a_job_whose_worker_was_killed_runs_again_and_a_living_one_keeps_its_own(database: Database) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, database.url], stdout=subprocess.PIPE, text=True)
    ran: list[RunningJob] = []

    def slow(job: RunningJob) -> Done:
        ran.append(job)
        return Done()

    try:
        defer(database, "test.slow")
        assert child.stdout is not None
        assert child.stdout.readline() == "started\n"
        with running(database, {"test.slow": slow}):
            # As long as the other worker lives, its job is its own.
            time.sleep(4)
            assert not ran
            os.kill(child.pid, signal.SIGKILL)
            wait_until(lambda: ran)
        assert len(ran) == 1
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def test_a_lost_database_connection_is_an_outage_and_a_second_run_works(database: Database) -> None:
    seen: list[int] = []

    def note(job: RunningJob) -> Done:
        seen.append(job.job_id)
        return Done()

    outages: list[Unreachable] = []
    runner = JobRunner(database, {"test.note": note}, clock=SystemClock())

    def run() -> None:
        while len(outages) < 3:
            try:
                runner.run()
                return
            except Unreachable as error:
                outages.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    defer(database, "test.note")
    wait_until(lambda: len(seen) == 1)
    with database._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'muniment jobs%%' AND datname = current_database()"
        )
    defer(database, "test.note")
    wait_until(lambda: len(seen) == 2)
    runner.stop()
    thread.join(20)
    assert not thread.is_alive()


def test_a_schedule_starts_its_job_by_the_clock(database: Database) -> None:
    seen: list[RunningJob] = []

    def note(job: RunningJob) -> Done:
        seen.append(job)
        return Done()

    with running(database, {"test.tick": note}, schedules={"test.tick": "* * * * * *"}):
        wait_until(lambda: len(seen) >= 2)
    assert seen[0].tenant_id is None and json.dumps(dict(seen[0].args))


def test_the_failure_of_a_job_is_logged_without_its_arguments(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = """
import sys
from muniment.infra import jobs
from muniment.infra.clock import SystemClock
from muniment.infra.jobs import JobRunner
from muniment.infra.logging import configure_logging
from muniment.infra.postgres.database import Database
configure_logging(level="debug")
def bug(job):
    runner.stop()
    raise RuntimeError("mail canary@example.org password=canary2")
runner = JobRunner(Database(sys.argv[1]), {"test.bug": bug}, clock=SystemClock())
runner.run()
"""
    defer(database, "test.bug", note="canary3")
    with log.open("w") as stream:
        subprocess.run([sys.executable, "-c", program, database.url], stdout=stream, stderr=stream, check=True, timeout=60)
    text = log.read_text()
    assert "jobs.failed" in text and "canary" not in text
