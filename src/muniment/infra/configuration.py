# SPDX-License-Identifier: Apache-2.0
"""The one typed configuration, read from environment and `muniment.toml`, and the files that hold secrets. Starts nothing."""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from muniment.units.errors import MunimentError, Place

FILE_NAME = "muniment.toml"
SECRET_BYTES = 32
LOG_LEVELS = ("debug", "info", "warning", "error")


MAIL_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
"""An e-mail address as every mail server takes it: no quotes, no letter beyond ASCII."""


class UnknownSetting(MunimentError):
    """A key that no setting has: most often a typing mistake, which must not pass as a default."""

    code = "configuration.unknown_setting"
    message = "There is no setting {name!r}."
    cure = "Use one of: {known}."


class BadSetting(MunimentError):
    """A value that its setting cannot take."""

    code = "configuration.bad_setting"
    message = "{name} is {value!r}, but {expected}."
    cure = "Give {name} a value that {rule}."


class BadConfigurationFile(MunimentError):
    """The file cannot be read or is not TOML."""

    code = "configuration.bad_file"
    message = "{path} cannot be used: {reason}."
    cure = "Mend the file or remove it; every setting has a default."


class SecretExposed(MunimentError):
    """A file with a secret that others on this machine could read or change."""

    code = "configuration.secret_exposed"
    message = "{path} holds a secret, but its permissions are {mode}."
    cure = "Run: chmod 600 {path}"


class SecretMissing(MunimentError):
    """A secret that is needed and is neither in the environment nor in its file."""

    code = "configuration.secret_missing"
    message = "The secret {name!r} is missing."
    cure = "Set {variable} in the environment or write it to {path} with mode 600."


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Every setting of one installation. Addresses may hold passwords, so they never appear in its repr."""

    home: Path
    database_url: str | None = field(default=None, repr=False)
    """PostgreSQL of the application; None means the embedded one."""
    database_owner_url: str | None = field(default=None, repr=False)
    """PostgreSQL as the role that migrates; None means the same as `database_url`."""
    chain_rpc_url: str | None = field(default=None, repr=False)
    """JSON-RPC of the chain; None means the local one."""
    confirmations: int = 2
    """Blocks on top of a block before it counts as final."""
    block_seconds: float = 1.0
    """Seconds between two blocks of the local chain while there is work."""
    chain_port: int = 0
    """Port of the local chain; 0 means any free one."""
    anvil: Path | None = None
    """An anvil binary of the operator's own; None means the one from npm."""
    api_host: str = "127.0.0.1"
    api_port: int = 8470
    """Port of the API and the pages; 0 means any free one."""
    public_url: str | None = None
    """Where people find the pages, as https://shares.example.com; None means host and port of the API. Proofs of wallets name it."""
    log_level: str = "info"
    smtp_url: str | None = field(default=None, repr=False)
    """The mail server, as smtp://user@mail.example.com:587 or smtps://...; None means that no mail is sent."""
    mail_from: str | None = None
    """The address that mail comes from; needed with `smtp_url`."""
    database_is_embedded: bool = False
    """Set by the supervisor for its children: `database_url` is the embedded server's."""
    chain_is_local: bool = False
    """Set by the supervisor for its children: `chain_rpc_url` is the local chain's."""

    @property
    def run_folder(self) -> Path:
        """Where running processes leave their pids and addresses."""
        return self.home / "run"

    @property
    def log_file(self) -> Path:
        """The one log of everything that runs from this home."""
        return self.home / "log" / "muniment.log"

    @property
    def secrets_folder(self) -> Path:
        """Where secrets live as files of mode 600."""
        return self.home / "secrets"

    @property
    def owner_url(self) -> str | None:
        """The address to migrate with."""
        return self.database_owner_url or self.database_url

    @property
    def site_url(self) -> str:
        """The address of the pages, without a slash at the end."""
        return (self.public_url or f"http://{self.api_host}:{self.api_port}").rstrip("/")

    def with_database(self, url: str) -> Configuration:
        """Return the configuration with the running database's address, marked as embedded when none was given."""
        return dataclasses.replace(self, database_url=url, database_is_embedded=self.database_is_embedded or self.database_url is None)

    def with_chain(self, rpc_url: str) -> Configuration:
        """Return the configuration with the running chain's address, marked as local when none was given."""
        return dataclasses.replace(self, chain_rpc_url=rpc_url, chain_is_local=self.chain_is_local or self.chain_rpc_url is None)

    def with_port(self, api_port: int) -> Configuration:
        """Return the configuration with the API's port."""
        return dataclasses.replace(self, api_port=api_port)

    def to_environment(self) -> dict[str, str]:
        """Return the variables from which `read_configuration` makes this same object; secret values travel only this way."""
        values = {setting.variable: getattr(self, setting.name) for setting in SETTINGS}
        values["MUNIMENT_HOME"] = self.home
        return {
            variable: str(value).lower() if isinstance(value, bool) else str(value)
            for variable, value in values.items()
            if value is not None
        }


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table that `muniment.toml` and the environment are checked against."""

    name: str
    variable: str
    rule: str
    parse: Callable[[Any], Any]
    is_secret: bool = False


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("it is not a whole number")
        try:
            number = int(value)
        except ValueError:
            raise ValueError("it is not a whole number") from None
        if not low <= number <= high:
            raise ValueError("it is out of range")
        return number

    return parse


def _seconds(low: float, high: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError("it is not a number")
        try:
            number = float(value)
        except ValueError:
            raise ValueError("it is not a number") from None
        if not low <= number <= high:
            raise ValueError("it is out of range")
        return number

    return parse


def _url(*schemes: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("it is not text")
        try:
            scheme = urlsplit(value).scheme
        except ValueError:
            raise ValueError("it is not an address") from None
        if scheme not in schemes:
            raise ValueError("its scheme is not allowed")
        return value

    return parse


def _one_of(*words: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError("it is not one of them")
        return str(value)

    return parse


def _host(value: Any) -> str:
    if not isinstance(value, str) or not value or any(character in value for character in " /:@\0"):
        raise ValueError("it is not a host")
    return value


def _mail_server(value: Any) -> str:
    text = _url("smtp", "smtps")(value)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is not an address") from None
    if not host or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("it is more or less than a user, a host and a port")
    if parts.password is not None:
        raise ValueError("it holds a password, which belongs into the secret smtp_password")
    return text


def _mail_address(value: Any) -> str:
    if not isinstance(value, str) or not MAIL_ADDRESS.fullmatch(value):
        raise ValueError("it is no e-mail address in ASCII")
    return value


def _path(value: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("it is not a path")
    return Path(value).expanduser()


def _boolean(value: Any) -> bool:
    if value in (True, "true", "1"):
        return True
    if value in (False, "false", "0"):
        return False
    raise ValueError("it is neither true nor false")


_DATABASE_RULE = "starts with postgresql:// or postgres://"
SETTINGS = (
    Setting("database_url", "DATABASE_URL", _DATABASE_RULE, _url("postgresql", "postgres"), is_secret=True),
    Setting("database_owner_url", "DATABASE_OWNER_URL", _DATABASE_RULE, _url("postgresql", "postgres"), is_secret=True),
    Setting("chain_rpc_url", "CHAIN_RPC_URL", "starts with http:// or https://", _url("http", "https"), is_secret=True),
    Setting("confirmations", "MUNIMENT_CONFIRMATIONS", "is a whole number from 0 to 1000", _integer(0, 1000)),
    Setting("block_seconds", "MUNIMENT_BLOCK_SECONDS", "is a number of seconds from 0.05 to 3600", _seconds(0.05, 3600)),
    Setting("chain_port", "MUNIMENT_CHAIN_PORT", "is a port from 0 to 65535", _integer(0, 65535)),
    Setting("anvil", "MUNIMENT_ANVIL", "is the path of an anvil binary", _path),
    Setting("api_host", "MUNIMENT_API_HOST", "is a host name or an IPv4 address", _host),
    Setting("api_port", "MUNIMENT_API_PORT", "is a port from 0 to 65535", _integer(0, 65535)),
    Setting("public_url", "MUNIMENT_PUBLIC_URL", "starts with http:// or https://", _url("http", "https")),
    Setting("log_level", "MUNIMENT_LOG_LEVEL", f"is one of {', '.join(LOG_LEVELS)}", _one_of(*LOG_LEVELS)),
    Setting("smtp_url", "MUNIMENT_SMTP_URL", "starts with smtp:// or smtps:// and holds no password", _mail_server, is_secret=True),
    Setting("mail_from", "MUNIMENT_MAIL_FROM", "is an e-mail address in ASCII", _mail_address),
    Setting("database_is_embedded", "MUNIMENT_DATABASE_IS_EMBEDDED", "is true or false", _boolean),
    Setting("chain_is_local", "MUNIMENT_CHAIN_IS_LOCAL", "is true or false", _boolean),
)
# Set by the supervisor for its children only; a person who wrote them into the file would disarm a check.
_NOT_IN_FILE = {"database_is_embedded", "chain_is_local"}
# Variables that start with MUNIMENT_ and are no settings: tests, crash points and the values of secrets.
_FREE_PREFIXES = ("MUNIMENT_TEST", "MUNIMENT_CRASH")
SECRETS = ("master_key", "demo_password", "smtp_password")
"""The secrets that exist: files below `secrets`, or variables such as MUNIMENT_MASTER_KEY."""


def read_configuration(environment: Mapping[str, str] | None = None, *, home: Path | None = None) -> Configuration:
    """Return the configuration: defaults, then `muniment.toml` of the home, then the environment, the later winning.

    `environment` defaults to the process's own; `home` wins over MUNIMENT_HOME. A variable `X_FILE` beside an address
    variable `X` names a file of mode 600 that holds it. Refuses unknown keys, bad values and exposed secrets, naming the place.
    """
    environment = os.environ if environment is None else environment
    folder = home or Path(environment.get("MUNIMENT_HOME") or "~/.muniment")
    folder = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100 - resolve() would follow links, and a home may be one
    _refuse_unknown_variables(environment)
    values = _from_file(folder / FILE_NAME) | _from_environment(environment)
    return Configuration(home=folder, **values)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadConfigurationFile(path=path, reason=str(error), place=Place(file=str(path))) from error
    allowed = {setting.name: setting for setting in SETTINGS if setting.name not in _NOT_IN_FILE}
    values: dict[str, Any] = {}
    for name, value in document.items():
        place = Place(file=str(path), field=name)
        if name not in allowed:
            raise UnknownSetting(name=name, known=", ".join(sorted(allowed)), place=place)
        if allowed[name].is_secret:
            refuse_exposed(path)
        values[name] = _parsed(allowed[name], value, place=place)
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        file_variable = f"{setting.variable}_FILE"
        if environment.get(setting.variable):
            place = Place(file="environment", field=setting.variable)
            values[setting.name] = _parsed(setting, environment[setting.variable], place=place)
        elif setting.is_secret and environment.get(file_variable):
            text = read_secret_file(Path(environment[file_variable]).expanduser())
            values[setting.name] = _parsed(setting, text, place=Place(file="environment", field=file_variable))
    return values


def _parsed(setting: Setting, value: Any, *, place: Place) -> Any:
    try:
        return setting.parse(value)
    except ValueError as error:
        shown = "(not shown)" if setting.is_secret else value
        raise BadSetting(name=setting.name, value=shown, expected=str(error), rule=setting.rule, place=place) from error


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {setting.variable for setting in SETTINGS} | {"MUNIMENT_HOME"} | {secret_variable(name) for name in SECRETS}
    for variable in sorted(environment):
        if variable.startswith("MUNIMENT_") and variable not in known and not variable.startswith(_FREE_PREFIXES):
            raise UnknownSetting(name=variable, known=", ".join(sorted(known)), place=Place(file="environment", field=variable))


def refuse_exposed(path: Path) -> None:
    """Refuse a file that group or others may read, write or run."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise SecretExposed(path=path, mode=f"{mode:04o}", place=Place(file=str(path)))


def read_secret_file(path: Path) -> str:
    """Return the text of a secret's file, without the newline that editors add; refuse wide permissions and an absent file."""
    try:
        refuse_exposed(path)
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfigurationFile(path=path, reason=str(error), place=Place(file=str(path))) from error


def secret_variable(name: str) -> str:
    """Return the variable that may hold the secret `name`: `master_key` is MUNIMENT_MASTER_KEY."""
    return f"MUNIMENT_{name.upper()}"


def read_secret(configuration: Configuration, name: str, *, environment: Mapping[str, str] | None = None) -> str:
    """Return the secret `name` of `SECRETS`: from its variable, else from the file `secrets/<name>` of the home."""
    assert name in SECRETS, f"{name} is not listed in SECRETS"
    environment = os.environ if environment is None else environment
    variable = secret_variable(name)
    if environment.get(variable):
        return environment[variable]
    path = configuration.secrets_folder / name
    if not path.exists():
        raise SecretMissing(name=name, variable=variable, path=path)
    return read_secret_file(path)


def ensure_secret(configuration: Configuration, name: str, *, environment: Mapping[str, str] | None = None) -> str:
    """Return the secret `name`, first making a random one of 32 bytes (hex) where none exists; two at once agree on one."""
    environment = os.environ if environment is None else environment
    path = configuration.secrets_folder / name
    if not environment.get(secret_variable(name)) and not path.exists():
        configuration.secrets_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A reader must never meet a half-written secret, and a second writer must not replace the first one's.
        draft = path.with_name(f".{name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return read_secret(configuration, name, environment=environment)
