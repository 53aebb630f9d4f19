# SPDX-License-Identifier: Apache-2.0
"""What a scenario asks of a chain, and contracts on one: called by artifacts, whoever compiled them. Knows no scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

from muniment.infra.evm.contract_artifacts import ContractArtifact, DecodedLog
from muniment.infra.evm.decoding import checksum

ZERO = "0x" + "00" * 20


class Refused(Exception):
    """The chain said no; `data` is what the revert carries and `reason` what that says."""

    def __init__(self, reason: str, data: bytes = b"") -> None:
        super().__init__(reason)
        self.reason = reason
        self.data = data


class Log(NamedTuple):
    """One log as it stands in a receipt."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


class Receipt(NamedTuple):
    """What a transaction did: the gas of the whole of it, refunds taken off; the contract it made, if it made one; its logs."""

    gas: int
    created: str | None
    logs: tuple[Log, ...]


class Chain(Protocol):
    """An EVM by the rules of prague on which each transaction pays as one of its own."""

    @property
    def name(self) -> str:
        """Which EVM it is, with its version."""
        ...

    @property
    def now(self) -> int:
        """The clock of the last block, in Unix seconds."""
        ...

    @property
    def chain_id(self) -> int:
        """The number that signatures are bound to."""
        ...

    def pass_time(self, seconds: int) -> None:
        """Let time go by."""
        ...

    def send(self, to: str | None, data: bytes, *, sender: str) -> Receipt:
        """Send a transaction, or create a contract where `to` is None. Raises Refused when it reverts."""
        ...

    def ask(self, to: str, data: bytes, *, sender: str) -> bytes:
        """Return what a call would answer. Raises Refused when it would revert."""
        ...


class Done(NamedTuple):
    """What a transaction of a contract answered, logged and used. `logs` are those that the contracts of the scenario can read."""

    answer: Any
    logs: tuple[DecodedLog, ...]
    gas: int


class Contract:
    """A deployed contract; `contract.fn("mint", to, 5, sender=agent)` sends, `contract.view("balanceOf", to)` asks."""

    def __init__(self, chain: Chain, artifact: ContractArtifact, address: str, *, gas: int = 0) -> None:
        self.chain = chain
        self.artifact = artifact
        self.address = address
        self.deployment_gas = gas

    def fn(self, function: str, *arguments: Any, sender: str, answers: bool = False) -> Done:
        """Send a call; with `answers`, ask first what it will answer, since a receipt does not tell."""
        answer = self.view(function, *arguments, sender=sender) if answers else None
        receipt = self.chain.send(self.address, self.artifact.encode_call(function, *arguments), sender=sender)
        return Done(answer, tuple(self._readable(receipt.logs)), receipt.gas)

    def gas(self, function: str, *arguments: Any, sender: str) -> int:
        """Send a call and return the gas of its transaction."""
        return self.fn(function, *arguments, sender=sender).gas

    def view(self, function: str, *arguments: Any, sender: str = ZERO) -> Any:
        """Return what a call would answer."""
        found = self.artifact.function(function, arguments=len(arguments))
        data = self.chain.ask(self.address, self.artifact.encode_call(function, *arguments), sender=sender)
        return self.artifact.decode_output(found.signature, data)

    def _readable(self, logs: Sequence[Log]) -> list[DecodedLog]:
        decoded = (self.artifact.decode_log(log.topics, log.data) for log in logs if log.address == self.address)
        return [log for log in decoded if log is not None]


def deploy(chain: Chain, artifact: ContractArtifact, *arguments: Any, sender: str) -> Contract:
    """Deploy a contract by a transaction of its own."""
    receipt = chain.send(None, artifact.encode_deployment(*arguments), sender=sender)
    assert receipt.created is not None, "it was a creation"
    return Contract(chain, artifact, receipt.created, gas=receipt.gas)


def account(name: str) -> str:
    """Return an address that stands for a person."""
    return checksum(keccak(name.encode())[12:])


def accounts(name: str, count: int) -> list[str]:
    """Return several of them."""
    return [account(f"{name} {number}") for number in range(count)]


def signer(name: str) -> LocalAccount:
    """Return somebody who can sign."""
    return Account.from_key(keccak(f"key of {name}".encode()))


def is_refused(contract: Contract, function: str, *arguments: Any, sender: str) -> str | None:
    """Return the reason why a call would be refused, or None when it would pass."""
    try:
        contract.view(function, *arguments, sender=sender)
    except Refused as refusal:
        return refusal.reason
    return None
