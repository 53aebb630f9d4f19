# SPDX-License-Identifier: Apache-2.0
"""What the codes of decisions mean. A decision is a value and has no class to document it; a test finds the codes that are missing here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REASONS: Final[Mapping[str, str]] = {
    "compliance.category_holder_cap": "As many investors of the recipient's category as may hold the security hold it already.",
    "compliance.country_blocked": "The recipient lives in a country where the security may not be held.",
    "compliance.country_holder_cap": "As many investors of the recipient's country as may hold the security hold it already.",
    "compliance.country_not_allowed": "The recipient lives in none of the countries where the security may be held.",
    "compliance.holder_cap": "As many investors as may hold the security hold it already.",
    "compliance.holding_period": "The sender has not held the shares for long enough.",
    "compliance.lockup_active": "The sender's shares are locked until an instant that the decision names.",
    "compliance.maximum_balance": "The recipient would hold more than an investor may.",
    "compliance.not_bound": "The security is not tied to its rules on the chain.",
    "compliance.receiver_below_minimum": "The recipient would hold less than an investor must who holds at all.",
    "compliance.receiver_holds_already": "The recipient holds the security already, and may only receive a first position.",
    "compliance.receiver_not_verified": "The recipient's wallet belongs to no investor who is verified now.",
    "compliance.refused": "The chain's rules stand against it.",
    "compliance.sender_below_minimum": "The sender would keep less than an investor must who holds at all.",
    "compliance.supply_cap": "More shares would be outstanding than may be.",
    "compliance.transfer_hours_closed": "The security may not be transferred at this hour or on this day of the week.",
    "compliance.transfer_not_approved": "The transfer agent has not approved this transfer.",
    "compliance.transfer_window_closed": "The security may be transferred only within its transfer windows, and none is open.",
    "compliance.venue_not_listed": "The security may be transferred only through the venues on its list.",
    "compliance.volume_limit": "The sender would send more within the period than an investor may.",
    "compliance.whole_position_only": "The sender may only send the whole position.",
    "parties.document_expired": "The identity document has run out.",
    "parties.politically_exposed": "The person holds a public office; a compliance officer must decide.",
    "parties.sanctioned": "The name is on a sanctions list.",
    "parties.sanctions_hit": "The name may stand on a sanctions list; one officer clears each hit, another decides.",
    "parties.under_age": "The person is not of age.",
    "settlement.insufficient_balance": "The sender has not so many free shares.",
    "settlement.lien_active": "A lien holds the asset.",
    "settlement.over_authorized": "More shares would be in issue than are authorised.",
    "settlement.paused": "Transfers of the security are paused.",
    "settlement.receiver_frozen": "The recipient's wallet is frozen.",
    "settlement.receiver_is_zero": "The recipient is the zero address, which nobody owns.",
    "settlement.sender_frozen": "The sender's wallet is frozen.",
    "settlement.supply_too_large": "The supply would not fit the token.",
    "settlement.title_frozen": "The deed is frozen where it is.",
    "settlement.title_not_owned": "The sender does not hold the deed.",
}
"""One sentence a code; which rule stands behind it, the values and the cure come with each decision."""

EDGE: Final[Mapping[str, tuple[int, str]]] = {
    "http.invalid_request": (400, "The request does not have the shape that the address takes; `errors` names the fields."),
    "http.method_not_allowed": (405, "The address does not take that method."),
    "http.request_entity_too_large": (413, "The body is larger than the address takes."),
    "http.unsupported_media_type": (415, "The address does not take a body of that media type."),
    "http.internal_error": (500, "A defect of ours; report the request id."),
    "outage.database": (503, "The database does not answer; nothing has been changed."),
    "outage.chain": (503, "The chain's node does not answer; nothing has been changed."),
    "outage.rpc": (503, "The chain's node does not answer; nothing has been changed."),
}
"""Codes of the edge itself: what the framework refuses, defects, outages. With the status of each."""
