# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice The investors' records, and which wallets belong to one investor: a ring in which each wallet names the next. Knows neither
roles nor claims nor tokens.
@dev A ring is found by any of its wallets, and by its identity: the identity is a wallet of the ring, or its word is a head that
names one, or, where the identity is a wallet filed under another identity, `_head` names one.
"""

from access import refusals
from identity import investor_record

OTHER_WALLETS_MAX: constant(uint256) = 15

event IdentityRegistered:
    investorAddress: indexed(address)
    identity: indexed(address)

event IdentityRemoved:
    investorAddress: indexed(address)
    identity: indexed(address)

event IdentityUpdated:
    oldIdentity: indexed(address)
    newIdentity: indexed(address)

event CountryUpdated:
    investorAddress: indexed(address)
    country: indexed(uint16)

event EligibilitySet:
    wallet: indexed(address)
    verified_until: uint256

_records: HashMap[address, uint256]
_next: HashMap[address, address]
_head: HashMap[address, address]


@external
@view
def other_wallets(wallet: address) -> DynArray[address, OTHER_WALLETS_MAX]:
    """@notice The other wallets of the same investor, lost ones among them."""
    others: DynArray[address, OTHER_WALLETS_MAX] = []
    cursor: address = self._next[wallet]
    for step: uint256 in range(OTHER_WALLETS_MAX):
        if cursor == empty(address) or cursor == wallet:
            break
        others.append(cursor)
        cursor = self._next[cursor]
    return others


@external
@view
def record(wallet: address) -> uint256:
    """@notice The wallet's record as investor_record lays it out; zero for one that is not known."""
    word: uint256 = self._records[wallet]
    return 0 if word & investor_record.NO_RECORD != 0 else word


@internal
@view
def _registered(wallet: address) -> uint256:
    record: uint256 = self._records[wallet]
    if not self._is_own(record):
        refusals._refuse("address not stored yet")
    return record


@internal
@pure
def _is_own(word: uint256) -> bool:
    """@dev Whether the word is the record of a registered wallet."""
    return word != 0 and word & investor_record.UNREGISTERED == 0


@internal
@view
def _known_identity(wallet: address) -> address:
    """@dev The identity of a registered wallet, else zero."""
    record: uint256 = self._records[wallet]
    if record & investor_record.UNREGISTERED != 0:
        return empty(address)
    return investor_record._identity(record)


@internal
@pure
def _check_new(word: uint256):
    if word != 0 and word & investor_record.UNREGISTERED == 0:
        refusals._refuse("address stored already")


@internal
def _set_eligibility(wallet: address, record: uint256, verified_until: uint256):
    until: uint256 = min(verified_until, investor_record.NO_EXPIRY)
    kept: uint256 = record & ~(investor_record.NO_EXPIRY << investor_record.VERIFIED_UNTIL_AT)
    self._records[wallet] = kept | (until << investor_record.VERIFIED_UNTIL_AT)
    log EligibilitySet(wallet=wallet, verified_until=until)


@internal
def _end_eligibility(wallet: address):
    """@dev Of this wallet and all others of its investor."""
    cursor: address = wallet
    for step: uint256 in range(OTHER_WALLETS_MAX + 1):
        self._set_eligibility(cursor, self._records[cursor] & ~investor_record.CLAIMS, 0)
        cursor = self._next[cursor]
        if cursor == empty(address) or cursor == wallet:
            break


@internal
def _set_country(wallet: address, country: uint16):
    record: uint256 = self._registered(wallet)
    country_bits: uint256 = convert(country, uint256) << investor_record.COUNTRY_AT
    kept: uint256 = record & ~(investor_record.COUNTRY_MAX << investor_record.COUNTRY_AT)
    self._records[wallet] = kept | country_bits
    log CountryUpdated(investorAddress=wallet, country=country)


@internal
def _file(wallet: address, identity: address, record: uint256, before: uint256) -> bool:
    """
    @dev Writes the record of a wallet that is in no ring, and puts it into the ring of its investor, if there is one.
    @param before The wallet's word until now, which is no record.
    """
    word: uint256 = record | (convert(identity, uint256) << investor_record.IDENTITY_AT)
    member: address = empty(address)
    if identity == wallet:
        member = investor_record._identity(before)
    else:
        if before & investor_record.HEAD != 0:
            word |= investor_record.HEADED
            self._head[wallet] = investor_record._identity(before)
        member = self._head_of(identity)
        if member == empty(address):
            self._set_head(identity, wallet)
    if member != empty(address):
        following: address = self._next[member]
        self._check_room(member)
        self._next[wallet] = member if following == empty(address) else following
        self._next[member] = wallet
        self._records[member] |= investor_record.GROUPED
        word |= investor_record.GROUPED
    self._records[wallet] = word
    return member != empty(address)


@internal
def _take_out(wallet: address, record: uint256):
    """@dev Takes a wallet out of the ring of its investor and forgets its record; who is filed under it still finds the ring."""
    identity: address = investor_record._identity(record)
    stays: address = empty(address)
    if record & investor_record.GROUPED != 0:
        stays = self._leave_ring(wallet)
    head: address = empty(address)
    if identity == wallet:
        head = stays
    else:
        if record & investor_record.HEADED != 0:
            head = self._head[wallet]
            self._head[wallet] = empty(address)
        if self._head_of(identity) == wallet:
            self._set_head(identity, stays)
    self._records[wallet] = self._head_word(head) | investor_record.FORGOTTEN


@internal
def _leave_ring(wallet: address) -> address:
    """@dev Of a wallet that has others beside it. Returns one that stays."""
    following: address = self._next[wallet]
    last: address = following
    for step: uint256 in range(OTHER_WALLETS_MAX):
        if self._next[last] == wallet:
            break
        last = self._next[last]
    self._next[wallet] = empty(address)
    if last == following:
        self._next[last] = empty(address)
        self._records[last] ^= investor_record.GROUPED
    else:
        self._next[last] = following
    return last


@internal
@view
def _check_room(member: address):
    cursor: address = self._next[member]
    for step: uint256 in range(OTHER_WALLETS_MAX):
        if cursor == empty(address) or cursor == member:
            return
        cursor = self._next[cursor]
    raise "registry: investor has too many wallets"


@internal
@view
def _head_of(identity: address) -> address:
    word: uint256 = self._records[identity]
    if word & investor_record.HEADED != 0:
        return self._head[identity]
    named: address = investor_record._identity(word)
    if word & investor_record.HEAD != 0 or named == identity:
        return named
    return empty(address)


@internal
def _set_head(identity: address, member: address):
    """@dev `identity` is no wallet of its own ring, else the ring needs no head."""
    word: uint256 = self._records[identity]
    if word & investor_record.HEAD != 0 or investor_record._identity(word) == empty(address):
        self._records[identity] = (word & investor_record.FORGOTTEN) | self._head_word(member)
        return
    self._head[identity] = member
    word |= investor_record.HEADED
    self._records[identity] = word ^ investor_record.HEADED if member == empty(address) else word


@internal
@pure
def _head_word(member: address) -> uint256:
    return 0 if member == empty(address) else (convert(member, uint256) << investor_record.IDENTITY_AT) | investor_record.HEAD
