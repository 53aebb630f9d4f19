# SPDX-License-Identifier: Apache-2.0
"""What access refuses, each with its code. Which HTTP status a code becomes is decided at the edge."""

from __future__ import annotations

from muniment.units.errors import MunimentError


class NotSignedIn(MunimentError):
    """No session, or one that expired, was revoked or was never ours; which of these is not told."""

    code = "access.not_signed_in"
    message = "There is no valid session."
    cure = "Sign in."


class WrongCredentials(MunimentError):
    """E-mail and password do not belong together; the same answer for an unknown user."""

    code = "access.wrong_credentials"
    message = "E-mail and password do not belong together."
    cure = "Check both and try again."


class TooManyAttempts(MunimentError):
    """Too many failed sign-ins for this account or from this source."""

    code = "access.too_many_attempts"
    message = "Too many failed attempts; the next one is possible at {blocked_until}."
    cure = "Wait until then."


class NotPermitted(MunimentError):
    """None of the actor's roles may do it."""

    code = "access.not_permitted"
    message = "Your roles ({roles}) do not permit {action}."
    cure = "Ask an owner of the organisation for one of these roles: {roles_permitted}."


class NotFound(MunimentError):
    """It does not exist, or it belongs to another organisation; which of these is not told."""

    code = "access.not_found"
    message = "There is no such {what}."
    cure = "Check the id and the organisation that you are signed in to."


class WeakPassword(MunimentError):
    """Too short, too long or well known."""

    code = "access.weak_password"
    message = "The password cannot be used: {why}."
    cure = "Choose {characters_min} to {characters_max} characters that are not a common password; three unrelated words do well."


class BadEmail(MunimentError):
    """Not an e-mail address."""

    code = "access.bad_email"
    message = "“{email}” is not an e-mail address."
    cure = "Give an address such as ada@example.com."


class BadName(MunimentError):
    """Empty, too long, or with control characters."""

    code = "access.bad_name"
    message = "The name cannot be used: {why}."
    cure = "Give 1 to {characters_max} printable characters."


class UnknownRole(MunimentError):
    """Not a role."""

    code = "access.unknown_role"
    message = "“{role}” is not a role."
    cure = "Use one of {roles}."


class UnknownAction(MunimentError):
    """Not an action."""

    code = "access.unknown_action"
    message = "“{action}” is not an action."
    cure = "Use one of the actions that GET /v1/me lists."


class LastOwner(MunimentError):
    """An organisation keeps at least one owner."""

    code = "access.last_owner"
    message = "The organisation would be left without an owner."
    cure = "Make somebody else an owner first."


class NotAMember(MunimentError):
    """The user has no active membership here."""

    code = "access.not_a_member"
    message = "The user is not a member of the organisation."
    cure = "Choose an organisation that GET /v1/me lists, or ask for an invitation."


class InvitationInvalid(MunimentError):
    """Unknown, used or expired; which of these is not told."""

    code = "access.invitation_invalid"
    message = "The invitation is not valid."
    cure = "Ask for a new invitation."


class OwnApproval(MunimentError):
    """Four eyes need two people."""

    code = "access.own_approval"
    message = "Whoever requested it cannot decide it."
    cure = "Ask another member who may do {action}."


class ApprovalClosed(MunimentError):
    """The approval has been decided, executed or has expired."""

    code = "access.approval_closed"
    message = "The approval is {state} and cannot be decided."
    cure = "Request it again."


class NotUnderFourEyes(MunimentError):
    """The policy can only speak about actions that know four eyes."""

    code = "access.not_under_four_eyes"
    message = "{action} cannot be put under four eyes."
    cure = "Choose one of {actions}."


class RejectionWithoutReason(MunimentError):
    """A rejection says why."""

    code = "access.rejection_without_reason"
    message = "A rejection needs a reason of 1 to {characters_max} characters."
    cure = "Say why."


class IdempotencyConflict(MunimentError):
    """The key was used for another request."""

    code = "access.idempotency_conflict"
    message = "The idempotency key was used for another request."
    cure = "Use a new key for a new request; send the same request to get the same answer."


class BadIdempotencyKey(MunimentError):
    """The key cannot be used."""

    code = "access.bad_idempotency_key"
    message = "The idempotency key must be 1 to {characters_max} printable ASCII characters."
    cure = "Use a UUID."


class BadCursor(MunimentError):
    """Not a cursor that a page gave."""

    code = "access.bad_cursor"
    message = "“{cursor}” is not a cursor."
    cure = "Give the next_cursor of the page before, or none for the first page."


class CsrfMismatch(MunimentError):
    """A request by cookie without the session's CSRF token."""

    code = "access.csrf_mismatch"
    message = "The form was not made for this session."
    cure = "Load the page again and send the form once more."
