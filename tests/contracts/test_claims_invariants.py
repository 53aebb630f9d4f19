# SPDX-License-Identifier: Apache-2.0
"""What holds whatever anybody does in whatever order: escrows beside a model of them, and ballots beside theirs."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import pytest
from eth_hash.auto import keccak
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.contracts import hostile_money
from tests.contracts.chain import ZERO, Chain, Contract, Done, Reverted
from tests.contracts.hostile_money import HostileMoney
from tests.contracts.proofs import Tree

SETTINGS = settings(
    max_examples=7,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
DAY = 24 * 60 * 60
HOLDERS = 4
PUSHED = keccak(b"muniment.payout.pushed")

payers = st.integers(0, 1)
places = st.integers(0, 3)
holders = st.integers(0, HOLDERS - 1)
amounts = st.one_of(st.integers(0, 300), st.sampled_from([2**96 - 1, 2**96, 2**256 - 1]))
dues = st.lists(st.one_of(*[st.integers(1, 60)] * 6, amounts), min_size=HOLDERS, max_size=HOLDERS)
choices = st.one_of(st.permutations([1, 2, 3]).map(lambda order: order[:2]), st.lists(st.integers(0, 3), min_size=2, max_size=2))
seldom = st.sampled_from([False, False, False, True])


class Machine(RuleBasedStateMachine):
    """Acts on a chain that is afterwards as it was."""

    chain: Chain  # Set by the test, which owns the chain.

    def __init__(self) -> None:
        super().__init__()
        self._undo = contextlib.ExitStack()
        self._undo.enter_context(self.chain.undone())
        self.holders = [self.chain.account(f"holder {each}") for each in range(HOLDERS)]

    def teardown(self) -> None:
        self._undo.close()

    def attempt(self, contract: Contract, act: str, *arguments: Any, sender: str) -> bool:
        return self.attempted(contract, act, *arguments, sender=sender) is not None

    def attempted(self, contract: Contract, act: str, *arguments: Any, sender: str) -> Done | None:
        reason = None
        try:
            return contract.fn(act, *arguments, sender=sender)
        except Reverted as refusal:
            reason = refusal.reason
        assert reason != "no reason given", f"{act}{arguments} fails without a reason"
        return None


class Escrows(Machine):
    """Two payers, each with one distribution in an honest token and one in a token that keeps a fee of a hundredth."""

    def __init__(self) -> None:
        super().__init__()
        self.payers = [self.chain.account(name) for name in ("payer", "other payer")]
        self.payout = self.chain.deploy("payout", sender=self.payers[0])
        self.honest, self.greedy = (HostileMoney(self.chain, kind) for kind in (hostile_money.HONEST, hostile_money.TAKES_FEE))
        self.distributions: list[bytes] = []
        self.tokens: list[HostileMoney] = []
        self.expires_at: list[int] = []
        for payer in self.payers:
            for number, token in enumerate((self.honest, self.greedy)):
                expires_at = self.chain.now + 5 * DAY
                terms = (bytes([number]) * 32, token.address, expires_at)
                self.distributions.append(self.payout.fn("open_distribution", *terms, sender=payer).answer)
                self.tokens.append(token)
                self.expires_at.append(expires_at)
        self.came_in = [0] * 4
        self.reclaimed = [0] * 4
        self.claimed: list[Counter[str]] = [Counter() for _ in range(4)]
        self.due: list[dict[str, int]] = [{} for _ in range(4)]
        self.trees: list[Tree | None] = [None] * 4
        self.ways: dict[tuple[str, int], bytes] = {}
        self.batches: set[tuple[str, int, int]] = set()

    def payer_of(self, place: int) -> str:
        return self.payers[place // 2]

    def rest(self, place: int) -> int:
        return self.came_in[place] - sum(self.claimed[place].values()) - self.reclaimed[place]

    @rule(place=places, amount=st.one_of(st.integers(50, 400), st.integers(50, 400), amounts))
    def fund(self, place: int, amount: int) -> None:
        token, payer = self.tokens[place], self.payer_of(place)
        arrives = amount - (amount // 100 if token is self.greedy else 0)
        fits = arrives > 0 and self.rest(place) + arrives < 2**96
        if token.balance(payer) < amount < 2**100:
            token.mint(payer, amount)
        done = self.attempt(self.payout, "fund", bytes([place % 2]) * 32, amount, sender=payer)
        assert done is fits
        self.came_in[place] += arrives if done else 0

    @initialize(deposits=st.lists(st.integers(200, 900), min_size=4, max_size=4), due=dues)
    def begin(self, deposits: list[int], due: list[int]) -> None:
        for place, deposit in enumerate(deposits):
            self.fund(place, deposit)
            self.publish(place, 100 + place, due, days=1)

    @rule(place=places, run=st.integers(0, 9), due=dues, days=st.sampled_from([-1, 0, 0, 1, 2]))
    def publish(self, place: int, run: int, due: list[int], days: int) -> None:
        payer, expires_at = self.payer_of(place), max(self.chain.now, self.expires_at[place]) + days * DAY
        # A new run comes on top of what was due before; one in three begins again, as a payer might by mistake.
        owed = {account: self.due[place].get(account, 0) * (run % 3 > 0) + more for account, more in zip(self.holders, due, strict=False)}
        owed = {account: min(amount, 2**256 - 1) for account, amount in owed.items()}
        tree = Tree(["address", "uint256"], list(owed.items()))
        done = self.attempt(self.payout, "publish_run", bytes([place % 2]) * 32, bytes([run]) * 32, tree.root, expires_at, sender=payer)
        way = self.ways.get((payer, run), self.distributions[place])
        assert done is (expires_at > self.chain.now and expires_at >= self.expires_at[place] and way == self.distributions[place])
        if done:
            self.trees[place], self.due[place], self.expires_at[place] = tree, owed, expires_at
            self.ways[payer, run] = way

    @rule(payer=payers, run=st.integers(0, 5), batch=st.integers(0, 1), recipient=holders, amount=st.integers(1, 50))
    def push(self, payer: int, run: int, batch: int, recipient: int, amount: int) -> None:
        who = self.payers[payer]
        self.honest.mint(who, amount)
        arguments = (bytes([run]) * 32, batch, self.honest.address, [self.holders[recipient]], [amount])
        done = self.attempt(self.payout, "push", *arguments, sender=who)
        assert done is ((who, run, batch) not in self.batches and self.ways.get((who, run), PUSHED) == PUSHED)
        if done:
            self.batches.add((who, run, batch))
            self.ways[who, run] = PUSHED

    @rule(place=places, holder=holders, is_elsewhere=seldom, is_wrong=seldom, many=st.booleans())
    def claim(self, place: int, holder: int, *, is_elsewhere: bool, is_wrong: bool, many: bool) -> None:
        account, tree = self.holders[holder], self.trees[place]
        if tree is None or account not in self.due[place]:
            return
        due = self.due[place][account]
        target = (place + is_elsewhere) % 4
        claim = (self.distributions[target], account, due ^ is_wrong, tree.proof((account, due)))
        paid_before = self.tokens[target].balance(account)
        if many:
            done = self.payout.fn("claim_many", [claim, claim], sender=self.payers[0]).answer == 1
        else:
            done = self.attempt(self.payout, "claim", *claim, sender=self.payers[0])
        there = self.trees[target]
        is_proved = not is_wrong and there is not None and there.root == tree.root
        amount = due - self.claimed[target][account]
        assert done is (is_proved and 0 < amount <= self.rest(target))
        if done:
            self.claimed[target][account] += amount
            kept = amount // 100 if self.tokens[target] is self.greedy else 0
            assert self.tokens[target].balance(account) - paid_before == amount - kept

    @rule(place=places)
    def reclaim(self, place: int) -> None:
        rest = self.rest(place)
        done = self.attempt(self.payout, "reclaim", bytes([place % 2]) * 32, sender=self.payer_of(place))
        assert done is (rest > 0 and self.chain.now >= self.expires_at[place])
        self.reclaimed[place] += rest if done else 0

    @rule(days=st.integers(0, 9))
    def wait(self, days: int) -> None:
        self.chain.pass_time(days * DAY)

    @invariant()
    def what_came_in_is_claimed_reclaimed_or_there(self) -> None:
        for place in range(4):
            rest = self.payout.view("escrow", self.distributions[place])[1]
            assert rest == self.rest(place) >= 0
            for account in self.holders:
                assert self.payout.view("claimed", self.distributions[place], account) == self.claimed[place][account]

    @invariant()
    def the_contract_holds_the_rests_of_all_distributions_and_no_more(self) -> None:
        for token in (self.honest, self.greedy):
            rests = sum(self.rest(place) for place in range(4) if self.tokens[place] is token)
            assert token.balance(self.payout.address) == rests


class Ballots(Machine):
    """A ballot of two motions and an election, with a tree that may promise more votes than there are."""

    def __init__(self) -> None:
        super().__init__()
        agent = self.chain.account("agent")
        self.ballot = self.chain.deploy("ballot", sender=agent)
        self.ballot.fn("initialize", sender=agent)
        self.ballot.fn("addAgent", agent, sender=agent)
        self.agent = agent
        self.proxy = self.chain.account("proxy")
        self.events: list[dict[str, Any]] = []

    @initialize(weights=st.lists(st.integers(10, 50), min_size=HOLDERS, max_size=HOLDERS), total=st.integers(50, 200))
    def begin(self, weights: list[int], total: int) -> None:
        self.rows = [(place * 200, account, weight) for place, (account, weight) in enumerate(zip(self.holders, weights, strict=True))]
        self.tree = Tree(["uint256", "address", "uint256"], self.rows)
        self.total = total
        self.closes_at = self.chain.now + 5 * DAY
        terms = (ZERO, b"\1" * 32, 0, self.tree.root, total, self.closes_at, 5_000)
        self.ballot.fn("open_ballot", *terms, [5_000, 6_667], sender=self.agent)
        self.ballot.fn("open_election", *terms, 3, sender=self.agent)
        # For each ballot and holder what is given, and None once the whole is cast.
        self.given: dict[tuple[int, int], int | None] = {(ballot, holder): 0 for ballot in (1, 2) for holder in range(HOLDERS)}
        self.proxies: dict[tuple[int, int], str] = {}

    def cast(self, ballot: int) -> int:
        return sum(event["weight"] for event in self.events if event["ballot_id"] == ballot)

    def keep(self, act: str, *arguments: Any, sender: str) -> bool:
        done = self.attempted(self.ballot, act, *arguments, sender=sender)
        self.events += [log.values for log in done.logs if log.event == "VoteCast"] if done else []
        return done is not None

    def may(self, ballot: int, holder: int, sender: str) -> bool:
        is_open = self.chain.now < self.closes_at
        return is_open and sender in (self.holders[holder], self.proxies.get((ballot, holder)))

    @rule(ballot=st.integers(1, 2), holder=holders, choices=choices, by_proxy=seldom)
    def vote(self, ballot: int, holder: int, choices: list[int], *, by_proxy: bool) -> None:
        index, account, weight = self.rows[holder]
        sender = self.proxy if by_proxy else account
        is_fitting = 0 not in choices and (ballot == 1 or choices[0] != choices[1])
        expected = self.may(ballot, holder, sender) and self.given[ballot, holder] == 0 and is_fitting
        expected = expected and self.cast(ballot) + weight <= self.total
        done = self.keep("vote", ballot, index, account, weight, choices, self.tree.proof(self.rows[holder]), sender=sender)
        assert done is expected
        if done:
            self.given[ballot, holder] = None

    @rule(
        holder=holders,
        parts=st.lists(st.tuples(st.one_of(*[st.integers(1, 9)] * 5, st.just(0)), st.integers(1, 3)), min_size=1, max_size=3),
        by_proxy=seldom,
    )
    def split(self, holder: int, parts: list[tuple[int, int]], *, by_proxy: bool) -> None:
        index, account, weight = self.rows[holder]
        sender = self.proxy if by_proxy else account
        given, together = self.given[1, holder], sum(each for each, _ in parts)
        expected = self.may(1, holder, sender) and given is not None and len(parts) > 0 and all(each > 0 for each, _ in parts)
        expected = expected and (given or 0) + together <= weight and self.cast(1) + together <= self.total
        told = [(each, [choice, 4 - choice]) for each, choice in parts]
        done = self.keep("vote_split", 1, index, account, weight, told, self.tree.proof(self.rows[holder]), sender=sender)
        assert done is expected
        if done:
            at_once = given == 0 and together == weight
            self.given[1, holder] = None if at_once else (given or 0) + together

    @rule(holder=holders, ballot=st.integers(1, 2), is_dismissed=st.booleans())
    def appoint(self, holder: int, ballot: int, *, is_dismissed: bool) -> None:
        proxy = ZERO if is_dismissed else self.proxy
        self.ballot.fn("appoint_proxy", ballot, proxy, sender=self.holders[holder])
        self.proxies[ballot, holder] = proxy

    @rule(days=st.sampled_from([0, 0, 0, 0, 1, 4]))
    def wait(self, days: int) -> None:
        self.chain.pass_time(days * DAY)

    @invariant()
    def the_events_add_up_to_the_tally_and_nobody_has_more_than_its_weight(self) -> None:
        for ballot in (1, 2):
            votes = [event for event in self.events if event["ballot_id"] == ballot]
            cast = sum(event["weight"] for event in votes)
            turnout = (cast, self.total, 2 * cast >= self.total, self.chain.now >= self.closes_at)
            assert self.ballot.view("turnout", ballot) == turnout
            assert cast <= self.total
            for _, account, weight in self.rows:
                assert sum(event["weight"] for event in votes if event["account"] == account) <= weight
        for motion in (0, 1):
            votes = [event for event in self.events if event["ballot_id"] == 1]
            tally = tuple(sum(event["weight"] for event in votes if event["choices"][motion] == choice) for choice in (1, 2, 3))
            assert self.ballot.view("result", 1, motion)[:3] == tally


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Escrows, Ballots])
def test_the_books_add_up_in_any_order_of_acts(shared_chain: Chain, machine: type[Machine]) -> None:
    run_state_machine_as_test(type(f"{machine.__name__}Here", (machine,), {"chain": shared_chain}), settings=SETTINGS)
