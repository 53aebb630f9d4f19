# SPDX-License-Identifier: Apache-2.0
"""A market with an operator and makers who sign orders, for tests of settlement that say only what matters to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from eth_account.messages import SignableMessage, encode_typed_data

from tests.contracts.chain import ZERO, Chain, Contract, Done
from tests.contracts.world import GERMANY, YEAR, World

BUY, SELL = False, True
MARKET_ID = b"ACME/EURT".ljust(32, b"\0")
UNLIMITED = 2**256 - 1
CANCEL_DELAY_SECONDS = 900

_ORDER_FIELDS = [
    {"name": name, "type": kind}
    for name, kind in (
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
]


class Order(NamedTuple):
    """What a maker signs, beside the market."""

    maker: str
    is_sale: bool
    quantity: int
    payment: int
    minimum_fill: int
    fee_bps_max: int
    expires_at: int
    nonce: int

    def but(self, **fields: Any) -> Order:
        """Return the same order with other values in some fields, named while the test runs."""
        return Order(**(self._asdict() | fields))


class Market(NamedTuple):
    security: str
    payment_token: str
    market_id: bytes = MARKET_ID


class Terms(NamedTuple):
    """What the operator decides."""

    trade_id: int
    quantity: int
    payment: int
    buyer_fee: int = 0
    seller_fee: int = 0


class Signed(NamedTuple):
    """An order and what its maker's key or contract said to it."""

    order: Order
    signature: bytes


@dataclass
class Venue:
    """The settlement contract, one market on it, and its operator, who is an agent of the contract."""

    world: World
    settlement: Contract
    money: Contract
    market: Market
    operator: str
    fee_receiver: str

    @property
    def chain(self) -> Chain:
        return self.world.chain

    def maker(self, name: str, *, shares: int = 0, money: int = 0, country: int = GERMANY) -> str:
        """Register an investor with a key, who approves the settlement contract for everything."""
        wallet = self.chain.signer(name).address
        self.admit(wallet, shares=shares, money=money, country=country)
        return wallet

    def admit(self, wallet: str, *, shares: int = 0, money: int = 0, country: int = GERMANY) -> None:
        self.world.registry.fn("register_investor", wallet, ZERO, country, self.chain.now + YEAR, sender=self.world.agent)
        if shares:
            self.world.token.fn("mint", wallet, shares, sender=self.world.agent)
        if money:
            self.money.fn("mint", wallet, money, sender=self.world.owner)
        self.world.token.fn("approve", self.settlement.address, UNLIMITED, sender=wallet)
        self.money.fn("approve", self.settlement.address, UNLIMITED, sender=wallet)

    def order(
        self,
        maker: str,
        is_sale: bool,  # noqa: FBT001 - BUY or SELL
        quantity: int,
        payment: int,
        *,
        minimum_fill: int = 0,
        fee_bps_max: int = 100,
        expires_at: int | None = None,
        nonce: int = 0,
    ) -> Order:
        until = self.chain.now + YEAR if expires_at is None else expires_at
        return Order(maker, is_sale, quantity, payment, minimum_fill, fee_bps_max, until, nonce)

    def typed(
        self, order: Order, *, market: Market | None = None, chain_id: int | None = None, contract: str | None = None
    ) -> SignableMessage:
        """Return what is to be signed, as a wallet would work it out from the standard alone."""
        domain = {
            "name": "Muniment delivery vs. payment",
            "version": "1",
            "chainId": self.chain.chain_id if chain_id is None else chain_id,
            "verifyingContract": contract or self.settlement.address,
        }
        message: dict[str, Any] = (market or self.market)._asdict() | order._asdict()
        return encode_typed_data(domain, {"Order": _ORDER_FIELDS}, message)

    def signed(self, name: str, is_sale: bool, quantity: int, payment: int, **terms: int) -> Signed:  # noqa: FBT001 - BUY or SELL
        """Return the order of a maker that `maker` made."""
        account = self.chain.signer(name)
        order = self.order(account.address, is_sale, quantity, payment, **terms)
        return Signed(order, bytes(account.sign_message(self.typed(order)).signature))

    def settle(self, buy: Signed, sell: Signed, terms: Terms, *, sender: str | None = None, market: Market | None = None) -> Done:
        arguments = (market or self.market, buy.order, sell.order, terms, buy.signature, sell.signature)
        return self.settlement.fn("settle", *arguments, sender=sender or self.operator)

    def why_not(self, buy: Signed, sell: Signed, terms: Terms, *, market: Market | None = None) -> tuple[int, int]:
        arguments = (market or self.market, buy.order, sell.order, terms, buy.signature, sell.signature)
        return self.settlement.view("check_trade", *arguments)

    def settle_batch(
        self,
        orders: list[Signed],
        trades: list[tuple[Terms, int, int]],
        *,
        is_netted: bool = False,
        sender: str | None = None,
        market: Market | None = None,
    ) -> Done:
        arguments = batch(market or self.market, orders, trades, is_netted=is_netted)
        return self.settlement.fn("settle_batch", *arguments, sender=sender or self.operator)

    def holds(self, wallet: str) -> tuple[int, int]:
        """Return the wallet's shares and money."""
        return self.world.balance(wallet), self.money.view("balanceOf", wallet)

    def filled(self, signed: Signed) -> int:
        return self.settlement.view("filled", self.market, signed.order)

    def order_hash(self, signed: Signed) -> bytes:
        return self.settlement.view("order_hash", self.market, signed.order)


def batch(market: Market, orders: list[Signed], trades: list[tuple[Terms, int, int]], *, is_netted: bool = False) -> tuple[Any, ...]:
    """Return the arguments of `settle_batch`."""
    listed = [(each.order, len(each.signature)) for each in orders]
    return market, listed, b"".join(each.signature for each in orders), trades, is_netted


def open_venue(world: World) -> Venue:
    operator, fee_receiver = world.person("operator"), world.person("fee receiver")
    settlement = world.chain.deploy("delivery_versus_payment", sender=world.owner)
    settlement.fn("initialize", fee_receiver, sender=world.owner)
    settlement.fn("addAgent", operator, sender=world.owner)
    money = world.chain.deploy("payment_token", sender=world.owner)
    money.fn("initialize", "Trial Euro", "EURT", 2, sender=world.owner)
    return Venue(world, settlement, money, Market(world.token.address, money.address), operator, fee_receiver)
