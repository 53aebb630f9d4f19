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
