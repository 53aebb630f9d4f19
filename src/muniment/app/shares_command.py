# SPDX-License-Identifier: Apache-2.0
"""`muniment shares`: issue, transfer and recover on the command line, with the rules' answer before anything is sent."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from muniment.access.model import Actor, Pending
from muniment.access.ports import Page
from muniment.app.books import open_units, wait_for
from muniment.app.cli import EXIT_REFUSED, JsonOption
from muniment.app.issue_file import COLUMNS, IssueLine, read_issue
from muniment.app.signed_in import AsOption, OrganisationOption, PasswordFileOption, actor_of, password_from
from muniment.app.wiring import Unit, Units
from muniment.compliance import commands as compliance
from muniment.infra.evm.sender import ChainTransaction
from muniment.instruments.model.securities import TokenisedSecurity
from muniment.parties import commands as parties
from muniment.parties.model import Investor, Wallet, parse_address
from muniment.register import commands as register
from muniment.register.model import CapTableLine, Lockup
from muniment.settlement import commands as settlement
from muniment.settlement.errors import NoWallet
from muniment.settlement.model import (
    AcceptedAllotment,
    Allotment,
    FailedInstruction,
    RefusedAllotment,
    SaleTerms,
    SettledInstruction,
    state_name,
)
from muniment.units.decisions import Reason, Refused
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address, InstructionId, InvestorId, SecurityId, new_id
from muniment.units.instants import instant_text, parse_instant
from muniment.units.money import Money, Price, Rounding, parse_decimal
from muniment.units.shares import format_shares, parse_shares, show_shares

APP = typer.Typer(no_args_is_help=True, add_completion=False)

PAGE_ROWS = 200
PRICE_DECIMALS_MAX = 12

SecurityArgument = Annotated[str, typer.Argument(help="The security's symbol or id.")]


class NoSuchInvestor(MunimentError):
    """No investor of the organisation has that reference."""

    code = "app.no_such_investor"
    message = "No investor here has the reference “{reference}”."
    cure = "Give the external reference, as in the file that was imported."


class NotAnAllotment(MunimentError):
    """Not of the form REFERENCE=SHARES."""

    code = "app.not_an_allotment"
    message = "“{text}” is no allotment."
    cure = "Write REFERENCE=SHARES, such as INV-0001=250."


class FileOrNames(MunimentError):
    """Receivers both in a file and named."""

    code = "app.file_or_names"
    message = "The receivers are named twice: in a file and beside it."
    cure = "Give either --file, or REFERENCE=SHARES, or --each."


class PaidForMany(MunimentError):
    """One amount for several receivers."""

    code = "app.paid_for_many"
    message = "--paid says what one receiver pays for all shares."
    cure = "Name one receiver, give --price for one share, or write a column `paid` into a file."


class NoSecurity(MunimentError):
    """The organisation has no such security."""

    code = "app.no_such_security_here"
    message = "This organisation has no security “{name}”."
    cure = "Give the symbol or the id; `muniment tokenise company` prints both with --json."


@APP.callback()
def shares() -> None:
    """Issue shares, transfer and recover them, see who holds them."""


@APP.command()
def issue(
    security: SecurityArgument,
    allotments: Annotated[list[str] | None, typer.Argument(help="REFERENCE=SHARES, as many as you like.")] = None,
    *,
    member: AsOption,
    each: Annotated[str, typer.Option(help="Give every verified investor so many shares, instead of naming them.")] = "",
    file: Annotated[
        Path | None, typer.Option(help=f"A CSV file of receivers, instead of naming them, with the columns {', '.join(COLUMNS)}.")
    ] = None,
    exemption: Annotated[str, typer.Option(help="The rule that they are sold under, such as us.regd.506c.")] = "",
    paid: Annotated[str, typer.Option(metavar="AMOUNT", help="What the one receiver pays for all shares.")] = "",
    price: Annotated[str, typer.Option(metavar="AMOUNT", help="What each receiver pays for one share, instead of --paid.")] = "",
    currency: Annotated[str, typer.Option(help="The currency of --paid, --price and the file's amounts.")] = "USD",
    category: Annotated[str, typer.Option(help="Who the buyer is to that rule, such as accredited or non_accredited.")] = "",
    locked_until: Annotated[str, typer.Option(metavar="INSTANT", help="Until when the token locks the shares; free when left out.")] = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Issue shares to every receiver whom the rules allow, and say of the others why not.

    Exemption, price and category are judged by the law with the sale, approved with it, and known of the lots. Where no exemption is
    named, the one that holds is recorded; where several do, none.
    """
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            decimals = unit.securities.get(security_id).terms.decimals
            stated = SaleTerms(
                exemption=exemption or None,
                buyer_category=category or None,
                locked_until=parse_instant(locked_until, field="locked_until") if locked_until else None,
            )
            lines: dict[Allotment, int] = {}
            if file is not None:
                if allotments or each:
                    raise FileOrNames
                lines = _of_file(unit, read_issue(file, decimals=decimals, currency=currency), file=file)
                named = tuple(lines)
            else:
                named = _each(unit, parse_shares(each, decimals=decimals)) if each else _named(unit, allotments or [], decimals=decimals)
            wanted = _priced(named, stated, paid=paid, price=price, currency=currency, decimals=decimals)
            lines = {allotment: lines[before] for allotment, before in zip(wanted, named, strict=True) if before in lines}
            request = settlement.IssueShares(new_id(unit.clock.now()), security_id, wanted)
            # Whom the rules leave out of a file is told with its line now: a second person may be days away.
            left_out = settlement.preview_issue(actor, request, unit=unit).refused if lines else ()
            report = settlement.issue(actor, request, unit=unit)
            references = {
                refused.allotment: _reference(unit, refused.allotment.investor_id)
                for refused in (left_out if isinstance(report, Pending) else report.refused)
            }
        if isinstance(report, Pending):
            refusals = [_refusal(refused, references, lines) for refused in left_out] if lines else None
            tell_pending(report, as_json=as_json, refused=refusals)
            if not as_json:
                _tell_left_out(left_out, references, lines)
            return
        states = [settled(units, actor, instruction.instruction_id) for instruction in report.instructions]
    failures = [state for state in states if isinstance(state, FailedInstruction)]
    if as_json:
        body = {
            "shares": format_shares(report.shares, decimals=decimals),
            "accepted": len(report.accepted),
            "refused": [_refusal(refused, references, lines) for refused in report.refused],
            "instructions": [str(state.instruction.instruction_id) for state in states],
            "failures": [state.reason_code for state in failures],
        }
        typer.echo(json.dumps(body))
    else:
        if not failures:
            blocks = ", ".join(str(state.block_number) for state in states if isinstance(state, SettledInstruction))
            shares = show_shares(report.shares, decimals=decimals)
            typer.echo(f"{shares} shares issued to {counted(len(report.accepted), 'holder')} in block {blocks}")
            for instant, number in sorted(_locked_until(report.accepted).items()):
                typer.echo(f"  {show_shares(number, decimals=decimals)} of them are locked until {instant}")
        _tell_left_out(report.refused, references, lines)
        _tell_failures(failures)
    if failures:
        raise typer.Exit(EXIT_REFUSED)


def _locked_until(accepted: Sequence[AcceptedAllotment]) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for entry in accepted:
        if entry.sale.locked_until is not None:
            found[instant_text(entry.sale.locked_until)] += entry.allotment.shares
    return found


def _refusal(refused: RefusedAllotment, references: Mapping[Allotment, str], lines: Mapping[Allotment, int]) -> dict[str, Any]:
    where = {"line": lines[refused.allotment]} if refused.allotment in lines else {}
    return {"reference": references[refused.allotment], **where, **refused.decision.as_json()}


def _tell_left_out(refused: Sequence[RefusedAllotment], references: Mapping[Allotment, str], lines: Mapping[Allotment, int]) -> None:
    for each in refused:
        reason = each.decision.reasons[0]
        where = f" (line {lines[each.allotment]})" if each.allotment in lines else ""
        typer.secho(f"  not to {references[each.allotment]}{where}: {reason.code}: {reason.sentence}", fg="yellow")


@APP.command()
def transfer(
    security: SecurityArgument,
    sender: Annotated[str, typer.Argument(help="External reference of the holder.")],
    receiver: Annotated[str, typer.Argument(help="External reference of the receiver.")],
    amount: Annotated[str, typer.Argument(metavar="SHARES", help="How many shares.")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Transfer from a managed wallet; a refusal names every rule, the values compared and what would cure it (exit 2)."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            decimals = unit.securities.get(security_id).terms.decimals
            request = settlement.TransferShares(
                new_id(unit.clock.now()),
                security_id,
                _giving(unit, sender, security_id),
                _receiving(unit, receiver),
                parse_shares(amount, decimals=decimals),
            )
            answer = settlement.transfer(actor, request, unit=unit)
        if isinstance(answer, Refused):
            _tell_refused(answer, as_json=as_json)
            raise typer.Exit(EXIT_REFUSED)
        state = settled(units, actor, answer.instruction_id)
    failed = isinstance(state, FailedInstruction)
    if as_json:
        body: dict[str, Any] = {"instruction_id": str(answer.instruction_id), "state": state_name(state)}
        body |= (
            {"reason_code": state.reason_code, "reason": state.reason.as_json()}
            if failed
            else {"block": state.block_number, "transaction": state.transaction_hash}
        )
        typer.echo(json.dumps(body))
    elif failed:
        _tell_failures([state])
    else:
        typer.echo(f"{amount} shares moved in block {state.block_number}, transaction {state.transaction_hash}")
    if failed:
        raise typer.Exit(EXIT_REFUSED)


@APP.command()
def show(
    security: SecurityArgument,
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who holds a security, largest holder first, and where its token is."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            found = unit.securities.get(security_id)
            table = register.view_cap_table(actor, security_id, unit=unit)
            references = {line.investor_id: _reference(unit, line.investor_id) for line in table.lines if line.investor_id}
            lockups: Mapping[Address, Sequence[Lockup]] = {}
            if isinstance(found, TokenisedSecurity):
                lockups = compliance.view_lockups(actor, security_id, unit=unit)
    decimals = found.terms.decimals
    token_address = getattr(found, "token_address", None)
    if as_json:
        holders = [
            {
                "reference": references.get(line.investor_id) if line.investor_id else None,
                "shares": format_shares(line.shares, decimals=decimals),
                "percentage": line.percentage,
                "locked": [
                    {"shares": format_shares(each.shares, decimals=decimals), "unlocks_at": _unlocks(each)}
                    for each in _locked(line, lockups)
                ],
            }
            for line in table.lines
        ]
        body = {
            "security_id": str(security_id),
            "symbol": found.terms.symbol,
            "state": found.state,
            "token_address": token_address,
            "shares": format_shares(table.total_shares, decimals=decimals),
            "holders": holders,
        }
        typer.echo(json.dumps(body))
        return
    total = show_shares(table.total_shares, decimals=decimals)
    typer.echo(f"{found.terms.symbol}, {found.terms.name}: {total} shares, {counted(table.holder_count, 'holder')}")
    typer.echo(f"token {token_address}" if token_address else "no token yet")
    for line in table.lines:
        reference = references[line.investor_id] if line.investor_id else "a wallet of nobody known"
        typer.echo(f"  {reference:<12} {show_shares(line.shares, decimals=decimals):>15}  {line.percentage:>8} %")
        for each in _locked(line, lockups):
            typer.echo(f"  {'':<12} {show_shares(each.shares, decimals=decimals):>15}  locked until {_unlocks(each)}")


@APP.command()
def lock(
    security: SecurityArgument,
    holder: Annotated[str, typer.Argument(help="External reference of the holder, or a wallet's address.")],
    amount: Annotated[str, typer.Argument(metavar="SHARES", help="How many shares.")],
    *,
    member: AsOption,
    until: Annotated[str, typer.Option(metavar="INSTANT", help="From when on they are free again, such as 2027-05-23T00:00:00Z.")],
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lock shares of a holder until an instant."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            decimals = unit.securities.get(security_id).terms.decimals
            address = wallet_of(unit, holder, security_id)
            unlocks_at = parse_instant(until, field="until")
            order = compliance.LockShares(security_id, address, parse_shares(amount, decimals=decimals), unlocks_at)
            signed = compliance.lock_shares(actor, order, unit=unit)
        tell_order(units, actor, signed, f"{amount} shares of {address} are locked until {until}", as_json=as_json)


@APP.command()
def release(
    security: SecurityArgument,
    holder: Annotated[str, typer.Argument(help="External reference of the holder, or a wallet's address.")],
    amount: Annotated[str, typer.Argument(metavar="SHARES", help="How many of the locked shares.")],
    *,
    member: AsOption,
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Free locked shares before their time, those that unlock last first; a second person has to agree."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            security_id = security_of(unit, security)
            decimals = unit.securities.get(security_id).terms.decimals
            address = wallet_of(unit, holder, security_id)
            shares = parse_shares(amount, decimals=decimals)
            order = compliance.ReleaseLockup(new_id(unit.clock.now()), security_id, address, shares)
            signed = compliance.release_lockup(actor, order, unit=unit)
        if isinstance(signed, Pending):
            tell_pending(signed, as_json=as_json)
            return
        tell_order(units, actor, signed, f"{amount} shares of {address} are free", as_json=as_json)


@APP.command()
def recover(
    investor: Annotated[str, typer.Argument(help="External reference of the investor who lost a wallet.")],
    *,
    member: AsOption,
    lost: Annotated[
        str, typer.Option("--lost", metavar="ADDRESS", help="The lost wallet; the investor's first where it is left out.")
    ] = "",
    new: Annotated[str, typer.Option("--new", metavar="ADDRESS", help="The new wallet; a managed one is made where it is left out.")] = "",
    organisation_name: OrganisationOption = "",
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move all that a lost wallet holds, of every security, to another wallet of the same investor."""
    with open_units() as units:
        actor = actor_of(units, email=member, password=password_from(password_file), organisation=organisation_name)
        with units.begin(actor.tenant_id) as unit:
            who = investor_of(unit, investor)
            wallets = unit.wallets.of_investor(who.investor_id)
            old = parse_address(lost, field="lost") if lost else wallets[0].address
            address = _replacement(actor, who, wallets, old=old, wanted=new, unit=unit)

        def is_registered() -> bool:
            with units.begin(actor.tenant_id) as unit:
                known = unit.identities.on_chain(address)
            return known is not None and known.is_registered

        wait_for("the new wallet's entry in the identity registry", is_registered)
        with units.begin(actor.tenant_id) as unit:
            request = settlement.RecoverWallet(new_id(unit.clock.now()), who.investor_id, old, address)
            answer = settlement.recover(actor, request, unit=unit)
        if isinstance(answer, Pending):
            tell_pending(answer, as_json=as_json)
            return
        states = [settled(units, actor, instruction.instruction_id) for instruction in answer]
    failures = [state for state in states if isinstance(state, FailedInstruction)]
    if as_json:
        rows = [{"instruction_id": str(state.instruction.instruction_id), "state": state_name(state)} for state in states]
        typer.echo(json.dumps({"lost": old, "new": address, "instructions": rows}))
    else:
        moved = len(states) - len(failures)
        typer.echo(f"holdings of {counted(moved, 'security', 'securities')} moved from {old} to {address}")
        _tell_failures(failures)
    if failures:
        raise typer.Exit(EXIT_REFUSED)


def security_of(unit: Unit, name: str) -> SecurityId:
    """Return the organisation's security of that symbol or id."""
    for security in unit.securities.all():
        if name in {security.terms.symbol, str(security.terms.security_id)}:
            return security.terms.security_id
    raise NoSecurity(name=name, place=Place(field="security"))


def wallet_of(unit: Unit, text: str, security_id: SecurityId) -> Address:
    """Return the wallet of that address, or the one of that investor's that holds most of the security."""
    return parse_address(text) if text.startswith("0x") else _giving(unit, text, security_id)


def receiving_wallet_of(unit: Unit, text: str) -> Address:
    """Return the wallet of that address, or that investor's first one."""
    return parse_address(text) if text.startswith("0x") else _receiving(unit, text)


def tell_order(units: Units, actor: Actor, signed: ChainTransaction, done: str, *, as_json: bool) -> None:
    """Wait until a signed transaction is final, and say what it did or why the chain refused it (exit 2)."""

    def ended() -> ChainTransaction | None:
        with units.begin(actor.tenant_id) as unit:
            found = unit.transactions.get(signed.id)
        return found if found.is_closed else None

    final = wait_for("the chain to settle it", ended)
    if as_json:
        typer.echo(json.dumps({"transaction": final.hash, "state": final.state.value, "block": final.block_number}))
    elif final.succeeded:
        typer.echo(f"{done}: block {final.block_number}, transaction {final.hash}")
    else:
        typer.secho(f"the chain refused it: {final.revert_reason}", fg="red", err=True)
    if not final.succeeded:
        raise typer.Exit(EXIT_REFUSED)


def _locked(line: CapTableLine, lockups: Mapping[Address, Sequence[Lockup]]) -> list[Lockup]:
    """Return what is locked of a holder now, over all wallets, the tranche that unlocks first before others."""
    found = [each for wallet in line.wallets for each in lockups.get(wallet.wallet, ())]
    return sorted(found, key=lambda each: each.unlocks_at)


def _unlocks(lockup: Lockup) -> str:
    return instant_text(dt.datetime.fromtimestamp(lockup.unlocks_at, tz=dt.UTC))


def _named(unit: Unit, texts: list[str], *, decimals: int) -> tuple[Allotment, ...]:
    allotments = []
    for text in texts:
        reference, equals, amount = text.partition("=")
        if not equals:
            raise NotAnAllotment(text=text)
        allotments.append(Allotment(parse_shares(amount, decimals=decimals), investor_id=investor_of(unit, reference).investor_id))
    return tuple(allotments)


def _of_file(unit: Unit, found: Sequence[IssueLine], *, file: Path) -> dict[Allotment, int]:
    """Return the allotments of a file with the lines that they stand on."""
    lines: dict[Allotment, int] = {}
    for each in found:
        try:
            investor_id = investor_of(unit, each.reference).investor_id
        except NoSuchInvestor as refusal:
            refusal.place = Place(file=str(file), line=each.line, field="external_reference")
            raise
        lines[Allotment(each.shares, investor_id=investor_id, sale=each.sale)] = each.line
    return lines


def _priced(named: Sequence[Allotment], stated: SaleTerms, *, paid: str, price: str, currency: str, decimals: int) -> tuple[Allotment, ...]:
    """Return the allotments with what the options state of each; what a file says stays."""
    if paid and (price or len(named) != 1):
        raise PaidForMany
    per_share = Price(parse_price(price), currency) if price else None
    told: list[Allotment] = []
    for allotment in named:
        sale = allotment.sale
        money = Money.parse(paid, currency, field="paid") if paid else None
        if per_share is not None:
            money = per_share.times(allotment.shares, share_decimals=decimals, rounding=Rounding.HALF_EVEN)
        terms = SaleTerms(
            exemption=sale.exemption or stated.exemption,
            paid=sale.paid or money,
            buyer_category=sale.buyer_category or stated.buyer_category,
            locked_until=stated.locked_until,
        )
        told.append(replace(allotment, sale=terms))
    return tuple(told)


def _each(unit: Unit, amount: int) -> tuple[Allotment, ...]:
    investors: list[Investor] = []
    cursor: str | None = None
    while True:
        page = unit.investors.page(Page(limit=PAGE_ROWS, cursor=cursor), status="verified")
        investors += page
        if len(page) < PAGE_ROWS:
            break
        cursor = str(page[-1].investor_id)
    # By reference, so that what is told about it can be found again in the file that was imported.
    return tuple(Allotment(amount, investor_id=each.investor_id) for each in sorted(investors, key=lambda each: each.external_reference))


def parse_price(text: str) -> Decimal:
    """Return the price of one share: up to twelve decimals, since a share may cost a fraction of a cent."""
    return Decimal(parse_decimal(text, decimals_max=PRICE_DECIMALS_MAX, unit="a price", field="price")).scaleb(-PRICE_DECIMALS_MAX)


def investor_of(unit: Unit, reference: str) -> Investor:
    """Return the organisation's investor with that external reference."""
    investor = unit.investors.by_reference(reference)
    if investor is None:
        raise NoSuchInvestor(reference=reference)
    return investor


def _receiving(unit: Unit, reference: str) -> Address:
    return _wallets(unit, reference)[0].address


def _wallets(unit: Unit, reference: str) -> Sequence[Wallet]:
    investor_id = investor_of(unit, reference).investor_id
    found = unit.wallets.of_investor(investor_id)
    if not found:
        raise NoWallet(investor_id=investor_id)
    return found


def _giving(unit: Unit, reference: str, security_id: SecurityId) -> Address:
    """Return the investor's wallet that holds most; after a recovery that is no longer the first one."""
    wallets = _wallets(unit, reference)
    return max((wallet.address for wallet in wallets), key=lambda address: unit.register.balance_of(security_id, address))


def _reference(unit: Unit, investor_id: InvestorId | None) -> str:
    assert investor_id is not None, "the command line allots to investors, never to a bare wallet"
    return unit.investors.get(investor_id).external_reference


def _replacement(actor: Actor, investor: Investor, wallets: Sequence[Wallet], *, old: Address, wanted: str, unit: Unit) -> Address:
    """Return the wallet that takes over: the one named, else another managed one of the investor's, else a new managed one."""
    others = [wallet.address for wallet in wallets if wallet.address != old and (wallet.managed or wanted)]
    if wanted:
        address = parse_address(wanted, field="new")
        return address if address in others else parties.add_wallet(actor, investor.investor_id, address, unit=unit).address
    return others[-1] if others else parties.add_wallet(actor, investor.investor_id, None, unit=unit).address


def settled(units: Units, actor: Actor, instruction_id: InstructionId) -> SettledInstruction | FailedInstruction:
    """Return what became of an instruction, once it is final on the chain."""

    def ended() -> SettledInstruction | FailedInstruction | None:
        with units.begin(actor.tenant_id) as unit:
            state = unit.instructions.get(instruction_id)
        return state if isinstance(state, (SettledInstruction, FailedInstruction)) else None

    return wait_for("the chain to settle it", ended)


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: 1 holder, 2 holders."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def tell_pending(pending: Pending, *, as_json: bool, refused: Sequence[Mapping[str, Any]] | None = None) -> None:
    """Say that a second person is needed, and what that person does; in JSON also what the rules leave out already."""
    if as_json:
        left_out = {} if refused is None else {"refused": list(refused)}
        typer.echo(json.dumps({"approval_id": str(pending.approval_id), "state": "requested", **left_out}))
        return
    typer.echo(f"asked for; a second person has to agree: approval {pending.approval_id}")
    typer.echo(f"they run: muniment approvals approve {pending.approval_id} --as THEIR-E-MAIL (or open Approvals in the browser)")


def _tell_failures(failures: Sequence[FailedInstruction]) -> None:
    for state in failures:
        typer.secho(f"the chain refused it: {worded(state.reason)}", fg="red", err=True)


def _tell_refused(answer: Refused, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer.as_json()))
        return
    for reason in answer.reasons:
        typer.secho(worded(reason), fg="red", err=True)


def worded(reason: Reason) -> str:
    """Return a reason in one line of the command line."""
    citation = f" ({reason.citation})" if reason.citation else ""
    cure = f" → {reason.cure}" if reason.cure else ""
    return f"{reason.code}: {reason.sentence}{citation}{cure}"
