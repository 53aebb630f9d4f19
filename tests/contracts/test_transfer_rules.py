# SPDX-License-Identifier: Apache-2.0
"""The further rules one by one: what each allows, refuses and remembers; who may set them; what hostile parties cannot do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import NO, YES, ZERO, refused
from tests.contracts.further import DAY, Further, build_further
from tests.contracts.sources import deploy_source
from tests.contracts.world import FRANCE, GERMANY, IRAN, World

NOT_POSSIBLE = "Transfer not possible"
NOT_FOLLOWED = "Compliance not followed"
NEITHER = "access: caller is neither owner nor agent"
NO_COMPLIANCE = "rules: token has no compliance here"
TOO_LARGE = "rules: limit is too large"
AMOUNT_MAX = 2**104 - 1
RETAIL, PROFESSIONAL = 1, 2
EVERY_DAY = 0b1111111


@pytest.fixture(scope="module")
def shared_further(shared_world: World) -> Iterator[Further]:
    with shared_world.chain.undone():
        yield build_further(shared_world)


@pytest.fixture
def further(shared_further: Further) -> Iterator[Further]:
    with shared_further.world.chain.undone():
        yield shared_further


def refuses(further: Further, sender: str, receiver: str, amount: int, *, code: int, fact: int) -> None:
    """Both the answer beforehand and the act say no."""
    assert further.answer(sender, receiver, amount) == (code, fact)
    with refused(NOT_FOLLOWED if sender == ZERO else NOT_POSSIBLE):
        if sender == ZERO:
            further.world.token.fn("mint", receiver, amount, sender=further.world.agent)
        else:
            further.world.token.fn("transfer", receiver, amount, sender=sender)


# Caps per country


def test_no_more_investors_of_a_country_hold_than_its_cap(further: Further) -> None:
    world = further.world
    further.set("count_by_country", YES)
    further.set("set_country_cap", FRANCE, YES, 1)
    ann, bob = world.holder("ann", 100), world.holder("bob", 10, country=FRANCE)
    cy = world.register("cy", country=FRANCE)
    refuses(further, ann, cy, 1, code=40, fact=1)
    refuses(further, ZERO, cy, 1, code=40, fact=1)
    further.send(ann, bob, 1)
    further.send(bob, ann, 11)
    further.send(ann, cy, 1)
    refuses(further, ann, bob, 1, code=40, fact=1)
    assert further.rules.view("places_of_country", further.token, FRANCE) == (1, True, 1)
    further.set("set_country_cap", FRANCE, NO, 0)
    further.send(ann, bob, 1)
    assert further.rules.view("places_of_country", further.token, FRANCE) == (2, False, 0)


def test_a_cap_of_zero_keeps_a_country_out(further: Further) -> None:
    further.set("count_by_country", YES)
    further.set("set_country_cap", IRAN, YES, 0)
    refuses(further, further.world.holder("ann", 10), further.world.register("bob", country=IRAN), 1, code=40, fact=0)


def test_a_holder_who_sells_all_hands_the_place_of_the_country_on(further: Further) -> None:
    world = further.world
    further.set("count_by_country", YES)
    further.set("set_country_cap", FRANCE, YES, 1)
    ann, bob = world.holder("ann", 100), world.holder("bob", 10, country=FRANCE)
    cy = world.register("cy", country=FRANCE)
    refuses(further, bob, cy, 9, code=40, fact=1)
    further.send(bob, cy, 10)
    assert (further.of_country(FRANCE), further.of_country(GERMANY)) == (1, 1)
    dee = world.register("dee", country=FRANCE)
    refuses(further, ann, dee, 100, code=40, fact=1)
    # Above its cap, a country takes nobody in, even for one who goes.
    world.token.fn("forcedTransfer", ann, dee, 1, sender=world.agent)
    assert further.of_country(FRANCE) == 2
    refuses(further, cy, bob, 10, code=40, fact=1)


def test_holders_are_counted_where_they_are_and_follow_their_country(further: Further) -> None:
    world = further.world
    further.set("count_by_country", YES)
    ann, bob = world.holder("ann", 10), world.holder("bob", 10)
    further.change_country(ann, FRANCE)
    assert (further.of_country(GERMANY), further.of_country(FRANCE)) == (1, 1)
    further.change_country(bob, FRANCE)
    assert (further.of_country(GERMANY), further.of_country(FRANCE)) == (0, 2)
    further.send(ann, bob, 10)
    further.change_country(ann, IRAN)
    assert (further.of_country(GERMANY), further.of_country(FRANCE), further.of_country(IRAN)) == (0, 1, 0)
    further.tell(bob, GERMANY, IRAN)
    assert (further.of_country(FRANCE), further.of_country(IRAN)) == (1, 0)


def test_an_investor_of_no_known_country_is_counted_apart_until_it_is_known(further: Further) -> None:
    world = further.world
    token = deploy_source(world.chain, "plain", PLAIN, sender=world.owner)
    teller, ann = world.person("compliance"), world.person("ann")
    token.fn("set", ann, ann, 5, 0, sender=world.owner)
    further.rules.fn("set_compliance", token.address, teller, sender=world.agent)
    further.rules.fn("count_by_country", token.address, YES, sender=world.agent)
    further.rules.fn("book", token.address, ZERO, ann, 5, 0, 0, YES, NO, sender=teller)
    assert further.rules.view("places_of_country", token.address, 0)[0] == 1
    further.rules.fn("holder_country_changed", token.address, ann, 0, GERMANY, sender=teller)
    assert further.rules.view("places_of_country", token.address, 0)[0] == 0
    assert further.rules.view("places_of_country", token.address, GERMANY)[0] == 1


def test_a_country_that_changed_unsaid_gives_back_the_place_that_was_taken(further: Further) -> None:
    world = further.world
    further.set("count_by_country", YES)
    ann, bob = world.holder("ann", 10), world.register("bob")
    world.registry.fn("updateCountry", ann, FRANCE, sender=world.agent)
    further.send(ann, bob, 10)
    assert (further.of_country(GERMANY), further.of_country(FRANCE)) == (1, 0)


def test_an_investor_with_several_wallets_has_one_place(further: Further) -> None:
    world = further.world
    further.set("count_by_country", YES)
    further.set("set_country_cap", GERMANY, YES, 1)
    ann = world.holder("ann", 10)
    second = world.register("ann's second", identity=ann)
    further.send(ann, second, 4)
    world.token.fn("mint", second, 1, sender=world.agent)
    assert further.of_country(GERMANY) == 1
    world.token.fn("burn", ann, 6, sender=world.agent)
    assert further.of_country(GERMANY) == 1
    world.token.fn("burn", second, 5, sender=world.agent)
    assert further.of_country(GERMANY) == 0


def test_a_wallet_that_leaves_its_investor_is_told_before_and_after(further: Further) -> None:
    world = further.world
    further.set("count_by_country", YES)
    ann, bob = world.holder("ann", 10), world.holder("bob", 10, country=FRANCE)

    def regroup(wallet: str, identity: str) -> None:
        country = world.registry.view("investorCountry", wallet)
        for _ in range(2):
            further.tell(wallet, country, 0)
        world.registry.fn("updateIdentity", wallet, identity, sender=world.agent)
        for _ in range(2):
            further.tell(wallet, 0, country)

    regroup(bob, ann)
    assert (further.of_country(GERMANY), further.of_country(FRANCE)) == (1, 0)
    regroup(bob, bob)
    assert (further.of_country(GERMANY), further.of_country(FRANCE)) == (1, 1)
    cy = world.register("cy")
    regroup(cy, bob)
    regroup(ann, cy)
    assert (further.of_country(GERMANY), further.of_country(FRANCE)) == (1, 1)
    further.tell(ann, GERMANY, 0)
    world.registry.fn("deleteIdentity", ann, sender=world.agent)
    # A stranger is of no country, and takes no place on leaving.
    further.tell(ann, 0, GERMANY)
    assert further.of_country(GERMANY) == 0
    further.send(ann, bob, 10)
    assert (further.of_country(GERMANY), further.of_country(FRANCE)) == (0, 1)


def test_who_held_before_counting_began_is_counted_by_name(further: Further) -> None:
    world = further.world
    ann, bob, cy = world.holder("ann", 10), world.holder("bob", 10), world.holder("cy", 10, country=FRANCE)
    nobody, stranger = world.register("nobody"), world.holder("stranger", 10)
    world.registry.fn("deleteIdentity", stranger, sender=world.agent)
    further.set("count_by_country", YES)
    further.set("set_country_cap", GERMANY, YES, 0)
    # Not a new holder, so no cap stands against it.
    further.send(cy, bob, 1)
    assert further.of_country(GERMANY) == 0
    done = further.rules.fn("count_holders", further.token, [ann, nobody, stranger, ann, bob], sender=world.agent)
    assert done.logs == [DecodedLog("InvestorCounted", {"token": further.token, "investor": each}) for each in (ann, bob)]
    assert (further.of_country(GERMANY), further.of_country(FRANCE)) == (2, 0)
    further.send(bob, ann, 11)
    further.send(cy, ann, 9)
    assert (further.of_country(GERMANY), further.of_country(FRANCE)) == (1, 0)


def test_counting_begins_anew_without_what_an_earlier_time_left(further: Further) -> None:
    world = further.world
    further.set("count_by_country", YES)
    further.set("set_country_cap", GERMANY, YES, 1)
    ann, bob = world.holder("ann", 10), world.register("bob")
    further.set("count_by_country", NO)
    further.send(ann, bob, 5)
    assert further.rules.view("investor", further.token, ann)[2] is False
    further.set("count_by_country", YES)
    assert further.rules.view("places_of_country", further.token, GERMANY) == (0, False, 0)
    further.send(ann, bob, 5)
    assert further.of_country(GERMANY) == 0
    further.set("count_holders", [ann, bob])
    assert further.of_country(GERMANY) == 1


def test_counting_begins_at_most_255_times(further: Further) -> None:
    for kind in ("count_by_country", "count_by_category"):
        for _ in range(255):
            further.set(kind, YES)
        with refused("rules: counting began too often"):
            further.set(kind, YES)
        further.set(kind, NO)
    assert further.rules.view("rules", further.token)[0] == further.compliance.address


def test_an_investor_can_be_forgotten_and_counted_again(further: Further) -> None:
    world = further.world
    further.set("count_by_country", YES)
    ann = world.holder("ann", 10)
    for _ in range(2):
        done = further.rules.fn("forget_investor", further.token, ann, sender=world.agent)
        assert done.logs == [DecodedLog("InvestorForgotten", {"token": further.token, "investor": ann})]
        assert further.of_country(GERMANY) == 0
    further.set("count_holders", [ann])
    assert further.of_country(GERMANY) == 1


# Caps per category


def test_no_more_investors_of_a_category_hold_than_its_cap(further: Further) -> None:
    world = further.world
    ann, bob, cy = world.holder("ann", 100), world.register("bob"), world.register("cy")
    second = world.register("bob's second", identity=bob)
    further.set("count_by_category", YES)
    further.set("set_category_cap", RETAIL, YES, 1)
    done = further.rules.fn("set_categories", further.token, [second, cy], [RETAIL, RETAIL], sender=world.agent)
    assert done.logs == [
        DecodedLog("CategorySet", {"token": further.token, "investor": bob, "category": RETAIL}),
        DecodedLog("CategorySet", {"token": further.token, "investor": cy, "category": RETAIL}),
    ]
    further.send(ann, bob, 10)
    refuses(further, ann, cy, 1, code=41, fact=1)
    further.send(bob, cy, 10)
    assert further.rules.view("places_of_category", further.token, RETAIL) == (1, True, 1)
    assert further.rules.view("investor", further.token, cy)[1:5] == (RETAIL, False, 0, True)


def test_a_holder_is_counted_in_the_new_category_at_once(further: Further) -> None:
    world = further.world
    further.set("count_by_category", YES)
    ann, bob = world.holder("ann", 10), world.register("bob")
    further.set("set_categories", [ann, bob], [PROFESSIONAL, PROFESSIONAL])
    assert [further.of_category(each) for each in (0, RETAIL, PROFESSIONAL)] == [0, 0, 1]
    further.set("set_categories", [ann], [0])
    assert [further.of_category(each) for each in (0, RETAIL, PROFESSIONAL)] == [1, 0, 0]
    further.set("set_category_cap", 0, YES, 1)
    cy = world.register("cy")
    refuses(further, ann, cy, 1, code=41, fact=1)
    further.send(ann, bob, 1)


def test_a_category_belongs_to_a_registered_investor(further: Further) -> None:
    with refused("rules: wallet is not registered"):
        further.set("set_categories", [further.world.person("stranger")], [RETAIL])
    with refused("rules: lists differ in length"):
        further.set("set_categories", [], [RETAIL])


def test_a_cap_needs_the_count(further: Further) -> None:
    for cap, group in (("set_country_cap", GERMANY), ("set_category_cap", RETAIL)):
        with refused("rules: holders are not counted"):
            further.set(cap, group, YES, 1)
    further.set("count_by_country", YES)
    further.set("set_country_cap", GERMANY, YES, 2**32 - 1)
    with refused(TOO_LARGE):
        further.set("set_country_cap", GERMANY, YES, 2**32)


# Windows and hours


def test_holders_transfer_only_while_a_window_is_open(further: Further) -> None:
    world = further.world
    ann, bob = world.holder("ann", 100), world.register("bob")
    now = world.chain.now
    opens, closes = [now + 10, now + 30], [now + 20, now + 40]
    done = further.rules.fn("set_transfer_windows", further.token, YES, opens, closes, sender=world.agent)
    facts = {"token": further.token, "is_on": True, "opens_at": tuple(opens), "closes_at": tuple(closes)}
    assert done.logs == [DecodedLog("TransferWindowsSet", facts)]
    expected = {9: now + 10, 10: 0, 19: 0, 20: now + 30, 29: now + 30, 30: 0, 39: 0, 40: None, 1000: None}
    for after, opening in expected.items():
        world.chain.pass_time(now + after - world.chain.now)
        if opening == 0:
            further.send(ann, bob, 1)
        else:
            refuses(further, ann, bob, 1, code=42, fact=opening or 0)
    world.token.fn("mint", ann, 1, sender=world.agent)
    world.token.fn("forcedTransfer", ann, bob, 1, sender=world.agent)
    world.token.fn("burn", bob, 1, sender=world.agent)
    further.set("set_transfer_windows", NO, [], [])
    further.send(ann, bob, 1)


def test_windows_come_in_order_and_do_not_overlap(further: Further) -> None:
    further.set("set_transfer_windows", YES, [10, 20], [20, 2**40 - 1])
    assert further.rules.view("rules", further.token)[3:6] == (True, (10, 20), (20, 2**40 - 1))
    for opens, closes in (([10, 19], [20, 30]), ([10], [10]), ([10], [9])):
        with refused("rules: windows are out of order"):
            further.set("set_transfer_windows", YES, opens, closes)
    with refused("rules: lists differ in length"):
        further.set("set_transfer_windows", YES, [10], [])
    with refused(TOO_LARGE):
        further.set("set_transfer_windows", YES, [10], [2**40])


@settings(max_examples=25, deadline=None)
@given(
    opens=st.integers(0, DAY - 1),
    length=st.integers(1, DAY),
    weekdays=st.integers(1, EVERY_DAY),
    after=st.integers(0, 8 * DAY),
)
def test_hours_open_on_the_days_of_the_week_between_two_seconds_in_utc(
    shared_further: Further, opens: int, length: int, weekdays: int, after: int
) -> None:
    further, world = shared_further, shared_further.world
    closes = min(DAY, opens + length)
    with world.chain.undone():
        ann, bob = world.holder("ann", 100), world.register("bob")
        further.set("set_transfer_hours", opens, closes, weekdays)
        world.chain.pass_time(after)
        now = world.chain.now
        # Day 0 was a Thursday, the fourth day of the week.
        openings = [day * DAY + opens for day in range(now // DAY, now // DAY + 8) if weekdays >> (day + 3) % 7 & 1]
        ahead = [opening for opening in openings if now < opening + closes - opens]
        assert further.answer(ann, bob, 1) == ((0, 0) if ahead[0] <= now else (43, ahead[0]))


def test_hours_refuse_the_act_and_are_lifted(further: Further) -> None:
    world = further.world
    ann, bob = world.holder("ann", 100), world.register("bob")
    second = world.chain.now % DAY
    further.set("set_transfer_hours", (second + 1) % (DAY - 1), (second + 1) % (DAY - 1) + 1, EVERY_DAY)
    code, opens_at = further.answer(ann, bob, 1)
    refuses(further, ann, bob, 1, code=43, fact=opens_at)
    assert code == 43
    world.chain.pass_time(opens_at - world.chain.now)
    further.send(ann, bob, 1)
    further.set("set_transfer_hours", 0, 0, 0)
    world.chain.pass_time(1)
    further.send(ann, bob, 1)


def test_hours_are_within_a_day_and_in_order(further: Further) -> None:
    further.set("set_transfer_hours", 0, DAY, EVERY_DAY)
    for opens, closes in ((5, 5), (6, 5), (0, DAY + 1)):
        with refused("rules: hours are out of order"):
            further.set("set_transfer_hours", opens, closes, 1)
    with refused(TOO_LARGE):
        further.set("set_transfer_hours", 0, 1, EVERY_DAY + 1)


# Venues


VENUE = """
interface Rules:
    def announce_transfer(token: address, sender: address, receiver: address, amount: uint256): nonpayable

interface Token:
    def transferFrom(_from: address, _to: address, _amount: uint256) -> bool: nonpayable

@external
def announce(rules: address, token: address, sender: address, receiver: address, amount: uint256):
    extcall Rules(rules).announce_transfer(token, sender, receiver, amount)

@external
def settle(rules: address, token: address, sender: address, receiver: address, amount: uint256, times: uint256):
    extcall Rules(rules).announce_transfer(token, sender, receiver, amount)
    for _: uint256 in range(times, bound=3):
        extcall Token(token).transferFrom(sender, receiver, amount)
"""


def test_a_listed_venue_is_sender_or_receiver(further: Further) -> None:
    world = further.world
    ann, bob, desk = world.holder("ann", 100), world.register("bob"), world.register("desk")
    further.set("set_venues_only", YES)
    refuses(further, ann, desk, 10, code=44, fact=0)
    done = further.rules.fn("list_venues", further.token, [desk], YES, sender=world.agent)
    assert done.logs == [DecodedLog("VenueListed", {"token": further.token, "venue": desk, "is_listed": True})]
    assert further.rules.view("is_venue", further.token, desk) is True
    further.send(ann, desk, 10)
    further.send(desk, bob, 10)
    refuses(further, bob, ann, 1, code=44, fact=0)
    world.token.fn("mint", bob, 1, sender=world.agent)
    further.set("list_venues", [desk], NO)
    refuses(further, ann, desk, 10, code=44, fact=0)
    further.set("set_venues_only", NO)
    further.send(bob, ann, 1)


def test_a_listed_venue_announces_each_transfer_that_it_settles(further: Further) -> None:
    world = further.world
    venue = deploy_source(world.chain, "venue", VENUE, sender=world.owner)
    ann, bob = world.holder("ann", 100), world.register("bob")
    further.set("set_venues_only", YES)
    world.token.fn("approve", venue.address, 1000, sender=ann)
    order = (further.rules.address, further.token, ann, bob, 7)
    with refused("rules: caller is not a listed venue"):
        venue.fn("settle", *order, 1, sender=world.owner)
    further.set("list_venues", [venue.address], YES)
    venue.fn("settle", *order, 1, sender=world.owner)
    assert world.balance(bob) == 7
    with refused(NOT_POSSIBLE):
        venue.fn("settle", *order, 2, sender=world.owner)
    assert world.balance(bob) == 7
    refuses(further, ann, bob, 7, code=44, fact=0)


def test_an_announcement_ends_with_its_transaction(further: Further) -> None:
    world = further.world
    venue = deploy_source(world.chain, "venue", VENUE, sender=world.owner)
    ann, bob = world.holder("ann", 100), world.register("bob")
    further.set("set_venues_only", YES)
    further.set("list_venues", [venue.address], YES)
    venue.fn("announce", further.rules.address, further.token, ann, bob, 7, sender=world.owner)
    refuses(further, ann, bob, 7, code=44, fact=0)


# Approval


def test_an_approved_transfer_is_made_once_before_its_time(further: Further) -> None:
    world = further.world
    ann, bob = world.holder("ann", 100), world.register("bob")
    until = world.chain.now + 10
    further.set("set_approval_needed", YES)
    refuses(further, ann, bob, 5, code=45, fact=0)
    done = further.rules.fn("approve_transfer", further.token, ann, bob, 5, until, sender=world.agent)
    facts = {"token": further.token, "sender": ann, "receiver": bob, "amount": 5, "until": until}
    assert done.logs == [DecodedLog("TransferApproved", facts)]
    assert further.rules.view("approved_until", further.token, ann, bob, 5) == until
    for sender, receiver, amount in ((ann, bob, 4), (ann, bob, 6), (bob, ann, 5)):
        assert further.answer(sender, receiver, amount)[0] in {4, 45}
    further.send(ann, bob, 5)
    assert further.rules.view("approved_until", further.token, ann, bob, 5) == 0
    refuses(further, ann, bob, 5, code=45, fact=0)
    further.set("approve_transfer", ann, bob, 5, until)
    world.chain.pass_time(9)
    assert further.answer(ann, bob, 5) == (0, 0)
    world.chain.pass_time(1)
    refuses(further, ann, bob, 5, code=45, fact=0)


def test_an_approval_can_be_withdrawn_and_is_kept_while_none_is_needed(further: Further) -> None:
    world = further.world
    ann, bob = world.holder("ann", 100), world.register("bob")
    further.set("approve_transfer", ann, bob, 5, 2**40)
    further.send(ann, bob, 5)
    further.set("set_approval_needed", YES)
    assert further.answer(ann, bob, 5) == (0, 0)
    further.set("approve_transfer", ann, bob, 5, 0)
    refuses(further, ann, bob, 5, code=45, fact=0)
    world.token.fn("mint", ann, 1, sender=world.agent)
    further.set("set_approval_needed", NO)
    further.send(ann, bob, 5)


# Positions


def test_only_a_whole_position_is_sent(further: Further) -> None:
    world = further.world
    ann, bob, cy = world.holder("ann", 100), world.holder("bob", 10), world.register("cy")
    second = world.holder("ann's second", 20, identity=ann)
    further.set("set_whole_position", YES, NO)
    refuses(further, ann, bob, 100, code=46, fact=120)
    further.send(second, ann, 15)
    further.send(second, ann, 5)
    refuses(further, ann, bob, 119, code=46, fact=120)
    further.send(ann, bob, 120)
    world.token.fn("mint", bob, 1, sender=world.agent)
    world.token.fn("burn", bob, 1, sender=world.agent)
    further.set("set_whole_position", NO, NO)
    further.send(bob, cy, 1)


def test_only_who_holds_nothing_receives(further: Further) -> None:
    world = further.world
    ann, bob = world.holder("ann", 100), world.register("bob")
    second = world.register("bob's second", identity=bob)
    further.set("set_whole_position", NO, YES)
    further.send(ann, bob, 10)
    refuses(further, ann, bob, 1, code=50, fact=10)
    refuses(further, ann, second, 1, code=50, fact=10)
    further.send(bob, second, 4)
    world.token.fn("mint", bob, 1, sender=world.agent)
    refuses(further, ann, second, 1, code=50, fact=11)


def test_an_investor_holds_nothing_or_the_minimum(further: Further) -> None:
    world = further.world
    further.set("set_minimum_holding", 10)
    ann, bob = world.holder("ann", 100), world.register("bob")
    second = world.register("bob's second", identity=bob)
    refuses(further, ZERO, bob, 9, code=51, fact=10)
    refuses(further, ann, bob, 9, code=51, fact=10)
    refuses(further, ann, bob, 91, code=47, fact=10)
    further.send(ann, bob, 10)
    further.send(ann, second, 1)
    further.send(bob, second, 9)
    refuses(further, second, ann, 2, code=47, fact=10)
    further.send(second, ann, 1)
    further.send(ann, second, 80)
    further.send(ann, second, 10)
    # An agent's acts are bound by nothing.
    world.token.fn("burn", second, 95, sender=world.agent)
    world.token.fn("forcedTransfer", second, ann, 1, sender=world.agent)
    refuses(further, second, ann, 1, code=47, fact=10)
    further.set("set_minimum_holding", 0)
    further.send(second, ann, 1)


def test_limits_are_those_that_fit(further: Further) -> None:
    further.set("set_minimum_holding", AMOUNT_MAX)
    further.set("set_volume_limit", AMOUNT_MAX, 2**32 - 1)
    further.set("set_holding_period", 2**32 - 1)
    rules = further.rules.view("rules", further.token)
    assert rules[-4:] == (AMOUNT_MAX, 2**32 - 1, AMOUNT_MAX, 2**32 - 1)
    for rule, arguments in (
        ("set_minimum_holding", (AMOUNT_MAX + 1,)),
        ("set_volume_limit", (AMOUNT_MAX + 1, 1)),
        ("set_volume_limit", (1, 2**32)),
        ("set_holding_period", (2**32,)),
    ):
        with refused(TOO_LARGE):
            further.set(rule, *arguments)


# The holding period


def test_what_was_acquired_is_held_for_the_period_lot_by_lot(further: Further) -> None:
    world = further.world
    ann, bob = world.holder("ann", 100), world.register("bob")
    further.set("set_holding_period", 100)
    further.send(ann, bob, 60)  # What was there before is free.
    start = world.chain.now
    refuses(further, bob, ann, 1, code=48, fact=start + 100)
    world.chain.pass_time(40)
    world.token.fn("mint", bob, 40, sender=world.agent)
    assert further.rules.view("investor", further.token, bob)[6:] == (100, start + 140)
    world.chain.pass_time(59)
    refuses(further, bob, ann, 1, code=48, fact=start + 140)
    world.chain.pass_time(1)
    refuses(further, bob, ann, 61, code=48, fact=start + 140)
    further.send(bob, ann, 60)
    refuses(further, bob, ann, 1, code=48, fact=start + 140)
    world.chain.pass_time(40)
    assert further.rules.view("investor", further.token, bob)[6:] == (0, 0)
    further.send(bob, ann, 40)


def test_nobody_holds_back_what_another_has_by_sending_a_little(further: Further) -> None:
    world = further.world
    further.set("set_holding_period", 100)
    ann, eve = world.holder("ann", 100), world.holder("eve", 100)
    world.chain.pass_time(100)
    for _ in range(5):
        further.send(eve, ann, 1)
        world.chain.pass_time(1)
    assert further.answer(ann, eve, 101)[0] == 48
    further.send(ann, eve, 100)


def test_own_wallets_share_what_is_held_back_and_move_it_freely(further: Further) -> None:
    world = further.world
    further.set("set_holding_period", 100)
    ann = world.holder("ann", 100)
    second, bob = world.register("ann's second", identity=ann), world.register("bob")
    further.send(ann, second, 30)
    refuses(further, second, bob, 1, code=48, fact=world.chain.now + 100)
    world.chain.pass_time(100)
    further.send(second, ann, 10)
    further.send(second, bob, 20)
    assert further.rules.view("investor", further.token, second)[6:] == (0, 0)


def test_a_lost_wallet_stays_with_its_investor(further: Further) -> None:
    world = further.world
    world.registry.fn("addAgent", further.compliance.address, sender=world.owner)
    identity = world.person("identity of ann")
    further.set("set_holding_period", 100)
    further.set("count_by_country", YES)
    further.set("set_volume_limit", 50, 1000)
    ann = world.holder("ann", 60, identity=identity)
    acquired_at = world.chain.now
    world.chain.pass_time(50)
    new = world.person("ann's new")
    world.token.fn("recoveryAddress", ann, new, identity, sender=world.agent)
    remembered = further.rules.view("investor", further.token, new)
    assert remembered == (identity, 0, True, GERMANY, False, 0, 60, acquired_at + 100)
    assert further.rules.view("investor", further.token, ann) == remembered
    world.token.fn("burn", new, 60, sender=world.agent)
    assert further.of_country(GERMANY) == 0


@settings(max_examples=20, deadline=None)
@given(acts=st.lists(st.tuples(st.sampled_from(["gets", "sends"]), st.integers(1, 30), st.integers(0, 40)), max_size=25))
def test_what_is_held_back_is_what_was_acquired_within_the_period_first_in_first_out(
    shared_further: Further, acts: list[tuple[str, int, int]]
) -> None:
    further, world = shared_further, shared_further.world
    with world.chain.undone():
        ann, bob = world.register("ann"), world.register("bob")
        further.set("set_holding_period", 60)
        lots: list[tuple[int, int]] = []  # When acquired, how much of it is left.
        for act, amount, pause in acts:
            world.chain.pass_time(pause)
            free = sum(left for acquired_at, left in lots if acquired_at + 60 <= world.chain.now)
            total = sum(left for _, left in lots)
            if act == "gets":
                world.token.fn("mint", ann, amount, sender=world.agent)
                lots.append((world.chain.now, amount))
            elif amount <= total:
                code, _ = further.answer(ann, bob, amount)
                assert code == (0 if amount <= free else 48)
                # By force where it must be, so that lots go early too.
                world.token.fn("forcedTransfer", ann, bob, amount, sender=world.agent)
                rest = amount
                while rest > 0:
                    acquired_at, left = lots.pop(0)
                    if left > rest:
                        lots.insert(0, (acquired_at, left - rest))
                    rest -= min(rest, left)


# The volume limit


def test_an_investor_sends_at_most_the_limit_within_a_period(further: Further) -> None:
    world = further.world
    ann, bob = world.holder("ann", 100), world.register("bob")
    second = world.holder("ann's second", 50, identity=ann)
    further.set("set_volume_limit", 20, 1000)
    world.chain.pass_time(1000 - world.chain.now % 1000)
    further.send(ann, bob, 12)
    further.send(ann, second, 30)
    further.send(second, bob, 3)
    assert further.rules.view("investor", further.token, ann)[5] == 15
    refuses(further, ann, bob, 6, code=49, fact=5)
    refuses(further, second, bob, 6, code=49, fact=5)
    further.send(bob, ann, 15)
    world.chain.pass_time(999)
    refuses(further, ann, bob, 6, code=49, fact=5)
    world.chain.pass_time(1)
    further.send(ann, bob, 20)
    refuses(further, second, bob, 1, code=49, fact=0)
    further.set("set_volume_limit", 0, 0)
    assert further.rules.view("investor", further.token, ann)[5] == 0
    further.send(ann, bob, 20)


def test_a_forced_transfer_is_sent_a_mint_and_a_burn_are_not(further: Further) -> None:
    world = further.world
    further.set("set_volume_limit", 20, 10**6)
    ann, bob = world.holder("ann", 100), world.register("bob")
    world.token.fn("burn", ann, 10, sender=world.agent)
    assert further.rules.view("investor", further.token, ann)[5] == 0
    world.token.fn("forcedTransfer", ann, bob, 30, sender=world.agent)
    assert further.rules.view("investor", further.token, ann)[5] == 30
    refuses(further, ann, bob, 1, code=49, fact=0)
    world.token.fn("burn", ann, 60, sender=world.agent)
    assert further.rules.view("investor", further.token, ann)[5] == 30


def test_a_limit_of_nothing_lets_nothing_go(further: Further) -> None:
    ann, bob = further.world.holder("ann", 100), further.world.register("bob")
    further.set("set_volume_limit", 0, 60)
    refuses(further, ann, bob, 1, code=49, fact=0)


# What binds nobody


def every_rule(further: Further) -> None:
    """Set each rule so that it stands against every ordinary transfer."""
    against_all: list[tuple[str, tuple[Any, ...]]] = [
        ("count_by_country", (YES,)),
        ("count_by_category", (YES,)),
        ("set_country_cap", (GERMANY, YES, 0)),
        ("set_category_cap", (0, YES, 0)),
        ("set_transfer_windows", (YES, [], [])),
        ("set_transfer_hours", (0, 1, 1)),
        ("set_venues_only", (YES,)),
        ("set_approval_needed", (YES,)),
        ("set_whole_position", (YES, YES)),
        ("set_minimum_holding", (AMOUNT_MAX,)),
        ("set_holding_period", (1000,)),
        ("set_volume_limit", (0, 1000)),
    ]
    for rule, arguments in against_all:
        further.set(rule, *arguments)


def test_moves_between_own_wallets_to_oneself_or_of_nothing_are_bound_by_no_rule(further: Further) -> None:
    world = further.world
    ann = world.holder("ann", 100)
    second, bob = world.register("ann's second", identity=ann), world.holder("bob", 1)
    every_rule(further)
    for receiver, amount in ((second, 60), (ann, 40), (ann, 0), (bob, 0)):
        further.send(ann, receiver, amount)
    refuses(further, ann, bob, 1, code=42, fact=0)
    assert (world.balance(ann), world.balance(second)) == (40, 60)


def test_the_agents_acts_are_booked_and_never_refused(further: Further) -> None:
    world = further.world
    ann, bob = world.holder("ann", 100), world.register("bob")
    every_rule(further)
    world.token.fn("forcedTransfer", ann, bob, 40, sender=world.agent)
    world.token.fn("burn", bob, 40, sender=world.agent)
    world.token.fn("burn", ann, 60, sender=world.agent)
    assert further.of_country(GERMANY) == further.of_category(0) == 0


def test_a_token_without_rules_is_judged_and_booked_for_nothing(further: Further) -> None:
    ann, bob = further.world.holder("ann", 100), further.world.register("bob")
    further.send(ann, bob, 100)
    assert further.rules.view("investor", further.token, bob) == (bob, 0, False, 0, False, 0, 0, 0)


def test_each_token_has_rules_of_its_own(further: Further) -> None:
    other = further.world.person("another token")
    further.rules.fn("set_compliance", other, further.compliance.address, sender=further.world.owner)
    further.set("set_minimum_holding", 10)
    further.rules.fn("set_minimum_holding", other, 20, sender=further.world.agent)
    assert further.rules.view("rules", further.token)[13] == 10
    assert further.rules.view("rules", other)[13] == 20


def test_one_view_tells_every_rule(further: Further) -> None:
    further.set("count_by_country", YES)
    further.set("set_transfer_windows", YES, [1], [2])
    further.set("set_transfer_hours", 3, 4, 5)
    further.set("set_venues_only", YES)
    further.set("set_whole_position", NO, YES)
    further.set("set_minimum_holding", 6)
    further.set("set_holding_period", 7)
    further.set("set_volume_limit", 8, 9)
    rules = further.rules.view("rules", further.token)
    place = further.compliance.address
    assert rules == (place, True, False, True, (1,), (2,), 3, 4, 5, True, False, False, True, 6, 7, 8, 9)
    further.set("count_by_country", NO)
    further.set("count_by_category", YES)
    further.set("set_transfer_windows", NO, [1], [2])
    further.set("set_venues_only", NO)
    further.set("set_approval_needed", YES)
    further.set("set_whole_position", YES, NO)
    rules = further.rules.view("rules", further.token)
    assert rules == (place, False, True, False, (1,), (2,), 3, 4, 5, False, True, True, False, 6, 7, 8, 9)


# Who may


SETTERS: list[tuple[str, tuple[Any, ...], str, dict[str, Any]]] = [
    ("count_by_country", (YES,), "CountingByCountrySet", {"is_on": True}),
    ("count_by_category", (YES,), "CountingByCategorySet", {"is_on": True}),
    ("set_transfer_windows", (YES, [], []), "TransferWindowsSet", {"is_on": True, "opens_at": (), "closes_at": ()}),
    ("set_transfer_hours", (1, 2, 3), "TransferHoursSet", {"opens_at": 1, "closes_at": 2, "weekdays": 3}),
    ("set_venues_only", (YES,), "VenuesOnlySet", {"is_on": True}),
    ("set_approval_needed", (YES,), "ApprovalNeededSet", {"is_on": True}),
    ("set_whole_position", (YES, NO), "WholePositionSet", {"sends_whole": True, "receives_whole": False}),
    ("set_minimum_holding", (5,), "MinimumHoldingSet", {"minimum": 5}),
    ("set_holding_period", (5,), "HoldingPeriodSet", {"period_seconds": 5}),
    ("set_volume_limit", (5, 6), "VolumeLimitSet", {"amount_max": 5, "period_seconds": 6}),
    ("set_country_cap", (GERMANY, YES, 3), "CountryCapSet", {"country": GERMANY, "is_capped": True, "holders_max": 3}),
    ("set_category_cap", (RETAIL, YES, 3), "CategoryCapSet", {"category": RETAIL, "is_capped": True, "holders_max": 3}),
    ("set_categories", ([], []), "", {}),
    ("count_holders", ([],), "", {}),
    ("list_venues", ([], YES), "", {}),
    ("approve_transfer", (ZERO, ZERO, 1, 2), "TransferApproved", {"sender": ZERO, "receiver": ZERO, "amount": 1, "until": 2}),
    ("forget_investor", (ZERO,), "InvestorForgotten", {"investor": ZERO}),
]


@pytest.mark.parametrize(("rule", "arguments", "event", "facts"), SETTERS, ids=[rule for rule, *_ in SETTERS])
def test_owner_and_agents_set_rules_of_tokens_that_are_wired_and_nobody_else(
    further: Further, rule: str, arguments: tuple[Any, ...], event: str, facts: dict[str, Any]
) -> None:
    world = further.world
    further.set("count_by_country", YES)
    further.set("count_by_category", YES)
    for who in (world.owner, world.agent):
        done = further.rules.fn(rule, further.token, *arguments, sender=who)
        assert done.logs == ([DecodedLog(event, {"token": further.token} | facts)] if event else [])
    with refused(NEITHER):
        further.rules.fn(rule, further.token, *arguments, sender=world.person("stranger"))
    with refused(NO_COMPLIANCE):
        further.rules.fn(rule, world.person("a token that nobody wired"), *arguments, sender=world.agent)


def test_only_the_tokens_compliance_tells_what_has_moved(further: Further) -> None:
    ann, bob = further.world.holder("ann", 1), further.world.holder("bob", 1)
    for who in (further.world.owner, further.world.agent, further.token, ann):
        with refused("rules: caller is not the token's compliance"):
            further.rules.fn("book", further.token, ann, bob, 1, 1, 1, NO, YES, sender=who)
        with refused("rules: caller is not the token's compliance"):
            further.rules.fn("holder_country_changed", further.token, ann, GERMANY, FRANCE, sender=who)


def test_a_token_is_given_to_another_compliance_contract_or_to_none(further: Further) -> None:
    world = further.world
    ann, bob = world.holder("ann", 10), world.register("bob")
    further.set("set_minimum_holding", 5)
    done = further.rules.fn("set_compliance", further.token, ZERO, sender=world.owner)
    assert done.logs == [DecodedLog("ComplianceSet", {"token": further.token, "compliance": ZERO})]
    with refused("rules: caller is not the token's compliance"):
        world.token.fn("transfer", bob, 5, sender=ann)
    further.rules.fn("set_compliance", further.token, further.compliance.address, sender=world.agent)
    refuses(further, ann, bob, 4, code=51, fact=5)
    with refused(NEITHER):
        further.rules.fn("set_compliance", further.token, ZERO, sender=ann)
    with refused("invalid argument - zero address"):
        further.rules.fn("set_compliance", ZERO, further.compliance.address, sender=world.agent)


def test_the_rules_begin_once(further: Further) -> None:
    with refused("Initializable: contract is already initialized"):
        further.rules.fn("initialize", sender=further.world.agent)


# Registries of any make


PLAIN = """
# A token and its ERC-3643 registry, neither of which knows groups of wallets.
identities: HashMap[address, address]
countries: HashMap[address, uint16]
balances: HashMap[address, uint256]

@external
def set(wallet: address, identity: address, balance: uint256, country: uint16):
    self.identities[wallet] = identity
    self.countries[wallet] = country
    self.balances[wallet] = balance

@external
@view
def identityRegistry() -> address:
    return self

@external
@view
def identity(_userAddress: address) -> address:
    return self.identities[_userAddress]

@external
@view
def investorCountry(_userAddress: address) -> uint16:
    return self.countries[_userAddress]

@external
@view
def balanceOf(holder: address) -> uint256:
    return self.balances[holder]
"""


def test_a_registry_that_knows_no_groups_and_amounts_of_any_size_are_judged_and_booked(further: Further) -> None:
    world = further.world
    token = deploy_source(world.chain, "plain", PLAIN, sender=world.owner)
    teller, huge = world.person("compliance"), 2**256 - 1
    ann, bob, of_ann, of_bob = (world.person(name) for name in ("ann", "bob", "identity of ann", "identity of bob"))
    for wallet, identity in ((ann, of_ann), (bob, of_bob)):
        token.fn("set", wallet, identity, 0, 65_535, sender=world.owner)
    further.rules.fn("set_compliance", token.address, teller, sender=world.agent)

    def rule(name: str, *arguments: Any) -> None:
        further.rules.fn(name, token.address, *arguments, sender=world.agent)

    def judged(sender: str, receiver: str, amount: int, held: int, *, joins: bool = NO) -> tuple[int, int]:
        return further.rules.view("judge", token.address, sender, receiver, amount, held, 0, joins, NO)

    rule("count_by_country", YES)
    rule("set_holding_period", 1000)
    further.rules.fn("book", token.address, ZERO, ann, huge, 0, 0, YES, NO, sender=teller)
    assert further.rules.view("places_of_country", token.address, 65_535) == (1, False, 0)
    further.rules.fn("book", token.address, ZERO, ann, huge, 0, 0, NO, NO, sender=teller)
    assert further.rules.view("investor", token.address, ann) == (of_ann, 0, True, 65_535, False, 0, 2**129 - 2, world.chain.now + 1000)
    assert judged(ann, bob, huge, huge) == (48, world.chain.now + 1000)
    rule("set_holding_period", 0)
    rule("set_minimum_holding", AMOUNT_MAX)
    assert judged(ann, bob, huge, huge) == (0, 0)
    # More than is held is the token's to refuse.
    assert judged(ann, bob, huge, 1) == (0, 0)
    assert judged(ann, bob, AMOUNT_MAX - 1, huge) == (51, AMOUNT_MAX)
    rule("set_volume_limit", AMOUNT_MAX, 10**6)
    assert judged(ann, bob, huge, huge) == (49, AMOUNT_MAX)
    for _ in range(2):
        further.rules.fn("book", token.address, ann, bob, huge, huge, 0, NO, NO, sender=teller)
        assert further.rules.view("investor", token.address, ann)[5] == AMOUNT_MAX
    rule("set_country_cap", 65_535, YES, 0)
    rule("set_volume_limit", 0, 0)
    token.fn("set", bob, of_bob, 5, 65_535, sender=world.owner)
    rule("count_holders", [bob])
    assert further.rules.view("places_of_country", token.address, 65_535) == (2, True, 0)
    assert judged(ann, bob, huge, huge, joins=YES) == (0, 0)


# The published reasons


def country_holder_cap(further: Further) -> tuple[str, str]:
    further.set("count_by_country", YES)
    further.set("set_country_cap", FRANCE, YES, 0)
    return further.world.holder("ann", 10), further.world.register("bob", country=FRANCE)


def ordinary(further: Further) -> tuple[str, str]:
    return further.world.holder("ann", 10), further.world.register("bob")


def category_holder_cap(further: Further) -> tuple[str, str]:
    ann, bob = ordinary(further)
    further.set("count_by_category", YES)
    further.set("set_category_cap", 0, YES, 0)
    return ann, bob


def transfer_window_closed(further: Further) -> tuple[str, str]:
    further.set("set_transfer_windows", YES, [], [])
    return ordinary(further)


def transfer_hours_closed(further: Further) -> tuple[str, str]:
    now = further.world.chain.now
    tomorrow = 1 << (now // DAY + 4) % 7
    further.set("set_transfer_hours", 0, DAY, tomorrow)
    return ordinary(further)


def venue_not_listed(further: Further) -> tuple[str, str]:
    further.set("set_venues_only", YES)
    return ordinary(further)


def transfer_not_approved(further: Further) -> tuple[str, str]:
    further.set("set_approval_needed", YES)
    return ordinary(further)


def whole_position_only(further: Further) -> tuple[str, str]:
    further.set("set_whole_position", YES, NO)
    return ordinary(further)


def sender_below_minimum(further: Further) -> tuple[str, str]:
    further.set("set_minimum_holding", 10)
    return ordinary(further)


def holding_period(further: Further) -> tuple[str, str]:
    further.set("set_holding_period", 10)
    return ordinary(further)


def volume_limit(further: Further) -> tuple[str, str]:
    further.set("set_volume_limit", 0, 10)
    return ordinary(further)


def receiver_holds_already(further: Further) -> tuple[str, str]:
    further.set("set_whole_position", NO, YES)
    return further.world.holder("ann", 10), further.world.holder("bob", 10)


def receiver_below_minimum(further: Further) -> tuple[str, str]:
    further.set("set_minimum_holding", 5)
    return ordinary(further)


WAYS: list[Callable[[Further], tuple[str, str]]] = [
    country_holder_cap,
    category_holder_cap,
    transfer_window_closed,
    transfer_hours_closed,
    venue_not_listed,
    transfer_not_approved,
    whole_position_only,
    sender_below_minimum,
    holding_period,
    volume_limit,
    receiver_holds_already,
    receiver_below_minimum,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_answer_beforehand_names_the_reason_and_the_act_reverts_with_its_text(
    further: Further, way: Callable[[Further], tuple[str, str]]
) -> None:
    sender, receiver = way(further)
    row = contract_artifacts.reason("security_token", further.world.why_not(sender, receiver, 1))
    assert row.code == f"compliance.{way.__name__}"
    with refused(row.revert):
        further.world.token.fn("transfer", receiver, 1, sender=sender)


def test_every_published_reason_of_the_further_rules_has_a_way_into_it() -> None:
    published = {row.code for row in contract_artifacts.reasons() if 40 <= row.chain_code < 60 and row.contract == "security_token"}
    assert published == {f"compliance.{way.__name__}" for way in WAYS}
