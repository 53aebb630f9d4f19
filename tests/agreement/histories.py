# SPDX-License-Identifier: Apache-2.0
"""Random histories, done by the contracts and by the model side by side; a difference is told with its history. Holds no test."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from eth_hash.auto import keccak

from tests.agreement.fast_chain import fast_chain
from tests.agreement.model import ALLOW_LISTED, BLOCK_LISTED, NO_COUNTRY_RULE, ZERO, Suite
from tests.contracts.chain import Reverted
from tests.contracts.world import World, build_world

INVESTORS, SPARE_WALLETS, STRANGERS = 6, 8, 2
COUNTRIES = (276, 250, 756, 364)
DAY = 86_400
ACTS_BETWEEN_INVENTORIES = 50


@dataclass(frozen=True, slots=True)
class Act:
    """One call: to which contract, its signature, by whom, with what, and what the model does for it."""

    contract: str
    signature: str
    caller: str
    arguments: tuple[object, ...]
    modelled: Callable[[], str | None]


class History:
    """A new suite, contracts and model alike, and a source of chance that a seed repeats."""

    def __init__(self, world: World, seed: str) -> None:
        self._world = world
        self._chance = random.Random(seed)
        self._model = Suite(owner=world.owner, agent=world.agent, now=world.chain.now)
        self._addresses = {"token": world.token.address, "registry": world.registry.address, "compliance": world.compliance.address}
        account = world.chain.account
        self._firsts = [account(f"investor {number}") for number in range(INVESTORS)]
        self._spares = [account(f"spare wallet {number}") for number in range(SPARE_WALLETS)]
        self._strangers = [account(f"stranger {number}") for number in range(STRANGERS)]
        self._wallets = [*self._firsts, *self._spares, *self._strangers]
        self._told: list[str] = []
        self.calls = 0
        self.acts = 0
        self.done = 0

    def run(self, calls: int) -> None:
        """Do that many calls; raise AssertionError at the first difference."""
        for wallet in self._firsts:
            self._do(self._register(wallet, ZERO))
        while self.calls < calls:
            if self._chance.random() < 0.03:
                self._pass_time()
            act = self._chance.choices([each for each, _ in ACTS], [weight for _, weight in ACTS])[0](self)
            if act.signature.startswith(("transfer(", "mint(")) and self._chance.random() < 0.5:
                self._ask_first(act)
            self._do(act)
            if self.acts % ACTS_BETWEEN_INVENTORIES == 0:
                self._take_inventory()
        self._take_inventory()

    def _do(self, act: Act) -> None:
        self._told.append(f"{act.contract}.{act.signature} {act.arguments} by {act.caller} at {self._model.now}")
        expected = act.modelled()
        found: str | None = None
        try:
            self._send(act)
        except Reverted as refusal:
            found = refusal.reason
        self.calls += 1
        self.acts += 1
        self.done += found is None
        assert found == expected, self._story(f"the contracts said {found!r}, the model {expected!r}")

    def _ask_first(self, act: Act) -> None:
        sender = ZERO if act.signature.startswith("mint(") else act.caller
        receiver, amount = str(act.arguments[0]), int(str(act.arguments[1]))
        expected = self._model.check_transfer(sender, receiver, amount)
        found = self._ask_numbers("token", "check_transfer(address,address,uint256)", sender, receiver, amount)[0]
        self.calls += 1
        assert found == expected, self._story(f"check_transfer({sender}, {receiver}, {amount}) said {found}, the model {expected}")

    def _take_inventory(self) -> None:
        model = self._model
        self._equal("totalSupply", self._ask_numbers("token", "totalSupply()")[0], model.supply)
        self._equal("paused", self._ask_numbers("token", "paused()")[0], int(model.is_paused))
        rules = self._ask_numbers("compliance", "rules(address)", self._addresses["token"])
        self._equal("holders", rules[3], model.holders)
        for wallet in self._wallets:
            held = model.wallets[wallet]
            self._equal(f"balanceOf({wallet})", self._ask_numbers("token", "balanceOf(address)", wallet)[0], held.balance)
            self._equal(f"getFrozenTokens({wallet})", self._ask_numbers("token", "getFrozenTokens(address)", wallet)[0], held.frozen)
            self._equal(f"isFrozen({wallet})", self._ask_numbers("token", "isFrozen(address)", wallet)[0], int(held.is_frozen))
            self._equal(f"free_balance({wallet})", self._ask_numbers("token", "free_balance(address)", wallet)[0], model.free(wallet))
            self._equal(
                f"isVerified({wallet})", self._ask_numbers("registry", "isVerified(address)", wallet)[0], int(model.is_verified(wallet))
            )
        self.calls += 3 + 5 * len(self._wallets)

    def _equal(self, what: str, found: int, expected: int) -> None:
        assert found == expected, self._story(f"{what} is {found}, in the model {expected}")

    def _story(self, difference: str) -> str:
        return "\n".join([*self._told[-200:], difference])

    def _pass_time(self) -> None:
        seconds = self._chance.choice([1, DAY - 1, DAY, 30 * DAY])
        self._world.chain.pass_time(seconds)
        self._model.now = self._world.chain.now

    def _send(self, act: Act) -> None:
        self._world.chain.send_unheard(self._addresses[act.contract], encoded(act.signature, act.arguments), sender=act.caller)

    def _ask_numbers(self, contract: str, signature: str, *arguments: object) -> list[int]:
        answer = self._world.chain.ask(self._addresses[contract], encoded(signature, arguments), sender=None)
        return [int.from_bytes(answer[place : place + 32], "big") for place in range(0, len(answer), 32)]

    # What may happen

    def _wallet(self) -> str:
        return self._chance.choice(self._wallets)

    def _receiver(self) -> str:
        verified = [wallet for wallet in self._wallets if self._model.is_verified(wallet)]
        return self._chance.choice(verified) if verified and self._chance.random() < 0.8 else self._wallet()

    def _holder(self) -> str:
        held = [wallet for wallet in self._wallets if self._model.wallets[wallet].balance]
        return self._chance.choice(held) if held and self._chance.random() < 0.9 else self._wallet()

    def _agent(self) -> str:
        return self._world.agent if self._chance.random() < 0.98 else self._wallet()

    def _amount(self, of: int) -> int:
        return self._chance.choice([0, 1, of, of + 1, of // 2, self._chance.randint(0, 100), 2**104, 2**256 - 1])

    def _plausible(self, of: int) -> int:
        return self._amount(of) if self._chance.random() < 0.3 else self._chance.randint(0, max(1, of))

    def _to_the_edge(self, receiver: str, otherwise: int) -> int:
        """Return, at times, what just fits under a limit or is one too many."""
        rules = self._model.rules
        rooms = [rules.maximum_balance - self._model.investor_balance(receiver)] if rules.maximum_balance else []
        rooms += [rules.supply_cap - self._model.supply] if rules.supply_cap else []
        if not rooms or self._chance.random() < 0.7:
            return otherwise
        return max(0, self._chance.choice(rooms) + self._chance.choice([0, 0, 1]))

    def _instant(self) -> int:
        now = self._model.now
        return self._chance.choice([now, now + 1, now + DAY, now + 30 * DAY, now + self._chance.randint(1, 90) * DAY, 253_402_300_800])

    def _register(self, wallet: str, identity: str) -> Act:
        country = self._chance.choice(COUNTRIES) if self._chance.random() < 0.97 else 1000
        until = self._model.now + self._chance.choice([DAY, 400 * DAY, 400 * DAY])
        agent = self._agent()
        return Act(
            "registry",
            "register_investor(address,address,uint16,uint256)",
            agent,
            (wallet, identity, country, until),
            lambda: self._model.register(agent, wallet, identity, country, until),
        )

    def register(self) -> Act:
        identity = self._chance.choice([ZERO, *self._firsts, *self._firsts])
        return self._register(self._chance.choice(self._wallets), identity)

    def delete(self) -> Act:
        agent, wallet = self._agent(), self._wallet()
        return Act("registry", "deleteIdentity(address)", agent, (wallet,), lambda: self._model.delete(agent, wallet))

    def update_identity(self) -> Act:
        agent, wallet, identity = self._agent(), self._wallet(), self._chance.choice([*self._firsts, *self._spares])
        return Act(
            "registry",
            "updateIdentity(address,address)",
            agent,
            (wallet, identity),
            lambda: self._model.update_identity(agent, wallet, identity),
        )

    def update_country(self) -> Act:
        agent, wallet, country = self._agent(), self._wallet(), self._chance.choice(COUNTRIES)
        return Act(
            "registry",
            "updateCountry(address,uint16)",
            agent,
            (wallet, country),
            lambda: self._model.update_country(agent, wallet, country),
        )

    def invalidate(self) -> Act:
        agent, wallet = self._agent(), self._wallet()
        return Act("registry", "invalidate(address)", agent, (wallet,), lambda: self._model.invalidate(agent, wallet))

    def prolong(self) -> Act:
        agent, wallet, until = self._agent(), self._wallet(), self._model.now + 400 * DAY
        return Act(
            "registry",
            "set_verified_until(address[],uint256[])",
            agent,
            ([wallet], [until]),
            lambda: self._model.set_verified_until(agent, wallet, until),
        )

    def set_rules(self) -> Act:
        caller = self._chance.choice([self._agent(), self._world.owner])
        maximum = self._chance.choice([0, 0, 500, 5_000])
        cap = self._chance.choice([0, 0, self._model.supply + 500, 10_000])
        holders = self._chance.choice([0, 0, 0, 4, 6, self._model.holders])
        return Act(
            "compliance",
            "set_rules(address,uint256,uint256,uint256)",
            caller,
            (self._addresses["token"], maximum, cap, holders),
            lambda: self._model.set_rules(caller, maximum, cap, holders),
        )

    def set_countries(self) -> Act:
        caller = self._chance.choice([self._agent(), self._world.owner])
        mode = self._chance.choice([NO_COUNTRY_RULE, NO_COUNTRY_RULE, ALLOW_LISTED, BLOCK_LISTED])
        most = 0 if mode == NO_COUNTRY_RULE else 3
        countries = self._chance.sample(COUNTRIES, self._chance.randint(min(1, most), most))
        return Act(
            "compliance",
            "set_countries(address,uint256,uint16[])",
            caller,
            (self._addresses["token"], mode, countries),
            lambda: self._model.set_countries(caller, mode, frozenset(countries)),
        )

    def mint(self) -> Act:
        agent, receiver = self._agent(), self._receiver()
        amount = self._to_the_edge(receiver, self._plausible(600))
        return Act("token", "mint(address,uint256)", agent, (receiver, amount), lambda: self._model.mint(agent, receiver, amount))

    def burn(self) -> Act:
        agent, holder = self._agent(), self._holder()
        amount = self._plausible(self._model.wallets[holder].balance)
        return Act("token", "burn(address,uint256)", agent, (holder, amount), lambda: self._model.burn(agent, holder, amount))

    def transfer(self) -> Act:
        sender, receiver = self._holder(), self._receiver()
        amount = self._to_the_edge(receiver, self._plausible(self._model.free(sender)))
        return Act("token", "transfer(address,uint256)", sender, (receiver, amount), lambda: self._model.transfer(sender, receiver, amount))

    def approve(self) -> Act:
        holder, spender, amount = self._holder(), self._wallet(), self._chance.choice([0, 100, 2**256 - 1])
        return Act("token", "approve(address,uint256)", holder, (spender, amount), lambda: self._model.approve(holder, spender, amount))

    def transfer_from(self) -> Act:
        approved = [pair for pair, amount in self._model.allowances.items() if amount]
        sender, caller = self._chance.choice(approved) if approved and self._chance.random() < 0.8 else (self._holder(), self._wallet())
        receiver, amount = self._receiver(), self._plausible(min(150, self._model.free(sender)))
        return Act(
            "token",
            "transferFrom(address,address,uint256)",
            caller,
            (sender, receiver, amount),
            lambda: self._model.transfer_from(caller, sender, receiver, amount),
        )

    def forced_transfer(self) -> Act:
        agent, sender, receiver = self._agent(), self._holder(), self._receiver()
        amount = self._plausible(self._model.wallets[sender].balance)
        return Act(
            "token",
            "forcedTransfer(address,address,uint256)",
            agent,
            (sender, receiver, amount),
            lambda: self._model.forced_transfer(agent, sender, receiver, amount),
        )

    def recover(self) -> Act:
        agent, lost, new = self._agent(), self._holder(), self._wallet()
        record = self._model.records.get(lost)
        identity = record.identity if record is not None and self._chance.random() < 0.9 else self._wallet()
        return Act(
            "token",
            "recoveryAddress(address,address,address)",
            agent,
            (lost, new, identity),
            lambda: self._model.recover(agent, lost, new, identity),
        )

    def freeze_whole(self) -> Act:
        agent, holder, is_frozen = self._agent(), self._wallet(), self._chance.random() < 0.2
        return Act(
            "token",
            "setAddressFrozen(address,bool)",
            agent,
            (holder, int(is_frozen)),
            lambda: self._model.set_frozen(agent, holder, is_frozen=is_frozen),
        )

    def freeze(self) -> Act:
        agent, holder = self._agent(), self._holder()
        amount = self._plausible(self._model.unfrozen(holder))
        return Act(
            "token", "freezePartialTokens(address,uint256)", agent, (holder, amount), lambda: self._model.freeze(agent, holder, amount)
        )

    def unfreeze(self) -> Act:
        agent, holder = self._agent(), self._holder()
        amount = self._plausible(self._model.wallets[holder].frozen)
        return Act(
            "token", "unfreezePartialTokens(address,uint256)", agent, (holder, amount), lambda: self._model.unfreeze(agent, holder, amount)
        )

    def set_frozen_tokens(self) -> Act:
        agent, holder = self._agent(), self._holder()
        amount = self._plausible(self._model.wallets[holder].balance)
        return Act(
            "token",
            "setFrozenTokens(address,uint256)",
            agent,
            (holder, amount),
            lambda: self._model.set_frozen_tokens(agent, holder, amount),
        )

    def lock(self) -> Act:
        agent, holder, instant = self._agent(), self._holder(), self._instant()
        shares = self._plausible(max(1, self._model.wallets[holder].balance // 4))
        return Act(
            "token",
            "lock(address,uint256,uint256)",
            agent,
            (holder, shares, instant),
            lambda: self._model.lock(agent, holder, shares, instant),
        )

    def release(self) -> Act:
        agent, holder = self._agent(), self._holder()
        shares = self._plausible(max(1, self._model.locked(holder)))
        return Act("token", "lock(address,uint256,uint256)", agent, (holder, shares, 0), lambda: self._model.lock(agent, holder, shares, 0))

    def pause(self) -> Act:
        agent, is_paused = self._agent(), self._chance.random() < (0.05 if self._model.is_paused else 0.3)
        signature = "pause()" if is_paused else "unpause()"
        return Act("token", signature, agent, (), lambda: self._model.set_paused(agent, is_paused=is_paused))


ACTS: tuple[tuple[Callable[[History], Act], int], ...] = (
    (History.register, 6),
    (History.delete, 1),
    (History.update_identity, 2),
    (History.update_country, 2),
    (History.invalidate, 1),
    (History.prolong, 8),
    (History.set_rules, 2),
    (History.set_countries, 2),
    (History.mint, 16),
    (History.burn, 5),
    (History.transfer, 36),
    (History.approve, 5),
    (History.transfer_from, 10),
    (History.forced_transfer, 5),
    (History.recover, 4),
    (History.freeze_whole, 4),
    (History.freeze, 3),
    (History.unfreeze, 3),
    (History.set_frozen_tokens, 2),
    (History.release, 2),
    (History.lock, 5),
    (History.pause, 3),
)
"""What may happen, and how often."""


def run_histories(seeds: Iterable[str], *, calls: int) -> tuple[int, float]:
    """Run one history a seed, each on the same new suite; return how many calls were made and what part of the acts was done."""
    world = build_world(fast_chain())
    made, acts, done = 0, 0, 0
    for seed in seeds:
        with world.chain.undone():
            history = History(world, seed)
            try:
                history.run(calls)
            except AssertionError as difference:
                raise AssertionError(f"seed {seed}\n{difference}") from difference
            made, acts, done = made + history.calls, acts + history.acts, done + history.done
    return made, done / acts


@lru_cache(maxsize=256)
def _selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def encoded(signature: str, arguments: Iterable[object]) -> bytes:
    """Return the call's bytes; lists hold words. By hand: the general encoder takes longer than the chain."""
    heads: list[bytes] = []
    tails: list[bytes] = []
    given = list(arguments)
    for argument in given:
        if isinstance(argument, list):
            heads.append((32 * len(given) + sum(map(len, tails))).to_bytes(32, "big"))
            tails.append(len(argument).to_bytes(32, "big") + b"".join(map(_word, argument)))
        else:
            heads.append(_word(argument))
    return b"".join([_selector(signature), *heads, *tails])


def _word(value: object) -> bytes:
    return int(value, 16).to_bytes(32, "big") if isinstance(value, str) else int(str(value)).to_bytes(32, "big")
