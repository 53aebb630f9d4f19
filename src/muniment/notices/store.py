# SPDX-License-Identifier: Apache-2.0
"""Notices in PostgreSQL, one row each. No name and no address is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from muniment.infra.postgres.database import METADATA
from muniment.notices.model import Notice, NoticeKind, Recipient, Told
from muniment.notices.ports import NoticePlace
from muniment.units.ids import InvestorId, NoticeId, TenantId, UserId

NOTICE = sa.Table(
    "notice",
    METADATA,
    sa.Column("notice_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject_id", sa.Uuid, nullable=False),
    sa.Column("recipient_kind", sa.Text, nullable=False),
    sa.Column("recipient_id", sa.Uuid, nullable=False),
    sa.Column("told", postgresql.JSONB(none_as_null=True)),
    sa.Column("asked_by", sa.Uuid),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    schema="notices",
)


class PostgresNotices:
    """The notices of one tenant."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def add(self, notice: Notice) -> bool:
        """Keep a new notice; return False, and change nothing, where its id is there already."""
        inserted = self._connection.execute(
            postgresql.insert(NOTICE)
            .values(
                notice_id=notice.notice_id,
                tenant_id=self._tenant_id,
                kind=notice.kind.value,
                subject_id=notice.subject_id,
                recipient_kind=notice.recipient.value,
                recipient_id=notice.recipient_id,
                told=None if notice.told is None else notice.told.as_json(),
                asked_by=notice.asked_by,
                state=notice.state,
                outcome=notice.outcome,
                attempts=notice.attempts,
                created_at=notice.created_at,
                next_attempt_at=notice.next_attempt_at,
                ended_at=notice.ended_at,
            )
            .on_conflict_do_nothing(index_elements=[NOTICE.c.notice_id])
            .returning(NOTICE.c.notice_id)
        ).first()
        return inserted is not None

    def find(self, notice_id: NoticeId) -> Notice | None:
        """Return one notice, or None."""
        row = self._connection.execute(sa.select(NOTICE).where(NOTICE.c.notice_id == notice_id)).one_or_none()
        return None if row is None else _notice(row)

    def lock(self, notice_id: NoticeId) -> Notice:
        """Return one notice and keep other workers out of it until the transaction ends."""
        return _notice(self._connection.execute(sa.select(NOTICE).where(NOTICE.c.notice_id == notice_id).with_for_update()).one())

    def save(self, notice: Notice) -> None:
        """Write state, outcome, attempts and the time of the next one."""
        self._connection.execute(
            sa.update(NOTICE)
            .where(NOTICE.c.notice_id == notice.notice_id)
            .values(
                state=notice.state,
                outcome=notice.outcome,
                attempts=notice.attempts,
                next_attempt_at=notice.next_attempt_at,
                ended_at=notice.ended_at,
            )
        )

    def page(self, *, recipient_id: UUID | None = None, before: NoticePlace | None = None, limit: int = 100) -> Sequence[Notice]:
        """Return notices from newest to oldest, those to one recipient where given."""
        query = sa.select(NOTICE).order_by(NOTICE.c.created_at.desc(), NOTICE.c.notice_id.desc()).limit(limit)
        if recipient_id is not None:
            query = query.where(NOTICE.c.recipient_id == recipient_id)
        if before is not None:
            query = query.where(sa.tuple_(NOTICE.c.created_at, NOTICE.c.notice_id) < sa.tuple_(before.created_at, before.notice_id))
        return [_notice(row) for row in self._connection.execute(query)]

    def forget(self, investor_id: InvestorId) -> int:
        """Destroy the words of every explanation to an investor; return how many."""
        return self._connection.execute(
            sa.update(NOTICE).where(NOTICE.c.recipient_id == investor_id, NOTICE.c.told.is_not(None)).values(told=sa.null())
        ).rowcount


def _notice(row: Any) -> Notice:
    return Notice(
        notice_id=NoticeId(row.notice_id),
        kind=NoticeKind(row.kind),
        subject_id=row.subject_id,
        recipient=Recipient(row.recipient_kind),
        recipient_id=row.recipient_id,
        told=None if row.told is None else Told.from_json(row.told),
        asked_by=None if row.asked_by is None else UserId(row.asked_by),
        state=row.state,
        outcome=row.outcome,
        attempts=row.attempts,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        ended_at=row.ended_at,
    )
