# SPDX-License-Identifier: Apache-2.0
"""What paying, claiming, voting and checking out may cost: a rise fails. Each as a transaction of its own, refunds not taken off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import eth_abi
import pytest
from eth_hash.auto import keccak

from tests.contracts.chain import YES, ZERO, Chain, Contract, Done
from tests.contracts.proofs import deep_proof, pair
from tests.contracts.signing import kinds_of, sign

# A million holders.
LEVELS = 20
DIVIDENDS = b"dividends".ljust(32, b"\0")
DUE = 12_345_678
WEIGHT = 250 * 10**18
VOTE = kinds_of(Vote="uint256 ballotId,address account,address voter,Part[] parts", Part="uint256 weight,uint8[] choices")
INVOICE = kinds_of(
    Invoice="bytes32 invoiceId,address payer,address paymentToken,uint256 amount,address receiver,uint256 deadline,bytes32 planId"
)


def leaf(*kinds_and_values: tuple[str, object]) -> bytes:
    return keccak(keccak(eth_abi.encode([kind for kind, _ in kinds_and_values], [value for _, value in kinds_and_values])))


@dataclass
class Desk:
    """Holders who have money already, a distribution in its second run, two ballots; nothing is undone, which keeps storage warm."""

    chain: Chain
    payer: str
    money: Contract
    payout: Contract
    ballot: Contract
    checkout: Contract

    def person(self, name: str) -> str:
        return self.chain.signer(name).address

    def publish(self, run: int, due: int) -> list[bytes]:
        """Publish a run in which ann and bob are two of a million holders; return the way from their pair to the root."""
        nodes = [self._due(name, due) for name in ("ann", "bob")]
        root, proof = deep_proof(pair(*nodes), LEVELS - 1)
        self.payout.fn("publish_run", DIVIDENDS, bytes([run]) * 32, root, self.chain.now + 10**6, sender=self.payer)
        return proof

    def _due(self, name: str, due: int) -> bytes:
        return leaf(("address", self.person(name)), ("uint256", due))

    def claim(self, name: str, due: int, *, other: str, proof: list[bytes]) -> tuple[object, ...]:
        distribution = self.payout.view("distribution_key", self.payer, DIVIDENDS)
        return distribution, self.person(name), due, [self._due(other, due), *proof]

    def votes(self, index: int, name: str) -> bytes:
        return leaf(("uint256", index), ("address", self.person(name)), ("uint256", WEIGHT))

    def open_ballot(self, motions: int) -> None:
        root, _ = deep_proof(pair(self.votes(7, "ann"), self.votes(8, "bob")), LEVELS - 1)
        terms = (ZERO, b"\1" * 32, 0, root, 1_000 * WEIGHT, self.chain.now + 10**6, 2_500, [5_000] * motions)
        self.ballot.fn("open_ballot", *terms, sender=self.payer)

    def weight_of(self, name: str) -> tuple[int, str, int, list[bytes]]:
        """Return index, account, weight and proof."""
        index, other_index, other = (7, 8, "bob") if name == "ann" else (8, 7, "ann")
        _, proof = deep_proof(b"", LEVELS - 1)
        return index, self.person(name), WEIGHT, [self.votes(other_index, other), *proof]


def holders() -> list[str]:
    return [Chain().account(f"holder {each}") for each in range(200)]


@pytest.fixture(scope="module")
def desk(compiled: None) -> Desk:
    chain = Chain()
    payer = chain.account("payer")
    names = ("payment_token", "payout", "ballot", "plan_checkout")
    money, payout, ballot, checkout = (chain.deploy(name, sender=payer) for name in names)
    made = Desk(chain, payer, money, payout, ballot, checkout)
    money.fn("initialize", "Trial Euro", "EURT", 6, sender=payer)
    for holder in (payer, made.person("ann"), made.person("bob"), made.person("treasury"), *holders()):
        money.fn("mint", holder, 10**12, sender=payer)
    money.fn("approve", payout.address, 10**12, sender=payer)
    money.fn("approve", checkout.address, 10**12, sender=payer)
    payout.fn("open_distribution", DIVIDENDS, money.address, chain.now + 10**6, sender=payer)
    payout.fn("fund", DIVIDENDS, 10**10, sender=payer)
    proof = made.publish(1, DUE)
    payout.fn("claim", *made.claim("ann", DUE, other="bob", proof=proof), sender=payer)
    for contract in (ballot, checkout):
        contract.fn("initialize", sender=payer)
    ballot.fn("addAgent", payer, sender=payer)
    for motions in (1, 1, 3):
        made.open_ballot(motions)
    checkout.fn("set_signer", made.person("seller"), sender=payer)
    checkout.fn("set_receiver", made.person("treasury"), YES, sender=payer)
    return made


def push(batch: int) -> Callable[[Desk], Done]:
    arguments = (b"\7" * 32, batch)
    return lambda desk: desk.payout.fn("push", *arguments, desk.money.address, holders(), [DUE] * 200, sender=desk.payer)


def fund(desk: Desk) -> Done:
    return desk.payout.fn("fund", DIVIDENDS, 10**10, sender=desk.payer)


def publish(desk: Desk) -> Done:
    return desk.payout.fn("publish_run", DIVIDENDS, b"\2" * 32, b"\2" * 32, desk.chain.now + 10**6, sender=desk.payer)


def claim(name: str, other: str, run: int) -> Callable[[Desk], Done]:
    def act(desk: Desk) -> Done:
        claimed = desk.claim(name, run * DUE, other=other, proof=desk.publish(10 + run, run * DUE))
        desk.chain.settle()
        return desk.payout.fn("claim", *claimed, sender=desk.person(name))

    return act


def vote(ballot: int, name: str, *choices: int) -> Callable[[Desk], Done]:
    def act(desk: Desk) -> Done:
        index, account, weight, proof = desk.weight_of(name)
        return desk.ballot.fn("vote", ballot, index, account, weight, list(choices), proof, sender=account)

    return act


def vote_by_signature(desk: Desk) -> Done:
    index, account, weight, proof = desk.weight_of("ann")
    message = {"ballotId": 2, "account": account, "voter": account, "parts": [{"weight": WEIGHT, "choices": [1]}]}
    signature = sign(desk.chain.signer("ann"), desk.ballot, VOTE, message)
    desk.chain.settle()
    arguments = (2, index, account, weight, account, [(WEIGHT, [1])], proof, signature)
    return desk.ballot.fn("vote_by_signature", *arguments, sender=desk.payer)


def check_out(desk: Desk) -> Done:
    names = [field["name"] for field in INVOICE["Invoice"]]
    invoice = (b"\1" * 32, desk.payer, desk.money.address, DUE, desk.person("treasury"), desk.chain.now + 900, b"\2" * 32)
    signature = sign(desk.chain.signer("seller"), desk.checkout, INVOICE, dict(zip(names, invoice, strict=True)))
    desk.chain.settle()
    return desk.checkout.fn("pay", invoice, signature, sender=desk.payer)


# In this order: some acts need what those before them left.
CEILINGS: list[tuple[str, Callable[[Desk], Done], int]] = [
    ("push to two hundred who have money", push(0), 200 * 12_600),
    ("push the next batch of a run", push(1), 200 * 12_500),
    ("fund a distribution that has money", fund, 57_000),
    ("publish a run for any number of holders", publish, 60_000),
    ("claim in a later run", claim("ann", "bob", 2), 73_000),
    ("claim for the first time in a distribution", claim("bob", "ann", 3), 91_000),
    ("vote, the first of 256 neighbours", vote(1, "ann", 1), 80_000),
    ("vote on one motion", vote(1, "bob", 2), 60_000),
    ("vote on three motions, the first of 256 neighbours", vote(3, "ann", 1, 2, 3), 86_000),
    ("vote by signature, the first of 256 neighbours", vote_by_signature, 98_000),
    ("check out", check_out, 88_000),
]


def test_each_act_stays_below_its_ceiling(desk: Desk) -> None:
    # One test, since the order counts. A ceiling far above the figure defends nothing.
    beside: list[str] = []
    for name, act, ceiling in CEILINGS:
        desk.chain.settle()
        used = act(desk).gas
        if not ceiling * 9 // 10 < used <= ceiling:
            beside.append(f"{name}: {used:,} of {ceiling:,}")
    assert beside == []
