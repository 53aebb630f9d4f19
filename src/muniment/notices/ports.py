# SPDX-License-Identifier: Apache-2.0
"""What notices needs: its notices, a mail server, the sentences of codes. Implemented in `store.py`; the server is infra's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from muniment.infra.mail import Mailer
from muniment.notices.model import Notice
from muniment.servicing.ports import ServicingUnit
from muniment.units.ids import InvestorId, NoticeId


@dataclass(frozen=True, slots=True)
class NoticePlace:
    """Where a notice stands in the list, newest first; pages hang on it."""

    created_at: dt.datetime
    notice_id: NoticeId


class Notices(Protocol):
    """The notices of one tenant."""

    def add(self, notice: Notice) -> bool:
        """Keep a new notice; return False, and change nothing, where its id is there already."""
        ...

    def find(self, notice_id: NoticeId) -> Notice | None:
        """Return one notice, or None."""
        ...

    def lock(self, notice_id: NoticeId) -> Notice:
        """Return one notice and keep other workers out of it until the transaction ends."""
        ...

    def save(self, notice: Notice) -> None:
        """Write state, outcome, attempts and the time of the next one."""
        ...

    def page(self, *, recipient_id: UUID | None = None, before: NoticePlace | None = None, limit: int = 100) -> Sequence[Notice]:
        """Return notices from newest to oldest, those to one recipient where given."""
        ...

    def forget(self, investor_id: InvestorId) -> int:
        """Destroy the words of every explanation to an investor; return how many."""
        ...


class NoticesUnit(ServicingUnit, Protocol):
    """One transaction of one issuer, with what notices needs."""

    @property
    def notices(self) -> Notices:
        """Notices."""
        ...

    @property
    def mailer(self) -> Mailer | None:
        """The mail server; None where there is none, and then nobody is told anything by mail."""
        ...

    @property
    def site_url(self) -> str:
        """Where the pages are, without a slash at the end."""
        ...

    @property
    def code_sentences(self) -> Mapping[str, str]:
        """What each code of a decision means, as the pages say it."""
        ...
