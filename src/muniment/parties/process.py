# SPDX-License-Identifier: Apache-2.0
"""The long use cases of parties: everybody held against the sanctions lists, and the sandbox provider's later answer."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final
from uuid import UUID

from muniment.access.model import system_actor
from muniment.infra.jobs import Done, ProcessOutcome
from muniment.parties import commands
from muniment.parties.model.webhooks import SECRET_BYTES, body_of, sign_body
from muniment.parties.ports import PartiesUnit

Units = Callable[[], AbstractContextManager[PartiesUnit]]

SCREEN_PAGE_ROWS: Final = 100
"""Investors screened in one transaction."""


def screen_investors(*, units: Units) -> ProcessOutcome:
    """Hold every investor against the current sanctions lists; a run that was cut short begins again and finds the same."""
    with units() as unit:
        actor, started_at = system_actor(unit.tenant_id), unit.clock.now()
    cursor = None
    while True:
        with units() as unit:
            cursor = commands.screen_page(actor, cursor=cursor, rows=SCREEN_PAGE_ROWS, started_at=started_at, unit=unit)
        if cursor is None:
            return Done()


def answer_as_sandbox(check_id: UUID, *, units: Units) -> ProcessOutcome:
    """Let the sandbox provider answer as a real one does: a signed message, received by the command behind the webhook."""
    with units() as unit:
        check = unit.identity_checks.waiting(check_id)
        if check is None:
            return Done()
        investor = unit.investors.get(check.investor_id, lock=True)
        person = unit.investors.persons([check.investor_id]).get(check.investor_id)
        if person is None:
            return Done()
        at = unit.clock.now()
        secret = unit.identity_checks.secret(check.provider)
        if secret is None:
            secret = secrets.token_bytes(SECRET_BYTES)
            unit.identity_checks.set_secret(check.provider, secret, at=at)
        body = body_of(f"sandbox:{check_id}", check_id, unit.identity_provider.verdict(investor, person, at=at))
        commands.receive_webhook(check.provider, body, sign_body(secret, body, at=at), unit=unit)
    return Done()
