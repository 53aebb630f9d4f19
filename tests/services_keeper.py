# SPDX-License-Identifier: Apache-2.0
"""Keeps one PostgreSQL for a whole test run, however many processes it has, and stops it when pytest is gone. Holds no fixture."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from muniment.infra import processes
from muniment.infra.postgres.embedded import EmbeddedPostgres

POLL_SECONDS = 0.2


def main() -> None:
    """Serve the run in the folder of argument 1 until the process of argument 2 ends or SIGTERM comes."""
    folder, pytest_pid = Path(sys.argv[1]), int(sys.argv[2])
    pytest = processes.name_of(pytest_pid)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stopping.set())
    # The databases of a test run are thrown away: durability is bought where it is tested, in test_embedded_postgres.py.
    with EmbeddedPostgres(folder / "home", settings={"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}) as server:
        draft = folder / "server.url.new"
        draft.write_text(server.url, encoding="utf-8")
        draft.rename(folder / "server.url")
        while pytest is not None and pytest.is_running() and not stopping.wait(POLL_SECONDS):
            continue


if __name__ == "__main__":
    main()
