# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Which claims an identity registry asks while it keeps eligibility itself, each at its place, and since which epoch. Asks the
list of topics, and verifies no claim.
@dev `_settings` as investor_record lays it out; the registry says what the address in it is.
"""

from access import refusals
from identity import investor_record
from interfaces import IClaimTopicsRegistry

TOPICS_MAX: constant(uint256) = 15

event ClaimTopicsRegistrySet:
    claimTopicsRegistry: indexed(address)

event TrustedIssuersRegistrySet:
    trustedIssuersRegistry: indexed(address)

event EpochStarted:
    epoch: uint256
    topics: DynArray[uint256, TOPICS_MAX]

event ModeSet:
    is_live: bool

event ClaimRegistered:
    wallet: indexed(address)
    topic: indexed(uint256)
    issuer: indexed(address)
    verified_until: uint256

_settings: uint256
_topics: DynArray[uint256, TOPICS_MAX]
issuersRegistry: public(address)
topicsRegistry: public(address)


@external
@view
def claim_topics() -> DynArray[uint256, TOPICS_MAX]:
    """@notice The topics asked, in the order of their places, as they were when the registry last took them over."""
    return self._topics


@external
@view
def is_live() -> bool:
    """@notice Whether claims are verified at each question; else they are when registered, and kept until they expire or end."""
    return self._settings & investor_record.LIVE != 0


@internal
def _set_issuers_registry(issuers: address):
    self.issuersRegistry = issuers
    log TrustedIssuersRegistrySet(trustedIssuersRegistry=issuers)


@internal
def _set_topics_registry(topics_registry: address):
    self.topicsRegistry = topics_registry
    log ClaimTopicsRegistrySet(claimTopicsRegistry=topics_registry)
    self._take_over_topics()


@internal
def _set_live(is_live: bool):
    settings: uint256 = self._settings | investor_record.LIVE
    self._settings = settings if is_live else settings ^ investor_record.LIVE
    log ModeSet(is_live=is_live)
    self._take_over_topics()


@internal
def _take_over_topics():
    """@dev Nothing to take over in live mode, which asks for them each time; nor where they are the same."""
    if self._settings & investor_record.LIVE != 0:
        return
    topics: DynArray[uint256, TOPICS_MAX] = staticcall IClaimTopicsRegistry(self.topicsRegistry).getClaimTopics()
    if keccak256(abi_encode(topics)) != keccak256(abi_encode(self._topics)):
        self._topics = topics
        self._start_epoch()


@internal
def _start_epoch():
    settings: uint256 = self._settings
    epoch: uint256 = ((settings >> investor_record.EPOCH_AT) & investor_record.EPOCH_MAX) + 1
    # An epoch that came round again would revive the claims of old.
    if epoch > investor_record.EPOCH_MAX:
        refusals._refuse("registry: epochs are exhausted")
    asked: uint256 = ((1 << len(self._topics)) - 1) << investor_record.CLAIMS_AT
    kept: uint256 = investor_record._without(settings, investor_record.CLAIMS | investor_record.EPOCH)
    self._settings = kept | asked | (epoch << investor_record.EPOCH_AT)
    log EpochStarted(epoch=epoch, topics=self._topics)


@internal
@view
def _claim_bit(topic: uint256) -> uint256:
    bit: uint256 = 1 << investor_record.CLAIMS_AT
    for asked: uint256 in self._topics:
        if asked == topic:
            return bit
        bit <<= 1
    raise "registry: claim topic is not required"


@internal
@view
def _has_claim(record: uint256, topic: uint256) -> bool:
    in_epoch: bool = (record ^ self._settings) & investor_record.EPOCH == 0
    return in_epoch and record & self._claim_bit(topic) != 0


@internal
def _with_claim(
    settings: uint256, wallet: address, record: uint256, topic: uint256, issuer: address, claim_until: uint256
) -> uint256:
    """@dev The record with one claim more. The earliest expiry of all claims held rules."""
    bit: uint256 = self._claim_bit(topic)
    until: uint256 = min(claim_until, investor_record.NO_EXPIRY)
    held: uint256 = 0
    if (record ^ settings) & investor_record.EPOCH == 0:
        held = record & investor_record.CLAIMS
    if held & ~bit != 0:
        until = min(until, investor_record._verified_until(record))
    until_bits: uint256 = investor_record.NO_EXPIRY << investor_record.VERIFIED_UNTIL_AT
    kept: uint256 = investor_record._without(record, investor_record.CLAIMS | investor_record.EPOCH | until_bits)
    log ClaimRegistered(wallet=wallet, topic=topic, issuer=issuer, verified_until=until)
    return kept | held | bit | (settings & investor_record.EPOCH) | (until << investor_record.VERIFIED_UNTIL_AT)
