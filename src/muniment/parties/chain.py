# SPDX-License-Identifier: Apache-2.0
"""Whether a wallet signed: by its key (EIP-191), or by the word of its contract (ERC-1271). Sends nothing."""

from __future__ import annotations

from typing import Final

import eth_abi
from eth_keys import keys
from eth_keys.exceptions import BadSignature, ValidationError

from muniment.infra.evm.client import Evm
from muniment.infra.evm.rpc import RpcError
from muniment.parties.model import ProofDomain
from muniment.units.ids import Address

SIGNATURE_BYTES: Final = 65
MAGIC: Final = bytes.fromhex("1626ba7e")
"""`isValidSignature(bytes32,bytes)`: its selector, and what it answers for a yes."""

HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class EvmWalletSignatures:
    """`ports.WalletSignatures` over one node."""

    def __init__(self, evm: Evm, *, bound_to: ProofDomain) -> None:
        self._evm = evm
        self._bound_to = bound_to

    @property
    def bound_to(self) -> ProofDomain:
        """To what messages are bound here."""
        return self._bound_to

    def is_valid(self, address: Address, digest: bytes, signature: bytes) -> bool:
        """Return whether the key of `address` signed the digest, or else its contract says that it did.

        The key is asked first, so that an account which only borrows code (EIP-7702) still signs for itself. A contract that reverts,
        or answers anything but the magic value in the first of exactly 32 bytes, has said no.
        """
        if recover(digest, signature) == address:
            return True
        if not self._evm.code_at(address):
            return False
        data = MAGIC + eth_abi.encode(["bytes32", "bytes"], [digest, signature])
        try:
            answer = self._evm.call(address, data)
        except RpcError:
            return False
        return answer == MAGIC + bytes(28)


def recover(digest: bytes, signature: bytes) -> Address | None:
    """Return who signed a digest by r, s and v (27 or 28), 65 bytes; None where nobody did, or s is in the upper half (EIP-2)."""
    if len(signature) != SIGNATURE_BYTES or signature[64] not in {27, 28} or int.from_bytes(signature[32:64], "big") > HALF_ORDER:
        return None
    try:
        made = keys.Signature(signature[:64] + bytes([signature[64] - 27]))
        return Address(made.recover_public_key_from_msg_hash(digest).to_checksum_address())
    except (BadSignature, ValidationError):
        return None
