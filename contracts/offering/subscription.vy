# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice One offering of a security for a payment token: takes subscriptions, keeps the money in escrow, and at the end either allots
shares or gives everything back. The issuer gets money for allotted shares only. Who may hold is asked of the security.
@dev No constructor and one `initialize`, so that the same code serves directly or as a clone: one contract per offering, so no
offering can touch another's money. Shares and payments are whole numbers of the smallest unit of their token. What a subscriber has
paid is always the price of the subscribed shares, rounded up (in the issuer's favour, by less than one unit), however many
subscriptions they came in; it is never more than the price of one subscription for all of them.
The security must answer `check_transfer` as contracts/reasons.json numbers the reasons.
"""

from access import ownership
from access import agents
from interfaces import IIdentityRegistry
from token import money

initializes: ownership
initializes: agents[ownership := ownership]

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)

interface ISecurity:
    def identityRegistry() -> address: view
    def check_transfer(_from: address, _to: address, _amount: uint256) -> (uint256, uint256): view

BATCH_MAX: constant(uint256) = 100
PRICE_SCALE: constant(uint256) = 10**18
SHARES_MAX: constant(uint256) = 2**96 - 1
# The price's bits; with the shares' 96 a payment is computed without overflow.
PRICE_MAX: constant(uint256) = 2**128 - 1
PAID_MAX: constant(uint256) = 2**128 - 1
SUBSCRIBERS_MAX: constant(uint256) = 2**32 - 1
ALLOT_SECONDS_MAX: constant(uint256) = 366 * 24 * 60 * 60
INSTANT_MAX: constant(uint256) = 2**40 - 1
# What one refund of a batch may use: a payment token that burns all gas must not take the others' along.
REFUND_GAS: constant(uint256) = 400_000

# Terms that every subscription reads, in four words:
# security 0..159 | opens_at 160..199 | closes_at 200..239 | flags 240..245
# payment token 0..159 | withdraw_until 160..199 | allot_by 200..239
# price 0..127
# minimum 0..95 | maximum 96..191
# and hard cap 0..95 | soft cap 96..191, which is also read at the end.
ADDRESS: constant(uint256) = 2**160 - 1
FIRST_INSTANT_AT: constant(uint256) = 160
SECOND_INSTANT_AT: constant(uint256) = 200
SECOND_AMOUNT_AT: constant(uint256) = 96
PRO_RATA: constant(uint256) = 2**240
PER_INVESTOR: constant(uint256) = 2**241
FAILED: constant(uint256) = 2**242
SUCCEEDED: constant(uint256) = 2**243
OVERSUBSCRIBED: constant(uint256) = 2**244
SPLIT: constant(uint256) = 2**245

# Totals in one word: subscribed shares 0..95 | subscribers 96..127 | paid 128..255
SUBSCRIBERS_AT: constant(uint256) = 96
PAID_AT: constant(uint256) = 128

# An address in one word: number as a subscriber 0..31 | of an investor, shares over all wallets 32..127 | investor kept apart 128
NUMBER: constant(uint256) = 2**32 - 1
INVESTOR_SHARES_AT: constant(uint256) = 32
INVESTOR_APART: constant(uint256) = 2**128

# A subscription in one word: subscriber 0..159 | shares 160..255
SHARES_AT: constant(uint256) = 160

# The count of a proposed split in one word: remainder 0..95 | last number 96..127 | next number 128..159 | shares so far 160..255
LAST_NUMBER_AT: constant(uint256) = 96
NEXT_NUMBER_AT: constant(uint256) = 128
COUNTED_AT: constant(uint256) = 160

# What became of a subscription: four bits each, 64 to a word.
ALLOTTED: constant(uint256) = 1
REFUSED: constant(uint256) = 2
REFUNDED: constant(uint256) = 4

# The security's answers (contracts/reasons.json) that say something of the receiver, not of the issuer or the security.
YES: constant(uint256) = 0
RECEIVER_FROZEN: constant(uint256) = 3
FIRST_OF_RULES: constant(uint256) = 10
NOT_BOUND: constant(uint256) = 12
SUPPLY_CAP: constant(uint256) = 16
# Further rules on when, and from whom, shares may come: these pass, or are the issuer's to settle.
WINDOW_CLOSED: constant(uint256) = 42
VOLUME_LIMIT: constant(uint256) = 49

struct Terms:
    security: address
    payment_token: address
    treasury: address  # The wallet whose shares are sold, which approves this contract for them; zero: shares are minted.
    price_scaled: uint256  # Payment token's units per unit of the security, times 10**18.
    soft_cap: uint256  # Shares that must be subscribed for the offering to succeed.
    hard_cap: uint256  # Shares that are allotted at most.
    minimum: uint256  # Shares that an investor must come to with each subscription; 0: any.
    maximum: uint256  # Shares that an investor may subscribe over all wallets; 0: any.
    opens_at: uint256
    closes_at: uint256  # The first second in which nobody can subscribe any more.
    withdraw_until: uint256  # The first second in which nobody can withdraw any more.
    allot_by: uint256  # The second from which whoever has no shares gets the money back, whatever the issuer does.
    is_pro_rata: bool  # More than the hard cap may be subscribed, and is then cut down in proportion; else first come.

struct Subscription:
    number: uint256
    investor: address
    shares: uint256
    paid: uint256
    is_allotted: bool
    is_refused: bool
    is_refunded: bool

event TermsSet:
    terms: Terms
    is_per_investor: bool

event Subscribed:
    subscriber: indexed(address)
    investor: indexed(address)
    number: uint256
    shares: uint256
    payment: uint256

event Withdrawn:
    subscriber: indexed(address)
    shares: uint256
    payment: uint256

event Cancelled:
    canceller: indexed(address)

event Closed:
    succeeded: bool
    shares: uint256

event SplitProposed:
    remainder: uint256
    last_number: uint256

event SplitSettled:
    remainder: uint256
    last_number: uint256

event Allotted:
    subscriber: indexed(address)
    shares: uint256
    payment: uint256

event AllotmentRefused:
    subscriber: indexed(address)
    code: uint256
    fact: uint256

event AllotmentPostponed:
    subscriber: indexed(address)
    code: uint256
    fact: uint256

event Refunded:
    subscriber: indexed(address)
    payment: uint256

event RefundPostponed:
    subscriber: indexed(address)

event ProceedsCollected:
    receiver: indexed(address)
    payment: uint256

_place: uint256
_money: uint256
_price: uint256
_limits: uint256
_caps: uint256
_treasury: address
_totals: uint256
_split: uint256
_accounts: HashMap[address, uint256]
_investors: HashMap[address, address]
_subscriptions: HashMap[uint256, uint256]
_outcomes: HashMap[uint256, uint256]
proceeds: public(uint256)
collected: public(uint256)


# The issuer's acts


@external
def initialize():
    """@notice Makes the caller the owner, once."""
    ownership._begin()


@external
def set_terms(terms: Terms):
    """
    @notice Says what is offered. May be said again until the offering opens; then it is fixed. Owner only.
    @dev Minimum and maximum count per investor where the security has an identity registry (ERC-3643), else per wallet.
    """
    ownership._check_owner()
    place: uint256 = self._place
    is_fixed: bool = place != 0 and block.timestamp >= self._first_instant(place)
    assert not is_fixed and place & FAILED == 0, "subscription: terms are fixed"
    assert terms.security.is_contract and terms.payment_token.is_contract, "subscription: token has no code"
    assert terms.security != terms.payment_token, "subscription: security and payment token are the same"
    assert terms.price_scaled > 0 and terms.price_scaled <= PRICE_MAX, "subscription: price is out of range"
    assert terms.hard_cap > 0 and terms.hard_cap <= SHARES_MAX, "subscription: hard cap is out of range"
    assert terms.soft_cap <= terms.hard_cap, "subscription: soft cap is above the hard cap"
    assert terms.maximum <= SHARES_MAX, "subscription: maximum is out of range"
    assert terms.minimum <= (terms.maximum if terms.maximum > 0 else terms.hard_cap), "subscription: minimum is above the maximum"
    assert block.timestamp <= terms.opens_at and terms.opens_at < terms.closes_at, "subscription: times are out of order"
    assert max(terms.closes_at, terms.withdraw_until) < terms.allot_by, "subscription: times are out of order"
    assert terms.allot_by <= INSTANT_MAX and terms.allot_by - terms.closes_at <= ALLOT_SECONDS_MAX, "subscription: allotment is too late"
    is_per_investor: bool = self._has_registry(terms.security)
    flags: uint256 = (PRO_RATA if terms.is_pro_rata else 0) | (PER_INVESTOR if is_per_investor else 0)
    self._place = self._packed(terms.security, terms.opens_at, terms.closes_at) | flags
    self._money = self._packed(terms.payment_token, terms.withdraw_until, terms.allot_by)
    self._price = terms.price_scaled
    self._limits = terms.minimum | (terms.maximum << SECOND_AMOUNT_AT)
    self._caps = terms.hard_cap | (terms.soft_cap << SECOND_AMOUNT_AT)
    self._treasury = terms.treasury
    log TermsSet(terms=terms, is_per_investor=is_per_investor)


@external
def cancel():
    """@notice Ends the offering before it is closed; everybody gets the money back. Owner or agent."""
    agents._check_owner_or_agent()
    place: uint256 = self._place
    assert place != 0 and place & (FAILED | SUCCEEDED) == 0, "subscription: nothing to cancel"
    self._place = place | FAILED
    log Cancelled(canceller=msg.sender)


@external
def propose_split(remainder: uint256, last_number: uint256):
    """
    @notice Says who gets the shares that the split leaves over when more was subscribed than there is. Owner or agent.
    @dev Everybody gets subscribed * hard cap // total. The shares then left go, one each, to the largest remainders of that
    division, ties by subscriber number: to all above `remainder`, and to those with exactly it up to `last_number`. Anybody can
    compute the pair; `count_split` proves it, since only the right pair makes all parts add up to the hard cap.
    """
    agents._check_owner_or_agent()
    place: uint256 = self._place
    assert place & OVERSUBSCRIBED != 0 and place & SPLIT == 0, "subscription: no split is needed"
    # Without a remainder nobody can be rounded up: that would allot more than was subscribed.
    assert remainder > 0 and remainder <= SHARES_MAX, "subscription: remainder is out of range"
    assert last_number <= SUBSCRIBERS_MAX, "subscription: number is out of range"
    self._split = remainder | (last_number << LAST_NUMBER_AT) | (1 << NEXT_NUMBER_AT)
    log SplitProposed(remainder=remainder, last_number=last_number)


@external
def count_split(subscribers: uint256):
    """@notice Counts the next so many subscribers' parts of the proposed split; the last of them settles it. Owner or agent."""
    agents._check_owner_or_agent()
    place: uint256 = self._place
    split: uint256 = self._split
    assert place & SPLIT == 0 and split != 0, "subscription: no split is proposed"
    last: uint256 = self._subscribers()
    number: uint256 = (split >> NEXT_NUMBER_AT) & NUMBER
    end: uint256 = number + min(subscribers, last + 1 - number)
    counted: uint256 = split >> COUNTED_AT
    for each: uint256 in range(number, end, bound=SUBSCRIBERS_MAX):
        counted += self._part(place, split, each, self._subscriptions[each] >> SHARES_AT)
    # Wrong parts outgrow the hard cap by one share a subscriber at most: if they wrap, they stay far below it, and are refused.
    self._split = (split & (2**NEXT_NUMBER_AT - 1)) | (end << NEXT_NUMBER_AT) | (counted << COUNTED_AT)
    if end == last + 1:
        assert counted == self._caps & SHARES_MAX, "subscription: split does not add up"
        self._place = place | SPLIT
        log SplitSettled(remainder=split & SHARES_MAX, last_number=(split >> LAST_NUMBER_AT) & NUMBER)


@external
@nonreentrant
def allot(numbers: DynArray[uint256, BATCH_MAX]):
    """
    @notice Gives these subscribers their shares, each once. Owner or agent, after a close that succeeded and before `allot_by`.
    @dev One who may not hold them any more is marked as refused and gets the money back. What fails for any other reason is
    postponed: it can be tried again, until `allot_by` opens the way to a refund.
    """
    agents._check_owner_or_agent()
    place: uint256 = self._place
    assert place & SUCCEEDED != 0, "subscription: not closed with success"
    assert block.timestamp < self._second_instant(self._money), "subscription: too late to allot"
    assert place & OVERSUBSCRIBED == 0 or place & SPLIT != 0, "subscription: split is not settled"
    treasury: address = self._treasury
    price: uint256 = self._price
    split: uint256 = self._split
    proceeds: uint256 = 0
    for number: uint256 in numbers:
        subscription: uint256 = self._subscriptions[number]
        shares: uint256 = subscription >> SHARES_AT
        if shares == 0 or self._outcome(number) != 0:
            continue
        subscriber: address = self._address(subscription)
        part: uint256 = self._part(place, split, number, shares)
        if part == 0 or self._deliver(self._address(place), treasury, subscriber, part):
            payment: uint256 = self._payment(part, price)
            proceeds += payment
            self._set_outcome(number, ALLOTTED)
            log Allotted(subscriber=subscriber, shares=part, payment=payment)
        else:
            code: uint256 = 0
            fact: uint256 = 0
            code, fact = self._why_not(self._address(place), treasury, subscriber, part)
            if self._is_of_receiver(code):
                self._set_outcome(number, REFUSED)
                log AllotmentRefused(subscriber=subscriber, code=code, fact=fact)
            else:
                log AllotmentPostponed(subscriber=subscriber, code=code, fact=fact)
    self.proceeds += proceeds


@external
@nonreentrant
def collect(receiver: address) -> uint256:
    """@notice Sends `receiver` the money for the shares allotted since the last time. Owner only."""
    ownership._check_owner()
    payment: uint256 = self.proceeds - self.collected
    assert payment > 0, "subscription: nothing to collect"
    self.collected += payment
    log ProceedsCollected(receiver=receiver, payment=payment)
    money._pay(self._address(self._money), receiver, payment)
    return payment


# The subscriber's acts


@external
@nonreentrant
def subscribe(shares: uint256, payment_max: uint256) -> uint256:
    """
    @notice Subscribes for shares and pays for them into escrow; the caller has approved this contract for the payment.
    @param payment_max What the caller is ready to pay at most, in the payment token's smallest unit.
    @return The payment.
    """
    place: uint256 = self._place
    assert place & (FAILED | SUCCEEDED) == 0, "subscription: not open"
    assert self._first_instant(place) <= block.timestamp and block.timestamp < self._second_instant(place), "subscription: not open"
    assert shares > 0 and shares <= SHARES_MAX, "subscription: shares are out of range"
    security: address = self._address(place)
    totals: uint256 = self._totals
    total: uint256 = (totals & SHARES_MAX) + shares
    assert place & PRO_RATA != 0 or total <= self._caps & SHARES_MAX, "subscription: hard cap is reached"
    assert total <= SHARES_MAX, "subscription: too many shares"

    account: uint256 = self._accounts[msg.sender]
    number: uint256 = account & NUMBER
    held: uint256 = 0
    subscribers: uint256 = (totals >> SUBSCRIBERS_AT) & NUMBER
    if number == 0:
        subscribers += 1  # No chain has room for 2**32 of them.
        number = subscribers
    else:
        held = self._subscriptions[number] >> SHARES_AT
    investor: address = self._investor(place, security, msg.sender)
    if held > 0:
        assert investor == self._recorded_investor(account, msg.sender), "subscription: wallet has changed its investor"
    else:
        self._record_investor(account, number, msg.sender, investor)
    # Neither an investor's shares nor a subscriber's exceed the total, which fits.
    of_investor: uint256 = self._accounts[investor]
    investor_shares: uint256 = ((of_investor >> INVESTOR_SHARES_AT) & SHARES_MAX) + shares
    limits: uint256 = self._limits
    maximum: uint256 = limits >> SECOND_AMOUNT_AT
    assert investor_shares >= limits & SHARES_MAX, "subscription: below the minimum of an investor"
    assert maximum == 0 or investor_shares <= maximum, "subscription: above the maximum of an investor"
    code: uint256 = 0
    fact: uint256 = 0
    code, fact = staticcall ISecurity(security).check_transfer(self._treasury, msg.sender, investor_shares)
    assert code == YES, "subscription: investor may not hold the shares"

    price: uint256 = self._price
    payment: uint256 = self._payment(held + shares, price) - self._payment(held, price)
    assert payment <= payment_max, "subscription: payment is above the caller's limit"
    paid: uint256 = (totals >> PAID_AT) + payment
    assert paid <= PAID_MAX, "subscription: too much money"
    self._accounts[investor] = self._with_investor_shares(of_investor, investor_shares)
    self._subscriptions[number] = convert(msg.sender, uint256) | ((held + shares) << SHARES_AT)
    self._totals = total | (subscribers << SUBSCRIBERS_AT) | (paid << PAID_AT)
    log Subscribed(subscriber=msg.sender, investor=investor, number=number, shares=shares, payment=payment)
    if payment > 0:
        money._take(self._address(self._money), msg.sender, payment)
    return payment


@external
@nonreentrant
def withdraw() -> uint256:
    """
    @notice Takes the caller's whole subscription back, and the money, before `withdraw_until`; for a cancelled one see `refund`.
    @dev The right to withdraw comes before the minimum: another wallet of the investor may stay below it. The caller keeps its number.
    @return The money returned.
    """
    place: uint256 = self._place
    assert place & (FAILED | SUCCEEDED) == 0, "subscription: already ended"
    assert block.timestamp < self._first_instant(self._money), "subscription: too late to withdraw"
    account: uint256 = self._accounts[msg.sender]
    number: uint256 = account & NUMBER
    shares: uint256 = self._subscriptions[number] >> SHARES_AT
    assert shares > 0, "subscription: nothing to withdraw"
    payment: uint256 = self._payment(shares, self._price)
    investor: address = self._recorded_investor(account, msg.sender)
    of_investor: uint256 = self._accounts[investor]
    # What is taken away was added to each of these before.
    kept: uint256 = unsafe_sub((of_investor >> INVESTOR_SHARES_AT) & SHARES_MAX, shares)
    self._accounts[investor] = self._with_investor_shares(of_investor, kept)
    self._subscriptions[number] = convert(msg.sender, uint256)
    self._totals = unsafe_sub(unsafe_sub(self._totals, shares), payment << PAID_AT)
    log Withdrawn(subscriber=msg.sender, shares=shares, payment=payment)
    if payment > 0:
        money._pay(self._address(self._money), msg.sender, payment)
    return payment


# Anybody's acts


@external
@nonreentrant
def close() -> bool:
    """
    @notice Ends the subscription when it is over, or sold out first come first served, and nobody can withdraw any more. Anybody.
    @dev Succeeds when the soft cap is subscribed. Whoever is refused at allotment may bring what is allotted below it.
    @return Whether the offering succeeded.
    """
    place: uint256 = self._place
    assert place != 0 and place & (FAILED | SUCCEEDED) == 0, "subscription: nothing to close"
    total: uint256 = self._totals & SHARES_MAX
    caps: uint256 = self._caps
    hard_cap: uint256 = caps & SHARES_MAX
    is_over: bool = block.timestamp >= self._second_instant(place) or (place & PRO_RATA == 0 and total == hard_cap)
    terms: uint256 = self._money
    assert is_over and block.timestamp >= self._first_instant(terms), "subscription: too early to close"
    succeeded: bool = total > 0 and total >= caps >> SECOND_AMOUNT_AT and block.timestamp < self._second_instant(terms)
    outcome: uint256 = FAILED
    if succeeded:
        outcome = SUCCEEDED | (OVERSUBSCRIBED if total > hard_cap else 0)
    self._place = place | outcome
    log Closed(succeeded=succeeded, shares=total)
    return succeeded


@external
@nonreentrant
def refund(subscriber: address) -> uint256:
    """
    @notice Sends the subscriber what is due back: all after a failure, a refusal or `allot_by`, else what the split cut off. Anybody.
    @return The money returned.
    """
    return self._refund(self._accounts[subscriber] & NUMBER)


@external
@nonreentrant
def refund_batch(numbers: DynArray[uint256, BATCH_MAX]):
    """@notice Sends many subscribers what is due back; what cannot be paid stays due and does not stop the others. Anybody."""
    for number: uint256 in numbers:
        success: bool = raw_call(
            self,
            abi_encode(number, method_id=method_id("refund_alone(uint256)")),
            gas=REFUND_GAS,
            revert_on_failure=False,
        )
        if not success:
            log RefundPostponed(subscriber=self._address(self._subscriptions[number]))


@external
def refund_alone(number: uint256):
    """@notice One refund of a batch, undone alone when it fails. This contract itself only."""
    assert msg.sender == self, "subscription: caller is not the contract itself"
    paid: uint256 = self._refund(number)


# Views


@external
@view
def terms() -> Terms:
    place: uint256 = self._place
    terms: uint256 = self._money
    return Terms(
        security=self._address(place),
        payment_token=self._address(terms),
        treasury=self._treasury,
        price_scaled=self._price,
        soft_cap=self._caps >> SECOND_AMOUNT_AT,
        hard_cap=self._caps & SHARES_MAX,
        minimum=self._limits & SHARES_MAX,
        maximum=self._limits >> SECOND_AMOUNT_AT,
        opens_at=self._first_instant(place),
        closes_at=self._second_instant(place),
        withdraw_until=self._first_instant(terms),
        allot_by=self._second_instant(terms),
        is_pro_rata=place & PRO_RATA != 0,
    )


@external
@view
def is_per_investor() -> bool:
    """@notice Whether minimum and maximum count over all wallets of an investor; else per wallet."""
    return self._place & PER_INVESTOR != 0


@external
@view
def has_failed() -> bool:
    """@notice Whether the offering was cancelled, or closed without success."""
    return self._place & FAILED != 0


@external
@view
def has_succeeded() -> bool:
    """@notice Whether the offering was closed with success."""
    return self._place & SUCCEEDED != 0


@external
@view
def is_split_settled() -> bool:
    """@notice Whether it is fixed who gets how much of an offering that was subscribed beyond its hard cap."""
    return self._place & SPLIT != 0


@external
@view
def totals() -> (uint256, uint256, uint256):
    """@notice Shares subscribed, subscribers ever, and money paid for the subscriptions, withdrawn ones not counted."""
    totals: uint256 = self._totals
    return totals & SHARES_MAX, (totals >> SUBSCRIBERS_AT) & NUMBER, totals >> PAID_AT


@external
@view
def subscription_of(subscriber: address) -> Subscription:
    """@notice A wallet's subscription; the number is 0 where there never was one."""
    account: uint256 = self._accounts[subscriber]
    number: uint256 = account & NUMBER
    shares: uint256 = self._subscriptions[number] >> SHARES_AT
    outcome: uint256 = self._outcome(number)
    return Subscription(
        number=number,
        investor=self._recorded_investor(account, subscriber),
        shares=shares,
        paid=self._payment(shares, self._price),
        is_allotted=outcome & ALLOTTED != 0,
        is_refused=outcome & REFUSED != 0,
        is_refunded=outcome & REFUNDED != 0,
    )


@external
@view
def subscriber(number: uint256) -> address:
    """@notice Who has this number; numbers are given from 1 in the order of the first subscriptions."""
    return self._address(self._subscriptions[number])


@external
@view
def investor_shares(investor: address) -> uint256:
    """@notice What an investor (or a wallet, where there is no registry) has subscribed over all wallets."""
    return (self._accounts[investor] >> INVESTOR_SHARES_AT) & SHARES_MAX


@external
@view
def allotment(subscriber: address) -> uint256:
    """@notice The shares that a subscriber gets; what is subscribed, until a split is settled."""
    number: uint256 = self._accounts[subscriber] & NUMBER
    place: uint256 = self._place
    split: uint256 = self._split if place & SPLIT != 0 else 0
    return self._part(place, split, number, self._subscriptions[number] >> SHARES_AT)


@external
@view
def refundable(subscriber: address) -> uint256:
    """@notice The money that `refund` would send the subscriber now."""
    return self._due(self._accounts[subscriber] & NUMBER)


# Internal: money


@internal
@pure
def _payment(shares: uint256, price: uint256) -> uint256:
    """@dev The price of so many shares, rounded up. 96 bits times 128 bits and a little: it cannot overflow."""
    return unsafe_add(unsafe_mul(shares, price), PRICE_SCALE - 1) // PRICE_SCALE


@internal
@view
def _due(number: uint256) -> uint256:
    place: uint256 = self._place
    outcome: uint256 = self._outcome(number)
    shares: uint256 = self._subscriptions[number] >> SHARES_AT
    if outcome & REFUNDED != 0:
        return 0
    price: uint256 = self._price
    paid: uint256 = self._payment(shares, price)
    if outcome & ALLOTTED != 0:
        # Never more is allotted than subscribed, and more shares never cost less.
        return paid - self._payment(self._part(place, self._split, number, shares), price)
    is_late: bool = block.timestamp >= self._second_instant(self._money)
    return paid if place & FAILED != 0 or outcome & REFUSED != 0 or is_late else 0


@internal
def _refund(number: uint256) -> uint256:
    payment: uint256 = self._due(number)
    assert payment > 0, "subscription: nothing to refund"
    subscriber: address = self._address(self._subscriptions[number])
    self._set_outcome(number, self._outcome(number) | REFUNDED)
    log Refunded(subscriber=subscriber, payment=payment)
    money._pay(self._address(self._money), subscriber, payment)
    return payment


# Internal: shares


@internal
@view
def _part(place: uint256, split: uint256, number: uint256, shares: uint256) -> uint256:
    """@dev What `number`, who subscribed `shares`, gets: all, or the part under the split that is proposed or settled."""
    if place & OVERSUBSCRIBED == 0 or split == 0:
        return shares
    hard_cap: uint256 = self._caps & SHARES_MAX
    total: uint256 = self._totals & SHARES_MAX
    product: uint256 = shares * hard_cap
    part: uint256 = product // total
    remainder: uint256 = product % total
    threshold: uint256 = split & SHARES_MAX
    if remainder > threshold or (remainder == threshold and number <= (split >> LAST_NUMBER_AT) & NUMBER):
        part += 1
    return part


@internal
def _deliver(security: address, treasury: address, subscriber: address, shares: uint256) -> bool:
    """@dev Whether the security was minted to, or came from the treasury to, the subscriber. A no leaves nothing behind."""
    success: bool = False
    response: Bytes[32] = b""
    if treasury == empty(address):
        return raw_call(
            security,
            abi_encode(subscriber, shares, method_id=method_id("mint(address,uint256)")),
            revert_on_failure=False,
        )
    success, response = raw_call(
        security,
        abi_encode(treasury, subscriber, shares, method_id=method_id("transferFrom(address,address,uint256)")),
        max_outsize=32,
        revert_on_failure=False,
    )
    return success and len(response) == 32 and convert(response, uint256) == 1


@internal
@view
def _why_not(security: address, treasury: address, subscriber: address, shares: uint256) -> (uint256, uint256):
    """@dev What the security says of a delivery that failed; a zero when it has nothing against it, or does not say."""
    success: bool = False
    response: Bytes[64] = b""
    success, response = raw_call(
        security,
        abi_encode(treasury, subscriber, shares, method_id=method_id("check_transfer(address,address,uint256)")),
        max_outsize=64,
        revert_on_failure=False,
        is_static_call=True,
    )
    if not success or len(response) != 64:
        return 0, 0
    return abi_decode(response, (uint256, uint256))


@internal
@pure
def _is_of_receiver(code: uint256) -> bool:
    """@dev Whether a reason lies with the subscriber: a paused or unbound security, or an empty treasury, is not the subscriber's."""
    if code >= WINDOW_CLOSED and code <= VOLUME_LIMIT:
        return False
    return code == RECEIVER_FROZEN or (code >= FIRST_OF_RULES and code != NOT_BOUND and code != SUPPLY_CAP)


@internal
@view
def _subscribers() -> uint256:
    return (self._totals >> SUBSCRIBERS_AT) & NUMBER


@internal
@view
def _outcome(number: uint256) -> uint256:
    return (self._outcomes[number >> 6] >> ((number & 63) << 2)) & 15


@internal
def _set_outcome(number: uint256, outcome: uint256):
    """@dev Bits are only ever added."""
    self._outcomes[number >> 6] |= outcome << ((number & 63) << 2)


# Internal: investors


@internal
@view
def _investor(place: uint256, security: address, wallet: address) -> address:
    """@dev Under whom the wallet's shares count: the identity that the security's registry knows it by, else the wallet itself."""
    if place & PER_INVESTOR == 0:
        return wallet
    return staticcall IIdentityRegistry(staticcall ISecurity(security).identityRegistry()).identity(wallet)


@internal
@view
def _recorded_investor(account: uint256, wallet: address) -> address:
    """@dev The investor at the time of the subscription: what was added to its shares is taken from the same."""
    return self._investors[wallet] if account & INVESTOR_APART != 0 else wallet


@internal
def _record_investor(account: uint256, number: uint256, wallet: address, investor: address):
    """@dev Only an investor who is not the wallet itself costs a word of its own."""
    kept: uint256 = (account & ~(NUMBER | INVESTOR_APART)) | number
    if investor != wallet:
        self._investors[wallet] = investor
        kept |= INVESTOR_APART
    self._accounts[wallet] = kept


@internal
@pure
def _with_investor_shares(account: uint256, shares: uint256) -> uint256:
    return (account & ~(SHARES_MAX << INVESTOR_SHARES_AT)) | (shares << INVESTOR_SHARES_AT)


@internal
@view
def _has_registry(security: address) -> bool:
    success: bool = False
    response: Bytes[32] = b""
    success, response = raw_call(
        security,
        method_id("identityRegistry()"),
        max_outsize=32,
        revert_on_failure=False,
        is_static_call=True,
    )
    return success and len(response) == 32 and convert(response, uint256) != 0


# Internal: words


@internal
@pure
def _packed(token: address, first_instant: uint256, second_instant: uint256) -> uint256:
    """@dev All instants are at most the last one, which fits."""
    return convert(token, uint256) | (first_instant << FIRST_INSTANT_AT) | (second_instant << SECOND_INSTANT_AT)


@internal
@pure
def _address(word: uint256) -> address:
    return convert(word & ADDRESS, address)


@internal
@pure
def _first_instant(word: uint256) -> uint256:
    return (word >> FIRST_INSTANT_AT) & INSTANT_MAX


@internal
@pure
def _second_instant(word: uint256) -> uint256:
    return (word >> SECOND_INSTANT_AT) & INSTANT_MAX
