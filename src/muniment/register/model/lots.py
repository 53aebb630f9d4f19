# SPDX-License-Identifier: Apache-2.0
"""Lots: which shares of a holder came when, from whom and on which terms, and which of them a movement takes. Stores nothing."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, TypeAlias
from uuid import UUID, uuid5

from muniment.register.model.movements import (
    DIFFERENCES_SHOWN_MAX,
    FUNGIBLE,
    ZERO_ADDRESS,
    DifferenceKind,
    Movement,
    Notice,
    NoticeKind,
    RegisterDifference,
    TokenEvent,
)
from muniment.units.ids import Address, InvestorId, LotId, TransactionHash, UserId
from muniment.units.instants import instant_text
from muniment.units.money import Money, split_pro_rata

LotHolder: TypeAlias = InvestorId | Address
"""Whose a lot is: an investor, over all wallets, or one wallet that belongs to nobody we know."""

MovementKey: TypeAlias = tuple[TransactionHash, int]
"""A movement by transaction and position among the token's movements in it: the same again after a re-org, unlike block and log index."""


class Consideration(Enum):
    """For what shares came to their holder; decides whether the holding period begins anew (17 CFR 230.144(d)(3))."""

    SALE = "sale"
    GIFT = "gift"
    ESTATE = "estate"
    PLEDGE = "pledge"
    SPLIT = "split"
    STOCK_DIVIDEND = "stock_dividend"
    CONVERSION = "conversion"
    CASHLESS_EXERCISE = "cashless_exercise"
    RECOVERY = "recovery"


TACKED: Final = frozenset(Consideration) - {Consideration.SALE}
"""What keeps the holding period that the shares had: (d)(3)(i), (ii), (iv), (v), (vii), (x); a recovery changes no owner at all."""

PRO_RATA: Final = frozenset({Consideration.SPLIT, Consideration.STOCK_DIVIDEND})
"""What befalls every share alike: new shares join the lots that they were given on, lost ones leave all lots."""


class PickingRule(Enum):
    """Which lots a movement takes first. By acquisition the first or the last in; by holding period the longest or the shortest held."""

    FIFO = "fifo"
    LIFO = "lifo"
    LONGEST_HELD = "longest_held"
    SHORTEST_HELD = "shortest_held"


@dataclass(frozen=True, slots=True)
class LotAnnotation:
    """What the chain does not know about one movement, as an officer said it. None: nothing was said, and the default holds.

    `acquired_at` is for shares older than their token, as from an imported cap table; `holding_since` for a period that is tacked from
    elsewhere, as that of a converted security. `lots` are taken before any others, in their order. `paid` is for the whole movement.
    """

    exemption: str | None = None
    consideration: Consideration | None = None
    buyer_category: str | None = None
    paid: Money | None = None
    acquired_at: dt.datetime | None = None
    holding_since: dt.datetime | None = None
    is_restricted: bool | None = None
    is_control: bool | None = None
    picking: PickingRule | None = None
    lots: tuple[LotId, ...] = ()
    annotated_by: UserId | None = None


NOTHING_SAID: Final = LotAnnotation()


@dataclass(frozen=True, slots=True)
class Lot:
    """Shares of one holder that came in one movement on one set of terms; `quantity` base units of `opened_quantity` are still there.

    `acquired_from` is None for the issuer. `holding_since` is this holder's period with what it may tack (17 CFR 230.144(d)(3));
    `issuer_acquired_at` is when the shares last left the issuer or an affiliate, which a sale between others does not move ((d)(1)).
    `exemption` is the rule under which they were sold, None where unknown. `origin_lot_id` is the lot that they were taken from.
    """

    lot_id: LotId
    token: Address
    holder: LotHolder
    quantity: int
    opened_quantity: int
    acquired_at: dt.datetime
    acquired_from: LotHolder | None
    origin_lot_id: LotId | None
    holding_since: dt.datetime
    issuer_acquired_at: dt.datetime
    is_restricted: bool
    is_control: bool
    exemption: str | None
    buyer_category: str | None
    consideration: Consideration
    block_number: int
    log_index: int
    part: int
    occurred_at: dt.datetime

    @property
    def place(self) -> tuple[int, int, int]:
        """Where in the chain's order the lot was opened."""
        return (self.block_number, self.log_index, self.part)


@dataclass(frozen=True, slots=True)
class Taking:
    """Base units that one movement took out of a lot."""

    lot_id: LotId
    block_number: int
    log_index: int
    quantity: int
    occurred_at: dt.datetime


@dataclass(frozen=True, slots=True)
class LotChanges:
    """What movements did to lots: those that they opened (as they stood at once, nothing taken yet), and what they took."""

    opened: tuple[Lot, ...]
    takings: tuple[Taking, ...]


def lot_id_of(token: Address, key: MovementKey, part: int) -> LotId:
    """Return the id of a movement's lot: the same movement opens the same lots, however often it is replayed."""
    return LotId(uuid5(_LOTS, f"{token}/{key[0]}/{key[1]}/{part}"))


_LOTS: Final = UUID("6f1c1f4e-2f0b-5b0e-9b53-0a54d3c0a1e7")


def is_restricted_under(exemption: str | None) -> bool:
    """Return whether shares sold so are restricted securities (17 CFR 230.144(a)(3)); where nothing is known, yes, to be careful.

    Regulation A and registered sales give free securities, and Regulation Crowdfunding's year (227.501) is a rule of its own. Regulation
    S counts as restricted (230.905), as for a domestic issuer's equity. What was sold under no American rule is not.
    """
    if exemption is None:
        return True
    return exemption.startswith("us.") and not exemption.startswith(("us.rega", "us.regcf", "us.registered"))


@dataclass(slots=True)
class LotBook:
    """The lots of one token while movements are taken in, in the chain's order.

    `owners` says whose a wallet is; `annotations` what was said about movements. Begins with the lots that are open, or with none.
    """

    owners: Mapping[Address, InvestorId]
    annotations: Mapping[MovementKey, LotAnnotation]
    _open: defaultdict[LotHolder, dict[LotId, Lot]] = field(default_factory=lambda: defaultdict(dict))
    _opened: list[Lot] = field(default_factory=list)
    _takings: list[Taking] = field(default_factory=list)

    def begin_with(self, lots: Iterable[Lot]) -> None:
        """Put in lots that were open before."""
        for lot in lots:
            if lot.quantity:
                self._open[lot.holder][lot.lot_id] = lot

    def take_in(self, events: Iterable[TokenEvent]) -> None:
        """Take whole blocks in: a recovery's notice and its movement stand in one transaction, in either order."""
        self._take_in(events, None, {})

    def _take_in(
        self, events: Iterable[TokenEvent], holders: Collection[LotHolder] | None, arrived: Mapping[tuple[int, int], Sequence[Lot]]
    ) -> None:
        listed = list(events)
        recoveries = {
            (event.transaction_hash, event.wallet, event.new_wallet)
            for event in listed
            if isinstance(event, Notice) and event.kind is NoticeKind.RECOVERED
        }
        seen: defaultdict[TransactionHash, int] = defaultdict(int)
        for event in listed:
            if isinstance(event, Movement) and event.deed_id == FUNGIBLE:
                key = (event.transaction_hash, seen[event.transaction_hash])
                seen[event.transaction_hash] += 1
                recovered = (event.transaction_hash, event.from_wallet, event.to_wallet) in recoveries
                giver, taker = self.holder_of(event.from_wallet), self.holder_of(event.to_wallet)
                if holders is None or giver in holders or (giver is None and taker in holders):
                    self._move(event, key, recovered=recovered, opens=holders is None or taker in holders)
                elif taker in holders:
                    for lot in arrived.get((event.block_number, event.log_index), ()):
                        self._open_lot(lot)

    def take_in_again(self, events: Iterable[TokenEvent], holders: Collection[LotHolder], *, arrived: Iterable[Lot]) -> None:
        """Take whole blocks in for some holders only, those whom `reached` names.

        What others gave to them is in `arrived`, the lots as they were opened. What they gave to others is taken from them and opens
        nothing: it was given before anything of theirs changed, and the others have it already.
        """
        by_place: defaultdict[tuple[int, int], list[Lot]] = defaultdict(list)
        for lot in sorted(arrived, key=lambda lot: lot.place):
            by_place[lot.block_number, lot.log_index].append(replace(lot, quantity=lot.opened_quantity))
        self._take_in(events, holders, by_place)

    def changes(self) -> LotChanges:
        """Return what was opened and taken since the beginning."""
        return LotChanges(tuple(self._opened), tuple(self._takings))

    def lots(self) -> Iterator[Lot]:
        """Yield the open lots."""
        for held in self._open.values():
            yield from held.values()

    def holder_of(self, wallet: Address) -> LotHolder | None:
        """Return whose lots a wallet's shares are in; None for the zero address, which is the issuer's side."""
        return None if wallet == ZERO_ADDRESS else self.owners.get(wallet, wallet)

    def _move(self, movement: Movement, key: MovementKey, *, recovered: bool, opens: bool) -> None:
        giver, taker = self.holder_of(movement.from_wallet), self.holder_of(movement.to_wallet)
        # Between two wallets of one holder nothing is acquired, and a movement of nothing opens no lot.
        if giver == taker or movement.shares == 0:
            return
        said = self.annotations.get(key, NOTHING_SAID)
        consideration = said.consideration or (Consideration.RECOVERY if recovered else Consideration.SALE)
        if giver is None:
            assert taker is not None, "from nobody to nobody moves nothing"
            self._issue(movement, key, taker, said, consideration)
            return
        pieces = list(self._pick(giver, movement, said, consideration))
        if taker is not None and opens:
            for part, (lot, quantity) in enumerate(pieces):
                passed = _passed_on(lot, quantity, movement, key, part, giver=giver, taker=taker, said=said, consideration=consideration)
                self._open_lot(passed)

    def _issue(self, movement: Movement, key: MovementKey, taker: LotHolder, said: LotAnnotation, consideration: Consideration) -> None:
        base = self._open[taker] if consideration in PRO_RATA else {}
        if not base:
            self._open_lot(_issued(movement, key, taker, said, consideration))
            return
        # 17 CFR 230.144(d)(3)(i): shares from a split or a stock dividend count as acquired with those that they were given on.
        weights = {(lot.acquired_at, lot.place): lot.quantity for lot in base.values()}
        by_place = {(lot.acquired_at, lot.place): lot for lot in base.values()}
        parts = sorted((place, quantity) for place, quantity in split_pro_rata(movement.shares, weights).items() if quantity)
        for part, (place, quantity) in enumerate(parts):
            lot = by_place[place]
            passed = _passed_on(lot, quantity, movement, key, part, giver=None, taker=taker, said=said, consideration=consideration)
            self._open_lot(passed)

    def _pick(self, giver: LotHolder, movement: Movement, said: LotAnnotation, consideration: Consideration) -> Iterator[tuple[Lot, int]]:
        """Take the movement's shares out of the giver's lots; yield each lot as it was, with what is taken of it."""
        held = self._open[giver]
        if consideration in PRO_RATA and movement.to_wallet == ZERO_ADDRESS:
            wanted = split_pro_rata(movement.shares, {(lot.acquired_at, lot.place): lot.quantity for lot in held.values()})
            picks = [(lot, wanted[lot.acquired_at, lot.place]) for lot in in_order(held.values(), PickingRule.FIFO)]
        else:
            picks = list(pick(held.values(), movement.shares, rule=said.picking or PickingRule.FIFO, first=said.lots))
        for lot, quantity in picks:
            if not quantity:
                continue
            self._takings.append(Taking(lot.lot_id, movement.block_number, movement.log_index, quantity, movement.occurred_at))
            if quantity == lot.quantity:
                del held[lot.lot_id]
            else:
                held[lot.lot_id] = replace(lot, quantity=lot.quantity - quantity)
            yield lot, quantity

    def _open_lot(self, lot: Lot) -> None:
        self._opened.append(lot)
        self._open[lot.holder][lot.lot_id] = lot


def in_order(lots: Iterable[Lot], rule: PickingRule) -> list[Lot]:
    """Return the lots in the order in which the rule takes them; ties go by the chain's order, so a replay takes the same."""
    match rule:
        case PickingRule.FIFO:
            return sorted(lots, key=lambda lot: (lot.acquired_at, lot.place))
        case PickingRule.LIFO:
            return sorted(lots, key=lambda lot: (lot.acquired_at, lot.place), reverse=True)
        case PickingRule.LONGEST_HELD:
            return sorted(lots, key=lambda lot: (lot.holding_since, lot.place))
        case PickingRule.SHORTEST_HELD:
            return sorted(lots, key=lambda lot: (lot.holding_since, lot.place), reverse=True)


def pick(lots: Iterable[Lot], shares: int, *, rule: PickingRule, first: Sequence[LotId] = ()) -> Iterator[tuple[Lot, int]]:
    """Yield which lots give how many base units: those named first, then by the rule, until `shares` are together."""
    by_id = {lot.lot_id: lot for lot in lots}
    named = [by_id.pop(lot_id) for lot_id in dict.fromkeys(first) if lot_id in by_id]
    left = shares
    for lot in (*named, *in_order(by_id.values(), rule)):
        if left == 0:
            return
        quantity = min(lot.quantity, left)
        left -= quantity
        yield lot, quantity
    assert left == 0, "lots add up to the balance, and nobody moves more than it"


def _issued(movement: Movement, key: MovementKey, taker: LotHolder, said: LotAnnotation, consideration: Consideration) -> Lot:
    acquired_at = said.acquired_at or movement.occurred_at
    holding_since = said.holding_since or acquired_at
    return Lot(
        lot_id=lot_id_of(movement.token, key, 0),
        token=movement.token,
        holder=taker,
        quantity=movement.shares,
        opened_quantity=movement.shares,
        acquired_at=acquired_at,
        acquired_from=None,
        origin_lot_id=None,
        holding_since=holding_since,
        issuer_acquired_at=holding_since,
        is_restricted=is_restricted_under(said.exemption) if said.is_restricted is None else said.is_restricted,
        is_control=bool(said.is_control),
        exemption=said.exemption,
        buyer_category=said.buyer_category,
        consideration=consideration,
        block_number=movement.block_number,
        log_index=movement.log_index,
        part=0,
        occurred_at=movement.occurred_at,
    )


def _passed_on(
    lot: Lot,
    quantity: int,
    movement: Movement,
    key: MovementKey,
    part: int,
    *,
    giver: LotHolder | None,
    taker: LotHolder,
    said: LotAnnotation,
    consideration: Consideration,
) -> Lot:
    """Return the taker's lot made of a part of `lot`: what is tacked keeps its times, what is sold begins anew."""
    tacked = consideration in TACKED
    same_owner = consideration is Consideration.RECOVERY or giver is None
    acquired_at = said.acquired_at or (lot.acquired_at if consideration is Consideration.RECOVERY else movement.occurred_at)
    holding_since = said.holding_since or (lot.holding_since if tacked else acquired_at)
    # 17 CFR 230.144(d)(1): the later of the acquisitions from the issuer and from an affiliate; a sale by anybody else leaves it.
    issuer_acquired_at = acquired_at if lot.is_control and not tacked else lot.issuer_acquired_at
    # (a)(3)(i): what comes from an affiliate without a public offering is restricted too.
    restricted = lot.is_restricted or (lot.is_control and not same_owner)
    exemption = said.exemption or lot.exemption
    return Lot(
        lot_id=lot_id_of(movement.token, key, part),
        token=movement.token,
        holder=taker,
        quantity=quantity,
        opened_quantity=quantity,
        acquired_at=acquired_at,
        acquired_from=lot.acquired_from if consideration is Consideration.RECOVERY else giver,
        origin_lot_id=lot.lot_id,
        holding_since=holding_since,
        issuer_acquired_at=issuer_acquired_at,
        is_restricted=restricted if said.is_restricted is None else said.is_restricted,
        is_control=(lot.is_control and same_owner) if said.is_control is None else said.is_control,
        exemption=exemption,
        buyer_category=said.buyer_category or (lot.buyer_category if same_owner else None),
        consideration=consideration,
        block_number=movement.block_number,
        log_index=movement.log_index,
        part=part,
        occurred_at=movement.occurred_at,
    )


def reached(events: Iterable[TokenEvent], movements: Iterable[Movement], *, owners: Mapping[Address, InvestorId]) -> frozenset[LotHolder]:
    """Return whose lots hang on some movements: both sides of each, and whoever got shares from one of them in the events.

    `events` are whole blocks in the chain's order, from the block of the first of the movements on.
    """

    def sides(movement: Movement) -> Iterator[LotHolder | None]:
        for wallet in (movement.from_wallet, movement.to_wallet):
            yield None if wallet == ZERO_ADDRESS else owners.get(wallet, wallet)

    found = {side for movement in movements for side in sides(movement) if side is not None}
    for event in events:
        if isinstance(event, Movement) and event.deed_id == FUNGIBLE:
            giver, taker = sides(event)
            if giver in found and taker is not None:
                found.add(taker)
    return frozenset(found)


def replay(
    events: Iterable[TokenEvent], *, owners: Mapping[Address, InvestorId], annotations: Mapping[MovementKey, LotAnnotation]
) -> LotChanges:
    """Return every lot and every taking of one token's whole history, given in the chain's order."""
    book = LotBook(owners, annotations)
    book.take_in(events)
    return book.changes()


def lots_after(changes: LotChanges, block_number: int | None = None) -> list[Lot]:
    """Return the lots that were open after a block, or are at the end, by holder, then by acquisition."""
    until = [taking for taking in changes.takings if block_number is None or taking.block_number <= block_number]
    taken: defaultdict[LotId, int] = defaultdict(int)
    for taking in until:
        taken[taking.lot_id] += taking.quantity
    standing = [
        replace(lot, quantity=lot.opened_quantity - taken[lot.lot_id])
        for lot in changes.opened
        if (block_number is None or lot.block_number <= block_number) and taken[lot.lot_id] < lot.opened_quantity
    ]
    return sorted(standing, key=lambda lot: (str(lot.holder), lot.acquired_at, lot.place))


def lot_line(lot: Lot) -> str:
    """Return one lot in the canonical form in which two books of lots are compared."""
    return (
        f"lot|{lot.lot_id}|{lot.block_number}|{lot.log_index}|{lot.part}|{lot.holder}|{lot.quantity}|{lot.opened_quantity}"
        f"|{instant_text(lot.acquired_at)}|{lot.acquired_from}|{lot.origin_lot_id}|{instant_text(lot.holding_since)}"
        f"|{instant_text(lot.issuer_acquired_at)}|{int(lot.is_restricted)}|{int(lot.is_control)}|{lot.exemption}|{lot.buyer_category}"
        f"|{lot.consideration.value}"
    )


def compare_lots(stored: Iterable[Lot], made: Iterable[Lot]) -> tuple[RegisterDifference, ...]:
    """Return each open lot that only one of the two has, at most `DIFFERENCES_SHOWN_MAX` a side."""
    stored_lines, made_lines = {lot_line(lot) for lot in stored}, {lot_line(lot) for lot in made}
    missing = [
        RegisterDifference(DifferenceKind.MISSING_LOT, "The movements give a lot that the register lacks.", {"lot": line})
        for line in sorted(made_lines - stored_lines)[:DIFFERENCES_SHOWN_MAX]
    ]
    extra = [
        RegisterDifference(DifferenceKind.EXTRA_LOT, "The register has a lot that the movements do not give.", {"lot": line})
        for line in sorted(stored_lines - made_lines)[:DIFFERENCES_SHOWN_MAX]
    ]
    return (*missing, *extra)


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One movement with both sides named and what was said about it: the history that limits on sales are counted on.

    `seller` is None at issue, `buyer` at burning. `position` is the movement's place in its transaction.
    """

    movement: Movement
    position: int
    seller: LotHolder | None
    buyer: LotHolder | None
    annotation: LotAnnotation

    @property
    def is_primary_sale(self) -> bool:
        """Whether the issuer sold: issued, and for nothing that is no sale."""
        return self.seller is None and self.buyer is not None and self.annotation.consideration in {None, Consideration.SALE}


def acquisitions(
    movements: Iterable[Movement], *, owners: Mapping[Address, InvestorId], annotations: Mapping[MovementKey, LotAnnotation]
) -> list[Acquisition]:
    """Return the movements, given as whole transactions in the chain's order, with holders and annotations.

    Those between two wallets of one holder are left out: nobody acquires anything there.
    """
    book = LotBook(owners, annotations)
    seen: defaultdict[TransactionHash, int] = defaultdict(int)
    found: list[Acquisition] = []
    for movement in movements:
        key = (movement.transaction_hash, seen[movement.transaction_hash])
        seen[movement.transaction_hash] += 1
        seller, buyer = book.holder_of(movement.from_wallet), book.holder_of(movement.to_wallet)
        if seller != buyer:
            found.append(Acquisition(movement, key[1], seller, buyer, annotations.get(key, NOTHING_SAID)))
    return found
