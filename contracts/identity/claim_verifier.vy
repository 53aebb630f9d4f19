# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Verifies the claims of trusted issuers for the identity registries that trust this contract, one time when an agent registers
them, or live. Keeps which claims an issuer withdrew; owns nothing and has no owner.
@dev An issuer signs, as an EIP-191 message, keccak256(abi.encode(identity, topic, data)), or vouches by `isClaimValid` where it is a
contract; `data` begins with the expiry in Unix seconds as a uint256. One verifier serves any number of registries.
"""

from crypto import signatures
from identity import live_claims
from interfaces import IClaimedRecords
from interfaces import IClaimVerifier
from interfaces import IIdentityRegistry
from interfaces import IOnchainIdentity
from interfaces import IOwned
from interfaces import ITrustedIssuersRegistry

implements: IClaimVerifier

exports: (live_claims.is_vouched, live_claims.is_claim_valid)

BATCH_MAX: constant(uint256) = 50

event ClaimRevoked:
    issuer: indexed(address)
    digest: indexed(bytes32)

_is_revoked: HashMap[address, HashMap[bytes32, bool]]
# Most issuers never withdrew a claim: their claims need not be looked up one by one.
_has_revoked: HashMap[address, bool]


@external
def register_claim(
    registry: address, wallet: address, topic: uint256, issuer: address, data: Bytes[1024], signature: Bytes[512]
):
    """@notice Verifies a claim about a registered wallet's identity and has the registry count it. An agent of the registry only."""
    self._check_agent(registry)
    has_revoked: bool = self._check_issuer(staticcall IIdentityRegistry(registry).issuersRegistry(), issuer, topic)
    self._register_claim(registry, wallet, topic, issuer, has_revoked, data, signature)


@external
def register_claim_batch(
    registry: address,
    wallets: DynArray[address, BATCH_MAX],
    topic: uint256,
    issuer: address,
    data: DynArray[Bytes[1024], BATCH_MAX],
    signed: DynArray[Bytes[512], BATCH_MAX],
):
    """
    @notice Verifies many claims of one issuer on one topic, all or none. An agent of the registry only.
    @param signed Each claim's signature.
    """
    self._check_agent(registry)
    self._check_lengths(len(wallets), len(data), len(signed))
    has_revoked: bool = self._check_issuer(staticcall IIdentityRegistry(registry).issuersRegistry(), issuer, topic)
    for i: uint256 in range(len(wallets), bound=BATCH_MAX):
        self._register_claim(registry, wallets[i], topic, issuer, has_revoked, data[i], signed[i])


@external
def register_investor(
    registry: address,
    wallet: address,
    identity: address,
    country: uint16,
    topic: uint256,
    issuer: address,
    data: Bytes[1024],
    signature: Bytes[512],
):
    """
    @notice Registers an investor's wallet together with a first claim, eligible as long as the claim. An agent of the registry only.
    @param identity The investor's identity contract, or another wallet of the same investor, or zero for a first wallet.
    """
    self._check_agent(registry)
    has_revoked: bool = self._check_issuer(staticcall IIdentityRegistry(registry).issuersRegistry(), issuer, topic)
    self._register_investor(registry, wallet, identity, country, topic, issuer, has_revoked, data, signature)


@external
def register_investor_batch(
    registry: address,
    wallets: DynArray[address, BATCH_MAX],
    identities: DynArray[address, BATCH_MAX],
    countries: DynArray[uint16, BATCH_MAX],
    topic: uint256,
    issuer: address,
    data: DynArray[Bytes[1024], BATCH_MAX],
    signed: DynArray[Bytes[512], BATCH_MAX],
):
    """
    @notice Registers many investors, each with a first claim of one issuer on one topic, all or none. An agent of the registry only.
    @param signed Each claim's signature.
    """
    self._check_agent(registry)
    self._check_lengths(len(wallets), len(identities), len(countries))
    self._check_lengths(len(wallets), len(data), len(signed))
    has_revoked: bool = self._check_issuer(staticcall IIdentityRegistry(registry).issuersRegistry(), issuer, topic)
    for i: uint256 in range(len(wallets), bound=BATCH_MAX):
        self._register_investor(
            registry, wallets[i], identities[i], countries[i], topic, issuer, has_revoked, data[i], signed[i]
        )


@external
def revoke_claim(identity: address, topic: uint256, data: Bytes[1024]):
    """@notice The caller, as issuer, never again vouches for this claim. What a registry already counts ends by its `invalidate`."""
    digest: bytes32 = keccak256(abi_encode(identity, topic, data))
    self._is_revoked[msg.sender][digest] = True
    self._has_revoked[msg.sender] = True
    log ClaimRevoked(issuer=msg.sender, digest=digest)


@external
@view
def is_revoked(issuer: address, identity: address, topic: uint256, data: Bytes[1024]) -> bool:
    """@notice Whether the issuer withdrew this claim here."""
    return self._is_revoked[issuer][keccak256(abi_encode(identity, topic, data))]


@internal
@view
def _check_agent(registry: address):
    is_agent: bool = staticcall IOwned(registry).isAgent(msg.sender)
    assert is_agent, "AgentRole: caller does not have the Agent role"


@internal
@pure
def _check_lengths(first: uint256, second: uint256, third: uint256):
    assert first == second and first == third, "claims: lists differ in length"


@internal
@view
def _check_issuer(issuers: address, issuer: address, topic: uint256) -> bool:
    """@dev Trusted for the topic. Returns whether it ever withdrew a claim."""
    is_trusted: bool = staticcall ITrustedIssuersRegistry(issuers).hasClaimTopic(issuer, topic)
    assert is_trusted, "claims: issuer is not trusted for this topic"
    return self._has_revoked[issuer]


@internal
def _register_claim(
    registry: address, wallet: address, topic: uint256, issuer: address, has_revoked: bool, data: Bytes[1024], signature: Bytes[512]
):
    identity: address = staticcall IIdentityRegistry(registry).identity(wallet)
    assert identity != empty(address), "address not stored yet"
    until: uint256 = self._verified_until(identity, topic, issuer, has_revoked, data, signature)
    extcall IClaimedRecords(registry).count_claim(wallet, topic, issuer, until)


@internal
def _register_investor(
    registry: address,
    wallet: address,
    identity: address,
    country: uint16,
    topic: uint256,
    issuer: address,
    has_revoked: bool,
    data: Bytes[1024],
    signature: Bytes[512],
):
    filed: address = wallet if identity == empty(address) else identity
    until: uint256 = self._verified_until(filed, topic, issuer, has_revoked, data, signature)
    extcall IClaimedRecords(registry).register_claimed(wallet, filed, country, topic, issuer, until)


@internal
@view
def _verified_until(
    identity: address, topic: uint256, issuer: address, has_revoked: bool, data: Bytes[1024], signature: Bytes[512]
) -> uint256:
    """@dev Of a claim by an issuer that is trusted."""
    digest: bytes32 = keccak256(abi_encode(identity, topic, data))
    assert not has_revoked or not self._is_revoked[issuer][digest], "claims: claim is revoked"
    assert self._is_signed(issuer, identity, topic, data, digest, signature), "claims: claim is not signed by the issuer"
    assert len(data) >= 32, "claims: claim has no expiry"
    until: uint256 = convert(slice(data, 0, 32), uint256)
    assert until > block.timestamp, "claims: claim has expired"
    return until


@internal
@view
def _is_signed(
    issuer: address, identity: address, topic: uint256, data: Bytes[1024], digest: bytes32, signature: Bytes[512]
) -> bool:
    signer: address = signatures._recover_packed(signatures._personal_message(digest), signature)
    if signer != empty(address) and signer == issuer:
        return True
    if not issuer.is_contract:
        return False
    return staticcall IOnchainIdentity(issuer).isClaimValid(identity, topic, signature, data)
