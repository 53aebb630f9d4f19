# SPDX-License-Identifier: Apache-2.0
"""Brings up, in order, what a command needs: database, schema, chain, worker, API; or attaches to what runs. Watches nothing: `up` does."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import httpx
import sqlalchemy as sa

from muniment.infra import processes
from muniment.infra.clock import SystemClock
from muniment.infra.configuration import Configuration
from muniment.infra.evm.client import Evm
from muniment.infra.evm.identity import check_chain_identity
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.localchain.anvil import free_port
from muniment.infra.localchain.local_chain import LocalChain
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import Database
from muniment.infra.postgres.embedded import EmbeddedPostgres
from muniment.infra.postgres.migrations import migrate
from muniment.infra.processes import ProcessName
from muniment.units.errors import MunimentError

Component = Literal["database", "chain", "worker", "api"]
# The API before the worker: both take a while to import, and a person waits for the first page.
ORDER: tuple[Component, ...] = ("database", "chain", "api", "worker")
API_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 10.0
WORKER_SILENT_MAX = dt.timedelta(seconds=10)
LOG_BYTES_MAX = 50 * 1024 * 1024
LOG_TAIL_LINES = 12
EXIT_REFUSED = 2

Progress = Callable[[str], None]


class ChildRefused(MunimentError):
    """A process of ours refused to run; starting it again would change nothing."""

    code = "up.child_refused"
    message = "The {component} refused to start: {reason}"
    cure = "{advice}"


@dataclass(frozen=True, slots=True)
class Services:
    """What is up: the configuration with every address filled in."""

    configuration: Configuration
    database: EmbeddedPostgres | None
    """None where DATABASE_URL names a server that is not ours."""
    chain: LocalChain | None
    """None where CHAIN_RPC_URL names a node that is not ours, or no chain was asked for."""
    worker: Child | None
    """None where one runs from this home already, or none was asked for."""
    api: Child | None

    @property
    def database_url(self) -> str:
        """The database as its owner."""
        assert self.configuration.database_url is not None
        return self.configuration.database_url

    @property
    def chain_rpc_url(self) -> str:
        """The chain's JSON-RPC."""
        assert self.configuration.chain_rpc_url is not None, "the chain was not asked for"
        return self.configuration.chain_rpc_url

    @property
    def api_url(self) -> str:
        """Where the pages and the API are."""
        return api_url(self.configuration)


def api_url(configuration: Configuration) -> str:
    """Return the address of the pages."""
    return f"http://{configuration.api_host}:{configuration.api_port}"


@contextmanager
def services(
    configuration: Configuration,
    *,
    progress: Progress,
    components: Sequence[Component] = ("database", "chain"),
) -> Iterator[Services]:
    """Bring up `components` (the database always), or attach to those that run from this home; stop at the end what was started here.

    The schema is brought up to date and the chain compared with the database's before anything uses them. Call it from the main thread:
    only there can the kernel be told to take the children along should this process be killed.
    """
    prepare_home(configuration)
    database = chain = worker = api = None
    try:
        database, configuration = start_database(configuration, progress=progress)
        if "chain" in components:
            chain, configuration = start_chain(configuration, progress=progress)
        if "worker" in components and not _worker_runs(configuration):
            worker = Child("worker", configuration)
            worker.start()
            progress("worker: started")
        if "api" in components:
            configuration = with_api_port(configuration)
            api = Child("api", configuration)
            api.start()
            wait_for_api(api, configuration)
            progress(f"api: ready at {api_url(configuration)}")
        yield Services(configuration, database, chain, worker, api)
    finally:
        for part in (api, worker, chain, database):
            if part is not None:
                part.stop()


def prepare_home(configuration: Configuration) -> None:
    """Make the home and its folders, and put an overlong log aside."""
    configuration.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration.run_folder.mkdir(mode=0o700, exist_ok=True)
    configuration.log_file.parent.mkdir(mode=0o700, exist_ok=True)
    log = configuration.log_file
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))


def start_database(configuration: Configuration, *, progress: Progress) -> tuple[EmbeddedPostgres | None, Configuration]:
    """Start or attach to the database and bring its schema up to date; return the configuration with its address."""
    server = None
    if configuration.database_url is None:
        server = EmbeddedPostgres(configuration.home, progress=progress, log_file=configuration.log_file)
        server.start()
        configuration = configuration.with_database(server.url)
    assert configuration.owner_url is not None
    try:
        migrate(configuration.owner_url)
    except BaseException as error:
        if server is not None:
            server.stop()
        if isinstance(error, sa.exc.OperationalError):
            # The driver's own words repeat the address, which may hold a password.
            raise Unreachable("database", detail="it does not answer, or refuses this login", retry=True) from error
        raise
    return server, configuration


def start_chain(configuration: Configuration, *, progress: Progress) -> tuple[LocalChain | None, Configuration]:
    """Start or attach to the chain and make sure that it is the database's; return the configuration with its address."""
    chain = None
    if configuration.chain_rpc_url is None:
        chain = LocalChain(configuration, progress=progress)
        configuration = configuration.with_chain(chain.start())
    try:
        check_chain(configuration)
    except BaseException:
        if chain is not None:
            chain.stop()
        raise
    return chain, configuration


def check_chain(configuration: Configuration) -> None:
    """Refuse a chain that is not the one this database was filled from."""
    assert configuration.database_url is not None
    assert configuration.chain_rpc_url is not None
    database = Database(configuration.database_url)
    rpc = JsonRpc(configuration.chain_rpc_url)
    try:
        check_chain_identity(database, Evm(rpc))
    finally:
        rpc.close()
        database.close()


def _worker_runs(configuration: Configuration) -> bool:
    """Whether a worker of this home is at work: a second one would only compete with it for blocks and jobs."""
    from muniment.app.worker import HEALTH_FILE

    try:
        body = json.loads((configuration.run_folder / HEALTH_FILE).read_text(encoding="utf-8"))
        pid, age = int(body["pid"]), SystemClock().now() - dt.datetime.fromisoformat(body["at"])
    except (OSError, ValueError, KeyError):
        return False
    # A killed worker leaves its file, and its pid may mean somebody else by now; a living one writes every second.
    return processes.name_of(pid) is not None and abs(age) < WORKER_SILENT_MAX


def with_api_port(configuration: Configuration) -> Configuration:
    """Return the configuration with a port in place of 0."""
    return configuration if configuration.api_port else configuration.with_port(free_port())


class Child:
    """One of our own processes, `muniment worker` or `muniment api`, in the same interpreter with the same settings."""

    def __init__(self, component: Literal["worker", "api"], configuration: Configuration) -> None:
        self.component = component
        self.configuration = configuration
        self._child: subprocess.Popen[bytes] | None = None
        self._name: ProcessName | None = None
        self._log_began = 0

    @property
    def name(self) -> ProcessName | None:
        """Its process."""
        return self._name

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start it; its output goes to the log."""
        with self.configuration.log_file.open("ab") as log:
            self._log_began = log.tell()
            self._child = processes.spawn_tethered(
                [sys.executable, "-m", "muniment.app.cli", self.component],
                death_signal=signal.SIGTERM,
                log=log,
                environment={**os.environ, **self.configuration.to_environment()},
            )
        self._name = processes.name_of(self._child.pid)

    def exit_code(self) -> int | None:
        """How it ended; None while it runs. Negative: the signal that killed it."""
        return None if self._child is None else self._child.poll()

    def stop(self, seconds: float = STOP_SECONDS_MAX) -> None:
        """Ask it to end and wait; kill it when it does not."""
        child, self._child = self._child, None
        if child is not None:
            processes.end(child, patience=[(signal.SIGTERM, seconds)])

    def last_words(self) -> str:
        """Return the last lines of its log since it was started."""
        with self.configuration.log_file.open("rb") as log:
            log.seek(self._log_began)
            lines = log.read().decode("utf-8", errors="replace").splitlines()
        return "\n".join(line for line in lines if line.strip()[:1] and " postgres " not in line)[-4000:]


def wait_for_api(api: Child, configuration: Configuration) -> None:
    """Wait until the API answers; raise when it ends first."""
    deadline = time.monotonic() + API_SECONDS_MAX
    with httpx.Client(trust_env=False, timeout=2) as client:
        while time.monotonic() < deadline:
            code = api.exit_code()
            if code is not None:
                raise refusal_of(api, code)
            if _is_healthy(client, configuration):
                return
            time.sleep(0.03)
    raise Unreachable("api", detail=f"no answer after {API_SECONDS_MAX:.0f} s; see {configuration.log_file}", retry=True)


def api_answers(configuration: Configuration) -> bool:
    """Whether the API answers at this moment."""
    with httpx.Client(trust_env=False, timeout=1) as client:
        return _is_healthy(client, configuration)


def _is_healthy(client: httpx.Client, configuration: Configuration) -> bool:
    try:
        return client.get(f"{api_url(configuration)}/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False  # not listening yet


def refusal_of(child: Child, exit_code: int) -> MunimentError:
    """Return why a child of ours ended, with its own last words."""
    lines = child.last_words().splitlines()[-LOG_TAIL_LINES:]
    reason = lines[-1] if lines else f"it ended with {exit_code} and said nothing"
    return ChildRefused(
        component=child.component,
        reason=reason,
        advice=f"Read the end of {child.configuration.log_file}, mend the cause and start again.",
        exit_code=exit_code,
    )
