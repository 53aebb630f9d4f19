# SPDX-License-Identifier: Apache-2.0
"""What became of an instruction or a dividend, and a security's rules and dividend history. Changes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from litestar import Response, get

from muniment.access.model import Action, permits
from muniment.app.http.request import MunimentRequest
from muniment.app.web.pages.securities import crumbs_of, head_of, security_id_of
from muniment.app.web.reading import AsActor, Begin, Holders, Id, holders_of, pipeline, sale_text, shares_text
from muniment.app.web.render import mark_of, page, reason_view
from muniment.app.web.views import DividendRow, Mark, PaymentRow, ReasonView, RuleRow, Step
from muniment.app.web.words import count, headed, when
from muniment.compliance.commands import view_rules
from muniment.compliance.model.rule_texts import further_sentence
from muniment.compliance.model.rules import (
    CategoryHolderCap,
    CountryAllowed,
    CountryBlocked,
    CountryHolderCap,
    HolderCap,
    HoldingPeriod,
    MaximumBalancePerInvestor,
    MinimumHolding,
    Rule,
    SupplyCap,
    TransferApproval,
    TransferHours,
    TransferWindows,
    VenuesOnly,
    VolumeLimit,
    WholePosition,
    standing,
)
from muniment.instruments.commands import view_security
from muniment.instruments.model.securities import Security
from muniment.parties.model import country_name
from muniment.servicing.commands import view_dividend, view_dividends, view_payments
from muniment.servicing.model import (
    DeclaredDividend,
    Dividend,
    EntitledDividend,
    PaidDividend,
    Payment,
    PerShare,
    declaration_of,
    state_name,
)
from muniment.servicing.ports import ServicingUnit
from muniment.settlement.commands import view_instruction
from muniment.settlement.model import (
    FailedInstruction,
    Instruction,
    InstructionKind,
    InstructionState,
    RequestedInstruction,
    SettledInstruction,
    SubmittedInstruction,
)
from muniment.settlement.model import state_name as instruction_state_name
from muniment.units.ids import DividendId, InstructionId, parse_id
from muniment.units.money import Money, group_thousands

FURTHER_NAMES: Final[Mapping[str, str]] = {
    CountryHolderCap.kind: "Holder cap of a country",
    CategoryHolderCap.kind: "Holder cap of a category",
    TransferWindows.kind: "Transfer windows",
    TransferHours.kind: "Transfer hours",
    VenuesOnly.kind: "Venues only",
    TransferApproval.kind: "Approval of each transfer",
    WholePosition.kind: "Whole positions",
    MinimumHolding.kind: "Minimum holding",
    HoldingPeriod.kind: "Holding period",
    VolumeLimit.kind: "Volume limit",
}
LEGS_SHOWN: Final = 20
COUNTRIES_SHOWN: Final = 30
VERBS: Final = {
    InstructionKind.ISSUE: "Issue",
    InstructionKind.TRANSFER: "Transfer",
    InstructionKind.FORCED_TRANSFER: "Forced transfer",
    InstructionKind.BURN: "Burn",
    InstructionKind.RECOVER: "Recovery",
}


def instruction_title(instruction: Instruction, security: Security) -> str:
    """Return what an instruction does in a few words: `Issue 1,000 PTX93`."""
    shares = shares_text(sum(leg.shares for leg in instruction.legs), security)
    of = " of" if instruction.kind is InstructionKind.RECOVER else ""
    return f"{VERBS[instruction.kind]}{of} {shares} {security.terms.symbol}"


@get("/instructions/{instruction_id:str}", sync_to_thread=True, include_in_schema=False)
def show_instruction(request: MunimentRequest, actor: AsActor, begin: Begin, instruction_id: Id) -> Response[Any]:
    """Show an instruction on its way through the chain."""
    with begin(actor.tenant_id) as unit:
        state = view_instruction(actor, InstructionId(parse_id(instruction_id, field="instruction_id")), unit=unit)
        instruction = state.instruction
        security = view_security(actor, instruction.security_id, unit=unit)
        steps = _steps(state, unit=unit)
        wallets = [wallet for leg in instruction.legs[:LEGS_SHOWN] for wallet in (leg.from_wallet, leg.to_wallet) if wallet is not None]
        holders = holders_of(actor, wallets, unit=unit)
    title = instruction_title(instruction, security)
    return page(
        request,
        "instruction.html",
        title=title,
        crumbs=crumbs_of(security, (title, "")),
        mark=mark_of(instruction_state_name(state), good=("settled",), bad=("failed",)),
        steps=steps,
        reasons=_failure(state),
        lines=_lines(instruction, security, holders),
        transaction_hash=None if isinstance(state, RequestedInstruction) else state.transaction_hash,
        back_href=f"/securities/{instruction.security_id}",
        back_words=f"To the register of {security.terms.name}",
    )


def _steps(state: InstructionState, *, unit: ServicingUnit) -> list[Step]:
    if isinstance(state, RequestedInstruction):
        return [Step("requested", tone="now", icon="wait", is_now=True), *(Step(word) for word in ("signed", "sent", "mined", "final"))]
    requested = Step("requested", tone="passed")
    transaction = unit.transactions.find(state.instruction.purpose)
    if transaction is not None:
        return [requested, *pipeline(transaction.state.value, block_number=transaction.block_number, succeeded=transaction.succeeded)]
    match state:
        case SettledInstruction():
            return [requested, *pipeline("final", block_number=state.block_number)]
        case FailedInstruction():
            return [requested, Step("failed", tone="failed", icon="no", is_now=True)]
        case SubmittedInstruction():
            return [requested, *pipeline("signed", block_number=None)]


def _failure(state: InstructionState) -> list[ReasonView]:
    if not isinstance(state, FailedInstruction):
        return []
    return [reason_view(state.reason, decimals=0)]


def _lines(instruction: Instruction, security: Security, holders: Holders) -> list[tuple[str, Any]]:
    lines: list[tuple[str, Any]] = [("Security", f"{security.terms.name} ({security.terms.symbol})")]
    for leg in instruction.legs[:LEGS_SHOWN]:
        if leg.from_wallet is not None:
            lines.append(("From", holders.name(leg.from_wallet)))
        if leg.to_wallet is not None:
            lines.append(("To", holders.name(leg.to_wallet)))
        lines.append(("Shares", shares_text(leg.shares, security)))
        if terms := sale_text(leg.sale):
            lines.append(("Sold", terms))
    if len(instruction.legs) > LEGS_SHOWN:
        lines.append(("More", f"{count(len(instruction.legs) - LEGS_SHOWN)} further receivers"))
    lines.append(("Asked", when(instruction.requested_at)))
    return lines


# Rules


@get("/securities/{security_id:str}/rules", sync_to_thread=True, include_in_schema=False)
def show_rules(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show the rules that every transfer must pass, with their sources."""
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, security_id_of(security_id), unit=unit)
        head = head_of(actor, security, tab="rules", unit=unit)
        rule_set, waiting = standing(view_rules(actor, security.terms.security_id, unit=unit), at=unit.clock.now())
    note = ""
    if rule_set is not None:
        since = (
            "not yet enforced by the chain" if rule_set.applied_at is None else f"enforced by the chain since {_utc(rule_set.applied_at)}"
        )
        note = f"Version {rule_set.version}, {since}. The recipient must also be verified, and neither side frozen."
    return page(
        request,
        "security_rules.html",
        title=security.terms.name,
        security=head,
        crumbs=crumbs_of(security, ("Rules", "")),
        rules=[] if rule_set is None else [identity_rule(), *(rule_row(rule, security) for rule in rule_set.enforced)],
        rules_note=note,
        by_law=[] if rule_set is None else [rule.rule_id for rule in rule_set.by_law],
        waiting=[(version, [rule_row(rule, security) for rule in version.enforced]) for version in waiting],
        may_set=permits(actor, Action.COMPLIANCE_SET_RULES),
    )


def identity_rule() -> RuleRow:
    """Return the rule that no issuer can take away."""
    return RuleRow("Verified holders only", "Only a wallet of a verified investor may receive.", "ERC-3643", "", {})


def rule_row(rule: Rule, security: Security) -> RuleRow:
    """Return a rule in words, its shares as people read them."""
    symbol = security.terms.symbol
    match rule:
        case CountryAllowed():
            return RuleRow("Countries allowed", f"Only residents of {_countries(rule.countries)} may receive.", rule.citation, "", {})
        case CountryBlocked():
            return RuleRow("Countries blocked", f"Residents of {_countries(rule.countries)} may not receive.", rule.citation, "", {})
        case MaximumBalancePerInvestor():
            sentence = f"An investor may hold at most {shares_text(rule.shares, security)} {symbol}, all wallets together."
            return RuleRow("Maximum per investor", sentence, rule.citation, "", {})
        case SupplyCap():
            return RuleRow("Supply cap", f"At most {shares_text(rule.shares, security)} {symbol} may be in issue.", rule.citation, "", {})
        case HolderCap():
            return RuleRow("Holder cap", f"At most {count(rule.holders)} investors may hold it.", rule.citation, "", {})
        case _:
            sentence = further_sentence(rule, decimals=security.terms.decimals)
            return RuleRow(FURTHER_NAMES[rule.kind], f"{sentence}.", rule.citation, "", {})


def _countries(codes: tuple[str, ...]) -> str:
    names = [country_name(code) for code in codes[:COUNTRIES_SHOWN]]
    rest = len(codes) - len(names)
    if rest:
        names.append(f"{rest} more")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# Dividends


@get("/securities/{security_id:str}/dividends", sync_to_thread=True, include_in_schema=False)
def show_dividends(request: MunimentRequest, actor: AsActor, begin: Begin, security_id: Id) -> Response[Any]:
    """Show a security's dividends, newest first."""
    with begin(actor.tenant_id) as unit:
        security = view_security(actor, security_id_of(security_id), unit=unit)
        head = head_of(actor, security, tab="dividends", unit=unit)
        found = view_dividends(actor, security_id=security.terms.security_id, unit=unit).dividends
        rows = [
            _dividend_row(dividend, security, view_payments(actor, declaration_of(dividend).dividend_id, unit=unit)) for dividend in found
        ]
    return page(
        request,
        "security_dividends.html",
        title=security.terms.name,
        security=head,
        crumbs=crumbs_of(security, ("Dividends", "")),
        dividends=rows,
    )


@get("/dividends/{dividend_id:str}", sync_to_thread=True, include_in_schema=False)
def show_dividend(request: MunimentRequest, actor: AsActor, begin: Begin, dividend_id: Id) -> Response[Any]:
    """Show a dividend with what each holder is owed and was paid."""
    with begin(actor.tenant_id) as unit:
        dividend = view_dividend(actor, DividendId(parse_id(dividend_id, field="dividend_id")), unit=unit)
        declared = declaration_of(dividend)
        security = view_security(actor, declared.security_id, unit=unit)
        payments = view_payments(actor, declared.dividend_id, unit=unit)
        holders = holders_of(actor, [payment.entitlement.wallet for payment in payments], unit=unit)
    row = _dividend_row(dividend, security, payments)
    dates: dict[str, Any] = {
        "declared": when(declared.declared_at),
        "record date": when(declared.record_at),
        "payment date": when(declared.payment_at),
    }
    if not isinstance(dividend, DeclaredDividend):
        entitled = dividend.entitled if isinstance(dividend, PaidDividend) else dividend
        dates["holders as of block"] = count(entitled.block_number)
    if isinstance(dividend, PaidDividend):
        dates["paid"] = when(dividend.paid_at)
        dates["held back"] = str(dividend.held)
    title = f"Dividend of {declared.record_at.day} {declared.record_at:%b %Y}"
    return page(
        request,
        "dividend.html",
        title=title,
        crumbs=crumbs_of(security, ("Dividends", f"/securities/{declared.security_id}/dividends"), (title, "")),
        security_name=security.terms.name,
        dividend=row,
        dates={headed(name): text for name, text in dates.items()},
        payments=[_payment_row(payment, security, holders) for payment in payments],
    )


def _dividend_row(dividend: Dividend, security: Security, payments: Any) -> DividendRow:
    declared = declaration_of(dividend)
    currency = declared.payment_token.currency
    paid = sum(payment.entitlement.amount.minor_units for payment in payments if payment.state == "paid")
    match dividend:
        case DeclaredDividend():
            total = str(declared.amount.money) if not isinstance(declared.amount, PerShare) else "known at the record date"
        case EntitledDividend():
            total = str(dividend.due)
        case PaidDividend():
            total = str(dividend.entitled.due)
    return DividendRow(
        href=f"/dividends/{declared.dividend_id}",
        rate=_rate(dividend, security),
        total=total,
        record_date=declared.record_at.date(),
        payment_date=declared.payment_at.date(),
        state=dividend_mark(dividend),
        paid=str(Money(paid, currency)),
        holders=count(len(payments)) if payments else "–",
    )


def dividend_mark(dividend: Dividend) -> Mark:
    """Return a dividend's state."""
    return mark_of(state_name(dividend), good=("paid",), warn=("entitled",))


def _rate(dividend: Dividend, security: Security) -> str:
    declared = declaration_of(dividend)
    if isinstance(declared.amount, PerShare):
        return f"{group_thousands(format(declared.amount.price.per_share, 'f'))} {declared.amount.price.currency}"
    if isinstance(dividend, DeclaredDividend):
        return "–"
    entitled = dividend.entitled if isinstance(dividend, PaidDividend) else dividend
    shares = sum(entitlement.shares for entitlement in entitled.entitlements)
    if not shares:
        return "–"
    # Six decimals, cut: what one whole share got of a total that was declared for all.
    millionths = entitled.due.minor_units * 10 ** (security.terms.decimals + 6 - _minor_digits(entitled.due)) // shares
    return f"{group_thousands(f'{millionths // 10**6}.{millionths % 10**6:06d}')} {entitled.due.currency}"


def _minor_digits(money: Money) -> int:
    return len(money.amount.partition(".")[2])


def _payment_row(payment: Payment, security: Security, holders: Holders) -> PaymentRow:
    entitlement = payment.entitlement
    state = mark_of(payment.state, good=("paid",), warn=("held",))
    if payment.held is not None:
        state = Mark(f"held: {payment.held.value.partition('.')[2].replace('_', ' ')}", "wait", "warn")
    return PaymentRow(
        name=holders.name(entitlement.wallet),
        href=holders.href(entitlement.wallet),
        wallet=entitlement.pay_to,
        shares=shares_text(entitlement.shares, security),
        gross=str(entitlement.amount),
        withheld=str(Money(0, entitlement.amount.currency)),
        net=str(entitlement.amount),
        state=state,
    )


def _utc(instant: dt.datetime) -> str:
    return f"{instant.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


ROUTES = [show_instruction, show_rules, show_dividends, show_dividend]
