# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL's answers to the ports of compliance. Names no person: wallets, ids and countries only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from muniment.compliance.errors import FreezeNotFound
from muniment.compliance.model.identities import ChainIdentity, IdentityEvent, IdentityEventKind, fold
from muniment.compliance.model.law.choices import LawChoice
from muniment.compliance.model.law.records import HoweyRecord
from muniment.compliance.model.rules import RuleSet, rule_as_json, rule_from_json
from muniment.compliance.ports import Freeze, FreezeAction, Registration, RegistrationState
from muniment.infra.postgres.database import METADATA
from muniment.units.ids import Address, AssetId, InvestorId, SecurityId, TenantId, UserId

_INSTANT = sa.DateTime(timezone=True)

RULE_SET = sa.Table(
    "rule_set",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("security_id", sa.Uuid, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("effective_at", _INSTANT, nullable=False),
    sa.Column("rules", JSONB, nullable=False),
    sa.Column("by_law", JSONB, nullable=False),
    sa.Column("enforced", JSONB, nullable=False),
    sa.Column("set_by", sa.Uuid),
    sa.Column("set_at", _INSTANT, nullable=False),
    sa.Column("applied_at", _INSTANT),
    schema="compliance",
)
REGISTRATION = sa.Table(
    "registration",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("investor_id", sa.Uuid, nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("country", sa.SmallInteger, nullable=False),
    sa.Column("expires_at", _INSTANT),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text),
    sa.Column("changed_at", _INSTANT, nullable=False),
    schema="compliance",
)
IDENTITY_EVENT = sa.Table(
    "identity_event",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("block_number", sa.BigInteger, primary_key=True),
    sa.Column("log_index", sa.Integer, primary_key=True),
    sa.Column("registry", sa.Text, nullable=False),
    sa.Column("wallet", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("identity", sa.Text),
    sa.Column("country", sa.Integer),
    sa.Column("expires_at_seconds", sa.BigInteger),
    sa.Column("transaction_hash", sa.Text, nullable=False),
    schema="compliance",
)
FREEZE = sa.Table(
    "freeze",
    METADATA,
    sa.Column("freeze_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("security_id", sa.Uuid, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("shares", sa.Numeric(78, 0)),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("failure", sa.Text),
    sa.Column("ordered_by", sa.Uuid),
    sa.Column("ordered_at", _INSTANT, nullable=False),
    sa.Column("settled_at", _INSTANT),
    schema="compliance",
)


LAW_CHOICE = sa.Table(
    "law_choice",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("security_id", sa.Uuid, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("effective_at", _INSTANT, nullable=False),
    sa.Column("packs", JSONB, nullable=False),
    sa.Column("terms", JSONB, nullable=False),
    sa.Column("evidence", JSONB, nullable=False),
    sa.Column("set_by", sa.Uuid),
    sa.Column("set_at", _INSTANT, nullable=False),
    schema="compliance",
)
HOWEY_RECORD = sa.Table(
    "howey_record",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("asset_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("answers", JSONB, nullable=False),
    sa.Column("evidence", JSONB, nullable=False),
    sa.Column("token_model", sa.Text, nullable=False),
    sa.Column("drafted_by", sa.Uuid, nullable=False),
    sa.Column("drafted_at", _INSTANT, nullable=False),
    sa.Column("signed_by", sa.Uuid),
    sa.Column("signed_at", _INSTANT),
    schema="compliance",
)


class PostgresRuleSets:
    """`ports.RuleSets` in the caller's transaction."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def add(self, rule_set: RuleSet, *, set_by: UserId, at: dt.datetime) -> None:
        """Keep a new version."""
        self._connection.execute(
            sa.insert(RULE_SET).values(
                tenant_id=self._tenant_id,
                security_id=rule_set.security_id,
                version=rule_set.version,
                effective_at=rule_set.effective_at,
                rules=[rule_as_json(rule) for rule in rule_set.rules],
                by_law=[rule_as_json(rule) for rule in rule_set.by_law],
                enforced=[rule_as_json(rule) for rule in rule_set.enforced],
                set_by=set_by,
                set_at=at,
            )
        )

    def latest(self, security_id: SecurityId, *, lock: bool = False) -> RuleSet | None:
        """Return the newest version, in effect or not; with `lock`, nobody else adds one until commit."""
        if lock:
            self._connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(hashtextextended('compliance.rule_set:' || :id, 0))"), {"id": str(security_id)}
            )
        return self._first(sa.select(RULE_SET).where(RULE_SET.c.security_id == security_id))

    def in_effect(self, security_id: SecurityId, at: dt.datetime) -> RuleSet | None:
        """Return the version that counts at an instant: the newest of those that have begun."""
        return self._first(sa.select(RULE_SET).where(RULE_SET.c.security_id == security_id, RULE_SET.c.effective_at <= at))

    def all(self, security_id: SecurityId) -> Sequence[RuleSet]:
        """Return every version, oldest first."""
        query = sa.select(RULE_SET).where(RULE_SET.c.security_id == security_id).order_by(RULE_SET.c.version)
        return [_rule_set(row) for row in self._connection.execute(query)]

    def mark_applied(self, security_id: SecurityId, version: int, *, at: dt.datetime) -> None:
        """Note that the chain enforces a version."""
        self._connection.execute(
            sa.update(RULE_SET)
            .where(RULE_SET.c.security_id == security_id, RULE_SET.c.version == version, RULE_SET.c.applied_at.is_(None))
            .values(applied_at=at)
        )

    def _first(self, query: sa.Select[Any]) -> RuleSet | None:
        row = self._connection.execute(query.order_by(RULE_SET.c.version.desc()).limit(1)).first()
        return None if row is None else _rule_set(row)


class PostgresLawChoices:
    """`ports.LawChoices` in the caller's transaction."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def add(self, choice: LawChoice, *, set_by: UserId, at: dt.datetime) -> None:
        """Keep a new version."""
        self._connection.execute(
            sa.insert(LAW_CHOICE).values(
                tenant_id=self._tenant_id,
                security_id=choice.security_id,
                version=choice.version,
                effective_at=choice.effective_at,
                packs=list(choice.packs),
                terms=dict(choice.terms),
                evidence={rule_id: dict(items) for rule_id, items in choice.evidence.items()},
                set_by=set_by,
                set_at=at,
            )
        )

    def latest(self, security_id: SecurityId, *, lock: bool = False) -> LawChoice | None:
        """Return the newest version, in effect or not; with `lock`, nobody else adds one until commit."""
        if lock:
            self._connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(hashtextextended('compliance.law_choice:' || :id, 0))"), {"id": str(security_id)}
            )
        return self._first(LAW_CHOICE.c.security_id == security_id)

    def in_effect(self, security_id: SecurityId, at: dt.datetime) -> LawChoice | None:
        """Return the version that counts at an instant: the newest of those that have begun."""
        return self._first(sa.and_(LAW_CHOICE.c.security_id == security_id, LAW_CHOICE.c.effective_at <= at))

    def all(self, security_id: SecurityId) -> Sequence[LawChoice]:
        """Return every version, oldest first."""
        query = sa.select(LAW_CHOICE).where(self._own, LAW_CHOICE.c.security_id == security_id).order_by(LAW_CHOICE.c.version)
        return [_law_choice(row) for row in self._connection.execute(query)]

    @property
    def _own(self) -> sa.ColumnElement[bool]:
        return LAW_CHOICE.c.tenant_id == self._tenant_id

    def _first(self, condition: sa.ColumnElement[bool]) -> LawChoice | None:
        query = sa.select(LAW_CHOICE).where(self._own, condition).order_by(LAW_CHOICE.c.version.desc()).limit(1)
        row = self._connection.execute(query).first()
        return None if row is None else _law_choice(row)


class PostgresHoweyRecords:
    """`ports.HoweyRecords` in the caller's transaction."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def add(self, record: HoweyRecord) -> None:
        """Keep a new version."""
        self._connection.execute(
            sa.insert(HOWEY_RECORD).values(
                tenant_id=self._tenant_id,
                asset_id=record.asset_id,
                version=record.version,
                answers=dict(record.answers),
                evidence=dict(record.evidence),
                token_model=record.token_model,
                drafted_by=record.drafted_by,
                drafted_at=record.drafted_at,
            )
        )

    def all(self, asset_id: AssetId, *, lock: bool = False) -> Sequence[HoweyRecord]:
        """Return every version, oldest first; with `lock`, nobody else adds or signs one until commit."""
        if lock:
            self._connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(hashtextextended('compliance.howey_record:' || :id, 0))"),
                {"id": f"{self._tenant_id}:{asset_id}"},
            )
        query = sa.select(HOWEY_RECORD).where(HOWEY_RECORD.c.tenant_id == self._tenant_id, HOWEY_RECORD.c.asset_id == asset_id)
        return [_howey_record(row) for row in self._connection.execute(query.order_by(HOWEY_RECORD.c.version))]

    def sign(self, asset_id: AssetId, version: int, *, by: UserId, at: dt.datetime) -> None:
        """Write the signature."""
        statement = sa.update(HOWEY_RECORD).where(
            HOWEY_RECORD.c.tenant_id == self._tenant_id,
            HOWEY_RECORD.c.asset_id == asset_id,
            HOWEY_RECORD.c.version == version,
            HOWEY_RECORD.c.signed_at.is_(None),
        )
        self._connection.execute(statement.values(signed_by=by, signed_at=at))


class PostgresIdentities:
    """`ports.Identities` in the caller's transaction."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def put(self, registration: Registration, *, at: dt.datetime) -> None:
        """Write a registration in place of an earlier one of the same wallet."""
        values = {
            "investor_id": registration.investor_id,
            "identity": registration.identity,
            "country": registration.country,
            "expires_at": registration.expires_at,
            "state": registration.state.value,
            "purpose": registration.purpose,
            "changed_at": at,
        }
        self._connection.execute(
            upsert(REGISTRATION)
            .values(tenant_id=self._tenant_id, address=registration.address, **values)
            .on_conflict_do_update(index_elements=["tenant_id", "address"], set_=values)
        )

    def find(self, address: Address, *, lock: bool = False) -> Registration | None:
        """Return a wallet's registration; with `lock`, nobody else changes it until commit."""
        query = sa.select(REGISTRATION).where(REGISTRATION.c.address == address)
        row = self._connection.execute(query.with_for_update() if lock else query).one_or_none()
        return None if row is None else _registration(row)

    def of_investor(self, investor_id: InvestorId, *, lock: bool = False) -> Sequence[Registration]:
        """Return an investor's registrations, by wallet; with `lock`, nobody else changes them until commit."""
        return self._select(REGISTRATION.c.investor_id == investor_id, lock=lock)

    def in_state(self, state: RegistrationState, *, limit: int) -> Sequence[Registration]:
        """Return registrations in a state, oldest change first, locked until commit."""
        query = (
            sa.select(REGISTRATION)
            .where(REGISTRATION.c.state == state.value)
            .order_by(REGISTRATION.c.changed_at, REGISTRATION.c.address)
            .limit(limit)
            .with_for_update()
        )
        return [_registration(row) for row in self._connection.execute(query)]

    def count(self, state: RegistrationState, *, changed_since: dt.datetime | None = None) -> int:
        """Return how many registrations are in a state, and came into it since an instant where one is given."""
        query = sa.select(sa.func.count()).select_from(REGISTRATION).where(REGISTRATION.c.state == state.value)
        if changed_since is not None:
            query = query.where(REGISTRATION.c.changed_at >= changed_since)
        return int(self._connection.execute(query).scalar_one())

    def purposes_open(self) -> Sequence[str]:
        """Return the purposes of the transactions that carry registrations or invalidations under way."""
        under_way = (RegistrationState.SENT.value, RegistrationState.INVALIDATING.value)
        query = (
            sa.select(REGISTRATION.c.purpose)
            .where(REGISTRATION.c.state.in_(under_way), REGISTRATION.c.purpose.is_not(None))
            .distinct()
            .order_by(REGISTRATION.c.purpose)
        )
        return [str(purpose) for purpose in self._connection.execute(query).scalars()]

    def of_purpose(self, purpose: str) -> Sequence[Registration]:
        """Return the registrations that one transaction carries, locked until commit."""
        return self._select(REGISTRATION.c.purpose == purpose, lock=True)

    def on_chain(self, address: Address) -> ChainIdentity | None:
        """Return what the registry's events say of a wallet; None where they never named it."""
        return fold(address, self._events(address))

    def wallets_of_identity(self, identity: Address) -> Sequence[Address]:
        """Return the wallets that the registry counts as one investor's, lost ones that were replaced among them."""
        query = (
            sa.select(IDENTITY_EVENT.c.wallet)
            .where(IDENTITY_EVENT.c.tenant_id == self._tenant_id, IDENTITY_EVENT.c.identity == identity)
            .distinct()
            .order_by(IDENTITY_EVENT.c.wallet)
        )
        candidates = [Address(wallet) for wallet in self._connection.execute(query).scalars()]
        found = [self.on_chain(wallet) for wallet in candidates]
        return [each.wallet for each in found if each is not None and each.identity == identity]

    def _events(self, address: Address) -> list[IdentityEvent]:
        query = (
            sa.select(IDENTITY_EVENT)
            .where(IDENTITY_EVENT.c.tenant_id == self._tenant_id, IDENTITY_EVENT.c.wallet == address)
            .order_by(IDENTITY_EVENT.c.block_number, IDENTITY_EVENT.c.log_index)
        )
        return [_identity_event(row) for row in self._connection.execute(query)]

    def _select(self, condition: sa.ColumnElement[bool], *, lock: bool) -> Sequence[Registration]:
        query = sa.select(REGISTRATION).where(condition).order_by(REGISTRATION.c.address)
        if lock:
            query = query.with_for_update()
        return [_registration(row) for row in self._connection.execute(query)]


class PostgresIdentityEvents:
    """Writes what the identity registries say, inside the follower's transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def append(self, events: Iterable[tuple[TenantId, IdentityEvent]]) -> None:
        """Store events that are not stored yet."""
        rows = [
            {
                "tenant_id": tenant_id,
                "block_number": event.block_number,
                "log_index": event.log_index,
                "registry": event.contract,
                "wallet": event.wallet,
                "kind": event.kind.value,
                "identity": event.identity,
                "country": event.country,
                "expires_at_seconds": event.verified_until,
                "transaction_hash": event.transaction_hash,
            }
            for tenant_id, event in events
        ]
        if rows:
            self._connection.execute(upsert(IDENTITY_EVENT).on_conflict_do_nothing(), rows)

    def registered_countries(self, tenant_id: TenantId, wallets: Sequence[Address]) -> Mapping[Address, int]:
        """Return the countries that we sent for some wallets."""
        query = sa.select(REGISTRATION.c.address, REGISTRATION.c.country).where(
            REGISTRATION.c.tenant_id == tenant_id, REGISTRATION.c.address.in_(wallets)
        )
        return {Address(row.address): row.country for row in self._connection.execute(query)}

    def remove_above(self, block_number: int) -> None:
        """Forget the events of later blocks."""
        self._connection.execute(sa.delete(IDENTITY_EVENT).where(IDENTITY_EVENT.c.block_number > block_number))


class PostgresFreezes:
    """`ports.Freezes` in the caller's transaction."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def add(self, freeze: Freeze, *, ordered_by: UserId) -> None:
        """Keep a new order."""
        self._connection.execute(
            sa.insert(FREEZE).values(
                freeze_id=freeze.freeze_id,
                tenant_id=self._tenant_id,
                security_id=freeze.security_id,
                address=freeze.address,
                action=freeze.action.value,
                shares=freeze.shares,
                reason=freeze.reason,
                state=freeze.state,
                purpose=freeze.purpose,
                ordered_by=ordered_by,
                ordered_at=freeze.ordered_at,
            )
        )

    def get(self, freeze_id: UUID, *, lock: bool = False) -> Freeze:
        """Return an order, or refuse with `compliance.freeze_not_found`."""
        query = sa.select(FREEZE).where(FREEZE.c.freeze_id == freeze_id)
        row = self._connection.execute(query.with_for_update() if lock else query).first()
        if row is None:
            raise FreezeNotFound(freeze_id=freeze_id)
        return _freeze(row)

    def of_security(self, security_id: SecurityId, *, limit: int = 100) -> Sequence[Freeze]:
        """Return a security's orders, newest first."""
        newest_first = (FREEZE.c.ordered_at.desc(), FREEZE.c.freeze_id.desc())
        query = sa.select(FREEZE).where(FREEZE.c.security_id == security_id).order_by(*newest_first).limit(limit)
        return [_freeze(row) for row in self._connection.execute(query)]

    def settle(self, freeze_id: UUID, *, failure: str | None, at: dt.datetime) -> None:
        """Write an order's end."""
        self._connection.execute(
            sa.update(FREEZE)
            .where(FREEZE.c.freeze_id == freeze_id)
            .values(state="done" if failure is None else "failed", failure=failure, settled_at=at)
        )


def _rule_set(row: Any) -> RuleSet:
    rules, by_law, enforced = (tuple(rule_from_json(body) for body in bodies) for bodies in (row.rules, row.by_law, row.enforced))
    return RuleSet(SecurityId(row.security_id), row.version, row.effective_at, rules, by_law, enforced, row.applied_at)


def _registration(row: Any) -> Registration:
    return Registration(
        Address(row.address),
        InvestorId(row.investor_id),
        Address(row.identity),
        row.country,
        row.expires_at,
        RegistrationState(row.state),
        row.purpose,
    )


def _identity_event(row: Any) -> IdentityEvent:
    return IdentityEvent(
        block_number=row.block_number,
        log_index=row.log_index,
        contract=Address(row.registry),
        wallet=Address(row.wallet),
        kind=IdentityEventKind(row.kind),
        identity=None if row.identity is None else Address(row.identity),
        country=row.country,
        verified_until=row.expires_at_seconds,
        transaction_hash=row.transaction_hash,
    )


def _freeze(row: Any) -> Freeze:
    return Freeze(
        freeze_id=row.freeze_id,
        security_id=SecurityId(row.security_id),
        address=Address(row.address),
        action=FreezeAction(row.action),
        shares=None if row.shares is None else int(row.shares),
        reason=row.reason,
        state=row.state,
        purpose=row.purpose,
        failure=row.failure,
        ordered_at=row.ordered_at,
        settled_at=row.settled_at,
    )


def _law_choice(row: sa.Row[Any]) -> LawChoice:
    return LawChoice(SecurityId(row.security_id), row.version, row.effective_at, tuple(row.packs), row.terms, row.evidence)


def _howey_record(row: sa.Row[Any]) -> HoweyRecord:
    return HoweyRecord(
        asset_id=AssetId(row.asset_id),
        version=row.version,
        answers=row.answers,
        evidence=row.evidence,
        token_model=row.token_model,
        drafted_by=UserId(row.drafted_by),
        drafted_at=row.drafted_at,
        signed_by=None if row.signed_by is None else UserId(row.signed_by),
        signed_at=row.signed_at,
    )
