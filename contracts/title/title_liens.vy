# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice The liens upon titles: which, in what rank, whose. Knows nothing of who holds a title, nor of what a lien stops.
"""

from access import agents

uses: agents

LIENS_MAX: constant(uint256) = 16

event LienPlaced:
    token_id: indexed(uint256)
    lien_id: indexed(bytes32)
    lienholder: indexed(address)

event LienAssigned:
    token_id: indexed(uint256)
    lien_id: indexed(bytes32)
    lienholder: indexed(address)

event LienReleased:
    token_id: indexed(uint256)
    lien_id: indexed(bytes32)
    lienholder: indexed(address)

_liens: HashMap[uint256, DynArray[bytes32, LIENS_MAX]]
_lienholder: HashMap[uint256, HashMap[bytes32, address]]


@external
def assign_lien(token_id: uint256, lien_id: bytes32, lienholder: address):
    """@notice Hands a lien, in its rank, to another creditor, as when the debt is sold. Its lienholder only."""
    assert msg.sender == self._lienholder[token_id][lien_id], "title: caller is not the lienholder"
    assert lienholder != empty(address), "title: lienholder is the zero address"
    self._lienholder[token_id][lien_id] = lienholder
    log LienAssigned(token_id=token_id, lien_id=lien_id, lienholder=lienholder)


@external
def release_lien(token_id: uint256, lien_id: bytes32):
    """@notice Lets go of a lien. Its lienholder or an agent, who answers for the order of a court."""
    lienholder: address = self._lienholder[token_id][lien_id]
    assert lienholder != empty(address), "title: no such lien"
    assert msg.sender == lienholder or agents._agents[msg.sender], "title: caller is neither lienholder nor agent"
    self._lienholder[token_id][lien_id] = empty(address)
    # Rank is by date: the order of those that stay is kept.
    kept: DynArray[bytes32, LIENS_MAX] = []
    for placed: bytes32 in self._liens[token_id]:
        if placed != lien_id:
            kept.append(placed)
    self._liens[token_id] = kept
    log LienReleased(token_id=token_id, lien_id=lien_id, lienholder=lienholder)


@external
@view
def liens(token_id: uint256) -> DynArray[bytes32, LIENS_MAX]:
    """@notice The liens on a title, in the order they were placed."""
    return self._liens[token_id]


@external
@view
def lienholder(token_id: uint256, lien_id: bytes32) -> address:
    """@notice Whose the lien is; zero when there is none such."""
    return self._lienholder[token_id][lien_id]


@internal
def _place(token_id: uint256, lien_id: bytes32, lienholder: address):
    assert lienholder != empty(address), "title: lienholder is the zero address"
    assert self._lienholder[token_id][lien_id] == empty(address), "title: lien is already placed"
    assert len(self._liens[token_id]) < LIENS_MAX, "title: too many liens"
    self._lienholder[token_id][lien_id] = lienholder
    self._liens[token_id].append(lien_id)
    log LienPlaced(token_id=token_id, lien_id=lien_id, lienholder=lienholder)


@internal
@view
def _count(token_id: uint256) -> uint256:
    return len(self._liens[token_id])
