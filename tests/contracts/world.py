# SPDX-License-Identifier: Apache-2.0
"""A platform, one issuer's suite and one open security, for tests that say only what matters to them."""

from __future__ import annotations

from dataclasses import dataclass

import eth_abi

from tests.contracts.chain import ZERO, Chain, Contract

BLUEPRINTS = ("joint_compliance", "trusted_issuers_registry", "claim_topics_registry", "security_token")
GERMANY, FRANCE, IRAN = 276, 250, 364
YEAR = 365 * 24 * 60 * 60
NO_COUNTRY_RULE, ALLOW_LISTED, BLOCK_LISTED = 0, 1, 2


def encode_rules(
    *, maximum_balance: int = 0, supply_cap: int = 0, holder_cap: int = 0, country_mode: int = 0, countries: tuple[int, ...] = ()
) -> bytes:
    terms = (maximum_balance, supply_cap, holder_cap, country_mode, list(countries))
    return eth_abi.encode(["(uint256,uint256,uint256,uint8,uint16[])"], [terms])


def deploy_factory(chain: Chain, *, sender: str) -> Contract:
    blueprints = tuple(chain.deploy_blueprint(name, sender=sender) for name in BLUEPRINTS)
    verifier = chain.deploy("claim_verifier", sender=sender)
    return chain.deploy("security_factory", blueprints, verifier.address, sender=sender)


@dataclass
class World:
    """The contracts and who holds which office. `agent` is agent of registry, compliance and token; `owner` owns all three.

    `registry` and `compliance` are one contract, the joint one, which tests name by the part that they mean.
    """

    chain: Chain
    owner: str
    agent: str
    factory: Contract
    registry: Contract
    issuers: Contract
    topics: Contract
    compliance: Contract
    verifier: Contract
    token: Contract

    def person(self, name: str) -> str:
        return self.chain.account(name)

    def register(self, name: str, *, country: int = GERMANY, identity: str = ZERO, until: int | None = None) -> str:
        wallet = self.person(name)
        expires = self.chain.now + YEAR if until is None else until
        self.registry.fn("register_investor", wallet, identity, country, expires, sender=self.agent)
        return wallet

    def holder(self, name: str, amount: int, *, country: int = GERMANY, identity: str = ZERO) -> str:
        wallet = self.register(name, country=country, identity=identity)
        self.token.fn("mint", wallet, amount, sender=self.agent)
        return wallet

    def set_rules(self, *, maximum_balance: int = 0, supply_cap: int = 0, holder_cap: int = 0) -> None:
        self.compliance.fn("set_rules", self.token.address, maximum_balance, supply_cap, holder_cap, sender=self.agent)

    def set_countries(self, mode: int, countries: list[int]) -> None:
        self.compliance.fn("set_countries", self.token.address, mode, countries, sender=self.agent)

    def balance(self, wallet: str) -> int:
        return self.token.view("balanceOf", wallet)

    def holders(self) -> int:
        return self.compliance.view("rules", self.token.address)[3]

    def why_not(self, sender: str, receiver: str, amount: int) -> int:
        return self.token.view("check_transfer", sender, receiver, amount)[0]


def build_world(chain: Chain) -> World:
    owner, agent = chain.account("owner"), chain.account("agent")
    factory = deploy_factory(chain, sender=owner)
    suite = factory.fn("deploy_suite", b"\1" * 32, [agent], sender=owner).answer
    opens = True
    terms = ("Acme Common", "ACME", 0, ZERO)
    token = factory.fn("deploy_security", suite[0], b"\2" * 32, terms, b"", [agent], opens, sender=owner).answer
    joint = chain.at("joint_compliance", suite[0])
    return World(
        chain=chain,
        owner=owner,
        agent=agent,
        factory=factory,
        registry=joint,
        issuers=chain.at("trusted_issuers_registry", suite[1]),
        topics=chain.at("claim_topics_registry", suite[2]),
        compliance=joint,
        verifier=chain.at("claim_verifier", factory.view("claim_verifier")),
        token=chain.at("security_token", token),
    )
