# SPDX-License-Identifier: Apache-2.0
"""An issuer without a chain, a mail server beside it, and the worker's handlers and jobs run by hand. Holds no test."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from eth_utils.address import to_checksum_address

from muniment.access.commands import AcceptInvitation, FoundOrganisation, InviteMember, accept_invitation, found_organisation, invite_member
from muniment.access.model import Actor, Role
from muniment.app.wiring import Backend, Unit, Units
from muniment.app.worker_tables import WorkerTables
from muniment.infra.clock import FixedClock
from muniment.infra.configuration import Configuration
from muniment.infra.evm.client import Evm
from muniment.infra.evm.fees import FeeQuotes
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.jobs import Done, RunningJob
from muniment.infra.mail import SmtpMailer
from muniment.infra.outbox import Dispatcher
from muniment.infra.postgres.database import Database
from muniment.infra.sealing import Sealer
from muniment.notices.commands import SEND_JOB
from muniment.notices.model import Notice
from muniment.parties.commands import onboard_investor
from muniment.units.ids import InvestorId, NoticeId, TenantId
from tests.notices.post_office import PostOffice

NOON = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)
PASSWORD = "seven quiet herons"
SENDER = "shares@heron.example"
SITE = "https://shares.heron.example"


class Desk:
    """One issuer with an owner, its mail server, and a clock that a test moves."""

    def __init__(self, database: Database, home: Path, office: PostOffice | None) -> None:
        evm = Evm(JsonRpc("http://127.0.0.1:9", timeout_seconds=1))
        self.clock = FixedClock(NOON)
        self.office = office
        self.backend = Backend(
            configuration=Configuration(home=home, public_url=SITE),
            database=database,
            evm=evm,
            fees=FeeQuotes(evm),
            sealer=Sealer(secrets.token_bytes(32)),
            clock=self.clock,
            chain_id=31337,
            development_keys_allowed=False,
            mailer=None if office is None else SmtpMailer(office.url, sender=SENDER),
        )
        self.units = Units(self.backend)
        self.tables = WorkerTables(self.backend)
        self.tenant_id = TenantId(uuid.uuid4())
        self.owner_email = f"owner.{secrets.token_hex(4)}@example.com"
        with self.begin() as unit:
            request = FoundOrganisation("Heron Motors Ltd", "CH", self.owner_email, "Olga Owner", PASSWORD)
            self.owner = found_organisation(request, unit=unit).owner

    def begin(self) -> AbstractContextManager[Unit]:
        return self.units.begin(self.tenant_id)

    def a_member(self, *roles: Role, name: str = "Some Member") -> tuple[Actor, str]:
        email = f"member.{secrets.token_hex(4)}@example.com"
        with self.begin() as unit:
            token = invite_member(self.owner, InviteMember(email, name, frozenset(roles)), unit=unit)
        with self.begin() as unit:
            actor = accept_invitation(AcceptInvitation(token=token, password=PASSWORD, source="127.0.0.1"), unit=unit)
        assert isinstance(actor, Actor)
        return actor, email

    def an_investor(self, *, name: str = "Zoë Müller", **fields: str) -> tuple[InvestorId, str]:
        reference = f"INV-{secrets.token_hex(4)}"
        email = f"{reference.lower()}@example.com"
        row = {
            "external_reference": reference,
            "kind": "person",
            "name": name,
            "email": email,
            "country": "CH",
            "date_of_birth": "1980-01-02",
            "document_number": "D1",
            "document_expires": "2031-01-01",
            "wallet_address": to_checksum_address("0x" + secrets.token_hex(20)),
            **fields,
        }
        with self.begin() as unit:
            return onboard_investor(self.owner, row, unit=unit).investor.investor_id, email

    def dispatch(self) -> None:
        """Hand every event to its handlers."""
        Dispatcher(self.backend.database, self.tables.event_handlers(), clock=self.clock).dispatch_once()

    def jobs(self) -> list[dict[str, Any]]:
        """Return the arguments of the jobs that wait to send."""
        statement = (
            "SELECT id, args, scheduled_at, lock, priority FROM procrastinate.procrastinate_jobs"
            " WHERE task_name = :name AND args ->> 'tenant_id' = :tenant ORDER BY id"
        )
        with self.backend.database.worker_transaction() as connection:
            rows = connection.execute(sa.text(statement), {"name": SEND_JOB, "tenant": str(self.tenant_id)}).all()
        return [dict(row._mapping) for row in rows]

    def run_jobs(self) -> None:
        """Run each waiting job once, as the worker would, and take the finished ones away."""
        for job in self.jobs():
            args = {name: value for name, value in job["args"].items() if name != "tenant_id"}
            outcome = self.tables.job_table()[SEND_JOB](RunningJob(job["id"], SEND_JOB, self.tenant_id, args, 0))
            if isinstance(outcome, Done):
                with self.backend.database.worker_transaction() as connection:
                    connection.execute(sa.text("DELETE FROM procrastinate.procrastinate_jobs WHERE id = :id"), {"id": job["id"]})

    def deliver(self) -> None:
        """Let everything that is due come about."""
        self.dispatch()
        self.run_jobs()

    def notices(self) -> list[Notice]:
        """Return the issuer's notices, oldest first."""
        with self.begin() as unit:
            return list(unit.notices.page())[::-1]

    def send_again(self, notice_id: NoticeId) -> None:
        """Run a notice's job once more, as after a crash."""
        self.tables.job_table()[SEND_JOB](RunningJob(1, SEND_JOB, self.tenant_id, {"notice_id": str(notice_id)}, 0))


def texts_to(office: PostOffice, email: str) -> Iterator[str]:
    """Yield what somebody got, oldest first: subject and text."""
    for kept in office.kept:
        if kept.recipients == (email,):
            yield f"{kept.message['Subject']}\n\n{kept.text}".replace("\r\n", "\n")
