# SPDX-License-Identifier: Apache-2.0
"""Outages: something outside does not answer. Refusals live in `muniment.units.errors`; bugs are plain asserts."""

from __future__ import annotations


class Unreachable(Exception):
    """A part that we depend on (`rpc`, `database`, ...) gave no usable answer; `retry` says whether another try can help."""

    def __init__(self, part: str, *, detail: str = "", retry: bool) -> None:
        super().__init__(f"{part} is unreachable" + (f": {detail}" if detail else ""))
        self.part = part
        self.detail = detail
        self.retry = retry
