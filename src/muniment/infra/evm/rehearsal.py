# SPDX-License-Identifier: Apache-2.0
"""What transactions would cost, asked of the node before any is sent: later ones may need what earlier ones create. Changes nothing.

`eth_estimateGas` judges one transaction against the present state, where the contract that the second one calls does not exist yet. So
one `eth_call` lends the sender's address a program that creates and calls one after the other, as the sender would, and notes the gas
of each; what stands elsewhere by then is lent as well. Geth, reth, erigon, nethermind, besu and anvil know such state overrides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from muniment.infra.evm.client import Evm
from muniment.infra.evm.decoding import revert_reason
from muniment.infra.evm.rpc import RpcError
from muniment.infra.outages import Unreachable
from muniment.units.ids import Address

TRANSACTION_GAS = 21_000
DATA_GAS = {False: 4, True: 16}
"""By whether a byte of the data is other than zero (EIP-2028)."""
WARM_ALLOWANCE_GAS = 5_000
"""In one call the later items find warm what a transaction of its own would find cold (EIP-2929): an owner's slot and one more."""

_CALLER = Address("0x" + "0" * 39 + "1")
_DATA_PLACE = 0x10000
_INDEX_PLACE = 0xFFE0

_SUB, _ISZERO, _CALLDATACOPY, _RETURNDATASIZE, _RETURNDATACOPY = b"\x03", b"\x15", b"\x37", b"\x3d", b"\x3e"
_ADD, _MLOAD, _MSTORE, _JUMP, _JUMPI, _GAS, _JUMPDEST, _SWAP1 = b"\x01", b"\x51", b"\x52", b"\x56", b"\x57", b"\x5a", b"\x5b", b"\x90"
_CREATE, _CALL, _RETURN, _REVERT = b"\xf0", b"\xf1", b"\xf3", b"\xfd"


class ItemReverts(Exception):
    """One of the transactions would fail if they were sent now: which, from 0, and what it says."""

    def __init__(self, place: int, reason: str) -> None:
        super().__init__(f"item {place}: {reason}")
        self.place = place
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Item:
    """One transaction: `to` None creates a contract from `data`."""

    to: Address | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The gas of each transaction, and what the last one answered."""

    gas: tuple[int, ...]
    answer: bytes


def rehearse(evm: Evm, items: Sequence[Item], *, sender: Address, nonce: int, lent_code: Mapping[Address, bytes]) -> Rehearsed:
    """Return what the items would use and answer, in order, if `sender` sent them; the first creation among them counts from `nonce`.

    Raises ItemReverts, and Unreachable for a node that lends no code.
    """
    data = b"".join(item.data for item in items)
    overrides = {address: {"code": _hex(code)} for address, code in lent_code.items()}
    overrides[sender] = {"code": _hex(_program(items)), "nonce": hex(nonce)}
    try:
        answer = bytes.fromhex(evm.rpc.call("eth_call", [{"from": _CALLER, "to": sender, "data": _hex(data)}, "latest", overrides])[2:])
    except RpcError as error:
        told = bytes.fromhex((error.data or "0x")[2:])
        if len(told) < 32:
            raise Unreachable("rpc", detail="the node does not rehearse calls (state overrides of eth_call)", retry=False) from error
        raise ItemReverts(int.from_bytes(told[:32], "big"), revert_reason(told[32:])) from None
    measured = [int.from_bytes(answer[32 * place : 32 * place + 32], "big") for place in range(len(items))]
    return Rehearsed(tuple(gas + intrinsic_gas(item.data) for gas, item in zip(measured, items, strict=True)), answer[32 * len(items) :])


def intrinsic_gas(data: bytes) -> int:
    """Return what a transaction pays before anything runs; a creation's own charge is measured with the rest."""
    return TRANSACTION_GAS + WARM_ALLOWANCE_GAS + sum(DATA_GAS[byte != 0] for byte in data)


def _program(items: Sequence[Item]) -> bytes:
    """Return instructions that do the items in a row; straight on, so that nothing has to be counted at run time."""
    code, start = _PROLOGUE, 0
    for place, item in enumerate(items):
        size = _push(len(item.data))
        code += _push(place) + _push(_INDEX_PLACE) + _MSTORE
        code += size + _push(start) + _push(_DATA_PLACE) + _CALLDATACOPY
        code += _GAS
        if item.to is None:
            code += size + _push(_DATA_PLACE) + _push(0) + _CREATE
        else:
            code += _push(0) + _push(0) + size + _push(_DATA_PLACE) + _push(0) + _push(int(item.to, 16)) + _GAS + _CALL
        # The stack: gas before, success (or the address made), gas after.
        code += _GAS + _SWAP1 + _ISZERO + _push(_FAILED_PLACE) + _JUMPI
        code += _SWAP1 + _SUB + _push(32 * place) + _MSTORE
        start += len(item.data)
    noted = _push(32 * len(items))
    return code + _RETURNDATASIZE + _push(0) + noted + _RETURNDATACOPY + _RETURNDATASIZE + noted + _ADD + _push(0) + _RETURN


def _push(number: int) -> bytes:
    """Return the instruction that puts a number on the stack."""
    body = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    return bytes([0x5F + len(body)]) + body


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


# What ends a row that failed stands first, where its place is known: it reverts with the item's number and what the item said.
_FAILED_PLACE = 4
_FAILED = (
    _JUMPDEST
    + (_push(_INDEX_PLACE) + _MLOAD + _push(0) + _MSTORE)
    + (_RETURNDATASIZE + _push(0) + _push(32) + _RETURNDATACOPY)
    + (_RETURNDATASIZE + _push(32) + _ADD + _push(0) + _REVERT)
)
_PROLOGUE = b"\x61" + (_FAILED_PLACE + len(_FAILED)).to_bytes(2, "big") + _JUMP + _FAILED + _JUMPDEST
