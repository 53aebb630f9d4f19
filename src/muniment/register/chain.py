# SPDX-License-Identifier: Apache-2.0
"""The register's view of the node: a token's events decoded by hand, its history, its own answers. Stores nothing, sends nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence

from eth_hash.auto import keccak

from muniment.infra.evm.client import BlockHeader, Evm
from muniment.infra.evm.decoding import TRANSFER_TOPIC, ChainLog, RawLog, address_bytes, to_address
from muniment.register.errors import ForeignLog
from muniment.register.model import FUNGIBLE, ZERO_ADDRESS, Block, Movement, Notice, NoticeKind, TokenEvent, TokenReference
from muniment.units.ids import Address

ARTIFACTS = frozenset({"security_token", "title_deed"})
"""The contracts whose Transfer moves title; a payment token's does not."""

SHARES = "security_token"
"""The one of them whose shares are alike, so that lots tell them apart."""

TOKENS_FROZEN = keccak(b"TokensFrozen(address,uint256)")
TOKENS_UNFROZEN = keccak(b"TokensUnfrozen(address,uint256)")
ADDRESS_FROZEN = keccak(b"AddressFrozen(address,bool,address)")
RECOVERY_SUCCESS = keccak(b"RecoverySuccess(address,address,address)")
PAUSED = keccak(b"Paused(address)")
UNPAUSED = keccak(b"Unpaused(address)")
SHARES_LOCKED = keccak(b"SharesLocked(address,uint256,uint256)")
SHARES_RELEASED = keccak(b"SharesReleased(address,uint256,uint256)")

BALANCE_OF = keccak(b"balanceOf(address)")[:4]
TOTAL_SUPPLY = keccak(b"totalSupply()")[:4]
OWNER_OF = keccak(b"ownerOf(uint256)")[:4]

HEADERS_AT_ONCE = 500
CALLS_AT_ONCE = 500


def decode(log: RawLog | ChainLog, *, block_number: int, occurred_at: dt.datetime) -> TokenEvent | None:
    """Return what a log of a token says; None for events that change neither title nor freedom to move it.

    By slicing words, not by the ABI machine: a register of a million movements is read this way.
    """
    topics = log.topics
    kind = topics[0] if topics else b""
    try:
        if kind == TRANSFER_TOPIC:
            # ERC-721 has the deed's id as a fourth topic and no data; ERC-20 has the shares as data.
            deed = len(topics) == 4
            return Movement(
                token=log.address,
                deed_id=int.from_bytes(topics[3], "big") if deed else FUNGIBLE,
                block_number=block_number,
                log_index=log.log_index,
                from_wallet=to_address(topics[1]),
                to_wallet=to_address(topics[2]),
                shares=1 if deed else int.from_bytes(log.data[:32], "big"),
                transaction_hash=log.transaction_hash,
                occurred_at=occurred_at,
            )
        said = _notice(kind, topics, log.data)
    except (IndexError, KeyError) as error:
        raise ForeignLog(log_index=log.log_index, block_number=block_number, token=log.address, event=kind.hex()[:8]) from error
    if said is None:
        return None
    notice_kind, wallet, new_wallet, shares = said
    is_lockup = notice_kind in {NoticeKind.SHARES_LOCKED, NoticeKind.SHARES_RELEASED}
    return Notice(
        log.address,
        FUNGIBLE,
        block_number,
        log.log_index,
        notice_kind,
        wallet,
        new_wallet,
        shares,
        log.transaction_hash,
        occurred_at,
        unlocks_at=int.from_bytes(log.data[32:64], "big") if is_lockup else 0,
    )


def _notice(kind: bytes, topics: tuple[bytes, ...], data: bytes) -> tuple[NoticeKind, Address, Address, int] | None:
    if kind == TOKENS_FROZEN:
        return NoticeKind.SHARES_FROZEN, to_address(topics[1]), ZERO_ADDRESS, int.from_bytes(data[:32], "big")
    if kind == TOKENS_UNFROZEN:
        return NoticeKind.SHARES_UNFROZEN, to_address(topics[1]), ZERO_ADDRESS, int.from_bytes(data[:32], "big")
    if kind == ADDRESS_FROZEN:
        frozen = int.from_bytes(topics[2], "big") == 1
        return (NoticeKind.WALLET_FROZEN if frozen else NoticeKind.WALLET_UNFROZEN), to_address(topics[1]), ZERO_ADDRESS, 0
    if kind == RECOVERY_SUCCESS:
        return NoticeKind.RECOVERED, to_address(topics[1]), to_address(topics[2]), 0
    if kind in {SHARES_LOCKED, SHARES_RELEASED}:
        locked = NoticeKind.SHARES_LOCKED if kind == SHARES_LOCKED else NoticeKind.SHARES_RELEASED
        return locked, to_address(topics[1]), ZERO_ADDRESS, int.from_bytes(data[:32], "big")
    if kind == PAUSED:
        return NoticeKind.PAUSED, ZERO_ADDRESS, ZERO_ADDRESS, 0
    if kind == UNPAUSED:
        return NoticeKind.UNPAUSED, ZERO_ADDRESS, ZERO_ADDRESS, 0
    return None


def decode_history(logs: Iterable[ChainLog], occurred_at: Mapping[int, dt.datetime]) -> Iterator[TokenEvent]:
    """Yield the events among the logs; `occurred_at` has the time of each block."""
    for log in logs:
        event = decode(log, block_number=log.block_number, occurred_at=occurred_at[log.block_number])
        if event is not None:
            yield event


class EvmRegisterChain:
    """Asks the node about tokens, past every projection."""

    def __init__(self, evm: Evm) -> None:
        self._evm = evm

    def final_block(self) -> Block:
        """Return the last final block; the first block where none is final yet."""
        return self.block(max(0, self._evm.final_block_number()))

    def block(self, number: int) -> Block:
        """Return one block by number."""
        return _block(self._evm.header(number))

    def last_block_until(self, instant: dt.datetime, *, final_block: Block) -> Block | None:
        """Return the last block with a time of `instant` or before, searched up to `final_block`; None before the chain's first.

        Blocks' times never fall, so halving finds it in about twenty questions.
        """
        if final_block.occurred_at <= instant:
            return final_block
        first = self.block(0)
        if first.occurred_at > instant:
            return None
        before, after, found = 0, final_block.number, first
        while after - before > 1:
            middle = self.block((before + after) // 2)
            if middle.occurred_at <= instant:
                before, found = middle.number, middle
            else:
                after = middle.number
        return found

    def history(self, token: TokenReference, *, to_block: int) -> Sequence[TokenEvent]:
        """Return every movement and notice of a token from its first block to `to_block`, in the chain's order.

        A contract logs nothing before the block of its deployment, so starting there is starting from block 0; were that block
        recorded wrongly, rows would be missing and the comparison would say so.
        """
        logs = self._evm.logs([token.address], from_block=token.deployed_block, to_block=to_block)
        occurred_at = self._times({log.block_number for log in logs})
        return [event for event in decode_history(logs, occurred_at) if token.deed_id in {None, event.deed_id}]

    def balances(self, token: TokenReference, wallets: Sequence[Address], *, block_number: int) -> Mapping[Address, int]:
        """Return `balanceOf` (of one deed: its owner's 1) for each wallet after a block."""
        if token.deed_id:
            owner = self._deed_owner(token.address, token.deed_id, block_number)
            return {wallet: int(wallet == owner) for wallet in wallets}
        answers = self._evm.call_many(
            [(token.address, BALANCE_OF + address_bytes(wallet).rjust(32, b"\0")) for wallet in wallets], block=block_number
        )
        return {wallet: int.from_bytes(answer, "big") for wallet, answer in zip(wallets, answers, strict=True)}

    def supply(self, token: TokenReference, *, block_number: int) -> int:
        """Return `totalSupply` (of one deed: 1 while it exists) after a block."""
        if token.deed_id:
            return int(self._deed_owner(token.address, token.deed_id, block_number) != ZERO_ADDRESS)
        return int.from_bytes(self._evm.call(token.address, TOTAL_SUPPLY, block=block_number), "big")

    def _deed_owner(self, deeds: Address, deed_id: int, block_number: int) -> Address:
        return to_address(self._evm.call(deeds, OWNER_OF + deed_id.to_bytes(32, "big"), block=block_number))

    def _times(self, numbers: Iterable[int]) -> dict[int, dt.datetime]:
        ordered = sorted(numbers)
        times: dict[int, dt.datetime] = {}
        for start in range(0, len(ordered), HEADERS_AT_ONCE):
            for header in self._evm.headers(ordered[start : start + HEADERS_AT_ONCE]):
                assert header is not None, "a block whose logs the node gave exists"
                times[header.number] = _instant(header.timestamp_seconds)
        return times


def _block(header: BlockHeader) -> Block:
    return Block(header.number, header.hash.hex(), _instant(header.timestamp_seconds))


def _instant(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
