# SPDX-License-Identifier: Apache-2.0
"""What our tokens cost where investors have identity contracts (ONCHAINID), as the reference's have: only with that package at hand."""

from __future__ import annotations

from bench.peers.packages import onchainid
from bench.scenarios import trex
from bench.scenarios.chains import Contract, account, is_refused
from bench.scenarios.muniment import AGENT, OWNER, REFUSED, Security, build_security, salted
from muniment.infra.evm.contract_artifacts import load

CONDITIONS = (
    "identity_contract: ONCHAINID identities by their factory; live_claims: one topic, the claim looked at in each receiver's "
    "identity contract at each transfer, revocation biting at once, all rules on"
)


def measure(platform: trex.Platform, factory: Contract) -> dict[str, int]:
    """Return the gas of a recovery to a key of the identity contract, and of transfers that look at claims."""
    chain = platform.chain
    security, _ = build_security(chain, factory, salted("identity contracts"))
    ann, bob, replacement = (account(f"identified {name}") for name in ("ann", "bob", "ann's new"))
    identity = _hold(security, platform, ann)
    _hold(security, platform, bob)
    identity.fn("addKey", trex.key_of(replacement), trex.MANAGEMENT, trex.ECDSA, sender=ann)
    recovery = security.token.gas("recoveryAddress", ann, replacement, identity.address, sender=AGENT)

    live, _ = build_security(chain, factory, salted("live claims"))
    registry, token, is_live = live.registry, live.token, True
    registry.fn("set_live", is_live, sender=OWNER)
    issuers = Contract(chain, load("trusted_issuers_registry"), registry.view("issuersRegistry"))
    topics = Contract(chain, load("claim_topics_registry"), registry.view("topicsRegistry"))
    topics.fn("addClaimTopic", trex.KYC, sender=OWNER)
    issuers.fn("addTrustedIssuer", platform.issuer.address, [trex.KYC], sender=OWNER)
    cat, dan, unclaimed = (account(f"identified {name}") for name in ("cat", "dan", "unclaimed"))
    for wallet in (cat, dan):
        _hold(live, platform, wallet, claimed=True)
    live.register(unclaimed, identity=platform.identity(unclaimed).address)
    assert is_refused(token, "transfer", unclaimed, 1, sender=cat) == REFUSED, "the claim is asked for"
    return {"recovery_identity_contract": recovery, "transfer_live_claims": token.gas("transfer", dan, 10, sender=cat)}


def _hold(security: Security, platform: trex.Platform, wallet: str, *, claimed: bool = False) -> Contract:
    """Register a wallet with an identity contract, with a claim if so wanted, and issue to it; return the identity contract."""
    identity = platform.identity(wallet)
    if claimed:
        identity.fn("addClaim", *platform.claim(identity), sender=wallet)
    security.holder(wallet, identity=identity.address)
    return Contract(security.chain, onchainid("Identity"), identity.address)
