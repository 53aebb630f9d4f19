# SPDX-License-Identifier: Apache-2.0
"""`muniment up`: keeps database, chain, worker and API running in the foreground, and says what it does. Starting one is in `services`."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape

from muniment.app.services import (
    EXIT_REFUSED,
    ORDER,
    Child,
    Component,
    Services,
    api_answers,
    api_url,
    prepare_home,
    refusal_of,
    services,
    start_chain,
    start_database,
    wait_for_api,
    with_api_port,
)
from muniment.infra.clock import SystemClock
from muniment.infra.configuration import Configuration
from muniment.infra.localchain.local_chain import LocalChain
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.embedded import EmbeddedPostgres
from muniment.infra.processes import ProcessName, end, name_of
from muniment.units.errors import MunimentError

__all__ = ["Services", "Supervisor", "read_state", "services", "up"]

STATE_FILE = "state.json"
LOCK_FILE = "up.lock"
WATCH_SECONDS = 0.1
BACKOFF_SECONDS = 0.5
BACKOFF_SECONDS_MAX = 30.0
HEALTHY_SECONDS = 60.0
"""A part that ran this long starts its backoff anew."""


class AlreadyUp(MunimentError):
    """One home has one supervisor."""

    code = "up.already_running"
    message = "Muniment already runs from {home} as process {pid}, at {url}."
    cure = "Use it as it is, stop it with: kill {pid}, or choose another home with MUNIMENT_HOME."


class PortTaken(MunimentError):
    """Another program listens where the pages should be."""

    code = "up.port_taken"
    message = "Another program listens on {host}:{port}."
    cure = "Stop it, or choose another port: MUNIMENT_API_PORT=0 takes any free one."


@dataclass(frozen=True, slots=True)
class Report:
    """One line of what happens: `state` is starting, ready, died, restarting, refused, stopped or told."""

    component: str
    state: str
    message: str
    facts: dict[str, Any] = field(default_factory=dict)


Reporter = Callable[[Report], None]
"""Where reports go."""


class _Part(Protocol):
    """What the supervisor needs of anything that it keeps alive."""

    def stop(self) -> None:
        """End it if we started it."""
        ...


@dataclass(slots=True)
class _Watched:
    """A part with its history of deaths."""

    component: Component
    started_at: float = 0.0
    deaths: int = 0
    restart_at: float | None = None

    def next_wait(self, now: float) -> float:
        if now - self.started_at > HEALTHY_SECONDS:
            self.deaths = 0
        self.deaths += 1
        return float(min(BACKOFF_SECONDS * 2 ** (self.deaths - 1), BACKOFF_SECONDS_MAX))


class Supervisor:
    """Starts the parts in order, restarts what dies, stops them in reverse order. One per home."""

    def __init__(self, configuration: Configuration, *, report: Reporter) -> None:
        self.configuration = configuration
        self._report = report
        self._database: EmbeddedPostgres | None = None
        self._chain: LocalChain | None = None
        self._worker: Child | None = None
        self._api: Child | None = None
        self._watched = {component: _Watched(component) for component in ORDER}
        self._stopping = threading.Event()
        self._stop_asked = 0
        self._is_starting = False
        self._api_is_awaited = False

    def stop(self, _signal_number: int = 0, _frame: FrameType | None = None) -> None:
        """Ask it to stop (a handler of signals); a second time: at once."""
        self._stop_asked += 1
        self._stopping.set()
        if self._is_starting and self._stop_asked == 1:
            # A first start may wait long for npm or for a recovery: leave it where it stands; what has started is stopped below.
            raise KeyboardInterrupt
        if self._stop_asked > 1:
            for child in (self._api, self._worker):
                if child is not None and child.name is not None:
                    child.name.send(signal.SIGKILL)

    def run(self) -> None:
        """Run until asked to stop. Raises a refusal or an outage of the start; later deaths are reported and mended."""
        began = time.monotonic()
        prepare_home(self.configuration)
        with self._only_one():
            try:
                self._end_leftovers()
                self._refuse_taken_port()
                self._start_all()
                if not self._stopping.is_set():
                    url = api_url(self.configuration)
                    self._say("muniment", "ready", f"up at {url} after {time.monotonic() - began:.1f} s; Ctrl-C stops it", url=url)
                while not self._stopping.wait(WATCH_SECONDS):
                    self._watch()
            finally:
                self._stop_all()

    # --- start and stop -----------------------------------------------------------------------------------------------------------

    def _start_all(self) -> None:
        self._is_starting = True
        try:
            for component in ORDER:
                self._start(component)
        except KeyboardInterrupt:
            self._say("muniment", "told", "asked to stop while starting")
        finally:
            self._is_starting = False

    def _start(self, component: Component) -> None:
        watched = self._watched[component]
        watched.started_at, watched.restart_at = time.monotonic(), None
        progress = self._progress(component)
        match component:
            case "database":
                if self._database is None:
                    self._database, self.configuration = start_database(self.configuration, progress=progress)
                else:
                    self.configuration = self.configuration.with_database(self._database.start())
            case "chain":
                if self._chain is None:
                    self._chain, self.configuration = start_chain(self.configuration, progress=progress)
                else:
                    self.configuration = self.configuration.with_chain(self._chain.start())
            case "worker":
                self._worker = Child("worker", self.configuration)
                self._worker.start()
            case "api":
                self.configuration = with_api_port(self.configuration)
                self._api = Child("api", self.configuration)
                self._api.start()
                if not self._is_starting:
                    # No waiting here: the database may die meanwhile, and only the watch would bring it back.
                    self._api_is_awaited = True
                    self._write_state()
                    return
                wait_for_api(self._api, self.configuration)
        self._write_state()
        self._say(component, "ready", f"{component}: {self._where(component)}", pid=self._pid(component))

    def _stop_all(self) -> None:
        parts: tuple[tuple[Component, _Part | None], ...] = (
            ("api", self._api),
            ("worker", self._worker),
            ("chain", self._chain),
            ("database", self._database),
        )
        for component, part in parts:
            if part is not None:
                part.stop()
                self._say(component, "stopped", f"{component}: stopped")
        with contextlib.suppress(OSError):  # a stop must end even when the home has gone
            (self.configuration.run_folder / STATE_FILE).unlink(missing_ok=True)

    # --- watch --------------------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._chain is not None:
            for message in self._chain.news():
                self._say("chain", "told", message)
        now = time.monotonic()
        for component in ORDER:
            watched = self._watched[component]
            if watched.restart_at is not None:
                if now >= watched.restart_at:
                    self._restart(component)
            elif (death := self._death_of(component)) is not None:
                wait_seconds = watched.next_wait(now)
                watched.restart_at = now + wait_seconds
                self._say(component, "died", f"{component}: {death}; starting it again in {wait_seconds:g} s", deaths=watched.deaths)
        if self._api_is_awaited and self._watched["api"].restart_at is None and api_answers(self.configuration):
            self._api_is_awaited = False
            self._say("api", "ready", f"api: {self._where('api')}", pid=self._pid("api"))

    def _restart(self, component: Component) -> None:
        before = (self.configuration.database_url, self.configuration.chain_rpc_url)
        try:
            self._start(component)
        except (MunimentError, Unreachable) as error:
            watched = self._watched[component]
            wait_seconds = watched.next_wait(time.monotonic())
            watched.restart_at = time.monotonic() + wait_seconds
            self._say(component, "refused", f"{component}: {error}; trying again in {wait_seconds:g} s", deaths=watched.deaths)
            return
        if before != (self.configuration.database_url, self.configuration.chain_rpc_url):
            # The address could not be kept (somebody took the port meanwhile), and these two know only the old one.
            for child in (self._worker, self._api):
                if child is not None:
                    self._say(child.component, "restarting", f"{child.component}: restarting with the new address")
                    child.stop()
                    self._start(child.component)

    def _death_of(self, component: Component) -> str | None:
        """Return how a part died; None while it lives."""
        match component:
            case "database":
                return None if self._database is None or self._database.is_running() else "the server died"
            case "chain":
                return None if self._chain is None or self._chain.is_running() else "its process died"
            case "worker" | "api":
                child = self._worker if component == "worker" else self._api
                code = None if child is None else child.exit_code()
                if child is None or code is None:
                    return None
                if code == EXIT_REFUSED:
                    return str(refusal_of(child, code))
                return f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    # --- one supervisor, and what a killed one left ---------------------------------------------------------------------------------

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        lock = os.open(self.configuration.run_folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                state = read_state(self.configuration) or {}
                url = state.get("api_url") or "an address that it has not told yet"
                raise AlreadyUp(home=self.configuration.home, pid=state.get("pid", "unknown"), url=url) from None
            yield
        finally:
            os.close(lock)

    def _end_leftovers(self) -> None:
        """End the worker and API of a killed supervisor. Database and chain need no such care: whoever starts them meets their locks."""
        state = read_state(self.configuration)
        for component in ("api", "worker"):
            known = (state or {}).get("components", {}).get(component) or {}
            if "pid" not in known or "started" not in known:
                continue
            leftover = ProcessName(int(known["pid"]), str(known["started"]))
            if leftover.is_running():
                self._say(component, "told", f"{component}: ending process {leftover.pid}, left by a killed run")
                end(leftover, patience=[(signal.SIGTERM, 5)])

    def _refuse_taken_port(self) -> None:
        if self.configuration.api_port:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self.configuration.api_host, self.configuration.api_port))
                except OSError:
                    raise PortTaken(host=self.configuration.api_host, port=self.configuration.api_port) from None

    # --- telling --------------------------------------------------------------------------------------------------------------------

    def _progress(self, component: Component) -> Callable[[str], None]:
        return lambda message: self._say(component, "starting", message)

    def _say(self, component: str, state: str, message: str, **facts: Any) -> None:
        with self.configuration.log_file.open("a", encoding="utf-8") as log:
            log.write(f"{SystemClock().now():%Y-%m-%d %H:%M:%S} up [{os.getpid()}] {message}\n")
        self._report(Report(component, state, message, facts))

    def _pid(self, component: Component) -> int | None:
        part = {"database": self._database, "chain": self._chain, "worker": self._worker, "api": self._api}[component]
        return None if part is None else part.pid

    def _where(self, component: Component) -> str:
        match component:
            case "database":
                return "an external server answers" if self._database is None else "running"
            case "chain":
                return "an external node answers" if self._chain is None else f"running at {self.configuration.chain_rpc_url}"
            case "worker":
                return "running"
            case "api":
                return f"answers at {api_url(self.configuration)}"

    def _write_state(self) -> None:
        """Tell others what runs; addresses that may hold a password stay out."""
        mine = name_of(os.getpid())
        assert mine is not None, "this process runs"
        components: dict[str, dict[str, Any]] = {}
        for component in ORDER:
            pid = self._pid(component)
            if pid is not None and (name := name_of(pid)) is not None:
                components[component] = {"pid": name.pid, "started": name.started}
        document = {
            "pid": mine.pid,
            "started": mine.started,
            "written_at": SystemClock().now().isoformat(),
            "api_url": api_url(self.configuration) if self._api is not None else None,
            "chain_rpc_url": self.configuration.chain_rpc_url if self.configuration.chain_is_local else None,
            "database_url": self.configuration.database_url if self.configuration.database_is_embedded else None,
            "components": components,
        }
        path = self.configuration.run_folder / STATE_FILE
        draft = path.with_name(f".{STATE_FILE}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(document, file)
        draft.replace(path)


def read_state(configuration: Configuration) -> dict[str, Any] | None:
    """Return what the supervisor of this home last wrote (pids, addresses); None when none runs and none was killed."""
    try:
        document: dict[str, Any] = json.loads((configuration.run_folder / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document


def up(configuration: Configuration, *, as_json: bool = False) -> None:
    """Run everything in the foreground until Ctrl-C or SIGTERM, telling each step on the console (or one JSON object a line)."""
    supervisor = Supervisor(configuration, report=json_reporter() if as_json else console_reporter(Console()))
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, supervisor.stop)
    supervisor.run()


_COLOURS = {
    "ready": "green",
    "died": "red",
    "refused": "red",
    "restarting": "yellow",
    "starting": "cyan",
    "stopped": "dim",
    "told": "yellow",
}


def console_reporter(console: Console) -> Reporter:
    """Return a reporter for people."""

    def report(told: Report) -> None:
        text = told.message.removeprefix(f"{told.component}: ")
        console.print(f"[{_COLOURS[told.state]}]{told.component:>9}[/]  {escape(text)}", highlight=False, soft_wrap=True)

    return report


def json_reporter() -> Reporter:
    """Return a reporter for programs: one JSON object a line."""

    def report(told: Report) -> None:
        line = {
            "at": SystemClock().now().astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
            "component": told.component,
            "state": told.state,
            "message": told.message,
            **told.facts,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    return report
