# SPDX-License-Identifier: Apache-2.0
"""Titles to unique assets: who may issue, hold, hand over, and what a lien holds back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import NO, YES, ZERO, Chain, Contract, refused
from tests.contracts.world import World

CAR = b"\xca" * 32
CAR_ID = int.from_bytes(CAR, "big")
LIEN, SECOND_LIEN = b"lien 1".ljust(32, b"\0"), b"lien 2".ljust(32, b"\0")
URI = "https://example.org/car.json"


@dataclass
class Titles:
    """Titles that only the world's investors may hold; ann holds the car."""

    world: World
    deed: Contract
    agent: str
    ann: str
    bob: str

    def why_not(self, sender: str, receiver: str, token_id: int = CAR_ID) -> int:
        return self.deed.view("check_transfer", sender, receiver, token_id)[0]


@pytest.fixture
def titles(world: World) -> Titles:
    deed = world.chain.deploy("title_deed", sender=world.owner)
    deed.fn("initialize", world.registry.address, "Titles", "TTL", sender=world.owner)
    deed.fn("addAgent", world.agent, sender=world.owner)
    made = Titles(world, deed, world.agent, world.register("ann"), world.register("bob"))
    deed.fn("mint", made.ann, CAR, URI, sender=world.agent)
    return made


def moved(sender: str, receiver: str, token_id: int = CAR_ID) -> DecodedLog:
    return DecodedLog("Transfer", {"sender": sender, "receiver": receiver, "token_id": token_id})


def test_a_title_is_issued_once_for_an_asset(titles: Titles) -> None:
    deed, ann = titles.deed, titles.ann
    assert (deed.view("ownerOf", CAR_ID), deed.view("balanceOf", ann), deed.view("tokenURI", CAR_ID)) == (ann, 1, URI)
    assert (deed.view("name"), deed.view("symbol")) == ("Titles", "TTL")
    done = deed.fn("mint", titles.bob, b"\1" * 32, "", sender=titles.agent)
    assert (done.answer, done.logs) == (int.from_bytes(b"\1" * 32, "big"), [moved(ZERO, titles.bob, done.answer)])
    for arguments, reason in (
        ((titles.bob, CAR, ""), "title: asset already has a title"),
        ((titles.bob, b"\0" * 32, ""), "title: asset id is zero"),
        ((ZERO, b"\2" * 32, ""), "title: receiver is the zero address"),
        ((titles.world.person("stranger"), b"\2" * 32, ""), "Identity is not verified."),
    ):
        with refused(reason):
            deed.fn("mint", *arguments, sender=titles.agent)
        assert titles.why_not(ZERO, arguments[0], int.from_bytes(arguments[1], "big")) != 0


def test_a_holder_hands_the_title_over(titles: Titles) -> None:
    deed, ann, bob = titles.deed, titles.ann, titles.bob
    assert titles.why_not(ann, bob) == 0
    assert deed.fn("transferFrom", ann, bob, CAR_ID, sender=ann).logs == [moved(ann, bob)]
    assert (deed.view("ownerOf", CAR_ID), deed.view("balanceOf", ann), deed.view("balanceOf", bob)) == (bob, 0, 1)
    with refused("title: caller may not transfer"):
        deed.fn("transferFrom", bob, ann, CAR_ID, sender=ann)
    with refused("title: sender is not the holder"):
        deed.fn("transferFrom", ann, bob, CAR_ID, sender=bob)
    assert titles.why_not(ann, bob) == 30
    deed.fn("transferFrom", bob, bob, CAR_ID, sender=bob)
    assert deed.view("balanceOf", bob) == 1


def test_the_receiver_must_be_an_investor_where_there_is_a_registry(titles: Titles) -> None:
    deed, ann, stranger = titles.deed, titles.ann, titles.world.person("stranger")
    assert titles.why_not(ann, stranger) == 10
    with refused("Identity is not verified."):
        deed.fn("transferFrom", ann, stranger, CAR_ID, sender=ann)
    done = deed.fn("set_identity_registry", ZERO, sender=titles.world.owner)
    assert done.logs == [DecodedLog("IdentityRegistrySet", {"identity_registry": ZERO})]
    assert titles.why_not(ann, ZERO) == 32
    with refused("title: receiver is the zero address"):
        deed.fn("transferFrom", ann, ZERO, CAR_ID, sender=ann)
    deed.fn("transferFrom", ann, stranger, CAR_ID, sender=ann)
    assert deed.view("ownerOf", CAR_ID) == stranger


def test_a_permission_serves_once_and_an_operator_always(titles: Titles) -> None:
    deed, ann, bob, broker = titles.deed, titles.ann, titles.bob, titles.world.person("broker")
    done = deed.fn("approve", broker, CAR_ID, sender=ann)
    assert done.logs == [DecodedLog("Approval", {"owner": ann, "approved": broker, "token_id": CAR_ID})]
    assert deed.view("getApproved", CAR_ID) == broker
    deed.fn("transferFrom", ann, bob, CAR_ID, sender=broker)
    assert deed.view("getApproved", CAR_ID) == ZERO
    with refused("title: caller may not transfer"):
        deed.fn("transferFrom", bob, ann, CAR_ID, sender=broker)
    with refused("title: caller may not approve"):
        deed.fn("approve", broker, CAR_ID, sender=broker)
    done = deed.fn("setApprovalForAll", broker, YES, sender=bob)
    assert done.logs == [DecodedLog("ApprovalForAll", {"owner": bob, "operator": broker, "approved": True})]
    deed.fn("approve", ann, CAR_ID, sender=broker)
    deed.fn("transferFrom", bob, ann, CAR_ID, sender=broker)
    assert (deed.view("ownerOf", CAR_ID), deed.view("isApprovedForAll", bob, broker)) == (ann, True)


def test_a_lien_holds_the_title_until_it_is_released(titles: Titles) -> None:
    deed, ann, bob, bank = titles.deed, titles.ann, titles.bob, titles.world.person("bank")
    lien = {"token_id": CAR_ID, "lien_id": LIEN, "lienholder": bank}
    assert deed.fn("place_lien", CAR_ID, LIEN, bank, sender=titles.agent).logs == [DecodedLog("LienPlaced", lien)]
    deed.fn("place_lien", CAR_ID, SECOND_LIEN, bob, sender=titles.agent)
    assert (deed.view("liens", CAR_ID), deed.view("lienholder", CAR_ID, LIEN)) == ((LIEN, SECOND_LIEN), bank)
    assert deed.view("check_transfer", ann, bob, CAR_ID) == (31, 2)
    with refused("title: lien is active"):
        deed.fn("transferFrom", ann, bob, CAR_ID, sender=ann)
    with refused("title: lien is active"):
        deed.fn("burn", CAR_ID, sender=titles.agent)
    with refused("title: caller is neither lienholder nor agent"):
        deed.fn("release_lien", CAR_ID, LIEN, sender=ann)
    assert deed.fn("release_lien", CAR_ID, LIEN, sender=bank).logs == [DecodedLog("LienReleased", lien)]
    with refused("title: lien is active"):
        deed.fn("transferFrom", ann, bob, CAR_ID, sender=ann)
    deed.fn("release_lien", CAR_ID, SECOND_LIEN, sender=titles.agent)
    with refused("title: no such lien"):
        deed.fn("release_lien", CAR_ID, LIEN, sender=bank)
    deed.fn("transferFrom", ann, bob, CAR_ID, sender=ann)
    assert (deed.view("ownerOf", CAR_ID), deed.view("liens", CAR_ID), deed.view("lienholder", CAR_ID, LIEN)) == (bob, (), ZERO)


def test_liens_without_sense_are_refused(titles: Titles) -> None:
    deed, bank, agent = titles.deed, titles.world.person("bank"), titles.agent
    for each in range(16):
        deed.fn("place_lien", CAR_ID, each.to_bytes(32, "big"), bank, sender=agent)
    for arguments, reason in (
        ((CAR_ID, b"\0" * 32, bank), "title: lien is already placed"),
        ((CAR_ID, LIEN, bank), "title: too many liens"),
        ((CAR_ID, LIEN, ZERO), "title: lienholder is the zero address"),
        ((CAR_ID + 1, LIEN, bank), "title: no such title"),
    ):
        with refused(reason):
            deed.fn("place_lien", *arguments, sender=agent)


def test_an_agent_moves_a_title_whatever_holds_it(titles: Titles) -> None:
    deed, ann, bob, agent = titles.deed, titles.ann, titles.bob, titles.agent
    deed.fn("place_lien", CAR_ID, LIEN, bob, sender=agent)
    deed.fn("set_address_frozen", ann, YES, sender=agent)
    deed.fn("pause", sender=agent)
    deed.fn("approve", bob, CAR_ID, sender=ann)
    done = deed.fn("forcedTransfer", ann, bob, CAR_ID, sender=agent)
    assert done.logs == [moved(ann, bob), DecodedLog("ForcedTransfer", {"sender": ann, "receiver": bob, "token_id": CAR_ID})]
    assert (deed.view("liens", CAR_ID), deed.view("getApproved", CAR_ID)) == ((LIEN,), ZERO)
    for arguments, reason in (
        ((ann, bob, CAR_ID), "title: sender is not the holder"),
        ((bob, ZERO, CAR_ID), "title: receiver is the zero address"),
        ((bob, titles.world.person("stranger"), CAR_ID), "Identity is not verified."),
        ((ann, bob, CAR_ID + 1), "title: no such title"),
    ):
        with refused(reason):
            deed.fn("forcedTransfer", *arguments, sender=agent)


def test_a_pause_and_a_freeze_stop_holders(titles: Titles) -> None:
    deed, ann, bob, agent = titles.deed, titles.ann, titles.bob, titles.agent
    assert deed.fn("pause", sender=agent).logs == [DecodedLog("Paused", {"agent": agent})]
    assert titles.why_not(ann, bob) == 1
    with refused("Pausable: paused"):
        deed.fn("transferFrom", ann, bob, CAR_ID, sender=ann)
    with refused("Pausable: paused"):
        deed.fn("pause", sender=agent)
    assert deed.fn("unpause", sender=agent).logs == [DecodedLog("Unpaused", {"agent": agent})]
    with refused("Pausable: not paused"):
        deed.fn("unpause", sender=agent)
    for frozen, code in ((ann, 2), (bob, 3)):
        done = deed.fn("set_address_frozen", frozen, YES, sender=agent)
        assert done.logs == [DecodedLog("AddressFrozen", {"wallet": frozen, "is_frozen": True, "agent": agent})]
        assert titles.why_not(ann, bob) == code
        with refused("wallet is frozen"):
            deed.fn("transferFrom", ann, bob, CAR_ID, sender=ann)
        deed.fn("set_address_frozen", frozen, NO, sender=agent)
    deed.fn("transferFrom", ann, bob, CAR_ID, sender=ann)


def test_a_title_ends_and_its_asset_may_get_a_new_one(titles: Titles) -> None:
    deed, ann, agent = titles.deed, titles.ann, titles.agent
    deed.fn("set_token_uri", CAR_ID, "https://example.org/2.json", sender=agent)
    assert deed.view("tokenURI", CAR_ID) == "https://example.org/2.json"
    deed.fn("approve", titles.bob, CAR_ID, sender=ann)
    assert deed.fn("burn", CAR_ID, sender=agent).logs == [moved(ann, ZERO)]
    assert (deed.view("balanceOf", ann), deed.view("liens", CAR_ID)) == (0, ())
    gone = "title: no such title"
    for view in ("ownerOf", "getApproved", "tokenURI"):
        with refused(gone):
            deed.view(view, CAR_ID)
    for act, arguments in (
        ("burn", [CAR_ID]),
        ("set_token_uri", [CAR_ID, ""]),
        ("approve", [ann, CAR_ID]),
        ("transferFrom", [ann, titles.bob, CAR_ID]),
    ):
        with refused(gone):
            deed.fn(act, *arguments, sender=agent)
    deed.fn("mint", titles.bob, CAR, "", sender=agent)
    assert (deed.view("getApproved", CAR_ID), deed.view("tokenURI", CAR_ID)) == (ZERO, "")


RECEIVER = """
# pragma version 0.4.3
seen: public(Bytes[1024])

@external
def onERC721Received(operator: address, sender: address, token_id: uint256, data: Bytes[1024]) -> bytes4:
    self.seen = data
    return {}
"""


def test_a_contract_must_say_that_it_knows_how_to_hold_a_title(titles: Titles, chain: Chain) -> None:
    deed, ann = titles.deed, titles.ann
    deed.fn("set_identity_registry", ZERO, sender=titles.world.owner)
    knows = chain.deploy_vyper(RECEIVER.format("0x150b7a02"), sender=ann)
    knows_not = chain.deploy_vyper(RECEIVER.format("0x00000000"), sender=ann)
    with refused("title: receiver refuses"):
        deed.fn("safeTransferFrom", ann, knows_not, CAR_ID, sender=ann)
    deed.fn("safeTransferFrom", ann, titles.bob, CAR_ID, sender=ann)
    deed.fn("safeTransferFrom", titles.bob, knows, CAR_ID, b"hello", sender=titles.bob)
    assert deed.view("ownerOf", CAR_ID) == knows


AGENT_ACTS: list[tuple[str, list[Any]]] = [
    ("mint", [ZERO, CAR, ""]),
    ("burn", [CAR_ID]),
    ("place_lien", [CAR_ID, LIEN, ZERO]),
    ("forcedTransfer", [ZERO, ZERO, CAR_ID]),
    ("set_address_frozen", [ZERO, True]),
    ("set_token_uri", [CAR_ID, ""]),
    ("pause", []),
    ("unpause", []),
]
OWNER_ACTS: list[tuple[str, list[Any]]] = [
    ("initialize", [ZERO, "a", "b"]),
    ("set_identity_registry", [ZERO]),
    ("addAgent", [ZERO]),
    ("removeAgent", [ZERO]),
    ("transferOwnership", [ZERO]),
]
HOLDERS_ACTS = {"approve", "setApprovalForAll", "transferFrom", "safeTransferFrom", "release_lien"}


@pytest.mark.parametrize(("act", "arguments"), AGENT_ACTS)
def test_only_an_agent_may(titles: Titles, act: str, arguments: list[Any]) -> None:
    with refused("AgentRole: caller does not have the Agent role"):
        titles.deed.fn(act, *arguments, sender=titles.world.owner)


@pytest.mark.parametrize(("act", "arguments"), OWNER_ACTS)
def test_only_the_owner_may(titles: Titles, act: str, arguments: list[Any]) -> None:
    with refused("Ownable: caller is not the owner"):
        titles.deed.fn(act, *arguments, sender=titles.agent)


def test_every_act_is_walked_for_its_role() -> None:
    acts = {
        function.name for named in contract_artifacts.load("title_deed").functions.values() for function in named if not function.is_view
    }
    assert acts == {act for act, _ in AGENT_ACTS + OWNER_ACTS} | HOLDERS_ACTS


def test_titles_are_named_once_and_declare_their_interfaces(titles: Titles, chain: Chain) -> None:
    owner = titles.world.owner
    with refused("Initializable: contract is already initialized"):
        titles.deed.fn("initialize", ZERO, "a", "b", sender=owner)
    fresh = chain.deploy("title_deed", sender=owner)
    for name, symbol in (("", "b"), ("a", "")):
        with refused("invalid argument - empty string"):
            fresh.fn("initialize", ZERO, name, symbol, sender=owner)
    for interface in (0x01FFC9A7, 0x80AC58CD, 0x5B5E139F, 0x7F5828D0):
        assert fresh.view("supportsInterface", interface.to_bytes(4, "big")) is True
    assert fresh.view("supportsInterface", b"\xff" * 4) is False
