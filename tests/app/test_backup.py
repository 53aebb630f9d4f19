# SPDX-License-Identifier: Apache-2.0
"""Backup and restore: what comes back is equal, the chain too; nothing is restored from a damaged archive or into a used home."""

from __future__ import annotations

import io
import json
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from eth_account import Account
from psycopg import sql

from muniment.app.backup import (
    MANIFEST,
    BackupExists,
    BackupNewer,
    BackupUnreadable,
    DatabaseNotEmpty,
    HomeNotEmpty,
    backup,
    restore,
)
from muniment.app.services import services
from muniment.infra.configuration import Configuration, ensure_secret
from muniment.infra.evm.journal import read_block, save
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.localchain.anvil import DEVELOPMENT_ACCOUNTS

pytestmark = [pytest.mark.slow]
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


@pytest.fixture(scope="module")
def original(anvil_binary: Path) -> Iterator[tuple[Configuration, Path, dict[str, Any]]]:
    """A home with rows, a secret, settings and journalled blocks; its backup; and what a restore must bring back."""
    folder = Path(tempfile.mkdtemp(prefix="muniment-backup-", dir="/tmp"))
    folder.chmod(0o711)
    home = folder / "home"
    home.mkdir()
    (home / "muniment.toml").write_text("confirmations = 3\n", encoding="utf-8")
    configuration = Configuration(home=home, anvil=anvil_binary, block_seconds=0.1)
    master_key = ensure_secret(configuration, "master_key", environment={})
    with (
        services(configuration, progress=lambda _message: None) as running,
        psycopg.connect(running.database_url, autocommit=True) as connection,
    ):
        rpc = JsonRpc(running.chain_rpc_url)
        transaction = {"type": 2, "chainId": 31337, "nonce": 0, "to": DEVELOPMENT_ACCOUNTS[7], "value": 5, "gas": 21000}
        signed = Account.sign_transaction({**transaction, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 1}, KEY)
        rpc.call("eth_sendRawTransaction", ["0x" + bytes(signed.raw_transaction).hex()])
        while int(rpc.call("eth_getTransactionCount", [DEVELOPMENT_ACCOUNTS[0], "latest"]), 16) == 0:
            pass
        head = int(rpc.call("eth_blockNumber"), 16)
        for number in range(1, head + 1):
            save(connection, read_block(rpc, number))
        rpc.close()
        archive = folder / "archive.muniment"
        manifest = backup(configuration, archive)
        facts = {"rows": rows_of(running.database_url), "master_key": master_key, "manifest": manifest, "head": head}
    yield configuration, archive, facts
    shutil.rmtree(folder)


@pytest.fixture
def original_archive(original: tuple[Configuration, Path, dict[str, Any]]) -> Path:
    return original[1]


def rows_of(url: str) -> dict[str, list[str]]:
    """Return every row of every table of ours, as text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
        ).fetchall()
        return {
            f"{schema}.{table}": sorted(
                row[0] for row in connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(schema, table)))
            )
            for schema, table in tables
        }


def test_a_restore_brings_back_every_row_the_secrets_the_settings_and_the_chain(
    original: tuple[Configuration, Path, dict[str, Any]], home: Path
) -> None:
    configuration, archive, facts = original
    restored = replace(configuration, home=home / "restored")
    restore(restored, archive)
    assert ensure_secret(restored, "master_key", environment={}) == facts["master_key"]
    assert stat.S_IMODE((restored.secrets_folder / "master_key").stat().st_mode) == 0o600
    assert (restored.home / "muniment.toml").read_text(encoding="utf-8") == "confirmations = 3\n"
    with services(restored, progress=lambda _message: None) as running:
        assert rows_of(running.database_url) == facts["rows"]
        rpc = JsonRpc(running.chain_rpc_url)
        journalled = facts["manifest"].chain["journalled_head"]
        assert rpc.call("eth_getBlockByNumber", [hex(journalled["number"]), False])["hash"] == journalled["hash"]
        assert int(rpc.call("eth_getTransactionCount", [DEVELOPMENT_ACCOUNTS[0], "latest"]), 16) == 1
        rpc.close()


def test_the_archive_is_private_and_tells_what_it_holds(original: tuple[Configuration, Path, dict[str, Any]]) -> None:
    _, archive, facts = original
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as members:
        names = members.getnames()
        content = members.extractfile(MANIFEST)
        assert content is not None
        manifest = json.loads(content.read())
    assert names == [MANIFEST, "database.dump", "muniment.toml", "secrets/master_key"]
    assert manifest["chain"]["chain_id"] == 31337
    assert manifest["chain"]["journalled_head"]["number"] == facts["head"]
    assert set(manifest["files"]) == set(names) - {MANIFEST}
    assert not list(archive.parent.glob(".muniment-*"))


def test_a_backup_never_replaces_a_file(original: tuple[Configuration, Path, dict[str, Any]], home: Path) -> None:
    configuration, _, _ = original
    taken = home / "taken"
    taken.write_text("precious", encoding="utf-8")
    with pytest.raises(BackupExists):
        backup(configuration, taken)
    assert taken.read_text(encoding="utf-8") == "precious"


def test_a_home_in_use_is_not_restored_into(original_archive: Path, home: Path) -> None:
    (home / "something").write_text("x", encoding="utf-8")
    with pytest.raises(HomeNotEmpty):
        restore(Configuration(home=home), original_archive)
    assert [path.name for path in home.iterdir()] == ["something"]


def test_a_database_in_use_is_not_restored_into(original_archive: Path, home: Path, fresh_postgres_url: str) -> None:
    with pytest.raises(DatabaseNotEmpty):
        restore(Configuration(home=home, database_url=fresh_postgres_url), original_archive)
    assert not list(home.iterdir())


def rewritten(archive: Path, target: Path, change: Callable[[str, bytes], bytes | None], *, extra: tuple[str, bytes] | None = None) -> Path:
    """Copy an archive with each member's content changed; None leaves the member out."""
    with tarfile.open(archive) as source, tarfile.open(target, mode="w") as copy:
        members = [(member.name, source.extractfile(member)) for member in source]
        contents = [(name, content.read()) for name, content in members if content is not None]
        for name, content in [*contents, *([extra] if extra else [])]:
            changed = change(name, content)
            if changed is not None:
                member = tarfile.TarInfo(name)
                member.size = len(changed)
                copy.addfile(member, io.BytesIO(changed))
    return target


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("member", ["database.dump", "secrets/master_key", "muniment.toml"])
def test_one_flipped_bit_anywhere_is_refused_and_the_home_stays_empty(
    original_archive: Path, home: Path, tmp_path: Path, member: str
) -> None:
    damaged = rewritten(original_archive, tmp_path / "damaged", lambda name, content: flipped(content) if name == member else content)
    with pytest.raises(BackupUnreadable) as refusal:
        restore(Configuration(home=home), damaged)
    assert refusal.value.place is not None
    assert refusal.value.place.field == member
    assert not list(home.iterdir())


def test_a_missing_an_unlisted_and_an_escaping_member_are_refused(original_archive: Path, home: Path, tmp_path: Path) -> None:
    def unchanged(_name: str, content: bytes) -> bytes:
        return content

    def renamed(name: str, content: bytes) -> bytes:
        return content.replace(b"secrets/master_key", b"secrets/../../evil") if name == MANIFEST else content

    cases = [
        rewritten(original_archive, tmp_path / "missing", lambda name, content: None if name == "secrets/master_key" else content),
        rewritten(original_archive, tmp_path / "unlisted", unchanged, extra=("secrets/other", b"x")),
        rewritten(original_archive, tmp_path / "twice", unchanged, extra=("muniment.toml", b"confirmations = 3\n")),
        rewritten(original_archive, tmp_path / "escaping", renamed),
        rewritten(original_archive, tmp_path / "headless", lambda name, content: None if name == MANIFEST else content),
        rewritten(original_archive, tmp_path / "garbled", lambda name, content: b"{" if name == MANIFEST else content),
    ]
    truncated = tmp_path / "truncated"
    truncated.write_bytes(original_archive.read_bytes()[: original_archive.stat().st_size // 2])
    nothing = tmp_path / "nothing"
    nothing.write_bytes(b"")
    for case in [*cases, truncated, nothing, tmp_path / "absent"]:
        with pytest.raises(BackupUnreadable):
            restore(Configuration(home=home), case)
        assert not list(home.iterdir()), case


def test_an_archive_of_a_later_release_is_refused_with_that_release(original_archive: Path, home: Path, tmp_path: Path) -> None:
    def later(name: str, content: bytes) -> bytes:
        return json.dumps({**json.loads(content), "schema_revision": "9999", "muniment": "7.0"}).encode() if name == MANIFEST else content

    with pytest.raises(BackupNewer) as refusal:
        restore(Configuration(home=home), rewritten(original_archive, tmp_path / "later", later))
    assert refusal.value.facts["version"] == "7.0"


def test_a_restore_that_fails_late_leaves_the_home_as_empty_as_it_was(original_archive: Path, home: Path, tmp_path: Path) -> None:
    """The checksums fit, but the dump is none: pg_restore is the first to notice."""
    import hashlib

    nonsense = b"PGDMP nonsense"

    def forged(name: str, content: bytes) -> bytes:
        if name == "database.dump":
            return nonsense
        if name != MANIFEST:
            return content
        document = json.loads(content)
        document["files"]["database.dump"] = {"bytes": len(nonsense), "sha256": hashlib.sha256(nonsense).hexdigest()}
        return json.dumps(document).encode()

    with pytest.raises(Exception, match="pg_restore failed"):
        restore(Configuration(home=home), rewritten(original_archive, tmp_path / "forged", forged))
    assert not list(home.iterdir())
