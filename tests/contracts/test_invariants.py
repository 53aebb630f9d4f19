# SPDX-License-Identifier: Apache-2.0
"""What holds whatever anybody does in whatever order: a security beside a model of it in Python."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.contracts.chain import ZERO, Reverted
from tests.contracts.world import ALLOW_LISTED, BLOCK_LISTED, FRANCE, GERMANY, IRAN, World

WALLETS = 6
COUNTRIES = [GERMANY, FRANCE, IRAN]
wallets = st.integers(0, WALLETS - 1)
amounts = st.one_of(st.integers(0, 30), st.sampled_from([0, 1, 2**96 - 1, 2**96, 2**104, 2**256 - 1]))


class Security(RuleBasedStateMachine):
    """Acts at random; the model keeps what each wallet holds, and whose wallet it is."""

    world: World  # Set by the test, which owns the chain.

    def __init__(self) -> None:
        super().__init__()
        self._undo = contextlib.ExitStack()
        self._undo.enter_context(self.world.chain.undone())
        self.wallets = [self.world.person(f"wallet {each}") for each in range(WALLETS)]
        self.balances = dict.fromkeys(self.wallets, 0)
        self.frozen = dict.fromkeys(self.wallets, 0)
        self.investor_of = {wallet: f"stranger {wallet}" for wallet in self.wallets}
        self.maximum = 0

    def teardown(self) -> None:
        self._undo.close()

    # Acting on chain and model together

    def attempt(self, act: str, *arguments: Any, on: str = "token", sender: str | None = None) -> bool:
        contract = getattr(self.world, on)
        reason = None
        try:
            contract.fn(act, *arguments, sender=sender or self.world.agent)
        except Reverted as refusal:
            reason = refusal.reason
        assert reason != "no reason given", f"{act}{arguments} fails without a reason"
        assert "panic" not in (reason or "")
        return reason is None

    def move(self, sender: str, receiver: str, amount: int) -> None:
        self.balances[sender] -= amount
        self.balances[receiver] += amount

    def thaw(self, wallet: str) -> None:
        self.frozen[wallet] = min(self.frozen[wallet], self.balances[wallet])

    def total(self, wallet: str) -> int:
        return sum(self.balances[other] for other in self.wallets if self.investor_of[other] == self.investor_of[wallet])

    @initialize(mode=st.sampled_from([0, ALLOW_LISTED, BLOCK_LISTED]), maximum=st.sampled_from([0, 20, 40]), cap=st.sampled_from([0, 2, 3]))
    def begin(self, mode: int, maximum: int, cap: int) -> None:
        self.world.set_countries(mode, [GERMANY, FRANCE] if mode else [])
        if mode == BLOCK_LISTED:
            self.world.set_countries(mode, [IRAN])
        self.world.set_rules(maximum_balance=maximum, supply_cap=100, holder_cap=cap)
        self.maximum = maximum
        for wallet in self.wallets[:3]:
            self.world.registry.fn("register_investor", wallet, ZERO, GERMANY, 2**40, sender=self.world.agent)
            self.investor_of[wallet] = wallet

    @rule(sender=wallets, receiver=wallets, amount=amounts)
    def transfer(self, sender: int, receiver: int, amount: int) -> None:
        one, other = self.wallets[sender], self.wallets[receiver]
        answer = self.world.why_not(one, other, amount)
        before = self.total(other)
        done = self.attempt("transfer", other, amount, sender=one)
        assert done is (answer == 0), f"the answer beforehand was {answer}"
        if done:
            self.move(one, other, amount)
            assert not self.maximum or self.total(other) <= max(self.maximum, before)

    @rule(receiver=wallets, amount=amounts)
    def mint(self, receiver: int, amount: int) -> None:
        wallet = self.wallets[receiver]
        answer = self.world.why_not(ZERO, wallet, amount)
        done = self.attempt("mint", wallet, amount)
        assert done is (answer == 0), f"the answer beforehand was {answer}"
        if done:
            self.balances[wallet] += amount
            assert not self.maximum or amount == 0 or self.total(wallet) <= self.maximum

    @rule(holder=wallets, amount=amounts)
    def burn(self, holder: int, amount: int) -> None:
        wallet = self.wallets[holder]
        done = self.attempt("burn", wallet, amount)
        assert done is (amount <= self.balances[wallet])
        if done:
            self.balances[wallet] -= amount
            self.thaw(wallet)

    @rule(sender=wallets, receiver=wallets, amount=amounts)
    def force(self, sender: int, receiver: int, amount: int) -> None:
        one, other = self.wallets[sender], self.wallets[receiver]
        done = self.attempt("forcedTransfer", one, other, amount)
        assert done is (amount <= self.balances[one] and self.world.registry.view("isVerified", other))
        if done:
            self.move(one, other, amount)
            self.thaw(one)

    @rule(holder=wallets, amount=amounts)
    def freeze_some(self, holder: int, amount: int) -> None:
        wallet = self.wallets[holder]
        done = self.attempt("freezePartialTokens", wallet, amount)
        assert done is (self.frozen[wallet] + amount <= self.balances[wallet])
        self.frozen[wallet] += amount if done else 0

    @rule(holder=wallets, amount=amounts)
    def unfreeze_some(self, holder: int, amount: int) -> None:
        wallet = self.wallets[holder]
        done = self.attempt("unfreezePartialTokens", wallet, amount)
        assert done is (amount <= self.frozen[wallet])
        self.frozen[wallet] -= amount if done else 0

    @rule(holder=wallets, freeze=st.booleans())
    def freeze_whole(self, holder: int, *, freeze: bool) -> None:
        assert self.attempt("setAddressFrozen", self.wallets[holder], freeze)

    @rule(lost=wallets, new=wallets)
    def recover(self, lost: int, new: int) -> None:
        gone, kept = self.wallets[lost], self.wallets[new]
        investor = self.investor_of[gone]
        if investor.startswith("stranger"):
            return
        if self.attempt("recoveryAddress", gone, kept, investor):
            self.frozen[kept] += self.frozen.pop(gone)
            self.frozen[gone] = 0
            self.move(gone, kept, self.balances[gone])
            self.investor_of[kept] = investor
            # It held nothing but this token, so the registry has forgotten it.
            self.investor_of[gone] = f"stranger {gone}"

    @rule(wallet=wallets, identity=wallets, country=st.sampled_from(COUNTRIES))
    def register(self, wallet: int, identity: int, country: int) -> None:
        one, whose = self.wallets[wallet], self.wallets[identity]
        if self.attempt("register_investor", one, whose, country, 2**40, on="registry"):
            self.investor_of[one] = whose

    @rule(wallet=wallets, identity=wallets)
    def change_identity(self, wallet: int, identity: int) -> None:
        one, whose = self.wallets[wallet], self.wallets[identity]
        if self.attempt("updateIdentity", one, whose, on="registry"):
            self.investor_of[one] = whose

    @rule(wallet=wallets)
    def forget(self, wallet: int) -> None:
        one = self.wallets[wallet]
        if self.attempt("deleteIdentity", one, on="registry"):
            self.investor_of[one] = f"stranger {one}"

    @rule(wallet=wallets, country=st.sampled_from(COUNTRIES))
    def change_country(self, wallet: int, country: int) -> None:
        self.attempt("updateCountry", self.wallets[wallet], country, on="registry")

    @rule(wallet=wallets)
    def invalidate(self, wallet: int) -> None:
        self.attempt("invalidate", self.wallets[wallet], on="registry")

    @rule(wallet=wallets)
    def renew(self, wallet: int) -> None:
        self.attempt("set_verified_until", [self.wallets[wallet]], [2**40], on="registry")

    @rule(pauses=st.booleans())
    def pause_or_not(self, *, pauses: bool) -> None:
        self.attempt("pause" if pauses else "unpause")

    # What always holds

    @invariant()
    def balances_are_the_models_and_add_up_to_the_supply(self) -> None:
        assert {wallet: self.world.balance(wallet) for wallet in self.wallets} == self.balances
        assert self.world.token.view("totalSupply") == sum(self.balances.values()) <= 100

    @invariant()
    def what_is_frozen_is_the_models_and_at_most_what_is_held(self) -> None:
        for wallet in self.wallets:
            assert self.world.token.view("getFrozenTokens", wallet) == self.frozen[wallet] <= self.balances[wallet]

    @invariant()
    def holders_are_counted_exactly_per_investor(self) -> None:
        holding = {self.investor_of[wallet] for wallet in self.wallets if self.balances[wallet] > 0}
        assert self.world.holders() == len(holding)

    @invariant()
    def each_investors_balance_is_the_sum_over_the_wallets(self) -> None:
        for wallet in self.wallets:
            assert self.world.compliance.view("investor_balance", self.world.token.address, wallet) == self.total(wallet)


@pytest.mark.slow
def test_a_security_keeps_its_promises_in_any_order_of_acts(shared_world: World) -> None:
    machine = type("SecurityOfThisWorld", (Security,), {"world": shared_world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
