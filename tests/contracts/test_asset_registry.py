# SPDX-License-Identifier: Apache-2.0
"""Which assets exist, who answers for them, what is anchored to them."""

from __future__ import annotations

from typing import Any

import pytest

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import ZERO, Chain, Contract, refused

ASSET, OTHER = b"\xa5" * 32, b"\xa6" * 32
DEED, SNAPSHOT = b"deed".ljust(32, b"\0"), b"snapshot".ljust(32, b"\0")
DIGEST, DIGEST_2 = b"\xd1" * 32, b"\xd2" * 32
NOT_ALLOWED = "assets: caller is neither controller nor agent"


@pytest.fixture
def agent(chain: Chain) -> str:
    return chain.account("registrar")


@pytest.fixture
def controller(chain: Chain) -> str:
    return chain.account("controller")


@pytest.fixture
def registry(chain: Chain, agent: str, controller: str) -> Contract:
    owner = chain.account("platform")
    contract = chain.deploy("asset_registry", sender=owner)
    contract.fn("initialize", sender=owner)
    contract.fn("addAgent", agent, sender=owner)
    contract.fn("register_asset", ASSET, controller, sender=agent)
    return contract


def test_an_asset_is_registered_once_by_a_registrar(chain: Chain, registry: Contract, agent: str, controller: str) -> None:
    assert registry.view("asset", ASSET) == (controller, chain.now, False)
    assert (registry.view("is_registered", ASSET), registry.view("is_registered", OTHER)) == (True, False)
    done = registry.fn("register_asset", OTHER, controller, sender=agent)
    assert done.logs == [DecodedLog("AssetRegistered", {"asset_id": OTHER, "controller": controller})]
    for arguments, reason in (
        ((ASSET, controller), "assets: asset is already registered"),
        ((b"\0" * 32, controller), "assets: asset id is zero"),
        ((b"\1" * 32, ZERO), "assets: controller is the zero address"),
    ):
        with refused(reason):
            registry.fn("register_asset", *arguments, sender=agent)
    with refused("AgentRole: caller does not have the Agent role"):
        registry.fn("register_asset", b"\1" * 32, controller, sender=controller)
    with refused("assets: asset is not registered"):
        registry.view("asset", b"\1" * 32)


def test_an_asset_changes_hands_between_controllers(chain: Chain, registry: Contract, controller: str) -> None:
    new = chain.account("new controller")
    with refused("assets: controller is the zero address"):
        registry.fn("set_controller", ASSET, ZERO, sender=controller)
    done = registry.fn("set_controller", ASSET, new, sender=controller)
    assert done.logs == [DecodedLog("ControllerChanged", {"asset_id": ASSET, "controller": new})]
    with refused(NOT_ALLOWED):
        registry.fn("set_controller", ASSET, controller, sender=controller)


def test_one_token_stands_for_one_asset(chain: Chain, registry: Contract, agent: str, controller: str) -> None:
    token = chain.account("token")
    with refused("assets: token is the zero address"):
        registry.fn("link_token", ASSET, ZERO, sender=controller)
    done = registry.fn("link_token", ASSET, token, sender=controller)
    assert done.logs == [DecodedLog("TokenLinked", {"asset_id": ASSET, "token": token})]
    assert (registry.view("token_of", ASSET), registry.view("asset_of", token)) == (token, ASSET)
    with refused("assets: asset already has a token"):
        registry.fn("link_token", ASSET, chain.account("other token"), sender=agent)
    registry.fn("register_asset", OTHER, controller, sender=agent)
    with refused("assets: token already has an asset"):
        registry.fn("link_token", OTHER, token, sender=agent)


def test_a_retired_asset_takes_only_its_last_papers(registry: Contract, agent: str, controller: str) -> None:
    done = registry.fn("retire_asset", ASSET, sender=controller)
    assert done.logs == [DecodedLog("AssetRetired", {"asset_id": ASSET})]
    assert (registry.view("asset", ASSET)[2], registry.view("is_retired", ASSET)) == (True, True)
    acts: list[tuple[str, list[Any]]] = [("set_controller", [controller]), ("link_token", [controller]), ("retire_asset", [])]
    for act, arguments in acts:
        with refused("assets: asset is retired"):
            registry.fn(act, ASSET, *arguments, sender=agent)
    registry.fn("anchor", ASSET, DEED, DIGEST, sender=controller)


def test_digests_are_anchored_in_order_and_once(chain: Chain, registry: Contract, agent: str, controller: str) -> None:
    done = registry.fn("anchor", ASSET, DEED, DIGEST, sender=controller)
    assert done.answer == 1
    assert done.logs == [DecodedLog("Anchored", {"subject": ASSET, "kind": DEED, "digest": DIGEST, "position": 1})]
    first_at = chain.now
    chain.pass_time(60)
    assert registry.fn("anchor", ASSET, DEED, DIGEST_2, sender=agent).answer == 2
    assert registry.fn("anchor", ASSET, SNAPSHOT, DIGEST, sender=agent).answer == 1
    assert (registry.view("anchor_count", ASSET, DEED), registry.view("anchored_at", ASSET, DEED, DIGEST)) == (2, first_at)
    assert registry.view("anchor_at", ASSET, DEED, 2) == (DIGEST_2, chain.now)
    assert registry.view("anchored_at", ASSET, DEED, b"\1" * 32) == 0
    for position in (0, 3):
        with refused("assets: no such anchor"):
            registry.view("anchor_at", ASSET, DEED, position)
    with refused("assets: digest is already anchored"):
        registry.fn("anchor", ASSET, DEED, DIGEST, sender=agent)
    with refused("assets: digest is zero"):
        registry.fn("anchor", ASSET, DEED, b"\0" * 32, sender=agent)


def test_only_an_agent_anchors_to_what_is_no_asset(chain: Chain, registry: Contract, agent: str, controller: str) -> None:
    audit = b"audit log".ljust(32, b"\0")
    for caller in (controller, chain.account("stranger")):
        with refused(NOT_ALLOWED):
            registry.fn("anchor", audit, SNAPSHOT, DIGEST, sender=caller)
    registry.fn("anchor", audit, SNAPSHOT, DIGEST, sender=agent)


def test_many_are_anchored_at_once_under_the_same_rights(registry: Contract, agent: str, controller: str) -> None:
    registry.fn("anchor_batch", [ASSET, ASSET], [DEED, DEED], [DIGEST, DIGEST_2], sender=controller)
    assert registry.view("anchor_count", ASSET, DEED) == 2
    with refused(NOT_ALLOWED):
        registry.fn("anchor_batch", [ASSET, OTHER], [DEED, DEED], [b"\1" * 32, b"\2" * 32], sender=controller)
    assert registry.view("anchored_at", ASSET, DEED, b"\1" * 32) == 0
    lists: list[list[Any]] = [[ASSET], [DEED], [b"\3" * 32]]
    for short in range(3):
        with refused("assets: lists differ in length"):
            registry.fn("anchor_batch", *[[] if place == short else each for place, each in enumerate(lists)], sender=agent)


def test_a_stranger_may_not(chain: Chain, registry: Contract) -> None:
    stranger = chain.account("stranger")
    walked = {"register_asset", "anchor_batch"}
    nothing: list[Any] = []
    for act, arguments, reason in (
        ("set_controller", [ASSET, stranger], NOT_ALLOWED),
        ("link_token", [ASSET, stranger], NOT_ALLOWED),
        ("retire_asset", [ASSET], NOT_ALLOWED),
        ("set_controller", [OTHER, stranger], "assets: asset is not registered"),
        ("anchor", [ASSET, DEED, DIGEST], NOT_ALLOWED),
        ("addAgent", [stranger], "Ownable: caller is not the owner"),
        ("removeAgent", [stranger], "Ownable: caller is not the owner"),
        ("transferOwnership", [stranger], "Ownable: caller is not the owner"),
        ("initialize", nothing, "Initializable: contract is already initialized"),
    ):
        walked.add(act)
        with refused(reason):
            registry.fn(act, *arguments, sender=stranger)
    named = contract_artifacts.load("asset_registry").functions.values()
    assert walked == {function.name for functions in named for function in functions if not function.is_view}
