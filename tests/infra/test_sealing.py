# SPDX-License-Identifier: Apache-2.0
"""Sealed data opens only with its key, in its context, unchanged; a destroyed key is the end of what it sealed."""

from __future__ import annotations

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from muniment.infra.sealing import BadMasterKey, CannotOpen, KeyErased, Sealer, WrappedKey, commitment, new_salt, normalise, same_secret
from tests.infra.rig import MASTER_KEY

SEALER = Sealer(MASTER_KEY)
OTHER = Sealer(bytes(32))


@given(plaintext=st.binary(max_size=2000), context=st.text(max_size=40))
def test_what_was_sealed_opens_again(plaintext: bytes, context: str) -> None:
    key = SEALER.new_key()
    assert SEALER.open(key, SEALER.seal(key, plaintext, context=context), context=context) == plaintext


@given(position=st.integers(0, 200), flip=st.integers(1, 255))
def test_any_changed_byte_is_noticed(position: int, flip: int) -> None:
    key = SEALER.new_key()
    sealed = bytearray(SEALER.seal(key, b"Ada Lovelace", context="name"))
    sealed[position % len(sealed)] ^= flip
    with pytest.raises(CannotOpen):
        SEALER.open(key, bytes(sealed), context="name")
    wrapped = bytearray(key)
    wrapped[position % len(wrapped)] ^= flip
    with pytest.raises(CannotOpen):
        SEALER.open(WrappedKey(bytes(wrapped)), SEALER.seal(key, b"Ada Lovelace", context="name"), context="name")


def test_a_value_moved_to_another_place_does_not_open() -> None:
    key = SEALER.new_key()
    sealed = SEALER.seal(key, b"ada@example.org", context="parties.investor.email:1")
    with pytest.raises(CannotOpen):
        SEALER.open(key, sealed, context="parties.investor.email:2")


def test_another_master_key_opens_nothing() -> None:
    key = SEALER.new_key()
    with pytest.raises(CannotOpen):
        OTHER.open(key, SEALER.seal(key, b"x", context="c"), context="c")


def test_another_subjects_key_opens_nothing() -> None:
    sealed = SEALER.seal(SEALER.new_key(), b"x", context="c")
    with pytest.raises(CannotOpen):
        SEALER.open(SEALER.new_key(), sealed, context="c")


def test_a_destroyed_key_erases_what_it_sealed() -> None:
    sealed = SEALER.seal(SEALER.new_key(), b"x", context="parties.investor.name")
    with pytest.raises(KeyErased) as refused:
        SEALER.open(None, sealed, context="parties.investor.name")
    assert refused.value.code == "infra.key_erased"


@pytest.mark.parametrize("garbage", [b"", b"\x01", b"\x01" + bytes(12), b"\x02" + bytes(60), bytes(200)])
def test_garbage_is_refused(garbage: bytes) -> None:
    key = SEALER.new_key()
    with pytest.raises(CannotOpen):
        SEALER.open(key, garbage, context="c")
    with pytest.raises(CannotOpen):
        SEALER.open(WrappedKey(garbage), SEALER.seal(key, b"x", context="c"), context="c")


def test_the_same_text_is_sealed_to_other_bytes_each_time() -> None:
    key = SEALER.new_key()
    assert SEALER.seal(key, b"x", context="c") != SEALER.seal(key, b"x", context="c")


def test_a_new_master_key_takes_over_the_data_keys_and_the_old_one_no_longer_opens() -> None:
    key = SEALER.new_key()
    sealed = SEALER.seal(key, b"x", context="c")
    moved = OTHER.rewrap(key, old=SEALER)
    assert OTHER.open(moved, sealed, context="c") == b"x"
    with pytest.raises(CannotOpen):
        SEALER.open(moved, sealed, context="c")


def test_equal_texts_are_found_however_they_are_typed() -> None:
    token = SEALER.search_token("email", "Ada.Lovelace@Example.org")
    assert token == SEALER.search_token("email", "  ada.lovelace@EXAMPLE.org ") and len(token) == 32
    assert token == SEALER.search_token("email", "\uff41da.lovelace@example.org")
    assert token != SEALER.search_token("tax_id", "ada.lovelace@example.org")
    assert token != OTHER.search_token("email", "ada.lovelace@example.org")
    assert normalise(" Ada \t LOVELACE\n") == "ada lovelace"


def test_a_commitment_is_keccak_of_salt_and_text_and_needs_a_long_salt() -> None:
    salt = new_salt()
    assert SEALER.commitment("Ada", salt) == commitment("Ada", salt) == keccak(salt + b"Ada")
    assert commitment("Ada", salt) != commitment("Ada", new_salt())
    with pytest.raises(AssertionError):
        commitment("Ada", b"short")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_master_key_has_32_bytes(length: int) -> None:
    with pytest.raises(BadMasterKey):
        Sealer(bytes(length))


def test_the_sealer_shows_no_key() -> None:
    assert repr(SEALER) == "Sealer(…)" and MASTER_KEY.hex() not in repr(vars(SEALER))


def test_secrets_are_compared_whole() -> None:
    assert same_secret(b"abc", b"abc") and not same_secret(b"abc", b"abd")
