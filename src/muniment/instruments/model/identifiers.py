# SPDX-License-Identifier: Apache-2.0
"""Public identifiers of securities and entities, checked by their check digits. Looking one up in a register is not done here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from stdnum import cusip, figi, isin, lei
from stdnum.exceptions import ValidationError
from stdnum.gb import sedol

from muniment.instruments.errors import IdentifierInvalid, NotAVin, UnknownIdentifierKind, VinCheckDigitWrong
from muniment.instruments.model.vehicles import has_right_check_digit, is_without_region, parse_vin
from muniment.units.errors import Place

# ISO 10962: category, group and four attributes; X means not applicable.
_CFI = re.compile(r"[ECDRSHIJKLTMOF][A-Z]{5}")
# ISO 18774: issuer short name / instrument description, at most 35 characters.
_FISN = re.compile(r"[A-Z0-9 ]{1,15}/[A-Z0-9 .%/-]{1,19}")
# ISO 24165: nine characters without vowels and Y.
_DTI = re.compile(r"[1-9B-DF-HJ-NP-TV-XZ][0-9B-DF-HJ-NP-TV-XZ]{8}")


class Scheme(Enum):
    """Whose numbering it is."""

    ISIN = "isin"
    CUSIP = "cusip"
    SEDOL = "sedol"
    FIGI = "figi"
    LEI = "lei"
    CFI = "cfi"
    FISN = "fisn"
    DTI = "dti"


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValidationError
        return text

    return check


_CHECKS: Mapping[Scheme, Callable[[str], str]] = {
    Scheme.ISIN: isin.validate,
    Scheme.CUSIP: cusip.validate,
    Scheme.SEDOL: sedol.validate,
    Scheme.FIGI: figi.validate,
    Scheme.LEI: lei.validate,
    Scheme.CFI: _matching(_CFI),
    Scheme.FISN: _matching(_FISN),
    Scheme.DTI: _matching(_DTI),
}


def parse_identifier(text: str, scheme: Scheme, *, field: str | None = None) -> str:
    """Return the identifier in capitals; refuse one whose form or check digit is wrong (ISO 6166, ISO 17442, CUSIP, SEDOL, FIGI rules)."""
    canonical = text.strip().upper()
    try:
        return _CHECKS[scheme](canonical)
    except ValidationError:
        raise IdentifierInvalid(text=text, scheme=scheme.name, place=Place(field=field or scheme.value)) from None


VIN = "VIN"
KINDS = (*(scheme.name for scheme in Scheme), VIN)
"""What `check_identifier` knows, as it is written."""


@dataclass(frozen=True, slots=True)
class CheckedIdentifier:
    """The verdict on one value: `valid` by form and check digit, everywhere in the world; `warnings` say what else to know."""

    kind: str
    value: str
    valid: bool
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {"kind": self.kind, "value": self.value, "valid": self.valid, "warnings": list(self.warnings)}


def kind_from(text: str) -> str:
    """Return the kind in capitals; refuse one that is not in `KINDS`."""
    kind = text.strip().upper()
    if kind not in KINDS:
        raise UnknownIdentifierKind(kind=text, kinds=", ".join(KINDS), place=Place(field="kind"))
    return kind


def check_identifier(kind: str, value: str) -> CheckedIdentifier:
    """Return the verdict on a value of a kind of `KINDS`; nothing is refused.

    A VIN is valid when its check digit holds, wherever the vehicle is from; the rule binds in North America only (49 CFR 565.15(c)),
    so elsewhere a wrong one comes with a warning that the number may be genuine.
    """
    if kind == VIN:
        return _checked_vin(value)
    try:
        parse_identifier(value, Scheme[kind])
    except IdentifierInvalid:
        return CheckedIdentifier(kind, value, valid=False)
    return CheckedIdentifier(kind, value, valid=True)


def _checked_vin(value: str) -> CheckedIdentifier:
    if is_without_region(value):
        warning = "No region's numbers begin with 0 (ISO 3780), so a vehicle with this number cannot be tokenised."
        return CheckedIdentifier(VIN, value, valid=has_right_check_digit(value), warnings=(warning,))
    try:
        vin = parse_vin(value)
    except (NotAVin, VinCheckDigitWrong) as refused:
        return CheckedIdentifier(VIN, value, valid=False, warnings=(str(refused),))
    return CheckedIdentifier(VIN, value, valid=vin.check_digit_holds, warnings=vin.warnings)
