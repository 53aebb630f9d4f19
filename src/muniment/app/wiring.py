# SPDX-License-Identifier: Apache-2.0
"""The composition root: picks every implementation and builds units of work. What the worker runs is in `worker_tables`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

import sqlalchemy as sa

from muniment.access import store as access_store
from muniment.app.web.reason_codes import REASONS
from muniment.compliance import chain as compliance_chain
from muniment.compliance import store as compliance_store
from muniment.infra.clock import Clock, SystemClock
from muniment.infra.configuration import Configuration, ensure_secret
from muniment.infra.evm.client import Evm
from muniment.infra.evm.fees import FeeQuotes
from muniment.infra.evm.finality import Confirmations
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.evm.sender import PostgresTransactions
from muniment.infra.jobs import PostgresJobs
from muniment.infra.mail import Mailer, mailer_of
from muniment.infra.outbox import PostgresOutbox
from muniment.infra.postgres.database import Database
from muniment.infra.sealing import Sealer
from muniment.infra.signing import KeyStore, development_keys_allowed
from muniment.instruments import chain as instruments_chain
from muniment.instruments import store as instruments_store
from muniment.notices import store as notices_store
from muniment.parties import chain as parties_chain
from muniment.parties import store as parties_store
from muniment.parties.model import ProofDomain, SandboxIdentityProvider
from muniment.register import chain as register_chain
from muniment.register import store as register_store
from muniment.register.commands import SecurityTokens
from muniment.servicing import chain as servicing_chain
from muniment.servicing import store as servicing_store
from muniment.settlement import chain as settlement_chain
from muniment.settlement import store as settlement_store
from muniment.units.ids import TenantId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What one process shares: the pool of connections, the node, the master key's sealer, the clock."""

    configuration: Configuration
    database: Database
    evm: Evm
    fees: FeeQuotes
    sealer: Sealer
    clock: Clock
    chain_id: int
    development_keys_allowed: bool
    mailer: Mailer | None = None

    @classmethod
    def open(cls, configuration: Configuration, *, clock: Clock | None = None) -> Backend:
        """Connect to the database and the node that `configuration` names; both addresses must be set."""
        assert configuration.database_url is not None, "services are started before a backend is opened"
        assert configuration.chain_rpc_url is not None, "services are started before a backend is opened"
        evm = Evm(JsonRpc(configuration.chain_rpc_url), finality=Confirmations(configuration.confirmations))
        chain_id = evm.chain_id()
        return cls(
            configuration=configuration,
            database=Database(configuration.database_url),
            evm=evm,
            fees=FeeQuotes(evm),
            sealer=Sealer(bytes.fromhex(ensure_secret(configuration, "master_key"))),
            clock=clock or SystemClock(),
            chain_id=chain_id,
            development_keys_allowed=development_keys_allowed(chain_id=chain_id, rpc_url=configuration.chain_rpc_url),
            mailer=mailer_of(configuration),
        )

    @property
    def proof_domain(self) -> ProofDomain:
        """To what a wallet's proof is bound: this installation's address and its chain."""
        uri = self.configuration.site_url
        return ProofDomain(domain=urlsplit(uri).netloc, uri=uri, chain_id=self.chain_id)

    def key_store(self, connection: sa.Connection) -> KeyStore:
        """Return the keys that `connection`'s row security lets it see."""
        return KeyStore(connection, sealer=self.sealer, clock=self.clock, development_keys_allowed=self.development_keys_allowed)

    def transactions(self, connection: sa.Connection, *, tenant_id: TenantId | None) -> PostgresTransactions:
        """Return the sender's book in the caller's transaction."""
        return PostgresTransactions(
            connection,
            tenant_id=tenant_id,
            signer=self.key_store(connection),
            fees=self.fees,
            chain_id=self.chain_id,
            first_nonce=self.evm.transaction_count,
            clock=self.clock,
        )

    def close(self) -> None:
        """Close the connections."""
        self.database.close()
        self.evm.rpc.close()


class SignInUnit:
    """`access.ports.SignInUnit`: one transaction of nobody's yet."""

    def __init__(self, backend: Backend, connection: sa.Connection) -> None:
        self.connection = connection
        self._backend = backend
        self.clock = backend.clock

    @cached_property
    def organisations(self) -> access_store.PostgresOrganisations:
        """Organisations."""
        return access_store.PostgresOrganisations(self.connection)

    @cached_property
    def users(self) -> access_store.PostgresUsers:
        """Users."""
        return access_store.PostgresUsers(self.connection, sealer=self._backend.sealer)

    @cached_property
    def memberships(self) -> access_store.PostgresMemberships:
        """Who is a member of what."""
        return access_store.PostgresMemberships(self.connection, users=self.users)

    @cached_property
    def sessions(self) -> access_store.PostgresSessions:
        """Sessions."""
        return access_store.PostgresSessions(self.connection)

    @cached_property
    def sign_in_attempts(self) -> access_store.PostgresSignInAttempts:
        """Failed sign-ins."""
        return access_store.PostgresSignInAttempts(self.connection, sealer=self._backend.sealer)


class PlatformUnit:
    """`instruments.ports.PlatformUnit`: one transaction of the platform's own, with the worker's rights."""

    def __init__(self, backend: Backend, connection: sa.Connection) -> None:
        self.connection = connection
        self._backend = backend
        self.clock = backend.clock

    @cached_property
    def transactions(self) -> PostgresTransactions:
        """The platform's part of the sender's book."""
        return self._backend.transactions(self.connection, tenant_id=None)

    @cached_property
    def keys(self) -> KeyStore:
        """Every key."""
        return self._backend.key_store(self.connection)

    @cached_property
    def jobs(self) -> PostgresJobs:
        """The platform's jobs."""
        return PostgresJobs(self.connection, tenant_id=None)

    @cached_property
    def suites(self) -> instruments_store.PostgresSuites:
        """The platform's contracts."""
        return instruments_store.PostgresSuites(self.connection, tenant_id=None, chain_id=self._backend.chain_id)

    @cached_property
    def instruments_chain(self) -> instruments_chain.EvmInstruments:
        """The platform's calls."""
        return instruments_chain.EvmInstruments(self._backend.evm, self.transactions, tenant_id=None, chain_id=self._backend.chain_id)


class PublicUnit:
    """`instruments.ports.PublicUnit`: one transaction of nobody, who only asks what is public."""

    def __init__(self, backend: Backend, connection: sa.Connection) -> None:
        self.suites = instruments_store.PostgresSuites(connection, tenant_id=None, chain_id=backend.chain_id)
        self.instruments_chain = instruments_chain.EvmInstruments(
            backend.evm, backend.transactions(connection, tenant_id=None), tenant_id=None, chain_id=backend.chain_id
        )


class Unit(SignInUnit):
    """Every context's unit of work: one transaction of one organisation. What a use case does not ask for is not built."""

    def __init__(self, backend: Backend, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        super().__init__(backend, connection)
        self.tenant_id = tenant_id

    # access

    @cached_property
    def invitations(self) -> access_store.PostgresInvitations:
        """Open offers of membership."""
        return access_store.PostgresInvitations(self.connection)

    @cached_property
    def approvals(self) -> access_store.PostgresApprovals:
        """Four eyes."""
        return access_store.PostgresApprovals(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def audit(self) -> access_store.PostgresAudit:
        """The log."""
        return access_store.PostgresAudit(self.connection, tenant_id=self.tenant_id, clock=self.clock)

    @cached_property
    def idempotency_keys(self) -> access_store.PostgresIdempotencyKeys:
        """Answers by idempotency key."""
        return access_store.PostgresIdempotencyKeys(self.connection, tenant_id=self.tenant_id, clock=self.clock)

    @cached_property
    def outbox(self) -> PostgresOutbox:
        """Events, recorded in the same transaction."""
        return PostgresOutbox(self.connection, tenant_id=self.tenant_id, clock=self.clock)

    @cached_property
    def jobs(self) -> PostgresJobs:
        """Long work, deferred in the same transaction."""
        return PostgresJobs(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def transactions(self) -> PostgresTransactions:
        """The organisation's part of the sender's book."""
        return self._backend.transactions(self.connection, tenant_id=self.tenant_id)

    # parties

    @cached_property
    def investors(self) -> parties_store.PostgresInvestors:
        """Investors."""
        return parties_store.PostgresInvestors(self.connection, tenant_id=self.tenant_id, sealer=self._backend.sealer)

    @cached_property
    def wallets(self) -> parties_store.PostgresWallets:
        """Wallets."""
        return parties_store.PostgresWallets(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def claims(self) -> parties_store.PostgresClaims:
        """Claims."""
        return parties_store.PostgresClaims(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def identity_provider(self) -> SandboxIdentityProvider:
        """The sandbox provider; another one takes its place here."""
        return SandboxIdentityProvider()

    @cached_property
    def sanctions(self) -> parties_store.PostgresSanctions:
        """Sanctions lists and hits."""
        return parties_store.PostgresSanctions(self.connection, tenant_id=self.tenant_id, sealer=self._backend.sealer)

    @cached_property
    def identity_checks(self) -> parties_store.PostgresIdentityChecks:
        """Questions to a provider."""
        return parties_store.PostgresIdentityChecks(self.connection, tenant_id=self.tenant_id, sealer=self._backend.sealer)

    @cached_property
    def wallet_challenges(self) -> parties_store.PostgresWalletChallenges:
        """Nonces for proofs of wallets."""
        return parties_store.PostgresWalletChallenges(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def wallet_signatures(self) -> parties_chain.EvmWalletSignatures:
        """Who checks a wallet's signature."""
        return parties_chain.EvmWalletSignatures(self._backend.evm, bound_to=self._backend.proof_domain)

    @cached_property
    def queue(self) -> parties_store.PostgresQueue:
        """What waits for an officer."""
        return parties_store.PostgresQueue(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def keys(self) -> KeyStore:
        """The organisation's keys."""
        return self._backend.key_store(self.connection)

    # instruments

    @cached_property
    def assets(self) -> instruments_store.PostgresAssets:
        """Asset records."""
        return instruments_store.PostgresAssets(self.connection, tenant_id=self.tenant_id, sealer=self._backend.sealer)

    @cached_property
    def cap_tables(self) -> instruments_store.PostgresCapTables:
        """Imported cap tables."""
        return instruments_store.PostgresCapTables(self.connection, tenant_id=self.tenant_id, sealer=self._backend.sealer)

    @cached_property
    def securities(self) -> instruments_store.PostgresSecurities:
        """Securities."""
        return instruments_store.PostgresSecurities(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def suites(self) -> instruments_store.PostgresSuites:
        """The organisation's contracts."""
        return instruments_store.PostgresSuites(self.connection, tenant_id=self.tenant_id, chain_id=self._backend.chain_id)

    @cached_property
    def instruments_chain(self) -> instruments_chain.EvmInstruments:
        """The calls of instruments."""
        return instruments_chain.EvmInstruments(
            self._backend.evm, self.transactions, tenant_id=self.tenant_id, chain_id=self._backend.chain_id
        )

    # register

    @cached_property
    def register(self) -> register_store.PostgresRegister:
        """The projection."""
        return register_store.PostgresRegister(self.connection, tokens=SecurityTokens(self.securities), wallets=self.wallets)

    @cached_property
    def lots(self) -> register_store.PostgresLots:
        """Lots."""
        return register_store.PostgresLots(self.connection, tenant_id=self.tenant_id, tokens=SecurityTokens(self.securities))

    @cached_property
    def record_differences(self) -> register_store.PostgresRecordDifferences:
        """Record differences."""
        return register_store.PostgresRecordDifferences(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def register_chain(self) -> register_chain.EvmRegisterChain:
        """The node, past the projection."""
        return register_chain.EvmRegisterChain(self._backend.evm)

    # compliance

    @cached_property
    def rule_sets(self) -> compliance_store.PostgresRuleSets:
        """Rules."""
        return compliance_store.PostgresRuleSets(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def identities(self) -> compliance_store.PostgresIdentities:
        """Wallets and the identity registry."""
        return compliance_store.PostgresIdentities(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def freezes(self) -> compliance_store.PostgresFreezes:
        """Freezes."""
        return compliance_store.PostgresFreezes(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def law_choices(self) -> compliance_store.PostgresLawChoices:
        """Packs, terms and evidence."""
        return compliance_store.PostgresLawChoices(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def howey_records(self) -> compliance_store.PostgresHoweyRecords:
        """Howey records."""
        return compliance_store.PostgresHoweyRecords(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def compliance_chain(self) -> compliance_chain.EvmCompliance:
        """The calls of compliance."""
        return compliance_chain.EvmCompliance(self._backend.evm, self.transactions, tenant_id=self.tenant_id)

    # settlement

    @cached_property
    def instructions(self) -> settlement_store.PostgresInstructions:
        """Instructions."""
        return settlement_store.PostgresInstructions(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def payment_tokens(self) -> settlement_store.PostgresPaymentTokens:
        """Payment tokens that the organisation accepts."""
        return settlement_store.PostgresPaymentTokens(self.connection, tenant_id=self.tenant_id, chain_id=self._backend.chain_id)

    @cached_property
    def token_chain(self) -> settlement_chain.EvmTokenChain:
        """The token's calls."""
        return settlement_chain.EvmTokenChain(self._backend.evm, fees=self._backend.fees, chain_id=self._backend.chain_id)

    @cached_property
    def chain_book(self) -> settlement_store.PostgresChainBook:
        """What was signed."""
        return settlement_store.PostgresChainBook(self.connection)

    # servicing

    @cached_property
    def dividends(self) -> servicing_store.PostgresDividends:
        """Dividends."""
        return servicing_store.PostgresDividends(self.connection, tenant_id=self.tenant_id)

    @cached_property
    def payout_chain(self) -> servicing_chain.EvmPayoutChain:
        """The payout contract."""
        return servicing_chain.EvmPayoutChain(self._backend.evm)

    # notices

    @cached_property
    def notices(self) -> notices_store.PostgresNotices:
        """Notices."""
        return notices_store.PostgresNotices(self.connection, tenant_id=self.tenant_id)

    @property
    def mailer(self) -> Mailer | None:
        """The mail server, where there is one."""
        return self._backend.mailer

    @property
    def site_url(self) -> str:
        """Where the pages are."""
        return self._backend.configuration.site_url

    @property
    def code_sentences(self) -> Mapping[str, str]:
        """What each code of a decision means, as the pages say it."""
        return REASONS


class Units:
    """Opens units of work."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @contextmanager
    def begin(self, tenant_id: TenantId) -> Iterator[Unit]:
        """Open one transaction of one organisation; it commits at the end and leaves nothing behind an exception."""
        with self.backend.database.transaction(tenant_id=tenant_id) as connection:
            yield Unit(self.backend, connection, tenant_id=tenant_id)

    @contextmanager
    def begin_sign_in(self, *, user_id: UserId | None = None) -> Iterator[SignInUnit]:
        """Open one transaction without an organisation."""
        with self.backend.database.user_transaction(user_id=user_id) as connection:
            yield SignInUnit(self.backend, connection)

    @contextmanager
    def begin_public(self) -> Iterator[PublicUnit]:
        """Open one transaction of nobody for what is public on the chain."""
        with self.backend.database.user_transaction() as connection:
            yield PublicUnit(self.backend, connection)

    @contextmanager
    def begin_platform(self) -> Iterator[PlatformUnit]:
        """Open one transaction of the platform, with the worker's rights; no request may reach it."""
        with self.backend.database.worker_transaction() as connection:
            yield PlatformUnit(self.backend, connection)

    def is_quiet(self, tenant_id: TenantId) -> bool:
        """Return whether every event of the organisation has been handled."""
        statement = sa.text("SELECT NOT EXISTS (SELECT FROM infra.outbox_event WHERE handled_at IS NULL AND dead_at IS NULL)")
        with self.backend.database.transaction(tenant_id=tenant_id) as connection:
            return bool(connection.scalar(statement))

    def of(self, tenant_id: TenantId) -> Callable[[], AbstractContextManager[Unit]]:
        """Return what opens units of one organisation, as processes take it."""
        return lambda: self.begin(tenant_id)
