# SPDX-License-Identifier: Apache-2.0
"""The platform's contracts and its test money: brought once, given once for a purpose, and only on a local chain."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from muniment.app.platform import NotALocalChain, give_test_money, needs_platform, open_platform
from muniment.app.wiring import Units
from muniment.infra.jobs import Done
from muniment.instruments.process import PLATFORM_ARTIFACTS
from muniment.units.money import Money
from tests.app.command_line import CommandLine
from tests.flows.stand import balances, wait_for

pytestmark = [pytest.mark.slow]


def test_opening_an_open_platform_changes_nothing(command_line: CommandLine) -> None:
    units = command_line.stand.units
    with units.begin_platform() as unit:
        before = dict(unit.suites.platform_contracts())
    assert not needs_platform(units)
    assert set(PLATFORM_ARTIFACTS) <= set(before)
    assert isinstance(open_platform(units), Done)
    with units.begin_platform() as unit:
        assert dict(unit.suites.platform_contracts()) == before


def test_test_money_is_given_once_for_a_purpose(command_line: CommandLine) -> None:
    units, desk = command_line.stand.units, command_line.filling.desk
    with units.begin(desk.tenant_id) as unit:
        suite = unit.suites.suite()
    assert suite is not None, "the organisation has a security"
    token = command_line.filling.payment_token
    before = balances(units, token, [suite.operator])[suite.operator]
    purpose, amount = str(uuid4()), Money.parse("3.21", "USD")
    gifts = [give_test_money(units, desk.tenant_id, amount, purpose=purpose) for _ in range(2)]
    assert gifts[0].transaction.hash == gifts[1].transaction.hash
    assert {gift.receiver for gift in gifts} == {suite.operator}

    def closed() -> bool:
        with units.begin_platform() as unit:
            return bool(unit.transactions.get(gifts[0].transaction.id).is_closed)

    wait_for(closed, "the test money")
    assert balances(units, token, [suite.operator])[suite.operator] - before == 3_210_000, "six decimals of the token, two of the dollar"


def test_there_is_no_test_money_where_development_keys_are_not_allowed(command_line: CommandLine) -> None:
    elsewhere = Units(replace(command_line.stand.units.backend, development_keys_allowed=False))
    with pytest.raises(NotALocalChain):
        give_test_money(elsewhere, command_line.filling.desk.tenant_id, Money.parse("1.00", "USD"), purpose=str(uuid4()))
