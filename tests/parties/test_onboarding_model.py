# SPDX-License-Identifier: Apache-2.0
"""Reading a CSV file of investors: every defect has its code and place, no input crashes it, a row is taken whole or not at all."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.parties.errors import DuplicateColumn, FileTooLarge, MissingColumn, TooManyRows, UnknownColumn
from muniment.parties.model import InvestorKind
from muniment.parties.model.onboarding import (
    COLUMNS,
    FILE_BYTES_MAX,
    FILE_ROWS_MAX,
    RefusedRow,
    Row,
    ValidRow,
    csv_line,
    parse_draft,
    read_rows,
    refuse_repeats,
)
from muniment.units.errors import MunimentError

TODAY = dt.date(2026, 7, 1)
WALLET = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
OTHER_WALLET = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
HEADER = "external_reference,name,email,country,wallet_address,date_of_birth"


def read(*lines: str | bytes, header: str = HEADER) -> list[Row]:
    raw = b"\n".join(line.encode() if isinstance(line, str) else line for line in (header, *lines))
    return list(refuse_repeats(read_rows(io.BytesIO(raw), file_name="investors.csv", today=TODAY), file_name="investors.csv"))


def row(
    reference: str = "A-1", name: str = "Ada", email: str = "ada@example.com", country: str = "CH", wallet: str = "", born: str = ""
) -> str:
    return f"{reference},{name},{email},{country},{wallet},{born}"


def the_refusal(rows: list[Row], line: int = 2) -> MunimentError:
    (refused,) = [each for each in rows if isinstance(each, RefusedRow) and each.line == line]
    (reason,) = refused.reasons
    assert reason.place is not None
    assert reason.place.file == "investors.csv"
    assert reason.place.line == line
    return reason


def test_a_valid_row_is_read_with_everything_in_it() -> None:
    (valid,) = read(
        f"A-1,entity,Heron AG,Office@Example.com,CH,,CHE-1,,,yes,{WALLET},from the AGM",
        header=",".join(COLUMNS),
    )
    assert isinstance(valid, ValidRow)
    assert (valid.line, valid.draft.external_reference, valid.draft.country) == (2, "A-1", "CH")
    assert valid.draft.kind is InvestorKind.ENTITY
    assert valid.draft.wallet_address == WALLET
    person = valid.draft.person
    assert (person.name, person.email, person.tax_id, person.is_accredited) == ("Heron AG", "office@example.com", "CHE-1", True)
    assert (person.date_of_birth, person.document_number, person.note) == (None, None, "from the AGM")


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        (row(country="UK"), "parties.unknown_country", "country"),
        (row(country="Switzerland"), "parties.unknown_country", "country"),
        (row(name="N" * 10_000), "parties.bad_name", "name"),
        (row(name=""), "parties.bad_name", "name"),
        (row(name="A\u202eda"), "parties.bad_name", "name"),
        (row(name="A\x00da"), "parties.bad_name", "name"),
        (row(name="=HYPERLINK(1)"), "parties.formula", "name"),
        (row(name="+1"), "parties.formula", "name"),
        (row(name="-1"), "parties.formula", "name"),
        (row(name="@SUM(A1)"), "parties.formula", "name"),
        (row(name="  =1"), "parties.formula", "name"),
        (row(name="\t=1"), "parties.formula", "name"),
        (row(name="\uff1d1"), "parties.formula", "name"),
        (row(email="ada"), "parties.bad_email", "email"),
        (row(email="ada@@example.com"), "parties.bad_email", "email"),
        (row(email=f"{'a' * 300}@example.com"), "parties.bad_email", "email"),
        (row(wallet=WALLET.lower()), "parties.bad_checksum", "wallet_address"),
        (row(wallet=WALLET[:-1] + "e"), "parties.bad_checksum", "wallet_address"),
        (row(wallet="0x123"), "parties.not_an_address", "wallet_address"),
        (row(born="23.05.1984"), "parties.bad_date", "date_of_birth"),
        (row(born="1984-02-30"), "parties.bad_date", "date_of_birth"),
        (row(born="2026-07-02"), "parties.bad_date", "date_of_birth"),
        (row(born="1066-10-14"), "parties.bad_date", "date_of_birth"),
        (row(reference=""), "parties.bad_value", "external_reference"),
        (row(reference="x" * 65), "parties.bad_value", "external_reference"),
        (row(reference="A 1"), "parties.bad_value", "external_reference"),
    ],
)
def test_a_bad_row_is_refused_with_code_line_and_field_and_its_neighbours_are_kept(line: str, code: str, field: str) -> None:
    rows = read(row("B-1"), line, row("B-2"))
    reason = the_refusal(rows, line=3)
    assert reason.code == code
    assert reason.place is not None
    assert reason.place.field == field
    assert reason.cure_sentence
    assert [each.line for each in rows if isinstance(each, ValidRow)] == [2, 4]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (row() + ",one more", "parties.bad_row"),
        ("A-1,Ada", "parties.bad_row"),
        ('A-1,"Ada,ada@example.com,CH,,', "parties.bad_row"),
        ('A-1,"Ada" Lovelace,ada@example.com,CH,,', "parties.bad_row"),
        ("A-1,Ada\rB,ada@example.com,CH,,", "parties.bad_row"),
        (b"A-1,Ad\xff,ada@example.com,CH,,", "parties.not_utf8"),
        ("A-1," + "N" * 200_000 + ",ada@example.com,CH,,", "parties.bad_row"),
    ],
)
def test_a_line_that_is_no_row_spoils_itself_and_none_after_it(line: str | bytes, code: str) -> None:
    rows = read(line, row("B-2"))
    assert the_refusal(rows).code == code
    assert [each.line for each in rows if isinstance(each, ValidRow)] == [3]


def test_everything_wrong_with_a_row_is_said_at_once() -> None:
    (refused,) = read(row(name="", email="x", country="XX", wallet="0x"))
    assert isinstance(refused, RefusedRow)
    assert [reason.code for reason in refused.reasons] == [
        "parties.bad_name",
        "parties.bad_email",
        "parties.unknown_country",
        "parties.not_an_address",
    ]


def test_the_second_use_of_a_reference_or_wallet_is_refused_and_names_the_first() -> None:
    rows = read(row("A-1", wallet=WALLET), row("A-1"), row("A-2", wallet=WALLET), row("A-3", wallet=OTHER_WALLET))
    assert the_refusal(rows, line=3).as_json()["facts"] == {"external_reference": "A-1", "first_line": 2}
    assert the_refusal(rows, line=4).code == "parties.duplicate_wallet"
    assert "line 2" in the_refusal(rows, line=4).sentence


def test_a_refused_row_takes_neither_reference_nor_wallet() -> None:
    rows = read(row("A-1", country="XX", wallet=WALLET), row("A-1", wallet=WALLET))
    assert [type(each) for each in rows] == [RefusedRow, ValidRow]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_byte_order_mark_windows_lines_and_blank_lines_are_tolerated(mark: bytes, end: bytes) -> None:
    raw = mark + end.join([HEADER.encode(), b"", row().encode(), b"  ", row("A-2").encode()])
    rows = list(read_rows(io.BytesIO(raw), file_name="f", today=TODAY))
    assert [(type(each), each.line) for each in rows] == [(ValidRow, 3), (ValidRow, 5)]


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        ("external_reference,name,email,country,iban", UnknownColumn),
        ("external_reference;name;email;country", UnknownColumn),
        ("external_reference,name,email,country,", UnknownColumn),
        ("external_reference,name,email,country,name", DuplicateColumn),
        ("external_reference,name,email", MissingColumn),
        ("", MissingColumn),
        ('"', UnknownColumn),
        ("=cmd,name", UnknownColumn),
    ],
)
def test_a_wrong_header_refuses_the_file(header: str, refusal: type[MunimentError]) -> None:
    with pytest.raises(refusal) as refused:
        read(header=header)
    assert refused.value.place is not None
    assert refused.value.place.line == 1


def test_a_file_in_utf16_is_refused_as_a_whole() -> None:
    with pytest.raises(UnknownColumn):
        list(read_rows(io.BytesIO(f"{HEADER}\n{row()}".encode("utf-16")), file_name="f", today=TODAY))


def test_a_file_is_as_large_as_it_may_be_and_not_larger() -> None:
    head = f"{HEADER}\n".encode()
    filler = b"\n" * (FILE_BYTES_MAX - len(head))
    assert list(read_rows(io.BytesIO(head + filler), file_name="f", today=TODAY)) == []
    with pytest.raises(FileTooLarge):
        list(read_rows(io.BytesIO(head + filler + b"\n"), file_name="f", today=TODAY))


def test_a_huge_file_is_left_as_soon_as_it_is_too_large() -> None:
    class Endless:
        read_bytes = 0

        def read(self, size: int, /) -> bytes:
            self.read_bytes += size
            return b"x" * size

    endless = Endless()
    with pytest.raises(FileTooLarge):
        list(read_rows(endless, file_name="f", today=TODAY))
    assert endless.read_bytes < FILE_BYTES_MAX + 200_000


def test_a_file_has_as_many_rows_as_it_may_have_and_not_more() -> None:
    assert len(read(*["x"] * FILE_ROWS_MAX)) == FILE_ROWS_MAX
    with pytest.raises(TooManyRows):
        read(*["x"] * (FILE_ROWS_MAX + 1))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_crash_the_reader(raw: bytes) -> None:
    try:
        rows = list(read_rows(io.BytesIO(raw), file_name="f", today=TODAY))
    except (UnknownColumn, MissingColumn, DuplicateColumn):
        return
    assert all(isinstance(each, (ValidRow, RefusedRow)) for each in rows)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=120).filter(lambda line: b"\n" not in line), max_size=6))
def test_every_line_below_the_header_is_valid_or_refused_and_none_is_lost(lines: list[bytes]) -> None:
    raw = b"\n".join([HEADER.encode(), *lines])
    rows = list(read_rows(io.BytesIO(raw), file_name="f", today=TODAY))
    assert [each.line for each in rows] == [number for number, line in enumerate(lines, 2) if line.strip()]
    for each in rows:
        if isinstance(each, RefusedRow):
            assert each.as_json()["reasons"]


CELLS = st.text(max_size=30)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(COLUMNS), CELLS))
def test_no_fields_crash_the_parser_and_a_refusal_names_its_field(fields: dict[str, str]) -> None:
    outcome = parse_draft(fields, today=TODAY)
    if isinstance(outcome, tuple):
        assert outcome
        for refusal in outcome:
            assert refusal.place is not None
            assert refusal.place.field in COLUMNS
            assert refusal.as_json()["message"]


@given(st.lists(CELLS, min_size=1, max_size=5))
def test_what_we_write_is_one_csv_row_and_no_spreadsheet_runs_a_cell(cells: list[str]) -> None:
    (back,) = csv.reader(io.StringIO(csv_line(cells), newline=""), strict=True)
    assert len(back) == len(cells)
    for cell, read_back in zip(cells, back, strict=True):
        assert read_back in {cell, "'" + cell}
        assert read_back[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n"}
