# SPDX-License-Identifier: Apache-2.0
"""Trusted issuers, required claim topics, shared storage: the lists behind an identity registry."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import ZERO, Chain, Contract, refused

NOT_OWNER = "Ownable: caller is not the owner"
NOT_AGENT = "AgentRole: caller does not have the Agent role"
ALREADY = "Initializable: contract is already initialized"


@pytest.fixture
def owner(chain: Chain) -> str:
    return chain.account("owner of lists")


def deploy(chain: Chain, name: str, owner: str) -> Contract:
    contract = chain.deploy(name, sender=owner)
    contract.fn("initialize", sender=owner)
    return contract


@pytest.fixture
def issuers(chain: Chain, owner: str) -> Contract:
    return deploy(chain, "trusted_issuers_registry", owner)


@pytest.fixture
def topics(chain: Chain, owner: str) -> Contract:
    return deploy(chain, "claim_topics_registry", owner)


@pytest.fixture
def storage(chain: Chain, owner: str) -> Contract:
    return deploy(chain, "identity_registry_storage", owner)


def acts(name: str) -> set[str]:
    return {function.name for named in contract_artifacts.load(name).functions.values() for function in named if not function.is_view}


@pytest.mark.parametrize("name", ["trusted_issuers_registry", "claim_topics_registry", "identity_registry_storage"])
def test_a_list_has_one_beginning(chain: Chain, owner: str, name: str) -> None:
    contract = deploy(chain, name, owner)
    assert contract.view("owner") == owner
    with refused(ALREADY):
        contract.fn("initialize", sender=owner)


# Trusted issuers


def test_issuers_are_trusted_on_their_topics(chain: Chain, issuers: Contract, owner: str) -> None:
    first, second = chain.account("first"), chain.account("second")
    done = issuers.fn("addTrustedIssuer", first, [1, 2], sender=owner)
    assert done.logs == [DecodedLog("TrustedIssuerAdded", {"trustedIssuer": first, "claimTopics": (1, 2)})]
    issuers.fn("addTrustedIssuer", second, [2], sender=owner)
    assert issuers.view("getTrustedIssuers") == (first, second)
    assert issuers.view("getTrustedIssuersForClaimTopic", 2) == (first, second)
    assert issuers.view("getTrustedIssuerClaimTopics", first) == (1, 2)
    assert (issuers.view("isTrustedIssuer", first), issuers.view("isTrustedIssuer", owner)) == (True, False)
    assert (issuers.view("hasClaimTopic", second, 2), issuers.view("hasClaimTopic", second, 1)) == (True, False)
    done = issuers.fn("updateIssuerClaimTopics", first, [3], sender=owner)
    assert done.logs == [DecodedLog("ClaimTopicsUpdated", {"trustedIssuer": first, "claimTopics": (3,)})]
    assert (issuers.view("getTrustedIssuersForClaimTopic", 2), issuers.view("getTrustedIssuersForClaimTopic", 3)) == ((second,), (first,))
    done = issuers.fn("removeTrustedIssuer", first, sender=owner)
    assert done.logs == [DecodedLog("TrustedIssuerRemoved", {"trustedIssuer": first})]
    assert (issuers.view("getTrustedIssuers"), issuers.view("getTrustedIssuersForClaimTopic", 3)) == ((second,), ())
    assert issuers.view("hasClaimTopic", first, 3) is False
    issuers.fn("addTrustedIssuer", first, [1], sender=owner)


def test_issuers_without_sense_are_refused(chain: Chain, issuers: Contract, owner: str) -> None:
    first, stranger = chain.account("first"), chain.account("stranger")
    issuers.fn("addTrustedIssuer", first, list(range(15)), sender=owner)
    cases: list[tuple[str, list[Any], str]] = [
        ("addTrustedIssuer", [ZERO, [1]], "invalid argument - zero address"),
        ("addTrustedIssuer", [first, [1]], "trusted Issuer already exists"),
        ("addTrustedIssuer", [stranger, []], "trusted claim topics cannot be empty"),
        ("addTrustedIssuer", [stranger, list(range(16))], "cannot have more than 15 claim topics"),
        ("addTrustedIssuer", [stranger, [1, 1]], "issuers: claim topic is given twice"),
        ("removeTrustedIssuer", [ZERO], "invalid argument - zero address"),
        ("removeTrustedIssuer", [stranger], "NOT a trusted issuer"),
        ("updateIssuerClaimTopics", [ZERO, [1]], "invalid argument - zero address"),
        ("updateIssuerClaimTopics", [stranger, [1]], "NOT a trusted issuer"),
        ("updateIssuerClaimTopics", [first, []], "claim topics cannot be empty"),
        ("updateIssuerClaimTopics", [first, list(range(16))], "cannot have more than 15 claim topics"),
    ]
    for act, arguments, reason in cases:
        with refused(reason):
            issuers.fn(act, *arguments, sender=owner)
    with refused("trusted Issuer doesn't exist"):
        issuers.view("getTrustedIssuerClaimTopics", stranger)


def test_fifty_issuers_are_the_most(chain: Chain, issuers: Contract, owner: str) -> None:
    for each in range(50):
        issuers.fn("addTrustedIssuer", chain.account(f"issuer {each}"), [1], sender=owner)
    with refused("cannot have more than 50 trusted issuers"):
        issuers.fn("addTrustedIssuer", chain.account("one more"), [1], sender=owner)


# Claim topics


FOLLOWER = """
# pragma version 0.4.3
calls: public(uint256)

@external
def sync_claim_topics():
    self.calls += 1
"""


def test_topics_are_asked_and_no_longer(topics: Contract, owner: str) -> None:
    assert topics.fn("addClaimTopic", 7, sender=owner).logs == [DecodedLog("ClaimTopicAdded", {"claimTopic": 7})]
    topics.fn("addClaimTopic", 8, sender=owner)
    with refused("claimTopic already exists"):
        topics.fn("addClaimTopic", 7, sender=owner)
    assert topics.fn("removeClaimTopic", 7, sender=owner).logs == [DecodedLog("ClaimTopicRemoved", {"claimTopic": 7})]
    assert topics.fn("removeClaimTopic", 7, sender=owner).logs == []
    assert topics.view("getClaimTopics") == (8,)
    for topic in range(10, 24):
        topics.fn("addClaimTopic", topic, sender=owner)
    with refused("cannot require more than 15 topics"):
        topics.fn("addClaimTopic", 99, sender=owner)


def test_followers_are_told_of_each_change(chain: Chain, topics: Contract, owner: str) -> None:
    def calls(follower: str) -> int:
        return int.from_bytes(chain.ask(follower, keccak(b"calls()")[:4], sender=None), "big")

    followers = [chain.deploy_vyper(FOLLOWER, sender=owner) for _ in range(9)]
    for follower in followers[:8]:
        done = topics.fn("add_follower", follower, sender=owner)
        assert done.logs == [DecodedLog("FollowerAdded", {"identity_registry": follower})]
    topics.fn("addClaimTopic", 1, sender=owner)
    done = topics.fn("remove_follower", followers[0], sender=owner)
    assert done.logs == [DecodedLog("FollowerRemoved", {"identity_registry": followers[0]})]
    topics.fn("removeClaimTopic", 1, sender=owner)
    assert [calls(follower) for follower in followers[:3]] == [2, 3, 3]
    assert topics.view("followers") == tuple(followers[1:8])
    topics.fn("add_follower", followers[0], sender=owner)
    for act, follower, reason in (
        ("add_follower", ZERO, "invalid argument - zero address"),
        ("add_follower", followers[1], "topics: registry already follows"),
        ("add_follower", followers[8], "topics: too many followers"),
        ("remove_follower", followers[8], "topics: registry does not follow"),
    ):
        with refused(reason):
            topics.fn(act, follower, sender=owner)


# Shared storage


def test_wallets_are_stored_changed_and_removed(chain: Chain, storage: Contract, owner: str) -> None:
    registry, wallet, identity, other = (chain.account(name) for name in ("registry", "wallet", "identity", "other"))
    done = storage.fn("bindIdentityRegistry", registry, sender=owner)
    assert DecodedLog("IdentityRegistryBound", {"identityRegistry": registry}) in done.logs
    assert (storage.view("isAgent", registry), storage.view("linkedIdentityRegistries")) == (True, (registry,))
    for act, arguments, log in (
        ("addIdentityToStorage", [wallet, identity, 276], DecodedLog("IdentityStored", {"investorAddress": wallet, "identity": identity})),
        ("modifyStoredIdentity", [wallet, other], DecodedLog("IdentityModified", {"oldIdentity": identity, "newIdentity": other})),
        ("modifyStoredInvestorCountry", [wallet, 250], DecodedLog("CountryModified", {"investorAddress": wallet, "country": 250})),
    ):
        assert storage.fn(act, *arguments, sender=registry).logs == [log]
    assert (storage.view("storedIdentity", wallet), storage.view("storedInvestorCountry", wallet)) == (other, 250)
    with refused("address stored already"):
        storage.fn("addIdentityToStorage", wallet, identity, 276, sender=registry)
    done = storage.fn("removeIdentityFromStorage", wallet, sender=registry)
    assert done.logs == [DecodedLog("IdentityUnstored", {"investorAddress": wallet, "identity": other})]
    assert (storage.view("storedIdentity", wallet), storage.view("storedInvestorCountry", wallet)) == (ZERO, 0)
    for act, arguments, reason in (
        ("modifyStoredIdentity", [wallet, other], "address not stored yet"),
        ("modifyStoredInvestorCountry", [wallet, 1], "address not stored yet"),
        ("removeIdentityFromStorage", [wallet], "address not stored yet"),
        ("addIdentityToStorage", [ZERO, identity, 1], "invalid argument - zero address"),
        ("addIdentityToStorage", [wallet, ZERO, 1], "invalid argument - zero address"),
        ("modifyStoredIdentity", [ZERO, identity], "invalid argument - zero address"),
        ("modifyStoredIdentity", [wallet, ZERO], "invalid argument - zero address"),
        ("modifyStoredInvestorCountry", [ZERO, 1], "invalid argument - zero address"),
        ("removeIdentityFromStorage", [ZERO], "invalid argument - zero address"),
    ):
        with refused(reason):
            storage.fn(act, *arguments, sender=registry)


def test_registries_are_bound_and_unbound(chain: Chain, storage: Contract, owner: str) -> None:
    first, second, third = (chain.account(name) for name in ("first", "second", "third"))
    for registry, reason in ((first, "identity registry is not stored"), (ZERO, "invalid argument - zero address")):
        with refused(reason):
            storage.fn("unbindIdentityRegistry", registry, sender=owner)
    for registry in (first, second):
        storage.fn("bindIdentityRegistry", registry, sender=owner)
    for act in ("bindIdentityRegistry", "unbindIdentityRegistry"):
        with refused("invalid argument - zero address"):
            storage.fn(act, ZERO, sender=owner)
    with refused("Roles: account already has role"):
        storage.fn("bindIdentityRegistry", first, sender=owner)
    with refused("Roles: account does not have role"):
        storage.fn("unbindIdentityRegistry", third, sender=owner)
    done = storage.fn("unbindIdentityRegistry", first, sender=owner)
    assert DecodedLog("IdentityRegistryUnbound", {"identityRegistry": first}) in done.logs
    assert (storage.view("isAgent", first), storage.view("linkedIdentityRegistries")) == (False, (second,))


def test_three_hundred_registries_are_the_most(chain: Chain, storage: Contract, owner: str) -> None:
    for each in range(300):
        storage.fn("bindIdentityRegistry", chain.account(f"registry {each}"), sender=owner)
    one_more = chain.account("one more")
    for registry, reason in ((one_more, "cannot bind more than 300 IR to 1 IRS"), (ZERO, "invalid argument - zero address")):
        with refused(reason):
            storage.fn("bindIdentityRegistry", registry, sender=owner)


# Roles


OWNER_ACTS: dict[str, list[tuple[str, list[Any]]]] = {
    "trusted_issuers_registry": [
        ("addTrustedIssuer", [ZERO, []]),
        ("removeTrustedIssuer", [ZERO]),
        ("updateIssuerClaimTopics", [ZERO, []]),
        ("transferOwnership", [ZERO]),
    ],
    "claim_topics_registry": [
        ("addClaimTopic", [0]),
        ("removeClaimTopic", [0]),
        ("add_follower", [ZERO]),
        ("remove_follower", [ZERO]),
        ("transferOwnership", [ZERO]),
    ],
    "identity_registry_storage": [
        ("bindIdentityRegistry", [ZERO]),
        ("unbindIdentityRegistry", [ZERO]),
        ("addAgent", [ZERO]),
        ("removeAgent", [ZERO]),
        ("transferOwnership", [ZERO]),
    ],
}
STORAGE_AGENT_ACTS: list[tuple[str, list[Any]]] = [
    ("addIdentityToStorage", [ZERO, ZERO, 0]),
    ("modifyStoredIdentity", [ZERO, ZERO]),
    ("modifyStoredInvestorCountry", [ZERO, 0]),
    ("removeIdentityFromStorage", [ZERO]),
]


@pytest.mark.parametrize(
    ("name", "act", "arguments"), [(name, act, arguments) for name, each in OWNER_ACTS.items() for act, arguments in each]
)
def test_only_the_owner_may(chain: Chain, owner: str, name: str, act: str, arguments: list[Any]) -> None:
    with refused(NOT_OWNER):
        deploy(chain, name, owner).fn(act, *arguments, sender=chain.account("stranger"))


@pytest.mark.parametrize(("act", "arguments"), STORAGE_AGENT_ACTS)
def test_only_a_bound_registry_may_write(storage: Contract, owner: str, act: str, arguments: list[Any]) -> None:
    with refused(NOT_AGENT):
        storage.fn(act, *arguments, sender=owner)


@pytest.mark.parametrize("name", sorted(OWNER_ACTS))
def test_every_act_is_walked_for_its_role(name: str) -> None:
    agents = {act for act, _ in STORAGE_AGENT_ACTS} if name == "identity_registry_storage" else set()
    assert acts(name) == {act for act, _ in OWNER_ACTS[name]} | agents | {"initialize"}
