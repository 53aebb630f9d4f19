# SPDX-License-Identifier: Apache-2.0
"""Payment tokens that are up to something, each by one difference from an honest one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import eth_abi
from eth_hash.auto import keccak

from tests.contracts.chain import Chain

_CREDIT = "    self.balanceOf[sender] -= amount\n    self.balanceOf[receiver] += amount\n"
_CREDIT_LESS = "    self.balanceOf[sender] -= amount\n    self.balanceOf[receiver] += amount - amount // 100\n"
_CREDIT_MORE = "    self.balanceOf[sender] -= amount\n    self.balanceOf[receiver] += amount + 1\n"
_CHARGE_SENDER = "    self.balanceOf[sender] -= amount + 1\n    self.balanceOf[receiver] += amount\n"


@dataclass(frozen=True)
class Hostility:
    """What a token does when it moves money: `moves` in Vyper, then the answer."""

    moves: str = _CREDIT
    answers: str = " -> bool"
    answer: str = "    return True"
    decorator: str = ""


HONEST = Hostility()
NO_ANSWER = Hostility(answers="", answer="    pass")
TAKES_FEE = Hostility(moves=_CREDIT_LESS)
GIVES_MORE = Hostility(moves=_CREDIT_MORE)
CHARGES_SENDER = Hostility(moves=_CHARGE_SENDER)
MOVES_NOTHING = Hostility(moves="    pass\n")
MOVES_BACK = Hostility(moves="    self.balanceOf[receiver] = 0\n    self.balanceOf[sender] += amount\n")
REVERTS_SILENTLY = Hostility(moves="    assert amount == 0\n")
ANSWERS_NO = Hostility(moves="    pass\n", answer="    return False")
ANSWERS_NO_BUT_PAYS = Hostility(answer="    return False")
ANSWERS_TWO = Hostility(answers=" -> uint256", answer="    return 2")
ANSWERS_SHORT = Hostility(answers=" -> Bytes[1]", answer='    return x"01"', decorator="@raw_return")
BLOCKS = Hostility(moves='    assert receiver != self.blocked and sender != self.blocked, "blocked"\n' + _CREDIT)
BURNS_GAS = Hostility(
    moves="    if receiver == self.blocked:\n        for each: uint256 in range(1_000_000):\n            self.nothing = each\n" + _CREDIT
)
# Calls back, whoever is told to, with whatever it was told; the call's success is kept for the test to see.
REENTERS = Hostility(
    moves="""    if self.is_armed:
        self.is_armed = False
        success: bool = raw_call(self.target, self.data, revert_on_failure=False)
        self.has_entered = success
"""
    + _CREDIT
)

_SOURCE = """
# pragma version 0.4.3
balanceOf: public(HashMap[address, uint256])
blocked: public(address)
nothing: uint256
target: address
data: Bytes[2048]
is_armed: bool
has_entered: public(bool)

@external
def mint(receiver: address, amount: uint256):
    self.balanceOf[receiver] += amount

@external
def block_receiver(receiver: address):
    self.blocked = receiver

@external
def arm(target: address, data: Bytes[2048]):
    self.target = target
    self.data = data
    self.is_armed = True

@external
{decorator}
def transfer(receiver: address, amount: uint256){answers}:
    self._move(msg.sender, receiver, amount)
{answer}

@external
{decorator}
def transferFrom(sender: address, receiver: address, amount: uint256){answers}:
    self._move(sender, receiver, amount)
{answer}

@internal
def _move(sender: address, receiver: address, amount: uint256):
{moves}
"""


class HostileMoney:
    """A deployed token of that kind; anybody may mint and spend."""

    def __init__(self, chain: Chain, kind: Hostility) -> None:
        self._chain = chain
        source = _SOURCE.format(answers=kind.answers, answer=kind.answer, moves=kind.moves, decorator=kind.decorator)
        self.address = chain.deploy_vyper(source, sender=chain.account("forger"))

    def balance(self, holder: str) -> int:
        return int.from_bytes(self._ask("balanceOf(address)", holder), "big")

    def has_entered(self) -> bool:
        return bool(int.from_bytes(self._ask("has_entered()"), "big"))

    def mint(self, receiver: str, amount: int) -> None:
        self._send("mint(address,uint256)", receiver, amount)

    def block(self, receiver: str) -> None:
        self._send("block_receiver(address)", receiver)

    def pay_nothing(self) -> None:
        """Make the token move nothing, from outside of any other call."""
        self._send("transfer(address,uint256)", self.address, 0)

    def arm(self, target: str, data: bytes) -> None:
        """Let the next payment call `target` first."""
        self._send("arm(address,bytes)", target, data)

    def _data(self, signature: str, *arguments: Any) -> bytes:
        kinds = [kind for kind in signature.partition("(")[2].rstrip(")").split(",") if kind]
        return keccak(signature.encode())[:4] + eth_abi.encode(kinds, arguments)

    def _send(self, signature: str, *arguments: Any) -> None:
        self._chain.send(self.address, self._data(signature, *arguments), sender=self._chain.account("forger"))

    def _ask(self, signature: str, *arguments: Any) -> bytes:
        return self._chain.ask(self.address, self._data(signature, *arguments), sender=None)
