# SPDX-License-Identifier: Apache-2.0
"""Money in whole minor units of one currency, and splits that lose nothing. Conversion to a payment token is in `payment_tokens`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol, TypeVar

from muniment.units.errors import MunimentError, Place

MINOR_DIGITS: Mapping[str, int] = {
    # ISO 4217 list one, the minor units of the currencies that issuers use; a new one is a line here.
    "USD": 2,
    "EUR": 2,
    "GBP": 2,
    "CHF": 2,
    "SGD": 2,
    "CAD": 2,
    "AUD": 2,
    "HKD": 2,
    "SEK": 2,
    "NOK": 2,
    "DKK": 2,
    "PLN": 2,
    "JPY": 0,
    "KRW": 0,
    "KWD": 3,
    "BHD": 3,
}

AMOUNT_CHARACTERS_MAX = 60
_AMOUNT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


class Orderable(Protocol):
    """A key that can be looked up and sorted: an id, an address, a name."""

    def __hash__(self) -> int:
        """Return the hash."""
        ...

    def __lt__(self, other: Any, /) -> bool:
        """Return whether it stands before `other`."""
        ...


KeyT = TypeVar("KeyT", bound=Orderable)


class UnknownCurrency(MunimentError):
    """The currency is not in the table."""

    code = "money.unknown_currency"
    message = "“{currency}” is not a currency that Muniment knows."
    cure = "Give an ISO 4217 code such as USD or EUR."


class NotAnAmount(MunimentError):
    """The text is no decimal amount."""

    code = "money.not_an_amount"
    message = "“{text}” is not an amount."
    cure = "Give digits with at most one point, such as 1250.00; no thousands separators, signs of currency or exponents."


class TooPrecise(MunimentError):
    """More decimals than the unit has."""

    code = "money.too_precise"
    message = "{text} has {decimals} decimals; {unit} has {decimals_max}."
    cure = "Round the amount to {decimals_max} decimals."


class CurrencyMismatch(MunimentError):
    """Two currencies in one sum."""

    code = "money.currency_mismatch"
    message = "{left} and {right} cannot be added or compared."
    cure = "Convert one of them first, at a stated rate."


class Rounding(Enum):
    """How a fraction of a unit is settled; each use in the code names one."""

    DOWN = "down"
    UP = "up"
    HALF_EVEN = "half_even"


def divide(numerator: int, denominator: int, *, rounding: Rounding) -> int:
    """Return numerator / denominator as a whole number; DOWN is towards zero and UP away from it."""
    assert denominator > 0, "a positive denominator"
    magnitude, remainder = divmod(abs(numerator), denominator)
    if rounding is Rounding.UP:
        magnitude += remainder > 0
    elif rounding is Rounding.HALF_EVEN:
        twice = 2 * remainder
        magnitude += twice > denominator or (twice == denominator and magnitude % 2 == 1)
    return magnitude if numerator >= 0 else -magnitude


def parse_decimal(text: str, *, decimals_max: int, unit: str, field: str = "amount") -> int:
    """Return the number of smallest units that a decimal text means; refuse what does not fit exactly."""
    if len(text) > AMOUNT_CHARACTERS_MAX or not _AMOUNT.fullmatch(text):
        raise NotAnAmount(text=text, place=Place(field=field))
    whole, _, fraction = text.partition(".")
    if len(fraction) > decimals_max:
        raise TooPrecise(
            text=text,
            decimals=len(fraction),
            unit=unit,
            decimals_max=decimals_max,
            place=Place(field=field),
        )
    return int(whole + fraction.ljust(decimals_max, "0"))


def format_decimal(units: int, *, decimals: int) -> str:
    """Return smallest units as a decimal text with all its decimals."""
    sign, digits = ("-" if units < 0 else ""), str(abs(units)).rjust(decimals + 1, "0")
    return f"{sign}{digits}" if decimals == 0 else f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in whole minor units (cents) of one ISO 4217 currency."""

    minor_units: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse a currency that is not in the table."""
        if self.currency not in MINOR_DIGITS:
            raise UnknownCurrency(currency=self.currency)

    @classmethod
    def parse(cls, text: str, currency: str, *, field: str = "amount") -> Money:
        """Return the money that a decimal text means; refuse one with more decimals than the currency."""
        if currency not in MINOR_DIGITS:
            raise UnknownCurrency(currency=currency, place=Place(field=field))
        return cls(
            parse_decimal(text, decimals_max=MINOR_DIGITS[currency], unit=currency, field=field),
            currency,
        )

    def __add__(self, other: Money) -> Money:
        """Add money of the same currency."""
        return Money(self.minor_units + self._same(other).minor_units, self.currency)

    def __sub__(self, other: Money) -> Money:
        """Take away money of the same currency."""
        return Money(self.minor_units - self._same(other).minor_units, self.currency)

    def __lt__(self, other: Money) -> bool:
        """Compare money of the same currency."""
        return self.minor_units < self._same(other).minor_units

    def __le__(self, other: Money) -> bool:
        """Compare money of the same currency."""
        return self.minor_units <= self._same(other).minor_units

    def share_bps(self, bps: int, *, rounding: Rounding) -> Money:
        """Return `bps` ten-thousandths of the amount."""
        return Money(divide(self.minor_units * bps, 10_000, rounding=rounding), self.currency)

    @property
    def amount(self) -> str:
        """The decimal text with all the currency's decimals: `12.30`."""
        return format_decimal(self.minor_units, decimals=MINOR_DIGITS[self.currency])

    def __str__(self) -> str:
        """Return the amount for people: `1,234.50 USD`."""
        return f"{group_thousands(self.amount)} {self.currency}"

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {"amount": self.amount, "currency": self.currency}

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise CurrencyMismatch(left=self.currency, right=other.currency)
        return other


def group_thousands(amount: str) -> str:
    """Return a decimal text with commas between its thousands."""
    whole, point, fraction = amount.partition(".")
    return f"{int(whole):,}" + point + fraction if not whole.startswith("-0") else "-0" + point + fraction


@dataclass(frozen=True, slots=True)
class Price:
    """Money for one whole share, exact to any number of decimals; `times` is the only crossing from shares to money."""

    per_share: Decimal
    currency: str

    def __post_init__(self) -> None:
        """Refuse a currency that is not in the table."""
        assert self.per_share.is_finite(), "a price is a number"
        if self.currency not in MINOR_DIGITS:
            raise UnknownCurrency(currency=self.currency)

    def times(self, shares_base_units: int, *, share_decimals: int, rounding: Rounding) -> Money:
        """Return the money for `shares_base_units`; the fraction of a minor unit goes as `rounding` says."""
        numerator, denominator = self.per_share.as_integer_ratio()
        minor = numerator * shares_base_units * 10 ** MINOR_DIGITS[self.currency]
        return Money(
            divide(minor, denominator * 10**share_decimals, rounding=rounding),
            self.currency,
        )


def split_pro_rata(total: int, weights: Mapping[KeyT, int]) -> dict[KeyT, int]:
    """Split `total` units over `weights` without losing one: floors first, the rest by largest remainder, ties by key order.

    Equal remainders go by the order of the keys themselves, not of the mapping, so a rerun from any query pays the same people.
    """
    assert total >= 0, "a pot is not negative"
    assert all(weight >= 0 for weight in weights.values()), "a weight is not negative"
    weight_sum = sum(weights.values())
    assert weight_sum > 0, "somebody must have a weight"
    parts = {key: total * weight // weight_sum for key, weight in weights.items()}
    left = total - sum(parts.values())
    by_remainder = sorted(weights, key=lambda key: (-(total * weights[key] % weight_sum), key))
    for key in by_remainder[:left]:
        parts[key] += 1
    assert sum(parts.values()) == total, "a split adds up"
    return parts
