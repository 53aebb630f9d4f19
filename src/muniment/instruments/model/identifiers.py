# SPDX-License-Identifier: Apache-2.0
"""Public identifiers of securities and entities, checked by their check digits. Looking one up in a register is not done here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum

from stdnum import cusip, figi, isin, lei
from stdnum.exceptions import ValidationError
from stdnum.gb import sedol

from muniment.instruments.errors import IdentifierInvalid
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
