# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Whether an identity contract holds, at this moment, a valid claim on every topic asked (ONCHAINID: ERC-735 claims, each vouched
for by its issuer's contract). Stores nothing.
@dev A claim counts only when the trusted issuer that it is filed under is the one that it names and that vouches for it (ERC-3643
issue 101). Each claim is looked at in a call of its own, so that an identity or an issuer that reverts, burns its gas or answers
nonsense spoils that one claim only.
"""

from interfaces import IClaimTopicsRegistry
from interfaces import IOnchainIdentity
from interfaces import ITrustedIssuersRegistry

TOPICS_MAX: constant(uint256) = 15
ISSUERS_MAX: constant(uint256) = 50
# What one claim may burn: the reference's identity and issuer contracts need a tenth.
CLAIM_GAS: constant(uint256) = 500_000


@external
@view
def is_claim_valid(identity: address, topic: uint256, issuer: address) -> bool:
    """@notice Whether `issuer` vouches now for a claim on the topic that the identity keeps under it. Reverts on answers without sense."""
    claim_id: bytes32 = keccak256(abi_encode(issuer, topic))
    found: uint256 = 0
    scheme: uint256 = 0
    named: address = empty(address)
    signature: Bytes[512] = b""
    data: Bytes[1024] = b""
    found, scheme, named, signature, data = staticcall IOnchainIdentity(identity).getClaim(claim_id)
    if found != topic or named != issuer:
        return False
    return staticcall IOnchainIdentity(issuer).isClaimValid(identity, topic, signature, data)


@external
@view
def is_vouched(identity: address, claim_topics_registry: address, trusted_issuers_registry: address) -> bool:
    """
    @notice Whether an identity contract holds now, for every topic asked, a claim that a trusted issuer vouches for. Where no claim is
    asked, every identity does.
    """
    topics: DynArray[uint256, TOPICS_MAX] = staticcall IClaimTopicsRegistry(claim_topics_registry).getClaimTopics()
    for topic: uint256 in topics:
        issuers: DynArray[address, ISSUERS_MAX] = staticcall ITrustedIssuersRegistry(
            trusted_issuers_registry
        ).getTrustedIssuersForClaimTopic(topic)
        is_vouched: bool = False
        for issuer: address in issuers:
            success: bool = False
            answer: Bytes[32] = b""
            success, answer = raw_call(
                self,
                abi_encode(identity, topic, issuer, method_id=method_id("is_claim_valid(address,uint256,address)")),
                max_outsize=32,
                gas=CLAIM_GAS,
                is_static_call=True,
                revert_on_failure=False,
            )
            if success and convert(answer, uint256) == 1:
                is_vouched = True
                break
        if not is_vouched:
            return False
    return True
