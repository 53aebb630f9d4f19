# SPDX-License-Identifier: Apache-2.0
"""Vehicle identification numbers: their form, check digit, region and model year. What a vehicle's record says lives in `assets`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from muniment.instruments.errors import NotAVin, VinCheckDigitWrong
from muniment.units.errors import Place

VIN_CHARACTERS = 17
CHECK_DIGIT_POSITION = 9
"""Counted from 1, as the standard does."""

# 49 CFR 565.15(c), table III: the values of letters; I, O and Q do not occur (ISO 3779).
VALUES: Mapping[str, int] = {
    **{str(digit): digit for digit in range(10)},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
# 49 CFR 565.15(c), table IV; the check digit's own place weighs nothing.
WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)

# 49 CFR 565.15(d), table VII: thirty codes that come round again; U, Z and 0 are not used.
YEAR_CODES = "ABCDEFGHJKLMNPRSTVWXY123456789"
FIRST_CYCLE_YEAR = 1980
SECOND_CYCLE_YEAR = 2010

# ISO 3780, the first character of the world manufacturer identifier.
REGIONS: tuple[tuple[str, str], ...] = (
    ("12345", "North America"),
    ("67", "Oceania"),
    ("89", "South America"),
    ("ABCDEFGH", "Africa"),
    ("JKLMNPR", "Asia"),
    ("STUVWXYZ", "Europe"),
)


@dataclass(frozen=True, slots=True)
class Vin:
    """A well-formed vehicle identification number and what can be read from it."""

    text: str
    region: str
    check_digit_holds: bool
    model_year: int | None
    """Known for North America only: elsewhere the tenth character may mean something else."""

    @property
    def manufacturer(self) -> str:
        """The world manufacturer identifier: the first three characters."""
        return self.text[:3]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should look at, though nothing is refused."""
        if self.check_digit_holds:
            return ()
        warning = (
            f"The check digit of {self.text} does not hold. The digit is a North American rule, so the number of a vehicle from"
            f" {self.region} may be genuine; compare it with the vehicle."
        )
        return (warning,)


def parse_vin(text: str, *, field: str = "vin") -> Vin:
    """Return the number that `text` spells (ISO 3779); blanks around it and lower case are forgiven, nothing else.

    Raises:
        NotAVin: not 17 characters, or a character that no VIN has.
        VinCheckDigitWrong: a North American number (first character 1 to 5) whose check digit fails (49 CFR 565.15(c)).
            Elsewhere a failing check digit is a warning on the result: the rule does not bind there.

    """
    vin = text.strip().upper()
    if len(vin) != VIN_CHARACTERS:
        raise NotAVin(text=text, problem=f"it has {len(vin)} characters instead of {VIN_CHARACTERS}", place=Place(field=field))
    for position, character in enumerate(vin, start=1):
        if character not in VALUES:
            raise NotAVin(text=text, problem=f"“{character}” at position {position} is no character of a VIN", place=Place(field=field))
    region = next((name for characters, name in REGIONS if vin[0] in characters), None)
    if region is None:
        raise NotAVin(text=text, problem=f"no region's numbers begin with “{vin[0]}”", place=Place(field=field))
    holds = check_digit_of(vin) == vin[CHECK_DIGIT_POSITION - 1]
    if not holds and region == "North America":
        raise VinCheckDigitWrong(vin=vin, found=vin[CHECK_DIGIT_POSITION - 1], expected=check_digit_of(vin), place=Place(field=field))
    return Vin(vin, region, holds, model_year_of(vin) if region == "North America" else None)


def is_without_region(text: str) -> bool:
    """Return whether a text has the form of a number that no region gives out: it begins with 0."""
    vin = text.strip().upper()
    return len(vin) == VIN_CHARACTERS and vin[0] == "0" and all(character in VALUES for character in vin)


def has_right_check_digit(text: str) -> bool:
    """Return whether the ninth character of a well-formed number fits the other sixteen."""
    vin = text.strip().upper()
    return check_digit_of(vin) == vin[CHECK_DIGIT_POSITION - 1]


def check_digit_of(vin: str) -> str:
    """Return the ninth character that the other sixteen call for: the weighted sum modulo 11, ten written X."""
    remainder = sum(VALUES[character] * weight for character, weight in zip(vin, WEIGHTS, strict=True)) % 11
    return "X" if remainder == 10 else str(remainder)


def model_year_of(vin: str) -> int | None:
    """Return the model year of a North American passenger car or light truck; None where the tenth character is no year code.

    The seventh character tells the cycle: a digit for 1980 to 2009, a letter from 2010 on (49 CFR 565.15(d)(1)).
    """
    code = vin[9]
    if code not in YEAR_CODES:
        return None
    cycle_year = FIRST_CYCLE_YEAR if vin[6].isdigit() else SECOND_CYCLE_YEAR
    return cycle_year + YEAR_CODES.index(code)
