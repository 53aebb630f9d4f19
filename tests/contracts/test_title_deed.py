# SPDX-License-Identifier: Apache-2.0
"""Titles to unique assets: who may issue, hold, hand over, and what a lien holds back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import eth_abi
import pytest
from eth_hash.auto import keccak

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
        code = self.deed.view("check_transfer", sender, receiver, token_id)[0]
        if sender != ZERO:
            assert self.deed.view("canTransfer", sender, receiver, token_id) is (code == 0)
        return code


def cannot_receive(account: str) -> str:
    """Return the whole of ERC7943CannotReceive(account), as it comes back."""
    return "0x" + (keccak(b"ERC7943CannotReceive(address)")[:4] + eth_abi.encode(["address"], [account])).hex()


@pytest.fixture
def titles(world: World) -> Titles:
    deed = world.chain.deploy("title_deed", sender=world.owner)
    deed.fn("initialize", sender=world.owner)
    deed.fn("set_name", "Titles", "TTL", sender=world.owner)
    deed.fn("set_identity_registry", world.registry.address, sender=world.owner)
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
    frozen = titles.world.register("frozen")
    deed.fn("set_address_frozen", frozen, YES, sender=titles.agent)
    for arguments, reason in (
        ((titles.bob, CAR, ""), "title: asset already has a title"),
        ((titles.bob, b"\0" * 32, ""), "title: asset id is zero"),
        ((ZERO, b"\2" * 32, ""), "title: receiver is the zero address"),
        ((titles.world.person("stranger"), b"\2" * 32, ""), "Identity is not verified."),
        ((frozen, b"\2" * 32, ""), "wallet is frozen"),
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
    assert done.answer is True
    stranger = titles.world.person("stranger")
    for arguments, reason in (
        ((ann, bob, CAR_ID), "title: sender is not the holder"),
        ((bob, ZERO, CAR_ID), cannot_receive(ZERO)),
        ((bob, stranger, CAR_ID), cannot_receive(stranger)),
        ((bob, ann, CAR_ID), cannot_receive(ann)),
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
    done = deed.fn("set_token_uri", CAR_ID, "https://example.org/2.json", sender=agent)
    assert done.logs == [DecodedLog("MetadataUpdate", {"token_id": CAR_ID})]
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


def test_a_frozen_title_stays_with_its_holder_until_an_agent_lets_go(titles: Titles) -> None:
    deed, ann, bob, agent = titles.deed, titles.ann, titles.bob, titles.agent
    done = deed.fn("setFrozenTokens", ann, CAR_ID, YES, sender=agent)
    frozen = {"account": ann, "token_id": CAR_ID, "is_frozen": True}
    assert (done.answer, done.logs) == (True, [DecodedLog("Frozen", frozen)])
    assert (deed.view("getFrozenTokens", ann, CAR_ID), deed.view("getFrozenTokens", bob, CAR_ID)) == (True, False)
    assert titles.why_not(ann, bob) == 33
    deed.fn("approve", bob, CAR_ID, sender=ann)
    for sender in (ann, bob):
        with refused("title: title is frozen"):
            deed.fn("transferFrom", ann, bob, CAR_ID, sender=sender)
    assert deed.view("canSend", ann) is True, "the wallet itself is free"
    deed.fn("setFrozenTokens", ann, CAR_ID, NO, sender=agent)
    deed.fn("transferFrom", ann, bob, CAR_ID, sender=ann)
    with refused("title: account is the zero address"):
        deed.fn("setFrozenTokens", ZERO, CAR_ID, YES, sender=agent)


def test_a_title_can_be_frozen_before_it_arrives(titles: Titles) -> None:
    deed, ann, bob, agent = titles.deed, titles.ann, titles.bob, titles.agent
    deed.fn("setFrozenTokens", bob, CAR_ID, YES, sender=agent)
    deed.fn("transferFrom", ann, bob, CAR_ID, sender=ann)
    assert titles.why_not(bob, ann) == 33


@pytest.mark.parametrize("act", ["forcedTransfer", "burn"])
def test_what_is_taken_although_it_is_frozen_is_unfrozen_first(titles: Titles, act: str) -> None:
    deed, ann, bob, agent = titles.deed, titles.ann, titles.bob, titles.agent
    deed.fn("setFrozenTokens", ann, CAR_ID, YES, sender=agent)
    done = deed.fn(act, *((ann, bob, CAR_ID) if act == "forcedTransfer" else (CAR_ID,)), sender=agent)
    receiver = bob if act == "forcedTransfer" else ZERO
    assert done.logs[:2] == [DecodedLog("Frozen", {"account": ann, "token_id": CAR_ID, "is_frozen": False}), moved(ann, receiver)]
    assert deed.view("getFrozenTokens", ann, CAR_ID) is False


def test_who_may_send_and_receive_at_all_is_said_without_a_revert(titles: Titles, chain: Chain) -> None:
    deed, ann, bob, agent, stranger = titles.deed, titles.ann, titles.bob, titles.agent, titles.world.person("stranger")
    deed.fn("set_address_frozen", bob, YES, sender=agent)
    told = {who: (deed.view("canSend", who), deed.view("canReceive", who)) for who in (ann, bob, stranger, ZERO)}
    assert told == {ann: (True, True), bob: (False, False), stranger: (True, False), ZERO: (False, False)}
    assert deed.view("canTransfer", ZERO, ann, CAR_ID + 1) is False, "a mint is no transfer of anybody's"
    reverts = chain.deploy_vyper(REGISTRY.format("raise"), sender=ann)
    says_two = chain.deploy_vyper(REGISTRY.format("return 2"), sender=ann)
    says_yes = chain.deploy_vyper(REGISTRY.format("return 1"), sender=ann)
    for registry, answer in ((reverts, False), (says_two, False), (stranger, False), (says_yes, True)):
        deed.fn("set_identity_registry", registry, sender=titles.world.owner)
        assert deed.view("canReceive", ann) is answer


REGISTRY = """
# pragma version 0.4.3
@external
@view
def isVerified(wallet: address) -> uint256:
    {}
"""


def test_a_lienholder_hands_a_lien_on_in_its_rank(titles: Titles) -> None:
    deed, bank, fund = titles.deed, titles.world.person("bank"), titles.world.person("fund")
    for lien in (LIEN, SECOND_LIEN):
        deed.fn("place_lien", CAR_ID, lien, bank, sender=titles.agent)
    done = deed.fn("assign_lien", CAR_ID, LIEN, fund, sender=bank)
    assert done.logs == [DecodedLog("LienAssigned", {"token_id": CAR_ID, "lien_id": LIEN, "lienholder": fund})]
    assert (deed.view("liens", CAR_ID), deed.view("lienholder", CAR_ID, LIEN)) == ((LIEN, SECOND_LIEN), fund)
    for sender in (bank, titles.agent, titles.ann):
        with refused("title: caller is not the lienholder"):
            deed.fn("assign_lien", CAR_ID, LIEN, bank, sender=sender)
    with refused("title: lienholder is the zero address"):
        deed.fn("assign_lien", CAR_ID, LIEN, ZERO, sender=fund)
    deed.fn("release_lien", CAR_ID, LIEN, sender=fund)


REPORT, SURVEY = b"inspection report".ljust(32, b"\0"), b"survey".ljust(32, b"\0")


def test_a_title_has_its_papers(titles: Titles, chain: Chain) -> None:
    deed, agent, owner = titles.deed, titles.agent, titles.world.owner
    done = deed.fn("set_document", CAR_ID, REPORT, URI, b"\xd1" * 32, sender=agent)
    paper = {"token_id": CAR_ID, "name": REPORT, "uri": URI, "document_hash": b"\xd1" * 32}
    assert done.logs == [DecodedLog("DocumentUpdated", paper)]
    deed.fn("set_document", CAR_ID, SURVEY, "", b"\xd2" * 32, sender=owner)
    assert (deed.view("documents", CAR_ID), deed.view("documents", CAR_ID + 1)) == ((REPORT, SURVEY), ())
    assert deed.view("document", CAR_ID, REPORT) == (URI, b"\xd1" * 32, chain.now)
    deed.fn("set_document", CAR_ID, REPORT, URI, b"\xd3" * 32, sender=agent)
    assert deed.view("documents", CAR_ID) == (REPORT, SURVEY)
    done = deed.fn("remove_document", CAR_ID, REPORT, sender=agent)
    assert done.logs == [DecodedLog("DocumentRemoved", paper | {"document_hash": b"\xd3" * 32})]
    assert (deed.view("documents", CAR_ID), deed.view("document", CAR_ID, REPORT)) == ((SURVEY,), ("", b"\0" * 32, 0))
    with refused("documents: no such document"):
        deed.fn("remove_document", CAR_ID, REPORT, sender=agent)
    with refused("documents: name is zero"):
        deed.fn("set_document", CAR_ID, b"\0" * 32, "", b"", sender=agent)
    for act, arguments in (("set_document", [CAR_ID, REPORT, "", b""]), ("remove_document", [CAR_ID, SURVEY])):
        with refused("access: caller is neither owner nor agent"):
            deed.fn(act, *arguments, sender=titles.ann)


def test_a_title_has_at_most_32_papers(titles: Titles) -> None:
    for number in range(32):
        titles.deed.fn("set_document", CAR_ID, (number + 1).to_bytes(32, "big"), "", b"", sender=titles.agent)
    with refused("documents: too many documents"):
        titles.deed.fn("set_document", CAR_ID, REPORT, "", b"", sender=titles.agent)


AGENT_ACTS: list[tuple[str, list[Any]]] = [
    ("mint", [ZERO, CAR, ""]),
    ("burn", [CAR_ID]),
    ("place_lien", [CAR_ID, LIEN, ZERO]),
    ("forcedTransfer", [ZERO, ZERO, CAR_ID]),
    ("setFrozenTokens", [ZERO, CAR_ID, True]),
    ("set_address_frozen", [ZERO, True]),
    ("set_token_uri", [CAR_ID, ""]),
    ("pause", []),
    ("unpause", []),
]
OWNER_ACTS: list[tuple[str, list[Any]]] = [
    ("set_name", ["a", "b"]),
    ("set_identity_registry", [ZERO]),
    ("addAgent", [ZERO]),
    ("removeAgent", [ZERO]),
    ("transferOwnership", [ZERO]),
]
OTHER_ACTS = {"initialize", "approve", "setApprovalForAll", "transferFrom", "safeTransferFrom", "release_lien", "assign_lien"}
OWNER_OR_AGENT_ACTS = {"set_document", "remove_document"}


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
    assert acts == {act for act, _ in AGENT_ACTS + OWNER_ACTS} | OTHER_ACTS | OWNER_OR_AGENT_ACTS


def test_a_register_belongs_to_who_initializes_it_once_and_declares_its_interfaces(titles: Titles, chain: Chain) -> None:
    owner, ann = titles.world.owner, titles.ann
    for sender in (owner, ann):
        with refused("Initializable: contract is already initialized"):
            titles.deed.fn("initialize", sender=sender)
    fresh = chain.deploy("title_deed", sender=owner)
    with refused("Ownable: caller is not the owner"):
        fresh.fn("set_name", "a", "b", sender=owner)
    fresh.fn("initialize", sender=ann)
    assert (fresh.view("owner"), fresh.view("name"), fresh.view("identityRegistry")) == (ann, "", ZERO)
    for name, symbol in (("", "b"), ("a", "")):
        with refused("invalid argument - empty string"):
            fresh.fn("set_name", name, symbol, sender=ann)
    assert fresh.fn("set_name", "a", "b", sender=ann).logs == [DecodedLog("Named", {"name": "a", "symbol": "b"})]
    for interface in (0x01FFC9A7, 0x80AC58CD, 0x5B5E139F, 0x7F5828D0, 0x49064906, 0xBF1EF5FE):
        assert fresh.view("supportsInterface", interface.to_bytes(4, "big")) is True
    assert fresh.view("supportsInterface", b"\xff" * 4) is False


def test_the_interface_of_erc_7943_for_unique_tokens_is_whole() -> None:
    deed, combined = contract_artifacts.load("title_deed"), 0
    for name in ("forcedTransfer", "setFrozenTokens", "canSend", "canReceive", "getFrozenTokens", "canTransfer"):
        combined ^= int.from_bytes(deed.function(name).selector, "big")
    assert combined == 0xBF1EF5FE
    assert [
        (each.signature, [is_indexed for *_, is_indexed in each.parameters])
        for each in (deed.event("ForcedTransfer"), deed.event("Frozen"))
    ] == [
        ("ForcedTransfer(address,address,uint256)", [True] * 3),
        ("Frozen(address,uint256,bool)", [True] * 3),
    ]
