# SPDX-License-Identifier: Apache-2.0
"""Signatures over typed data (EIP-712), the ways to spoil one, and wallets that are contracts (ERC-1271)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

from tests.contracts.chain import Chain, Contract

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def kinds_of(**fields: str) -> dict[str, list[dict[str, str]]]:
    """Return the types of typed data, each from one line such as "uint256 ballotId,address account"."""
    return {
        name: [dict(zip(("type", "name"), field.split(" "), strict=True)) for field in line.split(",")] for name, line in fields.items()
    }


def sign(
    signer: LocalAccount, contract: Contract, kinds: Mapping[str, Sequence[Any]], message: Mapping[str, Any], *, chain_id: int | None = None
) -> bytes:
    """Sign for the domain that the contract publishes, or for the same one on another chain."""
    _, name, version, published, address, _, _ = contract.view("eip712Domain")
    domain = {"name": name, "version": version, "chainId": published if chain_id is None else chain_id, "verifyingContract": address}
    signed = signer.sign_message(encode_typed_data(domain, {**kinds}, {**message}))
    return signed.signature


def spoiled(signature: bytes) -> Iterator[bytes]:
    """Yield what is almost this signature: mirrored on the curve, with another v, cut, longer, empty, and of nobody."""
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    yield r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    yield signature[:64] + bytes([55 - v])
    yield signature[:64] + bytes([v - 27])
    yield signature[:64]
    yield signature + b"\0"
    yield b""
    yield bytes(64) + b"\x1b"


_WALLET = """
# pragma version 0.4.3
approved: HashMap[bytes32, bool]

@external
def approve(digest: bytes32):
    self.approved[digest] = True

@external
@view
{decorator}
def isValidSignature(digest: bytes32, signature: Bytes[512]) -> {answers}:
    {answer}
"""
_YES = "return 0x1626ba7e if self.approved[digest] else 0xffffffff"


class ContractWallet:
    """A wallet that says yes to the digests that it was told to approve, or does something worse."""

    def __init__(self, chain: Chain, *, answer: str = _YES, answers: str = "bytes4", decorator: str = "") -> None:
        self._chain = chain
        self.address = chain.deploy_vyper(
            _WALLET.format(answer=answer, answers=answers, decorator=decorator), sender=chain.account("maker")
        )

    def approve(self, digest: bytes) -> None:
        self._chain.send(self.address, keccak(b"approve(bytes32)")[:4] + digest, sender=self._chain.account("maker"))


def unwilling_wallets(chain: Chain) -> Iterator[ContractWallet]:
    """Yield wallets that never say yes in the way that counts."""
    yield ContractWallet(chain, answer="return 0xffffffff")
    yield ContractWallet(chain, answer='raise "no"')
    yield ContractWallet(chain, answers="Bytes[4]", answer="return x'1626ba7e'", decorator="@raw_return")
    yield ContractWallet(chain, answers="bytes32", answer=f"return 0x1626ba7e{'0' * 55}1")
    yield ContractWallet(chain, answers="bool", answer="return True")


def digest_of(contract: Contract, kinds: Mapping[str, Sequence[Any]], message: Mapping[str, Any]) -> bytes:
    """Return the digest that a contract wallet is asked about."""
    _, name, version, chain_id, address, _, _ = contract.view("eip712Domain")
    domain = {"name": name, "version": version, "chainId": chain_id, "verifyingContract": address}
    signable = encode_typed_data(domain, {**kinds}, {**message})
    return keccak(b"\x19" + signable.version + signable.header + signable.body)
