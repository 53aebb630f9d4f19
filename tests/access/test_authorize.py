# SPDX-License-Identifier: Apache-2.0
"""The table of permissions: deny by default, foreign things do not exist, every action has a line."""

from __future__ import annotations

import itertools

import pytest

from muniment.access.errors import NotFound, NotPermitted, UnknownAction, UnknownRole
from muniment.access.model import PERMITTED, Action, Role, authorize, parse_action, parse_role, permits, system_actor
from muniment.units.ids import TenantId, new_id
from tests.access.unit import NOON, an_actor

HERE, ELSEWHERE = TenantId(new_id(NOON)), TenantId(new_id(NOON))


@pytest.mark.parametrize(("role", "action"), list(itertools.product(Role, Action)))
def test_a_role_permits_what_its_line_says_and_nothing_else(role: Role, action: Action) -> None:
    actor = an_actor(HERE, role)
    if role in PERMITTED[action]:
        authorize(actor, action, tenant_id=HERE)
    else:
        with pytest.raises(NotPermitted):
            authorize(actor, action, tenant_id=HERE)


@pytest.mark.parametrize("action", list(Action))
def test_a_foreign_thing_does_not_exist_even_for_an_owner(action: Action) -> None:
    with pytest.raises(NotFound):
        authorize(an_actor(HERE, *Role), action, tenant_id=ELSEWHERE)


@pytest.mark.parametrize("action", list(Action))
def test_nobody_without_a_role_may_do_anything(action: Action) -> None:
    assert not permits(an_actor(HERE), action)
    assert not permits(system_actor(HERE), action)


def test_every_action_has_a_line_and_says_its_context() -> None:
    assert set(PERMITTED) == set(Action)
    for action in Action:
        context, _, verb = action.value.partition(".")
        assert action.name == f"{context}_{verb}".upper()


def test_an_investor_sees_no_register_and_no_other_investor() -> None:
    allowed = an_actor(HERE, Role.INVESTOR).actions
    assert allowed == {Action.ACCESS_VIEW_ORGANISATION, Action.INSTRUMENTS_VIEW}


def test_an_auditor_changes_nothing_and_sees_no_personal_data() -> None:
    reading = {"view_organisation", "view_members", "view_approvals", "view_audit", "view", "check", "rebuild", "reconcile", "export"}
    assert {action.value.partition(".")[2] for action in an_actor(HERE, Role.AUDITOR).actions} <= reading


def test_several_roles_permit_what_each_permits() -> None:
    both = an_actor(HERE, Role.AUDITOR, Role.INVESTOR)
    assert both.actions == an_actor(HERE, Role.AUDITOR).actions | an_actor(HERE, Role.INVESTOR).actions


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownRole):
        parse_role("Owner")
    with pytest.raises(UnknownAction):
        parse_action("settlement.print_money")
