# SPDX-License-Identifier: Apache-2.0
"""The platform's own account and contracts: made once per chain, at the first start. Issuers' contracts are instruments' business."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from muniment.app.wiring import Units
from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.sender import ChainTransaction
from muniment.infra.jobs import ProcessOutcome, Waiting
from muniment.infra.signing import DEVELOPMENT_ADDRESSES, KeyStore
from muniment.instruments import process as instruments_process
from muniment.instruments.chain import PAYMENT_TOKEN_DECIMALS
from muniment.instruments.process import PLATFORM_ARTIFACTS
from muniment.units.errors import MunimentError
from muniment.units.ids import Address, TenantId
from muniment.units.money import MINOR_DIGITS, Money

PLATFORM_JOB = "platform.open"
"""The job that brings the platform's contracts to the chain."""

OPERATOR_WEI_MIN = 10**17
"""Below this the platform's account cannot bring its contracts to the chain."""
FAUCET_WEI = 1000 * 10**18
FAUCET_GAS_LIMIT = 60_000
MINT_GAS_LIMIT = 120_000

# The phrase is printed by every development node at its start; its accounts exist in the local chain's genesis and nowhere of value.
DEVELOPMENT_PHRASE = "test test test test test test test test test test test junk"


class NotALocalChain(MunimentError):
    """Test money is made on a local development chain only."""

    code = "app.not_a_local_chain"
    message = "There is no test money on chain {chain_id}."
    cure = "Fund the organisation's account with a real payment token, or use the local chain."


@dataclass(frozen=True, slots=True)
class TestMoney:
    """A gift of the platform's test payment token, on its way."""

    __test__ = False

    amount: Money
    payment_token: Address
    receiver: Address
    transaction: ChainTransaction


def needs_platform(units: Units) -> bool:
    """Return whether the platform's contracts are missing on this chain."""
    with units.begin_platform() as unit:
        return not set(PLATFORM_ARTIFACTS) <= unit.suites.platform_contracts().keys()


def open_platform(units: Units) -> ProcessOutcome:
    """Make the platform's account, see to its gas money, and put the shared contracts on the chain; may run again at any time."""
    with units.begin_platform() as unit:
        # One looks at a time: two who both find no account would make two, and the gas money would go to only one of them.
        unit.connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": PLATFORM_JOB})
        own = [address for address in unit.keys.addresses(tenant_id=None) if address not in DEVELOPMENT_ADDRESSES]
        operator = own[0] if own else unit.keys.create(None)
    if units.backend.evm.balance(operator) < OPERATOR_WEI_MIN:
        if not units.backend.development_keys_allowed:
            return Waiting(f"gas money: send some of the chain's coin to {operator}")
        with units.begin_platform() as unit:
            unit.transactions.submit(
                tenant_id=None,
                sender=_development_account(unit.keys),
                to=operator,
                data=b"",
                purpose="platform.gas_money",
                gas_limit=FAUCET_GAS_LIMIT,
                value=FAUCET_WEI,
            )
        return Waiting("the local chain's gas money", "platform.gas_money")
    return instruments_process.deploy_platform(operator, platform=units.begin_platform)


def give_test_money(units: Units, tenant_id: TenantId, amount: Money, *, purpose: str) -> TestMoney:
    """Mint the platform's test payment token to an organisation's account; only on a local chain, once per `purpose`."""
    if not units.backend.development_keys_allowed:
        raise NotALocalChain(chain_id=units.backend.chain_id)
    with units.begin(tenant_id) as unit:
        suite = unit.suites.suite()
        assert suite is not None, "an organisation with a security has its account"
        receiver = suite.operator
    artifact = contract_artifacts.load("payment_token")
    with units.begin_platform() as platform:
        token = platform.suites.platform("payment_token")
        token_units = amount.minor_units * 10 ** (PAYMENT_TOKEN_DECIMALS - MINOR_DIGITS[amount.currency])
        transaction = platform.transactions.submit(
            tenant_id=None,
            sender=platform.suites.platform("operator"),
            to=token,
            data=artifact.encode_call("mint", receiver, token_units),
            purpose=f"platform.test_money:{purpose}",
            gas_limit=MINT_GAS_LIMIT,
        )
    return TestMoney(amount, token, receiver, transaction)


def _development_account(keys: KeyStore) -> Address:
    """Return the first development account, its key now in the keystore; refused off the local chain."""
    from eth_account import Account

    Account.enable_unaudited_hdwallet_features()
    return keys.import_key(None, bytes(Account.from_mnemonic(DEVELOPMENT_PHRASE).key))
