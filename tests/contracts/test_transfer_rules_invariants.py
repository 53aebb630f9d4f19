# SPDX-License-Identifier: Apache-2.0
"""Whatever is moved, and whoever changes country, category or identity: counts stay exact, and the answer beforehand is true."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.contracts.chain import NO, YES, ZERO, Reverted
from tests.contracts.further import COUNTRIES, Further, build_further
from tests.contracts.world import GERMANY, World

WALLETS = 6
CATEGORIES = (0, 1, 2)
PERIOD = 100
wallets = st.integers(0, WALLETS - 1)
amounts = st.one_of(st.integers(0, 30), st.sampled_from([0, 1, 10, 2**96, 2**256 - 1]))
countries = st.sampled_from(COUNTRIES)
categories = st.sampled_from(CATEGORIES)
caps = st.one_of(st.none(), st.integers(0, 3))


class Holders(RuleBasedStateMachine):
    """Acts at random; the model keeps what each wallet holds, whose it is, where the investor is counted, and what was sent."""

    further: Further  # Set by the test, which owns the chain.

    def __init__(self) -> None:
        super().__init__()
        self.world = self.further.world
        self._undo = contextlib.ExitStack()
        self._undo.enter_context(self.world.chain.undone())
        self.wallets = [self.world.person(f"wallet {each}") for each in range(WALLETS)]
        self.balances = dict.fromkeys(self.wallets, 0)
        self.investor_of: dict[str, str] = {}
        self.country_of = dict.fromkeys(self.wallets, GERMANY)  # By wallet, as in the registry.
        self.counted_in: dict[str, int] = {}  # By investor: the country of the wallet that made it a holder.
        self.category_of: dict[str, int] = {}
        self.lots: dict[str, list[tuple[int, int]]] = {}
        self.sent: Counter[tuple[str, int]] = Counter()
        self.limits: dict[str, int] = {}

    def teardown(self) -> None:
        self._undo.close()

    def total(self, investor: str) -> int:
        return sum(self.balances[wallet] for wallet in self.wallets if self.investor_of[wallet] == investor)

    def moves(self, sender: str, receiver: str, amount: int) -> None:
        """Keep the model's books; zero for a mint or a burn."""
        giver, taker = self.investor_of.get(sender), self.investor_of.get(receiver)
        if sender != ZERO:
            self.balances[sender] -= amount
        if receiver != ZERO:
            self.balances[receiver] += amount
        if amount == 0 or giver == taker:
            return
        if giver is not None and taker is not None:
            self.sent[giver, self.world.chain.now // PERIOD] += amount
        if giver is not None and self.total(giver) == 0:
            self.counted_in.pop(giver, None)
        if taker is not None:
            self.lots.setdefault(taker, []).append((self.world.chain.now, amount))
            self.counted_in.setdefault(taker, self.country_of[receiver])

    def refusal(self, sender: str, receiver: str, amount: int) -> int:
        """The model's own judgement of a transfer that the token itself would make, or of a mint."""
        giver, taker = self.investor_of.get(sender), self.investor_of[receiver]
        if amount == 0 or giver == taker:
            return 0
        held = self.total(taker)
        minimum = self.limits["minimum"]
        if giver is not None:
            rest = self.total(giver) - amount
            if 0 < rest < minimum:
                return 47
            recent = sum(lot for acquired_at, lot in self.lots.get(giver, []) if acquired_at + PERIOD > self.world.chain.now)
            if rest < recent:
                return 48
            if self.sent[giver, self.world.chain.now // PERIOD] + amount > self.limits["volume"]:
                return 49
        if held + amount < minimum:
            return 51
        if held > 0:
            return 0
        counts = self.holders_by_country(), self.holders_by_category()
        if giver is not None and self.total(giver) == amount:
            counts[0][self.counted_in[giver]] -= 1
            counts[1][self.category_of[giver]] -= 1
        country, category = self.country_of[receiver], self.category_of[taker]
        if self.is_full(f"country {country}", counts[0][country]):
            return 40
        return 41 if self.is_full(f"category {category}", counts[1][category]) else 0

    def is_full(self, group: str, holders: int) -> bool:
        return group in self.limits and holders >= self.limits[group]

    def holders(self) -> Iterator[str]:
        return (investor for investor in set(self.investor_of.values()) if self.total(investor) > 0)

    def holders_by_country(self) -> Counter[int]:
        return Counter(self.counted_in[investor] for investor in self.holders())

    def holders_by_category(self) -> Counter[int]:
        return Counter(self.category_of[investor] for investor in self.holders())

    @initialize(
        grouped=st.lists(st.booleans(), min_size=WALLETS, max_size=WALLETS),
        homes=st.lists(countries, min_size=WALLETS, max_size=WALLETS),
        minimum=st.sampled_from([0, 0, 5]),
        volume=st.sampled_from([20, 100]),
    )
    def begin(self, grouped: list[bool], homes: list[int], minimum: int, volume: int) -> None:
        for rule_name, arguments in (("count_by_country", (YES,)), ("count_by_category", (YES,)), ("set_minimum_holding", (minimum,))):
            self.further.set(rule_name, *arguments)
        self.further.set("set_holding_period", PERIOD)
        self.further.set("set_volume_limit", volume, PERIOD)
        self.limits = {"minimum": minimum, "volume": volume}
        for wallet, is_grouped, country in zip(self.wallets, grouped, homes, strict=True):
            investor = self.wallets[0] if is_grouped else wallet
            self.world.registry.fn("register_investor", wallet, investor, country, 2**40, sender=self.world.agent)
            self.investor_of[wallet], self.country_of[wallet] = investor, country
        self.category_of = dict.fromkeys(self.wallets, 0)

    @rule(country=countries, cap=caps)
    def cap_country(self, country: int, cap: int | None) -> None:
        self.further.set("set_country_cap", country, NO if cap is None else YES, cap or 0)
        self.limits.pop(f"country {country}", None)
        if cap is not None:
            self.limits[f"country {country}"] = cap

    @rule(category=categories, cap=caps)
    def cap_category(self, category: int, cap: int | None) -> None:
        self.further.set("set_category_cap", category, NO if cap is None else YES, cap or 0)
        self.limits.pop(f"category {category}", None)
        if cap is not None:
            self.limits[f"category {category}"] = cap

    @rule(sender=wallets, receiver=wallets, amount=amounts)
    def transfer(self, sender: int, receiver: int, amount: int) -> None:
        one, other = self.wallets[sender], self.wallets[receiver]
        answer = self.world.why_not(one, other, amount)
        assert answer == (self.refusal(one, other, amount) if amount <= self.balances[one] else 4)
        try:
            self.world.token.fn("transfer", other, amount, sender=one)
        except Reverted:
            assert answer != 0
        else:
            assert answer == 0
            self.moves(one, other, amount)

    @rule(receiver=wallets, amount=st.integers(0, 30))
    def mint(self, receiver: int, amount: int) -> None:
        wallet = self.wallets[receiver]
        answer = self.world.why_not(ZERO, wallet, amount)
        assert answer == self.refusal(ZERO, wallet, amount)
        try:
            self.world.token.fn("mint", wallet, amount, sender=self.world.agent)
        except Reverted:
            assert answer != 0
        else:
            assert answer == 0
            self.moves(ZERO, wallet, amount)

    @rule(sender=wallets, receiver=wallets, share=st.integers(0, 4))
    def force(self, sender: int, receiver: int, share: int) -> None:
        one, other = self.wallets[sender], self.wallets[receiver]
        amount = self.balances[one] * share // 4
        self.world.token.fn("forcedTransfer", one, other, amount, sender=self.world.agent)
        self.moves(one, other, amount)

    @rule(holder=wallets, share=st.integers(0, 4))
    def burn(self, holder: int, share: int) -> None:
        wallet = self.wallets[holder]
        amount = self.balances[wallet] * share // 4
        self.world.token.fn("burn", wallet, amount, sender=self.world.agent)
        self.moves(wallet, ZERO, amount)

    @rule(wallet=wallets, country=countries)
    def change_country(self, wallet: int, country: int) -> None:
        one = self.wallets[wallet]
        self.further.change_country(one, country)
        investor = self.investor_of[one]
        if self.counted_in.get(investor) == self.country_of[one]:
            self.counted_in[investor] = country
        self.country_of[one] = country

    @rule(wallet=wallets, identity=wallets)
    def change_identity(self, wallet: int, identity: int) -> None:
        one, whose = self.wallets[wallet], self.wallets[identity]
        left, country = self.investor_of[one], self.country_of[one]
        if left == whose:
            return
        self.further.tell(one, country, 0)
        self.world.registry.fn("updateIdentity", one, whose, sender=self.world.agent)
        self.further.tell(one, 0, country)
        self.investor_of[one] = whose
        if self.total(left) == 0:
            self.counted_in.pop(left, None)
        if self.total(whose) > 0:
            self.counted_in.setdefault(whose, country)

    @rule(wallet=wallets, category=categories)
    def change_category(self, wallet: int, category: int) -> None:
        self.further.set("set_categories", [self.wallets[wallet]], [category])
        self.category_of[self.investor_of[self.wallets[wallet]]] = category

    @rule(wallet=wallets)
    def count_again(self, wallet: int) -> None:
        self.further.set("count_holders", [self.wallets[wallet]])

    @rule(seconds=st.integers(1, PERIOD))
    def wait(self, seconds: int) -> None:
        self.world.chain.pass_time(seconds)

    # What always holds

    @invariant()
    def holders_are_counted_exactly_per_country(self) -> None:
        assert {each: self.further.of_country(each) for each in COUNTRIES} == {each: self.holders_by_country()[each] for each in COUNTRIES}

    @invariant()
    def holders_are_counted_exactly_per_category(self) -> None:
        expected = {each: self.holders_by_category()[each] for each in CATEGORIES}
        assert {each: self.further.of_category(each) for each in CATEGORIES} == expected


@pytest.fixture(scope="module")
def shared_further(shared_world: World) -> Iterator[Further]:
    with shared_world.chain.undone():
        yield build_further(shared_world)


@pytest.mark.slow
def test_the_further_rules_keep_exact_count_in_any_order_of_acts(shared_further: Further) -> None:
    machine = type("HoldersOfThisWorld", (Holders,), {"further": shared_further})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
