# SPDX-License-Identifier: Apache-2.0
"""A unit of work over a real PostgreSQL for the tests of access and parties, and builders of actors. Holds no test."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from muniment.access.commands import FoundedOrganisation, FoundOrganisation, found_organisation
from muniment.access.model import FOUR_EYES_ACTIONS, Action, Actor, Role
from muniment.access.store import (
    PostgresApprovals,
    PostgresAudit,
    PostgresIdempotencyKeys,
    PostgresInvitations,
    PostgresMemberships,
    PostgresOrganisations,
    PostgresSessions,
    PostgresSignInAttempts,
    PostgresUsers,
)
from muniment.infra.clock import FixedClock
from muniment.infra.jobs import PostgresJobs
from muniment.infra.outbox import PostgresOutbox
from muniment.infra.postgres.database import Database
from muniment.infra.sealing import Sealer
from muniment.infra.signing import KeyStore
from muniment.parties.chain import EvmWalletSignatures
from muniment.parties.model import ProofDomain, SandboxIdentityProvider
from muniment.parties.store import (
    PostgresClaims,
    PostgresIdentityChecks,
    PostgresInvestors,
    PostgresQueue,
    PostgresSanctions,
    PostgresWalletChallenges,
    PostgresWallets,
)
from muniment.units.ids import TenantId, UserId, new_id

NOON = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)
PASSWORD = "seven quiet herons"


class NoTransactions:
    """The chain, for contexts that must not touch it: any use is a bug."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nothing here sends transactions, not even {name}")


class NoContracts:
    """A chain on which nobody has code: every wallet is a key's."""

    def code_at(self, _address: str) -> bytes:
        """Return no code."""
        return b""


NO_CONTRACTS = NoContracts()
BOUND_TO = ProofDomain(domain="shares.example.com", uri="https://shares.example.com", chain_id=31337)


class TestUnit:
    """What `app.wiring.Unit` gives, as far as access and parties go."""

    __test__ = False

    def __init__(
        self, connection: sa.Connection, *, tenant_id: TenantId, clock: FixedClock, sealer: Sealer, chain: Any = NO_CONTRACTS
    ) -> None:
        self.connection = connection
        self.tenant_id = tenant_id
        self.clock = clock
        self.organisations = PostgresOrganisations(connection)
        self.users = PostgresUsers(connection, sealer=sealer)
        self.memberships = PostgresMemberships(connection, users=self.users)
        self.invitations = PostgresInvitations(connection)
        self.sessions = PostgresSessions(connection)
        self.sign_in_attempts = PostgresSignInAttempts(connection, sealer=sealer)
        self.approvals = PostgresApprovals(connection, tenant_id=tenant_id)
        self.audit = PostgresAudit(connection, tenant_id=tenant_id, clock=clock)
        self.idempotency_keys = PostgresIdempotencyKeys(connection, tenant_id=tenant_id, clock=clock)
        self.outbox = PostgresOutbox(connection, tenant_id=tenant_id, clock=clock)
        self.jobs = PostgresJobs(connection, tenant_id=tenant_id)
        self.transactions: Any = NoTransactions()
        self.investors = PostgresInvestors(connection, tenant_id=tenant_id, sealer=sealer)
        self.wallets = PostgresWallets(connection, tenant_id=tenant_id)
        self.claims = PostgresClaims(connection, tenant_id=tenant_id)
        self.identity_provider = SandboxIdentityProvider()
        self.sanctions = PostgresSanctions(connection, tenant_id=tenant_id, sealer=sealer)
        self.identity_checks = PostgresIdentityChecks(connection, tenant_id=tenant_id, sealer=sealer)
        self.wallet_challenges = PostgresWalletChallenges(connection, tenant_id=tenant_id)
        self.wallet_signatures = EvmWalletSignatures(chain, bound_to=BOUND_TO)
        self.queue = PostgresQueue(connection, tenant_id=tenant_id)
        self.keys = KeyStore(connection, sealer=sealer, clock=clock)

    def events(self) -> list[str]:
        """Return the kinds of this organisation's recorded events, oldest first."""
        return list(self.connection.execute(sa.text("SELECT kind FROM infra.outbox_event ORDER BY position")).scalars())


@dataclass
class Installation:
    """One database with a clock that stands still and a master key of its own."""

    database: Database
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    sealer: Sealer = field(default_factory=lambda: Sealer(secrets.token_bytes(32)))

    @contextmanager
    def begin(self, tenant_id: TenantId) -> Iterator[TestUnit]:
        """Open one transaction of one organisation."""
        with self.database.transaction(tenant_id=tenant_id) as connection:
            yield TestUnit(connection, tenant_id=tenant_id, clock=self.clock, sealer=self.sealer)

    @contextmanager
    def begin_sign_in(self) -> Iterator[TestUnit]:
        """Open one transaction of nobody's."""
        with self.database.user_transaction() as connection:
            yield TestUnit(connection, tenant_id=TenantId(new_id(NOON)), clock=self.clock, sealer=self.sealer)

    def roll_back(self, tenant_id: TenantId, effect: Callable[[TestUnit], object]) -> None:
        """Let the effect happen in a transaction that then fails."""
        with contextlib.suppress(RolledBack), self.begin(tenant_id) as unit:
            effect(unit)
            raise RolledBack

    def found(self, *, email: str | None = None, four_eyes: frozenset[Action] = FOUR_EYES_ACTIONS) -> FoundedOrganisation:
        """Found an organisation with an owner whose password is `PASSWORD`."""
        tenant_id = TenantId(new_id(self.clock.now()))
        request = FoundOrganisation(
            name="Heron Motors Ltd",
            country="GB",
            owner_email=email or an_email(),
            owner_name="Ada Owner",
            owner_password=PASSWORD,
            four_eyes=four_eyes,
        )
        with self.begin(tenant_id) as unit:
            return found_organisation(request, unit=unit)


class RolledBack(Exception):
    """What a test throws to end a transaction without its effects."""


def an_email() -> str:
    """Return an address that no other test uses."""
    return f"user-{secrets.token_hex(8)}@example.com"


def an_actor(tenant_id: TenantId, *roles: Role) -> Actor:
    """Return somebody new with these roles; no session or account stands behind them."""
    return Actor(user_id=UserId(new_id(NOON)), tenant_id=tenant_id, roles=frozenset(roles), display_name="Somebody")
