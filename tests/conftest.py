# SPDX-License-Identifier: Apache-2.0
"""The services that tests share: one PostgreSQL for the whole run with a database each, and an anvil per module. Knows no context.

postgres_url        a migrated database of this test process, shared by its tests (session)
fresh_postgres_url  a migrated database of one test alone
empty_postgres_url  a database of one test alone, without our schema
chain_rpc           a node that gives each transaction its block at once (module)
manual_chain_rpc    a node that mines only on evm_mine (one test)
home                a short, empty MUNIMENT_HOME of one test
anvil_binary        the pinned anvil (session)
test_data           the folder of public test data (session)
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from muniment.infra import processes
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.localchain.anvil import Anvil
from muniment.infra.localchain.install import install
from muniment.infra.postgres.migrations import migrate

# No test asserts how fast it is; a busy machine must not turn a property false.
settings.register_profile("muniment", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("muniment")

FOLDER_VARIABLE = "MUNIMENT_TEST_SERVICES"
TEST_DATA_VARIABLE = "MUNIMENT_TESTDATA"
TEMPLATE = "muniment_template"
START_SECONDS_MAX = 120


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of the run, once, in the process that xdist's workers inherit from."""
    if not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="muniment-tests-", dir="/tmp"))  # short, since a socket's path has a limit
        folder.chmod(0o711)
        os.environ[FOLDER_VARIABLE] = str(folder)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what needs the public test data where nobody has said where it is."""
    if TEST_DATA_VARIABLE in os.environ:
        return
    needing = [item for item in items if "test_data" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if item not in needing]
    if needing:
        config.hook.pytest_deselected(items=needing)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of public test data that MUNIMENT_TESTDATA names."""
    folder = Path(os.environ[TEST_DATA_VARIABLE])
    assert folder.is_dir(), f"{TEST_DATA_VARIABLE} names a folder that does not exist"
    return folder


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what the run started."""
    if hasattr(config, "workerinput") or FOLDER_VARIABLE not in os.environ:
        return
    folder = Path(os.environ.pop(FOLDER_VARIABLE))
    pid_file = folder / "keeper.pid"
    if pid_file.exists():
        keeper = processes.name_of(int(pid_file.read_text(encoding="ascii")))
        if keeper is not None:
            keeper.send(signal.SIGTERM)
            keeper.wait_gone(30)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@pytest.fixture(scope="session")
def postgres_server_url() -> str:
    """The run's PostgreSQL, as its owner; `with_database` makes the address of one of its databases."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    controller = os.environ.get("PYTEST_XDIST_WORKER") and os.getppid()
    with _locked(folder / "keeper.lock"):
        if not (folder / "keeper.pid").exists():
            program = [sys.executable, str(Path(__file__).with_name("services_keeper.py")), str(folder), str(controller or os.getpid())]
            log = os.open(folder / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            # It outlives this process on purpose, so it is no Popen, which would complain: pytest_unconfigure ends it.
            keeper = os.posix_spawn(
                program[0],
                program,
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)],
                setsid=True,
            )
            os.close(log)
            (folder / "keeper.pid").write_text(str(keeper), encoding="ascii")
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (folder / "server.url").exists():
            assert time.monotonic() < deadline, (folder / "keeper.log").read_text(encoding="utf-8")
            time.sleep(0.02)
        url = (folder / "server.url").read_text(encoding="utf-8")
        if not (folder / "template.made").exists():
            _create_database(url, TEMPLATE)
            migrate(with_database(url, TEMPLATE))
            (folder / "template.made").touch()
    return url


def with_database(url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    before, _, after = url.partition("?")
    return f"{before.rpartition('/')[0]}/{name}?{after}"


def _create_database(server_url: str, name: str, *, template: str = "template0") -> None:
    with psycopg.connect(with_database(server_url, "postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(name), sql.Identifier(template)),
        )


def _drop_database(server_url: str, name: str) -> None:
    with psycopg.connect(with_database(server_url, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def make_database(postgres_server_url: str) -> Callable[[], str]:
    """A function that returns the address of one more migrated database; all go when the run ends."""
    folder = Path(os.environ[FOLDER_VARIABLE])

    def make() -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        # PostgreSQL refuses to copy a template that somebody else is copying by a connection to it.
        with _locked(folder / "template.lock"):
            _create_database(postgres_server_url, name, template=TEMPLATE)
        return with_database(postgres_server_url, name)

    return make


@pytest.fixture(scope="session")
def postgres_url(make_database: Callable[[], str]) -> str:
    """A migrated database that the tests of this process share."""
    return make_database()


@pytest.fixture
def fresh_postgres_url(make_database: Callable[[], str], postgres_server_url: str) -> Iterator[str]:
    """A migrated database for one test."""
    url = make_database()
    yield url
    _drop_database(postgres_server_url, url.partition("?")[0].rpartition("/")[2])


@pytest.fixture
def empty_postgres_url(postgres_server_url: str) -> Iterator[str]:
    """A database without any of our tables, for one test."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    _create_database(postgres_server_url, name)
    yield with_database(postgres_server_url, name)
    _drop_database(postgres_server_url, name)


@pytest.fixture(scope="session")
def anvil_binary(request: pytest.FixtureRequest) -> Path:
    """The pinned anvil, installed once below .pytest_cache."""
    assert request.config.cache is not None
    return install(request.config.cache.mkdir("muniment"), progress=lambda _message: None)


@pytest.fixture(scope="module")
def chain_rpc(anvil_binary: Path) -> Iterator[JsonRpc]:
    """A fresh node that mines each transaction at once; the ten development accounts are rich."""
    yield from _node(anvil_binary, automine=True)


@pytest.fixture
def manual_chain_rpc(anvil_binary: Path) -> Iterator[JsonRpc]:
    """A fresh node that mines when told to, by evm_mine."""
    yield from _node(anvil_binary, automine=False)


def _node(binary: Path, *, automine: bool) -> Iterator[JsonRpc]:
    folder = Path(tempfile.mkdtemp(prefix="muniment-anvil-"))
    try:
        with Anvil(binary, folder=folder, automine=automine) as anvil:
            rpc = JsonRpc(anvil.url)
            yield rpc
            rpc.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home() -> Iterator[Path]:
    """A short, empty folder that an unprivileged database server may walk through, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="muniment-home-", dir="/tmp"))  # short, since a socket's path has a limit
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
