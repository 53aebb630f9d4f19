# SPDX-License-Identifier: Apache-2.0
"""The chain of the contracts' tests on revm, for long histories; on py-evm, some ten times slower, where this Python has no revm."""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any

from muniment.infra.evm.decoding import checksum, revert_reason
from tests.contracts.chain import ZERO, Chain, Done, Reverted

START = 1_800_000_000
GAS_MAX = 2**25
HAS_REVM = importlib.util.find_spec("pyrevm") is not None
_OUTPUT = re.compile(r"output: 0x([0-9a-f]*)")


def fast_chain() -> Chain:
    """Return a new chain."""
    return RevmChain() if HAS_REVM else Chain()


class RevmChain(Chain):
    """The same chain on another engine; its gas is that of one transaction only for the first call to touch a slot."""

    def __init__(self) -> None:
        import pyrevm

        super().__init__()
        self._revm: Any = pyrevm
        self._evm: Any = pyrevm.EVM(gas_limit=GAS_MAX, spec_id="PRAGUE")
        self._now = START
        self._number = 1
        self._set_block()

    @property
    def now(self) -> int:
        return self._now

    @property
    def chain_id(self) -> int:
        return 1

    def pass_time(self, seconds: int) -> None:
        self._now += seconds
        self._number += 1
        self._set_block()

    @contextlib.contextmanager
    def undone(self) -> Generator[None]:
        """Undo all that happens inside."""
        place, now, number = self._evm.snapshot(), self._now, self._number
        try:
            yield
        finally:
            self._evm.revert(place)
            self._now, self._number = now, number
            self._set_block()

    def create(self, init_code: bytes, *, sender: str) -> str:
        try:
            return checksum(bytes.fromhex(self._evm.deploy(sender, init_code)[2:]))
        except RuntimeError as refusal:
            raise Reverted(_reason(str(refusal))) from refusal

    def code(self, address: str) -> bytes:
        return bytes(self._evm.get_code(address) or b"").rstrip(b"\0")

    def send(self, to: str, data: bytes, *, sender: str) -> Done:
        answer = self._call(to, data, sender=sender, is_static=False)
        result = self._evm.result
        found = [self._decoded(bytes.fromhex(log.address[2:]), _topics(log.topics), log.data[1]) for log in result.logs]
        return Done(answer, [log for log in found if log], result.gas_used + result.gas_refunded)

    def send_unheard(self, to: str, data: bytes, *, sender: str) -> None:
        self._call(to, data, sender=sender, is_static=False)

    def ask(self, to: str, data: bytes, *, sender: str | None) -> bytes:
        return self._call(to, data, sender=sender or ZERO, is_static=True)

    def settle(self) -> None:
        raise AssertionError("gas is measured on the other engine")

    def _call(self, to: str, data: bytes, *, sender: str, is_static: bool) -> bytes:
        try:
            return bytes(self._evm.message_call(sender, to, calldata=data, is_static=is_static))
        except RuntimeError as refusal:
            raise Reverted(_reason(str(refusal))) from refusal

    def _set_block(self) -> None:
        self._evm.set_block_env(self._revm.BlockEnv(number=self._number, timestamp=self._now, gas_limit=GAS_MAX))


def _topics(topics: Sequence[str]) -> tuple[int, ...]:
    return tuple(int(topic, 16) for topic in topics)


@lru_cache(maxsize=1024)
def _reason(refusal: str) -> str:
    found = _OUTPUT.search(refusal)
    return revert_reason(bytes.fromhex(found[1])) if found else f"halted: {refusal}"
