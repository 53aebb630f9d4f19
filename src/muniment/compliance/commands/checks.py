# SPDX-License-Identifier: Apache-2.0
"""May these shares move? The answer of chain and law together, of one move or of an issue to many. Changes nothing."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from muniment.access.model import Action, Actor, authorize
from muniment.compliance.commands.law import law_case
from muniment.compliance.commands.rules import tokenised_only
from muniment.compliance.errors import ExemptionNotChosen
from muniment.compliance.model.decision import decide
from muniment.compliance.model.facts import InvestorFacts, Move, TokenFacts, WalletFacts
from muniment.compliance.model.law.case import Case, GrowingCase
from muniment.compliance.model.law.engine import REGULATION_D, Judgement, judge
from muniment.compliance.model.law.facts import Proposal, Sale
from muniment.compliance.model.law.investors import accredited
from muniment.compliance.model.law.resales import ResaleLocks
from muniment.compliance.model.rules import FurtherRule
from muniment.compliance.ports import ComplianceUnit, FurtherFacts
from muniment.units.decisions import Allowed, Decision, Reason, Refused
from muniment.units.ids import Address, InvestorId, SecurityId
from muniment.units.money import Money
from muniment.units.shares import SHARES_MAX


def ask_transfer(
    actor: Actor, security_id: SecurityId, *, from_wallet: Address | None, to_wallet: Address, shares: int, unit: ComplianceUnit
) -> Decision:
    """Return the answer of `check_transfer` to somebody who may ask."""
    authorize(actor, Action.COMPLIANCE_CHECK, tenant_id=unit.tenant_id)
    return check_transfer(security_id, from_wallet=from_wallet, to_wallet=to_wallet, shares=shares, unit=unit)


def check_transfer(
    security_id: SecurityId, *, from_wallet: Address | None, to_wallet: Address, shares: int, unit: ComplianceUnit
) -> Decision:
    """Return whether shares may move now, or every reason why not, the chain's first; `from_wallet` None asks about an issue.

    Answers from the register and the rules in effect; the node is asked only where a further rule is among these. `shares` in base
    units.

    Raises:
        NotOnChain: the security has no token yet.

    """
    wallets = [to_wallet] if from_wallet is None else [from_wallet, to_wallet]
    return MoveChecks(security_id, wallets, unit=unit).ask(from_wallet=from_wallet, to_wallet=to_wallet, shares=shares).decision


@dataclass(frozen=True, slots=True)
class IssueAnswer:
    """The answer about an issue, with what it found: the exemption that it stands under, and what the buyer is to it.

    Either is None where the issue is refused, or where it does not tell itself. `locked_until` is an instant where the packs have
    shares issued locked: until then the law lets nobody buy them from the holder, but by the exceptions that it makes.
    """

    decision: Decision
    exemption: str | None = None
    buyer_category: str | None = None
    locked_until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class _SaleTerms:
    exemption: str | None = None
    paid: Money | None = None


_NOTHING_STATED = _SaleTerms()


@dataclass(slots=True)
class _Taken:
    """What issues that count as made add to the register: shares by identity, and holders in all, by country and by category."""

    shares: defaultdict[Address | None, int] = field(default_factory=lambda: defaultdict(int))
    holders: int = 0
    country_holders: Counter[int | None] = field(default_factory=Counter)
    category_holders: Counter[int] = field(default_factory=Counter)


class MoveChecks:
    """Questions about moves of one security in one transaction. Rules, packs and register are read once, however many are asked.

    An issue that was allowed can be taken as made: what is asked after it counts it, as chain and law will.

    Raises:
        NotOnChain: the security has no token yet.

    """

    def __init__(self, security_id: SecurityId, wallets: Sequence[Address], *, unit: ComplianceUnit) -> None:
        """`wallets` are all that will be asked about."""
        self._unit = unit
        self._security = tokenised_only(unit.securities.get(security_id))
        self._security_id = security_id
        self._at = unit.clock.now()
        rule_set = unit.rule_sets.in_effect(security_id, self._at)
        self._rules = () if rule_set is None else rule_set.enforced
        self._choice = unit.law_choices.in_effect(security_id, self._at)
        self._wallets = wallets
        self._taken = _Taken()

    def issue(self, to_wallet: Address, shares: int, *, exemption: str | None = None, paid: Money | None = None) -> IssueAnswer:
        """Return whether an issue under an exemption, for an amount, may be made; None leaves either to the packs.

        An exemption that is not among the packs is a reason of its own. Without packs the law is not asked, and what is named stands. An
        amount in another currency than the terms' counts by the terms' price, as it does once it is a past sale.
        """
        found = self.ask(from_wallet=None, to_wallet=to_wallet, shares=shares, sale=_SaleTerms(exemption, paid))
        if isinstance(found.decision, Refused):
            return IssueAnswer(found.decision)
        standing_under = found.computed.get("exemption", exemption)
        locked_until = self._locked_until(to_wallet, standing_under)
        return IssueAnswer(found.decision, standing_under, found.computed.get("buyer_category"), locked_until)

    def take_issue(self, to_wallet: Address, shares: int, *, exemption: str | None = None, paid: Money | None = None) -> None:
        """Count an issue that was allowed as made."""
        receiver, further = self._receiver(None, to_wallet, shares)
        taken = self._taken
        if receiver.position == 0:
            taken.holders += 1
        if receiver.remembered.country_place is None:
            taken.country_holders[receiver.country] += 1
        if not receiver.remembered.is_counted_by_category:
            taken.category_holders[further.receiver.category] += 1
        taken.shares[receiver.identity] += shares
        case = self._case
        if case is not None:
            amount = paid.minor_units if paid is not None and paid.currency == case.terms.currency else None
            case.add(Sale(self._investor_of(to_wallet), self._at.date(), shares, amount, exemption))

    def ask(self, *, from_wallet: Address | None, to_wallet: Address, shares: int, sale: _SaleTerms = _NOTHING_STATED) -> Judgement:
        """Return the answer of chain and law together, with what the law computed on the way."""
        unit, security_id, taken = self._unit, self._security_id, self._taken
        shares = min(shares, SHARES_MAX)
        receiver, further = self._receiver(from_wallet, to_wallet, shares)
        sender = None if from_wallet is None else _facts(security_id, from_wallet, unit=unit)
        move = Move(
            sender=None if sender is None else replace(sender, remembered=further.sender or InvestorFacts()),
            receiver=receiver,
            shares=shares,
            approved_until=further.approved_until,
        )
        supply, holders, is_paused = self._counts
        token = TokenFacts(
            is_paused=is_paused,
            supply=supply + sum(taken.shares.values()),
            holders=holders + taken.holders,
            decimals=self._security.terms.decimals,
            country_holders=further.country_holders + taken.country_holders[receiver.country],
            category_holders=further.category_holders + taken.category_holders[further.receiver.category],
        )
        decision = decide(move, token, self._rules, at=self._at)
        if self._case is None:
            return Judgement(decision)
        lawful = self._lawful(self._case, from_wallet=from_wallet, to_wallet=to_wallet, shares=shares, sale=sale)
        return Judgement(_both(decision, lawful.decision), computed=lawful.computed)

    def _locked_until(self, to_wallet: Address, exemption: str | None) -> dt.datetime | None:
        if self._case is None or not self._case.terms.issued_locked:
            return None
        today = self._at.date()
        first_day = ResaleLocks(self._case, today).first_day_of_sale(self._investor_of(to_wallet), exemption)
        return None if first_day <= today else dt.datetime.combine(first_day, dt.time(), tzinfo=dt.UTC)

    @cached_property
    def _counts(self) -> tuple[int, int, bool]:
        register = self._unit.register
        return register.supply(self._security_id), register.holder_count(self._security_id), register.is_paused(self._security_id)

    @cached_property
    def _investors(self) -> Mapping[Address, InvestorId]:
        return {address: wallet.investor_id for address, wallet in self._unit.wallets.by_addresses(list(self._wallets)).items()}

    @cached_property
    def _case(self) -> GrowingCase | None:
        if self._choice is None:
            return None
        besides = [*dict.fromkeys(self._investors.values())]
        return GrowingCase.of(law_case(self._choice, security=self._security, unit=self._unit, besides=besides))

    def _receiver(self, from_wallet: Address | None, to_wallet: Address, shares: int) -> tuple[WalletFacts, FurtherFacts]:
        """Return what is known of a recipient, issues that count as made included, and what the contract of further rules remembers."""
        receiver = _facts(self._security_id, to_wallet, unit=self._unit)
        further = FurtherFacts()
        if any(isinstance(rule, FurtherRule) for rule in self._rules):
            # What their contract remembers (places, lots, volume, approvals) no event tells: the node is asked.
            further = self._unit.compliance_chain.further_facts(
                token=self._security.token_address, sender=from_wallet, receiver=to_wallet, country=receiver.country, shares=shares
            )
        given = self._taken.shares.get(receiver.identity, 0) if receiver.identity is not None else 0
        remembered = further.receiver
        if given:
            place = receiver.country if remembered.country_place is None else remembered.country_place
            remembered = replace(remembered, country_place=place, is_counted_by_category=True)
        return replace(receiver, elsewhere=receiver.elsewhere + given, remembered=remembered), further

    def _investor_of(self, wallet: Address) -> str:
        """Return the investor that a wallet belongs to, as the law's cases name it; the wallet's address where nobody's."""
        return str(self._investors.get(wallet, wallet))

    def _lawful(self, case: Case, *, from_wallet: Address | None, to_wallet: Address, shares: int, sale: _SaleTerms) -> Judgement:
        """Return what the law says of an issue (from nobody, so a sale by the issuer) or of a transfer between two wallets' investors."""
        receiver, on = self._investor_of(to_wallet), self._at.date()
        if from_wallet is None:
            amount = sale.paid.minor_units if sale.paid is not None and sale.paid.currency == case.terms.currency else None
            asked = Proposal(
                "sale", on, receiver=receiver, quantity=shares, amount_minor=amount, offered_on=dt.date.min, exemption=sale.exemption
            )
            try:
                found = judge(case, asked)
            except ExemptionNotChosen as error:
                # To whoever issues to many this is a reason against one of them, not against the request.
                return Judgement(Refused((Reason(error.code, error.sentence, facts=error.facts, cure=error.cure_sentence),)))
            return replace(found, computed={**found.computed, **_category(case, receiver, found.computed.get("exemption"))})
        sender = self._investor_of(from_wallet)
        if sender == receiver:
            # Between two wallets of one investor nobody sells and nobody buys.
            return Judgement(Allowed())
        return judge(case, Proposal("transfer", on, sender=sender, receiver=receiver, quantity=shares))


def _both(decision: Decision, lawful: Decision) -> Decision:
    """Return the two answers as one: what the chain would name first, then what only the law says."""
    said = {reason.code for reason in decision.reasons} if isinstance(decision, Refused) else set()
    extra = [reason for reason in lawful.reasons if _TOLD_BY_THE_CHAIN.get(reason.code) not in said] if isinstance(lawful, Refused) else []
    reasons = (*(decision.reasons if isinstance(decision, Refused) else ()), *extra)
    return Refused(reasons) if reasons else Allowed()


_TOLD_BY_THE_CHAIN = {
    "compliance.insufficient_holding": "settlement.insufficient_balance",
    "compliance.investor_unknown": "compliance.receiver_not_verified",
    "compliance.investor_not_verified": "compliance.receiver_not_verified",
}
"""Reasons of the law that repeat one of the chain's."""


def _category(case: Case, investor_id: str, exemption: str | None) -> dict[str, str]:
    """Return whether a buyer under Regulation D is accredited, which Form D counts; nothing where nobody knows it."""
    if exemption not in REGULATION_D:
        return {}
    known = accredited(case.investors[investor_id], case.book)
    if known.is_so is None:
        return {}
    return {"buyer_category": "accredited" if known.is_so else "non_accredited"}


def _facts(security_id: SecurityId, address: Address, *, unit: ComplianceUnit) -> WalletFacts:
    known = unit.identities.on_chain(address)
    identity = None if known is None else known.identity
    group = () if identity is None else unit.identities.wallets_of_identity(identity)
    others = [wallet for wallet in group if wallet != address]
    return WalletFacts(
        address=address,
        balance=unit.register.balance_of(security_id, address),
        frozen_shares=unit.register.frozen_shares(security_id, address),
        is_frozen=unit.register.is_frozen(security_id, address),
        lockups=tuple(unit.register.lockups(security_id, [address]).get(address, ())),
        identity=identity,
        is_registered=known is not None and known.is_registered,
        country=None if known is None else known.country,
        verified_until=0 if known is None else known.verified_until,
        elsewhere=sum(unit.register.balances_of(security_id, others).values()) if others else 0,
    )
