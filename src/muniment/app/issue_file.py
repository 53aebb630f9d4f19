# SPDX-License-Identifier: Apache-2.0
"""A CSV file of an issue: who gets how many shares on which terms, one receiver a line. Who the references are is not known here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from muniment.app.files import read_file
from muniment.settlement.commands import ALLOTMENTS_MAX
from muniment.settlement.model import SaleTerms
from muniment.units.errors import MunimentError, Place
from muniment.units.money import Money
from muniment.units.shares import parse_shares

FILE_BYTES_MAX = 5_000_000
NEEDED = ("external_reference", "shares")
COLUMNS = (*NEEDED, "exemption", "paid", "currency", "buyer_category")


class BadIssueFile(MunimentError):
    """A file of an issue that cannot be read as one."""

    code = "app.bad_issue_file"
    message = "The file cannot be read: {why}."
    cure = "Write CSV in UTF-8 with a first line of column names: external_reference, shares, and what is known of the others."


@dataclass(frozen=True, slots=True)
class IssueLine:
    """One receiver, known by reference; `line` is where it stands in the file, counted from 1."""

    line: int
    reference: str
    shares: int
    sale: SaleTerms


def read_issue(file: Path, *, decimals: int, currency: str) -> list[IssueLine]:
    """Return the receivers of a file; amounts on a line without a currency are in `currency`.

    Raises:
        BadIssueFile: it is no CSV, has other columns, names a receiver twice, or more than `ALLOTMENTS_MAX`.
        MunimentError: a number of shares or an amount that is none; like the others with the line and the field.

    """
    content = read_file(file, bytes_max=FILE_BYTES_MAX)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadIssueFile(why="it is not UTF-8", place=Place(file=str(file), line=line)) from None
    found: list[IssueLine] = []
    first_lines: dict[str, int] = {}
    for line, cells in _rows(text, file):
        place = Place(file=str(file), line=line)
        read = _line(line, cells, decimals=decimals, currency=currency, place=place)
        if read.reference in first_lines:
            why = f"line {first_lines[read.reference]} names the same receiver"
            raise BadIssueFile(why=why, place=Place(file=str(file), line=line, field="external_reference"))
        first_lines[read.reference] = line
        found.append(read)
        if len(found) > ALLOTMENTS_MAX:
            raise BadIssueFile(why=f"it has more than {ALLOTMENTS_MAX:,} receivers", place=place)
    return found


def _rows(text: str, file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: list[str] | None = None
    try:
        for cells in reader:
            place = Place(file=str(file), line=reader.line_num)
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns([cell.strip() for cell in cells], place)
            elif len(cells) != len(columns):
                raise BadIssueFile(why=f"the line has {len(cells)} cells, not {len(columns)}", place=place)
            else:
                yield reader.line_num, dict(zip(columns, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        raise BadIssueFile(why=f"it is no CSV ({error})", place=Place(file=str(file), line=reader.line_num)) from None
    if columns is None:
        raise BadIssueFile(why="it is empty", place=Place(file=str(file), line=1))


def _columns(columns: list[str], place: Place) -> list[str]:
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown:
        raise BadIssueFile(why=f"“{unknown[0][:40]}” is none of the columns {', '.join(COLUMNS)}", place=place)
    missing = [column for column in NEEDED if column not in columns]
    if missing or len(set(columns)) < len(columns):
        raise BadIssueFile(why=f"the column {missing[0]} is missing" if missing else "a column stands twice", place=place)
    return columns


def _line(line: int, cells: dict[str, str], *, decimals: int, currency: str, place: Place) -> IssueLine:
    paid = cells.get("paid", "")
    try:
        return IssueLine(
            line,
            cells["external_reference"],
            parse_shares(cells["shares"], decimals=decimals),
            SaleTerms(
                exemption=cells.get("exemption") or None,
                paid=Money.parse(paid, cells.get("currency") or currency, field="paid") if paid else None,
                buyer_category=cells.get("buyer_category") or None,
            ),
        )
    except MunimentError as refusal:
        field = None if refusal.place is None else refusal.place.field
        refusal.place = Place(file=place.file, line=place.line, field=field)
        raise
