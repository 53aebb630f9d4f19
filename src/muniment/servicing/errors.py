# SPDX-License-Identifier: Apache-2.0
"""What servicing refuses, each with a stable code."""

from __future__ import annotations

from muniment.units.errors import MunimentError


class UnknownDividend(MunimentError):
    """No such dividend for this issuer."""

    code = "servicing.unknown_dividend"
    message = "There is no dividend {dividend_id}."
    cure = "Take the id from the list of dividends."


class NothingToPay(MunimentError):
    """An amount of zero or less."""

    code = "servicing.nothing_to_pay"
    message = "A dividend of {amount} pays nobody."
    cure = "Declare an amount above zero."


class NobodyEntitled(MunimentError):
    """No shares are held outside the excluded wallets."""

    code = "servicing.nobody_entitled"
    message = "Nobody held shares of {security_id} at block {block_number}."
    cure = "Issue shares first, or exclude fewer wallets."


class PotTooSmall(MunimentError):
    """The price per share times the shares is less than one minor unit."""

    code = "servicing.pot_too_small"
    message = "The amount comes to less than one minor unit of {currency} for {shares} shares."
    cure = "Declare more per share."


class PaymentBeforeRecord(MunimentError):
    """Payment before the holders are known."""

    code = "servicing.payment_before_record"
    message = "Payment at {payment_at} lies before the record date {record_at}."
    cure = "Pay at the record date or later."


class RecordInThePast(MunimentError):
    """A record date that has passed cannot be announced any more."""

    code = "servicing.record_in_the_past"
    message = "The record date {record_at} has passed; it is {now_at}."
    cure = "Choose a record date that holders can still act on."


class PaymentTokenNotAccepted(MunimentError):
    """No payment token under this address for this issuer."""

    code = "servicing.payment_token_not_accepted"
    message = "{address} is not a payment token of this issuer."
    cure = "Accept the payment token first, or use one of those that are listed."


class NotEntitledYet(MunimentError):
    """Asked for what only exists after the record date."""

    code = "servicing.not_entitled_yet"
    message = "The dividend {dividend_id} has no entitlements before its record date {record_at}."
    cure = "Ask again after the record date."


class NothingHeld(MunimentError):
    """No held payment can be released."""

    code = "servicing.nothing_held"
    message = "No held payment of the dividend {dividend_id} can be released now."
    cure = "Mend the reason shown beside each held payment first: unfreeze the wallet or record its owner."


class BadCursor(MunimentError):
    """The page's cursor is not one that this list gave."""

    code = "servicing.bad_cursor"
    message = "“{cursor}” is not a page of this list."
    cure = "Start again without a cursor, or use `next` exactly as it was given."


class RequestIdReused(MunimentError):
    """One request id with two different declarations."""

    code = "servicing.request_id_reused"
    message = "The request id {request_id} was used for a different dividend."
    cure = "Use a new id for a new dividend; repeat the same declaration under the old one."


class BadDividendAmount(MunimentError):
    """Neither a total nor a price per share, or both."""

    code = "servicing.bad_amount"
    message = "A dividend is declared either as a total or per share."
    cure = "Give total or per_share, and not both."
