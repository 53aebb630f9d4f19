# SPDX-License-Identifier: Apache-2.0
"""`muniment backup`, then `restore` into an empty home: the same books, the same chain, keys that sign. Archives alone: tests/app."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from muniment.infra.evm.journal import blocks_from
from muniment.units.ids import Address
from tests.flows.canaries import INVESTORS
from tests.flows.stand import (
    ALL,
    Filling,
    balances,
    copy_of,
    empty_home,
    filled_home,
    muniment,
    pay_dividend,
    running,
    told,
)

pytestmark = [pytest.mark.slow]


@dataclass(frozen=True, slots=True)
class Kept:
    """An archive of a filled home, and what was true there."""

    archive: Path
    home: Path
    filling: Filling
    journal: dict[int, bytes]
    register: dict[str, object]
    balances: dict[Address, int]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """Back up a filled home while everything runs."""
    archive = tmp_path_factory.mktemp("backup") / "muniment.tar"
    with copy_of(filled_home()) as home:
        filling = Filling.of(home)
        with running(home, components=ALL) as stand:
            answer = muniment(home, "backup", str(archive), "--json")
            assert answer.returncode == 0, answer.stdout + answer.stderr
            verified = muniment(home, "verify", "register", str(filling.security_id), "--json")
            assert verified.returncode == 0, verified.stdout + verified.stderr
            paid = balances(stand.units, filling.payment_token, list(filling.holders))
        yield Kept(archive, home, filling, journal_of(told(answer)["manifest"], home), told(verified), paid)


def journal_of(manifest: dict[str, object], home: Path) -> dict[int, bytes]:
    """Return the journal of a home up to the head that a manifest names."""
    chain = manifest["chain"]
    assert isinstance(chain, dict)
    head = chain["journalled_head"]["number"]
    with running(home, components=("database", "chain")) as stand, psycopg.connect(stand.owner_url) as connection:
        journal = {block.number: block.hash for block in blocks_from(connection, 0) if block.number <= head}
    assert "0x" + journal[head].hex() == chain["journalled_head"]["hash"]
    return journal


@pytest.fixture(scope="module")
def restored(kept: Kept) -> Iterator[Path]:
    """The archive in a home that was empty."""
    with empty_home() as home:
        answer = muniment(home, "restore", str(kept.archive), "--json")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        yield home


def test_the_restored_books_agree_with_the_restored_chain(restored: Path) -> None:
    answer = muniment(restored, "reconcile", "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert told(answer) == {"organisations": 2, "differences": []}


def test_the_restored_register_is_the_same_row_by_row_and_asset_and_dividend_are_proved(kept: Kept, restored: Path) -> None:
    with running(restored):
        answer = muniment(restored, "verify", "register", str(kept.filling.security_id), "--json")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        # The block is the newest final one, which goes on; the rows and their digest are those of the backup.
        for same in ("equal", "rows", "digest", "rebuilt_digest", "differences"):
            assert told(answer)[same] == kept.register[same]
        for command in (
            ("verify", "asset", kept.filling.vehicle_asset_id),
            ("verify", "distribution", str(kept.filling.dividend_id)),
        ):
            assert muniment(restored, *command).returncode == 0, command


def test_every_block_is_back_with_its_hash_and_restored_keys_sign_the_next_dividend(kept: Kept, restored: Path) -> None:
    filling = kept.filling
    with running(restored) as stand:
        units = stand.units
        for number, hash_ in kept.journal.items():
            block = units.backend.evm.rpc.call("eth_getBlockByNumber", [hex(number), False])
            assert bytes.fromhex(block["hash"][2:]) == hash_
        before = balances(units, filling.payment_token, list(filling.holders))
        assert before == kept.balances
        with units.begin(filling.desk.tenant_id) as unit:
            people = unit.investors.persons(list(filling.holders.values()))
        assert {person.name for person in people.values()} == {person.name for person in INVESTORS}, "the master key opens what it sealed"
        pay_dividend(units, filling.desk, filling.security_id, filling.payment_token)
        after = balances(units, filling.payment_token, list(filling.holders))
    assert all(after[wallet] > before[wallet] for wallet in before)


def test_a_home_that_is_not_empty_is_refused_and_left_as_it_was(kept: Kept) -> None:
    with empty_home() as home:
        (home / "mine.txt").write_text("keep me", encoding="utf-8")
        answer = muniment(home, "restore", str(kept.archive), "--json")
        assert answer.returncode == 2
        assert told(answer)["error"]["code"] == "backup.home_not_empty"
        assert [path.name for path in home.iterdir()] == ["mine.txt"]


def test_an_archive_with_one_flipped_bit_is_refused_and_nothing_is_restored(kept: Kept, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tar"
    content = bytearray(kept.archive.read_bytes())
    with tarfile.open(kept.archive) as archive:
        member = archive.getmember("database.dump")
    content[member.offset_data + member.size // 2] ^= 1
    damaged.write_bytes(content)
    with empty_home() as home:
        answer = muniment(home, "restore", str(damaged), "--json")
        assert answer.returncode == 2, answer.stdout + answer.stderr
        assert told(answer)["error"]["code"] == "backup.unreadable"
        assert list(home.iterdir()) == []
