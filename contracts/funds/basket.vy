# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice A fund that holds constituents and money, and whose units are a security of ours: creation and redemption in kind by
authorised participants (the agents), for money by requests that wait for a price struck after them (ERC-7540, ERC-7575), a
management fee, and exchanges of constituents within bounds. Who may hold units is asked of the units' own compliance.
@dev The basket must be an agent of the units, and an eligible investor of each constituent that asks for one. It never holds units:
what is redeemed is burnt, what is created is minted when it is claimed. Units that are owed (created but not claimed, given for
redemption but not priced, earned as fee) count as outstanding. In kind everything moves in proportion to what is held per
outstanding unit, rounded up when it comes in and down when it goes out, so no creation or redemption takes anything from the other
holders; cash prices round down what is handed out, units and money alike. What arrives unasked is not counted until the manager
books it, so nobody can move the price by a gift. There is one request per controller (id 0), as ERC-7540 allows.
The owner names the roles and can replace them; the valuer's marks are believed; the manager can lose at most the slippage bound on
the turnover bound for each valuation.
"""

from access import ownership
from access import agents
from funds import dealing
from interfaces import IUnit
from token import money

initializes: ownership
initializes: agents[ownership := ownership]
initializes: dealing

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)

CONSTITUENTS_MAX: constant(uint256) = 16
SCALE: constant(uint256) = 10**18
BPS: constant(uint256) = 10_000
YEAR: constant(uint256) = 365 * 24 * 60 * 60
FEE_BPS_MAX: constant(uint256) = 1_000
PATIENCE_SECONDS: constant(uint256) = 30 * 24 * 60 * 60
PATIENCE_SECONDS_MIN: constant(uint256) = 24 * 60 * 60
PATIENCE_SECONDS_MAX: constant(uint256) = 90 * 24 * 60 * 60
AMOUNT_MAX: constant(uint256) = 2**128 - 1
# What the units' own supply can hold.
UNITS_MAX: constant(uint256) = 2**96 - 1
REQUEST_ID: constant(uint256) = 0

# The units' answers (contracts/reasons.json) that do not stop a redemption.
YES: constant(uint256) = 0
NOT_VERIFIED: constant(uint256) = 10
COUNTRY_NOT_ALLOWED: constant(uint256) = 13
COUNTRY_BLOCKED: constant(uint256) = 14

struct Bounds:
    staleness_seconds_max: uint256  # How old a valuation may be when it is struck, and when constituents are exchanged by it.
    patience_seconds: uint256  # How long after its cut-off a request without a price can be taken back.
    slippage_bps_max: uint256  # How much less an exchange may bring than it gives, by the marks.
    turnover_bps_max: uint256  # How much of the net asset value may be exchanged on one valuation.

struct Exchange:
    counterparty: address
    given: address
    given_quantity: uint256
    taken: address
    taken_quantity: uint256
    expires_at: uint256
    salt: uint256  # So that the same exchange can be proposed again.

event FundSet:
    unit: indexed(address)
    asset: indexed(address)
    creation_unit: uint256
    initial_price_scaled: uint256

event RolesSet:
    valuer: indexed(address)
    manager: indexed(address)

event FeeSet:
    fee_receiver: indexed(address)
    fee_bps: uint256

event BoundsSet:
    bounds: Bounds

event CounterpartySet:
    counterparty: indexed(address)
    is_listed: bool

event ConstituentAdded:
    constituent: indexed(address)
    initial_quantity: uint256

event ConstituentRemoved:
    constituent: indexed(address)

event CreatedInKind:
    participant: indexed(address)
    units: uint256
    cash: uint256

event RedeemedInKind:
    participant: indexed(address)
    units: uint256
    cash: uint256

event DepositRequest:
    controller: indexed(address)
    owner: indexed(address)
    requestId: indexed(uint256)
    sender: address
    assets: uint256

event RedeemRequest:
    controller: indexed(address)
    owner: indexed(address)
    requestId: indexed(uint256)
    sender: address
    shares: uint256

event DepositTakenBack:
    controller: indexed(address)
    assets: uint256

event RedemptionTakenBack:
    controller: indexed(address)
    units: uint256

event OperatorSet:
    controller: indexed(address)
    operator: indexed(address)
    approved: bool

event CutOff:
    deposits: uint256
    redemptions: uint256

event Struck:
    valued_at: uint256
    net_asset_value: uint256
    units: uint256
    deposited: uint256
    created: uint256
    redeemed: uint256
    paid: uint256

event Deposit:
    sender: indexed(address)
    owner: indexed(address)
    assets: uint256
    shares: uint256

event Withdraw:
    sender: indexed(address)
    receiver: indexed(address)
    owner: indexed(address)
    assets: uint256
    shares: uint256

event FeeAccrued:
    units: uint256

event FeeCollected:
    fee_receiver: indexed(address)
    units: uint256

event ExchangeProposed:
    exchange_id: indexed(bytes32)
    counterparty: indexed(address)
    exchange: Exchange

event ExchangeWithdrawn:
    exchange_id: indexed(bytes32)

event Exchanged:
    exchange_id: indexed(bytes32)
    value_given: uint256
    value_taken: uint256

event SurplusBooked:
    token: indexed(address)
    quantity: uint256

event LossBooked:
    constituent: indexed(address)
    quantity: uint256

# The units' security and the money, under the names of ERC-7575 and ERC-4626.
share: public(address)
asset: public(address)
creation_unit: public(uint256)
initial_price_scaled: public(uint256)
valuer: public(address)
manager: public(address)
bounds: public(Bounds)
is_counterparty: public(HashMap[address, bool])
isOperator: public(HashMap[address, HashMap[address, bool]])

constituents: public(DynArray[address, CONSTITUENTS_MAX])
initial_quantity: public(HashMap[address, uint256])
_is_constituent: HashMap[address, bool]
_holdings: HashMap[address, uint256]
# Of the money that is here, what is the fund's, and what belongs to requests: given and not priced, or priced and not claimed.
cash: public(uint256)
cash_of_requests: public(uint256)
# Units that are owed and not minted: claimable, given for redemption and not priced, and the fee.
owed_units: public(uint256)

fee_receiver: public(address)
fee_bps: public(uint256)
fee_units: public(uint256)
_fee_accrued_at: uint256
_fee_remainder: uint256

valued_at: public(uint256)
_marks: HashMap[address, uint256]
_struck_value: uint256
_struck_units: uint256
_turnover_left: uint256
# By the hash of the exchange's terms.
is_proposed: public(HashMap[bytes32, bool])


# The owner's wiring


@external
def initialize():
    """@notice Makes the caller the owner, once."""
    ownership._begin()
    self.bounds.patience_seconds = PATIENCE_SECONDS


@external
def set_fund(unit: address, money_token: address, creation_unit: uint256, initial_price_scaled: uint256):
    """
    @notice Says what the units and the money are, once. Owner only.
    @param creation_unit Units that participants create and redeem at a time, and multiples of it.
    @param initial_price_scaled Money's units per unit, times 10**18, while no units are outstanding.
    """
    ownership._check_owner()
    assert self.share == empty(address), "basket: fund is already set"
    assert unit.is_contract and money_token.is_contract and unit != money_token, "basket: not two contracts"
    assert creation_unit > 0 and creation_unit <= UNITS_MAX, "basket: invalid creation unit"
    assert initial_price_scaled > 0 and initial_price_scaled <= AMOUNT_MAX, "basket: invalid initial price"
    self.share = unit
    self.asset = money_token
    self.creation_unit = creation_unit
    self.initial_price_scaled = initial_price_scaled
    log FundSet(unit=unit, asset=money_token, creation_unit=creation_unit, initial_price_scaled=initial_price_scaled)


@external
def set_roles(valuer: address, manager: address):
    """
    @notice Names the valuer, who cuts off requests and strikes the price, and the manager, who proposes exchanges and books what
    arrived. Owner only.
    """
    ownership._check_owner()
    self.valuer = valuer
    self.manager = manager
    log RolesSet(valuer=valuer, manager=manager)


@external
def set_fee(fee_receiver: address, fee_bps: uint256):
    """@notice Sets the management fee in basis points a year of the units, from now on. Owner only."""
    ownership._check_owner()
    self._check_set()
    assert fee_bps <= FEE_BPS_MAX, "basket: fee is too high"
    assert fee_receiver != empty(address), "basket: no fee receiver"
    self._accrue()
    self.fee_receiver = fee_receiver
    self.fee_bps = fee_bps
    log FeeSet(fee_receiver=fee_receiver, fee_bps=fee_bps)


@external
def set_bounds(bounds: Bounds):
    """@notice Sets the bounds on valuations and exchanges. Owner only."""
    ownership._check_owner()
    assert bounds.slippage_bps_max < BPS and bounds.turnover_bps_max <= BPS, "basket: bound is above the whole"
    # Too short, and a request could be taken back once its price is foreseen; too long, and an absent valuer holds money.
    patience: uint256 = bounds.patience_seconds
    assert PATIENCE_SECONDS_MIN <= patience and patience <= PATIENCE_SECONDS_MAX, "basket: patience out of range"
    self.bounds = bounds
    log BoundsSet(bounds=bounds)


@external
def set_counterparty(counterparty: address, is_listed: bool):
    """@notice Lists a party with whom constituents may be exchanged, or takes it off. Owner only."""
    ownership._check_owner()
    self.is_counterparty[counterparty] = is_listed
    log CounterpartySet(counterparty=counterparty, is_listed=is_listed)


@external
def add_constituent(constituent: address, initial_quantity: uint256):
    """
    @notice Adds a constituent. Owner only.
    @param initial_quantity What one creation unit takes of it while no units are outstanding; afterwards what is held decides.
    """
    ownership._check_owner()
    self._check_set()
    assert constituent.is_contract, "basket: constituent has no code"
    assert not self._is_held(constituent) and constituent != self.share, "basket: constituent is not new"
    assert len(self.constituents) < CONSTITUENTS_MAX, "basket: too many constituents"
    assert initial_quantity <= UNITS_MAX, "basket: invalid quantity"
    self._is_constituent[constituent] = True
    self.constituents.append(constituent)
    self.initial_quantity[constituent] = initial_quantity
    log ConstituentAdded(constituent=constituent, initial_quantity=initial_quantity)


@external
def remove_constituent(constituent: address):
    """@notice Removes a constituent of which nothing is held. Owner only."""
    ownership._check_owner()
    assert self._is_constituent[constituent], "basket: not a constituent"
    assert self._holdings[constituent] == 0, "basket: constituent still held"
    kept: DynArray[address, CONSTITUENTS_MAX] = []
    for each: address in self.constituents:
        if each != constituent:
            kept.append(each)
    self.constituents = kept
    self._is_constituent[constituent] = False
    self._marks[constituent] = 0
    log ConstituentRemoved(constituent=constituent)


# In kind


@external
@nonreentrant
def create_in_kind(creation_units: uint256) -> uint256:
    """
    @notice Takes the caller's part of every constituent and of the cash, as `creation_basket` says, and mints units to the caller,
    who has approved this contract for them. Agent (authorised participant) only.
    @return The units created.
    """
    agents._check_agent()
    self._accrue()
    units: uint256 = self._units_of(creation_units)
    quantities: DynArray[uint256, CONSTITUENTS_MAX] = []
    cash: uint256 = 0
    quantities, cash = self._basket(units, True)
    taken: uint256 = cash
    self.cash += cash
    for position: uint256 in range(len(quantities), bound=CONSTITUENTS_MAX):
        constituent: address = self.constituents[position]
        quantity: uint256 = quantities[position]
        taken = max(taken, quantity)
        self._hold(constituent, self._book_loss(constituent) + quantity)
        if quantity > 0:
            money._take(constituent, msg.sender, quantity)
    assert taken > 0, "basket: nothing to create from"
    if cash > 0:
        money._take(self.asset, msg.sender, cash)
    log CreatedInKind(participant=msg.sender, units=units, cash=cash)
    extcall IUnit(self.share).mint(msg.sender, units)
    return units


@external
@nonreentrant
def redeem_in_kind(creation_units: uint256) -> uint256:
    """
    @notice Burns the caller's units, and hands over their part of every constituent and of the cash, as `redemption_basket` says.
    Agent (authorised participant) only.
    @dev A constituent that refuses the caller makes this redemption fail, and no other.
    @return The units redeemed.
    """
    agents._check_agent()
    self._accrue()
    units: uint256 = self._units_of(creation_units)
    quantities: DynArray[uint256, CONSTITUENTS_MAX] = []
    cash: uint256 = 0
    quantities, cash = self._basket(units, False)
    self._burn(msg.sender, units)
    self.cash -= cash
    for position: uint256 in range(len(quantities), bound=CONSTITUENTS_MAX):
        constituent: address = self.constituents[position]
        quantity: uint256 = quantities[position]
        self._hold(constituent, self._book_loss(constituent) - quantity)
        if quantity > 0:
            money._pay(constituent, msg.sender, quantity)
    if cash > 0:
        money._pay(self.asset, msg.sender, cash)
    log RedeemedInKind(participant=msg.sender, units=units, cash=cash)
    return units


# For money: requests (ERC-7540)


@external
@nonreentrant
def requestDeposit(assets: uint256, controller: address, owner: address) -> uint256:
    """
    @notice Gives money for units at the price that is struck after the next cut-off. The owner of the money, or its operator.
    @dev The controller must be eligible to hold units already now, so that nobody waits in vain.
    """
    self._check_operates(owner)
    code: uint256 = 0
    fact: uint256 = 0
    code, fact = staticcall IUnit(self.share).check_transfer(empty(address), controller, 0)
    assert code == YES, "basket: controller not eligible"
    dealing._request(dealing.DEPOSITS, controller, assets)
    self.cash_of_requests += assets
    log DepositRequest(controller=controller, owner=owner, requestId=REQUEST_ID, sender=msg.sender, assets=assets)
    money._take(self.asset, owner, assets)
    return REQUEST_ID


@external
@nonreentrant
def requestRedeem(shares: uint256, controller: address, owner: address) -> uint256:
    """
    @notice Gives units for money at the price that is struck after the next cut-off. The owner of the units, or its operator.
    @dev The units are burnt at once and count as outstanding until they are priced. Frozen, locked or paused ones cannot be given.
    """
    self._check_operates(owner)
    assert controller != empty(address), "basket: no controller"
    self._burn(owner, shares)
    self.owed_units += shares
    dealing._request(dealing.REDEMPTIONS, controller, shares)
    log RedeemRequest(controller=controller, owner=owner, requestId=REQUEST_ID, sender=msg.sender, shares=shares)
    return REQUEST_ID


@external
@nonreentrant
def take_back_deposit(controller: address) -> uint256:
    """
    @notice Returns the controller's money that waits for a price: before the cut-off always, after it when patience is over.
    The controller, or its operator.
    """
    self._check_operates(controller)
    assets: uint256 = dealing._take_back(dealing.DEPOSITS, controller, self.bounds.patience_seconds)
    self.cash_of_requests -= assets
    log DepositTakenBack(controller=controller, assets=assets)
    money._pay(self.asset, controller, assets)
    return assets


@external
@nonreentrant
def take_back_redemption(controller: address) -> uint256:
    """@notice Mints the controller's units that wait for a price again, as `take_back_deposit` does with money."""
    self._check_operates(controller)
    units: uint256 = dealing._take_back(dealing.REDEMPTIONS, controller, self.bounds.patience_seconds)
    log RedemptionTakenBack(controller=controller, units=units)
    self._mint(controller, units)
    return units


@external
@nonreentrant
def redeem_unclaimed(controller: address) -> uint256:
    """
    @notice Gives all units that the controller could claim for redemption instead, as one who may not hold them any more has to.
    The controller, or its operator.
    """
    self._check_operates(controller)
    units: uint256 = dealing._claim_all(dealing.DEPOSITS, controller)
    dealing._request(dealing.REDEMPTIONS, controller, units)
    log RedeemRequest(controller=controller, owner=controller, requestId=REQUEST_ID, sender=msg.sender, shares=units)
    return units


@external
def setOperator(operator: address, approved: bool) -> bool:
    """@notice Lets somebody request and claim for the caller, or no longer."""
    self.isOperator[msg.sender][operator] = approved
    log OperatorSet(controller=msg.sender, operator=operator, approved=approved)
    return True


# For money: claims (ERC-7540's use of ERC-4626)


@external
@nonreentrant
def deposit(assets: uint256, receiver: address, controller: address = msg.sender) -> uint256:
    """@notice Mints the units for so much priced money, rounded down. The controller, or its operator."""
    self._check_operates(controller)
    units: uint256 = dealing._claim_given(dealing.DEPOSITS, controller, assets)
    log Deposit(sender=controller, owner=receiver, assets=assets, shares=units)
    self._mint(receiver, units)
    return units


@external
@nonreentrant
def mint(shares: uint256, receiver: address, controller: address = msg.sender) -> uint256:
    """@notice Mints so many units for priced money, which is rounded up. The controller, or its operator."""
    self._check_operates(controller)
    assets: uint256 = dealing._claim_received(dealing.DEPOSITS, controller, shares)
    log Deposit(sender=controller, owner=receiver, assets=assets, shares=shares)
    self._mint(receiver, shares)
    return assets


@external
@nonreentrant
def redeem(shares: uint256, receiver: address, controller: address) -> uint256:
    """@notice Pays the money for so many priced units, rounded down. The controller, or its operator."""
    self._check_operates(controller)
    assets: uint256 = dealing._claim_given(dealing.REDEMPTIONS, controller, shares)
    self._pay_claim(receiver, controller, assets, shares)
    return assets


@external
@nonreentrant
def withdraw(assets: uint256, receiver: address, controller: address) -> uint256:
    """@notice Pays so much money for priced units, which are rounded up. The controller, or its operator."""
    self._check_operates(controller)
    units: uint256 = dealing._claim_received(dealing.REDEMPTIONS, controller, assets)
    self._pay_claim(receiver, controller, assets, units)
    return units


# The valuer's acts


@external
def cut_off():
    """@notice Closes the requests made so far: the next price is theirs. Valuer only."""
    self._check_valuer()
    deposits: bool = dealing._cut_off(dealing.DEPOSITS)
    redemptions: bool = dealing._cut_off(dealing.REDEMPTIONS)
    assert deposits or redemptions, "basket: nothing to cut off"
    log CutOff(deposits=dealing._to_strike(dealing.DEPOSITS), redemptions=dealing._to_strike(dealing.REDEMPTIONS))


@external
@nonreentrant
def strike(valued_at: uint256, marks: DynArray[uint256, CONSTITUENTS_MAX]):
    """
    @notice Strikes the price for the requests that were cut off before `valued_at`, and marks the constituents. Valuer only.
    @dev Redemptions that the cash does not cover, and deposits that have no price (units are outstanding but worth nothing) or whose
    units would not fit, are deferred to a later strike; the other side is served.
    @param valued_at When the marks were taken (Unix seconds): after each cut-off that it prices, and not older than the bound.
    @param marks Money's units per unit of each constituent, times 10**18, in the order of `constituents`.
    """
    self._check_valuer()
    assert valued_at > self.valued_at, "basket: valuation is not newer"
    assert valued_at <= block.timestamp, "basket: valued in the future"
    assert block.timestamp - valued_at <= self.bounds.staleness_seconds_max, "basket: valuation is stale"
    assert len(marks) == len(self.constituents), "basket: marks differ in number"
    self._accrue()
    cash: uint256 = self.cash
    net_asset_value: uint256 = cash
    for position: uint256 in range(len(marks), bound=CONSTITUENTS_MAX):
        assert marks[position] <= AMOUNT_MAX, "basket: mark is out of range"
        constituent: address = self.constituents[position]
        self._marks[constituent] = marks[position]
        net_asset_value += self._book_loss(constituent) * marks[position] // SCALE
    assert net_asset_value <= AMOUNT_MAX, "basket: value does not fit"
    outstanding: uint256 = self._outstanding()
    self.valued_at = valued_at
    self._struck_value = net_asset_value
    self._struck_units = outstanding

    deposited: uint256 = self._priced_after(dealing.DEPOSITS, valued_at)
    created: uint256 = self._units_for(deposited, net_asset_value, outstanding)
    if deposited > 0 and (outstanding == 0 or net_asset_value > 0) and created <= UNITS_MAX:
        dealing._strike(dealing.DEPOSITS, created)
        cash += deposited
    else:
        deposited = 0
        created = 0

    redeemed: uint256 = self._priced_after(dealing.REDEMPTIONS, valued_at)
    paid: uint256 = 0
    if redeemed > 0:
        # Units that wait for redemption are outstanding, so this never divides by zero.
        paid = redeemed * net_asset_value // outstanding
        if paid <= cash:
            dealing._strike(dealing.REDEMPTIONS, paid)
            cash -= paid
        else:
            redeemed = 0
            paid = 0
    self.cash = cash
    self.cash_of_requests = self.cash_of_requests - deposited + paid
    self.owed_units = self.owed_units + created - redeemed
    self._turnover_left = (net_asset_value + deposited - paid) * self.bounds.turnover_bps_max // BPS
    log Struck(
        valued_at=valued_at,
        net_asset_value=net_asset_value,
        units=outstanding,
        deposited=deposited,
        created=created,
        redeemed=redeemed,
        paid=paid,
    )


# The manager's acts


@external
def propose_exchange(exchange: Exchange) -> bytes32:
    """
    @notice Offers a counterparty an exchange of one constituent, or the money, for another. Manager only.
    @return The id of the exchange, the hash of its terms.
    """
    self._check_manager()
    exchange_id: bytes32 = keccak256(abi_encode(exchange))
    self.is_proposed[exchange_id] = True
    log ExchangeProposed(exchange_id=exchange_id, counterparty=exchange.counterparty, exchange=exchange)
    return exchange_id


@external
def withdraw_exchange(exchange_id: bytes32):
    """@notice Takes an offer back. Manager only."""
    self._check_manager()
    assert self.is_proposed[exchange_id], "basket: exchange is not proposed"
    self.is_proposed[exchange_id] = False
    log ExchangeWithdrawn(exchange_id=exchange_id)


@external
@nonreentrant
def accept_exchange(exchange: Exchange):
    """
    @notice Exchanges as proposed, both ways at once, within the bounds on a valuation that is fresh. The counterparty, who is listed
    and has approved this contract for what it gives. Once for each proposal.
    """
    exchange_id: bytes32 = keccak256(abi_encode(exchange))
    assert self.is_proposed[exchange_id], "basket: exchange is not proposed"
    assert msg.sender == exchange.counterparty, "basket: not the counterparty"
    assert self.is_counterparty[msg.sender], "basket: counterparty not listed"
    assert block.timestamp < exchange.expires_at, "basket: exchange has expired"
    assert self._is_held(exchange.given) and self._is_held(exchange.taken), "basket: not a constituent"
    bounds: Bounds = self.bounds
    assert block.timestamp - self.valued_at <= bounds.staleness_seconds_max, "basket: valuation is stale"
    self.is_proposed[exchange_id] = False
    self._book_out(exchange.given, exchange.given_quantity)
    self._book_in(exchange.taken, exchange.taken_quantity)
    # What is given is valued up, what is taken down.
    mark: uint256 = self._mark(exchange.given)
    assert mark > 0, "basket: given has no mark"
    value_given: uint256 = (exchange.given_quantity * mark + SCALE - 1) // SCALE
    value_taken: uint256 = exchange.taken_quantity * self._mark(exchange.taken) // SCALE
    assert value_taken * BPS >= value_given * (BPS - bounds.slippage_bps_max), "basket: brings too little"
    assert value_given <= self._turnover_left, "basket: turns over too much"
    self._turnover_left -= value_given
    log Exchanged(exchange_id=exchange_id, value_given=value_given, value_taken=value_taken)
    money._take(exchange.taken, msg.sender, exchange.taken_quantity)
    money._pay(exchange.given, msg.sender, exchange.given_quantity)


@external
@nonreentrant
def book_surplus(token: address) -> uint256:
    """@notice Counts what arrived of a constituent, or of the money, without being asked, such as a dividend. Manager only."""
    self._check_manager()
    assert self._is_held(token), "basket: not a constituent"
    counted: uint256 = self.cash + self.cash_of_requests if token == self.asset else self._holdings[token]
    actual: uint256 = money._balance(token, self)
    assert actual > counted, "basket: nothing arrived"
    quantity: uint256 = actual - counted
    self._book_in(token, quantity)
    log SurplusBooked(token=token, quantity=quantity)
    return quantity


# Anybody's acts


@external
@nonreentrant
def collect_fee() -> uint256:
    """@notice Mints the fee earned until now to its receiver. Anybody."""
    self._accrue()
    units: uint256 = self.fee_units
    assert units > 0, "basket: no fee to collect"
    self.fee_units = 0
    log FeeCollected(fee_receiver=self.fee_receiver, units=units)
    self._mint(self.fee_receiver, units)
    return units


# Views


@external
@view
def outstanding() -> uint256:
    """@notice All units: minted ones, owed ones, and the fee accrued at the last change. The fee since then is not in it."""
    return self._outstanding()


@external
@view
def holding(constituent: address) -> uint256:
    """@notice What the fund counts of a constituent; never more than is here."""
    return self._held(constituent)


@external
@view
def creation_basket(creation_units: uint256) -> (DynArray[uint256, CONSTITUENTS_MAX], uint256):
    """@notice What so many creation units take of each constituent, in their order, and in money, rounded up; before the fee since."""
    return self._basket(self._units_of(creation_units), True)


@external
@view
def redemption_basket(creation_units: uint256) -> (DynArray[uint256, CONSTITUENTS_MAX], uint256):
    """@notice What so many creation units bring of each constituent, in their order, and in money, rounded down; before the fee since."""
    return self._basket(self._units_of(creation_units), False)


@external
@view
def pendingDepositRequest(requestId: uint256, controller: address) -> uint256:
    """@notice The controller's money that has no price yet."""
    return dealing._pending(dealing.DEPOSITS, controller) if requestId == REQUEST_ID else 0


@external
@view
def claimableDepositRequest(requestId: uint256, controller: address) -> uint256:
    """@notice The controller's money that has a price and whose units can be claimed."""
    return dealing._claimable_now(dealing.DEPOSITS, controller)[0] if requestId == REQUEST_ID else 0


@external
@view
def pendingRedeemRequest(requestId: uint256, controller: address) -> uint256:
    """@notice The controller's units that have no price yet."""
    return dealing._pending(dealing.REDEMPTIONS, controller) if requestId == REQUEST_ID else 0


@external
@view
def claimableRedeemRequest(requestId: uint256, controller: address) -> uint256:
    """@notice The controller's units that have a price and whose money can be claimed."""
    return dealing._claimable_now(dealing.REDEMPTIONS, controller)[0] if requestId == REQUEST_ID else 0


@external
@view
def maxDeposit(controller: address) -> uint256:
    return dealing._claimable_now(dealing.DEPOSITS, controller)[0]


@external
@view
def maxMint(controller: address) -> uint256:
    return dealing._claimable_now(dealing.DEPOSITS, controller)[1]


@external
@view
def maxRedeem(controller: address) -> uint256:
    return dealing._claimable_now(dealing.REDEMPTIONS, controller)[0]


@external
@view
def maxWithdraw(controller: address) -> uint256:
    return dealing._claimable_now(dealing.REDEMPTIONS, controller)[1]


@external
@view
def totalAssets() -> uint256:
    """@notice The net asset value of the last strike, before the requests that it priced."""
    return self._struck_value


@external
@view
def convertToShares(assets: uint256) -> uint256:
    """@notice Units for money at the last price struck, rounded down."""
    return self._units_for(assets, self._struck_value, self._struck_units)


@external
@view
def convertToAssets(shares: uint256) -> uint256:
    """@notice Money for units at the last price struck, or at the initial one, rounded down."""
    units: uint256 = self._struck_units
    return shares * self._struck_value // units if units > 0 else shares * self.initial_price_scaled // SCALE


@external
@pure
def previewDeposit(assets: uint256) -> uint256:
    """@notice Reverts, as ERC-7540 asks: the price comes after the request."""
    self._refuse_preview()
    return 0


@external
@pure
def previewMint(shares: uint256) -> uint256:
    """@notice Reverts, as ERC-7540 asks."""
    self._refuse_preview()
    return 0


@external
@pure
def previewRedeem(shares: uint256) -> uint256:
    """@notice Reverts, as ERC-7540 asks."""
    self._refuse_preview()
    return 0


@external
@pure
def previewWithdraw(assets: uint256) -> uint256:
    """@notice Reverts, as ERC-7540 asks."""
    self._refuse_preview()
    return 0


@external
@pure
def supportsInterface(interfaceId: bytes4) -> bool:
    """@notice ERC-165, ERC-173, ERC-7575 (the vault), and ERC-7540's operators, deposits and redemptions."""
    return interfaceId in [0x01ffc9a7, 0x7f5828d0, 0x2f0a18c5, 0xe3bc4e65, 0xce3bbe50, 0x620ee8e4]


# Internal: who may


@internal
@view
def _check_valuer():
    assert msg.sender == self.valuer, "basket: not the valuer"


@internal
@view
def _check_manager():
    assert msg.sender == self.manager, "basket: not the manager"


@internal
@view
def _check_operates(controller: address):
    assert msg.sender == controller or self.isOperator[controller][msg.sender], "basket: caller is no operator"


@internal
@view
def _check_set():
    assert self.share != empty(address), "basket: fund is not set"


# Internal: units


@internal
@view
def _units_of(creation_units: uint256) -> uint256:
    assert creation_units > 0 and creation_units <= UNITS_MAX, "basket: invalid creation units"
    return unsafe_mul(creation_units, self.creation_unit)  # 96 bits each.


@internal
@view
def _outstanding() -> uint256:
    return staticcall IUnit(self.share).totalSupply() + self.owed_units


@internal
def _mint(receiver: address, units: uint256):
    """@dev Mints units that were owed. The units' compliance may refuse: that stops this act alone."""
    self.owed_units -= units
    if units > 0:
        extcall IUnit(self.share).mint(receiver, units)


@internal
def _burn(holder: address, units: uint256):
    """
    @dev An agent's burn would take frozen units too, so the holder must be free to move them, if only to itself. Who may not
    receive any more may still give back.
    """
    code: uint256 = 0
    fact: uint256 = 0
    code, fact = staticcall IUnit(self.share).check_transfer(holder, holder, units)
    assert code in [YES, NOT_VERIFIED, COUNTRY_NOT_ALLOWED, COUNTRY_BLOCKED], "basket: units are not free"
    extcall IUnit(self.share).burn(holder, units)


@internal
def _accrue():
    """
    @dev Earns the fee since the last change: units * basis points * seconds, divided by a year and rounded down, against its
    receiver; the remainder counts the next time, so that calling often loses nothing.
    """
    elapsed: uint256 = block.timestamp - self._fee_accrued_at
    if elapsed == 0:
        return
    self._fee_accrued_at = block.timestamp
    fee_bps: uint256 = self.fee_bps
    if fee_bps == 0:
        return
    earned: uint256 = self._outstanding() * fee_bps * elapsed + self._fee_remainder
    units: uint256 = earned // (BPS * YEAR)
    self._fee_remainder = earned % (BPS * YEAR)
    self.fee_units += units
    self.owed_units += units
    log FeeAccrued(units=units)


# Internal: what is held


@internal
@view
def _is_held(token: address) -> bool:
    return self._is_constituent[token] or token == self.asset


@internal
def _hold(constituent: address, quantity: uint256):
    assert quantity <= AMOUNT_MAX, "basket: holding does not fit"
    self._holdings[constituent] = quantity


@internal
def _book_in(token: address, quantity: uint256):
    if token == self.asset:
        self.cash += quantity
    else:
        self._hold(token, self._holdings[token] + quantity)


@internal
def _book_out(token: address, quantity: uint256):
    if token == self.asset:
        assert quantity <= self.cash, "basket: more than is held"
        self.cash -= quantity
    else:
        assert quantity <= self._holdings[token], "basket: more than is held"
        self._holdings[token] -= quantity


@internal
def _book_loss(constituent: address) -> uint256:
    """@dev What is held, after taking off what is not here any more, as after a forced transfer or a burn."""
    held: uint256 = self._holdings[constituent]
    actual: uint256 = money._balance(constituent, self)
    if actual >= held:
        return held
    self._holdings[constituent] = actual
    log LossBooked(constituent=constituent, quantity=held - actual)
    return actual


@internal
@view
def _held(constituent: address) -> uint256:
    return min(self._holdings[constituent], money._balance(constituent, self))


@internal
@view
def _basket(units: uint256, is_in: bool) -> (DynArray[uint256, CONSTITUENTS_MAX], uint256):
    """@dev What `units` more take, rounded up, or `units` fewer bring, rounded down. Initial quantities where there are no units."""
    outstanding: uint256 = self._outstanding()
    quantities: DynArray[uint256, CONSTITUENTS_MAX] = []
    if is_in and outstanding == 0:
        for constituent: address in self.constituents:
            quantities.append(self.initial_quantity[constituent] * (units // self.creation_unit))
        return quantities, 0
    assert is_in or units <= outstanding, "basket: more than is outstanding"
    up: uint256 = outstanding - 1 if is_in else 0
    for constituent: address in self.constituents:
        quantities.append((self._held(constituent) * units + up) // outstanding)
    return quantities, (self.cash * units + up) // outstanding


# Internal: prices


@internal
@pure
def _refuse_preview():
    raise "basket: priced after the request"


@internal
@view
def _units_for(assets: uint256, net_asset_value: uint256, outstanding: uint256) -> uint256:
    """@dev Rounded down. Zero where units are outstanding and worth nothing: then money has no price in units."""
    if outstanding == 0:
        return assets * SCALE // self.initial_price_scaled
    return assets * outstanding // net_asset_value if net_asset_value > 0 else 0


@internal
@view
def _priced_after(side: uint256, valued_at: uint256) -> uint256:
    """@dev What waits for a price on one side, which must have been cut off before the marks were taken."""
    waiting: uint256 = dealing._to_strike(side)
    assert waiting == 0 or valued_at > dealing._cut_off_at[side], "basket: valued before cut-off"
    return waiting


@internal
@view
def _mark(token: address) -> uint256:
    return SCALE if token == self.asset else self._marks[token]


@internal
def _pay_claim(receiver: address, controller: address, assets: uint256, units: uint256):
    self.cash_of_requests -= assets
    log Withdraw(sender=msg.sender, receiver=receiver, owner=controller, assets=assets, shares=units)
    if assets > 0:
        money._pay(self.asset, receiver, assets)
