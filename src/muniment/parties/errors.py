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


class OwnClearance(MunimentError):
    """Four eyes: who cleared a hit in a review does not accept the investor."""

    code = "parties.own_clearance"
    message = "Whoever cleared a hit of the investor cannot accept the investor."
    cure = "Ask another compliance officer."


class BadClaim(MunimentError):
    """A claim that cannot be made: its topic, basis, value, evidence or time."""

    code = "parties.bad_claim"
    message = "The claim cannot be made: {why}."
    cure = "Give {expected}."


class ClaimNotFound(MunimentError):
    """No such claim about this investor, or it has ended."""

    code = "parties.claim_not_found"
    message = "There is no such claim that could be revoked."
    cure = "Look at the investor's claims; another officer may have been faster."


class BadSanctionsList(MunimentError):
    """A file that is no sanctions list in a shape that we read."""

    code = "parties.bad_sanctions_list"
    message = "The sanctions list cannot be read: {why}."
    cure = "Give {expected}."


class HitNotFound(MunimentError):
    """No such open hit."""

    code = "parties.hit_not_found"
    message = "There is no such hit that is open."
    cure = "Look at the review queue; another officer may have been faster."


class HitReasonMissing(MunimentError):
    """A false positive is cleared with a reason."""

    code = "parties.hit_reason_missing"
    message = "A hit is cleared with a reason of 1 to {characters_max} characters."
    cure = "Say what tells the investor and the listed person apart."


class HitsOpen(MunimentError):
    """The investor may be on a sanctions list, and nobody has cleared that."""

    code = "parties.hits_open"
    message = "The investor may be on a sanctions list: {hits} open."
    cure = "Clear each hit with a reason, or decline the investor."


class WebhookSignature(MunimentError):
    """The signature is wrong or too old, or there is no such organisation or provider; which of them is not told."""

    code = "parties.webhook_signature"
    message = "The signature of this message does not count here."
    cure = "Sign `<t>.<body>` with the organisation's secret for this provider, and send it within five minutes."


class WebhookReused(MunimentError):
    """The event was received before; nothing was done again."""

    code = "parties.webhook_reused"
    message = "The event {event_id} was received already."
    cure = "Give each event an id of its own; a repeated delivery needs no answer but this one."


class BadWebhook(MunimentError):
    """A signed message that tells no verdict."""

    code = "parties.bad_webhook"
    message = "The message cannot be used: {why}."
    cure = "Send the fields that the reference of this address names."


class TooManyWebhooks(MunimentError):
    """More messages in a minute than any provider needs."""

    code = "parties.too_many_webhooks"
    message = "More than {events_max} messages came within a minute."
    cure = "Wait a minute and send them again."


class CheckNotFound(MunimentError):
    """No check of that id waits for an answer."""

    code = "parties.check_not_found"
    message = "No check with that id waits for an answer."
    cure = "Answer the newest check of the investor; an older one is superseded."


class ProviderNotAnswered(MunimentError):
    """Nobody is accepted while the identity provider is still at work."""

    code = "parties.provider_not_answered"
    message = "The identity provider has not answered yet."
    cure = "Wait for its answer, or decline the investor."


class BadWalletProof(MunimentError):
    """A message that does not answer the challenge, or is in no form that counts."""

    code = "parties.bad_wallet_proof"
    message = "The message does not prove the wallet: {why}."
    cure = "Ask for a new message and sign it unchanged with the wallet."


class WrongWalletSignature(MunimentError):
    """Neither the address's own key nor its contract says yes to the signature."""

    code = "parties.wrong_wallet_signature"
    message = "The signature is not that of {address}."
    cure = "Sign the message with the wallet itself (personal_sign); a contract wallet must answer ERC-1271."


class BadQueueFilter(MunimentError):
    """A kind or number of days that the queue does not have."""

    code = "parties.bad_queue_filter"
    message = "The queue cannot be asked so: {why}."
    cure = "Give {expected}."
