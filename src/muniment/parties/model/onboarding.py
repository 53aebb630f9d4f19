# SPDX-License-Identifier: Apache-2.0
"""Reading investors from untrusted text: fields to a draft, a CSV header and its rows, with the place of each defect. Stores nothing."""

from __future__ import annotations

import csv
import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from muniment.access.errors import BadEmail as AccessBadEmail
from muniment.access.model import normal_email
from muniment.parties.errors import (
    BadDate,
    BadEmail,
    BadName,
    BadRow,
    BadValue,
    DuplicateColumn,
    DuplicateReference,
    DuplicateWallet,
    FileTooLarge,
    FormulaInCell,
    MissingColumn,
    NotUtf8,
    TooManyRows,
    UnknownColumn,
)
from muniment.parties.model.countries import parse_country
from muniment.parties.model.investors import Investor, InvestorKind, PersonalData
from muniment.parties.model.wallets import parse_address
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address, InvestorId
from muniment.units.instants import NotADate, parse_date

ParsedT = TypeVar("ParsedT")

FILE_BYTES_MAX: Final = 5_000_000
FILE_ROWS_MAX: Final = 10_000
NAME_CHARACTERS_MAX: Final = 200
CELL_CHARACTERS_MAX: Final = 200
CHUNK_BYTES: Final = 65_536

REQUIRED_COLUMNS: Final = ("external_reference", "name", "email", "country")
COLUMNS: Final = (
    "external_reference",
    "kind",
    "name",
    "email",
    "country",
    "date_of_birth",
    "tax_id",
    "document_number",
    "document_expires",
    "accredited",
    "wallet_address",
    "note",
)

_FORMULA_STARTS: Final = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001 - spreadsheets of some locales read the full-width signs too
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
_DOCUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./-]{0,39}")
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UNSHOWABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_EARLIEST_BIRTH: Final = dt.date(1900, 1, 1)
_LATEST_DAY: Final = dt.date(2200, 1, 1)


class ByteSource(Protocol):
    """Something to read bytes from: a file opened for reading, an upload."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class InvestorDraft:
    """A valid investor, not yet stored; without a wallet address the wallet will be a managed one."""

    external_reference: str
    kind: InvestorKind
    country: str
    person: PersonalData
    wallet_address: Address | None


@dataclass(frozen=True, slots=True)
class ValidRow:
    """A line that is a valid investor."""

    line: int
    draft: InvestorDraft


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A line that is none, with every reason; each reason carries file, line and field."""

    line: int
    reasons: tuple[MunimentError, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {"line": self.line, "reasons": [reason.as_json() for reason in self.reasons]}


Row: TypeAlias = ValidRow | RefusedRow


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A line whose investor exists: newly made, or already there with the same data."""

    line: int
    external_reference: str
    investor_id: InvestorId

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {"line": self.line, "external_reference": self.external_reference, "investor_id": str(self.investor_id)}


@dataclass(frozen=True, slots=True)
class OnboardingReport:
    """What became of each row of a file: every row stands in exactly one of the three lists."""

    accepted: tuple[StoredRow, ...]
    refused: tuple[RefusedRow, ...]
    unchanged: tuple[StoredRow, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {
            "accepted": [row.as_json() for row in self.accepted],
            "refused": [row.as_json() for row in self.refused],
            "unchanged": [row.as_json() for row in self.unchanged],
        }


def read_rows(file: ByteSource, *, file_name: str, today: dt.date) -> Iterator[Row]:
    """Give each row of a CSV file as a valid investor or with its refusals, reading only as far as asked.

    RFC 4180 with two narrowings: the text is UTF-8 (a byte order mark is tolerated) and a record is one line, so that an unclosed quote
    spoils its own line and none after it. A file that cannot be read as a whole (size, header) raises at once; its rows are not used.
    """
    lines = _lines(file, file_name)
    columns: tuple[str, ...] | None = None
    rows = 0
    for line, raw in lines:
        if not raw.strip():
            continue
        if columns is None:
            columns = _header(raw, Place(file=file_name, line=line))
            continue
        rows += 1
        if rows > FILE_ROWS_MAX:
            raise TooManyRows(rows_max=FILE_ROWS_MAX, place=Place(file=file_name, line=line))
        yield _row(raw, columns, Place(file=file_name, line=line), today=today)
    if columns is None:
        raise MissingColumn(column=REQUIRED_COLUMNS[0], columns=", ".join(REQUIRED_COLUMNS), place=Place(file=file_name, line=1))


def refuse_repeats(rows: Iterable[Row], *, file_name: str) -> Iterator[Row]:
    """Give the rows, refusing a valid one whose reference or wallet an earlier valid row of the same file has taken."""
    references: dict[str, int] = {}
    wallets: dict[Address, int] = {}
    for row in rows:
        if isinstance(row, RefusedRow):
            yield row
            continue
        reasons: list[MunimentError] = []
        reference, wallet = row.draft.external_reference, row.draft.wallet_address
        if reference in references:
            place = Place(file=file_name, line=row.line, field="external_reference")
            reasons.append(DuplicateReference(external_reference=reference, first_line=references[reference], place=place))
        if wallet is not None and wallet in wallets:
            place = Place(file=file_name, line=row.line, field="wallet_address")
            reasons.append(DuplicateWallet(address=wallet, by=f" on line {wallets[wallet]}", place=place))
        if reasons:
            yield RefusedRow(line=row.line, reasons=tuple(reasons))
            continue
        references[reference] = row.line
        if wallet is not None:
            wallets[wallet] = row.line
        yield row


def parse_draft(fields: Mapping[str, str], *, today: dt.date, place: Place | None = None) -> InvestorDraft | tuple[MunimentError, ...]:
    """Return the investor that named texts describe, or everything that is wrong with them. An absent field is an empty one."""
    reader = _FieldReader(fields, place or Place())
    reference = reader.read("external_reference", _reference)
    kind = reader.read("kind", _kind)
    name = reader.read("name", _name)
    email = reader.read("email", _email)
    country = reader.read("country", _country)
    born = reader.read("date_of_birth", lambda text: _date(text, "date_of_birth", earliest=_EARLIEST_BIRTH, latest=today))
    tax_id = reader.read("tax_id", lambda text: _document(text, "tax_id"))
    number = reader.read("document_number", lambda text: _document(text, "document_number"))
    expires = reader.read("document_expires", lambda text: _date(text, "document_expires", earliest=_EARLIEST_BIRTH, latest=_LATEST_DAY))
    accredited = reader.read("accredited", _yes_or_no)
    wallet = reader.read("wallet_address", lambda text: parse_address(text, field="wallet_address") if text else None)
    note = reader.read("note", lambda text: text or None)
    if reader.refusals:
        return tuple(reader.refusals)
    assert reference is not None, "an unread field is a refusal"
    assert kind is not None, "an unread field is a refusal"
    assert name is not None, "an unread field is a refusal"
    assert email is not None, "an unread field is a refusal"
    assert country is not None, "an unread field is a refusal"
    person = PersonalData(
        name=name,
        email=email,
        date_of_birth=born,
        tax_id=tax_id,
        document_number=number,
        document_expires=expires,
        is_accredited=bool(accredited),
        note=note,
    )
    return InvestorDraft(external_reference=reference, kind=kind, country=country, person=person, wallet_address=wallet)


def as_record(draft: InvestorDraft) -> dict[str, Any]:
    """Return everything in a draft as JSON values, to tell whether a second import says the same."""
    person = draft.person
    return {
        "kind": draft.kind.value,
        "country": draft.country,
        "name": person.name,
        "email": person.email,
        "date_of_birth": None if person.date_of_birth is None else person.date_of_birth.isoformat(),
        "tax_id": person.tax_id,
        "document_number": person.document_number,
        "document_expires": None if person.document_expires is None else person.document_expires.isoformat(),
        "accredited": person.is_accredited,
        "wallet_address": draft.wallet_address,
        "note": person.note,
    }


def fields_of(investor: Investor, person: PersonalData, *, wallet_address: Address | None) -> dict[str, str]:
    """Return an investor as the texts from which `parse_draft` makes the same one; what changes is laid over them."""
    return {
        "external_reference": investor.external_reference,
        "kind": investor.kind.value,
        "name": person.name,
        "email": person.email,
        "country": investor.country,
        "date_of_birth": "" if person.date_of_birth is None else person.date_of_birth.isoformat(),
        "tax_id": person.tax_id or "",
        "document_number": person.document_number or "",
        "document_expires": "" if person.document_expires is None else person.document_expires.isoformat(),
        "accredited": "yes" if person.is_accredited else "no",
        "wallet_address": wallet_address or "",
        "note": person.note or "",
    }


def csv_line(cells: Sequence[str]) -> str:
    """Return one CSV line that no spreadsheet runs: a cell that starts like a formula gets an apostrophe before it; quotes doubled."""
    line = ",".join(_quoted("'" + cell if cell[:1] in _FORMULA_STARTS and cell else cell) for cell in cells)
    # One empty cell must not read back as no row at all.
    return (line or '""') + "\r\n"


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(character in cell for character in '",\r\n') else cell


class _FieldReader:
    """Reads one field after the other and gathers what is wrong, so that a person mends a row once."""

    def __init__(self, fields: Mapping[str, str], place: Place) -> None:
        self._fields = fields
        self._place = place
        self.refusals: list[MunimentError] = []

    def read(self, field: str, parse: Callable[[str], ParsedT]) -> ParsedT | None:
        """Return the parsed field, or None after noting the refusal with its place."""
        try:
            return parse(_clean_cell(self._fields.get(field, ""), field))
        except MunimentError as refusal:
            refusal.place = replace(self._place, field=field)
            self.refusals.append(refusal)
            return None


def _clean_cell(raw: str, field: str) -> str:
    if raw[:1] in _FORMULA_STARTS and raw:
        raise FormulaInCell(value=raw)
    text = unicodedata.normalize("NFC", raw.strip())
    if text and text[0] in _FORMULA_STARTS:
        raise FormulaInCell(value=text)
    if any("\udc80" <= character <= "\udcff" for character in text):
        raise NotUtf8
    if field != "name":
        if len(text) > CELL_CHARACTERS_MAX and field != "email":
            raise BadValue(value=text, why=f"it has {len(text)} characters", expected=f"at most {CELL_CHARACTERS_MAX} characters")
        if any(unicodedata.category(character) in _UNSHOWABLE for character in text):
            raise BadValue(value=ascii(text), why="it has characters that cannot be shown", expected="printable characters")
    return text


def _name(text: str) -> str:
    why = None
    if not text:
        why = "it is empty"
    elif len(text) > NAME_CHARACTERS_MAX:
        why = f"it has {len(text)} characters"
    elif any(unicodedata.category(character) in _UNSHOWABLE for character in text):
        why = "it has characters that cannot be shown"
    if why is not None:
        raise BadName(why=why, characters_max=NAME_CHARACTERS_MAX)
    return text


def _reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        expected = "1 to 64 letters, digits, dots, dashes, slashes or underscores, the first a letter or digit"
        raise BadValue(value=text, why="it is no reference", expected=expected)
    return text


def _kind(text: str) -> InvestorKind:
    if text not in {"", *(kind.value for kind in InvestorKind)}:
        raise BadValue(value=text, why="it is no kind of investor", expected="person, entity, trust or plan; empty means person")
    return InvestorKind(text or "person")


def _email(text: str) -> str:
    try:
        return normal_email(text)
    except AccessBadEmail:
        raise BadEmail(email=text) from None


def _country(text: str) -> str:
    return parse_country(text)


def _date(text: str, field: str, *, earliest: dt.date, latest: dt.date) -> dt.date | None:
    if not text:
        return None
    try:
        date = parse_date(text, field=field)
    except NotADate:
        raise BadDate(date=text, why="it is no date") from None
    if not earliest <= date <= latest:
        raise BadDate(date=text, why=f"it is not between {earliest} and {latest}")
    return date


def _document(text: str, field: str) -> str | None:
    if not text:
        return None
    if not _DOCUMENT.fullmatch(text):
        raise BadValue(
            value=text, why=f"it is no {field.replace('_', ' ')}", expected="1 to 40 letters, digits, blanks, dots, dashes or slashes"
        )
    return text


def _yes_or_no(text: str) -> bool:
    if text not in {"", "yes", "no"}:
        raise BadValue(value=text, why="it is neither yes nor no", expected="yes or no; empty means no")
    return text == "yes"


def _lines(file: ByteSource, file_name: str) -> Iterator[tuple[int, bytes]]:
    """Give the file's lines without their ends, numbered from 1, a chunk at a time."""
    read, number, rest = 0, 0, b""
    while chunk := file.read(CHUNK_BYTES):
        read += len(chunk)
        if read > FILE_BYTES_MAX:
            raise FileTooLarge(bytes_max=FILE_BYTES_MAX, place=Place(file=file_name))
        *whole, rest = (rest + chunk).split(b"\n")
        for raw in whole:
            number += 1
            yield number, _unmarked(raw, number)
    if rest:
        yield number + 1, _unmarked(rest, number + 1)


def _unmarked(raw: bytes, number: int) -> bytes:
    line = raw.removesuffix(b"\r")
    return line.removeprefix(_UTF8_MARK) if number == 1 else line


def _cells(raw: bytes) -> list[str]:
    # A byte that is no UTF-8 becomes a lone surrogate, which spoils its own cell and no other.
    return next(csv.reader([raw.decode("utf-8", "surrogateescape")], strict=True))


def _header(raw: bytes, place: Place) -> tuple[str, ...]:
    try:
        columns = tuple(cell.strip() for cell in _cells(raw))
    except csv.Error:
        columns = (raw.decode("utf-8", "replace"),)
    for position, column in enumerate(columns):
        if column not in COLUMNS:
            shown = column.encode("utf-8", "replace").decode("utf-8")
            raise UnknownColumn(column=shown, columns=", ".join(COLUMNS), place=replace(place, field=shown))
        if column in columns[:position]:
            raise DuplicateColumn(column=column, place=replace(place, field=column))
    for column in REQUIRED_COLUMNS:
        if column not in columns:
            raise MissingColumn(column=column, columns=", ".join(REQUIRED_COLUMNS), place=replace(place, field=column))
    return columns


def _row(raw: bytes, columns: tuple[str, ...], place: Place, *, today: dt.date) -> Row:
    assert place.line is not None, "a row has a line"
    why = None
    cells: list[str] = []
    try:
        cells = _cells(raw)
    except csv.Error as error:
        why = f"it is no CSV ({error})"
    if why is None and len(cells) != len(columns):
        why = f"it has {len(cells)} cells"
    if why is not None:
        return RefusedRow(line=place.line, reasons=(BadRow(why=why, columns=len(columns), place=place),))
    draft = parse_draft(dict(zip(columns, cells, strict=True)), today=today, place=place)
    if isinstance(draft, InvestorDraft):
        return ValidRow(line=place.line, draft=draft)
    return RefusedRow(line=place.line, reasons=draft)
