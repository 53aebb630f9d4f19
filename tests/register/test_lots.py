# SPDX-License-Identifier: Apache-2.0
"""Lots by the rules: what a movement takes, what keeps its holding period, and that nothing is ever lost. No database here."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.register.chain import decode
from muniment.register.model import (
    ZERO_ADDRESS,
    Consideration,
    Lot,
    LotAnnotation,
    LotBook,
    LotChanges,
    Movement,
    MovementKey,
    Notice,
    NoticeKind,
    PickingRule,
    TokenEvent,
    acquisitions,
    is_restricted_under,
    lots_after,
    replay,
)
from muniment.units.ids import Address, InvestorId, TransactionHash
from tests.register.histories import GENESIS_AT, TOKEN, WALLETS, Branch, expected, histories

ANNA, BELA = InvestorId(UUID(int=0xA)), InvestorId(UUID(int=0xB))
OWNERS = {WALLETS[0]: ANNA, WALLETS[1]: BELA, WALLETS[2]: ANNA}
A, B, A_TOO, UNKNOWN, UNKNOWN_TOO = WALLETS
DAY = dt.timedelta(days=1)


def a_movement(sender: Address, receiver: Address, shares: int, *, day: int) -> Movement:
    """Return a movement of a day of its own: its block is the day."""
    return Movement(TOKEN, 0, day, 0, sender, receiver, shares, TransactionHash(f"0x{day:064x}"), GENESIS_AT + day * DAY)


def key(day: int) -> MovementKey:
    return (TransactionHash(f"0x{day:064x}"), 0)


def on(day: int) -> dt.datetime:
    return GENESIS_AT + day * DAY


def lots_of(*events: TokenEvent, said: dict[int, LotAnnotation] | None = None, owners: Any = OWNERS) -> list[Lot]:
    return lots_after(replay(events, owners=owners, annotations={key(day): each for day, each in (said or {}).items()}))


def held(lots: list[Lot], holder: object) -> list[tuple[int, dt.datetime]]:
    return [(lot.quantity, lot.holding_since) for lot in lots if lot.holder == holder]


THREE_PURCHASES = (
    a_movement(ZERO_ADDRESS, A, 100, day=1),
    a_movement(ZERO_ADDRESS, A_TOO, 50, day=2),
    a_movement(ZERO_ADDRESS, A, 30, day=3),
)


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        (PickingRule.FIFO, [(30, on(2)), (30, on(3))]),
        (PickingRule.LIFO, [(60, on(1))]),
        (PickingRule.LONGEST_HELD, [(30, on(2)), (30, on(3))]),
        (PickingRule.SHORTEST_HELD, [(60, on(1))]),
        (None, [(30, on(2)), (30, on(3))]),
    ],
)
def test_a_sale_takes_from_all_wallets_of_the_investor_by_the_rule_first_in_first_out_unless_said(
    rule: PickingRule | None, left: list[tuple[int, dt.datetime]]
) -> None:
    lots = lots_of(*THREE_PURCHASES, a_movement(A, B, 120, day=9), said={9: LotAnnotation(picking=rule)})
    assert held(lots, ANNA) == left
    assert sum(quantity for quantity, _ in held(lots, BELA)) == 120


def test_longest_held_goes_by_the_period_and_not_by_the_day_of_acquisition() -> None:
    gift = {5: LotAnnotation(consideration=Consideration.GIFT)}
    events = (a_movement(ZERO_ADDRESS, B, 10, day=1), a_movement(ZERO_ADDRESS, A, 10, day=2), a_movement(B, A, 10, day=5))
    fifo = lots_of(*events, a_movement(A, ZERO_ADDRESS, 10, day=6), said=gift)
    assert held(fifo, ANNA) == [(10, on(1))]
    longest = lots_of(*events, a_movement(A, ZERO_ADDRESS, 10, day=6), said=gift | {6: LotAnnotation(picking=PickingRule.LONGEST_HELD)})
    assert held(longest, ANNA) == [(10, on(2))]


def test_lots_that_are_named_go_first_and_the_rule_gives_the_rest() -> None:
    before = lots_of(*THREE_PURCHASES)
    named = next(lot.lot_id for lot in before if lot.holding_since == on(3))
    lots = lots_of(*THREE_PURCHASES, a_movement(A, B, 40, day=9), said={9: LotAnnotation(lots=(named,))})
    assert held(lots, ANNA) == [(90, on(1)), (50, on(2))]


@pytest.mark.parametrize("consideration", sorted(set(Consideration) - {Consideration.SALE}, key=lambda each: each.value))
def test_whatever_is_no_purchase_keeps_the_holding_period(consideration: Consideration) -> None:
    lots = lots_of(
        a_movement(ZERO_ADDRESS, A, 100, day=1), a_movement(A, B, 40, day=200), said={200: LotAnnotation(consideration=consideration)}
    )
    assert held(lots, BELA) == [(40, on(1))]


def test_a_purchase_begins_anew_but_keeps_when_the_shares_left_the_issuer() -> None:
    lots = lots_of(a_movement(ZERO_ADDRESS, A, 100, day=1), a_movement(A, B, 40, day=200))
    (bought,) = [lot for lot in lots if lot.holder == BELA]
    assert (bought.holding_since, bought.issuer_acquired_at, bought.acquired_from) == (on(200), on(1), ANNA)
    assert bought.origin_lot_id == next(lot.lot_id for lot in lots if lot.holder == ANNA)


def test_what_an_affiliate_sells_is_restricted_and_begins_anew_altogether() -> None:
    said = {1: LotAnnotation(exemption="us.registered", is_control=True)}
    lots = lots_of(a_movement(ZERO_ADDRESS, A, 100, day=1), a_movement(A, B, 40, day=200), said=said)
    kept, bought = (next(lot for lot in lots if lot.holder == holder) for holder in (ANNA, BELA))
    assert (kept.is_restricted, kept.is_control) == (False, True)
    assert (bought.is_restricted, bought.is_control, bought.issuer_acquired_at) == (True, False, on(200))


def test_moving_between_wallets_of_one_investor_and_recovering_one_keep_the_lots() -> None:
    before = lots_of(*THREE_PURCHASES)
    after = lots_of(*THREE_PURCHASES, a_movement(A, A_TOO, 100, day=5))
    assert after == before


def test_a_recovery_between_wallets_of_nobody_known_keeps_everything_but_the_wallet() -> None:
    move = a_movement(UNKNOWN, UNKNOWN_TOO, 100, day=5)
    notice = Notice(TOKEN, 0, 5, 1, NoticeKind.RECOVERED, UNKNOWN, UNKNOWN_TOO, 0, move.transaction_hash, move.occurred_at)
    (lot,) = lots_of(a_movement(ZERO_ADDRESS, UNKNOWN, 100, day=1), move, notice)
    assert (lot.holder, lot.acquired_at, lot.holding_since, lot.acquired_from) == (UNKNOWN_TOO, on(1), on(1), None)
    assert lot.consideration is Consideration.RECOVERY


def test_new_shares_of_a_split_join_the_lots_that_they_were_given_on() -> None:
    said = {9: LotAnnotation(consideration=Consideration.SPLIT), 1: LotAnnotation(exemption="us.regd.506c", is_control=True)}
    lots = lots_of(*THREE_PURCHASES, a_movement(ZERO_ADDRESS, A, 181, day=9), said=said)
    given = [lot for lot in lots if lot.block_number == 9]
    assert [(lot.quantity, lot.holding_since) for lot in given] == [(101, on(1)), (50, on(2)), (30, on(3))]
    assert [(lot.exemption, lot.is_control) for lot in given] == [("us.regd.506c", True), (None, False), (None, False)]


def test_a_consolidation_takes_of_every_lot_alike() -> None:
    lots = lots_of(*THREE_PURCHASES, a_movement(A, ZERO_ADDRESS, 90, day=9), said={9: LotAnnotation(consideration=Consideration.SPLIT)})
    assert held(lots, ANNA) == [(50, on(1)), (25, on(2)), (15, on(3))]


def test_shares_older_than_their_token_count_from_the_day_that_was_told() -> None:
    said = {2: LotAnnotation(acquired_at=on(-400), exemption="us.regd.506b"), 3: LotAnnotation(holding_since=on(-30))}
    lots = lots_of(*THREE_PURCHASES, said=said)
    assert [(lot.acquired_at, lot.holding_since) for lot in lots] == [(on(-400), on(-400)), (on(1), on(1)), (on(3), on(-30))]
    sold = lots_of(*THREE_PURCHASES, a_movement(A, B, 50, day=9), said=said)
    assert [lot.acquired_at for lot in sold if lot.holder == ANNA] == [on(1), on(3)]
    assert [lot.exemption for lot in sold if lot.holder == BELA] == ["us.regd.506b"]


@pytest.mark.parametrize(
    ("exemption", "restricted"),
    [(None, True), ("us.regd.506b", True), ("us.regs", True), ("us.rega", False), ("us.regcf", False), ("eu.prospectus", False)],
)
def test_restricted_is_what_the_exemption_makes_so_and_what_nobody_knows_of(exemption: str | None, *, restricted: bool) -> None:
    (lot,) = lots_of(a_movement(ZERO_ADDRESS, A, 1, day=1), said={1: LotAnnotation(exemption=exemption)})
    assert lot.is_restricted is restricted is is_restricted_under(exemption)
    (told,) = lots_of(a_movement(ZERO_ADDRESS, A, 1, day=1), said={1: LotAnnotation(exemption=exemption, is_restricted=not restricted)})
    assert told.is_restricted is not restricted


def test_sales_name_both_sides_and_leave_out_what_stays_with_one_holder() -> None:
    said = {key(9): LotAnnotation(consideration=Consideration.GIFT)}
    moves = (
        *THREE_PURCHASES,
        a_movement(A, A_TOO, 5, day=5),
        a_movement(A, UNKNOWN, 5, day=9),
        a_movement(UNKNOWN, ZERO_ADDRESS, 5, day=10),
    )
    found = acquisitions(moves, owners=OWNERS, annotations=said)
    assert [(each.seller, each.buyer, each.is_primary_sale) for each in found] == [
        (None, ANNA, True),
        (None, ANNA, True),
        (None, ANNA, True),
        (ANNA, UNKNOWN, False),
        (UNKNOWN, None, False),
    ]


# What holds for every history


def events_of(steps: list[tuple[int | None, Branch]]) -> tuple[list[TokenEvent], dict[Address, int]]:
    blocks, ledger = expected(steps)
    decoded = (decode(log, block_number=block.number, occurred_at=block.mined_at) for block, logs in blocks for log in logs)
    return [event for event in decoded if event is not None], ledger.balances


@st.composite
def remarks(draw: st.DrawFn) -> LotAnnotation:
    return LotAnnotation(
        consideration=draw(st.none() | st.sampled_from(Consideration)),
        picking=draw(st.none() | st.sampled_from(PickingRule)),
        acquired_at=draw(st.none() | st.integers(-1000, 3).map(on)),
        holding_since=draw(st.none() | st.integers(-1000, 3).map(on)),
        is_control=draw(st.none() | st.booleans()),
        exemption=draw(st.none() | st.sampled_from(["us.regd.506c", "us.regs", "us.rega"])),
    )


def balances_by_holder(balances: dict[Address, int], owners: dict[Address, InvestorId]) -> dict[object, int]:
    sums: defaultdict[object, int] = defaultdict(int)
    for wallet, shares in balances.items():
        sums[owners.get(wallet, wallet)] += shares
    return {holder: shares for holder, shares in sums.items() if shares}


def sums_of(lots: list[Lot]) -> dict[object, int]:
    sums: defaultdict[object, int] = defaultdict(int)
    for lot in lots:
        sums[lot.holder] += lot.quantity
    return dict(sums)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), steps=histories(), owners=st.dictionaries(st.sampled_from(WALLETS), st.sampled_from([ANNA, BELA])))
def test_lots_add_up_to_the_balance_after_every_event_and_an_earlier_block_is_a_replay_up_to_there(
    data: st.DataObject, steps: list[tuple[int | None, Branch]], owners: dict[Address, InvestorId]
) -> None:
    events, final_balances = events_of(steps)
    moved = [event for event in events if isinstance(event, Movement)]
    annotations = {(movement.transaction_hash, 0): data.draw(remarks()) for movement in moved if data.draw(st.booleans())}
    book = LotBook(owners, annotations)
    balances: defaultdict[Address, int] = defaultdict(int)
    for event in events:
        book.take_in([event])
        if isinstance(event, Movement):
            balances[event.from_wallet] -= event.shares
            balances[event.to_wallet] += event.shares
        balances.pop(ZERO_ADDRESS, None)
        assert sums_of(list(book.lots())) == balances_by_holder(balances, owners)
    assert balances_by_holder(dict(balances), owners) == balances_by_holder(final_balances, owners)

    whole = replay(events, owners=owners, annotations=annotations)
    assert whole == book.changes() == replay(events, owners=owners, annotations=annotations)
    for height in {event.block_number for event in events}:
        until = [event for event in events if event.block_number <= height]
        assert lots_after(whole, height) == lots_after(replay(until, owners=owners, annotations=annotations))


@settings(max_examples=60, deadline=None)
@given(steps=histories(), cut=st.integers(0, 20))
def test_going_on_from_open_lots_gives_what_one_replay_gives(steps: list[tuple[int | None, Branch]], cut: int) -> None:
    events, _ = events_of(steps)
    first = [event for event in events if event.block_number < cut]
    before = replay(first, owners=OWNERS, annotations={})
    book = LotBook(OWNERS, {})
    book.begin_with(lots_after(before))
    book.take_in(event for event in events if event.block_number >= cut)
    after = book.changes()
    joined = LotChanges(before.opened + after.opened, before.takings + after.takings)
    assert joined == replay(events, owners=OWNERS, annotations={})


def test_a_lot_has_the_same_id_wherever_a_reorganisation_puts_its_movement() -> None:
    first = a_movement(ZERO_ADDRESS, A, 5, day=1)
    (lot,), (again,) = lots_of(first), lots_of(replace(first, block_number=7, log_index=3))
    assert lot.lot_id == again.lot_id
