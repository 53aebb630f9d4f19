# SPDX-License-Identifier: Apache-2.0
"""JSON from untrusted bytes: strict, without repeated fields, and not deeper than reason. What the JSON means is read elsewhere."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

NESTING_MAX = 64

# A whole string; one that does not end is left for the parser to refuse.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


class NotJson(Exception):
    """Why bytes are no JSON that is read here; the caller makes it a refusal or a defect. `line` counts from 1."""

    def __init__(self, code: str, problem: str, *, line: int | None = None) -> None:
        super().__init__(problem)
        self.code = code
        self.problem = problem
        self.line = line


def read_json(content: bytes) -> Any:
    """Return the value that UTF-8 JSON (RFC 8259) spells; raises `NotJson` for anything else.

    Refused beyond the standard: a field that stands twice, a number that is no finite double, and nesting deeper than
    `NESTING_MAX`, which is counted before parsing because a parser that recurses can be brought down by it.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotJson("not_utf8", "the file is not UTF-8") from None
    if _nesting_of(text) > NESTING_MAX:
        raise NotJson("too_deep", f"the file nests deeper than {NESTING_MAX} levels")
    try:
        return json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_constants, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise NotJson("not_json", f"the file is no JSON: {error.msg}", line=error.lineno) from None
    except ValueError as error:
        raise NotJson("not_json", f"the file is no JSON: {error}") from None


def _nesting_of(text: str) -> int:
    """Return how deep brackets stand in each other at most; in malformed text at least as deep as a parser would go."""
    depth = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket.group() in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _no_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field stands twice in one object")
    return value


def _no_constants(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is beyond what JSON readers agree on")
    return number
