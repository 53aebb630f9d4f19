# SPDX-License-Identifier: Apache-2.0
"""What people and the contexts above ask of the register: the cap table, movements, a snapshot. The chain alone changes it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from muniment.access.model import Action, Actor, authorize, permits, system_actor
from muniment.instruments.commands import company_package
from muniment.instruments.model.ocf import write_package
from muniment.instruments.model.ocf_ledger import RegisterHolder, RegisterMovement, with_register
from muniment.instruments.model.securities import DeployingSecurity, DraftedSecurity
from muniment.instruments.ports import Securities
from muniment.parties.commands import names_of
from muniment.parties.model import InvestorKind, Wallet, display_name
from muniment.register.errors import (
    AcquiredLater,
    BadCursor,
    BeforeFirstBlock,
    Behind,
    NegativePrice,
    NotACode,
    NotFinalYet,
    NothingToSay,
    NotTheGiversLot,
    UnknownMovement,
)
from muniment.register.model import (
    NOTHING_SAID,
    ZERO_ADDRESS,
    Acquisition,
    Block,
    CapTable,
    HolderSnapshot,
    Lot,
    LotAnnotation,
    LotBook,
    Movement,
    TokenReference,
    cap_table,
    lots_after,
    reached,
    replay,
    token_reference,
)
from muniment.register.model.form_d import FormDFigures, FormDInput, form_d_figures, form_d_xml
from muniment.register.model.holders import RegisterOfHolders, register_of_holders
from muniment.register.ports import LotStore, MovementPlace, Origin, RegisterUnit
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address, InvestorId, LotId, SecurityId, TransactionHash, parse_id
from muniment.units.instants import instant_text
from muniment.units.money import Money, Price, Rounding
from muniment.units.shares import Shares

MOVEMENTS_PAGE_MAX = 500
LOTS_PAGE_MAX = 500
LOTS_NAMED_MAX = 100

_CODE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
CODE_CHARACTERS_MAX = 80


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


def view_cap_table(
    actor: Actor, security_id: SecurityId, *, at: dt.datetime | None = None, block_number: int | None = None, unit: RegisterUnit
) -> CapTable:
    """Return who owns the security: now (unfinal blocks included), after the last final block until `at`, or after one final block."""
    authorize(actor, Action.REGISTER_VIEW, tenant_id=unit.tenant_id)
    if at is None and block_number is None:
        block_number, occurred_at = unit.register.read_block(), None
        holdings = unit.register.holdings(security_id)
    else:
        block = _final_block(block_number, unit=unit) if at is None else block_at(at, unit=unit)
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


def export_ocf(actor: Actor, security_id: SecurityId, *, unit: RegisterUnit) -> dict[str, bytes]:
    """Return a company's OCF 1.2.0 package, file name to bytes, with what the register shows of one class until the last final block.

    Contains personal data: the holders' names. A wallet of nobody known stands for itself; an erased person is called so.
    """
    authorize(actor, Action.PARTIES_EXPORT, tenant_id=unit.tenant_id)
    authorize(actor, Action.REGISTER_VIEW, tenant_id=unit.tenant_id)
    terms = unit.securities.get(security_id).terms
    package = company_package(terms.asset_record_id, unit=unit)
    movements = _final_movements(security_id, unit=unit)
    addresses = {address for each in movements for address in (each.from_wallet, each.to_wallet) if address != ZERO_ADDRESS}
    wallets = unit.wallets.by_addresses(sorted(addresses))
    holder_ids = {address: str(wallets[address].investor_id) if address in wallets else str(address) for address in addresses}
    told = [
        RegisterMovement(
            f"{each.transaction_hash}-{each.log_index}",
            each.occurred_at,
            None if each.from_wallet == ZERO_ADDRESS else holder_ids[each.from_wallet],
            None if each.to_wallet == ZERO_ADDRESS else holder_ids[each.to_wallet],
            each.shares,
        )
        for each in movements
    ]
    files = write_package(with_register(package, terms, _holders(addresses, wallets, unit=unit), told))
    unit.audit.record(actor, Action.PARTIES_EXPORT, f"security/{security_id}", {"files": len(files), "movements": len(movements)})
    return files


def _final_movements(security_id: SecurityId, *, unit: RegisterUnit) -> list[Movement]:
    """Return the movements up to the last final block, in the chain's order; none of a security that is not on the chain yet."""
    if isinstance(unit.securities.get(security_id), DraftedSecurity | DeployingSecurity):
        return []
    final = unit.register_chain.final_block().number
    found: list[Movement] = []
    before: MovementPlace | None = None
    while page := unit.register.movements(security_id, before=before, limit=MOVEMENTS_PAGE_MAX):
        found += page
        before = MovementPlace(page[-1].block_number, page[-1].log_index)
    return [movement for movement in reversed(found) if movement.block_number <= final]


def _holders(addresses: Iterable[Address], wallets: Mapping[Address, Wallet], *, unit: RegisterUnit) -> list[RegisterHolder]:
    investors = unit.investors.many(sorted({wallet.investor_id for wallet in wallets.values()}))
    people = unit.investors.persons(list(investors))
    known = [
        RegisterHolder(str(investor_id), display_name(people.get(investor_id)), is_person=investor.kind is InvestorKind.PERSON)
        for investor_id, investor in investors.items()
    ]
    return known + [RegisterHolder(str(address), str(address), is_person=False) for address in addresses if address not in wallets]


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
        block = _final_block(block_number, unit=unit)
    # The follower may still stand on a branch that the chain has left: who held there holds nothing.
    holdings = unit.register.holdings_after(security_id, block.number, block_hash=block.hash)
    return HolderSnapshot(
        security_id=security_id,
        block_number=block.number,
        block_hash=block.hash,
        occurred_at=block.occurred_at,
        holdings={holding.wallet: Shares(holding.shares) for holding in holdings if holding.shares > 0},
    )


def _final_block(block_number: int | None, *, unit: RegisterUnit) -> Block:
    assert block_number is not None, "asked for by number"
    final = unit.register_chain.final_block()
    if block_number > final.number:
        raise Behind(read_block=final.number, asked_block=block_number)
    return unit.register_chain.block(block_number)


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


# The register of holders


def view_holders(
    actor: Actor, security_id: SecurityId, *, at: dt.datetime | None = None, block_number: int | None = None, unit: RegisterUnit
) -> RegisterOfHolders:
    """Return the register of holders: now, as of an instant that is final, or after a final block.

    Names are in it for roles that may see personal data, and then the log says whose were shown and to whom.
    """
    authorize(actor, Action.REGISTER_EXPORT, tenant_id=unit.tenant_id)
    security = unit.securities.get(security_id)
    table = view_cap_table(actor, security_id, at=at, block_number=block_number, unit=unit)
    lots = unit.lots.of_security(security_id, block_number=table.block_number)
    investor_ids = [line.investor_id for line in table.lines if line.investor_id is not None and line.shares]
    may_name = permits(actor, Action.PARTIES_VIEW_PERSONAL_DATA)
    holders = register_of_holders(
        table,
        lots,
        investors=unit.investors.many(investor_ids),
        names=names_of(actor, investor_ids, unit=unit) if may_name and investor_ids else {},
        decimals=security.terms.decimals,
    )
    facts = {"block_number": table.block_number, "holders": len(holders.lines), "with_names": may_name}
    unit.audit.record(actor, Action.REGISTER_EXPORT, f"security:{security_id}", facts)
    return holders


@dataclass(frozen=True, slots=True)
class FormD:
    """The notice as XML, and the figures of the register that are in it."""

    figures: FormDFigures
    xml: bytes


def form_d(actor: Actor, security_id: SecurityId, given: FormDInput, *, unit: RegisterUnit) -> FormD:
    """Return Form D of a security's offering from the file and the register; blocks that are not final yet are not in it."""
    authorize(actor, Action.REGISTER_EXPORT, tenant_id=unit.tenant_id)
    final = unit.register_chain.final_block().number
    sales = [sale for sale in unit.lots.acquisitions(security_id) if sale.movement.block_number <= final]
    figures = form_d_figures(sales, given.offering)
    facts = {"report": "form_d", "sales": figures.sales, "total_sold": str(figures.total_sold), "block_number": final}
    unit.audit.record(actor, Action.REGISTER_EXPORT, f"security:{security_id}", facts)
    return FormD(figures, form_d_xml(given, figures))


# Lots


@dataclass(frozen=True, slots=True)
class LotsPage:
    """Lots by holder, then by acquisition; `next_cursor` leads on, None at the end."""

    lots: Sequence[Lot]
    next_cursor: str | None


def view_lots(
    actor: Actor,
    security_id: SecurityId,
    *,
    investor_id: InvestorId | None = None,
    at: dt.datetime | None = None,
    cursor: str | None = None,
    limit: int | None = None,
    unit: RegisterUnit,
) -> LotsPage:
    """Return the open lots of a security, now or after the blocks until `at`, of one investor where one is given.

    All of them where no limit is given. Unfinal blocks are included: an instant that has not passed may still change.
    """
    authorize(actor, Action.REGISTER_VIEW, tenant_id=unit.tenant_id)
    if at is None and limit is not None:
        return _page_of_open_lots(security_id, investor_id, cursor, max(1, min(limit, LOTS_PAGE_MAX)), unit=unit)
    found = unit.lots.of_security(security_id, investor_id=investor_id, at=at)
    start = 0
    if cursor is not None:
        places = {str(lot.lot_id): index for index, lot in enumerate(found)}
        if cursor not in places:
            raise BadCursor(cursor=cursor)
        start = places[cursor] + 1
    shown = found[start:] if limit is None else found[start : start + max(1, min(limit, LOTS_PAGE_MAX))]
    more = start + len(shown) < len(found)
    return LotsPage(shown, str(shown[-1].lot_id) if more else None)


def _page_of_open_lots(
    security_id: SecurityId, investor_id: InvestorId | None, cursor: str | None, limit: int, *, unit: RegisterUnit
) -> LotsPage:
    """Return a page without reading what is not on it: a register may have a million lots."""
    try:
        after = None if cursor is None else LotId(parse_id(cursor))
    except MunimentError:
        raise BadCursor(cursor=cursor) from None
    # One more than asked for tells whether there is another page.
    found = unit.lots.page(security_id, investor_id=investor_id, after=after, limit=limit + 1)
    if found is None:
        raise BadCursor(cursor=cursor)
    shown = found[:limit]
    return LotsPage(shown, str(shown[-1].lot_id) if len(found) > limit else None)


@dataclass(frozen=True, slots=True)
class LotOrigin:
    """The movement that opened a lot, and what was said about it."""

    movement: Origin
    said: LotAnnotation


def view_origins(actor: Actor, security_id: SecurityId, lots: Sequence[Lot], *, unit: RegisterUnit) -> Mapping[LotId, LotOrigin]:
    """Return which movements opened some lots of a security, and what was said about each."""
    authorize(actor, Action.REGISTER_VIEW, tenant_id=unit.tenant_id)
    token = token_reference(unit.securities.get(security_id)).address
    origins = unit.lots.origins(token, {(lot.block_number, lot.log_index) for lot in lots})
    said = unit.lots.annotations(token, {origin.transaction_hash for origin in origins.values()})
    return {
        lot.lot_id: LotOrigin(origin, said.get(origin.key, NOTHING_SAID))
        for lot in lots
        if (origin := origins.get((lot.block_number, lot.log_index))) is not None
    }


@dataclass(frozen=True, slots=True)
class Acquired:
    """One movement of a security with what was said about it, as a form shows it."""

    movement: Movement
    said: LotAnnotation


def view_acquired(
    actor: Actor, security_id: SecurityId, transaction_hash: TransactionHash, position: int, *, unit: RegisterUnit
) -> Acquired:
    """Return one movement by transaction and position, to somebody who may say something about it."""
    authorize(actor, Action.REGISTER_ANNOTATE, tenant_id=unit.tenant_id)
    token = token_reference(unit.securities.get(security_id)).address
    movements = unit.register.movements_in(token, transaction_hash)
    if not 0 <= position < len(movements):
        raise UnknownMovement(transaction_hash=transaction_hash, position=position)
    said = unit.lots.annotations(token, [transaction_hash])
    return Acquired(movements[position], said.get((transaction_hash, position), NOTHING_SAID))


@dataclass(frozen=True, slots=True)
class AcquisitionsPage:
    """Movements with both sides named and what was said, oldest first; `next_cursor` leads on, None at the end."""

    acquisitions: Sequence[Acquisition]
    next_cursor: str | None


def view_acquisitions(
    actor: Actor,
    security_id: SecurityId,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    cursor: str | None = None,
    limit: int | None = None,
    unit: RegisterUnit,
) -> AcquisitionsPage:
    """Return who acquired what from whom, from `since` on and before `until`; movements within one holder are left out.

    All of them where no limit is given.
    """
    authorize(actor, Action.REGISTER_VIEW, tenant_id=unit.tenant_id)
    after = (-1, -1)
    if cursor is not None:
        place = _place(cursor)
        after = (place.block_number, place.log_index)
    found = [
        each
        for each in unit.lots.acquisitions(security_id, since=since, until=until)
        if (each.movement.block_number, each.movement.log_index) > after
    ]
    shown = found if limit is None else found[: max(1, min(limit, LOTS_PAGE_MAX))]
    more = len(shown) < len(found)
    return AcquisitionsPage(shown, f"{shown[-1].movement.block_number}-{shown[-1].movement.log_index}" if more else None)


@dataclass(frozen=True, slots=True)
class Annotate:
    """What an officer says about one movement, known by transaction and position among the security's movements in it.

    Without a position it holds for each movement of the transaction. `price` is per share, in place of what was paid for all.
    """

    security_id: SecurityId
    transaction_hash: TransactionHash
    position: int | None
    annotation: LotAnnotation
    price: Price | None = None


def annotate(actor: Actor, request: Annotate, *, unit: RegisterUnit) -> Sequence[Lot]:
    """Keep what is said about a movement in place of what was said before, make the lots again, and return those that it opens.

    The log gets what was said. Refuses what cannot be: a movement that the register does not have, a date after it, foreign lots.
    """
    authorize(actor, Action.REGISTER_ANNOTATE, tenant_id=unit.tenant_id)
    said = replace(request.annotation, annotated_by=None)
    if said == NOTHING_SAID and request.price is None:
        raise NothingToSay
    check_code(said.exemption, field="exemption")
    check_code(said.buyer_category, field="buyer_category")
    check_paid(said.paid, field="paid")
    security = unit.securities.get(request.security_id)
    token = token_reference(security).address
    movements = unit.register.movements_in(token, request.transaction_hash)
    positions = range(len(movements)) if request.position is None else [request.position]
    if not positions or not 0 <= positions[0] < len(movements):
        raise UnknownMovement(transaction_hash=request.transaction_hash, position=request.position or 0)
    for position in positions:
        movement = movements[position]
        _check_dates(said, movement)
        _check_lots(said, movement, unit=unit)
        told = said
        if request.price is not None:
            paid = request.price.times(movement.shares, share_decimals=security.terms.decimals, rounding=Rounding.HALF_EVEN)
            told = replace(said, paid=paid)
        unit.lots.annotate(token, (request.transaction_hash, position), replace(told, annotated_by=actor.user_id), at=unit.clock.now())
        facts = {"transaction": request.transaction_hash, "position": position, **annotation_facts(told)}
        unit.audit.record(actor, Action.REGISTER_ANNOTATE, f"security:{request.security_id}", facts)
    said_about = [movements[position] for position in positions]
    make_lots_again_from(token, said_about, store=unit.lots)
    return unit.lots.opened_at(token, {(movement.block_number, movement.log_index) for movement in said_about})


def check_code(code: str | None, *, field: str) -> None:
    """Refuse an exemption or a category that is no code; None says nothing."""
    if code is not None and (len(code) > CODE_CHARACTERS_MAX or not _CODE.fullmatch(code)):
        raise NotACode(text=code, field=field, place=Place(field=field))


def check_paid(paid: Money | None, *, field: str) -> None:
    """Refuse a payment below nothing; None says nothing."""
    if paid is not None and paid.minor_units < 0:
        raise NegativePrice(amount=str(paid), place=Place(field=field))


@dataclass(frozen=True, slots=True)
class IssuedTo:
    """Shares (base units) that one movement of a transaction issued, and what was said of them when they were asked for."""

    wallet: Address
    shares: int
    annotation: LotAnnotation


def note_issue(security_id: SecurityId, transaction_hash: TransactionHash, issued: Sequence[IssuedTo], *, unit: RegisterUnit) -> int:
    """Keep what was said of shares at their issue as what is known of the movements that issued them; return of how many.

    For the worker, once the register has read the block: nobody's permission is asked here, for whoever issued was asked then. Of a
    movement of which something is said already nothing changes, so it may be run again and never undoes an officer's word.
    """
    token = token_reference(unit.securities.get(security_id)).address
    left = dict(enumerate(unit.register.movements_in(token, transaction_hash)))
    known = unit.lots.annotations(token, [transaction_hash])
    noted: list[Movement] = []
    for each in issued:
        position = next(
            (
                place
                for place, movement in left.items()
                if (movement.from_wallet, movement.to_wallet, movement.shares) == (ZERO_ADDRESS, each.wallet, each.shares)
            ),
            None,
        )
        if position is None:
            # Reconciliation tells of a leg that no movement bears out; here there is nothing to annotate.
            continue
        movement = left.pop(position)
        key = (transaction_hash, position)
        if key not in known and replace(each.annotation, annotated_by=None) != NOTHING_SAID:
            unit.lots.annotate(token, key, each.annotation, at=unit.clock.now())
            noted.append(movement)
    if noted:
        facts = {"transaction": transaction_hash, "movements": len(noted), "said_at": "issue"}
        unit.audit.record(system_actor(unit.tenant_id), Action.REGISTER_ANNOTATE, f"security:{security_id}", facts)
        make_lots_again_from(token, noted, store=unit.lots)
    return len(noted)


def _check_dates(said: LotAnnotation, movement: Movement) -> None:
    for field, given_at in (("acquired_at", said.acquired_at), ("holding_since", said.holding_since)):
        if given_at is not None and given_at > movement.occurred_at:
            raise AcquiredLater(given_at=given_at, moved_at=movement.occurred_at, place=Place(field=field))


def _check_lots(said: LotAnnotation, movement: Movement, *, unit: RegisterUnit) -> None:
    """Refuse named lots that the giver did not have just before the movement."""
    if not said.lots:
        return
    token = movement.token
    earlier = [
        event
        for event in unit.lots.events_after(token, -1)
        if (event.block_number, event.log_index) < (movement.block_number, movement.log_index)
    ]
    wallets = {wallet for event in earlier if isinstance(event, Movement) for wallet in (event.from_wallet, event.to_wallet)}
    owners = unit.lots.owners(token, {*wallets, movement.from_wallet})
    annotations = unit.lots.annotations(token)
    giver = LotBook(owners, annotations).holder_of(movement.from_wallet)
    held = {lot.lot_id for lot in lots_after(replay(earlier, owners=owners, annotations=annotations)) if lot.holder == giver}
    for lot_id in said.lots:
        if giver is None or lot_id not in held:
            raise NotTheGiversLot(lot_id=str(lot_id), place=Place(field="lots"))


def annotation_facts(said: LotAnnotation) -> dict[str, object]:
    """Return what was said as the audit log and the wire show it: only what was said, codes and instants, nothing personal."""
    facts: dict[str, object] = {
        "exemption": said.exemption,
        "consideration": None if said.consideration is None else said.consideration.value,
        "buyer_category": said.buyer_category,
        "paid": None if said.paid is None else said.paid.as_json(),
        "acquired_at": None if said.acquired_at is None else instant_text(said.acquired_at),
        "holding_since": None if said.holding_since is None else instant_text(said.holding_since),
        "is_restricted": said.is_restricted,
        "is_control": said.is_control,
        "picking": None if said.picking is None else said.picking.value,
        "lots": [str(lot_id) for lot_id in said.lots] or None,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def keep_lots(token: Address, *, store: LotStore) -> None:
    """Bring the lots of a token up to the stored movements; make them again from the first where a wallet has changed hands."""
    store.hold_still()
    if store.is_stale(token):
        store.remove(token)
    after = store.last_block(token)
    events = store.events_after(token, after)
    moved = [event for event in events if isinstance(event, Movement)]
    if not moved:
        return
    wallets = {wallet for movement in moved for wallet in (movement.from_wallet, movement.to_wallet)}
    owners = store.owners(token, wallets)
    book = LotBook(owners, store.annotations(token, {movement.transaction_hash for movement in moved}))
    if after >= 0:
        book.begin_with(store.open_lots(token, {owners.get(wallet, wallet) for wallet in wallets}))
    book.take_in(events)
    store.apply(token, book.changes())


def make_lots_again(token: Address, *, store: LotStore) -> None:
    """Make the lots of a token again from its first movement, after a wallet changed hands."""
    store.hold_still()
    store.remove(token)
    keep_lots(token, store=store)


def make_lots_again_from(token: Address, movements: Sequence[Movement], *, store: LotStore) -> None:
    """Make the lots again that hang on movements of which something was said: as `make_lots_again` leaves them, but no others.

    Those are the lots of both sides from the first of the movements on, and of whoever got shares from them since, and so forth.
    """
    store.hold_still()
    if store.is_stale(token):
        make_lots_again(token, store=store)
        return
    # What the follower has not handed out yet must not be taken in for these holders alone.
    keep_lots(token, store=store)
    first = min(movement.block_number for movement in movements)
    events = store.events_after(token, first - 1)
    wallets = {wallet for event in events if isinstance(event, Movement) for wallet in (event.from_wallet, event.to_wallet)}
    owners = store.owners(token, wallets)
    holders = reached(events, movements, owners=owners)
    before, since = store.take_out(token, holders, from_block=first)
    book = LotBook(owners, store.annotations(token))
    book.begin_with(before)
    book.take_in_again(events, holders, arrived=since)
    store.apply(token, book.changes())


def _place(cursor: str) -> MovementPlace:
    block_number, dash, log_index = cursor.partition("-")
    if not (dash and _is_number(block_number, digits_max=18) and _is_number(log_index, digits_max=9)):
        raise BadCursor(cursor=cursor)
    return MovementPlace(int(block_number), int(log_index))


def _is_number(text: str, *, digits_max: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= digits_max
