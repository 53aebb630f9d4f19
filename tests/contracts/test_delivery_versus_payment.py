# SPDX-License-Identifier: Apache-2.0
"""Settling signed orders one trade at a time: within what was signed, both legs or none."""

from __future__ import annotations

import pytest
from eth_account.messages import SignableMessage

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import YES, ZERO, refused
from tests.contracts.venue import BUY, CANCEL_DELAY_SECONDS, SELL, Market, Order, Signed, Terms, Venue, open_venue
from tests.contracts.world import BLOCK_LISTED, IRAN, World

# secp256k1's order (SEC 2).
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_FILLED = Terms(1, 5, 500)


@pytest.fixture
def venue(world: World) -> Venue:
    """Sam holds 100 shares and 10 of money, Bea 10,000 of money; both are investors who approved the contract."""
    venue = open_venue(world)
    venue.maker("sam", shares=100, money=10)
    venue.maker("bea", money=10_000)
    return venue


def pair(venue: Venue, **terms: int) -> tuple[Signed, Signed]:
    """Return a purchase and a sale of ten shares at 100 each."""
    return venue.signed("bea", BUY, 10, 1_000, **terms), venue.signed("sam", SELL, 10, 1_000, **terms)


def wallet(venue: Venue, name: str) -> str:
    return venue.chain.signer(name).address


def check_refused(venue: Venue, buy: Signed, sell: Signed, terms: Terms, answer: tuple[int, int], reason: str) -> None:
    """Expect the view and the act to refuse alike."""
    assert venue.why_not(buy, sell, terms) == answer
    with refused(f"settlement: {reason}"):
        venue.settle(buy, sell, terms)


# The straight line


def test_both_legs_and_the_fees_move_directly_between_the_parties(venue: Venue) -> None:
    buy, sell = pair(venue)
    terms = Terms(7, 10, 1_000, buyer_fee=10, seller_fee=4)
    assert venue.why_not(buy, sell, terms) == (0, 0)
    done = venue.settle(buy, sell, terms)
    sam, bea = wallet(venue, "sam"), wallet(venue, "bea")
    settled = terms._asdict() | {"buy_order": venue.order_hash(buy), "sell_order": venue.order_hash(sell)}
    assert done.logs == [
        DecodedLog("Transfer", {"_from": sam, "_to": bea, "_value": 10}),
        DecodedLog("Transfer", {"sender": bea, "receiver": sam, "amount": 996}),
        DecodedLog("Transfer", {"sender": bea, "receiver": venue.fee_receiver, "amount": 14}),
        DecodedLog("TradeSettled", settled),
    ]
    assert (venue.holds(sam), venue.holds(bea)) == ((90, 1_006), (10, 8_990))
    assert venue.holds(venue.settlement.address) == (0, 0)
    assert venue.holds(venue.fee_receiver) == (0, 14)


def test_without_fees_nothing_goes_to_the_fee_receiver(venue: Venue) -> None:
    done = venue.settle(*pair(venue), Terms(1, 10, 1_000))
    assert [log.event for log in done.logs] == ["Transfer", "Transfer", "TradeSettled"]


def test_an_order_filled_whole_is_spent_by_its_nonce(venue: Venue) -> None:
    buy, sell = pair(venue, nonce=300)
    venue.settle(buy, sell, Terms(1, 10, 1_000))
    for order in (buy, sell):
        assert venue.settlement.view("is_nonce_used", order.order.maker, 300) is True
        assert venue.filled(order) == 0
    assert venue.settlement.view("is_nonce_used", buy.order.maker, 301) is False
    check_refused(venue, buy, sell, Terms(2, 10, 1_000), (65, 0), "nonce is used")
    check_refused(venue, venue.signed("bea", BUY, 10, 1_000), sell, Terms(2, 10, 1_000), (65, 1), "nonce is used")


def test_an_order_filled_in_parts_ends_at_its_quantity_and_needs_no_second_signature(venue: Venue) -> None:
    buy, sell = pair(venue)
    venue.settle(buy, sell, Terms(1, 4, 400))
    assert venue.filled(buy) == 4
    assert venue.settlement.view("is_nonce_used", buy.order.maker, 0) is True
    begun = (Signed(buy.order, b""), Signed(sell.order, b""))
    check_refused(venue, *begun, Terms(2, 7, 700), (68, 0), "quantity exceeds what is left of the order")
    venue.settle(*begun, Terms(2, 6, 600))
    assert venue.filled(sell) == 10
    check_refused(venue, *begun, Terms(3, 1, 100), (68, 0), "quantity exceeds what is left of the order")
    assert venue.holds(buy.order.maker) == (10, 9_000)


def test_of_two_orders_with_one_nonce_only_the_first_that_begins_is_filled(venue: Venue) -> None:
    buy, sell = pair(venue)
    other = venue.signed("bea", BUY, 20, 2_000)
    venue.settle(buy, sell, HALF_FILLED)
    check_refused(venue, other, sell, HALF_FILLED, (65, 0), "nonce is used")
    venue.settle(buy, sell, HALF_FILLED)


# Within what was signed


def test_a_fill_at_the_limit_is_allowed_and_one_unit_beyond_is_not(venue: Venue) -> None:
    buy, sell = venue.signed("bea", BUY, 7, 1_000), venue.signed("sam", SELL, 7, 900)
    # Three of seven at 1,000 are 428.57, at 900 they are 385.71.
    check_refused(venue, buy, sell, Terms(1, 3, 429), (70, 0), "price is outside the limits")
    check_refused(venue, buy, sell, Terms(1, 7, 1_001), (70, 0), "price is outside the limits")
    check_refused(venue, buy, sell, Terms(1, 3, 385), (70, 1), "price is outside the limits")
    for terms in (Terms(1, 3, 428), Terms(2, 3, 386), Terms(3, 1, 142)):
        venue.settle(buy, sell, terms)


def test_no_whole_payment_fits_two_equal_limits_at_a_fraction(venue: Venue) -> None:
    buy, sell = venue.signed("bea", BUY, 2, 3), venue.signed("sam", SELL, 2, 3)
    check_refused(venue, buy, sell, Terms(1, 1, 1), (70, 1), "price is outside the limits")
    check_refused(venue, buy, sell, Terms(1, 1, 2), (70, 0), "price is outside the limits")
    venue.settle(buy, sell, Terms(1, 2, 3))


def test_the_greatest_amounts_do_not_wrap_around(venue: Venue) -> None:
    most, dearest = 2**96 - 1, 2**128 - 1
    buy, sell = venue.signed("bea", BUY, most, dearest), venue.signed("sam", SELL, most, 1)
    check_refused(venue, buy, sell, Terms(1, most, 2**255), (70, 0), "price is outside the limits")
    check_refused(venue, buy, sell, Terms(1, 2**255, 1), (68, 0), "quantity exceeds what is left of the order")
    check_refused(venue, buy, sell, Terms(1, most, dearest, buyer_fee=2**255), (71, 0), "fee exceeds its cap")
    check_refused(venue, buy, sell, Terms(1, most, dearest, seller_fee=2**255), (71, 1), "fee exceeds its cap")
    check_refused(venue, buy, sell, Terms(1, most, dearest), (72, 4), "security was refused")


def test_each_side_caps_its_fee_rounded_down(venue: Venue) -> None:
    buy, sell = venue.signed("bea", BUY, 10, 999, fee_bps_max=101), venue.signed("sam", SELL, 10, 999, fee_bps_max=99)
    # 101 basis points of 999 are 10.09; 99 are 9.89.
    check_refused(venue, buy, sell, Terms(1, 10, 999, 11, 0), (71, 0), "fee exceeds its cap")
    check_refused(venue, buy, sell, Terms(1, 10, 999, 0, 10), (71, 1), "fee exceeds its cap")
    venue.settle(buy, sell, Terms(1, 10, 999, 10, 9))


def test_a_fill_is_not_below_the_minimum_but_the_last(venue: Venue) -> None:
    buy, sell = venue.signed("bea", BUY, 10, 1_000, minimum_fill=4), venue.signed("sam", SELL, 10, 1_000, minimum_fill=3)
    check_refused(venue, buy, sell, Terms(1, 3, 300), (69, 0), "fill is smaller than the minimum")
    venue.settle(buy, sell, Terms(1, 4, 400))
    other = venue.signed("bea", BUY, 10, 1_000, nonce=1)
    check_refused(venue, other, sell, Terms(1, 2, 200), (69, 1), "fill is smaller than the minimum")
    venue.settle(buy, sell, Terms(2, 4, 400))
    venue.settle(buy, sell, Terms(3, 2, 200))


def test_an_order_is_good_up_to_its_last_second(venue: Venue) -> None:
    sell = pair(venue)[1]
    short_buy = venue.signed("bea", BUY, 10, 1_000, expires_at=venue.chain.now)
    venue.settle(short_buy, sell, HALF_FILLED)
    venue.chain.pass_time(1)
    check_refused(venue, short_buy, sell, HALF_FILLED, (62, 0), "order has expired")
    short_sell = venue.signed("sam", SELL, 10, 1_000, expires_at=venue.chain.now - 1, nonce=1)
    check_refused(venue, pair(venue, nonce=2)[0], short_sell, HALF_FILLED, (62, 1), "order has expired")


def test_trades_without_sense_are_refused(venue: Venue) -> None:
    buy, sell = pair(venue)
    check_refused(venue, sell, buy, HALF_FILLED, (61, 0), "orders are not a purchase and a sale")
    check_refused(venue, buy, pair(venue, nonce=1)[0], HALF_FILLED, (61, 1), "orders are not a purchase and a sale")
    own = venue.signed("sam", BUY, 10, 1_000, nonce=1)
    check_refused(venue, own, sell, HALF_FILLED, (66, 0), "buyer and seller are the same")
    check_refused(venue, buy, sell, Terms(1, 0, 500), (67, 0), "trade is empty")
    gift = venue.signed("sam", SELL, 10, 0, nonce=2)
    check_refused(venue, buy, gift, Terms(1, 5, 0), (67, 0), "trade is empty")
    for place, (name, value) in enumerate((("fee_bps_max", 1_001), ("nonce", 2**96), ("quantity", 2**96), ("payment", 2**128))):
        wrong = resigned(venue, "bea", buy.order.but(**{name: value}))
        check_refused(venue, wrong, sell, HALF_FILLED, (60, 0), "order is out of range")
        wrong = resigned(venue, "sam", sell.order.but(**{name: value}))
        check_refused(venue, buy, wrong, HALF_FILLED, (60, 1), "order is out of range")
        greatest = resigned(venue, "bea", buy.order.but(**({"nonce": place + 10} | {name: value - 1})))
        assert venue.why_not(greatest, sell, Terms(1, 10, 1_000))[0] != 60


def resigned(venue: Venue, name: str, order: Order) -> Signed:
    return Signed(order, bytes(venue.chain.signer(name).sign_message(venue.typed(order)).signature))


# Signatures


def signed_otherwise(venue: Venue, order: Order, message: SignableMessage) -> Signed:
    return Signed(order, bytes(venue.chain.signer("bea").sign_message(message).signature))


def test_a_signature_holds_for_one_chain_one_contract_one_market_and_each_field(venue: Venue) -> None:
    buy, sell = pair(venue)
    order, market = buy.order, venue.market
    elsewhere = [
        venue.typed(order, chain_id=venue.chain.chain_id + 1),
        venue.typed(order, contract=venue.money.address),
        venue.typed(order, market=Market(market.security, market.payment_token, b"other".ljust(32, b"\0"))),
        venue.typed(order, market=Market(market.payment_token, market.payment_token)),
        venue.typed(order, market=Market(market.security, market.security)),
        venue.typed(order._replace(maker=sell.order.maker)),
        venue.typed(order._replace(is_sale=True)),
        *(venue.typed(order.but(**{field: getattr(order, field) + 1})) for field in Order._fields[2:]),
    ]
    for message in elsewhere:
        wrong = signed_otherwise(venue, order, message)
        check_refused(venue, wrong, sell, Terms(1, 10, 1_000), (64, 0), "order is not signed by its maker")
    venue.settle(signed_otherwise(venue, order, venue.typed(order)), sell, Terms(1, 10, 1_000))


def test_after_a_fork_of_the_chain_a_signature_holds_on_one_side_only(venue: Venue) -> None:
    buy, sell = pair(venue)
    domain = venue.settlement.view("DOMAIN_SEPARATOR")
    patch = venue.chain._env.evm.patch
    before = patch.chain_id
    try:
        patch.chain_id = before + 1
        assert venue.settlement.view("DOMAIN_SEPARATOR") != domain
        check_refused(venue, buy, sell, HALF_FILLED, (64, 0), "order is not signed by its maker")
    finally:
        patch.chain_id = before
    venue.settle(buy, sell, HALF_FILLED)


def test_malformed_and_malleable_signatures_are_refused(venue: Venue) -> None:
    buy, sell = pair(venue)
    r, s, v = buy.signature[:32], int.from_bytes(buy.signature[32:64], "big"), buy.signature[64]
    mirrored = (CURVE_ORDER - s).to_bytes(32, "big")
    for signature in (
        b"",
        bytes(65),
        buy.signature[:63],
        buy.signature + b"\0",
        r + mirrored + bytes([55 - v]),
        r + buy.signature[32:64] + bytes([55 - v]),
        r + buy.signature[32:64] + bytes([v - 27]),
        sell.signature,
    ):
        wrong = Signed(buy.order, signature)
        check_refused(venue, wrong, sell, HALF_FILLED, (64, 0), "order is not signed by its maker")
        check_refused(venue, buy, Signed(sell.order, signature if signature != sell.signature else buy.signature), HALF_FILLED, (64, 1),
                      "order is not signed by its maker")  # fmt: skip


def test_nobody_signs_for_the_zero_address(venue: Venue) -> None:
    buy, sell = pair(venue)
    for signature in (b"", bytes(65), bytes(64)):
        nobody = Signed(buy.order._replace(maker=ZERO), signature)
        check_refused(venue, nobody, sell, HALF_FILLED, (64, 0), "order is not signed by its maker")


@pytest.mark.parametrize("name", ["bea", "cid", "dan", "eve", "fay"])
def test_the_compact_form_of_a_signature_is_as_good(venue: Venue, name: str) -> None:
    venue.maker(name, money=1_000) if name != "bea" else None
    buy = venue.signed(name, BUY, 10, 1_000)
    s = int.from_bytes(buy.signature[32:64], "big") | (buy.signature[64] - 27) << 255
    compact = buy.signature[:32] + s.to_bytes(32, "big")
    wrong = buy.signature[:32] + (s ^ 1 << 255).to_bytes(32, "big")
    sell = pair(venue)[1]
    check_refused(venue, Signed(buy.order, wrong), sell, HALF_FILLED, (64, 0), "order is not signed by its maker")
    venue.settle(Signed(buy.order, compact), sell, HALF_FILLED)


def test_the_signing_domain_is_published(venue: Venue) -> None:
    settlement = venue.settlement
    expected = (b"\x0f", "Muniment delivery vs. payment", "1", venue.chain.chain_id, settlement.address, bytes(32), ())
    assert settlement.view("eip712Domain") == expected
    assert settlement.view("DOMAIN_SEPARATOR") == venue.typed(pair(venue)[0].order).header
    assert venue.order_hash(pair(venue)[0]) == venue.typed(pair(venue)[0].order).body


def wallet_that(does: str) -> str:
    return f"""
# pragma version 0.4.3
@external
@view
def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> bytes32:
{does}
"""


MAGIC = "0x1626ba7e" + "00" * 28


def contract_maker(venue: Venue, source: str) -> str:
    maker = venue.chain.deploy_vyper(source, sender=venue.operator)
    venue.admit(maker, shares=10, money=10_000)
    return maker


def test_a_contract_signs_by_its_own_word(venue: Venue) -> None:
    maker = contract_maker(venue, wallet_that(f"    assert signature == b'open sesame'\n    return {MAGIC}"))
    sell = pair(venue)[1]
    order = venue.order(maker, BUY, 10, 1_000)
    check_refused(venue, Signed(order, b"abracadabra"), sell, HALF_FILLED, (64, 0), "order is not signed by its maker")
    venue.settle(Signed(order, b"open sesame"), sell, HALF_FILLED)
    assert venue.holds(maker) == (15, 9_500)


@pytest.mark.parametrize(
    "does",
    [
        "    return empty(bytes32)",
        f"    return convert(convert({MAGIC}, uint256) + 1, bytes32)",
        "    return convert(1, bytes32)",
        '    raise "no"',
        "    for i: uint256 in range(1000000000):\n        assert keccak256(signature) != digest\n    return digest",
        f"    raw_revert(abi_encode({MAGIC}))",
    ],
)
def test_a_contract_that_says_no_or_nonsense_has_not_signed(venue: Venue, does: str) -> None:
    maker = contract_maker(venue, wallet_that(does))
    buy = Signed(venue.order(maker, BUY, 10, 1_000), b"signature")
    check_refused(venue, buy, pair(venue)[1], HALF_FILLED, (64, 0), "order is not signed by its maker")


def test_a_contract_that_answers_too_little_or_has_no_such_function_has_not_signed(venue: Venue) -> None:
    sell = pair(venue)[1]
    short = "# pragma version 0.4.3\n@external\n@payable\ndef __default__():\n    raw_revert(b'')\n"
    for source in (short, short.replace("raw_revert(b'')", "pass")):
        maker = contract_maker(venue, source)
        buy = Signed(venue.order(maker, BUY, 10, 1_000), b"signature")
        check_refused(venue, buy, sell, HALF_FILLED, (64, 0), "order is not signed by its maker")


# Cancelling


def test_a_cancelled_order_stops_after_the_delay_begun_or_not(venue: Venue) -> None:
    buy, sell = pair(venue)
    venue.settle(buy, sell, HALF_FILLED)
    fresh = pair(venue, nonce=1)[1]
    sam = wallet(venue, "sam")
    void_from = venue.chain.now + CANCEL_DELAY_SECONDS
    for order in (sell, fresh):
        assert venue.settlement.view("void_from", venue.market, order.order) == 0
        done = venue.settlement.fn("cancel_order", venue.market, order.order, sender=sam)
        cancelled = {"maker": sam, "order_hash": venue.order_hash(order), "void_from": void_from}
        assert done.logs == [DecodedLog("OrderCancelled", cancelled)]
        assert venue.settlement.view("void_from", venue.market, order.order) == void_from
        with refused("settlement: order is already cancelled"):
            venue.settlement.fn("cancel_order", venue.market, order.order, sender=sam)
    venue.chain.pass_time(CANCEL_DELAY_SECONDS - 1)
    other = pair(venue, nonce=3)[0]
    for order in (sell, fresh):
        venue.settle(other, order, Terms(1, 1, 100))
    venue.chain.pass_time(1)
    for order in (sell, fresh):
        check_refused(venue, other, order, Terms(1, 1, 100), (63, 1), "order is cancelled")
    assert venue.filled(sell) == 6
    # Its neighbour in the same word of nonces is not touched.
    venue.settle(other, pair(venue, nonce=2)[1], Terms(1, 1, 100))


def test_only_the_maker_cancels_an_order(venue: Venue) -> None:
    buy, sell = pair(venue)
    with refused("settlement: caller is not the maker"):
        venue.settlement.fn("cancel_order", venue.market, buy.order, sender=sell.order.maker)
    with refused("settlement: nonce is too large"):
        venue.settlement.fn("cancel_order", venue.market, buy.order._replace(nonce=2**96), sender=buy.order.maker)
    venue.settlement.fn("cancel_order", venue.market, buy.order._replace(nonce=2**96 - 1), sender=buy.order.maker)


def test_cancelled_nonces_stop_after_the_delay_begun_or_not(venue: Venue) -> None:
    buy, sell = pair(venue, nonce=130)
    bea = buy.order.maker
    venue.settle(buy, sell, HALF_FILLED)
    fresh, spared = pair(venue, nonce=255)[0], pair(venue, nonce=131)[0]
    void_from = venue.chain.now + CANCEL_DELAY_SECONDS
    mask = 1 << 127 | 1 << 2
    done = venue.settlement.fn("cancel_nonces", 1, mask, sender=bea)
    assert done.logs == [DecodedLog("NoncesCancelled", {"maker": bea, "word": 1, "mask": mask, "void_from": void_from})]
    assert [venue.settlement.view("void_from", venue.market, each.order) for each in (buy, fresh, spared)] == [void_from, void_from, 0]
    venue.chain.pass_time(CANCEL_DELAY_SECONDS - 1)
    # Said again, the earlier time stays.
    venue.settlement.fn("cancel_nonces", 1, 1 << 2, sender=bea)
    venue.settle(buy, sell, Terms(1, 1, 100))
    venue.chain.pass_time(1)
    for each in (buy, fresh):
        check_refused(venue, each, sell, Terms(1, 1, 100), (63, 0), "order is cancelled")
    venue.settle(spared, sell, Terms(1, 1, 100))


def test_cancelled_words_of_nonces_stop_after_the_delay_begun_or_not(venue: Venue) -> None:
    buy, sell = pair(venue, nonce=127)
    bea = buy.order.maker
    venue.settle(buy, sell, HALF_FILLED)
    fresh, spared = pair(venue, nonce=128 * 15 + 127)[0], pair(venue, nonce=128 * 16)[0]
    void_from = venue.chain.now + CANCEL_DELAY_SECONDS
    done = venue.settlement.fn("cancel_nonce_words", 0, 15, sender=bea)
    words = {"maker": bea, "first_word": 0, "last_word": 15, "void_from": void_from}
    assert done.logs == [DecodedLog("NonceWordsCancelled", words)]
    venue.chain.pass_time(CANCEL_DELAY_SECONDS - 1)
    venue.settlement.fn("cancel_nonce_words", 0, 0, sender=bea)
    venue.settlement.fn("cancel_nonces", 0, 1 << 127, sender=bea)
    with refused("settlement: order is already cancelled"):
        venue.settlement.fn("cancel_order", venue.market, buy.order, sender=bea)
    assert venue.settlement.view("void_from", venue.market, buy.order) == void_from
    venue.settle(buy, sell, Terms(1, 1, 100))
    venue.chain.pass_time(1)
    for each in (buy, fresh):
        check_refused(venue, each, sell, Terms(1, 1, 100), (63, 0), "order is cancelled")
    venue.settle(spared, sell, Terms(1, 1, 100))


def test_the_earliest_of_several_cancellations_counts(venue: Venue) -> None:
    order = pair(venue)[0].order
    venue.settlement.fn("cancel_order", venue.market, order, sender=order.maker)
    first = venue.settlement.view("void_from", venue.market, order)
    venue.chain.pass_time(1)
    venue.settlement.fn("cancel_nonces", 0, 1, sender=order.maker)
    venue.settlement.fn("cancel_nonce_words", 0, 0, sender=order.maker)
    assert venue.settlement.view("void_from", venue.market, order) == first
    other = pair(venue, nonce=1)[0].order
    assert venue.settlement.view("void_from", venue.market, other) == first + 1


def test_cancellations_without_sense_are_refused(venue: Venue) -> None:
    ann = venue.world.person("ann")
    last_word = 2**96 // 128 - 1
    for act, arguments, reason in (
        ("cancel_nonces", (last_word + 1, 1), "nonce is too large"),
        ("cancel_nonces", (0, 0), "mask names no nonce of a word"),
        ("cancel_nonces", (0, 2**128), "mask names no nonce of a word"),
        ("cancel_nonce_words", (last_word, last_word + 1), "nonce is too large"),
        ("cancel_nonce_words", (1, 0), "words are none or too many"),
        ("cancel_nonce_words", (0, 16), "words are none or too many"),
    ):
        with refused(f"settlement: {reason}"):
            venue.settlement.fn(act, *arguments, sender=ann)
    venue.settlement.fn("cancel_nonces", last_word, 2**128 - 1, sender=ann)
    venue.settlement.fn("cancel_nonce_words", last_word - 1, last_word, sender=ann)


# When the world has changed between match and settlement


def test_a_buyer_whose_eligibility_was_withdrawn_gets_nothing_and_pays_nothing(venue: Venue) -> None:
    buy, sell = pair(venue)
    venue.world.registry.fn("deleteIdentity", buy.order.maker, sender=venue.world.agent)
    check_refused(venue, buy, sell, HALF_FILLED, (72, 10), "security was refused")
    assert venue.holds(buy.order.maker) == (0, 10_000)
    assert venue.settlement.view("is_nonce_used", sell.order.maker, 0) is False


def test_a_country_that_was_blocked_gets_nothing(venue: Venue) -> None:
    venue.maker("ira", money=1_000, country=IRAN)
    venue.world.set_countries(BLOCK_LISTED, [IRAN])
    check_refused(venue, venue.signed("ira", BUY, 5, 500), pair(venue)[1], HALF_FILLED, (72, 14), "security was refused")


def test_a_seller_who_is_frozen_or_has_too_little_sells_nothing(venue: Venue) -> None:
    buy, sell = pair(venue)
    sam, agent, token = sell.order.maker, venue.world.agent, venue.world.token
    token.fn("setAddressFrozen", sam, YES, sender=agent)
    check_refused(venue, buy, sell, HALF_FILLED, (72, 2), "security was refused")
    token.fn("setAddressFrozen", sam, not YES, sender=agent)
    token.fn("freezePartialTokens", sam, 96, sender=agent)
    check_refused(venue, buy, sell, HALF_FILLED, (72, 4), "security was refused")
    token.fn("unfreezePartialTokens", sam, 1, sender=agent)
    venue.settle(buy, sell, HALF_FILLED)


def test_a_security_that_is_paused_is_not_delivered(venue: Venue) -> None:
    venue.world.token.fn("pause", sender=venue.world.agent)
    check_refused(venue, *pair(venue), HALF_FILLED, (72, 1), "security was refused")


def test_an_allowance_that_is_missing_fails_its_leg(venue: Venue) -> None:
    buy, sell = pair(venue)
    contract, token, money = venue.settlement.address, venue.world.token, venue.money
    token.fn("approve", contract, 4, sender=sell.order.maker)
    check_refused(venue, buy, sell, HALF_FILLED, (72, 0), "security was refused")
    token.fn("approve", contract, 5, sender=sell.order.maker)
    terms = Terms(1, 5, 500, buyer_fee=5, seller_fee=1)
    money.fn("approve", contract, 498, sender=buy.order.maker)
    check_refused(venue, buy, sell, terms, (73, 498), "payment was refused")
    money.fn("approve", contract, 504, sender=buy.order.maker)
    check_refused(venue, buy, sell, terms, (75, 504), "fee was refused")
    money.fn("approve", contract, 505, sender=buy.order.maker)
    venue.settle(buy, sell, terms)


def test_a_buyer_who_has_too_little_money_buys_nothing(venue: Venue) -> None:
    buy, sell = pair(venue)
    terms = Terms(1, 5, 500, buyer_fee=5, seller_fee=1)
    venue.money.fn("burn", 9_502, sender=buy.order.maker)
    check_refused(venue, buy, sell, terms, (73, 498), "payment was refused")
    venue.money.fn("mint", buy.order.maker, 6, sender=venue.world.owner)
    check_refused(venue, buy, sell, terms, (75, 504), "fee was refused")
    assert venue.holds(sell.order.maker) == (100, 10)


# Offices


def test_it_begins_once_with_an_owner_and_a_fee_receiver(venue: Venue) -> None:
    owner, stranger = venue.world.owner, venue.world.person("stranger")
    assert (venue.settlement.view("owner"), venue.settlement.view("fee_receiver")) == (owner, venue.fee_receiver)
    with refused("Initializable: contract is already initialized"):
        venue.settlement.fn("initialize", stranger, sender=stranger)
    fresh = venue.chain.deploy("delivery_versus_payment", sender=stranger)
    with refused("invalid argument - zero address"):
        fresh.fn("initialize", ZERO, sender=stranger)
    with refused("settlement: this contract holds no money"):
        fresh.fn("initialize", fresh.address, sender=stranger)
    assert [log.event for log in fresh.fn("initialize", owner, sender=stranger).logs] == [
        "OwnershipTransferred",
        "FeeReceiverSet",
        "EIP712DomainChanged",
    ]


def test_the_owner_names_another_fee_receiver_paused_or_not(venue: Venue) -> None:
    venue.settlement.fn("pause", sender=venue.operator)
    other = venue.world.person("other receiver")
    done = venue.settlement.fn("set_fee_receiver", other, sender=venue.world.owner)
    assert done.logs == [DecodedLog("FeeReceiverSet", {"fee_receiver": other})]
    assert (venue.settlement.view("paused"), venue.settlement.view("fee_receiver")) == (True, other)
    venue.settlement.fn("unpause", sender=venue.operator)
    venue.settle(*pair(venue), Terms(1, 10, 1_000, 1, 1))
    assert venue.holds(other) == (0, 2)


def test_an_agent_pauses_and_unpauses_settlement(venue: Venue) -> None:
    buy, sell = pair(venue)
    operator = venue.operator
    with refused("Pausable: not paused"):
        venue.settlement.fn("unpause", sender=operator)
    assert venue.settlement.fn("pause", sender=operator).logs == [DecodedLog("Paused", {"agent": operator})]
    assert (venue.settlement.view("paused"), venue.settlement.view("fee_receiver")) == (True, venue.fee_receiver)
    assert venue.why_not(buy, sell, HALF_FILLED) == (1, 0)
    for act in (lambda: venue.settle(buy, sell, HALF_FILLED), lambda: venue.settle_batch([buy, sell], [(HALF_FILLED, 0, 1)])):
        with refused("Pausable: paused"):
            act()
    with refused("Pausable: paused"):
        venue.settlement.fn("pause", sender=operator)
    assert venue.settlement.fn("unpause", sender=operator).logs == [DecodedLog("Unpaused", {"agent": operator})]
    venue.settle(buy, sell, HALF_FILLED)


def test_only_agents_settle_only_the_owner_rules_and_only_the_contract_delivers(venue: Venue) -> None:
    settlement, stranger = venue.settlement, venue.world.person("stranger")
    buy, sell = pair(venue)
    not_agent = "AgentRole: caller does not have the Agent role"
    not_owner = "Ownable: caller is not the owner"
    for act, reason in (
        (lambda: settlement.fn("pause", sender=stranger), not_agent),
        (lambda: settlement.fn("unpause", sender=stranger), not_agent),
        (lambda: venue.settle(buy, sell, HALF_FILLED, sender=stranger), not_agent),
        (lambda: venue.settle_batch([buy, sell], [(HALF_FILLED, 0, 1)], sender=stranger), not_agent),
        (lambda: settlement.fn("set_fee_receiver", stranger, sender=stranger), not_owner),
        (lambda: settlement.fn("addAgent", stranger, sender=stranger), not_owner),
        (lambda: settlement.fn("removeAgent", venue.operator, sender=stranger), not_owner),
        (lambda: settlement.fn("transferOwnership", stranger, sender=stranger), not_owner),
    ):
        with refused(reason):
            act()
    # Whoever could call these could take all that is approved.
    standings = [(venue.order_hash(each), 0, 0, 0) for each in (buy, sell)] + [(bytes(32), 0, 0, 0)] * 62
    orders, trades = [(buy.order, 65), (sell.order, 65)], [(HALF_FILLED, 0, 1)]
    for caller in (stranger, venue.operator, venue.world.owner):
        with refused("settlement: caller is not this contract"):
            settlement.fn("deliver", venue.market, buy.order.maker, sell.order.maker, HALF_FILLED, caller, sender=caller)
        with refused("settlement: caller is not this contract"):
            settlement.fn("deliver_net", venue.market, orders, standings, trades, caller, sender=caller)


def test_every_act_of_the_contract_is_walked_here() -> None:
    named = contract_artifacts.load("delivery_versus_payment").functions.values()
    acts = {function.name for functions in named for function in functions if not function.is_view}
    offices = {"initialize", "pause", "unpause", "set_fee_receiver", "addAgent", "removeAgent", "transferOwnership"}
    makers = {"cancel_order", "cancel_nonces", "cancel_nonce_words"}
    assert acts == offices | makers | {"settle", "settle_batch", "deliver", "deliver_net"}
