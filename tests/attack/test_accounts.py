# SPDX-License-Identifier: Apache-2.0
"""Attacks on accounts by invitations: two organisations at once, two passwords at once, and what the inviting owner learns."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from muniment.access.commands import (
    AcceptInvitation,
    FoundOrganisation,
    InviteMember,
    SignIn,
    SignInRefused,
    accept_invitation,
    change_roles,
    found_organisation,
    invite_member,
    list_audit,
    remove_member,
    sign_in,
)
from muniment.access.errors import InvitationInvalid
from muniment.access.model import Actor, Role
from muniment.access.ports import Page
from muniment.units.ids import TenantId
from tests.app.rig import PASSWORD, Rig, a_member

OutcomeT = TypeVar("OutcomeT")
ROUNDS = 5


@pytest.fixture(scope="module")
def owners(rig: Rig) -> list[Actor]:
    """Return the owners of three organisations, of whom the first is the rig's."""
    found = [rig.owner]
    for number in (2, 3):
        tenant_id = TenantId(uuid.uuid4())
        request = FoundOrganisation(f"Other {number}", "CH", f"other{number}@example.com", f"Owner {number}", PASSWORD)
        with rig.units.begin(tenant_id) as unit:
            found.append(found_organisation(request, unit=unit).owner)
    return found


def at_once(actions: list[Callable[[], OutcomeT]]) -> list[OutcomeT]:
    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(action) for action in actions]]


def invited(rig: Rig, owner: Actor, email: str) -> str:
    with rig.units.begin(owner.tenant_id) as unit:
        return invite_member(owner, InviteMember(email, "Somebody", frozenset({Role.AUDITOR})), unit=unit)


def test_organisations_that_invite_the_same_new_person_at_once_all_get_an_invitation(rig: Rig, owners: list[Actor]) -> None:
    for number in range(ROUNDS):
        tokens = at_once([lambda owner=owner, number=number: invited(rig, owner, f"new{number}@example.com") for owner in owners])
        assert len(set(tokens)) == len(owners)


def test_only_the_first_accepted_invitation_sets_the_password(rig: Rig, owners: list[Actor]) -> None:
    for number in range(ROUNDS):
        email = f"raced{number}@example.com"
        wishes = [(owner, invited(rig, owner, email), f"password of invitation {index}") for index, owner in enumerate(owners)]

        def accept(owner: Actor, token: str, password: str) -> Actor | SignInRefused:
            with rig.units.begin(owner.tenant_id) as unit:
                return accept_invitation(AcceptInvitation(token, password, source="192.0.2.1"), unit=unit)

        outcomes = at_once([lambda wish=wish: accept(*wish) for wish in wishes])
        accepted = [password for (_, _, password), outcome in zip(wishes, outcomes, strict=True) if isinstance(outcome, Actor)]
        assert len(accepted) == 1
        with rig.units.begin_sign_in() as unit:
            assert not isinstance(sign_in(SignIn(email, accepted[0], "192.0.2.1"), unit=unit), SignInRefused)


def test_the_log_does_not_tell_an_owner_whether_the_invited_person_has_an_account(rig: Rig, owners: list[Actor]) -> None:
    known = a_member(rig, "known@example.com", Role.AUDITOR)
    stranger = owners[1]
    invited(rig, stranger, "known@example.com")
    with rig.units.begin(stranger.tenant_id) as unit:
        entry = list_audit(stranger, Page(limit=1), unit=unit, action="access.invite_member")[0]
    assert str(known.user_id) not in str(entry.as_json())


def taken(rig: Rig, owner: Actor, token: str) -> Actor | SignInRefused:
    with rig.units.begin(owner.tenant_id) as unit:
        return accept_invitation(AcceptInvitation(token, PASSWORD, source="192.0.2.1"), unit=unit)


def test_a_removed_member_does_not_come_back_by_an_older_invitation(rig: Rig, owners: list[Actor]) -> None:
    owner = owners[0]
    spare = invited(rig, owner, "leaver@example.com")
    member = a_member(rig, "leaver@example.com", Role.OWNER)
    for_a_friend = invited(rig, member, "friend@example.com")
    elsewhere = invited(rig, owners[1], "leaver@example.com")
    with rig.units.begin(owner.tenant_id) as unit:
        remove_member(owner, member.user_id, unit=unit)
    for token in (spare, for_a_friend):
        with pytest.raises(InvitationInvalid):
            taken(rig, owner, token)
    assert isinstance(taken(rig, owners[1], elsewhere), Actor)


def test_a_member_who_is_given_fewer_roles_does_not_get_them_back_by_an_older_invitation(rig: Rig, owners: list[Actor]) -> None:
    owner = owners[0]
    member = a_member(rig, "demoted@example.com", Role.OWNER)
    with rig.units.begin(owner.tenant_id) as unit:
        spare = invite_member(owner, InviteMember("demoted@example.com", "Somebody", frozenset({Role.OWNER})), unit=unit)
    for_a_friend = invited(rig, member, "friend-of-demoted@example.com")
    with rig.units.begin(owner.tenant_id) as unit:
        change_roles(owner, member.user_id, frozenset({Role.AUDITOR}), unit=unit)
    for token in (spare, for_a_friend):
        with pytest.raises(InvitationInvalid):
            taken(rig, owner, token)
