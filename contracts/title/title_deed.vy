# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Title to unique assets (a vehicle, a building, an artwork): one token an asset (ERC-721, ERC-7943), with the liens upon it. The
token's id is the asset's id; its history is its events. What the asset is stands in the asset registry; how it is divided among many is
a security token's business, for which the title vault keeps the deed.
@dev Where `canTransfer` goes further than ERC-7943 asks: it is also false for somebody who does not hold the title, so that it is true
exactly when the transfer would succeed.
"""

from access import ownership
from access import agents
from title import title_documents
from title import title_liens
from interfaces import IERC721Receiver

initializes: ownership
initializes: agents[ownership := ownership]
initializes: title_liens[agents := agents]
initializes: title_documents[agents := agents]

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)
exports: (title_liens.assign_lien, title_liens.release_lien, title_liens.liens, title_liens.lienholder)
exports: (title_documents.set_document, title_documents.remove_document, title_documents.document, title_documents.documents)

# The answers, as contracts/reasons.json publishes them.
YES: constant(uint256) = 0
IS_PAUSED: constant(uint256) = 1
SENDER_FROZEN: constant(uint256) = 2
RECEIVER_FROZEN: constant(uint256) = 3
RECEIVER_NOT_VERIFIED: constant(uint256) = 10
NOT_OWNER: constant(uint256) = 30
LIEN_ACTIVE: constant(uint256) = 31
RECEIVER_IS_ZERO: constant(uint256) = 32
TITLE_FROZEN: constant(uint256) = 33

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    token_id: indexed(uint256)

event Approval:
    owner: indexed(address)
    approved: indexed(address)
    token_id: indexed(uint256)

event ApprovalForAll:
    owner: indexed(address)
    operator: indexed(address)
    approved: bool

event ForcedTransfer:
    sender: indexed(address)
    receiver: indexed(address)
    token_id: indexed(uint256)

event Frozen:
    account: indexed(address)
    token_id: indexed(uint256)
    is_frozen: indexed(bool)

event AddressFrozen:
    wallet: indexed(address)
    is_frozen: indexed(bool)
    agent: indexed(address)

event IdentityRegistrySet:
    identity_registry: indexed(address)

event Named:
    name: String[64]
    symbol: String[32]

# ERC-4906: the description of a title is now elsewhere.
event MetadataUpdate:
    token_id: uint256

event Paused:
    agent: address

event Unpaused:
    agent: address

name: public(String[64])
symbol: public(String[32])
# Zero: anybody may hold title.
identityRegistry: public(address)
paused: public(bool)
isFrozen: public(HashMap[address, bool])
balanceOf: public(HashMap[address, uint256])
_owner_of: HashMap[uint256, address]
_approved: HashMap[uint256, address]
isApprovedForAll: public(HashMap[address, HashMap[address, bool]])
_token_uri: HashMap[uint256, String[256]]
# By wallet and title: what an agent froze there stays frozen until an agent says otherwise, or takes it away.
_is_title_frozen: HashMap[address, HashMap[uint256, bool]]


@external
def initialize():
    """@notice Makes the caller the owner, once. A register without a name works; `set_name` gives it one."""
    ownership._begin()


@external
def set_name(name: String[64], symbol: String[32]):
    """@notice Names the register of titles (ERC-721 metadata). Owner only."""
    ownership._check_owner()
    assert len(name) > 0 and len(symbol) > 0, "invalid argument - empty string"
    self.name = name
    self.symbol = symbol
    log Named(name=name, symbol=symbol)


@external
def set_identity_registry(identity_registry: address):
    """@notice Lets only this registry's investors receive title; anybody, when zero. Owner only."""
    ownership._check_owner()
    self.identityRegistry = identity_registry
    log IdentityRegistrySet(identity_registry=identity_registry)


# The agent's acts


@external
def mint(receiver: address, asset_id: bytes32, uri: String[256]) -> uint256:
    """
    @notice Issues the one title to an asset. Agent only.
    @return The token's id: the asset's id as a number.
    """
    agents._check_agent()
    token_id: uint256 = convert(asset_id, uint256)
    assert token_id != 0, "title: asset id is zero"
    assert receiver != empty(address), "title: receiver is the zero address"
    assert self._owner_of[token_id] == empty(address), "title: asset already has a title"
    assert not self.isFrozen[receiver], "wallet is frozen"
    assert self._is_verified(receiver), "Identity is not verified."
    self._owner_of[token_id] = receiver
    self.balanceOf[receiver] += 1
    self._token_uri[token_id] = uri
    log Transfer(sender=empty(address), receiver=receiver, token_id=token_id)
    return token_id


@external
def burn(token_id: uint256):
    """@notice Ends a title that is free of liens, frozen or not, as when the asset is scrapped. Agent only."""
    agents._check_agent()
    holder: address = self._existing(token_id)
    assert title_liens._count(token_id) == 0, "title: lien is active"
    self._thaw(holder, token_id)
    self._owner_of[token_id] = empty(address)
    self._approved[token_id] = empty(address)
    self._token_uri[token_id] = ""
    self.balanceOf[holder] -= 1
    log Transfer(sender=holder, receiver=empty(address), token_id=token_id)


@external
def place_lien(token_id: uint256, lien_id: bytes32, lienholder: address):
    """@notice Holds the title for a creditor: it cannot be sold until every lien is released. Agent only."""
    agents._check_agent()
    self._existing(token_id)
    title_liens._place(token_id, lien_id, lienholder)


@external
def forcedTransfer(sender: address, receiver: address, token_id: uint256) -> bool:
    """
    @notice Moves a title without its holder's consent (court order, foreclosure, a lost wallet), frozen or not, paused or not; liens go
    with it. Agent only. Reverts with ERC7943CannotReceive where the receiver may not hold titles.
    @return True, always (ERC-7943).
    """
    agents._check_agent()
    assert self._existing(token_id) == sender, "title: sender is not the holder"
    if not self._can_receive(receiver):
        raw_revert(abi_encode(receiver, method_id=method_id("ERC7943CannotReceive(address)")))
    self._thaw(sender, token_id)
    self._move(sender, receiver, token_id)
    log ForcedTransfer(sender=sender, receiver=receiver, token_id=token_id)
    return True


@external
def setFrozenTokens(account: address, token_id: uint256, is_frozen: bool) -> bool:
    """
    @notice Stops a wallet from parting with one title, or lets it again. It may be a title that the wallet does not hold (yet). Agent only.
    @return True, always (ERC-7943).
    """
    agents._check_agent()
    assert account != empty(address), "title: account is the zero address"
    self._is_title_frozen[account][token_id] = is_frozen
    log Frozen(account=account, token_id=token_id, is_frozen=is_frozen)
    return True


@external
def set_address_frozen(wallet: address, is_frozen: bool):
    """@notice Stops a wallet from sending and receiving titles, or lets it again. Agent only."""
    agents._check_agent()
    self.isFrozen[wallet] = is_frozen
    log AddressFrozen(wallet=wallet, is_frozen=is_frozen, agent=msg.sender)


@external
def set_token_uri(token_id: uint256, uri: String[256]):
    """@notice Says where the title's description is. Agent only."""
    agents._check_agent()
    self._existing(token_id)
    self._token_uri[token_id] = uri
    log MetadataUpdate(token_id=token_id)


@external
def pause():
    """@notice Stops transfers between holders. Agent only."""
    agents._check_agent()
    assert not self.paused, "Pausable: paused"
    self.paused = True
    log Paused(agent=msg.sender)


@external
def unpause():
    """@notice Lets holders transfer. Agent only."""
    agents._check_agent()
    assert self.paused, "Pausable: not paused"
    self.paused = False
    log Unpaused(agent=msg.sender)


# The holder's acts (ERC-721)


@external
def approve(approved: address, token_id: uint256):
    """@notice Lets one other take this title; zero takes the permission back. The holder or an operator."""
    holder: address = self._existing(token_id)
    assert msg.sender == holder or self.isApprovedForAll[holder][msg.sender], "title: caller may not approve"
    self._approved[token_id] = approved
    log Approval(owner=holder, approved=approved, token_id=token_id)


@external
def setApprovalForAll(operator: address, approved: bool):
    """@notice Lets an operator take all titles of the caller, or no longer."""
    self.isApprovedForAll[msg.sender][operator] = approved
    log ApprovalForAll(owner=msg.sender, operator=operator, approved=approved)


@external
def transferFrom(sender: address, receiver: address, token_id: uint256):
    """@notice Hands the title over. The holder, the approved, or an operator."""
    self._transfer(sender, receiver, token_id)


@external
def safeTransferFrom(sender: address, receiver: address, token_id: uint256, data: Bytes[1024] = b""):
    """@notice Hands the title over; a contract must say that it knows how to hold it."""
    self._transfer(sender, receiver, token_id)
    if receiver.is_contract:
        answer: bytes4 = extcall IERC721Receiver(receiver).onERC721Received(msg.sender, sender, token_id, data)
        assert answer == method_id("onERC721Received(address,address,uint256,bytes)", output_type=bytes4), "title: receiver refuses"


# Views


@external
@view
def check_transfer(sender: address, receiver: address, token_id: uint256) -> (uint256, uint256):
    """
    @notice Whether the holder's transfer would succeed now, and if not, why: as contracts/reasons.json numbers the reasons. A zero
    sender asks about a mint.
    """
    code: uint256 = self._judge(sender, receiver, token_id)
    return code, title_liens._count(token_id) if code == LIEN_ACTIVE else 0


@external
@view
def ownerOf(token_id: uint256) -> address:
    return self._existing(token_id)


@external
@view
def getApproved(token_id: uint256) -> address:
    self._existing(token_id)
    return self._approved[token_id]


@external
@view
def tokenURI(token_id: uint256) -> String[256]:
    self._existing(token_id)
    return self._token_uri[token_id]


@external
@view
def canTransfer(sender: address, receiver: address, token_id: uint256) -> bool:
    """@notice Whether the holder's transfer would succeed now (ERC-7943); `check_transfer` says why not."""
    return sender != empty(address) and self._judge(sender, receiver, token_id) == YES


@external
@view
def canSend(account: address) -> bool:
    """@notice Whether a wallet may part with titles at all (ERC-7943)."""
    return account != empty(address) and not self.isFrozen[account]


@external
@view
def canReceive(account: address) -> bool:
    """@notice Whether a wallet may come to hold titles at all (ERC-7943)."""
    return self._can_receive(account)


@external
@view
def getFrozenTokens(account: address, token_id: uint256) -> bool:
    """@notice Whether the title is frozen in that wallet, which need not hold it (ERC-7943)."""
    return self._is_title_frozen[account][token_id]


@external
@pure
def supportsInterface(interfaceId: bytes4) -> bool:
    """@notice ERC-165, ERC-721 and its metadata, ERC-173, ERC-4906, ERC-7943 (non-fungible)."""
    return interfaceId in [0x01ffc9a7, 0x80ac58cd, 0x5b5e139f, 0x7f5828d0, 0x49064906, 0xbf1ef5fe]


# Internal


@internal
@view
def _existing(token_id: uint256) -> address:
    holder: address = self._owner_of[token_id]
    assert holder != empty(address), "title: no such title"
    return holder


@internal
@view
def _is_verified(receiver: address) -> bool:
    registry: address = self.identityRegistry
    if registry == empty(address):
        return True
    # A registry that reverts, or is none, verifies nobody: ERC-7943's views must answer.
    has_answered: bool = False
    answer: Bytes[32] = b""
    has_answered, answer = raw_call(
        registry,
        abi_encode(receiver, method_id=method_id("isVerified(address)")),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return has_answered and len(answer) == 32 and convert(answer, uint256) == 1


@internal
@view
def _can_receive(receiver: address) -> bool:
    return receiver != empty(address) and not self.isFrozen[receiver] and self._is_verified(receiver)


@internal
@view
def _judge(sender: address, receiver: address, token_id: uint256) -> uint256:
    """@dev One judgement for the view and for the act, so that they cannot differ. A zero sender is a mint."""
    if token_id == 0 or self._owner_of[token_id] != sender:
        return NOT_OWNER
    if sender != empty(address):
        if self.paused:
            return IS_PAUSED
        if self.isFrozen[sender]:
            return SENDER_FROZEN
    if self.isFrozen[receiver]:
        return RECEIVER_FROZEN
    if sender != empty(address):
        if self._is_title_frozen[sender][token_id]:
            return TITLE_FROZEN
        if title_liens._count(token_id) > 0:
            return LIEN_ACTIVE
    if receiver == empty(address):
        return RECEIVER_IS_ZERO
    if not self._is_verified(receiver):
        return RECEIVER_NOT_VERIFIED
    return YES


@internal
def _transfer(sender: address, receiver: address, token_id: uint256):
    holder: address = self._existing(token_id)
    may_take: bool = msg.sender == holder or self._approved[token_id] == msg.sender or self.isApprovedForAll[holder][msg.sender]
    assert may_take, "title: caller may not transfer"
    code: uint256 = self._judge(sender, receiver, token_id)
    assert code != NOT_OWNER, "title: sender is not the holder"
    assert code != IS_PAUSED, "Pausable: paused"
    assert code != SENDER_FROZEN and code != RECEIVER_FROZEN, "wallet is frozen"
    assert code != TITLE_FROZEN, "title: title is frozen"
    assert code != LIEN_ACTIVE, "title: lien is active"
    assert code != RECEIVER_IS_ZERO, "title: receiver is the zero address"
    assert code == YES, "Identity is not verified."
    self._move(sender, receiver, token_id)


@internal
def _thaw(holder: address, token_id: uint256):
    """@dev ERC-7943: what is taken although it is frozen is unfrozen first, so that the log tells it before the transfer."""
    if self._is_title_frozen[holder][token_id]:
        self._is_title_frozen[holder][token_id] = False
        log Frozen(account=holder, token_id=token_id, is_frozen=False)


@internal
def _move(sender: address, receiver: address, token_id: uint256):
    self._approved[token_id] = empty(address)
    self._owner_of[token_id] = receiver
    self.balanceOf[sender] -= 1
    self.balanceOf[receiver] += 1
    log Transfer(sender=sender, receiver=receiver, token_id=token_id)
