# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Which claims an investor needs (ERC-3643 IClaimTopicsRegistry). Tells the identity registries that follow it of each change;
knows no investor.
"""

from access import ownership
from interfaces import IClaimTopicsRegistry
from interfaces import IClaimTopicsFollower

implements: IClaimTopicsRegistry

initializes: ownership

exports: (ownership.owner, ownership.transferOwnership)

TOPICS_MAX: constant(uint256) = 15
FOLLOWERS_MAX: constant(uint256) = 8

event ClaimTopicAdded:
    claimTopic: indexed(uint256)

event ClaimTopicRemoved:
    claimTopic: indexed(uint256)

event FollowerAdded:
    identity_registry: indexed(address)

event FollowerRemoved:
    identity_registry: indexed(address)

_topics: DynArray[uint256, TOPICS_MAX]
_followers: DynArray[address, FOLLOWERS_MAX]


@external
def initialize():
    """@notice Makes the caller the owner, once."""
    ownership._begin()


@external
def addClaimTopic(_claimTopic: uint256):
    """@notice Asks every investor for a claim on one more topic. Owner only."""
    ownership._check_owner()
    assert len(self._topics) < TOPICS_MAX, "cannot require more than 15 topics"
    assert _claimTopic not in self._topics, "claimTopic already exists"
    self._topics.append(_claimTopic)
    log ClaimTopicAdded(claimTopic=_claimTopic)
    self._tell_followers()


@external
def removeClaimTopic(_claimTopic: uint256):
    """@notice Stops asking for the topic; does nothing when it was not asked for, as the reference does. Owner only."""
    ownership._check_owner()
    if _claimTopic not in self._topics:
        return
    last: uint256 = len(self._topics) - 1
    for position: uint256 in range(last, bound=TOPICS_MAX):
        if self._topics[position] == _claimTopic:
            # The last one takes the place of the one that is gone, as in the reference.
            self._topics[position] = self._topics[last]
            break
    self._topics.pop()
    log ClaimTopicRemoved(claimTopic=_claimTopic)
    self._tell_followers()


@external
def add_follower(identity_registry: address):
    """@notice Tells this identity registry of each change from now on. Owner only."""
    ownership._check_owner()
    assert identity_registry != empty(address), "invalid argument - zero address"
    assert identity_registry not in self._followers, "topics: registry already follows"
    assert len(self._followers) < FOLLOWERS_MAX, "topics: too many followers"
    self._followers.append(identity_registry)
    log FollowerAdded(identity_registry=identity_registry)
    extcall IClaimTopicsFollower(identity_registry).sync_claim_topics()


@external
def remove_follower(identity_registry: address):
    """@notice Stops telling this identity registry. Owner only."""
    ownership._check_owner()
    assert identity_registry in self._followers, "topics: registry does not follow"
    kept: DynArray[address, FOLLOWERS_MAX] = []
    for follower: address in self._followers:
        if follower != identity_registry:
            kept.append(follower)
    self._followers = kept
    log FollowerRemoved(identity_registry=identity_registry)


@external
@view
def getClaimTopics() -> DynArray[uint256, TOPICS_MAX]:
    return self._topics


@external
@view
def followers() -> DynArray[address, FOLLOWERS_MAX]:
    return self._followers


@internal
def _tell_followers():
    for follower: address in self._followers:
        extcall IClaimTopicsFollower(follower).sync_claim_topics()
