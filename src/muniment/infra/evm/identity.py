# SPDX-License-Identifier: Apache-2.0
"""Which chain a database belongs to: written at the first start, compared at each later one. Nothing else is checked here."""

from __future__ import annotations

import sqlalchemy as sa

from muniment.infra.evm.client import Evm
from muniment.infra.postgres.database import Database
from muniment.units.errors import MunimentError


class WrongChain(MunimentError):
    """The node serves another chain than the one that this database was filled from."""

    code = "infra.wrong_chain"
    message = "The node serves chain {chain_id} (genesis {genesis}), but this database belongs to {expected_chain_id} ({expected_genesis})."
    cure = "Set CHAIN_RPC_URL to a node of the right chain, or MUNIMENT_HOME and DATABASE_URL to the database of this one."


def check_chain_identity(database: Database, evm: Evm) -> int:
    """Return the chain's id after making sure that it is the database's chain; the first start makes it so."""
    chain_id, genesis_hash = evm.chain_id(), evm.genesis_hash()
    with database.worker_transaction() as connection:
        connection.execute(
            sa.text("INSERT INTO infra.chain_identity (chain_id, genesis_hash) VALUES (:chain_id, :genesis_hash) ON CONFLICT DO NOTHING"),
            {"chain_id": chain_id, "genesis_hash": genesis_hash},
        )
        row = connection.execute(sa.text("SELECT chain_id, genesis_hash FROM infra.chain_identity")).one()
    if (row.chain_id, bytes(row.genesis_hash)) != (chain_id, genesis_hash):
        raise WrongChain(
            expected_chain_id=row.chain_id,
            expected_genesis="0x" + bytes(row.genesis_hash).hex(),
            chain_id=chain_id,
            genesis="0x" + genesis_hash.hex(),
        )
    return chain_id
