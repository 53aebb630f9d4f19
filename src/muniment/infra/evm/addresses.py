# SPDX-License-Identifier: Apache-2.0
"""Where a contract will stand that is not created yet. Asks nobody."""

from __future__ import annotations

from eth_hash.auto import keccak

from muniment.infra.evm.decoding import checksum
from muniment.units.ids import Address


def created_address(sender: Address, nonce: int) -> Address:
    """Return where a contract that `sender` creates with `nonce` will stand: keccak256 of the RLP of both (Yellow Paper, 7)."""
    number = b"" if nonce == 0 else nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    encoded = number if len(number) == 1 and number[0] < 0x80 else bytes([0x80 + len(number)]) + number
    body = b"\x94" + bytes.fromhex(sender[2:]) + encoded
    return checksum(keccak(bytes([0xC0 + len(body)]) + body)[12:])
