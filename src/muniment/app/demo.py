# SPDX-License-Identifier: Apache-2.0
"""`muniment demo`: two issuers from nothing to a paid dividend, on the real chain. How it is shown is in `demo_report`."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
import typer

from muniment.access import commands as access
from muniment.access.model import Actor, Pending, Role
from muniment.app import examples
from muniment.app.approvals import execute_approved
from muniment.app.books import open_units
from muniment.app.cli import JsonOption
from muniment.app.demo_report import JsonReport, Report, Step, console_report
from muniment.app.ocf_folder import files_of_folder
from muniment.app.platform import TestMoney, give_test_money, needs_platform
from muniment.app.reconciliation import reconcile
from muniment.app.wiring import Units
from muniment.compliance import commands as compliance
from muniment.compliance.model.rules import CountryBlocked, HolderCap, MaximumBalancePerInvestor, SupplyCap
from muniment.infra.configuration import ensure_secret, read_configuration
from muniment.infra.evm.sender import TransactionState
from muniment.infra.jobs import failed_jobs
from muniment.instruments import commands as instruments
from muniment.instruments import process as instruments_process
from muniment.instruments.model.securities import DeployedSecurity, OpenSecurity
from muniment.parties import commands as parties
from muniment.parties.model import Investor, Verified, Wallet
from muniment.register import commands as register
from muniment.register import process as register_process
from muniment.servicing import commands as servicing
from muniment.servicing import process as servicing_process
from muniment.servicing.model import PaidDividend, PerShare
from muniment.settlement import commands as settlement
from muniment.settlement.model import Allotment, FailedInstruction, Instruction, SettledInstruction
from muniment.units.decisions import Refused
from muniment.units.errors import MunimentError
from muniment.units.ids import Address, AssetId, DividendId, InvestorId, SecurityId, TenantId, new_id
from muniment.units.money import Money, Price
from muniment.units.shares import show_shares

APP = typer.Typer(add_completion=False)

BLOCKED_COUNTRIES = ("JP", "SG")
MAXIMUM_SHARES = 2_500
SUPPLY_SHARES = 1_000_000
HOLDERS_MAX = 2_000

TRANSFERS = (
    ("50 shares to another verified investor", "INV-0001", "INV-0002", 50),
    ("10 shares to somebody who failed verification", "INV-0001", "INV-0018", 10),
    ("10 shares to a country that is not served", "INV-0004", "INV-0033", 10),
    ("1,000 shares to somebody who would hold too many", "INV-0005", "INV-0044", 1_000),
)
"""What is tried: title, sender and receiver by external reference, shares. The first is allowed."""
FROZEN = "INV-0012"
LOST = "INV-0017"

STEP_SECONDS_MAX = 90.0
"""A step that takes longer has met a fault; the worker's log says which."""
LOOK_SECONDS = 0.1

OWNER_EMAIL = "owner@muniment.example"
AGENT_EMAIL = "agent@muniment.example"
MOTORS_NAME = "Halden Motor Leasing (fictitious)"
DIVIDEND_PER_SHARE = Decimal("0.37")
CURRENCY = "USD"
PURSE = "1000000.00"
PASSWORD_CHARACTERS = 20
RECORD_DATE_AHEAD = dt.timedelta(seconds=1)

AnswerT = TypeVar("AnswerT")


class DemoStalled(MunimentError):
    """A step did not come to its end."""

    code = "app.demo_stalled"
    message = "“{step}” did not finish within {seconds} seconds: {detail}."
    cure = "Look into the log ({log}), then run `muniment doctor`."


@APP.command()
def demo(*, as_json: JsonOption = False) -> None:
    """Tokenise, onboard, issue, transfer and pay a dividend on a real chain; exit 1 when a check at the end fails."""
    configuration = read_configuration()
    report = JsonReport() if as_json else console_report()
    with open_units(progress=report.waiting) as units:
        password = ensure_secret(configuration, "demo_password")
        passed = Demonstration(units, report, password=password[:PASSWORD_CHARACTERS], log_file=configuration.log_file).run()
    report.finish(passed=passed)
    if not passed:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Desk:
    """An organisation and the two people who run it: what one asks for, the other approves."""

    tenant_id: TenantId
    name: str
    owner: Actor
    agent: Actor


@dataclass(slots=True)
class Story:
    """What the steps hand on to each other."""

    investors: dict[str, Investor] = field(default_factory=dict)
    wallets: dict[InvestorId, Sequence[Wallet]] = field(default_factory=dict)
    replacement: Wallet = field(init=False)
    gift: TestMoney = field(init=False)

    def wallet(self, reference: str) -> Address:
        """Return the wallet of an investor by external reference."""
        return self.wallets[self.investors[reference].investor_id][0].address


class Demonstration:
    """The demonstration over open units; each step is a method, in the order of `run`."""

    def __init__(self, units: Units, report: Report, *, password: str, log_file: Path) -> None:
        self._units = units
        self._report = report
        self._password = password
        self._log_file = log_file
        self._clock = units.backend.clock
        self._began_at = self._clock.now()
        self._shown: set[UUID] = set()
        self._data = examples.folder()

    def run(self) -> bool:
        """Run every step; return whether every check at the end came out equal."""
        self._open_platform()
        motors, company = self._found_organisations()
        # Independent work goes to the chain side by side; each is shown when its turn comes.
        tokenised = self._begin_company(company)
        asset_id = self._tokenise_vehicle(motors)
        story = self._onboard(company)
        security_id = self._tokenise_company(company, tokenised)
        self._issue(company, security_id, story)
        self._transfer(company, security_id, story)
        self._freeze(company, security_id, story)
        self._recover(company, security_id, story)
        dividend_id = self._pay_dividend(company, security_id, story)
        self._show_cap_table(company, motors, security_id, story)
        return self._verify(motors, company, asset_id, security_id, dividend_id)

    # The steps

    def _open_platform(self) -> None:
        with self._step("Open the platform", tenant_id=None) as step:
            if not needs_platform(self._units):
                step.say("its contracts are on the chain already")
                return
            self._wait("the platform's contracts", lambda: not needs_platform(self._units))
            with self._units.begin_platform() as unit:
                for name, address in sorted(unit.suites.platform_contracts().items()):
                    step.say(f"{name} at {address}")

    def _found_organisations(self) -> tuple[Desk, Desk]:
        with self._step("Found two organisations, each with two people", tenant_id=None) as step:
            manifest = json.loads((self._data / "ocf" / "Manifest.ocf.json").read_bytes())
            desks = [self._found(name) for name in (MOTORS_NAME, str(manifest["issuer"]["legal_name"]))]
            for desk in desks:
                step.say(f"{desk.name}: what one person asks for, the other approves", tenant_id=str(desk.tenant_id))
            step.say(f"sign in later as {OWNER_EMAIL} or {AGENT_EMAIL}, password {self._password}")
            return desks[0], desks[1]

    def _found(self, name: str) -> Desk:
        tenant_id = TenantId(new_id(self._clock.now()))
        with self._units.begin(tenant_id) as unit:
            request = access.FoundOrganisation(name, "US", OWNER_EMAIL, "Demonstration Owner", self._password)
            founded = access.found_organisation(request, unit=unit)
            invitation = access.invite_member(
                founded.owner,
                access.InviteMember(AGENT_EMAIL, "Demonstration Agent", frozenset({Role.TRANSFER_AGENT, Role.COMPLIANCE_OFFICER})),
                unit=unit,
            )
        with self._units.begin(tenant_id) as unit:
            agent = access.accept_invitation(access.AcceptInvitation(invitation, self._password, "127.0.0.1"), unit=unit)
            assert isinstance(agent, Actor), "the demonstration knows its own password"
        return Desk(tenant_id, name, founded.owner, agent)

    def _tokenise_vehicle(self, desk: Desk) -> AssetId:
        with self._step("Tokenise a vehicle from its VIN and owner file", tenant_id=desk.tenant_id) as step:
            record = json.loads((self._data / "vehicle" / "vehicle.json").read_bytes())
            owner = json.loads((self._data / "vehicle" / "owner.json").read_bytes())
            with self._units.begin(desk.tenant_id) as unit:
                keeper = unit.keys.create(desk.tenant_id)
                vehicle = instruments.tokenise_vehicle(desk.owner, instruments.TokeniseVehicle(record, owner, keeper), unit=unit)
            step.say(f"VIN {record['vin']}, its owner's name and papers only as salted commitments")
            step.say(f"asset id {vehicle.asset_id} (keccak256 of the record's canonical JSON)", asset_id=vehicle.asset_id)
            for warning in vehicle.warnings:
                step.say(f"note: {warning}")

            def minted() -> bool:
                with self._units.begin(desk.tenant_id) as unit:
                    title = unit.suites.title(vehicle.asset_record_id)
                    return title is not None and title.state == "minted"

            self._wait("the deed", minted)
            step.say(f"deed minted to the owner's wallet {keeper}")
            return vehicle.asset_id

    def _begin_company(self, desk: Desk) -> instruments.TokenisedCompany:
        """Record the company, set the rules of its first class, and have its token deployed and opened."""
        files = files_of_folder(self._data / "ocf")
        with self._units.begin(desk.tenant_id) as unit:
            company = instruments.tokenise_company(desk.owner, instruments.TokeniseCompany(files), unit=unit)
            security_id = next(iter(company.securities.values()))
            scale = 10 ** unit.securities.get(security_id).terms.decimals
            rules = (
                CountryBlocked("issuer.countries", "Offering memorandum, section 3", BLOCKED_COUNTRIES),
                MaximumBalancePerInvestor("issuer.maximum", "Charter, article 8", MAXIMUM_SHARES * scale),
                SupplyCap("issuer.supply", "Charter, article 4", SUPPLY_SHARES * scale),
                HolderCap("us.exchange_act.12g", "15 U.S.C. § 78l(g)(1)(A)", HOLDERS_MAX),
            )
            compliance.set_rules(desk.owner, compliance.SetRules(security_id, rules), unit=unit)
            instruments.deploy_security(desk.owner, security_id, unit=unit)
            compliance.open_security(desk.agent, security_id, unit=unit)
        return company

    def _tokenise_company(self, desk: Desk, company: instruments.TokenisedCompany) -> SecurityId:
        title = "Tokenise a company from its Open Cap Table package"
        with self._step(title, tenant_id=desk.tenant_id, purposes=("instruments.", "compliance.apply", "compliance.unpause")) as step:
            security_id = next(iter(company.securities.values()))
            step.say(f"{company.title}: {len(company.securities)} classes, {len(company.defects)} defects; asset id {company.asset_id}")

            def opened() -> bool:
                with self._units.begin(desk.tenant_id) as unit:
                    security = unit.securities.get(security_id)
                    return isinstance(security, (DeployedSecurity, OpenSecurity)) and not unit.register.is_paused(security_id)

            self._wait("the token's opening", opened)
            with self._units.begin(desk.tenant_id) as unit:
                security = unit.securities.get(security_id)
            assert isinstance(security, (DeployedSecurity, OpenSecurity)), "it was waited for"
            step.say(
                f"{security.terms.name} ({security.terms.symbol}) at {security.token_address}, open",
                security_id=str(security_id),
                symbol=security.terms.symbol,
            )
            step.say(f"rules: no receivers in {' or '.join(BLOCKED_COUNTRIES)}; at most {MAXIMUM_SHARES:,} shares an investor")
            return security_id

    def _onboard(self, desk: Desk) -> Story:
        with self._step(
            "Onboard 50 fictitious investors from a CSV file", tenant_id=desk.tenant_id, purposes=("compliance.register",)
        ) as step:
            story = Story()
            with (self._data / "investors.csv").open("rb") as file, self._units.begin(desk.tenant_id) as unit:
                onboarding = parties.onboard_csv(desk.agent, file, file_name="investors.csv", unit=unit)
            step.say(f"{len(onboarding.accepted)} rows accepted, {len(onboarding.refused)} refused")
            with self._units.begin(desk.tenant_id) as unit:
                for row in onboarding.accepted:
                    investor, _ = parties.verify_investor(desk.agent, row.investor_id, unit=unit)
                    story.investors[row.external_reference] = investor
                wallets = unit.wallets.of_investors([row.investor_id for row in onboarding.accepted])
                story.wallets = dict(wallets)
            verified = [investor for investor in story.investors.values() if isinstance(investor.standing, Verified)]
            step.say(f"{len(verified)} verified, {len(story.investors) - len(verified)} failed verification:")
            for reference, investor in story.investors.items():
                codes = getattr(investor.standing, "codes", ())
                if codes:
                    step.say(f"  {reference}: {', '.join(codes)}")
            managed = sum(wallet.managed for found in story.wallets.values() for wallet in found)
            step.say(f"{managed} managed wallets made, {len(story.investors) - managed} of the investors' own")

            def registered() -> bool:
                with self._units.begin(desk.tenant_id) as unit:
                    return all(
                        (known := unit.identities.on_chain(story.wallets[investor.investor_id][0].address)) is not None
                        and known.is_registered
                        for investor in verified
                    )

            self._wait("the identity registry", registered)
            step.say("every verified wallet is in the identity registry on the chain")
            return story

    def _issue(self, desk: Desk, security_id: SecurityId, story: Story) -> None:
        with self._step("Issue shares to them, asked for by one person and approved by another", tenant_id=desk.tenant_id) as step:
            allotments = tuple(
                Allotment(shares=1000 + 25 * number, investor_id=investor.investor_id)
                for number, investor in enumerate(story.investors.values())
                if isinstance(investor.standing, Verified)
            )
            request = settlement.IssueShares(self._request_id(), security_id, allotments)
            with self._units.begin(desk.tenant_id) as unit:
                asked = settlement.issue(desk.agent, request, unit=unit)
            assert isinstance(asked, Pending), "issuing is under four eyes"
            report = self._approve(desk, asked)
            step.say(f"{show_shares(report.shares, decimals=0)} shares to {len(report.accepted)} holders")
            references = {investor.investor_id: reference for reference, investor in story.investors.items()}
            for refused in report.refused:
                reason = refused.decision.reasons[0]
                step.say(f"  not to {references[refused.allotment.investor_id]}: {reason.code}: {reason.sentence}")

            def issued() -> bool:
                with self._units.begin(desk.tenant_id) as unit:
                    return unit.register.supply(security_id) == report.shares

            self._wait("the issue", issued)
            # Two things that later steps need, under way meanwhile: a holder's new wallet, and the money for the dividend.
            with self._units.begin(desk.tenant_id) as unit:
                story.replacement = parties.add_wallet(desk.agent, story.investors[LOST].investor_id, None, unit=unit)
            story.gift = give_test_money(self._units, desk.tenant_id, Money.parse(PURSE, CURRENCY), purpose=str(security_id))

    def _transfer(self, desk: Desk, security_id: SecurityId, story: Story) -> None:
        with self._step(
            "Transfer: one allowed, three refused, each checked before and enforced by the chain", tenant_id=desk.tenant_id
        ) as step:
            sent: list[tuple[str, Instruction]] = []
            for title, sender, receiver, shares in TRANSFERS:
                request = settlement.TransferShares(self._request_id(), security_id, story.wallet(sender), story.wallet(receiver), shares)
                with self._units.begin(desk.tenant_id) as unit:
                    answer = settlement.transfer(desk.agent, request, unit=unit)
                    if isinstance(answer, Refused):
                        reason = answer.reasons[0]
                        step.say(f"{title}: refused before sending: {reason.sentence} [{reason.code}; {reason.citation}]", code=reason.code)
                        anyway = settlement.TransferShares(
                            request.request_id, security_id, request.from_wallet, request.to_wallet, shares, send_anyway=True
                        )
                        answer = settlement.transfer(desk.agent, anyway, unit=unit)
                    assert isinstance(answer, Instruction), "a transfer that is sent has its instruction"
                    sent.append((title, answer))
            for title, instruction in sent:
                state = self._settle(desk, instruction, may_fail=True)
                if isinstance(state, FailedInstruction):
                    step.say(f"{title}: sent anyway, the chain reverts it: {state.reason_code}", chain_code=state.reason_code)
                else:
                    step.say(f"{title}: settled in block {state.block_number}")

    def _freeze(self, desk: Desk, security_id: SecurityId, story: Story) -> None:
        with self._step("Freeze a wallet, and let it go again", tenant_id=desk.tenant_id) as step:
            wallet = story.wallet(FROZEN)
            self._order_freeze(desk, compliance.freeze, compliance.OrderFreeze(security_id, wallet, "Court order 4711 (fictitious)"))
            with self._units.begin(desk.tenant_id) as unit:
                decision = compliance.check_transfer(
                    security_id, from_wallet=wallet, to_wallet=story.wallet(TRANSFERS[0][2]), shares=1, unit=unit
                )
            assert isinstance(decision, Refused), "a frozen wallet sends nothing"
            step.say(f"a transfer out of it is refused: {decision.reasons[0].sentence} [{decision.reasons[0].code}]")
            self._order_freeze(desk, compliance.unfreeze, compliance.OrderFreeze(security_id, wallet, "Order lifted (fictitious)"))
            step.say("the freeze is lifted")

    def _recover(self, desk: Desk, security_id: SecurityId, story: Story) -> None:
        with self._step("Recover a lost wallet into a new one of the same investor", tenant_id=desk.tenant_id) as step:
            investor = story.investors[LOST]
            lost = story.wallet(LOST)
            new = story.replacement.address
            with self._units.begin(desk.tenant_id) as unit:
                shares = unit.register.balance_of(security_id, lost)
                request = settlement.RecoverWallet(self._request_id(), investor.investor_id, lost, new)
                asked = settlement.recover(desk.agent, request, unit=unit)
            assert isinstance(asked, Pending), "recovery is under four eyes"
            self._approve(desk, asked)

            def recovered() -> bool:
                with self._units.begin(desk.tenant_id) as unit:
                    return unit.register.balance_of(security_id, new) == shares

            self._wait("the recovery", recovered)
            step.say(f"{show_shares(shares, decimals=0)} shares moved from {lost} to {new}")

    def _pay_dividend(self, desk: Desk, security_id: SecurityId, story: Story) -> DividendId:
        with self._step("Declare a dividend, pass the record date, pay every holder", tenant_id=desk.tenant_id) as step:
            with self._units.begin(desk.tenant_id) as unit:
                supply = unit.register.supply(security_id)
            price = Price(DIVIDEND_PER_SHARE, CURRENCY)
            gift = story.gift
            step.say(f"the issuer has {gift.amount} of the test payment token {gift.payment_token}")
            with self._units.begin(desk.tenant_id) as unit:
                settlement.accept_payment_token(desk.owner, gift.payment_token, currency=CURRENCY, unit=unit)
                record_at = self._clock.now() + RECORD_DATE_AHEAD
                request = servicing.DeclareDividend(
                    self._request_id(), security_id, PerShare(price), record_at, record_at, gift.payment_token
                )
                asked = servicing.declare_dividend(desk.agent, request, unit=unit)
            assert isinstance(asked, Pending), "a dividend is under four eyes"
            declared = self._approve(desk, asked)
            step.say(
                f"{price.per_share} {CURRENCY} a share on {show_shares(supply, decimals=0)} shares, record date {record_at:%H:%M:%S} UTC"
            )

            def paid() -> PaidDividend | None:
                with self._units.begin(desk.tenant_id) as unit:
                    dividend = unit.dividends.get(declared.dividend_id)
                    return dividend if isinstance(dividend, PaidDividend) else None

            dividend = self._wait("the dividend", paid)
            assert dividend is not None, "it was waited for"
            entitled = dividend.entitled
            step.say(f"holders fixed at block {entitled.block_number}; pot {entitled.pot} for {len(entitled.entitlements)} holders")
            step.say(
                f"paid {dividend.paid}, held back {dividend.held}, residue {entitled.residue}",
                paid=dividend.paid.as_json(),
                dividend_id=str(declared.dividend_id),
            )
            return declared.dividend_id

    def _show_cap_table(self, desk: Desk, motors: Desk, security_id: SecurityId, story: Story) -> None:
        with self._step("The cap table, and the audit logs anchored", tenant_id=None) as step:
            references = {investor.investor_id: reference for reference, investor in story.investors.items()}
            with self._units.begin(desk.tenant_id) as unit:
                table = register.view_cap_table(desk.owner, security_id, unit=unit)
            rows = [
                (
                    references.get(line.investor_id, "unknown") if line.investor_id else "unknown",
                    show_shares(line.shares, decimals=0),
                    line.percentage,
                )
                for line in sorted(table.lines, key=lambda line: -line.shares)
            ]
            step.table(("holder", "shares", "%"), rows, shown_max=10)
            step.say(f"{table.holder_count} holders, {show_shares(table.total_shares, decimals=0)} shares")
            for tenant_id in (desk.tenant_id, motors.tenant_id):
                instruments_process.anchor_audit(tenant_id, units=self._units.of(tenant_id), platform=self._units.begin_platform)
            step.say("the heads of both audit logs are on their way to the chain, where no database can change them")

    def _verify(self, motors: Desk, company: Desk, asset_id: AssetId, security_id: SecurityId, dividend_id: DividendId) -> bool:
        with self._step("Verify everything against the chain", tenant_id=company.tenant_id) as step:
            self._wait("the last blocks", self._is_quiet)
            verification = register_process.rebuild(security_id, begin=self._units.of(company.tenant_id))
            step.check("register rebuilt from block 0", verification.equal, f"{verification.rows} rows, digest {verification.digest[:16]}…")
            with self._units.begin(motors.tenant_id) as unit:
                asset = instruments.verify_asset(asset_id, unit=unit)
            step.check("asset id recomputed from the record", asset.holds, asset_id)
            distribution = servicing_process.verify_distribution(dividend_id, begin=self._units.of(company.tenant_id))
            step.check("dividend derived anew from the chain's logs", not distribution.differences, f"{distribution.payments} payments")
            differences = reconcile(self._units)
            step.check("reconciliation of both organisations", not differences, f"{len(differences)} differences")
            return step.checks_passed

    # How a step is carried out

    @contextmanager
    def _step(self, title: str, *, tenant_id: TenantId | None, purposes: Sequence[str] = ("",)) -> Iterator[Step]:
        """Carry out a step; it ends with its transactions: those not shown yet, of the organisation, whose purpose begins so."""
        with self._report.step(title) as step:
            yield step
            step.transactions(self._new_transactions(tenant_id, purposes))

    def _new_transactions(self, tenant_id: TenantId | None, purposes: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """Return the transactions that no step has shown yet, once all of them are mined; the platform's gifts to an issuer among them."""
        statement = sa.text(
            "SELECT chain_transaction_id, purpose, hash, block_number, gas_used, succeeded FROM infra.chain_transaction"
            " WHERE signed_at >= :since AND tenant_id IS NOT DISTINCT FROM :tenant_id ORDER BY block_number, signed_at, nonce"
        )
        found: list[Mapping[str, Any]] = []

        def mined() -> bool:
            with self._units.begin_platform() as unit:
                rows = unit.connection.execute(statement, {"since": self._began_at, "tenant_id": tenant_id}).mappings()
                fresh = [row for row in rows if row["chain_transaction_id"] not in self._shown]
            found.clear()
            found.extend({str(key): row[key] for key in row} for row in fresh if row["purpose"].startswith(tuple(purposes)))
            return all(row["block_number"] is not None for row in found)

        self._wait("the step's transactions", mined)
        self._shown |= {row["chain_transaction_id"] for row in found}
        return found

    def _is_quiet(self) -> bool:
        """Return whether every transaction is final and the register has read that far."""
        with self._units.begin_platform() as unit:
            waiting = unit.connection.scalar(
                sa.text("SELECT count(*) FROM infra.chain_transaction WHERE state NOT IN (:final, :reverted)"),
                {"final": TransactionState.FINAL.value, "reverted": TransactionState.REVERTED.value},
            )
        return not waiting

    def _approve(self, desk: Desk, pending: Pending) -> Any:
        with self._units.begin(desk.tenant_id) as unit:
            approved = access.approve_request(desk.owner, pending.approval_id, unit=unit)
            return execute_approved(desk.owner, approved, unit=unit)

    def _settle(self, desk: Desk, instruction: Instruction, *, may_fail: bool = False) -> SettledInstruction | FailedInstruction:
        def ended() -> SettledInstruction | FailedInstruction | None:
            with self._units.begin(desk.tenant_id) as unit:
                state = unit.instructions.get(instruction.instruction_id)
            return state if isinstance(state, (SettledInstruction, FailedInstruction)) else None

        state = self._wait(f"the {instruction.kind.value}", ended)
        assert state is not None, "it was waited for"
        assert may_fail or isinstance(state, SettledInstruction), f"the chain refused: {state}"
        return state

    def _order_freeze(self, desk: Desk, order: Callable[..., Any], request: compliance.OrderFreeze) -> None:
        with self._units.begin(desk.tenant_id) as unit:
            order(desk.agent, request, unit=unit)

        def in_the_register() -> bool:
            with self._units.begin(desk.tenant_id) as unit:
                return unit.register.is_frozen(request.security_id, request.address) is (order is compliance.freeze)

        self._wait("the freeze", in_the_register)

    def _request_id(self) -> UUID:
        return new_id(self._clock.now())

    def _wait(self, what: str, answer: Callable[[], AnswerT]) -> AnswerT:
        """Return the first answer that is not false; a job that failed meanwhile ends the waiting with its error."""
        started = time.monotonic()
        while True:
            found = answer()
            if found:
                return found
            if time.monotonic() - started > STEP_SECONDS_MAX:
                raise DemoStalled(step=what, seconds=int(STEP_SECONDS_MAX), detail=self._failure() or "nothing failed", log=self._log_file)
            if self._failure():
                raise DemoStalled(step=what, seconds=int(time.monotonic() - started), detail=self._failure(), log=self._log_file)
            time.sleep(LOOK_SECONDS)

    def _failure(self) -> str:
        with self._units.begin_platform() as unit:
            failed = failed_jobs(unit.connection)
        return "; ".join(f"job {job.name}: {job.error}" for job in failed)
