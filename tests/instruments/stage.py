# SPDX-License-Identifier: Apache-2.0
"""A whole stage for the tests of instruments and compliance: database, node, sender, follower and an issuer. Holds no test."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa

from muniment.access.model import Actor, Role
from muniment.compliance import chain as compliance_chain
from muniment.compliance.chain import EvmCompliance
from muniment.compliance.process import IdentityFollower
from muniment.compliance.store import (
    PostgresFreezes,
    PostgresHoweyRecords,
    PostgresIdentities,
    PostgresIdentityEvents,
    PostgresLawChoices,
    PostgresRuleSets,
)
from muniment.infra.clock import FixedClock
from muniment.infra.evm.broadcaster import Broadcaster
from muniment.infra.evm.client import Evm
from muniment.infra.evm.fees import FeePolicy, FeeQuotes
from muniment.infra.evm.finality import Confirmations
from muniment.infra.evm.follower import Follower
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.evm.sender import PostgresTransactions
from muniment.infra.jobs import Done, ProcessOutcome
from muniment.infra.postgres.database import Database
from muniment.infra.sealing import Sealer
from muniment.infra.signing import KeyStore
from muniment.instruments.chain import EvmInstruments
from muniment.instruments.process import deploy_platform
from muniment.instruments.store import PostgresAssets, PostgresCapTables, PostgresSecurities, PostgresSuites
from muniment.register import chain as register_chain
from muniment.register.chain import EvmRegisterChain
from muniment.register.commands import SecurityTokens
from muniment.register.process import LotFollower, RegisterFollower
from muniment.register.store import PostgresLotProjection, PostgresLots, PostgresProjection, PostgresRecordDifferences, PostgresRegister
from muniment.units.ids import Address, TenantId
from tests.access.unit import TestUnit, an_actor
from tests.infra.rig import CHAIN_ID, ETHER, RICH

STEPS_MAX = 40


class StageUnit(TestUnit):
    """What `app.wiring.Unit` gives, as far as compliance goes."""

    __test__ = False

    def __init__(self, stage: Stage, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        super().__init__(connection, tenant_id=tenant_id, clock=stage.clock, sealer=stage.sealer, chain=stage.evm)
        self.keys = stage.key_store(connection)
        self.transactions = stage.transactions(connection, tenant_id=tenant_id)
        self.assets = PostgresAssets(connection, tenant_id=tenant_id, sealer=stage.sealer)
        self.cap_tables = PostgresCapTables(connection, tenant_id=tenant_id, sealer=stage.sealer)
        self.securities = PostgresSecurities(connection, tenant_id=tenant_id)
        self.suites = PostgresSuites(connection, tenant_id=tenant_id, chain_id=CHAIN_ID)
        self.instruments_chain = EvmInstruments(stage.evm, self.transactions, tenant_id=tenant_id, chain_id=CHAIN_ID)
        self.register = PostgresRegister(connection, tokens=SecurityTokens(self.securities), wallets=self.wallets)
        self.lots = PostgresLots(connection, tenant_id=tenant_id, tokens=SecurityTokens(self.securities))
        self.record_differences = PostgresRecordDifferences(connection, tenant_id=tenant_id)
        self.register_chain = EvmRegisterChain(stage.evm)
        self.rule_sets = PostgresRuleSets(connection, tenant_id=tenant_id)
        self.identities = PostgresIdentities(connection, tenant_id=tenant_id)
        self.freezes = PostgresFreezes(connection, tenant_id=tenant_id)
        self.law_choices = PostgresLawChoices(connection, tenant_id=tenant_id)
        self.howey_records = PostgresHoweyRecords(connection, tenant_id=tenant_id)
        self.compliance_chain = EvmCompliance(stage.evm, self.transactions, tenant_id=tenant_id)


class PlatformUnit:
    """The platform's own unit, with the worker's rights."""

    def __init__(self, stage: Stage, connection: sa.Connection) -> None:
        self.clock = stage.clock
        self.transactions = stage.transactions(connection, tenant_id=None)
        self.suites = PostgresSuites(connection, tenant_id=None, chain_id=CHAIN_ID)
        self.instruments_chain = EvmInstruments(stage.evm, self.transactions, tenant_id=None, chain_id=CHAIN_ID)


class Stage:
    """A node that mines each transaction at once, the sender's and the follower's loops in one call, and as many issuers as asked for."""

    def __init__(self, database: Database, rpc: JsonRpc) -> None:
        self.database = database
        self.rpc = rpc
        self.evm = Evm(rpc, finality=Confirmations(2))
        self.clock = FixedClock(dt.datetime.fromtimestamp(self.evm.latest_header().timestamp_seconds, tz=dt.UTC))
        self.sealer = Sealer(secrets.token_bytes(32))
        self.policy = FeePolicy()
        self.fees = FeeQuotes(self.evm, self.policy, fresh_seconds=0)
        self.broadcaster = Broadcaster(
            database, self.evm, chain_id=CHAIN_ID, signer=self.key_store, fees=self.fees, policy=self.policy, clock=self.clock
        )
        self.follower = Follower(
            database,
            self.evm,
            [
                RegisterFollower(decode=register_chain.decode, artifacts=register_chain.ARTIFACTS, store=PostgresProjection),
                LotFollower(artifact=register_chain.SHARES, store=PostgresLotProjection),
                IdentityFollower(
                    decode=compliance_chain.decode,
                    countries=compliance_chain.countries_reader(self.evm),
                    store=PostgresIdentityEvents,
                ),
            ],
            clock=self.clock,
            journal_transactions=False,
        )
        with database.worker_transaction() as connection:
            self.operator = self.key_store(connection).create(None)
        self.fund(self.operator, 1000 * ETHER)

    def key_store(self, connection: sa.Connection) -> KeyStore:
        return KeyStore(connection, sealer=self.sealer, clock=self.clock, development_keys_allowed=True)

    def transactions(self, connection: sa.Connection, *, tenant_id: TenantId | None) -> PostgresTransactions:
        return PostgresTransactions(
            connection,
            tenant_id=tenant_id,
            signer=self.key_store(connection),
            fees=self.fees,
            chain_id=CHAIN_ID,
            first_nonce=self.evm.transaction_count,
            clock=self.clock,
        )

    def fund(self, address: Address, wei: int) -> None:
        self.rpc.call("eth_sendTransaction", [{"from": RICH, "to": address, "value": hex(wei)}])

    @contextmanager
    def begin(self, tenant_id: TenantId) -> Iterator[StageUnit]:
        with self.database.transaction(tenant_id=tenant_id) as connection:
            yield StageUnit(self, connection, tenant_id=tenant_id)

    def units(self, tenant_id: TenantId) -> Callable[[], AbstractContextManager[StageUnit]]:
        return lambda: self.begin(tenant_id)

    @contextmanager
    def platform(self) -> Iterator[PlatformUnit]:
        with self.database.worker_transaction() as connection:
            yield PlatformUnit(self, connection)

    def step(self) -> None:
        """Send what is signed, make it final, follow the chain."""
        self.broadcaster.step()
        for _ in range(3):
            self.rpc.call("evm_mine")
        self.broadcaster.step()
        self.follower.catch_up()

    def run(self, process: Callable[[], ProcessOutcome]) -> int:
        """Run a process until it is done; return how often it waited."""
        for waited in range(STEPS_MAX):
            outcome = process()
            if isinstance(outcome, Done):
                self.follower.catch_up()
                return waited
            self.step()
        raise AssertionError(f"still waiting for {outcome}")

    def deploy_platform(self) -> None:
        self.run(lambda: deploy_platform(self.operator, platform=self.platform))

    def a_tenant(self) -> tuple[TenantId, Actor]:
        """Return a new issuer and its owner; access needs no row for it here."""
        tenant_id = TenantId(uuid.uuid4())
        return tenant_id, an_actor(tenant_id, Role.OWNER)

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.database.worker_transaction() as connection:
            return list(connection.execute(sa.text(statement), values).all())
