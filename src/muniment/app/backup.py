# SPDX-License-Identifier: Apache-2.0
"""`muniment backup` and `restore`: the database, the secrets and the settings in one archive with checksums; the journal brings the chain.

The archive is a tar of mode 600 with `manifest.json` first. It holds the master key beside the data that the key seals:
whoever has it can read everything, so it is to be kept as keys are.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
import typer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console

from muniment.app.services import prepare_home, services, start_chain
from muniment.infra.clock import SystemClock
from muniment.infra.configuration import FILE_NAME, SECRETS, Configuration, secret_variable
from muniment.infra.postgres.database import sqlalchemy_url
from muniment.infra.postgres.embedded import EmbeddedPostgres, pg_dump, pg_restore
from muniment.infra.postgres.migrations import current_revision, head_revision, migrate
from muniment.units.errors import MunimentError, Place

FORMAT = 1
MANIFEST = "manifest.json"
DUMP = "database.dump"
SECRETS_PREFIX = "secrets/"
MANIFEST_BYTES_MAX = 1024 * 1024
COPY_BYTES = 1024 * 1024
# Roles belong to the server, not to the database, so that a dump names them without making them.
ROLES = ("muniment_app", "muniment_worker")

Progress = Callable[[str], None]


class BackupExists(MunimentError):
    """A backup never replaces a file."""

    code = "backup.file_exists"
    message = "{path} exists already."
    cure = "Name another file, or remove this one first."


class BackupUnreadable(MunimentError):
    """Not an archive of ours, or a damaged one."""

    code = "backup.unreadable"
    message = "{path} is not a whole backup: {reason}."
    cure = "Use another copy of the backup; nothing was restored."


class BackupNewer(MunimentError):
    """Made by a later release."""

    code = "backup.newer"
    message = "{path} was made by Muniment {version} with schema {revision}, which this release does not know."
    cure = "Install Muniment {version} or later and restore with it."


class HomeNotEmpty(MunimentError):
    """A restore never mixes with what is there."""

    code = "backup.home_not_empty"
    message = "{home} is not empty (it holds {found})."
    cure = "Restore into an empty folder: MUNIMENT_HOME=/path/to/new/home muniment restore {file}"


class DatabaseNotEmpty(MunimentError):
    """The database named by DATABASE_URL already has our schema."""

    code = "backup.database_not_empty"
    message = "The database of DATABASE_URL already holds a Muniment."
    cure = "Create an empty database and name that one in DATABASE_URL."


class DumpFailed(MunimentError):
    """pg_dump or pg_restore gave up."""

    code = "backup.database_tool_failed"
    message = "{program} failed: {reason}"
    cure = "Run muniment doctor; for a restore, nothing was kept."


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds and what it was made by."""

    format: int
    muniment: str
    schema_revision: str
    postgres: str
    created_at: str
    chain: dict[str, Any] | None
    secrets_from_environment: list[str]
    files: dict[str, dict[str, Any]]


def backup(configuration: Configuration, file: Path, *, as_json: bool = False) -> Manifest:
    """Write the archive `file`, mode 600, and return its manifest; the database is one consistent snapshot, taken while others work."""
    progress = _progress(as_json=as_json)
    if file.exists():
        raise BackupExists(path=file, place=Place(file=str(file)))
    with services(configuration, progress=progress, components=("database",)) as running, _private_folder(file.absolute().parent) as folder:
        url = running.configuration.owner_url
        assert url is not None
        progress("backup: dumping the database")
        _run_tool([str(pg_dump()), "--format=custom", "--no-owner", f"--file={folder / DUMP}"], url)
        members = {DUMP: folder / DUMP}
        if (configuration.home / FILE_NAME).exists():
            members[FILE_NAME] = configuration.home / FILE_NAME
        if configuration.secrets_folder.is_dir():
            members |= {f"{SECRETS_PREFIX}{path.name}": path for path in sorted(configuration.secrets_folder.iterdir()) if path.is_file()}
        manifest = Manifest(
            format=FORMAT,
            muniment=metadata.version("muniment"),
            created_at=SystemClock().now().isoformat(),
            secrets_from_environment=[name for name in SECRETS if os.environ.get(secret_variable(name))],
            files={name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for name, path in members.items()},
            **_facts_of_database(url),
        )
        draft = folder / "archive.tar"
        _write_archive(draft, manifest, members)
        # A link fails when the name was taken meanwhile; a rename would replace that file.
        try:
            os.link(draft, file)
        except FileExistsError:
            raise BackupExists(path=file, place=Place(file=str(file))) from None
    for name in manifest.secrets_from_environment:
        progress(f"backup: {secret_variable(name)} comes from the environment and is not in the archive; keep it elsewhere")
    _tell_end(f"backup: wrote {file} ({file.stat().st_size:,} bytes)", manifest, file, as_json=as_json)
    return manifest


def restore(configuration: Configuration, file: Path, *, as_json: bool = False) -> Manifest:
    """Restore `file` into an empty home, after checking every checksum; then make the chain again, which proves the journal whole."""
    progress = _progress(as_json=as_json)
    _refuse_full_home(configuration, file)
    with _opened(file) as archive:
        manifest = _read_manifest(archive, file)
        prepare_home(configuration)
        try:
            with _private_folder(configuration.home) as folder:
                progress("restore: checking the checksums")
                _extract(archive, manifest, folder, file)
                _place_files(configuration, folder, manifest)
                recovered = _restore_services(configuration, folder / DUMP, progress=progress)
        except BaseException:
            # Half a restore would look like a home: leave the folder as empty as it was.
            _empty(configuration.home)
            raise
    _tell_end(f"restore: {file} is restored into {configuration.home}; {recovered}", manifest, file, as_json=as_json)
    return manifest


# --- backup ---------------------------------------------------------------------------------------------------------------------------


def _facts_of_database(url: str) -> dict[str, Any]:
    engine = sa.create_engine(sqlalchemy_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        identity = connection.exec_driver_sql("SELECT chain_id, encode(genesis_hash, 'hex') FROM infra.chain_identity").one_or_none()
        head = connection.exec_driver_sql("SELECT number, encode(hash, 'hex') FROM infra.block ORDER BY number DESC LIMIT 1").one_or_none()
        return {
            "postgres": connection.exec_driver_sql("SHOW server_version").scalar_one(),
            "schema_revision": current_revision(connection) or "",
            "chain": None
            if identity is None
            else {
                "chain_id": identity[0],
                "genesis_hash": f"0x{identity[1]}",
                "journalled_head": None if head is None else {"number": head[0], "hash": f"0x{head[1]}"},
            },
        }


def _write_archive(draft: Path, manifest: Manifest, members: dict[str, Path]) -> None:
    document = json.dumps(asdict(manifest), indent=2).encode()
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, MANIFEST, io.BytesIO(document), len(document))
            for name, path in members.items():
                with path.open("rb") as content:
                    _add(archive, name, content, manifest.files[name]["bytes"])
        raw.flush()
        os.fsync(raw.fileno())


def _add(archive: tarfile.TarFile, name: str, content: io.IOBase | Any, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    archive.addfile(member, content)


# --- restore --------------------------------------------------------------------------------------------------------------------------


def _refuse_full_home(configuration: Configuration, file: Path) -> None:
    home = configuration.home
    found = sorted(path.name for path in home.iterdir()) if home.exists() else []
    if found:
        raise HomeNotEmpty(home=home, found=", ".join(found[:5]), file=file, place=Place(file=str(home)))


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        archive = tarfile.open(file, mode="r:")  # noqa: SIM115 - closed below; only the opening may be blamed on the file
    except (OSError, tarfile.TarError) as error:
        raise BackupUnreadable(path=file, reason=str(error) or type(error).__name__, place=Place(file=str(file))) from error
    with archive:
        try:
            yield archive
        except tarfile.TarError as error:
            raise BackupUnreadable(path=file, reason=str(error) or type(error).__name__, place=Place(file=str(file))) from error


def _read_manifest(archive: tarfile.TarFile, file: Path) -> Manifest:
    member = archive.next()
    content = None if member is None or member.name != MANIFEST or member.size > MANIFEST_BYTES_MAX else archive.extractfile(member)
    if content is None:
        raise BackupUnreadable(path=file, reason="it does not begin with a manifest", place=Place(file=str(file)))
    try:
        document = json.loads(content.read())
        version, revision = str(document["muniment"]), str(document["schema_revision"])
        if document["format"] != FORMAT or revision > head_revision():
            raise BackupNewer(path=file, version=version, revision=revision, place=Place(file=str(file)))
        manifest = Manifest(**document)
        for name, facts in manifest.files.items():
            allowed = name in (DUMP, FILE_NAME) or (name.startswith(SECRETS_PREFIX) and "/" not in name.removeprefix(SECRETS_PREFIX))
            if not allowed or name.removeprefix(SECRETS_PREFIX) in ("", ".", "..") or not isinstance(facts["bytes"], int):
                raise BackupUnreadable(path=file, reason=f"its manifest names {name!r}", place=Place(file=str(file), field=name))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupUnreadable(path=file, reason=f"its manifest is damaged ({error})", place=Place(file=str(file))) from error
    if DUMP not in manifest.files:
        raise BackupUnreadable(path=file, reason="it holds no database", place=Place(file=str(file)))
    return manifest


def _extract(archive: tarfile.TarFile, manifest: Manifest, folder: Path, file: Path) -> None:
    """Copy the members out by hand, so that nothing in the archive decides where it lands, and compare each checksum."""
    seen: set[str] = set()
    while (member := archive.next()) is not None:
        if member.name not in manifest.files or member.name in seen or not member.isreg():
            raise BackupUnreadable(path=file, reason=f"it holds {member.name!r}, which its manifest does not", place=Place(file=str(file)))
        seen.add(member.name)
        content = archive.extractfile(member)
        assert content is not None, "a regular member has content"
        target = folder / member.name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        digest = hashlib.sha256()
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            while chunk := content.read(COPY_BYTES):
                digest.update(chunk)
                out.write(chunk)
        expected = manifest.files[member.name]
        if (target.stat().st_size, digest.hexdigest()) != (expected["bytes"], expected["sha256"]):
            raise BackupUnreadable(
                path=file, reason=f"the checksum of {member.name} differs", place=Place(file=str(file), field=member.name)
            )
    if absent := set(manifest.files) - seen:
        raise BackupUnreadable(path=file, reason=f"it lacks {', '.join(sorted(absent))}", place=Place(file=str(file)))


def _place_files(configuration: Configuration, folder: Path, manifest: Manifest) -> None:
    if FILE_NAME in manifest.files:
        (folder / FILE_NAME).replace(configuration.home / FILE_NAME)
    if any(name.startswith(SECRETS_PREFIX) for name in manifest.files):
        (folder / SECRETS_PREFIX).replace(configuration.secrets_folder)


def _restore_services(configuration: Configuration, dump: Path, *, progress: Progress) -> str:
    """Restore the database, migrate it, and let the local chain be made again; return what the chain said."""
    with contextlib.ExitStack() as stack:
        if configuration.database_url is None:
            server = stack.enter_context(EmbeddedPostgres(configuration.home, progress=progress, log_file=configuration.log_file))
            configuration = configuration.with_database(server.url)
        url = configuration.owner_url
        assert url is not None
        with psycopg.connect(url, autocommit=True) as connection:
            row = connection.execute("SELECT to_regnamespace('infra') IS NOT NULL").fetchone()
            if row is not None and row[0]:
                raise DatabaseNotEmpty
            for role in ROLES:
                if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
                    connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
                connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))
        progress("restore: restoring the database")
        _run_tool([str(pg_restore()), "--exit-on-error", "--single-transaction", "--no-owner", f"--dbname={_name_of(url)}", str(dump)], url)
        migrate(url)
        chain, configuration = start_chain(configuration, progress=progress)
        if chain is None:
            return "the chain is the one that CHAIN_RPC_URL names"
        stack.callback(chain.stop)
        return f"the chain: {chain.recovered}"


def _empty(home: Path) -> None:
    for path in list(home.iterdir()):
        if path.is_symlink():
            shutil.rmtree(path.resolve().parent, ignore_errors=True)
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


# --- both -----------------------------------------------------------------------------------------------------------------------------


def _run_tool(command: list[str], url: str) -> None:
    """Run pg_dump or pg_restore on `url`, which travels by the environment: arguments are for all to read."""
    variables = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
        "sslmode": "PGSSLMODE",
    }
    parts = conninfo_to_dict(url)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment |= {variables[name]: str(value) for name, value in parts.items() if name in variables and value is not None}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise DumpFailed(program=Path(command[0]).name, reason="; ".join(lines[:2]) or f"exit code {done.returncode}")


def _name_of(url: str) -> str:
    return str(conninfo_to_dict(url).get("dbname") or "")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _private_folder(beside: Path) -> Iterator[Path]:
    """Make a folder of mode 700 on the same disk as its later neighbours, so that what is made inside can be moved out whole."""
    folder = Path(tempfile.mkdtemp(prefix=".muniment-", dir=beside))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _progress(*, as_json: bool) -> Progress:
    console = Console(stderr=True)
    return (lambda _message: None) if as_json else (lambda message: console.print(message, highlight=False, markup=False, soft_wrap=True))


def _tell_end(message: str, manifest: Manifest, file: Path, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"file": str(file), "manifest": asdict(manifest)}) + "\n")
    else:
        typer.echo(message)
