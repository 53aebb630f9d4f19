# SPDX-License-Identifier: Apache-2.0
"""Shares as whole base units of a security, and their text at the edges. What a share is worth is not known here."""

from __future__ import annotations

from typing import NewType

from muniment.units.errors import MunimentError, Place
from muniment.units.money import format_decimal, group_thousands, parse_decimal

Shares = NewType("Shares", int)
"""Base units of a security: with `decimals` 2, 150 base units are 1.5 shares. On chain the same number is a uint256."""

SHARES_MAX = 2**104 - 1
"""What one wallet can hold, and what can be issued at most: the token keeps a balance in 104 bits."""


class SharesOutOfRange(MunimentError):
    """Not between one base unit and `SHARES_MAX`."""

    code = "shares.out_of_range"
    message = "{shares} shares cannot be moved."
    cure = "Give more than zero and at most {shares_max}."


def parse_shares(text: str, *, decimals: int, field: str = "shares") -> Shares:
    """Return the base units that a decimal text means; refuse zero, a negative, too many decimals, more than `SHARES_MAX`."""
    base_units = parse_decimal(text, decimals_max=decimals, unit="the security", field=field)
    if not 0 < base_units <= SHARES_MAX:
        raise SharesOutOfRange(
            shares=text,
            shares_max=format_decimal(SHARES_MAX, decimals=decimals),
            place=Place(field=field),
        )
    return Shares(base_units)


def format_shares(shares: int, *, decimals: int) -> str:
    """Return base units as a decimal text without trailing zeros: `1.5`, `200`."""
    text = format_decimal(shares, decimals=decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def show_shares(shares: int, *, decimals: int) -> str:
    """Return base units for people: `12,500.5`."""
    return group_thousands(format_shares(shares, decimals=decimals))
