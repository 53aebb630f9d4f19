# SPDX-License-Identifier: Apache-2.0
"""What notices refuses."""

from __future__ import annotations

from muniment.units.errors import MunimentError


class MailNotConfigured(MunimentError):
    """A mail is asked for, and there is no server to hand it to."""

    code = "notices.mail_not_configured"
    message = "This installation has no mail server, so nothing can be sent."
    cure = "Set MUNIMENT_SMTP_URL and MUNIMENT_MAIL_FROM and start again."


class NothingToExplain(MunimentError):
    """What was asked about is allowed."""

    code = "notices.nothing_to_explain"
    message = "Nothing stands against it, so there is nothing to explain."
    cure = "Ask about what was refused: the same wallets and the same number of shares."


class NotTheirs(MunimentError):
    """Each reason is about the other side, whose affairs are not this investor's business."""

    code = "notices.not_theirs"
    message = "Each of the {reasons} reasons is about the other side, and is not told to the {side}."
    cure = "Send the explanation to the other side."


class NobodyToTell(MunimentError):
    """The wallet belongs to no investor who could get a mail."""

    code = "notices.nobody_to_tell"
    message = "The {side}'s wallet belongs to no investor with an address."
    cure = "Choose a wallet of an investor who is onboarded and not erased."


class NoticeNotFound(MunimentError):
    """No such notice."""

    code = "notices.notice_not_found"
    message = "There is no notice {notice_id} here."
    cure = "List the notices and take an id from there."


class UnknownSide(MunimentError):
    """Neither side of a transfer."""

    code = "notices.unknown_side"
    message = "“{text}” is no side of a transfer."
    cure = "Write receiver or sender."


class BadCursor(MunimentError):
    """The cursor was not handed out here."""

    code = "notices.bad_cursor"
    message = "The cursor “{cursor}” is none of ours."
    cure = "Give next_cursor of the page before, or leave it out to begin anew."
