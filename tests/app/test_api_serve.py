# SPDX-License-Identifier: Apache-2.0
"""The web process as it is started: first page, readiness, a clean end at SIGTERM with streams open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from muniment.app.services import free_port
from tests.browser.world import World, signed_in, wait_until

pytestmark = pytest.mark.slow


def test_the_process_serves_says_it_is_ready_and_ends_when_told_to(world: World, tmp_path: Path) -> None:
    configuration = world.units.backend.configuration
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MUNIMENT_")},
        **configuration.to_environment(),
        "MUNIMENT_API_PORT": str(port),
    }
    log = (tmp_path / "api.log").open("wb")
    with log, subprocess.Popen([sys.executable, "-m", "muniment.app.cli", "api"], env=environment, stdout=log, stderr=log) as process:
        try:
            with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:

                def answers() -> bool:
                    assert process.poll() is None, (tmp_path / "api.log").read_text(encoding="utf-8")
                    try:
                        return client.get("/sign-in").status_code == 200
                    except httpx.TransportError:
                        return False

                wait_until(answers, "the first page", seconds=120)
                ready = client.get("/ready")
                assert ready.json() == {
                    "status": "ready",
                    "parts": {"database": "ready", "migrations": "ready", "chain": "ready", "follower": "ready"},
                }
                assert "server" not in ready.headers
            with (
                signed_in(world, world.owner) as mine,
                httpx.stream("GET", f"{url}/events", headers=mine.headers, trust_env=False) as stream,
            ):
                assert stream.status_code == 200
                process.send_signal(signal.SIGTERM)
                for _ in stream.iter_bytes():
                    continue
            assert process.wait(timeout=60) == -signal.SIGTERM, "the server ends itself by the signal that it was told to end by"
        finally:
            process.kill()
    text = (tmp_path / "api.log").read_text(encoding="utf-8")
    assert "Traceback" not in text
    assert world.owner.email not in text
