# SPDX-License-Identifier: Apache-2.0
"""A security whose compliance contract does nothing but ask the further rules, and keep them told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.contracts.chain import Contract
from tests.contracts.sources import deploy_source
from tests.contracts.world import FRANCE, GERMANY, IRAN, World

DAY = 24 * 60 * 60
COUNTRIES = (GERMANY, FRANCE, IRAN)

COMPLIANCE = """
from interfaces import ICombinedCompliance
from interfaces import IHoldings
from interfaces import IIdentityRegistry
from interfaces import ITransferRules

implements: ICombinedCompliance

interface Rings:
    def other_wallets(wallet: address) -> DynArray[address, 15]: view
    def recover_wallet(lost: address, replacement: address, investor: address) -> bool: nonpayable

rules: ITransferRules
registry: address

struct Move:
    token: address
    sender: address
    receiver: address
    amount: uint256
    sender_balance: uint256
    receiver_balance: uint256

@external
def wire(registry: address, rules: address):
    self.registry = registry
    self.rules = ITransferRules(rules)

@external
def bindToken(_token: address):
    pass

@external
def unbindToken(_token: address):
    pass

@external
@view
def is_combined_with(identity_registry: address) -> bool:
    return identity_registry == self.registry

@external
@view
def check(token: address, sender: address, receiver: address, amount: uint256) -> (uint256, uint256):
    move: Move = Move(
        token=token,
        sender=sender,
        receiver=receiver,
        amount=amount,
        sender_balance=staticcall IHoldings(token).balanceOf(sender),
        receiver_balance=staticcall IHoldings(token).balanceOf(receiver),
    )
    return self._judge(move)

@external
def book_transfer(
    sender: address, receiver: address, amount: uint256, sender_balance: uint256, receiver_balance: uint256
) -> uint256:
    return self._act(Move(token=msg.sender, sender=sender, receiver=receiver, amount=amount,
        sender_balance=sender_balance, receiver_balance=receiver_balance), True)

@external
def book_forced_transfer(
    sender: address, receiver: address, amount: uint256, sender_balance: uint256, receiver_balance: uint256
) -> uint256:
    return self._act(Move(token=msg.sender, sender=sender, receiver=receiver, amount=amount,
        sender_balance=sender_balance, receiver_balance=receiver_balance), False)

@external
def book_mint(receiver: address, amount: uint256, receiver_balance: uint256, supply: uint256) -> uint256:
    return self._act(Move(token=msg.sender, sender=empty(address), receiver=receiver, amount=amount,
        sender_balance=0, receiver_balance=receiver_balance), True)

@external
def book_burn(holder: address, amount: uint256, holder_balance: uint256):
    self._act(Move(token=msg.sender, sender=holder, receiver=empty(address), amount=amount,
        sender_balance=holder_balance, receiver_balance=0), False)

@external
def recover_wallet(lost: address, replacement: address, investor: address) -> bool:
    return extcall Rings(self.registry).recover_wallet(lost, replacement, investor)

@external
def tell_country(token: address, wallet: address, from_country: uint16, to_country: uint16):
    extcall self.rules.holder_country_changed(token, wallet, from_country, to_country)

@internal
@view
def _judge(move: Move) -> (uint256, uint256):
    if not staticcall IIdentityRegistry(self.registry).isVerified(move.receiver):
        return 10, 0
    joins: bool = False
    leaves: bool = False
    joins, leaves = self._changes(move)
    if self.rules.address == empty(address):
        return 0, 0
    return staticcall self.rules.judge(move.token, move.sender, move.receiver, move.amount, move.sender_balance,
        move.receiver_balance, joins, leaves)

@internal
def _act(move: Move, is_ruled: bool) -> uint256:
    code: uint256 = 0
    fact: uint256 = 0
    if is_ruled:
        code, fact = self._judge(move)
    if code != 0:
        return code
    joins: bool = False
    leaves: bool = False
    joins, leaves = self._changes(move)
    if self.rules.address == empty(address):
        return 0
    extcall self.rules.book(move.token, move.sender, move.receiver, move.amount, move.sender_balance,
        move.receiver_balance, joins, leaves)
    return 0

@internal
@view
def _changes(move: Move) -> (bool, bool):
    if move.amount == 0 or move.sender == move.receiver:
        return False, False
    others: DynArray[address, 15] = staticcall Rings(self.registry).other_wallets(move.receiver)
    if move.sender in others:
        return False, False
    joins: bool = move.receiver != empty(address) and move.receiver_balance + self._held(move.token, others) == 0
    others = staticcall Rings(self.registry).other_wallets(move.sender)
    leaves: bool = move.sender != empty(address) and move.sender_balance == move.amount and self._held(move.token, others) == 0
    return joins, leaves

@internal
@view
def _held(token: address, wallets: DynArray[address, 15]) -> uint256:
    held: uint256 = 0
    for wallet: address in wallets:
        held += staticcall IHoldings(token).balanceOf(wallet)
    return held
"""


@dataclass
class Further:
    """The world with the further rules between token and compliance. `agent` is their agent too."""

    world: World
    rules: Contract
    compliance: Contract

    @property
    def token(self) -> str:
        return self.world.token.address

    def set(self, rule: str, *arguments: Any) -> None:
        self.rules.fn(rule, self.token, *arguments, sender=self.world.agent)

    def send(self, sender: str, receiver: str, amount: int) -> None:
        """Transfer, and hold the answer beforehand against what happens."""
        assert self.world.why_not(sender, receiver, amount) == 0
        self.world.token.fn("transfer", receiver, amount, sender=sender)

    def answer(self, sender: str, receiver: str, amount: int) -> tuple[int, int]:
        return self.world.token.view("check_transfer", sender, receiver, amount)

    def change_country(self, wallet: str, country: int) -> None:
        before = self.world.registry.view("investorCountry", wallet)
        self.world.registry.fn("updateCountry", wallet, country, sender=self.world.agent)
        self.tell(wallet, before, country)

    def tell(self, wallet: str, before: int, now: int) -> None:
        self.compliance.fn("tell_country", self.token, wallet, before, now, sender=self.world.agent)

    def of_country(self, country: int) -> int:
        return self.rules.view("places_of_country", self.token, country)[0]

    def of_category(self, category: int) -> int:
        return self.rules.view("places_of_category", self.token, category)[0]


def build_further(world: World) -> Further:
    rules = world.chain.deploy("transfer_rules", sender=world.owner)
    rules.fn("initialize", sender=world.owner)
    rules.fn("addAgent", world.agent, sender=world.owner)
    compliance = deploy_source(world.chain, "compliance_of_further_rules", COMPLIANCE, sender=world.owner)
    compliance.fn("wire", world.registry.address, rules.address, sender=world.owner)
    rules.fn("set_compliance", world.token.address, compliance.address, sender=world.agent)
    world.token.fn("setCompliance", compliance.address, sender=world.owner)
    return Further(world, rules, compliance)
