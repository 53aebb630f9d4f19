# SPDX-License-Identifier: Apache-2.0
"""The trial money."""

from __future__ import annotations

import pytest

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import ZERO, Chain, Contract, refused


@pytest.fixture
def owner(chain: Chain) -> str:
    return chain.account("mint master")


@pytest.fixture
def money(chain: Chain, owner: str) -> Contract:
    token = chain.deploy("payment_token", sender=owner)
    token.fn("initialize", "Trial Euro", "EURT", 2, sender=owner)
    return token


def moved(sender: str, receiver: str, amount: int) -> DecodedLog:
    return DecodedLog("Transfer", {"sender": sender, "receiver": receiver, "amount": amount})


def test_money_is_named_once_by_its_owner(chain: Chain, money: Contract, owner: str) -> None:
    assert (money.view("name"), money.view("symbol"), money.view("decimals")) == ("Trial Euro", "EURT", 2)
    with refused("Initializable: contract is already initialized"):
        money.fn("initialize", "a", "b", 2, sender=owner)
    fresh = chain.deploy("payment_token", sender=owner)
    for arguments, reason in (
        (("", "b", 2), "invalid argument - empty string"),
        (("a", "", 2), "invalid argument - empty string"),
        (("a", "b", 19), "decimals between 0 and 18"),
    ):
        with refused(reason):
            fresh.fn("initialize", *arguments, sender=owner)
    fresh.fn("initialize", "a", "b", 18, sender=owner)


def test_money_is_made_moved_and_destroyed(chain: Chain, money: Contract, owner: str) -> None:
    ann, bob = chain.account("ann"), chain.account("bob")
    assert money.fn("mint", ann, 100, sender=owner).logs == [moved(ZERO, ann, 100)]
    done = money.fn("transfer", bob, 30, sender=ann)
    assert (done.answer, done.logs) == (True, [moved(ann, bob, 30)])
    money.fn("transfer", ann, 70, sender=ann)
    assert money.fn("burn", 20, sender=bob).logs == [moved(bob, ZERO, 20)]
    assert (money.view("balanceOf", ann), money.view("balanceOf", bob), money.view("totalSupply")) == (70, 10, 80)
    money.fn("approve", bob, 50, sender=ann)
    done = money.fn("transferFrom", ann, bob, 50, sender=bob)
    assert (done.answer, money.view("balanceOf", bob), money.view("allowance", ann, bob)) == (True, 60, 0)
    for act, arguments, reason in (
        ("transfer", [bob, 21], "ERC20: transfer amount exceeds balance"),
        ("transfer", [ZERO, 1], "ERC20: transfer to the zero address"),
        ("burn", [21], "ERC20: burn amount exceeds balance"),
        ("transferFrom", [bob, ann, 1], "ERC20: insufficient allowance"),
    ):
        with refused(reason):
            money.fn(act, *arguments, sender=ann)
    with refused("ERC20: mint to the zero address"):
        money.fn("mint", ZERO, 1, sender=owner)


def test_only_the_owner_makes_money(chain: Chain, money: Contract) -> None:
    stranger = chain.account("stranger")
    walked = {"transfer", "transferFrom", "burn", "approve", "permit"}
    for act, arguments in (("mint", [stranger, 1]), ("initialize", ["a", "b", 1]), ("transferOwnership", [stranger])):
        walked.add(act)
        with refused("Ownable: caller is not the owner"):
            money.fn(act, *arguments, sender=stranger)
    named = contract_artifacts.load("payment_token").functions.values()
    assert walked == {function.name for functions in named for function in functions if not function.is_view}


def test_all_the_money_there_can_be_does_not_overflow(chain: Chain, money: Contract, owner: str) -> None:
    ann = chain.account("ann")
    money.fn("mint", ann, 2**256 - 1, sender=owner)
    with pytest.raises(Exception, match="no reason given"):
        money.fn("mint", ann, 1, sender=owner)
