# SPDX-License-Identifier: Apache-2.0
"""What the register refuses, each with a stable code. What the chain refuses is not known here."""

from __future__ import annotations

from muniment.units.errors import MunimentError


class NotOnChain(MunimentError):
    """The security has no token yet."""

    code = "register.not_on_chain"
    message = "The security {security_id} has no token on the chain yet."
    cure = "Wait until its deployment is final."


class Behind(MunimentError):
    """The projection has not seen the block that was asked for."""

    code = "register.behind"
    message = "The register has read the chain up to block {read_block}; block {asked_block} was asked for."
    cure = "Ask again in a few seconds; if it stays behind, see that the worker runs."


class NotFinalYet(MunimentError):
    """No final block is later than the instant asked for."""

    code = "register.not_final_yet"
    message = "Holdings at {asked_at} are not final yet: the last final block is of {final_at}."
    cure = "Ask again once a final block with a later time exists."


class BeforeFirstBlock(MunimentError):
    """The instant lies before the chain began."""

    code = "register.before_first_block"
    message = "{asked_at} lies before the chain's first block."
    cure = "Ask for a later instant."


class BadCursor(MunimentError):
    """The page's cursor is not one that this list gave."""

    code = "register.bad_cursor"
    message = "“{cursor}” is not a page of this list."
    cure = "Start again without a cursor, or use `next` exactly as it was given."


class ForeignLog(MunimentError):
    """A log that bears the register's topics but not their shape: the contract is not the one that was recorded."""

    code = "register.foreign_log"
    message = "The log {log_index} of block {block_number} at {token} does not have the shape of {event}."
    cure = "Check the contract's recorded artifact against its code."


class UnknownMovement(MunimentError):
    """The register has no such movement of the security."""

    code = "register.unknown_movement"
    message = "Transaction {transaction_hash} has no movement {position} of this security."
    cure = "Take transaction and position from the list of movements; positions count from 0."


class NothingToSay(MunimentError):
    """An annotation without any field."""

    code = "register.nothing_to_say"
    message = "The annotation says nothing about the movement."
    cure = "Give at least one of exemption, consideration, buyer category, price, dates, control, restriction or lots."


class UnknownTerm(MunimentError):
    """A word that this field does not know."""

    code = "register.unknown_term"
    message = "“{text}” is no {field}."
    cure = "Use one of: {known}."


class NotACode(MunimentError):
    """An exemption or a buyer category that is no code."""

    code = "register.not_a_code"
    message = "“{text}” is no code for {field}."
    cure = "Write small letters, digits, dots and underscores, at most 80, such as us.regd.506c or accredited."


class NegativePrice(MunimentError):
    """Less than nothing was paid."""

    code = "register.negative_price"
    message = "{amount} is less than nothing."
    cure = "Give what was paid, zero for a gift."


class NotTheGiversLot(MunimentError):
    """A lot that the giver of the movement did not have."""

    code = "register.not_the_givers_lot"
    message = "Lot {lot_id} was not the giver's before that movement."
    cure = "List the giver's lots as of the block before, and name one of those."


class AcquiredLater(MunimentError):
    """A date of acquisition that lies after the movement."""

    code = "register.acquired_later"
    message = "{given_at} lies after the movement, which was at {moved_at}."
    cure = "Give an instant until the movement's own."


class ParquetNotInstalled(MunimentError):
    """The library that writes Parquet is not installed."""

    code = "register.parquet_not_installed"
    message = "Parquet is written by Polars, which is not installed here."
    cure = "Install it with: pip install 'muniment[parquet]', or take CSV."


class BadFormDInput(MunimentError):
    """What an issuer says for Form D is not of the form that the reference gives."""

    code = "register.bad_form_d_input"
    message = "The input for Form D is not complete: {problem}."
    cure = "See the how-to page on regulatory reports for a whole example."


class IncompleteSales(MunimentError):
    """Sales of the offering of which price or buyer's category is not known."""

    code = "register.incomplete_sales"
    message = "Of {sales} sales in the offering, {unpriced} have no price in dollars and {unclassified} no category of the buyer."
    cure = "Say them with: muniment shares annotate SECURITY TRANSACTION --paid AMOUNT --category accredited (or non_accredited)."
