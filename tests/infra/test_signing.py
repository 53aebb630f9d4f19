# SPDX-License-Identifier: Apache-2.0
"""Keys rest sealed, sign what the chain accepts, and the published ones sign nowhere but on a local development chain."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from eth_account import Account
from eth_keys import keys

from muniment.infra.clock import FixedClock
from muniment.infra.localchain.anvil import DEVELOPMENT_ACCOUNTS
from muniment.infra.postgres.database import Database
from muniment.infra.sealing import CannotOpen, Sealer
from muniment.infra.signing import (
    DEVELOPMENT_ADDRESSES,
    BadPrivateKey,
    DevelopmentKeyRefused,
    KeyStore,
    TransactionFields,
    UnknownKey,
    development_keys_allowed,
)
from muniment.units.ids import Address
from tests.infra.rig import MASTER_KEY, NOW, OTHER_TENANT, RICH, TENANT, a_private_key

# Account 0 of every development node, as printed by it at its start.
DEVELOPMENT_KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
FIELDS = TransactionFields(
    chain_id=31337, nonce=3, to=RICH, value=5, data=b"\x01\x02", gas_limit=50_000, max_fee=10**10, max_priority_fee=10**9
)


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    yield database
    database.close()


def store(connection: sa.Connection, *, sealer: Sealer | None = None, allowed: bool = False) -> KeyStore:
    return KeyStore(connection, sealer=sealer or Sealer(MASTER_KEY), clock=FixedClock(NOW), development_keys_allowed=allowed)


def test_a_created_key_signs_transactions_that_recover_to_its_address(database: Database) -> None:
    with database.transaction(tenant_id=TENANT) as connection:
        address = store(connection).create(TENANT)
    with database.transaction(tenant_id=TENANT) as connection:
        signed = store(connection).sign_transaction(address, FIELDS)
    assert Account.recover_transaction(signed.raw) == address
    assert signed.raw[0] == 2


def test_a_transaction_without_receiver_creates_a_contract(database: Database) -> None:
    key = a_private_key()
    fields = TransactionFields(chain_id=1, nonce=0, to=None, value=0, data=b"\x60", gas_limit=1, max_fee=2, max_priority_fee=1)
    with database.transaction(tenant_id=TENANT) as connection:
        address = store(connection).import_key(TENANT, key)
        signed = store(connection).sign_transaction(address, fields)
    expected = Account.sign_transaction(
        {"type": 2, "chainId": 1, "nonce": 0, "value": 0, "data": "0x60", "gas": 1, "maxFeePerGas": 2, "maxPriorityFeePerGas": 1}, key
    )
    assert (signed.raw, signed.hash) == (bytes(expected.raw_transaction), "0x" + bytes(expected.hash).hex())


def test_a_hash_signature_recovers_to_the_address_with_a_low_s(database: Database) -> None:
    digest = bytes(range(32))
    with database.transaction(tenant_id=TENANT) as connection:
        address = store(connection).create(TENANT)
        signature = store(connection).sign_hash(address, digest)
    assert len(signature) == 65 and signature[64] in (27, 28)
    recovered = keys.Signature(signature[:64] + bytes([signature[64] - 27])).recover_public_key_from_msg_hash(digest)
    assert recovered.to_checksum_address() == address
    # EIP-2: half of the order of secp256k1.
    assert int.from_bytes(signature[32:64], "big") <= 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def test_the_stored_key_is_sealed_and_bound_to_its_address(database: Database) -> None:
    key = a_private_key()
    with database.transaction(tenant_id=TENANT) as connection:
        address = store(connection).import_key(TENANT, key)
        other = store(connection).create(TENANT)
        row = connection.execute(sa.text("SELECT sealed_key FROM infra.signing_key WHERE address = :a"), {"a": address}).one()
        assert key not in bytes(row.sealed_key)
        connection.execute(sa.text("UPDATE infra.signing_key SET sealed_key = :k WHERE address = :a"), {"k": row.sealed_key, "a": other})
        with pytest.raises(CannotOpen):
            store(connection).sign_hash(other, bytes(32))
        with pytest.raises(CannotOpen):
            store(connection, sealer=Sealer(bytes(32))).sign_hash(address, bytes(32))


def test_importing_twice_keeps_one_key(database: Database) -> None:
    key = a_private_key()
    with database.transaction(tenant_id=TENANT) as connection:
        first, second = store(connection).import_key(TENANT, key), store(connection).import_key(TENANT, key)
        assert first == second and list(store(connection).addresses(tenant_id=TENANT)).count(first) == 1


def test_another_tenants_key_does_not_exist(database: Database) -> None:
    with database.transaction(tenant_id=TENANT) as connection:
        address = store(connection).create(TENANT)
    with database.transaction(tenant_id=OTHER_TENANT) as connection:
        assert address not in store(connection).addresses(tenant_id=TENANT)
        with pytest.raises(UnknownKey):
            store(connection).sign_hash(address, bytes(32))


@pytest.mark.parametrize("key", [b"", bytes(32), b"\xff" * 32, b"\x01" * 31])
def test_what_is_no_private_key_is_refused_without_quoting_it(database: Database, key: bytes) -> None:
    with database.transaction(tenant_id=TENANT) as connection, pytest.raises(BadPrivateKey) as refused:
        store(connection).import_key(TENANT, key)
    assert refused.value.__cause__ is None and refused.value.__suppress_context__


def test_published_keys_are_refused_at_import_and_at_signing(database: Database) -> None:
    with database.transaction(tenant_id=TENANT) as connection:
        with pytest.raises(DevelopmentKeyRefused):
            store(connection).import_key(TENANT, DEVELOPMENT_KEY)
        address = store(connection, allowed=True).import_key(TENANT, DEVELOPMENT_KEY)
        assert store(connection, allowed=True).sign_hash(address, bytes(32))
        # A database that was filled on a laptop and then pointed at a real network.
        with pytest.raises(DevelopmentKeyRefused):
            store(connection).sign_hash(address, bytes(32))
        with pytest.raises(DevelopmentKeyRefused):
            store(connection).sign_transaction(address, FIELDS)


def test_every_account_of_the_local_node_is_known_as_published() -> None:
    assert {Address(account) for account in DEVELOPMENT_ACCOUNTS} <= DEVELOPMENT_ADDRESSES


@pytest.mark.parametrize(
    ("chain_id", "rpc_url", "allowed"),
    [
        (31337, "http://127.0.0.1:8545", True),
        (31337, "http://localhost:8545", True),
        (31337, "http://[::1]:8545", True),
        (31337, "http://127.8.9.1:8545", True),
        (1, "http://127.0.0.1:8545", False),
        (31337, "https://rpc.example.org", False),
        (31337, "http://127.0.0.1.example.org:8545", False),
        (31337, "http://10.0.0.7:8545", False),
        (31337, "http://0.0.0.0:8545", False),
        (31337, "http://user@localhost.example.org", False),
        (31337, "http://localhost@example.org", False),
        (31337, "not an address", False),
    ],
)
def test_published_keys_sign_only_on_chain_31337_on_this_machine(chain_id: int, rpc_url: str, *, allowed: bool) -> None:
    assert development_keys_allowed(chain_id=chain_id, rpc_url=rpc_url) is allowed
