# SPDX-License-Identifier: Apache-2.0
"""How long does a person wait for the demonstration, and for the first page after `muniment up`? Goals: 45 seconds and 8, warm.

Warm: the packages and the chain's binary are there, and the home has had a demonstration before. Each run is a process of its own, from
its start to the end of the demonstration, or to the sign-in page answered with 200. Peers have no such command, so there is no ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from muniment.app.services import free_port

GOAL_DEMO_SECONDS = 45.0
GOAL_FIRST_PAGE_SECONDS = 8.0
GIVEN_UP_SECONDS = 300.0
MUNIMENT = (sys.executable, "-m", "muniment.app.cli")


def seconds_of_demonstration(home: Path) -> float:
    """Time one demonstration, from the command to its exit.

    Raises:
        subprocess.CalledProcessError: the demonstration failed.
    """
    started = time.perf_counter()
    subprocess.run([*MUNIMENT, "demo", "--json"], env=environment_of(home), capture_output=True, check=True, timeout=GIVEN_UP_SECONDS)
    return time.perf_counter() - started


def seconds_to_first_page(home: Path, log: Path) -> float:
    """Time `muniment up` from the command to the first page, then stop it.

    Raises:
        RuntimeError: no page came.
    """
    port = free_port()
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen([*MUNIMENT, "up"], env=environment_of(home, MUNIMENT_API_PORT=str(port)), stdout=output, stderr=output)
        try:
            while not answers(f"http://127.0.0.1:{port}/sign-in"):
                if process.poll() is not None or time.perf_counter() - started > GIVEN_UP_SECONDS:
                    raise RuntimeError(log.read_text(encoding="utf-8"))
                time.sleep(0.05)
            return time.perf_counter() - started
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(timeout=GIVEN_UP_SECONDS)


def answers(url: str) -> bool:
    """Return whether a page is served."""
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def environment_of(home: Path, **settings: str) -> dict[str, str]:
    """Return this process's environment, with a home of its own and no settings of anyone else's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MUNIMENT_")}
    return {**kept, "MUNIMENT_HOME": str(home), **settings}


def measure(runs: int) -> dict[str, object]:
    """Run each command several times in one home that has had a demonstration."""
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
        # The database runs as an ordinary user, who must get at the home: a temporary folder is closed to others.
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        first = seconds_of_demonstration(home)
        demonstrations = [seconds_of_demonstration(home) for _ in range(runs)]
        pages = [seconds_to_first_page(home, Path(folder) / "up.log") for _ in range(runs)]
    return {
        "bench": "first_page",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "demo_seconds": {"first": round(first, 1), **summary(demonstrations), "goal": GOAL_DEMO_SECONDS},
        "first_page_seconds": {**summary(pages), "goal": GOAL_FIRST_PAGE_SECONDS},
    }


def summary(seconds: list[float]) -> dict[str, object]:
    """Return the middle and the worst of some durations."""
    return {"median": round(statistics.median(seconds), 1), "max": round(max(seconds), 1), "runs": [round(one, 1) for one in seconds]}


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    arguments.add_argument("--runs", type=int, default=3, help="runs of each command")
    given = arguments.parse_args()
    figures = measure(given.runs)
    if given.json:
        print(json.dumps(figures))
        return
    for name in ("demo_seconds", "first_page_seconds"):
        print(f"{name}: {figures[name]}")


if __name__ == "__main__":
    main()
