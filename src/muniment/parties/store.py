# SPDX-License-Identifier: Apache-2.0
"""Parties in PostgreSQL: the ports' answers over one connection of one organisation, personal data sealed. Decides nothing."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from eth_utils.address import to_checksum_address
from sqlalchemy.dialects.postgresql import ARRAY

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
    PersonalData,
    Rejected,
    Standing,
    Verified,
    Wallet,
)
from muniment.parties.model.onboarding import as_record
from muniment.parties.ports import KnownReference, NewInvestor
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address, InvestorId, TenantId, UserId, WalletId, parse_id

_INSTANT = sa.DateTime(timezone=True)
_ROWS_A_STATEMENT = 500

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
            }
            self._connection.execute(sa.insert(CLAIM).values(**row))

    def of_investor(self, investor_id: InvestorId) -> Sequence[Claim]:
        """Return an investor's claims, oldest first."""
        query = sa.select(CLAIM).where(CLAIM.c.tenant_id == self._tenant_id, CLAIM.c.investor_id == investor_id)
        return [_claim(row) for row in self._connection.execute(query.order_by(CLAIM.c.issued_at, CLAIM.c.topic))]

    def revoke_all(self, investor_id: InvestorId, *, at: dt.datetime) -> None:
        """End every claim about an investor that still holds."""
        statement = sa.update(CLAIM).where(
            CLAIM.c.tenant_id == self._tenant_id, CLAIM.c.investor_id == investor_id, CLAIM.c.revoked_at.is_(None)
        )
        self._connection.execute(statement.values(revoked_at=at))


def _among(column: sa.ColumnElement[Any], investor_ids: Sequence[InvestorId]) -> sa.ColumnElement[bool]:
    # One array parameter: neither the number of ids nor the statement's text grows with the list.
    return column == sa.any_(sa.bindparam(None, list(investor_ids), type_=ARRAY(sa.Uuid)))


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
    )
