# SPDX-License-Identifier: Apache-2.0
"""Random registers under random rules of all kinds: what the product decides beside what the contracts answer. Holds no test."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from muniment.compliance.model.compiled import compile_rules
from muniment.compliance.model.decision import decide
from muniment.compliance.model.facts import InvestorFacts, Move
from muniment.compliance.model.rules import (
    CategoryHolderCap,
    CountryAllowed,
    CountryBlocked,
    CountryHolderCap,
    FurtherRule,
    HolderCap,
    HoldingPeriod,
    MaximumBalancePerInvestor,
    MinimumHolding,
    Rule,
    SupplyCap,
    TransferApproval,
    TransferHours,
    TransferWindow,
    TransferWindows,
    VenuesOnly,
    VolumeLimit,
    WholePosition,
    check_rules,
    rule_as_json,
    rule_from_json,
)
from muniment.compliance.ports import FurtherFacts
from muniment.infra.evm import contract_artifacts
from muniment.units.decisions import Decision, Refused
from muniment.units.ids import Address
from tests.agreement.fast_chain import fast_chain
from tests.compliance.book import Book
from tests.compliance.fast_edge import fast_edge
from tests.contracts.chain import ZERO, Done, Reverted
from tests.contracts.world import World, build_world

COUNTRIES = {276: "DE", 250: "FR", 840: "US", 826: "GB"}
WALLETS = [f"wallet {number}" for number in range(12)]
QUESTIONS_A_STEP = 5
HOUR, DAY = 3_600, 86_400
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class RandomMarket:
    """A random run of acts on one world; refused acts are part of it. `told` counts the chain's first reasons, None for a yes."""

    def __init__(self, world: World, seed: str) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.seed = seed
        self.chain, self.transactions = fast_edge(world.chain)
        self.chain.create_further_contract(operator=Address(world.agent))
        self.book = Book()
        self.rules: tuple[Rule, ...] = ()
        self.versions = 0
        self.countries: dict[str, int] = {}
        self.wallets = [Address(world.person(name)) for name in WALLETS]
        self.told: Counter[str | None] = Counter()
        self.asked = 0
        self.foretold_acts = 0
        self.approved: list[tuple[Address | None, Address, int]] = []
        for wallet in self.wallets[:9]:
            self.register(wallet)
        self.set_rules()
        for wallet in self.wallets[:6]:
            amount = self.random.randrange(1, 150)
            self.attempt(lambda wallet=wallet, amount=amount: world.token.fn("mint", wallet, amount, sender=world.agent))

    def run(self, *, questions: int) -> None:
        """Act and ask until that many questions are asked; raise AssertionError at the first difference."""
        while self.asked < questions:
            self.act()
            for sender, receiver, amount in self.questions():
                self.ask(sender, receiver, amount)
        assert self.book.token().holders == self.world.holders(), f"seed {self.seed}"

    def ask(self, sender: Address | None, receiver: Address, amount: int) -> None:
        decision = self.off_chain(sender, receiver, amount)
        first = decision.reasons[0].code if isinstance(decision, Refused) else None
        found = self.on_chain(sender, receiver, amount)
        assert first == found, (
            f"seed {self.seed}, question {self.asked}: decided {first}, the chain {found} on {sender} → {receiver}, {amount};"
            f" {decision.as_json()} under {[rule_as_json(rule) for rule in self.rules]}"
        )
        self.asked += 1
        self.told[found] += 1

    def act(self) -> None:
        """Do one thing; a transfer must end as it was foretold."""
        world, pick = self.world, self.random.choice
        a, b, amount = pick(self.wallets), pick(self.wallets), self.an_amount()
        match self.random.randrange(22):
            case 0 | 1:
                self.register(a)
            case 2 | 3:
                self.foretold(None, a, amount, lambda: world.token.fn("mint", a, amount, sender=world.agent))
            case 4 | 5 | 6 | 7:
                self.foretold(a, b, amount, lambda: world.token.fn("transfer", b, amount, sender=a))
            case 8:
                frozen = self.random.random() < 0.3
                self.attempt(lambda: world.token.fn("setAddressFrozen", a, frozen, sender=world.agent))
            case 9:
                function = pick(["freezePartialTokens", "unfreezePartialTokens"])
                self.attempt(lambda: world.token.fn(function, a, amount, sender=world.agent))
            case 10 | 11 | 12:
                self.set_rules()
            case 13 | 20 if self.book.is_paused or self.random.random() < 0.05:
                function = "unpause" if self.book.is_paused else "pause"
                self.attempt(lambda: world.token.fn(function, sender=world.agent))
            case 14:
                self.end_or_correct(a)
            case 15:
                self.attempt(lambda: world.token.fn("forcedTransfer", a, b, amount, sender=world.agent))
            case 16:
                unlocks_at = world.chain.now + pick([10, 40, 100, DAY])
                self.attempt(lambda: world.token.fn("lock", a, amount, unlocks_at, sender=world.agent))
            case 17:
                self.recover_or_burn(a, b, amount)
            case 18:
                self.put_in_category(a)
            case 19:
                self.approve(self.a_holder(a), b, self.random.choice([1, 2, 5]))
            case _:
                world.chain.pass_time(pick([1, 20, HOUR, 7 * HOUR, DAY]))

    def register(self, wallet: Address) -> None:
        world = self.world
        identity = self.random.choice([ZERO, ZERO, *self.wallets[:3]])
        country = self.random.choice(sorted(COUNTRIES))
        until = world.chain.now + self.random.choice([50, *[10_000_000] * 7])
        self.countries[wallet] = country
        self.attempt(lambda: world.registry.fn("register_investor", wallet, identity, country, until, sender=world.agent))

    def end_or_correct(self, wallet: Address) -> None:
        world = self.world
        match self.random.randrange(3):
            case 0:
                self.attempt(lambda: world.registry.fn("invalidate", wallet, sender=world.agent))
            case 1:
                country = self.random.choice(sorted(COUNTRIES))
                self.attempt(lambda: world.registry.fn("updateCountry", wallet, country, sender=world.agent))
            case _:
                self.attempt(lambda: world.registry.fn("deleteIdentity", wallet, sender=world.agent))

    def recover_or_burn(self, lost: Address, replacement: Address, amount: int) -> None:
        world = self.world
        if self.random.random() < 0.5:
            self.attempt(lambda: world.token.fn("burn", lost, amount, sender=world.agent))
            return
        identity = self.book.facts(lost).identity or ZERO
        self.countries.setdefault(replacement, 0)
        kept = self.countries[replacement]
        if replacement not in self.book.identity_events or not self.book.facts(replacement).is_registered:
            self.countries[replacement] = self.book.facts(lost).country or 0
        if not self.attempt(lambda: world.token.fn("recoveryAddress", lost, replacement, identity, sender=world.agent)):
            self.countries[replacement] = kept

    def put_in_category(self, wallet: Address) -> None:
        purpose, category = self._purpose("category"), self.random.choice([0, 1, 2])
        self.submitted(
            lambda: self.chain.set_category(wallet, category, token=self.token, operator=Address(self.world.agent), purpose=purpose)
        )

    def approve(self, sender: Address, receiver: Address, shares: int) -> None:
        self.approved.append((sender, receiver, shares))
        purpose, until = self._purpose("approval"), self.world.chain.now + self.random.choice([0, 30, DAY])
        self.submitted(
            lambda: self.chain.approve_transfer(
                token=self.token,
                sender=sender,
                receiver=receiver,
                shares=shares,
                until=until,
                operator=Address(self.world.agent),
                purpose=purpose,
            )
        )

    def set_rules(self) -> None:
        """Set random rules as the product does, and read them back."""
        self.rules = check_rules(self.some_rules())
        assert tuple(rule_from_json(rule_as_json(rule)) for rule in self.rules) == self.rules
        wanted = compile_rules(self.rules)
        compliance = Address(self.world.compliance.address)
        self.versions += 1
        self.chain.apply_rules(
            wanted,
            compliance=compliance,
            token=self.token,
            operator=Address(self.world.agent),
            purpose=f"rules {self.versions}",
            candidates=sorted(COUNTRIES),
            holders=[Address(wallet) for wallet, balance in self.book.balances.items() if balance],
        )
        self._take()
        found = self.chain.rules_on_chain(compliance=compliance, token=self.token, candidates=sorted(COUNTRIES))
        assert found == wanted, f"seed {self.seed}: {found} instead of {wanted}"

    def some_rules(self) -> list[Rule]:
        """Return rules of random kinds that do not contradict each other."""
        chance = self.random
        countries = sorted(COUNTRIES.values())
        listed = tuple(chance.sample(countries, 2))
        now = dt.datetime.fromtimestamp(self.world.chain.now, tz=dt.UTC)
        made: list[Rule] = []
        match chance.randrange(9):
            case 0:
                made.append(CountryAllowed("allow", "a", listed))
                countries = sorted(listed)
            case 1:
                made.append(CountryBlocked("block", "b", listed))
                countries = sorted(set(countries) - set(listed))
        minimum = chance.randrange(2, 40) if chance.random() < 0.25 else 0
        if minimum:
            made.append(MinimumHolding("minimum", "f", minimum))
        if chance.random() < 0.3:
            made.append(MaximumBalancePerInvestor("maximum", "c", minimum + chance.randrange(1, 160)))
        if chance.random() < 0.3:
            made.append(SupplyCap("supply", "d", minimum + chance.randrange(1, 900)))
        if chance.random() < 0.2:
            made.append(HolderCap("holders", "e", chance.randrange(1, 8)))
        if chance.random() < 0.4:
            made += [
                CountryHolderCap(f"country.{each.lower()}", "g", each, chance.randrange(4))
                for each in chance.sample(countries, chance.randint(1, len(countries)))
            ]
        if chance.random() < 0.4:
            made += [CategoryHolderCap(f"category.{each}", "h", each, chance.randrange(4)) for each in chance.sample([0, 1, 2], 2)]
        if chance.random() < 0.12:
            start = now + dt.timedelta(seconds=chance.choice([-30, -HOUR, 5, HOUR]))
            ends = [start + dt.timedelta(seconds=chance.choice([20, HOUR, 3 * DAY])), start + dt.timedelta(days=5)]
            windows = (TransferWindow(start, ends[0]), TransferWindow(ends[1], ends[1] + dt.timedelta(hours=9)))
            made.append(TransferWindows("windows", "i", windows))
        if chance.random() < 0.15:
            opens = chance.randrange(0, 20 * HOUR)
            weekdays = tuple(chance.sample(WEEKDAYS, chance.randint(2, 7)))
            made.append(TransferHours("hours", "j", opens, chance.randint(opens + 1, DAY), weekdays))
        if chance.random() < 0.12:
            made.append(VenuesOnly("venues", "k", tuple(chance.sample(self.wallets, chance.randint(1, 6)))))
        if chance.random() < 0.15:
            made.append(TransferApproval("approval", "l"))
        if chance.random() < 0.15:
            sends = chance.random() < 0.5
            made.append(WholePosition("whole", "m", sends, not sends or chance.random() < 0.3))
        if chance.random() < 0.5:
            made.append(HoldingPeriod("period", "n", chance.choice([HOUR, 5 * DAY, 30 * DAY])))
        if chance.random() < 0.3:
            made.append(VolumeLimit("volume", "o", chance.randrange(1, 80), chance.choice([60, HOUR, DAY])))
        if chance.random() < 0.15:
            made = [rule for rule in made if not isinstance(rule, FurtherRule)]
        chance.shuffle(made)
        return made

    @property
    def token(self) -> Address:
        return Address(self.world.token.address)

    def foretold(self, sender: Address | None, receiver: Address, amount: int, act: Callable[[], Done]) -> None:
        expected = not isinstance(self.off_chain(sender, receiver, amount), Refused)
        assert self.attempt(act) == expected, f"seed {self.seed}: {sender} → {receiver}, {amount}"
        self.foretold_acts += 1

    def attempt(self, act: Callable[[], Done]) -> bool:
        try:
            done = act()
        except Reverted:
            return False
        self.book.take(done.logs, countries=self.countries)
        return True

    def submitted(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Reverted:
            return
        self._take()

    def off_chain(self, sender: Address | None, receiver: Address, amount: int) -> Decision:
        """Decide as `commands.check_transfer` does, with the book's facts in place of the register's."""
        to = self.book.facts(receiver)
        further = FurtherFacts()
        if any(isinstance(rule, FurtherRule) for rule in self.rules):
            further = self.chain.further_facts(token=self.token, sender=sender, receiver=receiver, country=to.country, shares=amount)
        move = Move(
            None if sender is None else replace(self.book.facts(sender), remembered=further.sender or InvestorFacts()),
            replace(to, remembered=further.receiver),
            amount,
            further.approved_until,
        )
        token = replace(self.book.token(), country_holders=further.country_holders, category_holders=further.category_holders)
        return decide(move, token, self.rules, at=dt.datetime.fromtimestamp(self.world.chain.now, tz=dt.UTC))

    def on_chain(self, sender: Address | None, receiver: Address, amount: int) -> str | None:
        code = self.world.why_not(sender or ZERO, receiver, amount)
        return None if code == 0 else contract_artifacts.reason("security_token", code).code

    def questions(self) -> Iterator[tuple[Address | None, Address, int]]:
        eligible = [wallet for wallet in self.wallets if (facts := self.book.facts(wallet)).is_registered and not facts.is_frozen]
        holding = [wallet for wallet in self.wallets if self.book.balances[wallet] and wallet not in self.book.frozen_wallets]
        for _ in range(QUESTIONS_A_STEP):
            senders = holding if holding and self.random.random() < 0.7 else [None, *self.wallets]
            sender = self.random.choice(senders)
            amount = self.an_amount()
            if sender is not None and self.random.random() < 0.7:
                facts = self.book.facts(sender)
                unlocked = max(0, facts.free - facts.locked(self.world.chain.now))
                amount = self.random.choice(
                    [facts.free, unlocked, max(0, unlocked - 1), unlocked // 2, min(unlocked, 3), min(unlocked, amount)]
                )
            receivers = eligible if eligible and self.random.random() < 0.8 else self.wallets
            receiver = self.random.choice(receivers)
            minimum = next((rule.shares for rule in self.rules if isinstance(rule, MinimumHolding)), 0)
            if minimum and self.random.random() < 0.3:
                # What the recipient just lacks.
                amount = max(0, minimum - self.book.facts(receiver).position)
            yield sender, receiver, amount
        if self.approved and self.random.random() < 0.5:
            yield self.random.choice(self.approved)

    def a_holder(self, otherwise: Address) -> Address:
        return self.random.choice([wallet for wallet in self.wallets if self.book.balances[wallet]] or [otherwise])

    def an_amount(self) -> int:
        return self.random.choice([0, 1, self.random.randrange(1, 60), self.random.randrange(1, 200)])

    def _take(self) -> None:
        for done in self.transactions.done:
            self.book.take(done.logs, countries=self.countries)
        self.transactions.done.clear()

    def _purpose(self, what: str) -> str:
        return f"{what} {self.random.getrandbits(64)}"


def run_markets(seeds: list[str], *, questions: int) -> tuple[int, int, Counter[str | None]]:
    """Ask that many questions of each seed's market; return how many were asked, how many acts were foretold, and the answers."""
    world = build_world(fast_chain())
    asked, foretold, told = 0, 0, Counter[str | None]()
    for seed in seeds:
        with world.chain.undone():
            market = RandomMarket(world, seed)
            market.run(questions=questions)
        asked += market.asked
        foretold += market.foretold_acts
        told += market.told
    return asked, foretold, told
