# SPDX-License-Identifier: Apache-2.0
"""Sign-In with Ethereum: messages by EIP-4361, keys by EIP-191, contract wallets by ERC-1271 on a real node; each nonce once."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

import boa
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from muniment.infra.evm.client import Evm
from muniment.infra.evm.rpc import JsonRpc
from muniment.parties import commands
from muniment.parties.chain import HALF_ORDER, EvmWalletSignatures, recover
from muniment.parties.errors import BadWalletProof, DuplicateWallet, PersonErased, WrongWalletSignature
from muniment.parties.model import ProofDomain, SignInMessage, Wallet
from muniment.parties.model.wallet_proofs import CHALLENGE_SECONDS, STATEMENT, personal_digest, read_message
from muniment.units.ids import Address, InvestorId
from tests.access.unit import BOUND_TO, NOON, Installation
from tests.infra.rig import RICH, a_private_key
from tests.parties.file import Desk

CURVE_ORDER = 2 * HALF_ORDER + 1
EXAMPLE = """example.com wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

I accept the example.com terms: https://example.com/terms

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json"""
CONTRACT_WALLET = """
# pragma version 0.4.3
owner: immutable(address)
answer: immutable(bytes4)

@deploy
def __init__(owner_: address, answer_: bytes4):
    owner = owner_
    answer = answer_

@external
@view
def isValidSignature(digest: bytes32, signature: Bytes[65]) -> bytes4:
    r: uint256 = convert(slice(signature, 0, 32), uint256)
    s: uint256 = convert(slice(signature, 32, 32), uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    assert ecrecover(digest, v, r, s) == owner, "not the owner"
    return answer
"""


@pytest.fixture
def desk(installation: Installation) -> Desk:
    """A new organisation."""
    return Desk.of(installation)


@pytest.fixture
def key() -> LocalAccount:
    """A wallet of the investor's own."""
    return Account.from_key(a_private_key())


def begin(desk: Desk, investor_id: InvestorId, address: str) -> str:
    with desk.begin() as unit:
        return commands.begin_wallet_proof(desk.officer, investor_id, Address(address), unit=unit)


def sign(key: LocalAccount, message: str) -> str:
    return "0x" + key.sign_message(encode_defunct(text=message)).signature.hex().removeprefix("0x")


def answer(desk: Desk, investor_id: InvestorId, message: str, signature: str) -> Wallet:
    with desk.begin() as unit:
        return commands.prove_wallet(desk.officer, investor_id, message, signature, unit=unit)


def test_a_new_wallet_is_added_with_its_proof_and_a_known_one_gets_it(desk: Desk, key: LocalAccount) -> None:
    investor_id = desk.onboard()
    for position in (2, 2):
        message = begin(desk, investor_id, key.address)
        wallet = answer(desk, investor_id, message, sign(key, message))
        assert (wallet.address, wallet.position, wallet.managed, wallet.proved_at) == (key.address, position, False, NOON)
    with desk.begin() as unit:
        assert [each.proved_at for each in unit.wallets.of_investor(investor_id)] == [None, NOON]
    assert desk.events()[-1] == "parties.wallet_proved"


def test_the_message_binds_host_chain_address_investor_and_time(desk: Desk, key: LocalAccount) -> None:
    investor_id = desk.onboard()
    message = read_message(begin(desk, investor_id, key.address))
    assert (message.domain, message.uri, message.chain_id) == (BOUND_TO.domain, BOUND_TO.uri, BOUND_TO.chain_id)
    assert (message.address, message.request_id, message.statement) == (key.address, str(investor_id), STATEMENT)
    assert message.issued_at == NOON and message.expires_at == NOON + dt.timedelta(seconds=CHALLENGE_SECONDS)


def test_a_nonce_counts_once_and_for_ten_minutes(desk: Desk, key: LocalAccount) -> None:
    investor_id = desk.onboard()
    message = begin(desk, investor_id, key.address)
    signature = sign(key, message)
    answer(desk, investor_id, message, signature)
    with pytest.raises(BadWalletProof):
        answer(desk, investor_id, message, signature)
    late = begin(desk, investor_id, key.address)
    desk.installation.clock.advance(dt.timedelta(seconds=CHALLENGE_SECONDS))
    with pytest.raises(BadWalletProof):
        answer(desk, investor_id, late, sign(key, late))


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        (r"^shares\.example\.com", "evil.example.com"),
        (r"URI: \S+", "URI: https://evil.example.com"),
        (r"Chain ID: \d+", "Chain ID: 1"),
        (r"Nonce: \w+", "Nonce: 0123456789abcdef"),
        (r"Request ID: \S+", "Request ID: 00000000-0000-0000-0000-000000000005"),
        (r"\nRequest ID: \S+", ""),
        (re.escape(STATEMENT), "I agree to anything."),
        (r"Issued At: \S+", "Issued At: 2026-07-01T12:00:01Z"),
        (r"Issued At: \S+", "Issued At: 2026-07-01T11:59:59Z"),
        (r"Expiration Time: \S+", "Expiration Time: 2026-07-01T12:00:00Z"),
        (r"\nRequest ID:", "\nNot Before: 2026-07-01T12:00:01Z\nRequest ID:"),
        (r"0x\w+", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    ],
)
def test_a_message_that_says_something_else_proves_nothing_even_when_signed(
    desk: Desk, key: LocalAccount, found: str, instead: str
) -> None:
    investor_id = desk.onboard()
    message = re.sub(found, instead, begin(desk, investor_id, key.address), count=1)
    with pytest.raises(BadWalletProof):
        answer(desk, investor_id, message, sign(key, message))


def test_another_key_and_a_spoiled_signature_prove_nothing(desk: Desk, key: LocalAccount) -> None:
    investor_id = desk.onboard()
    message = begin(desk, investor_id, key.address)
    good = bytes.fromhex(sign(key, message)[2:])
    mirrored = good[:32] + (CURVE_ORDER - int.from_bytes(good[32:64], "big")).to_bytes(32, "big") + bytes([55 - good[64]])
    assert recover(personal_digest(message), good) == key.address
    other = sign(Account.from_key(a_private_key()), message)
    for spoiled in (other, mirrored.hex(), good[:64].hex(), (good + b"\0").hex(), bytes(65).hex(), (good[:64] + b"\0").hex()):
        with pytest.raises(WrongWalletSignature):
            answer(desk, investor_id, message, spoiled)
    for no_hex in ("", "0x", "0x123", "signature", "0x" + "00" * 5_000):
        with pytest.raises(BadWalletProof):
            answer(desk, investor_id, message, no_hex)
    assert answer(desk, investor_id, message, good.hex()).address == key.address


def test_anothers_wallet_a_managed_one_and_another_investors_nonce_are_refused(desk: Desk, key: LocalAccount) -> None:
    investor_id, other = desk.onboard(), desk.onboard("A-2", wallet_address=key.address)
    with desk.begin() as unit:
        managed = unit.wallets.of_investor(investor_id)[0].address
    with pytest.raises(DuplicateWallet):
        begin(desk, investor_id, key.address)
    with pytest.raises(BadWalletProof):
        begin(desk, investor_id, managed)
    message = begin(desk, other, key.address)
    with pytest.raises(BadWalletProof):
        answer(desk, investor_id, message, sign(key, message))
    stranger = Desk.of(desk.installation)
    with pytest.raises(BadWalletProof):
        answer(stranger, stranger.onboard(), message, sign(key, message))


def test_an_erased_person_proves_nothing(desk: Desk, key: LocalAccount) -> None:
    investor_id = desk.onboard()
    message = begin(desk, investor_id, key.address)
    with desk.begin() as unit:
        commands.erase_investor(desk.officer, investor_id, unit=unit)
    with pytest.raises(PersonErased):
        answer(desk, investor_id, message, sign(key, message))


# The standard's form


def test_the_standards_own_example_is_read_and_written_back() -> None:
    read = read_message(EXAMPLE)
    assert (read.domain, read.chain_id, read.nonce, len(read.resources)) == ("example.com", 1, "32891756", 2)
    assert read.text() == EXAMPLE


@given(
    st.builds(
        SignInMessage,
        domain=st.from_regex(r"[a-z]{1,10}\.example(:[1-9][0-9]{0,3})?", fullmatch=True),
        address=st.just(Address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")),
        uri=st.from_regex(r"https://[a-z]{1,8}\.example/[a-z]{0,5}", fullmatch=True),
        chain_id=st.integers(0, 10**9),
        nonce=st.from_regex(r"[A-Za-z0-9]{8,30}", fullmatch=True),
        issued_at=st.datetimes(min_value=dt.datetime(2000, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001 - hypothesis adds the zone
        statement=st.none() | st.from_regex(r"[A-Za-z0-9 ?=/]{1,30}", fullmatch=True),
        scheme=st.none() | st.just("https"),
        expires_at=st.none() | st.just(NOON),
        not_before=st.none() | st.just(NOON),
        request_id=st.none() | st.from_regex(r"[a-z0-9-]{0,10}", fullmatch=True),
        resources=st.lists(st.just("https://example.com/terms"), max_size=3).map(tuple),
    )
)
def test_every_message_is_read_back_as_it_was_written(message: SignInMessage) -> None:
    assert read_message(message.text()) == message


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ("wants you to sign in", "asks you to sign in"),
        ("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"),
        ("Cc2\n\n", "Cc2\n"),
        ("terms\n\n", "terms\n"),
        ("I accept", "Ich möchte"),
        ("Version: 1\n", "Version: 2\n"),
        ("Version: 1\nChain ID: 1\n", "Chain ID: 1\nVersion: 1\n"),
        ("Chain ID: 1", "Chain ID: 0x1"),
        ("Chain ID: 1", "Chain ID: 01"),
        ("Nonce: 32891756", "Nonce: 3289175"),
        ("Issued At: 2021-09-30T16:25:24Z", "Issued At: 2021-09-30"),
        ("- https", "* https"),
        ("- https://example.com/my", "- /my"),
        ("\nResources:", "\nRequest ID: a b\nResources:"),
        ("example.com wants", "user@example.com wants"),
        ("URI: https://example.com/login\n", ""),
    ],
)
def test_a_message_in_another_form_is_refused(found: str, instead: str) -> None:
    assert found in EXAMPLE
    with pytest.raises(BadWalletProof):
        read_message(EXAMPLE.replace(found, instead))


@given(st.integers(0, EXAMPLE.count("\n")), st.sampled_from(["", "x", "URI: https://example.com", "- a:b", "Nonce: 12345678"]))
def test_no_line_can_be_slipped_in(at: int, line: str) -> None:
    lines = EXAMPLE.split("\n")
    slipped = "\n".join([*lines[:at], line, *lines[at:]])
    try:
        read = read_message(slipped)
    except BadWalletProof:
        return
    assert read.text() == slipped, "what is read is what was signed"


# Contract wallets


def deploy(rpc: JsonRpc, owner: str, *, answers: str = "1626ba7e") -> Address:
    compiled = boa.loads_partial(CONTRACT_WALLET, name="contract_wallet").compiler_data.bytecode
    code = compiled + bytes.fromhex(owner[2:]).rjust(32, b"\0") + bytes.fromhex(answers).ljust(32, b"\0")
    sent = rpc.call("eth_sendTransaction", [{"from": RICH, "data": "0x" + code.hex(), "gas": hex(1_000_000)}])
    rpc.call("evm_mine")
    receipt = rpc.call("eth_getTransactionReceipt", [sent])
    return Address(to_checksum_address(receipt["contractAddress"]))


def test_a_contract_wallet_says_itself_who_signed(chain_rpc: JsonRpc, key: LocalAccount) -> None:
    signatures = EvmWalletSignatures(Evm(chain_rpc), bound_to=ProofDomain("a.example", "https://a.example", 31337))
    willing = deploy(chain_rpc, key.address)
    message = dataclasses.replace(read_message(EXAMPLE), address=willing).text()
    digest, signature = personal_digest(message), bytes.fromhex(sign(key, message)[2:])
    assert signatures.is_valid(willing, digest, signature)
    assert not signatures.is_valid(willing, personal_digest(message + "!"), signature), "it reverts"
    assert not signatures.is_valid(deploy(chain_rpc, key.address, answers="ffffffff"), digest, signature)
    assert not signatures.is_valid(Address("0x000000000000000000000000000000000000dEaD"), digest, signature), "nobody's code"
    assert not signatures.is_valid(Address(RICH), digest, signature)
