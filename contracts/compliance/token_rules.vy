# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice The rules of many tokens, a word each, and the one judgement by them: countries, a maximum per investor, caps on holders and
supply, further rules elsewhere. Knows no registry: who asks it brings what the receiver's record says and what the investor holds.
"""

from access import ownership
from access import agents
from access import refusals
from identity import investor_record
from interfaces import IHoldings
from interfaces import ITransferRules

uses: ownership
uses: agents

TOKENS_MAX: constant(uint256) = 64
COUNTRIES_MAX: constant(uint256) = 256
COUNTRY_CODE_MAX: constant(uint256) = 999  # ISO 3166-1 numeric has three digits.

# The rules of a token in one word:
# country mode 0..1 | bound 2 | supply capped 3 | counted 4 | further 5 | short 6 | live 7 | five countries of ten bits 8..57 |
# claims asked 64..78 | epoch 79..94 | holders 96..127 | holder cap 128..159 | maximum balance 160..255
# Claims, epoch and live are the registry's settings, where one contract is registry and compliance; zero elsewhere.
# short: the countries stand in this word, else in four words of bits by their number.
COUNTRY_MODE: constant(uint256) = 3
BOUND: constant(uint256) = 4
SUPPLY_CAPPED: constant(uint256) = 8
COUNTED: constant(uint256) = 16
FURTHER: constant(uint256) = 32
SHORT: constant(uint256) = 64
# A word with no more than `bound` of these is judged without another contract.
PLAIN: constant(uint256) = 4 + 32 + 128
# Rules beside the maximum and the cap on holders.
RULED: constant(uint256) = 3 + 8 + 32
COUNTRY_CODES_AT: constant(uint256) = 8
COUNTRY_CODES_MAX: constant(uint256) = 5
COUNTRY_CODE_BITS: constant(uint256) = 10
COUNTRY_CODE: constant(uint256) = 2**10 - 1
COUNTRY_CODES: constant(uint256) = (2**50 - 1) * 2**8
SETTINGS: constant(uint256) = (2**31 - 1) * 2**64 + 128
COUNT_MAX: constant(uint256) = 2**32 - 1
HOLDERS_AT: constant(uint256) = 96
HOLDER_CAP_AT: constant(uint256) = 128
AMOUNT_MAX: constant(uint256) = 2**96 - 1
MAXIMUM_AT: constant(uint256) = 160

NO_COUNTRY_RULE: constant(uint256) = 0
ALLOW_LISTED: constant(uint256) = 1
BLOCK_LISTED: constant(uint256) = 2

# The counts of tokens, in one word.
TOKENS: constant(uint256) = 255
FURTHER_TOKENS_AT: constant(uint256) = 8

# The answers, as contracts/reasons.json publishes them; 40 to 59 come from the contract of further rules.
YES: constant(uint256) = 0
RECEIVER_NOT_VERIFIED: constant(uint256) = 10
NOT_BOUND: constant(uint256) = 12
COUNTRY_NOT_ALLOWED: constant(uint256) = 13
COUNTRY_BLOCKED: constant(uint256) = 14
MAXIMUM_BALANCE: constant(uint256) = 15
SUPPLY_CAP: constant(uint256) = 16
HOLDER_CAP_REACHED: constant(uint256) = 17

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

event TransferRulesSet:
    token: indexed(address)
    transfer_rules: indexed(address)

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

_rules: HashMap[address, uint256]
_supply_caps: HashMap[address, uint256]
_countries: HashMap[address, uint256[4]]
_transfer_rules: HashMap[address, address]
_tokens: address[TOKENS_MAX]
# How many tokens are bound 0..7, and how many of these have further rules 8..15.
_counts: uint256


# Setting rules


@external
def set_rules(token: address, maximum_balance: uint256, supply_cap: uint256, holder_cap: uint256):
    """@notice Sets the limits of a bound token, each in base units or investors, zero for none. Owner or agent."""
    self._check_may_rule(token)
    self._set_limits(token, maximum_balance, supply_cap, holder_cap)


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
    self._set_limits(token, rules.maximum_balance, rules.supply_cap, rules.holder_cap)
    self._set_countries(token, rules.country_mode, rules.countries)


@external
def set_transfer_rules(token: address, transfer_rules: address):
    """@notice Asks a further contract about each move of the token (ITransferRules), or none (zero). Owner or agent."""
    self._check_may_rule(token)
    self._transfer_rules[token] = transfer_rules
    word: uint256 = self._rules[token]
    if (transfer_rules == empty(address)) == (word & FURTHER != 0):
        self._rules[token] = word ^ FURTHER
        self._count_further(word)
    log TransferRulesSet(token=token, transfer_rules=transfer_rules)


@external
def seed_holders(token: address, holders: uint256):
    """@notice Says how many investors hold a token that was bound with holders already; from then on the count is kept. Owner only."""
    ownership._check_owner()
    rules: uint256 = self._bound_rules(token)
    if rules & COUNTED != 0:
        refusals._refuse("compliance: holders are counted already")
    if holders > COUNT_MAX:
        refusals._refuse("compliance: limit is too large")
    # A token whose holders are not counted has none in its word.
    self._rules[token] = rules | (holders << HOLDERS_AT) | COUNTED
    log HoldersSeeded(token=token, holders=holders)


# Views


@external
@view
def isTokenBound(_token: address) -> bool:
    return self._rules[_token] & BOUND != 0


@external
@view
def getTokenBound() -> address:
    """@notice The first token bound; zero when there is none."""
    return self._tokens[0]


@external
@view
def tokens() -> DynArray[address, TOKENS_MAX]:
    """@notice Every token bound."""
    bound: DynArray[address, TOKENS_MAX] = []
    for i: uint256 in range(self._counts & TOKENS, bound=TOKENS_MAX):
        bound.append(self._tokens[i])
    return bound


@external
@view
def rules(token: address) -> Rules:
    """@notice The limits of a token and how many investors hold it now."""
    word: uint256 = self._rules[token]
    return Rules(
        maximum_balance=word >> MAXIMUM_AT,
        supply_cap=self._supply_caps[token],
        holder_cap=(word >> HOLDER_CAP_AT) & COUNT_MAX,
        holders=(word >> HOLDERS_AT) & COUNT_MAX,
        country_mode=word & COUNTRY_MODE,
        is_bound=word & BOUND != 0,
        is_counted=word & COUNTED != 0,
    )


@external
@view
def transfer_rules(token: address) -> address:
    """@notice The contract with further rules for a token; zero when there is none."""
    return self._transfer_rules[token]


@external
@view
def is_country_listed(token: address, country: uint16) -> bool:
    """@notice Whether the country is on the token's list, whatever the list means."""
    return self._is_listed(token, self._rules[token], convert(country, uint256))


# Internal: tokens


@internal
def _bind(token: address, settings: uint256):
    if self._rules[token] & BOUND != 0:
        refusals._refuse("compliance: token is already bound")
    counts: uint256 = self._counts
    if counts & TOKENS == TOKENS_MAX:
        refusals._refuse("compliance: too many tokens")
    # Holders are exact from the first token on; a token with holders already, or one that does not say, must have them counted.
    success: bool = False
    supply: Bytes[32] = b""
    success, supply = raw_call(
        token, method_id("totalSupply()"), max_outsize=32, is_static_call=True, revert_on_failure=False
    )
    counted: uint256 = COUNTED if success and len(supply) == 32 and convert(supply, uint256) == 0 else 0
    self._rules[token] = BOUND | counted | (settings & SETTINGS)
    self._tokens[counts & TOKENS] = token
    self._counts = unsafe_add(counts, 1)  # Just compared.
    log TokenBound(_token=token)


@internal
def _unbind(token: address):
    """@dev Forgets the token's rules. The owner, or the token itself."""
    agents._check_address(token)
    if msg.sender != ownership.owner and msg.sender != token:
        refusals._refuse("only owner or token can call")
    word: uint256 = self._bound_rules(token)
    if word & FURTHER != 0:
        self._count_further(word)
    self._rules[token] = 0
    self._supply_caps[token] = 0
    self._countries[token] = empty(uint256[4])
    self._transfer_rules[token] = empty(address)
    # A bound token is one of those counted.
    counts: uint256 = unsafe_sub(self._counts, 1)
    self._counts = counts
    last: address = self._tokens[counts & TOKENS]
    self._tokens[counts & TOKENS] = empty(address)
    for i: uint256 in range(counts & TOKENS, bound=TOKENS_MAX):
        if self._tokens[i] == token:
            self._tokens[i] = last
            break
    log TokenUnbound(_token=token)


@internal
@view
def _asked_token() -> address:
    """@dev The caller, or for anybody else the only token bound."""
    if self._rules[msg.sender] & BOUND == 0 and self._counts & TOKENS == 1:
        return self._tokens[0]
    return msg.sender


@internal
@view
def _rules_of_caller() -> uint256:
    word: uint256 = self._rules[msg.sender]
    assert word & BOUND != 0, "error : this address is not a token bound to the compliance contract"
    return word


@internal
@view
def _check_may_rule(token: address):
    agents._check_owner_or_agent()
    self._bound_rules(token)


@internal
@view
def _bound_rules(token: address) -> uint256:
    rules: uint256 = self._rules[token]
    if rules & BOUND == 0:
        refusals._refuse("This token is not bound")
    return rules


# Internal: setting rules


@internal
def _count_further(word: uint256):
    """@dev One token fewer with further rules, or one more, given what the token's rules were. There are at most as many as tokens."""
    one: uint256 = 1 << FURTHER_TOKENS_AT
    counts: uint256 = self._counts
    self._counts = unsafe_add(counts, one) if word & FURTHER == 0 else unsafe_sub(counts, one)


@internal
def _set_limits(token: address, maximum_balance: uint256, supply_cap: uint256, holder_cap: uint256):
    word: uint256 = self._rules[token]
    if maximum_balance > AMOUNT_MAX or holder_cap > COUNT_MAX:
        refusals._refuse("compliance: limit is too large")
    if holder_cap != 0 and word & COUNTED == 0:
        refusals._refuse("compliance: holders are not counted")
    word = ((word << HOLDER_CAP_AT) >> HOLDER_CAP_AT) | SUPPLY_CAPPED
    if supply_cap == 0:
        word ^= SUPPLY_CAPPED
    self._rules[token] = word | (holder_cap << HOLDER_CAP_AT) | (maximum_balance << MAXIMUM_AT)
    if self._supply_caps[token] != supply_cap:
        self._supply_caps[token] = supply_cap
    log RulesSet(token=token, maximum_balance=maximum_balance, supply_cap=supply_cap, holder_cap=holder_cap)


@internal
def _set_countries(token: address, mode: uint256, countries: DynArray[uint16, COUNTRIES_MAX]):
    if mode > BLOCK_LISTED:
        refusals._refuse("compliance: country mode is unknown")
    if mode == NO_COUNTRY_RULE and len(countries) != 0:
        refusals._refuse("compliance: countries need a mode")
    codes: uint256 = 0
    place: uint256 = 0
    words: uint256[4] = empty(uint256[4])
    for country: uint16 in countries:
        code: uint256 = convert(country, uint256)
        if code == 0 or code > COUNTRY_CODE_MAX:
            refusals._refuse("compliance: country is not an ISO 3166-1 number")
        words[code >> 8] |= 1 << (code & 255)
        codes |= code << place  # From the sixth on in vain: a long list does not stand in the word.
        place += COUNTRY_CODE_BITS
    rules: uint256 = self._rules[token]
    was_long: bool = rules & COUNTRY_MODE != 0 and rules & SHORT == 0
    kept: uint256 = investor_record._without(rules, COUNTRY_CODES | COUNTRY_MODE | SHORT) | mode
    if 0 < len(countries) and len(countries) <= COUNTRY_CODES_MAX:
        # A place without a country repeats the first: a zero there would list whoever has no country.
        for empty_place: uint256 in range(len(countries), COUNTRY_CODES_MAX, bound=COUNTRY_CODES_MAX):
            codes |= (codes & COUNTRY_CODE) << (empty_place * COUNTRY_CODE_BITS)
        kept |= SHORT | (codes << COUNTRY_CODES_AT)
        words = empty(uint256[4])
    if was_long or kept & SHORT == 0:
        self._countries[token] = words
    self._rules[token] = kept
    log CountriesSet(token=token, mode=mode, countries=countries)


@internal
def _spread(settings: uint256):
    """@dev Writes the registry's settings into the rules of every token, so that a transfer reads them with these."""
    for i: uint256 in range(self._counts & TOKENS, bound=TOKENS_MAX):
        token: address = self._tokens[i]
        self._rules[token] = investor_record._without(self._rules[token], SETTINGS) | (settings & SETTINGS)


# Internal: the judgement


@internal
@view
def _is_listed(token: address, word: uint256, country: uint256) -> bool:
    if word & SHORT != 0:
        codes: uint256 = word >> COUNTRY_CODES_AT
        return (
            codes & COUNTRY_CODE == country
            or (codes >> 10) & COUNTRY_CODE == country
            or (codes >> 20) & COUNTRY_CODE == country
            or (codes >> 30) & COUNTRY_CODE == country
            or (codes >> 40) & COUNTRY_CODE == country
        )
    if country > COUNTRY_CODE_MAX:
        return False
    return (self._countries[token][country >> 8] >> (country & 255)) & 1 == 1


@internal
@view
def _judge(token: address, word: uint256, record: uint256, amount: uint256, held: uint256, supply: uint256) -> (uint256, uint256):
    """
    @dev Whether the rules of a bound token let its receiver have that much, asked before the move.
    @param record The receiver's; only the country counts here.
    @param amount Zero for a move that does not change what investors hold, as between an investor's own wallets.
    @param held What the receiver's investor holds over all wallets, before.
    @param supply After a mint; zero where none is made.
    @return The reason's number and the fact behind a no.
    """
    if word & COUNTRY_MODE != 0:
        country: uint256 = (record >> investor_record.COUNTRY_AT) & investor_record.COUNTRY_MAX
        # The first country of a short list is most investors' own.
        is_first: bool = word & SHORT != 0 and (word >> COUNTRY_CODES_AT) & COUNTRY_CODE == country
        if is_first or self._is_listed(token, word, country):
            if word & COUNTRY_MODE == BLOCK_LISTED:
                return COUNTRY_BLOCKED, country
        elif word & COUNTRY_MODE == ALLOW_LISTED:
            return COUNTRY_NOT_ALLOWED, country
    if supply != 0 and word & SUPPLY_CAPPED != 0 and supply > self._supply_caps[token]:
        return SUPPLY_CAP, self._supply_caps[token]
    maximum: uint256 = word >> MAXIMUM_AT
    if maximum != 0 and amount != 0:
        # Just compared: the maximum is not below the amount.
        if amount > maximum or held > unsafe_sub(maximum, amount):
            return MAXIMUM_BALANCE, maximum
    return YES, 0


@internal
@pure
def _judge_place(word: uint256) -> (uint256, uint256):
    """@dev Whether there is room for one holder more."""
    cap: uint256 = (word >> HOLDER_CAP_AT) & COUNT_MAX
    if cap != 0 and (word >> HOLDERS_AT) & COUNT_MAX >= cap:
        return HOLDER_CAP_REACHED, cap
    return YES, 0


@internal
@view
def _judge_further(
    token: address,
    sender: address,
    receiver: address,
    amount: uint256,
    sender_balance: uint256,
    receiver_balance: uint256,
    joins: bool,
    leaves: bool,
) -> (uint256, uint256):
    return staticcall ITransferRules(self._transfer_rules[token]).judge(
        token, sender, receiver, amount, sender_balance, receiver_balance, joins, leaves
    )


@internal
def _book_further(
    token: address,
    sender: address,
    receiver: address,
    amount: uint256,
    sender_balance: uint256,
    receiver_balance: uint256,
    joins: bool,
    leaves: bool,
):
    extcall ITransferRules(self._transfer_rules[token]).book(
        token, sender, receiver, amount, sender_balance, receiver_balance, joins, leaves
    )


@internal
def _count(token: address, word: uint256, is_more: bool):
    """@dev One holder more, or one fewer; `word` is what the token's rules are now."""
    if word & COUNTED == 0:
        return
    if is_more:
        if (word >> HOLDERS_AT) & COUNT_MAX == COUNT_MAX:
            refusals._refuse("compliance: too many holders")
        self._rules[token] = unsafe_add(word, 1 << HOLDERS_AT)  # Just compared.
    elif (word >> HOLDERS_AT) & COUNT_MAX != 0:
        # Zero holders can only lose one where the owner seeded too few; the neighbouring fields must not pay for it.
        self._rules[token] = unsafe_sub(word, 1 << HOLDERS_AT)
