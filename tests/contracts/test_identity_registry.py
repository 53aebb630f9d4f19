# SPDX-License-Identifier: Apache-2.0
"""Who is registered, from where, until when; which wallets belong together; whose claims count."""

from __future__ import annotations

from typing import Any

import eth_abi
import pytest
from eth_account.messages import encode_defunct
from eth_hash.auto import keccak

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import ZERO, Chain, refused
from tests.contracts.world import FRANCE, GERMANY, YEAR, World

NOT_AGENT = "AgentRole: caller does not have the Agent role"
NOT_OWNER = "Ownable: caller is not the owner"
NO_EXPIRY = 2**40 - 1
KYC, ACCREDITED = 1, 2
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


# Registration


def test_an_investor_is_registered_until_a_moment(world: World) -> None:
    wallet, until = world.person("ann"), world.chain.now + 100
    done = world.registry.fn("register_investor", wallet, ZERO, GERMANY, until, sender=world.agent)
    assert done.logs == [
        DecodedLog("IdentityRegistered", {"investorAddress": wallet, "identity": wallet}),
        DecodedLog("EligibilitySet", {"wallet": wallet, "verified_until": until}),
    ]
    registry = world.registry
    assert (registry.view("contains", wallet), registry.view("identity", wallet)) == (True, wallet)
    assert (registry.view("investorCountry", wallet), registry.view("verified_until", wallet)) == (GERMANY, until)
    assert registry.view("isVerified", wallet) is True
    world.chain.pass_time(100)
    assert registry.view("isVerified", wallet) is False
    assert registry.view("contains", wallet) is True


def test_the_standard_registration_has_no_end(world: World) -> None:
    wallet, identity = world.person("ann"), world.person("ann's identity")
    world.registry.fn("registerIdentity", wallet, identity, FRANCE, sender=world.agent)
    assert world.registry.view("verified_until", wallet) == NO_EXPIRY
    assert (world.registry.view("identity", wallet), world.registry.view("investorCountry", wallet)) == (identity, FRANCE)
    assert world.registry.view("isVerified", wallet) is True


def test_a_stranger_is_nobody(world: World) -> None:
    stranger = world.person("stranger")
    registry = world.registry
    assert (registry.view("contains", stranger), registry.view("isVerified", stranger)) == (False, False)
    assert (registry.view("identity", stranger), registry.view("investorCountry", stranger)) == (ZERO, 0)
    assert (registry.view("verified_until", stranger), registry.view("other_wallets", stranger)) == (0, ())


def test_a_wallet_is_registered_once(world: World) -> None:
    ann = world.register("ann")
    with refused("address stored already"):
        world.registry.fn("register_investor", ann, ZERO, GERMANY, NO_EXPIRY, sender=world.agent)
    with refused("address stored already"):
        world.registry.fn("registerIdentity", ann, ann, GERMANY, sender=world.agent)


def test_a_wallet_and_an_identity_are_needed(world: World) -> None:
    with refused("invalid argument - zero address"):
        world.registry.fn("register_investor", ZERO, ZERO, GERMANY, NO_EXPIRY, sender=world.agent)
    with refused("invalid argument - zero address"):
        world.registry.fn("registerIdentity", world.person("ann"), ZERO, GERMANY, sender=world.agent)


@pytest.mark.parametrize("country", [0, 1000, 65535])
def test_a_country_that_iso_does_not_number_is_refused(world: World, country: int) -> None:
    with refused("registry: country is not an ISO 3166-1 number"):
        world.registry.fn("register_investor", world.person("ann"), ZERO, country, NO_EXPIRY, sender=world.agent)
    with refused("registry: country is not an ISO 3166-1 number"):
        world.registry.fn("register_investor_batch", [world.person("ann")], [ZERO], [country], [NO_EXPIRY], sender=world.agent)


def test_many_are_registered_at_once(world: World) -> None:
    wallets = [world.person(f"investor {each}") for each in range(100)]
    untils = [world.chain.now + 1 + each for each in range(100)]
    world.registry.fn("register_investor_batch", wallets, [ZERO] * 100, [GERMANY] * 100, untils, sender=world.agent)
    assert [world.registry.view("verified_until", wallet) for wallet in wallets] == untils
    others = [world.person(f"other {each}") for each in range(2)]
    world.registry.fn("batchRegisterIdentity", others, [wallets[0], others[1]], [FRANCE, FRANCE], sender=world.agent)
    assert world.registry.view("identity", others[0]) == wallets[0]


def test_lists_of_different_lengths_are_refused(world: World) -> None:
    ann, agent = world.person("ann"), world.agent
    lists: list[list[Any]] = [[ann], [ann], [GERMANY], [NO_EXPIRY]]
    for short in range(4):
        arguments: list[list[Any]] = [[] if place == short else each for place, each in enumerate(lists)]
        with refused("registry: lists differ in length"):
            world.registry.fn("register_investor_batch", *arguments, sender=agent)
        if short < 3:
            with refused("registry: lists differ in length"):
                world.registry.fn("batchRegisterIdentity", *arguments[:3], sender=agent)
    with refused("registry: lists differ in length"):
        world.registry.fn("set_verified_until", [ann], [], sender=agent)


def test_eligibility_is_prolonged_shortened_and_ended(world: World) -> None:
    ann = world.register("ann", until=world.chain.now + 10)
    done = world.registry.fn("set_verified_until", [ann], [world.chain.now + 500], sender=world.agent)
    assert done.logs == [DecodedLog("EligibilitySet", {"wallet": ann, "verified_until": world.chain.now + 500})]
    world.chain.pass_time(100)
    assert world.registry.view("isVerified", ann) is True
    world.registry.fn("set_verified_until", [ann], [world.chain.now], sender=world.agent)
    assert world.registry.view("isVerified", ann) is False
    world.registry.fn("set_verified_until", [ann], [2**256 - 1], sender=world.agent)
    assert world.registry.view("verified_until", ann) == NO_EXPIRY
    with refused("address not stored yet"):
        world.registry.fn("set_verified_until", [world.person("stranger")], [1], sender=world.agent)


def test_invalidation_reaches_every_wallet_of_the_investor(world: World) -> None:
    ann, bob = world.register("ann"), world.register("bob")
    second, third = world.register("second", identity=ann), world.register("third", identity=ann)
    done = world.registry.fn("invalidate", second, sender=world.agent)
    assert {log.values["wallet"] for log in done.logs} == {ann, second, third}
    assert [world.registry.view("isVerified", each) for each in (ann, second, third, bob)] == [False, False, False, True]
    with refused("address not stored yet"):
        world.registry.fn("invalidate", world.person("stranger"), sender=world.agent)


def test_a_trusted_issuer_may_invalidate_and_a_stranger_not(world: World) -> None:
    ann, issuer = world.register("ann"), world.person("issuer")
    with refused("registry: caller is neither agent nor trusted issuer"):
        world.registry.fn("invalidate", ann, sender=issuer)
    world.issuers.fn("addTrustedIssuer", issuer, [KYC], sender=world.owner)
    world.registry.fn("invalidate", ann, sender=issuer)
    assert world.registry.view("isVerified", ann) is False


# Changes


def test_a_country_is_corrected(world: World) -> None:
    ann = world.register("ann")
    done = world.registry.fn("updateCountry", ann, FRANCE, sender=world.agent)
    assert done.logs == [DecodedLog("CountryUpdated", {"investorAddress": ann, "country": FRANCE})]
    assert (world.registry.view("investorCountry", ann), world.registry.view("isVerified", ann)) == (FRANCE, True)
    with refused("address not stored yet"):
        world.registry.fn("updateCountry", world.person("stranger"), FRANCE, sender=world.agent)


def test_a_wallet_moves_to_another_identity(world: World) -> None:
    ann, bob = world.register("ann"), world.register("bob")
    done = world.registry.fn("updateIdentity", bob, ann, sender=world.agent)
    assert done.logs == [DecodedLog("IdentityUpdated", {"oldIdentity": bob, "newIdentity": ann})]
    assert world.registry.view("identity", bob) == ann
    assert world.registry.view("other_wallets", ann) == (bob,)
    world.registry.fn("updateIdentity", bob, ann, sender=world.agent)
    assert world.registry.view("other_wallets", ann) == (bob,)
    with refused("invalid argument - zero address"):
        world.registry.fn("updateIdentity", bob, ZERO, sender=world.agent)
    with refused("address not stored yet"):
        world.registry.fn("updateIdentity", world.person("stranger"), ann, sender=world.agent)


def test_a_wallet_is_forgotten_and_can_come_back(world: World) -> None:
    ann = world.register("ann")
    done = world.registry.fn("deleteIdentity", ann, sender=world.agent)
    assert done.logs == [DecodedLog("IdentityRemoved", {"investorAddress": ann, "identity": ann})]
    assert (world.registry.view("contains", ann), world.registry.view("isVerified", ann)) == (False, False)
    with refused("address not stored yet"):
        world.registry.fn("deleteIdentity", ann, sender=world.agent)
    world.register("ann", country=FRANCE)
    assert world.registry.view("investorCountry", ann) == FRANCE


# Wallets of one investor


def groups(world: World, wallets: list[str]) -> set[frozenset[str]]:
    return {frozenset((each, *world.registry.view("other_wallets", each))) for each in wallets}


def test_wallets_of_one_identity_know_each_other_in_any_order_of_leaving(world: World) -> None:
    names = ["a", "b", "c", "d"]
    for first_gone in names:
        with world.chain.undone():
            wallets = {name: world.register(name, identity=ZERO if name == "a" else world.person("a")) for name in names}
            assert groups(world, list(wallets.values())) == {frozenset(wallets.values())}
            gone = wallets.pop(first_gone)
            world.registry.fn("deleteIdentity", gone, sender=world.agent)
            assert groups(world, list(wallets.values())) == {frozenset(wallets.values())}
            assert groups(world, [gone]) == {frozenset([gone])}
            # Who comes later under the same identity joins those who stayed.
            wallets["late"] = world.register("late", identity=world.person("a"))
            assert groups(world, list(wallets.values())) == {frozenset(wallets.values())}


def test_an_identity_contract_groups_its_wallets(world: World) -> None:
    identity = world.person("identity of somebody")
    first, second = world.register("first", identity=identity), world.register("second", identity=identity)
    assert groups(world, [first, second]) == {frozenset([first, second])}
    world.registry.fn("deleteIdentity", first, sender=world.agent)
    world.registry.fn("deleteIdentity", second, sender=world.agent)
    third = world.register("third", identity=identity)
    assert groups(world, [third]) == {frozenset([third])}


def test_an_investor_has_at_most_sixteen_wallets(world: World) -> None:
    ann = world.register("ann")
    for each in range(15):
        world.register(f"ann's {each}", identity=ann)
    assert len(world.registry.view("other_wallets", ann)) == 15
    with refused("registry: investor has too many wallets"):
        world.register("one more", identity=ann)


def test_a_lost_wallet_is_replaced_and_stays_with_its_investor(world: World) -> None:
    ann, new = world.register("ann"), world.person("new")
    done = world.registry.fn("recover_wallet", ann, new, ann, sender=world.agent)
    assert done.answer is True
    assert [log.event for log in done.logs] == ["IdentityRegistered", "EligibilitySet", "IdentityRemoved"]
    registry = world.registry
    assert (registry.view("contains", ann), registry.view("identity", ann), registry.view("isVerified", ann)) == (False, ZERO, False)
    assert (registry.view("investorCountry", ann), registry.view("verified_until", ann)) == (0, 0)
    assert (registry.view("identity", new), registry.view("isVerified", new)) == (ann, True)
    assert registry.view("other_wallets", new) == (ann,)
    for act, arguments in (("updateCountry", [FRANCE]), ("updateIdentity", [new])):
        with refused("address not stored yet"):
            registry.fn(act, ann, *arguments, sender=world.agent)
    world.registry.fn("deleteIdentity", ann, sender=world.agent)
    assert registry.view("other_wallets", new) == ()


def test_a_lost_wallet_that_is_found_can_be_registered_again(world: World) -> None:
    ann, new = world.register("ann"), world.person("new")
    world.registry.fn("recover_wallet", ann, new, ann, sender=world.agent)
    world.register("ann", identity=ann, country=FRANCE)
    assert world.registry.view("investorCountry", ann) == FRANCE
    assert groups(world, [ann, new]) == {frozenset([ann, new])}


def test_a_wallet_is_not_replaced_by_somebody_elses(world: World) -> None:
    ann, bob, new = world.register("ann"), world.register("bob"), world.person("new")
    world.registry.fn("recover_wallet", bob, world.person("bob's new"), bob, sender=world.agent)
    for lost, replacement, investor in (
        (ann, bob, ann),
        (ann, new, bob),
        (ann, ann, ann),
        (ann, ZERO, ann),
        (world.person("stranger"), new, world.person("stranger")),
    ):
        assert world.registry.fn("recover_wallet", lost, replacement, investor, sender=world.agent).answer is False
    assert world.registry.view("contains", ann) is True
    with refused("registry: caller is neither agent nor bound token"):
        world.registry.fn("recover_wallet", ann, new, ann, sender=world.owner)


# Claims


@pytest.fixture
def claims(world: World) -> World:
    """A world whose investors need a claim about their identity, from one trusted issuer."""
    world.issuers.fn("addTrustedIssuer", world.chain.signer("issuer").address, [KYC, ACCREDITED], sender=world.owner)
    world.topics.fn("addClaimTopic", KYC, sender=world.owner)
    return world


def claim(
    chain: Chain, identity: str, *, topic: int = KYC, until: int | None = None, signer: str = "issuer", data: bytes | None = None
) -> tuple[int, str, bytes, bytes]:
    content = data if data is not None else eth_abi.encode(["uint256"], [chain.now + YEAR if until is None else until])
    digest = keccak(eth_abi.encode(["address", "uint256", "bytes"], [identity, topic, content]))
    signed = chain.signer(signer).sign_message(encode_defunct(primitive=digest))
    return topic, chain.signer(signer).address, content, bytes(signed.signature)


def test_where_claims_are_asked_registration_alone_is_not_enough(claims: World) -> None:
    ann = claims.register("ann")
    assert claims.registry.view("isVerified", ann) is False
    until = claims.chain.now + 500
    done = claims.verifier.fn("register_claim", claims.registry.address, ann, *claim(claims.chain, ann, until=until), sender=claims.agent)
    issuer = claims.chain.signer("issuer").address
    assert done.logs == [
        DecodedLog("ClaimRegistered", {"wallet": ann, "topic": KYC, "issuer": issuer, "verified_until": until}),
    ]
    assert (claims.registry.view("isVerified", ann), claims.registry.view("has_claim", ann, KYC)) == (True, True)
    claims.chain.pass_time(500)
    assert claims.registry.view("isVerified", ann) is False


def test_a_claim_about_another_topic_identity_or_by_another_signer_is_refused(claims: World) -> None:
    ann, bob = claims.register("ann"), claims.register("bob")
    chain, registry = claims.chain, claims.registry
    topic, issuer, data, signature = claim(chain, ann)
    mirrored_s = (CURVE_ORDER - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")
    unsigned = "claims: claim is not signed by the issuer"
    for wallet, wrong, reason in (
        (bob, (topic, issuer, data, signature), unsigned),
        (ann, (topic, issuer, data + b"\0", signature), unsigned),
        (ann, (topic, issuer, data, signature[:64]), unsigned),
        (ann, (topic, issuer, data, signature + b"\0"), unsigned),
        (ann, (topic, issuer, data, b"\0" * 65), unsigned),
        (ann, (topic, issuer, data, signature[:32] + mirrored_s + bytes([55 - signature[64]])), unsigned),
        (ann, claim(chain, ann, signer="somebody"), "claims: issuer is not trusted for this topic"),
        (ann, claim(chain, ann, topic=ACCREDITED), "registry: claim topic is not required"),
        (ann, claim(chain, ann, until=chain.now), "claims: claim has expired"),
        (ann, claim(chain, ann, data=b"short"), "claims: claim has no expiry"),
        (claims.person("stranger"), claim(chain, ann), "address not stored yet"),
    ):
        with refused(reason):
            claims.verifier.fn("register_claim", registry.address, wallet, *wrong, sender=claims.agent)
    assert registry.view("isVerified", ann) is False


def test_an_issuer_no_longer_trusted_gives_no_new_claims(claims: World) -> None:
    ann, bob = claims.register("ann"), claims.register("bob")
    claims.verifier.fn("register_claim", claims.registry.address, ann, *claim(claims.chain, ann), sender=claims.agent)
    claims.issuers.fn("removeTrustedIssuer", claims.chain.signer("issuer").address, sender=claims.owner)
    with refused("claims: issuer is not trusted for this topic"):
        claims.verifier.fn("register_claim", claims.registry.address, bob, *claim(claims.chain, bob), sender=claims.agent)
    assert claims.registry.view("isVerified", ann) is True
    claims.registry.fn("start_epoch", sender=claims.owner)
    assert (claims.registry.view("isVerified", ann), claims.registry.view("has_claim", ann, KYC)) == (False, False)


def test_with_several_topics_all_are_needed_and_the_earliest_expiry_rules(claims: World) -> None:
    claims.topics.fn("addClaimTopic", ACCREDITED, sender=claims.owner)
    ann, now = claims.register("ann"), claims.chain.now
    claims.verifier.fn("register_claim", claims.registry.address, ann, *claim(claims.chain, ann, until=now + 100), sender=claims.agent)
    assert claims.registry.view("isVerified", ann) is False
    claims.verifier.fn(
        "register_claim", claims.registry.address, ann, *claim(claims.chain, ann, topic=ACCREDITED, until=now + 900), sender=claims.agent
    )
    assert (claims.registry.view("isVerified", ann), claims.registry.view("verified_until", ann)) == (True, now + 100)


def test_no_epoch_comes_round_again(claims: World) -> None:
    registry, owner = claims.registry, claims.owner
    settings = int(claims.verifier.address, 16) << 96 | 1 << 64
    claims.chain.rewrite(registry.address, settings | 1 << 79, settings | 65_534 << 79)
    done = registry.fn("start_epoch", sender=owner)
    assert DecodedLog("EpochStarted", {"epoch": 65_535, "topics": (KYC,)}) in done.logs
    ann = _claimed(claims, "ann")
    with refused("registry: epochs are exhausted"):
        registry.fn("start_epoch", sender=owner)
    with refused("registry: epochs are exhausted"):
        claims.topics.fn("addClaimTopic", ACCREDITED, sender=owner)
    assert (registry.view("isVerified", ann), registry.view("claim_topics")) == (True, (KYC,))


def test_one_more_topic_stops_those_who_lack_it_and_one_fewer_lets_them_again(claims: World) -> None:
    ann, bob = _claimed(claims, "ann"), _claimed(claims, "bob")
    assert claims.why_not(ann, bob, 1) == 0
    done = claims.topics.fn("addClaimTopic", ACCREDITED, sender=claims.owner)
    assert DecodedLog("EpochStarted", {"epoch": 2, "topics": (KYC, ACCREDITED)}) in done.logs
    assert claims.why_not(ann, bob, 1) == 10
    claims.topics.fn("removeClaimTopic", ACCREDITED, sender=claims.owner)
    claims.topics.fn("removeClaimTopic", KYC, sender=claims.owner)
    assert claims.registry.view("claim_topics") == ()
    assert claims.why_not(ann, bob, 1) == 0


def _claimed(claims: World, name: str) -> str:
    wallet = claims.register(name)
    claims.verifier.fn("register_claim", claims.registry.address, wallet, *claim(claims.chain, wallet), sender=claims.agent)
    claims.token.fn("mint", wallet, 10, sender=claims.agent)
    return wallet


def test_claims_are_registered_many_at_once(claims: World) -> None:
    wallets = [claims.register(f"investor {each}") for each in range(3)]
    topics, issuers, data, signatures = zip(*(claim(claims.chain, wallet) for wallet in wallets), strict=True)
    claims.verifier.fn(
        "register_claim_batch", claims.registry.address, wallets, topics[0], issuers[0], data, signatures, sender=claims.agent
    )
    assert all(claims.registry.view("isVerified", wallet) for wallet in wallets)


def test_a_withdrawn_claim_ends_at_once_and_never_counts_again(claims: World) -> None:
    ann, issuer = _claimed(claims, "ann"), claims.chain.signer("issuer").address
    topic, _, data, signature = claim(claims.chain, ann)
    done = claims.verifier.fn("revoke_claim", ann, topic, data, sender=issuer)
    assert done.logs[0].event == "ClaimRevoked"
    assert claims.verifier.view("is_revoked", issuer, ann, topic, data) is True
    claims.registry.fn("invalidate", ann, sender=issuer)
    assert (claims.registry.view("isVerified", ann), claims.registry.view("has_claim", ann, KYC)) == (False, False)
    with refused("claims: claim is revoked"):
        claims.verifier.fn("register_claim", claims.registry.address, ann, topic, issuer, data, signature, sender=claims.agent)
    claims.verifier.fn(
        "register_claim", claims.registry.address, ann, *claim(claims.chain, ann, until=claims.chain.now + 7), sender=claims.agent
    )
    assert claims.registry.view("isVerified", ann) is True


def test_only_a_claim_prolongs_where_claims_are_asked(claims: World) -> None:
    ann = _claimed(claims, "ann")
    until = claims.registry.view("verified_until", ann)
    with refused("registry: only a claim prolongs eligibility"):
        claims.registry.fn("set_verified_until", [ann], [until + 1], sender=claims.agent)
    claims.registry.fn("set_verified_until", [ann], [until - 1], sender=claims.agent)
    assert claims.registry.view("verified_until", ann) == until - 1


def test_claims_do_not_follow_a_wallet_to_another_identity(claims: World) -> None:
    ann, bob = _claimed(claims, "ann"), claims.register("bob")
    claims.registry.fn("updateIdentity", ann, bob, sender=claims.agent)
    assert claims.registry.view("isVerified", ann) is False


def test_claims_follow_a_recovered_investor(claims: World) -> None:
    ann, new = _claimed(claims, "ann"), claims.person("new")
    claims.token.fn("recoveryAddress", ann, new, ann, sender=claims.agent)
    assert claims.registry.view("isVerified", new) is True


CLAIM_ISSUER = """
# pragma version 0.4.3
@external
@view
def isClaimValid(_identity: address, claimTopic: uint256, sig: Bytes[512], data: Bytes[1024]) -> bool:
    return sig == b"good"
"""


def test_an_issuer_contract_is_asked_about_its_claims(claims: World) -> None:
    issuer, ann = claims.chain.deploy_vyper(CLAIM_ISSUER, sender=claims.owner), claims.register("ann")
    claims.issuers.fn("addTrustedIssuer", issuer, [KYC], sender=claims.owner)
    data = eth_abi.encode(["uint256"], [claims.chain.now + 5])
    with refused("claims: claim is not signed by the issuer"):
        claims.verifier.fn("register_claim", claims.registry.address, ann, KYC, issuer, data, b"bad", sender=claims.agent)
    claims.verifier.fn("register_claim", claims.registry.address, ann, KYC, issuer, data, b"good", sender=claims.agent)
    assert claims.registry.view("isVerified", ann) is True


def test_the_topics_can_be_synchronised_by_anybody_and_only_changes_count(claims: World) -> None:
    assert claims.registry.fn("sync_claim_topics", sender=claims.person("anybody")).logs == []
    fresh = claims.chain.deploy("claim_topics_registry", sender=claims.owner)
    fresh.fn("initialize", sender=claims.owner)
    claims.registry.fn("setClaimTopicsRegistry", fresh.address, sender=claims.owner)
    assert (claims.registry.view("claim_topics"), claims.registry.view("topicsRegistry")) == ((), fresh.address)
    fresh.fn("addClaimTopic", ACCREDITED, sender=claims.owner)
    assert claims.registry.view("claim_topics") == ()
    assert claims.registry.fn("sync_claim_topics", sender=claims.person("anybody")).logs[0].event == "EpochStarted"
    assert claims.registry.view("claim_topics") == (ACCREDITED,)


# Wiring and roles


AGENT_ACTS: list[tuple[str, list[Any]]] = [
    ("registerIdentity", [ZERO, ZERO, 0]),
    ("batchRegisterIdentity", [[], [], []]),
    ("register_investor", [ZERO, ZERO, 0, 0]),
    ("register_investor_batch", [[], [], [], []]),
    ("set_verified_until", [[], []]),
    ("updateIdentity", [ZERO, ZERO]),
    ("updateCountry", [ZERO, 0]),
    ("deleteIdentity", [ZERO]),
]
OWNER_ACTS: list[tuple[str, list[Any]]] = [
    ("setClaimTopicsRegistry", [ZERO]),
    ("setTrustedIssuersRegistry", [ZERO]),
    ("set_claim_verifier", [ZERO]),
    ("set_live", [True]),
    ("addAgent", [ZERO]),
    ("removeAgent", [ZERO]),
    ("transferOwnership", [ZERO]),
]
VERIFIER_ACTS: list[tuple[str, list[Any]]] = [
    ("register_claimed", [ZERO, ZERO, 0, 0, ZERO, 0]),
    ("count_claim", [ZERO, 0, ZERO, 0]),
]
TESTED_ELSEWHERE = {"initialize", "sync_claim_topics", "start_epoch", "invalidate", "recover_wallet"}
# The compliance part of the joint contract, walked in test_compliance.
COMPLIANCE_PART = {
    *("bindToken", "unbindToken", "transferred", "created", "destroyed"),
    *("book_transfer", "book_forced_transfer", "book_mint", "book_burn"),
    *("set_rules", "set_countries", "apply_rules", "set_transfer_rules", "seed_holders"),
}


@pytest.mark.parametrize(("act", "arguments"), AGENT_ACTS)
def test_only_an_agent_may(world: World, act: str, arguments: list[Any]) -> None:
    for caller in (world.owner, world.person("stranger")):
        with refused(NOT_AGENT):
            world.registry.fn(act, *arguments, sender=caller)


@pytest.mark.parametrize(("act", "arguments"), OWNER_ACTS)
def test_only_the_owner_may(world: World, act: str, arguments: list[Any]) -> None:
    for caller in (world.agent, world.person("stranger")):
        with refused(NOT_OWNER):
            world.registry.fn(act, *arguments, sender=caller)


@pytest.mark.parametrize(("act", "arguments"), VERIFIER_ACTS)
def test_only_the_claim_verifier_may(world: World, act: str, arguments: list[Any]) -> None:
    for caller in (world.owner, world.agent, world.person("stranger")):
        with refused("registry: caller is not the claim verifier"):
            world.registry.fn(act, *arguments, sender=caller)


def test_every_act_is_walked_for_its_role(world: World) -> None:
    named = contract_artifacts.load("joint_compliance").functions.values()
    acts = {function.name for functions in named for function in functions if not function.is_view}
    assert acts == {act for act, _ in AGENT_ACTS + OWNER_ACTS + VERIFIER_ACTS} | TESTED_ELSEWHERE | COMPLIANCE_PART
    with refused("access: caller is neither owner nor agent"):
        world.registry.fn("start_epoch", sender=world.person("stranger"))
    world.registry.fn("start_epoch", sender=world.agent)


def test_a_registry_is_initialized_once_and_with_sense(world: World, chain: Chain) -> None:
    issuers, topics, verifier = world.issuers.address, world.topics.address, world.verifier.address
    with refused("Initializable: contract is already initialized"):
        world.registry.fn("initialize", issuers, topics, verifier, sender=world.owner)
    fresh = chain.deploy("joint_compliance", sender=world.owner)
    for arguments in ((ZERO, topics, verifier), (issuers, ZERO, verifier), (issuers, topics, ZERO)):
        with refused("invalid argument - zero address"):
            fresh.fn("initialize", *arguments, sender=world.owner)
    done = fresh.fn("initialize", issuers, topics, verifier, sender=world.owner)
    assert done.logs[1:] == [
        DecodedLog("TrustedIssuersRegistrySet", {"trustedIssuersRegistry": issuers}),
        DecodedLog("ClaimVerifierSet", {"claim_verifier": verifier}),
        DecodedLog("ClaimTopicsRegistrySet", {"claimTopicsRegistry": topics}),
    ]
    assert (fresh.view("identityStorage"), fresh.view("claim_verifier"), fresh.view("is_live")) == (fresh.address, verifier, False)
    other = chain.account("other issuers")
    fresh.fn("setTrustedIssuersRegistry", other, sender=world.owner)
    fresh.fn("set_claim_verifier", other, sender=world.owner)
    assert (fresh.view("issuersRegistry"), fresh.view("claim_verifier")) == (other, other)
