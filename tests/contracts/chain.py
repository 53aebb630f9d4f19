# SPDX-License-Identifier: Apache-2.0
"""An EVM in this process and contracts on it, called as the product calls them: by our own artifacts, encoders and decoders."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any, NamedTuple

import boa
import pytest
from eth.exceptions import Revert
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import ContractArtifact, DecodedLog
from muniment.infra.evm.decoding import checksum, revert_reason

# The two answers, where a contract's function takes one among its arguments.
YES, NO = True, False
ZERO = "0x" + "00" * 20
TRANSACTION_GAS = 21_000


class Reverted(Exception):
    """The chain refused; `reason` is what it said."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextlib.contextmanager
def refused(reason: str) -> Generator[None]:
    """Expect the chain to refuse with exactly this reason."""
    with pytest.raises(Reverted) as refusal:
        yield
    assert refusal.value.reason == reason


class Done(NamedTuple):
    """What a transaction answered and logged, and the gas it used with the cost of its bytes (EIP-2028), without refunds.

    The gas is that of a transaction of its own only after `Chain.settle`.
    """

    answer: Any
    logs: list[DecodedLog]
    gas: int


class Contract:
    """One deployed contract; `contract.fn("mint", to, 5, sender=agent)` sends, `contract.view("balanceOf", to)` asks."""

    def __init__(self, chain: Chain, artifact: ContractArtifact, address: str) -> None:
        self.chain = chain
        self.artifact = artifact
        self.address = address

    def fn(self, function: str, *arguments: Any, sender: str) -> Done:
        found = self.artifact.function(function, arguments=len(arguments))
        done = self.chain.send(self.address, self.artifact.encode_call(function, *arguments), sender=sender)
        return Done(self.artifact.decode_output(found.signature, done.answer), done.logs, done.gas)

    def view(self, function: str, *arguments: Any, sender: str | None = None) -> Any:
        found = self.artifact.function(function, arguments=len(arguments))
        data = self.chain.ask(self.address, self.artifact.encode_call(function, *arguments), sender=sender)
        return self.artifact.decode_output(found.signature, data)


class Chain:
    """The EVM, whom it knows by address, and its clock."""

    def __init__(self) -> None:
        self._env = boa.Env()
        self._contracts: dict[str, ContractArtifact] = {}

    def account(self, name: str) -> str:
        """Return an address that stands for a person."""
        return checksum(keccak(name.encode())[12:])

    def signer(self, name: str) -> LocalAccount:
        return Account.from_key(keccak(f"key of {name}".encode()))

    @property
    def now(self) -> int:
        return self._env.evm.patch.timestamp

    @property
    def chain_id(self) -> int:
        return self._env.evm.patch.chain_id

    @contextlib.contextmanager
    def forked(self, chain_id: int) -> Generator[None]:
        """Go on under another chain id inside, as a fork of the chain does."""
        kept = self.chain_id
        self._env.evm.patch.chain_id = chain_id
        try:
            yield
        finally:
            self._env.evm.patch.chain_id = kept

    def pass_time(self, seconds: int) -> None:
        self._env.time_travel(seconds=seconds)

    @contextlib.contextmanager
    def undone(self) -> Generator[None]:
        """Undo all that happens inside."""
        with self._env.anchor():
            yield

    def deploy(self, name: str, *arguments: Any, sender: str) -> Contract:
        artifact = contract_artifacts.load(name)
        return self.at(name, self.create(artifact.encode_deployment(*arguments), sender=sender))

    def deploy_blueprint(self, name: str, *, sender: str) -> tuple[str, bytes]:
        artifact = contract_artifacts.load(name)
        return self.create(artifact.encode_blueprint_deployment(), sender=sender), artifact.init_code_hash

    def create(self, init_code: bytes, *, sender: str) -> str:
        try:
            address, _ = self._env.deploy_code(sender=sender, bytecode=init_code)
        except Revert as refusal:
            raise Reverted(revert_reason(refusal.args[0])) from refusal
        return checksum(address.canonical_address)

    def deploy_vyper(self, source: str, encoded_arguments: bytes = b"", *, sender: str) -> str:
        """Deploy a contract that only a test needs, such as a hostile payment token."""
        compiled = boa.loads_partial(source).compiler_data
        return self.create(compiled.bytecode + encoded_arguments, sender=sender)

    def at(self, name: str, address: str) -> Contract:
        return self.attach(contract_artifacts.load(name), address)

    def attach(self, artifact: ContractArtifact, address: str) -> Contract:
        """Call a contract that is not ours, or only a test's, by its own artifact."""
        self._contracts[address] = artifact
        return Contract(self, artifact, address)

    def rewrite(self, address: str, before: int, after: int) -> None:
        """Replace the one word of a contract's storage that is `before`, as more transactions would than a test can send."""
        (slot,) = (slot for slot in range(64) if self._env.get_storage(address, slot) == before)
        self._env.set_storage(address, slot, after)

    def code(self, address: str) -> bytes:
        return self._env.get_code(address)

    def has_code(self, address: str) -> bool:
        return len(self.code(address)) > 0

    def send(self, to: str, data: bytes, *, sender: str) -> Done:
        for known in (to, sender):
            self._env.evm.vm.state.mark_address_warm(bytes.fromhex(known[2:]))
        computation = self._env.execute_code(to_address=to, sender=sender, data=data)
        # EIP-1153: the transaction ends here.
        self._env.evm.vm.state.clear_transient_storage()
        if computation.is_error:
            raise Reverted(revert_reason(computation.output))
        logs = [self._decoded(*log) for log in computation.get_log_entries()]
        calldata_gas = sum(16 if byte else 4 for byte in data)
        return Done(computation.output, [log for log in logs if log], TRANSACTION_GAS + calldata_gas + computation.get_gas_used())

    def send_unheard(self, to: str, data: bytes, *, sender: str) -> None:
        """Send where nobody wants to know more than whether the chain refused."""
        self.send(to, data, sender=sender)

    def ask(self, to: str, data: bytes, *, sender: str | None) -> bytes:
        computation = self._env.execute_code(to_address=to, sender=sender or ZERO, data=data, is_modifying=False, simulate=False)
        if computation.is_error:
            raise Reverted(revert_reason(computation.output))
        return computation.output

    def settle(self) -> None:
        """Forget what is warm and dirty, so that the next call pays as a transaction of its own does (EIP-2200, EIP-2929).

        Not inside `undone`, which it would end.
        """
        self._env.evm.vm.state.lock_changes()
        self._env.evm.reset_access_counters()

    def _decoded(self, address: bytes, topics: tuple[int, ...], data: bytes) -> DecodedLog | None:
        artifact = self._contracts.get(checksum(address))
        return None if artifact is None else artifact.decode_log([topic.to_bytes(32, "big") for topic in topics], data)
