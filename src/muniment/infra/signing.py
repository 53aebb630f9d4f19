# SPDX-License-Identifier: Apache-2.0
"""Keys that sign: the encrypted keystore, and the port behind which a remote signer may stand. Knows neither nonces nor fees."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import sqlalchemy as sa
from eth_keys import keys
from eth_keys.exceptions import ValidationError

from muniment.infra.clock import Clock
from muniment.infra.postgres.database import METADATA
from muniment.infra.sealing import Sealer, WrappedKey
from muniment.units.errors import MunimentError
from muniment.units.ids import Address, TenantId, TransactionHash

LOCAL_CHAIN_ID = 31337
"""The chain id of development nodes (anvil, hardhat)."""

DEVELOPMENT_ADDRESSES = frozenset(
    Address(text)
    for text in (
        # Accounts 0-19 of the mnemonic that every development node ships ("test test ... junk"): the whole world has the keys.
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
        "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
        "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
        "0xBcd4042DE499D14e55001CcbB24a551F3b954096",
        "0x71bE63f3384f5fb98995898A86B02Fb2426c5788",
        "0xFABB0ac9d68B0B445fB7357272Ff202C5651694a",
        "0x1CBd3b2770909D4e10f157cABC84C7264073C9Ec",
        "0xdF3e18d64BC6A983f673Ab319CCaE4f1a57C7097",
        "0xcd3B766CCDd6AE721141F452C550Ca635964ce71",
        "0x2546BcD3c84621e976D8185a91A922aE77ECEc30",
        "0xbDA5747bFD65F08deb54cb465eB87D40e51B197E",
        "0xdD2FD4581271e230360230F9337D5c0430Bf44C0",
        "0x8626f6940E2eb28930eFb4CeF49B2d1F2C9C1199",
    )
)

SIGNING_KEY = sa.Table(
    "signing_key",
    METADATA,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Uuid),
    sa.Column("sealed_key", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    schema="infra",
)

_WRAPPED_BYTES = 61
"""A sealed key is the wrapped data key (61 bytes) followed by the private key sealed under it."""


class DevelopmentKeyRefused(MunimentError):
    """A key that the whole world knows, anywhere but on a local development chain."""

    code = "infra.development_key_refused"
    message = "{address} is a published development key; it may sign only on chain 31337 on this machine."
    cure = "Create a key of your own, or point CHAIN_RPC_URL at a local development node."


class UnknownKey(MunimentError):
    """No key of that address is in this tenant's keystore."""

    code = "infra.unknown_signing_key"
    message = "The keystore holds no key for {address}."
    cure = "Create or import the key first."


class BadPrivateKey(MunimentError):
    """The bytes are no secp256k1 private key."""

    code = "infra.bad_private_key"
    message = "This is not a private key."
    cure = "Give 32 bytes between 1 and the order of secp256k1."


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionFields:
    """What an EIP-1559 transaction says. All amounts in wei."""

    chain_id: int
    nonce: int
    to: Address | None
    value: int
    data: bytes
    gas_limit: int
    max_fee: int
    max_priority_fee: int

    def as_dictionary(self) -> dict[str, Any]:
        """Return the fields under the names of JSON-RPC, for a library to sign."""
        body: dict[str, Any] = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": self.nonce,
            "value": self.value,
            "data": self.data,
            "gas": self.gas_limit,
            "maxFeePerGas": self.max_fee,
            "maxPriorityFeePerGas": self.max_priority_fee,
        }
        # A transaction without `to` creates a contract.
        return body if self.to is None else body | {"to": self.to}


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """The bytes to broadcast and their hash."""

    raw: bytes
    hash: TransactionHash


class Signer(Protocol):
    """Signs for addresses whose keys it holds; the keystore below, or a KMS."""

    def sign_transaction(self, address: Address, fields: TransactionFields) -> SignedTransaction:
        """Return the signed transaction of `address`."""
        ...

    def sign_hash(self, address: Address, digest: bytes) -> bytes:
        """Return r, s and v (27 or 28) over a 32-byte digest, 65 bytes in all."""
        ...


class KeyStore:
    """secp256k1 keys, each sealed under the master key, in the caller's transaction. Row security hides other tenants' keys."""

    def __init__(self, connection: sa.Connection, *, sealer: Sealer, clock: Clock, development_keys_allowed: bool = False) -> None:
        self._connection = connection
        self._sealer = sealer
        self._clock = clock
        self._development_keys_allowed = development_keys_allowed

    def create(self, tenant_id: TenantId | None) -> Address:
        """Make a new key and return its address."""
        from eth_account import Account

        return self._keep(tenant_id, Account.create().key)

    def import_key(self, tenant_id: TenantId | None, private_key: bytes) -> Address:
        """Keep a key that was made elsewhere and return its address; a key that is already there stays as it is."""
        try:
            address = Address(keys.PrivateKey(private_key).public_key.to_checksum_address())
        except (ValidationError, ValueError):
            # The library's messages may quote the key: no chaining.
            raise BadPrivateKey from None
        self._refuse_development_key(address)
        return self._keep(tenant_id, private_key)

    def addresses(self, *, tenant_id: TenantId | None) -> Sequence[Address]:
        """Return the addresses whose keys a tenant (None: the platform) has here, oldest first."""
        rows = self._connection.execute(
            sa.select(SIGNING_KEY.c.address)
            .where(SIGNING_KEY.c.tenant_id.is_not_distinct_from(tenant_id))
            .order_by(SIGNING_KEY.c.created_at, SIGNING_KEY.c.address)
        )
        return [Address(row.address) for row in rows]

    def sign_transaction(self, address: Address, fields: TransactionFields) -> SignedTransaction:
        """Return the transaction signed by the key of `address`."""
        # Loaded by whoever signs: a command that only reads is over in less time than it takes.
        from eth_account import Account

        signed = Account.sign_transaction(fields.as_dictionary(), self._key(address))
        return SignedTransaction(raw=bytes(signed.raw_transaction), hash=TransactionHash("0x" + bytes(signed.hash).hex()))

    def sign_hash(self, address: Address, digest: bytes) -> bytes:
        """Return r, s and v (27 or 28): RFC 6979 nonces, s in the lower half (EIP-2)."""
        assert len(digest) == 32, "a digest has 32 bytes"
        signature = keys.PrivateKey(self._key(address)).sign_msg_hash(digest).to_bytes()
        return signature[:64] + bytes([signature[64] + 27])

    def _keep(self, tenant_id: TenantId | None, private_key: bytes) -> Address:
        address = Address(keys.PrivateKey(bytes(private_key)).public_key.to_checksum_address())
        wrapped = self._sealer.new_key()
        sealed = self._sealer.seal(wrapped, bytes(private_key), context=_context(address))
        self._connection.execute(
            sa.text(
                "INSERT INTO infra.signing_key (address, tenant_id, sealed_key, created_at)"
                " VALUES (:address, :tenant_id, :sealed_key, :created_at) ON CONFLICT (address) DO NOTHING"
            ),
            {"address": address, "tenant_id": tenant_id, "sealed_key": wrapped + sealed, "created_at": self._clock.now()},
        )
        return address

    def _key(self, address: Address) -> bytes:
        self._refuse_development_key(address)
        sealed = self._connection.execute(sa.select(SIGNING_KEY.c.sealed_key).where(SIGNING_KEY.c.address == address)).scalar()
        if sealed is None:
            raise UnknownKey(address=address)
        wrapped = WrappedKey(bytes(sealed[:_WRAPPED_BYTES]))
        return self._sealer.open(wrapped, bytes(sealed[_WRAPPED_BYTES:]), context=_context(address))

    def _refuse_development_key(self, address: Address) -> None:
        if address in DEVELOPMENT_ADDRESSES and not self._development_keys_allowed:
            raise DevelopmentKeyRefused(address=address)


def development_keys_allowed(*, chain_id: int, rpc_url: str) -> bool:
    """Return whether published development keys may sign: only on chain 31337, and only through a node on this machine."""
    host = urlsplit(rpc_url).hostname or ""
    return chain_id == LOCAL_CHAIN_ID and is_loopback(host)


def is_loopback(host: str) -> bool:
    """Return whether a host of a URL is this machine; a name other than `localhost` is not, wherever it may point today."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _context(address: Address) -> str:
    return f"infra.signing_key:{address}"
