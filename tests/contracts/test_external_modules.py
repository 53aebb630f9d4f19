# SPDX-License-Identifier: Apache-2.0
"""Rules that others wrote: who may add them, what they are asked and told, and what a broken or hostile one can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import eth_abi
import pytest
from eth_hash.auto import keccak

from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import NO, YES, ZERO, Chain, Contract, refused
from tests.contracts.sources import deploy_source

NOT_OWNER = "Ownable: caller is not the owner"
MODULES_MAX = 25

# A compliance contract that has no rules of its own.
COMPLIANCE = """
from access import ownership
from compliance import external_modules

initializes: ownership
initializes: external_modules[ownership := ownership]
exports: (ownership.owner, ownership.transferOwnership)
exports: (
    external_modules.callModuleFunction,
    external_modules.getModules,
    external_modules.isModuleBound,
)

@external
def initialize():
    ownership._begin()

@external
def addModule(_module: address):
    external_modules._add_module(_module)

@external
def removeModule(_module: address):
    external_modules._remove_module(_module)

@external
@view
def has_modules() -> bool:
    return external_modules._has_modules()

@external
@view
def canTransfer(_from: address, _to: address, _amount: uint256) -> bool:
    return external_modules._modules_allow(_from, _to, _amount)

@external
def transferred(_from: address, _to: address, _amount: uint256):
    external_modules._modules_transferred(_from, _to, _amount)

@external
def created(_to: address, _amount: uint256):
    external_modules._modules_minted(_to, _amount)

@external
def destroyed(_from: address, _amount: uint256):
    external_modules._modules_burned(_from, _amount)
"""

# A module that does as it is told by `behave`, and writes down what it is told.
MODULE = """
event Told:
    act: String[16]
    sender: address
    receiver: address
    amount: uint256

MUTE: constant(uint256) = 7
is_bound: HashMap[address, bool]
plug_and_play: bool
is_suitable: bool
answer: uint256
breaks: bool

@external
def behave(plug_and_play: bool, is_suitable: bool, answer: uint256, breaks: bool):
    self.plug_and_play = plug_and_play
    self.is_suitable = is_suitable
    self.answer = answer
    self.breaks = breaks

@external
def set_answer(answer: uint256):
    assert self.is_bound[msg.sender], "only bound compliance can call"
    self.answer = answer

@external
def bindCompliance(_compliance: address):
    assert _compliance == msg.sender, "only compliance contract can call"
    self.is_bound[_compliance] = True

@external
def unbindCompliance(_compliance: address):
    assert not self.breaks, "module: does not let go"
    assert _compliance == msg.sender, "only compliance contract can call"
    self.is_bound[_compliance] = False

@external
def moduleTransferAction(_from: address, _to: address, _value: uint256):
    self._hear("transfer", _from, _to, _value)

@external
def moduleMintAction(_to: address, _value: uint256):
    self._hear("mint", empty(address), _to, _value)

@external
def moduleBurnAction(_from: address, _value: uint256):
    self._hear("burn", _from, empty(address), _value)

@internal
def _hear(act: String[16], sender: address, receiver: address, amount: uint256):
    assert not self.breaks, "module: breaks"
    log Told(act=act, sender=sender, receiver=receiver, amount=amount)

@external
@view
@raw_return
def moduleCheck(_from: address, _to: address, _value: uint256, _compliance: address) -> Bytes[32]:
    assert not self.breaks, "module: breaks"
    assert self.is_bound[_compliance], "module: asked about another compliance"
    if self.answer == MUTE:
        return b""
    return abi_encode(self.answer) if _value < 1000 else abi_encode(convert(0, uint256))

@external
@view
def isComplianceBound(_compliance: address) -> bool:
    return self.is_bound[_compliance]

@external
@view
def canComplianceBind(_compliance: address) -> bool:
    return self.is_suitable

@external
@view
def isPlugAndPlay() -> bool:
    return self.plug_and_play

@external
@view
def name() -> String[64]:
    return "ModuleOfATest"
"""
MUTE = 7


@dataclass
class Place:
    """A compliance contract with modules, and its owner."""

    chain: Chain
    owner: str
    compliance: Contract

    def module(self, *, plug_and_play: bool = True, is_suitable: bool = False, answer: int = 1, breaks: bool = False) -> Contract:
        module = deploy_source(self.chain, "module", MODULE, sender=self.owner)
        module.fn("behave", plug_and_play, is_suitable, answer, breaks, sender=self.owner)
        return module

    def added(self, *, answer: int = 1) -> Contract:
        module = self.module(answer=answer)
        self.compliance.fn("addModule", module.address, sender=self.owner)
        return module

    def modules(self) -> tuple[str, ...]:
        return self.compliance.view("getModules")

    def allows(self, amount: int = 1, *, sender: str | None = None) -> bool:
        chain = self.chain
        return self.compliance.view("canTransfer", chain.account("ann") if sender is None else sender, chain.account("bob"), amount)


@pytest.fixture(scope="module")
def shared_place(shared_chain: Chain) -> Place:
    owner = shared_chain.account("owner")
    compliance = deploy_source(shared_chain, "compliance_of_modules", COMPLIANCE, sender=owner)
    compliance.fn("initialize", sender=owner)
    return Place(shared_chain, owner, compliance)


@pytest.fixture
def place(shared_place: Place) -> Iterator[Place]:
    with shared_place.chain.undone():
        yield shared_place


# Adding and removing


def test_a_plug_and_play_module_is_bound_and_asked_from_then_on(place: Place) -> None:
    assert place.compliance.view("has_modules") is False
    module = place.module()
    done = place.compliance.fn("addModule", module.address, sender=place.owner)
    assert done.logs == [DecodedLog("ModuleAdded", {"_module": module.address})]
    assert place.modules() == (module.address,)
    assert place.compliance.view("has_modules") is True
    assert place.compliance.view("isModuleBound", module.address) is True
    assert module.view("isComplianceBound", place.compliance.address) is True


def test_another_module_is_asked_first_whether_it_suits(place: Place) -> None:
    module = place.module(plug_and_play=NO, is_suitable=NO)
    with refused("compliance is not suitable for binding to the module"):
        place.compliance.fn("addModule", module.address, sender=place.owner)
    assert place.modules() == ()
    module.fn("behave", NO, YES, 1, NO, sender=place.owner)
    place.compliance.fn("addModule", module.address, sender=place.owner)
    assert place.modules() == (module.address,)


def test_a_module_is_added_once(place: Place) -> None:
    module = place.added()
    with refused("module already bound"):
        place.compliance.fn("addModule", module.address, sender=place.owner)


def test_the_zero_address_is_no_module(place: Place) -> None:
    for act in ("addModule", "removeModule"):
        with refused("invalid argument - zero address"):
            place.compliance.fn(act, ZERO, sender=place.owner)


def test_there_are_at_most_25_modules(place: Place) -> None:
    for _ in range(MODULES_MAX):
        place.added()
    one_more = place.module()
    with refused("cannot add more than 25 modules"):
        place.compliance.fn("addModule", one_more.address, sender=place.owner)
    place.compliance.fn("removeModule", place.modules()[7], sender=place.owner)
    place.compliance.fn("addModule", one_more.address, sender=place.owner)
    assert len(set(place.modules())) == MODULES_MAX


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_module_that_is_removed_is_let_go_and_asked_no_more(place: Place, which: int) -> None:
    added = [place.added() for _ in range(3)]
    gone = added[which]
    gone.fn("behave", YES, YES, 0, NO, sender=place.owner)
    assert place.allows() is False
    done = place.compliance.fn("removeModule", gone.address, sender=place.owner)
    assert done.logs == [DecodedLog("ModuleRemoved", {"_module": gone.address})]
    assert gone.view("isComplianceBound", place.compliance.address) is False
    assert place.compliance.view("isModuleBound", gone.address) is False
    # As in the reference, the last takes the place of the one that goes.
    rest = [added[0].address, added[1].address, added[2].address]
    rest[which] = rest[2]
    assert place.modules() == tuple(rest[:2])
    assert place.allows() is True


def test_a_module_that_is_not_bound_cannot_be_removed(place: Place) -> None:
    with refused("module not bound"):
        place.compliance.fn("removeModule", place.module().address, sender=place.owner)


def test_a_module_that_does_not_let_go_goes_all_the_same(place: Place) -> None:
    module = place.added()
    module.fn("behave", YES, YES, 1, YES, sender=place.owner)
    place.compliance.fn("removeModule", module.address, sender=place.owner)
    assert place.modules() == ()
    assert place.compliance.view("has_modules") is False


def test_only_the_owner_adds_removes_and_calls_modules(place: Place) -> None:
    module, stranger = place.added(), place.chain.account("stranger")
    for act, arguments in (
        ("addModule", [module.address]),
        ("removeModule", [module.address]),
        ("callModuleFunction", [b"", module.address]),
    ):
        with refused(NOT_OWNER):
            place.compliance.fn(act, *arguments, sender=stranger)


# Asking


def test_every_module_must_say_yes(place: Place) -> None:
    assert place.allows() is True
    first, second = place.added(), place.added()
    assert place.allows(999) is True
    assert place.allows(1000) is False
    for module in (first, second):
        module.fn("behave", YES, YES, 0, NO, sender=place.owner)
        assert place.allows() is False
        module.fn("behave", YES, YES, 1, NO, sender=place.owner)
    assert place.allows(sender=ZERO) is True


@pytest.mark.parametrize("answer", [0, 2, 2**256 - 1, MUTE])
def test_an_answer_that_is_not_yes_is_a_no(place: Place, answer: int) -> None:
    place.added(answer=answer)
    assert place.allows() is False


def test_a_module_that_breaks_when_asked_has_said_no(place: Place) -> None:
    module = place.added()
    module.fn("behave", YES, YES, 1, YES, sender=place.owner)
    assert place.allows() is False


# Telling


@pytest.mark.parametrize(("act", "told"), [("transferred", "transfer"), ("created", "mint"), ("destroyed", "burn")])
def test_every_module_is_told_what_was_moved_and_may_revert_it(place: Place, act: str, told: str) -> None:
    ann, bob = place.chain.account("ann"), place.chain.account("bob")
    modules = [place.added(), place.added()]
    wallets = {"transferred": [ann, bob], "created": [bob], "destroyed": [ann]}[act]
    heard = {"act": told, "sender": ZERO if act == "created" else ann, "receiver": ZERO if act == "destroyed" else bob, "amount": 5}
    done = place.compliance.fn(act, *wallets, 5, sender=place.owner)
    assert done.logs == [DecodedLog("Told", heard)] * 2
    modules[1].fn("behave", YES, YES, 1, YES, sender=place.owner)
    with refused("module: breaks"):
        place.compliance.fn(act, *wallets, 5, sender=place.owner)


# Calling


def test_the_owner_sets_a_modules_parameters_through_compliance(place: Place) -> None:
    module = place.added()
    call = module.artifact.encode_call("set_answer", 0)
    done = place.compliance.fn("callModuleFunction", call, module.address, sender=place.owner)
    assert done.logs == [DecodedLog("ModuleInteraction", {"target": module.address, "selector": call[:4]})]
    assert place.allows() is False


def test_a_call_without_a_selector_is_told_as_such(place: Place) -> None:
    silent = place.chain.deploy_vyper(
        "@external\ndef __default__(): pass\n\n@external\n@view\ndef isPlugAndPlay() -> bool:\n    return True\n", sender=place.owner
    )
    place.compliance.fn("addModule", silent, sender=place.owner)
    for data, selector in ((b"", b"\0" * 4), (b"abc", b"\0" * 4), (b"abcd", b"abcd"), (b"abcde", b"abcd")):
        done = place.compliance.fn("callModuleFunction", data, silent, sender=place.owner)
        assert done.logs == [DecodedLog("ModuleInteraction", {"target": silent, "selector": selector})]


def test_a_modules_refusal_is_passed_on(place: Place) -> None:
    module = place.added()
    call = keccak(b"unbindCompliance(address)")[:4] + eth_abi.encode(["address"], [place.owner])
    with refused("only compliance contract can call"):
        place.compliance.fn("callModuleFunction", call, module.address, sender=place.owner)


def test_only_bound_modules_are_called(place: Place) -> None:
    module = place.module()
    with refused("call only on bound module"):
        place.compliance.fn("callModuleFunction", module.artifact.encode_call("set_answer", 0), module.address, sender=place.owner)
