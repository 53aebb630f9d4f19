# SPDX-License-Identifier: Apache-2.0
"""What the tests of infra's chain parts share: a hand-made contract, keys with money, a book in one line. Tests nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from eth_account import Account

from muniment.infra.clock import Clock, SystemClock
from muniment.infra.evm.broadcaster import Broadcaster
from muniment.infra.evm.client import Evm
from muniment.infra.evm.decoding import TRANSFER_TOPIC, address_bytes, checksum
from muniment.infra.evm.fees import FeePolicy, FeeQuotes
from muniment.infra.evm.finality import Confirmations
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.evm.sender import PostgresTransactions
from muniment.infra.postgres.database import Database
from muniment.infra.sealing import Sealer
from muniment.infra.signing import KeyStore
from muniment.units.ids import Address, TenantId

TENANT = TenantId(UUID("01890000-0000-7000-8000-000000000001"))
OTHER_TENANT = TenantId(UUID("01890000-0000-7000-8000-000000000002"))
MASTER_KEY = bytes(range(32))
NOW = dt.datetime(2027, 5, 23, 16, tzinfo=dt.UTC)
CHAIN_ID = 31337
RICH = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
ETHER = 10**18


def init_code(runtime: bytes) -> bytes:
    """Return code that deploys `runtime`: PUSH1 n, DUP1, PUSH1 9, PUSH0, CODECOPY, PUSH0, RETURN."""
    return bytes([0x60, len(runtime), 0x80, 0x60, 9, 0x5F, 0x39, 0x5F, 0xF3]) + runtime


# Copies word 2 of the call data to memory and logs it as Transfer(word 0, word 1, word 2).
EMITTER = init_code(bytes.fromhex("602060406000376020356000357f") + TRANSFER_TOPIC + bytes.fromhex("60206000a300"))
# Reverts with its own call data.
REVERTER = init_code(bytes.fromhex("365f5f37365ffd"))


def transfer_data(sender: Address, receiver: Address, amount: int) -> bytes:
    """Return the call that makes the emitter log one Transfer."""
    return address_bytes(sender).rjust(32, b"\0") + address_bytes(receiver).rjust(32, b"\0") + amount.to_bytes(32, "big")


class Rig:
    """A database, a node and a key with money, and everything that is needed to send."""

    def __init__(
        self,
        database: Database,
        rpc: JsonRpc,
        *,
        clock: Clock | None = None,
        confirmations: int = 2,
        sender: Address | None = None,
        master_key: bytes = MASTER_KEY,
    ) -> None:
        """`sender` is a key that another rig has made in the same database."""
        self.database = database
        self.rpc = rpc
        self.evm = Evm(rpc, finality=Confirmations(confirmations))
        self.clock: Clock = clock or SystemClock()
        self.sealer = Sealer(master_key)
        self.policy = FeePolicy()
        self.fees = FeeQuotes(self.evm, self.policy, fresh_seconds=0)
        if sender is not None:
            self.sender = sender
            return
        with database.worker_transaction() as connection:
            self.sender = self.key_store(connection).create(TENANT)
        self.fund(self.sender)

    def key_store(self, connection: sa.Connection) -> KeyStore:
        return KeyStore(connection, sealer=self.sealer, clock=self.clock, development_keys_allowed=True)

    def fund(self, address: Address, wei: int = 100 * ETHER) -> None:
        """Send ether from an account that the node unlocks, and mine it."""
        before = self.evm.balance(address)
        self.rpc.call("eth_sendTransaction", [{"from": RICH, "to": address, "value": hex(wei)}])
        if self.evm.balance(address) == before:
            self.mine()

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.rpc.call("evm_mine")

    def transactions(self, connection: sa.Connection, *, tenant_id: TenantId | None = TENANT) -> PostgresTransactions:
        return PostgresTransactions(
            connection,
            tenant_id=tenant_id,
            signer=self.key_store(connection),
            fees=self.fees,
            chain_id=CHAIN_ID,
            first_nonce=self.evm.transaction_count,
            clock=self.clock,
        )

    @contextmanager
    def book(self, tenant_id: TenantId = TENANT) -> Iterator[PostgresTransactions]:
        """The tenant's book in a transaction of its own."""
        with self.database.transaction(tenant_id=tenant_id) as connection:
            yield self.transactions(connection, tenant_id=tenant_id)

    def submit(self, purpose: str, *, to: Address | None = RICH, data: bytes = b"", value: int = 0, gas_limit: int = 200_000) -> Any:
        with self.book() as book:
            return book.submit(tenant_id=TENANT, sender=self.sender, to=to, data=data, purpose=purpose, gas_limit=gas_limit, value=value)

    def broadcaster(self, **options: Any) -> Broadcaster:
        return Broadcaster(
            self.database,
            self.evm,
            chain_id=CHAIN_ID,
            signer=self.key_store,
            fees=self.fees,
            policy=options.pop("policy", self.policy),
            clock=self.clock,
            **options,
        )

    def find(self, purpose: str) -> Any:
        with self.book() as book:
            return book.find(purpose)

    def deploy(self, code: bytes) -> Address:
        """Put a contract on the chain by an unlocked account, without our book."""
        hash_ = self.rpc.call("eth_sendTransaction", [{"from": RICH, "data": "0x" + code.hex(), "gas": hex(1_000_000)}])
        receipt = self.evm.receipt(hash_)
        if receipt is None:
            self.mine()
            receipt = self.evm.receipt(hash_)
        assert receipt is not None and receipt.contract_address is not None
        return receipt.contract_address

    def emit(self, contract: Address, sender: Address, receiver: Address, amount: int) -> None:
        """Make a contract log one Transfer in the next block."""
        data = "0x" + transfer_data(sender, receiver, amount).hex()
        self.rpc.call("eth_sendTransaction", [{"from": RICH, "to": contract, "data": data, "gas": hex(100_000)}])

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.database.worker_transaction() as connection:
            return list(connection.execute(sa.text(statement), values).all())


def an_address(number: int) -> Address:
    """Return a checksummed address that nobody has the key of."""
    return checksum(number.to_bytes(20, "big"))


def a_private_key() -> bytes:
    return bytes(Account.create().key)
