# SPDX-License-Identifier: Apache-2.0
"""One anvil process with the settings that make its blocks reproducible. Mines nothing by itself and replays nothing.

Given the same genesis and, for each block, the same timestamp and transactions in the same order, this anvil makes blocks with the same
hashes: its beneficiary and extra data are constant, and its prevrandao, base fee and gas limit follow from the parent block.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from muniment.infra import processes
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.outages import Unreachable
from muniment.infra.processes import ProcessName

CHAIN_ID = 31337
GENESIS_TIMESTAMP_SECONDS = 1_767_225_600
"""2026-01-01T00:00:00Z: fixed, so that every installation's block 0 is the same block."""
GENESIS_HASH = "0x4a851a0e8ddeaa7820f27388fd42043ba2fda5551f3e64fb5857b265f0dde4cd"
GAS_LIMIT = 30_000_000
BASE_FEE_WEI = 1_000_000_000
STATES_KEPT = 160
"""How far back a call can ask for a balance; the design wants 128. Memory grows with states times blocks, so not much more."""
START_SECONDS_MAX = 20.0

# The accounts of the phrase "test test test test test test test test test test test junk", known to everyone: local use only.
DEVELOPMENT_ACCOUNTS = (
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
    "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
    "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
    "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
    "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
    "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
)


class Anvil:
    """An anvil node on a loopback port. `automine` gives each transaction its block at once (tests); else only `evm_mine` mines.

    Also a context manager. Raises `Unreachable("chain")` when it does not come up.
    """

    def __init__(
        self,
        binary: Path,
        *,
        folder: Path,
        port: int = 0,
        automine: bool = False,
        log_file: Path | None = None,
        keep_open: Sequence[int] = (),
    ) -> None:
        self._binary = binary
        self._folder = folder
        self._wanted_port = port
        self._automine = automine
        self._log_file = log_file
        self._keep_open = keep_open
        self._child: subprocess.Popen[bytes] | None = None
        self.port = port

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it."""
        self.stop()

    @property
    def url(self) -> str:
        """Its JSON-RPC address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process; None before `start` and after `stop`."""
        return None if self._child is None else self._child.pid

    @property
    def name(self) -> ProcessName | None:
        """Its process, told apart from any later one with its pid; None when there is none."""
        return None if self._child is None else processes.name_of(self._child.pid)

    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> str:
        """Start it at block 0 and return its address once it answers."""
        assert not self.is_running(), "stop() comes first"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            self.port = self._wanted_port or free_port()
            self._launch()
            if self._wait_answer(deadline):
                return self.url
            self.stop()
            # Another program may have taken the port between our look and anvil's start: try another, unless this one was asked for.
            if self._wanted_port or time.monotonic() > deadline:
                raise Unreachable("chain", detail=f"anvil did not start on port {self.port}", retry=True)

    def stop(self) -> None:
        """End it; nothing it holds is worth saving, because the journal has it."""
        child, self._child = self._child, None
        if child is not None:
            processes.end(child, patience=[(signal.SIGKILL, 10)])

    def _launch(self) -> None:
        arguments = [
            str(self._binary),
            "--host=127.0.0.1",
            f"--port={self.port}",
            f"--chain-id={CHAIN_ID}",
            f"--timestamp={GENESIS_TIMESTAMP_SECONDS}",
            "--hardfork=prague",
            f"--gas-limit={GAS_LIMIT}",
            f"--block-base-fee-per-gas={BASE_FEE_WEI}",
            "--accounts=10",
            "--balance=1000000",
            # First come, first mined: a replay sends transactions in block order and must get that order back.
            "--order=fifo",
            f"--prune-history={STATES_KEPT}",
            # No page in a browser may talk to it.
            "--no-cors",
            "--disable-console-log",
            "--quiet",
            *([] if self._automine else ["--no-mining"]),
        ]
        # anvil keeps caches below its user's home and reads a .env beside it: both are its own folder here.
        environment = {"HOME": str(self._folder), "PATH": "/usr/bin:/bin"}
        with (self._log_file or Path(os.devnull)).open("ab") as log:
            self._child = processes.spawn_tethered(
                arguments,
                death_signal=signal.SIGKILL,
                log=log,
                folder=self._folder,
                environment=environment,
                keep_open=self._keep_open,
            )

    def _wait_answer(self, deadline: float) -> bool:
        rpc = JsonRpc(self.url, timeout_seconds=5)
        try:
            while self.is_running() and time.monotonic() < deadline:
                try:
                    rpc.call("eth_chainId")
                except Unreachable:
                    time.sleep(0.01)
                else:
                    return self.is_running()
            return False
        finally:
            rpc.close()


def free_port() -> int:
    """Return a loopback port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
