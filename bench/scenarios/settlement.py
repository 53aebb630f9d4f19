# SPDX-License-Identifier: Apache-2.0
"""What settling trades of our own tokens costs: a security with every rule on against a plain payment token, both moving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account.messages import encode_typed_data

from bench.scenarios.chains import ZERO, Chain, Contract, account, deploy, signer
from bench.scenarios.muniment import AGENT, GERMANY, OWNER, YEAR, Security, build_security, salted
from muniment.infra.evm.contract_artifacts import load

BUY, SELL = False, True
UNLIMITED = 2**256 - 1
MARKET_ID = b"bench".ljust(32, b"\0")
FEE_BPS_MAX = 100
OPERATOR, FEES = account("venue operator"), account("venue fees")
SIDE = 10
"""Purchases and sales in the batch; each purchase trades with each sale."""

CONDITIONS = (
    "both sides hold shares and money before; no fee but where the name says so; later trades share the makers' nonce words; "
    "the batch is 10 purchases by 10 sales of 20 makers who trade for the first time, every one with every other, in one transaction"
)

_FIELDS = (
    ("security", "address"),
    ("payment_token", "address"),
    ("market_id", "bytes32"),
    ("maker", "address"),
    ("is_sale", "bool"),
    ("quantity", "uint256"),
    ("payment", "uint256"),
    ("minimum_fill", "uint256"),
    ("fee_bps_max", "uint256"),
    ("expires_at", "uint256"),
    ("nonce", "uint256"),
)


@dataclass
class Venue:
    """A settlement contract, its market, and makers who have keys."""

    security: Security
    settlement: Contract
    money: Contract
    expires_at: int

    @property
    def market(self) -> tuple[str, str, bytes]:
        """What is traded for what."""
        return self.security.token.address, self.money.address, MARKET_ID

    def maker(self, name: str) -> str:
        """Register somebody who has shares and money and has approved the venue for both."""
        wallet = signer(name).address
        self.security.registry.fn("register_investor", wallet, ZERO, GERMANY, self.expires_at, sender=AGENT)
        self.security.token.fn("mint", wallet, 10_000, sender=AGENT)
        self.money.fn("mint", wallet, 10**9, sender=OWNER)
        for token in (self.security.token, self.money):
            token.fn("approve", self.settlement.address, UNLIMITED, sender=wallet)
        return wallet

    def order(self, name: str, *, is_sale: bool, quantity: int, nonce: int) -> tuple[tuple[Any, ...], bytes]:
        """Return an order at ten for one and its maker's signature."""
        signing = signer(name)
        order = (signing.address, is_sale, quantity, 10 * quantity, 0, FEE_BPS_MAX, self.expires_at, nonce)
        domain = {
            "name": "Muniment delivery vs. payment",
            "version": "1",
            "chainId": self.security.chain.chain_id,
            "verifyingContract": self.settlement.address,
        }
        kinds = {"Order": [{"name": field, "type": kind} for field, kind in _FIELDS]}
        message = dict(zip((field for field, _ in _FIELDS), (*self.market, *order), strict=True))
        return order, bytes(signing.sign_message(encode_typed_data(domain, kinds, message)).signature)

    def settle(self, quantity: int, nonce: int, *, fills: int = 0, fee: int = 0, begun: bool = False) -> int:
        """Settle a trade between the two makers `buyer` and `seller`, of orders for as much or for more; return its gas."""
        buy, buy_signature = self.order("buyer", is_sale=BUY, quantity=quantity, nonce=nonce)
        sell, sell_signature = self.order("seller", is_sale=SELL, quantity=quantity, nonce=nonce)
        filled = fills or quantity
        terms = (nonce, filled, 10 * filled, fee, 0)
        # Whose order has begun need not be shown again.
        signatures = (b"", b"") if begun else (buy_signature, sell_signature)
        return self.settlement.gas("settle", self.market, buy, sell, terms, *signatures, sender=OPERATOR)


def build_venue(chain: Chain, factory: Contract, name: str) -> Venue:
    """Deploy a venue on a security of its own."""
    security, _ = build_security(chain, factory, salted(name))
    settlement = deploy(chain, load("delivery_versus_payment"), sender=OWNER)
    settlement.fn("initialize", FEES, sender=OWNER)
    settlement.fn("addAgent", OPERATOR, sender=OWNER)
    money = deploy(chain, load("payment_token"), sender=OWNER)
    money.fn("initialize", "Trial Euro", "EURT", 2, sender=OWNER)
    money.fn("mint", FEES, 1, sender=OWNER)
    return Venue(security, settlement, money, chain.now + YEAR)


def measure(chain: Chain, factory: Contract) -> dict[str, int]:
    """Return what single trades and a batch cost."""
    venue = build_venue(chain, factory, "venue")
    for name in ("buyer", "seller"):
        venue.maker(name)
    figures = {
        "settle_first_trade": venue.settle(10, 0),
        "settle_later_whole": venue.settle(10, 1),
        "settle_later_whole_with_fee": venue.settle(10, 2, fee=1),
    }
    venue.settle(100, 3, fills=10)
    figures["settle_later_partial"] = venue.settle(100, 3, fills=10, begun=True)
    is_netted, one_by_one = True, False
    figures["settle_per_fill_100_over_20"] = _settle_batch(venue, "netted", is_netted) // SIDE**2
    figures["settle_per_fill_100_over_20_one_by_one"] = _settle_batch(venue, "single", one_by_one) // SIDE**2
    return figures


def _settle_batch(venue: Venue, name: str, is_netted: bool) -> int:  # noqa: FBT001 - named where it is called
    """Settle each of ten purchases with each of ten sales and return the gas of the whole; each order is filled whole."""
    orders: list[tuple[tuple[Any, ...], bytes]] = []
    for is_sale in (BUY, SELL):
        for number in range(SIDE):
            maker = f"{name} {is_sale} {number}"
            venue.maker(maker)
            orders.append(venue.order(maker, is_sale=is_sale, quantity=10 * SIDE, nonce=0))
    trades = [((SIDE * buy + sell, 10, 100, 0, 0), buy, SIDE + sell) for buy in range(SIDE) for sell in range(SIDE)]
    listed = [(order, len(signature)) for order, signature in orders]
    signatures = b"".join(signature for _, signature in orders)
    before = venue.security.token.view("balanceOf", orders[0][0][0])
    done = venue.settlement.fn("settle_batch", venue.market, listed, signatures, trades, is_netted, sender=OPERATOR, answers=True)
    assert done.answer == SIDE**2, "all trades settle"
    bought = venue.security.token.view("balanceOf", orders[0][0][0]) - before
    assert bought == 10 * SIDE, "and move"
    return done.gas
