# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Keeps the deed to an asset while a security token stands for it. Who brings the deed gets the whole supply of the token; who
holds the whole supply gets the deed back for it. In between the deed does not leave by the vault's hand, and nobody owns it but all
holders together.
@dev Promises: one deed, one token, as the asset registry links them; the supply is counted when the deed comes and again when it goes, so
shares that somebody else issued meanwhile must be bought too. Cannot promise: that no other agent of the token issues shares (`standing`
shows it), nor that no agent of the register of titles takes the deed by force (`standing` shows that as well). The owner wires the
vault once and can do nothing afterwards.
"""

from access import ownership
from interfaces import IAssetLinks
from interfaces import IDivisibleToken
from interfaces import ITitleRegister

initializes: ownership

exports: (ownership.owner, ownership.transferOwnership)

interface SecurityFactory:
    def is_security(token: address) -> bool: view

event RegistersSet:
    title_register: indexed(address)
    asset_registry: indexed(address)
    security_factory: indexed(address)

event TitleFractionalised:
    token_id: indexed(uint256)
    token: indexed(address)
    depositor: indexed(address)
    shares: uint256

event TitleDeposited:
    token_id: indexed(uint256)
    token: indexed(address)
    depositor: indexed(address)
    shares: uint256

event TitleRedeemed:
    token_id: indexed(uint256)
    token: indexed(address)
    holder: indexed(address)
    receiver: address
    shares: uint256

struct Standing:
    token: address
    # In the token's smallest unit: what stood for the deed when it came, and what does now.
    shares_at_deposit: uint256
    shares_now: uint256
    is_held: bool

# Whose deeds the vault keeps.
title_register: public(address)
# Where deeds and tokens are linked.
asset_registry: public(address)
# Zero: any token that the asset registry links may stand for a deed.
security_factory: public(address)
_token: HashMap[uint256, address]
_shares_at_deposit: HashMap[uint256, uint256]


@external
def initialize():
    """@notice Makes the caller the owner, once."""
    ownership._begin()


@external
def set_registers(title_register: address, asset_registry: address, security_factory: address):
    """
    @notice Says whose deeds the vault keeps, where deeds and tokens are linked, and, unless zero, which factory's tokens alone may stand
    for a deed. Owner only, once for good: whoever deposits relies on it.
    """
    ownership._check_owner()
    assert self.title_register == empty(address), "vault: registers are already set"
    assert title_register != empty(address) and asset_registry != empty(address), "vault: register is the zero address"
    self.title_register = title_register
    self.asset_registry = asset_registry
    self.security_factory = security_factory
    log RegistersSet(title_register=title_register, asset_registry=asset_registry, security_factory=security_factory)


@external
@nonreentrant
def fractionalise(token_id: uint256, token: address, shares: uint256):
    """
    @notice Takes the caller's deed and issues to the caller the whole supply of the token that the asset registry links with it. The deed's
    holder, who has approved the vault. The vault must be an agent of the token, of which nothing may be outstanding; the caller must be
    eligible to hold it.
    @param token The token that the caller expects to stand for the deed.
    @param shares How many, in the token's smallest unit.
    """
    assert shares > 0, "vault: no shares"
    self._check_linked(token_id, token)
    assert staticcall IDivisibleToken(token).totalSupply() == 0, "vault: shares are outstanding"
    self._take(token_id, token, shares)
    extcall IDivisibleToken(token).mint(msg.sender, shares)
    # A token that counts otherwise than it was told is none to divide a deed by.
    assert staticcall IDivisibleToken(token).totalSupply() == shares, "vault: supply is not what was issued"
    assert staticcall IDivisibleToken(token).balanceOf(msg.sender) == shares, "vault: shares did not arrive"
    log TitleFractionalised(token_id=token_id, token=token, depositor=msg.sender, shares=shares)


@external
@nonreentrant
def deposit(token_id: uint256, token: address):
    """
    @notice Takes the caller's deed for a token that is already issued: its holders own the asset from then on, and the caller gets nothing
    but what the caller holds of it. The deed's holder, who has approved the vault.
    @param token The token that the caller expects to stand for the deed.
    """
    self._check_linked(token_id, token)
    shares: uint256 = staticcall IDivisibleToken(token).totalSupply()
    assert shares > 0, "vault: no shares"
    self._take(token_id, token, shares)
    log TitleDeposited(token_id=token_id, token=token, depositor=msg.sender, shares=shares)


@external
@nonreentrant
def redeem(token_id: uint256, receiver: address):
    """
    @notice Burns the caller's shares and hands the deed to `receiver`. Whoever holds the whole supply, free to move: not paused, frozen or
    locked, and eligible. The receiver must be one who may hold the deed, and a contract must know how; a lien or a freeze on the deed
    stops it. The vault must be an agent of the token.
    """
    token: address = self._token[token_id]
    assert token != empty(address), "vault: nothing stands for this title"
    shares: uint256 = staticcall IDivisibleToken(token).totalSupply()
    assert shares > 0, "vault: no shares"
    assert staticcall IDivisibleToken(token).balanceOf(msg.sender) == shares, "vault: caller does not hold every share"
    # A burn by an agent takes frozen shares too; asking for a transfer to oneself keeps what an agent froze out of the holder's reach.
    code: uint256 = 0
    fact: uint256 = 0
    code, fact = staticcall IDivisibleToken(token).check_transfer(msg.sender, msg.sender, shares)
    assert code == 0, "vault: shares may not move"
    self._token[token_id] = empty(address)
    self._shares_at_deposit[token_id] = 0
    extcall IDivisibleToken(token).burn(msg.sender, shares)
    assert staticcall IDivisibleToken(token).totalSupply() == 0, "vault: shares are outstanding"
    extcall ITitleRegister(self.title_register).safeTransferFrom(self, receiver, token_id)
    log TitleRedeemed(token_id=token_id, token=token, holder=msg.sender, receiver=receiver, shares=shares)


@external
@view
def standing(token_id: uint256) -> Standing:
    """
    @notice Which token stands for the deed, how many shares did when it came and do now, and whether the vault still holds the deed. More
    shares now than then: somebody issued more. Not held: an agent of the register took it by force.
    """
    token: address = self._token[token_id]
    if token == empty(address):
        return empty(Standing)
    return Standing(
        token=token,
        shares_at_deposit=self._shares_at_deposit[token_id],
        shares_now=staticcall IDivisibleToken(token).totalSupply(),
        is_held=self._is_held(token_id),
    )


@external
@view
def liens(token_id: uint256) -> DynArray[bytes32, 16]:
    """@notice The liens on a deed, as its register tells them: those who buy shares look here. While there is one, the deed stays."""
    return staticcall ITitleRegister(self.title_register).liens(token_id)


@external
@pure
def supportsInterface(interfaceId: bytes4) -> bool:
    """@notice ERC-165, ERC-173. It takes no deed by a safe transfer: who sends one without `fractionalise` or `deposit` is refused."""
    return interfaceId in [0x01ffc9a7, 0x7f5828d0]


# Internal


@internal
@view
def _check_linked(token_id: uint256, token: address):
    registry: address = self.asset_registry
    assert registry != empty(address), "vault: registers are not set"
    asset_id: bytes32 = convert(token_id, bytes32)
    linked: address = staticcall IAssetLinks(registry).token_of(asset_id)
    assert linked != empty(address) and linked == token, "vault: token is not linked with the asset"
    assert not (staticcall IAssetLinks(registry).is_retired(asset_id)), "vault: asset is retired"
    factory: address = self.security_factory
    is_made_here: bool = factory == empty(address) or staticcall SecurityFactory(factory).is_security(token)
    assert is_made_here, "vault: token is not of the factory"


@internal
def _take(token_id: uint256, token: address, shares: uint256):
    """@dev Refused by the register while the vault holds the deed already, for then the caller does not."""
    self._token[token_id] = token
    self._shares_at_deposit[token_id] = shares
    extcall ITitleRegister(self.title_register).transferFrom(msg.sender, self, token_id)
    assert self._is_held(token_id), "vault: title did not arrive"


@internal
@view
def _is_held(token_id: uint256) -> bool:
    return staticcall ITitleRegister(self.title_register).ownerOf(token_id) == self
