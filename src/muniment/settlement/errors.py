# SPDX-License-Identifier: Apache-2.0
"""What settlement refuses, each with a stable code. What compliance refuses comes with its own codes."""

from __future__ import annotations

from muniment.units.decisions import Refused
from muniment.units.errors import MunimentError


class UnknownInstruction(MunimentError):
    """No such instruction for this issuer."""

    code = "settlement.unknown_instruction"
    message = "There is no instruction {instruction_id}."
    cure = "Take the id from the list of instructions."


class NothingToIssue(MunimentError):
    """No allotment at all, or none that may be issued."""

    code = "settlement.nothing_to_issue"
    message = "None of the {allotments} allotments can be issued. The first: {first_reason}"
    cure = "See the reason beside each allotment; verify the investors or change the amounts."


class TooManyAllotments(MunimentError):
    """More allotments in one request than are read at once."""

    code = "settlement.issue_too_large"
    message = "{allotments} allotments are more than one request may have."
    cure = "Send at most {allotments_max} at a time."


class DuplicateReceiver(MunimentError):
    """One wallet twice in one request."""

    code = "settlement.duplicate_receiver"
    message = "The wallet {wallet} is named twice."
    cure = "Put its shares into one allotment."


class LockupOver(MunimentError):
    """A lockup that ends before the shares are there, or on no whole second."""

    code = "settlement.lockup_over"
    message = "Shares cannot be locked until {locked_until}."
    cure = "Name an instant in the future, on a whole second, or issue them free."


class TooManyLockups(MunimentError):
    """The token keeps so many lockups of a wallet and no more."""

    code = "settlement.too_many_lockups"
    message = "The wallet {wallet} has {lockups_max} lockups already, which is as many as the token keeps."
    cure = "Issue to another wallet of the investor, lock until an instant that one of them ends at, or wait until the next ends."


class NoWallet(MunimentError):
    """The investor has no wallet to receive in."""

    code = "settlement.no_wallet"
    message = "The investor {investor_id} has no wallet."
    cure = "Open a managed wallet or record the investor's own."


class HolderSigns(MunimentError):
    """The wallet is the investor's own: only the investor can send from it."""

    code = "settlement.holder_signs"
    message = "{wallet} is the investor's own wallet; Muniment has no key for it."
    cure = "The investor sends the transfer from that wallet; it appears here once it is on the chain."


class TransferRefused(MunimentError):
    """The rules stand against the transfer; `decision` has every reason. For edges: commands return the decision itself."""

    code = "settlement.refused"
    message = "The transfer is refused: {first_reason}"
    cure = "See each reason and its cure."

    def __init__(self, decision: Refused) -> None:
        super().__init__(first_reason=decision.reasons[0].sentence, reasons=[reason.code for reason in decision.reasons])
        self.decision = decision


class NotTheInvestorsWallet(MunimentError):
    """A recovery between wallets that do not belong to one investor."""

    code = "settlement.not_the_investors_wallet"
    message = "The wallet {wallet} does not belong to the investor {investor_id}."
    cure = "Recover only from and to wallets of one investor; record the new wallet first."


class NothingToRecover(MunimentError):
    """The lost wallet holds nothing."""

    code = "settlement.nothing_to_recover"
    message = "The wallet {wallet} holds no security of this issuer."
    cure = "Check the address of the lost wallet."


class SameWallet(MunimentError):
    """From and to are one wallet."""

    code = "settlement.same_wallet"
    message = "The shares are in {wallet} already."
    cure = "Name another wallet to send to."


class KeyReused(MunimentError):
    """One request id with two different requests."""

    code = "settlement.request_id_reused"
    message = "The request id {request_id} was used for a different request."
    cure = "Use a new id for a new request; repeat the same request under the old one."


class BadCursor(MunimentError):
    """The page's cursor is not one that this list gave."""

    code = "settlement.bad_cursor"
    message = "“{cursor}” is not a page of this list."
    cure = "Start again without a cursor, or use `next` exactly as it was given."


class NotAPaymentToken(MunimentError):
    """No contract there that describes itself as an ERC-20, or one that is accepted for another currency."""

    code = "settlement.not_a_payment_token"
    message = "{address} cannot be accepted as a payment token."
    cure = "Give the address of an ERC-20 contract with decimals and a symbol, each for one currency."


class BadAllotment(MunimentError):
    """An allotment with no receiver or with two."""

    code = "settlement.bad_allotment"
    message = "An allotment names either an investor or a wallet."
    cure = "Give investor_id or wallet, and not both."


class NotAMonth(MunimentError):
    """No month of a year."""

    code = "settlement.not_a_month"
    message = "“{text}” is no month."
    cure = "Give year and month, such as 2026-11."


class UnknownTimeZone(MunimentError):
    """A time zone that the machine does not know."""

    code = "settlement.unknown_time_zone"
    message = "“{text}” is no time zone."
    cure = "Give its name in the tz database, such as America/New_York or UTC."
