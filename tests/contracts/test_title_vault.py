# SPDX-License-Identifier: Apache-2.0
"""A deed behind shares: who brings it gets them all, who has them all gets it back, and what others can do in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import eth_abi
import pytest
from eth_hash.auto import keccak
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import NO, YES, ZERO, Contract, Reverted, refused
from tests.contracts.world import World

CAR, BOAT = b"\xca" * 32, b"\xb0" * 32
CAR_ID, BOAT_ID = int.from_bytes(CAR, "big"), int.from_bytes(BOAT, "big")
LIEN = b"lien 1".ljust(32, b"\0")
SHARES = 1_000
# Both ways in, with what they take beside the deed and the token.
ENTRANCES: list[tuple[str, list[int]]] = [("fractionalise", [1]), ("deposit", [])]
NOT_LINKED = "vault: token is not linked with the asset"


@dataclass
class Garage:
    """A vault over the world's titles; ann holds the deed to the car, for which the world's token is meant to stand."""

    world: World
    deed: Contract
    assets: Contract
    vault: Contract
    ann: str
    bob: str

    @property
    def token(self) -> Contract:
        return self.world.token

    def approve(self, token_id: int = CAR_ID) -> None:
        self.deed.fn("approve", self.vault.address, token_id, sender=self.ann)

    def fractionalise(self, shares: int = SHARES) -> list[DecodedLog]:
        self.approve()
        return self.vault.fn("fractionalise", CAR_ID, self.token.address, shares, sender=self.ann).logs

    def redeem(self, *, sender: str | None = None, receiver: str | None = None) -> list[DecodedLog]:
        who = sender or self.ann
        return self.vault.fn("redeem", CAR_ID, receiver or who, sender=who).logs

    def standing(self) -> tuple[str, int, int, bool]:
        return self.vault.view("standing", CAR_ID)

    def holder(self) -> str:
        return self.deed.view("ownerOf", CAR_ID)

    def is_whole(self) -> bool:
        """Whether nothing happened: ann has the deed, nobody shares, nothing stands for it."""
        nothing = (ZERO, 0, 0, False)
        return (self.holder(), self.token.view("totalSupply"), self.standing()) == (self.ann, 0, nothing)


@pytest.fixture
def garage(world: World) -> Garage:
    return build_garage(world)


def build_garage(world: World) -> Garage:
    chain, owner, agent = world.chain, world.owner, world.agent
    deed, assets, vault = (chain.deploy(name, sender=owner) for name in ("title_deed", "asset_registry", "title_vault"))
    for contract in (deed, assets, vault):
        contract.fn("initialize", sender=owner)
    for contract in (deed, assets):
        contract.fn("addAgent", agent, sender=owner)
    deed.fn("set_identity_registry", world.registry.address, sender=owner)
    vault.fn("set_registers", deed.address, assets.address, world.factory.address, sender=owner)
    world.token.fn("addAgent", vault.address, sender=owner)
    world.registry.fn("register_investor", vault.address, ZERO, 276, chain.now + 10**9, sender=agent)
    made = Garage(world, deed, assets, vault, world.register("ann"), world.register("bob"))
    for asset in (CAR, BOAT):
        assets.fn("register_asset", asset, made.ann, sender=agent)
        deed.fn("mint", made.ann, asset, "", sender=agent)
    assets.fn("link_token", CAR, world.token.address, sender=made.ann)
    return made


def test_who_brings_the_deed_gets_every_share_and_who_has_every_share_gets_the_deed(garage: Garage) -> None:
    ann, bob, vault, token = garage.ann, garage.bob, garage.vault, garage.token
    told = {"token_id": CAR_ID, "token": token.address}
    assert garage.fractionalise()[-1] == DecodedLog("TitleFractionalised", told | {"depositor": ann, "shares": SHARES})
    assert (garage.holder(), token.view("balanceOf", ann), token.view("totalSupply")) == (vault.address, SHARES, SHARES)
    assert garage.standing() == (token.address, SHARES, SHARES, True)

    token.fn("transfer", bob, 1, sender=ann)
    for sender in (ann, bob):
        with refused("vault: caller does not hold every share"):
            garage.redeem(sender=sender)
    token.fn("transfer", bob, SHARES - 1, sender=ann)
    logs = garage.redeem(sender=bob)
    assert logs[-1] == DecodedLog("TitleRedeemed", told | {"holder": bob, "receiver": bob, "shares": SHARES})
    assert (garage.holder(), token.view("totalSupply"), garage.standing()) == (bob, 0, (ZERO, 0, 0, False))
    with refused("vault: nothing stands for this title"):
        garage.redeem(sender=bob)


def test_a_deed_can_be_divided_again_after_it_was_whole(garage: Garage) -> None:
    for shares in (SHARES, 7):
        garage.fractionalise(shares)
        assert garage.standing()[1:] == (shares, shares, True)
        garage.redeem()
    assert garage.is_whole()


def test_the_deed_goes_to_whom_the_holder_names_if_that_one_may_hold_it(garage: Garage) -> None:
    garage.fractionalise()
    with refused("Identity is not verified."):
        garage.redeem(receiver=garage.world.person("stranger"))
    with refused("title: receiver is the zero address"):
        garage.redeem(receiver=ZERO)
    assert garage.token.view("balanceOf", garage.ann) == SHARES, "what is refused burns nothing"
    garage.redeem(receiver=garage.bob)
    assert garage.holder() == garage.bob


def test_a_deed_joins_a_token_that_is_already_issued(garage: Garage) -> None:
    ann, bob, token, vault = garage.ann, garage.bob, garage.token, garage.vault
    garage.approve()
    with refused("vault: no shares"):
        vault.fn("deposit", CAR_ID, token.address, sender=ann)
    token.fn("mint", bob, 40, sender=garage.world.agent)
    with refused("vault: shares are outstanding"):
        vault.fn("fractionalise", CAR_ID, token.address, SHARES, sender=ann)
    done = vault.fn("deposit", CAR_ID, token.address, sender=ann)
    assert done.logs[-1] == DecodedLog("TitleDeposited", {"token_id": CAR_ID, "token": token.address, "depositor": ann, "shares": 40})
    assert garage.standing() == (token.address, 40, 40, True)
    with refused("vault: caller does not hold every share"):
        garage.redeem(sender=ann)
    garage.redeem(sender=bob)
    assert garage.holder() == bob


def test_only_the_token_that_the_registry_links_stands_for_a_deed(garage: Garage) -> None:
    vault, ann = garage.vault, garage.ann
    garage.approve(BOAT_ID)
    garage.approve()
    fake = garage.world.chain.deploy_vyper(FAKE_TOKEN.format(supply="0", balance="0"), sender=ann)
    for act, more in ENTRANCES:
        for token_id, token in ((BOAT_ID, garage.token.address), (BOAT_ID, ZERO), (CAR_ID, fake), (CAR_ID, ZERO)):
            with refused(NOT_LINKED):
                vault.fn(act, token_id, token, *more, sender=ann)
    garage.assets.fn("link_token", BOAT, fake, sender=ann)
    for act, more in ENTRANCES:
        with refused("vault: token is not of the factory"):
            vault.fn(act, BOAT_ID, fake, *more, sender=ann)
    garage.assets.fn("retire_asset", CAR, sender=ann)
    with refused("vault: asset is retired"):
        vault.fn("fractionalise", CAR_ID, garage.token.address, 1, sender=ann)
    assert garage.is_whole()


def test_a_deed_of_no_shares_or_of_somebody_else_is_refused(garage: Garage) -> None:
    vault, token, ann, bob = garage.vault, garage.token.address, garage.ann, garage.bob
    with refused("vault: no shares"):
        vault.fn("fractionalise", CAR_ID, token, 0, sender=ann)
    with refused("title: caller may not transfer"):
        vault.fn("fractionalise", CAR_ID, token, SHARES, sender=ann)
    garage.approve()
    with refused("title: sender is not the holder"):
        vault.fn("fractionalise", CAR_ID, token, SHARES, sender=bob)
    garage.world.registry.fn("deleteIdentity", ann, sender=garage.world.agent)
    with refused("Identity is not verified."):
        vault.fn("fractionalise", CAR_ID, token, SHARES, sender=ann)
    assert garage.is_whole()


def test_a_vault_that_is_no_agent_of_the_token_takes_no_deed_and_gives_none(garage: Garage) -> None:
    token, vault, owner = garage.token, garage.vault, garage.world.owner
    token.fn("removeAgent", vault.address, sender=owner)
    garage.approve()
    with refused("AgentRole: caller does not have the Agent role"):
        vault.fn("fractionalise", CAR_ID, token.address, SHARES, sender=garage.ann)
    assert garage.is_whole()
    token.fn("addAgent", vault.address, sender=owner)
    vault.fn("fractionalise", CAR_ID, token.address, SHARES, sender=garage.ann)
    token.fn("removeAgent", vault.address, sender=owner)
    with refused("AgentRole: caller does not have the Agent role"):
        garage.redeem()
    assert garage.standing() == (token.address, SHARES, SHARES, True)


def test_a_lien_keeps_the_deed_where_it_is_and_is_seen_by_who_buys_shares(garage: Garage) -> None:
    deed, vault, agent, bank = garage.deed, garage.vault, garage.world.agent, garage.world.person("bank")
    deed.fn("place_lien", CAR_ID, LIEN, bank, sender=agent)
    garage.approve()
    with refused("title: lien is active"):
        vault.fn("fractionalise", CAR_ID, garage.token.address, SHARES, sender=garage.ann)
    deed.fn("release_lien", CAR_ID, LIEN, sender=bank)
    garage.fractionalise()
    deed.fn("place_lien", CAR_ID, LIEN, bank, sender=agent)
    assert vault.view("liens", CAR_ID) == (LIEN,)
    with refused("title: lien is active"):
        garage.redeem()
    assert garage.token.view("balanceOf", garage.ann) == SHARES
    deed.fn("release_lien", CAR_ID, LIEN, sender=bank)
    garage.redeem()


def test_a_freeze_or_a_pause_of_the_register_of_titles_keeps_the_deed(garage: Garage) -> None:
    deed, vault, agent = garage.deed, garage.vault, garage.world.agent
    garage.fractionalise()
    for act, arguments, undo, reason in (
        ("setFrozenTokens", [vault.address, CAR_ID, YES], [vault.address, CAR_ID, NO], "title: title is frozen"),
        ("set_address_frozen", [vault.address, YES], [vault.address, NO], "wallet is frozen"),
    ):
        deed.fn(act, *arguments, sender=agent)
        with refused(reason):
            garage.redeem()
        deed.fn(act, *undo, sender=agent)
    deed.fn("pause", sender=agent)
    with refused("Pausable: paused"):
        garage.redeem()


@pytest.mark.parametrize(
    ("act", "arguments"),
    [("freezePartialTokens", ["ann", 1]), ("setAddressFrozen", ["ann", YES]), ("pause", [])],
)
def test_what_an_agent_froze_does_not_escape_by_redeeming(garage: Garage, act: str, arguments: list[Any]) -> None:
    garage.fractionalise()
    named = [garage.ann if each == "ann" else each for each in arguments]
    garage.token.fn(act, *named, sender=garage.world.agent)
    with refused("vault: shares may not move"):
        garage.redeem()
    assert garage.standing() == (garage.token.address, SHARES, SHARES, True)


def test_who_is_not_eligible_any_more_gets_no_deed(garage: Garage) -> None:
    garage.fractionalise()
    garage.world.registry.fn("deleteIdentity", garage.ann, sender=garage.world.agent)
    with refused("vault: shares may not move"):
        garage.redeem(receiver=garage.bob)


def test_shares_that_another_agent_issued_are_shown_and_must_be_had_too(garage: Garage) -> None:
    token, ann, bob, agent = garage.token, garage.ann, garage.bob, garage.world.agent
    garage.fractionalise()
    token.fn("mint", bob, 5, sender=agent)
    assert garage.standing() == (token.address, SHARES, SHARES + 5, True)
    with refused("vault: caller does not hold every share"):
        garage.redeem(sender=ann)
    token.fn("transfer", ann, 5, sender=bob)
    assert garage.redeem(sender=ann)[-1].values["shares"] == SHARES + 5
    assert garage.holder() == ann


def test_shares_that_another_agent_destroyed_leave_the_deed_to_the_others(garage: Garage) -> None:
    token, ann, bob, agent = garage.token, garage.ann, garage.bob, garage.world.agent
    garage.fractionalise()
    token.fn("transfer", bob, 10, sender=ann)
    token.fn("burn", ann, SHARES - 10, sender=agent)
    garage.redeem(sender=bob)
    assert garage.holder() == bob


def test_with_no_share_left_nobody_redeems_and_an_agent_of_the_register_decides(garage: Garage) -> None:
    garage.fractionalise()
    garage.token.fn("burn", garage.ann, SHARES, sender=garage.world.agent)
    with refused("vault: no shares"):
        garage.redeem(sender=garage.bob)
    garage.deed.fn("forcedTransfer", garage.vault.address, garage.ann, CAR_ID, sender=garage.world.agent)
    garage.fractionalise()
    assert garage.standing() == (garage.token.address, SHARES, SHARES, True)


def test_a_deed_taken_by_force_is_shown_as_gone_and_burns_no_share(garage: Garage) -> None:
    deed, vault, token, ann, bob = garage.deed, garage.vault, garage.token, garage.ann, garage.bob
    garage.fractionalise()
    deed.fn("forcedTransfer", vault.address, bob, CAR_ID, sender=garage.world.agent)
    assert garage.standing() == (token.address, SHARES, SHARES, False)
    with refused("title: caller may not transfer"):
        garage.redeem(sender=ann)
    assert token.view("balanceOf", ann) == SHARES
    deed.fn("approve", vault.address, CAR_ID, sender=bob)
    with refused("vault: shares are outstanding"):
        vault.fn("fractionalise", CAR_ID, token.address, SHARES, sender=bob)
    vault.fn("deposit", CAR_ID, token.address, sender=bob)
    garage.redeem(sender=ann)
    assert garage.holder() == ann


def test_a_deed_inside_cannot_be_brought_again(garage: Garage) -> None:
    garage.fractionalise()
    for sender in (garage.ann, garage.bob):
        with refused("title: sender is not the holder"):
            garage.vault.fn("deposit", CAR_ID, garage.token.address, sender=sender)
    assert garage.standing() == (garage.token.address, SHARES, SHARES, True)


def test_a_deed_sent_without_words_is_refused_or_stays_for_an_agent(garage: Garage) -> None:
    deed, vault, ann = garage.deed, garage.vault, garage.ann
    with pytest.raises(Reverted):
        deed.fn("safeTransferFrom", ann, vault.address, CAR_ID, sender=ann)
    deed.fn("transferFrom", ann, vault.address, CAR_ID, sender=ann)
    assert garage.standing() == (ZERO, 0, 0, False)
    garage.token.fn("mint", garage.bob, 1, sender=garage.world.agent)
    with refused("vault: nothing stands for this title"):
        garage.redeem(sender=garage.bob)


# Hostile counterparts. The vault is wired to them on purpose: what they can do is bounded all the same.

FAKE_TOKEN = """
# pragma version 0.4.3
minted: public(uint256)
calls: uint256

@external
@view
def totalSupply() -> uint256:
    return {supply}

@external
@view
def balanceOf(owner: address) -> uint256:
    return {balance}

@external
@view
def check_transfer(sender: address, receiver: address, amount: uint256) -> (uint256, uint256):
    return 0, 0

@external
def mint(receiver: address, amount: uint256):
    self.minted += amount

@external
def burn(wallet: address, amount: uint256):
    pass
"""

FAKE_REGISTER = """
# pragma version 0.4.3
@external
@view
def ownerOf(token_id: uint256) -> address:
    return empty(address)

@external
def transferFrom(sender: address, receiver: address, token_id: uint256):
    pass
"""

FAKE_LINKS = """
# pragma version 0.4.3
token: public(address)

@external
def link(token: address):
    self.token = token

@external
@view
def token_of(asset_id: bytes32) -> address:
    return self.token

@external
@view
def is_retired(asset_id: bytes32) -> bool:
    return False
"""


def open_vault(garage: Garage, title_register: str, assets: str) -> Contract:
    """Return a vault that takes any token of these registers."""
    vault = garage.world.chain.deploy("title_vault", sender=garage.world.owner)
    vault.fn("initialize", sender=garage.world.owner)
    vault.fn("set_registers", title_register, assets, ZERO, sender=garage.world.owner)
    return vault


@pytest.mark.parametrize(
    ("supply", "balance", "reason"),
    [
        ("0", "self.minted", "vault: supply is not what was issued"),
        ("2 * self.minted", "self.minted", "vault: supply is not what was issued"),
        ("self.minted", "self.minted - min(self.minted, 1)", "vault: shares did not arrive"),
    ],
)
def test_a_token_that_counts_falsely_divides_no_deed(garage: Garage, supply: str, balance: str, reason: str) -> None:
    ann = garage.ann
    fake = garage.world.chain.deploy_vyper(FAKE_TOKEN.format(supply=supply, balance=balance), sender=ann)
    vault = open_vault(garage, garage.deed.address, garage.assets.address)
    garage.world.registry.fn("register_investor", vault.address, ZERO, 276, garage.world.chain.now + 10**9, sender=garage.world.agent)
    garage.assets.fn("link_token", BOAT, fake, sender=ann)
    garage.deed.fn("approve", vault.address, BOAT_ID, sender=ann)
    with refused(reason):
        vault.fn("fractionalise", BOAT_ID, fake, SHARES, sender=ann)
    assert garage.deed.view("ownerOf", BOAT_ID) == ann


def test_a_token_that_burns_nothing_frees_no_deed(garage: Garage) -> None:
    ann = garage.ann
    fake = garage.world.chain.deploy_vyper(FAKE_TOKEN.format(supply="self.minted", balance="self.minted"), sender=ann)
    vault = open_vault(garage, garage.deed.address, garage.assets.address)
    garage.world.registry.fn("register_investor", vault.address, ZERO, 276, garage.world.chain.now + 10**9, sender=garage.world.agent)
    garage.assets.fn("link_token", BOAT, fake, sender=ann)
    garage.deed.fn("approve", vault.address, BOAT_ID, sender=ann)
    vault.fn("fractionalise", BOAT_ID, fake, SHARES, sender=ann)
    with refused("vault: shares are outstanding"):
        vault.fn("redeem", BOAT_ID, ann, sender=ann)
    assert garage.deed.view("ownerOf", BOAT_ID) == vault.address


def test_a_register_that_only_says_that_it_handed_the_deed_over_is_found_out(garage: Garage) -> None:
    chain, ann, token = garage.world.chain, garage.ann, garage.token
    register, links = (chain.deploy_vyper(source, sender=ann) for source in (FAKE_REGISTER, FAKE_LINKS))
    chain.send(links, link_call(token.address), sender=ann)
    vault = open_vault(garage, register, links)
    token.fn("addAgent", vault.address, sender=garage.world.owner)
    with refused("vault: title did not arrive"):
        vault.fn("fractionalise", CAR_ID, token.address, SHARES, sender=ann)


def link_call(token: str) -> bytes:
    return keccak(b"link(address)")[:4] + bytes(12) + bytes.fromhex(token[2:])


REENTERING_HOLDER = """
# pragma version 0.4.3
interface Vault:
    def redeem(token_id: uint256, receiver: address): nonpayable
    def deposit(token_id: uint256, token: address): nonpayable

again: String[8]
vault: address
token_id: uint256
token: address

@external
def act(vault: address, token_id: uint256, token: address, again: String[8]):
    self.vault = vault
    self.token_id = token_id
    self.token = token
    self.again = again
    extcall Vault(vault).redeem(token_id, self)

@external
def onERC721Received(operator: address, sender: address, token_id: uint256, data: Bytes[1024]) -> bytes4:
    if self.again == "redeem":
        extcall Vault(self.vault).redeem(self.token_id, self)
    if self.again == "deposit":
        extcall Vault(self.vault).deposit(self.token_id, self.token)
    return 0x150b7a02
"""


@pytest.mark.parametrize("again", ["redeem", "deposit", ""])
def test_whoever_gets_the_deed_cannot_come_in_again_meanwhile(garage: Garage, again: str) -> None:
    chain, token, vault, agent = garage.world.chain, garage.token, garage.vault, garage.world.agent
    garage.fractionalise()
    holder = chain.deploy_vyper(REENTERING_HOLDER, sender=garage.ann)
    garage.world.registry.fn("register_investor", holder, ZERO, 276, chain.now + 10**9, sender=agent)
    token.fn("transfer", holder, SHARES, sender=garage.ann)
    call = act_call(vault.address, CAR_ID, token.address, again)
    if again:
        with refused("no reason given"):
            chain.send(holder, call, sender=garage.ann)
        assert (garage.holder(), token.view("balanceOf", holder)) == (vault.address, SHARES)
    else:
        chain.send(holder, call, sender=garage.ann)
        assert (garage.holder(), token.view("totalSupply")) == (holder, 0)


def act_call(vault: str, token_id: int, token: str, again: str) -> bytes:
    kinds = ["address", "uint256", "address", "string"]
    return keccak(b"act(address,uint256,address,string)")[:4] + eth_abi.encode(kinds, [vault, token_id, token, again])


REENTERING_TOKEN = """
# pragma version 0.4.3
interface Vault:
    def redeem(token_id: uint256, receiver: address): nonpayable

supply: public(uint256)
thief: address
re_enters: bool

@external
def arm(thief: address):
    self.thief = thief
    self.re_enters = True

@external
@view
def totalSupply() -> uint256:
    return self.supply

@external
@view
def balanceOf(owner: address) -> uint256:
    return self.supply

@external
@view
def check_transfer(sender: address, receiver: address, amount: uint256) -> (uint256, uint256):
    return 0, 0

@external
def mint(receiver: address, amount: uint256):
    self.supply = amount
    if self.re_enters:
        extcall Vault(msg.sender).redeem({token_id}, self.thief)
        self.supply = amount

@external
def burn(wallet: address, amount: uint256):
    self.supply = 0
"""


@pytest.mark.parametrize("armed", [True, False])
def test_a_token_cannot_take_the_deed_out_while_it_is_coming_in(garage: Garage, armed: bool) -> None:  # noqa: FBT001 - pytest's
    chain, ann, agent = garage.world.chain, garage.ann, garage.world.agent
    hostile = chain.deploy_vyper(REENTERING_TOKEN.format(token_id=BOAT_ID), sender=ann)
    vault = open_vault(garage, garage.deed.address, garage.assets.address)
    garage.world.registry.fn("register_investor", vault.address, ZERO, 276, chain.now + 10**9, sender=agent)
    garage.assets.fn("link_token", BOAT, hostile, sender=ann)
    garage.deed.fn("approve", vault.address, BOAT_ID, sender=ann)
    if armed:
        chain.send(hostile, keccak(b"arm(address)")[:4] + bytes(12) + bytes.fromhex(garage.bob[2:]), sender=ann)
        with refused("no reason given"):
            vault.fn("fractionalise", BOAT_ID, hostile, SHARES, sender=ann)
        assert garage.deed.view("ownerOf", BOAT_ID) == ann
    else:
        vault.fn("fractionalise", BOAT_ID, hostile, SHARES, sender=ann)
        assert garage.deed.view("ownerOf", BOAT_ID) == vault.address


def test_a_contract_that_does_not_know_how_to_hold_a_deed_keeps_its_shares(garage: Garage) -> None:
    chain, token = garage.world.chain, garage.token
    garage.fractionalise()
    dumb = chain.deploy_vyper("# pragma version 0.4.3\n", sender=garage.ann)
    garage.world.registry.fn("register_investor", dumb, ZERO, 276, chain.now + 10**9, sender=garage.world.agent)
    with pytest.raises(Reverted):
        garage.redeem(receiver=dumb)
    assert (garage.holder(), token.view("balanceOf", garage.ann)) == (garage.vault.address, SHARES)


def test_a_vault_is_wired_once_by_its_owner(garage: Garage) -> None:
    chain, owner, stranger = garage.world.chain, garage.world.owner, garage.world.person("stranger")
    vault = chain.deploy("title_vault", sender=owner)
    with refused("Ownable: caller is not the owner"):
        vault.fn("set_registers", stranger, stranger, ZERO, sender=owner)
    vault.fn("initialize", sender=owner)
    with refused("Initializable: contract is already initialized"):
        vault.fn("initialize", sender=stranger)
    for act, arguments in (("set_registers", [stranger, stranger, ZERO]), ("transferOwnership", [stranger])):
        with refused("Ownable: caller is not the owner"):
            vault.fn(act, *arguments, sender=stranger)
    for arguments in ((ZERO, stranger, ZERO), (stranger, ZERO, ZERO)):
        with refused("vault: register is the zero address"):
            vault.fn("set_registers", *arguments, sender=owner)
    for act, more in ENTRANCES:
        with refused("vault: registers are not set"):
            vault.fn(act, CAR_ID, garage.token.address, *more, sender=garage.ann)
    registers = {"title_register": garage.deed.address, "asset_registry": garage.assets.address, "security_factory": ZERO}
    done = vault.fn("set_registers", *registers.values(), sender=owner)
    assert done.logs == [DecodedLog("RegistersSet", registers)]
    assert {name: vault.view(name) for name in registers} == registers
    with refused("vault: registers are already set"):
        vault.fn("set_registers", *registers.values(), sender=owner)


def test_a_vault_declares_its_interfaces(garage: Garage) -> None:
    for interface in (0x01FFC9A7, 0x7F5828D0):
        assert garage.vault.view("supportsInterface", interface.to_bytes(4, "big")) is True
    assert garage.vault.view("supportsInterface", b"\xff" * 4) is False


def test_every_act_of_a_vault_is_in_these_tests() -> None:
    acts = {each.name for named in contract_artifacts.load("title_vault").functions.values() for each in named if not each.is_view}
    assert acts == {"initialize", "set_registers", "transferOwnership", "fractionalise", "deposit", "redeem"}


class Vaulting(RuleBasedStateMachine):
    """Three people and an agent do whatever they may with one deed and its shares."""

    garage: Garage

    def __init__(self) -> None:
        super().__init__()
        self._undone = self.garage.world.chain.undone()
        self._undone.__enter__()
        self.people = [self.garage.ann, self.garage.bob, self.garage.world.register("cleo")]

    def teardown(self) -> None:
        self._undone.__exit__(None, None, None)

    def attempt(self, contract: Contract, act: str, *arguments: Any, sender: str) -> None:
        try:
            contract.fn(act, *arguments, sender=sender)
        except Reverted:
            assert contract.address, "a refusal is an answer; the invariants say whether it was harmless"

    @rule(who=st.integers(0, 2), shares=st.integers(0, 3))
    def fractionalise(self, who: int, shares: int) -> None:
        person = self.people[who]
        self.attempt(self.garage.deed, "approve", self.garage.vault.address, CAR_ID, sender=person)
        self.attempt(self.garage.vault, "fractionalise", CAR_ID, self.garage.token.address, shares, sender=person)

    @rule(who=st.integers(0, 2))
    def deposit(self, who: int) -> None:
        person = self.people[who]
        self.attempt(self.garage.deed, "approve", self.garage.vault.address, CAR_ID, sender=person)
        self.attempt(self.garage.vault, "deposit", CAR_ID, self.garage.token.address, sender=person)

    @rule(who=st.integers(0, 2), receiver=st.integers(0, 2))
    def redeem(self, who: int, receiver: int) -> None:
        token, person = self.garage.token, self.people[who]
        had_all = token.view("balanceOf", person) == token.view("totalSupply") > 0
        before = self.garage.holder()
        self.attempt(self.garage.vault, "redeem", CAR_ID, self.people[receiver], sender=person)
        if self.garage.holder() != before:
            assert had_all and token.view("totalSupply") == 0

    @rule(who=st.integers(0, 2), to=st.integers(0, 2), shares=st.integers(1, 3))
    def transfer(self, who: int, to: int, shares: int) -> None:
        self.attempt(self.garage.token, "transfer", self.people[to], shares, sender=self.people[who])

    @rule(who=st.integers(0, 2), act=st.sampled_from(["mint", "burn"]))
    def another_agent_acts(self, who: int, act: str) -> None:
        self.attempt(self.garage.token, act, self.people[who], 1, sender=self.garage.world.agent)

    @rule(who=st.integers(0, 2))
    def the_deed_is_taken(self, who: int) -> None:
        self.attempt(
            self.garage.deed, "forcedTransfer", self.garage.vault.address, self.people[who], CAR_ID, sender=self.garage.world.agent
        )

    @invariant()
    def the_deed_is_in_the_vault_exactly_while_a_token_stands_for_it_unless_it_was_taken(self) -> None:
        token, _, shares_now, is_held = self.garage.standing()
        assert is_held is (self.garage.holder() == self.garage.vault.address)
        assert (token, shares_now) in {(ZERO, 0), (self.garage.token.address, self.garage.token.view("totalSupply"))}


@pytest.fixture
def machine(garage: Garage) -> Iterator[type[Vaulting]]:
    Vaulting.garage = garage
    yield Vaulting
    del Vaulting.garage


def test_whatever_people_do_the_deed_leaves_the_vault_only_for_every_share_or_by_force(machine: type[Vaulting]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=6, stateful_step_count=20, deadline=None))
