# SPDX-License-Identifier: Apache-2.0
"""Shares that are locked until an instant: what a holder may still do, and what an agent's acts do to them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.infra.evm.contract_artifacts import DecodedLog
from muniment.settlement.chain import LOCK_GAS, MINT_GAS
from muniment.settlement.model import LEGS_MAX
from tests.contracts.chain import NO, YES, ZERO, refused
from tests.contracts.world import World

TRANCHES_MAX = 16
LOCKED = "lockup: shares are locked"
TRANSACTION_GAS_MAX = 2**24
"""EIP-7825."""


def locked_log(wallet: str, shares: int, unlocks_at: int) -> DecodedLog:
    return DecodedLog("SharesLocked", {"wallet": wallet, "shares": shares, "unlocks_at": unlocks_at})


def released_log(wallet: str, shares: int, unlocks_at: int) -> DecodedLog:
    return DecodedLog("SharesReleased", {"wallet": wallet, "shares": shares, "unlocks_at": unlocks_at})


def lock(world: World, wallet: str, shares: int, *, after: int) -> int:
    unlocks_at = world.chain.now + after
    world.token.fn("lock", wallet, shares, unlocks_at, sender=world.agent)
    return unlocks_at


def locked(world: World, wallet: str) -> int:
    return sum(shares for shares, _ in world.token.view("lockups_of", wallet))


def of(world: World, wallet: str) -> list[tuple[int, int]]:
    return [(shares, unlocks_at - world.chain.now) for shares, unlocks_at in world.token.view("lockups_of", wallet)]


# What an agent takes back


def test_an_agent_frees_what_unlocks_last_first_and_no_more_than_is_locked(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    soon, late = lock(world, ann, 30, after=10), lock(world, ann, 50, after=20)
    done = world.token.fn("lock", ann, 60, 0, sender=world.agent)
    assert done.logs == [released_log(ann, 50, late), released_log(ann, 10, soon)]
    assert of(world, ann) == [(20, 10)]
    world.token.fn("transfer", bob, 80, sender=ann)
    with refused(LOCKED):
        world.token.fn("transfer", bob, 1, sender=ann)
    assert world.token.fn("lock", ann, 2**256 - 1, 0, sender=world.agent).logs == [released_log(ann, 20, soon)]
    assert of(world, ann) == []
    assert world.token.fn("lock", ann, 1, 0, sender=world.agent).logs == []
    world.token.fn("transfer", bob, 20, sender=ann)
    # A tranche of the same instant begins anew, and knows nothing of what was freed.
    world.token.fn("transfer", ann, 5, sender=bob)
    lock(world, ann, 5, after=soon - world.chain.now)
    assert of(world, ann) == [(5, 10)]


# What the holder may still do


def test_locked_shares_stay_until_their_instant_and_go_from_that_second_on(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    unlocks_at = world.chain.now + 10
    done = world.token.fn("lock", ann, 60, unlocks_at, sender=world.agent)
    assert done.logs == [locked_log(ann, 60, unlocks_at)]
    assert (locked(world, ann), world.token.view("free_balance", ann)) == (60, 40)
    world.token.fn("transfer", bob, 40, sender=ann)
    with refused(LOCKED):
        world.token.fn("transfer", bob, 1, sender=ann)
    assert world.token.view("check_transfer", ann, bob, 1) == (6, unlocks_at)
    world.chain.pass_time(9)
    with refused(LOCKED):
        world.token.fn("transfer", bob, 1, sender=ann)
    world.chain.pass_time(1)
    assert (locked(world, ann), world.token.view("free_balance", ann)) == (0, 60)
    assert world.token.view("lockups_of", ann) == ()
    world.token.fn("transfer", bob, 60, sender=ann)
    assert world.balance(bob) == 100


def test_the_fact_is_the_first_instant_at_which_enough_is_unlocked(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    first, last, middle = lock(world, ann, 10, after=10), lock(world, ann, 30, after=30), lock(world, ann, 20, after=20)
    for amount, instant in ((41, first), (50, first), (51, middle), (70, middle), (71, last), (100, last)):
        assert world.token.view("check_transfer", ann, bob, amount) == (6, instant)
        with refused(LOCKED):
            world.token.fn("transfer", bob, amount, sender=ann)
    assert world.why_not(ann, bob, 40) == 0
    assert world.token.view("check_transfer", ann, bob, 101) == (4, 100)


def test_locked_and_frozen_shares_do_not_overlap_and_nothing_falls_below_zero(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    lock(world, ann, 50, after=10)
    world.token.fn("freezePartialTokens", ann, 30, sender=world.agent)
    assert world.token.view("free_balance", ann) == 20
    assert (world.why_not(ann, bob, 20), world.why_not(ann, bob, 21), world.why_not(ann, bob, 71)) == (0, 6, 4)
    world.token.fn("freezePartialTokens", ann, 70, sender=world.agent)
    assert world.token.view("free_balance", ann) == 0
    assert (world.why_not(ann, bob, 0), world.why_not(ann, bob, 1)) == (0, 4)
    world.token.fn("transfer", bob, 0, sender=ann)
    world.token.fn("unfreezePartialTokens", ann, 40, sender=world.agent)
    assert (world.why_not(ann, bob, 0), world.why_not(ann, bob, 1)) == (0, 6)
    world.token.fn("transfer", bob, 0, sender=ann)


def test_a_lockup_of_the_receiver_stops_nothing_and_what_comes_in_is_free(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.holder("bob", 50)
    lock(world, bob, 50, after=10)
    world.token.fn("transfer", bob, 30, sender=ann)
    assert world.token.view("free_balance", bob) == 30


def test_an_approval_given_earlier_does_not_open_a_lockup(world: World) -> None:
    ann, bob, broker = world.holder("ann", 100), world.register("bob"), world.person("broker")
    world.token.fn("approve", broker, 100, sender=ann)
    lock(world, ann, 100, after=10)
    with refused(LOCKED):
        world.token.fn("transferFrom", ann, bob, 1, sender=broker)
    world.chain.pass_time(10)
    world.token.fn("transferFrom", ann, bob, 1, sender=broker)


def test_a_batch_stops_at_the_lockup(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    lock(world, ann, 60, after=10)
    with refused(LOCKED):
        world.token.fn("batchTransfer", [bob, bob], [40, 1], sender=ann)
    world.token.fn("batchTransfer", [bob, bob], [39, 1], sender=ann)


# What an agent may lock


def test_tranches_stand_in_the_order_of_their_instants_and_equal_instants_join(world: World) -> None:
    ann = world.holder("ann", 100)
    for shares, after in ((10, 30), (11, 10), (12, 50), (13, 40), (14, 10), (15, 50), (16, 40)):
        lock(world, ann, shares, after=after)
    assert of(world, ann) == [(27, 50), (29, 40), (10, 30), (25, 10)]
    assert locked(world, ann) == 91
    world.chain.pass_time(30)
    assert of(world, ann) == [(27, 20), (29, 10)]
    lock(world, ann, 1, after=5)
    assert of(world, ann) == [(27, 20), (29, 10), (1, 5)]
    lock(world, ann, 2, after=15)
    assert of(world, ann) == [(27, 20), (2, 15), (29, 10), (1, 5)]


def test_no_more_is_locked_than_is_held(world: World) -> None:
    ann = world.holder("ann", 100)
    lock(world, ann, 60, after=10)
    with refused("lockup: more than is held"):
        lock(world, ann, 41, after=10)
    with refused("lockup: more than is held"):
        world.token.fn("lock", world.person("stranger"), 1, world.chain.now + 1, sender=world.agent)
    lock(world, ann, 40, after=20)
    world.chain.pass_time(10)
    lock(world, ann, 60, after=5)
    assert of(world, ann) == [(40, 10), (60, 5)]


def test_a_lockup_needs_an_instant_to_come(world: World) -> None:
    ann = world.holder("ann", 100)
    end_of_the_year_9999 = 253_402_300_799
    with refused("lockup: instant is out of range"):
        lock(world, ann, 1, after=0)
    with refused("lockup: instant is out of range"):
        world.token.fn("lock", ann, 1, end_of_the_year_9999 + 1, sender=world.agent)
    world.token.fn("lock", ann, 1, end_of_the_year_9999, sender=world.agent)
    assert world.token.view("lockups_of", ann) == ((1, end_of_the_year_9999),)


@pytest.mark.parametrize("place", ["first", "between", "last"])
def test_a_wallet_has_sixteen_tranches_and_an_ended_one_makes_room(world: World, place: str) -> None:
    ann = world.holder("ann", 100)
    for each in range(TRANCHES_MAX):
        lock(world, ann, 1, after=10 * (each + 1))
    after = {"first": 5, "between": 85, "last": 500}[place]
    with refused("lockup: too many tranches"):
        lock(world, ann, 1, after=after)
    lock(world, ann, 1, after=10)
    lock(world, ann, 1, after=10 * TRANCHES_MAX)
    assert len(of(world, ann)) == TRANCHES_MAX
    assert locked(world, ann) == TRANCHES_MAX + 2
    world.chain.pass_time(10)
    lock(world, ann, 1, after=after)
    assert len(of(world, ann)) == TRANCHES_MAX
    with refused("lockup: too many tranches"):
        lock(world, ann, 1, after=after + 1)


def test_shares_are_issued_locked(world: World) -> None:
    ann, bob = world.register("ann"), world.register("bob")
    instant = world.chain.now + 5
    done = world.token.fn("mint_locked", [ann, bob, ann], [10, 20, 30], instant, sender=world.agent)
    transfers = [
        DecodedLog("Transfer", {"_from": ZERO, "_to": wallet, "_value": shares}) for wallet, shares in ((ann, 10), (bob, 20), (ann, 30))
    ]
    locks = [locked_log(ann, 10, instant), locked_log(bob, 20, instant), locked_log(ann, 30, instant)]
    assert done.logs == [log for pair in zip(transfers, locks, strict=True) for log in pair]
    assert (of(world, ann), of(world, bob)) == ([(40, 5)], [(20, 5)])
    with refused("Identity is not verified."):
        world.token.fn("mint_locked", [world.person("stranger")], [1], instant, sender=world.agent)
    with refused("lockup: instant is out of range"):
        world.token.fn("mint_locked", [ann], [1], world.chain.now, sender=world.agent)
    # Zero, with which an agent releases, is no instant to issue until.
    with refused("lockup: instant is out of range"):
        world.token.fn("mint_locked", [ann], [1], 0, sender=world.agent)


# Against the holder's will


def test_a_forced_transfer_takes_free_then_locked_then_frozen_shares(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    soon, late = lock(world, ann, 20, after=10), lock(world, ann, 30, after=20)
    world.token.fn("freezePartialTokens", ann, 40, sender=world.agent)

    def forced(amount: int) -> list[DecodedLog]:
        done = world.token.fn("forcedTransfer", ann, bob, amount, sender=world.agent)
        assert [log.event for log in done.logs[-2:]] == ["Transfer", "ForcedTransfer"]
        return done.logs[:-2]

    assert forced(10) == []
    assert (of(world, ann), world.token.view("getFrozenTokens", ann)) == ([(30, 20), (20, 10)], 40)
    assert forced(29) == [released_log(ann, 29, late)]
    assert of(world, ann) == [(1, 20), (20, 10)]
    assert forced(6) == [released_log(ann, 1, late), released_log(ann, 5, soon)]
    assert (of(world, ann), world.token.view("getFrozenTokens", ann)) == ([(15, 10)], 40)
    assert forced(25) == [
        released_log(ann, 15, soon),
        DecodedLog("TokensUnfrozen", {"_userAddress": ann, "_amount": 10}),
        DecodedLog("Frozen", {"account": ann, "amount": 30}),
    ]
    assert (of(world, ann), world.token.view("getFrozenTokens", ann), world.balance(ann)) == ([], 30, 30)


def test_a_burn_takes_locked_shares_before_frozen_ones(world: World) -> None:
    ann = world.holder("ann", 100)
    lock(world, ann, 50, after=10)
    world.token.fn("freezePartialTokens", ann, 50, sender=world.agent)
    world.token.fn("burn", ann, 20, sender=world.agent)
    assert (of(world, ann), world.token.view("getFrozenTokens", ann)) == ([(30, 10)], 50)
    world.token.fn("burn", ann, 80, sender=world.agent)
    assert (of(world, ann), world.token.view("getFrozenTokens", ann), world.balance(ann)) == ([], 0, 0)


def test_where_locks_and_freezes_cover_more_than_is_held_both_shrink_to_it(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    lock(world, ann, 80, after=10)
    world.token.fn("freezePartialTokens", ann, 90, sender=world.agent)
    world.token.fn("forcedTransfer", ann, bob, 60, sender=world.agent)
    assert (of(world, ann), world.token.view("getFrozenTokens", ann), world.balance(ann)) == ([(20, 10)], 40, 40)


def test_a_forced_transfer_to_oneself_releases_nothing(world: World) -> None:
    ann = world.holder("ann", 100)
    lock(world, ann, 100, after=10)
    world.token.fn("forcedTransfer", ann, ann, 100, sender=world.agent)
    assert of(world, ann) == [(100, 10)]


def test_what_has_ended_is_not_released_by_force(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob")
    lock(world, ann, 40, after=10)
    late = lock(world, ann, 40, after=20)
    world.chain.pass_time(10)
    done = world.token.fn("forcedTransfer", ann, bob, 90, sender=world.agent)
    assert [log for log in done.logs if log.event == "SharesReleased"] == [released_log(ann, 30, late)]
    world.chain.pass_time(10)
    done = world.token.fn("forcedTransfer", ann, bob, 10, sender=world.agent)
    assert [log.event for log in done.logs] == ["Transfer", "ForcedTransfer"]


# Recovery


def test_recovery_carries_every_lockup_to_the_new_wallet(world: World) -> None:
    ann, new, bob = world.holder("ann", 100), world.person("ann's new wallet"), world.register("bob")
    soon, late = lock(world, ann, 20, after=10), lock(world, ann, 30, after=20)
    done = world.token.fn("recoveryAddress", ann, new, ann, sender=world.agent)
    moved = [log for log in done.logs if log.event in {"SharesReleased", "SharesLocked"}]
    assert moved == [released_log(ann, 30, late), locked_log(new, 30, late), released_log(ann, 20, soon), locked_log(new, 20, soon)]
    assert (of(world, ann), of(world, new)) == ([], [(30, 20), (20, 10)])
    assert (locked(world, ann), world.token.view("free_balance", new)) == (0, 50)
    with refused(LOCKED):
        world.token.fn("transfer", bob, 51, sender=new)
    world.token.fn("transfer", bob, 50, sender=new)


def test_recovery_merges_lockups_and_leaves_ended_ones_behind(world: World) -> None:
    ann = world.holder("ann", 100)
    second = world.holder("ann's second", 50, identity=ann)
    for shares, after in ((1, 5), (10, 10), (20, 20), (30, 30)):
        lock(world, ann, shares, after=after)
    for shares, after in ((2, 15), (3, 20), (4, 40)):
        lock(world, second, shares, after=after)
    world.chain.pass_time(5)
    world.token.fn("recoveryAddress", ann, second, ann, sender=world.agent)
    assert of(world, second) == [(4, 35), (30, 25), (23, 15), (2, 10), (10, 5)]
    assert world.token.view("free_balance", second) == 150 - 69


def test_a_recovery_that_would_make_too_many_tranches_is_refused(world: World) -> None:
    ann = world.holder("ann", 100)
    second = world.holder("ann's second", 50, identity=ann)
    for each in range(TRANCHES_MAX):
        lock(world, second, 1, after=10 + each)
    lock(world, ann, 1, after=9)
    with refused("lockup: too many tranches"):
        world.token.fn("recoveryAddress", ann, second, ann, sender=world.agent)
    third = world.register("ann's third", identity=ann)
    world.token.fn("recoveryAddress", ann, third, ann, sender=world.agent)
    assert of(world, third) == [(1, 9)]


def test_a_recovered_wallet_keeps_no_lock_and_can_be_locked_again(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.holder("bob", 10)
    instant = lock(world, ann, 100, after=10)
    new = world.person("new")
    world.token.fn("recoveryAddress", ann, new, ann, sender=world.agent)
    world.registry.fn("register_investor", world.person("other"), ZERO, 276, 2**40 - 1, sender=world.agent)
    world.token.fn("transfer", world.person("other"), 10, sender=bob)
    world.token.fn("lock", world.person("other"), 4, instant, sender=world.agent)
    assert of(world, world.person("other")) == [(4, 10)]
    assert of(world, ann) == []


# The chain of tranches against a list


acts = st.lists(
    st.one_of(
        st.tuples(st.just("lock"), st.integers(0, 30), st.integers(0, 12)),
        st.tuples(st.just("burn"), st.integers(0, 60), st.just(0)),
        st.tuples(st.just("freeze"), st.integers(0, 60), st.just(0)),
        st.tuples(st.just("mint"), st.integers(0, 40), st.just(0)),
        st.tuples(st.just("pass"), st.integers(1, 4), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(acts=acts)
def test_lockups_are_those_of_a_plain_list_in_any_order_of_acts(shared_world: World, acts: list[tuple[str, int, int]]) -> None:
    with shared_world.chain.undone():
        world = shared_world
        ann, bob = world.holder("ann", 100), world.register("bob")
        balance, frozen = 100, 0
        tranches: dict[int, int] = {}
        for act, amount, after in acts:
            now = world.chain.now
            tranches = {at: shares for at, shares in tranches.items() if at > now}
            at = now + after
            match act:
                case "lock" if amount and after and amount <= balance - sum(tranches.values()):
                    world.token.fn("lock", ann, amount, at, sender=world.agent)
                    tranches[at] = tranches.get(at, 0) + amount
                case "burn" if amount <= balance:
                    world.token.fn("burn", ann, amount, sender=world.agent)
                    held_back = sum(tranches.values())
                    beyond = min(held_back, max(0, amount - max(0, balance - frozen - held_back)))
                    for last in sorted(tranches, reverse=True):
                        taken = min(beyond, tranches[last])
                        tranches[last] -= taken
                        beyond -= taken
                    tranches = {instant: shares for instant, shares in tranches.items() if shares}
                    balance -= amount
                    frozen = min(frozen, balance)
                case "freeze" if amount <= balance - frozen:
                    world.token.fn("freezePartialTokens", ann, amount, sender=world.agent)
                    frozen += amount
                case "mint":
                    world.token.fn("mint", ann, amount, sender=world.agent)
                    balance += amount
                case "pass":
                    world.chain.pass_time(amount)
                    tranches = {instant: shares for instant, shares in tranches.items() if instant > world.chain.now}
                case _:
                    continue
            assert world.token.view("lockups_of", ann) == tuple((tranches[each], each) for each in sorted(tranches, reverse=True))
            held_back = sum(tranches.values())
            free = max(0, balance - frozen - held_back)
            assert (world.balance(ann), world.token.view("getFrozenTokens", ann)) == (balance, frozen)
            assert world.token.view("free_balance", ann) == free
            assert held_back <= balance
            assert frozen <= balance
            assert world.why_not(ann, bob, free) == 0
            assert world.why_not(ann, bob, free + 1) == (4 if free + 1 > balance - frozen else 6)


def test_a_frozen_wallet_can_be_locked_and_a_lockup_outlives_the_freeze(world: World) -> None:
    ann, bob = world.holder("ann", 10), world.register("bob")
    world.token.fn("setAddressFrozen", ann, YES, sender=world.agent)
    lock(world, ann, 10, after=5)
    assert world.why_not(ann, bob, 1) == 2
    world.token.fn("setAddressFrozen", ann, NO, sender=world.agent)
    assert world.why_not(ann, bob, 1) == 6


# Gas


def test_an_issue_of_locked_shares_takes_no_more_gas_than_it_is_sent_with(world: World) -> None:
    """A hundred new holders in one transaction; and the dearest receiver there is, whose fifteen lockups all end later."""
    receivers = [world.register(f"holder {number}") for number in range(LEGS_MAX)]
    instant = world.chain.now + 500
    batch = world.token.fn("mint_locked", receivers, [7] * LEGS_MAX, instant, sender=world.agent).gas
    assert batch < (MINT_GAS + LOCK_GAS) * (LEGS_MAX + 1) < TRANSACTION_GAS_MAX
    ann = world.holder("ann", TRANCHES_MAX)
    for number in range(TRANCHES_MAX - 1):
        lock(world, ann, 1, after=600 + number)
    dearest = world.token.fn("mint_locked", [ann], [1], instant, sender=world.agent).gas
    assert dearest < 2 * (MINT_GAS + LOCK_GAS)
