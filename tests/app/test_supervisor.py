# SPDX-License-Identifier: Apache-2.0
"""`muniment up`: everything comes up in order, whatever is killed comes back and is reported, and nothing is left behind."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from muniment.app.services import services
from muniment.app.supervisor import AlreadyUp, PortTaken, Supervisor
from muniment.infra import processes
from muniment.infra.configuration import Configuration
from muniment.infra.evm.journal import blocks_from
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.localchain.anvil import free_port
from muniment.infra.localchain.state import read_state
from muniment.infra.outages import Unreachable

pytestmark = [pytest.mark.slow]
START_SECONDS_MAX = 120
COMPONENTS = {"database", "chain", "worker", "api"}


class Up:
    """A `muniment up --json` of a home, and what it tells."""

    def __init__(self, home: Path, anvil: Path, **settings: str) -> None:
        environment = {**os.environ, "MUNIMENT_HOME": str(home), "MUNIMENT_ANVIL": str(anvil), "MUNIMENT_API_PORT": "0", **settings}
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-m", "muniment.app.cli", "up", "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.told: list[dict[str, Any]] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def wait_for(self, component: str, state: str, *, seconds: float = START_SECONDS_MAX) -> dict[str, Any]:
        """Return the next report of that kind."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                told = json.loads(self._lines.get(timeout=0.2))
            except queue.Empty:
                assert self.process.poll() is None, f"it ended: {self.told[-5:]}"
                assert time.monotonic() < deadline, f"no {component} {state}; told: {self.told[-5:]}"
                continue
            self.told.append(told)
            if (told["component"], told["state"]) == (component, state):
                return told

    def state(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.home / "run" / "state.json").read_text(encoding="utf-8"))
        return document

    def component(self, name: str) -> processes.ProcessName:
        known = self.state()["components"][name]
        return processes.ProcessName(known["pid"], known["started"])

    def chain(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.home / "run" / "chain.json").read_text(encoding="utf-8"))
        return document

    def everything(self) -> list[processes.ProcessName]:
        names = [self.component(name) for name in COMPONENTS]
        node = processes.name_of(self.chain()["node_pid"])
        assert node is not None
        return [*names, node]

    def stop(self, signal_number: int = signal.SIGINT) -> int:
        self.process.send_signal(signal_number)
        code = self.process.wait(60)
        self._close()
        return code

    def _close(self) -> None:
        self._reader.join(10)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()

    def abandon(self) -> None:
        """End it whatever its state, when a test failed half-way."""
        if self.process.poll() is None:
            self.stop(signal.SIGTERM)


@pytest.fixture
def start(home: Path, anvil_binary: Path) -> Iterator[Callable[..., Up]]:
    """Start a `muniment up` in the test's home."""
    started: list[Up] = []

    def begin(**settings: str) -> Up:
        started.append(Up(home, anvil_binary, **settings))
        return started[-1]

    yield begin
    for one in started:
        one.abandon()


def until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.crash
def test_whatever_is_killed_is_reported_and_comes_back_and_a_stop_leaves_nothing(start: Callable[..., Up]) -> None:
    up = start()
    url = up.wait_for("muniment", "ready")["url"]
    assert [told["component"] for told in up.told if told["state"] == "ready"][:2] == ["database", "chain"]
    until(lambda: answers(url))
    database_url = up.state()["database_url"]

    until(lambda: len(journal_of(database_url)) >= 1)
    before = journal_of(database_url)
    for name in ("worker", "api", "chain", "database"):
        killed = up.component(name)
        killed.send(signal.SIGKILL)
        assert "again" in up.wait_for(name, "died")["message"]
        up.wait_for(name, "ready")
        assert up.component(name) != killed
    node = processes.name_of(up.chain()["node_pid"])
    assert node is not None
    node.send(signal.SIGKILL)
    assert "node died" in up.wait_for("chain", "told")["message"]
    until(lambda: answers(url))

    rpc = JsonRpc(up.state()["chain_rpc_url"])
    for number, hash_ in before.items():
        block = rpc.call("eth_getBlockByNumber", [hex(number), False])
        assert block["hash"] == hash_
    rpc.close()

    running = up.everything()
    assert up.stop() == 0
    assert not [name for name in running if name.is_running()]
    assert not (up.home / "run" / "state.json").exists()
    assert "Traceback" not in (up.home / "log" / "muniment.log").read_text(encoding="utf-8")


@pytest.mark.crash
def test_after_kill_9_of_the_supervisor_the_next_takes_over_and_a_second_one_is_refused(
    start: Callable[..., Up], anvil_binary: Path
) -> None:
    first = start()
    first.wait_for("muniment", "ready")
    second = subprocess.run(
        [sys.executable, "-m", "muniment.app.cli", "up", "--json"],
        env={**os.environ, "MUNIMENT_HOME": str(first.home), "MUNIMENT_ANVIL": str(anvil_binary)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert json.loads(second.stdout)["error"]["code"] == AlreadyUp.code

    left = first.everything()
    first.stop(signal.SIGKILL)
    next_one = start()
    next_one.wait_for("muniment", "ready")
    assert not [name for name in left if name.is_running()]
    assert next_one.stop(signal.SIGTERM) == 0


def test_ctrl_c_while_it_starts_stops_what_has_started(start: Callable[..., Up]) -> None:
    up = start()
    up.wait_for("database", "ready")
    server = up.component("database") if (up.home / "run" / "state.json").exists() else None
    assert up.stop() == 0
    assert server is None or not server.is_running()


def test_a_taken_port_is_refused_before_anything_of_ours_listens(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        supervisor = Supervisor(Configuration(home=home, api_port=other.getsockname()[1]), report=lambda _report: None)
        with pytest.raises(PortTaken):
            supervisor.run()
    assert not (home / "postgres").exists()


def test_services_start_what_is_missing_and_attach_to_what_runs(home: Path, anvil_binary: Path) -> None:
    configuration = Configuration(home=home, anvil=anvil_binary)
    said: list[str] = []
    with services(configuration, progress=said.append) as outer:
        assert outer.configuration.database_is_embedded
        assert outer.configuration.chain_is_local
        with services(configuration, progress=said.append) as inner:
            assert (inner.database_url, inner.chain_rpc_url) == (outer.database_url, outer.chain_rpc_url)
        with psycopg.connect(outer.database_url) as connection:
            assert connection.execute("SELECT chain_id FROM infra.chain_identity").fetchone() == (31337,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(outer.database_url)


def test_services_that_are_given_are_used_and_never_stopped(fresh_postgres_url: str, chain_rpc: JsonRpc, home: Path) -> None:
    configuration = Configuration(home=home, database_url=fresh_postgres_url, chain_rpc_url=chain_rpc.url)
    with services(configuration, progress=lambda _message: None) as running:
        assert (running.database, running.chain) == (None, None)
        assert not running.configuration.database_is_embedded
    assert chain_rpc.call("eth_chainId")
    with psycopg.connect(fresh_postgres_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_chain_that_does_not_answer_is_an_outage_and_the_database_is_stopped(home: Path) -> None:
    configuration = Configuration(home=home, chain_rpc_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable), services(configuration, progress=lambda _message: None):
        pass
    assert not list((home / "postgres" / "data").glob("postmaster.pid"))


def test_a_database_that_does_not_answer_is_an_outage_that_shows_no_password(home: Path) -> None:
    configuration = Configuration(home=home, database_url=f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d")
    with pytest.raises(Unreachable) as outage, services(configuration, progress=lambda _message: None):
        pass
    assert "hunter2" not in str(outage.value)


def journal_of(database_url: str) -> dict[int, str]:
    with psycopg.connect(database_url) as connection:
        return {block.number: "0x" + block.hash.hex() for block in blocks_from(connection, 0)}


@pytest.mark.crash
def test_killed_at_any_moment_of_its_start_the_next_start_finds_its_way(home: Path, anvil_binary: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from muniment.app.services import services; from muniment.infra.configuration import Configuration\n"
        "print('go', flush=True)\n"
        "with services(Configuration(home=Path(sys.argv[1]), anvil=Path(sys.argv[2])), progress=lambda message: None): time.sleep(600)"
    )
    for wait_seconds in (0.05, 0.15, 0.3, 0.45, 0.6, 0.8, 1.1, 1.6, None):
        victim = subprocess.Popen([sys.executable, "-c", program, str(home), str(anvil_binary)], stdout=subprocess.PIPE, text=True)
        assert victim.stdout is not None
        assert victim.stdout.readline() == "go\n"
        if wait_seconds is None:
            # The worst moment: all is up and answers, and nothing has yet noticed that its supervisor is gone.
            until(lambda: (state := read_state(home / "run")) is not None and state.state == "ready" and state.name.is_running())
        else:
            time.sleep(wait_seconds)
        victim.kill()
        victim.communicate()
    with services(Configuration(home=home, anvil=anvil_binary), progress=lambda _message: None) as running:
        with psycopg.connect(running.database_url) as connection:
            assert connection.execute("SELECT count(*) FROM infra.chain_identity").fetchone() == (1,)
        rpc = JsonRpc(running.chain_rpc_url)
        assert int(rpc.call("eth_chainId"), 16) == 31337
        rpc.close()
