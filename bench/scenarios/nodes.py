# SPDX-License-Identifier: Apache-2.0
"""The chains that scenarios run on: the pinned anvil, and an EVM in this process for tests. Both charge a transaction alike."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boa

from bench.scenarios.chains import Log, Receipt, Refused
from muniment.infra.evm.decoding import checksum, revert_reason
from muniment.infra.evm.rpc import JsonRpc, RpcError
from muniment.infra.localchain.anvil import Anvil
from muniment.infra.localchain.install import VERSION, install

TRANSACTION_GAS = 21_000
CREATION_GAS = 32_000
GAS_MAX = 30_000_000
MINING_SECONDS_MAX = 20.0
WEALTH = hex(10**24)


class AnvilChain:
    """The pinned node, a block a transaction; figures come from its receipts."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc
        self._rpc.call("anvil_autoImpersonateAccount", [True])
        self._known: set[str] = set()
        self.name = f"anvil {VERSION}, prague"

    @property
    def now(self) -> int:
        """The clock of the last block."""
        return int(self._rpc.call("eth_getBlockByNumber", ["latest", False])["timestamp"], 16)

    @property
    def chain_id(self) -> int:
        """The number that signatures are bound to."""
        return int(self._rpc.call("eth_chainId"), 16)

    def pass_time(self, seconds: int) -> None:
        """Let time go by."""
        self._rpc.call("evm_increaseTime", [seconds])
        self._rpc.call("evm_mine")

    def send(self, to: str | None, data: bytes, *, sender: str) -> Receipt:
        """Send a transaction from an account whose key nobody has; read its receipt."""
        if sender not in self._known:
            self._rpc.call("anvil_setBalance", [sender, WEALTH])
            self._known.add(sender)
        transaction = {"from": sender, "data": "0x" + data.hex(), "gas": hex(GAS_MAX)}
        if to is not None:
            transaction["to"] = to
        receipt = self._receipt(self._rpc.call("eth_sendTransaction", [transaction]))
        if int(receipt["status"], 16) != 1:
            raise self._refusal(transaction)
        logs = tuple(
            Log(
                checksum(bytes.fromhex(log["address"][2:])),
                tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
                bytes.fromhex(log["data"][2:]),
            )
            for log in receipt["logs"]
        )
        created = receipt.get("contractAddress")
        return Receipt(int(receipt["gasUsed"], 16), None if created is None else checksum(bytes.fromhex(created[2:])), logs)

    def ask(self, to: str, data: bytes, *, sender: str) -> bytes:
        """Return what a call would answer."""
        try:
            answer: str = self._rpc.call("eth_call", [{"from": sender, "to": to, "data": "0x" + data.hex()}, "latest"])
        except RpcError as error:
            carried = bytes.fromhex((error.data or "0x")[2:])
            raise Refused(revert_reason(carried), carried) from error
        return bytes.fromhex(answer[2:])

    @contextmanager
    def undone(self) -> Generator[None]:
        """Undo all that happens inside."""
        snapshot: str = self._rpc.call("evm_snapshot")
        known = set(self._known)
        try:
            yield
        finally:
            self._known = known
            assert self._rpc.call("evm_revert", [snapshot]), "the node kept the snapshot"

    def _receipt(self, transaction_hash: str) -> dict[str, Any]:
        deadline = time.monotonic() + MINING_SECONDS_MAX
        while True:
            # The node answers with the hash as soon as it knows the transaction; its block comes a moment later.
            receipt: dict[str, Any] | None = self._rpc.call("eth_getTransactionReceipt", [transaction_hash])
            if receipt is not None:
                return receipt
            assert time.monotonic() < deadline, "a node that mines at once has mined"
            time.sleep(0.001)

    def _refusal(self, transaction: dict[str, str]) -> Refused:
        try:
            self._rpc.call("eth_call", [transaction, "latest"])
        except RpcError as error:
            carried = bytes.fromhex((error.data or "0x")[2:])
            return Refused(revert_reason(carried), carried)
        return Refused("it reverts only in its own block")


@contextmanager
def anvil_chain(home: Path) -> Generator[AnvilChain]:
    """Yield a fresh chain on the pinned anvil, installed below `home` the first time."""
    binary = install(home.resolve(), progress=lambda _message: None)
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder, Anvil(binary, folder=Path(folder), automine=True) as anvil:
        rpc = JsonRpc(anvil.url)
        try:
            yield AnvilChain(rpc)
        finally:
            rpc.close()


class InProcessChain:
    """py-evm in this process: no node, no key. It adds what a transaction costs around the code that it runs."""

    def __init__(self) -> None:
        self._env = boa.Env()
        self.name = f"py-evm {version('py-evm')}, {self._env.evm.vm.fork}"

    @property
    def now(self) -> int:
        """The clock of the block to come."""
        return self._env.evm.patch.timestamp

    @property
    def chain_id(self) -> int:
        """The number that signatures are bound to."""
        return self._env.evm.patch.chain_id

    def pass_time(self, seconds: int) -> None:
        """Let time go by."""
        self._env.time_travel(seconds=seconds)

    def send(self, to: str | None, data: bytes, *, sender: str) -> Receipt:
        """Run a transaction and charge it as a block would."""
        created: str | None = None
        self._settle()
        self._warm(sender)
        if to is None:
            address, computation = self._env.deploy(sender=sender, bytecode=data)
            created = checksum(address.canonical_address)
        else:
            self._warm(to)
            computation = self._env.execute_code(to_address=to, sender=sender, data=data)
        if computation.is_error:
            carried = bytes(computation.output)
            raise Refused(revert_reason(carried), carried)
        logs = tuple(
            Log(checksum(address), tuple(topic.to_bytes(32, "big") for topic in topics), bytes(data))
            for address, topics, data in computation.get_log_entries()
        )
        return Receipt(_charge(data, computation, is_creation=to is None), created, logs)

    def ask(self, to: str, data: bytes, *, sender: str) -> bytes:
        """Return what a call would answer."""
        computation = self._env.execute_code(to_address=to, sender=sender, data=data, simulate=True)
        if computation.is_error:
            carried = bytes(computation.output)
            raise Refused(revert_reason(carried), carried)
        return bytes(computation.output)

    def _settle(self) -> None:
        """Forget what is warm, dirty or transient, so that the next transaction is one of its own (EIP-1153, EIP-2200, EIP-2929)."""
        self._env.evm.vm.state.clear_transient_storage()
        self._env.evm.vm.state.lock_changes()
        self._env.evm.reset_access_counters()

    def _warm(self, address: str) -> None:
        self._env.evm.vm.state.mark_address_warm(bytes.fromhex(address[2:]))


def _charge(data: bytes, computation: Any, *, is_creation: bool) -> int:
    """Return the gas of the whole transaction: base and bytes (EIP-2028), code, refunds (EIP-3529), floor (EIP-7623)."""
    tokens = sum(4 if byte else 1 for byte in data)
    used = TRANSACTION_GAS + 4 * tokens + computation.get_gas_used()
    if is_creation:
        # py-evm itself has charged the words of the init code (EIP-3860).
        used += CREATION_GAS
    used -= min(computation.get_gas_refund(), used // 5)
    return max(used, TRANSACTION_GAS + 10 * tokens)
