# SPDX-License-Identifier: Apache-2.0
"""Which contract some code is: exactly, as a clone's target, as a blueprint, with constants of its deployment, and where it differs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import ContractArtifact
from muniment.infra.evm.verification import Difference, Match, clone_target, compare, immutable_bytes, recognise

NAMES = contract_artifacts.names()


def every() -> list[ContractArtifact]:
    return [contract_artifacts.load(name) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_each_contract_and_its_blueprint_are_recognised_as_themselves(name: str) -> None:
    artifact = contract_artifacts.load(name)
    assert recognise(artifact.deployed_bytecode, every()) == Match(name, "contract", b"")
    blueprint = artifact.encode_blueprint_deployment()[10:]
    assert recognise(blueprint, every()) == Match(name, "blueprint", b"")


@given(name=st.sampled_from(NAMES), data=st.data())
def test_one_changed_byte_is_found_where_it_is(name: str, data: st.DataObject) -> None:
    artifact = contract_artifacts.load(name)
    code = bytearray(artifact.deployed_bytecode)
    place = data.draw(st.integers(0, len(code) - 1))
    code[place] ^= data.draw(st.integers(1, 255))
    assert compare(bytes(code), artifact) == Difference(name, "contract", place, len(code))
    if not bytes(code).startswith(b"\xfe\x71"):
        assert recognise(bytes(code), every()) == Difference(name, "contract", place, len(code))


def test_code_of_another_length_is_another_contract() -> None:
    artifact = contract_artifacts.load("title_deed")
    code = artifact.deployed_bytecode
    for changed in (code + b"\0", code[:-1], code[:1]):
        found = compare(changed, artifact)
        assert isinstance(found, Difference)
        assert found.at_byte == min(len(changed), len(code))


def with_immutables(length: int) -> ContractArtifact:
    """Return the deed as a compiler would describe it that appends so many bytes at deployment (one CBOR number, RFC 8949)."""
    artifact = contract_artifacts.load("title_deed")
    footer = artifact.bytecode[-int.from_bytes(artifact.bytecode[-2:], "big") : -2]
    head, tail = footer[: footer.index(b"\xa1\x65vyper") - 1], footer[footer.index(b"\xa1\x65vyper") :]
    number = bytes([length]) if length < 24 else b"\x18" + bytes([length]) if length < 256 else b"\x19" + length.to_bytes(2, "big")
    changed = head + number + tail
    whole = artifact.bytecode[: -len(footer) - 2] + changed + (len(changed) + 2).to_bytes(2, "big")
    return replace(artifact, bytecode=whole)


@pytest.mark.parametrize("length", [0, 20, 32, 64, 320])
def test_constants_of_the_deployment_stand_behind_the_code_and_are_shown(length: int) -> None:
    artifact = with_immutables(length)
    assert immutable_bytes(artifact.bytecode) == length
    constants = b"\x11" * length
    assert compare(artifact.deployed_bytecode + constants, artifact) == Match("title_deed", "contract", constants)
    assert isinstance(compare(artifact.deployed_bytecode + constants + b"\0", artifact), Difference)


def test_a_blueprint_may_carry_data_before_its_code() -> None:
    artifact = contract_artifacts.load("payout")
    assert compare(b"\xfe\x71\x01\x03abc" + artifact.bytecode, artifact) == Match("payout", "blueprint", b"")
    assert compare(b"\xfe\x71\x00" + artifact.bytecode[:-1], artifact) == Difference(
        "payout", "blueprint", len(artifact.bytecode) - 1, len(artifact.bytecode)
    )
    assert isinstance(recognise(b"\xfe\x71\x00" + artifact.bytecode[:-1], every()), Difference)
    assert isinstance(compare(b"\xfe\x71", artifact), Difference)


@given(address=st.binary(min_size=20, max_size=20))
def test_a_clone_names_the_contract_behind_it(address: bytes) -> None:
    code = bytes.fromhex("363d3d373d3d3d363d73") + address + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
    found = clone_target(code)
    assert found is not None and bytes.fromhex(found[2:]) == address
    assert clone_target(code + b"\0") is None
    assert clone_target(b"\0" + code[1:]) is None
    assert clone_target(code[:-1] + b"\0") is None
