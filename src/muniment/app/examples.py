# SPDX-License-Identifier: Apache-2.0
"""Where the fictitious example data is: in the installed package, or beside the sources of a checkout."""

from __future__ import annotations

from pathlib import Path


def folder() -> Path:
    """Return the folder with `investors.csv`, `ocf/` and `vehicle/`."""
    packaged = Path(__file__).parent / "examples"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "examples"
