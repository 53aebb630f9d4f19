# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Which wallet belongs to which investor, from which country, and until when the investor is eligible (ERC-3643
IIdentityRegistry). Claims are verified once, when they are registered, and kept until they expire or are withdrawn. Knows no token.
@dev Where an investor has no identity contract, the first wallet's address is the identity. The wallets of one investor form a
ring (`_next`), so that balances can be counted per investor without keeping a second book.
"""

from access import ownership
from access import agents
from crypto import signatures
from identity import investor_record
from interfaces import IClaimTopicsFollower
from interfaces import IClaimTopicsRegistry
from interfaces import IIdentityRegistry
from interfaces import IIdentityRegistryStorage
from interfaces import IInvestorRecords
from interfaces import IOnchainIdentity
from interfaces import IRegistryFollower
from interfaces import ITrustedIssuersRegistry

implements: IIdentityRegistry
implements: IInvestorRecords
implements: IClaimTopicsFollower

initializes: ownership
initializes: agents[ownership := ownership]

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)

TOPICS_MAX: constant(uint256) = 15
BATCH_MAX: constant(uint256) = 100
OTHER_WALLETS_MAX: constant(uint256) = 15
COMPLIANCES_MAX: constant(uint256) = 8
COUNTRY_CODE_MAX: constant(uint256) = 999  # ISO 3166-1 numeric has three digits.

event ClaimTopicsRegistrySet:
    claimTopicsRegistry: indexed(address)

event IdentityStorageSet:
    identityStorage: indexed(address)

event TrustedIssuersRegistrySet:
    trustedIssuersRegistry: indexed(address)

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

event ClaimRegistered:
    wallet: indexed(address)
    topic: indexed(uint256)
    issuer: indexed(address)
    verified_until: uint256

event ClaimRevoked:
    issuer: indexed(address)
    digest: indexed(bytes32)

event EpochStarted:
    epoch: uint256
    topics: DynArray[uint256, TOPICS_MAX]

event ComplianceBound:
    compliance: indexed(address)

event ComplianceUnbound:
    compliance: indexed(address)

struct Claim:
    wallet: address
    topic: uint256
    issuer: address
    data: Bytes[1024]
    signature: Bytes[512]

# Shared storage (zero: this contract keeps all) 0..159, then claims asked and epoch as investor_record lays them out.
_settings: uint256
_records: HashMap[address, uint256]
_next: HashMap[address, address]
# Any wallet of an identity, where the identity's own address is not one of its wallets.
_head: HashMap[address, address]
_topics: DynArray[uint256, TOPICS_MAX]
_compliances: DynArray[address, COMPLIANCES_MAX]
_is_revoked: HashMap[address, HashMap[bytes32, bool]]
issuersRegistry: public(address)
topicsRegistry: public(address)


# Wiring


@external
def initialize(trusted_issuers_registry: address, claim_topics_registry: address, identity_storage: address):
    """@notice Wires the registry, once; the caller becomes owner. A zero `identity_storage` keeps all records here."""
    ownership._begin()
    self._set_issuers_registry(trusted_issuers_registry)
    self._set_storage(identity_storage)
    self._set_topics_registry(claim_topics_registry)


@external
def setIdentityRegistryStorage(_identityRegistryStorage: address):
    """@notice Shares wallets and countries with other registries, or stops to (zero). Owner only."""
    ownership._check_owner()
    self._set_storage(_identityRegistryStorage)


@external
def setClaimTopicsRegistry(_claimTopicsRegistry: address):
    """@notice Takes the required claims from another list. Owner only."""
    ownership._check_owner()
    self._set_topics_registry(_claimTopicsRegistry)


@external
def setTrustedIssuersRegistry(_trustedIssuersRegistry: address):
    """@notice Takes the trusted issuers from another list. Owner only."""
    ownership._check_owner()
    self._set_issuers_registry(_trustedIssuersRegistry)


@external
def bind_compliance(compliance: address):
    """@notice Keeps a compliance contract informed, and trusts the tokens bound to it to recover wallets. Owner only."""
    ownership._check_owner()
    assert compliance != empty(address), "invalid argument - zero address"
    assert compliance not in self._compliances, "registry: compliance is already bound"
    assert len(self._compliances) < COMPLIANCES_MAX, "registry: too many compliance contracts"
    self._compliances.append(compliance)
    log ComplianceBound(compliance=compliance)
    extcall IRegistryFollower(compliance).registry_settings_changed(self._published_settings())


@external
def unbind_compliance(compliance: address):
    """@notice Stops informing a compliance contract; it then asks at each transfer. Owner only."""
    ownership._check_owner()
    assert compliance in self._compliances, "registry: compliance is not bound"
    kept: DynArray[address, COMPLIANCES_MAX] = []
    for bound: address in self._compliances:
        if bound != compliance:
            kept.append(bound)
    self._compliances = kept
    log ComplianceUnbound(compliance=compliance)
    extcall IRegistryFollower(compliance).registry_settings_changed(0)


@external
def sync_claim_topics():
    """@notice Takes over the required claims from their registry. Anyone may call; nothing happens when they are the same."""
    topics: DynArray[uint256, TOPICS_MAX] = staticcall IClaimTopicsRegistry(self.topicsRegistry).getClaimTopics()
    if keccak256(abi_encode(topics)) == keccak256(abi_encode(self._topics)):
        return
    self._topics = topics
    self._start_epoch()


@external
def start_epoch():
    """@notice Voids every registered claim at once, as after a trusted issuer was compromised. Owner or agent."""
    agents._check_owner_or_agent()
    self._start_epoch()


# Investors


@external
def registerIdentity(_userAddress: address, _identity: address, _country: uint16):
    """@notice Registers a wallet without expiry (ERC-3643). Agent only."""
    agents._check_agent()
    self._register(_userAddress, _identity, _country, investor_record.NO_EXPIRY)


@external
def batchRegisterIdentity(
    _userAddresses: DynArray[address, BATCH_MAX], _identities: DynArray[address, BATCH_MAX], _countries: DynArray[uint16, BATCH_MAX]
):
    """@notice Registers many wallets without expiry. Agent only."""
    agents._check_agent()
    assert len(_userAddresses) == len(_identities) and len(_userAddresses) == len(_countries), "registry: lists differ in length"
    for i: uint256 in range(len(_userAddresses), bound=BATCH_MAX):
        self._register(_userAddresses[i], _identities[i], _countries[i], investor_record.NO_EXPIRY)


@external
def register_investor(wallet: address, identity: address, country: uint16, verified_until: uint256):
    """
    @notice Registers an investor's wallet, eligible until `verified_until` (Unix seconds, exclusive). Agent only.
    @param identity The investor's identity contract, or another wallet of the same investor, or zero for a first wallet.
    """
    agents._check_agent()
    self._register_investor(wallet, identity, country, verified_until)


@external
def register_investor_batch(
    wallets: DynArray[address, BATCH_MAX],
    identities: DynArray[address, BATCH_MAX],
    countries: DynArray[uint16, BATCH_MAX],
    verified_until: DynArray[uint256, BATCH_MAX],
):
    """@notice Registers many investors. Agent only."""
    agents._check_agent()
    assert len(wallets) == len(identities) and len(wallets) == len(countries), "registry: lists differ in length"
    assert len(wallets) == len(verified_until), "registry: lists differ in length"
    for i: uint256 in range(len(wallets), bound=BATCH_MAX):
        self._register_investor(wallets[i], identities[i], countries[i], verified_until[i])


@external
def set_verified_until(wallets: DynArray[address, BATCH_MAX], verified_until: DynArray[uint256, BATCH_MAX]):
    """@notice Prolongs or shortens eligibility, as after a new review; where claims are asked, only shortens. Agent only."""
    agents._check_agent()
    assert len(wallets) == len(verified_until), "registry: lists differ in length"
    for i: uint256 in range(len(wallets), bound=BATCH_MAX):
        record: uint256 = self._registered(wallets[i])
        shortens: bool = verified_until[i] <= investor_record._verified_until(record)
        assert shortens or self._settings & investor_record.CLAIMS == 0, "registry: only a claim prolongs eligibility"
        self._set_eligibility(wallets[i], record, verified_until[i])


@external
def invalidate(wallet: address):
    """@notice Ends the eligibility of this wallet and all others of its investor at once. An agent or a trusted issuer."""
    assert agents._agents[msg.sender] or self._is_trusted_issuer(msg.sender), "registry: caller is neither agent nor trusted issuer"
    self._invalidate(wallet, self._registered(wallet))
    others: DynArray[address, OTHER_WALLETS_MAX] = self._others(wallet)
    for other: address in others:
        self._invalidate(other, self._records[other])


@external
def updateIdentity(_userAddress: address, _identity: address):
    """@notice Moves a wallet to another identity; claims about the old one no longer count for it. Agent only."""
    agents._check_agent()
    record: uint256 = self._registered(_userAddress)
    assert _identity != empty(address), "invalid argument - zero address"
    previous: address = investor_record._identity(record)
    if previous != _identity:
        left: DynArray[address, OTHER_WALLETS_MAX] = self._leave(_userAddress, record)
        kept: uint256 = record & (investor_record.COUNTRY | investor_record.VERIFIED_UNTIL)
        self._records[_userAddress] = convert(_identity, uint256) | kept
        joined: DynArray[address, OTHER_WALLETS_MAX] = self._join(_userAddress, _identity)
        shared: address = self._shared_storage()
        if shared != empty(address):
            extcall IIdentityRegistryStorage(shared).modifyStoredIdentity(_userAddress, _identity)
        self._tell_regrouped(_userAddress, left, joined)
    log IdentityUpdated(oldIdentity=previous, newIdentity=_identity)


@external
def updateCountry(_userAddress: address, _country: uint16):
    """@notice Corrects an investor's country (ISO 3166-1 numeric). Agent only."""
    agents._check_agent()
    record: uint256 = self._registered(_userAddress)
    country_bits: uint256 = convert(_country, uint256) << investor_record.COUNTRY_AT
    self._records[_userAddress] = (record & ~investor_record.COUNTRY) | country_bits
    shared: address = self._shared_storage()
    if shared != empty(address):
        extcall IIdentityRegistryStorage(shared).modifyStoredInvestorCountry(_userAddress, _country)
    log CountryUpdated(investorAddress=_userAddress, country=_country)


@external
def deleteIdentity(_userAddress: address):
    """@notice Forgets a wallet, also a lost one that was replaced. Its tokens stay where they are, with an unknown holder. Agent only."""
    agents._check_agent()
    record: uint256 = self._records[_userAddress]
    assert record != 0, "address not stored yet"
    self._records[_userAddress] = 0
    left: DynArray[address, OTHER_WALLETS_MAX] = self._leave(_userAddress, record)
    if record & investor_record.MOVED == 0:
        self._unshare(_userAddress)
        log IdentityRemoved(investorAddress=_userAddress, identity=investor_record._identity(record))
    self._tell_regrouped(_userAddress, left, [])


@external
def recover_wallet(lost: address, replacement: address, investor: address) -> bool:
    """
    @notice Puts `replacement` in the place of the investor's lost wallet, with its eligibility. An agent, or a token bound to a
    compliance contract bound here.
    @dev The lost wallet stays in its investor's group, unregistered: it may still hold other tokens, which are recovered one by one.
    @return False, with nothing changed, when the wallets do not both belong to the investor.
    """
    assert agents._agents[msg.sender] or self._is_bound_token(msg.sender), "registry: caller is neither agent nor bound token"
    lost_record: uint256 = self._records[lost]
    replacement_record: uint256 = self._records[replacement]
    if lost_record == 0 or investor_record._identity(lost_record) != investor or lost == replacement:
        return False
    if replacement == empty(address) or replacement_record & investor_record.MOVED != 0:
        return False
    if replacement_record != 0 and investor_record._identity(replacement_record) != investor:
        return False
    # A first wallet may have code too (a multi-signature wallet): only an identity contract is asked for its keys.
    is_wallet: bool = investor_record._identity(self._records[investor]) == investor
    if investor.is_contract and not is_wallet and not self._is_management_key(investor, replacement):
        return False

    if replacement_record == 0:
        # The agent vouches that the investor is the same, so what was verified stays verified.
        self._records[replacement] = lost_record & ~(investor_record.GROUPED | investor_record.MOVED)
        joined: DynArray[address, OTHER_WALLETS_MAX] = self._join(replacement, investor)
        self._share(replacement, investor, convert(investor_record._country(lost_record), uint16))
        log IdentityRegistered(investorAddress=replacement, identity=investor)
        log EligibilitySet(wallet=replacement, verified_until=investor_record._verified_until(lost_record))
        self._tell_regrouped(replacement, [], joined)
    if lost_record & investor_record.MOVED == 0:
        self._records[lost] = self._records[lost] | investor_record.MOVED
        self._unshare(lost)
        log IdentityRemoved(investorAddress=lost, identity=investor)
    return True


# Claims


@external
def register_claim(wallet: address, topic: uint256, issuer: address, data: Bytes[1024], signature: Bytes[512]):
    """
    @notice Verifies a claim that `issuer` signed about the wallet's identity, and counts it until it expires. Agent only.
    @dev The issuer signs, as an EIP-191 message, keccak256(abi.encode(identity, topic, data)); `data` begins with the expiry in
    Unix seconds as a uint256. With several topics the earliest expiry rules.
    """
    agents._check_agent()
    self._register_claim(wallet, topic, issuer, data, signature)


@external
def register_claim_batch(claims: DynArray[Claim, 50]):
    """@notice Verifies many claims. Agent only."""
    agents._check_agent()
    for claim: Claim in claims:
        self._register_claim(claim.wallet, claim.topic, claim.issuer, claim.data, claim.signature)


@external
def revoke_claim(identity: address, topic: uint256, data: Bytes[1024]):
    """@notice The caller, as issuer, never again vouches for this claim. What is already counted ends by `invalidate`."""
    digest: bytes32 = keccak256(abi_encode(identity, topic, data))
    self._is_revoked[msg.sender][digest] = True
    log ClaimRevoked(issuer=msg.sender, digest=digest)


# Views


@external
@view
def isVerified(_userAddress: address) -> bool:
    """@notice Whether the wallet's investor is registered and eligible now."""
    return investor_record._is_eligible(self._effective_record(_userAddress), self._settings)


@external
@view
def contains(_userAddress: address) -> bool:
    return self._identity(_userAddress) != empty(address)


@external
@view
def identity(_userAddress: address) -> address:
    """@notice The investor's identity; zero for a wallet that is not registered."""
    return self._identity(_userAddress)


@external
@view
def investorCountry(_userAddress: address) -> uint16:
    """@notice The investor's country, ISO 3166-1 numeric; zero for a wallet that is not registered."""
    shared: address = self._shared_storage()
    if shared != empty(address):
        return staticcall IIdentityRegistryStorage(shared).storedInvestorCountry(_userAddress)
    record: uint256 = self._records[_userAddress]
    if record & investor_record.MOVED != 0:
        return 0
    return convert(investor_record._country(record), uint16)


@external
@view
def identityStorage() -> address:
    """@notice Where wallets are stored: this contract, unless it shares them."""
    shared: address = self._shared_storage()
    return shared if shared != empty(address) else self


@external
@view
def verified_until(wallet: address) -> uint256:
    """@notice When the wallet's eligibility ends, in Unix seconds (exclusive); zero for an unregistered wallet."""
    record: uint256 = self._effective_record(wallet)
    return 0 if record & investor_record.MOVED != 0 else investor_record._verified_until(record)


@external
@view
def has_claim(wallet: address, topic: uint256) -> bool:
    """@notice Whether a claim on this required topic is counted for the wallet (it may have expired)."""
    place: uint256 = self._topic_place(topic)
    record: uint256 = self._records[wallet]
    in_epoch: bool = (record ^ self._settings) & investor_record.EPOCH == 0
    return in_epoch and (record >> (investor_record.CLAIMS_AT + place)) & 1 == 1


@external
@view
def other_wallets(wallet: address) -> DynArray[address, OTHER_WALLETS_MAX]:
    """@notice The other wallets of the same investor, lost ones among them."""
    return self._others(wallet)


@external
@view
def record(wallet: address) -> uint256:
    """@notice The wallet's record as investor_record lays it out."""
    return self._records[wallet]


@external
@view
def effective_record(wallet: address) -> uint256:
    """@notice The record with what a shared storage says about identity and country."""
    return self._effective_record(wallet)


@external
@view
def settings() -> uint256:
    """@notice The claims asked and the epoch, as investor_record lays them out."""
    return self._settings


@external
@view
def claim_topics() -> DynArray[uint256, TOPICS_MAX]:
    return self._topics


@external
@view
def compliances() -> DynArray[address, COMPLIANCES_MAX]:
    return self._compliances


# Internal: wiring


@internal
def _set_issuers_registry(issuers: address):
    assert issuers != empty(address), "invalid argument - zero address"
    self.issuersRegistry = issuers
    log TrustedIssuersRegistrySet(trustedIssuersRegistry=issuers)


@internal
def _set_topics_registry(topics_registry: address):
    assert topics_registry != empty(address), "invalid argument - zero address"
    self.topicsRegistry = topics_registry
    log ClaimTopicsRegistrySet(claimTopicsRegistry=topics_registry)
    topics: DynArray[uint256, TOPICS_MAX] = staticcall IClaimTopicsRegistry(topics_registry).getClaimTopics()
    if keccak256(abi_encode(topics)) != keccak256(abi_encode(self._topics)):
        self._topics = topics
        self._start_epoch()


@internal
def _set_storage(shared: address):
    assert shared != self, "registry: zero means this contract"
    self._settings = (self._settings & ~investor_record.IDENTITY) | convert(shared, uint256)
    log IdentityStorageSet(identityStorage=shared if shared != empty(address) else self)
    self._tell_settings()


@internal
def _start_epoch():
    epoch: uint256 = ((self._settings & investor_record.EPOCH) >> investor_record.EPOCH_AT) + 1
    # An epoch that came round again would revive the claims of old.
    assert epoch <= investor_record.EPOCH_MAX, "registry: epochs are exhausted"
    asked: uint256 = ((1 << len(self._topics)) - 1) << investor_record.CLAIMS_AT
    self._settings = (self._settings & investor_record.IDENTITY) | asked | (epoch << investor_record.EPOCH_AT)
    log EpochStarted(epoch=epoch, topics=self._topics)
    self._tell_settings()


@internal
@view
def _published_settings() -> uint256:
    """@dev What a compliance contract may rely on without asking; nothing while a shared storage can change behind our back."""
    if self._shared_storage() != empty(address):
        return 0
    return (self._settings & (investor_record.CLAIMS | investor_record.EPOCH)) | investor_record.LINKED


@internal
def _tell_settings():
    for compliance: address in self._compliances:
        extcall IRegistryFollower(compliance).registry_settings_changed(self._published_settings())


@internal
def _tell_regrouped(
    wallet: address, left: DynArray[address, OTHER_WALLETS_MAX], joined: DynArray[address, OTHER_WALLETS_MAX]
):
    if len(left) + len(joined) == 0:
        return
    for compliance: address in self._compliances:
        extcall IRegistryFollower(compliance).wallet_regrouped(wallet, left, joined)


@internal
@view
def _is_bound_token(caller: address) -> bool:
    for compliance: address in self._compliances:
        if staticcall IRegistryFollower(compliance).isTokenBound(caller):
            return True
    return False


# Internal: records and groups


@internal
def _register_investor(wallet: address, identity: address, country: uint16, verified_until: uint256):
    code: uint256 = convert(country, uint256)
    assert code != 0 and code <= COUNTRY_CODE_MAX, "registry: country is not an ISO 3166-1 number"
    self._register(wallet, wallet if identity == empty(address) else identity, country, verified_until)


@internal
def _register(wallet: address, identity: address, country: uint16, verified_until: uint256):
    assert wallet != empty(address) and identity != empty(address), "invalid argument - zero address"
    previous: uint256 = self._records[wallet]
    left: DynArray[address, OTHER_WALLETS_MAX] = []
    if previous != 0:
        assert previous & investor_record.MOVED != 0, "address stored already"
        left = self._leave(wallet, previous)
    until: uint256 = min(verified_until, investor_record.NO_EXPIRY)
    country_bits: uint256 = convert(country, uint256) << investor_record.COUNTRY_AT
    self._records[wallet] = convert(identity, uint256) | country_bits | (until << investor_record.VERIFIED_UNTIL_AT)
    joined: DynArray[address, OTHER_WALLETS_MAX] = self._join(wallet, identity)
    self._share(wallet, identity, country)
    log IdentityRegistered(investorAddress=wallet, identity=identity)
    log EligibilitySet(wallet=wallet, verified_until=until)
    self._tell_regrouped(wallet, left, joined)


@internal
def _join(wallet: address, identity: address) -> DynArray[address, OTHER_WALLETS_MAX]:
    """@dev Puts the wallet, whose record is written, into the ring of its investor; returns the wallets that it joins."""
    member: address = self._head[identity]
    if member == empty(address) and identity != wallet and self._records[identity] & investor_record.IDENTITY == convert(identity, uint256):
        member = identity
    if member == empty(address):
        if identity != wallet:
            self._head[identity] = wallet
        return []
    others: DynArray[address, OTHER_WALLETS_MAX] = self._others(member)
    assert len(others) < OTHER_WALLETS_MAX, "registry: investor has too many wallets"
    others.append(member)
    following: address = self._next[member]
    self._next[wallet] = member if following == empty(address) else following
    self._next[member] = wallet
    self._records[member] = self._records[member] | investor_record.GROUPED
    self._records[wallet] = self._records[wallet] | investor_record.GROUPED
    return others


@internal
def _leave(wallet: address, record: uint256) -> DynArray[address, OTHER_WALLETS_MAX]:
    """@dev Takes the wallet out of the ring of its investor; returns the wallets that it leaves. The caller writes its record."""
    identity: address = investor_record._identity(record)
    others: DynArray[address, OTHER_WALLETS_MAX] = self._others(wallet)
    if len(others) == 0:
        if self._head[identity] == wallet:
            self._head[identity] = empty(address)
        return others
    last: address = others[len(others) - 1]  # The ring's order: this one points at the wallet that leaves.
    if len(others) == 1:
        self._next[last] = empty(address)
        self._records[last] = self._records[last] & ~investor_record.GROUPED
    else:
        self._next[last] = self._next[wallet]
    self._next[wallet] = empty(address)
    if identity == wallet or self._head[identity] == wallet:
        self._head[identity] = last
    return others


@internal
@view
def _others(wallet: address) -> DynArray[address, OTHER_WALLETS_MAX]:
    others: DynArray[address, OTHER_WALLETS_MAX] = []
    cursor: address = self._next[wallet]
    for step: uint256 in range(OTHER_WALLETS_MAX):
        if cursor == empty(address) or cursor == wallet:
            break
        others.append(cursor)
        cursor = self._next[cursor]
    return others


@internal
@view
def _registered(wallet: address) -> uint256:
    record: uint256 = self._records[wallet]
    assert record != 0 and record & investor_record.MOVED == 0, "address not stored yet"
    return record


@internal
def _set_eligibility(wallet: address, record: uint256, verified_until: uint256):
    until: uint256 = min(verified_until, investor_record.NO_EXPIRY)
    self._records[wallet] = (record & ~investor_record.VERIFIED_UNTIL) | (until << investor_record.VERIFIED_UNTIL_AT)
    log EligibilitySet(wallet=wallet, verified_until=until)


@internal
def _invalidate(wallet: address, record: uint256):
    self._set_eligibility(wallet, record & ~investor_record.CLAIMS, 0)


@internal
@view
def _is_management_key(identity: address, wallet: address) -> bool:
    # ERC-734: purpose 1 is management; a key is the hash of the padded address.
    return staticcall IOnchainIdentity(identity).keyHasPurpose(keccak256(abi_encode(wallet)), 1)


# Internal: shared storage


@internal
@view
def _shared_storage() -> address:
    return convert(self._settings & investor_record.IDENTITY, address)


@internal
@view
def _identity(wallet: address) -> address:
    shared: address = self._shared_storage()
    if shared != empty(address):
        return staticcall IIdentityRegistryStorage(shared).storedIdentity(wallet)
    record: uint256 = self._records[wallet]
    if record & investor_record.MOVED != 0:
        return empty(address)
    return investor_record._identity(record)


@internal
@view
def _effective_record(wallet: address) -> uint256:
    record: uint256 = self._records[wallet]
    shared: address = self._shared_storage()
    if shared == empty(address):
        return record
    if staticcall IIdentityRegistryStorage(shared).storedIdentity(wallet) != investor_record._identity(record):
        # Another registry moved or removed the wallet: what we verified was about somebody else.
        record &= ~(investor_record.VERIFIED_UNTIL | investor_record.CLAIMS)
    country: uint16 = staticcall IIdentityRegistryStorage(shared).storedInvestorCountry(wallet)
    return (record & ~investor_record.COUNTRY) | (convert(country, uint256) << investor_record.COUNTRY_AT)


@internal
def _share(wallet: address, identity: address, country: uint16):
    shared: address = self._shared_storage()
    if shared == empty(address):
        return
    stored: address = staticcall IIdentityRegistryStorage(shared).storedIdentity(wallet)
    if stored == empty(address):
        extcall IIdentityRegistryStorage(shared).addIdentityToStorage(wallet, identity, country)
    else:
        # Another registry stored it first: we take the wallet over only as what it is.
        assert stored == identity, "address stored already"


@internal
def _unshare(wallet: address):
    shared: address = self._shared_storage()
    if shared != empty(address):
        extcall IIdentityRegistryStorage(shared).removeIdentityFromStorage(wallet)


# Internal: claims


@internal
@view
def _is_trusted_issuer(caller: address) -> bool:
    return staticcall ITrustedIssuersRegistry(self.issuersRegistry).isTrustedIssuer(caller)


@internal
@view
def _topic_place(topic: uint256) -> uint256:
    place: uint256 = 0
    for asked: uint256 in self._topics:
        if asked == topic:
            return place
        place += 1
    raise "registry: claim topic is not required"


@internal
def _register_claim(wallet: address, topic: uint256, issuer: address, data: Bytes[1024], signature: Bytes[512]):
    record: uint256 = self._registered(wallet)
    bit: uint256 = 1 << (investor_record.CLAIMS_AT + self._topic_place(topic))
    is_trusted: bool = staticcall ITrustedIssuersRegistry(self.issuersRegistry).hasClaimTopic(issuer, topic)
    assert is_trusted, "registry: issuer is not trusted for this topic"
    identity: address = investor_record._identity(record)
    digest: bytes32 = keccak256(abi_encode(identity, topic, data))
    assert not self._is_revoked[issuer][digest], "registry: claim is revoked"
    assert self._is_signed(issuer, identity, topic, data, digest, signature), "registry: claim is not signed by the issuer"

    assert len(data) >= 32, "registry: claim has no expiry"
    until: uint256 = min(convert(slice(data, 0, 32), uint256), investor_record.NO_EXPIRY)
    assert until > block.timestamp, "registry: claim has expired"
    held: uint256 = 0
    if (record ^ self._settings) & investor_record.EPOCH == 0:
        held = record & investor_record.CLAIMS
    if held & ~bit != 0:
        until = min(until, investor_record._verified_until(record))
    kept: uint256 = record & ~(investor_record.CLAIMS | investor_record.EPOCH | investor_record.VERIFIED_UNTIL)
    epoch: uint256 = self._settings & investor_record.EPOCH
    self._records[wallet] = kept | held | bit | epoch | (until << investor_record.VERIFIED_UNTIL_AT)
    log ClaimRegistered(wallet=wallet, topic=topic, issuer=issuer, verified_until=until)
    log EligibilitySet(wallet=wallet, verified_until=until)


@internal
@view
def _is_signed(
    issuer: address, identity: address, topic: uint256, data: Bytes[1024], digest: bytes32, signature: Bytes[512]
) -> bool:
    signer: address = signatures._recover_packed(signatures._personal_message(digest), signature)
    if signer != empty(address) and signer == issuer:
        return True
    if not issuer.is_contract:
        return False
    return staticcall IOnchainIdentity(issuer).isClaimValid(identity, topic, signature, data)
