# SPDX-License-Identifier: Apache-2.0
"""Made-up histories of a token for the register's tests: valid ones, as a chain would give them. Tests nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from muniment.infra.evm.decoding import TRANSFER_TOPIC, RawLog, address_bytes, checksum
from muniment.infra.evm.follower import BlockLogs, FollowedBlock
from muniment.register.chain import ADDRESS_FROZEN, SHARES_LOCKED, SHARES_RELEASED, TOKENS_FROZEN, TOKENS_UNFROZEN
from muniment.register.model import ZERO_ADDRESS
from muniment.units.ids import Address, TenantId, TransactionHash

TENANT = TenantId(UUID("01890000-0000-7000-8000-0000000000a1"))
OTHER_TENANT = TenantId(UUID("01890000-0000-7000-8000-0000000000a2"))
GENESIS_AT = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
TOKEN = checksum((0xA0).to_bytes(20, "big"))
INSTANTS = (1_900_000_000, 2_000_000_000)
WALLETS = [checksum((0xB000 + number).to_bytes(20, "big")) for number in range(5)]


def topic(address: Address) -> bytes:
    return address_bytes(address).rjust(32, b"\0")


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def a_block(height: int, *, branch: int = 0) -> FollowedBlock:
    """Return a block of a branch; one second a block."""
    return FollowedBlock(height, bytes([branch]) + number(height)[1:], b"\0" * 32, int(GENESIS_AT.timestamp()) + height)


def a_log(
    topics: Sequence[bytes], data: bytes, *, block: int, index: int, branch: int = 0, token: Address = TOKEN, tenant: Any = TENANT
) -> RawLog:
    hash_ = TransactionHash("0x" + (bytes([branch, index % 256]) + number(block)[2:]).hex())
    return RawLog(token, tenant, "security_token", tuple(topics), data, hash_, index)


def a_transfer(sender: Address, receiver: Address, shares: int, *, block: int, index: int, **options: Any) -> RawLog:
    return a_log((TRANSFER_TOPIC, topic(sender), topic(receiver)), number(shares), block=block, index=index, **options)


def a_mint(receiver: Address, shares: int, *, block: int, index: int, **options: Any) -> RawLog:
    return a_transfer(ZERO_ADDRESS, receiver, shares, block=block, index=index, **options)


@dataclass
class Ledger:
    """Balances as a token would keep them, the independent model that the register is held against."""

    balances: dict[Address, int]
    frozen: dict[Address, int]
    frozen_wallets: set[Address]
    locked: dict[tuple[Address, int], int] = field(default_factory=dict)

    def copy(self) -> Ledger:
        return Ledger(dict(self.balances), dict(self.frozen), set(self.frozen_wallets), dict(self.locked))

    def lockups(self) -> dict[tuple[Address, int], int]:
        return {place: shares for place, shares in self.locked.items() if shares}

    def holdings(self) -> dict[Address, tuple[int, int, bool]]:
        return {
            wallet: (self.balances.get(wallet, 0), self.frozen.get(wallet, 0), wallet in self.frozen_wallets)
            for wallet in WALLETS
            if self.balances.get(wallet, 0) or self.frozen.get(wallet, 0) or wallet in self.frozen_wallets
        }


@dataclass
class Branch:
    """Blocks from a height on, and the ledger after each."""

    blocks: list[BlockLogs]
    ledgers: list[Ledger]


@st.composite
def branches(draw: st.DrawFn, *, start: int, ledger: Ledger, branch: int, length: int) -> Branch:
    """Draw `length` blocks on top of `ledger`, each with up to five events that the token would allow."""
    blocks: list[BlockLogs] = []
    ledgers: list[Ledger] = []
    for height in range(start, start + length):
        ledger = ledger.copy()
        logs: list[RawLog] = []
        for _ in range(draw(st.integers(0, 5))):
            log = _an_event(draw, ledger, block=height, index=len(logs) * 2 + 1, branch=branch)
            if log is not None:
                logs.append(log)
        blocks.append(BlockLogs(a_block(height, branch=branch), logs))
        ledgers.append(ledger)
    return Branch(blocks, ledgers)


def _an_event(draw: st.DrawFn, ledger: Ledger, *, block: int, index: int, branch: int) -> RawLog | None:
    kind = draw(st.sampled_from(["mint", "transfer", "transfer", "burn", "freeze", "unfreeze", "freeze_wallet", "lock", "release"]))
    wallet = draw(st.sampled_from(WALLETS))
    balance, frozen = ledger.balances.get(wallet, 0), ledger.frozen.get(wallet, 0)
    place: dict[str, Any] = {"block": block, "index": index, "branch": branch}
    if kind == "mint":
        shares = draw(st.integers(0, 10**20))
        ledger.balances[wallet] = balance + shares
        return a_mint(wallet, shares, **place)
    if kind == "freeze_wallet":
        frozen_now = draw(st.booleans())
        (ledger.frozen_wallets.add if frozen_now else ledger.frozen_wallets.discard)(wallet)
        return a_log((ADDRESS_FROZEN, topic(wallet), number(int(frozen_now)), topic(WALLETS[0])), b"", **place)
    if kind in {"lock", "release"}:
        instant = draw(st.sampled_from(INSTANTS))
        locked = ledger.locked.get((wallet, instant), 0)
        shares = draw(st.integers(0, balance if kind == "lock" else locked))
        ledger.locked[wallet, instant] = locked + (shares if kind == "lock" else -shares)
        return a_log((SHARES_LOCKED if kind == "lock" else SHARES_RELEASED, topic(wallet)), number(shares) + number(instant), **place)
    if kind == "freeze":
        shares = draw(st.integers(0, balance - frozen))
        ledger.frozen[wallet] = frozen + shares
        return a_log((TOKENS_FROZEN, topic(wallet)), number(shares), **place)
    if kind == "unfreeze":
        shares = draw(st.integers(0, frozen))
        ledger.frozen[wallet] = frozen - shares
        return a_log((TOKENS_UNFROZEN, topic(wallet)), number(shares), **place)
    shares = draw(st.integers(0, balance - frozen))
    ledger.balances[wallet] = balance - shares
    if kind == "burn":
        return a_transfer(wallet, ZERO_ADDRESS, shares, **place)
    receiver = draw(st.sampled_from(WALLETS))
    ledger.balances[receiver] = ledger.balances.get(receiver, 0) + shares
    return a_transfer(wallet, receiver, shares, **place)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int | None, Branch]]:
    """Draw a chain that grows and is re-organised: each step goes back to a height (None: does not) and grows a branch."""
    steps: list[tuple[int | None, Branch]] = []
    ledgers = [Ledger({}, {}, set())]
    for number_ in range(draw(st.integers(1, 5))):
        back_to = draw(st.none() | st.integers(0, len(ledgers) - 1)) if number_ else None
        if back_to is not None:
            del ledgers[back_to + 1 :]
        branch = draw(branches(start=len(ledgers), ledger=ledgers[-1], branch=number_, length=draw(st.integers(1, 4))))
        ledgers += branch.ledgers
        steps.append((back_to, branch))
    return steps


def expected(steps: Sequence[tuple[int | None, Branch]]) -> tuple[list[BlockLogs], Ledger]:
    """Return the blocks that are on the chain in the end, and the ledger after them."""
    blocks: list[BlockLogs] = []
    ledger = Ledger({}, {}, set())
    for back_to, branch in steps:
        if back_to is not None:
            del blocks[back_to:]
        blocks += branch.blocks
        ledger = branch.ledgers[-1]
    return blocks, ledger
