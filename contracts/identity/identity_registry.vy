# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Which wallet belongs to which investor, from which country, and whether the investor is eligible (ERC-3643 IIdentityRegistry).
Knows no token and no compliance.
@dev It begins live, as ERC-3643's reference: each question looks at the claims of the investor's identity contract. Cached, it goes
by the claims that a claim verifier registered, until they expire or end. In both modes a record may have an end of its own.
Where an investor has no identity contract, the first wallet's address is the identity.
"""

from access import ownership
from access import agents
from identity import investor_record
from identity import live_claims
from identity import records
from identity import requirements
from interfaces import IClaimedRecords
from interfaces import IClaimTopicsFollower
from interfaces import IClaimVerifier
from interfaces import IIdentityRegistry
from interfaces import IIdentityRegistryStorage
from interfaces import ITrustedIssuersRegistry

implements: IClaimedRecords
implements: IClaimTopicsFollower
implements: IClaimVerifier
implements: IIdentityRegistry

initializes: ownership
initializes: agents[ownership := ownership]
initializes: records
initializes: requirements

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)
exports: (live_claims.is_vouched, live_claims.is_claim_valid)
exports: records.other_wallets
exports: (requirements.issuersRegistry, requirements.topicsRegistry, requirements.claim_topics, requirements.is_live)

BATCH_MAX: constant(uint256) = 100
COUNTRY_CODE_MAX: constant(uint256) = 999  # ISO 3166-1 numeric has three digits.

event IdentityStorageSet:
    identityStorage: indexed(address)

event ClaimVerifierSet:
    claim_verifier: indexed(address)

claim_verifier: public(address)


# Wiring


@external
def initialize(trusted_issuers_registry: address, claim_topics_registry: address, identity_storage: address):
    """@notice Wires the registry, once, in live mode; the caller becomes owner. Given as its own storage, it keeps all records here."""
    ownership._begin()
    agents._check_address(identity_storage)
    requirements._set_live(True)
    self._set_topics_registry(claim_topics_registry)
    self._set_issuers_registry(trusted_issuers_registry)
    self._set_storage(identity_storage)


@external
def setIdentityRegistryStorage(_identityRegistryStorage: address):
    """@notice Shares wallets and countries with other registries; keeps them here where it names this registry. Owner only."""
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
def set_claim_verifier(claim_verifier: address):
    """@notice Trusts a contract to verify and register claims, or none (zero). Owner only."""
    ownership._check_owner()
    self.claim_verifier = claim_verifier
    log ClaimVerifierSet(claim_verifier=claim_verifier)


@external
def set_live(is_live: bool):
    """@notice Looks at the claims at each question from now on, or goes by those that were registered. Owner only."""
    ownership._check_owner()
    requirements._set_live(is_live)


@external
def sync_claim_topics():
    """@notice Takes over the required claims from their registry. Anyone may call; nothing happens when they are the same, or live."""
    requirements._take_over_topics()


@external
def start_epoch():
    """@notice Voids every registered claim at once, as after a trusted issuer was compromised. Owner or agent."""
    agents._check_owner_or_agent()
    requirements._start_epoch()


# Investors


@external
def registerIdentity(_userAddress: address, _identity: address, _country: uint16):
    """@notice Registers a wallet without an end of its own (ERC-3643). Agent only."""
    agents._check_agent()
    self._register(_userAddress, _identity, _country, investor_record.NO_EXPIRY << investor_record.VERIFIED_UNTIL_AT)


@external
def batchRegisterIdentity(
    _userAddresses: DynArray[address, BATCH_MAX], _identities: DynArray[address, BATCH_MAX], _countries: DynArray[uint16, BATCH_MAX]
):
    """@notice Registers many wallets without an end of their own. Agent only."""
    agents._check_agent()
    self._check_lengths(len(_userAddresses), len(_identities))
    self._check_lengths(len(_userAddresses), len(_countries))
    for i: uint256 in range(len(_userAddresses), bound=BATCH_MAX):
        self._register(
            _userAddresses[i], _identities[i], _countries[i], investor_record.NO_EXPIRY << investor_record.VERIFIED_UNTIL_AT
        )


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
    self._check_lengths(len(wallets), len(identities))
    self._check_lengths(len(wallets), len(countries))
    self._check_lengths(len(wallets), len(verified_until))
    for i: uint256 in range(len(wallets), bound=BATCH_MAX):
        self._register_investor(wallets[i], identities[i], countries[i], verified_until[i])


@external
def register_claimed(
    wallet: address, identity: address, country: uint16, topic: uint256, issuer: address, claim_until: uint256
):
    """@notice Registers an investor's wallet with a first claim, eligible as long as the claim. The claim verifier only."""
    self._check_claim_verifier()
    self._check_country(country)
    self._register(wallet, identity, country, requirements._with_claim(requirements._settings, wallet, 0, topic, issuer, claim_until))


@external
def count_claim(wallet: address, topic: uint256, issuer: address, claim_until: uint256):
    """@notice Counts a claim about a registered wallet's identity until it expires (Unix seconds). The claim verifier only."""
    self._check_claim_verifier()
    record: uint256 = records._registered(wallet)
    records._records[wallet] = requirements._with_claim(requirements._settings, wallet, record, topic, issuer, claim_until)


@external
def set_verified_until(wallets: DynArray[address, BATCH_MAX], verified_until: DynArray[uint256, BATCH_MAX]):
    """@notice Prolongs or shortens eligibility, as after a new review; where registered claims count, only shortens. Agent only."""
    agents._check_agent()
    self._check_lengths(len(wallets), len(verified_until))
    settings: uint256 = requirements._settings
    prolongs_freely: bool = settings & investor_record.LIVE != 0 or settings & investor_record.CLAIMS == 0
    for i: uint256 in range(len(wallets), bound=BATCH_MAX):
        record: uint256 = records._registered(wallets[i])
        shortens: bool = verified_until[i] <= investor_record._verified_until(record)
        assert shortens or prolongs_freely, "registry: only a claim prolongs eligibility"
        records._set_eligibility(wallets[i], record, verified_until[i])


@external
def invalidate(wallet: address):
    """@notice Ends the eligibility of this wallet and all others of its investor at once. An agent or a trusted issuer."""
    if not agents._agents[msg.sender]:
        is_trusted: bool = staticcall ITrustedIssuersRegistry(requirements.issuersRegistry).isTrustedIssuer(msg.sender)
        assert is_trusted, "registry: caller is neither agent nor trusted issuer"
    records._registered(wallet)
    records._end_eligibility(wallet)


@external
def updateIdentity(_userAddress: address, _identity: address):
    """@notice Moves a wallet to another identity; claims about the old one no longer count for it. Agent only."""
    agents._check_agent()
    previous: address = self._identity(_userAddress)
    shared: address = self._shared_storage()
    if shared != empty(address):
        extcall IIdentityRegistryStorage(shared).modifyStoredIdentity(_userAddress, _identity)
    assert previous != empty(address), "address not stored yet"
    agents._check_address(_identity)
    record: uint256 = records._records[_userAddress]
    if records._is_own(record) and investor_record._identity(record) != _identity:
        records._take_out(_userAddress, record)
        # Country and time stay; flags and claims go.
        kept: uint256 = record & (2**64 - 1 - investor_record.FLAGS)
        records._file(_userAddress, _identity, kept, records._records[_userAddress])
    log records.IdentityUpdated(oldIdentity=previous, newIdentity=_identity)


@external
def updateCountry(_userAddress: address, _country: uint16):
    """@notice Corrects an investor's country (ISO 3166-1 numeric). Agent only."""
    agents._check_agent()
    shared: address = self._shared_storage()
    if shared != empty(address):
        extcall IIdentityRegistryStorage(shared).modifyStoredInvestorCountry(_userAddress, _country)
    else:
        records._registered(_userAddress)
    if records._is_own(records._records[_userAddress]):
        records._set_country(_userAddress, _country)
    else:
        log records.CountryUpdated(investorAddress=_userAddress, country=_country)


@external
def deleteIdentity(_userAddress: address):
    """@notice Forgets a wallet. Its tokens stay where they are, with an unknown holder. Agent only."""
    agents._check_agent()
    previous: address = self._identity(_userAddress)
    shared: address = self._shared_storage()
    if shared != empty(address):
        extcall IIdentityRegistryStorage(shared).removeIdentityFromStorage(_userAddress)
    else:
        records._registered(_userAddress)
    record: uint256 = records._records[_userAddress]
    if records._is_own(record):
        records._take_out(_userAddress, record)
    log records.IdentityRemoved(investorAddress=_userAddress, identity=previous)


# Views


@external
@view
def isVerified(_userAddress: address) -> bool:
    """@notice Whether the wallet's investor is registered and eligible now."""
    record: uint256 = self._effective_record(_userAddress)
    settings: uint256 = requirements._settings
    if not investor_record._is_eligible(record, settings):
        return False
    if settings & investor_record.LIVE == 0:
        return True
    # In a call of its own, so that what it needs of memory is not paid where it is not asked.
    return staticcall IClaimVerifier(self).is_vouched(
        investor_record._identity(record), requirements.topicsRegistry, requirements.issuersRegistry
    )


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
    return convert(investor_record._country(self._effective_record(_userAddress)), uint16)


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
    return investor_record._verified_until(self._effective_record(wallet))


@external
@view
def has_claim(wallet: address, topic: uint256) -> bool:
    """@notice Whether a claim on this required topic is registered for the wallet (it may have expired)."""
    return requirements._has_claim(records._records[wallet], topic)


@external
@view
def record(wallet: address) -> uint256:
    """@notice The wallet's record as investor_record lays it out, with what a shared storage says; zero for one that is not known."""
    return self._effective_record(wallet)


# Internal


@internal
@view
def _check_claim_verifier():
    assert msg.sender == self.claim_verifier, "registry: caller is not the claim verifier"


@internal
@pure
def _check_lengths(first: uint256, second: uint256):
    assert first == second, "registry: lists differ in length"


@internal
@pure
def _check_country(country: uint16):
    code: uint256 = convert(country, uint256)
    assert code != 0 and code <= COUNTRY_CODE_MAX, "registry: country is not an ISO 3166-1 number"


@internal
def _set_issuers_registry(issuers: address):
    agents._check_address(issuers)
    requirements._set_issuers_registry(issuers)


@internal
def _set_topics_registry(topics: address):
    agents._check_address(topics)
    requirements._set_topics_registry(topics)


@internal
def _set_storage(identity_storage: address):
    shared: address = empty(address) if identity_storage == self else identity_storage
    kept: uint256 = requirements._settings & (2**investor_record.IDENTITY_AT - 1)
    requirements._settings = (convert(shared, uint256) << investor_record.IDENTITY_AT) | kept
    log IdentityStorageSet(identityStorage=identity_storage)


@internal
@view
def _shared_storage() -> address:
    return investor_record._identity(requirements._settings)


@internal
def _register_investor(wallet: address, identity: address, country: uint16, verified_until: uint256):
    self._check_country(country)
    until: uint256 = min(verified_until, investor_record.NO_EXPIRY)
    filed: address = wallet if identity == empty(address) else identity
    self._register(wallet, filed, country, until << investor_record.VERIFIED_UNTIL_AT)
    log records.EligibilitySet(wallet=wallet, verified_until=until)


@internal
def _register(wallet: address, identity: address, country: uint16, eligibility: uint256):
    shared: address = self._shared_storage()
    if shared == empty(address):
        agents._check_address(wallet)
        agents._check_address(identity)
        records._check_new(records._records[wallet])
    else:
        self._share(shared, wallet, identity, country)
        previous: uint256 = records._records[wallet]
        if records._is_own(previous):
            # Another registry removed it from the storage since.
            records._take_out(wallet, previous)
    country_bits: uint256 = convert(country, uint256) << investor_record.COUNTRY_AT
    records._file(wallet, identity, country_bits | eligibility, records._records[wallet])
    log records.IdentityRegistered(investorAddress=wallet, identity=identity)


@internal
def _share(shared: address, wallet: address, identity: address, country: uint16):
    stored: address = empty(address)
    if requirements._settings & investor_record.LIVE == 0:
        # Cached, a registry needs a record of its own for a wallet that another one stored: it takes it over as what it is.
        stored = staticcall IIdentityRegistryStorage(shared).storedIdentity(wallet)
    if stored == empty(address):
        extcall IIdentityRegistryStorage(shared).addIdentityToStorage(wallet, identity, country)
    else:
        assert stored == identity, "address stored already"


@internal
@view
def _identity(wallet: address) -> address:
    shared: address = self._shared_storage()
    if shared != empty(address):
        return staticcall IIdentityRegistryStorage(shared).storedIdentity(wallet)
    return records._known_identity(wallet)


@internal
@view
def _effective_record(wallet: address) -> uint256:
    record: uint256 = records._records[wallet]
    settings: uint256 = requirements._settings
    shared: address = investor_record._identity(settings)
    if shared == empty(address):
        return record if records._is_own(record) else 0
    stored: address = staticcall IIdentityRegistryStorage(shared).storedIdentity(wallet)
    if stored == empty(address):
        return 0
    if not records._is_own(record) or investor_record._identity(record) != stored:
        # Another registry filed or moved it: what we know is about somebody else. Live, only the claims matter.
        until: uint256 = investor_record.NO_EXPIRY if settings & investor_record.LIVE != 0 else 0
        record = (convert(stored, uint256) << investor_record.IDENTITY_AT) | (until << investor_record.VERIFIED_UNTIL_AT)
    country: uint256 = convert(staticcall IIdentityRegistryStorage(shared).storedInvestorCountry(wallet), uint256)
    country_bits: uint256 = investor_record.COUNTRY_MAX << investor_record.COUNTRY_AT
    return investor_record._without(record, country_bits) | (country << investor_record.COUNTRY_AT)
