# SPDX-License-Identifier: Apache-2.0
"""Asking for shares to be moved: issue, transfer, forced transfer, burn, recover. Each decides and stores; `process` carries it out."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never
from uuid import UUID

from muniment.access.commands import require_approval
from muniment.access.model import Action, Actor, Pending, authorize
from muniment.compliance.commands import TRANCHES_MAX, MoveChecks, check_transfer
from muniment.compliance.model.rules import INSTANT_SECONDS_MAX
from muniment.infra.evm.sender import ChainTransaction
from muniment.instruments.model.securities import TokenisedSecurity, tokenised
from muniment.register.commands import check_code, check_paid
from muniment.register.model.turnaround import TurnaroundItem, TurnaroundReport, turnaround
from muniment.settlement.errors import (
    BadCursor,
    DuplicateReceiver,
    HolderSigns,
    KeyReused,
    LockupOver,
    NotAPaymentToken,
    NothingToIssue,
    NothingToRecover,
    NotTheInvestorsWallet,
    NoWallet,
    SameWallet,
    TooManyAllotments,
    TooManyLockups,
)
from muniment.settlement.events import InstructionRequested
from muniment.settlement.model import (
    AcceptedAllotment,
    Allotment,
    FailedInstruction,
    Instruction,
    InstructionKind,
    InstructionState,
    IssueReport,
    Leg,
    RefusedAllotment,
    RequestedInstruction,
    SaleTerms,
    SettledInstruction,
    SubmittedInstruction,
    batches,
    part_id,
)
from muniment.settlement.ports import ExternalMint, InstructionPlace, SettlementUnit
from muniment.units.decisions import Reason, Refused
from muniment.units.errors import MunimentError
from muniment.units.ids import Address, ChainTransactionId, InstructionId, InvestorId, SecurityId, TransactionHash, parse_id
from muniment.units.instants import instant_text, parse_instant, unix_seconds
from muniment.units.money import Money
from muniment.units.payment_tokens import PaymentToken
from muniment.units.shares import show_shares

ALLOTMENTS_MAX = 10_000
PAGE_MAX = 500

SETTLE_JOB = "settlement.settle"
"""The job that carries an instruction through; its argument is `instruction_id`."""


@dataclass(frozen=True, slots=True)
class IssueShares:
    """A request to issue. `request_id` makes a repeat harmless: the same request gives the same instructions."""

    request_id: UUID
    security_id: SecurityId
    allotments: tuple[Allotment, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the request as an approval binds it."""
        return {
            "request_id": str(self.request_id),
            "security_id": str(self.security_id),
            "allotments": [
                {
                    "investor_id": None if allotment.investor_id is None else str(allotment.investor_id),
                    "wallet": allotment.wallet,
                    "shares": str(allotment.shares),
                    **allotment.sale.as_json(),
                }
                for allotment in self.allotments
            ],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> IssueShares:
        """Return the request that an approval was bound to."""
        return cls(
            request_id=parse_id(body["request_id"]),
            security_id=SecurityId(parse_id(body["security_id"])),
            allotments=tuple(
                Allotment(
                    shares=int(entry["shares"]),
                    investor_id=None if entry["investor_id"] is None else InvestorId(parse_id(entry["investor_id"])),
                    wallet=None if entry["wallet"] is None else Address(entry["wallet"]),
                    sale=SaleTerms.from_json(entry),
                )
                for entry in body["allotments"]
            ),
        )


@dataclass(frozen=True, slots=True)
class TransferShares:
    """A request to transfer from a managed wallet. `send_anyway` sends what the check refuses, for the chain to refuse it too."""

    request_id: UUID
    security_id: SecurityId
    from_wallet: Address
    to_wallet: Address
    shares: int
    send_anyway: bool = False


@dataclass(frozen=True, slots=True)
class ForceTransfer:
    """A request to move shares without the holder's consent, as a court or an agreement obliges; `ground` names it (no personal data)."""

    request_id: UUID
    security_id: SecurityId
    from_wallet: Address
    to_wallet: Address
    shares: int
    ground: str

    def as_json(self) -> dict[str, Any]:
        """Return the request as an approval binds it."""
        return {
            "request_id": str(self.request_id),
            "security_id": str(self.security_id),
            "from_wallet": self.from_wallet,
            "to_wallet": self.to_wallet,
            "shares": str(self.shares),
            "ground": self.ground,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ForceTransfer:
        """Return the request that an approval was bound to."""
        return cls(
            request_id=parse_id(body["request_id"]),
            security_id=SecurityId(parse_id(body["security_id"])),
            from_wallet=Address(body["from_wallet"]),
            to_wallet=Address(body["to_wallet"]),
            shares=int(body["shares"]),
            ground=body["ground"],
        )


@dataclass(frozen=True, slots=True)
class BurnShares:
    """A request to destroy shares of one wallet, as after a repurchase."""

    request_id: UUID
    security_id: SecurityId
    wallet: Address
    shares: int


@dataclass(frozen=True, slots=True)
class RecoverWallet:
    """A request to move all that an investor's lost wallet holds, of every security, to another wallet of the same investor."""

    request_id: UUID
    investor_id: InvestorId
    lost_wallet: Address
    new_wallet: Address

    def as_json(self) -> dict[str, Any]:
        """Return the request as an approval binds it."""
        return {
            "request_id": str(self.request_id),
            "investor_id": str(self.investor_id),
            "lost_wallet": self.lost_wallet,
            "new_wallet": self.new_wallet,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> RecoverWallet:
        """Return the request that an approval was bound to."""
        return cls(
            request_id=parse_id(body["request_id"]),
            investor_id=InvestorId(parse_id(body["investor_id"])),
            lost_wallet=Address(body["lost_wallet"]),
            new_wallet=Address(body["new_wallet"]),
        )


def preview_issue(actor: Actor, request: IssueShares, *, unit: SettlementUnit) -> IssueReport:
    """Return which allotments would be issued and which not, with every reason; stores nothing."""
    authorize(actor, Action.SETTLEMENT_ISSUE, tenant_id=unit.tenant_id)
    accepted, refused = _sort_out(request, unit=unit)
    return IssueReport(request.request_id, accepted, refused, ())


def issue(actor: Actor, request: IssueShares, *, unit: SettlementUnit) -> IssueReport | Pending:
    """Issue to every receiver whom the rules allow, and report the rest; four eyes.

    At most `LEGS_MAX` receivers share an instruction, which is one transaction. Refuses with `settlement.nothing_to_issue` when no
    allotment is left. The checks run again when a second person approves: what changed since then counts.
    """
    authorize(actor, Action.SETTLEMENT_ISSUE, tenant_id=unit.tenant_id)
    repeated = unit.instructions.of_request(request.request_id)
    if repeated:
        return _issued_before(request, [state.instruction for state in repeated], unit=unit)
    accepted, refused = _not_nothing(request, *_sort_out(request, unit=unit))
    clearance = require_approval(actor, Action.SETTLEMENT_ISSUE, request.as_json(), unit=unit)
    if isinstance(clearance, Pending):
        return clearance
    # Two issues that are approved at once would each find the whole room: from here on they come one after the other.
    unit.instructions.hold_issues(request.security_id)
    room = _room(tokenised(unit.securities.get(request.security_id), step="an issue"), unit=unit)
    if room is not None and sum(entry.allotment.shares for entry in accepted) > room:
        accepted, refused = _not_nothing(request, *_sort_out(request, unit=unit))
    instructions = tuple(
        _instruct(
            actor,
            request_id=request.request_id,
            part=part,
            security_id=request.security_id,
            kind=InstructionKind.ISSUE,
            legs=tuple(Leg(None, entry.wallet, entry.allotment.shares, entry.sale) for entry in batch),
            unit=unit,
        )
        for part, batch in enumerate(batches(accepted))
    )
    report = IssueReport(request.request_id, accepted, refused, instructions)
    facts: dict[str, Any] = {"shares": str(report.shares), "receivers": len(accepted), "refused": len(refused)}
    under = Counter(entry.sale.exemption for entry in accepted if entry.sale.exemption is not None)
    if under:
        facts["exemptions"] = dict(sorted(under.items()))
    unit.audit.record(actor, Action.SETTLEMENT_ISSUE, f"security:{request.security_id}", facts | {"request_id": str(request.request_id)})
    return report


def transfer(actor: Actor, request: TransferShares, *, unit: SettlementUnit) -> Instruction | Refused:
    """Transfer from a managed wallet, or say with every reason why the rules stand against it.

    From an investor's own wallet only the investor can send: `settlement.holder_signs` says so after the rules were asked.
    """
    authorize(actor, Action.SETTLEMENT_TRANSFER, tenant_id=unit.tenant_id)
    tokenised(unit.securities.get(request.security_id), step="a transfer")
    if request.from_wallet == request.to_wallet:
        raise SameWallet(wallet=request.from_wallet)
    repeated = unit.instructions.of_request(request.request_id)
    if not repeated:
        decision = check_transfer(
            request.security_id, from_wallet=request.from_wallet, to_wallet=request.to_wallet, shares=request.shares, unit=unit
        )
        if isinstance(decision, Refused) and not request.send_anyway:
            return decision
    sender = unit.wallets.by_address(request.from_wallet)
    if sender is None or not sender.managed:
        raise HolderSigns(wallet=request.from_wallet)
    instruction = _instruct(
        actor,
        request_id=request.request_id,
        part=0,
        security_id=request.security_id,
        kind=InstructionKind.TRANSFER,
        legs=(Leg(request.from_wallet, request.to_wallet, request.shares),),
        unit=unit,
    )
    if not repeated:
        facts = {"shares": str(request.shares), "instruction_id": str(instruction.instruction_id), "send_anyway": request.send_anyway}
        unit.audit.record(actor, Action.SETTLEMENT_TRANSFER, f"security:{request.security_id}", facts)
    return instruction


def forced_transfer(actor: Actor, request: ForceTransfer, *, unit: SettlementUnit) -> Instruction | Refused | Pending:
    """Move shares without the holder's consent; four eyes. Freezes and pauses do not stand against it, the receiver's identity does."""
    authorize(actor, Action.SETTLEMENT_FORCED_TRANSFER, tenant_id=unit.tenant_id)
    tokenised(unit.securities.get(request.security_id), step="a forced transfer")
    if request.from_wallet == request.to_wallet:
        raise SameWallet(wallet=request.from_wallet)
    repeated = unit.instructions.of_request(request.request_id)
    if not repeated:
        refused = _short(request.security_id, request.from_wallet, request.shares, unit=unit) or _unverified(
            request.security_id, request.to_wallet, unit=unit
        )
        if refused is not None:
            return refused
        clearance = require_approval(actor, Action.SETTLEMENT_FORCED_TRANSFER, request.as_json(), unit=unit)
        if isinstance(clearance, Pending):
            return clearance
    instruction = _instruct(
        actor,
        request_id=request.request_id,
        part=0,
        security_id=request.security_id,
        kind=InstructionKind.FORCED_TRANSFER,
        legs=(Leg(request.from_wallet, request.to_wallet, request.shares),),
        unit=unit,
    )
    if not repeated:
        facts = {"shares": str(request.shares), "instruction_id": str(instruction.instruction_id), "ground": request.ground}
        unit.audit.record(actor, Action.SETTLEMENT_FORCED_TRANSFER, f"security:{request.security_id}", facts)
    return instruction


def burn(actor: Actor, request: BurnShares, *, unit: SettlementUnit) -> Instruction | Refused:
    """Destroy shares of one wallet."""
    authorize(actor, Action.SETTLEMENT_BURN, tenant_id=unit.tenant_id)
    tokenised(unit.securities.get(request.security_id), step="a burn")
    repeated = unit.instructions.of_request(request.request_id)
    if not repeated:
        refused = _short(request.security_id, request.wallet, request.shares, unit=unit)
        if refused is not None:
            return refused
    instruction = _instruct(
        actor,
        request_id=request.request_id,
        part=0,
        security_id=request.security_id,
        kind=InstructionKind.BURN,
        legs=(Leg(request.wallet, None, request.shares),),
        unit=unit,
    )
    if not repeated:
        facts = {"shares": str(request.shares), "instruction_id": str(instruction.instruction_id)}
        unit.audit.record(actor, Action.SETTLEMENT_BURN, f"security:{request.security_id}", facts)
    return instruction


def recover(actor: Actor, request: RecoverWallet, *, unit: SettlementUnit) -> Sequence[Instruction] | Pending:
    """Move all that a lost wallet holds, freezes included, to another of the investor's wallets, security by security; four eyes."""
    authorize(actor, Action.SETTLEMENT_RECOVER, tenant_id=unit.tenant_id)
    if request.lost_wallet == request.new_wallet:
        raise SameWallet(wallet=request.lost_wallet)
    for address in (request.lost_wallet, request.new_wallet):
        wallet = unit.wallets.by_address(address)
        if wallet is None or wallet.investor_id != request.investor_id:
            raise NotTheInvestorsWallet(wallet=address, investor_id=str(request.investor_id))
    repeated = unit.instructions.of_request(request.request_id)
    if repeated:
        return [state.instruction for state in repeated]
    held = _held_by(request.lost_wallet, unit=unit)
    if not held:
        raise NothingToRecover(wallet=request.lost_wallet)
    clearance = require_approval(actor, Action.SETTLEMENT_RECOVER, request.as_json(), unit=unit)
    if isinstance(clearance, Pending):
        return clearance
    instructions = [
        _instruct(
            actor,
            request_id=request.request_id,
            part=part,
            security_id=security_id,
            kind=InstructionKind.RECOVER,
            legs=(Leg(request.lost_wallet, request.new_wallet, shares),),
            unit=unit,
        )
        for part, (security_id, shares) in enumerate(held)
    ]
    facts = {"request_id": str(request.request_id), "securities": len(instructions)}
    unit.audit.record(actor, Action.SETTLEMENT_RECOVER, f"investor:{request.investor_id}", facts)
    return instructions


@dataclass(frozen=True, slots=True)
class InstructionsPage:
    """Instructions from newest to oldest; `next_cursor` leads on, None at the end."""

    instructions: Sequence[InstructionState]
    next_cursor: str | None


def view_instruction(actor: Actor, instruction_id: InstructionId, *, unit: SettlementUnit) -> InstructionState:
    """Return one instruction."""
    authorize(actor, Action.SETTLEMENT_VIEW, tenant_id=unit.tenant_id)
    return unit.instructions.get(instruction_id)


def view_instructions(
    actor: Actor,
    *,
    security_id: SecurityId | None = None,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
    unit: SettlementUnit,
) -> InstructionsPage:
    """Return a page of instructions, newest first, of one security or state where given."""
    authorize(actor, Action.SETTLEMENT_VIEW, tenant_id=unit.tenant_id)
    limit = max(1, min(limit, PAGE_MAX))
    before = None if cursor is None else _place(cursor)
    found = unit.instructions.page(security_id=security_id, state=state, before=before, limit=limit + 1)
    shown = found[:limit]
    if len(found) <= limit:
        return InstructionsPage(shown, None)
    last = shown[-1].instruction
    return InstructionsPage(shown, f"{instant_text(last.requested_at)}~{last.instruction_id}")


@dataclass(frozen=True, slots=True)
class TransactionsPage:
    """Transactions from newest to oldest; `next_cursor` leads on, None at the end."""

    transactions: Sequence[ChainTransaction]
    next_cursor: str | None


def view_transactions(actor: Actor, *, cursor: str | None = None, limit: int = 100, unit: SettlementUnit) -> TransactionsPage:
    """Return a page of the issuer's transactions with their states, newest first, whatever they were signed for."""
    authorize(actor, Action.SETTLEMENT_VIEW, tenant_id=unit.tenant_id)
    limit = max(1, min(limit, PAGE_MAX))
    before = None if cursor is None else ChainTransactionId(parse_id(cursor, field="cursor"))
    found = unit.chain_book.page(before=before, limit=limit + 1)
    shown = found[:limit]
    return TransactionsPage(shown, str(shown[-1].id) if len(found) > limit else None)


def view_payment_tokens(actor: Actor, *, unit: SettlementUnit) -> Sequence[PaymentToken]:
    """Return the tokens in which the issuer pays and is paid."""
    authorize(actor, Action.SETTLEMENT_VIEW, tenant_id=unit.tenant_id)
    return unit.payment_tokens.all()


def accept_payment_token(actor: Actor, address: Address, *, currency: str, unit: SettlementUnit) -> PaymentToken:
    """Record an ERC-20 as money of this issuer, with the decimals and symbol that its contract gives; twice is once."""
    authorize(actor, Action.SETTLEMENT_SET_PAYMENT_TOKEN, tenant_id=unit.tenant_id)
    known = unit.payment_tokens.find(address)
    if known is not None and known.currency == currency:
        return known
    token = None if known is not None else unit.token_chain.payment_token(address, currency)
    if token is None:
        raise NotAPaymentToken(address=address)
    # Refuses a currency that is not in the table, and a token that cannot carry its smallest coin.
    token.units_of(Money(1, currency))
    unit.payment_tokens.add(token, at=unit.clock.now())
    facts = {"currency": currency, "decimals": token.decimals}
    unit.audit.record(actor, Action.SETTLEMENT_SET_PAYMENT_TOKEN, f"payment_token:{address}", facts)
    return token


def mark_external_mint(actor: Actor, transaction_hash: TransactionHash, note: str, *, unit: SettlementUnit) -> ExternalMint:
    """Record that shares issued by a transaction from outside are known and why, so that reconciliation no longer reports them."""
    authorize(actor, Action.SETTLEMENT_ISSUE, tenant_id=unit.tenant_id)
    mint = ExternalMint(transaction_hash, actor.user_id, unit.clock.now(), note)
    unit.instructions.mark_external(mint)
    unit.audit.record(actor, "settlement.mark_external_mint", f"transaction:{transaction_hash}", {"note": note})
    return mint


def _sort_out(request: IssueShares, *, unit: SettlementUnit) -> tuple[tuple[AcceptedAllotment, ...], tuple[RefusedAllotment, ...]]:
    """Ask the rules for each receiver, counting what is issued further up in the same request."""
    if len(request.allotments) > ALLOTMENTS_MAX:
        raise TooManyAllotments(allotments=len(request.allotments), allotments_max=ALLOTMENTS_MAX)
    security = tokenised(unit.securities.get(request.security_id), step="an issue")
    room = _room(security, unit=unit)
    accepted: list[AcceptedAllotment] = []
    refused: list[RefusedAllotment] = []
    wallets: dict[Address, Allotment] = {}
    for allotment in request.allotments:
        wallet = _receiver(allotment, unit=unit)
        if wallet in wallets:
            raise DuplicateReceiver(wallet=wallet)
        wallets[wallet] = allotment
    checks = MoveChecks(request.security_id, list(wallets), unit=unit)
    for wallet, allotment in wallets.items():
        paid = allotment.sale.paid
        answer = checks.issue(wallet, allotment.shares, exemption=allotment.sale.exemption, paid=paid)
        locked_until = max((each for each in (allotment.sale.locked_until, answer.locked_until) if each is not None), default=None)
        decision = (
            _unsayable(allotment.sale)
            or (None if locked_until is None else _unlockable(request.security_id, wallet, locked_until, unit=unit))
            or answer.decision
        )
        if isinstance(decision, Refused):
            refused.append(RefusedAllotment(allotment, wallet, decision))
        elif room is not None and allotment.shares > room:
            refused.append(RefusedAllotment(allotment, wallet, _over_authorized(allotment.shares, room, security.terms.decimals)))
        else:
            checks.take_issue(wallet, allotment.shares, exemption=answer.exemption, paid=paid)
            room = None if room is None else room - allotment.shares
            category = allotment.sale.buyer_category or answer.buyer_category
            sale = replace(allotment.sale, exemption=answer.exemption, buyer_category=category, locked_until=locked_until)
            accepted.append(AcceptedAllotment(allotment, wallet, sale))
    return tuple(accepted), tuple(refused)


def _unlockable(security_id: SecurityId, wallet: Address, until: dt.datetime, *, unit: SettlementUnit) -> Refused | None:
    """Return why the token cannot lock shares of a wallet until an instant: it is over, or the wallet has as many lockups as it may."""
    now = unix_seconds(unit.clock.now())
    tranches = {each.unlocks_at for each in unit.register.lockups(security_id, [wallet]).get(wallet, ()) if each.unlocks_at > now}
    if until.microsecond or not now < unix_seconds(until) <= INSTANT_SECONDS_MAX:
        error: MunimentError = LockupOver(locked_until=until)
    elif len(tranches) >= TRANCHES_MAX and unix_seconds(until) not in tranches:
        error = TooManyLockups(wallet=wallet, lockups_max=TRANCHES_MAX)
    else:
        return None
    return Refused((Reason(error.code, error.sentence, facts=error.facts, cure=error.cure_sentence),))


def _unsayable(sale: SaleTerms) -> Refused | None:
    """Return why the terms cannot be written into the register: what stands there are codes and amounts, nothing else."""
    try:
        check_code(sale.exemption, field="exemption")
        check_code(sale.buyer_category, field="buyer_category")
        check_paid(sale.paid, field="paid")
    except MunimentError as error:
        return Refused((Reason(error.code, error.sentence, facts=error.facts, cure=error.cure_sentence),))
    return None


def _room(security: TokenisedSecurity, *, unit: SettlementUnit) -> int | None:
    """Return how many base units are authorised and neither in issue nor on their way to it; None where there is no limit."""
    authorized = security.terms.shares_authorized
    if authorized is None:
        return None
    security_id = security.terms.security_id
    # In this order: what arrives in the register meanwhile is counted twice for a moment, and never not at all.
    coming = 0
    for state in unit.instructions.open_issues(security_id, after_block=unit.register.read_block()):
        is_counted = not isinstance(state, RequestedInstruction) and unit.register.movements_in(
            security.token_address, state.transaction_hash or ""
        )
        if not is_counted:
            coming += sum(leg.shares for leg in state.instruction.legs)
    return authorized - coming - unit.register.supply(security_id)


def _not_nothing(
    request: IssueShares, accepted: tuple[AcceptedAllotment, ...], refused: tuple[RefusedAllotment, ...]
) -> tuple[tuple[AcceptedAllotment, ...], tuple[RefusedAllotment, ...]]:
    if not accepted:
        first_reason = refused[0].decision.reasons[0].sentence if refused else "there is none."
        raise NothingToIssue(allotments=len(request.allotments), first_reason=first_reason)
    return accepted, refused


def _issued_before(request: IssueShares, instructions: Sequence[Instruction], *, unit: SettlementUnit) -> IssueReport:
    """Return the report on a request that was carried out already; refuse another request under its id."""
    given = {(leg.to_wallet, leg.shares): leg.sale for instruction in instructions for leg in instruction.legs if leg.to_wallet is not None}
    asked = {(_receiver(allotment, unit=unit), allotment.shares): allotment for allotment in request.allotments}
    kinds = {(instruction.kind, instruction.security_id) for instruction in instructions}
    if kinds != {(InstructionKind.ISSUE, request.security_id)} or not given.keys() <= asked.keys():
        raise KeyReused(request_id=str(request.request_id))
    if not all(asked[place].sale.is_fulfilled_by(sale) for place, sale in given.items()):
        raise KeyReused(request_id=str(request.request_id))
    _, refused = _sort_out(request, unit=unit)
    accepted = tuple(
        AcceptedAllotment(allotment, wallet, given[wallet, shares])
        for (wallet, shares), allotment in asked.items()
        if (wallet, shares) in given
    )
    left_out = tuple(entry for entry in refused if (entry.wallet, entry.allotment.shares) not in given)
    return IssueReport(request.request_id, accepted, left_out, tuple(instructions))


def _receiver(allotment: Allotment, *, unit: SettlementUnit) -> Address:
    """Return the wallet that receives."""
    if allotment.wallet is not None:
        return allotment.wallet
    assert allotment.investor_id is not None, "an allotment names an investor or a wallet"
    unit.investors.get(allotment.investor_id)
    wallets = unit.wallets.of_investor(allotment.investor_id)
    if not wallets:
        raise NoWallet(investor_id=str(allotment.investor_id))
    return wallets[0].address


def _over_authorized(shares: int, room: int, decimals: int) -> Refused:
    return Refused(
        (
            Reason(
                code="settlement.over_authorized",
                sentence=(
                    f"{show_shares(shares, decimals=decimals)} shares are more than the"
                    f" {show_shares(max(0, room), decimals=decimals)} that are authorised and not issued."
                ),
                facts={"shares": shares, "shares_left": max(0, room)},
                cure="Issue fewer shares or raise the authorised shares.",
            ),
        )
    )


def _short(security_id: SecurityId, wallet: Address, shares: int, *, unit: SettlementUnit) -> Refused | None:
    balance = int(unit.register.balance_of(security_id, wallet))
    if shares <= balance:
        return None
    reason = Reason(
        code="settlement.insufficient_balance",
        sentence="The wallet holds fewer shares than that.",
        facts={"shares": shares, "balance": balance},
        cure="Name at most the shares that the wallet holds.",
    )
    return Refused((reason,))


def _unverified(security_id: SecurityId, wallet: Address, *, unit: SettlementUnit) -> Refused | None:
    """Return the part of a check that binds even a forced transfer: who the receiver is."""
    decision = check_transfer(security_id, from_wallet=None, to_wallet=wallet, shares=1, unit=unit)
    if not isinstance(decision, Refused):
        return None
    about_identity = tuple(reason for reason in decision.reasons if reason.code == "compliance.receiver_not_verified")
    return replace(decision, reasons=about_identity) if about_identity else None


def _held_by(wallet: Address, *, unit: SettlementUnit) -> list[tuple[SecurityId, int]]:
    held: list[tuple[SecurityId, int]] = []
    for token in unit.register.securities_held(wallet):
        security = unit.securities.by_token(token)
        if security is not None:
            security_id = security.terms.security_id
            held.append((security_id, int(unit.register.balance_of(security_id, wallet))))
    return sorted(held, key=lambda entry: str(entry[0]))


ROUTINE_KINDS = frozenset({InstructionKind.TRANSFER})
"""What holders present and nothing but the transfer is asked of; a forced transfer or a recovery rests on papers of its own."""

ITEM_KINDS = ROUTINE_KINDS | {InstructionKind.FORCED_TRANSFER, InstructionKind.RECOVER}
"""What is an item for turnaround (17 CFR 240.17Ad-1): an issue and a burn are the issuer's own acts."""


def view_turnaround(
    actor: Actor, *, month: dt.date, zone: dt.tzinfo, security_id: SecurityId | None = None, unit: SettlementUnit
) -> TurnaroundReport:
    """Return how fast items received in a month were turned around (17 CFR 240.17Ad-2), of one security where one is given.

    An item is an instruction: received when it was asked for, turned around when it settled or was refused for good. What holders send
    to the chain themselves is done as it comes and no item.
    """
    authorize(actor, Action.SETTLEMENT_RECONCILE, tenant_id=unit.tenant_id)
    if security_id is not None:
        unit.securities.get(security_id)
    items = [
        TurnaroundItem(state.instruction.requested_at, _ended_at(state), is_routine=state.instruction.kind in ROUTINE_KINDS)
        for state in unit.instructions.everything()
        if state.instruction.kind in ITEM_KINDS and security_id in {None, state.instruction.security_id}
    ]
    return turnaround(items, month=month, zone=zone, now=unit.clock.now())


def _ended_at(state: InstructionState) -> dt.datetime | None:
    match state:
        case SettledInstruction():
            return state.settled_at
        case FailedInstruction():
            return state.failed_at
        case RequestedInstruction() | SubmittedInstruction():
            return None
        case _:
            assert_never(state)


def _instruct(
    actor: Actor,
    *,
    request_id: UUID,
    part: int,
    security_id: SecurityId,
    kind: InstructionKind,
    legs: tuple[Leg, ...],
    unit: SettlementUnit,
) -> Instruction:
    """Store an instruction, announce it and defer its settling; the same part of the same request gives what is stored."""
    now: dt.datetime = unit.clock.now()
    instruction = Instruction(
        instruction_id=part_id(unit.tenant_id, request_id, part),
        request_id=request_id,
        security_id=security_id,
        kind=kind,
        legs=legs,
        requested_by=actor.user_id,
        requested_at=now,
    )
    if not unit.instructions.add(instruction):
        stored = unit.instructions.get(instruction.instruction_id).instruction
        if stored.digest != instruction.digest:
            raise KeyReused(request_id=str(request_id))
        return stored
    unit.outbox.record(
        InstructionRequested(instruction_id=str(instruction.instruction_id), security_id=str(security_id), instruction_kind=kind.value)
    )
    unit.jobs.defer(SETTLE_JOB, {"instruction_id": str(instruction.instruction_id)}, lock=f"settlement:{instruction.instruction_id}")
    return instruction


def _place(cursor: str) -> InstructionPlace:
    instant, tilde, instruction_id = cursor.partition("~")
    if not tilde:
        raise BadCursor(cursor=cursor)
    return InstructionPlace(parse_instant(instant, field="cursor"), InstructionId(parse_id(instruction_id, field="cursor")))
