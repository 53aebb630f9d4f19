# SPDX-License-Identifier: Apache-2.0
"""Registries and compliance as contracts of their own: set up by ERC-3643's calls alone, with claims looked at live or registered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import eth_abi
import pytest
from eth_hash.auto import keccak

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import NO, YES, ZERO, Chain, Contract, refused
from tests.contracts.sources import deploy_source
from tests.contracts.test_identity_registry import claim
from tests.contracts.world import ALLOW_LISTED, FRANCE, GERMANY, IRAN

KYC, AML = 1, 2
NO_EXPIRY = 2**40 - 1
NOT_BOUND_TOKEN = "error : this address is not a token bound to the compliance contract"

# Identity and claim issuer in one: claims are put into it by the test, and it vouches for what it is told to.
ONCHAIN_ID = """
# pragma version 0.4.3
struct Claim:
    topic: uint256
    scheme: uint256
    issuer: address
    signature: Bytes[64]
    data: Bytes[64]
    uri: String[64]

_claims: HashMap[bytes32, Claim]
_answer: HashMap[bytes32, uint256]
behaviour: uint256
keys: HashMap[bytes32, bool]

@external
def put(filed_under: address, topic: uint256, named_topic: uint256, named_issuer: address):
    self._claims[keccak256(abi_encode(filed_under, topic))] = Claim(
        topic=named_topic, scheme=1, issuer=named_issuer, signature=b"signature", data=b"data", uri="https://claims.example"
    )

@external
def vouch(identity: address, topic: uint256, answer: uint256):
    self._answer[keccak256(abi_encode(identity, topic))] = answer

@external
def behave(behaviour: uint256):
    self.behaviour = behaviour

@external
def add_key(key: bytes32):
    self.keys[key] = True

@external
@view
def keyHasPurpose(key: bytes32, purpose: uint256) -> bool:
    return self.keys[key] and purpose == 1

@internal
@view
def _misbehave():
    if self.behaviour == 1:
        raise "no"
    if self.behaviour == 2:
        for burnt: uint256 in range(100_000_000):
            assert burnt != max_value(uint256)

@external
@view
def getClaim(claim_id: bytes32) -> (uint256, uint256, address, Bytes[64], Bytes[64], String[64]):
    self._misbehave()
    if self.behaviour == 3:
        raw_revert(b"")
    claim: Claim = self._claims[claim_id]
    return claim.topic, claim.scheme, claim.issuer, claim.signature, claim.data, claim.uri

@external
@view
@raw_return
def isClaimValid(identity: address, topic: uint256, signature: Bytes[64], data: Bytes[64]) -> Bytes[32]:
    self._misbehave()
    assert signature == b"signature" and data == b"data"
    return slice(abi_encode(self._answer[keccak256(abi_encode(identity, topic))]), 0, 32)
"""


@dataclass
class Suite:
    """Deployed as the reference's suite is: storage bound to the registry, token agent of the registry, `agent` agent of both."""

    chain: Chain
    owner: str
    agent: str
    issuers: Contract
    topics: Contract
    storage: Contract
    registry: Contract
    compliance: Contract
    token: Contract

    def person(self, name: str) -> str:
        return self.chain.account(name)

    def onchain_id(self) -> Contract:
        return deploy_source(self.chain, "onchain_id", ONCHAIN_ID, sender=self.owner)

    def register(self, name: str, *, identity: str | None = None, country: int = GERMANY) -> str:
        wallet = self.person(name)
        self.registry.fn("registerIdentity", wallet, identity or wallet, country, sender=self.agent)
        return wallet

    def holder(self, name: str, amount: int, *, identity: str | None = None) -> str:
        wallet = self.register(name, identity=identity)
        self.token.fn("mint", wallet, amount, sender=self.agent)
        return wallet

    def is_verified(self, wallet: str) -> bool:
        return self.registry.view("isVerified", wallet)

    def why_not(self, sender: str, receiver: str, amount: int) -> tuple[int, int]:
        return self.compliance.view("check", self.token.address, sender, receiver, amount)

    def keep_records_in_the_registry(self) -> None:
        self.registry.fn("setIdentityRegistryStorage", self.registry.address, sender=self.owner)


def build_suite(chain: Chain) -> Suite:
    owner, agent = chain.account("owner"), chain.account("agent")
    names = ("trusted_issuers_registry", "claim_topics_registry", "identity_registry_storage", "identity_registry", "compliance")
    issuers, topics, storage, registry, compliance = (chain.deploy(name, sender=owner) for name in names)
    for part in (issuers, topics, storage, compliance):
        part.fn("initialize", sender=owner)
    registry.fn("initialize", issuers.address, topics.address, storage.address, sender=owner)
    token = chain.deploy("security_token", sender=owner)
    token.fn("initialize", registry.address, compliance.address, "Acme", "ACME", 0, ZERO, sender=owner)
    storage.fn("bindIdentityRegistry", registry.address, sender=owner)
    for office in (agent, token.address):
        registry.fn("addAgent", office, sender=owner)
    token.fn("addAgent", agent, sender=owner)
    token.fn("unpause", sender=agent)
    return Suite(chain, owner, agent, issuers, topics, storage, registry, compliance, token)


@pytest.fixture(scope="module")
def shared_suite(shared_chain: Chain) -> Suite:
    return build_suite(shared_chain)


@pytest.fixture
def suite(shared_suite: Suite, chain: Chain) -> Suite:
    return shared_suite


@pytest.fixture
def asked(suite: Suite) -> tuple[Suite, Contract, Contract]:
    """A suite that asks for identity claims of one issuer; and an identity that holds one."""
    issuer, identity = suite.onchain_id(), suite.onchain_id()
    suite.issuers.fn("addTrustedIssuer", issuer.address, [KYC], sender=suite.owner)
    suite.topics.fn("addClaimTopic", KYC, sender=suite.owner)
    identity.fn("put", issuer.address, KYC, KYC, issuer.address, sender=suite.owner)
    issuer.fn("vouch", identity.address, KYC, 1, sender=suite.owner)
    return suite, issuer, identity


# The life of a token by plain calls


def test_a_token_lives_by_the_standards_calls_alone(suite: Suite) -> None:
    token = suite.token
    assert (token.view("is_combined"), suite.compliance.view("getTokenBound")) == (False, token.address)
    ann, bob = suite.holder("ann", 100), suite.register("bob")
    token.fn("transfer", bob, 40, sender=ann)
    with refused("Transfer not possible"):
        token.fn("transfer", suite.person("stranger"), 1, sender=ann)
    token.fn("forcedTransfer", bob, ann, 10, sender=suite.agent)
    token.fn("burn", bob, 30, sender=suite.agent)
    assert (token.view("balanceOf", ann), suite.compliance.view("rules", token.address)[3]) == (70, 1)
    new = suite.person("new")
    token.fn("recoveryAddress", ann, new, ann, sender=suite.agent)
    assert (token.view("balanceOf", new), suite.registry.view("identity", new)) == (70, ann)
    assert (suite.registry.view("contains", ann), suite.compliance.view("rules", token.address)[3]) == (False, 1)


def test_every_part_has_one_beginning(suite: Suite) -> None:
    for part in (suite.issuers, suite.topics, suite.storage, suite.compliance):
        with refused("Initializable: contract is already initialized"):
            part.fn("initialize", sender=suite.owner)
    parts = [suite.issuers.address, suite.topics.address, suite.storage.address]
    with refused("Initializable: contract is already initialized"):
        suite.registry.fn("initialize", *parts, sender=suite.owner)
    fresh = suite.chain.deploy("identity_registry", sender=suite.owner)
    for missing in range(3):
        with refused("invalid argument - zero address"):
            fresh.fn("initialize", *(ZERO if place == missing else part for place, part in enumerate(parts)), sender=suite.owner)
    done = fresh.fn("initialize", *parts, sender=suite.owner)
    assert {log.event for log in done.logs[1:]} == {
        *("ModeSet", "ClaimTopicsRegistrySet", "TrustedIssuersRegistrySet", "IdentityStorageSet"),
    }
    assert (fresh.view("is_live"), fresh.view("identityStorage")) == (True, suite.storage.address)


# Live claims


def test_where_no_claim_is_asked_registration_is_enough(suite: Suite) -> None:
    assert suite.is_verified(suite.register("ann")) is True
    assert suite.is_verified(suite.person("stranger")) is False


def test_a_live_claim_counts_as_long_as_its_issuer_vouches(asked: tuple[Suite, Contract, Contract]) -> None:
    suite, issuer, identity = asked
    ann, bob = suite.register("ann", identity=identity.address), suite.register("bob")
    assert (suite.is_verified(ann), suite.is_verified(bob)) == (True, False)
    suite.token.fn("mint", ann, 10, sender=suite.agent)
    issuer.fn("vouch", identity.address, KYC, 0, sender=suite.owner)
    assert suite.is_verified(ann) is False
    with refused("Identity is not verified."):
        suite.token.fn("mint", ann, 1, sender=suite.agent)
    issuer.fn("vouch", identity.address, KYC, 1, sender=suite.owner)
    suite.issuers.fn("removeTrustedIssuer", issuer.address, sender=suite.owner)
    assert suite.is_verified(ann) is False


def test_every_topic_needs_a_claim_of_any_issuer_trusted_for_it(asked: tuple[Suite, Contract, Contract]) -> None:
    suite, issuer, identity = asked
    ann, second = suite.register("ann", identity=identity.address), suite.onchain_id()
    suite.topics.fn("addClaimTopic", AML, sender=suite.owner)
    assert suite.is_verified(ann) is False
    suite.issuers.fn("addTrustedIssuer", second.address, [AML, KYC], sender=suite.owner)
    assert suite.is_verified(ann) is False
    identity.fn("put", second.address, AML, AML, second.address, sender=suite.owner)
    second.fn("vouch", identity.address, AML, 1, sender=suite.owner)
    assert suite.is_verified(ann) is True
    issuer.fn("vouch", identity.address, KYC, 0, sender=suite.owner)
    assert suite.is_verified(ann) is False


def test_a_claim_counts_only_for_the_issuer_that_it_is_filed_under_and_names(asked: tuple[Suite, Contract, Contract]) -> None:
    # ERC-3643 issue 101: an identity must not answer a question about a trusted issuer with a claim of its own making.
    suite, issuer, identity = asked
    ann, accomplice = suite.register("ann", identity=identity.address), suite.onchain_id()
    accomplice.fn("vouch", identity.address, KYC, 1, sender=suite.owner)
    identity.fn("put", issuer.address, KYC, KYC, accomplice.address, sender=suite.owner)
    assert suite.is_verified(ann) is False
    identity.fn("put", issuer.address, KYC, AML, issuer.address, sender=suite.owner)
    assert suite.is_verified(ann) is False
    identity.fn("put", issuer.address, KYC, KYC, issuer.address, sender=suite.owner)
    assert suite.is_verified(ann) is True


@pytest.mark.parametrize(("behaviour", "answer"), [(1, 1), (2, 1), (0, 2), (0, 0)], ids=["reverts", "burns gas", "no bool", "says no"])
def test_an_issuer_that_fails_does_not_block_the_others(asked: tuple[Suite, Contract, Contract], behaviour: int, answer: int) -> None:
    suite, issuer, identity = asked
    ann, good = suite.register("ann", identity=identity.address), suite.onchain_id()
    suite.issuers.fn("addTrustedIssuer", good.address, [KYC], sender=suite.owner)
    issuer.fn("behave", behaviour, sender=suite.owner)
    issuer.fn("vouch", identity.address, KYC, answer, sender=suite.owner)
    assert suite.is_verified(ann) is False
    identity.fn("put", good.address, KYC, KYC, good.address, sender=suite.owner)
    good.fn("vouch", identity.address, KYC, 1, sender=suite.owner)
    assert suite.is_verified(ann) is True


@pytest.mark.parametrize("behaviour", [1, 2, 3], ids=["reverts", "burns gas", "reverts with nothing"])
def test_an_identity_that_fails_is_not_verified(asked: tuple[Suite, Contract, Contract], behaviour: int) -> None:
    suite, _, identity = asked
    ann = suite.register("ann", identity=identity.address)
    identity.fn("behave", behaviour, sender=suite.owner)
    assert suite.is_verified(ann) is False


def test_a_live_record_has_an_end_of_its_own_all_the_same(asked: tuple[Suite, Contract, Contract]) -> None:
    suite, _, identity = asked
    ann, now = suite.person("ann"), suite.chain.now
    suite.registry.fn("register_investor", ann, identity.address, GERMANY, now + 10, sender=suite.agent)
    assert suite.is_verified(ann) is True
    suite.chain.pass_time(10)
    assert suite.is_verified(ann) is False
    suite.registry.fn("set_verified_until", [ann], [now + 50], sender=suite.agent)
    assert (suite.is_verified(ann), suite.registry.view("verified_until", ann)) == (True, now + 50)
    suite.registry.fn("invalidate", ann, sender=suite.agent)
    assert suite.is_verified(ann) is False


def test_the_joint_layout_can_be_live_too(chain: Chain, suite: Suite) -> None:
    verifier, joint = (chain.deploy(name, sender=suite.owner) for name in ("claim_verifier", "joint_compliance"))
    joint.fn("initialize", suite.issuers.address, suite.topics.address, verifier.address, sender=suite.owner)
    joint.fn("addAgent", suite.agent, sender=suite.owner)
    token = chain.deploy("security_token", sender=suite.owner)
    joint.fn("bindToken", token.address, sender=suite.owner)
    token.fn("initialize", joint.address, joint.address, "Acme", "ACME", 0, ZERO, sender=suite.owner)
    issuer, identity = suite.onchain_id(), suite.onchain_id()
    suite.issuers.fn("addTrustedIssuer", issuer.address, [KYC], sender=suite.owner)
    suite.topics.fn("addClaimTopic", KYC, sender=suite.owner)
    ann, bob = suite.person("ann"), suite.person("bob")
    for wallet in (ann, bob):
        joint.fn("registerIdentity", wallet, identity.address, GERMANY, sender=suite.agent)
    done = joint.fn("set_live", YES, sender=suite.owner)
    assert (done.logs, joint.view("is_live")) == ([DecodedLog("ModeSet", {"is_live": True})], True)

    def answers() -> tuple[bool, int]:
        return joint.view("isVerified", ann), joint.view("check", token.address, ZERO, ann, 1)[0]

    assert answers() == (False, 10)
    identity.fn("put", issuer.address, KYC, KYC, issuer.address, sender=suite.owner)
    issuer.fn("vouch", identity.address, KYC, 1, sender=suite.owner)
    assert answers() == (True, 0)
    token.fn("addAgent", suite.agent, sender=suite.owner)
    for wallet in (ann, bob):
        token.fn("mint", wallet, 10, sender=suite.agent)
    token.fn("unpause", sender=suite.agent)
    token.fn("transfer", bob, 1, sender=ann)
    issuer.fn("vouch", identity.address, KYC, 0, sender=suite.owner)
    assert answers() == (False, 10)
    with refused("Transfer not possible"):
        token.fn("transfer", bob, 1, sender=ann)
    joint.fn("set_live", NO, sender=suite.owner)
    assert (joint.view("claim_topics"), answers()) == ((KYC,), (False, 10))
    joint.fn("invalidate", ann, sender=suite.agent)
    with refused("registry: only a claim prolongs eligibility"):
        joint.fn("set_verified_until", [ann], [NO_EXPIRY], sender=suite.agent)
    joint.fn("set_live", YES, sender=suite.owner)
    joint.fn("set_verified_until", [ann], [NO_EXPIRY], sender=suite.agent)
    issuer.fn("vouch", identity.address, KYC, 1, sender=suite.owner)
    assert answers() == (True, 0)


# Registered claims


def test_a_registry_that_is_not_live_goes_by_the_claims_that_a_verifier_registered(suite: Suite) -> None:
    verifier = suite.chain.deploy("claim_verifier", sender=suite.owner)
    suite.issuers.fn("addTrustedIssuer", suite.chain.signer("issuer").address, [KYC], sender=suite.owner)
    suite.topics.fn("addClaimTopic", KYC, sender=suite.owner)
    suite.registry.fn("set_live", NO, sender=suite.owner)
    done = suite.registry.fn("set_claim_verifier", verifier.address, sender=suite.owner)
    assert done.logs == [DecodedLog("ClaimVerifierSet", {"claim_verifier": verifier.address})]
    assert (suite.registry.view("claim_verifier"), suite.registry.view("claim_topics")) == (verifier.address, (KYC,))
    ann, bob = suite.register("ann"), suite.person("bob")
    assert suite.is_verified(ann) is False
    verifier.fn("register_claim", suite.registry.address, ann, *claim(suite.chain, ann), sender=suite.agent)
    signed = claim(suite.chain, bob, until=suite.chain.now + 9)
    verifier.fn("register_investor", suite.registry.address, bob, ZERO, FRANCE, *signed, sender=suite.agent)
    assert (suite.is_verified(ann), suite.is_verified(bob), suite.registry.view("has_claim", bob, KYC)) == (True, True, True)
    assert suite.registry.view("verified_until", bob) == suite.chain.now + 9
    with refused("registry: only a claim prolongs eligibility"):
        suite.registry.fn("set_verified_until", [bob], [NO_EXPIRY], sender=suite.agent)
    suite.registry.fn("set_verified_until", [bob], [suite.chain.now + 1], sender=suite.agent)
    assert suite.registry.fn("start_epoch", sender=suite.agent).logs[0].event == "EpochStarted"
    assert (suite.is_verified(ann), suite.is_verified(bob)) == (False, False)
    suite.topics.fn("removeClaimTopic", KYC, sender=suite.owner)
    suite.registry.fn("sync_claim_topics", sender=suite.person("anybody"))
    assert suite.is_verified(ann) is True


# Shared storage


@pytest.fixture
def second(suite: Suite) -> Contract:
    """A second registry on the suite's storage."""
    registry = suite.chain.deploy("identity_registry", sender=suite.owner)
    registry.fn("initialize", suite.issuers.address, suite.topics.address, suite.storage.address, sender=suite.owner)
    registry.fn("addAgent", suite.agent, sender=suite.owner)
    suite.storage.fn("bindIdentityRegistry", registry.address, sender=suite.owner)
    return registry


def test_registries_share_wallets_identities_and_countries(suite: Suite, second: Contract) -> None:
    ann, other, agent = suite.register("ann"), suite.person("other identity"), suite.agent
    views = [suite.storage.view("storedIdentity", ann), suite.storage.view("storedInvestorCountry", ann)]
    assert views == [ann, GERMANY]
    assert [second.view(view, ann) for view in ("contains", "identity", "investorCountry", "isVerified")] == [True, ann, GERMANY, True]
    with refused("address stored already"):
        second.fn("registerIdentity", ann, ann, GERMANY, sender=agent)
    done = second.fn("updateCountry", ann, FRANCE, sender=agent)
    assert DecodedLog("CountryUpdated", {"investorAddress": ann, "country": FRANCE}) in done.logs
    done = second.fn("updateIdentity", ann, other, sender=agent)
    assert DecodedLog("IdentityUpdated", {"oldIdentity": ann, "newIdentity": other}) in done.logs
    assert [suite.registry.view(view, ann) for view in ("identity", "investorCountry", "isVerified")] == [other, FRANCE, True]
    done = second.fn("deleteIdentity", ann, sender=agent)
    assert DecodedLog("IdentityRemoved", {"investorAddress": ann, "identity": other}) in done.logs
    assert [suite.registry.view(view, ann) for view in ("contains", "isVerified", "investorCountry")] == [False, False, 0]
    # Forgotten by the second, it can be registered anew at the first, which still has its own record.
    suite.register("ann", country=IRAN)
    assert (suite.registry.view("investorCountry", ann), second.view("investorCountry", ann)) == (IRAN, IRAN)


def test_a_registry_writes_its_changes_through(suite: Suite, second: Contract) -> None:
    ann, other = suite.register("ann"), suite.person("other identity")
    suite.registry.fn("updateCountry", ann, FRANCE, sender=suite.agent)
    suite.registry.fn("updateIdentity", ann, other, sender=suite.agent)
    assert (second.view("identity", ann), second.view("investorCountry", ann)) == (other, FRANCE)
    suite.registry.fn("deleteIdentity", ann, sender=suite.agent)
    assert second.view("contains", ann) is False
    acts: list[tuple[str, list[Any]]] = [("updateCountry", [GERMANY]), ("updateIdentity", [other]), ("deleteIdentity", [])]
    for act, arguments in acts:
        with refused("address not stored yet"):
            suite.registry.fn(act, ann, *arguments, sender=suite.agent)


def test_not_live_a_registry_takes_over_what_another_stored_only_as_what_it_is(suite: Suite, second: Contract) -> None:
    ann = suite.register("ann")
    second.fn("set_live", NO, sender=suite.owner)
    assert second.view("isVerified", ann) is False
    with refused("address stored already"):
        second.fn("registerIdentity", ann, suite.person("somebody else"), GERMANY, sender=suite.agent)
    second.fn("register_investor", ann, ann, GERMANY, suite.chain.now + 9, sender=suite.agent)
    assert second.view("isVerified", ann) is True
    suite.registry.fn("updateIdentity", ann, suite.person("somebody else"), sender=suite.agent)
    assert second.view("isVerified", ann) is False


def test_a_registry_may_keep_all_records_itself(suite: Suite) -> None:
    done = suite.registry.fn("setIdentityRegistryStorage", suite.registry.address, sender=suite.owner)
    assert done.logs == [DecodedLog("IdentityStorageSet", {"identityStorage": suite.registry.address})]
    assert suite.registry.view("identityStorage") == suite.registry.address
    ann = suite.register("ann")
    assert (suite.registry.view("contains", ann), suite.storage.view("storedIdentity", ann)) == (True, ZERO)
    for act, arguments, reason in (
        ("registerIdentity", [ann, ann, GERMANY], "address stored already"),
        ("registerIdentity", [ZERO, ann, GERMANY], "invalid argument - zero address"),
        ("registerIdentity", [suite.person("bob"), ZERO, GERMANY], "invalid argument - zero address"),
        ("updateIdentity", [ann, ZERO], "invalid argument - zero address"),
        ("updateIdentity", [suite.person("bob"), ann], "address not stored yet"),
        ("updateCountry", [suite.person("bob"), FRANCE], "address not stored yet"),
        ("deleteIdentity", [suite.person("bob")], "address not stored yet"),
        ("register_investor", [suite.person("bob"), ZERO, 0, 1], "registry: country is not an ISO 3166-1 number"),
        ("register_investor", [suite.person("bob"), ZERO, 1000, 1], "registry: country is not an ISO 3166-1 number"),
    ):
        with refused(reason):
            suite.registry.fn(act, *arguments, sender=suite.agent)
    suite.registry.fn("updateCountry", ann, FRANCE, sender=suite.agent)
    suite.registry.fn("updateIdentity", ann, suite.person("ann's identity"), sender=suite.agent)
    assert suite.registry.view("investorCountry", ann) == FRANCE
    suite.registry.fn("deleteIdentity", ann, sender=suite.agent)
    assert suite.registry.view("contains", ann) is False


def test_many_are_registered_at_once(suite: Suite) -> None:
    wallets = [suite.person(f"investor {each}") for each in range(4)]
    suite.registry.fn("batchRegisterIdentity", wallets[:2], wallets[:2], [GERMANY, FRANCE], sender=suite.agent)
    ends = [suite.chain.now + 1, suite.chain.now + 2]
    suite.registry.fn("register_investor_batch", wallets[2:], [ZERO, wallets[0]], [FRANCE, GERMANY], ends, sender=suite.agent)
    assert [suite.registry.view("investorCountry", each) for each in wallets] == [GERMANY, FRANCE, FRANCE, GERMANY]
    assert [suite.registry.view("verified_until", each) for each in wallets] == [NO_EXPIRY, NO_EXPIRY, *ends]
    assert suite.registry.view("identity", wallets[3]) == wallets[0]
    for short in range(3):
        lists: list[Any] = [[wallets[0]], [wallets[0]], [GERMANY], [1]]
        lists[short] = []
        with refused("registry: lists differ in length"):
            suite.registry.fn("batchRegisterIdentity", *lists[:3], sender=suite.agent)
    for short in range(4):
        lists = [[wallets[0]], [wallets[0]], [GERMANY], [1]]
        lists[short] = []
        with refused("registry: lists differ in length"):
            suite.registry.fn("register_investor_batch", *lists, sender=suite.agent)
    with refused("registry: lists differ in length"):
        suite.registry.fn("set_verified_until", [wallets[0]], [], sender=suite.agent)


# Rules by plain calls


def test_an_investor_holds_at_most_the_maximum_over_all_wallets(suite: Suite) -> None:
    ann, bob = suite.holder("ann", 100), suite.holder("bob", 60)
    second = suite.holder("bob's second", 30, identity=bob)
    suite.compliance.fn("set_rules", suite.token.address, 100, 0, 0, sender=suite.owner)
    assert suite.compliance.view("investor_balance", suite.token.address, bob) == 90
    for wallet in (bob, second):
        assert suite.why_not(ann, wallet, 11) == (15, 100)
        with refused("Transfer not possible"):
            suite.token.fn("transfer", wallet, 11, sender=ann)
    suite.token.fn("transfer", second, 10, sender=ann)
    suite.compliance.fn("set_rules", suite.token.address, 50, 0, 0, sender=suite.owner)
    suite.token.fn("transfer", second, 60, sender=bob)
    assert suite.token.view("balanceOf", second) == 100


def test_a_holder_is_a_wallet_and_the_cap_is_kept(suite: Suite) -> None:
    ann, bob, cy = suite.holder("ann", 100), suite.holder("bob", 100), suite.register("cy")
    second = suite.register("bob's second", identity=bob)

    def holders() -> int:
        return suite.compliance.view("rules", suite.token.address)[3]

    suite.compliance.fn("set_rules", suite.token.address, 0, 0, 2, sender=suite.owner)
    assert suite.why_not(ann, cy, 1) == (17, 2)
    with refused("Transfer not possible"):
        suite.token.fn("transfer", cy, 1, sender=ann)
    with refused("Compliance not followed"):
        suite.token.fn("mint", cy, 1, sender=suite.agent)
    suite.token.fn("transfer", second, 50, sender=bob)
    assert holders() == 3
    suite.token.fn("transfer", bob, 50, sender=second)
    suite.token.fn("transfer", cy, 100, sender=ann)
    assert holders() == 2
    # Whatever becomes of who they are, the count stays what it is.
    suite.registry.fn("updateIdentity", cy, bob, sender=suite.agent)
    suite.registry.fn("deleteIdentity", cy, sender=suite.agent)
    suite.token.fn("burn", cy, 100, sender=suite.agent)
    suite.token.fn("transfer", bob, 0, sender=bob)
    suite.token.fn("transfer", bob, 100, sender=bob)
    assert holders() == 1


def test_countries_and_the_supply_bind(suite: Suite) -> None:
    ann, bob, token = suite.holder("ann", 90), suite.register("bob", country=FRANCE), suite.token.address
    suite.compliance.fn("set_countries", token, ALLOW_LISTED, [GERMANY], sender=suite.owner)
    suite.compliance.fn("set_rules", token, 0, 100, 0, sender=suite.owner)
    assert (suite.why_not(ann, bob, 1), suite.why_not(ZERO, ann, 11), suite.why_not(ZERO, ann, 10)) == ((13, FRANCE), (16, 100), (0, 0))
    with refused("Transfer not possible"):
        suite.token.fn("transfer", bob, 1, sender=ann)
    suite.registry.fn("updateCountry", bob, GERMANY, sender=suite.agent)
    suite.token.fn("transfer", bob, 1, sender=ann)


PLAIN_REGISTRY = """
# pragma version 0.4.3
# An identity registry of another make.
@external
@view
def isVerified(wallet: address) -> bool:
    return True

@external
@view
def investorCountry(wallet: address) -> uint16:
    return 250
"""


def test_with_a_registry_of_another_make_each_wallet_counts_alone(suite: Suite) -> None:
    plain = deploy_source(suite.chain, "plain_registry", PLAIN_REGISTRY, sender=suite.owner)
    suite.token.fn("setIdentityRegistry", plain.address, sender=suite.owner)
    ann, bob, token = suite.person("ann"), suite.person("bob"), suite.token.address
    suite.token.fn("mint", ann, 50, sender=suite.agent)
    suite.compliance.fn("set_rules", token, 50, 0, 0, sender=suite.owner)
    suite.compliance.fn("set_countries", token, ALLOW_LISTED, [FRANCE], sender=suite.owner)
    assert (suite.why_not(ZERO, ann, 1), suite.why_not(ann, bob, 50)) == ((15, 50), (0, 0))
    assert suite.compliance.view("investor_balance", token, ann) == 50
    suite.compliance.fn("set_countries", token, ALLOW_LISTED, [GERMANY], sender=suite.owner)
    assert suite.why_not(ann, bob, 1) == (13, FRANCE)


# Binding


def test_a_token_binds_itself_only_where_none_is_bound(suite: Suite) -> None:
    fresh = suite.chain.deploy("compliance", sender=suite.owner)
    fresh.fn("initialize", sender=suite.owner)
    first, other, agent = suite.person("first token"), suite.person("other token"), suite.person("agent of rules")
    with refused("invalid argument - zero address"):
        fresh.fn("bindToken", ZERO, sender=suite.owner)
    with refused("only owner or token can call"):
        fresh.fn("bindToken", first, sender=other)
    assert fresh.fn("bindToken", first, sender=first).logs == [DecodedLog("TokenBound", {"_token": first})]
    assert fresh.fn("bindToken", first, sender=first).logs == []
    with refused("only owner or token can call"):
        fresh.fn("bindToken", other, sender=other)
    with refused("compliance: token is already bound"):
        fresh.fn("bindToken", first, sender=suite.owner)
    fresh.fn("addAgent", agent, sender=suite.owner)
    fresh.fn("bindToken", other, sender=agent)
    with refused("only owner or token can call"):
        fresh.fn("unbindToken", other, sender=first)
    assert fresh.fn("unbindToken", first, sender=first).logs == [DecodedLog("TokenUnbound", {"_token": first})]
    assert (fresh.view("getTokenBound"), fresh.view("isTokenBound", first)) == (other, False)


def test_only_a_bound_token_tells_of_moves(suite: Suite) -> None:
    for act, arguments in (("transferred", [ZERO, ZERO, 1]), ("created", [ZERO, 1]), ("destroyed", [ZERO, 1])):
        with refused(NOT_BOUND_TOKEN):
            suite.compliance.fn(act, *arguments, sender=suite.owner)
    assert suite.compliance.view("check", suite.person("some token"), ZERO, ZERO, 1) == (12, 0)


def test_a_token_that_tells_of_no_move_or_of_nobody_is_refused(suite: Suite) -> None:
    told_by, ann = suite.person("token that tells"), suite.person("ann")
    suite.compliance.fn("bindToken", told_by, sender=suite.owner)
    for act, arguments, reason in (
        ("transferred", [ann, ann, 0], "invalid argument - no value transfer"),
        ("created", [ann, 0], "invalid argument - no value mint"),
        ("destroyed", [ann, 0], "invalid argument - no value burn"),
        ("transferred", [ZERO, ann, 1], "invalid argument - zero address"),
        ("transferred", [ann, ZERO, 1], "invalid argument - zero address"),
        ("created", [ZERO, 1], "invalid argument - zero address"),
        ("destroyed", [ZERO, 1], "invalid argument - zero address"),
    ):
        with refused(reason):
            suite.compliance.fn(act, *arguments, sender=told_by)


def test_somebody_who_asks_before_there_is_a_token_hears_the_modules_only(suite: Suite) -> None:
    fresh = suite.chain.deploy("compliance", sender=suite.owner)
    fresh.fn("initialize", sender=suite.owner)
    ann, bob = suite.person("ann"), suite.person("bob")
    assert fresh.view("canTransfer", ann, bob, 1, sender=ann) is True
    # A token that is not bound would be refused afterwards.
    assert fresh.view("canTransfer", ann, bob, 1, sender=suite.token.address) is False
    fresh.fn("bindToken", suite.person("a token that is no contract"), sender=suite.owner)
    assert fresh.view("canTransfer", ann, bob, 1, sender=ann) is True


# Modules


MODULE = """
# pragma version 0.4.3
maximum: public(uint256)
bound: public(address)
moved: public(uint256)
minted: public(uint256)
burned: public(uint256)

@external
def set_maximum(maximum: uint256):
    assert msg.sender == self.bound, "only bound compliance"
    self.maximum = maximum

@external
def bindCompliance(compliance: address):
    self.bound = compliance

@external
def unbindCompliance(compliance: address):
    self.bound = empty(address)

@external
@view
def isPlugAndPlay() -> bool:
    return True

@external
@view
def moduleCheck(sender: address, receiver: address, amount: uint256, compliance: address) -> bool:
    return amount <= self.maximum

@external
def moduleTransferAction(sender: address, receiver: address, amount: uint256):
    self.moved += amount

@external
def moduleMintAction(receiver: address, amount: uint256):
    self.minted += amount

@external
def moduleBurnAction(holder: address, amount: uint256):
    self.burned += amount
"""


def test_a_module_is_asked_of_tokens_bound_before_it_and_after_it(suite: Suite) -> None:
    module = deploy_source(suite.chain, "module_of_another_make", MODULE, sender=suite.owner)
    ann = suite.register("ann")
    suite.compliance.fn("addModule", module.address, sender=suite.owner)
    assert suite.why_not(ZERO, ann, 1) == (18, 0)
    for act in ("unbindToken", "bindToken"):
        suite.compliance.fn(act, suite.token.address, sender=suite.owner)
    assert suite.why_not(ZERO, ann, 1) == (18, 0)
    suite.compliance.fn("removeModule", module.address, sender=suite.owner)
    assert suite.why_not(ZERO, ann, 1) == (0, 0)


def test_modules_are_asked_and_told(suite: Suite) -> None:
    module = deploy_source(suite.chain, "module_of_another_make", MODULE, sender=suite.owner)
    ann, bob = suite.register("ann"), suite.register("bob")
    suite.compliance.fn("addModule", module.address, sender=suite.owner)
    assert suite.why_not(ZERO, ann, 1) == (18, 0)
    with refused("Compliance not followed"):
        suite.token.fn("mint", ann, 1, sender=suite.agent)
    call = keccak(b"set_maximum(uint256)")[:4] + eth_abi.encode(["uint256"], [100])
    suite.compliance.fn("callModuleFunction", call, module.address, sender=suite.owner)
    suite.token.fn("mint", ann, 100, sender=suite.agent)
    suite.token.fn("transfer", bob, 60, sender=ann)
    suite.token.fn("forcedTransfer", bob, ann, 5, sender=suite.agent)
    suite.token.fn("burn", ann, 10, sender=suite.agent)
    assert [module.view(each) for each in ("minted", "moved", "burned")] == [100, 65, 10]
    assert suite.compliance.view("getModules") == (module.address,)
    suite.compliance.fn("removeModule", module.address, sender=suite.owner)
    assert (suite.compliance.view("isModuleBound", module.address), module.view("bound")) == (False, ZERO)


# Roles


REGISTRY_AGENT_ACTS: list[tuple[str, list[Any]]] = [
    ("registerIdentity", [ZERO, ZERO, 0]),
    ("batchRegisterIdentity", [[], [], []]),
    ("register_investor", [ZERO, ZERO, 0, 0]),
    ("register_investor_batch", [[], [], [], []]),
    ("set_verified_until", [[], []]),
    ("updateIdentity", [ZERO, ZERO]),
    ("updateCountry", [ZERO, 0]),
    ("deleteIdentity", [ZERO]),
]
REGISTRY_OWNER_ACTS: list[tuple[str, list[Any]]] = [
    ("setIdentityRegistryStorage", [ZERO]),
    ("setClaimTopicsRegistry", [ZERO]),
    ("setTrustedIssuersRegistry", [ZERO]),
    ("set_claim_verifier", [ZERO]),
    ("set_live", [NO]),
    ("addAgent", [ZERO]),
    ("removeAgent", [ZERO]),
    ("transferOwnership", [ZERO]),
]
REGISTRY_VERIFIER_ACTS: list[tuple[str, list[Any]]] = [
    ("register_claimed", [ZERO, ZERO, 0, 0, ZERO, 0]),
    ("count_claim", [ZERO, 0, ZERO, 0]),
]
REGISTRY_OTHER_ACTS = {"initialize", "invalidate", "start_epoch", "sync_claim_topics"}
COMPLIANCE_ACTS: list[tuple[str, list[Any], str]] = [
    ("set_rules", [ZERO, 0, 0, 0], "access: caller is neither owner nor agent"),
    ("set_countries", [ZERO, 0, []], "access: caller is neither owner nor agent"),
    ("apply_rules", [ZERO, b""], "access: caller is neither owner nor agent"),
    ("set_transfer_rules", [ZERO, ZERO], "access: caller is neither owner nor agent"),
    ("seed_holders", [ZERO, 0], "Ownable: caller is not the owner"),
    ("addModule", [ZERO], "Ownable: caller is not the owner"),
    ("removeModule", [ZERO], "Ownable: caller is not the owner"),
    ("callModuleFunction", [b"", ZERO], "Ownable: caller is not the owner"),
    ("addAgent", [ZERO], "Ownable: caller is not the owner"),
    ("removeAgent", [ZERO], "Ownable: caller is not the owner"),
    ("transferOwnership", [ZERO], "Ownable: caller is not the owner"),
]


def acts_of(name: str) -> set[str]:
    return {function.name for named in contract_artifacts.load(name).functions.values() for function in named if not function.is_view}


def test_every_act_of_the_registry_is_for_its_role(suite: Suite) -> None:
    walked = REGISTRY_AGENT_ACTS + REGISTRY_OWNER_ACTS + REGISTRY_VERIFIER_ACTS
    assert acts_of("identity_registry") == {act for act, _ in walked} | REGISTRY_OTHER_ACTS
    for acts, reason in (
        (REGISTRY_AGENT_ACTS, "AgentRole: caller does not have the Agent role"),
        (REGISTRY_OWNER_ACTS, "Ownable: caller is not the owner"),
        (REGISTRY_VERIFIER_ACTS, "registry: caller is not the claim verifier"),
    ):
        for act, arguments in acts:
            with refused(reason):
                suite.registry.fn(act, *arguments, sender=suite.person("stranger"))
    with refused("access: caller is neither owner nor agent"):
        suite.registry.fn("start_epoch", sender=suite.person("stranger"))
    with refused("registry: caller is neither agent nor trusted issuer"):
        suite.registry.fn("invalidate", suite.register("ann"), sender=suite.person("stranger"))
    with refused("address not stored yet"):
        suite.registry.fn("invalidate", suite.person("bob"), sender=suite.agent)


def test_every_act_of_compliance_is_for_its_role(suite: Suite) -> None:
    walked = {act for act, _, _ in COMPLIANCE_ACTS}
    assert acts_of("compliance") == walked | {"initialize", "bindToken", "unbindToken", "transferred", "created", "destroyed"}
    for act, arguments, reason in COMPLIANCE_ACTS:
        with refused(reason):
            suite.compliance.fn(act, *arguments, sender=suite.person("stranger"))


def test_an_owner_wires_other_parts(suite: Suite) -> None:
    issuers, topics = (suite.chain.deploy(name, sender=suite.owner) for name in ("trusted_issuers_registry", "claim_topics_registry"))
    suite.registry.fn("setTrustedIssuersRegistry", issuers.address, sender=suite.owner)
    suite.registry.fn("setClaimTopicsRegistry", topics.address, sender=suite.owner)
    assert (suite.registry.view("issuersRegistry"), suite.registry.view("topicsRegistry")) == (issuers.address, topics.address)
