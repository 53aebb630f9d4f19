# SPDX-License-Identifier: Apache-2.0
"""Which contract of this build some code on a chain is, and where it differs. Asks no node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import eq
from typing import Literal, TypeAlias

from muniment.infra.evm.contract_artifacts import ContractArtifact
from muniment.infra.evm.decoding import checksum
from muniment.units.ids import Address

Kind: TypeAlias = Literal["contract", "blueprint"]

# ERC-1167: the instructions before and after the address of the contract that does the work.
_CLONE_HEAD, _CLONE_TAIL = bytes.fromhex("363d3d373d3d3d363d73"), bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
_BLUEPRINT_MAGIC = bytes.fromhex("fe71")
_BLUEPRINT_LENGTH_BITS = 0b11


@dataclass(frozen=True, slots=True)
class Match:
    """The code is this contract. `immutables` is what its deployment set beside the code."""

    contract: str
    kind: Kind
    immutables: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """The code is not this contract; `at_byte` is the first that differs, of `expected_bytes`."""

    contract: str
    kind: Kind
    at_byte: int
    expected_bytes: int


def clone_target(code: bytes) -> Address | None:
    """Return the contract to which an ERC-1167 clone hands every call; None where the code is no clone."""
    if len(code) == 45 and code.startswith(_CLONE_HEAD) and code.endswith(_CLONE_TAIL):
        return checksum(code[len(_CLONE_HEAD) : len(_CLONE_HEAD) + 20])
    return None


def compare(code: bytes, artifact: ContractArtifact) -> Match | Difference:
    """Return whether the code is this contract, or its blueprint (ERC-5202)."""
    init_code = _blueprint_init_code(code)
    if init_code is not None:
        if init_code == artifact.bytecode:
            return Match(artifact.name, "blueprint", b"")
        return Difference(artifact.name, "blueprint", _first_difference(init_code, artifact.bytecode), len(artifact.bytecode))
    expected, immutables = artifact.deployed_bytecode, immutable_bytes(artifact.bytecode)
    if code.startswith(expected) and len(code) == len(expected) + immutables:
        return Match(artifact.name, "contract", code[len(expected) :])
    return Difference(artifact.name, "contract", _first_difference(code, expected), len(expected) + immutables)


def recognise(code: bytes, artifacts: Sequence[ContractArtifact]) -> Match | Difference:
    """Return the contract that the code is, else how it differs from the one that it agrees with in most bytes."""
    assert artifacts, "a build has contracts"
    nearest: tuple[int, Difference] | None = None
    for artifact in artifacts:
        found = compare(code, artifact)
        if isinstance(found, Match):
            return found
        expected = artifact.bytecode if found.kind == "blueprint" else artifact.deployed_bytecode
        agreeing = sum(map(eq, code, expected))
        if nearest is None or agreeing > nearest[0]:
            nearest = agreeing, found
    assert nearest is not None, "there was at least one"
    return nearest[1]


def immutable_bytes(init_code: bytes) -> int:
    """Return how many bytes of constants the deployment appends to the code, as the compiler notes at the end of the init code.

    Vyper 0.4.1 and later append a CBOR list (hash of the sources, length of the code, lengths of its data, length of the immutables,
    compiler) and its own length in two bytes.
    """
    length = int.from_bytes(init_code[-2:], "big")
    footer = init_code[-length:-2]
    assert footer[:3] == bytes.fromhex("855820"), "Vyper's footer is a list of five that begins with a hash"
    place = 3 + 32
    _, place = _cbor_number(footer, place)
    data_sections, place = _cbor_number(footer, place)
    for _ in range(data_sections):
        _, place = _cbor_number(footer, place)
    immutables, _ = _cbor_number(footer, place)
    return immutables


def _cbor_number(data: bytes, place: int) -> tuple[int, int]:
    """Return a number (or a list's length) and the place behind it: RFC 8949, 3, for what fits two bytes."""
    short = data[place] & 0x1F
    if short < 24:
        return short, place + 1
    assert short <= 25, "a contract's lengths fit two bytes"
    width = 1 << (short - 24)
    return int.from_bytes(data[place + 1 : place + 1 + width], "big"), place + 1 + width


def _blueprint_init_code(code: bytes) -> bytes | None:
    """Return the init code that a blueprint keeps, behind its preamble and data; None where the code is no blueprint."""
    if not code.startswith(_BLUEPRINT_MAGIC) or len(code) < 3:
        return None
    width = code[2] & _BLUEPRINT_LENGTH_BITS
    data_bytes = int.from_bytes(code[3 : 3 + width], "big")
    return code[3 + width + data_bytes :]


def _first_difference(found: bytes, expected: bytes) -> int:
    for place, (left, right) in enumerate(zip(found, expected, strict=False)):
        if left != right:
            return place
    return min(len(found), len(expected))
