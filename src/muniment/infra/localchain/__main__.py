# SPDX-License-Identifier: Apache-2.0
"""The process `python -m muniment.infra.localchain`: anvil, its recovery from the journal, the mining and the door. `LocalChain` starts it.

Reads its settings from the environment (MUNIMENT_HOME, DATABASE_URL, ...), tells its state in `run/chain.json`, ends on SIGTERM or SIGINT.
Exit codes: 0 asked to stop, 2 a refusal (also in the state file), 3 the database does not answer, 4 another local chain holds this home.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import psycopg

from muniment.infra import processes
from muniment.infra.clock import SystemClock
from muniment.infra.configuration import Configuration, read_configuration
from muniment.infra.evm.journal import blocks_from
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.localchain.anvil import Anvil
from muniment.infra.localchain.forwarding import Door
from muniment.infra.localchain.install import install, verify_version
from muniment.infra.localchain.mining import POLL_SECONDS, Miner, Rhythm
from muniment.infra.localchain.recovery import Recovery, replay
from muniment.infra.localchain.state import LOCK_NAME, LOCK_TAKEN, ChainState, read_state, write_state
from muniment.infra.outages import Unreachable
from muniment.units.errors import MunimentError

DATABASE_SECONDS_MAX = 60.0
RESTART_SECONDS = 0.2
RESTART_SECONDS_MAX = 10.0


class Process:
    """The local chain's process from its start to its end."""

    def __init__(self, configuration: Configuration, lock: int) -> None:
        self._configuration = configuration
        self._lock = lock
        self._stopping = threading.Event()
        name = processes.name_of(os.getpid())
        assert name is not None, "this process runs"
        previous = read_state(configuration.run_folder)
        # Gone already, its pid would go to whoever adopts orphans, who lives: then nothing ends with it, and nothing must be ended.
        supervisor = processes.name_of(os.getppid()) or name
        self._state = ChainState(
            pid=name.pid,
            started=name.started,
            state="starting",
            supervisor_pid=supervisor.pid,
            supervisor_started=supervisor.started,
        )
        # The address should survive a restart: whoever holds it goes on where it was.
        self._port = configuration.chain_port or (0 if previous is None else previous.port)

    def stop(self, _signal_number: int, _frame: FrameType | None) -> None:
        """Ask it to end."""
        self._stopping.set()

    def run(self) -> None:
        """Run until asked to end; raise a refusal when the chain cannot be made again."""
        self.say("starting")
        configuration = self._configuration
        if configuration.anvil is None:
            binary = install(configuration.home, progress=self.say)
        else:
            binary = configuration.anvil
            verify_version(binary)
        door = Door(port=self._port)
        wait_seconds = RESTART_SECONDS
        try:
            while not self._stopping.is_set():
                began = time.monotonic()
                self._run_once(binary, door)
                if self._stopping.is_set():
                    return
                # A node that dies at every start must not keep a core busy.
                wait_seconds = (
                    RESTART_SECONDS if time.monotonic() - began > RESTART_SECONDS_MAX else min(2 * wait_seconds, RESTART_SECONDS_MAX)
                )
                self.say("chain: the node died; making the chain again from the journal", state="recovering")
                self._stopping.wait(wait_seconds)
        finally:
            door.stop()

    def _run_once(self, binary: Path, door: Door) -> None:
        """One life of the node: start, recover, open the door, mine, shut the door."""
        home = self._configuration.home
        with Anvil(binary, folder=home / "chain" / "anvil", log_file=self._configuration.log_file, keep_open=[self._lock]) as anvil:
            rpc = JsonRpc(anvil.url)
            try:
                recovery = self._recover(rpc)
                self._open(door, anvil.port)
                if (node := anvil.name) is None:
                    raise Unreachable("chain", detail="the node ended at once", retry=True)
                self._state.node_pid, self._state.node_started = node.pid, node.started
                self._state.recovered = str(recovery)
                self.say(f"chain: ready at {self._state.url}; {recovery}", state="ready")
                miner = Miner(
                    rpc,
                    rhythm=Rhythm(block_seconds=self._configuration.block_seconds, confirmations=max(2, self._configuration.confirmations)),
                    clock=SystemClock(),
                )
                while anvil.is_running() and not self._stopping.is_set():
                    miner.step()
                    self._stopping.wait(POLL_SECONDS)
            except Unreachable:
                if anvil.is_running():
                    raise
            finally:
                rpc.close()
                if self._stopping.is_set():
                    # Whoever comes now must wait for the next one instead of attaching to this.
                    self.say("chain: stopping", state="stopping")
                door.shut()

    def _open(self, door: Door, node_port: int) -> None:
        try:
            self._state.port = door.open(node_port)
        except OSError:
            if self._configuration.chain_port:
                raise Unreachable("chain", detail=f"port {self._configuration.chain_port} is taken", retry=True) from None
            # Somebody took last time's port while we were away; any other does, and the state file tells it.
            door.port = 0
            self._state.port = door.open(node_port)

    def _recover(self, rpc: JsonRpc) -> Recovery:
        url = self._configuration.database_url
        if url is None:
            return replay(rpc, (), progress=self.say)
        deadline = time.monotonic() + DATABASE_SECONDS_MAX
        while True:
            try:
                with psycopg.connect(url, connect_timeout=5) as connection:
                    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                    connection.read_only = True
                    # Before the first migration there is no journal, and so nothing to make again.
                    row = connection.execute("SELECT to_regclass('infra.block') IS NOT NULL").fetchone()
                    assert row is not None
                    return replay(rpc, blocks_from(connection, 0) if row[0] else (), progress=self.say)
            except psycopg.OperationalError as error:
                # The database may itself be recovering. A replay that had begun cannot be resumed on this node.
                if time.monotonic() > deadline or int(rpc.call("eth_blockNumber"), 16) > 0:
                    raise Unreachable("database", detail="the journal cannot be read", retry=True) from error
                time.sleep(0.1)

    def say(self, message: str, *, state: str | None = None) -> None:
        """Tell a message in the state file and in the log."""
        self._state.tell(message, state=state)
        write_state(self._configuration.run_folder, self._state)
        sys.stdout.write(f"{SystemClock().now():%Y-%m-%d %H:%M:%S} chain [{os.getpid()}] {message}\n")
        sys.stdout.flush()

    def fail(self, error: MunimentError | Unreachable) -> None:
        """Tell why it ends."""
        self._state.error = (
            error.as_json() if isinstance(error, MunimentError) else {"part": error.part, "message": str(error), "retry": error.retry}
        )
        self.say(f"chain: {error}", state="failed")


def main() -> int:
    """Run the local chain; return the exit code."""
    configuration = read_configuration()
    configuration.run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(configuration.run_folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(f"chain: another process holds {configuration.run_folder / LOCK_NAME}\n")
        return LOCK_TAKEN
    process = Process(configuration, lock)
    signal.signal(signal.SIGTERM, process.stop)
    signal.signal(signal.SIGINT, process.stop)
    try:
        process.run()
    except MunimentError as error:
        process.fail(error)
        return 2
    except Unreachable as error:
        process.fail(error)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
