# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice May this investor receive that much of this token? Country lists, a maximum per investor, a cap on holders and on the supply,
for many tokens that share one identity registry (ERC-3643 ICompliance). Knows nothing of freezes, pauses or claims.
@dev An investor's balance is the sum over the wallets that the registry groups together, taken at the moment it is needed: there
is no second book that could differ. Only the number of holders is kept, and corrected when the registry regroups a wallet.
"""

from access import ownership
from access import agents
from identity import investor_record
from interfaces import ICombinedCompliance
from interfaces import ICompliance
from interfaces import IHoldings
from interfaces import IInvestorRecords
from interfaces import IRegistryFollower

implements: ICompliance
implements: ICombinedCompliance
implements: IRegistryFollower

initializes: ownership
initializes: agents[ownership := ownership]

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)

TOKENS_MAX: constant(uint256) = 64
COUNTRIES_MAX: constant(uint256) = 256
COUNTRY_CODE_MAX: constant(uint256) = 999  # ISO 3166-1 numeric has three digits.

# Rules of a token in one word:
# maximum balance 0..103 | holders 104..135 | holder cap 136..167 | country mode 168..169 | bound 170 | supply capped 171 | counted 172
AMOUNT_MAX: constant(uint256) = 2**104 - 1
COUNT_MAX: constant(uint256) = 2**32 - 1
HOLDERS_AT: constant(uint256) = 104
HOLDER_CAP_AT: constant(uint256) = 136
COUNTRY_MODE_AT: constant(uint256) = 168
HOLDERS: constant(uint256) = (2**32 - 1) * 2**104
BOUND: constant(uint256) = 2**170
SUPPLY_CAPPED: constant(uint256) = 2**171
COUNTED: constant(uint256) = 2**172

NO_COUNTRY_RULE: constant(uint256) = 0
ALLOW_LISTED: constant(uint256) = 1
BLOCK_LISTED: constant(uint256) = 2

# The answers, as contracts/reasons.json publishes them.
YES: constant(uint256) = 0
RECEIVER_NOT_VERIFIED: constant(uint256) = 10
NOT_BOUND: constant(uint256) = 12
COUNTRY_NOT_ALLOWED: constant(uint256) = 13
COUNTRY_BLOCKED: constant(uint256) = 14
MAXIMUM_BALANCE: constant(uint256) = 15
SUPPLY_CAP: constant(uint256) = 16
HOLDER_CAP: constant(uint256) = 17

# How much is asked: an agent's forced transfer answers to identity only, the plain ERC-3643 call to the rules only.
ASK_IDENTITY: constant(uint256) = 1
ASK_RULES: constant(uint256) = 2
ASK_ALL: constant(uint256) = 3
ASK_NOTHING: constant(uint256) = 0

event TokenBound:
    _token: address

event TokenUnbound:
    _token: address

event RulesSet:
    token: indexed(address)
    maximum_balance: uint256
    supply_cap: uint256
    holder_cap: uint256

event CountriesSet:
    token: indexed(address)
    mode: uint256
    countries: DynArray[uint16, COUNTRIES_MAX]

event HoldersSeeded:
    token: indexed(address)
    holders: uint256

struct Rules:
    maximum_balance: uint256
    supply_cap: uint256
    holder_cap: uint256
    holders: uint256
    country_mode: uint256
    is_bound: bool
    is_counted: bool

struct RuleTerms:
    maximum_balance: uint256
    supply_cap: uint256
    holder_cap: uint256
    country_mode: uint256
    countries: DynArray[uint16, COUNTRIES_MAX]

struct Question:
    token: address
    sender: address  # Zero for a mint.
    receiver: address
    amount: uint256
    sender_balance: uint256  # Both before the move.
    receiver_balance: uint256
    supply: uint256  # After a mint.
    asked: uint256

# The registry 0..159, then what the registry last told us of its settings (investor_record's layout).
_wiring: uint256
_rules: HashMap[address, uint256]
_supply_caps: HashMap[address, uint256]
_countries: HashMap[address, uint256[4]]
_tokens: DynArray[address, TOKENS_MAX]


# Wiring


@external
def initialize(identity_registry: address):
    """@notice Ties these rules to an identity registry, once; the caller becomes owner."""
    ownership._begin()
    assert identity_registry != empty(address), "invalid argument - zero address"
    self._wiring = convert(identity_registry, uint256)


@external
def bindToken(_token: address):
    """@notice Answers for a token. Owner or agent; the token itself may repeat it, as ERC-3643 tokens do when they are wired."""
    assert _token != empty(address), "invalid argument - zero address"
    if msg.sender == _token and self._rules[_token] & BOUND != 0:
        return
    assert msg.sender == ownership.owner or agents._agents[msg.sender], "only owner or token can call"
    assert self._rules[_token] & BOUND == 0, "compliance: token is already bound"
    assert len(self._tokens) < TOKENS_MAX, "compliance: too many tokens"
    # Holders are exact from the first token on; a token with holders already must have them counted by the owner.
    counted: uint256 = COUNTED if staticcall IHoldings(_token).totalSupply() == 0 else 0
    self._rules[_token] = BOUND | counted
    self._tokens.append(_token)
    log TokenBound(_token=_token)


@external
def unbindToken(_token: address):
    """@notice No longer answers for a token, and forgets its rules. Owner, or the token itself."""
    assert _token != empty(address), "invalid argument - zero address"
    assert msg.sender == ownership.owner or msg.sender == _token, "only owner or token can call"
    assert self._rules[_token] & BOUND != 0, "This token is not bound"
    self._rules[_token] = 0
    self._supply_caps[_token] = 0
    self._countries[_token] = empty(uint256[4])
    kept: DynArray[address, TOKENS_MAX] = []
    for bound: address in self._tokens:
        if bound != _token:
            kept.append(bound)
    self._tokens = kept
    log TokenUnbound(_token=_token)


@external
def registry_settings_changed(settings: uint256):
    """@notice Takes the registry's word on which claims it asks, so that a transfer need not ask. The registry only."""
    self._check_registry()
    self._wiring = (self._wiring & investor_record.IDENTITY) | (settings & ~investor_record.IDENTITY)


@external
def wallet_regrouped(wallet: address, left: DynArray[address, 15], joined: DynArray[address, 15]):
    """@notice Corrects the number of holders when a wallet leaves one investor's group or joins another's. The registry only."""
    self._check_registry()
    for token: address in self._tokens:
        if staticcall IHoldings(token).balanceOf(wallet) == 0:
            continue
        rules: uint256 = self._rules[token]
        if rules & COUNTED == 0:
            continue
        # A wallet that leaves holders behind makes one holder more; one that joins holders makes one fewer.
        if self._any_holds(token, left):
            rules = self._one_more(rules)
        if self._any_holds(token, joined):
            rules = self._one_fewer(rules)
        self._rules[token] = rules


# Rules


@external
def set_rules(token: address, maximum_balance: uint256, supply_cap: uint256, holder_cap: uint256):
    """@notice Sets the limits of a bound token, each in base units or investors, zero for none. Owner or agent."""
    self._check_may_rule(token)
    self._set_rules(token, maximum_balance, supply_cap, holder_cap)


@external
def set_countries(token: address, mode: uint256, countries: DynArray[uint16, COUNTRIES_MAX]):
    """@notice Allows only (1) or blocks (2) investors of the listed countries, ISO 3166-1 numeric; 0 lifts the rule. Owner or agent."""
    self._check_may_rule(token)
    self._set_countries(token, mode, countries)


@external
def apply_rules(token: address, terms: Bytes[8448]):
    """
    @notice Sets limits and countries from one encoded tuple. Owner or agent.
    @param terms abi.encode of (uint256 maximum_balance, uint256 supply_cap, uint256 holder_cap, uint256 country_mode, uint16[]
    countries), as a tuple.
    """
    self._check_may_rule(token)
    rules: RuleTerms = abi_decode(terms, RuleTerms)
    self._set_rules(token, rules.maximum_balance, rules.supply_cap, rules.holder_cap)
    self._set_countries(token, rules.country_mode, rules.countries)


@external
def seed_holders(token: address, holders: uint256):
    """@notice Says how many investors hold a token that was bound with holders already; from then on the count is kept. Owner only."""
    ownership._check_owner()
    rules: uint256 = self._rules[token]
    assert rules & BOUND != 0, "This token is not bound"
    assert rules & COUNTED == 0, "compliance: holders are counted already"
    assert holders <= COUNT_MAX, "compliance: limit is too large"
    self._rules[token] = (rules & ~HOLDERS) | (holders << HOLDERS_AT) | COUNTED
    log HoldersSeeded(token=token, holders=holders)


# What tokens of any make ask (ERC-3643)


@external
@view
def canTransfer(_from: address, _to: address, _amount: uint256) -> bool:
    """@notice Whether the rules of the calling token allow it; asked by anybody else, of the only token bound. A zero `_from` is a mint."""
    token: address = msg.sender
    if self._rules[token] & BOUND == 0 and len(self._tokens) == 1:
        token = self._tokens[0]
    code: uint256 = 0
    fact: uint256 = 0
    rules: uint256 = 0
    code, fact, rules = self._judge(self._question(token, _from, _to, _amount, ASK_RULES))
    return code == YES


@external
def transferred(_from: address, _to: address, _amount: uint256):
    """@notice Counts holders after the calling token has moved `_amount`."""
    self._check_bound()
    question: Question = self._question(msg.sender, _from, _to, _amount, ASK_NOTHING)
    if _from != _to:
        question.sender_balance += _amount
        question.receiver_balance -= _amount
    self._book(question)


@external
def created(_to: address, _amount: uint256):
    """@notice Counts holders after the calling token has minted `_amount`."""
    self._check_bound()
    question: Question = self._question(msg.sender, empty(address), _to, _amount, ASK_NOTHING)
    question.receiver_balance -= _amount
    self._book(question)


@external
def destroyed(_from: address, _amount: uint256):
    """@notice Counts holders after the calling token has burned `_amount`."""
    self._check_bound()
    question: Question = self._question(msg.sender, _from, empty(address), _amount, ASK_NOTHING)
    question.sender_balance += _amount
    self._book(question)


# What our tokens ask, in one call


@external
@view
def is_combined_with(identity_registry: address) -> bool:
    """@notice Whether this contract also answers for that registry, so that a token need not ask twice."""
    return self._registry() == identity_registry


@external
def book_transfer(
    sender: address, receiver: address, amount: uint256, sender_balance: uint256, receiver_balance: uint256
) -> uint256:
    """@notice Judges and counts a transfer of the calling token, given both balances before it. The token reverts unless 0."""
    return self._book(
        Question(
            token=msg.sender,
            sender=sender,
            receiver=receiver,
            amount=amount,
            sender_balance=sender_balance,
            receiver_balance=receiver_balance,
            supply=0,
            asked=ASK_ALL,
        )
    )


@external
def book_forced_transfer(
    sender: address, receiver: address, amount: uint256, sender_balance: uint256, receiver_balance: uint256
) -> uint256:
    """@notice As `book_transfer`, for an agent's forced transfer: the receiver must be eligible, the limits do not bind."""
    return self._book(
        Question(
            token=msg.sender,
            sender=sender,
            receiver=receiver,
            amount=amount,
            sender_balance=sender_balance,
            receiver_balance=receiver_balance,
            supply=0,
            asked=ASK_IDENTITY,
        )
    )


@external
def book_mint(receiver: address, amount: uint256, receiver_balance: uint256, supply: uint256) -> uint256:
    """@notice Judges and counts a mint of the calling token, given the receiver's balance before and the supply after it."""
    return self._book(
        Question(
            token=msg.sender,
            sender=empty(address),
            receiver=receiver,
            amount=amount,
            sender_balance=0,
            receiver_balance=receiver_balance,
            supply=supply,
            asked=ASK_ALL,
        )
    )


@external
def book_burn(holder: address, amount: uint256, holder_balance: uint256):
    """@notice Counts holders for a burn of the calling token, given the balance before it."""
    self._book(
        Question(
            token=msg.sender,
            sender=holder,
            receiver=empty(address),
            amount=amount,
            sender_balance=holder_balance,
            receiver_balance=0,
            supply=0,
            asked=ASK_NOTHING,
        )
    )


# Views


@external
@view
def check(token: address, sender: address, receiver: address, amount: uint256) -> (uint256, uint256):
    """
    @notice What `book_transfer` (or, for a zero sender, `book_mint`) would answer now, and the fact behind a no.
    @return The reason's number, 0 for a yes; the country, limit or cap that refuses.
    """
    code: uint256 = 0
    fact: uint256 = 0
    rules: uint256 = 0
    code, fact, rules = self._judge(self._question(token, sender, receiver, amount, ASK_ALL))
    return code, fact


@external
@view
def isTokenBound(_token: address) -> bool:
    return self._rules[_token] & BOUND != 0


@external
@view
def getTokenBound() -> address:
    """@notice The first token bound; zero when there is none."""
    return self._tokens[0] if len(self._tokens) > 0 else empty(address)


@external
@view
def tokens() -> DynArray[address, TOKENS_MAX]:
    """@notice Every token bound."""
    return self._tokens


@external
@view
def identity_registry() -> address:
    return self._registry()


@external
@view
def rules(token: address) -> Rules:
    """@notice The limits of a token and how many investors hold it now."""
    word: uint256 = self._rules[token]
    return Rules(
        maximum_balance=word & AMOUNT_MAX,
        supply_cap=self._supply_caps[token],
        holder_cap=(word >> HOLDER_CAP_AT) & COUNT_MAX,
        holders=(word >> HOLDERS_AT) & COUNT_MAX,
        country_mode=(word >> COUNTRY_MODE_AT) & 3,
        is_bound=word & BOUND != 0,
        is_counted=word & COUNTED != 0,
    )


@external
@view
def is_country_listed(token: address, country: uint16) -> bool:
    """@notice Whether the country is on the token's list, whatever the list means."""
    return self._is_listed(token, convert(country, uint256))


@external
@view
def investor_balance(token: address, wallet: address) -> uint256:
    """@notice What the wallet's investor holds of the token over all wallets."""
    total: uint256 = staticcall IHoldings(token).balanceOf(wallet)
    others: DynArray[address, 15] = staticcall IInvestorRecords(self._registry()).other_wallets(wallet)
    for other: address in others:
        total += staticcall IHoldings(token).balanceOf(other)
    return total


# Internal


@internal
@view
def _registry() -> address:
    return convert(self._wiring & investor_record.IDENTITY, address)


@internal
@view
def _check_registry():
    assert msg.sender == self._registry(), "compliance: caller is not the identity registry"


@internal
@view
def _check_bound():
    assert self._rules[msg.sender] & BOUND != 0, "error : this address is not a token bound to the compliance contract"


@internal
@view
def _check_may_rule(token: address):
    agents._check_owner_or_agent()
    assert self._rules[token] & BOUND != 0, "This token is not bound"


@internal
def _set_rules(token: address, maximum_balance: uint256, supply_cap: uint256, holder_cap: uint256):
    word: uint256 = self._rules[token]
    assert maximum_balance <= AMOUNT_MAX and holder_cap <= COUNT_MAX, "compliance: limit is too large"
    assert holder_cap == 0 or word & COUNTED != 0, "compliance: holders are not counted"
    kept: uint256 = word & (HOLDERS | BOUND | COUNTED | (3 << COUNTRY_MODE_AT))
    capped: uint256 = SUPPLY_CAPPED if supply_cap > 0 else 0
    self._rules[token] = kept | maximum_balance | (holder_cap << HOLDER_CAP_AT) | capped
    if self._supply_caps[token] != supply_cap:
        self._supply_caps[token] = supply_cap
    log RulesSet(token=token, maximum_balance=maximum_balance, supply_cap=supply_cap, holder_cap=holder_cap)


@internal
def _set_countries(token: address, mode: uint256, countries: DynArray[uint16, COUNTRIES_MAX]):
    assert mode <= BLOCK_LISTED, "compliance: country mode is unknown"
    assert mode != NO_COUNTRY_RULE or len(countries) == 0, "compliance: countries need a mode"
    words: uint256[4] = empty(uint256[4])
    for country: uint16 in countries:
        code: uint256 = convert(country, uint256)
        assert code > 0 and code <= COUNTRY_CODE_MAX, "compliance: country is not an ISO 3166-1 number"
        words[code >> 8] |= 1 << (code & 255)
    self._countries[token] = words
    self._rules[token] = (self._rules[token] & ~(3 << COUNTRY_MODE_AT)) | (mode << COUNTRY_MODE_AT)
    log CountriesSet(token=token, mode=mode, countries=countries)


@internal
@view
def _is_listed(token: address, country: uint256) -> bool:
    if country > COUNTRY_CODE_MAX:
        return False
    return (self._countries[token][country >> 8] >> (country & 255)) & 1 == 1


@internal
@view
def _question(token: address, sender: address, receiver: address, amount: uint256, asked: uint256) -> Question:
    """@dev Asks the token for the balances that a token of ours would have passed along."""
    sender_balance: uint256 = 0
    receiver_balance: uint256 = 0
    supply: uint256 = 0
    if self._rules[token] & BOUND != 0:
        if receiver != empty(address):
            receiver_balance = staticcall IHoldings(token).balanceOf(receiver)
        if sender != empty(address):
            sender_balance = staticcall IHoldings(token).balanceOf(sender)
        elif self._rules[token] & SUPPLY_CAPPED != 0:
            # Saturates: an amount beyond all numbers is beyond every cap.
            supply = staticcall IHoldings(token).totalSupply()
            supply += min(amount, max_value(uint256) - supply)
    return Question(
        token=token,
        sender=sender,
        receiver=receiver,
        amount=amount,
        sender_balance=sender_balance,
        receiver_balance=receiver_balance,
        supply=supply,
        asked=asked,
    )


@internal
def _book(question: Question) -> uint256:
    code: uint256 = 0
    fact: uint256 = 0
    rules: uint256 = 0
    code, fact, rules = self._judge(question)
    if code == YES and rules != self._rules[question.token]:
        self._rules[question.token] = rules
    return code


@internal
@view
def _judge(q: Question) -> (uint256, uint256, uint256):
    """
    @dev One judgement for the view and for the act, so that they cannot differ. Returns the reason's number, the fact behind a
    no, and the token's rules with the holders counted as after the move.
    """
    rules: uint256 = self._rules[q.token]
    if rules & BOUND == 0:
        return NOT_BOUND, 0, rules

    registry: address = empty(address)
    record: uint256 = 0
    settings: uint256 = 0
    registry, record, settings = self._lookup(q.receiver)
    if q.asked & ASK_IDENTITY != 0 and not investor_record._is_eligible(record, settings):
        return RECEIVER_NOT_VERIFIED, 0, rules
    if q.asked & ASK_RULES != 0:
        mode: uint256 = (rules >> COUNTRY_MODE_AT) & 3
        if mode != NO_COUNTRY_RULE:
            country: uint256 = investor_record._country(record)
            if self._is_listed(q.token, country):
                if mode == BLOCK_LISTED:
                    return COUNTRY_BLOCKED, country, rules
            elif mode == ALLOW_LISTED:
                return COUNTRY_NOT_ALLOWED, country, rules
        if rules & SUPPLY_CAPPED != 0 and q.sender == empty(address) and q.supply > self._supply_caps[q.token]:
            return SUPPLY_CAP, self._supply_caps[q.token], rules

    if q.amount == 0 or q.sender == q.receiver:
        return YES, 0, rules
    maximum: uint256 = rules & AMOUNT_MAX
    empties: bool = q.sender != empty(address) and q.sender_balance == q.amount
    # What else the receiver's investor holds is only asked where it can matter.
    elsewhere: uint256 = 0
    if record & investor_record.GROUPED != 0 and (maximum != 0 or q.receiver_balance == 0 or empties):
        is_own: bool = False
        is_own, elsewhere = self._held_elsewhere(q.token, registry, q.receiver, q.sender)
        if is_own:
            return YES, 0, rules  # Between an investor's own wallets nothing changes that is counted.
    if q.asked & ASK_RULES != 0 and maximum != 0:
        held: uint256 = q.receiver_balance + elsewhere
        if q.amount > maximum or held > maximum - q.amount:
            return MAXIMUM_BALANCE, maximum, rules
    if rules & COUNTED == 0:
        return YES, 0, rules

    holders: uint256 = (rules >> HOLDERS_AT) & COUNT_MAX
    joins: bool = q.receiver != empty(address) and q.receiver_balance + elsewhere == 0
    leaves: bool = empties and self._leaves(q.token, registry, q.sender)
    if joins and not leaves:
        cap: uint256 = (rules >> HOLDER_CAP_AT) & COUNT_MAX
        if q.asked & ASK_RULES != 0 and cap != 0 and holders >= cap:
            return HOLDER_CAP, cap, rules
        rules = self._one_more(rules)
    elif leaves and not joins:
        rules = self._one_fewer(rules)
    return YES, 0, rules


@internal
@view
def _lookup(receiver: address) -> (address, uint256, uint256):
    """@dev The registry, the receiver's record, and the registry's settings: as it told us, or asked for where it does not tell."""
    wiring: uint256 = self._wiring
    registry: address = convert(wiring & investor_record.IDENTITY, address)
    if receiver == empty(address):
        return registry, 0, wiring
    if wiring & investor_record.LINKED != 0:
        return registry, staticcall IInvestorRecords(registry).record(receiver), wiring
    record: uint256 = staticcall IInvestorRecords(registry).effective_record(receiver)
    return registry, record, staticcall IInvestorRecords(registry).settings()


@internal
@view
def _held_elsewhere(token: address, registry: address, wallet: address, counterparty: address) -> (bool, uint256):
    """@dev Whether the counterparty belongs to the wallet's investor; else what that investor holds in other wallets."""
    held: uint256 = 0
    others: DynArray[address, 15] = staticcall IInvestorRecords(registry).other_wallets(wallet)
    for other: address in others:
        if other == counterparty:
            return True, 0
        held += staticcall IHoldings(token).balanceOf(other)
    return False, held


@internal
@view
def _leaves(token: address, registry: address, sender: address) -> bool:
    """@dev Whether the sender's investor, whose wallet is emptied, holds nothing elsewhere."""
    if staticcall IInvestorRecords(registry).record(sender) & investor_record.GROUPED == 0:
        return True
    is_own: bool = False
    elsewhere: uint256 = 0
    is_own, elsewhere = self._held_elsewhere(token, registry, sender, empty(address))
    return elsewhere == 0


@internal
@view
def _any_holds(token: address, wallets: DynArray[address, 15]) -> bool:
    for wallet: address in wallets:
        if staticcall IHoldings(token).balanceOf(wallet) > 0:
            return True
    return False


@internal
@pure
def _one_more(rules: uint256) -> uint256:
    assert rules & HOLDERS != HOLDERS, "compliance: too many holders"
    return rules + (1 << HOLDERS_AT)


@internal
@pure
def _one_fewer(rules: uint256) -> uint256:
    # Zero holders can only lose one where the owner seeded too few; the neighbouring fields must not pay for it.
    return rules - (1 << HOLDERS_AT) if rules & HOLDERS != 0 else rules
