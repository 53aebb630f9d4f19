# SPDX-License-Identifier: Apache-2.0
"""Sanctions lists: reading a list's file, comparing names, and what a hit is. Where lists come from and what follows is decided above.

Names are compared as sets of words without accents, in small letters and any order. `same`: equal sets. `contained`: one set holds the
other, the smaller one at least two words, and no known date of birth speaks against it. Words are not transliterated between scripts.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from uuid import UUID

import rfc8785

from muniment.parties.errors import BadSanctionsList, FileTooLarge
from muniment.units.errors import Place
from muniment.units.ids import InvestorId, UserId

LIST_BYTES_MAX: Final = 40_000_000
LIST_ENTRIES_MAX: Final = 100_000
NAMES_PER_ENTRY_MAX: Final = 500
NAME_CHARACTERS_MAX: Final = 500
CONTAINED_WORDS_MIN: Final = 2

OWN_COLUMNS: Final = ("entry_id", "name", "aliases", "date_of_birth", "country", "programme")
OFAC_COLUMNS: Final = 12
"""The columns of the SDN.CSV of the US Treasury, which has no header: ent_num, SDN_Name, SDN_Type, Program, ..., Remarks."""
EU_ID, EU_NAME, EU_PROGRAMME = "Entity_LogicalId", "NameAlias_WholeName", "Entity_Regulation_Programme"
EU_BIRTH, EU_BIRTH_YEAR, EU_COUNTRY = "BirthDate_BirthDate", "BirthDate_Year", "Citizenship_CountryIso2Code"

_SOURCE = re.compile(r"[a-z0-9_]{1,40}")
_EMPTY_CELL: Final = "-0-"
_NO_PERSON: Final = frozenset({"vessel", "aircraft"})
_BIRTH = re.compile(r"\bDOB (?:circa )?((?:\d{1,2} )?(?:[A-Z][a-z]{2} )?\d{4})\b")
_ALIAS = re.compile(r"\b[afn]\.k\.a\. [\"'‘“]([^\"'’”;]+)[\"'’”]")  # noqa: RUF001 - the quotation marks that lists use
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LETTERS: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "\u0131": "i", "ħ": "h"})
_LEGAL_FORMS: Final = frozenset(
    (
        *("ltd", "limited", "llc", "llp", "inc", "incorporated", "corp", "corporation", "company", "co", "plc"),
        *("gmbh", "ag", "kg", "sa", "sarl", "sas", "spa", "srl", "nv", "bv", "oy", "oao", "ooo", "pao", "zao", "jsc", "pjsc"),
    )
)


class Strength(Enum):
    """How alike two names are."""

    SAME = "same"
    CONTAINED = "contained"


@dataclass(frozen=True, slots=True)
class ListEntry:
    """Somebody on a list, under the list's own number. Birth dates are `YYYY-MM-DD`, `YYYY-MM` or `YYYY`."""

    reference: str
    names: tuple[str, ...]
    birth_dates: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    programme: str = ""

    @property
    def sha256(self) -> bytes:
        """The digest of what was compared: a false positive is remembered for exactly this."""
        record = {"names": sorted(self.names), "birth_dates": sorted(self.birth_dates)}
        return hashlib.sha256(rfc8785.dumps(record)).digest()


@dataclass(frozen=True, slots=True)
class ListedName:
    """One name of an entry of a current list, as it is compared."""

    source: str
    reference: str
    name: str
    words: frozenset[str]
    birth_dates: tuple[str, ...]
    programme: str
    entry_sha256: bytes


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that an investor may be; the strongest of its names."""

    listed: ListedName
    strength: Strength


@dataclass(frozen=True, slots=True)
class SanctionsHit:
    """An investor may be on a list. `open` until an officer clears it with a reason; `withdrawn` when the list or the name changed."""

    hit_id: UUID
    investor_id: InvestorId
    source: str
    reference: str
    entry_sha256: bytes
    listed_name: str
    programme: str
    strength: Strength
    state: str
    found_at: dt.datetime
    decided_by: UserId | None = None
    decided_at: dt.datetime | None = None
    reason: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SanctionsList:
    """One import of a list."""

    list_id: UUID
    source: str
    file_sha256: bytes
    entry_count: int
    imported_by: UserId
    imported_at: dt.datetime
    is_current: bool = True
    screened_at: dt.datetime | None = None


def check_source(text: str) -> str:
    """Return the short name of a list, or refuse."""
    if not _SOURCE.fullmatch(text):
        expected = "1 to 40 small letters, digits or underscores"
        raise BadSanctionsList(why="its name cannot be used", expected=expected, place=Place(field="source"))
    return text


def words_of(name: str) -> frozenset[str]:
    """Return the words by which a name is compared; a company's legal form is left out where another word is left."""
    plain = unicodedata.normalize("NFKD", name.casefold()).translate(_LETTERS)
    letters = "".join(character for character in plain if not unicodedata.combining(character) and character not in "'’`´.")  # noqa: RUF001 - apostrophes as people type them
    words = frozenset("".join(character if character.isalnum() else " " for character in letters).split())
    return words - _LEGAL_FORMS or words


def compare(left: frozenset[str], right: frozenset[str]) -> Strength | None:
    """Return how alike two sets of words are, None where they are not."""
    if not left or not right:
        return None
    if left == right:
        return Strength.SAME
    smaller, larger = sorted((left, right), key=len)
    return Strength.CONTAINED if len(smaller) >= CONTAINED_WORDS_MIN and smaller < larger else None


def matches(name: str, born: dt.date | None, listed: Sequence[ListedName]) -> list[Match]:
    """Return the entries that somebody of that name may be, the strongest name of each; ordered by list and number.

    A date of birth rules out only a name that is merely contained: an equal name is always a hit, for a person to look at.
    """
    words = words_of(name)
    found: dict[tuple[str, str], Match] = {}
    for candidate in listed:
        strength = compare(words, candidate.words)
        if strength is None or (strength is Strength.CONTAINED and _contradicts(born, candidate.birth_dates)):
            continue
        key = (candidate.source, candidate.reference)
        if key not in found or (strength is Strength.SAME and found[key].strength is Strength.CONTAINED):
            found[key] = Match(candidate, strength)
    return [found[key] for key in sorted(found)]


def read_list(raw: bytes, *, file_name: str) -> list[ListEntry]:
    """Return the entries of a list's file, whose shape is seen from its first line.

    Ours: CSV with the header `entry_id,name,aliases,date_of_birth,country,programme`, several values in a cell apart by `;`. SDN.CSV of
    the US Treasury (OFAC): no header, twelve columns, `-0-` for nothing; ships and aircraft are left out. The consolidated list of the
    European Union as CSV: semicolons and its own header, one line a name.

    Raises:
        FileTooLarge: more than 40 MB.
        BadSanctionsList: no such shape, no entry, or too many; the place names the line.

    """
    if len(raw) > LIST_BYTES_MAX:
        raise FileTooLarge(bytes_max=LIST_BYTES_MAX, place=Place(file=file_name))
    text = _decoded(raw)
    first = text.partition("\n")[0].strip()
    try:
        if EU_NAME in first and ";" in first:
            entries = _read_european(text)
        elif first.lower().replace(" ", "").startswith("entry_id,"):
            entries = _read_own(text, file_name)
        else:
            entries = _read_ofac(text, file_name)
    except csv.Error as error:
        raise BadSanctionsList(why=f"it is no CSV ({error})", expected="one of the three shapes", place=Place(file=file_name)) from None
    if not 0 < len(entries) <= LIST_ENTRIES_MAX:
        raise BadSanctionsList(
            why=f"it has {len(entries)} entries", expected=f"1 to {LIST_ENTRIES_MAX} entries", place=Place(file=file_name)
        )
    return entries


def _decoded(raw: bytes) -> str:
    plain = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        return plain.decode("latin-1")


def _read_own(text: str, file_name: str) -> list[ListEntry]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    columns = [column.strip() for column in rows.fieldnames or ()]
    if not {"entry_id", "name"} <= set(columns) <= set(OWN_COLUMNS):
        raise BadSanctionsList(why="its header is another", expected=", ".join(OWN_COLUMNS), place=Place(file=file_name, line=1))
    rows.fieldnames = columns
    merged = _Entries()
    for row in rows:
        place = Place(file=file_name, line=rows.line_num)
        if None in row or None in row.values():
            raise BadSanctionsList(why="a line has another number of cells", expected=f"{len(columns)} cells", place=place)
        births = _parts(row.get("date_of_birth", ""))
        if not all(re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", born) for born in births):
            raise BadSanctionsList(why="a date of birth cannot be read", expected="YYYY-MM-DD, YYYY-MM or YYYY", place=place)
        merged.add(
            row["entry_id"],
            [row["name"], *_parts(row.get("aliases", ""))],
            births=births,
            countries=_parts(row.get("country", "")),
            programme=row.get("programme", ""),
            place=place,
        )
    return merged.entries()


def _read_ofac(text: str, file_name: str) -> list[ListEntry]:
    merged = _Entries()
    # The file ends with a single end-of-file character of MS-DOS.
    rows = csv.reader(io.StringIO(text.rstrip("\x1a\r\n "), newline=""), skipinitialspace=True)
    for cells in rows:
        place = Place(file=file_name, line=rows.line_num)
        if len(cells) != OFAC_COLUMNS or not cells[0].strip().isdigit():
            raise BadSanctionsList(
                why=f"a line has {len(cells)} cells",
                expected="our header, the 12 columns of SDN.CSV, or the European Union's header",
                place=place,
            )
        number, name, kind, programme, *_, remarks = ("" if cell.strip() == _EMPTY_CELL else cell.strip() for cell in cells)
        if kind.lower() in _NO_PERSON:
            continue
        births = [born for text_of in _BIRTH.findall(remarks) if (born := _english_date(text_of))]
        merged.add(number, [name, *_ALIAS.findall(remarks)], births=births, countries=(), programme=programme, place=place)
    return merged.entries()


def _read_european(text: str) -> list[ListEntry]:
    merged = _Entries()
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=";")
    for row in rows:
        reference = (row.get(EU_ID) or "").strip()
        if not reference:
            continue
        born = (row.get(EU_BIRTH) or row.get(EU_BIRTH_YEAR) or "").strip()
        country = (row.get(EU_COUNTRY) or "").strip()
        merged.add(
            reference,
            [row.get(EU_NAME) or ""],
            births=[born] if re.fullmatch(r"\d{4}(-\d{2}-\d{2})?", born) else [],
            countries=[country] if country else [],
            programme=row.get(EU_PROGRAMME) or "",
            place=Place(line=rows.line_num),
        )
    return merged.entries()


class _Entries:
    """Gathers the lines of one entry, which some lists spread over several."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}
        self._births: dict[str, dict[str, None]] = {}
        self._countries: dict[str, dict[str, None]] = {}
        self._programmes: dict[str, str] = {}

    def add(
        self, reference: str, names: Sequence[str], *, births: Sequence[str], countries: Sequence[str], programme: str, place: Place
    ) -> None:
        """Take one line in; a name without a letter or digit is left out."""
        key = reference.strip()
        if not 0 < len(key) <= 100 or "\0" in key:
            raise BadSanctionsList(why="an entry has no usable number", expected="1 to 100 characters", place=place)
        kept = self._names.setdefault(key, {})
        for name in names:
            shown = " ".join(name.replace("\0", "").split())[:NAME_CHARACTERS_MAX]
            if words_of(shown) and len(kept) < NAMES_PER_ENTRY_MAX:
                kept[shown] = None
        self._births.setdefault(key, {}).update(dict.fromkeys(births))
        self._countries.setdefault(key, {}).update(dict.fromkeys(countries))
        self._programmes.setdefault(key, " ".join(programme.split())[:NAME_CHARACTERS_MAX])

    def entries(self) -> list[ListEntry]:
        """Return the entries that have a name, in the order of the file."""
        return [
            ListEntry(key, tuple(names), tuple(self._births[key]), tuple(self._countries[key]), self._programmes[key])
            for key, names in self._names.items()
            if names
        ]


def _parts(cell: str) -> list[str]:
    return [part for part in (piece.strip() for piece in cell.split(";")) if part]


def _english_date(text: str) -> str | None:
    """Return `12 Mar 1960` as 1960-03-12, `Mar 1960` as 1960-03, `1960` as it is; None where the month is no month."""
    *before, year = text.split()
    if not before:
        return year
    month = before[-1].lower()
    if month not in _MONTHS:
        return None
    found = f"{year}-{_MONTHS.index(month) + 1:02d}"
    return f"{found}-{int(before[0]):02d}" if len(before) > 1 else found


def _contradicts(born: dt.date | None, listed: Sequence[str]) -> bool:
    """Return whether a date of birth is known on both sides and none of the list's begins like ours."""
    return born is not None and bool(listed) and not any(born.isoformat().startswith(known) for known in listed)
