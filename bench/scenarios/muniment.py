# SPDX-License-Identifier: Apache-2.0
"""What the acts of our own tokens cost: one issuer's suite by the factory, every rule on and seen to refuse.

Shared by bench/gas.py and the snapshot's test. Each section builds what it needs; none uses what another has made.
"""

from __future__ import annotations

from dataclasses import dataclass

import eth_abi
from eth_account.messages import encode_defunct
from eth_hash.auto import keccak

from bench.scenarios.chains import ZERO, Chain, Contract, account, accounts, deploy, is_refused, signer
from muniment.infra.evm.contract_artifacts import load, reasons

BLUEPRINTS = ("joint_compliance", "trusted_issuers_registry", "claim_topics_registry", "security_token")
GERMANY, FRANCE, NORTH_KOREA = 276, 250, 408
ALLOW_LISTED = 1
MAXIMUM, SUPPLY_CAP, HOLDER_CAP = 100_000, 10**9, 1_000
YEAR = 365 * 24 * 60 * 60
BATCH = 50
KYC = 1
OWNER, AGENT = account("muniment owner"), account("muniment agent")
REFUSED = "Transfer not possible"
CONDITIONS = (
    "one suite by the factory, registry and rules at one address; on for every transfer: KYC with expiry, list of allowed countries, "
    "maximum per investor, holder cap, supply cap; not paused, no wallet frozen; each rule is seen to refuse before anything is measured; "
    "an investor's identity is the first wallet where the name does not say identity contract; erc3643_calls: each contract on its own, "
    "by the standard's calls, the registry going by its records; with live: looking at claims and in a shared storage at each transfer; "
    "country_caps: investors counted per country too; "
    "deploy_suite: a second security with its rules, beside what its issuer has once (deploy_issuer_suite)"
)


@dataclass
class Security:
    """One open security with all rules on, and its suite; `registry` and `compliance` may be one contract."""

    chain: Chain
    registry: Contract
    compliance: Contract
    token: Contract
    gas: int

    def register(self, wallet: str, *, country: int = GERMANY, identity: str = ZERO, until: int | None = None) -> str:
        """Register a wallet, verified for a year if not said otherwise."""
        self.registry.fn("register_investor", wallet, identity, country, self.chain.now + YEAR if until is None else until, sender=AGENT)
        return wallet

    def holder(self, wallet: str, amount: int = 10_000, *, identity: str = ZERO) -> str:
        """Register a wallet and issue to it."""
        self.register(wallet, identity=identity)
        self.token.fn("mint", wallet, amount, sender=AGENT)
        return wallet


def encode_rules(*, maximum: int = MAXIMUM, holder_cap: int = HOLDER_CAP) -> bytes:
    """Return the rules of a security as compliance takes them."""
    terms = (maximum, SUPPLY_CAP, holder_cap, ALLOW_LISTED, [GERMANY, FRANCE])
    return eth_abi.encode(["(uint256,uint256,uint256,uint8,uint16[])"], [terms])


def build_factory(chain: Chain) -> Contract:
    """Deploy what all issuers share."""
    blueprints: list[tuple[str, bytes]] = []
    for name in BLUEPRINTS:
        receipt = chain.send(None, load(name).encode_blueprint_deployment(), sender=OWNER)
        assert receipt.created is not None, "it was a creation"
        blueprints.append((receipt.created, load(name).init_code_hash))
    verifier = deploy(chain, load("claim_verifier"), sender=OWNER)
    return deploy(chain, load("security_factory"), tuple(blueprints), verifier.address, sender=OWNER)


def build_security(
    chain: Chain, factory: Contract, salt: bytes, *, holder_cap: int = HOLDER_CAP, is_clone: bool = False
) -> tuple[Security, int]:
    """Have the factory deploy a suite and a security with all rules; return it with the gas of the suite alone."""
    suite = factory.fn("deploy_suite", salt, [AGENT], sender=OWNER, answers=True)
    joint = Contract(chain, load("joint_compliance"), suite.answer[0])
    return one_more_security(factory, joint, salt, holder_cap=holder_cap, is_clone=is_clone), suite.gas


def one_more_security(factory: Contract, joint: Contract, salt: bytes, *, holder_cap: int = HOLDER_CAP, is_clone: bool = False) -> Security:
    """Have the factory deploy a security with all rules beside what its issuer has."""
    opens = True
    terms = ("Muniment", "MUN", 0, ZERO)
    asked = (joint.address, salt, terms, encode_rules(holder_cap=holder_cap), [AGENT], opens)
    made = factory.fn("deploy_security_clone" if is_clone else "deploy_security", *asked, sender=OWNER, answers=True)
    return Security(factory.chain, joint, joint, Contract(factory.chain, load("security_token"), made.answer), made.gas)


def build_by_standard_calls(chain: Chain, *, is_live: bool) -> Security:
    """Deploy registry, compliance and token each on its own, wired by ERC-3643's calls alone; the same rules.

    Live, the registry looks at claims at each question and shares its storage, as the reference does; else it goes by its own records.
    """
    storage, issuers, topics, compliance, registry, token = (
        deploy(chain, load(name), sender=OWNER)
        for name in (
            "identity_registry_storage",
            "trusted_issuers_registry",
            "claim_topics_registry",
            "compliance",
            "identity_registry",
            "security_token",
        )
    )
    for contract in (storage, issuers, topics, compliance):
        contract.fn("initialize", sender=OWNER)
    kept_by = storage if is_live else registry
    registry.fn("initialize", issuers.address, topics.address, kept_by.address, sender=OWNER)
    registry.fn("set_live", is_live, sender=OWNER)
    token.fn("initialize", registry.address, compliance.address, "Muniment", "MUN", 0, ZERO, sender=OWNER)
    storage.fn("bindIdentityRegistry", registry.address, sender=OWNER)
    for contract in (registry, token):
        contract.fn("addAgent", AGENT, sender=OWNER)
    compliance.fn("apply_rules", token.address, encode_rules(), sender=OWNER)
    token.fn("unpause", sender=AGENT)
    return Security(chain, registry, compliance, token, 0)


def check_refusals(chain: Chain, factory: Contract) -> None:
    """See that what is said to be on is on, on a suite of its own: figures of checks that do not check would be worth nothing."""
    security, _ = build_security(chain, factory, b"refusals".ljust(32, b"\0"), holder_cap=2)
    token = security.token
    ann, bob, cat, barred, expired = (account(f"refused {name}") for name in ("ann", "bob", "cat", "barred", "expired"))
    security.holder(ann, MAXIMUM)
    security.holder(bob, MAXIMUM)
    security.register(cat)
    security.register(barred, country=NORTH_KOREA)
    security.register(expired, until=chain.now + 60)
    chain.pass_time(120)

    def codes(sender: str, receiver: str) -> int:
        assert is_refused(token, "transfer", receiver, 1, sender=sender) == REFUSED, "the act agrees with the pre-check"
        return int(token.view("check_transfer", sender, receiver, 1)[0])

    published = {row.code: row.chain_code for row in reasons() if row.contract == "security_token"}
    assert codes(ann, account("refused stranger")) == published["compliance.receiver_not_verified"], "who is not registered"
    assert codes(ann, expired) == published["compliance.receiver_not_verified"], "whose verification has expired"
    assert codes(ann, barred) == published["compliance.country_not_allowed"], "whose country is not on the list"
    assert codes(ann, bob) == published["compliance.maximum_balance"], "who would hold more than the maximum"
    assert codes(ann, cat) == published["compliance.holder_cap"], "who would be one holder too many"


def salted(name: str) -> bytes:
    """Return a salt of the factory's."""
    return name.encode().ljust(32, b"\0")


def measure_token(chain: Chain, factory: Contract) -> dict[str, int]:
    """Return what holders and agents do with one token."""
    security, suite_gas = build_security(chain, factory, salted("token"))
    token, registry = security.token, security.registry
    figures = {
        "deploy_suite": measure_one_more(chain, factory, is_clone=False),
        "deploy_issuer_suite": suite_gas,
        "runtime_bytes": len(token.artifact.deployed_bytecode),
    }

    def person(name: str) -> str:
        return account(f"muniment {name}")

    ann, bob, cat, dee, eve, spender = (person(name) for name in ("ann", "bob", "cat", "dee", "eve", "spender"))
    for wallet in (ann, bob, cat, dee, eve):
        security.holder(wallet)
    security.register(person("new"))
    security.register(person("newer"))

    figures["transfer"] = token.gas("transfer", bob, 10, sender=ann)
    figures["mint_new_holder"] = token.gas("mint", person("new"), 10, sender=AGENT)
    figures["transfer_new_holder"] = token.gas("transfer", person("newer"), 10, sender=ann)
    token.fn("approve", spender, 100, sender=ann)
    figures["transfer_from"] = token.gas("transferFrom", ann, bob, 10, sender=spender)
    token.fn("freezePartialTokens", cat, 9_995, sender=AGENT)
    figures["forced_transfer"] = token.gas("forcedTransfer", cat, bob, 10, sender=AGENT)

    # Two people with two wallets each, both holding.
    for owner in (dee, eve):
        security.holder(account(f"second of {owner}"), identity=owner)
    figures["transfer_multi_wallet"] = token.gas("transfer", dee, 10, sender=ann)
    figures["transfer_multi_wallet_from"] = token.gas("transfer", ann, 10, sender=dee)
    figures["transfer_multi_wallet_both"] = token.gas("transfer", eve, 10, sender=dee)

    until = chain.now + YEAR
    figures["register_investor"] = registry.gas("register_investor", person("once"), ZERO, GERMANY, until, sender=AGENT)
    many = accounts("muniment many", BATCH)
    asked = (many, [ZERO] * BATCH, [GERMANY] * BATCH, [until] * BATCH)
    figures["register_investor_batch_each"] = registry.gas("register_investor_batch", *asked, sender=AGENT) // BATCH
    figures["batch_mint_per_investor"] = token.gas("batchMint", many, [10] * BATCH, sender=AGENT) // BATCH
    figures["batch_transfer_per_recipient"] = token.gas("batchTransfer", many, [1] * BATCH, sender=ann) // BATCH
    token.fn("lock", eve, 100, until, sender=AGENT)
    figures["transfer_live_lockup"] = token.gas("transfer", bob, 10, sender=eve)
    figures["recovery"] = token.gas("recoveryAddress", bob, person("bob's new"), bob, sender=AGENT)
    return figures


def measure_clone(chain: Chain, factory: Contract) -> dict[str, int]:
    """Return what a token costs that borrows its code, and what it costs more for it at each transfer."""
    is_clone = True
    security, _ = build_security(chain, factory, salted("clone"), is_clone=is_clone)
    ann, bob = (security.holder(account(f"cloned {name}")) for name in ("ann", "bob"))
    return {
        "deploy_suite_clone": measure_one_more(chain, factory, is_clone=is_clone),
        "transfer_clone": security.token.gas("transfer", bob, 10, sender=ann),
    }


def measure_one_more(chain: Chain, factory: Contract, *, is_clone: bool) -> int:
    """Return what an issuer's second security costs."""
    first, _ = build_security(chain, factory, salted(f"first of two {is_clone}"), is_clone=is_clone)
    return one_more_security(factory, first.registry, salted("one more"), is_clone=is_clone).gas


def measure_country_caps(chain: Chain, factory: Contract) -> dict[str, int]:
    """Return what moves cost where investors are counted per country too, each country with a cap."""
    security, _ = build_security(chain, factory, salted("country caps"))
    token, further = security.token, deploy(chain, load("transfer_rules"), sender=OWNER)
    is_on = is_capped = True
    further.fn("initialize", sender=OWNER)
    further.fn("set_compliance", token.address, security.compliance.address, sender=OWNER)
    security.compliance.fn("set_transfer_rules", token.address, further.address, sender=AGENT)
    further.fn("count_by_country", token.address, is_on, sender=OWNER)
    further.fn("set_country_cap", token.address, GERMANY, is_capped, HOLDER_CAP, sender=OWNER)
    further.fn("set_country_cap", token.address, FRANCE, is_capped, 0, sender=OWNER)

    ann, bob, new, newer, french = (account(f"capped {name}") for name in ("ann", "bob", "new", "newer", "french"))
    for wallet in (ann, bob):
        security.holder(wallet)
    for wallet in (new, newer):
        security.register(wallet)
    security.register(french, country=FRANCE)
    assert is_refused(token, "transfer", french, 1, sender=ann) == REFUSED, "the country's cap is on"
    many = accounts("capped many", BATCH)
    until = chain.now + YEAR
    registered = (many, [ZERO] * BATCH, [GERMANY] * BATCH, [until] * BATCH)
    security.registry.fn("register_investor_batch", *registered, sender=AGENT)
    return {
        "transfer_country_caps": token.gas("transfer", bob, 10, sender=ann),
        "transfer_new_holder_country_caps": token.gas("transfer", new, 10, sender=ann),
        "mint_new_holder_country_caps": token.gas("mint", newer, 10, sender=AGENT),
        "batch_mint_per_investor_country_caps": token.gas("batchMint", many, [10] * BATCH, sender=AGENT) // BATCH,
    }


def measure_standard_calls(chain: Chain) -> dict[str, int]:
    """Return what a transfer costs where token, registry and compliance know each other by ERC-3643 alone, with all rules on."""
    figures: dict[str, int] = {}
    for name, is_live in (("transfer_erc3643_calls", False), ("transfer_erc3643_calls_live", True)):
        security = build_by_standard_calls(chain, is_live=is_live)
        token = security.token
        ann, bob, new, barred = (account(f"{name} {each}") for each in ("ann", "bob", "new", "barred"))
        security.holder(ann, MAXIMUM)
        security.holder(bob)
        security.register(new)
        security.register(barred, country=NORTH_KOREA)
        assert is_refused(token, "transfer", barred, 1, sender=ann) == REFUSED, "the country list is on"
        assert is_refused(token, "transfer", ann, 1, sender=bob) == REFUSED, "the maximum is on"
        assert is_refused(token, "transfer", account(f"{name} stranger"), 1, sender=ann) == REFUSED, "registration is on"
        figures[name] = token.gas("transfer", bob, 10, sender=ann)
        figures[f"{name}_new_holder"] = token.gas("transfer", new, 10, sender=ann)
    return figures


def measure_claims(chain: Chain, factory: Contract) -> dict[str, int]:
    """Return what an investor costs whose signed claim is verified in the call that registers the wallet."""
    security, _ = build_security(chain, factory, salted("claims"))
    registry = security.registry
    issuers = Contract(chain, load("trusted_issuers_registry"), registry.view("issuersRegistry"))
    topics = Contract(chain, load("claim_topics_registry"), registry.view("topicsRegistry"))
    verifier = Contract(chain, load("claim_verifier"), registry.view("claim_verifier"))
    issuer = signer("muniment claims")
    topics.fn("addClaimTopic", KYC, sender=OWNER)
    issuers.fn("addTrustedIssuer", issuer.address, [KYC], sender=OWNER)
    until = chain.now + YEAR

    def claim(wallet: str) -> tuple[int, str, bytes, bytes]:
        data = until.to_bytes(32, "big")
        told = keccak(eth_abi.encode(["address", "uint256", "bytes"], [wallet, KYC, data]))
        return KYC, issuer.address, data, bytes(issuer.sign_message(encode_defunct(told)).signature)

    one, many = account("muniment claimed"), accounts("muniment claimed", BATCH)
    single = verifier.gas("register_investor", registry.address, one, ZERO, GERMANY, *claim(one), sender=AGENT)
    _, _, data, signatures = zip(*(claim(wallet) for wallet in many), strict=True)
    asked = (many, [ZERO] * BATCH, [GERMANY] * BATCH, KYC, issuer.address, data, signatures)
    batch = verifier.gas("register_investor_batch", registry.address, *asked, sender=AGENT)
    assert all(registry.view("isVerified", wallet) for wallet in (one, *many)), "the claims count"
    return {"new_investor_total": single, "register_claim_batch_each": batch // BATCH}
