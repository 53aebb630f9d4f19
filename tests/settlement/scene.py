# SPDX-License-Identifier: Apache-2.0
"""An issuer with an open security, verified holders and money on a real node, for settlement and servicing. Tests nothing."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa

from muniment.access.commands import approve_request
from muniment.access.model import Actor, Organisation, Pending, Role
from muniment.compliance.model.rules import Rule
from muniment.infra.evm import contract_artifacts
from muniment.infra.jobs import Done, ProcessOutcome, Waiting
from muniment.parties.commands import add_wallet
from muniment.servicing.chain import EvmPayoutChain
from muniment.servicing.store import PostgresDividends
from muniment.settlement.chain import EvmTokenChain
from muniment.settlement.commands import IssueShares, TransferShares, accept_payment_token, issue, transfer
from muniment.settlement.model import Allotment, Instruction, InstructionState, IssueReport
from muniment.settlement.process import settle
from muniment.settlement.store import PostgresChainBook, PostgresInstructions, PostgresPaymentTokens
from muniment.units.decisions import Refused
from muniment.units.ids import Address, InstructionId, InvestorId, TenantId, new_id
from muniment.units.money import Money
from muniment.units.payment_tokens import PaymentToken
from tests.access.unit import an_actor
from tests.compliance.market import Market
from tests.infra.rig import CHAIN_ID
from tests.instruments.stage import Stage, StageUnit

OutcomeT = TypeVar("OutcomeT")


class SceneUnit(StageUnit):
    """What `app.wiring.Unit` gives, whole."""

    def __init__(self, stage: Stage, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        super().__init__(stage, connection, tenant_id=tenant_id)
        self.instructions = PostgresInstructions(connection, tenant_id=tenant_id)
        self.payment_tokens = PostgresPaymentTokens(connection, tenant_id=tenant_id, chain_id=CHAIN_ID)
        self.token_chain = EvmTokenChain(stage.evm, fees=stage.fees, chain_id=CHAIN_ID)
        self.chain_book = PostgresChainBook(connection)
        self.dividends = PostgresDividends(connection, tenant_id=tenant_id)
        self.payout_chain = EvmPayoutChain(stage.evm)


class SceneStage(Stage):
    """A stage whose units reach up to servicing."""

    @contextmanager
    def begin(self, tenant_id: TenantId) -> Iterator[SceneUnit]:
        with self.database.transaction(tenant_id=tenant_id) as connection:
            yield SceneUnit(self, connection, tenant_id=tenant_id)

    def units(self, tenant_id: TenantId) -> Callable[[], AbstractContextManager[SceneUnit]]:
        return lambda: self.begin(tenant_id)

    def a_tenant(self) -> tuple[TenantId, Actor]:
        """Return a new issuer that access knows, and an owner: approvals belong to an organisation."""
        tenant_id, actor = super().a_tenant()
        with self.begin(tenant_id) as unit:
            unit.organisations.add(Organisation(tenant_id, "Heron Motors Ltd", "GB", self.clock.now()))
        return tenant_id, actor


class Scene(Market):
    """One security of one issuer, open, with what settlement and servicing do to it."""

    def __init__(self, stage: SceneStage, *rules: Rule) -> None:
        super().__init__(stage, stage.a_tenant())
        self.scene_stage = stage
        self.second = an_actor(self.tenant_id, Role.OWNER)
        self.open(*rules)

    @property
    def begin(self) -> Callable[[], AbstractContextManager[SceneUnit]]:
        return self.scene_stage.units(self.tenant_id)

    def holders(self, count: int, *, managed: bool = False) -> list[tuple[InvestorId, Address]]:
        """Return verified investors in the registry, each with one wallet."""
        fields = {"wallet_address": ""} if managed else {}
        made = [self.an_investor(**fields) for _ in range(count)]
        self.registered(*(investor_id for investor_id, _ in made))
        return made

    def another_wallet(self, investor_id: InvestorId) -> Address:
        with self.begin() as unit:
            return add_wallet(self.owner, investor_id, None, unit=unit).address

    def approved(self, command: Callable[[Actor, SceneUnit], OutcomeT | Pending]) -> OutcomeT:
        """Ask as the owner, approve and do as a second person."""
        with self.begin() as unit:
            pending = command(self.owner, unit)
            assert isinstance(pending, Pending)
        with self.begin() as unit:
            approve_request(self.second, pending.approval_id, unit=unit)
            outcome = command(self.second, unit)
            assert not isinstance(outcome, Pending)
            return outcome

    def issue(self, shares: Mapping[Address, int]) -> IssueReport:
        """Issue under four eyes and carry it through."""
        allotments = tuple(Allotment(amount, wallet=wallet) for wallet, amount in shares.items())
        request = IssueShares(new_id(self.stage.clock.now()), self.security_id, allotments)
        report = self.approved(lambda actor, unit: issue(actor, request, unit=unit))
        for instruction in report.instructions:
            self.settle(instruction.instruction_id)
        return report

    def transfer(self, sender: Address, receiver: Address, shares: int, *, send_anyway: bool = False) -> Instruction | Refused:
        request = TransferShares(new_id(self.stage.clock.now()), self.security_id, sender, receiver, shares, send_anyway)
        with self.begin() as unit:
            return transfer(self.owner, request, unit=unit)

    def freeze_wallet(self, wallet: Address, *, frozen: bool = True) -> None:
        self.act("setAddressFrozen", wallet, frozen)

    def settle(self, instruction_id: InstructionId) -> InstructionState:
        self.stage.run(lambda: settle(instruction_id, begin=self.begin))
        with self.begin() as unit:
            return unit.instructions.get(instruction_id)

    def pass_time(self, seconds: int) -> None:
        """Let time pass on the chain and on our clock, with a block at the end."""
        self.stage.rpc.call("evm_increaseTime", [seconds])
        self.stage.rpc.call("evm_mine")
        header = self.stage.evm.latest_header()
        now = self.stage.clock.now()
        self.stage.clock.advance(max(dt.timedelta(0), dt.datetime.fromtimestamp(header.timestamp_seconds, tz=dt.UTC) - now))

    def balance(self, wallet: Address) -> int:
        with self.begin() as unit:
            return int(unit.register.balance_of(self.security_id, wallet))

    def a_payment_token(self, *, funds: Money | None = None) -> PaymentToken:
        """Accept the platform's payment token as dollars and give the issuer some."""
        with self.begin() as unit:
            token = accept_payment_token(self.owner, unit.suites.platform("payment_token"), currency="USD", unit=unit)
        if funds is not None:
            self.fund_pot(token, funds)
        return token

    def fund_pot(self, token: PaymentToken, money: Money) -> None:
        with self.stage.platform() as platform:
            platform.transactions.submit(
                tenant_id=None,
                sender=self.stage.operator,
                to=token.address,
                data=contract_artifacts.load("payment_token").encode_call("mint", self.suite.operator, token.units_of(money)),
                purpose=f"test:{secrets.token_hex(8)}",
                gas_limit=200_000,
            )
        self.stage.step()

    def money_of(self, token: PaymentToken, wallet: Address) -> Money:
        with self.begin() as unit:
            return token.money_of(unit.payout_chain.balance(token, wallet))

    def waits(self, process: Callable[[], ProcessOutcome]) -> list[str]:
        """Run a process until it is done; return what it waited for."""
        reasons: list[str] = []
        for _ in range(40):
            outcome = process()
            if isinstance(outcome, Done):
                return reasons
            assert isinstance(outcome, Waiting)
            reasons.append(outcome.reason)
            self.stage.step()
        raise AssertionError(f"still waiting for {reasons[-1]}")

    def vandalise(self, statement: str, **values: Any) -> None:
        """Change rows by hand, as only somebody with the database owner's rights could."""
        with self.stage.database.worker_transaction() as connection:
            connection.exec_driver_sql("RESET ROLE")
            connection.exec_driver_sql("SET LOCAL row_security = off")
            changed = connection.execute(sa.text(statement), values)
            assert changed.rowcount, "the vandal changed something"
