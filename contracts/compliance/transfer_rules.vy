# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Further rules on who may hold a token and when it may move, asked by compliance where a token has any: caps on holders per
country and per category, transfer windows and hours, venues, approval of single transfers, whole positions, a minimum holding, a
holding period, a volume limit. Each rule of each token is on or off; one that is off is not looked at.
@dev Everything is counted per investor, as the token's identity registry groups wallets. A wallet that it does not know stands for
itself, and is in no country and no category. A move between an investor's own wallets, to oneself, or of nothing is bound by no rule.
A mint is bound by the caps and the receiver's minimum only, a burn by nothing; a forced transfer is booked, never refused. What a rule
needs to remember is remembered while it is on: what happened before is not counted against anybody. The same judgement answers
beforehand and in the act: it looks at no balance of the two wallets but those it is given.
"""

from access import ownership
from access import agents
from compliance import acquired_lots
from compliance import holder_places
from compliance import transfer_times
from identity import investor_lookup
from interfaces import IHoldings
from interfaces import ITransferRules

implements: ITransferRules

initializes: ownership
initializes: agents[ownership := ownership]
initializes: acquired_lots
initializes: holder_places
initializes: transfer_times

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)

BATCH_MAX: constant(uint256) = 100

# The answers, as contracts/reasons.json publishes them.
YES: constant(uint256) = 0
COUNTRY_HOLDER_CAP: constant(uint256) = 40
CATEGORY_HOLDER_CAP: constant(uint256) = 41
WINDOW_CLOSED: constant(uint256) = 42
HOURS_CLOSED: constant(uint256) = 43
VENUE_NOT_LISTED: constant(uint256) = 44
NOT_APPROVED: constant(uint256) = 45
WHOLE_POSITION_ONLY: constant(uint256) = 46
SENDER_BELOW_MINIMUM: constant(uint256) = 47
HOLDING_PERIOD: constant(uint256) = 48
VOLUME_LIMIT: constant(uint256) = 49
RECEIVER_HOLDS_ALREADY: constant(uint256) = 50
RECEIVER_BELOW_MINIMUM: constant(uint256) = 51

# A token's setup in one word: compliance 0..159 | which rules are on 160..170 | holding period in seconds 176..207 | the epochs of
# holder_places 208..223 | volume period in seconds 224..255.
ADDRESS: constant(uint256) = 2**160 - 1
WINDOWS: constant(uint256) = 2**162  # The two before are holder_places'.
HOURS: constant(uint256) = 2**163
VENUES: constant(uint256) = 2**164
APPROVAL: constant(uint256) = 2**165
WHOLE_FROM: constant(uint256) = 2**166
WHOLE_TO: constant(uint256) = 2**167
MINIMUM: constant(uint256) = 2**168
HOLDING: constant(uint256) = 2**169
VOLUME: constant(uint256) = 2**170
COUNTED: constant(uint256) = holder_places.BY_COUNTRY | holder_places.BY_CATEGORY
ANY_RULE: constant(uint256) = (2**11 - 1) * 2**160
OF_THE_MOVE: constant(uint256) = WINDOWS | HOURS | VENUES | APPROVAL
OF_THE_SENDER: constant(uint256) = WHOLE_FROM | MINIMUM | HOLDING | VOLUME
OF_THE_RECEIVER: constant(uint256) = COUNTED | WHOLE_TO | MINIMUM
WITH_LIMITS: constant(uint256) = HOURS | MINIMUM | VOLUME
HOLDING_AT: constant(uint256) = 176
PERIOD_AT: constant(uint256) = 224
SECONDS_MAX: constant(uint256) = 2**32 - 1

# A token's limits in one word: minimum 0..103 | volume limit 104..207 | hours 208..248 as transfer_times lays them out.
AMOUNT_MAX: constant(uint256) = 2**104 - 1
VOLUME_AT: constant(uint256) = 104
HOURS_AT: constant(uint256) = 208
HOURS_MAX: constant(uint256) = 2**41 - 1

# An investor of a token in one word: number of lots 0..31 | number of a volume period 32..71 | sent in that period 72..175 | where the
# investor is counted 176..231 as holder_places lays it out.
PERIOD_NUMBER_AT: constant(uint256) = 32
INSTANT_MAX: constant(uint256) = 2**40 - 1
SENT_AT: constant(uint256) = 72

event ComplianceSet:
    token: indexed(address)
    compliance: indexed(address)

event CountingByCountrySet:
    token: indexed(address)
    is_on: bool

event CountryCapSet:
    token: indexed(address)
    country: indexed(uint16)
    is_capped: bool
    holders_max: uint256

event CountingByCategorySet:
    token: indexed(address)
    is_on: bool

event CategoryCapSet:
    token: indexed(address)
    category: indexed(uint8)
    is_capped: bool
    holders_max: uint256

event CategorySet:
    token: indexed(address)
    investor: indexed(address)
    category: uint8

event InvestorCounted:
    token: indexed(address)
    investor: indexed(address)

event InvestorForgotten:
    token: indexed(address)
    investor: indexed(address)

event TransferWindowsSet:
    token: indexed(address)
    is_on: bool
    opens_at: DynArray[uint256, transfer_times.WINDOWS_MAX]
    closes_at: DynArray[uint256, transfer_times.WINDOWS_MAX]

event TransferHoursSet:
    token: indexed(address)
    opens_at: uint256
    closes_at: uint256
    weekdays: uint256

event VenuesOnlySet:
    token: indexed(address)
    is_on: bool

event VenueListed:
    token: indexed(address)
    venue: indexed(address)
    is_listed: bool

event ApprovalNeededSet:
    token: indexed(address)
    is_on: bool

event TransferApproved:
    token: indexed(address)
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256
    until: uint256

event WholePositionSet:
    token: indexed(address)
    sends_whole: bool
    receives_whole: bool

event MinimumHoldingSet:
    token: indexed(address)
    minimum: uint256

event HoldingPeriodSet:
    token: indexed(address)
    period_seconds: uint256

event VolumeLimitSet:
    token: indexed(address)
    amount_max: uint256
    period_seconds: uint256

struct Move:
    token: address
    sender: address  # Zero for a mint.
    receiver: address  # Zero for a burn.
    amount: uint256
    sender_balance: uint256  # Both before the move.
    receiver_balance: uint256
    joins: bool
    leaves: bool

struct Rules:
    compliance: address
    counts_by_country: bool
    counts_by_category: bool
    windows_only: bool
    opens_at: DynArray[uint256, transfer_times.WINDOWS_MAX]
    closes_at: DynArray[uint256, transfer_times.WINDOWS_MAX]
    hours_open_at: uint256  # Seconds of the day in UTC.
    hours_close_at: uint256
    weekdays: uint256  # Bit 0 is Monday; zero when the rule is off.
    venues_only: bool
    approval_needed: bool
    sends_whole: bool
    receives_whole: bool
    minimum_holding: uint256  # Zero when the rule is off, as the three that follow.
    holding_period_seconds: uint256
    volume_max: uint256
    volume_period_seconds: uint256

struct Investor:
    investor: address
    category: uint8
    is_counted_by_country: bool
    country: uint16  # Where it is counted.
    is_counted_by_category: bool
    sent: uint256  # In the present volume period.
    held_back: uint256  # Acquired within the holding period.
    free_at: uint256  # When the last of it has been held long enough; zero when nothing is held back.

_setups: HashMap[address, uint256]
_limits: HashMap[address, uint256]
_venues: HashMap[address, HashMap[address, bool]]
_approved_until: HashMap[bytes32, uint256]
# How many such transfers a venue has announced in this transaction.
_announced: transient(HashMap[bytes32, uint256])
_investors: HashMap[address, HashMap[address, uint256]]


# Wiring


@external
def initialize():
    """@notice Makes the caller the owner, once."""
    ownership._begin()


@external
def set_compliance(token: address, compliance: address):
    """@notice Says which compliance contract tells what has moved; zero for none. Owner or agent."""
    agents._check_owner_or_agent()
    assert token != empty(address), "invalid argument - zero address"
    self._setups[token] = (self._setups[token] & ~ADDRESS) | convert(compliance, uint256)
    log ComplianceSet(token=token, compliance=compliance)


# Caps on holders


@external
def count_by_country(token: address, is_on: bool):
    """
    @notice Begins to count investors per country from zero, without caps, or stops it. Owner or agent.
    @dev Who holds already is counted by `count_holders`.
    """
    self._count_by(holder_places.COUNTRY, token, is_on)
    log CountingByCountrySet(token=token, is_on=is_on)


@external
def count_by_category(token: address, is_on: bool):
    """@notice As `count_by_country`, for the categories that agents put investors in."""
    self._count_by(holder_places.CATEGORY, token, is_on)
    log CountingByCategorySet(token=token, is_on=is_on)


@external
def set_country_cap(token: address, country: uint16, is_capped: bool, holders_max: uint256):
    """@notice Lets at most that many investors of a country (ISO 3166-1 numeric) hold, zero for none at all. Owner or agent."""
    setup: uint256 = self._check_may_rule(token)
    holder_places._set_cap(holder_places.COUNTRY, token, setup, convert(country, uint256), is_capped, holders_max)
    log CountryCapSet(token=token, country=country, is_capped=is_capped, holders_max=holders_max)


@external
def set_category_cap(token: address, category: uint8, is_capped: bool, holders_max: uint256):
    """@notice Lets at most that many investors of a category hold; category 0 is everybody who is in no other. Owner or agent."""
    setup: uint256 = self._check_may_rule(token)
    holder_places._set_cap(holder_places.CATEGORY, token, setup, convert(category, uint256), is_capped, holders_max)
    log CategoryCapSet(token=token, category=category, is_capped=is_capped, holders_max=holders_max)


@external
def set_categories(token: address, wallets: DynArray[address, BATCH_MAX], categories: DynArray[uint8, BATCH_MAX]):
    """@notice Puts the investors behind registered wallets in categories; a holder is counted in the new one at once. Owner or agent."""
    setup: uint256 = self._check_may_rule(token)
    assert len(wallets) == len(categories), "rules: lists differ in length"
    registry: address = investor_lookup._registry(token)
    for i: uint256 in range(len(wallets), bound=BATCH_MAX):
        investor: address = investor_lookup._identity(registry, wallets[i])
        assert investor != empty(address), "rules: wallet is not registered"
        category: uint256 = convert(categories[i], uint256)
        record: uint256 = holder_places._in_category(self._investors[token][investor], category)
        self._investors[token][investor] = holder_places._moved(holder_places.CATEGORY, token, setup, record, category)
        log CategorySet(token=token, investor=investor, category=categories[i])


@external
def count_holders(token: address, wallets: DynArray[address, BATCH_MAX]):
    """@notice Counts the investors of wallets that hold something and are not counted yet, whatever the caps. Owner or agent."""
    setup: uint256 = self._check_may_rule(token)
    registry: address = investor_lookup._registry(token)
    for wallet: address in wallets:
        investor: address = investor_lookup._identity(registry, wallet)
        if investor == empty(address) or staticcall IHoldings(token).balanceOf(wallet) == 0:
            continue
        record: uint256 = self._investors[token][investor]
        changed: uint256 = holder_places._counted(token, setup, record, investor_lookup._country(registry, wallet))
        if changed != record:
            self._investors[token][investor] = changed
            log InvestorCounted(token=token, investor=investor)


@external
def forget_investor(token: address, investor: address):
    """
    @notice No longer counts an investor as a holder, for one that the registry took all wallets from unsaid. Owner or agent.
    @dev `count_holders` puts it right again where it was wrong.
    """
    setup: uint256 = self._check_may_rule(token)
    self._investors[token][investor] = holder_places._uncounted(token, setup, self._investors[token][investor])
    log InvestorForgotten(token=token, investor=investor)


# When and how tokens move


@external
def set_transfer_windows(
    token: address,
    is_on: bool,
    opens_at: DynArray[uint256, transfer_times.WINDOWS_MAX],
    closes_at: DynArray[uint256, transfer_times.WINDOWS_MAX],
):
    """@notice Lets holders transfer only from an opening (included) to its closing, in Unix seconds, in order. Owner or agent."""
    setup: uint256 = self._check_may_rule(token)
    transfer_times._set_windows(token, opens_at, closes_at)
    self._switch(token, setup, WINDOWS, is_on)
    log TransferWindowsSet(token=token, is_on=is_on, opens_at=opens_at, closes_at=closes_at)


@external
def set_transfer_hours(token: address, opens_at: uint256, closes_at: uint256, weekdays: uint256):
    """
    @notice Lets holders transfer only on some days of the week and between two seconds of the day, both in UTC. Owner or agent.
    @param weekdays Bit 0 for Monday to bit 6 for Sunday; zero lifts the rule.
    """
    setup: uint256 = self._check_may_rule(token)
    hours: uint256 = 0
    if weekdays != 0:
        hours = transfer_times._hours(opens_at, closes_at, weekdays)
    self._limits[token] = self._put(self._limits[token], HOURS_AT, HOURS_MAX, hours)
    self._switch(token, setup, HOURS, weekdays != 0)
    log TransferHoursSet(token=token, opens_at=opens_at, closes_at=closes_at, weekdays=weekdays)


@external
def set_venues_only(token: address, is_on: bool):
    """
    @notice Lets holders transfer only through listed venues. Owner or agent.
    @dev Who calls the token is not visible here. A listed venue is sender or receiver itself, or it has announced the very transfer
    earlier in the same transaction.
    """
    setup: uint256 = self._check_may_rule(token)
    self._switch(token, setup, VENUES, is_on)
    log VenuesOnlySet(token=token, is_on=is_on)


@external
def list_venues(token: address, venues: DynArray[address, BATCH_MAX], is_listed: bool):
    """@notice Puts venues on a token's list, or takes them off. Owner or agent."""
    setup: uint256 = self._check_may_rule(token)
    for venue: address in venues:
        self._venues[token][venue] = is_listed
        log VenueListed(token=token, venue=venue, is_listed=is_listed)


@external
def announce_transfer(token: address, sender: address, receiver: address, amount: uint256):
    """@notice Vouches for one transfer that follows in this transaction. Listed venues only."""
    assert self._venues[token][msg.sender], "rules: caller is not a listed venue"
    self._announced[self._transfer_key(token, sender, receiver, amount)] += 1


@external
def set_approval_needed(token: address, is_on: bool):
    """@notice Lets holders transfer only what an agent has approved. Owner or agent."""
    setup: uint256 = self._check_may_rule(token)
    self._switch(token, setup, APPROVAL, is_on)
    log ApprovalNeededSet(token=token, is_on=is_on)


@external
def approve_transfer(token: address, sender: address, receiver: address, amount: uint256, until: uint256):
    """
    @notice Approves one transfer of exactly this amount before the instant `until`, which zero withdraws. Owner or agent.
    @dev A second approval of the same replaces the first. One that is not needed when such a transfer comes is kept.
    """
    setup: uint256 = self._check_may_rule(token)
    self._approved_until[self._transfer_key(token, sender, receiver, amount)] = until
    log TransferApproved(token=token, sender=sender, receiver=receiver, amount=amount, until=until)


# How much is held, and how long


@external
def set_whole_position(token: address, sends_whole: bool, receives_whole: bool):
    """
    @notice Lets investors send only all that they hold, and receive only when they hold nothing, each if so. Owner or agent.
    @dev Where only the second binds, a few units sent to somebody keep a position from them: set a minimum holding too.
    """
    setup: uint256 = self._check_may_rule(token)
    changed: uint256 = setup & ~(WHOLE_FROM | WHOLE_TO)
    if sends_whole:
        changed |= WHOLE_FROM
    if receives_whole:
        changed |= WHOLE_TO
    self._setups[token] = changed
    log WholePositionSet(token=token, sends_whole=sends_whole, receives_whole=receives_whole)


@external
def set_minimum_holding(token: address, minimum: uint256):
    """@notice Lets an investor hold nothing or at least `minimum` base units; zero lifts the rule. Owner or agent."""
    setup: uint256 = self._check_may_rule(token)
    assert minimum <= AMOUNT_MAX, "rules: limit is too large"
    self._limits[token] = (self._limits[token] & ~AMOUNT_MAX) | minimum
    self._switch(token, setup, MINIMUM, minimum != 0)
    log MinimumHoldingSet(token=token, minimum=minimum)


@external
def set_holding_period(token: address, period_seconds: uint256):
    """
    @notice Holds back what an investor acquired less than that many seconds ago, by mint or transfer; zero lifts the rule. Owner or
    agent.
    @dev Lot by lot, first in, first out: what somebody sends an investor holds back itself, never what was there before. A longer
    period does not bring back lots that had been held long enough.
    """
    setup: uint256 = self._check_may_rule(token)
    assert period_seconds <= SECONDS_MAX, "rules: limit is too large"
    changed: uint256 = self._put(setup, HOLDING_AT, SECONDS_MAX, period_seconds)
    self._switch(token, changed, HOLDING, period_seconds != 0)
    log HoldingPeriodSet(token=token, period_seconds=period_seconds)


@external
def set_volume_limit(token: address, amount_max: uint256, period_seconds: uint256):
    """
    @notice Lets an investor send at most `amount_max` base units within each period; a period of zero lifts the rule. Owner or agent.
    @dev The periods are fixed: they follow each other from the Unix epoch on. Mints and burns are not sent; a forced transfer is.
    """
    setup: uint256 = self._check_may_rule(token)
    assert amount_max <= AMOUNT_MAX and period_seconds <= SECONDS_MAX, "rules: limit is too large"
    self._limits[token] = self._put(self._limits[token], VOLUME_AT, AMOUNT_MAX, amount_max)
    changed: uint256 = self._put(setup, PERIOD_AT, SECONDS_MAX, period_seconds)
    self._switch(token, changed, VOLUME, period_seconds != 0)
    log VolumeLimitSet(token=token, amount_max=amount_max, period_seconds=period_seconds)


# What compliance asks and tells


@external
@view
def judge(
    token: address,
    sender: address,
    receiver: address,
    amount: uint256,
    sender_balance: uint256,
    receiver_balance: uint256,
    joins: bool,
    leaves: bool,
) -> (uint256, uint256):
    """
    @notice Whether the token's rules allow a move, given both wallets' balances before it.
    @return The reason's number, 0 for a yes; the fact behind a no: the cap, the minimum, what is held, what may still be sent, or the
    instant from which it is allowed (0 when there is none).
    """
    setup: uint256 = self._setups[token]
    if setup & ANY_RULE == 0 or amount == 0 or sender == receiver or receiver == empty(address):
        return YES, 0
    move: Move = Move(
        token=token,
        sender=sender,
        receiver=receiver,
        amount=amount,
        sender_balance=sender_balance,
        receiver_balance=receiver_balance,
        joins=joins,
        leaves=leaves,
    )
    code: uint256 = 0
    fact: uint256 = 0
    code, fact = self._judge(setup, move)
    if code != YES and self._is_own_move(move):
        return YES, 0
    return code, fact


@external
def book(
    token: address,
    sender: address,
    receiver: address,
    amount: uint256,
    sender_balance: uint256,
    receiver_balance: uint256,
    joins: bool,
    leaves: bool,
):
    """@notice Remembers a move that is made, whether or not a rule stood against it. The token's compliance only."""
    setup: uint256 = self._setups[token]
    self._check_compliance(setup)
    if setup & ANY_RULE == 0 or amount == 0 or sender == receiver:
        return
    if setup & (VENUES | APPROVAL) != 0:
        self._use_up(setup, self._transfer_key(token, sender, receiver, amount))
    if setup & (HOLDING | VOLUME) == 0 and (setup & COUNTED == 0 or not (joins or leaves)):
        return

    registry: address = investor_lookup._registry(token)
    from_identity: address = investor_lookup._identity(registry, sender)
    to_identity: address = investor_lookup._identity(registry, receiver)
    if from_identity != empty(address) and from_identity == to_identity:
        return
    if leaves or (setup & VOLUME != 0 and sender != empty(address)):
        self._book_sender(setup, token, sender, from_identity, amount, receiver != empty(address), leaves)
    if joins or (setup & HOLDING != 0 and receiver != empty(address)):
        self._book_receiver(setup, token, registry, receiver, to_identity, amount, joins)


@external
def holder_country_changed(token: address, wallet: address, from_country: uint16, to_country: uint16):
    """
    @notice Counts a holder in another country. The token's compliance only.
    @dev A `to_country` of zero: the wallet leaves its investor, told while the registry still names that investor. A `from_country` of
    zero: it joins one, told when the registry names it already. Both may be told twice, and of wallets that hold nothing.
    """
    setup: uint256 = self._setups[token]
    self._check_compliance(setup)
    if setup & COUNTED == 0:
        return
    registry: address = investor_lookup._registry(token)
    identity: address = investor_lookup._identity(registry, wallet)
    investor: address = self._investor(wallet, identity)
    record: uint256 = self._investors[token][investor]
    changed: uint256 = record
    if to_country == 0:
        if investor_lookup._held_elsewhere(token, registry, wallet) == 0:
            changed = holder_places._uncounted(token, setup, record)
    elif (
        holder_places._is_counted(holder_places.COUNTRY, setup, record)
        and holder_places._group(holder_places.COUNTRY, record) == convert(from_country, uint256)
    ):
        changed = holder_places._moved(holder_places.COUNTRY, token, setup, record, convert(to_country, uint256))
    elif from_country == 0 and identity != empty(address):
        held: uint256 = staticcall IHoldings(token).balanceOf(wallet) + investor_lookup._held_elsewhere(token, registry, wallet)
        if held > 0:
            changed = holder_places._counted(token, setup, record, convert(to_country, uint256))
    if changed != record:
        self._investors[token][investor] = changed


# Views


@external
@view
def rules(token: address) -> Rules:
    """@notice Every rule of a token but its caps."""
    setup: uint256 = self._setups[token]
    limits: uint256 = self._limits[token]
    opens_at: DynArray[uint256, transfer_times.WINDOWS_MAX] = []
    closes_at: DynArray[uint256, transfer_times.WINDOWS_MAX] = []
    for window: uint256 in transfer_times._windows[token]:
        opens_at.append(window & transfer_times.INSTANT_MAX)
        closes_at.append(window >> transfer_times.WINDOW_CLOSES_AT)
    hours: uint256 = limits >> HOURS_AT
    return Rules(
        compliance=convert(setup & ADDRESS, address),
        counts_by_country=holder_places._is_kept(holder_places.COUNTRY, setup),
        counts_by_category=holder_places._is_kept(holder_places.CATEGORY, setup),
        windows_only=setup & WINDOWS != 0,
        opens_at=opens_at,
        closes_at=closes_at,
        hours_open_at=hours & transfer_times.OF_DAY_MAX,
        hours_close_at=(hours >> transfer_times.CLOSES_AT) & transfer_times.OF_DAY_MAX,
        weekdays=hours >> transfer_times.WEEKDAYS_AT,
        venues_only=setup & VENUES != 0,
        approval_needed=setup & APPROVAL != 0,
        sends_whole=setup & WHOLE_FROM != 0,
        receives_whole=setup & WHOLE_TO != 0,
        minimum_holding=limits & AMOUNT_MAX,
        holding_period_seconds=(setup >> HOLDING_AT) & SECONDS_MAX,
        volume_max=(limits >> VOLUME_AT) & AMOUNT_MAX,
        volume_period_seconds=setup >> PERIOD_AT,
    )


@external
@view
def places_of_country(token: address, country: uint16) -> holder_places.Places:
    """@notice How many investors of a country hold the token, and how many may."""
    return holder_places._places_of(holder_places.COUNTRY, token, self._setups[token], convert(country, uint256))


@external
@view
def places_of_category(token: address, category: uint8) -> holder_places.Places:
    """@notice How many investors of a category hold the token, and how many may."""
    return holder_places._places_of(holder_places.CATEGORY, token, self._setups[token], convert(category, uint256))


@external
@view
def investor(token: address, wallet: address) -> Investor:
    """@notice What is remembered of the wallet's investor."""
    setup: uint256 = self._setups[token]
    investor: address = self._investor(wallet, investor_lookup._identity(investor_lookup._registry(token), wallet))
    record: uint256 = self._investors[token][investor]
    held_back: uint256 = 0
    free_at: uint256 = 0
    held_back, free_at = self._held_back(setup, token, investor, record)
    return Investor(
        investor=investor,
        category=convert(holder_places._category(record), uint8),
        is_counted_by_country=holder_places._is_counted(holder_places.COUNTRY, setup, record),
        country=convert(holder_places._group(holder_places.COUNTRY, record), uint16),
        is_counted_by_category=holder_places._is_counted(holder_places.CATEGORY, setup, record),
        sent=self._sent(setup, record),
        held_back=held_back,
        free_at=free_at,
    )


@external
@view
def is_venue(token: address, venue: address) -> bool:
    return self._venues[token][venue]


@external
@view
def approved_until(token: address, sender: address, receiver: address, amount: uint256) -> uint256:
    """@notice Until when an agent has approved this very transfer; zero when nobody has, or when it was used."""
    return self._approved_until[self._transfer_key(token, sender, receiver, amount)]


# Internal: the judgement


@internal
@view
def _judge(setup: uint256, move: Move) -> (uint256, uint256):
    """@dev Without regard to whose wallets they are: what is refused here is allowed between an investor's own."""
    code: uint256 = 0
    fact: uint256 = 0
    is_mint: bool = move.sender == empty(address)
    limits: uint256 = 0
    if setup & WITH_LIMITS != 0:
        limits = self._limits[move.token]
    if setup & OF_THE_MOVE != 0 and not is_mint:
        code, fact = self._judge_move(setup, limits, move)
        if code != YES:
            return code, fact
    if setup & OF_THE_SENDER != 0 and not is_mint:
        code, fact = self._judge_sender(setup, limits, move)
        if code != YES:
            return code, fact
    if setup & OF_THE_RECEIVER != 0:
        return self._judge_receiver(setup, limits, move)
    return YES, 0


@internal
@view
def _judge_move(setup: uint256, limits: uint256, move: Move) -> (uint256, uint256):
    opens_at: uint256 = 0
    if setup & WINDOWS != 0:
        opens_at = transfer_times._window_opens_at(move.token)
        if opens_at > block.timestamp:
            return WINDOW_CLOSED, 0 if opens_at == transfer_times.NEVER else opens_at
    if setup & HOURS != 0:
        opens_at = transfer_times._hours_open_at(limits >> HOURS_AT)
        if opens_at > block.timestamp:
            return HOURS_CLOSED, opens_at
    if setup & (VENUES | APPROVAL) == 0:
        return YES, 0
    key: bytes32 = self._transfer_key(move.token, move.sender, move.receiver, move.amount)
    if setup & VENUES != 0 and self._announced[key] == 0:
        if not self._venues[move.token][move.sender] and not self._venues[move.token][move.receiver]:
            return VENUE_NOT_LISTED, 0
    if setup & APPROVAL != 0 and self._approved_until[key] <= block.timestamp:
        return NOT_APPROVED, 0
    return YES, 0


@internal
@view
def _judge_sender(setup: uint256, limits: uint256, move: Move) -> (uint256, uint256):
    minimum: uint256 = limits & AMOUNT_MAX if setup & MINIMUM != 0 else 0
    # More than is held is for the token to refuse.
    rest: uint256 = move.sender_balance - min(move.amount, move.sender_balance)
    if setup & (WHOLE_FROM | HOLDING | VOLUME) == 0 and rest >= minimum:
        return YES, 0
    registry: address = investor_lookup._registry(move.token)
    record: uint256 = 0
    held_back: uint256 = 0
    free_at: uint256 = 0
    if setup & (HOLDING | VOLUME) != 0:
        investor: address = self._investor(move.sender, investor_lookup._identity(registry, move.sender))
        record = self._investors[move.token][investor]
        held_back, free_at = self._held_back(setup, move.token, investor, record)
    # What the investor holds in other wallets is only asked where it can matter.
    if setup & WHOLE_FROM != 0 or rest < max(minimum, held_back):
        position: uint256 = move.sender_balance + investor_lookup._held_elsewhere(move.token, registry, move.sender)
        rest = position - min(move.amount, position)
        if setup & WHOLE_FROM != 0 and rest > 0:
            return WHOLE_POSITION_ONLY, position
        if rest > 0 and rest < minimum:
            return SENDER_BELOW_MINIMUM, minimum
        if rest < held_back:
            return HOLDING_PERIOD, free_at
    if setup & VOLUME != 0:
        limit: uint256 = (limits >> VOLUME_AT) & AMOUNT_MAX
        room: uint256 = limit - min(self._sent(setup, record), limit)
        if move.amount > room:
            return VOLUME_LIMIT, room
    return YES, 0


@internal
@view
def _judge_receiver(setup: uint256, limits: uint256, move: Move) -> (uint256, uint256):
    is_mint: bool = move.sender == empty(address)
    judges_whole: bool = setup & WHOLE_TO != 0 and not is_mint
    judges_place: bool = setup & COUNTED != 0 and move.joins
    minimum: uint256 = limits & AMOUNT_MAX if setup & MINIMUM != 0 else 0
    if not judges_whole and not judges_place and move.amount >= minimum:
        return YES, 0
    registry: address = investor_lookup._registry(move.token)
    if judges_whole or move.amount < minimum:
        held: uint256 = move.receiver_balance + investor_lookup._held_elsewhere(move.token, registry, move.receiver)
        if judges_whole and held > 0:
            return RECEIVER_HOLDS_ALREADY, held
        if move.amount < minimum and held < minimum - move.amount:
            return RECEIVER_BELOW_MINIMUM, minimum
    if not judges_place:
        return YES, 0

    joining: uint256 = self._investors[move.token][investor_lookup._identity(registry, move.receiver)]
    leaving: uint256 = 0
    if move.leaves:
        leaving = self._investors[move.token][investor_lookup._identity(registry, move.sender)]
    if holder_places._is_kept(holder_places.COUNTRY, setup):
        country: uint256 = investor_lookup._country(registry, move.receiver)
        if self._is_full(holder_places.COUNTRY, setup, move.token, country, joining, leaving):
            return COUNTRY_HOLDER_CAP, holder_places._cap(holder_places.COUNTRY, move.token, setup, country)
    if holder_places._is_kept(holder_places.CATEGORY, setup):
        category: uint256 = holder_places._category(joining)
        if self._is_full(holder_places.CATEGORY, setup, move.token, category, joining, leaving):
            return CATEGORY_HOLDER_CAP, holder_places._cap(holder_places.CATEGORY, move.token, setup, category)
    return YES, 0


@internal
@view
def _is_full(kind: uint256, setup: uint256, token: address, group: uint256, joining: uint256, leaving: uint256) -> bool:
    """@dev Whether the joining investor finds no place in the group; one who is counted already has it."""
    if holder_places._is_counted(kind, setup, joining):
        return False
    vacates: bool = holder_places._is_counted(kind, setup, leaving) and holder_places._group(kind, leaving) == group
    return holder_places._is_full(kind, token, setup, group, vacates)


@internal
@view
def _is_own_move(move: Move) -> bool:
    if move.sender == empty(address):
        return False
    registry: address = investor_lookup._registry(move.token)
    identity: address = investor_lookup._identity(registry, move.sender)
    return identity != empty(address) and identity == investor_lookup._identity(registry, move.receiver)


# Internal: what is remembered


@internal
def _use_up(setup: uint256, key: bytes32):
    if setup & VENUES != 0 and self._announced[key] > 0:
        self._announced[key] -= 1
    if setup & APPROVAL != 0:
        self._approved_until[key] = 0


@internal
def _book_sender(
    setup: uint256, token: address, sender: address, identity: address, amount: uint256, is_sent: bool, leaves: bool
):
    investor: address = self._investor(sender, identity)
    record: uint256 = self._investors[token][investor]
    changed: uint256 = record
    if setup & VOLUME != 0 and is_sent:
        # Neither exceeds 104 bits; the sum is cut to as many.
        sent: uint256 = min(unsafe_add(self._sent(setup, record), min(amount, AMOUNT_MAX)), AMOUNT_MAX)
        changed = self._put(changed, PERIOD_NUMBER_AT, INSTANT_MAX, self._period_number(setup))
        changed = self._put(changed, SENT_AT, AMOUNT_MAX, sent)
    if leaves and identity != empty(address):
        changed = holder_places._uncounted(token, setup, changed)
    if changed != record:
        self._investors[token][investor] = changed


@internal
def _book_receiver(
    setup: uint256, token: address, registry: address, receiver: address, identity: address, amount: uint256, joins: bool
):
    investor: address = self._investor(receiver, identity)
    record: uint256 = self._investors[token][investor]
    changed: uint256 = record
    if setup & HOLDING != 0:
        lots: uint256 = acquired_lots._add_lot(token, investor, record & acquired_lots.LOTS_MAX, self._holding_period(setup), amount)
        changed = self._put(changed, 0, acquired_lots.LOTS_MAX, lots)
    if joins and identity != empty(address):
        country: uint256 = 0
        if holder_places._is_kept(holder_places.COUNTRY, setup):
            country = investor_lookup._country(registry, receiver)
        changed = holder_places._counted(token, setup, changed, country)
    if changed != record:
        self._investors[token][investor] = changed


@internal
@view
def _held_back(setup: uint256, token: address, investor: address, record: uint256) -> (uint256, uint256):
    if setup & HOLDING == 0:
        return 0, 0
    return acquired_lots._held_back(token, investor, record & acquired_lots.LOTS_MAX, self._holding_period(setup))


@internal
@view
def _sent(setup: uint256, record: uint256) -> uint256:
    """@dev What the investor has sent in the present volume period."""
    if setup & VOLUME == 0 or (record >> PERIOD_NUMBER_AT) & INSTANT_MAX != self._period_number(setup):
        return 0
    return (record >> SENT_AT) & AMOUNT_MAX


@internal
@view
def _period_number(setup: uint256) -> uint256:
    return block.timestamp // (setup >> PERIOD_AT)


@internal
@pure
def _holding_period(setup: uint256) -> uint256:
    return (setup >> HOLDING_AT) & SECONDS_MAX


@internal
@pure
def _investor(wallet: address, identity: address) -> address:
    """@dev Under which address an investor is remembered: a wallet that the registry does not know stands for itself."""
    return wallet if identity == empty(address) else identity


# Internal: setting rules


@internal
def _count_by(kind: uint256, token: address, is_on: bool):
    setup: uint256 = self._check_may_rule(token)
    if is_on:
        setup = holder_places._begun(kind, setup)
    self._switch(token, setup, 1 << (holder_places.KIND_AT + kind), is_on)


@internal
@view
def _check_may_rule(token: address) -> uint256:
    """@dev The token's setup, which the caller may change."""
    agents._check_owner_or_agent()
    setup: uint256 = self._setups[token]
    assert setup & ADDRESS != 0, "rules: token has no compliance here"
    return setup


@internal
@view
def _check_compliance(setup: uint256):
    assert msg.sender == convert(setup & ADDRESS, address), "rules: caller is not the token's compliance"


@internal
def _switch(token: address, setup: uint256, rule: uint256, is_on: bool):
    self._setups[token] = setup | rule if is_on else setup & ~rule


@internal
@pure
def _put(word: uint256, at: uint256, field_max: uint256, amount: uint256) -> uint256:
    """@dev The word with `amount` in the bits from `at` on that `field_max` fills."""
    return (word & ~(field_max << at)) | (amount << at)


@internal
@pure
def _transfer_key(token: address, sender: address, receiver: address, amount: uint256) -> bytes32:
    return keccak256(abi_encode(token, sender, receiver, amount))
