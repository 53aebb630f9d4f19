# SPDX-License-Identifier: Apache-2.0
"""`muniment verify`: equal and exit 0, or the differing rows and exit 1; what is changed by hand is in `tests/flows/test_demo`."""

from __future__ import annotations

import pytest

from tests.app.command_line import ORGANISATION, CommandLine
from tests.flows.tampering import Change, changed

pytestmark = [pytest.mark.slow]


def test_a_register_is_named_by_symbol_by_id_and_by_its_issuer(command_line: CommandLine) -> None:
    for arguments in (
        (command_line.symbol,),
        (str(command_line.filling.security_id),),
        (command_line.symbol, "--organisation", ORGANISATION),
    ):
        ended = command_line.run("verify", "register", *arguments, "--json")
        assert (ended.code, ended.told["equal"]) == (0, True)
        assert ended.told["security_id"] == str(command_line.filling.security_id)
    assert command_line.run("verify", "register", command_line.symbol).out.startswith(
        f"equal: the register of {command_line.symbol} at block "
    )


def test_a_register_of_another_issuer_is_not_found(command_line: CommandLine) -> None:
    ended = command_line.run("verify", "register", command_line.symbol, "--organisation", "Second Issuer Ltd", "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "app.no_such_security")


def test_an_asset_and_a_distribution_are_proved(command_line: CommandLine) -> None:
    ended = command_line.run("verify", "asset", command_line.filling.vehicle_asset_id, "--json")
    assert (ended.code, ended.told["equal"]) == (0, True)
    ended = command_line.run("verify", "distribution", str(command_line.filling.dividend_id))
    assert ended.code == 0
    assert ended.out.startswith("equal: distribution ")


def test_a_differing_row_is_shown_to_people_and_ends_with_1(command_line: CommandLine) -> None:
    with changed(command_line.stand.owner_url, Change("register.holding", "shares = shares + 1", "shares > 100")):
        ended = command_line.run("verify", "register", str(command_line.filling.security_id))
    assert ended.code == 1
    assert ended.out.startswith("DIFFERENT: ")
    assert len(ended.out.splitlines()) > 1
