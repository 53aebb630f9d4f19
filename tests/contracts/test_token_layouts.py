# SPDX-License-Identifier: Apache-2.0
"""The security's one code, run directly, as a minimal clone (ERC-1167) and behind a proxy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contracts.chain import YES, ZERO, Contract, refused
from tests.contracts.test_security_token import signed_permit
from tests.contracts.world import World

PROXY = """
# pragma version 0.4.3
IMPLEMENTATION: immutable(address)

@deploy
def __init__(implementation: address):
    IMPLEMENTATION = implementation

@external
@raw_return
def __default__() -> Bytes[4096]:
    return raw_call(IMPLEMENTATION, msg.data, max_outsize=4096, is_delegate_call=True)
"""


def clone_of(world: World, implementation: str) -> str:
    target = bytes.fromhex(implementation[2:])
    runtime = bytes.fromhex("363d3d373d3d3d363d73") + target + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
    return world.chain.create(bytes.fromhex("3d602d80600a3d3981f3") + runtime, sender=world.owner)


def proxy_to(world: World, implementation: str) -> str:
    return world.chain.deploy_vyper(PROXY, bytes(12) + bytes.fromhex(implementation[2:]), sender=world.owner)


def wired(world: World, address: str) -> Contract:
    token = world.chain.at("security_token", address)
    world.compliance.fn("bindToken", address, sender=world.owner)
    token.fn("initialize", world.registry.address, world.compliance.address, "Clone", "CLN", 6, ZERO, sender=world.owner)
    token.fn("addAgent", world.agent, sender=world.owner)
    token.fn("unpause", sender=world.agent)
    return token


@pytest.mark.parametrize("layout", [clone_of, proxy_to])
def test_a_clone_and_a_proxy_are_whole_securities_of_their_own(world: World, layout: Callable[[World, str], str]) -> None:
    implementation = world.chain.deploy("security_token", sender=world.owner)
    token = wired(world, layout(world, implementation.address))
    ann, bob = world.register("ann"), world.register("bob")
    token.fn("mint", ann, 100, sender=world.agent)
    token.fn("transfer", bob, 30, sender=ann)
    assert (token.view("balanceOf", ann), token.view("balanceOf", bob), token.view("totalSupply")) == (70, 30, 100)
    assert (token.view("name"), token.view("decimals"), token.view("is_combined")) == ("Clone", 6, True)
    token.fn("setAddressFrozen", ann, YES, sender=world.agent)
    with refused("wallet is frozen"):
        token.fn("transfer", bob, 1, sender=ann)
    permit = signed_permit(world.chain, token, signer="cy", spender=bob, amount=7, deadline=world.chain.now, nonce=0)
    token.fn("permit", *permit, sender=bob)
    assert token.view("allowance", permit[0], bob) == 7
    assert token.view("eip712Domain")[4] == token.address
    assert (implementation.view("totalSupply"), implementation.view("owner")) == (0, ZERO)
    with refused("Initializable: contract is already initialized"):
        token.fn("initialize", world.registry.address, world.compliance.address, "A", "A", 0, ZERO, sender=world.owner)


def test_two_clones_of_one_code_share_nothing(world: World) -> None:
    implementation = world.chain.deploy("security_token", sender=world.owner)
    one, other = (wired(world, clone_of(world, implementation.address)) for _ in range(2))
    ann = world.register("ann")
    one.fn("mint", ann, 5, sender=world.agent)
    other.fn("pause", sender=world.agent)
    assert (one.view("balanceOf", ann), other.view("balanceOf", ann)) == (5, 0)
    assert (one.view("paused"), other.view("paused")) == (False, True)
    assert one.view("DOMAIN_SEPARATOR") != other.view("DOMAIN_SEPARATOR")
