# SPDX-License-Identifier: Apache-2.0
"""A suite in one transaction, a security in one more, at addresses known beforehand."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import YES, ZERO, Chain, Contract, Done, refused
from tests.contracts.world import BLUEPRINTS, GERMANY, World, deploy_factory, encode_rules

SALT = b"\x5a" * 32
TERMS = ("Acme Preferred", "ACMP", 6, ZERO)
EVERY_CONTRACT = ("joint_compliance", "trusted_issuers_registry", "claim_topics_registry")


def deploy_security(world: World, *, sender: str, salt: bytes = SALT, rules: bytes = b"", opens: bool = False) -> Done:
    return world.factory.fn("deploy_security", world.compliance.address, salt, TERMS, rules, [world.agent], opens, sender=sender)


@given(name=st.text(max_size=5), salt=st.binary(min_size=32, max_size=32))
@settings(max_examples=10, deadline=None)
def test_a_suite_stands_where_it_was_foretold(shared_world: World, name: str, salt: bytes) -> None:
    world, issuer = shared_world, shared_world.chain.account(name)
    with world.chain.undone():
        foretold = world.factory.view("suite_address", issuer, salt)
        assert not any(world.chain.has_code(address) for address in foretold)
        done = world.factory.fn("deploy_suite", salt, [world.agent], sender=issuer)
        assert done.answer == foretold
        assert all(world.chain.has_code(address) for address in foretold)


def test_a_suite_is_wired_and_belongs_to_its_issuer(world: World) -> None:
    issuer, second_agent = world.person("issuer"), world.person("second agent")
    done = world.factory.fn("deploy_suite", SALT, [world.agent, second_agent], sender=issuer)
    joint, issuers, topics = (world.chain.at(name, address) for name, address in zip(EVERY_CONTRACT, done.answer, strict=True))
    announced = {
        "owner": issuer,
        "joint_compliance": joint.address,
        "trusted_issuers_registry": issuers.address,
        "claim_topics_registry": topics.address,
        "salt": SALT,
    }
    assert DecodedLog("SuiteDeployed", announced) in done.logs
    assert {contract.view("owner") for contract in (joint, issuers, topics)} == {issuer}
    assert [joint.view("issuersRegistry"), joint.view("topicsRegistry")] == [issuers.address, topics.address]
    assert (joint.view("claim_verifier"), topics.view("followers")) == (world.verifier.address, (joint.address,))
    assert [joint.view("isAgent", each) for each in (world.agent, second_agent, issuer)] == [True, True, False]
    assert joint.view("isAgent", world.factory.address) is True
    assert world.factory.view("is_suite", joint.address) is True


def test_each_issuer_has_its_own_addresses(world: World) -> None:
    first, second = world.person("first"), world.person("second")
    foretold = world.factory.view("suite_address", first, SALT)
    assert set(foretold).isdisjoint(world.factory.view("suite_address", second, SALT))
    world.factory.fn("deploy_suite", SALT, [], sender=second)
    assert world.factory.fn("deploy_suite", SALT, [], sender=first).answer == foretold
    with refused("factory: salt is already used"):
        world.factory.fn("deploy_suite", SALT, [], sender=first)


def test_a_security_stands_where_it_was_foretold_with_its_rules(world: World) -> None:
    foretold = world.factory.view("security_address", world.compliance.address, SALT)
    rules = encode_rules(maximum_balance=7, supply_cap=8, holder_cap=9, country_mode=1, countries=(GERMANY,))
    done = deploy_security(world, sender=world.agent, rules=rules)
    assert done.answer == foretold
    announced = {
        "compliance": world.compliance.address,
        "token": foretold,
        "owner": world.owner,
        "is_clone": False,
        "salt": SALT,
    }
    assert DecodedLog("SecurityDeployed", announced) in done.logs
    token = world.chain.at("security_token", foretold)
    assert [token.view(view) for view in ("name", "symbol", "decimals", "onchainID")] == list(TERMS)
    assert [token.view(view) for view in ("owner", "identityRegistry", "compliance", "paused", "is_combined")] == [
        world.owner,
        world.registry.address,
        world.compliance.address,
        True,
        True,
    ]
    assert (token.view("isAgent", world.agent), token.view("isAgent", world.factory.address)) == (True, False)
    assert world.compliance.view("rules", foretold) == (7, 8, 9, 0, 1, True, True)
    assert world.factory.view("is_security", foretold) is True
    with refused("factory: salt is already used"):
        deploy_security(world, sender=world.agent, rules=rules)


def test_a_security_is_known_by_its_code_and_by_the_suite_that_answers_for_it(world: World) -> None:
    is_security = functools.partial(world.factory.view, "is_security")
    clone = world.factory.fn("deploy_security_clone", world.compliance.address, SALT, TERMS, b"", [], YES, sender=world.owner).answer
    assert is_security(clone)
    assert not is_security(world.person("no code"))
    assert not is_security(world.compliance.address)
    assert not is_security(world.factory.view("security_template"))
    foreign = world.chain.deploy("joint_compliance", sender=world.owner)
    foreign.fn("initialize", world.issuers.address, world.topics.address, world.verifier.address, sender=world.owner)
    token = world.chain.deploy("security_token", sender=world.owner)
    foreign.fn("bindToken", token.address, sender=world.owner)
    token.fn("initialize", foreign.address, foreign.address, *TERMS, sender=world.owner)
    assert not is_security(token.address)
    world.compliance.fn("unbindToken", clone, sender=world.owner)
    assert not is_security(clone)


def test_a_security_may_open_at_once(world: World) -> None:
    token = world.chain.at("security_token", deploy_security(world, sender=world.owner, opens=True).answer)
    assert (token.view("paused"), token.view("isAgent", world.factory.address)) == (False, False)


def test_only_owner_and_agents_of_a_suite_made_here_add_securities(world: World) -> None:
    with refused("factory: caller is neither owner nor agent"):
        deploy_security(world, sender=world.person("stranger"))
    foreign = world.chain.deploy("joint_compliance", sender=world.owner)
    foreign.fn("initialize", world.issuers.address, world.topics.address, world.verifier.address, sender=world.owner)
    with refused("factory: compliance is not of a suite made here"):
        world.factory.fn("deploy_security", foreign.address, SALT, TERMS, b"", [], YES, sender=world.owner)


def test_an_issuer_can_dismiss_the_factory(world: World) -> None:
    world.compliance.fn("removeAgent", world.factory.address, sender=world.owner)
    with refused("only owner or token can call"):
        deploy_security(world, sender=world.owner)


def blueprints(chain: Chain, sender: str) -> list[tuple[str, bytes]]:
    return [chain.deploy_blueprint(name, sender=sender) for name in BLUEPRINTS]


def test_a_factory_takes_only_blueprints(chain: Chain, world: World) -> None:
    good = blueprints(chain, world.owner)
    for place in range(len(good)):
        for wrong, reason in (
            (chain.account("no code"), "factory: blueprint has no code"),
            (world.token.address, "factory: code is not a blueprint"),
        ):
            parts = tuple((wrong, digest) if each == place else (address, digest) for each, (address, digest) in enumerate(good))
            with refused(reason):
                chain.deploy("security_factory", parts, world.verifier.address, sender=world.owner)
    with refused("factory: claim verifier has no code"):
        chain.deploy("security_factory", tuple(good), chain.account("no code"), sender=world.owner)
    chain.deploy("security_factory", tuple(good), world.verifier.address, sender=world.owner)


def test_a_blueprint_that_differs_from_its_hash_deploys_nothing(chain: Chain, world: World) -> None:
    parts = blueprints(chain, world.owner)
    parts[0] = (parts[0][0], b"\0" * 32)
    factory = chain.deploy("security_factory", tuple(parts), world.verifier.address, sender=world.owner)
    with refused("factory: blueprint differs from its hash"):
        factory.fn("deploy_suite", SALT, [], sender=world.owner)
    assert factory.view("blueprints") == tuple(parts)


def test_two_factories_do_not_share_addresses(chain: Chain, world: World) -> None:
    other: Contract = deploy_factory(chain, sender=world.owner)
    assert set(other.view("suite_address", world.owner, SALT)).isdisjoint(world.factory.view("suite_address", world.owner, SALT))


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_what_the_factory_makes_is_exactly_the_compiled_contract(world: World, name: str) -> None:
    suite = world.factory.fn("deploy_suite", SALT, [], sender=world.owner).answer
    made = dict(zip(EVERY_CONTRACT, suite, strict=True)) | {"security_token": world.token.address}
    assert world.chain.code(made[name]) == contract_artifacts.load(name).deployed_bytecode


# Clones


def deploy_clone(world: World, *, sender: str, salt: bytes = SALT, rules: bytes = b"", opens: bool = False) -> Done:
    return world.factory.fn("deploy_security_clone", world.compliance.address, salt, TERMS, rules, [world.agent], opens, sender=sender)


def test_a_security_may_be_a_clone_and_lives_as_any_other(world: World) -> None:
    foretold = world.factory.view("security_clone_address", world.compliance.address, SALT)
    done = deploy_clone(world, sender=world.agent, rules=encode_rules(maximum_balance=70), opens=True)
    announced = {"compliance": world.compliance.address, "token": foretold, "owner": world.owner, "is_clone": True, "salt": SALT}
    assert (done.answer, DecodedLog("SecurityDeployed", announced) in done.logs) == (foretold, True)
    code = world.chain.code(foretold)
    template = world.factory.view("security_template")
    # ERC-1167.
    assert code.hex() == f"363d3d373d3d3d363d73{template[2:].lower()}5af43d82803e903d91602b57fd5bf3"
    clone = world.chain.at("security_token", foretold)
    assert [clone.view(view) for view in ("owner", "identityRegistry", "compliance", "paused", "is_combined")] == [
        *(world.owner, world.registry.address, world.compliance.address, False, True),
    ]
    ann, bob = world.register("ann"), world.register("bob")
    clone.fn("mint", ann, 70, sender=world.agent)
    with refused("Compliance not followed"):
        clone.fn("mint", ann, 1, sender=world.agent)
    clone.fn("transfer", bob, 30, sender=ann)
    assert [clone.view("balanceOf", each) for each in (ann, bob)] == [40, 30]
    assert world.token.view("totalSupply") == 0
    with refused("Initializable: contract is already initialized"):
        clone.fn("initialize", ann, ann, "Mine", "MINE", 0, ZERO, sender=ann)


def test_clones_are_for_owner_and_agents_each_salt_once(world: World) -> None:
    with refused("factory: caller is neither owner nor agent"):
        deploy_clone(world, sender=world.person("stranger"))
    deploy_clone(world, sender=world.owner)
    with refused("factory: salt is already used"):
        deploy_clone(world, sender=world.owner)
    # The same salt serves once more for a contract of its own.
    deploy_security(world, sender=world.owner)


def test_what_becomes_of_the_template_touches_no_clone(world: World) -> None:
    clone = world.chain.at("security_token", deploy_clone(world, sender=world.owner, opens=True).answer)
    template = world.chain.at("security_token", world.factory.view("security_template"))
    thief = world.person("thief")
    other = world.chain.deploy("compliance", sender=thief)
    other.fn("initialize", sender=thief)
    template.fn("initialize", world.registry.address, other.address, "Mine", "MINE", 0, ZERO, sender=thief)
    assert (template.view("owner"), clone.view("owner"), clone.view("symbol")) == (thief, world.owner, "ACMP")
