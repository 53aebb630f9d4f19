# SPDX-License-Identifier: Apache-2.0
"""`muniment doctor`: looks at everything a start needs, says what is missing and the command that mends it. Changes nothing."""

from __future__ import annotations

import json
import os
import platform
import pwd
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import resources

import psycopg
import sqlalchemy as sa
import typer
from rich.console import Console
from rich.markup import escape

from muniment.app.supervisor import read_state
from muniment.infra.configuration import FILE_NAME, Configuration
from muniment.infra.evm.client import Evm
from muniment.infra.evm.rpc import JsonRpc, RpcError
from muniment.infra.localchain.install import VERSION, binary_path, verify, verify_version
from muniment.infra.localchain.state import read_state as read_chain_state
from muniment.infra.mail import mailer_of
from muniment.infra.node import NodeTools, find_node
from muniment.infra.outages import Unreachable
from muniment.infra.postgres.database import sqlalchemy_url
from muniment.infra.postgres.embedded import EmbeddedPostgres, binaries_version
from muniment.infra.postgres.migrations import current_revision, head_revision
from muniment.infra.processes import ProcessName
from muniment.units.errors import MunimentError

DISK_BYTES_MIN = 1024**3
DATABASE_SECONDS_MAX = 5
CHAIN_SECONDS_MAX = 5.0
MAIL_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `detail` says what was found, `cure` the command that mends it when it is missing."""

    name: str
    is_well: bool
    detail: str
    cure: str | None = None


def well(name: str, detail: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(name=name, is_well=True, detail=detail)


def missing(name: str, detail: str, cure: str | None = None) -> Finding:
    """Return that something is missing or wrong, and the command that mends it."""
    return Finding(name=name, is_well=False, detail=detail, cure=cure)


def run(configuration: Configuration, *, as_json: bool) -> bool:
    """Print every finding and return whether all is well."""
    findings = list(examine(configuration))
    is_well = all(finding.is_well for finding in findings)
    if as_json:
        typer.echo(json.dumps({"is_well": is_well, "findings": [asdict(finding) for finding in findings]}))
        return is_well
    console = Console()
    for finding in findings:
        mark = "[green]ok     [/]" if finding.is_well else "[red]missing[/]"
        console.print(f"{mark} {finding.name:<12} {escape(finding.detail)}", highlight=False, soft_wrap=True)
        if not finding.is_well and finding.cure:
            console.print(f"        {'':<12} → {escape(finding.cure)}", highlight=False, soft_wrap=True)
    return is_well


def examine(configuration: Configuration) -> Iterator[Finding]:
    """Yield what was found, in the order in which a start needs it."""
    yield _python()
    yield _package()
    yield _home(configuration)
    yield _disk(configuration)
    yield _secrets(configuration)
    yield _port(configuration)
    if configuration.database_url is None:
        yield _user()
        yield _checked("postgres", lambda: f"binaries of PostgreSQL {binaries_version()}")
    database = _running_database(configuration)
    yield _database(configuration, database)
    if configuration.chain_rpc_url is None:
        yield from _local_chain(configuration)
    yield _chain(configuration, database)
    yield _mail(configuration)


def _python() -> Finding:
    detail = f"Python {platform.python_version()} at {sys.executable}"
    return Finding("python", sys.version_info >= (3, 11), detail, "Install Python 3.11 or later.")


def _package() -> Finding:
    """Contracts and pages are made by the build and absent from a bare checkout."""
    made = {
        "contracts": resources.files("muniment.infra.evm") / "artifacts" / "security_token.json",
        "pages": resources.files("muniment.app") / "web" / "static" / "manifest.json",
    }
    absent = [name for name, file in made.items() if not file.is_file()]
    if absent:
        return missing("package", f"not built: {', '.join(absent)}", "In a checkout run: make install")
    return well("package", "contracts and pages are built")


def _home(configuration: Configuration) -> Finding:
    home = configuration.home
    place = home
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        cure = f"Run: sudo chown $(id -u) {place}, or choose another folder with MUNIMENT_HOME."
        return missing("home", f"{place} cannot be written", cure)
    return well("home", f"{home}" if home.exists() else f"{home} (will be made)")


def _disk(configuration: Configuration) -> Finding:
    place = configuration.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    cure = f"Free some space on the disk of {place}, or choose another folder with MUNIMENT_HOME."
    return Finding("disk", free >= DISK_BYTES_MIN, f"{free / 1024**3:.1f} GiB free", cure)


def _secrets(configuration: Configuration) -> Finding:
    folder = configuration.secrets_folder
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    exposed = [path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        exposed.insert(0, folder)
    settings = configuration.home / FILE_NAME
    if settings.exists() and stat.S_IMODE(settings.stat().st_mode) & 0o022:
        exposed.append(settings)
    if exposed:
        commands = "; ".join(f"chmod {'700' if path.is_dir() else '600'} {path}" for path in exposed)
        return missing("secrets", f"others can reach {', '.join(str(path) for path in exposed)}", f"Run: {commands}")
    return well("secrets", f"{len(paths)} private files in {folder}" if paths else "none yet; the first start makes them")


def _port(configuration: Configuration) -> Finding:
    host, port = configuration.api_host, configuration.api_port
    if port == 0:
        return well("port", "any free one")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if _is_up(configuration):
                return well("port", f"{host}:{port}, where Muniment runs")
            cure = "Stop what listens there, or choose another port: MUNIMENT_API_PORT=0 takes any free one."
            return missing("port", f"{host}:{port}: {error.strerror}", cure)
    return well("port", f"{host}:{port} is free")


def _is_up(configuration: Configuration) -> bool:
    state = read_state(configuration)
    return state is not None and ProcessName(state["pid"], state["started"]).is_running()


def _user() -> Finding:
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return missing("user", f"user id {uid} has no name", f"Add an entry for {uid} to /etc/passwd, or set DATABASE_URL.")
    return well("user", f"{name}" + (" (the database runs as nobody)" if uid == 0 else ""))


def _running_database(configuration: Configuration) -> str | None:
    """Return the address of the database if one is there to be asked; an embedded one that is stopped stays stopped."""
    return configuration.database_url or EmbeddedPostgres(configuration.home).running_url()


def _database(configuration: Configuration, url: str | None) -> Finding:
    if url is None:
        return well("database", "embedded, not running; `muniment up` starts it")
    engine = sa.create_engine(sqlalchemy_url(url), poolclass=sa.NullPool, connect_args={"connect_timeout": DATABASE_SECONDS_MAX})
    try:
        with engine.connect() as connection:
            version = connection.exec_driver_sql("SHOW server_version").scalar_one()
            revision = current_revision(connection)
    except sa.exc.OperationalError:
        # The driver's message repeats the address, which may hold a password.
        cure = "Check that the server runs and DATABASE_URL is right." if configuration.database_url else "Run: muniment up"
        return missing("database", "does not answer", cure)
    head = head_revision()
    if revision is not None and revision > head:
        return missing("database", f"schema {revision} is newer than this release's {head}", "Install the newer release of Muniment.")
    state = (
        f"schema {revision}" if revision == head else f"schema {revision or 'empty'}, this release's is {head}; the next start migrates it"
    )
    return well("database", f"PostgreSQL {version}, {state}")


def _local_chain(configuration: Configuration) -> Iterator[Finding]:
    if configuration.anvil is not None:
        own = configuration.anvil
        yield _checked("anvil", lambda: f"{VERSION} at {own} (your own)", check=lambda: verify_version(own))
        return
    try:
        binary = binary_path(configuration.home)
    except MunimentError as refusal:
        yield _refused("anvil", refusal)
        return
    if binary.exists():
        yield _checked("anvil", lambda: f"{VERSION}, hash as pinned", check=lambda: verify(binary))
        return

    def shown() -> str:
        tools: NodeTools = find_node(purpose="the local chain")
        return f"Node.js {tools.version} with npm, at {tools.node[0]}"

    yield _checked("node", shown)
    yield well("anvil", f"{VERSION} not installed yet; the first start brings it from npm")


def _chain(configuration: Configuration, database_url: str | None) -> Finding:
    url = configuration.chain_rpc_url
    if url is None:
        state = read_chain_state(configuration.run_folder)
        if state is None or not state.name.is_running():
            return well("chain", "local, not running; `muniment up` starts it")
        if state.state != "ready":
            return well("chain", f"local, {state.state}: {state.messages[-1] if state.messages else ''}")
        url = state.url
    rpc = JsonRpc(url, timeout_seconds=CHAIN_SECONDS_MAX)
    try:
        evm = Evm(rpc)
        chain_id, genesis, head = evm.chain_id(), evm.genesis_hash(), evm.block_number()
    except (Unreachable, RpcError) as error:
        cure = "Check that the node runs and CHAIN_RPC_URL is right." if configuration.chain_rpc_url else "Run: muniment up"
        return missing("chain", str(error), cure)
    finally:
        rpc.close()
    known = _recorded_identity(database_url)
    if known is not None and known != (chain_id, genesis):
        detail = f"chain {chain_id} is not the database's, which is chain {known[0]} with genesis 0x{known[1].hex()}"
        return missing("chain", detail, "Set CHAIN_RPC_URL to a node of the right chain, or DATABASE_URL to the database of this one.")
    return well("chain", f"chain {chain_id}, block {head:,}" + (", the database's own" if known is not None else ""))


def _mail(configuration: Configuration) -> Finding:
    try:
        mailer = mailer_of(configuration, seconds_max=MAIL_SECONDS_MAX)
    except MunimentError as refusal:
        return _refused("mail", refusal)
    if mailer is None:
        return well("mail", "no server is set, so no mail is sent and none waits; MUNIMENT_SMTP_URL sets one")
    try:
        mailer.check()
    except Unreachable as outage:
        return missing("mail", f"{mailer.host}:{mailer.port}: {outage.detail}", "Check MUNIMENT_SMTP_URL and the secret smtp_password.")
    return well("mail", f"{mailer.host}:{mailer.port} answers; mail comes from {mailer.sender}")


def _recorded_identity(database_url: str | None) -> tuple[int, bytes] | None:
    if database_url is None:
        return None
    try:
        with psycopg.connect(database_url, connect_timeout=DATABASE_SECONDS_MAX) as connection:
            row = connection.execute("SELECT chain_id, genesis_hash FROM infra.chain_identity").fetchone()
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return None  # the line above says already that it does not answer, or has no schema yet
    return None if row is None else (row[0], bytes(row[1]))


def _checked(name: str, detail: Callable[[], str], *, check: Callable[[], None] | None = None) -> Finding:
    try:
        if check is not None:
            check()
        return well(name, detail())
    except MunimentError as refusal:
        return _refused(name, refusal)
    except OSError as error:
        return missing(name, str(error))


def _refused(name: str, refusal: MunimentError) -> Finding:
    return missing(name, refusal.sentence, refusal.cure_sentence)
