# SPDX-License-Identifier: Apache-2.0
"""The loader: calls, answers and events to and from bytes."""

from __future__ import annotations

import json
from pathlib import Path

import eth_abi
import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.compile import CONTRACTS
from muniment.infra.evm.contract_artifacts import ContractsMissing, DecodedLog
from muniment.infra.evm.decoding import checksum

pytestmark = pytest.mark.usefixtures("compiled")

addresses = st.binary(min_size=20, max_size=20).map(checksum)
words = st.integers(0, 2**256 - 1)


def topic(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def test_every_contract_is_in_the_package(compiled: None) -> None:
    assert contract_artifacts.names() == tuple(sorted(CONTRACTS))
    for name in contract_artifacts.names():
        artifact = contract_artifacts.load(name)
        assert artifact.name == name
        assert 0 < len(artifact.deployed_bytecode) <= 24_576
        assert artifact.init_code_hash == keccak(artifact.bytecode)


def test_selectors_and_topics_are_those_of_the_standard(compiled: None) -> None:
    token = contract_artifacts.load("security_token")
    assert token.function("transfer").selector.hex() == "a9059cbb"
    assert token.function("approve").selector.hex() == "095ea7b3"
    assert token.event("Transfer").topic.hex() == "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    assert token.function("balanceOf").is_view
    assert not token.function("transfer").is_view


@given(receiver=addresses, amount=words)
def test_a_call_comes_back_as_it_went(compiled: None, receiver: str, amount: int) -> None:
    token = contract_artifacts.load("security_token")
    data = token.encode_call("transfer", receiver, amount)
    function, arguments = token.decode_call(data)
    assert (function.signature, arguments) == ("transfer(address,uint256)", (receiver, amount))


@given(whom=addresses, salt=st.binary(min_size=32, max_size=32), name=st.text(max_size=10), agents=st.lists(addresses, max_size=3))
def test_structs_and_lists_come_back_with_checked_addresses(compiled: None, whom: str, salt: bytes, name: str, agents: list[str]) -> None:
    factory = contract_artifacts.load("security_factory")
    terms, opens = (name, "X", 2, whom), True
    data = factory.encode_call("deploy_security", whom, salt, terms, b"r", agents, opens)
    assert factory.decode_call(data)[1] == (whom, salt, terms, b"r", tuple(agents), True)
    suite = (whom, *([whom] * 2))
    assert factory.decode_output("suite_address", eth_abi.encode(["(address,address,address)"], [suite])) == suite


def test_answers_come_as_nothing_one_value_or_several(compiled: None) -> None:
    token = contract_artifacts.load("security_token")
    assert token.decode_output("mint", b"") is None
    assert token.decode_output("balanceOf", (5).to_bytes(32, "big")) == 5
    assert token.decode_output("check_transfer", (1).to_bytes(32, "big") + (2).to_bytes(32, "big")) == (1, 2)
    with pytest.raises(ValueError, match="are not"):
        token.decode_output("balanceOf", b"\1")


def test_one_of_several_functions_of_a_name_is_found_by_number_or_signature(compiled: None) -> None:
    deed = contract_artifacts.load("title_deed")
    assert deed.function("safeTransferFrom", arguments=3).selector.hex() == "42842e0e"
    assert deed.function("safeTransferFrom(address,address,uint256,bytes)").selector.hex() == "b88d4fde"
    assert deed.decode_output("safeTransferFrom", b"") is None
    for wrong in ("safeTransferFrom", "safeTransferFrom(address)", "no_such_function"):
        with pytest.raises(KeyError, match=wrong.replace("(", r"\(").replace(")", r"\)")):
            deed.function(wrong)
    with pytest.raises(ValueError, match="has no function 0x00000000"):
        deed.decode_call(b"\0" * 4)


@given(sender=addresses, receiver=addresses, amount=words)
def test_an_event_of_words_is_read(compiled: None, sender: str, receiver: str, amount: int) -> None:
    token = contract_artifacts.load("security_token")
    log = token.decode_log([token.event("Transfer").topic, topic(sender), topic(receiver)], amount.to_bytes(32, "big"))
    assert log == DecodedLog("Transfer", {"_from": sender, "_to": receiver, "_value": amount})


@given(issuer=addresses, topics=st.lists(words, max_size=15))
def test_an_event_with_a_list_is_read(compiled: None, issuer: str, topics: list[int]) -> None:
    registry = contract_artifacts.load("trusted_issuers_registry")
    event = registry.event("TrustedIssuerAdded")
    log = registry.decode_log([event.topic, topic(issuer)], eth_abi.encode(["uint256[]"], [topics]))
    assert log == DecodedLog("TrustedIssuerAdded", {"trustedIssuer": issuer, "claimTopics": tuple(topics)})


def test_an_indexed_text_is_its_hash_and_a_bool_a_bool(compiled: None) -> None:
    token = contract_artifacts.load("security_token")
    person = checksum(b"\1" * 20)
    data = eth_abi.encode(["uint8", "string"], [2, "1.0.0"])
    information = token.decode_log([token.event("UpdatedTokenInformation").topic, keccak(b"A"), keccak(b"B"), topic(person)], data)
    assert information is not None
    assert information.values == {
        "_newName": keccak(b"A"),
        "_newSymbol": keccak(b"B"),
        "_newDecimals": 2,
        "_newVersion": "1.0.0",
        "_newOnchainID": person,
    }
    frozen = token.decode_log([token.event("AddressFrozen").topic, topic(person), (1).to_bytes(32, "big"), topic(person)], b"")
    assert frozen is not None
    assert frozen.values["_isFrozen"] is True


def test_a_log_that_is_no_event_of_the_contract_is_none_and_a_broken_one_is_refused(compiled: None) -> None:
    token = contract_artifacts.load("security_token")
    transfer = token.event("Transfer").topic
    assert token.decode_log([b"\0" * 32], b"") is None
    assert token.decode_log([], b"") is None
    with pytest.raises(ValueError, match="3 topics, not 4"):
        token.decode_log([transfer, *[b"\0" * 32] * 3], b"")
    with pytest.raises(ValueError, match="32 bytes of data, not 31"):
        token.decode_log([transfer, *[b"\0" * 32] * 2], b"\0" * 31)
    documents = token.event("DocumentUpdated").topic
    with pytest.raises(ValueError, match="are not"):
        token.decode_log([documents, b"\0" * 32], b"\xff" * 64)
    with pytest.raises(KeyError, match="no event Nothing"):
        token.event("Nothing")


def test_a_contract_that_was_not_compiled_is_missing(compiled: None) -> None:
    with pytest.raises(ContractsMissing) as refusal:
        contract_artifacts.load("no_such_contract")
    assert refusal.value.as_json() == {
        "code": "chain.contracts_missing",
        "message": "The compiled contract no_such_contract is not in the package.",
        "facts": {"contract": "no_such_contract"},
        "cure": "Compile the contracts: muniment contracts build.",
    }


def test_a_package_without_reasons_says_so(compiled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract_artifacts, "FOLDER", tmp_path)
    contract_artifacts.reasons.cache_clear()
    with pytest.raises(ContractsMissing):
        contract_artifacts.reasons()
    row = {"code": "a.b", "chain_code": 1, "revert": "no", "contract": "c"}
    (tmp_path / "reasons.json").write_text(json.dumps([row]), encoding="utf-8")
    try:
        assert contract_artifacts.reasons() == (contract_artifacts.Reason("a.b", 1, "no", "c"),)
    finally:
        contract_artifacts.reasons.cache_clear()
