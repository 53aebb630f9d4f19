# SPDX-License-Identifier: Apache-2.0
"""Facts that servicing records in the outbox: ids, dates and sums, never a person's data."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class DividendDeclared(msgspec.Struct, frozen=True, kw_only=True):
    """A cash dividend (CAEV DVCA, mandatory) is announced."""

    kind: ClassVar[str] = "servicing.dividend_declared"

    dividend_id: str
    security_id: str
    record_at: str
    payment_at: str
    currency: str


class DividendEntitled(msgspec.Struct, frozen=True, kw_only=True):
    """The record date has passed; who is owed what is fixed."""

    kind: ClassVar[str] = "servicing.dividend_entitled"

    dividend_id: str
    security_id: str
    block_number: int
    pot: str
    currency: str
    payments: int


class DividendPaid(msgspec.Struct, frozen=True, kw_only=True):
    """Every payment that can be made is final on the chain; `held` are visible and wait."""

    kind: ClassVar[str] = "servicing.dividend_paid"

    dividend_id: str
    security_id: str
    paid: str
    held: str
    currency: str
    payments_paid: int
    payments_held: int
