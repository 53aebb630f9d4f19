# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Delivery versus payment: a security goes from its seller to its buyer and the payment from the buyer to the seller, both or
neither. Each side has signed an order (EIP-712); an agent matches orders, only within what both have signed. This contract never
holds securities or money: both move directly between the parties, who have approved this contract.
@dev A price is a pair: `payment` for `quantity`, both in the smallest units. A fill is compared with it by products, so nothing is
rounded: no fill is worse than signed, not by one unit. A fill that no whole payment fits must wait for a quantity that it does.

An order that is filled whole at once is spent by its nonce alone, one bit. The first order of a maker's that begins takes the nonce;
where it is filled in parts, one slot tells how much of it is filled and from when it is void, and binds the nonce to its hash. An
order that has begun is not asked for its signature again: it stays good until it is filled, expired or cancelled.
"""

from access import ownership
from access import agents
from crypto import signers

initializes: ownership
initializes: agents[ownership := ownership]

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)

ORDERS_MAX: constant(uint256) = 64
TRADES_MAX: constant(uint256) = 128
# The makers of a batch and the fee receiver.
PARTIES_MAX: constant(uint256) = ORDERS_MAX + 1
SIGNATURES_BYTES_MAX: constant(uint256) = 8192

# What a maker cancels on the chain stops counting after this long: a trade that was matched before can still settle, so that nobody
# matches and then cancels to make others pay for trades that fail. The venue stops matching at once.
CANCEL_DELAY_SECONDS: constant(uint256) = 900

# So that the product of the two does not wrap around, and a quantity fits an order's slot.
QUANTITY_MAX: constant(uint256) = 2**96 - 1
PAYMENT_MAX: constant(uint256) = 2**128 - 1
NONCE_MAX: constant(uint256) = 2**96 - 1
NONCES_A_WORD: constant(uint256) = 128
# The greatest cap on a fee that an order can sign for: a tenth of the payment.
FEE_BPS_MAX: constant(uint256) = 1_000
BPS: constant(uint256) = 10_000

# A trade of a batch may use this much, so that no token or wallet can use up what the other trades need.
TRADE_GAS: constant(uint256) = 600_000
# What must be there for a trade to get that much (EIP-150 keeps a 64th back), with the cost of the call.
TRADE_GAS_AT_HAND: constant(uint256) = 620_000

DOMAIN_TYPE: constant(bytes32) = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
ORDER_TYPE: constant(bytes32) = keccak256(
    "Order(address security,address payment_token,bytes32 market_id,address maker,bool is_sale,uint256 quantity,uint256 payment,uint256 minimum_fill,uint256 fee_bps_max,uint256 expires_at,uint256 nonce)"
)
DOMAIN_NAME: constant(String[29]) = "Muniment delivery vs. payment"
DOMAIN_NAME_HASH: constant(bytes32) = keccak256("Muniment delivery vs. payment")
DOMAIN_VERSION: constant(String[1]) = "1"
DOMAIN_VERSION_HASH: constant(bytes32) = keccak256("1")

# What every settlement reads, in one word: fee receiver 0..159 | paused 160
ADDRESS: constant(uint256) = 2**160 - 1
PAUSED: constant(uint256) = 2**160

# 128 nonces of a maker in one word: used 0..127 | all void from 128..167 | some cancelled singly 168
USED: constant(uint256) = 2**128 - 1
WORD_VOID_AT: constant(uint256) = 128
INSTANT: constant(uint256) = 2**40 - 1
SOME_SINGLY: constant(uint256) = 2**168
WORDS_MAX: constant(uint256) = 16

# What a nonce stands for, in one word: filled 0..95 | void from 96..135 | the first 120 bits of the hash of the order that took it
ORDER_VOID_AT: constant(uint256) = 96
HASH_AT: constant(uint256) = 136

# The answers of `check_trade` and `TradeFailed`.
YES: constant(uint256) = 0
IS_PAUSED: constant(uint256) = 1
OUT_OF_RANGE: constant(uint256) = 60
WRONG_SIDE: constant(uint256) = 61
EXPIRED: constant(uint256) = 62
CANCELLED: constant(uint256) = 63
NOT_SIGNED: constant(uint256) = 64
NONCE_USED: constant(uint256) = 65
SAME_MAKER: constant(uint256) = 66
TRADE_EMPTY: constant(uint256) = 67
QUANTITY_TOO_LARGE: constant(uint256) = 68
FILL_TOO_SMALL: constant(uint256) = 69
PRICE_OUTSIDE_LIMITS: constant(uint256) = 70
FEE_ABOVE_CAP: constant(uint256) = 71
SECURITY_REFUSED: constant(uint256) = 72
PAYMENT_REFUSED: constant(uint256) = 73
PAYMENT_SHORT: constant(uint256) = 74
FEE_REFUSED: constant(uint256) = 75
OUT_OF_GAS: constant(uint256) = 76


struct Market:
    security: address
    payment_token: address
    market_id: bytes32


# What a maker signs, together with the market, in this order.
struct Order:
    maker: address
    is_sale: bool
    quantity: uint256  # At most this much, in the security's base units ...
    payment: uint256  # ... for at most (a purchase) or at least (a sale) this much for the whole, in the payment token's units.
    minimum_fill: uint256  # No fill is smaller, but the last of an order.
    fee_bps_max: uint256  # Of the payment of each fill.
    expires_at: uint256  # Unix seconds; the last at which the order is good.
    nonce: uint256


# What the agent decides.
struct Terms:
    trade_id: uint256
    quantity: uint256
    payment: uint256
    buyer_fee: uint256  # On top of the payment.
    seller_fee: uint256  # Out of the payment.


struct ListedOrder:
    order: Order
    signature_bytes: uint256  # How many of the signatures' bytes are this order's; none for an order that has begun.


struct ListedTrade:
    terms: Terms
    buy: uint256  # Positions among the listed orders.
    sell: uint256


# An order as the chain knows it.
struct Standing:
    order_hash: bytes32
    filled: uint256
    void_from: uint256
    code: uint256


event TradeSettled:
    trade_id: indexed(uint256)
    buy_order: bytes32
    sell_order: bytes32
    quantity: uint256
    payment: uint256
    buyer_fee: uint256
    seller_fee: uint256

event TradeFailed:
    trade_id: indexed(uint256)
    code: uint256
    fact: uint256

event OrderCancelled:
    maker: indexed(address)
    order_hash: indexed(bytes32)
    void_from: uint256

event NoncesCancelled:
    maker: indexed(address)
    word: uint256
    mask: uint256
    void_from: uint256

event NonceWordsCancelled:
    maker: indexed(address)
    first_word: uint256
    last_word: uint256
    void_from: uint256

event FeeReceiverSet:
    fee_receiver: indexed(address)

event Paused:
    agent: address

event Unpaused:
    agent: address

event EIP712DomainChanged:
    pass

_hot: uint256
_nonce_words: HashMap[address, HashMap[uint256, uint256]]
_orders: HashMap[address, HashMap[uint256, uint256]]


# The owner's and the agents' acts


@external
def initialize(fee_receiver: address):
    """@notice Makes the caller the owner and names who gets the fees, once."""
    ownership._begin()
    self._set_fee_receiver(fee_receiver)
    log EIP712DomainChanged()


@external
def set_fee_receiver(fee_receiver: address):
    """@notice Names who gets the fees from now on. Owner only."""
    ownership._check_owner()
    self._set_fee_receiver(fee_receiver)


@external
def pause():
    """@notice Stops settlement. Agent only."""
    agents._check_agent()
    self._check_not_paused(self._hot)
    self._hot |= PAUSED
    log Paused(agent=msg.sender)


@external
def unpause():
    """@notice Lets trades settle again. Agent only."""
    agents._check_agent()
    assert self._hot & PAUSED != 0, "Pausable: not paused"
    self._hot &= ~PAUSED
    log Unpaused(agent=msg.sender)


@external
@nonreentrant
def settle(
    market: Market,
    buy: Order,
    sell: Order,
    terms: Terms,
    buy_signature: Bytes[signers.SIGNATURE_BYTES_MAX],
    sell_signature: Bytes[signers.SIGNATURE_BYTES_MAX],
):
    """
    @notice Settles one trade whole, or reverts with what `check_trade` would answer, in words. Agent only.
    @dev The signature of an order that has begun to fill may be left empty.
    """
    agents._check_agent()
    hot: uint256 = self._hot
    self._check_not_paused(hot)
    domain: bytes32 = self._domain_separator()
    buy_standing: Standing = self._standing(market, buy, buy_signature, domain)
    sell_standing: Standing = self._standing(market, sell, sell_signature, domain)
    code: uint256 = YES
    fact: uint256 = 0
    code, fact = self._judge(buy, sell, buy_standing, sell_standing, terms)
    if code == YES:
        # Booked before any call leaves: a payment token that calls back finds the orders filled.
        self._begin(buy, buy_standing.filled)
        self._begin(sell, sell_standing.filled)
        # Within the orders' quantities, as judged.
        self._book(buy, buy_standing, unsafe_add(buy_standing.filled, terms.quantity))
        self._book(sell, sell_standing, unsafe_add(sell_standing.filled, terms.quantity))
        code = self._deliver(market, buy.maker, sell.maker, terms, self._fee_receiver(hot))
    if code != YES:
        self._refuse(code)
    self._log_settled(terms, buy_standing.order_hash, sell_standing.order_hash)


@external
@nonreentrant
def settle_batch(
    market: Market,
    orders: DynArray[ListedOrder, ORDERS_MAX],
    signatures: Bytes[SIGNATURES_BYTES_MAX],
    trades: DynArray[ListedTrade, TRADES_MAX],
    is_netted: bool,
) -> uint256:
    """
    @notice Settles the trades of one market one after the other; one that cannot settle is reported by `TradeFailed`, with the code
    that `check_trade` would answer and, up to 72, its fact, and leaves no trace in the others. Agent only.
    @dev Each order is listed once, however many trades it has, and the signatures stand one after the other in the orders' order.
    Each trade may use 600,000 gas; where less is left the whole reverts, so no trade fails for want of gas that the agent saved.
    Netted, each maker gives and gets only the sum of its trades, directly from maker to maker in the order of the list; where that
    is refused, the trades settle one by one after all.
    @return How many trades have settled.
    """
    agents._check_agent()
    hot: uint256 = self._hot
    self._check_not_paused(hot)
    domain: bytes32 = self._domain_separator()
    standings: Standing[ORDERS_MAX] = empty(Standing[ORDERS_MAX])
    signature_at: uint256 = 0
    for i: uint256 in range(len(orders), bound=ORDERS_MAX):
        signature: Bytes[signers.SIGNATURE_BYTES_MAX] = b""
        length: uint256 = orders[i].signature_bytes
        if length > 0:
            assert length <= signers.SIGNATURE_BYTES_MAX, "settlement: signature is too long"
            assert signature_at + length <= len(signatures), "settlement: signatures are cut short"
            signature = convert(slice(signatures, signature_at, length), Bytes[signers.SIGNATURE_BYTES_MAX])
            signature_at += length
        standings[i] = self._standing(market, orders[i].order, signature, domain)

    if is_netted:
        # With half of the gas, so that the other half can settle the trades one by one.
        if raw_call(
            self,
            abi_encode(
                market,
                orders,
                standings,
                trades,
                self._fee_receiver(hot),
                method_id=method_id(
                    "deliver_net((address,address,bytes32),((address,bool,uint256,uint256,uint256,uint256,uint256,uint256),uint256)[],(bytes32,uint256,uint256,uint256)[64],((uint256,uint256,uint256,uint256,uint256),uint256,uint256)[],address)"
                ),
            ),
            gas=msg.gas // 2,
            revert_on_failure=False,
        ):
            return len(trades)

    filled: uint256[ORDERS_MAX] = empty(uint256[ORDERS_MAX])
    for i: uint256 in range(len(orders), bound=ORDERS_MAX):
        filled[i] = standings[i].filled
    settled: uint256 = 0
    for trade: ListedTrade in trades:
        assert trade.buy < len(orders) and trade.sell < len(orders), "settlement: trade names an order that is not listed"
        buy: Order = orders[trade.buy].order
        sell: Order = orders[trade.sell].order
        buy_standing: Standing = self._standing_now(buy, standings[trade.buy], filled[trade.buy])
        sell_standing: Standing = self._standing_now(sell, standings[trade.sell], filled[trade.sell])
        code: uint256 = YES
        fact: uint256 = 0
        code, fact = self._judge(buy, sell, buy_standing, sell_standing, trade.terms)
        if code == YES:
            code, fact = self._try_to_deliver(market, buy.maker, sell.maker, trade.terms, self._fee_receiver(hot))
        if code != YES:
            log TradeFailed(trade_id=trade.terms.trade_id, code=code, fact=fact)
            continue
        # The counts are written once an order, at the end; until then nobody can come in.
        self._begin(buy, buy_standing.filled)
        self._begin(sell, sell_standing.filled)
        # Within the orders' quantities, as judged.
        filled[trade.buy] = unsafe_add(buy_standing.filled, trade.terms.quantity)
        filled[trade.sell] = unsafe_add(sell_standing.filled, trade.terms.quantity)
        self._log_settled(trade.terms, buy_standing.order_hash, sell_standing.order_hash)
        settled += 1

    for i: uint256 in range(len(orders), bound=ORDERS_MAX):
        self._book_listed(orders[i].order, standings[i], filled[i])
    return settled


@external
def deliver_net(
    market: Market,
    orders: DynArray[ListedOrder, ORDERS_MAX],
    standings: Standing[ORDERS_MAX],
    trades: DynArray[ListedTrade, TRADES_MAX],
    fee_receiver: address,
):
    """
    @notice Settles all trades of a batch by the sums of what each order gives and gets, or reverts. For this contract's own calls only.
    @dev What is given adds up to what is got, trade by trade; so it does over all.
    """
    assert msg.sender == self, "settlement: caller is not this contract"
    filled: uint256[ORDERS_MAX] = empty(uint256[ORDERS_MAX])
    makers: address[PARTIES_MAX] = empty(address[PARTIES_MAX])
    for i: uint256 in range(len(orders), bound=ORDERS_MAX):
        filled[i] = standings[i].filled
        makers[i] = orders[i].order.maker
    # The fee receiver stands behind the last order.
    makers[len(orders)] = fee_receiver
    shares_given: uint256[PARTIES_MAX] = empty(uint256[PARTIES_MAX])
    shares_got: uint256[PARTIES_MAX] = empty(uint256[PARTIES_MAX])
    money_given: uint256[PARTIES_MAX] = empty(uint256[PARTIES_MAX])
    money_got: uint256[PARTIES_MAX] = empty(uint256[PARTIES_MAX])
    for trade: ListedTrade in trades:
        terms: Terms = trade.terms
        buy: Order = orders[trade.buy].order
        sell: Order = orders[trade.sell].order
        buy_standing: Standing = self._standing_now(buy, standings[trade.buy], filled[trade.buy])
        sell_standing: Standing = self._standing_now(sell, standings[trade.sell], filled[trade.sell])
        assert self._judge(buy, sell, buy_standing, sell_standing, terms)[0] == YES, "settlement: trade cannot be netted"
        self._begin(buy, buy_standing.filled)
        self._begin(sell, sell_standing.filled)
        # Amounts judged: each has 129 bits at most, and there are 128 trades.
        filled[trade.buy] = unsafe_add(buy_standing.filled, terms.quantity)
        filled[trade.sell] = unsafe_add(sell_standing.filled, terms.quantity)
        shares_given[trade.sell] = unsafe_add(shares_given[trade.sell], terms.quantity)
        shares_got[trade.buy] = unsafe_add(shares_got[trade.buy], terms.quantity)
        money_given[trade.buy] = unsafe_add(money_given[trade.buy], unsafe_add(terms.payment, terms.buyer_fee))
        money_got[trade.sell] = unsafe_add(money_got[trade.sell], unsafe_sub(terms.payment, terms.seller_fee))
        money_got[len(orders)] = unsafe_add(money_got[len(orders)], unsafe_add(terms.buyer_fee, terms.seller_fee))
        self._log_settled(terms, buy_standing.order_hash, sell_standing.order_hash)
    for i: uint256 in range(len(orders), bound=ORDERS_MAX):
        self._book_listed(orders[i].order, standings[i], filled[i])
    self._move_net(market.security, makers, shares_given, shares_got, len(orders) + 1, False)
    self._move_net(market.payment_token, makers, money_given, money_got, len(orders) + 1, True)


@external
def deliver(market: Market, buyer: address, seller: address, terms: Terms, fee_receiver: address):
    """
    @notice Moves what one trade of a batch moves. For this contract's own calls only.
    @dev Reverts with two words, the code and the fact, so that nothing of a trade that fails remains.
    """
    assert msg.sender == self, "settlement: caller is not this contract"
    code: uint256 = self._deliver(market, buyer, seller, terms, fee_receiver)
    if code != YES:
        fact: uint256 = 0
        if code == SECURITY_REFUSED:
            fact = self._why_not(market.security, seller, buyer, terms.quantity)[1]
        raw_revert(abi_encode(code, fact))


# The makers' acts


@external
@nonreentrant
def cancel_order(market: Market, order: Order):
    """@notice Voids an order of the caller's, begun or not, and every other with its nonce, 900 seconds from now."""
    assert order.maker == msg.sender, "settlement: caller is not the maker"
    assert order.nonce <= NONCE_MAX, "settlement: nonce is too large"
    assert self._cancelled_from(market, order) == 0, "settlement: order is already cancelled"
    void_from: uint256 = block.timestamp + CANCEL_DELAY_SECONDS
    self._cancel(order.nonce, void_from)
    self._nonce_words[msg.sender][order.nonce // NONCES_A_WORD] |= SOME_SINGLY
    log OrderCancelled(maker=msg.sender, order_hash=self._order_hash(market, order), void_from=void_from)


@external
@nonreentrant
def cancel_nonces(word: uint256, mask: uint256):
    """
    @notice Voids the caller's orders, begun or not, whose nonce is 128 * `word` + the place of a bit that is set in `mask`, 900
    seconds from now. A nonce that was cancelled before keeps its earlier time.
    """
    assert word <= NONCE_MAX // NONCES_A_WORD, "settlement: nonce is too large"
    assert mask != 0 and mask <= USED, "settlement: mask names no nonce of a word"
    void_from: uint256 = block.timestamp + CANCEL_DELAY_SECONDS
    for bit: uint256 in range(NONCES_A_WORD):
        if (mask >> bit) & 1 == 1:
            self._cancel(word * NONCES_A_WORD + bit, void_from)
    self._nonce_words[msg.sender][word] |= SOME_SINGLY
    log NoncesCancelled(maker=msg.sender, word=word, mask=mask, void_from=void_from)


@external
@nonreentrant
def cancel_nonce_words(first_word: uint256, last_word: uint256):
    """
    @notice Voids all orders of the caller's, begun or not, known or not, whose nonce is from 128 * `first_word` to 128 * `last_word`
    + 127, 900 seconds from now. What was cancelled before keeps its earlier time. Never to be taken back.
    """
    assert last_word <= NONCE_MAX // NONCES_A_WORD, "settlement: nonce is too large"
    assert first_word <= last_word and last_word - first_word < WORDS_MAX, "settlement: words are none or too many"
    void_from: uint256 = block.timestamp + CANCEL_DELAY_SECONDS
    for word: uint256 in range(first_word, last_word + 1, bound=WORDS_MAX):
        state: uint256 = self._nonce_words[msg.sender][word]
        if (state >> WORD_VOID_AT) & INSTANT != 0:
            continue
        self._nonce_words[msg.sender][word] = state | (void_from << WORD_VOID_AT)
        # What has begun tells of its cancellation itself; what begins from now on takes the word's along.
        for bit: uint256 in range(NONCES_A_WORD):
            if (state >> bit) & 1 == 1 and self._orders[msg.sender][word * NONCES_A_WORD + bit] != 0:
                self._cancel(word * NONCES_A_WORD + bit, void_from)
    log NonceWordsCancelled(maker=msg.sender, first_word=first_word, last_word=last_word, void_from=void_from)


# Views


@external
@view
def check_trade(
    market: Market,
    buy: Order,
    sell: Order,
    terms: Terms,
    buy_signature: Bytes[signers.SIGNATURE_BYTES_MAX],
    sell_signature: Bytes[signers.SIGNATURE_BYTES_MAX],
) -> (uint256, uint256):
    """
    @notice Whether an agent's `settle` would succeed now, and if not, why.
    @dev The fact: of codes 60 to 65 and 68 to 71 the side, 0 the purchase and 1 the sale; of 72 the security's own reason where it
    answers `check_transfer`; of 73 and 75 how much the buyer could pay. A payment token that takes a fee, or lies, is found out
    by settling only.
    @return The reason's number, 0 for a yes; the fact behind a no.
    """
    hot: uint256 = self._hot
    if hot & PAUSED != 0:
        return IS_PAUSED, 0
    domain: bytes32 = self._domain_separator()
    buy_standing: Standing = self._standing(market, buy, buy_signature, domain)
    sell_standing: Standing = self._standing(market, sell, sell_signature, domain)
    code: uint256 = YES
    fact: uint256 = 0
    code, fact = self._judge(buy, sell, buy_standing, sell_standing, terms)
    if code != YES:
        return code, fact
    is_known: bool = False
    is_known, fact = self._why_not(market.security, sell.maker, buy.maker, terms.quantity)
    if fact != 0:
        return SECURITY_REFUSED, fact
    if not is_known and self._asked(market.security, abi_encode(sell.maker, method_id=method_id("balanceOf(address)"))) < terms.quantity:
        return SECURITY_REFUSED, 0
    if self._allowance(market.security, sell.maker) < terms.quantity:
        return SECURITY_REFUSED, 0
    affordable: uint256 = min(self._balance(market.payment_token, buy.maker), self._allowance(market.payment_token, buy.maker))
    # At most the payment, as judged; and a payment has 128 bits.
    proceeds: uint256 = unsafe_sub(terms.payment, terms.seller_fee)
    if affordable < proceeds:
        return PAYMENT_REFUSED, affordable
    if affordable < unsafe_add(terms.payment, terms.buyer_fee):
        return FEE_REFUSED, affordable
    return YES, 0


@external
@view
def order_hash(market: Market, order: Order) -> bytes32:
    """@notice What stands for an order: EIP-712's hash of the signed struct."""
    return self._order_hash(market, order)


@external
@view
def filled(market: Market, order: Order) -> uint256:
    """@notice How much of an order is filled that was not filled whole at once; of one that was, its used nonce tells."""
    state: uint256 = self._orders[order.maker][order.nonce]
    return state & QUANTITY_MAX if self._is_begun(state, self._order_hash(market, order)) else 0


@external
@view
def void_from(market: Market, order: Order) -> uint256:
    """@notice From when on, in Unix seconds, the order is void because its maker cancelled it; 0 where it was not cancelled."""
    return self._cancelled_from(market, order)


@external
@view
def is_nonce_used(maker: address, nonce: uint256) -> bool:
    """@notice Whether an order of the maker's with this nonce has begun or has been filled."""
    return self._is_used(self._nonce_words[maker][nonce // NONCES_A_WORD], nonce)


@external
@view
def fee_receiver() -> address:
    return self._fee_receiver(self._hot)


@external
@view
def paused() -> bool:
    return self._hot & PAUSED != 0


@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    return self._domain_separator()


@external
@view
def eip712Domain() -> (bytes1, String[29], String[1], uint256, address, bytes32, DynArray[uint256, 1]):
    """@notice The signing domain (ERC-5267): name, version, chain and this contract."""
    return (0x0f, DOMAIN_NAME, DOMAIN_VERSION, chain.id, self, empty(bytes32), [])


# Internal: judging


@internal
@view
def _standing(market: Market, order: Order, signature: Bytes[signers.SIGNATURE_BYTES_MAX], domain: bytes32) -> Standing:
    """@dev How much of the order is filled, and what stands against it whatever the trade."""
    standing: Standing = Standing(order_hash=self._order_hash(market, order), filled=0, void_from=0, code=YES)
    if (
        order.quantity > QUANTITY_MAX
        or order.payment > PAYMENT_MAX
        or order.fee_bps_max > FEE_BPS_MAX
        or order.nonce > NONCE_MAX
    ):
        standing.code = OUT_OF_RANGE
        return standing
    if block.timestamp > order.expires_at:
        standing.code = EXPIRED
        return standing

    state: uint256 = 0
    word: uint256 = 0
    is_begun: bool = False
    is_used: bool = False
    # Without a signature it is likely to have begun: then its own slot tells all, and the nonces need not be read.
    if len(signature) == 0:
        state = self._orders[order.maker][order.nonce]
        is_begun = self._is_begun(state, standing.order_hash)
    if not is_begun:
        word = self._nonce_words[order.maker][order.nonce // NONCES_A_WORD]
        is_used = self._is_used(word, order.nonce)
        if is_used or word & SOME_SINGLY != 0:
            state = self._orders[order.maker][order.nonce]
            is_begun = self._is_begun(state, standing.order_hash)
    if is_begun:
        standing.filled = state & QUANTITY_MAX
    elif is_used:
        standing.code = NONCE_USED
        return standing
    standing.void_from = self._earliest(state, word)
    if standing.void_from != 0 and block.timestamp >= standing.void_from:
        standing.code = CANCELLED
    elif not is_begun:
        if not signers._is_signed_by(order.maker, keccak256(concat(x"1901", domain, standing.order_hash)), signature):
            standing.code = NOT_SIGNED
    return standing


@internal
@pure
def _judge(buy: Order, sell: Order, buy_standing: Standing, sell_standing: Standing, terms: Terms) -> (uint256, uint256):
    """@dev Whether the trade is within what both have signed; one judgement for the views and the acts."""
    if buy.is_sale:
        return WRONG_SIDE, 0
    if not sell.is_sale:
        return WRONG_SIDE, 1
    code: uint256 = self._judge_fill(buy, buy_standing, terms.quantity)
    if code != YES:
        return code, 0
    code = self._judge_fill(sell, sell_standing, terms.quantity)
    if code != YES:
        return code, 1
    if buy.maker == sell.maker:
        return SAME_MAKER, 0
    if terms.quantity == 0 or terms.payment == 0:
        return TRADE_EMPTY, 0
    # A fill is no larger than its order, so at the limit its payment is no larger than the order's: products then fit.
    if terms.payment > buy.payment or unsafe_mul(terms.payment, buy.quantity) > unsafe_mul(buy.payment, terms.quantity):
        return PRICE_OUTSIDE_LIMITS, 0
    if unsafe_mul(terms.payment, sell.quantity) < unsafe_mul(sell.payment, terms.quantity):
        return PRICE_OUTSIDE_LIMITS, 1
    # A fee up to the payment times 10,000 has 142 bits.
    if terms.buyer_fee > terms.payment or unsafe_mul(terms.buyer_fee, BPS) > unsafe_mul(terms.payment, buy.fee_bps_max):
        return FEE_ABOVE_CAP, 0
    if terms.seller_fee > terms.payment or unsafe_mul(terms.seller_fee, BPS) > unsafe_mul(terms.payment, sell.fee_bps_max):
        return FEE_ABOVE_CAP, 1
    return YES, 0


@internal
@view
def _standing_now(order: Order, standing: Standing, filled: uint256) -> Standing:
    """@dev An order's standing in the middle of a batch, where another order may have taken the nonce since it was looked up."""
    now: Standing = standing
    now.filled = filled
    if filled == 0 and now.code == YES:
        if self._is_used(self._nonce_words[order.maker][order.nonce // NONCES_A_WORD], order.nonce):
            now.code = NONCE_USED
    return now


@internal
@pure
def _judge_fill(order: Order, standing: Standing, quantity: uint256) -> uint256:
    if standing.code != YES:
        return standing.code
    # Never more is filled than ordered.
    left: uint256 = unsafe_sub(order.quantity, standing.filled)
    if quantity > left:
        return QUANTITY_TOO_LARGE
    if quantity < order.minimum_fill and quantity < left:
        return FILL_TOO_SMALL
    return YES


@internal
@view
def _cancelled_from(market: Market, order: Order) -> uint256:
    return self._earliest(self._orders[order.maker][order.nonce], self._nonce_words[order.maker][order.nonce // NONCES_A_WORD])


@internal
@pure
def _earliest(state: uint256, word: uint256) -> uint256:
    """@dev The earlier of a nonce's own cancellation and its word's; 0 for none."""
    own: uint256 = (state >> ORDER_VOID_AT) & INSTANT
    words: uint256 = (word >> WORD_VOID_AT) & INSTANT
    if own == 0 or (words != 0 and words < own):
        return words
    return own


@internal
@pure
def _is_begun(state: uint256, order_hash: bytes32) -> bool:
    """@dev Whether it was this order that took the nonce, to be filled in parts."""
    return state >> HASH_AT == convert(order_hash, uint256) >> HASH_AT


@internal
@pure
def _is_used(word: uint256, nonce: uint256) -> bool:
    return (word >> (nonce % NONCES_A_WORD)) & 1 == 1


@internal
@pure
def _refuse(code: uint256):
    """@dev Reverts with the words of a code that is not a yes."""
    assert code != OUT_OF_RANGE, "settlement: order is out of range"
    assert code != WRONG_SIDE, "settlement: orders are not a purchase and a sale"
    assert code != EXPIRED, "settlement: order has expired"
    assert code != CANCELLED, "settlement: order is cancelled"
    assert code != NOT_SIGNED, "settlement: order is not signed by its maker"
    assert code != NONCE_USED, "settlement: nonce is used"
    assert code != SAME_MAKER, "settlement: buyer and seller are the same"
    assert code != TRADE_EMPTY, "settlement: trade is empty"
    assert code != QUANTITY_TOO_LARGE, "settlement: quantity exceeds what is left of the order"
    assert code != FILL_TOO_SMALL, "settlement: fill is smaller than the minimum"
    assert code != PRICE_OUTSIDE_LIMITS, "settlement: price is outside the limits"
    assert code != FEE_ABOVE_CAP, "settlement: fee exceeds its cap"
    assert code != SECURITY_REFUSED, "settlement: security was refused"
    assert code != PAYMENT_REFUSED, "settlement: payment was refused"
    assert code != PAYMENT_SHORT, "settlement: seller did not get the amount"
    raise "settlement: fee was refused"


# Internal: signing


@internal
@pure
def _order_hash(market: Market, order: Order) -> bytes32:
    return keccak256(abi_encode(ORDER_TYPE, market, order))


@internal
@view
def _domain_separator() -> bytes32:
    # Computed at each use: a clone and a fork of the chain each get their own domain.
    return keccak256(abi_encode(DOMAIN_TYPE, DOMAIN_NAME_HASH, DOMAIN_VERSION_HASH, chain.id, self))


# Internal: booking


@internal
def _begin(order: Order, filled: uint256):
    """@dev An order that begins takes its nonce."""
    if filled == 0:
        self._nonce_words[order.maker][order.nonce // NONCES_A_WORD] |= 1 << (order.nonce % NONCES_A_WORD)


@internal
def _book(order: Order, standing: Standing, filled: uint256):
    """@dev Of an order that is filled whole at once the nonce tells enough."""
    if standing.filled > 0 or filled < order.quantity:
        # As many bits as the order's quantity; an instant has 40.
        self._orders[order.maker][order.nonce] = (
            (convert(standing.order_hash, uint256) >> HASH_AT << HASH_AT) | (standing.void_from << ORDER_VOID_AT) | filled
        )


@internal
def _book_listed(order: Order, standing: Standing, filled: uint256):
    """@dev An order of a batch, once for all its trades."""
    if filled != standing.filled:
        if standing.filled > 0:
            found: uint256 = self._orders[order.maker][order.nonce] & QUANTITY_MAX
            assert found == standing.filled, "settlement: order is listed twice"
        self._book(order, standing, filled)


@internal
def _cancel(nonce: uint256, void_from: uint256):
    """@dev Voids a nonce of the caller's; one that was cancelled before keeps its earlier time."""
    state: uint256 = self._orders[msg.sender][nonce]
    if (state >> ORDER_VOID_AT) & INSTANT == 0:
        self._orders[msg.sender][nonce] = state | (void_from << ORDER_VOID_AT)


@internal
def _log_settled(terms: Terms, buy_order: bytes32, sell_order: bytes32):
    log TradeSettled(
        trade_id=terms.trade_id,
        buy_order=buy_order,
        sell_order=sell_order,
        quantity=terms.quantity,
        payment=terms.payment,
        buyer_fee=terms.buyer_fee,
        seller_fee=terms.seller_fee,
    )


# Internal: moving


@internal
def _try_to_deliver(market: Market, buyer: address, seller: address, terms: Terms, fee_receiver: address) -> (uint256, uint256):
    """@dev The trade's legs in a call of their own, which leaves nothing behind when it fails."""
    assert msg.gas >= TRADE_GAS_AT_HAND, "settlement: too little gas for a trade"
    success: bool = False
    answer: Bytes[64] = b""
    success, answer = raw_call(
        self,
        abi_encode(
            market,
            buyer,
            seller,
            terms,
            fee_receiver,
            method_id=method_id(
                "deliver((address,address,bytes32),address,address,(uint256,uint256,uint256,uint256,uint256),address)"
            ),
        ),
        max_outsize=64,
        gas=TRADE_GAS,
        revert_on_failure=False,
    )
    if success:
        return YES, 0
    if len(answer) != 64:
        return OUT_OF_GAS, 0
    return extract32(answer, 0, output_type=uint256), extract32(answer, 32, output_type=uint256)


@internal
def _deliver(market: Market, buyer: address, seller: address, terms: Terms, fee_receiver: address) -> uint256:
    """@dev Security, payment, fee. Answers what went wrong; the caller then reverts."""
    if not self._take(market.security, seller, buyer, terms.quantity):
        return SECURITY_REFUSED
    # Judged: the seller's fee is at most a tenth of the payment, and both fees together are less than two payments.
    proceeds: uint256 = unsafe_sub(terms.payment, terms.seller_fee)
    fee: uint256 = unsafe_add(terms.buyer_fee, terms.seller_fee)
    code: uint256 = self._pay(market.payment_token, buyer, seller, proceeds)
    if code != YES:
        return code
    if fee > 0 and not self._take(market.payment_token, buyer, fee_receiver, fee):
        return FEE_REFUSED
    return YES


@internal
def _pay(payment_token: address, buyer: address, seller: address, amount: uint256) -> uint256:
    """@dev The payment is weighed: a token that keeps a fee of its own would short the seller."""
    balance: uint256 = self._balance(payment_token, seller)
    if not self._take(payment_token, buyer, seller, amount):
        return PAYMENT_REFUSED
    # Wraps for a token only whose balances do, and then it is short.
    if unsafe_sub(self._balance(payment_token, seller), balance) != amount:
        return PAYMENT_SHORT
    return YES


@internal
def _move_net(
    token: address,
    makers: address[PARTIES_MAX],
    gives: uint256[PARTIES_MAX],
    gets: uint256[PARTIES_MAX],
    parties: uint256,
    is_payment: bool,
):
    """@dev Hands on from the first who gives to the first who gets, as much as both have left, until nothing is left."""
    left_to_give: uint256[PARTIES_MAX] = gives
    giver: uint256 = 0
    for getter: uint256 in range(parties, bound=PARTIES_MAX):
        wanted: uint256 = gets[getter]
        # Each step ends a giver's or the getter's part.
        for step: uint256 in range(2 * PARTIES_MAX):
            if wanted == 0:
                break
            amount: uint256 = min(left_to_give[giver], wanted)
            if amount == 0:
                giver += 1
                continue
            # No more than either.
            left_to_give[giver] = unsafe_sub(left_to_give[giver], amount)
            wanted = unsafe_sub(wanted, amount)
            # To itself a maker's balance does not change, and the fee receiver bears its own risk: neither is weighed.
            if is_payment and makers[giver] != makers[getter] and getter != parties - 1:
                assert self._pay(token, makers[giver], makers[getter], amount) == YES, "settlement: payment was refused"
            else:
                assert self._take(token, makers[giver], makers[getter], amount), "settlement: netted leg was refused"


@internal
def _take(token: address, sender: address, receiver: address, amount: uint256) -> bool:
    """@dev Takes a token that returns nothing for a yes, as some old and widely used ones do."""
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        token,
        abi_encode(sender, receiver, amount, method_id=method_id("transferFrom(address,address,uint256)")),
        max_outsize=32,
        revert_on_failure=False,
    )
    if not success:
        return False
    if len(answer) == 0:
        return token.is_contract
    return len(answer) == 32 and convert(answer, uint256) == 1


@internal
@view
def _why_not(security: address, seller: address, buyer: address, quantity: uint256) -> (bool, uint256):
    """@dev Whether the security answers `check_transfer`, and its reason against the transfer, 0 for none."""
    success: bool = False
    answer: Bytes[64] = b""
    success, answer = raw_call(
        security,
        abi_encode(seller, buyer, quantity, method_id=method_id("check_transfer(address,address,uint256)")),
        max_outsize=64,
        revert_on_failure=False,
        is_static_call=True,
    )
    if not success or len(answer) != 64:
        return False, 0
    return True, extract32(answer, 0, output_type=uint256)


@internal
@view
def _balance(token: address, holder: address) -> uint256:
    return self._asked(token, abi_encode(holder, method_id=method_id("balanceOf(address)")))


@internal
@view
def _allowance(token: address, holder: address) -> uint256:
    return self._asked(token, abi_encode(holder, self, method_id=method_id("allowance(address,address)")))


@internal
@view
def _asked(token: address, question: Bytes[68]) -> uint256:
    """@dev The number that a token answers; 0 where it answers none."""
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(token, question, max_outsize=32, revert_on_failure=False, is_static_call=True)
    return convert(answer, uint256) if success and len(answer) == 32 else 0


# Internal: wiring


@internal
def _set_fee_receiver(fee_receiver: address):
    assert fee_receiver != empty(address), "invalid argument - zero address"
    assert fee_receiver != self, "settlement: this contract holds no money"
    self._hot = (self._hot & ~ADDRESS) | convert(fee_receiver, uint256)
    log FeeReceiverSet(fee_receiver=fee_receiver)


@internal
@pure
def _fee_receiver(hot: uint256) -> address:
    return convert(hot & ADDRESS, address)


@internal
@pure
def _check_not_paused(hot: uint256):
    assert hot & PAUSED == 0, "Pausable: paused"
