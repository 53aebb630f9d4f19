# SPDX-License-Identifier: Apache-2.0
"""One question of law, one answer with every reason: a sale, a transfer or match, a payment, a person's class, or the register itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from muniment.compliance.errors import ExemptionNotChosen, ProposalInvalid
from muniment.compliance.model.law import investors as classes
from muniment.compliance.model.law.book import EvaluatedOn, LawRule, rule_book
from muniment.compliance.model.law.case import Case
from muniment.compliance.model.law.checklists import checklist
from muniment.compliance.model.law.counts import NO_CHANGE, SNAPSHOT_RULES, Change, SnapshotQuestion, warnings_of
from muniment.compliance.model.law.facts import EEA, InvestorFacts, Proposal
from muniment.compliance.model.law.offerings import SALE_RULES, SaleQuestion
from muniment.compliance.model.law.payments import withholding
from muniment.compliance.model.law.resales import (
    SALES_ONLY,
    TRANSFER_RULES,
    TransferQuestion,
    form_144_needed,
    information_right_needed,
    pick_lots,
)
from muniment.units.decisions import Allowed, Decision, Reason, Refused
from muniment.units.errors import Place
from muniment.units.shares import format_shares, show_shares

PROPOSALS = ("sale", "transfer", "match", "payment", "classification", "snapshot")

_REGIONS: Mapping[str, frozenset[str]] = {"EU": EEA, "UK": frozenset({"GB"}), "CH": frozenset({"CH"}), "SG": frozenset({"SG"})}
"""Whose residents a jurisdiction's rules of sale protect; the United States' count for everybody, by their own exemptions."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decision, what to watch although it is allowed, and what was computed on the way."""

    decision: Decision
    warnings: tuple[str, ...] = ()
    computed: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the wire shape."""
        return {**self.decision.as_json(), "warnings": list(self.warnings), "computed": dict(self.computed)}


def judge(case: Case, proposal: Proposal) -> Judgement:
    """Return whether the law lets a proposal be, with every reason against it in the order of the rule book.

    Raises:
        ProposalInvalid: the proposal is of no known kind, names nobody where somebody is needed, or an exemption though it is no sale.
        ExemptionNotChosen: a sale names an exemption that is not among the packs.

    """
    if proposal.exemption is not None and proposal.kind != "sale":
        raise ProposalInvalid(problem="only a sale is made under an exemption", place=Place(field="proposed.exemption"))
    match proposal.kind:
        case "sale":
            return _judge_sale(case, proposal)
        case "transfer" | "match":
            return _judge_transfer(case, proposal)
        case "payment":
            return _judge_payment(case, proposal)
        case "classification":
            return _judge_classification(case, proposal)
        case "snapshot":
            return _judge_snapshot(case, proposal)
        case _:
            raise ProposalInvalid(problem=f"kind is one of {', '.join(PROPOSALS)}", place=Place(field="proposed.kind"))


# --- a sale by the issuer --------------------------------------------------------------------------------------------------------------


def _judge_sale(case: Case, proposal: Proposal) -> Judgement:
    receiver = _named(proposal.receiver, "to")
    buyer = case.investors.get(receiver)
    if buyer is None:
        return Judgement(Refused((reason_unknown(receiver),)))
    if proposal.quantity == 0 and proposal.amount_minor is None:
        raise ProposalInvalid(problem="a sale has a quantity or an amount", place=Place(field="proposed.quantity"))
    amount = proposal.amount_minor
    if amount is None and case.terms.price_minor is not None:
        amount = case.worth(proposal.quantity)
    ask = SaleQuestion(case, proposal, buyer, amount)
    reasons = [*reasons_unverified(buyer, proposal.on)]
    holding: list[LawRule] = []
    for rules in _exemptions_asked(case, buyer, proposal.exemption):
        held, against = _standing(ask, rules)
        holding += held
        reasons += against
    change = Change(comes=receiver if case.position(receiver) == 0 else None, receiver=receiver, quantity=proposal.quantity, issued=True)
    reasons += checklist_reasons(case, proposal.on, buyer)
    reasons += _counts(case, proposal.on, change)
    warnings = [*_count_warnings(case, proposal.on, change), *_unprotected(case, buyer), *_form_d(case, proposal)]
    return Judgement(_decision(reasons), tuple(warnings), {} if reasons else _stands_under(holding, proposal.exemption))


def exemptions_chosen(case: Case) -> list[str]:
    """Return the exemptions among the packs that a sale may name, in the order of the rule book."""
    return [rule_id for rule_id in case.selection.rule_ids if rule_id in SALE_RULES]


def _exemptions_asked(case: Case, buyer: InvestorFacts, named: str | None) -> Iterator[Sequence[LawRule]]:
    """Yield what `exemptions_for` does; where one exemption is named, it alone in its jurisdiction, whoever the buyer is."""
    if named is None:
        yield from exemptions_for(case, buyer)
        return
    if named not in exemptions_chosen(case):
        chosen = ", ".join(exemptions_chosen(case)) or "there is none"
        raise ExemptionNotChosen(exemption=named, chosen=chosen, place=Place(field="proposed.exemption"))
    rule = case.book.rules[named]
    yield (rule,)
    # Regulation S is one of the American exemptions: it and the domestic ones are alternatives to each other.
    yield from (rules for rules in exemptions_for(case, buyer) if rules[0].jurisdiction != rule.jurisdiction)


def _stands_under(holding: Sequence[LawRule], named: str | None) -> dict[str, str]:
    """Return under which exemption an allowed sale stands: as named, else the one that holds.

    Where laws of several jurisdictions are asked it is the American one: it alone decides when the shares may be resold. Nothing where
    several exemptions of that jurisdiction hold, or none is asked.
    """
    american = [rule for rule in holding if rule.jurisdiction == "US"]
    standing = american or list(holding)
    if named is not None:
        return {"exemption": named}
    return {"exemption": standing[0].rule_id} if len(standing) == 1 else {}


def _standing(ask: SaleQuestion, rules: Sequence[LawRule]) -> tuple[list[LawRule], list[Reason]]:
    """Return which of the exemptions hold; where none does, the reasons against the one that is nearest to holding."""
    nearest: list[Reason] = []
    holding: list[LawRule] = []
    for rule in rules:
        found = _reasons_against(ask, rule)
        if not found:
            holding.append(rule)
        elif not nearest or len(found) < len(nearest):
            nearest = found
    return holding, [] if holding else nearest


def exemptions_for(case: Case, buyer: InvestorFacts) -> Iterator[Sequence[LawRule]]:
    """Yield, per jurisdiction that concerns the buyer, the exemptions of which one must hold."""
    by_jurisdiction = _sale_rules(case.selection.rule_ids)
    american, offshore = by_jurisdiction["US"], by_jurisdiction["offshore"]
    if offshore and not buyer.is_us_person:
        yield offshore
    elif american or offshore:
        yield american or offshore
    for jurisdiction, countries in _REGIONS.items():
        if buyer.country in countries and by_jurisdiction[jurisdiction]:
            yield by_jurisdiction[jurisdiction]


@lru_cache(maxsize=256)
def _sale_rules(rule_ids: tuple[str, ...]) -> Mapping[str, tuple[LawRule, ...]]:
    """Return the rules of sale among these by jurisdiction, Regulation S apart from the other American ones."""
    rules = [rule_book().rules[rule_id] for rule_id in rule_ids if rule_id in SALE_RULES]
    found = {
        jurisdiction: tuple(rule for rule in rules if rule.jurisdiction == jurisdiction and rule.rule_id != "us.regs")
        for jurisdiction in ("US", *_REGIONS)
    }
    return {**found, "offshore": tuple(rule for rule in rules if rule.rule_id == "us.regs")}


def reasons_least(ask: SaleQuestion, rules: Sequence[LawRule]) -> list[Reason]:
    """Return nothing where one of the exemptions holds, else the reasons against the one that is nearest to holding."""
    nearest: list[Reason] | None = None
    for rule in rules:
        found = _reasons_against(ask, rule)
        if not found:
            return []
        if nearest is None or len(found) < len(nearest):
            nearest = found
    return nearest or []


def _reasons_against(ask: SaleQuestion, rule: LawRule) -> list[Reason]:
    found = list(SALE_RULES[rule.rule_id](rule, ask))
    return found if rule.is_in_force(ask.on) else [_not_yet(rule, ask.on), *found]


def _not_yet(rule: LawRule, on: dt.date) -> Reason:
    return Reason(
        "compliance.rule_not_in_force",
        f"This rule takes effect on {rule.effective_from}; on {on} nobody can rely on it.",
        rule=rule.rule_id,
        citation=rule.citation,
        facts={"effective_from": str(rule.effective_from), "on": on.isoformat()},
        cure=f"Wait until {rule.effective_from}, or choose another exemption.",
    )


def _unprotected(case: Case, buyer: InvestorFacts) -> Iterator[str]:
    for jurisdiction, countries in _REGIONS.items():
        if buyer.country in countries and not any(rule.jurisdiction == jurisdiction for rule in case.selection.rules):
            yield f"The investor lives in {buyer.country}, and no rule of {jurisdiction} is among the packs."
    if buyer.is_us_person and not any(rule.rule_id in SALE_RULES and rule.jurisdiction == "US" for rule in case.selection.rules):
        yield "The investor is a U.S. person, and no exemption of the United States is among the packs (15 USC 77e)."


REGULATION_D = frozenset({"us.regd.506b", "us.regd.506c", "us.regd.504"})
"""Exemptions of which a notice (Form D) is filed that counts who was accredited."""


def _form_d(case: Case, proposal: Proposal) -> Iterator[str]:
    if not any(rule.rule_id in REGULATION_D for rule in case.selection.rules):
        return
    if not case.sales:
        due = proposal.on + dt.timedelta(days=case.book.rules["us.regd.506b"].params["form_d_days_after_first_sale"])
        yield f"This is the first sale: Form D is due by {due} (17 CFR 230.503)."
    if case.terms.bad_actor_checked_on is None:
        yield "Nobody has recorded that issuer and insiders are no bad actors (17 CFR 230.506(d))."


# --- a transfer or match between holders -----------------------------------------------------------------------------------------------


def _judge_transfer(case: Case, proposal: Proposal) -> Judgement:
    sender_id = _named(proposal.sender, "from")
    sender = case.investors.get(sender_id)
    receiver_id = None if proposal.to_issuer else _named(proposal.receiver, "to")
    receiver = None if receiver_id is None else case.investors.get(receiver_id)
    unknown = [reason_unknown(sender_id)] if sender is None else []
    if receiver_id is not None and receiver is None:
        unknown.append(reason_unknown(receiver_id))
    if unknown or sender is None:
        return Judgement(Refused(tuple(unknown)))
    if proposal.quantity == 0:
        raise ProposalInvalid(problem="a transfer has a quantity", place=Place(field="proposed.quantity"))
    reasons: list[Reason] = []
    if receiver is not None:
        reasons += reasons_unverified(receiver, proposal.on)
    held = case.position(sender_id)
    if proposal.quantity > held:
        reasons.append(_insufficient(case, held, proposal.quantity))
    ask = TransferQuestion(case, proposal, sender, receiver, pick_lots(case.lots.get(sender_id, ()), proposal.quantity))
    for rule in case.selection.rules:
        asked = rule.rule_id in TRANSFER_RULES and (proposal.how == "sale" or rule.rule_id not in SALES_ONLY)
        if asked and rule.is_in_force(proposal.on):
            reasons += TRANSFER_RULES[rule.rule_id](rule, ask)
    reasons += checklist_reasons(case, proposal.on, receiver)
    change = _change(case, sender_id, receiver_id, proposal.quantity)
    reasons += _counts(case, proposal.on, change)
    warnings = list(_count_warnings(case, proposal.on, change))
    if (
        proposal.how == "sale"
        and case.selection.has("us.rule144")
        and (form := form_144_needed(case.book.rules["us.rule144"], ask)) is not None
    ):
        warnings.append(form)
    if proposal.how == "sale" and (right := information_right_needed(ask)) is not None:
        warnings.append(right)
    return Judgement(_decision(reasons), tuple(warnings))


def _change(case: Case, sender_id: str, receiver_id: str | None, quantity: int) -> Change:
    if sender_id == receiver_id:
        return NO_CHANGE
    return Change(
        comes=receiver_id if receiver_id is not None and case.position(receiver_id) == 0 else None,
        goes=sender_id if case.position(sender_id) == quantity else None,
        sender=sender_id,
        receiver=receiver_id,
        quantity=quantity,
    )


def _insufficient(case: Case, held: int, quantity: int) -> Reason:
    decimals = case.terms.decimals
    return Reason(
        "compliance.insufficient_holding",
        f"The sender holds {show_shares(held, decimals=decimals)}, not {show_shares(quantity, decimals=decimals)}.",
        facts={"held": format_shares(held, decimals=decimals), "quantity": format_shares(quantity, decimals=decimals)},
        cure=f"Transfer at most {show_shares(held, decimals=decimals)}." if held else "Choose another sender.",
    )


# --- payments, persons, the register ---------------------------------------------------------------------------------------------------


def _judge_payment(case: Case, proposal: Proposal) -> Judgement:
    receiver = _named(proposal.receiver, "to")
    investor = case.investors.get(receiver)
    if investor is None:
        return Judgement(Refused((reason_unknown(receiver),)))
    if proposal.amount_minor is None:
        raise ProposalInvalid(problem="a payment has an amount", place=Place(field="proposed.amount"))
    rule = case.book.rules["us.tax.withholding"]
    if not case.selection.has(rule.rule_id):
        return Judgement(Allowed())
    withheld = withholding(rule, investor, proposal.amount_minor, on=proposal.on)
    currency = proposal.currency or case.terms.currency
    return Judgement(Allowed(), computed={"withholding": withheld.as_json(currency)})


def _judge_classification(case: Case, proposal: Proposal) -> Judgement:
    receiver = _named(proposal.receiver, "to")
    investor = case.investors.get(receiver)
    if investor is None:
        return Judgement(Refused((reason_unknown(receiver),)))
    return Judgement(Allowed(), computed={"classes": classes_of(case, investor)})


def classes_of(case: Case, investor: InvestorFacts) -> dict[str, Any]:
    """Return what an investor is in each law, by which branch, and which facts are missing to know."""
    found = {
        "accredited": classes.accredited(investor, case.book),
        "qualified_institutional_buyer": classes.qualified_institutional_buyer(investor, case.book),
        "qualified_purchaser": classes.qualified_purchaser(investor, case.book),
        "professional": classes.professional(investor, case.book),
        "qualified": classes.qualified_eu(investor, case.book),
        "accredited_singapore": classes.accredited_singapore(investor, case.book),
    }
    return {name: {"is_so": each.is_so, "branch": each.branch, "missing": list(each.missing)} for name, each in found.items()} | {
        "us_person": {"is_so": investor.is_us_person, "branch": "", "missing": []}
    }


def _judge_snapshot(case: Case, proposal: Proposal) -> Judgement:
    reasons = [*checklist_reasons(case, proposal.on, None), *_counts(case, proposal.on, NO_CHANGE, snapshot=True)]
    return Judgement(_decision(reasons), tuple(_count_warnings(case, proposal.on, NO_CHANGE)))


# --- shared ----------------------------------------------------------------------------------------------------------------------------


def checklist_reasons(case: Case, on: dt.date, buyer: InvestorFacts | None) -> list[Reason]:
    """Return what is missing or stands against every checklist that concerns a buyer (None: anybody)."""
    return [
        reason
        for rule in case.selection.rules
        if rule.evaluated_on is EvaluatedOn.CHECKLIST and rule.is_in_force(on) and _concerns(rule, buyer)
        for reason in checklist(rule, case.evidence, on=on)
    ]


def _concerns(rule: LawRule, buyer: InvestorFacts | None) -> bool:
    """Return whether a checklist is about this buyer: a promotion to persons in the United Kingdom concerns nobody else."""
    return rule.rule_id != "uk.fpo" or buyer is None or buyer.country == "GB"


AT_ADMISSION = frozenset({"eu.dlt_pilot"})
"""Rules that are asked when an instrument is admitted or issued, and no more when it is traded."""


def _counts(case: Case, on: dt.date, change: Change, *, snapshot: bool = False) -> list[Reason]:
    if change.is_none and not snapshot:
        return []
    ask = SnapshotQuestion(case, on, change)
    return [
        reason
        for rule in case.selection.rules
        if rule.rule_id in SNAPSHOT_RULES and rule.is_in_force(on) and (snapshot or change.issued or rule.rule_id not in AT_ADMISSION)
        for reason in SNAPSHOT_RULES[rule.rule_id](rule, ask)
    ]


def _count_warnings(case: Case, on: dt.date, change: Change) -> Iterator[str]:
    ask = SnapshotQuestion(case, on, change)
    for rule in case.selection.rules:
        if rule.rule_id in SNAPSHOT_RULES and rule.is_in_force(on):
            yield from warnings_of(rule, ask)


def reasons_unverified(investor: InvestorFacts, on: dt.date) -> Iterator[Reason]:
    """Yield the reason that an investor's identity is not verified on a day, where somebody has said so."""
    ended = investor.verified_until is not None and on >= investor.verified_until
    if investor.verified is False or ended:
        yield Reason(
            "compliance.investor_not_verified",
            f"The investor's verification ended on {investor.verified_until}." if ended else "The investor is not verified.",
            facts={
                "investor": investor.investor_id,
                "verified_until": None if investor.verified_until is None else str(investor.verified_until),
            },
            cure="Verify the investor.",
        )


def reason_unknown(investor_id: str) -> Reason:
    """Return the reason that nobody is that investor."""
    return Reason(
        "compliance.investor_unknown",
        f"Nobody here is the investor {investor_id}.",
        facts={"investor": investor_id},
        cure="Onboard the investor first.",
    )


def _named(investor_id: str | None, field_name: str) -> str:
    if investor_id is None:
        raise ProposalInvalid(problem=f"it names nobody in “{field_name}”", place=Place(field=f"proposed.{field_name}"))
    return investor_id


def _decision(reasons: Sequence[Reason]) -> Decision:
    return Refused(tuple(reasons)) if reasons else Allowed()
