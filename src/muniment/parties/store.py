# SPDX-License-Identifier: Apache-2.0
"""Parties in PostgreSQL: the ports' answers over one connection of one organisation, personal data sealed. Decides nothing."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from eth_utils.address import to_checksum_address
from sqlalchemy.dialects.postgresql import ARRAY, insert

from muniment.access.errors import BadCursor
from muniment.access.model import canonical_json
from muniment.access.ports import Page
from muniment.infra.postgres.database import METADATA
from muniment.infra.sealing import Sealer, WrappedKey
from muniment.parties.errors import DuplicateWallet, InvestorNotFound
from muniment.parties.model import (
    Claim,
    ClaimTopic,
    Draft,
    Expired,
    InReview,
    Investor,
    InvestorDraft,
    InvestorKind,
    ListedName,
    ListEntry,
    PersonalData,
    QueueItem,
    Rejected,
    SanctionsHit,
    SanctionsList,
    Standing,
    Strength,
    Verified,
    Wallet,
    WalletChallenge,
)
from muniment.parties.model.onboarding import as_record
from muniment.parties.model.sanctions import words_of
from muniment.parties.ports import IdentityCheck, KnownReference, NewInvestor
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address, InvestorId, TenantId, UserId, WalletId, parse_id

_INSTANT = sa.DateTime(timezone=True)
_ROWS_A_STATEMENT = 500
QUEUE_PAST_DAYS = 400

INVESTOR = sa.Table(
    "investor",
    METADATA,
    sa.Column("investor_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("external_reference", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("country", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("status_at", _INSTANT, nullable=False),
    sa.Column("submitted_by", sa.Uuid),
    sa.Column("verified_until", _INSTANT),
    sa.Column("refusals", ARRAY(sa.Text), nullable=False),
    sa.Column("wrapped_key", sa.LargeBinary),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("email_token", sa.LargeBinary),
    sa.Column("tax_id_token", sa.LargeBinary),
    sa.Column("name_token", sa.LargeBinary),
    sa.Column("record_token", sa.LargeBinary),
    sa.Column("created_at", _INSTANT, nullable=False),
    sa.Column("erased_at", _INSTANT),
    schema="parties",
)
WALLET = sa.Table(
    "wallet",
    METADATA,
    sa.Column("wallet_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("investor_id", sa.Uuid, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("managed", sa.Boolean, nullable=False),
    sa.Column("added_at", _INSTANT, nullable=False),
    sa.Column("proved_at", _INSTANT),
    schema="parties",
)
CLAIM = sa.Table(
    "claim",
    METADATA,
    sa.Column("claim_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("investor_id", sa.Uuid, nullable=False),
    sa.Column("topic", sa.Integer, nullable=False),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("evidence_sha256", sa.LargeBinary, nullable=False),
    sa.Column("issued_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("revoked_at", _INSTANT),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("value", sa.Text),
    sa.Column("added_by", sa.Uuid),
    sa.Column("revoked_by", sa.Uuid),
    sa.Column("revocation", sa.Text),
    schema="parties",
)
SANCTIONS_LIST = sa.Table(
    "sanctions_list",
    METADATA,
    sa.Column("list_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("file_sha256", sa.LargeBinary, nullable=False),
    sa.Column("entry_count", sa.Integer, nullable=False),
    sa.Column("imported_by", sa.Uuid, nullable=False),
    sa.Column("imported_at", _INSTANT, nullable=False),
    sa.Column("is_current", sa.Boolean, nullable=False),
    sa.Column("screened_at", _INSTANT),
    schema="parties",
)
SANCTIONS_NAME = sa.Table(
    "sanctions_name",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("list_id", sa.Uuid, primary_key=True),
    sa.Column("entry_reference", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("listed_name", sa.Text, nullable=False),
    sa.Column("tokens", ARRAY(sa.Text), nullable=False),
    sa.Column("birth_dates", ARRAY(sa.Text), nullable=False),
    sa.Column("countries", ARRAY(sa.Text), nullable=False),
    sa.Column("programme", sa.Text, nullable=False),
    sa.Column("entry_sha256", sa.LargeBinary, nullable=False),
    schema="parties",
)
SANCTIONS_HIT = sa.Table(
    "sanctions_hit",
    METADATA,
    sa.Column("hit_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("investor_id", sa.Uuid, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("entry_reference", sa.Text, nullable=False),
    sa.Column("entry_sha256", sa.LargeBinary, nullable=False),
    sa.Column("strength", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("found_at", _INSTANT, nullable=False),
    sa.Column("decided_by", sa.Uuid),
    sa.Column("decided_at", _INSTANT),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    schema="parties",
)
IDENTITY_CHECK = sa.Table(
    "identity_check",
    METADATA,
    sa.Column("check_id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, nullable=False),
    sa.Column("investor_id", sa.Uuid, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Uuid, nullable=False),
    sa.Column("asked_at", _INSTANT, nullable=False),
    sa.Column("answered_at", _INSTANT),
    schema="parties",
)
WEBHOOK_SECRET = sa.Table(
    "webhook_secret",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("made_at", _INSTANT, nullable=False),
    schema="parties",
)
WEBHOOK_EVENT = sa.Table(
    "webhook_event",
    METADATA,
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("received_at", _INSTANT, nullable=False),
    schema="parties",
)
WALLET_CHALLENGE = sa.Table(
    "wallet_challenge",
    METADATA,
    sa.Column("nonce", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Uuid, primary_key=True),
    sa.Column("investor_id", sa.Uuid, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("issued_by", sa.Uuid, nullable=False),
    sa.Column("issued_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("used_at", _INSTANT),
    schema="parties",
)

# What a list or a lookup reads: the sealed bytes stay where they are unless somebody asks for the person.
_PLAIN = (
    INVESTOR.c.investor_id,
    INVESTOR.c.tenant_id,
    INVESTOR.c.external_reference,
    INVESTOR.c.kind,
    INVESTOR.c.country,
    INVESTOR.c.status,
    INVESTOR.c.status_at,
    INVESTOR.c.submitted_by,
    INVESTOR.c.verified_until,
    INVESTOR.c.refusals,
    INVESTOR.c.created_at,
    INVESTOR.c.erased_at,
)


class PostgresInvestors:
    """Investors of one organisation; each one's personal data sealed under a key of their own."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId, sealer: Sealer) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._sealer = sealer

    def lock_onboarding(self) -> None:
        """Let no other transaction of the organisation onboard until commit."""
        name = f"parties.onboarding:{self._tenant_id}"
        self._connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})

    def known(self, drafts: Sequence[InvestorDraft]) -> Mapping[str, KnownReference]:
        """Return which of the drafts' external references are in use."""
        by_reference = {draft.external_reference: draft for draft in drafts}
        query = sa.select(INVESTOR.c.investor_id, INVESTOR.c.external_reference, INVESTOR.c.record_token, INVESTOR.c.erased_at).where(
            self._own, INVESTOR.c.external_reference == sa.any_(sa.bindparam("references", list(by_reference), type_=ARRAY(sa.Text)))
        )
        return {
            row.external_reference: KnownReference(
                investor_id=InvestorId(row.investor_id),
                same=row.record_token is not None and bytes(row.record_token) == self._record_token(by_reference[row.external_reference]),
                erased=row.erased_at is not None,
            )
            for row in self._connection.execute(query)
        }

    def add(self, investors: Sequence[NewInvestor]) -> None:
        """Keep new investors, each with a fresh key."""
        rows = [self._row_of(new) for new in investors]
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            self._connection.execute(sa.insert(INVESTOR), rows[start : start + _ROWS_A_STATEMENT])

    def get(self, investor_id: InvestorId, *, lock: bool = False) -> Investor:
        """Return the investor, or refuse."""
        query = sa.select(*_PLAIN).where(self._own, INVESTOR.c.investor_id == investor_id)
        row = self._connection.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise InvestorNotFound
        return _investor(row)

    def many(self, investor_ids: Sequence[InvestorId]) -> Mapping[InvestorId, Investor]:
        """Return the investors with these ids, as far as they exist."""
        query = sa.select(*_PLAIN).where(self._own, _among(INVESTOR.c.investor_id, investor_ids))
        return {InvestorId(row.investor_id): _investor(row) for row in self._connection.execute(query)}

    def by_reference(self, external_reference: str) -> Investor | None:
        """Return the investor with that external reference."""
        query = sa.select(*_PLAIN).where(self._own, INVESTOR.c.external_reference == external_reference)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _investor(row)

    def persons(self, investor_ids: Sequence[InvestorId]) -> Mapping[InvestorId, PersonalData]:
        """Return the personal data of these investors; an erased one is left out."""
        query = sa.select(INVESTOR.c.investor_id, INVESTOR.c.wrapped_key, INVESTOR.c.sealed).where(
            self._own, INVESTOR.c.erased_at.is_(None), _among(INVESTOR.c.investor_id, investor_ids)
        )
        return {
            InvestorId(row.investor_id): _person(
                self._sealer.open(WrappedKey(bytes(row.wrapped_key)), bytes(row.sealed), context=_context(row.investor_id))
            )
            for row in self._connection.execute(query)
        }

    def page(self, page: Page, *, text: str | None = None, status: str | None = None) -> Sequence[Investor]:
        """Return investors, newest first."""
        query = sa.select(*_PLAIN).where(self._own).order_by(INVESTOR.c.investor_id.desc()).limit(page.limit)
        if page.cursor is not None:
            query = query.where(INVESTOR.c.investor_id < _cursor(page.cursor))
        if status is not None:
            query = query.where(INVESTOR.c.status == status)
        if text is not None:
            query = query.where(self._matches(text))
        return [_investor(row) for row in self._connection.execute(query)]

    def count(self) -> Mapping[str, int]:
        """Return how many investors have each status."""
        query = sa.select(INVESTOR.c.status, sa.func.count().label("investors")).where(self._own).group_by(INVESTOR.c.status)
        return {row.status: row.investors for row in self._connection.execute(query)}

    def save_standing(self, investor: Investor) -> None:
        """Write the investor's standing."""
        statement = sa.update(INVESTOR).where(self._own, INVESTOR.c.investor_id == investor.investor_id)
        self._connection.execute(statement.values(**_standing_columns(investor.standing)))

    def save_person(self, investor: Investor, draft: InvestorDraft) -> None:
        """Write kind, country and personal data anew, sealed under the investor's own key."""
        query = sa.select(INVESTOR.c.wrapped_key).where(self._own, INVESTOR.c.investor_id == investor.investor_id)
        wrapped = WrappedKey(bytes(self._connection.execute(query).scalar_one()))
        person = draft.person
        statement = sa.update(INVESTOR).where(self._own, INVESTOR.c.investor_id == investor.investor_id)
        self._connection.execute(
            statement.values(
                kind=investor.kind.value,
                country=investor.country,
                sealed=self._sealer.seal(wrapped, _sealable(person), context=_context(investor.investor_id)),
                email_token=self._token("email", person.email),
                tax_id_token=None if person.tax_id is None else self._token("tax_id", person.tax_id),
                name_token=self._token("name", person.name),
                record_token=self._record_token(draft),
            )
        )

    def overdue(self, at: dt.datetime, *, limit: int) -> Sequence[Investor]:
        """Return verified investors whose verification has run out, locked until commit."""
        query = (
            sa.select(*_PLAIN)
            .where(self._own, INVESTOR.c.status == "verified", INVESTOR.c.verified_until <= at)
            .order_by(INVESTOR.c.verified_until, INVESTOR.c.investor_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return [_investor(row) for row in self._connection.execute(query)]

    def erase(self, investor_id: InvestorId, *, at: dt.datetime) -> None:
        """Destroy the investor's key, sealed data and search tokens."""
        gone = dict.fromkeys(("wrapped_key", "sealed", "email_token", "tax_id_token", "name_token", "record_token"))
        statement = sa.update(INVESTOR).where(self._own, INVESTOR.c.investor_id == investor_id)
        self._connection.execute(statement.values(**gone, erased_at=at))

    @property
    def _own(self) -> sa.ColumnElement[bool]:
        return INVESTOR.c.tenant_id == self._tenant_id

    def _matches(self, text: str) -> sa.ColumnElement[bool]:
        conditions = [
            INVESTOR.c.external_reference == text.strip(),
            INVESTOR.c.email_token == self._token("email", text),
            INVESTOR.c.tax_id_token == self._token("tax_id", text),
            INVESTOR.c.name_token == self._token("name", text),
        ]
        if re.fullmatch(r"0x[0-9a-fA-F]{40}", text.strip()):
            owner = sa.select(WALLET.c.investor_id).where(
                WALLET.c.tenant_id == self._tenant_id, WALLET.c.address == to_checksum_address(text.strip())
            )
            conditions.append(INVESTOR.c.investor_id.in_(owner))
        return sa.or_(*conditions)

    def _token(self, field: str, text: str) -> bytes:
        # The tenant is part of what is hashed: equal addresses in two organisations have different tokens.
        return self._sealer.search_token(f"parties.investor.{field}:{self._tenant_id}", text)

    def _record_token(self, draft: InvestorDraft) -> bytes:
        return self._token("record", canonical_json(as_record(draft)).decode())

    def _row_of(self, new: NewInvestor) -> dict[str, Any]:
        investor, person = new.investor, new.draft.person
        wrapped = self._sealer.new_key()
        return {
            "investor_id": investor.investor_id,
            "tenant_id": investor.tenant_id,
            "external_reference": investor.external_reference,
            "kind": investor.kind.value,
            "country": investor.country,
            **_standing_columns(investor.standing),
            "wrapped_key": wrapped,
            "sealed": self._sealer.seal(wrapped, _sealable(person), context=_context(investor.investor_id)),
            "email_token": self._token("email", person.email),
            "tax_id_token": None if person.tax_id is None else self._token("tax_id", person.tax_id),
            "name_token": self._token("name", person.name),
            "record_token": self._record_token(new.draft),
            "created_at": investor.created_at,
            "erased_at": investor.erased_at,
        }


class PostgresWallets:
    """Wallets of one organisation's investors."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def add(self, wallets: Sequence[Wallet]) -> None:
        """Keep new wallets; refuse what is taken."""
        taken = self.taken([wallet.address for wallet in wallets])
        if taken:
            raise DuplicateWallet(address=min(taken), by=" by an investor", place=Place(field="wallet_address"))
        rows = [
            {
                "wallet_id": wallet.wallet_id,
                "tenant_id": wallet.tenant_id,
                "investor_id": wallet.investor_id,
                "position": wallet.position,
                "address": wallet.address,
                "managed": wallet.managed,
                "added_at": wallet.added_at,
                "proved_at": wallet.proved_at,
            }
            for wallet in wallets
        ]
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            self._connection.execute(sa.insert(WALLET), rows[start : start + _ROWS_A_STATEMENT])

    def taken(self, addresses: Sequence[Address]) -> frozenset[Address]:
        """Return which of the addresses belong to somebody."""
        return frozenset(self.by_addresses(addresses))

    def of_investor(self, investor_id: InvestorId) -> Sequence[Wallet]:
        """Return an investor's wallets by position."""
        return self.of_investors([investor_id]).get(investor_id, ())

    def of_investors(self, investor_ids: Sequence[InvestorId]) -> Mapping[InvestorId, Sequence[Wallet]]:
        """Return the wallets of several investors, each by position."""
        query = sa.select(WALLET).where(self._own, _among(WALLET.c.investor_id, investor_ids))
        wallets: dict[InvestorId, list[Wallet]] = {}
        for row in self._connection.execute(query.order_by(WALLET.c.investor_id, WALLET.c.position)):
            wallets.setdefault(InvestorId(row.investor_id), []).append(_wallet(row))
        return wallets

    def by_address(self, address: Address) -> Wallet | None:
        """Return the wallet with that address."""
        return self.by_addresses([address]).get(address)

    def by_addresses(self, addresses: Sequence[Address]) -> Mapping[Address, Wallet]:
        """Return the wallets with these addresses, as far as they are known."""
        listed = sa.bindparam("addresses", list(addresses), type_=ARRAY(sa.Text))
        query = sa.select(WALLET).where(self._own, WALLET.c.address == sa.any_(listed))
        return {Address(row.address): _wallet(row) for row in self._connection.execute(query)}

    def prove(self, wallet_id: WalletId, *, at: dt.datetime) -> None:
        """Write since when a wallet is proved."""
        self._connection.execute(sa.update(WALLET).where(self._own, WALLET.c.wallet_id == wallet_id).values(proved_at=at))

    @property
    def _own(self) -> sa.ColumnElement[bool]:
        return WALLET.c.tenant_id == self._tenant_id


class PostgresClaims:
    """Claims about one organisation's investors."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def add(self, claims: Sequence[Claim]) -> None:
        """Keep new claims."""
        for claim in claims:
            row = {
                "claim_id": claim.claim_id,
                "tenant_id": claim.tenant_id,
                "investor_id": claim.investor_id,
                "topic": int(claim.topic),
                "issuer": claim.issuer,
                "evidence_sha256": claim.evidence_sha256,
                "issued_at": claim.issued_at,
                "expires_at": claim.expires_at,
                "revoked_at": claim.revoked_at,
                "basis": claim.basis,
                "value": claim.value,
                "added_by": claim.added_by,
                "revocation": claim.revocation,
            }
            self._connection.execute(sa.insert(CLAIM).values(**row))

    def of_investor(self, investor_id: InvestorId) -> Sequence[Claim]:
        """Return an investor's claims, oldest first."""
        query = sa.select(CLAIM).where(CLAIM.c.tenant_id == self._tenant_id, CLAIM.c.investor_id == investor_id)
        return [_claim(row) for row in self._connection.execute(query.order_by(CLAIM.c.issued_at, CLAIM.c.topic))]

    def of_investors(self, investor_ids: Sequence[InvestorId]) -> Mapping[InvestorId, Sequence[Claim]]:
        """Return the claims about several investors, oldest first."""
        query = sa.select(CLAIM).where(self._own, _among(CLAIM.c.investor_id, investor_ids))
        found: defaultdict[InvestorId, list[Claim]] = defaultdict(list)
        for row in self._connection.execute(query.order_by(CLAIM.c.issued_at, CLAIM.c.topic)):
            found[InvestorId(row.investor_id)].append(_claim(row))
        return found

    def find(self, investor_id: InvestorId, claim_id: UUID) -> Claim | None:
        """Return one claim about an investor, locked until commit."""
        query = sa.select(CLAIM).where(self._own, CLAIM.c.investor_id == investor_id, CLAIM.c.claim_id == claim_id)
        row = self._connection.execute(query.with_for_update()).one_or_none()
        return None if row is None else _claim(row)

    def revoke(self, claim_id: UUID, *, by: UserId, reason: str, at: dt.datetime) -> None:
        """End a claim, with the code of why."""
        statement = sa.update(CLAIM).where(self._own, CLAIM.c.claim_id == claim_id)
        self._connection.execute(statement.values(revoked_at=at, revoked_by=by, revocation=reason))

    def revoke_provided(self, investor_id: InvestorId, *, at: dt.datetime) -> None:
        """End every claim of a provider about an investor that still holds."""
        statement = sa.update(CLAIM).where(
            self._own, CLAIM.c.investor_id == investor_id, CLAIM.c.revoked_at.is_(None), CLAIM.c.added_by.is_(None)
        )
        self._connection.execute(statement.values(revoked_at=at))

    @property
    def _own(self) -> sa.ColumnElement[bool]:
        return CLAIM.c.tenant_id == self._tenant_id


class PostgresSanctions:
    """Sanctions lists of one organisation and what was found on them; names and reasons sealed under the investors' keys."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId, sealer: Sealer) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._sealer = sealer

    def import_list(self, imported: SanctionsList, entries: Sequence[ListEntry]) -> None:
        """Keep a list in place of the one of the same source."""
        lock = f"parties.sanctions:{self._tenant_id}"
        self._connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": lock})
        before = sa.select(SANCTIONS_LIST.c.list_id).where(
            SANCTIONS_LIST.c.tenant_id == self._tenant_id, SANCTIONS_LIST.c.source == imported.source, SANCTIONS_LIST.c.is_current
        )
        for list_id in list(self._connection.execute(before).scalars()):
            names = SANCTIONS_NAME.c.tenant_id == self._tenant_id, SANCTIONS_NAME.c.list_id == list_id
            self._connection.execute(sa.delete(SANCTIONS_NAME).where(*names))
            self._connection.execute(sa.update(SANCTIONS_LIST).where(SANCTIONS_LIST.c.list_id == list_id).values(is_current=False))
        row = {
            "list_id": imported.list_id,
            "tenant_id": self._tenant_id,
            "source": imported.source,
            "file_sha256": imported.file_sha256,
            "entry_count": imported.entry_count,
            "imported_by": imported.imported_by,
            "imported_at": imported.imported_at,
            "is_current": True,
        }
        self._connection.execute(sa.insert(SANCTIONS_LIST).values(**row))
        rows = [
            self._name_row(imported.list_id, entry, position, name) for entry in entries for position, name in enumerate(entry.names, 1)
        ]
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            self._connection.execute(sa.insert(SANCTIONS_NAME), rows[start : start + _ROWS_A_STATEMENT])

    def lists(self) -> Sequence[SanctionsList]:
        """Return the current list of each source, by source."""
        query = sa.select(SANCTIONS_LIST).where(SANCTIONS_LIST.c.tenant_id == self._tenant_id, SANCTIONS_LIST.c.is_current)
        return [
            SanctionsList(
                list_id=row.list_id,
                source=row.source,
                file_sha256=bytes(row.file_sha256),
                entry_count=row.entry_count,
                imported_by=UserId(row.imported_by),
                imported_at=row.imported_at,
                is_current=row.is_current,
                screened_at=row.screened_at,
            )
            for row in self._connection.execute(query.order_by(SANCTIONS_LIST.c.source))
        ]

    def mark_screened(self, *, at: dt.datetime) -> None:
        """Write that everybody was held, at `at`, against the current lists that were there by then."""
        statement = sa.update(SANCTIONS_LIST).where(
            SANCTIONS_LIST.c.tenant_id == self._tenant_id, SANCTIONS_LIST.c.is_current, SANCTIONS_LIST.c.imported_at <= at
        )
        self._connection.execute(statement.values(screened_at=at))

    def candidates(self, words: frozenset[str]) -> Sequence[ListedName]:
        """Return the listed names that hold all of these words or consist of some of them."""
        wanted = sa.bindparam("words", sorted(words), type_=ARRAY(sa.Text))
        query = (
            sa.select(SANCTIONS_NAME, SANCTIONS_LIST.c.source)
            .join(SANCTIONS_LIST, SANCTIONS_LIST.c.list_id == SANCTIONS_NAME.c.list_id)
            .where(
                SANCTIONS_NAME.c.tenant_id == self._tenant_id,
                SANCTIONS_LIST.c.is_current,
                sa.or_(SANCTIONS_NAME.c.tokens.contains(wanted), SANCTIONS_NAME.c.tokens.contained_by(wanted)),
            )
            .order_by(SANCTIONS_LIST.c.source, SANCTIONS_NAME.c.entry_reference, SANCTIONS_NAME.c.position)
        )
        return [
            ListedName(
                source=row.source,
                reference=row.entry_reference,
                name=row.listed_name,
                words=frozenset(row.tokens),
                birth_dates=tuple(row.birth_dates),
                programme=row.programme,
                entry_sha256=bytes(row.entry_sha256),
            )
            for row in self._connection.execute(query)
        ]

    def hits_of(self, investor_id: InvestorId) -> Sequence[SanctionsHit]:
        """Return an investor's hits, oldest first."""
        return [self._hit(row) for row in self._connection.execute(self._hits().where(SANCTIONS_HIT.c.investor_id == investor_id))]

    def open_hits(self, investor_id: InvestorId) -> int:
        """Return how many hits of an investor nobody has cleared."""
        query = sa.select(sa.func.count()).where(self._own, SANCTIONS_HIT.c.investor_id == investor_id, SANCTIONS_HIT.c.state == "open")
        return int(self._connection.execute(query).scalar_one())

    def get(self, hit_id: UUID) -> SanctionsHit | None:
        """Return a hit, locked until commit."""
        query = self._hits().where(SANCTIONS_HIT.c.hit_id == hit_id).with_for_update(of=SANCTIONS_HIT)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else self._hit(row)

    def put(self, hit: SanctionsHit) -> None:
        """Write a hit; the listed name and a reason are sealed under the investor's key."""
        own = INVESTOR.c.tenant_id == self._tenant_id, INVESTOR.c.investor_id == hit.investor_id
        wrapped = WrappedKey(bytes(self._connection.execute(sa.select(INVESTOR.c.wrapped_key).where(*own)).scalar_one()))
        details = {"listed_name": hit.listed_name, "programme": hit.programme, "reason": hit.reason}
        sealed = self._sealer.seal(wrapped, json.dumps(details).encode(), context=_hit_context(hit.hit_id))
        row = {
            "hit_id": hit.hit_id,
            "tenant_id": self._tenant_id,
            "investor_id": hit.investor_id,
            "source": hit.source,
            "entry_reference": hit.reference,
            "entry_sha256": hit.entry_sha256,
            "strength": hit.strength.value,
            "state": hit.state,
            "found_at": hit.found_at,
            "decided_by": hit.decided_by,
            "decided_at": hit.decided_at,
            "sealed": sealed,
        }
        statement = insert(SANCTIONS_HIT).values(**row)
        self._connection.execute(statement.on_conflict_do_update(index_elements=["hit_id"], set_=row))

    def forget(self, investor_id: InvestorId) -> None:
        """Take away an investor's hits."""
        self._connection.execute(sa.delete(SANCTIONS_HIT).where(self._own, SANCTIONS_HIT.c.investor_id == investor_id))

    @property
    def _own(self) -> sa.ColumnElement[bool]:
        return SANCTIONS_HIT.c.tenant_id == self._tenant_id

    def _hits(self) -> sa.Select[Any]:
        return (
            sa.select(SANCTIONS_HIT, INVESTOR.c.wrapped_key)
            .join(INVESTOR, INVESTOR.c.investor_id == SANCTIONS_HIT.c.investor_id)
            .where(self._own)
            .order_by(SANCTIONS_HIT.c.found_at, SANCTIONS_HIT.c.source, SANCTIONS_HIT.c.entry_reference)
        )

    def _hit(self, row: Any) -> SanctionsHit:
        opened = self._sealer.open(WrappedKey(bytes(row.wrapped_key)), bytes(row.sealed), context=_hit_context(row.hit_id))
        details = json.loads(opened)
        return SanctionsHit(
            hit_id=row.hit_id,
            investor_id=InvestorId(row.investor_id),
            source=row.source,
            reference=row.entry_reference,
            entry_sha256=bytes(row.entry_sha256),
            listed_name=details["listed_name"],
            programme=details["programme"],
            strength=Strength(row.strength),
            state=row.state,
            found_at=row.found_at,
            decided_by=None if row.decided_by is None else UserId(row.decided_by),
            decided_at=row.decided_at,
            reason=details["reason"],
        )

    def _name_row(self, list_id: UUID, entry: ListEntry, position: int, name: str) -> dict[str, Any]:
        return {
            "tenant_id": self._tenant_id,
            "list_id": list_id,
            "entry_reference": entry.reference,
            "position": position,
            "listed_name": name,
            "tokens": sorted(words_of(name)),
            "birth_dates": list(entry.birth_dates),
            "countries": list(entry.countries),
            "programme": entry.programme,
            "entry_sha256": entry.sha256,
        }


class PostgresIdentityChecks:
    """Questions of one organisation that wait for a provider's webhook, the secrets that sign it, and the events received."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId, sealer: Sealer) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._sealer = sealer

    def ask(self, check: IdentityCheck) -> None:
        """Keep a question; an older one about the same investor is superseded."""
        older = sa.update(IDENTITY_CHECK).where(self._waiting, IDENTITY_CHECK.c.investor_id == check.investor_id)
        self._connection.execute(older.values(state="superseded", answered_at=check.asked_at))
        row = {
            "check_id": check.check_id,
            "tenant_id": self._tenant_id,
            "investor_id": check.investor_id,
            "provider": check.provider,
            "state": "waiting",
            "asked_by": check.asked_by,
            "asked_at": check.asked_at,
        }
        self._connection.execute(sa.insert(IDENTITY_CHECK).values(**row))

    def waiting(self, check_id: UUID) -> IdentityCheck | None:
        """Return a question that waits, locked until commit."""
        return self._one(IDENTITY_CHECK.c.check_id == check_id)

    def waiting_of(self, investor_id: InvestorId) -> IdentityCheck | None:
        """Return the question about an investor that waits."""
        return self._one(IDENTITY_CHECK.c.investor_id == investor_id)

    def close(self, check_id: UUID, *, answered: bool, at: dt.datetime) -> None:
        """Write that a question was answered, or that nobody waits for the answer any more."""
        statement = sa.update(IDENTITY_CHECK).where(self._waiting, IDENTITY_CHECK.c.check_id == check_id)
        self._connection.execute(statement.values(state="answered" if answered else "superseded", answered_at=at))

    def secret(self, provider: str) -> bytes | None:
        """Return the secret that signs a provider's messages."""
        query = sa.select(WEBHOOK_SECRET).where(WEBHOOK_SECRET.c.tenant_id == self._tenant_id, WEBHOOK_SECRET.c.provider == provider)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return self._sealer.open(WrappedKey(bytes(row.wrapped_key)), bytes(row.sealed), context=self._secret_context(provider))

    def set_secret(self, provider: str, secret: bytes, *, at: dt.datetime) -> None:
        """Keep a new secret, sealed under a key of its own."""
        wrapped = self._sealer.new_key()
        sealed = self._sealer.seal(wrapped, secret, context=self._secret_context(provider))
        values = {"wrapped_key": wrapped, "sealed": sealed, "made_at": at}
        statement = insert(WEBHOOK_SECRET).values(tenant_id=self._tenant_id, provider=provider, **values)
        self._connection.execute(statement.on_conflict_do_update(index_elements=["tenant_id", "provider"], set_=values))

    def received_since(self, since: dt.datetime) -> int:
        """Return how many messages have come since then."""
        query = sa.select(sa.func.count()).where(WEBHOOK_EVENT.c.tenant_id == self._tenant_id, WEBHOOK_EVENT.c.received_at > since)
        return int(self._connection.execute(query).scalar_one())

    def receive(self, provider: str, event_id: str, *, at: dt.datetime) -> bool:
        """Keep the id of a message; False where it is known."""
        row = {"tenant_id": self._tenant_id, "provider": provider, "event_id": event_id, "received_at": at}
        statement = insert(WEBHOOK_EVENT).values(**row).on_conflict_do_nothing().returning(WEBHOOK_EVENT.c.event_id)
        return self._connection.execute(statement).scalar_one_or_none() is not None

    @property
    def _waiting(self) -> sa.ColumnElement[bool]:
        return sa.and_(IDENTITY_CHECK.c.tenant_id == self._tenant_id, IDENTITY_CHECK.c.state == "waiting")

    def _one(self, condition: sa.ColumnElement[bool]) -> IdentityCheck | None:
        row = self._connection.execute(sa.select(IDENTITY_CHECK).where(self._waiting, condition).with_for_update()).one_or_none()
        if row is None:
            return None
        return IdentityCheck(row.check_id, InvestorId(row.investor_id), row.provider, UserId(row.asked_by), row.asked_at)

    def _secret_context(self, provider: str) -> str:
        return f"parties.webhook_secret:{self._tenant_id}:{provider}"


class PostgresWalletChallenges:
    """Nonces of one organisation that wait for a wallet's signature."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def add(self, challenge: WalletChallenge) -> None:
        """Keep a challenge."""
        row = {
            "nonce": challenge.nonce,
            "tenant_id": self._tenant_id,
            "investor_id": challenge.investor_id,
            "address": challenge.address,
            "issued_by": challenge.issued_by,
            "issued_at": challenge.issued_at,
            "expires_at": challenge.expires_at,
        }
        self._connection.execute(sa.insert(WALLET_CHALLENGE).values(**row))

    def find(self, nonce: str) -> WalletChallenge | None:
        """Return the challenge with that nonce, locked until commit."""
        query = sa.select(WALLET_CHALLENGE).where(self._own, WALLET_CHALLENGE.c.nonce == nonce).with_for_update()
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return WalletChallenge(
            nonce=row.nonce,
            investor_id=InvestorId(row.investor_id),
            address=Address(row.address),
            issued_by=UserId(row.issued_by),
            issued_at=row.issued_at,
            expires_at=row.expires_at,
            used_at=row.used_at,
        )

    def use(self, nonce: str, *, at: dt.datetime) -> None:
        """Use a nonce up."""
        self._connection.execute(sa.update(WALLET_CHALLENGE).where(self._own, WALLET_CHALLENGE.c.nonce == nonce).values(used_at=at))

    @property
    def _own(self) -> sa.ColumnElement[bool]:
        return WALLET_CHALLENGE.c.tenant_id == self._tenant_id


class PostgresQueue:
    """What waits for a compliance officer of one organisation, kind by kind, each in the queue's order."""

    def __init__(self, connection: sa.Connection, *, tenant_id: TenantId) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def items(self, kind: str, *, due_before: dt.datetime, after: tuple[dt.datetime, str, str] | None, limit: int) -> Sequence[QueueItem]:
        """Return items of one kind in the queue's order, after that key."""
        waiting = self._waiting(kind, due_before).subquery()
        query = sa.select(waiting)
        if after is not None:
            at, after_kind, subject_id = after
            # The order is (at, kind, subject): of a kind before the key's only later instants follow, of its own the later subjects too.
            later = waiting.c.at > at
            if kind > after_kind:
                later = waiting.c.at >= at
            elif kind == after_kind:
                later = sa.or_(later, sa.and_(waiting.c.at == at, waiting.c.subject_id > UUID(subject_id)))
            query = query.where(later)
        rows = self._connection.execute(query.order_by(waiting.c.at, waiting.c.subject_id).limit(limit))
        return [QueueItem(kind, row.at, InvestorId(row.investor_id), str(row.subject_id), _detail(kind, row.detail)) for row in rows]

    def _waiting(self, kind: str, due_before: dt.datetime) -> Any:
        match kind:
            case "review":
                asked = sa.exists().where(
                    IDENTITY_CHECK.c.tenant_id == self._tenant_id,
                    IDENTITY_CHECK.c.investor_id == INVESTOR.c.investor_id,
                    IDENTITY_CHECK.c.state == "waiting",
                )
                return sa.select(
                    INVESTOR.c.status_at.label("at"),
                    INVESTOR.c.investor_id,
                    INVESTOR.c.investor_id.label("subject_id"),
                    sa.case((asked, "provider"), else_="officer").label("detail"),
                ).where(INVESTOR.c.tenant_id == self._tenant_id, INVESTOR.c.status == "in_review", INVESTOR.c.erased_at.is_(None))
            case "sanctions":
                return sa.select(
                    SANCTIONS_HIT.c.found_at.label("at"),
                    SANCTIONS_HIT.c.investor_id,
                    SANCTIONS_HIT.c.hit_id.label("subject_id"),
                    SANCTIONS_HIT.c.source.label("detail"),
                ).where(SANCTIONS_HIT.c.tenant_id == self._tenant_id, SANCTIONS_HIT.c.state == "open")
            case "reverification":
                return sa.select(
                    INVESTOR.c.verified_until.label("at"),
                    INVESTOR.c.investor_id,
                    INVESTOR.c.investor_id.label("subject_id"),
                    sa.literal("verified").label("detail"),
                ).where(
                    INVESTOR.c.tenant_id == self._tenant_id,
                    INVESTOR.c.status == "verified",
                    INVESTOR.c.verified_until < due_before,
                    INVESTOR.c.erased_at.is_(None),
                )
            case "claim_expiring":
                return (
                    sa.select(
                        CLAIM.c.expires_at.label("at"),
                        CLAIM.c.investor_id,
                        CLAIM.c.claim_id.label("subject_id"),
                        sa.cast(CLAIM.c.topic, sa.Text).label("detail"),
                    )
                    .join(INVESTOR, INVESTOR.c.investor_id == CLAIM.c.investor_id)
                    .where(
                        CLAIM.c.tenant_id == self._tenant_id,
                        CLAIM.c.revoked_at.is_(None),
                        CLAIM.c.added_by.is_not(None),
                        CLAIM.c.expires_at < due_before,
                        # What ended long ago is history, not work.
                        CLAIM.c.expires_at > due_before - dt.timedelta(days=QUEUE_PAST_DAYS),
                        INVESTOR.c.erased_at.is_(None),
                    )
                )
            case _:
                raise AssertionError(f"the queue has no kind {kind} of its own")


def _among(column: sa.ColumnElement[Any], investor_ids: Sequence[InvestorId]) -> sa.ColumnElement[bool]:
    # One array parameter: neither the number of ids nor the statement's text grows with the list.
    return column == sa.any_(sa.bindparam(None, list(investor_ids), type_=ARRAY(sa.Uuid)))


def _hit_context(hit_id: Any) -> str:
    return f"parties.sanctions_hit:{hit_id}"


def _detail(kind: str, detail: str) -> str:
    return ClaimTopic(int(detail)).name.lower() if kind == "claim_expiring" else detail


def _cursor(cursor: str) -> Any:
    try:
        return parse_id(cursor)
    except MunimentError:
        raise BadCursor(cursor=cursor, place=Place(field="cursor")) from None


def _context(investor_id: Any) -> str:
    return f"parties.investor:{investor_id}"


def _sealable(person: PersonalData) -> bytes:
    return json.dumps(
        {
            "name": person.name,
            "email": person.email,
            "date_of_birth": None if person.date_of_birth is None else person.date_of_birth.isoformat(),
            "tax_id": person.tax_id,
            "document_number": person.document_number,
            "document_expires": None if person.document_expires is None else person.document_expires.isoformat(),
            "is_accredited": person.is_accredited,
            "note": person.note,
        }
    ).encode()


def _person(opened: bytes) -> PersonalData:
    plain = json.loads(opened)
    return PersonalData(
        name=plain["name"],
        email=plain["email"],
        date_of_birth=None if plain["date_of_birth"] is None else dt.date.fromisoformat(plain["date_of_birth"]),
        tax_id=plain["tax_id"],
        document_number=plain["document_number"],
        document_expires=None if plain["document_expires"] is None else dt.date.fromisoformat(plain["document_expires"]),
        is_accredited=plain["is_accredited"],
        note=plain["note"],
    )


def _standing_columns(standing: Standing) -> dict[str, Any]:
    columns: dict[str, Any] = {"status_at": standing.since, "submitted_by": None, "verified_until": None, "refusals": []}
    match standing:
        case Draft():
            return columns | {"status": "draft"}
        case InReview():
            return columns | {"status": "in_review", "submitted_by": standing.submitted_by}
        case Verified():
            return columns | {"status": "verified", "verified_until": standing.until}
        case Rejected():
            return columns | {"status": "rejected", "refusals": list(standing.codes)}
        case Expired():
            return columns | {"status": "expired"}


def _standing(row: Any) -> Standing:
    match row.status:
        case "draft":
            return Draft(since=row.status_at)
        case "in_review":
            return InReview(since=row.status_at, submitted_by=UserId(row.submitted_by))
        case "verified":
            return Verified(since=row.status_at, until=row.verified_until)
        case "rejected":
            return Rejected(since=row.status_at, codes=tuple(row.refusals))
        case "expired":
            return Expired(since=row.status_at)
        case status:
            raise AssertionError(f"the table's CHECK does not know the status {status}")


def _investor(row: Any) -> Investor:
    return Investor(
        investor_id=InvestorId(row.investor_id),
        tenant_id=TenantId(row.tenant_id),
        external_reference=row.external_reference,
        kind=InvestorKind(row.kind),
        country=row.country,
        standing=_standing(row),
        created_at=row.created_at,
        erased_at=row.erased_at,
    )


def _wallet(row: Any) -> Wallet:
    return Wallet(
        wallet_id=WalletId(row.wallet_id),
        tenant_id=TenantId(row.tenant_id),
        investor_id=InvestorId(row.investor_id),
        position=row.position,
        address=Address(row.address),
        managed=row.managed,
        added_at=row.added_at,
        proved_at=row.proved_at,
    )


def _claim(row: Any) -> Claim:
    return Claim(
        claim_id=row.claim_id,
        tenant_id=TenantId(row.tenant_id),
        investor_id=InvestorId(row.investor_id),
        topic=ClaimTopic(row.topic),
        issuer=row.issuer,
        evidence_sha256=bytes(row.evidence_sha256),
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        basis=row.basis,
        value=row.value,
        added_by=None if row.added_by is None else UserId(row.added_by),
        revocation=row.revocation,
    )
