# SPDX-License-Identifier: Apache-2.0
"""The platform's first start: whoever asks for its account at the same moment, there is one account, and it gets the gas money."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from muniment.app.platform import open_platform
from muniment.app.wiring import Backend, Units
from muniment.infra.configuration import Configuration
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.jobs import ProcessOutcome, Waiting
from muniment.infra.signing import DEVELOPMENT_ADDRESSES

ASKING = 6


@pytest.fixture
def units(fresh_postgres_url: str, chain_rpc: JsonRpc, home: Path) -> Iterator[Units]:
    backend = Backend.open(Configuration(home=home, database_url=fresh_postgres_url, chain_rpc_url=chain_rpc.url, chain_is_local=True))
    yield Units(backend)
    backend.close()


def test_several_first_starts_at_once_make_one_account_which_gets_the_gas_money(units: Units) -> None:
    together = threading.Barrier(ASKING)

    def ask(_: int) -> ProcessOutcome:
        together.wait(30)
        return open_platform(units)

    with ThreadPoolExecutor(ASKING) as pool:
        outcomes = list(pool.map(ask, range(ASKING)))

    assert all(isinstance(outcome, Waiting) for outcome in outcomes)
    with units.begin_platform() as unit:
        accounts = [address for address in unit.keys.addresses(tenant_id=None) if address not in DEVELOPMENT_ADDRESSES]
        paid_to = unit.connection.scalars(
            sa.text("SELECT to_address FROM infra.chain_transaction WHERE purpose = 'platform.gas_money'")
        ).all()
    assert len(accounts) == 1
    assert paid_to == accounts
