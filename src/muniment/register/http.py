# SPDX-License-Identifier: Apache-2.0
"""The REST face of the register under /v1: cap table, movements, verification. Shapes and routes; commands decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter, SkipValidation

from muniment.access.model import Action, Actor, authorize
from muniment.parties.model import parse_address
from muniment.register import commands, process
from muniment.register.model import ZERO_ADDRESS, CapTable, Movement, RegisterVerification
from muniment.register.ports import RegisterUnit
from muniment.units.errors import plain
from muniment.units.ids import SecurityId, TenantId, parse_id
from muniment.units.instants import parse_instant
from muniment.units.shares import format_shares

PAGE_ROWS: Final = 50
PAGE_ROWS_MAX: Final = 200

AsActor: TypeAlias = SkipValidation[NamedDependency[Actor]]
Begin: TypeAlias = SkipValidation[NamedDependency[Callable[[TenantId], AbstractContextManager[RegisterUnit]]]]
Id: TypeAlias = FromPath[str]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX, description="How many rows at most.")]
Cursor: TypeAlias = Annotated[str | None, QueryParameter(max_length=100, description="next_cursor of the page before.")]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shape on the wire: no field that we do not know."""


class WalletLineBody(_Wire, frozen=True, kw_only=True):
    """One wallet of a holder; shares as decimal text."""

    wallet: str
    shares: str
    frozen_shares: str
    wallet_frozen: bool


class HolderBody(_Wire, frozen=True, kw_only=True):
    """One holder. `investor_id` is null for a wallet that belongs to nobody we know; `percentage` has four decimals."""

    investor_id: str | None
    shares: str
    percentage: str
    wallets: list[WalletLineBody]


class RegisterBody(_Wire, frozen=True, kw_only=True):
    """Who owns the security after a block. `occurred_at` is that block's time; null for the newest state, which is not final."""

    security_id: str
    block_number: int
    occurred_at: dt.datetime | None
    total_shares: str
    holder_count: int
    holders: list[HolderBody]


class MovementBody(_Wire, frozen=True, kw_only=True):
    """Shares from one wallet to another; at issue there is no `from_wallet`, at burning no `to_wallet`."""

    block_number: int
    log_index: int
    transaction_hash: str
    occurred_at: dt.datetime
    from_wallet: str | None
    to_wallet: str | None
    shares: str


class MovementsBody(_Wire, frozen=True, kw_only=True):
    """A page of movements, newest first."""

    movements: list[MovementBody]
    next_cursor: str | None


class RegisterDifferenceBody(_Wire, frozen=True, kw_only=True):
    """One difference between the stored register and the chain."""

    code: str
    message: str
    facts: dict[str, Any]


class RegisterVerificationBody(_Wire, frozen=True, kw_only=True):
    """The stored register against one rebuilt from the chain's logs; both digests are SHA-256 over every row."""

    security_id: str
    equal: bool
    block_number: int
    block_hash: str
    rows: int
    digest: str
    rebuilt_digest: str
    differences: list[RegisterDifferenceBody]


@get("/v1/securities/{security_id:str}/register", sync_to_thread=True, tags=["Register"], summary="Who owns a security")
def get_register(
    actor: AsActor,
    security_id: Id,
    begin: Begin,
    at: Annotated[
        str | None, QueryParameter(max_length=40, description="An instant (RFC 3339): holdings after the last final block then.")
    ] = None,
) -> RegisterBody:
    """Return the cap table, now or at an instant that is final."""
    instant = None if at is None else parse_instant(at, field="at")
    with begin(actor.tenant_id) as unit:
        table = commands.view_cap_table(actor, _id(security_id), at=instant, unit=unit)
        decimals = unit.securities.get(_id(security_id)).terms.decimals
    return cap_table_body(table, decimals=decimals)


@get("/v1/securities/{security_id:str}/movements", sync_to_thread=True, tags=["Register"], summary="Movements of a security")
def get_movements(
    actor: AsActor,
    security_id: Id,
    begin: Begin,
    wallet: Annotated[str | None, QueryParameter(max_length=100, description="Only movements from or to this wallet.")] = None,
    limit: Limit = PAGE_ROWS,
    cursor: Cursor = None,
) -> MovementsBody:
    """Return movements, newest first, unfinal blocks included."""
    address = None if wallet is None else parse_address(wallet, field="wallet")
    with begin(actor.tenant_id) as unit:
        page = commands.view_movements(actor, _id(security_id), wallet=address, cursor=cursor, limit=limit, unit=unit)
        decimals = unit.securities.get(_id(security_id)).terms.decimals
    return MovementsBody(movements=[_movement(movement, decimals) for movement in page.movements], next_cursor=page.next_cursor)


@post(
    "/v1/securities/{security_id:str}/register/verify",
    sync_to_thread=True,
    tags=["Register"],
    summary="Verify the register",
    status_code=200,
)
def post_verify_register(actor: AsActor, security_id: Id, begin: Begin) -> RegisterVerificationBody:
    """Rebuild the register from the chain's logs and compare it with the stored one, byte for byte, and with balanceOf."""
    authorize(actor, Action.REGISTER_REBUILD, tenant_id=actor.tenant_id)
    return verification_body(_id(security_id), process.rebuild(_id(security_id), begin=lambda: begin(actor.tenant_id)))


ROUTES: Sequence[HTTPRouteHandler] = [get_register, get_movements, post_verify_register]


def cap_table_body(table: CapTable, *, decimals: int) -> RegisterBody:
    """Return the cap table as the wire shows it."""
    return RegisterBody(
        security_id=str(table.security_id),
        block_number=table.block_number,
        occurred_at=table.occurred_at,
        total_shares=format_shares(table.total_shares, decimals=decimals),
        holder_count=table.holder_count,
        holders=[
            HolderBody(
                investor_id=None if line.investor_id is None else str(line.investor_id),
                shares=format_shares(line.shares, decimals=decimals),
                percentage=line.percentage,
                wallets=[
                    WalletLineBody(
                        wallet=wallet.wallet,
                        shares=format_shares(wallet.shares, decimals=decimals),
                        frozen_shares=format_shares(wallet.frozen_shares, decimals=decimals),
                        wallet_frozen=wallet.wallet_frozen,
                    )
                    for wallet in line.wallets
                ],
            )
            for line in table.lines
        ],
    )


def verification_body(security_id: SecurityId, verification: RegisterVerification) -> RegisterVerificationBody:
    """Return a verification as the wire shows it."""
    return RegisterVerificationBody(
        security_id=str(security_id),
        equal=verification.equal,
        block_number=verification.block_number,
        block_hash="0x" + verification.block_hash,
        rows=verification.rows,
        digest=verification.digest,
        rebuilt_digest=verification.rebuilt_digest,
        differences=[
            RegisterDifferenceBody(
                code=difference.code,
                message=difference.sentence,
                facts={name: plain(fact) for name, fact in difference.facts.items()},
            )
            for difference in verification.differences
        ],
    )


def _movement(movement: Movement, decimals: int) -> MovementBody:
    return MovementBody(
        block_number=movement.block_number,
        log_index=movement.log_index,
        transaction_hash=movement.transaction_hash,
        occurred_at=movement.occurred_at,
        from_wallet=None if movement.from_wallet == ZERO_ADDRESS else movement.from_wallet,
        to_wallet=None if movement.to_wallet == ZERO_ADDRESS else movement.to_wallet,
        shares=format_shares(movement.shares, decimals=decimals),
    )


def _id(text: str) -> SecurityId:
    return SecurityId(parse_id(text, field="security_id"))
