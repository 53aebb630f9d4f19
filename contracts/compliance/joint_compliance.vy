# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Identity registry and compliance of many tokens at one address (ERC-3643 IIdentityRegistry and ICompliance), so that a token
asks once per move: who the investors are, from which country, eligible until when, and what the rules of the token let them hold.
@dev Investors and rules are the modules that the separate identity registry and compliance are made of. An investor's balance is the
sum over the wallets of the ring, taken at the moment it is needed: there is no second book that could differ. Only the number of
holders is kept, and corrected when a wallet changes its investor.
"""

from access import ownership
from access import agents
from access import refusals
from compliance import token_rules
from identity import investor_record
from identity import records
from identity import requirements
from interfaces import IClaimTopicsFollower
from interfaces import IClaimedRecords
from interfaces import IClaimVerifier
from interfaces import ICombinedCompliance
from interfaces import ICompliance
from interfaces import IHoldings
from interfaces import IIdentityRegistry
from interfaces import IInvestorRecords
from interfaces import IOnchainIdentity
from interfaces import ITransferRules
from interfaces import ITrustedIssuersRegistry

implements: ICombinedCompliance
implements: ICompliance
implements: IClaimedRecords
implements: IClaimTopicsFollower
implements: IIdentityRegistry
implements: IInvestorRecords

initializes: ownership
initializes: agents[ownership := ownership]
initializes: records
initializes: requirements
initializes: token_rules[ownership := ownership, agents := agents]

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)
exports: (records.record, records.other_wallets)
exports: (requirements.issuersRegistry, requirements.topicsRegistry, requirements.claim_topics, requirements.is_live)
exports: (token_rules.set_rules, token_rules.set_countries, token_rules.apply_rules, token_rules.set_transfer_rules, token_rules.seed_holders)
exports: (token_rules.isTokenBound, token_rules.getTokenBound, token_rules.tokens, token_rules.rules, token_rules.transfer_rules, token_rules.is_country_listed)

BATCH_MAX: constant(uint256) = 100
COUNTRY_CODE_MAX: constant(uint16) = 999  # ISO 3166-1 numeric has three digits.

event ClaimVerifierSet:
    claim_verifier: indexed(address)


# Wiring


@external
def initialize(trusted_issuers_registry: address, claim_topics_registry: address, claim_verifier: address):
    """@notice Wires registry and compliance, once; the caller becomes owner. Claims count from when they are registered."""
    ownership._begin()
    self._set_issuers_registry(trusted_issuers_registry)
    self._set_claim_verifier(claim_verifier)
    self._set_topics_registry(claim_topics_registry)


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
    """@notice Trusts another contract to verify claims. Owner only."""
    ownership._check_owner()
    self._set_claim_verifier(claim_verifier)


@external
def set_live(is_live: bool):
    """@notice Verifies claims at each question from now on, or keeps what was verified when registered. Owner only."""
    ownership._check_owner()
    requirements._set_live(is_live)
    token_rules._spread(requirements._settings)


@external
def sync_claim_topics():
    """@notice Takes over the required claims from their registry. Anyone may call; nothing happens when they are the same."""
    requirements._take_over_topics()
    token_rules._spread(requirements._settings)


@external
def start_epoch():
    """@notice Voids every registered claim at once, as after a trusted issuer was compromised. Owner or agent."""
    agents._check_owner_or_agent()
    requirements._start_epoch()
    token_rules._spread(requirements._settings)


@external
def bindToken(_token: address):
    """@notice Answers for a token. Owner or agent; the token itself may repeat it, as ERC-3643 tokens do when they are wired."""
    agents._check_address(_token)
    if msg.sender == _token and token_rules._rules[_token] & token_rules.BOUND != 0:
        return
    # A bound token may recover wallets, so no token binds itself.
    if msg.sender != ownership.owner and not agents._agents[msg.sender]:
        refusals._refuse("only owner or token can call")
    token_rules._bind(_token, requirements._settings)


@external
def unbindToken(_token: address):
    """@notice No longer answers for a token, and forgets its token_rules. Owner, or the token itself."""
    token_rules._unbind(_token)


# Investors


@external
def registerIdentity(_userAddress: address, _identity: address, _country: uint16):
    """@notice Registers a wallet without expiry (ERC-3643). Agent only."""
    agents._check_agent()
    self._register(_userAddress, _identity, _country, investor_record.NO_EXPIRY << investor_record.VERIFIED_UNTIL_AT)


@external
def batchRegisterIdentity(
    _userAddresses: DynArray[address, BATCH_MAX], _identities: DynArray[address, BATCH_MAX], _countries: DynArray[uint16, BATCH_MAX]
):
    """@notice Registers many wallets without expiry. Agent only."""
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
    # As the batch does, in place: it costs less so.
    if country == 0 or country > COUNTRY_CODE_MAX:
        refusals._refuse("registry: country is not an ISO 3166-1 number")
    until: uint256 = min(verified_until, investor_record.NO_EXPIRY)
    filed: address = wallet if identity == empty(address) else identity
    self._register(wallet, filed, country, until << investor_record.VERIFIED_UNTIL_AT)
    log records.EligibilitySet(wallet=wallet, verified_until=until)


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
    settings: uint256 = self._check_claim_verifier()
    if country == 0 or country > COUNTRY_CODE_MAX:
        refusals._refuse("registry: country is not an ISO 3166-1 number")
    self._register(wallet, identity, country, requirements._with_claim(settings, wallet, 0, topic, issuer, claim_until))


@external
def count_claim(wallet: address, topic: uint256, issuer: address, claim_until: uint256):
    """@notice Counts a claim about a registered wallet's identity until it expires (Unix seconds). The claim verifier only."""
    settings: uint256 = self._check_claim_verifier()
    record: uint256 = records._registered(wallet)
    records._records[wallet] = requirements._with_claim(settings, wallet, record, topic, issuer, claim_until)


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
        if not shortens and not prolongs_freely:
            refusals._refuse("registry: only a claim prolongs eligibility")
        records._set_eligibility(wallets[i], record, verified_until[i])


@external
def invalidate(wallet: address):
    """@notice Ends the eligibility of this wallet and all others of its investor at once. An agent or a trusted issuer."""
    if not agents._agents[msg.sender]:
        is_trusted: bool = staticcall ITrustedIssuersRegistry(requirements.issuersRegistry).isTrustedIssuer(msg.sender)
        if not is_trusted:
            refusals._refuse("registry: caller is neither agent nor trusted issuer")
    records._registered(wallet)
    records._end_eligibility(wallet)


@external
def updateIdentity(_userAddress: address, _identity: address):
    """@notice Moves a wallet to another identity; claims about the old one no longer count for it. Agent only."""
    agents._check_agent()
    record: uint256 = records._registered(_userAddress)
    agents._check_address(_identity)
    previous: address = investor_record._identity(record)
    if previous != _identity:
        self._take_out(_userAddress, record)
        # Country and time stay; flags and claims go.
        kept: uint256 = record & (2**64 - 1 - investor_record.FLAGS)
        self._file(_userAddress, _identity, kept, records._records[_userAddress])
    log records.IdentityUpdated(oldIdentity=previous, newIdentity=_identity)


@external
def updateCountry(_userAddress: address, _country: uint16):
    """@notice Corrects an investor's country (ISO 3166-1 numeric). Agent only."""
    agents._check_agent()
    before: uint256 = investor_record._country(records._registered(_userAddress))
    records._set_country(_userAddress, _country)
    self._tell_country(_userAddress, before, convert(_country, uint256))


@external
def deleteIdentity(_userAddress: address):
    """@notice Forgets a wallet, also a lost one that was replaced. Its tokens stay where they are, with an unknown holder. Agent only."""
    agents._check_agent()
    record: uint256 = records._records[_userAddress]
    if record == 0 or record & investor_record.NO_RECORD != 0:
        refusals._refuse("address not stored yet")
    self._take_out(_userAddress, record)
    if record & investor_record.MOVED == 0:
        log records.IdentityRemoved(investorAddress=_userAddress, identity=investor_record._identity(record))


@external
def recover_wallet(lost: address, replacement: address, investor: address) -> bool:
    """
    @notice Puts `replacement` in the place of the investor's lost wallet, with its eligibility. An agent, or a token bound here.
    @dev A lost wallet that may hold other tokens stays in its investor's ring, unregistered, until these are recovered too.
    @return False, with nothing changed, when the wallets do not both belong to the investor.
    """
    is_bound: bool = token_rules._rules[msg.sender] & token_rules.BOUND != 0
    if not is_bound and not agents._agents[msg.sender]:
        refusals._refuse("registry: caller is neither agent nor bound token")
    lost_record: uint256 = records._records[lost]
    found: uint256 = records._records[replacement]
    if lost_record & investor_record.HEAD != 0 or investor_record._identity(lost_record) != investor:
        return False
    if investor == empty(address) or replacement == empty(address) or lost == replacement or found & investor_record.MOVED != 0:
        return False
    is_new: bool = found == 0 or found & investor_record.NO_RECORD != 0
    if not is_new and investor_record._identity(found) != investor:
        return False
    # A first wallet may have code too (a multi-signature wallet): only an identity contract is asked for its keys.
    is_wallet: bool = investor_record._identity(records._records[investor]) == investor
    if not is_wallet and investor.is_contract:
        # ERC-734: purpose 1 is management; a key is the hash of the padded address.
        if not staticcall IOnchainIdentity(investor).keyHasPurpose(keccak256(abi_encode(replacement)), 1):
            return False

    # Of tokens that are not bound here nothing is known.
    stays: bool = not is_bound or self._holds_others(lost)
    if not stays:
        self._take_out(lost, lost_record)
    if is_new:
        # The agent vouches that the investor is the same, so what was verified stays verified; only flags are the wallet's own.
        kept: uint256 = lost_record & (2**96 - 1 - investor_record.FLAGS)
        # Taking out the lost wallet changes no other new wallet's word than the identity's own.
        before: uint256 = records._records[replacement] if replacement == investor else found
        self._file(replacement, investor, kept, before)
        log records.IdentityRegistered(investorAddress=replacement, identity=investor)
        log records.EligibilitySet(wallet=replacement, verified_until=investor_record._verified_until(lost_record))
    if stays:
        records._records[lost] |= investor_record.MOVED
    if lost_record & investor_record.MOVED == 0:
        log records.IdentityRemoved(investorAddress=lost, identity=investor)
    return True


# What tokens of any make ask (ERC-3643)


@external
@view
def canTransfer(_from: address, _to: address, _amount: uint256) -> bool:
    """@notice Whether the rules of the calling token allow it; asked by anybody else, of the only token bound. A zero `_from` is a mint."""
    code: uint256 = 0
    fact: uint256 = 0
    code, fact = self._check(token_rules._asked_token(), _from, _to, _amount, False)
    return code == token_rules.YES


@external
def transferred(_from: address, _to: address, _amount: uint256):
    """@notice Counts holders after the calling token has moved `_amount`."""
    self._book_moved(_from, _to, _amount)


@external
def created(_to: address, _amount: uint256):
    """@notice Counts holders after the calling token has minted `_amount`."""
    self._book_moved(empty(address), _to, _amount)


@external
def destroyed(_from: address, _amount: uint256):
    """@notice Counts holders after the calling token has burned `_amount`."""
    self._book_moved(_from, empty(address), _amount)


# What our tokens ask, in one call


@external
@view
def is_combined_with(identity_registry: address) -> bool:
    """@notice Whether this contract also answers for that registry, so that a token need not ask twice."""
    return identity_registry == self


@external
def book_transfer(
    sender: address, receiver: address, amount: uint256, sender_balance: uint256, receiver_balance: uint256
) -> uint256:
    """@notice Judges and counts a transfer of the calling token, given both balances before it. The token reverts unless 0."""
    word: uint256 = token_rules._rules[msg.sender]
    record: uint256 = records._records[receiver]
    # Nearly every transfer: nobody becomes a holder or ceases to be one, no other wallet matters. The same judgement by a shorter way.
    if (
        word & token_rules.PLAIN == token_rules.BOUND
        and record & investor_record.GROUPED == 0
        and receiver_balance != 0
        and amount != sender_balance
        and sender != receiver
        and amount != 0
    ):
        if not investor_record._is_eligible(record, word):
            return token_rules.RECEIVER_NOT_VERIFIED
        code: uint256 = 0
        fact: uint256 = 0
        code, fact = token_rules._judge(msg.sender, word, record, amount, receiver_balance, 0)
        return code
    return self._book(sender, receiver, amount, sender_balance, receiver_balance, 0, True, True)


@external
def book_forced_transfer(
    sender: address, receiver: address, amount: uint256, sender_balance: uint256, receiver_balance: uint256
) -> uint256:
    """@notice As `book_transfer`, for an agent's forced transfer: the receiver must be eligible, the limits do not bind."""
    word: uint256 = token_rules._rules[msg.sender]
    record: uint256 = records._records[receiver]
    if (
        word & token_rules.PLAIN == token_rules.BOUND
        and record & investor_record.GROUPED == 0
        and (receiver_balance == 0) == (amount == sender_balance)
        and (receiver_balance != 0 or records._records[sender] & investor_record.GROUPED == 0)
    ):
        # Nobody becomes a holder or ceases to be one, or one takes the place of another.
        return token_rules.YES if investor_record._is_eligible(record, word) else token_rules.RECEIVER_NOT_VERIFIED
    return self._book(sender, receiver, amount, sender_balance, receiver_balance, 0, True, False)


@external
def book_mint(receiver: address, amount: uint256, receiver_balance: uint256, supply: uint256) -> uint256:
    """@notice Judges and counts a mint of the calling token, given the receiver's balance before and the supply after it."""
    return self._book(empty(address), receiver, amount, 0, receiver_balance, supply, True, True)


@external
def book_burn(holder: address, amount: uint256, holder_balance: uint256):
    """@notice Counts holders for a burn of the calling token, given the balance before it."""
    self._book(holder, empty(address), amount, holder_balance, 0, 0, False, False)


# Views


@external
@view
def check(token: address, sender: address, receiver: address, amount: uint256) -> (uint256, uint256):
    """
    @notice What `book_transfer` (or, for a zero sender, `book_mint`) would answer now, and the fact behind a no.
    @return The reason's number, 0 for a yes; the country, limit or cap that refuses.
    """
    return self._check(token, sender, receiver, amount, True)


@external
@view
def isVerified(_userAddress: address) -> bool:
    """@notice Whether the wallet's investor is registered and eligible now."""
    record: uint256 = records._records[_userAddress]
    settings: uint256 = requirements._settings
    if not investor_record._is_eligible(record, settings):
        return False
    return settings & investor_record.LIVE == 0 or self._is_vouched(record)


@external
@view
def contains(_userAddress: address) -> bool:
    return records._known_identity(_userAddress) != empty(address)


@external
@view
def identity(_userAddress: address) -> address:
    """@notice The investor's identity; zero for a wallet that is not registered."""
    return records._known_identity(_userAddress)


@external
@view
def investorCountry(_userAddress: address) -> uint16:
    """@notice The investor's country, ISO 3166-1 numeric; zero for a wallet that is not registered."""
    record: uint256 = records._records[_userAddress]
    return 0 if record & investor_record.MOVED != 0 else convert(investor_record._country(record), uint16)


@external
@view
def identityStorage() -> address:
    """@notice Where wallets are stored: here."""
    return self


@external
@view
def claim_verifier() -> address:
    return self._claim_verifier()


@external
@view
def verified_until(wallet: address) -> uint256:
    """@notice When the wallet's eligibility ends, in Unix seconds (exclusive); zero for an unregistered wallet."""
    record: uint256 = records._records[wallet]
    return 0 if record & investor_record.MOVED != 0 else investor_record._verified_until(record)


@external
@view
def has_claim(wallet: address, topic: uint256) -> bool:
    """@notice Whether a claim on this required topic is counted for the wallet (it may have expired)."""
    return requirements._has_claim(records._records[wallet], topic)


@external
@view
def investor_balance(token: address, wallet: address) -> uint256:
    """@notice What the wallet's investor holds of the token over all wallets."""
    is_own: bool = False
    elsewhere: uint256 = 0
    is_own, elsewhere = self._held_elsewhere(token, wallet, empty(address))
    return elsewhere + staticcall IHoldings(token).balanceOf(wallet)


# Internal: wiring


@internal
def _set_issuers_registry(issuers: address):
    agents._check_address(issuers)
    requirements._set_issuers_registry(issuers)


@internal
def _set_topics_registry(topics: address):
    agents._check_address(topics)
    requirements._set_topics_registry(topics)
    token_rules._spread(requirements._settings)


@internal
@view
def _claim_verifier() -> address:
    return investor_record._identity(requirements._settings)


@internal
@view
def _check_claim_verifier() -> uint256:
    """@dev Returns the registry's settings, which name it."""
    settings: uint256 = requirements._settings
    if msg.sender != investor_record._identity(settings):
        refusals._refuse("registry: caller is not the claim verifier")
    return settings


@internal
def _set_claim_verifier(claim_verifier: address):
    agents._check_address(claim_verifier)
    kept: uint256 = requirements._settings & (2**investor_record.IDENTITY_AT - 1)
    requirements._settings = (convert(claim_verifier, uint256) << investor_record.IDENTITY_AT) | kept
    log ClaimVerifierSet(claim_verifier=claim_verifier)


# Internal: investors


@internal
@pure
def _check_lengths(first: uint256, second: uint256):
    if first != second:
        refusals._refuse("registry: lists differ in length")


@internal
def _register_investor(wallet: address, identity: address, country: uint16, verified_until: uint256):
    if country == 0 or country > COUNTRY_CODE_MAX:
        refusals._refuse("registry: country is not an ISO 3166-1 number")
    until: uint256 = min(verified_until, investor_record.NO_EXPIRY)
    filed: address = wallet if identity == empty(address) else identity
    self._register(wallet, filed, country, until << investor_record.VERIFIED_UNTIL_AT)
    log records.EligibilitySet(wallet=wallet, verified_until=until)


@internal
def _register(wallet: address, identity: address, country: uint16, eligibility: uint256):
    record: uint256 = (convert(country, uint256) << investor_record.COUNTRY_AT) | eligibility
    previous: uint256 = records._records[wallet]
    if previous == 0 and wallet == identity and wallet != empty(address):
        # A first wallet, by a shorter way: there is no ring.
        records._records[wallet] = record | (convert(identity, uint256) << investor_record.IDENTITY_AT)
    else:
        agents._check_address(wallet)
        agents._check_address(identity)
        records._check_new(previous)
        if previous & investor_record.MOVED != 0:
            self._take_out(wallet, previous)
        self._file(wallet, identity, record, records._records[wallet])
    log records.IdentityRegistered(investorAddress=wallet, identity=identity)


@internal
def _file(wallet: address, identity: address, record: uint256, before: uint256):
    joins_ring: bool = records._file(wallet, identity, record, before)
    if joins_ring:
        self._recount(wallet, False)
    if joins_ring or before != 0:
        # A wallet that was never known is told nobody of: what it holds counts when it next receives.
        self._tell_country(wallet, 0, investor_record._country(record))


@internal
def _take_out(wallet: address, record: uint256):
    if record & investor_record.GROUPED != 0:
        self._recount(wallet, True)
    self._tell_country(wallet, investor_record._country(record), 0)
    records._take_out(wallet, record)


@internal
def _recount(wallet: address, leaves_ring: bool):
    """@dev A wallet that leaves holders behind makes one holder more; one that joins holders makes one fewer."""
    for i: uint256 in range(token_rules._counts & token_rules.TOKENS, bound=token_rules.TOKENS_MAX):
        token: address = token_rules._tokens[i]
        if staticcall IHoldings(token).balanceOf(wallet) == 0:
            continue
        is_own: bool = False
        elsewhere: uint256 = 0
        is_own, elsewhere = self._held_elsewhere(token, wallet, empty(address))
        if elsewhere > 0:
            token_rules._count(token, token_rules._rules[token], leaves_ring)


@internal
@view
def _holds_others(lost: address) -> bool:
    """@dev Whether a wallet holds tokens beside the caller's, or further rules have yet to learn whose the caller's are."""
    counts: uint256 = token_rules._counts
    if counts >> token_rules.FURTHER_TOKENS_AT != 0 and token_rules._rules[msg.sender] & token_rules.FURTHER != 0:
        return True
    if counts & token_rules.TOKENS == 1:
        return False
    for i: uint256 in range(counts & token_rules.TOKENS, bound=token_rules.TOKENS_MAX):
        token: address = token_rules._tokens[i]
        if token == msg.sender:
            continue
        if staticcall IHoldings(token).balanceOf(lost) > 0:
            return True
    return False


@internal
def _tell_country(wallet: address, before: uint256, now: uint256):
    counts: uint256 = token_rules._counts
    if counts >> token_rules.FURTHER_TOKENS_AT == 0:
        return
    for i: uint256 in range(counts & token_rules.TOKENS, bound=token_rules.TOKENS_MAX):
        token: address = token_rules._tokens[i]
        if token_rules._rules[token] & token_rules.FURTHER != 0:
            extcall ITransferRules(token_rules._transfer_rules[token]).holder_country_changed(
                token, wallet, convert(before, uint16), convert(now, uint16)
            )


# Internal: the judgement


@internal
@view
def _is_vouched(record: uint256) -> bool:
    """@dev Live, beside what the record says."""
    return staticcall IClaimVerifier(self._claim_verifier()).is_vouched(
        investor_record._identity(record), requirements.topicsRegistry, requirements.issuersRegistry
    )


@internal
def _book(
    sender: address,
    receiver: address,
    amount: uint256,
    sender_balance: uint256,
    receiver_balance: uint256,
    supply: uint256,
    asks_identity: bool,
    is_ruled: bool,
) -> uint256:
    """@dev For the calling token, which reverts unless the answer is 0."""
    word: uint256 = token_rules._rules[msg.sender]
    code: uint256 = 0
    fact: uint256 = 0
    joins: bool = False
    leaves: bool = False
    code, fact, joins, leaves = self._judge(
        msg.sender, word, sender, receiver, amount, sender_balance, receiver_balance, supply, asks_identity, is_ruled
    )
    if code == token_rules.YES:
        if joins != leaves:
            token_rules._count(msg.sender, word, joins)
        if word & token_rules.FURTHER != 0:
            token_rules._book_further(msg.sender, sender, receiver, amount, sender_balance, receiver_balance, joins, leaves)
    return code


@internal
def _book_moved(sender: address, receiver: address, amount: uint256):
    """@dev For a token that moved first and asks no leave: the balances before are those now, less the move."""
    token_rules._rules_of_caller()
    sender_balance: uint256 = 0
    receiver_balance: uint256 = 0
    if sender != empty(address):
        sender_balance = staticcall IHoldings(msg.sender).balanceOf(sender) + amount
    if receiver != empty(address):
        receiver_balance = staticcall IHoldings(msg.sender).balanceOf(receiver)
        if sender != receiver:
            receiver_balance -= amount
    self._book(sender, receiver, amount, sender_balance, receiver_balance, 0, False, False)


@internal
@view
def _check(token: address, sender: address, receiver: address, amount: uint256, asks_identity: bool) -> (uint256, uint256):
    """@dev Asks the token for what it would have passed along."""
    word: uint256 = token_rules._rules[token]
    sender_balance: uint256 = 0
    receiver_balance: uint256 = 0
    supply: uint256 = 0
    if word & token_rules.BOUND != 0:
        if receiver != empty(address):
            receiver_balance = staticcall IHoldings(token).balanceOf(receiver)
        if sender != empty(address):
            sender_balance = staticcall IHoldings(token).balanceOf(sender)
        elif word & token_rules.SUPPLY_CAPPED != 0:
            # Saturates: an amount beyond all numbers is beyond every cap.
            supply = staticcall IHoldings(token).totalSupply()
            supply += min(amount, max_value(uint256) - supply)
    code: uint256 = 0
    fact: uint256 = 0
    joins: bool = False
    leaves: bool = False
    code, fact, joins, leaves = self._judge(
        token, word, sender, receiver, amount, sender_balance, receiver_balance, supply, asks_identity, True
    )
    return code, fact


@internal
@view
def _judge(
    token: address,
    word: uint256,
    sender: address,
    receiver: address,
    amount: uint256,
    sender_balance: uint256,
    receiver_balance: uint256,
    supply: uint256,
    asks_identity: bool,
    is_ruled: bool,
) -> (uint256, uint256, bool, bool):
    """
    @dev One judgement for the view and for the act, so that they cannot differ. Returns the reason's number, the fact behind a no,
    and whether the move makes the receiver's investor a holder and the sender's one no longer.
    """
    if word & token_rules.BOUND == 0:
        return token_rules.NOT_BOUND, 0, False, False
    record: uint256 = records._records[receiver]
    if asks_identity:
        if not investor_record._is_eligible(record, word) or (word & investor_record.LIVE != 0 and not self._is_vouched(record)):
            return token_rules.RECEIVER_NOT_VERIFIED, 0, False, False

    # What else an investor holds is only asked where it can matter.
    held: uint256 = receiver_balance
    joins: bool = False
    leaves: bool = False
    changes: bool = amount != 0 and sender != receiver
    if changes:
        empties: bool = sender != empty(address) and sender_balance == amount
        if record & investor_record.GROUPED != 0 and (word >> token_rules.MAXIMUM_AT != 0 or receiver_balance == 0 or empties):
            is_own: bool = False
            elsewhere: uint256 = 0
            is_own, elsewhere = self._held_elsewhere(token, receiver, sender)
            # Between an investor's own wallets nothing changes that is counted.
            changes = not is_own
            held += elsewhere
        if changes:
            joins = held == 0 and receiver != empty(address)
            if empties:
                leaves = True
                if records._records[sender] & investor_record.GROUPED != 0:
                    is_own: bool = False
                    elsewhere: uint256 = 0
                    is_own, elsewhere = self._held_elsewhere(token, sender, empty(address))
                    leaves = elsewhere == 0
    if not is_ruled:
        return token_rules.YES, 0, joins, leaves

    code: uint256 = 0
    fact: uint256 = 0
    code, fact = token_rules._judge(token, word, record, amount if changes else 0, held, supply)
    if code == token_rules.YES and joins and not leaves:
        code, fact = token_rules._judge_place(word)
    if code == token_rules.YES and word & token_rules.FURTHER != 0:
        code, fact = token_rules._judge_further(token, sender, receiver, amount, sender_balance, receiver_balance, joins, leaves)
    return code, fact, joins, leaves


@internal
@view
def _held_elsewhere(token: address, wallet: address, counterparty: address) -> (bool, uint256):
    """@dev Whether the counterparty belongs to the wallet's investor; else what that investor holds in other wallets."""
    held: uint256 = 0
    cursor: address = records._next[wallet]
    for step: uint256 in range(records.OTHER_WALLETS_MAX):
        if cursor == empty(address) or cursor == wallet:
            break
        if cursor == counterparty:
            return True, 0
        held += staticcall IHoldings(token).balanceOf(cursor)
        cursor = records._next[cursor]
    return False, held
