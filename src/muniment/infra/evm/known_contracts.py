# SPDX-License-Identifier: Apache-2.0
"""The contracts that the follower watches: which address is what, and whose. Follows nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from muniment.units.ids import Address, TenantId

CHANNEL = "muniment_contracts"
"""PostgreSQL notifies here when a contract was recorded."""


@dataclass(frozen=True, slots=True)
class KnownContract:
    """A contract, the name of its artifact, and whose it is (None: the platform's)."""

    address: Address
    tenant_id: TenantId | None
    artifact: str
    deployed_block: int
    is_followed: bool


class KnownContracts(Protocol):
    """The watch list."""

    def add(self, address: Address, *, tenant_id: TenantId | None, artifact: str, deployed_block: int) -> None:
        """Watch a contract from `deployed_block` on; twice is once. Blocks that were followed already are filled in."""
        ...

    def find(self, address: Address) -> KnownContract | None:
        """Return the contract at `address`, if it is watched and may be seen."""
        ...


class PostgresKnownContracts:
    """The watch list in the caller's transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, address: Address, *, tenant_id: TenantId | None, artifact: str, deployed_block: int) -> None:
        """Watch a contract; the follower hears of it at the commit."""
        self._connection.execute(
            sa.text(
                "INSERT INTO infra.contract (address, tenant_id, artifact, deployed_block)"
                " VALUES (:address, :tenant_id, :artifact, :deployed_block) ON CONFLICT (address) DO NOTHING"
            ),
            {"address": address, "tenant_id": tenant_id, "artifact": artifact, "deployed_block": deployed_block},
        )
        self._connection.execute(sa.text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})

    def find(self, address: Address) -> KnownContract | None:
        """Return the contract at `address`, if it is watched and row security lets it be seen."""
        row = self._connection.execute(sa.text(f"{_SELECT} WHERE address = :address"), {"address": address}).one_or_none()
        return None if row is None else _contract(row)

    def all(self) -> list[KnownContract]:
        """Return all contracts that may be seen, by address."""
        return [_contract(row) for row in self._connection.execute(sa.text(f"{_SELECT} ORDER BY address"))]

    def mark_followed(self, addresses: list[Address]) -> None:
        """Note that every log of these contracts up to the cursor has been handed out."""
        if addresses:
            self._connection.execute(
                sa.text("UPDATE infra.contract SET is_followed = true WHERE address = ANY(:addresses)"), {"addresses": addresses}
            )


_SELECT = "SELECT address, tenant_id, artifact, deployed_block, is_followed FROM infra.contract"


def _contract(row: Any) -> KnownContract:
    return KnownContract(
        address=Address(row.address),
        tenant_id=None if row.tenant_id is None else TenantId(row.tenant_id),
        artifact=row.artifact,
        deployed_block=row.deployed_block,
        is_followed=row.is_followed,
    )
