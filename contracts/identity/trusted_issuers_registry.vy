# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Whose claims about investors count, and on which topics (ERC-3643 ITrustedIssuersRegistry). Checks no claim.
"""

from access import ownership
from interfaces import ITrustedIssuersRegistry

implements: ITrustedIssuersRegistry

initializes: ownership

exports: (ownership.owner, ownership.transferOwnership)

ISSUERS_MAX: constant(uint256) = 50
TOPICS_MAX: constant(uint256) = 15
# More than may be given, so that too many are refused by their reason.
TOPICS_GIVEN_MAX: constant(uint256) = 64

event TrustedIssuerAdded:
    trustedIssuer: indexed(address)
    claimTopics: DynArray[uint256, TOPICS_GIVEN_MAX]

event TrustedIssuerRemoved:
    trustedIssuer: indexed(address)

event ClaimTopicsUpdated:
    trustedIssuer: indexed(address)
    claimTopics: DynArray[uint256, TOPICS_GIVEN_MAX]

_issuers: DynArray[address, ISSUERS_MAX]
_topics_of: HashMap[address, DynArray[uint256, TOPICS_MAX]]
_issuers_for: HashMap[uint256, DynArray[address, ISSUERS_MAX]]


@external
def initialize():
    """@notice Makes the caller the owner, once."""
    ownership._begin()


@external
def addTrustedIssuer(_trustedIssuer: address, _claimTopics: DynArray[uint256, TOPICS_GIVEN_MAX]):
    """@notice Lets claims of the issuer count on these topics. Owner only."""
    ownership._check_owner()
    assert _trustedIssuer != empty(address), "invalid argument - zero address"
    assert len(self._topics_of[_trustedIssuer]) == 0, "trusted Issuer already exists"
    assert len(_claimTopics) > 0, "trusted claim topics cannot be empty"
    self._check_number(len(_claimTopics))
    assert len(self._issuers) < ISSUERS_MAX, "cannot have more than 50 trusted issuers"
    self._issuers.append(_trustedIssuer)
    self._trust(_trustedIssuer, _claimTopics)
    log TrustedIssuerAdded(trustedIssuer=_trustedIssuer, claimTopics=_claimTopics)


@external
def removeTrustedIssuer(_trustedIssuer: address):
    """@notice Stops new claims of the issuer from counting. Owner only. Cached eligibility ends by the identity registry's word."""
    ownership._check_owner()
    assert _trustedIssuer != empty(address), "invalid argument - zero address"
    assert len(self._topics_of[_trustedIssuer]) > 0, "NOT a trusted issuer"
    self._distrust(_trustedIssuer)
    self._issuers = self._without(self._issuers, _trustedIssuer)
    log TrustedIssuerRemoved(trustedIssuer=_trustedIssuer)


@external
def updateIssuerClaimTopics(_trustedIssuer: address, _claimTopics: DynArray[uint256, TOPICS_GIVEN_MAX]):
    """@notice Replaces the topics on which the issuer counts. Owner only."""
    ownership._check_owner()
    assert _trustedIssuer != empty(address), "invalid argument - zero address"
    assert len(self._topics_of[_trustedIssuer]) > 0, "NOT a trusted issuer"
    self._check_number(len(_claimTopics))
    assert len(_claimTopics) > 0, "claim topics cannot be empty"
    self._distrust(_trustedIssuer)
    self._trust(_trustedIssuer, _claimTopics)
    log ClaimTopicsUpdated(trustedIssuer=_trustedIssuer, claimTopics=_claimTopics)


@external
@view
def getTrustedIssuers() -> DynArray[address, ISSUERS_MAX]:
    return self._issuers


@external
@view
def getTrustedIssuersForClaimTopic(claimTopic: uint256) -> DynArray[address, ISSUERS_MAX]:
    return self._issuers_for[claimTopic]


@external
@view
def isTrustedIssuer(_issuer: address) -> bool:
    return len(self._topics_of[_issuer]) > 0


@external
@view
def getTrustedIssuerClaimTopics(_trustedIssuer: address) -> DynArray[uint256, TOPICS_MAX]:
    assert len(self._topics_of[_trustedIssuer]) > 0, "trusted Issuer doesn't exist"
    return self._topics_of[_trustedIssuer]


@external
@view
def hasClaimTopic(_issuer: address, _claimTopic: uint256) -> bool:
    return _claimTopic in self._topics_of[_issuer]


@internal
@pure
def _check_number(topics: uint256):
    assert topics <= TOPICS_MAX, "cannot have more than 15 claim topics"


@internal
def _trust(issuer: address, topics: DynArray[uint256, TOPICS_GIVEN_MAX]):
    self._topics_of[issuer] = []
    for topic: uint256 in topics:
        assert topic not in self._topics_of[issuer], "issuers: claim topic is given twice"
        self._topics_of[issuer].append(topic)
        self._issuers_for[topic].append(issuer)


@internal
def _distrust(issuer: address):
    for topic: uint256 in self._topics_of[issuer]:
        self._issuers_for[topic] = self._without(self._issuers_for[topic], issuer)
    self._topics_of[issuer] = []


@internal
@pure
def _without(members: DynArray[address, ISSUERS_MAX], gone: address) -> DynArray[address, ISSUERS_MAX]:
    """@dev The last one takes the place of the one that is gone, as in the reference."""
    kept: DynArray[address, ISSUERS_MAX] = members
    for position: uint256 in range(len(members), bound=ISSUERS_MAX):
        if members[position] == gone:
            kept[position] = members[len(members) - 1]
            kept.pop()
            break
    return kept
