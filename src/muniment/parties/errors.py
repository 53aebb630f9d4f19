# SPDX-License-Identifier: Apache-2.0
"""What parties refuses, each with its code: investors, wallets, files. Which HTTP status a code becomes is decided at the edge."""

from __future__ import annotations

from muniment.units.errors import MunimentError


class UnknownCountry(MunimentError):
    """Not a code of ISO 3166-1."""

    code = "parties.unknown_country"
    message = "“{country}” is not a country code of ISO 3166-1."
    cure = "Give the two capital letters, such as CH, GB or US."


class NotAnAddress(MunimentError):
    """Not 0x and 40 hexadecimal digits, or the zero address."""

    code = "parties.not_an_address"
    message = "“{address}” is not a wallet address."
    cure = "Give 0x and 40 hexadecimal digits, as the wallet shows them."


class BadChecksum(MunimentError):
    """The address's capitals are not its EIP-55 checksum: a digit may be wrong."""

    code = "parties.bad_checksum"
    message = "{address} has a wrong checksum (EIP-55)."
    cure = "Copy the address from the wallet again, capitals and small letters as shown there."


class DuplicateWallet(MunimentError):
    """The wallet belongs to another investor, or stands twice in one file."""

    code = "parties.duplicate_wallet"
    message = "The wallet {address} is already taken{by}."
    cure = "Give each investor a wallet of their own."


class BadName(MunimentError):
    """Empty, too long, or with characters that cannot be shown."""

    code = "parties.bad_name"
    message = "The name cannot be used: {why}."
    cure = "Give 1 to {characters_max} printable characters."


class BadEmail(MunimentError):
    """Not an e-mail address."""

    code = "parties.bad_email"
    message = "“{email}” is not an e-mail address."
    cure = "Give an address such as ada@example.com."


class BadDate(MunimentError):
    """Not a calendar date, or outside what the field can mean."""

    code = "parties.bad_date"
    message = "“{date}” cannot be used: {why}."
    cure = "Give year, month and day, such as 1984-05-23."


class BadValue(MunimentError):
    """A field that is missing, too long or outside its list of values."""

    code = "parties.bad_value"
    message = "“{value}” cannot be used: {why}."
    cure = "Give {expected}."


class FormulaInCell(MunimentError):
    """A cell that a spreadsheet would run."""

    code = "parties.formula"
    message = "“{value}” starts like a spreadsheet formula."
    cure = "Take the first character (= + - @ or a tab) away."


class NotUtf8(MunimentError):
    """Bytes that are no UTF-8 text."""

    code = "parties.not_utf8"
    message = "The text is not UTF-8."
    cure = "Save the file as UTF-8."


class BadRow(MunimentError):
    """The line is no CSV row with as many cells as the header."""

    code = "parties.bad_row"
    message = "The row cannot be read: {why}."
    cure = "Give one cell for each of the {columns} columns, quoted as RFC 4180 says, each record on one line."


class UnknownColumn(MunimentError):
    """The header names a column that nobody reads."""

    code = "parties.unknown_column"
    message = "The column “{column}” is not known."
    cure = "Use only {columns}; put whatever else you want to keep into note."


class MissingColumn(MunimentError):
    """The header lacks a column that every row needs."""

    code = "parties.missing_column"
    message = "The column {column} is missing."
    cure = "Start the file with a header line that names {columns}."


class DuplicateColumn(MunimentError):
    """The header names a column twice."""

    code = "parties.duplicate_column"
    message = "The column {column} stands twice in the header."
    cure = "Keep one of them."


class FileTooLarge(MunimentError):
    """More bytes than a file may have."""

    code = "parties.file_too_large"
    message = "The file has more than {bytes_max} bytes."
    cure = "Split it; rows that were imported before are recognised and left as they are."


class TooManyRows(MunimentError):
    """More rows than a file may have."""

    code = "parties.too_many_rows"
    message = "The file has more than {rows_max} rows."
    cure = "Split it; rows that were imported before are recognised and left as they are."


class DuplicateReference(MunimentError):
    """The same external reference stands twice in one file."""

    code = "parties.duplicate_reference"
    message = "The external reference {external_reference} stands on line {first_line} too."
    cure = "Give each investor a reference of their own."


class ReferenceTaken(MunimentError):
    """The external reference belongs to an investor with other data."""

    code = "parties.reference_taken"
    message = "The external reference {external_reference} belongs to an investor with other data."
    cure = "Use another reference; the investor's data stays as it is."


class InvestorNotFound(MunimentError):
    """No such investor here."""

    code = "parties.investor_not_found"
    message = "There is no such investor."
    cure = "Check the id and the organisation that you are signed in to."


class PersonErased(MunimentError):
    """The investor's personal data was erased; the ledger remains, the person is gone."""

    code = "parties.erased"
    message = "The personal data of this investor was erased."
    cure = "Onboard the person again under a new reference, if they agree."


class NotInStatus(MunimentError):
    """The step does not fit the investor's status."""

    code = "parties.not_in_status"
    message = "The investor is {status}; this needs {needed}."
    cure = "Look at the investor's history; another member may have been faster."


class OwnSubmission(MunimentError):
    """Four eyes: who submitted the investor for review does not decide it."""

    code = "parties.own_submission"
    message = "Whoever submitted the investor for review cannot decide it."
    cure = "Ask another compliance officer."
