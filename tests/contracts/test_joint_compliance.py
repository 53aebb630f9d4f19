# SPDX-License-Identifier: Apache-2.0
"""Registry and rules at one address: what only their being together brings about, and the further rules beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import YES, ZERO, Contract, refused
from tests.contracts.test_identity_registry import KYC, claim
from tests.contracts.world import ALLOW_LISTED, BLOCK_LISTED, FRANCE, GERMANY, IRAN, World

COUNTRIES = [GERMANY, FRANCE, IRAN, 36, 40, 56]


# Further rules


@dataclass
class Further:
    """The world with counting by country in a contract of further rules."""

    world: World
    rules: Contract

    def holders_of(self, *countries: int) -> list[int]:
        return [self.rules.view("places_of_country", self.world.token.address, country)[0] for country in countries]


@pytest.fixture
def further(world: World) -> Further:
    rules, token, owner = world.chain.deploy("transfer_rules", sender=world.owner), world.token.address, world.owner
    rules.fn("initialize", sender=owner)
    rules.fn("set_compliance", token, world.compliance.address, sender=owner)
    rules.fn("count_by_country", token, YES, sender=owner)
    done = world.compliance.fn("set_transfer_rules", token, rules.address, sender=world.agent)
    assert done.logs == [DecodedLog("TransferRulesSet", {"token": token, "transfer_rules": rules.address})]
    return Further(world, rules)


def test_a_further_rule_refuses_with_its_own_number_and_binds_no_forced_transfer(further: Further) -> None:
    world, token = further.world, further.world.token
    ann, bob = world.holder("ann", 10), world.register("bob")
    further.rules.fn("set_country_cap", token.address, GERMANY, YES, 1, sender=world.owner)
    assert token.view("check_transfer", ann, bob, 1) == (40, 1)
    with refused("Transfer not possible"):
        token.fn("transfer", bob, 1, sender=ann)
    with refused("Compliance not followed"):
        token.fn("mint", bob, 1, sender=world.agent)
    token.fn("forcedTransfer", ann, bob, 1, sender=world.agent)
    assert further.holders_of(GERMANY) == [2]
    world.compliance.fn("set_transfer_rules", token.address, ZERO, sender=world.agent)
    assert (world.compliance.view("transfer_rules", token.address), world.why_not(ann, world.register("cy"), 1)) == (ZERO, 0)


def test_our_own_rules_refuse_before_the_further_ones(further: Further) -> None:
    world, token = further.world, further.world.token
    ann, bob = world.holder("ann", 10), world.register("bob")
    further.rules.fn("set_country_cap", token.address, GERMANY, YES, 0, sender=world.owner)
    world.set_rules(maximum_balance=5)
    assert (world.why_not(ann, bob, 6), world.why_not(ann, bob, 5)) == (15, 40)


def test_holders_per_country_stay_exact_whatever_becomes_of_them(further: Further) -> None:
    world, registry, agent = further.world, further.world.registry, further.world.agent
    ann, bob = world.holder("ann", 10), world.holder("bob", 10, country=FRANCE)
    counts = [further.holders_of(GERMANY, FRANCE)]

    def after(act: str, *arguments: object) -> None:
        contract = world.token if act in {"burn", "recoveryAddress", "forcedTransfer"} else registry
        contract.fn(act, *arguments, sender=agent)
        counts.append(further.holders_of(GERMANY, FRANCE))

    after("updateCountry", ann, FRANCE)
    after("deleteIdentity", ann)
    after("register_investor", ann, ZERO, GERMANY, 2**40)  # It holds on all the while.
    after("updateIdentity", ann, bob)
    after("updateIdentity", ann, ann)
    after("recoveryAddress", ann, world.person("ann's new"), ann)
    after("forcedTransfer", world.person("ann's new"), bob, 10)
    after("burn", bob, 20)
    assert counts == [[1, 1], [0, 2], [0, 1], [1, 1], [0, 1], [1, 1], [1, 1], [0, 1], [0, 0]]


def test_further_rules_are_told_whatever_other_tokens_come_and_go(further: Further) -> None:
    world, compliance, owner = further.world, further.world.compliance, further.world.owner
    ann = world.holder("ann", 10)
    others = [world.chain.deploy("payment_token", sender=owner).address for _ in range(3)]

    def is_told() -> bool:
        before = further.holders_of(GERMANY, FRANCE)
        world.registry.fn("updateCountry", ann, FRANCE if before == [1, 0] else GERMANY, sender=world.agent)
        return further.holders_of(GERMANY, FRANCE) == before[::-1]

    for token in others:
        compliance.fn("bindToken", token, sender=owner)
    for _ in range(2):
        compliance.fn("set_transfer_rules", others[1], further.rules.address, sender=owner)
    further.rules.fn("set_compliance", others[1], compliance.address, sender=owner)
    assert is_told()
    compliance.fn("unbindToken", others[1], sender=owner)
    assert is_told()
    compliance.fn("bindToken", others[1], sender=owner)
    for _ in range(2):
        compliance.fn("set_transfer_rules", others[1], ZERO, sender=owner)
    assert is_told()
    for token in others:
        compliance.fn("unbindToken", token, sender=owner)
    assert compliance.view("tokens") == (world.token.address,)
    assert is_told()
    compliance.fn("set_transfer_rules", world.token.address, ZERO, sender=owner)
    assert not is_told()


def test_a_holder_with_another_full_wallet_stays_one_when_a_wallet_is_emptied(world: World) -> None:
    ann, bob = world.holder("ann", 10), world.holder("bob", 5)
    second = world.register("ann's second", identity=ann)
    world.token.fn("mint", second, 5, sender=world.agent)
    for act, arguments, sender, holders in (
        ("transfer", (bob, 10), ann, 2),
        ("forcedTransfer", (second, bob, 4), world.agent, 2),
        ("forcedTransfer", (second, bob, 1), world.agent, 1),
        ("forcedTransfer", (bob, world.register("cy"), 20), world.agent, 1),
        ("forcedTransfer", (world.person("cy"), ann, 20), world.agent, 1),
        ("forcedTransfer", (ann, second, 20), world.agent, 1),
        ("forcedTransfer", (second, bob, 0), world.agent, 1),
    ):
        world.token.fn(act, *arguments, sender=sender)
        assert world.holders() == holders


def test_what_a_token_has_not_further_rules_for_nobody_is_told(world: World) -> None:
    ann = world.holder("ann", 10)
    done = world.registry.fn("updateCountry", ann, FRANCE, sender=world.agent)
    assert [log.event for log in done.logs] == ["CountryUpdated"]


# Rules and registry in one word


@pytest.mark.parametrize("length", [1, 2, 5, 6])
@pytest.mark.parametrize("mode", [ALLOW_LISTED, BLOCK_LISTED])
def test_a_short_list_of_countries_says_what_a_long_one_says(world: World, length: int, mode: int) -> None:
    ann = world.holder("ann", 10)
    nobody = world.person("of no country")
    world.registry.fn("registerIdentity", nobody, nobody, 0, sender=world.agent)
    world.set_countries(BLOCK_LISTED, list(range(1, 30)))
    world.set_countries(mode, COUNTRIES[:length])
    for place, country in enumerate(COUNTRIES):
        listed = world.register(f"investor {country}", country=country)
        is_listed = place < length
        assert world.compliance.view("is_country_listed", world.token.address, country) is is_listed
        assert (world.why_not(ann, listed, 1) == 0) is (is_listed == (mode == ALLOW_LISTED))
    assert (world.why_not(ann, nobody, 1) == 0) is (mode == BLOCK_LISTED)
    assert world.compliance.view("is_country_listed", world.token.address, 7) is False


def test_an_empty_list_allows_nobody_and_blocks_nobody(world: World) -> None:
    ann, bob = world.holder("ann", 10), world.register("bob")
    world.set_countries(ALLOW_LISTED, [])
    assert world.why_not(ann, bob, 1) == 13
    world.set_countries(BLOCK_LISTED, [])
    assert world.why_not(ann, bob, 1) == 0


def test_rules_survive_a_change_of_the_claims_asked_and_the_claims_a_change_of_rules(world: World) -> None:
    ann, token = world.holder("ann", 10), world.token.address
    world.set_rules(maximum_balance=2**96 - 1, supply_cap=2**96 - 1, holder_cap=2**32 - 1)
    world.set_countries(ALLOW_LISTED, [999] * 4 + [GERMANY])
    before = world.compliance.view("rules", token)
    world.topics.fn("addClaimTopic", KYC, sender=world.owner)
    world.registry.fn("start_epoch", sender=world.agent)
    assert world.compliance.view("rules", token) == before
    assert world.why_not(ZERO, ann, 1) == 10
    world.set_rules(maximum_balance=5)
    world.set_countries(0, [])
    world.compliance.fn("set_transfer_rules", token, ZERO, sender=world.agent)
    assert world.why_not(ZERO, ann, 1) == 10
    world.topics.fn("removeClaimTopic", KYC, sender=world.owner)
    assert world.why_not(ZERO, ann, 1) == 15


def test_a_token_bound_later_asks_the_same_claims(world: World) -> None:
    world.topics.fn("addClaimTopic", KYC, sender=world.owner)
    fresh = world.chain.deploy("security_token", sender=world.owner)
    world.compliance.fn("bindToken", fresh.address, sender=world.agent)
    assert world.compliance.view("check", fresh.address, ZERO, world.register("ann"), 1) == (10, 0)


# Recovery


def test_a_wallet_that_held_nothing_else_is_forgotten_when_it_is_replaced(world: World) -> None:
    ann, new = world.holder("ann", 10), world.person("new")
    second = world.register("ann's second", identity=ann)
    world.set_rules(maximum_balance=20, holder_cap=1)
    world.token.fn("recoveryAddress", ann, new, ann, sender=world.agent)
    assert (world.registry.view("record", ann), world.registry.view("other_wallets", new)) == (0, (second,))
    assert (world.registry.view("identity", new), world.balance(new), world.holders()) == (ann, 10, 1)
    # Who is filed under the identity later, which is no wallet any more, still joins.
    third = world.register("ann's third", identity=ann)
    assert set(world.registry.view("other_wallets", third)) == {new, second}
    assert world.why_not(ZERO, third, 11) == 15


def test_recovery_goes_into_a_wallet_that_the_investor_already_has(world: World) -> None:
    ann, agent = world.holder("ann", 10), world.agent
    second = world.holder("ann's second", 5, identity=ann)
    bob = world.holder("bob", 1)
    world.set_rules(holder_cap=2)
    world.token.fn("recoveryAddress", ann, second, ann, sender=agent)
    assert (world.balance(second), world.holders(), world.registry.view("other_wallets", second)) == (15, 2, ())
    world.token.fn("transfer", bob, 15, sender=second)
    assert world.holders() == 1


def test_a_lost_wallet_with_another_token_stays_until_that_is_recovered_too(world: World) -> None:
    salt, terms = b"\7" * 32, ("Other", "OTH", 0, ZERO)
    other = world.factory.fn("deploy_security", world.compliance.address, salt, terms, b"", [world.agent], YES, sender=world.owner).answer
    second_token = world.chain.at("security_token", other)
    ann, new = world.holder("ann", 10), world.person("new")
    second_token.fn("mint", ann, 20, sender=world.agent)
    world.compliance.fn("set_rules", other, 20, 0, 0, sender=world.agent)
    world.token.fn("recoveryAddress", ann, new, ann, sender=world.agent)
    assert world.registry.view("other_wallets", new) == (ann,)
    assert second_token.view("check_transfer", ZERO, new, 1) == (15, 20)
    second_token.fn("recoveryAddress", ann, new, ann, sender=world.agent)
    assert (second_token.view("balanceOf", new), world.registry.view("other_wallets", new)) == (20, ())
    assert [world.compliance.view("rules", each)[3] for each in (world.token.address, other)] == [1, 1]


# Identities that are wallets of others


def test_wallets_filed_under_one_that_moves_to_another_identity_stay_together(world: World) -> None:
    agent, registry = world.agent, world.registry
    ann, bob = world.register("ann"), world.register("bob")
    second, third = world.register("second", identity=ann), world.register("third", identity=ann)
    registry.fn("updateIdentity", ann, bob, sender=agent)
    assert set(registry.view("other_wallets", ann)) == {bob}
    assert set(registry.view("other_wallets", second)) == {third}
    fourth = world.register("fourth", identity=ann)
    assert set(registry.view("other_wallets", fourth)) == {second, third}
    registry.fn("deleteIdentity", second, sender=agent)
    registry.fn("deleteIdentity", ann, sender=agent)
    fifth = world.register("fifth", identity=ann)
    assert set(registry.view("other_wallets", fifth)) == {third, fourth}
    world.register("ann", identity=bob)
    registry.fn("updateIdentity", ann, ann, sender=agent)
    assert set(registry.view("other_wallets", ann)) == {third, fourth, fifth}
    for wallet in (third, fourth, fifth):
        registry.fn("deleteIdentity", wallet, sender=agent)
    assert registry.view("other_wallets", ann) == ()


def test_the_word_of_an_identity_is_no_record(world: World) -> None:
    identity = world.person("identity of somebody")
    first = world.register("first", identity=identity)
    registry = world.registry
    assert [registry.view(view, identity) for view in ("record", "contains", "isVerified", "verified_until")] == [0, False, False, 0]
    assert (registry.view("investorCountry", identity), registry.view("identity", identity)) == (0, ZERO)
    acts: list[tuple[str, list[int]]] = [("deleteIdentity", []), ("updateCountry", [FRANCE]), ("invalidate", [])]
    for act, arguments in acts:
        with refused("address not stored yet"):
            registry.fn(act, identity, *arguments, sender=world.agent)
    assert registry.fn("recover_wallet", identity, world.person("new"), first, sender=world.agent).answer is False
    # It may become a wallet of its own, and then belongs to the investor that is filed under it.
    registry.fn("register_investor", identity, ZERO, GERMANY, 2**40, sender=world.agent)
    assert registry.view("other_wallets", identity) == (first,)


def test_an_identity_that_is_filed_elsewhere_keeps_its_wallets(world: World) -> None:
    identity, bob = world.person("identity of somebody"), world.register("bob")
    first = world.register("first", identity=identity)
    world.register("identity of somebody", identity=bob)
    second = world.register("second", identity=identity)
    assert world.registry.view("other_wallets", second) == (first,)
    world.registry.fn("deleteIdentity", first, sender=world.agent)
    world.registry.fn("deleteIdentity", second, sender=world.agent)
    third = world.register("third", identity=identity)
    assert (world.registry.view("other_wallets", third), world.registry.view("other_wallets", identity)) == ((), (bob,))


# Registering with a claim


@pytest.fixture
def claims(world: World) -> World:
    world.issuers.fn("addTrustedIssuer", world.chain.signer("issuer").address, [KYC], sender=world.owner)
    world.topics.fn("addClaimTopic", KYC, sender=world.owner)
    return world


def test_an_investor_is_registered_with_a_first_claim_in_one_call(claims: World) -> None:
    ann, until, registry = claims.person("ann"), claims.chain.now + 100, claims.registry
    signed = claim(claims.chain, ann, until=until)
    done = claims.verifier.fn("register_investor", registry.address, ann, ZERO, GERMANY, *signed, sender=claims.agent)
    assert done.logs == [
        DecodedLog("ClaimRegistered", {"wallet": ann, "topic": KYC, "issuer": signed[1], "verified_until": until}),
        DecodedLog("IdentityRegistered", {"investorAddress": ann, "identity": ann}),
    ]
    assert (registry.view("isVerified", ann), registry.view("verified_until", ann)) == (True, until)
    assert (registry.view("investorCountry", ann), registry.view("has_claim", ann, KYC)) == (GERMANY, True)
    with refused("address stored already"):
        claims.verifier.fn("register_investor", registry.address, ann, ZERO, GERMANY, *signed, sender=claims.agent)
    for country in (0, 1000):
        signed = claim(claims.chain, claims.person("bob"))
        with refused("registry: country is not an ISO 3166-1 number"):
            claims.verifier.fn("register_investor", registry.address, claims.person("bob"), ZERO, country, *signed, sender=claims.agent)


def test_many_investors_are_registered_with_their_claims(claims: World) -> None:
    chain, registry = claims.chain, claims.registry
    ann, second, bob = (claims.person(name) for name in ("ann", "ann's second", "bob"))
    (topic, issuer, *first), other, third = claim(chain, ann), claim(chain, ann), claim(chain, bob)
    data, signatures = zip(first, other[2:], third[2:], strict=True)
    claims.verifier.fn(
        "register_investor_batch",
        *(registry.address, [ann, second, bob], [ZERO, ann, bob], [GERMANY, GERMANY, FRANCE], topic, issuer, data, signatures),
        sender=claims.agent,
    )
    assert [registry.view("isVerified", wallet) for wallet in (ann, second, bob)] == [True] * 3
    assert registry.view("other_wallets", ann) == (second,)
    cy = claims.person("cy")
    _, _, *signed = claim(chain, cy)
    for act, firsts in (("register_investor_batch", [cy, ZERO, GERMANY]), ("register_claim_batch", [ann])):
        given = [*firsts, *signed]
        for short in range(len(given)):
            lists: list[list[Any]] = [[] if place == short else [each] for place, each in enumerate(given)]
            arguments = [*lists[: len(firsts)], topic, issuer, *lists[len(firsts) :]]
            with refused("claims: lists differ in length"):
                claims.verifier.fn(act, registry.address, *arguments, sender=claims.agent)


def test_only_agents_of_the_registry_bring_claims(claims: World) -> None:
    ann = claims.register("ann")
    one = claim(claims.chain, ann)
    of_many = [*one[:2], [one[2]], [one[3]]]
    for act, arguments in (
        ("register_claim", [ann, *one]),
        ("register_claim_batch", [[ann], *of_many]),
        ("register_investor", [ann, ZERO, GERMANY, *one]),
        ("register_investor_batch", [[ann], [ZERO], [GERMANY], *of_many]),
    ):
        for caller in (claims.owner, claims.person("stranger")):
            with refused("AgentRole: caller does not have the Agent role"):
                claims.verifier.fn(act, claims.registry.address, *arguments, sender=caller)


def test_an_issuer_withdraws_its_own_claims_only(claims: World) -> None:
    ann = claims.register("ann")
    topic, issuer, data, signature = claim(claims.chain, ann)
    claims.verifier.fn("revoke_claim", ann, topic, data, sender=claims.person("stranger"))
    assert claims.verifier.view("is_revoked", issuer, ann, topic, data) is False
    claims.verifier.fn("register_claim", claims.registry.address, ann, topic, issuer, data, signature, sender=claims.agent)
    assert claims.registry.view("isVerified", ann) is True


def test_another_verifier_may_take_its_place(claims: World) -> None:
    second = claims.chain.deploy("claim_verifier", sender=claims.owner)
    ann = claims.register("ann")
    with refused("registry: caller is not the claim verifier"):
        second.fn("register_claim", claims.registry.address, ann, *claim(claims.chain, ann), sender=claims.agent)
    claims.registry.fn("set_claim_verifier", second.address, sender=claims.owner)
    second.fn("register_claim", claims.registry.address, ann, *claim(claims.chain, ann), sender=claims.agent)
    assert (claims.registry.view("isVerified", ann), claims.registry.view("claim_verifier")) == (True, second.address)
    with refused("invalid argument - zero address"):
        claims.registry.fn("set_claim_verifier", ZERO, sender=claims.owner)
