# SPDX-License-Identifier: Apache-2.0
"""What the acts of the ERC-3643 reference cost: suites of its own factory, real ONCHAINID identities, one claim topic.

The suite is deployed as its makers deploy it, each contract behind a proxy of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import eth_abi
from eth_account.messages import encode_defunct
from eth_hash.auto import keccak

from bench.peers.packages import onchainid, trex, version_of
from bench.scenarios.chains import ZERO, Chain, Contract, account, accounts, deploy, is_refused, signer

KYC = 1
CLAIM_SIGNER, MANAGEMENT = 3, 1
ECDSA = 1
GERMANY, NORTH_KOREA = 276, 408
MAXIMUM = 100_000
BATCH = 50
OWNER, AGENT = account("trex owner"), account("trex agent")


def key_of(address: str) -> bytes:
    """Return an address as ONCHAINID (ERC-734) keeps keys."""
    return keccak(eth_abi.encode(["address"], [address]))


@dataclass
class Platform:
    """What is there before any token: logic contracts, factories, modules and one trusted issuer of claims."""

    chain: Chain
    factory: Contract
    identities: Contract
    issuer: Contract
    country_restrict: Contract
    max_balance: Contract
    gas: int

    def identity(self, wallet: str) -> Contract:
        """Have an identity contract made for a wallet."""
        self.identities.fn("createIdentity", wallet, wallet, sender=OWNER)
        return Contract(self.chain, onchainid("Identity"), self.identities.view("getIdentity", wallet))

    def claim(self, identity: Contract, *, topic: int = KYC) -> tuple[int, int, str, bytes, bytes, str]:
        """Return a claim about an identity, signed as ONCHAINID asks, in the arguments of `addClaim`."""
        data = b"known"
        told = keccak(eth_abi.encode(["address", "uint256", "bytes"], [identity.address, topic, data]))
        signature = bytes(signer("trex claims").sign_message(encode_defunct(told)).signature)
        return topic, ECDSA, self.issuer.address, signature, data, ""


@dataclass
class Suite:
    """One token of the reference with what belongs to it; open for transfers."""

    platform: Platform
    token: Contract
    registry: Contract
    gas: int

    def investor(self, wallet: str, *, country: int = GERMANY) -> str:
        """Register a wallet with an identity that has its claim."""
        identity = self.platform.identity(wallet)
        identity.fn("addClaim", *self.platform.claim(identity), sender=wallet)
        self.registry.fn("registerIdentity", wallet, identity.address, country, sender=AGENT)
        return identity.address


def build_platform(chain: Chain) -> Platform:
    """Deploy what all tokens share."""
    spent = 0

    def make(name: str, *arguments: object) -> Contract:
        nonlocal spent
        made = deploy(chain, trex(name), *arguments, sender=OWNER)
        spent += made.deployment_gas
        return made

    logic = {
        name: make(name).address
        for name in (
            "Token",
            "ClaimTopicsRegistry",
            "IdentityRegistry",
            "IdentityRegistryStorage",
            "TrustedIssuersRegistry",
            "ModularCompliance",
        )
    }
    is_library, is_reference = True, True
    identity_logic = deploy(chain, onchainid("Identity"), OWNER, is_library, sender=OWNER)
    identity_authority = deploy(chain, onchainid("ImplementationAuthority"), identity_logic.address, sender=OWNER)
    identities = deploy(chain, onchainid("IdFactory"), identity_authority.address, sender=OWNER)
    authority = make("TREXImplementationAuthority", is_reference, ZERO, ZERO)
    authority.fn("addAndUseTREXVersion", (4, 1, 6), tuple(logic.values()), sender=OWNER)
    factory = make("TREXFactory", authority.address, identities.address)
    identities.fn("addTokenFactory", factory.address, sender=OWNER)
    authority.fn("setTREXFactory", factory.address, sender=OWNER)

    def module(name: str) -> Contract:
        code = make(name)
        proxy = make("ModuleProxy", code.address, code.artifact.encode_call("initialize"))
        return Contract(chain, code.artifact, proxy.address)

    issuer = deploy(chain, onchainid("ClaimIssuer"), OWNER, sender=OWNER)
    issuer.fn("addKey", key_of(signer("trex claims").address), CLAIM_SIGNER, ECDSA, sender=OWNER)
    return Platform(chain, factory, identities, issuer, module("CountryRestrictModule"), module("MaxBalanceModule"), spent)


def build_suite(platform: Platform, salt: str, *, with_modules: bool) -> Suite:
    """Deploy one token by the factory, with the two modules or none, and open it."""
    restrict, maximum = platform.country_restrict, platform.max_balance
    modules = [restrict.address, maximum.address] if with_modules else []
    settings = (
        [
            restrict.artifact.encode_call("batchRestrictCountries", [NORTH_KOREA, 364]),
            maximum.artifact.encode_call("setMaxBalance", MAXIMUM),
        ]
        if with_modules
        else []
    )
    terms = (OWNER, "Reference", "REF", 0, ZERO, ZERO, [AGENT], [AGENT], modules, settings)
    claims = ([KYC], [platform.issuer.address], [[KYC]])
    gas = platform.factory.gas("deployTREXSuite", salt, terms, claims, sender=OWNER)
    token = Contract(platform.chain, trex("Token"), platform.factory.view("getToken", salt))
    registry = Contract(platform.chain, trex("IdentityRegistry"), token.view("identityRegistry"))
    token.fn("unpause", sender=AGENT)
    return Suite(platform, token, registry, gas)


def measure(platform: Platform, salt: str, *, with_modules: bool) -> dict[str, int]:
    """Return the gas of each act on a token of its own."""
    suite = build_suite(platform, salt, with_modules=with_modules)
    token, registry, chain = suite.token, suite.registry, platform.chain
    figures = {"deploy_suite": suite.gas}

    def person(name: str) -> str:
        return account(f"{salt} {name}")

    ann, bob, cat, dee, new, newer, spender = (person(name) for name in ("ann", "bob", "cat", "dee", "new", "newer", "spender"))
    for wallet in (ann, bob, cat, new, newer):
        suite.investor(wallet)
    dee_identity = suite.investor(dee)
    for wallet in (ann, bob, cat, dee):
        token.fn("mint", wallet, 10_000, sender=AGENT)
    _check_refusals(suite, person, ann, with_modules=with_modules)

    figures["transfer"] = token.gas("transfer", bob, 10, sender=ann)
    figures["mint_new_holder"] = token.gas("mint", new, 10, sender=AGENT)
    figures["transfer_new_holder"] = token.gas("transfer", newer, 10, sender=ann)
    token.fn("approve", spender, 100, sender=ann)
    figures["transfer_from"] = token.gas("transferFrom", ann, bob, 10, sender=spender)
    token.fn("freezePartialTokens", cat, 9_995, sender=AGENT)
    figures["forced_transfer"] = token.gas("forcedTransfer", cat, bob, 10, sender=AGENT)
    many = accounts(f"{salt} many", BATCH)
    identities = [platform.identity(wallet) for wallet in many]
    for wallet, identity in zip(many, identities, strict=True):
        identity.fn("addClaim", *platform.claim(identity), sender=wallet)
    batch = [[identity.address for identity in identities], [GERMANY] * BATCH]
    figures["register_investor_batch_each"] = registry.gas("batchRegisterIdentity", many, *batch, sender=AGENT) // BATCH
    figures["batch_mint_per_investor"] = token.gas("batchMint", many, [10] * BATCH, sender=AGENT) // BATCH
    figures["batch_transfer_per_recipient"] = token.gas("batchTransfer", many, [1] * BATCH, sender=ann) // BATCH
    identity = Contract(chain, onchainid("Identity"), dee_identity)
    replacement = person("dee's new")
    identity.fn("addKey", key_of(replacement), MANAGEMENT, ECDSA, sender=dee)
    figures["recovery"] = token.gas("recoveryAddress", dee, replacement, dee_identity, sender=AGENT)
    return figures | _one_more_investor(suite, person("one more"))


def _one_more_investor(suite: Suite, wallet: str) -> dict[str, int]:
    """Return what an investor costs from nothing: identity contract, claim and registration, each a transaction."""
    platform = suite.platform
    made = platform.identities.gas("createIdentity", wallet, wallet, sender=OWNER)
    identity = Contract(platform.chain, onchainid("Identity"), platform.identities.view("getIdentity", wallet))
    claimed = identity.gas("addClaim", *platform.claim(identity), sender=wallet)
    registered = suite.registry.gas("registerIdentity", wallet, identity.address, GERMANY, sender=AGENT)
    return {"register_investor": registered, "new_investor_total": made + claimed + registered}


def _check_refusals(suite: Suite, person: object, ann: str, *, with_modules: bool) -> None:
    """See that what is said to be on is on: figures of checks that do not check would be worth nothing."""
    assert callable(person)
    token, platform = suite.token, suite.platform
    stranger, barred, unclaimed = person("stranger"), person("barred"), person("unclaimed")
    suite.investor(barred, country=NORTH_KOREA)
    suite.registry.fn("registerIdentity", unclaimed, platform.identity(unclaimed).address, GERMANY, sender=AGENT)
    refused = "Transfer not possible"
    assert is_refused(token, "transfer", stranger, 10, sender=ann) == refused, "nobody is verified without registration"
    assert is_refused(token, "transfer", unclaimed, 10, sender=ann) == refused, "nobody is verified without the claim"
    if with_modules:
        assert is_refused(token, "transfer", barred, 10, sender=ann) == refused, "the country list is on"
        assert is_refused(token, "mint", ann, MAXIMUM, sender=AGENT) == "Compliance not followed", "the maximum is on"


def conditions(*, with_modules: bool) -> str:
    """Return what was on."""
    version, identity = version_of("@tokenysolutions/t-rex"), version_of("@onchain-id/solidity")
    modules = "CountryRestrict (2 countries) and MaxBalance" if with_modules else "no module"
    return (
        f"T-REX {version} by its factory (proxies), ONCHAINID {identity}, 1 claim topic, 1 trusted issuer, {modules}; "
        "deploy_suite: token, registries and compliance, as its factory makes them for each token"
    )
