# SPDX-License-Identifier: Apache-2.0
"""Countries, the maximum per investor, the caps on holders and supply, and the counts behind them."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import ZERO, Chain, Contract, Reverted, refused
from tests.contracts.test_identity_registry import COMPLIANCE_PART
from tests.contracts.world import ALLOW_LISTED, BLOCK_LISTED, FRANCE, GERMANY, IRAN, NO_COUNTRY_RULE, World, encode_rules

OWNER_OR_TOKEN = "only owner or token can call"
NOT_POSSIBLE = "Transfer not possible"


# Countries


def test_only_investors_of_listed_countries_may_receive(world: World) -> None:
    ann, bob, cy = world.holder("ann", 100), world.register("bob", country=FRANCE), world.register("cy", country=IRAN)
    world.set_countries(ALLOW_LISTED, [GERMANY, FRANCE])
    world.token.fn("transfer", bob, 1, sender=ann)
    assert world.token.view("check_transfer", ann, cy, 1) == (13, IRAN)
    with refused(NOT_POSSIBLE):
        world.token.fn("transfer", cy, 1, sender=ann)
    with refused("Compliance not followed"):
        world.token.fn("mint", cy, 1, sender=world.agent)


def test_investors_of_blocked_countries_may_not_receive(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.holder("bob", 100, country=IRAN)
    world.set_countries(BLOCK_LISTED, [IRAN])
    assert world.token.view("check_transfer", ann, bob, 1) == (14, IRAN)
    with refused(NOT_POSSIBLE):
        world.token.fn("transfer", bob, 1, sender=ann)
    world.token.fn("transfer", ann, 1, sender=bob)


def test_a_country_that_changes_counts_from_then_on(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.register("bob", country=IRAN)
    world.set_countries(BLOCK_LISTED, [IRAN])
    world.registry.fn("updateCountry", bob, FRANCE, sender=world.agent)
    world.token.fn("transfer", bob, 1, sender=ann)


@settings(max_examples=20, deadline=None)
@given(listed=st.sets(st.integers(1, 999), max_size=256), asked=st.integers(0, 65_535))
def test_a_list_of_countries_holds_exactly_what_was_listed(shared_world: World, listed: set[int], asked: int) -> None:
    world = shared_world
    with world.chain.undone():
        world.set_countries(BLOCK_LISTED, sorted(listed))
        for country in {asked, asked % 1000, *list(listed)[:3]}:
            assert world.compliance.view("is_country_listed", world.token.address, country) is (country in listed)


def test_lifting_the_rule_forgets_the_list(world: World) -> None:
    world.set_countries(ALLOW_LISTED, [GERMANY])
    done = world.compliance.fn("set_countries", world.token.address, NO_COUNTRY_RULE, [], sender=world.agent)
    assert done.logs == [DecodedLog("CountriesSet", {"token": world.token.address, "mode": NO_COUNTRY_RULE, "countries": ()})]
    assert world.compliance.view("is_country_listed", world.token.address, GERMANY) is False


# Maximum per investor


def test_an_investor_holds_at_most_the_maximum_over_all_wallets(world: World) -> None:
    ann, bob = world.holder("ann", 1000), world.holder("bob", 60)
    second = world.holder("bob's second", 30, identity=bob)
    world.set_rules(maximum_balance=100)
    assert world.compliance.view("investor_balance", world.token.address, bob) == 90
    for wallet in (bob, second):
        assert world.token.view("check_transfer", ann, wallet, 11) == (15, 100)
        with refused(NOT_POSSIBLE):
            world.token.fn("transfer", wallet, 11, sender=ann)
        with refused("Compliance not followed"):
            world.token.fn("mint", wallet, 11, sender=world.agent)
    world.token.fn("transfer", second, 10, sender=ann)
    with refused(NOT_POSSIBLE):
        world.token.fn("transfer", bob, 1, sender=ann)


def test_an_investor_moves_between_own_wallets_whatever_the_maximum(world: World) -> None:
    bob = world.holder("bob", 100)
    second = world.register("bob's second", identity=bob)
    world.set_rules(maximum_balance=50, holder_cap=1)
    world.token.fn("transfer", second, 40, sender=bob)
    world.token.fn("transfer", second, 60, sender=bob)
    world.token.fn("transfer", bob, 100, sender=second)
    assert (world.balance(bob), world.holders()) == (100, 1)


def test_a_wallet_that_joins_an_investor_counts_with_them_from_then_on(world: World) -> None:
    ann, bob, cy = world.holder("ann", 100), world.holder("bob", 60), world.holder("cy", 30)
    world.set_rules(maximum_balance=100)
    world.registry.fn("updateIdentity", cy, bob, sender=world.agent)
    assert (world.why_not(ann, cy, 10), world.why_not(ann, cy, 11)) == (0, 15)
    world.registry.fn("updateIdentity", cy, cy, sender=world.agent)
    assert (world.why_not(ann, cy, 70), world.why_not(ann, cy, 71)) == (0, 15)


def test_no_amount_slips_past_the_maximum(world: World) -> None:
    ann = world.register("ann")
    world.set_rules(maximum_balance=2**96 - 1)
    with refused("token: supply does not fit"):
        world.token.fn("mint", ann, 2**256 - 1, sender=world.agent)
    world.set_rules(maximum_balance=5)
    assert world.why_not(ZERO, ann, 2**96 - 1) == 15


# Caps


def test_the_supply_stays_within_its_cap(world: World) -> None:
    ann = world.holder("ann", 90)
    world.set_rules(supply_cap=100)
    assert world.token.view("check_transfer", ZERO, ann, 11) == (16, 100)
    with refused("Compliance not followed"):
        world.token.fn("mint", ann, 11, sender=world.agent)
    world.token.fn("mint", ann, 10, sender=world.agent)
    world.token.fn("burn", ann, 5, sender=world.agent)
    world.token.fn("mint", ann, 5, sender=world.agent)
    assert world.why_not(ZERO, ann, 1) == 16
    bob = world.register("bob")
    world.token.fn("transfer", bob, 1, sender=ann)


def test_no_more_investors_than_the_cap_hold(world: World) -> None:
    ann, bob, cy = world.holder("ann", 100), world.holder("bob", 100), world.register("cy")
    world.set_rules(holder_cap=2)
    assert world.token.view("check_transfer", ann, cy, 1) == (17, 2)
    with refused(NOT_POSSIBLE):
        world.token.fn("transfer", cy, 1, sender=ann)
    with refused("Compliance not followed"):
        world.token.fn("mint", cy, 1, sender=world.agent)
    second = world.register("bob's second", identity=bob)
    world.token.fn("transfer", second, 1, sender=ann)
    world.token.fn("transfer", cy, 99, sender=ann)
    assert (world.balance(cy), world.holders()) == (99, 2)


def test_zero_is_no_limit(world: World) -> None:
    world.set_rules(maximum_balance=1, supply_cap=1, holder_cap=1)
    world.set_rules()
    ann, bob = world.holder("ann", 100), world.register("bob")
    world.token.fn("transfer", bob, 50, sender=ann)
    assert world.holders() == 2


# The count of holders


def test_holders_are_counted_through_every_kind_of_move(world: World) -> None:
    counts = []
    ann, bob = world.holder("ann", 100), world.register("bob")
    second = world.register("ann's second", identity=ann)
    for act, arguments, sender in (
        ("transfer", [second, 40], ann),
        ("transfer", [bob, 60], ann),
        ("transfer", [bob, 40], second),
        ("forcedTransfer", [bob, ann, 100], world.agent),
        ("mint", [second, 1], world.agent),
        ("burn", [ann, 100], world.agent),
        ("burn", [second, 1], world.agent),
    ):
        world.token.fn(act, *arguments, sender=sender)
        counts.append(world.holders())
    assert counts == [1, 2, 1, 1, 1, 1, 0]


def test_holders_are_counted_through_changes_of_identity(world: World) -> None:
    ann, bob, cy = world.holder("ann", 10), world.holder("bob", 10), world.register("cy")
    registry, agent = world.registry, world.agent
    counts = [world.holders()]
    for act, arguments in (
        ("updateIdentity", [bob, ann]),  # two holders become one
        ("updateIdentity", [cy, ann]),  # an empty wallet joins
        ("updateIdentity", [bob, cy]),  # cy is no identity of its own: bob leaves ann alone
        ("deleteIdentity", [ann]),
        ("register_investor", [ann, cy, GERMANY, 2**40]),  # joins bob
        ("deleteIdentity", [bob]),  # holds on as a stranger
    ):
        registry.fn(act, *arguments, sender=agent)
        counts.append(world.holders())
    assert counts == [2, 1, 1, 2, 2, 1, 2]


def test_only_tokens_that_a_wallet_holds_are_recounted(world: World) -> None:
    ann, bob = world.holder("ann", 10), world.register("bob")
    world.registry.fn("updateIdentity", bob, ann, sender=world.agent)
    assert world.holders() == 1


# Setting rules


def test_rules_are_set_read_and_told(world: World) -> None:
    token = world.token.address
    done = world.compliance.fn("set_rules", token, 1, 2, 3, sender=world.owner)
    assert done.logs == [DecodedLog("RulesSet", {"token": token, "maximum_balance": 1, "supply_cap": 2, "holder_cap": 3})]
    world.set_countries(BLOCK_LISTED, [IRAN])
    assert world.compliance.view("rules", token) == (1, 2, 3, 0, BLOCK_LISTED, True, True)
    world.set_rules(maximum_balance=9)
    assert world.compliance.view("rules", token) == (9, 0, 0, 0, BLOCK_LISTED, True, True)


def test_encoded_rules_set_everything_at_once(world: World) -> None:
    terms = encode_rules(maximum_balance=7, supply_cap=8, holder_cap=9, country_mode=ALLOW_LISTED, countries=(GERMANY,))
    world.compliance.fn("apply_rules", world.token.address, terms, sender=world.agent)
    assert world.compliance.view("rules", world.token.address)[:5] == (7, 8, 9, 0, ALLOW_LISTED)
    assert world.compliance.view("is_country_listed", world.token.address, GERMANY) is True
    world.compliance.fn(
        "apply_rules", world.token.address, encode_rules(country_mode=1, countries=tuple(range(1, 257))), sender=world.agent
    )


@pytest.mark.parametrize(
    ("act", "arguments", "reason"),
    [
        ("set_rules", [2**96, 0, 0], "compliance: limit is too large"),
        ("set_rules", [0, 0, 2**32], "compliance: limit is too large"),
        ("set_countries", [3, []], "compliance: country mode is unknown"),
        ("set_countries", [NO_COUNTRY_RULE, [GERMANY]], "compliance: countries need a mode"),
        ("set_countries", [ALLOW_LISTED, [0]], "compliance: country is not an ISO 3166-1 number"),
        ("set_countries", [ALLOW_LISTED, [1000]], "compliance: country is not an ISO 3166-1 number"),
    ],
)
def test_rules_without_sense_are_refused(world: World, act: str, arguments: list[Any], reason: str) -> None:
    with refused(reason):
        world.compliance.fn(act, world.token.address, *arguments, sender=world.agent)


def test_rules_of_a_token_that_is_not_bound_are_refused(world: World) -> None:
    token = world.person("some token")
    cases: list[tuple[str, list[Any]]] = [("set_rules", [0, 0, 0]), ("set_countries", [0, []]), ("apply_rules", [encode_rules()])]
    for act, arguments in cases:
        with refused("This token is not bound"):
            world.compliance.fn(act, token, *arguments, sender=world.agent)
    with refused("This token is not bound"):
        world.compliance.fn("seed_holders", token, 1, sender=world.owner)


# Roles and wiring


ACTS: list[tuple[str, list[Any], str]] = [
    ("set_rules", [ZERO, 0, 0, 0], "access: caller is neither owner nor agent"),
    ("set_countries", [ZERO, 0, []], "access: caller is neither owner nor agent"),
    ("apply_rules", [ZERO, b""], "access: caller is neither owner nor agent"),
    ("set_transfer_rules", [ZERO, ZERO], "access: caller is neither owner nor agent"),
    ("seed_holders", [ZERO, 0], "Ownable: caller is not the owner"),
    ("transferred", [ZERO, ZERO, 0], "error : this address is not a token bound to the compliance contract"),
    ("created", [ZERO, 0], "error : this address is not a token bound to the compliance contract"),
    ("destroyed", [ZERO, 0], "error : this address is not a token bound to the compliance contract"),
]
# What these book is keyed by the caller, who is no token: they change nothing and answer a no.
BOOKED_FOR_THE_CALLER = {"book_transfer", "book_forced_transfer", "book_mint", "book_burn"}


@pytest.mark.parametrize(("act", "arguments", "reason"), ACTS)
def test_a_stranger_may_not(world: World, act: str, arguments: list[Any], reason: str) -> None:
    with refused(reason):
        world.compliance.fn(act, *arguments, sender=world.person("stranger"))


def test_every_act_is_walked_for_its_role(world: World) -> None:
    assert {act for act, _, _ in ACTS} | BOOKED_FOR_THE_CALLER | {"bindToken", "unbindToken"} == COMPLIANCE_PART
    stranger, ann = world.person("stranger"), world.register("ann")
    assert world.compliance.fn("book_transfer", stranger, ann, 1, 1, 0, sender=stranger).answer == 12
    assert world.compliance.fn("book_forced_transfer", stranger, ann, 1, 1, 0, sender=stranger).answer == 12
    assert world.compliance.fn("book_mint", ann, 1, 0, 1, sender=stranger).answer == 12
    world.compliance.fn("book_burn", ann, 1, 1, sender=stranger)
    assert world.holders() == 0


def test_tokens_are_bound_by_owner_or_agent_and_unbound_by_owner_or_token(world: World, chain: Chain) -> None:
    token, compliance = chain.deploy("security_token", sender=world.owner).address, world.compliance
    for caller in (world.person("stranger"), token):
        with refused(OWNER_OR_TOKEN):
            compliance.fn("bindToken", token, sender=caller)
    assert compliance.fn("bindToken", token, sender=world.agent).logs == [DecodedLog("TokenBound", {"_token": token})]
    assert compliance.fn("bindToken", token, sender=token).logs == []
    with refused("compliance: token is already bound"):
        compliance.fn("bindToken", token, sender=world.owner)
    assert (compliance.view("tokens"), compliance.view("getTokenBound")) == ((world.token.address, token), world.token.address)
    for caller in (world.person("stranger"), world.agent):
        with refused(OWNER_OR_TOKEN):
            compliance.fn("unbindToken", token, sender=caller)
    assert compliance.fn("unbindToken", token, sender=token).logs == [DecodedLog("TokenUnbound", {"_token": token})]
    with refused("This token is not bound"):
        compliance.fn("unbindToken", token, sender=world.owner)
    for act in ("bindToken", "unbindToken"):
        with refused("invalid argument - zero address"):
            compliance.fn(act, ZERO, sender=world.owner)
    compliance.fn("unbindToken", world.token.address, sender=world.owner)
    assert (compliance.view("tokens"), compliance.view("getTokenBound")) == ((), ZERO)
    assert compliance.view("rules", world.token.address) == (0, 0, 0, 0, 0, False, False)


def test_a_token_bound_again_has_forgotten_its_rules(world: World) -> None:
    world.set_rules(maximum_balance=1, supply_cap=1, holder_cap=1)
    world.set_countries(ALLOW_LISTED, [GERMANY])
    world.compliance.fn("unbindToken", world.token.address, sender=world.owner)
    world.compliance.fn("bindToken", world.token.address, sender=world.owner)
    assert world.compliance.view("rules", world.token.address) == (0, 0, 0, 0, 0, True, True)
    assert world.compliance.view("is_country_listed", world.token.address, GERMANY) is False


def test_sixty_four_tokens_are_the_most(world: World, chain: Chain) -> None:
    token = world.token.address
    for each in range(63):
        fresh = chain.deploy("payment_token", sender=world.owner).address
        world.compliance.fn("bindToken", fresh, sender=world.owner)
        assert world.compliance.view("isTokenBound", fresh) is True, each
    with refused("compliance: too many tokens"):
        world.compliance.fn("bindToken", chain.deploy("payment_token", sender=world.owner).address, sender=world.owner)
    assert len(world.compliance.view("tokens")) == 64
    assert world.compliance.view("isTokenBound", token) is True


def test_registry_and_rules_are_one(world: World) -> None:
    assert world.compliance.view("is_combined_with", world.registry.address) is True
    assert world.compliance.view("is_combined_with", world.token.address) is False


def test_holders_of_a_token_bound_late_are_seeded_once(world: World) -> None:
    ann, bob, token = world.holder("ann", 10), world.register("bob"), world.token.address
    world.compliance.fn("unbindToken", token, sender=world.owner)
    world.compliance.fn("bindToken", token, sender=world.owner)
    assert world.compliance.view("rules", token)[6] is False
    world.registry.fn("updateIdentity", bob, ann, sender=world.agent)
    world.registry.fn("updateIdentity", bob, bob, sender=world.agent)
    with refused("compliance: holders are not counted"):
        world.set_rules(holder_cap=1)
    with refused("compliance: limit is too large"):
        world.compliance.fn("seed_holders", token, 2**32, sender=world.owner)
    done = world.compliance.fn("seed_holders", token, 1, sender=world.owner)
    assert done.logs == [DecodedLog("HoldersSeeded", {"token": token, "holders": 1})]
    with refused("compliance: holders are counted already"):
        world.compliance.fn("seed_holders", token, 1, sender=world.owner)
    world.set_rules(holder_cap=1)
    assert world.why_not(ann, bob, 5) == 17


def test_a_count_seeded_too_low_stops_at_zero_and_spoils_no_rule(world: World) -> None:
    ann, token = world.holder("ann", 10), world.token.address
    world.compliance.fn("unbindToken", token, sender=world.owner)
    world.compliance.fn("bindToken", token, sender=world.owner)
    world.compliance.fn("seed_holders", token, 0, sender=world.owner)
    world.set_rules(maximum_balance=77, holder_cap=5)
    world.token.fn("burn", ann, 10, sender=world.agent)
    assert world.compliance.view("rules", token) == (77, 0, 5, 0, 0, True, True)


def test_a_count_that_is_full_is_not_passed(world: World) -> None:
    ann, token = world.holder("ann", 10), world.token.address
    bob = world.register("bob")
    world.compliance.fn("unbindToken", token, sender=world.owner)
    world.compliance.fn("bindToken", token, sender=world.owner)
    world.compliance.fn("seed_holders", token, 2**32 - 1, sender=world.owner)
    with refused("compliance: too many holders"):
        world.token.fn("transfer", bob, 1, sender=ann)


# Tokens and registries of another make, which know the plain ERC-3643 calls only


PLAIN_TOKEN = """
# pragma version 0.4.3
interface Registry:
    def isVerified(wallet: address) -> bool: view
interface Rules:
    def bindToken(token: address): nonpayable
    def canTransfer(sender: address, receiver: address, amount: uint256) -> bool: view
    def transferred(sender: address, receiver: address, amount: uint256): nonpayable
    def created(receiver: address, amount: uint256): nonpayable
    def destroyed(holder: address, amount: uint256): nonpayable

balanceOf: public(HashMap[address, uint256])
totalSupply: public(uint256)
registry: Registry
rules: Rules

@external
def initialize(name: String[64], symbol: String[32], decimals: uint8):
    pass

@external
def wire(registry: address, rules: address):
    self.registry = Registry(registry)
    self.rules = Rules(rules)
    extcall self.rules.bindToken(self)

@external
def transfer(receiver: address, amount: uint256) -> bool:
    assert staticcall self.registry.isVerified(receiver) and staticcall self.rules.canTransfer(msg.sender, receiver, amount), "no"
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[receiver] += amount
    extcall self.rules.transferred(msg.sender, receiver, amount)
    return True

@external
def mint(receiver: address, amount: uint256):
    assert staticcall self.registry.isVerified(receiver) and staticcall self.rules.canTransfer(empty(address), receiver, amount), "no"
    self.balanceOf[receiver] += amount
    self.totalSupply += amount
    extcall self.rules.created(receiver, amount)

@external
def burn(amount: uint256):
    self.balanceOf[msg.sender] -= amount
    self.totalSupply -= amount
    extcall self.rules.destroyed(msg.sender, amount)
"""


@pytest.fixture
def plain(world: World) -> Contract:
    """A token of another make, on the world's registry and rules. Its functions happen to be those of a payment token."""
    token = world.chain.at("payment_token", world.chain.deploy_vyper(PLAIN_TOKEN, sender=world.owner))
    with pytest.raises(Reverted, match=OWNER_OR_TOKEN):
        world.compliance.fn("bindToken", token.address, sender=token.address)
    world.compliance.fn("bindToken", token.address, sender=world.owner)
    wire = keccak(b"wire(address,address)")[:4]
    words = b"".join(bytes(12) + bytes.fromhex(each[2:]) for each in (world.registry.address, world.compliance.address))
    world.chain.send(token.address, wire + words, sender=world.owner)
    return token


def test_a_token_of_another_make_is_judged_and_counted(world: World, plain: Contract) -> None:
    compliance, agent = world.compliance, world.agent
    ann, bob, cy = world.register("ann"), world.register("bob"), world.register("cy")
    second = world.register("bob's second", identity=bob)
    compliance.fn("set_rules", plain.address, 100, 250, 2, sender=agent)

    def holders() -> int:
        return compliance.view("rules", plain.address)[3]

    plain.fn("mint", ann, 100, sender=agent)
    with refused("no"):
        plain.fn("mint", ann, 1, sender=agent)
    plain.fn("mint", bob, 60, sender=agent)
    plain.fn("mint", second, 40, sender=agent)
    assert holders() == 2
    for sender, receiver in ((ann, second), (ann, cy), (bob, cy)):
        with refused("no"):
            plain.fn("transfer", receiver, 1, sender=sender)
    plain.fn("transfer", second, 60, sender=bob)
    assert holders() == 2
    plain.fn("transfer", cy, 100, sender=ann)
    assert holders() == 2
    plain.fn("burn", 100, sender=cy)
    assert holders() == 1
    plain.fn("mint", ann, 100, sender=agent)
    with refused("no"):
        plain.fn("mint", ann, 100, sender=agent)
    plain.fn("transfer", ann, 100, sender=ann)
    assert holders() == 2


def test_a_question_of_nobody_in_particular_is_about_the_only_token(world: World, chain: Chain) -> None:
    ann, bob = world.holder("ann", 10), world.register("bob")
    world.set_rules(maximum_balance=10)
    assert world.compliance.view("canTransfer", ann, bob, 10, sender=bob) is True
    assert world.compliance.view("canTransfer", ann, bob, 11, sender=bob) is False
    world.compliance.fn("bindToken", chain.deploy("payment_token", sender=world.owner).address, sender=world.owner)
    assert world.compliance.view("canTransfer", ann, bob, 10, sender=bob) is False
    assert world.compliance.view("canTransfer", ann, bob, 10, sender=world.token.address) is True


PLAIN_PARTS = """
# pragma version 0.4.3
# An identity registry and a compliance contract of another make, in one.
identity: public(HashMap[address, address])
investorCountry: public(HashMap[address, uint16])
maximum: public(uint256)
moved: public(uint256)
minted: public(uint256)
burned: public(uint256)
token: public(address)

@external
@view
def isVerified(wallet: address) -> bool:
    return self.identity[wallet] != empty(address)

@external
def registerIdentity(wallet: address, identity: address, country: uint16):
    assert self.identity[wallet] == empty(address), "address stored already"
    self.identity[wallet] = identity
    self.investorCountry[wallet] = country

@external
def deleteIdentity(wallet: address):
    self.identity[wallet] = empty(address)

@external
def bindToken(token: address):
    self.token = token

@external
def unbindToken(token: address):
    raise "never lets go"

@external
def set_maximum(maximum: uint256):
    self.maximum = maximum

@external
@view
def canTransfer(sender: address, receiver: address, amount: uint256) -> bool:
    return amount <= self.maximum

@external
def transferred(sender: address, receiver: address, amount: uint256):
    self.moved += amount

@external
def created(receiver: address, amount: uint256):
    self.minted += amount

@external
def destroyed(holder: address, amount: uint256):
    self.burned += amount
"""


class PlainParts:
    """Calls the parts of another make by their signatures."""

    def __init__(self, chain: Chain, *, sender: str) -> None:
        self._chain = chain
        self._sender = sender
        self.address = chain.deploy_vyper(PLAIN_PARTS, sender=sender)

    def send(self, signature: str, *values: int | str) -> None:
        self._chain.send(self.address, self._data(signature, values), sender=self._sender)

    def number(self, signature: str, *values: int | str) -> int:
        return int.from_bytes(self._chain.ask(self.address, self._data(signature, values), sender=None), "big")

    def _data(self, signature: str, values: tuple[int | str, ...]) -> bytes:
        words = (int(value, 16) if isinstance(value, str) else value for value in values)
        return keccak(signature.encode())[:4] + b"".join(word.to_bytes(32, "big") for word in words)


def test_our_token_works_with_registry_and_compliance_of_another_make(world: World, chain: Chain) -> None:
    parts = PlainParts(chain, sender=world.owner)
    token = chain.deploy("security_token", sender=world.owner)
    token.fn("initialize", parts.address, parts.address, "Plain", "PLN", 0, ZERO, sender=world.owner)
    assert (token.view("is_combined"), parts.number("token()")) == (False, int(token.address, 16))
    token.fn("addAgent", world.agent, sender=world.owner)
    token.fn("unpause", sender=world.agent)
    ann, bob, new = world.person("ann"), world.person("bob"), world.person("new")
    for wallet in (ann, bob):
        parts.send("registerIdentity(address,address,uint16)", wallet, wallet, GERMANY)
    assert token.view("check_transfer", ZERO, ann, 1) == (18, 0)
    with refused("Compliance not followed"):
        token.fn("mint", ann, 1, sender=world.agent)
    parts.send("set_maximum(uint256)", 100)
    with refused("Identity is not verified."):
        token.fn("mint", new, 1, sender=world.agent)
    token.fn("mint", ann, 100, sender=world.agent)
    parts.send("set_maximum(uint256)", 50)
    token.fn("transfer", bob, 50, sender=ann)
    assert token.view("check_transfer", bob, ann, 50) == (0, 0)
    for receiver, amount, code in ((bob, 51, 4), (new, 1, 10)):
        assert token.view("check_transfer", ann, receiver, amount)[0] == code
    with refused(NOT_POSSIBLE):
        token.fn("transfer", new, 1, sender=ann)
    parts.send("set_maximum(uint256)", 0)
    assert token.view("check_transfer", ann, bob, 1) == (18, 0)
    with refused(NOT_POSSIBLE):
        token.fn("transfer", bob, 1, sender=ann)
    with refused(NOT_POSSIBLE):
        token.fn("forcedTransfer", ann, new, 1, sender=world.agent)
    token.fn("forcedTransfer", ann, bob, 10, sender=world.agent)
    token.fn("burn", bob, 20, sender=world.agent)
    assert [parts.number(f"{each}()") for each in ("minted", "moved", "burned")] == [100, 60, 20]
    for lost, replacement, investor in ((ann, ann, ann), (ann, ZERO, ann), (ann, new, bob), (ann, bob, ann)):
        with refused("Recovery not possible"):
            token.fn("recoveryAddress", lost, replacement, investor, sender=world.agent)
    token.fn("recoveryAddress", ann, new, ann, sender=world.agent)
    assert (token.view("balanceOf", new), parts.number("investorCountry(address)", new)) == (40, GERMANY)
    assert (parts.number("identity(address)", ann), parts.number("identity(address)", new)) == (0, int(ann, 16))
    # It never lets go of a token, and cannot keep it all the same.
    world.compliance.fn("bindToken", token.address, sender=world.owner)
    token.fn("setCompliance", world.compliance.address, sender=world.owner)
    token.fn("setIdentityRegistry", world.registry.address, sender=world.owner)
    assert token.view("is_combined") is True


def test_our_token_recovers_on_a_plain_registry_with_identity_contracts(world: World, chain: Chain) -> None:
    parts = PlainParts(chain, sender=world.owner)
    token = chain.deploy("security_token", sender=world.owner)
    token.fn("initialize", parts.address, parts.address, "Plain", "PLN", 0, ZERO, sender=world.owner)
    token.fn("addAgent", world.agent, sender=world.owner)
    parts.send("set_maximum(uint256)", 100)
    keys = """
# pragma version 0.4.3
@external
@view
def keyHasPurpose(key: bytes32, purpose: uint256) -> bool:
    return key == {} and purpose == 1
"""
    new = world.person("new")
    key = keccak(bytes(12) + bytes.fromhex(new[2:])).hex()
    identity = chain.deploy_vyper(keys.format(f"0x{key}"), sender=world.owner)
    ann = world.person("ann")
    parts.send("registerIdentity(address,address,uint16)", ann, identity, GERMANY)
    token.fn("mint", ann, 10, sender=world.agent)
    with refused("Recovery not possible"):
        token.fn("recoveryAddress", ann, world.person("thief"), identity, sender=world.agent)
    token.fn("recoveryAddress", ann, new, identity, sender=world.agent)
    assert token.view("balanceOf", new) == 10
