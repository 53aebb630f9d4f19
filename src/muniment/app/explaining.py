# SPDX-License-Identifier: Apache-2.0
"""What `muniment compliance explain` does: the check of one issue or transfer, and the mail about it. The options are the command's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from muniment.app.books import open_units
from muniment.app.shares_command import security_of, wallet_of
from muniment.app.signed_in import actor_of, password_from
from muniment.compliance.commands import ask_transfer
from muniment.notices.commands import ExplainRefusal, send_explanation
from muniment.notices.http import notice_body
from muniment.notices.model import Side
from muniment.units.decisions import Refused
from muniment.units.shares import parse_shares


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about, as it was typed; without a sender an issue."""

    security: str
    sender: str
    receiver: str
    amount: str


def explain(question: Question, member: str, password_file: Path | None, organisation: str, *, side: Side | None) -> dict[str, Any]:
    """Return the decision as JSON, with the notice to `side` where one is named and it is refused."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, question.security)
            shares = parse_shares(question.amount, decimals=unit.securities.get(security_id).terms.decimals)
            sender = wallet_of(unit, question.sender, security_id) if question.sender else None
            receiver = wallet_of(unit, question.receiver, security_id)
            decision = ask_transfer(actor, security_id, from_wallet=sender, to_wallet=receiver, shares=shares, unit=unit)
            body = decision.as_json()
            if side is not None and isinstance(decision, Refused):
                wish = ExplainRefusal(security_id, sender, receiver, shares, side)
                body["notice"] = msgspec.to_builtins(notice_body(send_explanation(actor, wish, unit=unit)))
    return body
