# SPDX-License-Identifier: Apache-2.0
"""One reconciliation over every organisation: the parts that settlement and servicing can see, put together. Mends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from muniment.access.store import ORGANISATION
from muniment.app.wiring import Units
from muniment.servicing import process as servicing_process
from muniment.settlement import process as settlement_process
from muniment.settlement.model import Difference
from muniment.units.ids import TenantId


@dataclass(frozen=True, slots=True)
class TenantDifference:
    """A difference and whose books it is in."""

    tenant_id: TenantId
    difference: Difference

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {"tenant_id": str(self.tenant_id), **self.difference.as_json()}


def tenants(units: Units) -> Sequence[TenantId]:
    """Return every organisation, oldest first."""
    with units.begin_platform() as unit:
        return [TenantId(each) for each in unit.connection.scalars(sa.select(ORGANISATION.c.tenant_id).order_by(ORGANISATION.c.tenant_id))]


def reconcile(units: Units) -> list[TenantDifference]:
    """Return every difference between the books of all organisations and the chain; empty when they agree."""
    return [
        TenantDifference(tenant_id, difference)
        for tenant_id in tenants(units)
        for difference in (
            *settlement_process.reconcile(begin=units.of(tenant_id)),
            *servicing_process.reconcile(begin=units.of(tenant_id)),
        )
    ]
