# SPDX-License-Identifier: Apache-2.0
"""Named places at which a test may hold or kill the process. Does nothing in production and decides nothing."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

NAME_VARIABLE = "MUNIMENT_CRASHPOINT"
"""`name`, or `name:3` for the third time the place is passed."""

FILE_VARIABLE = "MUNIMENT_CRASHPOINT_FILE"
"""The file that is written when the place is reached, so that the test knows when to kill; removing it lets the process go on."""

LOOK_SECONDS = 0.02

_lock = threading.Lock()
_passed: dict[str, int] = {}


def crashpoint(name: str) -> None:
    """Hold here when the environment names this place, after saying so in MUNIMENT_CRASHPOINT_FILE, until that file is removed.

    Without the variable: do nothing. With it but no file: hold for ever.

    Only the thread that arrives blocks: the others go on, as they do between two instructions of a process that is about to be killed.
    """
    wanted = os.environ.get(NAME_VARIABLE)
    if not wanted:
        return
    wanted_name, _, wanted_pass = wanted.partition(":")
    if wanted_name != name:
        return
    with _lock:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] != int(wanted_pass or 1):
            return
    reached = os.environ.get(FILE_VARIABLE)
    if not reached:
        threading.Event().wait()
        return
    file = Path(reached)
    file.write_text(name, encoding="utf-8")
    while file.exists():
        time.sleep(LOOK_SECONDS)
