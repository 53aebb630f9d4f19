# SPDX-License-Identifier: Apache-2.0
"""Starts, attaches to and stops the local chain's process. What runs inside is in `__main__`."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from muniment.infra import processes
from muniment.infra.configuration import Configuration
from muniment.infra.localchain.state import LOCK_NAME, LOCK_TAKEN, ChainState, read_state
from muniment.infra.outages import Unreachable
from muniment.infra.processes import ProcessName
from muniment.units.errors import MunimentError

START_SECONDS_MAX = 900.0
"""Installing from npm and making a long chain again both take their time; progress is reported meanwhile."""
STOP_SECONDS_MAX = 10.0
POLL_SECONDS = 0.01

Progress = Callable[[str], None]


class LocalChainFailed(MunimentError):
    """The local chain refused to start, for the reason that its process gave."""

    code = "chain.not_started"
    message = "{reason}"
    cure = "{advice}"


class LocalChain:
    """The local chain of one home. `start` returns its JSON-RPC address; whoever started it stops it. Also a context manager.

    `configuration.database_url` must name the running database: the journal in it is what the chain is made from.
    """

    def __init__(self, configuration: Configuration, *, progress: Progress) -> None:
        self._configuration = configuration
        self._progress = progress
        self._child: subprocess.Popen[bytes] | None = None
        self._name: ProcessName | None = None
        self._told = 0

    def __enter__(self) -> Self:
        """Start or attach."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop what `start` started."""
        self.stop()

    @property
    def pid(self) -> int | None:
        """The process that mines; the node is its child."""
        return None if self._name is None else self._name.pid

    @property
    def node_pid(self) -> int | None:
        """The anvil process."""
        state = read_state(self._configuration.run_folder)
        return None if state is None or state.name != self._name else state.node_pid

    @property
    def recovered(self) -> str:
        """What the last start made again from the journal, as a sentence."""
        state = read_state(self._configuration.run_folder)
        return "" if state is None else state.recovered

    @property
    def owns(self) -> bool:
        """Whether this object started it and so will stop it."""
        return self._child is not None

    @property
    def url(self) -> str:
        """Its JSON-RPC address."""
        state = read_state(self._configuration.run_folder)
        assert state is not None, "start() comes first"
        return state.url

    def is_running(self) -> bool:
        """Whether its process lives; the node inside may still be recovering."""
        return self._name is not None and self._name.is_running()

    def start(self) -> str:
        """Return the address of a chain that stands where its journal does: attached to when one runs, else made again."""
        if self._child is not None and self._child.poll() is not None:
            self._child = self._name = None
        self._configuration.run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (self.is_running() and self._wait_ready(deadline)):
            state = read_state(self._configuration.run_folder)
            if self._is_held():
                if state is not None and state.name.is_running() and state.supervisor.is_running():
                    self._name, self._told = state.name, state.messages_told
                    continue
                if state is not None and state.name.is_running():
                    # Its supervisor was killed. Where the kernel passes that on it is ending, however well it still answers.
                    state.name.send(signal.SIGTERM)
                elif state is not None and state.node is not None:
                    # Its process was killed where the kernel does not take children along.
                    state.node.send(signal.SIGKILL)
            else:
                self._launch()
                continue
            if time.monotonic() > deadline:
                raise Unreachable("chain", detail="another process holds its lock", retry=True)
            time.sleep(POLL_SECONDS)
        return self.url

    def stop(self) -> None:
        """Stop it if this object started it; else let go."""
        child, self._child = self._child, None
        self._name = None
        if child is not None:
            processes.end(child, patience=[(signal.SIGTERM, STOP_SECONDS_MAX)])

    def news(self) -> list[str]:
        """Return what it told since the last look, such as that the node died and was recovered."""
        state = read_state(self._configuration.run_folder)
        if state is None or state.name != self._name:
            return []
        told, self._told = self._told, state.messages_told
        return state.messages_after(told)

    def _launch(self) -> None:
        if self._child is not None:
            self._child.wait()  # its lock is free: it was killed and only waits to be reaped
        self._configuration.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = {**os.environ, **self._configuration.to_environment()}
        # The addresses of other chains are none of its business.
        environment.pop("CHAIN_RPC_URL", None)
        with self._configuration.log_file.open("ab") as log:
            self._child = processes.spawn_tethered(
                [sys.executable, "-m", "muniment.infra.localchain"], death_signal=signal.SIGTERM, log=log, environment=environment
            )
        self._name = processes.name_of(self._child.pid)
        self._told = 0

    def _wait_ready(self, deadline: float) -> bool:
        """Wait until the process takes calls; False when it ended meanwhile and another must be found or started."""
        began = False
        while True:
            state = read_state(self._configuration.run_folder)
            if state is not None and state.name == self._name:
                began = True
                for message in state.messages_after(self._told):
                    self._progress(message if message.startswith("chain: ") else f"chain: {message}")
                self._told = state.messages_told
                if state.state == "ready":
                    return True
                if state.state == "failed":
                    self.stop()
                    raise _failure_of(state)
            if self._child is None and not self.is_running():
                return False
            if self._child is not None and self._child.poll() is not None:
                if not began and self._child.returncode == LOCK_TAKEN:
                    self._child = self._name = None
                    return False
                raise Unreachable("chain", detail=f"its process ended; see {self._configuration.log_file}", retry=True)
            if time.monotonic() > deadline:
                self.stop()
                raise Unreachable("chain", detail=f"not ready after {START_SECONDS_MAX:.0f} s", retry=True)
            time.sleep(POLL_SECONDS)

    def _is_held(self) -> bool:
        lock = os.open(self._configuration.run_folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False


def _failure_of(state: ChainState) -> Exception:
    error = state.error or {}
    if "code" not in error:
        return Unreachable("chain", detail=str(error.get("message", "it failed")), retry=bool(error.get("retry", True)))
    return LocalChainFailed(reason=error["message"], advice=error.get("cure", "See the log."), refusal=error["code"])
