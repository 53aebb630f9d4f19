# SPDX-License-Identifier: Apache-2.0
"""The application's request, which looks a JSON body over before a decoder that recurses sees it. What bodies mean is the routes' work."""

from __future__ import annotations

import re
from typing import Any, Final

from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import ClientException

NESTING_MAX: Final = 64
"""No shape under /v1 goes half as deep."""

# A whole string or a bracket; what stands in a string is no bracket. An endless string is left for the parser to refuse.
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


class GuardedRequest(Request[Any, Any, State]):
    """Refuses a JSON body that is no UTF-8, or that nests so deep that decoding it would overrun the stack and end the process."""

    async def json(self) -> Any:
        """Return the decoded body."""
        body = await self.body()
        if nesting_of(body) > NESTING_MAX:
            raise ClientException(f"The body nests deeper than {NESTING_MAX} levels.")
        try:
            return await super().json()
        except UnicodeDecodeError:
            raise ClientException("The body is not UTF-8.") from None


def nesting_of(body: bytes) -> int:
    """Return how deep brackets stand in each other at most, or what bounds it; in malformed text at least as deep as a parser would go."""
    opening = body.count(b"[") + body.count(b"{")
    if opening <= NESTING_MAX:
        return opening
    depth = deepest = 0
    for found in _STRING_OR_BRACKET.finditer(body):
        if found.group() in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif found.group() in (b"]", b"}"):
            depth -= 1
    return deepest
