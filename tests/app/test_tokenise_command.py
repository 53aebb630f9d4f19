# SPDX-License-Identifier: Apache-2.0
"""`muniment tokenise`: files become assets on the chain; a bad file is refused with its place and leaves nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from muniment.app import examples
from tests.app.command_line import CommandLine

pytestmark = [pytest.mark.slow]

WALLET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.fixture
def vehicle() -> dict[str, Any]:
    body: dict[str, Any] = json.loads((examples.folder() / "vehicle" / "vehicle.json").read_bytes())
    return body


@pytest.fixture
def tokenise(command_line: CommandLine) -> Callable[..., Any]:
    """Tokenise a vehicle with the example's owner file."""

    def run(record: object, *, wallet: str = WALLET) -> Any:
        file = command_line.folder / "record.json"
        file.write_text(record if isinstance(record, str) else json.dumps(record), encoding="utf-8")
        owner = str(examples.folder() / "vehicle" / "owner.json")
        return command_line.owner("tokenise", "vehicle", str(file), owner, "--wallet", wallet, "--json")

    return run


def test_a_vehicle_gets_an_id_that_can_be_recomputed_and_a_deed(
    tokenise: Callable[..., Any], vehicle: dict[str, Any], command_line: CommandLine
) -> None:
    ended = tokenise(vehicle)
    assert ended.code == 0, ended
    assert ended.told["owner"] == WALLET
    proof = command_line.run("verify", "asset", ended.told["asset_id"], "--json")
    assert (proof.code, proof.told["equal"]) == (0, True)


def test_a_company_gets_an_open_security_for_each_class(command_line: CommandLine) -> None:
    package = command_line.folder / "package.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for file in sorted((examples.folder() / "ocf").glob("*.json")):
            archive.write(file, file.name)
    ended = command_line.owner("tokenise", "company", str(package), "--json")
    assert ended.code == 0, ended
    assert len(ended.told["securities"]) == 2
    assert all(security["token_address"].startswith("0x") for security in ended.told["securities"])
    shown = command_line.owner("shares", "show", ended.told["securities"][0]["security_id"], "--json").told
    assert (shown["state"], shown["shares"]) == ("open", "0")


def test_a_malformed_vin_a_bad_wallet_and_no_json_are_refused(tokenise: Callable[..., Any], vehicle: dict[str, Any]) -> None:
    ended = tokenise(vehicle | {"vin": "1T9FB5A25RT26400I"})
    assert ended.code == 2
    assert ended.refusal["code"].startswith("instruments.")
    assert "vin" in ended.refusal["place"]["field"]
    ended = tokenise(vehicle, wallet=WALLET.lower().replace("70997970c", "70997970C"))
    assert (ended.code, ended.refusal["code"]) == (2, "parties.bad_checksum")
    for text in ("{", "[]"):
        ended = tokenise(text)
        assert (ended.code, ended.refusal["code"]) == (2, "app.cannot_read_file")
        assert ended.refusal["place"]["file"].endswith("record.json")


def test_a_package_that_is_none_is_refused(command_line: CommandLine, tmp_path: Path) -> None:
    assert command_line.owner("tokenise", "company", str(tmp_path / "absent.zip"), "--json").refusal["code"] == "app.cannot_read_file"
    empty = tmp_path / "empty"
    empty.mkdir()
    ended = command_line.owner("tokenise", "company", str(empty), "--json")
    assert ended.code == 2
    assert ended.refusal["code"].startswith("instruments.")
    nonsense = tmp_path / "nonsense.zip"
    nonsense.write_bytes(b"no zip")
    ended = command_line.owner("tokenise", "company", str(nonsense), "--json")
    assert ended.code == 2
    assert ended.refusal["code"].startswith("instruments.")


def test_only_an_owner_tokenises(command_line: CommandLine) -> None:
    ended = command_line.agent("tokenise", "company", str(examples.folder() / "ocf"), "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "access.not_permitted")
