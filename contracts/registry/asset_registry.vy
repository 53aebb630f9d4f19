# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Which assets exist, who answers for each, which token stands for it, and the digests anchored to it. Holds no asset data:
an asset's id is keccak256 of its record's canonical JSON (RFC 8785), computed off chain.
"""

from access import ownership
from access import agents

initializes: ownership
initializes: agents[ownership := ownership]

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)

ANCHORS_MAX: constant(uint256) = 100

event AssetRegistered:
    asset_id: indexed(bytes32)
    controller: indexed(address)

event ControllerChanged:
    asset_id: indexed(bytes32)
    controller: indexed(address)

event TokenLinked:
    asset_id: indexed(bytes32)
    token: indexed(address)

event AssetRetired:
    asset_id: indexed(bytes32)

event Anchored:
    subject: indexed(bytes32)
    kind: indexed(bytes32)
    digest: bytes32
    position: uint256

struct Asset:
    controller: address
    registered_at: uint64
    is_retired: bool

struct Anchor:
    digest: bytes32
    anchored_at: uint256

_assets: HashMap[bytes32, Asset]
token_of: public(HashMap[bytes32, address])
asset_of: public(HashMap[address, bytes32])
# subject -> kind -> number of digests; each digest keeps its position (from 1) and its time.
anchor_count: public(HashMap[bytes32, HashMap[bytes32, uint256]])
_anchors: HashMap[bytes32, HashMap[bytes32, HashMap[uint256, Anchor]]]
_position_of: HashMap[bytes32, HashMap[bytes32, HashMap[bytes32, uint256]]]


@external
def initialize():
    """@notice Makes the caller the owner, once."""
    ownership._begin()


@external
def register_asset(asset_id: bytes32, controller: address):
    """@notice Records that the asset exists and who answers for it. Agent only, so that nobody squats on an id seen in the mempool."""
    agents._check_agent()
    assert asset_id != empty(bytes32), "assets: asset id is zero"
    assert controller != empty(address), "assets: controller is the zero address"
    assert self._assets[asset_id].registered_at == 0, "assets: asset is already registered"
    self._assets[asset_id] = Asset(controller=controller, registered_at=convert(block.timestamp, uint64), is_retired=False)
    log AssetRegistered(asset_id=asset_id, controller=controller)


@external
def set_controller(asset_id: bytes32, controller: address):
    """@notice Hands the asset to another controller. The controller or an agent."""
    self._check_may_write(asset_id)
    assert controller != empty(address), "assets: controller is the zero address"
    self._assets[asset_id].controller = controller
    log ControllerChanged(asset_id=asset_id, controller=controller)


@external
def link_token(asset_id: bytes32, token: address):
    """@notice Names the contract that stands for the asset, one for one, for good. The controller or an agent."""
    self._check_may_write(asset_id)
    assert token != empty(address), "assets: token is the zero address"
    assert self.token_of[asset_id] == empty(address), "assets: asset already has a token"
    assert self.asset_of[token] == empty(bytes32), "assets: token already has an asset"
    self.token_of[asset_id] = token
    self.asset_of[token] = asset_id
    log TokenLinked(asset_id=asset_id, token=token)


@external
def retire_asset(asset_id: bytes32):
    """@notice Closes the asset's record: scrapped, sold out of the scheme, merged. The controller or an agent."""
    self._check_may_write(asset_id)
    self._assets[asset_id].is_retired = True
    log AssetRetired(asset_id=asset_id)


@external
def anchor(subject: bytes32, kind: bytes32, digest: bytes32) -> uint256:
    """
    @notice Proves that `digest` existed by now. An agent for any subject; a controller for its own asset.
    @return Its position among the digests of this subject and kind, from 1.
    """
    self._check_may_anchor(subject)
    return self._anchor(subject, kind, digest)


@external
def anchor_batch(
    subjects: DynArray[bytes32, ANCHORS_MAX], kinds: DynArray[bytes32, ANCHORS_MAX], digests: DynArray[bytes32, ANCHORS_MAX]
):
    """@notice Anchors many digests at once, under the same rights."""
    assert len(subjects) == len(kinds) and len(subjects) == len(digests), "assets: lists differ in length"
    for position: uint256 in range(len(subjects), bound=ANCHORS_MAX):
        self._check_may_anchor(subjects[position])
        self._anchor(subjects[position], kinds[position], digests[position])


@external
@view
def asset(asset_id: bytes32) -> Asset:
    """@notice Who answers for the asset, since when (Unix seconds), and whether it is closed."""
    self._check_registered(asset_id)
    return self._assets[asset_id]


@external
@view
def is_registered(asset_id: bytes32) -> bool:
    """@notice Whether the asset's record was ever opened."""
    return self._assets[asset_id].registered_at != 0


@external
@view
def is_retired(asset_id: bytes32) -> bool:
    """@notice Whether the asset's record is closed; one that was never opened is not."""
    return self._assets[asset_id].is_retired


@external
@view
def anchored_at(subject: bytes32, kind: bytes32, digest: bytes32) -> uint256:
    """@notice When the digest was anchored, in Unix seconds; zero when it was not."""
    position: uint256 = self._position_of[subject][kind][digest]
    return self._anchors[subject][kind][position].anchored_at


@external
@view
def anchor_at(subject: bytes32, kind: bytes32, position: uint256) -> Anchor:
    """@notice The digest at a position, from 1."""
    assert position > 0 and position <= self.anchor_count[subject][kind], "assets: no such anchor"
    return self._anchors[subject][kind][position]


@internal
def _anchor(subject: bytes32, kind: bytes32, digest: bytes32) -> uint256:
    assert digest != empty(bytes32), "assets: digest is zero"
    assert self._position_of[subject][kind][digest] == 0, "assets: digest is already anchored"
    position: uint256 = self.anchor_count[subject][kind] + 1
    self.anchor_count[subject][kind] = position
    self._position_of[subject][kind][digest] = position
    self._anchors[subject][kind][position] = Anchor(digest=digest, anchored_at=block.timestamp)
    log Anchored(subject=subject, kind=kind, digest=digest, position=position)
    return position


@internal
@view
def _check_registered(asset_id: bytes32):
    assert self._assets[asset_id].registered_at != 0, "assets: asset is not registered"


@internal
@view
def _check_may_write(asset_id: bytes32):
    self._check_registered(asset_id)
    found: Asset = self._assets[asset_id]
    assert not found.is_retired, "assets: asset is retired"
    assert msg.sender == found.controller or agents._agents[msg.sender], "assets: caller is neither controller nor agent"


@internal
@view
def _check_may_anchor(subject: bytes32):
    # A closed asset keeps its controller: the papers of its end are anchored after it.
    is_controller: bool = self._assets[subject].controller == msg.sender
    assert is_controller or agents._agents[msg.sender], "assets: caller is neither controller nor agent"
