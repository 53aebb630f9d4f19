# SPDX-License-Identifier: Apache-2.0
"""The configuration: where values come from, what is refused, and that secrets stay secret."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.infra.configuration import (
    SETTINGS,
    BadConfigurationFile,
    BadSetting,
    Configuration,
    SecretExposed,
    SecretMissing,
    UnknownSetting,
    ensure_secret,
    read_configuration,
    read_secret,
)


def written(folder: Path, text: str, *, mode: int = 0o600) -> Path:
    path = folder / "muniment.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_without_file_and_environment_everything_has_a_default(tmp_path: Path) -> None:
    configuration = read_configuration({}, home=tmp_path)
    assert configuration == Configuration(home=tmp_path)
    assert (configuration.api_host, configuration.api_port, configuration.confirmations) == ("127.0.0.1", 8470, 2)


def test_the_home_is_below_the_users_own_unless_named() -> None:
    assert read_configuration({}).home == Path("~/.muniment").expanduser()
    assert read_configuration({"MUNIMENT_HOME": "/srv/muniment"}).home == Path("/srv/muniment")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    written(tmp_path, "confirmations = 5\napi_port = 9000\n")
    configuration = read_configuration({"MUNIMENT_CONFIRMATIONS": "7"}, home=tmp_path)
    assert (configuration.confirmations, configuration.api_port) == (7, 9000)


def test_an_unknown_key_in_the_file_is_refused_with_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, "confirmation = 5\n")
    with pytest.raises(UnknownSetting) as refusal:
        read_configuration({}, home=tmp_path)
    assert refusal.value.as_json()["place"] == {"file": str(path), "field": "confirmation"}
    assert "confirmations" in str(refusal.value.cure_sentence)


def test_an_unknown_variable_is_refused_but_other_programs_variables_are_not() -> None:
    with pytest.raises(UnknownSetting):
        read_configuration({"MUNIMENT_API_PROT": "1"})
    read_configuration({"PATH": "/bin", "MUNIMENT_TESTDATA": "x", "MUNIMENT_MASTER_KEY": "y", "MUNIMENT_CRASHPOINT": "z"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MUNIMENT_CONFIRMATIONS", "two"),
        ("MUNIMENT_CONFIRMATIONS", "-1"),
        ("MUNIMENT_CONFIRMATIONS", "1.5"),
        ("MUNIMENT_API_PORT", "65536"),
        ("MUNIMENT_BLOCK_SECONDS", "nan"),
        ("MUNIMENT_BLOCK_SECONDS", "0"),
        ("MUNIMENT_LOG_LEVEL", "verbose"),
        ("MUNIMENT_API_HOST", "http://localhost"),
        ("DATABASE_URL", "mysql://root@localhost/x"),
        ("CHAIN_RPC_URL", "ws://localhost:8546"),
        ("MUNIMENT_SMTP_URL", "http://mail.example.com"),
        ("MUNIMENT_SMTP_URL", "smtp://"),
        ("MUNIMENT_SMTP_URL", "smtp://mail.example.com:port"),
        ("MUNIMENT_SMTP_URL", "smtp://mail.example.com/box"),
        ("MUNIMENT_MAIL_FROM", "Heron <shares@heron.example>"),
        ("MUNIMENT_MAIL_FROM", "shares@heron.example\r\nBcc: all@example.com"),
    ],
)
def test_a_bad_value_is_refused_with_the_rule_it_breaks(variable: str, value: str) -> None:
    with pytest.raises(BadSetting) as refusal:
        read_configuration({variable: value})
    assert refusal.value.place is not None
    assert refusal.value.place.field == variable
    assert refusal.value.cure_sentence


@pytest.mark.parametrize("text", ["confirmations = true", "confirmations = [1]", "api_host = 5", "log_level = {}", "block_seconds = true"])
def test_a_value_of_another_type_in_the_file_is_refused(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    with pytest.raises(BadSetting):
        read_configuration({}, home=tmp_path)


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "confirmations 5")
    with pytest.raises(BadConfigurationFile):
        read_configuration({}, home=tmp_path)


def test_a_bad_address_is_refused_without_showing_it() -> None:
    with pytest.raises(BadSetting) as refusal:
        read_configuration({"DATABASE_URL": "mysql://root:hunter2@localhost/x"})
    assert "hunter2" not in str(refusal.value)
    assert "hunter2" not in str(refusal.value.as_json())


def test_the_password_of_the_mail_server_has_no_place_in_its_address() -> None:
    with pytest.raises(BadSetting) as refusal:
        read_configuration({"MUNIMENT_SMTP_URL": "smtp://user:hunter2@mail.example.com"})
    assert "hunter2" not in str(refusal.value.as_json())
    assert "smtp_password" in refusal.value.sentence
    environment = {"MUNIMENT_SMTP_URL": "smtp://user@mail.example.com:2525", "MUNIMENT_SMTP_PASSWORD": "hunter2"}
    configuration = read_configuration(environment)
    assert read_secret(configuration, "smtp_password", environment=environment) == "hunter2"


def test_addresses_never_appear_in_the_repr() -> None:
    configuration = read_configuration({"DATABASE_URL": "postgresql://u:hunter2@h/d", "CHAIN_RPC_URL": "https://h/key-hunter2"})
    assert "hunter2" not in repr(configuration)
    assert "hunter2" not in str(configuration)


def test_a_file_that_holds_an_address_must_be_private(tmp_path: Path) -> None:
    written(tmp_path, 'database_url = "postgresql://u:p@h/d"\n', mode=0o644)
    with pytest.raises(SecretExposed):
        read_configuration({}, home=tmp_path)
    written(tmp_path, 'database_url = "postgresql://u:p@h/d"\n', mode=0o600)
    assert read_configuration({}, home=tmp_path).database_url == "postgresql://u:p@h/d"


def test_an_address_may_come_from_a_private_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("postgresql://u:p@h/d\n", encoding="utf-8")
    path.chmod(0o640)
    with pytest.raises(SecretExposed):
        read_configuration({"DATABASE_URL_FILE": str(path)})
    path.chmod(0o400)
    assert read_configuration({"DATABASE_URL_FILE": str(path)}).database_url == "postgresql://u:p@h/d"


@given(
    confirmations=st.integers(0, 1000),
    block_seconds=st.floats(0.05, 3600),
    api_port=st.integers(0, 65535),
    log_level=st.sampled_from(["debug", "info", "warning", "error"]),
    embedded=st.booleans(),
)
def test_a_child_reads_the_same_configuration_from_the_environment_it_is_given(
    confirmations: int, block_seconds: float, api_port: int, log_level: str, *, embedded: bool
) -> None:
    configuration = Configuration(
        home=Path("/srv/muniment"),
        database_url="postgresql://u@/d?host=/tmp/x",
        chain_rpc_url="http://127.0.0.1:1",
        confirmations=confirmations,
        block_seconds=block_seconds,
        api_port=api_port,
        log_level=log_level,
        database_is_embedded=embedded,
    )
    assert read_configuration(configuration.to_environment()) == configuration


def test_services_mark_only_what_was_not_given_as_embedded_or_local() -> None:
    own = Configuration(home=Path("/x")).with_database("postgresql://a").with_chain("http://b")
    assert (own.database_is_embedded, own.chain_is_local) == (True, True)
    assert own.with_database("postgresql://c").database_is_embedded
    given_ones = Configuration(home=Path("/x"), database_url="postgresql://a", chain_rpc_url="http://b")
    external = given_ones.with_database("postgresql://a").with_chain("http://b")
    assert (external.database_is_embedded, external.chain_is_local) == (False, False)


def test_every_setting_is_a_field_and_every_field_a_setting() -> None:
    assert {setting.name for setting in SETTINGS} | {"home"} == set(Configuration.__dataclass_fields__)


def test_a_secret_is_made_once_private_and_then_kept(tmp_path: Path) -> None:
    configuration = Configuration(home=tmp_path / "home")
    first = ensure_secret(configuration, "master_key", environment={})
    assert len(bytes.fromhex(first)) == 32
    assert ensure_secret(configuration, "master_key", environment={}) == first
    path = configuration.secrets_folder / "master_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(configuration.secrets_folder.stat().st_mode) == 0o700
    assert [file.name for file in configuration.secrets_folder.iterdir()] == ["master_key"]


def test_an_exposed_or_missing_secret_is_refused_and_the_environment_wins(tmp_path: Path) -> None:
    configuration = Configuration(home=tmp_path)
    with pytest.raises(SecretMissing):
        read_secret(configuration, "master_key", environment={})
    ensure_secret(configuration, "master_key", environment={})
    (configuration.secrets_folder / "master_key").chmod(0o644)
    with pytest.raises(SecretExposed):
        read_secret(configuration, "master_key", environment={})
    assert read_secret(configuration, "master_key", environment={"MUNIMENT_MASTER_KEY": "ab"}) == "ab"
