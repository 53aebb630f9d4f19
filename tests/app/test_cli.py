# SPDX-License-Identifier: Apache-2.0
"""The command line's shape: what it lists, how it refuses, and that asking for help loads nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from muniment.app import cli
from muniment.infra.localchain.anvil import free_port
from muniment.infra.outages import Unreachable


def muniment(*arguments: str, home: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MUNIMENT_", "DATABASE_", "CHAIN_"))}
    environment |= {"MUNIMENT_HOME": str(home or "/nonexistent/home"), "NO_COLOR": "1", **variables}
    command = [sys.executable, "-m", "muniment.app.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_it_says_its_version_and_lists_every_command() -> None:
    assert muniment("--version").stdout.startswith("muniment ")
    bare = muniment()
    assert bare.returncode == 0
    for command in ("up", "doctor", "backup", "restore", "api", "worker", *cli.COMMANDS):
        assert f" {command} " in bare.stdout


def test_a_command_that_does_not_exist_is_named() -> None:
    done = muniment("tokenize")
    assert done.returncode == 2
    assert "tokenize" in done.stderr


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_listed_command_exists(command: str) -> None:
    done = CliRunner().invoke(cli.APP, [command, "--help"])
    assert done.exit_code == 0, done.output
    assert f" {command} " in done.output


def test_a_command_of_the_table_runs_as_the_real_one() -> None:
    done = muniment("verify", "--help")
    assert done.returncode == 0
    assert "Usage: muniment verify" in done.stdout


def test_help_loads_neither_the_database_nor_the_chain() -> None:
    program = (
        "import sys; from muniment.app import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'sqlalchemy', 'litestar', 'eth_account', 'psycopg', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_refusal_is_one_line_with_code_place_and_cure_and_exit_code_2(home: Path) -> None:
    (home / "muniment.toml").write_text("confirmation = 1\n", encoding="utf-8")
    done = muniment("doctor", home=home)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    for part in ("configuration.unknown_setting", "muniment.toml", "field confirmation", "→ Use one of"):
        assert part in done.stderr


def test_with_json_a_refusal_is_one_object_on_standard_output(home: Path) -> None:
    done = muniment("doctor", "--json", home=home, MUNIMENT_API_PORT="many")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "configuration.bad_setting"
    assert error["place"] == {"file": "environment", "field": "MUNIMENT_API_PORT"}
    assert error["cure"]


def test_an_outage_has_exit_code_3_and_shows_no_password(home: Path) -> None:
    url = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d"
    done = muniment("backup", str(home / "archive"), home=home, DATABASE_URL=url)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("outage.database: ")
    assert "hunter2" not in done.stdout + done.stderr


def test_with_debug_a_refusal_shows_where_it_arose(home: Path) -> None:
    done = muniment("--debug", "doctor", home=home, MUNIMENT_API_PORT="many")
    assert "Traceback" in done.stderr


def test_a_defect_is_one_line_without_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(**_options: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(cli, "APP", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor"])
    assert ended.value.code == cli.EXIT_DEFECT
    shown = capsys.readouterr().err
    assert "muniment.defect: ZeroDivisionError: a defect" in shown
    assert "Traceback" not in shown


def test_what_goes_to_the_log_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_options: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(cli, "APP", broken)
    with pytest.raises(ZeroDivisionError):
        cli.main(["worker"])


def test_an_outage_that_another_try_cannot_help_does_not_advise_one() -> None:
    assert "Try again" in cli.failure_document(Unreachable("rpc", retry=True))["cure"]
    assert "Try again" not in cli.failure_document(Unreachable("rpc", retry=False))["cure"]


def test_completion_is_offered_for_the_shell() -> None:
    done = muniment(_MUNIMENT_COMPLETE="complete_bash", COMP_WORDS="muniment re", COMP_CWORD="1")
    assert set(done.stdout.split()) == {"reconcile", "reports", "restore"}
