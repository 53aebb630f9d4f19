# SPDX-License-Identifier: Apache-2.0
"""Processes of this machine: which one a pid means, starting one that dies with us, ending one for good. Knows no program by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from muniment.infra import tether

POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class ProcessName:
    """A pid with the moment its process began: together they never mean another process, even after the pid is used again."""

    pid: int
    started: str

    def is_running(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return started_of(self.pid) == self.started

    def send(self, signal_number: int) -> None:
        """Send a signal to this very process; nothing happens when it is gone."""
        if self.is_running():
            try:
                os.kill(self.pid, signal_number)
            except ProcessLookupError:
                return

    def wait_gone(self, seconds: float) -> bool:
        """Wait at most `seconds` until it has ended; say whether it has."""
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True


def started_of(pid: int) -> str | None:
    """Return a text that is unique to the process behind `pid`; None when there is none or only its zombie."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        # proc(5): field 3 is the state, field 22 the start time in clock ticks since boot; the boot itself is told apart by its id.
        return None if fields[0] in "ZX" else f"{_boot_id()}:{fields[19]}"
    shown = subprocess.run(["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return None if not shown or shown[0].startswith("Z") else " ".join(shown[1:])


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return "boot"


def name_of(pid: int) -> ProcessName | None:
    """Return the name of the process behind `pid`; None when it is gone."""
    started = started_of(pid)
    return None if started is None else ProcessName(pid, started)


def spawn_tethered(
    arguments: Sequence[str],
    *,
    death_signal: int,
    user: tuple[int, int] | None = None,
    log: IO[bytes] | int | None = None,
    output: IO[bytes] | int | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    keep_open: Sequence[int] = (),
    new_session: bool = True,
) -> subprocess.Popen[bytes]:
    """Start a program that gets `death_signal` when this process dies (Linux), as `user` (uid, gid) when given.

    The tie is to the calling thread, so a short-lived thread gets none: its end would be taken for ours.
    `new_session` keeps a Ctrl-C of the terminal from reaching the child before its supervisor decides the order.
    """
    uid, gid = user or (-1, -1)
    tied = threading.current_thread() is threading.main_thread()
    parts = [str(os.getpid()), str(int(death_signal) if tied else 0), str(uid), str(gid), *arguments]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", tether.__file__, *parts],
        stdin=subprocess.DEVNULL,
        stdout=log if output is None else output,
        stderr=log,
        cwd=folder,
        env=None if environment is None else dict(environment),
        pass_fds=keep_open,
        start_new_session=new_session,
    )


def end(process: subprocess.Popen[bytes] | ProcessName, *, patience: Sequence[tuple[int, float]]) -> bool:
    """Send each signal in turn and wait its seconds; a last SIGKILL ends what is left. Says whether the first signal was enough."""
    name = name_of(process.pid) if isinstance(process, subprocess.Popen) else process
    if name is not None:
        for step, (signal_number, seconds) in enumerate(patience):
            name.send(signal_number)
            if _gone(process, name, seconds):
                return step == 0
        name.send(signal.SIGKILL)
        _gone(process, name, 10)
        return False
    if isinstance(process, subprocess.Popen):
        process.wait()
    return True


def _gone(process: subprocess.Popen[bytes] | ProcessName, name: ProcessName, seconds: float) -> bool:
    if isinstance(process, ProcessName):
        return name.wait_gone(seconds)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
