# SPDX-License-Identifier: Apache-2.0
"""What people and the contexts above ask of the register: the cap table, movements, a snapshot. The chain alone changes it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from muniment.access.model import Action, Actor, authorize
from muniment.instruments.ports import Securities
from muniment.register.errors import BadCursor, BeforeFirstBlock, Behind, NotFinalYet
from muniment.register.model import Block, CapTable, HolderSnapshot, Movement, TokenReference, cap_table, token_reference
from muniment.register.ports import MovementPlace, RegisterUnit
from muniment.units.ids import Address, SecurityId
from muniment.units.shares import Shares

MOVEMENTS_PAGE_MAX = 500


class SecurityTokens:
    """Says which token a security is, by the securities of the same transaction."""

    def __init__(self, securities: Securities) -> None:
        self._securities = securities

    def token_of(self, security_id: SecurityId) -> TokenReference:
        """Return the token; `register.not_on_chain` where it is not deployed yet."""
        return token_reference(self._securities.get(security_id))


@dataclass(frozen=True, slots=True)
class MovementsPage:
    """Movements from newest to oldest; `next_cursor` leads on, None at the end."""

    movements: Sequence[Movement]
    next_cursor: str | None


def view_cap_table(actor: Actor, security_id: SecurityId, *, at: dt.datetime | None = None, unit: RegisterUnit) -> CapTable:
    """Return who owns the security: now (unfinal blocks included), or after the last final block until `at`."""
    authorize(actor, Action.REGISTER_VIEW, tenant_id=unit.tenant_id)
    if at is None:
        block_number, occurred_at = unit.register.read_block(), None
        holdings = unit.register.holdings(security_id)
    else:
        block = block_at(at, unit=unit)
        block_number, occurred_at = block.number, block.occurred_at
        holdings = unit.register.holdings_after(security_id, block.number, block_hash=block.hash)
    owners = {
        address: wallet.investor_id for address, wallet in unit.wallets.by_addresses([holding.wallet for holding in holdings]).items()
    }
    return cap_table(security_id, holdings, owners, block_number=block_number, occurred_at=occurred_at)


def view_movements(
    actor: Actor,
    security_id: SecurityId,
    *,
    wallet: Address | None = None,
    cursor: str | None = None,
    limit: int = 100,
    unit: RegisterUnit,
) -> MovementsPage:
    """Return a page of movements, newest first, of one wallet where one is given."""
    authorize(actor, Action.REGISTER_VIEW, tenant_id=unit.tenant_id)
    limit = max(1, min(limit, MOVEMENTS_PAGE_MAX))
    before = None if cursor is None else _place(cursor)
    # One more than asked for tells whether there is another page.
    found = unit.register.movements(security_id, wallet=wallet, before=before, limit=limit + 1)
    shown = found[:limit]
    more = len(found) > limit
    return MovementsPage(shown, f"{shown[-1].block_number}-{shown[-1].log_index}" if more else None)


def snapshot(
    security_id: SecurityId, *, at: dt.datetime | None = None, block_number: int | None = None, unit: RegisterUnit
) -> HolderSnapshot:
    """Return who held what after one final block: the given one, or the last with a time until `at`.

    Refuses with `register.not_final_yet` while no final block is later than `at`, for until then another holder may come in.
    """
    assert (at is None) != (block_number is None), "a snapshot is of an instant or of a block"
    if block_number is None:
        assert at is not None, "see above"
        block = block_at(at, unit=unit)
    else:
        final = unit.register_chain.final_block()
        if block_number > final.number:
            raise Behind(read_block=final.number, asked_block=block_number)
        block = unit.register_chain.block(block_number)
    # The follower may still stand on a branch that the chain has left: who held there holds nothing.
    holdings = unit.register.holdings_after(security_id, block.number, block_hash=block.hash)
    return HolderSnapshot(
        security_id=security_id,
        block_number=block.number,
        block_hash=block.hash,
        occurred_at=block.occurred_at,
        holdings={holding.wallet: Shares(holding.shares) for holding in holdings if holding.shares > 0},
    )


def block_at(at: dt.datetime, *, unit: RegisterUnit) -> Block:
    """Return the last final block with a time until `at`, once a final block of a later time exists."""
    final = unit.register_chain.final_block()
    # A later block may bear the same second on some chains: only a later time closes the instant.
    if final.occurred_at <= at:
        raise NotFinalYet(asked_at=at, final_at=final.occurred_at)
    block = unit.register_chain.last_block_until(at, final_block=final)
    if block is None:
        raise BeforeFirstBlock(asked_at=at)
    return block


def _place(cursor: str) -> MovementPlace:
    block_number, dash, log_index = cursor.partition("-")
    if not (dash and _is_number(block_number, digits_max=18) and _is_number(log_index, digits_max=9)):
        raise BadCursor(cursor=cursor)
    return MovementPlace(int(block_number), int(log_index))


def _is_number(text: str, *, digits_max: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= digits_max
