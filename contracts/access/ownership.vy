# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Who owns a contract (ERC-173). Knows nothing of agents, nor of what an owner may do.
"""

from access import refusals

event OwnershipTransferred:
    previousOwner: indexed(address)
    newOwner: indexed(address)

owner: public(address)


@external
def transferOwnership(newOwner: address):
    """@notice Hands the contract to `newOwner`, who holds every right of an owner from then on."""
    self._transfer_ownership(newOwner)


@internal
def _transfer_ownership(newOwner: address):
    self._check_owner()
    if newOwner == empty(address):
        refusals._refuse("Ownable: new owner is the zero address")
    self._set_owner(newOwner)


@internal
def _begin():
    """@dev Makes the caller the owner, once in the life of the contract."""
    if self.owner != empty(address):
        refusals._refuse("Initializable: contract is already initialized")
    self._set_owner(msg.sender)


@internal
def _set_owner(new_owner: address):
    previous_owner: address = self.owner
    self.owner = new_owner
    log OwnershipTransferred(previousOwner=previous_owner, newOwner=new_owner)


@internal
@view
def _check_owner():
    if msg.sender != self.owner:
        refusals._refuse("Ownable: caller is not the owner")
