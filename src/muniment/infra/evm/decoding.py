# SPDX-License-Identifier: Apache-2.0
"""Bytes of the chain to Python by hand: words, addresses, Transfer logs, revert reasons. Talks to no node, knows no contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import eth_abi
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from muniment.units.ids import Address, TransactionHash

TRANSFER_TOPIC = keccak(b"Transfer(address,address,uint256)")
"""First topic of the Transfer event of ERC-20 and ERC-721."""

_ERROR_SELECTOR = bytes.fromhex("08c379a0")  # Error(string)
_PANIC_SELECTOR = bytes.fromhex("4e487b71")  # Panic(uint256)

# The Solidity manual, "Panic via assert and Error via require".
_PANICS = {
    0x00: "generic panic",
    0x01: "assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "value out of range of an enum",
    0x22: "storage byte array incorrectly encoded",
    0x31: "pop on an empty array",
    0x32: "index out of range",
    0x41: "too much memory",
    0x51: "call of an uninitialised function",
}

REASON_CHARACTERS_MAX = 500


class RawLog(NamedTuple):
    """One log of a known contract, as a consumer of blocks gets it."""

    address: Address
    tenant_id: Any
    artifact: str
    topics: tuple[bytes, ...]
    data: bytes
    transaction_hash: TransactionHash
    log_index: int


class ChainLog(NamedTuple):
    """One log as the node tells it."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: TransactionHash
    transaction_index: int
    log_index: int


Transfer: TypeAlias = tuple[Address, Address, int]
"""Sender, receiver and base units of one ERC-20 Transfer. A plain tuple: Python's garbage collector stops looking at those, which
doubles the speed of decoding a million."""


class _Addresses(dict[bytes, Address]):
    """Checksummed addresses by their 20 bytes or 32-byte word: keccak is worth remembering."""

    def __missing__(self, key: bytes) -> Address:
        # An attacker may send to fresh addresses for ever; forgetting all now and then keeps the memory bounded.
        if len(self) >= ADDRESSES_REMEMBERED_MAX:
            self.clear()
        address = self[key] = checksum(key[-20:])
        return address


ADDRESSES_REMEMBERED_MAX = 1_000_000
_addresses = _Addresses()
_TOPICS_AND_DATA = attrgetter("topics", "data")


def checksum(address: bytes) -> Address:
    """Return 20 bytes as an address with the EIP-55 checksum."""
    assert len(address) == 20, "an address has 20 bytes"
    digits = address.hex()
    digest = keccak(digits.encode()).hex()
    return Address("0x" + "".join(digit.upper() if nibble in "89abcdef" else digit for digit, nibble in zip(digits, digest, strict=False)))


def to_address(word: bytes) -> Address:
    """Return the address in 20 bytes or in the low 20 bytes of a 32-byte word."""
    return _addresses[word]


def address_bytes(address: Address) -> bytes:
    """Return the 20 bytes of an address."""
    return bytes.fromhex(address[2:])


def word(data: bytes, index: int) -> int:
    """Return the unsigned number in the 32-byte word at `index`; refuse data that is too short."""
    start = 32 * index
    if len(data) < start + 32:
        raise ValueError(f"no word {index} in {len(data)} bytes")
    return int.from_bytes(data[start : start + 32], "big")


def decode_transfers(logs: Iterable[RawLog | ChainLog]) -> list[Transfer]:
    """Return the ERC-20 Transfer events among `logs`, in order; logs of other events and of ERC-721 (no data) are left out.

    By slicing bytes, because a register of a million holders is read this way: see bench/log_decoding.py.
    """
    addresses, topic, from_bytes = _addresses, TRANSFER_TOPIC, int.from_bytes
    # Everything stands in the comprehension and runs in C where it can: one Python call per log would halve the speed.
    return [
        (addresses[topics[1]], addresses[topics[2]], from_bytes(data, "big"))
        for topics, data in map(_TOPICS_AND_DATA, logs)
        if len(topics) == 3 and topics[0] == topic and len(data) == 32
    ]


def parse_log(log: Mapping[str, Any]) -> ChainLog:
    """Return a log of JSON-RPC in Python's types."""
    return ChainLog(
        _addresses[bytes.fromhex(log["address"][2:])],
        tuple([bytes.fromhex(topic[2:]) for topic in log["topics"]]),
        bytes.fromhex(log["data"][2:]),
        int(log["blockNumber"], 16),
        bytes.fromhex(log["blockHash"][2:]),
        log["transactionHash"],
        int(log["transactionIndex"], 16),
        int(log["logIndex"], 16),
    )


def bloom_may_contain(bloom: bytes, item: bytes) -> bool:
    """Return False when a block's 256-byte bloom filter proves that `item` (an address or topic) is in none of its logs.

    Yellow Paper, 4.3.1: three bits, from the low 11 bits of the first three 16-bit words of keccak256(item).
    """
    digest = keccak(item)
    for index in (0, 2, 4):
        bit = int.from_bytes(digest[index : index + 2], "big") & 2047
        if not bloom[255 - bit // 8] >> (bit % 8) & 1:
            return False
    return True


def revert_reason(data: bytes, *, custom_errors: Mapping[bytes, tuple[str, Sequence[str]]] | None = None) -> str:
    """Return what a revert says: the text of Error(string), the meaning of Panic(uint256), a custom error by name with its values.

    `custom_errors` maps 4-byte selectors to name and argument types. Unknown data is shown in hex; no data is "no reason given".
    """
    if not data:
        return "no reason given"
    selector, body = data[:4], data[4:]
    try:
        if selector == _ERROR_SELECTOR:
            return _printable(eth_abi.decode(["string"], body)[0])
        if selector == _PANIC_SELECTOR:
            code = eth_abi.decode(["uint256"], body)[0]
            return f"panic 0x{code:02x}: {_PANICS.get(code, 'unknown')}"
        if custom_errors and selector in custom_errors:
            name, types = custom_errors[selector]
            return _printable(f"{name}({', '.join(str(value) for value in eth_abi.decode(list(types), body))})")
    except (DecodingError, UnicodeDecodeError, OverflowError):
        pass
    return f"0x{data.hex()}"[:REASON_CHARACTERS_MAX]


def _printable(text: str) -> str:
    # A hostile contract chooses its own reason: no control characters, no novel.
    return "".join(character if character.isprintable() else "�" for character in text)[:REASON_CHARACTERS_MAX]
