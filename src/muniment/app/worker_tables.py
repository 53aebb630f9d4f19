# SPDX-License-Identifier: Apache-2.0
"""What the worker runs: every job by name, who reacts to which event, who follows the chain, what starts by the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from uuid import UUID

import sqlalchemy as sa

from muniment.access.events import ApprovalDecided, ApprovalRequested
from muniment.access.model import system_actor
from muniment.access.store import ORGANISATION
from muniment.app.platform import PLATFORM_JOB, needs_platform, open_platform
from muniment.app.wiring import Backend, Unit, Units
from muniment.compliance import chain as compliance_chain
from muniment.compliance import process as compliance_process
from muniment.compliance.store import PostgresIdentityEvents
from muniment.infra.evm.follower import BlockConsumer
from muniment.infra.evm.sender import TransactionFinal
from muniment.infra.jobs import Done, JobTable, ProcessOutcome, RunningJob
from muniment.infra.outbox import EventHandlers, RecordedEvent
from muniment.instruments import process as instruments_process
from muniment.instruments.commands import ANCHOR_DOCUMENTS_JOB, LIEN_JOB
from muniment.instruments.events import SecurityDeployed
from muniment.notices import process as notices_process
from muniment.notices.commands import SEND_JOB
from muniment.parties import commands as parties_commands
from muniment.parties import process as parties_process
from muniment.parties.commands import SANDBOX_JOB, SCREEN_JOB
from muniment.parties.events import InvestorErased, InvestorExpired, InvestorRejected, InvestorSuspended, InvestorVerified, WalletAdded
from muniment.register import chain as register_chain
from muniment.register import commands as register_commands
from muniment.register import process as register_process
from muniment.register.store import PostgresLotProjection, PostgresProjection
from muniment.servicing import process as servicing_process
from muniment.servicing.commands import PAY_JOB
from muniment.servicing.model import batch_of_purpose
from muniment.settlement import process as settlement_process
from muniment.settlement.commands import SETTLE_JOB
from muniment.settlement.events import InstructionFailed
from muniment.settlement.model import instruction_of_purpose
from muniment.units.ids import Address, AssetRecordId, DividendId, InstructionId, InvestorId, NoticeId, SecurityId, TenantId

EXPIRE_JOB = "parties.expire_verifications"

ANCHOR_JOB = "instruments.anchor_audits"

DIFFERENCES_JOB = "register.find_differences"

EVERY_MINUTE = "* * * * *"
EVERY_HOUR = "7 * * * *"
EVERY_DAY = "23 4 * * *"


class WorkerTables:
    """`app.worker.Wiring` over the units of one backend."""

    def __init__(self, backend: Backend) -> None:
        self._units = Units(backend)

    def consumers(self) -> Sequence[BlockConsumer]:
        """Return what follows from the chain, in the order in which it takes a block in."""
        return [
            compliance_process.IdentityFollower(
                decode=compliance_chain.decode,
                countries=compliance_chain.countries_reader(self._units.backend.evm),
                store=PostgresIdentityEvents,
            ),
            register_process.RegisterFollower(decode=register_chain.decode, artifacts=register_chain.ARTIFACTS, store=PostgresProjection),
            # After the register, whose movements it reads.
            register_process.LotFollower(artifact=register_chain.SHARES, store=PostgresLotProjection),
        ]

    def event_handlers(self) -> EventHandlers:
        """Return who reacts to which event. Each may see an event twice."""
        return {
            InvestorVerified: (self._want_investor, self._tell),
            WalletAdded: (self._want_investor, self._make_lots_again),
            InvestorRejected: (self._end_investor, self._tell),
            InvestorExpired: (self._end_investor, self._tell),
            InvestorSuspended: (self._end_investor,),
            InvestorErased: (self._forget_notices,),
            ApprovalRequested: (self._tell,),
            ApprovalDecided: (self._tell,),
            InstructionFailed: (self._tell,),
            SecurityDeployed: (self._register_waiting,),
            TransactionFinal: (self._look_again,),
        }

    def job_table(self) -> JobTable:
        """Return the jobs by name."""
        return {
            PLATFORM_JOB: lambda _: open_platform(self._units),
            EXPIRE_JOB: self._expire_verifications,
            ANCHOR_JOB: self._anchor_audits,
            SCREEN_JOB: lambda job: parties_process.screen_investors(units=self._units_of(job)),
            SANDBOX_JOB: lambda job: parties_process.answer_as_sandbox(UUID(job.args["check_id"]), units=self._units_of(job)),
            DIFFERENCES_JOB: self._find_differences,
            "instruments.register_asset": self._register_asset,
            ANCHOR_DOCUMENTS_JOB: lambda job: instruments_process.anchor_documents(
                AssetRecordId(UUID(job.args["asset_record_id"])), units=self._units_of(job)
            ),
            LIEN_JOB: lambda job: instruments_process.settle_lien(
                AssetRecordId(UUID(job.args["asset_record_id"])),
                job.args["lien_id"],
                is_released=job.args["is_released"],
                units=self._units_of(job),
            ),
            "instruments.deploy_security": self._deploy_security,
            "compliance.register_investors": lambda job: compliance_process.register_investors(units=self._units_of(job)),
            "compliance.invalidate_investor": lambda job: compliance_process.invalidate_investor(
                InvestorId(UUID(job.args["investor_id"])), units=self._units_of(job)
            ),
            "compliance.apply_rules": lambda job: compliance_process.apply_rules(_security(job), units=self._units_of(job)),
            "compliance.open_security": lambda job: compliance_process.open_security(_security(job), units=self._units_of(job)),
            "compliance.settle_freeze": lambda job: compliance_process.settle_freeze(
                UUID(job.args["freeze_id"]), units=self._units_of(job)
            ),
            SETTLE_JOB: lambda job: settlement_process.settle(InstructionId(UUID(job.args["instruction_id"])), begin=self._units_of(job)),
            SEND_JOB: lambda job: notices_process.send(NoticeId(UUID(job.args["notice_id"])), begin=self._units_of(job)),
            PAY_JOB: lambda job: servicing_process.pay_dividend(DividendId(UUID(job.args["dividend_id"])), begin=self._units_of(job)),
        }

    def schedules(self) -> Mapping[str, str]:
        """Return the jobs that start by the clock (UTC)."""
        return {PLATFORM_JOB: EVERY_MINUTE, EXPIRE_JOB: EVERY_MINUTE, ANCHOR_JOB: EVERY_HOUR, DIFFERENCES_JOB: EVERY_DAY}

    # Jobs

    def _register_asset(self, job: RunningJob) -> ProcessOutcome:
        owner = job.args["title_owner"]
        return instruments_process.register_asset(
            AssetRecordId(UUID(job.args["asset_record_id"])),
            title_owner=None if owner is None else Address(owner),
            units=self._units_of(job),
            platform=self._units.begin_platform,
        )

    def _deploy_security(self, job: RunningJob) -> ProcessOutcome:
        # The rules go to the chain when the security is opened; until then its token is paused.
        return instruments_process.deploy_security(_security(job), units=self._units_of(job), platform=self._units.begin_platform)

    def _expire_verifications(self, _: RunningJob) -> ProcessOutcome:
        for tenant_id in self._tenants():
            with self._units.begin(tenant_id) as unit:
                parties_commands.expire_verifications(system_actor(tenant_id), unit=unit)
        return Done()

    def _anchor_audits(self, _: RunningJob) -> ProcessOutcome:
        for tenant_id in self._tenants():
            instruments_process.anchor_audit(tenant_id, units=self._units.of(tenant_id), platform=self._units.begin_platform)
        return Done()

    def _find_differences(self, _: RunningJob) -> ProcessOutcome:
        # Each day, so that the age of a record difference does not hang on when somebody asks for it.
        for tenant_id in self._tenants():
            register_process.find_differences(begin=self._units.of(tenant_id))
        return Done()

    def _tenants(self) -> Sequence[TenantId]:
        with self._units.begin_platform() as platform:
            return [TenantId(tenant_id) for tenant_id in platform.connection.scalars(sa.select(ORGANISATION.c.tenant_id))]

    # Reactions

    def _want_investor(self, recorded: RecordedEvent) -> None:
        event = recorded.event
        assert isinstance(event, (InvestorVerified, WalletAdded)), "registered under these"
        compliance_process.want_investor(InvestorId(event.investor_id), units=self._units.of(TenantId(event.tenant_id)))

    def _make_lots_again(self, recorded: RecordedEvent) -> None:
        """Lots of a wallet that belonged to nobody known are the investor's from here on."""
        event = recorded.event
        assert isinstance(event, WalletAdded), "registered under this"
        with self._units.begin(TenantId(event.tenant_id)) as unit:
            for token in unit.lots.stale_tokens():
                register_commands.make_lots_again(token, store=unit.lots)

    def _end_investor(self, recorded: RecordedEvent) -> None:
        event = recorded.event
        assert isinstance(event, (InvestorRejected, InvestorExpired, InvestorSuspended)), "registered under these"
        compliance_process.end_investor(InvestorId(event.investor_id), units=self._units.of(TenantId(event.tenant_id)))

    def _tell(self, recorded: RecordedEvent) -> None:
        assert recorded.tenant_id is not None, "each of these facts is an organisation's"
        notices_process.tell(recorded, begin=self._units.of(recorded.tenant_id))

    def _forget_notices(self, recorded: RecordedEvent) -> None:
        event: InvestorErased = recorded.event
        notices_process.forget(InvestorId(event.investor_id), begin=self._units.of(TenantId(event.tenant_id)))

    def _register_waiting(self, recorded: RecordedEvent) -> None:
        assert recorded.tenant_id is not None, "a security has its issuer"
        compliance_process.register_waiting(units=self._units.of(recorded.tenant_id))

    def _look_again(self, recorded: RecordedEvent) -> None:
        """See whether the chain has undone what was written as final; the first time nothing is written yet."""
        event: TransactionFinal = recorded.event
        if event.tenant_id is None:
            return
        units = self._units.of(event.tenant_id)
        instruction_id, batch = instruction_of_purpose(event.purpose), batch_of_purpose(event.purpose)
        if instruction_id is not None:
            settlement_process.look_again(instruction_id, begin=units)
        if batch is not None:
            servicing_process.look_again(*batch, begin=units)

    def _units_of(self, job: RunningJob) -> Callable[[], AbstractContextManager[Unit]]:
        assert job.tenant_id is not None, f"{job.name} is an organisation's job"
        return self._units.of(job.tenant_id)


def worker_tables(backend: Backend) -> WorkerTables:
    """Return the tables over what a worker has opened; on a new chain, have the platform's contracts brought to it at once."""
    units = Units(backend)
    if needs_platform(units):
        with units.begin_platform() as unit:
            unit.jobs.defer(PLATFORM_JOB, {}, lock=PLATFORM_JOB)
    return WorkerTables(backend)


def _security(job: RunningJob) -> SecurityId:
    return SecurityId(UUID(job.args["security_id"]))
