# SPDX-License-Identifier: Apache-2.0
"""The doctor: a sound installation is well, and each thing that is missing is named with the command that mends it."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from muniment.app import doctor
from muniment.app.doctor import Finding, examine
from muniment.app.services import services
from muniment.infra import node
from muniment.infra.configuration import Configuration, ensure_secret
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.localchain import install as installation
from muniment.infra.localchain.anvil import free_port
from muniment.infra.postgres import embedded


def findings(configuration: Configuration) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(configuration)}


def ill(configuration: Configuration) -> set[str]:
    return {name for name, finding in findings(configuration).items() if not finding.is_well}


@pytest.fixture
def configuration(home: Path) -> Configuration:
    return Configuration(home=home, api_port=free_port())


def test_a_fresh_machine_with_everything_is_well_and_nothing_is_changed_by_looking(configuration: Configuration) -> None:
    assert ill(configuration) == set()
    assert not list(configuration.home.iterdir())


def test_every_missing_thing_comes_with_its_cure(configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_secret(configuration, "master_key", environment={})
    (configuration.secrets_folder / "master_key").chmod(0o644)
    monkeypatch.setattr(node, "system_node", lambda: None)
    monkeypatch.setattr(node, "wheel_node", lambda: None)
    monkeypatch.setattr(doctor, "DISK_BYTES_MIN", 1 << 60)

    def absent() -> Path:
        raise embedded.DatabaseBinariesMissing

    monkeypatch.setattr(embedded, "binaries_folder", absent)
    with socket.socket() as other:
        other.bind(("127.0.0.1", configuration.api_port))
        other.listen()
        found = findings(configuration)
    wrong = {name: finding for name, finding in found.items() if not finding.is_well}
    assert set(wrong) == {"secrets", "node", "disk", "postgres", "port"}
    assert all(finding.cure for finding in wrong.values())
    assert wrong["secrets"].cure == f"Run: chmod 600 {configuration.secrets_folder / 'master_key'}"


def test_a_changed_binary_of_the_chain_is_found(configuration: Configuration, anvil_binary: Path) -> None:
    binary = installation.binary_path(configuration.home)
    binary.parent.mkdir(parents=True)
    shutil.copyfile(anvil_binary, binary)
    assert "anvil" not in ill(configuration)
    with binary.open("ab") as file:
        file.write(b"\0")
    assert "anvil" in ill(configuration)


def test_servers_that_do_not_answer_are_named_without_their_passwords(configuration: Configuration) -> None:
    external = replace(
        configuration,
        database_url=f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d",
        chain_rpc_url=f"http://127.0.0.1:{free_port()}/key-hunter2",
    )
    assert ill(external) == {"database", "chain"}
    assert "hunter2" not in str(findings(external))


def test_a_database_shows_its_schema_and_a_foreign_chain_is_found(
    configuration: Configuration, fresh_postgres_url: str, chain_rpc: JsonRpc, empty_postgres_url: str
) -> None:
    external = replace(configuration, database_url=fresh_postgres_url, chain_rpc_url=chain_rpc.url)
    assert ill(external) == set()
    with psycopg.connect(fresh_postgres_url) as connection:
        connection.execute("INSERT INTO infra.chain_identity (chain_id, genesis_hash) VALUES (31337, %s)", [b"\7" * 32])
    assert ill(external) == {"chain"}
    assert "migrates it" in findings(replace(external, database_url=empty_postgres_url))["database"].detail
    with psycopg.connect(fresh_postgres_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert ill(external) == {"chain", "database"}


@pytest.mark.slow
def test_running_services_are_seen(configuration: Configuration, anvil_binary: Path) -> None:
    with services(replace(configuration, anvil=anvil_binary), progress=lambda _message: None):
        found = findings(replace(configuration, anvil=anvil_binary))
    assert "PostgreSQL 18" in found["database"].detail
    assert "chain 31337" in found["chain"].detail
    assert "the database's own" in found["chain"].detail


def test_the_answer_is_the_same_in_json(configuration: Configuration, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(configuration, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["is_well"] is True
    assert {"python", "home", "disk", "secrets", "port", "postgres", "database", "anvil", "chain"} <= {
        finding["name"] for finding in document["findings"]
    }
    assert doctor.run(replace(configuration, database_url="postgresql://u@127.0.0.1:1/d"), as_json=False) is False
    shown = capsys.readouterr().out
    assert "missing database" in shown
    assert "→" in shown
