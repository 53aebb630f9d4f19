# SPDX-License-Identifier: Apache-2.0
"""The review queue: what waits for a compliance officer, in one order. Where the items come from is the store's and access' business."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from muniment.access.errors import BadCursor
from muniment.units.errors import MunimentError, Place, instant_text
from muniment.units.ids import InvestorId, parse_id
from muniment.units.instants import parse_instant

QUEUE_KINDS: Final = ("review", "sanctions", "approval", "reverification", "claim_expiring")
"""A person to accept or decline; a name on a list; a claim for a second person; a verification and a claim that end soon."""

DUE_DAYS: Final = 30
DUE_DAYS_MAX: Final = 365


@dataclass(frozen=True, slots=True)
class QueueItem:
    """One thing that waits: since `at`, or (a verification, a claim) until then. `subject_id` is the hit's, approval's or claim's id.

    `detail` is a code: the list, the topic, or what the provider said; never a person's name.
    """

    kind: str
    at: dt.datetime
    investor_id: InvestorId
    subject_id: str
    detail: str

    @property
    def key(self) -> tuple[dt.datetime, str, str]:
        """The place in the queue: the oldest first, ties by kind and id."""
        return self.at, self.kind, self.subject_id

    @property
    def cursor(self) -> str:
        """The key as a cursor."""
        return f"{instant_text(self.at)}~{self.kind}~{self.subject_id}"


def parse_queue_cursor(cursor: str | None) -> tuple[dt.datetime, str, str] | None:
    """Return the key that a cursor names, or refuse."""
    if cursor is None:
        return None
    try:
        at, kind, subject_id = cursor.split("~")
        return parse_instant(at), kind, str(parse_id(subject_id))
    except (ValueError, MunimentError):
        raise BadCursor(cursor=cursor, place=Place(field="cursor")) from None


def merged(parts: Iterable[Sequence[QueueItem]], *, limit: int) -> list[QueueItem]:
    """Return the first `limit` items of several ordered parts."""
    queue = heapq.merge(*parts, key=lambda item: item.key)
    return [item for item, _ in zip(queue, range(limit), strict=False)]
