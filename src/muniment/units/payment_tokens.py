# SPDX-License-Identifier: Apache-2.0
"""Money as a payment token holds it: exact in both directions or refused."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.units.errors import MunimentError
from muniment.units.ids import Address
from muniment.units.money import MINOR_DIGITS, CurrencyMismatch, Money, UnknownCurrency


class NotConvertible(MunimentError):
    """The token cannot carry the amount exactly, or the amount is no whole number of minor units."""

    code = "money.not_convertible"
    message = "{units} units of a payment token with {decimals} decimals are no whole number of minor units of {currency}."
    cure = "Use a payment token with at least as many decimals as the currency, or a rounder amount."


@dataclass(frozen=True, slots=True)
class PaymentToken:
    """An ERC-20 that stands for a currency: `decimals` as the contract says."""

    chain_id: int
    address: Address
    currency: str
    decimals: int
    symbol: str

    def __post_init__(self) -> None:
        """Refuse a currency that is not in the table."""
        if self.currency not in MINOR_DIGITS:
            raise UnknownCurrency(currency=self.currency)

    def units_of(self, money: Money) -> int:
        """Return the token units that are exactly `money`."""
        if money.currency != self.currency:
            raise CurrencyMismatch(left=money.currency, right=self.currency)
        scale = self.decimals - MINOR_DIGITS[self.currency]
        if scale >= 0:
            return money.minor_units * 10**scale
        units, rest = divmod(money.minor_units, 10**-scale)
        if rest:
            raise NotConvertible(units=money.minor_units, decimals=self.decimals, currency=self.currency)
        return units

    def money_of(self, units: int) -> Money:
        """Return the money that `units` of the token are; refuse a fraction of a minor unit."""
        scale = self.decimals - MINOR_DIGITS[self.currency]
        if scale < 0:
            return Money(units * 10**-scale, self.currency)
        minor_units, rest = divmod(units, 10**scale)
        if rest:
            raise NotConvertible(units=units, decimals=self.decimals, currency=self.currency)
        return Money(minor_units, self.currency)
