# SPDX-License-Identifier: Apache-2.0
"""A whole Muniment in a home of its own, brought up and filled through the commands, and its command line. Holds no test.

Homes are made once per run and copied for whoever changes them: a copy of a stopped home is a home.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
import sqlalchemy as sa

from muniment.access import commands as access
from muniment.access.model import Actor, Pending, Role
from muniment.app.approvals import execute_approved
from muniment.app.platform import give_test_money, needs_platform
from muniment.app.services import Component, services
from muniment.app.wiring import Backend, Units
from muniment.app.worker import HEALTH_FILE
from muniment.compliance import commands as compliance
from muniment.compliance.model.rules import CountryBlocked, MaximumBalancePerInvestor
from muniment.infra.configuration import Configuration
from muniment.infra.evm.contract_artifacts import load
from muniment.infra.evm.rpc import RpcError
from muniment.infra.localchain.install import install
from muniment.infra.outages import Unreachable
from muniment.infra.processes import ProcessName, name_of
from muniment.instruments import commands as instruments
from muniment.instruments.model.securities import OpenSecurity
from muniment.parties import commands as parties
from muniment.servicing import commands as servicing
from muniment.servicing.model import DeclaredDividend, PaidDividend, PerShare
from muniment.settlement import commands as settlement
from muniment.settlement.model import Allotment
from muniment.units.ids import Address, AssetId, DividendId, InvestorId, SecurityId, TenantId, UserId
from muniment.units.money import Money, Price
from tests.conftest import FOLDER_VARIABLE
from tests.flows.canaries import AGENT, INVESTORS, OWNER, PASSWORD, investors_csv, ocf_files, vehicle_files

AnswerT = TypeVar("AnswerT")

WAIT_SECONDS_MAX = 180.0
LOOK_SECONDS = 0.05
BLOCK_SECONDS = 0.25
CURRENCY = "USD"
ALL: tuple[Component, ...] = ("database", "chain", "worker", "api")
COMMAND = (sys.executable, "-m", "muniment.app.cli")
PRIVATE_ADDRESSES = ("DATABASE_URL", "DATABASE_OWNER_URL", "CHAIN_RPC_URL")


# Homes


def anvil() -> Path:
    """Return the pinned anvil, installed once for the run."""
    folder = Path(__file__).parents[2] / ".pytest_cache" / "d" / "muniment"
    folder.mkdir(parents=True, exist_ok=True)
    return install(folder, progress=lambda _message: None)


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the home `name` of this run; whoever asks first makes it, the others wait. Nobody changes it afterwards."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    home = folder / name
    lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / f"{name}.made").exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(mode=0o711)
            make(home)
            (folder / f"{name}.made").touch()
    finally:
        os.close(lock)
    return home


@contextmanager
def empty_home() -> Iterator[Path]:
    """Yield a short, empty folder that an unprivileged database server may walk through."""
    home = Path(tempfile.mkdtemp(prefix="muniment-flow-", dir="/tmp"))  # short, since a socket's path has a limit
    home.chmod(0o711 if os.geteuid() == 0 else 0o700)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def copy_of(template: Path) -> Iterator[Path]:
    """Yield a copy of a stopped home, with its owners and modes."""
    with empty_home() as home:
        subprocess.run(["cp", "-a", f"{template}/.", str(home)], check=True)
        yield home


def environment_of(home: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a command on a home: nothing of ours leaks in."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in PRIVATE_ADDRESSES and (not name.startswith("MUNIMENT_") or name.startswith("MUNIMENT_TEST"))
    }
    return {**inherited, "MUNIMENT_HOME": str(home), "MUNIMENT_ANVIL": str(anvil()), "MUNIMENT_API_PORT": "0", **settings}


def muniment(home: Path, *arguments: str, seconds: float = 300, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person does, and return how it ended."""
    return subprocess.run(
        [*COMMAND, *arguments], env=environment_of(home, **settings), capture_output=True, text=True, timeout=seconds, check=False
    )


def told(answer: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the JSON object that a command printed."""
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


# Waiting


def wait_for(answer: Callable[[], AnswerT | None], what: str, *, seconds: float = WAIT_SECONDS_MAX) -> AnswerT:
    """Return the first answer that is not false. An outage on the way is only waited out."""
    deadline = time.monotonic() + seconds
    outage: Exception | None = None
    while time.monotonic() < deadline:
        try:
            found = answer()
        except (
            Unreachable,
            RpcError,
            sa.exc.OperationalError,
            sa.exc.InterfaceError,
            sa.exc.TimeoutError,
            psycopg.OperationalError,
        ) as error:
            found, outage = None, error
        if found:
            return found
        time.sleep(LOOK_SECONDS)
    raise AssertionError(f"waited {seconds:.0f} s for {what}; last outage: {outage!r}")


# What is in a filled home


@dataclass(frozen=True, slots=True)
class Desk:
    """An organisation and its two people, as a test acts for them."""

    tenant_id: TenantId
    owner: Actor
    agent: Actor

    def as_json(self) -> dict[str, str]:
        return {"tenant_id": str(self.tenant_id), "owner": str(self.owner.user_id), "agent": str(self.agent.user_id)}

    @classmethod
    def from_json(cls, body: Mapping[str, str]) -> Desk:
        tenant_id = TenantId(_uuid(body["tenant_id"]))
        return cls(
            tenant_id,
            Actor(UserId(_uuid(body["owner"])), tenant_id, OWNER_ROLES, "owner"),
            Actor(UserId(_uuid(body["agent"])), tenant_id, AGENT_ROLES, "agent"),
        )


OWNER_ROLES = frozenset({Role.OWNER})
AGENT_ROLES = frozenset({Role.TRANSFER_AGENT, Role.COMPLIANCE_OFFICER})


@dataclass(frozen=True, slots=True)
class Filling:
    """What `fill` made: the first organisation has a security with twelve holders, a vehicle and a paid dividend; the second a vehicle."""

    desk: Desk
    other: Desk
    security_id: SecurityId
    symbol: str
    token_address: Address
    company_asset_id: AssetId
    vehicle_asset_id: AssetId
    payment_token: Address
    dividend_id: DividendId
    holders: dict[Address, InvestorId]

    def save(self, home: Path) -> None:
        """Write the facts beside the home's other files, so that every copy of the home brings them along."""
        body = {
            "desk": self.desk.as_json(),
            "other": self.other.as_json(),
            "security_id": str(self.security_id),
            "symbol": self.symbol,
            "token_address": self.token_address,
            "company_asset_id": self.company_asset_id,
            "vehicle_asset_id": self.vehicle_asset_id,
            "payment_token": self.payment_token,
            "dividend_id": str(self.dividend_id),
            "holders": {wallet: str(investor_id) for wallet, investor_id in self.holders.items()},
        }
        (home / "run" / "filling.json").write_text(json.dumps(body), encoding="utf-8")

    @classmethod
    def of(cls, home: Path) -> Filling:
        """Return the facts of a filled home."""
        body = json.loads((home / "run" / "filling.json").read_text(encoding="utf-8"))
        return cls(
            desk=Desk.from_json(body["desk"]),
            other=Desk.from_json(body["other"]),
            security_id=SecurityId(_uuid(body["security_id"])),
            symbol=body["symbol"],
            token_address=Address(body["token_address"]),
            company_asset_id=AssetId(body["company_asset_id"]),
            vehicle_asset_id=AssetId(body["vehicle_asset_id"]),
            payment_token=Address(body["payment_token"]),
            dividend_id=DividendId(_uuid(body["dividend_id"])),
            holders={Address(wallet): InvestorId(_uuid(text)) for wallet, text in body["holders"].items()},
        )


def _uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


# A running home


@dataclass(frozen=True, slots=True)
class Running:
    """A home whose services run, and units of work on it."""

    home: Path
    units: Units
    configuration: Configuration
    api_url: str

    @property
    def owner_url(self) -> str:
        """The database as its owner, who may change any row by hand."""
        assert self.configuration.database_url is not None, "the services run"
        return self.configuration.database_url

    def begin(self, tenant_id: TenantId) -> Any:
        """Open a unit of one organisation."""
        return self.units.begin(tenant_id)


def configuration_of(home: Path) -> Configuration:
    """Return the settings of a test's home."""
    return Configuration(home=home, anvil=anvil(), api_port=0, block_seconds=BLOCK_SECONDS, log_level="debug")


@contextmanager
def running(home: Path, *, components: Sequence[Component] = ("database", "chain", "worker")) -> Iterator[Running]:
    """Bring up a home's services, or attach to them, and stop at the end what was started here."""
    with services(configuration_of(home), progress=lambda _message: None, components=components) as up:
        if "worker" in components:
            # From then on a command finds it and starts none of its own.
            wait_for((up.configuration.run_folder / HEALTH_FILE).exists, "the worker's first sign of life")
        backend = Backend.open(up.configuration)
        try:
            yield Running(home, Units(backend), up.configuration, up.api_url)
        finally:
            backend.close()


@contextmanager
def attached(database_url: str, chain_rpc_url: str, home: Path) -> Iterator[Units]:
    """Yield units over services that somebody else keeps running."""
    configuration = dataclasses.replace(
        configuration_of(home), database_url=database_url, chain_rpc_url=chain_rpc_url, database_is_embedded=True, chain_is_local=True
    )
    backend = Backend.open(configuration)
    try:
        yield Units(backend)
    finally:
        backend.close()


class Up:
    """A `muniment up --json` of a home, and what it tells."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [*COMMAND, "up", "--json"],
            env=environment_of(home, MUNIMENT_BLOCK_SECONDS=str(BLOCK_SECONDS), **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.told: list[dict[str, Any]] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def wait_for(self, component: str, state: str, *, seconds: float = WAIT_SECONDS_MAX) -> dict[str, Any]:
        """Return the next report of that kind."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                report: dict[str, Any] = json.loads(self._lines.get(timeout=0.2))
            except queue.Empty:
                assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.told[-5:]}"
                assert time.monotonic() < deadline, f"no {component} {state}; told: {self.told[-5:]}"
                continue
            self.told.append(report)
            if (report["component"], report["state"]) == (component, state):
                return report

    def state(self) -> dict[str, Any]:
        """Return what it wrote about itself."""
        document: dict[str, Any] = json.loads((self.home / "run" / "state.json").read_text(encoding="utf-8"))
        return document

    def component(self, name: str) -> ProcessName:
        """Return the process of a component."""
        known = self.state()["components"][name]
        return ProcessName(known["pid"], known["started"])

    def node(self) -> ProcessName:
        """Return the chain's node itself, a child of the component `chain`."""
        found = name_of(json.loads((self.home / "run" / "chain.json").read_text(encoding="utf-8"))["node_pid"])
        assert found is not None, "the node runs"
        return found

    def kill(self) -> None:
        """Kill the supervisor itself; what it kept running is on its own."""
        self.process.send_signal(signal.SIGKILL)
        self._close()

    def stop(self) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._close()

    def abandon(self) -> None:
        """End it whatever its state."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
            self.process.kill()
        self._close()

    def _close(self) -> int:
        code = self.process.wait(90)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


# Filling a home


def filled_home() -> Path:
    """Return the run's stopped home with what `fill` makes; copy it before you change it."""
    return made_once("filled", _make_filled)


def _make_filled(home: Path) -> None:
    with running(home, components=ALL) as stand:
        fill(stand).save(home)


def fill(stand: Running) -> Filling:
    """Make two organisations, a security with twelve holders, and pay a dividend, all through the commands."""
    units = stand.units
    wait_for(lambda: not needs_platform(units), "the platform's contracts")
    desk, other = (
        found(units, "Vogelhaus Instruments AG", OWNER, AGENT),
        found(units, "Second Issuer Ltd", ("x@second.example", "Xenia"), None),
    )
    investors = onboard(units, desk)
    vehicle_asset_id = tokenise_vehicle(units, desk)
    tokenise_other_vehicle(units, other)
    company, security_id = open_company(units, desk)
    wait_for(lambda: _registered(units, desk, investors), "the identity registry")
    wait_for(lambda: _is_open(units, desk, security_id), "the token's opening")
    issue(units, desk, security_id, investors)
    payment_token = fund(units, desk)
    dividend_id = pay_dividend(units, desk, security_id, payment_token)
    with units.begin(desk.tenant_id) as unit:
        security = unit.securities.get(security_id)
        assert isinstance(security, OpenSecurity), "it was waited for"
        wallets = unit.wallets.of_investors(investors)
    return Filling(
        desk=desk,
        other=other,
        security_id=security_id,
        symbol=security.terms.symbol,
        token_address=security.token_address,
        company_asset_id=company,
        vehicle_asset_id=vehicle_asset_id,
        payment_token=payment_token,
        dividend_id=dividend_id,
        holders={wallets[investor_id][0].address: investor_id for investor_id in investors},
    )


def found(units: Units, name: str, owner: tuple[str, str], agent: tuple[str, str] | None) -> Desk:
    """Found an organisation with two people."""
    tenant_id = TenantId(uuid4())
    agent = agent or (f"agent.{owner[0]}", f"Agent {owner[1]}")
    with units.begin(tenant_id) as unit:
        actor = access.found_organisation(access.FoundOrganisation(name, "CH", owner[0], owner[1], PASSWORD), unit=unit).owner
        invitation = access.invite_member(actor, access.InviteMember(agent[0], agent[1], AGENT_ROLES), unit=unit)
    with units.begin(tenant_id) as unit:
        second = access.accept_invitation(access.AcceptInvitation(invitation, PASSWORD, "127.0.0.1"), unit=unit)
    assert isinstance(second, Actor), "the password is the one of the invitation"
    return Desk(tenant_id, actor, second)


def onboard(units: Units, desk: Desk) -> list[InvestorId]:
    """Onboard and verify the twelve investors."""
    import io

    with units.begin(desk.tenant_id) as unit:
        report = parties.onboard_csv(desk.agent, io.BytesIO(investors_csv()), file_name="investors.csv", unit=unit)
    assert not report.refused, report.refused
    investors = [row.investor_id for row in report.accepted]
    assert len(investors) == len(INVESTORS)
    for investor_id in investors:
        with units.begin(desk.tenant_id) as unit:
            parties.verify_investor(desk.agent, investor_id, unit=unit)
    return investors


def _registered(units: Units, desk: Desk, investors: Sequence[InvestorId]) -> bool:
    with units.begin(desk.tenant_id) as unit:
        wallets = unit.wallets.of_investors(list(investors))
        return all(unit.identities.on_chain(wallet.address) is not None for some in wallets.values() for wallet in some)


def tokenise_vehicle(units: Units, desk: Desk) -> AssetId:
    """Tokenise the canaries' vehicle, with a deed, and wait for the deed."""
    vehicle, owner = vehicle_files()
    with units.begin(desk.tenant_id) as unit:
        keeper = unit.keys.create(desk.tenant_id)
        asset = instruments.tokenise_vehicle(desk.owner, instruments.TokeniseVehicle(vehicle, owner, keeper), unit=unit)

    def minted() -> bool:
        with units.begin(desk.tenant_id) as unit:
            title = unit.suites.title(asset.asset_record_id)
            return title is not None and title.state == "minted"

    wait_for(minted, "the deed")
    return asset.asset_id


def tokenise_other_vehicle(units: Units, desk: Desk) -> AssetId:
    """Tokenise a vehicle of the second organisation."""
    vehicle = {"vin": "WP0AB2966NS458669", "make": "Porsche", "model": "911 Turbo 3.6", "first_registered_date": "1993-06-01"}
    with units.begin(desk.tenant_id) as unit:
        return instruments.tokenise_vehicle(
            desk.owner, instruments.TokeniseVehicle(vehicle, {"legal_name": "Somebody"}), unit=unit
        ).asset_id


def open_company(units: Units, desk: Desk) -> tuple[AssetId, SecurityId]:
    """Tokenise the canaries' company and have its first class deployed and opened."""
    with units.begin(desk.tenant_id) as unit:
        company = instruments.tokenise_company(desk.owner, instruments.TokeniseCompany(ocf_files()), unit=unit)
        security_id = next(iter(company.securities.values()))
        rules = (
            CountryBlocked("issuer.countries", "Articles, section 3", ("KP",)),
            MaximumBalancePerInvestor("issuer.maximum", "Articles, section 4", 50_000),
        )
        compliance.set_rules(desk.owner, compliance.SetRules(security_id, rules), unit=unit)
        instruments.deploy_security(desk.owner, security_id, unit=unit)
        compliance.open_security(desk.agent, security_id, unit=unit)
    return company.asset_id, security_id


def _is_open(units: Units, desk: Desk, security_id: SecurityId) -> bool:
    with units.begin(desk.tenant_id) as unit:
        return isinstance(unit.securities.get(security_id), OpenSecurity) and not unit.register.is_paused(security_id)


def issue(units: Units, desk: Desk, security_id: SecurityId, investors: Sequence[InvestorId]) -> None:
    """Issue odd numbers of shares to everyone, under four eyes, and wait until the register has them."""
    allotments = tuple(Allotment(shares=1_003 + 37 * number, investor_id=investor_id) for number, investor_id in enumerate(investors))
    with units.begin(desk.tenant_id) as unit:
        asked = settlement.issue(desk.agent, settlement.IssueShares(uuid4(), security_id, allotments), unit=unit)
    report = approve(units, desk, asked)
    assert not report.refused, report.refused

    def issued() -> bool:
        with units.begin(desk.tenant_id) as unit:
            return bool(unit.register.supply(security_id) == sum(allotment.shares for allotment in allotments))

    wait_for(issued, "the issue")


def approve(units: Units, desk: Desk, asked: Any) -> Any:
    """Let the second person approve, and return what the approved command returned."""
    assert isinstance(asked, Pending), "it is under four eyes"
    with units.begin(desk.tenant_id) as unit:
        approved = access.approve_request(desk.owner, asked.approval_id, unit=unit)
        return execute_approved(desk.owner, approved, unit=unit)


def fund(units: Units, desk: Desk) -> Address:
    """Give an organisation test money and let it accept the payment token; return the token."""
    gift = give_test_money(units, desk.tenant_id, Money.parse("9000000.00", CURRENCY), purpose=str(desk.tenant_id))
    with units.begin(desk.tenant_id) as unit:
        settlement.accept_payment_token(desk.owner, gift.payment_token, currency=CURRENCY, unit=unit)
    return gift.payment_token


def declare(units: Units, desk: Desk, security_id: SecurityId, payment_token: Address, *, per_share: str = "0.37") -> DividendId:
    """Declare a dividend under four eyes, its record date in a moment."""
    import datetime as dt
    from decimal import Decimal

    record_at = units.backend.clock.now() + dt.timedelta(seconds=1)
    price = PerShare(Price(Decimal(per_share), CURRENCY))
    request = servicing.DeclareDividend(uuid4(), security_id, price, record_at, record_at, payment_token)
    with units.begin(desk.tenant_id) as unit:
        asked = servicing.declare_dividend(desk.agent, request, unit=unit)
    declared = approve(units, desk, asked)
    assert isinstance(declared, DeclaredDividend)
    return declared.dividend_id


def paid(units: Units, desk: Desk, dividend_id: DividendId) -> PaidDividend | None:
    """Return the dividend once it is paid."""
    with units.begin(desk.tenant_id) as unit:
        dividend = unit.dividends.get(dividend_id)
    return dividend if isinstance(dividend, PaidDividend) else None


def pay_dividend(units: Units, desk: Desk, security_id: SecurityId, payment_token: Address) -> DividendId:
    """Declare a dividend and wait until it is paid."""
    dividend_id = declare(units, desk, security_id, payment_token)
    wait_for(lambda: paid(units, desk, dividend_id), "the dividend")
    wait_for(lambda: is_quiet(units), "the last blocks")
    return dividend_id


def is_quiet(units: Units) -> bool:
    """Whether every transaction is final."""
    with units.begin_platform() as unit:
        waiting = unit.connection.scalar(sa.text("SELECT count(*) FROM infra.chain_transaction WHERE state NOT IN ('final', 'reverted')"))
    return waiting == 0


def balances(units: Units, token: Address, wallets: Sequence[Address]) -> dict[Address, int]:
    """Return what each wallet has of a payment token, read from the chain."""
    artifact = load("payment_token")
    return {
        wallet: int(artifact.decode_output("balanceOf", units.backend.evm.call(token, artifact.encode_call("balanceOf", wallet))))
        for wallet in wallets
    }
