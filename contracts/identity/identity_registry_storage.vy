# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Wallet to identity and country, for several identity registries to share (ERC-3643 IIdentityRegistryStorage). A registry of
ours keeps its own records and needs this contract only when it shares them. Eligibility lives in each registry.
"""

from access import ownership
from access import agents
from interfaces import IIdentityRegistryStorage

implements: IIdentityRegistryStorage

initializes: ownership
initializes: agents[ownership := ownership]

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)

REGISTRIES_MAX: constant(uint256) = 300

event IdentityStored:
    investorAddress: indexed(address)
    identity: indexed(address)

event IdentityUnstored:
    investorAddress: indexed(address)
    identity: indexed(address)

event IdentityModified:
    oldIdentity: indexed(address)
    newIdentity: indexed(address)

event CountryModified:
    investorAddress: indexed(address)
    country: indexed(uint16)

event IdentityRegistryBound:
    identityRegistry: indexed(address)

event IdentityRegistryUnbound:
    identityRegistry: indexed(address)

struct Stored:
    identity: address
    country: uint16

_stored: HashMap[address, Stored]
_registries: DynArray[address, REGISTRIES_MAX]


@external
def initialize():
    """@notice Makes the caller the owner, once."""
    ownership._begin()


@external
def addIdentityToStorage(_userAddress: address, _identity: address, _country: uint16):
    """@notice Stores a wallet's identity and country. Agent (a bound registry) only."""
    agents._check_agent()
    assert _userAddress != empty(address) and _identity != empty(address), "invalid argument - zero address"
    assert self._stored[_userAddress].identity == empty(address), "address stored already"
    self._stored[_userAddress] = Stored(identity=_identity, country=_country)
    log IdentityStored(investorAddress=_userAddress, identity=_identity)


@external
def modifyStoredIdentity(_userAddress: address, _identity: address):
    """@notice Gives a stored wallet another identity. Agent only."""
    agents._check_agent()
    assert _userAddress != empty(address) and _identity != empty(address), "invalid argument - zero address"
    previous: address = self._stored[_userAddress].identity
    assert previous != empty(address), "address not stored yet"
    self._stored[_userAddress].identity = _identity
    log IdentityModified(oldIdentity=previous, newIdentity=_identity)


@external
def modifyStoredInvestorCountry(_userAddress: address, _country: uint16):
    """@notice Gives a stored wallet another country (ISO 3166-1 numeric). Agent only."""
    agents._check_agent()
    assert _userAddress != empty(address), "invalid argument - zero address"
    assert self._stored[_userAddress].identity != empty(address), "address not stored yet"
    self._stored[_userAddress].country = _country
    log CountryModified(investorAddress=_userAddress, country=_country)


@external
def removeIdentityFromStorage(_userAddress: address):
    """@notice Forgets a stored wallet. Agent only."""
    agents._check_agent()
    assert _userAddress != empty(address), "invalid argument - zero address"
    previous: address = self._stored[_userAddress].identity
    assert previous != empty(address), "address not stored yet"
    self._stored[_userAddress] = empty(Stored)
    log IdentityUnstored(investorAddress=_userAddress, identity=previous)


@external
def bindIdentityRegistry(_identityRegistry: address):
    """@notice Lets a registry read and write here, as an agent. Owner only."""
    ownership._check_owner()
    assert _identityRegistry != empty(address), "invalid argument - zero address"
    assert len(self._registries) < REGISTRIES_MAX, "cannot bind more than 300 IR to 1 IRS"
    agents._add_agent(_identityRegistry)
    self._registries.append(_identityRegistry)
    log IdentityRegistryBound(identityRegistry=_identityRegistry)


@external
def unbindIdentityRegistry(_identityRegistry: address):
    """@notice Shuts a registry out. Owner only."""
    ownership._check_owner()
    assert _identityRegistry != empty(address), "invalid argument - zero address"
    last: uint256 = len(self._registries)
    assert last > 0, "identity registry is not stored"
    for position: uint256 in range(last, bound=REGISTRIES_MAX):
        if self._registries[position] == _identityRegistry:
            self._registries[position] = self._registries[last - 1]
            self._registries.pop()
            break
    # One that was never bound is no agent either, and is refused by this.
    agents._remove_agent(_identityRegistry)
    log IdentityRegistryUnbound(identityRegistry=_identityRegistry)


@external
@view
def linkedIdentityRegistries() -> DynArray[address, REGISTRIES_MAX]:
    return self._registries


@external
@view
def storedIdentity(_userAddress: address) -> address:
    return self._stored[_userAddress].identity


@external
@view
def storedInvestorCountry(_userAddress: address) -> uint16:
    return self._stored[_userAddress].country
