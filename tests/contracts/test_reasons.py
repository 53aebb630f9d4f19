# SPDX-License-Identifier: Apache-2.0
"""The published table of reasons: complete, and true of what the chain answers and of how it reverts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import Reason
from tests.contracts.chain import YES, ZERO, refused
from tests.contracts.world import ALLOW_LISTED, BLOCK_LISTED, FRANCE, IRAN, World

SOURCES = Path(__file__).parents[2] / "contracts"
# The numbers stand as constants under one heading in each source.
_HEADING = "# The answers, as contracts/reasons.json publishes them"
_CONSTANT = re.compile(r"^\w+: constant\(uint256\) = (\d+)$", re.MULTILINE)
PUBLISHING = {
    "security_token": ("token/security_token.vy", "compliance/token_rules.vy", "compliance/transfer_rules.vy"),
    "title_deed": ("title/title_deed.vy",),
}


def numbers_in(source: str) -> set[int]:
    text = (SOURCES / source).read_text(encoding="utf-8")
    block = text.split(_HEADING, 1)[1].split("\n\n", 1)[0]
    return {int(number) for number in _CONSTANT.findall(block)} - {0}


@pytest.mark.parametrize("contract", sorted(PUBLISHING))
def test_every_number_that_a_contract_answers_is_published_and_no_other(contract: str) -> None:
    published = [row.chain_code for row in contract_artifacts.reasons() if row.contract == contract]
    assert len(published) == len(set(published))
    assert set(published) == set[int]().union(*(numbers_in(source) for source in PUBLISHING[contract]))


@pytest.mark.parametrize("row", contract_artifacts.reasons(), ids=lambda row: f"{row.contract}-{row.code}")
def test_every_text_of_the_table_stands_in_the_source_that_reverts_with_it(row: Reason) -> None:
    assert f'"{row.revert}"' in (SOURCES / PUBLISHING[row.contract][0]).read_text(encoding="utf-8")
    assert re.fullmatch(r"(settlement|compliance)\.[a-z_]+", row.code)
    assert contract_artifacts.reason(row.contract, row.chain_code) == row


def test_an_unpublished_number_is_no_reason() -> None:
    with pytest.raises(KeyError, match="publishes no reason 99"):
        contract_artifacts.reason("security_token", 99)


# One way into each reason: arranges the world and says whose transfer of one share is refused.
def paused(world: World) -> tuple[str, str]:
    world.token.fn("pause", sender=world.agent)
    return world.holder("ann", 10), world.register("bob")


def sender_frozen(world: World) -> tuple[str, str]:
    ann = world.holder("ann", 10)
    world.token.fn("setAddressFrozen", ann, YES, sender=world.agent)
    return ann, world.register("bob")


def receiver_frozen(world: World) -> tuple[str, str]:
    ann, bob = world.holder("ann", 10), world.register("bob")
    world.token.fn("setAddressFrozen", bob, YES, sender=world.agent)
    return ann, bob


def insufficient_balance(world: World) -> tuple[str, str]:
    return world.register("ann"), world.register("bob")


def lockup_active(world: World) -> tuple[str, str]:
    ann = world.holder("ann", 10)
    world.token.fn("lock", ann, 10, world.chain.now + 1, sender=world.agent)
    return ann, world.register("bob")


def receiver_not_verified(world: World) -> tuple[str, str]:
    return world.holder("ann", 10), world.person("stranger")


def not_bound(world: World) -> tuple[str, str]:
    ann, bob = world.holder("ann", 10), world.register("bob")
    world.compliance.fn("unbindToken", world.token.address, sender=world.owner)
    return ann, bob


def country_not_allowed(world: World) -> tuple[str, str]:
    world.set_countries(ALLOW_LISTED, [276])
    return world.holder("ann", 10), world.register("bob", country=FRANCE)


def country_blocked(world: World) -> tuple[str, str]:
    world.set_countries(BLOCK_LISTED, [IRAN])
    return world.holder("ann", 10), world.register("bob", country=IRAN)


def maximum_balance(world: World) -> tuple[str, str]:
    world.set_rules(maximum_balance=10)
    return world.holder("ann", 10), world.holder("bob", 10)


def supply_cap(world: World) -> tuple[str, str]:
    world.set_rules(supply_cap=10)
    return ZERO, world.holder("ann", 10)


def holder_cap(world: World) -> tuple[str, str]:
    world.set_rules(holder_cap=1)
    return world.holder("ann", 10), world.register("bob")


def supply_too_large(world: World) -> tuple[str, str]:
    return ZERO, world.holder("ann", 2**96 - 1)


WAYS: list[Callable[[World], tuple[str, str]]] = [
    paused,
    sender_frozen,
    receiver_frozen,
    insufficient_balance,
    lockup_active,
    receiver_not_verified,
    not_bound,
    country_not_allowed,
    country_blocked,
    maximum_balance,
    supply_cap,
    holder_cap,
    supply_too_large,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_answer_beforehand_names_the_reason_and_the_act_reverts_with_its_text(
    world: World, way: Callable[[World], tuple[str, str]]
) -> None:
    sender, receiver = way(world)
    row = contract_artifacts.reason("security_token", world.why_not(sender, receiver, 1))
    assert row.code.split(".")[1] == way.__name__
    with refused(row.revert):
        if sender == ZERO:
            world.token.fn("mint", receiver, 1, sender=world.agent)
        else:
            world.token.fn("transfer", receiver, 1, sender=sender)


def test_every_published_reason_of_a_transfer_has_a_way_into_it() -> None:
    # A foreign compliance contract's no is provoked in test_compliance, those of the further rules (40 to 59) in test_transfer_rules.
    reached = {way.__name__ for way in WAYS} | {"refused"}
    rows = [row for row in contract_artifacts.reasons() if row.contract == "security_token" and not 40 <= row.chain_code < 60]
    assert reached == {row.code.split(".")[1] for row in rows}
