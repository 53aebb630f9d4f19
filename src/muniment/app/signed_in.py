# SPDX-License-Identifier: Apache-2.0
"""Who acts on the command line: a member who gives e-mail and password, as on the sign-in page. No command acts for nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from muniment.access import commands as access
from muniment.access.errors import NotAMember
from muniment.access.model import Actor
from muniment.app.member_options import AsOption, OrganisationOption, PasswordFileOption
from muniment.app.wiring import Units
from muniment.infra.configuration import read_secret_file
from muniment.units.ids import TenantId

__all__ = ["AsOption", "OrganisationOption", "PasswordFileOption", "actor_of", "password_from"]

COMMAND_LINE = "command line"
"""The source that sign-ins from here are counted under."""


def password_from(file: Path | None, *, confirm: bool = False) -> str:
    """Return the password from a file, or asked for without being shown."""
    if file is not None:
        return read_secret_file(file)
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True))


def actor_of(units: Units, *, email: str, password: str, organisation: str) -> Actor:
    """Return the member as an actor of the organisation (name or id; empty: the first), or refuse as the sign-in page does."""
    with units.begin_sign_in() as unit:
        signed_in = access.sign_in(access.SignIn(email, password, COMMAND_LINE), unit=unit)
    if isinstance(signed_in, access.SignInRefused):
        raise signed_in.refusal
    token: Any = signed_in.token
    with units.begin_sign_in() as unit:
        if organisation:
            unit.users.act_for(signed_in.session.user_id)
            found = [
                each for each in unit.organisations.of_user(signed_in.session.user_id) if organisation in {each.name, str(each.tenant_id)}
            ]
            if not found:
                raise NotAMember
            # The newest of that name, where the demonstration has been run several times.
            chosen: TenantId = max(each.tenant_id for each in found)
            token = access.choose_organisation(token, chosen, unit=unit).token
        actor = access.authenticate(token, unit=unit).actor
        access.sign_out(token, unit=unit)
    if actor is None:
        raise NotAMember
    return actor
