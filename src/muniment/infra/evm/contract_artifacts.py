# SPDX-License-Identifier: Apache-2.0
"""The compiled contracts by name: their code, and calls, answers and events to and from bytes. Sends nothing, decides nothing.

Addresses go in as text and come out with their EIP-55 checksum. Solidity's structs go in and come out as tuples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import eth_abi
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from muniment.infra.evm.decoding import to_address
from muniment.units.errors import MunimentError

FOLDER = Path(__file__).parent / "artifacts"
_REASONS = "reasons"

# ERC-5202: what marks a blueprint, version 0, no data section.
_BLUEPRINT_PREAMBLE = bytes.fromhex("FE7100")
_DYNAMIC_MARKS = ("[", "(", "string")


class ContractsMissing(MunimentError):
    """The package was installed without its compiled contracts."""

    code = "chain.contracts_missing"
    message = "The compiled contract {contract} is not in the package."
    cure = "Compile the contracts: muniment contracts build."


class ContractFunction(NamedTuple):
    """One function as it is called."""

    name: str
    signature: str
    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    is_view: bool


class DecodedLog(NamedTuple):
    """One event of a contract: its name and values by the names of its parameters.

    An indexed text or list comes as the 32 bytes of its hash: the chain keeps no more.
    """

    event: str
    values: dict[str, Any]


class Reason(NamedTuple):
    """One no of the chain: our code, the number that `check_transfer` answers, the text a transfer reverts with, and the contract."""

    code: str
    chain_code: int
    revert: str
    contract: str


@dataclass(frozen=True)
class ContractEvent:
    """One event as it is logged."""

    name: str
    signature: str
    topic: bytes
    parameters: tuple[tuple[str, str, bool], ...]  # name, type, indexed

    @cached_property
    def _indexed(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, kind) for name, kind, is_indexed in self.parameters if is_indexed)

    @cached_property
    def _plain(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, kind) for name, kind, is_indexed in self.parameters if not is_indexed)

    @cached_property
    def _has_words_only(self) -> bool:
        return not any(_is_dynamic(kind) for _, kind in self._plain)

    def decode(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """Return the values by name, in the order of the declaration.

        Raises ValueError when the log cannot be one of this event: another number of topics, or data too short.
        """
        if len(topics) != len(self._indexed) + 1:
            raise ValueError(f"{self.name} has {len(self._indexed) + 1} topics, not {len(topics)}")
        values: dict[str, Any] = {
            name: topic if _is_dynamic(kind) else _from_word(kind, topic)
            for (name, kind), topic in zip(self._indexed, topics[1:], strict=True)
        }
        if self._has_words_only:
            # By hand: a register is rebuilt from events, and the general decoder is some thirty times slower.
            if len(data) < 32 * len(self._plain):
                raise ValueError(f"{self.name} has {32 * len(self._plain)} bytes of data, not {len(data)}")
            for place, (name, kind) in enumerate(self._plain):
                values[name] = _from_word(kind, data[32 * place : 32 * place + 32])
        else:
            decoded = _decode([kind for _, kind in self._plain], data)
            values.update(zip((name for name, _ in self._plain), decoded, strict=True))
        return {name: values[name] for name, _, _ in self.parameters}


@dataclass(frozen=True)
class ContractArtifact:
    """One compiled contract."""

    name: str
    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes
    deployed_bytecode: bytes
    functions: Mapping[str, tuple[ContractFunction, ...]]
    events: Mapping[bytes, ContractEvent]
    constructor_inputs: tuple[str, ...]

    @property
    def has_constructor(self) -> bool:
        """Whether a deployment does more than store the code."""
        return any(entry["type"] == "constructor" for entry in self.abi)

    def function(self, name: str, *, arguments: int | None = None) -> ContractFunction:
        """Return the function of this name, or of this whole signature where a name stands for several.

        Raises KeyError when there is none, or when the name and the number of arguments still fit several.
        """
        named = self.functions.get(name.partition("(")[0], ())
        if "(" in name:
            fitting = [function for function in named if function.signature == name]
        else:
            fitting = [function for function in named if arguments is None or len(function.inputs) == arguments]
        if len(fitting) != 1:
            known = ", ".join(function.signature for function in named) or "nothing of that name"
            raise KeyError(f"{self.name} has {known} for {name} with {arguments} arguments")
        return fitting[0]

    def event(self, name: str) -> ContractEvent:
        """Return the event of this name. Raises KeyError when there is none."""
        for event in self.events.values():
            if event.name == name:
                return event
        raise KeyError(f"{self.name} has no event {name}")

    def encode_call(self, function: str, *arguments: Any) -> bytes:
        """Return the calldata of a call. Raises eth_abi's EncodingError when an argument does not fit its type."""
        found = self.function(function, arguments=len(arguments))
        return found.selector + eth_abi.encode(found.inputs, arguments)

    def decode_call(self, data: bytes) -> tuple[ContractFunction, tuple[Any, ...]]:
        """Return which function some calldata calls, and its arguments. Raises ValueError when it is none of this contract's."""
        for named in self.functions.values():
            for function in named:
                if function.selector == data[:4]:
                    return function, _decode(function.inputs, data[4:])
        raise ValueError(f"{self.name} has no function 0x{data[:4].hex()}")

    def decode_output(self, function: str, data: bytes) -> Any:
        """Return what a call answered: None, one value, or a tuple of several. Raises ValueError when the bytes do not fit."""
        outputs = {found.outputs for found in self._named(function)}
        assert len(outputs) == 1, f"{function} answers in several shapes: give the whole signature"
        values = _decode(outputs.pop(), data)
        if not values:
            return None
        return values[0] if len(values) == 1 else values

    def decode_log(self, topics: Sequence[bytes], data: bytes) -> DecodedLog | None:
        """Return the event that a log of this contract tells, or None when the contract declares none such.

        Raises ValueError when the log does not fit the event that it claims to be.
        """
        event = self.events.get(topics[0]) if topics else None
        return None if event is None else DecodedLog(event.name, event.decode(topics, data))

    def encode_deployment(self, *arguments: Any) -> bytes:
        """Return the init code with the constructor's arguments."""
        return self.bytecode + eth_abi.encode(self.constructor_inputs, arguments)

    def encode_blueprint_deployment(self) -> bytes:
        """Return init code that stores the contract's own init code as a blueprint (ERC-5202), for a factory to deploy from."""
        stored = _BLUEPRINT_PREAMBLE + self.bytecode
        # PUSH2 length, RETURNDATASIZE, DUP2, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURN: returns what follows these ten bytes.
        return b"\x61" + len(stored).to_bytes(2, "big") + bytes.fromhex("3d81600a3d39f3") + stored

    @cached_property
    def init_code_hash(self) -> bytes:
        """Keccak-256 of the init code without arguments, which CREATE2 addresses depend on (EIP-1014)."""
        return keccak(self.bytecode)

    def _named(self, function: str) -> tuple[ContractFunction, ...]:
        return (self.function(function),) if "(" in function else self.functions[function]


@cache
def load(name: str) -> ContractArtifact:
    """Return the compiled contract of this name, read once. Raises ContractsMissing when the package has none."""
    try:
        text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ContractsMissing(contract=name) from None
    artifact = json.loads(text)
    return read(name, abi=artifact["abi"], bytecode=artifact["bytecode"], deployed_bytecode=artifact["deployed_bytecode"])


def read(name: str, *, abi: Sequence[Mapping[str, Any]], bytecode: str, deployed_bytecode: str) -> ContractArtifact:
    """Return a contract that came as JSON: its ABI, and its code in hex with 0x."""
    functions: dict[str, tuple[ContractFunction, ...]] = {}
    events: dict[bytes, ContractEvent] = {}
    constructor_inputs: tuple[str, ...] = ()
    for entry in abi:
        if entry["type"] == "function":
            function = _function(entry)
            functions[function.name] = (*functions.get(function.name, ()), function)
        elif entry["type"] == "event":
            event = _event(entry)
            events[event.topic] = event
        elif entry["type"] == "constructor":
            constructor_inputs = tuple(_kind(each) for each in entry["inputs"])
    return ContractArtifact(
        name=name,
        abi=tuple(abi),
        bytecode=bytes.fromhex(bytecode.removeprefix("0x")),
        deployed_bytecode=bytes.fromhex(deployed_bytecode.removeprefix("0x")),
        functions=MappingProxyType(functions),
        events=MappingProxyType(events),
        constructor_inputs=constructor_inputs,
    )


def names() -> tuple[str, ...]:
    """Return the names of all compiled contracts in the package, in order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != _REASONS))


@cache
def reasons() -> tuple[Reason, ...]:
    """Return the published table of what the chain refuses. Raises ContractsMissing when the package has none."""
    try:
        rows = json.loads((FOLDER / f"{_REASONS}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ContractsMissing(contract=_REASONS) from None
    return tuple(Reason(row["code"], row["chain_code"], row["revert"], row["contract"]) for row in rows)


def reason(contract: str, chain_code: int) -> Reason:
    """Return the row for a number that the contract's `check_transfer` answered. Raises KeyError for one it does not publish."""
    for row in reasons():
        if row.contract == contract and row.chain_code == chain_code:
            return row
    raise KeyError(f"{contract} publishes no reason {chain_code}")


def _kind(entry: Mapping[str, Any]) -> str:
    """Return the canonical type of an ABI entry: a struct is the tuple of its parts."""
    kind: str = entry["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_kind(part) for part in entry['components'])}){kind.removeprefix('tuple')}"


def _function(entry: Mapping[str, Any]) -> ContractFunction:
    inputs = tuple(_kind(each) for each in entry["inputs"])
    signature = f"{entry['name']}({','.join(inputs)})"
    return ContractFunction(
        name=entry["name"],
        signature=signature,
        selector=keccak(signature.encode())[:4],
        inputs=inputs,
        outputs=tuple(_kind(each) for each in entry["outputs"]),
        is_view=entry["stateMutability"] in {"view", "pure"},
    )


def _event(entry: Mapping[str, Any]) -> ContractEvent:
    parameters = tuple((each["name"], _kind(each), bool(each["indexed"])) for each in entry["inputs"])
    signature = f"{entry['name']}({','.join(kind for _, kind, _ in parameters)})"
    return ContractEvent(name=entry["name"], signature=signature, topic=keccak(signature.encode()), parameters=parameters)


def _is_dynamic(kind: str) -> bool:
    return kind == "bytes" or any(mark in kind for mark in _DYNAMIC_MARKS)


def _from_word(kind: str, word: bytes) -> Any:
    if kind == "address":
        return to_address(word[12:])
    if kind.startswith("uint"):
        return int.from_bytes(word, "big")
    if kind == "bool":
        return word[31] == 1
    if kind.startswith("int"):
        return int.from_bytes(word, "big", signed=True)
    assert kind.startswith("bytes"), f"no word holds a {kind}"
    return word[: int(kind.removeprefix("bytes"))]


def _decode(kinds: Sequence[str], data: bytes) -> tuple[Any, ...]:
    try:
        values = eth_abi.decode(kinds, data)
    except (DecodingError, UnicodeDecodeError, OverflowError) as error:
        raise ValueError(f"{len(data)} bytes are not ({','.join(kinds)}): {error}") from error
    return tuple(_checksummed(kind, value) for kind, value in zip(kinds, values, strict=True))


def _checksummed(kind: str, value: Any) -> Any:
    if "address" not in kind:
        return value
    if kind.endswith("]"):
        return tuple(_checksummed(kind[: kind.rindex("[")], each) for each in value)
    if kind.startswith("("):
        return tuple(_checksummed(part, each) for part, each in zip(_parts(kind), value, strict=True))
    return to_address(bytes.fromhex(value[2:]))


def _parts(kind: str) -> list[str]:
    """Return the types inside a tuple's brackets, whatever is nested in them."""
    parts: list[str] = []
    depth, start = 0, 1
    for place, character in enumerate(kind):
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        if (character == "," and depth == 1) or (place == len(kind) - 1):
            parts.append(kind[start:place])
            start = place + 1
    return parts
